/* SPDX-License-Identifier: MIT
 *
 * Removing jobs: page by page of the store's listing, each job through the one door to its record; and in the
 * end what is known of how they were asked for. */
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
    reset->done(reset);
}

/* All jobs are removed: so is what is known of them. */
static void forget(struct service_reset *reset)
{
    struct service_drop *drop = &reset->drops[0];

    if (reset->failed) {
        reset->done(reset);
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

    reset->removed += call->result == SERVICE_DONE;
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
    reset->list =
        (struct store_list){.limit = PAGE, .scan = SCAN, .row = take_row, .done = page_done};
    reset->removed = 0;
    reset->failed = false;
    return next_page_soon(reset);
}

void service_reset_finish(struct service_reset *reset)
{
    free(reset->drops);
    reset->drops = NULL;
}
