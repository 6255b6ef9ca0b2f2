/* SPDX-License-Identifier: MIT
 *
 * A vtsimd that keeps its jobs in SQLite: what outlives its end, a kill, an edit of the configuration and
 * the loss of a plugin; what is refused at its start; what people can do with the file meanwhile. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "http.h"
#include "run.h"
#include "vtsimd.h"

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

#define VTSIMD   VTSIM_BUILD_DIR "/bin/vtsimd"
/* rng_hash of one NUL byte, with the file's seed. */
#define ZERO_SUM "-9134902626844471351"
#define BENDER   "server/plugin_path=" VTSIM_BUILD_DIR "/tests/plugins"

static char folder[FOLDER_ROOM], path[FOLDER_ROOM + 16], path_option[FOLDER_ROOM + 64];
static struct vtsimd vtsimd;

static int setup(void **state)
{
    (void)state;
    folder_make(folder);
    snprintf(path, sizeof(path), "%s/jobs.db", folder);
    snprintf(path_option, sizeof(path_option), "store/path=%s", path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vtsimd_finish(&vtsimd);
    folder_remove(folder);
    return 0;
}

/* ---- helpers ---- */

/* Starts it with the file and more settings. */
static void start(const char *first, ...)
{
    const char *args[32] = {"-s", "store/kind=sqlite", "-s", path_option, "-s", "server/workers=2"};
    size_t count = 6;
    va_list more;

    va_start(more, first);
    for (const char *set = first; set && count < 30; set = va_arg(more, const char *)) {
        args[count++] = "-s";
        args[count++] = set;
    }
    va_end(more);
    vtsimd_start(&vtsimd, args);
}

#define START(...) start(__VA_ARGS__, (const char *)NULL)

static void stop(void)
{
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
}

static void kill_it(void)
{
    vtsimd_kill(&vtsimd);
    vtsimd_finish(&vtsimd);
}

/* The answer's body, for free(). */
static char *ask(const char *method, const char *target, const char *body, int status)
{
    struct http_response response;
    char *answer;

    http_request(vtsimd.port, method, target, body, &response);
    if (response.status != status)
        fail_msg("%s %s: %d %s", method, target, response.status, response.body);
    answer = strdup(response.body);
    assert_non_null(answer);
    http_response_finish(&response);
    return answer;
}

static void start_job(const char *id)
{
    char body[64];

    snprintf(body, sizeof(body), "{\"job_id\": \"%s\"}", id);
    free(ask("POST", "/start", body, 200));
}

static char *job(const char *id)
{
    char target[64];

    snprintf(target, sizeof(target), "/jobs/%s", id);
    return ask("GET", target, NULL, 200);
}

#define assert_says(object, text) says((object), (text), __LINE__)
static void says(const char *object, const char *text, int line)
{
    if (!strstr(object, text))
        fail_msg("line %d: %s\nis not said by: %s", line, text, object);
}

static void assert_job(const char *id, const char *text)
{
    char *object = job(id);

    says(object, text, 0);
    free(object);
}

/* Milliseconds since midnight of "name": "....T00:00:00.000Z". */
static int64_t moment(const char *object, const char *name)
{
    char format[64];
    int hour = 0, minute = 0, second = 0, ms = 0;
    const char *at;

    snprintf(format, sizeof(format), "\"%s\": \"", name);
    at = strstr(object, format);
    if (!at ||
        sscanf(at + strlen(format) + 11, "%2d:%2d:%2d.%3dZ", &hour, &minute, &second, &ms) != 4)
        fail_msg("no %s in %s", name, object);
    return (((int64_t)hour * 60 + minute) * 60 + second) * 1000 + ms;
}

static int64_t life(const char *object)
{
    int64_t span = moment(object, "ended_at") - moment(object, "started_at");

    return span < 0 ? span + 86400000 : span; /* over midnight */
}

/* Polls it until it has ended. For free(). */
static char *wait_ended(const char *id)
{
    int64_t until_ms = run_now_ms() + RUN_TIMEOUT_MS;
    char *object = job(id);

    while (strstr(object, "\"ended_at\": null")) {
        assert_true(run_now_ms() < until_ms);
        free(object);
        poll(NULL, 0, 5);
        object = job(id);
    }
    return object;
}

static sqlite3 *reader(void)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    return db;
}

static void sql(sqlite3 *db, const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
}

static int64_t number(const char *text)
{
    sqlite3_stmt *statement;
    sqlite3 *db = reader();
    int64_t value;

    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

static void assert_log(const char *text, bool wanted)
{
    char *log = vtsimd_log(&vtsimd);

    if ((strstr(log, text) != NULL) != wanted)
        fail_msg("%s: %s\nlog: %s", wanted ? "not logged" : "logged", text, log);
    free(log);
}

/* Ends with 2, and says this. */
static void assert_not_started(const char *const *before, const char *format)
{
    const char *argv[16] = {NULL};
    struct run_result result;
    char message[1024];
    size_t count = 0;

    for (; before && before[count]; count++)
        argv[count] = before[count];
    memcpy(&argv[count],
           ((const char *const[]){VTSIMD, "-l", "127.0.0.1:0", "-s", "store/kind=sqlite", "-s",
                                  path_option}),
           7 * sizeof(argv[0]));
    snprintf(message, sizeof(message), format, path);
    run_command(argv, &result);
    if (result.status != 2 || strcmp(result.err, message) != 0)
        fail_msg("ended with %d: %s\ninstead of: %s", result.status, result.err, message);
    run_result_finish(&result);
}

/* ---- what outlives ---- */

static void a_job_outlives_a_kill_and_an_end(void **state)
{
    char *before, *after;

    (void)state;
    START("behaviour quick/plugin=fixed_delay", "behaviour quick/delay=1h",
          "server/behaviour=quick");
    start_job("a");
    before = job("a");
    kill_it();
    START("behaviour quick/plugin=fixed_delay", "behaviour quick/delay=1h",
          "server/behaviour=quick");
    after = job("a");
    assert_memory_equal(before, after, (size_t)(strstr(before, "\"polls\"") - before));
    free(ask("POST", "/start", "{\"job_id\": \"a\"}", 409));
    free(ask("DELETE", "/jobs/a", NULL, 200));
    stop();
    START("behaviour quick/plugin=fixed_delay", "behaviour quick/delay=1h",
          "server/behaviour=quick");
    assert_job("a", "\"state\": \"cancelled\"");
    free(before);
    free(after);
}

static void what_was_due_meanwhile_happened_at_its_moment(void **state)
{
    char *object;

    (void)state;
    START("behaviour quick/plugin=fixed_delay", "behaviour quick/delay=120ms",
          "server/behaviour=quick");
    start_job("a");
    start_job("b");
    kill_it();
    poll(NULL, 0, 250); /* it is down when they are due */
    START("behaviour quick/plugin=fixed_delay", "behaviour quick/delay=120ms",
          "server/behaviour=quick");
    object = job("a");
    assert_says(object, "\"state\": \"completed\"");
    assert_int_equal(life(object), 120);
    free(object);
    stop();
    assert_int_equal(number("SELECT count(*) FROM job WHERE state = 'completed' AND ended_at = "
                            "started_at + 120"),
                     2);
}

/* Rule 9: a job goes on under the settings that it was started with. */
static void jobs_outlive_an_edit_of_the_configuration(void **state)
{
    char *object;

    (void)state;
    START("behaviour quick/plugin=fixed_delay", "behaviour quick/delay=300ms",
          "server/behaviour=quick");
    start_job("old");
    stop();
    START("behaviour quick/plugin=fixed_delay", "behaviour quick/delay=1h",
          "server/behaviour=quick");
    object = wait_ended("old");
    assert_int_equal(life(object), 300);
    assert_says(object, "\"behaviour\": \"quick\"");
    free(object);
    start_job("new");
    stop();
    START("server/behaviour=random_failure"); /* the section is gone */
    assert_job("new", "\"state\": \"running\"");
    assert_job("new", "\"behaviour\": \"quick\"");
    start_job("other");
    assert_job("other", "\"behaviour\": \"random_failure\"");
    assert_log("cannot be used", false);
}

static void a_plugin_that_is_gone_fails_its_jobs_alone(void **state)
{
    char *object;

    (void)state;
    START(BENDER, "behaviour strange/plugin=bender", "behaviour strange/after=100ms",
          "behaviour quick/plugin=fixed_delay", "behaviour quick/delay=100ms",
          "rule strange/job_id=strange-*", "rule strange/behaviour=strange",
          "server/behaviour=quick");
    start_job("strange-1");
    start_job("good");
    kill_it();
    START("behaviour quick/plugin=fixed_delay", "behaviour quick/delay=100ms",
          "server/behaviour=quick");
    assert_log("behaviour strange of stored jobs cannot be used any more: ", true);
    object = wait_ended("strange-1");
    assert_says(object, "\"state\": \"failed\"");
    free(object);
    object = wait_ended("good");
    assert_says(object, "\"state\": \"completed\"");
    assert_int_equal(life(object), 100);
    free(object);
}

static void polls_are_written_at_a_clean_end(void **state)
{
    (void)state;
    START("server/behaviour=fixed_delay");
    start_job("a");
    start_job("b");
    for (int i = 0; i < 5; i++)
        free(ask("GET", "/status?job_id=a", NULL, 200));
    stop();
    assert_int_equal(number("SELECT polls FROM job WHERE id = 'a'"), 5);
    assert_int_equal(number("SELECT polls FROM job WHERE id = 'b'"), 0);
    START("server/behaviour=fixed_delay");
    assert_job("a", "\"polls\": 6");
}

static void ended_jobs_leave_the_file(void **state)
{
    int64_t until_ms = run_now_ms() + RUN_TIMEOUT_MS;

    (void)state;
    START("server/keep_ended=200ms", "behaviour quick/plugin=fixed_delay",
          "behaviour quick/delay=50ms", "server/behaviour=quick", "rule slow/job_id=slow",
          "rule slow/behaviour=fixed_delay");
    for (int i = 0; i < 50; i++) {
        char id[16];

        snprintf(id, sizeof(id), "job-%d", i);
        start_job(id);
    }
    start_job("slow");
    while (number("SELECT count(*) FROM job") > 1) {
        assert_true(run_now_ms() < until_ms);
        poll(NULL, 0, 20);
    }
    assert_int_equal(number("SELECT count(*) FROM job WHERE id = 'slow'"), 1);
}

static void another_seed_is_told(void **state)
{
    (void)state;
    START("server/seed=5", "server/behaviour=fixed_delay");
    stop();
    START("server/seed=6", "server/behaviour=fixed_delay"); /* no job minds */
    assert_log("seed", false);
    start_job("a");
    stop();
    START("server/seed=7", "server/behaviour=fixed_delay");
    assert_log("were started with seed 6, now it is 7: what chance has yet to decide comes out "
               "differently",
               true);
    stop();
    START("server/seed=7", "server/behaviour=fixed_delay");
    assert_log("seed", false);
}

/* ---- what people do ---- */

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Settings that came by SIGHUP are kept with the first job that has them. */
static void what_a_reload_brought_outlives_a_kill(void **state)
{
    char ini[FOLDER_ROOM + 16], argument[FOLDER_ROOM + 32], id[24] = "", *object;
    const char *const args[] = {"-c", ini, "-s", "store/kind=sqlite", "-s", argument, NULL};
    int64_t until_ms = run_now_ms() + 20000;
    bool there = false;

    (void)state;
    snprintf(ini, sizeof(ini), "%s/reload.ini", folder);
    snprintf(argument, sizeof(argument), "store/path=%s", path);
    write_file(ini,
               "[server]\nbehaviour = mine\n[behaviour mine]\nplugin = fixed_delay\ndelay = 1h\n");
    vtsimd_start(&vtsimd, args);
    start_job("before");
    write_file(
        ini, "[server]\nbehaviour = later\n[behaviour later]\nplugin = fixed_delay\ndelay = 2h\n");
    kill(vtsimd.pid, SIGHUP);
    for (int i = 0; !there; i++) {
        snprintf(id, sizeof(id), "after-%d", i);
        start_job(id);
        object = job(id);
        there = strstr(object, "\"behaviour\": \"later\"");
        free(object);
        assert_true(run_now_ms() < until_ms);
    }
    kill_it();
    write_file(ini, "[server]\nbehaviour = fixed_delay\n");
    vtsimd_start(&vtsimd, args);
    object = job(id);
    assert_says(object, "\"behaviour\": \"later\"");
    assert_says(object, "\"state\": \"running\"");
    free(object);
    assert_int_equal(number("SELECT max(wake_at - started_at) FROM job"), 7200000);
    assert_int_equal(number("SELECT wake_at - started_at FROM job WHERE id = 'before'"), 3600000);
    assert_int_equal(number("SELECT count(*) FROM instance"), 2);
}

static void people_read_while_it_is_served(void **state)
{
    (void)state;
    START("server/behaviour=fixed_delay");
    start_job("a");
    start_job("b");
    assert_int_equal(number("SELECT count(*) FROM job WHERE state = 'running' GROUP BY state"), 2);
    assert_int_equal(number("SELECT count(*) FROM jobs WHERE behaviour = 'fixed_delay'"), 2);
}

/* A change, and a poll that tells it, are answered when the change is in the file: here somebody keeps
 * it from being written. False where that took longer than vtsimd waits for such a person. */
static bool answers_wait(const char *id)
{
    struct http_connection starting, polling;
    struct http_response response;
    sqlite3 *db = reader();
    char body[64], target[64];
    int statuses[2];

    snprintf(body, sizeof(body), "{\"job_id\": \"%s\"}", id);
    snprintf(target, sizeof(target), "/status?job_id=%s", id);
    http_connect(&starting, vtsimd.port);
    http_connect(&polling, vtsimd.port);
    starting.timeout_ms = polling.timeout_ms = 100;
    sql(db, "BEGIN IMMEDIATE");
    assert_true(http_send_request(&starting, "POST", "/start", body));
    if (http_read(&starting, &response) == HTTP_ANSWER && response.status == 200)
        fail_msg("%s: answered before it was written", body);
    http_response_finish(&response);
    assert_true(http_send_request(&polling, "GET", target, NULL));
    if (http_read(&polling, &response) == HTTP_ANSWER && response.status == 200)
        fail_msg("%s: told before it was written", body);
    http_response_finish(&response);
    sql(db, "COMMIT");
    sqlite3_close(db);
    starting.timeout_ms = polling.timeout_ms = HTTP_TIMEOUT_MS;
    http_read(&starting, &response);
    statuses[0] = response.status;
    http_response_finish(&response);
    http_read(&polling, &response);
    statuses[1] = response.status;
    http_response_finish(&response);
    http_close(&starting);
    http_close(&polling);
    return statuses[0] == 200 && statuses[1] == 200;
}

static void answers_wait_for_what_they_tell(void **state)
{
    char id[16];
    int tries = 0;

    (void)state;
    START("server/behaviour=fixed_delay");
    do {
        assert_true(tries < 5);
        snprintf(id, sizeof(id), "job-%d", tries++);
    } while (!answers_wait(id));
    kill_it();
    START("server/behaviour=fixed_delay");
    assert_job(id, "\"state\": \"running\"");
}

/* 503, and nobody is told to come again. */
static void assert_strange(const char *method, const char *target, const char *body)
{
    struct http_response response;

    http_request(vtsimd.port, method, target, body, &response);
    assert_int_equal(response.status, 503);
    assert_string_equal(response.body,
                        "{\"error\": \"the job's record cannot be understood: it was "
                        "left as it is\"}");
    assert_null(http_header(&response, "Retry-After"));
    http_response_finish(&response);
}

static void a_record_of_a_stranger_is_left_as_it_is(void **state)
{
    sqlite3 *db;

    (void)state;
    START("server/behaviour=fixed_delay");
    start_job("a");
    start_job("b");
    stop();
    db = reader();
    /* With the checksum that these bytes have. */
    sql(db, "UPDATE job SET record = x'00', sum = " ZERO_SUM " WHERE id = 'a'");
    sqlite3_close(db);
    START("server/behaviour=fixed_delay");
    assert_log("error sqlite: the record of job a in ", true);
    assert_log("cannot be understood: the job is answered 503, the others are served", true);
    assert_strange("GET", "/status?job_id=a", NULL);
    assert_strange("GET", "/jobs/a", NULL);
    assert_strange("POST", "/start", "{\"job_id\": \"a\"}");
    assert_strange("DELETE", "/jobs/a", NULL);
    assert_job("b", "\"state\": \"running\"");
    start_job("c");
    stop();
    assert_int_equal(number("SELECT count(*) FROM job WHERE id = 'a' AND record = x'00'"), 1);
    assert_int_equal(number("SELECT count(*) FROM job"), 3);
}

/* ---- options ---- */

#define FOR(id, delay) "{\"job_id\": \"" id "\", \"options\": {\"delay\": \"" delay "\"}}"

static void options_outlive_a_kill(void **state)
{
    char *object;

    (void)state;
    START("server/behaviour=fixed_delay");
    free(ask("POST", "/start",
             "{\"job_id\": \"steps\", \"behaviour\": \"scripted_sequence\", \"options\": "
             "{\"script\": \"pending x3, completed\"}}",
             200));
    free(ask("POST", "/start", FOR("soon", "300ms"), 200));
    free(ask("GET", "/status?job_id=steps", NULL, 200));
    kill_it();
    START("server/behaviour=random_failure"); /* it knows them from the file alone */
    for (int i = 0; i < 3; i++) {
        object = ask("GET", "/status?job_id=steps", NULL, 200);
        assert_says(object, i < 2 ? "\"pending\"" : "\"completed\"");
        free(object);
    }
    object = wait_ended("soon");
    assert_int_equal(life(object), 300);
    assert_says(object, "\"behaviour\": \"fixed_delay\"");
    free(object);
    /* the same again is one with what was stored */
    free(ask("POST", "/start",
             "{\"job_id\": \"again\", \"behaviour\": \"fixed_delay\", \"options\": {\"delay\": "
             "\"0.3s\"}}",
             200));
    stop();
    assert_int_equal(number("SELECT count(*) FROM instance"), 2);
    assert_int_equal(number("SELECT count(*) FROM job"), 3);
}

static void wait_number(const char *text, int64_t wanted)
{
    int64_t until_ms = run_now_ms() + RUN_TIMEOUT_MS, value;

    while ((value = number(text)) != wanted) {
        if (run_now_ms() > until_ms)
            fail_msg("%s: %lld, not %lld", text, (long long)value, (long long)wanted);
        poll(NULL, 0, 5);
    }
}

/* The file does not grow by what is over. */
static void options_leave_the_file_with_their_last_job(void **state)
{
    char body[96];

    (void)state;
    START("server/behaviour=fixed_delay", "server/keep_ended=0");
    free(ask("POST", "/start", FOR("a", "1h"), 200));
    free(ask("POST", "/start", FOR("b", "1h"), 200));
    free(ask("POST", "/start", FOR("c", "2h"), 200));
    assert_int_equal(number("SELECT count(*) FROM instance"), 2);
    free(ask("DELETE", "/jobs/a", NULL, 200));
    wait_number("SELECT count(*) FROM job", 2);
    assert_int_equal(number("SELECT count(*) FROM instance"), 2);
    free(ask("DELETE", "/jobs/b", NULL, 200));
    wait_number("SELECT count(*) FROM instance", 1);
    /* many come and go, and those that come again are there again */
    for (int i = 0; i < 200; i++) {
        snprintf(body, sizeof(body), "{\"job_id\": \"d%d\", \"options\": {\"delay\": \"%dms\"}}", i,
                 i % 50);
        free(ask("POST", "/start", body, 200));
    }
    wait_number("SELECT count(*) FROM job", 1);
    wait_number("SELECT count(*) FROM instance", 1);
    free(ask("POST", "/start", FOR("b", "1h"), 200));
    kill_it();
    START("server/behaviour=random_failure", "server/keep_ended=0");
    assert_log("cannot be used", false);
    assert_job("b", "\"state\": \"running\"");
    assert_job("b", "\"behaviour\": \"fixed_delay\"");
    assert_job("c", "\"state\": \"running\"");
    /* also those that an earlier vtsimd left */
    free(ask("DELETE", "/jobs/b", NULL, 200));
    free(ask("DELETE", "/jobs/c", NULL, 200));
    wait_number("SELECT count(*) FROM instance", 0);
}

/* A record that we do not understand is another version's, which will want the options. */
static void options_of_a_strange_record_stay(void **state)
{
    sqlite3 *db;

    (void)state;
    START("server/behaviour=fixed_delay");
    free(ask("POST", "/start", FOR("a", "1h"), 200));
    free(ask("POST", "/start", FOR("b", "1h"), 200));
    stop();
    db = reader();
    sql(db, "UPDATE job SET record = x'00', sum = " ZERO_SUM " WHERE id = 'a'");
    sqlite3_close(db);
    START("server/behaviour=fixed_delay", "server/keep_ended=0");
    free(ask("DELETE", "/jobs/b", NULL, 200));
    wait_number("SELECT count(*) FROM job", 1);
    free(ask("POST", "/start", FOR("c", "2h"), 200)); /* behind what would have been forgotten */
    stop();
    assert_int_equal(
        number("SELECT count(*) FROM instance JOIN job ON hash = instance WHERE id = 'a'"), 1);
}

/* ---- what is refused ---- */

static void a_file_in_use_is_refused(void **state)
{
    (void)state;
    START("server/behaviour=fixed_delay");
    assert_not_started(NULL, "vtsimd: %s is in use by another vtsimd\n");
    start_job("a");
    kill_it();
    START("server/behaviour=fixed_delay"); /* the dead do not count */
    assert_job("a", "\"state\": \"running\"");
}

static void files_that_cannot_be_used_end_it(void **state)
{
    /* So that root cannot write where it is not allowed to, either. */
    static const char *const meek[] = {"setpriv", "--bounding-set=-dac_override", NULL};
    struct run_result probe;
    FILE *file;

    (void)state;
    start("server/behaviour=fixed_delay", (const char *)NULL);
    stop();
    assert_int_equal(chmod(path, 0444), 0);
    run_command((const char *const[]){"setpriv", "--bounding-set=-dac_override", "true", NULL},
                &probe);
    assert_not_started(geteuid() == 0 && probe.status == 0 ? meek : NULL,
                       "vtsimd: %s cannot be opened for writing: Permission denied\n");
    run_result_finish(&probe);
    assert_int_equal(chmod(path, 0644), 0);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("these are no jobs, and whose they are is not known to us", file);
    fclose(file);
    assert_not_started(NULL,
                       "vtsimd: %s is no SQLite database, or is damaged: it was left as it is\n");
}

/* The faults of a script, behind the job's end, too: each is told once, though the server dies in between. */
static void faults_outlive_a_kill(void **state)
{
    static const int told[] = {500, 501, 500, 501, 200, 200};

    (void)state;
    for (size_t i = 0; i < 2 + sizeof(told) / sizeof(told[0]); i++) {
        START("behaviour s/plugin=scripted_sequence",
              "behaviour s/script=start: http 503\ncompleted, repeat 2 { http 500, http 501 }",
              "server/behaviour=s");
        if (i < 2)
            free(ask("POST", "/start", "{\"job_id\": \"a\"}", i == 0 ? 503 : 200));
        else
            free(ask("GET", "/status?job_id=a", NULL, told[i - 2]));
        kill_it();
    }
}

/* Changes the file, and says why vtsimd does not start on it. */
static void spoil(const char *text, const char *format)
{
    sqlite3 *db = reader();

    sql(db, text);
    sqlite3_close(db);
    assert_not_started(NULL, format);
}

static void files_that_are_damaged_or_newer_end_it(void **state)
{
    char message[256];
    int64_t hash;

    (void)state;
    START("server/behaviour=fixed_delay");
    start_job("a");
    start_job("b");
    stop();
    spoil("UPDATE job SET sum = sum + 1 WHERE id = 'b'",
          "vtsimd: %s is damaged (the record of job b): it was left as it is\n");
    hash = number("SELECT min(hash) FROM instance");
    snprintf(message, sizeof(message),
             "vtsimd: %%s is damaged (the behaviour %lld): it was left as it is\n",
             (long long)hash);
    spoil("UPDATE instance SET text = x'00' WHERE hash = (SELECT min(hash) FROM instance)",
          message);
    spoil("PRAGMA user_version = 3",
          "vtsimd: %s is of version 3, this vtsimd knows versions up to 2: use the vtsimd that "
          "wrote it, or another file\n");
    spoil("PRAGMA application_id = 1",
          "vtsimd: %s is the database of another program: it was left as it is\n");
    assert_int_equal(number("SELECT count(*) FROM job"), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_job_outlives_a_kill_and_an_end),
        TEST(what_was_due_meanwhile_happened_at_its_moment),
        TEST(jobs_outlive_an_edit_of_the_configuration),
        TEST(a_plugin_that_is_gone_fails_its_jobs_alone),
        TEST(faults_outlive_a_kill),
        TEST(polls_are_written_at_a_clean_end),
        TEST(ended_jobs_leave_the_file),
        TEST(another_seed_is_told),
        TEST(what_a_reload_brought_outlives_a_kill),
        TEST(people_read_while_it_is_served),
        TEST(answers_wait_for_what_they_tell),
        TEST(a_record_of_a_stranger_is_left_as_it_is),
        TEST(options_outlive_a_kill),
        TEST(options_leave_the_file_with_their_last_job),
        TEST(options_of_a_strange_record_stay),
        TEST(a_file_in_use_is_refused),
        TEST(files_that_cannot_be_used_end_it),
        TEST(files_that_are_damaged_or_newer_end_it),
    };

    return cmocka_run_group_tests_name("store_sqlite_served", tests, NULL, NULL);
}
