/* SPDX-License-Identifier: MIT
 *
 * Starts that say what their job is to be: what is refused before a byte is sent, what a vtsimd makes of it,
 * and that no other server starts something else instead. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vtsim/client.h>

#include "scripted.h"
#include "vtsimd.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HAS      "Vtsim-Features: idempotency-key, options, progress\r\n"
#define HAS_NOT  "Vtsim-Features: idempotency-key, progress\r\n"

static struct vts_client *connect_to(const char *url, struct event_base *base)
{
    struct vts_client_options options;
    struct vts_client *client;

    vts_client_options_init(&options);
    options.url = url;
    options.initial_ms = 1;
    options.cap_ms = 2;
    options.cost_ms = 0;
    options.long_poll_ms = 0;
    client = vts_client_create(base, &options, NULL);
    assert_non_null(client);
    return client;
}

/* ---- what is wrong before a byte is sent ----------------------------------------------------- */

static void assert_invalid(const struct vts_client_call *call, const char *message)
{
    struct vts_client *client = connect_to("http://127.0.0.1:9", NULL);
    const struct vts_client_result *result = vts_client_start_sync(client, "a", call);

    assert_string_equal(result->error.message, message);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_INVALID);
    assert_int_equal(result->starts, 0);
    vts_client_destroy(client);
}

#define SETTINGS(...)                                                                              \
    .settings = (const struct vts_client_setting[]){__VA_ARGS__},                                  \
    .setting_count = COUNT(((const struct vts_client_setting[]){__VA_ARGS__}))

static void what_cannot_be_right_is_not_sent(void **state)
{
    char longest[257];

    (void)state;
    memset(longest, 'b', 256);
    longest[256] = '\0';
    assert_invalid(VTS_CLIENT_CALL(.behaviour = ""),
                   "call: a behaviour's name has 1 to 255 bytes, this one has 0");
    assert_invalid(VTS_CLIENT_CALL(.behaviour = longest),
                   "call: a behaviour's name has 1 to 255 bytes, this one has 256");
    assert_invalid(
        VTS_CLIENT_CALL(.behaviour = "a\nb"),
        "call: a behaviour's name \"a\\x0Ab\" is not UTF-8 or has a control character (byte 2)");
    assert_invalid(VTS_CLIENT_CALL(.setting_count = 2),
                   "call: setting_count is 2, and settings is NULL");
    assert_invalid(VTS_CLIENT_CALL(SETTINGS({NULL, "x"})),
                   "call: the key of a setting has 1 to 255 bytes, this one has 0");
    assert_invalid(VTS_CLIENT_CALL(SETTINGS({"", "x"})),
                   "call: the key of a setting has 1 to 255 bytes, this one has 0");
    assert_invalid(
        VTS_CLIENT_CALL(SETTINGS({"d\xff", "x"})),
        "call: the key of a setting \"d\\xFF\" is not UTF-8 or has a control character (byte 2)");
    assert_invalid(VTS_CLIENT_CALL(SETTINGS({"delay", NULL})),
                   "call: the setting \"delay\" has no value");
    assert_invalid(VTS_CLIENT_CALL(SETTINGS({"delay", "1\ts\n\xc3"})),
                   "call: the value of \"delay\" is not UTF-8 or has a control character (byte 5)");
    assert_invalid(VTS_CLIENT_CALL(SETTINGS({"a", "1"}, {"b", "2"}, {"a", "3"})),
                   "call: the setting \"a\" is there twice");
}

static void other_operations_take_none(void **state)
{
    static const char message[] = "call: a behaviour and settings are for a start or a run";
    const struct vts_client_call *named = VTS_CLIENT_CALL(.behaviour = "x");
    const struct vts_client_call *set = VTS_CLIENT_CALL(SETTINGS({"a", "1"}));
    struct vts_client *client = connect_to("http://127.0.0.1:9", NULL);

    (void)state;
    assert_string_equal(vts_client_status_sync(client, "a", named)->error.message, message);
    assert_string_equal(vts_client_wait_sync(client, "a", set)->error.message, message);
    assert_string_equal(vts_client_cancel_sync(client, "a", named)->error.message, message);
    assert_string_equal(vts_client_list_sync(client, NULL, set)->error.message, message);
    assert_string_equal(vts_client_watch_sync(client, NULL, named)->error.message, message);
    assert_string_equal(vts_client_resume_sync(client, "vtsim1:-:1::a", set)->error.message,
                        message);
    vts_client_destroy(client);
}

/* ---- a vtsimd ---------------------------------------------------------------------------------- */

static void a_vtsimd_does_what_is_wished(void **state)
{
    const struct vts_client_call *call =
        VTS_CLIENT_CALL(.behaviour = "scripted_sequence",
                        SETTINGS({"script", "pending x2\nerror \"it \\\"fell\\\"\""}));
    const struct vts_client_result *result;
    struct vts_client *client;
    struct vtsimd vtsimd;

    (void)state;
    vtsimd_start(&vtsimd, NULL);
    client = connect_to(vtsimd.url, NULL);
    for (int i = 0; i < 2; i++) { /* before and after it has told of its features */
        result = vts_client_run_sync(client, i ? "b" : "a", call);
        assert_string_equal(result->error.message, "");
        assert_int_equal(result->job->status, VTS_CLIENT_ERROR);
        assert_string_equal(result->job->error_message, "it \"fell\"");
        assert_int_equal(result->polls, 3);
        assert_null(result->said);
    }
    result = vts_client_run_sync(
        client, "c",
        VTS_CLIENT_CALL(.behaviour = "scripted_sequence", SETTINGS({"script", "http"})));
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_REFUSED);
    assert_int_equal(result->error.http_status, 400);
    assert_non_null(strstr(result->said, "\n    http\n"));
    assert_null(strstr(result->error.message, "\\x0A"));
    assert_null(result->token);
    assert_int_equal(vts_client_status_sync(client, "c", NULL)->error.code,
                     VTS_CLIENT_ERR_UNKNOWN_JOB);
    vts_client_destroy(client);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
}

struct ends {
    enum vts_client_err code[2];
    enum vts_client_status status[2];
    int count;
};

static void on_done(struct vts_client_operation *operation, const struct vts_client_result *result,
                    void *arg)
{
    struct ends *ends = arg;

    (void)operation;
    ends->code[ends->count] = result->error.code;
    ends->status[ends->count++] =
        result->job && !result->error.code ? result->job->status : VTS_CLIENT_PENDING;
}

/* What was handed in is gone before the loop runs. */
static void a_call_is_copied(void **state)
{
    struct event_base *base = event_base_new();
    struct ends ends = {.count = 0};
    char name[] = "scripted_sequence", key[] = "script", value[] = "error \"x\"";
    struct vts_client_setting setting = {key, value};
    struct vts_client *client;
    struct vtsimd vtsimd;

    (void)state;
    vtsimd_start(&vtsimd, NULL);
    client = connect_to(vtsimd.url, base);
    assert_non_null(vts_client_run(client, "a",
                                   VTS_CLIENT_CALL(.done = on_done, .arg = &ends, .behaviour = name,
                                                   .settings = &setting, .setting_count = 1),
                                   NULL));
    memset(name, 'x', sizeof(name) - 1);
    memset(key, 'x', sizeof(key) - 1);
    memset(value, 'x', sizeof(value) - 1);
    setting = (struct vts_client_setting){NULL, NULL};
    event_base_dispatch(base);
    assert_int_equal(ends.count, 1);
    assert_int_equal(ends.code[0], VTS_CLIENT_OK);
    assert_int_equal(ends.status[0], VTS_CLIENT_ERROR);
    vts_client_destroy(client);
    event_base_free(base);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
}

/* ---- other servers ----------------------------------------------------------------------------- */

static void a_lost_answer_is_repeated_with_the_same_words(void **state)
{
    static const struct scripted_step steps[] = {
        {.end = SCRIPTED_RESET},
        {.status = "409 Conflict", .headers = HAS, .body = "{\"error\":\"it exists\"}"}};
    const struct vts_client_result *result;
    struct scripted server;
    struct vts_client *client;
    const char *first, *second;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    client = connect_to(server.url, NULL);
    result = vts_client_start_sync(client, "a", VTS_CLIENT_CALL(SETTINGS({"k", "\"v\""})));
    assert_string_equal(result->error.message, "");
    assert_null(result->said);
    assert_int_equal(result->starts, 2);
    vts_client_destroy(client);
    scripted_stop(&server);
    first = strstr(server.request[0], "Idempotency-Key: ");
    second = strstr(server.request[1], "Idempotency-Key: ");
    assert_non_null(first);
    assert_string_equal(first, second);
    assert_non_null(strstr(first, "\r\n\r\n{\"id\":\"a\",\"options\":{\"k\":\"\\\"v\\\"\"}}"));
}

static void a_server_that_says_it_cannot_is_not_asked(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "200 OK", .headers = HAS_NOT, .body = "{\"status\":\"pending\"}"},
        {.status = "200 OK", .headers = HAS, .body = "{\"status\":\"pending\"}"},
        {.status = "201 Created", .headers = HAS, .body = "{\"id\":\"a\"}"}};
    const struct vts_client_call *call = VTS_CLIENT_CALL(.behaviour = "slow");
    const struct vts_client_result *result;
    struct scripted server;
    struct vts_client *client;
    char message[200];

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    client = connect_to(server.url, NULL);
    assert_int_equal(vts_client_status_sync(client, "a", NULL)->error.code, VTS_CLIENT_OK);
    result = vts_client_start_sync(client, "a", call);
    snprintf(message, sizeof(message),
             "127.0.0.1:%d does not take a behaviour or settings for one job: no options in the "
             "Vtsim-Features of its last answer",
             server.port);
    assert_string_equal(result->error.message, message);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_REFUSED);
    assert_int_equal(result->error.http_status, 0);
    assert_int_equal(result->starts, 0);
    assert_null(result->token);
    assert_int_equal(vts_client_status_sync(client, "a", NULL)->error.code, VTS_CLIENT_OK);
    assert_int_equal(vts_client_start_sync(client, "a", call)->error.code, VTS_CLIENT_OK);
    vts_client_destroy(client);
    scripted_stop(&server);
    assert_int_equal(atomic_load(&server.requests), 3);
}

static void a_server_that_says_nothing_of_options_is_not_believed(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "201 Created", .headers = HAS_NOT, .body = "{\"id\":\"a\"}"},
        {.status = "201 Created", .body = "{\"id\":\"a\"}"}};
    const struct vts_client_result *result;
    struct scripted server;
    struct vts_client *client;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    for (int i = 0; i < 2; i++) {
        client = connect_to(server.url, NULL);
        result = vts_client_run_sync(client, "a", VTS_CLIENT_CALL(.behaviour = "slow"));
        assert_string_equal(result->error.message,
                            "job \"a\" was started, by a server that does not say that it takes a "
                            "behaviour or settings for one job: it may be another job than was "
                            "asked for");
        assert_int_equal(result->error.code, VTS_CLIENT_ERR_PROTOCOL);
        assert_int_equal(result->starts, 1);
        assert_int_equal(result->polls, 0);
        assert_non_null(result->token); /* there is a job */
        vts_client_destroy(client);
    }
    scripted_stop(&server);
    assert_int_equal(atomic_load(&server.requests), 2);
}

static void words_stay_with_their_error(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "503 Busy", .body = "{\"error\":\"not now\"}"},
        {.status = "200 OK", .body = "{\"status\":\"completed\"}"},
        {.status = "400 No", .body = "{\"error\":\"one\\ntwo\"}"},
        {.status = "400 No", .body = "<html>"}};
    const struct vts_client_result *result;
    struct scripted server;
    struct vts_client *client;

    (void)state;
    scripted_start(&server, steps, COUNT(steps));
    client = connect_to(server.url, NULL);
    result = vts_client_wait_sync(client, "a", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_OK);
    assert_null(result->said);
    result = vts_client_start_sync(client, "a", NULL);
    assert_string_equal(result->error.message,
                        "the server refused POST /start with status 400: one");
    assert_string_equal(result->said, "one\ntwo");
    result = vts_client_start_sync(client, "a", NULL);
    assert_null(result->said);
    vts_client_destroy(client);
    scripted_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_right_is_not_sent),
        cmocka_unit_test(other_operations_take_none),
        cmocka_unit_test(a_vtsimd_does_what_is_wished),
        cmocka_unit_test(a_call_is_copied),
        cmocka_unit_test(a_lost_answer_is_repeated_with_the_same_words),
        cmocka_unit_test(a_server_that_says_it_cannot_is_not_asked),
        cmocka_unit_test(a_server_that_says_nothing_of_options_is_not_believed),
        cmocka_unit_test(words_stay_with_their_error),
    };

    return cmocka_run_group_tests_name("client_wish", tests, NULL, NULL);
}
