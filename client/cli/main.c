/* SPDX-License-Identifier: MIT
 *
 * `vtsim`: the command on libvtsim-client. Reads the arguments and does what needs but one request;
 * waiting is in follow.c. */
#include <event2/event.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "arguments.h"
#include "audit.h"
#include "clock.h"
#include "follow.h"
#include "new_behaviour.h"
#include "output.h"
#include "progress.h"
#include "report.h"
#include "watcher.h"

static int start(struct vts_client *client, const struct arguments *arguments)
{
    struct watcher watcher = {.arguments = arguments, .id = arguments->id};
    struct vts_client_options options = arguments->options;
    const struct vts_client_result *result;
    char id[OUTPUT_ID_MAX];

    options.trace = watcher_trace;
    options.trace_arg = &watcher;
    result = vts_client_start_sync(client, arguments->id,
                                   VTS_CLIENT_CALL(.options = &options,
                                                   .behaviour = arguments->behaviour,
                                                   .settings = arguments->settings,
                                                   .setting_count = arguments->setting_count));
    if (watcher.unreached.code)
        return report_error(&watcher.unreached, arguments, arguments->id, NULL);
    if (result->error.code)
        return report_error(&result->error, arguments, arguments->id, result);
    output_escape(id, sizeof(id), arguments->id);
    if (arguments->json)
        output_json(result->job);
    else
        output_print("Job %s started\n", id);
    return EXIT_COMPLETED;
}

static int status(struct vts_client *client, const struct arguments *arguments)
{
    const struct vts_client_result *result = vts_client_status_sync(client, arguments->id, NULL);

    if (result->error.code)
        return report_error(&result->error, arguments, arguments->id, result);
    if (arguments->json)
        output_json(result->job);
    else
        output_job(result->job);
    return result->job->status == VTS_CLIENT_ERROR ? EXIT_JOB_ERROR : EXIT_COMPLETED;
}

static int cancel(struct vts_client *client, const struct arguments *arguments)
{
    const struct vts_client_result *result = vts_client_cancel_sync(client, arguments->id, NULL);
    char id[OUTPUT_ID_MAX], state[64];

    if (result->error.code)
        return report_error(&result->error, arguments, arguments->id, result);
    if (arguments->json) {
        output_json(result->job);
        return EXIT_COMPLETED;
    }
    output_escape(id, sizeof(id), arguments->id);
    output_escape(state, sizeof(state),
                  result->job->state ? result->job->state
                                     : vts_client_status_name(result->job->status));
    if (result->job->status == VTS_CLIENT_PENDING)
        output_print("Job %s is asked to stop; it is %s\n", id, state);
    else
        output_print("Job %s is %s\n", id, state);
    return EXIT_COMPLETED;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int report_late(const struct arguments *arguments)
{
    static const struct vts_client_error late = {
        VTS_CLIENT_ERR_DEADLINE, 0, "the deadline passed before the list was complete"};

    return report_error(&late, arguments, NULL, NULL);
}

static int list(struct vts_client *client, const struct arguments *arguments)
{
    char after[4096] = ""; /* a result does not outlive the next call */
    bool head = !arguments->json && progress_is_terminal();
    struct vts_client_options options = arguments->options;
    int64_t began_ms = now_ms();

    for (;;) {
        const struct vts_client_result *page = vts_client_list_sync(
            client, VTS_CLIENT_QUERY(.state = arguments->state, .after = *after ? after : NULL),
            VTS_CLIENT_CALL(.options = &options));

        if (page->error.code == VTS_CLIENT_ERR_DEADLINE)
            return report_late(arguments);
        if (page->error.code)
            return report_error(&page->error, arguments, NULL, NULL);
        if (head)
            output_list_head();
        head = false;
        for (size_t i = 0; i < page->job_count; i++) {
            if (arguments->json)
                output_json(&page->jobs[i]);
            else
                output_list_job(&page->jobs[i]);
        }
        if (!page->next)
            return EXIT_COMPLETED;
        if (snprintf(after, sizeof(after), "%s", page->next) >= (int)sizeof(after)) {
            output_error("the server's list goes on at a place whose name is too long");
            return EXIT_SERVER;
        }
        if (arguments->options.deadline_ms) { /* one over all pages */
            options.deadline_ms = began_ms + arguments->options.deadline_ms - now_ms();
            if (options.deadline_ms <= 0)
                return report_late(arguments);
        }
    }
}

static void on_change(struct vts_client_operation *operation, const struct vts_client_job *job,
                      void *arg)
{
    const struct arguments *arguments = arg;

    (void)operation;
    if (arguments->json)
        output_json(job);
    else
        output_change(job);
}

/* Ends with --timeout, which is no error here, with Ctrl-C, or when the server has failed too often. */
static int watch(struct vts_client *client, const struct arguments *arguments)
{
    const struct vts_client_result *result = vts_client_watch_sync(
        client, VTS_CLIENT_QUERY(.state = arguments->state),
        VTS_CLIENT_CALL(.progress = on_change, .arg = (void *)(uintptr_t)arguments));

    if (result->error.code == VTS_CLIENT_ERR_DEADLINE)
        return EXIT_COMPLETED;
    return report_error(&result->error, arguments, NULL, NULL);
}

static int one_request(const struct arguments *arguments)
{
    struct vts_client_error error;
    struct vts_client *client = vts_client_create(NULL, &arguments->options, &error);
    int code;

    if (!client)
        return report_error(&error, arguments, arguments->id, NULL);
    switch (arguments->command) {
    case COMMAND_START:
        code = start(client, arguments);
        break;
    case COMMAND_STATUS:
        code = status(client, arguments);
        break;
    case COMMAND_CANCEL:
        code = cancel(client, arguments);
        break;
    default:
        code = arguments->watch ? watch(client, arguments) : list(client, arguments);
        break;
    }
    vts_client_destroy(client);
    return code;
}

/* libevent tells on standard error what it thinks of an answer; our own line is enough. */
static void quiet(int severity, const char *message)
{
    (void)severity;
    (void)message;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    int code;

    if (!arguments_read(&arguments, argc, argv)) {
        arguments_finish(&arguments);
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    event_set_log_callback(quiet);
    switch (arguments.command) {
    case COMMAND_HELP:
        arguments_help();
        code = EXIT_COMPLETED;
        break;
    case COMMAND_VERSION:
        output_print("vtsim %s\n", vts_client_version());
        code = EXIT_COMPLETED;
        break;
    case COMMAND_NEW_BEHAVIOUR:
        code = new_behaviour(arguments.id, arguments.folder);
        break;
    case COMMAND_AUDIT:
        code = audit(&arguments);
        break;
    case COMMAND_CLOCK:
        code = clock_command(&arguments);
        break;
    case COMMAND_WAIT:
    case COMMAND_RUN:
    case COMMAND_RESUME:
        code = follow(&arguments);
        break;
    default:
        code = one_request(&arguments);
        break;
    }
    arguments_finish(&arguments);
    if (!output_finish()) {
        output_error("standard output could not be written");
        return EXIT_SERVER;
    }
    return code;
}
