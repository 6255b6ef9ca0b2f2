/* SPDX-License-Identifier: MIT
 *
 * Tests of plugins/fixed_delay.c: the moment of the end, and the progress on the way there. */
#include "rig.h"

#include <setjmp.h>

#include <cmocka.h>

static void ends_at(const char *settings, vts_ms moment)
{
    struct rig rig;
    struct rig_job job = {0};
    struct rig_view view;

    rig_init(&rig, fixed_delay_LTX_vts_plugin(), settings);
    rig_start(&rig, &job, "a", 500);
    if (moment > 0) {
        assert_string_equal(rig_poll(&rig, &job, 500), "pending");
        assert_string_equal(rig_poll(&rig, &job, 500 + moment - 1), "pending");
    }
    assert_string_equal(rig_poll(&rig, &job, 500 + moment), "completed");
    view = rig_view(&job, 500 + moment);
    assert_int_equal(view.state, VTS_COMPLETED);
    assert_int_equal(view.started_at, 500);
    assert_int_equal(view.ended_at, 500 + moment);
    assert_int_equal(view.wake_at, RIG_NEVER);
    assert_true(view.progress == 1);
    assert_null(view.result);
    assert_null(view.code);
    assert_null(view.message);
    rig_job_finish(&job);
    rig_finish(&rig);
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
    struct rig rig;
    struct rig_job job = {0};

    (void)state;
    ends_at("delay = 0", 0);
    ends_at("delay = 0\nprogress = on", 0);
    rig_init(&rig, fixed_delay_LTX_vts_plugin(), "delay = 0");
    rig_start(&rig, &job, "a", 0);
    assert_int_equal(rig_view(&job, 0).state, VTS_COMPLETED);
    rig_job_finish(&job);
    rig_finish(&rig);
}

static void ends_when_it_was_due_and_not_when_looked_at(void **state)
{
    struct rig rig;
    struct rig_job late = {0}, often = {0};
    vts_ms at;

    (void)state;
    rig_init(&rig, fixed_delay_LTX_vts_plugin(), "delay = 10s\nprogress = on");
    rig_start(&rig, &late, "a", 0);
    rig_start(&rig, &often, "a", 0);
    assert_string_equal(rig_poll(&rig, &late, 86400000), "completed");
    assert_int_equal(rig_view(&late, 86400000).ended_at, 10000);
    for (at = 0; at <= 20000; at += 7)
        rig_poll(&rig, &often, at);
    assert_true(rig_equal(&late, &often));
    assert_int_equal(often.polls, 2858);
    assert_int_equal(often.puts,
                     2); /* the start and the end: polls that tell nothing new cost nothing */
    rig_job_finish(&late);
    rig_job_finish(&often);
    rig_finish(&rig);
}

static void progress_is_in_proportion_to_time(void **state)
{
    struct rig rig;
    struct rig_job job = {0};
    vts_ms at;

    (void)state;
    rig_init(&rig, fixed_delay_LTX_vts_plugin(), "delay = 10s\nprogress = on");
    rig_start(&rig, &job, "a", 0);
    for (at = 0; at <= 10000; at += 125)
        assert_true(rig_view(&job, at).progress == (double)at / 10000);
    rig_poll(&rig, &job, 10000);
    assert_true(rig_view(&job, 10000).progress == 1);
    rig_job_finish(&job);
    rig_finish(&rig);
}

static void no_progress_unless_asked_for(void **state)
{
    struct rig rig;
    struct rig_job job = {0};

    (void)state;
    rig_init(&rig, fixed_delay_LTX_vts_plugin(), "delay = 10s");
    rig_start(&rig, &job, "a", 0);
    assert_true(rig_view(&job, 9999).progress == 0);
    rig_poll(&rig, &job, 10000);
    assert_true(rig_view(&job, 10000).progress == 1);
    rig_job_finish(&job);
    rig_finish(&rig);
}

static void a_cancel_ends_it_there(void **state)
{
    struct rig rig;
    struct rig_job job = {0};
    struct rig_view view;

    (void)state;
    rig_init(&rig, fixed_delay_LTX_vts_plugin(), "delay = 10s\nprogress = on");
    rig_start(&rig, &job, "a", 0);
    rig_cancel(&rig, &job, 2500);
    rig_poll(&rig, &job, 20000);
    view = rig_view(&job, 20000);
    assert_int_equal(view.state, VTS_CANCELLED);
    assert_int_equal(view.ended_at, 2500);
    assert_true(view.progress == 0.25);
    assert_string_equal(view.word, "error");
    rig_job_finish(&job);
    rig_finish(&rig);
}

static void survives_at_any_moment(void **state)
{
    static const vts_ms polls[] = {0, 1, 5000, 5000, 9999, 10000, 10001, 20000};

    (void)state;
    rig_survives(fixed_delay_LTX_vts_plugin(), "delay = 10s\nprogress = on", polls,
                 sizeof(polls) / sizeof(polls[0]));
}

static void refuses_what_is_wrong(void **state)
{
    const struct vts_plugin *plugin = fixed_delay_LTX_vts_plugin();

    (void)state;
    rig_refused(plugin, "delay = -1s",
                "t.ini:2: [behaviour test] delay: \"-1s\" is negative; a time is 0 or more");
    rig_refused(plugin, "delay = 5s\nprogress = maybe",
                "t.ini:3: [behaviour test] progress: \"maybe\" is neither on nor off; write on or "
                "off");
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
        cmocka_unit_test(refuses_what_is_wrong),
    };

    return cmocka_run_group_tests_name("fixed_delay", tests, NULL, NULL);
}
