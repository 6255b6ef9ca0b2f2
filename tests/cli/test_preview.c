/* SPDX-License-Identifier: MIT
 *
 * vtsimd --preview from outside: pages to the letter, the numbers as JSON and CSV, what it says when it
 * cannot, and that a vtsimd gives the same lives. */
#include <json-c/json.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http.h"
#include "run.h"
#include "vtsimd.h"

#define VTSIMD VTSIM_BUILD_DIR "/bin/vtsimd"
#define BENDER "server/plugin_path=" VTSIM_BUILD_DIR "/tests/plugins"
#define USAGE                                                                                      \
    "usage: vtsimd [-c FILE] [-l ADDR:PORT] [-s 'SECTION/KEY=VALUE']...\n"                         \
    "try: vtsimd --help\n"

#define RUN(result, ...) run_command((const char *const[]){VTSIMD, __VA_ARGS__, NULL}, result)

/* A tenth fails, and each job takes a time of its own. No logarithm is asked, so that the numbers are the
 * same wherever the test runs. */
#define FLAKY                                                                                      \
    "-s", "behaviour flaky/plugin=random_failure", "-s", "behaviour flaky/rate=0.1", "-s",         \
        "behaviour flaky/delay=uniform 5s..15s", "-s", "behaviour flaky/fail_at=anywhere"

static void assert_ended(struct run_result *result, int status, const char *out, const char *err)
{
    if (result->status != status || (out && strcmp(result->out, out) != 0) ||
        (err && strcmp(result->err, err) != 0))
        fail_msg("ended with %d, printed:\n%s\nand complained:\n%s\ninstead of %d:\n%s\nand\n%s",
                 result->status, result->out, result->err, status, out ? out : "(anything)",
                 err ? err : "(anything)");
    run_result_finish(result);
}

static int plain_locale(void **state)
{
    (void)state;
    return setenv("LC_ALL", "C", 1);
}

/* ---- pages ---- */

static const char flaky_page[] =
    "preview of \"flaky\" (plugin random_failure): 40 jobs, seed 1\n"
    "\n"
    "outcomes\n"
    "  completed              38  95.0%  ##########################################\n"
    "  failed                  2   5.0%  ##\n"
    "    \"error\"               2   5.0%  \"the translation failed\"\n"
    "\n"
    "durations           min     p10     p50     p90     p99     max    mean\n"
    "  completed          5s    6.4s   11.2s     14s   14.7s   14.7s   10.5s\n"
    "  failed          999ms   999ms   999ms      5s      5s      5s      3s\n"
    "  all             999ms    5.1s   10.9s     14s   14.7s   14.7s   10.1s\n"
    "\n"
    "histogram of durations\n"
    "  0s to 1s                1   2.5%  ######\n"
    "  1s to 2s                0   0.0%\n"
    "  2s to 3s                0   0.0%\n"
    "  3s to 4s                0   0.0%\n"
    "  4s to 5s                1   2.5%  ######\n"
    "  5s to 6s                3   7.5%  #################\n"
    "  6s to 7s                3   7.5%  #################\n"
    "  7s to 8s                2   5.0%  ###########\n"
    "  8s to 9s                2   5.0%  ###########\n"
    "  9s to 10s               5  12.5%  ############################\n"
    "  10s to 11s              3   7.5%  #################\n"
    "  11s to 12s              8  20.0%  ############################################\n"
    "  12s to 13s              6  15.0%  #################################\n"
    "  13s to 14s              2   5.0%  ###########\n"
    "  14s to 15s              4  10.0%  ######################\n"
    "\n"
    "timelines                        0s                                        14.6s\n"
    "  preview-1   completed   11.2s  -----------------------------------+\n"
    "  preview-2   completed   11.4s  -----------------------------------+\n"
    "  preview-3   completed    7.7s  ------------------------+\n"
    "  preview-4   completed    9.3s  -----------------------------+\n"
    "  preview-5   completed   14.4s  ---------------------------------------------+\n"
    "  preview-6   completed   14.6s  ----------------------------------------------+\n"
    "  preview-7   completed   12.1s  --------------------------------------+\n"
    "  preview-8   completed   12.9s  ----------------------------------------+\n"
    "  preview-11  failed      999ms  ---x\n"
    "  - running  + completed  x failed\n";

static const char steps_page[] =
    "preview of \"s\" (plugin scripted_sequence): 2 jobs, seed 1\n"
    "\n"
    "outcomes\n"
    "  failed                  2 100.0%  ████████████████████████████████████████████\n"
    "    \"error\"               2 100.0%  \"the GPU fell over\"\n"
    "\n"
    "Polls move these jobs: each is polled once a second from its start, 10.0 times\n"
    "on average.\n"
    "\n"
    "durations           min     p10     p50     p90     p99     max    mean\n"
    "  failed          10.5s   10.5s   10.5s   10.5s   10.5s   10.5s   10.5s\n"
    "\n"
    "histogram of durations\n"
    "  10.5s                   2 100.0%  ████████████████████████████████████████████\n"
    "\n"
    "timelines                    0s                                            10.5s\n"
    "  preview-1  failed   10.5s  ░░░░░░░░░░░░░░░░░░░▒▒▒▒▒▒▒▒▒▒▒▒▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓✗\n"
    "  preview-2  failed   10.5s  ░░░░░░░░░░░░░░░░░░░▒▒▒▒▒▒▒▒▒▒▒▒▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓✗\n"
    "  ░▒▓█ running, by its progress  ✗ failed\n";

static const char refused_page[] =
    "preview of \"shut\" (plugin bender): 2 jobs, seed 1\n"
    "\n"
    "outcomes\n"
    "  waits for ever          2 100.0%  ############################################\n"
    "\n"
    "2 of the jobs (100.0%) were refused when first asked for, Retry-After 5s; 4\n"
    "starts were refused in all. A job that is refused with 429 or 5xx is asked for\n"
    "again after Retry-After, or 1s where none is told, 100 times at most.\n"
    "\n"
    "2 of the accepted starts are answered otherwise than usual.\n"
    "\n"
    "No job ended: there are no durations.\n"
    "\n"
    "timelines                            0s                                    37.5s\n"
    "  preview-1  waits for ever          ...........----------=========************>\n"
    "  preview-2  waits for ever          ...........----------=========************>\n"
    "  . not let in yet  -=*# running, by its progress  > goes on\n";

static const char forgotten_page[] =
    "preview of \"f\" (plugin bender): 1 job, seed 1\n"
    "\n"
    "outcomes\n"
    "  failed                  1 100.0%  ############################################\n"
    "    \"behaviour_error\"     1 100.0%\n"
    "      \"plugin bender: hook start left the job with neither an end, a wake nor\n"
    "      vts_wait\"\n"
    "\n"
    "durations           min     p10     p50     p90     p99     max    mean\n"
    "  failed             0s      0s      0s      0s      0s      0s      0s\n"
    "\n"
    "histogram of durations\n"
    "  0s                      1 100.0%  ############################################\n"
    "\n"
    "timelines                    0s                                               1s\n"
    "  preview-1  failed      0s  x\n"
    "  - running  x failed\n";

static void pages(void **state)
{
    struct run_result result;

    (void)state;
    RUN(&result, "--preview", "flaky", "--jobs", "40", FLAKY);
    assert_ended(&result, 0, flaky_page, "");
    RUN(&result, "--preview", "shut", "--jobs", "2", "-s", BENDER, "-s",
        "behaviour shut/plugin=bender", "-s", "behaviour shut/refusals=2", "-s",
        "behaviour shut/refuse=503", "-s", "behaviour shut/retry_after=4500", "-s",
        "behaviour shut/on=start", "-s", "behaviour shut/end=never", "-s",
        "behaviour shut/progress=0.6", "-s", "behaviour shut/progress_over=20s");
    assert_ended(&result, 0, refused_page, "");
    /* What the engine would log for each job is told once, among the errors. */
    RUN(&result, "--preview", "f", "--jobs", "1", "-s", BENDER, "-s", "behaviour f/plugin=bender",
        "-s", "behaviour f/end=forgotten");
    assert_ended(&result, 0, forgotten_page, "");
}

/* Blocks where the locale's characters are UTF-8. */
static void a_page_in_blocks(void **state)
{
    struct run_result result;

    (void)state;
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        skip();
    setlocale(LC_CTYPE, "C");
    setenv("LC_ALL", "C.UTF-8", 1);
    RUN(&result, "--preview", "s", "--jobs", "2", "-s", "behaviour s/plugin=scripted_sequence",
        "-s",
        "behaviour s/script=pending x3, progress 30%, pending for 2.5s, progress 60%, "
        "pending for 4s, progress 90%, error \"the GPU fell over\"");
    assert_ended(&result, 0, steps_page, "");
}

/* A behaviour is one of the INI file first; a plugin has its own name. */
static void which_behaviour(void **state)
{
    struct run_result result;

    (void)state;
    RUN(&result, "--preview", "fixed_delay", "--jobs", "1", "--csv");
    assert_non_null(strstr(result.out, "preview-1,completed,0,10000,10000,,1,0,0\n"));
    assert_ended(&result, 0, NULL, "");
    RUN(&result, "--preview", "fixed_delay", "--jobs", "1", "--csv", "-s",
        "behaviour fixed_delay/delay=3s");
    assert_non_null(strstr(result.out, "preview-1,completed,0,3000,3000,,1,0,0\n"));
    assert_ended(&result, 0, NULL, "");
}

/* No line is longer than the terminal is wide; the bars fill it. */
static void assert_fits(int terminal, size_t columns)
{
    const char *const argv[] = {VTSIMD, "--preview", "flaky", FLAKY, NULL};
    struct run_result result;
    size_t longest = 0;

    run_in_terminal(argv, terminal, &result);
    assert_int_equal(result.status, 0);
    for (char *line = strtok(result.out, "\r\n"); line; line = strtok(NULL, "\r\n"))
        longest = strlen(line) > longest ? strlen(line) : longest;
    assert_int_equal(longest, columns);
    run_result_finish(&result);
}

static void as_wide_as_the_terminal(void **state)
{
    (void)state;
    assert_fits(100, 100);
    assert_fits(72, 72);
    assert_fits(300, 120); /* nobody reads longer lines */
    assert_fits(20, 72);   /* nor is a table any use that was cut */
    /* A terminal that does not know how wide it is. */
    setenv("COLUMNS", "93", 1);
    assert_fits(0, 93);
    assert_fits(100, 100);
    setenv("COLUMNS", "wide", 1);
    assert_fits(0, 80);
    unsetenv("COLUMNS");
}

/* ---- numbers ---- */

static struct json_object *parse(const char *text)
{
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *object;

    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    object = json_tokener_parse_ex(tokener, text, (int)strlen(text) + 1);
    if (!object || json_tokener_get_error(tokener) != json_tokener_success)
        fail_msg("no JSON: %s", text);
    json_tokener_free(tokener);
    return object;
}

/* The member at the end of a path: "outcomes.completed". */
static struct json_object *member(struct json_object *object, const char *path)
{
    char names[100], *name, *rest = names;

    snprintf(names, sizeof(names), "%s", path);
    while ((name = strsep(&rest, ".")))
        if (!json_object_object_get_ex(object, name, &object))
            fail_msg("there is no %s", path);
    return object;
}

static int64_t number(struct json_object *object, const char *path)
{
    struct json_object *value = member(object, path);

    if (!json_object_is_type(value, json_type_int))
        fail_msg("%s is no whole number: %s", path, json_object_to_json_string(value));
    return json_object_get_int64(value);
}

static void numbers_as_json(void **state)
{
    struct json_object *object, *buckets, *error;
    struct run_result result;
    int64_t sum = 0;

    (void)state;
    RUN(&result, "--preview", "flaky", "--json", "--jobs", "40", FLAKY);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.err, "");
    object = parse(result.out);
    /* The same as on the page. */
    assert_string_equal(json_object_get_string(member(object, "behaviour")), "flaky");
    assert_string_equal(json_object_get_string(member(object, "plugin")), "random_failure");
    assert_int_equal(number(object, "seed"), 1);
    assert_int_equal(number(object, "jobs"), 40);
    assert_int_equal(number(object, "outcomes.completed"), 38);
    assert_int_equal(number(object, "outcomes.failed"), 2);
    assert_int_equal(number(object, "outcomes.cancelled"), 0);
    assert_int_equal(number(object, "outcomes.waiting"), 0);
    assert_int_equal(number(object, "outcomes.unfinished"), 0);
    assert_int_equal(number(object, "outcomes.refused"), 0);
    assert_int_equal(json_object_array_length(member(object, "errors")), 1);
    error = json_object_array_get_idx(member(object, "errors"), 0);
    assert_string_equal(json_object_get_string(member(error, "code")), "error");
    assert_int_equal(number(error, "count"), 2);
    assert_string_equal(json_object_get_string(member(error, "first_message")),
                        "the translation failed");
    assert_int_equal(number(object, "durations_ms.count"), 40);
    assert_int_equal(number(object, "durations_ms.min"), 999);
    assert_in_range(number(object, "durations_ms.p50"), 10850, 10949);
    assert_in_range(number(object, "durations_ms.max"), 14650, 14749);
    assert_int_equal(number(object, "durations_ms_by_state.failed.count"), 2);
    assert_null(member(object, "durations_ms_by_state.cancelled"));
    buckets = member(object, "histogram");
    assert_int_equal(json_object_array_length(buckets), 15);
    for (size_t i = 0; i < 15; i++) {
        struct json_object *bucket = json_object_array_get_idx(buckets, i);

        assert_int_equal(number(bucket, "from_ms"), i * 1000);
        assert_int_equal(number(bucket, "to_ms"), (i + 1) * 1000);
        sum += number(bucket, "count");
    }
    assert_int_equal(sum, 40);
    assert_int_equal(number(object, "polls"), 0);
    json_object_put(object);
    run_result_finish(&result);
}

/* What the filters around a behaviour refuse is refused here, too: one start in ten seconds. */
static void refusals_of_a_filter(void **state)
{
    struct run_result result;

    (void)state;
    RUN(&result, "--preview", "b", "--csv", "--jobs", "4", "-s", "behaviour b/plugin=fixed_delay",
        "-s", "behaviour b/delay=1s", "-s", "behaviour b/filter=f", "-s",
        "filter f/plugin=flaky_service", "-s", "filter f/outage_every=0", "-s",
        "filter f/error_rate=0", "-s", "filter f/quota=1", "-s", "filter f/quota_window=10s");
    assert_ended(&result, 0,
                 "id,state,start_ms,end_ms,duration_ms,error_code,progress,polls,refusals\n"
                 "preview-1,completed,0,1000,1000,,1,0,0\n"
                 "preview-2,completed,10000,11000,1000,,1,0,1\n"
                 "preview-3,completed,20000,21000,1000,,1,0,2\n"
                 "preview-4,completed,30000,31000,1000,,1,0,3\n",
                 "");
}

/* Outages, errors, a quota and slowness, each seen for itself. */
#define BAD_DAY                                                                                    \
    "-s", "filter f/plugin=flaky_service", "-s", "filter f/outage_every=40s", "-s",                \
        "filter f/outage_for=10s", "-s", "filter f/outage_as=html", "-s",                          \
        "filter f/error_rate=0.1", "-s", "filter f/slow=time", "-s", "filter f/slow_over=100s",    \
        "-s", "filter f/quota=60", "-s", "filter f/quota_window=10s"

static const char filter_page[] =
    "preview of the filter \"f\" (plugin flaky_service): 100 jobs, seed 1\n"
    "\n"
    "The jobs come 1s apart. One that is refused with 429 or 5xx is asked for\n"
    "again after Retry-After, or 1s; one that is let in is polled 10 times, 1s apart.\n"
    "\n"
    "answers             starts             polls         Retry-After\n"
    "  as usual                7   3.6%        19   1.9%\n"
    "  html 503               42  21.8%        35   3.5%  1s to 10s\n"
    "  late                   93  48.2%       323  32.3%\n"
    "  http 503                6   3.1%        39   3.9%\n"
    "  http 429               45  23.3%       584  58.4%  1s to 7s\n"
    "\n"
    "Late by 50ms to 4.7s, half of them by no more than 2.5s.\n"
    "\n"
    "trouble in time     0s                                                     1m49s\n"
    "                    #####---###--###---########--####--###=--########--####-==#*\n"
    "  . all is answered  -=*# more and more of the requests are not\n";

static void a_filter_as_a_page(void **state)
{
    struct run_result result;

    (void)state;
    RUN(&result, "--preview", "f", "--jobs", "100", BAD_DAY);
    assert_ended(&result, 0, filter_page, "");
    /* A plugin on its fallbacks, and one that refuses every poll. */
    RUN(&result, "--preview", "flaky_service", "--jobs", "3", "--every", "0", "--csv");
    assert_ended(&result, 0,
                 "answer,starts,polls,retry_after_least_ms,retry_after_most_ms\n"
                 "as usual,3,27,,\n"
                 "http 503,3,3,30000,30000\n",
                 "");
    RUN(&result, "--preview", "sieve", "--jobs", "1", "-s",
        "server/plugin_path=" VTSIM_BUILD_DIR "/tests/fixtures/load/good");
    assert_ended(
        &result, 0,
        "preview of the filter \"sieve\" (plugin sieve): 1 job, seed 1\n"
        "\n"
        "The jobs come 1s apart. One that is refused with 429 or 5xx is asked for\n"
        "again after Retry-After, or 1s; one that is let in is polled 10 times, 1s apart.\n"
        "\n"
        "answers             starts             polls         Retry-After\n"
        "  as usual                1 100.0%         0   0.0%\n"
        "  http 503                0   0.0%        10 100.0%\n"
        "\n"
        "trouble in time     0s                                                       10s\n"
        "                    .     #     #     #     #     #     #     #     #     #    #\n"
        "  . all is answered  -=*# more and more of the requests are not\n",
        "");
}

static void a_filter_as_json(void **state)
{
    struct json_object *object, *answers, *answer, *late;
    struct run_result result;
    int64_t starts = 0, polls = 0;

    (void)state;
    RUN(&result, "--preview", "f", "--json", "--jobs", "50", "--every", "2s", "--seed", "7",
        BAD_DAY);
    object = json_tokener_parse(result.out);
    assert_string_equal(json_object_get_string(json_object_object_get(object, "filter")), "f");
    assert_int_equal(number(object, "seed"), 7);
    assert_int_equal(number(object, "jobs"), 50);
    assert_int_equal(number(object, "every_ms"), 2000);
    assert_int_equal(number(object, "polls"), 500); /* ten of each job */
    answers = json_object_object_get(object, "answers");
    for (size_t i = 0; i < json_object_array_length(answers); i++) {
        answer = json_object_array_get_idx(answers, i);
        starts += number(answer, "starts");
        polls += number(answer, "polls");
    }
    assert_int_equal(starts, number(object, "starts"));
    assert_int_equal(polls, 500);
    late = json_object_object_get(object, "late_ms");
    assert_in_range(number(late, "max"), 1000, 5000);
    json_object_put(object);
    run_result_finish(&result);
}

static void refusals_as_json(void **state)
{
    struct json_object *object;
    struct run_result result;

    (void)state;
    RUN(&result, "--preview", "b", "--json", "--jobs", "3", "-s", BENDER, "-s",
        "behaviour b/plugin=bender", "-s", "behaviour b/refuse=429", "-s",
        "behaviour b/retry_after=2000");
    assert_int_equal(result.status, 0);
    object = parse(result.out);
    assert_int_equal(number(object, "outcomes.refused"), 3);
    assert_int_equal(number(object, "refusals.jobs"), 3);
    assert_int_equal(number(object, "refusals.starts"), 300);
    assert_int_equal(number(object, "refusals.first_retry_after_least_ms"), 2000);
    assert_int_equal(number(object, "refusals.first_retry_after_most_ms"), 2000);
    assert_null(member(object, "durations_ms"));
    assert_int_equal(json_object_array_length(member(object, "histogram")), 0);
    json_object_put(object);
    run_result_finish(&result);
}

static void numbers_as_csv(void **state)
{
    struct run_result result;

    (void)state;
    RUN(&result, "--preview", "flaky", "--csv", "--jobs", "5", "--seed", "7", FLAKY, "-s",
        "behaviour flaky/rate=0.5");
    assert_ended(&result, 0,
                 "id,state,start_ms,end_ms,duration_ms,error_code,progress,polls,refusals\n"
                 "preview-1,completed,0,9035,9035,,1,0,0\n"
                 "preview-2,failed,0,3265,3265,error,0,0,0\n"
                 "preview-3,completed,0,6735,6735,,1,0,0\n"
                 "preview-4,failed,0,2409,2409,error,0,0,0\n"
                 "preview-5,completed,0,12487,12487,,1,0,0\n",
                 "");
    /* Refused, polled, and a code that has to be quoted. */
    RUN(&result, "--preview", "b", "--csv", "--jobs", "1", "-s", BENDER, "-s",
        "behaviour b/plugin=bender", "-s", "behaviour b/refuse=503", "-s", "behaviour b/refusals=1",
        "-s", "behaviour b/counts=on", "-s", "behaviour b/polls=3");
    assert_ended(&result, 0,
                 "id,state,start_ms,end_ms,duration_ms,error_code,progress,polls,refusals\n"
                 "preview-1,completed,1000,4000,3000,,1,3,1\n",
                 "");
    RUN(&result, "--preview", "b", "--csv", "--jobs", "1", "-s", BENDER, "-s",
        "behaviour b/plugin=bender", "-s", "behaviour b/after=2s", "-s", "behaviour b/end=error",
        "-s", "behaviour b/code='a \"b\", c'", "-s", "behaviour b/progress=0.25");
    assert_ended(&result, 0,
                 "id,state,start_ms,end_ms,duration_ms,error_code,progress,polls,refusals\n"
                 "preview-1,failed,0,2000,2000,\"'a \"\"b\"\", c'\",0.25,0,0\n",
                 "");
    RUN(&result, "--preview", "b", "--csv", "--jobs", "1", "-s", BENDER, "-s",
        "behaviour b/plugin=bender", "-s", "behaviour b/end=never");
    assert_ended(&result, 0,
                 "id,state,start_ms,end_ms,duration_ms,error_code,progress,polls,refusals\n"
                 "preview-1,waiting,0,,,,0,0,0\n",
                 "");
}

/* ---- the seed ---- */

static void where_the_seed_comes_from(void **state)
{
    struct run_result by_option, by_setting, otherwise;

    (void)state;
    RUN(&by_option, "--preview", "flaky", "--csv", "--seed", "7", FLAKY);
    RUN(&by_setting, "--preview", "flaky", "--csv", "-s", "server/seed=7", FLAKY);
    RUN(&otherwise, "--preview", "flaky", "--csv", "--seed", "8", "-s", "server/seed=7", FLAKY);
    assert_string_equal(by_option.out, by_setting.out);
    assert_string_not_equal(by_option.out, otherwise.out);
    run_result_finish(&by_option);
    run_result_finish(&by_setting);
    run_result_finish(&otherwise);
}

#define LIVES 20

/* The milliseconds of its day in "2026-01-01T10:20:30.123Z". */
static int64_t ms_of_day(struct json_object *moment)
{
    int hours, minutes, seconds, ms;

    assert_int_equal(sscanf(json_object_get_string(moment), "%*[^T]T%d:%d:%d.%dZ", &hours, &minutes,
                            &seconds, &ms),
                     4);
    return ((hours * INT64_C(60) + minutes) * 60 + seconds) * 1000 + ms;
}

static void assert_same_end(struct json_object *job, const char *outcome, long long duration)
{
    const int64_t day = INT64_C(86400000);

    assert_string_equal(json_object_get_string(member(job, "state")), outcome);
    assert_int_equal(
        (ms_of_day(member(job, "ended_at")) - ms_of_day(member(job, "started_at")) + day) % day,
        duration);
}

/* Whether a job of a vtsimd has this line of the preview as its life. Waits for its end. */
static void assert_same_life(int port, const char *line)
{
    char id[40], outcome[20], target[80];
    long long duration;
    struct json_object *job;
    struct http_response response;
    int64_t until_ms = run_now_ms() + HTTP_TIMEOUT_MS;
    bool running = true;

    assert_int_equal(sscanf(line, "%39[^,],%19[^,],0,%*d,%lld", id, outcome, &duration), 3);
    snprintf(target, sizeof(target), "/jobs/%s", id);
    while (running && run_now_ms() < until_ms) {
        http_request(port, "GET", target, NULL, &response);
        assert_int_equal(response.status, 200);
        job = parse(response.body);
        running = strcmp(json_object_get_string(member(job, "state")), "running") == 0;
        if (!running)
            assert_same_end(job, outcome, duration);
        json_object_put(job);
        http_response_finish(&response);
    }
    assert_false(running);
}

static void a_vtsimd_gives_the_same_lives(void **state)
{
    static const char *const arguments[] = {"-s", "server/seed=5",
                                            "-s", "server/behaviour=half",
                                            "-s", "behaviour half/plugin=random_failure",
                                            "-s", "behaviour half/rate=0.5",
                                            "-s", "behaviour half/delay=uniform 1ms..20ms",
                                            NULL};
    struct run_result result;
    struct http_response response;
    struct vtsimd vtsimd;
    char body[80], *rest, *line;
    int lives = 0;

    (void)state;
    RUN(&result, "--preview", "half", "--csv", "--jobs", "20", arguments[0], arguments[1],
        arguments[4], arguments[5], arguments[6], arguments[7], arguments[8], arguments[9]);
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.out, ",failed,"));
    assert_non_null(strstr(result.out, ",completed,"));
    vtsimd_start(&vtsimd, arguments);
    for (int i = 1; i <= LIVES; i++) {
        snprintf(body, sizeof(body), "{\"job_id\": \"preview-%d\"}", i);
        http_request(vtsimd.port, "POST", "/start", body, &response);
        assert_int_equal(response.status, 200);
        http_response_finish(&response);
    }
    rest = strchr(result.out, '\n') + 1;
    for (; (line = strsep(&rest, "\n")) && *line; lives++)
        assert_same_life(vtsimd.port, line);
    assert_int_equal(lives, LIVES);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
    run_result_finish(&result);
}

/* ---- what cannot be ---- */

static void no_such_behaviour(void **state)
{
    struct run_result result;

    (void)state;
    RUN(&result, "--preview", "flakey", FLAKY);
    assert_ended(&result, 2, "",
                 "vtsimd: --preview: no section [behaviour flakey], nor a plugin of that name; did "
                 "you mean \"flaky\"?\n");
    /* The nearest of those that are near. */
    RUN(&result, "--preview", "stage2", "-s", "behaviour stage10/plugin=fixed_delay", "-s",
        "behaviour stage22/plugin=fixed_delay");
    assert_ended(&result, 2, "",
                 "vtsimd: --preview: no section [behaviour stage2], nor a plugin of that name; did "
                 "you mean \"stage22\"?\n");
    RUN(&result, "--preview", "xyz");
    assert_ended(&result, 2, "",
                 "vtsimd: --preview: no section [behaviour xyz], nor a plugin of that name in "
                 "" VTSIM_BUILD_DIR "/lib/vtsim/plugins\n");
    RUN(&result, "--preview", "scripted_sequence");
    assert_ended(
        &result, 2, "",
        "vtsimd: --preview: the plugin \"scripted_sequence\" does not run on its defaults "
        "([behaviour scripted_sequence] script: it is required, and not given (TEXT: the "
        "steps of vtsim-script(5), one a line or separated by commas, such as: pending for "
        "5s, http 503 x2, completed)): give it a section [behaviour "
        "scripted_sequence]\n");
    RUN(&result, "--preview", "sieve", "-s",
        "server/plugin_path=" VTSIM_BUILD_DIR "/tests/fixtures/load/good");
    assert_ended(&result, 0, NULL, "");
    RUN(&result, "--preview", "abi_older", "-s",
        "server/plugin_path=" VTSIM_BUILD_DIR "/tests/fixtures/load/bad");
    assert_ended(&result, 2, "",
                 "vtsimd: --preview: abi_older was built for plugin ABI 0, this vtsimd speaks ABI "
                 "1: build it with this vtsim's vtsim/plugin.h\n");
    RUN(&result, "--preview", "./fixed_delay");
    assert_ended(
        &result, 2, "",
        "vtsimd: --preview: \"./fixed_delay\" is a path: give the plugin's name alone, and "
        "its folder in [server] plugin_path\n");
    RUN(&result, "--preview", "b", "-s", "behaviour b/plugin=fixed_delay", "-s",
        "behaviour b/delay=soon");
    assert_ended(&result, 2, "",
                 "-s: [behaviour b] delay: \"soon\" is not a time; write one number and one unit: "
                 "250ms, 10s, 2m, 1h or 1d\n");
}

static void wrong_arguments(void **state)
{
    struct run_result result;

    (void)state;
    RUN(&result, "--preview");
    assert_ended(&result, 2, "", VTSIMD ": option '--preview' requires an argument\n" USAGE);
    RUN(&result, "--preview", "fixed_delay", "--jobs", "0");
    assert_ended(&result, 2, "",
                 "vtsimd: --jobs: \"0\" is not a whole number from 1 to 9223372036854775807\n");
    RUN(&result, "--preview", "fixed_delay", "--jobs", "1k");
    assert_ended(&result, 2, "",
                 "vtsimd: --jobs: \"1k\" is not a whole number from 1 to 9223372036854775807\n");
    RUN(&result, "--preview", "fixed_delay", "--seed", "-1");
    assert_ended(&result, 2, "",
                 "vtsimd: --seed: \"-1\" is not a whole number from 0 to 9223372036854775807\n");
    RUN(&result, "--csv");
    assert_ended(&result, 2, "",
                 "vtsimd: --jobs, --every, --seed, --json and --csv go with --preview\n" USAGE);
    RUN(&result, "--preview", "fixed_delay", "--check");
    assert_ended(&result, 2, "",
                 "vtsimd: --check, --describe, --preview and --vet are asked for one at a "
                 "time\n" USAGE);
}

/* Nobody is told that all went well when nothing was written. */
static void an_output_that_takes_no_more(void **state)
{
    struct run_result result;

    (void)state;
    run_command((const char *const[]){"sh", "-c", "exec \"$0\" --preview fixed_delay >/dev/full",
                                      VTSIMD, NULL},
                &result);
    assert_ended(&result, 2, "",
                 "vtsimd: standard output could not be written: No space left on device\n");
    /* It stops there, instead of at the end of a trillion jobs. */
    run_command(
        (const char *const[]){
            "sh", "-c", "exec \"$0\" --preview fixed_delay --csv --jobs 1000000000000 >/dev/full",
            VTSIMD, NULL},
        &result);
    assert_ended(&result, 2, "",
                 "vtsimd: standard output could not be written: No space left on device\n");
    run_command(
        (const char *const[]){"sh", "-c",
                              "\"$0\" --preview fixed_delay --csv --jobs 1000000000000 | head -n 2",
                              VTSIMD, NULL},
        &result);
    assert_ended(&result, 0,
                 "id,state,start_ms,end_ms,duration_ms,error_code,progress,polls,refusals\n"
                 "preview-1,completed,0,10000,10000,,1,0,0\n",
                 "");
}

/* The log is for whoever asks for it. */
static void the_log(void **state)
{
    struct run_result result;

    (void)state;
    RUN(&result, "--preview", "f", "--jobs", "1", "--csv", "-s", "server/log_level=debug", "-s",
        BENDER, "-s", "behaviour f/plugin=bender", "-s", "behaviour f/end=forgotten");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, " warning f: job preview-1 was failed: plugin bender: "));
    run_result_finish(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(pages, plain_locale),
        cmocka_unit_test_setup(a_page_in_blocks, plain_locale),
        cmocka_unit_test_setup(which_behaviour, plain_locale),
        cmocka_unit_test_setup(as_wide_as_the_terminal, plain_locale),
        cmocka_unit_test_setup(numbers_as_json, plain_locale),
        cmocka_unit_test_setup(refusals_as_json, plain_locale),
        cmocka_unit_test_setup(numbers_as_csv, plain_locale),
        cmocka_unit_test_setup(where_the_seed_comes_from, plain_locale),
        cmocka_unit_test_setup(a_vtsimd_gives_the_same_lives, plain_locale),
        cmocka_unit_test_setup(no_such_behaviour, plain_locale),
        cmocka_unit_test_setup(refusals_of_a_filter, plain_locale),
        cmocka_unit_test_setup(a_filter_as_a_page, plain_locale),
        cmocka_unit_test_setup(a_filter_as_json, plain_locale),
        cmocka_unit_test_setup(wrong_arguments, plain_locale),
        cmocka_unit_test_setup(an_output_that_takes_no_more, plain_locale),
        cmocka_unit_test_setup(the_log, plain_locale),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
