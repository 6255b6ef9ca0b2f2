/* SPDX-License-Identifier: MIT
 *
 * A move of the clock over many jobs that fall due: makes so many in the memory store, each with a delay of its
 * own, moves a virtual clock behind the last of them and prints the seconds that this took. Ends with an error
 * unless each job ended at its exact moment. */
#include <event2/event.h>
#include <service/service.h>
#include <stdio.h>
#include <stdlib.h>

#include <base/rng.h>

#define SPAN (INT64_C(3600) * 1000)

static uint64_t ended, wrong;

static vts_ms delay_of(const char *id)
{
    return 1 + (vts_ms)(rng_hash(id, strlen(id), 7) % (SPAN - 1));
}

static void start(struct vts_job *job) { vts_wake_after(job, delay_of(vts_job_id(job))); }

static void wake(struct vts_job *job)
{
    ended++;
    wrong += vts_age(job) != delay_of(vts_job_id(job));
    vts_complete(job, NULL);
}

VTS_PLUGIN(spread, .summary = "an hour", .start = start, .wake = wake)

struct bench {
    struct pace_move move; /* first */
    struct event_base *base;
};

static void on_moved(struct pace_move *move) { event_base_loopbreak(((struct bench *)move)->base); }

static void on_started(struct service_call *call)
{
    if (call->result != SERVICE_DONE)
        exit(EXIT_FAILURE);
}

static void start_jobs(struct service *service, const struct instance *instance, int count)
{
    struct service_call call;
    char id[32];
    int i;

    service_call_init(&call);
    for (i = 0; i < count; i++) {
        call.port = &service->ports[0];
        call.instance = instance;
        call.store.id = (struct bytes){id, (size_t)snprintf(id, sizeof(id), "job-%d", i)};
        call.done = on_started;
        service_start(&call);
    }
    service_call_finish(&call);
}

static bool set_up(struct service *service, struct clock *clock, struct assignment *assignment)
{
    struct service_parts parts = {assignment, clock, 1};
    struct problems problems = PROBLEMS_INIT;
    struct vts_error error = {0};
    struct instance *instance = instance_create("spread", spread_LTX_vts_plugin(), NULL, &problems);

    clock_init_virtual(clock, INT64_C(1767225600000));
    return config_read(&assignment->config, NULL, NULL, 0, &problems) &&
           store_choose(&assignment->store, &assignment->config, &problems) && instance &&
           behaviours_add(&assignment->behaviours, instance) &&
           service_init(service, &parts, &error);
}

int main(int argc, char **argv)
{
    int count = argc == 2 ? (int)strtol(argv[1], NULL, 10) : 0;
    struct assignment *assignment;
    struct bench bench = {.base = event_base_new()};
    struct service service;
    struct clock clock;
    int64_t from;

    if (count < 1) {
        fprintf(stderr, "usage: advance JOBS\n");
        return 2;
    }
    assignment = calloc(1, sizeof(*assignment));
    if (!assignment)
        return EXIT_FAILURE;
    atomic_init(&assignment->holders, 1);
    if (!bench.base || !set_up(&service, &clock, assignment) ||
        !service_port_attach(&service.ports[0], bench.base))
        return EXIT_FAILURE;
    start_jobs(&service, behaviours_named(&assignment->behaviours, "spread", 6), count);
    bench.move.port = &service.ports[0];
    bench.move.done = on_moved;
    from = clock_real_us();
    if (pace_move_by(&bench.move, SPAN, NULL) != PACE_DONE)
        return EXIT_FAILURE;
    event_base_dispatch(bench.base);
    printf("%.3f\n", (double)(clock_real_us() - from) / 1e6);
    if (ended != (uint64_t)count || wrong > 0) {
        fprintf(stderr, "advance: %llu ended, %llu at a wrong moment\n", (unsigned long long)ended,
                (unsigned long long)wrong);
        return EXIT_FAILURE;
    }
    service_finish(&service);
    event_base_free(bench.base);
    assignment_release(assignment);
    return EXIT_SUCCESS;
}
