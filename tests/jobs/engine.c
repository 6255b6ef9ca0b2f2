/* SPDX-License-Identifier: MIT
 *
 * Tests of a job's life: when its hooks are called, what they bring about, how it ends. What clients are
 * told on the way is tested in answers.c. */
#include "probe.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/rng.h"

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

static struct probes probes;
static struct life life;

/* ---- what hooks of the tests do ---- */

static void wake_in_100(struct vts_job *job) { vts_wake_after(job, 100); }
static void complete(struct vts_job *job) { vts_complete(job, "{\"ok\": true}"); }
static void wait_for_ever(struct vts_job *job) { vts_wait(job, VTS_FOR_EVER); }
static void wait_for_poll(struct vts_job *job) { vts_wait(job, VTS_FOR_POLL); }
static void progress_and_wake_in_5s(struct vts_job *job)
{
    vts_progress(job, 0.5);
    vts_wake_after(job, 5000);
}
static void wait_for_slot(struct vts_job *job) { vts_wait(job, VTS_FOR_SLOT); }

static int group_setup(void **state)
{
    (void)state;
    probes_init(&probes);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    probes_finish(&probes);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    probe_reset();
    life_init(&life, &probes.instances, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    life_finish(&life);
    return 0;
}

static void start_probe(void) { life_ask(&life, probes.probe, "a", NULL, T0); }

/* ---- moments ---- */

static void complete_at_300(struct vts_job *job)
{
    if (vts_age(job) == 300)
        vts_complete(job, NULL);
    else
        vts_wake_after(job, 100);
}

static void hooks_see_the_moment_that_was_due(void **state)
{
    struct job job;

    (void)state;
    probe.start = wake_in_100;
    probe.wake = complete_at_300;
    start_probe();
    assert_trace("admit#1@0 start@0");
    job = life_job(&life);
    assert_int_equal(job.state, VTS_RUNNING);
    assert_int_equal(job.wake_at, T0 + 100);
    life_advance(&life, T0 + 99);
    assert_int_equal(life.act, RECORD_LEAVE);
    assert_trace("");
    life_advance(&life, T0 + 100);
    assert_trace("wake@100");
    life_advance(&life, T0 + 1000000);
    assert_trace("wake@200 wake@300 finish@300");
    job = life_job(&life);
    assert_int_equal(job.state, VTS_COMPLETED);
    assert_int_equal(job.ended_at, T0 + 300);
    assert_int_equal(job.last_at, T0 + 300);
    assert_int_equal(job.wake_at, RECORD_NEVER);
    life_advance(&life, T0 + 2000000);
    assert_int_equal(life.act, RECORD_LEAVE);
    assert_trace("");
}

static void a_poll_carries_out_what_is_due_first(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    probe.wake = complete_at_300;
    start_probe();
    life_poll(&life, T0 + 50);
    assert_int_equal(life.act, RECORD_LEAVE);
    life_poll(&life, T0 + 250);
    assert_int_equal(life.act, RECORD_PUT);
    assert_trace("admit#1@0 start@0 poll#1@50 wake@100 wake@200 poll#2@250");
    life_poll(&life, T0 + 999);
    assert_trace("wake@300 finish@300 poll#3@999");
    life_cancel(&life, T0 + 1000);
    assert_int_equal(life.act, RECORD_LEAVE);
    assert_trace("");
}

static void a_cancel_carries_out_what_is_due_first(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    probe.wake = complete;
    start_probe();
    life_cancel(&life, T0 + 100);
    assert_trace("admit#1@0 start@0 wake@100 finish@100");
    assert_int_equal(life_job(&life).state, VTS_COMPLETED);
    assert_true(life.work.ended);
}

static void a_poll_of_nobody_changes_nothing(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    probe.wake = complete;
    life_ask(&life, probes.quiet, "a", NULL, T0);
    for (int i = 0; i < 5; i++) {
        life_poll(&life, T0 + 99);
        assert_int_equal(life.act, RECORD_LEAVE);
    }
    life_poll(&life, T0 + 150);
    assert_int_equal(life.act, RECORD_PUT);
    assert_true(life.work.ended);
    life_poll(&life, T0 + 150);
    assert_int_equal(life.act, RECORD_LEAVE);
    assert_false(life.work.ended);
    assert_trace("start@0 wake@100");
}

/* A life with much chance in it: steps of random length, progress, now and then an end. */
static void random_start(struct vts_job *job)
{
    vts_progress_over(job, vts_uniform(job), 1000);
    vts_wake_after(job, (vts_ms)(vts_random(job) % 200));
}

static void random_wake(struct vts_job *job)
{
    unsigned char *state = vts_state(job);

    state[0]++;
    state[1] ^= (unsigned char)vts_random(job);
    vts_progress(job, vts_uniform(job) * 0.9);
    if (vts_chance(job, 0.1))
        vts_complete(job, "1");
    else if (vts_chance(job, 0.1))
        vts_fail(job, "unlucky", NULL);
    else
        vts_wake_after(job, (vts_ms)(vts_random(job) % 300));
}

static void random_poll(struct vts_job *job)
{
    unsigned char *state = vts_state(job);

    /* All of it is thrown away, and draws from another stream. */
    state[1] = (unsigned char)vts_random(job);
    vts_wake_after(job, 1);
    vts_complete(job, "\"moved by a poll\"");
    if (vts_chance(job, 0.5))
        VTS_BEND(job, .status = 503);
}

/* Rule 1: whoever looks, and however often, the same happens at the same moments. */
static void a_life_does_not_depend_on_who_looks(void **state)
{
    char id[32], *alone, *watched;
    uint64_t key;
    vts_ms now;

    (void)state;
    probe.start = random_start;
    probe.wake = random_wake;
    probe.poll = random_poll;
    for (uint64_t seed = 0; seed < 200; seed++) {
        snprintf(id, sizeof(id), "job %llu", (unsigned long long)seed);
        life.engine.seed = seed;
        life_ask(&life, probes.probe, id, NULL, T0);
        life_advance(&life, T0 + 1000000);
        assert_true(state_ended((int)life_job(&life).state));
        alone = life_text(&life);
        life_forget(&life);

        life_ask(&life, probes.probe, id, NULL, T0);
        key = rng_key(seed, 99, "polls", 5);
        now = T0;
        for (uint64_t draw = 0; now < T0 + 1000000; draw += 2) {
            /* From many polls in one moment to hardly any. */
            now += (vts_ms)(rng_draw(key, draw) % (seed % 2 ? 40 : 4000)) * (vts_ms)(draw % 3);
            if (rng_draw(key, draw + 1) % 4 == 0)
                life_advance(&life, now);
            else
                life_poll(&life, now);
            if (state_ended((int)life_job(&life).state) && draw > 40)
                break;
        }
        life_advance(&life, T0 + 1000000);
        watched = life_text(&life);
        assert_string_equal(alone, watched);
        life_forget(&life);
        free(alone);
        free(watched);
    }
}

static void two_wakes(struct vts_job *job)
{
    vts_wake_after(job, 50);
    vts_wake_after(job, 100);
}

static void a_new_wake_takes_the_place_of_the_old(void **state)
{
    (void)state;
    probe.start = two_wakes;
    probe.cancel = wake_in_100;
    probe.wake = complete;
    start_probe();
    life_cancel(&life, T0 + 30);
    life_advance(&life, T0 + 1000);
    assert_trace("admit#1@0 start@0 cancel@30 wake@130 finish@130");
}

static void wake_in_the_past(struct vts_job *job) { vts_wake_after(job, -5000); }
static void wake_after_the_end(struct vts_job *job) { vts_wake_after(job, INT64_MAX); }
static void wake_long_ago(struct vts_job *job) { vts_wake_after(job, INT64_MIN); }

static void a_wake_in_the_past_is_now(void **state)
{
    (void)state;
    probe.start = wake_in_the_past;
    probe.wake = complete;
    start_probe();
    assert_trace("admit#1@0 start@0 wake@0 finish@0");
    assert_int_equal(life_job(&life).ended_at, T0);
    life_forget(&life);
    probe.start = wake_long_ago;
    start_probe();
    assert_int_equal(life_job(&life).ended_at, T0);
}

static void a_wake_beyond_the_end_of_time_is_at_it(void **state)
{
    (void)state;
    probe.start = wake_after_the_end;
    probe.wake = wake_in_100;
    start_probe();
    assert_int_equal(life_job(&life).wake_at, VTS_TIME_END);
    life_poll(&life, VTS_TIME_END - 1);
    assert_int_equal(life_job(&life).state, VTS_RUNNING);
    /* there every wake is at once, and so without end */
    life_poll(&life, VTS_TIME_END);
    assert_failure(&life, "behaviour_error",
                   "plugin probe: more than 1000 wakes in one moment, taken to be without end");
    assert_int_equal(life_job(&life).ended_at, VTS_TIME_END);
}

/* ---- endless wakes ---- */

static int wakes;

static void wake_at_once(struct vts_job *job) { vts_wake_after(job, 0); }

static void wake_999_times(struct vts_job *job)
{
    if (++wakes % 1000 == 0)
        vts_wake_after(job, 1);
    else
        vts_wake_after(job, 0);
}

static void endless_wakes_are_cut_off(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    probe.wake = wake_at_once;
    life_ask(&life, probes.quiet, "a", NULL, T0);
    life_advance(&life, T0 + 5000);
    assert_failure(&life, "behaviour_error",
                   "plugin quiet: more than 1000 wakes in one moment, taken to be without end");
    assert_int_equal(life_job(&life).ended_at, T0 + 100);
}

static void many_wakes_are_not_endless(void **state)
{
    (void)state;
    wakes = 0;
    probe.start = wake_at_once;
    probe.wake = wake_999_times;
    life_ask(&life, probes.quiet, "a", NULL, T0);
    life_advance(&life, T0 + 5);
    assert_int_equal(life_job(&life).state, VTS_RUNNING);
    assert_int_equal(wakes, 6 * 1000);
}

static void a_wake_without_a_hook_for_it(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    life_ask(&life, probes.bare, "a", NULL, T0);
    life_advance(&life, T0 + 500);
    assert_failure(&life, "behaviour_error",
                   "plugin bare: it asked for a wake and has no wake hook");
    assert_int_equal(life_job(&life).ended_at, T0 + 100);
}

/* ---- a job is never forgotten ---- */

static void a_start_that_leaves_nothing(void **state)
{
    (void)state;
    start_probe();
    assert_failure(
        &life, "behaviour_error",
        "plugin probe: hook start left the job with neither an end, a wake nor vts_wait");
    assert_trace("admit#1@0 start@0 finish@0");
    assert_true(life.work.ended);
}

static void a_wake_that_leaves_nothing(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    start_probe();
    life_poll(&life, T0 + 700);
    assert_failure(&life, "behaviour_error",
                   "plugin probe: hook wake left the job with neither an end, a wake nor vts_wait");
    assert_int_equal(life_job(&life).ended_at, T0 + 100);
    assert_trace("admit#1@0 start@0 wake@100 finish@100 poll#1@700");
}

static void wait_for_nothing(struct vts_job *job) { vts_wait(job, 0); }

static void a_poll_that_leaves_nothing(void **state)
{
    (void)state;
    probe.start = wait_for_poll;
    probe.poll = wait_for_nothing;
    life_ask(&life, probes.counting, "a", NULL, T0);
    life_poll(&life, T0 + 7);
    assert_failure(
        &life, "behaviour_error",
        "plugin counting: hook poll left the job with neither an end, a wake nor vts_wait");
    assert_int_equal(life_job(&life).ended_at, T0 + 7);
}

static void a_cancel_that_leaves_nothing(void **state)
{
    (void)state;
    probe.start = wait_for_ever;
    probe.cancel = wait_for_nothing;
    start_probe();
    life_cancel(&life, T0 + 7);
    assert_failure(
        &life, "behaviour_error",
        "plugin probe: hook cancel left the job with neither an end, a wake nor vts_wait");
}

static void waiting_for_a_poll_that_counts(void **state)
{
    (void)state;
    probe.start = wait_for_poll;
    life_ask(&life, probes.counting, "a", NULL, T0);
    assert_int_equal(life_job(&life).state, VTS_RUNNING);
    assert_int_equal(life_job(&life).waits, VTS_FOR_POLL);
    life_poll(&life, T0 + 10);
    assert_int_equal(life.act, RECORD_LEAVE); /* it noted nothing */
    assert_int_equal(life_job(&life).state, VTS_RUNNING);
    probe.poll = complete;
    life_poll(&life, T0 + 20);
    assert_int_equal(life_job(&life).state, VTS_COMPLETED);
    assert_int_equal(life_job(&life).ended_at, T0 + 20);
    assert_string_equal(life_job(&life).result.at, "{\"ok\": true}");
    assert_trace("admit#1@0 start@0 poll#1@10 poll#2@20 finish@20");
}

/* What a poll asks for is kept also where it comes at the moment of the start. */
static void a_poll_that_counts_at_the_moment_of_the_start(void **state)
{
    (void)state;
    probe.start = wait_for_poll;
    probe.poll = progress_and_wake_in_5s;
    probe.wake = complete;
    life_ask(&life, probes.counting, "a", NULL, T0);
    life_poll(&life, T0);
    assert_int_equal(life.act, RECORD_PUT);
    assert_int_equal(life_job(&life).wake_at, T0 + 5000);
    assert_true(job_progress(&(struct job){.progress = life_job(&life).progress}, T0) == 0.5);
}

static void waiting_for_a_poll_that_does_not_count(void **state)
{
    (void)state;
    probe.start = wait_for_poll;
    start_probe();
    assert_failure(&life, "behaviour_error",
                   "plugin probe: hook start left the job waiting for a poll, but its open did not "
                   "set counts_polls");
}

static void poll_or_wake(struct vts_job *job)
{
    vts_wait(job, VTS_FOR_POLL);
    vts_wake_after(job, 100);
}

/* The wake is enough; what is waited for besides stands until it is withdrawn. */
static void waiting_for_a_poll_and_a_wake(void **state)
{
    (void)state;
    probe.start = poll_or_wake;
    start_probe();
    assert_int_equal(life_job(&life).state, VTS_RUNNING);
    life_advance(&life, T0 + 100);
    assert_failure(&life, "behaviour_error",
                   "plugin probe: hook wake left the job waiting for a poll, but its open did not "
                   "set counts_polls");
}

static void waiting_for_a_slot(void **state)
{
    (void)state;
    probe.start = wait_for_slot;
    start_probe();
    assert_failure(
        &life, "behaviour_error",
        "plugin probe: hook start left the job waiting for a slot, but its open did not say "
        "vts_slots");
}

static void waiting_for_ever(void **state)
{
    (void)state;
    probe.start = wait_for_ever;
    start_probe();
    life_poll(&life, VTS_TIME_END);
    life_advance(&life, VTS_TIME_END);
    assert_int_equal(life_job(&life).state, VTS_RUNNING);
    life_cancel(&life, VTS_TIME_END);
    assert_int_equal(life_job(&life).state, VTS_CANCELLED);
    assert_int_equal(life_job(&life).waits, 0);
}

/* ---- cancel ---- */

static void cancel_undecided(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    probe.wake = complete;
    start_probe();
    life_cancel(&life, T0 + 40);
    assert_int_equal(life_job(&life).state, VTS_CANCELLED);
    assert_int_equal(life_job(&life).ended_at, T0 + 40);
    assert_null(life_job(&life).code.at);
    assert_trace("admit#1@0 start@0 cancel@40 finish@40");
    life_advance(&life, T0 + 500);
    life_cancel(&life, T0 + 500);
    assert_int_equal(life.act, RECORD_LEAVE);
    assert_trace("");
}

static void cancel_without_a_hook(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    life_ask(&life, probes.bare, "a", NULL, T0);
    life_cancel(&life, T0 + 40);
    assert_int_equal(life_job(&life).state, VTS_CANCELLED);
    assert_true(life.work.ended);
}

static void cancel_refused(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    probe.cancel = wait_for_ever;
    probe.wake = complete;
    start_probe();
    life_cancel(&life, T0 + 40);
    assert_int_equal(life.act, RECORD_PUT);
    assert_int_equal(life_job(&life).state, VTS_RUNNING);
    assert_false(life.work.ended);
    life_advance(&life, T0 + 100); /* the wake that was asked for before still comes */
    assert_int_equal(life_job(&life).state, VTS_COMPLETED);
}

static void cancel_decided_as_completed(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    probe.cancel = complete;
    start_probe();
    life_cancel(&life, T0 + 40);
    assert_int_equal(life_job(&life).state, VTS_COMPLETED);
    assert_trace("admit#1@0 start@0 cancel@40 finish@40");
}

static void fail_too_late(struct vts_job *job) { vts_fail(job, "too_late", "it was too late"); }

static void cancel_decided_as_failed(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    probe.cancel = fail_too_late;
    start_probe();
    life_cancel(&life, T0 + 40);
    assert_failure(&life, "too_late", "it was too late");
}

static void cancel_that_takes_time(void **state)
{
    (void)state;
    probe.start = wait_for_ever;
    probe.cancel = wake_in_100;
    probe.wake = vts_cancel;
    start_probe();
    life_cancel(&life, T0 + 40);
    assert_int_equal(life_job(&life).state, VTS_RUNNING);
    life_poll(&life, T0 + 5000);
    assert_int_equal(life_job(&life).state, VTS_CANCELLED);
    assert_int_equal(life_job(&life).ended_at, T0 + 140);
    assert_trace("admit#1@0 start@0 cancel@40 wake@140 finish@140 poll#1@5000");
}

static void a_cancel_with_a_wake_at_once(void **state)
{
    (void)state;
    probe.start = wait_for_ever;
    probe.cancel = wake_at_once;
    probe.wake = vts_cancel;
    start_probe();
    life_cancel(&life, T0 + 40);
    assert_int_equal(life_job(&life).state, VTS_CANCELLED);
    assert_true(life.work.ended);
}

/* ---- ends ---- */

static void end_thrice(struct vts_job *job)
{
    vts_fail(job, "first", "the first end");
    vts_complete(job, "\"second\"");
    vts_cancel(job);
    vts_fail(job, "third", "the third end");
    vts_wake_after(job, 10);
}

static void the_first_end_counts(void **state)
{
    struct job job;

    (void)state;
    probe.start = end_thrice;
    start_probe();
    assert_failure(&life, "first", "the first end");
    job = life_job(&life);
    assert_null(job.result.at);
    assert_int_equal(job.wake_at, RECORD_NEVER);
    assert_trace("admit#1@0 start@0 finish@0");
    life_poll(&life, T0 + 10000);
    life_poll(&life, T0 + 20000);
    life_cancel(&life, T0 + 30000);
    assert_trace("poll#1@10000 poll#2@20000");
}

static void complete_and_fail(struct vts_job *job)
{
    vts_complete(job, "[1]");
    vts_fail(job, "late", "and yet");
}

static void completed_before_failed(void **state)
{
    (void)state;
    probe.start = complete_and_fail;
    start_probe();
    assert_int_equal(life_job(&life).state, VTS_COMPLETED);
    assert_string_equal(life_job(&life).result.at, "[1]");
    assert_null(life_job(&life).code.at);
    assert_null(life_job(&life).message.at);
}

static void do_all(struct vts_job *job)
{
    ((unsigned char *)vts_state(job))[0] = 0x77;
    vts_complete(job, "1");
    vts_fail(job, "x", "y");
    vts_wake_after(job, 1);
    vts_wait(job, VTS_FOR_EVER);
    vts_progress(job, 1);
    VTS_BEND(job, .status = 500);
}

/* finish is told of the end and can change the state bytes alone. */
static void finish_changes_nothing_but_state(void **state)
{
    struct job job;

    (void)state;
    probe.start = wake_in_100;
    probe.wake = fail_too_late;
    probe.finish = do_all;
    start_probe();
    life_advance(&life, T0 + 100);
    assert_failure(&life, "too_late", "it was too late");
    job = life_job(&life);
    assert_null(job.result.at);
    assert_int_equal(job.waits, 0);
    assert_int_equal(job.wake_at, RECORD_NEVER);
    assert_true(job_progress(&job, T0 + 100) == 0);
    assert_int_equal(job.plugin_state.at[0], 0x77);
    assert_trace("admit#1@0 start@0 wake@100 finish@100");
}

static void sees_the_end(struct vts_job *job)
{
    assert_int_equal(vts_job_state(job), VTS_CANCELLED);
    assert_int_equal(vts_age(job), 40);
}

static void finish_sees_how_it_ended(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    probe.finish = sees_the_end;
    start_probe();
    life_cancel(&life, T0 + 40);
    assert_trace("admit#1@0 start@0 cancel@40 finish@40");
}

/* After the end polls go on, may bend, and nothing else. */
static void polls_after_the_end(void **state, const struct instance *instance)
{
    char *before, *after;

    (void)state;
    probe.start = complete;
    life_ask(&life, instance, "a", NULL, T0);
    before = life_text(&life);
    probe.poll = do_all;
    life_poll(&life, T0 + 10);
    assert_true(life.work.bent);
    assert_int_equal(life.work.answer.status, 500);
    probe.poll = NULL;
    after = life_text(&life);
    if (instance->base.counts_polls) {
        assert_int_equal(life_job(&life).plugin_state.at[0], 0x77);
        strcpy(strstr(before, " state 00"), strstr(after, " state 77"));
    }
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void polls_after_the_end_bend(void **state) { polls_after_the_end(state, probes.probe); }
static void counted_polls_after_the_end_bend(void **state)
{
    polls_after_the_end(state, probes.counting);
}

/* ---- what hooks hand over ---- */

static const char *result;

static void complete_with_result(struct vts_job *job) { vts_complete(job, result); }

static void results_that_are_json(void **state)
{
    static const char *const good[] = {"{}",
                                       "[]",
                                       "null",
                                       "true",
                                       " false ",
                                       "0",
                                       "-0",
                                       "-12.5e+3",
                                       "1E5",
                                       "1e999",
                                       "\"\"",
                                       "\"\xC3\xBC \\u00fc \\\\ \\\" \\/ \\b\\f\\n\\r\\t\"",
                                       "{\"a\": [1, {\"b\": null}], \"c\": \"d\"}",
                                       "\t[ 1 ,\r\n2 ] "};

    (void)state;
    probe.start = complete_with_result;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        result = good[i];
        start_probe();
        assert_int_equal(life_job(&life).state, VTS_COMPLETED);
        assert_string_equal(life_job(&life).result.at, result);
        life_forget(&life);
    }
    result = NULL;
    start_probe();
    assert_int_equal(life_job(&life).state, VTS_COMPLETED);
    assert_null(life_job(&life).result.at);
}

static void results_that_are_no_json(void **state)
{
    static const char *const bad[] = {"",          " ",          "{",           "nul",
                                      "TRUE",      "NaN",        "[NaN]",       "Infinity",
                                      "-Infinity", "-",          "01",          "1.",
                                      "1.e5",      ".5",         "+1",          "1e",
                                      "0x10",      "'a'",        "{a: 1}",      "{\"a\" 1}",
                                      "[1,]",      "{\"a\":1,}", "[1 2]",       "[1] x",
                                      "1 2",       "\"a\nb\"",   "\"\x01\"",    "\"\xFF\"",
                                      "\"\xC3\"",  "\"\\x\"",    "\"\\u12g4\"", "\"\\u12",
                                      "\"a",       "\"\\",       "// c\n1",     "\v1",
                                      "{1:2}",     "]",          "[}",          "\xEF\xBB\xBF{}"};

    (void)state;
    probe.start = complete_with_result;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        /* in memory of its size, for the sanitizer */
        char *copy = strdup(bad[i]);

        assert_non_null(copy);
        result = copy;
        start_probe();
        if (life_job(&life).state == VTS_COMPLETED)
            fail_msg("%s was taken for JSON", copy);
        assert_failure(&life, "behaviour_error", "the behaviour gave a result that is not JSON");
        assert_null(life_job(&life).result.at);
        life_forget(&life);
        free(copy);
    }
}

static void results_nested_deep(void **state)
{
    char text[4001];

    (void)state;
    probe.start = complete_with_result;
    result = text;
    for (size_t depth = 64; depth <= 65; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        start_probe();
        assert_int_equal(life_job(&life).state, depth == 64 ? VTS_COMPLETED : VTS_FAILED);
        life_forget(&life);
    }
    memset(text, '[', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    start_probe();
    assert_int_equal(life_job(&life).state, VTS_FAILED);
}

static void results_of_size(void **state)
{
    char *text = malloc(1024 * 1024 + 1);

    (void)state;
    assert_non_null(text);
    memset(text, 'r', 1024 * 1024);
    text[0] = text[65535] = '"';
    text[65536] = '\0';
    result = text;
    probe.start = complete_with_result;
    start_probe();
    assert_int_equal(life_job(&life).state, VTS_COMPLETED);
    assert_int_equal(life_job(&life).result.length, 65536);
    life_forget(&life);
    text[65535] = 'r';
    text[65536] = '"';
    text[65537] = '\0';
    start_probe();
    assert_failure(&life, "behaviour_error", "the behaviour gave a result of more than 64 KiB");
    life_forget(&life);
    memset(text, ' ', 1024 * 1024);
    text[1024 * 1024] = '\0';
    start_probe();
    assert_failure(&life, "behaviour_error", "the behaviour gave a result of more than 64 KiB");
    free(text);
}

static const char *code, *message;

static void fail_with_message(struct vts_job *job) { vts_fail(job, code, message); }

static void assert_mended(const char *given, const char *wanted)
{
    char *copy = strdup(given);

    assert_non_null(copy);
    message = code = copy;
    start_probe();
    assert_failure(&life, wanted, wanted);
    life_forget(&life);
    free(copy);
}

static void messages(void **state)
{
    (void)state;
    probe.start = fail_with_message;
    code = message = NULL;
    start_probe();
    assert_failure(&life, "error", "the job failed");
    life_forget(&life);
    assert_mended("", "");
    assert_mended("na\xC3\xAFve", "na\xC3\xAFve");
    assert_mended("a\xFFz", "a\xEF\xBF\xBDz");
    assert_mended("a\xC3", "a\xEF\xBF\xBD");
    assert_mended("\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_mended("\xF0\x9F\x98", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

static void assert_cut(char *text, size_t length, size_t wanted)
{
    text[length] = '\0';
    message = text;
    start_probe();
    assert_int_equal(life_job(&life).state, VTS_FAILED);
    assert_int_equal(life_job(&life).message.length, wanted);
    assert_int_equal(text_valid_utf8(life_job(&life).message.at, wanted), wanted);
    life_forget(&life);
}

static void messages_of_a_megabyte(void **state)
{
    const size_t size = 1024 * 1024;
    char *text = malloc(size + 1);

    (void)state;
    assert_non_null(text);
    probe.start = fail_with_message;
    code = "big";
    memset(text, 'm', size);
    assert_cut(text, size, 65536);
    memset(text, 'm', size);
    assert_cut(text, 65536, 65536);
    memset(text, 'm', size);
    memcpy(text + 65535, "\xC3\xBC", 2); /* a character across the cut goes as a whole */
    assert_cut(text, 70000, 65535);
    memset(text, 'm', size);
    memcpy(text + 65533, "\xF0\x9F\x98\x80", 4);
    assert_cut(text, 70000, 65533);
    /* nothing but broken bytes: each is mended to three, and cut */
    memset(text, '\xFF', size);
    assert_cut(text, size, 65535);
    memset(text, '\x80', size);
    assert_cut(text, size, 65535);
    free(text);
}

static void codes_are_cut(void **state)
{
    char long_code[301];

    (void)state;
    memset(long_code, 'c', 300);
    long_code[300] = '\0';
    code = long_code;
    message = "m";
    probe.start = fail_with_message;
    start_probe();
    assert_int_equal(life_job(&life).code.length, 255);
}

/* ---- progress ---- */

static double steps[4];
static size_t step_count;

static void set_steps(struct vts_job *job)
{
    for (size_t i = 0; i < step_count; i++)
        vts_progress(job, steps[i]);
    vts_wait(job, VTS_FOR_EVER);
    vts_wake_after(job, 100);
}

static void assert_progress(vts_ms now, double wanted)
{
    struct job job = life_job(&life);
    double got = job_progress(&job, now);

    if (fabs(got - wanted) > 1e-9)
        fail_msg("progress %g instead of %g", got, wanted);
}

static void progress_keeps_within_its_bounds(void **state)
{
    (void)state;
    probe.start = probe.wake = set_steps;
    step_count = 1;
    steps[0] = 0.25;
    start_probe();
    assert_progress(T0, 0.25);
    steps[0] = (double)NAN; /* ignored */
    life_advance(&life, T0 + 100);
    assert_progress(T0 + 100, 0.25);
    steps[0] = 0.1; /* never down */
    life_advance(&life, T0 + 200);
    assert_progress(T0 + 200, 0.25);
    steps[0] = -(double)INFINITY;
    life_advance(&life, T0 + 300);
    assert_progress(T0 + 300, 0.25);
    steps[0] = 7;
    life_advance(&life, T0 + 400);
    assert_progress(T0 + 400, 1);
    steps[0] = 0;
    life_advance(&life, T0 + 500);
    assert_progress(T0 + 500, 1);
}

static void progress_set_twice_in_one_hook(void **state)
{
    (void)state;
    probe.start = set_steps;
    step_count = 2;
    steps[0] = 0.5;
    steps[1] = 0.3;
    start_probe();
    assert_progress(T0, 0.5);
    life_forget(&life);
    steps[1] = 0.6;
    start_probe();
    assert_progress(T0, 0.6);
}

static void ramp_to_1(struct vts_job *job)
{
    vts_progress_over(job, 1, 1000);
    vts_wake_after(job, 500);
}

static void half_then_ramp(struct vts_job *job)
{
    vts_progress(job, 0.5);
    vts_progress_over(job, 1, 1000);
    vts_wait(job, VTS_FOR_EVER);
}

static void ramp_then_less(struct vts_job *job)
{
    vts_progress(job, 0.5);
    vts_progress_over(job, 1, 1000);
    vts_progress(job, 0.4); /* less than it is: changes nothing, the ramp goes on */
    vts_wait(job, VTS_FOR_EVER);
}

static void ramps(void **state)
{
    (void)state;
    probe.start = half_then_ramp;
    start_probe();
    assert_progress(T0, 0.5);
    assert_progress(T0 + 500, 0.75);
    assert_progress(T0 + 5000, 1);
    life_forget(&life);
    probe.start = ramp_then_less;
    start_probe();
    assert_progress(T0 + 500, 0.75);
    life_forget(&life);
    /* it starts from what it is, at the moment that was due */
    probe.start = ramp_to_1;
    probe.wake = set_steps;
    step_count = 1;
    steps[0] = 0.2;
    start_probe();
    life_advance(&life, T0 + 599);
    assert_progress(T0 + 599, 0.599);
    steps[0] = 0.8;
    life_advance(&life, T0 + 600);
    assert_progress(T0 + 600, 0.8);
    assert_progress(T0 + 9999, 0.8);
}

static void a_ramp_stops_at_the_end_of_the_job(void **state)
{
    (void)state;
    probe.start = ramp_to_1;
    start_probe();
    life_cancel(&life, T0 + 250);
    assert_progress(T0 + 9999, 0.25);
    life_forget(&life);
    probe.wake = complete;
    start_probe();
    life_advance(&life, T0 + 500);
    assert_progress(T0 + 500, 1);
}

static void ramp_for_ever(struct vts_job *job)
{
    vts_progress_over(job, 1, INT64_MAX);
    vts_wait(job, VTS_FOR_EVER);
}

static void ramp_below_zero(struct vts_job *job)
{
    vts_progress_over(job, 0.5, INT64_MIN);
    vts_wait(job, VTS_FOR_EVER);
}

static void ramps_without_measure(void **state)
{
    (void)state;
    probe.start = ramp_for_ever;
    start_probe();
    assert_true(life_job(&life).progress.span <= VTS_TIME_END);
    assert_progress(T0, 0);
    life_forget(&life);
    probe.start = ramp_below_zero;
    start_probe();
    assert_progress(T0, 0.5);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(hooks_see_the_moment_that_was_due),
        TEST(a_poll_carries_out_what_is_due_first),
        TEST(a_cancel_carries_out_what_is_due_first),
        TEST(a_poll_of_nobody_changes_nothing),
        TEST(a_life_does_not_depend_on_who_looks),
        TEST(a_new_wake_takes_the_place_of_the_old),
        TEST(a_wake_in_the_past_is_now),
        TEST(a_wake_beyond_the_end_of_time_is_at_it),
        TEST(endless_wakes_are_cut_off),
        TEST(many_wakes_are_not_endless),
        TEST(a_wake_without_a_hook_for_it),
        TEST(a_start_that_leaves_nothing),
        TEST(a_wake_that_leaves_nothing),
        TEST(a_poll_that_leaves_nothing),
        TEST(a_cancel_that_leaves_nothing),
        TEST(waiting_for_a_poll_that_counts),
        TEST(a_poll_that_counts_at_the_moment_of_the_start),
        TEST(waiting_for_a_poll_that_does_not_count),
        TEST(waiting_for_a_poll_and_a_wake),
        TEST(waiting_for_a_slot),
        TEST(waiting_for_ever),
        TEST(cancel_undecided),
        TEST(cancel_without_a_hook),
        TEST(cancel_refused),
        TEST(cancel_decided_as_completed),
        TEST(cancel_decided_as_failed),
        TEST(cancel_that_takes_time),
        TEST(a_cancel_with_a_wake_at_once),
        TEST(the_first_end_counts),
        TEST(completed_before_failed),
        TEST(finish_changes_nothing_but_state),
        TEST(finish_sees_how_it_ended),
        TEST(polls_after_the_end_bend),
        TEST(counted_polls_after_the_end_bend),
        TEST(results_that_are_json),
        TEST(results_that_are_no_json),
        TEST(results_nested_deep),
        TEST(results_of_size),
        TEST(messages),
        TEST(messages_of_a_megabyte),
        TEST(codes_are_cut),
        TEST(progress_keeps_within_its_bounds),
        TEST(progress_set_twice_in_one_hook),
        TEST(ramps),
        TEST(a_ramp_stops_at_the_end_of_the_job),
        TEST(ramps_without_measure),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
