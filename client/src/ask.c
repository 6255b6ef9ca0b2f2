/* SPDX-License-Identifier: MIT
 *
 * What an operation asks, and how it is put into a request. See handle.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "error.h"
#include "handle.h"

/* The start keeps to the API that it was sent to first: its repetition is to be known as one. */
static void choose_start(struct vts_client_operation *operation)
{
    struct vts_client *client = operation->client;

    if (operation->starts)
        return;
    operation->question = PROTOCOL_START;
    if (operation->wish || client->features & FEATURE_KEY) {
        operation->question = PROTOCOL_CREATE;
        snprintf(operation->key, sizeof(operation->key), "vtsim-%016llx",
                 (unsigned long long)chance_next(&client->chance));
    }
}

static void choose(struct vts_client_operation *operation)
{
    if (operation->path)
        operation->question = PROTOCOL_LIST;
    else if (operation->stopping || operation->kind == OPERATION_CANCEL)
        operation->question = PROTOCOL_CANCEL;
    else if (operation->starting)
        choose_start(operation);
    else if (operation->client->features & (FEATURE_PROGRESS | FEATURE_WAIT))
        operation->question = PROTOCOL_JOB;
    else
        operation->question = PROTOCOL_STATUS;
}

static enum transport_method method_of(enum protocol_question question)
{
    switch (question) {
    case PROTOCOL_START:
    case PROTOCOL_CREATE:
        return TRANSPORT_POST;
    case PROTOCOL_CANCEL:
        return TRANSPORT_DELETE;
    default:
        return TRANSPORT_GET;
    }
}

static char *body_of(const struct vts_client_operation *operation)
{
    if (operation->question == PROTOCOL_START)
        return protocol_start_body(operation->id);
    if (operation->question == PROTOCOL_CREATE)
        return operation->wish ? strdup(operation->wish) : protocol_create_body(operation->id);
    return NULL;
}

/* False where memory is short. */
static bool send(struct vts_client_operation *operation)
{
    bool posts = method_of(operation->question) == TRANSPORT_POST;
    char *body = body_of(operation);
    char *path = operation->path ? strdup(operation->path)
                                 : protocol_path(operation->question, operation->id);
    struct transport_request request = {
        .method = method_of(operation->question),
        .path = path,
        .body = body,
        .key = operation->question == PROTOCOL_CREATE ? operation->key : NULL,
        .timeout_ms = operation->settings->options.request_timeout_ms};

    if (operation->question == PROTOCOL_JOB && delay_long_poll_s(operation)) {
        request.wait_s = delay_long_poll_s(operation);
        request.timeout_ms += request.wait_s * 1000;
        operation->client->counters.long_polls++;
    }
    if (path && !body == !posts)
        operation->exchange =
            transport_send(operation->client->transport, &request, answer_single, operation);
    free(path);
    free(body);
    return operation->exchange != NULL;
}

/* Why it comes now, where it had to wait for its turn. */
static void note_wait(struct vts_client_operation *operation, int64_t now_ms)
{
    if (operation->queued_ms < now_ms && operation->reason != VTS_CLIENT_REASON_HOST_GATE &&
        operation->reason != VTS_CLIENT_REASON_RETRY_BUDGET)
        operation->reason = VTS_CLIENT_REASON_CONNECTION;
}

bool ask_may(const struct vts_client_operation *operation, struct vts_client_error *error)
{
    const struct vts_client *client = operation->client;

    if (!operation->starting || !operation->wish || !client->heard ||
        client->features & FEATURE_OPTIONS)
        return true;
    return error_set(error, VTS_CLIENT_ERR_REFUSED, 0,
                     "%s does not take a behaviour or settings for one job: no options in the "
                     "Vtsim-Features of its last answer",
                     client->target.authority);
}

bool ask(struct vts_client_operation *operation)
{
    int64_t now_ms = operation_now_ms(operation);

    choose(operation);
    note_wait(operation, now_ms);
    operation->asked_ms = now_ms;
    if (!operation->stopping && now_ms >= delay_last_look_ms(operation))
        operation->looked_last = true;
    if (!send(operation))
        return false;
    operation->requests++;
    operation->starts += operation->starting && !operation->stopping;
    operation->client->counters.requests++;
    operation->client->counters.retries += operation->retries;
    operation_arm(operation);
    trace_request(operation);
    return true;
}

void ask_stop(struct vts_client_operation *operation, enum vts_client_reason reason)
{
    operation_let_go(operation);
    operation->stopping = operation->stopped = true;
    operation->retries = false;
    operation->due_ms = NEVER;
    operation->queued_ms = operation_now_ms(operation);
    operation->reason = reason;
    if (!ask(operation))
        operation_finish_no_memory(operation);
}
