/* SPDX-License-Identifier: MIT
 *
 * Each operation as a way through the store's door: what is done with the record there (a `move_`
 * function) and what is made of the outcome. See service.h. */
#include "queues.h"

#include <stdlib.h>

#include "../base/log.h"

static struct service_call *call_of(struct store_call *call) { return (struct service_call *)call; }

/* ---- setting up ---- */

static enum record_act move_due(void *arg, size_t port, const struct record *old, struct text *next,
                                vts_ms now)
{
    struct service *service = arg;
    struct engine_work *work = &service->ports[port].work;
    enum record_act act;

    work->next = next;
    work->slots = NULL;
    instances_enter(&service->instances, port);
    act = engine_advance(work, old, now);
    instances_leave(&service->instances, port);
    if (act == RECORD_PUT && ((const struct record *)next->bytes)->state != old->state)
        waits_tell(service, (struct bytes){old->id, old->id_length});
    if (work->err != VTS_OK)
        log_line(VTS_ERROR, "jobs", "job %.*s cannot be moved: %s", (int)old->id_length, old->id,
                 work->err == VTS_ERR_MEMORY ? "no memory" : "its record cannot be understood");
    return act;
}

/* The newest reading of the configuration, held for the caller, who gives its behaviours to jobs. */
static struct assignment *latest(struct service *service)
{
    struct assignment *assignment;

    pthread_mutex_lock(&service->lock);
    assignment = atomic_load(&service->latest);
    assignment_serve(assignment);
    pthread_mutex_unlock(&service->lock);
    return assignment;
}

/* Makes the instance of stored jobs again. Jobs whose instance cannot be made are failed, each when its turn
 * comes. */
static struct instance *make_again(struct service *service, struct bytes text)
{
    struct assignment *assignment = latest(service);
    struct vts_error error;
    struct instance *instance =
        instance_revive(&assignment->plugins, &service->instances, text.at, text.length, &error);

    assignment_retire(assignment);
    if (!instance)
        log_line(VTS_WARNING, "store", "behaviour %s of stored jobs cannot be used any more: %s",
                 text.length > 0 ? text.at : "", error.message);
    return instance;
}

/* ---- which instances are used ---- */

static bool record_names(void *arg, size_t port, uint64_t hash)
{
    struct service *service = arg;

    return instances_named(&service->instances, port, hash);
}

static void record_names_no_more(void *arg, size_t port, uint64_t hash)
{
    struct service *service = arg;

    instances_unnamed(&service->instances, port, hash);
}

static bool hold_instance(void *arg, size_t port, uint64_t hash)
{
    struct service *service = arg;

    return instances_hold(&service->instances, port, hash) != NULL;
}

/* One that was held. */
static void release_instance(void *arg, size_t port, uint64_t hash)
{
    struct service *service = arg;

    instances_let_go(&service->instances, port, hash);
}

/* Nobody uses it any more. */
static void instance_left(void *arg, uint64_t hash)
{
    struct service *service = arg;

    if (service->store)
        store_forget_instance(service->store, hash);
}

/* An instance of another vtsimd on the same store. */
static bool learn_instance(void *arg, uint64_t hash, struct bytes text)
{
    struct service *service = arg;
    struct instance *instance = make_again(service, text);

    if (instance && instance->hash != hash) {
        log_line(VTS_WARNING, "store", "behaviour %s of stored jobs stands under a wrong name",
                 instance->name);
        instance_destroy(instance);
        instance = NULL;
    }
    if (!instance)
        return false;
    instances_release(&service->instances, instances_add(&service->instances, instance));
    return true;
}

/* One of an earlier vtsimd on this store. */
static void revive(void *arg, uint64_t hash, struct bytes text)
{
    struct service *service = arg;

    if (!instances_hashed(&service->instances, hash))
        learn_instance(arg, hash, text);
}

static bool init_ports(struct service *service)
{
    bool good = true;
    size_t i;

    for (i = 0; i < service->port_count; i++) {
        service->ports[i].service = service;
        service->ports[i].index = i;
        service->ports[i].bell_fd = -1;
        service->ports[i].assignment = latest(service);
        service->ports[i].store = store_port(service->store, i);
        atomic_init(&service->ports[i].queues_awaited, RECORD_NEVER);
        engine_work_init(&service->ports[i].work, &service->engine);
        service->ports[i].waits = waits_create();
        alarms_init(&service->ports[i].alarms);
        TAILQ_INIT(&service->ports[i].woken);
        atomic_init(&service->ports[i].busy, 0);
        atomic_init(&service->ports[i].running, false);
        atomic_init(&service->ports[i].early, false);
        service->ports[i].timed = RECORD_NEVER;
        service->ports[i].choices = choices_create();
        good = good && service->ports[i].waits && service->ports[i].choices;
    }
    return good;
}

/* A clock that a hand moved shows again what it showed at the end. */
static void carry_on(struct service *service)
{
    vts_ms kept = store_kept_clock(service->store), now = clock_now(service->clock);
    struct text text = TEXT_INIT;

    if (kept == RECORD_NEVER || kept <= now)
        return;
    text_time(&text, kept);
    if (clock_pace(service->clock).mode != CLOCK_REAL)
        clock_move(service->clock, kept, NULL);
    else if (!text.failed)
        log_line(VTS_WARNING, "store",
                 "the jobs were last served by a clock that showed %s; now it is the real one, and "
                 "they wait until it shows that",
                 text.bytes);
    text_finish(&text);
}

bool service_init(struct service *service, const struct service_parts *parts,
                  struct vts_error *error)
{
    const struct server_settings *set = &parts->assignment->config.server;
    struct store_options options = {.clock = parts->clock,
                                    .ports = parts->ports,
                                    .max_records = (uint64_t)set->max_jobs,
                                    .keep_ended = set->keep_ended,
                                    .seed = (uint64_t)set->seed,
                                    .due = move_due,
                                    .ring = service_port_ring,
                                    .named = record_names,
                                    .unnamed = record_names_no_more,
                                    .max_instances = (uint64_t)set->max_instances,
                                    .hold = hold_instance,
                                    .release = release_instance,
                                    .learn = learn_instance,
                                    .arg = service,
                                    .log_level = (enum vts_level)set->log_level,
                                    .log_format = set->log_format};

    memset(service, 0, sizeof(*service));
    if (!audits_init(service, &parts->assignment->config, parts->ports))
        return vts_error_set(error, VTS_ERR_MEMORY, "no memory for the audit");
    service->engine = (struct engine){options.seed, &service->instances};
    service->clock = parts->clock;
    service->first = parts->assignment;
    service->port_count = parts->ports;
    service->ports = calloc(parts->ports, sizeof(*service->ports));
    if (!service->ports || !instances_init(&service->instances, parts->ports)) {
        audit_finish(&service->audit);
        free(service->ports);
        return vts_error_set(error, VTS_ERR_MEMORY, "no memory for %zu workers", parts->ports);
    }
    audits_options(service, &options);
    service->store = store_open(&parts->assignment->store, &options, error);
    if (!service->store) {
        audit_finish(&service->audit);
        instances_finish(&service->instances);
        free(service->ports);
        return false;
    }
    service->instances.most = (uint64_t)set->max_instances;
    service->instances.keeps_idle = service->store->ops->shared;
    service->instances.left = instance_left;
    service->instances.arg = service;
    pthread_mutex_init(&service->lock, NULL);
    pace_init(&service->pace, service, parts->clock,
              &(struct pace_settings){(size_t)parts->assignment->config.clock.participants,
                                      parts->assignment->config.clock.silent});
    carry_on(service);
    assignment_serve(parts->assignment);
    atomic_init(&service->latest, parts->assignment);
    behaviours_publish(&parts->assignment->behaviours, &service->instances);
    service->queues = queues_create();
    if (!init_ports(service))
        vts_error_set(error, VTS_ERR_MEMORY, "no memory for %zu workers", parts->ports);
    else if (!service->queues)
        vts_error_set(error, VTS_ERR_MEMORY, "no memory for the queues");
    else if (store_each_instance(service->store, revive, service, error) &&
             queues_restore(service, error))
        return true;
    service_finish(service);
    return false;
}

void service_finish(struct service *service)
{
    size_t i;

    for (i = 0; i < service->port_count; i++) {
        service_port_detach(&service->ports[i]);
        engine_work_finish(&service->ports[i].work);
        waits_destroy(service->ports[i].waits);
        choices_destroy(service->ports[i].choices);
        alarms_finish(&service->ports[i].alarms);
        assignment_retire(service->ports[i].assignment);
    }
    assignment_retire(atomic_load(&service->latest));
    pace_finish(&service->pace);
    store_destroy(service->store);
    queues_destroy(service->queues);
    audit_finish(&service->audit); /* which the store asks for what it is to keep */
    instances_finish(&service->instances);
    pthread_mutex_destroy(&service->lock);
    free(service->ports);
}

void service_assign(struct service *service, struct assignment *next)
{
    struct assignment *before;
    size_t i;

    behaviours_publish(&next->behaviours, &service->instances);
    assignment_serve(next);
    pthread_mutex_lock(&service->lock);
    before = atomic_exchange(&service->latest, next);
    pthread_mutex_unlock(&service->lock);
    assignment_retire(before);
    for (i = 0; i < service->port_count; i++)
        service_port_ring(service, i);
}

void service_port_take_assignment(struct service_port *port)
{
    struct assignment *before = port->assignment;

    if (atomic_load(&port->service->latest) == before)
        return;
    port->assignment = latest(port->service);
    assignment_retire(before);
}

const struct instance *service_behaviour(const struct service_port *port, const struct asked *asked)
{
    return assignment_for(port->assignment, asked);
}

const struct instance *service_behaviour_named(const struct service_port *port, const char *name,
                                               size_t length)
{
    return behaviours_named(&port->assignment->behaviours, name, length);
}

void service_count(const struct service *service, uint64_t counts[VTS_CANCELLED + 1])
{
    store_count(service->store, counts);
}

enum store_state service_store_state(const struct service *service)
{
    return store_state(service->store);
}

const char *service_store_kind(const struct service *service) { return service->store->ops->kind; }

/* ---- calls ---- */

void service_call_init(struct service_call *call) { memset(call, 0, sizeof(*call)); }

void service_call_finish(struct service_call *call)
{
    service_call_let_go(call);
    text_finish(&call->word);
    text_finish(&call->teller);
    text_finish(&call->record);
    free(call->marks);
    call->marks = NULL;
}

static void hold(struct service_call *call, const struct instance **place,
                 const struct instance *instance)
{
    const struct instance *before = *place;

    *place = instance;
    if (before)
        instances_release(&call->port->service->instances, before);
}

void call_start_with(struct service_call *call, const struct instance *instance)
{
    hold(call, &call->held, instance);
    call->instance = instance;
}

void service_call_let_go(struct service_call *call)
{
    hold(call, &call->held, NULL);
    hold(call, &call->told, NULL);
}

bool service_job(const struct service_call *call, struct job *job)
{
    return call->record.length > 0 &&
           record_read((const struct record *)call->record.bytes, call->record.length, job);
}

/* A hook may bend an answer by nothing: that one is as good as any. */
static bool bends_nothing(const struct vts_answer *answer)
{
    return answer->status == 0 && answer->retry_after == 0 && answer->stall == 0 &&
           answer->dribble == 0 && answer->cut == VTS_BREAK_NONE &&
           answer->body == VTS_BODY_USUAL && !answer->word && answer->state == 0;
}

/* Copies what is wanted of the job. */
static void copy_record(struct service_call *call, const struct record *record)
{
    const struct bytes none = {NULL, 0};
    struct job job;

    text_reset(&call->record);
    if (!call->want_job)
        return;
    if (!call->told || call->told->hash != record->instance)
        hold(call, &call->told,
             instances_hold(&call->port->service->instances, call->port->index, record->instance));
    if (!call->spare_input || !record_read(record, record->size, &job)) {
        text_add(&call->record, record, record->size);
        return;
    }
    job.input = job.plugin_state = none;
    call->record.failed |= !record_write(&job, &call->record);
}

/* Takes from the engine what the client is to be told. `fn` can run again: all is set anew. */
static void take_outcome(struct service_call *call, const struct engine_work *work,
                         const struct record *old, const struct record *record)
{
    call->bent = work->bent && !bends_nothing(&work->answer);
    text_reset(&call->word);
    text_reset(&call->teller);
    if (call->bent) {
        call->answer = work->answer;
        text_puts(&call->teller, work->teller->name);
        call->by_filter = work->teller->base.plugin->kind == VTS_FILTER;
        if (work->answer.word) {
            text_puts(&call->word, work->answer.word);
            call->answer.word = call->word.bytes;
        }
    }
    call->state = (enum vts_state)record->state;
    call->changed = old && old->state != record->state;
    call->wake_at = record->wake_at;
    call->ended_at = record->ended_at;
    call->waits = record_waits(record);
    copy_record(call, record);
    call->result = work->err == VTS_ERR_EXISTS    ? SERVICE_EXISTS
                   : work->refused                ? SERVICE_REFUSED
                   : work->err == VTS_ERR_DAMAGED ? SERVICE_STRANGE
                   : work->err != VTS_OK || call->word.failed || call->record.failed ? SERVICE_BUSY
                                                                                     : SERVICE_DONE;
}

static const struct record *kept(enum record_act act, const struct record *old,
                                 const struct text *next)
{
    return act == RECORD_PUT ? (const struct record *)next->bytes : old;
}

/* In whose order a call at this record is; 0: in none. One that was refused or has ended moves no more. */
static uint64_t order_of(const struct record *old)
{
    bool alive = old->state == VTS_QUEUED || old->state == VTS_RUNNING;

    return alive && (old->flags & RECORD_IN_ORDER) ? old->instance : 0;
}

static uint64_t order_of_start(const struct service_call *call, const struct record *old)
{
    if (old && old->state != VTS_ASKED)
        return order_of(old);
    return call->instance->slots > 0 && store_in_steps(call->port->service->store)
               ? call->instance->hash
               : 0;
}

/* What an earlier start under this id has to do with this one. */
static enum record_match match_key(const struct service_call *call, const struct record *old)
{
    struct job job;

    if (!call->idempotency.at || !old || !record_read(old, old->size, &job))
        return RECORD_NONE;
    return record_match(job.idempotency, call->idempotency);
}

static enum record_act move_start(struct store_call *store, const struct record *old,
                                  struct text *next)
{
    struct service_call *call = call_of(store);
    struct engine_work *work = &call->port->work;
    enum queues_turn turn = queues_take_turn(call, order_of_start(call, old), old);
    enum record_match match = match_key(call, old);
    enum record_act act;

    if (turn != TURN_TAKEN)
        return turn == TURN_PASSED ? RECORD_PASS : RECORD_LEAVE;
    if (match == RECORD_OTHER) {
        call->result = SERVICE_KEY_USED;
        return RECORD_LEAVE;
    }
    work->next = next;
    work->idempotency = call->idempotency;
    act = engine_start(work, old, call->instance, store->id, call->input, store->now);
    if (act == RECORD_LEAVE && !old)
        call->result = SERVICE_BUSY;
    else
        take_outcome(call, work, old, kept(act, old, next));
    if (call->result == SERVICE_EXISTS && match == RECORD_SAME)
        call->result = SERVICE_DONE;
    audit_note_start(call, act, old, kept(act, old, next));
    return queues_end_turn(call, act);
}

static enum record_act move_claim(struct store_call *store, const struct record *old,
                                  struct text *next)
{
    struct service_call *call = call_of(store);
    struct engine_work *work = &call->port->work;
    enum record_act act = RECORD_LEAVE;

    call->result = match_key(call, old) == RECORD_OTHER ? SERVICE_KEY_USED : SERVICE_DONE;
    if (old)
        return act;
    work->next = next;
    work->idempotency = call->idempotency;
    act = engine_ask(work, call->instance, store->id, store->now);
    if (act == RECORD_LEAVE)
        call->result = SERVICE_BUSY;
    return act;
}

/* A job whose start was refused is not there. */
static bool there(struct service_call *call, const struct record *old)
{
    if (old && old->state != VTS_ASKED)
        return true;
    call->result = SERVICE_NOT_FOUND;
    return false;
}

/* Lets the engine move a job that is there, and takes the outcome. */
static enum record_act move_with(
    enum record_act (*move)(struct engine_work *, const struct record *, const struct store_call *),
    struct store_call *store, const struct record *old, struct text *next)
{
    struct service_call *call = call_of(store);
    struct engine_work *work = &call->port->work;
    enum queues_turn turn = queues_take_turn(call, old ? order_of(old) : 0, old);
    enum record_act act;

    if (turn != TURN_TAKEN)
        return turn == TURN_PASSED ? RECORD_PASS : RECORD_LEAVE;
    if (!there(call, old))
        return RECORD_LEAVE;
    work->next = next;
    instances_enter(&call->port->service->instances, call->port->index);
    act = move(work, old, store);
    instances_leave(&call->port->service->instances, call->port->index);
    take_outcome(call, work, old, kept(act, old, next));
    return queues_end_turn(call, act);
}

static enum record_act poll_job(struct engine_work *work, const struct record *old,
                                const struct store_call *store)
{
    return engine_poll(work, old, store->polls, store->now);
}

static enum record_act cancel_job(struct engine_work *work, const struct record *old,
                                  const struct store_call *store)
{
    return engine_cancel(work, old, store->now);
}

static enum record_act move_status(struct store_call *store, const struct record *old,
                                   struct text *next)
{
    enum record_act act = move_with(poll_job, store, old, next);

    if (act != RECORD_PASS)
        audit_note_poll(call_of(store), kept(act, old, next));
    return act;
}

static enum record_act advance_job(struct engine_work *work, const struct record *old,
                                   const struct store_call *store)
{
    return engine_advance(work, old, store->now);
}

static enum record_act move_look(struct store_call *store, const struct record *old,
                                 struct text *next)
{
    return move_with(advance_job, store, old, next);
}

static enum record_act move_audit(struct store_call *store, const struct record *old,
                                  struct text *next)
{
    enum record_act act = move_with(advance_job, store, old, next);

    if (act != RECORD_PASS && call_of(store)->result == SERVICE_DONE)
        audit_note_look(call_of(store), kept(act, old, next));
    return act;
}

static enum record_act move_cancel(struct store_call *store, const struct record *old,
                                   struct text *next)
{
    enum record_act act = move_with(cancel_job, store, old, next);

    if (act != RECORD_PASS)
        audit_note_cancel(call_of(store), kept(act, old, next));
    return act;
}

static enum record_act end_job(struct engine_work *work, const struct record *old,
                               const struct store_call *store)
{
    return engine_finish(work, old, ((const struct service_call *)store)->end, store->now);
}

static enum record_act move_end(struct store_call *store, const struct record *old,
                                struct text *next)
{
    return move_with(end_job, store, old, next);
}

/* A job that has an order leaves it, and what came of that is the queue's to let happen. */
static enum record_act move_drop(struct store_call *store, const struct record *old,
                                 struct text *next)
{
    struct service_call *call = call_of(store);
    enum queues_turn turn = queues_take_turn(call, old ? order_of(old) : 0, old);
    bool in_order = call->port->work.slots != NULL;

    (void)next;
    if (turn != TURN_TAKEN)
        return turn == TURN_PASSED ? RECORD_PASS : RECORD_LEAVE;
    queues_end_turn(call, RECORD_DROP);
    if (in_order) {
        call->marked = true;
        call->mark = (struct slots_mark){false, RECORD_NEVER, RECORD_NEVER, store->now};
    }
    call->changed = old && old->state != VTS_ASKED;
    call->result = old ? SERVICE_DONE : SERVICE_NOT_FOUND;
    return RECORD_DROP; /* also one that has expired, and is not shown */
}

static enum record_act look_again(struct store_call *store, const struct record *old,
                                  struct text *next)
{
    struct service_call *call = call_of(store);

    (void)next;
    if (!old)
        return RECORD_LEAVE;
    call->changed |= old->state != call->state;
    call->state = (enum vts_state)old->state;
    call->wake_at = old->wake_at;
    call->ended_at = old->ended_at;
    call->waits = record_waits(old);
    copy_record(call, old);
    if (call->record.failed)
        call->result = SERVICE_BUSY;
    return RECORD_LEAVE;
}

void service_look_again(struct service_call *call)
{
    call->store.fn = look_again;
    call->store.is_poll = false;
    store_apply(call->port->store, &call->store);
}

static void call_done(struct store_call *store)
{
    struct service_call *call = call_of(store);

    if (call->passed) {
        queues_enter(call);
        return;
    }
    if (store->err != VTS_OK)
        call->result = store->err == VTS_ERR_LIMIT
                           ? store->instance_refused ? SERVICE_FULL : SERVICE_LIMIT
                       : store->err == VTS_ERR_DAMAGED ? SERVICE_STRANGE
                                                       : SERVICE_BUSY;
    if (call->result >= SERVICE_LIMIT)
        call->bent = false;
    audit_note_end(call);
    if (call->changed)
        waits_tell(call->port->service, call->store.id);
    instances_reclaim(&call->port->service->instances);
    if (call->wait.active)
        wait_looked(call);
    else
        call->done(call);
}

/* `order`: the queue whose turn the call will ask for, where that is known before; else 0. */
static void enter(struct service_call *call, uint64_t order,
                  enum record_act (*fn)(struct store_call *, const struct record *, struct text *),
                  bool is_poll)
{
    call->store.fn = fn;
    call->store.is_poll = is_poll;
    call->store.want_stats = fn == move_audit;
    call->changed = call->bent = false;
    call->note = (struct service_audit_note){0};
    call->store.done = call_done;
    call->passed = false;
    call->order = order;
    if (order)
        queues_enter(call);
    else
        store_update(call->port->store, &call->store);
}

/* A call that can make a record. */
static void enter_new(struct service_call *call, uint64_t order,
                      enum record_act (*fn)(struct store_call *, const struct record *,
                                            struct text *))
{
    const struct text *canonical = &call->instance->canonical;

    if (call->instance->slots > 0 && !store_in_steps(call->port->service->store)) {
        call->result = SERVICE_NO_SLOTS;
        call->bent = false;
        call->done(call);
        return;
    }
    if (call->held != call->instance) {
        instances_use(call->instance);
        call_start_with(call, call->instance);
    }
    call->store.instance = call->instance->hash;
    call->store.instance_text = (struct bytes){canonical->bytes, canonical->length};
    call->store.instance_limited = atomic_load(&call->instance->published) == 0;
    enter(call, order, fn, false);
}

void service_start(struct service_call *call)
{
    call->late = false;
    enter_new(call, order_of_start(call, NULL), move_start);
}

void service_claim_key(struct service_call *call) { enter_new(call, 0, move_claim); }

void service_status(struct service_call *call)
{
    call->late = false;
    enter(call, 0, move_status, true);
}

void service_cancel(struct service_call *call)
{
    call->late = false;
    enter(call, 0, move_cancel, false);
}

void service_audit(struct service_call *call) { enter(call, 0, move_audit, false); }
void service_look(struct service_call *call) { enter(call, 0, move_look, false); }
void service_end(struct service_call *call) { enter(call, 0, move_end, false); }
void service_drop(struct service_call *call) { enter(call, 0, move_drop, false); }

/* ---- listing ---- */

/* A job is shown as it is kept: hooks are run by events, and a look is none. */
static bool list_row(struct store_list *store, const struct record *record, uint64_t polls,
                     vts_ms now)
{
    struct service_list *list = (struct service_list *)store;
    struct instances *instances = &list->port->service->instances;
    struct job job;

    if (record->state == VTS_ASKED || (list->state >= 0 && record->state != list->state) ||
        !record_read(record, record->size, &job))
        return false;
    instances_enter(instances, list->port->index);
    list->row(list, &job, instances_hashed(instances, job.instance), polls, now);
    instances_leave(instances, list->port->index);
    return true;
}

static void list_done(struct store_list *store)
{
    struct service_list *list = (struct service_list *)store;

    list->done(list);
}

void service_list(struct service_list *list)
{
    service_settle(list->port);
    list->store.row = list_row;
    list->store.done = list_done;
    store_list(list->port->store, &list->store);
}
