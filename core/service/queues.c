/* SPDX-License-Identifier: MIT
 *
 * The queues, and how one lets its events happen. See queues.h. */
#include "queues.h"

#include <stdlib.h>

#include "../base/log.h"
#include "../jobs/slots.h"

#define BUCKETS  256u
#define RETRY_MS 1000 /* until what could not be carried out is tried again, unless somebody asks */

struct queue {
    struct queue *next; /* in its bucket */
    uint64_t instance;
    size_t users; /* guarded by the lock of the set; it stays as long as there are some */
    pthread_mutex_t lock;
    /* Guarded by it. */
    struct slots slots;
    struct engine_slots view; /* what hooks are told */
    vts_ms now;               /* so far all has happened */
    _Atomic vts_ms first_due; /* for those who do not hold it */
};

struct queues {
    pthread_mutex_t lock;
    struct queue *buckets[BUCKETS];
    atomic_size_t count;
};

struct queues *queues_create(void)
{
    struct queues *queues = calloc(1, sizeof(*queues));

    if (queues)
        pthread_mutex_init(&queues->lock, NULL);
    return queues;
}

static void destroy(struct queue *queue)
{
    slots_finish(&queue->slots);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

void queues_destroy(struct queues *queues)
{
    struct queue *queue, *next;
    size_t i;

    for (i = 0; queues && i < BUCKETS; i++)
        for (queue = queues->buckets[i]; queue; queue = next) {
            next = queue->next;
            destroy(queue);
        }
    if (queues)
        pthread_mutex_destroy(&queues->lock);
    free(queues);
}

/* ---- the set ---- */

static size_t owner(const struct service *service, const struct queue *queue)
{
    return queue->instance % service->port_count;
}

/* Inside the lock of the set. */
static struct queue *find(const struct service *service, uint64_t hash)
{
    struct queue *queue = service->queues->buckets[hash % BUCKETS];

    while (queue && queue->instance != hash)
        queue = queue->next;
    return queue;
}

/* Inside the lock of the set. NULL where there was no memory. An instance that is not there any more has no
 * slots: its jobs are failed when their wakes are due. */
static struct queue *find_or_make(struct service_port *port, uint64_t hash)
{
    struct service *service = port->service;
    struct queue **link = &service->queues->buckets[hash % BUCKETS], *queue = find(service, hash);
    const struct instance *instance;

    if (queue)
        return queue;
    queue = calloc(1, sizeof(*queue));
    if (!queue)
        return NULL;
    instances_enter(&service->instances, port->index);
    instance = instances_hashed(&service->instances, hash);
    slots_init(&queue->slots, instance ? instance->slots : 0);
    instances_leave(&service->instances, port->index);
    queue->instance = hash;
    pthread_mutex_init(&queue->lock, NULL);
    atomic_init(&queue->first_due, RECORD_NEVER);
    queue->next = *link;
    *link = queue;
    atomic_fetch_add(&service->queues->count, 1);
    return queue;
}

/* Holds the queue of this instance: locked, until let_go. */
static struct queue *hold(struct service_port *port, uint64_t hash)
{
    struct service *service = port->service;
    struct queue *queue;

    pthread_mutex_lock(&service->queues->lock);
    queue = find_or_make(port, hash);
    if (queue)
        queue->users++;
    pthread_mutex_unlock(&service->queues->lock);
    if (queue)
        pthread_mutex_lock(&queue->lock);
    return queue;
}

/* Inside the lock of the set: without users nobody else is at it. */
static void drop_if_empty(struct service *service, struct queue *queue)
{
    struct queue **link = &service->queues->buckets[queue->instance % BUCKETS];

    if (queue->users > 0 || queue->slots.jobs > 0)
        return;
    while (*link != queue)
        link = &(*link)->next;
    *link = queue->next;
    atomic_fetch_sub(&service->queues->count, 1);
    destroy(queue);
}

static vts_ms awaited(const struct service *service, size_t port)
{
    return atomic_load(&service->ports[port].queues_awaited);
}

/* Tells when it has something to do next; `stuck`: it could not do what is due now. */
static void let_go(struct service *service, struct queue *queue, bool stuck)
{
    vts_ms due = stuck ? queue->now + RETRY_MS : slots_due(&queue->slots);
    size_t port = owner(service, queue);

    atomic_store(&queue->first_due, due);
    pthread_mutex_unlock(&queue->lock);
    pthread_mutex_lock(&service->queues->lock);
    queue->users--;
    drop_if_empty(service, queue);
    pthread_mutex_unlock(&service->queues->lock);
    if (due < awaited(service, port))
        service_port_ring(service, port);
}

/* ---- events ---- */

/* One event on its way through the store's door. */
struct step {
    struct store_call store; /* first */
    struct service_port *port;
    struct queue *queue;
    const struct slots_event *event;
    struct slots_mark mark;
    enum vts_err err; /* the engine's */
};

static enum record_act move_step(struct store_call *store, const struct record *old,
                                 struct text *next)
{
    struct step *step = (struct step *)store;
    struct engine_work *work = &step->port->work;
    enum record_act act;

    step->mark = (struct slots_mark){false, RECORD_NEVER, RECORD_NEVER, step->event->moment};
    if (!old || state_ended(old->state) || old->instance != step->queue->instance)
        return RECORD_LEAVE;
    work->next = next;
    work->slots = &step->queue->view;
    instances_enter(&step->port->service->instances, step->port->index);
    act = step->event->kind == SLOTS_GRANT ? engine_grant(work, old, step->event->moment)
                                           : engine_advance(work, old, step->event->moment);
    instances_leave(&step->port->service->instances, step->port->index);
    step->err = work->err;
    if (act == RECORD_PUT)
        step->mark = slots_mark_of(&work->job);
    if (act == RECORD_PUT && work->job.state != old->state)
        waits_tell(step->port->service, store->id);
    return act;
}

/* False where it could not be carried out: it stays what comes next. A record that cannot be understood leaves
 * the order. */
static bool run_event(struct queue *queue, struct service_port *port,
                      const struct slots_event *event)
{
    struct step step = {
        .store = {.id = event->id, .fn = move_step}, .port = port, .queue = queue, .event = event};

    queue->view = (struct engine_slots){slots_free(&queue->slots), slots_waiting(&queue->slots)};
    store_apply(port->store, &step.store);
    if (step.store.err != VTS_OK || step.err == VTS_ERR_MEMORY)
        return false;
    if (step.err != VTS_OK)
        log_line(VTS_ERROR, "jobs", "job %.*s cannot be moved: its record cannot be understood",
                 (int)event->id.length, event->id.at);
    slots_note(&queue->slots, event->job, &step.mark);
    return true;
}

/* Lets all happen that is due by the queue's now, `*most` events at the most. False where one could not be
 * carried out. Tells in *touched, which may be NULL, whether one was of this job. */
static bool run_events(struct queue *queue, struct service_port *port, size_t *most,
                       struct bytes id, bool *touched)
{
    struct slots_event event;

    for (; *most > 0 && slots_next(&queue->slots, queue->now, &event); --*most) {
        if (touched && event.id.length == id.length && memcmp(event.id.at, id.at, id.length) == 0)
            *touched = true;
        if (!run_event(queue, port, &event))
            return false;
    }
    return true;
}

static void set_now(struct queue *queue, vts_ms now)
{
    queue->now = now > queue->slots.last ? now : queue->slots.last;
}

/* ---- calls ---- */

enum queues_turn queues_take_turn(struct service_call *call, uint64_t hash,
                                  const struct record *old)
{
    struct queue *queue = call->queue;

    call->marked = call->passed = false;
    call->port->work.slots = NULL;
    if (hash == 0)
        return TURN_TAKEN;
    if (!queue || queue->instance != hash) {
        call->passed = true;
        call->order = hash;
        return TURN_PASSED;
    }
    if (call->stuck) {
        call->result = SERVICE_BUSY;
        return TURN_BUSY;
    }
    call->store.now = old && old->last_at > queue->now ? old->last_at : queue->now;
    call->port->work.slots = &queue->view;
    return TURN_TAKEN;
}

enum record_act queues_end_turn(struct service_call *call, enum record_act act)
{
    struct engine_work *work = &call->port->work;

    call->marked = act == RECORD_PUT && work->slots;
    if (call->marked)
        call->mark = slots_mark_of(&work->job);
    work->slots = NULL;
    return act;
}

/* One turn of a call, its queue being held. False where the queue has something due that it cannot do. */
static bool take_turn(struct queue *queue, struct service_call *call)
{
    struct service_port *port = call->port;
    struct bytes id = call->store.id;
    struct slots_job *job;
    bool touched = false;
    size_t most = SIZE_MAX;

    call->marked = call->passed = false;
    set_now(queue, clock_now(port->service->clock));
    call->stuck = !run_events(queue, port, &most, id, NULL);
    job = slots_reserve(&queue->slots, id, NULL);
    if (!job) {
        call->store.err = VTS_ERR_MEMORY;
        return !call->stuck;
    }
    queue->view = (struct engine_slots){slots_free(&queue->slots), slots_waiting(&queue->slots)};
    store_apply(port->store, &call->store);
    if (!call->marked || call->store.err != VTS_OK) {
        slots_release(&queue->slots, job);
        return !call->stuck;
    }
    slots_note(&queue->slots, job, &call->mark);
    call->stuck = !run_events(queue, port, &most, id, &touched);
    if (touched)
        service_look_again(call);
    return !call->stuck;
}

void queues_enter(struct service_call *call)
{
    struct service *service = call->port->service;
    bool good;

    do {
        call->store.waiting = (struct store_waiting){NULL, 0};
        call->queue = hold(call->port, call->order);
        if (!call->queue) {
            call->passed = false;
            call->store.err = VTS_ERR_MEMORY;
            break;
        }
        good = take_turn(call->queue, call);
        let_go(service, call->queue, !good);
        call->queue = NULL;
    } while (call->passed);
    store_deliver(call->port->store, &call->store);
}

/* ---- due ---- */

/* Holds one that has something to do by now, of this port's or (SIZE_MAX) of all. */
static struct queue *hold_due(struct service *service, size_t port, vts_ms now)
{
    struct queue *queue = NULL;
    size_t i;

    pthread_mutex_lock(&service->queues->lock);
    for (i = 0; i < BUCKETS && !queue; i++)
        for (queue = service->queues->buckets[i]; queue; queue = queue->next)
            if ((port == SIZE_MAX || owner(service, queue) == port) &&
                atomic_load(&queue->first_due) <= now) {
                queue->users++;
                break;
            }
    pthread_mutex_unlock(&service->queues->lock);
    if (queue)
        pthread_mutex_lock(&queue->lock);
    return queue;
}

static void run_due(struct service_port *port, size_t of_port, vts_ms now, size_t most)
{
    struct service *service = port->service;
    struct queue *queue;
    bool good;

    while (most > 0 && (queue = hold_due(service, of_port, now))) {
        set_now(queue, now);
        good = run_events(queue, port, &most, (struct bytes){NULL, 0}, NULL);
        let_go(service, queue, !good);
    }
}

/* Of this port's, or (SIZE_MAX) of all. */
static vts_ms first_of_port(struct service *service, size_t port)
{
    vts_ms first = RECORD_NEVER, due;
    const struct queue *queue;
    size_t i;

    if (atomic_load(&service->queues->count) == 0)
        return RECORD_NEVER;
    pthread_mutex_lock(&service->queues->lock);
    for (i = 0; i < BUCKETS; i++)
        for (queue = service->queues->buckets[i]; queue; queue = queue->next) {
            due = atomic_load(&queue->first_due);
            if ((port == SIZE_MAX || owner(service, queue) == port) && due < first)
                first = due;
        }
    pthread_mutex_unlock(&service->queues->lock);
    return first;
}

vts_ms queues_run_due(struct service_port *port, vts_ms now, size_t most)
{
    struct service *service = port->service;
    vts_ms first;

    if (atomic_load(&service->queues->count) > 0)
        run_due(port, port->index, now, most);
    /* Either we see what another thread put meanwhile, or it sees what we wait for and rings. */
    do {
        first = first_of_port(service, port->index);
        atomic_store(&port->queues_awaited, first);
    } while (first_of_port(service, port->index) < first);
    return first;
}

vts_ms queues_first_due(struct service *service) { return first_of_port(service, SIZE_MAX); }

void queues_step(struct service_port *port, vts_ms now, size_t most)
{
    if (atomic_load(&port->service->queues->count) > 0)
        run_due(port, SIZE_MAX, now, most);
}

void service_settle(struct service_port *port)
{
    if (atomic_load(&port->service->queues->count) > 0)
        run_due(port, SIZE_MAX, clock_now(port->service->clock), SIZE_MAX);
}

bool service_slots(struct service_port *port, const struct instance *instance,
                   struct engine_slots *slots)
{
    struct service *service = port->service;
    struct queue *queue;

    if (instance->slots == 0 || !store_in_steps(service->store))
        return false;
    *slots = (struct engine_slots){instance->slots, 0};
    pthread_mutex_lock(&service->queues->lock);
    queue = find(service, instance->hash);
    if (queue)
        queue->users++;
    pthread_mutex_unlock(&service->queues->lock);
    if (queue) {
        pthread_mutex_lock(&queue->lock);
        *slots = (struct engine_slots){slots_free(&queue->slots), slots_waiting(&queue->slots)};
        let_go(service, queue, false);
    }
    return true;
}

/* ---- stored jobs ---- */

struct restorer {
    struct store_list list; /* first */
    struct service *service;
    bool no_memory;
};

/* The moment of the last event counts of ended jobs, too: a crash can lie between it and the grant that came
 * of it. */
static bool restore_row(struct store_list *list, const struct record *record, uint64_t polls,
                        vts_ms now)
{
    struct restorer *restorer = (struct restorer *)list;
    struct slots_job *entry;
    struct slots_mark mark;
    struct queue *queue;
    struct job job;

    (void)polls;
    (void)now;
    if (!(record->flags & RECORD_IN_ORDER) || !record_read(record, record->size, &job))
        return false;
    queue = find_or_make(&restorer->service->ports[0], record->instance);
    entry = queue ? slots_reserve(&queue->slots, job.id, NULL) : NULL;
    if (!entry) {
        restorer->no_memory = true;
        return false;
    }
    mark = slots_mark_of(&job);
    slots_note(&queue->slots, entry, &mark);
    atomic_store(&queue->first_due, slots_due(&queue->slots));
    return false;
}

static void restored(struct store_list *list) { (void)list; }

bool queues_restore(struct service *service, struct vts_error *error)
{
    struct restorer restorer = {.list = {.limit = SIZE_MAX,
                                         .scan = SIZE_MAX,
                                         .expired = true,
                                         .row = restore_row,
                                         .done = restored},
                                .service = service};
    struct queue *queue, *next;
    size_t i;

    if (!store_in_steps(service->store))
        return true;
    store_list(service->ports[0].store, &restorer.list);
    if (restorer.no_memory)
        return vts_error_set(error, VTS_ERR_MEMORY, "no memory for the queues of stored jobs");
    for (i = 0; i < BUCKETS; i++)
        for (queue = service->queues->buckets[i]; queue; queue = next) {
            next = queue->next;
            drop_if_empty(service, queue);
        }
    return true;
}
