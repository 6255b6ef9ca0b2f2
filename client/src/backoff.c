/* SPDX-License-Identifier: MIT
 *
 * The exponential schedule. See backoff.h. */
#include "backoff.h"

void backoff_init(struct backoff *backoff, int64_t first_ms, double factor, int64_t cap_ms,
                  double jitter)
{
    backoff->first_ms = (double)first_ms;
    backoff->factor = factor;
    backoff->cap_ms = (double)cap_ms;
    backoff->jitter = jitter;
    backoff_restart(backoff);
}

void backoff_restart(struct backoff *backoff)
{
    backoff->next_ms = backoff->first_ms < backoff->cap_ms ? backoff->first_ms : backoff->cap_ms;
}

int64_t backoff_next(struct backoff *backoff, double uniform)
{
    double wait_ms = backoff->next_ms * (1.0 + backoff->jitter * (2.0 * uniform - 1.0));
    double grown_ms = backoff->next_ms * backoff->factor;

    backoff->next_ms = grown_ms < backoff->cap_ms ? grown_ms : backoff->cap_ms;
    return wait_ms < 1.0 ? 1 : (int64_t)(wait_ms + 0.5);
}
