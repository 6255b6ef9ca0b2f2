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

/* No honest answer is longer. */
#define TRANSPORT_MAX_BODY   (1024 * 1024)
#define TRANSPORT_MAX_HEADER (64 * 1024)

/* A longer Retry-After is taken for this one. */
#define TRANSPORT_RETRY_AFTER_MAX_MS INT64_C(3600000)

struct environment;
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
    int64_t retry_after_ms; /* Retry-After in seconds; 0: none, or one that is not understood; at
                             * most TRANSPORT_RETRY_AFTER_MAX_MS */
    char reason[128];       /* why not connected */
};

/* The reply belongs to the transport and lives until the callback returns. */
typedef void transport_done_fn(const struct reply *reply, void *arg);

/* `target` and `environment` must outlive the transport. NULL where memory is short. */
struct transport *transport_create(struct event_base *base, struct target *target,
                                   struct environment *environment, int max_connections);
/* Drops all exchanges (their done is not called) and closes all connections. */
void transport_destroy(struct transport *transport);

/* Sends a request, once, or queues it while all connections are busy. `path` follows the target's prefix;
 * `body`, JSON text, may be NULL. Both are copied. The timeout counts from the sending. NULL where
 * memory is short. */
struct exchange *transport_send(struct transport *transport, enum transport_method method,
                                const char *path, const char *body, int64_t timeout_ms,
                                transport_done_fn *done, void *arg);

/* Did something of the request leave? Before its done is called. */
bool transport_was_sent(const struct exchange *exchange);

/* Drops an exchange before its done was called; closes its connection. */
void transport_cancel(struct exchange *exchange);

/* Retry-After's delay-seconds (RFC 9110, 10.2.3) in ms; TRANSPORT_RETRY_AFTER_MAX_MS at most; 0 for NULL and for anything
 * that is no plain number. */
int64_t transport_retry_after_ms(const char *value);

#endif
