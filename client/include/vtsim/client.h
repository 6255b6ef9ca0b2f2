/* SPDX-License-Identifier: MIT
 *
 * libvtsim-client: start a long-running job at a remote service and wait for its end, politely. It
 * speaks to any server that has POST /start and GET /status?job_id=..., vtsimd or another; listing
 * and cancelling need vtsimd's full API (GET /jobs, DELETE /jobs/{id}).
 *
 * It asks plain HTTP/1.1 (RFC 9112), and follows no redirects. A host that is given by name is looked
 * up with getaddrinfo(3) at the first connection, and again where none of its addresses answers: that
 * blocks for as long as the system's resolver takes; a numeric address does not. Of several addresses
 * the first that takes a connection is used.
 * Connections are kept alive; one that the server closed while it was idle is found before it is used.
 * No request is sent twice by itself: a connection that breaks under a request is that request's error,
 * and in a wait a failed poll, repeated as the options say.
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
 * Ownership. What you hand in is copied before a call returns. What you are handed in a callback
 * belongs to the library and lives until the callback returns; what a _sync call returns belongs to
 * the handle and lives until the next _sync call on it, or its destruction.
 *
 * Threads. A handle and its operations are used by one thread at a time, an asynchronous handle by
 * the thread that runs its loop; several threads each have a handle of their own. The library has no
 * mutable global state.
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

/* One start, status, wait, run, cancel or list under way on an asynchronous handle. Belongs to the
 * library; the pointer is good until the operation's done callback returns. */
struct vts_client_operation;

/* ---- errors ---------------------------------------------------------------------------------- */

/* The numbers are part of the ABI. A job that ended in error is no error of these: it is an outcome,
 * VTS_CLIENT_OK with a job whose status is VTS_CLIENT_ERROR. */
enum vts_client_err {
    VTS_CLIENT_OK = 0,
    VTS_CLIENT_ERR_MEMORY = 1,  /* an allocation failed */
    VTS_CLIENT_ERR_INVALID = 2, /* a job id, URL or option that cannot be right; nothing was sent */
    VTS_CLIENT_ERR_CALL = 3,    /* a call that is not allowed here: a blocking one inside a callback
                                     * of the same handle, or one of the other face */
    VTS_CLIENT_ERR_UNREACHABLE =
        4,                       /* no connection, or it broke before the whole answer was there */
    VTS_CLIENT_ERR_TIMEOUT = 5,  /* one request took longer than request_timeout_ms */
    VTS_CLIENT_ERR_DEADLINE = 6, /* the whole operation took longer than deadline_ms */
    VTS_CLIENT_ERR_UNKNOWN_JOB = 7, /* 404 to a question about a job: the server does not know it */
    VTS_CLIENT_ERR_EXISTS = 8,      /* 409: a job of this id had been started before */
    VTS_CLIENT_ERR_REFUSED = 9,     /* the server refused: any other 4xx; for a start also 5xx */
    VTS_CLIENT_ERR_SERVER = 10,     /* the server failed: 5xx */
    VTS_CLIENT_ERR_PROTOCOL =
        11, /* an answer that makes no sense: not HTTP, not JSON, no status, an
                                     * unknown status word, another job's id, a redirect (they are not
                                     * followed), more than 1 MiB */
    VTS_CLIENT_ERR_ABANDONED = 12 /* vts_client_abandon, or the handle was destroyed */
};

struct vts_client_error {
    enum vts_client_err code;
    int http_status; /* of the answer that led to it; 0: there was none */
    char
        message[512]; /* one line for people, without a full stop; empty with VTS_CLIENT_OK. Control
                        * characters that a server sent are shown as \xNN */
};

/* What the code means, in a few words; a constant. "unknown error" for a number not listed above. */
VTS_CLIENT_API const char *vts_client_strerror(enum vts_client_err code);

/* ---- options --------------------------------------------------------------------------------- */

/* All that can be set. Fill it with vts_client_options_init, then change what you like.
 *
 * The polls of a wait follow each other after initial_ms, initial_ms * factor, initial_ms * factor^2,
 * ... and never more than cap_ms; each of these waits is then spread evenly over +-jitter of its
 * length, so that clients do not march in step even at the cap. A Retry-After in seconds on any
 * answer (RFC 9110, 10.2.3; more than an hour is taken as an hour) is the least wait after it.
 *
 * A poll that fails is repeated on a schedule of its own, which begins anew after each success:
 * 250 ms at first, then twice the last, 5 s at most, with the same jitter. What counts as a failed
 * poll: UNREACHABLE (a connection that broke in the middle of an answer included), TIMEOUT, SERVER,
 * PROTOCOL, the status 429 (RFC 6585), and UNKNOWN_JOB where the job was known before. After max_errors
 * of them in a row the wait ends with the last one. Any other error ends the wait at once. */
struct vts_client_options {
    size_t size;                /* set by vts_client_options_init */
    const char *url;            /* http://HOST[:PORT][/PATH]; default "http://127.0.0.1:5000" */
    int64_t initial_ms;         /* from the start, or the first poll, to the next: 1 to 86400000
                                 * (a day); default 500 */
    double factor;              /* 1 to 100; default 1.5 */
    int64_t cap_ms;             /* initial_ms to 86400000; default 10000 */
    double jitter;              /* 0 to 1; default 0.1 */
    int64_t deadline_ms;        /* for a whole operation, from the call on: 1 and up; 0: none, the
                                 * default */
    int64_t request_timeout_ms; /* for one request, from its sending to the end of its answer: 1 to
                                 * 86400000; default 10000 */
    int max_errors;             /* failed polls in a row that end a wait: 1 and up; default 10 */
    int max_connections; /* at once, kept alive; further requests queue: 1 to 1024; default 16 */
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
    VTS_CLIENT_ERROR = 2 /* it ended in an error, or was cancelled: the original API has one word */
};

/* "pending", "completed", "error", as on the wire; "unknown" for any other number. */
VTS_CLIENT_API const char *vts_client_status_name(enum vts_client_status status);

/* A job as a server described it. Members that it did not tell are NULL, progress below 0. The
 * original API, which start, status, wait and run speak, tells no more than id and status, vtsimd's
 * full API, which list and cancel speak, all of them. */
struct vts_client_job {
    size_t size;
    const char *id;
    enum vts_client_status status;
    double progress;           /* 0 to 1 */
    const char *state;         /* queued, running, completed, failed, cancelled */
    const char *error_code;    /* why it failed: for programs */
    const char *error_message; /* and for people */
    const char *json;          /* all that was told, as one JSON object on one line */
};

/* How an operation ended. */
struct vts_client_result {
    size_t size;
    struct vts_client_error error;
    const struct vts_client_job
        *job; /* of all but list; NULL with an error before the job was seen.
                                       * With a later one (deadline, say) what was seen last */
    const struct vts_client_job *jobs; /* of list: job_count of them, side by side */
    size_t job_count;
    const char *next; /* of list: hand it in as `after` for the next page; NULL: this was the last.
                         * A page may be short, even empty, while there is a next one */
    uint64_t polls; /* status requests that were made, whatever came of them: one that was under way
                         * at the end counts, and so does one that found no server */
    int64_t elapsed_ms; /* since the call */
};

/* One poll of a wait or run, answered or failed. */
struct vts_client_poll {
    size_t size;
    uint64_t number;                      /* from 1 */
    const struct vts_client_job *job;     /* the answer; NULL where the poll failed */
    const struct vts_client_error *error; /* why; NULL where it was answered */
    int64_t elapsed_ms;                   /* since the call */
    int64_t next_ms;                      /* until the next poll; -1: there will be none */
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

/* How an operation reports, and how it differs from its handle. Make it with VTS_CLIENT_CALL, naming
 * the members that matter: VTS_CLIENT_CALL(.done = on_done, .arg = me). In C++, which has no such
 * literals, fill one in, `size` included. */
struct vts_client_call {
    size_t size;
    vts_client_done_fn *done;                 /* may be NULL; not called in _sync calls */
    vts_client_poll_fn *poll;                 /* may be NULL */
    void *arg;                                /* handed to both */
    const struct vts_client_options *options; /* other times and limits for this operation: url and
                                               * max_connections are not looked at. NULL: the handle's */
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

/* ---- asynchronous ---------------------------------------------------------------------------- *
 *
 * Each returns an operation under way, or NULL with *error filled (where error is not NULL); then no
 * callback is called. VTS_CLIENT_ERR_MEMORY, VTS_CLIENT_ERR_INVALID (the id, call->options) and
 * VTS_CLIENT_ERR_CALL (a handle without an event_base) are told in this way, all others through done.
 * Callable at any time, in callbacks too. `call` may be NULL where nobody wants to know.
 *
 * Done can tell of each: UNREACHABLE, TIMEOUT, DEADLINE, PROTOCOL, REFUSED, MEMORY, ABANDONED; and of
 * each what its comment adds. */

/* Starts a job: POST /start. Asked once, never repeated by itself, because an answer that was lost
 * may have been a start. Adds EXISTS. */
VTS_CLIENT_API struct vts_client_operation *vts_client_start(struct vts_client *client,
                                                             const char *id,
                                                             const struct vts_client_call *call,
                                                             struct vts_client_error *error);

/* Asks once how a job is: GET /status. Adds UNKNOWN_JOB, SERVER. */
VTS_CLIENT_API struct vts_client_operation *vts_client_status(struct vts_client *client,
                                                              const char *id,
                                                              const struct vts_client_call *call,
                                                              struct vts_client_error *error);

/* Waits until a job has ended: polls GET /status at once, and then as the options say. Adds
 * UNKNOWN_JOB, SERVER. On the deadline the job is left as it is. */
VTS_CLIENT_API struct vts_client_operation *vts_client_wait(struct vts_client *client,
                                                            const char *id,
                                                            const struct vts_client_call *call,
                                                            struct vts_client_error *error);

/* Starts a job and waits until it has ended; the first poll comes initial_ms after the start was
 * accepted. Adds all of start and wait. */
VTS_CLIENT_API struct vts_client_operation *vts_client_run(struct vts_client *client,
                                                           const char *id,
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
    const char *state; /* only jobs in this state (queued, running, ...); NULL: all */
    const char *after; /* the `next` of the page before; NULL: the first page */
    int limit;         /* jobs on the page, at most; 0: as many as the server likes */
};

#define VTS_CLIENT_QUERY(...)                                                                      \
    (&(const struct vts_client_query){.size = sizeof(struct vts_client_query), __VA_ARGS__})

/* One page of the list of jobs: GET /jobs, of vtsimd's full API. `query` may be NULL. Adds SERVER. */
VTS_CLIENT_API struct vts_client_operation *vts_client_list(struct vts_client *client,
                                                            const struct vts_client_query *query,
                                                            const struct vts_client_call *call,
                                                            struct vts_client_error *error);

/* Gives an operation up, in a sleep or in a request. Done is called before this returns, with
 * VTS_CLIENT_ERR_ABANDONED. The job is left as it is. Does nothing in the operation's own done
 * callback. NULL is allowed. */
VTS_CLIENT_API void vts_client_abandon(struct vts_client_operation *operation);

/* ---- blocking -------------------------------------------------------------------------------- *
 *
 * For handles without an event_base. Each does what its asynchronous sibling does, and returns when
 * that is done. Never NULL: look at result->error.code first. `call` may be NULL; of it, poll, arg and
 * options are looked at. `client` may be NULL: VTS_CLIENT_ERR_INVALID, so that a vts_client_create
 * that failed need not be checked apart.
 *
 * VTS_CLIENT_ERR_CALL: on a handle with an event_base, or inside a callback of the same handle. The
 * result that a call further up has returned, or will return, is not touched by such a refusal. */
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
vts_client_cancel_sync(struct vts_client *client, const char *id,
                       const struct vts_client_call *call);
VTS_CLIENT_API const struct vts_client_result *
vts_client_list_sync(struct vts_client *client, const struct vts_client_query *query,
                     const struct vts_client_call *call);

/* ---- version --------------------------------------------------------------------------------- */

/* The library's version, "0.1.0"; a constant. */
VTS_CLIENT_API const char *vts_client_version(void);

#ifdef __cplusplus
}
#endif

#endif
