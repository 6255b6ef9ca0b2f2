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
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "retry_after.h"
#include "server_features.h"

struct link;

struct exchange {
    TAILQ_ENTRY(exchange) all, queued;
    struct transport *transport;
    struct link *link;   /* NULL: in the queue, or there was no way to connect */
    struct event *event; /* the timeout in real time; and what `done` is called from */
    struct timer timer;  /* the timeout on a clock that is not real */
    enum transport_method method;
    char *path, *body, *key, *bearer; /* the path with its prefix */
    int64_t wait_s, timeout_ms;
    int64_t sent_ms, until_ms; /* 0: not sent yet */
    int64_t until_real_ms;     /* in real time */
    bool busy;                 /* and so is our seat */
    transport_done_fn *done;
    void *arg;
    struct reply reply;
    bool replied; /* the reply is there: the event will deliver it */
    bool waiting; /* in the queue */
    size_t tried; /* addresses */
};

/* One connection of the pool; in the list of those that are busy, or of those that are idle. */
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
    uint64_t connected;
    bool probes; /* see transport_probe */
    struct timeline *timeline;
    TAILQ_HEAD(link_list, link) busy, idle;
    TAILQ_HEAD(exchange_list, exchange) exchanges, queue;
};

static void on_event(evutil_socket_t fd, short what, void *arg);
static void on_timeout(void *arg);

static void link_free(struct link *link)
{
    struct transport *transport = link->transport;

    if (link->exchange)
        TAILQ_REMOVE(&transport->busy, link, all);
    else
        TAILQ_REMOVE(&transport->idle, link, all);
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
    TAILQ_INSERT_HEAD(&transport->idle, link, all);
    transport->connections++;
    transport->connected++;
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
    struct link *link;

    while ((link = TAILQ_FIRST(&transport->idle))) {
        if (!link_is_stale(link))
            return link;
        link_free(link); /* NOLINT(clang-analyzer-unix.Malloc): it leaves the list */
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

static void take_headers(struct exchange *exchange, struct evkeyvalq *headers)
{
    struct reply *reply = &exchange->reply;

    reply->features = features_read(evhttp_find_header(headers, "Vtsim-Features"));
    reply->wait_applied = features_wait_applied(evhttp_find_header(headers, "Preference-Applied"));
    reply->retry_after_ms = retry_after_ms(evhttp_find_header(headers, "Retry-After"),
                                           evhttp_find_header(headers, "Date"),
                                           seat_unix_ms(&exchange->transport->timeline->seat));
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
    take_headers(exchange, evhttp_request_get_input_headers(request));
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
    char prefer[32];

    if (evhttp_add_header(headers, "Host", exchange->transport->target->authority) ||
        evhttp_add_header(headers, "User-Agent", "vtsim-client/" VTSIM_VERSION) ||
        evhttp_add_header(headers, "Accept", "application/json"))
        return false;
    snprintf(prefer, sizeof(prefer), "wait=%lld", (long long)exchange->wait_s);
    if ((exchange->wait_s && evhttp_add_header(headers, "Prefer", prefer)) ||
        (exchange->key && evhttp_add_header(headers, "Idempotency-Key", exchange->key)) ||
        (exchange->bearer && evhttp_add_header(headers, "Authorization", exchange->bearer)))
        return false;
    if (!exchange->body)
        return true;
    return !evhttp_add_header(headers, "Content-Type", "application/json") &&
           !evbuffer_add(evhttp_request_get_output_buffer(request), exchange->body,
                         strlen(exchange->body));
}

/* Where the system cannot, a host that is gone without a word is noticed late. */
static void probe(int fd)
{
    static const int yes = 1, idle_s = 10, every_s = 5, most = 3;

    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof(every_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &most, sizeof(most));
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
    TAILQ_REMOVE(&exchange->transport->idle, link, all);
    TAILQ_INSERT_TAIL(&exchange->transport->busy, link, all);
    link->exchange = exchange;
    link->sent = false;
    exchange->link = link;
    /* Our own timer is the one that counts; evhttp's, which a trickle of bytes resets, comes later. */
    evhttp_connection_set_timeout(link->connection, (int)(exchange->timeout_ms / 1000) + 60);
    errno = 0;
    if (evhttp_make_request(link->connection, request, methods[exchange->method], exchange->path))
        return false;
    if (exchange->transport->probes && exchange->link)
        probe(bufferevent_getfd(evhttp_connection_get_bufferevent(link->connection)));
    return true;
}

/* One timeout over all that it takes to send the request, a second address included. A server lives in
 * real time, whatever our clock: a virtual one stands meanwhile. */
static void start_timeout(struct exchange *exchange)
{
    struct timeline *timeline = exchange->transport->timeline;
    int64_t real_ms = clock_real_ms(), left_ms;
    struct timeval after;

    if (!exchange->busy) {
        exchange->busy = true;
        seat_busy(&timeline->seat);
        exchange->sent_ms = timeline_now_ms(timeline);
        exchange->until_ms = exchange->sent_ms + exchange->timeout_ms;
        exchange->until_real_ms = real_ms + exchange->timeout_ms;
    }
    left_ms = exchange->until_real_ms > real_ms ? exchange->until_real_ms - real_ms : 0;
    after = (struct timeval){.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    event_add(exchange->event, &after);
    if (seat_times_requests(&timeline->seat))
        timeline_set(timeline, &exchange->timer, exchange->until_ms);
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

/* Copies the request. False where memory is short. */
static bool prepare(struct exchange *exchange, const struct transport_request *request)
{
    struct transport *transport = exchange->transport;

    exchange->method = request->method;
    exchange->wait_s = request->wait_s;
    exchange->timeout_ms = request->timeout_ms;
    exchange->event = evtimer_new(transport->base, on_event, exchange);
    if (asprintf(&exchange->path, "%s%s", transport->target->prefix, request->path) < 0)
        exchange->path = NULL;
    if (request->body)
        exchange->body = strdup(request->body);
    if (request->key)
        exchange->key = strdup(request->key);
    if (request->bearer && asprintf(&exchange->bearer, "Bearer %s", request->bearer) < 0)
        exchange->bearer = NULL;
    return exchange->event && exchange->path && !exchange->body == !request->body &&
           !exchange->key == !request->key && !exchange->bearer == !request->bearer;
}

static void give_back(struct exchange *exchange)
{
    if (exchange->event)
        event_free(exchange->event);
    timers_unreserve(&exchange->transport->timeline->timers);
    free(exchange->path);
    free(exchange->body);
    free(exchange->key);
    free(exchange->bearer);
    free(exchange->reply.body);
    free(exchange);
}

struct exchange *transport_send(struct transport *transport,
                                const struct transport_request *request, transport_done_fn *done,
                                void *arg)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    if (!exchange || !timers_reserve(&transport->timeline->timers)) {
        free(exchange);
        return NULL;
    }
    exchange->transport = transport;
    exchange->timer = (struct timer){.fire = on_timeout, .arg = exchange};
    exchange->done = done;
    exchange->arg = arg;
    if (!prepare(exchange, request)) {
        give_back(exchange);
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
    TAILQ_REMOVE(&exchange->transport->busy, link, all);
    TAILQ_INSERT_HEAD(&exchange->transport->idle, link, all);
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
    struct timeline *timeline = exchange->transport->timeline;

    TAILQ_REMOVE(&exchange->transport->exchanges, exchange, all);
    if (exchange->waiting)
        TAILQ_REMOVE(&exchange->transport->queue, exchange, queued);
    timeline_stop(timeline, &exchange->timer);
    if (exchange->busy)
        seat_idle(&timeline->seat);
    give_back(exchange);
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

/* Hands the reply over, and the connection back. */
static void deliver(struct exchange *exchange)
{
    struct transport *transport = exchange->transport;
    transport_done_fn *done = exchange->done;
    void *done_arg = exchange->arg;
    struct reply reply;

    if (!exchange->replied)
        exchange->reply.end = REPLY_TIMED_OUT;
    leave_link(exchange);
    exchange->reply.took_ms = timeline_now_ms(transport->timeline) - exchange->sent_ms;
    reply = exchange->reply;
    exchange->reply.body = NULL;
    exchange_free(exchange);
    dispatch_queued(transport);
    done(&reply, done_arg); /* the transport may be gone after this */
    free(reply.body);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct exchange *exchange = arg;

    (void)fd;
    (void)what;
    if (exchange->replied && tries_next_address(exchange)) {
        dispatch(exchange);
        return;
    }
    if (!exchange->replied)
        seat_catch_up(&exchange->transport->timeline->seat, exchange->until_ms);
    deliver(exchange);
}

static void on_timeout(void *arg)
{
    struct exchange *exchange = arg;

    if (!exchange->replied) /* else it is just about to be delivered */
        deliver(exchange);
}

/* ---- the pool -------------------------------------------------------------------------------- */

struct transport *transport_create(struct event_base *base, struct target *target,
                                   struct timeline *timeline, int max_connections)
{
    struct transport *transport = calloc(1, sizeof(*transport));

    if (!transport)
        return NULL;
    transport->base = base;
    transport->target = target;
    transport->timeline = timeline;
    transport->max_connections = max_connections;
    TAILQ_INIT(&transport->busy);
    TAILQ_INIT(&transport->idle);
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
    while ((exchange = TAILQ_FIRST(&transport->exchanges))) {
        leave_link(exchange);    /* NOLINT(clang-analyzer-unix.Malloc) */
        exchange_free(exchange); /* NOLINT(clang-analyzer-unix.Malloc) */
    }
    while ((link = TAILQ_FIRST(&transport->idle)))
        link_free(link); /* NOLINT(clang-analyzer-unix.Malloc) */
    free(transport);
}

void transport_probe(struct transport *transport) { transport->probes = true; }

bool transport_is_free(const struct transport *transport)
{
    return TAILQ_EMPTY(&transport->queue) &&
           (!TAILQ_EMPTY(&transport->idle) || transport->connections < transport->max_connections);
}

int transport_connections(const struct transport *transport) { return transport->connections; }

uint64_t transport_connected(const struct transport *transport) { return transport->connected; }
