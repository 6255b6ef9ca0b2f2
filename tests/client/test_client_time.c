/* SPDX-License-Identifier: MIT
 *
 * When the client asks and why, to the millisecond: on a virtual clock against a scripted server, so that
 * hours pass at once. The traces are the expectations. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"
#include "scripted.h"
#include "waiting.h"

/* A server, a clock, a handle that is blocking or on a loop, and what happened. */
struct world {
    struct scripted server;
    struct vts_client_clock *clock;
    struct vts_client_plan *plan;
    struct vts_client_options options;
    struct vts_client *client;
    struct event_base *base;
    struct diary diary;
};

static void world_init(struct world *world, const struct scripted_step *steps, size_t count)
{
    memset(world, 0, sizeof(*world));
    scripted_start(&world->server, steps, count);
    world->clock = vts_client_clock_virtual();
    world->plan = waiting_plan();
    waiting_options(&world->options, world->server.url, world->clock, &world->diary);
    world->options.plan = world->plan;
}

static void world_open(struct world *world, bool blocking)
{
    struct vts_client_error error = {0};

    world->base = blocking ? NULL : event_base_new();
    world->client = vts_client_create(world->base, &world->options, &error);
    assert_string_equal(error.message, "");
}

static void world_finish(struct world *world)
{
    vts_client_destroy(world->client);
    if (world->base)
        event_base_free(world->base);
    vts_client_clock_release(world->clock);
    vts_client_plan_release(world->plan);
    scripted_stop(&world->server);
}

/* One blocking run or wait under these options, and what was to happen. */
static void assert_story(const struct scripted_step *steps, size_t count,
                         void (*set)(struct vts_client_options *), bool starts,
                         const char *expected)
{
    struct world world;

    world_init(&world, steps, count);
    if (set)
        set(&world.options);
    world_open(&world, true);
    if (starts)
        vts_client_run_sync(world.client, "x", NULL);
    else
        vts_client_wait_sync(world.client, "x", NULL);
    diary_expect(&world.diary, expected);
    world_finish(&world);
}

/* ---- the clock ------------------------------------------------------------------------------- */

static void ten_minutes_take_milliseconds(void **state)
{
    static const struct scripted_step steps[] = {STARTED, PENDING};
    int64_t began_ms = run_now_ms();
    const struct vts_client_result *result;
    struct world world;

    (void)state;
    world_init(&world, steps, COUNT(steps));
    world.options.trace = NULL;
    world.options.deadline_ms = 600000;
    world_open(&world, true);
    result = vts_client_run_sync(world.client, "x", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_DEADLINE);
    assert_int_equal(result->elapsed_ms, 600000);
    assert_int_equal(vts_client_clock_now_ms(world.clock), 600000);
    assert_int_equal(result->polls, 600); /* each second, and a last one */
    assert_true(run_now_ms() - began_ms < 10000);
    world_finish(&world);
}

static void the_clock_can_be_moved_by_hand(void **state)
{
    static const struct scripted_step steps[] = {{.end = SCRIPTED_STALL}};
    struct world world;

    (void)state;
    world_init(&world, steps, COUNT(steps));
    world.options.deadline_ms = 86400000;
    world_open(&world, false);
    assert_non_null(vts_client_wait(world.client, "x", NULL, NULL));
    while (!atomic_load(&world.server.requests)) /* it stands while a request is under way */
        event_base_loop(world.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_int_equal(vts_client_clock_now_ms(world.clock), 0);
    vts_client_clock_advance(world.clock, 19999);
    event_base_loop(world.base, EVLOOP_NONBLOCK);
    vts_client_clock_advance(world.clock, 1);
    event_base_loop(world.base, EVLOOP_NONBLOCK);
    assert_ptr_equal(strstr(world.diary.text, "0 GET /status now\n20000 a request took too long\n"
                                              "wait 250 retry\n"),
                     world.diary.text);
    vts_client_clock_advance(world.clock, 0);
    vts_client_clock_advance(world.clock, INT64_MAX);
    event_base_dispatch(world.base);
    assert_non_null(strstr(world.diary.text, " end: the deadline passed\n"));
    world_finish(&world);
}

static void set_short_timeout(struct vts_client_options *options)
{
    options->request_timeout_ms = 50;
    options->max_errors = 2;
}

static void a_server_that_stalls_moves_a_virtual_clock(void **state)
{
    static const struct scripted_step steps[] = {{.end = SCRIPTED_STALL}};

    (void)state;
    assert_story(steps, 1, set_short_timeout, false,
                 "0 GET /status now\n50 a request took too long\nwait 250 retry\n"
                 "300 GET /status retry\n350 a request took too long\n"
                 "350 end: a request took too long\n");
}

/* ---- a clock of one's own -------------------------------------------------------------------- */

/* Ten times as fast as the real one. */
struct fast_clock {
    struct event_base *base;
    int alarms;
};

struct fast_alarm {
    struct event *event;
    struct fast_clock *clock;
};

static int64_t fast_now_ms(void *arg)
{
    (void)arg;
    return run_now_ms() * 10;
}

static void *fast_create(void *arg, void (*ring)(void *), void *ring_arg);

struct ringer {
    struct fast_alarm alarm;
    void (*ring)(void *);
    void *arg;
};

static void on_fast(evutil_socket_t fd, short what, void *arg)
{
    struct ringer *ringer = arg;

    (void)fd;
    (void)what;
    ringer->ring(ringer->arg);
}

static void *fast_create(void *arg, void (*ring)(void *), void *ring_arg)
{
    struct fast_clock *clock = arg;
    struct ringer *ringer = calloc(1, sizeof(*ringer));

    assert_non_null(ringer);
    clock->alarms++;
    ringer->alarm.clock = clock;
    ringer->alarm.event = evtimer_new(clock->base, on_fast, ringer);
    ringer->ring = ring;
    ringer->arg = ring_arg;
    return ringer;
}

static void fast_set(void *alarm, int64_t at_ms)
{
    struct ringer *ringer = alarm;
    int64_t left_ms = (at_ms - fast_now_ms(NULL) + 9) / 10;
    struct timeval after = {0};

    if (at_ms == INT64_MAX) {
        event_del(ringer->alarm.event);
        return;
    }
    if (left_ms > 0)
        after = (struct timeval){.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    event_add(ringer->alarm.event, &after);
}

static void fast_destroy(void *alarm)
{
    struct ringer *ringer = alarm;

    ringer->alarm.clock->alarms--;
    event_free(ringer->alarm.event);
    free(ringer);
}

static void a_clock_may_be_ones_own(void **state)
{
    static const struct vts_client_clock_source source = {.size = sizeof(source),
                                                          .now_ms = fast_now_ms,
                                                          .alarm_create = fast_create,
                                                          .alarm_set = fast_set,
                                                          .alarm_destroy = fast_destroy};
    static const struct scripted_step steps[] = {PENDING, PENDING, COMPLETED};
    struct fast_clock fast = {.base = event_base_new()};
    struct world world;
    int64_t began_ms = run_now_ms();

    (void)state;
    world_init(&world, steps, COUNT(steps));
    vts_client_clock_release(world.clock);
    world.options.clock = world.clock = vts_client_clock_custom(&source, &fast);
    world.base = fast.base;
    world.client = vts_client_create(fast.base, &world.options, NULL);
    assert_int_equal(fast.alarms, 1);
    assert_non_null(vts_client_wait(world.client, "x", NULL, NULL));
    event_base_dispatch(fast.base);
    assert_non_null(strstr(world.diary.text, "end: no error"));
    assert_true(run_now_ms() - began_ms >= 199); /* two seconds, ten times as fast */
    world_finish(&world);
    assert_int_equal(fast.alarms, 0);
    assert_null(vts_client_clock_custom(&(struct vts_client_clock_source){.size = 0}, NULL));
}

/* ---- plans and failures ---------------------------------------------------------------------- */

static void polls_follow_the_plan_and_failures_their_own(void **state)
{
    static const struct scripted_step steps[] = {
        STARTED, PENDING,  {.status = "502 Bad Gateway", .body = "<html>"}, {.end = SCRIPTED_RESET},
        PENDING, COMPLETED};

    (void)state;
    assert_story(steps, COUNT(steps), NULL, true,
                 "0 POST /start now\n0 200\nwait 1000 plan\n"
                 "1000 GET /status plan\n1000 200\nwait 1000 plan\n"
                 "2000 GET /status plan\n2000 502\nwait 250 retry\n"
                 "2250 GET /status retry\n2250 the server was not reached\nwait 500 retry\n"
                 "2750 GET /status retry\n2750 200\nwait 1000 plan\n"
                 "3750 GET /status plan\n3750 200\n3750 end: no error\n");
}

static void too_many_errors_end_it_before_its_deadline(void **state)
{
    static const struct scripted_step steps[] = {STARTED, {.status = "404 Not Found", .body = ""}};
    static const int64_t at_ms[] = {1000, 1250, 1750, 2750, 4750, 8750, 13750, 18750, 23750, 28750};
    struct diary expected = {.used = 0};
    char *text = expected.text;

    (void)state;
    text += sprintf(text, "0 POST /start now\n0 200\nwait 1000 plan\n");
    for (size_t i = 0; i < COUNT(at_ms); i++) {
        text += sprintf(text, "%lld GET /status %s\n%lld 404\n", (long long)at_ms[i],
                        i ? "retry" : "plan", (long long)at_ms[i]);
        if (i + 1 < COUNT(at_ms))
            text += sprintf(text, "wait %lld retry\n", (long long)(at_ms[i + 1] - at_ms[i]));
    }
    sprintf(text, "28750 end: the server does not know the job\n");
    assert_story(steps, COUNT(steps), NULL, true, expected.text);
}

/* ---- Retry-After ----------------------------------------------------------------------------- */

static void retry_after_is_obeyed_on_every_answer(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "200 OK", .headers = "Retry-After: 7\r\n", .body = "{}"},
        {.status = "200 OK",
         .headers =
             "Retry-After: Sat, 01 Jan 2000 00:01:00 GMT\r\n", /* a minute after the clock began */
         .body = "{\"status\":\"pending\"}"},
        {.status = "500 Oops", .headers = "Retry-After: 2\r\n", .body = ""},
        {.status = "200 OK",
         .headers = "Date: Thu, 01 Jan 2099 00:00:00 GMT\r\n"
                    "Retry-After: Thursday, 01-Jan-99 00:00:09 GMT\r\n",
         .body = "{\"status\":\"pending\"}"},
        COMPLETED};

    (void)state;
    assert_story(steps, COUNT(steps), NULL, true,
                 "0 POST /start now\n0 200\nwait 7000 Retry-After\n"
                 "7000 GET /status Retry-After\n7000 200\nwait 53000 Retry-After\n"
                 "60000 GET /status Retry-After\n60000 500\nwait 2000 Retry-After\n"
                 "62000 GET /status Retry-After\n62000 200\nwait 1000 plan\n"
                 "63000 GET /status plan\n63000 200\n63000 end: no error\n");
}

static void strange_retry_afters_do_no_harm(void **state)
{
    static const struct {
        const char *header;
        const char *wait;
    } cases[] = {
        {"Retry-After: -1\r\n", "wait 1000 plan\n"},
        {"Retry-After: 0\r\n", "wait 1000 plan\n"},
        {"Retry-After: 1000000000000000000000000000000\r\n", "wait 3600000 Retry-After\n"},
        {"Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n", "wait 1000 plan\n"},
        {"Retry-After: Tue, 31 Dec 2999 23:59:59 GMT\r\n", "wait 3600000 Retry-After\n"},
        {"Retry-After: when it is done\r\n", "wait 1000 plan\n"},
        {"Retry-After:\r\n", "wait 1000 plan\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct scripted_step steps[] = {
            {.status = "200 OK", .headers = cases[i].header, .body = "{\"status\":\"pending\"}"},
            COMPLETED};
        struct world world;

        world_init(&world, steps, COUNT(steps));
        world_open(&world, true);
        vts_client_wait_sync(world.client, "x", NULL);
        if (!strstr(world.diary.text, cases[i].wait))
            fail_msg("%s: %s", cases[i].header, world.diary.text);
        world_finish(&world);
    }
}

static void set_exact(struct vts_client_options *options)
{
    options->retry_after = VTS_CLIENT_RETRY_AFTER_EXACT;
}

static void set_ignore(struct vts_client_options *options)
{
    options->retry_after = VTS_CLIENT_RETRY_AFTER_IGNORE;
}

static void retry_after_may_be_exact_or_nothing(void **state)
{
    static const struct scripted_step early[] = {
        {.status = "200 OK", .headers = "Retry-After: 1\r\n", .body = "{\"status\":\"pending\"}"},
        {.status = "503 Full", .headers = "Retry-After: 9\r\n", .body = ""},
        COMPLETED};

    (void)state;
    assert_story(early, COUNT(early), set_exact, false,
                 "0 GET /status now\n0 200\nwait 1000 Retry-After\n"
                 "1000 GET /status Retry-After\n1000 503\nwait 9000 Retry-After\n"
                 "10000 GET /status Retry-After\n10000 200\n10000 end: no error\n");
    assert_story(early, COUNT(early), set_ignore, false,
                 "0 GET /status now\n0 200\nwait 1000 plan\n"
                 "1000 GET /status plan\n1000 503\nwait 250 retry\n"
                 "1250 GET /status retry\n1250 200\n1250 end: no error\n");
}

/* ---- the host's gate ------------------------------------------------------------------------- */

struct three {
    struct diary diary[3];
    struct vts_client_operation *operation[3];
};

/* Three waits that share a connection, each with a diary of its own. */
static void begin_three(struct world *world, struct three *three)
{
    static const char *const ids[] = {"a", "b", "c"};

    memset(three, 0, sizeof(*three));
    world->options.max_connections = 1;
    world_open(world, false);
    for (int i = 0; i < 3; i++) {
        world->options.trace_arg = &three->diary[i];
        three->operation[i] = vts_client_wait(world->client, ids[i],
                                              VTS_CLIENT_CALL(.options = &world->options), NULL);
        assert_non_null(three->operation[i]);
    }
}

static void a_503_holds_back_the_whole_host(void **state)
{
    static const struct scripted_step steps[] = {
        WAITING_ANSWER("{\"status\":\"pending\"}"),
        {.status = "503 Full", .headers = "Retry-After: 30\r\n", .body = ""},
        WAITING_ANSWER("{\"status\":\"completed\"}")};
    struct vts_client_counters counters;
    struct three three;
    struct world world;

    (void)state;
    world_init(&world, steps, COUNT(steps));
    begin_three(&world, &three);
    event_base_dispatch(world.base);
    /* the first was answered before; the third had not been asked yet */
    diary_expect(&three.diary[0], "0 GET /status now\n0 200\nwait 1000 plan\nwait 29000 host gate\n"
                                  "30000 GET /status host gate\n30000 200\n30000 end: no error\n");
    diary_expect(&three.diary[1],
                 "0 GET /status now\n0 503\nwait 30000 Retry-After\n"
                 "30000 GET /status Retry-After\n30000 200\n30000 end: no error\n");
    diary_expect(&three.diary[2], "30000 GET /status connection\n30000 200\n30000 end: no error\n");
    vts_client_counters_read(world.client, &counters, sizeof(counters));
    assert_int_equal(counters.gates, 1);
    assert_int_equal(counters.requests, 5);
    assert_int_equal(counters.connections, 1);
    assert_int_equal(counters.begun, 3);
    assert_int_equal(counters.ended, 3);
    assert_int_equal(counters.under_way, 0);
    world_finish(&world);
}

static void a_429_that_says_nothing_holds_back_as_long_as_its_own_wait(void **state)
{
    static const struct scripted_step steps[] = {{.status = "429 Slow down", .body = ""},
                                                 WAITING_ANSWER("{\"status\":\"completed\"}")};
    struct three three;
    struct world world;

    (void)state;
    world_init(&world, steps, COUNT(steps));
    begin_three(&world, &three);
    event_base_dispatch(world.base);
    diary_expect(&three.diary[0], "0 GET /status now\n0 429\nwait 250 retry\n"
                                  "250 GET /status retry\n250 200\n250 end: no error\n");
    for (int i = 1; i < 3; i++)
        diary_expect(&three.diary[i], "250 GET /status connection\n250 200\n250 end: no error\n");
    world_finish(&world);
}

/* ---- the deadline ---------------------------------------------------------------------------- */

static void set_deadline(struct vts_client_options *options) { options->deadline_ms = 2500; }

static void there_is_a_last_look_before_the_deadline(void **state)
{
    static const struct scripted_step pending[] = {PENDING};
    static const struct scripted_step late[] = {PENDING, PENDING, PENDING, COMPLETED};

    (void)state;
    assert_story(pending, COUNT(pending), set_deadline, false,
                 "0 GET /status now\n0 200\nwait 1000 plan\n"
                 "1000 GET /status plan\n1000 200\nwait 1000 plan\n"
                 "2000 GET /status plan\n2000 200\nwait 450 deadline\n"
                 "2450 GET /status deadline\n2450 200\nwait 1000 plan\n"
                 "2500 end: the deadline passed\n");
    assert_story(late, COUNT(late), set_deadline, false,
                 "0 GET /status now\n0 200\nwait 1000 plan\n"
                 "1000 GET /status plan\n1000 200\nwait 1000 plan\n"
                 "2000 GET /status plan\n2000 200\nwait 450 deadline\n"
                 "2450 GET /status deadline\n2450 200\n2450 end: no error\n");
}

static void retry_after_is_stronger_than_the_last_look(void **state)
{
    static const struct scripted_step steps[] = {
        {.status = "200 OK", .headers = "Retry-After: 5\r\n", .body = "{\"status\":\"pending\"}"}};

    (void)state;
    assert_story(steps, COUNT(steps), set_deadline, false,
                 "0 GET /status now\n0 200\nwait 5000 Retry-After\n"
                 "2500 end: the deadline passed\n");
}

static void set_cancel(struct vts_client_options *options)
{
    options->deadline_ms = 2500;
    options->on_deadline = VTS_CLIENT_ON_DEADLINE_CANCEL;
}

static void the_deadline_may_stop_the_job(void **state)
{
    static const struct scripted_step stopped[] = {
        STARTED,
        PENDING,
        PENDING,
        PENDING,
        {.status = "200 OK",
         .body = "{\"id\":\"x\",\"status\":\"error\",\"state\":\"cancelled\"}"}};
    static const struct scripted_step completed[] = {
        STARTED,
        PENDING,
        PENDING,
        PENDING,
        {.status = "200 OK",
         .body = "{\"id\":\"x\",\"status\":\"completed\",\"state\":\"completed\"}"}};
    const struct vts_client_result *result;
    struct world world;

    (void)state;
    assert_story(stopped, COUNT(stopped), set_cancel, true,
                 "0 POST /start now\n0 200\nwait 1000 plan\n"
                 "1000 GET /status plan\n1000 200\nwait 1000 plan\n"
                 "2000 GET /status plan\n2000 200\nwait 400 deadline\n"
                 "2400 GET /status deadline\n2400 200\nwait 1000 plan\n"
                 "2450 DELETE /jobs/{id} cancel\n2450 200\n"
                 "2500 end: the deadline passed\n");
    world_init(&world, stopped, COUNT(stopped));
    set_cancel(&world.options);
    world_open(&world, true);
    result = vts_client_run_sync(world.client, "x", NULL);
    assert_string_equal(result->error.message, "the deadline of 2500 ms passed; job \"x\" was "
                                               "pending when last seen; it was asked to stop");
    assert_string_equal(result->job->state, "cancelled");
    world_finish(&world);
    /* it had ended by itself, so that is the result */
    world_init(&world, completed, COUNT(completed));
    set_cancel(&world.options);
    world_open(&world, true);
    result = vts_client_run_sync(world.client, "x", NULL);
    assert_string_equal(result->error.message, "");
    assert_int_equal(result->job->status, VTS_CLIENT_COMPLETED);
    assert_int_equal(result->elapsed_ms, 2450);
    world_finish(&world);
}

/* ---- starts ---------------------------------------------------------------------------------- */

static void a_lost_start_is_repeated(void **state)
{
    static const struct scripted_step reset[] = {
        {.end = SCRIPTED_RESET}, {.status = "409 Conflict", .body = "{}"}, COMPLETED};
    static const struct scripted_step gateway[] = {
        {.status = "504 Gateway Time-out", .body = "<html>"}, STARTED, COMPLETED};
    static const struct scripted_step taken[] = {{.status = "409 Conflict", .body = "{}"}};
    static const struct scripted_step full[] = {
        {.status = "503 Full", .headers = "Retry-After: 9\r\n", .body = ""}};
    const struct vts_client_result *result;
    struct world world;

    (void)state;
    assert_story(reset, COUNT(reset), NULL, true,
                 "0 POST /start now\n0 the server was not reached\nwait 250 retry\n"
                 "250 POST /start retry\n250 409\nwait 1000 plan\n"
                 "1250 GET /status plan\n1250 200\n1250 end: no error\n");
    assert_story(gateway, COUNT(gateway), NULL, true,
                 "0 POST /start now\n0 504\nwait 250 retry\n"
                 "250 POST /start retry\n250 200\nwait 1000 plan\n"
                 "1250 GET /status plan\n1250 200\n1250 end: no error\n");
    /* to a first try it is the truth, and a refusal is one */
    assert_story(taken, COUNT(taken), NULL, true,
                 "0 POST /start now\n0 409\n0 end: the job exists already\n");
    assert_story(full, COUNT(full), NULL, true,
                 "0 POST /start now\n0 503\n0 end: the server refused the request\n");
    world_init(&world, reset, COUNT(reset));
    world_open(&world, true);
    result = vts_client_start_sync(world.client, "x", NULL);
    assert_string_equal(result->error.message, "");
    assert_int_equal(result->starts, 2);
    assert_string_equal(result->job->json, "{\"job_id\":\"x\"}");
    assert_ptr_equal(strstr(result->token, "vtsim1:0:9466848"), result->token);
    world_finish(&world);
}

static void a_start_that_never_arrived_is_no_repetition(void **state)
{
    struct vts_client_clock *clock = vts_client_clock_virtual();
    struct vts_client_options options;
    struct vts_client *client;
    struct diary diary;
    char url[64];

    (void)state;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", scripted_dead_port());
    waiting_options(&options, url, clock, &diary);
    options.max_errors = 3;
    client = vts_client_create(NULL, &options, NULL);
    assert_int_equal(vts_client_run_sync(client, "x", NULL)->error.code,
                     VTS_CLIENT_ERR_UNREACHABLE);
    diary_expect(&diary, "0 POST /start now\n0 the server was not reached\nwait 250 retry\n"
                         "250 POST /start retry\n250 the server was not reached\nwait 500 retry\n"
                         "750 POST /start retry\n750 the server was not reached\n"
                         "750 end: the server was not reached\n");
    vts_client_destroy(client);
    vts_client_clock_release(clock);
}

static void a_key_goes_with_a_start_where_it_is_known(void **state)
{
#define SHOWN "Vtsim-Features: idempotency-key, progress, cancel\r\n"
    static const struct scripted_step steps[] = {
        {.status = "404 Not Found", .headers = SHOWN, .body = ""},
        {.end = SCRIPTED_CLOSE},
        {.status = "201 Created", .headers = SHOWN, .body = "{\"id\":\"x\"}"},
        {.status = "200 OK", .headers = SHOWN, .body = "{\"id\":\"x\",\"status\":\"completed\"}"},
        {.status = "200 OK", .body = "{\"status\":\"pending\"}"}, /* somebody else answers */
        {.status = "200 OK", .body = "{\"status\":\"completed\"}"}};
    const char *key[2];
    struct world world;

    (void)state;
    world_init(&world, steps, COUNT(steps));
    world_open(&world, true);
    vts_client_status_sync(world.client, "x", NULL);
    assert_string_equal(vts_client_run_sync(world.client, "x", NULL)->error.message, "");
    assert_string_equal(vts_client_wait_sync(world.client, "x", NULL)->error.message, "");
    diary_expect(&world.diary, "0 GET /status now\n0 404\n0 end: the server does not know the job\n"
                               "0 POST /jobs now\n0 the server was not reached\nwait 250 retry\n"
                               "250 POST /jobs retry\n250 200\nwait 1000 plan\n"
                               "1250 GET /jobs/{id} plan\n1250 200\n1250 end: no error\n"
                               "0 GET /jobs/{id} now\n0 200\nwait 1000 plan\n"
                               "1000 GET /status plan\n1000 200\n1000 end: no error\n");
    world_finish(&world);
    for (int i = 0; i < 2; i++) {
        key[i] = strstr(world.server.request[1 + i], "\r\nIdempotency-Key: vtsim-");
        assert_non_null(key[i]);
        assert_non_null(strstr(world.server.request[1 + i], "\r\n\r\n{\"id\":\"x\"}"));
    }
    assert_memory_equal(key[0], key[1], 24 + 16); /* the same in the repetition */
}

/* ---- control --------------------------------------------------------------------------------- */

struct controller {
    int at; /* which poll */
    void (*act)(struct vts_client_operation *);
};

static void on_poll(struct vts_client_operation *operation, const struct vts_client_poll *poll,
                    void *arg)
{
    struct controller *controller = arg;

    if (poll->number == (uint64_t)controller->at)
        controller->act(operation);
}

static void assert_controlled(const struct scripted_step *steps, size_t count,
                              void (*act)(struct vts_client_operation *), const char *expected)
{
    struct controller controller = {.at = 1, .act = act};
    struct world world;

    world_init(&world, steps, count);
    world_open(&world, true);
    vts_client_wait_sync(world.client, "x", VTS_CLIENT_CALL(.poll = on_poll, .arg = &controller));
    diary_expect(&world.diary, expected);
    world_finish(&world);
}

static void a_wait_can_be_poked(void **state)
{
    static const struct scripted_step steps[] = {PENDING, COMPLETED};
    static const struct scripted_step held[] = {
        {.status = "200 OK", .headers = "Retry-After: 5\r\n", .body = "{\"status\":\"pending\"}"},
        COMPLETED};

    (void)state;
    assert_controlled(steps, COUNT(steps), vts_client_poke,
                      "0 GET /status now\n0 200\n"
                      "0 GET /status poke\n0 200\n0 end: no error\n");
    /* Retry-After still holds */
    assert_controlled(held, COUNT(held), vts_client_poke,
                      "0 GET /status now\n0 200\nwait 5000 Retry-After\n"
                      "5000 GET /status Retry-After\n5000 200\n5000 end: no error\n");
}

static void a_job_can_be_stopped(void **state)
{
    static const struct scripted_step at_once[] = {
        PENDING,
        {.status = "200 OK",
         .body = "{\"id\":\"x\",\"status\":\"error\",\"state\":\"cancelled\"}"}};
    static const struct scripted_step slowly[] = {
        PENDING,
        {.status = "202 Accepted", .body = "{\"id\":\"x\",\"status\":\"pending\"}"},
        COMPLETED};
    static const struct scripted_step refused[] = {
        PENDING, {.status = "405 Method Not Allowed", .body = ""}};

    (void)state;
    assert_controlled(at_once, COUNT(at_once), vts_client_stop,
                      "0 GET /status now\n0 200\n"
                      "0 DELETE /jobs/{id} cancel\n0 200\n0 end: no error\n");
    assert_controlled(slowly, COUNT(slowly), vts_client_stop,
                      "0 GET /status now\n0 200\n"
                      "0 DELETE /jobs/{id} cancel\n0 200\nwait 1000 plan\n"
                      "1000 GET /status plan\n1000 200\n1000 end: no error\n");
    assert_controlled(refused, COUNT(refused), vts_client_stop,
                      "0 GET /status now\n0 200\n"
                      "0 DELETE /jobs/{id} cancel\n0 405\n0 end: the server refused the request\n");
}

static void a_token_goes_on_elsewhere(void **state)
{
    static const struct scripted_step first[] = {STARTED, PENDING};
    static const struct scripted_step then[] = {
        {.status = "404 Not Found", .body = ""}, /* which may pass: the job is known */
        COMPLETED};
    const struct vts_client_result *result;
    char token[VTS_CLIENT_TOKEN_MAX];
    struct world world;

    (void)state;
    world_init(&world, first, COUNT(first));
    world.options.deadline_ms = 2500;
    world.options.job_class = "long films";
    world_open(&world, true);
    result = vts_client_run_sync(world.client, "x", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_DEADLINE);
    snprintf(token, sizeof(token), "%s", result->token);
    assert_string_equal(token, "vtsim1:2500:946684802:long%20films:x");
    world_finish(&world);

    world_init(&world, then, COUNT(then));
    world_open(&world, true);
    /* made on a clock that is two seconds ahead of this one: the age is still what it was */
    result = vts_client_resume_sync(world.client, token, NULL);
    assert_string_equal(result->error.message, "");
    assert_null(result->token);
    diary_expect(&world.diary, "0 GET /status now\n0 404\nwait 250 retry\n"
                               "250 GET /status retry\n250 200\n250 end: no error\n");
    result = vts_client_resume_sync(world.client, "vtsim1:1:", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_INVALID);
    assert_string_equal(result->error.message, "the token does not say when it was made");
    world_finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_minutes_take_milliseconds),
        cmocka_unit_test(the_clock_can_be_moved_by_hand),
        cmocka_unit_test(a_server_that_stalls_moves_a_virtual_clock),
        cmocka_unit_test(a_clock_may_be_ones_own),
        cmocka_unit_test(polls_follow_the_plan_and_failures_their_own),
        cmocka_unit_test(too_many_errors_end_it_before_its_deadline),
        cmocka_unit_test(retry_after_is_obeyed_on_every_answer),
        cmocka_unit_test(strange_retry_afters_do_no_harm),
        cmocka_unit_test(retry_after_may_be_exact_or_nothing),
        cmocka_unit_test(a_503_holds_back_the_whole_host),
        cmocka_unit_test(a_429_that_says_nothing_holds_back_as_long_as_its_own_wait),
        cmocka_unit_test(there_is_a_last_look_before_the_deadline),
        cmocka_unit_test(retry_after_is_stronger_than_the_last_look),
        cmocka_unit_test(the_deadline_may_stop_the_job),
        cmocka_unit_test(a_lost_start_is_repeated),
        cmocka_unit_test(a_start_that_never_arrived_is_no_repetition),
        cmocka_unit_test(a_key_goes_with_a_start_where_it_is_known),
        cmocka_unit_test(a_wait_can_be_poked),
        cmocka_unit_test(a_job_can_be_stopped),
        cmocka_unit_test(a_token_goes_on_elsewhere),
    };

    return cmocka_run_group_tests_name("client time", tests, NULL, NULL);
}
