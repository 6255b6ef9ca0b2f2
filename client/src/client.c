/* SPDX-License-Identifier: MIT
 *
 * Handles, and the asynchronous face: thin functions around operation.c. */
#include <event2/event.h>
#include <stdlib.h>

#include "error.h"
#include "handle.h"
#include "options.h"

const char *vts_client_version(void) { return VTSIM_VERSION; }

/* ---- handles --------------------------------------------------------------------------------- */

void handle_hold(struct vts_client *client) { client->references++; }

void handle_release(struct vts_client *client)
{
    if (--client->references)
        return;
    transport_destroy(client->transport);
    target_finish(&client->target);
    if (client->own_base && client->base)
        event_base_free(client->base);
    free(client);
}

/* A base for blocking calls alone: with timers that are exact, and without the locks that it would
 * have where the program uses libevent from several threads. */
static struct event_base *private_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (!config)
        return NULL;
    if (event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NOLOCK) == 0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

struct vts_client *vts_client_create(struct event_base *base,
                                     const struct vts_client_options *options,
                                     struct vts_client_error *error)
{
    struct vts_client *client = calloc(1, sizeof(*client));

    if (!client) {
        error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
        return NULL;
    }
    client->references = 1;
    TAILQ_INIT(&client->operations);
    environment_init(&client->environment);
    if (!options_read(&client->options, options, error) ||
        !target_init(&client->target, client->options.url, error)) {
        handle_release(client);
        return NULL;
    }
    client->options.url = NULL;
    client->own_base = !base;
    client->base = base ? base : private_base();
    if (client->base)
        client->transport = transport_create(client->base, &client->target, &client->environment,
                                             client->options.max_connections);
    if (!client->transport) {
        error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
        handle_release(client);
        return NULL;
    }
    return client;
}

void vts_client_destroy(struct vts_client *client)
{
    struct vts_client_operation *operation;

    if (!client || client->destroyed)
        return;
    client->destroyed = true;
    while ((operation = TAILQ_FIRST(&client->operations)))
        operation_abandon(operation);
    transport_destroy(client->transport);
    client->transport = NULL;
    if (client->kept)
        operation_release(client->kept);
    client->kept = NULL;
    handle_release(client);
}

/* ---- operations ------------------------------------------------------------------------------ */

static struct vts_client_operation *begin(struct vts_client *client, enum operation_kind kind,
                                          const char *id, const struct vts_client_query *query,
                                          const struct vts_client_call *call,
                                          struct vts_client_error *error)
{
    struct operation_request request = {kind, id, query, call};

    if (!client) {
        error_set(error, VTS_CLIENT_ERR_INVALID, 0, "the handle is NULL");
        return NULL;
    }
    if (client->own_base) {
        error_set(error, VTS_CLIENT_ERR_CALL, 0,
                  "an asynchronous call on a handle that was made without an event_base");
        return NULL;
    }
    return operation_begin(client, &request, error);
}

struct vts_client_operation *vts_client_start(struct vts_client *client, const char *id,
                                              const struct vts_client_call *call,
                                              struct vts_client_error *error)
{
    return begin(client, OPERATION_START, id, NULL, call, error);
}

struct vts_client_operation *vts_client_status(struct vts_client *client, const char *id,
                                               const struct vts_client_call *call,
                                               struct vts_client_error *error)
{
    return begin(client, OPERATION_STATUS, id, NULL, call, error);
}

struct vts_client_operation *vts_client_wait(struct vts_client *client, const char *id,
                                             const struct vts_client_call *call,
                                             struct vts_client_error *error)
{
    return begin(client, OPERATION_WAIT, id, NULL, call, error);
}

struct vts_client_operation *vts_client_run(struct vts_client *client, const char *id,
                                            const struct vts_client_call *call,
                                            struct vts_client_error *error)
{
    return begin(client, OPERATION_RUN, id, NULL, call, error);
}

struct vts_client_operation *vts_client_cancel(struct vts_client *client, const char *id,
                                               const struct vts_client_call *call,
                                               struct vts_client_error *error)
{
    return begin(client, OPERATION_CANCEL, id, NULL, call, error);
}

struct vts_client_operation *vts_client_list(struct vts_client *client,
                                             const struct vts_client_query *query,
                                             const struct vts_client_call *call,
                                             struct vts_client_error *error)
{
    return begin(client, OPERATION_LIST, NULL, query, call, error);
}

void vts_client_abandon(struct vts_client_operation *operation)
{
    if (operation)
        operation_abandon(operation);
}
