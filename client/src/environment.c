/* SPDX-License-Identifier: MIT
 *
 * Real time and real chance. See environment.h. */
#include "environment.h"

#include <sys/random.h>
#include <time.h>

static int64_t monotonic_ms(struct environment *environment)
{
    struct timespec now;

    (void)environment;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): plenty for spreading polls. */
static double split_mix(struct environment *environment)
{
    uint64_t mixed = environment->random_state += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    mixed ^= mixed >> 31;
    return (double)(mixed >> 11) * 0x1.0p-53;
}

void environment_init(struct environment *environment)
{
    environment->now_ms = monotonic_ms;
    environment->uniform = split_mix;
    /* Where the system has no random bytes yet, the clock's finest digits must do. */
    if (getrandom(&environment->random_state, sizeof(environment->random_state), GRND_NONBLOCK) !=
        (ssize_t)sizeof(environment->random_state)) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        environment->random_state = (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
    }
}
