/* SPDX-License-Identifier: MIT
 *
 * Starts that name a behaviour and give options of their own, through a real vtsimd: what they may be, what is
 * wrong with them to the byte, and how long they are there. For the thread sanitizer, too. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "folder.h"
#include "run.h"
#include "server.h"

#define MODULES VTSIM_BUILD_DIR "/tests/fixtures/load/good"

static struct vtsimd vtsimd;

static int setup(void **state)
{
    (void)state;
    memset(&vtsimd, 0, sizeof(vtsimd));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    server_stop(&vtsimd);
    return 0;
}

static void start_usual(void)
{
    server_start(&vtsimd, "-s", "server/plugin_path=" MODULES, "-s", "server/behaviour=slow", "-s",
                 "behaviour slow/plugin=fixed_delay", "-s", "behaviour slow/delay=1h", "-s",
                 "behaviour at once/plugin=fixed_delay", "-s", "behaviour at once/delay=0", NULL);
}

/* A start by each API, whose body has these members beside the id; an `answer` of NULL: it is accepted. */
static void start_both(const char *members, int status, const char *answer)
{
    static int number;
    char body[1024], target[64];

    number++;
    snprintf(body, sizeof(body), "{\"job_id\": \"o-%d\", %s}", number, members);
    ask(&vtsimd, "POST", "/start", body, answer ? status : 200, answer);
    snprintf(target, sizeof(target), "/jobs/o-%d", number);
    ask(&vtsimd, "GET", target, NULL, answer ? 404 : 200, NULL); /* no job is started */
    snprintf(body, sizeof(body), "{\"id\": \"p-%d\", %s}", number, members);
    ask(&vtsimd, "POST", "/jobs", body, answer ? status : 201, answer);
    snprintf(target, sizeof(target), "/jobs/p-%d", number);
    ask(&vtsimd, "GET", target, NULL, answer ? 404 : 200, NULL);
}

static void refused(const char *members, const char *message)
{
    char answer[2048];

    snprintf(answer, sizeof(answer), "{\"error\": \"%s\"}", message);
    start_both(members, 400, answer);
}

static void accepted(const char *members) { start_both(members, 0, NULL); }

static void assert_state(const char *id, const char *state)
{
    char target[64];
    struct json_object *job;

    snprintf(target, sizeof(target), "/jobs/%s", id);
    job = ask_json(&vtsimd, "GET", target, NULL, 200);
    assert_string_equal(member_text(job, "state"), state);
    json_object_put(job);
}

static void assert_member(const char *id, const char *name, const char *wanted)
{
    char target[64];
    struct json_object *job;

    snprintf(target, sizeof(target), "/jobs/%s", id);
    job = ask_json(&vtsimd, "GET", target, NULL, 200);
    assert_string_equal(member_text(job, name), wanted);
    json_object_put(job);
}

/* ---- what there may be ---- */

static void a_test_needs_no_configuration(void **state)
{
    static const char *const told[] = {"pending", "pending", "completed", "completed"};
    static const char *const none[] = {NULL};
    char answer[64];

    (void)state;
    vtsimd_start(&vtsimd, none);
    ask(&vtsimd, "POST", "/start",
        "{\"job_id\": \"a\", \"behaviour\": \"scripted_sequence\", "
        "\"options\": {\"script\": \"pending x2, completed\"}}",
        200, "{\"message\": \"Job started\", \"job_id\": \"a\"}");
    for (size_t i = 0; i < 4; i++) {
        snprintf(answer, sizeof(answer), "{\"job_id\": \"a\", \"status\": \"%s\"}", told[i]);
        ask(&vtsimd, "GET", "/status?job_id=a", NULL, 200, answer);
    }
}

static void options_are_laid_over_what_there_is(void **state)
{
    (void)state;
    start_usual();
    ask(&vtsimd, "POST", "/jobs", "{\"id\": \"usual\", \"options\": {\"delay\": \"0\"}}", 201,
        NULL);
    assert_state("usual", "completed");
    assert_member("usual", "behaviour", "slow");
    /* what is not given stays as the section has it, and others have what they had */
    ask(&vtsimd, "POST", "/jobs",
        "{\"id\": \"part\", \"behaviour\": \"at once\", \"options\": {\"progress\": true}}", 201,
        NULL);
    assert_state("part", "completed");
    ask(&vtsimd, "POST", "/jobs", "{\"id\": \"plain\"}", 201, NULL);
    assert_state("plain", "running");
    /* a plugin by its name begins with its fallbacks, though a section has others */
    ask(&vtsimd, "POST", "/jobs",
        "{\"id\": \"named\", \"behaviour\": \"fixed_delay\", \"options\": {}}", 201, NULL);
    assert_member("named", "behaviour", "fixed_delay");
    /* one that does not run on them gets what it needs */
    ask(&vtsimd, "POST", "/jobs",
        "{\"id\": \"needs\", \"behaviour\": \"required\", \"options\": {\"delay\": \"1h\"}}", 201,
        NULL);
    assert_member("needs", "behaviour", "required");
    accepted("\"behaviour\": \"slow\"");
}

static void values_of_every_kind(void **state)
{
    (void)state;
    start_usual();
    accepted("\"behaviour\": \"settings\", \"options\": {\"number\": 5}");
    accepted("\"behaviour\": \"settings\", \"options\": {\"number\": \"5\", \"words\": 12.5}");
    accepted("\"behaviour\": \"settings\", \"options\": {\"lines\": [\"one\", \"two = 2\"]}");
    accepted("\"behaviour\": \"settings\", \"options\": {\"lines\": [], \"words\": \"\"}");
    accepted("\"behaviour\": \"settings\", \"options\": {\"lines\": \"one\\n  two\", "
             "\"words\": \"a / b = c ; d\"}");
    accepted("\"behaviour\": \"slow\", \"options\": {\"progress\": false}");
}

/* ---- what is wrong ---- */

static void behaviours_that_are_wrong(void **state)
{
    char message[1024];

    (void)state;
    start_usual();
    refused("\"behaviour\": \"slwo\"",
            "no section [behaviour slwo], nor a plugin of that name; did "
            "you mean \\\"slow\\\"?");
    snprintf(message, sizeof(message),
             "no section [behaviour nothing_like_it], nor a plugin of that name in %s, %s", MODULES,
             VTSIM_BUILD_DIR "/lib/vtsim/plugins");
    refused("\"behaviour\": \"nothing_like_it\", \"options\": {\"delay\": \"1s\"}", message);
    refused("\"behaviour\": \"sieve\"", "\\\"sieve\\\" is a filter, not a behaviour");
    refused("\"behaviour\": \"sieve\", \"options\": {\"delay\": \"1s\"}",
            "\\\"sieve\\\" is a filter, not a behaviour");
    refused("\"behaviour\": 7", "behaviour is not a string");
    refused("\"behaviour\": null", "behaviour is not a string");
    refused("\"behaviour\": \"slow\\u0000\"", "behaviour is a name that holds \\\\u0000");
    refused(
        "\"behaviour\": \"required\"",
        "the plugin \\\"required\\\" does not run on its defaults ([behaviour required] delay: it "
        "is required, and not given (TIME: how long it takes)): give it a section [behaviour "
        "required]");
    refused("\"behaviour\": \"required\", \"options\": {}",
            "[behaviour required] delay: it is required, and not given (TIME: how long it takes)");
}

static void keys_that_are_wrong(void **state)
{
    char key[301] = "", members[512], message[512];

    (void)state;
    start_usual();
    refused("\"options\": {\"dealy\": \"1s\"}",
            "options: [behaviour slow] dealy: unknown key; did you mean \\\"delay\\\"?");
    refused("\"behaviour\": \"settings\", \"options\": {\"\": \"1s\"}",
            "options: [behaviour settings] : unknown key; the keys here are delay, number, words, "
            "lines, file");
    refused("\"behaviour\": \"quick\", \"options\": {\"plugin\": \"slow\"}",
            "options: [behaviour quick] plugin: unknown key; this section takes none");
    refused("\"options\": {\"filter\": \"sieve\", \"delay\": \"1s\"}",
            "options: [behaviour slow] filter: unknown key; the keys here are delay, progress");
    /* both problems are told */
    refused(
        "\"options\": {\"delay\": \"soon\", \"dealy\": \"1s\"}",
        "options: [behaviour slow] delay: \\\"soon\\\" is not a time; write one number and one "
        "unit: 250ms, 10s, 2m, 1h or 1d\\noptions: [behaviour slow] dealy: unknown key; did you "
        "mean \\\"delay\\\"?");
    memset(key, 'k', 300);
    snprintf(members, sizeof(members), "\"options\": {\"%s/x=y\": 1}", key);
    snprintf(message, sizeof(message),
             "options: [behaviour slow] %s/x=y: unknown key; the keys here are delay, progress",
             key);
    refused(members, message);
}

static void values_that_are_wrong(void **state)
{
    (void)state;
    start_usual();
    refused("\"options\": 1", "options is not an object of settings");
    refused("\"options\": null", "options is not an object of settings");
    refused("\"options\": [\"delay\"]", "options is not an object of settings");
    refused("\"options\": {\"delay\": 5}",
            "options: [behaviour slow] delay: \\\"5\\\" has no unit; write 5ms, 5s or 5m");
    refused("\"options\": {\"delay\": true}",
            "options: [behaviour slow] delay: \\\"true\\\" is not a time; write one number and one "
            "unit: 250ms, 10s, 2m, 1h or 1d");
    refused("\"options\": {\"delay\": null}",
            "options: delay: null is no value; leave the key out to have what the behaviour has");
    refused(
        "\"options\": {\"delay\": {\"s\": 1}}",
        "options: delay: an object is no value; write a string as it would stand in the INI file, "
        "a number, true or false, or for a list an array of strings");
    refused("\"options\": {\"delay\": [\"1s\"]}",
            "options: [behaviour slow] delay: it takes one value, not an array of them");
    refused("\"options\": {\"delay\": \"1s\\u0000\"}", "options: delay: it holds \\\\u0000");
    refused(
        "\"options\": {\"delay\": \"1s\\n2s\"}",
        "options: [behaviour slow] delay: \\\"2s\\\" continues the value above because it starts "
        "with white space; this value is one line");
    refused(
        "\"behaviour\": \"settings\", \"options\": {\"number\": 10}",
        "options: [behaviour settings] number: \\\"10\\\" is out of range; write a whole number "
        "from 1 to 9");
    refused("\"behaviour\": \"settings\", \"options\": {\"number\": 1e400}",
            "the body has a number that is too large: whole ones have 64 bits, others go to 1e308");
    refused("\"behaviour\": \"settings\", \"options\": {\"lines\": [\"a\", 1]}",
            "options: lines: it has an item that is not a string; write an array of strings");
    refused(
        "\"behaviour\": \"settings\", \"options\": {\"lines\": [\"a\", \"b\\nc\"]}",
        "options: lines: it has an item that is not one line; write each line as an item of its "
        "own");
    refused(
        "\"behaviour\": \"settings\", \"options\": {\"lines\": [\"a\", \" \"]}",
        "options: lines: it has an item that is not one line; write each line as an item of its "
        "own");
    refused("\"behaviour\": \"settings\", \"options\": {\"lines\": [\"a\\u0000\"]}",
            "options: lines: it has an item that holds \\\\u0000");
    /* files are named by the INI file alone */
    refused(
        "\"behaviour\": \"settings\", \"options\": {\"file\": \"/etc/passwd\"}",
        "options: [behaviour settings] file: it names a file, and files are named in the INI file "
        "alone: write it into a section there, and name that as the behaviour");
    /* what the plugin itself finds, with the place in what was sent */
    refused("\"behaviour\": \"settings\", \"options\": {\"words\": \"bad one\"}",
            "options: [behaviour settings] words: line 1 is bad (at line 1, column 3 of the "
            "value)\\n    bad one\\n      ^");
    refused("\"behaviour\": \"settings\", \"options\": {\"words\": \"good\\n\\n    bad one\"}",
            "options: [behaviour settings] words: line 2 is bad (at line 3, column 7 of the "
            "value)\\n    bad one\\n      ^");
    ask(&vtsimd, "POST", "/jobs", "{\"id\": \"x\", \"option\": {}}", 400,
        "{\"error\": \"unknown member \\\"option\\\"; did you mean \\\"options\\\"?\"}");
    /* and the server serves */
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"x\", \"option\": {}}", 200, NULL);
}

/* ---- how many ---- */

/* Asks for one on a connection of its own until it is started. */
static void start_at_last(const char *body)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;
    struct http_response response;
    int status;

    do {
        if (run_now_ms() > until_ms)
            fail_msg("not started: %s", body);
        http_request(vtsimd.port, "POST", "/start", body, &response);
        status = response.status;
        http_response_finish(&response);
    } while (status == 503);
    assert_int_equal(status, 200);
}

#define WITH(id, delay) "{\"job_id\": \"" id "\", \"options\": {\"delay\": \"" delay "\"}}"

static void only_so_many_sets_at_one_time(void **state)
{
    static const char full[] =
        "{\"error\": \"jobs have as many sets of options as max_instances allows (2): those that "
        "they have can be given; new ones again when all jobs of one are over and forgotten\"}";
    struct http_response response;

    (void)state;
    server_start(&vtsimd, "-s", "server/behaviour=slow", "-s", "behaviour slow/plugin=fixed_delay",
                 "-s", "behaviour slow/delay=1h", "-s", "server/max_instances=2", "-s",
                 "server/keep_ended=0", "-s", "server/workers=2", NULL);
    ask(&vtsimd, "POST", "/start", WITH("a", "1m"), 200, NULL);
    ask(&vtsimd, "POST", "/start", WITH("b", "2m"), 200, NULL);
    http_request(vtsimd.port, "POST", "/start", WITH("c", "3m"), &response);
    assert_int_equal(response.status, 503);
    assert_string_equal(response.body, full);
    assert_string_equal(http_header(&response, "Retry-After"), "1");
    http_response_finish(&response);
    ask(&vtsimd, "GET", "/status?job_id=c", NULL, 404, NULL);
    ask(&vtsimd, "POST", "/jobs", "{\"options\": {\"delay\": \"4m\"}}", 503, full);
    /* those that are there can be had, written otherwise, too; and what the configuration has */
    ask(&vtsimd, "POST", "/start", WITH("c", "60s"), 200, NULL);
    ask(&vtsimd, "POST", "/start", WITH("d", "1h"), 200, NULL);
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"e\", \"behaviour\": \"random_failure\"}", 200,
        NULL);
    /* with its last job a set makes room */
    ask(&vtsimd, "DELETE", "/jobs/a", NULL, 200, NULL);
    ask(&vtsimd, "POST", "/start", WITH("f", "3m"), 503, full);
    ask(&vtsimd, "DELETE", "/jobs/c", NULL, 200, NULL);
    start_at_last(WITH("f", "3m"));
    ask(&vtsimd, "POST", "/start", WITH("g", "1m"), 503, full);
}

/* Jobs go on under their options while others come and go; each set is freed again and again. */
static void sets_come_and_go(void **state)
{
    char body[128];

    (void)state;
    server_start(&vtsimd, "-s", "server/behaviour=slow", "-s", "behaviour slow/plugin=fixed_delay",
                 "-s", "behaviour slow/delay=1h", "-s", "server/max_instances=3", "-s",
                 "server/keep_ended=0", "-s", "server/workers=2", NULL);
    ask(&vtsimd, "POST", "/start", WITH("stays", "2h"), 200, NULL);
    for (int i = 0; i < 200; i++) {
        snprintf(body, sizeof(body), "{\"job_id\": \"c-%d\", \"options\": {\"delay\": \"%dms\"}}",
                 i, i % 5);
        start_at_last(body);
    }
    assert_state("stays", "running");
    assert_member("stays", "behaviour", "slow");
}

enum { STARTERS = 4, EACH = 150 };

static void *start_many(void *arg)
{
    size_t own = *(const size_t *)arg;
    struct http_response response;
    char body[160];

    for (size_t i = 0; i < EACH; i++) {
        snprintf(body, sizeof(body),
                 "{\"job_id\": \"t-%zu-%zu\", \"behaviour\": \"scripted_sequence\", \"options\": "
                 "{\"script\": \"pending for %zums, completed\"}}",
                 own, i, i % 3);
        http_request(vtsimd.port, "POST", "/start", body, &response);
        if (response.status != 200)
            abort();
        http_response_finish(&response);
    }
    return NULL;
}

static void the_same_at_the_same_moment(void **state)
{
    size_t numbers[STARTERS] = {0, 1, 2, 3};
    pthread_t threads[STARTERS];

    (void)state;
    server_start(&vtsimd, "-s", "server/workers=2", "-s", "server/keep_ended=0", NULL);
    for (size_t i = 0; i < STARTERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, start_many, &numbers[i]), 0);
    for (size_t i = 0; i < STARTERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* ---- a configuration that is read anew ---- */

static void write_ini(const char *path, const char *delay)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(
        fprintf(file,
                "[server]\nworkers = 2\nbehaviour = mine\nmax_instances = 1\nkeep_ended = 0\n"
                "[behaviour mine]\nplugin = fixed_delay\ndelay = %s\n",
                delay) > 0);
    assert_int_equal(fclose(file), 0);
}

/* Sends SIGHUP and waits until it was read. */
static void reload(int count)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;
    int seen = 0;

    kill(vtsimd.pid, SIGHUP);
    while (seen < count) {
        char *log = vtsimd_log(&vtsimd);

        seen = 0;
        for (char *at = log; (at = strstr(at, ": read anew, for new jobs\n")); at++)
            seen++;
        free(log);
        assert_true(run_now_ms() < until_ms);
    }
}

/* What the configuration no longer gives lives as long as its jobs, and counts as one of theirs until then. */
static void what_a_reload_took_away(void **state)
{
    char folder[FOLDER_ROOM], ini[FOLDER_ROOM + 16];
    const char *const args[] = {"-c", ini, NULL};

    (void)state;
    folder_make(folder);
    snprintf(ini, sizeof(ini), "%s/mine.ini", folder);
    write_ini(ini, "1h");
    vtsimd_start(&vtsimd, args);
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"old\"}", 200, NULL);
    write_ini(ini, "2h");
    reload(1);
    /* until both workers have taken it over, 1h is still given */
    for (int in_a_row = 0; in_a_row < 20;) {
        struct http_response response;

        http_request(vtsimd.port, "POST", "/start",
                     "{\"options\": {\"delay\": \"3h\"}, \"job_id\": "
                     "\"more\"}",
                     &response);
        in_a_row = response.status == 503 ? in_a_row + 1 : 0;
        if (response.status == 200)
            ask(&vtsimd, "DELETE", "/jobs/more", NULL, 200, NULL);
        http_response_finish(&response);
    }
    assert_state("old", "running");
    ask(&vtsimd, "DELETE", "/jobs/old", NULL, 200, NULL);
    start_at_last(WITH("more", "3h"));
    ask(&vtsimd, "POST", "/start", WITH("again", "1h"), 503, NULL);
    folder_remove(folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_test_needs_no_configuration), TEST(options_are_laid_over_what_there_is),
        TEST(values_of_every_kind),          TEST(behaviours_that_are_wrong),
        TEST(keys_that_are_wrong),           TEST(values_that_are_wrong),
        TEST(only_so_many_sets_at_one_time), TEST(sets_come_and_go),
        TEST(the_same_at_the_same_moment),   TEST(what_a_reload_took_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
