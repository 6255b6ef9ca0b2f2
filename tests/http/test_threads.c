/* SPDX-License-Identifier: MIT
 *
 * Several workers, many connections, requests in a row without waiting: every answer comes, in order,
 * and a job is one job whoever asks. For the thread sanitizer, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"
#include "server.h"

#define CONNECTIONS 64

static void read_one(struct http_connection *connection, int status, const char *body)
{
    struct http_response response;
    enum http_end end = http_read(connection, &response);

    if (end != HTTP_ANSWER || response.status != status)
        fail_msg("end %d, status %d instead of %d: %s", (int)end, response.status, status,
                 response.body ? response.body : "");
    if (body)
        assert_string_equal(response.body, body);
    http_response_finish(&response);
}

/* ---- one connection ---- */

static void a_connection_is_kept(void **state)
{
    struct http_connection connection;
    struct http_response response;
    char *request;

    http_connect(&connection, ((struct vtsimd *)*state)->port);
    for (int i = 0; i < 300; i++) {
        assert_true(http_send_request(&connection, "GET", "/status?job_id=nobody", NULL));
        read_one(&connection, 404, "{\"error\": \"there is no job of this id\"}");
    }
    request = request_text("GET", "/status?job_id=nobody", "Connection: close\r\n", NULL);
    assert_true(http_puts(&connection, request));
    assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
    http_response_finish(&response);
    assert_int_equal(http_wait_end(&connection), HTTP_FIN);
    http_close(&connection);
    free(request);
}

static void a_hundred_requests_in_one_write(void **state)
{
    struct http_connection connection;
    char *all = calloc(1, 100 * 300), answer[128], body[64];
    size_t length = 0;

    assert_non_null(all);
    http_connect(&connection, ((struct vtsimd *)*state)->port);
    for (int i = 0; i < 100; i++) {
        snprintf(body, sizeof(body), "{\"job_id\": \"pipe-%d\"}", i / 2);
        if (i % 2 == 0)
            length += (size_t)sprintf(all + length,
                                      "POST /start HTTP/1.1\r\nHost: x\r\nContent-Length: "
                                      "%zu\r\n\r\n%s",
                                      strlen(body), body);
        else
            length += (size_t)sprintf(
                all + length, "GET /status?job_id=pipe-%d HTTP/1.1\r\nHost: x\r\n\r\n", i / 2);
    }
    assert_true(http_send(&connection, all, length));
    for (int i = 0; i < 100; i++) {
        snprintf(answer, sizeof(answer),
                 i % 2 ? "{\"job_id\": \"pipe-%d\", \"status\": \"pending\"}"
                       : "{\"message\": \"Job started\", \"job_id\": \"pipe-%d\"}",
                 i / 2);
        read_one(&connection, 200, answer);
    }
    http_close(&connection);
    free(all);
}

static void one_byte_at_a_time(void **state)
{
    static const char request[] = "POST /start HTTP/1.1\r\nHost: x\r\nContent-Length: 19\r\n\r\n"
                                  "{\"job_id\": \"bytes\"}GET /status?job_id=bytes HTTP/1.1\r\n"
                                  "Host: x\r\n\r\n";
    struct http_connection connection;

    http_connect(&connection, ((struct vtsimd *)*state)->port);
    for (size_t i = 0; request[i]; i++)
        assert_true(http_send(&connection, request + i, 1));
    read_one(&connection, 200, NULL);
    read_one(&connection, 200, "{\"job_id\": \"bytes\", \"status\": \"pending\"}");
    http_close(&connection);
}

/* Stalled answers keep their place in the row. */
static void stalls_in_a_row(void **state)
{
    struct http_connection connection;
    char id[16], input[32], target[128], answer[128];

    http_connect(&connection, ((struct vtsimd *)*state)->port);
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof(id), "row%d", i);
        snprintf(input, sizeof(input), "{\"stall\": %d}", (10 - i) * 3);
        start_job(*state, id, input);
    }
    for (int i = 0; i < 20; i++) {
        snprintf(target, sizeof(target), "/status?job_id=row%d", i / 2);
        assert_true(http_send_request(&connection, i % 2 ? "HEAD" : "GET", target, NULL));
    }
    for (int i = 0; i < 20; i++) {
        snprintf(answer, sizeof(answer), "{\"job_id\": \"row%d\", \"status\": \"pending\"}", i / 2);
        connection.head = i % 2;
        read_one(&connection, 200, i % 2 ? "" : answer);
    }
    http_close(&connection);
}

/* ---- many connections ---- */

static void open_all(const struct vtsimd *vtsimd, struct http_connection *connections)
{
    for (int i = 0; i < CONNECTIONS; i++)
        http_connect(&connections[i], vtsimd->port);
}

static void close_all(struct http_connection *connections)
{
    for (int i = 0; i < CONNECTIONS; i++)
        http_close(&connections[i]);
}

/* All at once want to start the same job: one does. */
static void one_start_wins(void **state)
{
    struct http_connection connections[CONNECTIONS];
    char body[64];

    open_all(*state, connections);
    for (int round = 0; round < 20; round++) {
        int won = 0;

        snprintf(body, sizeof(body), "{\"job_id\": \"race-%d\"}", round);
        for (int i = 0; i < CONNECTIONS; i++)
            assert_true(http_send_request(&connections[i], "POST", "/start", body));
        for (int i = 0; i < CONNECTIONS; i++) {
            struct http_response response;

            assert_int_equal(http_read(&connections[i], &response), HTTP_ANSWER);
            assert_true(response.status == 200 || response.status == 409);
            won += response.status == 200;
            http_response_finish(&response);
        }
        assert_int_equal(won, 1);
    }
    close_all(connections);
}

/* Every poll is counted, though they come from all sides. */
static void every_poll_counts(void **state)
{
    struct http_connection connections[CONNECTIONS];
    struct json_object *job;

    start_job(*state, "counted", "{\"end\": \"never\"}");
    open_all(*state, connections);
    for (int round = 0; round < 10; round++)
        for (int i = 0; i < CONNECTIONS; i++)
            assert_true(http_send_request(&connections[i], "GET", "/status?job_id=counted", NULL));
    for (int round = 0; round < 10; round++)
        for (int i = 0; i < CONNECTIONS; i++)
            read_one(&connections[i], 200, "{\"job_id\": \"counted\", \"status\": \"pending\"}");
    close_all(connections);
    job = ask_json(*state, "GET", "/jobs/counted", NULL, 200);
    assert_int_equal(json_object_get_int(json_object_object_get(job, "polls")),
                     10 * CONNECTIONS + 1);
    json_object_put(job);
}

/* Everything at once: starts, polls, cancels, listings, health, wakes, clients that leave. */
static void everything_at_once(void **state)
{
    static const char *const inputs[] = {
        "{\"after\": 1}",       "{\"after\": 2, \"end\": \"error\"}",
        "{\"stall\": 5}",       "{\"dribble\": 30}",
        "{\"cut\": \"reset\"}", "{\"cancel\": \"slowly\", \"cancel_after\": 2}"};
    const struct vtsimd *vtsimd = *state;
    struct http_connection connections[CONNECTIONS];
    struct json_object *health, *jobs;
    char body[256], target[128];

    ask(vtsimd, "GET", "/_sim/health", NULL, 200, NULL);
    for (int round = 0; round < 10; round++) {
        open_all(vtsimd, connections);
        for (int i = 0; i < CONNECTIONS; i++) {
            snprintf(body, sizeof(body), "{\"id\": \"all-%d-%d\", \"input\": %s}", round, i,
                     inputs[i % 6]);
            http_send_request(&connections[i], "POST", "/jobs", body);
            /* The polls are for its neighbour's job, which may or may not be there yet. */
            snprintf(target, sizeof(target), "/status?job_id=all-%d-%d", round, i ^ 1);
            http_send_request(&connections[i], "GET", target, NULL);
            snprintf(target, sizeof(target), "/jobs/all-%d-%d", round, i ^ 1);
            http_send_request(&connections[i], i % 3 ? "GET" : "DELETE", target, NULL);
            http_send_request(&connections[i], "GET", i % 2 ? "/jobs?limit=20" : "/_sim/health",
                              NULL);
        }
        for (int i = 0; i < CONNECTIONS; i++) {
            struct http_response response;

            if (i % 4 == 3) {
                http_reset(&connections[i]);
                continue;
            }
            /* The first answer comes in any case; the others may be broken. */
            assert_int_equal(http_read(&connections[i], &response), HTTP_ANSWER);
            assert_int_equal(response.status, 201);
            http_response_finish(&response);
            for (int more = 0; more < 3; more++) {
                enum http_end end = http_read(&connections[i], &response);

                http_response_finish(&response);
                assert_int_not_equal(end, HTTP_TIMED_OUT);
                if (end != HTTP_ANSWER)
                    break;
            }
        }
        close_all(connections);
    }
    wait_for_connections(vtsimd, 0);
    health = ask_json(vtsimd, "GET", "/_sim/health", NULL, 200);
    jobs = json_object_object_get(health, "jobs");
    assert_true(json_object_get_int(json_object_object_get(jobs, "completed")) > 0);
    json_object_put(health);
}

static int several_workers(void **state)
{
    struct vtsimd *vtsimd = calloc(1, sizeof(*vtsimd));

    if (!vtsimd)
        return -1;
    server_start(vtsimd, "-s", "server/workers=4", NULL);
    *state = vtsimd;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_kept), cmocka_unit_test(a_hundred_requests_in_one_write),
        cmocka_unit_test(one_byte_at_a_time),   cmocka_unit_test(stalls_in_a_row),
        cmocka_unit_test(one_start_wins),       cmocka_unit_test(every_poll_counts),
        cmocka_unit_test(everything_at_once),
    };

    return cmocka_run_group_tests(tests, several_workers, server_teardown);
}
