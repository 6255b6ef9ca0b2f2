/* SPDX-License-Identifier: MIT
 *
 * When best to poll. See plan.h. */
#include "plan.h"

#include <math.h>
#include <stdbool.h>

#define FINENESS   0.03 /* of its age: how far a candidate is from the one before at most */
#define FIRST_PART 32   /* as a part of the first piece, which begins at no age */
#define SLACK_LATE 0.25 /* of the slack: what a late draw may lose */

static void add_age(struct plan *plan, const struct density *density, size_t piece, double at)
{
    double width = density->edge[piece + 1] - density->edge[piece];
    double part = (at - density->edge[piece]) / width;
    size_t n = plan->count;

    plan->at[n] = at;
    plan->below[n] = fmin(1, density->below[piece] + part * density->mass[piece]);
    plan->area[n] = 0;
    if (n > 0) /* F is a straight line within a piece */
        plan->area[n] =
            plan->area[n - 1] + (at - plan->at[n - 1]) * (plan->below[n - 1] + plan->below[n]) / 2;
    plan->count++;
}

/* How fine the candidates may be: pieces cut at each share f of their age come to the logarithm of the
 * range / f, and that must fit beside the edges. */
static double fineness_for(const struct density *density)
{
    double range = log(density->edge[density->count] / density->edge[1]);
    double spare = PLAN_AGES - ((double)density->count + 1) - FIRST_PART;

    return fmax(FINENESS, range / spare);
}

void plan_ages(struct plan *plan, const struct density *density)
{
    double fineness = fineness_for(density);

    plan->count = 0;
    add_age(plan, density, 0, density->edge[0]);
    for (size_t i = 0; i < density->count; i++) {
        double from = density->edge[i], to = density->edge[i + 1];
        double step = i == 0 ? (to - from) / FIRST_PART : fineness * to;
        int parts = (int)ceil((to - from) / step);

        for (int k = 1; k < parts; k++)
            add_age(plan, density, i, from + (to - from) * k / parts);
        add_age(plan, density, i, to);
    }
    plan->below[plan->count - 1] = 1;
}

/* What the poll at j costs those that are pending at i, all that follows apart. */
static double step_cost(const struct plan *plan, size_t i, size_t j, double cost_ms)
{
    return cost_ms * (1 - plan->below[i]) + plan->area[j] - plan->area[i] -
           plan->below[i] * (plan->at[j] - plan->at[i]);
}

static double whole_cost(const struct plan *plan, size_t i, size_t j, double cost_ms)
{
    return step_cost(plan, i, j, cost_ms) + plan->left[j];
}

static void choose_at(struct plan *plan, size_t i, double cost_ms, double share)
{
    size_t last = plan->count - 1, limit = i + 1 < last ? plan->best[i + 1] : last;
    size_t best = limit, early, late;
    double least = INFINITY, slack;

    for (size_t j = i + 1; j <= limit; j++) {
        double cost = whole_cost(plan, i, j, cost_ms);

        if (cost < least) {
            least = cost;
            best = j;
        }
    }
    slack = share * step_cost(plan, i, best, cost_ms);
    early = late = best;
    while (early > i + 1 && whole_cost(plan, i, early - 1, cost_ms) <= least + slack)
        early--;
    while (late < last && whole_cost(plan, i, late + 1, cost_ms) <= least + SLACK_LATE * slack)
        late++;
    plan->left[i] = least;
    plan->best[i] = (uint16_t)best;
    plan->early[i] = (uint16_t)early;
    plan->late[i] = (uint16_t)late;
}

void plan_choose(struct plan *plan, double cost_ms, double slack)
{
    size_t last = plan->count - 1;

    plan->left[last] = 0;
    plan->early[last] = plan->best[last] = plan->late[last] = (uint16_t)last;
    for (size_t i = last; i-- > 0;)
        choose_at(plan, i, cost_ms, slack);
    plan->cost_ms = plan->left[0];
    plan->polls = 0;
    for (size_t i = 0; i != last; i = plan->best[i])
        plan->polls += 1 - plan->below[i];
}

/* The first candidate, not before the last one that is not beyond this age, whose best poll comes late
 * enough. Between two candidates the earlier one's may be over, or too near. Neither ages nor best polls
 * fall, so that halving finds it; plan->count - 1: there is none. */
static size_t candidate_for(const struct plan *plan, double age_ms, double least_ms)
{
    size_t low = 0, high = plan->count - 1;

    while (low < high) {
        size_t middle = (low + high) / 2;
        bool over = plan->at[middle + 1] <= age_ms;

        if (over || plan->at[plan->best[middle]] < age_ms + least_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

double plan_next(const struct plan *plan, double age_ms, double least_ms, double uniform)
{
    size_t i = candidate_for(plan, age_ms, least_ms);
    double from, to;

    if (i == plan->count - 1)
        return 0;
    from = fmax(plan->at[plan->early[i]], age_ms + least_ms);
    to = fmax(plan->at[plan->late[i]], from);
    return from + (to - from) * uniform;
}
