/* SPDX-License-Identifier: MIT
 *
 * The order of the jobs of one instance with slots: who holds one, who waits in which place, and which event
 * comes next. All of it follows from the jobs' records (struct slots_mark is what a record says of it), so it
 * can be made again from them at any time. Carries nothing out itself, and has no lock: whoever keeps it
 * asks for the next event, lets the engine carry it out, and notes what the record says then.
 *
 * A grant comes before all else: the first in line is granted a free slot at the moment of the event that
 * freed it. Then come the wakes, by their moment, then by the job's id. */
#ifndef VTSIM_JOBS_SLOTS_H
#define VTSIM_JOBS_SLOTS_H

#include "record.h"

struct slots_job;

/* A heap of jobs, by moment, then by id. */
struct slots_heap {
    struct slots_item *items;
    size_t count, room;
};

struct slots {
    uint64_t count; /* of slots */
    uint64_t held;
    vts_ms last; /* the moment of the last event: no later one is before it */
    size_t jobs; /* that hold a slot, wait for one or have a wake */
    /* Used inside. */
    struct slots_bucket *buckets;
    unsigned int bucket_bits;
    struct slots_heap due, line;
};

/* What a record says of its job. */
struct slots_mark {
    bool has_slot;
    vts_ms queued_at, wake_at, last_at;
};

enum slots_kind { SLOTS_GRANT, SLOTS_WAKE };

struct slots_event {
    enum slots_kind kind;
    vts_ms moment;
    struct slots_job *job; /* this and its id are valid until the job is noted again */
    struct bytes id;
    void *tag;
};

void slots_init(struct slots *slots, uint64_t count);
void slots_finish(struct slots *slots);

/* Makes room for this job, so that it can be noted. NULL where there was no memory. `tag` is the caller's own
 * word for it. */
struct slots_job *slots_reserve(struct slots *slots, struct bytes id, void *tag);

/* Notes what the job's record says now. One that neither holds a slot nor waits nor has a wake is forgotten. */
void slots_note(struct slots *slots, struct slots_job *job, const struct slots_mark *mark);

/* Nothing came of what was reserved for: forgets it, if there is nothing to know of it. */
void slots_release(struct slots *slots, struct slots_job *job);

/* The event that comes next, if it is due by `now`. */
bool slots_next(const struct slots *slots, vts_ms now, struct slots_event *event);

/* When it is due; RECORD_NEVER: there is none. */
vts_ms slots_due(const struct slots *slots);

static inline uint64_t slots_free(const struct slots *slots)
{
    return slots->count > slots->held ? slots->count - slots->held : 0;
}

static inline uint64_t slots_waiting(const struct slots *slots) { return slots->line.count; }

/* What a job's record says of it. One that is not alive has nothing. */
static inline struct slots_mark slots_mark_of(const struct job *job)
{
    bool queued = job->state == VTS_QUEUED, alive = queued || job->state == VTS_RUNNING;

    return (struct slots_mark){.has_slot = alive && job->has_slot,
                               .queued_at = queued ? job->queued_at : RECORD_NEVER,
                               .wake_at = alive ? job->wake_at : RECORD_NEVER,
                               .last_at = job->last_at};
}

#endif
