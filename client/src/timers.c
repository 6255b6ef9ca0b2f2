/* SPDX-License-Identifier: MIT
 *
 * A binary heap of timers, each of which knows its place. See timers.h. */
#include "timers.h"

#include <stdlib.h>

void timers_finish(struct timers *timers)
{
    free(timers->heap);
    *timers = (struct timers){0};
}

bool timers_reserve(struct timers *timers)
{
    struct timer **grown;
    size_t room = timers->room ? 2 * timers->room : 16;

    if (timers->reserved == timers->room) {
        grown = realloc(timers->heap, room * sizeof(struct timer *));
        if (!grown)
            return false;
        timers->heap = grown;
        timers->room = room;
    }
    timers->reserved++;
    return true;
}

void timers_unreserve(struct timers *timers) { timers->reserved--; }

/* Places count from 1, so that the parent of i is i / 2. */
static void put(struct timers *timers, struct timer *timer, size_t place)
{
    timers->heap[place - 1] = timer;
    timer->place = place;
}

static bool before(const struct timer *a, const struct timer *b)
{
    return a->due_ms < b->due_ms || (a->due_ms == b->due_ms && a->order < b->order);
}

static void rise(struct timers *timers, struct timer *timer, size_t place)
{
    while (place > 1 && before(timer, timers->heap[place / 2 - 1])) {
        put(timers, timers->heap[place / 2 - 1], place);
        place /= 2;
    }
    put(timers, timer, place);
}

static void sink(struct timers *timers, struct timer *timer, size_t place)
{
    for (;;) {
        size_t child = 2 * place;

        if (child > timers->count)
            break;
        if (child < timers->count && before(timers->heap[child], timers->heap[child - 1]))
            child++;
        if (!before(timers->heap[child - 1], timer))
            break;
        put(timers, timers->heap[child - 1], place);
        place = child;
    }
    put(timers, timer, place);
}

void timers_stop(struct timers *timers, struct timer *timer)
{
    size_t place = timer->place;
    struct timer *last;

    if (!place)
        return;
    timer->place = 0;
    last = timers->heap[--timers->count];
    if (last == timer)
        return;
    if (before(last, timer))
        rise(timers, last, place);
    else
        sink(timers, last, place);
}

void timers_set(struct timers *timers, struct timer *timer, int64_t due_ms)
{
    timers_stop(timers, timer);
    timer->due_ms = due_ms;
    timer->order = timers->orders++;
    if (due_ms == TIMERS_NEVER)
        return;
    timers->count++;
    rise(timers, timer, timers->count);
}

int64_t timers_next_ms(const struct timers *timers)
{
    return timers->count ? timers->heap[0]->due_ms : TIMERS_NEVER;
}

struct timer *timers_pop(struct timers *timers, int64_t now_ms)
{
    struct timer *timer = timers->count ? timers->heap[0] : NULL;

    if (!timer || timer->due_ms > now_ms)
        return NULL;
    timers_stop(timers, timer);
    return timer;
}
