/* SPDX-License-Identifier: MIT
 *
 * /_sim/clock through a real vtsimd: a clock that is moved by hand and what happens on the way, what the wire says of
 * time, what waits without waiting for real, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "run.h"
#include "server.h"

static int setup(void **state)
{
    struct vtsimd *vtsimd = calloc(1, sizeof(*vtsimd));

    if (!vtsimd)
        return -1;
    server_start(vtsimd, "-s", "clock/mode=virtual", "-s", "server/workers=2", NULL);
    *state = vtsimd;
    return 0;
}

/* Moves the clock, and expects it to show this then. */
static void move(const struct vtsimd *vtsimd, const char *body, const char *now)
{
    struct json_object *clock = ask_json(vtsimd, "POST", "/_sim/clock", body, 200);

    assert_string_equal(member_text(clock, "now"), now);
    json_object_put(clock);
}

static void expect_job(const struct vtsimd *vtsimd, const char *id, const char *name,
                       const char *value)
{
    char target[128];
    struct json_object *job;

    snprintf(target, sizeof(target), "/jobs/%s", id);
    job = ask_json(vtsimd, "GET", target, NULL, 200);
    assert_string_equal(member_text(job, name), value);
    json_object_put(job);
}

/* ---- moving ---- */

static void each_job_ends_at_its_own_moment(void **state)
{
    start_job(*state, "late", "{\"after\": 20000}");
    start_job(*state, "soon", "{\"after\": 1500}");
    ask(*state, "GET", "/_sim/clock", NULL, 200,
        "{\"mode\": \"virtual\", \"now\": \"2026-01-01T00:00:00.000Z\", \"rate\": 0, \"frozen\": "
        "false, "
        "\"moving\": false, \"waiting\": 0, \"participants\": [], \"held_by\": []}");
    move(*state, "{\"advance\": \"30s\"}", "2026-01-01T00:00:30.000Z");
    expect_job(*state, "soon", "created_at", "2026-01-01T00:00:00.000Z");
    expect_job(*state, "soon", "ended_at", "2026-01-01T00:00:01.500Z");
    expect_job(*state, "late", "ended_at", "2026-01-01T00:00:20.000Z");
    move(*state, "{\"to\": \"2026-01-01T00:01:00Z\"}", "2026-01-01T00:01:00.000Z");
    move(*state, "{\"to\": \"2026-01-01T00:01:00Z\"}", "2026-01-01T00:01:00.000Z");
    move(*state, "{\"advance\": \"0\"}", "2026-01-01T00:01:00.000Z");
}

static void from_one_thing_to_the_next(void **state)
{
    start_job(*state, "b", "{\"after\": 2000}");
    start_job(*state, "a", "{\"after\": 1000}");
    move(*state, "{\"next\": true}", "2026-01-01T00:00:01.000Z");
    expect_job(*state, "a", "state", "completed");
    expect_job(*state, "b", "state", "running");
    move(*state, "{\"next\": true}", "2026-01-01T00:00:02.000Z");
    expect_job(*state, "b", "state", "completed");
    /* That ended jobs will be forgotten is nothing that happens. */
    ask(*state, "POST", "/_sim/clock", "{\"next\": true}", 409,
        "{\"error\": \"nothing is going to happen: no job, no answer and no sleeper waits for a "
        "moment\"}");
}

/* Jobs of a queue have one order: each is granted its slot when the one before has ended, on the way of one move,
 * and one that is taken out gives its slot to the next. */
static void jobs_that_wait_for_slots(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, "-s", "clock/mode=virtual", "-s", "server/workers=2", "-s",
                 "server/behaviour=q", "-s", "behaviour q/plugin=queue", "-s",
                 "behaviour q/slots=1", "-s", "behaviour q/running=10s", NULL);
    for (int i = 0; i < 5; i++) {
        char body[32];

        snprintf(body, sizeof(body), "{\"job_id\": \"j%d\"}", i);
        ask(&vtsimd, "POST", "/start", body, 200, NULL);
    }
    move(&vtsimd, "{\"next\": true}", "2026-01-01T00:00:10.000Z");
    move(&vtsimd, "{\"advance\": \"12s\"}", "2026-01-01T00:00:22.000Z");
    expect_job(&vtsimd, "j0", "ended_at", "2026-01-01T00:00:10.000Z");
    expect_job(&vtsimd, "j1", "ended_at", "2026-01-01T00:00:20.000Z");
    expect_job(&vtsimd, "j2", "started_at", "2026-01-01T00:00:20.000Z");
    ask(&vtsimd, "POST", "/_sim/reset", "{\"jobs\": \"j2\"}", 200, NULL);
    expect_job(&vtsimd, "j3", "started_at", "2026-01-01T00:00:22.000Z");
    ask(&vtsimd, "POST", "/_sim/jobs/j3/finish", "{\"state\": \"failed\"}", 200, NULL);
    expect_job(&vtsimd, "j4", "started_at", "2026-01-01T00:00:22.000Z");
    ask(&vtsimd, "POST", "/_sim/reset", "{}", 200, NULL);
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"j0\"}", 200, NULL);
    expect_job(&vtsimd, "j0", "started_at", "2026-01-01T00:00:00.000Z");
    server_stop(&vtsimd);
}

/* What is bent by time waits in clock time alone: an hour is over when the clock says so. */
static void what_waits_on_the_clock(void **state)
{
    static const char *const bends[] = {"{\"stall\": 3600000}", "{\"dribble\": 3600000}", "{}"};
    struct http_connection connections[3];
    struct http_response response;
    int64_t before_ms = run_now_ms();
    char id[16], request[128];

    for (int i = 0; i < 3; i++) {
        snprintf(id, sizeof(id), "wait-%d", i);
        start_job(*state, id, bends[i]);
        snprintf(request, sizeof(request), "GET /jobs/%s HTTP/1.1\r\nHost: x\r\n%s\r\n", id,
                 i == 2 ? "Prefer: wait=60\r\n" : "");
        http_connect(&connections[i], ((struct vtsimd *)*state)->port);
        assert_true(http_puts(&connections[i], request));
    }
    for (int waiting = 0; waiting < 3;) {
        struct json_object *clock = ask_json(*state, "GET", "/_sim/clock", NULL, 200);

        waiting = json_object_get_int(json_object_object_get(clock, "waiting"));
        json_object_put(clock);
        assert_true(run_now_ms() < before_ms + EVENT_MS);
    }
    move(*state, "{\"advance\": \"2h\"}", "2026-01-01T02:00:00.000Z");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(http_read(&connections[i], &response), HTTP_ANSWER);
        /* Each at its own moment; a dribbled answer has its Date from its beginning. */
        assert_string_equal(http_header(&response, "Date"), i == 0 ? "Thu, 01 Jan 2026 01:00:00 GMT"
                                                            : i == 1
                                                                ? "Thu, 01 Jan 2026 00:00:00 GMT"
                                                                : "Thu, 01 Jan 2026 00:01:00 GMT");
        http_response_finish(&response);
        http_close(&connections[i]);
    }
    assert_true(run_now_ms() < before_ms + EVENT_MS);
}

static void what_the_wire_says_of_time(void **state)
{
    struct http_response response;

    start_job(*state, "later", "{\"status\": 503, \"retry_after\": 90000, \"date\": 1}");
    move(*state, "{\"to\": \"2031-12-31T23:59:00Z\"}", "2031-12-31T23:59:00.000Z");
    ask_with(*state, "GET", "/jobs/later", NULL, NULL, &response);
    assert_int_equal(response.status, 404); /* an hour and more */
    http_response_finish(&response);
    start_job(*state, "later", "{\"status\": 503, \"retry_after\": 90000, \"date\": 1}");
    ask_with(*state, "GET", "/jobs/later", NULL, NULL, &response);
    assert_string_equal(http_header(&response, "Date"), "Wed, 31 Dec 2031 23:59:00 GMT");
    assert_string_equal(http_header(&response, "Retry-After"), "Thu, 01 Jan 2032 00:00:30 GMT");
    http_response_finish(&response);
}

/* ---- other clocks ---- */

/* A clock that runs is moved on, frozen, and given another speed. */
static void a_clock_that_runs(void **state)
{
    struct json_object *clock;
    struct vtsimd vtsimd;
    char *now;

    (void)state;
    server_start(&vtsimd, "-s", "clock/mode=scaled", "-s", "clock/rate=0.001", "-s",
                 "clock/start=2030-01-01T00:00:00Z", "-s", "server/keep_ended=400d", NULL);
    start_job(&vtsimd, "job", "{\"after\": 60000}");
    clock = ask_json(&vtsimd, "POST", "/_sim/clock", "{\"advance\": \"1m\"}", 200);
    assert_begins(member_text(clock, "now"), "2030-01-01T00:01:00.");
    assert_string_equal(member_text(clock, "mode"), "scaled");
    json_object_put(clock);
    expect_job(&vtsimd, "job", "state", "completed");
    clock = ask_json(&vtsimd, "POST", "/_sim/clock", "{\"freeze\": true}", 200);
    now = strdup(member_text(clock, "now"));
    json_object_put(clock);
    clock = ask_json(&vtsimd, "GET", "/_sim/clock", NULL, 200);
    assert_string_equal(member_text(clock, "now"), now);
    assert_true(json_object_get_boolean(json_object_object_get(clock, "frozen")));
    json_object_put(clock);
    free(now);
    /* An hour in 36 ms: kept for minutes. */
    start_job(&vtsimd, "hour", "{\"after\": 3600000}");
    clock = ask_json(&vtsimd, "POST", "/_sim/clock", "{\"rate\": 100000}", 200);
    assert_false(json_object_get_boolean(json_object_object_get(clock, "frozen")));
    json_object_put(clock);
    wait_for_state(&vtsimd, "hour", "completed");
    server_stop(&vtsimd);
}

static void the_real_clock_is_moved_on(void **state)
{
    struct json_object *clock;
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, NULL);
    start_job(&vtsimd, "job", "{\"after\": 600000}");
    clock = ask_json(&vtsimd, "POST", "/_sim/clock", "{\"advance\": \"10m\"}", 200);
    assert_string_equal(member_text(clock, "mode"), "real");
    json_object_put(clock);
    expect_job(&vtsimd, "job", "state", "completed");
    server_stop(&vtsimd);
}

static char *clock_now_of(const struct vtsimd *vtsimd)
{
    struct json_object *clock = ask_json(vtsimd, "GET", "/_sim/clock", NULL, 200);
    char *now = strdup(member_text(clock, "now"));

    json_object_put(clock);
    return now;
}

/* SQLite keeps what a virtual clock showed, over an end in order and over a kill. */
static void a_virtual_clock_outlives_its_process(void **state)
{
    struct vtsimd vtsimd;
    char folder[FOLDER_ROOM], path[FOLDER_ROOM + 32], *now;

    (void)state;
    folder_make(folder);
    snprintf(path, sizeof(path), "store/path=%s/jobs.db", folder);
    server_start(&vtsimd, "-s", "clock/mode=virtual", "-s", "store/kind=sqlite", "-s", path, NULL);
    move(&vtsimd, "{\"advance\": \"1d\"}", "2026-01-02T00:00:00.000Z");
    vtsimd_kill(&vtsimd);
    vtsimd_finish(&vtsimd);
    server_start(&vtsimd, "-s", "clock/mode=virtual", "-s", "store/kind=sqlite", "-s", path, NULL);
    now = clock_now_of(&vtsimd);
    assert_string_equal(now, "2026-01-02T00:00:00.000Z");
    free(now);
    move(&vtsimd, "{\"advance\": \"1d\"}", "2026-01-03T00:00:00.000Z");
    server_stop(&vtsimd);
    server_start(&vtsimd, "-s", "clock/mode=virtual", "-s", "store/kind=sqlite", "-s", path, NULL);
    now = clock_now_of(&vtsimd);
    assert_string_equal(now, "2026-01-03T00:00:00.000Z");
    free(now);
    /* Also where it went back. */
    ask(&vtsimd, "POST", "/_sim/reset", "{}", 200, NULL);
    vtsimd_kill(&vtsimd);
    vtsimd_finish(&vtsimd);
    server_start(&vtsimd, "-s", "clock/mode=virtual", "-s", "store/kind=sqlite", "-s", path, NULL);
    now = clock_now_of(&vtsimd);
    assert_string_equal(now, "2026-01-01T00:00:00.000Z");
    free(now);
    server_stop(&vtsimd);
    folder_remove(folder);
}

/* ---- what is refused ---- */

static void what_no_clock_does(void **state)
{
    static const struct {
        const char *body;
        const char *error;
    } wrong[] = {
        {"{\"advance\": \"-30s\"}", "advance: time never goes back"},
        {"{\"advance\": \"365000d\"}",
         "advance: 365000d is too far: a hundred years (36500d) is the most"},
        {"{\"advance\": \"NaN\"}",
         "advance: \\\"NaN\\\" is not a time; write one number and one unit: "
         "250ms, 10s, 2m, 1h or 1d"},
        {"{\"advance\": 30}", "advance is not a time: write it as a string such as \\\"30s\\\""},
        {"{\"advance\": NaN}",
         "the body is not JSON (RFC 8259): a number, a word or a string in it is none"},
        {"{\"to\": \"2025-12-31T23:59:59Z\"}",
         "a clock never goes back, and this one shows 2026-01-01T00:00:00.000Z"},
        {"{\"to\": \"3026-01-01T00:00:00Z\"}",
         "that is too far: a hundred years (36500d) is the most, "
         "from 2026-01-01T00:00:00.000Z on"},
        {"{\"to\": \"tomorrow\"}",
         "to is no moment: write one such as \\\"2026-01-01T00:00:00Z\\\", up "
         "to the year 9999"},
        {"{\"rate\": 0}", "rate must be from 0.001 to 1000000: seconds of the clock in one second"},
        {"{\"rate\": -1}",
         "rate must be from 0.001 to 1000000: seconds of the clock in one second"},
        {"{\"rate\": 1000000000}",
         "rate must be from 0.001 to 1000000: seconds of the clock in one second"},
        {"{\"rate\": \"60\"}", "rate is not a number"},
        {"{\"freeze\": 1}", "freeze is neither true nor false"},
        {"{\"next\": false}", "next can only be true"},
        {"{}", "this takes exactly one of freeze, advance, to, next and rate"},
        {"{\"freeze\": true, \"next\": true}",
         "this takes exactly one of freeze, advance, to, next and rate"},
        {"{\"advanse\": \"1s\"}", "unknown member \\\"advanse\\\"; did you mean \\\"advance\\\"?"},
        {"{\"x\": 1}",
         "unknown member \\\"x\\\": this takes one of freeze, advance, to, next and rate"},
        {"", "the body is empty: send a JSON object"},
    };
    char answer[512];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(answer, sizeof(answer), "{\"error\": \"%s\"}", wrong[i].error);
        ask(*state, "POST", "/_sim/clock", wrong[i].body, 400, answer);
    }
    ask(*state, "GET", "/_sim/clock?x=1", NULL, 400,
        "{\"error\": \"unknown parameter \\\"x\\\": this path takes none\"}");
    move(*state, "{\"advance\": \"0\"}", "2026-01-01T00:00:00.000Z");
}

static void time_has_an_end(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, "-s", "clock/mode=virtual", "-s", "clock/start=9999-12-31T00:00:00Z",
                 NULL);
    ask(&vtsimd, "POST", "/_sim/clock", "{\"advance\": \"2d\"}", 400,
        "{\"error\": \"that is too far: time ends with the year 9999, and this clock shows "
        "9999-12-31T00:00:00.000Z\"}");
    move(&vtsimd, "{\"to\": \"9999-12-31T23:59:59.999Z\"}", "9999-12-31T23:59:59.999Z");
    ask(&vtsimd, "POST", "/_sim/clock", "{\"advance\": \"1ms\"}", 400, NULL);
    server_stop(&vtsimd);
}

/* A store that others write to has the one clock that all of them have. */
static void a_shared_store_has_the_real_clock(void **state)
{
    struct run_result result;

    (void)state;
    run_command((const char *const[]){VTSIM_BUILD_DIR "/bin/vtsimd", "-s", "store/kind=redis", "-s",
                                      "clock/mode=virtual", "--check", NULL},
                &result);
    if (strstr(result.err, "no store \"redis\"")) {
        run_result_finish(&result);
        skip();
    }
    assert_int_equal(result.status, 2);
    assert_string_equal(
        result.err,
        "-s: [clock] mode: the store redis is shared by several vtsimds, which need one "
        "time: its clock is the real one; write mode = real, or take [store] kind = "
        "memory or sqlite\n");
    run_result_finish(&result);
}

#define WITH_CLOCK(test) cmocka_unit_test_setup_teardown(test, setup, server_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CLOCK(each_job_ends_at_its_own_moment),
        WITH_CLOCK(from_one_thing_to_the_next),
        cmocka_unit_test(jobs_that_wait_for_slots),
        WITH_CLOCK(what_waits_on_the_clock),
        WITH_CLOCK(what_the_wire_says_of_time),
        cmocka_unit_test(a_clock_that_runs),
        cmocka_unit_test(the_real_clock_is_moved_on),
        cmocka_unit_test(a_virtual_clock_outlives_its_process),
        WITH_CLOCK(what_no_clock_does),
        cmocka_unit_test(time_has_an_end),
        cmocka_unit_test(a_shared_store_has_the_real_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
