/* SPDX-License-Identifier: MIT
 *
 * How many failed attempts a host may be asked again for: a bucket of tokens. A retry takes one; a tenth
 * of the bucket comes back each second, and one token with each success. So ten thousand waits do not
 * fall over a server that is just coming back. Pure. */
#ifndef VTSIM_CLIENT_RETRY_BUDGET_H
#define VTSIM_CLIENT_RETRY_BUDGET_H

#include <stdint.h>

struct retry_budget {
    double tokens, capacity;
    int64_t at_ms; /* when there were so many */
};

void retry_budget_init(struct retry_budget *budget, int capacity, int64_t now_ms);

/* Takes a token: 0. Where there is none, nothing is taken: how long until there is one. */
int64_t retry_budget_take(struct retry_budget *budget, int64_t now_ms);

/* A request succeeded. */
void retry_budget_reward(struct retry_budget *budget);

#endif
