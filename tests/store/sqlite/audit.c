/* SPDX-License-Identifier: MIT
 *
 * What is known of how clients ask, kept in SQLite: over a clean end, over a kill as far as it was written, and
 * in a file that an older vtsimd made. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "http.h"
#include "vtsimd.h"

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

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

static void start(const char *keep_ended)
{
    const char *args[] = {"-s", "store/kind=sqlite",
                          "-s", path_option,
                          "-s", "server/workers=1",
                          "-s", "behaviour fixed_delay/plugin=fixed_delay",
                          "-s", "behaviour fixed_delay/delay=1ms",
                          "-s", keep_ended,
                          NULL};

    vtsimd_start(&vtsimd, args);
}

static void stop(void)
{
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
}

/* The answer must contain this. */
static void ask(const char *method, const char *target, const char *body, const char *contains)
{
    struct http_response response;

    http_request(vtsimd.port, method, target, body, &response);
    if (!strstr(response.body, contains))
        fail_msg("%s %s: not %s in %s", method, target, contains, response.body);
    http_response_finish(&response);
}

/* A job that was polled twice after its end was seen, and started twice. */
static void live(const char *id)
{
    char body[64], target[64];

    snprintf(body, sizeof(body), "{\"job_id\": \"%s\"}", id);
    snprintf(target, sizeof(target), "/jobs/%s", id);
    ask("POST", "/start", body, "Job started");
    ask("POST", "/start", body, "started before");
    for (bool ended = false; !ended;) {
        struct http_response response;

        http_request(vtsimd.port, "GET", target, NULL, &response);
        ended = strstr(response.body, "\"completed\"") != NULL;
        http_response_finish(&response);
    }
    ask("GET", target, NULL, "completed");
    ask("GET", target, NULL, "completed");
}

static void it_outlives_a_clean_end(void **state)
{
    (void)state;
    start("server/keep_ended=1h");
    live("a");
    stop();
    start("server/keep_ended=1h");
    ask("GET", "/jobs/a/audit", NULL, "\"polls_after_end\": 2");
    ask("GET", "/jobs/a/audit", NULL, "\"duplicate_starts\": 1");
    ask("GET", "/jobs/a/audit", NULL, "\"unseen\": 0");
    ask("GET", "/jobs/a", NULL, "completed");
    ask("GET", "/jobs/a/audit", NULL, "\"polls_after_end\": 3");
    stop();
}

/* Runs it for each of the last three jobs, of which there is an earlier one. */
static void ask_last_three(void (*asked)(const char *id))
{
    char id[] = "b";

    for (; *id <= 'd'; ++*id)
        asked(id);
}

static char *audit_of(const char *id)
{
    char target[64], *times;
    struct http_response response;

    snprintf(target, sizeof(target), "/jobs/%s/audit", id);
    http_request(vtsimd.port, "GET", target, NULL, &response);
    times = strdup(strstr(response.body, "\"intervals\""));
    *strstr(times, ", \"cost\"") = '\0';
    times = realloc(times, 100000);
    strcat(times, strstr(response.body, "\"times\""));
    http_response_finish(&response);
    return times;
}

static char *before[3];

static void remember(const char *id)
{
    live(id);
    before[*id - 'b'] = audit_of(id);
    assert_null(strstr(before[*id - 'b'], "\"times\": null"));
}

static void compare(const char *id)
{
    char *now = audit_of(id);

    assert_string_equal(now, before[*id - 'b']);
    free(now);
    free(before[*id - 'b']);
}

/* Poll times with what is made of them are there again; a new job takes the place of the oldest. */
static void poll_times_do_too(void **state)
{
    (void)state;
    start("audit/jobs=3");
    live("a");
    ask_last_three(remember);
    ask("GET", "/jobs/a/audit", NULL, "\"times\": null");
    stop();
    start("audit/jobs=3");
    ask("GET", "/jobs/a/audit", NULL, "\"times\": null");
    ask_last_three(compare);
    live("e");
    ask("GET", "/jobs/e/audit", NULL, "\"times\": [{");
    ask("GET", "/jobs/d/audit", NULL, "\"times\": [{");
    ask("GET", "/jobs/b/audit", NULL, "\"times\": null");
    stop();
    start("audit/polls=2"); /* the last two of them */
    ask("GET", "/jobs/e", NULL, "completed");
    ask("GET", "/jobs/e/audit", NULL, "\"jitter\": null");
    stop();
}

static int connections_of(const char *id)
{
    char target[64];
    struct http_response response;
    int count;

    snprintf(target, sizeof(target), "/jobs/%s/audit", id);
    http_request(vtsimd.port, "GET", target, NULL, &response);
    count = (int)strtol(strstr(response.body, "\"connections\": ") + 15, NULL, 10);
    http_response_finish(&response);
    return count;
}

/* Each request here has one of its own. */
static void connections_are_others_than_before(void **state)
{
    int were;

    (void)state;
    start("server/keep_ended=1h");
    for (int i = 0; i < 100; i++)
        ask("GET", "/_sim/health", NULL, "version");
    live("a");
    were = connections_of("a");
    assert_true(were >= 5);
    stop();
    start("server/keep_ended=1h");
    ask("GET", "/jobs/a", NULL, "completed");
    ask("GET", "/jobs/a", NULL, "completed");
    assert_int_equal(connections_of("a"), were + 2);
    stop();
}

static void limits_outlive_a_kill(void **state)
{
    (void)state;
    start("server/keep_ended=1h");
    live("a");
    ask("POST", "/_sim/audit/expect", "{\"connections\": 0}", "limits");
    vtsimd_kill(&vtsimd);
    vtsimd_finish(&vtsimd);
    start("server/keep_ended=1h");
    ask("GET", "/_sim/audit/verdict", NULL, "\"fail\"");
    stop();
}

static void sums_of_jobs_that_are_gone_do_too(void **state)
{
    (void)state;
    start("server/keep_ended=1h");
    live("a");
    ask("GET", "/jobs/nobody", NULL, "no job");
    stop();
    start("server/keep_ended=1ms"); /* it expires */
    ask("GET", "/jobs/a", NULL, "no job");
    ask("GET", "/_sim/audit", NULL, "\"jobs\": 1, \"ended\": 1");
    stop();
    start("server/keep_ended=1h");
    ask("GET", "/_sim/audit", NULL,
        "\"jobs\": [], \"next\": null, \"sum\": {\"jobs\": 1, \"ended\": 1");
    ask("GET", "/_sim/audit", NULL, "\"polls_after_end\": 2");
    ask("GET", "/_sim/audit", NULL, "\"unknown_polls\": 2");
    ask("POST", "/_sim/audit/expect", "{\"polls_after_end\": 1}", "limits");
    ask("GET", "/_sim/audit/verdict", NULL,
        "{\"limit\": \"polls_after_end\", \"job\": \"a\", \"figure\": 2, \"bound\": 1}");
    stop();
}

static void a_kill_loses_what_was_not_written(void **state)
{
    (void)state;
    start("server/keep_ended=1h");
    live("a");
    vtsimd_kill(&vtsimd);
    vtsimd_finish(&vtsimd);
    start("server/keep_ended=1h");
    ask("GET", "/jobs/a", NULL, "\"completed\""); /* the job is there */
    ask("GET", "/jobs/a/audit", NULL, "\"state\": \"completed\"");
    stop();
}

static void run_sql(const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void what_cannot_be_understood_begins_anew(void **state)
{
    static const char *const changes[] = {
        "UPDATE job SET stats = NULL", "UPDATE job SET stats = x'0102'", "UPDATE job SET stats = 7",
        "UPDATE setting SET value = x'01' WHERE name = 'summary'",
        "UPDATE setting SET value = 'no bytes' WHERE name = 'summary'"};

    (void)state;
    start("server/keep_ended=1h");
    live("a");
    stop();
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        run_sql(changes[i]);
        start("server/keep_ended=1h");
        ask("GET", "/jobs/a/audit", NULL, "\"polls_after_end\": 0");
        ask("GET", "/_sim/audit", NULL, "\"unknown_polls\": 0");
        stop();
    }
    /* poll times that are none; and any */
    run_sql("UPDATE job SET details = x'0102'");
    start("server/keep_ended=1h");
    live("b");
    ask("GET", "/jobs/a/audit", NULL, "\"times\": null");
    stop();
    run_sql("UPDATE job SET details = CAST(replace(hex(zeroblob(8)), '0', 'z') AS BLOB)");
    start("server/keep_ended=1h");
    ask("GET", "/jobs/b/audit", NULL, "\"times\": [{\"at\": ");
    stop();
    /* whatever the bytes say, they are numbers */
    run_sql("UPDATE job SET stats = zeroblob(56) || x''");
    run_sql("UPDATE job SET stats = CAST(replace(hex(zeroblob(28)), '0', 'z') AS BLOB)");
    start("server/keep_ended=1h");
    ask("GET", "/jobs/a", NULL, "completed");
    ask("GET", "/jobs/a/audit", NULL, "\"state\": \"completed\"");
    ask("GET", "/_sim/audit", NULL, "\"jobs\": 2");
    stop();
}

/* Version 1 has no column for it. */
static void an_older_file_is_taken_on(void **state)
{
    (void)state;
    start("server/keep_ended=1h");
    live("a");
    stop();
    run_sql("ALTER TABLE job DROP COLUMN stats; ALTER TABLE job DROP COLUMN details; PRAGMA "
            "user_version = 1");
    start("server/keep_ended=1h");
    ask("GET", "/jobs/a", NULL, "completed");
    ask("GET", "/jobs/a/audit", NULL, "\"duplicate_starts\": 0");
    stop();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_outlives_a_clean_end),
        TEST(poll_times_do_too),
        TEST(connections_are_others_than_before),
        TEST(limits_outlive_a_kill),
        TEST(sums_of_jobs_that_are_gone_do_too),
        TEST(a_kill_loses_what_was_not_written),
        TEST(what_cannot_be_understood_begins_anew),
        TEST(an_older_file_is_taken_on),
    };

    return cmocka_run_group_tests_name("store_sqlite_audit", tests, NULL, NULL);
}
