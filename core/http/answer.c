/* SPDX-License-Identifier: MIT
 *
 * Sends whole answers through evhttp, quickly. Knows nothing of what they say. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <time.h>

#include "exchange.h"

static const char *http_date(vts_ms moment, char *buffer, size_t size)
{
    /* RFC 9110, 5.6.7. Not strftime: %a and %b follow the locale. */
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(moment / 1000);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm))
        memset(&tm, 0, sizeof(tm));
    snprintf(buffer, size, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
             months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return buffer;
}

const char *answer_features(const struct worker *worker)
{
    static const char with_wait[] = "batch, wait, idempotency-key, options, progress, cancel";
    static const char without[] = "batch, idempotency-key, options, progress, cancel";

    return worker->server->config->server.max_wait >= 1000 ? with_wait : without;
}

/* The value of the field Date, and the line of features behind it: they are the same for all answers of a
 * second. */
static const char *date_of(struct worker *worker)
{
    vts_ms second = clock_now(worker->server->service->clock) / 1000;
    char date[96];

    if (second != worker->date_second) {
        worker->date_second = second;
        snprintf(worker->date, sizeof(worker->date), "%s\r\n" ANSWER_FEATURES ": %s",
                 http_date(second * 1000, date, sizeof(date)), answer_features(worker));
    }
    return worker->date;
}

/* The header fields that an answer has beside those that evhttp adds. */
static void each_field(struct exchange *exchange,
                       void (*add)(void *to, const char *name, const char *value), void *to)
{
    const struct answer *answer = &exchange->answer;
    struct worker *worker = exchange->worker;
    char value[96];

    add(to, "Date", date_of(worker));
    add(to, "Content-Type", answer->type);
    if (answer->status == 401) /* RFC 9110, 15.5.2 */
        add(to, "WWW-Authenticate", "Bearer");
    if (answer->allow)
        add(to, "Allow", answer->allow);
    if (answer->location.length > 0)
        add(to, "Location", answer->location.bytes);
    if (answer->retry_after >= 0) {
        if (answer->retry_after_date)
            http_date(clock_now(worker->server->service->clock) + answer->retry_after * 1000, value,
                      sizeof(value));
        else
            snprintf(value, sizeof(value), "%lld", (long long)answer->retry_after);
        add(to, "Retry-After", value);
    }
    if (answer->waited >= 0) {
        snprintf(value, sizeof(value), "wait=%lld", (long long)answer->waited);
        add(to, "Preference-Applied", value);
    }
    if (answer->close || worker->draining)
        add(to, "Connection", "close");
}

/* As evhttp_add_header, which would refuse a value of two lines. A field costs a twentieth of an answer, so
 * those that are on every answer are added as one. */
static void add_to_request(void *to, const char *name, const char *value)
{
    struct evkeyvalq *headers = to;
    struct evkeyval *header = malloc(sizeof(*header));

    if (!header)
        return;
    header->key = strdup(name);
    header->value = strdup(value);
    if (header->key && header->value) {
        TAILQ_INSERT_TAIL(headers, header, next);
        return;
    }
    free(header->key);
    free(header->value);
    free(header);
}

static void add_to_text(void *to, const char *name, const char *value)
{
    text_printf(to, "%s: %s\r\n", name, value);
}

/* As RFC 9110 and RFC 6585 name them, since a script may answer with any. */
static const char *reason(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } known[] = {{200, "OK"},
                 {201, "Created"},
                 {202, "Accepted"},
                 {203, "Non-Authoritative Information"},
                 {204, "No Content"},
                 {205, "Reset Content"},
                 {206, "Partial Content"},
                 {300, "Multiple Choices"},
                 {301, "Moved Permanently"},
                 {302, "Found"},
                 {303, "See Other"},
                 {304, "Not Modified"},
                 {307, "Temporary Redirect"},
                 {308, "Permanent Redirect"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {402, "Payment Required"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {406, "Not Acceptable"},
                 {407, "Proxy Authentication Required"},
                 {408, "Request Timeout"},
                 {409, "Conflict"},
                 {410, "Gone"},
                 {411, "Length Required"},
                 {412, "Precondition Failed"},
                 {413, "Content Too Large"},
                 {414, "URI Too Long"},
                 {415, "Unsupported Media Type"},
                 {416, "Range Not Satisfiable"},
                 {417, "Expectation Failed"},
                 {421, "Misdirected Request"},
                 {422, "Unprocessable Content"},
                 {426, "Upgrade Required"},
                 {428, "Precondition Required"},
                 {429, "Too Many Requests"},
                 {431, "Request Header Fields Too Large"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {502, "Bad Gateway"},
                 {503, "Service Unavailable"},
                 {504, "Gateway Timeout"},
                 {505, "HTTP Version Not Supported"},
                 {511, "Network Authentication Required"}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].status == status)
            return known[i].phrase;
    }
    return status < 300 ? "Success" : status < 400 ? "Redirection" : "Error";
}

bool answer_has_body(const struct exchange *exchange)
{
    return evhttp_request_get_command(exchange->request) != EVHTTP_REQ_HEAD &&
           exchange->answer.status != 204 && exchange->answer.status != 304;
}

void answer_head(struct exchange *exchange, struct text *head)
{
    text_printf(head, "HTTP/1.1 %d %s\r\n", exchange->answer.status,
                reason(exchange->answer.status));
    each_field(exchange, add_to_text, head);
    if (exchange->answer.status != 204)
        text_printf(head, "Content-Length: %zu\r\n", exchange->answer.body.length);
    text_puts(head, "\r\n");
}

/* Writes an answer out at once instead of from the event loop's next round, which spares the calls to
 * epoll that waiting for a writable socket costs. evhttp freezes the front of its output against
 * others' hands, so it is thawed for the moment. What does not go out at once takes the usual way. */
static void write_at_once(struct evhttp_connection *connection)
{
    struct bufferevent *bufferevent = evhttp_connection_get_bufferevent(connection);
    struct evbuffer *output = bufferevent_get_output(bufferevent);

    evbuffer_unfreeze(output, 1);
    evbuffer_write(output, bufferevent_getfd(bufferevent));
    evbuffer_freeze(output, 1);
    if (evbuffer_get_length(output) > 0)
        return;
    bufferevent_disable(bufferevent, EV_WRITE);
    bufferevent_trigger(bufferevent, EV_WRITE, BEV_TRIG_IGNORE_WATERMARKS);
}

static void on_sent(struct evhttp_request *request, void *arg)
{
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), NULL, NULL);
    exchange_end(arg);
}

static void on_closed(struct evhttp_connection *connection, void *arg)
{
    (void)connection;
    exchange_end(arg);
}

void answer_send(struct exchange *exchange)
{
    struct evhttp_request *request = exchange->request;
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct answer *answer = &exchange->answer;
    char length[24];

    each_field(exchange, add_to_request, headers);
    if (answer_has_body(exchange)) {
        evbuffer_add(evhttp_request_get_output_buffer(request), answer->body.bytes,
                     answer->body.length);
    } else if (answer->status != 204) {
        /* RFC 9110, 8.6: the length that the body would have. evhttp leaves it out. */
        snprintf(length, sizeof(length), "%zu", answer->body.length);
        evhttp_add_header(headers, "Content-Length", length);
    }
    /* Under way until the last byte is out: a worker that drains waits for it. */
    exchange_unpark(exchange);
    exchange->request = NULL;
    evhttp_request_set_on_complete_cb(request, on_sent, exchange);
    evhttp_connection_set_closecb(connection, on_closed, exchange);
    evhttp_send_reply(request, answer->status, reason(answer->status), NULL);
    write_at_once(connection);
}
