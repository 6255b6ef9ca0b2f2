/* SPDX-License-Identifier: MIT
 *
 * The rules of waiting for one job: after this answer, is it over, and if not, when is it asked again
 * and why then? Pure: no sockets, no clock, no chance of its own. */
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
    struct backoff retries;
    int errors, max_errors; /* failed attempts in a row */
    bool known;             /* the server has accepted or shown this job: 404 is then a failure that
                             * may pass, else the plain truth */
    bool arrived;           /* a start that failed may have arrived all the same */
};

enum wait_next {
    WAIT_ENDED, /* with what the answer said */
    WAIT_PLAN,  /* all is well: the plan says when to poll */
    WAIT_RETRY  /* it failed, and may pass */
};

void wait_init(struct wait *wait, const struct vts_client_options *options);

/* A poll was answered: error->code VTS_CLIENT_OK, then status counts; or failed. */
enum wait_next wait_answered(struct wait *wait, const struct vts_client_error *error,
                             enum vts_client_status status);

/* So was a start. `arrived`: something of it left. 409 to the repetition of one that may have arrived is
 * success, which is said with WAIT_PLAN as of any other. */
enum wait_next wait_started(struct wait *wait, const struct vts_client_error *error, bool arrived);

/* How long until the next attempt after WAIT_RETRY. */
int64_t wait_retry_ms(struct wait *wait, double uniform);

/* What bears on when to ask. */
struct wait_claims {
    int64_t delay_ms; /* by the plan, or the schedule of retries */
    enum vts_client_reason reason;
    enum vts_client_retry_after policy;
    int64_t retry_after_ms; /* of this answer; 0: none */
    int64_t gate_ms;        /* the host's gate is closed for so long; 0 or less: it is open */
    int64_t last_look_ms;   /* until the last look before the deadline; 0: there is none */
};

struct wait_delay {
    int64_t delay_ms;
    enum vts_client_reason reason;
};

/* Which of them decides. */
struct wait_delay wait_settle(const struct wait_claims *claims);

#endif
