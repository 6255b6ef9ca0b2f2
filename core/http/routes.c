/* SPDX-License-Identifier: MIT
 *
 * From a method and a path to a handler. The one place that knows all paths. */
#include "routes.h"

#include "exchange.h"
#include "request.h"

struct route {
    const char *path; /* a "*" stands for one segment: an id */
    const char *allow;
    void (*get)(struct exchange *);
    void (*post)(struct exchange *);
    void (*del)(struct exchange *);
};

static const struct route routes[] = {
    {"/status", "GET, HEAD", original_status, NULL, NULL},
    {"/start", "POST", NULL, original_start, NULL},
    {"/jobs/*", "GET, HEAD, DELETE", jobs_get, NULL, jobs_delete},
    {"/jobs/*/audit", "GET, HEAD", audit_job, NULL, NULL},
    {"/jobs", "GET, HEAD, POST", jobs_list, jobs_post, NULL},
    {SIM_HEALTH, "GET, HEAD", sim_health, NULL, NULL},
    {"/_sim/clock", "GET, HEAD, POST", sim_clock_get, sim_clock_post, NULL},
    {"/_sim/clock/sleep", "POST", NULL, sim_clock_sleep, NULL},
    {"/_sim/clock/participants", "POST", NULL, sim_clock_join, NULL},
    {"/_sim/clock/participants/*", "DELETE", NULL, NULL, sim_clock_leave},
    {"/_sim/reset", "POST", NULL, sim_reset, NULL},
    {"/_sim/config", "GET, HEAD", sim_config, NULL, NULL},
    {"/_sim/behaviours", "GET, HEAD", sim_behaviours, NULL, NULL},
    {"/_sim/jobs/*/finish", "POST", NULL, sim_job_finish, NULL},
    {"/_sim/audit", "GET, HEAD", audit_all, NULL, NULL},
    {"/_sim/audit/expect", "POST", NULL, audit_expect, NULL},
    {"/_sim/audit/verdict", "GET, HEAD", audit_verdict, NULL, NULL},
};

static bool matches(const struct route *route, const struct exchange *exchange)
{
    const char *star = strchr(route->path, '*'), *at = exchange->path;
    size_t before = star ? (size_t)(star - route->path) : strlen(route->path);
    size_t behind = star ? strlen(star + 1) : 0, length = exchange->path_length;

    if (!star)
        return length == before && memcmp(at, route->path, length) == 0;
    return length > before + behind && memcmp(at, route->path, before) == 0 &&
           memcmp(at + length - behind, star + 1, behind) == 0 &&
           !memchr(at + before, '/', length - before - behind);
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

    if (!sim_allowed(exchange))
        return;
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
    if (exchange->path_length >= strlen(SIM_PREFIX) &&
        memcmp(exchange->path, SIM_PREFIX, strlen(SIM_PREFIX)) == 0)
        exchange_error(exchange, 404,
                       "there is no such path under /_sim/: it has health, clock, clock/sleep, "
                       "clock/participants, reset, config, behaviours, jobs/ID/finish, audit, "
                       "audit/expect and audit/verdict");
    else
        exchange_error(exchange, 404,
                       "there is no such path: /start and /status are the original API, "
                       "/jobs is the full one");
}

void route_request(struct worker *worker, struct evhttp_request *request, bool control)
{
    struct exchange *exchange = exchange_create(worker, request);

    if (!exchange) {
        evhttp_send_error(request, 503, NULL);
        return;
    }
    exchange->control = control;
    if (request_open(exchange))
        route(exchange);
}

bool route_id(struct exchange *exchange, const char *prefix)
{
    return route_id_between(exchange, prefix, "");
}

bool route_id_between(struct exchange *exchange, const char *prefix, const char *tail)
{
    char id[RECORD_ID_MAX + 1];
    size_t from = strlen(prefix), length;
    struct bytes raw = {exchange->path + from, exchange->path_length - from - strlen(tail)};

    return request_decode(exchange, "id", raw, false, id, &length) &&
           request_take_id(exchange, "id", id, length);
}
