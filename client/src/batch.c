/* SPDX-License-Identifier: MIT
 *
 * Several polls in one request: GET /jobs?id=a&id=b. Each of its answers is its job's own; what befalls
 * the whole of it befalls all. Where a server cannot do it after all, or its answers get too long, the
 * polls are asked again in smaller ones, and nobody is blamed. */
#include "batch.h"

#include <stdlib.h>
#include <string.h>

static void release(struct batch *batch)
{
    if (--batch->references == 0)
        free(batch);
}

void batch_leave(struct vts_client_operation *operation)
{
    struct batch *batch = operation->batch;

    batch->members[operation->batch_place] = NULL;
    operation->batch = NULL;
    if (--batch->left || !batch->exchange)
        return;
    transport_cancel(batch->exchange); /* nobody wants to know any more */
    batch->exchange = NULL;
    pump_soon(batch->client);
    release(batch);
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* It has said nothing of the jobs: those are asked for again, at once, in another way. */
static bool is_unfit(struct vts_client *client, const struct batch *batch,
                     const struct reply *reply, const struct vts_client_error *error)
{
    bool answered = reply->end == REPLY_ANSWERED;

    if (error->code == VTS_CLIENT_OK)
        return false;
    if (reply->end == REPLY_TOO_LONG) {
        client->max_batch = batch->count / 2;
        return true;
    }
    if (answered && reply->status != 429 && (reply->status < 500 || reply->status == 501)) {
        client->batch_off = true;
        return true;
    }
    return false;
}

static void ask_again(struct vts_client_operation *operation)
{
    operation->polls++;
    pump_add(operation);
}

static void hear(struct vts_client_operation *operation, size_t place,
                 const struct protocol_answer *whole, const struct heard *heard)
{
    struct protocol_item item = {.answer.tree = NULL};
    struct heard one = *heard;

    operation->polls++;
    if (heard->error.code == VTS_CLIENT_OK) {
        protocol_batch_item(whole, place, operation->id, &item);
        one.error = item.error;
        if (item.retry_after_ms > one.retry_after_ms)
            one.retry_after_ms = item.retry_after_ms;
    }
    answer_poll(operation, &item.answer, &one);
}

static void answered(const struct reply *reply, void *arg)
{
    struct batch *batch = arg;
    struct vts_client *client = batch->client;
    struct heard heard = {.retry_after_ms = reply->retry_after_ms, .whole = true};
    struct protocol_answer whole;
    bool unfit;

    handle_hold(client);
    batch->exchange = NULL;
    answer_note(client, client->settings, reply);
    protocol_batch_read(reply, client->target.authority, &whole, &heard.error);
    unfit = is_unfit(client, batch, reply, &heard.error);
    client->counters.failed += heard.error.code != VTS_CLIENT_OK;
    for (size_t i = 0; i < batch->count; i++) {
        struct vts_client_operation *operation = batch->members[i];

        if (!operation)
            continue;
        batch_leave(operation);
        if (unfit)
            ask_again(operation);
        else
            hear(operation, i, &whole, &heard);
    }
    protocol_answer_finish(&whole);
    release(batch);
    pump(client);
    handle_release(client);
}

/* ---- the request ----------------------------------------------------------------------------- */

/* A poll that may wait for a change asks alone. */
static bool takes(struct vts_client_operation *operation)
{
    return operation_polls(operation) && !operation->starting && !operation->stopping &&
           !delay_long_poll_s(operation);
}

/* The operations from the first on that can go together, as far as they follow each other. */
static size_t gather(struct vts_client_operation *first, struct vts_client_operation *members[],
                     const char *ids[])
{
    size_t most = first->client->max_batch, count = 0;

    if (most > (size_t)first->settings->options.max_batch)
        most = (size_t)first->settings->options.max_batch;
    for (struct vts_client_operation *one = first; one && count < most && takes(one);
         one = TAILQ_NEXT(one, place)) {
        members[count] = one;
        ids[count++] = one->id;
    }
    return count;
}

static struct batch *create(struct vts_client *client, size_t count)
{
    struct batch *batch = calloc(1, sizeof(*batch) + count * sizeof(struct vts_client_operation *));

    if (!batch)
        return NULL;
    batch->references = 1;
    batch->client = client;
    batch->count = batch->left = count;
    return batch;
}

static void join(struct batch *batch, size_t place, struct vts_client_operation *operation)
{
    pump_remove(operation);
    free(operation->said); /* NOLINT(clang-analyzer-core.NullDereference): gather gave it */
    operation->said = NULL;
    batch->members[place] = operation;
    operation->batch = batch;
    operation->batch_place = place;
    operation->question = PROTOCOL_BATCH;
    operation->asked_ms = operation_now_ms(operation);
    if (operation->asked_ms >= delay_last_look_ms(operation))
        operation->looked_last = true;
    if (operation->queued_ms < operation->asked_ms &&
        operation->reason != VTS_CLIENT_REASON_HOST_GATE &&
        operation->reason != VTS_CLIENT_REASON_RETRY_BUDGET)
        operation->reason = VTS_CLIENT_REASON_CONNECTION;
    operation->requests++;
    operation->client->counters.retries += operation->retries;
}

/* The users' functions may make members leave, this one and others. */
static void tell(struct batch *batch)
{
    batch->references++;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->members[i])
            trace_request(batch->members[i]);
    }
    release(batch);
}

bool batch_send(struct vts_client_operation *first)
{
    struct vts_client_operation *members[BATCH_MAX] = {NULL};
    struct vts_client *client = first->client;
    struct transport_request request = {.method = TRANSPORT_GET,
                                        .timeout_ms = first->settings->options.request_timeout_ms};
    const char *ids[BATCH_MAX] = {NULL};
    struct batch *batch = NULL;
    char *path = NULL;
    size_t count;

    if (!(client->features & FEATURE_BATCH) || client->batch_off)
        return false;
    count = gather(first, members, ids);
    if (count > 1)
        path = protocol_batch_path(ids, &count);
    if (path && count > 1)
        batch = create(client, count);
    if (batch) {
        request.path = path;
        batch->exchange = transport_send(client->transport, &request, answered, batch);
    }
    free(path);
    if (!batch || !batch->exchange) {
        free(batch);
        return false; /* where memory is short, too: a single request may still fit */
    }
    client->counters.requests++;
    client->counters.batches++;
    client->counters.batched += count;
    for (size_t i = 0; i < count; i++)
        join(batch, i, members[i]);
    tell(batch);
    return true;
}
