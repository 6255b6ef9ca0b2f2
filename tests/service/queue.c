/* SPDX-License-Identifier: MIT
 *
 * Jobs that wait for a slot: with the memory store and with SQLite, through one worker and through four, on a
 * clock that only the tests move. What comes of the jobs is compared to the byte, and with a line that is
 * reckoned here. Kills a process in the middle and goes on with what it left. */
#include "service/service.h"

#include <event2/event.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "folder.h"
#include "run.h"

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

/* 2026-01-01T00:00:00Z */
#define T0    INT64_C(1767225600000)
#define PORTS 4

const struct vts_plugin *queue_LTX_vts_plugin(void);
const struct store_module *sqlite_LTX_vts_store(void);

/* ---- behaviours ---- */

static bool one_slot(struct vts_instance *instance, struct vts_error *error)
{
    (void)error;
    return vts_slots(instance, 1);
}

static void wait_for_slot(struct vts_job *job) { vts_wait(job, VTS_FOR_SLOT); }

static void wait_150(struct vts_job *job)
{
    vts_wait(job, VTS_FOR_SLOT);
    vts_wake_after(job, 150);
}

/* Runs for 100 ms; gives up where it waited for 150 ms. */
static void run_or_give_up(struct vts_job *job)
{
    if (vts_granted(job))
        vts_wake_after(job, 100);
    else if (vts_job_state(job) == VTS_QUEUED)
        vts_fail(job, "patience", "it waited too long");
    else
        vts_complete(job, NULL);
}

/* Takes turns of 10 ms, three of them. */
static void take_turns(struct vts_job *job)
{
    uint8_t *turns = vts_state(job);

    if (vts_granted(job))
        vts_wake_after(job, 10);
    else if (++*turns < 3)
        vts_wait(job, VTS_FOR_SLOT);
    else
        vts_complete(job, NULL);
}

static void again_at_once(struct vts_job *job) { vts_wait(job, VTS_FOR_SLOT); }

static void run_100(struct vts_job *job)
{
    if (vts_job_state(job) == VTS_QUEUED)
        vts_wait(job, VTS_FOR_SLOT);
    else if (vts_granted(job))
        vts_wake_after(job, 100);
    else
        vts_complete(job, NULL);
}

static void tell_line(struct vts_job *job)
{
    static char word[64];

    snprintf(word, sizeof(word), "%d waiting, %d free", (int)vts_waiting(job),
             (int)vts_free_slots(job));
    VTS_BEND(job, .word = word);
}

VTS_PLUGIN(patient, .summary = "gives up", .open = one_slot, .start = wait_150,
           .wake = run_or_give_up)
VTS_PLUGIN(turns, .summary = "takes turns", .open = one_slot, .start = wait_for_slot,
           .wake = take_turns, .state_size = 1)
VTS_PLUGIN(endless, .summary = "never runs", .open = one_slot, .start = wait_for_slot,
           .wake = again_at_once)
VTS_PLUGIN(telling, .summary = "tells the line", .open = one_slot, .start = wait_for_slot,
           .wake = run_100, .poll = tell_line)
/* Holds its slot, whatever it asked for before. */
static void hold_or_give_up(struct vts_job *job)
{
    if (vts_granted(job))
        vts_wait(job, VTS_FOR_EVER);
    else
        vts_fail(job, "patience", "it waited too long");
}

VTS_PLUGIN(holding, .summary = "holds its slot", .open = one_slot, .start = wait_150,
           .wake = hold_or_give_up)
VTS_PLUGIN(hookless, .summary = "has no wake", .open = one_slot, .start = wait_for_slot)

/* ---- a service ---- */

struct sqlite_settings {
    const char *path;
    int durability;
};

static struct {
    const char *kind;
    size_t ports;
    vts_ms begin; /* where the clock stands when it is opened */
    char folder[FOLDER_ROOM], path[FOLDER_ROOM + 16];
    struct assignment *assignment;
    struct clock clock;
    struct service service;
    struct event_base *base;
    bool open;
} rig;

static void add(struct assignment *to, const char *name, const struct vts_plugin *plugin,
                struct ini_section *section)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = instance_create(name, plugin, section, &problems);

    if (!instance)
        fail_msg("%s", problems.lines.bytes);
    assert_true(behaviours_add(&to->behaviours, instance));
    problems_finish(&problems);
}

static void choose_store(struct store_choice *choice)
{
    struct sqlite_settings *settings;

    if (strcmp(rig.kind, "memory") == 0)
        return;
    choice->module = sqlite_LTX_vts_store();
    free(choice->settings);
    settings = calloc(1, choice->module->settings_size + 1);
    assert_non_null(settings);
    settings->path = strdup(rig.path);
    choice->settings = settings;
}

/* `settings` are of [behaviour q], with NULL behind them. */
static struct assignment *read_assignment(const char *const *settings)
{
    const char *assignments[16] = {"server/behaviour=q", "server/keep_ended=10000s",
                                   "server/max_jobs=10000000"};
    struct assignment *assignment = calloc(1, sizeof(*assignment));
    struct problems problems = PROBLEMS_INIT;
    size_t count = 3;

    while (*settings)
        assignments[count++] = *settings++;
    assert_non_null(assignment);
    atomic_init(&assignment->holders, 1);
    if (!config_read(&assignment->config, NULL, assignments, count, &problems))
        fail_msg("%s", problems.lines.bytes);
    assert_true(store_choose(&assignment->store, &assignment->config, &problems));
    choose_store(&assignment->store);
    problems_finish(&problems);
    add(assignment, "q", queue_LTX_vts_plugin(),
        ini_section(&assignment->config.ini, "behaviour", "q"));
    add(assignment, "patient", patient_LTX_vts_plugin(), NULL);
    add(assignment, "turns", turns_LTX_vts_plugin(), NULL);
    add(assignment, "endless", endless_LTX_vts_plugin(), NULL);
    add(assignment, "telling", telling_LTX_vts_plugin(), NULL);
    add(assignment, "holding", holding_LTX_vts_plugin(), NULL);
    add(assignment, "hookless", hookless_LTX_vts_plugin(), NULL);
    return assignment;
}

static void open_with(const char *const *settings)
{
    struct service_parts parts = {NULL, &rig.clock, rig.ports};
    struct vts_error error = {0};
    size_t i;

    parts.assignment = rig.assignment = read_assignment(settings);
    clock_init_virtual(&rig.clock, rig.begin);
    if (!service_init(&rig.service, &parts, &error))
        fail_msg("%s", error.message);
    clock_reset(&rig.clock); /* the tests say what it shows, and not the file */
    rig.base = event_base_new();
    assert_non_null(rig.base);
    for (i = 0; i < rig.ports; i++)
        assert_true(service_port_attach(&rig.service.ports[i], rig.base));
    rig.open = true;
}

#define OPEN(...) open_with((const char *const[]){__VA_ARGS__, NULL})

static struct service_call call;

static void shut(void)
{
    service_call_finish(&call); /* it may hold an instance */
    service_call_init(&call);
    if (!rig.open)
        return;
    service_finish(&rig.service);
    assignment_release(rig.assignment);
    event_base_free(rig.base);
    rig.open = false;
}

static int setup_with(const char *kind, size_t ports)
{
    rig.kind = kind;
    rig.ports = ports;
    rig.begin = T0;
    folder_make(rig.folder);
    snprintf(rig.path, sizeof(rig.path), "%s/jobs.db", rig.folder);
    return 0;
}

static int memory_1(void **state)
{
    (void)state;
    return setup_with("memory", 1);
}

static int memory_4(void **state)
{
    (void)state;
    return setup_with("memory", PORTS);
}

static int sqlite_1(void **state)
{
    (void)state;
    return setup_with("sqlite", 1);
}

static int sqlite_4(void **state)
{
    (void)state;
    return setup_with("sqlite", PORTS);
}

static int teardown(void **state)
{
    (void)state;
    shut();
    folder_remove(rig.folder);
    return 0;
}

static void move_clock(vts_ms since)
{
    assert_int_equal(clock_move(&rig.clock, T0 + since, NULL), VTS_OK);
}

/* ---- calls ---- */

static int dones;
static size_t next_port;

static void on_done(struct service_call *done)
{
    (void)done;
    dones++;
}

/* Each call through another port. */
static void make(void (*operation)(struct service_call *), const char *id, const char *behaviour)
{
    struct service_port *port = &rig.service.ports[next_port++ % rig.ports];
    int64_t until = run_now_ms() + RUN_TIMEOUT_MS;

    service_call_finish(&call);
    service_call_init(&call);
    call.port = port;
    call.store.id = (struct bytes){id, strlen(id)};
    call.instance = service_behaviour_named(port, behaviour, strlen(behaviour));
    call.want_job = true;
    call.done = on_done;
    dones = 0;
    operation(&call);
    while (dones == 0) {
        if (run_now_ms() > until)
            fail_msg("%s: no answer", id);
        event_base_loop(rig.base, EVLOOP_ONCE);
    }
    assert_int_equal(dones, 1);
}

static void start(const char *id)
{
    make(service_start, id, "q");
    assert_int_equal(call.result, SERVICE_DONE);
}

static struct job poll_job(const char *id)
{
    struct job job;

    make(service_status, id, "q");
    if (call.result != SERVICE_DONE)
        fail_msg("%s: result %d", id, (int)call.result);
    assert_true(service_job(&call, &job));
    assert_int_equal(job.state, call.state);
    return job;
}

static void add_moment(struct text *out, const char *name, vts_ms moment)
{
    if (moment == RECORD_NEVER)
        text_printf(out, " %s -", name);
    else
        text_printf(out, " %s %lld", name, (long long)(moment - T0));
}

static void tell_job(struct text *out, const struct job *job)
{
    text_printf(out, "%s %s", job->id.at, state_name((int)job->state));
    add_moment(out, "created", job->created_at);
    add_moment(out, "started", job->started_at);
    add_moment(out, "ended", job->ended_at);
    text_puts(out, "\n");
}

#define assert_job(id, wanted) assert_job_((id), (wanted), __FILE__, __LINE__)
static void assert_job_(const char *id, const char *wanted, const char *file, int line)
{
    struct job job = poll_job(id);
    struct text is = TEXT_INIT;

    tell_job(&is, &job);
    is.bytes[strlen(is.bytes) - 1] = '\0';
    if (strcmp(is.bytes + strlen(id) + 1, wanted) != 0) {
        print_error("%s:%d: %s, not %s\n", file, line, is.bytes, wanted);
        text_finish(&is);
        fail();
    }
    text_finish(&is);
}

/* ---- one line ---- */

static void first_come_first_served(void **state)
{
    struct job job;

    (void)state;
    OPEN("behaviour q/slots=1", "behaviour q/running=100ms");
    start("b");
    assert_int_equal(call.state, VTS_RUNNING); /* granted at the same moment, and told so */
    start("c");
    assert_int_equal(call.state, VTS_QUEUED);
    move_clock(10);
    start("a");
    assert_int_equal(call.state, VTS_QUEUED);
    move_clock(50);
    job = poll_job("c");
    assert_true(job_progress(&job, T0 + 50) == 0);
    assert_int_equal(job.started_at, RECORD_NEVER);
    move_clock(250); /* nobody looked */
    job = poll_job("a");
    assert_true(job_progress(&job, T0 + 250) == 0.5);
    assert_job("a", "running created 10 started 200 ended -");
    assert_job("b", "completed created 0 started 0 ended 100");
    assert_job("c", "completed created 0 started 100 ended 200");
    move_clock(300);
    assert_job("a", "completed created 10 started 200 ended 300");
}

/* Those that wait since the same moment are served by their ids. */
static void ties_go_by_id(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=1", "behaviour q/running=100ms");
    start("x");
    start("z");
    start("ab");
    start("a");
    move_clock(1000);
    assert_job("z", "completed created 0 started 300 ended 400");
    assert_job("ab", "completed created 0 started 200 ended 300");
    assert_job("a", "completed created 0 started 100 ended 200");
}

static void overhead_holds_the_slot(void **state)
{
    struct job job;

    (void)state;
    OPEN("behaviour q/slots=1", "behaviour q/running=100ms", "behaviour q/overhead=50ms");
    start("a");
    start("b");
    move_clock(50);
    job = poll_job("a");
    assert_true(job_progress(&job, T0 + 50) == 0);
    move_clock(75);
    job = poll_job("a");
    assert_true(job_progress(&job, T0 + 75) == 0.25);
    move_clock(400);
    assert_job("b", "completed created 0 started 150 ended 300");
}

static void a_cancel_gives_the_slot_on(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=1", "behaviour q/running=100ms");
    start("a");
    start("b");
    start("c");
    start("d");
    move_clock(20);
    make(service_cancel, "b", "q");
    assert_int_equal(call.state, VTS_CANCELLED);
    move_clock(40);
    make(service_cancel, "a", "q");
    assert_int_equal(call.state, VTS_CANCELLED);
    move_clock(41);
    assert_job("b", "cancelled created 0 started - ended 20");
    assert_job("c", "running created 0 started 40 ended -");
    move_clock(500);
    make(service_cancel, "d", "q"); /* too late */
    assert_job("c", "completed created 0 started 40 ended 140");
    assert_job("d", "completed created 0 started 140 ended 240");
}

/* ---- a hand on them ---- */

static void on_reset(struct service_reset *reset)
{
    (void)reset;
    dones++;
}

/* Removes what matches (NULL: all), through another port each time. How many there were. */
static uint64_t remove_jobs(const char *pattern)
{
    struct service_reset reset = {
        .port = &rig.service.ports[next_port++ % rig.ports], .pattern = pattern, .done = on_reset};
    int64_t until = run_now_ms() + RUN_TIMEOUT_MS;

    dones = 0;
    assert_true(service_reset(&reset));
    while (dones == 0) {
        assert_true(run_now_ms() < until);
        event_base_loop(rig.base, EVLOOP_ONCE);
    }
    assert_int_equal(dones, 1);
    assert_false(reset.failed);
    service_reset_finish(&reset);
    return reset.removed;
}

static void a_removed_job_gives_the_slot_on(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=1", "behaviour q/running=100ms");
    start("a1");
    start("b1");
    start("b2");
    start("c1");
    move_clock(20);
    assert_int_equal(remove_jobs("b1"), 1); /* one that waits: it is in line no more */
    move_clock(40);
    assert_int_equal(remove_jobs("a*"), 1); /* one that holds the slot */
    move_clock(41);
    make(service_status, "b1", "q");
    assert_int_equal(call.result, SERVICE_NOT_FOUND);
    assert_job("b2", "running created 0 started 40 ended -");
    move_clock(500);
    assert_job("b2", "completed created 0 started 40 ended 140");
    assert_job("c1", "completed created 0 started 140 ended 240");
    assert_int_equal(remove_jobs("*"), 2);
}

/* What was due before the removal has happened, at its own moment, though nobody had looked. */
static void what_was_due_comes_before_a_removal(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=1", "behaviour q/running=100ms");
    start("a");
    start("b");
    start("c");
    move_clock(150);
    assert_int_equal(remove_jobs("b"), 1);
    move_clock(160);
    assert_job("a", "completed created 0 started 0 ended 100");
    assert_job("c", "running created 0 started 150 ended -");
}

/* More than a page of them, some granted on the way: nothing of a line is left. */
static void without_jobs_all_slots_are_free(void **state)
{
    char id[32];

    (void)state;
    OPEN("behaviour q/slots=3", "behaviour q/running=100ms");
    for (int i = 0; i < 700; i++) {
        snprintf(id, sizeof(id), "old-%d", i);
        start(id);
    }
    move_clock(50);
    assert_int_equal(remove_jobs(NULL), 700);
    for (int i = 0; i < 3; i++) {
        snprintf(id, sizeof(id), "new-%d", i);
        start(id);
        assert_int_equal(call.state, VTS_RUNNING);
    }
    start("new-3");
    assert_int_equal(call.state, VTS_QUEUED);
    move_clock(110); /* the clock began anew */
    assert_job("new-3", "running created 0 started 100 ended -");
}

/* A job that is kept no longer, and that nobody has missed yet, is not there again when the clock goes back. */
static void what_is_over_does_not_come_again(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=1", "behaviour q/running=100ms");
    start("a");
    move_clock(100);
    assert_job("a", "completed created 0 started 0 ended 100");
    move_clock(100 + 10000000);
    assert_int_equal(remove_jobs(NULL), 0);
    make(service_status, "a", "q");
    assert_int_equal(call.result, SERVICE_NOT_FOUND);
    start("a");
    assert_int_equal(call.state, VTS_RUNNING);
}

/* It goes as well, and is no job: the next attempt is the first again. */
static void a_refused_start_is_forgotten(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=1", "behaviour q/running=100ms", "behaviour q/limit=0");
    start("a");
    make(service_start, "b", "q");
    assert_int_equal(call.result, SERVICE_REFUSED);
    assert_int_equal(remove_jobs(NULL), 1);
    make(service_start, "b", "q");
    assert_int_equal(call.result, SERVICE_DONE);
    assert_int_equal(remove_jobs(NULL), 1);
}

static void end_by_hand(const char *id)
{
    static const char code[] = "hand", message[] = "enough";
    static const struct engine_end end = {.state = VTS_FAILED,
                                          .code = {code, sizeof(code) - 1},
                                          .message = {message, sizeof(message) - 1}};
    struct service_call *const next = &call;

    service_call_finish(next);
    service_call_init(next);
    next->port = &rig.service.ports[next_port++ % rig.ports];
    next->store.id = (struct bytes){id, strlen(id)};
    next->end = &end;
    next->done = on_done;
    dones = 0;
    service_end(next);
    while (dones == 0)
        event_base_loop(rig.base, EVLOOP_ONCE);
    assert_int_equal(next->result, SERVICE_DONE);
    assert_int_equal(next->state, VTS_FAILED);
}

static void an_end_by_hand_gives_the_slot_on(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=1", "behaviour q/running=100ms");
    start("a");
    start("b");
    start("c");
    start("d");
    move_clock(20);
    end_by_hand("b");
    move_clock(40);
    end_by_hand("a");
    move_clock(41);
    assert_job("a", "failed created 0 started 0 ended 40");
    assert_job("b", "failed created 0 started - ended 20");
    assert_job("c", "running created 0 started 40 ended -");
    move_clock(500);
    assert_job("d", "completed created 0 started 140 ended 240");
}

static void beyond_the_limit_starts_are_refused(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=1", "behaviour q/running=100ms", "behaviour q/limit=1",
         "behaviour q/retry_after=2s");
    start("a");
    start("b");
    make(service_start, "c", "q");
    assert_int_equal(call.result, SERVICE_REFUSED);
    assert_int_equal(call.answer.status, 429);
    assert_int_equal(call.answer.retry_after, 2000);
    make(service_status, "c", "q");
    assert_int_equal(call.result, SERVICE_NOT_FOUND);
    move_clock(100); /* the slot is b's now, at this very moment */
    start("c");
    assert_int_equal(call.state, VTS_QUEUED);
    make(service_start, "d", "q");
    assert_int_equal(call.result, SERVICE_REFUSED);
    make(service_cancel, "c", "q");
    start("d");
    move_clock(1000);
    assert_job("d", "completed created 100 started 200 ended 300");
}

static void nobody_may_wait(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=2", "behaviour q/running=100ms", "behaviour q/limit=0",
         "behaviour q/refuse=503", "behaviour q/retry_after=0");
    start("a");
    start("b");
    make(service_start, "c", "q");
    assert_int_equal(call.result, SERVICE_REFUSED);
    assert_int_equal(call.answer.status, 503);
    assert_int_equal(call.answer.retry_after, 0);
    move_clock(100);
    start("c");
    assert_int_equal(call.state, VTS_RUNNING);
}

/* ---- what other behaviours do with slots ---- */

static void one_that_waits_may_have_a_wake(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=1");
    make(service_start, "a", "patient");
    make(service_start, "b", "patient");
    make(service_start, "c", "patient");
    assert_int_equal(call.state, VTS_QUEUED);
    move_clock(1000);
    assert_job("a", "completed created 0 started 0 ended 100");
    assert_job("b",
               "completed created 0 started 100 ended 200"); /* its wake at 150 is called off */
    assert_job("c", "failed created 0 started - ended 150");
}

static void a_grant_calls_the_wake_off(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=1");
    make(service_start, "a", "holding");
    make(service_start, "b", "holding");
    move_clock(1000);
    assert_job("a", "running created 0 started 0 ended -");
    assert_job("b", "failed created 0 started - ended 150");
}

static void a_slot_is_given_back(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=1");
    make(service_start, "a", "turns");
    make(service_start, "b", "turns");
    move_clock(15);
    assert_job("a", "queued created 0 started 0 ended -");
    assert_job("b", "running created 0 started 10 ended -");
    move_clock(1000);
    assert_job("a", "completed created 0 started 0 ended 50");
    assert_job("b", "completed created 0 started 10 ended 60");
}

static void assert_fails(const char *behaviour, const char *message)
{
    struct job job;

    make(service_start, "a", behaviour);
    job = poll_job("a");
    assert_int_equal(job.state, VTS_FAILED);
    assert_string_equal(job.code.at, "behaviour_error");
    assert_string_equal(job.message.at, message);
}

static void a_slot_without_end(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=1");
    assert_fails("endless",
                 "plugin endless: it gave its slot back in the moment in which it was granted, and "
                 "asked for one again: taken to be without end");
}

static void a_slot_without_a_wake_hook(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=1");
    assert_fails("hookless", "plugin hookless: it asked for a slot and has no wake hook");
}

static void a_poll_sees_the_line(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=1");
    make(service_start, "a", "telling");
    make(service_start, "b", "telling");
    make(service_start, "c", "telling");
    make(service_status, "c", "q");
    assert_string_equal(call.answer.word, "2 waiting, 0 free");
    assert_int_equal(call.store.polls, 1); /* however often the record is looked at */
    move_clock(100);
    make(service_status, "c", "q");
    assert_string_equal(call.answer.word, "1 waiting, 0 free");
    assert_int_equal(call.store.polls, 2);
    move_clock(299);
    make(service_status, "c", "q");
    assert_string_equal(call.answer.word, "0 waiting, 0 free");
    assert_int_equal(call.store.polls, 3);
}

/* ---- ids, restarts, other settings ---- */

static void an_id_is_one_job(void **state)
{
    (void)state;
    OPEN("behaviour q/slots=1", "behaviour q/running=100ms");
    start("a");
    start("b");
    make(service_start, "b", "q");
    assert_int_equal(call.result, SERVICE_EXISTS);
    assert_int_equal(call.state, VTS_QUEUED);
    move_clock(100);
    make(service_start, "b", "turns"); /* another line: it is still that job, as it is now */
    assert_int_equal(call.result, SERVICE_EXISTS);
    assert_int_equal(call.state, VTS_RUNNING);
    make(service_status, "nobody", "q");
    assert_int_equal(call.result, SERVICE_NOT_FOUND);
}

struct rows {
    struct service_list base; /* first */
    struct text text;
};

static void add_row(struct service_list *list, const struct job *job,
                    const struct instance *instance, uint64_t polls, vts_ms now)
{
    (void)instance;
    (void)polls;
    (void)now;
    tell_job(&((struct rows *)list)->text, job);
}

static void list_done(struct service_list *list)
{
    (void)list;
    dones++;
}

static int by_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All jobs as text, a line each, in the order of their ids; for free(). */
static char *all_jobs(void)
{
    struct rows rows = {.base = {.store = {.limit = SIZE_MAX, .scan = SIZE_MAX},
                                 .port = &rig.service.ports[0],
                                 .state = -1,
                                 .row = add_row,
                                 .done = list_done},
                        .text = TEXT_INIT};
    char **lines, *at, *out;
    size_t count = 0, i;

    dones = 0;
    service_list(&rows.base);
    while (dones == 0)
        event_base_loop(rig.base, EVLOOP_ONCE);
    assert_false(rows.text.failed);
    lines = (char **)calloc(rows.text.length + 1, sizeof(char *));
    assert_non_null(lines);
    for (at = rows.text.bytes ? strtok(rows.text.bytes, "\n") : NULL; at; at = strtok(NULL, "\n"))
        lines[count++] = at;
    qsort((void *)lines, count, sizeof(char *), by_line);
    out = calloc(1, rows.text.length + 2);
    assert_non_null(out);
    for (at = out, i = 0; i < count; i++)
        at += sprintf(at, "%s\n", lines[i]);
    free((void *)lines);
    text_finish(&rows.text);
    return out;
}

/* A look at the listing is no look into the past. */
static void a_listing_sees_grants(void **state)
{
    char *listed;

    (void)state;
    OPEN("behaviour q/slots=1", "behaviour q/running=100ms");
    start("a");
    start("b");
    move_clock(150);
    listed = all_jobs();
    assert_string_equal(listed, "a completed created 0 started 0 ended 100\n"
                                "b running created 0 started 100 ended -\n");
    free(listed);
}

/* Nobody asks: the loop does it. */
static void the_loop_grants(void **state)
{
    uint64_t counts[VTS_CANCELLED + 1];

    (void)state;
    OPEN("behaviour q/slots=1", "behaviour q/running=100ms");
    start("a");
    start("b");
    store_count(rig.service.store, counts);
    assert_int_equal(counts[VTS_QUEUED], 1);
    assert_int_equal(counts[VTS_RUNNING], 1);
    move_clock(100);
    for (size_t i = 0; i < rig.ports; i++)
        service_port_ring(&rig.service, i);
    event_base_loop(rig.base, EVLOOP_NONBLOCK);
    store_count(rig.service.store, counts);
    assert_int_equal(counts[VTS_QUEUED], 0);
    assert_int_equal(counts[VTS_RUNNING], 1);
    assert_int_equal(counts[VTS_COMPLETED], 1);
}

static void a_restart_keeps_line_and_slots(void **state)
{
    static const char *const settings[] = {"behaviour q/slots=1", "behaviour q/running=100ms",
                                           NULL};

    (void)state;
    open_with(settings);
    start("b");
    start("c");
    move_clock(10);
    start("a");
    shut();
    open_with(settings);
    move_clock(60);
    assert_job("a", "queued created 10 started - ended -");
    shut();
    open_with(settings); /* what was due meanwhile happens at its own moment */
    move_clock(250);
    assert_job("c", "completed created 0 started 100 ended 200");
    assert_job("a", "running created 10 started 200 ended -");
}

/* SIGHUP: other settings are another line; jobs go on in theirs. */
static void other_settings_are_another_line(void **state)
{
    static const char *const settings[] = {"behaviour q/slots=2", "behaviour q/running=100ms",
                                           NULL};
    struct assignment *next;

    (void)state;
    OPEN("behaviour q/slots=1", "behaviour q/running=100ms");
    start("a");
    start("b");
    next = read_assignment(settings);
    service_assign(&rig.service, next);
    assignment_release(next);
    event_base_loop(rig.base, EVLOOP_NONBLOCK); /* the ports take it over */
    start("c");
    assert_int_equal(call.state, VTS_RUNNING);
    start("d");
    assert_int_equal(call.state, VTS_RUNNING);
    start("e");
    assert_int_equal(call.state, VTS_QUEUED);
    move_clock(120);
    assert_job("b", "running created 0 started 100 ended -");
    assert_job("e", "running created 0 started 100 ended -");
}

/* Gives a job the record that it had, past the service. */
struct putting {
    struct store_call store; /* first */
    const struct text *record;
};

static enum record_act put(struct store_call *store, const struct record *old, struct text *next)
{
    const struct text *record = ((struct putting *)store)->record;

    (void)old;
    text_reset(next);
    text_add(next, record->bytes, record->length);
    return RECORD_PUT;
}

static void put_back(const char *id, const struct text *record)
{
    struct putting putting = {.store = {.id = {id, strlen(id)}, .fn = put}, .record = record};

    store_apply(rig.service.ports[0].store, &putting.store);
    assert_int_equal(putting.store.err, VTS_OK);
}

/* A crash between an end and the grant that comes of it. Both were not kept at once, so the grant is made up
 * for at the end's moment, also where the ended job would be let go by now. */
static void a_grant_is_made_up_for(void **state)
{
    static const char *const settings[] = {"behaviour q/slots=1", "behaviour q/running=100ms",
                                           NULL};
    struct text queued = TEXT_INIT;
    struct job job;

    (void)state;
    open_with(settings);
    start("a");
    start("b");
    poll_job("b");
    text_add(&queued, call.record.bytes, call.record.length);
    move_clock(100);
    job = poll_job("b");
    assert_int_equal(job.state, VTS_RUNNING);
    put_back("b", &queued);
    shut();
    rig.begin = T0 + 10000150; /* a is kept no longer */
    open_with(settings);
    assert_job("b", "completed created 0 started 100 ended 200");
    make(service_status, "a", "q");
    assert_int_equal(call.result, SERVICE_NOT_FOUND);
    text_finish(&queued);
}

/* ---- many jobs ---- */

/* A number that hangs on `seed` and `n` alone. */
static uint32_t chance(uint64_t seed, uint64_t n, uint32_t limit)
{
    uint64_t x = seed * UINT64_C(0x9E3779B97F4A7C15) + n * UINT64_C(0xBF58476D1CE4E5B9) + 1;

    x = (x ^ (x >> 31)) * UINT64_C(0x94D049BB133111EB);
    x ^= x >> 29;
    return (uint32_t)((x >> 20) % limit);
}

static const char *const many[] = {"behaviour q/slots=7",
                                   "behaviour q/running=lognormal 40ms sigma 1",
                                   "behaviour q/overhead=uniform 0ms..5ms", NULL};

#define MANY 600

/* Step n of a script of starts and cancels; the steps' moments are the same in all runs. */
static void script_step(uint64_t n)
{
    char id[32];

    move_clock((vts_ms)(n * 7 + chance(1, n, 7)));
    snprintf(id, sizeof(id), "job-%llu", (unsigned long long)(n * 7919 % MANY));
    make(service_start, id, "q");
    assert_true(call.result == SERVICE_DONE || call.result == SERVICE_EXISTS);
    if (chance(2, n, 10) == 0) {
        snprintf(id, sizeof(id), "job-%llu",
                 (unsigned long long)((n - chance(3, n, 10)) * 7919 % MANY));
        make(service_cancel, id, "q");
    }
}

/* Looks that must change nothing. */
static void look_around(uint64_t n, uint64_t seed)
{
    char id[32];

    if (seed == 0)
        return;
    for (uint32_t i = chance(seed, n, 4); i > 0; i--) {
        snprintf(id, sizeof(id), "job-%u", chance(seed + i, n, MANY));
        make(service_status, id, "q");
    }
    if (chance(seed + 9, n, 3) == 0)
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
}

static char *run_script(uint64_t looks)
{
    uint64_t n;

    for (n = 0; n < MANY; n++) {
        script_step(n);
        look_around(n, looks);
    }
    move_clock(10000000);
    return all_jobs();
}

static void run_many(const char *kind, size_t ports, uint64_t looks, char **told)
{
    rig.kind = kind;
    rig.ports = ports;
    open_with(many);
    *told = run_script(looks);
    shut();
    for (size_t i = 0; i < 4; i++) {
        static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
        char path[FOLDER_ROOM + 32];

        snprintf(path, sizeof(path), "%s%s", rig.path, tails[i]);
        unlink(path);
    }
}

static void the_same_order_gives_the_same_outcomes(void **state)
{
    char *first, *other;

    (void)state;
    run_many("memory", 1, 0, &first);
    assert_non_null(strstr(first, "cancelled"));
    run_many("memory", 1, 5, &other);
    assert_string_equal(first, other);
    free(other);
    run_many("memory", PORTS, 6, &other);
    assert_string_equal(first, other);
    free(other);
    run_many("sqlite", 1, 7, &other);
    assert_string_equal(first, other);
    free(other);
    run_many("sqlite", PORTS, 8, &other);
    assert_string_equal(first, other);
    free(other);
    free(first);
}

/* Plays the script in a process of its own, which tells each step, and kills it when it has told so many. */
static void play_and_kill(uint64_t looks, uint32_t steps)
{
    char told[64];
    int ends[2], status;
    ssize_t got = 1;
    uint64_t n;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        open_with(many);
        for (n = 0; n < MANY; n++) {
            script_step(n);
            look_around(n, looks);
            if (write(ends[1], "+", 1) != 1)
                break;
        }
        move_clock(10000000); /* all that is left is due: it may be killed in the middle of that */
        free(all_jobs());
        _exit(0);
    }
    close(ends[1]);
    while (steps > 0 && got > 0) {
        got = read(ends[0], told, steps < sizeof(told) ? steps : sizeof(told));
        assert_true(got > 0);
        steps -= (uint32_t)got;
    }
    kill(pid, SIGKILL);
    assert_true(run_wait(pid, run_now_ms() + RUN_TIMEOUT_MS, &status));
    close(ends[0]);
}

/* The next one plays the whole script again on what the killed one left: what it had begun goes on, nothing is
 * granted twice, and all comes out as without a kill. */
static void a_kill_changes_nothing(void **state)
{
    unsigned int rounds = (unsigned int)folder_number("VTSIM_QUEUE_KILLS", 12), round;
    char *first, *other;

    (void)state;
    run_many("memory", 1, 0, &first);
    rig.kind = "sqlite";
    for (round = 0; round < rounds; round++) {
        rig.ports = round % 2 ? PORTS : 1;
        play_and_kill(round, round == 0 ? MANY : chance(4, round, MANY));
        run_many("sqlite", round % 3 ? 1 : PORTS, 0, &other);
        if (strcmp(first, other) != 0)
            fail_msg("round %u: after the kill other things came of the jobs", round);
        free(other);
    }
    free(first);
}

/* ---- many lines ---- */

#define AT_ONCE 50
#define LEAK_MAX                                                                                   \
    (128 * 1024) /* what allocators keep at one time and not at another; a queue has 150 bytes */

/* Starts a job whose line nobody had before. */
static void start_in_own_line(size_t number)
{
    char id[32], running[32];
    struct setting setting = {"running", running, SETTING_TEXT};
    const struct service_wish wish = {
        .options = {running, 0}, .settings = &setting, .setting_count = 1};
    struct service_wish asked = wish;
    struct text message = TEXT_INIT;

    snprintf(id, sizeof(id), "job-%zu", number);
    snprintf(running, sizeof(running), "%zums", number + 1);
    asked.options.length = strlen(running);
    service_call_finish(&call);
    service_call_init(&call);
    call.port = &rig.service.ports[next_port++ % rig.ports];
    call.store.id = (struct bytes){id, strlen(id)};
    call.done = on_done;
    if (service_choose(&call, service_behaviour_named(call.port, "q", 1), &asked, &message) !=
        SERVICE_DONE)
        fail_msg("%zu: %s", number, message.bytes ? message.bytes : "too many");
    text_finish(&message);
    dones = 0;
    service_start(&call);
    while (dones == 0)
        event_base_loop(rig.base, EVLOOP_ONCE);
    assert_int_equal(call.result, SERVICE_DONE);
    assert_int_equal(call.state, VTS_RUNNING);
}

/* Time for all of them to end and be forgotten, in the store as well. */
static void let_all_go(vts_ms since)
{
    move_clock(since);
    /* In the first round they end, and in the second they are forgotten. */
    for (size_t i = 0; i < 2 * rig.ports; i++)
        service_run_due(&rig.service.ports[i % rig.ports], T0 + since, SIZE_MAX);
    service_call_let_go(&call);
    instances_reclaim(&rig.service.instances);
}

/* 0 under a sanitizer, which has an allocator of its own. */
static size_t allocated(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* Half of them, by when all that stays is there; and the other half. */
static void lines_go_with_their_options(size_t sets)
{
    size_t warm = 0, end;

    OPEN("behaviour q/slots=1", "server/max_instances=50", "server/keep_ended=1s");
    for (size_t i = 0; i < sets; i++) {
        start_in_own_line(i);
        if (i % AT_ONCE == AT_ONCE - 1)
            let_all_go((vts_ms)i * 10000);
        if (i == sets / 2 - 1)
            warm = allocated();
    }
    free(all_jobs()); /* comes back when all is written */
    end = allocated();
    assert_int_equal(rig.service.instances.own, 0);
    if (end > warm + LEAK_MAX)
        fail_msg("%zu bytes after %zu sets of options, %zu after %zu", warm, sets / 2, end, sets);
}

static void a_hundred_thousand_lines(void **state)
{
    (void)state;
    lines_go_with_their_options(100000);
}

/* Each start waits for the disk. */
static void five_thousand_lines(void **state)
{
    (void)state;
    lines_go_with_their_options(5000);
}

/* ---- utilisation ---- */

#define SLOTS  100
#define CROWD  20000
#define NOBODY RECORD_NEVER

struct span {
    vts_ms started, ended;
};

struct busy {
    struct service_list base; /* first */
    struct span *spans;
    size_t count;
};

static void add_span(struct service_list *list, const struct job *job,
                     const struct instance *instance, uint64_t polls, vts_ms now)
{
    struct busy *busy = (struct busy *)list;

    (void)instance;
    (void)polls;
    (void)now;
    assert_int_equal(job->state, VTS_COMPLETED);
    busy->spans[busy->count++] = (struct span){job->started_at, job->ended_at};
}

/* As long as jobs wait all slots are taken, to the millisecond: from the first moment to the last grant. */
static void utilisation_is_exactly_one(void **state)
{
    struct busy busy = {.base = {.store = {.limit = SIZE_MAX, .scan = SIZE_MAX},
                                 .port = NULL,
                                 .state = -1,
                                 .row = add_span,
                                 .done = list_done}};
    vts_ms last = T0, sum = 0;
    char id[32];
    size_t i;

    (void)state;
    OPEN("behaviour q/slots=100", "behaviour q/running=exponential 10s", "server/keep_ended=365d");
    for (i = 0; i < CROWD; i++) {
        snprintf(id, sizeof(id), "job-%zu", i);
        start(id);
    }
    move_clock(INT64_C(100) * 86400000);
    busy.base.port = &rig.service.ports[0];
    busy.spans = calloc(CROWD, sizeof(struct span));
    assert_non_null(busy.spans);
    dones = 0;
    service_list(&busy.base);
    while (dones == 0)
        event_base_loop(rig.base, EVLOOP_ONCE);
    assert_int_equal(busy.count, CROWD);
    for (i = 0; i < CROWD; i++)
        last = busy.spans[i].started > last ? busy.spans[i].started : last;
    for (i = 0; i < CROWD; i++)
        sum += (busy.spans[i].ended < last ? busy.spans[i].ended : last) - busy.spans[i].started;
    assert_true(last > T0);
    assert_int_equal(sum, SLOTS * (last - T0));
    free(busy.spans);
}

/* ---- threads ---- */

struct worker {
    pthread_t thread;
    size_t index;
    struct event_base *base;
    struct service_call call;
    bool done;
};

static atomic_int working;

static void worker_done(struct service_call *done)
{
    struct worker *worker = (struct worker *)((char *)done - offsetof(struct worker, call));

    worker->done = true;
}

static void worker_make(struct worker *worker, void (*operation)(struct service_call *),
                        const char *id)
{
    struct service_port *port = &rig.service.ports[worker->index];

    service_call_init(&worker->call);
    worker->call.port = port;
    worker->call.store.id = (struct bytes){id, strlen(id)};
    worker->call.instance = service_behaviour_named(port, "q", 1);
    worker->call.done = worker_done;
    worker->done = false;
    operation(&worker->call);
    while (!worker->done)
        event_base_loop(worker->base, EVLOOP_ONCE);
    service_call_finish(&worker->call);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    char id[32];
    uint64_t n;

    for (n = 0; n < MANY; n++) {
        snprintf(id, sizeof(id), "job-%zu-%llu", worker->index, (unsigned long long)n);
        worker_make(worker, service_start, id);
        snprintf(id, sizeof(id), "job-%zu-%u", (worker->index + 1) % PORTS,
                 chance(worker->index, n, MANY));
        worker_make(worker, chance(3, n, 5) == 0 ? service_cancel : service_status, id);
        if (worker->index == 0)
            clock_move(&rig.clock, T0 + (vts_ms)n * 3, NULL);
        event_base_loop(worker->base, EVLOOP_NONBLOCK);
    }
    atomic_fetch_sub(&working, 1);
    while (atomic_load(&working) > 0) /* others may need this port's loop */
        event_base_loop(worker->base, EVLOOP_NONBLOCK);
    return NULL;
}

static int by_start(const void *a, const void *b)
{
    const struct span *first = a, *second = b;

    return (first->started > second->started) - (first->started < second->started);
}

static void take_span(struct service_list *list, const struct job *job,
                      const struct instance *instance, uint64_t polls, vts_ms now)
{
    struct busy *busy = (struct busy *)list;

    (void)instance;
    (void)polls;
    (void)now;
    assert_true(state_ended((int)job->state));
    if (job->started_at != NOBODY)
        busy->spans[busy->count++] = (struct span){job->started_at, job->ended_at};
}

/* Never more than seven at once. */
static void assert_never_more(struct busy *busy, size_t slots)
{
    size_t i, at, running;

    qsort(busy->spans, busy->count, sizeof(struct span), by_start);
    for (i = 0; i < busy->count; i++) {
        for (at = 0, running = 0; at <= i; at++)
            running += busy->spans[at].ended > busy->spans[i].started;
        assert_true(running <= slots);
    }
}

static void workers_share_the_line(void **state)
{
    struct worker workers[PORTS] = {{0}};
    struct busy busy = {.base = {.store = {.limit = SIZE_MAX, .scan = SIZE_MAX},
                                 .state = -1,
                                 .row = take_span,
                                 .done = list_done}};
    size_t i;

    (void)state;
    open_with(many);
    atomic_store(&working, PORTS);
    for (i = 0; i < PORTS; i++) {
        service_port_detach(&rig.service.ports[i]);
        workers[i].index = i;
        workers[i].base = event_base_new();
        assert_non_null(workers[i].base);
        assert_true(service_port_attach(&rig.service.ports[i], workers[i].base));
    }
    for (i = 0; i < PORTS; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (i = 0; i < PORTS; i++) {
        pthread_join(workers[i].thread, NULL);
        service_port_detach(&rig.service.ports[i]);
        event_base_free(workers[i].base);
        assert_true(service_port_attach(&rig.service.ports[i], rig.base));
    }
    move_clock(10000000);
    busy.base.port = &rig.service.ports[0];
    busy.spans = calloc((size_t)MANY * PORTS, sizeof(struct span));
    assert_non_null(busy.spans);
    dones = 0;
    service_list(&busy.base);
    while (dones == 0)
        event_base_loop(rig.base, EVLOOP_ONCE);
    assert_true(busy.count > MANY);
    assert_never_more(&busy, 7);
    free(busy.spans);
}

static int group_teardown(void **state)
{
    (void)state;
    service_call_finish(&call);
    return 0;
}

#define EACH(function)                                                                             \
    {#function " (memory)", function, memory_1, teardown, NULL},                                   \
        {#function " (memory, 4 ports)", function, memory_4, teardown, NULL},                      \
        {#function " (sqlite)", function, sqlite_1, teardown, NULL},                               \
    {                                                                                              \
#function " (sqlite, 4 ports)", function, sqlite_4, teardown, NULL                         \
    }

#define STORED(function)                                                                           \
    {#function " (1 port)", function, sqlite_1, teardown, NULL},                                   \
    {                                                                                              \
#function " (4 ports)", function, sqlite_4, teardown, NULL                                 \
    }

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        EACH(first_come_first_served),
        EACH(ties_go_by_id),
        EACH(overhead_holds_the_slot),
        EACH(a_cancel_gives_the_slot_on),
        EACH(a_removed_job_gives_the_slot_on),
        EACH(what_was_due_comes_before_a_removal),
        EACH(without_jobs_all_slots_are_free),
        EACH(what_is_over_does_not_come_again),
        EACH(a_refused_start_is_forgotten),
        EACH(an_end_by_hand_gives_the_slot_on),
        EACH(beyond_the_limit_starts_are_refused),
        EACH(nobody_may_wait),
        EACH(one_that_waits_may_have_a_wake),
        EACH(a_grant_calls_the_wake_off),
        EACH(a_slot_is_given_back),
        EACH(a_slot_without_end),
        EACH(a_slot_without_a_wake_hook),
        EACH(a_poll_sees_the_line),
        EACH(an_id_is_one_job),
        EACH(a_listing_sees_grants),
        EACH(the_loop_grants),
        STORED(a_restart_keeps_line_and_slots),
        EACH(other_settings_are_another_line),
        STORED(a_grant_is_made_up_for),
        {"the_same_order_gives_the_same_outcomes", the_same_order_gives_the_same_outcomes, memory_1,
         teardown, NULL},
        {"a_kill_changes_nothing", a_kill_changes_nothing, sqlite_1, teardown, NULL},
        {"utilisation_is_exactly_one", utilisation_is_exactly_one, memory_1, teardown, NULL},
    };
    const struct CMUnitTest threads[] = {
        {"workers_share_the_line (memory)", workers_share_the_line, memory_4, teardown, NULL},
        {"workers_share_the_line (sqlite)", workers_share_the_line, sqlite_4, teardown, NULL},
    };
    const struct CMUnitTest lines[] = {
        {"five_thousand_lines", five_thousand_lines, sqlite_4, teardown, NULL},
        {"a_hundred_thousand_lines", a_hundred_thousand_lines, memory_4, teardown, NULL},
    };

    if (argc > 1 && strcmp(argv[1], "--lines") == 0)
        return cmocka_run_group_tests(lines, NULL, group_teardown);
    if (argc > 1 && strcmp(argv[1], "--threads") == 0)
        return cmocka_run_group_tests(threads, NULL, group_teardown);
    return cmocka_run_group_tests(tests, NULL, group_teardown);
}
