/* SPDX-License-Identifier: MIT
 *
 * Clients that leave while their answer is stalled or dribbled: by FIN, by RST, with and without a
 * request behind. The server notices, lets go of the connection, does not spin, and goes on. (evhttp
 * by itself notices none of it, and the simple remedies end the process or spin.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"
#include "server.h"

enum leave { BY_FIN, BY_RST, BY_HALF };

/* A request whose answer takes an hour. */
struct waiting {
    struct http_connection connection;
    char id[32];
};

static const char behind[] = "GET /_sim/health HTTP/1.1\r\nHost: x\r\n\r\n"
                             "POST /start HTTP/1.1\r\nHost: x\r\nContent-Length: 1";

static void begin(const struct vtsimd *vtsimd, struct waiting *waiting, const char *id,
                  bool dribbled, bool with_behind)
{
    char request[512];

    snprintf(waiting->id, sizeof(waiting->id), "%s", id);
    start_job(vtsimd, id, dribbled ? "{\"dribble\": 3600000}" : "{\"stall\": 3600000}");
    snprintf(request, sizeof(request), "GET /status?job_id=%s HTTP/1.1\r\nHost: x\r\n\r\n%s", id,
             with_behind ? behind : "");
    http_connect(&waiting->connection, vtsimd->port);
    assert_true(http_puts(&waiting->connection, request));
    wait_for_polls(vtsimd, id, 1);
}

static void leave(struct waiting *waiting, enum leave by)
{
    if (by == BY_RST)
        http_reset(&waiting->connection);
    else if (by == BY_FIN)
        http_close(&waiting->connection);
    else
        http_half_close(&waiting->connection);
}

/* The time that the server takes on the processor while half a second passes on its own clock: that
 * of a stalled answer, which is waited for. */
static int64_t processor_in_half_a_second(const struct vtsimd *vtsimd, const char *id)
{
    char target[64];
    int64_t before;

    start_job(vtsimd, id, "{\"stall\": 500}");
    snprintf(target, sizeof(target), "/status?job_id=%s", id);
    before = processor_ms(vtsimd->pid);
    ask(vtsimd, "GET", target, NULL, 200, NULL);
    return processor_ms(vtsimd->pid) - before;
}

/* One way to leave, five times in a row. */
static void leave_in_one_way(const struct vtsimd *vtsimd, int way)
{
    bool dribbled = way & 1, before = way & 2, after = way & 4;
    enum leave by = (enum leave)(way >> 3);
    struct waiting waiting;
    char id[32];

    for (int round = 0; round < 5; round++) {
        snprintf(id, sizeof(id), "w%d-%d", way, round);
        begin(vtsimd, &waiting, id, dribbled, before);
        if (after)
            assert_true(http_puts(&waiting.connection, behind));
        leave(&waiting, by);
        wait_for_connections(vtsimd, 0);
        if (by == BY_HALF)
            http_close(&waiting.connection);
    }
}

static void in_every_way(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, NULL);
    ask(&vtsimd, "GET", "/_sim/health", NULL, 200, NULL);
    for (int way = 0; way < 3 * 8; way++)
        leave_in_one_way(&vtsimd, way);
    assert_in_range(processor_in_half_a_second(&vtsimd, "spin"), 0, 200);
    server_stop(&vtsimd);
}

/* Pipelined bytes wake nothing for long: the server is idle while its clients wait. */
static void waiting_clients_cost_nothing(void **state)
{
    struct vtsimd vtsimd;
    struct waiting waiting[16];
    char id[32];

    (void)state;
    server_start(&vtsimd, NULL);
    for (int i = 0; i < 16; i++) {
        snprintf(id, sizeof(id), "c%d", i);
        begin(&vtsimd, &waiting[i], id, i & 1, i & 2);
        if (i & 4)
            assert_true(http_puts(&waiting[i].connection, behind));
    }
    assert_in_range(processor_in_half_a_second(&vtsimd, "spin"), 0, 200);
    for (int i = 0; i < 16; i++)
        leave(&waiting[i], i & 8 ? BY_FIN : BY_RST);
    assert_in_range(processor_in_half_a_second(&vtsimd, "spin2"), 0, 200);
    server_stop(&vtsimd);
}

/* Many at once, on several workers, some with a whole megabyte behind. */
static void many_at_once(void **state)
{
    struct vtsimd vtsimd;
    struct waiting *waiting = calloc(200, sizeof(*waiting));
    char *megabyte = malloc(1 << 20);
    char id[32];

    (void)state;
    assert_non_null(waiting);
    assert_non_null(megabyte);
    memset(megabyte, 'x', 1 << 20);
    server_start(&vtsimd, "-s", "server/workers=3", NULL);
    ask(&vtsimd, "GET", "/_sim/health", NULL, 200, NULL);
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof(id), "m%d", i);
        begin(&vtsimd, &waiting[i], id, i & 1, i & 2);
        waiting[i].connection.timeout_ms = 1;
        if (i % 25 == 0) /* as much of it as goes without anybody reading */
            http_send(&waiting[i].connection, megabyte, 1 << 20);
    }
    for (int i = 0; i < 200; i++)
        /* A FIN behind more bytes than anybody takes in does not reach the server. */
        leave(&waiting[i], i % 3 && i % 25 ? BY_FIN : BY_RST);
    wait_for_connections(&vtsimd, 0);
    ask(&vtsimd, "GET", "/status?job_id=nobody", NULL, 404, NULL);
    free(megabyte);
    free(waiting);
    server_stop(&vtsimd);
}

/* The request behind a stalled answer is answered in its turn, if the client stays. */
static void the_one_behind_is_answered(void **state)
{
    struct vtsimd vtsimd;
    struct http_connection connection;
    struct http_response response;

    (void)state;
    server_start(&vtsimd, NULL);
    start_job(&vtsimd, "short", "{\"stall\": 100}");
    http_connect(&connection, vtsimd.port);
    assert_true(http_puts(&connection, "GET /status?job_id=short HTTP/1.1\r\n\r\n"
                                       "GET /status?job_id=none HTTP/1.1\r\n\r\nGET /st"));
    wait_for_polls(&vtsimd, "short", 1);
    assert_true(http_puts(&connection, "atus?job_id=none HTTP/1.1\r\n\r\n"));
    assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
    assert_string_equal(response.body, "{\"job_id\": \"short\", \"status\": \"pending\"}");
    http_response_finish(&response);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
        assert_int_equal(response.status, 404);
        http_response_finish(&response);
    }
    http_close(&connection);
    server_stop(&vtsimd);
}

/* A client that leaves just as its answer goes out. */
static void in_the_moment_of_the_answer(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, NULL);
    start_job(&vtsimd, "brief", "{\"stall\": 3}");
    start_job(&vtsimd, "drops", "{\"dribble\": 60, \"stall\": 1}");
    ask(&vtsimd, "GET", "/_sim/health", NULL, 200, NULL);
    for (int i = 0; i < 100; i++) {
        struct http_connection connection;
        char byte;
        enum http_end end;

        http_connect(&connection, vtsimd.port);
        assert_true(http_send_request(
            &connection, "GET", i & 1 ? "/status?job_id=brief" : "/status?job_id=drops", NULL));
        if (i & 2)
            assert_true(http_puts(&connection, behind));
        if (i & 4)
            assert_int_equal(http_read_some(&connection, &byte, 1, &end), 1);
        if (i & 8)
            http_reset(&connection);
        else
            http_close(&connection);
    }
    wait_for_connections(&vtsimd, 0);
    server_stop(&vtsimd);
}

/* A client that does not read: what it is owed waits, and others are served. */
static void a_client_that_does_not_read(void **state)
{
    struct vtsimd vtsimd;
    struct http_connection connection;
    char body[600], word[256];

    (void)state;
    server_start(&vtsimd, "-s", "server/idle_timeout=3s", NULL);
    memset(word, 'i', 255);
    word[255] = '\0';
    for (int i = 0; i < 300; i++) {
        snprintf(body, sizeof(body), "{\"job_id\": \"%d-%.240s\"}", i, word);
        ask(&vtsimd, "POST", "/start", body, 200, NULL);
    }
    http_connect(&connection, vtsimd.port);
    connection.timeout_ms = 100;
    for (int i = 0; i < 2000; i++)
        if (!http_puts(&connection, "GET /jobs?limit=1000 HTTP/1.1\r\n\r\n"))
            break;
    ask(&vtsimd, "GET", "/status?job_id=nobody", NULL, 404, NULL);
    /* Its answers cannot be written for longer than idle_timeout. */
    wait_for_connections(&vtsimd, 0);
    http_close(&connection);
    server_stop(&vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_every_way),
        cmocka_unit_test(waiting_clients_cost_nothing),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(the_one_behind_is_answered),
        cmocka_unit_test(in_the_moment_of_the_answer),
        cmocka_unit_test(a_client_that_does_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
