/* SPDX-License-Identifier: MIT */
/* Tests of my_behaviour, in virtual time: what does not hold is printed with the job's history, and ends
 * the test. All that a test can do is said in <vtsim/harness.h>. */
#include <vtsim/harness.h>

vts_plugin_fn my_behaviour_LTX_vts_plugin;

static struct vts_harness *open_with(const char *settings)
{
    return vts_harness_create(my_behaviour_LTX_vts_plugin, settings, 1, NULL);
}

static void a_job_takes_its_time(void)
{
    struct vts_harness *harness = open_with("delay = 10s\nfailures = 0");
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    vts_harness_advance(harness, 4000);
    vts_harness_expect_state(job, VTS_RUNNING);
    vts_harness_expect_progress(job, 0.4);
    vts_harness_run(harness);
    vts_harness_expect_ended_after(job, 10000);
    vts_harness_expect_result(job, "{\"language\": \"es\"}");
    vts_harness_destroy(harness);
}

static void a_job_can_fail(void)
{
    struct vts_harness *harness = open_with("failures = 1");
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    vts_harness_run(harness);
    vts_harness_expect_error(job, "no_voice", NULL);
    vts_harness_destroy(harness);
}

/* Chance starts from a seed, so this comes out the same every time. */
static void many_jobs_are_as_they_should(void)
{
    struct vts_harness *harness = open_with("delay = uniform 2s..8s\nfailures = 0.1");
    struct vts_harness_batch batch;

    vts_harness_run_batch(harness, "video", 10000, NULL, &batch);
    vts_harness_require(harness, batch.ended == 10000);
    vts_harness_require(harness, batch.count[VTS_FAILED] > 850 && batch.count[VTS_FAILED] < 1150);
    vts_harness_require(harness, batch.min >= 2000 && batch.max <= 8000);
    vts_harness_destroy(harness);
}

/* The same seed, the same life; every job ends; and more: see vts_harness_check_laws. */
static void it_keeps_the_laws(const char *module)
{
    struct vts_harness *harness = open_with(NULL);

    vts_harness_check_laws(harness, module);
    vts_harness_destroy(harness);
}

int main(int argc, char **argv)
{
    a_job_takes_its_time();
    a_job_can_fail();
    many_jobs_are_as_they_should();
    it_keeps_the_laws(argc > 1 ? argv[1] : NULL);
    return 0;
}
