/* SPDX-License-Identifier: MIT
 *
 * The memory store: records in stripes, each with a table by id, a heap by what is due, and one lock.
 *
 * A stripe's lock guards all of that stripe; a thread holds at most one, takes no other lock inside but
 * that of a `.serial` instance (in fn) and that of the set of instances (in `named` and `unnamed`), and calls
 * neither `done` nor `ring` while it holds it.
 *
 * The table's buckets are taken by the upper bits of the id's hash, so the order of all records by
 * (hash, id) stays the same when a table grows: a listing goes on where it stopped. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "../base/rng.h"
#include "memory.h"

#define STRIPES           64u
#define NOT_DUE           UINT32_MAX
#define BUCKETS_MIN       16u
/* Growing by a quarter leaves less unused than doubling: the heap is a tenth of a job's memory. */
#define HEAP_GROWTH(size) ((size) + (size) / 4 + 16)

/* One job; its record stands right behind, and its statistics right before. Small, because there are millions:
 * the hash is computed again where it is needed. */
struct node {
    struct node *next;   /* in its bucket */
    uint32_t heap_at;    /* its place in the heap, or NOT_DUE */
    uint32_t polls : 31; /* stays at its highest value */
    uint32_t polled : 1; /* since memory_each_polled looked, or its statistics were changed */
};

#define POLLS_MAX ((UINT32_C(1) << 31) - 1)

struct due {
    vts_ms moment;
    struct node *node;
};

struct stripe {
    _Alignas(64) pthread_mutex_t lock;
    struct node **buckets;
    unsigned int bucket_bits;
    size_t count;
    struct due *heap; /* a binary heap, the earliest first */
    size_t heap_count, heap_room;
    uint64_t states[VTS_CANCELLED + 1];
    bool polled;              /* a node of it was */
    _Atomic vts_ms first_due; /* heap[0].moment, for those who do not hold the lock */
};

struct memory_port {
    struct store_port base; /* first */
    size_t index;
    struct text next;
    void *fresh;            /* the statistics of a record that is being made */
    _Atomic vts_ms awaited; /* what the last run_due said: earlier than that needs a `ring` */
};

struct memory {
    struct store base; /* first */
    struct store_options options;
    struct memory_hooks hooks;
    struct memory_port *ports;
    _Atomic uint64_t count;
    struct stripe stripes[STRIPES];
};

static struct record *record_of(const struct node *node) { return (struct record *)(node + 1); }

/* NULL where none are kept. */
static void *stats_of(const struct memory *memory, const struct node *node)
{
    return memory->options.stats_size ? (char *)node - memory->options.stats_size : NULL;
}

static void node_free(const struct memory *memory, struct node *node)
{
    free((char *)node - memory->options.stats_size);
}

/* Makes a node for so long a record, or gives it another size. NULL where there was no memory. */
static struct node *node_resize(const struct memory *memory, struct node *node, size_t length)
{
    size_t before = memory->options.stats_size;
    char *start = realloc(node ? (char *)node - before : NULL, before + sizeof(*node) + length);

    return start ? (struct node *)(void *)(start + before) : NULL;
}

static struct bytes id_of(const struct node *node)
{
    return (struct bytes){record_of(node)->id, record_of(node)->id_length};
}

static struct memory *memory_of(struct store_port *port) { return (struct memory *)port->store; }

static uint64_t hash_of(const char *id, size_t length) { return rng_hash(id, length, 0); }

/* The lowest bits choose the stripe, the upper ones the bucket. A listing walks the stripes in turn. */
static size_t stripe_index(uint64_t hash) { return hash & (STRIPES - 1); }

static size_t bucket_index(const struct stripe *stripe, uint64_t hash)
{
    return hash >> (64 - stripe->bucket_bits);
}

static size_t owner(const struct memory *memory, size_t stripe)
{
    return stripe % memory->options.ports;
}

/* ---- what is due ---- */

static void heap_set(struct stripe *stripe, size_t at, struct due due)
{
    stripe->heap[at] = due;
    due.node->heap_at = (uint32_t)at;
}

static void heap_up(struct stripe *stripe, size_t at, struct due due)
{
    size_t parent;

    for (; at > 0; at = parent) {
        parent = (at - 1) / 2;
        if (stripe->heap[parent].moment <= due.moment)
            break;
        heap_set(stripe, at, stripe->heap[parent]);
    }
    heap_set(stripe, at, due);
}

static void heap_down(struct stripe *stripe, size_t at, struct due due)
{
    size_t child;

    for (;; at = child) {
        child = 2 * at + 1;
        if (child >= stripe->heap_count)
            break;
        if (child + 1 < stripe->heap_count &&
            stripe->heap[child + 1].moment < stripe->heap[child].moment)
            child++;
        if (due.moment <= stripe->heap[child].moment)
            break;
        heap_set(stripe, at, stripe->heap[child]);
    }
    heap_set(stripe, at, due);
}

static bool heap_reserve(struct stripe *stripe)
{
    size_t room = HEAP_GROWTH(stripe->heap_room);
    struct due *heap;

    if (stripe->heap_count < stripe->heap_room)
        return true;
    heap = realloc(stripe->heap, room * sizeof(*heap));
    if (!heap)
        return false;
    stripe->heap = heap;
    stripe->heap_room = room;
    return true;
}

static void heap_remove(struct stripe *stripe, struct node *node)
{
    size_t at = node->heap_at;
    struct due last;

    if (at == NOT_DUE)
        return;
    node->heap_at = NOT_DUE;
    last = stripe->heap[--stripe->heap_count];
    if (last.node == node)
        return;
    if (at > 0 && last.moment < stripe->heap[(at - 1) / 2].moment)
        heap_up(stripe, at, last);
    else
        heap_down(stripe, at, last);
}

/* Puts the node where its due moment belongs. There is room (heap_reserve). */
static void heap_place(struct stripe *stripe, struct node *node, vts_ms moment)
{
    struct due due = {moment, node};

    if (node->heap_at != NOT_DUE) {
        if (stripe->heap[node->heap_at].moment == moment)
            return;
        heap_remove(stripe, node);
    }
    if (moment != RECORD_NEVER)
        heap_up(stripe, stripe->heap_count++, due);
}

static void tell_first_due(struct stripe *stripe)
{
    atomic_store(&stripe->first_due, stripe->heap_count ? stripe->heap[0].moment : RECORD_NEVER);
}

/* ---- the table ---- */

static bool table_resize(struct stripe *stripe, unsigned int bits)
{
    size_t old_count = stripe->buckets ? (size_t)1 << stripe->bucket_bits : 0, i;
    struct node **buckets = calloc((size_t)1 << bits, sizeof(struct node *));
    struct node **old = stripe->buckets, *node, *next;
    uint64_t hash;

    if (!buckets)
        return false;
    stripe->buckets = buckets;
    stripe->bucket_bits = bits;
    for (i = 0; i < old_count; i++)
        for (node = old[i]; node; node = next) {
            next = node->next;
            hash = hash_of(id_of(node).at, id_of(node).length);
            node->next = buckets[bucket_index(stripe, hash)];
            buckets[bucket_index(stripe, hash)] = node;
        }
    free((void *)old);
    return true;
}

/* A table that cannot grow only gets slower. */
static void table_fit(struct stripe *stripe)
{
    size_t buckets = (size_t)1 << stripe->bucket_bits;

    if (stripe->count > buckets)
        table_resize(stripe, stripe->bucket_bits + 1);
    else if (stripe->count < buckets / 8 && buckets > BUCKETS_MIN)
        table_resize(stripe, stripe->bucket_bits - 1);
}

/* The link that leads to the node with this id, or to NULL. */
static struct node **find(struct stripe *stripe, uint64_t hash, struct bytes id)
{
    struct node **link = &stripe->buckets[bucket_index(stripe, hash)];

    while (*link && (record_of(*link)->id_length != id.length ||
                     memcmp(record_of(*link)->id, id.at, id.length) != 0))
        link = &(*link)->next;
    return link;
}

static bool closed(const struct memory *memory)
{
    return memory->hooks.closed && atomic_load(memory->hooks.closed);
}

static void tell_changed(const struct memory *memory, size_t port, const struct node *node,
                         const struct record *record)
{
    if (memory->hooks.changed)
        memory->hooks.changed(memory->hooks.arg, port, id_of(node), record, node->polls,
                              stats_of(memory, node));
}

static bool name(const struct memory *memory, size_t port, uint64_t instance)
{
    const struct store_options *options = &memory->options;

    return !options->named || options->named(options->arg, port, instance);
}

static void unname(const struct memory *memory, size_t port, uint64_t instance)
{
    const struct store_options *options = &memory->options;

    if (options->unnamed)
        options->unnamed(options->arg, port, instance);
}

static void drop(struct memory *memory, size_t port, struct stripe *stripe, struct node **link)
{
    struct node *node = *link;
    uint64_t instance = record_of(node)->instance;

    tell_changed(memory, port, node, NULL);
    heap_remove(stripe, node);
    stripe->states[record_of(node)->state]--;
    stripe->count--;
    *link = node->next;
    node_free(memory, node);
    atomic_fetch_sub(&memory->count, 1);
    table_fit(stripe);
    unname(memory, port, instance);
}

/* Drops one that need not be kept any longer. */
static void expire(struct memory *memory, size_t port, struct stripe *stripe, struct node **link,
                   vts_ms now)
{
    const struct store_options *options = &memory->options;
    const void *stats = stats_of(memory, *link);

    if (options->expired && stats)
        options->expired(options->arg, port, record_of(*link), stats, (*link)->polls, now);
    drop(memory, port, stripe, link);
}

/* Takes one more record into the count, if there may be one more. */
static bool claim(struct memory *memory)
{
    if (atomic_fetch_add(&memory->count, 1) < memory->options.max_records)
        return true;
    atomic_fetch_sub(&memory->count, 1);
    return false;
}

/* The link is where the node goes. The caller has claimed its place, and fits the table afterwards. */
static enum vts_err insert(struct memory *memory, size_t port, struct stripe *stripe,
                           struct node **link, const void *record, size_t length, const void *stats)
{
    struct node *node = heap_reserve(stripe) ? node_resize(memory, NULL, length) : NULL;

    if (!node || !name(memory, port, ((const struct record *)record)->instance)) {
        if (node)
            node_free(memory, node);
        return VTS_ERR_MEMORY;
    }
    *node = (struct node){.heap_at = NOT_DUE};
    memcpy(record_of(node), record, length);
    if (stats)
        memcpy(stats_of(memory, node), stats, memory->options.stats_size);
    else if (memory->options.stats_size)
        memset(stats_of(memory, node), 0, memory->options.stats_size);
    *link = node;
    stripe->count++;
    stripe->states[record_of(node)->state]++;
    heap_place(stripe, node, record_due(record_of(node), memory->options.keep_ended));
    return VTS_OK;
}

/* Gives the node another size. */
static bool resize(const struct memory *memory, struct stripe *stripe, struct node **link,
                   size_t length)
{
    struct node *node = *link;

    if (length == record_of(node)->size)
        return true;
    node = node_resize(memory, node, length);
    if (!node)
        return false;
    *link = node;
    if (node->heap_at != NOT_DUE)
        stripe->heap[node->heap_at].node = node;
    return true;
}

static enum vts_err replace(struct memory *memory, size_t port, struct stripe *stripe,
                            struct node **link, const struct text *next)
{
    uint64_t before = record_of(*link)->instance;
    uint64_t now = ((const struct record *)next->bytes)->instance;
    struct node *node;

    if (!heap_reserve(stripe) || (now != before && !name(memory, port, now)))
        return VTS_ERR_MEMORY;
    if (!resize(memory, stripe, link, next->length)) {
        if (now != before)
            unname(memory, port, now);
        return VTS_ERR_MEMORY;
    }
    node = *link;
    stripe->states[record_of(node)->state]--;
    memcpy(record_of(node), next->bytes, next->length);
    stripe->states[record_of(node)->state]++;
    heap_place(stripe, node, record_due(record_of(node), memory->options.keep_ended));
    if (now != before)
        unname(memory, port, before);
    return VTS_OK;
}

static enum vts_err carry_out(struct memory *memory, size_t port, struct stripe *stripe,
                              struct node **link, enum record_act act, const struct text *next,
                              const void *stats)
{
    enum vts_err err = VTS_OK;

    if (act == RECORD_LEAVE || act == RECORD_PASS || (act == RECORD_DROP && !*link))
        return VTS_OK;
    if (closed(memory))
        return VTS_ERR_BUSY;
    if (act == RECORD_DROP) {
        drop(memory, port, stripe, link);
        return VTS_OK;
    }
    if (*link) {
        err = replace(memory, port, stripe, link, next);
    } else if (!claim(memory)) {
        err = VTS_ERR_LIMIT;
    } else {
        err = insert(memory, port, stripe, link, next->bytes, next->length, stats);
        if (err != VTS_OK)
            atomic_fetch_sub(&memory->count, 1);
    }
    if (err == VTS_OK) {
        tell_changed(memory, port, *link, record_of(*link));
        table_fit(stripe);
    }
    return err;
}

/* ---- the door ---- */

static vts_ms now_for(const struct memory *memory, const struct node *node)
{
    vts_ms now = clock_now(memory->options.clock);

    return node && record_of(node)->last_at > now ? record_of(node)->last_at : now;
}

/* Tells the port that cares for the stripe, if it waits for something later. */
static void ring_owner(struct memory *memory, size_t stripe, vts_ms first)
{
    size_t port = owner(memory, stripe);

    if (first < atomic_load(&memory->ports[port].awaited))
        memory->options.ring(memory->options.arg, port);
}

/* The statistics that fn may change: the record's, or zeros for one that it makes. */
static void *stats_for(const struct memory *memory, const struct memory_port *port,
                       const struct node *node)
{
    if (node)
        return stats_of(memory, node);
    if (port->fresh)
        memset(port->fresh, 0, memory->options.stats_size);
    return port->fresh;
}

static void mark_polled(struct stripe *stripe, struct node *node)
{
    node->polled = 1;
    stripe->polled = true;
}

static void count_poll(struct stripe *stripe, struct node *node)
{
    node->polls += node->polls < POLLS_MAX;
    mark_polled(stripe, node);
}

enum record_act memory_apply(struct store_port *base, struct store_call *call)
{
    struct memory_port *port = (struct memory_port *)base;
    struct memory *memory = memory_of(base);
    uint64_t hash = hash_of(call->id.at, call->id.length);
    struct stripe *stripe = &memory->stripes[stripe_index(hash)];
    enum record_act act;
    struct node **link;
    bool there, polled;
    vts_ms first;

    pthread_mutex_lock(&stripe->lock);
    link = find(stripe, hash, call->id);
    call->now = now_for(memory, *link);
    there = *link && !record_expired(record_of(*link), memory->options.keep_ended, call->now);
    if (*link && !there && !closed(memory)) {
        expire(memory, port->index, stripe, link, call->now);
        link = find(stripe, hash, call->id);
    }
    /* A refused job is not there for clients, so asking for it is no poll of it. */
    polled = there && call->is_poll && record_of(*link)->state != VTS_ASKED;
    call->polls = there ? (*link)->polls + (polled && (*link)->polls < POLLS_MAX) : 0;
    call->stats = stats_for(memory, port, there ? *link : NULL);
    call->stats_changed = false;
    act = call->fn(call, there ? record_of(*link) : NULL, &port->next);
    if (polled && act != RECORD_PASS)
        count_poll(stripe, *link);
    if (there && call->stats_changed)
        mark_polled(stripe, *link);
    call->err =
        carry_out(memory, port->index, stripe, link, act, &port->next, there ? NULL : call->stats);
    if (act == RECORD_PUT || act == RECORD_DROP)
        tell_first_due(stripe);
    first = atomic_load_explicit(&stripe->first_due, memory_order_relaxed);
    pthread_mutex_unlock(&stripe->lock);
    if (act == RECORD_PUT)
        ring_owner(memory, stripe_index(hash), first);
    return act;
}

static void memory_deliver(struct store_port *port, struct store_call *call)
{
    (void)port;
    call->done(call);
}

static void memory_update(struct store_port *port, struct store_call *call)
{
    memory_apply(port, call);
    call->done(call);
}

/* ---- due ---- */

/* The record that is due first; false where it is later than `now`. */
static bool run_first(struct memory *memory, struct memory_port *port, struct stripe *stripe,
                      vts_ms now)
{
    struct node *node = stripe->heap_count ? stripe->heap[0].node : NULL;
    enum record_act act;
    struct node **link;
    struct bytes id;

    if (!node || stripe->heap[0].moment > now)
        return false;
    id = id_of(node);
    link = find(stripe, hash_of(id.at, id.length), id);
    if (closed(memory)) {
        heap_place(stripe, node, now + 1000);
        return true;
    }
    if (record_expired(record_of(node), memory->options.keep_ended, now)) {
        expire(memory, port->index, stripe, link, now);
        return true;
    }
    act = memory->options.due(memory->options.arg, port->index, record_of(node), &port->next,
                              now > record_of(node)->last_at ? now : record_of(node)->last_at);
    /* One that cannot be moved (no memory) is tried again later, and holds up nothing. */
    if (act == RECORD_LEAVE ||
        carry_out(memory, port->index, stripe, link, act, &port->next, NULL) != VTS_OK)
        heap_place(stripe, node, now + 1000);
    return true;
}

static size_t run_stripe(struct memory *memory, struct memory_port *port, struct stripe *stripe,
                         vts_ms now, size_t most)
{
    size_t run = 0;

    if (atomic_load(&stripe->first_due) > now)
        return 0;
    pthread_mutex_lock(&stripe->lock);
    while (run < most && run_first(memory, port, stripe, now))
        run++;
    tell_first_due(stripe);
    pthread_mutex_unlock(&stripe->lock);
    return run;
}

static vts_ms first_of_port(const struct memory *memory, size_t port)
{
    vts_ms first = RECORD_NEVER, due;
    size_t i;

    for (i = port; i < STRIPES; i += memory->options.ports) {
        due = atomic_load(&memory->stripes[i].first_due);
        if (due < first)
            first = due;
    }
    return first;
}

static vts_ms memory_run_due(struct store_port *base, vts_ms now, size_t most)
{
    struct memory_port *port = (struct memory_port *)base;
    struct memory *memory = memory_of(base);
    vts_ms first;
    size_t i;

    for (i = port->index; i < STRIPES && most > 0; i += memory->options.ports)
        most -= run_stripe(memory, port, &memory->stripes[i], now, most);
    /* Either we see what another thread put meanwhile, or it sees what we wait for and tells us. */
    do {
        first = first_of_port(memory, port->index);
        atomic_store(&port->awaited, first);
    } while (first_of_port(memory, port->index) < first);
    return first;
}

/* ---- for a clock that is moved ---- */

static vts_ms memory_first_due(struct store *store)
{
    const struct memory *memory = (const struct memory *)store;
    vts_ms first = RECORD_NEVER, due;
    size_t i;

    for (i = 0; i < STRIPES; i++) {
        due = atomic_load(&memory->stripes[i].first_due);
        if (due < first)
            first = due;
    }
    return first;
}

static vts_ms first_wake_of(const struct stripe *stripe)
{
    const struct record *record;
    vts_ms first = RECORD_NEVER;
    size_t i;

    for (i = 0; i < stripe->heap_count; i++) {
        record = record_of(stripe->heap[i].node);
        if (stripe->heap[i].moment < first && record->wake_at == stripe->heap[i].moment &&
            (record->state == VTS_QUEUED || record->state == VTS_RUNNING))
            first = stripe->heap[i].moment;
    }
    return first;
}

static vts_ms memory_first_wake(struct store *store)
{
    struct memory *memory = (struct memory *)store;
    vts_ms first = RECORD_NEVER, wake;
    size_t i;

    for (i = 0; i < STRIPES; i++) {
        pthread_mutex_lock(&memory->stripes[i].lock);
        wake = first_wake_of(&memory->stripes[i]);
        pthread_mutex_unlock(&memory->stripes[i].lock);
        if (wake < first)
            first = wake;
    }
    return first;
}

static size_t memory_step(struct store_port *base, vts_ms now, size_t most)
{
    struct memory_port *port = (struct memory_port *)base;
    struct memory *memory = memory_of(base);
    size_t run = 0, i;

    for (i = 0; i < STRIPES && run < most; i++)
        run += run_stripe(memory, port, &memory->stripes[i], now, most - run);
    return run;
}

/* ---- listing ---- */

/* Whether (hash, id) stands behind the cursor in the order of the listing. */
static bool behind(uint64_t hash, struct bytes id, uint64_t after_hash, struct bytes after)
{
    size_t least = id.length < after.length ? id.length : after.length;
    int order;

    if (hash != after_hash)
        return hash > after_hash;
    order = memcmp(id.at, after.at, least);
    return order > 0 || (order == 0 && id.length > after.length);
}

/* The first record of a bucket that stands behind the cursor. */
static struct node *next_in_bucket(struct node *node, uint64_t after_hash, struct bytes after)
{
    struct node *best = NULL;
    uint64_t hash, best_hash = 0;
    struct bytes id;

    for (; node; node = node->next) {
        id = id_of(node);
        hash = hash_of(id.at, id.length);
        if (after.length > 0 && !behind(hash, id, after_hash, after))
            continue;
        if (!best || behind(best_hash, id_of(best), hash, id)) {
            best = node;
            best_hash = hash;
        }
    }
    return best;
}

/* Goes on in one stripe. False where the page is full. */
static bool list_stripe(struct memory *memory, struct stripe *stripe, struct store_list *list,
                        bool from_start, size_t *taken, size_t *seen)
{
    struct bytes after = {list->after, from_start ? 0 : list->after_length};
    uint64_t hash = from_start ? 0 : hash_of(after.at, after.length);
    size_t bucket = from_start ? 0 : bucket_index(stripe, hash);
    struct node *node;

    while (bucket < (size_t)1 << stripe->bucket_bits) {
        node = next_in_bucket(stripe->buckets[bucket], hash, after);
        if (!node) {
            bucket++;
            continue;
        }
        if (*taken >= list->limit || *seen >= list->scan)
            return false;
        memcpy(list->after, record_of(node)->id, (size_t)record_of(node)->id_length + 1);
        list->after_length = record_of(node)->id_length;
        after = (struct bytes){list->after, list->after_length};
        hash = hash_of(after.at, after.length);
        (*seen)++;
        list->stats = stats_of(memory, node);
        if ((list->expired ||
             !record_expired(record_of(node), memory->options.keep_ended, now_for(memory, node))) &&
            list->row(list, record_of(node), node->polls, now_for(memory, node)))
            (*taken)++;
    }
    return true;
}

void memory_collect(struct store_port *base, struct store_list *list)
{
    struct memory *memory = memory_of(base);
    bool from_start = list->after_length == 0, room = true;
    size_t taken = 0, seen = 0, i;

    i = from_start ? 0 : stripe_index(hash_of(list->after, list->after_length));
    for (; i < STRIPES && room; i++) {
        pthread_mutex_lock(&memory->stripes[i].lock);
        room = list_stripe(memory, &memory->stripes[i], list, from_start, &taken, &seen);
        pthread_mutex_unlock(&memory->stripes[i].lock);
        from_start = true;
    }
    list->err = VTS_OK;
    list->more = !room;
}

static void memory_list(struct store_port *port, struct store_list *list)
{
    memory_collect(port, list);
    list->done(list);
}

static void memory_count(struct store *store, uint64_t counts[VTS_CANCELLED + 1])
{
    struct memory *memory = (struct memory *)store;
    size_t i;
    int state;

    memset(counts, 0, (VTS_CANCELLED + 1) * sizeof(counts[0]));
    for (i = 0; i < STRIPES; i++) {
        pthread_mutex_lock(&memory->stripes[i].lock);
        for (state = 0; state <= VTS_CANCELLED; state++)
            counts[state] += memory->stripes[i].states[state];
        pthread_mutex_unlock(&memory->stripes[i].lock);
    }
}

/* ---- for stores that are built on this one ---- */

void memory_note(struct store_port *base, struct bytes id, store_note_fn *fn, void *arg)
{
    struct memory *memory = memory_of(base);
    uint64_t hash = hash_of(id.at, id.length);
    struct stripe *stripe = &memory->stripes[stripe_index(hash)];
    struct node *node;

    if (memory->options.stats_size == 0)
        return;
    pthread_mutex_lock(&stripe->lock);
    node = *find(stripe, hash, id);
    if (node) {
        fn(arg, record_of(node), stats_of(memory, node));
        mark_polled(stripe, node);
    }
    pthread_mutex_unlock(&stripe->lock);
}

enum vts_err memory_restore(struct store *store, const struct record *record, uint64_t polls,
                            const void *stats)
{
    struct memory *memory = (struct memory *)store;
    struct bytes id = {record->id, record->id_length};
    uint64_t hash = hash_of(id.at, id.length);
    struct stripe *stripe = &memory->stripes[stripe_index(hash)];
    struct node **link;
    enum vts_err err;

    pthread_mutex_lock(&stripe->lock);
    link = find(stripe, hash, id);
    err = *link ? VTS_ERR_EXISTS : insert(memory, 0, stripe, link, record, record->size, stats);
    if (err == VTS_OK) {
        (*link)->polls = polls < POLLS_MAX ? (uint32_t)polls : POLLS_MAX;
        atomic_fetch_add(&memory->count, 1);
        tell_first_due(stripe);
        table_fit(stripe);
    }
    pthread_mutex_unlock(&stripe->lock);
    return err;
}

/* False where there were more than `most`. */
static bool tell_polled(const struct memory *memory, struct stripe *stripe, size_t most,
                        void (*fn)(void *arg, struct bytes id, uint64_t polls, const void *stats),
                        void *arg)
{
    struct node *node;
    size_t bucket;

    for (bucket = 0; stripe->polled && bucket < (size_t)1 << stripe->bucket_bits; bucket++)
        for (node = stripe->buckets[bucket]; node; node = node->next) {
            if (!node->polled)
                continue;
            if (most-- == 0)
                return false;
            fn(arg, id_of(node), node->polls, stats_of(memory, node));
            node->polled = 0;
        }
    stripe->polled = false;
    return true;
}

bool memory_each_polled(struct store *store, size_t *place, size_t most,
                        void (*fn)(void *arg, struct bytes id, uint64_t polls, const void *stats),
                        void *arg)
{
    struct memory *memory = (struct memory *)store;
    struct stripe *stripe = &memory->stripes[*place];

    pthread_mutex_lock(&stripe->lock);
    if (tell_polled(memory, stripe, most, fn, arg))
        ++*place;
    pthread_mutex_unlock(&stripe->lock);
    return *place < STRIPES;
}

/* ---- the store itself ---- */

static struct store_port *memory_port(struct store *store, size_t index)
{
    struct memory *memory = (struct memory *)store;

    assert(index < memory->options.ports);
    return &memory->ports[index].base;
}

static void memory_destroy(struct store *store)
{
    struct memory *memory = (struct memory *)store;
    struct node *node, *next;
    size_t i, bucket;

    for (i = 0; i < STRIPES; i++) {
        struct stripe *stripe = &memory->stripes[i];

        for (bucket = 0; stripe->buckets && bucket < (size_t)1 << stripe->bucket_bits; bucket++)
            for (node = stripe->buckets[bucket]; node; node = next) {
                next = node->next;
                node_free(memory, node);
            }
        free((void *)stripe->buckets);
        free(stripe->heap);
        pthread_mutex_destroy(&stripe->lock);
    }
    for (i = 0; memory->ports && i < memory->options.ports; i++) {
        text_finish(&memory->ports[i].next);
        free(memory->ports[i].fresh);
    }
    free(memory->ports);
    free(memory);
}

static const struct store_ops memory_ops = {
    .kind = "memory",
    .destroy = memory_destroy,
    .port = memory_port,
    .update = memory_update,
    .apply = memory_apply,
    .deliver = memory_deliver,
    .list = memory_list,
    .run_due = memory_run_due,
    .count = memory_count,
    .first_due = memory_first_due,
    .first_wake = memory_first_wake,
    .step = memory_step,
    .note = memory_note,
};

struct store *memory_create(const struct store_options *options, const struct memory_hooks *hooks)
{
    struct memory *memory = aligned_alloc(_Alignof(struct memory), sizeof(*memory));
    bool good = true;
    size_t i;

    if (!memory)
        return NULL;
    memset(memory, 0, sizeof(*memory));
    memory->base.ops = &memory_ops;
    memory->options = *options;
    memory->hooks = *hooks;
    for (i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&memory->stripes[i].lock, NULL);
        atomic_init(&memory->stripes[i].first_due, RECORD_NEVER);
        good = table_resize(&memory->stripes[i], 4) && good;
    }
    memory->ports = calloc(options->ports, sizeof(*memory->ports));
    for (i = 0; memory->ports && i < options->ports; i++) {
        memory->ports[i].base.store = &memory->base;
        memory->ports[i].index = i;
        if (options->stats_size > 0) {
            memory->ports[i].fresh = calloc(1, options->stats_size);
            good = good && memory->ports[i].fresh;
        }
        atomic_init(&memory->ports[i].awaited, RECORD_NEVER);
    }
    if (!good || !memory->ports) {
        memory_destroy(&memory->base);
        return NULL;
    }
    return &memory->base;
}

struct store *store_create_memory(const struct store_options *options)
{
    const struct memory_hooks none = {NULL, NULL, NULL};

    return memory_create(options, &none);
}
