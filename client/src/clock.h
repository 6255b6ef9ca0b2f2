/* SPDX-License-Identifier: MIT
 *
 * Where time comes from: the system, a virtual clock that jumps, functions of the user, or a driver: a clock
 * that lies elsewhere. Knows nothing of what is waited for. Each handle has one seat: an alarm on its clock.
 *
 * A virtual clock may only jump, and a driver let time pass, while none of the seats is busy, that is, has a
 * request under way. */
#ifndef VTSIM_CLIENT_CLOCK_H
#define VTSIM_CLIENT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <vtsim/client.h>

struct event;
struct event_base;
struct seat;

enum clock_kind { CLOCK_REAL, CLOCK_VIRTUAL, CLOCK_CUSTOM, CLOCK_DRIVEN };

/* A clock that lies elsewhere; clock->arg is the driver's own. */
struct clock_driver {
    int64_t (*now_ms)(void *arg);
    int64_t (*unix_ms)(void *arg);
    /* A seat is taken: becomes seat->alarm. NULL where memory is short. */
    void *(*sit)(struct seat *seat, struct event_base *base);
    void (*stand)(struct seat *seat);
    /* A seat is due at another moment, or a request is over. */
    void (*consider)(struct vts_client_clock *clock);
    void (*destroy)(void *arg);
};

struct vts_client_clock {
    unsigned int references;
    enum clock_kind kind;
    struct vts_client_clock_source source; /* of a custom one */
    const struct clock_driver *driver;     /* of a driven one */
    void *arg;
    int64_t now_ms;    /* of a virtual one */
    unsigned int busy; /* requests under way on all seats */
    TAILQ_HEAD(seat_list, seat) seats;
};

struct seat {
    TAILQ_ENTRY(seat) all;
    struct vts_client_clock *clock;
    struct event *event; /* real: the alarm; virtual: what it is rung from */
    void *alarm;         /* custom, driven */
    int64_t due_ms;
    unsigned int busy;
    void (*ring)(void *arg);
    /* Called from the loop where the clock cannot be had any more; NULL: nobody wants to know. */
    void (*fail)(void *arg, const struct vts_client_error *error);
    void *arg;
};

/* A clock with a driver, which is then the clock's. NULL where memory is short; it is then destroyed. */
struct vts_client_clock *clock_create_driven(const struct clock_driver *driver, void *arg);

/* Who is due first; NULL: nobody. */
struct seat *clock_first_due(const struct vts_client_clock *clock);

/* Real time, on a clock that only goes forward. */
int64_t clock_real_ms(void);

/* Takes a seat on the clock (NULL: real time). False where memory is short; seat_finish is then not
 * needed. `ring` is called from the loop, once for each seat_set. */
bool seat_init(struct seat *seat, struct vts_client_clock *clock, struct event_base *base,
               void (*ring)(void *arg), void *arg);
void seat_finish(struct seat *seat);

/* Rings at due_ms, in place of what was set before; INT64_MAX: never. */
void seat_set(struct seat *seat, int64_t due_ms);

/* A request begins, or is over: a virtual clock stands meanwhile. */
void seat_busy(struct seat *seat);
void seat_idle(struct seat *seat);

/* A virtual clock is at least at this moment; else nothing. */
void seat_catch_up(struct seat *seat, int64_t now_ms);

int64_t seat_now_ms(const struct seat *seat);
int64_t seat_unix_ms(const struct seat *seat); /* since 1970, in UTC */
bool seat_is_real(const struct seat *seat);

/* Is it also to be told when a request has taken too long? A server's clock passes while it answers. */
bool seat_times_requests(const struct seat *seat);

#endif
