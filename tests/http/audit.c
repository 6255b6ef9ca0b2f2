/* SPDX-License-Identifier: MIT
 *
 * The audit through a real vtsimd: GET /jobs/ID/audit, GET /_sim/audit, limits and their verdict, and what only
 * sockets show: connections, clients that leave, answers that come late. Times are real here, so only their
 * order is asserted; figures to the millisecond are in tests/audit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit.h"
#include "server.h"

/* ---- helpers ---- */

static struct json_object *audit_of(const struct vtsimd *vtsimd, const char *id)
{
    char target[128];

    snprintf(target, sizeof(target), "/jobs/%s/audit", id);
    return ask_json(vtsimd, "GET", target, NULL, 200);
}

/* One figure of a job, a whole number. */
static int64_t figure(const struct vtsimd *vtsimd, const char *id, const char *name)
{
    struct json_object *audit = audit_of(vtsimd, id), *member;
    int64_t value;

    if (!json_object_object_get_ex(audit, name, &member) ||
        !json_object_is_type(member, json_type_int))
        fail_msg("%s: %s", name, json_object_to_json_string(audit));
    value = json_object_get_int64(member);
    json_object_put(audit);
    return value;
}

static void poll_once(const struct vtsimd *vtsimd, const char *id, int status)
{
    char target[128];

    snprintf(target, sizeof(target), "/status?job_id=%s", id);
    ask(vtsimd, "GET", target, NULL, status, NULL);
}

/* The job has ended, seen through a listing, which is no poll. */
static void wait_for_end(const struct vtsimd *vtsimd, const char *id)
{
    int64_t deadline = processor_ms(vtsimd->pid) + EVENT_MS;
    bool ended = false;

    while (!ended) {
        struct json_object *page =
            ask_json(vtsimd, "GET", "/jobs?state=completed&limit=1000", NULL, 200);
        struct json_object *jobs = json_object_object_get(page, "jobs");

        for (size_t i = 0; i < json_object_array_length(jobs); i++)
            ended |= strcmp(member_text(json_object_array_get_idx(jobs, i), "id"), id) == 0;
        json_object_put(page);
        if (processor_ms(vtsimd->pid) > deadline)
            fail_msg("%s does not end", id);
    }
}

static void expect(const struct vtsimd *vtsimd, const char *limits)
{
    ask(vtsimd, "POST", "/_sim/audit/expect", limits, 200, NULL);
}

static void verdict(const struct vtsimd *vtsimd, const char *answer)
{
    ask(vtsimd, "GET", "/_sim/audit/verdict", NULL, 200, answer);
}

#define PASS "{\"verdict\": \"pass\", \"reasons\": []}"

/* ---- what is told ---- */

#define FIGURES                                                                                    \
    "polls useless_polls early_polls early_starts polls_after_end duplicate_starts connections "   \
    "faults unseen abandoned detection_delay intervals growth jitter cost"

static void the_members(void **state)
{
    struct json_object *audit, *member;
    char *names;

    start_job(*state, "members", NULL);
    audit = audit_of(*state, "members");
    names = member_names(audit);
    assert_string_equal(names, "id state created_at ended_at duration " FIGURES " age times");
    free(names);
    assert_string_equal(member_text(audit, "state"), "running");
    assert_true(json_object_object_get_ex(audit, "ended_at", &member) && !member);
    assert_true(json_object_object_get_ex(audit, "detection_delay", &member) && !member);
    names = member_names(json_object_object_get(audit, "intervals"));
    assert_string_equal(names, "min median max");
    free(names);
    json_object_put(audit);
    audit = ask_json(*state, "GET", "/_sim/audit?job=members", NULL, 200);
    names = member_names(audit);
    assert_string_equal(names, "jobs next sum");
    free(names);
    names = member_names(json_object_object_get(audit, "sum"));
    assert_string_equal(names, "jobs ended " FIGURES);
    free(names);
    json_object_put(audit);
    audit = ask_json(*state, "GET", "/_sim/audit", NULL, 200);
    names = member_names(json_object_object_get(audit, "sum"));
    assert_string_equal(names, "jobs ended " FIGURES " unknown_polls");
    free(names);
    json_object_put(audit);
}

static void poll_times_bear_their_faults(void **state)
{
    static const char *const faults[] = {"status 503", "html", "no_status", "word", "reset"};
    static const char *const bends[] = {"\"status\": 503", "\"body\": \"html\"",
                                        "\"body\": \"no_status\"", "\"word\": \"soon\"",
                                        "\"cut\": \"reset\""};
    char input[128], id[16];

    for (int i = 0; i < 5; i++) {
        struct http_connection connection;
        struct http_response response;
        struct json_object *audit, *times;

        snprintf(id, sizeof(id), "fault-%d", i);
        snprintf(input, sizeof(input), "{%s}", bends[i]);
        start_job(*state, id, input);
        http_connect(&connection, ((struct vtsimd *)*state)->port);
        snprintf(input, sizeof(input), "/jobs/%s", id);
        assert_true(http_send_request(&connection, "GET", input, NULL));
        http_read(&connection, &response);
        http_response_finish(&response);
        http_close(&connection);
        audit = audit_of(*state, id);
        times = json_object_object_get(audit, "times");
        assert_int_equal(json_object_array_length(times), 1);
        assert_string_equal(member_text(json_object_array_get_idx(times, 0), "fault"), faults[i]);
        json_object_put(audit);
        assert_int_equal(figure(*state, id, "faults"), 1);
    }
}

/* ---- clients, good and bad ---- */

static void a_good_client_passes(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, NULL);
    verdict(&vtsimd, PASS); /* no limits, no jobs */
    start_job(&vtsimd, "good", "{\"after\": 1}");
    wait_for_end(&vtsimd, "good");
    poll_once(&vtsimd, "good", 200);
    expect(&vtsimd, "{\"early_polls\": 0, \"detection_delay\": \"1m\", \"polls_per_job\": 1, "
                    "\"polls_after_end\": 0, \"useless_polls\": 0, \"duplicate_starts\": 0, "
                    "\"abandoned\": 0, \"unseen\": 0, \"unknown_polls\": 0, \"cost\": 61}");
    verdict(&vtsimd, PASS);
    server_stop(&vtsimd);
}

/* Each of them breaks one rule, and is told which. */
static void bad_clients_fail_for_the_right_reason(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, "-s", "audit/abandoned_after=0", NULL);
    expect(&vtsimd, "{\"early_polls\": 0, \"polls_after_end\": 1, \"duplicate_starts\": 0, "
                    "\"unknown_polls\": 1}");
    verdict(&vtsimd, PASS);

    start_job(&vtsimd, "hasty", "{\"retry_after\": 3600000, \"polls\": 1}");
    poll_once(&vtsimd, "hasty", 200);
    verdict(&vtsimd, PASS);
    poll_once(&vtsimd, "hasty", 200);
    poll_once(&vtsimd, "hasty", 200);
    verdict(&vtsimd, "{\"verdict\": \"fail\", \"reasons\": [{\"limit\": \"early_polls\", \"job\": "
                     "\"hasty\", \"figure\": 2, \"bound\": 0}]}");
    ask(&vtsimd, "GET", "/_sim/audit/verdict?job=other*", NULL, 200, PASS);

    expect(&vtsimd, "{\"polls_after_end\": 1}"); /* replaces the others */
    start_job(&vtsimd, "deaf", "{\"after\": 1}");
    wait_for_end(&vtsimd, "deaf");
    poll_once(&vtsimd, "deaf", 200);
    poll_once(&vtsimd, "deaf", 200);
    verdict(&vtsimd, PASS);
    poll_once(&vtsimd, "deaf", 200);
    verdict(&vtsimd, "{\"verdict\": \"fail\", \"reasons\": [{\"limit\": \"polls_after_end\", "
                     "\"job\": \"deaf\", \"figure\": 2, \"bound\": 1}]}");

    expect(&vtsimd, "{\"duplicate_starts\": 0}");
    start_job(&vtsimd, "twice", NULL);
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"twice\"}", 409, NULL);
    verdict(&vtsimd, "{\"verdict\": \"fail\", \"reasons\": [{\"limit\": \"duplicate_starts\", "
                     "\"job\": \"twice\", \"figure\": 1, \"bound\": 0}]}");

    expect(&vtsimd, "{\"abandoned\": 0}");
    start_job(&vtsimd, "lost", "{\"after\": 1}");
    wait_for_end(&vtsimd, "lost");
    ask(&vtsimd, "GET", "/_sim/audit/verdict?job=deaf", NULL, 200, PASS);
    ask(&vtsimd, "GET", "/_sim/audit/verdict?job=lost", NULL, 200,
        "{\"verdict\": \"fail\", \"reasons\": [{\"limit\": \"abandoned\", \"job\": \"lost\", "
        "\"figure\": 1, \"bound\": 0}]}");

    expect(&vtsimd, "{\"unknown_polls\": 0}");
    poll_once(&vtsimd, "none", 404);
    verdict(&vtsimd,
            "{\"verdict\": \"fail\", \"reasons\": [{\"limit\": \"unknown_polls\", \"job\": "
            "null, \"figure\": 1, \"bound\": 0}]}");

    expect(&vtsimd, "{}");
    verdict(&vtsimd, PASS);
    server_stop(&vtsimd);
}

/* A pass that nobody earned is none. */
static void jobs_that_there_must_be(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, NULL);
    expect(&vtsimd, "{\"jobs\": 2, \"ended\": 1}");
    verdict(&vtsimd, "{\"verdict\": \"fail\", \"reasons\": [{\"limit\": \"jobs\", \"job\": null, "
                     "\"figure\": 0, \"bound\": 2}, {\"limit\": \"ended\", \"job\": null, "
                     "\"figure\": 0, \"bound\": 1}]}");
    start_job(&vtsimd, "there-1", NULL);
    start_job(&vtsimd, "there-2", "{\"after\": 1}");
    wait_for_end(&vtsimd, "there-2");
    verdict(&vtsimd, PASS);
    ask(&vtsimd, "GET", "/_sim/audit/verdict?job=theer-*", NULL, 200,
        "{\"verdict\": \"fail\", \"reasons\": [{\"limit\": \"jobs\", \"job\": null, \"figure\": 0, "
        "\"bound\": 2}, {\"limit\": \"ended\", \"job\": null, \"figure\": 0, \"bound\": 1}]}");
    ask(&vtsimd, "GET", "/_sim/audit/verdict?job=there-1", NULL, 200,
        "{\"verdict\": \"fail\", \"reasons\": [{\"limit\": \"jobs\", \"job\": null, \"figure\": 1, "
        "\"bound\": 2}, {\"limit\": \"ended\", \"job\": null, \"figure\": 0, \"bound\": 1}]}");
    server_stop(&vtsimd);
}

static void a_start_whose_answer_was_lost_may_be_repeated(void **state)
{
    struct http_connection connection;

    http_connect(&connection, ((struct vtsimd *)*state)->port);
    assert_true(http_send_request(&connection, "POST", "/jobs",
                                  "{\"id\": \"lost\", \"input\": {\"cut\": \"reset\", \"on\": "
                                  "\"start\"}}"));
    assert_int_equal(http_wait_end(&connection), HTTP_RST);
    http_close(&connection);
    ask(*state, "POST", "/start", "{\"job_id\": \"lost\"}", 409, NULL);
    assert_int_equal(figure(*state, "lost", "duplicate_starts"), 0);
    ask(*state, "POST", "/start", "{\"job_id\": \"lost\"}", 409, NULL);
    assert_int_equal(figure(*state, "lost", "duplicate_starts"), 1);
}

/* ---- answers that come late ---- */

static void begin(const struct vtsimd *vtsimd, struct http_connection *connection,
                  const char *target, const char *headers)
{
    char *request = request_text("GET", target, headers, NULL);

    http_connect(connection, vtsimd->port);
    assert_true(http_puts(connection, request));
    free(request);
}

static void a_client_that_leaves_has_not_seen_the_end(void **state)
{
    struct http_connection connection;

    start_job(*state, "left", "{\"after\": 1, \"stall\": 3600000, \"polls\": 1}");
    wait_for_end(*state, "left");
    begin(*state, &connection, "/jobs/left", "");
    wait_for_polls(*state, "left", 1);
    http_reset(&connection);
    assert_int_equal(figure(*state, "left", "unseen"), 1);
    poll_once(*state, "left", 200);
    assert_int_equal(figure(*state, "left", "unseen"), 0);
    assert_int_equal(figure(*state, "left", "polls_after_end"), 0);
}

/* A dribbled answer is noted behind its last byte, which the client has by then. */
static void wait_until_seen(const struct vtsimd *vtsimd, const char *id)
{
    int64_t deadline = processor_ms(vtsimd->pid) + EVENT_MS;

    while (figure(vtsimd, id, "unseen") == 1)
        if (processor_ms(vtsimd->pid) > deadline)
            fail_msg("%s is not seen", id);
}

static void a_late_answer_that_arrives_is_seen(void **state)
{
    static const char *const late[] = {"stall", "dribble"};

    for (int i = 0; i < 2; i++) {
        struct http_connection connection;
        struct http_response response;
        char input[64], target[32];

        snprintf(input, sizeof(input), "{\"after\": 1, \"%s\": 100}", late[i]);
        start_job(*state, late[i], input);
        wait_for_end(*state, late[i]);
        snprintf(target, sizeof(target), "/jobs/%s", late[i]);
        begin(*state, &connection, target, "");
        assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
        http_response_finish(&response);
        http_close(&connection);
        wait_until_seen(*state, late[i]);
        assert_int_equal(figure(*state, late[i], "polls_after_end"), 0);
    }
}

static void a_poll_that_waits_sees_the_end(void **state)
{
    struct http_connection connection;
    struct http_response response;

    start_job(*state, "waits", "{\"after\": 50}");
    begin(*state, &connection, "/jobs/waits", "Prefer: wait=30\r\n");
    assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
    http_response_finish(&response);
    http_close(&connection);
    assert_int_equal(figure(*state, "waits", "polls"), 1);
    assert_int_equal(figure(*state, "waits", "unseen"), 0);
    assert_int_equal(figure(*state, "waits", "useless_polls"), 0);
}

/* ---- what an answer tells ---- */

static void a_head_shows_no_end(void **state)
{
    static const char *const targets[] = {"/status?job_id=head", "/jobs/head", "/jobs?id=head"};
    struct http_response response;

    start_job(*state, "head", "{\"after\": 1}");
    wait_for_end(*state, "head");
    for (size_t i = 0; i < 3; i++) {
        ask_with(*state, "HEAD", targets[i], NULL, NULL, &response);
        assert_int_equal(response.status, 200);
        http_response_finish(&response);
    }
    assert_int_equal(figure(*state, "head", "polls"), 3);
    assert_int_equal(figure(*state, "head", "unseen"), 1);
    assert_int_equal(figure(*state, "head", "useless_polls"), 3);
    poll_once(*state, "head", 200);
    assert_int_equal(figure(*state, "head", "unseen"), 0);
    assert_int_equal(figure(*state, "head", "polls_after_end"), 0);
}

/* ---- spans ---- */

static void move(const struct vtsimd *vtsimd, const char *span)
{
    char body[64];

    snprintf(body, sizeof(body), "{\"advance\": \"%s\"}", span);
    ask(vtsimd, "POST", "/_sim/clock", body, 200, NULL);
}

/* A shared store has the real clock alone. */
static void needs_a_virtual_clock(void)
{
    if (server_each)
        skip();
}

static void spans_are_told_to_the_millisecond(void **state)
{
    struct vtsimd vtsimd;
    struct json_object *audit;

    (void)state;
    needs_a_virtual_clock();
    server_start(&vtsimd, "-s", "clock/mode=virtual", "-s", "server/keep_ended=400d", NULL);
    start_job(&vtsimd, "long", "{\"after\": 1000}");
    poll_once(&vtsimd, "long", 200);
    move(&vtsimd, "1234567891ms");
    poll_once(&vtsimd, "long", 200);
    audit = audit_of(&vtsimd, "long");
    assert_string_equal(
        json_object_to_json_string_ext(json_object_object_get(audit, "detection_delay"),
                                       JSON_C_TO_STRING_PLAIN),
        "1234566.891");
    assert_string_equal(json_object_to_json_string_ext(json_object_object_get(audit, "intervals"),
                                                       JSON_C_TO_STRING_PLAIN),
                        "{\"min\":1234567.891,\"median\":1234567.891,\"max\":1234567.891}");
    json_object_put(audit);
    expect(&vtsimd, "{\"detection_delay\": \"1234566890ms\"}");
    verdict(&vtsimd,
            "{\"verdict\": \"fail\", \"reasons\": [{\"limit\": \"detection_delay\", \"job\": "
            "\"long\", \"figure\": 1234566.891, \"bound\": 1234566.89}]}");
    server_stop(&vtsimd);
}

/* Among other jobs' answers Retry-After is in seconds, not a date. */
static void a_batch_tells_no_date(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    needs_a_virtual_clock();
    server_start(&vtsimd, "-s", "clock/mode=virtual", "-s", "clock/start=2026-01-01T00:00:00Z",
                 NULL);
    start_job(&vtsimd, "dated",
              "{\"status\": 503, \"retry_after\": 4000, \"date\": 1, \"polls\": 1}");
    move(&vtsimd, "1500ms");
    ask(&vtsimd, "GET", "/jobs?id=dated", NULL, 200, NULL);
    move(&vtsimd, "3999ms");
    poll_once(&vtsimd, "dated", 200);
    assert_int_equal(figure(&vtsimd, "dated", "early_polls"), 1);
    move(&vtsimd, "1ms");
    poll_once(&vtsimd, "dated", 200);
    assert_int_equal(figure(&vtsimd, "dated", "early_polls"), 1);
    server_stop(&vtsimd);
}

/* ---- connections ---- */

static void connections_are_counted(void **state)
{
    struct http_connection connection;
    struct http_response response;
    struct vtsimd vtsimd;
    struct json_object *audit;

    (void)state;
    server_start(&vtsimd, NULL);
    http_connect(&connection, vtsimd.port);
    assert_true(http_send_request(&connection, "POST", "/start", "{\"job_id\": \"a\"}"));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
        http_response_finish(&response);
        assert_true(http_send_request(&connection, "GET", "/status?job_id=a", NULL));
    }
    assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
    http_response_finish(&response);
    http_close(&connection);
    assert_int_equal(figure(&vtsimd, "a", "connections"), 1);
    wait_for_connections(&vtsimd, 0);
    poll_once(&vtsimd, "a", 200); /* takes the descriptor of one that was closed */
    poll_once(&vtsimd, "a", 200);
    assert_int_equal(figure(&vtsimd, "a", "connections"), 3);
    audit = ask_json(&vtsimd, "GET", "/_sim/audit", NULL, 200);
    assert_int_equal(json_object_get_int(json_object_object_get(
                         json_object_object_get(audit, "sum"), "connections")),
                     3); /* asking for the audit is no use of the API */
    json_object_put(audit);
    server_stop(&vtsimd);
}

/* ---- many jobs ---- */

static void jobs_are_told_in_pages(void **state)
{
    char target[400], after[300] = "", id[16];
    struct vtsimd vtsimd;
    int seen[25] = {0};
    bool more = true;

    (void)state;
    server_start(&vtsimd, "-s", "server/workers=2", NULL);
    for (int i = 0; i < 25; i++) {
        snprintf(id, sizeof(id), "a-%d", i);
        start_job(&vtsimd, id, NULL);
    }
    start_job(&vtsimd, "b", NULL);
    for (int pages = 0; more; pages++) {
        struct json_object *page, *jobs;

        assert_in_range(pages, 0, 3);
        snprintf(target, sizeof(target), "/_sim/audit?job=a-*&limit=7%s%s", *after ? "&after=" : "",
                 after);
        page = ask_json(&vtsimd, "GET", target, NULL, 200);
        jobs = json_object_object_get(page, "jobs");
        for (size_t i = 0; i < json_object_array_length(jobs); i++)
            seen[strtol(member_text(json_object_array_get_idx(jobs, i), "id") + 2, NULL, 10)]++;
        assert_int_equal(json_object_get_int(
                             json_object_object_get(json_object_object_get(page, "sum"), "jobs")),
                         25);
        more = json_object_object_get(page, "next") != NULL;
        if (more)
            snprintf(after, sizeof(after), "%s", member_text(page, "next"));
        json_object_put(page);
    }
    for (int i = 0; i < 25; i++)
        assert_int_equal(seen[i], 1);
    server_stop(&vtsimd);
}

static void a_reset_forgets(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, NULL);
    expect(&vtsimd, "{\"duplicate_starts\": 0, \"unknown_polls\": 0}");
    for (char name[] = "a"; *name <= 'b'; ++*name) {
        char body[32];

        start_job(&vtsimd, name, NULL);
        snprintf(body, sizeof(body), "{\"job_id\": \"%s\"}", name);
        ask(&vtsimd, "POST", "/start", body, 409, NULL);
    }
    poll_once(&vtsimd, "none", 404);
    json_object_put(ask_json(&vtsimd, "POST", "/_sim/reset", "{\"jobs\": \"a*\"}", 200));
    verdict(&vtsimd, "{\"verdict\": \"fail\", \"reasons\": [{\"limit\": \"duplicate_starts\", "
                     "\"job\": \"b\", \"figure\": 1, \"bound\": 0}, {\"limit\": "
                     "\"unknown_polls\", \"job\": null, \"figure\": 1, \"bound\": 0}]}");
    start_job(&vtsimd, "a", NULL);
    assert_int_equal(figure(&vtsimd, "a", "duplicate_starts"), 0);
    json_object_put(ask_json(&vtsimd, "POST", "/_sim/reset", "{}", 200));
    expect(&vtsimd, "{\"duplicate_starts\": 0, \"unknown_polls\": 0}");
    verdict(&vtsimd, PASS);
    start_job(&vtsimd, "c", NULL);
    json_object_put(ask_json(&vtsimd, "POST", "/_sim/reset", "{}", 200));
    poll_once(&vtsimd, "none", 404);
    verdict(&vtsimd, PASS); /* the limits went, too */
    server_stop(&vtsimd);
}

/* The control side's guard stands before it. */
static void a_token_guards_it(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, "-s", "control/token=s3cret", NULL);
    ask(&vtsimd, "GET", "/_sim/audit", NULL, 401, NULL);
    ask(&vtsimd, "POST", "/_sim/audit/expect", "{}", 401, NULL);
    ask(&vtsimd, "GET", "/_sim/audit/verdict", NULL, 401, NULL);
    server_stop(&vtsimd);
}

static void reasons_are_bounded(void **state)
{
    struct json_object *answer;
    struct vtsimd vtsimd;
    char id[16];

    (void)state;
    server_start(&vtsimd, NULL);
    for (int i = 0; i < 1005; i++) {
        snprintf(id, sizeof(id), "%d", i);
        start_job(&vtsimd, id, NULL);
    }
    expect(&vtsimd, "{\"connections\": 0}");
    answer = ask_json(&vtsimd, "GET", "/_sim/audit/verdict", NULL, 200);
    assert_string_equal(member_text(answer, "verdict"), "fail");
    assert_int_equal(json_object_array_length(json_object_object_get(answer, "reasons")), 1000);
    assert_int_equal(json_object_get_int(json_object_object_get(answer, "left_out")), 5);
    json_object_put(answer);
    server_stop(&vtsimd);
}

/* ---- bad input ---- */

static void limits_that_are_none_are_refused(void **state)
{
    static const struct {
        const char *limits, *said;
    } wrong[] = {
        {"{\"early_pols\": 0}",
         "unknown limit \\\"early_pols\\\"; did you mean \\\"early_polls\\\"?"},
        {"{\"zebra\": 0}",
         "unknown limit \\\"zebra\\\": there are polls, polls_per_job, early_polls, early_starts, "
         "polls_after_end, useless_polls, duplicate_starts, connections, unseen, abandoned, "
         "unknown_polls, detection_delay, intervals.min, intervals.median, intervals.max, growth, "
         "jitter, cost, jobs, ended"},
        {"{\"early_polls\": \"0\"}", "early_polls is \\\"0\\\"; write a whole number, 0 or more"},
        {"{\"early_polls\": 0.5}", "early_polls is 0.5; write a whole number, 0 or more"},
        {"{\"early_polls\": -1}", "early_polls is -1; write a whole number, 0 or more"},
        {"{\"early_polls\": null}", "early_polls is null; write a whole number, 0 or more"},
        {"{\"early_polls\": true}", "early_polls is true; write a whole number, 0 or more"},
        {"{\"detection_delay\": 5}", "detection_delay is 5; write a time as a string, one number "
                                     "and one unit, such as \\\"5s\\\""},
        {"{\"detection_delay\": \"soon\"}", "detection_delay is \\\"soon\\\"; write a time as a "
                                            "string, one number and one unit, such as "
                                            "\\\"5s\\\""},
        {"{\"detection_delay\": \"-5s\"}", "detection_delay is \\\"-5s\\\"; write a time as a "
                                           "string, one number and one unit, such as "
                                           "\\\"5s\\\""},
        {"{\"growth\": \"2\"}", "growth is \\\"2\\\"; write a number, 0 or more"},
        {"{\"cost\": -0.5}", "cost is -0.5; write a number, 0 or more"},
        {"{\"intervals\": \"1s\"}",
         "intervals is an object: {\\\"min\\\": \\\"1s\\\", \\\"max\\\": \\\"30s\\\"}"},
        {"{\"intervals\": {\"mid\": \"1s\"}}",
         "unknown limit \\\"intervals.mid\\\"; did you mean \\\"intervals.min\\\"?"},
        {"{\"intervals\": {\"min\": 1}}", "intervals.min is 1; write a time as a string, one "
                                          "number and one unit, such as \\\"5s\\\""},
        {"[]", "the body is JSON, but not an object"},
    };
    char answer[400];

    expect(*state, "{\"unknown_polls\": 1000}");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(answer, sizeof(answer), "{\"error\": \"%s\"}", wrong[i].said);
        ask(*state, "POST", "/_sim/audit/expect", wrong[i].limits, 400, answer);
    }
    ask(*state, "POST", "/_sim/audit/expect", "", 400, NULL);
    verdict(*state, PASS); /* the limits stayed as they were */
}

static void what_else_is_refused(void **state)
{
    ask(*state, "GET", "/jobs/nobody/audit", NULL, 404,
        "{\"error\": \"there is no job of this id\"}");
    ask(*state, "GET", "/jobs//audit", NULL, 404, NULL);
    ask(*state, "GET", "/jobs/a/audit/b", NULL, 404, NULL);
    ask(*state, "GET", "/jobs/a%00b/audit", NULL, 400, NULL);
    ask(*state, "POST", "/jobs/a/audit", "{}", 405, "{\"error\": \"this path takes GET, HEAD\"}");
    ask(*state, "GET", "/_sim/audit/expect", NULL, 405, "{\"error\": \"this path takes POST\"}");
    ask(*state, "POST", "/_sim/audit", "{}", 405, NULL);
    ask(*state, "GET", "/_sim/audit?jobs=a", NULL, 400, NULL);
    ask(*state, "GET", "/jobs/a/audit?x=1", NULL, 400,
        "{\"error\": \"unknown parameter \\\"x\\\": this path takes none\"}");
    /* of none it would be a pass */
    ask(*state, "GET", "/_sim/audit/verdict?job=", NULL, 400,
        "{\"error\": \"job is empty: give a pattern of ids, such as film_*\"}");
    ask(*state, "GET", "/_sim/audit?limit=0", NULL, 400,
        "{\"error\": \"limit must be a whole number from 1 to 1000\"}");
    ask(*state, "GET", "/_sim/audit?limit=1001", NULL, 400, NULL);
    ask(*state, "GET", "/_sim/audit/verdict?limit=1", NULL, 400, NULL);
}

static void an_audit_that_is_off_says_so(void **state)
{
    static const char off[] = "{\"error\": \"the audit is off: write [audit] enabled = on\"}";
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, "-s", "audit/enabled=off", NULL);
    start_job(&vtsimd, "a", NULL);
    poll_once(&vtsimd, "a", 200);
    ask(&vtsimd, "GET", "/jobs/a/audit", NULL, 409, off);
    ask(&vtsimd, "GET", "/_sim/audit", NULL, 409, off);
    ask(&vtsimd, "GET", "/_sim/audit/verdict", NULL, 409, off);
    ask(&vtsimd, "POST", "/_sim/audit/expect", "{}", 409, off);
    server_stop(&vtsimd);
}

int audit_run(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_members),
        cmocka_unit_test(poll_times_bear_their_faults),
        cmocka_unit_test(a_good_client_passes),
        cmocka_unit_test(bad_clients_fail_for_the_right_reason),
        cmocka_unit_test(jobs_that_there_must_be),
        cmocka_unit_test(a_start_whose_answer_was_lost_may_be_repeated),
        cmocka_unit_test(a_client_that_leaves_has_not_seen_the_end),
        cmocka_unit_test(a_late_answer_that_arrives_is_seen),
        cmocka_unit_test(a_poll_that_waits_sees_the_end),
        cmocka_unit_test(a_head_shows_no_end),
        cmocka_unit_test(spans_are_told_to_the_millisecond),
        cmocka_unit_test(a_batch_tells_no_date),
        cmocka_unit_test(connections_are_counted),
        cmocka_unit_test(jobs_are_told_in_pages),
        cmocka_unit_test(a_reset_forgets),
        cmocka_unit_test(a_token_guards_it),
        cmocka_unit_test(reasons_are_bounded),
        cmocka_unit_test(limits_that_are_none_are_refused),
        cmocka_unit_test(what_else_is_refused),
        cmocka_unit_test(an_audit_that_is_off_says_so),
    };

    return cmocka_run_group_tests_name(name, tests, server_setup, server_teardown);
}
