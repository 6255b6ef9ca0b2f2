/* SPDX-License-Identifier: MIT
 *
 * Removing jobs: page by page of the store's listing, each job through the one door to its record; and in the
 * end what is known of how they were asked for. Where all of them go, so does all else that has gathered since
 * the start: what plugins counted, and the time. */
#include <event2/event.h>
#include <stdlib.h>

#include "service.h"

/* Records that are removed at one time, and looked at for them. */
#define PAGE 256
#define SCAN 10000

struct service_drop {
    struct service_call call; /* first */
    struct service_reset *reset;
    char id[RECORD_ID_MAX + 1];
};

static bool take_row(struct store_list *list, const struct record *record, uint64_t polls,
                     vts_ms now)
{
    struct service_reset *reset = (struct service_reset *)list;
    struct service_drop *drop = &reset->drops[reset->count];

    (void)polls;
    (void)now;
    if (reset->pattern && !text_glob(reset->pattern, record->id))
        return false;
    memcpy(drop->id, record->id, (size_t)record->id_length + 1);
    service_call_init(&drop->call);
    drop->call.store.id = (struct bytes){drop->id, record->id_length};
    reset->count++;
    return true;
}

static void next_page(evutil_socket_t fd, short what, void *arg)
{
    struct service_reset *reset = arg;

    (void)fd;
    (void)what;
    reset->count = 0;
    store_list(reset->port->store, &reset->list);
}

/* ---- as at the start ---- */

static void reset_instance(void *arg, const struct instance *instance)
{
    (void)arg;
    instance_reset(instance);
}

static void begin_anew(struct service_port *port)
{
    struct service *service = port->service;

    instances_enter(&service->instances, port->index);
    instances_each(&service->instances, reset_instance, NULL);
    instances_leave(&service->instances, port->index);
    pace_reset(&service->pace);
    store_keep_clock(port->store);
}

static bool no_row(struct store_list *list, const struct record *record, uint64_t polls, vts_ms now)
{
    (void)list;
    (void)record;
    (void)polls;
    (void)now;
    return false;
}

static void all_kept(struct store_list *list)
{
    struct service_reset *reset = (struct service_reset *)list;

    reset->failed = list->err != VTS_OK;
    reset->done(reset);
}

/* The jobs are gone, and what was known of them. A listing of nothing comes back when the clock is kept as well. */
static void finish(struct service_reset *reset)
{
    if (reset->failed || reset->pattern) {
        reset->done(reset);
        return;
    }
    begin_anew(reset->port);
    reset->list = (struct store_list){.limit = 1, .scan = 1, .row = no_row, .done = all_kept};
    store_list(reset->port->store, &reset->list);
}

/* ---- jobs ---- */

/* Each page in a round of the loop of its own, so that others are served meanwhile. */
static bool next_page_soon(struct service_reset *reset)
{
    const struct timeval now = {0, 0};

    return event_base_once(reset->port->base, -1, EV_TIMEOUT, next_page, reset, &now) == 0;
}

static void forgotten(struct service_call *call)
{
    struct service_reset *reset = ((struct service_drop *)call)->reset;

    reset->failed |= call->result != SERVICE_DONE;
    finish(reset);
}

/* With jobs goes what is known of them. */
static void forget(struct service_reset *reset)
{
    struct service_drop *drop = &reset->drops[0];

    if (reset->failed) {
        finish(reset);
        return;
    }
    service_call_init(&drop->call);
    drop->reset = reset;
    drop->call.port = reset->port;
    drop->call.done = forgotten;
    service_audit_reset(&drop->call, reset->pattern);
}

static void one_less(struct service_reset *reset)
{
    if (--reset->left > 0)
        return;
    if (reset->list.more && !reset->failed && next_page_soon(reset))
        return;
    reset->failed |= reset->list.more;
    forget(reset);
}

static void drop_done(struct service_call *call)
{
    struct service_reset *reset = ((struct service_drop *)call)->reset;

    reset->removed += call->result == SERVICE_DONE && call->changed; /* a refused start is no job */
    reset->failed |= call->result > SERVICE_NOT_FOUND;
    one_less(reset);
}

/* A page is in: one more is counted while they are asked for, so that none of them is the last too early. */
static void page_done(struct store_list *list)
{
    struct service_reset *reset = (struct service_reset *)list;
    size_t count = reset->count, i;

    if (list->err != VTS_OK)
        reset->failed = true;
    reset->left = count + 1;
    for (i = 0; i < count; i++) {
        reset->drops[i].reset = reset;
        reset->drops[i].call.port = reset->port;
        reset->drops[i].call.done = drop_done;
        service_drop(&reset->drops[i].call);
    }
    one_less(reset);
}

bool service_reset(struct service_reset *reset)
{
    reset->drops = calloc(PAGE, sizeof(*reset->drops));
    if (!reset->drops)
        return false;
    /* Those that are over, too: on a clock that goes back they would be there again. */
    reset->list = (struct store_list){
        .limit = PAGE, .scan = SCAN, .expired = true, .row = take_row, .done = page_done};
    reset->removed = 0;
    reset->failed = false;
    return next_page_soon(reset);
}

void service_reset_finish(struct service_reset *reset)
{
    free(reset->drops);
    reset->drops = NULL;
}
