/* SPDX-License-Identifier: MIT
 *
 * The full API: jobs as objects. POST /jobs, GET /jobs/{id}, GET /jobs, DELETE /jobs/{id}. */
#include <stdlib.h>
#include <sys/random.h>

#include "../base/rng.h"
#include "job_json.h"
#include "request.h"
#include "routes.h"

/* A page of a listing, and the records that are looked at for one: it may come out short. */
#define PAGE_LIMIT   1000
#define PAGE_DEFAULT 100
#define PAGE_SCAN    10000
#define PAGE_BYTES   ((size_t)256 * 1024) /* a page that has as many takes no more jobs */

/* Answers with the call's job. */
static void answer_job(struct exchange *exchange)
{
    const struct service_call *call = &exchange->call;
    struct job job;

    if (call->result != SERVICE_DONE || !service_job(call, &job)) {
        exchange_refusal(exchange);
        return;
    }
    job_json(&exchange->answer.body, &job, call->told, call->store.polls, call->store.now,
             call->bent ? &call->answer : NULL);
    exchange_answer(exchange);
}

/* ---- one job ---- */

static void ask_wait(struct service_call *call)
{
    service_wait(call, ((struct exchange *)call)->answer.waited * 1000);
}

/* Preference-Applied is said where the client's wish was obeyed: not with an answer that came at once for
 * another reason than that there was news. */
static void answer_wait(struct exchange *exchange)
{
    const struct service_call *call = &exchange->call;

    if (!call->wait.applied || call->result != SERVICE_DONE || call->bent)
        exchange->answer.waited = -1;
    answer_job(exchange);
}

void jobs_get(struct exchange *exchange)
{
    int64_t most = exchange->worker->server->config->server.max_wait / 1000, seconds;

    if (!route_id(exchange, "/jobs/"))
        return;
    exchange->call.want_job = true;
    seconds = most > 0 ? request_wait(exchange) : -1;
    if (seconds < 0) {
        exchange_call(exchange, service_status, answer_job);
        return;
    }
    exchange->answer.waited = seconds < most ? seconds : most;
    exchange_call(exchange, ask_wait, answer_wait);
}

void jobs_delete(struct exchange *exchange)
{
    if (!route_id(exchange, "/jobs/"))
        return;
    exchange->call.want_job = true;
    exchange_call(exchange, service_cancel, answer_job);
}

/* ---- a new job ---- */

static void add_location(struct text *location, const struct exchange *exchange)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    const char *at;

    text_puts(location, "/jobs/");
    for (at = exchange->id; *at; at++) {
        if (strchr(plain, *at))
            text_add(location, at, 1);
        else
            text_printf(location, "%%%02X", (unsigned char)*at);
    }
}

static void post_done(struct exchange *exchange)
{
    if (exchange->call.result == SERVICE_DONE) {
        exchange->answer.status = 201;
        add_location(&exchange->answer.location, exchange);
    }
    answer_job(exchange);
}

static bool members_known(struct exchange *exchange)
{
    static const char *const known[] = {"id", "behaviour", "options", "input", NULL};
    const char *nearest;
    size_t i;

    json_object_object_foreach(exchange->body, key, member)
    {
        (void)member;
        for (i = 0; known[i] && strcmp(key, known[i]) != 0; i++)
            ;
        if (known[i])
            continue;
        nearest = text_nearest(key, known);
        if (nearest)
            exchange_error(exchange, 400, "unknown member \"%.64s\"; did you mean \"%s\"?", key,
                           nearest);
        else
            exchange_error(exchange, 400,
                           "unknown member \"%.64s\": a job takes id, behaviour, options and input",
                           key);
        return false;
    }
    return true;
}

/* A job that the client gave no id gets one that nobody can guess and no other has. */
static bool make_id(struct exchange *exchange)
{
    uint64_t number;
    char id[32];

    if (getrandom(&number, sizeof(number), 0) != sizeof(number)) {
        exchange_error(exchange, 503, "the system has no random numbers for an id");
        return false;
    }
    snprintf(id, sizeof(id), "job-%016llx", (unsigned long long)number);
    return request_take_id(exchange, "id", id, strlen(id));
}

/* The id for a start with a key: always the same, so that a repeat finds the job by it. That two keys get
 * the same one by chance will not happen; if it did, the second would be told that the id is taken. */
static bool id_of_key(struct exchange *exchange)
{
    const char *key = exchange->key.bytes + RECORD_HASH;
    size_t length = exchange->key.length - RECORD_HASH;
    char id[64];

    snprintf(id, sizeof(id), "job-%016llx%016llx", (unsigned long long)rng_hash(key, length, 3),
             (unsigned long long)rng_hash(key, length, 4));
    return request_take_id(exchange, "id", id, strlen(id));
}

static void key_claimed(struct exchange *exchange)
{
    if (exchange->call.result != SERVICE_DONE)
        exchange_refusal(exchange);
    else if (request_body_id(exchange, "id"))
        exchange_call(exchange, service_start, post_done);
}

/* A key and an id of the client's own: the job is found by its id, and whether the key was given with
 * another body, which may name another job, is found by the id that is made of the key. */
static void post_with_both(struct exchange *exchange)
{
    if (id_of_key(exchange))
        exchange_call(exchange, service_claim_key, key_claimed);
}

void jobs_post(struct exchange *exchange)
{
    bool has_id, has_key;

    if (!request_body(exchange) || !members_known(exchange) || !request_key(exchange, &has_key))
        return;
    if (has_key)
        exchange->call.idempotency = (struct bytes){exchange->key.bytes, exchange->key.length};
    has_id = json_object_object_get_ex(exchange->body, "id", NULL);
    if (!(has_id    ? request_body_id(exchange, "id")
          : has_key ? id_of_key(exchange)
                    : make_id(exchange)) ||
        !request_behaviour(exchange) || !request_input(exchange))
        return;
    exchange->call.want_job = true;
    if (has_id && has_key)
        post_with_both(exchange);
    else
        exchange_call(exchange, service_start, post_done);
}

/* ---- a listing ---- */

struct listing {
    struct service_list list; /* first */
    struct exchange *exchange;
    size_t rows;
};

static void list_row(struct service_list *list, const struct job *job,
                     const struct instance *instance, uint64_t polls, vts_ms now)
{
    struct listing *listing = (struct listing *)list;
    struct text *body = &listing->exchange->answer.body;

    text_puts(body, listing->rows++ ? ", " : "");
    job_json(body, job, instance, polls, now, NULL);
    if (body->length > PAGE_BYTES)
        list->store.limit = 0; /* the page is full */
}

static void write_list(struct exchange *exchange)
{
    const struct service_list *list = &((struct listing *)exchange->own)->list;
    struct text *body = &exchange->answer.body;

    if (list->store.err != VTS_OK) {
        exchange->call.result = SERVICE_BUSY;
        exchange_refusal(exchange);
        return;
    }
    text_puts(body, "], \"next\": ");
    if (list->store.more)
        text_json(body, list->store.after, list->store.after_length);
    else
        text_puts(body, "null");
    text_puts(body, "}");
    exchange_answer(exchange);
}

static void list_done(struct service_list *list)
{
    exchange_called_back(((struct listing *)list)->exchange);
}

static void ask_list(struct service_call *call)
{
    service_list(&((struct listing *)((struct exchange *)call)->own)->list);
}

static bool read_state(struct exchange *exchange, int *state)
{
    char word[RECORD_ID_MAX + 1];
    size_t length;

    *state = -1;
    if (!request_parameter(exchange, "state", word, &length))
        return false;
    if (length == SIZE_MAX)
        return true;
    *state = strlen(word) == length ? state_from_name(word) : -1;
    if (*state <= VTS_ASKED)
        exchange_error(exchange, 400,
                       "state must be queued, running, completed, failed or cancelled");
    return *state > VTS_ASKED;
}

void jobs_list(struct exchange *exchange)
{
    static const char *const known[] = {"state", "limit", "after", "id", NULL};
    struct service_list list = {.port = exchange->worker->port,
                                .row = list_row,
                                .done = list_done,
                                .store.scan = PAGE_SCAN};
    struct listing *listing;
    struct bytes raw;
    size_t length;

    if (request_next(exchange->query, "id", &raw)) {
        batch_get(exchange);
        return;
    }
    if (!request_parameters_known(exchange, known) || !read_state(exchange, &list.state) ||
        !request_limit(exchange, PAGE_DEFAULT, PAGE_LIMIT, &list.store.limit) ||
        !request_parameter(exchange, "after", list.store.after, &length))
        return;
    list.store.after_length = length == SIZE_MAX ? 0 : length;
    listing = malloc(sizeof(*listing));
    if (!listing) {
        exchange_error(exchange, 503, "no memory for the listing");
        return;
    }
    *listing = (struct listing){.list = list, .exchange = exchange};
    exchange->own = listing;
    exchange->own_free = free;
    text_puts(&exchange->answer.body, "{\"jobs\": [");
    exchange_call(exchange, ask_list, write_list);
}
