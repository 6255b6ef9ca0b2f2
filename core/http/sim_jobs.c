/* SPDX-License-Identifier: MIT
 *
 * A hand on jobs: POST /_sim/jobs/{id}/finish ends one now, and POST /_sim/reset removes them, and sets the clock
 * back. */
#include <stdlib.h>

#include "job_json.h"
#include "sim.h"

/* ---- finish ---- */

#define FINISH "/finish"
#define JOBS   "/_sim/jobs/"

struct finishing {
    struct engine_end end;
    struct text result;
};

static void finishing_free(void *arg)
{
    struct finishing *finishing = arg;

    text_finish(&finishing->result);
    free(finishing);
}

static void finish_done(struct exchange *exchange)
{
    const struct service_call *call = &exchange->call;
    struct job job;

    if (call->result == SERVICE_EXISTS && service_job(call, &job)) {
        exchange_error(exchange, 409, "this job has ended already: it is %s",
                       state_name(job.state));
    } else if (call->result != SERVICE_DONE || !service_job(call, &job)) {
        exchange_refusal(exchange);
    } else {
        job_json(&exchange->answer.body, &job, call->told, call->store.polls, call->store.now,
                 NULL);
        exchange_answer(exchange);
    }
}

static bool take_state(struct exchange *exchange, struct engine_end *end)
{
    const char *state;
    size_t length;

    if (!sim_string(exchange, "state", true, &state, &length))
        return false;
    end->state = strcmp(state, "completed") == 0 ? VTS_COMPLETED : VTS_FAILED;
    if (end->state == VTS_COMPLETED || strcmp(state, "failed") == 0)
        return true;
    exchange_error(exchange, 400, "state must be completed or failed (DELETE /jobs/ID cancels)");
    return false;
}

static bool take_result(struct exchange *exchange, struct finishing *finishing)
{
    struct json_object *result;
    const char *bytes;
    size_t length;

    if (!json_object_object_get_ex(exchange->body, "result", &result))
        return true;
    if (finishing->end.state != VTS_COMPLETED) {
        exchange_error(exchange, 400, "result goes with state completed");
        return false;
    }
    if (!request_numbers_fit(exchange))
        return false;
    bytes = json_object_to_json_string_length(
        result, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
    if (bytes)
        text_add(&finishing->result, bytes, length);
    if (!bytes || finishing->result.failed) {
        exchange_error(exchange, 503, "no memory for the result");
        return false;
    }
    if (length > VTS_TEXT_MAX) {
        exchange_error(exchange, 400, "the result has %zu bytes, %zu are the most", length,
                       VTS_TEXT_MAX);
        return false;
    }
    finishing->end.result = (struct bytes){finishing->result.bytes, length};
    return true;
}

/* A member of `error`, which stays in the body as long as the exchange. */
static bool take_text(struct exchange *exchange, struct json_object *error, const char *name,
                      struct bytes *text)
{
    struct json_object *member;

    if (!json_object_object_get_ex(error, name, &member))
        return true;
    if (!json_object_is_type(member, json_type_string) ||
        (size_t)json_object_get_string_len(member) > VTS_TEXT_MAX ||
        strlen(json_object_get_string(member)) != (size_t)json_object_get_string_len(member)) {
        exchange_error(exchange, 400, "error.%s is not a string of %zu bytes at the most", name,
                       VTS_TEXT_MAX);
        return false;
    }
    *text =
        (struct bytes){json_object_get_string(member), (size_t)json_object_get_string_len(member)};
    return true;
}

static bool take_error(struct exchange *exchange, struct engine_end *end)
{
    static const char code[] = "finished", message[] = "failed by hand";
    struct json_object *error;

    end->code = (struct bytes){code, sizeof(code) - 1};
    end->message = (struct bytes){message, sizeof(message) - 1};
    if (!json_object_object_get_ex(exchange->body, "error", &error))
        return true;
    if (end->state != VTS_FAILED) {
        exchange_error(exchange, 400, "error goes with state failed");
        return false;
    }
    if (!json_object_is_type(error, json_type_object)) {
        exchange_error(exchange, 400,
                       "error is not an object such as {\"code\": \"x\", "
                       "\"message\": \"y\"}");
        return false;
    }
    json_object_object_foreach(error, key, member)
    {
        (void)member;
        if (strcmp(key, "code") == 0 || strcmp(key, "message") == 0)
            continue;
        exchange_error(exchange, 400,
                       "unknown member \"%.64s\" of error: it takes code and message", key);
        return false;
    }
    return take_text(exchange, error, "code", &end->code) &&
           take_text(exchange, error, "message", &end->message);
}

void sim_job_finish(struct exchange *exchange)
{
    static const char *const known[] = {"state", "result", "error", NULL};
    struct finishing *finishing;

    if (!route_id_between(exchange, JOBS, FINISH) ||
        !sim_body(exchange, known, "state, result and error"))
        return;
    finishing = calloc(1, sizeof(*finishing));
    if (!finishing) {
        exchange_error(exchange, 503, "no memory");
        return;
    }
    exchange->own = finishing;
    exchange->own_free = finishing_free;
    if (!take_state(exchange, &finishing->end) || !take_result(exchange, finishing) ||
        !take_error(exchange, &finishing->end))
        return;
    exchange->call.end = &finishing->end;
    exchange->call.want_job = true;
    exchange_call(exchange, service_end, finish_done);
}

/* ---- reset ---- */

struct resetting {
    struct service_reset reset; /* first */
    struct exchange *exchange;
};

static void resetting_free(void *arg)
{
    struct resetting *resetting = arg;

    service_reset_finish(&resetting->reset);
    free(resetting);
}

static void reset_called_back(struct service_reset *reset)
{
    exchange_called_back(((struct resetting *)reset)->exchange);
}

static void reset_done(struct exchange *exchange)
{
    const struct service_reset *reset = exchange->own;
    struct text *body = &exchange->answer.body;

    if (reset->failed) {
        exchange->call.result = SERVICE_BUSY;
        exchange_refusal(exchange);
        return;
    }
    text_printf(body, "{\"removed\": %llu, \"clock\": ", (unsigned long long)reset->removed);
    pace_json(&exchange->worker->server->service->pace, body);
    text_puts(body, "}");
    exchange_answer(exchange);
}

static void ask_reset(struct service_call *call)
{
    struct exchange *exchange = (struct exchange *)call;
    struct service_reset *reset = exchange->own;

    if (service_reset(reset))
        return;
    reset->failed = true;
    exchange_called_back(exchange);
}

void sim_reset(struct exchange *exchange)
{
    static const char *const known[] = {"jobs", NULL};
    struct resetting *resetting;
    const char *pattern;
    size_t length;

    if (!sim_body(exchange, known, "jobs, a pattern of ids, or nothing") ||
        !sim_string(exchange, "jobs", false, &pattern, &length))
        return;
    if (pattern && (length == 0 || strlen(pattern) != length)) {
        exchange_error(exchange, 400,
                       "jobs is no pattern of ids: * stands for any text and ? for one character");
        return;
    }
    resetting = calloc(1, sizeof(*resetting));
    if (!resetting) {
        exchange_error(exchange, 503, "no memory");
        return;
    }
    resetting->reset = (struct service_reset){
        .port = exchange->worker->port, .pattern = pattern, .done = reset_called_back};
    resetting->exchange = exchange;
    exchange->own = resetting;
    exchange->own_free = resetting_free;
    exchange_call(exchange, ask_reset, reset_done);
}
