/* SPDX-License-Identifier: MIT
 *
 * A table of the jobs by id, and two heaps: those that wait for a slot, and those that have a wake. See
 * slots.h. */
#include "slots.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "../base/rng.h"

#define NOWHERE         SIZE_MAX
#define BUCKET_BITS_MIN 4u

struct slots_job {
    LIST_ENTRY(slots_job) link; /* in its bucket */
    void *tag;
    size_t due_at, line_at; /* its places in the heaps, or NOWHERE */
    bool has_slot;
    uint8_t id_length;
    char id[];
};

LIST_HEAD(slots_bucket, slots_job);

struct slots_item {
    vts_ms moment;
    struct slots_job *job;
};

void slots_init(struct slots *slots, uint64_t count)
{
    *slots = (struct slots){.count = count, .last = -VTS_TIME_END};
}

void slots_finish(struct slots *slots)
{
    struct slots_job *job;
    size_t i;

    for (i = 0; slots->buckets && i < (size_t)1 << slots->bucket_bits; i++)
        while ((job = LIST_FIRST(&slots->buckets[i]))) {
            LIST_REMOVE(job, link);
            free(job);
        }
    free(slots->buckets);
    free(slots->due.items);
    free(slots->line.items);
    *slots = (struct slots){0};
}

/* ---- heaps ---- */

/* Where the job keeps its place in this heap. */
static size_t *place_of(const struct slots *slots, const struct slots_heap *heap,
                        struct slots_job *job)
{
    return heap == &slots->due ? &job->due_at : &job->line_at;
}

static bool comes_before(const struct slots_item *a, const struct slots_item *b)
{
    size_t least;
    int order;

    if (a->moment != b->moment)
        return a->moment < b->moment;
    least = a->job->id_length < b->job->id_length ? a->job->id_length : b->job->id_length;
    order = memcmp(a->job->id, b->job->id, least);
    return order < 0 || (order == 0 && a->job->id_length < b->job->id_length);
}

static void put(struct slots *slots, struct slots_heap *heap, size_t at, struct slots_item item)
{
    heap->items[at] = item;
    *place_of(slots, heap, item.job) = at;
}

/* Puts the item at `at`, which is empty, or where it belongs above or below. */
static void sift(struct slots *slots, struct slots_heap *heap, size_t at, struct slots_item item)
{
    size_t parent, child;

    for (; at > 0; at = parent) {
        parent = (at - 1) / 2;
        if (!comes_before(&item, &heap->items[parent]))
            break;
        put(slots, heap, at, heap->items[parent]);
    }
    for (; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && comes_before(&heap->items[child + 1], &heap->items[child]))
            child++;
        if (!comes_before(&heap->items[child], &item))
            break;
        put(slots, heap, at, heap->items[child]);
    }
    put(slots, heap, at, item);
}

static void take_out(struct slots *slots, struct slots_heap *heap, struct slots_job *job)
{
    size_t at = *place_of(slots, heap, job);
    struct slots_item last;

    if (at == NOWHERE)
        return;
    *place_of(slots, heap, job) = NOWHERE;
    last = heap->items[--heap->count];
    if (last.job != job)
        sift(slots, heap, at, last);
}

/* Puts the job where this moment belongs; out of the heap for RECORD_NEVER. There is room. */
static void move(struct slots *slots, struct slots_heap *heap, struct slots_job *job, vts_ms moment)
{
    size_t at = *place_of(slots, heap, job);

    if (at != NOWHERE && heap->items[at].moment == moment)
        return;
    take_out(slots, heap, job);
    if (moment != RECORD_NEVER) {
        heap->count++;
        sift(slots, heap, heap->count - 1, (struct slots_item){moment, job});
    }
}

static bool reserve(struct slots_heap *heap, size_t count)
{
    size_t room = heap->room + heap->room / 2 + 16;
    struct slots_item *items;

    if (count <= heap->room)
        return true;
    items = realloc(heap->items, room * sizeof(*items));
    if (!items)
        return false;
    heap->items = items;
    heap->room = room;
    return true;
}

/* ---- the table ---- */

static struct bytes id_of(const struct slots_job *job)
{
    return (struct bytes){job->id, job->id_length};
}

static size_t bucket_of(const struct slots *slots, struct bytes id)
{
    return rng_hash(id.at, id.length, 0) >> (64 - slots->bucket_bits);
}

static bool resize(struct slots *slots, unsigned int bits)
{
    struct slots_bucket *buckets = calloc((size_t)1 << bits, sizeof(*buckets));
    struct slots_bucket *old = slots->buckets;
    struct slots_job *job;
    size_t count = old ? (size_t)1 << slots->bucket_bits : 0, i;

    if (!buckets)
        return false;
    slots->buckets = buckets;
    slots->bucket_bits = bits;
    for (i = 0; i < count; i++)
        while ((job = LIST_FIRST(&old[i]))) {
            LIST_REMOVE(job, link);
            LIST_INSERT_HEAD(&buckets[bucket_of(slots, id_of(job))], job, link);
        }
    free(old);
    return true;
}

static struct slots_job *find(const struct slots_bucket *bucket, struct bytes id)
{
    struct slots_job *job = LIST_FIRST(bucket);

    while (job && (job->id_length != id.length || memcmp(job->id, id.at, id.length) != 0))
        job = LIST_NEXT(job, link);
    return job;
}

struct slots_job *slots_reserve(struct slots *slots, struct bytes id, void *tag)
{
    struct slots_bucket *bucket;
    struct slots_job *job;

    if (!slots->buckets && !resize(slots, BUCKET_BITS_MIN))
        return NULL;
    /* A table that cannot grow only gets slower. */
    if (slots->jobs > (size_t)1 << slots->bucket_bits)
        resize(slots, slots->bucket_bits + 1);
    bucket = &slots->buckets[bucket_of(slots, id)];
    job = find(bucket, id);
    if (job)
        return job;
    if (!reserve(&slots->due, slots->jobs + 1) || !reserve(&slots->line, slots->jobs + 1))
        return NULL;
    job = malloc(sizeof(*job) + id.length);
    if (!job)
        return NULL;
    *job = (struct slots_job){
        .tag = tag, .due_at = NOWHERE, .line_at = NOWHERE, .id_length = (uint8_t)id.length};
    memcpy(job->id, id.at, id.length);
    LIST_INSERT_HEAD(bucket, job, link);
    slots->jobs++;
    return job;
}

void slots_release(struct slots *slots, struct slots_job *job)
{
    if (job->has_slot || job->due_at != NOWHERE || job->line_at != NOWHERE)
        return;
    LIST_REMOVE(job, link);
    free(job);
    slots->jobs--;
}

void slots_note(struct slots *slots, struct slots_job *job, const struct slots_mark *mark)
{
    if (job->has_slot != mark->has_slot)
        slots->held = mark->has_slot ? slots->held + 1 : slots->held - 1;
    job->has_slot = mark->has_slot;
    move(slots, &slots->due, job, mark->wake_at);
    move(slots, &slots->line, job, mark->queued_at);
    if (mark->last_at > slots->last)
        slots->last = mark->last_at;
    slots_release(slots, job);
}

/* ---- what comes next ---- */

static vts_ms no_earlier(const struct slots *slots, vts_ms moment)
{
    return moment > slots->last ? moment : slots->last;
}

bool slots_next(const struct slots *slots, vts_ms now, struct slots_event *event)
{
    bool grant = slots_free(slots) > 0 && slots->line.count > 0;
    const struct slots_item *first = grant ? slots->line.items : slots->due.items;

    if (!grant && (slots->due.count == 0 || first->moment > now))
        return false;
    *event = (struct slots_event){.kind = grant ? SLOTS_GRANT : SLOTS_WAKE,
                                  .moment = no_earlier(slots, first->moment),
                                  .job = first->job,
                                  .id = id_of(first->job),
                                  .tag = first->job->tag};
    return true;
}

vts_ms slots_due(const struct slots *slots)
{
    if (slots_free(slots) > 0 && slots->line.count > 0)
        return slots->last;
    return slots->due.count > 0 ? slots->due.items[0].moment : RECORD_NEVER;
}
