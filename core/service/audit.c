/* SPDX-License-Identifier: MIT
 *
 * How clients ask: what a call adds to the bytes beside its job's record, and how they are read. What the bytes
 * mean is the room audit's; which answer a client gets is decided by then. */
#include <event2/event.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "../base/log.h"
#include "service.h"

#define PAGE_SCAN 10000 /* records that are looked at before the loop goes on */

/* ---- setting up ---- */

bool audits_init(struct service *service, const struct config *config, size_t ports)
{
    const struct audit_section *set = &config->audit;
    const struct audit_settings settings = {
        .jobs = set->enabled ? set->jobs : 0,
        .polls = set->polls,
        .rules = {.abandoned_after = set->abandoned_after, .poll_cost = set->poll_cost}};

    service->audited = set->enabled;
    if (getrandom(&service->origin, sizeof(service->origin), 0) != sizeof(service->origin))
        service->origin = (uint32_t)getpid();
    service->origin |= 1;
    if (audit_init(&service->audit, &settings, ports))
        return true;
    audit_finish(&service->audit);
    return false;
}

static void on_expired(void *arg, size_t port, const struct record *record, const void *stats,
                       uint64_t polls, vts_ms now)
{
    audit_gone(&((struct service *)arg)->audit, port, record, stats, polls, now);
}

static bool on_summary(void *arg, struct text *out)
{
    return audit_save(&((struct service *)arg)->audit, out);
}

static void on_resume(void *arg, struct bytes saved)
{
    audit_restore(&((struct service *)arg)->audit, saved);
}

static void on_details(void *arg, struct bytes id, const void *stats, struct text *out)
{
    traces_save(&((struct service *)arg)->audit.traces, ((const struct audit_stats *)stats)->number,
                id, out);
}

static void on_again(void *arg, struct bytes id, const void *stats, uint64_t polls,
                     struct bytes details)
{
    audit_again(&((struct service *)arg)->audit, id, stats, polls, details);
}

static bool on_fold(void *arg, struct store_fold *fold)
{
    const struct audit_settings *settings = &((struct service *)arg)->audit.settings;
    struct audit_folding folding = {
        .stats = fold->stats, .marks = fold->details, .known = fold->summary};
    bool good = fold->gone ? audit_fold_gone(settings, fold->gone, fold->kept, fold->polls,
                                             fold->now, &folding)
                           : audit_fold(fold->note, &folding);

    fold->stats_changed = folding.stats_changed;
    fold->summary_changed = folding.known_changed;
    fold->begins = folding.begins;
    return good;
}

void audits_options(struct service *service, struct store_options *options)
{
    /* What others noted is folded in by everybody; who notes nothing himself lets all poll times stay. */
    options->fold = on_fold;
    options->detailed =
        service->audited ? (uint64_t)service->audit.settings.jobs : UINT64_C(1) << 52;
    options->details_most = (uint64_t)service->audit.settings.polls * sizeof(uint64_t);
    if (!service->audited)
        return;
    options->stats_size = sizeof(struct audit_stats);
    options->expired = on_expired;
    options->summary = on_summary;
    options->resume = on_resume;
    options->details = on_details;
    options->again = on_again;
}

/* ---- in the record's turn ---- */

static bool leaves_notes(const struct service_call *call)
{
    const struct service *service = call->port->service;

    return service->audited && store_takes_notes(service->store);
}

/* For whoever folds it in. fn can run again: the connection's first request stays so. */
static struct audit_note *leave(struct service_call *call, enum audit_note_kind kind,
                                const struct audit_event *event, const struct record *record)
{
    struct audit_note *note = &call->note.kept;
    struct service_connection *connection = call->connection;

    note_init(note, kind, event, record);
    note->origin = call->port->service->origin;
    if (kind <= AUDIT_POLLED && connection && !connection->used)
        connection->used = call->note.first = true;
    note->first = call->note.first;
    call->store.note = (struct bytes){(const char *)note, sizeof(*note)};
    return note;
}

/* For how long Retry-After, as the client reads it, asks it to wait. A date has whole seconds; among other
 * jobs' answers there is none. */
static vts_ms hold_of(const struct service_call *call, vts_ms now)
{
    const struct vts_answer *answer = &call->answer;
    vts_ms span;

    if (!call->bent || answer->retry_after <= 0)
        return 0;
    span = answer->retry_after > VTS_TIME_END - now - 1000
               ? VTS_TIME_END - now - 1000
               : (answer->retry_after + 999) / 1000 * 1000;
    return answer->retry_after_date && !call->in_batch ? (now + span) / 1000 * 1000 - now : span;
}

static const struct vts_answer *bent_of(const struct service_call *call)
{
    return call->bent ? &call->answer : NULL;
}

/* On the original API a job that waits for a slot is pending like one that runs. */
static enum vts_state coarse(enum vts_state state)
{
    return state == VTS_QUEUED ? VTS_RUNNING : state;
}

/* The state that the client knows when it has the answer; of a start on the original API it is that there is a
 * job, even one that has ended by then. */
static enum vts_state told_state(const struct service_call *call, bool poll)
{
    if (call->result != SERVICE_DONE || call->tells == SERVICE_TELLS_NOTHING)
        return VTS_ASKED;
    if (call->tells == SERVICE_TELLS_STATE)
        return call->state;
    return poll ? coarse(call->state) : VTS_RUNNING;
}

static enum audit_fault fault_of(const struct service_call *call)
{
    const struct vts_answer *bent = bent_of(call);
    enum vts_state state = call->state;

    /* A state that goes back to another one of the same word is none. */
    if (bent && bent->state && call->tells == SERVICE_TELLS_WORD &&
        coarse((enum vts_state)bent->state) == coarse(state))
        state = (enum vts_state)bent->state;
    return audit_fault_of(bent, state);
}

static struct audit_event event_of(const struct service_call *call, bool poll, vts_ms now)
{
    enum audit_fault fault = fault_of(call);

    /* Among other jobs' answers one that would be late is told as an error. */
    if (call->in_batch && fault >= AUDIT_STALL)
        fault = AUDIT_STATUS;
    return (struct audit_event){.now = now,
                                .connection = call->connection ? call->connection->number : 0,
                                .fault = fault,
                                .state = told_state(call, poll),
                                .hold = hold_of(call, now),
                                .late = call->wait.active || fault >= AUDIT_STALL};
}

static void note_late(struct service_call *call, const struct audit_event *event, bool poll)
{
    call->late = event->late;
    call->late_poll = poll;
    call->late_asked = event->now;
}

static void note_accepted(struct service_call *call, const struct audit_event *event,
                          const struct record *record)
{
    struct audit *audit = &call->port->service->audit;

    if (!call->store.stats) {
        leave(call, AUDIT_ACCEPTED, event, record);
        return;
    }
    call->note.number = traces_number(&audit->traces);
    call->note.begins = true;
    audit_accepted(call->store.stats, event, record, call->note.number);
}

void audit_note_start(struct service_call *call, enum record_act act, const struct record *old,
                      const struct record *record)
{
    struct audit_stats *stats = call->store.stats;
    struct audit_event event;

    if ((!stats && !leaves_notes(call)) || !record)
        return;
    event = event_of(call, false, call->store.now);
    if (call->result == SERVICE_REFUSED && act == RECORD_PUT) {
        if (stats)
            audit_refused(stats, &event);
        else
            leave(call, AUDIT_REFUSED, &event, record);
    } else if (act == RECORD_PUT && (!old || old->state == VTS_ASKED)) {
        note_accepted(call, &event, record);
    } else if (call->result == SERVICE_EXISTS || call->result == SERVICE_DONE) {
        if (stats)
            audit_repeated(stats, &event, record);
        else
            leave(call, AUDIT_REPEATED, &event, record);
    } else {
        return;
    }
    call->note.asked = true;
    note_late(call, &event, false);
    call->store.stats_changed = true;
}

static int status_of(const struct service_call *call, enum audit_fault fault)
{
    if (fault != AUDIT_STATUS)
        return 0;
    return call->answer.status ? call->answer.status : 504;
}

void audit_note_poll(struct service_call *call, const struct record *record)
{
    struct audit_stats *stats = call->store.stats;
    struct service_audit_note *note = &call->note;
    struct audit_event event = {0};

    if (!stats && !leaves_notes(call))
        return;
    if (call->result == SERVICE_NOT_FOUND && !stats)
        leave(call, AUDIT_UNKNOWN, &event, NULL);
    if (call->result != SERVICE_DONE)
        return;
    event = event_of(call, true, call->store.now);
    if (stats)
        note->mark = (struct audit_mark){.since = event.now - record->created_at,
                                         .fault = event.fault,
                                         .status = status_of(call, event.fault),
                                         .early = audit_polled(stats, &event, record)};
    else
        leave(call, AUDIT_POLLED, &event, record)->status = (uint16_t)status_of(call, event.fault);
    note->number = stats ? stats->number : 0;
    note->asked = note->polled = true;
    note_late(call, &event, true);
    call->store.stats_changed = true;
}

void audit_note_cancel(struct service_call *call, const struct record *record)
{
    const struct audit_event event = {.now = call->store.now};

    if (call->result != SERVICE_DONE)
        return;
    if (call->store.stats)
        audit_cancelled(call->store.stats, record, call->store.now);
    else if (leaves_notes(call))
        leave(call, AUDIT_CANCELLED, &event, record);
    call->store.stats_changed = true;
}

/* ---- behind it ---- */

static void count_connection(const struct service_call *call, struct audit_port *port)
{
    if (!call->connection || call->connection->used)
        return;
    call->connection->used = true;
    atomic_fetch_add_explicit(&port->connections, 1, memory_order_relaxed);
}

void audit_note_end(struct service_call *call)
{
    const struct service_audit_note *note = &call->note;
    struct audit *audit = &call->port->service->audit;
    struct audit_port *port = &audit->ports[call->port->index];

    if (!call->port->service->audited)
        return;
    if (leaves_notes(call)) {
        /* Nobody has kept that it was the first: the next one is. */
        if (note->first && call->result >= SERVICE_LIMIT)
            call->connection->used = false;
        return;
    }
    if (call->store.is_poll && call->result == SERVICE_NOT_FOUND)
        atomic_fetch_add_explicit(&port->unknown_polls, 1, memory_order_relaxed);
    if (!note->asked || call->result >= SERVICE_LIMIT)
        return;
    count_connection(call, port);
    if (note->begins)
        traces_begin(&audit->traces, note->number, call->store.id);
    else if (note->polled)
        traces_add(&audit->traces, note->number, call->store.id, &note->mark);
}

static void note_told(void *arg, const struct record *record, void *stats)
{
    const struct service_call *call = arg;
    vts_ms now = clock_now(call->port->service->clock);

    if (!audit_hides(fault_of(call)))
        audit_told(stats,
                   &(struct audit_arrival){.now = now,
                                           .asked = call->late_asked,
                                           .poll = call->late_poll,
                                           .state = told_state(call, call->late_poll),
                                           .hold = hold_of(call, now)},
                   record);
}

/* The same where it is noted. Nobody waits for it: the client has its answer. */
static void leave_told(struct service_call *call)
{
    vts_ms now = clock_now(call->port->service->clock);
    const struct audit_event event = {
        .now = now, .state = told_state(call, call->late_poll), .hold = hold_of(call, now)};
    struct audit_note *note;

    if (audit_hides(fault_of(call)))
        return;
    call->note.first = false;
    note = leave(call, AUDIT_TOLD, &event, NULL);
    note->poll = call->late_poll;
    note->asked = call->late_asked;
    note->state = (uint8_t)call->state;
    note->ended_at = call->ended_at;
    call->store.done = NULL;
    store_keep(call->port->store, &call->store);
}

void service_told(struct service_call *call)
{
    if (call->late && leaves_notes(call))
        leave_told(call);
    else if (call->late)
        store_note(call->port->store, call->store.id, note_told, call);
    call->late = false;
}

/* ---- reading one job ---- */

static bool reserve_marks(struct audit_mark **marks, const struct audit *audit)
{
    if (!*marks)
        *marks = calloc((size_t)audit->settings.polls, sizeof(**marks));
    return *marks != NULL;
}

void audit_note_look(struct service_call *call, const struct record *record)
{
    static const struct audit_stats none = {0};
    struct audit *audit = &call->port->service->audit;
    const struct audit_stats *stats = call->store.stats ? call->store.stats : &none;

    if (!reserve_marks(&call->marks, audit)) {
        call->result = SERVICE_BUSY;
        return;
    }
    if (store_takes_notes(call->port->service->store))
        audit_figures_kept(&audit->settings, record, stats, call->store.details, call->store.polls,
                           call->store.now, call->marks, &call->mark_count, &call->figures);
    else
        audit_figures(audit, record, stats, call->store.polls, call->store.now, call->marks,
                      &call->mark_count, &call->figures);
}

/* ---- what is kept for all ---- */

static void kept_for_all(struct store_call *store)
{
    struct service_call *call = (struct service_call *)store;

    call->result = store->err == VTS_OK ? SERVICE_DONE : SERVICE_BUSY;
    call->done(call);
}

static void note_for_all(struct service_call *call, struct bytes note)
{
    call->store.id = (struct bytes){"", 0};
    call->store.note = note;
    call->store.done = kept_for_all;
    store_keep(call->port->store, &call->store);
}

static void keep_for_all(struct service_call *call)
{
    call->store.done = kept_for_all;
    store_keep_summary(call->port->store, &call->store);
}

static void note_bounds(struct service_call *call, const struct audit_bounds *bounds)
{
    const struct audit_event none = {0};
    struct expect {
        struct audit_note note;
        struct audit_bounds bounds;
    } expect = {.bounds = *bounds};

    note_init(&expect.note, AUDIT_EXPECT, &none, NULL);
    text_reset(&call->word);
    text_add(&call->word, &expect, sizeof(expect));
    if (!call->word.failed) {
        note_for_all(call, (struct bytes){call->word.bytes, call->word.length});
        return;
    }
    call->result = SERVICE_BUSY;
    call->done(call);
}

void service_audit_expect(struct service_call *call, const struct audit_bounds *bounds)
{
    if (leaves_notes(call)) {
        note_bounds(call, bounds);
        return;
    }
    audit_set_bounds(&call->port->service->audit, bounds);
    keep_for_all(call);
}

static void note_reset(struct service_call *call)
{
    const struct audit_event none = {0};

    note_init(&call->note.kept, AUDIT_RESET_ALL, &none, NULL);
    note_for_all(call, (struct bytes){(const char *)&call->note.kept, sizeof(call->note.kept)});
}

void service_audit_reset(struct service_call *call, const char *glob)
{
    if (glob) {
        call->result = SERVICE_DONE;
        call->done(call);
    } else if (leaves_notes(call)) {
        note_reset(call);
    } else {
        audit_reset(&call->port->service->audit);
        keep_for_all(call);
    }
}

/* ---- reading all ---- */

static bool matches(const struct service_audit_walk *walk, const struct record *record)
{
    return record->state != VTS_ASKED && (!walk->glob || text_glob(walk->glob, record->id));
}

static void take_known(struct service_audit_walk *walk)
{
    struct service *service = walk->port->service;

    if (store_takes_notes(service->store))
        known_read(&walk->known, walk->store.summary);
    else
        audit_get_known(&service->audit, &walk->known);
}

static bool walk_row(struct store_list *store, const struct record *record, uint64_t polls,
                     vts_ms now)
{
    struct service_audit_walk *walk = (struct service_audit_walk *)store;
    struct audit_figures figures;
    int count;

    if (walk->enough || !matches(walk, record) || !store->stats)
        return false;
    if (!walk->begun)
        take_known(walk);
    walk->begun = true;
    if (store_takes_notes(walk->port->service->store))
        audit_figures_kept(&walk->port->service->audit.settings, record, store->stats,
                           store->details, polls, now, walk->marks, &count, &figures);
    else
        audit_figures(&walk->port->service->audit, record, store->stats, polls, now, walk->marks,
                      &count, &figures);
    walk->enough = !walk->row(walk, record, &figures);
    if (walk->enough)
        store->limit = 0;
    return true;
}

static void next_page(evutil_socket_t fd, short what, void *arg)
{
    struct service_audit_walk *walk = arg;

    (void)fd;
    (void)what;
    walk->store.limit = walk->store.scan = PAGE_SCAN;
    store_list(walk->port->store, &walk->store);
}

static void page_done(struct store_list *store)
{
    struct service_audit_walk *walk = (struct service_audit_walk *)store;
    const struct timeval now = {0, 0};

    if (store->err != VTS_OK || walk->enough || !store->more) {
        if (store->err == VTS_OK)
            take_known(walk);
        walk->done(walk);
    } else if (!walk->port->base) {
        next_page(-1, 0, walk);
    } else if (event_base_once(walk->port->base, -1, EV_TIMEOUT, next_page, walk, &now) != 0) {
        store->err = VTS_ERR_MEMORY;
        walk->done(walk);
    }
}

void service_audit_walk(struct service_audit_walk *walk)
{
    walk->store = (struct store_list){.row = walk_row, .done = page_done, .want_stats = true};
    walk->store.after_length = strlen(walk->from);
    memcpy(walk->store.after, walk->from, walk->store.after_length + 1);
    walk->enough = walk->begun = false;
    if (!reserve_marks(&walk->marks, &walk->port->service->audit)) {
        walk->store.err = VTS_ERR_MEMORY;
        walk->done(walk);
        return;
    }
    next_page(-1, 0, walk);
}

void service_audit_walk_finish(struct service_audit_walk *walk)
{
    free(walk->marks);
    walk->marks = NULL;
}
