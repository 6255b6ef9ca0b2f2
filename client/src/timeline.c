/* SPDX-License-Identifier: MIT
 *
 * Timers on a clock. See timeline.h. */
#include "timeline.h"

bool timeline_init(struct timeline *timeline, struct vts_client_clock *clock,
                   struct event_base *base, void (*ring)(void *arg), void *arg)
{
    timeline->timers = (struct timers){0};
    timeline->firing = false;
    timeline->open = seat_init(&timeline->seat, clock, base, ring, arg);
    return timeline->open;
}

void timeline_finish(struct timeline *timeline)
{
    if (!timeline->open)
        return;
    timeline->open = false;
    seat_finish(&timeline->seat);
    timers_finish(&timeline->timers);
}

/* While timers are fired, the alarm is set once, afterwards. */
static void set_alarm(struct timeline *timeline)
{
    if (timeline->open && !timeline->firing)
        seat_set(&timeline->seat, timers_next_ms(&timeline->timers));
}

void timeline_fire(struct timeline *timeline)
{
    int64_t now_ms = timeline_now_ms(timeline);
    /* What is set anew while these are called has its turn when the sockets have had theirs. */
    size_t most = timeline->timers.count;
    struct timer *timer;

    timeline->firing = true;
    while (most-- && timeline->open && (timer = timers_pop(&timeline->timers, now_ms)))
        timer->fire(timer->arg);
    timeline->firing = false;
    set_alarm(timeline);
}

void timeline_set(struct timeline *timeline, struct timer *timer, int64_t due_ms)
{
    timers_set(&timeline->timers, timer, due_ms);
    set_alarm(timeline);
}

void timeline_stop(struct timeline *timeline, struct timer *timer)
{
    if (!timer->place)
        return;
    timers_stop(&timeline->timers, timer);
    set_alarm(timeline);
}
