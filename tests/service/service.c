/* SPDX-License-Identifier: MIT
 *
 * Tests of what clients can ask for, on a clock that only the tests move, and of the loop that carries out
 * what is due. No sockets and no configuration file. */
#include "service/service.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

/* 2026-01-01T00:00:00Z */
#define T0 INT64_C(1767225600000)

/* ---- behaviours ---- */

static void wake_in_100(struct vts_job *job) { vts_wake_after(job, 100); }
static void complete(struct vts_job *job) { vts_complete(job, vts_input(job)); }

static void refuse_twice(struct vts_job *job)
{
    if (vts_polls(job) <= 2)
        vts_refuse(job, 429, 1500);
}

static void bend_with_word(struct vts_job *job) { VTS_BEND(job, .status = 203, .word = "soon"); }

static void show_chance(struct vts_job *job)
{
    char json[32];

    snprintf(json, sizeof(json), "%llu", (unsigned long long)(vts_random(job) >> 12));
    vts_complete(job, json);
}

VTS_PLUGIN(takes_100, .summary = "100 ms", .start = wake_in_100, .wake = complete)
VTS_PLUGIN(at_once, .summary = "no time", .start = complete)
VTS_PLUGIN(reluctant, .summary = "refuses twice", .admit = refuse_twice, .start = wake_in_100,
           .wake = complete)
VTS_PLUGIN(bending, .summary = "bends", .start = wake_in_100, .wake = complete,
           .poll = bend_with_word)
VTS_PLUGIN(dice, .summary = "shows its chance", .start = show_chance)

/* ---- a service ---- */

struct rig {
    struct assignment *assignment; /* none of its plugins are loaded */
    struct clock clock;
    struct service service;
};

static struct rig rig;

static void add(struct assignment *to, const char *name, const struct vts_plugin *plugin)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = instance_create(name, plugin, NULL, &problems);

    assert_non_null(instance);
    assert_true(behaviours_add(&to->behaviours, instance));
    problems_finish(&problems);
}

static struct assignment *read_assignment(const char *const *assignments, size_t count)
{
    struct assignment *assignment = calloc(1, sizeof(*assignment));
    struct problems problems = PROBLEMS_INIT;

    assert_non_null(assignment);
    atomic_init(&assignment->holders, 1);
    if (!config_read(&assignment->config, NULL, assignments, count, &problems))
        fail_msg("%s", problems.lines.bytes);
    assert_true(store_choose(&assignment->store, &assignment->config, &problems));
    problems_finish(&problems);
    add(assignment, "slow", takes_100_LTX_vts_plugin());
    add(assignment, "quick", at_once_LTX_vts_plugin());
    add(assignment, "reluctant", reluctant_LTX_vts_plugin());
    add(assignment, "bending", bending_LTX_vts_plugin());
    add(assignment, "dice", dice_LTX_vts_plugin());
    return assignment;
}

static void open_with(const char *const *assignments, size_t count, size_t ports)
{
    struct service_parts parts = {NULL, &rig.clock, ports};
    struct vts_error error;

    parts.assignment = rig.assignment = read_assignment(assignments, count);
    clock_init_virtual(&rig.clock, T0);
    if (!service_init(&rig.service, &parts, &error))
        fail_msg("%s", error.message);
}

static const char *const usual[] = {"server/behaviour=slow", "server/keep_ended=1s",
                                    "server/max_jobs=100"};

static void open_usual(void) { open_with(usual, 3, 1); }

static struct service_call call;

static int teardown(void **state)
{
    (void)state;
    service_call_finish(&call); /* it holds instances of that service */
    service_call_init(&call);
    service_finish(&rig.service);
    assignment_release(rig.assignment);
    memset(&rig, 0, sizeof(rig));
    return 0;
}

static void move_clock(vts_ms moment)
{
    assert_int_equal(clock_move(&rig.clock, moment, NULL), VTS_OK);
}

/* ---- calls ---- */

static int dones;

static void on_done(struct service_call *done)
{
    (void)done;
    dones++;
}

static void make(void (*operation)(struct service_call *), const char *id, const char *input)
{
    service_call_finish(&call);
    service_call_init(&call);
    call.port = &rig.service.ports[0];
    call.store.id = (struct bytes){id, strlen(id)};
    call.instance = service_behaviour(&rig.service.ports[0], &(struct asked){.id = call.store.id});
    call.input = (struct bytes){input, input ? strlen(input) : 0};
    call.want_job = true;
    call.done = on_done;
    dones = 0;
    operation(&call);
    assert_int_equal(dones, 1);
}

static struct job job_of(void)
{
    struct job job;

    assert_true(service_job(&call, &job));
    return job;
}

static int group_teardown(void **state)
{
    (void)state;
    service_call_finish(&call);
    return 0;
}

static void assert_status(const char *id, enum vts_state wanted)
{
    make(service_status, id, NULL);
    assert_int_equal(call.result, SERVICE_DONE);
    assert_int_equal(call.state, wanted);
    assert_int_equal(job_of().state, wanted);
}

/* ---- start, status, cancel ---- */

static void a_job_from_start_to_end(void **state)
{
    (void)state;
    open_usual();
    make(service_status, "a", NULL);
    assert_int_equal(call.result, SERVICE_NOT_FOUND);
    assert_int_equal(call.record.length, 0);
    make(service_start, "a", "{\"x\": 1}");
    assert_int_equal(call.result, SERVICE_DONE);
    assert_int_equal(call.state, VTS_RUNNING);
    assert_false(call.bent);
    assert_string_equal(job_of().input.at, "{\"x\": 1}");
    assert_status("a", VTS_RUNNING);
    move_clock(T0 + 99);
    assert_status("a", VTS_RUNNING);
    move_clock(T0 + 250);
    assert_status("a", VTS_COMPLETED);
    assert_int_equal(job_of().ended_at, T0 + 100);
    assert_string_equal(job_of().result.at, "{\"x\": 1}");
    assert_int_equal(call.store.polls, 3);
    move_clock(T0 + 1099);
    assert_status("a", VTS_COMPLETED);
    move_clock(T0 + 1100);
    make(service_status, "a", NULL);
    assert_int_equal(call.result, SERVICE_NOT_FOUND);
    make(service_start, "a", NULL); /* the id is free again */
    assert_int_equal(call.result, SERVICE_DONE);
    assert_null(job_of().input.at);
}

static void an_id_can_be_started_once(void **state)
{
    (void)state;
    open_usual();
    make(service_start, "a", NULL);
    make(service_start, "a", "2");
    assert_int_equal(call.result, SERVICE_EXISTS);
    assert_int_equal(call.state, VTS_RUNNING);
    assert_null(job_of().input.at); /* it is the job that is there */
    move_clock(T0 + 100);
    make(service_start, "a", NULL);
    assert_int_equal(call.result, SERVICE_EXISTS);
}

static void a_job_is_cancelled(void **state)
{
    (void)state;
    open_usual();
    make(service_cancel, "a", NULL);
    assert_int_equal(call.result, SERVICE_NOT_FOUND);
    make(service_start, "a", NULL);
    move_clock(T0 + 40);
    make(service_cancel, "a", NULL);
    assert_int_equal(call.result, SERVICE_DONE);
    assert_int_equal(call.state, VTS_CANCELLED);
    assert_int_equal(job_of().ended_at, T0 + 40);
    make(service_cancel, "a", NULL); /* once more: it stays as it is */
    assert_int_equal(call.result, SERVICE_DONE);
    assert_int_equal(call.state, VTS_CANCELLED);
    move_clock(T0 + 200);
    assert_status("a", VTS_CANCELLED);
    assert_int_equal(job_of().ended_at, T0 + 40);
}

/* Too late: it was over before anybody looked. */
static void a_cancel_that_comes_too_late(void **state)
{
    (void)state;
    open_usual();
    make(service_start, "a", NULL);
    move_clock(T0 + 140);
    make(service_cancel, "a", NULL);
    assert_int_equal(call.result, SERVICE_DONE);
    assert_int_equal(call.state, VTS_COMPLETED);
    assert_int_equal(job_of().ended_at, T0 + 100);
}

static void a_call_that_wants_no_job(void **state)
{
    struct job job;

    (void)state;
    open_usual();
    service_call_finish(&call);
    service_call_init(&call);
    call.port = &rig.service.ports[0];
    call.store.id = (struct bytes){"a", 1};
    call.instance = service_behaviour(&rig.service.ports[0], &(struct asked){.id = call.store.id});
    call.done = on_done;
    service_start(&call);
    assert_int_equal(call.result, SERVICE_DONE);
    assert_int_equal(call.state, VTS_RUNNING);
    assert_false(service_job(&call, &job));
}

/* ---- refusals and limits ---- */

static void a_refused_job_is_not_there(void **state)
{
    static const char *const assignments[] = {"server/behaviour=reluctant"};

    (void)state;
    open_with(assignments, 1, 1);
    for (int attempt = 0; attempt < 2; attempt++) {
        make(service_start, "a", NULL);
        assert_int_equal(call.result, SERVICE_REFUSED);
        assert_true(call.bent);
        assert_int_equal(call.answer.status, 429);
        assert_int_equal(call.answer.retry_after, 1500);
        make(service_status, "a", NULL);
        assert_int_equal(call.result, SERVICE_NOT_FOUND);
        assert_false(call.bent);
        make(service_cancel, "a", NULL);
        assert_int_equal(call.result, SERVICE_NOT_FOUND);
    }
    make(service_start, "a", NULL);
    assert_int_equal(call.result, SERVICE_DONE);
    assert_false(call.bent);
    assert_status("a", VTS_RUNNING);
    assert_int_equal(call.store.polls, 1); /* what was asked before was no poll */
}

static void there_are_as_many_as_allowed(void **state)
{
    static const char *const assignments[] = {"server/behaviour=slow", "server/max_jobs=2",
                                              "server/keep_ended=1s"};

    (void)state;
    open_with(assignments, 3, 1);
    make(service_start, "a", NULL);
    make(service_start, "b", NULL);
    make(service_start, "c", NULL);
    assert_int_equal(call.result, SERVICE_LIMIT);
    assert_false(call.bent);
    make(service_status, "c", NULL);
    assert_int_equal(call.result, SERVICE_NOT_FOUND);
    assert_status("a", VTS_RUNNING);
    move_clock(T0 + 1100); /* they end and are forgotten */
    assert_int_equal(store_run_due(rig.service.ports[0].store, T0 + 1100, 100), RECORD_NEVER);
    make(service_start, "c", NULL);
    assert_int_equal(call.result, SERVICE_DONE);
}

/* A job that could not be kept was not started, whatever its behaviour wanted to have told. */
static void a_limit_is_not_bent(void **state)
{
    static const char *const assignments[] = {"server/behaviour=reluctant", "server/max_jobs=1"};

    (void)state;
    open_with(assignments, 2, 1);
    make(service_start, "a", NULL);
    assert_int_equal(call.result, SERVICE_REFUSED);
    make(service_start, "b", NULL);
    assert_int_equal(call.result, SERVICE_LIMIT);
    assert_false(call.bent);
}

/* ---- bent answers ---- */

static void a_bent_answer_belongs_to_the_call(void **state)
{
    struct service_call first;

    (void)state;
    open_usual();
    service_call_init(&first);
    first.port = &rig.service.ports[0];
    first.store.id = (struct bytes){"b", 1};
    first.instance = service_behaviour_named(&rig.service.ports[0], "bending", 7);
    first.done = on_done;
    service_start(&first);
    assert_false(first.bent);
    service_status(&first);
    assert_true(first.bent);
    assert_int_equal(first.answer.status, 203);
    /* others come in between */
    make(service_start, "c", NULL);
    make(service_status, "c", NULL);
    assert_false(call.bent);
    assert_string_equal(first.answer.word, "soon");
    assert_ptr_equal(first.answer.word, first.word.bytes);
    service_call_finish(&first);
}

/* ---- which behaviour ---- */

static const char *behaviour_of(const char *id)
{
    return service_behaviour(&rig.service.ports[0], &(struct asked){.id = {id, strlen(id)}})->name;
}

static void rules_choose_the_behaviour(void **state)
{
    static const char *const assignments[] = {
        "server/behaviour=slow",    "rule b/job_id=long-*",  "rule b/behaviour=quick",
        "rule a/job_id=long-x*", /* comes too late */
        "rule a/behaviour=bending", "rule c/job_id=*-?.mp4", "rule c/behaviour=reluctant"};

    (void)state;
    open_with(assignments, 7, 1);
    assert_string_equal(behaviour_of("short"), "slow");
    assert_string_equal(behaviour_of("long-"), "quick");
    assert_string_equal(behaviour_of("long-xy"), "quick");
    assert_string_equal(behaviour_of("a long-x"), "slow");
    assert_string_equal(behaviour_of("a-b-1.mp4"), "reluctant");
    assert_string_equal(behaviour_of("a-b-12.mp4"), "slow");
    assert_string_equal(behaviour_of("-\xC3\xBC.mp4"), "reluctant"); /* one character, two bytes */
    assert_string_equal(behaviour_of("-.mp4"), "slow");
    make(service_start, "long-1", NULL);
    assert_int_equal(call.state, VTS_COMPLETED);
    assert_int_equal(job_of().instance,
                     service_behaviour_named(&rig.service.ports[0], "quick", 5)->hash);
}

static void assert_matches(const char *pattern, const char *id, bool wanted)
{
    static struct rule_settings settings;
    struct config_rule rule = {.name = "r"};

    settings.job_id = pattern;
    settings.behaviour = "quick";
    rule.settings = settings;
    rig.assignment->config.rules = &rule;
    rig.assignment->config.rule_count = 1;
    if ((strcmp(behaviour_of(id), "quick") == 0) != wanted)
        fail_msg("\"%s\" and \"%s\"", pattern, id);
    rig.assignment->config.rules = NULL;
    rig.assignment->config.rule_count = 0;
}

static void patterns(void **state)
{
    (void)state;
    open_usual();
    assert_matches("*", "a", true);
    assert_matches("**", "a", true);
    assert_matches("?", "a", true);
    assert_matches("?", "ab", false);
    assert_matches("??", "a", false);
    assert_matches("a*", "a", true);
    assert_matches("*a", "ba", true);
    assert_matches("*a", "ab", false);
    assert_matches("a*b*c", "a-b-b-c", true);
    assert_matches("a*b*c", "a-c-b", false);
    assert_matches("*ab", "aab", true);
    assert_matches("*?", "a", true);
    assert_matches("a/*", "a/b/c", true);
    assert_matches("*", ".hidden", true);
    assert_matches("?", "\xF0\x9F\x98\x80", true);
    assert_matches("??", "\xC3\xBC\xC3\xBC", true);
    assert_matches("\xC3\xBC*", "\xC3\xBC-1", true);
    assert_matches("*\xBC", "\xC3\xBC", false);
    /* no other sign has a meaning */
    assert_matches("job[1]", "job[1]", true);
    assert_matches("job[1]", "job1", false);
    assert_matches("a\\b", "a\\b", true);
    assert_matches("A", "a", false);
    /* what could take for ever */
    assert_matches("*a*a*a*a*a*a*a*a*a*a*b",
                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                   false);
}

static void the_seed_decides_chance(void **state)
{
    static const char *const one[] = {"server/behaviour=dice", "server/seed=1"};
    static const char *const two[] = {"server/behaviour=dice", "server/seed=2"};
    char first[32];

    open_with(one, 2, 1);
    make(service_start, "a", NULL);
    snprintf(first, sizeof(first), "%s", job_of().result.at);
    make(service_start, "b", NULL);
    assert_string_not_equal(job_of().result.at, first);
    teardown(state);
    open_with(one, 2, 3);
    make(service_start, "b", NULL);
    make(service_start, "a", NULL);
    assert_string_equal(job_of().result.at, first);
    teardown(state);
    open_with(two, 2, 1);
    make(service_start, "a", NULL);
    assert_string_not_equal(job_of().result.at, first);
}

/* ---- listing ---- */

struct rows {
    struct service_list base; /* first */
    struct text text;         /* "a running b completed " */
    int dones;
};

static void on_row(struct service_list *list, const struct job *job,
                    const struct instance *instance, uint64_t polls, vts_ms now)
{
    struct rows *rows = (struct rows *)list;

    assert_int_equal(now, clock_now(&rig.clock));
    assert_int_equal(instance->hash, job->instance);
    text_printf(&rows->text, "%.*s %s %llu ", (int)job->id.length, job->id.at,
                state_name((int)job->state), (unsigned long long)polls);
}

static void on_rows_done(struct service_list *list) { ((struct rows *)list)->dones++; }

static void list_all(struct rows *rows, int job_state)
{
    memset(rows, 0, sizeof(*rows));
    rows->base.port = &rig.service.ports[0];
    rows->base.state = job_state;
    rows->base.row = on_row;
    rows->base.done = on_rows_done;
    rows->base.store.limit = 100;
    rows->base.store.scan = 1000;
    service_list(&rows->base);
    assert_int_equal(rows->dones, 1);
    assert_false(rows->base.store.more);
    assert_int_equal(rows->base.store.err, VTS_OK);
}

static void assert_listed(int job_state, const char *wanted)
{
    struct rows rows;

    list_all(&rows, job_state);
    assert_string_equal(rows.text.bytes ? rows.text.bytes : "", wanted);
    text_finish(&rows.text);
}

static void jobs_are_listed(void **state)
{
    struct rows rows;

    (void)state;
    open_usual();
    assert_listed(-1, "");
    make(service_start, "a", NULL);
    assert_status("a", VTS_RUNNING);
    assert_listed(-1, "a running 1 "); /* a listing is no poll */
    assert_listed(-1, "a running 1 ");
    make(service_start, "b", NULL);
    make(service_cancel, "b", NULL);
    assert_listed(VTS_RUNNING, "a running 1 ");
    assert_listed(VTS_CANCELLED, "b cancelled 0 ");
    assert_listed(VTS_FAILED, "");
    list_all(&rows, -1);
    assert_non_null(strstr(rows.text.bytes, "a running 1 "));
    assert_non_null(strstr(rows.text.bytes, "b cancelled 0 "));
    text_finish(&rows.text);
}

/* A look moves nothing and runs no hook: what is due is carried out by its own event. */
static void a_listing_moves_nothing(void **state)
{
    uint64_t counts[VTS_CANCELLED + 1];

    (void)state;
    open_usual();
    make(service_start, "a", NULL);
    move_clock(T0 + 150);
    assert_listed(VTS_RUNNING, "a running 0 ");
    assert_listed(VTS_COMPLETED, "");
    store_count(rig.service.store, counts);
    assert_int_equal(counts[VTS_RUNNING], 1);
    store_run_due(rig.service.ports[0].store, T0 + 150, 10);
    assert_listed(VTS_RUNNING, "");
    assert_listed(VTS_COMPLETED, "a completed 0 ");
    assert_status("a", VTS_COMPLETED);
}

static void refused_jobs_are_not_listed(void **state)
{
    static const char *const assignments[] = {"server/behaviour=reluctant"};

    (void)state;
    open_with(assignments, 1, 1);
    make(service_start, "a", NULL);
    assert_int_equal(call.result, SERVICE_REFUSED);
    assert_listed(-1, "");
    assert_listed(VTS_ASKED, "");
}

/* ---- the loop ---- */

static void what_is_due_is_carried_out(void **state)
{
    struct event_base *base = event_base_new();
    uint64_t counts[VTS_CANCELLED + 1];

    (void)state;
    assert_non_null(base);
    open_with(usual, 3, 2);
    assert_true(service_port_attach(&rig.service.ports[0], base));
    assert_true(service_port_attach(&rig.service.ports[1], base));
    for (int i = 0; i < 40; i++) {
        char id[8];

        snprintf(id, sizeof(id), "j%d", i);
        make(service_start, id, NULL);
    }
    event_base_loop(base, EVLOOP_NONBLOCK);
    store_count(rig.service.store, counts);
    assert_int_equal(counts[VTS_RUNNING], 40);
    move_clock(T0 + 100);
    service_port_ring(&rig.service, 0);
    service_port_ring(&rig.service, 1);
    service_port_ring(&rig.service, 1);
    event_base_loop(base, EVLOOP_NONBLOCK);
    store_count(rig.service.store, counts);
    assert_int_equal(counts[VTS_COMPLETED], 40);
    service_port_detach(&rig.service.ports[0]);
    service_port_detach(&rig.service.ports[1]);
    service_port_ring(&rig.service, 0); /* to nobody: no harm */
    event_base_free(base);
}

static void give_up(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(arg);
}

/* By the real clock a timer does it, without anybody ringing after the start. */
static void a_timer_waits_for_what_is_due(void **state)
{
    static const struct timeval deadline = {30, 0};
    struct event_base *base = event_base_new();
    uint64_t counts[VTS_CANCELLED + 1] = {0};
    struct event *stop;

    (void)state;
    assert_non_null(base);
    open_usual();
    clock_init_real(&rig.clock);
    assert_true(service_port_attach(&rig.service.ports[0], base));
    make(service_start, "a", NULL);
    stop = evtimer_new(base, give_up, base);
    assert_non_null(stop);
    assert_int_equal(evtimer_add(stop, &deadline), 0);
    while (counts[VTS_COMPLETED] == 0 && !event_base_got_break(base)) {
        event_base_loop(base, EVLOOP_ONCE);
        store_count(rig.service.store, counts);
    }
    assert_int_equal(counts[VTS_COMPLETED], 1);
    event_free(stop);
    service_port_detach(&rig.service.ports[0]);
    event_base_free(base);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_teardown(function, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_job_from_start_to_end),
        TEST(an_id_can_be_started_once),
        TEST(a_job_is_cancelled),
        TEST(a_cancel_that_comes_too_late),
        TEST(a_call_that_wants_no_job),
        TEST(a_refused_job_is_not_there),
        TEST(there_are_as_many_as_allowed),
        TEST(a_limit_is_not_bent),
        TEST(a_bent_answer_belongs_to_the_call),
        TEST(rules_choose_the_behaviour),
        TEST(patterns),
        TEST(the_seed_decides_chance),
        TEST(jobs_are_listed),
        TEST(a_listing_moves_nothing),
        TEST(refused_jobs_are_not_listed),
        TEST(what_is_due_is_carried_out),
        TEST(a_timer_waits_for_what_is_due),
    };

    return cmocka_run_group_tests(tests, NULL, group_teardown);
}
