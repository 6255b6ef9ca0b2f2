/* SPDX-License-Identifier: MIT
 *
 * Answers that a good server does not give: cut in the middle, spread over time, no HTTP at all, or a
 * reset. The connection is taken from evhttp's hands: the bytes go to its bufferevent, with callbacks of
 * ours, and it is closed when they are out. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <sys/socket.h>

#include "exchange.h"

/* Pieces of a dribbled answer are at least this far apart. */
#define PIECE_MS 20

static struct bufferevent *bufferevent_of(const struct exchange *exchange)
{
    return evhttp_connection_get_bufferevent(evhttp_request_get_connection(exchange->request));
}

/* An RST, nothing else: a socket that is "connected to nothing" is reset by Linux. (SO_LINGER would not
 * do: evhttp sends a FIN before it closes.) */
static void reset(struct exchange *exchange)
{
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

    (void)connect(bufferevent_getfd(bufferevent_of(exchange)), &nowhere, sizeof(nowhere));
    exchange_abandon(exchange);
}

/* The answer's own bytes, as far as they will be sent, replace its body. */
static bool write_bytes(struct exchange *exchange)
{
    static const char garbage[] = "\x16\x03\x01 this is no HTTP \xff\xfe\r\n\r\n";
    struct answer *answer = &exchange->answer;
    struct text bytes = TEXT_INIT;

    answer->close = true;
    if (exchange->call.answer.cut == VTS_BREAK_GARBAGE) {
        text_add(&bytes, garbage, sizeof(garbage) - 1);
    } else {
        answer_head(exchange, &bytes);
        if (answer_has_body(exchange))
            text_add(&bytes, answer->body.bytes,
                     exchange->call.answer.cut == VTS_BREAK_TRUNCATE ? answer->body.length / 2
                                                                     : answer->body.length);
    }
    if (bytes.failed) {
        text_finish(&bytes);
        return false;
    }
    text_finish(&answer->body);
    answer->body = bytes;
    return true;
}

static void on_readable(struct bufferevent *bufferevent, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(bufferevent);

    (void)arg;
    evbuffer_drain(input, evbuffer_get_length(input));
}

static void on_written(struct bufferevent *bufferevent, void *arg)
{
    struct exchange *exchange = arg;

    (void)bufferevent;
    if (exchange->sent < exchange->answer.body.length)
        return;
    service_told(&exchange->call);
    exchange_abandon(exchange);
}

static void on_error(struct bufferevent *bufferevent, short what, void *arg)
{
    (void)bufferevent;
    (void)what;
    exchange_abandon(arg);
}

static void send_piece(struct exchange *exchange, size_t length)
{
    size_t left = exchange->answer.body.length - exchange->sent;
    const char *bytes = exchange->answer.body.bytes + exchange->sent;

    if (length > left)
        length = left;
    exchange->sent += length;
    if (bufferevent_write(bufferevent_of(exchange), bytes, length) != 0)
        exchange_abandon(exchange);
}

/* The bytes of one piece, and how many pieces that makes: the last one leaves when the span is over. */
static size_t piece_of(const struct exchange *exchange, size_t *pieces)
{
    size_t length = exchange->answer.body.length, piece;

    *pieces = (size_t)(exchange->call.answer.dribble / PIECE_MS) + 1;
    if (*pieces > length)
        *pieces = length;
    piece = (length + *pieces - 1) / *pieces;
    *pieces = (length + piece - 1) / piece;
    return piece;
}

/* One that rings before its moment lets all that is left go. */
static void on_piece(void *arg)
{
    struct exchange *exchange = arg;
    size_t pieces, piece = piece_of(exchange, &pieces), next = exchange->sent / piece + 1;
    bool last = next >= pieces || exchange->alarm.early;
    vts_ms moment;

    if (!last) {
        moment = exchange->dribble_since +
                 exchange->call.answer.dribble * (vts_ms)next / (vts_ms)(pieces - 1);
        if (!pace_wait(exchange->worker->port, &exchange->alarm, moment, on_piece, exchange)) {
            exchange_abandon(exchange);
            return;
        }
    }
    send_piece(exchange, last ? exchange->answer.body.length : piece);
}

void broken_send(struct exchange *exchange)
{
    const struct vts_answer *bent = &exchange->call.answer;
    struct bufferevent *bufferevent = bufferevent_of(exchange);
    vts_ms idle_ms = exchange->worker->server->config->server.idle_timeout;
    const struct timeval idle = {(time_t)(idle_ms / 1000), (suseconds_t)(idle_ms % 1000 * 1000)};

    if (bent->cut == VTS_BREAK_RESET) {
        reset(exchange);
        return;
    }
    if (bent->cut == VTS_BREAK_EMPTY || !write_bytes(exchange)) {
        exchange_abandon(exchange);
        return;
    }
    exchange->parked = true;
    LIST_INSERT_HEAD(&exchange->worker->parked, exchange, link);
    bufferevent_setcb(bufferevent, on_readable, on_written, on_error, exchange);
    bufferevent_set_timeouts(bufferevent, NULL,
                             &idle); /* one that does not read holds nothing up */
    bufferevent_enable(bufferevent, EV_READ | EV_WRITE);
    if (bent->dribble == 0) {
        send_piece(exchange, exchange->answer.body.length);
        return;
    }
    exchange->dribble_since = clock_now(exchange->worker->server->service->clock);
    exchange->alarm.early = false;
    on_piece(exchange);
}
