/* SPDX-License-Identifier: MIT
 *
 * `./dev bench queue`: a million jobs through a thousand slots, by the service and the memory store in virtual
 * time. Prints how long that took and whether the slots were all taken as long as jobs waited, in slot-
 * milliseconds; exits with 1 where it took longer than the bar or one was not.
 *
 *   queue [JOBS [SLOTS]] */
#include "service/service.h"

#include <stdlib.h>
#include <time.h>

#define T0   INT64_C(1767225600000)
#define BARS 10.0 /* seconds */

const struct vts_plugin *queue_LTX_vts_plugin(void);

static struct clock now;
static struct service service;
static uint64_t jobs = 1000000, slots = 1000, done;

static void on_done(struct service_call *call) { done += call->result == SERVICE_DONE; }

static struct assignment *read_assignment(void)
{
    struct assignment *assignment = calloc(1, sizeof(*assignment));
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance;
    char count[64];
    const char *const assignments[] = {"server/behaviour=q", "server/keep_ended=10000d",
                                       "server/max_jobs=1000000000", count,
                                       "behaviour q/running=exponential 10s"};

    snprintf(count, sizeof(count), "behaviour q/slots=%llu", (unsigned long long)slots);
    if (!assignment || !config_read(&assignment->config, NULL, assignments, 5, &problems) ||
        !store_choose(&assignment->store, &assignment->config, &problems))
        exit(2);
    atomic_init(&assignment->holders, 1);
    instance = instance_create("q", queue_LTX_vts_plugin(),
                               ini_section(&assignment->config.ini, "behaviour", "q"), &problems);
    if (!instance || !behaviours_add(&assignment->behaviours, instance))
        exit(2);
    problems_finish(&problems);
    return assignment;
}

static double seconds(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void start_all(void)
{
    struct service_call call;
    char id[32];
    uint64_t i;

    for (i = 0; i < jobs; i++) {
        snprintf(id, sizeof(id), "job-%llu", (unsigned long long)i);
        service_call_init(&call);
        call.port = &service.ports[0];
        call.store.id = (struct bytes){id, strlen(id)};
        call.instance = service_behaviour(&service.ports[0], &(struct asked){.id = call.store.id});
        call.done = on_done;
        service_start(&call);
        service_call_finish(&call);
    }
}

/* ---- what came of them ---- */

struct sum {
    struct service_list list; /* first */
    vts_ms last_grant, busy;
    uint64_t completed;
};

static void find_last(struct service_list *list, const struct job *job,
                      const struct instance *instance, uint64_t polls, vts_ms at)
{
    struct sum *sum = (struct sum *)list;

    (void)instance;
    (void)polls;
    (void)at;
    sum->completed += job->state == VTS_COMPLETED;
    if (job->started_at > sum->last_grant)
        sum->last_grant = job->started_at;
}

static void add_busy(struct service_list *list, const struct job *job,
                     const struct instance *instance, uint64_t polls, vts_ms at)
{
    struct sum *sum = (struct sum *)list;

    (void)instance;
    (void)polls;
    (void)at;
    sum->busy +=
        (job->ended_at < sum->last_grant ? job->ended_at : sum->last_grant) - job->started_at;
}

static void listed(struct service_list *list) { (void)list; }

static void look_at_all(struct sum *sum, void (*row)(struct service_list *, const struct job *,
                                                     const struct instance *, uint64_t, vts_ms))
{
    sum->list = (struct service_list){.store = {.limit = SIZE_MAX, .scan = SIZE_MAX},
                                      .port = &service.ports[0],
                                      .state = -1,
                                      .row = row,
                                      .done = listed};
    service_list(&sum->list);
}

int main(int argc, char **argv)
{
    struct service_parts parts = {NULL, &now, 1};
    struct sum sum = {.last_grant = T0};
    struct vts_error error;
    double begun, started, took, cpu;
    vts_ms idle;

    if (argc > 1)
        jobs = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        slots = strtoull(argv[2], NULL, 10);
    clock_init_virtual(&now, T0);
    parts.assignment = read_assignment();
    if (!service_init(&service, &parts, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return 2;
    }
    begun = seconds();
    start_all();
    started = seconds() - begun;
    clock_move(&now, T0 + INT64_C(1000) * 86400000, NULL);
    service_run_due(&service.ports[0], clock_now(&now), SIZE_MAX);
    took = seconds() - begun;
    cpu = (double)clock() / CLOCKS_PER_SEC;
    look_at_all(&sum, find_last);
    look_at_all(&sum, add_busy);
    idle = (vts_ms)slots * (sum.last_grant - T0) - sum.busy;
    printf(
        "queue: %llu jobs through %llu slots in %.2f s (%.2f s of it to start them; %.2f s on the "
        "processor): %lld s of "
        "virtual time; idle slot-milliseconds while jobs waited: %lld\n",
        (unsigned long long)jobs, (unsigned long long)slots, took, started, cpu,
        (long long)(sum.last_grant - T0) / 1000, (long long)idle);
    service_finish(&service);
    assignment_release(parts.assignment);
    return done == jobs && sum.completed == jobs && idle == 0 && took < BARS ? 0 : 1;
}
