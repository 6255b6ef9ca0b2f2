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

#define TOTAL(name)                                                                                \
    static double name(const struct audit_totals *totals) { return (double)totals->name; }

TOTAL(jobs)
TOTAL(ended)
TOTAL(unknown_polls)

const struct audit_limit audit_limits[AUDIT_LIMITS + 1] = {
    {"polls", AUDIT_COUNT, false, polls, NULL},
    {"polls_per_job", AUDIT_COUNT, false, polls, NULL},
    {"early_polls", AUDIT_COUNT, false, early_polls, NULL},
    {"early_starts", AUDIT_COUNT, false, early_starts, NULL},
    {"polls_after_end", AUDIT_COUNT, false, polls_after_end, NULL},
    {"useless_polls", AUDIT_COUNT, false, useless_polls, NULL},
    {"duplicate_starts", AUDIT_COUNT, false, duplicate_starts, NULL},
    {"connections", AUDIT_COUNT, false, connections, NULL},
    {"unseen", AUDIT_COUNT, false, unseen, NULL},
    {"abandoned", AUDIT_COUNT, false, abandoned, NULL},
    {"unknown_polls", AUDIT_COUNT, false, NULL, unknown_polls},
    {"detection_delay", AUDIT_SECONDS, false, detection_delay, NULL},
    {"intervals.min", AUDIT_SECONDS, true, interval_min, NULL},
    {"intervals.median", AUDIT_SECONDS, true, interval_median, NULL},
    {"intervals.max", AUDIT_SECONDS, false, interval_max, NULL},
    {"growth", AUDIT_FACTOR, true, growth, NULL},
    {"jitter", AUDIT_FACTOR, true, jitter, NULL},
    {"cost", AUDIT_FACTOR, false, figures_cost, NULL},
    {"jobs", AUDIT_COUNT, true, NULL, jobs},
    {"ended", AUDIT_COUNT, true, NULL, ended},
    {NULL, AUDIT_COUNT, false, NULL, NULL},
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
    return audit_limits[limit].figure && bounds->bound[limit] >= 0 &&
           bounds_exceeded(limit, audit_limits[limit].figure(figures), bounds->bound[limit]);
}

bool bounds_missed(const struct audit_bounds *bounds, size_t limit,
                   const struct audit_totals *totals)
{
    return audit_limits[limit].total &&
           bounds_exceeded(limit, audit_limits[limit].total(totals), bounds->bound[limit]);
}
