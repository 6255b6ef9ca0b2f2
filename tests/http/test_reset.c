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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_then_is_what_came_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
