/* SPDX-License-Identifier: MIT
 *
 * One operation from its call to its done. See handle.h. It is always in one of three states: asking
 * (exchange is set), sleeping (the timer runs to due_ms), or inside a user's callback; the timer also
 * guards the deadline in the first two. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "handle.h"
#include "options.h"

#define NEVER INT64_MAX

static void on_timer(evutil_socket_t fd, short what, void *arg);
static void on_reply(const struct reply *reply, void *arg);

static int64_t now(struct vts_client_operation *operation)
{
    struct environment *environment = &operation->client->environment;

    return environment->now_ms(environment);
}

/* ---- life ------------------------------------------------------------------------------------ */

void operation_hold(struct vts_client_operation *operation) { operation->references++; }

void operation_release(struct vts_client_operation *operation)
{
    struct vts_client *client = operation->client;

    if (--operation->references)
        return;
    if (operation->timer)
        event_free(operation->timer);
    protocol_answer_finish(&operation->seen);
    free(operation->id);
    free(operation->path);
    free(operation->body);
    free(operation);
    handle_release(client);
}

/* Takes over and checks what the user wants: the call and the options. */
static bool adopt_call(struct vts_client_operation *operation, const struct vts_client_call *call,
                       struct vts_client_error *error)
{
    struct vts_client_options *options = &operation->options;

    if (call && !options_adopt(&operation->call, sizeof(operation->call), call, "call", error))
        return false;
    *options = operation->client->options;
    if (operation->call.options && !options_read(options, operation->call.options, error))
        return false;
    options->url = NULL;
    operation->call.options = NULL;
    return true;
}

static bool no_memory(struct vts_client_error *error)
{
    return error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
}

/* Prepares the first request. */
static bool prepare(struct vts_client_operation *operation, const struct operation_request *request,
                    struct vts_client_error *error)
{
    struct vts_client_query query = {.size = sizeof(query)};

    if (request->kind == OPERATION_LIST) {
        if (request->query && !options_adopt(&query, sizeof(query), request->query, "query", error))
            return false;
        operation->question = PROTOCOL_LIST;
        operation->path = protocol_list_path(&query);
        return operation->path || no_memory(error);
    }
    if (!protocol_check_id(request->id, error))
        return false;
    operation->id = strdup(request->id);
    if (!operation->id)
        return no_memory(error);
    switch (request->kind) {
    case OPERATION_START:
    case OPERATION_RUN:
        operation->question = PROTOCOL_START;
        operation->path = strdup("/start");
        operation->body = protocol_start_body(operation->id);
        return (operation->path && operation->body) || no_memory(error);
    case OPERATION_CANCEL:
        operation->question = PROTOCOL_CANCEL;
        operation->path = protocol_job_path(operation->id);
        break;
    default:
        operation->question = PROTOCOL_STATUS;
        operation->path = protocol_status_path(operation->id);
        break;
    }
    return operation->path || no_memory(error);
}

/* ---- the timer ------------------------------------------------------------------------------- */

static void arm(struct vts_client_operation *operation)
{
    int64_t until_ms =
        operation->due_ms < operation->deadline_ms ? operation->due_ms : operation->deadline_ms;
    int64_t left_ms = until_ms - now(operation);
    struct timeval after;

    if (until_ms == NEVER)
        return;
    if (left_ms < 0)
        left_ms = 0;
    after = (struct timeval){.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    event_add(operation->timer, &after);
}

static bool polls(const struct vts_client_operation *operation)
{
    return operation->kind == OPERATION_WAIT || operation->kind == OPERATION_RUN;
}

/* Sends the next request. False where memory is short. */
static bool ask(struct vts_client_operation *operation)
{
    enum transport_method method = TRANSPORT_GET;

    if (operation->question == PROTOCOL_START)
        method = TRANSPORT_POST;
    else if (operation->question == PROTOCOL_CANCEL)
        method = TRANSPORT_DELETE;
    operation->due_ms = NEVER;
    operation->exchange =
        transport_send(operation->client->transport, method, operation->path, operation->body,
                       operation->options.request_timeout_ms, on_reply, operation);
    if (!operation->exchange)
        return false;
    arm(operation);
    return true;
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
    operation = calloc(1, sizeof(*operation));
    if (!operation) {
        no_memory(error);
        return NULL;
    }
    operation->references = 1;
    operation->client = client;
    handle_hold(client);
    operation->kind = request->kind;
    if (!adopt_call(operation, request->call, error) || !prepare(operation, request, error)) {
        operation_release(operation);
        return NULL;
    }
    wait_init(&operation->wait, &operation->options);
    operation->began_ms = now(operation);
    operation->due_ms = operation->deadline_ms = NEVER;
    if (operation->options.deadline_ms)
        operation->deadline_ms = operation->began_ms + operation->options.deadline_ms;
    operation->timer = evtimer_new(client->base, on_timer, operation);
    if (!operation->timer || !ask(operation)) {
        no_memory(error);
        operation_release(operation);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&client->operations, operation, all);
    return operation;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void fill_result(struct vts_client_operation *operation)
{
    struct vts_client_result *result = &operation->result;
    struct protocol_answer *seen = &operation->seen;

    result->size = sizeof(*result);
    result->polls = operation->polls;
    result->elapsed_ms = now(operation) - operation->began_ms;
    if (operation->kind == OPERATION_LIST && result->error.code == VTS_CLIENT_OK) {
        result->jobs = seen->jobs;
        result->job_count = seen->job_count;
        result->next = seen->next;
    } else if (seen->job.id) {
        result->job = &seen->job;
    }
}

/* Ends the operation with what stands in result.error. Takes the engine's reference away: the caller
 * must not touch the operation any more, unless it holds one of its own. */
static void finish(struct vts_client_operation *operation)
{
    struct vts_client *client = operation->client;

    operation->finished = true;
    TAILQ_REMOVE(&client->operations, operation, all);
    event_del(operation->timer);
    if (operation->exchange) {
        /* The server may have seen it, so it was made. */
        if (operation->question == PROTOCOL_STATUS && transport_was_sent(operation->exchange))
            operation->polls++;
        transport_cancel(operation->exchange);
        operation->exchange = NULL;
    }
    fill_result(operation);
    if (operation->call.done) {
        client->callbacks++;
        operation->call.done(operation, &operation->result, operation->call.arg);
        client->callbacks--;
    }
    operation_release(operation);
}

void operation_abandon(struct vts_client_operation *operation)
{
    if (operation->finished)
        return;
    error_set(&operation->result.error, VTS_CLIENT_ERR_ABANDONED, 0, "the operation was abandoned");
    finish(operation);
}

static void finish_with(struct vts_client_operation *operation,
                        const struct vts_client_error *error)
{
    operation->result.error = *error;
    finish(operation);
}

static void finish_no_memory(struct vts_client_operation *operation)
{
    no_memory(&operation->result.error);
    finish(operation);
}

static void finish_late(struct vts_client_operation *operation)
{
    const char *last_error = operation->last_error.message;
    long long deadline_ms = (long long)operation->options.deadline_ms;
    struct vts_client_error *error = &operation->result.error;

    if (*last_error)
        error_set(error, VTS_CLIENT_ERR_DEADLINE, 0,
                  "the deadline of %lld ms passed; the last poll failed: %s", deadline_ms,
                  last_error);
    else if (polls(operation) && operation->seen.job.id)
        error_set(error, VTS_CLIENT_ERR_DEADLINE, 0,
                  "the deadline of %lld ms passed; job \"%s\" was %s", deadline_ms, operation->id,
                  operation->polls ? "pending when last seen" : "started and not polled yet");
    else
        error_set(error, VTS_CLIENT_ERR_DEADLINE, 0,
                  "the deadline of %lld ms passed before there was an answer", deadline_ms);
    finish(operation);
}

/* ---- what happens ---------------------------------------------------------------------------- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct vts_client_operation *operation = arg;
    int64_t now_ms = now(operation);

    (void)fd;
    (void)what;
    if (now_ms >= operation->deadline_ms)
        finish_late(operation);
    else if (now_ms < operation->due_ms)
        arm(operation); /* the loop's clock is coarser than ours: no poll comes early */
    else if (!ask(operation))
        finish_no_memory(operation);
}

/* Sleeps until the next poll. */
static void sleep_for(struct vts_client_operation *operation, int64_t delay_ms, int64_t from_ms)
{
    operation->due_ms = from_ms + delay_ms;
    arm(operation);
}

/* The start was answered: it is over, or the polls begin. */
static void after_start(struct vts_client_operation *operation, const struct reply *reply)
{
    struct environment *environment = &operation->client->environment;
    int64_t delay_ms;

    if (operation->kind == OPERATION_START) {
        finish(operation);
        return;
    }
    free(operation->path);
    free(operation->body);
    operation->body = NULL;
    operation->path = protocol_status_path(operation->id);
    if (!operation->path) {
        finish_no_memory(operation);
        return;
    }
    operation->question = PROTOCOL_STATUS;
    delay_ms =
        wait_started(&operation->wait, reply->retry_after_ms, environment->uniform(environment));
    sleep_for(operation, delay_ms, now(operation));
}

/* Tells the user of a poll. False where the operation was ended meanwhile. */
static bool report_poll(struct vts_client_operation *operation, const struct wait_step *step,
                        const struct vts_client_error *error, int64_t now_ms)
{
    struct vts_client *client = operation->client;
    struct vts_client_poll poll = {.size = sizeof(poll),
                                   .number = operation->polls,
                                   .elapsed_ms = now_ms - operation->began_ms,
                                   .next_ms = step->delay_ms};
    bool goes_on;

    if (!operation->call.poll)
        return true;
    if (error->code == VTS_CLIENT_OK)
        poll.job = &operation->seen.job;
    else
        poll.error = error;
    if (step->ended || now_ms + step->delay_ms >= operation->deadline_ms)
        poll.next_ms = -1;
    operation_hold(operation);
    client->callbacks++;
    operation->call.poll(operation, &poll, operation->call.arg);
    client->callbacks--;
    goes_on = !operation->finished;
    operation_release(operation);
    return goes_on;
}

static void after_poll(struct vts_client_operation *operation, const struct reply *reply,
                       const struct vts_client_error *error)
{
    struct environment *environment = &operation->client->environment;
    struct wait_answer answer = {.code = error->code,
                                 .http_status = error->http_status,
                                 .status = operation->seen.job.status,
                                 .retry_after_ms = reply->retry_after_ms};
    struct wait_step step =
        wait_answered(&operation->wait, &answer, environment->uniform(environment));
    int64_t now_ms = now(operation);

    operation->last_error = *error;
    if (!report_poll(operation, &step, error, now_ms))
        return;
    /* The engine's reference still stands, which the analyzer does not count. */
    if (step.ended)
        finish_with(operation, error); /* NOLINT(clang-analyzer-unix.Malloc) */
    else
        sleep_for(operation, step.delay_ms, now_ms); /* NOLINT(clang-analyzer-unix.Malloc) */
}

static void on_reply(const struct reply *reply, void *arg)
{
    struct vts_client_operation *operation = arg;
    struct protocol_answer answer;
    struct vts_client_error error;
    enum protocol_question question = operation->question;

    operation->exchange = NULL;
    if (question == PROTOCOL_STATUS)
        operation->polls++;
    protocol_read(question, operation->id, operation->client->target.authority, reply, &answer);
    error = answer.error;
    if (error.code == VTS_CLIENT_OK) {
        protocol_answer_finish(&operation->seen);
        operation->seen = answer;
    } else {
        protocol_answer_finish(&answer);
    }
    if (question == PROTOCOL_STATUS && polls(operation))
        after_poll(operation, reply, &error);
    else if (question == PROTOCOL_START && error.code == VTS_CLIENT_OK)
        after_start(operation, reply);
    else
        finish_with(operation, &error);
}
