/* SPDX-License-Identifier: MIT
 *
 * The behaviour `queue` through a vtsimd: what clients are told of jobs that wait, of refused starts, and of
 * grants; with two workers, and with polls that wait for news. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"
#include "server.h"

#define QUEUE                                                                                      \
    "-s", "server/workers=2", "-s", "server/behaviour=q", "-s", "behaviour q/plugin=queue", "-s",  \
        "behaviour q/slots=1"

static void start_one(const struct vtsimd *vtsimd, const char *id)
{
    char body[64];

    snprintf(body, sizeof(body), "{\"job_id\": \"%s\"}", id);
    ask(vtsimd, "POST", "/start", body, 200, NULL);
}

static void assert_state(const struct vtsimd *vtsimd, const char *id, const char *state)
{
    char target[64];
    struct json_object *job;

    snprintf(target, sizeof(target), "/jobs/%s", id);
    job = ask_json(vtsimd, "GET", target, NULL, 200);
    assert_string_equal(member_text(job, "state"), state);
    json_object_put(job);
}

static void jobs_that_wait(void **state)
{
    struct json_object *job, *member;
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, QUEUE, "-s", "behaviour q/running=1d", NULL);
    job = ask_json(&vtsimd, "POST", "/jobs", "{\"id\": \"a\"}", 201);
    assert_string_equal(member_text(job, "state"), "running"); /* granted, and told at once */
    json_object_put(job);
    job = ask_json(&vtsimd, "POST", "/jobs", "{\"id\": \"b\"}", 201);
    assert_string_equal(member_text(job, "state"), "queued");
    assert_string_equal(member_text(job, "status"), "pending");
    assert_true(json_object_object_get_ex(job, "started_at", &member));
    assert_null(member);
    assert_true(json_object_object_get_ex(job, "progress", &member));
    assert_true(json_object_get_double(member) == 0);
    json_object_put(job);
    ask(&vtsimd, "GET", "/status?job_id=b", NULL, 200,
        "{\"job_id\": \"b\", \"status\": \"pending\"}");
    ask(&vtsimd, "DELETE", "/jobs/a", NULL, 200, NULL);
    job = ask_json(&vtsimd, "GET", "/jobs/b", NULL, 200);
    assert_string_equal(member_text(job, "state"), "running");
    assert_true(json_object_object_get_ex(job, "started_at", &member));
    assert_non_null(member);
    json_object_put(job);
    server_stop(&vtsimd);
}

static void starts_beyond_the_limit(void **state)
{
    struct http_response response;
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, QUEUE, "-s", "behaviour q/running=1d", "-s", "behaviour q/limit=1", "-s",
                 "behaviour q/retry_after=1500ms", NULL);
    start_one(&vtsimd, "a");
    start_one(&vtsimd, "b");
    http_request(vtsimd.port, "POST", "/start", "{\"job_id\": \"c\"}", &response);
    assert_int_equal(response.status, 429);
    assert_string_equal(http_header(&response, "Retry-After"), "2");
    assert_string_equal(response.body,
                        "{\"error\": \"the behaviour \\\"q\\\" refuses to start this job\"}");
    http_response_finish(&response);
    ask(&vtsimd, "GET", "/status?job_id=c", NULL, 404, NULL);
    ask(&vtsimd, "DELETE", "/jobs/b", NULL, 200, NULL);
    start_one(&vtsimd, "c");
    assert_state(&vtsimd, "c", "queued");
    server_stop(&vtsimd);
}

static void assert_posted(const struct vtsimd *vtsimd, const char *id, int slots, const char *state)
{
    struct json_object *job;
    char body[160];

    snprintf(body, sizeof(body),
             "{\"id\": \"%s\", \"behaviour\": \"queue\", \"options\": {\"slots\": %d, \"running\": "
             "\"1d\"}}",
             id, slots);
    job = ask_json(vtsimd, "POST", "/jobs", body, 201);
    assert_string_equal(member_text(job, "state"), state);
    json_object_put(job);
}

/* Jobs with the same options share their slots, and no others. */
static void options_of_requests(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, QUEUE, NULL);
    assert_posted(&vtsimd, "a", 1, "running");
    assert_posted(&vtsimd, "b", 1, "queued");
    assert_posted(&vtsimd, "c", 2, "running");
    assert_posted(&vtsimd, "d", 2, "running");
    assert_posted(&vtsimd, "e", 2, "queued");
    ask(&vtsimd, "DELETE", "/jobs/a", NULL, 200, NULL);
    assert_state(&vtsimd, "b", "running");
    assert_state(&vtsimd, "e", "queued");
    /* When all of them have gone their slots are as new. */
    ask(&vtsimd, "DELETE", "/jobs/b", NULL, 200, NULL);
    assert_posted(&vtsimd, "f", 1, "running");
    server_stop(&vtsimd);
}

/* Nobody asks for the one that ends: the loop grants, and whoever waits for news is told. */
static void a_grant_is_news(void **state)
{
    struct http_response response;
    struct vtsimd vtsimd;

    (void)state;
    /* Longer than this test waits for an answer. */
    server_start(&vtsimd, QUEUE, "-s", "server/max_wait=60s", "-s", "behaviour q/running=200ms",
                 NULL);
    start_one(&vtsimd, "a");
    start_one(&vtsimd, "b");
    ask_with(&vtsimd, "GET", "/jobs/b", "Prefer: wait=60\r\n", NULL, &response);
    assert_int_equal(response.status, 200);
    assert_string_equal(http_header(&response, "Preference-Applied"), "wait=60");
    assert_null(strstr(response.body, "\"queued\""));
    http_response_finish(&response);
    wait_for_state(&vtsimd, "b", "completed");
    server_stop(&vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_that_wait),
        cmocka_unit_test(starts_beyond_the_limit),
        cmocka_unit_test(options_of_requests),
        cmocka_unit_test(a_grant_is_news),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
