/* SPDX-License-Identifier: MIT
 *
 * Requests that are wrong: each gets its status and a JSON body that says what is wrong, and the
 * server goes on. The texts are compared whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server.h"

#define X16  "xxxxxxxxxxxxxxxx"
#define X64  X16 X16 X16 X16
#define X256 X64 X64 X64 X64

#define NOT_JSON "the body is not JSON (RFC 8259): a number, a word or a string in it is none"
#define TOO_LARGE                                                                                  \
    "the body has a number that is too large: whole ones have 64 bits, others go to 1e308"

struct wrong {
    const char *body; /* of POST /start, or the target of a GET */
    int status;
    const char *error; /* as it stands in the JSON */
};

static void say_error(char *answer, size_t size, const char *error)
{
    snprintf(answer, size, "{\"error\": \"%s\"}", error);
}

static void still_serves(const struct vtsimd *vtsimd)
{
    ask(vtsimd, "GET", "/status?job_id=nobody", NULL, 404,
        "{\"error\": \"there is no job of this id\"}");
}

static void post_each(const struct vtsimd *vtsimd, const char *target, const struct wrong *wrong,
                      size_t count)
{
    char answer[1024];

    for (size_t i = 0; i < count; i++) {
        say_error(answer, sizeof(answer), wrong[i].error);
        ask(vtsimd, "POST", target, wrong[i].body, wrong[i].status, answer);
        still_serves(vtsimd);
    }
}

static void get_each(const struct vtsimd *vtsimd, const struct wrong *wrong, size_t count)
{
    char answer[1024];

    for (size_t i = 0; i < count; i++) {
        say_error(answer, sizeof(answer), wrong[i].error);
        ask(vtsimd, "GET", wrong[i].body, NULL, wrong[i].status, answer);
        still_serves(vtsimd);
    }
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- bodies ---- */

static void bodies_that_are_no_json(void **state)
{
    static const struct wrong wrong[] = {
        {"", 400, "the body is empty: send a JSON object"},
        {" \n", 400, "the body is not JSON: unexpected end of data at byte 3"},
        {"job_id=a", 400, "the body is not JSON: unexpected character at byte 1"},
        {"{\"job_id\": \"a\"", 400, "the body is not JSON: unexpected end of data at byte 15"},
        {"{\"job_id\": \"a", 400, "the body is not JSON: unexpected end of data at byte 14"},
        {"{\"job_id\": \"a\",}", 400, "the body is not JSON: unexpected character at byte 16"},
        {"{'job_id': 'a'}", 400, "the body is not JSON: unexpected character at byte 12"},
        {"{\"job_id\": \"a\"}\n{}", 400, "the body goes on behind its JSON value, at byte 17"},
        {"{\"job_id\": \"a\"} // x", 400, "the body goes on behind its JSON value, at byte 17"},
        {"/* x */ {\"job_id\": \"a\"}", 400,
         "the body is not JSON: unexpected character at byte 1"},
        {"{\"job_id\": \"a\", \"n\": NaN}", 400, NOT_JSON},
        {"{\"job_id\": \"a\", \"n\": -Infinity}", 400, NOT_JSON},
        {"{\"job_id\": \"a\", \"n\": 01}", 400, "the body is not JSON: number expected at byte 24"},
        {"{\"job_id\": \"a\", \"n\": -01}", 400, NOT_JSON},
        {"{\"job_id\": \"a\", \"n\": 1.}", 400, NOT_JSON},
        {"{\"job_id\": \"a\", \"n\": TRUE}", 400,
         "the body is not JSON: boolean expected at byte 22"},
        {"{\"job_id\": \"a\", \"n\": \"\\x\"}", 400,
         "the body is not JSON: invalid string sequence at byte 24"},
        {"\xEF\xBB\xBF{\"job_id\": \"a\"}", 400,
         "the body is not JSON: unexpected character at byte 1"}};

    post_each(*state, "/start", wrong, COUNT(wrong));
}

static void numbers_that_are_some(void **state)
{
    ask(*state, "POST", "/start",
        "{\"n\": [0, -0, 0.0, -0.5e-3, 1E+2, 123456789012345678, 1e-999, 12345678901234567890.5,"
        "\"1.\", 1e999, 123456789012345678901234567890], \"job_id\": \"numbers\"}",
        200, NULL);
    ask(*state, "DELETE", "/jobs/numbers", NULL, 200, NULL);
}

/* Where they are kept they must be kept as they are. */
static void numbers_in_an_input(void **state)
{
    static const struct wrong wrong[] = {
        {"{\"id\": \"a\", \"input\": 1e999}", 400, TOO_LARGE},
        {"{\"id\": \"a\", \"input\": [18446744073709551616]}", 400, TOO_LARGE},
        {"{\"id\": \"a\", \"input\": -9223372036854775809}", 400, TOO_LARGE}};

    post_each(*state, "/jobs", wrong, COUNT(wrong));
    ask(*state, "POST", "/jobs",
        "{\"id\": \"whole\", \"input\": [18446744073709551615, -9223372036854775808, \"1e999\"]}",
        201, NULL);
    ask(*state, "DELETE", "/jobs/whole", NULL, 200, NULL);
}

static void bodies_that_are_other_json(void **state)
{
    static const struct wrong wrong[] = {
        {"[]", 400, "the body is JSON, but not an object"},
        {"null", 400, "the body is JSON, but not an object"},
        {"1", 400, "the body is JSON, but not an object"},
        {"\"job_id\"", 400, "the body is JSON, but not an object"},
        {"[{\"job_id\": \"a\"}]", 400, "the body is JSON, but not an object"},
        {"{}", 400, "job_id is missing"},
        {"{\"Job_id\": \"a\"}", 400, "job_id is missing"},
        {"{\"job_id\": \"a\", \"job_id\": \"b\"}", 400, "the body gives a member twice"},
        {"{\"job_id\": \"a\", \"j\\u006fb_id\": \"a\"}", 400, "the body gives a member twice"},
        {"{\"job_id\": \"a\", \"x\": [{\"y\": 1, \"y\": 2}]}", 400,
         "the body gives a member twice"}};

    post_each(*state, "/start", wrong, COUNT(wrong));
}

static void ids_that_are_none(void **state)
{
    static const struct wrong wrong[] = {
        {"{\"job_id\": 7}", 400, "job_id is not a string"},
        {"{\"job_id\": null}", 400, "job_id is not a string"},
        {"{\"job_id\": [\"a\"]}", 400, "job_id is not a string"},
        {"{\"job_id\": \"\"}", 400, "job_id is empty"},
        {"{\"job_id\": \"" X256 "\"}", 400, "job_id has 256 bytes, 255 are the most"},
        {"{\"job_id\": \"a\\u0000b\"}", 400, "job_id has a control character"},
        {"{\"job_id\": \"a\\u0000\"}", 400, "job_id has a control character"},
        {"{\"job_id\": \"a\\nb\"}", 400, "job_id has a control character"},
        {"{\"job_id\": \"a\\u001fb\"}", 400, "job_id has a control character"},
        {"{\"job_id\": \"a\x7f\"}", 400, "job_id has a control character"},
        {"{\"job_id\": \"a\\u0085b\"}", 400, "job_id has a control character"},
        {"{\"job_id\": \"\\ud800\"}", 400,
         "the body has half of a surrogate pair (\\\\ud800 to \\\\udfff)"},
        {"{\"job_id\": \"\\ud800\\u0041\"}", 400,
         "the body has half of a surrogate pair (\\\\ud800 to \\\\udfff)"},
        {"{\"job_id\": \"\\udc00\\ud800\"}", 400,
         "the body has half of a surrogate pair (\\\\ud800 to \\\\udfff)"},
        {"{\"job_id\": \"a\", \"x\": \"\\ud800 \"}", 400,
         "the body has half of a surrogate pair (\\\\ud800 to \\\\udfff)"},
        {"{\"job_id\": \"a\xff\"}", 400, "the body is not UTF-8 text"},
        {"{\"job_id\": \"\xed\xa0\x80\"}", 400, "the body is not UTF-8 text"},
        {"{\"job_id\": \"\xc0\x80\"}", 400, "the body is not UTF-8 text"},
        {"{\"job_id\": \"a\", \"x\": \"\xf8\"}", 400, "the body is not UTF-8 text"}};

    post_each(*state, "/start", wrong, COUNT(wrong));
    /* None of them started anything. */
    ask(*state, "GET", "/status?job_id=a", NULL, 404, NULL);
    ask(*state, "GET", "/jobs?state=running", NULL, 200, "{\"jobs\": [], \"next\": null}");
}

/* A name that json-c would cut at its NUL must not become another name. */
static void a_nul_in_a_members_name(void **state)
{
    static const char answer[] =
        "{\"error\": \"the body has a member whose name holds \\\\u0000\"}";

    ask(*state, "POST", "/start", "{\"job_id\\u0000x\": \"nul\"}", 400, answer);
    ask(*state, "POST", "/start", "{\"job_id\": \"nul\", \"job_id\\u0000\" :1}", 400, answer);
    ask(*state, "POST", "/start", "{\"job_id\": \"nul\", \"x\": [{\"\\u0000\"\n: 1}]}", 400,
        answer);
    ask(*state, "GET", "/status?job_id=nul", NULL, 404, NULL);
    /* In a text that nobody looks at it does no harm. */
    ask(*state, "POST", "/start", "{\"job_id\": \"nul\", \"x\": \"\\u0000:\"}", 200, NULL);
}

static void a_nul_in_the_body(void **state)
{
    static const char body[] = "{\"job_id\": \"a\"}\0";
    const struct vtsimd *vtsimd = *state;
    struct http_connection connection;
    struct http_response response;
    char head[128];

    snprintf(head, sizeof(head), "POST /start HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
             sizeof(body));
    http_connect(&connection, vtsimd->port);
    assert_true(http_puts(&connection, head));
    assert_true(http_send(&connection, body, sizeof(body)));
    assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
    assert_int_equal(response.status, 400);
    assert_string_equal(response.body, "{\"error\": \"the body is not UTF-8 text\"}");
    http_response_finish(&response);
    http_close(&connection);
    still_serves(vtsimd);
}

static void depth_of_ten_thousand(void **state)
{
    char *body = malloc(20064);

    assert_non_null(body);
    memset(body, '[', 10000);
    memset(body + 10000, ']', 10000);
    body[20000] = '\0';
    ask(*state, "POST", "/start", body, 400,
        "{\"error\": \"the body is not JSON: nesting too deep at byte 33\"}");
    strcpy(body, "{\"job_id\": \"a\", \"x\": ");
    memset(body + strlen(body), '[', 10000);
    body[10020] = '\0';
    ask(*state, "POST", "/start", body, 400,
        "{\"error\": \"the body is not JSON: nesting too deep at byte 53\"}");
    free(body);
    still_serves(*state);
}

/* ---- queries and paths ---- */

static void queries(void **state)
{
    static const char percent[] = "job_id is not percent-encoded rightly: two hexadecimal digits "
                                  "must follow each %";
    const struct wrong wrong[] = {
        {"/status?job_id=", 400, "job_id is empty"},
        {"/status?job_id", 400, "job_id is empty"},
        {"/status?job_id=a%00b", 400, "job_id has a control character"},
        {"/status?job_id=%00", 400, "job_id has a control character"},
        {"/status?job_id=a%0ab", 400, "job_id has a control character"},
        {"/status?job_id=%zz", 400, percent},
        {"/status?job_id=a%", 400, percent},
        {"/status?job_id=a%4", 400, percent},
        {"/status?job_id=%4&x=1", 400, percent},
        {"/status?job_id=%ff", 400, "job_id is not UTF-8"},
        {"/status?job_id=%ed%a0%80", 400, "job_id is not UTF-8"},
        {"/status?job_id=%c0%80", 400, "job_id is not UTF-8"},
        {"/status?job_id=a&job_id=a", 400, "job_id is given twice"},
        {"/status?job_id=a&x=y&job%5Fid=b", 400, "job_id is given twice"},
        {"/status?job_id=" X256, 400, "job_id has 256 bytes, 255 are the most"},
        {"/status?job_id=" X256 X256 X256, 400, "job_id has 768 bytes, 255 are the most"},
        {"/jobs/%00", 400, "id has a control character"},
        {"/jobs/a%00b", 400, "id has a control character"},
        {"/jobs/%zz", 400,
         "id is not percent-encoded rightly: two hexadecimal digits must follow each %"},
        {"/jobs/%ff", 400, "id is not UTF-8"},
        {"/jobs/" X256, 400, "id has 256 bytes, 255 are the most"},
        {"/jobs/" X256 X256 X256 "x", 400, "id has 769 bytes, 255 are the most"},
        {"/jobs?state=asked", 400, "state must be queued, running, completed, failed or cancelled"},
        {"/jobs?state=", 400, "state must be queued, running, completed, failed or cancelled"},
        {"/jobs?state=running%00x", 400,
         "state must be queued, running, completed, failed or cancelled"},
        {"/jobs?state=running&state=failed", 400, "state is given twice"},
        {"/jobs?limit=0", 400, "limit must be a whole number from 1 to 1000"},
        {"/jobs?limit=1001", 400, "limit must be a whole number from 1 to 1000"},
        {"/jobs?limit=-1", 400, "limit must be a whole number from 1 to 1000"},
        {"/jobs?limit=+1", 400, "limit must be a whole number from 1 to 1000"},
        {"/jobs?limit=", 400, "limit must be a whole number from 1 to 1000"},
        {"/jobs?limit=1%00", 400, "limit must be a whole number from 1 to 1000"},
        {"/jobs?limit=0x10", 400, "limit must be a whole number from 1 to 1000"},
        {"/jobs?limit=99999999999999999999999", 400, "limit must be a whole number from 1 to 1000"},
        {"/jobs?limt=1", 400,
         "unknown parameter \\\"limt\\\": this path takes state, limit, after and id"},
        {"/jobs?=1", 400, "unknown parameter \\\"\\\": this path takes state, limit, after and id"},
        {"/jobs?a%zz=1", 400,
         "unknown parameter \\\"a%zz\\\": this path takes state, limit, after and id"}};

    get_each(*state, wrong, COUNT(wrong));
}

static void paths_that_are_not_there(void **state)
{
    static const char no_path[] = "{\"error\": \"there is no such path: /start and /status are the "
                                  "original API, /jobs is the full one\"}";
    static const char *const paths[] = {"/",          "/statu",     "/status/", "/status/a",
                                        "/start/",    "/Status",    "/jobs/",   "/jobs/a/",
                                        "/jobs/a/b",  "//status",   "/_sim",    "/%73tatus",
                                        "/../status", "/status%3f", "/jobs//"};
    static const char no_control[] =
        "{\"error\": \"there is no such path under /_sim/: it has health, clock, clock/sleep, "
        "clock/participants, reset, config, behaviours, jobs/ID/finish, audit, audit/expect and "
        "audit/verdict\"}";

    for (size_t i = 0; i < COUNT(paths); i++)
        ask(*state, "GET", paths[i], NULL, 404, no_path);
    ask(*state, "GET", "/_sim/", NULL, 404, no_control);
    ask(*state, "GET", "/_sim/health/", NULL, 404, no_control);
    ask(*state, "POST", "/", "{}", 404, no_path);
    still_serves(*state);
}

static void methods_that_a_path_does_not_take(void **state)
{
    static const struct {
        const char *path, *allow;
        const char *methods[9];
    } paths[] = {
        {"/status", "GET, HEAD", {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"}},
        {"/start", "POST", {"GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"}},
        {"/jobs", "GET, HEAD, POST", {"PUT", "DELETE", "PATCH", "OPTIONS", "get"}},
        {"/jobs/a", "GET, HEAD, DELETE", {"POST", "PUT", "PATCH", "OPTIONS"}},
        {"/_sim/health", "GET, HEAD", {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}}};
    const struct vtsimd *vtsimd = *state;
    struct http_response response;
    char answer[128];

    for (size_t i = 0; i < COUNT(paths); i++) {
        snprintf(answer, sizeof(answer), "{\"error\": \"this path takes %s\"}", paths[i].allow);
        for (size_t m = 0; paths[i].methods[m]; m++) {
            http_request(vtsimd->port, paths[i].methods[m], paths[i].path, NULL, &response);
            assert_int_equal(response.status, 405);
            assert_string_equal(http_header(&response, "Allow"), paths[i].allow);
            assert_string_equal(response.body, answer);
            http_response_finish(&response);
        }
    }
    still_serves(vtsimd);
}

/* ---- lengths ---- */

static void send_and_read(const struct vtsimd *vtsimd, const char *bytes, size_t length,
                          struct http_response *response)
{
    struct http_connection connection;

    http_connect(&connection, vtsimd->port);
    http_send(&connection, bytes, length);
    assert_int_equal(http_read(&connection, response), HTTP_ANSWER);
    http_close(&connection);
}

/* A body of `size` bytes, with a length or in chunks. */
static char *large_request(size_t size, bool chunked, size_t *length)
{
    static const char start[] = "{\"job_id\": \"large\", \"x\": \"", end[] = "\"}";
    char *bytes = malloc(size + 512);
    size_t at;

    assert_non_null(bytes);
    at = (size_t)sprintf(bytes,
                         chunked ? "POST /start HTTP/1.1\r\nHost: x\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n%zx\r\n"
                                 : "POST /start HTTP/1.1\r\nHost: x\r\n"
                                   "Content-Length: %zu\r\n\r\n",
                         size);
    memset(bytes + at, 'x', size);
    memcpy(bytes + at, start, sizeof(start) - 1);
    memcpy(bytes + at + size - (sizeof(end) - 1), end, sizeof(end) - 1);
    at += size;
    if (chunked)
        at += (size_t)sprintf(bytes + at, "\r\n0\r\n\r\n");
    *length = at;
    return bytes;
}

static void bodies_over_the_limit(void **state)
{
    struct vtsimd vtsimd;
    struct http_response response;
    size_t length;
    char *bytes;

    (void)state;
    server_start(&vtsimd, "-s", "server/max_body=1000", NULL);
    for (int chunked = 0; chunked < 2; chunked++) {
        bytes = large_request(1001, chunked, &length);
        send_and_read(&vtsimd, bytes, length, &response);
        assert_int_equal(response.status, 413);
        assert_string_equal(response.body,
                            "{\"error\": \"the body has 1001 bytes, 1000 are the most\"}");
        http_response_finish(&response);
        free(bytes);
        bytes = large_request(2000000, chunked, &length);
        send_and_read(&vtsimd, bytes, length, &response);
        assert_int_equal(response.status, 413);
        http_response_finish(&response);
        free(bytes);
        still_serves(&vtsimd);
    }
    /* Far over it: the refusal may be evhttp's own, which comes with a reset. */
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"after\"}", 200, NULL);
    for (int chunked = 0; chunked < 2; chunked++) {
        struct http_connection connection;

        bytes = large_request(20000000, chunked, &length);
        http_connect(&connection, vtsimd.port);
        http_send(&connection, bytes, length);
        http_close(&connection);
        free(bytes);
        still_serves(&vtsimd);
    }
    bytes = large_request(1000, true, &length);
    send_and_read(&vtsimd, bytes, length, &response);
    assert_string_equal(response.body, "{\"message\": \"Job started\", \"job_id\": \"large\"}");
    http_response_finish(&response);
    free(bytes);
    server_stop(&vtsimd);
}

static void a_length_given_more_than_once(void **state)
{
    static const char *const headers[] = {
        "Content-Length: 17\r\nContent-Length: 17\r\n",
        "Content-Length: 17\r\ncontent-length: 4\r\n",
        "Content-Length: 17\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 17\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"};
    const struct vtsimd *vtsimd = *state;

    for (size_t i = 0; i < COUNT(headers); i++) {
        struct http_connection connection;
        struct http_response response;
        char request[512];

        /* Read in one way it is one request, in the other two. */
        snprintf(request, sizeof(request), "POST /start HTTP/1.1\r\nHost: x\r\n%s\r\n%s",
                 headers[i],
                 strstr(headers[i], "chunked") ? "11\r\n{\"job_id\": \"two\"}\r\n0\r\n\r\n"
                                               : "{\"job_id\": \"two\"}");
        http_connect(&connection, vtsimd->port);
        assert_true(http_puts(&connection, request));
        assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
        assert_int_equal(response.status, 400);
        /* With a transfer encoding it is the parser of evhttp that refuses, in its own words. */
        if (!strstr(headers[i], "chunked"))
            assert_string_equal(response.body,
                                "{\"error\": \"the length of the body is given more than once\"}");
        assert_string_equal(http_header(&response, "Connection"), "close");
        assert_int_not_equal(http_wait_end(&connection), HTTP_TIMED_OUT);
        http_response_finish(&response);
        http_close(&connection);
    }
    ask(vtsimd, "GET", "/status?job_id=two", NULL, 404, NULL);
}

static void transfer_encodings(void **state)
{
    static const char *const codings[] = {"gzip, chunked", "gzip", "xchunked", "identity"};
    const struct vtsimd *vtsimd = *state;

    for (size_t i = 0; i < COUNT(codings); i++) {
        char request[256];
        struct http_response response;

        snprintf(request, sizeof(request),
                 "POST /start HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: %s\r\n\r\n"
                 "11\r\n{\"job_id\": \"two\"}\r\n0\r\n\r\n",
                 codings[i]);
        send_and_read(vtsimd, request, strlen(request), &response);
        assert_int_equal(response.status, 501);
        assert_string_equal(
            response.body,
            "{\"error\": \"chunked is the only transfer encoding that is understood\"}");
        assert_string_equal(http_header(&response, "Connection"), "close");
        http_response_finish(&response);
        still_serves(vtsimd);
    }
    ask(vtsimd, "GET", "/status?job_id=two", NULL, 404, NULL);
}

static void lengths_that_are_none(void **state)
{
    static const char *const headers[] = {"Content-Length: abc", "Content-Length: -1",
                                          "Content-Length: 99999999999999999999",
                                          "Content-Length: 1e3", "Content-Length: +17"};
    const struct vtsimd *vtsimd = *state;

    for (size_t i = 0; i < COUNT(headers); i++) {
        char request[256];
        struct http_response response;

        snprintf(request, sizeof(request),
                 "POST /start HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n{\"job_id\": \"len\"}", headers[i]);
        send_and_read(vtsimd, request, strlen(request), &response);
        assert_in_range(response.status, 400, 413);
        http_response_finish(&response);
        still_serves(vtsimd);
    }
    ask(vtsimd, "GET", "/status?job_id=len", NULL, 404, NULL);
}

static void headers_that_are_too_large(void **state)
{
    const struct vtsimd *vtsimd = *state;
    char *many = malloc(256 * 1024);
    size_t at;

    assert_non_null(many);
    for (int kind = 0; kind < 3; kind++) {
        struct http_connection connection;
        struct http_response response;
        enum http_end end;

        at = (size_t)sprintf(many, "GET /status?job_id=");
        if (kind == 0) { /* a long line */
            memset(many + at, 'a', 100000);
            at += 100000;
        }
        at += (size_t)sprintf(many + at, "a HTTP/1.1\r\nHost: x\r\n");
        if (kind == 1) { /* a long header */
            at += (size_t)sprintf(many + at, "X: ");
            memset(many + at, 'b', 100000);
            at += 100000;
            at += (size_t)sprintf(many + at, "\r\n");
        }
        for (int i = 0; kind == 2 && i < 10000; i++) /* many short ones */
            at += (size_t)sprintf(many + at, "X%d: %d\r\n", i, i);
        at += (size_t)sprintf(many + at, "\r\n");
        http_connect(&connection, vtsimd->port);
        http_send(&connection, many, at);
        end = http_read(&connection, &response);
        assert_int_equal(end, HTTP_ANSWER);
        assert_true(response.status == 400 || response.status == 431);
        http_response_finish(&response);
        http_close(&connection);
        still_serves(vtsimd);
    }
    free(many);
}

static void headers_under_sixteen_kib(void **state)
{
    char *headers = malloc(16 * 1024), *request;
    struct http_response response;

    assert_non_null(headers);
    memset(headers, 'b', 15 * 1024);
    memcpy(headers, "X: ", 3);
    strcpy(headers + (size_t)15 * 1024, "\r\n");
    request = request_text("GET", "/status?job_id=nobody", headers, NULL);
    send_and_read(*state, request, strlen(request), &response);
    assert_int_equal(response.status, 404);
    http_response_finish(&response);
    free(request);
    free(headers);
}

/* ---- cut off ---- */

static void requests_cut_off_in_the_middle(void **state)
{
    static const char request[] = "POST /start HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n"
                                  "{\"job_id\": \"cut\"}";
    const struct vtsimd *vtsimd = *state;

    for (size_t length = 0; length < sizeof(request) - 1; length++)
        for (int way = 0; way < 3; way++) {
            struct http_connection connection;

            http_connect(&connection, vtsimd->port);
            assert_true(http_send(&connection, request, length));
            if (way == 0) {
                http_half_close(&connection);
                assert_int_not_equal(http_wait_end(&connection), HTTP_TIMED_OUT);
            } else if (way == 1) {
                http_reset(&connection);
            }
            http_close(&connection);
        }
    wait_for_connections(vtsimd, 0);
    ask(vtsimd, "GET", "/status?job_id=cut", NULL, 404, NULL);
}

static void clients_that_leave_before_their_answer(void **state)
{
    const struct vtsimd *vtsimd = *state;
    char *request = request_text("POST", "/start", NULL, "{\"job_id\": \"left\"}");

    for (int round = 0; round < 50; round++) {
        struct http_connection connection;

        http_connect(&connection, vtsimd->port);
        assert_true(http_puts(&connection, request));
        if (round % 2)
            http_reset(&connection);
        http_close(&connection);
    }
    free(request);
    wait_for_connections(vtsimd, 0);
    still_serves(vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_that_are_no_json),
        cmocka_unit_test(numbers_that_are_some),
        cmocka_unit_test(numbers_in_an_input),
        cmocka_unit_test(bodies_that_are_other_json),
        cmocka_unit_test(ids_that_are_none),
        cmocka_unit_test(a_nul_in_a_members_name),
        cmocka_unit_test(a_nul_in_the_body),
        cmocka_unit_test(depth_of_ten_thousand),
        cmocka_unit_test(queries),
        cmocka_unit_test(paths_that_are_not_there),
        cmocka_unit_test(methods_that_a_path_does_not_take),
        cmocka_unit_test(bodies_over_the_limit),
        cmocka_unit_test(a_length_given_more_than_once),
        cmocka_unit_test(transfer_encodings),
        cmocka_unit_test(lengths_that_are_none),
        cmocka_unit_test(headers_that_are_too_large),
        cmocka_unit_test(headers_under_sixteen_kib),
        cmocka_unit_test(requests_cut_off_in_the_middle),
        cmocka_unit_test(clients_that_leave_before_their_answer),
    };

    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
