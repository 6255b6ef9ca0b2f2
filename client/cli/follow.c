/* SPDX-License-Identifier: MIT
 *
 * Follows one job to its end. See follow.h. On the library's asynchronous face, because the progress
 * line moves between two polls as well. */
#include "follow.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "output.h"
#include "report.h"

#define REDRAW_MS 100

struct follower {
    const struct arguments *arguments;
    struct event_base *base;
    struct event *redraw;
    bool terminal;
    int64_t began_ms, next_ms; /* on this file's clock; next_ms below 0: no poll is planned */
    double progress;
    char trouble[512];
    struct vts_client_error unreached; /* the first poll of a wait found no server */
    int status;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void draw(struct follower *follower)
{
    int64_t now = now_ms();
    struct output_progress progress = {.id = follower->arguments->id,
                                       .progress = follower->progress,
                                       .elapsed_ms = now - follower->began_ms,
                                       .next_ms = -1};

    if (*follower->trouble)
        progress.trouble = follower->trouble;
    if (follower->next_ms > now)
        progress.next_ms = follower->next_ms - now;
    output_progress(&progress);
}

static void on_redraw(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    draw(arg);
}

static void show_failed_poll(struct follower *follower, const struct vts_client_poll *poll)
{
    snprintf(follower->trouble, sizeof(follower->trouble), "%s", poll->error->message);
    if (!follower->terminal && poll->next_ms >= 0)
        output_error("%s; trying again in %.1f s", poll->error->message,
                     (double)poll->next_ms / 1000);
}

static void on_poll(struct vts_client_operation *operation, const struct vts_client_poll *poll,
                    void *arg)
{
    struct follower *follower = arg;

    follower->next_ms = poll->next_ms < 0 ? -1 : now_ms() + poll->next_ms;
    *follower->trouble = '\0';
    if (!poll->job) {
        /* A server that was never there is more likely a wrong URL than one that will come back. */
        if (poll->number == 1 && follower->arguments->command == COMMAND_WAIT &&
            report_never_connected(poll->error)) {
            follower->unreached = *poll->error;
            vts_client_abandon(operation);
            return;
        }
        show_failed_poll(follower, poll);
    } else {
        follower->progress = poll->job->progress;
        if (!follower->terminal && !follower->arguments->json &&
            poll->job->status == VTS_CLIENT_PENDING)
            output_pending(poll->job->id);
    }
    if (follower->terminal && poll->next_ms >= 0)
        draw(follower);
}

static void on_done(struct vts_client_operation *operation, const struct vts_client_result *result,
                    void *arg)
{
    struct follower *follower = arg;
    const struct arguments *arguments = follower->arguments;

    (void)operation;
    if (follower->terminal)
        output_progress_clear();
    if (follower->unreached.code) {
        follower->status = report_error(&follower->unreached, arguments, NULL);
    } else if (result->error.code) {
        follower->status = report_error(&result->error, arguments, result->job);
    } else {
        if (arguments->json)
            output_json(result->job);
        else
            output_final(result->job->status);
        follower->status =
            result->job->status == VTS_CLIENT_COMPLETED ? EXIT_COMPLETED : EXIT_JOB_ERROR;
    }
    event_base_loopbreak(follower->base);
}

static int run(struct follower *follower)
{
    static const struct timeval redraw = {.tv_usec = REDRAW_MS * 1000};
    const struct arguments *arguments = follower->arguments;
    const struct vts_client_call *call =
        VTS_CLIENT_CALL(.done = on_done, .poll = on_poll, .arg = follower);
    struct vts_client_operation *operation;
    struct vts_client_error error;
    struct vts_client *client = vts_client_create(follower->base, &arguments->options, &error);

    if (!client)
        return report_error(&error, arguments, NULL);
    if (arguments->command == COMMAND_RUN)
        operation = vts_client_run(client, arguments->id, call, &error);
    else
        operation = vts_client_wait(client, arguments->id, call, &error);
    if (!operation) {
        vts_client_destroy(client);
        return report_error(&error, arguments, NULL);
    }
    if (follower->terminal) {
        event_add(follower->redraw, &redraw);
        draw(follower);
    }
    event_base_dispatch(follower->base);
    vts_client_destroy(client);
    return follower->status;
}

int follow(const struct arguments *arguments)
{
    struct follower follower = {.arguments = arguments,
                                .base = event_base_new(),
                                .terminal = !arguments->json && output_is_terminal(),
                                .began_ms = now_ms(),
                                .next_ms = -1,
                                .progress = -1,
                                .status = EXIT_SERVER};
    int status = EXIT_SERVER;

    if (follower.base)
        follower.redraw = event_new(follower.base, -1, EV_PERSIST, on_redraw, &follower);
    if (follower.redraw)
        status = run(&follower);
    else
        output_error("out of memory");
    if (follower.redraw)
        event_free(follower.redraw);
    if (follower.base)
        event_base_free(follower.base);
    return status;
}
