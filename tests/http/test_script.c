/* SPDX-License-Identifier: MIT
 *
 * Every step of a script as it arrives at a client: through a real socket, to the byte, on both APIs. When a
 * step holds is tested in tests/plugins/script.c. */
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

/* All that a client is sent until the connection ends, with the date and the list of features replaced by
 * stars. */
struct heard {
    char bytes[8192];
    size_t length;
    enum http_end end;
    int64_t took_ms;
};

static void begin(struct vtsimd *vtsimd, const char *script)
{
    char assignment[2048];

    snprintf(assignment, sizeof(assignment), "behaviour scripted/script=%s", script);
    server_start(vtsimd, "-s", "behaviour scripted/plugin=scripted_sequence", "-s", assignment,
                 "-s", "server/behaviour=scripted", NULL);
}

static void mask(struct heard *heard, const char *field)
{
    char *value = strstr(heard->bytes, field), *end;

    if (!value)
        return;
    value += strlen(field);
    end = strstr(value, "\r\n");
    assert_non_null(end);
    *value++ = '*';
    memmove(value, end, heard->length - (size_t)(end - heard->bytes) + 1);
    heard->length -= (size_t)(end - value);
}

/* Asks on a connection of its own, which the server is to close. */
static void hear(const struct vtsimd *vtsimd, const char *method, const char *target,
                 const char *body, struct heard *heard)
{
    char *request = request_text(method, target, "Connection: close\r\n", body);
    struct http_connection connection;
    int64_t before = run_now_ms();
    size_t got;

    memset(heard, 0, sizeof(*heard));
    http_connect(&connection, vtsimd->port);
    assert_true(http_puts(&connection, request));
    while ((got = http_read_some(&connection, heard->bytes + heard->length,
                                 sizeof(heard->bytes) - 1 - heard->length, &heard->end)))
        heard->length += got;
    heard->took_ms = run_now_ms() - before;
    mask(heard, "\r\nDate: ");
    mask(heard, "\r\nVtsim-Features: ");
    http_close(&connection);
    free(request);
}

static size_t content_length(const struct heard *heard)
{
    static const char name[] = "\r\nContent-Length: ";
    const char *field = strstr(heard->bytes, name);

    assert_non_null(field);
    return strtoul(field + sizeof(name) - 1, NULL, 10);
}

/* The bytes of an answer in JSON: `fields` are those behind Content-Type ("Retry-After: 1\r\n"). */
static void expect(const struct heard *heard, const char *status, const char *type,
                   const char *fields, const char *body)
{
    char wanted[4096];

    snprintf(wanted, sizeof(wanted),
             "HTTP/1.1 %s\r\nDate: *\r\nVtsim-Features: *\r\nContent-Type: %s\r\n%s"
             "Content-Length: %zu\r\n"
             "Connection: close\r\n\r\n%s",
             status, type, fields, strlen(body), body);
    assert_string_equal(heard->bytes, wanted);
    assert_int_equal(heard->end, HTTP_FIN);
}

static void start(const struct vtsimd *vtsimd)
{
    ask(vtsimd, "POST", "/start", "{\"job_id\": \"a\"}", 200,
        "{\"message\": \"Job started\", \"job_id\": \"a\"}");
}

static void hear_status(const struct vtsimd *vtsimd, struct heard *heard)
{
    hear(vtsimd, "GET", "/status?job_id=a", NULL, heard);
}

#define PENDING   "{\"job_id\": \"a\", \"status\": \"pending\"}"
#define COMPLETED "{\"job_id\": \"a\", \"status\": \"completed\"}"
#define JSON      "application/json"

static void expect_status(const struct vtsimd *vtsimd, const char *body)
{
    struct heard heard;

    hear_status(vtsimd, &heard);
    expect(&heard, "200 OK", JSON, "", body);
}

/* ---- states ---- */

static void the_states(void **state)
{
    static const char *const ends[][2] = {
        {"pending x2, completed", COMPLETED},
        {"pending x2, error \"why\"", "{\"job_id\": \"a\", \"status\": \"error\"}"},
        {"pending x2, cancelled", "{\"job_id\": \"a\", \"status\": \"error\"}"}};
    static const char *const full[][2] = {
        {"completed", "null"}, {"failed", "error"}, {"cancelled", "null"}};
    struct json_object *job, *error;
    struct vtsimd vtsimd;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        begin(&vtsimd, ends[i][0]);
        start(&vtsimd);
        expect_status(&vtsimd, PENDING);
        expect_status(&vtsimd, PENDING);
        expect_status(&vtsimd, ends[i][1]);
        job = ask_json(&vtsimd, "GET", "/jobs/a", NULL, 200);
        assert_string_equal(member_text(job, "state"), full[i][0]);
        error = json_object_object_get(job, "error");
        if (i == 1)
            assert_string_equal(member_text(error, "message"), "why");
        else
            assert_null(error);
        json_object_put(job);
        server_stop(&vtsimd);
    }
}

static void progress_in_the_full_api(void **state)
{
    static const double told[] = {0.4, 0.4, 0.655};
    struct vtsimd vtsimd;
    struct json_object *job;

    (void)state;
    begin(&vtsimd, "progress 40% x2, progress 65.5% for 1h, completed");
    start(&vtsimd);
    for (size_t i = 0; i < 3; i++) {
        job = ask_json(&vtsimd, "GET", "/jobs/a", NULL, 200);
        assert_true(json_object_get_double(json_object_object_get(job, "progress")) == told[i]);
        json_object_put(job);
    }
    server_stop(&vtsimd);
}

/* ---- statuses ---- */

static void another_status(void **state)
{
    struct vtsimd vtsimd;
    struct heard heard;

    (void)state;
    begin(&vtsimd, "http 503 x2, http 500, http 200 retry-after 2500ms, http 429 retry-after 3s\n"
                   "http 503 retry-after 0, completed");
    start(&vtsimd);
    for (int i = 0; i < 2; i++) {
        hear_status(&vtsimd, &heard);
        expect(&heard, "503 Service Unavailable", JSON, "",
               "{\"error\": \"the behaviour \\\"scripted\\\" answers 503\"}");
    }
    hear_status(&vtsimd, &heard);
    expect(&heard, "500 Internal Server Error", JSON, "",
           "{\"error\": \"the behaviour \\\"scripted\\\" answers 500\"}");
    hear_status(&vtsimd, &heard);
    expect(&heard, "200 OK", JSON, "Retry-After: 3\r\n", COMPLETED);
    hear_status(&vtsimd, &heard);
    expect(&heard, "429 Too Many Requests", JSON, "Retry-After: 3\r\n",
           "{\"error\": \"the behaviour \\\"scripted\\\" answers 429\"}");
    hear_status(&vtsimd, &heard);
    expect(&heard, "503 Service Unavailable", JSON, "Retry-After: 0\r\n",
           "{\"error\": \"the behaviour \\\"scripted\\\" answers 503\"}");
    expect_status(&vtsimd, COMPLETED);
    server_stop(&vtsimd);
}

/* The phrases are those of RFC 9110; some have no body. */
static void any_status(void **state)
{
    static const char *const each[] = {"202 Accepted",     "301 Moved Permanently",
                                       "304 Not Modified", "410 Gone",
                                       "599 Error",        "204 No Content"};
    char script[200] = "";
    struct vtsimd vtsimd;
    struct heard heard;

    (void)state;
    for (size_t i = 0; i < 6; i++)
        snprintf(script + strlen(script), sizeof(script) - strlen(script), "http %.3s\n", each[i]);
    snprintf(script + strlen(script), sizeof(script) - strlen(script), "completed");
    begin(&vtsimd, script);
    start(&vtsimd);
    for (size_t i = 0; i < 6; i++) {
        bool bare = strncmp(each[i], "204", 3) == 0 || strncmp(each[i], "304", 3) == 0;

        hear_status(&vtsimd, &heard);
        assert_begins(heard.bytes, "HTTP/1.1 ");
        assert_begins(heard.bytes + 9, each[i]);
        assert_int_equal(strlen(strstr(heard.bytes, "\r\n\r\n")) == 4, bare);
    }
    expect_status(&vtsimd, COMPLETED);
    server_stop(&vtsimd);
}

static void a_status_for_a_time(void **state)
{
    struct vtsimd vtsimd;
    struct heard heard;

    (void)state;
    begin(&vtsimd, "http 503 retry-after 1s for 1h, completed");
    start(&vtsimd);
    for (int i = 0; i < 5; i++) {
        hear_status(&vtsimd, &heard);
        expect(&heard, "503 Service Unavailable", JSON, "Retry-After: 1\r\n",
               "{\"error\": \"the behaviour \\\"scripted\\\" answers 503\"}");
        hear(&vtsimd, "GET", "/jobs/a", NULL, &heard);
        expect(&heard, "503 Service Unavailable", JSON, "Retry-After: 1\r\n",
               "{\"error\": \"the behaviour \\\"scripted\\\" answers 503\"}");
    }
    server_stop(&vtsimd);
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
    struct vtsimd vtsimd;
    struct http_response response;
    time_t sent, wanted;

    (void)state;
    begin(&vtsimd, "http 503 retry-after date 90s, completed");
    start(&vtsimd);
    http_request(vtsimd.port, "GET", "/status?job_id=a", NULL, &response);
    assert_int_equal(response.status, 503);
    sent = http_date(http_header(&response, "Date"));
    wanted = http_date(http_header(&response, "Retry-After"));
    assert_in_range(wanted - sent, 90, 91);
    http_response_finish(&response);
    server_stop(&vtsimd);
}

/* ---- bodies ---- */

static void other_bodies(void **state)
{
    struct vtsimd vtsimd;
    struct heard heard;

    (void)state;
    begin(&vtsimd, "html 504, html 200, invalid json, no status, unknown status \"queued-ish\"\n"
                   "missing, completed");
    start(&vtsimd);
    hear_status(&vtsimd, &heard);
    expect(&heard, "504 Gateway Timeout", "text/html", "",
           "<html>\r\n<head><title>504</title></head>\r\n<body>\r\n<center><h1>504</h1></center>"
           "\r\n</body>\r\n</html>\r\n");
    hear_status(&vtsimd, &heard);
    expect(&heard, "200 OK", "text/html", "",
           "<html>\r\n<head><title>200</title></head>\r\n<body>\r\n<center><h1>200</h1></center>"
           "\r\n</body>\r\n</html>\r\n");
    expect_status(&vtsimd, "{\"job_id\": \"a\", \"st");
    expect_status(&vtsimd, "{\"job_id\": \"a\"}");
    expect_status(&vtsimd, "{\"job_id\": \"a\", \"status\": \"queued-ish\"}");
    hear_status(&vtsimd, &heard);
    expect(&heard, "404 Not Found", JSON, "", "{\"error\": \"there is no job of this id\"}");
    expect_status(&vtsimd, COMPLETED);
    server_stop(&vtsimd);
}

/* What is told of a job that exists is what is told of one that does not. */
static void missing_is_as_if_it_were(void **state)
{
    struct vtsimd vtsimd;
    struct heard real, told;

    (void)state;
    begin(&vtsimd, "missing x2, completed");
    start(&vtsimd);
    hear(&vtsimd, "GET", "/status?job_id=b", NULL, &real);
    hear_status(&vtsimd, &told);
    assert_string_equal(real.bytes, told.bytes);
    hear(&vtsimd, "GET", "/jobs/b", NULL, &real);
    hear(&vtsimd, "GET", "/jobs/a", NULL, &told);
    assert_string_equal(real.bytes, told.bytes);
    expect_status(&vtsimd, COMPLETED);
    server_stop(&vtsimd);
}

static void no_status_and_another_in_the_full_api(void **state)
{
    struct vtsimd vtsimd;
    struct json_object *job;
    char *names;

    (void)state;
    begin(&vtsimd, "no status, unknown status \"queued-ish\", pending for 1h");
    start(&vtsimd);
    job = ask_json(&vtsimd, "GET", "/jobs/a", NULL, 200);
    names = member_names(job);
    assert_string_equal(names, "id progress behaviour created_at started_at ended_at polls result "
                               "error");
    free(names);
    json_object_put(job);
    job = ask_json(&vtsimd, "GET", "/jobs/a", NULL, 200);
    assert_string_equal(member_text(job, "state"), "queued-ish");
    assert_string_equal(member_text(job, "status"), "queued-ish");
    json_object_put(job);
    server_stop(&vtsimd);
}

/* ---- a state that goes back ---- */

static void assert_job(const struct vtsimd *vtsimd, const char *state, const char *status,
                       double progress, bool started, bool ended)
{
    struct json_object *job = ask_json(vtsimd, "GET", "/jobs/a", NULL, 200);

    assert_string_equal(member_text(job, "state"), state);
    assert_string_equal(member_text(job, "status"), status);
    assert_true(json_object_get_double(json_object_object_get(job, "progress")) == progress);
    assert_int_equal(json_object_object_get(job, "started_at") != NULL, started);
    assert_int_equal(json_object_object_get(job, "ended_at") != NULL, ended);
    assert_null(json_object_object_get(job, "result"));
    assert_int_equal(json_object_object_get(job, "error") != NULL, strcmp(state, "failed") == 0);
    json_object_put(job);
}

static void a_state_goes_back_for_one_poll(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    begin(&vtsimd, "completed x1, regress");
    start(&vtsimd);
    expect_status(&vtsimd, COMPLETED);
    expect_status(&vtsimd, PENDING);
    expect_status(&vtsimd, COMPLETED);
    server_stop(&vtsimd);
    begin(&vtsimd, "progress 40% x1, regress, error \"x\" x1, regress");
    start(&vtsimd);
    assert_job(&vtsimd, "running", "pending", 0.4, true, false);
    assert_job(&vtsimd, "running", "pending", 0, true, false); /* it had just ended */
    assert_job(&vtsimd, "failed", "error", 0.4, true, true);
    assert_job(&vtsimd, "running", "pending", 0, true, false);
    assert_job(&vtsimd, "failed", "error", 0.4, true, true);
    server_stop(&vtsimd);
    begin(&vtsimd, "progress 40% x1, regress, progress 50% for 1h");
    start(&vtsimd);
    assert_job(&vtsimd, "running", "pending", 0.4, true, false);
    assert_job(&vtsimd, "queued", "pending", 0, false, false);
    assert_job(&vtsimd, "running", "pending", 0.5, true, false);
    server_stop(&vtsimd);
}

/* Among several jobs each is told of its own faults. */
static void several_jobs_in_one_request(void **state)
{
    struct vtsimd vtsimd;
    struct json_object *page, *jobs, *job;

    (void)state;
    begin(&vtsimd, "completed x1, missing, regress, unknown status \"queued-ish\"");
    start(&vtsimd);
    page = ask_json(&vtsimd, "GET", "/jobs?id=a&id=a&id=a&id=a", NULL, 200);
    jobs = json_object_object_get(page, "jobs");
    assert_int_equal(json_object_array_length(jobs), 4);
    job = json_object_array_get_idx(jobs, 0);
    assert_string_equal(member_text(job, "state"), "completed");
    job = json_object_array_get_idx(jobs, 1);
    assert_string_equal(
        json_object_to_json_string_ext(job, JSON_C_TO_STRING_PLAIN),
        "{\"id\":\"a\",\"error\":\"there is no job of this id\",\"http_status\":404}");
    job = json_object_array_get_idx(jobs, 2);
    assert_string_equal(member_text(job, "state"), "running");
    assert_null(json_object_object_get(job, "ended_at"));
    job = json_object_array_get_idx(jobs, 3);
    assert_string_equal(member_text(job, "state"), "queued-ish");
    json_object_put(page);
    server_stop(&vtsimd);
}

/* ---- time ---- */

static void late_and_slow_answers(void **state)
{
    struct vtsimd vtsimd;
    struct heard heard;

    (void)state;
    begin(&vtsimd, "stall 300ms, dribble 300ms, completed");
    start(&vtsimd);
    hear_status(&vtsimd, &heard);
    assert_true(heard.took_ms >= 280);
    expect(&heard, "200 OK", JSON, "", COMPLETED);
    hear_status(&vtsimd, &heard);
    assert_true(heard.took_ms >= 280);
    assert_begins(heard.bytes, "HTTP/1.1 200 OK\r\n");
    assert_ends(heard.bytes, "\r\n\r\n" COMPLETED);
    hear_status(&vtsimd, &heard);
    expect(&heard, "200 OK", JSON, "", COMPLETED);
    server_stop(&vtsimd);
}

/* ---- broken connections ---- */

static void expect_half(const struct heard *heard, const char *body)
{
    const char *arrived = strstr(heard->bytes, "\r\n\r\n");
    char length[64];

    assert_begins(heard->bytes, "HTTP/1.1 200 OK\r\n");
    snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n", strlen(body));
    assert_non_null(strstr(heard->bytes, length));
    assert_non_null(arrived);
    assert_int_equal(strlen(arrived + 4), strlen(body) / 2);
    assert_memory_equal(arrived + 4, body, strlen(body) / 2);
    assert_int_equal(heard->end, HTTP_FIN);
}

static void broken_connections(void **state)
{
    struct vtsimd vtsimd;
    struct heard heard;

    (void)state;
    begin(&vtsimd, "reset, empty, truncate, garbage, completed");
    start(&vtsimd);
    hear_status(&vtsimd, &heard);
    assert_int_equal(heard.length, 0);
    assert_int_equal(heard.end, HTTP_RST);
    hear_status(&vtsimd, &heard);
    assert_int_equal(heard.length, 0);
    assert_int_equal(heard.end, HTTP_FIN);
    hear_status(&vtsimd, &heard);
    expect_half(&heard, COMPLETED);
    hear_status(&vtsimd, &heard);
    assert_string_equal(heard.bytes, "\x16\x03\x01 this is no HTTP \xff\xfe\r\n\r\n");
    assert_int_equal(heard.end, HTTP_FIN);
    expect_status(&vtsimd, COMPLETED);
    server_stop(&vtsimd);
}

/* ---- every fault, for a time, on both APIs ---- */

/* Faults that do not depend on the count: each job of this test has one of them for an hour, and is told of it
 * whoever asks. `%s` is the job's id, and its
 * behaviour's. */
static const struct {
    const char *script, *status, *type, *fields, *body;
} lasting[] = {
    {"http 503", "503 Service Unavailable", JSON, "",
     "{\"error\": \"the behaviour \\\"%s\\\" answers 503\"}"},
    {"http 429 retry-after uniform 3s..3s", "429 Too Many Requests", JSON, "Retry-After: 3\r\n",
     "{\"error\": \"the behaviour \\\"%s\\\" answers 429\"}"},
    {"html 502 retry-after 2s", "502 Bad Gateway", "text/html", "Retry-After: 2\r\n",
     "<html>\r\n<head><title>502</title></head>\r\n<body>\r\n<center><h1>502</h1></center>"
     "\r\n</body>\r\n</html>\r\n"},
    {"missing", "404 Not Found", JSON, "", "{\"error\": \"there is no job of this id\"}"},
    {"http 201", "201 Created", JSON, "", "{\"job_id\": \"%s\", \"status\": \"pending\"}"},
    {"stall 20ms", "200 OK", JSON, "", "{\"job_id\": \"%s\", \"status\": \"pending\"}"},
    {"invalid json", "200 OK", JSON, "", "{\"job_id\": \"%s\", \"s"},
    {"no status", "200 OK", JSON, "", "{\"job_id\": \"%s\"}"},
    {"unknown status \"queued-ish\"", "200 OK", JSON, "",
     "{\"job_id\": \"%s\", \"status\": \"queued-ish\"}"},
    {"regress", "200 OK", JSON, "", "{\"job_id\": \"%s\", \"status\": \"pending\"}"},
    {"reset", NULL, NULL, NULL, NULL},
    {"empty", NULL, NULL, NULL, NULL},
    {"truncate", NULL, NULL, NULL, NULL},
    {"garbage", NULL, NULL, NULL, NULL},
    {"dribble 20ms", NULL, NULL, NULL, NULL},
};

enum { LASTING = sizeof(lasting) / sizeof(lasting[0]) };

/* One vtsimd with a behaviour for each, named by a letter that is also the id of its job. */
static void begin_lasting(struct vtsimd *vtsimd)
{
    static char settings[LASTING][2][120];
    const char *args[4 * LASTING + 1] = {NULL};
    char body[60];

    for (size_t i = 0; i < LASTING; i++) {
        snprintf(settings[i][0], sizeof(settings[i][0]), "behaviour %c/plugin=scripted_sequence",
                 (char)('a' + i));
        snprintf(settings[i][1], sizeof(settings[i][1]), "behaviour %c/script=%s for 1h, completed",
                 (char)('a' + i), lasting[i].script);
        args[4 * i] = args[4 * i + 2] = "-s";
        args[4 * i + 1] = settings[i][0];
        args[4 * i + 3] = settings[i][1];
    }
    vtsimd_start(vtsimd, args);
    for (size_t i = 0; i < LASTING; i++) {
        snprintf(body, sizeof(body), "{\"id\": \"%c\", \"behaviour\": \"%c\"}", (char)('a' + i),
                 (char)('a' + i));
        ask(vtsimd, "POST", "/jobs", body, 201, NULL);
    }
}

static void expect_broken(const struct heard *heard, const char *script)
{
    const char *body = strstr(heard->bytes, "\r\n\r\n");

    if (strcmp(script, "reset") == 0 || strcmp(script, "empty") == 0) {
        assert_int_equal(heard->length, 0);
        assert_int_equal(heard->end, *script == 'r' ? HTTP_RST : HTTP_FIN);
        return;
    }
    assert_int_equal(heard->end, HTTP_FIN);
    if (strcmp(script, "garbage") == 0) {
        assert_string_equal(heard->bytes, "\x16\x03\x01 this is no HTTP \xff\xfe\r\n\r\n");
        return;
    }
    assert_begins(heard->bytes, "HTTP/1.1 200 OK\r\n");
    assert_non_null(body);
    if (strcmp(script, "truncate") == 0)
        assert_int_equal(content_length(heard) / 2, strlen(body + 4));
    else
        assert_int_equal(content_length(heard), strlen(body + 4));
}

static void each_fault_for_a_time(void **state)
{
    struct vtsimd vtsimd;
    struct heard heard;
    char target[40], body[200], id[2] = "a";

    (void)state;
    begin_lasting(&vtsimd);
    for (size_t i = 0; i < 3 * LASTING; i++) {
        size_t which = i / 3;

        id[0] = (char)('a' + which);
        snprintf(target, sizeof(target), i % 3 ? "/status?job_id=%s" : "/jobs/%s", id);
        hear(&vtsimd, "GET", target, NULL, &heard);
        if (!lasting[which].status) {
            expect_broken(&heard, lasting[which].script);
            continue;
        }
        /* The body of a refusal is the same on both; else the full one is in the tests above. */
        snprintf(body, sizeof(body), lasting[which].body, id);
        if (i % 3 || !strstr(lasting[which].body, "%s"))
            expect(&heard, lasting[which].status, lasting[which].type, lasting[which].fields, body);
        else
            assert_begins(strchr(heard.bytes, ' ') + 1, lasting[which].status);
    }
    server_stop(&vtsimd);
}

/* ---- chance and repeat ---- */

static void the_way_that_chance_takes(void **state)
{
    struct vtsimd vtsimd;
    struct heard heard;

    (void)state;
    begin(&vtsimd, "repeat 2 { chance 1 { http 500 } else { reset }, chance 0 { reset } }\n"
                   "chance 0 { error } else { completed }");
    start(&vtsimd);
    for (int i = 0; i < 2; i++) {
        hear_status(&vtsimd, &heard);
        expect(&heard, "500 Internal Server Error", JSON, "",
               "{\"error\": \"the behaviour \\\"scripted\\\" answers 500\"}");
    }
    expect_status(&vtsimd, COMPLETED);
    server_stop(&vtsimd);
}

/* ---- starts ---- */

static void a_start_is_refused_at_first(void **state)
{
    struct vtsimd vtsimd;
    struct heard heard;

    (void)state;
    begin(&vtsimd, "start: http 503 retry-after 1s x2, html 502\npending for 1h");
    for (int i = 0; i < 2; i++) {
        hear(&vtsimd, "POST", "/start", "{\"job_id\": \"a\"}", &heard);
        expect(&heard, "503 Service Unavailable", JSON, "Retry-After: 1\r\n",
               "{\"error\": \"the behaviour \\\"scripted\\\" refuses to start this job\"}");
        hear_status(&vtsimd, &heard);
        expect(&heard, "404 Not Found", JSON, "", "{\"error\": \"there is no job of this id\"}");
    }
    hear(&vtsimd, "POST", "/jobs", "{\"id\": \"a\"}", &heard);
    assert_begins(heard.bytes, "HTTP/1.1 502 Bad Gateway\r\n");
    assert_non_null(strstr(heard.bytes, "\r\nContent-Type: text/html\r\n"));
    start(&vtsimd);
    expect_status(&vtsimd, PENDING);
    hear(&vtsimd, "POST", "/start", "{\"job_id\": \"a\"}", &heard);
    expect(&heard, "409 Conflict", JSON, "",
           "{\"error\": \"a job of this id was started before\", \"job_id\": \"a\"}");
    server_stop(&vtsimd);
}

/* The job is there, and the client does not know. */
static void a_start_whose_answer_is_lost(void **state)
{
    static const struct {
        const char *word, *begins;
        enum http_end end;
        bool nothing;
    } each[] = {
        {"lost", "", HTTP_FIN, true},
        {"empty", "", HTTP_FIN, true},
        {"reset", "", HTTP_RST, true},
        {"truncate", "HTTP/1.1 200 OK\r\n", HTTP_FIN, false},
        {"garbage", "\x16\x03\x01 this is no HTTP", HTTP_FIN, false},
        {"invalid json", "HTTP/1.1 200 OK\r\n", HTTP_FIN, false},
        {"html 200", "HTTP/1.1 200 OK\r\n", HTTP_FIN, false},
        {"stall 40ms", "HTTP/1.1 200 OK\r\n", HTTP_FIN, false},
        {"dribble 40ms", "HTTP/1.1 200 OK\r\n", HTTP_FIN, false},
    };
    struct vtsimd vtsimd;
    struct heard heard;
    char script[100];

    (void)state;
    for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
        snprintf(script, sizeof(script), "start: %s\npending for 1h", each[i].word);
        begin(&vtsimd, script);
        hear(&vtsimd, "POST", "/start", "{\"job_id\": \"a\"}", &heard);
        assert_begins(heard.bytes, each[i].begins);
        assert_int_equal(heard.length == 0, each[i].nothing);
        assert_int_equal(heard.end, each[i].end);
        ask(&vtsimd, "POST", "/start", "{\"job_id\": \"a\"}", 409, NULL);
        expect_status(&vtsimd, PENDING);
        server_stop(&vtsimd);
    }
}

#define STARTED "{\"message\": \"Job started\", \"job_id\": \"a\"}"

/* What the client of an accepted start is told, to the byte; of a job of the full API, what is its own. */
static void a_start_whose_answer_is_bad(void **state)
{
    static const char page[] =
        "<html>\r\n<head><title>202</title></head>\r\n<body>\r\n<center><h1>202</h1></center>"
        "\r\n</body>\r\n</html>\r\n";
    static const struct {
        const char *script, *status, *type, *fields, *body;
    } each[] = {
        {"invalid json", "200 OK", JSON, "", "{\"message\": \"Job star"},
        {"html 202 retry-after 2s", "202 Accepted", "text/html", "Retry-After: 2\r\n", page},
        {"stall 20ms", "200 OK", JSON, "", STARTED},
        {"http 503 for 20ms, stall 1ms", "200 OK", JSON, "", STARTED},
    };
    struct vtsimd vtsimd;
    struct heard heard;
    char script[100];

    (void)state;
    for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
        int64_t until_ms = run_now_ms() + EVENT_MS;

        snprintf(script, sizeof(script), "start: %s\npending for 1h", each[i].script);
        begin(&vtsimd, script);
        do {
            hear(&vtsimd, "POST", "/start", "{\"job_id\": \"a\"}", &heard);
            assert_true(run_now_ms() < until_ms);
        } while (i == 3 && strstr(heard.bytes, " 503 "));
        expect(&heard, each[i].status, each[i].type, each[i].fields, each[i].body);
        expect_status(&vtsimd, PENDING);
        server_stop(&vtsimd);
    }
}

static void a_start_whose_answer_is_half(void **state)
{
    struct vtsimd vtsimd;
    struct heard heard;

    (void)state;
    begin(&vtsimd, "start: truncate\npending for 1h");
    hear(&vtsimd, "POST", "/start", "{\"job_id\": \"a\"}", &heard);
    expect_half(&heard, STARTED);
    hear(&vtsimd, "POST", "/jobs", "{\"id\": \"b\"}", &heard);
    assert_begins(heard.bytes, "HTTP/1.1 201 Created\r\n");
    assert_int_equal(strlen(strstr(heard.bytes, "\r\n\r\n") + 4), content_length(&heard) / 2);
    ask(&vtsimd, "POST", "/jobs", "{\"id\": \"b\"}", 409, NULL);
    server_stop(&vtsimd);
    begin(&vtsimd, "start: http 503 retry-after date 90s, dribble 20ms\npending for 1h");
    hear(&vtsimd, "POST", "/jobs", "{\"id\": \"a\"}", &heard);
    assert_begins(heard.bytes, "HTTP/1.1 503 Service Unavailable\r\n");
    assert_non_null(strstr(heard.bytes, " GMT\r\n")); /* the Date is a star here */
    hear(&vtsimd, "POST", "/start", "{\"job_id\": \"a\"}", &heard);
    assert_begins(heard.bytes, "HTTP/1.1 200 OK\r\n");
    assert_ends(heard.bytes, "\r\n\r\n" STARTED);
    server_stop(&vtsimd);
}

/* ---- life and faults, on one timeline ---- */

static void advance(const struct vtsimd *vtsimd, const char *body)
{
    ask(vtsimd, "POST", "/_sim/clock", body, 200, NULL);
}

/* A poll that is told late: the clock stands until the answer has come to wait. */
static void expect_stalled(const struct vtsimd *vtsimd, int polls, const char *body)
{
    struct http_connection connection;
    struct http_response response;

    http_connect(&connection, vtsimd->port);
    assert_true(http_send_request(&connection, "GET", "/status?job_id=a", NULL));
    wait_for_polls(vtsimd, "a", polls);
    advance(vtsimd, "{\"advance\": \"1999ms\"}");
    connection.timeout_ms = 50;
    assert_int_equal(http_read(&connection, &response), HTTP_TIMED_OUT);
    http_response_finish(&response);
    connection.timeout_ms = HTTP_TIMEOUT_MS;
    advance(vtsimd, "{\"advance\": \"1ms\"}");
    assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
    assert_string_equal(response.body, body);
    http_response_finish(&response);
    http_close(&connection);
}

static void begin_virtual(struct vtsimd *vtsimd, const char *script)
{
    char assignment[400];

    snprintf(assignment, sizeof(assignment), "behaviour scripted/script=%s", script);
    server_start(vtsimd, "-s", "behaviour scripted/plugin=scripted_sequence", "-s", assignment,
                 "-s", "server/behaviour=scripted", "-s", "clock/mode=virtual", NULL);
}

static void a_rough_day(void **state)
{
    struct vtsimd vtsimd;
    struct heard heard;
    int i;

    (void)state;
    begin_virtual(&vtsimd, "start: http 503 retry-after 1s x2\npending for 5s\n"
                           "http 429 retry-after 3s x2, reset, stall 2s\n"
                           "progress 40% for 10s\nhtml 504\nerror \"the GPU fell over\"");
    for (i = 0; i < 2; i++) {
        hear(&vtsimd, "POST", "/start", "{\"job_id\": \"a\"}", &heard);
        expect(&heard, "503 Service Unavailable", JSON, "Retry-After: 1\r\n",
               "{\"error\": \"the behaviour \\\"scripted\\\" refuses to start this job\"}");
    }
    start(&vtsimd);
    advance(&vtsimd, "{\"advance\": \"4999ms\"}");
    expect_status(&vtsimd, PENDING);
    advance(&vtsimd, "{\"advance\": \"1ms\"}");
    for (i = 0; i < 2; i++) {
        hear_status(&vtsimd, &heard);
        expect(&heard, "429 Too Many Requests", JSON, "Retry-After: 3\r\n",
               "{\"error\": \"the behaviour \\\"scripted\\\" answers 429\"}");
    }
    hear_status(&vtsimd, &heard);
    assert_int_equal(heard.length, 0);
    assert_int_equal(heard.end, HTTP_RST);
    expect_stalled(&vtsimd, 5, PENDING);
    assert_job(&vtsimd, "running", "pending", 0.4, true, false);
    advance(&vtsimd, "{\"advance\": \"8s\"}");
    hear_status(&vtsimd, &heard);
    assert_begins(heard.bytes, "HTTP/1.1 504 Gateway Timeout\r\n");
    assert_non_null(strstr(heard.bytes, "\r\nContent-Type: text/html\r\n"));
    assert_job(&vtsimd, "failed", "error", 0.4, true, true);
    server_stop(&vtsimd);
}

/* It is completed at 5 s, and the first two polls after that do not see it. */
static void a_fault_with_a_count_takes_no_time(void **state)
{
    struct vtsimd vtsimd;
    struct json_object *job;

    (void)state;
    begin_virtual(&vtsimd, "pending for 5s, http 503 x2, completed");
    start(&vtsimd);
    advance(&vtsimd, "{\"advance\": \"4999ms\"}");
    expect_status(&vtsimd, PENDING);
    advance(&vtsimd, "{\"advance\": \"2s\"}");
    ask(&vtsimd, "GET", "/status?job_id=a", NULL, 503, NULL);
    ask(&vtsimd, "GET", "/jobs/a", NULL, 503, NULL);
    expect_status(&vtsimd, COMPLETED);
    job = ask_json(&vtsimd, "GET", "/jobs/a", NULL, 200);
    assert_string_equal(member_text(job, "ended_at"), "2026-01-01T00:00:05.000Z");
    json_object_put(job);
    server_stop(&vtsimd);
}

/* ---- after the end, and who asks ---- */

/* Both APIs and every worker use up the same faults. */
static void faults_are_used_up_whoever_asks(void **state)
{
    struct vtsimd vtsimd;
    struct heard heard;

    (void)state;
    server_start(&vtsimd, "-s", "behaviour s/plugin=scripted_sequence", "-s",
                 "behaviour s/script=completed, repeat 10 { http 500, http 501, http 502 }", "-s",
                 "server/behaviour=s", "-s", "server/workers=4", NULL);
    start(&vtsimd);
    for (int i = 0; i < 30; i++) {
        char line[40];

        hear(&vtsimd, "GET", i % 2 ? "/jobs/a" : "/status?job_id=a", NULL, &heard);
        snprintf(line, sizeof(line), "HTTP/1.1 50%d ", i % 3);
        assert_begins(heard.bytes, line);
    }
    expect_status(&vtsimd, COMPLETED);
    server_stop(&vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_states),
        cmocka_unit_test(progress_in_the_full_api),
        cmocka_unit_test(another_status),
        cmocka_unit_test(any_status),
        cmocka_unit_test(a_status_for_a_time),
        cmocka_unit_test(retry_after_as_a_date),
        cmocka_unit_test(other_bodies),
        cmocka_unit_test(missing_is_as_if_it_were),
        cmocka_unit_test(no_status_and_another_in_the_full_api),
        cmocka_unit_test(a_state_goes_back_for_one_poll),
        cmocka_unit_test(several_jobs_in_one_request),
        cmocka_unit_test(late_and_slow_answers),
        cmocka_unit_test(broken_connections),
        cmocka_unit_test(each_fault_for_a_time),
        cmocka_unit_test(the_way_that_chance_takes),
        cmocka_unit_test(a_start_is_refused_at_first),
        cmocka_unit_test(a_start_whose_answer_is_lost),
        cmocka_unit_test(a_start_whose_answer_is_bad),
        cmocka_unit_test(a_start_whose_answer_is_half),
        cmocka_unit_test(a_rough_day),
        cmocka_unit_test(a_fault_with_a_count_takes_no_time),
        cmocka_unit_test(faults_are_used_up_whoever_asks),
    };

    return cmocka_run_group_tests_name("http script", tests, NULL, NULL);
}
