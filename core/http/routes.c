/* SPDX-License-Identifier: MIT
 *
 * From a method and a path to a handler. The one place that knows all paths. */
#include "routes.h"

#include "exchange.h"
#include "request.h"

struct route {
    const char *path; /* what ends with "/" stands for one more segment: an id */
    const char *allow;
    void (*get)(struct exchange *);
    void (*post)(struct exchange *);
    void (*del)(struct exchange *);
};

static const struct route routes[] = {
    {"/status", "GET, HEAD", original_status, NULL, NULL},
    {"/start", "POST", NULL, original_start, NULL},
    {"/jobs/", "GET, HEAD, DELETE", jobs_get, NULL, jobs_delete},
    {"/jobs", "GET, HEAD, POST", jobs_list, jobs_post, NULL},
    {"/_sim/health", "GET, HEAD", sim_health, NULL, NULL},
};

static bool matches(const struct route *route, const struct exchange *exchange)
{
    size_t length = strlen(route->path);

    if (route->path[length - 1] != '/')
        return exchange->path_length == length && memcmp(exchange->path, route->path, length) == 0;
    return exchange->path_length > length && memcmp(exchange->path, route->path, length) == 0 &&
           !memchr(exchange->path + length, '/', exchange->path_length - length);
}

static void (*handler(const struct route *route, enum evhttp_cmd_type method))(struct exchange *)
{
    switch (method) {
    case EVHTTP_REQ_GET:
    case EVHTTP_REQ_HEAD:
        return route->get;
    case EVHTTP_REQ_POST:
        return route->post;
    case EVHTTP_REQ_DELETE:
        return route->del;
    default:
        return NULL;
    }
}

static void route(struct exchange *exchange)
{
    void (*handle)(struct exchange *);
    size_t i;

    for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (!matches(&routes[i], exchange))
            continue;
        handle = handler(&routes[i], evhttp_request_get_command(exchange->request));
        if (handle) {
            handle(exchange);
        } else {
            exchange->answer.allow = routes[i].allow;
            exchange_error(exchange, 405, "this path takes %s", routes[i].allow);
        }
        return;
    }
    exchange_error(exchange, 404,
                   "there is no such path: /start and /status are the original API, "
                   "/jobs is the full one");
}

void route_request(struct worker *worker, struct evhttp_request *request)
{
    struct exchange *exchange = exchange_create(worker, request);

    if (!exchange)
        evhttp_send_error(request, 503, NULL);
    else if (request_open(exchange))
        route(exchange);
}

/* The id that is a path's last segment. */
bool route_id(struct exchange *exchange, const char *prefix)
{
    char id[RECORD_ID_MAX + 1];
    size_t from = strlen(prefix), length;
    struct bytes raw = {exchange->path + from, exchange->path_length - from};

    return request_decode(exchange, "id", raw, false, id, &length) &&
           request_take_id(exchange, "id", id, length);
}
