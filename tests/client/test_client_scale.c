/* SPDX-License-Identifier: MIT
 *
 * Ten thousand waits on one thread: against a vtsimd, and at a pretended service that goes away in the
 * middle and comes back, on a virtual clock. And several threads that share a plan. */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "vtsimd.h"
#include "waiting.h"

enum { MANY = 10000 };

struct crowd {
    struct event_base *base;
    size_t done, lost, polls, left;
    size_t at_most;
};

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2(); /* nothing, under a sanitizer */

    return info.uordblks + info.hblkhd;
}

static void on_done(struct vts_client_operation *operation, const struct vts_client_result *result,
                    void *arg)
{
    struct crowd *crowd = arg;

    (void)operation;
    if (!crowd->done++)
        crowd->at_most = heap_bytes();
    if (result->error.code && !crowd->lost++)
        fprintf(stderr, "%s\n", result->error.message);
    crowd->polls += result->polls;
    if (--crowd->left == 0)
        event_base_loopbreak(crowd->base);
}

static void begin_all(struct vts_client *client, struct crowd *crowd)
{
    char id[32];

    crowd->left = MANY;
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof(id), "film-%d", i);
        assert_non_null(
            vts_client_run(client, id, VTS_CLIENT_CALL(.done = on_done, .arg = crowd), NULL));
    }
}

static void ten_thousand_waits_on_one_thread(void **state)
{
    static const char *const args[] = {"-s", "behaviour films/plugin=fixed_delay",
                                       "-s", "behaviour films/delay=3s",
                                       "-s", "server/behaviour=films",
                                       NULL};
    struct vts_client_counters counters;
    struct vts_client_options options;
    struct crowd crowd = {.base = event_base_new()};
    struct vts_client *client;
    struct vtsimd vtsimd;
    size_t before;

    (void)state;
    vtsimd_start(&vtsimd, args);
    waiting_options(&options, vtsimd.url, NULL, NULL);
    options.max_connections = 64;
    options.long_poll_ms = 0;
    client = vts_client_create(crowd.base, &options, NULL);
    before = heap_bytes();
    begin_all(client, &crowd);
    event_base_dispatch(crowd.base);
    vts_client_counters_read(client, &counters, sizeof(counters));
    assert_int_equal(crowd.done, MANY);
    assert_int_equal(crowd.lost, 0);
    assert_true((crowd.at_most - before) / MANY < 4096);
    assert_true(counters.connections <= 64);
    assert_int_equal(counters.under_way, 0);
    assert_int_equal(counters.failed, 0);
    vts_client_destroy(client);
    event_base_free(crowd.base);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
}

/* ---- a server that goes away ----------------------------------------------------------------- */

/* Its jobs take a minute. It is away from 20 s to 50 s of its clock, and slow to say so. */
struct service {
    struct event_base *base;
    struct vts_client_clock *clock;
    struct evhttp *http;
    int port;
    size_t requests, away_requests;
    int64_t started_ms[MANY];
};

static void reply(struct evhttp_request *request, int status, const char *text)
{
    evbuffer_add(evhttp_request_get_output_buffer(request), text, strlen(text));
    evhttp_send_reply(request, status, NULL, NULL);
}

/* A gateway before it answers while it is away. */
static bool is_away(struct service *service, struct evhttp_request *request)
{
    int64_t now_ms = vts_client_clock_now_ms(service->clock);

    service->requests++;
    if (now_ms < 20000 || now_ms >= 50000)
        return false;
    service->away_requests++;
    reply(request, 502, "<html>Bad Gateway</html>");
    return true;
}

static void serve_start(struct evhttp_request *request, void *arg)
{
    struct service *service = arg;
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    char text[128] = "";

    if (is_away(service, request))
        return;
    evbuffer_copyout(body, text, sizeof(text) - 1);
    service->started_ms[strtoul(strstr(text, "film-") + 5, NULL, 10)] =
        vts_client_clock_now_ms(service->clock);
    reply(request, 200, "{}");
}

static void serve_status(struct evhttp_request *request, void *arg)
{
    struct service *service = arg;
    const char *id = strstr(evhttp_request_get_uri(request), "film-");
    int64_t age_ms;

    if (is_away(service, request))
        return;
    age_ms =
        vts_client_clock_now_ms(service->clock) - service->started_ms[strtoul(id + 5, NULL, 10)];
    reply(request, 200, age_ms < 60000 ? "{\"status\":\"pending\"}" : "{\"status\":\"completed\"}");
}

static void serve(struct service *service)
{
    struct evhttp_bound_socket *socket;
    struct sockaddr_in address;
    socklen_t length = sizeof(address);

    service->http = evhttp_new(service->base);
    socket = evhttp_bind_socket_with_handle(service->http, "127.0.0.1", 0);
    assert_non_null(socket);
    assert_int_equal(
        getsockname(evhttp_bound_socket_get_fd(socket), (struct sockaddr *)&address, &length), 0);
    service->port = ntohs(address.sin_port);
    evhttp_set_cb(service->http, "/start", serve_start, service);
    evhttp_set_cb(service->http, "/status", serve_status, service);
}

static void a_server_goes_away_and_comes_back(void **state)
{
    static struct service service;
    struct vts_client_counters counters;
    struct vts_client_options options;
    struct crowd crowd = {.base = event_base_new()};
    struct vts_client *client;
    char url[64];

    (void)state;
    service = (struct service){.base = crowd.base, .clock = vts_client_clock_virtual()};
    serve(&service);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", service.port);
    waiting_options(&options, url, service.clock, NULL);
    options.max_connections = 64;
    options.deadline_ms = 3600000;
    options.seed = 7;
    client = vts_client_create(crowd.base, &options, NULL);
    begin_all(client, &crowd);
    event_base_dispatch(crowd.base);
    assert_int_equal(crowd.done, MANY);
    assert_int_equal(crowd.lost, 0);
    vts_client_counters_read(client, &counters, sizeof(counters));
    assert_int_equal(counters.requests, service.requests);
    assert_true(service.away_requests > 0);
    /* each wait may fail once; what was repeated kept to the budget: 100, and 10 a second */
    assert_true(service.away_requests <= MANY + 100 + 10 * 30);
    assert_true(counters.retries_delayed > 0);
    vts_client_destroy(client);
    evhttp_free(service.http);
    vts_client_clock_release(service.clock);
    event_base_free(crowd.base);
}

/* ---- threads --------------------------------------------------------------------------------- */

enum { THREADS = 4, JOBS = 12 };

struct worker {
    pthread_t thread;
    struct vts_client_plan *plan;
    const char *url;
    int number, completed;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct vts_client_options options;
    struct vts_client *client;
    char id[32];

    vts_client_options_init(&options);
    options.url = worker->url;
    options.plan = worker->plan;
    options.long_poll_ms = 0;
    client = vts_client_create(NULL, &options, NULL);
    for (int i = 0; i < JOBS; i++) {
        snprintf(id, sizeof(id), "thread-%d-%d", worker->number, i);
        worker->completed += vts_client_run_sync(client, id, NULL)->error.code == VTS_CLIENT_OK;
    }
    vts_client_destroy(client);
    vts_client_plan_release(worker->plan);
    return NULL;
}

static void threads_share_a_plan(void **state)
{
    static const char *const args[] = {"-s", "behaviour films/plugin=fixed_delay",
                                       "-s", "behaviour films/delay=20ms",
                                       "-s", "server/behaviour=films",
                                       NULL};
    struct vts_client_plan *cold = vts_client_plan_exponential(5, 1.5, 20, 0.1, NULL);
    struct vts_client_plan *plan = vts_client_plan_learn(5, 100, cold, NULL);
    struct worker workers[THREADS];
    struct vtsimd vtsimd;

    (void)state;
    vts_client_plan_release(cold);
    vtsimd_start(&vtsimd, args);
    for (int i = 0; i < THREADS; i++) {
        workers[i] =
            (struct worker){.plan = vts_client_plan_hold(plan), .url = vtsimd.url, .number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    vts_client_plan_release(plan);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].completed, JOBS);
    }
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_waits_on_one_thread),
        cmocka_unit_test(a_server_goes_away_and_comes_back),
        cmocka_unit_test(threads_share_a_plan),
    };

    return cmocka_run_group_tests_name("client at scale", tests, NULL, NULL);
}
