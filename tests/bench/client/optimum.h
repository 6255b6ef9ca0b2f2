/* SPDX-License-Identifier: MIT
 *
 * The best that anybody could do who knew the distribution: the schedule with the least expected
 * (polls * cost + delay), by dynamic programming over thousands of equally likely durations. It shares no
 * code with the client's planner, which it judges. */
#ifndef VTSIM_BENCH_OPTIMUM_H
#define VTSIM_BENCH_OPTIMUM_H

#include <stddef.h>

#define OPTIMUM_JOBS 4000

struct optimum {
    double cost_ms; /* polls * cost + delay, a job */
    double polls;   /* a job */
    double delay_ms, delay_p99_ms;
};

/* `jobs` are OPTIMUM_JOBS durations in rising order. */
struct optimum optimum_of(const double *jobs, double ms_per_poll);

/* Sorts the values. */
double percentile(double *values, size_t count, double share);

#endif
