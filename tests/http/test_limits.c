/* SPDX-License-Identifier: MIT
 *
 * The limits of a vtsimd: each is told as it should be, and the server recovers from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "run.h"
#include "server.h"

/* ---- jobs ---- */

static void max_jobs(void **state)
{
    static const char full[] = "{\"error\": \"there are as many jobs as max_jobs allows (3)\"}";
    struct vtsimd vtsimd;
    struct http_response response;

    (void)state;
    server_start(&vtsimd, "-s", "server/max_jobs=3", NULL);
    for (const char *name = "abc"; *name; name++)
        start_job(&vtsimd, (char[]){*name, '\0'}, NULL);
    http_request(vtsimd.port, "POST", "/start", "{\"job_id\": \"d\"}", &response);
    assert_int_equal(response.status, 503);
    assert_string_equal(http_header(&response, "Retry-After"), "1");
    assert_string_equal(response.body, full);
    http_response_finish(&response);
    ask(&vtsimd, "POST", "/jobs", "{}", 503, full);
    /* A start that is there already is told so all the same, and the jobs go on. */
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"a\"}", 409, NULL);
    ask(&vtsimd, "GET", "/status?job_id=a", NULL, 200, NULL);
    ask(&vtsimd, "DELETE", "/jobs/a", NULL, 200, NULL);
    ask(&vtsimd, "GET", "/status?job_id=d", NULL, 404, NULL);
    server_stop(&vtsimd);
}

/* Ended jobs are forgotten, which makes room. */
static void keep_ended(void **state)
{
    struct vtsimd vtsimd;
    int64_t until_ms = run_now_ms() + EVENT_MS;
    int status;

    (void)state;
    server_start(&vtsimd, "-s", "server/max_jobs=1", "-s", "server/keep_ended=50ms", NULL);
    start_job(&vtsimd, "first", "{\"after\": 0}");
    do {
        struct http_response response;

        http_request(vtsimd.port, "POST", "/start", "{\"job_id\": \"second\"}", &response);
        status = response.status;
        assert_true(status == 200 || status == 503);
        http_response_finish(&response);
    } while (status != 200 && run_now_ms() < until_ms);
    assert_int_equal(status, 200);
    ask(&vtsimd, "GET", "/status?job_id=first", NULL, 404, NULL);
    ask(&vtsimd, "GET", "/status?job_id=second", NULL, 200, NULL);
    server_stop(&vtsimd);
}

/* ---- connections ---- */

/* Asks on a connection that stays. */
static int ask_on(struct http_connection *connection, struct http_response *response)
{
    assert_true(http_send_request(connection, "GET", "/status?job_id=a", NULL));
    assert_int_equal(http_read(connection, response), HTTP_ANSWER);
    return response->status;
}

static void max_connections(void **state)
{
    struct vtsimd vtsimd;
    struct http_connection connections[4];
    struct http_response response;
    int64_t until_ms;
    int status;

    (void)state;
    server_start(&vtsimd, "-s", "server/max_connections=3", NULL);
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"a\"}", 200, NULL);
    for (int i = 0; i < 3; i++) {
        http_connect(&connections[i], vtsimd.port);
        assert_int_equal(ask_on(&connections[i], &response), 200);
        http_response_finish(&response);
    }
    for (int round = 0; round < 5; round++) {
        http_connect(&connections[3], vtsimd.port);
        assert_int_equal(ask_on(&connections[3], &response), 503);
        assert_string_equal(http_header(&response, "Retry-After"), "1");
        assert_string_equal(http_header(&response, "Connection"), "close");
        assert_string_equal(http_header(&response, "Content-Type"), "application/json");
        assert_string_equal(response.body, "{\"error\": \"there are as many connections as "
                                           "max_connections allows (3)\"}");
        http_response_finish(&response);
        assert_int_equal(http_wait_end(&connections[3]), HTTP_FIN);
        http_close(&connections[3]);
    }
    /* Those that were there go on. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask_on(&connections[i], &response), 200);
        http_response_finish(&response);
    }
    http_close(&connections[1]);
    until_ms = run_now_ms() + EVENT_MS;
    do {
        http_connect(&connections[1], vtsimd.port);
        status = ask_on(&connections[1], &response);
        http_response_finish(&response);
        if (status != 200)
            http_close(&connections[1]);
    } while (status != 200 && run_now_ms() < until_ms);
    assert_int_equal(status, 200);
    for (int i = 0; i < 3; i++)
        http_close(&connections[i]);
    wait_for_connections(&vtsimd, 0);
    server_stop(&vtsimd);
}

static void idle_timeout(void **state)
{
    static const char *const starts[] = {
        "", "G", "GET /status?job_id=a HTTP/1.1\r\nHost: x\r\n",
        "GET /status?job_id=a HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /start HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"job"};
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, "-s", "server/idle_timeout=200ms", NULL);
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct http_connection connection;
        int64_t before = run_now_ms();

        http_connect(&connection, vtsimd.port);
        assert_true(http_puts(&connection, starts[i]));
        assert_int_equal(http_wait_end(&connection), HTTP_FIN);
        assert_true(run_now_ms() - before >= 190);
        http_close(&connection);
    }
    server_stop(&vtsimd);
}

/* It is the client that must not be silent: an answer may take as long as it takes. */
static void an_answer_is_not_idle(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, "-s", "server/idle_timeout=50ms", NULL);
    start_job(&vtsimd, "stall", "{\"stall\": 400}");
    start_job(&vtsimd, "dribble", "{\"dribble\": 600}");
    ask(&vtsimd, "GET", "/status?job_id=stall", NULL, 200,
        "{\"job_id\": \"stall\", \"status\": \"pending\"}");
    ask(&vtsimd, "GET", "/status?job_id=dribble", NULL, 200,
        "{\"job_id\": \"dribble\", \"status\": \"pending\"}");
    server_stop(&vtsimd);
}

/* ---- descriptors ---- */

static void wait_for_log(struct vtsimd *vtsimd, const char *text)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;
    bool there = false;

    while (!there) {
        char *log = vtsimd_log(vtsimd);

        there = strstr(log, text);
        free(log);
        if (!there && run_now_ms() > until_ms)
            fail_msg("\"%s\" is not in the log", text);
    }
}

static void out_of_descriptors(void **state)
{
    struct vtsimd vtsimd;
    struct http_connection connections[40];
    struct http_response response;
    struct rlimit limit;
    int64_t before;
    int descriptors;

    (void)state;
    server_start(&vtsimd, NULL);
    start_job(&vtsimd, "clock", "{\"stall\": 500}");
    wait_for_connections(&vtsimd, 0);
    descriptors = open_descriptors(vtsimd.pid);
    for (int round = 0; round < 2; round++) {
        http_connect(&connections[0], vtsimd.port);
        assert_int_equal(prlimit(vtsimd.pid, RLIMIT_NOFILE, NULL, &limit), 0);
        limit.rlim_cur = (rlim_t)descriptors + 10;
        assert_int_equal(prlimit(vtsimd.pid, RLIMIT_NOFILE, &limit, NULL), 0);
        /* The kernel takes them in, though vtsimd cannot. */
        for (int i = 1; i < 40; i++)
            http_connect(&connections[i], vtsimd.port);
        wait_for_log(&vtsimd, "warning http: cannot accept a connection: Too many open files");
        /* Half a second of trying in vain costs next to nothing. */
        before = processor_ms(vtsimd.pid);
        assert_true(http_send_request(&connections[0], "GET", "/status?job_id=clock", NULL));
        assert_int_equal(http_read(&connections[0], &response), HTTP_ANSWER);
        assert_int_equal(response.status, 200);
        http_response_finish(&response);
        assert_in_range(processor_ms(vtsimd.pid) - before, 0, 200);
        for (int i = 0; i < 40; i++)
            http_close(&connections[i]);
        wait_for_connections(&vtsimd, 0);
        ask(&vtsimd, "GET", "/status?job_id=nobody", NULL, 404, NULL);
    }
    server_stop(&vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(max_jobs),
        cmocka_unit_test(keep_ended),
        cmocka_unit_test(max_connections),
        cmocka_unit_test(idle_timeout),
        cmocka_unit_test(an_answer_is_not_idle),
        cmocka_unit_test(out_of_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
