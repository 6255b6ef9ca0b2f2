/* SPDX-License-Identifier: MIT
 *
 * Where time comes from: the system, a virtual clock that jumps, or functions of the user. Knows nothing
 * of what is waited for. Each handle has one seat: an alarm on its clock.
 *
 * A virtual clock may only jump while none of its seats is busy, that is, has a request under way. */
#ifndef VTSIM_CLIENT_CLOCK_H
#define VTSIM_CLIENT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <vtsim/client.h>

struct event;
struct event_base;

enum clock_kind { CLOCK_REAL, CLOCK_VIRTUAL, CLOCK_CUSTOM };

struct vts_client_clock {
    unsigned int references;
    enum clock_kind kind;
    struct vts_client_clock_source source; /* of a custom one */
    void *arg;
    int64_t now_ms;    /* of a virtual one */
    unsigned int busy; /* requests under way on all seats */
    TAILQ_HEAD(seat_list, seat) seats;
};

struct seat {
    TAILQ_ENTRY(seat) all;
    struct vts_client_clock *clock;
    struct event *event; /* real: the alarm; virtual: what it is rung from */
    void *alarm;         /* custom */
    int64_t due_ms;
    unsigned int busy;
    void (*ring)(void *arg);
    void *arg;
};

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

#endif
