/* SPDX-License-Identifier: MIT
 *
 * When the last N jobs were polled. A job gets a number at its start and the place of that number; the job that
 * had the place before is the oldest, and its poll times go. Whoever asks for a job's times says its number and
 * its id, so a number that is not of this process finds nothing. */
#include <stdlib.h>

#include "../base/rng.h"
#include "audit.h"

#define ROOM_FIRST 8u
#define SINCE_MAX  ((UINT64_C(1) << 40) - 1) /* 34 years */

static uint64_t hash_of(struct bytes id) { return rng_hash(id.at, id.length, 5); }

uint64_t mark_pack(const struct audit_mark *mark)
{
    uint64_t since = mark->since < 0                     ? 0
                     : (uint64_t)mark->since > SINCE_MAX ? SINCE_MAX
                                                         : (uint64_t)mark->since;

    return since | (uint64_t)mark->fault << 40 | (uint64_t)(mark->status & 0x3FF) << 48 |
           (uint64_t)mark->early << 58;
}

struct audit_mark mark_unpack(uint64_t packed)
{
    return (struct audit_mark){.since = (vts_ms)(packed & SINCE_MAX),
                               .fault = (enum audit_fault)(packed >> 40 & 0xFF),
                               .status = (int)(packed >> 48 & 0x3FF),
                               .early = packed >> 58 & 1};
}

bool traces_init(struct audit_traces *traces, size_t jobs, size_t polls)
{
    size_t i;

    memset(traces, 0, sizeof(*traces));
    for (i = 0; i < sizeof(traces->locks) / sizeof(traces->locks[0]); i++)
        pthread_mutex_init(&traces->locks[i], NULL);
    traces->most = (uint32_t)polls;
    traces->slots = jobs > 0 ? calloc(jobs, sizeof(*traces->slots)) : NULL;
    traces->count = traces->slots ? jobs : 0;
    return jobs == 0 || traces->slots;
}

void traces_finish(struct audit_traces *traces)
{
    size_t i;

    for (i = 0; i < traces->count; i++)
        free(traces->slots[i].marks);
    free(traces->slots);
    for (i = 0; i < sizeof(traces->locks) / sizeof(traces->locks[0]); i++)
        pthread_mutex_destroy(&traces->locks[i]);
}

static struct audit_trace *lock_slot(struct audit_traces *traces, size_t slot)
{
    pthread_mutex_lock(&traces->locks[slot % 16]);
    return &traces->slots[slot];
}

static void unlock_slot(struct audit_traces *traces, size_t slot)
{
    pthread_mutex_unlock(&traces->locks[slot % 16]);
}

void traces_clear(struct audit_traces *traces)
{
    size_t i;

    for (i = 0; i < traces->count; i++) {
        lock_slot(traces, i)->number = 0;
        unlock_slot(traces, i);
    }
}

uint32_t traces_number(struct audit_traces *traces)
{
    uint32_t number = atomic_fetch_add_explicit(&traces->next, 1, memory_order_relaxed) + 1;

    return traces->count > 0 ? number : 0;
}

void traces_begin(struct audit_traces *traces, uint32_t number, struct bytes id)
{
    size_t slot = traces->count ? number % traces->count : 0;
    struct audit_trace *trace;

    if (traces->count == 0 || number == 0)
        return;
    trace = lock_slot(traces, slot);
    trace->number = number;
    trace->hash = hash_of(id);
    trace->count = 0;
    unlock_slot(traces, slot);
}

/* Room for one more, up to the most. A trace that cannot grow keeps fewer of the last. */
static bool grow(const struct audit_traces *traces, struct audit_trace *trace)
{
    uint32_t room = trace->room ? trace->room * 2 : ROOM_FIRST;
    uint64_t *marks;

    if (trace->count < trace->room || trace->room == traces->most)
        return true;
    if (room > traces->most)
        room = traces->most;
    marks = realloc(trace->marks, room * sizeof(*marks));
    if (!marks)
        return false;
    trace->marks = marks;
    trace->room = room;
    return true;
}

void traces_add(struct audit_traces *traces, uint32_t number, struct bytes id,
                const struct audit_mark *mark)
{
    size_t slot = traces->count ? number % traces->count : 0;
    struct audit_trace *trace;

    if (traces->count == 0 || number == 0)
        return;
    trace = lock_slot(traces, slot);
    if (trace->number == number && trace->hash == hash_of(id)) {
        if (grow(traces, trace))
            trace->marks[trace->count++ % trace->room] = mark_pack(mark);
        else
            trace->number = 0; /* no memory: its times are no longer known */
    }
    unlock_slot(traces, slot);
}

void traces_save(struct audit_traces *traces, uint32_t number, struct bytes id, struct text *out)
{
    size_t slot = traces->count ? number % traces->count : 0;
    struct audit_trace *trace;
    uint32_t i;

    if (traces->count == 0 || number == 0)
        return;
    trace = lock_slot(traces, slot);
    if (trace->number == number && trace->hash == hash_of(id))
        for (i = trace->count > trace->room ? trace->count - trace->room : 0; i < trace->count; i++)
            text_add(out, &trace->marks[i % trace->room], sizeof(*trace->marks));
    unlock_slot(traces, slot);
}

/* Room for these, all of which there is place for. False where there was no memory. */
static bool refill(struct audit_trace *trace, const char *marks, uint32_t count)
{
    uint64_t *room = count > trace->room ? realloc(trace->marks, count * sizeof(*room)) : NULL;

    if (count > trace->room && !room)
        return false;
    if (room) {
        trace->marks = room;
        trace->room = count;
    }
    if (count > 0)
        memcpy(trace->marks, marks, count * sizeof(*trace->marks));
    trace->count = count;
    return true;
}

void traces_restore(struct audit_traces *traces, uint32_t number, struct bytes id,
                    struct bytes saved)
{
    size_t slot = traces->count ? number % traces->count : 0;
    size_t count = saved.length / sizeof(uint64_t);
    struct audit_trace *trace;

    if (number > atomic_load(&traces->next))
        atomic_store(&traces->next, number);
    if (traces->count == 0 || number == 0 || saved.length % sizeof(uint64_t) != 0)
        return;
    trace = &traces->slots[slot];
    if (trace->number > number)
        return;
    if (count > traces->most) {
        saved.at += (count - traces->most) * sizeof(uint64_t);
        count = traces->most;
    }
    trace->number = refill(trace, saved.at, (uint32_t)count) ? number : 0;
    trace->hash = hash_of(id);
}

int traces_read(struct audit_traces *traces, uint32_t number, struct bytes id,
                struct audit_mark *out)
{
    size_t slot = traces->count ? number % traces->count : 0;
    struct audit_trace *trace;
    uint32_t i, from;
    int count = -1;

    if (traces->count == 0 || number == 0)
        return -1;
    trace = lock_slot(traces, slot);
    if (trace->number == number && trace->hash == hash_of(id)) {
        from = trace->count > trace->room ? trace->count - trace->room : 0;
        for (i = from, count = 0; i < trace->count; i++, count++)
            out[count] = mark_unpack(trace->marks[i % trace->room]);
    }
    unlock_slot(traces, slot);
    return count;
}
