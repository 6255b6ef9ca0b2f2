/* SPDX-License-Identifier: MIT
 *
 * How clients ask: what a call adds to the bytes beside its job's record, and how they are read. What the bytes
 * mean is the room audit's; which answer a client gets is decided by then. */
#include <event2/event.h>
#include <stdlib.h>

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

void audits_options(struct service *service, struct store_options *options)
{
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

void audit_note_start(struct service_call *call, enum record_act act, const struct record *old,
                      const struct record *record)
{
    struct audit_stats *stats = call->store.stats;
    struct audit_event event;

    if (!stats || !record)
        return;
    event = event_of(call, false, call->store.now);
    if (call->result == SERVICE_REFUSED && act == RECORD_PUT) {
        audit_refused(stats, &event);
    } else if (act == RECORD_PUT && (!old || old->state == VTS_ASKED)) {
        call->note.number = traces_number(&call->port->service->audit.traces);
        call->note.begins = true;
        audit_accepted(stats, &event, record, call->note.number);
    } else if (call->result == SERVICE_EXISTS || call->result == SERVICE_DONE) {
        audit_repeated(stats, &event, record);
    } else {
        return;
    }
    call->note.asked = true;
    note_late(call, &event, false);
    call->store.stats_changed = true;
}

void audit_note_poll(struct service_call *call, const struct record *record)
{
    struct audit_stats *stats = call->store.stats;
    struct service_audit_note *note = &call->note;
    struct audit_event event;

    if (!stats || call->result != SERVICE_DONE)
        return;
    event = event_of(call, true, call->store.now);
    note->mark = (struct audit_mark){.since = event.now - record->created_at,
                                     .fault = event.fault,
                                     .status = event.fault != AUDIT_STATUS ? 0
                                               : call->answer.status       ? call->answer.status
                                                                           : 504,
                                     .early = audit_polled(stats, &event, record)};
    note->number = stats->number;
    note->asked = note->polled = true;
    note_late(call, &event, true);
    call->store.stats_changed = true;
}

void audit_note_cancel(struct service_call *call, const struct record *record)
{
    if (!call->store.stats || call->result != SERVICE_DONE)
        return;
    audit_cancelled(call->store.stats, record, call->store.now);
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

void service_told(struct service_call *call)
{
    if (call->late)
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
    audit_figures(audit, record, stats, call->store.polls, call->store.now, call->marks,
                  &call->mark_count, &call->figures);
}

/* ---- limits, and a reset ---- */

static void known_kept(struct store_call *store)
{
    struct service_call *call = (struct service_call *)store;

    call->result = store->err == VTS_OK ? SERVICE_DONE : SERVICE_BUSY;
    call->done(call);
}

void service_audit_expect(struct service_call *call, const struct audit_bounds *bounds)
{
    audit_set_bounds(&call->port->service->audit, bounds);
    call->store.done = known_kept;
    store_keep_summary(call->port->store, &call->store);
}

/* ---- reading all ---- */

static bool matches(const struct service_audit_walk *walk, const struct record *record)
{
    return record->state != VTS_ASKED && (!walk->glob || text_glob(walk->glob, record->id));
}

static bool walk_row(struct store_list *store, const struct record *record, uint64_t polls,
                     vts_ms now)
{
    struct service_audit_walk *walk = (struct service_audit_walk *)store;
    struct audit_figures figures;
    int count;

    if (walk->enough || !matches(walk, record) || !store->stats)
        return false;
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
    walk->store = (struct store_list){.row = walk_row, .done = page_done};
    walk->store.after_length = strlen(walk->from);
    memcpy(walk->store.after, walk->from, walk->store.after_length + 1);
    walk->enough = false;
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

void service_audit_reset(struct service *service, const char *glob)
{
    if (glob)
        return;
    audit_reset(&service->audit);
    store_keep_summary(service->ports[0].store, NULL);
}
