/* SPDX-License-Identifier: MIT
 *
 * POST /_sim/reset {} through a real vtsimd: what comes behind it is what comes behind a start, whatever there was
 * before, to the byte; and nothing that it meets under way is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "folder.h"
#include "run.h"
#include "server.h"

/* ---- as at the start ---- */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static const char configuration[] = "[server]\n"
                                    "behaviour = recorded\n"
                                    "filter = busy\n"
                                    "workers = 2\n"
                                    "max_instances = 1\n"
                                    "[clock]\n"
                                    "mode = virtual\n"
                                    "[filter busy]\n"
                                    "plugin = flaky_service\n"
                                    "outage_every = 0\n"
                                    "error_rate = 0.2\n"
                                    "quota = 12\n"
                                    "quota_window = 1h\n"
                                    "[behaviour recorded]\n"
                                    "plugin = replay\n"
                                    "file = jobs.csv\n"
                                    "order = file\n"
                                    "[behaviour line]\n"
                                    "plugin = queue\n"
                                    "slots = 1\n";

/* One request that leaves nothing of the real world in its answer. */
static void note(const struct vtsimd *vtsimd, char **history, const char *method,
                 const char *target, const char *body)
{
    struct http_response response;
    char *longer = NULL;

    http_request(vtsimd->port, method, target, body, &response);
    assert_true(asprintf(&longer, "%s%s %s %s: %d %s\n", *history ? *history : "", method, target,
                         body ? body : "", response.status, response.body) > 0);
    http_response_finish(&response);
    free(*history);
    *history = longer;
}

/* What a quota, the order of a file, a line, chance and a set of options make of these requests. For free(). */
static char *play(const struct vtsimd *vtsimd)
{
    static const char *const starts[] = {
        "{\"id\": \"a\"}",
        "{\"id\": \"b\"}",
        "{\"id\": \"c\", \"behaviour\": \"line\"}",
        "{\"id\": \"d\", \"behaviour\": \"line\"}",
        "{\"id\": \"e\", \"behaviour\": \"fixed_delay\", \"options\": {\"delay\": \"3s\"}}",
        "{\"id\": \"f\", \"behaviour\": \"fixed_delay\", \"options\": {\"delay\": \"4s\"}}"};
    static const char *const polls[] = {"/jobs/a", "/jobs/b", "/jobs/c", "/jobs/d", "/jobs/e"};
    char *history = NULL;

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        note(vtsimd, &history, "POST", "/jobs", starts[i]);
    for (int round = 0; round < 3; round++) {
        note(vtsimd, &history, "POST", "/_sim/clock", "{\"advance\": \"2s\"}");
        for (size_t i = 0; i < sizeof(polls) / sizeof(polls[0]); i++)
            note(vtsimd, &history, "GET", polls[i], NULL);
    }
    return history;
}

static void what_comes_then_is_what_came_first(void **state)
{
    char folder[FOLDER_ROOM], path[FOLDER_ROOM + 16], *first, *again;
    struct vtsimd vtsimd;

    (void)state;
    folder_make(folder);
    snprintf(path, sizeof(path), "%s/jobs.csv", folder);
    write_file(path, "duration_ms\n1000\n5000\n2000\n9000\n");
    snprintf(path, sizeof(path), "%s/a.ini", folder);
    write_file(path, configuration);
    server_start(&vtsimd, "-c", path, "-s", "server/behaviour=recorded", NULL);
    first = play(&vtsimd);
    assert_non_null(strstr(first, "429"));
    assert_non_null(strstr(first, "503"));
    for (int round = 0; round < 3; round++) {
        ask(&vtsimd, "POST", "/_sim/reset", "{}", 200, NULL);
        again = play(&vtsimd);
        assert_string_equal(again, first);
        free(again);
    }
    free(first);
    server_stop(&vtsimd);
    folder_remove(folder);
}

/* ---- in the middle of everything ---- */

#define LINE                                                                                       \
    "-s", "server/workers=2", "-s", "server/behaviour=line", "-s", "behaviour line/plugin=queue",  \
        "-s", "behaviour line/slots=1", "-s", "behaviour line/running=1h", "-s",                   \
        "clock/mode=virtual"

static void start_in_line(const struct vtsimd *vtsimd, int count)
{
    char id[16];

    for (int i = 0; i < count; i++) {
        snprintf(id, sizeof(id), "job-%d", i);
        start_job(vtsimd, id, NULL);
    }
}

/* Several at once, whose clients do not wait for the answers: what they began is done, and the next finds all as
 * new. */
static void leave_resets(const struct vtsimd *vtsimd)
{
    struct http_connection connections[4];
    struct json_object *job;

    for (int round = 0; round < 4; round++) {
        start_in_line(vtsimd, 300);
        for (int i = 0; i < 4; i++) {
            http_connect(&connections[i], vtsimd->port);
            assert_true(http_send_request(&connections[i], "POST", "/_sim/reset", "{}"));
        }
        for (int i = 0; i < 4; i++) {
            if (i % 2)
                http_reset(&connections[i]);
            else
                http_close(&connections[i]);
        }
        ask(vtsimd, "POST", "/_sim/reset", "{}", 200, NULL);
        ask(vtsimd, "GET", "/jobs", NULL, 200, "{\"jobs\": [], \"next\": null}");
        job = ask_json(vtsimd, "POST", "/jobs", "{\"id\": \"first\"}", 201);
        assert_string_equal(member_text(job, "state"), "running");
        assert_string_equal(member_text(job, "created_at"), "2026-01-01T00:00:00.000Z");
        json_object_put(job);
        ask(vtsimd, "POST", "/_sim/reset", "{\"jobs\": \"first\"}", 200, NULL);
    }
}

static void whose_clients_leave(void **state)
{
    char folder[FOLDER_ROOM], path[FOLDER_ROOM + 32];
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, LINE, NULL);
    leave_resets(&vtsimd);
    server_stop(&vtsimd);
    folder_make(folder);
    snprintf(path, sizeof(path), "store/path=%s/jobs.db", folder);
    server_start(&vtsimd, LINE, "-s", "store/kind=sqlite", "-s", path, NULL);
    leave_resets(&vtsimd);
    server_stop(&vtsimd);
    folder_remove(folder);
}

/* A job that is ended by hand gives its slot on at that moment, and one that waits leaves the line. */
static void a_hand_in_the_line(void **state)
{
    struct json_object *job;
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, LINE, NULL);
    start_in_line(&vtsimd, 4);
    ask(&vtsimd, "POST", "/_sim/clock", "{\"advance\": \"1m\"}", 200, NULL);
    ask(&vtsimd, "POST", "/_sim/jobs/job-1/finish", "{\"state\": \"completed\"}", 200, NULL);
    ask(&vtsimd, "POST", "/_sim/clock", "{\"advance\": \"1m\"}", 200, NULL);
    ask(&vtsimd, "POST", "/_sim/jobs/job-0/finish", "{\"state\": \"failed\"}", 200, NULL);
    ask(&vtsimd, "POST", "/_sim/clock", "{\"advance\": \"1m\"}", 200, NULL);
    job = ask_json(&vtsimd, "GET", "/jobs/job-2", NULL, 200);
    assert_string_equal(member_text(job, "started_at"), "2026-01-01T00:02:00.000Z");
    json_object_put(job);
    ask(&vtsimd, "POST", "/_sim/reset", "{\"jobs\": \"job-2\"}", 200, NULL);
    job = ask_json(&vtsimd, "GET", "/jobs/job-3", NULL, 200);
    assert_string_equal(member_text(job, "started_at"), "2026-01-01T00:03:00.000Z");
    json_object_put(job);
    server_stop(&vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_then_is_what_came_first),
        cmocka_unit_test(whose_clients_leave),
        cmocka_unit_test(a_hand_in_the_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
