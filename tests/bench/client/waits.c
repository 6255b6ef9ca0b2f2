/* SPDX-License-Identifier: MIT
 *
 * What many waits cost: waits.c VTSIMD [COUNT]. Runs that vtsimd, has one thread wait for COUNT jobs
 * (10000) at it, and prints what each took beside its bar; then how late deadlines and cancels are. */
#include <event2/event.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <vtsim/client.h>

#define COUNT       10000
#define MAX_COUNT   1000000
#define CONNECTIONS 64
#define LATE        200 /* waits whose deadline, or cancel, is timed */

extern char **environ;

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static const char *verdict(bool reached) { return reached ? "reached" : "MISSED"; }

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

/* ---- the server ------------------------------------------------------------------------------ */

struct server {
    pid_t pid;
    char url[128];
};

/* Jobs take 10 s, or, as stuck-*, for ever. */
static void server_start(struct server *server, const char *vtsimd)
{
    const char *const argv[] = {vtsimd,
                                "-l",
                                "127.0.0.1:0",
                                "-s",
                                "server/log_level=error",
                                "-s",
                                "server/workers=1",
                                "-s",
                                "behaviour ten/plugin=fixed_delay",
                                "-s",
                                "behaviour ten/delay=10s",
                                "-s",
                                "behaviour stuck/plugin=fixed_delay",
                                "-s",
                                "behaviour stuck/delay=1d",
                                "-s",
                                "rule stuck/job_id=stuck-*",
                                "-s",
                                "rule stuck/behaviour=stuck",
                                "-s",
                                "server/behaviour=ten",
                                NULL};
    posix_spawn_file_actions_t actions;
    char line[256] = "";
    int pipe_fds[2];
    FILE *out;

    if (pipe(pipe_fds) || posix_spawn_file_actions_init(&actions))
        fail("no pipe");
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, pipe_fds[0]);
    if (posix_spawn(&server->pid, vtsimd, &actions, NULL, (char *const *)(uintptr_t)argv, environ))
        fail("vtsimd cannot be run");
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_fds[1]);
    out = fdopen(pipe_fds[0], "r");
    if (!out || !fgets(line, sizeof(line), out) || !strstr(line, "http://"))
        fail("vtsimd does not say where it listens");
    snprintf(server->url, sizeof(server->url), "%.*s", (int)strcspn(strstr(line, "http://"), " \n"),
             strstr(line, "http://"));
    fclose(out);
}

static void server_stop(struct server *server)
{
    kill(server->pid, SIGTERM);
    waitpid(server->pid, NULL, 0);
}

/* ---- many ------------------------------------------------------------------------------------ */

struct crowd {
    size_t done, lost, polls;
    size_t before, at_most; /* bytes on the heap */
};

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void on_done(struct vts_client_operation *operation, const struct vts_client_result *result,
                    void *arg)
{
    struct crowd *crowd = arg;

    (void)operation;
    if (!crowd
             ->done++) /* all of them are under way, and most have been seen: as many as there will be */
        crowd->at_most = heap_bytes();
    crowd->lost += result->error.code != VTS_CLIENT_OK;
    crowd->polls += result->polls;
}

static struct vts_client *connect_to(struct event_base *base, const struct server *server)
{
    struct vts_client_options options;
    struct vts_client_error error;
    struct vts_client *client;

    vts_client_options_init(&options);
    options.url = server->url;
    options.max_connections = CONNECTIONS;
    options.long_poll_ms = 0; /* all are to be polled */
    client = vts_client_create(base, &options, &error);
    if (!client)
        fail(error.message);
    return client;
}

static void many(struct event_base *base, const struct server *server, int count)
{
    struct vts_client *client = connect_to(base, server);
    struct vts_client_counters counters;
    struct crowd crowd = {.before = heap_bytes()};
    double began_ms = now_ms(), each;
    char id[32];

    for (int i = 0; i < count; i++) {
        snprintf(id, sizeof(id), "job-%d", i);
        if (!vts_client_run(client, id, VTS_CLIENT_CALL(.done = on_done, .arg = &crowd), NULL))
            fail("no memory for a wait");
    }
    event_base_dispatch(base);
    vts_client_counters_read(client, &counters, sizeof(counters));
    each = (double)(crowd.at_most - crowd.before) / count;
    printf("%d waits for jobs of 10 s on one thread, over in %.1f s\n\n", count,
           (now_ms() - began_ms) / 1000);
    printf("memory for each              %8.0f bytes   bar 4096 %s\n", each, verdict(each < 4096));
    printf("connections                  %8" PRIu64 "         bar %d %s\n", counters.connections,
           CONNECTIONS, verdict(counters.connections <= CONNECTIONS));
    printf("lost                         %8zu         bar 0 %s\n",
           crowd.lost + (size_t)count - crowd.done,
           verdict(!crowd.lost && crowd.done == (size_t)count));
    printf("polls a job                  %8.2f\n", (double)crowd.polls / count);
    printf("requests for the polls       %8.3f a job\n",
           (double)(counters.requests - (uint64_t)count) / count);
    vts_client_destroy(client);
}

/* ---- late ------------------------------------------------------------------------------------ */

struct late {
    struct event *timer;
    struct vts_client_operation *operation;
    double due_ms;
};

/* How late each was, and how late a bare timer of libevent was that was to come at the same time: what
 * the machine itself adds. */
static double over_ms[LATE], bare_ms[LATE];
static int overs, bares;

static void on_late(struct vts_client_operation *operation, const struct vts_client_result *result,
                    void *arg)
{
    const struct late *late = arg;

    (void)operation;
    (void)result;
    over_ms[overs++] = now_ms() - late->due_ms;
}

static void on_bare(evutil_socket_t fd, short what, void *arg)
{
    const struct late *late = arg;

    (void)fd;
    (void)what;
    bare_ms[bares++] = now_ms() - late->due_ms;
}

static void on_cancel(evutil_socket_t fd, short what, void *arg)
{
    struct late *late = arg;

    on_bare(fd, what, arg);
    late->due_ms = now_ms();
    vts_client_stop(late->operation);
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* Waits that end by their deadlines, or where `cancel`, by being stopped, at some time between 200 ms and
 * 1.2 s. */
static void late_line(struct event_base *base, const struct server *server, bool cancel)
{
    static struct late lates[LATE];
    struct vts_client *client = connect_to(base, server);
    struct vts_client_options options;
    double bar = cancel ? 5 : 10;
    char id[32];

    overs = bares = 0;
    vts_client_options_init(&options);
    options.url = server->url;
    options.long_poll_ms = 0;
    for (int i = 0; i < LATE; i++) {
        int64_t end_ms = 200 + i * 1000 / LATE;
        struct timeval after = {.tv_sec = end_ms / 1000, .tv_usec = end_ms % 1000 * 1000};

        options.deadline_ms = cancel ? 0 : end_ms;
        snprintf(id, sizeof(id), "stuck-%d-%d", cancel, i);
        lates[i] = (struct late){.due_ms = now_ms() + (double)end_ms};
        lates[i].operation = vts_client_run(
            client, id, VTS_CLIENT_CALL(.done = on_late, .arg = &lates[i], .options = &options),
            NULL);
        lates[i].timer = evtimer_new(base, cancel ? on_cancel : on_bare, &lates[i]);
        if (!lates[i].operation || !lates[i].timer)
            fail("no memory for a wait");
        evtimer_add(lates[i].timer, &after);
    }
    event_base_dispatch(base);
    qsort(over_ms, (size_t)overs, sizeof(double), compare);
    qsort(bare_ms, (size_t)bares, sizeof(double), compare);
    printf("%-28s %8.1f %8.1f %8.1f   %8.1f %8.1f %8.1f   bar %.0f %s\n",
           cancel ? "cancel, from call to done" : "overshoot of the deadline", over_ms[LATE / 2],
           over_ms[LATE * 99 / 100], over_ms[LATE - 1], bare_ms[LATE / 2], bare_ms[LATE * 99 / 100],
           bare_ms[LATE - 1], bar, verdict(over_ms[LATE - 1] < bar));
    for (int i = 0; i < LATE; i++)
        event_free(lates[i].timer);
    vts_client_destroy(client);
}

int main(int argc, char **argv)
{
    char *end = NULL;
    long count = argc > 2 ? strtol(argv[2], &end, 10) : COUNT;
    struct event_base *base = event_base_new();
    struct server server;

    if (argc < 2 || argc > 3 || (end && *end) || count < 1 || count > MAX_COUNT || !base) {
        fprintf(stderr, "usage: %s VTSIMD [COUNT]: 1 to %d, %d unless given\n", argv[0], MAX_COUNT,
                COUNT);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    server_start(&server, argv[1]);
    many(base, &server, (int)count);
    printf("\n%d waits each, in ms; beside them bare timers: what is late by the machine alone\n\n",
           LATE);
    printf("%-28s %8s %8s %8s   %8s %8s %8s\n", "", "median", "99%", "worst", "median", "99%",
           "worst");
    late_line(base, &server, false);
    late_line(base, &server, true);
    server_stop(&server);
    event_base_free(base);
    return 0;
}
