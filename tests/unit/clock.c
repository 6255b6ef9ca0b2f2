/* SPDX-License-Identifier: MIT
 *
 * Tests of the clocks. What depends on real time is computed for given moments; nothing here sleeps or
 * measures. */
#include "time/clock.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

/* 2026-01-01T00:00:00Z */
#define ORIGIN INT64_C(1767225600000)

static void real_time_is_the_systems(void **state)
{
    struct clock clock;
    struct timespec before, after;
    vts_ms now;

    (void)state;
    clock_gettime(CLOCK_REALTIME, &before);
    clock_init_real(&clock);
    now = clock_now(&clock);
    clock_gettime(CLOCK_REALTIME, &after);
    assert_true(now >= (vts_ms)before.tv_sec * 1000 + before.tv_nsec / 1000000);
    assert_true(now <= (vts_ms)after.tv_sec * 1000 + after.tv_nsec / 1000000 + 1);
}

static void real_time_never_goes_back(void **state)
{
    struct clock clock;
    vts_ms last, now;

    (void)state;
    clock_init_real(&clock);
    last = clock_now(&clock);
    for (int i = 0; i < 100000; i++) {
        now = clock_now(&clock);
        assert_true(now >= last);
        last = now;
    }
    /* nor before its origin, should the monotonic clock read less there */
    assert_int_equal(clock_at(&clock, clock.real_origin_us - 1), clock.origin);
    assert_int_equal(clock_at(&clock, clock.real_origin_us - 5000), clock.origin);
    assert_int_equal(clock_at(&clock, INT64_MIN), clock.origin);
}

static void real_time_goes_on_by_microseconds(void **state)
{
    struct clock clock;

    (void)state;
    clock_init_real(&clock);
    clock.origin = ORIGIN;
    clock.real_origin_us = 5000500;
    assert_int_equal(clock_at(&clock, 5000500), ORIGIN);
    assert_int_equal(clock_at(&clock, 5001499), ORIGIN);
    assert_int_equal(clock_at(&clock, 5001500), ORIGIN + 1);
    assert_int_equal(clock_at(&clock, 5000500 + INT64_C(86400000000)), ORIGIN + 86400000);
    assert_int_equal(clock_at(&clock, INT64_MAX), VTS_TIME_END);
}

static void waits_of_real_time(void **state)
{
    struct clock clock;

    (void)state;
    clock_init_real(&clock);
    clock.origin = ORIGIN;
    clock.real_origin_us = 5000500;
    assert_int_equal(clock_wait_at_us(&clock, ORIGIN, 5000500), 0);
    assert_int_equal(clock_wait_at_us(&clock, ORIGIN - 1, 5000500), 0);
    assert_int_equal(clock_wait_at_us(&clock, INT64_MIN, 5000500), 0);
    assert_int_equal(clock_wait_at_us(&clock, ORIGIN + 1, 5000500), 1000);
    assert_int_equal(clock_wait_at_us(&clock, ORIGIN + 1, 5001499), 1);
    assert_int_equal(clock_wait_at_us(&clock, ORIGIN + 1, 5001500), 0);
    assert_int_equal(clock_wait_at_us(&clock, ORIGIN + 1000, 5001499), 999001);
    /* far away: no overflow */
    assert_int_equal(clock_wait_at_us(&clock, VTS_TIME_END, 5000500),
                     (VTS_TIME_END - ORIGIN) * 1000);
    assert_int_equal(clock_wait_at_us(&clock, VTS_TIME_END + 1, 5000500), INT64_MAX);
    assert_int_equal(clock_wait_at_us(&clock, INT64_MAX, 5000500), INT64_MAX);
    assert_true(clock_wait_us(&clock, VTS_TIME_END) > 0);
}

static void scaled_time(void **state)
{
    struct clock clock;

    (void)state;
    assert_true(clock_init_scaled(&clock, ORIGIN, 60));
    assert_true(clock_now(&clock) >= ORIGIN);
    clock.real_origin_us = 1000;
    assert_int_equal(clock_at(&clock, 1000), ORIGIN);
    assert_int_equal(clock_at(&clock, 1000 + 1000000), ORIGIN + 60000);
    assert_int_equal(clock_at(&clock, 1000 + 16), ORIGIN); /* 0.96 ms */
    assert_int_equal(clock_at(&clock, 1000 + 17), ORIGIN + 1);
    assert_int_equal(clock_wait_at_us(&clock, ORIGIN + 1, 1000), 17);
    assert_int_equal(clock_wait_at_us(&clock, ORIGIN + 60000, 1000 + 400000), 600000);
    assert_true(clock_init_scaled(&clock, ORIGIN, 0.001));
    clock.real_origin_us = 0;
    assert_int_equal(clock_at(&clock, 999999), ORIGIN);
    assert_int_equal(clock_at(&clock, 1000000), ORIGIN + 1);
    assert_int_equal(clock_wait_at_us(&clock, ORIGIN + 3, 1), 2999999);
}

/* A wait ends exactly when the clock shows the moment: not a microsecond early, none too late. */
static void scaled_waits_are_exact(void **state)
{
    static const double rates[] = {1,   3,         7,   0.1,      0.3, 1e-6,      1.0 / 3,
                                   1e3, 12345.678, 1e9, 0.999999, 0.7, 1000.0 / 3};
    static const vts_ms spans[] = {1, 2, 3, 7, 999, 1000, 86400000, 123456789, 31557600000, 21, 65};
    struct clock clock;

    (void)state;
    for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++)
        for (size_t s = 0; s < sizeof(spans) / sizeof(spans[0]); s++) {
            int64_t wait;

            assert_true(clock_init_scaled(&clock, ORIGIN, rates[r]));
            clock.real_origin_us = 77;
            wait = clock_wait_at_us(&clock, ORIGIN + spans[s], 77);
            assert_true(wait > 0);
            if (wait == INT64_MAX) {
                assert_true((double)spans[s] * 1000 / rates[r] > 9e15);
                continue;
            }
            assert_true(clock_at(&clock, 77 + wait) >= ORIGIN + spans[s]);
            assert_true(clock_at(&clock, 77 + wait - 1) < ORIGIN + spans[s]);
        }
}

static void scaled_time_at_its_limits(void **state)
{
    struct clock clock;

    (void)state;
    assert_false(clock_init_scaled(&clock, ORIGIN, 0));
    assert_false(clock_init_scaled(&clock, ORIGIN, -1));
    assert_false(clock_init_scaled(&clock, ORIGIN, NAN));
    assert_false(clock_init_scaled(&clock, ORIGIN, INFINITY));
    assert_false(clock_init_scaled(&clock, -1, 1));
    assert_false(clock_init_scaled(&clock, VTS_TIME_END + 1, 1));
    assert_true(clock_init_scaled(&clock, 0, 1e300));
    clock.real_origin_us = 0;
    assert_int_equal(clock_at(&clock, 0), 0);
    assert_int_equal(clock_at(&clock, 1), VTS_TIME_END);
    assert_int_equal(clock_wait_at_us(&clock, VTS_TIME_END, 0), 1);
    assert_true(clock_init_scaled(&clock, 0, 1e-300));
    clock.real_origin_us = 0;
    assert_int_equal(clock_at(&clock, INT64_MAX), 0);
    assert_int_equal(clock_wait_at_us(&clock, VTS_TIME_END, 0), INT64_MAX);
    assert_int_equal(clock_wait_at_us(&clock, 1, 0), INT64_MAX);
    assert_true(clock_init_scaled(&clock, VTS_TIME_END, 1));
    assert_int_equal(clock_now(&clock), VTS_TIME_END);
    assert_int_equal(clock_wait_us(&clock, INT64_MAX), INT64_MAX);
}

static void virtual_time_moves_by_hand(void **state)
{
    struct vts_error error = {0};
    struct clock clock;

    (void)state;
    clock_init_virtual(&clock, ORIGIN);
    assert_int_equal(clock_now(&clock), ORIGIN);
    assert_int_equal(clock_wait_us(&clock, ORIGIN), 0);
    assert_int_equal(clock_wait_us(&clock, ORIGIN + 1), -1);
    assert_int_equal(clock_wait_us(&clock, INT64_MAX), -1);
    assert_int_equal(clock_move(&clock, ORIGIN + 5, &error), VTS_OK);
    assert_int_equal(clock_now(&clock), ORIGIN + 5);
    assert_int_equal(clock_move(&clock, ORIGIN + 5, &error), VTS_OK);
    assert_int_equal(clock_move(&clock, ORIGIN + 4, &error), VTS_ERR_INVALID);
    assert_string_equal(error.message,
                        "a clock never goes back, and this one shows 2026-01-01T00:00:00.005Z");
    assert_int_equal(clock_now(&clock), ORIGIN + 5);
    assert_int_equal(clock_move(&clock, VTS_TIME_END, &error), VTS_OK);
    assert_int_equal(clock_move(&clock, VTS_TIME_END + 1, &error), VTS_ERR_INVALID);
    assert_string_equal(error.message, "the last moment of a clock is 9999-12-31T23:59:59.999Z");
    assert_int_equal(clock_move(&clock, INT64_MIN, NULL), VTS_ERR_INVALID);
}

/* Moved on, they go on from there. */
static void other_clocks_are_moved_on(void **state)
{
    struct vts_error error = {0};
    struct clock clock;
    vts_ms now;

    (void)state;
    clock_init_real(&clock);
    now = clock_now(&clock);
    assert_int_equal(clock_move(&clock, now + 3600000, &error), VTS_OK);
    assert_in_range(clock_now(&clock), now + 3600000, now + 3660000);
    assert_int_equal(clock_move(&clock, now, &error), VTS_ERR_INVALID);
    assert_int_equal(clock_pace(&clock).mode, CLOCK_REAL);
    assert_true(clock_init_scaled(&clock, ORIGIN, 2));
    assert_int_equal(clock_move(&clock, ORIGIN + 86400000, &error), VTS_OK);
    clock.origin = ORIGIN + 86400000;
    clock.real_origin_us = 1000;
    assert_int_equal(clock_at(&clock, 1000 + 1000000), ORIGIN + 86400000 + 2000);
}

/* Frozen or held it stands; then it goes on from what it showed. */
static void a_clock_that_is_frozen_stands(void **state)
{
    struct clock clock;
    vts_ms stood;

    (void)state;
    assert_true(clock_init_scaled(&clock, ORIGIN, 1000));
    clock_freeze(&clock, true);
    stood = clock_now(&clock);
    assert_true(clock_pace(&clock).frozen && clock_pace(&clock).standing);
    assert_int_equal(clock_wait_us(&clock, stood + 1), -1);
    assert_int_equal(clock_at(&clock, clock_real_us() + 1000000), stood);
    assert_int_equal(clock_move(&clock, stood + 5, NULL), VTS_OK);
    assert_int_equal(clock_now(&clock), stood + 5);
    clock_hold(&clock, true);
    clock_freeze(&clock, false);
    assert_true(!clock_pace(&clock).frozen && clock_pace(&clock).standing);
    assert_int_equal(clock_now(&clock), stood + 5);
    clock_hold(&clock, false);
    assert_false(clock_pace(&clock).standing);
    clock.real_origin_us = 1000;
    assert_int_equal(clock_at(&clock, 1000 + 1000), stood + 5 + 1000);
}

static void the_rate_is_changed_on_the_way(void **state)
{
    static const double wrong[] = {0, -1, 1e9, 0.0009, NAN, INFINITY, -INFINITY};
    struct clock clock;

    (void)state;
    clock_init_virtual(&clock, ORIGIN);
    assert_true(clock_set_rate(&clock, 60));
    assert_int_equal(clock_pace(&clock).mode, CLOCK_SCALED);
    clock.real_origin_us = 1000;
    assert_int_equal(clock_at(&clock, 1000 + 1000000), ORIGIN + 60000);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(clock_set_rate(&clock, wrong[i]));
    assert_float_equal(clock_pace(&clock).rate, 60, 0);
    assert_true(clock_set_rate(&clock, CLOCK_RATE_MIN) && clock_set_rate(&clock, CLOCK_RATE_MAX));
}

static void a_reset_is_the_way_back(void **state)
{
    struct clock clock;
    vts_ms now;

    (void)state;
    clock_init_virtual(&clock, ORIGIN);
    assert_int_equal(clock_move(&clock, ORIGIN + 1000, NULL), VTS_OK);
    clock_freeze(&clock, true);
    assert_true(clock_set_rate(&clock, 2));
    clock_reset(&clock);
    assert_int_equal(clock_now(&clock), ORIGIN);
    assert_int_equal(clock_pace(&clock).mode, CLOCK_VIRTUAL);
    assert_false(clock_pace(&clock).frozen);
    clock_init_real(&clock);
    now = clock_now(&clock);
    assert_int_equal(clock_move(&clock, now + 86400000, NULL), VTS_OK);
    clock_reset(&clock);
    assert_in_range(clock_now(&clock), now, now + 60000);
}

/* ---- threads --------------------------------------------------------------------------------- */

enum { THREADS = 4, MOVES = 20000 };

/* Moves the hand on from what it shows. Returns NULL, or the clock if it showed less than before. */
static void *move_on(void *arg)
{
    struct clock *clock = arg;
    vts_ms last = clock_now(clock), now;

    for (int i = 0; i < MOVES; i++) {
        clock_move(clock, last + 1, NULL);
        now = clock_now(clock);
        if (now < last + 1)
            return clock;
        last = now;
    }
    return NULL;
}

static void a_virtual_clock_is_moved_by_many(void **state)
{
    pthread_t threads[THREADS];
    struct clock clock;
    void *said;

    (void)state;
    clock_init_virtual(&clock, ORIGIN);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, move_on, &clock), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &said), 0);
        assert_null(said);
    }
    assert_true(clock_now(&clock) >= ORIGIN + MOVES);
    assert_true(clock_now(&clock) <= ORIGIN + (vts_ms)THREADS * MOVES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_time_is_the_systems),
        cmocka_unit_test(real_time_never_goes_back),
        cmocka_unit_test(real_time_goes_on_by_microseconds),
        cmocka_unit_test(waits_of_real_time),
        cmocka_unit_test(scaled_time),
        cmocka_unit_test(scaled_waits_are_exact),
        cmocka_unit_test(scaled_time_at_its_limits),
        cmocka_unit_test(virtual_time_moves_by_hand),
        cmocka_unit_test(other_clocks_are_moved_on),
        cmocka_unit_test(a_clock_that_is_frozen_stands),
        cmocka_unit_test(the_rate_is_changed_on_the_way),
        cmocka_unit_test(a_reset_is_the_way_back),
        cmocka_unit_test(a_virtual_clock_is_moved_by_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
