/* SPDX-License-Identifier: MIT
 *
 * Tests of plugins/fixed_delay.c: the moment of the end, and the progress on the way there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common.h"

static void ends_at(const char *settings, vts_ms moment)
{
    struct vts_harness *harness = open_with(fixed_delay_LTX_vts_plugin, settings);
    struct vts_harness_job *job;

    vts_harness_advance(harness, 500);
    job = vts_harness_start(harness, "a", NULL);
    if (moment > 0) {
        assert_string_equal(poll_at(harness, job, 500), "pending");
        assert_string_equal(poll_at(harness, job, 500 + moment - 1), "pending");
    }
    assert_string_equal(poll_at(harness, job, 500 + moment), "completed");
    vts_harness_expect_state(job, VTS_COMPLETED);
    assert_int_equal(job->started_at, 500);
    assert_int_equal(job->ended_at, 500 + moment);
    vts_harness_expect_ended_after(job, moment);
    vts_harness_expect_wakes_after(job, VTS_HARNESS_NEVER);
    assert_true(job->progress == 1);
    vts_harness_expect_result(job, NULL);
    assert_null(job->code);
    assert_null(job->message);
    vts_harness_destroy(harness);
}

static void completes_to_the_millisecond(void **state)
{
    (void)state;
    ends_at("", 10000);
    ends_at("delay = 1ms", 1);
    ends_at("delay = 250ms", 250);
    ends_at("delay = 1.5h\nprogress = on", 5400000);
    ends_at("delay = 1000d", INT64_C(86400000000));
}

static void no_delay_ends_in_the_start(void **state)
{
    struct vts_harness *harness = open_with(fixed_delay_LTX_vts_plugin, "delay = 0");

    (void)state;
    ends_at("delay = 0", 0);
    ends_at("delay = 0\nprogress = on", 0);
    vts_harness_expect_state(vts_harness_start(harness, "a", NULL), VTS_COMPLETED);
    vts_harness_destroy(harness);
}

static void ends_when_it_was_due_and_not_when_looked_at(void **state)
{
    static const char settings[] = "delay = 10s\nprogress = on";
    struct vts_harness *rarely = open_with(fixed_delay_LTX_vts_plugin, settings);
    struct vts_harness *often = open_with(fixed_delay_LTX_vts_plugin, settings);
    struct vts_harness_job *late = vts_harness_start(rarely, "a", NULL);
    struct vts_harness_job *busy = vts_harness_start(often, "a", NULL);
    vts_ms at;

    (void)state;
    assert_string_equal(poll_at(rarely, late, 86400000), "completed");
    assert_int_equal(late->ended_at, 10000);
    for (at = 0; at <= 20000; at += 7)
        poll_at(often, busy, at);
    assert_true(vts_harness_equal(late, busy));
    assert_int_equal(busy->polls, 2858);
    /* the start and the end: polls that tell nothing new cost nothing */
    assert_int_equal(busy->writes, 2);
    vts_harness_destroy(rarely);
    vts_harness_destroy(often);
}

static void progress_is_in_proportion_to_time(void **state)
{
    struct vts_harness *harness =
        open_with(fixed_delay_LTX_vts_plugin, "delay = 10s\nprogress = on");
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);
    vts_ms at;

    (void)state;
    for (at = 0; at <= 10000; at += 125) {
        vts_harness_advance_to(harness, at);
        assert_true(job->progress == (double)at / 10000);
    }
    poll_at(harness, job, 10000);
    assert_true(job->progress == 1);
    vts_harness_destroy(harness);
}

static void no_progress_unless_asked_for(void **state)
{
    struct vts_harness *harness = open_with(fixed_delay_LTX_vts_plugin, "delay = 10s");
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    (void)state;
    vts_harness_advance(harness, 9999);
    assert_true(job->progress == 0);
    poll_at(harness, job, 10000);
    assert_true(job->progress == 1);
    vts_harness_destroy(harness);
}

static void a_cancel_ends_it_there(void **state)
{
    struct vts_harness *harness =
        open_with(fixed_delay_LTX_vts_plugin, "delay = 10s\nprogress = on");
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    (void)state;
    vts_harness_advance(harness, 2500);
    vts_harness_cancel(job);
    assert_string_equal(poll_at(harness, job, 20000), "error");
    vts_harness_expect_state(job, VTS_CANCELLED);
    vts_harness_expect_ended_after(job, 2500);
    assert_true(job->progress == 0.25);
    vts_harness_destroy(harness);
}

static void survives_at_any_moment(void **state)
{
    static const vts_ms polls[] = {0, 1, 5000, 5000, 9999, 10000, 10001, 20000};

    (void)state;
    survives(fixed_delay_LTX_vts_plugin, "delay = 10s\nprogress = on", polls,
             sizeof(polls) / sizeof(polls[0]));
}

static void keeps_all_laws(void **state)
{
    (void)state;
    keeps_the_laws(fixed_delay_LTX_vts_plugin, "fixed_delay", "progress = on");
}

static void refuses_what_is_wrong(void **state)
{
    (void)state;
    refuses(fixed_delay_LTX_vts_plugin, "delay = -1s",
            "settings:2: [behaviour fixed_delay] delay: \"-1s\" is negative; a time is 0 or more");
    refuses(
        fixed_delay_LTX_vts_plugin, "delay = 5s\nprogress = maybe",
        "settings:3: [behaviour fixed_delay] progress: \"maybe\" is neither on nor off; write on "
        "or off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(completes_to_the_millisecond),
        cmocka_unit_test(no_delay_ends_in_the_start),
        cmocka_unit_test(ends_when_it_was_due_and_not_when_looked_at),
        cmocka_unit_test(progress_is_in_proportion_to_time),
        cmocka_unit_test(no_progress_unless_asked_for),
        cmocka_unit_test(a_cancel_ends_it_there),
        cmocka_unit_test(survives_at_any_moment),
        cmocka_unit_test(keeps_all_laws),
        cmocka_unit_test(refuses_what_is_wrong),
    };

    return cmocka_run_group_tests_name("fixed_delay", tests, NULL, NULL);
}
