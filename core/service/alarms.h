/* SPDX-License-Identifier: MIT
 *
 * What a port waits for in clock time beside its jobs: stalls, pieces of dribbled answers, polls that wait
 * for news. Each is an alarm, part of a struct of its owner's, and rings once, on the port's thread. Knows
 * no clock: whoever moves time asks which is first, and lets ring what is due. */
#ifndef VTSIM_SERVICE_ALARMS_H
#define VTSIM_SERVICE_ALARMS_H

#include <stdatomic.h>
#include <vtsim/plugin.h>

struct alarm {
    vts_ms moment;
    /* Among those of one moment: as they were set; by name where they have one, and the same order. */
    uint64_t order;
    const char *name;
    size_t place; /* in the heap, from 1; 0: it is not set */
    bool early;   /* it rings before its moment: all waiting is ended */
    void (*fn)(void *arg);
    void *arg;
};

/* Used by one thread; others read `first` and `count`. */
struct alarms {
    struct alarm **heap; /* a binary heap, the earliest first */
    size_t room;
    uint64_t given;
    _Atomic size_t count;
    _Atomic vts_ms first; /* INT64_MAX: none */
};

void alarms_init(struct alarms *alarms);
void alarms_finish(struct alarms *alarms); /* rings nothing */

/* Lets fn(arg) be called at `moment`; one that is set is set anew. False where there was no memory: then it is
 * not set. */
bool alarms_set(struct alarms *alarms, struct alarm *alarm, vts_ms moment, void (*fn)(void *),
                void *arg);
/* The same with an order and a name of the caller's; the name lives as long as it is set. */
bool alarms_set_named(struct alarms *alarms, struct alarm *alarm, vts_ms moment, uint64_t order,
                      const char *name);

void alarms_clear(struct alarms *alarms, struct alarm *alarm); /* one that is not set: nothing */

/* Takes the first out if it is due by `now`; NULL if none is. */
struct alarm *alarms_take(struct alarms *alarms, vts_ms now);

#endif
