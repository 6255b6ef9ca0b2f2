/* SPDX-License-Identifier: MIT
 *
 * The three clocks. The only file that asks the system for the time on behalf of jobs; knows nothing
 * of what the time is used for. */
#include "clock.h"

#include "../base/text.h"

#include <math.h>
#include <time.h>

static int64_t system_us(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void clock_init_real(struct clock *clock)
{
    clock->mode = CLOCK_REAL;
    clock->rate = 1;
    clock->real_origin_us = system_us(CLOCK_MONOTONIC);
    clock->origin = system_us(CLOCK_REALTIME) / 1000;
    atomic_init(&clock->hand, 0);
}

bool clock_init_scaled(struct clock *clock, vts_ms origin, double rate)
{
    if (!isfinite(rate) || rate <= 0 || origin < 0 || origin > VTS_TIME_END)
        return false;
    clock->mode = CLOCK_SCALED;
    clock->rate = rate;
    clock->real_origin_us = system_us(CLOCK_MONOTONIC);
    clock->origin = origin;
    atomic_init(&clock->hand, 0);
    return true;
}

void clock_init_virtual(struct clock *clock, vts_ms origin)
{
    clock->mode = CLOCK_VIRTUAL;
    clock->rate = 0;
    clock->real_origin_us = 0;
    clock->origin = origin;
    atomic_init(&clock->hand, origin);
}

/* Clock milliseconds that have passed after so many real microseconds; VTS_TIME_END at most. Rounding
 * keeps the order, so this never goes back. */
static vts_ms passed_after(const struct clock *clock, int64_t real_us)
{
    double scaled;

    if (clock->mode == CLOCK_REAL)
        return real_us / 1000;
    scaled = floor((double)real_us * clock->rate / 1000);
    return scaled < (double)VTS_TIME_END ? (vts_ms)scaled : VTS_TIME_END;
}

vts_ms clock_at(const struct clock *clock, int64_t real_us)
{
    int64_t elapsed;
    vts_ms now;

    if (clock->mode == CLOCK_VIRTUAL)
        return atomic_load(&clock->hand);
    if (__builtin_sub_overflow(real_us, clock->real_origin_us, &elapsed) || elapsed < 0)
        return clock->origin;
    if (__builtin_add_overflow(clock->origin, passed_after(clock, elapsed), &now) ||
        now > VTS_TIME_END)
        return VTS_TIME_END;
    return now;
}

vts_ms clock_now(const struct clock *clock)
{
    return clock_at(clock, clock->mode == CLOCK_VIRTUAL ? 0 : system_us(CLOCK_MONOTONIC));
}

/* The least number of real microseconds after which a scaled clock has gone on by `span`. */
static int64_t needed_us(const struct clock *clock, vts_ms span)
{
    double needed = ceil((double)span * 1000 / clock->rate);
    int64_t us;

    /* 2^53: beyond it a double no longer counts microseconds one by one. It is 285 years. */
    if (!(needed < 9007199254740992.0))
        return INT64_MAX;
    us = (int64_t)needed;
    /* Multiplying does not always undo the division: at most a step or two. */
    while (us > 0 && passed_after(clock, us - 1) >= span)
        us--;
    while (us < INT64_MAX && passed_after(clock, us) < span)
        us++;
    return us;
}

int64_t clock_wait_at_us(const struct clock *clock, vts_ms moment, int64_t real_us)
{
    int64_t elapsed, span, needed;

    if (clock_at(clock, real_us) >= moment)
        return 0;
    if (clock->mode == CLOCK_VIRTUAL)
        return -1;
    if (moment > VTS_TIME_END || __builtin_sub_overflow(moment, clock->origin, &span))
        return INT64_MAX;
    if (clock->mode == CLOCK_SCALED)
        needed = needed_us(clock, span);
    else if (__builtin_mul_overflow(span, INT64_C(1000), &needed))
        return INT64_MAX;
    if (needed == INT64_MAX || __builtin_sub_overflow(real_us, clock->real_origin_us, &elapsed))
        return needed;
    return __builtin_sub_overflow(needed, elapsed, &needed) ? INT64_MAX : needed;
}

int64_t clock_wait_us(const struct clock *clock, vts_ms moment)
{
    return clock_wait_at_us(clock, moment,
                            clock->mode == CLOCK_VIRTUAL ? 0 : system_us(CLOCK_MONOTONIC));
}

static enum vts_err refuse(struct vts_error *error, vts_ms now, const char *what)
{
    struct text text = TEXT_INIT;

    text_time(&text, now);
    vts_error_set(error, VTS_ERR_INVALID, "%s %s", what, text.failed ? "" : text.bytes);
    text_finish(&text);
    return VTS_ERR_INVALID;
}

enum vts_err clock_move(struct clock *clock, vts_ms moment, struct vts_error *error)
{
    vts_ms now;

    if (clock->mode != CLOCK_VIRTUAL) {
        vts_error_set(error, VTS_ERR_INVALID,
                      "this clock runs by itself; only a virtual one is moved");
        return VTS_ERR_INVALID;
    }
    if (moment > VTS_TIME_END)
        return refuse(error, VTS_TIME_END, "the last moment of a clock is");
    now = atomic_load(&clock->hand);
    do {
        if (moment < now)
            return refuse(error, now, "a clock never goes back, and this one shows");
    } while (!atomic_compare_exchange_weak(&clock->hand, &now, moment));
    return VTS_OK;
}
