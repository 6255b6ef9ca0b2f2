/* SPDX-License-Identifier: MIT
 *
 * Tests of tests/harness/harness.c and view.c: how a behaviour is opened, what its jobs do when time passes or
 * a client asks, and what is seen of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "moody.h"

vts_plugin_fn fixed_delay_LTX_vts_plugin, scripted_sequence_LTX_vts_plugin;

static struct failures failed;

/* A harness of moody whose failures are kept. */
static struct vts_harness *open_moody(const char *settings)
{
    struct vts_harness *harness = vts_harness_create(moody_LTX_vts_plugin, settings, 1, NULL);

    failures_take(harness, &failed);
    return harness;
}

/* ---- opening ---- */

static void a_refused_setting_is_told_with_its_place(void **state)
{
    struct vts_error error;

    (void)state;
    assert_null(
        vts_harness_create(fixed_delay_LTX_vts_plugin, "progress = on\ndelay = soon", 1, &error));
    assert_int_equal(error.code, VTS_ERR_INVALID);
    assert_string_equal(error.message, "settings:3: [behaviour fixed_delay] delay: \"soon\" is not "
                                       "a time; write one number and one unit: 250ms, 10s, 2m, 1h "
                                       "or 1d");
    assert_null(vts_harness_create(fixed_delay_LTX_vts_plugin, "dely = 1s", 1, &error));
    assert_string_equal(error.message, "settings:2: [behaviour fixed_delay] dely: unknown key; did "
                                       "you mean \"delay\"?");
    assert_null(vts_harness_create(fixed_delay_LTX_vts_plugin, "delay 1s", 1, &error));
    assert_memory_equal(error.message, "settings:2: ", 12);
    assert_null(vts_harness_create(fixed_delay_LTX_vts_plugin, "delay = 1s\n[server]\nseed = 1", 1,
                                   &error));
    assert_string_equal(error.message, "settings: the section [server] is too much: the settings "
                                       "are those of one behaviour");
    assert_null(vts_harness_create(fixed_delay_LTX_vts_plugin, "a = 1\nb = 2", 1, &error));
    assert_non_null(strchr(error.message, '\n'));
}

static void what_is_no_behaviour_is_refused(void **state)
{
    struct vts_error error;

    (void)state;
    assert_null(vts_harness_create(closed_LTX_vts_plugin, NULL, 1, &error));
    assert_string_equal(error.message, "settings:1: [behaviour closed]: the moon is not full");
    assert_null(vts_harness_create(NULL, NULL, 1, &error));
    assert_string_equal(error.message, "there is no plugin");
}

/* Around jobs that take an hour each. */
static void a_filter_is_tried_by_itself(void **state)
{
    struct vts_harness *harness = vts_harness_create(sieve_LTX_vts_plugin, NULL, 1, NULL);
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);
    struct vts_error error;

    (void)state;
    vts_harness_expect_state(job, VTS_RUNNING);
    vts_harness_expect_wakes_after(job, 3600000);
    assert_ptr_equal(vts_harness_instance(harness)->plugin, sieve_LTX_vts_plugin());
    assert_int_equal(vts_harness_poll(job), 500);
    assert_true(vts_harness_restart(harness));
    assert_int_equal(vts_harness_poll(job), 500);
    assert_ptr_equal(vts_harness_instance(harness)->plugin, sieve_LTX_vts_plugin());
    vts_harness_run(harness);
    vts_harness_expect_ended_after(job, 3600000);
    assert_int_equal(vts_harness_poll(job), 500);
    assert_true(vts_harness_check_laws(harness, NULL));
    vts_harness_destroy(harness);
    assert_null(vts_harness_create(sieve_LTX_vts_plugin, "delay = 1s", 1, &error));
    assert_string_equal(error.message,
                        "settings:2: [filter sieve] delay: unknown key; this section "
                        "takes none");
}

static void a_module_is_loaded_from_its_file(void **state)
{
    static const char module[] = VTSIM_BUILD_DIR "/lib/vtsim/plugins/fixed_delay.so";
    struct vts_harness *harness = vts_harness_load(module, "delay = 2s", 1, NULL);
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);
    struct vts_error error;

    (void)state;
    vts_harness_run(harness);
    vts_harness_expect_ended_after(job, 2000);
    vts_harness_destroy(harness);
    assert_null(vts_harness_load("/nowhere/moon.so", NULL, 1, &error));
    assert_int_equal(error.code, VTS_ERR_LOAD);
    assert_string_equal(error.message,
                        "/nowhere/moon.so cannot be read: No such file or directory");
    assert_null(vts_harness_load(module, "delay = -1s", 1, &error));
    assert_string_equal(error.message, "settings:2: [behaviour fixed_delay] delay: \"-1s\" is "
                                       "negative; a time is 0 or more");
}

static void it_is_opened_once_and_closed_once(void **state)
{
    int opened = moody_opened, closed = moody_closed;
    struct vts_harness *harness = open_moody("refusals = 3\nresult = {}");
    const struct vts_instance *instance = vts_harness_instance(harness);

    (void)state;
    assert_int_equal(moody_opened - opened, 1);
    assert_string_equal(instance->name, "moody");
    assert_int_equal(instance->state_size, 4);
    assert_false(instance->counts_polls);
    assert_true(vts_harness_restart(harness));
    assert_int_equal(moody_opened - opened, 2);
    assert_int_equal(moody_closed - closed, 1);
    vts_harness_destroy(harness);
    vts_harness_destroy(NULL);
    assert_int_equal(moody_closed - closed, 2);
}

static void it_begins_when_it_is_told(void **state)
{
    struct vts_harness *harness = open_moody("delay = 1s");
    struct vts_harness_job *job;

    (void)state;
    assert_true(vts_harness_begin(harness, 86400000));
    job = vts_harness_start(harness, "a", NULL);
    vts_harness_run(harness);
    assert_int_equal(job->ended_at, 1000);
    assert_int_equal(vts_harness_now(harness), 1000);
    assert_int_equal(failed.count, 0);
    assert_false(vts_harness_begin(harness, 0));
    assert_string_equal(failed.text, "vts_harness_begin: comes too late, it has begun\n");
    vts_harness_destroy(harness);
    harness = open_moody("");
    assert_false(vts_harness_begin(harness, -1));
    assert_string_equal(failed.text, "vts_harness_begin: -1 is not within 0 to VTS_TIME_END\n");
    vts_harness_destroy(harness);
}

/* ---- lives ---- */

static void time_moves_when_it_is_moved(void **state)
{
    struct vts_harness *harness = open_moody("result = {\"a\": 1}");
    struct vts_harness_job *job = vts_harness_start(harness, "a", "{\"video\": 1}");

    (void)state;
    assert_int_equal(job->state, VTS_RUNNING);
    assert_int_equal(job->status, 200);
    assert_null(job->word);
    assert_int_equal(job->created_at, 0);
    assert_int_equal(job->started_at, 0);
    assert_int_equal(job->ended_at, VTS_HARNESS_NEVER);
    assert_int_equal(job->wake_at, 10000);
    vts_harness_advance(harness, 4000);
    assert_true(job->progress == 0.4);
    assert_int_equal(vts_harness_now(harness), 4000);
    vts_harness_advance_to(harness, 9999);
    assert_int_equal(job->state, VTS_RUNNING);
    vts_harness_advance(harness, 1);
    assert_int_equal(job->state, VTS_COMPLETED);
    assert_int_equal(job->ended_at, 10000);
    assert_int_equal(job->wake_at, VTS_HARNESS_NEVER);
    assert_string_equal(job->result, "{\"a\": 1}");
    assert_true(job->progress == 1);
    assert_null(job->code);
    vts_harness_destroy(harness);
}

static void a_poll_is_answered_and_told(void **state)
{
    struct vts_harness *harness = open_moody("busy = 2");
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    (void)state;
    assert_int_equal(vts_harness_poll(job), 200);
    assert_null(job->answer);
    assert_string_equal(job->word, "pending");
    vts_harness_advance(harness, 5000);
    assert_int_equal(vts_harness_poll(job), 503);
    assert_int_equal(job->answer->retry_after, 2000);
    assert_null(job->word);
    assert_int_equal(job->state, VTS_RUNNING);
    vts_harness_advance(harness, 6000);
    assert_int_equal(job->status, 503); /* time alone answers nobody */
    assert_int_equal(vts_harness_poll(job), 200);
    assert_null(job->answer);
    assert_string_equal(job->word, "completed");
    assert_int_equal(job->polls, 3);
    assert_int_equal(job->writes, 2); /* the start and the end */
    vts_harness_destroy(harness);
}

static void a_bent_answer_is_seen(void **state)
{
    static const struct {
        int status;
        const char *word, *line;
    } cases[] = {
        {500, NULL, "answered 500, Retry-After 0 ms"},
        {0, NULL, "answered, then reset"},
        {0, NULL, "answered, stalled 5000 ms, then closed"},
        {200, NULL, "answered, cut off"},
        {0, NULL, "answered, as garbage"},
        {502, NULL, "answered 502, as HTML"},
        {200, NULL, "answered, dribbled over 300 ms, as broken JSON"},
        {200, NULL, "answered, without a status"},
        {200, "queued-ish", "answered, Retry-After 3000 ms as a date, the status \"queued-ish\""},
        {404, NULL, "answered, as if there were no such job"},
        {200, "pending", "answered, as if it were queued"}};
    struct vts_harness *harness;
    struct vts_harness_job *job;
    char settings[20], line[200];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(settings, sizeof(settings), "bend = %zu", i);
        harness = vts_harness_create(bent_LTX_vts_plugin, settings, 1, NULL);
        job = vts_harness_start(harness, "a", NULL);
        vts_harness_expect(job, job->wait == VTS_FOR_EVER && job->wake_at == VTS_HARNESS_NEVER);
        assert_int_equal(vts_harness_poll(job), cases[i].status);
        if (cases[i].word)
            assert_string_equal(job->word, cases[i].word);
        else
            assert_null(job->word);
        snprintf(line, sizeof(line),
                 "           0  start: running; waits for ever\n"
                 "           0  poll: running; waits for ever; %s\n",
                 cases[i].line);
        assert_string_equal(vts_harness_history(job), line);
        vts_harness_destroy(harness);
    }
}

static void a_refused_start_can_be_tried_again(void **state)
{
    struct vts_harness *harness = open_moody("refusals = 1");
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    (void)state;
    assert_int_equal(job->state, VTS_ASKED);
    assert_int_equal(job->status, 429);
    assert_int_equal(job->answer->retry_after, 5000);
    assert_int_equal(vts_harness_poll(job), 404);
    assert_int_equal(vts_harness_cancel(job), 404);
    vts_harness_advance(harness, 5000);
    assert_ptr_equal(vts_harness_start(harness, "a", NULL), job);
    assert_int_equal(job->state, VTS_RUNNING);
    assert_int_equal(job->status, 200);
    assert_int_equal(job->started_at, 5000);
    vts_harness_expect_wakes_after(job, 10000);
    assert_ptr_equal(vts_harness_start(harness, "a", NULL), job);
    assert_int_equal(job->status, 409);
    assert_int_equal(job->state, VTS_RUNNING);
    vts_harness_run(harness);
    vts_harness_expect_ended_after(job, 10000);
    assert_string_equal(vts_harness_history(job),
                        "           0  start: not there; answered 429, Retry-After 5000 ms\n"
                        "           0  poll: 404, there is no such job\n"
                        "           0  cancel: 404, there is no such job\n"
                        "        5000  start: running; wakes at 15000\n"
                        "        5000  start: 409, there is such a job\n"
                        "       15000  wake: completed\n");
    assert_int_equal(failed.count, 0);
    vts_harness_destroy(harness);
}

static void a_cancel_ends_it_or_does_not(void **state)
{
    struct vts_harness *harness = open_moody("");
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    (void)state;
    vts_harness_advance(harness, 2500);
    assert_int_equal(vts_harness_cancel(job), 200);
    assert_int_equal(job->state, VTS_CANCELLED);
    assert_int_equal(job->ended_at, 2500);
    vts_harness_poll(job);
    assert_string_equal(job->word, "error");
    assert_string_equal(vts_harness_history(job), "           0  start: running; wakes at 10000\n"
                                                  "        2500  cancel: cancelled 25%\n"
                                                  "        2500  poll: cancelled 25%\n");
    vts_harness_destroy(harness);

    harness = open_moody("stubborn = a_second");
    job = vts_harness_start(harness, "a", NULL);
    vts_harness_cancel(job);
    assert_int_equal(job->state, VTS_RUNNING);
    assert_int_equal(job->wake_at, 1000);
    vts_harness_run(harness);
    assert_int_equal(job->state, VTS_CANCELLED);
    assert_int_equal(job->ended_at, 1000);
    vts_harness_destroy(harness);
}

static void a_failure_has_its_code_and_its_message(void **state)
{
    struct vts_harness *harness = open_moody("error = no such voice");
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    (void)state;
    assert_ptr_equal(vts_harness_next(harness), job);
    assert_int_equal(job->state, VTS_FAILED);
    assert_string_equal(job->code, "moody");
    assert_string_equal(job->message, "no such voice");
    assert_string_equal(vts_harness_history(job), "           0  start: running; wakes at 10000\n"
                                                  "       10000  wake: failed 100% moody: no such "
                                                  "voice\n");
    vts_harness_destroy(harness);
}

/* ---- several ---- */

static void jobs_of_one_harness_share_its_time(void **state)
{
    struct vts_harness *harness = open_moody("delay = 3s");
    struct vts_harness_job *b = vts_harness_start(harness, "b", NULL), *a, *c;

    (void)state;
    vts_harness_advance(harness, 1000);
    c = vts_harness_start(harness, "c", NULL);
    a = vts_harness_start(harness, "a", NULL);
    assert_ptr_equal(vts_harness_next(harness), b);
    assert_int_equal(vts_harness_now(harness), 3000);
    assert_int_equal(a->state, VTS_RUNNING);
    assert_true(a->progress > 0.66 && a->progress < 0.67);
    /* One moment: in the order of the ids. */
    assert_ptr_equal(vts_harness_next(harness), a);
    assert_int_equal(c->state, VTS_RUNNING);
    assert_ptr_equal(vts_harness_next(harness), c);
    assert_int_equal(vts_harness_now(harness), 4000);
    assert_null(vts_harness_next(harness));
    assert_ptr_equal(vts_harness_find(harness, "c"), c);
    assert_null(vts_harness_find(harness, "d"));
    vts_harness_forget(b);
    assert_null(vts_harness_find(harness, "b"));
    b = vts_harness_start(harness, "b", NULL);
    assert_int_equal(b->status, 200);
    assert_int_equal(b->polls, 0);
    vts_harness_advance(harness, 3000);
    vts_harness_expect_ended_after(b, 3000);
    vts_harness_destroy(harness);
}

static void many_jobs_and_a_week(void **state)
{
    struct vts_harness *harness =
        vts_harness_create(moody_LTX_vts_plugin, "delay = 1h\nbeat = 10m", 1, NULL);
    struct vts_harness_job *job;
    char id[20];
    int i;

    (void)state;
    for (i = 0; i < 200; i++) {
        snprintf(id, sizeof(id), "job-%d", i);
        vts_harness_start(harness, id, NULL);
        vts_harness_advance(harness, 1000);
    }
    vts_harness_advance(harness, INT64_C(7) * 86400000);
    for (i = 0; i < 200; i++) {
        snprintf(id, sizeof(id), "job-%d", i);
        job = vts_harness_find(harness, id);
        assert_int_equal(job->started_at, 1000 * i);
        vts_harness_expect_ended_after(job, 3600000);
        assert_int_equal(job->byte_count, 4);
        assert_int_equal(*(unsigned char *)job->bytes, 6);
    }
    vts_harness_destroy(harness);
}

/* ---- restarts ---- */

static void a_restart_changes_nothing(void **state)
{
    static const char settings[] = "script = pending x2, pending for 1s, progress 20%\n"
                                   "         pending x3, pending for 2s, error \"x\"";
    struct vts_harness *one =
        vts_harness_create(scripted_sequence_LTX_vts_plugin, settings, 1, NULL);
    struct vts_harness *other =
        vts_harness_create(scripted_sequence_LTX_vts_plugin, settings, 1, NULL);
    struct vts_harness_job *a = vts_harness_start(one, "a", NULL);
    struct vts_harness_job *b = vts_harness_start(other, "a", NULL);
    int i;

    (void)state;
    assert_true(vts_harness_instance(one)->counts_polls);
    vts_harness_restart(other);
    assert_true(vts_harness_equal(a, b));
    vts_harness_poll(a);
    assert_false(vts_harness_equal(a, b));
    vts_harness_poll(b);
    for (i = 0; i < 30; i++) {
        assert_true(vts_harness_equal(a, b));
        vts_harness_restart(other);
        vts_harness_advance(one, 250);
        vts_harness_advance(other, 250);
        vts_harness_poll(a);
        vts_harness_poll(b);
        assert_string_equal(a->word, b->word);
    }
    vts_harness_expect_error(b, "error", "x");
    assert_non_null(strstr(vts_harness_history(b), "         250  restart\n"));
    vts_harness_destroy(one);
    vts_harness_destroy(other);
}

static void damaged_bytes_reach_the_behaviour(void **state)
{
    struct vts_harness *harness = vts_harness_create(scripted_sequence_LTX_vts_plugin,
                                                     "script = pending for 1s, completed", 1, NULL);
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    (void)state;
    assert_int_equal(job->byte_count, 8);
    memset(job->bytes, 0x7F, 4);
    vts_harness_run(harness);
    vts_harness_expect_error(job, "damaged", NULL);
    vts_harness_destroy(harness);
}

/* ---- what cannot be right ---- */

static void calls_that_cannot_be_right_are_failures(void **state)
{
    struct vts_harness *harness = open_moody("");

    (void)state;
    assert_null(vts_harness_start(harness, "", NULL));
    assert_string_equal(failed.text, "vts_harness_start: \"\" is no id: 1 to 255 bytes of UTF-8 "
                                     "without control characters are one\n");
    assert_non_null(strstr(failed.file, "test_harness.c")); /* where it was made */
    assert_null(vts_harness_start(harness, "a\nb", NULL));
    assert_null(vts_harness_start(harness, "a", "{\"video\": }"));
    assert_string_equal(failed.text, "vts_harness_start: the input is no JSON: {\"video\": }\n");
    assert_null(vts_harness_find(harness, "a"));
    vts_harness_advance(harness, 5000);
    assert_false(vts_harness_advance_to(harness, 4999));
    assert_string_equal(failed.text, "vts_harness_advance_to: 4999 has passed, it is 5000 now: "
                                     "time does not go back\n");
    assert_false(vts_harness_advance(harness, -1));
    assert_string_equal(failed.text, "vts_harness_advance: by -1 ms: time does not go back\n");
    assert_int_equal(failed.count, 5);
    assert_int_equal(vts_harness_now(harness), 5000);
    vts_harness_destroy(harness);
}

static void time_ends_where_vtsim_says(void **state)
{
    struct vts_harness *harness =
        vts_harness_create(fixed_delay_LTX_vts_plugin, "delay = 2932896d", 1, NULL);
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    (void)state;
    assert_true(vts_harness_advance(harness, INT64_MAX));
    assert_int_equal(vts_harness_now(harness), VTS_TIME_END - VTS_HARNESS_BEGIN);
    vts_harness_expect_ended_after(job, VTS_TIME_END - VTS_HARNESS_BEGIN);
    vts_harness_destroy(harness);
}

static void a_job_without_end_is_cut_off(void **state)
{
    struct vts_harness *harness = vts_harness_create(restless_LTX_vts_plugin, NULL, 1, NULL);
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);
    const char *history, *second;

    (void)state;
    failures_take(harness, &failed);
    assert_false(vts_harness_run(harness));
    assert_string_equal(failed.text, "vts_harness_run: after 1000000 wakes it goes on: job \"a\" "
                                     "wakes next at 1000001\n");
    assert_int_equal(vts_harness_now(harness), 1000000);
    /* The history has kept its first line and the last ones. */
    history = vts_harness_history(job);
    assert_in_range(strlen(history), VTS_HARNESS_HISTORY_MAX / 3, VTS_HARNESS_HISTORY_MAX);
    assert_memory_equal(history, "           0  start: running; wakes at 1\n", 41);
    second = history + 41;
    assert_memory_equal(second, "              99", 16);
    assert_non_null(strstr(second, " lines are left out here\n"));
    assert_null(strstr(strstr(second, "left out") + 1, "left out"));
    assert_string_equal(history + strlen(history) - 44,
                        "     1000000  wake: running; wakes at 1000001\n" + 2);
    vts_harness_destroy(harness);
}

/* Whatever is left out is counted: the lines and those that are told of are all that came. */
static void lines_left_out_are_counted(void **state)
{
    struct vts_harness *harness = vts_harness_create(restless_LTX_vts_plugin, NULL, 1, NULL);
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);
    size_t lines = 0;
    const char *at, *told;

    (void)state;
    vts_harness_advance(harness, 20000);
    for (at = vts_harness_history(job); (at = strchr(at, '\n')); at++)
        lines++;
    told = strchr(vts_harness_history(job), '\n') + 1;
    assert_int_equal(lines - 1 + strtoul(told, NULL, 10), 20001);
    vts_harness_destroy(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_setting_is_told_with_its_place),
        cmocka_unit_test(what_is_no_behaviour_is_refused),
        cmocka_unit_test(a_filter_is_tried_by_itself),
        cmocka_unit_test(a_module_is_loaded_from_its_file),
        cmocka_unit_test(it_is_opened_once_and_closed_once),
        cmocka_unit_test(it_begins_when_it_is_told),
        cmocka_unit_test(time_moves_when_it_is_moved),
        cmocka_unit_test(a_poll_is_answered_and_told),
        cmocka_unit_test(a_bent_answer_is_seen),
        cmocka_unit_test(a_refused_start_can_be_tried_again),
        cmocka_unit_test(a_cancel_ends_it_or_does_not),
        cmocka_unit_test(a_failure_has_its_code_and_its_message),
        cmocka_unit_test(jobs_of_one_harness_share_its_time),
        cmocka_unit_test(many_jobs_and_a_week),
        cmocka_unit_test(a_restart_changes_nothing),
        cmocka_unit_test(damaged_bytes_reach_the_behaviour),
        cmocka_unit_test(calls_that_cannot_be_right_are_failures),
        cmocka_unit_test(time_ends_where_vtsim_says),
        cmocka_unit_test(a_job_without_end_is_cut_off),
        cmocka_unit_test(lines_left_out_are_counted),
    };

    return cmocka_run_group_tests_name("harness", tests, NULL, NULL);
}
