/* SPDX-License-Identifier: MIT
 *
 * The limits that a test can set for figures: their names, what is a figure's unit, and whether one is kept. */
#include "audit.h"

#define FIGURE(name, field)                                                                        \
    static double name(const struct audit_figures *figures) { return (double)figures->field; }

FIGURE(polls, polls)
FIGURE(early_polls, early_polls)
FIGURE(early_starts, early_starts)
FIGURE(polls_after_end, polls_after_end)
FIGURE(useless_polls, useless_polls)
FIGURE(duplicate_starts, duplicate_starts)
FIGURE(connections, connections)
FIGURE(unseen, unseen)
FIGURE(abandoned, abandoned)
FIGURE(detection_delay, detection_delay)
FIGURE(interval_min, interval_min)
FIGURE(interval_median, interval_median)
FIGURE(interval_max, interval_max)
FIGURE(growth, growth)
FIGURE(jitter, jitter)

const struct audit_limit audit_limits[AUDIT_LIMITS + 1] = {
    {"polls", AUDIT_COUNT, false, false, polls},
    {"polls_per_job", AUDIT_COUNT, false, false, polls},
    {"early_polls", AUDIT_COUNT, false, false, early_polls},
    {"early_starts", AUDIT_COUNT, false, false, early_starts},
    {"polls_after_end", AUDIT_COUNT, false, false, polls_after_end},
    {"useless_polls", AUDIT_COUNT, false, false, useless_polls},
    {"duplicate_starts", AUDIT_COUNT, false, false, duplicate_starts},
    {"connections", AUDIT_COUNT, false, false, connections},
    {"unseen", AUDIT_COUNT, false, false, unseen},
    {"abandoned", AUDIT_COUNT, false, false, abandoned},
    {"unknown_polls", AUDIT_COUNT, false, true, NULL},
    {"detection_delay", AUDIT_SECONDS, false, false, detection_delay},
    {"intervals.min", AUDIT_SECONDS, true, false, interval_min},
    {"intervals.median", AUDIT_SECONDS, true, false, interval_median},
    {"intervals.max", AUDIT_SECONDS, false, false, interval_max},
    {"growth", AUDIT_FACTOR, true, false, growth},
    {"jitter", AUDIT_FACTOR, true, false, jitter},
    {"cost", AUDIT_FACTOR, false, false, figures_cost},
    {NULL, AUDIT_COUNT, false, false, NULL},
};

void bounds_clear(struct audit_bounds *bounds)
{
    size_t i;

    for (i = 0; i < AUDIT_LIMITS; i++)
        bounds->bound[i] = -1;
}

bool bounds_exceeded(size_t limit, double figure, double bound)
{
    const struct audit_limit *kind = &audit_limits[limit];

    if (bound < 0 || figure < 0)
        return false;
    /* A thousandth of slack for factors: they come from logarithms of whole milliseconds. */
    if (kind->unit == AUDIT_FACTOR)
        bound *= kind->least ? 0.999 : 1.001;
    return kind->least ? figure < bound : figure > bound;
}

bool bounds_broken(const struct audit_bounds *bounds, size_t limit,
                   const struct audit_figures *figures)
{
    return !audit_limits[limit].over_all && bounds->bound[limit] >= 0 &&
           bounds_exceeded(limit, audit_limits[limit].figure(figures), bounds->bound[limit]);
}
