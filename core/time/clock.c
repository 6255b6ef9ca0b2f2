/* SPDX-License-Identifier: MIT
 *
 * The three clocks. The only file that asks the system for the time on behalf of jobs; knows nothing
 * of what the time is used for. */
#include "clock.h"

#include "../base/text.h"

#include <math.h>
#include <sched.h>
#include <time.h>

static int64_t system_us(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_real_us(void) { return system_us(CLOCK_MONOTONIC); }

/* ---- making, and changing ---- */

static void set(struct clock *clock, enum clock_mode mode, double rate, vts_ms origin)
{
    atomic_store(&clock->mode, (int)mode);
    atomic_store(&clock->rate, rate);
    atomic_store(&clock->origin, origin);
    atomic_store(&clock->real_origin_us, mode == CLOCK_VIRTUAL ? 0 : clock_real_us());
    atomic_store(&clock->frozen, false);
    atomic_store(&clock->held, false);
}

static void init(struct clock *clock, enum clock_mode mode, double rate, vts_ms origin)
{
    atomic_init(&clock->turn, 0);
    clock->first_mode = mode;
    clock->first_rate = rate;
    clock->first_origin = origin;
    set(clock, mode, rate, origin);
}

static vts_ms system_ms(void) { return system_us(CLOCK_REALTIME) / 1000; }

void clock_init_real(struct clock *clock) { init(clock, CLOCK_REAL, 1, system_ms()); }

bool clock_init_scaled(struct clock *clock, vts_ms origin, double rate)
{
    if (!isfinite(rate) || rate <= 0 || origin < 0 || origin > VTS_TIME_END)
        return false;
    init(clock, CLOCK_SCALED, rate, origin);
    return true;
}

void clock_init_virtual(struct clock *clock, vts_ms origin)
{
    init(clock, CLOCK_VIRTUAL, 0, origin);
}

/* One changes it at a time, for some loads and stores: to wait is to try again. */
static void begin_change(struct clock *clock)
{
    unsigned int turn = atomic_load(&clock->turn);

    while (turn % 2 == 1 || !atomic_compare_exchange_weak(&clock->turn, &turn, turn + 1)) {
        sched_yield();
        turn = atomic_load(&clock->turn);
    }
}

static void end_change(struct clock *clock) { atomic_fetch_add(&clock->turn, 1); }

/* ---- reading ---- */

static struct clock_pace read_pace(const struct clock *clock)
{
    struct clock_pace pace = {.mode = (enum clock_mode)atomic_load(&clock->mode),
                              .rate = atomic_load(&clock->rate),
                              .frozen = atomic_load(&clock->frozen),
                              .origin = atomic_load(&clock->origin),
                              .real_origin_us = atomic_load(&clock->real_origin_us)};

    pace.standing = pace.frozen || pace.mode == CLOCK_VIRTUAL || atomic_load(&clock->held);
    return pace;
}

struct clock_pace clock_pace(const struct clock *clock)
{
    struct clock_pace pace;
    unsigned int turn;

    for (;;) {
        turn = atomic_load(&clock->turn);
        pace = read_pace(clock);
        if (turn % 2 == 0 && atomic_load(&clock->turn) == turn)
            return pace;
        sched_yield();
    }
}

const char *clock_mode_name(enum clock_mode mode)
{
    static const char *const names[] = {"real", "scaled", "virtual"};

    return names[mode];
}

/* Clock milliseconds that have passed after so many real microseconds; VTS_TIME_END at most. Rounding
 * keeps the order, so this never goes back. */
static vts_ms passed_after(const struct clock_pace *pace, int64_t real_us)
{
    double scaled;

    if (pace->mode == CLOCK_REAL)
        return real_us / 1000;
    scaled = floor((double)real_us * pace->rate / 1000);
    return scaled < (double)VTS_TIME_END ? (vts_ms)scaled : VTS_TIME_END;
}

static vts_ms time_at(const struct clock_pace *pace, int64_t real_us)
{
    int64_t elapsed;
    vts_ms now;

    if (pace->standing || __builtin_sub_overflow(real_us, pace->real_origin_us, &elapsed) ||
        elapsed < 0)
        return pace->origin;
    if (__builtin_add_overflow(pace->origin, passed_after(pace, elapsed), &now) ||
        now > VTS_TIME_END)
        return VTS_TIME_END;
    return now;
}

vts_ms clock_at(const struct clock *clock, int64_t real_us)
{
    const struct clock_pace pace = clock_pace(clock);

    return time_at(&pace, real_us);
}

vts_ms clock_now(const struct clock *clock)
{
    const struct clock_pace pace = clock_pace(clock);

    return time_at(&pace, pace.standing ? 0 : clock_real_us());
}

/* The least number of real microseconds after which a scaled clock has gone on by `span`. */
static int64_t needed_us(const struct clock_pace *pace, vts_ms span)
{
    double needed = ceil((double)span * 1000 / pace->rate);
    int64_t us;

    /* 2^53: beyond it a double no longer counts microseconds one by one. It is 285 years. */
    if (!(needed < 9007199254740992.0))
        return INT64_MAX;
    us = (int64_t)needed;
    /* Multiplying does not always undo the division: at most a step or two. */
    while (us > 0 && passed_after(pace, us - 1) >= span)
        us--;
    while (us < INT64_MAX && passed_after(pace, us) < span)
        us++;
    return us;
}

int64_t clock_wait_at_us(const struct clock *clock, vts_ms moment, int64_t real_us)
{
    const struct clock_pace pace = clock_pace(clock);
    int64_t elapsed, span, needed;

    if (time_at(&pace, real_us) >= moment)
        return 0;
    if (pace.standing)
        return -1;
    if (moment > VTS_TIME_END || __builtin_sub_overflow(moment, pace.origin, &span))
        return INT64_MAX;
    if (pace.mode == CLOCK_SCALED)
        needed = needed_us(&pace, span);
    else if (__builtin_mul_overflow(span, INT64_C(1000), &needed))
        return INT64_MAX;
    if (needed == INT64_MAX || __builtin_sub_overflow(real_us, pace.real_origin_us, &elapsed))
        return needed;
    return __builtin_sub_overflow(needed, elapsed, &needed) ? INT64_MAX : needed;
}

int64_t clock_wait_us(const struct clock *clock, vts_ms moment)
{
    return clock_wait_at_us(clock, moment, clock_real_us());
}

/* ---- moving ---- */

static enum vts_err refuse(struct vts_error *error, vts_ms now, const char *what)
{
    struct text text = TEXT_INIT;

    text_time(&text, now);
    vts_error_set(error, VTS_ERR_INVALID, "%s %s", what, text.failed ? "" : text.bytes);
    text_finish(&text);
    return VTS_ERR_INVALID;
}

/* From here on it counts from what it shows. Inside a change. */
static vts_ms count_anew(struct clock *clock)
{
    const struct clock_pace pace = read_pace(clock);
    int64_t real_us = clock_real_us();
    vts_ms now = time_at(&pace, real_us);

    atomic_store(&clock->origin, now);
    atomic_store(&clock->real_origin_us, real_us);
    return now;
}

enum vts_err clock_move(struct clock *clock, vts_ms moment, struct vts_error *error)
{
    vts_ms now;

    if (moment > VTS_TIME_END)
        return refuse(error, VTS_TIME_END, "the last moment of a clock is");
    begin_change(clock);
    now = count_anew(clock);
    if (moment > now)
        atomic_store(&clock->origin, moment);
    end_change(clock);
    return moment < now ? refuse(error, now, "a clock never goes back, and this one shows")
                        : VTS_OK;
}

void clock_freeze(struct clock *clock, bool frozen)
{
    begin_change(clock);
    count_anew(clock);
    atomic_store(&clock->frozen, frozen);
    end_change(clock);
}

void clock_hold(struct clock *clock, bool held)
{
    begin_change(clock);
    count_anew(clock);
    atomic_store(&clock->held, held);
    end_change(clock);
}

bool clock_set_rate(struct clock *clock, double rate)
{
    if (!(rate >= CLOCK_RATE_MIN && rate <= CLOCK_RATE_MAX))
        return false;
    begin_change(clock);
    count_anew(clock);
    atomic_store(&clock->mode, CLOCK_SCALED);
    atomic_store(&clock->rate, rate);
    atomic_store(&clock->frozen, false);
    end_change(clock);
    return true;
}

void clock_reset(struct clock *clock)
{
    begin_change(clock);
    set(clock, clock->first_mode, clock->first_rate,
        clock->first_mode == CLOCK_REAL ? system_ms() : clock->first_origin);
    end_change(clock);
}
