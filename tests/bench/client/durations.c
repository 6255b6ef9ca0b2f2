/* SPDX-License-Identifier: MIT
 *
 * How long the jobs of the client's benchmark take. See durations.h. */
#include "durations.h"

#include <math.h>

static double lognormal_below(double x, double median, double sigma)
{
    return 0.5 * erfc(-log(x / median) / sigma / sqrt(2));
}

/* Where `weight` of a first lognormal and the rest of a second have ended: halving, on a logarithm. */
static double mixed(double share, double weight, double first, double second, double sigma)
{
    double low = 1, high = 1e8;

    for (int i = 0; i < 60; i++) {
        double x = sqrt(low * high);
        double below = weight * lognormal_below(x, first, sigma) +
                       (1 - weight) * lognormal_below(x, second, sigma);

        if (below < share)
            low = x;
        else
            high = x;
    }
    return sqrt(low * high);
}

double lognormal_60s(double share) { return mixed(share, 1, 60000, 1, 0.5); }
double lognormal_10s(double share) { return mixed(share, 1, 10000, 1, 0.5); }
double near_60s(double share) { return 60000 + 100 * share; }
double near_10s(double share) { return 10000 + 100 * share; }

static double bimodal(double share) { return mixed(share, 0.8, 5000, 120000, 0.3); }
static double bimodal_rare(double share) { return mixed(share, 0.95, 5000, 120000, 0.3); }
static double uniform(double share) { return 5000 + 10000 * share; }
static double exponential(double share) { return -10000 * log(1 - share); }
static double pareto(double share) { return 5000 * pow(1 - share, -1 / 1.5); }
static double tiny(double share) { return mixed(share, 1, 50, 1, 0.3); }

static double constant(double share)
{
    (void)share;
    return 10000;
}

const struct durations durations[] = {
    {"lognormal 60s sigma 0.5", lognormal_60s},
    {"near-fixed 10s..10.1s", near_10s},
    {"bimodal 80% 5s, 20% 120s", bimodal},
    {"bimodal 95% 5s, 5% 120s", bimodal_rare},
    {"uniform 5s..15s", uniform},
    {"exponential 10s", exponential},
    {"constant 10s", constant},
    {"pareto 5s alpha 1.5", pareto},
    {"lognormal 50ms sigma 0.3", tiny},
};
const size_t durations_count = sizeof(durations) / sizeof(durations[0]);
