/* SPDX-License-Identifier: MIT
 *
 * `vtsim audit` against a real vtsimd: the table, the sum, JSON, the drawing, and what is wrong; and of figures
 * that no real run has at will, against a scripted server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http.h"
#include "run.h"
#include "scripted.h"
#include "vtsimd.h"

#define VTSIM      VTSIM_BUILD_DIR "/bin/vtsim"
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define HEAD                                                                                       \
    "JOB                  STATE     POLLS USELESS EARLY AFTER-END STARTS CONNS   DELAY     MIN "   \
    " MEDIAN     MAX GROWTH JITTER   COST\n"

/* 19 letters of two bytes each */
#define E4  "\u00e9\u00e9\u00e9\u00e9"
#define E19 E4 E4 E4 E4 "\u00e9\u00e9\u00e9"

static struct vtsimd vtsimd;
static char url[64];

static void request(const char *method, const char *target, const char *body, int status)
{
    struct http_response response;

    http_request(vtsimd.port, method, target, body, &response);
    if (response.status != status)
        fail_msg("%s %s: %d %s", method, target, response.status, response.body);
    http_response_finish(&response);
}

static int start_server(void **state)
{
    static const char *const args[] = {
        "-s", "behaviour long/plugin=fixed_delay",
        "-s", "behaviour long/delay=1h",
        "-s", "behaviour rough/plugin=scripted_sequence",
        "-s", "behaviour rough/script=http 503 x1\npending x1000000\ncompleted",
        "-s", "rule rough/job_id=rough*",
        "-s", "rule rough/behaviour=rough",
        "-s", "server/behaviour=long",
        "-s", "audit/jobs=3",
        NULL};

    (void)state;
    vtsimd_start(&vtsimd, args);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", vtsimd.port);
    request("POST", "/start", "{\"job_id\": \"film-1\"}", 200);
    request("POST", "/start", "{\"job_id\": \"film-1\"}", 409);
    request("GET", "/status?job_id=film-1", NULL, 200);
    request("GET", "/status?job_id=film-1", NULL, 200);
    request("POST", "/start", "{\"job_id\": \"rough 1\"}", 200);
    request("GET", "/status?job_id=rough%201", NULL, 503);
    request("GET", "/status?job_id=rough%201", NULL, 200);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
    return 0;
}

/* Runs `vtsim -u URL audit WORDS...`. */
static void run_audit(const char *const words[], struct run_result *result)
{
    const char *all[16] = {VTSIM, "-u", url, "audit"};

    for (size_t i = 0; words[i]; i++)
        all[4 + i] = words[i];
    run_command(all, result);
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void a_job_is_told_in_a_row(void **state)
{
    struct run_result result;

    (void)state;
    run_audit(WORDS("film-1"), &result);
    assert_int_equal(result.status, 0);
    assert_int_equal(strncmp(result.out, HEAD, strlen(HEAD)), 0);
    assert_contains(
        result.out,
        "\nfilm-1               running       2       2     0         0      2     4       - ");
    run_result_finish(&result);
}

/* Small, large, and at the edges where the decimals change. */
static void figures_keep_their_columns(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "200 OK",
         .body = "{\"jobs\":["
                 "{\"id\":\"a\",\"state\":\"completed\",\"polls\":3,\"detection_delay\":0.00004,"
                 "\"intervals\":{\"min\":0.0049,\"median\":1.5,\"max\":99.9996},"
                 "\"growth\":1.4999,\"jitter\":0.0002668,\"cost\":12345.678},"
                 "{\"id\":\"b\",\"state\":\"failed\",\"polls\":3,\"detection_delay\":99.9994,"
                 "\"intervals\":{\"min\":100,\"median\":3600.4,\"max\":86400},"
                 "\"growth\":999.994,\"jitter\":null,\"cost\":999.996}],"
                 "\"next\":null,\"sum\":{}}"}};
    struct run_result result;
    struct scripted server;

    (void)state;
    scripted_start(&server, steps, 1);
    run_command(WORDS(VTSIM, "-u", server.url, "audit"), &result);
    scripted_stop(&server);
    assert_int_equal(result.status, 0);
    assert_contains(result.out, HEAD
                    "a                    completed     3       0     0         0      1     0  "
                    "0.000s  0.005s  1.500s    100s   1.50   0.00  12346\n"
                    "b                    failed        3       0     0         0      1     0 "
                    "99.999s    100s   3600s  86400s 999.99      -   1000\n"
                    "(all) ");
    run_result_finish(&result);
}

static void all_jobs_are_told_with_a_sum(void **state)
{
    struct run_result result;

    (void)state;
    run_audit(WORDS("*"), &result);
    assert_int_equal(result.status, 0);
    assert_contains(result.out, "film-1 ");
    assert_contains(result.out, "rough 1 ");
    assert_contains(result.out,
                    "\n(all)                              4       3     0         0      "
                    "3     7       - ");
    assert_contains(result.out,
                    "\n\n2 jobs, 0 ended (0 unseen), 0 abandoned; 1 polls with faults; 0 "
                    "starts too early; 0 polls of jobs that are not there\n");
    run_result_finish(&result);
    run_audit(WORDS("rough?1"), &result);
    assert_contains(result.out,
                    "\n\n1 job, 0 ended (0 unseen), 0 abandoned; 1 polls with faults; 0 "
                    "starts too early\n");
    assert_null(strstr(result.out, "film-1"));
    run_result_finish(&result);
}

static void json_is_a_line_for_each_job(void **state)
{
    struct run_result result;

    (void)state;
    run_audit(WORDS("--json"), &result);
    assert_int_equal(result.status, 0);
    assert_contains(result.out, "{\"id\":\"film-1\",\"state\":\"running\",");
    assert_contains(result.out, "}\n{\"id\":\"");
    assert_contains(result.out, "}\n{\"sum\":{\"jobs\":2,");
    run_result_finish(&result);
    run_audit(WORDS("rough 1", "--json"), &result);
    assert_contains(result.out, "\"fault\":\"status 503\"");
    run_result_finish(&result);
}

static void jobs_are_drawn_along_time(void **state)
{
    struct run_result result;

    (void)state;
    run_audit(WORDS("--draw"), &result);
    assert_int_equal(result.status, 0);
    assert_contains(result.out, "\nfilm-1               ");
    assert_contains(result.out, "\nrough 1              ");
    assert_contains(result.out, "\n                     x ");
    assert_contains(result.out, "s status 503\n");
    assert_contains(
        result.out,
        "\n= the job, ] its end, | a poll, ! one that came too early, x one with a fault\n");
    run_result_finish(&result);
    run_audit(WORDS("nothing*", "--draw"), &result);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, "");
    run_result_finish(&result);
}

/* Columns are characters; a name that is too long for the drawing is cut between two. */
static void names_keep_their_columns(void **state)
{
    static const char id[] = "{\"job_id\": \"" E19 "\u00e9\u00e9\"}";
    struct run_result result;

    (void)state;
    request("POST", "/start", id, 200);
    request("POST", "/start", "{\"job_id\": \"\u00e9-wide\"}", 200);
    run_audit(WORDS("--draw"), &result);
    assert_contains(result.out, "\n" E19 "~ ");
    assert_contains(result.out, "\n\u00e9-wide               ");
    run_result_finish(&result);
    run_audit(WORDS("*-wide"), &result);
    assert_contains(result.out, "\n\u00e9-wide               running ");
    run_result_finish(&result);
    request("POST", "/_sim/reset", "{\"jobs\": \"\u00e9*\"}", 200);
}

static void what_is_wrong_is_said(void **state)
{
    static const struct {
        const char *const words[4];
        int status;
        const char *said;
    } wrong[] = {
        {{"nobody"}, 4, "vtsim: there is no job of this id\n"},
        {{"nobody", "--draw"}, 4, "vtsim: there is no job of this id\n"},
        {{"a\x01*"}, 0, ""},
        {{"a", "b"}, 2, "vtsim: audit: \"b\" is too much; try vtsim --help\n"},
        {{"--draw", "--json"},
         2,
         "vtsim: audit: --draw and --json are asked for one at a time; try vtsim --help\n"},
        {{"-t", "1s"},
         2,
         "vtsim: audit: --timeout is for commands that ask for jobs; try vtsim --help\n"},
        {{"-u", "http://127.0.0.1:1"},
         4,
         "vtsim: no answer from http://127.0.0.1:1: is vtsimd running there?\n"},
        {{"-u", "x"},
         4,
         "vtsim: \"x\" is no server's URL; right is such as http://127.0.0.1:5000\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct run_result result;

        run_audit(wrong[i].words, &result);
        if (result.status != wrong[i].status || strcmp(result.err, wrong[i].said) != 0)
            fail_msg("%s: %d %s", wrong[i].words[0], result.status, result.err);
        run_result_finish(&result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_told_in_a_row),
        cmocka_unit_test(figures_keep_their_columns),
        cmocka_unit_test(all_jobs_are_told_with_a_sum),
        cmocka_unit_test(json_is_a_line_for_each_job),
        cmocka_unit_test(jobs_are_drawn_along_time),
        cmocka_unit_test(names_keep_their_columns),
        cmocka_unit_test(what_is_wrong_is_said),
    };

    return cmocka_run_group_tests_name("client_audit", tests, start_server, stop_server);
}
