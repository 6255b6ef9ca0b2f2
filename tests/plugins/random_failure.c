/* SPDX-License-Identifier: MIT
 *
 * Tests of plugins/random_failure.c: that a job's fate is its own, and that chance is fair. The seed is
 * fixed, so the statistics come out the same in every run; their bounds say how far a fair draw may
 * be off (five standard errors, or 0.1% of chi-square). */
#include "rig.h"

#include <math.h>
#include <setjmp.h>

#include <cmocka.h>

enum { JOBS = 20000 };

struct fate {
    bool failed;
    vts_ms ended_at;
    char message[32];
};

static struct fate fate_of(struct rig *rig, const char *id)
{
    struct rig_job job = {0};
    struct rig_view view;
    struct fate fate;

    rig_start(rig, &job, id, 0);
    rig_run(rig, &job);
    view = rig_view(&job, 0);
    assert_int_equal(view.started_at, 0);
    fate = (struct fate){.failed = view.state == VTS_FAILED, .ended_at = view.ended_at};
    assert_true(fate.failed || view.state == VTS_COMPLETED);
    if (fate.failed) {
        assert_string_equal(view.code, "error");
        snprintf(fate.message, sizeof(fate.message), "%s", view.message);
    } else {
        assert_null(view.code);
        assert_null(view.message);
    }
    rig_job_finish(&job);
    return fate;
}

static struct fate fate_of_number(struct rig *rig, int number)
{
    char id[24];

    snprintf(id, sizeof(id), "video-%d", number);
    return fate_of(rig, id);
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
    struct rig rig, other;
    struct rig_job alone, often, late;
    char id[24];
    vts_ms at;
    int i;

    (void)state;
    rig_init(&rig, random_failure_LTX_vts_plugin(), mixed);
    rig_init(&other, random_failure_LTX_vts_plugin(), mixed);
    for (i = 0; i < 200; i++) {
        alone = often = late = (struct rig_job){0};
        snprintf(id, sizeof(id), "video-%d", i);
        rig_start(&rig, &alone, id, 0);
        rig_start(&other, &often, id, 0);
        rig_start(&other, &late, id, 0);
        rig_run(&rig, &alone);
        for (at = 0; at <= 60000; at += 50 + i)
            rig_poll(&other, &often, at);
        rig_poll(&other, &often, 60000);
        rig_poll(&other, &late, 1000000);
        assert_true(rig_equal(&alone, &often));
        assert_true(rig_equal(&alone, &late));
        rig_job_finish(&alone);
        rig_job_finish(&often);
        rig_job_finish(&late);
    }
    rig_finish(&other);
    rig_finish(&rig);
}

static void the_order_of_the_jobs_does_not_matter(void **state)
{
    static struct fate forwards[500];
    struct rig rig;
    struct fate fate;
    int i;

    (void)state;
    rig_init(&rig, random_failure_LTX_vts_plugin(), mixed);
    for (i = 0; i < 500; i++)
        forwards[i] = fate_of_number(&rig, i);
    while (i-- > 0) {
        fate = fate_of_number(&rig, i);
        assert_true(same_fate(&fate, &forwards[i]));
    }
    rig_finish(&rig);
}

static void another_seed_or_id_is_another_life(void **state)
{
    struct rig rig, other;
    struct fate a, b, neighbour = {0};
    int seeds = 0, ids = 0, i;

    (void)state;
    rig_init(&rig, random_failure_LTX_vts_plugin(), mixed);
    assert_true(rig_open(&other, random_failure_LTX_vts_plugin(), mixed, 2));
    for (i = 0; i < 1000; i++) {
        a = fate_of_number(&rig, i);
        b = fate_of_number(&other, i);
        seeds += a.failed == b.failed;
        ids += a.failed == neighbour.failed;
        neighbour = a;
    }
    /* Half of them agree by chance; the standard error is 16. */
    assert_in_range(seeds, 420, 580);
    assert_in_range(ids, 420, 580);
    rig_finish(&other);
    rig_finish(&rig);
}

static void who_fails_does_not_hang_on_the_delay(void **state)
{
    struct rig fixed, drawn, more;
    int i;

    (void)state;
    rig_init(&fixed, random_failure_LTX_vts_plugin(), "rate = 0.3\ndelay = 1s");
    rig_init(&drawn, random_failure_LTX_vts_plugin(), "rate = 0.3\ndelay = normal 9s sd 3s");
    rig_init(&more, random_failure_LTX_vts_plugin(), "rate = 0.4\nfail_at = anywhere");
    for (i = 0; i < 1000; i++) {
        bool failed = fate_of_number(&fixed, i).failed;

        assert_int_equal(fate_of_number(&drawn, i).failed, failed);
        if (failed)
            assert_true(fate_of_number(&more, i).failed);
    }
    rig_finish(&fixed);
    rig_finish(&drawn);
    rig_finish(&more);
}

static void a_success_takes_as_long_wherever_failures_come(void **state)
{
    struct rig end, anywhere;
    struct fate a, b;
    int i;

    (void)state;
    rig_init(&end, random_failure_LTX_vts_plugin(), "rate = 0.5\ndelay = uniform 5s..15s");
    rig_init(&anywhere, random_failure_LTX_vts_plugin(),
             "rate = 0.5\ndelay = uniform 5s..15s\nfail_at = anywhere");
    for (i = 0; i < 1000; i++) {
        a = fate_of_number(&end, i);
        b = fate_of_number(&anywhere, i);
        assert_int_equal(a.failed, b.failed);
        if (a.failed)
            assert_true(b.ended_at < a.ended_at);
        else
            assert_int_equal(b.ended_at, a.ended_at);
    }
    rig_finish(&end);
    rig_finish(&anywhere);
}

/* ---- what is drawn ---- */

static void no_job_fails_at_0_and_every_job_at_1(void **state)
{
    struct rig never, always;
    struct fate fate;
    int i;

    (void)state;
    rig_init(&never, random_failure_LTX_vts_plugin(), "rate = 0\ndelay = 3s");
    rig_init(&always, random_failure_LTX_vts_plugin(), "rate = 1\ndelay = 3s");
    for (i = 0; i < JOBS; i++) {
        fate = fate_of_number(&never, i);
        assert_false(fate.failed);
        assert_int_equal(fate.ended_at, 3000);
        fate = fate_of_number(&always, i);
        assert_true(fate.failed);
        assert_int_equal(fate.ended_at, 3000);
        assert_string_equal(fate.message, "the translation failed");
    }
    rig_finish(&never);
    rig_finish(&always);
}

static void share_and_mean_are_as_configured(void **state)
{
    const double mean = 8000 * exp(0.125), deviation = mean * sqrt(exp(0.25) - 1);
    double failed = 0, sum = 0, ends[2] = {0, 0};
    struct rig rig;
    struct fate fate;
    int i;

    (void)state;
    rig_init(&rig, random_failure_LTX_vts_plugin(),
             "rate = 0.2\ndelay = lognormal 8s sigma 0.5\nfail_at = end");
    for (i = 0; i < JOBS; i++) {
        fate = fate_of_number(&rig, i);
        failed += fate.failed;
        sum += (double)fate.ended_at;
        ends[fate.failed] += (double)fate.ended_at;
    }
    assert_true(fabs(failed / JOBS - 0.2) < 5 * sqrt(0.2 * 0.8 / JOBS));
    assert_true(fabs(sum / JOBS - mean) < 5 * deviation / sqrt(JOBS));
    /* Whether it fails tells nothing of how long it takes. */
    assert_true(fabs(ends[1] / failed - mean) < 5 * deviation / sqrt(failed));
    rig_finish(&rig);
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
    struct rig rig;
    struct fate fate;
    int i;

    (void)state;
    rig_init(&rig, random_failure_LTX_vts_plugin(), "rate = 1\ndelay = 10s\nfail_at = anywhere");
    for (i = 0; i < JOBS; i++) {
        fate = fate_of_number(&rig, i);
        assert_in_range(fate.ended_at, 0, 9999);
        tenths[fate.ended_at / 1000]++;
    }
    assert_true(chi_square(tenths, 10, JOBS) < 27.88);
    rig_finish(&rig);
}

static void messages_are_drawn_evenly(void **state)
{
    static const char *const messages[] = {"the GPU ran out of memory", "no such voice",
                                           "\"quoted\""};
    int counts[3] = {0}, i, m;
    struct rig rig;
    struct fate fate;

    (void)state;
    rig_init(&rig, random_failure_LTX_vts_plugin(),
             "rate = 1\n"
             "message = the GPU ran out of memory\n"
             "          no such voice\n"
             "          \"quoted\"\n");
    for (i = 0; i < JOBS; i++) {
        fate = fate_of_number(&rig, i);
        for (m = 0; m < 3 && strcmp(fate.message, messages[m]) != 0;)
            m++;
        assert_in_range(m, 0, 2);
        counts[m]++;
    }
    assert_true(chi_square(counts, 3, JOBS) < 13.82);
    rig_finish(&rig);
}

static void no_message_is_the_usual_one(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, random_failure_LTX_vts_plugin(), "rate = 1\nmessage =");
    assert_string_equal(fate_of(&rig, "a").message, "the job failed");
    rig_finish(&rig);
}

static void no_delay_ends_in_the_start(void **state)
{
    struct rig rig;
    struct rig_job job = {0};

    (void)state;
    rig_init(&rig, random_failure_LTX_vts_plugin(), "rate = 1\ndelay = 0\nfail_at = anywhere");
    rig_start(&rig, &job, "a", 0);
    assert_int_equal(rig_view(&job, 0).state, VTS_FAILED);
    assert_int_equal(rig_view(&job, 0).ended_at, 0);
    rig_job_finish(&job);
    rig_finish(&rig);
}

static void survives_at_any_moment(void **state)
{
    static const vts_ms polls[] = {0, 1, 2500, 5000, 7500, 9999, 10000, 59999, 60000};
    const size_t count = sizeof(polls) / sizeof(polls[0]);

    (void)state;
    rig_survives(random_failure_LTX_vts_plugin(), mixed, polls, count);
    rig_survives(random_failure_LTX_vts_plugin(), "rate = 1\nfail_at = anywhere", polls, count);
    rig_survives(random_failure_LTX_vts_plugin(), "rate = 0", polls, count);
}

static void refuses_what_is_wrong(void **state)
{
    const struct vts_plugin *plugin = random_failure_LTX_vts_plugin();

    (void)state;
    rig_refused(
        plugin, "rate = 1.5",
        "t.ini:2: [behaviour test] rate: \"1.5\" is out of range; write a number from 0 to 1");
    rig_refused(plugin, "rate = 20%",
                "t.ini:2: [behaviour test] rate: \"20%\" is not a number; write 0.2");
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
        cmocka_unit_test(refuses_what_is_wrong),
    };

    return cmocka_run_group_tests_name("random_failure", tests, NULL, NULL);
}
