/* SPDX-License-Identifier: MIT
 *
 * Tests of plugins/random_failure.c: that a job's fate is its own, and that chance is fair. The seed is
 * fixed, so the statistics come out the same in every run; their bounds say how far a fair draw may
 * be off (five standard errors, or 0.1% of chi-square). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common.h"

enum { JOBS = 20000 };

struct fate {
    bool failed;
    vts_ms ended_at;
    char message[32];
};

/* The harness's time goes on from job to job, but a fate does not hang on the time. */
static struct fate fate_of(struct vts_harness *harness, const char *id)
{
    struct vts_harness_job *job = vts_harness_start(harness, id, NULL);
    struct fate fate;

    assert_int_equal(job->started_at, vts_harness_now(harness));
    vts_harness_run(harness);
    fate = (struct fate){.failed = job->state == VTS_FAILED,
                         .ended_at = job->ended_at - job->started_at};
    assert_true(fate.failed || job->state == VTS_COMPLETED);
    if (fate.failed) {
        vts_harness_expect_error(job, "error", NULL);
        snprintf(fate.message, sizeof(fate.message), "%s", job->message);
    } else {
        assert_null(job->code);
        assert_null(job->message);
    }
    vts_harness_forget(job);
    return fate;
}

static struct fate fate_of_number(struct vts_harness *harness, int number)
{
    char id[24];

    snprintf(id, sizeof(id), "video-%d", number);
    return fate_of(harness, id);
}

static bool same_fate(const struct fate *a, const struct fate *b)
{
    return a->failed == b->failed && a->ended_at == b->ended_at &&
           strcmp(a->message, b->message) == 0;
}

/* ---- whose chance it is ---- */

static const char mixed[] = "rate = 0.5\n"
                            "delay = lognormal 8s sigma 0.5 max 60s\n"
                            "fail_at = anywhere\n"
                            "message = one\n two\n three\n";

static void the_same_seed_is_the_same_life_whoever_polls(void **state)
{
    struct vts_harness *never = open_with(random_failure_LTX_vts_plugin, mixed);
    struct vts_harness *often = open_with(random_failure_LTX_vts_plugin, mixed);
    struct vts_harness *once = open_with(random_failure_LTX_vts_plugin, mixed);
    struct vts_harness_job *alone, *busy, *late;
    char id[24];
    vts_ms began, at;
    int i;

    (void)state;
    for (i = 0; i < 200; i++) {
        began = INT64_C(2000000) * i;
        snprintf(id, sizeof(id), "video-%d", i);
        vts_harness_advance_to(never, began);
        vts_harness_advance_to(often, began);
        vts_harness_advance_to(once, began);
        alone = vts_harness_start(never, id, NULL);
        busy = vts_harness_start(often, id, NULL);
        late = vts_harness_start(once, id, NULL);
        vts_harness_run(never);
        for (at = 0; at <= 60000; at += 50 + i)
            poll_at(often, busy, began + at);
        poll_at(often, busy, began + 60000);
        poll_at(once, late, began + 1000000);
        assert_true(vts_harness_equal(alone, busy));
        assert_true(vts_harness_equal(alone, late));
        vts_harness_forget(alone);
        vts_harness_forget(busy);
        vts_harness_forget(late);
    }
    vts_harness_destroy(never);
    vts_harness_destroy(often);
    vts_harness_destroy(once);
}

static void the_order_of_the_jobs_does_not_matter(void **state)
{
    static struct fate forwards[500];
    struct vts_harness *harness;
    struct fate fate;
    int i;

    (void)state;
    harness = open_with(random_failure_LTX_vts_plugin, mixed);
    for (i = 0; i < 500; i++)
        forwards[i] = fate_of_number(harness, i);
    while (i-- > 0) {
        fate = fate_of_number(harness, i);
        assert_true(same_fate(&fate, &forwards[i]));
    }
    vts_harness_destroy(harness);
}

static void another_seed_or_id_is_another_life(void **state)
{
    struct vts_harness *harness, *other;
    struct fate a, b, neighbour = {0};
    int seeds = 0, ids = 0, i;

    (void)state;
    harness = open_with(random_failure_LTX_vts_plugin, mixed);
    other = vts_harness_create(random_failure_LTX_vts_plugin, mixed, 2, NULL);
    for (i = 0; i < 1000; i++) {
        a = fate_of_number(harness, i);
        b = fate_of_number(other, i);
        seeds += a.failed == b.failed;
        ids += a.failed == neighbour.failed;
        neighbour = a;
    }
    /* Half of them agree by chance; the standard error is 16. */
    assert_in_range(seeds, 420, 580);
    assert_in_range(ids, 420, 580);
    vts_harness_destroy(other);
    vts_harness_destroy(harness);
}

static void who_fails_does_not_hang_on_the_delay(void **state)
{
    struct vts_harness *fixed, *drawn, *more;
    int i;

    (void)state;
    fixed = open_with(random_failure_LTX_vts_plugin, "rate = 0.3\ndelay = 1s");
    drawn = open_with(random_failure_LTX_vts_plugin, "rate = 0.3\ndelay = normal 9s sd 3s");
    more = open_with(random_failure_LTX_vts_plugin, "rate = 0.4\nfail_at = anywhere");
    for (i = 0; i < 1000; i++) {
        bool failed = fate_of_number(fixed, i).failed;

        assert_int_equal(fate_of_number(drawn, i).failed, failed);
        if (failed)
            assert_true(fate_of_number(more, i).failed);
    }
    vts_harness_destroy(fixed);
    vts_harness_destroy(drawn);
    vts_harness_destroy(more);
}

static void a_success_takes_as_long_wherever_failures_come(void **state)
{
    struct vts_harness *end, *anywhere;
    struct fate a, b;
    int i;

    (void)state;
    end = open_with(random_failure_LTX_vts_plugin, "rate = 0.5\ndelay = uniform 5s..15s");
    anywhere = open_with(random_failure_LTX_vts_plugin,
                         "rate = 0.5\ndelay = uniform 5s..15s\nfail_at = anywhere");
    for (i = 0; i < 1000; i++) {
        a = fate_of_number(end, i);
        b = fate_of_number(anywhere, i);
        assert_int_equal(a.failed, b.failed);
        if (a.failed)
            assert_true(b.ended_at < a.ended_at);
        else
            assert_int_equal(b.ended_at, a.ended_at);
    }
    vts_harness_destroy(end);
    vts_harness_destroy(anywhere);
}

/* ---- what is drawn ---- */

static void no_job_fails_at_0_and_every_job_at_1(void **state)
{
    struct vts_harness *never, *always;
    struct fate fate;
    int i;

    (void)state;
    never = open_with(random_failure_LTX_vts_plugin, "rate = 0\ndelay = 3s");
    always = open_with(random_failure_LTX_vts_plugin, "rate = 1\ndelay = 3s");
    for (i = 0; i < JOBS; i++) {
        fate = fate_of_number(never, i);
        assert_false(fate.failed);
        assert_int_equal(fate.ended_at, 3000);
        fate = fate_of_number(always, i);
        assert_true(fate.failed);
        assert_int_equal(fate.ended_at, 3000);
        assert_string_equal(fate.message, "the translation failed");
    }
    vts_harness_destroy(never);
    vts_harness_destroy(always);
}

static void share_and_mean_are_as_configured(void **state)
{
    const double mean = 8000 * exp(0.125), deviation = mean * sqrt(exp(0.25) - 1);
    double failed = 0, sum = 0, ends[2] = {0, 0};
    struct vts_harness *harness;
    struct fate fate;
    int i;

    (void)state;
    harness = open_with(random_failure_LTX_vts_plugin,
                        "rate = 0.2\ndelay = lognormal 8s sigma 0.5\nfail_at = end");
    for (i = 0; i < JOBS; i++) {
        fate = fate_of_number(harness, i);
        failed += fate.failed;
        sum += (double)fate.ended_at;
        ends[fate.failed] += (double)fate.ended_at;
    }
    assert_true(fabs(failed / JOBS - 0.2) < 5 * sqrt(0.2 * 0.8 / JOBS));
    assert_true(fabs(sum / JOBS - mean) < 5 * deviation / sqrt(JOBS));
    /* Whether it fails tells nothing of how long it takes. */
    assert_true(fabs(ends[1] / failed - mean) < 5 * deviation / sqrt(failed));
    vts_harness_destroy(harness);
}

static double chi_square(const int *counts, int classes, int total)
{
    double expected = (double)total / classes, sum = 0;
    int i;

    for (i = 0; i < classes; i++)
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    return sum;
}

static void anywhere_is_even_over_the_delay(void **state)
{
    int tenths[10] = {0};
    struct vts_harness *harness;
    struct fate fate;
    int i;

    (void)state;
    harness = open_with(random_failure_LTX_vts_plugin, "rate = 1\ndelay = 10s\nfail_at = anywhere");
    for (i = 0; i < JOBS; i++) {
        fate = fate_of_number(harness, i);
        assert_in_range(fate.ended_at, 0, 9999);
        tenths[fate.ended_at / 1000]++;
    }
    assert_true(chi_square(tenths, 10, JOBS) < 27.88);
    vts_harness_destroy(harness);
}

static void messages_are_drawn_evenly(void **state)
{
    static const char *const messages[] = {"the GPU ran out of memory", "no such voice",
                                           "\"quoted\""};
    int counts[3] = {0}, i, m;
    struct vts_harness *harness;
    struct fate fate;

    (void)state;
    harness = open_with(random_failure_LTX_vts_plugin, "rate = 1\n"
                                                       "message = the GPU ran out of memory\n"
                                                       "          no such voice\n"
                                                       "          \"quoted\"\n");
    for (i = 0; i < JOBS; i++) {
        fate = fate_of_number(harness, i);
        for (m = 0; m < 3 && strcmp(fate.message, messages[m]) != 0;)
            m++;
        assert_in_range(m, 0, 2);
        counts[m]++;
    }
    assert_true(chi_square(counts, 3, JOBS) < 13.82);
    vts_harness_destroy(harness);
}

static void no_message_is_the_usual_one(void **state)
{
    struct vts_harness *harness;

    (void)state;
    harness = open_with(random_failure_LTX_vts_plugin, "rate = 1\nmessage =");
    assert_string_equal(fate_of(harness, "a").message, "the job failed");
    vts_harness_destroy(harness);
}

static void no_delay_ends_in_the_start(void **state)
{
    struct vts_harness *harness;
    struct vts_harness_job *job;

    (void)state;
    harness = open_with(random_failure_LTX_vts_plugin, "rate = 1\ndelay = 0\nfail_at = anywhere");
    job = vts_harness_start(harness, "a", NULL);
    vts_harness_expect_state(job, VTS_FAILED);
    vts_harness_expect_ended_after(job, 0);
    vts_harness_destroy(harness);
}

static void survives_at_any_moment(void **state)
{
    static const vts_ms polls[] = {0, 1, 2500, 5000, 7500, 9999, 10000, 59999, 60000};
    const size_t count = sizeof(polls) / sizeof(polls[0]);

    (void)state;
    survives(random_failure_LTX_vts_plugin, mixed, polls, count);
    survives(random_failure_LTX_vts_plugin, "rate = 1\nfail_at = anywhere", polls, count);
    survives(random_failure_LTX_vts_plugin, "rate = 0", polls, count);
}

static void keeps_all_laws(void **state)
{
    (void)state;
    keeps_the_laws(random_failure_LTX_vts_plugin, "random_failure", mixed);
}

static void refuses_what_is_wrong(void **state)
{
    vts_plugin_fn *plugin = random_failure_LTX_vts_plugin;

    (void)state;
    refuses(plugin, "rate = 1.5",
            "settings:2: [behaviour random_failure] rate: \"1.5\" is out of range; write a number "
            "from 0 to 1");
    refuses(plugin, "rate = 20%",
            "settings:2: [behaviour random_failure] rate: \"20%\" is not a number; write 0.2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_is_the_same_life_whoever_polls),
        cmocka_unit_test(the_order_of_the_jobs_does_not_matter),
        cmocka_unit_test(another_seed_or_id_is_another_life),
        cmocka_unit_test(who_fails_does_not_hang_on_the_delay),
        cmocka_unit_test(a_success_takes_as_long_wherever_failures_come),
        cmocka_unit_test(no_job_fails_at_0_and_every_job_at_1),
        cmocka_unit_test(share_and_mean_are_as_configured),
        cmocka_unit_test(anywhere_is_even_over_the_delay),
        cmocka_unit_test(messages_are_drawn_evenly),
        cmocka_unit_test(no_message_is_the_usual_one),
        cmocka_unit_test(no_delay_ends_in_the_start),
        cmocka_unit_test(survives_at_any_moment),
        cmocka_unit_test(keeps_all_laws),
        cmocka_unit_test(refuses_what_is_wrong),
    };

    return cmocka_run_group_tests_name("random_failure", tests, NULL, NULL);
}
