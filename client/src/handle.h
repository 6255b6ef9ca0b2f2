/* SPDX-License-Identifier: MIT
 *
 * A handle and its operations as they are inside, and what the files that move them share. See
 * "Inside" in the README for which file does what.
 *
 * Users may free anything in a callback. So a handle and an operation are counted: whoever calls a
 * user's function holds a reference meanwhile, and looks at `finished` or `destroyed` afterwards. */
#ifndef VTSIM_CLIENT_HANDLE_H
#define VTSIM_CLIENT_HANDLE_H

#include <stdbool.h>
#include <sys/queue.h>

#include <vtsim/client.h>

#include "gate.h"
#include "protocol.h"
#include "retry_budget.h"
#include "server_features.h"
#include "settings.h"
#include "target.h"
#include "timeline.h"
#include "transport.h"
#include "wait.h"

#define NEVER TIMERS_NEVER

struct batch;
struct event_base;
struct watch;

enum operation_kind {
    OPERATION_START,
    OPERATION_STATUS,
    OPERATION_WAIT,
    OPERATION_RUN,
    OPERATION_CANCEL,
    OPERATION_LIST,
    OPERATION_WATCH
};

/* Always one of: sleeping (due_ms is set), queued, asking (exchange or batch is set), inside a user's
 * callback, finished. */
struct vts_client_operation {
    TAILQ_ENTRY(vts_client_operation) all, place;
    struct vts_client *client;
    unsigned int references;
    enum operation_kind kind;
    enum protocol_question question; /* what was asked last, or is asked next */
    enum vts_client_reason reason;   /* why it comes when it comes */
    bool finished;
    bool queued, retries; /* in one of the queues; it repeats an attempt that failed */
    bool starting;        /* the start is not answered yet */
    bool stopping;        /* DELETE is under way */
    bool stop_late;       /* because of the deadline */
    bool looked_last;     /* the last poll before the deadline was made, or can no more be made */
    bool planned;         /* the plan was asked before */
    bool aged;            /* born_ms is the job's start, and not only the wait's */
    bool stopped;         /* it was asked to stop: what it took tells nothing of others */
    bool clockless;       /* its clock is lost: it is about to end */
    bool holds_wait;      /* it has one of the places for requests that wait for a change */

    char *id;   /* NULL for a list */
    char *path; /* of a list */
    char *wish; /* of a start that names a behaviour or settings: its body; NULL: it does not */
    char *said; /* the server's words with the last error; NULL: none */
    char key[32];
    struct vts_client_call call; /* of what it points to, nothing is kept */
    struct settings *settings;
    struct wait wait;

    struct timer timer;
    struct exchange *exchange; /* a request of its own; or it has a part in: */
    struct batch *batch;
    size_t batch_place;
    int64_t began_ms, deadline_ms; /* on the timeline; NEVER: none */
    int64_t due_ms;                /* when it sleeps: until then; else NEVER */
    int64_t floor_ms;              /* Retry-After: not before then, whoever asks for it */
    int64_t queued_ms, asked_ms;
    int64_t born_ms, pending_ms; /* when the job began; when it was last known to be pending */
    int64_t last_plan_ms;
    int64_t projected_ms; /* the first projection of its end; -1: there was none */
    uint64_t polls, requests, starts;

    struct protocol_answer seen;      /* the last good answer */
    struct vts_client_error *trouble; /* of the last attempt; NULL: it was good, or memory short */
    struct watch *watch;
};

TAILQ_HEAD(operation_list, vts_client_operation);

/* What a blocking call returns: see sync.c. */
struct kept {
    struct vts_client_operation *operation; /* whose answer the result points into */
    struct vts_client_result result;
    struct vts_client_error error;
    char token[VTS_CLIENT_TOKEN_MAX];
};

struct vts_client {
    unsigned int references;
    bool destroyed;
    struct event_base *base;
    bool own_base;          /* it is blocking */
    unsigned int callbacks; /* of users, that are running */
    struct timeline timeline;
    struct target target;
    struct transport *transport;
    struct settings *settings;
    uint64_t chance;

    struct operation_list operations;
    size_t under_way;
    /* Due, and waiting for the gate, a connection or a token. */
    struct operation_list ready, retrying;
    size_t queued;
    struct timer pump_timer;
    bool pumping;

    struct gate gate;
    struct retry_budget budget;
    unsigned int features;
    bool heard; /* there was an answer, so that `features` is what its server has */
    bool long_poll_off, batch_off;
    int long_polls;   /* under way, or about to be */
    size_t max_batch; /* shrinks where answers get too long */
    double rtt_ms;    /* what a request takes, smoothed; below 0: not known yet */
    struct vts_client_counters counters;

    struct kept kept;
    struct vts_client_result refusal; /* or this one, where nothing was begun */
};

/* What begins an operation. */
struct operation_request {
    enum operation_kind kind;
    const char *id;
    const struct vts_client_query *query;
    const struct vts_client_call *call;
    /* Of a wait that is resumed. */
    const char *job_class; /* NULL: the options' */
    int64_t age_ms;        /* below 0: not known */
    bool known;            /* the server has seen the job */
};

/* ---- operation.c: life and end ---- */

/* Begins an operation. NULL with *error filled (where error is not NULL). */
struct vts_client_operation *operation_begin(struct vts_client *client,
                                             const struct operation_request *request,
                                             struct vts_client_error *error);
void operation_hold(struct vts_client_operation *operation);
void operation_release(struct vts_client_operation *operation);

/* Ends it with this error, or none. Takes the engine's reference away: the caller must not touch the
 * operation any more, unless it holds one of its own. */
void operation_finish(struct vts_client_operation *operation, const struct vts_client_error *error);
void operation_finish_no_memory(struct vts_client_operation *operation);

/* Ends it, if it has not ended, with VTS_CLIENT_ERR_ABANDONED. */
void operation_abandon(struct vts_client_operation *operation);
void operation_poke(struct vts_client_operation *operation);
void operation_stop(struct vts_client_operation *operation);

/* Tells the plan how a job went that was waited for: its age at the end, or -1: nobody waits any more. */
void operation_learn(struct vts_client_operation *operation, int64_t ended_ms);

/* Lets go of the request, the part in a batch, the place in a queue that it has. */
void operation_let_go(struct vts_client_operation *operation);

/* Is it a wait or a run? */
bool operation_polls(const struct vts_client_operation *operation);
int64_t operation_now_ms(const struct vts_client_operation *operation);
double operation_uniform(struct vts_client_operation *operation);

/* Runs the timer to whatever comes first. */
void operation_arm(struct vts_client_operation *operation);

/* ---- delay.c: when the next request comes ---- */

/* Where it is to ask once more: after the plan, or after a failure. `heard` is the answer. */
struct heard {
    struct vts_client_error error;
    int64_t retry_after_ms;
    bool early; /* it was to wait for a change, and came without one before its time */
    bool whole; /* it was the whole reply: its 429 or 503 is the host's */
};
struct wait_delay delay_choose(struct vts_client_operation *operation, enum wait_next next,
                               const struct heard *heard, int64_t *plan_ms);

/* Sleeps so long, and traces it. The operation may be gone after this. */
void delay_sleep(struct vts_client_operation *operation, struct wait_delay delay, int64_t plan_ms);

/* When the job is looked at for the last time, or asked to stop, before the deadline. NEVER: not. */
int64_t delay_last_look_ms(const struct vts_client_operation *operation);
int64_t delay_stop_ms(const struct vts_client_operation *operation);

/* For how many seconds the next poll may wait for a change; 0: not at all. Takes a place for it, where there
 * is one, which is given back with delay_give_back. */
int64_t delay_long_poll_s(struct vts_client_operation *operation);
void delay_give_back(struct vts_client_operation *operation);

/* ---- ask.c: requests ---- */

/* Can the server do what is to be asked, for all that is known? False with *error filled. */
bool ask_may(const struct vts_client_operation *operation, struct vts_client_error *error);

/* Sends the operation's next request. False where memory is short. */
bool ask(struct vts_client_operation *operation);

/* Asks to stop the job, at once. The operation may be gone after this. */
void ask_stop(struct vts_client_operation *operation, enum vts_client_reason reason);

/* ---- answer.c: what follows an answer ---- */

/* What a reply tells of the host, whatever was asked. */
void answer_note(struct vts_client *client, const struct settings *settings,
                 const struct reply *reply);
void answer_single(const struct reply *reply, void *arg);

/* A poll was answered, alone or in a batch. Takes the answer over. The operation may be gone after
 * this. */
void answer_poll(struct vts_client_operation *operation, struct protocol_answer *answer,
                 const struct heard *heard);

/* ---- pump.c: who may ask now ---- */

void pump_add(struct vts_client_operation *operation);
void pump_remove(struct vts_client_operation *operation);
/* Sends what may be sent. From the loop only. */
void pump(struct vts_client *client);
/* The same, from the loop, soon. */
void pump_soon(struct vts_client *client);

/* ---- batch.c: several polls in one request ---- */

/* Sends the polls of this operation, which is in a queue, and of those behind it that can go with it, if
 * there are such: true; they have then left the queue. */
bool batch_send(struct vts_client_operation *first);
/* The operation leaves its batch. */
void batch_leave(struct vts_client_operation *operation);

/* ---- watch.c ---- */

struct watch *watch_create(const struct vts_client_query *query); /* NULL: memory is short */
void watch_destroy(struct watch *watch);
/* A page of the list came: tells of what has changed, and asks for the next page, or sleeps. The caller
 * holds the operation. */
void watch_page(struct vts_client_operation *operation, struct protocol_answer *answer,
                const struct heard *heard);

/* ---- trace.c ---- */

void trace_delay(struct vts_client_operation *operation, struct wait_delay delay, int64_t plan_ms);
void trace_request(struct vts_client_operation *operation);
void trace_answer(struct vts_client_operation *operation, const struct vts_client_error *error,
                  int http_status);
void trace_end(struct vts_client_operation *operation, const struct vts_client_error *error);

/* ---- client.c ---- */

void handle_hold(struct vts_client *client);
void handle_release(struct vts_client *client);
struct vts_client_operation *handle_resume(struct vts_client *client, const char *token,
                                           const struct vts_client_call *call,
                                           struct vts_client_error *error);

/* Before and after a user's function is called. */
void callback_enter(struct vts_client *client);
void callback_leave(struct vts_client *client);
/* Does a callback of any asynchronous handle run in this thread? */
bool callback_runs(void);

#endif
