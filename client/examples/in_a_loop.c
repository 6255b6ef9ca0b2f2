/* SPDX-License-Identifier: MIT
 *
 * A program that has a libevent loop already, for other things, and waits for jobs on it as well:
 * `in_a_loop URL ID...` ticks ten times a second, tells of each poll and of Ctrl-C, on which it leaves the
 * jobs running and prints how to go on. Built with
 * cc -o in_a_loop in_a_loop.c $(pkg-config --cflags --libs vtsim-client libevent_core). */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <vtsim/client.h>

/* The program that was there before. */
struct program {
    struct event_base *base;
    struct event *tick, *interrupt;
    struct vts_client *client;
    int ticks, left;
};

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct program *program = arg;

    (void)fd;
    (void)what;
    program->ticks++;
}

/* All waits end, and with them the loop: on_done has been called for each when this returns. */
static void on_interrupt(evutil_socket_t fd, short what, void *arg)
{
    struct program *program = arg;

    (void)fd;
    (void)what;
    vts_client_destroy(program->client);
    program->client = NULL;
}

static void on_poll(struct vts_client_operation *operation, const struct vts_client_poll *poll,
                    void *arg)
{
    (void)operation;
    (void)arg;
    if (poll->error)
        printf("%s\n", poll->error->message);
    else if (poll->job->status == VTS_CLIENT_PENDING)
        printf("%s: still pending, next poll in %lld ms (%s)\n", poll->job->id,
               (long long)poll->next_ms, vts_client_reason_name(poll->reason));
}

static void on_done(struct vts_client_operation *operation, const struct vts_client_result *result,
                    void *arg)
{
    struct program *program = arg;

    (void)operation;
    if (result->error.code == VTS_CLIENT_OK)
        printf("%s: %s\n", result->job->id, vts_client_status_name(result->job->status));
    else
        printf("%s%s%s\n", result->error.message, result->token ? "; go on with " : "",
               result->token ? result->token : "");
    if (--program->left ==
        0) { /* nothing of ours keeps the loop any more: the program's own does */
        event_del(program->tick);
        event_del(program->interrupt);
    }
}

static void wait_for(struct program *program, const char *id)
{
    struct vts_client_error error;

    if (vts_client_run(program->client, id,
                       VTS_CLIENT_CALL(.done = on_done, .poll = on_poll, .arg = program), &error))
        program->left++;
    else
        printf("%s\n", error.message);
}

int main(int argc, char **argv)
{
    static const struct timeval tenth = {.tv_usec = 100000};
    struct program program = {.base = event_base_new()};
    struct vts_client_options options;
    struct vts_client_error error;

    if (argc < 3 || !program.base) {
        fprintf(stderr, "usage: in_a_loop URL ID...\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* as in every program on libevent */
    program.tick = event_new(program.base, -1, EV_PERSIST, on_tick, &program);
    program.interrupt = evsignal_new(program.base, SIGINT, on_interrupt, &program);
    event_add(program.tick, &tenth);
    event_add(program.interrupt, NULL);
    vts_client_options_init(&options);
    options.url = argv[1];
    program.client = vts_client_create(program.base, &options, &error);
    if (!program.client) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    for (int i = 2; i < argc; i++)
        wait_for(&program, argv[i]);
    if (program.left)
        event_base_dispatch(program.base);
    printf("ticked all the while: %s\n", program.ticks ? "yes" : "no");
    vts_client_destroy(program.client); /* NULL after Ctrl-C: allowed */
    event_free(program.tick);
    event_free(program.interrupt);
    event_base_free(program.base);
    return 0;
}
