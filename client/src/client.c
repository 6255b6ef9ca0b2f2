/* SPDX-License-Identifier: MIT
 *
 * Handles, and the asynchronous face: thin functions around operation.c. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "batch.h"
#include "error.h"
#include "handle.h"
#include "options.h"
#include "private_loop.h"
#include "token.h"

const char *vts_client_version(void) { return VTSIM_VERSION; }

/* ---- callbacks ------------------------------------------------------------------------------- */

/* Of asynchronous handles, in this thread. */
static _Thread_local unsigned int loop_callbacks;

void callback_enter(struct vts_client *client)
{
    client->callbacks++;
    loop_callbacks += !client->own_base;
}

void callback_leave(struct vts_client *client)
{
    client->callbacks--;
    loop_callbacks -= !client->own_base;
}

bool callback_runs(void) { return loop_callbacks > 0; }

/* ---- handles --------------------------------------------------------------------------------- */

void handle_hold(struct vts_client *client) { client->references++; }

void handle_release(struct vts_client *client)
{
    if (--client->references)
        return;
    transport_destroy(client->transport);
    timeline_finish(&client->timeline);
    target_finish(&client->target);
    settings_release(client->settings);
    if (client->own_base && client->base)
        event_base_free(client->base);
    free(client);
}

static void on_ring(void *arg)
{
    struct vts_client *client = arg;

    handle_hold(client);
    timeline_fire(&client->timeline);
    pump(client);
    handle_release(client);
}

/* The clock is lost, and with it all that waits on it: those that are under way now, which are a beginning of
 * the list, and none that a user's function begins meanwhile. */
static void on_clock_failed(void *arg, const struct vts_client_error *error)
{
    struct vts_client *client = arg;
    struct vts_client_operation *operation;
    struct vts_client_error kept = *error;

    handle_hold(client);
    TAILQ_FOREACH(operation, &client->operations, all) operation->clockless = true;
    while ((operation = TAILQ_FIRST(&client->operations)) && operation->clockless)
        operation_finish(operation, &kept);
    if (!client->destroyed && !client->under_way)
        timeline_stop(&client->timeline, &client->pump_timer);
    handle_release(client);
}

/* The pump runs after whatever was due, in any case. */
static void on_pump(void *arg) { (void)arg; }

static uint64_t find_seed(const struct vts_client_options *options)
{
    uint64_t seed = options->seed;

    /* Where the system has no random bytes yet, the clock's finest digits must do. */
    if (!seed && getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed)) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        seed = (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
    }
    return seed;
}

/* What needs no memory. */
static void set_up(struct vts_client *client)
{
    client->references = 1;
    TAILQ_INIT(&client->operations);
    TAILQ_INIT(&client->ready);
    TAILQ_INIT(&client->retrying);
    client->pump_timer = (struct timer){.fire = on_pump, .arg = client};
    client->max_batch = BATCH_MAX;
    client->rtt_ms = -1;
}

static bool build(struct vts_client *client, const struct vts_client_options *options)
{
    if (!client->base ||
        !timeline_init(&client->timeline, options->clock, client->base, on_ring, client) ||
        !timers_reserve(&client->timeline.timers))
        return false;
    client->timeline.seat.fail = on_clock_failed;
    retry_budget_init(&client->budget, options->retry_budget, timeline_now_ms(&client->timeline));
    client->chance = find_seed(options);
    client->transport = transport_create(client->base, &client->target, &client->timeline,
                                         options->max_connections);
    return client->transport != NULL;
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
    set_up(client);
    client->settings = settings_create(options, NULL, error);
    if (!client->settings || !target_init(&client->target, client->settings->options.url, error)) {
        handle_release(client);
        return NULL;
    }
    client->settings->options.url = NULL;
    client->own_base = !base;
    client->base = base ? base : private_loop_create();
    if (!build(client, &client->settings->options)) {
        error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
        handle_release(client);
        return NULL;
    }
    client->settings->options.clock = NULL; /* its seat holds it */
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
    timeline_finish(&client->timeline);
    if (client->kept.operation)
        operation_release(client->kept.operation);
    client->kept.operation = NULL;
    handle_release(client);
}

void vts_client_counters_read(const struct vts_client *client, struct vts_client_counters *counters,
                              size_t size)
{
    struct vts_client_counters now = client->counters;

    now.size = size;
    now.gates = client->gate.closed;
    now.connections = transport_connected(client->transport);
    now.under_way = client->under_way;
    now.queued = client->queued;
    now.open = (uint64_t)transport_connections(client->transport);
    memset(counters, 0, size);
    memcpy(counters, &now, size < sizeof(now) ? size : sizeof(now));
}

/* ---- operations ------------------------------------------------------------------------------ */

static bool may_begin(const struct vts_client *client, struct vts_client_error *error)
{
    if (!client)
        return error_set(error, VTS_CLIENT_ERR_INVALID, 0, "the handle is NULL");
    return !client->own_base ||
           error_set(error, VTS_CLIENT_ERR_CALL, 0,
                     "an asynchronous call on a handle that was made without an event_base");
}

static struct vts_client_operation *begin(struct vts_client *client, enum operation_kind kind,
                                          const char *id, const struct vts_client_query *query,
                                          const struct vts_client_call *call,
                                          struct vts_client_error *error)
{
    struct operation_request request = {
        .kind = kind, .id = id, .query = query, .call = call, .age_ms = -1};

    return may_begin(client, error) ? operation_begin(client, &request, error) : NULL;
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

struct vts_client_operation *vts_client_watch(struct vts_client *client,
                                              const struct vts_client_query *query,
                                              const struct vts_client_call *call,
                                              struct vts_client_error *error)
{
    return begin(client, OPERATION_WATCH, NULL, query, call, error);
}

struct vts_client_operation *handle_resume(struct vts_client *client, const char *token,
                                           const struct vts_client_call *call,
                                           struct vts_client_error *error)
{
    struct operation_request request = {.kind = OPERATION_WAIT, .call = call, .known = true};
    struct token read;

    if (!token_read(&read, token, error))
        return NULL;
    request.id = read.id;
    request.job_class = read.job_class;
    request.age_ms = token_age_ms(&read, seat_unix_ms(&client->timeline.seat));
    return operation_begin(client, &request, error);
}

struct vts_client_operation *vts_client_resume(struct vts_client *client, const char *token,
                                               const struct vts_client_call *call,
                                               struct vts_client_error *error)
{
    return may_begin(client, error) ? handle_resume(client, token, call, error) : NULL;
}

/* ---- control --------------------------------------------------------------------------------- */

void vts_client_abandon(struct vts_client_operation *operation)
{
    if (operation)
        operation_abandon(operation);
}

void vts_client_stop(struct vts_client_operation *operation)
{
    if (operation)
        operation_stop(operation);
}

void vts_client_poke(struct vts_client_operation *operation)
{
    if (operation)
        operation_poke(operation);
}

size_t vts_client_token(struct vts_client_operation *operation, char *text, size_t room)
{
    struct token token = {.age_ms = -1};
    const struct seat *seat;

    if (!operation || !(operation_polls(operation) || operation->kind == OPERATION_START))
        return 0;
    seat = &operation->client->timeline.seat;
    memcpy(token.id, operation->id, strlen(operation->id) + 1);
    memcpy(token.job_class, operation->settings->job_class,
           strlen(operation->settings->job_class) + 1);
    if (operation->aged)
        token.age_ms = seat_now_ms(seat) - operation->born_ms;
    token.made_s = seat_unix_ms(seat) / 1000;
    return token_write(&token, text, room);
}
