/* SPDX-License-Identifier: MIT
 *
 * Tests of plugins/flaky_service.c: outages by the clock, failures by chance, the quota of a window, and
 * answers that get slower. The harness stands it around jobs that take an hour each. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common.h"

#define CALM "outage_every = 0\nerror_rate = 0\n"

static struct vts_harness *open_flaky(const char *settings)
{
    return open_with(flaky_service_LTX_vts_plugin, settings);
}

/* Polls at a moment: status, Retry-After and stall must be these. */
static void poll_told(struct vts_harness_job *job, vts_ms at, struct vts_harness *harness,
                      int status, vts_ms retry_after, vts_ms stall)
{
    vts_harness_advance_to(harness, at);
    vts_harness_poll(job);
    vts_harness_expect_status(job, status);
    assert_int_equal(job->answer ? job->answer->retry_after : 0, retry_after);
    assert_int_equal(job->answer ? job->answer->stall : 0, stall);
}

/* ---- outages ---- */

/* The harness begins at midnight, so with an offset of 0 the first outage begins with it. */
static void outages_come_at_their_times(void **state)
{
    struct vts_harness *harness = open_flaky("error_rate = 0\noutage_every = 10m\n"
                                             "outage_for = 30s\noutage_offset = 5m");
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    (void)state;
    vts_harness_expect_status(job, 200);
    poll_told(job, 299999, harness, 200, 0, 0);
    poll_told(job, 300000, harness, 503, 30000, 0);
    poll_told(job, 310500, harness, 503, 19500, 0);
    poll_told(job, 329999, harness, 503, 1, 0);
    poll_told(job, 330000, harness, 200, 0, 0);
    assert_null(job->answer);
    poll_told(job, 900000, harness, 503, 30000, 0);
    /* a start is refused, and let in when the outage is over */
    job = vts_harness_start(harness, "b", NULL);
    vts_harness_expect_status(job, 503);
    vts_harness_expect_state(job, VTS_ASKED);
    assert_int_equal(job->answer->retry_after, 30000);
    vts_harness_advance_to(harness, 930000);
    job = vts_harness_start(harness, "b", NULL);
    vts_harness_expect_state(job, VTS_RUNNING);
    /* the job itself knows nothing of it: it ends in the midst of an outage */
    vts_harness_advance_to(harness, 4530000);
    vts_harness_expect_ended_after(job, 3600000);
    assert_int_equal(job->writes, 3); /* refused, started, ended: polls write nothing */
    vts_harness_destroy(harness);
}

static void an_outage_before_the_epoch_and_one_without_end(void **state)
{
    struct vts_harness *harness = open_flaky("error_rate = 0\noutage_every = 10m\n"
                                             "outage_for = 10m\noutage_offset = 1000d");
    struct vts_harness_job *job;

    (void)state;
    vts_harness_begin(harness, 0); /* 1,000 days before the first */
    job = vts_harness_start(harness, "a", NULL);
    vts_harness_expect_status(job, 503);
    assert_int_equal(job->answer->retry_after, 600000);
    vts_harness_destroy(harness);
}

static void outages_in_other_clothes(void **state)
{
    static const struct {
        const char *as;
        int cut, body, status;
    } all[] = {{"html", VTS_BREAK_NONE, VTS_BODY_HTML, 502},
               {"reset", VTS_BREAK_RESET, VTS_BODY_USUAL, 502},
               {"empty", VTS_BREAK_EMPTY, VTS_BODY_USUAL, 502},
               {"status", VTS_BREAK_NONE, VTS_BODY_USUAL, 502}};
    struct vts_harness_job *job;
    struct vts_harness *harness;
    char settings[200];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        snprintf(settings, sizeof(settings),
                 "error_rate = 0\noutage_offset = 1m\noutage_as = %s\noutage_status = 502\n"
                 "outage_retry_after = 7s",
                 all[i].as);
        harness = open_flaky(settings);
        job = vts_harness_start(harness, "a", NULL);
        vts_harness_advance_to(harness, 60000);
        vts_harness_poll(job);
        assert_int_equal(job->answer->cut, all[i].cut);
        assert_int_equal(job->answer->body, all[i].body);
        assert_int_equal(job->answer->status, all[i].status);
        assert_int_equal(job->answer->retry_after, 7000);
        job = vts_harness_start(harness, "b", NULL);
        vts_harness_expect_state(job, VTS_ASKED);
        assert_int_equal(job->answer->cut, all[i].cut);
        assert_int_equal(job->answer->body, all[i].body);
        assert_int_equal(job->answer->status, all[i].status);
        vts_harness_destroy(harness);
    }
}

static void no_retry_after_is_told_where_none_is_wanted(void **state)
{
    struct vts_harness *harness =
        open_flaky("error_rate = 0\noutage_offset = 1m\nretry_after = off");
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    (void)state;
    poll_told(job, 60000, harness, 503, 0, 0);
    job = vts_harness_start(harness, "b", NULL);
    vts_harness_expect_status(job, 503);
    assert_int_equal(job->answer->retry_after, 0);
    vts_harness_destroy(harness);
}

/* ---- chance ---- */

enum { POLLS = 20000 };

/* The share is fair within five standard errors; who is hit hangs on the job and the number of the poll. */
static void a_share_of_the_requests_fails(void **state)
{
    static const char settings[] = "outage_every = 0\nerror_rate = 0.3\nerror_status = 500\n"
                                   "error_retry_after = 2s";
    struct vts_harness *harness = open_flaky(settings), *again = open_flaky(settings);
    struct vts_harness_job *job, *same;
    int i, failed = 0, refused = 0;
    char id[20];

    (void)state;
    while ((job = vts_harness_start(harness, "a", NULL))->state == VTS_ASKED)
        vts_harness_expect_status(job, 500);
    while ((same = vts_harness_start(again, "a", NULL))->state == VTS_ASKED)
        ;
    for (i = 0; i < POLLS; i++) {
        vts_harness_poll(job);
        failed += job->status == 500;
        vts_harness_advance(again, 3); /* at other moments: the same */
        assert_int_equal(vts_harness_poll(same), job->status);
        assert_int_equal(job->answer ? job->answer->retry_after : 0, job->status == 500 ? 2000 : 0);
    }
    assert_true(fabs(failed - 0.3 * POLLS) < 5 * sqrt(POLLS * 0.3 * 0.7));
    for (i = 0; i < POLLS; i++) {
        snprintf(id, sizeof(id), "job-%d", i);
        job = vts_harness_start(harness, id, NULL);
        refused += job->status == 500;
        vts_harness_forget(job);
    }
    assert_true(fabs(refused - 0.3 * POLLS) < 5 * sqrt(POLLS * 0.3 * 0.7));
    vts_harness_destroy(harness);
    vts_harness_destroy(again);
}

/* Another setting beside it changes nothing of who is hit. */
static void other_settings_change_nothing_of_chance(void **state)
{
    struct vts_harness *one = open_flaky("outage_every = 0\nerror_rate = 0.3");
    struct vts_harness *other = open_flaky("error_rate = 0.3\noutage_offset = 10s\n"
                                           "outage_for = 1s\nslow = time\nquota = 1000000");
    struct vts_harness_job *job, *same;
    int i;

    (void)state;
    while ((job = vts_harness_start(one, "a", NULL))->state == VTS_ASKED)
        ;
    while ((same = vts_harness_start(other, "a", NULL))->state == VTS_ASKED)
        ;
    for (i = 0; i < 1000; i++)
        assert_int_equal(vts_harness_poll(job), vts_harness_poll(same));
    vts_harness_destroy(one);
    vts_harness_destroy(other);
}

/* ---- the quota ---- */

static void a_quota_is_one_for_all_jobs(void **state)
{
    struct vts_harness *harness = open_flaky(CALM "quota = 5\nquota_window = 10s");
    struct vts_harness_job *a = vts_harness_start(harness, "a", NULL), *b;

    (void)state;
    b = vts_harness_start(harness, "b", NULL);
    poll_told(a, 1000, harness, 200, 0, 0);
    poll_told(b, 2000, harness, 200, 0, 0);
    poll_told(a, 3000, harness, 200, 0, 0);
    poll_told(b, 4000, harness, 429, 6000, 0);
    poll_told(a, 9999, harness, 429, 1, 0);
    assert_int_equal(vts_harness_start(harness, "c", NULL)->status, 429);
    poll_told(a, 10000, harness, 200, 0, 0);
    /* a new process counts from nothing */
    for (int i = 0; i < 4; i++)
        poll_told(a, 10000, harness, 200, 0, 0);
    poll_told(a, 10000, harness, 429, 10000, 0);
    assert_true(vts_harness_restart(harness));
    poll_told(a, 10000, harness, 200, 0, 0);
    vts_harness_destroy(harness);
}

static void a_quota_of_starts_or_of_polls(void **state)
{
    struct vts_harness *harness = open_flaky(CALM "quota = 1\nquota_of = starts");
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    (void)state;
    poll_told(job, 1, harness, 200, 0, 0);
    poll_told(job, 2, harness, 200, 0, 0);
    assert_int_equal(vts_harness_start(harness, "b", NULL)->status, 429);
    vts_harness_destroy(harness);
    harness = open_flaky(CALM "quota = 1\nquota_of = polls");
    job = vts_harness_start(harness, "a", NULL);
    assert_int_equal(vts_harness_start(harness, "b", NULL)->status, 200);
    poll_told(job, 1, harness, 200, 0, 0);
    poll_told(job, 2, harness, 429, 59998, 0);
    assert_int_equal(vts_harness_start(harness, "c", NULL)->status, 200);
    vts_harness_destroy(harness);
}

/* Requests in an outage never reached the quota. */
static void an_outage_uses_up_no_quota(void **state)
{
    struct vts_harness *harness =
        open_flaky("error_rate = 0\noutage_offset = 10s\noutage_for = 5s\nquota = 2");
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    (void)state;
    for (int i = 0; i < 10; i++)
        poll_told(job, 10000, harness, 503, 5000, 0);
    poll_told(job, 15000, harness, 200, 0, 0);
    poll_told(job, 15001, harness, 429, 44999, 0);
    vts_harness_destroy(harness);
}

/* ---- slowness ---- */

static void answers_get_slower_with_time(void **state)
{
    struct vts_harness *harness = open_flaky(CALM "slow = time\nslow_most = 4s\nslow_over = 100s");
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    (void)state;
    assert_null(job->answer);
    poll_told(job, 25000, harness, 200, 0, 1000);
    poll_told(job, 99999, harness, 200, 0, 3999);
    job = vts_harness_start(harness, "b", NULL);
    vts_harness_expect_state(job, VTS_RUNNING);
    assert_int_equal(job->answer->stall, 3999);
    poll_told(job, 100000, harness, 200, 0, 0);
    vts_harness_destroy(harness);
}

static void answers_get_slower_with_load(void **state)
{
    struct vts_harness *harness =
        open_flaky(CALM "slow = load\nslow_most = 1s\nslow_load = 4\nslow_over = 10s");
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    (void)state;
    assert_int_equal(job->answer->stall, 250);
    poll_told(job, 1, harness, 200, 0, 500);
    poll_told(job, 2, harness, 200, 0, 750);
    poll_told(job, 3, harness, 200, 0, 1000);
    poll_told(job, 4, harness, 200, 0, 1000);
    poll_told(job, 10000, harness, 200, 0, 250);
    vts_harness_destroy(harness);
}

/* ---- settings, laws ---- */

static void settings_that_cannot_be(void **state)
{
    (void)state;
    refuses(
        flaky_service_LTX_vts_plugin, "outage_every = 1m\noutage_for = 2m",
        "settings:3: [filter flaky_service] outage_for: an outage lasts longer than the time "
        "from one to the next, which is outage_every = 60000 ms");
    refuses(
        flaky_service_LTX_vts_plugin, "error_rate = 1.5",
        "settings:2: [filter flaky_service] error_rate: \"1.5\" is out of range; write a number "
        "from 0 to 1");
    refuses(flaky_service_LTX_vts_plugin, "outage_as = smoke",
            "settings:2: [filter flaky_service] outage_as: \"smoke\" is none of status, html, "
            "reset, empty");
    /* without outages it does not matter how long they are */
    vts_harness_destroy(open_flaky("outage_every = 0\noutage_for = 2m"));
}

static void laws(void **state)
{
    (void)state;
    keeps_the_laws(flaky_service_LTX_vts_plugin, "flaky_service",
                   "quota = 20\nquota_window = 1s\nslow = load\nslow_over = 1m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outages_come_at_their_times),
        cmocka_unit_test(an_outage_before_the_epoch_and_one_without_end),
        cmocka_unit_test(outages_in_other_clothes),
        cmocka_unit_test(no_retry_after_is_told_where_none_is_wanted),
        cmocka_unit_test(a_share_of_the_requests_fails),
        cmocka_unit_test(other_settings_change_nothing_of_chance),
        cmocka_unit_test(a_quota_is_one_for_all_jobs),
        cmocka_unit_test(a_quota_of_starts_or_of_polls),
        cmocka_unit_test(an_outage_uses_up_no_quota),
        cmocka_unit_test(answers_get_slower_with_time),
        cmocka_unit_test(answers_get_slower_with_load),
        cmocka_unit_test(settings_that_cannot_be),
        cmocka_unit_test(laws),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
