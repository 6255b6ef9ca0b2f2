/* SPDX-License-Identifier: MIT
 *
 * libvtsim-client: start a long-running job at a remote service and wait for its end, politely. It
 * speaks to any server that has POST /start and GET /status?job_id=..., vtsimd or another. What only
 * vtsimd has (several jobs in one request, answers that wait for a change, progress, keys that make a
 * start repeatable) is used once the server has said that it has it, in a header Vtsim-Features on
 * any of its answers, and never probed for. Listing, watching and cancelling need vtsimd's full API
 * (GET /jobs, DELETE /jobs/{id}).
 *
 * It asks plain HTTP/1.1 (RFC 9112), and follows no redirects. A host that is given by name is looked
 * up with getaddrinfo(3) at the first connection, and again where none of its addresses answers: that
 * blocks for as long as the system's resolver takes; a numeric address does not. Of several addresses
 * the first that takes a connection is used.
 * Connections are kept alive; one that the server closed while it was idle is found before it is used.
 * No request is sent twice by itself: a connection that breaks under a request is that request's error,
 * and in a start or a wait a failed attempt, repeated as the options say.
 *
 * Two faces, one engine:
 *
 *   - blocking: a handle made without an event_base; the calls that end in _sync;
 *   - asynchronous: a handle made on your own libevent event_base; the calls without _sync, which
 *     return at once and tell their outcome through a callback from the loop.
 *
 * Ten lines, blocking:
 *
 *     struct vts_client *client = vts_client_create(NULL, NULL, NULL);
 *     const struct vts_client_result *result = vts_client_run_sync(client, "translate_video_1", NULL);
 *     if (result->error.code == VTS_CLIENT_OK)
 *         printf("%s\n", vts_client_status_name(result->job->status));
 *     else
 *         fprintf(stderr, "%s\n", result->error.message);
 *     vts_client_destroy(client);
 *
 * Linking. A program that uses the blocking face needs this library alone; one with an event_base of
 * its own calls libevent itself, and links it, too:
 *
 *     cc -o blocking blocking.c $(pkg-config --cflags --libs vtsim-client)
 *     cc -o async async.c $(pkg-config --cflags --libs vtsim-client libevent_core)
 *
 * Units. Times are signed 64-bit milliseconds, and say so in their names; they are measured on a
 * clock that only goes forward. Sizes are bytes. Text is UTF-8 with a NUL behind it.
 *
 * Job ids. 1 to 255 bytes of UTF-8 (RFC 3629) without control characters (U+0000 to U+001F, U+007F,
 * U+0080 to U+009F). Anything else is VTS_CLIENT_ERR_INVALID before a byte is sent. The library does
 * the escaping: JSON in bodies (RFC 8259), percent-encoding in URLs (RFC 3986).
 *
 * Ownership. What you hand in is copied before a call returns; plans and clocks are counted, and held
 * for as long as they are used. What you are handed in a callback belongs to the library and lives
 * until the callback returns; what a _sync call returns belongs to the handle and lives until the next
 * _sync call on it, or its destruction.
 *
 * Threads. A handle and its operations are used by one thread at a time, an asynchronous handle by
 * the thread that runs its loop; several threads each have a handle of their own. Plans may be shared
 * between them. The library has no mutable global state, but for a count in each thread of the
 * callbacks that run there.
 *
 * SIGPIPE. A _sync call keeps SIGPIPE from its thread while it runs. On a loop of your own it cannot:
 * ignore SIGPIPE there, as with everything that is built on libevent.
 *
 * ABI. Structs that you fill carry their size and grow at their ends only; so do those that you are
 * handed (look at `size` before you read a member that a later version brought). */
#ifndef VTSIM_CLIENT_H
#define VTSIM_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VTS_CLIENT_API __attribute__((visibility("default")))
#else
#define VTS_CLIENT_API
#endif

struct event_base;

/* A connection pool to one server and the settings for talking to it. */
struct vts_client;

/* One start, status, wait, run, cancel, list or watch under way on an asynchronous handle. Belongs to
 * the library; the pointer is good until the operation's done callback returns. */
struct vts_client_operation;

/* When to poll, and where time comes from. Counted: see "plans" and "clocks". */
struct vts_client_plan;
struct vts_client_clock;

/* ---- errors ---------------------------------------------------------------------------------- */

/* The numbers are part of the ABI. A job that ended in error is no error of these: it is an outcome,
 * VTS_CLIENT_OK with a job whose status is VTS_CLIENT_ERROR. */
enum vts_client_err {
    VTS_CLIENT_OK = 0,

    /* An allocation failed. */
    VTS_CLIENT_ERR_MEMORY = 1,

    /* A job id, URL, token or option that cannot be right; nothing was sent. */
    VTS_CLIENT_ERR_INVALID = 2,

    /* A call that is not allowed here: a blocking one inside a callback, or one of the other face. */
    VTS_CLIENT_ERR_CALL = 3,

    /* No connection, or it broke before the whole answer was there. */
    VTS_CLIENT_ERR_UNREACHABLE = 4,

    /* One request took longer than request_timeout_ms. */
    VTS_CLIENT_ERR_TIMEOUT = 5,

    /* The whole operation took longer than deadline_ms. */
    VTS_CLIENT_ERR_DEADLINE = 6,

    /* 404 to a question about a job: the server does not know it. */
    VTS_CLIENT_ERR_UNKNOWN_JOB = 7,

    /* 409 to the first try of a start: a job of this id had been started before. */
    VTS_CLIENT_ERR_EXISTS = 8,

    /* The server refused: any other 4xx; for a start also 503. With the status 0: it would have, since it has
     * said that it has not what is asked for. */
    VTS_CLIENT_ERR_REFUSED = 9,

    /* The server failed: 5xx. */
    VTS_CLIENT_ERR_SERVER = 10,

    /* An answer that makes no sense: not HTTP, not JSON, no status, an unknown status word, another
     * job's id, a redirect (they are not followed), more than 1 MiB. */
    VTS_CLIENT_ERR_PROTOCOL = 11,

    /* vts_client_abandon, or the handle was destroyed. */
    VTS_CLIENT_ERR_ABANDONED = 12,

    /* A server's clock (vts_client_clock_server) cannot be had, or not any more: nobody there, no such clock, not
     * the right token, somebody has reset it. The job is left as it is. */
    VTS_CLIENT_ERR_CLOCK = 13
};

struct vts_client_error {
    enum vts_client_err code;

    /* Of the answer that led to it; 0: there was none. */
    int http_status;

    /* One line for people, without a full stop; empty with VTS_CLIENT_OK. Control characters that a
     * server sent are shown as \xNN. */
    char message[512];
};

/* What the code means, in a few words; a constant. "unknown error" for a number not listed above. */
VTS_CLIENT_API const char *vts_client_strerror(enum vts_client_err code);

/* ---- plans ----------------------------------------------------------------------------------- *
 *
 * A plan says how long to wait until a job is polled again. Plans are counted and may be shared by any
 * number of operations, handles and threads: making one gives you a reference, which
 * vts_client_plan_release gives back; handles and operations hold their own. But for what a learning
 * one learns, under a lock of its own that is held for the moment of a look-up, they never change.
 *
 * Jitter (0 to 1): each wait is clamped first and then spread evenly over +-jitter of its length, so
 * that clients do not march in step even at a cap. Apart from that the first wait of a job is drawn from
 * a wide range, so that jobs that were started together are not polled together.
 *
 * Each of the functions that make one returns NULL with *error filled (where error is not NULL):
 * VTS_CLIENT_ERR_MEMORY, VTS_CLIENT_ERR_INVALID. Times are 1 to 86400000 (a day). */

/* A poll every so often. */
VTS_CLIENT_API struct vts_client_plan *vts_client_plan_fixed(int64_t every_ms, double jitter,
                                                             struct vts_client_error *error);

/* initial_ms, initial_ms * factor (1 to 100), initial_ms * factor^2, ..., and never more than cap_ms. */
VTS_CLIENT_API struct vts_client_plan *vts_client_plan_exponential(int64_t initial_ms,
                                                                   double factor, int64_t cap_ms,
                                                                   double jitter,
                                                                   struct vts_client_error *error);

/* About so many polls a job (1 to 1000), whatever it takes: the waits are parts of what jobs of its
 * class took so far. */
VTS_CLIENT_API struct vts_client_plan *vts_client_plan_budget(double polls,
                                                              struct vts_client_error *error);

/* A poll is worth cost_ms of delay: polls come when the answer is likely. Learns how long the jobs of
 * each class take (job_class in the options) from the polls themselves, forgets what has not been so
 * for long, and takes progress into account that a server tells. As long as a class has shown too
 * little, polls come as `cold` says (NULL: exponential 500 ms x1.5 max 10 s, jitter 10%), and no wait
 * is ever longer than max_gap_ms (0: no such limit). `cold` may not itself be a learning plan. */
VTS_CLIENT_API struct vts_client_plan *vts_client_plan_learn(int64_t cost_ms, int64_t max_gap_ms,
                                                             struct vts_client_plan *cold,
                                                             struct vts_client_error *error);

/* What a plan of your own is told. */
struct vts_client_plan_view {
    size_t size;
    const char *job_id, *job_class;

    /* Polls that were made in this wait; 0: the job was started, and not polled yet. */
    uint64_t polls;

    /* The age of the job: since its start, or, where that is not known, since the wait began. */
    int64_t age_ms;

    /* What the plan said last in this wait; 0: nothing yet. */
    int64_t last_ms;

    /* 0 to 1; below 0: not told. */
    double progress;

    /* An even number in [0, 1), from the handle's seed. */
    double random;
};

/* Returns the wait until the next poll in ms; below 1 is taken as 1, more than a day as a day. Called
 * from whatever thread uses the plan. It must not call the library. */
typedef int64_t vts_client_plan_fn(const struct vts_client_plan_view *view, void *arg);

/* A plan of your own. `release`, which may be NULL, is called with `arg` when the last reference is
 * given back. */
VTS_CLIENT_API struct vts_client_plan *vts_client_plan_custom(vts_client_plan_fn *next, void *arg,
                                                              void (*release)(void *arg),
                                                              struct vts_client_error *error);

/* A plan as people write it:
 *
 *     exponential 500ms x1.5 max 10s jitter 10%
 *     fixed 1s jitter 5%
 *     budget 12
 *     learn 1s
 *
 * A time is a number and a unit: 250ms, 10s, 2m, 1h, 1d. What stands behind the first time or number
 * may be left out, and then is as here (jitter: 10%). */
VTS_CLIENT_API struct vts_client_plan *vts_client_plan_parse(const char *text,
                                                             struct vts_client_error *error);

/* One more reference; returns the plan. */
VTS_CLIENT_API struct vts_client_plan *vts_client_plan_hold(struct vts_client_plan *plan);

/* Gives a reference back. NULL is allowed. */
VTS_CLIENT_API void vts_client_plan_release(struct vts_client_plan *plan);

/* ---- clocks ---------------------------------------------------------------------------------- *
 *
 * Where time comes from. Without one a handle lives in real time. With a virtual clock, ten minutes of
 * waiting take a test milliseconds: the clock stands while a request is under way, and else jumps
 * to the next moment at which anything on it is due. (A server lives in real time. So a request that
 * is not answered within request_timeout_ms of real time is over, and the clock jumps by as much. An
 * answer that waits for a change would hold the clock: such answers are not asked for.)
 *
 * Clocks are counted as plans are. A clock, and all handles on it, belong to one thread. */

/* A clock that begins at 0 and jumps. Its wall clock, which dates are compared with, begins at
 * 2000-01-01. NULL where memory is short. */
VTS_CLIENT_API struct vts_client_clock *vts_client_clock_virtual(void);

/* Where a vtsimd's clock is. Make it with VTS_CLIENT_CLOCK_SERVER, naming the members that matter. */
struct vts_client_clock_server_options {
    size_t size;

    /* http://HOST[:PORT][/PATH] of what stands under /_sim/ there: the vtsimd's own, or that of its
     * `[control] listen`. NULL: "http://127.0.0.1:5000". */
    const char *url;

    /* `[control] token`: up to 4096 printable bytes of ASCII, no spaces. NULL or "": none. */
    const char *token;

    /* By which name it takes part: as a job id. Each clock needs one of its own, and sleepers of the same moment
     * are woken by their names' order. NULL: made up, and different from all others. */
    const char *name;
};

#define VTS_CLIENT_CLOCK_SERVER(...)                                                               \
    (&(const struct vts_client_clock_server_options){                                              \
        .size = sizeof(struct vts_client_clock_server_options), __VA_ARGS__})

/* The clock of a vtsimd (`[clock] mode = virtual`), which goes on when all who take part in it sleep: so a whole
 * test, of many programs in any language and of the jobs that they wait for, runs minutes in milliseconds, in an
 * order that repeats. Whatever a handle waits for in simulated time (plans, Retry-After, repetitions, deadlines)
 * is slept at the server, POST /_sim/clock/sleep. `options` may be NULL. Sends nothing. NULL with *error filled
 * (where error is not NULL): INVALID, MEMORY.
 *
 * Taking part. A clock is one participant, with all handles on it: it sleeps when none of them has a request
 * under way, until the first of them is due. It takes part from the first thing that is to be done on, or from
 * vts_client_clock_join; that first thing comes when it is its turn. Between two operations it is awake and holds
 * the server's clock, for as long as the server believes in it (`[clock] silent`). It leaves with its last
 * reference (its handles hold one each), which asks the server, and blocks for that, a second at most; and where
 * its connection breaks in a sleep, as that of a process that was killed.
 *
 * What is real. request_timeout_ms, in real time, so that a dead server is noticed; a request that the server lets
 * wait on its clock counts as sleeping there. A sleep itself takes as long as others hold the clock, GET
 * /_sim/clock names them: no deadline, which is simulated time, ends it. Answers that wait for a change are not
 * asked for: what else the handle waits for would come late. On a clock that goes by itself (real, scaled) sleeps
 * take the time that they take.
 *
 * What it shows begins at 0 and is what the server told last, exact after each sleep; dates are those of the
 * server. Something that begins, or ends, in a sleep that would have lasted longer ends it: the clock then leaves
 * and takes part again.
 *
 * Where the clock cannot be had, or is lost, all operations on the handle end with VTS_CLIENT_ERR_CLOCK, and none
 * waits for ever; the next one tries again. */
VTS_CLIENT_API struct vts_client_clock *
vts_client_clock_server(const struct vts_client_clock_server_options *options,
                        struct vts_client_error *error);

/* Lets a server's clock take part now, so that no other participant's sleep passes before its first: join all, and
 * then begin. Blocks until the server has answered, 10 s of real time at most. VTS_CLIENT_OK; with *error filled
 * (where error is not NULL): VTS_CLIENT_ERR_CLOCK, VTS_CLIENT_ERR_MEMORY. Of no effect on other clocks. */
VTS_CLIENT_API enum vts_client_err vts_client_clock_join(struct vts_client_clock *clock,
                                                         struct vts_client_error *error);

/* What a virtual clock, or a server's, says. */
VTS_CLIENT_API int64_t vts_client_clock_now_ms(const struct vts_client_clock *clock);

/* Moves a virtual clock forward by hand, also while a request is under way; what is due by then happens
 * from the loop. Of no effect on other clocks, or by less than 1. */
VTS_CLIENT_API void vts_client_clock_advance(struct vts_client_clock *clock, int64_t by_ms);

/* A clock of your own, as these functions. All are called from the thread of the handle. */
struct vts_client_clock_source {
    size_t size;

    /* Now, on a clock that only goes forward. */
    int64_t (*now_ms)(void *arg);

    /* Now, as milliseconds since 1970 in UTC: for HTTP dates. NULL: the system's. */
    int64_t (*unix_ms)(void *arg);

    /* An alarm, one for each handle; NULL where memory is short. */
    void *(*alarm_create)(void *arg, void (*ring)(void *ring_arg), void *ring_arg);

    /* Calls ring(ring_arg) once, from your loop and never inside this call, when now_ms() has reached
     * at_ms; in place of what was asked for before. INT64_MAX: never. */
    void (*alarm_set)(void *alarm, int64_t at_ms);

    void (*alarm_destroy)(void *alarm);
};

/* A clock of your own. NULL where memory is short, or a function is missing. */
VTS_CLIENT_API struct vts_client_clock *
vts_client_clock_custom(const struct vts_client_clock_source *source, void *arg);

VTS_CLIENT_API struct vts_client_clock *vts_client_clock_hold(struct vts_client_clock *clock);
VTS_CLIENT_API void vts_client_clock_release(struct vts_client_clock *clock);

/* ---- traces ---------------------------------------------------------------------------------- */

/* Why a request comes when it comes. */
enum vts_client_reason {
    /* Nothing to wait for: a first request, or a poll whose job has just been resumed. */
    VTS_CLIENT_REASON_NOW = 0,

    /* The plan says so. */
    VTS_CLIENT_REASON_PLAN = 1,

    /* The server said Retry-After, and that is later than the plan. */
    VTS_CLIENT_REASON_RETRY_AFTER = 2,

    /* A 429 or 503 to whatever request of this handle holds all of them back. */
    VTS_CLIENT_REASON_HOST_GATE = 3,

    /* The last attempt failed. */
    VTS_CLIENT_REASON_RETRY = 4,

    /* The last attempt failed, and so did too many others: the retry budget is used up. */
    VTS_CLIENT_REASON_RETRY_BUDGET = 5,

    /* The last look before the deadline. */
    VTS_CLIENT_REASON_DEADLINE = 6,

    /* The server answers when something changes, so it can be asked at once. */
    VTS_CLIENT_REASON_LONG_POLL = 7,

    /* vts_client_poke. */
    VTS_CLIENT_REASON_POKE = 8,

    /* All connections are busy. */
    VTS_CLIENT_REASON_CONNECTION = 9,

    /* vts_client_stop, or the deadline with VTS_CLIENT_ON_DEADLINE_CANCEL. */
    VTS_CLIENT_REASON_CANCEL = 10
};

/* "plan", "Retry-After", "host gate", ...; a constant. "unknown" for a number not listed above. */
VTS_CLIENT_API const char *vts_client_reason_name(enum vts_client_reason reason);

enum vts_client_event {
    /* The operation waits: delay_ms and reason say how long and why. */
    VTS_CLIENT_EVENT_DELAY = 0,

    /* A request was handed to a connection: reason says why now. */
    VTS_CLIENT_EVENT_REQUEST = 1,

    /* It was answered, or failed: error tells. */
    VTS_CLIENT_EVENT_ANSWER = 2,

    /* The operation ended: error tells how. Just before done. */
    VTS_CLIENT_EVENT_END = 3
};

struct vts_client_trace {
    size_t size;
    enum vts_client_event event;
    enum vts_client_reason reason;

    /* NULL for a list or a watch. */
    const char *job_id;

    /* What is asked: "POST /start", "GET /status", "GET /jobs?id=", ... */
    const char *request;

    /* Of requests of this operation, from 1; 0 before the first. */
    uint64_t number;

    /* Jobs in the same request; 1: only this one. */
    size_t batch;

    /* Since the call. */
    int64_t elapsed_ms;

    /* Of DELAY: how long; and what the plan alone would have said (-1: it was not asked). Of ANSWER:
     * how long the request took. */
    int64_t delay_ms, plan_ms;

    /* Of ANSWER: the HTTP status; 0: there was none. */
    int http_status;

    /* Of ANSWER and END; NULL else. */
    const struct vts_client_error *error;
};

/* Called from the loop as things happen. Everything may be done in it. */
typedef void vts_client_trace_fn(struct vts_client_operation *operation,
                                 const struct vts_client_trace *trace, void *arg);

/* ---- options --------------------------------------------------------------------------------- */

/* What Retry-After means (RFC 9110, 10.2.3; seconds or a date; more than an hour is an hour). */
enum vts_client_retry_after {
    /* The least wait: the plan, if that is longer. */
    VTS_CLIENT_RETRY_AFTER_FLOOR = 0,

    /* The wait, whatever the plan says. */
    VTS_CLIENT_RETRY_AFTER_EXACT = 1,

    /* Nothing: it is not looked at. */
    VTS_CLIENT_RETRY_AFTER_IGNORE = 2
};

enum vts_client_on_deadline {
    /* The job is left as it is. */
    VTS_CLIENT_ON_DEADLINE_LEAVE = 0,

    /* It is asked to stop, just before the deadline: DELETE /jobs/{id}, of vtsimd's full API. */
    VTS_CLIENT_ON_DEADLINE_CANCEL = 1
};

/* All that can be set. Fill it with vts_client_options_init, then change what you like.
 *
 * When the next poll comes. The plan says how long to wait; Retry-After on any answer, the start's
 * included, is the least wait after it (see retry_after). 429 (RFC 6585) and 503 hold back all requests
 * of the handle: for as long as their Retry-After says, else for as long as the wait that was told
 * would wait by itself. Where the deadline comes first, there is a last poll just before it, unless
 * Retry-After forbids it.
 *
 * A poll that fails is repeated on a schedule of its own, which begins anew after each success:
 * 250 ms at first, then twice the last, 5 s at most, with the same jitter. What counts as a failed
 * poll: UNREACHABLE (a connection that broke in the middle of an answer included), TIMEOUT, SERVER,
 * PROTOCOL, the status 429, and UNKNOWN_JOB where the job was known before. After max_errors of them
 * in a row the wait ends with the last one. Any other error ends the wait at once.
 *
 * A start whose answer was lost (UNREACHABLE, TIMEOUT, PROTOCOL, or a 5xx other than 503) is repeated
 * on the same schedule. This cannot start a job twice, since the server knows the id: 409 to the
 * repetition of a start that may have arrived is success, to a first try EXISTS. */
struct vts_client_options {
    /* Set by vts_client_options_init. */
    size_t size;

    /* http://HOST[:PORT][/PATH]; default "http://127.0.0.1:5000". */
    const char *url;

    /* The exponential plan that is used until the durations of jobs are known, where `plan` is NULL:
     * see vts_client_plan_exponential. initial_ms: 1 to 86400000 (a day), default 500; factor: 1 to
     * 100, default 1.5; cap_ms: initial_ms to 86400000, default 10000, also the longest wait after
     * that; jitter: 0 to 1, default 0.1. */
    int64_t initial_ms;
    double factor;
    int64_t cap_ms;
    double jitter;

    /* For a whole operation, from the call on: 1 and up; 0: none, the default. */
    int64_t deadline_ms;

    /* For one request, from its sending to the end of its answer: 1 to 86400000; default 10000. */
    int64_t request_timeout_ms;

    /* Failed polls, or lost starts, in a row that end an operation: 1 and up; default 10. */
    int max_errors;

    /* At once, kept alive; further requests queue: 1 to 1024; default 16. */
    int max_connections;

    /* When to poll. NULL, the default: a plan of the handle's own that learns, with cost_ms, after the
     * exponential one above. */
    struct vts_client_plan *plan;

    /* How much delay a poll is worth, where `plan` is NULL: 1 to 86400000, default 1000; 0: do not
     * learn, stay with the exponential plan. */
    int64_t cost_ms;

    /* Which jobs take about as long as each other: up to 64 bytes, as with a job id; default "". */
    const char *job_class;

    /* What Retry-After means; default VTS_CLIENT_RETRY_AFTER_FLOOR. */
    enum vts_client_retry_after retry_after;

    /* What becomes of the job on the deadline; default VTS_CLIENT_ON_DEADLINE_LEAVE. */
    enum vts_client_on_deadline on_deadline;

    /* How long an answer may be kept waiting for a change (Prefer: wait, RFC 7240), where the server
     * grants it: 0 to 3600000, default 20000; 0: not at all. A server that does not apply it is not
     * asked for it again; vtsimd does not apply it to a job that moves by polls alone. No more than half
     * of the connections of an asynchronous handle wait so. */
    int64_t long_poll_ms;

    /* Polls that are due together go in one request, where the server grants it: at most so many: 1
     * to 100, default 100; 1: never. */
    int max_batch;

    /* Failed attempts that the whole handle may repeat at once; a tenth of it comes back each second,
     * and one with each success. Further ones wait for their turn. 1 to 1000000; default 100. Of a
     * handle, not of a call. */
    int retry_budget;

    /* Where time comes from; NULL, the default: real time. Of a handle, not of a call. */
    struct vts_client_clock *clock;

    /* For jitter and phases: the same seed, the same numbers; 0, the default: seeded by the system. Of
     * a handle, not of a call. */
    uint64_t seed;

    /* Told of all that happens and why; NULL, the default: nobody wants to know. */
    vts_client_trace_fn *trace;
    void *trace_arg;
};

/* The defaults. `size` is that of your struct. */
VTS_CLIENT_API void vts_client_options_defaults(struct vts_client_options *options, size_t size);

static inline void vts_client_options_init(struct vts_client_options *options)
{
    vts_client_options_defaults(options, sizeof(*options));
}

/* ---- jobs and outcomes ----------------------------------------------------------------------- */

enum vts_client_status {
    VTS_CLIENT_PENDING = 0,
    VTS_CLIENT_COMPLETED = 1,

    /* It ended in an error, or was cancelled: the original API has one word for both. */
    VTS_CLIENT_ERROR = 2
};

/* "pending", "completed", "error", as on the wire; "unknown" for any other number. */
VTS_CLIENT_API const char *vts_client_status_name(enum vts_client_status status);

/* A job as a server described it. Members that it did not tell are NULL, progress below 0. The
 * original API tells no more than id and status, vtsimd's full API, which is used with servers that
 * have shown it, all of them. */
struct vts_client_job {
    size_t size;
    const char *id;
    enum vts_client_status status;

    /* 0 to 1. */
    double progress;

    /* queued, running, completed, failed, cancelled. */
    const char *state;

    /* Why it failed: for programs, and for people. */
    const char *error_code;
    const char *error_message;

    /* All that was told, as one JSON object on one line; but in lists with a job_id, whoever told it. */
    const char *json;
};

/* How an operation ended. */
struct vts_client_result {
    size_t size;
    struct vts_client_error error;

    /* Of all but list and watch; NULL with an error before the job was seen. With a later one (deadline,
     * say) what was seen last. */
    const struct vts_client_job *job;

    /* Of list: job_count of them, side by side. */
    const struct vts_client_job *jobs;
    size_t job_count;

    /* Of list: hand it in as `after` for the next page; NULL: this was the last. A page may be short,
     * even empty, while there is a next one. */
    const char *next;

    /* Polls of the job that were made, whatever came of them: one that was under way at the end
     * counts, and so does one that found no server, or went in one request with others. */
    uint64_t polls;

    /* Since the call. */
    int64_t elapsed_ms;

    /* Of start and run: how often the start was sent. */
    uint64_t starts;

    /* Of start, wait and run, where the job may still be running: resumes the wait, in another process
     * too (vts_client_resume). NULL else. */
    const char *token;

    /* With an error whose answer held an explanation: the server's own words, all of them (4 KiB at most),
     * UTF-8, of which error.message has only the beginning. May be several lines, and holds what the server
     * likes: take care where you print it. NULL: there are none, or memory was short. */
    const char *said;
};

/* One poll of a wait or run, answered or failed. */
struct vts_client_poll {
    size_t size;

    /* From 1. */
    uint64_t number;

    /* The answer; NULL where the poll failed. */
    const struct vts_client_job *job;

    /* Why; NULL where it was answered. */
    const struct vts_client_error *error;

    /* Since the call. */
    int64_t elapsed_ms;

    /* Until the next poll; -1: there will be none. */
    int64_t next_ms;

    /* Why it comes then. */
    enum vts_client_reason reason;
};

/* Called once for each operation: from the loop, never inside the call that started it, or inside
 * vts_client_abandon or vts_client_destroy. Everything may be done in it, destroying the handle
 * included. */
typedef void vts_client_done_fn(struct vts_client_operation *operation,
                                const struct vts_client_result *result, void *arg);

/* Called after each poll of a wait or run, the last one included, before done. Everything may be done
 * in it. In a _sync call vts_client_abandon(operation) ends that call. */
typedef void vts_client_poll_fn(struct vts_client_operation *operation,
                                const struct vts_client_poll *poll, void *arg);

/* Of a wait or run: called when the job's state or progress is not what it was at the last poll, before
 * `poll`. Of a watch: called for each job that is new, or has changed. Everything may be done in it. */
typedef void vts_client_progress_fn(struct vts_client_operation *operation,
                                    const struct vts_client_job *job, void *arg);

/* A setting of one job's behaviour: a key, and its value as it would stand in vtsimd's INI file, where the
 * items of a list are lines. This struct does not grow. */
struct vts_client_setting {
    const char *key, *value;
};

/* How an operation reports, and how it differs from its handle. Make it with VTS_CLIENT_CALL, naming
 * the members that matter: VTS_CLIENT_CALL(.done = on_done, .arg = me). In C++, which has no such
 * literals, fill one in, `size` included. */
struct vts_client_call {
    size_t size;

    /* May be NULL; not called in _sync calls. */
    vts_client_done_fn *done;

    /* May be NULL. */
    vts_client_poll_fn *poll;

    /* Handed to all of them. */
    void *arg;

    /* Other times and limits for this operation: what is "of a handle", url and max_connections are not
     * looked at. NULL: the handle's. */
    const struct vts_client_options *options;

    /* May be NULL. */
    vts_client_progress_fn *progress;

    /* Of start and run, of a job at a vtsimd: its behaviour, one of the INI file or else a plugin (NULL: the
     * one that it would get anyway), and settings for this job alone, setting_count of them side by side
     * (NULL with 0: none), in place of those that the behaviour has:
     *
     *     static const struct vts_client_setting script = {"script", "http 503 x2, completed"};
     *
     *     vts_client_run_sync(client, "a", VTS_CLIENT_CALL(.behaviour = "scripted_sequence",
     *                                                      .settings = &script, .setting_count = 1));
     *
     * Copied, all of it. INVALID, before a byte is sent: with other operations; a behaviour or key that is not
     * 1 to 255 bytes of UTF-8 without control characters; a value that is NULL, or not UTF-8, or has control
     * characters but tabs and ends of lines; a key that is there twice. What a behaviour does not know, or a
     * value that is wrong, the server refuses: REFUSED with the status 400, and its words in result->said.
     *
     * Such a start is a POST /jobs in any case, which no server takes that ignores what it does not know: so
     * one that has no such options refuses (mostly with 400 or 404) rather than start another job than was
     * asked for. Where the handle's last answer said that its server has them not (no `options` in
     * Vtsim-Features), it is REFUSED with the status 0, and not sent. Before the first answer nobody knows: then
     * the start itself tells. Should a server start the job and say nothing of options, that is PROTOCOL, and
     * not repeated: the job may run, as something else. */
    const char *behaviour;
    const struct vts_client_setting *settings;
    size_t setting_count;
};

#define VTS_CLIENT_CALL(...)                                                                       \
    (&(const struct vts_client_call){.size = sizeof(struct vts_client_call), __VA_ARGS__})

/* ---- handles --------------------------------------------------------------------------------- */

/* A handle. On `base`, which must outlive it, it is asynchronous; with NULL it is blocking. `options`
 * may be NULL: the defaults. Sends nothing. NULL with *error filled (where error is not NULL):
 * VTS_CLIENT_ERR_MEMORY, VTS_CLIENT_ERR_INVALID.
 *
 * An asynchronous handle keeps its base busy only while an operation is under way: kept-alive
 * connections alone do not keep event_base_dispatch() from returning. */
VTS_CLIENT_API struct vts_client *vts_client_create(struct event_base *base,
                                                    const struct vts_client_options *options,
                                                    struct vts_client_error *error);

/* Abandons all operations (their done callbacks are called before this returns), closes all
 * connections, and frees the handle. NULL is allowed. Legal in every callback of the handle; in one of
 * a _sync call, that call then returns a result with VTS_CLIENT_ERR_ABANDONED. */
VTS_CLIENT_API void vts_client_destroy(struct vts_client *client);

/* What a handle has done so far. All only grow, but for the last three. */
struct vts_client_counters {
    size_t size;

    /* Operations that began, and ended. */
    uint64_t begun, ended;

    /* Requests that were sent, of every kind; and those of them that failed. */
    uint64_t requests, failed;

    /* Polls of jobs; those of them that went in one request with others; and such requests. */
    uint64_t polls, batched, batches;

    /* Requests whose answer the server was asked to keep until something changes. */
    uint64_t long_polls;

    /* Polls and starts that repeated one that failed; and those of them that had to wait because the
     * retry budget was used up. */
    uint64_t retries, retries_delayed;

    /* How often a 429 or 503 has held everything back. */
    uint64_t gates;

    /* Connections that were opened. */
    uint64_t connections;

    /* Now: operations under way, those of them that wait for a connection, connections that are open. */
    uint64_t under_way, queued, open;
};

/* Fills *counters; `size` in it is that of your struct. */
VTS_CLIENT_API void vts_client_counters_read(const struct vts_client *client,
                                             struct vts_client_counters *counters, size_t size);

/* ---- asynchronous ---------------------------------------------------------------------------- *
 *
 * Each returns an operation under way, or NULL with *error filled (where error is not NULL); then no
 * callback is called. VTS_CLIENT_ERR_MEMORY, VTS_CLIENT_ERR_INVALID (the id, the token,
 * call->options) and VTS_CLIENT_ERR_CALL (a handle without an event_base) are told in this way, all
 * others through done. Callable at any time, in callbacks too. `call` may be NULL where nobody wants
 * to know. Nothing is sent before the loop runs.
 *
 * Done can tell of each: UNREACHABLE, TIMEOUT, DEADLINE, PROTOCOL, REFUSED, MEMORY, ABANDONED; and of
 * each what its comment adds. */

/* Starts a job: POST /start; with a server that has shown that it has keys, or where the call names a
 * behaviour or settings, POST /jobs with an Idempotency-Key. Repeated where the answer was lost: see the options. Adds EXISTS, SERVER. */
VTS_CLIENT_API struct vts_client_operation *vts_client_start(struct vts_client *client,
                                                             const char *id,
                                                             const struct vts_client_call *call,
                                                             struct vts_client_error *error);

/* Asks once how a job is: GET /status. Adds UNKNOWN_JOB, SERVER. */
VTS_CLIENT_API struct vts_client_operation *vts_client_status(struct vts_client *client,
                                                              const char *id,
                                                              const struct vts_client_call *call,
                                                              struct vts_client_error *error);

/* Waits until a job has ended: polls it at once, and then as the options say. Adds UNKNOWN_JOB,
 * SERVER. */
VTS_CLIENT_API struct vts_client_operation *vts_client_wait(struct vts_client *client,
                                                            const char *id,
                                                            const struct vts_client_call *call,
                                                            struct vts_client_error *error);

/* Starts a job and waits until it has ended. Adds all of start and wait. */
VTS_CLIENT_API struct vts_client_operation *vts_client_run(struct vts_client *client,
                                                           const char *id,
                                                           const struct vts_client_call *call,
                                                           struct vts_client_error *error);

/* Goes on with a wait that a token tells of: the job's id, its class (in place of the options') and its
 * age. The job is taken to be known. The deadline counts from this call. As wait. */
VTS_CLIENT_API struct vts_client_operation *vts_client_resume(struct vts_client *client,
                                                              const char *token,
                                                              const struct vts_client_call *call,
                                                              struct vts_client_error *error);

/* Asks to stop a job: DELETE /jobs/{id}, of vtsimd's full API. The result's job tells what became of
 * it: a job may take its time to stop, or have ended before. Adds UNKNOWN_JOB, SERVER. */
VTS_CLIENT_API struct vts_client_operation *vts_client_cancel(struct vts_client *client,
                                                              const char *id,
                                                              const struct vts_client_call *call,
                                                              struct vts_client_error *error);

/* Which jobs to list. Make it with VTS_CLIENT_QUERY, naming the members that matter. */
struct vts_client_query {
    size_t size;

    /* Only jobs in this state (queued, running, ...); NULL: all. */
    const char *state;

    /* The `next` of the page before; NULL: the first page. Of a watch: not looked at. */
    const char *after;

    /* Jobs on the page, at most; 0: as many as the server likes. */
    int limit;
};

#define VTS_CLIENT_QUERY(...)                                                                      \
    (&(const struct vts_client_query){.size = sizeof(struct vts_client_query), __VA_ARGS__})

/* One page of the list of jobs: GET /jobs, of vtsimd's full API. `query` may be NULL. Adds SERVER. */
VTS_CLIENT_API struct vts_client_operation *vts_client_list(struct vts_client *client,
                                                            const struct vts_client_query *query,
                                                            const struct vts_client_call *call,
                                                            struct vts_client_error *error);

/* Lists the jobs again and again, as the plan says, and tells call->progress of each that is new or has
 * changed. Goes on until it is abandoned, the deadline passes, or there were too many errors. Adds
 * SERVER. */
VTS_CLIENT_API struct vts_client_operation *vts_client_watch(struct vts_client *client,
                                                             const struct vts_client_query *query,
                                                             const struct vts_client_call *call,
                                                             struct vts_client_error *error);

/* ---- control ---------------------------------------------------------------------------------- *
 *
 * Of an operation under way, from its handle's thread; in callbacks, too. NULL is allowed, and after
 * the end, in the operation's own done callback, they do nothing. */

/* Gives an operation up, in a sleep or in a request. Done is called before this returns, with
 * VTS_CLIENT_ERR_ABANDONED. The job is left as it is. */
VTS_CLIENT_API void vts_client_abandon(struct vts_client_operation *operation);

/* Asks to stop the job of a wait or run, now: DELETE /jobs/{id}, of vtsimd's full API. The wait ends
 * with the job; where the job takes its time to stop it goes on, and where the server refuses, ends with
 * that error. Other operations are abandoned. */
VTS_CLIENT_API void vts_client_stop(struct vts_client_operation *operation);

/* Polls now instead of when the plan says; a Retry-After still holds. */
VTS_CLIENT_API void vts_client_poke(struct vts_client_operation *operation);

/* Room for every token, the NUL included. */
#define VTS_CLIENT_TOKEN_MAX 1152

/* The text with which vts_client_resume goes on with this start, wait or run: printable ASCII without
 * spaces, a version first. It holds the job's id, class and age, and no secrets. Returns its length;
 * 0: the operation is of another kind, or `room` is too small. */
VTS_CLIENT_API size_t vts_client_token(struct vts_client_operation *operation, char *text,
                                       size_t room);

/* The job id in a token: its length, and the id in `id`, which has room for 256 bytes. 0 with *error
 * filled (where error is not NULL): VTS_CLIENT_ERR_INVALID. */
VTS_CLIENT_API size_t vts_client_token_id(const char *token, char *id,
                                          struct vts_client_error *error);

/* ---- blocking -------------------------------------------------------------------------------- *
 *
 * For handles without an event_base. Each does what its asynchronous sibling does, and returns when
 * that is done. Never NULL: look at result->error.code first. `call` may be NULL; of it, done is not
 * looked at. `client` may be NULL: VTS_CLIENT_ERR_INVALID, so that a vts_client_create that failed
 * need not be checked apart.
 *
 * VTS_CLIENT_ERR_CALL: on a handle with an event_base, inside a callback of the same handle, or inside
 * one of any asynchronous handle of this thread, whose loop would stand still meanwhile. The result that
 * a call further up has returned, or will return, is not touched by such a refusal. */
VTS_CLIENT_API const struct vts_client_result *
vts_client_start_sync(struct vts_client *client, const char *id,
                      const struct vts_client_call *call);
VTS_CLIENT_API const struct vts_client_result *
vts_client_status_sync(struct vts_client *client, const char *id,
                       const struct vts_client_call *call);
VTS_CLIENT_API const struct vts_client_result *
vts_client_wait_sync(struct vts_client *client, const char *id, const struct vts_client_call *call);
VTS_CLIENT_API const struct vts_client_result *
vts_client_run_sync(struct vts_client *client, const char *id, const struct vts_client_call *call);
VTS_CLIENT_API const struct vts_client_result *
vts_client_resume_sync(struct vts_client *client, const char *token,
                       const struct vts_client_call *call);
VTS_CLIENT_API const struct vts_client_result *
vts_client_cancel_sync(struct vts_client *client, const char *id,
                       const struct vts_client_call *call);
VTS_CLIENT_API const struct vts_client_result *
vts_client_list_sync(struct vts_client *client, const struct vts_client_query *query,
                     const struct vts_client_call *call);
VTS_CLIENT_API const struct vts_client_result *
vts_client_watch_sync(struct vts_client *client, const struct vts_client_query *query,
                      const struct vts_client_call *call);

/* ---- version --------------------------------------------------------------------------------- */

/* The library's version, "0.1.0"; a constant. */
VTS_CLIENT_API const char *vts_client_version(void);

#ifdef __cplusplus
}
#endif

#endif
