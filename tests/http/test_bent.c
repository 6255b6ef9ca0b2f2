/* SPDX-License-Identifier: MIT
 *
 * Every way in which a behaviour can refuse a start or bend an answer, seen from the client's end:
 * the bytes, and how the connection ends (FIN or RST). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "run.h"
#include "server.h"

#define USUAL "{\"job_id\": \"%s\", \"status\": \"pending\"}"

/* Starts a job with this input and polls it, once. */
static enum http_end poll_bent(const struct vtsimd *vtsimd, const char *id, const char *input,
                               struct http_connection *connection, struct http_response *response)
{
    char target[256];

    start_job(vtsimd, id, input);
    snprintf(target, sizeof(target), "/status?job_id=%s", id);
    http_connect(connection, vtsimd->port);
    assert_true(http_send_request(connection, "GET", target, NULL));
    return http_read(connection, response);
}

/* The job itself is as it was: bending touches the answer alone. */
static void assert_untouched(const struct vtsimd *vtsimd, const char *id)
{
    struct json_object *page = ask_json(vtsimd, "GET", "/jobs?limit=1000", NULL, 200);
    struct json_object *jobs = json_object_object_get(page, "jobs");
    bool seen = false;

    for (size_t i = 0; i < json_object_array_length(jobs); i++) {
        struct json_object *job = json_object_array_get_idx(jobs, i);

        if (strcmp(member_text(job, "id"), id) == 0) {
            assert_string_equal(member_text(job, "state"), "running");
            seen = true;
        }
    }
    assert_true(seen);
    json_object_put(page);
}

/* ---- refusing ---- */

static void starts_are_refused(void **state)
{
    static const char refused[] =
        "{\"error\": \"the behaviour \\\"bender\\\" refuses to start this job\"}";
    const struct vtsimd *vtsimd = *state;
    struct http_response response;

    http_request(vtsimd->port, "POST", "/jobs",
                 "{\"id\": \"r1\", \"input\": {\"refuse\": 503, \"retry_after\": 1500}}",
                 &response);
    assert_int_equal(response.status, 503);
    assert_string_equal(http_header(&response, "Retry-After"), "2");
    assert_string_equal(response.body, refused);
    http_response_finish(&response);

    http_request(vtsimd->port, "POST", "/jobs",
                 "{\"id\": \"r2\", \"input\": {\"refuse\": 429, \"retry_after\": -1}}", &response);
    assert_int_equal(response.status, 429);
    assert_begins(response.head, "HTTP/1.1 429 Too Many Requests");
    assert_string_equal(http_header(&response, "Retry-After"), "0");
    http_response_finish(&response);

    http_request(vtsimd->port, "POST", "/jobs", "{\"id\": \"r3\", \"input\": {\"refuse\": 400}}",
                 &response);
    assert_int_equal(response.status, 400);
    assert_null(http_header(&response, "Retry-After"));
    assert_string_equal(response.body, refused);
    http_response_finish(&response);
    ask(vtsimd, "GET", "/jobs/r3", NULL, 404, NULL);
}

/* Attempts are counted, and the one that is admitted is a start like any other. */
static void the_third_attempt_is_admitted(void **state)
{
    static const char body[] =
        "{\"id\": \"third\", \"input\": {\"refuse\": 503, \"refusals\": 2, \"end\": \"never\"}}";

    ask(*state, "POST", "/jobs", body, 503, NULL);
    ask(*state, "GET", "/status?job_id=third", NULL, 404, NULL);
    ask(*state, "POST", "/jobs", body, 503, NULL);
    ask(*state, "POST", "/jobs", body, 201, NULL);
    ask(*state, "GET", "/status?job_id=third", NULL, 200, NULL);
    ask(*state, "POST", "/jobs", body, 409, NULL);
}

static void refusals_from_the_settings_reach_the_original_api(void **state)
{
    struct vtsimd vtsimd;
    struct http_response response;

    (void)state;
    server_start(&vtsimd, "-s", "server/behaviour=busy", "-s", "behaviour busy/plugin=bender", "-s",
                 "behaviour busy/refuse=503", "-s", "behaviour busy/refusals=1", "-s",
                 "behaviour busy/retry_after=3000", NULL);
    http_request(vtsimd.port, "POST", "/start", "{\"job_id\": \"b\"}", &response);
    assert_int_equal(response.status, 503);
    assert_string_equal(http_header(&response, "Retry-After"), "3");
    assert_string_equal(response.body,
                        "{\"error\": \"the behaviour \\\"busy\\\" refuses to start this job\"}");
    http_response_finish(&response);
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"b\"}", 200,
        "{\"message\": \"Job started\", \"job_id\": \"b\"}");
    server_stop(&vtsimd);
}

static void a_refusal_can_be_bent(void **state)
{
    const struct vtsimd *vtsimd = *state;
    struct http_response response;

    http_request(vtsimd->port, "POST", "/jobs",
                 "{\"id\": \"rb\", \"input\": {\"refuse\": 502, \"on\": \"start\", \"body\": "
                 "\"html\"}}",
                 &response);
    assert_int_equal(response.status, 502);
    assert_string_equal(http_header(&response, "Content-Type"), "text/html");
    assert_begins(response.body, "<html>");
    http_response_finish(&response);
    ask(vtsimd, "GET", "/status?job_id=rb", NULL, 404, NULL);
}

/* ---- status, Retry-After, body, word ---- */

static void another_status(void **state)
{
    static const struct {
        int status;
        const char *line;
    } each[] = {{500, "HTTP/1.1 500 Internal Server Error"},
                {503, "HTTP/1.1 503 Service Unavailable"},
                {429, "HTTP/1.1 429 Too Many Requests"},
                {302, "HTTP/1.1 302 Found"},
                {404, "HTTP/1.1 404 Not Found"},
                {599, "HTTP/1.1 599 Error"}};
    struct http_connection connection;
    struct http_response response;
    char id[16], input[64], body[128];

    for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
        snprintf(id, sizeof(id), "s%d", each[i].status);
        snprintf(input, sizeof(input), "{\"status\": %d}", each[i].status);
        assert_int_equal(poll_bent(*state, id, input, &connection, &response), HTTP_ANSWER);
        assert_begins(response.head, each[i].line);
        snprintf(body, sizeof(body), "{\"error\": \"the behaviour \\\"bender\\\" answers %d\"}",
                 each[i].status);
        assert_string_equal(response.body, body);
        assert_null(http_header(&response, "Retry-After"));
        http_response_finish(&response);
        http_close(&connection);
        assert_untouched(*state, id);
    }
    /* 2xx keeps the true body. */
    assert_int_equal(poll_bent(*state, "s202", "{\"status\": 202}", &connection, &response),
                     HTTP_ANSWER);
    assert_int_equal(response.status, 202);
    assert_string_equal(response.body, "{\"job_id\": \"s202\", \"status\": \"pending\"}");
    http_response_finish(&response);
    http_close(&connection);
}

/* 204 and 304 have no body: what follows on the connection is the next answer. */
static void a_status_without_a_body(void **state)
{
    struct http_connection connection;
    struct http_response response;
    char id[16], input[64];

    for (int i = 0; i < 4; i++) {
        snprintf(id, sizeof(id), "nobody%d", i);
        snprintf(input, sizeof(input), "{\"status\": %d, \"dribble\": %d}", i % 2 ? 204 : 304,
                 i / 2 * 40);
        assert_int_equal(poll_bent(*state, id, input, &connection, &response), HTTP_ANSWER);
        assert_int_equal(response.status, i % 2 ? 204 : 304);
        http_response_finish(&response);
        if (i / 2) {
            assert_int_equal(http_read(&connection, &response), HTTP_FIN);
        } else {
            assert_true(http_send_request(&connection, "GET", "/nowhere", NULL));
            assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
            assert_int_equal(response.status, 404);
        }
        http_response_finish(&response);
        http_close(&connection);
    }
}

/* A poll that is bent once is told the truth the next time. */
static void the_first_poll_alone(void **state)
{
    start_job(*state, "once", "{\"status\": 500, \"polls\": 1}");
    ask(*state, "GET", "/status?job_id=once", NULL, 500, NULL);
    ask(*state, "GET", "/status?job_id=once", NULL, 200,
        "{\"job_id\": \"once\", \"status\": \"pending\"}");
    start_job(*state, "full", "{\"status\": 503, \"polls\": 1}");
    ask(*state, "GET", "/jobs/full", NULL, 503,
        "{\"error\": \"the behaviour \\\"bender\\\" answers 503\"}");
    ask(*state, "GET", "/jobs/full", NULL, 200, NULL);
}

static void retry_after(void **state)
{
    static const char *const each[][2] = {{"{\"retry_after\": 1}", "1"},
                                          {"{\"retry_after\": 1000}", "1"},
                                          {"{\"retry_after\": 1001}", "2"},
                                          {"{\"retry_after\": -1}", "0"},
                                          {"{\"retry_after\": 86400000}", "86400"}};
    struct http_connection connection;
    struct http_response response;
    char id[16];

    for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
        snprintf(id, sizeof(id), "ra%zu", i);
        assert_int_equal(poll_bent(*state, id, each[i][0], &connection, &response), HTTP_ANSWER);
        assert_int_equal(response.status, 200);
        assert_string_equal(http_header(&response, "Retry-After"), each[i][1]);
        http_response_finish(&response);
        http_close(&connection);
    }
}

static time_t http_date(const char *text)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);

    assert_non_null(end);
    assert_string_equal(end, "");
    return timegm(&tm);
}

static void retry_after_as_a_date(void **state)
{
    struct http_connection connection;
    struct http_response response;
    time_t sent, wanted;

    assert_int_equal(poll_bent(*state, "date",
                               "{\"status\": 503, \"retry_after\": 90000, \"date\": 1}",
                               &connection, &response),
                     HTTP_ANSWER);
    sent = http_date(http_header(&response, "Date"));
    wanted = http_date(http_header(&response, "Retry-After"));
    assert_in_range(wanted - sent, 90, 91);
    http_response_finish(&response);
    http_close(&connection);
}

static void other_bodies(void **state)
{
    struct http_connection connection;
    struct http_response response;

    assert_int_equal(
        poll_bent(*state, "html", "{\"status\": 502, \"body\": \"html\"}", &connection, &response),
        HTTP_ANSWER);
    assert_int_equal(response.status, 502);
    assert_string_equal(http_header(&response, "Content-Type"), "text/html");
    assert_string_equal(response.body,
                        "<html>\r\n<head><title>502</title></head>\r\n<body>\r\n<center><h1>502"
                        "</h1></center>\r\n</body>\r\n</html>\r\n");
    http_response_finish(&response);
    http_close(&connection);

    /* A page where an object was wanted, and all is well. */
    assert_int_equal(poll_bent(*state, "html200", "{\"body\": \"html\"}", &connection, &response),
                     HTTP_ANSWER);
    assert_int_equal(response.status, 200);
    assert_begins(response.body, "<html>");
    http_response_finish(&response);
    http_close(&connection);

    assert_int_equal(
        poll_bent(*state, "cut", "{\"body\": \"invalid_json\"}", &connection, &response),
        HTTP_ANSWER);
    assert_int_equal(response.status, 200);
    assert_string_equal(http_header(&response, "Content-Type"), "application/json");
    assert_null(json_tokener_parse(response.body));
    assert_true(response.body_length > 0);
    assert_memory_equal(response.body, "{\"job_id\": \"cut\", \"status\": \"pending\"}",
                        response.body_length);
    http_response_finish(&response);
    http_close(&connection);

    start_job(*state, "silent", "{\"body\": \"no_status\"}");
    ask(*state, "GET", "/status?job_id=silent", NULL, 200, "{\"job_id\": \"silent\"}");
}

static void no_status_in_the_full_api(void **state)
{
    struct json_object *job;
    char *names;

    start_job(*state, "silent2", "{\"body\": \"no_status\"}");
    job = ask_json(*state, "GET", "/jobs/silent2", NULL, 200);
    names = member_names(job);
    assert_string_equal(names, "id progress behaviour created_at started_at ended_at polls result "
                               "error");
    free(names);
    json_object_put(job);
}

static void another_word(void **state)
{
    struct json_object *job;
    char word[600], input[700];

    start_job(*state, "word", "{\"word\": \"rendering \\\"x\\\" \xC3\xA9\"}");
    ask(*state, "GET", "/status?job_id=word", NULL, 200,
        "{\"job_id\": \"word\", \"status\": \"rendering \\\"x\\\" \xC3\xA9\"}");
    job = ask_json(*state, "GET", "/jobs/word", NULL, 200);
    assert_string_equal(member_text(job, "status"), "rendering \"x\" \xC3\xA9");
    json_object_put(job);
    /* More than 255 bytes are cut, between two characters. */
    for (size_t i = 0; i < 300; i++)
        memcpy(word + i * 2, "\xC3\xA9", 2);
    word[599] = '\0';
    word[598] = '\0';
    snprintf(input, sizeof(input), "{\"word\": \"%s\"}", word);
    start_job(*state, "words", input);
    job = ask_json(*state, "GET", "/status?job_id=words", NULL, 200);
    assert_int_equal(strlen(member_text(job, "status")), 254);
    json_object_put(job);
}

static void bends_that_cannot_be_sent(void **state)
{
    static const char *const inputs[] = {
        "{\"status\": 199}", "{\"status\": 600}", "{\"status\": -1}", "{\"retry_after\": -2}",
        "{\"stall\": -1}",   "{\"dribble\": -5}", "{\"stall\": 1e17}"};
    char id[16], answer[128], target[64];

    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        snprintf(id, sizeof(id), "bad%zu", i);
        start_job(*state, id, inputs[i]);
        snprintf(answer, sizeof(answer), USUAL, id);
        snprintf(target, sizeof(target), "/status?job_id=%s", id);
        ask(*state, "GET", target, NULL, 200, answer);
    }
}

/* ---- time ---- */

static void a_stalled_answer(void **state)
{
    struct http_connection connection;
    struct http_response response;
    int64_t before, took;

    start_job(*state, "stall", "{\"stall\": 300}");
    http_connect(&connection, ((struct vtsimd *)*state)->port);
    before = run_now_ms();
    assert_true(http_send_request(&connection, "GET", "/status?job_id=stall", NULL));
    /* Others are served meanwhile. */
    ask(*state, "GET", "/status?job_id=nobody", NULL, 404, NULL);
    assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
    took = run_now_ms() - before;
    assert_true(took >= 280); /* the event loop's clock is a coarse one */
    assert_string_equal(response.body, "{\"job_id\": \"stall\", \"status\": \"pending\"}");
    http_response_finish(&response);
    /* The connection lives on. */
    assert_true(http_send_request(&connection, "GET", "/nowhere", NULL));
    assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
    assert_int_equal(response.status, 404);
    http_response_finish(&response);
    http_close(&connection);
}

static void a_dribbled_answer(void **state)
{
    struct http_connection connection;
    struct http_response response;
    enum http_end end = HTTP_ANSWER;
    char all[2048] = "";
    size_t length = 0, pieces = 0, got;
    int64_t before;

    start_job(*state, "dribble", "{\"dribble\": 400}");
    http_connect(&connection, ((struct vtsimd *)*state)->port);
    before = run_now_ms();
    assert_true(http_send_request(&connection, "GET", "/status?job_id=dribble", NULL));
    while ((got = http_read_some(&connection, all + length, sizeof(all) - 1 - length, &end))) {
        length += got;
        pieces++;
    }
    all[length] = '\0';
    assert_int_equal(end, HTTP_FIN);
    assert_in_range(pieces, 3, 30);
    assert_true(run_now_ms() - before >= 300);
    assert_begins(all, "HTTP/1.1 200 OK\r\n");
    assert_ends(all, "\r\n\r\n{\"job_id\": \"dribble\", \"status\": \"pending\"}");
    http_close(&connection);

    /* As an answer it is like any other. */
    assert_int_equal(poll_bent(*state, "dribble2",
                               "{\"dribble\": 60, \"stall\": 30, \"status\": 503}", &connection,
                               &response),
                     HTTP_ANSWER);
    assert_int_equal(response.status, 503);
    assert_string_equal(response.body, "{\"error\": \"the behaviour \\\"bender\\\" answers 503\"}");
    assert_string_equal(http_header(&response, "Connection"), "close");
    http_response_finish(&response);
    http_close(&connection);
}

/* ---- broken connections ---- */

static void each_break(void **state)
{
    static const struct {
        const char *cut;
        enum http_end read, end;
    } each[] = {{"reset", HTTP_RST, HTTP_RST},
                {"empty", HTTP_FIN, HTTP_FIN},
                {"truncate", HTTP_TRUNCATED, HTTP_FIN},
                {"garbage", HTTP_GARBAGE, HTTP_FIN}};
    struct http_connection connection;
    struct http_response response;
    char id[32], input[128];

    for (size_t i = 0; i < 3 * sizeof(each) / sizeof(each[0]); i++) {
        size_t at = i / 3;
        enum http_end end;

        snprintf(id, sizeof(id), "cut-%zu", i);
        snprintf(input, sizeof(input), "{\"cut\": \"%s\", \"stall\": %d, \"dribble\": %d}",
                 each[at].cut, i % 3 == 1 ? 40 : 0, i % 3 == 2 ? 40 : 0);
        end = poll_bent(*state, id, input, &connection, &response);
        if (end != each[at].read)
            fail_msg("%s: the answer ends with %d", input, (int)end);
        if (at == 2) {
            size_t length = strtoul(http_header(&response, "Content-Length"), NULL, 10);
            char answer[128];

            snprintf(answer, sizeof(answer), USUAL, id);
            assert_int_equal(length, strlen(answer));
            assert_int_equal(response.body_length, length / 2);
            assert_memory_equal(response.body, answer, length / 2);
        } else {
            assert_int_equal(response.body_length, 0);
        }
        http_response_finish(&response);
        if (each[at].read == HTTP_GARBAGE)
            assert_int_equal(http_wait_end(&connection), HTTP_FIN);
        http_close(&connection);
        assert_untouched(*state, id);
    }
}

/* A start whose answer is broken is still a start: that is what a client must cope with. */
static void a_start_whose_answer_is_lost(void **state)
{
    static const char *const cuts[] = {"reset", "empty", "truncate", "garbage"};
    const struct vtsimd *vtsimd = *state;

    for (size_t i = 0; i < 4; i++) {
        struct http_connection connection;
        struct http_response response;
        char body[256], id[32], target[64], answer[128];

        snprintf(id, sizeof(id), "lost-%s", cuts[i]);
        snprintf(body, sizeof(body),
                 "{\"id\": \"%s\", \"input\": {\"on\": \"start\", \"cut\": \"%s\"}}", id, cuts[i]);
        http_connect(&connection, vtsimd->port);
        assert_true(http_send_request(&connection, "POST", "/jobs", body));
        assert_int_not_equal(http_read(&connection, &response), HTTP_ANSWER);
        http_response_finish(&response);
        http_close(&connection);
        ask(vtsimd, "POST", "/jobs", body, 409, NULL);
        snprintf(target, sizeof(target), "/status?job_id=%s", id);
        snprintf(answer, sizeof(answer), USUAL, id);
        ask(vtsimd, "GET", target, NULL, 200, answer);
    }
}

static void a_start_is_bent_from_the_settings(void **state)
{
    struct vtsimd vtsimd;
    struct http_connection connection;
    struct http_response response;

    (void)state;
    server_start(&vtsimd, "-s", "server/behaviour=reset", "-s", "behaviour reset/plugin=bender",
                 "-s", "behaviour reset/on=start", "-s", "behaviour reset/cut=reset", NULL);
    http_connect(&connection, vtsimd.port);
    assert_true(http_send_request(&connection, "POST", "/start", "{\"job_id\": \"a\"}"));
    assert_int_equal(http_read(&connection, &response), HTTP_RST);
    http_response_finish(&response);
    http_close(&connection);
    ask(&vtsimd, "GET", "/status?job_id=a", NULL, 200,
        "{\"job_id\": \"a\", \"status\": \"pending\"}");
    server_stop(&vtsimd);
}

/* HEAD has no body to cut or to spread out. */
static void head_is_bent_without_a_body(void **state)
{
    static const char *const inputs[] = {"{\"dribble\": 40}", "{\"cut\": \"truncate\"}",
                                         "{\"body\": \"html\"}", "{\"stall\": 20}"};
    const struct vtsimd *vtsimd = *state;

    for (size_t i = 0; i < 4; i++) {
        struct http_connection connection;
        char id[16], target[128], all[1024];
        enum http_end end;
        size_t length = 0, got;

        snprintf(id, sizeof(id), "head%zu", i);
        start_job(vtsimd, id, inputs[i]);
        snprintf(target, sizeof(target),
                 "HEAD /status?job_id=%s HTTP/1.1\r\nConnection: close\r\n\r\n", id);
        http_connect(&connection, vtsimd->port);
        assert_true(http_puts(&connection, target));
        while ((got = http_read_some(&connection, all + length, sizeof(all) - 1 - length, &end)))
            length += got;
        all[length] = '\0';
        assert_int_equal(end, HTTP_FIN);
        assert_begins(all, "HTTP/1.1 200 OK\r\n");
        assert_ends(all, "\r\n\r\n");
        http_close(&connection);
    }
}

/* All of it once more with a request behind, which a broken connection never answers. */
static void with_a_request_behind(void **state)
{
    static const char *const cuts[] = {"reset", "empty", "truncate", "garbage"};
    const struct vtsimd *vtsimd = *state;

    for (size_t i = 0; i < 8; i++) {
        struct http_connection connection;
        char id[32], input[64], two[256];

        snprintf(id, sizeof(id), "behind-%zu", i);
        snprintf(input, sizeof(input), "{\"cut\": \"%s\", \"stall\": %d}", cuts[i % 4],
                 i < 4 ? 0 : 30);
        start_job(vtsimd, id, input);
        snprintf(two, sizeof(two),
                 "GET /status?job_id=%s HTTP/1.1\r\n\r\nGET /_sim/health HTTP/1.1\r\n\r\n", id);
        http_connect(&connection, vtsimd->port);
        assert_true(http_puts(&connection, two));
        assert_int_not_equal(http_wait_end(&connection), HTTP_TIMED_OUT);
        http_close(&connection);
    }
    wait_for_connections(vtsimd, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_are_refused),
        cmocka_unit_test(the_third_attempt_is_admitted),
        cmocka_unit_test(refusals_from_the_settings_reach_the_original_api),
        cmocka_unit_test(a_refusal_can_be_bent),
        cmocka_unit_test(another_status),
        cmocka_unit_test(a_status_without_a_body),
        cmocka_unit_test(the_first_poll_alone),
        cmocka_unit_test(retry_after),
        cmocka_unit_test(retry_after_as_a_date),
        cmocka_unit_test(other_bodies),
        cmocka_unit_test(no_status_in_the_full_api),
        cmocka_unit_test(another_word),
        cmocka_unit_test(bends_that_cannot_be_sent),
        cmocka_unit_test(a_stalled_answer),
        cmocka_unit_test(a_dribbled_answer),
        cmocka_unit_test(each_break),
        cmocka_unit_test(a_start_whose_answer_is_lost),
        cmocka_unit_test(a_start_is_bent_from_the_settings),
        cmocka_unit_test(head_is_bent_without_a_body),
        cmocka_unit_test(with_a_request_behind),
    };

    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
