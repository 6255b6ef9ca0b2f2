/* SPDX-License-Identifier: MIT
 *
 * The rules of waiting for one job: after this answer, is it over, and if not, when is the next poll?
 * Pure: no sockets, no clock, no chance of its own. The deadline is the operation's business. */
#ifndef VTSIM_CLIENT_WAIT_H
#define VTSIM_CLIENT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include <vtsim/client.h>

#include "backoff.h"

#define WAIT_RETRY_FIRST_MS 250
#define WAIT_RETRY_FACTOR   2.0
#define WAIT_RETRY_CAP_MS   5000

struct wait {
    struct backoff polls, retries;
    int errors, max_errors; /* failed polls in a row */
    bool known;             /* the server has accepted or shown this job: 404 is then a failure that
                             * may pass, else the plain truth */
};

/* What one poll brought. */
struct wait_answer {
    enum vts_client_err code; /* VTS_CLIENT_OK: `status` counts */
    int http_status;
    enum vts_client_status status;
    int64_t retry_after_ms; /* 0: not asked for */
};

struct wait_step {
    bool ended;       /* with the job's status or the error of the last answer */
    int64_t delay_ms; /* until the next poll, where not ended */
};

void wait_init(struct wait *wait, const struct vts_client_options *options);

/* The start was accepted: how long until the first poll? */
int64_t wait_started(struct wait *wait, int64_t retry_after_ms, double uniform);

struct wait_step wait_answered(struct wait *wait, const struct wait_answer *answer, double uniform);

#endif
