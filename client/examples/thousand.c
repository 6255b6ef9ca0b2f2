/* SPDX-License-Identifier: MIT
 *
 * Starts a thousand jobs and waits for all of them, on one loop and a few connections: `thousand URL
 * [COUNT]`. The plan learns from the first ones when to look at the others. Built with
 * cc -o thousand thousand.c $(pkg-config --cflags --libs vtsim-client libevent_core). */
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <vtsim/client.h>

struct sum {
    int completed, in_error, lost;
    uint64_t polls;
};

static void on_done(struct vts_client_operation *operation, const struct vts_client_result *result,
                    void *arg)
{
    struct sum *sum = arg;

    (void)operation;
    sum->polls += result->polls;
    if (result->error.code != VTS_CLIENT_OK) {
        sum->lost++;
        fprintf(stderr, "%s\n", result->error.message);
    } else if (result->job->status == VTS_CLIENT_COMPLETED) {
        sum->completed++;
    } else {
        sum->in_error++;
    }
}

static void start_all(struct vts_client *client, int count, struct sum *sum)
{
    struct vts_client_error error;
    char id[64];

    for (int i = 0; i < count; i++) {
        snprintf(id, sizeof(id), "film-%d-%d", (int)getpid(), i);
        if (vts_client_run(client, id, VTS_CLIENT_CALL(.done = on_done, .arg = sum), &error))
            continue;
        sum->lost++;
        fprintf(stderr, "%s\n", error.message);
    }
}

int main(int argc, char **argv)
{
    struct vts_client_counters counters;
    struct vts_client_options options;
    struct vts_client_error error;
    struct vts_client *client;
    struct event_base *base;
    struct sum sum = {0};

    if (argc < 2) {
        fprintf(stderr, "usage: thousand URL [COUNT]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* as in every program on libevent */
    vts_client_options_init(&options);
    options.url = argv[1];
    options.job_class = "films";
    options.deadline_ms = 600000;
    base = event_base_new();
    client = base ? vts_client_create(base, &options, &error) : NULL;
    if (!client) {
        fprintf(stderr, "%s\n", base ? error.message : "no event loop");
        return 1;
    }
    start_all(client, argc > 2 ? (int)strtol(argv[2], NULL, 10) : 1000, &sum);
    event_base_dispatch(base); /* returns when nothing is under way any more */
    vts_client_counters_read(client, &counters, sizeof(counters));
    printf("%d completed, %d in error, %d lost\n", sum.completed, sum.in_error, sum.lost);
    printf("%" PRIu64 " polls in %" PRIu64 " requests over %" PRIu64 " connections\n", sum.polls,
           counters.requests, counters.connections);
    vts_client_destroy(client);
    event_base_free(base);
    return sum.lost > 0;
}
