/* SPDX-License-Identifier: MIT
 *
 * Where the library's time and chance come from: the one place to put others in. */
#ifndef VTSIM_CLIENT_ENVIRONMENT_H
#define VTSIM_CLIENT_ENVIRONMENT_H

#include <stdint.h>

struct environment {
    int64_t (*now_ms)(struct environment *environment); /* a clock that only goes forward */
    double (*uniform)(struct environment *environment); /* an even number in [0, 1) */
    uint64_t random_state;
};

/* The system's monotonic clock, and numbers seeded by the system. */
void environment_init(struct environment *environment);

#endif
