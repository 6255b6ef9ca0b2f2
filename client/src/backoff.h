/* SPDX-License-Identifier: MIT
 *
 * The exponential schedule: how long to wait next. Pure: it draws no numbers and asks no clock. */
#ifndef VTSIM_CLIENT_BACKOFF_H
#define VTSIM_CLIENT_BACKOFF_H

#include <stdint.h>

struct backoff {
    double first_ms, factor, cap_ms, jitter; /* as they are set */
    double next_ms;                          /* before the jitter */
};

void backoff_init(struct backoff *backoff, int64_t first_ms, double factor, int64_t cap_ms,
                  double jitter);

/* Begins anew. */
void backoff_restart(struct backoff *backoff);

/* The next wait, at least 1 ms. `uniform` is an even number in [0, 1). The length is clamped to the
 * cap first and spread by the jitter after that: the other way round, every wait at the cap would be
 * the same, and clients that began together would stay together. */
int64_t backoff_next(struct backoff *backoff, double uniform);

#endif
