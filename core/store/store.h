/* SPDX-License-Identifier: MIT
 *
 * Where records live. A store holds them, gives one caller at a time access to each, and knows which
 * are due. It knows a record's head (id, state, moments) and nothing else of a job; whoever opens it
 * says what is to be done with a record that is due.
 *
 * Ports. A store is used through ports, one for each worker; a port is used by its worker's thread
 * alone, and the store calls `done` on that thread: at once, or later from the worker's event loop.
 *
 * Statistics. Beside each record stand `stats_size` bytes that the store keeps and does not understand: zeros
 * at first, changed by whoever has his turn at the record, and let go with it. Changes of them are no changes
 * of the record: a store that writes does so when it gets round to it, and a crash loses the last ones.
 *
 * Notes. In a store that other processes write to, too, fn cannot have the statistics in its turn without paying
 * for a change of them. There it leaves a note instead: bytes that the store keeps in the order in which they
 * come, those of a change with the change, and all before `done`. Whoever comes by folds them into the
 * statistics (`fold`), each once; who asks for statistics gets them with all notes that were kept before.
 *
 * Kinds. struct store_ops is what a kind of store implements; everybody else calls the functions. */
#ifndef VTSIM_STORE_STORE_H
#define VTSIM_STORE_STORE_H

#include "../jobs/record.h"
#include "../time/clock.h"

struct event_base;
struct store;
struct store_port;

/* What a store keeps in a call or a listing that waits. */
struct store_waiting {
    void *next;
    uint64_t until;
};

/* One way through the door to one record. Part of a larger struct of the caller's, which must live until
 * `done` was called. */
struct store_call {
    /* Given. */
    struct bytes id;
    bool is_poll; /* counts as a poll of the job, if there is one */
    /* Where fn can make a record: the instance that it will name, and the text from which that can be made
     * again, which is kept no later than the record. No text: nothing is kept. */
    uint64_t instance;
    struct bytes instance_text;
    bool instance_limited; /* one of those of which there may be max_instances */

    /* Run with nobody else at the record. `old` is NULL where the store has no such record. Leaves a
     * changed record in `next` and says RECORD_PUT. Can be run again on a newer record: it touches
     * nothing but `next` and the caller's own struct. May read `now` and `polls`. RECORD_PASS is for
     * callers of store_apply, and of store_update on a store that has it. */
    enum record_act (*fn)(struct store_call *call, const struct record *old, struct text *next);
    /* The change is kept, or `err` tells why not. May free the call. */
    void (*done)(struct store_call *call);

    /* Set by the store before fn: max(clock, the record's last event), and the number of polls. */
    vts_ms now;
    uint64_t polls;
    /* And the record's statistics, which fn may change, and then says so; zeros for a record that it makes.
     * NULL where none are kept. */
    void *stats;
    bool stats_changed;
    /* In a store that takes notes (store_takes_notes) `stats` is NULL, and fn leaves one here (no bytes: none),
     * which belongs to the caller and stays until done. Where there is no record, it is of none. */
    struct bytes note;
    /* Given: there fn has a copy of the statistics all the same, and `details`, which are none where they are
     * not kept. A look: fn leaves no note. */
    bool want_stats;
    struct bytes details;
    /* Set before done: VTS_OK; VTS_ERR_LIMIT (as many jobs as allowed, or, with `instance_refused`, as many
     * instances), VTS_ERR_MEMORY,
     * VTS_ERR_BUSY (the store cannot write or be reached: try again; a change may yet be kept),
     * VTS_ERR_DAMAGED (the record cannot be understood, and is left as it is; fn was not run). */
    enum vts_err err;
    bool instance_refused;

    struct store_waiting waiting; /* the store's own */
};

/* One page of all records, in an order of the store's own that does not change: a record that is there
 * all the time is seen exactly once on the way through the pages. */
struct store_list {
    /* Given. */
    char after[RECORD_ID_MAX + 1]; /* go on behind this id; "" from the beginning */
    size_t after_length;
    size_t limit;    /* rows that may be taken; `row` may lower it */
    size_t scan;     /* records looked at, at the most: a page may be short */
    bool expired;    /* also those whose time to be kept is over */
    bool want_stats; /* in a store that takes notes: else it spares itself the way */

    /* Called for each record, with nobody else at it. True where it was taken. May read `stats`, which are the
     * record's, or NULL where none are kept. */
    bool (*row)(struct store_list *list, const struct record *record, uint64_t polls, vts_ms now);
    void (*done)(struct store_list *list);
    const void *stats;
    struct bytes
        details; /* of a store that takes notes, and wants_stats: likewise, none where none are kept, */
    struct bytes
        summary; /* and what its notes came to for all, valid from before the first row until after done */

    /* Set before done. */
    enum vts_err err;
    bool more; /* there may be records behind `after`, which now names the last one looked at */

    struct store_waiting waiting; /* the store's own */
};

/* What there is to fold. */
struct store_fold {
    struct bytes id;   /* the record's; no bytes: of none */
    struct bytes note; /* what fn left; or */
    const struct record
        *gone;         /* the head of a record that expired at `now` and goes with its statistics */
    struct bytes kept; /* the details of that one; none where none are kept */
    uint64_t polls;
    vts_ms now;
    /* What is kept, to be changed. Empty at first. */
    struct text *stats, *summary;
    bool stats_changed, summary_changed; /* set */
    /* Bytes can be added to the details. They are dropped where none are kept of the record. */
    struct text *details;
    bool
        begins; /* set: some are kept of the record from now on; there are none yet but those added from here on */
};

struct store_options {
    const struct clock *clock;
    size_t ports;
    uint64_t max_records;
    vts_ms keep_ended; /* how long ended and refused jobs are kept */
    uint64_t seed;     /* what chance starts from: stored jobs go on with the same */
    size_t stats_size; /* a multiple of 8; 0: none are kept */

    /* A record is due. As store_call's fn; called on the port's thread. */
    enum record_act (*due)(void *arg, size_t port, const struct record *old, struct text *next,
                           vts_ms now);
    /* A record need not be kept any longer, and is let go with its statistics (not NULL). Called on the port's
     * thread with nobody else at the record: takes no lock of the store. NULL: nobody asks. */
    void (*expired)(void *arg, size_t port, const struct record *record, const void *stats,
                    uint64_t polls, vts_ms now);
    /* Bytes about all records together, which are kept with the statistics where those outlive the process:
     * asked for when those are written, from any thread (false: there is nothing to be kept), and told, before
     * there are workers, as they were kept. NULL: there are none. */
    bool (*summary)(void *arg, struct text *out);
    void (*resume)(void *arg, struct bytes summary);
    /* Bytes that belong to a record's statistics and do not stand beside it: asked for when those are written,
     * from any thread, with nobody else at the record; and told before there are workers, with all records that
     * were kept (no bytes: none were). NULL: there are none. A store that takes notes has `fold` in their place. */
    void (*details)(void *arg, struct bytes id, const void *stats, struct text *out);
    void (*again)(void *arg, struct bytes id, const void *stats, uint64_t polls,
                  struct bytes details);
    /* For a store that takes notes: folds one in, on the port's thread, and can be asked for the same again. Calls
     * for all ports have one order, also with those of other processes. False: there was no memory. Details are
     * kept of the last `detailed` records for which they were begun, of each the last `details_most` bytes. NULL:
     * there are no notes. */
    bool (*fold)(void *arg, struct store_fold *fold);
    uint64_t detailed, details_most;
    /* The port has something to do earlier than its last store_run_due said: call that again. Called
     * from any thread, with no lock of the store held. */
    void (*ring)(void *arg, size_t port);
    /* For a store of this process alone: a record names this instance from now on, or no longer. Called with
     * nobody else at the record, on the port's thread or before there are workers, and may be called inside
     * of locks of the store. `named` is false where there was no memory; the record is not taken then. NULL:
     * nobody asks. */
    bool (*named)(void *arg, size_t port, uint64_t hash);
    void (*unnamed)(void *arg, size_t port, uint64_t hash);
    /* For a store that others write to as well, on the port's thread: whether the instance of a record is
     * there, which then stays until it is released as often; and the text of one that was not, as
     * store_each_instance tells it (false: it cannot be used). NULL: nobody asks. */
    bool (*hold)(void *arg, size_t port, uint64_t hash);
    void (*release)(void *arg, size_t port, uint64_t hash);
    bool (*learn)(void *arg, uint64_t hash, struct bytes text);
    uint64_t max_instances; /* of which it keeps texts: one more of the limited is refused */
    void *arg;

    enum vts_level log_level; /* for stores that are modules: log_setup's */
    int log_format;
};

/* Told by store_each_instance: the text that came with a record's first call. */
typedef void store_instance_fn(void *arg, uint64_t hash, struct bytes text);

/* Told by store_note. */
typedef void store_note_fn(void *arg, const struct record *record, void *stats);

/* Whether a store can do what is asked of it. */
enum store_state {
    STORE_OK,
    STORE_FAILING, /* what is there is told, and changes are not taken */
    STORE_AWAY     /* it cannot be reached */
};

struct store_ops {
    const char *kind;
    bool shared; /* other processes change records, too, which only a look at the record tells */
    void (*destroy)(struct store *store);
    struct store_port *(*port)(struct store *store, size_t index);
    void (*update)(struct store_port *port, struct store_call *call);
    /* Both, or NULL where fn may have to wait for others: then there are no slots. */
    enum record_act (*apply)(struct store_port *port, struct store_call *call);
    void (*deliver)(struct store_port *port, struct store_call *call);
    void (*list)(struct store_port *port, struct store_list *list);
    vts_ms (*run_due)(struct store_port *port, vts_ms now, size_t most);
    void (*count)(struct store *store, uint64_t counts[VTS_CANCELLED + 1]);
    /* NULL where the kind has no use for them. */
    void (*note)(struct store_port *port, struct bytes id, store_note_fn *fn, void *arg);
    void (*keep)(struct store_port *port, struct store_call *call);
    enum store_state (*state)(struct store *store);
    /* For clocks that are moved, so for all but shared ones. */
    vts_ms (*first_due)(struct store *store);
    vts_ms (*first_wake)(struct store *store);
    size_t (*step)(struct store_port *port, vts_ms now, size_t most);
    void (*keep_clock)(struct store_port *port);
    vts_ms (*kept_clock)(struct store *store);
    void (*keep_summary)(struct store_port *port, struct store_call *call);
    bool (*attach)(struct store_port *port, struct event_base *base);
    void (*detach)(struct store_port *port);
    bool (*each_instance)(struct store *store, store_instance_fn *fn, void *arg,
                          struct vts_error *error);
    void (*forget_instance)(struct store *store, uint64_t hash);
};

/* Every store begins with this. */
struct store {
    const struct store_ops *ops;
};

/* And every port with this. */
struct store_port {
    struct store *store;
};

/* A kind of store that is a module, STORES-FOLDER/NAME.so: found there under the symbol `vts_store`, as
 * libltdl has it, so under NAME_LTX_vts_store. Not an API for others: a module belongs to the vtsimd
 * that it was built with, and carries its version. */
struct store_module {
    const char *version; /* STORE_VERSION; first */
    const char *name;
    const char *summary;
    const struct vts_option *options; /* of [store], beside `kind` */
    size_t settings_size;
    bool shared;   /* as its ops say: by several vtsimds, which have one clock, the real one */
    bool in_steps; /* it has store_apply */
    /* Looks the settings over and opens nothing, for --check. False, with the key in *error, where they cannot
     * be right. NULL: the table says it all. */
    bool (*check)(const void *settings, struct vts_error *error);
    /* `settings` lives as long as the store. NULL, with *error filled, where it cannot be used. */
    struct store *(*open)(const struct store_options *options, const void *settings,
                          struct vts_error *error);
};

#define STORE_VERSION VTSIM_VERSION

typedef const struct store_module *store_module_fn(void);

/* NULL where there was no memory. */
struct store *store_create_memory(const struct store_options *options);

static inline void store_destroy(struct store *store)
{
    if (store)
        store->ops->destroy(store);
}

static inline struct store_port *store_port(struct store *store, size_t index)
{
    return store->ops->port(store, index);
}

/* The one door to a record. */
static inline void store_update(struct store_port *port, struct store_call *call)
{
    port->store->ops->update(port, call);
}

/* The same in two steps, for who holds a lock of his own around the first (slots are granted so): apply runs fn
 * before it returns, and sets `err`; what was applied in some order is kept in that order. deliver calls
 * `done`, at once or when the change is kept for good, and may not be called at all where nobody waits for
 * that; in apply `done` is called for nobody. What fn said. */
static inline bool store_in_steps(const struct store *store) { return store->ops->apply != NULL; }

static inline enum record_act store_apply(struct store_port *port, struct store_call *call)
{
    return port->store->ops->apply(port, call);
}

static inline void store_deliver(struct store_port *port, struct store_call *call)
{
    port->store->ops->deliver(port, call);
}

/* Lets fn at the statistics of a record, if there is such a record and statistics are kept, before it returns.
 * Nobody waits for that to be written. */
static inline void store_note(struct store_port *port, struct bytes id, store_note_fn *fn,
                              void *arg)
{
    if (port->store->ops->note)
        port->store->ops->note(port, id, fn, arg);
}

/* Whether fn leaves notes, as a call's `note` says. */
static inline bool store_takes_notes(const struct store *store) { return store->ops->keep != NULL; }

/* Keeps the note of a call for the record of its id, or for none where that has no bytes, and calls `done`; fn is
 * not run. Without `done` nobody waits for it, and the call is the caller's again at once. Only where notes
 * are taken. */
static inline void store_keep(struct store_port *port, struct store_call *call)
{
    port->store->ops->keep(port, call);
}

static inline void store_list(struct store_port *port, struct store_list *list)
{
    port->store->ops->list(port, list);
}

/* Carries out what is due by `now` for this port, `most` records at the most, each at its own moment,
 * and drops what need not be kept any longer. The moment of the next one, which is not after `now`
 * where there is more to do at once; RECORD_NEVER: nothing, or nothing that needs this call, since the
 * store sees to it from the port's event loop. */
static inline vts_ms store_run_due(struct store_port *port, vts_ms now, size_t most)
{
    return port->store->ops->run_due(port, now, most);
}

/* When the next record of any port is due, and when the next job that is alive wakes, which takes a look at
 * each; RECORD_NEVER: none. From any thread. */
static inline vts_ms store_first_due(struct store *store)
{
    return store->ops->first_due ? store->ops->first_due(store) : RECORD_NEVER;
}

static inline vts_ms store_first_wake(struct store *store)
{
    return store->ops->first_wake ? store->ops->first_wake(store) : RECORD_NEVER;
}

/* As store_run_due, for what is due on all ports, on this one's thread. How many there were, `most` at the most:
 * 0 where nothing is due any more. */
static inline size_t store_step(struct store_port *port, vts_ms now, size_t most)
{
    return port->store->ops->step ? port->store->ops->step(port, now, most) : 0;
}

/* Keeps the summary as it is now, and lets the call know by `done` and `err`, on the port's thread. Without a
 * call nobody waits for it, and it can be done from any thread. */
static inline void store_keep_summary(struct store_port *port, struct store_call *call)
{
    if (port->store->ops->keep_summary) {
        port->store->ops->keep_summary(port, call);
    } else if (call) {
        call->err = VTS_OK;
        call->done(call);
    }
}

/* The clock was moved: a store that outlives the process keeps what it shows, no later than what is asked of
 * it from now on. And what it showed when the store was last used; RECORD_NEVER: it is not known. */
static inline void store_keep_clock(struct store_port *port)
{
    if (port->store->ops->keep_clock)
        port->store->ops->keep_clock(port);
}

static inline vts_ms store_kept_clock(struct store *store)
{
    return store->ops->kept_clock ? store->ops->kept_clock(store) : RECORD_NEVER;
}

/* Lets the store use the port's event loop, on whose thread it calls `done` from then on. */
static inline bool store_attach(struct store_port *port, struct event_base *base)
{
    return !port->store->ops->attach || port->store->ops->attach(port, base);
}

static inline void store_detach(struct store_port *port)
{
    if (port->store->ops->detach)
        port->store->ops->detach(port);
}

/* Tells the instances that stored records may name. Before there are workers. */
static inline bool store_each_instance(struct store *store, store_instance_fn *fn, void *arg,
                                       struct vts_error *error)
{
    return !store->ops->each_instance || store->ops->each_instance(store, fn, arg, error);
}

/* No record names the instance any more, and none will but by a call that comes with its text: it need not be
 * kept. From any thread, inside of locks of the caller's and in a record's turn. */
static inline void store_forget_instance(struct store *store, uint64_t hash)
{
    if (store->ops->forget_instance)
        store->ops->forget_instance(store, hash);
}

/* As it was when the store was last used; from any thread. */
static inline enum store_state store_state(struct store *store)
{
    return store->ops->state ? store->ops->state(store) : STORE_OK;
}

/* How many records there are in each state; what other processes changed may be told a moment later. */
static inline void store_count(struct store *store, uint64_t counts[VTS_CANCELLED + 1])
{
    store->ops->count(store, counts);
}

#endif
