/* SPDX-License-Identifier: MIT
 *
 * Carries out what is due, on a worker's event loop: a timer for what the port knows of, and a bell (an
 * eventfd) that other threads ring when something is due earlier. */
#include <errno.h>
#include <event2/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../base/log.h"
#include "service.h"

/* Records moved before the loop gets to look at its sockets again. */
#define SLICE 256

static void run(struct service_port *port)
{
    const struct clock *clock = port->service->clock;
    vts_ms next = store_run_due(port->store, clock_now(clock), SLICE);
    int64_t wait_us;
    struct timeval wait;

    waits_run(port);
    instances_reclaim(&port->service->instances);
    wait_us = next == RECORD_NEVER ? -1 : clock_wait_us(clock, next);
    if (wait_us < 0) {
        evtimer_del(port->timer);
        return;
    }
    wait.tv_sec = wait_us / 1000000;
    wait.tv_usec = wait_us % 1000000;
    if (evtimer_add(port->timer, &wait) != 0)
        log_line(VTS_ERROR, "jobs", "no memory for a timer: what is due waits for the next change");
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    run(arg);
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
    port->bell = event_new(base, port->bell_fd, EV_READ | EV_PERSIST, on_bell, port);
    if (!port->timer || !port->bell || event_add(port->bell, NULL) != 0 ||
        !store_attach(port->store, base)) {
        service_port_detach(port);
        return false;
    }
    run(port);
    return true;
}

void service_port_detach(struct service_port *port)
{
    if (port->bell_fd < 0)
        return;
    store_detach(port->store);
    waits_forget(port);
    if (port->timer)
        event_free(port->timer);
    if (port->bell)
        event_free(port->bell);
    close(port->bell_fd);
    port->timer = port->bell = NULL;
    port->bell_fd = -1;
    port->base = NULL;
}
