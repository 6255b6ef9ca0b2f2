/* SPDX-License-Identifier: MIT
 *
 * How clients ask, as JSON: GET /jobs/{id}/audit, GET /_sim/audit, and the limits of a test with their verdict.
 * What the figures mean is the room audit's. */
#include <math.h>
#include <stdlib.h>

#include "job_json.h"
#include "request.h"
#include "routes.h"

#define REASONS_MOST 1000
#define JOBS_DEFAULT 100
#define JOBS_MOST    1000

/* ---- figures ---- */

static void put_number(struct text *body, const char *lead, const char *name, const char *format,
                       double number)
{
    text_printf(body, "%s\"%s\": ", lead, name);
    if (number < 0)
        text_puts(body, "null");
    else
        text_printf(body, format, number);
}

static void add_factor(struct text *body, const char *name, double factor)
{
    put_number(body, ", ", name, "%.6g", factor);
}

/* Seconds, to the half of a millisecond that a median can have, however many they are. */
static void add_seconds(struct text *body, const char *name, double seconds)
{
    put_number(body, ", ", name, "%.15g", seconds);
}

static void add_count(struct text *body, const char *name, uint64_t number)
{
    text_printf(body, ", \"%s\": %llu", name, (unsigned long long)number);
}

static void add_intervals(struct text *body, const struct audit_figures *figures)
{
    text_puts(body, ", \"intervals\": {");
    put_number(body, "", "min", "%.15g", figures->interval_min);
    add_seconds(body, "median", figures->interval_median);
    add_seconds(body, "max", figures->interval_max);
    text_puts(body, "}");
}

/* The members that a job and the sum have in common, each behind a comma. */
static void add_figures(struct text *body, const struct audit_figures *figures)
{
    add_count(body, "polls", figures->polls);
    add_count(body, "useless_polls", figures->useless_polls);
    add_count(body, "early_polls", figures->early_polls);
    add_count(body, "early_starts", figures->early_starts);
    add_count(body, "polls_after_end", figures->polls_after_end);
    add_count(body, "duplicate_starts", figures->duplicate_starts);
    add_count(body, "connections", figures->connections);
    add_count(body, "faults", figures->faults);
    add_count(body, "unseen", figures->unseen);
    add_count(body, "abandoned", figures->abandoned);
    add_seconds(body, "detection_delay", figures->detection_delay);
    add_intervals(body, figures);
    add_factor(body, "growth", figures->growth);
    add_factor(body, "jitter", figures->jitter);
    add_factor(body, "cost", figures_cost(figures));
}

static void add_span(struct text *body, const char *name, vts_ms from, vts_ms to)
{
    if (to == RECORD_NEVER)
        text_printf(body, ", \"%s\": null", name);
    else
        text_printf(body, ", \"%s\": %.3f", name, (double)(to - from) / 1000);
}

/* {"id": "a", "state": "completed", "created_at": ..., "ended_at": ..., "span": ..., figures: without its end. */
static void open_job(struct text *body, struct bytes id, int state, vts_ms created_at,
                     vts_ms ended_at, const struct audit_figures *figures)
{
    text_puts(body, "{\"id\": ");
    text_json(body, id.at, id.length);
    text_printf(body, ", \"state\": \"%s\"", state_name(state));
    job_json_moment(body, "created_at", created_at);
    job_json_moment(body, "ended_at", ended_at);
    add_span(body, "duration", created_at, ended_at);
    add_figures(body, figures);
}

static bool audited(struct exchange *exchange)
{
    if (exchange->worker->server->service->audited)
        return true;
    exchange_error(exchange, 409, "the audit is off: write [audit] enabled = on");
    return false;
}

/* ---- one job ---- */

static void add_marks(struct text *body, const struct service_call *call)
{
    int i;

    if (call->mark_count < 0) {
        text_puts(body, ", \"times\": null");
        return;
    }
    text_puts(body, ", \"times\": [");
    for (i = 0; i < call->mark_count; i++) {
        const struct audit_mark *mark = &call->marks[i];

        text_printf(body, "%s{\"at\": %.3f", i > 0 ? ", " : "", (double)mark->since / 1000);
        if (mark->fault == AUDIT_STATUS)
            text_printf(body, ", \"fault\": \"status %d\"", mark->status);
        else if (mark->fault != AUDIT_GOOD)
            text_printf(body, ", \"fault\": \"%s\"", audit_fault_name(mark->fault));
        text_puts(body, mark->early ? ", \"early\": true}" : "}");
    }
    text_puts(body, "]");
}

static void job_audited(struct exchange *exchange)
{
    const struct service_call *call = &exchange->call;
    struct text *body = &exchange->answer.body;
    struct job job;

    if (call->result != SERVICE_DONE || !service_job(call, &job)) {
        exchange_refusal(exchange);
        return;
    }
    open_job(body, job.id, (int)job.state, job.created_at, job.ended_at, &call->figures);
    add_span(body, "age", job.created_at, call->store.now);
    add_marks(body, call);
    text_puts(body, "}");
    exchange_answer(exchange);
}

void audit_job(struct exchange *exchange)
{
    static const char *const none[] = {NULL};

    if (!audited(exchange) || !request_parameters_known(exchange, none) ||
        !route_id_between(exchange, "/jobs/", "/audit"))
        return;
    exchange->call.want_job = true;
    exchange_call(exchange, service_audit, job_audited);
}

/* ---- a walk over all ---- */

struct tour {
    struct service_audit_walk walk; /* first */
    struct exchange *exchange;
    char glob[RECORD_ID_MAX + 1];
    /* GET /_sim/audit: first the jobs of a page, then the sum of all. */
    struct audit_sum sum;
    size_t rows, limit;
    bool summing, more;
    char last[RECORD_ID_MAX + 1];
    /* GET /_sim/audit/verdict */
    struct audit_totals totals;
    size_t reasons, left_out;
    struct text told; /* the reasons */
};

static void tour_free(void *arg)
{
    struct tour *tour = arg;

    service_audit_walk_finish(&tour->walk);
    sum_finish(&tour->sum);
    text_finish(&tour->told);
    free(tour);
}

static void tour_done(struct service_audit_walk *walk)
{
    exchange_called_back(((struct tour *)walk)->exchange);
}

/* The query's pattern of ids is the tour's. NULL where the request was answered. */
static struct tour *make_tour(struct exchange *exchange)
{
    struct tour *tour = calloc(1, sizeof(*tour));
    size_t length;

    if (!tour) {
        exchange_error(exchange, 503, "no memory for the audit");
        return NULL;
    }
    exchange->own = tour;
    exchange->own_free = tour_free;
    tour->exchange = exchange;
    tour->walk.port = exchange->worker->port;
    tour->walk.done = tour_done;
    if (!request_parameter(exchange, "job", tour->glob, &length))
        return NULL;
    if (length == 0) {
        exchange_error(exchange, 400, "job is empty: give a pattern of ids, such as film_*");
        return NULL;
    }
    tour->walk.glob = length == SIZE_MAX ? NULL : tour->glob;
    return tour;
}

static void ask_walk(struct service_call *call)
{
    service_audit_walk(&((struct tour *)((struct exchange *)call)->own)->walk);
}

static bool walk_good(struct exchange *exchange)
{
    const struct tour *tour = exchange->own;

    if (tour->walk.store.err == VTS_OK && !tour->sum.failed && !tour->told.failed)
        return true;
    exchange->call.result = SERVICE_BUSY;
    exchange_refusal(exchange);
    return false;
}

/* ---- GET /_sim/audit ---- */

static bool all_jobs(const struct tour *tour)
{
    return !tour->walk.glob || strcmp(tour->walk.glob, "*") == 0;
}

static bool list_row(struct service_audit_walk *walk, const struct record *record,
                     const struct audit_figures *figures)
{
    struct tour *tour = (struct tour *)walk;
    struct text *body = &tour->exchange->answer.body;

    if (tour->summing) {
        sum_add(&tour->sum, figures);
        return true;
    }
    if (tour->rows == tour->limit) {
        tour->more = true;
        return false;
    }
    text_puts(body, tour->rows++ > 0 ? ", " : "");
    open_job(body, (struct bytes){record->id, record->id_length}, record->state, record->created_at,
             record->ended_at, figures);
    text_puts(body, "}");
    memcpy(tour->last, record->id, (size_t)record->id_length + 1);
    return true;
}

static void write_sum(struct exchange *exchange)
{
    struct tour *tour = exchange->own;
    const struct audit_known *known = &tour->walk.known;
    struct text *body = &exchange->answer.body;

    if (!walk_good(exchange))
        return;
    if (all_jobs(tour))
        known_add_gone(known, &tour->sum);
    sum_close(&tour->sum);
    if (all_jobs(tour))
        tour->sum.all.connections = known->connections;
    text_printf(body, "], \"next\": ");
    if (tour->more)
        text_json(body, tour->last, strlen(tour->last));
    else
        text_puts(body, "null");
    text_printf(body, ", \"sum\": {\"jobs\": %llu, \"ended\": %llu",
                (unsigned long long)tour->sum.all.jobs, (unsigned long long)tour->sum.all.ended);
    add_figures(body, &tour->sum.all);
    if (all_jobs(tour))
        add_count(body, "unknown_polls", known->unknown_polls);
    text_puts(body, "}}");
    exchange_answer(exchange);
}

static void page_written(struct exchange *exchange)
{
    struct tour *tour = exchange->own;

    if (!walk_good(exchange))
        return;
    tour->summing = true;
    *tour->walk.from = '\0';
    exchange_call(exchange, ask_walk, write_sum);
}

void audit_all(struct exchange *exchange)
{
    static const char *const known[] = {"job", "limit", "after", NULL};
    struct tour *tour;
    size_t length;

    if (!audited(exchange) || !request_parameters_known(exchange, known))
        return;
    tour = make_tour(exchange);
    if (!tour || !request_parameter(exchange, "after", tour->walk.from, &length) ||
        !request_limit(exchange, JOBS_DEFAULT, JOBS_MOST, &tour->limit))
        return;
    tour->walk.row = list_row;
    text_puts(&exchange->answer.body, "{\"jobs\": [");
    exchange_call(exchange, ask_walk, page_written);
}

/* ---- GET /_sim/audit/verdict ---- */

static void add_reason(struct tour *tour, size_t limit, const char *id, double figure)
{
    struct text *told = &tour->told;
    const char *format = audit_limits[limit].unit == AUDIT_FACTOR ? "%.6g" : "%.15g";

    if (tour->reasons == REASONS_MOST) {
        tour->left_out++;
        return;
    }
    text_puts(told, tour->reasons++ > 0 ? ", " : "");
    text_printf(told, "{\"limit\": \"%s\", \"job\": ", audit_limits[limit].name);
    if (id)
        text_json(told, id, strlen(id));
    else
        text_puts(told, "null");
    put_number(told, ", ", "figure", format, figure);
    put_number(told, ", ", "bound", format, tour->walk.known.bounds.bound[limit]);
    text_puts(told, "}");
}

static bool judge_row(struct service_audit_walk *walk, const struct record *record,
                      const struct audit_figures *figures)
{
    struct tour *tour = (struct tour *)walk;
    size_t limit;

    tour->totals.jobs++;
    tour->totals.ended += figures->ended;
    for (limit = 0; limit < AUDIT_LIMITS; limit++)
        if (bounds_broken(&walk->known.bounds, limit, figures))
            add_reason(tour, limit, record->id, audit_limits[limit].figure(figures));
    return true;
}

/* Of jobs that are gone the worst is told for each limit. */
static void judge_gone(struct tour *tour)
{
    const struct audit_known *known = &tour->walk.known;
    const struct audit_worst *worst;
    size_t limit;

    tour->totals.jobs += known->gone.jobs;
    tour->totals.ended += known->gone.ended;
    tour->totals.unknown_polls = known->unknown_polls;
    for (limit = 0; limit < AUDIT_LIMITS; limit++) {
        worst = &known->worst[limit];
        if (audit_limits[limit].figure &&
            bounds_exceeded(limit, worst->figure, known->bounds.bound[limit]))
            add_reason(tour, limit, worst->id, worst->figure);
    }
}

static void judge_totals(struct tour *tour)
{
    size_t limit;

    for (limit = 0; limit < AUDIT_LIMITS; limit++)
        if (bounds_missed(&tour->walk.known.bounds, limit, &tour->totals))
            add_reason(tour, limit, NULL, audit_limits[limit].total(&tour->totals));
}

static void write_verdict(struct exchange *exchange)
{
    struct tour *tour = exchange->own;
    struct text *body = &exchange->answer.body;

    if (tour->walk.store.err == VTS_OK && all_jobs(tour))
        judge_gone(tour);
    if (tour->walk.store.err == VTS_OK)
        judge_totals(tour);
    if (!walk_good(exchange))
        return;
    text_printf(body, "{\"verdict\": \"%s\", \"reasons\": [", tour->reasons > 0 ? "fail" : "pass");
    if (tour->told.length > 0)
        text_add(body, tour->told.bytes, tour->told.length);
    text_puts(body, "]");
    if (tour->left_out > 0)
        add_count(body, "left_out", tour->left_out);
    text_puts(body, "}");
    exchange_answer(exchange);
}

void audit_verdict(struct exchange *exchange)
{
    static const char *const known[] = {"job", NULL};
    struct tour *tour;

    if (!audited(exchange) || !request_parameters_known(exchange, known))
        return;
    tour = make_tour(exchange);
    if (!tour)
        return;
    tour->walk.row = judge_row;
    exchange_call(exchange, ask_walk, write_verdict);
}

/* ---- POST /_sim/audit/expect ---- */

static void refuse_limit(struct exchange *exchange, const char *name)
{
    struct text names = TEXT_INIT;
    size_t i;

    for (i = 0; i < AUDIT_LIMITS; i++)
        text_printf(&names, "%s%s", i > 0 ? ", " : "", audit_limits[i].name);
    exchange_error(exchange, 400, "unknown limit \"%.64s\": there are %s", name,
                   names.failed ? "others" : names.bytes);
    text_finish(&names);
}

/* What a name is taken for, or NULL, with the request answered. */
static const struct audit_limit *find_limit(struct exchange *exchange, const char *name)
{
    const char *names[AUDIT_LIMITS + 1], *nearest;
    size_t i;

    for (i = 0; i < AUDIT_LIMITS; i++) {
        if (strcmp(audit_limits[i].name, name) == 0)
            return &audit_limits[i];
        names[i] = audit_limits[i].name;
    }
    names[i] = NULL;
    nearest = text_nearest(name, names);
    if (nearest)
        exchange_error(exchange, 400, "unknown limit \"%.64s\"; did you mean \"%s\"?", name,
                       nearest);
    else
        refuse_limit(exchange, name);
    return NULL;
}

/* A span of time as the INI file has it. */
static bool read_span(const char *text, double *seconds)
{
    static const struct vts_option span = {
        .type = VTS_TIME, .key = "limit", .fallback = "0", .help = "a limit"};
    vts_ms ms;

    if (!options_parse(&span, text, &ms, NULL))
        return false;
    *seconds = (double)ms / 1000;
    return true;
}

static bool read_bound(const struct audit_limit *limit, struct json_object *value, double *bound)
{
    switch (limit->unit) {
    case AUDIT_COUNT:
        *bound = (double)json_object_get_int64(value);
        return json_object_is_type(value, json_type_int) && *bound >= 0;
    case AUDIT_SECONDS:
        return json_object_is_type(value, json_type_string) &&
               read_span(json_object_get_string(value), bound);
    case AUDIT_FACTOR:
        break;
    }
    *bound = json_object_get_double(value);
    return (json_object_is_type(value, json_type_double) ||
            json_object_is_type(value, json_type_int)) &&
           isfinite(*bound) && *bound >= 0;
}

static bool take_limit(struct exchange *exchange, const char *name, struct json_object *value,
                       struct audit_bounds *bounds)
{
    static const char *const right[] = {
        [AUDIT_COUNT] = "a whole number, 0 or more",
        [AUDIT_SECONDS] = "a time as a string, one number and one unit, such as \"5s\"",
        [AUDIT_FACTOR] = "a number, 0 or more"};
    const struct audit_limit *limit = find_limit(exchange, name);

    if (!limit)
        return false;
    if (read_bound(limit, value, &bounds->bound[limit - audit_limits]))
        return true;
    exchange_error(exchange, 400, "%s is %.64s; write %s", name,
                   json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
                                                             JSON_C_TO_STRING_NOSLASHESCAPE),
                   right[limit->unit]);
    return false;
}

/* "intervals": {"min": "1s"} is the limit "intervals.min". */
static bool take_intervals(struct exchange *exchange, struct json_object *object,
                           struct audit_bounds *bounds)
{
    char name[96];

    json_object_object_foreach(object, key, value)
    {
        snprintf(name, sizeof(name), "intervals.%.64s", key);
        if (!take_limit(exchange, name, value, bounds))
            return false;
    }
    return true;
}

static bool take_limits(struct exchange *exchange, struct audit_bounds *bounds)
{
    bounds_clear(bounds);
    json_object_object_foreach(exchange->body, key, value)
    {
        bool nested = strcmp(key, "intervals") == 0;

        if (nested && !json_object_is_type(value, json_type_object)) {
            exchange_error(exchange, 400,
                           "intervals is an object: {\"min\": \"1s\", \"max\": \"30s\"}");
            return false;
        }
        if (!(nested ? take_intervals(exchange, value, bounds)
                     : take_limit(exchange, key, value, bounds)))
            return false;
    }
    return true;
}

static void ask_expect(struct service_call *call)
{
    service_audit_expect(call, ((struct exchange *)call)->own);
}

static void expect_done(struct exchange *exchange)
{
    const struct audit_bounds *bounds = exchange->own;
    size_t i, set = 0;

    if (exchange->call.result != SERVICE_DONE) {
        exchange_refusal(exchange);
        return;
    }
    for (i = 0; i < AUDIT_LIMITS; i++)
        set += bounds->bound[i] >= 0;
    text_printf(&exchange->answer.body, "{\"limits\": %zu}", set);
    exchange_answer(exchange);
}

void audit_expect(struct exchange *exchange)
{
    struct audit_bounds *bounds;

    if (!audited(exchange) || !request_body(exchange))
        return;
    bounds = malloc(sizeof(*bounds));
    if (!bounds) {
        exchange_error(exchange, 503, "no memory for the limits");
        return;
    }
    exchange->own = bounds;
    exchange->own_free = free;
    if (take_limits(exchange, bounds))
        exchange_call(exchange, ask_expect, expect_done);
}
