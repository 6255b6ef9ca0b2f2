/* SPDX-License-Identifier: MIT
 *
 * What polls and starts of the full API promise where several vtsimds share a Redis: a batch is answered by
 * whoever is asked, a poll that waits sees what another vtsimd does, and a key holds for all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../http/server.h"
#include "../../store/redis/server.h"
#include "run.h"

#include <cmocka.h>

#define AT_ONCE 16

static struct redis_process process;
static struct vtsimd a, b;
static char url_setting[96];

static void start_one(struct vtsimd *vtsimd)
{
    server_start(vtsimd, "-s", "store/kind=redis", "-s", url_setting, "-s", "server/workers=2",
                 NULL);
}

static int setup(void **state)
{
    (void)state;
    redis_process_start(&process, NULL);
    snprintf(url_setting, sizeof(url_setting), "store/url=%s", process.url);
    start_one(&a);
    start_one(&b);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    server_stop(&a);
    server_stop(&b);
    redis_process_finish(&process);
    return 0;
}

/* ---- several at once ---- */

static void a_batch_of_jobs_of_both(void **state)
{
    char target[4096] = "/jobs?", id[16];
    struct json_object *page, *jobs, *job;

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof(id), "j%d", i);
        if (i % 5)
            start_job(i % 2 ? &a : &b, id, i % 7 ? NULL : "{\"status\": 503, \"retry_after\": 1}");
        sprintf(target + strlen(target), "%sid=%s", i ? "&" : "", id);
    }
    for (int round = 0; round < 2; round++) {
        page = ask_json(round ? &a : &b, "GET", target, NULL, 200);
        jobs = json_object_object_get(page, "jobs");
        assert_int_equal(json_object_array_length(jobs), 100);
        for (int i = 0; i < 100; i++) {
            job = json_object_array_get_idx(jobs, (size_t)i);
            snprintf(id, sizeof(id), "j%d", i);
            assert_string_equal(member_text(job, "id"), id);
            if (i % 5 == 0)
                assert_string_equal(member_text(job, "error"), "there is no job of this id");
            else if (i % 7 == 0)
                assert_string_equal(member_text(job, "error"),
                                    "the behaviour \"bender\" answers 503");
            else
                assert_int_equal(json_object_get_int(json_object_object_get(job, "polls")),
                                 round + 1);
        }
        json_object_put(page);
    }
}

/* The answer to each is that Redis is away, and the clients that left meanwhile are no harm. */
static void while_redis_is_away(void **state)
{
    struct http_connection connections[8];
    struct json_object *page, *jobs;

    (void)state;
    start_job(&a, "x", NULL);
    redis_process_stop(&process);
    for (int i = 0; i < 8; i++) {
        http_connect(&connections[i], a.port);
        assert_true(http_send_request(&connections[i], "GET", "/jobs?id=x&id=y", NULL));
    }
    for (int i = 0; i < 8; i++)
        http_close(&connections[i]);
    page = ask_json(&a, "GET", "/jobs?id=x&id=y", NULL, 200); /* after the store's timeout */
    jobs = json_object_object_get(page, "jobs");
    for (size_t i = 0; i < 2; i++) {
        struct json_object *job = json_object_array_get_idx(jobs, i);

        assert_int_equal(json_object_get_int(json_object_object_get(job, "http_status")), 503);
        assert_int_equal(json_object_get_int(json_object_object_get(job, "retry_after")), 1);
    }
    json_object_put(page);
    redis_process_continue(&process);
    wait_for_connections(&a, 0);
}

/* ---- polls that wait ---- */

static void begin(struct http_connection *connection, const struct vtsimd *vtsimd, const char *id)
{
    char request[256];

    snprintf(request, sizeof(request),
             "GET /jobs/%s HTTP/1.1\r\nHost: x\r\nPrefer: wait=60\r\n\r\n", id);
    http_connect(connection, vtsimd->port);
    assert_true(http_puts(connection, request));
}

static void expect(struct http_connection *connection, const char *what)
{
    struct http_response response;

    assert_int_equal(http_read(connection, &response), HTTP_ANSWER);
    if (!strstr(response.body, what))
        fail_msg("not %s: %s", what, response.body);
    http_response_finish(&response);
    http_close(connection);
}

static void a_wait_sees_what_another_does(void **state)
{
    struct http_connection waiting[10];
    char id[16], target[32];
    int64_t before_ms;

    (void)state;
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof(id), "w%d", i);
        start_job(&a, id, i % 2 ? NULL : "{\"after\": 400}");
        begin(&waiting[i], &a, id);
        wait_for_polls(&b, id, 1);
    }
    before_ms = run_now_ms();
    for (int i = 1; i < 10; i += 2) {
        snprintf(target, sizeof(target), "/jobs/w%d", i);
        ask(&b, "DELETE", target, NULL, 200, NULL);
        expect(&waiting[i], "\"cancelled\"");
    }
    assert_in_range(run_now_ms() - before_ms, 0, EVENT_MS);
    for (int i = 0; i < 10; i += 2)
        expect(&waiting[i], "\"completed\"");
}

static void a_wait_while_redis_goes_away(void **state)
{
    struct http_connection waiting;
    struct http_response response;

    (void)state;
    start_job(&a, "x", NULL);
    begin(&waiting, &a, "x");
    wait_for_polls(&b, "x", 1);
    redis_process_kill(&process);
    assert_int_equal(http_read(&waiting, &response), HTTP_ANSWER);
    assert_int_equal(response.status, 503);
    assert_string_equal(http_header(&response, "Retry-After"), "1");
    assert_null(http_header(&response, "Preference-Applied"));
    http_response_finish(&response);
    http_close(&waiting);
}

/* How often poll counts were asked for, which each look does. */
static long long looks(void)
{
    redisReply *reply = redis_ask(&process, "INFO commandstats");
    const char *at = strstr(reply->str, "cmdstat_zscore:calls=");
    long long calls = at ? strtoll(at + strlen("cmdstat_zscore:calls="), NULL, 10) : 0;

    freeReplyObject(reply);
    return calls;
}

/* Nobody looks any more for clients that have left. */
static void clients_that_leave_end_their_waits(void **state)
{
    struct http_connection waiting[20];
    long long before;

    (void)state;
    start_job(&a, "left", NULL);
    start_job(&a, "later", "{\"stall\": 800}");
    for (int i = 0; i < 20; i++)
        begin(&waiting[i], &a, "left");
    wait_for_polls(&b, "left", 20);
    before = looks();
    ask(&a, "GET", "/jobs/later", NULL, 200, NULL); /* takes 800 ms */
    assert_in_range(looks() - before, 20 * 2, 20 * 8);
    for (int i = 0; i < 20; i++)
        if (i % 2)
            http_reset(&waiting[i]);
        else
            http_close(&waiting[i]);
    wait_for_connections(&a, 0);
    before = looks();
    ask(&a, "GET", "/jobs/later", NULL, 200, NULL);
    assert_in_range(looks() - before, 0, 20);
}

/* ---- keys ---- */

/* Sends them all, to both in turn, before any answer is read. How many were 201; the others were `other`. */
static int post_at_once(const char *key, const char *body, int other)
{
    struct http_connection connections[AT_ONCE];
    struct http_response response;
    char headers[64], own[64], first[64] = "", *request;
    struct json_object *job;
    int done = 0;

    snprintf(headers, sizeof(headers), "Idempotency-Key: \"%s\"\r\n", key);
    for (int i = 0; i < AT_ONCE; i++)
        http_connect(&connections[i], i % 2 ? a.port : b.port);
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
            assert_int_equal(response.status, other);
        }
        http_response_finish(&response);
        http_close(&connections[i]);
    }
    return done;
}

static void a_key_holds_for_all(void **state)
{
    char key[32], body[32];

    (void)state;
    for (int round = 0; round < 10; round++) {
        snprintf(key, sizeof(key), "made-up-%d", round);
        assert_int_equal(post_at_once(key, "{}", 0), AT_ONCE);
        assert_int_equal(redis_do(&process, "HGET vtsim:states 2"), 2 * round + 1);
        snprintf(key, sizeof(key), "own-%d", round);
        snprintf(body, sizeof(body), "{\"id\": \"%d-%%d\"}", round);
        assert_int_equal(post_at_once(key, body, 422), 1);
        assert_int_equal(redis_do(&process, "HGET vtsim:states 2"), 2 * round + 2);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_batch_of_jobs_of_both),
        TEST(while_redis_is_away),
        TEST(a_wait_sees_what_another_does),
        TEST(a_wait_while_redis_goes_away),
        TEST(clients_that_leave_end_their_waits),
        TEST(a_key_holds_for_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
