/* SPDX-License-Identifier: MIT
 *
 * One request to /_sim/clock. It is no part of the service that the library speaks to, so it is asked here, with
 * evhttp; what the server thinks of a word is the server's to say. */
#include "clock.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

#define PATH "/_sim/clock"

struct asking {
    struct event_base *base;
    struct evhttp_connection *connection;
    struct evhttp_uri *uri;
    const char *url;
    struct json_object *body; /* NULL: a GET */
    bool json;
    int code;
};

/* ---- the words ---- */

static const struct {
    const char *word;
    const char *argument; /* NULL: it takes none */
} words[] = {{"freeze", NULL},    {"thaw", NULL},   {"next", NULL},
             {"advance", "TIME"}, {"to", "MOMENT"}, {"rate", "NUMBER"}};

enum { WORDS = sizeof(words) / sizeof(words[0]) };

static struct json_object *rate_of(const char *text)
{
    char *end;
    double rate = strtod(text, &end);

    return *text && !*end ? json_object_new_double_s(rate, text) : NULL;
}

/* The request's body; NULL after a line that says what is wrong. */
static struct json_object *body_of(const char *word, const char *argument)
{
    struct json_object *body = json_object_new_object(), *value;

    if (!argument)
        value = json_object_new_boolean(strcmp(word, "thaw") != 0);
    else if (strcmp(word, "rate") == 0)
        value = rate_of(argument);
    else
        value = json_object_new_string(argument);
    if (body && value) {
        json_object_object_add(body, strcmp(word, "thaw") == 0 ? "freeze" : word, value);
        return body;
    }
    json_object_put(body);
    output_error("clock: rate: \"%s\" is not a number; try vtsim --help", argument);
    return NULL;
}

static bool read_words(const struct arguments *arguments, struct json_object **body)
{
    const char *argument = arguments->id_count > 1 ? arguments->ids[1] : NULL;

    *body = NULL;
    if (arguments->id_count == 0)
        return true;
    for (size_t i = 0; i < WORDS; i++) {
        if (strcmp(words[i].word, arguments->id) != 0)
            continue;
        if (!argument == !words[i].argument) {
            *body = body_of(words[i].word, argument);
            return *body != NULL;
        }
        output_error("clock: right is vtsim clock %s%s%s", words[i].word,
                     words[i].argument ? " " : "", words[i].argument ? words[i].argument : "");
        return false;
    }
    output_error(
        "clock: unknown word \"%s\"; right are freeze, thaw, next, advance TIME, to MOMENT, "
        "rate NUMBER",
        arguments->id);
    return false;
}

/* ---- the answer ---- */

static const char *text_of(struct json_object *object, const char *name)
{
    const char *text = json_object_get_string(json_object_object_get(object, name));

    return text ? text : "";
}

static void print_clock(struct json_object *clock)
{
    struct json_object *held = json_object_object_get(clock, "held_by");
    const char *mode = text_of(clock, "mode");
    char name[1024];

    output_print("%s, %s clock", text_of(clock, "now"), mode);
    if (strcmp(mode, "scaled") == 0)
        output_print(" at rate %s", text_of(clock, "rate"));
    if (json_object_get_boolean(json_object_object_get(clock, "frozen")))
        output_print(", frozen");
    for (size_t i = 0; held && i < json_object_array_length(held); i++) {
        output_escape(name, sizeof(name),
                      json_object_get_string(json_object_array_get_idx(held, i)));
        output_print("%s%s", i > 0 ? ", " : ", held by ", name);
    }
    output_print("\n");
}

static void on_answer(struct evhttp_request *request, void *arg)
{
    struct asking *asking = arg;
    struct evbuffer *buffer = request ? evhttp_request_get_input_buffer(request) : NULL;
    int status = request ? evhttp_request_get_response_code(request) : 0;
    const char *text = NULL;
    struct json_object *answer;

    event_base_loopbreak(asking->base);
    if (status == 0) {
        output_error("%s: the server was not reached", asking->url);
        return;
    }
    if (evbuffer_add(buffer, "", 1) == 0)
        text = (const char *)evbuffer_pullup(buffer, -1);
    answer = text ? json_tokener_parse(text) : NULL;
    if (status != 200) {
        output_error("%s: %s (%d)", asking->url,
                     answer && *text_of(answer, "error") ? text_of(answer, "error")
                                                         : "the server has no such clock",
                     status);
    } else if (!json_object_is_type(answer, json_type_object) || !*text_of(answer, "now")) {
        output_error("%s: the answer makes no sense", asking->url);
    } else {
        asking->code = EXIT_COMPLETED;
        if (asking->json)
            output_print("%s\n", text);
        else
            print_clock(answer);
    }
    json_object_put(answer);
}

/* ---- the request ---- */

static bool send_request(struct asking *asking, const char *host, const char *path)
{
    struct evhttp_request *request = evhttp_request_new(on_answer, asking);
    const char *token = getenv("VTSIM_TOKEN"), *text;
    struct evkeyvalq *headers;
    char value[512];

    if (!request)
        return false;
    headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Host", host);
    if (token && *token &&
        (size_t)snprintf(value, sizeof(value), "Bearer %s", token) < sizeof(value))
        evhttp_add_header(headers, "Authorization", value);
    if (asking->body) {
        text = json_object_to_json_string(asking->body);
        evhttp_add_header(headers, "Content-Type", "application/json");
        evbuffer_add(evhttp_request_get_output_buffer(request), text, strlen(text));
    }
    return evhttp_make_request(asking->connection, request,
                               asking->body ? EVHTTP_REQ_POST : EVHTTP_REQ_GET, path) == 0;
}

static bool begin(struct asking *asking, int64_t timeout_ms)
{
    const struct timeval timeout = {(time_t)(timeout_ms / 1000),
                                    (suseconds_t)(timeout_ms % 1000 * 1000)};
    const char *host, *prefix;
    char path[1024], name[512];
    int port;

    asking->uri = evhttp_uri_parse(asking->url);
    host = asking->uri ? evhttp_uri_get_host(asking->uri) : NULL;
    prefix = host ? evhttp_uri_get_path(asking->uri) : NULL;
    if (!host || !evhttp_uri_get_scheme(asking->uri) ||
        strcmp(evhttp_uri_get_scheme(asking->uri), "http") != 0) {
        output_error("%s: not a URL that can be asked; right is http://HOST:PORT", asking->url);
        return false;
    }
    port = evhttp_uri_get_port(asking->uri) > 0 ? evhttp_uri_get_port(asking->uri) : 80;
    snprintf(path, sizeof(path), "%.*s" PATH,
             (int)strlen(prefix) - (*prefix && prefix[strlen(prefix) - 1] == '/'), prefix);
    snprintf(name, sizeof(name), "%s:%d", host, port);
    asking->base = event_base_new();
    if (asking->base)
        asking->connection = evhttp_connection_base_new(asking->base, NULL, host, (uint16_t)port);
    if (asking->connection)
        evhttp_connection_set_timeout_tv(asking->connection, &timeout);
    if (asking->connection && send_request(asking, name, path))
        return true;
    output_error("no memory");
    return false;
}

int clock_command(const struct arguments *arguments)
{
    struct asking asking = {
        .url = arguments->options.url, .json = arguments->json, .code = EXIT_SERVER};

    if (!read_words(arguments, &asking.body))
        return EXIT_USAGE;
    if (begin(&asking, arguments->options.request_timeout_ms))
        event_base_dispatch(asking.base);
    if (asking.connection)
        evhttp_connection_free(asking.connection);
    if (asking.uri)
        evhttp_uri_free(asking.uri);
    if (asking.base)
        event_base_free(asking.base);
    json_object_put(asking.body);
    return asking.code;
}
