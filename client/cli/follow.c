/* SPDX-License-Identifier: MIT
 *
 * Follows jobs to their ends. See follow.h. On the library's asynchronous face, because the progress lines
 * move between two polls as well. */
#include "follow.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "output.h"
#include "progress.h"
#include "report.h"
#include "standstill.h"
#include "watcher.h"

#define REDRAW_MS 100
#define STANDS_S  1 /* so long a server's clock may stand until it is asked why */

struct follower;

/* One of the jobs. */
struct followed {
    struct watcher watcher; /* first */
    struct follower *follower;
    struct vts_client_operation *operation; /* NULL: it has ended */
    char id[256];
    bool asking;     /* a request is under way */
    int64_t next_ms; /* on this file's clock; below 0: no poll is planned */
    double progress;
};

struct follower {
    const struct arguments *arguments;
    struct event_base *base;
    struct event *redraw, *interrupt, *second;
    struct vts_client *client;
    bool terminal, interrupted;
    int64_t began_ms;
    struct followed *jobs;
    struct progress *lines;
    size_t count, left;
    struct screen screen;
    struct standstill standstill;
    int status;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the terminal ---------------------------------------------------------------------------- */

static void draw(struct follower *follower)
{
    int64_t now = now_ms();
    size_t lines = 0;

    for (size_t i = 0; i < follower->count; i++) {
        const struct followed *job = &follower->jobs[i];
        const char *trouble = job->watcher.trouble;

        if (!job->operation)
            continue;
        follower->lines[lines++] =
            (struct progress){.id = job->id,
                              .progress = job->progress,
                              .trouble = *trouble ? trouble : NULL,
                              .elapsed_ms = now - follower->began_ms,
                              .next_ms = job->next_ms > now ? job->next_ms - now : -1};
    }
    if (lines)
        progress_draw(&follower->screen, follower->lines, lines);
}

static void on_redraw(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    draw(arg);
}

/* Tells once who holds the clock that we sleep by. */
static void on_second(evutil_socket_t fd, short what, void *arg)
{
    struct follower *follower = arg;
    char text[1024];

    (void)fd;
    (void)what;
    for (size_t i = 0; i < follower->count; i++) {
        if (follower->jobs[i].asking) /* then it is us */
            return;
    }
    if (!standstill_explain(&follower->standstill, text, sizeof(text)))
        return;
    event_del(follower->second);
    if (follower->terminal)
        progress_clear(&follower->screen);
    output_error("%s", text);
    if (follower->terminal)
        draw(follower);
}

/* ---- what the library tells ------------------------------------------------------------------ */

static void on_trace(struct vts_client_operation *operation, const struct vts_client_trace *trace,
                     void *arg)
{
    struct followed *job = arg;

    if (job->follower->terminal && job->watcher.arguments->trace)
        progress_clear(&job->follower->screen);
    job->asking = trace->event == VTS_CLIENT_EVENT_REQUEST;
    if (trace->event == VTS_CLIENT_EVENT_DELAY)
        job->next_ms = now_ms() + trace->delay_ms;
    watcher_trace(operation, trace, &job->watcher);
}

static void on_poll(struct vts_client_operation *operation, const struct vts_client_poll *poll,
                    void *arg)
{
    struct followed *job = arg;
    struct follower *follower = job->follower;

    (void)operation;
    job->next_ms = poll->next_ms < 0 ? -1 : now_ms() + poll->next_ms;
    if (poll->job) {
        job->progress = poll->job->progress;
        if (!follower->terminal && !follower->arguments->json &&
            poll->job->status == VTS_CLIENT_PENDING)
            output_pending(poll->job->id);
    } else if (poll->next_ms >= 0) {
        watcher_tell(&job->watcher, poll->next_ms);
    }
    if (follower->terminal && poll->next_ms >= 0)
        draw(follower);
}

static int report(struct followed *job, const struct vts_client_result *result)
{
    const struct follower *follower = job->follower;
    const struct arguments *arguments = follower->arguments;

    if (job->watcher.unreached.code)
        return report_error(&job->watcher.unreached, arguments, job->id, NULL);
    if (result->error.code)
        return report_error(&result->error, arguments, job->id, result);
    if (arguments->json)
        output_json(result->job);
    else if (follower->count == 1)
        output_final(result->job->status);
    else
        output_ended(job->id, result->job->status);
    if (result->job->status == VTS_CLIENT_COMPLETED)
        return EXIT_COMPLETED;
    if (!arguments->json) /* there it is in the object */
        report_failed(result->job);
    return EXIT_JOB_ERROR;
}

static void on_done(struct vts_client_operation *operation, const struct vts_client_result *result,
                    void *arg)
{
    struct followed *job = arg;
    struct follower *follower = job->follower;

    (void)operation;
    job->operation = NULL;
    follower->left--;
    if (follower->interrupted)
        return; /* on_interrupt has told */
    if (follower->terminal)
        progress_clear(&follower->screen);
    follower->status = report_worse(follower->status, report(job, result));
    if (!follower->left)
        event_base_loopbreak(follower->base);
    else if (follower->terminal)
        draw(follower);
}

/* ---- Ctrl-C ---------------------------------------------------------------------------------- */

static void on_interrupt(evutil_socket_t fd, short what, void *arg)
{
    struct follower *follower = arg;
    char token[VTS_CLIENT_TOKEN_MAX];

    (void)fd;
    (void)what;
    follower->interrupted = true;
    if (follower->terminal)
        progress_clear(&follower->screen);
    for (size_t i = 0; i < follower->count; i++) {
        struct followed *job = &follower->jobs[i];

        if (job->operation && vts_client_token(job->operation, token, sizeof(token)))
            report_interrupted(follower->arguments, job->id, token);
    }
    event_base_loopbreak(follower->base);
}

/* As every program ends that was interrupted, so that a shell's loop around it ends, too. */
static void end_interrupted(void)
{
    output_flush();
    signal(SIGINT, SIG_DFL);
    raise(SIGINT);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

/* What the words of the command line call the jobs. False after a message. */
static bool name_jobs(struct follower *follower)
{
    const struct arguments *arguments = follower->arguments;
    struct vts_client_error error;

    for (size_t i = 0; i < follower->count; i++) {
        struct followed *job = &follower->jobs[i];

        *job = (struct followed){.follower = follower, .next_ms = -1, .progress = -1};
        job->watcher =
            (struct watcher){.arguments = arguments, .id = job->id, .silent = follower->terminal};
        if (arguments->command != COMMAND_RESUME) {
            snprintf(job->id, sizeof(job->id), "%s", arguments->ids[i]);
        } else if (!vts_client_token_id(arguments->ids[i], job->id, &error)) {
            follower->status = report_error(&error, arguments, NULL, NULL);
            return false;
        }
    }
    return true;
}

static struct vts_client_operation *begin_one(struct follower *follower, size_t i,
                                              struct vts_client_error *error)
{
    const struct arguments *arguments = follower->arguments;
    struct vts_client_options options = arguments->options;
    const struct vts_client_call *call =
        VTS_CLIENT_CALL(.done = on_done, .poll = on_poll, .arg = &follower->jobs[i],
                        .options = &options, .behaviour = arguments->behaviour,
                        .settings = arguments->settings, .setting_count = arguments->setting_count);

    options.trace = on_trace;
    options.trace_arg = &follower->jobs[i];
    if (arguments->command == COMMAND_RUN)
        return vts_client_run(follower->client, arguments->ids[i], call, error);
    if (arguments->command == COMMAND_RESUME)
        return vts_client_resume(follower->client, arguments->ids[i], call, error);
    return vts_client_wait(follower->client, arguments->ids[i], call, error);
}

static bool begin(struct follower *follower)
{
    struct vts_client_error error;

    for (size_t i = 0; i < follower->count; i++) {
        struct followed *job = &follower->jobs[i];

        job->operation = begin_one(follower, i, &error);
        if (!job->operation) {
            follower->status = report_error(&error, follower->arguments, job->id, NULL);
            return false;
        }
        follower->left++;
    }
    return true;
}

static void run(struct follower *follower)
{
    static const struct timeval redraw = {.tv_usec = REDRAW_MS * 1000};
    static const struct timeval second = {.tv_sec = STANDS_S};
    struct vts_client_error error;

    follower->client = vts_client_create(follower->base, &follower->arguments->options, &error);
    if (!follower->client) {
        follower->status = report_error(&error, follower->arguments, follower->jobs[0].id, NULL);
        return;
    }
    follower->interrupted = !begin(follower); /* those that have begun end unreported */
    if (!follower->interrupted) {
        event_add(follower->interrupt, NULL);
        if (follower->arguments->server_clock)
            event_add(follower->second, &second);
        if (follower->terminal) {
            event_add(follower->redraw, &redraw);
            draw(follower);
        }
        event_base_dispatch(follower->base);
        if (follower->interrupted)
            follower->status = -1;
    }
    vts_client_destroy(follower->client);
}

int follow(const struct arguments *arguments)
{
    struct follower follower = {.arguments = arguments,
                                .base = event_base_new(),
                                .terminal = !arguments->json && progress_is_terminal(),
                                .count = arguments->id_count,
                                .standstill = {.arguments = arguments},
                                .began_ms = now_ms()};

    follower.jobs = calloc(follower.count, sizeof(*follower.jobs));
    follower.lines = calloc(follower.count, sizeof(*follower.lines));
    if (follower.base) {
        follower.redraw = event_new(follower.base, -1, EV_PERSIST, on_redraw, &follower);
        follower.interrupt = evsignal_new(follower.base, SIGINT, on_interrupt, &follower);
        follower.second = event_new(follower.base, -1, EV_PERSIST, on_second, &follower);
    }
    if (!follower.redraw || !follower.interrupt || !follower.second || !follower.jobs ||
        !follower.lines) {
        output_error("out of memory");
        follower.status = EXIT_SERVER;
    } else if (name_jobs(&follower)) {
        run(&follower);
    }
    if (follower.redraw)
        event_free(follower.redraw);
    if (follower.interrupt)
        event_free(follower.interrupt);
    if (follower.second)
        event_free(follower.second);
    if (follower.base)
        event_base_free(follower.base);
    free(follower.jobs);
    free(follower.lines);
    if (follower.status == -1)
        end_interrupted();
    return follower.status;
}
