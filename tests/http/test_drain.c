/* SPDX-License-Identifier: MIT
 *
 * How a vtsimd ends: a first signal lets the answers under way go out, a second one ends it at once,
 * and nobody else can hold it up. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "run.h"
#include "server.h"

/* Waits for the end; the exit status. */
static int ended(struct vtsimd *vtsimd, int64_t within_ms)
{
    int status = -1;

    if (!run_wait(vtsimd->pid, run_now_ms() + within_ms, &status))
        fail_msg("vtsimd still runs after %d ms", (int)within_ms);
    vtsimd->pid = 0;
    return status;
}

static void wait_for_draining(struct vtsimd *vtsimd)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;
    bool there = false;

    while (!there) {
        char *log = vtsimd_log(vtsimd);

        there = strstr(log, "finishing the answers under way (again: end at once)");
        free(log);
        if (!there && run_now_ms() > until_ms)
            fail_msg("vtsimd does not drain");
    }
}

static void ask_stalled(const struct vtsimd *vtsimd, const char *id, const char *input,
                        struct http_connection *connection)
{
    char target[64];

    start_job(vtsimd, id, input);
    snprintf(target, sizeof(target), "/status?job_id=%s", id);
    http_connect(connection, vtsimd->port);
    assert_true(http_send_request(connection, "GET", target, NULL));
    wait_for_polls(vtsimd, id, 1);
}

static void answers_under_way_arrive(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT};
    static const char *const names[] = {"Terminated", "Interrupt"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct vtsimd vtsimd;
        struct http_connection stalled, dribbled;
        struct http_response response;
        char *log;

        server_start(&vtsimd, "-s", "server/workers=2", NULL);
        ask_stalled(&vtsimd, "s", "{\"stall\": 1000}", &stalled);
        ask_stalled(&vtsimd, "d", "{\"dribble\": 1000}", &dribbled);
        kill(vtsimd.pid, signals[i]);
        wait_for_draining(&vtsimd);
        assert_int_equal(http_read(&stalled, &response), HTTP_ANSWER);
        assert_string_equal(response.body, "{\"job_id\": \"s\", \"status\": \"pending\"}");
        assert_string_equal(http_header(&response, "Connection"), "close");
        http_response_finish(&response);
        assert_int_equal(http_read(&dribbled, &response), HTTP_ANSWER);
        assert_string_equal(response.body, "{\"job_id\": \"d\", \"status\": \"pending\"}");
        http_response_finish(&response);
        assert_int_equal(ended(&vtsimd, EVENT_MS), 0);
        log = vtsimd_log(&vtsimd);
        assert_non_null(strstr(log, names[i]));
        assert_null(strstr(log, "Sanitizer"));
        free(log);
        http_close(&stalled);
        http_close(&dribbled);
        vtsimd_finish(&vtsimd);
    }
}

/* A connection that asks for far more than the system takes in, and reads nothing yet. */
static void ask_for_much(struct vtsimd *vtsimd, struct http_connection *connection)
{
    char body[600], word[256];
    int small = 65536;

    memset(word, 'i', 255);
    word[255] = '\0';
    for (int i = 0; i < 1000; i++) {
        snprintf(body, sizeof(body), "{\"job_id\": \"%d-%.240s\"}", i, word);
        ask(vtsimd, "POST", "/start", body, 200, NULL);
    }
    http_connect(connection, vtsimd->port);
    setsockopt(connection->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    for (int i = 0; i < 20; i++)
        assert_true(http_puts(connection, "GET /jobs?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n"));
    start_job(vtsimd, "after", NULL); /* one worker: it has come to them by now */
}

/* What was handed to the system for a slow reader is whole, too. */
static void a_large_answer_arrives_whole(void **state)
{
    struct vtsimd vtsimd;
    struct http_connection connection;
    struct http_response response;
    enum http_end end;
    int whole = -1;

    (void)state;
    server_start(&vtsimd, "-s", "server/drain_timeout=20s", NULL);
    ask_for_much(&vtsimd, &connection);
    kill(vtsimd.pid, SIGTERM);
    wait_for_draining(&vtsimd);
    do {
        end = http_read(&connection, &response);
        if (end == HTTP_ANSWER)
            assert_ends(response.body, "}");
        else if (end != HTTP_FIN && end != HTTP_RST)
            fail_msg("answer %d ends with %d after %zu bytes", whole, (int)end,
                     response.body_length);
        http_response_finish(&response);
        whole++;
    } while (end == HTTP_ANSWER);
    assert_true(whole > 0);
    assert_int_equal(ended(&vtsimd, EVENT_MS), 0);
    http_close(&connection);
    vtsimd_finish(&vtsimd);
}

/* One that does not read at all is waited for as long as drain_timeout says, or until it leaves. */
static void a_large_answer_that_nobody_reads(void **state)
{
    (void)state;
    for (int leaves = 0; leaves < 3; leaves++) {
        struct vtsimd vtsimd;
        struct http_connection connection;
        char *log;

        server_start(&vtsimd, "-s",
                     leaves ? "server/drain_timeout=1h" : "server/drain_timeout=200ms", NULL);
        ask_for_much(&vtsimd, &connection);
        kill(vtsimd.pid, SIGTERM);
        wait_for_draining(&vtsimd);
        if (leaves == 1)
            http_close(&connection);
        else if (leaves == 2)
            http_reset(&connection);
        assert_int_equal(ended(&vtsimd, EVENT_MS), 0);
        log = vtsimd_log(&vtsimd);
        assert_null(strstr(log, "Sanitizer"));
        free(log);
        http_close(&connection);
        vtsimd_finish(&vtsimd);
    }
}

static void a_second_signal_ends_at_once(void **state)
{
    static const int seconds[] = {SIGTERM, SIGINT};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct vtsimd vtsimd;
        struct http_connection connection;

        server_start(&vtsimd, "-s", "server/drain_timeout=1h", NULL);
        ask_stalled(&vtsimd, "s", "{\"stall\": 3600000}", &connection);
        kill(vtsimd.pid, SIGTERM);
        wait_for_draining(&vtsimd);
        /* It waits for the answer. */
        assert_false(run_wait(vtsimd.pid, run_now_ms() + 100, &(int){0}));
        kill(vtsimd.pid, seconds[i]);
        assert_int_equal(ended(&vtsimd, EVENT_MS), 128 + seconds[i]);
        http_close(&connection);
        vtsimd_finish(&vtsimd);
    }
}

static void idle_connections_do_not_hold_it_up(void **state)
{
    static const char *const starts[] = {"", "GET /status HTTP/1.1\r\nHost: x\r\n",
                                         "POST /start HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"};
    struct vtsimd vtsimd;
    struct http_connection connections[4];
    struct http_response response;

    (void)state;
    server_start(&vtsimd, "-s", "server/drain_timeout=1h", NULL);
    for (int i = 0; i < 3; i++) {
        http_connect(&connections[i], vtsimd.port);
        assert_true(http_puts(&connections[i], starts[i]));
    }
    http_connect(&connections[3], vtsimd.port);
    assert_true(http_send_request(&connections[3], "GET", "/_sim/health", NULL));
    assert_int_equal(http_read(&connections[3], &response), HTTP_ANSWER);
    http_response_finish(&response);
    kill(vtsimd.pid, SIGTERM);
    assert_int_equal(ended(&vtsimd, EVENT_MS), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_not_equal(http_wait_end(&connections[i]), HTTP_TIMED_OUT);
        http_close(&connections[i]);
    }
    vtsimd_finish(&vtsimd);
}

static void drain_timeout(void **state)
{
    struct vtsimd vtsimd;
    struct http_connection connection;
    char *log;
    int64_t before;

    (void)state;
    server_start(&vtsimd, "-s", "server/drain_timeout=300ms", NULL);
    ask_stalled(&vtsimd, "s", "{\"stall\": 3600000}", &connection);
    before = run_now_ms();
    kill(vtsimd.pid, SIGTERM);
    assert_int_equal(ended(&vtsimd, EVENT_MS), 0);
    assert_true(run_now_ms() - before >= 290);
    assert_int_not_equal(http_wait_end(&connection), HTTP_TIMED_OUT);
    log = vtsimd_log(&vtsimd);
    assert_non_null(strstr(log, "the time to drain is over, answers cut off: 1"));
    assert_null(strstr(log, "Sanitizer"));
    free(log);
    http_close(&connection);
    vtsimd_finish(&vtsimd);
}

/* A client that leaves while the server drains: there is nothing left to wait for. */
static void a_client_that_leaves_meanwhile(void **state)
{
    struct vtsimd vtsimd;
    struct http_connection connection;

    (void)state;
    server_start(&vtsimd, "-s", "server/drain_timeout=1h", "-s", "server/workers=2", NULL);
    ask_stalled(&vtsimd, "s", "{\"stall\": 3600000}", &connection);
    kill(vtsimd.pid, SIGTERM);
    wait_for_draining(&vtsimd);
    http_close(&connection);
    assert_int_equal(ended(&vtsimd, EVENT_MS), 0);
    vtsimd_finish(&vtsimd);
}

/* While it drains it takes no new connections, and tells those it has that it is leaving. */
static void while_it_drains(void **state)
{
    struct vtsimd vtsimd;
    struct http_connection stalled, kept;
    struct http_response response;
    struct json_object *health;

    (void)state;
    server_start(&vtsimd, "-s", "server/drain_timeout=1h", NULL);
    http_connect(&kept, vtsimd.port);
    assert_true(http_send_request(&kept, "GET", "/_sim/health", NULL));
    assert_int_equal(http_read(&kept, &response), HTTP_ANSWER);
    assert_null(http_header(&response, "Connection"));
    http_response_finish(&response);
    ask_stalled(&vtsimd, "s", "{\"stall\": 3600000}", &stalled);
    kill(vtsimd.pid, SIGTERM);
    wait_for_draining(&vtsimd);
    do { /* the log is written before the workers know */
        assert_true(http_send_request(&kept, "GET", "/_sim/health", NULL));
        assert_int_equal(http_read(&kept, &response), HTTP_ANSWER);
        health = json_tokener_parse(response.body);
        if (strcmp(member_text(health, "status"), "draining") == 0)
            break;
        json_object_put(health);
        http_response_finish(&response);
    } while (true);
    json_object_put(health);
    assert_string_equal(http_header(&response, "Connection"), "close");
    http_response_finish(&response);
    assert_int_equal(http_wait_end(&kept), HTTP_FIN);
    http_close(&kept);
    http_close(&stalled);
    assert_int_equal(ended(&vtsimd, EVENT_MS), 0);
    vtsimd_finish(&vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_under_way_arrive),
        cmocka_unit_test(a_large_answer_arrives_whole),
        cmocka_unit_test(a_large_answer_that_nobody_reads),
        cmocka_unit_test(a_second_signal_ends_at_once),
        cmocka_unit_test(idle_connections_do_not_hold_it_up),
        cmocka_unit_test(drain_timeout),
        cmocka_unit_test(a_client_that_leaves_meanwhile),
        cmocka_unit_test(while_it_drains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
