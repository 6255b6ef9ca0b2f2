/* SPDX-License-Identifier: MIT
 *
 * A token bucket. See retry_budget.h. */
#include "retry_budget.h"

#include <math.h>

static void add(struct retry_budget *budget, double tokens)
{
    budget->tokens += tokens;
    if (budget->tokens > budget->capacity)
        budget->tokens = budget->capacity;
}

void retry_budget_init(struct retry_budget *budget, int capacity, int64_t now_ms)
{
    *budget = (struct retry_budget){capacity, capacity, now_ms};
}

int64_t retry_budget_take(struct retry_budget *budget, int64_t now_ms)
{
    double per_ms = budget->capacity / 10 / 1000;

    add(budget, (double)(now_ms - budget->at_ms) * per_ms);
    budget->at_ms = now_ms;
    if (budget->tokens >= 1) {
        budget->tokens -= 1;
        return 0;
    }
    return (int64_t)ceil((1 - budget->tokens) / per_ms);
}

void retry_budget_reward(struct retry_budget *budget) { add(budget, 1); }
