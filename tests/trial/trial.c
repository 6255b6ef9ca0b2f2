/* SPDX-License-Identifier: MIT
 *
 * Tests of the trial room itself: events at their moments, each of them seen, and what a job without a
 * record is told. */
#include "trial/trial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- a behaviour ---- */

struct settings {
    int64_t steps;
};

struct state {
    int64_t done;
};

static const struct vts_option options[] = {
    VTS_OPTION_INT(struct settings, steps, "3", 0, 100, "a second each, then it completes"),
    VTS_OPTIONS_END};

/* The first attempt is refused. */
static void admit(struct vts_job *job)
{
    if (vts_polls(job) == 1)
        vts_refuse(job, 429, 2000);
}

static void start(struct vts_job *job) { vts_wake_after(job, 1000); }

static void wake(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);
    struct state *state = vts_state(job);

    if (++state->done < set->steps)
        vts_wake_after(job, 1000);
    else
        vts_complete(job, "\"done\"");
}

static void poll(struct vts_job *job) { VTS_BEND(job, .stall = (vts_ms)vts_polls(job)); }

VTS_PLUGIN(steps, .options = options, .settings_size = sizeof(struct settings),
           .state_size = sizeof(struct state), .admit = admit, .start = start, .wake = wake,
           .poll = poll)

static bool open_once(struct vts_instance *instance, struct vts_error *error)
{
    static int opened;

    (void)instance;
    return ++opened < 2 || vts_error_set(error, VTS_ERR_INVALID, "not twice");
}

VTS_PLUGIN(once, .open = open_once, .start = start)

/* ---- a trial that writes down what it sees ---- */

struct noted {
    struct instance *like;
    struct trial trial;
    struct trial_job job;
    struct text trace; /* "ask@0 refused 429; wake@1000 running; ..." */
};

static void note(void *arg, struct trial_job *job, const struct trial_seen *seen)
{
    static const char *const events[] = {"ask", "wake", "poll", "cancel", "grant"};
    struct noted *noted = arg;

    assert_true(job == &noted->job || noted->trial.instance->slots > 0);
    text_printf(&noted->trace, "%s%s%s%s@%lld %s", noted->trace.length ? "; " : "",
                job == &noted->job ? "" : seen->job->id.at, job == &noted->job ? "" : " ",
                events[seen->event], (long long)(seen->moment - TRIAL_START),
                state_name((int)seen->job->state));
    if (seen->refused)
        text_printf(&noted->trace, " refused %d", seen->answer->status);
    else if (seen->answer)
        text_printf(&noted->trace, " stalled %lld", (long long)seen->answer->stall);
    if (seen->exists)
        text_puts(&noted->trace, " exists");
}

static int setup(void **state)
{
    static struct noted noted;
    struct problems problems = PROBLEMS_INIT;
    struct vts_error error;

    memset(&noted, 0, sizeof(noted));
    noted.like = instance_create("trial", steps_LTX_vts_plugin(), NULL, &problems);
    if (!noted.like || !trial_init(&noted.trial, noted.like, 1, &error))
        return -1;
    noted.trial.see = note;
    noted.trial.arg = &noted;
    *state = &noted;
    return 0;
}

static int teardown(void **state)
{
    struct noted *noted = *state;

    trial_job_finish(&noted->job);
    trial_finish(&noted->trial);
    instance_destroy(noted->like);
    text_finish(&noted->trace);
    return 0;
}

static void assert_trace(struct noted *noted, const char *wanted)
{
    assert_string_equal(noted->trace.bytes ? noted->trace.bytes : "", wanted);
    text_reset(&noted->trace);
}

/* Asks until it is admitted: at 0 and at 2 s. */
static void begin(struct noted *noted)
{
    assert_true(trial_ask(&noted->trial, &noted->job, "a job", NULL, TRIAL_START));
    assert_true(trial_ask(&noted->trial, &noted->job, "a job", NULL, TRIAL_START + 2000));
    assert_trace(noted, "ask@0 asked refused 429; ask@2000 running");
}

/* ---- tests ---- */

static void refused_then_there(void **state)
{
    struct noted *noted = *state;
    struct job job;

    assert_false(trial_look(&noted->job, &job));
    assert_int_equal(trial_wake_at(&noted->job), RECORD_NEVER);
    assert_false(trial_poll(&noted->trial, &noted->job, TRIAL_START));
    assert_true(trial_ask(&noted->trial, &noted->job, "a job", NULL, TRIAL_START));
    assert_true(trial_look(&noted->job, &job));
    assert_int_equal(job.state, VTS_ASKED);
    /* One that was refused is not there for others. */
    assert_false(trial_poll(&noted->trial, &noted->job, TRIAL_START + 1000));
    assert_false(trial_cancel(&noted->trial, &noted->job, TRIAL_START + 1000));
    assert_true(trial_ask(&noted->trial, &noted->job, "a job", NULL, TRIAL_START + 2000));
    assert_true(trial_ask(&noted->trial, &noted->job, "a job", NULL, TRIAL_START + 2500));
    assert_trace(noted, "ask@0 asked refused 429; ask@2000 running; ask@2500 running exists");
    assert_int_equal(trial_wake_at(&noted->job), TRIAL_START + 3000);
}

static void wakes_come_before_an_event(void **state)
{
    struct noted *noted = *state;

    begin(noted);
    assert_true(trial_poll(&noted->trial, &noted->job, TRIAL_START + 4500));
    assert_trace(noted, "wake@3000 running; wake@4000 running; poll@4500 running stalled 1");
    assert_true(trial_poll(&noted->trial, &noted->job, TRIAL_START + 9000));
    assert_trace(noted, "wake@5000 completed; poll@9000 completed stalled 2");
}

static void advance(void **state)
{
    struct noted *noted = *state;
    struct job job;

    begin(noted);
    assert_true(trial_advance(&noted->trial, &noted->job, TRIAL_START + 2999));
    assert_trace(noted, "");
    assert_true(trial_advance(&noted->trial, &noted->job, TRIAL_START + 3000));
    assert_trace(noted, "wake@3000 running");
    assert_true(trial_advance(&noted->trial, &noted->job, VTS_TIME_END));
    assert_trace(noted, "wake@4000 running; wake@5000 completed");
    assert_true(trial_look(&noted->job, &job));
    assert_string_equal(job.result.at, "\"done\"");
    assert_int_equal(job.ended_at, TRIAL_START + 5000);
}

static void run(void **state)
{
    struct noted *noted = *state;
    size_t wakes = 0;

    begin(noted);
    assert_true(trial_run(&noted->trial, &noted->job, 2, &wakes));
    assert_int_equal(wakes, 2);
    assert_true(trial_run(&noted->trial, &noted->job, 100, &wakes));
    assert_int_equal(wakes, 3);
    assert_true(trial_run(&noted->trial, &noted->job, 100, NULL));
    assert_trace(noted, "wake@3000 running; wake@4000 running; wake@5000 completed");
}

static void cancel(void **state)
{
    struct noted *noted = *state;

    begin(noted);
    assert_true(trial_cancel(&noted->trial, &noted->job, TRIAL_START + 3500));
    assert_true(trial_cancel(&noted->trial, &noted->job, TRIAL_START + 3600));
    assert_trace(noted, "wake@3000 running; cancel@3500 cancelled; cancel@3600 cancelled");
    assert_int_equal(trial_wake_at(&noted->job), RECORD_NEVER);
}

static void nobody_looks(void **state)
{
    struct noted *noted = *state;
    struct job job;

    noted->trial.see = NULL;
    assert_true(trial_ask(&noted->trial, &noted->job, "a job", NULL, TRIAL_START));
    assert_true(trial_ask(&noted->trial, &noted->job, "a job", "{\"a\": 1}", TRIAL_START + 2000));
    assert_true(trial_run(&noted->trial, &noted->job, 100, NULL));
    assert_true(trial_look(&noted->job, &job));
    assert_int_equal(job.state, VTS_COMPLETED);
    assert_string_equal(job.input.at, "{\"a\": 1}");
}

/* ---- slots ---- */

static bool one_slot(struct vts_instance *instance, struct vts_error *error)
{
    (void)error;
    return vts_slots(instance, 1) && !vts_slots(instance, 0);
}

static void queue_up(struct vts_job *job)
{
    /* No more of them once it is open. */
    assert_false(vts_slots((struct vts_instance *)(uintptr_t)job->instance, 5));
    vts_wait(job, VTS_FOR_SLOT);
}

static void run_a_second(struct vts_job *job)
{
    if (vts_granted(job))
        vts_wake_after(job, 1000);
    else
        vts_complete(job, NULL);
}

VTS_PLUGIN(one, .open = one_slot, .start = queue_up, .wake = run_a_second)

static void jobs_that_share_a_slot(void **state)
{
    struct noted noted = {.like = NULL};
    struct problems problems = PROBLEMS_INIT;
    struct trial_job b = {0}, c = {0};
    struct vts_error error;
    struct trial next;

    (void)state;
    noted.like = instance_create("trial", one_LTX_vts_plugin(), NULL, &problems);
    assert_non_null(noted.like);
    assert_true(trial_init(&noted.trial, noted.like, 1, &error));
    noted.trial.see = note;
    noted.trial.arg = &noted;
    assert_true(trial_ask(&noted.trial, &noted.job, "a", NULL, TRIAL_START));
    assert_true(trial_ask(&noted.trial, &b, "b", NULL, TRIAL_START + 300));
    assert_true(trial_ask(&noted.trial, &c, "c", NULL, TRIAL_START + 200)); /* that has gone by */
    assert_trace(&noted, "ask@0 queued; grant@0 running; b ask@300 queued; c ask@300 queued");
    /* An event of one is after all that is due of the others. */
    assert_true(trial_poll(&noted.trial, &c, TRIAL_START + 2500));
    assert_trace(&noted, "wake@1000 completed; b grant@1000 running; b wake@2000 completed; "
                         "c grant@2000 running; c poll@2500 running");
    assert_true(trial_forget(&noted.trial, &c, TRIAL_START + 2600));
    assert_int_equal(slots_free(&noted.trial.slots), 1);
    /* It goes on elsewhere. */
    assert_true(trial_init(&next, noted.like, 1, &error));
    next.see = note;
    next.arg = &noted;
    assert_true(trial_adopt(&next, &c));
    assert_int_equal(slots_free(&next.slots), 0);
    assert_true(trial_run(&next, &c, 100, NULL));
    assert_trace(&noted, "c wake@3000 completed");
    trial_finish(&next);
    trial_finish(&noted.trial);
    trial_job_finish(&noted.job);
    trial_job_finish(&b);
    trial_job_finish(&c);
    text_finish(&noted.trace);
    instance_destroy(noted.like);
}

static void cannot_be_opened(void **state)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *like = instance_create("once", once_LTX_vts_plugin(), NULL, &problems);
    struct vts_error error;
    struct trial trial;

    (void)state;
    assert_non_null(like);
    assert_false(trial_init(&trial, like, 1, &error));
    assert_string_equal(error.message, "[behaviour once]: not twice\n");
    trial_finish(&trial);
    instance_destroy(like);
    problems_finish(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refused_then_there, setup, teardown),
        cmocka_unit_test_setup_teardown(wakes_come_before_an_event, setup, teardown),
        cmocka_unit_test_setup_teardown(advance, setup, teardown),
        cmocka_unit_test_setup_teardown(run, setup, teardown),
        cmocka_unit_test_setup_teardown(cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_looks, setup, teardown),
        cmocka_unit_test(jobs_that_share_a_slot),
        cmocka_unit_test(cannot_be_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
