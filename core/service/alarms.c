/* SPDX-License-Identifier: MIT
 *
 * A heap of alarms. See alarms.h. */
#include "alarms.h"

#include <stdlib.h>
#include <string.h>

void alarms_init(struct alarms *alarms)
{
    *alarms = (struct alarms){.heap = NULL};
    atomic_init(&alarms->count, 0);
    atomic_init(&alarms->first, INT64_MAX);
}

void alarms_finish(struct alarms *alarms) { free((void *)alarms->heap); }

static bool before(const struct alarm *left, const struct alarm *right)
{
    if (left->moment != right->moment)
        return left->moment < right->moment;
    if (left->order != right->order || !left->name || !right->name)
        return left->order < right->order;
    return strcmp(left->name, right->name) < 0;
}

static void put(struct alarms *alarms, size_t at, struct alarm *alarm)
{
    alarms->heap[at] = alarm;
    alarm->place = at + 1;
}

static void up(struct alarms *alarms, size_t at, struct alarm *alarm)
{
    for (; at > 0 && before(alarm, alarms->heap[(at - 1) / 2]); at = (at - 1) / 2)
        put(alarms, at, alarms->heap[(at - 1) / 2]);
    put(alarms, at, alarm);
}

static void down(struct alarms *alarms, size_t at, size_t count, struct alarm *alarm)
{
    size_t child;

    for (; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && before(alarms->heap[child + 1], alarms->heap[child]))
            child++;
        if (before(alarm, alarms->heap[child]))
            break;
        put(alarms, at, alarms->heap[child]);
    }
    put(alarms, at, alarm);
}

static void tell_first(struct alarms *alarms)
{
    atomic_store(&alarms->first, atomic_load(&alarms->count) ? alarms->heap[0]->moment : INT64_MAX);
}

static bool reserve(struct alarms *alarms, size_t count)
{
    size_t room = alarms->room ? 2 * alarms->room : 16;
    struct alarm **heap;

    if (count < alarms->room)
        return true;
    heap = (struct alarm **)realloc((void *)alarms->heap, room * sizeof(struct alarm *));
    if (!heap)
        return false;
    alarms->heap = heap;
    alarms->room = room;
    return true;
}

static bool add(struct alarms *alarms, struct alarm *alarm, const struct alarm *set)
{
    size_t count;

    alarms_clear(alarms, alarm);
    count = atomic_load(&alarms->count);
    if (!reserve(alarms, count))
        return false;
    *alarm = *set;
    up(alarms, count, alarm);
    atomic_store(&alarms->count, count + 1);
    tell_first(alarms);
    return true;
}

bool alarms_set(struct alarms *alarms, struct alarm *alarm, vts_ms moment, void (*fn)(void *),
                void *arg)
{
    struct alarm set = {.moment = moment, .order = ++alarms->given, .fn = fn, .arg = arg};

    return add(alarms, alarm, &set);
}

bool alarms_set_named(struct alarms *alarms, struct alarm *alarm, vts_ms moment, uint64_t order,
                      const char *name)
{
    struct alarm set = {.moment = moment, .order = order, .name = name};

    return add(alarms, alarm, &set);
}

void alarms_clear(struct alarms *alarms, struct alarm *alarm)
{
    size_t at, count = atomic_load(&alarms->count);
    struct alarm *last;

    if (alarm->place == 0)
        return;
    at = alarm->place - 1;
    alarm->place = 0;
    last = alarms->heap[--count];
    atomic_store(&alarms->count, count);
    if (last != alarm && at > 0 && before(last, alarms->heap[(at - 1) / 2]))
        up(alarms, at, last);
    else if (last != alarm)
        down(alarms, at, count, last);
    tell_first(alarms);
}

struct alarm *alarms_take(struct alarms *alarms, vts_ms now)
{
    struct alarm *alarm = atomic_load(&alarms->count) ? alarms->heap[0] : NULL;

    if (!alarm || alarm->moment > now)
        return NULL;
    alarms_clear(alarms, alarm);
    return alarm;
}
