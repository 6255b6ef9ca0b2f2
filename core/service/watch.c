/* SPDX-License-Identifier: MIT
 *
 * Polls that wait for news: which there are, and when each looks again at its job. A look is no poll: it
 * only carries out what is due and sees whether the state is another one.
 *
 * A wait stands in its port's lists, by a hash of its job's id, and belongs to that port's thread. Whoever
 * changes a job's state, on any thread, reads from the ports' counters whether somebody waits for such an
 * id; if so he marks the place as told and rings the port's bell, and the port looks again at all that wait
 * there. A wait is counted before it first reads the record, and a change is kept before it is told: so
 * either the wait sees the change, or the change sees the wait.
 *
 * Nobody tells of what another process does to a store that is shared. There a wait looks again by itself,
 * at the moment at which the job said that it would wake, and a few times a second. */
#include <stdatomic.h>
#include <stdlib.h>

#include "../base/log.h"
#include "../base/rng.h"
#include "service.h"

#define PLACES       1024u
#define WORD         64u
#define LOOK_MS      200  /* between two looks at a job that other processes may change, */
#define LOOK_LEAST   10   /* also where it says that it wakes earlier */
#define LOOKS_A_SLOT 1000 /* and so many waits in that time: with more each looks less often */

LIST_HEAD(wait_list, service_call);

struct waits {
    struct wait_list lists[PLACES];
    size_t number; /* of all in the lists */
    bool ending;
    /* Others write to these. */
    _Atomic uint32_t counts[PLACES];
    _Atomic uint64_t told[PLACES / WORD];
    atomic_bool rung;
};

struct waits *waits_create(void)
{
    return calloc(1, sizeof(struct waits)); /* all zeros: lists without a first, counters at 0 */
}

void waits_destroy(struct waits *waits) { free(waits); }

static uint32_t place_of(struct bytes id) { return rng_hash(id.at, id.length, 0) % PLACES; }

/* ---- in and out ---- */

static void enlist(struct service_call *call)
{
    struct waits *waits = call->port->waits;
    struct service_wait *wait = &call->wait;

    wait->place = place_of(call->store.id);
    wait->active = true;
    LIST_INSERT_HEAD(&waits->lists[wait->place], call, wait.link);
    waits->number++;
    atomic_fetch_add(&waits->counts[wait->place], 1);
    atomic_fetch_add(&call->port->service->waiting, 1);
}

static void leave(struct service_call *call)
{
    struct waits *waits = call->port->waits;
    struct service_wait *wait = &call->wait;

    LIST_REMOVE(call, wait.link);
    waits->number--;
    atomic_fetch_sub(&waits->counts[wait->place], 1);
    atomic_fetch_sub(&call->port->service->waiting, 1);
    pace_wait_end(call->port, &wait->alarm);
    wait->active = false;
}

/* ---- looking ---- */

static void look(struct service_call *call)
{
    call->wait.looking = true;
    call->wait.again = false;
    pace_wait_end(call->port, &call->wait.alarm);
    service_look(call);
}

static void look_soon(struct service_call *call)
{
    if (call->wait.looking)
        call->wait.again = true;
    else
        look(call);
}

/* When to look again, if nobody tells of a change before. */
static vts_ms next_look(const struct service_call *call, vts_ms now)
{
    const struct service_wait *wait = &call->wait;
    vts_ms pause = LOOK_MS, next;

    if (!call->port->service->store->ops->shared)
        return wait->until;
    pause += (vts_ms)(call->port->waits->number / LOOKS_A_SLOT) * LOOK_MS;
    next = call->wake_at > now + pause ? now + pause : call->wake_at;
    if (next < now + LOOK_LEAST)
        next = now + LOOK_LEAST;
    return next < wait->until ? next : wait->until;
}

static bool over(const struct service_call *call)
{
    return call->wait.until <= clock_now(call->port->service->clock);
}

static void on_alarm(void *arg)
{
    struct service_call *call = arg;

    call->wait.last |= call->wait.alarm.early || over(call);
    look_soon(call);
}

/* False where there was no memory. */
static bool set_alarm(struct service_call *call)
{
    vts_ms now = clock_now(call->port->service->clock);

    return pace_wait(call->port, &call->wait.alarm, next_look(call, now), on_alarm, call);
}

void wait_looked(struct service_call *call)
{
    struct service_wait *wait = &call->wait;

    wait->looking = false;
    if (!wait->seen)
        wait->state = call->state;
    wait->seen = true;
    /* A job that the next poll moves would wait for its client, and its client for it. */
    if (!state_ended(call->state) && (call->waits & VTS_FOR_POLL)) {
        wait->last = true;
        wait->applied = false;
    }
    if (!wait->last && call->result == SERVICE_DONE && !call->bent && !state_ended(call->state) &&
        call->state == wait->state) {
        if (wait->again) {
            look(call);
            return;
        }
        if (set_alarm(call))
            return;
        log_line(VTS_ERROR, "jobs",
                 "no memory for an alarm: a poll that waits is answered at once");
        wait->applied = false;
    }
    leave(call);
    call->done(call);
}

/* ---- for callers ---- */

void service_wait(struct service_call *call, vts_ms span)
{
    struct service_port *port = call->port;
    vts_ms now = clock_now(port->service->clock);

    call->wait = (struct service_wait){.applied = !port->waits->ending};
    if (span <= 0 || port->waits->ending) {
        service_status(call);
        return;
    }
    call->wait.until = span > VTS_TIME_END - now ? VTS_TIME_END : now + span;
    call->wait.looking = true;
    enlist(call);
    service_status(call);
}

void service_wait_end(struct service_call *call)
{
    if (!call->wait.active)
        return;
    call->wait.last = true;
    if (!call->wait.looking)
        look(call);
}

/* Calls `fn` for each wait of a list, which may leave it then. */
static void each(struct wait_list *list, void (*fn)(struct service_call *))
{
    struct service_call *call, *next;

    for (call = LIST_FIRST(list); call; call = next) {
        next = LIST_NEXT(call, wait.link);
        fn(call);
    }
}

static void each_place(struct waits *waits, void (*fn)(struct service_call *))
{
    size_t place;

    for (place = 0; waits->number > 0 && place < PLACES; place++)
        each(&waits->lists[place], fn);
}

void service_port_end_waits(struct service_port *port)
{
    port->waits->ending = true;
    each_place(port->waits, service_wait_end);
    pace_drain(port);
}

void waits_forget(struct service_port *port) { each_place(port->waits, leave); }

bool waits_told(const struct waits *waits) { return atomic_load(&waits->rung); }

void waits_run(struct service_port *port)
{
    struct waits *waits = port->waits;
    uint64_t bits;
    size_t word;

    if (!atomic_exchange(&waits->rung, false))
        return;
    for (word = 0; word < PLACES / WORD; word++)
        for (bits = atomic_exchange(&waits->told[word], 0); bits; bits &= bits - 1)
            each(&waits->lists[word * WORD + (size_t)__builtin_ctzll(bits)], look_soon);
}

void waits_tell(struct service *service, struct bytes id)
{
    uint32_t place;
    struct waits *waits;
    size_t i;

    if (atomic_load(&service->waiting) == 0)
        return;
    place = place_of(id);
    for (i = 0; i < service->port_count; i++) {
        waits = service->ports[i].waits;
        if (atomic_load(&waits->counts[place]) == 0)
            continue;
        atomic_fetch_or(&waits->told[place / WORD], UINT64_C(1) << place % WORD);
        atomic_store(&waits->rung, true);
        service_port_ring(service, i);
    }
}
