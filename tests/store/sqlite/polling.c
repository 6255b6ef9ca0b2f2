/* SPDX-License-Identifier: MIT
 *
 * What polls and starts of the full API promise where jobs are in SQLite: a key is known after a kill, a
 * batch of polls that each change their job is answered when all are committed, and a poll that waits is
 * told what was committed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../http/server.h"
#include "folder.h"

#include <cmocka.h>

static char folder[FOLDER_ROOM], path_option[FOLDER_ROOM + 64];
static struct vtsimd vtsimd;

static void start(void)
{
    server_start(&vtsimd, "-s", "store/kind=sqlite", "-s", path_option, "-s", "server/workers=2",
                 "-s", "behaviour steps/plugin=scripted_sequence", "-s",
                 "behaviour steps/script=pending x3, completed", NULL);
}

static int setup(void **state)
{
    (void)state;
    folder_make(folder);
    snprintf(path_option, sizeof(path_option), "store/path=%s/jobs.db", folder);
    start();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (vtsimd.pid)
        server_stop(&vtsimd);
    folder_remove(folder);
    return 0;
}

static void kill_and_start(void)
{
    vtsimd_kill(&vtsimd);
    vtsimd_finish(&vtsimd);
    start();
}

/* The id that a start with this key is told, or its status where it is another one. */
static int post(const char *key, const char *body, char id[64])
{
    struct http_response response;
    struct json_object *job;
    char headers[128];
    int status;

    snprintf(headers, sizeof(headers), "Idempotency-Key: \"%s\"\r\n", key);
    ask_with(&vtsimd, "POST", "/jobs", headers, body, &response);
    status = response.status;
    if (status == 201) {
        job = json_tokener_parse(response.body);
        snprintf(id, 64, "%s", member_text(job, "id"));
        json_object_put(job);
    }
    http_response_finish(&response);
    return status;
}

static void a_key_outlives_a_kill(void **state)
{
    char first[64], again[64];

    (void)state;
    assert_int_equal(post("made-up", "{\"input\": 1}", first), 201);
    assert_int_equal(post("own", "{\"id\": \"x\"}", again), 201);
    kill_and_start();
    assert_int_equal(post("made-up", "{\"input\": 1}", again), 201);
    assert_string_equal(again, first);
    assert_int_equal(post("made-up", "{\"input\": 2}", again), 422);
    assert_int_equal(post("own", "{\"id\": \"x\"}", again), 201);
    assert_string_equal(again, "x");
    assert_int_equal(post("own", "{\"id\": \"y\"}", again), 422);
    assert_int_equal(post("other", "{\"id\": \"x\"}", again), 409);
    ask(&vtsimd, "GET", "/jobs/y", NULL, 404, NULL);
}

static void a_batch_in_which_each_poll_is_a_change(void **state)
{
    char target[4096] = "/jobs?id=s0", body[64];
    struct json_object *page, *jobs;

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(body, sizeof(body), "{\"id\": \"s%d\", \"behaviour\": \"steps\"}", i);
        ask(&vtsimd, "POST", "/jobs", body, 201, NULL);
        if (i > 0)
            sprintf(target + strlen(target), "&id=s%d", i);
    }
    for (int poll = 0; poll < 5; poll++) {
        page = ask_json(&vtsimd, "GET", target, NULL, 200);
        jobs = json_object_object_get(page, "jobs");
        assert_int_equal(json_object_array_length(jobs), 100);
        for (size_t i = 0; i < 100; i++) {
            snprintf(body, sizeof(body), "s%zu", i);
            assert_string_equal(member_text(json_object_array_get_idx(jobs, i), "id"), body);
            assert_string_equal(member_text(json_object_array_get_idx(jobs, i), "status"),
                                poll < 3 ? "pending" : "completed");
        }
        json_object_put(page);
        if (poll == 1)
            kill_and_start();
    }
    /* Clients that leave while the commit is made. */
    for (int i = 0; i < 50; i++) {
        struct http_connection connection;

        snprintf(body, sizeof(body), "{\"id\": \"l%d\", \"behaviour\": \"steps\"}", i);
        ask(&vtsimd, "POST", "/jobs", body, 201, NULL);
        snprintf(target, sizeof(target), "/jobs?id=l%d&id=none&id=l%d", i, i);
        http_connect(&connection, vtsimd.port);
        assert_true(http_send_request(&connection, "GET", target, NULL));
        if (i % 2)
            http_reset(&connection);
        else
            http_close(&connection);
    }
    wait_for_connections(&vtsimd, 0);
}

static void a_poll_that_waits(void **state)
{
    struct http_connection waiting[2];
    struct http_response response;

    (void)state;
    start_job(&vtsimd, "w0", NULL);
    start_job(&vtsimd, "w1", "{\"after\": 300}");
    for (int i = 0; i < 2; i++) {
        http_connect(&waiting[i], vtsimd.port);
        assert_true(http_puts(&waiting[i],
                              i ? "GET /jobs/w1 HTTP/1.1\r\nPrefer: wait=60\r\nHost: x\r\n\r\n"
                                : "GET /jobs/w0 HTTP/1.1\r\nPrefer: wait=60\r\nHost: x\r\n\r\n"));
    }
    wait_for_polls(&vtsimd, "w0", 1);
    ask(&vtsimd, "DELETE", "/jobs/w0", NULL, 200, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(http_read(&waiting[i], &response), HTTP_ANSWER);
        assert_non_null(strstr(response.body, i ? "\"completed\"" : "\"cancelled\""));
        assert_string_equal(http_header(&response, "Preference-Applied"), "wait=60");
        http_response_finish(&response);
        http_close(&waiting[i]);
    }
    kill_and_start(); /* what they were told is in the file */
    ask(&vtsimd, "GET", "/status?job_id=w0", NULL, 200,
        "{\"job_id\": \"w0\", \"status\": \"error\"}");
    ask(&vtsimd, "GET", "/status?job_id=w1", NULL, 200,
        "{\"job_id\": \"w1\", \"status\": \"completed\"}");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_key_outlives_a_kill),
        TEST(a_batch_in_which_each_poll_is_a_change),
        TEST(a_poll_that_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
