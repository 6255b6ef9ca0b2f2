/* SPDX-License-Identifier: MIT
 *
 * The time of one handle: its clock, and any number of timers on it. Knows nothing of what they are
 * for. */
#ifndef VTSIM_CLIENT_TIMELINE_H
#define VTSIM_CLIENT_TIMELINE_H

#include "clock.h"
#include "timers.h"

struct timeline {
    struct seat seat;
    struct timers timers;
    bool firing, open;
};

/* `ring` is called from the loop when a timer is due: it calls timeline_fire. False where memory is
 * short; timeline_finish is allowed all the same. */
bool timeline_init(struct timeline *timeline, struct vts_client_clock *clock,
                   struct event_base *base, void (*ring)(void *arg), void *arg);
void timeline_finish(struct timeline *timeline);

/* Calls what is due. A timer may finish the timeline, whose memory must stay until this returns. */
void timeline_fire(struct timeline *timeline);

/* Sets or stops a timer, for which room was reserved. */
void timeline_set(struct timeline *timeline, struct timer *timer, int64_t due_ms);
void timeline_stop(struct timeline *timeline, struct timer *timer);

static inline int64_t timeline_now_ms(const struct timeline *timeline)
{
    return seat_now_ms(&timeline->seat);
}

#endif
