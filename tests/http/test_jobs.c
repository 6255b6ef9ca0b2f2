/* SPDX-License-Identifier: MIT
 *
 * The full API through a real vtsimd: jobs as objects, listings, cancelling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server.h"

#define MEMBERS                                                                                    \
    "id state status progress behaviour created_at started_at ended_at polls result error"

/* Where the vtsimd of these tests looks for plugins. */
#define FOLDERS VTSIM_BUILD_DIR "/tests/plugins, " VTSIM_BUILD_DIR "/lib/vtsim/plugins"

static struct json_object *member(struct json_object *object, const char *name)
{
    struct json_object *found = NULL;

    if (!json_object_object_get_ex(object, name, &found))
        fail_msg("no %s in %s", name, json_object_to_json_string(object));
    return found;
}

static void assert_members(struct json_object *object, const char *expected)
{
    char *names = member_names(object);

    assert_string_equal(names, expected);
    free(names);
}

/* 2026-01-01T00:00:00.000Z */
static void assert_moment(struct json_object *object, const char *name)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    const char *text = member_text(object, name);

    assert_int_equal(strlen(text), strlen(shape));
    for (size_t i = 0; shape[i]; i++)
        assert_true(shape[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == shape[i]);
}

static void assert_null_member(struct json_object *object, const char *name)
{
    assert_true(json_object_is_type(member(object, name), json_type_null));
}

/* ---- one job ---- */

static void a_job_from_start_to_end(void **state)
{
    struct json_object *job =
        ask_json(*state, "POST", "/jobs", "{\"id\": \"life\", \"input\": {\"after\": 40}}", 201);
    char *started;

    assert_members(job, MEMBERS);
    assert_string_equal(member_text(job, "id"), "life");
    assert_string_equal(member_text(job, "state"), "running");
    assert_string_equal(member_text(job, "status"), "pending");
    assert_string_equal(member_text(job, "behaviour"), "bender");
    assert_true(json_object_get_double(member(job, "progress")) == 0);
    assert_moment(job, "created_at");
    assert_moment(job, "started_at");
    assert_null_member(job, "ended_at");
    assert_true(json_object_is_type(member(job, "polls"), json_type_int));
    assert_int_equal(json_object_get_int(member(job, "polls")), 0);
    assert_null_member(job, "result");
    assert_null_member(job, "error");
    started = strdup(member_text(job, "started_at"));
    json_object_put(job);

    wait_for_state(*state, "life", "completed");
    job = ask_json(*state, "GET", "/jobs/life", NULL, 200);
    assert_members(job, MEMBERS);
    assert_string_equal(member_text(job, "status"), "completed");
    assert_true(json_object_get_double(member(job, "progress")) == 1);
    assert_string_equal(member_text(job, "created_at"), started);
    assert_string_equal(member_text(job, "started_at"), started);
    assert_moment(job, "ended_at");
    /* Later, as text; the same day but for the one night in which it is not. */
    assert_true(strcmp(member_text(job, "ended_at"), started) > 0);
    assert_null_member(job, "error");
    json_object_put(job);
    free(started);
}

static void a_start_has_a_location(void **state)
{
    const struct vtsimd *vtsimd = *state;
    struct http_response response;

    http_request(vtsimd->port, "POST", "/jobs", "{\"id\": \"a b/\xC3\xA9?%\"}", &response);
    assert_begins(response.head, "HTTP/1.1 201 Created");
    assert_string_equal(http_header(&response, "Location"), "/jobs/a%20b%2F%C3%A9%3F%25");
    http_response_finish(&response);
    /* Where it points, the job is. */
    http_request(vtsimd->port, "GET", "/jobs/a%20b%2F%C3%A9%3F%25", NULL, &response);
    assert_int_equal(response.status, 200);
    assert_non_null(strstr(response.body, "{\"id\": \"a b/\xC3\xA9?%\""));
    assert_null(http_header(&response, "Location"));
    http_response_finish(&response);
    /* In a path a plus is a plus. */
    ask(vtsimd, "POST", "/jobs", "{\"id\": \"p+q\"}", 201, NULL);
    ask(vtsimd, "GET", "/jobs/p+q", NULL, 200, NULL);
    ask(vtsimd, "GET", "/jobs/p%2Bq", NULL, 200, NULL);
    ask(vtsimd, "GET", "/jobs/p%20q", NULL, 404, "{\"error\": \"there is no job of this id\"}");
    /* A job of the one API is a job of the other. */
    ask(vtsimd, "GET", "/status?job_id=p%2Bq", NULL, 200,
        "{\"job_id\": \"p+q\", \"status\": \"pending\"}");
}

static void ids_are_made_up(void **state)
{
    char ids[20][64];

    for (int i = 0; i < 20; i++) {
        struct json_object *job = ask_json(*state, "POST", "/jobs", "{}", 201);

        snprintf(ids[i], sizeof(ids[i]), "%s", member_text(job, "id"));
        json_object_put(job);
        assert_int_equal(strlen(ids[i]), 20);
        assert_begins(ids[i], "job-");
        assert_int_equal(strspn(ids[i] + 4, "0123456789abcdef"), 16);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
}

static void members_that_are_wrong(void **state)
{
    static const char *const wrong[][2] = {
        {"{\"imput\": 1}", "unknown member \\\"imput\\\"; did you mean \\\"input\\\"?"},
        {"{\"job_id\": \"a\"}",
         "unknown member \\\"job_id\\\": a job takes id, behaviour, options and input"},
        {"{\"\": 1}", "unknown member \\\"\\\": a job takes id, behaviour, options and input"},
        {"{\"id\": 1}", "id is not a string"},
        {"{\"id\": null}", "id is not a string"},
        {"{\"id\": \"\"}", "id is empty"},
        {"{\"behaviour\": 1}", "behaviour is not a string"},
        {"{\"behaviour\": \"nothing\"}",
         "no section [behaviour nothing], nor a plugin of that name in " FOLDERS},
        {"{\"behaviour\": \"\"}", "no section [behaviour ], nor a plugin of that name in " FOLDERS},
        {"[]", "the body is JSON, but not an object"}};
    char answer[512];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(answer, sizeof(answer), "{\"error\": \"%s\"}", wrong[i][1]);
        ask(*state, "POST", "/jobs", wrong[i][0], 400, answer);
    }
    ask(*state, "POST", "/jobs", "{\"id\": \"again\"}", 201, NULL);
    ask(*state, "POST", "/jobs", "{\"id\": \"again\"}", 409,
        "{\"error\": \"a job of this id was started before\", \"job_id\": \"again\"}");
    ask(*state, "GET", "/jobs/never", NULL, 404, "{\"error\": \"there is no job of this id\"}");
    ask(*state, "DELETE", "/jobs/never", NULL, 404, "{\"error\": \"there is no job of this id\"}");
}

/* Names that are cut are cut between characters, and the answer stays JSON (ask looks at that). */
static void long_and_odd_names_in_messages(void **state)
{
    char body[4096], name[2048];

    for (size_t length = 60; length < 70; length++) {
        memset(name, 'n', length);
        strcpy(name + length, "\xF0\x9F\x98\x80\xF0\x9F\x98\x80");
        snprintf(body, sizeof(body), "{\"%s\": 1}", name);
        ask(*state, "POST", "/jobs", body, 400, NULL);
        snprintf(body, sizeof(body), "{\"behaviour\": \"%s\"}", name);
        ask(*state, "POST", "/jobs", body, 400, NULL);
    }
    memset(name, 'n', 2000);
    name[2000] = '\0';
    snprintf(body, sizeof(body), "{\"%s\": 1}", name);
    ask(*state, "POST", "/jobs", body, 400, NULL);
    /* A behaviour's name goes on behind its NUL: it is another name. */
    snprintf(body, sizeof(body), "{\"behaviour\": \"bender\\u0000%s\"}", name);
    ask(*state, "POST", "/jobs", body, 400, NULL);
    ask(*state, "POST", "/jobs", "{\"behaviour\": \"bender\\u0000\"}", 400, NULL);
}

static void behaviours_are_chosen_by_name(void **state)
{
    struct vtsimd vtsimd;
    struct json_object *job;

    (void)state;
    server_start(&vtsimd, "-s", "server/behaviour=slow", "-s", "behaviour slow/plugin=fixed_delay",
                 "-s", "behaviour slow/delay=1h", "-s", "behaviour at once/plugin=fixed_delay",
                 "-s", "behaviour at once/delay=0", "-s", "rule r/job_id=once-*", "-s",
                 "rule r/behaviour=at once", NULL);
    job = ask_json(&vtsimd, "POST", "/jobs", "{}", 201);
    assert_string_equal(member_text(job, "behaviour"), "slow");
    json_object_put(job);
    job = ask_json(&vtsimd, "POST", "/jobs", "{\"behaviour\": \"at once\"}", 201);
    assert_string_equal(member_text(job, "behaviour"), "at once");
    assert_string_equal(member_text(job, "state"), "completed");
    assert_string_equal(member_text(job, "started_at"), member_text(job, "ended_at"));
    json_object_put(job);
    job = ask_json(&vtsimd, "POST", "/jobs", "{\"id\": \"once-1\"}", 201);
    assert_string_equal(member_text(job, "behaviour"), "at once");
    json_object_put(job);
    /* The job's own word goes before the rule. */
    job = ask_json(&vtsimd, "POST", "/jobs", "{\"id\": \"once-2\", \"behaviour\": \"slow\"}", 201);
    assert_string_equal(member_text(job, "behaviour"), "slow");
    json_object_put(job);
    /* Plugins that need no settings are there under their own names. */
    job = ask_json(&vtsimd, "POST", "/jobs", "{\"behaviour\": \"fixed_delay\"}", 201);
    assert_string_equal(member_text(job, "behaviour"), "fixed_delay");
    assert_string_equal(member_text(job, "state"), "running");
    json_object_put(job);
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"once-3\"}", 200, NULL);
    ask(&vtsimd, "GET", "/status?job_id=once-3", NULL, 200,
        "{\"job_id\": \"once-3\", \"status\": \"completed\"}");
    server_stop(&vtsimd);
}

static void results_and_errors(void **state)
{
    static const char input[] = "{\"after\": 0, \"result\": \"input\", \"list\": [1, -2.5, true, "
                                "null, \"\\u00e9\\n\", {\"a.b\": {}}]}";
    struct json_object *job, *error, *given = json_tokener_parse(input);

    start_job(*state, "echo", input);
    job = ask_json(*state, "GET", "/jobs/echo", NULL, 200);
    assert_true(json_object_equal(member(job, "result"), given));
    json_object_put(job);
    json_object_put(given);

    start_job(*state, "number", "{\"after\": 0, \"result\": \" 7 \"}");
    job = ask_json(*state, "GET", "/jobs/number", NULL, 200);
    assert_int_equal(json_object_get_int(member(job, "result")), 7);
    json_object_put(job);

    start_job(*state, "failed",
              "{\"after\": 0, \"end\": \"error\", \"code\": \"gpu\", \"message\": \"it \\\"fell\\\""
              "\\nover \xC3\xA9\"}");
    job = ask_json(*state, "GET", "/jobs/failed", NULL, 200);
    assert_string_equal(member_text(job, "state"), "failed");
    assert_string_equal(member_text(job, "status"), "error");
    error = member(job, "error");
    assert_members(error, "code message");
    assert_string_equal(member_text(error, "code"), "gpu");
    assert_string_equal(member_text(error, "message"), "it \"fell\"\nover \xC3\xA9");
    assert_null_member(job, "result");
    assert_moment(job, "ended_at");
    json_object_put(job);

    start_job(*state, "plain", "{\"after\": 0, \"end\": \"error\"}");
    job = ask_json(*state, "GET", "/jobs/plain", NULL, 200);
    error = member(job, "error");
    assert_string_equal(member_text(error, "code"), "error");
    assert_string_equal(member_text(error, "message"), "the job failed");
    json_object_put(job);

    start_job(*state, "no json", "{\"after\": 0, \"result\": \"{\"}");
    job = ask_json(*state, "GET", "/jobs/no%20json", NULL, 200);
    error = member(job, "error");
    assert_string_equal(member_text(error, "code"), "behaviour_error");
    assert_string_equal(member_text(error, "message"),
                        "the behaviour gave a result that is not JSON");
    json_object_put(job);

    start_job(*state, "forgotten", "{\"end\": \"forgotten\"}");
    job = ask_json(*state, "GET", "/jobs/forgotten", NULL, 200);
    error = member(job, "error");
    assert_string_equal(member_text(error, "message"),
                        "plugin bender: hook start left the job with neither an end, a wake nor "
                        "vts_wait");
    json_object_put(job);
}

static void progress_is_told(void **state)
{
    struct json_object *job;
    double first, second = 0;

    start_job(*state, "still", "{\"end\": \"never\", \"progress\": 0.4}");
    job = ask_json(*state, "GET", "/jobs/still", NULL, 200);
    assert_string_equal(json_object_get_string(member(job, "progress")), "0.4");
    json_object_put(job);
    start_job(*state, "grows", "{\"end\": \"never\", \"progress\": 1, \"progress_over\": 60000}");
    job = ask_json(*state, "GET", "/jobs/grows", NULL, 200);
    first = json_object_get_double(member(job, "progress"));
    json_object_put(job);
    for (int i = 0; i < 100000 && second <= first; i++) {
        job = ask_json(*state, "GET", "/jobs/grows", NULL, 200);
        second = json_object_get_double(member(job, "progress"));
        json_object_put(job);
    }
    assert_true(second > first && second < 1);
}

static void polls_are_counted(void **state)
{
    struct json_object *job;

    start_job(*state, "asked", "{\"end\": \"never\"}");
    for (int i = 0; i < 3; i++)
        ask(*state, "GET", "/status?job_id=asked", NULL, 200, NULL);
    ask(*state, "GET", "/jobs?limit=1000", NULL, 200, NULL); /* a listing is none */
    job = ask_json(*state, "GET", "/jobs/asked", NULL, 200); /* itself the fourth */
    assert_int_equal(json_object_get_int(member(job, "polls")), 4);
    json_object_put(job);
}

/* ---- cancelling ---- */

static void cancels(void **state)
{
    struct json_object *job, *again;

    start_job(*state, "stop", NULL);
    job = ask_json(*state, "DELETE", "/jobs/stop", NULL, 200);
    assert_members(job, MEMBERS);
    assert_string_equal(member_text(job, "state"), "cancelled");
    assert_string_equal(member_text(job, "status"), "error");
    assert_moment(job, "ended_at");
    assert_null_member(job, "error");
    /* The second time changes nothing. */
    again = ask_json(*state, "DELETE", "/jobs/stop", NULL, 200);
    assert_string_equal(member_text(again, "ended_at"), member_text(job, "ended_at"));
    json_object_put(again);
    json_object_put(job);
    /* An id is taken for as long as its job is known. */
    ask(*state, "POST", "/jobs", "{\"id\": \"stop\"}", 409, NULL);

    start_job(*state, "done", "{\"after\": 0}");
    job = ask_json(*state, "DELETE", "/jobs/done", NULL, 200);
    assert_string_equal(member_text(job, "state"), "completed");
    json_object_put(job);
}

static void cancels_that_take_time_or_are_refused(void **state)
{
    struct json_object *job;

    start_job(*state, "slowly", "{\"cancel\": \"slowly\", \"cancel_after\": 30}");
    job = ask_json(*state, "DELETE", "/jobs/slowly", NULL, 200);
    assert_string_equal(member_text(job, "state"), "running");
    json_object_put(job);
    wait_for_state(*state, "slowly", "cancelled");

    start_job(*state, "not", "{\"cancel\": \"not\", \"end\": \"never\"}");
    job = ask_json(*state, "DELETE", "/jobs/not", NULL, 200);
    assert_string_equal(member_text(job, "state"), "running");
    json_object_put(job);
    ask(*state, "GET", "/status?job_id=not", NULL, 200,
        "{\"job_id\": \"not\", \"status\": \"pending\"}");
}

/* Clients that send a body with a DELETE must not have it taken for the next request. */
static void a_delete_with_a_body(void **state)
{
    const struct vtsimd *vtsimd = *state;
    struct http_connection connection;
    struct http_response response;

    start_job(vtsimd, "with body", NULL);
    http_connect(&connection, vtsimd->port);
    assert_true(http_send_request(&connection, "DELETE", "/jobs/with%20body", "{}"));
    assert_true(http_send_request(&connection, "GET", "/status?job_id=with+body", NULL));
    assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
    assert_int_equal(response.status, 200);
    http_response_finish(&response);
    assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
    assert_string_equal(response.body, "{\"job_id\": \"with body\", \"status\": \"error\"}");
    http_response_finish(&response);
    http_close(&connection);
}

/* ---- HEAD ---- */

static void head_everywhere(void **state)
{
    static const char *const targets[] = {"/jobs",        "/jobs/head",    "/jobs/none",
                                          "/_sim/health", "/jobs?limit=x", "/nowhere"};
    const struct vtsimd *vtsimd = *state;
    struct http_connection connection;
    struct http_response response;

    start_job(vtsimd, "head", NULL);
    http_connect(&connection, vtsimd->port);
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        assert_true(http_send_request(&connection, "HEAD", targets[i], NULL));
        assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
        assert_string_equal(http_header(&response, "Content-Type"), "application/json");
        assert_true(strtol(http_header(&response, "Content-Length"), NULL, 10) > 10);
        http_response_finish(&response);
    }
    assert_true(http_send_request(&connection, "GET", "/status?job_id=head", NULL));
    assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
    assert_string_equal(response.body, "{\"job_id\": \"head\", \"status\": \"pending\"}");
    http_response_finish(&response);
    http_close(&connection);
}

/* ---- listing ---- */

#define JOBS 2500

/* What a listing must hold: which of the jobs were seen. */
struct seen {
    int count;
    bool ids[JOBS];
};

static void start_many(const struct vtsimd *vtsimd)
{
    struct http_connection connection;
    struct http_response response;
    char body[128];
    int i, read;

    http_connect(&connection, vtsimd->port);
    for (i = 0; i < JOBS; i += 100) {
        for (read = i; read < i + 100; read++) {
            snprintf(body, sizeof(body), "{\"id\": \"j%04d\", \"input\": {\"after\": %s}}", read,
                     read % 5 ? "1e9" : "0");
            assert_true(http_send_request(&connection, "POST", "/jobs", body));
        }
        for (read = i; read < i + 100; read++) {
            assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
            assert_int_equal(response.status, 201);
            http_response_finish(&response);
        }
    }
    http_close(&connection);
}

/* Takes one page; false where it was the last. The cursor is written to `after`. */
static bool take_page(const struct vtsimd *vtsimd, const char *filter, int limit, const char *state,
                      char *after, size_t size, struct seen *seen)
{
    struct json_object *page, *jobs, *next;
    char target[1024];
    bool more;

    snprintf(target, sizeof(target), "/jobs?limit=%d%s%s%s", limit, filter, *after ? "&after=" : "",
             after);
    page = ask_json(vtsimd, "GET", target, NULL, 200);
    assert_members(page, "jobs next");
    jobs = member(page, "jobs");
    assert_in_range(json_object_array_length(jobs), 0, (unsigned int)limit);
    for (size_t i = 0; i < json_object_array_length(jobs); i++) {
        struct json_object *job = json_object_array_get_idx(jobs, i);
        long at = strtol(member_text(job, "id") + 1, NULL, 10);

        assert_members(job, MEMBERS);
        if (state)
            assert_string_equal(member_text(job, "state"), state);
        assert_in_range(at, 0, JOBS - 1);
        assert_false(seen->ids[at]);
        seen->ids[at] = true;
        seen->count++;
    }
    next = member(page, "next");
    more = !json_object_is_type(next, json_type_null);
    if (more)
        snprintf(after, size, "%s", json_object_get_string(next));
    json_object_put(page);
    return more;
}

static void list_all(const struct vtsimd *vtsimd, const char *filter, int limit, const char *state,
                     int expected)
{
    struct seen seen = {0};
    char after[512] = "";
    int pages = 1;

    while (take_page(vtsimd, filter, limit, state, after, sizeof(after), &seen))
        assert_in_range(++pages, 0, JOBS);
    assert_int_equal(seen.count, expected);
}

static void a_listing_through_its_cursor(void **state)
{
    struct vtsimd vtsimd;
    struct json_object *page;

    (void)state;
    server_start(&vtsimd, NULL);
    ask(&vtsimd, "GET", "/jobs", NULL, 200, "{\"jobs\": [], \"next\": null}");
    start_many(&vtsimd);
    list_all(&vtsimd, "", 1000, NULL, JOBS);
    list_all(&vtsimd, "", 7, NULL, JOBS);
    list_all(&vtsimd, "&state=completed", 100, "completed", JOBS / 5);
    list_all(&vtsimd, "&state=running", 333, "running", JOBS / 5 * 4);
    list_all(&vtsimd, "&state=failed", 100, NULL, 0);
    list_all(&vtsimd, "&state=queued", 100, NULL, 0);
    list_all(&vtsimd, "&state=cancelled", 100, NULL, 0);
    page = ask_json(&vtsimd, "GET", "/jobs", NULL, 200);
    assert_int_equal(json_object_array_length(member(page, "jobs")), 100);
    json_object_put(page);
    server_stop(&vtsimd);
}

/* Jobs come and go between the pages: those that were there all the time are seen once. */
static void a_listing_while_jobs_come(void **state)
{
    struct vtsimd vtsimd;
    struct seen seen = {0};
    char after[512] = "", body[64];
    bool more = true;

    (void)state;
    server_start(&vtsimd, NULL);
    for (int i = 0; i < 300; i++) {
        snprintf(body, sizeof(body), "{\"job_id\": \"j%04d\"}", i);
        ask(&vtsimd, "POST", "/start", body, 200, NULL);
    }
    for (int i = 300; more; i++) {
        more = take_page(&vtsimd, "", 10, NULL, after, sizeof(after), &seen);
        snprintf(body, sizeof(body), "{\"job_id\": \"j%04d\"}", i);
        ask(&vtsimd, "POST", "/start", body, 200, NULL);
        assert_true(i < JOBS);
    }
    for (int i = 0; i < 300; i++)
        assert_true(seen.ids[i]);
    server_stop(&vtsimd);
}

/* Whatever a client takes for a cursor. */
static void odd_cursors(void **state)
{
    static const char *const cursors[] = {"",          "zzz",   "%00",
                                          "%00%00%00", "%ff",   "%ff%ff%ff%ff",
                                          "-1",        "0%3A0", "99999999999999999999",
                                          "a%20b"};
    char target[1024];

    for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++) {
        struct http_response response;
        const struct vtsimd *vtsimd = *state;

        snprintf(target, sizeof(target), "/jobs?after=%s", cursors[i]);
        http_request(vtsimd->port, "GET", target, NULL, &response);
        assert_true(response.status == 200 || response.status == 400);
        http_response_finish(&response);
    }
}

/* Large jobs make short pages, so that no answer is larger than a client takes; none is left out. */
static void a_listing_of_large_jobs(void **state)
{
    static const char head[] = "{\"after\": 0, \"result\": \"input\", \"pad\": \"";
    static char input[48 * 1024];
    struct vtsimd vtsimd;
    char after[64] = "", target[128];
    int listed = 0, pages = 0;

    (void)state;
    server_start(&vtsimd, NULL);
    memset(input, 'x', sizeof(input));
    memcpy(input, head, sizeof(head) - 1);
    memcpy(input + sizeof(input) - 3, "\"}", 3);
    for (int i = 0; i < 40; i++) {
        char id[16];

        snprintf(id, sizeof(id), "large-%d", i);
        start_job(&vtsimd, id, input);
    }
    do {
        struct http_response response;
        struct json_object *page;

        snprintf(target, sizeof(target), "/jobs%s%s", *after ? "?after=" : "", after);
        http_request(vtsimd.port, "GET", target, NULL, &response);
        assert_int_equal(response.status, 200);
        assert_in_range(response.body_length, 2, 512 * 1024);
        page = json_tokener_parse(response.body);
        listed += (int)json_object_array_length(member(page, "jobs"));
        snprintf(after, sizeof(after), "%s",
                 member(page, "next") ? json_object_get_string(member(page, "next")) : "");
        json_object_put(page);
        http_response_finish(&response);
        pages++;
    } while (*after);
    assert_int_equal(listed, 40);
    assert_in_range(pages, 4, 20);
    server_stop(&vtsimd);
}

/* A start that was refused is hidden everywhere. */
static void refused_jobs_are_not_listed(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, NULL);
    ask(&vtsimd, "POST", "/jobs", "{\"id\": \"no\", \"input\": {\"refuse\": 503}}", 503,
        "{\"error\": \"the behaviour \\\"bender\\\" refuses to start this job\"}");
    ask(&vtsimd, "GET", "/jobs", NULL, 200, "{\"jobs\": [], \"next\": null}");
    ask(&vtsimd, "GET", "/jobs/no", NULL, 404, NULL);
    ask(&vtsimd, "GET", "/status?job_id=no", NULL, 404, NULL);
    ask(&vtsimd, "DELETE", "/jobs/no", NULL, 404, NULL);
    server_stop(&vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_from_start_to_end),
        cmocka_unit_test(a_start_has_a_location),
        cmocka_unit_test(ids_are_made_up),
        cmocka_unit_test(members_that_are_wrong),
        cmocka_unit_test(long_and_odd_names_in_messages),
        cmocka_unit_test(behaviours_are_chosen_by_name),
        cmocka_unit_test(results_and_errors),
        cmocka_unit_test(progress_is_told),
        cmocka_unit_test(polls_are_counted),
        cmocka_unit_test(cancels),
        cmocka_unit_test(cancels_that_take_time_or_are_refused),
        cmocka_unit_test(a_delete_with_a_body),
        cmocka_unit_test(head_everywhere),
        cmocka_unit_test(a_listing_through_its_cursor),
        cmocka_unit_test(a_listing_while_jobs_come),
        cmocka_unit_test(odd_cursors),
        cmocka_unit_test(a_listing_of_large_jobs),
        cmocka_unit_test(refused_jobs_are_not_listed),
    };

    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
