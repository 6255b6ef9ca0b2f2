/* SPDX-License-Identifier: MIT
 *
 * The header field Idempotency-Key of POST /jobs: a start that is repeated, after a lost answer, say, or by
 * several at once, starts one job. That it outlives a restart and holds among several vtsimds is seen in
 * tests/store/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server.h"

#define TAKEN "{\"error\": \"a job of this id was started before\", \"job_id\": \"%s\"}"
#define USED                                                                                       \
    "{\"error\": \"this Idempotency-Key was given with another body before: it stands for one "    \
    "request; take a new key for a new one\"}"

/* Starts a job with a key, as it stands in the field. */
static void post(const struct vtsimd *vtsimd, const char *key, const char *body,
                 struct http_response *response)
{
    char headers[1024];

    snprintf(headers, sizeof(headers), "Idempotency-Key: %s\r\n", key);
    ask_with(vtsimd, "POST", "/jobs", headers, body, response);
}

/* The answer is this one: body NULL means a job, of which only its id is returned. For free(). */
static char *post_ok(const struct vtsimd *vtsimd, const char *key, const char *body)
{
    struct http_response response;
    struct json_object *job;
    char location[300], *id;

    post(vtsimd, key, body, &response);
    if (response.status != 201)
        fail_msg("key %s, %s: %d %s", key, body, response.status, response.body);
    job = json_tokener_parse(response.body);
    assert_string_equal(member_text(job, "state"), "running");
    snprintf(location, sizeof(location), "/jobs/%s", member_text(job, "id"));
    assert_string_equal(http_header(&response, "Location"), location);
    id = strdup(member_text(job, "id"));
    json_object_put(job);
    http_response_finish(&response);
    return id;
}

static void post_refused(const struct vtsimd *vtsimd, const char *key, const char *body, int status,
                         const char *answer)
{
    struct http_response response;

    post(vtsimd, key, body, &response);
    if (response.status != status || strcmp(response.body, answer) != 0)
        fail_msg("key %s, %s: %d %s", key, body, response.status, response.body);
    http_response_finish(&response);
}

static size_t count_jobs(const struct vtsimd *vtsimd)
{
    struct json_object *page = ask_json(vtsimd, "GET", "/jobs?limit=1000", NULL, 200);
    size_t count = json_object_array_length(json_object_object_get(page, "jobs"));

    json_object_put(page);
    return count;
}

static void a_repeat_is_told_the_same_job(void **state)
{
    size_t before = count_jobs(*state);
    char *first = post_ok(*state, "\"repeat-1\"", "{\"input\": {\"x\": 1}}"), *again;

    again = post_ok(*state, "\"repeat-1\"", "{\"input\": {\"x\": 1}}");
    assert_string_equal(again, first);
    free(again);
    assert_begins(first, "job-");
    assert_int_equal(strspn(first + 4, "0123456789abcdef"), 32);
    again = post_ok(*state, "repeat-1", "{\"input\": {\"x\": 1}}"); /* without quotes */
    assert_string_equal(again, first);
    free(again);
    again = post_ok(*state, "\"repeat-2\"", "{\"input\": {\"x\": 1}}"); /* another key */
    assert_string_not_equal(again, first);
    free(again);
    assert_int_equal(count_jobs(*state), before + 2);
    free(first);
    /* an id of the client's own */
    for (int i = 0; i < 3; i++) {
        first = post_ok(*state, "\"repeat-3\"", "{\"id\": \"own\"}");
        assert_string_equal(first, "own");
        free(first);
    }
    assert_int_equal(count_jobs(*state), before + 3);
}

/* A repeat is told the job as it is by now. */
static void a_repeat_after_the_end(void **state)
{
    struct http_response response;

    free(post_ok(*state, "\"end\"", "{\"id\": \"ended\"}"));
    ask(*state, "DELETE", "/jobs/ended", NULL, 200, NULL);
    post(*state, "\"end\"", "{\"id\": \"ended\"}", &response);
    assert_int_equal(response.status, 201);
    assert_non_null(strstr(response.body, "\"state\": \"cancelled\""));
    http_response_finish(&response);
}

static void a_key_with_another_body(void **state)
{
    static const char *const bodies[] = {"{}",
                                         "{\"input\": 1}",
                                         "{\"input\": 2}",
                                         "{\"id\": \"clash-%zu\"}",
                                         "{\"id\": \"clash-%zu\", \"input\": 2}",
                                         "{\"id\": \"other-%zu\"}"};
    char key[32], first[64], second[64];
    size_t before;

    for (size_t i = 0; i < 6; i++) {
        snprintf(key, sizeof(key), "\"clash-%zu\"", i);
        snprintf(first, sizeof(first), bodies[i], i);
        free(post_ok(*state, key, first));
        before = count_jobs(*state);
        for (size_t j = 0; j < 6; j++) {
            snprintf(second, sizeof(second), bodies[j], i);
            if (i != j)
                post_refused(*state, key, second, 422, USED);
        }
        free(post_ok(*state, key, first));
        assert_int_equal(count_jobs(*state), before);
    }
    /* White space makes it another body: it is compared as it came. */
    post_refused(*state, "\"clash-0\"", "{ }", 422, USED);
}

static void an_id_that_another_start_has(void **state)
{
    char answer[128];

    free(post_ok(*state, "\"first\"", "{\"id\": \"one\"}"));
    snprintf(answer, sizeof(answer), TAKEN, "one");
    post_refused(*state, "\"second\"", "{\"id\": \"one\"}", 409, answer);
    post_refused(*state, "\"second\"", "{\"id\": \"one\"}", 409, answer);
    ask(*state, "POST", "/jobs", "{\"id\": \"one\"}", 409, answer);
    ask(*state, "POST", "/jobs", "{\"id\": \"two\"}", 201, NULL);
    snprintf(answer, sizeof(answer), TAKEN, "two");
    post_refused(*state, "\"third\"", "{\"id\": \"two\"}", 409, answer);
    free(post_ok(*state, "\"first\"", "{\"id\": \"one\"}"));
}

/* What was refused was not done: a repeat tries again. */
static void a_start_that_was_refused(void **state)
{
    static const char made_up[] = "{\"input\": {\"refuse\": 503, \"refusals\": 1}}";
    static const char own[] =
        "{\"id\": \"refused\", \"input\": {\"refuse\": 503, \"refusals\": 1}}";
    static const char answer[] =
        "{\"error\": \"the behaviour \\\"bender\\\" refuses to start this job\"}";

    post_refused(*state, "\"refused-1\"", made_up, 503, answer);
    post_refused(*state, "\"refused-1\"", "{}", 422, USED);
    free(post_ok(*state, "\"refused-1\"", made_up));
    post_refused(*state, "\"refused-2\"", own, 503, answer);
    ask(*state, "GET", "/jobs/refused", NULL, 404, NULL);
    free(post_ok(*state, "\"refused-2\"", own));
    /* A body that is wrong uses no key up. */
    post_refused(*state, "\"refused-3\"", "{\"imput\": 1}", 400,
                 "{\"error\": \"unknown member \\\"imput\\\"; did you mean \\\"input\\\"?\"}");
    free(post_ok(*state, "\"refused-3\"", "{\"input\": 1}"));
}

/* The answer is lost, the start is not. */
static void an_answer_that_was_lost(void **state)
{
    static const char body[] = "{\"input\": {\"on\": \"start\", \"cut\": \"empty\"}}";
    const struct vtsimd *vtsimd = *state;
    size_t before = count_jobs(vtsimd);
    struct http_connection connection;
    char *request = request_text("POST", "/jobs", "Idempotency-Key: \"lost\"\r\n", body);
    struct http_response response;

    http_connect(&connection, vtsimd->port);
    assert_true(http_puts(&connection, request));
    assert_int_equal(http_read(&connection, &response), HTTP_FIN);
    http_response_finish(&response);
    http_close(&connection);
    free(request);
    assert_int_equal(count_jobs(vtsimd), before + 1);
    free(post_ok(vtsimd, "\"lost\"", body));
    assert_int_equal(count_jobs(vtsimd), before + 1);
}

/* ---- the field ---- */

#define NEITHER                                                                                    \
    "Idempotency-Key is neither a quoted string of ASCII nor one word of it: write "               \
    "Idempotency-Key: \\\"8e03978e-40d5-43dd-bc93-6894a57f9324\\\""

static void keys_that_are_none(void **state)
{
    static const char *const wrong[][2] = {
        {"\"\"", "Idempotency-Key is empty"},
        {"", "Idempotency-Key is empty"},
        {"\"open", NEITHER},
        {"\"a\" \"b\"", NEITHER},
        {"two words", NEITHER},
        {"a,b", NEITHER},
        {"\"a\", \"b\"", NEITHER},
        {"\"a\";x=1", NEITHER},
        {"\"back\\slash\"", NEITHER},
        {"\"end\\", NEITHER},
        {"\"tab\there\"", NEITHER},
        {"\"\xC3\xA9\"", NEITHER},
        {"\xC3\xA9", NEITHER},
        {"a\"b\"", NEITHER},
        {"k\r\nIdempotency-Key: k", "Idempotency-Key is given twice"}};
    char answer[512], key[300];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(answer, sizeof(answer), "{\"error\": \"%s\"}", wrong[i][1]);
        post_refused(*state, wrong[i][0], "{}", 400, answer);
    }
    memset(key, 'k', 256);
    key[256] = '\0';
    post_refused(*state, key, "{}", 400,
                 "{\"error\": \"Idempotency-Key has 256 bytes, 255 are the most\"}");
    key[255] = '\0';
    free(post_ok(*state, key, "{}"));
}

static void ways_to_write_a_key(void **state)
{
    static const char *const same[][2] = {{"\"a b, c; d\"", " \"a b, c; d\" "},
                                          {"\"q\\\"\\\\\"", "\"q\\\"\\\\\""},
                                          {"YWJj/+==", "\"YWJj/+==\""},
                                          {"x", "  x  "}};

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        char *first = post_ok(*state, same[i][0], "{}"),
             *second = post_ok(*state, same[i][1], "{}");

        assert_string_equal(first, second);
        free(first);
        free(second);
    }
}

/* The original API is as it was. */
static void not_on_the_original_api(void **state)
{
    struct http_response response;

    ask_with(*state, "POST", "/start", "Idempotency-Key: \"o\"\r\n", "{\"job_id\": \"orig\"}",
             &response);
    assert_int_equal(response.status, 200);
    http_response_finish(&response);
    ask_with(*state, "POST", "/start", "Idempotency-Key: \"o\"\r\n", "{\"job_id\": \"orig\"}",
             &response);
    assert_int_equal(response.status, 409);
    http_response_finish(&response);
    ask_with(*state, "POST", "/start", "Idempotency-Key: \"\"\r\n", "{\"job_id\": \"orig2\"}",
             &response);
    assert_int_equal(response.status, 200);
    http_response_finish(&response);
}

/* ---- at the same time ---- */

enum { AT_ONCE = 16 };

/* Sends them all before any answer is read. The body has a %d where each is to have its own. */
static int post_at_once(const struct vtsimd *vtsimd, const char *key, const char *body,
                        const char *refused)
{
    struct http_connection connections[AT_ONCE];
    struct http_response response;
    char headers[64], own[64], first[64] = "", *request;
    struct json_object *job;
    int done = 0;

    snprintf(headers, sizeof(headers), "Idempotency-Key: \"%s\"\r\n", key);
    for (int i = 0; i < AT_ONCE; i++)
        http_connect(&connections[i], vtsimd->port);
    for (int i = 0; i < AT_ONCE; i++) {
        snprintf(own, sizeof(own), body, i);
        request = request_text("POST", "/jobs", headers, own);
        assert_true(http_puts(&connections[i], request));
        free(request);
    }
    for (int i = 0; i < AT_ONCE; i++) {
        assert_int_equal(http_read(&connections[i], &response), HTTP_ANSWER);
        if (response.status == 201) {
            job = json_tokener_parse(response.body);
            if (done++ > 0)
                assert_string_equal(member_text(job, "id"), first);
            snprintf(first, sizeof(first), "%s", member_text(job, "id"));
            json_object_put(job);
        } else {
            assert_int_equal(response.status, 422);
            assert_string_equal(response.body, refused);
        }
        http_response_finish(&response);
        http_close(&connections[i]);
    }
    return done;
}

static void several_at_once(void **state)
{
    struct vtsimd vtsimd;
    char key[32], body[32];

    (void)state;
    server_start(&vtsimd, "-s", "server/workers=4", NULL);
    for (int round = 0; round < 20; round++) {
        snprintf(key, sizeof(key), "made-up-%d", round);
        assert_int_equal(post_at_once(&vtsimd, key, "{\"input\": \"same\"}", USED), AT_ONCE);
        assert_int_equal(count_jobs(&vtsimd), 2 * round + 1);
        /* The same key for as many jobs: it stands for whichever came first. */
        snprintf(key, sizeof(key), "own-%d", round);
        snprintf(body, sizeof(body), "{\"id\": \"%d-%%d\"}", round);
        assert_int_equal(post_at_once(&vtsimd, key, body, USED), 1);
        assert_int_equal(count_jobs(&vtsimd), 2 * round + 2);
    }
    server_stop(&vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeat_is_told_the_same_job),
        cmocka_unit_test(a_repeat_after_the_end),
        cmocka_unit_test(a_key_with_another_body),
        cmocka_unit_test(an_id_that_another_start_has),
        cmocka_unit_test(a_start_that_was_refused),
        cmocka_unit_test(an_answer_that_was_lost),
        cmocka_unit_test(keys_that_are_none),
        cmocka_unit_test(ways_to_write_a_key),
        cmocka_unit_test(not_on_the_original_api),
        cmocka_unit_test(several_at_once),
    };

    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
