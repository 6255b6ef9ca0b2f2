/* SPDX-License-Identifier: MIT
 *
 * Clients that sleep through the server, through a real vtsimd: whom the clock waits for, in which order sleepers
 * are woken, who has left, and that a history repeats. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"
#include "server.h"

#define CLIENTS 20
#define POLLS   10

static int start(void **state, const char *silent, const char *participants)
{
    struct vtsimd *vtsimd = calloc(1, sizeof(*vtsimd));

    if (!vtsimd)
        return -1;
    server_start(vtsimd, "-s", "clock/mode=virtual", "-s", "server/workers=2", "-s", silent, "-s",
                 participants, NULL);
    *state = vtsimd;
    return 0;
}

static int setup(void **state) { return start(state, "clock/silent=1h", "clock/participants=4"); }

static int setup_many(void **state)
{
    return start(state, "clock/silent=1h", "clock/participants=2000");
}

static int setup_silent(void **state)
{
    return start(state, "clock/silent=200ms", "clock/participants=4");
}

/* ---- one client ---- */

static void join(const struct vtsimd *vtsimd, const char *name)
{
    char body[128], answer[128];

    snprintf(body, sizeof(body), "{\"as\": \"%s\"}", name);
    snprintf(answer, sizeof(answer), "{\"as\": \"%s\"}", name);
    ask(vtsimd, "POST", "/_sim/clock/participants", body, 200, answer);
}

static void leave(const struct vtsimd *vtsimd, const char *name, int status)
{
    char target[128];

    snprintf(target, sizeof(target), "/_sim/clock/participants/%s", name);
    ask(vtsimd, "DELETE", target, NULL, status, NULL);
}

static void fall_asleep(const struct vtsimd *vtsimd, struct http_connection *connection,
                        const char *name, const char *span)
{
    char body[128];

    snprintf(body, sizeof(body), "{\"for\": \"%s\", \"as\": \"%s\"}", span, name);
    http_connect(connection, vtsimd->port);
    assert_true(http_send_request(connection, "POST", "/_sim/clock/sleep", body));
}

static void expect_answer(struct http_connection *connection, int status, const char *body)
{
    struct http_response response;

    assert_int_equal(http_read(connection, &response), HTTP_ANSWER);
    if (response.status != status || strcmp(response.body, body) != 0)
        fail_msg("%d %s, not %d %s", response.status, response.body, status, body);
    http_response_finish(&response);
    http_close(connection);
}

static void expect_woken(struct http_connection *connection, const char *now)
{
    char body[128];

    snprintf(body, sizeof(body), "{\"now\": \"%s\"}", now);
    expect_answer(connection, 200, body);
}

/* Waits until GET /_sim/clock has this in its answer. */
static void wait_for(const struct vtsimd *vtsimd, const char *what)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;
    struct json_object *clock;
    bool there = false;

    while (!there) {
        clock = ask_json(vtsimd, "GET", "/_sim/clock", NULL, 200);
        there = strstr(json_object_to_json_string_ext(clock, JSON_C_TO_STRING_PLAIN), what) != NULL;
        if (!there && run_now_ms() > until_ms)
            fail_msg("not %s: %s", what, json_object_to_json_string(clock));
        json_object_put(clock);
    }
}

/* ---- whom the clock waits for ---- */

static void the_clock_jumps_when_all_sleep(void **state)
{
    struct http_connection a, b;

    join(*state, "b");
    fall_asleep(*state, &a, "a", "1h");
    /* b holds it, and is named. */
    wait_for(*state, "\"state\":\"asleep\",\"until\":\"2026-01-01T01:00:00.000Z\"");
    wait_for(*state, "\"now\":\"2026-01-01T00:00:00.000Z\"");
    wait_for(*state, "\"held_by\":[\"b\"]");
    fall_asleep(*state, &b, "b", "30m");
    expect_woken(&b, "2026-01-01T00:30:00.000Z");
    leave(*state, "b", 200);
    leave(*state, "b", 404);
    expect_woken(&a, "2026-01-01T01:00:00.000Z");
}

/* Those of one moment one after the other, by name, each when the one before sleeps again or has left. */
static void sleepers_of_one_moment_are_woken_in_turn(void **state)
{
    struct http_connection a, b, c;

    join(*state, "a");
    join(*state, "b");
    join(*state, "c");
    fall_asleep(*state, &c, "c", "10s");
    fall_asleep(*state, &b, "b", "10s");
    fall_asleep(*state, &a, "a", "10s");
    expect_woken(&a, "2026-01-01T00:00:10.000Z");
    wait_for(*state, "\"held_by\":[\"a\"]");
    leave(*state, "a", 200);
    expect_woken(&b, "2026-01-01T00:00:10.000Z");
    wait_for(*state, "\"held_by\":[\"b\"]");
    /* One that sleeps on at this moment comes behind those who still wait for their turn. */
    fall_asleep(*state, &b, "b", "0");
    expect_woken(&c, "2026-01-01T00:00:10.000Z");
    leave(*state, "c", 200);
    expect_woken(&b, "2026-01-01T00:00:10.000Z");
}

/* A request that waits on the clock stands for a participant that is awake. */
static void a_stall_counts_as_sleep(void **state)
{
    struct http_connection sleeper, stalled;
    struct http_response response;

    start_job(*state, "stalls", "{\"stall\": 5000}");
    join(*state, "polls");
    fall_asleep(*state, &sleeper, "sleeps", "1m");
    wait_for(*state, "\"state\":\"asleep\"");
    http_connect(&stalled, ((struct vtsimd *)*state)->port);
    assert_true(http_send_request(&stalled, "GET", "/status?job_id=stalls", NULL));
    assert_int_equal(http_read(&stalled, &response), HTTP_ANSWER);
    assert_string_equal(http_header(&response, "Date"), "Thu, 01 Jan 2026 00:00:05 GMT");
    http_response_finish(&response);
    http_close(&stalled);
    wait_for(*state, "\"held_by\":[\"polls\"]");
    leave(*state, "polls", 200);
    expect_woken(&sleeper, "2026-01-01T00:01:00.000Z");
}

/* So does a poll that waits for news, and the job's end is news at its own moment. */
static void a_long_poll_counts_as_sleep(void **state)
{
    struct http_connection sleeper;
    struct http_response response;

    start_job(*state, "job", "{\"after\": 7000}");
    join(*state, "polls");
    fall_asleep(*state, &sleeper, "sleeps", "1m");
    wait_for(*state, "\"state\":\"asleep\"");
    ask_with(*state, "GET", "/jobs/job", "Prefer: wait=30\r\n", NULL, &response);
    assert_string_equal(http_header(&response, "Date"), "Thu, 01 Jan 2026 00:00:07 GMT");
    assert_non_null(strstr(response.body, "\"state\": \"completed\""));
    http_response_finish(&response);
    leave(*state, "polls", 200);
    expect_woken(&sleeper, "2026-01-01T00:01:00.000Z");
}

static void a_frozen_clock_does_not_jump(void **state)
{
    struct http_connection sleeper;

    ask(*state, "POST", "/_sim/clock", "{\"freeze\": true}", 200, NULL);
    fall_asleep(*state, &sleeper, "a", "10s");
    wait_for(*state, "\"state\":\"asleep\"");
    ask(*state, "POST", "/_sim/clock", "{\"advance\": \"9s\"}", 200, NULL);
    wait_for(*state, "\"now\":\"2026-01-01T00:00:09.000Z\"");
    ask(*state, "POST", "/_sim/clock", "{\"freeze\": false}", 200, NULL);
    expect_woken(&sleeper, "2026-01-01T00:00:10.000Z");
}

/* A hand that moves the clock wakes sleepers on the way, and goes on when they sleep again. */
static void a_hand_waits_for_those_it_wakes(void **state)
{
    struct http_connection hand, sleeper;
    struct http_response response;

    join(*state, "holds");
    fall_asleep(*state, &sleeper, "a", "10s");
    wait_for(*state, "\"state\":\"asleep\"");
    http_connect(&hand, ((struct vtsimd *)*state)->port);
    assert_true(http_send_request(&hand, "POST", "/_sim/clock", "{\"advance\": \"1m\"}"));
    expect_woken(&sleeper, "2026-01-01T00:00:10.000Z");
    wait_for(*state, "\"now\":\"2026-01-01T00:00:10.000Z\"");
    ask(*state, "POST", "/_sim/clock", "{\"rate\": 2}", 409,
        "{\"error\": \"the clock is being moved: wait for the answer to that\"}");
    fall_asleep(*state, &sleeper, "a", "1h");
    assert_int_equal(http_read(&hand, &response), HTTP_ANSWER);
    assert_non_null(strstr(response.body, "\"now\": \"2026-01-01T00:01:00.000Z\""));
    http_response_finish(&response);
    http_close(&hand);
    leave(*state, "holds", 200);
    expect_woken(&sleeper, "2026-01-01T01:00:10.000Z");
}

/* ---- who has left ---- */

static void one_whose_connection_breaks_has_left(void **state)
{
    struct http_connection gone, sleeper;

    fall_asleep(*state, &sleeper, "stays", "1h");
    expect_woken(&sleeper, "2026-01-01T01:00:00.000Z");
    fall_asleep(*state, &gone, "gone", "10s");
    wait_for(*state, "\"held_by\":[\"stays\"]");
    http_reset(&gone);
    wait_for(*state, "\"participants\":[{\"name\":\"stays\"");
    fall_asleep(*state, &sleeper, "stays", "1h");
    expect_woken(&sleeper, "2026-01-01T02:00:00.000Z");
}

static void one_that_is_silent_has_left(void **state)
{
    struct http_connection sleeper;

    join(*state, "silent");
    fall_asleep(*state, &sleeper, "a", "1h");
    expect_woken(&sleeper, "2026-01-01T01:00:00.000Z");
    wait_for(*state, "\"participants\":[]");
}

static void one_that_is_taken_out_is_told(void **state)
{
    struct http_connection sleeper;

    join(*state, "holds");
    fall_asleep(*state, &sleeper, "a", "1h");
    wait_for(*state, "\"state\":\"asleep\"");
    leave(*state, "a", 200);
    expect_answer(&sleeper, 409,
                  "{\"error\": \"this participant was taken out during its sleep\"}");
}

/* ---- limits and mistakes ---- */

static void not_more_than_allowed(void **state)
{
    struct http_response response;
    char name[16];

    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "%d", i);
        join(*state, name);
    }
    ask_with(*state, "POST", "/_sim/clock/sleep", NULL, "{\"for\": \"1s\", \"as\": \"more\"}",
             &response);
    assert_int_equal(response.status, 503);
    assert_string_equal(http_header(&response, "Retry-After"), "1");
    assert_string_equal(response.body, "{\"error\": \"there are as many participants as [clock] "
                                       "participants allows (4)\"}");
    http_response_finish(&response);
    join(*state, "0"); /* takes part already */
}

static void what_is_no_sleep(void **state)
{
    struct http_connection sleeper;

    ask(*state, "POST", "/_sim/clock/sleep", "{\"as\": \"a\"}", 400,
        "{\"error\": \"for is missing\"}");
    ask(*state, "POST", "/_sim/clock/sleep", "{\"for\": \"1s\"}", 400,
        "{\"error\": \"as is missing\"}");
    ask(*state, "POST", "/_sim/clock/sleep", "{\"for\": \"1s\", \"as\": \"\"}", 400,
        "{\"error\": \"as is empty\"}");
    ask(*state, "POST", "/_sim/clock/sleep", "{\"for\": \"-1s\", \"as\": \"a\"}", 400,
        "{\"error\": \"for: time never goes back\"}");
    ask(*state, "POST", "/_sim/clock/participants", "{\"as\": 1}", 400,
        "{\"error\": \"as is not a string\"}");
    ask(*state, "POST", "/_sim/clock/participants", "{\"name\": \"a\"}", 400,
        "{\"error\": \"unknown member \\\"name\\\": this takes as\"}");
    join(*state, "holds");
    fall_asleep(*state, &sleeper, "a", "1s");
    wait_for(*state, "\"state\":\"asleep\"");
    ask(*state, "POST", "/_sim/clock/sleep", "{\"for\": \"1s\", \"as\": \"a\"}", 409,
        "{\"error\": \"this participant sleeps already\"}");
    leave(*state, "holds", 200);
    expect_woken(&sleeper, "2026-01-01T00:00:01.000Z");
}

/* ---- many ---- */

struct client {
    struct http_connection connection;
    int polls;
    bool sleeping;
};

static uint64_t mix(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return hash;
}

static void ask_next(struct client *client, int index)
{
    char body[128], target[64];

    snprintf(body, sizeof(body), "{\"for\": \"%ds\", \"as\": \"client-%02d\"}", 1 + index % 3,
             index);
    snprintf(target, sizeof(target), "/status?job_id=job-%d", index);
    client->sleeping = !client->sleeping;
    if (client->sleeping)
        assert_true(http_send_request(&client->connection, "POST", "/_sim/clock/sleep", body));
    else
        assert_true(http_send_request(&client->connection, "GET", target, NULL));
}

/* Reads an answer and asks on. True where it has polled enough, and left. */
static bool go_on(const struct vtsimd *vtsimd, struct client *client, int index, uint64_t *hash)
{
    struct http_response response;
    char text[32];

    assert_int_equal(http_read(&client->connection, &response), HTTP_ANSWER);
    assert_int_equal(response.status, 200);
    snprintf(text, sizeof(text), "%d ", index);
    *hash = mix(mix(*hash, text), response.body);
    http_response_finish(&response);
    client->polls += !client->sleeping;
    if (client->polls < POLLS) {
        ask_next(client, index);
        return false;
    }
    http_close(&client->connection);
    snprintf(text, sizeof(text), "client-%02d", index);
    leave(vtsimd, text, 200);
    return true;
}

/* All that clients were told, in the order in which they were. */
static uint64_t history(const struct vtsimd *vtsimd)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    struct client clients[CLIENTS] = {0};
    struct pollfd fds[CLIENTS];
    char text[64];
    int left = CLIENTS;

    for (int i = 0; i < CLIENTS; i++) {
        snprintf(text, sizeof(text), "client-%02d", i);
        join(vtsimd, text);
        snprintf(text, sizeof(text), "job-%d", i);
        start_job(vtsimd, text, "{\"after\": 8000}");
        http_connect(&clients[i].connection, vtsimd->port);
        fds[i] = (struct pollfd){clients[i].connection.fd, POLLIN, 0};
    }
    for (int i = 0; i < CLIENTS; i++)
        ask_next(&clients[i], i);
    while (left > 0) {
        assert_true(poll(fds, CLIENTS, EVENT_MS) > 0);
        for (int i = 0; i < CLIENTS; i++)
            if (fds[i].fd >= 0 && fds[i].revents && go_on(vtsimd, &clients[i], i, &hash)) {
                fds[i].fd = -1;
                left--;
            }
    }
    return hash;
}

static void the_same_history_in_every_run(void **state)
{
    uint64_t first = history(*state);

    for (int i = 0; i < 3; i++) {
        ask(*state, "POST", "/_sim/reset", "{}", 200, NULL);
        assert_true(history(*state) == first);
    }
}

/* In the middle of a thousand sleeps and polls: each is answered, and the server serves on. */
static void a_reset_in_the_middle(void **state)
{
    enum { SLEEPS = 1000, MANY = 1100 };
    static struct http_connection connections[MANY];
    struct http_response response;
    char text[64];

    /* Else the polls would stand for the one that is awake. */
    ask(*state, "POST", "/_sim/clock", "{\"freeze\": true}", 200, NULL);
    start_job(*state, "job", "{}");
    for (int i = 0; i < SLEEPS; i++) {
        snprintf(text, sizeof(text), "sleeper-%d", i);
        fall_asleep(*state, &connections[i], text, "1h");
    }
    for (int i = SLEEPS; i < MANY; i++) {
        http_connect(&connections[i], ((struct vtsimd *)*state)->port);
        assert_true(http_puts(&connections[i],
                              "GET /jobs/job HTTP/1.1\r\nHost: x\r\nPrefer: wait=60\r\n\r\n"));
    }
    wait_for(*state, "\"waiting\":100");
    for (int asleep = 0; asleep < SLEEPS;) {
        struct json_object *clock = ask_json(*state, "GET", "/_sim/clock", NULL, 200);

        asleep = (int)json_object_array_length(json_object_object_get(clock, "participants"));
        json_object_put(clock);
    }
    ask(*state, "POST", "/_sim/reset", "{}", 200, NULL);
    for (int i = 0; i < SLEEPS; i++)
        expect_answer(&connections[i], 409,
                      "{\"error\": \"the clock was reset during this sleep\"}");
    for (int i = SLEEPS; i < MANY; i++) {
        assert_int_equal(http_read(&connections[i], &response), HTTP_ANSWER);
        assert_int_equal(response.status, 404);
        http_response_finish(&response);
        http_close(&connections[i]);
    }
    ask(*state, "GET", "/jobs", NULL, 200, "{\"jobs\": [], \"next\": null}");
}

/* ---- the end ---- */

static void sleepers_are_told_of_the_end(void **state)
{
    struct http_connection sleeper;
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, "-s", "clock/mode=virtual", NULL);
    join(&vtsimd, "holds");
    fall_asleep(&vtsimd, &sleeper, "a", "1h");
    wait_for(&vtsimd, "\"state\":\"asleep\"");
    server_stop(&vtsimd);
    expect_answer(&sleeper, 409,
                  "{\"error\": \"this participant was taken out during its sleep\"}");
}

#define WITH(test, setup) cmocka_unit_test_setup_teardown(test, setup, server_teardown)

/* By the timer of the worker that took it, as by that of another. */
static void a_clock_that_runs_wakes_them_itself(void **state)
{
    struct http_connection connection;
    struct http_response response;
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, "-s", "clock/mode=scaled", "-s", "clock/rate=100000", "-s",
                 "clock/silent=1h", "-s", "server/workers=1", NULL);
    for (int i = 0; i < 5; i++) {
        fall_asleep(&vtsimd, &connection, "a", i % 2 ? "0" : "10m");
        assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
        assert_int_equal(response.status, 200);
        http_response_finish(&response);
        http_close(&connection);
    }
    /* one that is awake does not hold it */
    wait_for(&vtsimd, "\"state\":\"awake\"");
    wait_for(&vtsimd, "\"held_by\":[]");
    ask(&vtsimd, "POST", "/_sim/clock", "{\"freeze\": true}", 200, NULL);
    wait_for(&vtsimd, "\"held_by\":[\"a\"]");
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(the_clock_jumps_when_all_sleep, setup),
        WITH(sleepers_of_one_moment_are_woken_in_turn, setup),
        WITH(a_stall_counts_as_sleep, setup),
        WITH(a_long_poll_counts_as_sleep, setup),
        WITH(a_frozen_clock_does_not_jump, setup),
        cmocka_unit_test(a_clock_that_runs_wakes_them_itself),
        WITH(a_hand_waits_for_those_it_wakes, setup),
        WITH(one_whose_connection_breaks_has_left, setup),
        WITH(one_that_is_silent_has_left, setup_silent),
        WITH(one_that_is_taken_out_is_told, setup),
        WITH(not_more_than_allowed, setup),
        WITH(what_is_no_sleep, setup),
        WITH(the_same_history_in_every_run, setup_many),
        WITH(a_reset_in_the_middle, setup_many),
        cmocka_unit_test(sleepers_are_told_of_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
