/* SPDX-License-Identifier: MIT
 *
 * The clock of a vtsimd, slept by through the library and the command: minutes in milliseconds, in an order that
 * repeats; who takes part, and for how long; and that whatever goes wrong with it is told, and nobody hangs. */
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "http.h"
#include "run.h"
#include "scripted.h"
#include "vtsimd.h"
#include "waiting.h"

#define VTSIM      VTSIM_BUILD_DIR "/bin/vtsim"
#define EVENT_MS   20000 /* real time that something may take that must come */
#define MINUTES    INT64_C(60000)
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct vtsimd vtsimd;

static int start_server(void **state)
{
    (void)state;
    vtsimd_start(&vtsimd,
                 WORDS("-s", "clock/mode=virtual", "-s", "clock/silent=1h", "-s",
                       "behaviour long/plugin=fixed_delay", "-s", "behaviour long/delay=10m", "-s",
                       "server/behaviour=long", "-s", "server/workers=2"));
    return 0;
}

static int stop_server(void **state)
{
    int status;

    (void)state;
    status = vtsimd_stop(&vtsimd);
    if (status) {
        char *log = vtsimd_log(&vtsimd);

        fprintf(stderr, "vtsimd ended with %d, and logged:\n%s\n", status, log);
        free(log);
    }
    vtsimd_finish(&vtsimd);
    return status;
}

/* ---- what the server says -------------------------------------------------------------------- */

static void ask(const char *method, const char *target, const char *body)
{
    struct http_response response;

    http_request(vtsimd.port, method, target, body, &response);
    if (response.status / 100 != 2)
        fail_msg("%s %s: %d %s", method, target, response.status, response.body);
    http_response_finish(&response);
}

/* For free(). */
static char *get(const char *target)
{
    struct http_response response;
    char *body;

    http_request(vtsimd.port, "GET", target, NULL, &response);
    assert_int_equal(response.status, 200);
    body = strdup(response.body);
    http_response_finish(&response);
    return body;
}

static void assert_told(const char *target, const char *what)
{
    char *body = get(target);

    if (!strstr(body, what))
        fail_msg("%s says %s, and not %s", target, body, what);
    free(body);
}

/* Until GET /_sim/clock has this, or has it not any more. */
static void wait_for(const char *what, bool there)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;
    char *body = get("/_sim/clock");

    while (!strstr(body, what) == there) {
        if (run_now_ms() > until_ms)
            fail_msg("%s: %s", what, body);
        free(body);
        body = get("/_sim/clock");
    }
    free(body);
}

static void reset(void) { ask("POST", "/_sim/reset", "{}"); }

/* ---- one handle -------------------------------------------------------------------------------- */

struct world {
    struct vts_client_clock *clock;
    struct vts_client_plan *plan;
    struct vts_client_options options;
    struct event_base *base;
    struct vts_client *client;
    int done;
    enum vts_client_err code;
    int64_t elapsed_ms;
    uint64_t polls;
};

static int64_t half_a_minute(const struct vts_client_plan_view *view, void *arg)
{
    (void)view;
    (void)arg;
    return 30000;
}

static void world_init(struct world *world, const char *url, const char *clock_url,
                       const char *name)
{
    memset(world, 0, sizeof(*world));
    world->clock =
        vts_client_clock_server(VTS_CLIENT_CLOCK_SERVER(.url = clock_url, .name = name), NULL);
    assert_non_null(world->clock);
    world->plan = vts_client_plan_custom(half_a_minute, NULL, NULL, NULL);
    vts_client_options_init(&world->options);
    world->options.url = url;
    world->options.clock = world->clock;
    world->options.plan = world->plan;
    world->options.seed = 1;
}

static void world_open(struct world *world, bool blocking)
{
    world->base = blocking ? NULL : event_base_new();
    world->client = vts_client_create(world->base, &world->options, NULL);
    assert_non_null(world->client);
}

static void world_finish(struct world *world)
{
    vts_client_destroy(world->client);
    if (world->base)
        event_base_free(world->base);
    vts_client_clock_release(world->clock);
    vts_client_plan_release(world->plan);
}

static void on_done(struct vts_client_operation *operation, const struct vts_client_result *result,
                    void *arg)
{
    struct world *world = arg;

    (void)operation;
    world->done++;
    world->code = result->error.code;
    world->elapsed_ms = result->elapsed_ms;
    world->polls = result->polls;
}

#define REPORT(world) VTS_CLIENT_CALL(.done = on_done, .arg = (world))

/* ---- minutes in milliseconds ------------------------------------------------------------------- */

static void ten_minutes_take_milliseconds(void **state)
{
    int64_t began_ms = run_now_ms();
    const struct vts_client_result *result;
    struct world world;

    (void)state;
    reset();
    world_init(&world, vtsimd.url, vtsimd.url, "me");
    world_open(&world, true);
    for (int i = 1; i <= 2; i++) { /* and the clock goes on where it was */
        result = vts_client_run_sync(world.client, i == 1 ? "a" : "b", NULL);
        assert_string_equal(result->error.message, "");
        assert_int_equal(result->job->status, VTS_CLIENT_COMPLETED);
        assert_int_equal(result->polls, 20); /* each half a minute, the last at the very end */
        assert_int_equal(result->elapsed_ms, 10 * MINUTES);
        assert_int_equal(vts_client_clock_now_ms(world.clock), i * 10 * MINUTES);
    }
    vts_client_clock_advance(world.clock, 1000); /* is not ours to move */
    assert_int_equal(vts_client_clock_now_ms(world.clock), 20 * MINUTES);
    assert_told("/_sim/clock", "\"now\": \"2026-01-01T00:20:00.000Z\"");
    assert_told("/_sim/clock", "\"held_by\": [\"me\"]");
    assert_told("/jobs/a/audit", "\"polls\": 20, \"useless_polls\": 19, \"early_polls\": 0");
    world_finish(&world);
    assert_told("/_sim/clock", "\"participants\": []"); /* it has left before that came back */
    assert_true(run_now_ms() - began_ms < 10000);
}

static void a_loop_does_the_same(void **state)
{
    struct world world;

    (void)state;
    reset();
    world_init(&world, vtsimd.url, vtsimd.url, NULL);
    world_open(&world, false);
    for (int i = 0; i < 3; i++) {
        char id[8];

        snprintf(id, sizeof(id), "job-%d", i);
        assert_non_null(vts_client_run(world.client, id, REPORT(&world), NULL));
    }
    event_base_dispatch(world.base); /* which returns: the clock does not keep it busy */
    assert_int_equal(world.done, 3);
    assert_int_equal(world.code, VTS_CLIENT_OK);
    assert_int_equal(world.elapsed_ms, 10 * MINUTES);
    assert_told("/_sim/clock", "\"participants\": [{\"name\": \"vtsim-client-"); /* made up */
    world_finish(&world);
    assert_told("/_sim/clock", "\"participants\": []");
}

static void all_times_are_the_servers(void **state)
{
    const struct vts_client_result *result;
    struct world world;

    (void)state;
    reset();
    world_init(&world, vtsimd.url, vtsimd.url, "me");
    world.options.deadline_ms = 5 * MINUTES;
    world_open(&world, true);
    result = vts_client_run_sync(world.client, "late", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_DEADLINE);
    assert_int_equal(result->elapsed_ms, 5 * MINUTES);
    assert_told("/_sim/clock", "\"now\": \"2026-01-01T00:05:00.000Z\"");
    vts_client_destroy(world.client);
    world.options.deadline_ms = 0;
    world_open(&world, true);
    /* Retry-After, as seconds, and a stall, in which the server's clock goes on by itself */
    result = vts_client_run_sync(world.client, "slow",
                                 VTS_CLIENT_CALL(.behaviour = "scripted_sequence",
                                                 .settings =
                                                     &(const struct vts_client_setting){
                                                         "script", "http 503 retry-after 20m x2, "
                                                                   "stall 10m, completed"},
                                                 .setting_count = 1));
    assert_string_equal(result->error.message, "");
    assert_int_equal(result->polls, 3);
    assert_told("/_sim/clock", "\"now\": \"2026-01-01T00:55:30.000Z\"");
    assert_told("/jobs/slow/audit", "\"early_polls\": 0");
    world_finish(&world);
}

static void handles_of_one_clock_are_one_participant(void **state)
{
    struct world world;
    struct vts_client *other;

    (void)state;
    reset();
    world_init(&world, vtsimd.url, vtsimd.url, "me");
    world_open(&world, false);
    other = vts_client_create(world.base, &world.options, NULL);
    assert_non_null(vts_client_run(world.client, "a", REPORT(&world), NULL));
    assert_non_null(vts_client_run(other, "b", REPORT(&world), NULL));
    while (world.done < 2) {
        char *body;

        event_base_loop(world.base, EVLOOP_ONCE);
        body = get("/_sim/clock");
        assert_null(strstr(body, "}, {\"name\"")); /* a second one */
        free(body);
    }
    assert_told("/_sim/clock", "\"now\": \"2026-01-01T00:10:00.000Z\"");
    vts_client_destroy(other);
    assert_told("/_sim/clock", "\"held_by\": [\"me\"]");
    world_finish(&world);
    assert_told("/_sim/clock", "\"participants\": []");
}

/* On a clock that goes by itself a sleep takes its time, and a deadline ends a request that hangs. */
static void a_clock_that_runs_is_slept_by_as_well(void **state)
{
    static const struct scripted_step stalls[] = {{.end = SCRIPTED_STALL}};
    const struct vts_client_result *result;
    struct scripted server;
    struct vtsimd scaled;
    struct world world;

    (void)state;
    vtsimd_start(&scaled, WORDS("-s", "clock/mode=scaled", "-s", "clock/rate=10000", "-s",
                                "server/keep_ended=400d", "-s", "behaviour long/plugin=fixed_delay",
                                "-s", "behaviour long/delay=10m", "-s", "server/behaviour=long"));
    world_init(&world, scaled.url, scaled.url, "me");
    world_open(&world, true);
    result = vts_client_run_sync(world.client, "a", NULL);
    assert_string_equal(result->error.message, "");
    assert_in_range(result->elapsed_ms, 10 * MINUTES, 1000 * MINUTES);
    vts_client_destroy(world.client);
    scripted_start(&server, stalls, 1);
    world.options.url = server.url;
    world.options.deadline_ms = 10 * MINUTES; /* 60 ms of real time */
    world.options.request_timeout_ms = 3600000;
    world_open(&world, true);
    result = vts_client_run_sync(world.client, "b", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_DEADLINE);
    world_finish(&world);
    scripted_stop(&server);
    assert_int_equal(vtsimd_stop(&scaled), 0);
    vtsimd_finish(&scaled);
}

/* ---- several, in an order that repeats --------------------------------------------------------- */

#define CLIENTS 4

struct history {
    pthread_mutex_t lock; /* over `text` */
    char text[65536];
    size_t used;
};

struct actor {
    struct history *history;
    struct world world;
    char name[16];
    pthread_t thread;
};

static void note(struct vts_client_operation *operation, const struct vts_client_trace *trace,
                 void *arg)
{
    struct actor *actor = arg;
    struct history *history = actor->history;

    (void)operation;
    if (trace->event != VTS_CLIENT_EVENT_REQUEST)
        return;
    pthread_mutex_lock(&history->lock);
    history->used +=
        (size_t)snprintf(history->text + history->used, sizeof(history->text) - history->used,
                         "%s %lld %s\n", actor->name, (long long)trace->elapsed_ms, trace->request);
    pthread_mutex_unlock(&history->lock);
}

static void *act(void *arg)
{
    struct actor *actor = arg;

    vts_client_run_sync(actor->world.client, actor->name, NULL);
    world_finish(&actor->world); /* and leaves, so that the others go on */
    return NULL;
}

static void play(struct history *history)
{
    struct actor actors[CLIENTS];

    memset(history, 0, sizeof(*history));
    pthread_mutex_init(&history->lock, NULL);
    reset();
    for (int i = 0; i < CLIENTS; i++) {
        struct actor *actor = &actors[i];

        actor->history = history;
        snprintf(actor->name, sizeof(actor->name), "c%d", i);
        world_init(&actor->world, vtsimd.url, vtsimd.url, actor->name);
        actor->world.options.plan = NULL;
        actor->world.options.trace = note;
        actor->world.options.trace_arg = actor;
        world_open(&actor->world, true);
        assert_int_equal(vts_client_clock_join(actor->world.clock, NULL), VTS_CLIENT_OK);
    }
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&actors[i].thread, NULL, act, &actors[i]), 0);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(actors[i].thread, NULL);
    pthread_mutex_destroy(&history->lock);
}

static void threads_repeat_their_history(void **state)
{
    static struct history first, again;

    (void)state;
    play(&first);
    assert_memory_equal(first.text, "c0 0 POST /start\nc1 0 POST /start\n",
                        34); /* by their names */
    assert_true(first.used > 100);
    for (int i = 0; i < 3; i++) {
        play(&again);
        assert_string_equal(again.text, first.text);
    }
}

/* Two commands at once, on a server of their own: all that it has noted of them. For free(). */
static char *two_commands(void)
{
    static const char script[] =
        "run() { " VTSIM " run $1 --clock server --clock-name $1 --seed 7 >$1.out 2>&1; }\n"
        "cd \"$(mktemp -d)\"; run a & run b; wait $!; cat a.out b.out; rm -r \"$PWD\"";
    struct run_result result;
    char *audit;

    reset();
    ask("POST", "/_sim/clock/participants", "{\"as\": \"a\"}");
    ask("POST", "/_sim/clock/participants", "{\"as\": \"b\"}");
    run_command(WORDS("sh", "-c", script), &result);
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.out, "Final status: completed\n"));
    run_result_finish(&result);
    audit = get("/_sim/audit");
    wait_for("\"participants\": []", true);
    return audit;
}

static void commands_repeat_their_history(void **state)
{
    char *first, *again;

    (void)state;
    assert_int_equal(setenv("VTSIM_URL", vtsimd.url, 1), 0);
    first = two_commands();
    again = two_commands();
    assert_string_equal(first, again);
    assert_non_null(strstr(first, "\"id\": \"a\""));
    free(first);
    free(again);
}

static void a_command_waits_by_the_plan(void **state)
{
    int64_t began_ms = run_now_ms();
    struct run_result result;

    (void)state;
    reset();
    run_command(WORDS(VTSIM, "-u", vtsimd.url, "run", "film", "--clock", "server", "--backoff",
                      "fixed 30s jitter 0%", "--seed", "1"),
                &result);
    assert_string_equal(result.err, "");
    assert_int_equal(result.status, 0);
    run_result_finish(&result);
    /* the first wait is drawn, the others are 30 s */
    assert_told("/jobs/film/audit", "\"intervals\": {\"min\": 30, \"median\": 30, \"max\": 30}");
    assert_told("/jobs/film/audit", "\"useless_polls\": 20, ");
    assert_true(run_now_ms() - began_ms < 10000);
    run_command(WORDS(VTSIM, "-u", vtsimd.url, "wait", "film", "--clock", "server", "-t", "1m"),
                &result);
    assert_string_equal(result.out, "Final status: completed\n");
    run_result_finish(&result);
    assert_told("/_sim/clock", "\"participants\": []");
}

/* ---- who has left ------------------------------------------------------------------------------ */

static pid_t spawn(const char *const argv[])
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

static void a_killed_client_does_not_stop_the_clock(void **state)
{
    const struct vts_client_result *result;
    struct world world;
    pid_t pid;
    int status;

    (void)state;
    reset();
    ask("POST", "/_sim/clock/participants", "{\"as\": \"holder\"}");
    ask("POST", "/start", "{\"job_id\": \"a\"}");
    pid = spawn(
        WORDS(VTSIM, "-u", vtsimd.url, "wait", "a", "--clock", "server", "--clock-name", "victim"));
    wait_for("{\"name\": \"victim\", \"state\": \"asleep\"", true);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    wait_for("\"victim\"", false);
    ask("DELETE", "/_sim/clock/participants/holder", NULL);
    world_init(&world, vtsimd.url, vtsimd.url, "other");
    world_open(&world, true);
    result = vts_client_wait_sync(world.client, "a", NULL);
    assert_string_equal(result->error.message, "");
    assert_told("/_sim/clock", "\"now\": \"2026-01-01T00:10:00.000Z\"");
    world_finish(&world);
}

/* Starts it, with its standard error to be read from *err. */
static pid_t spawn_telling(const char *const argv[], FILE **err)
{
    int ends[2], saved = dup(STDERR_FILENO);
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    assert_true(saved >= 0 && fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
    pid = spawn(argv);
    dup2(saved, STDERR_FILENO);
    close(saved);
    *err = fdopen(ends[0], "r");
    assert_non_null(*err);
    return pid;
}

/* Waits for a job with the clock held by client-1 and so on, or frozen where there are none: it says so once, and
 * ends when they have left, or it is let go on. */
static void assert_explains(int holders, const char *line)
{
    struct pollfd there = {.events = POLLIN};
    char text[1024];
    int status;
    FILE *err;
    pid_t pid;

    ask("POST", "/start", "{\"job_id\": \"a\"}");
    for (int i = 1; i <= holders; i++) {
        snprintf(text, sizeof(text), "{\"as\": \"client-%d\"}", i);
        ask("POST", "/_sim/clock/participants", text);
    }
    if (!holders)
        ask("POST", "/_sim/clock", "{\"freeze\": true}");
    pid = spawn_telling(WORDS(VTSIM, "-u", vtsimd.url, "wait", "a", "--clock", "server",
                              "--clock-name", "client-0", "--json"),
                        &err);
    there.fd = fileno(err);
    assert_int_equal(poll(&there, 1, EVENT_MS), 1);
    assert_non_null(fgets(text, sizeof(text), err));
    assert_string_equal(text, line);
    for (int i = 1; i <= holders; i++) {
        snprintf(text, sizeof(text), "/_sim/clock/participants/client-%d", i);
        ask("DELETE", text, NULL);
    }
    if (!holders)
        ask("POST", "/_sim/clock", "{\"freeze\": false}");
    assert_true(run_wait(pid, run_now_ms() + EVENT_MS, &status));
    assert_int_equal(status, 0);
    assert_null(fgets(text, sizeof(text), err));
    fclose(err);
    reset();
}

static void who_holds_the_clock_is_told(void **state)
{
    (void)state;
    reset();
    assert_explains(1, "vtsim: the clock is held by \"client-1\", which is awake; it goes on when "
                       "that one sleeps or leaves\n");
    assert_explains(5, "vtsim: the clock is held by \"client-1\", \"client-2\", \"client-3\" and 2 "
                       "more, which are awake; it goes on when all of them sleep or leave\n");
    assert_explains(0, "vtsim: the clock is frozen; it goes on with vtsim clock thaw\n");
}

/* Runs the loop until the server's clock says so. */
static void run_until(struct world *world, const char *what)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;
    bool there = false;

    while (!there) {
        char *body;

        event_base_loop(world->base, EVLOOP_NONBLOCK);
        body = get("/_sim/clock");
        there = strstr(body, what) != NULL;
        if (!there && run_now_ms() > until_ms)
            fail_msg("%s: %s", what, body);
        free(body);
    }
}

static void a_handle_that_goes_takes_its_sleep_along(void **state)
{
    struct world world;

    (void)state;
    reset();
    ask("POST", "/_sim/clock/participants", "{\"as\": \"holder\"}");
    ask("POST", "/start", "{\"job_id\": \"a\"}");
    world_init(&world, vtsimd.url, vtsimd.url, "me");
    world_open(&world, false);
    assert_non_null(vts_client_wait(world.client, "a", REPORT(&world), NULL));
    run_until(&world, "{\"name\": \"me\", \"state\": \"asleep\"");
    world_finish(&world);
    assert_int_equal(world.done, 1);
    assert_int_equal(world.code, VTS_CLIENT_ERR_ABANDONED);
    assert_told("/_sim/clock", "\"participants\": [{\"name\": \"holder\", ");
}

/* While somebody else holds the clock, so that nothing but the sleep's end by us changes until when we sleep. */
static void what_is_due_before_a_sleep_ends_has_the_next_turn(void **state)
{
    struct vts_client_operation *wait;
    struct world world;
    struct http_connection holder;

    (void)state;
    reset();
    ask("POST", "/start", "{\"job_id\": \"a\"}");
    world_init(&world, vtsimd.url, vtsimd.url, "me");
    world_open(&world, false);
    wait = vts_client_wait(world.client, "a", REPORT(&world), NULL);
    assert_non_null(wait);
    ask("POST", "/_sim/clock/participants", "{\"as\": \"holder\"}");
    run_until(&world,
              "{\"name\": \"me\", \"state\": \"asleep\", \"until\": \"2026-01-01T00:00:00.000Z\"");
    http_connect(&holder, vtsimd.port);
    assert_true(http_send_request(&holder, "POST", "/_sim/clock/sleep",
                                  "{\"for\": \"1s\", \"as\": \"holder\"}"));
    run_until(&world,
              "{\"name\": \"me\", \"state\": \"asleep\", \"until\": \"2026-01-01T00:00:30.000Z\"");
    run_until(&world, "\"held_by\": [\"holder\"]");
    http_close(&holder); /* which was woken before: it stays, awake */
    vts_client_poke(wait);
    run_until(&world,
              "{\"name\": \"me\", \"state\": \"asleep\", \"until\": \"2026-01-01T00:00:01.000Z\"");
    ask("DELETE", "/_sim/clock/participants/holder", NULL);
    run_until(&world, "\"now\": \"2026-01-01T00:10:");
    event_base_dispatch(world.base);
    assert_int_equal(world.done, 1);
    assert_int_equal(world.code, VTS_CLIENT_OK);
    assert_told("/jobs/a/audit", "\"times\": [{\"at\": 0.000}, {\"at\": 1.000}, {\"at\": 31.000}");
    world_finish(&world);
}

static void the_last_one_that_is_given_up_ends_the_sleep(void **state)
{
    struct vts_client_operation *wait;
    struct world world;

    (void)state;
    reset();
    ask("POST", "/_sim/clock/participants", "{\"as\": \"holder\"}");
    ask("POST", "/start", "{\"job_id\": \"a\"}");
    world_init(&world, vtsimd.url, vtsimd.url, "me");
    world_open(&world, false);
    wait = vts_client_wait(world.client, "a", REPORT(&world), NULL);
    run_until(&world, "{\"name\": \"me\", \"state\": \"asleep\""); /* for its first turn */
    vts_client_abandon(wait);
    world.done--;
    event_base_dispatch(world.base);
    assert_told("/_sim/clock", "\"participants\": [{\"name\": \"holder\", ");
    for (int i = 0; i < 2; i++) { /* and it can begin again */
        assert_non_null(vts_client_wait(world.client, "a", REPORT(&world), NULL));
        run_until(&world, "{\"name\": \"me\", \"state\": \"asleep\"");
        ask("DELETE", "/_sim/clock/participants/holder", NULL);
        run_until(&world, "\"now\": \"2026-01-01T00:10:");
        event_base_dispatch(world.base);
        assert_int_equal(world.done, i + 1);
        ask("POST", "/_sim/clock/participants", "{\"as\": \"holder\"}");
        ask("POST", "/start", i ? "{\"job_id\": \"c\"}" : "{\"job_id\": \"b\"}");
        wait = vts_client_wait(world.client, "b", REPORT(&world), NULL);
        run_until(&world, "{\"name\": \"me\", \"state\": \"asleep\"");
        vts_client_abandon(wait);
        world.done--;
        event_base_dispatch(world.base); /* returns, although the holder holds the clock */
        assert_told("/_sim/clock", "\"participants\": [{\"name\": \"holder\", ");
    }
    world_finish(&world);
}

/* ---- what goes wrong --------------------------------------------------------------------------- */

/* A run with that clock ends so, and starts no job. */
static void assert_lost(const char *url, const char *token, int http_status, const char *message)
{
    const struct vts_client_result *result;
    struct vts_client_clock *clock = vts_client_clock_server(
        VTS_CLIENT_CLOCK_SERVER(.url = url, .token = token, .name = "me"), NULL);
    struct vts_client_options options;
    struct vts_client *client;
    char wanted[600];

    assert_non_null(clock);
    snprintf(wanted, sizeof(wanted), "the clock at %s%s", url + strlen("http://"), message);
    waiting_options(&options, vtsimd.url, clock, NULL);
    client = vts_client_create(NULL, &options, NULL);
    for (int i = 0; i < 2; i++) { /* each tries anew */
        result = vts_client_run_sync(client, "never", NULL);
        assert_string_equal(result->error.message, wanted);
        assert_int_equal(result->error.code, VTS_CLIENT_ERR_CLOCK);
        assert_int_equal(result->error.http_status, http_status);
        assert_int_equal(result->starts, 0);
    }
    vts_client_destroy(client);
    vts_client_clock_release(clock);
}

static void a_clock_that_cannot_be_had_is_told_of(void **state)
{
    static const struct scripted_step strange[] = {
        {.status = "404 Not Found", .body = "<html>"},
        {.status = "404 Not Found", .body = "<html>"},
        {.status = "200 OK", .body = "{\"now\": \"today\"}"},
        {.status = "200 OK", .body = "{\"now\": \"2026-01-01T00:00:00.000+00:00\"}"},
        {.end = SCRIPTED_RESET}};
    struct scripted server;
    struct vtsimd guarded;
    char dead[64];

    (void)state;
    reset();
    snprintf(dead, sizeof(dead), "http://127.0.0.1:%d", scripted_dead_port());
    assert_lost(dead, NULL, 0, ": cannot connect: Connection refused");
    scripted_start(&server, strange, COUNT(strange));
    assert_lost(server.url, NULL, 404,
                ": there is none; is it a vtsimd, and its [control] address? (status 404)");
    assert_lost(server.url, NULL, 200, ": the answer makes no sense");
    assert_lost(server.url, NULL, 0, ": the connection broke");
    scripted_stop(&server);
    vtsimd_start(&guarded, WORDS("-s", "control/token=secret", "-s", "clock/mode=virtual"));
    assert_lost(guarded.url, NULL, 401,
                ": the control side wants the token of [control]: Authorization: Bearer TOKEN "
                "(status 401)");
    assert_lost(guarded.url, "wrong", 401, ": this is not the token of [control] (status 401)");
    assert_int_equal(vtsimd_stop(&guarded), 0);
    vtsimd_finish(&guarded);
    assert_told("/jobs", "{\"jobs\": [], ");
}

/* From the second line that it prints. */
static void read_control_url(const struct vtsimd *guarded, char *url, size_t room)
{
    static const char before[] = "vtsimd: control on ";
    char line[128] = "";
    size_t length = 0;

    while (length < sizeof(line) - 1 && read(guarded->out_fd, line + length, 1) == 1 &&
           line[length] != '\n')
        length++;
    line[length] = '\0';
    if (strncmp(line, before, strlen(before)) != 0)
        fail_msg("no address of the control side: %s", line);
    snprintf(url, room, "%s", line + strlen(before));
}

/* It lies somewhere else than the service, and wants the token. */
static void a_control_address_and_token_are_used(void **state)
{
    const struct vts_client_result *result;
    struct run_result run;
    struct vts_client_clock *clock;
    struct vts_client_options options;
    struct vts_client *client;
    struct vtsimd guarded;
    char url[128];

    (void)state;
    vtsimd_start(&guarded, WORDS("-s", "control/token=secret", "-s", "control/listen=127.0.0.1:0",
                                 "-s", "clock/mode=virtual", "-s", "behaviour x/plugin=fixed_delay",
                                 "-s", "behaviour x/delay=1h", "-s", "server/behaviour=x"));
    read_control_url(&guarded, url, sizeof(url));
    clock = vts_client_clock_server(VTS_CLIENT_CLOCK_SERVER(.url = url, .token = "secret"), NULL);
    waiting_options(&options, guarded.url, clock, NULL);
    client = vts_client_create(NULL, &options, NULL);
    result = vts_client_run_sync(client, "a", NULL);
    assert_string_equal(result->error.message, "");
    vts_client_destroy(client);
    vts_client_clock_release(clock);
    assert_int_equal(setenv("VTSIM_TOKEN", "secret", 1), 0);
    run_command(
        WORDS(VTSIM, "-u", guarded.url, "run", "b", "--clock", "server", "--clock-url", url), &run);
    unsetenv("VTSIM_TOKEN");
    assert_string_equal(run.err, "");
    assert_int_equal(run.status, 0);
    run_result_finish(&run);
    run_command(WORDS(VTSIM, "-u", guarded.url, "run", "c", "--clock", "server", "--clock-url", url,
                      "--json"),
                &run);
    assert_int_equal(run.status, 4);
    assert_non_null(strstr(run.err, "the control side wants the token of [control]"));
    assert_non_null(strstr(run.out, "{\"job_id\":\"c\",\"error\":{\"code\":\"clock\","));
    run_result_finish(&run);
    assert_int_equal(vtsimd_stop(&guarded), 0);
    vtsimd_finish(&guarded);
}

static void a_clock_that_is_lost_ends_all_that_waits(void **state)
{
    struct world world;

    (void)state;
    reset();
    ask("POST", "/_sim/clock/participants", "{\"as\": \"holder\"}");
    ask("POST", "/start", "{\"job_id\": \"a\"}");
    world_init(&world, vtsimd.url, vtsimd.url, "me");
    world_open(&world, false);
    for (int i = 0; i < 3; i++)
        assert_non_null(vts_client_wait(world.client, "a", REPORT(&world), NULL));
    run_until(&world, "{\"name\": \"me\", \"state\": \"asleep\"");
    reset();
    event_base_dispatch(world.base);
    assert_int_equal(world.done, 3);
    assert_int_equal(world.code, VTS_CLIENT_ERR_CLOCK);
    /* the clock went back, and ours has not */
    ask("POST", "/start", "{\"job_id\": \"a\"}");
    assert_non_null(vts_client_wait(world.client, "a", REPORT(&world), NULL));
    event_base_dispatch(world.base);
    assert_int_equal(world.code, VTS_CLIENT_OK);
    assert_int_equal(world.elapsed_ms, 10 * MINUTES);
    world_finish(&world);
}

static void one_name_is_for_one_clock(void **state)
{
    struct world world, twin;

    (void)state;
    reset();
    ask("POST", "/_sim/clock/participants", "{\"as\": \"holder\"}");
    world_init(&world, vtsimd.url, vtsimd.url, "me");
    world_open(&world, false);
    assert_non_null(vts_client_run(world.client, "a", REPORT(&world), NULL));
    run_until(&world, "{\"name\": \"me\", \"state\": \"asleep\"");
    world_init(&twin, vtsimd.url, vtsimd.url, "me");
    world_open(&twin, true);
    assert_non_null(strstr(vts_client_run_sync(twin.client, "b", NULL)->error.message,
                           ": this participant sleeps already (status 409)"));
    world_finish(&twin);
    world_finish(&world);
}

/* The service hangs, and the clock does not: the request ends in real time. */
static void a_dead_server_is_noticed_in_real_time(void **state)
{
    static const struct scripted_step stalls[] = {{.end = SCRIPTED_STALL}};
    const struct vts_client_result *result;
    struct scripted server;
    struct world world;

    (void)state;
    reset();
    scripted_start(&server, stalls, 1);
    world_init(&world, server.url, vtsimd.url, "me");
    world.options.request_timeout_ms = 50;
    world.options.deadline_ms = 5 * MINUTES; /* to which the clock does not go on under a request */
    world.options.max_errors = 3;
    world.options.jitter = 0;
    world_open(&world, true);
    result = vts_client_wait_sync(world.client, "a", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_TIMEOUT);
    assert_int_equal(result->polls, 3);
    assert_int_equal(result->elapsed_ms,
                     750); /* 250 ms and 500 ms between them; the rest was real */
    world_finish(&world);
    scripted_stop(&server);
}

static void options_are_checked(void **state)
{
    struct vts_client_error error;
    struct vts_client_clock *clock;

    (void)state;
    assert_null(vts_client_clock_server(VTS_CLIENT_CLOCK_SERVER(.url = "localhost"), &error));
    assert_int_equal(error.code, VTS_CLIENT_ERR_INVALID);
    assert_string_equal(error.message,
                        "the URL \"localhost\": does not begin with http://; right is "
                        "http://HOST[:PORT][/PATH]");
    assert_null(vts_client_clock_server(VTS_CLIENT_CLOCK_SERVER(.name = "a\nb"), &error));
    assert_string_equal(error.message,
                        "clock: the name has 1 to 255 bytes of UTF-8 without control characters");
    assert_null(vts_client_clock_server(VTS_CLIENT_CLOCK_SERVER(.token = "a\r\nX: b"), &error));
    assert_string_equal(error.message,
                        "clock: the token has a byte that is no printable ASCII, or a "
                        "space (byte 2)");
    assert_null(
        vts_client_clock_server(&(const struct vts_client_clock_server_options){.size = 0}, NULL));
    clock = vts_client_clock_server(NULL, &error);
    assert_non_null(clock);
    assert_int_equal(vts_client_clock_now_ms(clock), 0);
    vts_client_clock_release(clock); /* asks nobody: it took no part */
    clock = vts_client_clock_virtual();
    assert_int_equal(vts_client_clock_join(clock, &error), VTS_CLIENT_OK);
    vts_client_clock_release(clock);
}

static void joining_tells_what_is_wrong(void **state)
{
    struct vts_client_error error = {0};
    struct vts_client_clock *clock;
    char url[64], message[100];
    int port = scripted_dead_port();

    (void)state;
    reset();
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
    clock = vts_client_clock_server(VTS_CLIENT_CLOCK_SERVER(.url = url), NULL);
    assert_int_equal(vts_client_clock_join(clock, &error), VTS_CLIENT_ERR_CLOCK);
    snprintf(message, sizeof(message),
             "the clock at 127.0.0.1:%d: cannot connect: Connection refused", port);
    assert_string_equal(error.message, message);
    vts_client_clock_release(clock);
    clock =
        vts_client_clock_server(VTS_CLIENT_CLOCK_SERVER(.url = vtsimd.url, .name = "a/b c"), NULL);
    assert_int_equal(vts_client_clock_join(clock, NULL), VTS_CLIENT_OK);
    assert_told("/_sim/clock", "\"held_by\": [\"a/b c\"]");
    vts_client_clock_release(clock);
    assert_told("/_sim/clock", "\"participants\": []");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_minutes_take_milliseconds),
        cmocka_unit_test(a_loop_does_the_same),
        cmocka_unit_test(all_times_are_the_servers),
        cmocka_unit_test(handles_of_one_clock_are_one_participant),
        cmocka_unit_test(a_clock_that_runs_is_slept_by_as_well),
        cmocka_unit_test(threads_repeat_their_history),
        cmocka_unit_test(commands_repeat_their_history),
        cmocka_unit_test(a_command_waits_by_the_plan),
        cmocka_unit_test(a_killed_client_does_not_stop_the_clock),
        cmocka_unit_test(who_holds_the_clock_is_told),
        cmocka_unit_test(a_handle_that_goes_takes_its_sleep_along),
        cmocka_unit_test(what_is_due_before_a_sleep_ends_has_the_next_turn),
        cmocka_unit_test(the_last_one_that_is_given_up_ends_the_sleep),
        cmocka_unit_test(a_clock_that_cannot_be_had_is_told_of),
        cmocka_unit_test(a_control_address_and_token_are_used),
        cmocka_unit_test(a_clock_that_is_lost_ends_all_that_waits),
        cmocka_unit_test(one_name_is_for_one_clock),
        cmocka_unit_test(a_dead_server_is_noticed_in_real_time),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(joining_tells_what_is_wrong),
    };

    return cmocka_run_group_tests_name("client_server_clock", tests, start_server, stop_server);
}
