/* SPDX-License-Identifier: MIT
 *
 * The blocking face: begins an operation on the handle's private loop and runs that until it is
 * done. See client.h. */
#include <event2/event.h>

#include "error.h"
#include "handle.h"
#include "private_loop.h"

/* What can be returned where no handle can own it. */
static const struct vts_client_result no_handle = {
    .size = sizeof(struct vts_client_result),
    .error = {VTS_CLIENT_ERR_INVALID, 0, "the handle is NULL"}};
static const struct vts_client_result wrong_handle = {
    .size = sizeof(struct vts_client_result),
    .error = {VTS_CLIENT_ERR_CALL, 0,
              "a blocking call on a handle that was made on an event_base"}};
static const struct vts_client_result wrong_place = {
    .size = sizeof(struct vts_client_result),
    .error = {VTS_CLIENT_ERR_CALL, 0, "a blocking call inside a callback of the same handle"}};
static const struct vts_client_result wrong_thread = {
    .size = sizeof(struct vts_client_result),
    .error = {VTS_CLIENT_ERR_CALL, 0,
              "a blocking call inside a callback of an asynchronous handle"}};
static const struct vts_client_result destroyed = {
    .size = sizeof(struct vts_client_result),
    .error = {VTS_CLIENT_ERR_ABANDONED, 0, "the handle was destroyed"}};

/* The handle keeps the operation, into whose answer the result points, until the next call. */
static void keep(struct vts_client *client, struct vts_client_operation *operation)
{
    if (client->kept.operation)
        operation_release(client->kept.operation);
    client->kept.operation = operation;
}

/* Nothing could be begun. */
static const struct vts_client_result *refused(struct vts_client *client,
                                               const struct vts_client_error *error)
{
    client->refusal = (struct vts_client_result){.size = sizeof(client->refusal), .error = *error};
    return &client->refusal;
}

/* Why the call is not allowed here; NULL: it is. */
static const struct vts_client_result *objection(const struct vts_client *client)
{
    if (!client)
        return &no_handle;
    if (!client->own_base)
        return &wrong_handle;
    if (client->callbacks)
        return &wrong_place;
    return callback_runs() ? &wrong_thread : NULL;
}

static const struct vts_client_result *run_to_end(struct vts_client *client,
                                                  struct vts_client_operation *operation)
{
    struct pipe_guard guard;

    operation_hold(operation);
    operation->call.done = NULL;
    pipe_guard_enter(&guard);
    while (!operation->finished) {
        /* Not 0: the system refused to wait, or there is nothing to wait for. */
        if (event_base_loop(client->base, EVLOOP_ONCE) && !operation->finished)
            operation_abandon(operation);
    }
    pipe_guard_leave(&guard);
    if (client->destroyed) {
        operation_release(operation); /* and with it, by now, the handle */
        return &destroyed;
    }
    keep(client, operation);
    return &client->kept.result;
}

static const struct vts_client_result *run(struct vts_client *client, enum operation_kind kind,
                                           const char *id, const struct vts_client_query *query,
                                           const struct vts_client_call *call)
{
    struct operation_request request = {
        .kind = kind, .id = id, .query = query, .call = call, .age_ms = -1};
    const struct vts_client_result *wrong = objection(client);
    struct vts_client_operation *operation;
    struct vts_client_error error;

    if (wrong)
        return wrong;
    keep(client, NULL);
    operation = operation_begin(client, &request, &error);
    return operation ? run_to_end(client, operation) : refused(client, &error);
}

const struct vts_client_result *vts_client_resume_sync(struct vts_client *client, const char *token,
                                                       const struct vts_client_call *call)
{
    const struct vts_client_result *wrong = objection(client);
    struct vts_client_operation *operation;
    struct vts_client_error error;

    if (wrong)
        return wrong;
    keep(client, NULL);
    operation = handle_resume(client, token, call, &error);
    return operation ? run_to_end(client, operation) : refused(client, &error);
}

const struct vts_client_result *vts_client_watch_sync(struct vts_client *client,
                                                      const struct vts_client_query *query,
                                                      const struct vts_client_call *call)
{
    return run(client, OPERATION_WATCH, NULL, query, call);
}

const struct vts_client_result *vts_client_start_sync(struct vts_client *client, const char *id,
                                                      const struct vts_client_call *call)
{
    return run(client, OPERATION_START, id, NULL, call);
}

const struct vts_client_result *vts_client_status_sync(struct vts_client *client, const char *id,
                                                       const struct vts_client_call *call)
{
    return run(client, OPERATION_STATUS, id, NULL, call);
}

const struct vts_client_result *vts_client_wait_sync(struct vts_client *client, const char *id,
                                                     const struct vts_client_call *call)
{
    return run(client, OPERATION_WAIT, id, NULL, call);
}

const struct vts_client_result *vts_client_run_sync(struct vts_client *client, const char *id,
                                                    const struct vts_client_call *call)
{
    return run(client, OPERATION_RUN, id, NULL, call);
}

const struct vts_client_result *vts_client_cancel_sync(struct vts_client *client, const char *id,
                                                       const struct vts_client_call *call)
{
    return run(client, OPERATION_CANCEL, id, NULL, call);
}

const struct vts_client_result *vts_client_list_sync(struct vts_client *client,
                                                     const struct vts_client_query *query,
                                                     const struct vts_client_call *call)
{
    return run(client, OPERATION_LIST, NULL, query, call);
}
