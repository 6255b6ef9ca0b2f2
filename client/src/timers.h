/* SPDX-License-Identifier: MIT
 *
 * Any number of timers behind one alarm: a heap, so that setting and stopping one of ten thousand takes
 * a few steps. Knows nothing of clocks: whoever owns it says what time it is. */
#ifndef VTSIM_CLIENT_TIMERS_H
#define VTSIM_CLIENT_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMERS_NEVER INT64_MAX

/* A part of what it belongs to. All zeros: not running. */
struct timer {
    int64_t due_ms;
    uint64_t order; /* of those that are due together, who was set first comes first */
    size_t place;   /* in the heap, from 1; 0: it does not run */
    void (*fire)(void *arg);
    void *arg;
};

struct timers {
    struct timer **heap;
    size_t count, room, reserved;
    uint64_t orders;
};

void timers_finish(struct timers *timers);

/* Makes room for one more timer, so that setting it cannot fail; false where memory is short. Each is
 * given back with timers_unreserve. */
bool timers_reserve(struct timers *timers);
void timers_unreserve(struct timers *timers);

/* Runs it to due_ms; TIMERS_NEVER stops it. */
void timers_set(struct timers *timers, struct timer *timer, int64_t due_ms);
void timers_stop(struct timers *timers, struct timer *timer);

/* When the next one is due; TIMERS_NEVER: none runs. */
int64_t timers_next_ms(const struct timers *timers);

/* Takes the next one that is due out; NULL: none is. */
struct timer *timers_pop(struct timers *timers, int64_t now_ms);

#endif
