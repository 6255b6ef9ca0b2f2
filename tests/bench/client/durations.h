/* SPDX-License-Identifier: MIT
 *
 * How long the jobs of the client's benchmark take: named distributions, by their quantiles, in ms. */
#ifndef VTSIM_BENCH_DURATIONS_H
#define VTSIM_BENCH_DURATIONS_H

#include <stddef.h>

struct durations {
    const char *name;
    double (*quantile)(double share); /* 0 < share < 1 */
};

/* The first three are those that the bars are for. */
extern const struct durations durations[];
extern const size_t durations_count;

/* For changes of regime. */
double lognormal_60s(double share), lognormal_10s(double share);
double near_60s(double share), near_10s(double share);

#endif
