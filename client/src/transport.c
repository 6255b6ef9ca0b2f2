/* SPDX-License-Identifier: MIT
 *
 * Connections and exchanges, on evhttp. See transport.h.
 *
 * evhttp's callbacks only note what came and make the exchange's own event active; all that follows
 * (giving the connection back, the next request, the user) runs from that event. Freeing a connection
 * inside one of evhttp's callbacks would pull the ground from under it. */
#include "transport.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "environment.h"

#define RETRY_AFTER_MAX_S (TRANSPORT_RETRY_AFTER_MAX_MS / 1000)

struct link;

struct exchange {
    TAILQ_ENTRY(exchange) all, queued;
    struct transport *transport;
    struct link *link;   /* NULL: in the queue, or there was no way to connect */
    struct event *event; /* the timeout; and what `done` is called from */
    enum transport_method method;
    char *path, *body;            /* the path with its prefix */
    int64_t timeout_ms, until_ms; /* 0: not sent yet */
    transport_done_fn *done;
    void *arg;
    struct reply reply;
    bool replied; /* the reply is there: the event will deliver it */
    bool waiting; /* in the queue */
    size_t tried; /* addresses */
};

/* One connection of the pool. */
struct link {
    TAILQ_ENTRY(link) all;
    struct transport *transport;
    struct evhttp_connection *connection;
    struct exchange *exchange; /* NULL: idle */
    bool sent;                 /* bytes of this exchange were written, so there is a connection */
};

struct transport {
    struct event_base *base;
    struct target *target;
    int max_connections, connections;
    struct environment *environment;
    TAILQ_HEAD(link_list, link) links;
    TAILQ_HEAD(exchange_list, exchange) exchanges, queue;
};

static void on_event(evutil_socket_t fd, short what, void *arg);

static void link_free(struct link *link)
{
    struct transport *transport = link->transport;

    TAILQ_REMOVE(&transport->links, link, all);
    transport->connections--;
    if (link->connection)
        evhttp_connection_free(link->connection);
    free(link);
}

/* evhttp fills the output buffer once it is connected, not before. */
static void on_output(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    struct link *link = arg;

    (void)buffer;
    if (info->n_added)
        link->sent = true;
}

static struct link *link_create(struct transport *transport)
{
    struct target *target = transport->target;
    struct link *link = calloc(1, sizeof(*link));
    struct bufferevent *bytes;

    if (!link)
        return NULL;
    link->transport = transport;
    link->connection = evhttp_connection_base_bufferevent_new(
        transport->base, NULL, NULL, target->addresses[target->current], target->port);
    if (!link->connection) {
        free(link);
        return NULL;
    }
    evhttp_connection_set_max_body_size(link->connection, TRANSPORT_MAX_BODY);
    evhttp_connection_set_max_headers_size(link->connection, TRANSPORT_MAX_HEADER);
    bytes = evhttp_connection_get_bufferevent(link->connection);
    evbuffer_add_cb(bufferevent_get_output(bytes), on_output, link);
    TAILQ_INSERT_HEAD(&transport->links, link, all);
    transport->connections++;
    return link;
}

/* Has the server closed this idle connection, or sent what nobody asked for? We look only now: an
 * idle connection is not watched, so as not to keep the user's loop from ending. */
static bool link_is_stale(struct link *link)
{
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(link->connection));
    char byte;

    if (fd < 0)
        return true;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
           (errno != EAGAIN && errno != EWOULDBLOCK);
}

static struct link *link_find_idle(struct transport *transport)
{
    struct link *link = TAILQ_FIRST(&transport->links), *next;

    for (; link; link = next) {
        next = TAILQ_NEXT(link, all);
        if (link->exchange)
            continue;
        if (!link_is_stale(link))
            return link;
        link_free(link);
    }
    return NULL;
}

/* ---- what evhttp tells ----------------------------------------------------------------------- */

static void deliver_soon(struct exchange *exchange)
{
    exchange->replied = true;
    event_active(exchange->event, EV_TIMEOUT, 0);
}

static void fail(struct exchange *exchange, enum reply_end end, const char *reason)
{
    exchange->reply.end = end;
    snprintf(exchange->reply.reason, sizeof(exchange->reply.reason), "%s", reason);
    deliver_soon(exchange);
}

static void on_error(enum evhttp_request_error error, void *arg)
{
    struct link *link = arg;
    struct exchange *exchange = link->exchange;
    int reason = errno; /* evhttp keeps it for us */

    switch (error) {
    case EVREQ_HTTP_TIMEOUT:
        fail(exchange, REPLY_TIMED_OUT, "");
        break;
    case EVREQ_HTTP_INVALID_HEADER:
        fail(exchange, REPLY_NOT_HTTP, "");
        break;
    case EVREQ_HTTP_DATA_TOO_LONG:
        fail(exchange, REPLY_TOO_LONG, "");
        break;
    case EVREQ_HTTP_BUFFER_ERROR:
        fail(exchange, REPLY_NO_MEMORY, "");
        break;
    default:
        if (link->sent)
            fail(exchange, REPLY_BROKEN, "");
        else
            fail(exchange, REPLY_NOT_CONNECTED, strerror(reason));
        break;
    }
}

static void take_reply(struct exchange *exchange, struct evhttp_request *request)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    struct reply *reply = &exchange->reply;

    reply->length = evbuffer_get_length(body);
    reply->body = malloc(reply->length + 1);
    if (!reply->body) {
        fail(exchange, REPLY_NO_MEMORY, "");
        return;
    }
    evbuffer_copyout(body, reply->body, reply->length);
    reply->body[reply->length] = '\0';
    reply->end = REPLY_ANSWERED;
    reply->status = evhttp_request_get_response_code(request);
    reply->retry_after_ms = transport_retry_after_ms(
        evhttp_find_header(evhttp_request_get_input_headers(request), "Retry-After"));
    deliver_soon(exchange);
}

static void on_reply(struct evhttp_request *request, void *arg)
{
    struct link *link = arg;
    struct exchange *exchange = link->exchange;
    int reason = errno;

    if (exchange->replied)
        return; /* on_error has told already */
    if (request && evhttp_request_get_response_code(request))
        take_reply(exchange, request);
    else if (link->sent)
        fail(exchange, REPLY_BROKEN, "");
    else /* evhttp comes here where the connection was refused; its clean-up overwrites errno */
        fail(exchange, REPLY_NOT_CONNECTED,
             strerror(reason && reason != ENOTCONN ? reason : ECONNREFUSED));
}

/* ---- sending --------------------------------------------------------------------------------- */

static bool add_headers(struct exchange *exchange, struct evhttp_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

    if (evhttp_add_header(headers, "Host", exchange->transport->target->authority) ||
        evhttp_add_header(headers, "User-Agent", "vtsim-client/" VTSIM_VERSION) ||
        evhttp_add_header(headers, "Accept", "application/json"))
        return false;
    if (!exchange->body)
        return true;
    return !evhttp_add_header(headers, "Content-Type", "application/json") &&
           !evbuffer_add(evhttp_request_get_output_buffer(request), exchange->body,
                         strlen(exchange->body));
}

static bool send_on(struct link *link, struct exchange *exchange)
{
    static const enum evhttp_cmd_type methods[] = {[TRANSPORT_GET] = EVHTTP_REQ_GET,
                                                   [TRANSPORT_POST] = EVHTTP_REQ_POST,
                                                   [TRANSPORT_DELETE] = EVHTTP_REQ_DELETE};
    struct evhttp_request *request = evhttp_request_new(on_reply, link);

    if (!request)
        return false;
    evhttp_request_set_error_cb(request, on_error);
    if (!add_headers(exchange, request)) {
        evhttp_request_free(request);
        return false;
    }
    link->exchange = exchange;
    link->sent = false;
    exchange->link = link;
    /* Our own timer is the one that counts; evhttp's, which a trickle of bytes resets, comes later. */
    evhttp_connection_set_timeout(link->connection, (int)(exchange->timeout_ms / 1000) + 60);
    errno = 0;
    return evhttp_make_request(link->connection, request, methods[exchange->method],
                               exchange->path) == 0;
}

/* One timeout over all that it takes to send the request, a second address included. */
static void start_timeout(struct exchange *exchange)
{
    struct environment *environment = exchange->transport->environment;
    int64_t now_ms = environment->now_ms(environment), left_ms;
    struct timeval after;

    if (!exchange->until_ms)
        exchange->until_ms = now_ms + exchange->timeout_ms;
    left_ms = exchange->until_ms > now_ms ? exchange->until_ms - now_ms : 0;
    after = (struct timeval){.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    event_add(exchange->event, &after);
}

/* Sends now, or queues. Whatever goes wrong is told through the event. */
static void dispatch(struct exchange *exchange)
{
    struct transport *transport = exchange->transport;
    struct link *link = link_find_idle(transport);
    const char *unknown;

    if (!link && transport->connections >= transport->max_connections) {
        TAILQ_INSERT_TAIL(&transport->queue, exchange, queued);
        exchange->waiting = true;
        return;
    }
    start_timeout(exchange);
    if (!link) {
        unknown = target_resolve(transport->target);
        if (unknown) {
            fail(exchange, REPLY_NOT_CONNECTED, unknown);
            return;
        }
        link = link_create(transport);
    }
    if ((!link || !send_on(link, exchange)) && !exchange->replied)
        fail(exchange, REPLY_NO_MEMORY, "");
}

struct exchange *transport_send(struct transport *transport, enum transport_method method,
                                const char *path, const char *body, int64_t timeout_ms,
                                transport_done_fn *done, void *arg)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    if (!exchange)
        return NULL;
    exchange->transport = transport;
    exchange->method = method;
    exchange->timeout_ms = timeout_ms;
    exchange->done = done;
    exchange->arg = arg;
    exchange->event = evtimer_new(transport->base, on_event, exchange);
    if (asprintf(&exchange->path, "%s%s", transport->target->prefix, path) < 0)
        exchange->path = NULL;
    if (body)
        exchange->body = strdup(body);
    if (!exchange->event || !exchange->path || (body && !exchange->body)) {
        if (exchange->event)
            event_free(exchange->event);
        free(exchange->path);
        free(exchange->body);
        free(exchange);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&transport->exchanges, exchange, all);
    dispatch(exchange);
    return exchange;
}

/* ---- the end of an exchange ------------------------------------------------------------------ */

/* Gives its connection back to the pool where it ended well, else closes it. */
static void leave_link(struct exchange *exchange)
{
    struct link *link = exchange->link;
    struct bufferevent *bytes;

    if (!link)
        return;
    exchange->link = NULL;
    link->exchange = NULL;
    bytes = evhttp_connection_get_bufferevent(link->connection);
    /* Bytes behind the reply would be read as the beginning of the next one. */
    if (!exchange->replied || exchange->reply.end != REPLY_ANSWERED ||
        evbuffer_get_length(bufferevent_get_input(bytes)))
        link_free(link);
    else
        bufferevent_disable(bytes, EV_READ | EV_WRITE);
}

static void exchange_free(struct exchange *exchange)
{
    TAILQ_REMOVE(&exchange->transport->exchanges, exchange, all);
    if (exchange->waiting)
        TAILQ_REMOVE(&exchange->transport->queue, exchange, queued);
    event_free(exchange->event);
    free(exchange->path);
    free(exchange->body);
    free(exchange->reply.body);
    free(exchange);
}

static void dispatch_queued(struct transport *transport)
{
    struct exchange *next = TAILQ_FIRST(&transport->queue);

    if (!next)
        return;
    TAILQ_REMOVE(&transport->queue, next, queued);
    next->waiting = false;
    dispatch(next);
}

bool transport_was_sent(const struct exchange *exchange)
{
    return exchange->link && exchange->link->sent;
}

void transport_cancel(struct exchange *exchange)
{
    struct transport *transport = exchange->transport;
    bool held = exchange->link != NULL;

    leave_link(exchange);
    exchange_free(exchange);
    if (held)
        dispatch_queued(transport);
}

/* Nothing of the request was sent, and the host has another address: then that one is tried. What was
 * sent is never repeated here, not even where a kept-alive connection broke and RFC 9110, 9.2.2 would
 * allow it: whoever counts requests, or asked for a broken one, is to see each of them. Connections
 * that a server closed while they were idle are found before they are used. */
static bool tries_next_address(struct exchange *exchange)
{
    if (exchange->reply.end != REPLY_NOT_CONNECTED || !exchange->link ||
        !target_next_address(exchange->transport->target, ++exchange->tried))
        return false;
    leave_link(exchange);
    exchange->replied = false;
    memset(&exchange->reply, 0, sizeof(exchange->reply));
    return true;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct exchange *exchange = arg;
    struct transport *transport = exchange->transport;
    transport_done_fn *done = exchange->done;
    void *done_arg = exchange->arg;
    struct reply reply;

    (void)fd;
    (void)what;
    if (!exchange->replied)
        exchange->reply.end = REPLY_TIMED_OUT;
    else if (tries_next_address(exchange)) {
        dispatch(exchange);
        return;
    }
    leave_link(exchange);
    reply = exchange->reply;
    exchange->reply.body = NULL;
    exchange_free(exchange);
    dispatch_queued(transport);
    done(&reply, done_arg); /* the transport may be gone after this */
    free(reply.body);
}

/* ---- the pool -------------------------------------------------------------------------------- */

struct transport *transport_create(struct event_base *base, struct target *target,
                                   struct environment *environment, int max_connections)
{
    struct transport *transport = calloc(1, sizeof(*transport));

    if (!transport)
        return NULL;
    transport->base = base;
    transport->target = target;
    transport->environment = environment;
    transport->max_connections = max_connections;
    TAILQ_INIT(&transport->links);
    TAILQ_INIT(&transport->exchanges);
    TAILQ_INIT(&transport->queue);
    return transport;
}

void transport_destroy(struct transport *transport)
{
    struct exchange *exchange;
    struct link *link;

    if (!transport)
        return;
    /* The analyzer does not see that what is freed leaves its list. */
    while ((exchange = TAILQ_FIRST(&transport->exchanges)))
        exchange_free(exchange); /* NOLINT(clang-analyzer-unix.Malloc) */
    while ((link = TAILQ_FIRST(&transport->links)))
        link_free(link); /* NOLINT(clang-analyzer-unix.Malloc) */
    free(transport);
}

int64_t transport_retry_after_ms(const char *value)
{
    int64_t seconds = 0;

    if (!value || !*value)
        return 0;
    for (; *value; value++) {
        if (*value < '0' || *value > '9')
            return 0;
        if (seconds <= RETRY_AFTER_MAX_S) /* beyond that it can only grow */
            seconds = seconds * 10 + (*value - '0');
    }
    return (seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : seconds) * 1000;
}
