/* SPDX-License-Identifier: MIT
 *
 * The workers and their listeners: binding, limits, draining. See http.h.
 *
 * Threads: a worker's base, evhttp and exchanges belong to its thread from http_server_start to
 * http_server_join; before and after, to the thread that makes and frees them. Others reach a running
 * worker only through its command_fd.
 *
 * State of this file: `own_worker`, each worker thread's own, set once when it begins. evhttp calls a
 * listener's error callback with an argument of its own, which does not lead to the worker. */
#include "http.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/log.h"
#include "routes.h"

/* Room for a query of as many ids as can be asked for at one time, each of full length and all of it
 * percent-encoded, and for other headers. */
#define HEADERS_MAX ((size_t)16 * 1024 + (size_t)BATCH_MOST * (3 * RECORD_ID_MAX + 4))
/* What evhttp takes beyond max_body, so that the refusal can be ours. */
#define BODY_SLACK  ((ssize_t)4 * 1024 * 1024)
#define JSON_DEPTH  32

static _Thread_local struct worker *own_worker;

/* ---- one socket ---- */

static struct addrinfo *resolve(const char *host, int port, struct vts_error *error)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[8];
    int failed;

    snprintf(service, sizeof(service), "%d", port);
    failed = getaddrinfo(*host ? host : NULL, service, &hints, &found);
    if (failed)
        vts_error_set(error, VTS_ERR_IO, "cannot listen on %s: %s", host, gai_strerror(failed));
    return failed ? NULL : found;
}

static int open_socket(const struct addrinfo *address, bool shared)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
                    (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) ||
                    bind(fd, address->ai_addr, address->ai_addrlen) != 0)) {
        on = errno;
        close(fd);
        errno = on;
        return -1;
    }
    return fd;
}

static int port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char service[8];

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, NULL, 0, service, sizeof(service),
                    NI_NUMERICSERV) != 0)
        return -1;
    return (int)strtol(service, NULL, 10);
}

/* One socket for each worker, all on one port. SO_REUSEPORT would let two vtsimds of one user share a
 * port without a word: a first socket without it finds out whether the port is free. */
static bool bind_all(const struct http_server *server, const char *host, int port, int *fds,
                     int *bound, struct vts_error *error)
{
    struct addrinfo *address = resolve(host, port, error);
    int probe = -1;
    size_t i;

    if (!address)
        return false;
    probe = port ? open_socket(address, false) : -1;
    if ((port && (probe < 0 || listen(probe, 1) != 0)))
        goto failed;
    if (probe >= 0)
        close(probe);
    for (i = 0; i < server->worker_count; i++) {
        fds[i] = open_socket(address, true);
        if (fds[i] < 0 || listen(fds[i], SOMAXCONN) != 0)
            goto failed;
        if (i == 0) {
            *bound = port_of(fds[0]);
            freeaddrinfo(address);
            address = resolve(host, *bound, error);
            if (!address)
                return false;
        }
    }
    freeaddrinfo(address);
    return true;
failed:
    vts_error_set(
        error, VTS_ERR_IO, "cannot listen on %s port %d: %s%s", host, port, strerror(errno),
        errno == EADDRINUSE ? " (is another vtsimd running? port 0 takes a free one)" : "");
    if (probe >= 0)
        close(probe);
    freeaddrinfo(address);
    return false;
}

/* ---- one worker ---- */

/* Descriptors are given out from the lowest free number, so one with a high number tells that as many
 * were open when it was accepted: all connections of all workers are counted without a counter. */
static bool too_many(const struct worker *worker, struct bufferevent *bufferevent)
{
    return bufferevent_getfd(bufferevent) - worker->server->first_fd >=
           worker->server->config->server.max_connections;
}

/* A connection that was just accepted, and holds a reference to its bufferevent. */
struct fresh {
    LIST_ENTRY(fresh) link;
    struct bufferevent *bufferevent;
};

static void fresh_end(struct fresh *fresh)
{
    LIST_REMOVE(fresh, link);
    bufferevent_decref(fresh->bufferevent);
    free(fresh);
}

/* A number of its own, for the audit. */
static void number(struct worker *worker, int fd)
{
    struct http_server *server = worker->server;
    int place = fd - server->first_fd;

    if (worker->connections && place >= 0 && place < server->config->server.max_connections)
        worker->connections[place] =
            (struct service_connection){atomic_fetch_add(&server->connections, 1) + 1, false};
}

/* A connection beyond the limit is told so when it asks for something, and has a second for that. */
static void greet(struct worker *worker)
{
    const struct timeval second = {1, 0};
    struct fresh *fresh, *next;

    for (fresh = LIST_FIRST(&worker->fresh); fresh; fresh = next) {
        next = LIST_NEXT(fresh, link);
        number(worker, bufferevent_getfd(fresh->bufferevent));
        if (bufferevent_getfd(fresh->bufferevent) >= 0 && too_many(worker, fresh->bufferevent))
            bufferevent_set_timeouts(fresh->bufferevent, &second, &second);
        fresh_end(fresh);
    }
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    greet(arg);
}

/* evhttp asks for a bufferevent for a connection that it has accepted, and sets the socket afterwards:
 * it is looked at in the loop's next round, or when it asks for something, if that comes first. */
static struct bufferevent *make_bufferevent(struct event_base *base, void *arg)
{
    struct worker *worker = arg;
    struct bufferevent *bufferevent = bufferevent_socket_new(base, -1, 0);
    struct fresh *fresh = bufferevent ? malloc(sizeof(*fresh)) : NULL;
    const struct timeval now = {0, 0};

    if (!fresh)
        return bufferevent;
    bufferevent_incref(bufferevent);
    fresh->bufferevent = bufferevent;
    LIST_INSERT_HEAD(&worker->fresh, fresh, link);
    evtimer_add(worker->connected, &now);
    return bufferevent;
}

static void take_request(struct worker *worker, struct evhttp_request *request, bool control)
{
    struct evkeyvalq *headers;

    greet(worker);
    if (!too_many(worker,
                  evhttp_connection_get_bufferevent(evhttp_request_get_connection(request)))) {
        route_request(worker, request, control);
        return;
    }
    headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", "application/json");
    evhttp_add_header(headers, ANSWER_FEATURES, answer_features(worker));
    evhttp_add_header(headers, "Retry-After", "1");
    evhttp_add_header(headers, "Connection", "close");
    evbuffer_add_printf(evhttp_request_get_output_buffer(request),
                        "{\"error\": \"there are as many connections as max_connections allows "
                        "(%lld)\"}",
                        (long long)worker->server->config->server.max_connections);
    evhttp_send_reply(request, 503, "Service Unavailable", NULL);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    take_request(arg, request, false);
}

static void on_control_request(struct evhttp_request *request, void *arg)
{
    take_request(arg, request, true);
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;

    (void)fd;
    (void)what;
    if (worker->listener)
        evconnlistener_enable(evhttp_bound_socket_get_listener(worker->listener));
    if (worker->control_listener)
        evconnlistener_enable(evhttp_bound_socket_get_listener(worker->control_listener));
}

/* Without a descriptor left, accepting again at once would fail again at once, without end. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    const struct timeval pause = {0, 100000};

    (void)arg;
    log_line(VTS_WARNING, "http", "cannot accept a connection: %s", strerror(errno));
    evconnlistener_disable(listener);
    evtimer_add(own_worker->accept_again, &pause);
}

static void on_drain_over(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;

    (void)fd;
    (void)what;
    log_line(VTS_WARNING, "http", "the time to drain is over, answers cut off: %zu",
             worker->under_way);
    event_base_loopbreak(worker->base);
}

static void on_command(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    vts_ms wait = worker->server->config->server.drain_timeout;
    const struct timeval timeout = {(time_t)(wait / 1000), (suseconds_t)(wait % 1000 * 1000)};
    uint64_t rings;

    (void)what;
    if (read(fd, &rings, sizeof(rings)) < 0 || worker->draining)
        return;
    worker->draining = true;
    evhttp_del_accept_socket(worker->http, worker->listener);
    worker->listener = NULL;
    if (worker->control_listener)
        evhttp_del_accept_socket(worker->control_http, worker->control_listener);
    worker->control_listener = NULL;
    service_port_end_waits(worker->port);
    if (worker->under_way == 0)
        event_base_loopbreak(worker->base);
    else
        evtimer_add(worker->drain_over, &timeout);
}

static bool make_events(struct worker *worker)
{
    worker->command_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (worker->command_fd < 0)
        return false;
    worker->command =
        event_new(worker->base, worker->command_fd, EV_READ | EV_PERSIST, on_command, worker);
    worker->accept_again = evtimer_new(worker->base, on_accept_again, worker);
    worker->drain_over = evtimer_new(worker->base, on_drain_over, worker);
    worker->connected = evtimer_new(worker->base, on_connected, worker);
    return worker->connected && worker->command && worker->accept_again && worker->drain_over &&
           event_add(worker->command, NULL) == 0;
}

/* One evhttp with its listener. The descriptor is its own where it could be made. */
static bool make_http(struct worker *worker, int fd,
                      void (*take)(struct evhttp_request *request, void *worker),
                      struct evhttp **http, struct evhttp_bound_socket **listener)
{
    const struct server_settings *set = &worker->server->config->server;
    const struct timeval idle = {(time_t)(set->idle_timeout / 1000),
                                 (suseconds_t)(set->idle_timeout % 1000 * 1000)};

    *http = evhttp_new(worker->base);
    if (*http) {
        evhttp_set_max_headers_size(*http, HEADERS_MAX);
        evhttp_set_max_body_size(*http, (ssize_t)set->max_body + BODY_SLACK);
        evhttp_set_timeout_tv(*http, &idle);
        evhttp_set_allowed_methods(*http, UINT16_MAX);
        evhttp_set_gencb(*http, take, worker);
        evhttp_set_bevcb(*http, make_bufferevent, worker);
        *listener = evhttp_accept_socket_with_handle(*http, fd);
    }
    if (!*listener) {
        close(fd);
        return false;
    }
    evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(*listener), on_accept_error);
    return true;
}

static bool make_listeners(struct worker *worker, int fd, int control_fd)
{
    bool good = make_http(worker, fd, on_request, &worker->http, &worker->listener);

    if (control_fd < 0)
        return good;
    return make_http(worker, control_fd, on_control_request, &worker->control_http,
                     &worker->control_listener) &&
           good;
}

/* The descriptors are the worker's from here on. */
static bool worker_init(struct worker *worker, struct http_server *server, size_t index, int fd,
                        int control_fd)
{
    struct event_config *config = event_config_new();

    worker->server = server;
    worker->port = &server->service->ports[index];
    worker->date_second = -1;
    LIST_INIT(&worker->parked);
    LIST_INIT(&worker->spare);
    LIST_INIT(&worker->fresh);
    if (config) {
        /* A request turns interest in its socket off and on again: only the sum of it need reach
         * epoll. (A base that is used by one thread needs no lock either.) */
        event_config_set_flag(config,
                              EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST | EVENT_BASE_FLAG_NOLOCK);
        worker->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    worker->tokener = json_tokener_new_ex(JSON_DEPTH);
    if (worker->tokener)
        json_tokener_set_flags(worker->tokener,
                               JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
    if (!worker->base || !worker->tokener) {
        close(fd);
        if (control_fd >= 0)
            close(control_fd);
        return false;
    }
    return make_listeners(worker, fd, control_fd) && make_events(worker) &&
           service_port_attach(worker->port, worker->base);
}

static void worker_finish(struct worker *worker)
{
    struct fresh *fresh, *next;
    struct exchange *exchange;

    /* First the store forgets what it was still asked. */
    if (worker->port)
        service_port_detach(worker->port);
    while ((exchange = LIST_FIRST(&worker->parked))) {
        exchange->called = false;
        exchange_abandon(exchange);
    }
    for (fresh = LIST_FIRST(&worker->fresh); fresh; fresh = next) {
        next = LIST_NEXT(fresh, link);
        fresh_end(fresh);
    }
    if (worker->http)
        evhttp_free(worker->http);
    if (worker->control_http)
        evhttp_free(worker->control_http);
    while ((exchange = LIST_FIRST(&worker->spare))) {
        LIST_REMOVE(exchange, link);
        service_call_finish(&exchange->call);
        text_finish(&exchange->input);
        text_finish(&exchange->key);
        text_finish(&exchange->answer.body);
        text_finish(&exchange->answer.location);
        free(exchange);
    }
    if (worker->command)
        event_free(worker->command);
    if (worker->accept_again)
        event_free(worker->accept_again);
    if (worker->drain_over)
        event_free(worker->drain_over);
    if (worker->connected)
        event_free(worker->connected);
    if (worker->command_fd > 0)
        close(worker->command_fd);
    if (worker->base)
        event_base_free(worker->base);
    if (worker->tokener)
        json_tokener_free(worker->tokener);
    free(worker->connections);
}

static void *run_worker(void *arg)
{
    struct worker *worker = arg;
    uint64_t one = 1;

    own_worker = worker;
    event_base_dispatch(worker->base);
    while (write(worker->server->done_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
    return NULL;
}

/* ---- all of them ---- */

/* Each connection needs a descriptor: takes as many as the system lets us have. */
static bool reserve_descriptors(struct http_server *server, struct vts_error *error)
{
    struct rlimit limit;
    rlim_t wanted;

    server->first_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (server->first_fd < 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return vts_error_set(error, VTS_ERR_IO, "no descriptors: %s", strerror(errno));
    close(server->first_fd);
    wanted = (rlim_t)server->first_fd + (rlim_t)server->config->server.max_connections + 64;
    if (limit.rlim_cur < wanted && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < wanted)
        log_line(VTS_WARNING, "http",
                 "the system allows %llu open files, max_connections = %lld needs %llu: raise "
                 "ulimit -n",
                 (unsigned long long)limit.rlim_cur,
                 (long long)server->config->server.max_connections, (unsigned long long)wanted);
    return true;
}

/* Most of it is never touched, and so takes no memory. */
static bool make_connections(struct http_server *server, struct vts_error *error)
{
    size_t most = (size_t)server->config->server.max_connections, i;

    for (i = 0; server->service->audited && i < server->worker_count; i++) {
        server->workers[i].connections = calloc(most, sizeof(struct service_connection));
        if (!server->workers[i].connections)
            return vts_error_set(error, VTS_ERR_MEMORY, "no memory for %zu connections", most);
    }
    return true;
}

/* Binds both addresses, where there are two, and makes the workers. `fds` has room for their sockets. */
static bool make_workers(struct http_server *server, int *fds, struct vts_error *error)
{
    const struct config *config = server->config;
    size_t count = server->worker_count, i, made = 0;
    int *control_fds = fds + count;
    bool good;

    for (i = 0; i < 2 * count; i++)
        fds[i] = -1;
    good = bind_all(server, config->host, config->port, fds, &server->port, error) &&
           (!*config->control_host || bind_all(server, config->control_host, config->control_port,
                                               control_fds, &server->control_port, error));
    for (; good && made < count; made++)
        if (!worker_init(&server->workers[made], server, made, fds[made], control_fds[made])) {
            vts_error_set(error, VTS_ERR_MEMORY, "cannot make worker %zu: no memory or descriptors",
                          made + 1);
            good = false;
        }
    for (i = made; i < count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        if (control_fds[i] >= 0)
            close(control_fds[i]);
    }
    return good;
}

bool http_server_init(struct http_server *server, struct service *service,
                      const struct config *config, struct vts_error *error)
{
    int *fds;
    bool good;

    memset(server, 0, sizeof(*server));
    server->service = service;
    server->config = config;
    server->worker_count = service->port_count;
    server->started_us = clock_real_us();
    atomic_init(&server->connections,
                service->audit.newest); /* none has a number of a former one */
    server->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    server->workers = calloc(server->worker_count, sizeof(*server->workers));
    fds = calloc(2 * server->worker_count, sizeof(*fds));
    if (!server->workers || !fds || server->done_fd < 0) {
        free(fds);
        http_server_finish(server);
        return vts_error_set(error, VTS_ERR_MEMORY, "no memory for %zu workers",
                             server->worker_count);
    }
    good = make_workers(server, fds, error) && reserve_descriptors(server, error) &&
           make_connections(server, error);
    free(fds);
    if (!good)
        http_server_finish(server);
    return good;
}

bool http_server_start(struct http_server *server, struct vts_error *error)
{
    sigset_t all, before;
    size_t i;
    int failed = 0;

    /* Signals are for the main thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (i = 0; i < server->worker_count && !failed; i++) {
        failed = pthread_create(&server->workers[i].thread, NULL, run_worker, &server->workers[i]);
        server->workers[i].running = !failed;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        vts_error_set(error, VTS_ERR_IO, "cannot start worker %zu: %s", i, strerror(failed));
        http_server_drain(server);
        http_server_join(server);
    }
    return !failed;
}

void http_server_drain(struct http_server *server)
{
    uint64_t one = 1;
    size_t i;

    for (i = 0; i < server->worker_count; i++)
        while (write(server->workers[i].command_fd, &one, sizeof(one)) < 0 && errno == EINTR)
            ;
}

void http_server_join(struct http_server *server)
{
    size_t i;

    for (i = 0; i < server->worker_count; i++)
        if (server->workers[i].running)
            pthread_join(server->workers[i].thread, NULL);
}

void http_server_finish(struct http_server *server)
{
    size_t i;

    for (i = 0; server->workers && i < server->worker_count; i++)
        worker_finish(&server->workers[i]);
    free(server->workers);
    if (server->done_fd >= 0)
        close(server->done_fd);
    server->workers = NULL;
    server->done_fd = -1;
}
