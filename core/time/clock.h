/* SPDX-License-Identifier: MIT
 *
 * Where `now` comes from: the system's time, the system's time at another speed, or a time that
 * only a hand moves. All time of vtsim goes through one of these. A clock can be frozen, moved on, and
 * given another speed while it is read. Reading and changing are safe from any thread. A clock never
 * goes back, but for clock_reset: real time is taken once and carried on by the monotonic clock. */
#ifndef VTSIM_TIME_CLOCK_H
#define VTSIM_TIME_CLOCK_H

#include <stdatomic.h>
#include <vtsim/plugin.h>

enum clock_mode { CLOCK_REAL, CLOCK_SCALED, CLOCK_VIRTUAL };

/* The speeds that a hand can choose: a day in 86 s, or a thousandth of a second in one. */
#define CLOCK_RATE_MIN 0.001
#define CLOCK_RATE_MAX 1e6

/* What a clock does at the moment. */
struct clock_pace {
    enum clock_mode mode;
    double rate;            /* clock time a real time: 1 for real, 0 for virtual */
    bool frozen;            /* by a hand */
    bool standing;          /* frozen, virtual, or held: it shows `origin` */
    vts_ms origin;          /* the clock's time at real_origin_us */
    int64_t real_origin_us; /* on CLOCK_MONOTONIC */
};

/* Readers take no lock: who changes it makes `turn` odd, changes, and makes it even, and who read meanwhile
 * reads again. */
struct clock {
    atomic_uint turn;
    atomic_int mode; /* enum clock_mode */
    atomic_bool frozen, held;
    _Atomic double rate;
    _Atomic vts_ms origin;
    _Atomic int64_t real_origin_us;
    /* As it was made, for clock_reset. */
    enum clock_mode first_mode;
    double first_rate;
    vts_ms first_origin;
};

void clock_init_real(struct clock *clock);
/* rate: above 0, finite. Starts at `origin`, from 0 to VTS_TIME_END. False for others. */
bool clock_init_scaled(struct clock *clock, vts_ms origin, double rate);
void clock_init_virtual(struct clock *clock, vts_ms origin);

vts_ms clock_now(const struct clock *clock);
struct clock_pace clock_pace(const struct clock *clock);
/* "real", "scaled", "virtual" */
const char *clock_mode_name(enum clock_mode mode);

/* Moves it on to `moment`, from where it goes on as before; never back, and never beyond VTS_TIME_END. */
enum vts_err clock_move(struct clock *clock, vts_ms moment, struct vts_error *error);

/* Lets it stand, or go on. */
void clock_freeze(struct clock *clock, bool frozen);
/* The same for a moment, by whoever moves it: nobody is told that it is frozen. */
void clock_hold(struct clock *clock, bool held);

/* Lets it run at this rate from now on, whatever it was; false for one that is not from CLOCK_RATE_MIN to
 * CLOCK_RATE_MAX. */
bool clock_set_rate(struct clock *clock, double rate);

/* As it was made: the one way back. A real clock shows the system's time. */
void clock_reset(struct clock *clock);

/* Real microseconds until the clock shows `moment`, rounded up: 0 if it does already, -1 where no
 * wait will help (it stands), INT64_MAX where the wait is too long to be said. */
int64_t clock_wait_us(const struct clock *clock, vts_ms moment);

/* clock_now and clock_wait_us for a given moment of CLOCK_MONOTONIC, in microseconds: what they are made of. */
vts_ms clock_at(const struct clock *clock, int64_t real_us);
int64_t clock_wait_at_us(const struct clock *clock, vts_ms moment, int64_t real_us);

/* CLOCK_MONOTONIC in microseconds, for what is of the real world: how long somebody was silent. */
int64_t clock_real_us(void);

#endif
