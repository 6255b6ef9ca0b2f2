/* SPDX-License-Identifier: MIT
 *
 * Tests of tests/harness/fail.c: what expectations accept, the whole text of each that fails, and the three ways
 * in which a failure is told. What ends the process runs in a child. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "moody.h"

static struct failures failed;
static struct vts_harness *harness;
static struct vts_harness_job *job;

/* What was told where no harness is known, as the handler of the file gets it. */
static struct failures placed;

static void take_place(void *arg, const char *file, int line, const char *text)
{
    (void)arg;
    (void)file;
    placed.count++;
    placed.line = line;
    snprintf(placed.text, sizeof(placed.text), "%s", text);
}

static int teardown(void **state)
{
    (void)state;
    vts_harness_destroy(harness);
    harness = NULL;
    return 0;
}

static void begin(const char *settings)
{
    vts_harness_destroy(harness);
    harness = vts_harness_create(moody_LTX_vts_plugin, settings, 1, NULL);
    failures_take(harness, &failed);
    job = vts_harness_start(harness, "a", NULL);
}

/* The call must fail, at its line, with this text behind what it expected. */
#define refused(call, text) (assert_false(call), failed_at(__LINE__, (text)))
static void failed_at(int line, const char *text)
{
    assert_string_equal(failed.text, text);
    assert_int_equal(failed.line, line);
    assert_string_equal(failed.file, __FILE__);
    failed.count = 0;
}

#define AT_4000                                                                                    \
    "it is running 40%; wakes at 10000\n"                                                          \
    "its history, in ms since the beginning, up to now, 4000:\n"                                   \
    "           0  start: running; wakes at 10000\n"

#define AT_10000(end)                                                                              \
    "it is " end "\n"                                                                              \
    "its history, in ms since the beginning, up to now, 10000:\n"                                  \
    "           0  start: running; wakes at 10000\n"                                               \
    "       10000  wake: " end "\n"

static void of_a_job_on_its_way(void **state)
{
    (void)state;
    begin("");
    vts_harness_advance(harness, 4000);
    assert_true(vts_harness_expect_state(job, VTS_RUNNING));
    assert_true(vts_harness_expect_wakes_after(job, 10000));
    assert_true(vts_harness_expect_progress(job, 0.4));
    assert_true(vts_harness_expect_status(job, 200));
    assert_true(vts_harness_expect(job, job->polls == 0));
    assert_int_equal(failed.count, 0);
    refused(vts_harness_expect_state(job, VTS_COMPLETED),
            "job \"a\": expected the state completed, not running\n" AT_4000);
    refused(vts_harness_expect_ended_after(job, 4000),
            "job \"a\": expected an end 4000 ms after its start, and it has not ended\n" AT_4000);
    refused(vts_harness_expect_wakes_after(job, 9000),
            "job \"a\": expected a wake 9000 ms after its start, not 10000 ms\n" AT_4000);
    refused(vts_harness_expect_wakes_after(job, VTS_HARNESS_NEVER),
            "job \"a\": expected no wake, and it asked for one 10000 ms after its start\n" AT_4000);
    refused(vts_harness_expect_progress(job, 0.41),
            "job \"a\": expected a progress of 0.41, not 0.4\n" AT_4000);
    refused(vts_harness_expect_result(job, "{}"),
            "job \"a\": expected to be completed, with the result {}\n" AT_4000);
    refused(vts_harness_expect_result(job, NULL),
            "job \"a\": expected to be completed, with the result none\n" AT_4000);
    refused(vts_harness_expect_error(job, "moody", NULL),
            "job \"a\": expected to be failed, with the error moody\n" AT_4000);
    refused(vts_harness_expect_status(job, 503),
            "job \"a\": expected its client to be told 503, not 200\n" AT_4000);
    refused(vts_harness_expect(job, job->polls > 0),
            "job \"a\": expected job->polls > 0\n" AT_4000);
}

static void of_a_job_that_completed(void **state)
{
    (void)state;
    begin("result = {\"a\": 1, \"b\": [true]}");
    vts_harness_run(harness);
    assert_true(vts_harness_expect_state(job, VTS_COMPLETED));
    assert_true(vts_harness_expect_ended_after(job, 10000));
    assert_true(vts_harness_expect_wakes_after(job, VTS_HARNESS_NEVER));
    assert_true(vts_harness_expect_result(job, "{\"b\":[true],\"a\":1}"));
    assert_int_equal(failed.count, 0);
#define END AT_10000("completed {\"a\": 1, \"b\": [true]}")
    refused(vts_harness_expect_ended_after(job, 9999),
            "job \"a\": expected an end 9999 ms after its start, not 10000 ms\n" END);
    refused(vts_harness_expect_wakes_after(job, 5),
            "job \"a\": expected a wake 5 ms after its start, and it asked for none\n" END);
    refused(vts_harness_expect_result(job, "{\"a\": 2}"),
            "job \"a\": expected the result {\"a\": 2}, not {\"a\": 1, \"b\": [true]}\n" END);
    refused(vts_harness_expect_result(job, NULL),
            "job \"a\": expected the result none, not {\"a\": 1, \"b\": [true]}\n" END);
    refused(vts_harness_expect_result(job, "{a}"),
            "job \"a\": expected the result {a}, which is no JSON itself\n" END);
    begin("");
    vts_harness_run(harness);
    assert_true(vts_harness_expect_result(job, NULL));
    refused(vts_harness_expect_result(job, "null"),
            "job \"a\": expected the result null, not none\n" AT_10000("completed"));
}

static void of_a_job_that_failed(void **state)
{
    (void)state;
    begin("error = no such voice");
    vts_harness_run(harness);
    assert_true(vts_harness_expect_error(job, "moody", NULL));
    assert_true(vts_harness_expect_error(job, "moody", "no such voice"));
    assert_int_equal(failed.count, 0);
    refused(vts_harness_expect_error(job, "error", NULL),
            "job \"a\": expected the error error, not moody\n" AT_10000(
                "failed 100% moody: no such voice"));
    refused(vts_harness_expect_error(job, "moody", "no voice"),
            "job \"a\": expected the message \"no voice\", not \"no such voice\"\n" AT_10000(
                "failed 100% moody: no such voice"));
}

static void of_a_job_whose_start_was_refused(void **state)
{
    (void)state;
    begin("refusals = 1");
    assert_true(vts_harness_expect_state(job, VTS_ASKED));
    refused(vts_harness_expect_state(job, VTS_RUNNING),
            "job \"a\": expected the state running, not asked\n"
            "it is not there\n"
            "its history, in ms since the beginning, up to now, 0:\n"
            "           0  start: not there; answered 429, Retry-After 5000 ms\n");
}

static void a_long_result_is_cut_in_the_history(void **state)
{
    char settings[1000];
    int at = snprintf(settings, sizeof(settings), "result = \"");

    (void)state;
    memset(settings + at, 'x', 500);
    settings[at + 500] = '"';
    settings[at + 501] = '\0';
    begin(settings);
    vts_harness_run(harness);
    assert_non_null(strstr(vts_harness_history(job), "xxx... (502 bytes)\n"));
}

static void of_whatever_is_no_job(void **state)
{
    (void)state;
    begin("");
    assert_true(vts_harness_require(harness, 1 + 1 == 2));
    refused(vts_harness_require(harness, 1 + 1 == 3), "expected 1 + 1 == 3\n");
}

/* ---- how failures are told ---- */

/* What a child printed that ran `function`, and how it ended. */
static int in_a_child(void (*function)(void), char *out, size_t size)
{
    int ends[2], status = 0;
    size_t length = 0;
    ssize_t got;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], 2);
        dup2(ends[1], 1);
        close(ends[0]);
        function();
        _exit(3);
    }
    close(ends[1]);
    while ((got = read(ends[0], out + length, size - length - 1)) > 0)
        length += (size_t)got;
    out[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void of_no_job(void **state)
{
    struct vts_harness_place place = {__FILE__, 0, NULL};
    static const char text[] = "expected a job, and there is none (it is NULL)\n";
    const struct vts_harness_job *none;

    (void)state;
    begin("");
    none = vts_harness_find(harness, "b");
    assert_null(none);
    place.fail = take_place;
    place.line = 7;
    assert_false(vts_harness_expect_at(none, false, "", place));
    assert_false(vts_harness_expect_state_at(none, VTS_COMPLETED, place));
    assert_false(vts_harness_expect_ended_after_at(none, 1, place));
    assert_false(vts_harness_expect_wakes_after_at(none, 1, place));
    assert_false(vts_harness_expect_progress_at(none, 1, place));
    assert_false(vts_harness_expect_result_at(none, NULL, place));
    assert_false(vts_harness_expect_error_at(none, "moody", NULL, place));
    assert_false(vts_harness_expect_status_at(none, 200, place));
    assert_int_equal(placed.count, 8);
    assert_int_equal(placed.line, 7);
    assert_string_equal(placed.text, text);
    assert_null(vts_harness_start(harness, NULL, NULL));
    assert_int_equal(failed.count, 1);
    assert_string_equal(failed.text,
                        "vts_harness_start: \"(NULL)\" is no id: 1 to 255 bytes of UTF-8 "
                        "without control characters are one\n");
    failed.count = 0;
}

static bool plainly_expect_completed(const struct vts_harness_job *seen)
{
    struct vts_harness_place place = {"moon.c", 41, NULL};

    return vts_harness_expect_state_at(seen, VTS_COMPLETED, place);
}

static void fail_without_a_handler(void)
{
    vts_harness_on_failure(harness, NULL, NULL);
    plainly_expect_completed(job);
}

static void without_a_handler_it_is_printed_and_aborts(void **state)
{
    char out[4096];
    int status;

    (void)state;
    begin("");
    vts_harness_advance(harness, 4000);
    status = in_a_child(fail_without_a_handler, out, sizeof(out));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_string_equal(
        out, "moon.c:41: job \"a\": expected the state completed, not running\n" AT_4000);
}

static void cannot_open(void)
{
    struct vts_harness_place place = {"moon.c", 7, NULL};

    vts_harness_create_at(moody_LTX_vts_plugin, "delay = x", 1, NULL, place);
}

static void a_behaviour_that_nobody_asks_about_must_open(void **state)
{
    char out[4096];
    int status = in_a_child(cannot_open, out, sizeof(out));

    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_string_equal(out, "moon.c:7: the behaviour cannot be opened: settings:2: [behaviour "
                             "moody] delay: \"x\" is not a time; write one number and one unit: "
                             "250ms, 10s, 2m, 1h or 1d\n");
}

static void a_cmocka_test(void **state)
{
    (void)state;
    vts_harness_on_failure(harness, NULL, NULL);
    vts_harness_expect_state(job, VTS_COMPLETED);
    printf("not reached\n");
}

static void run_a_cmocka_test(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_cmocka_test)};
    int failures = cmocka_run_group_tests_name("inner", tests, NULL, NULL);

    fflush(NULL);
    _exit(failures == 1 ? 17 : 1);
}

static void with_cmocka_it_fails_the_test(void **state)
{
    char out[8192];
    int status;

    (void)state;
    begin("");
    vts_harness_advance(harness, 4000);
    status = in_a_child(run_a_cmocka_test, out, sizeof(out));
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 17);
    assert_non_null(strstr(out, "job \"a\": expected the state completed, not running\n" AT_4000));
    assert_non_null(strstr(out, "test_expect.c:"));
    assert_non_null(strstr(out, "1 FAILED TEST(S)"));
    assert_null(strstr(out, "not reached"));
}

static void calls_go_to_the_handler_of_who_made_the_harness(void **state)
{
    struct vts_harness_place place = {"moon.c", 9, NULL};
    struct vts_harness *other = vts_harness_create_at(moody_LTX_vts_plugin, NULL, 1, NULL, place);

    (void)state;
    failures_take(other, &failed);
    assert_false(vts_harness_advance(other, -5));
    assert_string_equal(failed.file, "moon.c");
    assert_int_equal(failed.line, 9);
    assert_int_equal(failed.count, 1);
    vts_harness_destroy(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(of_a_job_on_its_way, teardown),
        cmocka_unit_test_teardown(of_a_job_that_completed, teardown),
        cmocka_unit_test_teardown(of_a_job_that_failed, teardown),
        cmocka_unit_test_teardown(of_a_job_whose_start_was_refused, teardown),
        cmocka_unit_test_teardown(of_whatever_is_no_job, teardown),
        cmocka_unit_test_teardown(of_no_job, teardown),
        cmocka_unit_test_teardown(a_long_result_is_cut_in_the_history, teardown),
        cmocka_unit_test_teardown(without_a_handler_it_is_printed_and_aborts, teardown),
        cmocka_unit_test_teardown(a_behaviour_that_nobody_asks_about_must_open, teardown),
        cmocka_unit_test_teardown(with_cmocka_it_fails_the_test, teardown),
        cmocka_unit_test_teardown(calls_go_to_the_handler_of_who_made_the_harness, teardown),
    };

    return cmocka_run_group_tests_name("harness expectations", tests, NULL, NULL);
}
