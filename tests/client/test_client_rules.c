/* SPDX-License-Identifier: MIT
 *
 * The client's rules as pure functions: when to ask again and why, Retry-After and dates, features,
 * tokens, the gate, the retry budget, timers. No sockets, no clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chance.h"
#include "gate.h"
#include "http_date.h"
#include "retry_after.h"
#include "retry_budget.h"
#include "server_features.h"
#include "timers.h"
#include "token.h"
#include "wait.h"

/* ---- waiting --------------------------------------------------------------------------------- */

static void init_wait(struct wait *wait)
{
    struct vts_client_options options;

    vts_client_options_init(&options);
    wait_init(wait, &options);
}

static enum wait_next answered(struct wait *wait, enum vts_client_err code, int http_status,
                               enum vts_client_status status)
{
    struct vts_client_error error = {.code = code, .http_status = http_status};

    return wait_answered(wait, &error, status);
}

static enum wait_next started(struct wait *wait, enum vts_client_err code, int http_status,
                              bool arrived)
{
    struct vts_client_error error = {.code = code, .http_status = http_status};

    return wait_started(wait, &error, arrived);
}

static void a_wait_ends_with_the_job(void **state)
{
    struct wait wait;

    (void)state;
    init_wait(&wait);
    assert_int_equal(answered(&wait, VTS_CLIENT_OK, 0, VTS_CLIENT_PENDING), WAIT_PLAN);
    assert_int_equal(answered(&wait, VTS_CLIENT_OK, 0, VTS_CLIENT_COMPLETED), WAIT_ENDED);
    assert_int_equal(answered(&wait, VTS_CLIENT_OK, 0, VTS_CLIENT_ERROR), WAIT_ENDED);
}

static void failures_have_a_schedule_of_their_own(void **state)
{
    static const int64_t expected[] = {250, 500, 1000, 2000, 4000, 5000, 5000, 5000, 5000};
    struct wait wait;

    (void)state;
    init_wait(&wait);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 9; i++) {
            assert_int_equal(answered(&wait, VTS_CLIENT_ERR_UNREACHABLE, 0, 0), WAIT_RETRY);
            assert_int_equal(wait_retry_ms(&wait, 0.5), expected[i]);
        }
        /* a success forgives all of them */
        assert_int_equal(answered(&wait, VTS_CLIENT_OK, 0, VTS_CLIENT_PENDING), WAIT_PLAN);
    }
    for (int i = 0; i < 9; i++)
        assert_int_equal(answered(&wait, VTS_CLIENT_ERR_SERVER, 502, 0), WAIT_RETRY);
    assert_int_equal(answered(&wait, VTS_CLIENT_ERR_TIMEOUT, 0, 0), WAIT_ENDED);
}

static void a_wait_knows_what_may_pass(void **state)
{
    struct wait wait;

    (void)state;
    init_wait(&wait);
    assert_int_equal(answered(&wait, VTS_CLIENT_ERR_UNKNOWN_JOB, 404, 0), WAIT_ENDED);
    assert_int_equal(answered(&wait, VTS_CLIENT_ERR_REFUSED, 400, 0), WAIT_ENDED);
    assert_int_equal(answered(&wait, VTS_CLIENT_ERR_REFUSED, 429, 0), WAIT_RETRY);
    assert_int_equal(answered(&wait, VTS_CLIENT_ERR_MEMORY, 0, 0), WAIT_ENDED);
    assert_int_equal(answered(&wait, VTS_CLIENT_ERR_PROTOCOL, 200, 0), WAIT_RETRY);
    init_wait(&wait);
    answered(&wait, VTS_CLIENT_OK, 0, VTS_CLIENT_PENDING);
    assert_int_equal(answered(&wait, VTS_CLIENT_ERR_UNKNOWN_JOB, 404, 0), WAIT_RETRY);
}

static void a_start_is_repeated_and_not_doubled(void **state)
{
    struct wait wait;

    (void)state;
    init_wait(&wait); /* 409 to the first try: it is somebody else's */
    assert_int_equal(started(&wait, VTS_CLIENT_ERR_EXISTS, 409, true), WAIT_ENDED);
    init_wait(&wait); /* nothing left here, so it is somebody else's still */
    assert_int_equal(started(&wait, VTS_CLIENT_ERR_UNREACHABLE, 0, false), WAIT_RETRY);
    assert_int_equal(started(&wait, VTS_CLIENT_ERR_EXISTS, 409, true), WAIT_ENDED);
    init_wait(&wait);
    assert_int_equal(started(&wait, VTS_CLIENT_ERR_UNREACHABLE, 0, true), WAIT_RETRY);
    assert_int_equal(started(&wait, VTS_CLIENT_ERR_UNREACHABLE, 0, false), WAIT_RETRY);
    assert_int_equal(started(&wait, VTS_CLIENT_ERR_EXISTS, 409, true), WAIT_PLAN);
    assert_int_equal(wait.errors, 0);
    init_wait(&wait);
    assert_int_equal(started(&wait, VTS_CLIENT_ERR_TIMEOUT, 0, true), WAIT_RETRY);
    assert_int_equal(started(&wait, VTS_CLIENT_ERR_SERVER, 504, true), WAIT_RETRY);
    assert_int_equal(started(&wait, VTS_CLIENT_ERR_PROTOCOL, 200, true), WAIT_RETRY);
    assert_int_equal(started(&wait, VTS_CLIENT_ERR_PROTOCOL, 0, true), WAIT_RETRY);
    assert_int_equal(started(&wait, VTS_CLIENT_OK, 0, true), WAIT_PLAN);
    assert_true(wait.known);
    init_wait(&wait);
    assert_int_equal(started(&wait, VTS_CLIENT_ERR_REFUSED, 503, true), WAIT_ENDED);
    init_wait(&wait);
    assert_int_equal(started(&wait, VTS_CLIENT_ERR_PROTOCOL, 302, true), WAIT_ENDED);
}

static void assert_settles(struct wait_claims claims, int64_t delay_ms,
                           enum vts_client_reason reason)
{
    struct wait_delay delay = wait_settle(&claims);

    assert_int_equal(delay.delay_ms, delay_ms);
    assert_string_equal(vts_client_reason_name(delay.reason), vts_client_reason_name(reason));
}

#define CLAIMS(...)                                                                                \
    ((struct wait_claims){.delay_ms = 500, .reason = VTS_CLIENT_REASON_PLAN, __VA_ARGS__})

static void the_strongest_claim_decides(void **state)
{
    (void)state;
    assert_settles(CLAIMS(.gate_ms = 0), 500, VTS_CLIENT_REASON_PLAN);
    /* Retry-After: a floor, to the letter, or nothing */
    assert_settles(CLAIMS(.retry_after_ms = 700), 700, VTS_CLIENT_REASON_RETRY_AFTER);
    assert_settles(CLAIMS(.retry_after_ms = 300), 500, VTS_CLIENT_REASON_PLAN);
    assert_settles(CLAIMS(.retry_after_ms = 300, .policy = VTS_CLIENT_RETRY_AFTER_EXACT), 300,
                   VTS_CLIENT_REASON_RETRY_AFTER);
    assert_settles(CLAIMS(.policy = VTS_CLIENT_RETRY_AFTER_EXACT), 500, VTS_CLIENT_REASON_PLAN);
    assert_settles(CLAIMS(.retry_after_ms = 700, .policy = VTS_CLIENT_RETRY_AFTER_IGNORE), 500,
                   VTS_CLIENT_REASON_PLAN);
    /* the gate is a floor in any case */
    assert_settles(CLAIMS(.gate_ms = 900, .retry_after_ms = 700), 900, VTS_CLIENT_REASON_HOST_GATE);
    assert_settles(
        CLAIMS(.gate_ms = 900, .retry_after_ms = 300, .policy = VTS_CLIENT_RETRY_AFTER_EXACT), 900,
        VTS_CLIENT_REASON_HOST_GATE);
    assert_settles(CLAIMS(.gate_ms = -5), 500, VTS_CLIENT_REASON_PLAN);
    /* the last look before the deadline comes earlier than the plan, but never than a floor */
    assert_settles(CLAIMS(.last_look_ms = 200), 200, VTS_CLIENT_REASON_DEADLINE);
    assert_settles(CLAIMS(.last_look_ms = 600), 500, VTS_CLIENT_REASON_PLAN);
    assert_settles(CLAIMS(.last_look_ms = 200, .retry_after_ms = 200), 200,
                   VTS_CLIENT_REASON_DEADLINE);
    assert_settles(CLAIMS(.last_look_ms = 200, .retry_after_ms = 201), 500, VTS_CLIENT_REASON_PLAN);
    assert_settles(CLAIMS(.last_look_ms = 200, .gate_ms = 700), 700, VTS_CLIENT_REASON_HOST_GATE);
    assert_settles(
        CLAIMS(.last_look_ms = 200, .retry_after_ms = 900, .policy = VTS_CLIENT_RETRY_AFTER_IGNORE),
        200, VTS_CLIENT_REASON_DEADLINE);
    assert_string_equal(vts_client_reason_name((enum vts_client_reason)99), "unknown");
}

/* ---- Retry-After ----------------------------------------------------------------------------- */

static void assert_date(const char *text, int64_t expected_s)
{
    int64_t unix_s;

    if (!http_date_read(text, 784111777, &unix_s))
        fail_msg("\"%s\" is a date", text);
    assert_int_equal(unix_s, expected_s);
}

static void dates_are_read_in_three_forms(void **state)
{
    (void)state;
    /* the examples of RFC 9110, 5.6.7: all the same moment */
    assert_date("Sun, 06 Nov 1994 08:49:37 GMT", 784111777);
    assert_date("Sunday, 06-Nov-94 08:49:37 GMT", 784111777);
    assert_date("Sun Nov  6 08:49:37 1994", 784111777);
    assert_date("Thu, 01 Jan 1970 00:00:00 GMT", 0);
    assert_date("Thu Jan 16 00:00:00 2020", 1579132800);
    assert_date("Sat, 29 Feb 2020 23:59:60 GMT", 1583020800);
    assert_date("Tue, 29 Feb 2000 12:00:00 GMT", 951825600);
    assert_date("Tue, 31 Dec 2999 23:59:59 GMT", 32503679999);
    assert_date("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799);
    /* two digits are never more than 50 years ahead: seen from 1994, 44 is to come and 45 was */
    assert_date("Wednesday, 01-Jan-44 00:00:00 GMT", 2335219200);
    assert_date("Monday, 01-Jan-45 00:00:00 GMT", -788918400);
}

static void what_is_no_date_is_none(void **state)
{
    static const char *const texts[] = {"",
                                        "soon",
                                        "Sun",
                                        "Sun, ",
                                        "Sun, 06 Nov 1994 08:49:37",
                                        "Sun, 06 Nov 1994 08:49:37 GMT ",
                                        "Sun, 06 Nov 1994 08:49:37 UTC",
                                        "Sun, 6 Nov 1994 08:49:37 GMT",
                                        "Sun, 06 nov 1994 08:49:37 GMT",
                                        "Sun, 06 Nov 94 08:49:37 GMT",
                                        "Sun, 31 Nov 1994 08:49:37 GMT",
                                        "Wed, 29 Feb 2100 08:49:37 GMT",
                                        "Sun, 00 Nov 1994 08:49:37 GMT",
                                        "Sun, 06 Nov 1994 24:00:00 GMT",
                                        "Sun, 06 Nov 1994 08:60:00 GMT",
                                        "Sun, 06 Nov 1994 08:49:61 GMT",
                                        "Sunday, 06-Nov-1994 08:49:37 GMT",
                                        "Sunday 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov 6 08:49:37 1994",
                                        "Sun Nov  6 08:49:37 94",
                                        "2024-01-01T00:00:00Z"};
    int64_t unix_s;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (http_date_read(texts[i], 0, &unix_s))
            fail_msg("\"%s\" is no date", texts[i]);
    }
}

static void retry_after_is_read(void **state)
{
    const int64_t now_ms = INT64_C(784111777000);

    (void)state;
    assert_int_equal(retry_after_ms(NULL, NULL, now_ms), 0);
    assert_int_equal(retry_after_ms("", NULL, now_ms), 0);
    assert_int_equal(retry_after_ms("0", NULL, now_ms), 0);
    assert_int_equal(retry_after_ms("7", NULL, now_ms), 7000);
    assert_int_equal(retry_after_ms("3600", NULL, now_ms), 3600000);
    assert_int_equal(retry_after_ms("3601", NULL, now_ms), 3600000);
    assert_int_equal(retry_after_ms("1000000000000000000000000000000", NULL, now_ms), 3600000);
    assert_int_equal(retry_after_ms("-1", NULL, now_ms), 0);
    assert_int_equal(retry_after_ms("1.5", NULL, now_ms), 0);
    assert_int_equal(retry_after_ms("soon", NULL, now_ms), 0);
    assert_int_equal(retry_after_ms("Sun, 06 Nov 1994 08:49:44 GMT", NULL, now_ms), 7000);
    assert_int_equal(retry_after_ms("Sun, 06 Nov 1994 08:49:37 GMT", NULL, now_ms), 0);
    assert_int_equal(retry_after_ms("Thu, 01 Jan 1970 00:00:00 GMT", NULL, now_ms), 0);
    assert_int_equal(retry_after_ms("Tue, 31 Dec 2999 23:59:59 GMT", NULL, now_ms), 3600000);
    /* the server's own clock counts, where it tells what that says */
    assert_int_equal(
        retry_after_ms("Mon, 02 Jan 2023 00:00:09 GMT", "Mon, 02 Jan 2023 00:00:00 GMT", now_ms),
        9000);
    assert_int_equal(retry_after_ms("Sun, 06 Nov 1994 08:49:44 GMT", "garbage", now_ms), 7000);
}

/* ---- features -------------------------------------------------------------------------------- */

static void features_are_read(void **state)
{
    (void)state;
    assert_int_equal(features_read(NULL), 0);
    assert_int_equal(features_read(""), 0);
    assert_int_equal(features_read("batch, wait, idempotency-key, progress, cancel"),
                     FEATURE_BATCH | FEATURE_WAIT | FEATURE_KEY | FEATURE_PROGRESS |
                         FEATURE_CANCEL);
    assert_int_equal(features_read(" ,,Wait ,\tteleport, batches, batch"),
                     FEATURE_BATCH | FEATURE_WAIT);
    assert_true(features_wait_applied("wait"));
    assert_true(features_wait_applied("wait=30"));
    assert_true(features_wait_applied("respond-async, wait=\"30\"; x=1"));
    assert_true(features_wait_applied("Wait"));
    assert_false(features_wait_applied("waiting"));
    assert_false(features_wait_applied("no-wait"));
    assert_false(features_wait_applied(""));
    assert_false(features_wait_applied(NULL));
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static void tokens_go_there_and_back(void **state)
{
    struct token token = {.id = "a b:\xc3\xa9%",
                          .job_class = "long films",
                          .age_ms = 90500,
                          .made_s = 1700000000},
                 read;
    struct vts_client_error error;
    char text[VTS_CLIENT_TOKEN_MAX] = "", id[256];

    (void)state;
    assert_int_equal(token_write(&token, text, sizeof(text)), 54);
    assert_string_equal(text, "vtsim1:90500:1700000000:long%20films:a%20b%3A%C3%A9%25");
    assert_true(token_read(&read, text, &error));
    assert_string_equal(read.id, token.id);
    assert_string_equal(read.job_class, token.job_class);
    assert_int_equal(token_age_ms(&read, INT64_C(1700000010000)), 100500);
    /* two clocks that do not agree */
    assert_int_equal(token_age_ms(&read, INT64_C(1600000000000)), 90500);
    assert_int_equal(token_age_ms(&read, INT64_C(9900000000000)), 90500);
    assert_int_equal(vts_client_token_id(text, id, &error), 7);
    assert_string_equal(id, token.id);
    token.age_ms = -1;
    token_write(&token, text, sizeof(text));
    assert_true(token_read(&read, text, &error));
    assert_int_equal(token_age_ms(&read, 0), -1);
    memset(token.id, '"', 255);
    memset(token.job_class, '"', 64);
    token.age_ms = token.made_s = INT64_MAX;
    assert_in_range(token_write(&token, text, sizeof(text)), 1000, sizeof(text) - 1);
    assert_int_equal(token_write(&token, text, 1000), 0);
    assert_true(token_read(&read, text, &error));
    assert_in_range(token_age_ms(&read, 0), 1, INT64_C(1) << 40);
}

static void bad_tokens_are_refused(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {NULL, "the token is none of this library's; right is vtsim1:..."},
        {"", "the token is none of this library's; right is vtsim1:..."},
        {"film", "the token is none of this library's; right is vtsim1:..."},
        {"vtsim2:1:1::x", "the token is of another version; this library reads vtsim1:..."},
        {"vtsim1:", "the token has no age behind its version"},
        {"vtsim1:x:1::a", "the token has no age behind its version"},
        {"vtsim1:-1:1::a", "the token has no age behind its version"},
        {"vtsim1:99999999999999999999:1::a", "the token has no age behind its version"},
        {"vtsim1:1:", "the token does not say when it was made"},
        {"vtsim1:1:1:a", "the token has a class that cannot be right"},
        {"vtsim1:1:1:%0A:a", "the token has a class that cannot be right"},
        {"vtsim1:1:1::", "the token has a job id that cannot be right; is it complete?"},
        {"vtsim1:1:1::a%", "the token has a job id that cannot be right; is it complete?"},
        {"vtsim1:1:1::a%4", "the token has a job id that cannot be right; is it complete?"},
        {"vtsim1:1:1::a%00", "the token has a job id that cannot be right; is it complete?"},
        {"vtsim1:1:1::a b", "the token has a job id that cannot be right; is it complete?"},
        {"vtsim1:1:1::%FF", "the token has a job id that cannot be right; is it complete?"},
    };
    struct vts_client_error error;
    char id[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(vts_client_token_id(cases[i].text, id, &error), 0);
        assert_int_equal(error.code, VTS_CLIENT_ERR_INVALID);
        assert_string_equal(error.message, cases[i].message);
    }
}

/* ---- the host -------------------------------------------------------------------------------- */

static void the_gate_stays_closed(void **state)
{
    struct gate gate = {0};

    (void)state;
    assert_true(gate_is_open(&gate, 0));
    gate_close(&gate, 1000, 500);
    gate_close(&gate, 1100, 100); /* does not open it earlier */
    assert_false(gate_is_open(&gate, 1499));
    assert_true(gate_is_open(&gate, 1500));
    assert_int_equal(gate.closed, 1);
    gate_close(&gate, 1600, 0);
    assert_int_equal(gate.closed, 1);
    gate_close(&gate, 1600, 1);
    assert_int_equal(gate.closed, 2);
}

static void the_budget_runs_out_and_comes_back(void **state)
{
    struct retry_budget budget;

    (void)state;
    retry_budget_init(&budget, 100, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(retry_budget_take(&budget, 0), 0);
    assert_int_equal(retry_budget_take(&budget, 0), 100); /* ten a second */
    assert_int_equal(retry_budget_take(&budget, 40), 60);
    assert_int_equal(retry_budget_take(&budget, 100), 0);
    assert_true(retry_budget_take(&budget, 100) > 0);
    retry_budget_reward(&budget);
    assert_int_equal(retry_budget_take(&budget, 100), 0);
    for (int i = 0; i < 1000; i++)
        retry_budget_reward(&budget); /* it is never more than full */
    for (int i = 0; i < 100; i++)
        assert_int_equal(retry_budget_take(&budget, 100), 0);
    assert_true(retry_budget_take(&budget, 100) > 0);
}

/* ---- timers ---------------------------------------------------------------------------------- */

static void timers_come_in_order(void **state)
{
    enum { COUNT = 1000 };
    static struct timer all[COUNT];
    struct timers timers = {0};
    struct timer *timer;
    uint64_t chance = 7;
    int64_t last_ms = 0;
    int running = COUNT, seen = 0;

    (void)state;
    assert_int_equal(timers_next_ms(&timers), TIMERS_NEVER);
    for (int i = 0; i < COUNT; i++) {
        assert_true(timers_reserve(&timers));
        timers_set(&timers, &all[i], (int64_t)(chance_next(&chance) % 5000));
    }
    for (int i = 0; i < COUNT; i += 3) { /* some are moved, some are stopped */
        timers_set(&timers, &all[i], (int64_t)(chance_next(&chance) % 5000));
        timers_stop(&timers, &all[i + (i + 1 < COUNT)]);
        running -= 1;
    }
    timers_stop(&timers, &all[1]); /* a second time */
    assert_null(timers_pop(&timers, -1));
    while ((timer = timers_pop(&timers, 5000))) {
        assert_true(timer->due_ms >= last_ms);
        assert_int_equal(timer->place, 0);
        last_ms = timer->due_ms;
        seen++;
    }
    assert_int_equal(seen, running);
    timers_set(&timers, &all[0], TIMERS_NEVER);
    assert_int_equal(timers.count, 0);
    timers_finish(&timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_ends_with_the_job),
        cmocka_unit_test(failures_have_a_schedule_of_their_own),
        cmocka_unit_test(a_wait_knows_what_may_pass),
        cmocka_unit_test(a_start_is_repeated_and_not_doubled),
        cmocka_unit_test(the_strongest_claim_decides),
        cmocka_unit_test(dates_are_read_in_three_forms),
        cmocka_unit_test(what_is_no_date_is_none),
        cmocka_unit_test(retry_after_is_read),
        cmocka_unit_test(features_are_read),
        cmocka_unit_test(tokens_go_there_and_back),
        cmocka_unit_test(bad_tokens_are_refused),
        cmocka_unit_test(the_gate_stays_closed),
        cmocka_unit_test(the_budget_runs_out_and_comes_back),
        cmocka_unit_test(timers_come_in_order),
    };

    return cmocka_run_group_tests_name("client rules", tests, NULL, NULL);
}
