/* SPDX-License-Identifier: MIT
 *
 * The control side, /_sim/, through a real vtsimd: who may use it, and where; a hand that ends and removes jobs; the
 * configuration in force. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "run.h"
#include "server.h"

static int setup(void **state)
{
    struct vtsimd *vtsimd = calloc(1, sizeof(*vtsimd));

    if (!vtsimd)
        return -1;
    server_start(vtsimd, "-s", "clock/mode=virtual", NULL);
    *state = vtsimd;
    return 0;
}

/* Asks with exactly these header fields, Host among them. */
static void ask_raw(int port, const char *method, const char *target, const char *headers,
                    const char *body, int status, const char *answer)
{
    struct http_connection connection;
    struct http_response response;
    char *request = NULL;

    assert_true(asprintf(&request, "%s %s HTTP/1.1\r\n%sContent-Length: %zu\r\n\r\n%s", method,
                         target, headers, strlen(body), body) > 0);
    http_connect(&connection, port);
    assert_true(http_puts(&connection, request));
    assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
    if (response.status != status || (answer && strcmp(response.body, answer) != 0))
        fail_msg("%s%d %s, not %d %s", request, response.status, response.body, status,
                 answer ? answer : "");
    if (status == 401)
        assert_string_equal(http_header(&response, "WWW-Authenticate"), "Bearer");
    http_response_finish(&response);
    http_close(&connection);
    free(request);
}

/* ---- web pages ---- */

static void no_foreign_host(void **state)
{
    static const char *const good[] = {"Host: localhost\r\n",      "Host: LocalHost:5000\r\n",
                                       "Host: 127.0.0.1:5000\r\n", "Host: [::1]:5000\r\n",
                                       "Host: 192.0.2.7\r\n",      "Host: vtsim.localhost\r\n",
                                       "Host: localhost.:5000\r\n"};
    static const char *const bad[] = {"evil.example",           "evil.example:5000",
                                      "localhost.evil.example", "127.0.0.1.evil.example",
                                      "notlocalhost",           "[::1].evil.example"};
    const struct vtsimd *vtsimd = *state;
    char header[128], answer[512];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ask_raw(vtsimd->port, "GET", "/_sim/clock", good[i], "", 200, NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(header, sizeof(header), "Host: %s\r\n", bad[i]);
        snprintf(answer, sizeof(answer),
                 "{\"error\": \"the control side is not asked for as %s: ask an address or "
                 "localhost, or "
                 "write the name into [control] hosts\"}",
                 bad[i]);
        ask_raw(vtsimd->port, "POST", "/_sim/clock", header, "{\"advance\": \"1h\"}", 403, answer);
        ask_raw(vtsimd->port, "GET", "/_sim/health", header, "", 200, NULL);
        ask_raw(vtsimd->port, "GET", "/jobs", header, "", 200, NULL);
    }
    ask_raw(vtsimd->port, "GET", "/_sim/nowhere", "Host: localhost\r\n", "", 404,
            "{\"error\": \"there is no such path under /_sim/: it has health, clock, clock/sleep, "
            "clock/participants, reset, config, behaviours, jobs/ID/finish, audit, audit/expect "
            "and audit/verdict\"}");
}

/* One good one among those that a request bears makes none of the others good. */
static void each_of_several_counts(void **state)
{
    static const char foreign[] =
        "{\"error\": \"the control side is not asked for as evil.example: "
        "ask an address or localhost, or write the name into [control] "
        "hosts\"}";
    const struct vtsimd *vtsimd = *state;

    ask_raw(vtsimd->port, "POST", "/_sim/reset", "Host: localhost\r\nHost: evil.example\r\n", "{}",
            403, foreign);
    ask_raw(vtsimd->port, "POST", "/_sim/reset", "Host: evil.example\r\nHost: localhost\r\n", "{}",
            403, foreign);
    ask_raw(vtsimd->port, "POST", "http://evil.example/_sim/reset", "Host: localhost\r\n", "{}",
            403, foreign);
    ask_raw(vtsimd->port, "POST", "http://localhost@evil.example/_sim/reset", "Host: localhost\r\n",
            "{}", 403, NULL);
    ask_raw(vtsimd->port, "POST", "http://localhost:5000/_sim/reset", "Host: localhost\r\n", "{}",
            200, NULL);
    ask_raw(vtsimd->port, "POST", "/_sim/reset",
            "Host: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil.example\r\n", "{}",
            403,
            "{\"error\": \"the control side is not for web pages (Origin: http://evil.example)\"}");
}

static void no_foreign_origin(void **state)
{
    static const char *const bad[] = {"http://evil.example", "null", "https://localhost",
                                      "http://localhost:1", "http://localhost.evil.example"};
    const struct vtsimd *vtsimd = *state;
    char header[128], answer[256];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(header, sizeof(header), "Host: localhost\r\nOrigin: %s\r\n", bad[i]);
        snprintf(answer, sizeof(answer),
                 "{\"error\": \"the control side is not for web pages (Origin: %s)\"}", bad[i]);
        ask_raw(vtsimd->port, "POST", "/_sim/reset", header, "{}", 403, answer);
    }
    ask_raw(vtsimd->port, "GET", "/_sim/clock",
            "Host: localhost:5000\r\nOrigin: http://localhost:5000\r\n", "", 200, NULL);
}

/* Nothing of it is done by a GET. */
static void nothing_changes_by_a_get(void **state)
{
    static const char *const targets[] = {"/_sim/reset", "/_sim/clock/sleep",
                                          "/_sim/clock/participants", "/_sim/jobs/a/finish",
                                          "/_sim/clock/participants/a"};

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        ask(*state, "GET", targets[i], NULL, 405,
            i == 4 ? "{\"error\": \"this path takes DELETE\"}"
                   : "{\"error\": \"this path takes POST\"}");
}

static void names_of_ones_own(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, "-s", "control/hosts=vtsim\nsimulator.test", NULL);
    ask_raw(vtsimd.port, "GET", "/_sim/clock", "Host: vtsim:5000\r\n", "", 200, NULL);
    ask_raw(vtsimd.port, "GET", "/_sim/clock", "Host: Simulator.test\r\n", "", 200, NULL);
    ask_raw(vtsimd.port, "GET", "/_sim/clock", "Host: simulator\r\n", "", 403, NULL);
    server_stop(&vtsimd);
}

/* ---- the token, and the address ---- */

static void only_with_the_token(void **state)
{
    static const char *const wrong[] = {"Basic s3cret", "Bearer", "Bearer s3cre", "Bearer s3cretx",
                                        "Bearer S3cret"};
    struct vtsimd vtsimd;
    char header[128];

    (void)state;
    server_start(&vtsimd, "-s", "control/token=s3cret", NULL);
    ask_raw(vtsimd.port, "GET", "/_sim/clock", "Host: localhost\r\n", "", 401,
            "{\"error\": \"the control side wants the token of [control]: Authorization: Bearer "
            "TOKEN\"}");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(header, sizeof(header), "Host: localhost\r\nAuthorization: %s\r\n", wrong[i]);
        ask_raw(vtsimd.port, "GET", "/_sim/clock", header, "", 401,
                "{\"error\": \"this is not the token of [control]\"}");
    }
    ask_raw(vtsimd.port, "GET", "/_sim/clock",
            "Host: localhost\r\nAuthorization: bearer s3cret\r\n", "", 200, NULL);
    ask_raw(vtsimd.port, "GET", "/_sim/clock",
            "Host: evil.example\r\nAuthorization: Bearer s3cret\r\n", "", 403, NULL);
    ask_raw(vtsimd.port, "GET", "/_sim/health", "Host: localhost\r\n", "", 200, NULL);
    server_stop(&vtsimd);
}

static int control_port(const struct vtsimd *vtsimd)
{
    char line[128] = "";
    size_t length = 0;
    int port = 0;

    while (length < sizeof(line) - 1 && read(vtsimd->out_fd, line + length, 1) == 1 &&
           line[length] != '\n')
        length++;
    if (sscanf(line, "vtsimd: control on http://127.0.0.1:%d", &port) != 1)
        fail_msg("not the address of the control side: %s", line);
    return port;
}

static void an_address_of_its_own(void **state)
{
    struct vtsimd vtsimd;
    int port;

    (void)state;
    server_start(&vtsimd, "-s", "control/listen=127.0.0.1:0", "-s", "server/workers=2", NULL);
    port = control_port(&vtsimd);
    ask(&vtsimd, "GET", "/_sim/clock", NULL, 404,
        "{\"error\": \"the control side has an address of its own\"}");
    ask(&vtsimd, "GET", "/_sim/health", NULL, 200, NULL);
    ask(&vtsimd, "GET", "/jobs", NULL, 200, NULL);
    ask_raw(port, "GET", "/_sim/clock", "Host: localhost\r\n", "", 200, NULL);
    ask_raw(port, "GET", "/_sim/health", "Host: localhost\r\n", "", 200, NULL);
    ask_raw(port, "GET", "/jobs", "Host: localhost\r\n", "", 404,
            "{\"error\": \"there is no such path here: this address is that of the control side, "
            "/_sim/\"}");
    server_stop(&vtsimd);
}

/* Others can reach it: it does not start, and says why. */
static void not_unguarded(void **state)
{
    struct run_result result;

    (void)state;
    for (int check = 0; check < 2; check++) {
        run_command((const char *const[]){VTSIM_BUILD_DIR "/bin/vtsimd", "-l", "0.0.0.0:0",
                                          check ? "--check" : NULL, NULL},
                    &result);
        assert_int_equal(result.status, 2);
        assert_string_equal(result.out, "");
        assert_string_equal(
            result.err,
            "-s: [server] listen: others can reach 0.0.0.0, and with it the control side /_sim/: "
            "guard "
            "that with [control] token = SECRET, or put it on an address of its own with [control] "
            "listen = 127.0.0.1:5001\n");
        run_result_finish(&result);
    }
}

/* ---- a hand on jobs ---- */

static void a_job_is_ended_by_hand(void **state)
{
    start_job(*state, "a", "{}");
    start_job(*state, "b c", "{}");
    ask(*state, "POST", "/_sim/clock", "{\"advance\": \"5s\"}", 200, NULL);
    ask(*state, "POST", "/_sim/jobs/a/finish",
        "{\"state\": \"completed\", \"result\": {\"at\": \"https://x/y\", \"frames\": 7}}", 200,
        "{\"id\": \"a\", \"state\": \"completed\", \"status\": \"completed\", \"progress\": 1, "
        "\"behaviour\": \"bender\", \"created_at\": \"2026-01-01T00:00:00.000Z\", \"started_at\": "
        "\"2026-01-01T00:00:00.000Z\", \"ended_at\": \"2026-01-01T00:00:05.000Z\", \"polls\": 0, "
        "\"result\": {\"at\":\"https://x/y\",\"frames\":7}, \"error\": null}");
    ask(*state, "POST", "/_sim/jobs/b%20c/finish",
        "{\"state\": \"failed\", \"error\": {\"code\": \"gpu\", \"message\": \"lost\"}}", 200,
        "{\"id\": \"b c\", \"state\": \"failed\", \"status\": \"error\", \"progress\": 0, "
        "\"behaviour\": \"bender\", \"created_at\": \"2026-01-01T00:00:00.000Z\", \"started_at\": "
        "\"2026-01-01T00:00:00.000Z\", \"ended_at\": \"2026-01-01T00:00:05.000Z\", \"polls\": 0, "
        "\"result\": null, \"error\": {\"code\": \"gpu\", \"message\": \"lost\"}}");
    ask(*state, "POST", "/_sim/jobs/a/finish", "{\"state\": \"failed\"}", 409,
        "{\"error\": \"this job has ended already: it is completed\"}");
    ask(*state, "POST", "/_sim/jobs/c/finish", "{\"state\": \"failed\"}", 404,
        "{\"error\": \"there is no job of this id\"}");
}

static void what_is_no_end(void **state)
{
    static const char *const wrong[][2] = {
        {"{}", "state is missing"},
        {"{\"state\": \"cancelled\"}",
         "state must be completed or failed (DELETE /jobs/ID cancels)"},
        {"{\"state\": \"failed\", \"result\": 1}", "result goes with state completed"},
        {"{\"state\": \"completed\", \"error\": {}}", "error goes with state failed"},
        {"{\"state\": \"failed\", \"error\": 1}",
         "error is not an object such as {\\\"code\\\": \\\"x\\\", \\\"message\\\": \\\"y\\\"}"},
        {"{\"state\": \"failed\", \"error\": {\"kode\": \"x\"}}",
         "unknown member \\\"kode\\\" of error: it takes code and message"},
        {"{\"state\": \"failed\", \"error\": {\"code\": 1}}",
         "error.code is not a string of 65536 bytes at the most"},
        {"{\"state\": \"failed\", \"reason\": 1}",
         "unknown member \\\"reason\\\": this takes state, result and error"}};
    char answer[256];

    start_job(*state, "a", "{}");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(answer, sizeof(answer), "{\"error\": \"%s\"}", wrong[i][1]);
        ask(*state, "POST", "/_sim/jobs/a/finish", wrong[i][0], 400, answer);
    }
    wait_for_state(*state, "a", "running");
}

static void jobs_are_removed(void **state)
{
    char id[32];

    for (int i = 0; i < 600; i++) {
        snprintf(id, sizeof(id), "%s-%d", i % 2 ? "odd" : "even", i);
        start_job(*state, id, "{}");
    }
    ask(*state, "POST", "/_sim/clock", "{\"advance\": \"1m\"}", 200, NULL);
    json_object_put(ask_json(*state, "POST", "/_sim/reset", "{\"jobs\": \"odd-*\"}", 200));
    ask(*state, "GET", "/jobs/odd-1", NULL, 404, NULL);
    ask(*state, "GET", "/jobs/even-2", NULL, 200, NULL);
    /* Not the clock: it was not asked for. */
    ask(*state, "POST", "/_sim/reset", "{\"jobs\": \"none\"}", 200,
        "{\"removed\": 0, \"clock\": {\"mode\": \"virtual\", \"now\": "
        "\"2026-01-01T00:01:00.000Z\", "
        "\"rate\": 0, \"frozen\": false, \"moving\": false, \"waiting\": 0, \"participants\": [], "
        "\"held_by\": []}}");
    ask(*state, "POST", "/_sim/reset", "{}", 200,
        "{\"removed\": 300, \"clock\": {\"mode\": \"virtual\", \"now\": "
        "\"2026-01-01T00:00:00.000Z\", "
        "\"rate\": 0, \"frozen\": false, \"moving\": false, \"waiting\": 0, \"participants\": [], "
        "\"held_by\": []}}");
    ask(*state, "GET", "/jobs", NULL, 200, "{\"jobs\": [], \"next\": null}");
    ask(*state, "POST", "/_sim/reset", "{\"jobs\": \"\"}", 400,
        "{\"error\": \"jobs is no pattern of ids: * stands for any text and ? for one "
        "character\"}");
    ask(*state, "POST", "/_sim/reset", "{\"all\": true}", 400,
        "{\"error\": \"unknown member \\\"all\\\": this takes jobs, a pattern of ids, or "
        "nothing\"}");
}

/* ---- the configuration ---- */

static const char *setting(struct json_object *config, const char *section, const char *key,
                           const char *what)
{
    struct json_object *sections = json_object_object_get(config, "sections"), *found;

    for (size_t i = 0; i < json_object_array_length(sections); i++) {
        struct json_object *one = json_object_array_get_idx(sections, i);

        if (strcmp(member_text(one, "section"), section) == 0 &&
            json_object_object_get_ex(json_object_object_get(one, "settings"), key, &found))
            return member_text(found, what);
    }
    fail_msg("no [%s] %s in %s", section, key, json_object_to_json_string(config));
    return NULL;
}

static void what_is_in_force(void **state)
{
    char folder[FOLDER_ROOM], path[FOLDER_ROOM + 16], where[FOLDER_ROOM + 32];
    struct http_response response;
    struct json_object *config;
    struct vtsimd vtsimd;
    FILE *file;

    (void)state;
    folder_make(folder);
    snprintf(path, sizeof(path), "%s/a.ini", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("[server]\nmax_jobs = 77\n\n[behaviour slow]\nplugin = fixed_delay\ndelay = 2m\n"
          "[rule all]\njob_id = x-*\nbehaviour = slow\n[control]\ntoken = s3cret\n",
          file);
    assert_int_equal(fclose(file), 0);
    server_start(&vtsimd, "-c", path, "-s", "server/seed=9", NULL);
    ask_with(&vtsimd, "GET", "/_sim/config", "Authorization: Bearer s3cret\r\n", NULL, &response);
    assert_int_equal(response.status, 200);
    assert_null(strstr(response.body, "s3cret"));
    config = json_tokener_parse(response.body);
    http_response_finish(&response);
    snprintf(where, sizeof(where), "%s:2", path);
    assert_string_equal(setting(config, "server", "max_jobs", "value"), "77");
    assert_string_equal(setting(config, "server", "max_jobs", "from"), where);
    assert_string_equal(setting(config, "server", "seed", "value"), "9");
    assert_string_equal(setting(config, "server", "seed", "from"), "-s");
    assert_string_equal(setting(config, "server", "max_body", "value"), "1048576");
    assert_string_equal(setting(config, "server", "max_body", "from"), "default");
    assert_string_equal(setting(config, "control", "token", "value"), "***");
    assert_string_equal(setting(config, "audit", "enabled", "value"), "on");
    assert_string_equal(setting(config, "store", "kind", "value"), "memory");
    snprintf(where, sizeof(where), "%s:6", path);
    assert_string_equal(setting(config, "behaviour slow", "delay", "value"), "2m");
    assert_string_equal(setting(config, "behaviour slow", "delay", "from"), where);
    assert_string_equal(setting(config, "rule all", "job_id", "value"), "x-*");
    json_object_put(config);
    server_stop(&vtsimd);
    folder_remove(folder);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, server_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(no_foreign_host),
        WITH_SERVER(no_foreign_origin),
        WITH_SERVER(each_of_several_counts),
        WITH_SERVER(nothing_changes_by_a_get),
        cmocka_unit_test(names_of_ones_own),
        cmocka_unit_test(only_with_the_token),
        cmocka_unit_test(an_address_of_its_own),
        cmocka_unit_test(not_unguarded),
        WITH_SERVER(a_job_is_ended_by_hand),
        WITH_SERVER(what_is_no_end),
        WITH_SERVER(jobs_are_removed),
        cmocka_unit_test(what_is_in_force),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
