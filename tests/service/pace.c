/* SPDX-License-Identifier: MIT
 *
 * Tests of moves of the clock, on two ports of one loop: that jobs, alarms and sleepers have their turns in the order
 * of their moments whatever port they are of, each at its own; and what a hand may do meanwhile. */
#include "service/service.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

#include "base/rng.h"

/* 2026-01-01T00:00:00Z */
#define T0    INT64_C(1767225600000)
#define PORTS 2
#define JOBS  20000
#define SPAN  (INT64_C(600) * 1000)

/* What happened, in its order. */
static struct {
    vts_ms last;
    size_t wakes, late, wrong;
    char names[64]; /* of sleepers and alarms */
} seen;

static struct clock clock_of_all;

static vts_ms delay_of(const char *id)
{
    return 1 + (vts_ms)(rng_hash(id, strlen(id), 5) % (SPAN - 1));
}

static void start(struct vts_job *job) { vts_wake_after(job, delay_of(vts_job_id(job))); }

static void wake(struct vts_job *job)
{
    seen.wakes++;
    seen.wrong +=
        vts_age(job) != delay_of(vts_job_id(job)) || vts_now(job) != clock_now(&clock_of_all);
    seen.late += vts_now(job) < seen.last;
    seen.last = vts_now(job);
    vts_complete(job, NULL);
}

VTS_PLUGIN(spread, .summary = "ten minutes", .start = start, .wake = wake)

struct rig {
    struct assignment *assignment;
    struct service service;
    struct event_base *base;
};

static struct rig rig;

static int setup(void **state)
{
    struct service_parts parts = {NULL, &clock_of_all, PORTS};
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = instance_create("spread", spread_LTX_vts_plugin(), NULL, &problems);
    struct vts_error error;

    (void)state;
    memset(&seen, 0, sizeof(seen));
    rig.assignment = calloc(1, sizeof(*rig.assignment));
    assert_non_null(rig.assignment);
    atomic_init(&rig.assignment->holders, 1);
    assert_true(config_read(&rig.assignment->config, NULL, NULL, 0, &problems));
    assert_true(store_choose(&rig.assignment->store, &rig.assignment->config, &problems));
    assert_true(instance && behaviours_add(&rig.assignment->behaviours, instance));
    clock_init_virtual(&clock_of_all, T0);
    parts.assignment = rig.assignment;
    if (!service_init(&rig.service, &parts, &error))
        fail_msg("%s", error.message);
    rig.base = event_base_new();
    assert_non_null(rig.base);
    for (int i = 0; i < PORTS; i++)
        assert_true(service_port_attach(&rig.service.ports[i], rig.base));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    service_finish(&rig.service);
    event_base_free(rig.base);
    assignment_release(rig.assignment);
    memset(&rig, 0, sizeof(rig));
    return 0;
}

static void started(struct service_call *call) { assert_int_equal(call->result, SERVICE_DONE); }

static void start_jobs(int count)
{
    struct service_call call;
    char id[32];

    service_call_init(&call);
    for (int i = 0; i < count; i++) {
        call.port = &rig.service.ports[i % PORTS];
        call.instance = behaviours_named(&rig.assignment->behaviours, "spread", 6);
        call.store.id = (struct bytes){id, (size_t)snprintf(id, sizeof(id), "job-%d", i)};
        call.done = started;
        service_start(&call);
    }
    service_call_finish(&call);
}

/* ---- a hand ---- */

static int moves_done;
static enum pace_end move_end;

static void on_moved(struct pace_move *move)
{
    moves_done++;
    move_end = move->end;
}

static struct pace_move a_move(size_t port)
{
    moves_done = 0;
    return (struct pace_move){.port = &rig.service.ports[port], .done = on_moved};
}

static void run_until_moved(void)
{
    for (int i = 0; !moves_done; i++) {
        assert_true(i < 1000000);
        event_base_loop(rig.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    }
}

static void run_loop(void)
{
    for (int i = 0; i < 10; i++)
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
}

static void jobs_of_all_ports_in_the_order_of_their_moments(void **state)
{
    struct pace_move move = a_move(1);

    (void)state;
    start_jobs(JOBS);
    assert_int_equal(pace_move_by(&move, SPAN / 2, NULL), PACE_DONE);
    run_until_moved();
    assert_int_equal(clock_now(&clock_of_all), T0 + SPAN / 2);
    assert_in_range(seen.wakes, JOBS / 3, JOBS * 2 / 3);
    move = a_move(0);
    assert_int_equal(pace_move_by(&move, SPAN / 2, NULL), PACE_DONE);
    run_until_moved();
    assert_int_equal(seen.wakes, JOBS);
    assert_int_equal(seen.late, 0);
    assert_int_equal(seen.wrong, 0);
}

static void ring(void *name)
{
    size_t length = strlen(seen.names);

    snprintf(seen.names + length, sizeof(seen.names) - length, "%s@%lld ", (char *)name,
             (long long)(clock_now(&clock_of_all) - T0));
}

static void alarms_between_jobs(void **state)
{
    struct pace_move move = a_move(0);
    struct alarm a = {0}, b = {0}, c = {0}, never = {0};

    (void)state;
    start_jobs(100);
    assert_true(pace_wait(&rig.service.ports[1], &b, T0 + 2000, ring, (void *)(uintptr_t) "b"));
    assert_true(pace_wait(&rig.service.ports[0], &a, T0 + 1000, ring, (void *)(uintptr_t) "a"));
    assert_true(pace_wait(&rig.service.ports[1], &c, T0 + 2000, ring, (void *)(uintptr_t) "c"));
    assert_true(
        pace_wait(&rig.service.ports[0], &never, T0 + 1500, ring, (void *)(uintptr_t) "never"));
    pace_wait_end(&rig.service.ports[0], &never);
    assert_int_equal(pace_move_by(&move, SPAN, NULL), PACE_DONE);
    run_until_moved();
    assert_string_equal(seen.names, "a@1000 b@2000 c@2000 ");
    assert_int_equal(seen.wakes, 100);
    assert_int_equal(seen.late + seen.wrong, 0);
}

static void one_hand_at_a_time(void **state)
{
    struct pace_move move = a_move(0), other = a_move(1);
    struct vts_error error;

    (void)state;
    start_jobs(JOBS);
    assert_int_equal(pace_move_by(&move, SPAN, NULL), PACE_DONE);
    assert_int_equal(pace_move_by(&other, 1, &error), PACE_MOVING);
    assert_int_equal(pace_freeze(&rig.service.pace, true), PACE_MOVING);
    assert_int_equal(pace_set_rate(&rig.service.pace, 2, &error), PACE_MOVING);
    run_until_moved();
    assert_int_equal(move_end, PACE_OVER);
    assert_int_equal(pace_move_next(&other), PACE_NOTHING);
}

/* The move has no owner any more, and goes on; a reset ends it. */
static void a_hand_that_lets_go(void **state)
{
    struct pace_move move = a_move(0);

    (void)state;
    assert_int_equal(pace_move_by(&move, 5000, NULL), PACE_DONE);
    pace_move_forget(&move);
    run_loop();
    assert_int_equal(moves_done, 0);
    assert_int_equal(clock_now(&clock_of_all), T0 + 5000);
    assert_int_equal(pace_move_by(&move, 5000, NULL), PACE_DONE);
    assert_int_equal(pace_reset(&rig.service.pace), PACE_DONE);
    run_until_moved();
    assert_int_equal(move_end, PACE_RESET);
    assert_int_equal(clock_now(&clock_of_all), T0);
}

static void a_reset_rings_all_that_waits(void **state)
{
    struct alarm a = {0}, b = {0};

    (void)state;
    assert_true(pace_wait(&rig.service.ports[0], &a, T0 + 1000, ring, (void *)(uintptr_t) "a"));
    assert_true(pace_wait(&rig.service.ports[1], &b, T0 + 5000, ring, (void *)(uintptr_t) "b"));
    pace_reset(&rig.service.pace);
    run_loop();
    assert_string_equal(seen.names, "a@0 b@0 ");
    assert_true(a.early && b.early);
}

/* ---- sleepers ---- */

struct sleeper {
    struct pace_sleep sleep; /* first */
    const char *name;
    vts_ms again; /* sleeps on so long, */
    int times;    /* so often */
};

static void fall_asleep(struct sleeper *sleeper, size_t port, vts_ms span);

static void on_woken(struct pace_sleep *sleep)
{
    struct sleeper *sleeper = (struct sleeper *)sleep;

    ring((char *)(uintptr_t)sleeper->name);
    if (sleeper->times-- > 0)
        fall_asleep(sleeper, sleep->port->index, sleeper->again);
    else
        pace_leave(&rig.service.pace, sleeper->name, strlen(sleeper->name));
}

static void fall_asleep(struct sleeper *sleeper, size_t port, vts_ms span)
{
    sleeper->sleep = (struct pace_sleep){.port = &rig.service.ports[port], .done = on_woken};
    assert_int_equal(pace_sleep(&sleeper->sleep, sleeper->name, strlen(sleeper->name), span),
                     PACE_DONE);
    /* As http does, which takes the request out of those in progress. */
    pace_begin(sleeper->sleep.port);
    pace_end(sleeper->sleep.port);
}

static void sleepers_move_the_clock(void **state)
{
    struct sleeper b = {.name = "b", .again = 10, .times = 2},
                   a = {.name = "a", .again = 0, .times = 1}, c = {.name = "c"};

    (void)state;
    assert_int_equal(pace_join(&rig.service.pace, "a", 1), PACE_DONE);
    assert_int_equal(pace_join(&rig.service.pace, "b", 1), PACE_DONE);
    assert_int_equal(pace_join(&rig.service.pace, "c", 1), PACE_DONE);
    fall_asleep(&c, 1, 20);
    fall_asleep(&b, 0, 10);
    run_loop();
    assert_string_equal(seen.names, "");
    fall_asleep(&a, 1, 20);
    run_loop();
    assert_string_equal(seen.names, "b@10 a@20 b@20 c@20 a@20 b@30 ");
}

/* It waits in turn with those that sleep: the clock goes on when nothing is in progress. */
static void a_request_in_progress_holds_the_clock(void **state)
{
    struct sleeper a = {.name = "a"};

    (void)state;
    pace_begin(&rig.service.ports[1]);
    fall_asleep(&a, 0, 10);
    run_loop();
    assert_string_equal(seen.names, "");
    pace_end(&rig.service.ports[1]);
    run_loop();
    assert_string_equal(seen.names, "a@10 ");
}

static void jobs_end_before_sleepers_wake(void **state)
{
    struct sleeper a = {.name = "a", .again = SPAN / 10, .times = 9};

    (void)state;
    start_jobs(1000);
    fall_asleep(&a, 0, SPAN / 10);
    for (int i = 0; i < 100; i++)
        run_loop();
    assert_int_equal(clock_now(&clock_of_all), T0 + SPAN);
    assert_int_equal(seen.wakes, 1000);
    assert_int_equal(seen.late + seen.wrong, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(jobs_of_all_ports_in_the_order_of_their_moments),
        TEST(alarms_between_jobs),
        TEST(one_hand_at_a_time),
        TEST(a_hand_that_lets_go),
        TEST(a_reset_rings_all_that_waits),
        TEST(sleepers_move_the_clock),
        TEST(a_request_in_progress_holds_the_clock),
        TEST(jobs_end_before_sleepers_wake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
