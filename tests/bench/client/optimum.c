/* SPDX-License-Identifier: MIT
 *
 * The best schedule for known durations. See optimum.h. */
#include "optimum.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double percentile(double *values, size_t count, double share)
{
    size_t at = (size_t)(share * (double)count);

    qsort(values, count, sizeof(*values), compare);
    return values[at < count ? at : count - 1];
}

/* A poll is best just when a job ends. next[i]: where i jobs have ended, up to which job to wait for the
 * next poll. It does not fall with i. */
static void choose(const double *jobs, double ms_per_poll, size_t *next, double *left)
{
    static double sum[OPTIMUM_JOBS + 1];

    for (size_t i = 0; i < OPTIMUM_JOBS; i++)
        sum[i + 1] = sum[i] + jobs[i];
    left[OPTIMUM_JOBS] = 0;
    next[OPTIMUM_JOBS] = OPTIMUM_JOBS;
    for (size_t i = OPTIMUM_JOBS; i-- > 0;) {
        left[i] = INFINITY;
        for (size_t j = i + 1; j <= next[i + 1]; j++) {
            double cost = ms_per_poll * (double)(OPTIMUM_JOBS - i) + (double)(j - i) * jobs[j - 1] -
                          (sum[j] - sum[i]) + left[j];

            if (cost < left[i]) {
                left[i] = cost;
                next[i] = j;
            }
        }
    }
}

struct optimum optimum_of(const double *jobs, double ms_per_poll)
{
    static size_t next[OPTIMUM_JOBS + 1];
    static double left[OPTIMUM_JOBS + 1], delays[OPTIMUM_JOBS];
    struct optimum optimum = {0};

    choose(jobs, ms_per_poll, next, left);
    for (size_t i = 0; i < OPTIMUM_JOBS; i = next[i]) {
        optimum.polls += (double)(OPTIMUM_JOBS - i) / OPTIMUM_JOBS;
        for (size_t k = i; k < next[i]; k++) {
            delays[k] = jobs[next[i] - 1] - jobs[k];
            optimum.delay_ms += delays[k] / OPTIMUM_JOBS;
        }
    }
    optimum.cost_ms = left[0] / OPTIMUM_JOBS;
    optimum.delay_p99_ms = percentile(delays, OPTIMUM_JOBS, 0.99);
    return optimum;
}
