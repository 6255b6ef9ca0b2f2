/* SPDX-License-Identifier: MIT
 *
 * The SQLite store, a module: memory serves, a writer thread commits what changed in groups, and an
 * answer that tells a client something new leaves after its commit. How the file is laid out and
 * checked is sqlite_file.c's.
 *
 * Every change gets a number. `committed` is the number up to which all is in the file; `recent` knows,
 * by a part of the id's hash, the number of the last change, so that a poll which finds a change that is
 * not committed yet waits for it as well. While the file cannot be written, `failing` lets no change in:
 * what waits gets VTS_ERR_BUSY, what is written already stays queued and is tried again.
 *
 * Threads. `lock` guards the queue; it is taken inside a stripe's lock of the memory store and inside that of
 * the set of instances, and nothing is taken inside it. A port's waiting calls belong to its worker; the writer only rings, and holds `bells`
 * meanwhile, so that no port is detached under its hand. The file is the writer's from its start to its
 * end. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "../base/log.h"
#include "../base/rng.h"
#include "memory.h"
#include "sqlite_file.h"

#define RECENT         65536u
#define KEPT           1024u
#define POISONED       UINT64_MAX /* a change that could not be queued: its id is not served any more */
#define RETRY_MS       500
/* How often statistics are written: as often as takes a tenth of the time, within these. */
#define SWEEP_LEAST_MS 1000
#define SWEEP_MOST_MS  10000
#define GATHER_US      200
#define SLICE          1000 /* poll counts that are written at once: changes wait for no more */

/* Calls and listings that wait for a commit, in the order in which they came. */
struct waiters {
    void *calls, **last_call;
    void *lists, **last_list;
};

struct sqlite_port {
    struct store_port base; /* first */
    struct store_port *memory;
    size_t index;
    uint64_t changed; /* the last change made on this port */
    struct waiters waiters;
    atomic_bool waiting;
};

struct sqlite {
    struct store base; /* first */
    struct store_options options;
    struct sqlite_settings settings;
    struct store *memory;
    struct sqlite_port *ports;
    struct sqlite_file file;
    pthread_t writer;
    bool writing;

    pthread_mutex_t lock;
    pthread_cond_t work;
    struct change *first, **last;
    size_t queued, grouped; /* and as the writer took them the last time */
    uint64_t given;         /* the number of the last change */
    vts_ms kept_clock;      /* what it showed when the file was last served */
    bool closing;
    pthread_mutex_t bells;

    _Atomic uint64_t committed;
    atomic_bool failing;
    _Atomic uint64_t recent[RECENT];
    _Atomic uint64_t kept[KEPT]; /* instances that are in the file or in the queue, by their hash */

    char *
        *strange; /* ids whose records we do not understand, in order: they are left as they are */
    size_t strange_count, strange_room;
};

static _Atomic uint64_t *recent_of(struct sqlite *sqlite, struct bytes id)
{
    return &sqlite->recent[rng_hash(id.at, id.length, 1) % RECENT];
}

/* ---- strange records ---- */

static int compare_ids(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static bool add_strange(struct sqlite *sqlite, struct bytes id)
{
    size_t room = sqlite->strange_room ? sqlite->strange_room * 2 : 16;
    char **grown;

    if (sqlite->strange_count == sqlite->strange_room) {
        grown = (char **)realloc((void *)sqlite->strange, room * sizeof(char *));
        if (!grown)
            return false;
        sqlite->strange = grown;
        sqlite->strange_room = room;
    }
    sqlite->strange[sqlite->strange_count] = strndup(id.at, id.length);
    return sqlite->strange[sqlite->strange_count++] != NULL;
}

static bool is_strange(const struct sqlite *sqlite, struct bytes id)
{
    char text[RECORD_ID_MAX + 1], *key = text;

    if (sqlite->strange_count == 0)
        return false;
    memcpy(text, id.at, id.length);
    text[id.length] = '\0';
    return bsearch((const void *)&key, (const void *)sqlite->strange, sqlite->strange_count,
                   sizeof(char *), compare_ids) != NULL;
}

/* ---- changes ---- */

static struct change *make_change(struct bytes id, const struct record *record, uint64_t polls,
                                  struct bytes stats, struct bytes details)
{
    size_t size = record ? record->size : 0;
    struct change *change =
        malloc(sizeof(*change) + size + id.length + stats.length + details.length);

    if (!change)
        return NULL;
    *change = (struct change){.kind = record ? CHANGE_PUT : CHANGE_DROP,
                              .polls = polls,
                              .size = size,
                              .id_length = id.length,
                              .stats_size = stats.length,
                              .details_size = details.length};
    if (record)
        memcpy(change->record, record, size);
    memcpy(change->record + size, id.at, id.length);
    if (stats.length > 0)
        memcpy(change->record + size + id.length, stats.at, stats.length);
    if (details.length > 0)
        memcpy(change->record + size + id.length + stats.length, details.at, details.length);
    return change;
}

/* Inside the lock. NULL takes a number, too. */
static uint64_t enqueue(struct sqlite *sqlite, struct change *change)
{
    uint64_t number = ++sqlite->given;

    if (change) {
        change->number = number;
        *sqlite->last = change;
        sqlite->last = &change->next;
        if (++sqlite->queued == 1)
            pthread_cond_signal(&sqlite->work);
    }
    return number;
}

static void on_changed(void *arg, size_t port, struct bytes id, const struct record *record,
                       uint64_t polls, const void *stats)
{
    struct sqlite *sqlite = arg;
    struct bytes bytes = {stats, stats && record ? sqlite->options.stats_size : 0};
    struct change *change = make_change(id, record, polls, bytes, (struct bytes){NULL, 0});
    uint64_t number;

    pthread_mutex_lock(&sqlite->lock);
    number = enqueue(sqlite, change);
    /* Inside the lock, where numbers only grow: another job, with another lock, can share the place. */
    if (atomic_load(recent_of(sqlite, id)) != POISONED)
        atomic_store(recent_of(sqlite, id), change ? number : POISONED);
    pthread_mutex_unlock(&sqlite->lock);
    if (!change)
        log_line(VTS_ERROR, "sqlite", "no memory to write job %.*s: it is not served any more",
                 (int)id.length, id.at);
    sqlite->ports[port].changed = change ? number : POISONED;
}

/* ---- waiting ---- */

static void finish_call(struct sqlite_port *port, struct store_call *call)
{
    struct sqlite *sqlite = (struct sqlite *)port->base.store;

    if (call->waiting.until > atomic_load(&sqlite->committed) && call->err == VTS_OK)
        call->err = VTS_ERR_BUSY;
    call->done(call);
}

static void finish_list(struct sqlite_port *port, struct store_list *list)
{
    struct sqlite *sqlite = (struct sqlite *)port->base.store;

    if (list->waiting.until > atomic_load(&sqlite->committed))
        list->err = VTS_ERR_BUSY;
    list->done(list);
}

static bool must_wait(struct sqlite *sqlite, uint64_t until)
{
    return until != POISONED && until > atomic_load(&sqlite->committed) &&
           !atomic_load(&sqlite->failing);
}

/* Lets go all that need not wait any longer. */
static void settle(struct sqlite_port *port)
{
    struct sqlite *sqlite = (struct sqlite *)port->base.store;
    struct waiters *waiters = &port->waiters;
    struct store_call *call;
    struct store_list *list;

    while ((call = waiters->calls) && !must_wait(sqlite, call->waiting.until)) {
        waiters->calls = call->waiting.next;
        if (!waiters->calls)
            waiters->last_call = &waiters->calls;
        finish_call(port, call);
    }
    while ((list = waiters->lists) && !must_wait(sqlite, list->waiting.until)) {
        waiters->lists = list->waiting.next;
        if (!waiters->lists)
            waiters->last_list = &waiters->lists;
        finish_list(port, list);
    }
    atomic_store(&port->waiting, waiters->calls || waiters->lists);
}

/* The instance that the call's record will name goes into the queue ahead of it, once: `kept` remembers, and
 * where it has forgotten the same is written again. False where there was no memory. */
static bool keep_instance(struct sqlite *sqlite, const struct store_call *call)
{
    _Atomic uint64_t *kept = &sqlite->kept[call->instance % KEPT];
    struct bytes text = call->instance_text;
    struct change *change;

    if (!text.at || atomic_load(kept) == call->instance)
        return true;
    change = malloc(sizeof(*change) + text.length);
    if (!change)
        return false;
    *change =
        (struct change){.kind = CHANGE_INSTANCE, .instance = call->instance, .size = text.length};
    memcpy(change->record, text.at, text.length);
    pthread_mutex_lock(&sqlite->lock);
    enqueue(sqlite, change);
    pthread_mutex_unlock(&sqlite->lock);
    atomic_store(kept, call->instance);
    return true;
}

/* Says in the call for which commit its answer has to wait. Changes that are made one after the other have
 * their numbers in that order, and are committed so. */
static enum record_act sqlite_apply(struct store_port *base, struct store_call *call)
{
    struct sqlite_port *port = (struct sqlite_port *)base;
    struct sqlite *sqlite = (struct sqlite *)base->store;
    enum record_act act;
    uint64_t seen;

    call->waiting = (struct store_waiting){NULL, 0};
    call->err = is_strange(sqlite, call->id)   ? VTS_ERR_DAMAGED
                : !keep_instance(sqlite, call) ? VTS_ERR_MEMORY
                                               : VTS_OK;
    if (call->err != VTS_OK)
        return RECORD_LEAVE;
    port->changed = 0;
    act = memory_apply(port->memory, call);
    seen = atomic_load(recent_of(sqlite, call->id));
    if (act != RECORD_PASS)
        call->waiting.until = port->changed > seen ? port->changed : seen;
    return act;
}

static void sqlite_deliver(struct store_port *base, struct store_call *call)
{
    struct sqlite_port *port = (struct sqlite_port *)base;
    struct sqlite *sqlite = (struct sqlite *)base->store;

    if (!must_wait(sqlite, call->waiting.until)) {
        finish_call(port, call);
        return;
    }
    *port->waiters.last_call = call;
    port->waiters.last_call = &call->waiting.next;
    atomic_store(&port->waiting, true);
    /* Either the writer sees that we wait, or we see what it did meanwhile. */
    if (!must_wait(sqlite, call->waiting.until))
        settle(port);
}

static void sqlite_update(struct store_port *port, struct store_call *call)
{
    sqlite_apply(port, call);
    sqlite_deliver(port, call);
}

static void sqlite_list(struct store_port *base, struct store_list *list)
{
    struct sqlite_port *port = (struct sqlite_port *)base;
    struct sqlite *sqlite = (struct sqlite *)base->store;

    memory_collect(port->memory, list);
    pthread_mutex_lock(&sqlite->lock);
    list->waiting.until = sqlite->given;
    pthread_mutex_unlock(&sqlite->lock);
    list->waiting.next = NULL;
    if (!must_wait(sqlite, list->waiting.until)) {
        finish_list(port, list);
        return;
    }
    *port->waiters.last_list = list;
    port->waiters.last_list = &list->waiting.next;
    atomic_store(&port->waiting, true);
    if (!must_wait(sqlite, list->waiting.until))
        settle(port);
}

static vts_ms sqlite_run_due(struct store_port *base, vts_ms now, size_t most)
{
    struct sqlite_port *port = (struct sqlite_port *)base;

    settle(port);
    return store_run_due(port->memory, now, most);
}

static void sqlite_note(struct store_port *port, struct bytes id, store_note_fn *fn, void *arg)
{
    memory_note(((struct sqlite_port *)port)->memory, id, fn, arg);
}

/* ---- the clock ---- */

static vts_ms sqlite_first_due(struct store *store)
{
    return store_first_due(((struct sqlite *)store)->memory);
}

static vts_ms sqlite_first_wake(struct store *store)
{
    return store_first_wake(((struct sqlite *)store)->memory);
}

static size_t sqlite_step(struct store_port *port, vts_ms now, size_t most)
{
    return store_step(((struct sqlite_port *)port)->memory, now, most);
}

static struct change *make_clock_change(const struct sqlite *sqlite)
{
    struct change *change = malloc(sizeof(*change));

    if (change)
        *change = (struct change){.kind = CHANGE_CLOCK, .clock = clock_now(sqlite->options.clock)};
    return change;
}

static bool keeps_clock(const struct sqlite *sqlite)
{
    return clock_pace(sqlite->options.clock).mode != CLOCK_REAL;
}

/* What cannot be noted now is with the next change. */
static void sqlite_keep_clock(struct store_port *port)
{
    struct sqlite *sqlite = (struct sqlite *)port->store;
    struct change *change = keeps_clock(sqlite) ? make_clock_change(sqlite) : NULL;

    if (!change)
        return;
    pthread_mutex_lock(&sqlite->lock);
    enqueue(sqlite, change);
    pthread_mutex_unlock(&sqlite->lock);
}

static vts_ms sqlite_kept_clock(struct store *store)
{
    return ((struct sqlite *)store)->kept_clock;
}

static enum store_state sqlite_state(struct store *store)
{
    return atomic_load(&((struct sqlite *)store)->failing) ? STORE_FAILING : STORE_OK;
}

static void sqlite_count(struct store *store, uint64_t counts[VTS_CANCELLED + 1])
{
    store_count(((struct sqlite *)store)->memory, counts);
}

/* ---- the writer ---- */

static void free_changes(struct change *change)
{
    struct change *next;

    for (; change; change = next) {
        next = change->next;
        free(change);
    }
}

static void ring_waiting(struct sqlite *sqlite)
{
    size_t i;

    pthread_mutex_lock(&sqlite->bells);
    for (i = 0; i < sqlite->options.ports; i++)
        if (atomic_load(&sqlite->ports[i].waiting))
            sqlite->options.ring(sqlite->options.arg, i);
    pthread_mutex_unlock(&sqlite->bells);
}

static void set_failing(struct sqlite *sqlite, bool failing, const char *why)
{
    if (atomic_exchange(&sqlite->failing, failing) == failing)
        return;
    if (failing)
        log_line(VTS_ERROR, "sqlite", "%s: starts and changes get 503 until it can", why);
    else
        log_line(VTS_INFO, "sqlite", "%s can be written again", sqlite->settings.path);
    ring_waiting(sqlite);
}

/* Takes the whole queue; waits for one up to `ms`. NULL where nothing came. Where changes come several at a
 * time, others are given a moment to join the commit: that is cheaper than one commit more. */
static struct change *take_queue(struct sqlite *sqlite, int ms, uint64_t *number, bool *closing)
{
    static const struct timespec gather = {0, GATHER_US * 1000};
    struct timespec until;
    struct change *first;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&sqlite->lock);
    while (!sqlite->first && !sqlite->closing &&
           pthread_cond_timedwait(&sqlite->work, &sqlite->lock, &until) == 0)
        ;
    if (sqlite->first && sqlite->grouped > 1 && !sqlite->closing) {
        pthread_mutex_unlock(&sqlite->lock);
        nanosleep(&gather, NULL);
        pthread_mutex_lock(&sqlite->lock);
    }
    first = sqlite->first;
    sqlite->grouped = sqlite->queued;
    sqlite->first = NULL;
    sqlite->last = &sqlite->first;
    sqlite->queued = 0;
    *number = sqlite->given;
    *closing = sqlite->closing;
    pthread_mutex_unlock(&sqlite->lock);
    return first;
}

/* Writes until it succeeds, or until the store is to be closed. */
static bool write_all(struct sqlite *sqlite, const struct change *first, bool closing)
{
    struct timespec pause = {RETRY_MS / 1000, RETRY_MS % 1000 * 1000000L};
    struct vts_error error;

    while (!sqlite_file_write(&sqlite->file, first, &error)) {
        set_failing(sqlite, true, error.message);
        pthread_mutex_lock(&sqlite->lock);
        closing = sqlite->closing;
        pthread_mutex_unlock(&sqlite->lock);
        if (closing) {
            log_line(VTS_ERROR, "sqlite", "the last changes are lost: they could not be written");
            return false;
        }
        nanosleep(&pause, NULL);
    }
    return true;
}

/* Poll counts are written in slices, so that changes come between. */
struct sweep {
    bool under_way, failed; /* the last one that was tried could not be written: told once */
    size_t place;           /* memory_each_polled's */
    int64_t begun, next;    /* when it did, and when the next one does */
    uint64_t summary;       /* a hash of the last one that was written */
};

struct poll_list {
    struct change *first, **last;
    const struct store_options *options;
    struct text details; /* of the one at hand */
};

static void add_polls(void *arg, struct bytes id, uint64_t polls, const void *stats)
{
    struct poll_list *list = arg;
    const struct store_options *options = list->options;
    struct bytes bytes = {stats, stats ? options->stats_size : 0};
    struct change *change;

    text_reset(&list->details);
    if (stats && options->details)
        options->details(options->arg, id, stats, &list->details);
    change = make_change(id, NULL, polls, bytes,
                         (struct bytes){list->details.bytes, list->details.length});

    if (!change) /* a statistic: it is written at the next change */
        return;
    change->kind = CHANGE_POLLS;
    *list->last = change;
    list->last = &change->next;
}

/* Bytes about all jobs together, as they stand now. NULL where there are none, or no memory. */
static struct change *make_summary_change(const struct sqlite *sqlite)
{
    const struct store_options *options = &sqlite->options;
    struct text summary = TEXT_INIT;
    struct change *change = NULL;

    if (options->summary && options->summary(options->arg, &summary) && !summary.failed)
        change = malloc(sizeof(*change) + summary.length);
    if (change) {
        *change = (struct change){.kind = CHANGE_SUMMARY, .size = summary.length};
        memcpy(change->record, summary.bytes, summary.length);
    }
    text_finish(&summary);
    return change;
}

/* When a sweep has told of each, and there is news. */
static bool write_summary(struct sqlite *sqlite, struct sweep *sweep, struct vts_error *error)
{
    struct change *change = make_summary_change(sqlite);
    uint64_t hash = change ? rng_hash(change->record, change->size, 0) : 0;
    bool good = true;

    if (change && hash != sweep->summary) {
        good = sqlite_file_write(&sqlite->file, change, error);
        sweep->summary = good ? hash : 0;
    }
    free(change);
    return good;
}

static void sqlite_keep_summary(struct store_port *base, struct store_call *call)
{
    struct sqlite *sqlite = (struct sqlite *)base->store;
    struct change *change = make_summary_change(sqlite);
    uint64_t number;

    pthread_mutex_lock(&sqlite->lock);
    number = change ? enqueue(sqlite, change) : sqlite->given;
    pthread_mutex_unlock(&sqlite->lock);
    if (!call)
        return;
    call->err = change ? VTS_OK : VTS_ERR_MEMORY;
    call->waiting = (struct store_waiting){NULL, number};
    sqlite_deliver(base, call);
}

static int64_t monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void end_sweep(struct sqlite *sqlite, struct sweep *sweep)
{
    int64_t now = monotonic_ms(), pause = 10 * (now - sweep->begun);

    sweep->next = now + (pause < SWEEP_LEAST_MS  ? SWEEP_LEAST_MS
                         : pause > SWEEP_MOST_MS ? SWEEP_MOST_MS
                                                 : pause);
    sqlite_file_shrink(&sqlite->file);
}

static void begin_sweep(struct sweep *sweep)
{
    sweep->under_way = true;
    sweep->place = 0;
    sweep->begun = monotonic_ms();
}

/* Writes a slice of the poll counts; behind the last one gives space back. What cannot be written is left
 * to the next sweep. */
static void sweep_on(struct sqlite *sqlite, struct sweep *sweep)
{
    struct poll_list polls = {
        .first = NULL, .last = &polls.first, .options = &sqlite->options, .details = TEXT_INIT};
    struct vts_error error;
    bool good = true;

    sweep->under_way = memory_each_polled(sqlite->memory, &sweep->place, SLICE, add_polls, &polls);
    if (polls.first || !sweep->under_way) {
        good = (!polls.first || sqlite_file_write(&sqlite->file, polls.first, &error)) &&
               (sweep->under_way || write_summary(sqlite, sweep, &error));
        if (!good && !sweep->failed)
            log_line(VTS_WARNING, "sqlite", "poll counts are not written: %s", error.message);
        sweep->failed = !good;
    }
    free_changes(polls.first);
    text_finish(&polls.details);
    sweep->under_way = sweep->under_way && good;
    if (!sweep->under_way)
        end_sweep(sqlite, sweep);
}

/* Each commit keeps what the clock shows: what clients were told by then was not later. */
static struct change *with_clock(const struct sqlite *sqlite, struct change *changes)
{
    struct change *change = keeps_clock(sqlite) ? make_clock_change(sqlite) : NULL;

    if (!change)
        return changes;
    change->next = changes;
    return change;
}

static void *run_writer(void *arg)
{
    struct sqlite *sqlite = arg;
    struct sweep sweep = {.next = monotonic_ms() + SWEEP_LEAST_MS};
    struct change *changes;
    bool closing = false, good;
    uint64_t number;

    while (!closing) {
        changes = take_queue(sqlite, sweep.under_way ? 0 : SWEEP_LEAST_MS, &number, &closing);
        if (changes || closing)
            changes = with_clock(sqlite, changes);
        if (changes) {
            good = write_all(sqlite, changes, closing);
            free_changes(changes);
            if (good) {
                atomic_store(&sqlite->committed, number);
                set_failing(sqlite, false, NULL);
                ring_waiting(sqlite);
            }
        }
        if (!sweep.under_way && monotonic_ms() >= sweep.next)
            begin_sweep(&sweep);
        if (sweep.under_way)
            sweep_on(sqlite, &sweep);
    }
    for (begin_sweep(&sweep); sweep.under_way;)
        sweep_on(sqlite, &sweep);
    return NULL;
}

/* ---- instances ---- */

/* Comes behind the last change of a job that named it, and before the first of one that will. */
static void sqlite_forget_instance(struct store *store, uint64_t hash)
{
    struct sqlite *sqlite = (struct sqlite *)store;
    _Atomic uint64_t *kept = &sqlite->kept[hash % KEPT];
    struct change *change = malloc(sizeof(*change));
    uint64_t was = hash;

    atomic_compare_exchange_strong(kept, &was, 0);
    if (!change) /* it stays until the next start */
        return;
    *change = (struct change){.kind = CHANGE_FORGET, .instance = hash};
    pthread_mutex_lock(&sqlite->lock);
    enqueue(sqlite, change);
    pthread_mutex_unlock(&sqlite->lock);
}

static bool sqlite_each_instance(struct store *store, store_instance_fn *fn, void *arg,
                                 struct vts_error *error)
{
    return sqlite_file_each_instance(&((struct sqlite *)store)->file, fn, arg, error);
}

/* ---- the store itself ---- */

/* The writer begins with the first port that is attached: until then the file is the main thread's. */
static bool sqlite_attach(struct store_port *base, struct event_base *loop)
{
    struct sqlite *sqlite = (struct sqlite *)base->store;

    (void)loop;
    if (!sqlite->writing)
        sqlite->writing = pthread_create(&sqlite->writer, NULL, run_writer, sqlite) == 0;
    return sqlite->writing;
}

/* What still waits is its worker's to forget. */
static void sqlite_detach(struct store_port *base)
{
    struct sqlite_port *port = (struct sqlite_port *)base;
    struct sqlite *sqlite = (struct sqlite *)base->store;

    pthread_mutex_lock(&sqlite->bells); /* then it is not rung any more */
    atomic_store(&port->waiting, false);
    pthread_mutex_unlock(&sqlite->bells);
    port->waiters =
        (struct waiters){.last_call = &port->waiters.calls, .last_list = &port->waiters.lists};
}

static struct store_port *sqlite_port(struct store *store, size_t index)
{
    return &((struct sqlite *)store)->ports[index].base;
}

static void sqlite_destroy(struct store *store)
{
    struct sqlite *sqlite = (struct sqlite *)store;
    size_t i;

    if (sqlite->writing) {
        pthread_mutex_lock(&sqlite->lock);
        sqlite->closing = true;
        pthread_cond_signal(&sqlite->work);
        pthread_mutex_unlock(&sqlite->lock);
        pthread_join(sqlite->writer, NULL);
    }
    free_changes(sqlite->first);
    sqlite_file_close(&sqlite->file);
    store_destroy(sqlite->memory);
    pthread_mutex_destroy(&sqlite->lock);
    pthread_mutex_destroy(&sqlite->bells);
    pthread_cond_destroy(&sqlite->work);
    for (i = 0; i < sqlite->strange_count; i++)
        free(sqlite->strange[i]);
    free((void *)sqlite->strange);
    free(sqlite->ports);
    free(sqlite);
}

static const struct store_ops sqlite_ops = {
    .kind = "sqlite",
    .destroy = sqlite_destroy,
    .port = sqlite_port,
    .update = sqlite_update,
    .apply = sqlite_apply,
    .deliver = sqlite_deliver,
    .list = sqlite_list,
    .run_due = sqlite_run_due,
    .count = sqlite_count,
    .state = sqlite_state,
    .first_due = sqlite_first_due,
    .first_wake = sqlite_first_wake,
    .step = sqlite_step,
    .keep_clock = sqlite_keep_clock,
    .kept_clock = sqlite_kept_clock,
    .keep_summary = sqlite_keep_summary,
    .attach = sqlite_attach,
    .detach = sqlite_detach,
    .each_instance = sqlite_each_instance,
    .note = sqlite_note,
    .forget_instance = sqlite_forget_instance,
};

struct restorer {
    struct sqlite *sqlite;
    uint64_t count;
    bool no_memory;
};

/* Statistics of another size are those of another vtsimd: they begin anew. */
static const void *known_stats(const struct sqlite *sqlite, struct bytes stats)
{
    return stats.length > 0 && stats.length == sqlite->options.stats_size ? stats.at : NULL;
}

/* One that is left as it is. It names its instance, which stays in the file with it. */
static bool keep_strange(struct sqlite *sqlite, const struct sqlite_row *row)
{
    const struct store_options *options = &sqlite->options;

    return add_strange(sqlite, row->id) &&
           (!options->named || options->named(options->arg, 0, row->instance));
}

static void tell_again(const struct sqlite *sqlite, const struct sqlite_row *row)
{
    const struct store_options *options = &sqlite->options;
    const void *stats = known_stats(sqlite, row->stats);

    if (stats && options->again)
        options->again(options->arg, row->id, stats, row->polls, row->details);
}

static bool restore(void *arg, const struct sqlite_row *row)
{
    struct restorer *restorer = arg;
    struct bytes id = row->id;
    struct job job;

    if (!record_read(row->record, row->size, &job)) {
        log_line(VTS_ERROR, "sqlite",
                 "the record of job %.*s in %s cannot be understood: the job is answered 503, the "
                 "others are served",
                 (int)id.length, id.at, restorer->sqlite->settings.path);
        if (!keep_strange(restorer->sqlite, row))
            restorer->no_memory = true;
        return true;
    }
    if (job.id.length != id.length || memcmp(job.id.at, id.at, id.length) != 0)
        return false;
    restorer->count++;
    if (memory_restore(restorer->sqlite->memory, row->record, row->polls,
                       known_stats(restorer->sqlite, row->stats)) == VTS_ERR_MEMORY)
        restorer->no_memory = true;
    tell_again(restorer->sqlite, row);
    return true;
}

static bool resume(struct sqlite *sqlite, struct vts_error *error)
{
    const struct store_options *options = &sqlite->options;
    struct text summary = TEXT_INIT;
    bool good = sqlite_file_summary(&sqlite->file, &summary, error);

    if (good && options->resume && summary.length > 0)
        options->resume(options->arg, (struct bytes){summary.bytes, summary.length});
    text_finish(&summary);
    return good;
}

static bool open_file(struct sqlite *sqlite, struct vts_error *error)
{
    const struct sqlite_settings *set = &sqlite->settings;
    struct restorer restorer = {sqlite, 0, false};
    uint64_t before, seed = sqlite->options.seed;

    if (!sqlite_file_open(&sqlite->file, set, error) ||
        !sqlite_file_check_instances(&sqlite->file, error) ||
        !sqlite_file_each(&sqlite->file, restore, &restorer, error) || !resume(sqlite, error))
        return false;
    if (restorer.no_memory)
        return vts_error_set(error, VTS_ERR_MEMORY, "no memory for the jobs of %s", set->path);
    if (sqlite->strange_count > 0)
        qsort((void *)sqlite->strange, sqlite->strange_count, sizeof(char *), compare_ids);
    if (!sqlite_file_take(&sqlite->file, seed, &before, error) ||
        !sqlite_file_clock(&sqlite->file, !keeps_clock(sqlite), &sqlite->kept_clock, error))
        return false;
    if (before != seed && restorer.count > 0)
        log_line(VTS_WARNING, "sqlite",
                 "the jobs in %s were started with seed %llu, now it is %llu: "
                 "what chance has yet to decide comes out differently",
                 set->path, (unsigned long long)before, (unsigned long long)seed);
    return true;
}

static bool make_ports(struct sqlite *sqlite)
{
    struct sqlite_port *port;
    size_t i;

    sqlite->ports = calloc(sqlite->options.ports, sizeof(*sqlite->ports));
    for (i = 0; sqlite->ports && i < sqlite->options.ports; i++) {
        port = &sqlite->ports[i];
        port->base.store = &sqlite->base;
        port->memory = store_port(sqlite->memory, i);
        port->index = i;
        port->waiters.last_call = &port->waiters.calls;
        port->waiters.last_list = &port->waiters.lists;
    }
    return sqlite->ports != NULL;
}

static struct store *sqlite_open(const struct store_options *options, const void *settings,
                                 struct vts_error *error)
{
    struct sqlite *sqlite = calloc(1, sizeof(*sqlite));
    struct memory_hooks hooks = {.changed = on_changed};

    log_setup(options->log_level, (enum log_format)options->log_format);
    if (!sqlite) {
        vts_error_set(error, VTS_ERR_MEMORY, "no memory");
        return NULL;
    }
    hooks.closed = &sqlite->failing;
    hooks.arg = sqlite;
    sqlite->base.ops = &sqlite_ops;
    sqlite->options = *options;
    sqlite->settings = *(const struct sqlite_settings *)settings;
    sqlite->last = &sqlite->first;
    sqlite->file.lock_fd = -1;
    pthread_mutex_init(&sqlite->lock, NULL);
    pthread_mutex_init(&sqlite->bells, NULL);
    pthread_cond_init(&sqlite->work, NULL);
    sqlite->memory = memory_create(options, &hooks);
    if (!sqlite->memory || !make_ports(sqlite))
        vts_error_set(error, VTS_ERR_MEMORY, "no memory");
    else if (open_file(sqlite, error))
        return &sqlite->base;
    sqlite_destroy(&sqlite->base);
    return NULL;
}

static const struct vts_option sqlite_options[] = {
    VTS_OPTION_(VTS_PATH, const char *, struct sqlite_settings, path, NULL, 1, 4000, NULL,
                "the database file; made if it is not there"),
    VTS_OPTION_CHOICE(struct sqlite_settings, durability, "process|power", "process",
                      "what an answered change outlives: the process (kill -9), or a power cut"),
    VTS_OPTIONS_END};

VTS_EXPORT const struct store_module *sqlite_LTX_vts_store(void);
VTS_EXPORT const struct store_module *sqlite_LTX_vts_store(void)
{
    static const struct store_module module = {
        .version = STORE_VERSION,
        .name = "sqlite",
        .summary = "jobs in one file, which outlive the process",
        .options = sqlite_options,
        .settings_size = sizeof(struct sqlite_settings),
        .in_steps = true,
        .open = sqlite_open,
    };

    return &module;
}
