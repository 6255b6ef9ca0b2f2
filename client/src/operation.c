/* SPDX-License-Identifier: MIT
 *
 * An operation's life: how it begins, what its timer does, how it ends. See handle.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "error.h"
#include "handle.h"
#include "options.h"
#include "plans.h"
#include "wish.h"

static void on_timer(void *arg);

int64_t operation_now_ms(const struct vts_client_operation *operation)
{
    return timeline_now_ms(&operation->client->timeline);
}

double operation_uniform(struct vts_client_operation *operation)
{
    return chance_uniform(&operation->client->chance);
}

bool operation_polls(const struct vts_client_operation *operation)
{
    return operation->kind == OPERATION_WAIT || operation->kind == OPERATION_RUN;
}

/* ---- life ------------------------------------------------------------------------------------ */

void operation_hold(struct vts_client_operation *operation) { operation->references++; }

void operation_release(struct vts_client_operation *operation)
{
    struct vts_client *client = operation->client;

    if (--operation->references)
        return;
    protocol_answer_finish(&operation->seen);
    settings_release(operation->settings);
    watch_destroy(operation->watch);
    free(operation->trouble);
    free(operation->id);
    free(operation->path);
    free(operation->wish);
    free(operation->said);
    free(operation);
    handle_release(client);
}

static bool no_memory(struct vts_client_error *error)
{
    return error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
}

/* Takes over and checks what the user wants: the call and the options. */
static bool adopt_call(struct vts_client_operation *operation,
                       const struct operation_request *request, struct vts_client_error *error)
{
    const struct settings *like = operation->client->settings;
    struct settings *settings;

    if (request->call &&
        !options_adopt(&operation->call, sizeof(operation->call), request->call, "call", error))
        return false;
    if (operation->call.options)
        settings = settings_create(operation->call.options, like, error);
    else
        settings = settings_hold(operation->client->settings);
    operation->call.options = NULL;
    if (settings && request->job_class) {
        operation->settings = settings_with_class(settings, request->job_class);
        settings_release(settings);
        return operation->settings || no_memory(error);
    }
    operation->settings = settings;
    return settings != NULL;
}

static bool prepare_list(struct vts_client_operation *operation,
                         const struct vts_client_query *theirs, struct vts_client_error *error)
{
    struct vts_client_query query = {.size = sizeof(query)};

    if (theirs && !options_adopt(&query, sizeof(query), theirs, "query", error))
        return false;
    operation->question = PROTOCOL_LIST;
    if (operation->kind == OPERATION_WATCH) {
        query.after = NULL;
        operation->watch = watch_create(&query);
        if (!operation->watch)
            return no_memory(error);
    }
    operation->path = protocol_list_path(&query);
    return operation->path || no_memory(error);
}

/* What the start says of its job. Nothing of it is needed any more after this. */
static bool prepare_wish(struct vts_client_operation *operation, struct vts_client_error *error)
{
    struct vts_client_call *call = &operation->call;

    if (wish_is_given(call)) {
        if (!operation->starting)
            return error_set(error, VTS_CLIENT_ERR_INVALID, 0,
                             "call: a behaviour and settings are for a start or a run");
        operation->wish = wish_body(operation->id, call, error);
        if (!operation->wish)
            return false;
    }
    call->behaviour = NULL;
    call->settings = NULL;
    return true;
}

/* What is asked first. */
static bool prepare(struct vts_client_operation *operation, const struct operation_request *request,
                    struct vts_client_error *error)
{
    if (request->kind == OPERATION_LIST || request->kind == OPERATION_WATCH)
        return prepare_wish(operation, error) && prepare_list(operation, request->query, error);
    if (!protocol_check_id(request->id, error))
        return false;
    operation->id = strdup(request->id);
    if (!operation->id)
        return no_memory(error);
    operation->starting = request->kind == OPERATION_START || request->kind == OPERATION_RUN;
    operation->question = request->kind == OPERATION_CANCEL ? PROTOCOL_CANCEL : PROTOCOL_STATUS;
    return prepare_wish(operation, error);
}

static void set_times(struct vts_client_operation *operation,
                      const struct operation_request *request)
{
    int64_t deadline_ms = operation->settings->options.deadline_ms;
    int64_t age_ms = request->age_ms > 0 ? request->age_ms : 0;

    operation->began_ms = operation_now_ms(operation);
    operation->born_ms = operation->pending_ms = operation->began_ms - age_ms;
    operation->aged = request->kind == OPERATION_WAIT && request->age_ms >= 0;
    operation->projected_ms = -1;
    operation->wait.known = request->known;
    operation->deadline_ms = deadline_ms ? operation->began_ms + deadline_ms : NEVER;
    operation->due_ms = operation->began_ms;
}

static struct vts_client_operation *create(struct vts_client *client, enum operation_kind kind)
{
    struct vts_client_operation *operation = calloc(1, sizeof(*operation));

    if (!operation)
        return NULL;
    if (!timers_reserve(&client->timeline.timers)) {
        free(operation);
        return NULL;
    }
    operation->references = 1;
    operation->client = client;
    handle_hold(client);
    operation->kind = kind;
    operation->timer = (struct timer){.fire = on_timer, .arg = operation};
    return operation;
}

struct vts_client_operation *operation_begin(struct vts_client *client,
                                             const struct operation_request *request,
                                             struct vts_client_error *error)
{
    struct vts_client_operation *operation;

    if (client->destroyed) {
        error_set(error, VTS_CLIENT_ERR_CALL, 0, "the handle is being destroyed");
        return NULL;
    }
    operation = create(client, request->kind);
    if (!operation) {
        no_memory(error);
        return NULL;
    }
    if (!adopt_call(operation, request, error) || !prepare(operation, request, error)) {
        timers_unreserve(&client->timeline.timers);
        operation_release(operation);
        return NULL;
    }
    wait_init(&operation->wait, &operation->settings->options);
    set_times(operation, request);
    TAILQ_INSERT_TAIL(&client->operations, operation, all);
    client->under_way++;
    client->counters.begun++;
    operation_arm(operation); /* the first request goes from the loop */
    return operation;
}

/* ---- the timer ------------------------------------------------------------------------------- */

void operation_arm(struct vts_client_operation *operation)
{
    int64_t next_ms = operation->due_ms, stop_ms = delay_stop_ms(operation);

    if (next_ms > operation->deadline_ms)
        next_ms = operation->deadline_ms;
    if (next_ms > stop_ms)
        next_ms = stop_ms;
    timeline_set(&operation->client->timeline, &operation->timer, next_ms);
}

static void finish_late(struct vts_client_operation *operation)
{
    const char *stopped = operation->stop_late ? "; it was asked to stop" : "";
    long long deadline_ms = (long long)operation->settings->options.deadline_ms;
    struct vts_client_error error;

    if (operation->trouble)
        error_set(&error, VTS_CLIENT_ERR_DEADLINE, 0,
                  "the deadline of %lld ms passed; the last %s failed: %s%s", deadline_ms,
                  operation->starting ? "start" : "poll", operation->trouble->message, stopped);
    else if (operation_polls(operation) && operation->seen.job.id)
        error_set(&error, VTS_CLIENT_ERR_DEADLINE, 0,
                  "the deadline of %lld ms passed; job \"%s\" was %s%s", deadline_ms, operation->id,
                  operation->polls ? "pending when last seen" : "started and not polled yet",
                  stopped);
    else
        error_set(&error, VTS_CLIENT_ERR_DEADLINE, 0,
                  "the deadline of %lld ms passed before there was an answer%s", deadline_ms,
                  stopped);
    operation_finish(operation, &error);
}

static void on_timer(void *arg)
{
    struct vts_client_operation *operation = arg;
    int64_t now_ms = operation_now_ms(operation);

    if (now_ms >= operation->deadline_ms) {
        finish_late(operation);
        return;
    }
    if (now_ms >= delay_stop_ms(operation)) {
        operation->stop_late = true;
        ask_stop(operation, VTS_CLIENT_REASON_CANCEL);
        return;
    }
    operation_hold(operation);
    if (now_ms >= operation->due_ms) {
        operation->due_ms = NEVER;
        pump_add(operation);
    }
    if (!operation->finished)
        operation_arm(operation);
    operation_release(operation);
}

/* ---- the end --------------------------------------------------------------------------------- */

void operation_let_go(struct vts_client_operation *operation)
{
    struct vts_client *client = operation->client;
    bool polled = operation->question == PROTOCOL_STATUS || operation->question == PROTOCOL_JOB;

    pump_remove(operation);
    delay_give_back(operation);
    if (operation->batch) {
        operation->polls++; /* the server may have seen it, so it was made */
        batch_leave(operation);
    }
    if (!operation->exchange)
        return;
    if (polled && transport_was_sent(operation->exchange))
        operation->polls++;
    transport_cancel(operation->exchange);
    operation->exchange = NULL;
    pump_soon(client);
}

/* May the job still be running, for all that we know? */
static bool may_go_on(const struct vts_client_operation *operation,
                      const struct vts_client_error *error)
{
    switch (error->code) {
    case VTS_CLIENT_OK:
        return operation->kind == OPERATION_START;
    case VTS_CLIENT_ERR_INVALID:
    case VTS_CLIENT_ERR_REFUSED:
    case VTS_CLIENT_ERR_EXISTS:
        return false;
    case VTS_CLIENT_ERR_UNKNOWN_JOB:
        return operation->wait.known;
    default:
        return true;
    }
}

static void fill_result(struct vts_client_operation *operation, struct vts_client_result *result,
                        const struct vts_client_error *error, char *token)
{
    struct protocol_answer *seen = &operation->seen;

    *result = (struct vts_client_result){
        .size = sizeof(*result), .polls = operation->polls, .starts = operation->starts};
    if (error) {
        result->error = *error;
        result->said = error->http_status ? operation->said : NULL;
    }
    result->elapsed_ms = operation_now_ms(operation) - operation->began_ms;
    if (operation->kind == OPERATION_LIST && !result->error.code) {
        result->jobs = seen->jobs;
        result->job_count = seen->job_count;
        result->next = seen->next;
    } else if (seen->job.id) {
        result->job = &seen->job;
    }
    if (may_go_on(operation, &result->error) &&
        vts_client_token(operation, token, VTS_CLIENT_TOKEN_MAX))
        result->token = token;
}

/* A blocking call returns it: see sync.c. */
static void keep(struct vts_client *client, const struct vts_client_result *result)
{
    client->kept.result = *result;
    if (result->token) {
        memcpy(client->kept.token, result->token, sizeof(client->kept.token));
        client->kept.result.token = client->kept.token;
    }
}

static void tell_done(struct vts_client_operation *operation, const struct vts_client_error *error)
{
    struct vts_client *client = operation->client;
    struct vts_client_result result;
    char token[VTS_CLIENT_TOKEN_MAX] = "";

    fill_result(operation, &result, error, token);
    if (client->own_base)
        keep(client, &result);
    trace_end(operation, &result.error);
    if (operation->call.done) {
        callback_enter(client);
        operation->call.done(operation, &result, operation->call.arg);
        callback_leave(client);
    }
}

void operation_learn(struct vts_client_operation *operation, int64_t ended_ms)
{
    struct plan_lesson lesson = {.job_class = operation->settings->job_class,
                                 .pending_ms = operation->pending_ms - operation->born_ms,
                                 .projected_ms = operation->projected_ms,
                                 .ended_ms = ended_ms};

    if (operation_polls(operation) && operation->aged && !operation->stopped)
        plans_learn(operation->settings->plan, &lesson);
}

void operation_finish(struct vts_client_operation *operation, const struct vts_client_error *error)
{
    struct vts_client *client = operation->client;

    operation->finished = true;
    TAILQ_REMOVE(&client->operations, operation, all);
    client->under_way--;
    client->counters.ended++;
    timeline_stop(&client->timeline, &operation->timer);
    operation_let_go(operation);
    timers_unreserve(&client->timeline.timers);
    if (error)
        operation_learn(operation, -1);
    tell_done(operation, error);
    operation_release(operation);
}

void operation_finish_no_memory(struct vts_client_operation *operation)
{
    struct vts_client_error error;

    no_memory(&error);
    operation_finish(operation, &error);
}

void operation_poke(struct vts_client_operation *operation)
{
    int64_t now_ms = operation_now_ms(operation);

    if (operation->finished || operation->due_ms <= now_ms || operation->due_ms == NEVER ||
        operation->stop_late)
        return;
    operation->due_ms = operation->floor_ms > now_ms ? operation->floor_ms : now_ms;
    operation->reason = VTS_CLIENT_REASON_POKE;
    operation_arm(operation);
}

void operation_stop(struct vts_client_operation *operation)
{
    if (operation->finished || operation->stopping)
        return;
    /* Nothing to stop: a start that was not sent, or nothing of a job. */
    if (!operation_polls(operation) || (operation->starting && !operation->starts))
        operation_abandon(operation);
    else
        ask_stop(operation, VTS_CLIENT_REASON_CANCEL);
}

void operation_abandon(struct vts_client_operation *operation)
{
    struct vts_client_error error;

    if (operation->finished)
        return;
    error_set(&error, VTS_CLIENT_ERR_ABANDONED, 0, "the operation was abandoned");
    operation_finish(operation, &error);
}
