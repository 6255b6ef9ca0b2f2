/* SPDX-License-Identifier: MIT
 *
 * Polls that wait for news, Prefer: wait=N on GET /jobs/ID, through a real vtsimd: what ends them, what the
 * header field may say, clients that leave, and the end of the server. How they count time is seen on a
 * clock that is moved by hand, in tests/service/watch.c. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"
#include "server.h"

#define MANY 64

/* A poll that waits, on a connection of its own. */
static void begin(const struct vtsimd *vtsimd, struct http_connection *connection, const char *id,
                  const char *prefer)
{
    char request[512];

    snprintf(request, sizeof(request), "GET /jobs/%s HTTP/1.1\r\nHost: x\r\nPrefer: %s\r\n\r\n", id,
             prefer);
    http_connect(connection, vtsimd->port);
    assert_true(http_puts(connection, request));
}

/* Its answer: in this state, and with this Preference-Applied, or NULL. */
static void expect(struct http_connection *connection, const char *job_state, const char *applied)
{
    struct http_response response;
    enum http_end end = http_read(connection, &response);
    const char *given = http_header(&response, "Preference-Applied");
    char wanted[64];

    if (end != HTTP_ANSWER || response.status != 200)
        fail_msg("%d, %d %s", (int)end, response.status, response.body);
    snprintf(wanted, sizeof(wanted), "\"state\": \"%s\"", job_state);
    if (!strstr(response.body, wanted))
        fail_msg("not %s: %s", job_state, response.body);
    if (applied && given)
        assert_string_equal(given, applied);
    else if (applied || given)
        fail_msg("Preference-Applied: %s, not %s", given, applied);
    http_response_finish(&response);
}

static void wait_for(const struct vtsimd *vtsimd, const char *id, const char *prefer,
                     const char *job_state, const char *applied)
{
    struct http_connection connection;

    begin(vtsimd, &connection, id, prefer);
    expect(&connection, job_state, applied);
    http_close(&connection);
}

static int64_t since(int64_t before_ms) { return run_now_ms() - before_ms; }

/* ---- what ends it ---- */

static void until_the_job_ends(void **state)
{
    int64_t before_ms = run_now_ms();
    struct http_response response;

    start_job(*state, "soon", "{\"after\": 150}");
    wait_for(*state, "soon", "wait=60", "completed", "wait=60");
    assert_in_range(since(before_ms), 149, EVENT_MS);
    /* Now it is told at once, and both were one poll each. */
    ask_with(*state, "GET", "/jobs/soon", "Prefer: wait=60\r\n", NULL, &response);
    assert_non_null(strstr(response.body, "\"polls\": 2,"));
    assert_string_equal(http_header(&response, "Preference-Applied"), "wait=60");
    http_response_finish(&response);
    assert_in_range(since(before_ms), 0, EVENT_MS);
}

static void until_its_time_is_over(void **state)
{
    int64_t before_ms = run_now_ms();

    start_job(*state, "long", NULL);
    wait_for(*state, "long", "wait=1", "running", "wait=1");
    assert_in_range(since(before_ms), 999, EVENT_MS);
}

/* By another client, and mostly by another worker. */
static void until_somebody_changes_it(void **state)
{
    struct http_connection waiting[MANY];
    struct vtsimd vtsimd;
    char id[32], target[48];

    (void)state;
    server_start(&vtsimd, "-s", "server/workers=4", NULL);
    start_job(&vtsimd, "all", NULL);
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof(id), i % 2 ? "all" : "each-%d", i);
        if (i % 2 == 0)
            start_job(&vtsimd, id, NULL);
        begin(&vtsimd, &waiting[i], id, "wait=3600");
        wait_for_polls(&vtsimd, id, i % 2 ? i / 2 + 1 : 1);
    }
    for (int i = 0; i < MANY; i += 2) {
        snprintf(target, sizeof(target), "/jobs/each-%d", i);
        ask(&vtsimd, "DELETE", target, NULL, 200, NULL);
        expect(&waiting[i], "cancelled", "wait=60");
        http_close(&waiting[i]);
    }
    ask(&vtsimd, "DELETE", "/jobs/all", NULL, 200, NULL);
    for (int i = 1; i < MANY; i += 2) {
        expect(&waiting[i], "cancelled", "wait=60");
        http_close(&waiting[i]);
    }
    server_stop(&vtsimd);
}

/* The change comes at any moment of the poll's way in. */
static void while_it_comes(void **state)
{
    struct vtsimd vtsimd;
    struct http_connection waiting;
    char id[32], target[48];

    (void)state;
    server_start(&vtsimd, "-s", "server/workers=4", NULL);
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof(id), "race-%d", i);
        snprintf(target, sizeof(target), "/jobs/%s", id);
        start_job(&vtsimd, id, i % 3 ? NULL : "{\"after\": 1}");
        begin(&vtsimd, &waiting, id, "wait=60");
        if (i % 3)
            ask(&vtsimd, "DELETE", target, NULL, 200, NULL);
        expect(&waiting, i % 3 ? "cancelled" : "completed", "wait=60");
        http_close(&waiting);
    }
    server_stop(&vtsimd);
}

/* A job that the next poll moves: it would wait for its client, and the client for it. So a poll that asks to
 * wait is answered at once, and says by what is missing that it was not waited for. */
static void not_where_polls_move_the_job(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, "-s", "server/workers=2", "-s", "server/behaviour=counting", "-s",
                 "behaviour counting/plugin=bender", "-s", "behaviour counting/counts=on", "-s",
                 "behaviour counting/polls=3", NULL);
    start_job(&vtsimd, "counted", NULL);
    wait_for(&vtsimd, "counted", "wait=60", "running", NULL);
    wait_for(&vtsimd, "counted", "wait=60", "running", NULL);
    wait_for(&vtsimd, "counted", "wait=60", "completed", "wait=60");
    server_stop(&vtsimd);
}

static void what_is_told_at_once(void **state)
{
    struct http_response response;
    int64_t before_ms = run_now_ms();

    ask_with(*state, "GET", "/jobs/nobody", "Prefer: wait=60\r\n", NULL, &response);
    assert_int_equal(response.status, 404);
    assert_null(http_header(&response, "Preference-Applied"));
    http_response_finish(&response);
    start_job(*state, "bent", "{\"status\": 503, \"retry_after\": 1000, \"polls\": 1}");
    ask_with(*state, "GET", "/jobs/bent", "Prefer: wait=60\r\n", NULL, &response);
    assert_int_equal(response.status, 503);
    assert_string_equal(http_header(&response, "Retry-After"), "1");
    assert_null(http_header(&response, "Preference-Applied"));
    http_response_finish(&response);
    start_job(*state, "hinted", "{\"retry_after\": 1000}");
    wait_for(*state, "hinted", "wait=60", "running", NULL);
    /* The original API, a listing and a batch know nothing of it. */
    start_job(*state, "plain", NULL);
    ask_with(*state, "GET", "/status?job_id=plain", "Prefer: wait=60\r\n", NULL, &response);
    assert_null(http_header(&response, "Preference-Applied"));
    http_response_finish(&response);
    ask_with(*state, "GET", "/jobs?id=plain", "Prefer: wait=60\r\n", NULL, &response);
    assert_null(http_header(&response, "Preference-Applied"));
    http_response_finish(&response);
    ask_with(*state, "GET", "/jobs", "Prefer: wait=60\r\n", NULL, &response);
    assert_null(http_header(&response, "Preference-Applied"));
    http_response_finish(&response);
    assert_in_range(since(before_ms), 0, EVENT_MS);
}

/* ---- the header field ---- */

static void what_the_field_may_say(void **state)
{
    static const char *const fields[][2] = {
        {"wait=5", "wait=5"},
        {"wait=0", "wait=0"},
        {"wait=60", "wait=60"},
        {"wait=61", "wait=60"}, /* max_wait */
        {"wait=1000000000000000000000000000000", "wait=60"},
        {"wait=0000000000000000000000000000000", "wait=0"},
        {"WAIT=7", "wait=7"},
        {"wait=\"8\"", "wait=8"},
        {"wait = 9", "wait=9"},
        {"  wait=10  ", "wait=10"},
        {"wait=5;x=\"y, wait=6\"", "wait=5"},
        {"wait=1, wait=2", "wait=1"},
        {"respond-async, wait=10", "wait=10"},
        {"respond-async;a=b,wait=10", "wait=10"},
        {"foo=\"a, wait=3\", wait=4", "wait=4"},
        {"foo=\"a\\\", wait=3\", wait=4", "wait=4"},
        {", ,wait=3,", "wait=3"},
        {"handling=lenient\r\nPrefer: wait=11", "wait=11"},
        {"wait=12\r\nPrefer: wait=13", "wait=12"},
        /* What is none is ignored. */
        {"wait=-1", NULL},
        {"wait=+1", NULL},
        {"wait=1.5", NULL},
        {"wait=1e3", NULL},
        {"wait=0x10", NULL},
        {"wait=1s", NULL},
        {"wait=", NULL},
        {"wait", NULL},
        {"wait=\"8", NULL},
        {"wait=\"\"", NULL},
        {"wait=3 4", NULL},
        {"wait=x, wait=3", NULL}, /* the first instance counts */
        {"waiter=3", NULL},
        {"await=3", NULL},
        {"foo=\"open, wait=3", NULL},
        {"", NULL},
        {",", NULL},
        {"=5", NULL},
        {"wait:5", NULL},
        {"\"wait\"=5", NULL}};

    start_job(*state, "over", "{\"after\": 0}");
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        wait_for(*state, "over", fields[i][0], "completed", fields[i][1]);
    start_job(*state, "zero", NULL);
    wait_for(*state, "zero", "wait=0", "running", "wait=0");
    wait_for(*state, "zero", "wait=-1", "running", NULL);
}

static void the_setting(void **state)
{
    static const char *const settings[][3] = {
        {"server/max_wait=0", NULL, "batch, idempotency-key, options, progress, cancel"},
        {"server/max_wait=999ms", NULL, "batch, idempotency-key, options, progress, cancel"},
        {"server/max_wait=1999ms", "wait=1", "batch, wait, idempotency-key, options, progress, cancel"}};
    struct http_response response;
    struct vtsimd vtsimd;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        server_start(&vtsimd, "-s", settings[i][0], NULL);
        start_job(&vtsimd, "x", NULL);
        wait_for(&vtsimd, "x", "wait=30", "running", settings[i][1]);
        http_request(vtsimd.port, "GET", "/none", NULL, &response);
        assert_string_equal(http_header(&response, "Vtsim-Features"), settings[i][2]);
        http_response_finish(&response);
        server_stop(&vtsimd);
    }
}

/* ---- clients that leave, and the end ---- */

static void clients_that_leave(void **state)
{
    struct vtsimd vtsimd;
    struct http_connection waiting[MANY];
    int64_t before_ms;

    (void)state;
    server_start(&vtsimd, "-s", "server/workers=2", "-s", "server/drain_timeout=1h", NULL);
    start_job(&vtsimd, "left", NULL);
    for (int i = 0; i < MANY; i++) {
        begin(&vtsimd, &waiting[i], "left", "wait=60");
        if (i % 3 == 0)
            assert_true(http_puts(&waiting[i], "GET /jobs/left HTTP/1.1\r\nHost: x\r\n\r\nGET /"));
    }
    wait_for_polls(&vtsimd, "left", MANY);
    for (int i = 0; i < MANY; i++)
        if (i % 2)
            http_reset(&waiting[i]);
        else
            http_close(&waiting[i]);
    wait_for_connections(&vtsimd, 0);
    before_ms = processor_ms(vtsimd.pid);
    wait_for(&vtsimd, "left", "wait=1", "running", "wait=1");
    assert_in_range(processor_ms(vtsimd.pid) - before_ms, 0, 300);
    ask(&vtsimd, "DELETE", "/jobs/left", NULL, 200, NULL); /* nobody is there to be told */
    server_stop(&vtsimd);
}

/* Requests behind one that waits are answered after it. */
static void one_behind_another(void **state)
{
    struct http_connection waiting;
    struct http_response response;

    start_job(*state, "piped", NULL);
    begin(*state, &waiting, "piped", "wait=60");
    assert_true(http_puts(&waiting,
                          "DELETE /jobs/piped HTTP/1.1\r\nHost: x\r\n\r\n"
                          "GET /jobs/piped HTTP/1.1\r\nHost: x\r\nPrefer: wait=60\r\n\r\n"));
    wait_for_polls(*state, "piped", 1);
    ask(*state, "DELETE", "/jobs/piped", NULL, 200, NULL);
    expect(&waiting, "cancelled", "wait=60");
    assert_int_equal(http_read(&waiting, &response), HTTP_ANSWER);
    assert_int_equal(response.status, 200);
    http_response_finish(&response);
    expect(&waiting, "cancelled", "wait=60");
    http_close(&waiting);
}

/* It was told to end, and does. */
static void assert_ended(struct vtsimd *vtsimd)
{
    int status = -1;
    char *log;

    assert_true(run_wait(vtsimd->pid, run_now_ms() + EVENT_MS, &status));
    vtsimd->pid = 0;
    log = vtsimd_log(vtsimd);
    if (status != 0 || strstr(log, "Sanitizer") || strstr(log, "cut off"))
        fail_msg("vtsimd ended with %d and logged:\n%s", status, log);
    free(log);
    vtsimd_finish(vtsimd);
}

static void the_end_of_the_server(void **state)
{
    struct vtsimd vtsimd;
    struct http_connection waiting[MANY];

    (void)state;
    server_start(&vtsimd, "-s", "server/workers=2", "-s", "server/drain_timeout=1h", NULL);
    start_job(&vtsimd, "drained", NULL);
    for (int i = 0; i < MANY; i++)
        begin(&vtsimd, &waiting[i], "drained", "wait=60");
    wait_for_polls(&vtsimd, "drained", MANY);
    kill(vtsimd.pid, SIGTERM);
    for (int i = 0; i < MANY; i++) {
        expect(&waiting[i], "running", "wait=60");
        assert_int_equal(http_wait_end(&waiting[i]), HTTP_FIN);
        http_close(&waiting[i]);
    }
    assert_ended(&vtsimd);
}

/* One that is asked for while the server drains waits no more. */
static void while_it_drains(void **state)
{
    struct vtsimd vtsimd;
    struct http_connection stalled, kept;
    struct http_response response;
    bool draining = false;

    (void)state;
    server_start(&vtsimd, "-s", "server/drain_timeout=1h", NULL);
    start_job(&vtsimd, "stalled", "{\"stall\": 3600000}");
    start_job(&vtsimd, "other", NULL);
    http_connect(&stalled, vtsimd.port);
    assert_true(http_send_request(&stalled, "GET", "/jobs/stalled", NULL));
    wait_for_polls(&vtsimd, "stalled", 1);
    http_connect(&kept, vtsimd.port);
    assert_true(http_send_request(&kept, "GET", "/jobs/other", NULL));
    expect(&kept, "running", NULL);
    kill(vtsimd.pid, SIGTERM);
    while (!draining) {
        char *log = vtsimd_log(&vtsimd);

        draining = strstr(log, "finishing the answers under way");
        free(log);
    }
    assert_true(http_puts(&kept, "GET /jobs/other HTTP/1.1\r\nHost: x\r\nPrefer: wait=60\r\n\r\n"));
    assert_int_equal(http_read(&kept, &response), HTTP_ANSWER);
    assert_int_equal(response.status, 200);
    assert_string_equal(http_header(&response, "Connection"), "close");
    http_response_finish(&response);
    http_close(&kept);
    http_close(&stalled);
    assert_ended(&vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(until_the_job_ends),           cmocka_unit_test(until_its_time_is_over),
        cmocka_unit_test(until_somebody_changes_it),    cmocka_unit_test(while_it_comes),
        cmocka_unit_test(not_where_polls_move_the_job), cmocka_unit_test(what_is_told_at_once),
        cmocka_unit_test(what_the_field_may_say),       cmocka_unit_test(the_setting),
        cmocka_unit_test(clients_that_leave),           cmocka_unit_test(one_behind_another),
        cmocka_unit_test(the_end_of_the_server),        cmocka_unit_test(while_it_drains),
    };

    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
