/* SPDX-License-Identifier: MIT
 *
 * The client's pure parts: the schedule, what is said and understood, options, URLs. No sockets, no clock. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vtsim/plugin.h> /* one program may use both headers */

#include <cmocka.h>

#include "backoff.h"
#include "error.h"
#include "options.h"
#include "protocol.h"
#include "target.h"

/* ---- backoff --------------------------------------------------------------------------------- */

static void backoff_grows_to_its_cap(void **state)
{
    static const int64_t expected[] = {500, 750, 1125, 1688, 2531, 3797, 5695, 8543, 10000, 10000};
    struct backoff backoff;

    (void)state;
    backoff_init(&backoff, 500, 1.5, 10000, 0.1);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_int_equal(backoff_next(&backoff, 0.5), expected[i]);
    backoff_restart(&backoff);
    assert_int_equal(backoff_next(&backoff, 0.5), 500);
}

static void backoff_jitter_does_not_vanish_at_the_cap(void **state)
{
    struct backoff backoff;

    (void)state;
    backoff_init(&backoff, 1000, 100, 10000, 0.1);
    backoff_next(&backoff, 0.5);
    assert_int_equal(backoff_next(&backoff, 0.0), 9000);
    assert_int_equal(backoff_next(&backoff, 0.25), 9500);
    assert_int_equal(backoff_next(&backoff, 1.0 - 0x1p-53), 11000);
}

static void backoff_is_never_nothing(void **state)
{
    struct backoff backoff;

    (void)state;
    backoff_init(&backoff, 1, 1, 1, 1);
    for (int i = 0; i < 100; i++)
        assert_in_range(backoff_next(&backoff, i / 100.0), 1, 2);
}

static void backoff_survives_extremes(void **state)
{
    struct backoff backoff;

    (void)state;
    backoff_init(&backoff, 1, 100, 86400000, 1);
    for (int i = 0; i < 100000; i++)
        assert_in_range(backoff_next(&backoff, (i % 1000) / 1000.0), 1, 2 * 86400000);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void assert_text(char *text, const char *expected)
{
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void requests_are_escaped(void **state)
{
    struct vts_client_query query = {.size = sizeof(query)};

    (void)state;
    assert_text(protocol_path(PROTOCOL_STATUS, "translate_video_1"),
                "/status?job_id=translate_video_1");
    assert_text(protocol_path(PROTOCOL_STATUS, "a b&c=d+e%20/?#\xc3\xa9"),
                "/status?job_id=a%20b%26c%3Dd%2Be%2520%2F%3F%23%C3%A9");
    assert_text(protocol_path(PROTOCOL_JOB, "a/b"), "/jobs/a%2Fb");
    assert_text(protocol_path(PROTOCOL_JOB, "."), "/jobs/%2E");
    assert_text(protocol_path(PROTOCOL_JOB, ".."), "/jobs/%2E%2E");
    assert_text(protocol_path(PROTOCOL_JOB, "..."), "/jobs/...");
    assert_text(protocol_start_body("a\"b\\c/\xc3\xa9"), "{\"job_id\":\"a\\\"b\\\\c/\xc3\xa9\"}");
    assert_text(protocol_list_path(&query), "/jobs");
    query.state = "running";
    query.limit = 7;
    query.after = "a&b";
    assert_text(protocol_list_path(&query), "/jobs?state=running&limit=7&after=a%26b");
    query.state = NULL;
    query.limit = 0;
    assert_text(protocol_list_path(&query), "/jobs?after=a%26b");
}

static void assert_bad_id(const char *id, const char *message)
{
    struct vts_client_error error = {0};

    assert_false(protocol_check_id(id, &error));
    assert_int_equal(error.code, VTS_CLIENT_ERR_INVALID);
    assert_string_equal(error.message, message);
}

static void job_ids_are_checked(void **state)
{
    char longest[257];

    (void)state;
    memset(longest, 'x', sizeof(longest));
    longest[256] = '\0';
    assert_bad_id(longest, "a job id has 1 to 255 bytes, this one has 256");
    longest[255] = '\0';
    assert_true(protocol_check_id(longest, NULL));
    assert_bad_id("", "a job id has 1 to 255 bytes, this one has 0");
    assert_bad_id(NULL, "a job id has 1 to 255 bytes, this one has 0");
    assert_bad_id("a\nb",
                  "the job id \"a\\x0Ab\" is not UTF-8 or has a control character (byte 2)");
    assert_bad_id("\x7f", "the job id \"\\x7F\" is not UTF-8 or has a control character (byte 1)");
    assert_true(protocol_check_id("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\xac", NULL));
    assert_false(protocol_check_id("\xc2\x85", NULL));         /* U+0085, a control character */
    assert_true(protocol_check_id("\xc2\xa0", NULL));          /* U+00A0 */
    assert_false(protocol_check_id("\xc0\xaf", NULL));         /* overlong */
    assert_false(protocol_check_id("\xe0\x9f\xbf", NULL));     /* overlong */
    assert_false(protocol_check_id("\xf0\x8f\xbf\xbf", NULL)); /* overlong */
    assert_false(protocol_check_id("\xed\xa0\x80", NULL));     /* a surrogate */
    assert_true(protocol_check_id("\xed\x9f\xbf", NULL));      /* the last before them */
    assert_true(protocol_check_id("\xf4\x8f\xbf\xbf", NULL));  /* U+10FFFF */
    assert_false(protocol_check_id("\xf4\x90\x80\x80", NULL)); /* beyond */
    assert_false(protocol_check_id("\xff", NULL));
    assert_false(protocol_check_id("a\xe2\x82", NULL)); /* cut off */
    assert_false(protocol_check_id("\x80", NULL));      /* a tail alone */
}

/* ---- answers --------------------------------------------------------------------------------- */

/* An answer with the error that was found in it. */
struct understood {
    struct vts_client_error error;
    struct protocol_answer answer;
};

static struct understood read_reply(enum protocol_question question, int status, const char *body)
{
    struct understood read;
    char *copy = strdup(body); /* so that asan sees a read behind its end */
    struct reply reply = {
        .end = REPLY_ANSWERED, .status = status, .body = copy, .length = strlen(body)};

    assert_non_null(copy);
    protocol_read(question, question == PROTOCOL_LIST ? NULL : "x", "host:1", &reply, &read.answer,
                  &read.error);
    free(copy);
    return read;
}

static void assert_wrong(enum protocol_question question, int status, const char *body,
                         enum vts_client_err code, const char *message)
{
    struct understood read = read_reply(question, status, body);

    assert_string_equal(read.error.message, message);
    assert_int_equal(read.error.code, code);
    assert_int_equal(read.error.http_status, status);
    protocol_answer_finish(&read.answer);
}

static void assert_status(const char *body, enum vts_client_status status)
{
    struct understood read = read_reply(PROTOCOL_STATUS, 200, body);

    assert_string_equal(read.error.message, "");
    assert_int_equal(read.error.code, VTS_CLIENT_OK);
    assert_int_equal(read.answer.job.status, status);
    assert_string_equal(read.answer.job.id, "x");
    protocol_answer_finish(&read.answer);
}

static void statuses_are_understood(void **state)
{
    (void)state;
    assert_status("{\"job_id\": \"x\", \"status\": \"pending\"}", VTS_CLIENT_PENDING);
    assert_status("{\"job_id\": \"x\", \"status\": \"completed\"}\n", VTS_CLIENT_COMPLETED);
    assert_status(" {\"status\": \"error\", \"more\": [1, {}]} \r\n\t", VTS_CLIENT_ERROR);
}

static void a_full_job_is_understood(void **state)
{
    struct understood read =
        read_reply(PROTOCOL_CANCEL, 200,
                   "{\"id\":\"x\",\"state\":\"failed\",\"status\":\"error\",\"progress\":0.25,"
                   "\"error\":{\"code\":\"gpu\",\"message\":\"it fell over\"},\"result\":null}");
    const struct vts_client_job *job = &read.answer.job;

    (void)state;
    assert_int_equal(read.error.code, VTS_CLIENT_OK);
    assert_int_equal(job->size, sizeof(struct vts_client_job));
    assert_string_equal(job->state, "failed");
    assert_true(fabs(job->progress - 0.25) < 1e-9);
    assert_string_equal(job->error_code, "gpu");
    assert_string_equal(job->error_message, "it fell over");
    assert_string_equal(job->json, /* and a job_id, as from every API */
                        "{\"id\":\"x\",\"state\":\"failed\",\"status\":\"error\",\"progress\":0.25,"
                        "\"error\":{\"code\":\"gpu\",\"message\":\"it fell over\"},\"result\":null,"
                        "\"job_id\":\"x\"}");
    protocol_answer_finish(&read.answer);
}

static void a_list_is_understood(void **state)
{
    struct understood read =
        read_reply(PROTOCOL_LIST, 200,
                   "{\"jobs\":[{\"id\":\"a\",\"state\":\"queued\",\"status\":\"pending\"},"
                   "{\"id\":\"b\",\"state\":\"cancelled\",\"status\":\"error\"}],\"next\":\"b\"}");

    (void)state;
    assert_int_equal(read.error.code, VTS_CLIENT_OK);
    assert_int_equal(read.answer.job_count, 2);
    assert_string_equal(read.answer.jobs[0].id, "a");
    assert_true(read.answer.jobs[0].progress < 0);
    assert_string_equal(read.answer.jobs[1].state, "cancelled");
    assert_string_equal(read.answer.next, "b");
    protocol_answer_finish(&read.answer);
    read = read_reply(PROTOCOL_LIST, 200, "{\"jobs\":[],\"next\":null}");
    assert_int_equal(read.error.code, VTS_CLIENT_OK);
    assert_int_equal(read.answer.job_count, 0);
    assert_null(read.answer.next);
    protocol_answer_finish(&read.answer);
}

/* What GET /jobs?id=a&id=b says, each in its place. */
static void a_batch_is_understood(void **state)
{
    static const char body[] =
        "{\"jobs\":[{\"id\":\"b\",\"status\":\"pending\",\"retry_after\":3},"
        "{\"id\":\"c\",\"error\":\"no such job\",\"http_status\":404},"
        "{\"id\":\"d\",\"error\":\"oops\",\"http_status\":503,\"retry_after\":9999999},"
        "{\"id\":\"a\",\"status\":\"completed\",\"progress\":1},{\"id\":\"e\"},7],\"next\":null}";
    struct reply reply = {.end = REPLY_ANSWERED, .status = 200, .length = strlen(body)};
    struct protocol_answer batch;
    struct protocol_item item;
    struct vts_client_error error;

    (void)state;
    reply.body = strdup(body);
    assert_true(protocol_batch_read(&reply, "host:1", &batch, &error));
    free(reply.body);
    protocol_batch_item(&batch, 0, "a", &item);
    assert_int_equal(item.error.code, VTS_CLIENT_OK);
    assert_int_equal(item.answer.job.status, VTS_CLIENT_COMPLETED);
    assert_string_equal(item.answer.job.json, "{\"id\":\"a\",\"status\":\"completed\","
                                              "\"progress\":1,\"job_id\":\"a\"}");
    protocol_answer_finish(&item.answer);
    protocol_batch_item(&batch, 0, "b", &item);
    assert_int_equal(item.answer.job.status, VTS_CLIENT_PENDING);
    assert_int_equal(item.retry_after_ms, 3000);
    protocol_answer_finish(&item.answer);
    protocol_batch_item(&batch, 1, "c", &item);
    assert_int_equal(item.error.code, VTS_CLIENT_ERR_UNKNOWN_JOB);
    assert_int_equal(item.error.http_status, 404);
    protocol_batch_item(&batch, 2, "d", &item);
    assert_string_equal(item.error.message, "the server failed with status 503: oops");
    assert_int_equal(item.retry_after_ms, 3600000);
    protocol_batch_item(&batch, 4, "e", &item);
    assert_string_equal(item.error.message, "the answer to GET /jobs?id= has no status");
    protocol_batch_item(&batch, 5, "f", &item);
    assert_int_equal(item.error.code, VTS_CLIENT_ERR_PROTOCOL);
    assert_string_equal(item.error.message, "the answer to GET /jobs?id= has no job \"f\"");
    protocol_answer_finish(&batch);
}

static void a_batch_is_asked_for_as_far_as_a_line_goes(void **state)
{
    char longest[256];
    const char *const ids[] = {"a b", "c&d"}, *many[100];
    size_t count = 2;

    (void)state;
    assert_text(protocol_batch_path(ids, &count), "/jobs?id=a%20b&id=c%26d");
    assert_int_equal(count, 2);
    memset(longest, '"', sizeof(longest) - 1);
    longest[255] = '\0';
    for (size_t i = 0; i < 100; i++)
        many[i] = longest;
    count = 100;
    free(protocol_batch_path(many, &count));
    assert_in_range(count, 6, 8); /* of 765 bytes each */
    count = 1;
    free(protocol_batch_path(many, &count));
    assert_int_equal(count, 1);
}

static void nonsense_is_refused(void **state)
{
    static const char *const not_objects[] = {"",
                                              "<html>504</html>",
                                              "nonsense",
                                              "{",
                                              "[1]",
                                              "\"pending\"",
                                              "12",
                                              "null",
                                              "{} {}",
                                              "{}x",

                                              "{\"status\":\"pending\"",
                                              "{\"a\":\"\xff\"}"};
    char deep[4096] = "";

    (void)state;
    for (size_t i = 0; i < sizeof(not_objects) / sizeof(not_objects[0]); i++)
        assert_wrong(PROTOCOL_STATUS, 200, not_objects[i], VTS_CLIENT_ERR_PROTOCOL,
                     "the answer to GET /status is not a JSON object");
    memset(deep, '[', sizeof(deep) - 1);
    assert_wrong(PROTOCOL_STATUS, 200, deep, VTS_CLIENT_ERR_PROTOCOL,
                 "the answer to GET /status is not a JSON object");
    assert_wrong(PROTOCOL_STATUS, 200, "{\"job_id\":\"x\"}", VTS_CLIENT_ERR_PROTOCOL,
                 "the answer to GET /status has no status");
    assert_wrong(PROTOCOL_STATUS, 200, "{\"status\":7}", VTS_CLIENT_ERR_PROTOCOL,
                 "the answer to GET /status has no status");
    assert_wrong(PROTOCOL_STATUS, 200, "{\"status\":\"do\\u001bne\"}", VTS_CLIENT_ERR_PROTOCOL,
                 "the answer to GET /status has the unknown status \"do\\x1Bne\"");
    assert_wrong(PROTOCOL_STATUS, 200, "{\"job_id\":\"y\",\"status\":\"pending\"}",
                 VTS_CLIENT_ERR_PROTOCOL,
                 "the answer to GET /status speaks of another job: \"y\" instead of \"x\"");
    assert_wrong(PROTOCOL_STATUS, 200, "{\"job_id\":\"x\\u0000\",\"status\":\"pending\"}",
                 VTS_CLIENT_ERR_PROTOCOL,
                 "the answer to GET /status speaks of another job: \"x\\u0000\" instead of \"x\"");
    assert_wrong(PROTOCOL_STATUS, 200, "{\"job_id\":7,\"status\":\"pending\"}",
                 VTS_CLIENT_ERR_PROTOCOL,
                 "the answer to GET /status speaks of another job: 7 instead of \"x\"");
    assert_wrong(PROTOCOL_LIST, 200, "{}", VTS_CLIENT_ERR_PROTOCOL,
                 "the answer to GET /jobs has no jobs");
    assert_wrong(PROTOCOL_LIST, 200, "{\"jobs\":[{\"status\":\"pending\"}]}",
                 VTS_CLIENT_ERR_PROTOCOL, "the answer to GET /jobs has a job without an id");
    assert_wrong(PROTOCOL_LIST, 200, "{\"jobs\":[7]}", VTS_CLIENT_ERR_PROTOCOL,
                 "the answer to GET /jobs has a job without an id");
}

static void refusals_are_told_apart(void **state)
{
    (void)state;
    assert_wrong(PROTOCOL_START, 409, "{\"error\":\"x\"}", VTS_CLIENT_ERR_EXISTS,
                 "a job \"x\" exists already");
    assert_wrong(PROTOCOL_START, 503, "{\"error\":\"too many jobs\"}", VTS_CLIENT_ERR_REFUSED,
                 "the server refused POST /start with status 503: too many jobs");
    assert_wrong(PROTOCOL_CREATE, 409, "", VTS_CLIENT_ERR_EXISTS, "a job \"x\" exists already");
    assert_wrong(PROTOCOL_CREATE, 422, "{\"error\":\"another body\"}", VTS_CLIENT_ERR_REFUSED,
                 "the server refused POST /jobs with status 422: another body");
    assert_wrong(PROTOCOL_START, 502, "<html>", VTS_CLIENT_ERR_SERVER,
                 "the server failed with status 502");
    assert_wrong(PROTOCOL_START, 501, "", VTS_CLIENT_ERR_REFUSED,
                 "the server refused POST /start with status 501");
    assert_wrong(PROTOCOL_START, 404, "<html>", VTS_CLIENT_ERR_REFUSED,
                 "the server refused POST /start with status 404");
    assert_wrong(PROTOCOL_STATUS, 404, "", VTS_CLIENT_ERR_UNKNOWN_JOB,
                 "the server knows no job \"x\"");
    assert_wrong(PROTOCOL_CANCEL, 404, "", VTS_CLIENT_ERR_UNKNOWN_JOB,
                 "the server knows no job \"x\"");
    assert_wrong(PROTOCOL_LIST, 404, "", VTS_CLIENT_ERR_REFUSED,
                 "the server refused GET /jobs with status 404");
    assert_wrong(PROTOCOL_STATUS, 504, "<html>", VTS_CLIENT_ERR_SERVER,
                 "the server failed with status 504");
    assert_wrong(PROTOCOL_STATUS, 400, "{\"error\":\"a\\tb\"}", VTS_CLIENT_ERR_REFUSED,
                 "the server refused GET /status with status 400: a\\x09b");
    assert_wrong(PROTOCOL_STATUS, 400, "{\"error\":\"a\\nb\"}", VTS_CLIENT_ERR_REFUSED,
                 "the server refused GET /status with status 400: a");
    assert_wrong(PROTOCOL_STATUS, 302, "", VTS_CLIENT_ERR_PROTOCOL,
                 "the answer to GET /status is a redirect (status 302), which is not followed");
    assert_wrong(PROTOCOL_STATUS, 999, "", VTS_CLIENT_ERR_PROTOCOL,
                 "the answer to GET /status has the status 999");
}

static void assert_advice(enum protocol_question question, int status, const char *body,
                          int64_t retry_after_ms, const char *message)
{
    char *copy = strdup(body);
    struct reply reply = {.end = REPLY_ANSWERED,
                          .status = status,
                          .body = copy,
                          .length = strlen(body),
                          .retry_after_ms = retry_after_ms};
    struct protocol_answer answer;
    struct vts_client_error error;

    assert_non_null(copy);
    protocol_read(question, question == PROTOCOL_LIST ? NULL : "x", "host:1", &reply, &answer,
                  &error);
    assert_string_equal(error.message, message);
    protocol_answer_finish(&answer);
    free(copy);
}

static void a_refusal_says_when_to_try_again(void **state)
{
    char body[1024], message[1024], said[301];

    (void)state;
    assert_advice(PROTOCOL_START, 503, "{\"error\":\"too many jobs\"}", 7000,
                  "the server refused POST /start with status 503: too many jobs (the server says: "
                  "try again in 7 s)");
    assert_advice(PROTOCOL_START, 429, "", 1000,
                  "the server refused POST /start with status 429 (the server says: try again in 1 "
                  "s)");
    assert_advice(PROTOCOL_LIST, 503, "", 3600000,
                  "the server failed with status 503 (the server says: try again in 3600 s or "
                  "later)");
    assert_advice(PROTOCOL_STATUS, 503, "", 7000, "the server failed with status 503");
    /* long words are cut at a character, and do not push it out */
    for (size_t i = 0; i < 300; i++)
        said[i] = "\xe2\x82\xac"[i % 3];
    said[300] = '\0';
    snprintf(body, sizeof(body), "{\"error\":\"a%s%s\"}", said, said);
    said[297] = '\0';
    snprintf(message, sizeof(message),
             "the server refused POST /start with status 503: a%s (the server says: try again in 7 "
             "s)",
             said);
    assert_advice(PROTOCOL_START, 503, body, 7000, message);
}

/* ---- options and URLs ------------------------------------------------------------------------ */

static void assert_bad_options(const struct vts_client_options *options, const char *message)
{
    struct vts_client_error error = {0};

    assert_null(vts_client_create(NULL, options, &error));
    assert_int_equal(error.code, VTS_CLIENT_ERR_INVALID);
    assert_string_equal(error.message, message);
}

static void options_are_checked(void **state)
{
    struct vts_client_options options;

    (void)state;
#define BAD(member, value, message)                                                                \
    vts_client_options_init(&options);                                                             \
    options.member = (value);                                                                      \
    assert_bad_options(&options, message)
    BAD(size, 0, "options: size is not set");
    BAD(url, NULL, "url: is not set");
    BAD(initial_ms, 0, "initial_ms: 0 is not within 1 to 86400000");
    BAD(factor, 0.9, "factor: 0.9 is not within 1 to 100");
    BAD(factor, (double)NAN, "factor: nan is not within 1 to 100");
    BAD(cap_ms, 499, "cap_ms: 499 is not within 500 to 86400000");
    BAD(jitter, 1.1, "jitter: 1.1 is not within 0 to 1");
    BAD(jitter, -0.1, "jitter: -0.1 is not within 0 to 1");
    BAD(deadline_ms, -1, "deadline_ms: -1 is not within 0 to 2305843009213693951");
    BAD(request_timeout_ms, 0, "request_timeout_ms: 0 is not within 1 to 86400000");
    BAD(max_errors, 0, "max_errors: 0 is not within 1 to 2147483647");
    BAD(max_connections, 1025, "max_connections: 1025 is not within 1 to 1024");
    BAD(cost_ms, -1, "cost_ms: -1 is not within 0 to 86400000");
    BAD(job_class, NULL, "job_class: has 0 to 64 bytes");
    BAD(job_class, "12345678901234567890123456789012345678901234567890123456789012345",
        "job_class: has 0 to 64 bytes");
    BAD(job_class, "a\n", "job_class: \"a\\x0A\" is not UTF-8 or has a control character");
    BAD(retry_after, (enum vts_client_retry_after)3, "retry_after: 3 is not within 0 to 2");
    BAD(on_deadline, (enum vts_client_on_deadline)2, "on_deadline: 2 is not within 0 to 1");
    BAD(long_poll_ms, 3600001, "long_poll_ms: 3600001 is not within 0 to 3600000");
    BAD(max_batch, 0, "max_batch: 0 is not within 1 to 100");
    BAD(retry_budget, 0, "retry_budget: 0 is not within 1 to 1000000");
#undef BAD
}

static void options_of_another_version_are_taken(void **state)
{
    struct {
        struct vts_client_options options;
        int64_t later;
    } longer;
    struct vts_client_options ours;
    struct vts_client_error error = {0};

    (void)state;
    /* an older program: its struct ends earlier, the rest is as by default */
    vts_client_options_defaults(&longer.options, offsetof(struct vts_client_options, jitter));
    longer.options.factor = 3;
    assert_true(options_read(&ours, &longer.options, &error));
    assert_true(fabs(ours.factor - 3) < 1e-9);
    assert_true(fabs(ours.jitter - 0.1) < 1e-9);
    assert_int_equal(ours.max_connections, 16);
    /* a newer one: fine while it uses nothing that we do not know */
    memset(&longer, 0xff, sizeof(longer));
    vts_client_options_defaults(&longer.options, sizeof(longer));
    assert_int_equal(longer.later, 0);
    assert_true(options_read(&ours, &longer.options, &error));
    longer.later = 1;
    assert_false(options_read(&ours, &longer.options, &error));
    assert_string_equal(error.message,
                        "options: uses members that this version of the library does not have");
}

static void assert_bad_url(const char *url, const char *message)
{
    struct vts_client_error error = {0};
    struct target target;

    assert_false(target_init(&target, url, &error));
    assert_int_equal(error.code, VTS_CLIENT_ERR_INVALID);
    assert_string_equal(error.message, message);
}

static void assert_url(const char *url, const char *host, int port, const char *authority,
                       const char *prefix)
{
    struct target target;

    assert_true(target_init(&target, url, NULL));
    assert_string_equal(target.host, host);
    assert_int_equal(target.port, port);
    assert_string_equal(target.authority, authority);
    assert_string_equal(target.prefix, prefix);
    target_finish(&target);
}

static void urls_are_taken_apart(void **state)
{
#define RIGHT "; right is http://HOST[:PORT][/PATH]"
    (void)state;
    assert_url("http://127.0.0.1:5000", "127.0.0.1", 5000, "127.0.0.1:5000", "");
    assert_url("HTTP://host", "host", 80, "host:80", "");
    assert_url("http://host:8080/a/b/", "host", 8080, "host:8080", "/a/b");
    assert_url("http://[::1]:5000/", "::1", 5000, "[::1]:5000", "");
    assert_bad_url("https://x", "the URL \"https://x\": https is not supported" RIGHT);
    assert_bad_url("127.0.0.1:5000", "the URL \"127.0.0.1:5000\": is not a URL" RIGHT);
    assert_bad_url("ftp://x", "the URL \"ftp://x\": does not begin with http://" RIGHT);
    assert_bad_url("http:///x", "the URL \"http:///x\": names no host" RIGHT);
    assert_bad_url("http://a@x",
                   "the URL \"http://a@x\": a user and password are not supported" RIGHT);
    assert_bad_url("http://x/?a=b",
                   "the URL \"http://x/?a=b\": a query or fragment makes no sense here" RIGHT);
    assert_bad_url("http://x:0", "the URL \"http://x:0\": the port is not within 1 to 65535" RIGHT);
    assert_bad_url("http://x:99999", "the URL \"http://x:99999\": the port is beyond 65535" RIGHT);
    assert_bad_url("http://[::1]:65536/a:b",
                   "the URL \"http://[::1]:65536/a:b\": the port is beyond 65535" RIGHT);
    assert_bad_url("http://x:http", "the URL \"http://x:http\": the port is not a number" RIGHT);
    assert_bad_url("http://[::1", "the URL \"http://[::1\": is not a URL" RIGHT);
    assert_bad_url("http://x y:80", "the URL \"http://x y:80\": is not a URL" RIGHT);
    assert_bad_url("http://x/ y", "the URL \"http://x/ y\": is not a URL" RIGHT);
    assert_bad_url("", "the URL \"\": does not begin with http://" RIGHT);
#undef RIGHT
}

static void every_error_has_its_words(void **state)
{
    (void)state;
    for (int code = VTS_CLIENT_OK; code <= VTS_CLIENT_ERR_ABANDONED; code++) {
        const char *words = vts_client_strerror((enum vts_client_err)code);

        assert_string_not_equal(words, "unknown error");
        for (int other = 0; other < code; other++)
            assert_string_not_equal(words, vts_client_strerror((enum vts_client_err)other));
    }
    assert_string_equal(vts_client_strerror((enum vts_client_err)99), "unknown error");
    assert_string_equal(vts_client_status_name((enum vts_client_status)9), "unknown");
}

static void long_messages_are_cut_at_a_character(void **state)
{
    struct vts_client_error error;
    char text[1200];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[sizeof(text) - 2] = '\0';
    error_set(&error, VTS_CLIENT_ERR_SERVER, 0, "a%s", text);
    assert_in_range(strlen(error.message), 500, sizeof(error.message) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backoff_grows_to_its_cap),
        cmocka_unit_test(backoff_jitter_does_not_vanish_at_the_cap),
        cmocka_unit_test(backoff_is_never_nothing),
        cmocka_unit_test(backoff_survives_extremes),
        cmocka_unit_test(requests_are_escaped),
        cmocka_unit_test(job_ids_are_checked),
        cmocka_unit_test(statuses_are_understood),
        cmocka_unit_test(a_full_job_is_understood),
        cmocka_unit_test(a_list_is_understood),
        cmocka_unit_test(a_batch_is_understood),
        cmocka_unit_test(a_batch_is_asked_for_as_far_as_a_line_goes),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(refusals_are_told_apart),
        cmocka_unit_test(a_refusal_says_when_to_try_again),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(options_of_another_version_are_taken),
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(every_error_has_its_words),
        cmocka_unit_test(long_messages_are_cut_at_a_character),
    };

    return cmocka_run_group_tests_name("client units", tests, NULL, NULL);
}
