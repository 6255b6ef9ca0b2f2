/* SPDX-License-Identifier: MIT
 *
 * What clients can ask for: start a job, ask for its status, cancel it, list jobs. Brings together the
 * store, the engine and the clock; knows neither sockets nor how answers are written.
 *
 * A call is a part of a larger struct of the caller's; `done` is called on the port's thread, at once or
 * later, and exactly once. What a call's results point to belongs to the call. */
#ifndef VTSIM_SERVICE_SERVICE_H
#define VTSIM_SERVICE_SERVICE_H

#include <pthread.h>
#include <sys/queue.h>

#include "../audit/audit.h"
#include "../behaviours/overlay.h"
#include "../jobs/engine.h"
#include "../jobs/slots.h"
#include "assignment.h"
#include "pace.h"

struct event_base;
struct event;

/* One worker's way in. Used by its thread alone. */
struct service_port {
    struct service *service;
    size_t index;
    struct assignment *assignment; /* held: what new jobs get on this port */
    struct store_port *store;
    struct engine_work work;
    _Atomic vts_ms queues_awaited; /* queues.c's: earlier than that needs a ring */
    struct waits *waits;           /* watch.c's */
    struct choices *choices;       /* choice.c's */
    /* pace.h's: what waits in clock time, and what has to be carried out before that goes on. */
    struct alarms alarms;
    struct pace_sleeps woken; /* to be answered; guarded by the pace's lock */
    _Atomic int64_t busy;     /* requests in progress */
    atomic_bool running;      /* the loop carries out what is due */
    atomic_bool early;        /* all alarms are to ring at once */
    /* loop.c's: carries out what is due. */
    struct event_base *base; /* NULL: not attached */
    struct event *timer, *bell, *turn, *sweep;
    vts_ms timed; /* what the timer is set to */
    int bell_fd;
};

struct service {
    struct engine engine;
    struct instances instances; /* all there are: the engine's, and those of stored jobs */
    struct store *store;
    const struct assignment *first; /* as the configuration was at the start */
    struct clock *clock;
    struct pace pace;                    /* who moves it */
    struct queues *queues;               /* jobs that have an order: queues.c's */
    _Atomic(struct assignment *) latest; /* held: the ports take it over when they are rung */
    pthread_mutex_t lock; /* whoever changes or takes hold of `latest`; nothing is taken in it */
    struct service_port *ports;
    size_t port_count;
    atomic_size_t waiting; /* polls that wait for news, of all ports */
    struct audit audit;
    bool audited; /* it is noted how clients ask */
    uint32_t
        origin; /* of this process's connections, among those of all that share the store; not 0 */
};

/* A client's connection, as far as the audit cares. */
struct service_connection {
    uint32_t number; /* a newer one has a higher number; 0: not known */
    bool used;       /* for a start or a poll */
};

/* What audit.c keeps in a call from the record's turn to its end. */
struct service_audit_note {
    uint32_t number;            /* of the job's poll times; 0: none */
    bool asked, begins, polled; /* a start or poll of a job that is there; which is new; a poll */
    bool first;                 /* on its connection */
    struct audit_mark mark;
    struct audit_note kept; /* for a store that takes notes */
};

enum service_result {
    SERVICE_DONE,
    SERVICE_REFUSED,   /* by the behaviour: `answer` says how */
    SERVICE_EXISTS,    /* a job of this id was started before */
    SERVICE_KEY_USED,  /* the start's key was given with another body before */
    SERVICE_NOT_FOUND, /* no such job */
    SERVICE_NO_SLOTS,  /* the behaviour has slots, and the store has none */
    SERVICE_LIMIT,     /* as many jobs as allowed */
    SERVICE_FULL,      /* as many sets of options as allowed */
    SERVICE_STRANGE,   /* the job's record cannot be understood, and is left as it is */
    SERVICE_WRONG,     /* what the client says of the behaviour */
    SERVICE_BUSY       /* no memory, or the store cannot write or be reached */
};

/* What an answer says of the job's state, as far as it is no error. */
enum service_tells {
    SERVICE_TELLS_STATE,
    SERVICE_TELLS_WORD, /* the original API's: a start that there is a job, a poll whether it is over */
    SERVICE_TELLS_NOTHING /* there is no body */
};

struct service_call;

/* What watch.c keeps in a call that waits for news. */
struct service_wait {
    LIST_ENTRY(service_call) link;
    struct alarm alarm;
    vts_ms until;
    uint32_t place;
    enum vts_state state; /* at the first look */
    bool active, seen;    /* it waits; the first look is over */
    bool looking, again;  /* a look is under way; and one more is wanted then */
    bool last;            /* the next outcome is told, whatever it is */
    bool applied;         /* the caller's: it was waited, or would have been */
};

struct service_call {
    struct store_call store; /* first */

    /* Given. */
    struct service_port *port;
    const struct instance
        *instance;                /* start: which behaviour; the port's assignment gives it, or the
                                      * call holds it */
    struct bytes input;           /* start: JSON, or none */
    struct bytes idempotency;     /* start: as in struct job, or none */
    const struct engine_end *end; /* finish: how */
    bool want_job;                /* copy the job, for service_job, */
    bool spare_input;             /* without its input and its plugin's state */
    struct service_connection *connection; /* or NULL */
    bool in_batch;                         /* the answer stands among others: it cannot come late */
    enum service_tells tells;
    void (*done)(struct service_call *call);

    /* Set before done. */
    enum service_result result;
    enum vts_state state;
    bool bent; /* the client is to be told `answer` */
    struct vts_answer answer;
    struct text word;   /* answer.word's bytes */
    struct text teller; /* whose answer it is above all: what users call the behaviour, */
    bool by_filter;     /* or the filter */
    struct text record; /* where wanted */
    bool late;          /* service_told is wanted when the answer has arrived, */
    bool late_poll;     /* to a poll, */
    vts_ms late_asked;  /* which came at this moment */
    /* service_audit's. */
    struct audit_figures figures;
    struct audit_mark *marks; /* the poll times that are kept, */
    int mark_count;           /* -1: none are */
    const struct instance
        *told; /* the job's, where the job was wanted; NULL: it is not there any more */

    struct service_wait wait;
    /* Used inside. */
    struct service_audit_note note;
    const struct instance *held; /* a start's: the call is a user of it, and of `told` */
    bool changed;                /* the job's state is another one than before */
    vts_ms wake_at, ended_at;
    unsigned int waits; /* what the job waits for: enum vts_wait_for, or'ed */
    /* Used inside: queues.c's. */
    struct queue *queue; /* that it holds */
    uint64_t order;      /* the queue that it has to hold */
    bool passed, stuck, marked;
    struct slots_mark mark;
};

struct service_list {
    struct store_list store; /* first */
    struct service_port *port;
    int state; /* only jobs in this state; -1: all */
    /* `instance` is NULL where the job's is not there any more. */
    void (*row)(struct service_list *list, const struct job *job, const struct instance *instance,
                uint64_t polls, vts_ms now);
    void (*done)(struct service_list *list);
};

/* What a service is made of. All of it must outlive the service. */
struct service_parts {
    struct assignment *assignment; /* the first; the service holds it, too */
    struct clock *clock;
    size_t ports;
};

/* False, with a message, where the store cannot be used or there is no memory. */
bool service_init(struct service *service, const struct service_parts *parts,
                  struct vts_error *error);
void service_finish(struct service *service);

/* From now on new jobs get this: its behaviours are published, and each port takes it over as soon as its
 * loop comes round. Jobs that are alive go on as they were. From the main thread, while the workers run. */
void service_assign(struct service *service, struct assignment *next);

/* The behaviour for a job that is asked for. And the one of this name, for jobs that name their own (no rule
 * is asked then); NULL where there is none. Valid as long as the port's assignment. */
const struct instance *service_behaviour(const struct service_port *port,
                                         const struct asked *asked);
const struct instance *service_behaviour_named(const struct service_port *port, const char *name,
                                               size_t length);

/* What a client says of the behaviour of a job that it starts. */
struct service_wish {
    struct bytes name; /* or none */
    struct bytes
        options; /* all of them as one text, by which they are known again; none: not given */
    struct setting *settings; /* and one by one */
    size_t setting_count;
};

/* Finds or makes the behaviour of a start, and lets the call hold it: the usual one, or that which the client
 * names, in either case with the client's options laid over. SERVICE_DONE; SERVICE_WRONG, with `message`
 * saying what and what would be right; SERVICE_FULL. */
enum service_result service_choose(struct service_call *call, const struct instance *usual,
                                   const struct service_wish *wish, struct text *message);

/* Lets happen what is due of all jobs that have an order, for who looks at them without moving them. */
void service_settle(struct service_port *port);

/* The slots of an instance that has some, as they were last. False where there are none. */
bool service_slots(struct service_port *port, const struct instance *instance,
                   struct engine_slots *slots);

/* How many jobs are in each state; what kind of store holds them, and whether it can be used. */
void service_count(const struct service *service, uint64_t counts[VTS_CANCELLED + 1]);
const char *service_store_kind(const struct service *service);
enum store_state service_store_state(const struct service *service);

/* Make a call ready; free what it has, and let the instances go that it holds. The caller sets id, port, done
 * and what is said above. */
void service_call_init(struct service_call *call);
void service_call_finish(struct service_call *call);
/* Lets those go alone: the call can be used for another job. */
void service_call_let_go(struct service_call *call);

/* A start that repeats an earlier one, by the same key and with the same body, is done, and changes nothing:
 * the job is told as it is. */
void service_start(struct service_call *call);

/* Before a start under an id that the client chose: notes, under an id made from the key, with what body
 * the key was given. SERVICE_KEY_USED where it was another one before. */
void service_claim_key(struct service_call *call);

void service_status(struct service_call *call); /* a poll */
void service_cancel(struct service_call *call);
/* Ends a job as call->end says. SERVICE_EXISTS where it has ended already: then the job is told. */
void service_end(struct service_call *call);
void service_list(struct service_list *list);

/* Removes jobs, whatever they do, with all that is kept under their ids; those that start meanwhile may stay. With
 * all of them (no pattern) all is as at the start: what plugins of this process counted, the audit, and the
 * clock, whose sleepers are woken. */
struct service_reset {
    struct store_list list; /* first */
    struct service_port *port;
    const char *pattern; /* of ids, as in a rule; NULL: all */
    void (*done)(struct service_reset *reset);
    uint64_t removed; /* set before done, */
    bool failed;      /* where some may be left: the store cannot be written or reached */
    /* Used inside. */
    struct service_drop *drops;
    size_t count, left;
};

/* On an attached port. False where there was no memory; `done` is not called then. service_reset_finish frees what it holds. */
bool service_reset(struct service_reset *reset);
void service_reset_finish(struct service_reset *reset);

/* ---- how clients ask (audit.c) ---- */

/* The answer to a call that was `late` has arrived at the client. One that did not needs no call. */
void service_told(struct service_call *call);

/* The figures and poll times of a job, and the job, if it is wanted; no poll. SERVICE_NOT_FOUND where there is
 * none; asked of a service that is not audited, the figures are 0 or not known. */
void service_audit(struct service_call *call);

/* Sets new limits, of this process, or of all that share the store. SERVICE_DONE when they are kept as the jobs
 * are; SERVICE_BUSY where the store cannot. */
void service_audit_expect(struct service_call *call, const struct audit_bounds *bounds);

/* A walk over all jobs, page by page, and between the pages the port's loop goes on. */
struct service_audit_walk {
    struct store_list store; /* first */
    struct service_port *port;
    const char *glob;             /* of ids; NULL: all */
    char from[RECORD_ID_MAX + 1]; /* behind this id; "": from the first */
    /* For each job that matches. False: no more. The record is valid in the call only. */
    bool (*row)(struct service_audit_walk *walk, const struct record *record,
                const struct audit_figures *figures);
    void (*done)(struct service_audit_walk *walk); /* walk->store.err tells whether all went well */
    struct audit_known known; /* set before the first row, and as it is at the end before done */
    struct audit_mark *marks; /* the service's own, */
    bool enough, begun;       /* likewise */
};

/* The caller sets port, glob, from, row and done. It must live until `done` was called, or until the port's
 * loop has ended; service_audit_walk_finish in either case. */
void service_audit_walk(struct service_audit_walk *walk);
void service_audit_walk_finish(struct service_audit_walk *walk);

/* The other half of removing jobs, with which goes what is known of them. All were removed (NULL): the sums of
 * jobs that were gone before, poll times and limits are forgotten, too. Those of a glob were: these stay, since
 * of jobs in a sum nobody can tell. The call is told of it; SERVICE_DONE, or SERVICE_BUSY. */
void service_audit_reset(struct service_call *call, const char *glob);

/* A poll that waits for news: `done` comes when the job's state changes, at once where the job has ended,
 * is not there or its answer is bent, and else when this span is over on the service's clock. */
void service_wait(struct service_call *call, vts_ms span);

/* Lets it end now: with `done`, at once or when a look that is under way is over. Not a wait: nothing. */
void service_wait_end(struct service_call *call);

/* Lets all of a port end, and makes none any more. */
void service_port_end_waits(struct service_port *port);

/* The job of a call that wanted it, valid as long as the call. False where there is none. */
bool service_job(const struct service_call *call, struct job *job);

/* Lets an event loop carry out what is due for this port. False where the system refused. */
bool service_port_attach(struct service_port *port, struct event_base *base);
void service_port_detach(struct service_port *port);

/* Takes over what service_assign left. Called by the port's loop when it was rung. */
void service_port_take_assignment(struct service_port *port);

/* The store has something for the port to do, or the clock was moved; from any thread. */
void service_port_ring(void *service, size_t port);

/* Something on this port is due earlier than its timer knows. On the port's thread. */
void service_port_time(struct service_port *port);

/* Carries out what is due by `now` on this port, `most` events at the most; when there is more, as
 * store_run_due. The loop does it by itself. */
vts_ms service_run_due(struct service_port *port, vts_ms now, size_t most);

/* ---- between the files of this room ---- */

/* Removes the record of this id, whatever it is. */
void service_drop(struct service_call *call);

/* Sees how the job is and carries out what is due; no poll. */
void service_look(struct service_call *call);

/* The call's job has moved on since the call: takes how it is now. */
void service_look_again(struct service_call *call);

/* audit.c. From the configuration; false where there was no memory. */
bool audits_init(struct service *service, const struct config *config, size_t ports);
/* What the store is to do for it. */
void audits_options(struct service *service, struct store_options *options);
/* In the record's turn, when the outcome is known: `record` is the job as it is then. */
void audit_note_start(struct service_call *call, enum record_act act, const struct record *old,
                      const struct record *record);
void audit_note_poll(struct service_call *call, const struct record *record);
void audit_note_cancel(struct service_call *call, const struct record *record);
void audit_note_look(struct service_call *call, const struct record *record);
/* Behind it. */
void audit_note_end(struct service_call *call);
/* The call starts a job of this instance, of which it is a user already, and holds it. */
void call_start_with(struct service_call *call, const struct instance *instance);

/* choice.c. NULL where there was no memory. */
struct choices *choices_create(void);
void choices_destroy(struct choices *choices);

/* watch.c. NULL where there was no memory. */
struct waits *waits_create(void);
void waits_destroy(struct waits *waits);
/* A look or the first poll of a call that waits has come back. */
void wait_looked(struct service_call *call);
/* The state of the job with this id has changed, or is about to, in a way that a look waits for; from any
 * thread, also inside a record's turn at the store: it takes no lock. */
void waits_tell(struct service *service, struct bytes id);
/* Whether the port was told of something, and has not looked yet. From any thread. */
bool waits_told(const struct waits *waits);
/* Looks again where the port was told to. */
void waits_run(struct service_port *port);
/* No more `done`: the port is detached. */
void waits_forget(struct service_port *port);

#endif
