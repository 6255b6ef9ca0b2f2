/* SPDX-License-Identifier: MIT
 *
 * The original API through a real vtsimd: POST /start and GET /status, to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server.h"

#define FEATURES "batch, wait, idempotency-key, options, progress, cancel"

#define ERROR_JOB "{\"id\": \"e\", \"input\": {\"after\": 0, \"end\": \"error\"}}"

static void start_and_status_to_the_byte(void **state)
{
    struct http_response response;
    const struct vtsimd *vtsimd = *state;
    unsigned int day, year, hour, minute, second;
    char zone[4];

    http_request(vtsimd->port, "POST", "/start", "{\"job_id\": \"translate_video_1\"}", &response);
    assert_begins(response.head, "HTTP/1.1 200 OK");
    assert_string_equal(response.body,
                        "{\"message\": \"Job started\", \"job_id\": \"translate_video_1\"}");
    assert_string_equal(http_header(&response, "Content-Type"), "application/json");
    assert_string_equal(http_header(&response, "Content-Length"), "57");
    assert_null(http_header(&response, "Connection"));
    /* Mon, 23 Nov 2026 08:55:31 GMT */
    assert_int_equal(sscanf(http_header(&response, "Date"),
                            "%*3[A-Z a-z], %2u %*3[A-Za-z] %4u %2u:%2u:%2u %3s", &day, &year, &hour,
                            &minute, &second, zone),
                     6);
    assert_string_equal(zone, "GMT");
    assert_string_equal(http_header(&response, "Vtsim-Features"), FEATURES);
    assert_int_equal(response.header_count, 4);
    http_response_finish(&response);

    http_request(vtsimd->port, "GET", "/status?job_id=translate_video_1", NULL, &response);
    assert_int_equal(response.status, 200);
    assert_string_equal(response.body,
                        "{\"job_id\": \"translate_video_1\", \"status\": \"pending\"}");
    assert_string_equal(http_header(&response, "Vtsim-Features"), FEATURES);
    assert_int_equal(response.header_count, 4);
    http_response_finish(&response);
}

static void the_three_words(void **state)
{
    ask(*state, "POST", "/jobs", "{\"id\": \"c\", \"input\": {\"after\": 0}}", 201, NULL);
    ask(*state, "GET", "/status?job_id=c", NULL, 200,
        "{\"job_id\": \"c\", \"status\": \"completed\"}");
    ask(*state, "POST", "/jobs", ERROR_JOB, 201, NULL);
    ask(*state, "GET", "/status?job_id=e", NULL, 200, "{\"job_id\": \"e\", \"status\": \"error\"}");
    ask(*state, "POST", "/start", "{\"job_id\": \"x\"}", 200, NULL);
    ask(*state, "GET", "/status?job_id=x", NULL, 200,
        "{\"job_id\": \"x\", \"status\": \"pending\"}");
    ask(*state, "DELETE", "/jobs/x", NULL, 200, NULL);
    ask(*state, "GET", "/status?job_id=x", NULL, 200, "{\"job_id\": \"x\", \"status\": \"error\"}");
}

static void a_second_start_is_told(void **state)
{
    static const char body[] = "{\"job_id\": \"twice\"}";

    ask(*state, "POST", "/start", body, 200, NULL);
    ask(*state, "POST", "/start", body, 409,
        "{\"error\": \"a job of this id was started before\", \"job_id\": \"twice\"}");
    ask(*state, "GET", "/status?job_id=twice", NULL, 200,
        "{\"job_id\": \"twice\", \"status\": \"pending\"}");
}

static void a_job_that_is_not_there(void **state)
{
    ask(*state, "GET", "/status?job_id=nobody", NULL, 404,
        "{\"error\": \"there is no job of this id\"}");
    ask(*state, "GET", "/status", NULL, 400,
        "{\"error\": \"job_id is missing: ask /status?job_id=...\"}");
    ask(*state, "GET", "/status?", NULL, 400,
        "{\"error\": \"job_id is missing: ask /status?job_id=...\"}");
}

static void unknown_members_are_ignored(void **state)
{
    ask(*state, "POST", "/start",
        "{\"language\": {\"job_id\": 7}, \"job_id\": \"extra\", \"x\": [null, true]}", 200,
        "{\"message\": \"Job started\", \"job_id\": \"extra\"}");
    ask(*state, "GET", "/status?a=b&job_id=extra&job=x&=&", NULL, 200,
        "{\"job_id\": \"extra\", \"status\": \"pending\"}");
}

static void ids_of_every_kind(void **state)
{
    char id[256], body[512], target[1024], answer[512];

    memset(id, 'i', 255);
    id[255] = '\0';
    snprintf(body, sizeof(body), "{\"job_id\": \"%s\"}", id);
    snprintf(answer, sizeof(answer), "{\"message\": \"Job started\", \"job_id\": \"%s\"}", id);
    ask(*state, "POST", "/start", body, 200, answer);
    snprintf(target, sizeof(target), "/status?job_id=%s", id);
    snprintf(answer, sizeof(answer), "{\"job_id\": \"%s\", \"status\": \"pending\"}", id);
    ask(*state, "GET", target, NULL, 200, answer);

    /* 255 bytes, each of them percent-encoded: still 255 bytes. */
    snprintf(target, sizeof(target), "/status?job_id=");
    for (int i = 0; i < 255; i++)
        memcpy(target + 15 + (size_t)3 * (size_t)i, "%69", 4);
    ask(*state, "GET", target, NULL, 200, answer);

    ask(*state, "POST", "/start", "{\"job_id\": \"\\\"\\\\/ \xC3\xA9 \\ud83d\\ude00\"}", 200,
        "{\"message\": \"Job started\", \"job_id\": \"\\\"\\\\/ \xC3\xA9 \xF0\x9F\x98\x80\"}");
    ask(*state, "GET", "/status?job_id=%22%5C%2F+%C3%A9%20%F0%9F%98%80", NULL, 200,
        "{\"job_id\": \"\\\"\\\\/ \xC3\xA9 \xF0\x9F\x98\x80\", \"status\": \"pending\"}");
}

static void plus_is_a_space_and_2b_a_plus(void **state)
{
    ask(*state, "POST", "/start", "{\"job_id\": \"a b\"}", 200, NULL);
    ask(*state, "POST", "/start", "{\"job_id\": \"a+b+c\"}", 200, NULL);
    ask(*state, "GET", "/status?job_id=a+b", NULL, 200,
        "{\"job_id\": \"a b\", \"status\": \"pending\"}");
    ask(*state, "GET", "/status?job_id=a%20b", NULL, 200,
        "{\"job_id\": \"a b\", \"status\": \"pending\"}");
    ask(*state, "GET", "/status?job_id=a%2Bb%2bc", NULL, 200,
        "{\"job_id\": \"a+b+c\", \"status\": \"pending\"}");
    ask(*state, "GET", "/status?job%5fid=a+b", NULL, 200,
        "{\"job_id\": \"a b\", \"status\": \"pending\"}");
}

static void head_is_a_get_without_its_body(void **state)
{
    const struct vtsimd *vtsimd = *state;
    struct http_connection connection;
    struct http_response response;

    ask(vtsimd, "POST", "/start", "{\"job_id\": \"head\"}", 200, NULL);
    http_connect(&connection, vtsimd->port);
    /* What follows on the connection shows that no body came. */
    for (int round = 0; round < 2; round++) {
        assert_true(http_send_request(&connection, "HEAD", "/status?job_id=head", NULL));
        assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
        assert_int_equal(response.status, 200);
        assert_non_null(http_header(&response, "Content-Length"));
        assert_string_equal(http_header(&response, "Content-Length"), "39");
        http_response_finish(&response);
        assert_true(http_send_request(&connection, "HEAD", "/status?job_id=none", NULL));
        assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
        assert_int_equal(response.status, 404);
        http_response_finish(&response);
        assert_true(http_send_request(&connection, "GET", "/status?job_id=head", NULL));
        assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
        assert_string_equal(response.body, "{\"job_id\": \"head\", \"status\": \"pending\"}");
        http_response_finish(&response);
    }
    http_close(&connection);
}

/* What a proxy is asked, and what HTTP/1.0 asks. */
static void other_ways_to_ask(void **state)
{
    const struct vtsimd *vtsimd = *state;
    static const char *const asks[] = {
        "GET http://127.0.0.1/status?job_id=ways HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET HTTP://127.0.0.1:1/status?job_id=ways HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /status?job_id=ways HTTP/1.0\r\n\r\n",
        "GET /status?job_id=ways HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /status?job_id=ways HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\n\r\n"};

    ask(vtsimd, "POST", "/start", "{\"job_id\": \"ways\"}", 200, NULL);
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        struct http_connection connection;
        struct http_response response;

        http_connect(&connection, vtsimd->port);
        assert_true(http_puts(&connection, asks[i]));
        assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
        assert_int_equal(response.status, 200);
        assert_string_equal(response.body, "{\"job_id\": \"ways\", \"status\": \"pending\"}");
        http_response_finish(&response);
        http_close(&connection);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_and_status_to_the_byte),
        cmocka_unit_test(the_three_words),
        cmocka_unit_test(a_second_start_is_told),
        cmocka_unit_test(a_job_that_is_not_there),
        cmocka_unit_test(unknown_members_are_ignored),
        cmocka_unit_test(ids_of_every_kind),
        cmocka_unit_test(plus_is_a_space_and_2b_a_plus),
        cmocka_unit_test(head_is_a_get_without_its_body),
        cmocka_unit_test(other_ways_to_ask),
    };

    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
