/* SPDX-License-Identifier: MIT
 *
 * One job's life in a preview: when its client asks again, when it polls, and when the preview gives up. */
#include <tools/preview.h>

#include <setjmp.h>

#include <cmocka.h>

/* ---- behaviours, one plugin each ---- */

/* Refuses the first starts. */
struct door {
    int64_t refusals, status, retry_after;
};

static const struct vts_option door_options[] = {
    VTS_OPTION_INT(struct door, refusals, "3", 0, 1000, "starts to refuse"),
    VTS_OPTION_INT(struct door, status, "503", 400, 599, "with this status"),
    VTS_OPTION_INT(struct door, retry_after, "1500", -1, 1e18, "and this Retry-After, ms"),
    VTS_OPTIONS_END};

static void admit(struct vts_job *job)
{
    const struct door *set = vts_settings(job);

    if (vts_polls(job) <= (uint64_t)set->refusals)
        vts_refuse(job, (int)set->status, set->retry_after);
}

static void start(struct vts_job *job)
{
    VTS_BEND(job, .status = 500);
    vts_wake_after(job, 10000);
}

static void complete(struct vts_job *job) { vts_complete(job, NULL); }

VTS_PLUGIN(door, .options = door_options, .settings_size = sizeof(struct door), .admit = admit,
           .start = start, .wake = complete)

/* Wakes again and again, and counts polls if it is told to: `enough` of them end it. */
struct ticking {
    vts_ms every;
    bool counts;
    int64_t enough;
};

static const struct vts_option ticking_options[] = {
    VTS_OPTION_TIME(struct ticking, every, "1s", "from wake to wake"),
    VTS_OPTION_BOOL(struct ticking, counts, "off", "count polls"),
    VTS_OPTION_INT(struct ticking, enough, "1000000000", 1, 1e9, "polls to the end"),
    VTS_OPTIONS_END};

static void tick(struct vts_job *job)
{
    const struct ticking *set = vts_settings(job);

    vts_progress(job, 0.5);
    vts_wake_after(job, set->every);
}

static void count(struct vts_job *job)
{
    const struct ticking *set = vts_settings(job);

    if (vts_polls(job) >= (uint64_t)set->enough)
        vts_fail(job, "polled", "too often");
}

static bool open(struct vts_instance *instance, struct vts_error *error)
{
    const struct ticking *set = instance->settings;

    (void)error;
    instance->counts_polls = set->counts;
    return true;
}

VTS_PLUGIN(ticking, .options = ticking_options, .settings_size = sizeof(struct ticking),
           .open = open, .start = tick, .wake = tick, .poll = count)

/* Makes progress by itself, and waits. */
struct waiting {
    bool polls;
};

static const struct vts_option waiting_options[] = {
    VTS_OPTION_BOOL(struct waiting, polls, "off", "for polls, too"), VTS_OPTIONS_END};

static void wait_start(struct vts_job *job)
{
    const struct waiting *set = vts_settings(job);

    vts_progress_over(job, 0.4, 8000);
    vts_wait(job, VTS_FOR_EVER | (set->polls ? VTS_FOR_POLL : 0u));
}

static bool wait_open(struct vts_instance *instance, struct vts_error *error)
{
    (void)error;
    instance->counts_polls = true;
    return true;
}

VTS_PLUGIN(waiting, .options = waiting_options, .settings_size = sizeof(struct waiting),
           .open = wait_open, .start = wait_start)

/* ---- running one ---- */

struct bench {
    struct ini ini;
    struct problems problems;
    struct instance *instance;
    struct trial trial;
    struct trial_job job;
    struct preview_life life;
};

static void live(struct bench *bench, const struct vts_plugin *plugin, const char *settings)
{
    struct text ini = TEXT_INIT;
    struct vts_error error;

    memset(bench, 0, sizeof(*bench));
    text_printf(&ini, "[behaviour test]\n%s\n", settings);
    assert_true(ini_read(&bench->ini, "t.ini", ini.bytes, ini.length, &bench->problems));
    text_finish(&ini);
    bench->instance = instance_create("test", plugin, ini_section(&bench->ini, "behaviour", "test"),
                                      &bench->problems);
    assert_non_null(bench->instance);
    assert_true(trial_init(&bench->trial, bench->instance, 1, &error));
    assert_true(preview_live(&bench->trial, &bench->job, "preview-1", &bench->life));
}

static void end(struct bench *bench)
{
    trial_job_finish(&bench->job);
    trial_finish(&bench->trial);
    instance_destroy(bench->instance);
    problems_finish(&bench->problems);
    ini_finish(&bench->ini);
}

/* ---- refusals ---- */

static void assert_door(const char *settings, enum preview_outcome outcome, uint32_t refusals,
                        vts_ms retry_after, vts_ms start_ms)
{
    struct bench bench;

    live(&bench, door_LTX_vts_plugin(), settings);
    assert_int_equal(bench.life.outcome, outcome);
    assert_int_equal(bench.life.refusals, refusals);
    assert_int_equal(bench.life.retry_after, retry_after);
    assert_int_equal(bench.life.start, start_ms);
    assert_int_equal(bench.life.end, start_ms == RECORD_NEVER ? RECORD_NEVER : start_ms + 10000);
    assert_int_equal(bench.life.bent, start_ms != RECORD_NEVER);
    end(&bench);
}

static void a_refused_start_is_asked_for_again(void **state)
{
    (void)state;
    assert_door("refusals = 0", PREVIEW_COMPLETED, 0, RECORD_NEVER, 0);
    /* Retry-After is sent in whole seconds, rounded up. */
    assert_door("", PREVIEW_COMPLETED, 3, 2000, 6000);
    assert_door("status = 429", PREVIEW_COMPLETED, 3, 2000, 6000);
    assert_door("retry_after = 0", PREVIEW_COMPLETED, 3, RECORD_NEVER, 3000);
    assert_door("retry_after = -1", PREVIEW_COMPLETED, 3, 0, 0);
    assert_door("refusals = 99", PREVIEW_COMPLETED, 99, 2000, 198000);
}

static void a_start_is_given_up(void **state)
{
    (void)state;
    assert_door("refusals = 100", PREVIEW_REFUSED, 100, 2000, RECORD_NEVER);
    assert_door("status = 400", PREVIEW_REFUSED, 1, 2000, RECORD_NEVER);
    /* Nobody can ask again after the end of time. */
    assert_door("retry_after = 253402300799000", PREVIEW_REFUSED, 1, 253402300799000, RECORD_NEVER);
}

/* ---- wakes and polls ---- */

static void a_job_without_end_is_given_up(void **state)
{
    struct bench bench;

    (void)state;
    live(&bench, ticking_LTX_vts_plugin(), "");
    assert_int_equal(bench.life.outcome, PREVIEW_UNFINISHED);
    assert_int_equal(bench.life.end, RECORD_NEVER);
    assert_int_equal(bench.life.polls, 0);
    assert_true(bench.life.progress == 0.5);
    assert_int_equal(trial_wake_at(&bench.job),
                     TRIAL_START + (PREVIEW_WAKES_MAX + 1) * INT64_C(1000));
    end(&bench);
    /* Polls do not let it wake more often. */
    live(&bench, ticking_LTX_vts_plugin(), "counts = on\nevery = 1ms");
    assert_int_equal(bench.life.outcome, PREVIEW_UNFINISHED);
    assert_int_equal(trial_wake_at(&bench.job), TRIAL_START + PREVIEW_WAKES_MAX + 1);
    end(&bench);
    live(&bench, ticking_LTX_vts_plugin(), "counts = on\nevery = 100d");
    assert_int_equal(bench.life.outcome, PREVIEW_UNFINISHED);
    assert_int_equal(bench.life.polls, PREVIEW_POLLS_MAX);
    end(&bench);
}

static void polls_come_once_a_second(void **state)
{
    struct bench bench;

    (void)state;
    live(&bench, ticking_LTX_vts_plugin(), "counts = on\nenough = 5\nevery = 300ms");
    assert_int_equal(bench.life.outcome, PREVIEW_FAILED);
    assert_int_equal(bench.life.end, 5000);
    assert_int_equal(bench.life.polls, 5);
    assert_int_equal(bench.life.code.length, 6);
    assert_memory_equal(bench.life.code.at, "polled", 6);
    end(&bench);
    /* The last poll counts. */
    live(&bench, ticking_LTX_vts_plugin(), "counts = on\nenough = 100000\nevery = 100d");
    assert_int_equal(bench.life.outcome, PREVIEW_FAILED);
    end(&bench);
    live(&bench, ticking_LTX_vts_plugin(), "counts = on\nenough = 100001\nevery = 100d");
    assert_int_equal(bench.life.outcome, PREVIEW_UNFINISHED);
    end(&bench);
}

static void a_job_that_waits_for_ever(void **state)
{
    struct bench bench;

    (void)state;
    live(&bench, waiting_LTX_vts_plugin(), "");
    assert_int_equal(bench.life.outcome, PREVIEW_WAITING);
    assert_int_equal(bench.life.end, RECORD_NEVER);
    assert_int_equal(bench.life.polls, 0);
    assert_true(bench.life.progress == 0.4); /* the ramp goes on without events */
    end(&bench);
    live(&bench, waiting_LTX_vts_plugin(), "polls = on");
    assert_int_equal(bench.life.outcome, PREVIEW_UNFINISHED);
    assert_int_equal(bench.life.polls, PREVIEW_POLLS_MAX);
    end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_start_is_asked_for_again),
        cmocka_unit_test(a_start_is_given_up),
        cmocka_unit_test(a_job_without_end_is_given_up),
        cmocka_unit_test(polls_come_once_a_second),
        cmocka_unit_test(a_job_that_waits_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
