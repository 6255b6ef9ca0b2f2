/* SPDX-License-Identifier: MIT
 *
 * Tests of polls that wait for news, on a clock that only the tests move: what ends them and what does not,
 * and how they see what another process did to a store that is shared. */
#include "service/service.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

/* 2026-01-01T00:00:00Z */
#define T0    INT64_C(1767225600000)
#define PORTS 2

static void wake_in_100(struct vts_job *job) { vts_wake_after(job, 100); }
static void complete(struct vts_job *job) { vts_complete(job, NULL); }
static void for_ever(struct vts_job *job) { vts_wait(job, VTS_FOR_EVER); }
static void bend_status(struct vts_job *job) { VTS_BEND(job, .status = 503); }
static void bend_nothing(struct vts_job *job) { VTS_BEND(job, .status = 0); }

/* Progress, a new wake, and no other state. */
static void go_on(struct vts_job *job)
{
    if (vts_age(job) >= 500)
        vts_complete(job, NULL);
    else
        vts_wake_after(job, 100);
}

VTS_PLUGIN(takes_100, .summary = "100 ms", .start = wake_in_100, .wake = complete)
VTS_PLUGIN(endless, .summary = "no end", .start = for_ever, .poll = bend_nothing)
VTS_PLUGIN(bending, .summary = "bends", .start = for_ever, .poll = bend_status)
VTS_PLUGIN(stepping, .summary = "steps", .start = wake_in_100, .wake = go_on)

struct rig {
    struct assignment *assignment; /* none of its plugins are loaded */
    struct store_ops ops;          /* the store's, as a test wants them */
    struct clock clock;
    struct service service;
    struct event_base *base;
};

static struct rig rig;

static void add(const char *name, const struct vts_plugin *plugin)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = instance_create(name, plugin, NULL, &problems);

    assert_non_null(instance);
    assert_true(behaviours_add(&rig.assignment->behaviours, instance));
    problems_finish(&problems);
}

static int setup(void **state)
{
    struct service_parts parts = {NULL, &rig.clock, PORTS};
    struct problems problems = PROBLEMS_INIT;
    struct vts_error error;

    (void)state;
    rig.assignment = calloc(1, sizeof(*rig.assignment));
    assert_non_null(rig.assignment);
    atomic_init(&rig.assignment->holders, 1);
    assert_true(config_read(&rig.assignment->config, NULL, NULL, 0, &problems));
    assert_true(store_choose(&rig.assignment->store, &rig.assignment->config, &problems));
    problems_finish(&problems);
    clock_init_virtual(&rig.clock, T0);
    add("slow", takes_100_LTX_vts_plugin());
    add("endless", endless_LTX_vts_plugin());
    add("bending", bending_LTX_vts_plugin());
    add("stepping", stepping_LTX_vts_plugin());
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

/* Lets the loops do what they can do now. */
static void run_loop(void)
{
    for (int i = 0; i < 3; i++)
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
}

static void move_clock(vts_ms moment)
{
    assert_int_equal(clock_move(&rig.clock, moment, NULL), VTS_OK);
    for (size_t i = 0; i < PORTS; i++)
        service_port_ring(&rig.service, i);
    run_loop();
}

/* ---- calls ---- */

struct client {
    struct service_call call; /* first */
    int dones;
};

static void on_done(struct service_call *call) { ((struct client *)call)->dones++; }

static void prepare(struct client *client, size_t port, const char *id, const char *behaviour)
{
    memset(client, 0, sizeof(*client));
    client->call.port = &rig.service.ports[port];
    client->call.store.id = (struct bytes){id, strlen(id)};
    client->call.instance =
        behaviour ? behaviours_named(&rig.assignment->behaviours, behaviour, strlen(behaviour))
                  : NULL;
    client->call.want_job = true;
    client->call.done = on_done;
}

static void make(void (*operation)(struct service_call *), size_t port, const char *id,
                 const char *behaviour)
{
    struct client client;

    prepare(&client, port, id, behaviour);
    operation(&client.call);
    assert_int_equal(client.dones, 1);
    assert_int_equal(client.call.result, SERVICE_DONE);
    service_call_finish(&client.call);
}

static void wait_for(struct client *client, const char *id, vts_ms span)
{
    prepare(client, 0, id, NULL);
    service_wait(&client->call, span);
}

/* It was told once, this. */
static void assert_told(struct client *client, enum vts_state wanted, vts_ms now)
{
    struct job job;

    assert_int_equal(client->dones, 1);
    assert_int_equal(client->call.result, SERVICE_DONE);
    assert_int_equal(client->call.state, wanted);
    assert_true(client->call.wait.applied);
    assert_int_equal(client->call.store.now, now);
    assert_true(service_job(&client->call, &job));
    assert_int_equal(job.state, wanted);
    assert_int_equal(atomic_load(&rig.service.waiting), 0);
    service_call_finish(&client->call);
}

/* ---- what ends it ---- */

static void the_end_of_the_job(void **state)
{
    struct client client;

    (void)state;
    make(service_start, 0, "a", "slow");
    wait_for(&client, "a", 10000);
    assert_int_equal(client.dones, 0);
    move_clock(T0 + 99);
    assert_int_equal(client.dones, 0);
    move_clock(T0 + 100);
    assert_int_equal(client.call.store.polls, 1);
    assert_told(&client, VTS_COMPLETED, T0 + 100);
    wait_for(&client, "a", 10000); /* at once */
    assert_told(&client, VTS_COMPLETED, T0 + 100);
}

static void the_end_of_its_time(void **state)
{
    struct client client;

    (void)state;
    make(service_start, 0, "a", "endless");
    wait_for(&client, "a", 10000);
    move_clock(T0 + 9999);
    assert_int_equal(client.dones, 0);
    move_clock(T0 + 10000);
    assert_told(&client, VTS_RUNNING, T0 + 10000);
    /* A span beyond all time. */
    wait_for(&client, "a", INT64_MAX);
    assert_int_equal(client.dones, 0);
    service_wait_end(&client.call);
    assert_told(&client, VTS_RUNNING, T0 + 10000);
    wait_for(&client, "a", 0);
    assert_told(&client, VTS_RUNNING, T0 + 10000);
}

/* The job moves on, and that is no news. */
static void a_step_is_no_news(void **state)
{
    struct client client;

    (void)state;
    make(service_start, 0, "a", "stepping");
    wait_for(&client, "a", 10000);
    for (vts_ms at = 100; at < 500; at += 100) {
        move_clock(T0 + at);
        assert_int_equal(client.dones, 0);
    }
    move_clock(T0 + 500);
    assert_told(&client, VTS_COMPLETED, T0 + 500);
}

static void a_change_by_another_port(void **state)
{
    struct client clients[3];
    char id[16];

    (void)state;
    make(service_start, 0, "a", "endless");
    for (int i = 0; i < 3; i++)
        wait_for(&clients[i], "a", 10000);
    /* What becomes of others is no news, even where they share a place. */
    for (int i = 0; i < 3000; i++) {
        snprintf(id, sizeof(id), "other-%d", i);
        make(service_start, 1, id, "endless");
        make(service_cancel, 1, id, NULL);
    }
    run_loop();
    make(service_status, 1, "a", NULL);
    run_loop();
    for (int i = 0; i < 3; i++)
        assert_int_equal(clients[i].dones, 0);
    assert_int_equal(atomic_load(&rig.service.waiting), 3);
    make(service_cancel, 1, "a", NULL);
    assert_int_equal(clients[0].dones, 0); /* not inside of another's call */
    run_loop();
    assert_int_equal(clients[1].dones, 1);
    for (int i = 0; i < 3; i++)
        assert_told(&clients[i], VTS_CANCELLED, T0);
}

static void what_is_told_at_once(void **state)
{
    struct client client;

    (void)state;
    wait_for(&client, "nobody", 10000);
    assert_int_equal(client.dones, 1);
    assert_int_equal(client.call.result, SERVICE_NOT_FOUND);
    service_call_finish(&client.call);
    make(service_start, 0, "bent", "bending");
    wait_for(&client, "bent", 10000);
    assert_int_equal(client.dones, 1);
    assert_true(client.call.bent);
    service_call_finish(&client.call);
    assert_int_equal(atomic_load(&rig.service.waiting), 0);
}

/* ---- by order ---- */

static void ended_by_order(void **state)
{
    struct client clients[2], later;

    (void)state;
    make(service_start, 0, "a", "endless");
    wait_for(&clients[0], "a", 10000);
    wait_for(&clients[1], "a", 10000);
    move_clock(T0 + 5);
    service_wait_end(&clients[0].call);
    assert_int_equal(clients[0].dones, 1);
    assert_int_equal(clients[0].call.state, VTS_RUNNING);
    assert_int_equal(clients[0].call.store.now, T0 + 5);
    service_wait_end(&clients[0].call); /* it waits no more: nothing */
    assert_int_equal(clients[0].dones, 1);
    service_call_finish(&clients[0].call);
    service_port_end_waits(&rig.service.ports[0]);
    assert_told(&clients[1], VTS_RUNNING, T0 + 5);
    wait_for(&later, "a", 10000);
    assert_int_equal(later.dones, 1);
    assert_false(later.call.wait.applied);
    service_call_finish(&later.call);
}

static void a_port_that_is_detached_forgets(void **state)
{
    struct client client;

    (void)state;
    make(service_start, 0, "a", "endless");
    wait_for(&client, "a", 10000);
    service_port_detach(&rig.service.ports[0]);
    assert_int_equal(atomic_load(&rig.service.waiting), 0);
    make(service_cancel, 1, "a", NULL);
    run_loop();
    assert_int_equal(client.dones, 0);
    service_call_finish(&client.call);
}

/* ---- a store that is shared ---- */

static void give_up(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(arg);
}

/* Runs the loop by the real clock until it is told, or for half a minute. */
static void loop_until_told(struct client *client)
{
    static const struct timeval deadline = {30, 0};
    struct event *stop = evtimer_new(rig.base, give_up, rig.base);

    assert_non_null(stop);
    assert_int_equal(evtimer_add(stop, &deadline), 0);
    while (client->dones == 0 && !event_base_got_break(rig.base))
        event_base_loop(rig.base, EVLOOP_ONCE);
    event_free(stop);
    assert_int_equal(client->dones, 1);
}

/* As another process would: past the service, so that nobody tells. */
static enum record_act cancel_behind_its_back(struct store_call *call, const struct record *old,
                                              struct text *next)
{
    struct job job;

    assert_non_null(old);
    assert_true(record_read(old, old->size, &job));
    job.state = VTS_CANCELLED;
    job.ended_at = job.last_at = call->now;
    job.waits = 0;
    assert_true(record_write(&job, next));
    return RECORD_PUT;
}

static void nothing(struct store_call *call) { (void)call; }

static void cancel_elsewhere(const char *id)
{
    struct store_call call = {
        .id = {id, strlen(id)}, .fn = cancel_behind_its_back, .done = nothing};

    store_update(store_port(rig.service.store, 1), &call);
    assert_int_equal(call.err, VTS_OK);
}

static void share(bool shared)
{
    rig.ops = *rig.service.store->ops;
    rig.ops.shared = shared;
    rig.service.store->ops = &rig.ops;
}

static void a_change_by_another_process(void **state)
{
    struct client client;
    vts_ms from;

    (void)state;
    share(true);
    clock_init_real(&rig.clock);
    make(service_start, 0, "a", "endless");
    wait_for(&client, "a", 3600000);
    cancel_elsewhere("a");
    from = clock_now(&rig.clock);
    loop_until_told(&client);
    assert_in_range(clock_now(&rig.clock) - from, 150, 20000); /* 200 ms, and what a machine adds */
    assert_int_equal(client.call.state, VTS_CANCELLED);
    assert_int_equal(client.call.store.polls, 1);
    service_call_finish(&client.call);
}

/* It knows when the job will wake, and looks then. */
static void an_end_that_was_foreseen(void **state)
{
    struct client client;
    struct job job;

    (void)state;
    share(true);
    clock_init_real(&rig.clock);
    make(service_start, 0, "a", "slow");
    wait_for(&client, "a", 3600000);
    loop_until_told(&client);
    assert_int_equal(client.call.state, VTS_COMPLETED);
    assert_true(service_job(&client.call, &job));
    assert_int_equal(job.ended_at, job.started_at + 100);
    service_call_finish(&client.call);
}

static void its_time_by_the_real_clock(void **state)
{
    (void)state;
    clock_init_real(&rig.clock);
    make(service_start, 0, "a", "endless");
    for (int shared = 0; shared < 2; shared++) {
        struct client client;
        vts_ms from;

        share(shared);
        from = clock_now(&rig.clock);
        wait_for(&client, "a", 300);
        loop_until_told(&client);
        assert_in_range(clock_now(&rig.clock) - from, 300, 20000);
        assert_int_equal(client.call.state, VTS_RUNNING);
        service_call_finish(&client.call);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_end_of_the_job),
        TEST(the_end_of_its_time),
        TEST(a_step_is_no_news),
        TEST(a_change_by_another_port),
        TEST(what_is_told_at_once),
        TEST(ended_by_order),
        TEST(a_port_that_is_detached_forgets),
        TEST(a_change_by_another_process),
        TEST(an_end_that_was_foreseen),
        TEST(its_time_by_the_real_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
