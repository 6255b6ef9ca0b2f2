/* SPDX-License-Identifier: MIT
 *
 * An exchange's way from request to answer: bending, waiting, and noticing that a client has left. See
 * exchange.h.
 *
 * evhttp does not notice a client that leaves while its answer is being prepared, and to let it read on
 * meanwhile would end the process at the first pipelined byte ("illegal connection state"). So a
 * connection whose answer waits has an event of its own: edge-triggered, so that pipelined bytes wake it
 * once and no more; and what it asks is the state of the TCP connection, since a FIN behind pipelined
 * bytes cannot be seen by reading. */
#include "exchange.h"

#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "../base/log.h"

/* Spare exchanges that a worker keeps, and the body that a spare may keep. */
#define SPARE_BODY ((size_t)64 * 1024)

/* ---- life ---- */

static struct service_connection *connection_of(const struct worker *worker,
                                                struct evhttp_request *request)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    int place =
        bufferevent_getfd(evhttp_connection_get_bufferevent(connection)) - worker->server->first_fd;

    return worker->connections && place >= 0 ? &worker->connections[place] : NULL;
}

struct exchange *exchange_create(struct worker *worker, struct evhttp_request *request)
{
    struct exchange *exchange = LIST_FIRST(&worker->spare);

    if (exchange) {
        LIST_REMOVE(exchange, link);
    } else {
        exchange = calloc(1, sizeof(*exchange));
        if (!exchange)
            return NULL;
        service_call_init(&exchange->call);
        exchange->worker = worker;
    }
    exchange->request = request;
    exchange->call.port = worker->port;
    exchange->call.instance = NULL;
    exchange->call.input = exchange->call.store.instance_text = (struct bytes){NULL, 0};
    exchange->call.idempotency = (struct bytes){NULL, 0};
    exchange->call.want_job = exchange->call.spare_input = false;
    exchange->call.bent = exchange->call.late = exchange->call.in_batch = false;
    exchange->call.connection = connection_of(worker, request);
    exchange->call.tells = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD
                               ? SERVICE_TELLS_NOTHING
                               : SERVICE_TELLS_STATE;
    exchange->answer.status = 200;
    exchange->answer.type = "application/json";
    exchange->answer.allow = NULL;
    exchange->answer.retry_after = -1;
    exchange->answer.retry_after_date = false;
    exchange->answer.waited = -1;
    exchange->answer.close = false;
    text_reset(&exchange->answer.body);
    text_reset(&exchange->answer.location);
    exchange->sent = 0;
    exchange->aside = exchange->control = false;
    exchange->own_left = NULL;
    worker->under_way++;
    pace_begin(worker->port);
    return exchange;
}

static void forget_if_large(struct text *text)
{
    if (text->room > SPARE_BODY)
        text_finish(text);
}

void exchange_unpark(struct exchange *exchange)
{
    pace_wait_end(exchange->worker->port, &exchange->alarm);
    if (exchange->watch)
        event_free(exchange->watch);
    exchange->watch = NULL;
    if (exchange->parked)
        LIST_REMOVE(exchange, link);
    exchange->parked = false;
}

void exchange_end(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;

    exchange_unpark(exchange);
    if (!exchange->aside)
        pace_end(worker->port);
    exchange->aside = false;
    json_object_put(exchange->body);
    exchange->body = NULL;
    if (exchange->own)
        exchange->own_free(exchange->own);
    exchange->own = NULL;
    service_call_let_go(&exchange->call);
    forget_if_large(&exchange->answer.body);
    forget_if_large(&exchange->call.record);
    forget_if_large(&exchange->input);
    LIST_INSERT_HEAD(&worker->spare, exchange, link);
    if (--worker->under_way == 0 && worker->draining)
        event_base_loopbreak(worker->base);
}

void exchange_abandon(struct exchange *exchange)
{
    struct evhttp_request *request = exchange->request;

    exchange->request = NULL;
    if (request)
        evhttp_connection_free(evhttp_request_get_connection(request));
    if (exchange->watch)
        event_free(exchange->watch);
    exchange->watch = NULL;
    if (exchange->aside && exchange->own_left)
        exchange->own_left(exchange);
    /* A call that the service still holds ends when it comes back. */
    if (exchange->called)
        service_wait_end(&exchange->call);
    else
        exchange_end(exchange);
}

/* ---- waiting ---- */

static bool client_left(evutil_socket_t fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
           info.tcpi_state != TCP_ESTABLISHED;
}

static void on_client(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    if (client_left(fd))
        exchange_abandon(arg);
}

static bool watch(struct exchange *exchange)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(exchange->request);
    evutil_socket_t fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));

    if (exchange->parked)
        return true;
    exchange->parked = true;
    LIST_INSERT_HEAD(&exchange->worker->parked, exchange, link);
    exchange->watch =
        event_new(exchange->worker->base, fd, EV_READ | EV_ET | EV_PERSIST, on_client, exchange);
    return exchange->watch && event_add(exchange->watch, NULL) == 0;
}

void exchange_called_back(struct exchange *exchange)
{
    exchange->called = false;
    if (exchange->request)
        exchange->then(exchange);
    else
        exchange_end(exchange);
}

static void on_call_done(struct service_call *call)
{
    exchange_called_back((struct exchange *)call);
}

void exchange_call(struct exchange *exchange, void (*operation)(struct service_call *),
                   void (*then)(struct exchange *))
{
    exchange->then = then;
    exchange->called = true;
    exchange->call.done = on_call_done;
    operation(&exchange->call);
    /* Once it is done the exchange may be another's, but then it is not `called`. */
    if (exchange->called && !watch(exchange))
        exchange_abandon(exchange);
}

void exchange_park(struct exchange *exchange, vts_ms span, void (*then)(void *exchange))
{
    struct service_port *port = exchange->worker->port;
    vts_ms now = clock_now(port->service->clock);

    if (!watch(exchange) ||
        !pace_wait(port, &exchange->alarm, span > VTS_TIME_END - now ? VTS_TIME_END : now + span,
                   then, exchange)) {
        log_line(VTS_ERROR, "http", "no memory to stall an answer: the connection is closed");
        exchange_abandon(exchange);
    }
}

bool exchange_set_aside(struct exchange *exchange)
{
    exchange->aside = true;
    pace_end(exchange->worker->port);
    if (watch(exchange))
        return true;
    exchange_abandon(exchange);
    return false;
}

void exchange_resume(struct exchange *exchange)
{
    pace_begin(exchange->worker->port);
    exchange->aside = false;
}

/* ---- answers ---- */

static void send_now(struct exchange *exchange)
{
    const struct service_call *call = &exchange->call;

    /* The watch is edge-triggered, and libevent takes no other kind of event on the same socket. */
    exchange_unpark(exchange);
    if (!call->bent || call->answer.dribble == 0)
        service_told(&exchange->call);
    if (call->bent && (call->answer.cut != VTS_BREAK_NONE || call->answer.dribble > 0))
        broken_send(exchange);
    else
        answer_send(exchange);
}

static void on_stall_over(void *exchange) { send_now(exchange); }

static void write_error(struct exchange *exchange, const char *message)
{
    text_reset(&exchange->answer.body);
    text_puts(&exchange->answer.body, "{\"error\": ");
    text_json(&exchange->answer.body, message, strlen(message));
    text_puts(&exchange->answer.body, "}");
}

void exchange_teller(const struct service_call *call, struct text *message)
{
    text_puts(message, call->by_filter ? "the filter" : "the behaviour");
    if (call->teller.length > 0)
        text_printf(message, " \"%s\"", call->teller.bytes);
}

/* What the teller does, as an error. */
VTS_PRINTF(2, 3)
static void write_told(struct exchange *exchange, const char *format, ...)
{
    struct text message = TEXT_INIT;
    va_list args;

    exchange_teller(&exchange->call, &message);
    va_start(args, format);
    text_vprintf(&message, format, args);
    va_end(args);
    write_error(exchange, message.failed ? "no memory" : message.bytes);
    text_finish(&message);
}

static void write_page(struct exchange *exchange)
{
    exchange->answer.type = "text/html";
    text_reset(&exchange->answer.body);
    text_printf(&exchange->answer.body,
                "<html>\r\n<head><title>%d</title></head>\r\n<body>\r\n<center><h1>%d</h1></center>"
                "\r\n</body>\r\n</html>\r\n",
                exchange->answer.status, exchange->answer.status);
}

/* Makes of the true answer what the behaviour wants the client to be told. The word and a missing status
 * were already taken care of by whoever wrote the body. */
static void bend(struct exchange *exchange)
{
    const struct vts_answer *bent = &exchange->call.answer;
    struct answer *answer = &exchange->answer;

    if (bent->status && bent->status != answer->status) {
        answer->status = bent->status;
        if (bent->status < 200 || bent->status > 299)
            write_told(exchange, " answers %d", bent->status);
    }
    if (bent->retry_after != 0) {
        answer->retry_after = exchange_seconds(bent->retry_after);
        answer->retry_after_date = bent->retry_after_date;
    }
    if (bent->body == VTS_BODY_NOT_FOUND) {
        answer->status = 404;
        write_error(exchange, NO_SUCH_JOB);
    } else if (bent->body == VTS_BODY_HTML)
        write_page(exchange);
    else if (bent->body == VTS_BODY_INVALID_JSON && answer->body.length > 1)
        answer->body.bytes[answer->body.length -= answer->body.length / 2] = '\0';
}

void exchange_answer(struct exchange *exchange)
{
    if (exchange->call.bent)
        bend(exchange);
    if (exchange->answer.body.failed || exchange->answer.location.failed) {
        log_line(VTS_ERROR, "http", "no memory for an answer: the connection is closed");
        exchange_abandon(exchange);
    } else if (exchange->call.bent && exchange->call.answer.stall > 0) {
        exchange_park(exchange, exchange->call.answer.stall, on_stall_over);
    } else {
        send_now(exchange);
    }
}

void exchange_error(struct exchange *exchange, int status, const char *format, ...)
{
    struct text message = TEXT_INIT;
    va_list args;

    va_start(args, format);
    text_vprintf(&message, format, args);
    va_end(args);
    exchange->call.bent = false;
    exchange->answer.status = status;
    write_error(exchange, message.failed ? "no memory" : message.bytes);
    text_finish(&message);
    exchange_answer(exchange);
}

int exchange_refused(const struct exchange *exchange, const struct service_call *call,
                     struct text *message, int64_t *retry_after)
{
    static const char *const busy[] = {[STORE_OK] = "the job cannot be served now",
                                       [STORE_FAILING] = "the store cannot be written now",
                                       [STORE_AWAY] = "the store cannot be reached now"};

    switch (call->result) {
    case SERVICE_EXISTS:
        text_puts(message, "a job of this id was started before");
        return 409;
    case SERVICE_KEY_USED:
        text_puts(message, "this Idempotency-Key was given with another body before: it stands for "
                           "one request; take a new key for a new one");
        return 422;
    case SERVICE_NOT_FOUND:
        text_puts(message, NO_SUCH_JOB);
        return 404;
    case SERVICE_NO_SLOTS:
        text_printf(message,
                    "the behaviour \"%.64s\" has slots, and there are none with the %s store",
                    call->instance->name, service_store_kind(call->port->service));
        return 400;
    case SERVICE_LIMIT:
        *retry_after = 1;
        text_printf(message, "there are as many jobs as max_jobs allows (%lld)",
                    (long long)exchange->worker->server->config->server.max_jobs);
        return 503;
    case SERVICE_FULL:
        *retry_after = 1;
        text_printf(message,
                    "jobs have as many sets of options as max_instances allows (%lld): those that "
                    "they have can be given; new ones again when all jobs of one are over and "
                    "forgotten",
                    (long long)exchange->worker->server->config->server.max_instances);
        return 503;
    case SERVICE_STRANGE: /* to come again does not help */
    case SERVICE_DONE:
        text_puts(message, "the job's record cannot be understood: it was left as it is");
        return 503;
    case SERVICE_REFUSED:
    case SERVICE_WRONG:
    case SERVICE_BUSY:
        break;
    }
    *retry_after = 1;
    text_puts(message, busy[service_store_state(call->port->service)]);
    return 503;
}

void exchange_refusal(struct exchange *exchange)
{
    const struct service_call *call = &exchange->call;
    struct answer *answer = &exchange->answer;
    struct text message = TEXT_INIT;

    if (call->result == SERVICE_REFUSED) {
        write_told(exchange, " refuses to start this job");
        answer->status = call->answer.status;
    } else {
        exchange->call.bent = false;
        answer->status = exchange_refused(exchange, call, &message, &answer->retry_after);
        write_error(exchange, message.failed ? "no memory" : message.bytes);
        text_finish(&message);
    }
    if (call->result == SERVICE_EXISTS && answer->body.length > 0) {
        answer->body.length--;
        text_puts(&answer->body, ", \"job_id\": ");
        text_json(&answer->body, exchange->id, call->store.id.length);
        text_puts(&answer->body, "}");
    }
    exchange_answer(exchange);
}
