/* SPDX-License-Identifier: MIT
 *
 * Three vtsimds that share a Redis, under clients at full speed. Replicas are killed at random moments,
 * the Redis is killed and started again with its append-only file, a replica is stopped for longer than
 * its claims on what is due hold, and goes on. What any of them has answered stays.
 *
 *   VTSIM_CRASH_ROUNDS   kills and stops (see CMakeLists.txt)
 *   VTSIM_CRASH_SEED     what chance starts from; printed where a test fails (1) */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clients.h"
#include "folder.h"
#include "http.h"
#include "run.h"
#include "server.h"
#include "vtsimd.h"

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

#define REPLICAS       3
#define CONNECTIONS    24
#define STARTS_A_ROUND 200
#define LONGEST_PART   250  /* ms of each part of a round */
#define STOPPED_MS     2600 /* longer than REDIS_LEASE_MS */
#define STOP_EVERY     12   /* rounds */
#define DELAYED_MS     8000 /* what a death may delay a wake by, and then some for a busy machine */
#define LEFT_ALONE     150  /* jobs */

struct cluster {
    struct redis_process redis;
    struct vtsimd replicas[REPLICAS];
    char url_option[96];
    struct model model;
    struct clients clients;
};

static void start_replica(struct cluster *cluster, int which)
{
    const char *const arguments[] = {"-s",
                                     "store/kind=redis",
                                     "-s",
                                     cluster->url_option,
                                     "-s",
                                     "server/workers=1",
                                     "-s",
                                     "server/log_level=error",
                                     MODEL_ARGUMENTS,
                                     NULL};

    vtsimd_start(&cluster->replicas[which], arguments);
    cluster->clients.ports[which] = cluster->replicas[which].port;
}

/* Waits until a replica answers otherwise than with 503. */
static void wait_served(const struct cluster *cluster, int which)
{
    int64_t until_ms = run_now_ms() + RUN_TIMEOUT_MS;
    struct http_response response;
    int status;

    do {
        if (run_now_ms() > until_ms)
            fail_msg("seed %llu, round %u: replica %d does not serve again",
                     (unsigned long long)cluster->model.seed, cluster->model.round, which);
        http_request(cluster->replicas[which].port, "GET", "/status?job_id=nobody", NULL,
                     &response);
        status = response.status;
        http_response_finish(&response);
        if (status == 503)
            poll(NULL, 0, 10);
    } while (status == 503);
    assert_int_equal(status, 404);
}

/* It was cut off in the middle of its work, but nothing was wrong with it. */
static void end_of(struct vtsimd *replica)
{
    char *log = vtsimd_log(replica);

    if (strstr(log, "Sanitizer") || strstr(log, "runtime error") || strstr(log, "understood"))
        fail_msg("a vtsimd logged:\n%s", log);
    free(log);
    vtsimd_finish(replica);
}

static void cluster_start(struct cluster *cluster)
{
    static const char *const extra[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};

    memset(cluster, 0, sizeof(*cluster));
    redis_process_start(&cluster->redis, extra);
    snprintf(cluster->url_option, sizeof(cluster->url_option), "store/url=%s", cluster->redis.url);
    model_init(&cluster->model, (uint64_t)folder_number("VTSIM_CRASH_SEED", 1));
    clients_init(&cluster->clients, &cluster->model, CONNECTIONS);
    cluster->clients.servers = REPLICAS;
    for (int i = 0; i < REPLICAS; i++)
        start_replica(cluster, i);
}

static void cluster_finish(struct cluster *cluster)
{
    for (int i = 0; i < REPLICAS; i++) {
        assert_int_equal(vtsimd_stop(&cluster->replicas[i]), 0);
        end_of(&cluster->replicas[i]);
    }
    clients_finish(&cluster->clients);
    model_finish(&cluster->model);
    redis_process_finish(&cluster->redis);
}

static void work(struct cluster *cluster)
{
    clients_run(&cluster->clients, run_now_ms() + 1 + model_random(&cluster->model, LONGEST_PART));
}

/* ---- what happens to them ---- */

static void kill_a_replica(struct cluster *cluster)
{
    int which = (int)model_random(&cluster->model, REPLICAS);

    vtsimd_kill(&cluster->replicas[which]);
    cluster->clients.ports[which] = 0;
    work(cluster);
    end_of(&cluster->replicas[which]);
    start_replica(cluster, which);
}

static void kill_redis(struct cluster *cluster)
{
    cluster->clients.busy_allowed = true;
    redis_process_kill(&cluster->redis);
    work(cluster);
    redis_process_again(&cluster->redis);
    work(cluster);
    for (int i = 0; i < REPLICAS; i++)
        wait_served(cluster, i);
    clients_drain(&cluster->clients);
    cluster->clients.busy_allowed = false;
}

static void stop_a_replica(struct cluster *cluster)
{
    int which = (int)model_random(&cluster->model, REPLICAS);
    struct clients *clients = &cluster->clients;
    siginfo_t info;

    clients->patience_ms = 300;
    clients->give_up = true;
    assert_int_equal(kill(cluster->replicas[which].pid, SIGSTOP), 0);
    assert_int_equal(waitid(P_PID, (id_t)cluster->replicas[which].pid, &info, WSTOPPED), 0);
    clients_run(clients, run_now_ms() + 2 * clients->patience_ms);
    clients->ports[which] = 0;
    clients_run(clients, run_now_ms() + STOPPED_MS - 2 * clients->patience_ms);
    assert_int_equal(kill(cluster->replicas[which].pid, SIGCONT), 0);
    clients->busy_allowed = true; /* its answers from Redis are late: it may connect again */
    clients->ports[which] = cluster->replicas[which].port;
    work(cluster);
    wait_served(cluster, which);
    clients_drain(clients);
    clients->busy_allowed = false;
    clients->give_up = false;
    clients->patience_ms = 20000;
}

static void nothing_is_lost(void **state)
{
    unsigned int rounds = (unsigned int)folder_number("VTSIM_CRASH_ROUNDS", CRASH_ROUNDS);
    unsigned int happened[3] = {0};
    struct cluster cluster;
    struct model *model = &cluster.model;

    (void)state;
    cluster_start(&cluster);
    for (model->round = 1; model->round <= rounds; model->round++) {
        uint32_t dice = model_random(model, 3);

        cluster.clients.starts_left = STARTS_A_ROUND;
        work(&cluster);
        if (model->round % STOP_EVERY == 0) {
            stop_a_replica(&cluster);
            happened[2]++;
        } else if (dice == 0) {
            kill_redis(&cluster);
            happened[1]++;
        } else {
            kill_a_replica(&cluster);
            happened[0]++;
        }
        work(&cluster);
        clients_drain(&cluster.clients);
        model_see_all(model, cluster.replicas[model->round % REPLICAS].port);
    }
    clients_end_all(&cluster.clients, RUN_TIMEOUT_MS);
    for (int i = 0; i < REPLICAS; i++)
        model_see_all(model, cluster.replicas[i].port);
    print_message(
        "seed %llu: %u replicas and %u times Redis killed, %u replicas stopped; %zu jobs, "
        "%llu starts and %llu polls answered, %llu told to come again, %llu cut off\n",
        (unsigned long long)model->seed, happened[0], happened[1], happened[2], model->count,
        (unsigned long long)cluster.clients.starts, (unsigned long long)cluster.clients.polls,
        (unsigned long long)cluster.clients.busy, (unsigned long long)cluster.clients.broken);
    cluster_finish(&cluster);
}

/* ---- wakes that nobody asks for ---- */

/* How many jobs there are in a state, as a replica's health tells without moving any. */
static long long told(int port, const char *job_state)
{
    struct http_response response;
    char name[32];
    const char *at;
    long long number;

    http_request(port, "GET", "/_sim/health", NULL, &response);
    snprintf(name, sizeof(name), "\"%s\": ", job_state);
    at = strstr(response.body, name);
    assert_non_null(at);
    number = strtoll(at + strlen(name), NULL, 10);
    http_response_finish(&response);
    return number;
}

/* Nobody polls, and the replicas that may have claimed what is due are dead: the one that is left does it,
 * soon, and at the jobs' own moments. */
static void a_death_delays_no_wake_for_long(void **state)
{
    struct cluster cluster;
    struct model *model = &cluster.model;
    int64_t due_ms, last_ms;

    (void)state;
    cluster_start(&cluster);
    for (int i = 0; i < LEFT_ALONE; i++) {
        struct http_response response;
        char id[MODEL_ID_ROOM], body[MODEL_ID_ROOM + 32];
        size_t number = model_add(model);

        while (number % MODEL_KINDS != LONG)
            number = model_add(model);
        model_id(number, id);
        snprintf(body, sizeof(body), "{\"job_id\": \"%s\"}", id);
        model->jobs[number].start = ASKED;
        http_request(cluster.replicas[i % REPLICAS].port, "POST", "/start", body, &response);
        assert_int_equal(response.status, 200);
        http_response_finish(&response);
        model->jobs[number].start = STARTED;
    }
    due_ms = run_now_ms() + 900;
    /* Two die while the jobs fall due, one after the other. */
    poll(NULL, 0, 830 + (int)model_random(model, 60));
    vtsimd_kill(&cluster.replicas[0]);
    vtsimd_kill(&cluster.replicas[1]);
    while (told(cluster.replicas[2].port, "completed") < LEFT_ALONE) {
        if (run_now_ms() > due_ms + DELAYED_MS)
            fail_msg("%lld of %d jobs are completed", told(cluster.replicas[2].port, "completed"),
                     LEFT_ALONE);
        poll(NULL, 0, 20);
    }
    last_ms = run_now_ms();
    model_see_all(model, cluster.replicas[2].port); /* each at started_at + 900 ms, to the letter */
    print_message("the last of %d wakes came %lld ms late at most\n", LEFT_ALONE,
                  (long long)(last_ms - due_ms));
    for (int i = 0; i < 2; i++) {
        end_of(&cluster.replicas[i]);
        start_replica(&cluster, i);
    }
    cluster_finish(&cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_death_delays_no_wake_for_long),
        cmocka_unit_test(nothing_is_lost),
    };

    return cmocka_run_group_tests_name("crash_redis", tests, NULL, NULL);
}
