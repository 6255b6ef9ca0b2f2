/* SPDX-License-Identifier: MIT
 *
 * Where `now` comes from: the system's time, the system's time at another speed, or a time that
 * only a hand moves. All time of vtsim goes through one of these. Reading and moving are safe from
 * any thread. A clock never goes back: real time is taken once and carried on by the monotonic
 * clock. */
#ifndef VTSIM_TIME_CLOCK_H
#define VTSIM_TIME_CLOCK_H

#include <stdatomic.h>
#include <vtsim/plugin.h>

enum clock_mode { CLOCK_REAL, CLOCK_SCALED, CLOCK_VIRTUAL };

struct clock {
    enum clock_mode mode;
    double rate;            /* clock time a real time: 1 for real */
    vts_ms origin;          /* the clock's time at real_origin_us */
    int64_t real_origin_us; /* on CLOCK_MONOTONIC */
    _Atomic vts_ms hand;    /* CLOCK_VIRTUAL: the time */
};

void clock_init_real(struct clock *clock);
/* rate: above 0, finite. Starts at `origin`, from 0 to VTS_TIME_END. False for others. */
bool clock_init_scaled(struct clock *clock, vts_ms origin, double rate);
void clock_init_virtual(struct clock *clock, vts_ms origin);

vts_ms clock_now(const struct clock *clock);

/* Moves a virtual clock to `moment`; never back, never beyond VTS_TIME_END, and no other clock. */
enum vts_err clock_move(struct clock *clock, vts_ms moment, struct vts_error *error);

/* Real microseconds until the clock shows `moment`, rounded up: 0 if it does already, -1 where no
 * wait will help (a virtual clock), INT64_MAX where the wait is too long to be said. */
int64_t clock_wait_us(const struct clock *clock, vts_ms moment);

/* clock_now and clock_wait_us for a given moment of CLOCK_MONOTONIC, in microseconds: what they are made of. */
vts_ms clock_at(const struct clock *clock, int64_t real_us);
int64_t clock_wait_at_us(const struct clock *clock, vts_ms moment, int64_t real_us);

#endif
