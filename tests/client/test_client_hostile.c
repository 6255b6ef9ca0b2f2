/* SPDX-License-Identifier: MIT
 *
 * The library against a server that misbehaves: each misdeed ends in its documented error, in time,
 * and with nothing leaked (the sanitizers see to that). */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <vtsim/client.h>

#include "run.h"
#include "scripted.h"
#include "waiting.h"

/* Polls that come at once. */
static void quick(struct vts_client_options *options, const char *url)
{
    vts_client_options_init(options);
    options->url = url;
    options->initial_ms = 1;
    options->cap_ms = 2;
    options->request_timeout_ms = 20000;
}

static struct vts_client *connect_to(const char *url)
{
    struct vts_client_options options;
    struct vts_client *client;

    quick(&options, url);
    client = vts_client_create(NULL, &options, NULL);
    assert_non_null(client);
    return client;
}

struct seen {
    int polls, failed, abandon_at;
    uint64_t last_number;
    struct vts_client *destroy;
};

static void on_poll(struct vts_client_operation *operation, const struct vts_client_poll *poll,
                    void *arg)
{
    struct seen *seen = arg;

    seen->polls++;
    seen->failed += poll->error != NULL;
    assert_true(!poll->job != !poll->error);
    assert_int_equal(poll->number, seen->last_number + 1);
    seen->last_number = poll->number;
    if (seen->polls == seen->abandon_at)
        vts_client_abandon(operation);
    if (seen->destroy)
        vts_client_destroy(seen->destroy);
}

/* ---- one bad answer, and what a single status makes of it ------------------------------------ */

static void assert_status_fails(const struct scripted_step *step, enum vts_client_err code,
                                const char *message)
{
    struct scripted server;
    const struct vts_client_result *result;
    struct vts_client *client;

    scripted_start(&server, step, 1);
    client = connect_to(server.url);
    result = vts_client_status_sync(client, "x", NULL);
    assert_int_equal(result->error.code, code);
    assert_string_equal(result->error.message, message);
    assert_null(result->job);
    /* the handle is as good as before: the next call goes its own way to the same end */
    result = vts_client_status_sync(client, "x", NULL);
    assert_int_equal(result->error.code, code);
    vts_client_destroy(client);
    scripted_stop(&server);
    assert_true(atomic_load(&server.requests) >= 2);
}

static void bad_answers_end_in_their_error(void **state)
{
    static const struct {
        struct scripted_step step;
        enum vts_client_err code;
        const char *message;
    } cases[] = {
        {{.status = "200 OK", .body = "hello"},
         VTS_CLIENT_ERR_PROTOCOL,
         "the answer to GET /status is not a JSON object"},
        {{.status = "200 OK", .body = ""},
         VTS_CLIENT_ERR_PROTOCOL,
         "the answer to GET /status is not a JSON object"},
        {{.status = "504 Gateway Time-out", .body = "<html><h1>504</h1></html>"},
         VTS_CLIENT_ERR_SERVER,
         "the server failed with status 504"},
        {{.status = "200 OK", .body = "{\"job_id\":\"x\",\"status\":\"done\"}"},
         VTS_CLIENT_ERR_PROTOCOL,
         "the answer to GET /status has the unknown status \"done\""},
        {{.status = "200 OK", .body = "{\"job_id\":\"x\"}"},
         VTS_CLIENT_ERR_PROTOCOL,
         "the answer to GET /status has no status"},
        {{.status = "200 OK", .body = "{\"job_id\":\"y\",\"status\":\"completed\"}"},
         VTS_CLIENT_ERR_PROTOCOL,
         "the answer to GET /status speaks of another job: \"y\" instead of \"x\""},
        {{.status = "404 Not Found", .body = "{}"},
         VTS_CLIENT_ERR_UNKNOWN_JOB,
         "the server knows no job \"x\""},
        {{.status = "302 Found", .headers = "Location: /elsewhere\r\n", .body = ""},
         VTS_CLIENT_ERR_PROTOCOL,
         "the answer to GET /status is a redirect (status 302), which is not followed"},
        {{.raw = "SSH-2.0-OpenSSH_9.2\r\n\r\n", .end = SCRIPTED_CLOSE},
         VTS_CLIENT_ERR_PROTOCOL,
         "the answer to GET /status is not valid HTTP"},
        {{.raw = "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", .end = SCRIPTED_CLOSE},
         VTS_CLIENT_ERR_PROTOCOL,
         "the answer to GET /status is not valid HTTP"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_status_fails(&cases[i].step, cases[i].code, cases[i].message);
}

static void assert_breaks(const struct scripted_step *step)
{
    struct scripted server;
    const struct vts_client_result *result;
    struct vts_client *client;
    char message[200];

    scripted_start(&server, step, 1);
    client = connect_to(server.url);
    result = vts_client_status_sync(client, "x", NULL);
    assert_int_equal(result->polls, 1);
    snprintf(message, sizeof(message),
             "the connection to 127.0.0.1:%d broke before the answer to GET /status was complete",
             server.port);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_UNREACHABLE);
    assert_string_equal(result->error.message, message);
    vts_client_destroy(client);
    scripted_stop(&server);
}

static void broken_connections_are_unreachable(void **state)
{
    static const struct scripted_step steps[] = {
        {.end = SCRIPTED_RESET},
        {.end = SCRIPTED_CLOSE},
        {.raw = "HTTP/1.1 200 OK\r\nContent-Le", .end = SCRIPTED_CLOSE},
        {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"job", .end = SCRIPTED_CLOSE},
        {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"job", .end = SCRIPTED_RESET},
        {.raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"job\r\n",
         .end = SCRIPTED_CLOSE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++)
        assert_breaks(&steps[i]);
}

static void answers_without_end_are_refused(void **state)
{
    static char block[4097], header[70000];
    static const struct scripted_step steps[] = {
        {.raw = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
         .body = block,
         .end = SCRIPTED_FLOOD},
        {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", .end = SCRIPTED_STALL},
        {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
         .body = block,
         .end = SCRIPTED_FLOOD},
    };
    static const struct scripted_step long_header = {
        .raw = header, .body = block, .end = SCRIPTED_FLOOD};

    (void)state;
    memset(block, ' ', sizeof(block) - 1);
    memset(header, 'a', sizeof(header) - 1);
    memcpy(header, "HTTP/1.1 200 OK\r\nX: ", 20);
    for (size_t i = 0; i < COUNT(steps); i++)
        assert_status_fails(&steps[i], VTS_CLIENT_ERR_PROTOCOL,
                            "the answer to GET /status is too long");
    assert_status_fails(&long_header, VTS_CLIENT_ERR_PROTOCOL,
                        "the answer to GET /status is not valid HTTP");
}

/* Wherever it breaks off, that is an error of its own and never a wrong answer; whole, it is right. */
static void a_reset_at_every_byte(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                 "Content-Length: 36\r\nRetry-After: 1\r\n\r\n"
                                 "{\"job_id\": \"x\",\"status\":\"completed\"}";
    static const enum scripted_end ends[] = {SCRIPTED_RESET, SCRIPTED_CLOSE};
    char part[sizeof(answer)];

    (void)state;
    for (size_t end = 0; end < COUNT(ends); end++) {
        for (size_t length = 0; length < sizeof(answer); length++) {
            struct scripted_step step = {.raw = part, .end = ends[end]};
            const struct vts_client_result *result;
            struct scripted server;
            struct vts_client *client;

            memcpy(part, answer, length);
            part[length] = '\0';
            scripted_start(&server, &step, 1);
            client = connect_to(server.url);
            result = vts_client_status_sync(client, "x", NULL);
            if (length < sizeof(answer) - 1)
                assert_int_equal(result->error.code, VTS_CLIENT_ERR_UNREACHABLE);
            else if (ends[end] == SCRIPTED_CLOSE)
                assert_int_equal(result->job->status, VTS_CLIENT_COMPLETED);
            vts_client_destroy(client);
            scripted_stop(&server);
        }
    }
}

static void a_slow_loris_is_not_waited_for(void **state)
{
    static const struct scripted_step steps[] = {
        STARTED,
        {.raw = "HTTP/1.1 200 OK\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         .end = SCRIPTED_DRIBBLE},
        {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{ ", .end = SCRIPTED_DRIBBLE},
        COMPLETED};
    struct vts_client_options options;
    struct scripted server;
    struct seen seen = {0};
    const struct vts_client_result *result;
    struct vts_client *client;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    quick(&options, server.url);
    options.request_timeout_ms = 150;
    client = vts_client_create(NULL, &options, NULL);
    result = vts_client_run_sync(client, "x", VTS_CLIENT_CALL(.poll = on_poll, .arg = &seen));
    assert_string_equal(result->error.message, "");
    assert_int_equal(result->polls, 3);
    assert_int_equal(seen.failed, 2);
    vts_client_destroy(client);
    scripted_stop(&server);
}

static void a_slow_answer_times_out(void **state)
{
    static const struct scripted_step step = {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
                                              .end = SCRIPTED_STALL};
    struct vts_client_options options;
    struct scripted server;
    const struct vts_client_result *result;
    struct vts_client *client;
    char message[200];
    int64_t began_ms;

    (void)state;
    scripted_start(&server, &step, 1);
    quick(&options, server.url);
    options.request_timeout_ms = 60;
    client = vts_client_create(NULL, &options, NULL);
    began_ms = run_now_ms();
    result = vts_client_status_sync(client, "x", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_TIMEOUT);
    snprintf(message, sizeof(message), "127.0.0.1:%d did not answer GET /status in time",
             server.port);
    assert_string_equal(result->error.message, message);
    assert_true(run_now_ms() - began_ms >= 60);
    vts_client_destroy(client);
    scripted_stop(&server);
}

static void nobody_there_is_unreachable(void **state)
{
    int port = scripted_dead_port();
    struct vts_client_options options;
    const struct vts_client_result *result;
    struct vts_client *client;
    char url[64], message[128];

    (void)state;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
    quick(&options, url);
    options.max_errors = 1;
    client = vts_client_create(NULL, &options, NULL);
    result = vts_client_start_sync(client, "x", NULL);
    snprintf(message, sizeof(message), "cannot connect to 127.0.0.1:%d: Connection refused", port);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_UNREACHABLE);
    assert_string_equal(result->error.message, message);
    vts_client_destroy(client);
}

static void a_name_with_several_addresses_is_tried_to_the_end(void **state)
{
    static const struct scripted_step steps[] = {PENDING};
    struct scripted server; /* listens on 127.0.0.1 alone; localhost is often ::1 first */
    const struct vts_client_result *result;
    struct vts_client *client;
    char url[64];

    (void)state;
    scripted_start(&server, steps, 1);
    snprintf(url, sizeof(url), "http://localhost:%d", server.port);
    client = connect_to(url);
    result = vts_client_status_sync(client, "x", NULL);
    assert_string_equal(result->error.message, "");
    vts_client_destroy(client);
    scripted_stop(&server);
}

/* ---- waits ----------------------------------------------------------------------------------- */

static void a_wait_survives_what_passes(void **state)
{
    /* Each failure costs 250 ms, the first step of the retries, because a success lies between. */
    static const struct scripted_step steps[] = {
        STARTED,  {.status = "404 Not Found", .body = "{}"},
        PENDING,  {.status = "502 Bad Gateway", .body = "<html>"},
        PENDING,  {.status = "200 OK", .body = "{\"job_id\":\"x\",\"status\":\"half\"}"},
        PENDING,  {.end = SCRIPTED_RESET}, /* of a kept-alive connection: no less a failed poll */
        COMPLETED};
    struct scripted server;
    struct seen seen = {0};
    const struct vts_client_result *result;
    struct vts_client *client;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    client = connect_to(server.url);
    result = vts_client_run_sync(client, "x", VTS_CLIENT_CALL(.poll = on_poll, .arg = &seen));
    assert_string_equal(result->error.message, "");
    assert_int_equal(result->job->status, VTS_CLIENT_COMPLETED);
    assert_int_equal(result->polls, 8);
    assert_int_equal(seen.polls, 8);
    assert_int_equal(seen.failed, 4);
    vts_client_destroy(client);
    scripted_stop(&server);
    assert_int_equal(atomic_load(&server.requests), 9); /* the start, and each poll */
}

static void as_many_polls_break_as_were_ordered(void **state)
{
    static const struct scripted_step steps[] = {
        STARTED,
        PENDING,
        {.end = SCRIPTED_RESET},
        {.end = SCRIPTED_RESET},
        PENDING,
        {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"job", .end = SCRIPTED_CLOSE},
        PENDING,
        {.end = SCRIPTED_CLOSE},
        COMPLETED};
    struct scripted server;
    struct seen seen = {0};
    const struct vts_client_result *result;
    struct vts_client *client;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    client = connect_to(server.url);
    result = vts_client_run_sync(client, "x", VTS_CLIENT_CALL(.poll = on_poll, .arg = &seen));
    assert_string_equal(result->error.message, "");
    assert_int_equal(result->job->status, VTS_CLIENT_COMPLETED);
    assert_int_equal(result->polls, 8);
    assert_int_equal(seen.polls, 8);
    assert_int_equal(seen.failed, 4);
    assert_true(result->elapsed_ms >= 1125); /* 250 + 500, 250, 250, less a tenth */
    vts_client_destroy(client);
    scripted_stop(&server);
    assert_int_equal(atomic_load(&server.requests), 9);
}

static void retry_after_is_waited_for(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "503 Service Unavailable", .headers = "Retry-After: 1\r\n", .body = "{}"},
        COMPLETED};
    struct scripted server;
    const struct vts_client_result *result;
    struct vts_client *client;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    client = connect_to(server.url);
    result = vts_client_wait_sync(client, "x", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_OK);
    assert_true(result->elapsed_ms >= 1000);
    assert_int_equal(result->polls, 2);
    vts_client_destroy(client);
    scripted_stop(&server);
}

static void a_wait_ends_after_too_many_errors(void **state)
{
    static const struct scripted_step steps[] = {{.status = "500 Oops", .body = ""}};
    struct vts_client_options options;
    struct scripted server;
    const struct vts_client_result *result;
    struct vts_client *client;

    (void)state;
    scripted_start(&server, steps, 1);
    quick(&options, NULL);
    options.url = server.url;
    options.max_errors = 2;
    client = connect_to(server.url);
    result = vts_client_wait_sync(client, "x", VTS_CLIENT_CALL(.options = &options));
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_SERVER);
    assert_string_equal(result->error.message, "the server failed with status 500");
    assert_int_equal(result->polls, 2);
    vts_client_destroy(client);
    scripted_stop(&server);
}

static void an_unknown_job_and_a_refusal_end_a_wait_at_once(void **state)
{
    static const struct scripted_step unknown[] = {{.status = "404 Not Found", .body = ""}};
    static const struct scripted_step refused[] = {{.status = "503 Full", .body = ""}};
    struct scripted server;
    const struct vts_client_result *result;
    struct vts_client *client;

    (void)state;
    scripted_start(&server, unknown, 1);
    client = connect_to(server.url);
    result = vts_client_wait_sync(client, "x", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_UNKNOWN_JOB);
    assert_int_equal(result->polls, 1);
    vts_client_destroy(client);
    scripted_stop(&server);

    scripted_start(&server, refused, 1);
    client = connect_to(server.url);
    result = vts_client_run_sync(client, "x", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_REFUSED);
    assert_int_equal(result->error.http_status, 503);
    assert_int_equal(result->polls, 0);
    vts_client_destroy(client);
    scripted_stop(&server);
    assert_int_equal(atomic_load(&server.requests), 1); /* never repeated by itself */
}

static void assert_deadline(const struct scripted_step *steps, size_t count, uint64_t polls,
                            const char *message)
{
    struct vts_client_options options;
    struct scripted server;
    const struct vts_client_result *result;
    struct vts_client *client;

    scripted_start(&server, steps, count);
    quick(&options, server.url);
    options.initial_ms = options.cap_ms = 86400000;
    options.deadline_ms = 500;
    client = vts_client_create(NULL, &options, NULL);
    result = vts_client_wait_sync(client, "x", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_DEADLINE);
    assert_string_equal(result->error.message, message);
    assert_true(result->elapsed_ms >= 500);
    assert_true(result->elapsed_ms < 5000); /* how exactly: test_client_time.c, and the bench */
    assert_int_equal(result->polls, polls); /* one that is not answered yet was made all the same */
    vts_client_destroy(client);
    scripted_stop(&server);
    assert_int_equal(atomic_load(&server.requests), polls);
}

static void the_deadline_stands_over_everything(void **state)
{
    static const struct scripted_step pending[] = {PENDING};
    static const struct scripted_step stalled[] = {{.end = SCRIPTED_STALL}};
    static const struct scripted_step failing[] = {
        {.status = "503 Full", .headers = "Retry-After: 3000\r\n", .body = ""}};

    (void)state;
    assert_deadline(pending, 1, 2, /* the second one just before */
                    "the deadline of 500 ms passed; job \"x\" was pending when last seen");
    assert_deadline(stalled, 1, 1, "the deadline of 500 ms passed before there was an answer");
    assert_deadline(failing, 1, 1, /* which Retry-After forbids */
                    "the deadline of 500 ms passed; the last poll failed: the server failed with "
                    "status 503");
}

/* What was told last is believed, whatever was told before. */
static void a_status_may_go_back(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "200 OK",
         .body = "{\"status\":\"pending\",\"state\":\"running\",\"progress\":0.9}"},
        {.status = "200 OK",
         .body = "{\"status\":\"pending\",\"state\":\"queued\",\"progress\":0.1}"},
        {.status = "200 OK",
         .body = "{\"status\":\"pending\",\"state\":\"running\",\"progress\":7}"},
        {.status = "200 OK", .body = "{\"status\":\"completed\"}"},
        {.status = "200 OK", .body = "{\"status\":\"pending\"}"}};
    struct scripted server;
    const struct vts_client_result *result;
    struct vts_client *client;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    client = connect_to(server.url);
    result = vts_client_wait_sync(client, "x", NULL);
    assert_int_equal(result->job->status, VTS_CLIENT_COMPLETED);
    assert_int_equal(result->polls, 4);
    result = vts_client_status_sync(client, "x", NULL); /* and nothing is remembered of it */
    assert_int_equal(result->job->status, VTS_CLIENT_PENDING);
    vts_client_destroy(client);
    scripted_stop(&server);
}

/* ---- connections ----------------------------------------------------------------------------- */

static void a_connection_is_kept_and_a_stale_one_is_not_used(void **state)
{
    static const struct scripted_step kept[] = {STARTED, PENDING, PENDING, COMPLETED};
    static const struct scripted_step closed[] = {
        {.status = "200 OK",
         .headers = "Connection: close\r\n",
         .body = "{\"status\":\"pending\"}",
         .end = SCRIPTED_CLOSE},
        /* says that it keeps the connection, and closes it */
        {.status = "200 OK", .body = "{\"status\":\"pending\"}", .end = SCRIPTED_CLOSE},
        {.status = "200 OK", .body = "{\"status\":\"pending\"}", .end = SCRIPTED_RESET},
        /* bytes behind the answer, which must not become the next answer */
        {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"status\":\"pending\"}"
                "HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"status\":\"error\"}"},
        COMPLETED};
    struct scripted server;
    const struct vts_client_result *result;
    struct vts_client *client;

    (void)state;
    scripted_start(&server, kept, COUNT(kept));
    client = connect_to(server.url);
    result = vts_client_run_sync(client, "x", NULL);
    assert_int_equal(result->job->status, VTS_CLIENT_COMPLETED);
    vts_client_destroy(client);
    scripted_stop(&server);
    assert_int_equal(atomic_load(&server.connections), 1);

    scripted_start(&server, closed, COUNT(closed));
    client = connect_to(server.url);
    result = vts_client_wait_sync(client, "x", NULL);
    assert_string_equal(result->error.message, "");
    assert_int_equal(result->job->status, VTS_CLIENT_COMPLETED);
    vts_client_destroy(client);
    scripted_stop(&server);
}

static void requests_are_as_documented(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "200 OK", .body = "{}"},
        {.status = "200 OK", .body = "{\"status\":\"completed\"}"},
        {.status = "200 OK", .body = "{\"status\":\"error\",\"state\":\"cancelled\"}"},
        {.status = "200 OK", .body = "{\"jobs\":[],\"next\":null}"}};
    struct scripted server;
    const struct vts_client_result *result;
    struct vts_client *client;
    char url[80];

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    snprintf(url, sizeof(url), "%s/api/", server.url);
    client = connect_to(url);
    result = vts_client_run_sync(client, "a \"b\"", NULL);
    assert_string_equal(result->error.message, "");
    result = vts_client_cancel_sync(client, "a/b", NULL);
    assert_string_equal(result->error.message, "");
    assert_string_equal(result->job->state, "cancelled");
    result = vts_client_list_sync(client, VTS_CLIENT_QUERY(.state = "running", .limit = 3), NULL);
    assert_string_equal(result->error.message, "");
    assert_null(result->job);
    vts_client_destroy(client);
    scripted_stop(&server);
    assert_ptr_equal(strstr(server.request[0], "POST /api/start HTTP/1.1\r\n"), server.request[0]);
    assert_non_null(strstr(server.request[0], "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(server.request[0], "\r\nUser-Agent: vtsim-client/"));
    assert_non_null(strstr(server.request[0], "\r\n\r\n{\"job_id\":\"a \\\"b\\\"\"}"));
    assert_ptr_equal(strstr(server.request[1], "GET /api/status?job_id=a%20%22b%22 HTTP/1.1\r\n"),
                     server.request[1]);
    assert_ptr_equal(strstr(server.request[2], "DELETE /api/jobs/a%2Fb HTTP/1.1\r\n"),
                     server.request[2]);
    assert_ptr_equal(strstr(server.request[3], "GET /api/jobs?state=running&limit=3 HTTP/1.1\r\n"),
                     server.request[3]);
}

/* ---- callbacks, abandoning, freeing ---------------------------------------------------------- */

struct loop {
    struct event_base *base;
    struct vts_client *client;
    struct seen seen;
    int done, again;
    bool in_call, destroy_in_done;
    enum vts_client_err code;
};

static void on_done(struct vts_client_operation *operation, const struct vts_client_result *result,
                    void *arg)
{
    struct loop *loop = arg;

    assert_false(loop->in_call);
    loop->done++;
    loop->code = result->error.code;
    vts_client_abandon(operation); /* does nothing any more */
    if (loop->destroy_in_done) {
        vts_client_destroy(loop->client);
        loop->client = NULL;
    } else if (loop->again-- > 0) {
        assert_non_null(vts_client_status(loop->client, "x",
                                          VTS_CLIENT_CALL(.done = on_done, .arg = loop), NULL));
    }
}

static void on_loop_poll(struct vts_client_operation *operation, const struct vts_client_poll *poll,
                         void *arg)
{
    on_poll(operation, poll, &((struct loop *)arg)->seen);
}

static void loop_init(struct loop *loop, const char *url)
{
    struct vts_client_options options;

    memset(loop, 0, sizeof(*loop));
    quick(&options, url);
    loop->base = event_base_new();
    loop->client = vts_client_create(loop->base, &options, NULL);
    assert_non_null(loop->client);
}

/* Begins a wait and runs the loop until there is nothing left to do in it. */
static void loop_run(struct loop *loop)
{
    loop->in_call = true;
    assert_non_null(
        vts_client_wait(loop->client, "x",
                        VTS_CLIENT_CALL(.done = on_done, .poll = on_loop_poll, .arg = loop), NULL));
    loop->in_call = false;
    event_base_dispatch(loop->base);
}

static void loop_finish(struct loop *loop)
{
    vts_client_destroy(loop->client);
    event_base_free(loop->base);
}

static void done_comes_once_and_from_the_loop(void **state)
{
    static const struct scripted_step steps[] = {PENDING, PENDING, COMPLETED};
    struct scripted server;
    struct loop loop;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    loop_init(&loop, server.url);
    loop.again = 3;  /* begun inside done */
    loop_run(&loop); /* returns although the connection is kept */
    assert_int_equal(loop.done, 4);
    assert_int_equal(loop.seen.polls, 3);
    assert_int_equal(loop.code, VTS_CLIENT_OK);
    loop_finish(&loop);
    scripted_stop(&server);
}

static void an_immediate_failure_is_told_from_the_loop_too(void **state)
{
    struct vts_client_options options;
    struct loop loop;
    char url[64];

    (void)state;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", scripted_dead_port());
    loop_init(&loop, url);
    quick(&options, url);
    options.max_errors = 1;
    loop.in_call = true;
    assert_non_null(vts_client_start(
        loop.client, "x", VTS_CLIENT_CALL(.done = on_done, .arg = &loop, .options = &options),
        NULL));
    loop.in_call = false;
    event_base_dispatch(loop.base);
    assert_int_equal(loop.done, 1);
    assert_int_equal(loop.code, VTS_CLIENT_ERR_UNREACHABLE);
    loop_finish(&loop);
}

static void everything_may_be_freed_in_callbacks(void **state)
{
    static const struct scripted_step steps[] = {PENDING, COMPLETED};
    struct scripted server;
    struct loop loop;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    loop_init(&loop, server.url); /* the handle in done */
    loop.destroy_in_done = true;
    loop_run(&loop);
    assert_int_equal(loop.done, 1);
    assert_int_equal(loop.code, VTS_CLIENT_OK);
    loop_finish(&loop);

    loop_init(&loop, server.url); /* the operation in poll */
    loop.seen.abandon_at = 1;
    loop_run(&loop);
    assert_int_equal(loop.done, 1);
    assert_int_equal(loop.code, VTS_CLIENT_ERR_ABANDONED);
    loop_finish(&loop);

    loop_init(&loop, server.url); /* the handle in poll */
    loop.seen.destroy = loop.client;
    loop_run(&loop);
    assert_int_equal(loop.done, 1);
    assert_int_equal(loop.code, VTS_CLIENT_ERR_ABANDONED);
    loop.client = NULL;
    loop_finish(&loop);
    scripted_stop(&server);
}

static void destroying_ends_what_is_under_way(void **state)
{
    static const struct scripted_step steps[] = {{.end = SCRIPTED_STALL}};
    struct vts_client_options options;
    struct scripted server;
    struct loop loop;

    (void)state;
    scripted_start(&server, steps, 1);
    loop_init(&loop, server.url);
    quick(&options, server.url);
    options.max_connections = 1; /* so that some are in the queue, too */
    vts_client_destroy(loop.client);
    loop.client = vts_client_create(loop.base, &options, NULL);
    for (int i = 0; i < 5; i++)
        assert_non_null(vts_client_wait(loop.client, "x",
                                        VTS_CLIENT_CALL(.done = on_done, .arg = &loop), NULL));
    event_base_loop(loop.base, EVLOOP_ONCE);
    vts_client_destroy(loop.client);
    assert_int_equal(loop.done, 5);
    assert_int_equal(loop.code, VTS_CLIENT_ERR_ABANDONED);
    event_base_dispatch(loop.base); /* nothing is left in it */
    loop.client = NULL;
    loop_finish(&loop);
    scripted_stop(&server);
}

static void the_queue_moves_on_when_one_is_abandoned(void **state)
{
    static const struct scripted_step steps[] = {{.end = SCRIPTED_STALL}, COMPLETED};
    struct vts_client_options options;
    struct vts_client_operation *first;
    struct scripted server;
    struct loop loop;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    loop_init(&loop, server.url);
    vts_client_destroy(loop.client);
    quick(&options, server.url);
    options.max_connections = 1;
    loop.client = vts_client_create(loop.base, &options, NULL);
    first = vts_client_wait(loop.client, "x", VTS_CLIENT_CALL(.done = on_done, .arg = &loop), NULL);
    assert_non_null(first);
    assert_non_null(
        vts_client_wait(loop.client, "x", VTS_CLIENT_CALL(.done = on_done, .arg = &loop), NULL));
    while (!atomic_load(&server.requests))
        event_base_loop(loop.base, EVLOOP_NONBLOCK);
    vts_client_abandon(first);
    assert_int_equal(loop.done, 1);
    event_base_dispatch(loop.base);
    assert_int_equal(loop.done, 2);
    assert_int_equal(loop.code, VTS_CLIENT_OK);
    loop_finish(&loop);
    scripted_stop(&server);
}

/* ---- promises that are not kept -------------------------------------------------------------- */

#define SHOWS_ALL "Vtsim-Features: batch, wait, idempotency-key, progress, cancel\r\n"

static int count_with(const struct scripted *server, const char *text)
{
    int count = 0, requests = atomic_load(&server->requests);

    for (int i = 0; i < requests && i < SCRIPTED_REQUESTS; i++)
        count += strstr(server->request[i], text) != NULL;
    return count;
}

/* Two waits at once for a server that says it can do everything: what becomes of them, and after how many
 * requests. */
static void assert_two_end(const struct scripted_step *steps, size_t count,
                           enum vts_client_err code, int requests, int batches)
{
    struct vts_client_options options;
    struct vts_client_clock *clock = vts_client_clock_virtual();
    struct vts_client_plan *plan = waiting_plan(); /* the same for both, so they are due together */
    struct scripted server;
    struct loop loop = {.base = event_base_new()};

    scripted_start(&server, steps, count);
    waiting_options(&options, server.url, clock, NULL);
    options.plan = plan;
    options.max_connections = 1;
    options.max_errors = 3;
    loop.client = vts_client_create(loop.base, &options, NULL);
    for (int i = 0; i < 2; i++)
        assert_non_null(vts_client_wait(loop.client, i ? "b" : "a",
                                        VTS_CLIENT_CALL(.done = on_done, .arg = &loop), NULL));
    event_base_dispatch(loop.base);
    assert_int_equal(loop.done, 2);
    assert_int_equal(loop.code, code);
    loop_finish(&loop);
    vts_client_clock_release(clock);
    vts_client_plan_release(plan);
    scripted_stop(&server);
    assert_int_equal(atomic_load(&server.requests), requests);
    assert_int_equal(count_with(&server, "GET /jobs?id="), batches);
}

static void a_batch_that_fails_is_asked_for_singly(void **state)
{
#define PENDING_ALL                                                                                \
    {                                                                                              \
        .status = "200 OK", .headers = SHOWS_ALL, .body = "{\"status\":\"pending\"}"               \
    }
#define COMPLETED_ALL                                                                              \
    {                                                                                              \
        .status = "200 OK", .headers = SHOWS_ALL, .body = "{\"status\":\"completed\"}"             \
    }
    static const struct scripted_step refused[] = {
        PENDING_ALL,
        PENDING_ALL,
        {.status = "404 Not Found", .headers = SHOWS_ALL, .body = ""},
        COMPLETED_ALL};
    static const struct scripted_step nonsense[] = {
        PENDING_ALL,
        PENDING_ALL,
        {.status = "200 OK", .headers = SHOWS_ALL, .body = "[1, 2]"},
        COMPLETED_ALL};
    static const struct scripted_step endless[] = {
        PENDING_ALL,
        PENDING_ALL,
        {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n", .end = SCRIPTED_STALL},
        COMPLETED_ALL};
    static const struct scripted_step empty[] = {
        PENDING_ALL,
        PENDING_ALL,
        {.status = "200 OK", .headers = SHOWS_ALL, .body = "{\"jobs\":[]}"}};
    static const struct scripted_step down[] = {
        PENDING_ALL, PENDING_ALL, {.status = "502 Bad Gateway", .body = "<html>"}};

    (void)state;
    assert_two_end(refused, COUNT(refused), VTS_CLIENT_OK, 5, 1);
    assert_two_end(nonsense, COUNT(nonsense), VTS_CLIENT_OK, 5, 1);
    assert_two_end(endless, COUNT(endless), VTS_CLIENT_OK, 5, 1);
    /* what befalls all of it counts as an error of each */
    assert_two_end(empty, COUNT(empty), VTS_CLIENT_ERR_PROTOCOL, 5, 3);
    assert_two_end(down, COUNT(down), VTS_CLIENT_ERR_SERVER, 5, 3);
}

static void assert_no_busy_loop(const struct scripted_step *steps, size_t count, int long_polls)
{
    struct vts_client_options options;
    struct scripted server;
    const struct vts_client_result *result;
    struct vts_client *client;

    scripted_start(&server, steps, count);
    quick(&options, server.url);
    options.initial_ms = options.cap_ms = 100;
    options.deadline_ms = 1500;
    options.long_poll_ms = 1000;
    client = vts_client_create(NULL, &options, NULL);
    result = vts_client_wait_sync(client, "x", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_DEADLINE);
    assert_in_range(result->polls, 2, 20); /* as the plan says, and no faster */
    vts_client_destroy(client);
    scripted_stop(&server);
    assert_in_range(count_with(&server, "\r\nPrefer: wait=1\r\n"), 1, long_polls);
}

static void a_wait_that_is_not_granted_is_not_asked_for_again(void **state)
{
    static const struct scripted_step ignored[] = {PENDING_ALL};
    static const struct scripted_step at_once[] = {
        {.status = "200 OK",
         .headers = SHOWS_ALL "Preference-Applied: wait=1\r\n",
         .body = "{\"status\":\"pending\"}"}};

    (void)state;
    assert_no_busy_loop(ignored, COUNT(ignored), 1);
    /* it says that it waited, and did not: asked again, but not at once */
    assert_no_busy_loop(at_once, COUNT(at_once), 20);
}

/* ---- the blocking face ----------------------------------------------------------------------- */

static void call_inside(struct vts_client_operation *operation, const struct vts_client_poll *poll,
                        void *arg)
{
    struct vts_client *client = arg;
    const struct vts_client_result *result = vts_client_status_sync(client, "x", NULL);

    (void)operation;
    (void)poll;
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_CALL);
    assert_string_equal(result->error.message,
                        "a blocking call inside a callback of the same handle");
}

static void calls_in_the_wrong_place_are_refused(void **state)
{
    static const struct scripted_step steps[] = {PENDING, COMPLETED};
    struct scripted server;
    const struct vts_client_result *result;
    struct vts_client_error error;
    struct loop loop;
    struct vts_client *client;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    client = connect_to(server.url);
    result = vts_client_wait_sync(client, "x", VTS_CLIENT_CALL(.poll = call_inside, .arg = client));
    assert_int_equal(result->error.code, VTS_CLIENT_OK); /* not disturbed */
    assert_int_equal(result->job->status, VTS_CLIENT_COMPLETED);
    assert_null(vts_client_status(client, "x", NULL, &error));
    assert_int_equal(error.code, VTS_CLIENT_ERR_CALL);
    assert_string_equal(error.message,
                        "an asynchronous call on a handle that was made without an event_base");
    result = vts_client_status_sync(client, "a\tb", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_INVALID);
    vts_client_destroy(client);

    loop_init(&loop, server.url);
    result = vts_client_status_sync(loop.client, "x", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_CALL);
    assert_string_equal(result->error.message,
                        "a blocking call on a handle that was made on an event_base");
    assert_null(vts_client_wait(loop.client, "", NULL, &error));
    assert_int_equal(error.code, VTS_CLIENT_ERR_INVALID);
    assert_null(vts_client_wait(loop.client, "x", &(struct vts_client_call){0}, &error));
    assert_string_equal(error.message, "call: size is not set");
    loop_finish(&loop);
    scripted_stop(&server);

    assert_int_equal(vts_client_run_sync(NULL, "x", NULL)->error.code, VTS_CLIENT_ERR_INVALID);
    assert_null(vts_client_run(NULL, "x", NULL, &error));
    assert_int_equal(error.code, VTS_CLIENT_ERR_INVALID);
    vts_client_destroy(NULL);
    vts_client_abandon(NULL);
}

static void call_another(struct vts_client_operation *operation, const struct vts_client_poll *poll,
                         void *arg)
{
    const struct vts_client_result *result = vts_client_status_sync(arg, "x", NULL);

    (void)operation;
    (void)poll;
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_CALL);
    assert_string_equal(result->error.message,
                        "a blocking call inside a callback of an asynchronous handle");
}

static void a_loop_is_not_held_up(void **state)
{
    static const struct scripted_step steps[] = {PENDING, COMPLETED};
    struct scripted server;
    struct vts_client *blocking;
    struct loop loop;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    blocking = connect_to(server.url);
    loop_init(&loop, server.url);
    assert_non_null(vts_client_wait(loop.client, "x",
                                    VTS_CLIENT_CALL(.poll = call_another, .arg = blocking), NULL));
    event_base_dispatch(loop.base);
    assert_int_equal(vts_client_status_sync(blocking, "x", NULL)->error.code, VTS_CLIENT_OK);
    vts_client_destroy(blocking);
    loop_finish(&loop);
    scripted_stop(&server);
}

/* ---- freeing in traces ----------------------------------------------------------------------- */

struct axe {
    struct vts_client *client;
    enum vts_client_event at;
    bool abandons;
    int done;
};

static void on_traced(struct vts_client_operation *operation, const struct vts_client_trace *trace,
                      void *arg)
{
    struct axe *axe = arg;

    if (trace->event != axe->at)
        return;
    if (axe->abandons) {
        vts_client_abandon(operation);
    } else if (axe->client) {
        struct vts_client *client = axe->client;

        axe->client = NULL;
        vts_client_destroy(client);
    }
}

static void on_cut(struct vts_client_operation *operation, const struct vts_client_result *result,
                   void *arg)
{
    (void)operation;
    (void)result;
    ((struct axe *)arg)->done++;
}

static void everything_may_be_freed_in_traces(void **state)
{
    static const struct scripted_step steps[] = {STARTED, PENDING_ALL, PENDING_ALL};

    (void)state;
    for (int i = 0; i < 8; i++) {
        struct axe axe = {.at = (enum vts_client_event)(i / 2), .abandons = i % 2};
        struct event_base *base = event_base_new();
        struct vts_client_options options;
        struct scripted server;

        scripted_start(&server, steps, COUNT(steps));
        quick(&options, server.url);
        options.deadline_ms = 300;
        options.max_connections = 1; /* so that some wait in the queue, and some in a batch */
        options.trace = on_traced;
        options.trace_arg = &axe;
        axe.client = vts_client_create(base, &options, NULL);
        for (int job = 0; job < 3; job++)
            assert_non_null(vts_client_run(axe.client, job ? job > 1 ? "z" : "y" : "x",
                                           VTS_CLIENT_CALL(.done = on_cut, .arg = &axe), NULL));
        event_base_dispatch(base);
        assert_int_equal(axe.done, 3);
        vts_client_destroy(axe.client);
        event_base_free(base);
        scripted_stop(&server);
    }
}

static void a_blocking_wait_can_be_given_up(void **state)
{
    static const struct scripted_step steps[] = {PENDING};
    struct scripted server;
    struct seen seen = {.abandon_at = 2};
    const struct vts_client_result *result;
    struct vts_client *client;

    (void)state;
    scripted_start(&server, steps, 1);
    client = connect_to(server.url);
    result = vts_client_wait_sync(client, "x", VTS_CLIENT_CALL(.poll = on_poll, .arg = &seen));
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_ABANDONED);
    assert_int_equal(result->job->status, VTS_CLIENT_PENDING);
    seen = (struct seen){.destroy = client};
    result = vts_client_wait_sync(client, "x", VTS_CLIENT_CALL(.poll = on_poll, .arg = &seen));
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_ABANDONED);
    assert_string_equal(result->error.message, "the handle was destroyed");
    scripted_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_answers_end_in_their_error),
        cmocka_unit_test(broken_connections_are_unreachable),
        cmocka_unit_test(answers_without_end_are_refused),
        cmocka_unit_test(a_reset_at_every_byte),
        cmocka_unit_test(a_slow_loris_is_not_waited_for),
        cmocka_unit_test(a_slow_answer_times_out),
        cmocka_unit_test(nobody_there_is_unreachable),
        cmocka_unit_test(a_name_with_several_addresses_is_tried_to_the_end),
        cmocka_unit_test(a_wait_survives_what_passes),
        cmocka_unit_test(as_many_polls_break_as_were_ordered),
        cmocka_unit_test(retry_after_is_waited_for),
        cmocka_unit_test(a_wait_ends_after_too_many_errors),
        cmocka_unit_test(an_unknown_job_and_a_refusal_end_a_wait_at_once),
        cmocka_unit_test(the_deadline_stands_over_everything),
        cmocka_unit_test(a_status_may_go_back),
        cmocka_unit_test(a_connection_is_kept_and_a_stale_one_is_not_used),
        cmocka_unit_test(requests_are_as_documented),
        cmocka_unit_test(done_comes_once_and_from_the_loop),
        cmocka_unit_test(an_immediate_failure_is_told_from_the_loop_too),
        cmocka_unit_test(everything_may_be_freed_in_callbacks),
        cmocka_unit_test(destroying_ends_what_is_under_way),
        cmocka_unit_test(the_queue_moves_on_when_one_is_abandoned),
        cmocka_unit_test(a_batch_that_fails_is_asked_for_singly),
        cmocka_unit_test(a_wait_that_is_not_granted_is_not_asked_for_again),
        cmocka_unit_test(everything_may_be_freed_in_traces),
        cmocka_unit_test(calls_in_the_wrong_place_are_refused),
        cmocka_unit_test(a_loop_is_not_held_up),
        cmocka_unit_test(a_blocking_wait_can_be_given_up),
    };

    return cmocka_run_group_tests_name("client against a bad server", tests, NULL, NULL);
}
