/* SPDX-License-Identifier: MIT
 *
 * The command `vtsim` as people and scripts see it: what it prints, where, and how it exits; and what
 * the two libraries and the examples look like from outside. */
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"
#include "scripted.h"
#include "vtsimd.h"

#define VTSIM    VTSIM_BUILD_DIR "/bin/vtsim"
#define TRY_HELP "; try vtsim --help\n"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PENDING                                                                                    \
    {                                                                                              \
        .status = "200 OK", .body = "{\"job_id\":\"x\",\"status\":\"pending\"}"                    \
    }
#define COMPLETED                                                                                  \
    {                                                                                              \
        .status = "200 OK", .body = "{\"job_id\":\"x\",\"status\":\"completed\"}"                  \
    }

static struct vtsimd vtsimd;

static int start_server(void **state)
{
    static const char *const args[] = {
        "-s", "behaviour x/plugin=scripted_sequence",
        "-s", "behaviour x/script=pending x2, completed",
        "-s", "behaviour bad/plugin=scripted_sequence",
        "-s", "behaviour bad/script=pending x1, error \"the GPU fell over\"",
        "-s", "behaviour stuck/plugin=scripted_sequence",
        "-s", "behaviour stuck/script=pending x1000000, completed",
        "-s", "behaviour broken/plugin=random_failure",
        "-s", "behaviour broken/rate=1",
        "-s", "behaviour broken/delay=100ms",
        "-s", "rule broken/job_id=bad-e*",
        "-s", "rule broken/behaviour=broken",
        "-s", "behaviour films/plugin=fixed_delay",
        "-s", "behaviour films/delay=200ms",
        "-s", "rule films/job_id=film-*",
        "-s", "rule films/behaviour=films",
        "-s", "rule bad/job_id=bad-*",
        "-s", "rule bad/behaviour=bad",
        "-s", "rule stuck/job_id=stuck-*",
        "-s", "rule stuck/behaviour=stuck",
        "-s", "server/behaviour=x",
        NULL};

    (void)state;
    vtsimd_start(&vtsimd, args);
    return setenv("VTSIM_URL", vtsimd.url, 1);
}

static int stop_server(void **state)
{
    bool early = !vtsimd_running(&vtsimd);
    int status = vtsimd_stop(&vtsimd);

    (void)state;
    if (early || status) {
        char *log = vtsimd_log(&vtsimd);

        fprintf(stderr, "vtsimd ended%s with %d, and logged:\n%s\n", early ? " by itself" : "",
                status, log);
        free(log);
    }
    vtsimd_finish(&vtsimd);
    return early || status; /* 0, or the group fails */
}

/* Runs vtsim with these words: all that it prints, and its exit status, must be as told. NULL: any. */
static void assert_runs(const char *const words[], int status, const char *out, const char *err)
{
    const char *argv[24] = {VTSIM};
    struct run_result result;

    for (size_t i = 0; words[i]; i++)
        argv[i + 1] = words[i];
    run_command(argv, &result);
    if (out)
        assert_string_equal(result.out, out);
    if (err)
        assert_string_equal(result.err, err);
    assert_false(result.timed_out);
    assert_int_equal(result.status, status);
    run_result_finish(&result);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- the example ----------------------------------------------------------------------------- */

static void run_prints_what_the_original_example_printed(void **state)
{
    (void)state;
    assert_runs(WORDS("run", "translate_video_1", "-i", "2ms"), 0,
                "Job translate_video_1 is still pending...\n"
                "Job translate_video_1 is still pending...\n"
                "Final status: completed\n",
                "");
    assert_runs(WORDS("run", "bad-1", "-i", "2ms"), 1,
                "Job bad-1 is still pending...\n"
                "Final status: error\n",
                "vtsim: job \"bad-1\" failed: error: the GPU fell over\n");
}

static void each_command_does_what_it_says(void **state)
{
    (void)state;
    assert_runs(WORDS("start", "one"), 0, "Job one started\n", "");
    assert_runs(WORDS("status", "one"), 0, "Job one: pending\n", "");
    assert_runs(WORDS("wait", "one", "--interval", "2ms"), 0,
                "Job one is still pending...\nFinal status: completed\n", "");
    assert_runs(WORDS("status", "one"), 0, "Job one: completed\n", "");
    assert_runs(WORDS("start", "stuck-one"), 0, "Job stuck-one started\n", "");
    assert_runs(WORDS("cancel", "stuck-one"), 0, "Job stuck-one is cancelled\n", "");
    assert_runs(WORDS("status", "stuck-one"), 1, "Job stuck-one: error\n", "");
    assert_runs(WORDS("list", "--state", "cancelled"), 0, "cancelled    0%  stuck-one\n", "");
    assert_runs(WORDS("list", "--state", "queued"), 0, "", "");
}

static void a_job_that_failed_says_why(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "200 OK", .headers = "Vtsim-Features: progress\r\n", .body = "{}"},
        {.status = "200 OK",
         .body = "{\"id\":\"x\",\"status\":\"error\",\"state\":\"failed\","
                 "\"error\":{\"code\":\"g\\u001b[2Jpu\",\"message\":\"it\\nfell\"}}"},
        {.status = "200 OK",
         .body = "{\"id\":\"x\",\"status\":\"error\",\"error\":{\"code\":\"gpu\"}}"},
        {.status = "200 OK",
         .body = "{\"id\":\"x\",\"status\":\"error\",\"error\":{\"message\":\"it fell\"}}"}};
    struct scripted server;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    assert_runs(WORDS("-u", server.url, "run", "x", "-i", "1ms"), 1, "Final status: error\n",
                "vtsim: job \"x\" failed: g\\x1B[2Jpu: it\\x0Afell\n");
    assert_runs(WORDS("-u", server.url, "wait", "x"), 1, "Final status: error\n",
                "vtsim: job \"x\" failed: gpu\n");
    assert_runs(WORDS("-u", server.url, "wait", "x"), 1, "Final status: error\n",
                "vtsim: job \"x\" failed: it fell\n");
    scripted_stop(&server);
    assert_runs(WORDS("run", "mad-1", "-i", "1ms", "--option", "script=pending x1, cancelled"), 1,
                "Job mad-1 is still pending...\nFinal status: error\n",
                "vtsim: job \"mad-1\" was cancelled\n");
}

/* The first answer comes by the original API, which does not tell: to ask once more would be a poll behind the
 * end. */
static void no_poll_is_spent_on_the_reason(void **state)
{
    static const struct scripted_step ended[] = {
        {.status = "200 OK",
         .headers = "Vtsim-Features: batch, progress\r\n",
         .body = "{\"job_id\":\"x\",\"status\":\"error\"}"}};
    struct scripted server;

    (void)state;
    scripted_start(&server, ended, COUNT(ended));
    assert_runs(WORDS("-u", server.url, "wait", "x"), 1, "Final status: error\n", "");
    assert_int_equal(server.requests, 1);
    assert_runs(WORDS("-u", server.url, "status", "x"), 1, "Job x: error\n", "");
    assert_int_equal(server.requests, 2);
    scripted_stop(&server);
}

static void errors_say_what_to_do(void **state)
{
    (void)state;
    assert_runs(WORDS("start", "twice"), 0, NULL, "");
    assert_runs(WORDS("start", "twice"), 4, "",
                "vtsim: a job \"twice\" exists already; to wait for it: vtsim wait twice\n");
    assert_runs(WORDS("run", "twice"), 4, "",
                "vtsim: a job \"twice\" exists already; to wait for it: vtsim wait twice\n");
    assert_runs(WORDS("wait", "nobody"), 4, "",
                "vtsim: the server knows no job \"nobody\"; to start it: vtsim start nobody\n");
    assert_runs(WORDS("status", "nobody"), 4, "",
                "vtsim: the server knows no job \"nobody\"; to start it: vtsim start nobody\n");
    assert_runs(WORDS("cancel", "nobody"), 4, "",
                "vtsim: the server knows no job \"nobody\"; to see which there are: vtsim list\n");
    assert_runs(WORDS("run", "stuck-late", "-t", "1s", "-i", "1h"), 3, NULL,
                "vtsim: the --timeout of 1s passed; job \"stuck-late\" was pending when last "
                "seen; to go on waiting: vtsim wait stuck-late\n");
    assert_runs(WORDS("wait", "stuck-late", "--timeout=0.5s", "-i", "1h"), 3,
                NULL, /* when the last look comes: test_client_time.c */
                "vtsim: the --timeout of 0.5s passed; job \"stuck-late\" was pending when last "
                "seen; to go on waiting: vtsim wait stuck-late\n");
}

static void a_list_without_end_stops_at_the_timeout(void **state)
{
    static const struct scripted_step stalled[] = {{.end = SCRIPTED_STALL}};
    static const struct scripted_step endless[] = {
        {.status = "200 OK", .body = "{\"jobs\":[],\"next\":\"2\"}"}};
    static const char *const message = "vtsim: the --timeout of 500ms passed before the list was "
                                       "complete; a longer one may help\n";
    struct scripted server;

    (void)state;
    scripted_start(&server, stalled, COUNT(stalled));
    assert_runs(WORDS("-u", server.url, "list", "-t", "500ms"), 3, "", message);
    scripted_stop(&server);
    scripted_start(&server, endless, COUNT(endless)); /* each page comes in time */
    assert_runs(WORDS("-u", server.url, "list", "-t", "500ms"), 3, "", message);
    scripted_stop(&server);
}

/* Runs vtsim as told, takes what its message suggests behind the last ": ", and gives that to a shell
 * whose vtsim prints its words, one in each line. */
static void assert_suggests(const char *const words[], const char *expected)
{
    const char *argv[24] = {VTSIM};
    struct run_result result, again;
    char script[1024];
    char *at, *hint;

    for (size_t i = 0; words[i]; i++)
        argv[i + 1] = words[i];
    run_command(argv, &result);
    assert_int_equal(result.status, 4);
    hint = strstr(result.err, ": vtsim ");
    assert_non_null(hint);
    while ((at = strstr(hint + 1, ": vtsim ")))
        hint = at;
    snprintf(script, sizeof(script), "vtsim() { printf '%%s\\n' \"$@\"; }\n%s", hint + 2);
    run_command(WORDS("sh", "-c", script), &again);
    assert_string_equal(again.err, "");
    assert_string_equal(again.out, expected);
    run_result_finish(&result);
    run_result_finish(&again);
}

static void suggestions_can_be_pasted(void **state)
{
    char expected[200], url[80];

    (void)state;
    assert_runs(WORDS("start", "--", "-1"), 0, NULL, "");
    assert_runs(WORDS("start", "--", "-1"), 4, "",
                "vtsim: a job \"-1\" exists already; to wait for it: vtsim wait -- -1\n");
    assert_runs(WORDS("status", "a b"), 4, "",
                "vtsim: the server knows no job \"a b\"; to start it: vtsim start 'a b'\n");
    assert_runs(WORDS("status", "it's"), 4, "",
                "vtsim: the server knows no job \"it's\"; to start it: vtsim start 'it'\\''s'\n");
    assert_suggests(WORDS("status", "--", "-a 'b' \"$(c)\" `d` \\ *;&|<>#~!"),
                    "start\n--\n-a 'b' \"$(c)\" `d` \\ *;&|<>#~!\n");
    assert_suggests(WORDS("status", "~"), "start\n~\n");
    assert_suggests(WORDS("status", "\xc3\xa9t\xc3\xa9"), "start\n\xc3\xa9t\xc3\xa9\n");
    snprintf(expected, sizeof(expected), "-u\n%s\nstart\nnobody\n", vtsimd.url);
    assert_suggests(WORDS("status", "nobody", "-u", vtsimd.url), expected);
    snprintf(url, sizeof(url), "%s/", vtsimd.url);
    snprintf(expected, sizeof(expected), "-u\n%s\nlist\n", url);
    assert_suggests(WORDS("--url", url, "cancel", "nobody"), expected);
}

static void nobody_there_ends_at_once(void **state)
{
    char url[64], message[200];
    int port = scripted_dead_port();

    (void)state;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
    snprintf(
        message, sizeof(message),
        "vtsim: cannot connect to 127.0.0.1:%d: Connection refused; is vtsimd running there?\n",
        port);
    assert_runs(WORDS("-u", url, "run", "x"), 4, "", message);
    assert_runs(WORDS("-u", url, "wait", "x"), 4, "", message);
    assert_runs(WORDS("list", "-u", url), 4, "", message);
}

static void a_connection_that_broke_is_no_wrong_url(void **state)
{
    static const struct scripted_step steps[] = {
        {.end = SCRIPTED_RESET}, /* the first poll of a wait: it goes on */
        COMPLETED,
        {.end = SCRIPTED_RESET}, /* a start, which may have been one, and was */
        {.status = "409 Conflict", .body = "{}"},
        COMPLETED,
        {.end = SCRIPTED_RESET}, /* a start that is not repeated */
        {.end = SCRIPTED_RESET}};
    struct scripted server;
    struct run_result result;
    char message[300];

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    run_command(WORDS(VTSIM, "-u", server.url, "wait", "x", "--jitter", "0%"), &result);
    snprintf(message, sizeof(message),
             "vtsim: the connection to 127.0.0.1:%d broke before the answer to GET /status was "
             "complete; trying again in 0.2 s\n",
             server.port);
    assert_string_equal(result.err, message);
    assert_string_equal(result.out, "Final status: completed\n");
    assert_int_equal(result.status, 0);
    run_result_finish(&result);
    snprintf(message, sizeof(message),
             "vtsim: the connection to 127.0.0.1:%d broke before the answer to POST /start was "
             "complete; trying again in 0.2 s\n",
             server.port);
    assert_runs(WORDS("-u", server.url, "run", "x", "-i", "1ms", "--jitter=0"), 0,
                "Final status: completed\n", message);
    snprintf(message, sizeof(message),
             "vtsim: the connection to 127.0.0.1:%d broke before the answer to POST /start was "
             "complete; to see whether it was started: vtsim -u %s status x\n",
             server.port, server.url);
    assert_runs(WORDS("-u", server.url, "run", "x", "--max-errors", "1"), 4, "", message);
    snprintf(message, sizeof(message),
             "vtsim: the connection to 127.0.0.1:%d broke before the answer to GET /jobs was "
             "complete\n",
             server.port);
    assert_runs(WORDS("-u", server.url, "list"), 4, "", message);
    scripted_stop(&server);
}

static void a_bad_server_is_told_from_a_lost_one(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "200 OK", .body = "{\"job_id\":\"x\"}"},        /* start */
        {.status = "503 Busy", .body = "{\"error\":\"not now\"}"}, /* poll, tried again */
        COMPLETED,
        {.status = "429 Slow down", .body = "{\"error\":\"full\"}"}, /* start, refused */
        {.status = "503 Full",
         .headers = "Retry-After: 7\r\n",
         .body = "{\"error\":\"too many jobs\"}"}, /* run, refused */
        {.status = "200 OK", .body = "<html>"},    /* status */
        {.status = "200 OK", .body = "{\"job_id\":\"\\u001b[2Jy\",\"status\":\"pending\"}"}};
    struct scripted server;
    struct run_result result;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    run_command(WORDS(VTSIM, "-u", server.url, "run", "x", "-i", "1ms", "--jitter", "0%"), &result);
    assert_string_equal(result.err, "vtsim: the server failed with status 503: not now; trying "
                                    "again in 0.2 s\n");
    assert_string_equal(result.out, "Final status: completed\n");
    assert_int_equal(result.status, 0);
    run_result_finish(&result);
    assert_runs(WORDS("-u", server.url, "start", "x"), 4, "",
                "vtsim: the server refused POST /start with status 429: full\n");
    assert_runs(WORDS("-u", server.url, "run", "x"), 4, "",
                "vtsim: the server refused POST /start with status 503: too many jobs (the server "
                "says: try again in 7 s)\n");
    assert_runs(WORDS("-u", server.url, "status", "x"), 4, "",
                "vtsim: the answer to GET /status is not a JSON object; does -u lead to a "
                "video-translation service?\n");
    assert_runs(WORDS("-u", server.url, "status", "x"), 4, "",
                "vtsim: the answer to GET /status speaks of another job: \"\\u001b[2Jy\" instead "
                "of \"x\"; does -u lead to a video-translation service?\n");
    scripted_stop(&server);
}

static void what_a_server_says_cannot_steer_the_terminal(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "200 OK",
         .body = "{\"jobs\":[],\"next\":\"2\"}"}, /* an empty page, and yet not the last */
        {.status = "200 OK",
         .body = "{\"jobs\":[{\"id\":\"a\\u001b[2Jb\\nc\",\"status\":\"pending\","
                 "\"state\":\"run\\u0007\",\"progress\":0.5}],\"next\":null}"}};
    struct scripted server;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    assert_runs(WORDS("-u", server.url, "list"), 0, "run\\x07     50%  a\\x1B[2Jb\\x0Ac\n", "");
    scripted_stop(&server);
    assert_non_null(strstr(server.request[1], "GET /jobs?after=2 HTTP/1.1\r\n"));
}

/* ---- behaviours and options -------------------------------------------------------------------- */

static void a_start_chooses_the_behaviour(void **state)
{
    struct run_result result;
    char line[64];

    (void)state;
    assert_runs(WORDS("start", "own-1", "--behaviour", "scripted_sequence", "--option",
                      "script=http 503 x2, completed"),
                0, "Job own-1 started\n", "");
    assert_runs(
        WORDS("wait", "own-1", "--jitter", "0%"), 0, "Final status: completed\n",
        "vtsim: the server failed with status 503: the behaviour \"scripted_sequence\" answers "
        "503; trying again in 0.2 s\n"
        "vtsim: the server failed with status 503: the behaviour \"scripted_sequence\" answers "
        "503; trying again in 0.5 s\n");
    /* of a section of the INI file, and of several jobs */
    assert_runs(WORDS("run", "own-2", "-i", "2ms", "--option=script=pending x1\nerror \"a = b\""),
                1, "Job own-2 is still pending...\nFinal status: error\n",
                "vtsim: job \"own-2\" failed: error: a = b\n");
    run_command(WORDS(VTSIM, "run", "own-3", "own-4", "-i", "2ms", "--behaviour", "random_failure",
                      "--option", "rate=1", "--option", "delay=0s"),
                &result);
    assert_int_equal(result.status, 1);
    for (int i = 3; i <= 4; i++) {
        snprintf(line, sizeof(line), "vtsim: job \"own-%d\" failed: error: ", i);
        assert_non_null(strstr(result.err, line));
    }
    run_result_finish(&result);
    assert_runs(WORDS("status", "own-4"), 1, "Job own-4: error\n", "");
    assert_runs(WORDS("start", "own-1", "--behaviour", "x"), 4, "",
                "vtsim: a job \"own-1\" exists already; to wait for it: vtsim wait own-1\n");
}

static void a_wrong_behaviour_or_option_is_explained(void **state)
{
    struct run_result result;

    (void)state;
    assert_runs(WORDS("start", "own-5", "--behaviour", "fixed_delay", "--option", "dealy=1s"), 4,
                "",
                "vtsim: the server refused POST /jobs with status 400: options: [behaviour "
                "fixed_delay] dealy: unknown key; did you mean \"delay\"?\n");
    assert_runs(WORDS("run", "own-5", "--behaviour", "fixed_delay", "--option", "delay=1"), 4, "",
                "vtsim: the server refused POST /jobs with status 400: options: [behaviour "
                "fixed_delay] delay: \"1\" has no unit; write 1ms, 1s or 1m\n");
    run_command(WORDS(VTSIM, "start", "own-5", "--behaviour", "nix"), &result);
    assert_int_equal(result.status, 4);
    assert_non_null(strstr(result.err, "no section [behaviour nix], nor a plugin of that name"));
    run_result_finish(&result);
    run_command(WORDS(VTSIM, "start", "own-5", "--behaviour", "scripted_sequence", "--option",
                      "script=http 503 x2, complted"),
                &result);
    assert_int_equal(result.status, 4);
    assert_ptr_equal(strstr(result.err, "vtsim: the server refused with status 400, and says:\n"
                                        "options: [behaviour scripted_sequence] script: "
                                        "\"complted\" is not a step; did you "
                                        "mean \"completed\"?"),
                     result.err);
    assert_non_null(strstr(result.err, "(at line 1, column 14 of the value)\n"
                                       "    http 503 x2, complted\n"
                                       "                 ^\n"));
    run_result_finish(&result);
    assert_runs(WORDS("status", "own-5"), 4, "",
                "vtsim: the server knows no job \"own-5\"; to start it: vtsim start own-5\n");
}

static void another_server_is_not_trusted_with_options(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "404 Not Found", .body = "<html>"},
        {.status = "400 Bad Request", .body = "{\"error\":\"unknown \\u001b[2J\\nmember\"}"},
        {.status = "201 Created", .body = "{\"id\":\"x\"}"}};
    struct scripted server;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    assert_runs(WORDS("-u", server.url, "start", "x", "--behaviour", "slow"), 4, "",
                "vtsim: the server refused POST /jobs with status 404; --behaviour and --option "
                "need a vtsimd: does -u lead to one?\n");
    assert_runs(WORDS("-u", server.url, "run", "x", "--option", "a=b"), 4, "",
                "vtsim: the server refused with status 400, and says:\n"
                "unknown \\x1B[2J\nmember\n");
    assert_runs(WORDS("-u", server.url, "start", "x", "--option", "a=b"), 4, "",
                "vtsim: job \"x\" was started, by a server that does not say that it takes a "
                "behaviour or settings for one job: it may be another job than was asked for; does "
                "-u lead to a video-translation service?\n");
    scripted_stop(&server);
    assert_ptr_equal(strstr(server.request[0], "POST /jobs HTTP/1.1\r\n"), server.request[0]);
    assert_non_null(strstr(server.request[0], "\r\n\r\n{\"id\":\"x\",\"behaviour\":\"slow\"}"));
    assert_non_null(strstr(server.request[1], "\r\n\r\n{\"id\":\"x\",\"options\":{\"a\":\"b\"}}"));
}

/* ---- several jobs, and going on --------------------------------------------------------------- */

static void several_jobs_are_followed_at_once(void **state)
{
    struct run_result result;

    (void)state;
    assert_runs(WORDS("run", "many-1", "bad-many", "many-2", "-i", "2ms"), 1, NULL,
                "vtsim: job \"bad-many\" failed: error: the GPU fell over\n");
    run_command(WORDS(VTSIM, "wait", "many-1", "bad-many", "many-2", "nobody"), &result);
    assert_int_equal(result.status, 4); /* the worst of them */
    assert_non_null(strstr(result.out, "Job many-1: completed\n"));
    assert_non_null(strstr(result.out, "Job bad-many: error\n"));
    assert_non_null(strstr(result.out, "Job many-2: completed\n"));
    assert_string_equal(result.err, "vtsim: the server knows no job \"nobody\"; to start it: vtsim "
                                    "start nobody\n");
    run_result_finish(&result);
    run_command(WORDS(VTSIM, "--json", "wait", "many-1", "many-2"), &result);
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.out, "\"job_id\":\"many-1\""));
    assert_non_null(strstr(result.out, "\"job_id\":\"many-2\""));
    run_result_finish(&result);
    assert_runs(WORDS("run", "many-3", "a\nb"), 2, "",
                "vtsim: the job id \"a\\x0Ab\" is not UTF-8 or has a control character (byte 2)\n");
}

/* Of one job nobody has to be told which it is: a_start_chooses_the_behaviour. */
static void of_several_jobs_trouble_says_whose_it_is(void **state)
{
    static const char refused[] = "the server refused POST /jobs with status 503: the behaviour "
                                  "\"scripted_sequence\" refuses to start this job\n";
    static const char again[] = "the server failed with status 503: the behaviour "
                                "\"scripted_sequence\" answers 503; trying again in ";
    struct run_result result;
    char line[512];

    (void)state;
    run_command(WORDS(VTSIM, "run", "whose-1", "whose-2", "--behaviour", "scripted_sequence",
                      "--option", "script=start: http 503\ncompleted"),
                &result);
    assert_int_equal(result.status, 4);
    for (int i = 1; i <= 2; i++) {
        snprintf(line, sizeof(line), "vtsim: job \"whose-%d\": %s", i, refused);
        if (!strstr(result.err, line))
            fail_msg("%s is missing in: %s", line, result.err);
    }
    run_result_finish(&result);
    run_command(WORDS(VTSIM, "run", "whose-3", "whose-4", "-i", "2ms", "--behaviour",
                      "scripted_sequence", "--option", "script=http 503, completed"),
                &result);
    assert_int_equal(result.status, 0);
    snprintf(line, sizeof(line), "vtsim: job \"whose-3\": %s", again);
    if (!strstr(result.err, line))
        fail_msg("%s is missing in: %s", line, result.err);
    run_result_finish(&result);
}

static void a_trace_says_what_happens_and_why(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "200 OK", .headers = "Retry-After: 1\r\n", .body = "{}"},
        {.status = "503 Busy", .headers = "Retry-After: 1\r\n", .body = ""},
        COMPLETED};
    static const char *const expected[] = {
        "  x: POST /start: now\n",
        "  x: answered after 0.",
        "  x: waits 1.000 s: Retry-After (the plan says 0.020 s)\n",
        "  x: GET /status: Retry-After\n",
        " s: the server failed with status 503\n",
        "  x: waits 1.000 s: Retry-After\n",
        "  x: ends: the job has ended\n"};
    struct scripted server;
    struct run_result result;
    const char *at;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    run_command(
        WORDS(VTSIM, "-u", server.url, "run", "x", "--trace", "--backoff", "fixed 20ms jitter 0%"),
        &result);
    scripted_stop(&server);
    assert_string_equal(result.out, "Final status: completed\n");
    at = result.err;
    for (size_t i = 0; i < COUNT(expected); i++) {
        /* the first wait of a plan is drawn */
        const char *found =
            strstr(at, i == 2 ? "  x: waits 1.000 s: Retry-After (the plan says 0.0" : expected[i]);

        if (!found)
            fail_msg("%s is missing in: %s", expected[i], result.err);
        at = found;
    }
    run_result_finish(&result);
}

static void ctrl_c_says_how_to_go_on(void **state)
{
    struct run_result result;
    char script[512], url[100];
    const char *hint;

    (void)state;
    snprintf(script, sizeof(script),
             "d=$(mktemp -d); " VTSIM " run stuck-c1 stuck-c2 -i 2ms "
             ">$d/out 2>$d/err & pid=$!; until grep -q c2 $d/out; do :; "
             "done 2>/dev/null; kill -INT $pid; wait $pid; echo $?; cat "
             "$d/err; rm -r $d");
    run_command(WORDS("sh", "-c", script), &result);
    assert_ptr_equal(strstr(result.out, "130\nvtsim: job \"stuck-c1\" is left as it is; to go on "
                                        "waiting: vtsim resume vtsim1:"),
                     result.out);
    hint = strstr(result.out, "vtsim: job \"stuck-c2\" is left as it is; to go on waiting: vtsim ");
    assert_non_null(hint);
    hint = strstr(hint, "resume vtsim1:");
    assert_non_null(hint);
    snprintf(url, sizeof(url), "%.*s", (int)strcspn(hint + 7, "\n"), hint + 7);
    assert_runs(
        WORDS("resume", url, "-t", "200ms", "-i", "1h"), 3, NULL,
        "vtsim: the --timeout of 200ms passed; job \"stuck-c2\" was pending when last seen; "
        "to go on waiting: vtsim wait stuck-c2\n");
    run_result_finish(&result);
    assert_runs(WORDS("resume", "film"), 2, "",
                "vtsim: the token is none of this library's; right is vtsim1:...\n");
}

static void a_timeout_may_cancel(void **state)
{
    (void)state;
    assert_runs(WORDS("run", "stuck-t", "-t", "500ms", "--on-timeout", "cancel", "-i", "1h"), 3,
                NULL,
                "vtsim: the --timeout of 500ms passed; job \"stuck-t\" was pending when last seen; "
                "it was asked to stop; to go on waiting: vtsim wait stuck-t\n");
    assert_runs(WORDS("status", "stuck-t"), 1, "Job stuck-t: error\n", "");
    assert_runs(WORDS("run", "stuck-u", "-t", "300ms", "--on-timeout=leave", "-i", "1h"), 3, NULL,
                NULL);
    assert_runs(WORDS("status", "stuck-u"), 0, "Job stuck-u: pending\n", "");
}

static void a_list_can_be_watched(void **state)
{
    struct run_result result;

    (void)state;
    assert_runs(WORDS("start", "stuck-w"), 0, NULL, "");
    run_command(WORDS(VTSIM, "list", "--watch", "--state", "running", "-t", "300ms"), &result);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.err, "");
    assert_non_null(strstr(result.out, "running      0%  stuck-w\n"));
    run_result_finish(&result);
}

/* ---- for machines ---------------------------------------------------------------------------- */

static void assert_json(const char *const words[], int status, const char *member,
                        const char *expected)
{
    const char *argv[24] = {VTSIM, "--json"};
    struct json_object *tree, *value = NULL;
    struct run_result result;

    for (size_t i = 0; words[i]; i++)
        argv[i + 2] = words[i];
    run_command(argv, &result);
    assert_string_equal(result.err, "");
    assert_int_equal(result.status, status);
    tree = json_tokener_parse(result.out);
    assert_non_null(tree);
    assert_true(json_object_object_get_ex(tree, member, &value));
    assert_string_equal(json_object_get_string(value), expected);
    /* one object, one line */
    assert_ptr_equal(strchr(result.out, '\n'), result.out + result.out_length - 1);
    json_object_put(tree);
    run_result_finish(&result);
}

static void json_is_for_machines(void **state)
{
    (void)state;
    assert_json(WORDS("start", "j\"1"), 0, "job_id", "j\"1");
    assert_json(WORDS("status", "j\"1"), 0, "status", "pending");
    assert_json(WORDS("wait", "j\"1", "-i", "1ms"), 0, "status", "completed");
    assert_json(WORDS("run", "bad-j", "-i", "1ms"), 1, "error",
                "{ \"code\": \"error\", \"message\": \"the GPU fell over\" }");
    assert_json(WORDS("start", "stuck-j"), 0, "job_id", "stuck-j");
    assert_json(WORDS("cancel", "stuck-j"), 0, "state", "cancelled");
}

static void json_tells_of_errors_too(void **state)
{
    static const struct scripted_step broken[] = {{.end = SCRIPTED_RESET}};
    static const struct scripted_step lists[] = {{.status = "500 Oops", .body = ""}};
    struct scripted server;
    struct run_result result;
    char line[300], *token;

    (void)state;
    assert_runs(WORDS("start", "stuck-k"), 0, NULL, "");
    run_command(WORDS(VTSIM, "--json", "wait", "stuck-k", "-t", "500ms", "-i", "1h"), &result);
    assert_int_equal(result.status, 3);
    assert_string_equal(result.err,
                        "vtsim: the --timeout of 500ms passed; job \"stuck-k\" was pending when "
                        "last seen; to go on waiting: vtsim wait stuck-k\n");
    token = strstr(result.out, ",\"token\":\"vtsim1:-:");
    assert_non_null(token);
    assert_string_equal(strstr(token, "::"), "::stuck-k\"}\n");
    *token = '\0';
    assert_string_equal(result.out,
                        "{\"job_id\":\"stuck-k\",\"status\":\"pending\",\"error\":{\"code\":"
                        "\"timeout\",\"message\":\"the --timeout of 500ms passed; job "
                        "\\\"stuck-k\\\" was pending when last seen\"}");
    run_result_finish(&result);
    assert_runs(WORDS("--json", "status", "no\"\\body"), 4,
                "{\"job_id\":\"no\\\"\\\\body\",\"error\":{\"code\":\"unknown_job\",\"message\":"
                "\"the server knows no job \\\"no\\\"\\\\body\\\"\"}}\n",
                NULL);
    assert_runs(WORDS("--json", "run", "stuck-k"), 4,
                "{\"job_id\":\"stuck-k\",\"error\":{\"code\":\"exists\",\"message\":\"a job "
                "\\\"stuck-k\\\" exists already\"}}\n",
                NULL);
    assert_runs(WORDS("--json", "run", ""), 2, "", NULL);
    scripted_start(&server, broken, COUNT(broken));
    snprintf(line, sizeof(line),
             "{\"job_id\":\"x\",\"error\":{\"code\":\"unreachable\",\"message\":\"the connection "
             "to 127.0.0.1:%d broke before the answer to DELETE /jobs/{id} was complete\"}}\n",
             server.port);
    assert_runs(WORDS("--json", "-u", server.url, "cancel", "x"), 4, line, NULL);
    scripted_stop(&server);
    scripted_start(&server, lists, COUNT(lists));
    assert_runs(WORDS("--json", "-u", server.url, "list"), 4, "",
                "vtsim: the server failed with status 500\n");
    scripted_stop(&server);
}

static void a_json_list_is_one_object_a_line(void **state)
{
    struct run_result result;
    char *line, *next;
    int found = 0;

    (void)state;
    assert_runs(WORDS("start", "listed-1"), 0, NULL, "");
    assert_runs(WORDS("start", "listed-2"), 0, NULL, "");
    run_command(WORDS(VTSIM, "list", "--json"), &result);
    assert_int_equal(result.status, 0);
    for (line = result.out; *line; line = next) {
        struct json_object *tree, *id = NULL;

        next = strchr(line, '\n');
        assert_non_null(next);
        *next++ = '\0';
        tree = json_tokener_parse(line);
        assert_true(json_object_object_get_ex(tree, "id", &id));
        found += strncmp(json_object_get_string(id), "listed-", 7) == 0;
        json_object_put(tree);
    }
    assert_int_equal(found, 2);
    run_result_finish(&result);
}

/* ---- the command line ------------------------------------------------------------------------ */

static void options_stand_anywhere(void **state)
{
    (void)state;
    assert_runs(WORDS("-i", "2ms", "run", "any-1", "--max-interval=5ms", "--factor", "2x"), 0, NULL,
                "");
    assert_runs(WORDS("run", "-i2ms", "any-2", "--jitter=0"), 0, NULL, "");
    assert_runs(WORDS("start", "--", "-any-3"), 0, "Job -any-3 started\n", "");
    assert_runs(WORDS("status", "--url", "http://127.0.0.1:1", "any-1", "-u", vtsimd.url), 0,
                "Job any-1: completed\n", "");
}

static const struct {
    const char *words[6];
    const char *message;
} usage_errors[] = {
    {{NULL},
     "no command; right are start, status, wait, run, resume, list, cancel, "
     "audit, clock, new-behaviour"},
    {{"go"},
     "unknown command \"go\"; right are start, status, wait, run, resume, list, cancel, "
     "audit, clock, new-behaviour"},
    {{"go\x1b[2J"},
     "unknown command \"go\\x1B[2J\"; right are start, status, wait, run, resume, list, "
     "cancel, audit, clock, new-behaviour"},
    {{"run"}, "run: which job? right is vtsim run ID..."},
    {{"start", "a", "b"}, "start: \"b\" is too much"},
    {{"resume"}, "resume: which token? right is vtsim resume TOKEN..."},
    {{"list", "a"}, "list: \"a\" is too much"},
    {{"start", "--factor", "2", "a"}, "start: --factor is for wait, run and resume"},
    {{"list", "-i", "2s"}, "list: --interval is for wait, run and resume"},
    {{"--max-interval", "2s", "status", "a"}, "status: --max-interval is for wait, run and resume"},
    {{"cancel", "a", "--jitter=1"}, "cancel: --jitter is for wait, run and resume"},
    {{"list", "--max-errors=1"}, "list: --max-errors is for start, wait, run and resume"},
    {{"run", "a", "--state", "failed"}, "run: --state is for list"},
    {{"run", "a", "--watch"}, "run: --watch is for list"},
    {{"status", "a", "--trace"}, "status: --trace is for start, wait, run and resume"},
    {{"start", "a", "--backoff=learn"}, "start: --backoff is for wait, run and resume"},
    {{"run", "a", "--on-timeout", "stop"}, "--on-timeout: \"stop\" is neither leave nor cancel"},
    {{"run", "a", "--long-poll", "2h"}, "--long-poll: 2h is more than 1h"},
    {{"run", "a", "--backoff=learn", "-i1s"},
     "--interval: is part of --backoff, which was given, too"},
    {{"wait", "a", "--behaviour", "x"}, "wait: --behaviour is for start and run"},
    {{"status", "a", "--option", "x=1"}, "status: --option is for start and run"},
    {{"start", "a", "--option", "delay"},
     "--option: \"delay\" has no =; right is KEY=VALUE, such as delay=2s"},
    {{"start", "a", "--option", "=2s"},
     "--option: \"=2s\" has no key before the =; right is KEY=VALUE, such as delay=2s"},
    {{"run", "a", "--option=a=1", "--option=b=2", "--option=a=3"},
     "--option: a is given twice: \"1\" and \"3\""},
    {{"run", "a", "--behaviour=x", "--behaviour=y"},
     "--behaviour: is given twice: \"x\" and \"y\""},
    {{"run", "a", "--behaviour", ""},
     "--behaviour: is empty; right is a name, such as scripted_sequence"},
    {{"run", "a", "--clock", "sun"}, "--clock: \"sun\" is neither server nor real"},
    {{"run", "a", "--clock-name", "me"}, "--clock-url and --clock-name are for --clock server"},
    {{"run", "a", "--clock=real", "--clock-url=x"},
     "--clock-url and --clock-name are for --clock server"},
    {{"run", "a", "--clock=server", "--clock-url=x"},
     "--clock server: the URL \"x\": does not begin with http://; right is "
     "http://HOST[:PORT][/PATH]"},
    {{"status", "a", "--clock", "server"},
     "status: --clock is for start, wait, run, resume and list"},
    {{"run", "a", "--seed", "0"}, "--seed: \"0\" is not a whole number from 1 on"},
    {{"list", "--state", "lost"},
     "--state: \"lost\" is none; right are queued, running, completed, failed, cancelled"},
    {{"run", "a", "--bogus"}, "unknown option --bogus"},
    {{"run", "a", "-z"}, "unknown option -z"},
    {{"run", "a", "-jz"}, "unknown option -j"},
    {{"run", "a", "--json=1"}, "--json=1: takes no value"},
    {{"run", "a", "--timeout"}, "--timeout: needs a value"},
    {{"run", "a", "-t"}, "-t: needs a value"},
    {{"run", "a", "-t", "10"},
     "--timeout: \"10\" is not a time; right is a number and a unit, such as 250ms, 10s, 2m, "
     "1h, 1d"},
    {{"run", "a", "-t", "-5s"},
     "--timeout: \"-5s\" is not a time; right is a number and a unit, such as 250ms, 10s, 2m, "
     "1h, 1d"},
    {{"run", "a", "-t", "1.2.3s"},
     "--timeout: \"1.2.3s\" is not a time; right is a number and a unit, such as 250ms, 10s, "
     "2m, 1h, 1d"},
    {{"run", "a", "-t", "0s"}, "--timeout: 0s is not within 1ms to 36500d"},
    {{"run", "a", "-t", "99999999999999999999d"},
     "--timeout: 99999999999999999999d is not within 1ms to 36500d"},
    {{"run", "a", "-i", "2d"}, "--interval: 2d is not within 1ms to 1d"},
    {{"run", "a", "--max-interval", "25h"}, "--max-interval: 25h is not within 1ms to 1d"},
    {{"run", "a", "--request-timeout", "1.5d"}, "--request-timeout: 1.5d is not within 1ms to 1d"},
    {{"run", "a", "--factor", "0"}, "--factor: 0 is not within 1 to 100"},
    {{"run", "a", "--factor", "100.5x"}, "--factor: 100.5x is not within 1 to 100"},
    {{"run", "a", "--factor", "fast"}, "--factor: \"fast\" is not a number"},
    {{"run", "a", "--jitter", "101%"}, "--jitter: 101% is not within 0% to 100%"},
    {{"run", "a", "--max-errors", "0"}, "--max-errors: \"0\" is not a whole number from 1 on"},
    {{"run", "a", "--max-errors", "3x"}, "--max-errors: \"3x\" is not a whole number from 1 on"},
    {{"run", "a", "--max-interval", "1ms"}, "--max-interval: is below --interval"},
};

static void usage_errors_help(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(usage_errors); i++) {
        char message[512];

        snprintf(message, sizeof(message), "vtsim: %s" TRY_HELP, usage_errors[i].message);
        assert_runs(usage_errors[i].words, 2, "", message);
    }
}

static void errors_that_the_library_finds_help(void **state)
{
    (void)state;
    assert_runs(WORDS("run", "a\nb"), 2, "",
                "vtsim: the job id \"a\\x0Ab\" is not UTF-8 or has a control character (byte 2)\n");
    assert_runs(WORDS("run", ""), 2, "", "vtsim: a job id has 1 to 255 bytes, this one has 0\n");
    assert_runs(WORDS("list", "-u", "http://127.0.0.1:99999"), 2, "",
                "vtsim: the URL \"http://127.0.0.1:99999\": the port is beyond 65535; right is "
                "http://HOST[:PORT][/PATH]\n");
    assert_runs(WORDS("run", "a", "-u", "localhost"), 2, "",
                "vtsim: the URL \"localhost\": does not begin with http://; right is "
                "http://HOST[:PORT][/PATH]\n");
}

static void near_words_are_named(void **state)
{
    static const struct {
        const char *words[4];
        const char *message;
    } cases[] = {
        {{"run", "a", "--behavior", "x"}, "unknown option --behavior; did you mean --behaviour?"},
        {{"run", "a", "--behavior=\x1b"},
         "unknown option --behavior=\\x1B; did you mean --behaviour?"},
        {{"list", "--jsno"}, "unknown option --jsno; did you mean --json?"},
        {{"run", "a", "--interval-max=1s"}, "unknown option --interval-max=1s; try vtsim --help"},
        {{"statsu", "a"}, "unknown command \"statsu\"; did you mean \"status\"?"},
        {{"new-behavior", "a"},
         "unknown command \"new-behavior\"; did you mean \"new-behaviour\"?"},
        {{"watch"}, "unknown command \"watch\"; did you mean \"list --watch\"?"},
        {{"wacth"}, "unknown command \"wacth\"; did you mean \"list --watch\"?"},
        {{"stop", "a"}, "unknown command \"stop\"; did you mean \"cancel\"?"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char message[512];

        snprintf(message, sizeof(message), "vtsim: %s\n", cases[i].message);
        assert_runs(cases[i].words, 2, "", message);
    }
}

static void a_backoff_that_cannot_be_read_is_shown(void **state)
{
    struct run_result result;

    (void)state;
    run_command(WORDS(VTSIM, "run", "a", "--backoff", "fixd 1s"), &result);
    assert_int_equal(result.status, 2);
    assert_ptr_equal(strstr(result.err, "vtsim: --backoff: column 1: "), result.err);
    run_result_finish(&result);
}

static void help_and_version_go_to_standard_output(void **state)
{
    struct run_result result;

    (void)state;
    assert_runs(WORDS("--version"), 0, NULL, "");
    run_command(WORDS(VTSIM, "--help"), &result);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.err, "");
    assert_ptr_equal(strstr(result.out, "usage: vtsim"), result.out);
    run_result_finish(&result);
}

static void a_full_disk_is_noticed(void **state)
{
    struct run_result result;

    (void)state;
    run_command(WORDS("sh", "-c", VTSIM " --help > /dev/full"), &result);
    assert_int_equal(result.status, 4);
    assert_string_equal(result.err, "vtsim: standard output could not be written\n");
    run_result_finish(&result);
}

/* Runs a command whose standard output is a pipe that nobody reads any more, and prints its exit
 * status. (Opened for both, a fifo waits for nobody.) */
#define WITHOUT_READER(command)                                                                    \
    "d=$(mktemp -d) && mkfifo $d/f && exec 3<>$d/f 4>$d/f 3<&- && rm -r $d; " command              \
    " >&4; echo $?"

static void a_reader_that_left_ends_it_silently(void **state)
{
    static const char *const scripts[] = {
        WITHOUT_READER(VTSIM " --help"),
        WITHOUT_READER(VTSIM " list --json"),
        WITHOUT_READER(VTSIM " list"),
        WITHOUT_READER(VTSIM " status left-1"),
        WITHOUT_READER(VTSIM " start left-2"),
        WITHOUT_READER("timeout -s KILL 20 " VTSIM " wait stuck-left"), /* does not go on */
        "trap '' PIPE; " WITHOUT_READER(VTSIM " list"),
    };
    struct run_result result;

    (void)state;
    assert_runs(WORDS("start", "left-1"), 0, NULL, "");
    assert_runs(WORDS("start", "stuck-left"), 0, NULL, "");
    for (size_t i = 0; i < COUNT(scripts); i++) {
        run_command(WORDS("sh", "-c", scripts[i]), &result);
        assert_string_equal(result.err, "");
        assert_string_equal(result.out, "141\n"); /* SIGPIPE */
        run_result_finish(&result);
    }
}

/* The man page tells of every option that the help tells of. */
static void the_man_page_is_complete(void **state)
{
    struct run_result help, page;
    const char *at;
    int options = 0;

    (void)state;
    run_command(WORDS(VTSIM, "--help"), &help);
    run_command(WORDS("cat", VTSIM_SOURCE_DIR "/client/cli/vtsim.1"), &page);
    for (at = strstr(help.out, "--"); at; at = strstr(at + 2, "--")) {
        size_t length = strspn(at + 2, "abcdefghijklmnopqrstuvwxyz-");
        char option[64];

        if (!length)
            continue; /* "--" itself */
        snprintf(option, sizeof(option), "Fl -%.*s", (int)length, at + 2);
        if (!strstr(page.out, option))
            fail_msg("vtsim.1 does not tell of --%.*s", (int)length, at + 2);
        options++;
    }
    assert_true(options >= 12);
    run_result_finish(&help);
    run_result_finish(&page);
}

/* ---- on a terminal --------------------------------------------------------------------------- */

static void a_terminal_gets_one_line_that_is_rewritten(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "200 OK", .body = "{}"},
        {.status = "200 OK", .body = "{\"status\":\"pending\",\"progress\":0.4}"},
        {.status = "503 Busy", .body = ""},
        {.status = "200 OK", .body = "{\"status\":\"completed\"}"}};
    struct scripted server;
    struct run_result result;
    const char *last;

    (void)state;
    setenv("TERM", "xterm", 1);
    scripted_start(&server, steps, COUNT(steps));
    run_in_terminal(WORDS(VTSIM, "-u", server.url, "run", "film", "-i", "200ms"), 100, &result);
    scripted_stop(&server);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.err, "");
    assert_ptr_equal(strstr(result.out, "\rfilm: pending, 0:00 elapsed, asking\033[K"), result.out);
    assert_non_null(strstr(result.out, "\rfilm: pending 40%, 0:0"));
    assert_non_null(strstr(result.out, " elapsed, next poll in 0."));
    assert_non_null(strstr(result.out, " s, the server failed with status 503\033[K"));
    assert_null(strstr(result.out, "still pending"));
    /* the one end of line is that of the last line (a terminal writes it as \r\n) */
    last = strchr(result.out, '\n');
    assert_ptr_equal(last, result.out + result.out_length - 1);
    assert_non_null(strstr(result.out, "\r\033[KFinal status: completed\r\n"));
    run_result_finish(&result);
}

static void a_narrow_terminal_is_not_overrun(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "200 OK", .body = "{}"},
        {.status = "200 OK", .body = "{\"status\":\"pending\"}"},
        {.status = "200 OK", .body = "{\"status\":\"completed\"}"}};
    struct scripted server;
    struct run_result result;

    (void)state;
    setenv("TERM", "xterm", 1);
    scripted_start(&server, steps, COUNT(steps));
    run_in_terminal(WORDS(VTSIM, "-u", server.url, "run",
                          "a-rather-long-name-\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", "-i", "50ms"),
                    30, &result);
    scripted_stop(&server);
    assert_int_equal(result.status, 0);
    for (const char *line = result.out; (line = strchr(line, '\r')); line++) {
        size_t length = strcspn(line + 1, "\r\033");

        assert_true(length < 30);
    }
    run_result_finish(&result);
}

/* The reason of a failed poll is what people need to read: the rest makes room for it. */
static void a_terminal_shows_the_reason(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "200 OK", .body = "{}"},
        {.status = "503 Busy", .body = "{\"error\":\"the film store is being repaired\"}"},
        {.status = "200 OK", .body = "{\"status\":\"completed\"}"}};
    static const struct {
        int columns;
        const char *start, *end;
    } cases[] = {
        {200, "\ra-name-that-is-longer-than-anybody-would-like: pending, 0:0",
         " s, the server failed with status 503: the film store is being repaired\033[K"},
        {110,
         "\ra-name-that-is-longer...: the server failed with status 503: the film store is "
         "being repaired, again in 0.",
         " s\033[K"},
        {80,
         "\ra-name-...: the server failed with status 503: the film store is being repaired\033[K",
         ""},
    };

    (void)state;
    setenv("TERM", "xterm", 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct scripted server;
        struct run_result result;
        const char *line;

        scripted_start(&server, steps, COUNT(steps));
        run_in_terminal(WORDS(VTSIM, "-u", server.url, "run",
                              "a-name-that-is-longer-than-anybody-would-like", "-i", "10ms"),
                        cases[i].columns, &result);
        scripted_stop(&server);
        assert_int_equal(result.status, 0);
        line = strstr(result.out, cases[i].start);
        if (!line || !strstr(line, cases[i].end))
            fail_msg("%d columns: %s", cases[i].columns, result.out);
        for (line = result.out; (line = strchr(line, '\r')); line++)
            assert_true(strcspn(line + 1, "\r\033") < (size_t)cases[i].columns);
        run_result_finish(&result);
    }
}

static void a_terminal_shows_a_line_for_each_job(void **state)
{
    struct run_result result;

    (void)state;
    setenv("TERM", "xterm", 1);
    run_in_terminal(WORDS(VTSIM, "run", "lines-1", "lines-2", "stuck-l", "-i", "150ms", "-t", "2s"),
                    100, &result);
    assert_int_equal(result.status, 3);
    /* three lines, then up again and three lines over them */
    assert_ptr_equal(strstr(result.out, "\rlines-1: pending, 0:00 elapsed, asking\033[K\r\n"
                                        "lines-2: pending, 0:00 elapsed, asking\033[K\r\n"
                                        "stuck-l: pending, 0:00 elapsed, asking\033[K\033[2A\r"),
                     result.out);
    assert_non_null(strstr(result.out, "\033[2A\r\033[JJob lines-"));
    assert_non_null(strstr(result.out, "Job lines-1: completed\r\n"));
    assert_non_null(strstr(result.out, "Job lines-2: completed\r\n"));
    assert_null(strstr(result.out, "still pending"));
    run_result_finish(&result);
}

static void a_dumb_terminal_gets_lines(void **state)
{
    static const struct scripted_step steps[] = {PENDING, COMPLETED};
    struct scripted server;
    struct run_result result;

    (void)state;
    setenv("TERM", "dumb", 1);
    scripted_start(&server, steps, COUNT(steps));
    run_in_terminal(WORDS(VTSIM, "-u", server.url, "wait", "x", "-i", "1ms"), 80, &result);
    scripted_stop(&server);
    assert_string_equal(result.out, "Job x is still pending...\r\nFinal status: completed\r\n");
    run_result_finish(&result);
}

/* ---- libraries and examples ------------------------------------------------------------------ */

static void assert_only_public_names(const char *const argv[])
{
    struct run_result result;
    char *line, *next;
    int names = 0;

    run_command(argv, &result);
    assert_int_equal(result.status, 0);
    for (line = result.out; *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = '\0';
        if (!*line || line[strlen(line) - 1] == ':') /* the archive's member */
            continue;
        /* the sanitizers bring a few of their own */
        if (strncmp(line, "vts_client_", 11) != 0 && !strstr(line, "san"))
            fail_msg("%s is exported", line);
        names++;
    }
    assert_true(names >= 19);
    run_result_finish(&result);
}

static void libraries_export_public_names_alone(void **state)
{
    (void)state;
    assert_only_public_names(WORDS("nm", "-D", "--defined-only", "-g", "--format=just-symbols",
                                   VTSIM_BUILD_DIR "/lib/libvtsim-client.so"));
    assert_only_public_names(WORDS("nm", "--defined-only", "-g", "--format=just-symbols",
                                   VTSIM_BUILD_DIR "/lib/libvtsim-client.a"));
}

#define EXAMPLE(name) VTSIM_BUILD_DIR "/examples/example_" name

/* Names that the page tells of together. */
static bool is_an_operation(const char *name)
{
    static const char *const names[] = {"start",  "status", "wait", "run",
                                        "resume", "cancel", "list", "watch"};
    size_t length = strcspn(name, "_");

    for (size_t i = 0; i < COUNT(names); i++) {
        if (strlen(names[i]) == length && strncmp(name, names[i], length) == 0)
            return !name[length] || strcmp(name + length, "_sync") == 0;
    }
    return false;
}

/* Every function of the library has its line in vtsim-client(3). */
static void the_library_page_is_complete(void **state)
{
    struct run_result symbols, page;
    int told = 0;

    (void)state;
    run_command(WORDS("nm", "-D", "--defined-only", "-g", "--format=just-symbols",
                      VTSIM_BUILD_DIR "/lib/libvtsim-client.so"),
                &symbols);
    run_command(WORDS("cat", VTSIM_SOURCE_DIR "/client/vtsim-client.3"), &page);
    for (char *name = strtok(symbols.out, "\n"); name; name = strtok(NULL, "\n")) {
        char line[128];

        if (strncmp(name, "vts_client_", 11) != 0 || is_an_operation(name + 11))
            continue;
        snprintf(line, sizeof(line), ".Fn %s ", name);
        if (!strstr(page.out, line))
            fail_msg("vtsim-client.3 does not tell of %s", name);
        told++;
    }
    assert_true(told >= 20);
    run_result_finish(&symbols);
    run_result_finish(&page);
}

static void examples_run(void **state)
{
    struct run_result result;

    (void)state;
    run_command(WORDS(EXAMPLE("blocking"), "bad-example"), &result);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, "error\n");
    run_result_finish(&result);
    run_command(WORDS(EXAMPLE("thousand"), vtsimd.url, "1000"), &result);
    assert_string_equal(result.err, "");
    assert_int_equal(result.status, 0);
    assert_ptr_equal(strstr(result.out, "1000 completed, 0 in error, 0 lost\n"), result.out);
    assert_non_null(strstr(result.out, " connections\n"));
    run_result_finish(&result);
    run_command(WORDS(EXAMPLE("in_a_loop"), vtsimd.url, "bad-e1", "bad-e2"), &result);
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.out, "bad-e1: error\n"));
    assert_non_null(strstr(result.out, "bad-e2: error\n"));
    assert_non_null(strstr(result.out, "ticked all the while: yes\n"));
    run_result_finish(&result);
    run_command(WORDS(EXAMPLE("virtual_time")), &result);
    assert_int_equal(result.status, 0);
    assert_ptr_equal(strstr(result.out, "ten minutes, "), result.out);
    run_result_finish(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_prints_what_the_original_example_printed),
        cmocka_unit_test(each_command_does_what_it_says),
        cmocka_unit_test(a_job_that_failed_says_why),
        cmocka_unit_test(no_poll_is_spent_on_the_reason),
        cmocka_unit_test(errors_say_what_to_do),
        cmocka_unit_test(a_list_without_end_stops_at_the_timeout),
        cmocka_unit_test(suggestions_can_be_pasted),
        cmocka_unit_test(nobody_there_ends_at_once),
        cmocka_unit_test(a_connection_that_broke_is_no_wrong_url),
        cmocka_unit_test(a_bad_server_is_told_from_a_lost_one),
        cmocka_unit_test(what_a_server_says_cannot_steer_the_terminal),
        cmocka_unit_test(a_start_chooses_the_behaviour),
        cmocka_unit_test(a_wrong_behaviour_or_option_is_explained),
        cmocka_unit_test(another_server_is_not_trusted_with_options),
        cmocka_unit_test(several_jobs_are_followed_at_once),
        cmocka_unit_test(of_several_jobs_trouble_says_whose_it_is),
        cmocka_unit_test(a_trace_says_what_happens_and_why),
        cmocka_unit_test(ctrl_c_says_how_to_go_on),
        cmocka_unit_test(a_timeout_may_cancel),
        cmocka_unit_test(a_list_can_be_watched),
        cmocka_unit_test(json_is_for_machines),
        cmocka_unit_test(json_tells_of_errors_too),
        cmocka_unit_test(a_json_list_is_one_object_a_line),
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(usage_errors_help),
        cmocka_unit_test(errors_that_the_library_finds_help),
        cmocka_unit_test(near_words_are_named),
        cmocka_unit_test(a_backoff_that_cannot_be_read_is_shown),
        cmocka_unit_test(help_and_version_go_to_standard_output),
        cmocka_unit_test(a_full_disk_is_noticed),
        cmocka_unit_test(a_reader_that_left_ends_it_silently),
        cmocka_unit_test(the_man_page_is_complete),
        cmocka_unit_test(a_terminal_gets_one_line_that_is_rewritten),
        cmocka_unit_test(a_narrow_terminal_is_not_overrun),
        cmocka_unit_test(a_terminal_shows_the_reason),
        cmocka_unit_test(a_terminal_shows_a_line_for_each_job),
        cmocka_unit_test(a_dumb_terminal_gets_lines),
        cmocka_unit_test(libraries_export_public_names_alone),
        cmocka_unit_test(the_library_page_is_complete),
        cmocka_unit_test(examples_run),
    };

    return cmocka_run_group_tests_name("vtsim, the command", tests, start_server, stop_server);
}
