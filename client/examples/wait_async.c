/* SPDX-License-Identifier: MIT
 *
 * Waits for several jobs at once on the program's own libevent event_base: `wait_async URL ID...`
 * starts them all, says what becomes of each, and returns when the last one has ended. Built with
 * cc -o wait_async wait_async.c $(pkg-config --cflags --libs vtsim-client libevent_core). */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <vtsim/client.h>

static void on_poll(struct vts_client_operation *operation, const struct vts_client_poll *poll,
                    void *arg)
{
    const char *id = arg;

    (void)operation;
    if (poll->error)
        printf("%s: %s\n", id, poll->error->message);
    else if (poll->job->status == VTS_CLIENT_PENDING)
        printf("%s: still pending, next poll in %lld ms\n", id, (long long)poll->next_ms);
}

static void on_done(struct vts_client_operation *operation, const struct vts_client_result *result,
                    void *arg)
{
    const char *id = arg;

    (void)operation;
    if (result->error.code)
        printf("%s: %s\n", id, result->error.message);
    else
        printf("%s: %s after %llu polls\n", id, vts_client_status_name(result->job->status),
               (unsigned long long)result->polls);
}

int main(int argc, char **argv)
{
    struct vts_client_options options;
    struct vts_client_error error;
    struct event_base *base;
    struct vts_client *client;

    if (argc < 3) {
        fprintf(stderr, "usage: wait_async URL ID...\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* as in every program on libevent */
    vts_client_options_init(&options);
    options.url = argv[1];
    base = event_base_new();
    client = base ? vts_client_create(base, &options, &error) : NULL;
    if (!client) {
        fprintf(stderr, "%s\n", base ? error.message : "no event loop");
        if (base)
            event_base_free(base);
        return 1;
    }
    for (int i = 2; i < argc; i++) {
        if (!vts_client_run(client, argv[i],
                            VTS_CLIENT_CALL(.done = on_done, .poll = on_poll, .arg = argv[i]),
                            &error))
            printf("%s: %s\n", argv[i], error.message);
    }
    event_base_dispatch(base); /* returns when nothing is under way any more */
    vts_client_destroy(client);
    event_base_free(base);
    return 0;
}
