/* SPDX-License-Identifier: MIT
 *
 * Tests of tests/harness/batch.c: counts, and quantiles that are exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "moody.h"

vts_plugin_fn fixed_delay_LTX_vts_plugin, random_failure_LTX_vts_plugin,
    scripted_sequence_LTX_vts_plugin;

static struct vts_harness_batch batch;

static void all_alike(void **state)
{
    struct vts_harness *harness =
        vts_harness_create(fixed_delay_LTX_vts_plugin, "delay = 7s", 1, NULL);

    (void)state;
    vts_harness_advance(harness, 1234);
    assert_true(vts_harness_run_batch(harness, "video", 1000, NULL, &batch));
    assert_int_equal(batch.jobs, 1000);
    assert_int_equal(batch.ended, 1000);
    assert_int_equal(batch.count[VTS_COMPLETED], 1000);
    assert_int_equal(batch.min, 7000);
    assert_int_equal(batch.p50, 7000);
    assert_int_equal(batch.p99, 7000);
    assert_int_equal(batch.max, 7000);
    assert_true(batch.mean == 7000);
    assert_int_equal(vts_harness_now(harness), 1234);
    assert_null(vts_harness_find(harness, "video-0"));
    vts_harness_destroy(harness);
}

static int compare(const void *a, const void *b)
{
    const vts_ms *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

/* Each of them as it comes one by one, put in order by hand. */
static void as_the_jobs_one_by_one(void **state)
{
    static vts_ms durations[1237];
    const size_t jobs = sizeof(durations) / sizeof(durations[0]);
    struct vts_harness *harness = vts_harness_create(
        random_failure_LTX_vts_plugin, "rate = 0.3\ndelay = lognormal 8s sigma 0.5", 7, NULL);
    struct vts_harness_job *job;
    size_t failed = 0, i;
    double sum = 0;
    char id[30];

    (void)state;
    assert_true(vts_harness_run_batch(harness, "a", jobs, NULL, &batch));
    for (i = 0; i < jobs; i++) {
        snprintf(id, sizeof(id), "a-%zu", i);
        job = vts_harness_start(harness, id, NULL);
        vts_harness_run(harness);
        durations[i] = job->ended_at - job->started_at;
        sum += (double)durations[i];
        failed += job->state == VTS_FAILED;
        vts_harness_forget(job);
    }
    qsort(durations, jobs, sizeof(*durations), compare);
    assert_int_equal(batch.count[VTS_FAILED], failed);
    assert_int_equal(batch.count[VTS_COMPLETED], jobs - failed);
    assert_int_equal(batch.min, durations[0]);
    assert_int_equal(batch.p50, durations[618]);  /* 618.5 of 1237, so the 619th */
    assert_int_equal(batch.p90, durations[1113]); /* 1113.3: the 1114th */
    assert_int_equal(batch.p99, durations[1224]); /* 1224.63: the 1225th */
    assert_int_equal(batch.max, durations[1236]);
    assert_true(batch.mean - sum / (double)jobs < 1e-6 && batch.mean - sum / (double)jobs > -1e-6);
    vts_harness_destroy(harness);
}

static void quantiles_of_few(void **state)
{
    struct vts_harness *harness = vts_harness_create(random_failure_LTX_vts_plugin,
                                                     "rate = 0\ndelay = uniform 1s..100s", 1, NULL);

    (void)state;
    vts_harness_run_batch(harness, "a", 1, NULL, &batch);
    assert_int_equal(batch.p50, batch.min);
    assert_int_equal(batch.p99, batch.min);
    vts_harness_run_batch(harness, "a", 2, NULL, &batch);
    assert_true(batch.min < batch.max);
    assert_int_equal(batch.p50, batch.min);
    assert_int_equal(batch.p90, batch.max);
    vts_harness_run_batch(harness, "a", 0, NULL, &batch);
    assert_int_equal(batch.ended, 0);
    assert_int_equal(batch.max, 0);
    assert_true(batch.mean == 0);
    vts_harness_destroy(harness);
}

static void jobs_that_do_not_end(void **state)
{
    struct vts_harness *harness = vts_harness_create(moody_LTX_vts_plugin, "refusals = 1", 1, NULL);

    (void)state;
    vts_harness_run_batch(harness, "a", 20, NULL, &batch);
    assert_int_equal(batch.count[VTS_ASKED], 20);
    assert_int_equal(batch.ended, 0);
    vts_harness_destroy(harness);
    harness =
        vts_harness_create(scripted_sequence_LTX_vts_plugin, "script = pending for 5s", 1, NULL);
    vts_harness_run_batch(harness, "a", 20, NULL, &batch);
    assert_int_equal(batch.count[VTS_RUNNING], 20);
    vts_harness_destroy(harness);
    harness = vts_harness_create(restless_LTX_vts_plugin, NULL, 1, NULL);
    vts_harness_run_batch(harness, "a", 1, NULL, &batch);
    assert_int_equal(batch.count[VTS_RUNNING], 1);
    vts_harness_destroy(harness);
}

static void what_cannot_be_right(void **state)
{
    static struct failures failed;
    struct vts_harness *harness = vts_harness_create(moody_LTX_vts_plugin, NULL, 1, NULL);
    char prefix[300];

    (void)state;
    failures_take(harness, &failed);
    assert_false(vts_harness_run_batch(harness, "a\nb", 5, NULL, &batch));
    assert_string_equal(failed.text, "vts_harness_run_batch: \"a\nb-5\" is no id\n");
    assert_false(vts_harness_run_batch(harness, "a", 5, "no", &batch));
    assert_string_equal(failed.text, "vts_harness_run_batch: the input is no JSON: no\n");
    memset(prefix, 'a', sizeof(prefix));
    prefix[252] = '\0'; /* room for two digits */
    assert_true(vts_harness_run_batch(harness, prefix, 100 - 1, NULL, &batch));
    assert_false(vts_harness_run_batch(harness, prefix, 101, NULL, &batch));
    assert_int_equal(failed.count, 3);
    vts_harness_destroy(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_alike),
        cmocka_unit_test(as_the_jobs_one_by_one),
        cmocka_unit_test(quantiles_of_few),
        cmocka_unit_test(jobs_that_do_not_end),
        cmocka_unit_test(what_cannot_be_right),
    };

    return cmocka_run_group_tests_name("harness batch", tests, NULL, NULL);
}
