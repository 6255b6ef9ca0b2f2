/* SPDX-License-Identifier: MIT
 *
 * Requests and replies as bytes, over a pool of kept-alive connections to one server. The only room
 * of the client that includes evhttp. Knows nothing of jobs, polls or JSON.
 *
 * An exchange is one request and its reply. Its `done` is called exactly once, from the loop, never
 * inside transport_send, and never while evhttp is on the stack: so everything may be freed in it. */
#ifndef VTSIM_CLIENT_TRANSPORT_H
#define VTSIM_CLIENT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target.h"
#include "timeline.h"

/* No honest answer is longer. */
#define TRANSPORT_MAX_BODY   (1024 * 1024)
#define TRANSPORT_MAX_HEADER (64 * 1024)

struct event_base;
struct transport;
struct exchange;

enum transport_method { TRANSPORT_GET, TRANSPORT_POST, TRANSPORT_DELETE };

enum reply_end {
    REPLY_ANSWERED,      /* status and body are there */
    REPLY_NOT_CONNECTED, /* nothing was sent */
    REPLY_BROKEN,        /* the connection broke before the reply was whole */
    REPLY_TIMED_OUT,
    REPLY_NOT_HTTP,
    REPLY_TOO_LONG, /* body or headers */
    REPLY_NO_MEMORY
};

struct reply {
    enum reply_end end;
    int status;
    char *body; /* NUL behind it; NULL where there is none */
    size_t length;
    int64_t retry_after_ms; /* see retry_after.h */
    unsigned int features;  /* see server_features.h */
    bool wait_applied;      /* Preference-Applied: wait */
    int64_t took_ms;        /* since it was sent */
    char reason[128];       /* why not connected */
};

/* What is asked. */
struct transport_request {
    enum transport_method method;
    const char *path;   /* follows the target's prefix */
    const char *body;   /* JSON text; NULL: none */
    const char *key;    /* Idempotency-Key; NULL: none */
    int64_t wait_s;     /* Prefer: wait; 0: none */
    const char *bearer; /* Authorization: Bearer; NULL: none */
    int64_t timeout_ms;
};

/* The reply belongs to the transport and lives until the callback returns. */
typedef void transport_done_fn(const struct reply *reply, void *arg);

/* `target` and `timeline` must outlive the transport; a request under way keeps the timeline's seat
 * busy. NULL where memory is short. */
struct transport *transport_create(struct event_base *base, struct target *target,
                                   struct timeline *timeline, int max_connections);
/* Drops all exchanges (their done is not called) and closes all connections. */
void transport_destroy(struct transport *transport);

/* Sends a request, once, or queues it while all connections are busy. The request is copied. The
 * timeout counts from the sending. NULL where memory is short. */
struct exchange *transport_send(struct transport *transport,
                                const struct transport_request *request, transport_done_fn *done,
                                void *arg);

/* Did something of the request leave? Before its done is called. */
bool transport_was_sent(const struct exchange *exchange);

/* Drops an exchange before its done was called; closes its connection. */
void transport_cancel(struct exchange *exchange);

/* Lets the system ask now and then whether the other side is still there: for answers that may take as long as
 * they like. */
void transport_probe(struct transport *transport);

/* Would a request be sent now, and not queued? */
bool transport_is_free(const struct transport *transport);

/* Connections that are open, and that were opened so far. */
int transport_connections(const struct transport *transport);
uint64_t transport_connected(const struct transport *transport);

#endif
