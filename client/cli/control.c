/* SPDX-License-Identifier: MIT
 *
 * One request to a vtsimd, and its answer as JSON. See control.h. */
#include "control.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

#define ANSWER_MAX (64 * 1024 * 1024)

struct exchange {
    struct event_base *base;
    const char *url;
    int status; /* 0: there was no answer */
    struct json_object *answer;
};

static void on_answer(struct evhttp_request *request, void *arg)
{
    struct exchange *exchange = arg;
    struct evbuffer *body;
    struct json_tokener *tokener;
    size_t length;

    event_base_loopbreak(exchange->base);
    if (!request)
        return;
    exchange->status = evhttp_request_get_response_code(request);
    body = evhttp_request_get_input_buffer(request);
    length = evbuffer_get_length(body);
    tokener = json_tokener_new();
    if (tokener && length > 0 && length <= ANSWER_MAX)
        exchange->answer =
            json_tokener_parse_ex(tokener, (const char *)evbuffer_pullup(body, -1), (int)length);
    json_tokener_free(tokener);
}

/* Where the server is: "http://HOST[:PORT][/PREFIX]". */
struct place {
    char host[256], prefix[1024];
    int port;
};

static bool find(const char *url, struct place *place)
{
    struct evhttp_uri *uri = evhttp_uri_parse(url);
    const char *host = uri ? evhttp_uri_get_host(uri) : NULL;
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    const char *scheme = uri ? evhttp_uri_get_scheme(uri) : NULL;
    size_t length = path ? strlen(path) : 0;
    bool good = host && *host && scheme && strcmp(scheme, "http") == 0 &&
                strlen(host) < sizeof(place->host) && length < sizeof(place->prefix);

    if (good) {
        bool six = host[0] == '['; /* evhttp connects to an address without brackets */

        snprintf(place->host, sizeof(place->host), "%.*s", (int)(strlen(host) - (six ? 2 : 0)),
                 host + six);
        while (length > 0 && path[length - 1] == '/')
            length--;
        snprintf(place->prefix, sizeof(place->prefix), "%.*s", (int)length, path ? path : "");
        place->port = evhttp_uri_get_port(uri) > 0 ? evhttp_uri_get_port(uri) : 80;
    }
    if (uri)
        evhttp_uri_free(uri);
    return good;
}

static bool send_request(struct evhttp_connection *connection, const struct place *place,
                         const char *target, const char *body, struct exchange *exchange)
{
    struct evhttp_request *request = evhttp_request_new(on_answer, exchange);
    const char *token = getenv("VTSIM_TOKEN");
    char path[8192], host[300], value[512];
    struct evkeyvalq *headers;

    if (!request ||
        snprintf(path, sizeof(path), "%s%s", place->prefix, target) >= (int)sizeof(path))
        return false;
    snprintf(host, sizeof(host), strchr(place->host, ':') ? "[%s]:%d" : "%s:%d", place->host,
             place->port);
    headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Host", host);
    evhttp_add_header(headers, "Connection", "close");
    if (token && *token && snprintf(value, sizeof(value), "Bearer %s", token) < (int)sizeof(value))
        evhttp_add_header(headers, "Authorization", value);
    if (body) {
        evhttp_add_header(headers, "Content-Type", "application/json");
        evbuffer_add(evhttp_request_get_output_buffer(request), body, strlen(body));
    }
    return evhttp_make_request(connection, request, body ? EVHTTP_REQ_POST : EVHTTP_REQ_GET,
                               path) == 0;
}

static void ask(const struct place *place, const char *target, const char *body, int64_t ms,
                struct exchange *exchange)
{
    const struct timeval timeout = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    struct evhttp_connection *connection;

    exchange->base = event_base_new();
    connection = exchange->base ? evhttp_connection_base_new(exchange->base, NULL, place->host,
                                                             (unsigned short)place->port)
                                : NULL;
    if (connection) {
        evhttp_connection_set_timeout_tv(connection, &timeout);
        evhttp_connection_set_max_body_size(connection, ANSWER_MAX);
        if (send_request(connection, place, target, body, exchange))
            event_base_dispatch(exchange->base);
        evhttp_connection_free(connection);
    }
    if (exchange->base)
        event_base_free(exchange->base);
}

static bool is_good(const struct exchange *exchange)
{
    return exchange->status >= 200 && exchange->status <= 299 &&
           json_object_is_type(exchange->answer, json_type_object);
}

struct json_object *control_get(const char *url, const char *target, int64_t timeout_ms)
{
    struct exchange exchange = {.url = url};
    struct place place;

    if (find(url, &place))
        ask(&place, target, NULL, timeout_ms, &exchange);
    if (is_good(&exchange))
        return exchange.answer;
    json_object_put(exchange.answer);
    return NULL;
}

struct json_object *control_ask(const struct arguments *arguments, const char *target,
                                const char *body)
{
    struct exchange exchange = {.url = arguments->options.url};
    struct json_object *message = NULL;
    struct place place;

    if (!find(exchange.url, &place)) {
        output_error("\"%s\" is no server's URL; right is such as http://127.0.0.1:5000",
                     exchange.url);
        return NULL;
    }
    ask(&place, target, body, arguments->options.request_timeout_ms, &exchange);
    if (is_good(&exchange))
        return exchange.answer;
    if (exchange.status == 0)
        output_error("no answer from %s: is vtsimd running there?", exchange.url);
    else if (json_object_is_type(exchange.answer, json_type_object) &&
             json_object_object_get_ex(exchange.answer, "error", &message) &&
             json_object_is_type(message, json_type_string))
        output_error("%s", json_object_get_string(message));
    else
        output_error("%s answered %d, and nothing that a vtsimd says", exchange.url,
                     exchange.status);
    json_object_put(exchange.answer);
    return NULL;
}

bool control_encode(char *out, size_t room, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t used = 0;

    for (; *text; text++) {
        if (used + 4 > room)
            return false;
        if (strchr(plain, *text))
            out[used++] = *text;
        else
            used += (size_t)snprintf(out + used, room - used, "%%%02X", (unsigned char)*text);
    }
    out[used] = '\0';
    return true;
}
