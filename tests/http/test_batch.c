/* SPDX-License-Identifier: MIT
 *
 * GET /jobs?id=a&id=b through a real vtsimd: each of several jobs in its place, good or not, whatever
 * becomes of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server.h"

/* The jobs of an answer. For json_object_put with *page. */
static struct json_object *ask_jobs(const struct vtsimd *vtsimd, const char *target, size_t count,
                                    struct json_object **page)
{
    struct json_object *jobs;

    *page = ask_json(vtsimd, "GET", target, NULL, 200);
    jobs = json_object_object_get(*page, "jobs");
    assert_int_equal(json_object_array_length(jobs), count);
    return jobs;
}

static struct json_object *at(struct json_object *jobs, size_t i)
{
    return json_object_array_get_idx(jobs, i);
}

static int number(struct json_object *object, const char *name)
{
    struct json_object *member = NULL;

    if (!json_object_object_get_ex(object, name, &member) ||
        !json_object_is_type(member, json_type_int))
        fail_msg("no number %s in %s", name, json_object_to_json_string(object));
    return json_object_get_int(member);
}

/* How often it was asked for, seen in a listing. */
static int polls_of(const struct vtsimd *vtsimd, const char *id)
{
    struct json_object *page = ask_json(vtsimd, "GET", "/jobs?limit=1000", NULL, 200);
    struct json_object *jobs = json_object_object_get(page, "jobs");
    int polls = -1;

    for (size_t i = 0; i < json_object_array_length(jobs); i++)
        if (strcmp(member_text(at(jobs, i), "id"), id) == 0)
            polls = number(at(jobs, i), "polls");
    json_object_put(page);
    return polls;
}

static void in_the_order_of_the_request(void **state)
{
    static const char *const order[] = {"o2", "none", "o1", "o3", "o2"};
    struct json_object *page, *jobs;
    char *names, *alone;

    start_job(*state, "o1", NULL);
    start_job(*state, "o2", NULL);
    start_job(*state, "o3", "{\"after\": 0}");
    jobs = ask_jobs(*state, "/jobs?id=o2&id=none&id=o1&id=o3&id=o2", 5, &page);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(member_text(at(jobs, i), "id"), order[i]);
    assert_string_equal(member_text(at(jobs, 0), "status"), "pending");
    assert_string_equal(member_text(at(jobs, 3), "state"), "completed");
    assert_string_equal(json_object_to_json_string_ext(at(jobs, 1), JSON_C_TO_STRING_PLAIN),
                        "{\"id\":\"none\",\"error\":\"there is no job of this id\","
                        "\"http_status\":404}");
    /* Each time that it is named is a poll. */
    assert_int_equal(number(at(jobs, 0), "polls"), 1);
    assert_int_equal(number(at(jobs, 4), "polls"), 2);
    assert_int_equal(number(at(jobs, 2), "polls"), 1);
    names = member_names(page);
    assert_string_equal(names, "jobs next");
    free(names);
    /* A job among others is told as it is alone. */
    names = member_names(at(jobs, 3));
    json_object_put(page);
    page = ask_json(*state, "GET", "/jobs/o3", NULL, 200);
    alone = member_names(page);
    assert_string_equal(names, alone);
    free(names);
    free(alone);
    json_object_put(page);
    /* One alone, and ids that need encoding. */
    start_job(*state, "a b&c+d", NULL);
    jobs = ask_jobs(*state, "/jobs?id=a+b%26c%2Bd", 1, &page);
    assert_string_equal(member_text(at(jobs, 0), "id"), "a b&c+d");
    assert_string_equal(member_text(at(jobs, 0), "status"), "pending");
    json_object_put(page);
}

/* ---- answers that are bent ---- */

static void what_cannot_be_told_among_others(void **state)
{
    static const char *const bent[][2] = {
        {"\"status\": 503, \"retry_after\": 1500",
         "the behaviour \\\"bender\\\" answers 503\", \"http_status\": 503, \"retry_after\": 2"},
        {"\"status\": 503, \"retry_after\": 3000, \"date\": 1",
         "the behaviour \\\"bender\\\" answers 503\", \"http_status\": 503, \"retry_after\": 3"},
        {"\"status\": 500", "the behaviour \\\"bender\\\" answers 500\", \"http_status\": 500"},
        {"\"status\": 404", "the behaviour \\\"bender\\\" answers 404\", \"http_status\": 404"},
        {"\"status\": 429, \"retry_after\": -1",
         "the behaviour \\\"bender\\\" answers 429\", \"http_status\": 429, \"retry_after\": 0"},
        {"\"status\": 302", "the behaviour \\\"bender\\\" answers 302\", \"http_status\": 302"},
        {"\"cut\": \"reset\"",
         "the behaviour \\\"bender\\\" resets the connection\", \"http_status\": 502"},
        {"\"cut\": \"reset\", \"status\": 503",
         "the behaviour \\\"bender\\\" resets the connection\", \"http_status\": 502"},
        {"\"cut\": \"empty\"", "the behaviour \\\"bender\\\" closes the connection without an "
                               "answer\", \"http_status\": 502"},
        {"\"cut\": \"truncate\"",
         "the behaviour \\\"bender\\\" cuts the answer off\", \"http_status\": 502"},
        {"\"cut\": \"garbage\"",
         "the behaviour \\\"bender\\\" answers with what is no HTTP\", \"http_status\": 502"},
        {"\"body\": \"html\"", "the behaviour \\\"bender\\\" answers with a page instead of "
                               "JSON\", \"http_status\": 502"},
        {"\"body\": \"html\", \"status\": 504",
         "the behaviour \\\"bender\\\" answers 504\", \"http_status\": 504"},
        {"\"body\": \"invalid_json\"",
         "the behaviour \\\"bender\\\" answers with what is no JSON\", \"http_status\": 502"},
        {"\"body\": \"no_status\"",
         "the behaviour \\\"bender\\\" answers without a status\", \"http_status\": 502"},
        {"\"stall\": 3600000",
         "the behaviour \\\"bender\\\" stalls the answer: ask for this job alone to wait "
         "for it\", \"http_status\": 504"},
        {"\"dribble\": 3600000",
         "the behaviour \\\"bender\\\" dribbles the answer: ask for this job alone to "
         "wait for it\", \"http_status\": 504"}};
    struct http_response response;
    char input[256], id[32], target[64], wanted[512];

    start_job(*state, "good", NULL);
    for (size_t i = 0; i < sizeof(bent) / sizeof(bent[0]); i++) {
        snprintf(id, sizeof(id), "bent-%zu", i);
        snprintf(input, sizeof(input), "{%s}", bent[i][0]);
        start_job(*state, id, input);
        snprintf(target, sizeof(target), "/jobs?id=good&id=%s&id=good", id);
        http_request(((struct vtsimd *)*state)->port, "GET", target, NULL, &response);
        assert_int_equal(response.status, 200);
        snprintf(wanted, sizeof(wanted), "}, {\"id\": \"%s\", \"error\": \"%s}, {\"id\": \"good\"",
                 id, bent[i][1]);
        if (!strstr(response.body, wanted))
            fail_msg("%s\nis not in %s", wanted, response.body);
        http_response_finish(&response);
    }
}

/* What can be told in the job's own object is. */
static void what_can_be_told(void **state)
{
    struct json_object *page, *jobs;

    start_job(*state, "w", "{\"word\": \"queued-ish\"}");
    start_job(*state, "r", "{\"retry_after\": 2500}");
    start_job(*state, "k", "{\"status\": 203}");
    start_job(*state, "f", "{\"after\": 0, \"end\": \"error\", \"retry_after\": 1000}");
    jobs = ask_jobs(*state, "/jobs?id=w&id=r&id=k&id=f", 4, &page);
    assert_string_equal(member_text(at(jobs, 0), "status"), "queued-ish");
    assert_string_equal(member_text(at(jobs, 0), "state"), "queued-ish");
    assert_string_equal(member_text(at(jobs, 1), "status"), "pending");
    assert_int_equal(number(at(jobs, 1), "retry_after"), 3);
    assert_string_equal(member_text(at(jobs, 2), "status"), "pending");
    assert_false(json_object_object_get_ex(at(jobs, 2), "retry_after", NULL));
    assert_string_equal(member_text(at(jobs, 3), "state"), "failed");
    assert_int_equal(number(at(jobs, 3), "retry_after"), 1);
    json_object_put(page);
}

/* ---- limits and bad input ---- */

static void ids_that_cannot_be_asked_for(void **state)
{
    static const char *const wrong[][2] = {
        {"/jobs?id=", "id is empty"},
        {"/jobs?id=no&id", "id is empty"},
        {"/jobs?id=no&id=a%00b", "id has a control character"},
        {"/jobs?id=no&id=%00", "id has a control character"},
        {"/jobs?id=no&id=%ff", "id is not UTF-8"},
        {"/jobs?id=no&id=%4",
         "id is not percent-encoded rightly: two hexadecimal digits must follow each %"},
        {"/jobs?id=no&limit=3",
         "limit goes with a listing, id with the jobs that are named: ask for one"},
        {"/jobs?state=running&id=no",
         "state goes with a listing, id with the jobs that are named: ask for one"},
        {"/jobs?id=no&after=no",
         "after goes with a listing, id with the jobs that are named: ask for one"},
        {"/jobs?id=no&ids=no", "unknown parameter \\\"ids\\\": this path takes id"}};
    char answer[512], target[1024];

    start_job(*state, "no", NULL);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(answer, sizeof(answer), "{\"error\": \"%s\"}", wrong[i][1]);
        ask(*state, "GET", wrong[i][0], NULL, 400, answer);
    }
    strcpy(target, "/jobs?id=no&id=");
    memset(target + strlen(target), 'x', 300);
    target[15 + 300] = '\0';
    ask(*state, "GET", target, NULL, 400, "{\"error\": \"id has 300 bytes, 255 are the most\"}");
    assert_int_equal(polls_of(*state, "no"), 0); /* nobody was asked for */
}

static void a_hundred_and_one_more(void **state)
{
    char target[8192] = "/jobs?id=hundred";
    struct json_object *page, *jobs;

    start_job(*state, "hundred", NULL);
    for (int i = 1; i < 100; i++)
        strcat(target, "&id=hundred");
    jobs = ask_jobs(*state, target, 100, &page);
    assert_int_equal(number(at(jobs, 99), "polls"), 100);
    json_object_put(page);
    strcat(target, "&id=hundred");
    ask(*state, "GET", target, NULL, 400,
        "{\"error\": \"101 ids are asked for at one time, 100 are the most\"}");
    assert_int_equal(polls_of(*state, "hundred"), 100);
    for (int i = 101; i < 700; i++)
        strcat(target, "&id=hundred");
    ask(*state, "GET", target, NULL, 400,
        "{\"error\": \"700 ids are asked for at one time, 100 are the most\"}");
}

/* A hundred of the longest ids there are, each byte of them encoded. */
static void the_longest_ids(void **state)
{
    char *target = malloc(100 * (4 + 3 * 255) + 64), id[256], body[512];
    struct json_object *page, *jobs;
    size_t length = (size_t)sprintf(target, "/jobs?");

    for (int i = 0; i < 100; i++) {
        memset(id, '/', 255);
        id[255] = '\0';
        id[0] = (char)('0' + i / 10);
        id[1] = (char)('0' + i % 10);
        if (i % 3 == 0) {
            snprintf(body, sizeof(body), "{\"job_id\": \"%s\"}", id);
            ask(*state, "POST", "/start", body, 200, NULL);
        }
        length += (size_t)sprintf(target + length, "%sid=", i ? "&" : "");
        for (int j = 0; j < 255; j++)
            length += (size_t)sprintf(target + length, "%%%02X", id[j]);
    }
    jobs = ask_jobs(*state, target, 100, &page);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(strlen(member_text(at(jobs, i), "id")), 255);
        assert_int_equal(json_object_object_get_ex(at(jobs, i), "http_status", NULL), i % 3 != 0);
    }
    json_object_put(page);
    free(target);
}

/* Results that are large: what does not fit has to be asked for again, and what fits is whole. */
static void an_answer_that_is_full(void **state)
{
    char *input = malloc(70000), *target = malloc(4096), id[16];
    struct http_response response;
    struct json_object *page, *jobs, *item;
    int whole = 0;

    assert_true(input && target);
    strcpy(input, "{\"after\": 0, \"result\": \"input\", \"text\": \"");
    memset(input + strlen(input), 'r', 60000);
    strcpy(input + 60000, "\"}");
    strcpy(target, "/jobs?id=large-0");
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), "large-%d", i);
        start_job(*state, id, input);
        if (i > 0)
            sprintf(target + strlen(target), "&id=%s", id);
    }
    http_request(((struct vtsimd *)*state)->port, "GET", target, NULL, &response);
    assert_in_range(response.body_length, 256 * 1024, 1024 * 1024);
    page = json_tokener_parse(response.body);
    http_response_finish(&response);
    jobs = json_object_object_get(page, "jobs");
    assert_int_equal(json_object_array_length(jobs), 20);
    for (size_t i = 0; i < 20; i++) {
        item = at(jobs, i);
        if (!json_object_object_get_ex(item, "http_status", NULL)) {
            assert_int_equal(whole, i); /* the first ones */
            assert_true(strlen(json_object_to_json_string(item)) > 50000);
            whole++;
            continue;
        }
        assert_int_equal(number(item, "http_status"), 503);
        assert_int_equal(number(item, "retry_after"), 1);
        assert_string_equal(member_text(item, "error"),
                            "the answer is full: ask for this job in another request");
    }
    assert_in_range(whole, 4, 10);
    json_object_put(page);
    free(input);
    free(target);
}

static void head_and_other_methods(void **state)
{
    struct http_response get, head;

    start_job(*state, "headed", NULL);
    http_request(((struct vtsimd *)*state)->port, "GET", "/jobs?id=headed", NULL, &get);
    ask_with(*state, "HEAD", "/jobs?id=headed", NULL, NULL, &head);
    assert_int_equal(head.status, 200);
    assert_string_equal(http_header(&head, "Content-Length"), http_header(&get, "Content-Length"));
    http_response_finish(&get);
    http_response_finish(&head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_order_of_the_request),
        cmocka_unit_test(what_cannot_be_told_among_others),
        cmocka_unit_test(what_can_be_told),
        cmocka_unit_test(ids_that_cannot_be_asked_for),
        cmocka_unit_test(a_hundred_and_one_more),
        cmocka_unit_test(the_longest_ids),
        cmocka_unit_test(an_answer_that_is_full),
        cmocka_unit_test(head_and_other_methods),
    };

    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
