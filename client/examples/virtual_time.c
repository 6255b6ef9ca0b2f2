/* SPDX-License-Identifier: MIT
 *
 * A test with virtual time: a job of ten minutes at a pretended server, and a wait that gives up after
 * twelve, in milliseconds. Server and client live on one loop and on one clock. Built with
 * cc -o virtual_time virtual_time.c $(pkg-config --cflags --libs vtsim-client libevent_extra libevent_core). */
#undef NDEBUG
#include <arpa/inet.h>
#include <assert.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <vtsim/client.h>

#define MINUTES(n) (INT64_C(60000) * (n))

/* A service whose only job is over after ten minutes of its clock. */
struct service {
    struct vts_client_clock *clock;
    int64_t started_ms;
};

static void reply(struct evhttp_request *request, const char *text)
{
    struct evbuffer *body = evhttp_request_get_output_buffer(request);

    evbuffer_add(body, text, strlen(text));
    evhttp_send_reply(request, 200, NULL, NULL);
}

static void serve_start(struct evhttp_request *request, void *arg)
{
    struct service *service = arg;

    service->started_ms = vts_client_clock_now_ms(service->clock);
    reply(request, "{\"message\": \"Job started\", \"job_id\": \"film\"}");
}

static void serve_status(struct evhttp_request *request, void *arg)
{
    struct service *service = arg;
    int64_t age_ms = vts_client_clock_now_ms(service->clock) - service->started_ms;

    reply(request, age_ms < MINUTES(10) ? "{\"job_id\": \"film\", \"status\": \"pending\"}"
                                        : "{\"job_id\": \"film\", \"status\": \"completed\"}");
}

/* What the test wants to know. */
struct outcome {
    struct event_base *base;
    enum vts_client_err code;
    enum vts_client_status status;
    int64_t elapsed_ms;
    unsigned long polls;
};

static void on_done(struct vts_client_operation *operation, const struct vts_client_result *result,
                    void *arg)
{
    struct outcome *outcome = arg;

    (void)operation;
    outcome->code = result->error.code;
    outcome->status = result->job ? result->job->status : VTS_CLIENT_PENDING;
    outcome->elapsed_ms = result->elapsed_ms;
    outcome->polls = (unsigned long)result->polls;
    event_base_loopbreak(outcome->base); /* the server would go on */
}

/* Serves on a free port, whose URL it writes. */
static struct evhttp *serve(struct event_base *base, struct service *service, char *url,
                            size_t room)
{
    struct evhttp *http = evhttp_new(base);
    struct evhttp_bound_socket *socket =
        http ? evhttp_bind_socket_with_handle(http, "127.0.0.1", 0) : NULL;
    struct sockaddr_in address = {0};
    socklen_t length = sizeof(address);

    assert(socket);
    getsockname(evhttp_bound_socket_get_fd(socket), (struct sockaddr *)&address, &length);
    snprintf(url, room, "http://127.0.0.1:%d", ntohs(address.sin_port));
    evhttp_set_cb(http, "/start", serve_start, service);
    evhttp_set_cb(http, "/status", serve_status, service);
    return http;
}

/* Waits for the film under a deadline, and returns how that went. */
static struct outcome wait_for_film(int64_t deadline_ms)
{
    struct event_base *base = event_base_new();
    struct service service = {.clock = vts_client_clock_virtual()};
    struct outcome outcome = {.base = base};
    struct vts_client_options options;
    struct vts_client *client;
    struct evhttp *http;
    char url[64];

    assert(base && service.clock);
    http = serve(base, &service, url, sizeof(url));
    vts_client_options_init(&options);
    options.url = url;
    options.clock = service.clock; /* this is all that it takes, */
    options.seed = 1;              /* and this makes it the same each time */
    options.deadline_ms = deadline_ms;
    client = vts_client_create(base, &options, NULL);
    assert(client);
    assert(vts_client_run(client, "film", VTS_CLIENT_CALL(.done = on_done, .arg = &outcome), NULL));
    event_base_dispatch(base);
    vts_client_destroy(client);
    evhttp_free(http);
    vts_client_clock_release(service.clock);
    event_base_free(base);
    return outcome;
}

int main(void)
{
    struct outcome patient = wait_for_film(MINUTES(12)), hasty = wait_for_film(MINUTES(9));

    assert(patient.code == VTS_CLIENT_OK && patient.status == VTS_CLIENT_COMPLETED);
    assert(patient.elapsed_ms >= MINUTES(10) && patient.elapsed_ms < MINUTES(10) + 15000);
    assert(hasty.code == VTS_CLIENT_ERR_DEADLINE && hasty.elapsed_ms == MINUTES(9));
    printf("ten minutes, %lu polls; nine minutes, %lu polls\n", patient.polls, hasty.polls);
    return 0;
}
