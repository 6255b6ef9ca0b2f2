/* SPDX-License-Identifier: MIT
 *
 * The Redis store, as its own files see it: what is shared between them, and who does what.
 *
 *   redis.c          the store itself: opening, ports, instances, counts
 *   redis_server.c   the url, and what is said to a Redis before it is used (the greeting)
 *   redis_commands.c the keys, the scripts, and how a command is written
 *   redis_link.c     a port's connection: coming and going, timeouts, commands under way
 *   redis_reader.c   answers that nobody asked for
 *   redis_calls.c    calls through the door, and what is done with a record that is due
 *   redis_due.c      claiming what is due
 *   redis_list.c     listings
 *   redis_notes.c    keeping notes
 *   redis_fold.c     folding them into what is kept beside the records
 *
 * What is kept. PREFIX:jobs is a hash of records by id, each behind a stamp of 8 bytes that no two
 * changes share; `due` a sorted set of ids by the moment of record_due; `leased` one of those that a
 * replica has claimed, by Redis's own time until which they are its; `polls` one by poll count, and `ids`
 * one without scores, which is the order of listings; `states` the number of records in each state, and
 * in `n` that of all changes, and in `born` what they were given when the prefix was new: random, so that
 * who finds another there knows that all was emptied meanwhile. `instances` is a hash of texts by an instance's
 * hash in hexadecimal digits, and `uses` one of the numbers of records that name it: the text comes with the
 * first and goes with the last. `fingerprint` is a string. A change of any of them but a poll count is made by
 * a script that compares the stamp first.
 *
 * And of notes. `notes` is a list of them, each element one or more as redis_entry_add writes them. `stats` and
 * `details` are hashes by id, `recent` a sorted set of the ids that have details by when they began, and
 * `audit` a hash: `n` is the number of elements that were folded in so far and left the list, `sum` what
 * is no record's, `begun` the number of details that were. All of these are changed by one script alone, which
 * compares `n` first: so each note counts once, whoever folds it in.
 *
 * Threads. A port belongs to its worker, its connection included. The ports share what is set before
 * there are workers, and a few atomics. */
#ifndef VTSIM_STORE_REDIS_H
#define VTSIM_STORE_REDIS_H

#include <event2/event.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "store.h"

#define REDIS_STAMP      8
#define REDIS_LEASE_MS   2000 /* how long a claim holds; a replica's death delays wakes by so much */
#define REDIS_REFUSAL_US 5000000 /* how long a refusal is told as the store's state */
#define REDIS_TICK_MS    250     /* how often a vtsimd looks for what is due, at the least */

/* How things are kept, beside the records: vtsimds of another one must not touch them. */
#define REDIS_LAYOUT 3

struct redis_settings {
    const char *url, *prefix;
    vts_ms timeout;
};

struct redis_server {
    char host[256], user[256], password[4096];
    int port, db;
    char where[300]; /* "127.0.0.1:6379/0", for messages */
};

enum redis_key {
    KEY_JOBS,
    KEY_DUE,
    KEY_LEASED,
    KEY_POLLS,
    KEY_IDS,
    KEY_STATES,
    KEY_INSTANCES,
    KEY_USES,
    KEY_NOTES,
    KEY_STATS,
    KEY_DETAILS,
    KEY_RECENT,
    KEY_AUDIT,
    SCRIPT_KEYS, /* those above are given to each script */
    KEY_FINGERPRINT = SCRIPT_KEYS,
    REDIS_KEYS
};

#define REDIS_SCRIPT_KEYS "13" /* their number, as a script is told it */

enum redis_script {
    SCRIPT_PUT,
    SCRIPT_DROP,
    SCRIPT_PLACE,
    SCRIPT_CLAIM,
    SCRIPT_PAGE,
    SCRIPT_LOG,
    SCRIPT_FOLD,
    REDIS_SCRIPTS
};

/* Commands that are sent often: all but their last arguments is written once. */
enum redis_command {
    COMMAND_PUT,  /* id, stamp that it must have, stamp and record, due moment, most records, fresh,
                  * its instance's text (or none, where it should be there), most instances (or none:
                  * then none is kept), entries that are kept with it (or none), and one of the record that
                  * was there, if it is fresh */
    COMMAND_DROP, /* id, stamp, entry (or none) */
    COMMAND_PLACE,       /* id, stamp, due moment */
    COMMAND_CLAIM,       /* now, lease, most */
    COMMAND_PAGE,        /* from, most, 1 with statistics */
    COMMAND_LOG,         /* most elements */
    COMMAND_GET,         /* id */
    COMMAND_POLL,        /* id: counts one, if it is there */
    COMMAND_POLL_ANYHOW, /* id */
    COMMAND_POLLS,       /* id */
    COMMAND_INSTANCE,    /* hash */
    COMMAND_NOTE,        /* entries */
    COMMAND_STATS,       /* id */
    COMMAND_DETAILS,     /* id */
    REDIS_COMMANDS
};

/* The numbers of records, as the port's connection last told. Written by the port's thread alone: `turn`
 * is odd while it does. */
struct redis_counts {
    _Atomic uint32_t turn;
    _Atomic bool current; /* told by a connection that still stands */
    _Atomic uint64_t number;
    _Atomic uint64_t states[VTS_CANCELLED + 1];
};

/* Something that waits for an answer. */
struct redis_op {
    TAILQ_ENTRY(redis_op) link; /* in the order of their last commands */
    struct redis_port *port;
    int64_t deadline_us;
    struct store_call
        *call; /* either of these, or neither: a record that is due, or the store's own */
    struct store_list *list;
    struct bytes id;
    uint64_t polls;
    char stamp[REDIS_STAMP]; /* of the record that fn saw */
    bool there, poll_missed, refused;
    int tries;
    uint64_t wanted; /* an instance */
    bool sure;  /* an instance's text was said to be there and was not: it comes along next time */
    vts_ms due; /* of what is being put */
    size_t asked, taken, seen;         /* a listing's */
    struct redis_op *next;             /* of those that wait for the same, */
    uint64_t folded;                   /* which is that so many elements are; 0: to be found out */
    void (*then)(struct redis_op *op); /* what comes after that */
    struct text stats, details;        /* copies, where they are wanted */
    bool detailed;
    char own_id[];
};

TAILQ_HEAD(redis_ops, redis_op);

/* Some that wait for the same, the oldest first. */
struct redis_row {
    struct redis_op *first, *last;
};

/* One record in what is being folded. */
struct redis_folded {
    uint64_t hash; /* of the id */
    struct bytes id;
    struct text stats, details; /* what is kept; and what is added to it */
    struct text before;         /* the details that are kept, of one that goes */
    bool detailed, begins, stats_changed, goes, gone;
};

#define REDIS_FOLDED                                                                               \
    1024 /* records in a slice: it ends with the element in which there are so many */
#define REDIS_PLACES                                                                               \
    4096 /* of a table of them, which the records of one more element do not fill */
/* What a vtsimd appends is not longer. An entry has five bytes at the least. */
#define REDIS_ELEMENT_MOST 8192

_Static_assert(REDIS_FOLDED + REDIS_ELEMENT_MOST / 5 < REDIS_PLACES,
               "there is always a free place");

/* A port folds one slice of the notes at a time: it reads the slice, then what is kept of its records, and
 * writes what came of both. */
struct redis_fold {
    struct redis_op *op; /* while it does */
    struct redis_row joining,
        waiting;      /* for a look at the list that is yet to be sent; and later on */
    int64_t again_us; /* not before then, unless there are many */
    uint64_t n, left; /* elements folded before the slice, and those behind it */
    struct text log;  /* the slice: elements, each behind its length, */
    size_t elements;  /* so many */
    struct text summary;
    bool summary_changed, failed;
    struct redis_folded *records;
    size_t count, room, going;
    uint16_t places[REDIS_PLACES]; /* of records by their hash, each 1 more; 0: none */
};

enum redis_link_state {
    LINK_AWAY,
    LINK_FIRST, /* greeted when the store was opened, and again now: calls may follow at once */
    LINK_GREETING,
    LINK_UP
};

#define REDIS_TOLD 64
#define REDIS_KEPT 256

struct redis_port {
    struct store_port base; /* first */
    size_t index;
    struct event_base *loop; /* NULL: not attached */
    struct event *watchdog, *again, *tick;
    bool detaching;

    struct redisAsyncContext *link;
    enum redis_link_state state;
    redisReplyObjectFunctions guarded, *usual; /* what makes hiredis's replies: ours and its own */
    bool unasked;                              /* an answer came that nobody had asked for */
    struct redis_op *greeting;
    char born[24]; /* of what it was greeted at; "": not greeted yet */
    bool emptied;  /* it is another's now, or nobody's: to be greeted again */
    struct redis_ops ops;
    int backoff_ms;
    int64_t up_us;                                         /* since when it is up */
    bool loading;                                          /* the scripts are on their way */
    char reason[sizeof(((struct vts_error *)0)->message)]; /* why the last greeting failed */

    bool claiming, claim_again;
    int64_t tick_us; /* when `tick` goes off */

    /* Notes that go out at the end of the loop's round, and who waits for that. */
    struct text notes;
    struct redis_row noted;
    struct event *flush;
    struct redis_fold fold;

    struct text next, out, value, entry, gone;
    uint64_t chance, draws;    /* stamps and jitter come from here */
    uint64_t told[REDIS_TOLD]; /* ids whose records were told to be strange */
    uint64_t missing
        [REDIS_TOLD]; /* instances that were looked for in vain, and until when they are not */
    int64_t missing_us[REDIS_TOLD]; /* looked for again */
    uint64_t kept[REDIS_KEPT];      /* instances whose texts were there when last seen */
    struct redis_counts counts;
};

struct redis {
    struct store base; /* first */
    struct store_options options;
    struct redis_settings settings;
    struct redis_server server;
    struct text keys[REDIS_KEYS], heads[REDIS_COMMANDS];
    char shas[REDIS_SCRIPTS][41];
    char fingerprint[128];
    redisContext *start; /* until there are workers */
    struct redis_port *ports;
    void *nothing; /* statistics that are none: options.stats_size zeros */
    bool greeted;  /* once: what was learnt then is only compared from then on */

    atomic_size_t attached, up;
    atomic_bool away, refusing;
    _Atomic int64_t refused_us; /* the last refusal */
};

static inline struct redis *redis_of(const struct redis_port *port)
{
    return (struct redis *)port->base.store;
}

int64_t redis_now_us(void); /* CLOCK_MONOTONIC */

/* ---- redis_server.c ---- */

bool redis_server_parse(struct redis_server *server, const char *url, struct vts_error *error);

/* The words of one command. */
struct redis_words {
    const char *at[24];
    size_t length[24];
    int count;
    char number[24];
};

enum redis_step {
    REDIS_STEP_PASSWORD,
    REDIS_STEP_DATABASE,
    REDIS_STEP_SCRIPTS,
    REDIS_STEP_TYPES = REDIS_STEP_SCRIPTS + REDIS_SCRIPTS, /* the keys are none of a stranger's */
    REDIS_STEP_MARK = REDIS_STEP_TYPES + REDIS_KEYS, /* leaves the fingerprint if there is none */
    REDIS_STEP_CHECK,
    REDIS_STEP_BORN,  /* the same with `born` */
    REDIS_STEP_COUNT, /* a claim of nothing: the scripts run, and tell the counts */
    REDIS_STEPS
};

/* The greeting, in steps: which words, and whether the answer is right. */
size_t redis_greeting_first(const struct redis *redis);
void redis_greeting_words(struct redis_port *port, size_t step, struct redis_words *words);
bool redis_greeting_check(struct redis *redis, size_t step, const redisReply *reply,
                          struct vts_error *error);

/* Connects and greets, waiting for it. On success the address is that of the server that answered. */
bool redis_start(struct redis *redis, struct vts_error *error);

/* ---- redis_commands.c ---- */

extern const char *const redis_scripts[REDIS_SCRIPTS];

bool redis_make_keys(struct redis *redis);
/* When the scripts' names are known. */
bool redis_make_heads(struct redis *redis);
void redis_finish_commands(struct redis *redis);
/* Writes a command into `out`. */
bool redis_write(const struct redis *redis, enum redis_command command,
                 const struct bytes *arguments, struct text *out);

/* ---- redis_link.c ---- */

bool redis_link_attach(struct redis_port *port, struct event_base *loop);
void redis_link_detach(struct redis_port *port);

/* Whether calls may be sent. */
static inline bool redis_link_open(const struct redis_port *port)
{
    return port->state == LINK_UP || port->state == LINK_FIRST;
}

/* NULL where there was no memory. An id that is not the caller's to keep is copied. */
struct redis_op *redis_op_create(struct redis_port *port, struct bytes id, bool copy);
void redis_op_destroy(struct redis_op *op);

/* Sends a command for it. False where that cannot be: the connection is given up then. `fn` gets the
 * op as its last argument, and NULL as its answer where the connection has ended. */
bool redis_send(struct redis_op *op, enum redis_command command, const struct bytes *arguments,
                redisCallbackFn *fn);

/* The same for a command with any number of words. */
bool redis_send_words(struct redis_op *op, size_t count, const char **words, const size_t *lengths,
                      redisCallbackFn *fn);
/* At the end of the loop's round. */
static inline void redis_flush_soon(struct redis_port *port)
{
    event_active(port->flush, EV_TIMEOUT, 0);
}
/* It waits for something else than a command of its own: its time begins anew. */
void redis_touch(struct redis_op *op);

/* An answer that says no. What it means for the connection is seen to; what it means for the op is the
 * caller's. */
void redis_refused(struct redis_port *port, const redisReply *reply);
/* The scripts have gone: sends them again. */
void redis_reload(struct redis_port *port);
static inline bool redis_no_script(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOSCRIPT", 8) == 0;
}
/* A change was taken. */
void redis_accepted(struct redis_port *port);
/* hiredis has ended it, as an answer that is NULL tells; or we give it up. */
void redis_link_ended(const struct redisAsyncContext *link);
void redis_link_drop(struct redis_port *port, const char *why);

/* ---- redis_reader.c ---- */

/* Ends a connection on which an answer comes that nobody asked for, and leaves `unasked`. */
void redis_reader_guard(struct redis_port *port, redisAsyncContext *link);

/* ---- redis.c ---- */

/* Takes the counts that a script told, and sees whether all was emptied since the greeting. */
void redis_publish(struct redis_port *port, const redisReply *counts);

/* ---- redis_calls.c ---- */

void redis_update(struct store_port *port, struct store_call *call);
/* Ends what waits: with `done`, where there is a call. */
void redis_finish(struct redis_op *op, enum vts_err err);
/* The record in a value, or NULL: not one that we know. */
const struct record *redis_record(const char *value, size_t length, struct bytes id);
/* Tells, once, that a record is strange. */
void redis_tell_strange(struct redis_port *port, struct bytes id);
/* Whether the instance is there, and held until it is released; or was looked for in vain. */
enum redis_held { HELD, HELD_IN_VAIN, NOT_HELD };
enum redis_held redis_instance_hold(struct redis_port *port, uint64_t instance);
void redis_instance_release(struct redis_port *port, uint64_t instance, enum redis_held held);
/* Takes what was found. */
void redis_instance_found(struct redis_port *port, uint64_t instance, const redisReply *reply);
bool redis_instance_fetch(struct redis_op *op, uint64_t instance, redisCallbackFn *fn);
/* What to do with a record that is due. */
void redis_move_due(struct redis_port *port, struct bytes id, const char *value, size_t length);

/* A number of polls as a sorted set has it. A stranger's can be anything. */
static inline uint64_t redis_polls(const redisReply *score)
{
    double polls = strtod(score->str, NULL);

    return polls >= 0 && polls <= 9007199254740992.0 ? (uint64_t)polls : 0;
}

/* ---- redis_due.c ---- */

vts_ms redis_run_due(struct store_port *port, vts_ms now, size_t most);
void redis_tick(struct redis_port *port);
/* Something is due at this moment: looks then, unless it does before. */
void redis_plan(struct redis_port *port, vts_ms moment);

/* ---- redis_notes.c ---- */

enum redis_entry {
    ENTRY_NOTE,
    ENTRY_EXPIRED, /* the moment, the record's head, and up to the element's end its polls in digits */
    ENTRY_DROPPED
};

/* What stands before an entry's id and bytes. */
struct redis_entry_head {
    uint8_t what;
    uint8_t id_length;
    uint16_t length; /* of the bytes; an expired one's are those before the polls */
};

void redis_entry_add(struct text *out, enum redis_entry what, struct bytes id, struct bytes bytes);
/* The entry of a record that goes. */
void redis_entry_gone(struct text *out, bool expired, const struct record *record, vts_ms now);
/* Keeps a note for an op, which ends when that is done. */
void redis_note(struct redis_op *op, struct bytes id, struct bytes note);
void redis_keep(struct store_port *port, struct store_call *call);
void redis_flush(struct redis_port *port);

static inline void redis_row_add(struct redis_row *row, struct redis_op *op)
{
    op->next = NULL;
    if (row->first)
        row->last->next = op;
    else
        row->first = op;
    row->last = op;
}

/* ---- redis_fold.c ---- */

/* Calls op->then when all notes that are kept now are folded in, or ends it. */
void redis_fold_first(struct redis_op *op);
/* There are so many elements: folds them where they have become many, or the last time was long ago. */
void redis_fold_some(struct redis_port *port, long long elements);
/* What was under way is no more: the port is detached. */
void redis_fold_forget(struct redis_port *port);
void redis_fold_finish(struct redis_port *port);

/* ---- redis_list.c ---- */

void redis_list(struct store_port *port, struct store_list *list);

#endif
