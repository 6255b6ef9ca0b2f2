/* SPDX-License-Identifier: MIT
 *
 * Carries out what is due, on a worker's event loop: a timer for what the port knows of, and a bell (an
 * eventfd) that other threads ring when something is due earlier. */
#include <errno.h>
#include <event2/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../base/log.h"
#include "queues.h"

/* Records moved before the loop gets to look at its sockets again. */
#define SLICE 256

/* The queues first: what ends in them is the store's to let go. */
vts_ms service_run_due(struct service_port *port, vts_ms now, size_t most)
{
    vts_ms queues = queues_run_due(port, now, most), store = store_run_due(port->store, now, most);

    return queues < store ? queues : store;
}

/* -1: not at all */
static void set_timer(struct event *timer, int64_t wait_us)
{
    const struct timeval wait = {(time_t)(wait_us / 1000000), (suseconds_t)(wait_us % 1000000)};

    if (wait_us < 0)
        evtimer_del(timer);
    else if (evtimer_add(timer, &wait) != 0)
        log_line(VTS_ERROR, "jobs", "no memory for a timer: what is due waits for the next change");
}

static void set_clock_timer(struct service_port *port, vts_ms next)
{
    port->timed = next;
    set_timer(port->timer, next == RECORD_NEVER ? -1 : clock_wait_us(port->service->clock, next));
}

/* While it is `running` time does not go on by steps.c. */
static void run(struct service_port *port)
{
    vts_ms next, other;

    atomic_store(&port->running, true);
    next = service_run_due(port, clock_now(port->service->clock), SLICE);
    waits_run(port);
    instances_reclaim(&port->service->instances);
    other = pace_run(port);
    atomic_store(&port->running, false);
    set_clock_timer(port, next < other ? next : other);
    if (port->index == 0)
        set_timer(port->sweep, pace_sweep_us(port));
    pace_turn(port);
}

/* In a run it is set at the end. */
void service_port_time(struct service_port *port)
{
    const struct clock *clock = port->service->clock;
    vts_ms first = atomic_load(&port->alarms.first);

    if (!port->timer || atomic_load(&port->running))
        return;
    if (!clock_pace(clock).standing && first < port->timed)
        set_clock_timer(port, first);
    else if (first <= clock_now(clock))
        service_port_ring(port->service, port->index);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    run(arg);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pace_turn(arg);
}

static void on_bell(evutil_socket_t fd, short what, void *arg)
{
    uint64_t rings;

    (void)what;
    while (read(fd, &rings, sizeof(rings)) < 0 && errno == EINTR)
        ;
    service_port_take_assignment(arg);
    run(arg);
}

void service_port_ring(void *arg, size_t index)
{
    const struct service *service = arg;
    uint64_t one = 1;

    /* A bell that is full (EAGAIN) has been rung. */
    while (write(service->ports[index].bell_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

bool service_port_attach(struct service_port *port, struct event_base *base)
{
    port->bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (port->bell_fd < 0)
        return false;
    port->base = base;
    port->timer = evtimer_new(base, on_timer, port);
    port->sweep = evtimer_new(base, on_timer, port);
    port->turn = evtimer_new(base, on_turn, port);
    port->bell = event_new(base, port->bell_fd, EV_READ | EV_PERSIST, on_bell, port);
    if (!port->timer || !port->bell || !port->turn || !port->sweep ||
        event_add(port->bell, NULL) != 0 || !store_attach(port->store, base)) {
        service_port_detach(port);
        return false;
    }
    run(port);
    return true;
}

void service_port_detach(struct service_port *port)
{
    struct event *const events[] = {port->timer, port->bell, port->turn, port->sweep};
    size_t i;

    if (port->bell_fd < 0)
        return;
    store_detach(port->store);
    waits_forget(port);
    pace_forget(port);
    for (i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (events[i])
            event_free(events[i]);
    close(port->bell_fd);
    port->timer = port->bell = port->turn = port->sweep = NULL;
    port->bell_fd = -1;
    port->base = NULL;
}
