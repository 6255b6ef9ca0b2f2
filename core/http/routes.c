/* SPDX-License-Identifier: MIT
 *
 * From a method and a path to a handler. The one place that knows all paths. */
#include "routes.h"

#include "exchange.h"
#include "request.h"

struct route {
    const char *path; /* "{}" stands for one segment: an id */
    const char *allow;
    void (*get)(struct exchange *);
    void (*post)(struct exchange *);
    void (*del)(struct exchange *);
};

static const struct route routes[] = {
    {"/status", "GET, HEAD", original_status, NULL, NULL},
    {"/start", "POST", NULL, original_start, NULL},
    {"/jobs/{}", "GET, HEAD, DELETE", jobs_get, NULL, jobs_delete},
    {"/jobs", "GET, HEAD, POST", jobs_list, jobs_post, NULL},
    {"/jobs/{}/audit", "GET, HEAD", audit_job, NULL, NULL},
    {"/_sim/health", "GET, HEAD", sim_health, NULL, NULL},
    {"/_sim/audit", "GET, HEAD", audit_all, NULL, NULL},
    {"/_sim/audit/expect", "POST", NULL, audit_expect, NULL},
    {"/_sim/audit/verdict", "GET, HEAD", audit_verdict, NULL, NULL},
};

static bool matches(const struct route *route, const struct exchange *exchange)
{
    const char *at = exchange->path, *end = at + exchange->path_length, *segment;
    const char *pattern = route->path;

    while (*pattern) {
        if (*pattern == '{') {
            segment = at;
            while (at < end && *at != '/')
                at++;
            if (at == segment)
                return false;
            pattern += strlen("{}");
        } else if (at == end || *at++ != *pattern++) {
            return false;
        }
    }
    return at == end;
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
    const char *slash = memchr(raw.at, '/', raw.length);

    if (slash)
        raw.length = (size_t)(slash - raw.at);
    return request_decode(exchange, "id", raw, false, id, &length) &&
           request_take_id(exchange, "id", id, length);
}
