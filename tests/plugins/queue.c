/* SPDX-License-Identifier: MIT
 *
 * Tests of plugins/queue.c: who runs when, how long, and who is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common.h"

static void assert_ran(const struct vts_harness_job *job, vts_ms started, vts_ms ended)
{
    vts_harness_expect_state(job, VTS_COMPLETED);
    assert_int_equal(job->started_at, started);
    assert_int_equal(job->ended_at, ended);
}

static void first_come_first_served(void **state)
{
    struct vts_harness *harness =
        open_with(queue_LTX_vts_plugin, "slots = 2\noverhead = 1s\nrunning = 4s");
    struct vts_harness_job *jobs[5];
    const char *const ids[] = {"e", "d", "a", "c", "b"};
    int i;

    (void)state;
    for (i = 0; i < 5; i++) {
        jobs[i] = vts_harness_start(harness, ids[i], NULL);
        vts_harness_expect_state(jobs[i], i < 2 ? VTS_RUNNING : VTS_QUEUED);
        assert_string_equal(poll_at(harness, jobs[i], i * 100), "pending");
    }
    vts_harness_run(harness);
    assert_ran(jobs[0], 0, 5000);
    assert_ran(jobs[1], 0, 5000);
    assert_ran(jobs[2], 5000, 10000); /* came at 100 */
    assert_ran(jobs[3], 5000, 10000); /* at 200 */
    assert_ran(jobs[4], 10000, 15000);
    vts_harness_destroy(harness);
}

static void progress_is_that_of_the_running(void **state)
{
    struct vts_harness *harness =
        open_with(queue_LTX_vts_plugin, "slots = 1\noverhead = 2s\nrunning = 8s");
    struct vts_harness_job *first = vts_harness_start(harness, "a", NULL);
    struct vts_harness_job *second = vts_harness_start(harness, "b", NULL);

    (void)state;
    vts_harness_advance_to(harness, 2000);
    assert_true(first->progress == 0);
    vts_harness_advance_to(harness, 4000);
    assert_true(first->progress == 0.25);
    vts_harness_advance_to(harness, 11999);
    vts_harness_expect_state(second, VTS_RUNNING);
    assert_true(second->progress == 0);
    vts_harness_advance_to(harness, 16000);
    assert_true(second->progress == 0.5);
    assert_true(first->progress == 1);
    vts_harness_destroy(harness);
}

static void without_time_all_run_at_once(void **state)
{
    struct vts_harness *harness = open_with(queue_LTX_vts_plugin, "slots = 1\nrunning = 0");

    (void)state;
    assert_ran(vts_harness_start(harness, "a", NULL), 0, 0);
    assert_ran(vts_harness_start(harness, "b", NULL), 0, 0);
    vts_harness_destroy(harness);
}

static void a_cancel_makes_room(void **state)
{
    struct vts_harness *harness = open_with(queue_LTX_vts_plugin, "slots = 1\nrunning = 4s");
    struct vts_harness_job *runs = vts_harness_start(harness, "a", NULL);
    struct vts_harness_job *leaves = vts_harness_start(harness, "b", NULL);
    struct vts_harness_job *last = vts_harness_start(harness, "c", NULL);

    (void)state;
    vts_harness_advance_to(harness, 1000);
    vts_harness_cancel(leaves);
    vts_harness_expect_state(leaves, VTS_CANCELLED);
    assert_int_equal(leaves->started_at, VTS_HARNESS_NEVER);
    vts_harness_advance_to(harness, 1500);
    vts_harness_cancel(runs);
    vts_harness_expect_state(last, VTS_RUNNING);
    vts_harness_run(harness);
    assert_ran(last, 1500, 5500);
    vts_harness_destroy(harness);
}

static void assert_refused(const char *settings, int status, vts_ms retry_after)
{
    struct vts_harness *harness = open_with(queue_LTX_vts_plugin, settings);
    struct vts_harness_job *refused;

    vts_harness_start(harness, "a", NULL);
    vts_harness_start(harness, "b", NULL);
    vts_harness_expect_state(vts_harness_start(harness, "c", NULL), VTS_QUEUED);
    refused = vts_harness_start(harness, "d", NULL);
    vts_harness_expect_state(refused, VTS_ASKED);
    assert_int_equal(refused->status, status);
    assert_int_equal(refused->answer->retry_after, retry_after);
    vts_harness_advance_to(harness, 10000);
    assert_int_not_equal(vts_harness_start(harness, "d", NULL)->state, VTS_ASKED);
    vts_harness_destroy(harness);
}

static void beyond_the_limit_starts_are_refused(void **state)
{
    (void)state;
    assert_refused("slots = 1\nlimit = 2", 429, 1000);
    assert_refused("slots = 1\nlimit = 2\nrefuse = 503\nretry_after = 90s", 503, 90000);
    assert_refused("slots = 2\nlimit = 1\nretry_after = 0", 429, 0);
}

/* The line is as long as it may be and not longer; by default there is no end to it. */
static void any_number_may_wait(void **state)
{
    struct vts_harness *harness = open_with(queue_LTX_vts_plugin, "");
    char id[16];
    int i;

    (void)state;
    for (i = 0; i < 1000; i++) {
        snprintf(id, sizeof(id), "job-%03d", i);
        vts_harness_expect_state(vts_harness_start(harness, id, NULL),
                                 i < 2 ? VTS_RUNNING : VTS_QUEUED);
    }
    vts_harness_run(harness);
    assert_ran(vts_harness_find(harness, "job-999"), 4990000, 5000000);
    vts_harness_destroy(harness);
}

static void survives_at_any_moment(void **state)
{
    static const vts_ms polls[] = {0, 1, 999, 1000, 1001, 5000, 9999, 10000, 10001, 20000};

    (void)state;
    survives(queue_LTX_vts_plugin, "overhead = 1s\nrunning = 9s", polls,
             sizeof(polls) / sizeof(polls[0]));
}

/* Those that wait, too. */
static void the_line_survives(void **state)
{
    struct vts_harness *harness = open_with(queue_LTX_vts_plugin, "slots = 1\nrunning = 4s");
    struct vts_harness_job *first = vts_harness_start(harness, "b", NULL), *second, *third;

    (void)state;
    second = vts_harness_start(harness, "c", NULL);
    vts_harness_advance_to(harness, 1000);
    third = vts_harness_start(harness, "a", NULL);
    vts_harness_restart(harness);
    vts_harness_advance_to(harness, 5000);
    vts_harness_restart(harness);
    vts_harness_run(harness);
    assert_ran(first, 0, 4000);
    assert_ran(second, 4000, 8000);
    assert_ran(third, 8000, 12000);
    vts_harness_destroy(harness);
}

/* A job that the harness forgets leaves the line, or its slot. */
static void forgotten_ones_hold_nobody_up(void **state)
{
    struct vts_harness *harness = open_with(queue_LTX_vts_plugin, "slots = 1\nrunning = 4s");
    struct vts_harness_job *first = vts_harness_start(harness, "a", NULL);
    struct vts_harness_job *second = vts_harness_start(harness, "b", NULL);
    struct vts_harness_job *third = vts_harness_start(harness, "c", NULL);

    (void)state;
    vts_harness_forget(second);
    vts_harness_advance_to(harness, 1000);
    vts_harness_forget(first);
    vts_harness_advance_to(harness, 2000);
    vts_harness_expect_state(third, VTS_RUNNING);
    vts_harness_destroy(harness);
}

static void keeps_all_laws(void **state)
{
    (void)state;
    keeps_the_laws(queue_LTX_vts_plugin, "queue", "overhead = 1s\nrunning = exponential 5s");
}

static void refuses_what_is_wrong(void **state)
{
    (void)state;
    refuses(queue_LTX_vts_plugin, "slots = 0",
            "settings:2: [behaviour queue] slots: \"0\" is out of range; write a whole "
            "number from 1 to 1000000");
    refuses(queue_LTX_vts_plugin, "limit = -2",
            "settings:2: [behaviour queue] limit: \"-2\" is out of range; write a whole "
            "number from -1 to 1000000000");
    refuses(
        queue_LTX_vts_plugin, "refuse = 500",
        "settings:2: [behaviour queue] refuse: \"500\" is none of 429, 503; did you mean \"503\"?");
}

/* A vtsimd that knows no slots: its host table is shorter. */
static void refuses_an_older_vtsimd(void **state)
{
    const struct vts_plugin *plugin = queue_LTX_vts_plugin();
    const struct vts_host host = {.abi = VTS_ABI, .size = offsetof(struct vts_host, slots)};
    const int64_t settings[32] = {1};
    struct vts_instance instance = {.host = &host, .plugin = plugin, .settings = settings};
    struct vts_error error = {0};

    (void)state;
    assert_false(plugin->open(&instance, &error));
    assert_string_equal(error.message, "this vtsimd has no slots: take a later one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_come_first_served),
        cmocka_unit_test(progress_is_that_of_the_running),
        cmocka_unit_test(without_time_all_run_at_once),
        cmocka_unit_test(a_cancel_makes_room),
        cmocka_unit_test(beyond_the_limit_starts_are_refused),
        cmocka_unit_test(any_number_may_wait),
        cmocka_unit_test(survives_at_any_moment),
        cmocka_unit_test(the_line_survives),
        cmocka_unit_test(forgotten_ones_hold_nobody_up),
        cmocka_unit_test(keeps_all_laws),
        cmocka_unit_test(refuses_what_is_wrong),
        cmocka_unit_test(refuses_an_older_vtsimd),
    };

    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
