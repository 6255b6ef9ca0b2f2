/* SPDX-License-Identifier: MIT
 *
 * Rules and filters through a real vtsimd: who gets which behaviour by id, by the input and by a header, on
 * both ways to start a job, and what filters do to the bytes that clients get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server.h"

#define GOOD_MODULES VTSIM_BUILD_DIR "/tests/fixtures/load/good"

static struct vtsimd vtsimd;

static int stop(void **state)
{
    (void)state;
    server_stop(&vtsimd);
    return 0;
}

static void assert_behaviour(const char *id, const char *wanted)
{
    struct json_object *jobs = ask_json(&vtsimd, "GET", "/jobs?limit=1000", NULL, 200), *list, *job;
    const char *got = NULL;

    json_object_object_get_ex(jobs, "jobs", &list);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        job = json_object_array_get_idx(list, i);
        if (strcmp(member_text(job, "id"), id) == 0)
            got = member_text(job, "behaviour");
    }
    assert_non_null(got);
    assert_string_equal(got, wanted);
    json_object_put(jobs);
}

static void start_with(const char *target, const char *headers, const char *body, int status)
{
    struct http_response response;

    ask_with(&vtsimd, "POST", target, headers, body, &response);
    assert_int_equal(response.status, status);
    http_response_finish(&response);
}

static void rules_on_both_ways_to_start(void **state)
{
    (void)state;
    server_start(&vtsimd, "-s", "rule tenants/header.x-tenant=acme*", "-s",
                 "rule tenants/input.language=es", "-s", "rule tenants/behaviour=both", "-s",
                 "rule spanish/input.language=es", "-s", "rule spanish/behaviour=spanish", "-s",
                 "rule ids/job_id=id-*", "-s", "rule ids/behaviour=ids", "-s",
                 "behaviour both/plugin=fixed_delay", "-s", "behaviour spanish/plugin=fixed_delay",
                 "-s", "behaviour ids/plugin=fixed_delay", NULL);
    start_with("/start", "X-TENANT: acme-1\r\n",
               "{\"job_id\": \"a\", \"input\": {\"language\": \"es\"}}", 200);
    start_with("/start", "x-tenant: other\r\nx-tenant: acme\r\n",
               "{\"job_id\": \"b\", \"input\": {\"language\": \"es\"}, \"language\": \"en\"}", 200);
    start_with("/start", "X-Tenant: other\r\n",
               "{\"job_id\": \"c\", \"input\": {\"language\": \"es\"}}", 200);
    start_with("/start", "X-Tenant: acme\r\n", "{\"job_id\": \"id-1\"}", 200);
    start_with("/start", "", "{\"job_id\": \"d\", \"input\": \"es\"}", 200);
    start_with("/jobs", "X-Tenant: acme\r\n", "{\"id\": \"e\", \"input\": {\"language\": \"es\"}}",
               201);
    start_with("/jobs", "", "{\"id\": \"id-2\", \"input\": {\"language\": \"es\"}}", 201);
    start_with("/jobs", "", "{\"id\": \"id-3\", \"input\": {\"language\": \"en\"}}", 201);
    /* one that names its own asks no rule */
    start_with("/jobs", "", "{\"id\": \"id-4\", \"behaviour\": \"spanish\"}", 201);
    assert_behaviour("a", "both");
    assert_behaviour("b", "both");
    assert_behaviour("c", "spanish");
    assert_behaviour("id-1", "ids");
    assert_behaviour("d", "bender");
    assert_behaviour("e", "both");
    assert_behaviour("id-2", "spanish");
    assert_behaviour("id-3", "ids");
    assert_behaviour("id-4", "spanish");
}

/* The input of POST /start is the job's, as that of POST /jobs is. */
static void the_original_api_takes_an_input(void **state)
{
    (void)state;
    server_start(&vtsimd, NULL);
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"a\", \"input\": {\"word\": \"soon\"}}", 200,
        "{\"message\": \"Job started\", \"job_id\": \"a\"}");
    ask(&vtsimd, "GET", "/status?job_id=a", NULL, 200, "{\"job_id\": \"a\", \"status\": \"soon\"}");
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"b\", \"input\": {\"word\": 1e999}}", 400,
        "{\"error\": \"the body has a number that is too large: whole ones have 64 bits, others go "
        "to 1e308\"}");
}

static void a_filter_answers_in_the_services_place(void **state)
{
    struct http_response response;

    (void)state;
    server_start(
        &vtsimd, "-s", "server/plugin_path=" GOOD_MODULES "\n" VTSIM_BUILD_DIR "/tests/plugins",
        "-s", "rule r/job_id=sieved*", "-s", "rule r/behaviour=quick", "-s", "rule r/filter=sieve",
        "-s", "behaviour own/plugin=quick", "-s", "behaviour own/filter=sieve", NULL);
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"sieved\"}", 200, NULL);
    http_request(vtsimd.port, "GET", "/status?job_id=sieved", NULL, &response);
    assert_int_equal(response.status, 503);
    assert_string_equal(http_header(&response, "Content-Type"), "application/json");
    http_response_finish(&response);
    ask(&vtsimd, "GET", "/jobs/sieved", NULL, 503,
        "{\"error\": \"the filter \\\"sieve\\\" answers 503\"}");
    ask(&vtsimd, "GET", "/jobs?id=sieved", NULL, 200,
        "{\"jobs\": [{\"id\": \"sieved\", \"error\": \"the filter \\\"sieve\\\" answers 503\", "
        "\"http_status\": 503}], \"next\": null}");
    /* a listing and a cancel are no polls */
    assert_behaviour("sieved", "quick");
    ask(&vtsimd, "DELETE", "/jobs/sieved", NULL, 200, NULL);
    /* behaviours bring their own, whoever names them */
    ask(&vtsimd, "POST", "/jobs", "{\"id\": \"a\", \"behaviour\": \"own\"}", 201, NULL);
    ask(&vtsimd, "GET", "/status?job_id=a", NULL, 503, NULL);
    ask(&vtsimd, "POST", "/jobs", "{\"id\": \"sieved-2\", \"behaviour\": \"quick\"}", 201, NULL);
    ask(&vtsimd, "GET", "/status?job_id=sieved-2", NULL, 200, NULL);
    ask(&vtsimd, "POST", "/jobs", "{\"id\": \"b\", \"behaviour\": \"sieve\"}", 400,
        "{\"error\": \"\\\"sieve\\\" is a filter, not a behaviour\"}");
    ask(&vtsimd, "GET", "/status?job_id=b", NULL, 404, NULL);
}

/* The bytes that clients get: an outage as the status, a page and a connection, and a quota. */
static void a_flaky_service(void **state)
{
    struct http_connection connection;
    struct http_response response;

    (void)state;
    server_start(&vtsimd, "-s", "behaviour quick/plugin=fixed_delay", "-s",
                 "rule page/job_id=page*", "-s", "rule page/behaviour=quick", "-s",
                 "rule page/filter=page", "-s", "filter page/plugin=flaky_service", "-s",
                 "filter page/outage_for=10m", "-s", "filter page/outage_as=html", "-s",
                 "filter page/outage_status=504", "-s", "rule reset/job_id=reset*", "-s",
                 "rule reset/behaviour=quick", "-s", "rule reset/filter=reset", "-s",
                 "filter reset/plugin=flaky_service", "-s", "filter reset/outage_for=10m", "-s",
                 "filter reset/outage_as=reset", "-s", "server/filter=quota", "-s",
                 "filter quota/plugin=flaky_service", "-s", "filter quota/outage_every=0", "-s",
                 "filter quota/error_rate=0", "-s", "filter quota/quota=4", "-s",
                 "filter quota/quota_window=36525d", NULL);
    http_request(vtsimd.port, "POST", "/start", "{\"job_id\": \"page-1\"}", &response);
    assert_int_equal(response.status, 504);
    assert_begins(http_header(&response, "Content-Type"), "text/html");
    assert_in_range(strtol(http_header(&response, "Retry-After"), NULL, 10), 1, 600);
    http_response_finish(&response);
    ask(&vtsimd, "GET", "/status?job_id=page-1", NULL, 404, NULL);
    http_connect(&connection, vtsimd.port);
    assert_true(http_send_request(&connection, "POST", "/jobs", "{\"id\": \"reset-1\"}"));
    assert_int_equal(http_wait_end(&connection), HTTP_RST);
    http_close(&connection);
    ask(&vtsimd, "GET", "/jobs/reset-1", NULL, 404, NULL);
    /* two of four are used up */
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"a\"}", 200, NULL);
    ask(&vtsimd, "GET", "/status?job_id=a", NULL, 200, NULL);
    http_request(vtsimd.port, "GET", "/status?job_id=a", NULL, &response);
    assert_int_equal(response.status, 429);
    assert_non_null(http_header(&response, "Retry-After"));
    http_response_finish(&response);
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"b\"}", 429,
        "{\"error\": \"the filter \\\"quota\\\" refuses to start this job\"}");
    /* a job that is there already is not asked for: 409, whatever a filter would say */
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"a\"}", 409, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(rules_on_both_ways_to_start, stop),
        cmocka_unit_test_teardown(the_original_api_takes_an_input, stop),
        cmocka_unit_test_teardown(a_filter_answers_in_the_services_place, stop),
        cmocka_unit_test_teardown(a_flaky_service, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
