/* SPDX-License-Identifier: MIT
 *
 * Clients at full speed. See clients.h. */
#include "clients.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run.h"

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

#define RECENT      400 /* most polls go to the youngest jobs */
#define DRAIN_MS    20000
#define PATIENCE_MS 20000

enum mode { WORK, DRAIN, END_ALL };

void clients_init(struct clients *clients, struct model *model, size_t count)
{
    memset(clients, 0, sizeof(*clients));
    clients->model = model;
    clients->count = count;
    clients->patience_ms = PATIENCE_MS;
    clients->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (clients->epoll < 0)
        fail_msg("epoll_create1: %s", strerror(errno));
    for (size_t i = 0; i < count; i++)
        clients->all[i].fd = -1;
}

void clients_finish(struct clients *clients)
{
    for (size_t i = 0; i < clients->count; i++)
        if (clients->all[i].fd >= 0)
            close(clients->all[i].fd);
    close(clients->epoll);
}

/* ---- connections ---- */

/* What it asked for was not answered, and may have been done. */
static void lose(struct clients *clients, struct client *client)
{
    struct model_job *job = &clients->model->jobs[client->number];

    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->length = 0;
    if (client->doing == IDLE)
        return;
    clients->broken++;
    job->busy = false;
    if (client->doing == POLLING)
        job->lost++;
    client->doing = IDLE;
}

static bool connect_to(struct clients *clients, struct client *client, int server)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)clients->ports[server]),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    int on = 1;

    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        fail_msg("socket: %s", strerror(errno));
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        epoll_ctl(clients->epoll, EPOLL_CTL_ADD, client->fd, &event) == 0) {
        client->server = server;
        return true;
    }
    close(client->fd);
    client->fd = -1;
    return false;
}

static bool connect_somewhere(struct clients *clients, struct client *client)
{
    int first = (int)model_random(clients->model, (uint32_t)clients->servers);

    for (int i = 0; i < clients->servers; i++) {
        int server = (first + i) % clients->servers;

        if (clients->ports[server] && connect_to(clients, client, server))
            return true;
    }
    return false;
}

/* ---- asking ---- */

static void ask(struct clients *clients, struct client *client, enum client_doing doing,
                size_t number)
{
    struct model_job *job = &clients->model->jobs[number];
    char id[MODEL_ID_ROOM], request[512];
    int length;

    model_id(number, id);
    if (doing == STARTING)
        length = snprintf(request, sizeof(request),
                          "POST /start HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                          "application/json\r\nContent-Length: %zu\r\n\r\n{\"job_id\": \"%s\"}",
                          strlen(id) + 14, id);
    else
        length = snprintf(request, sizeof(request), "GET %s%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                          doing == POLLING ? "/jobs/" : "/status?job_id=", id);
    client->doing = doing;
    client->number = number;
    client->asked_at = model_now();
    client->deadline_ms = run_now_ms() + clients->patience_ms;
    job->busy = true;
    if (doing == STARTING && job->start == NOT_ASKED)
        job->start = ASKED;
    if (send(client->fd, request, (size_t)length, MSG_NOSIGNAL) != length)
        lose(clients, client);
}

/* A job that nobody asks for just now, and that fits. SIZE_MAX where a few tries found none. */
static size_t choose(struct clients *clients, bool among_all)
{
    struct model *model = clients->model;
    size_t number, from = model->count > RECENT && !among_all ? model->count - RECENT : 0;

    for (int i = 0; i < 8 && model->count > 0; i++) {
        number = from + model_random(model, (uint32_t)(model->count - from));
        if (!model->jobs[number].busy)
            return number;
    }
    return SIZE_MAX;
}

static void work(struct clients *clients, struct client *client)
{
    struct model *model = clients->model;
    uint32_t dice = model_random(model, 100);
    size_t number = dice < 70 ? choose(clients, dice < 20) : SIZE_MAX;

    if (number == SIZE_MAX && clients->starts_left > 0) {
        clients->starts_left--;
        ask(clients, client, STARTING, model_add(model));
        return;
    }
    if (number == SIZE_MAX)
        number = choose(clients, false);
    if (number == SIZE_MAX)
        return;
    if (model->jobs[number].start != STARTED)
        ask(clients, client, STARTING, number);
    else if (dice % 8 == 0 && number % MODEL_KINDS < SCRIPT)
        ask(clients, client, ASKING_WORD, number);
    else
        ask(clients, client, POLLING, number);
}

/* The next job that has not ended, going round. */
static void end_next(struct clients *clients, struct client *client, size_t *place)
{
    struct model *model = clients->model;

    for (size_t i = 0; i < model->count; i++) {
        size_t number = (*place)++ % model->count;

        if (model->jobs[number].busy || model->jobs[number].ended)
            continue;
        ask(clients, client, model->jobs[number].start == STARTED ? POLLING : STARTING, number);
        return;
    }
}

/* ---- answers ---- */

static void started(struct clients *clients, const struct client *client, int status,
                    const char *body)
{
    struct model_job *job = &clients->model->jobs[client->number];

    if (status == 409 && job->start == ASKED) { /* by the start that was not answered */
        job->start = STARTED;
        return;
    }
    if (status != 200)
        model_contradicts(clients->model, client->number, "its start was answered otherwise", body);
    if (job->start == STARTED)
        model_contradicts(clients->model, client->number, "it was started twice", body);
    job->start = STARTED;
    clients->starts++;
}

static void answered(struct clients *clients, struct client *client, int status, const char *body)
{
    struct model *model = clients->model;
    enum client_doing doing = client->doing;
    char shown[256];

    client->doing = IDLE;
    model->jobs[client->number].busy = false;
    if (status == 503 && clients->busy_allowed) {
        clients->busy++;
        if (doing == POLLING)
            model->jobs[client->number].lost++;
        return;
    }
    if (doing == STARTING) {
        started(clients, client, status, body);
        return;
    }
    snprintf(shown, sizeof(shown), "%d %.200s", status, body);
    if (status != 200)
        model_contradicts(model, client->number,
                          status == 404 ? "its start was answered, and it is not there"
                                        : "its poll was answered otherwise",
                          shown);
    clients->polls++;
    if (doing == POLLING)
        model_see(model, client->number, body, true, client->asked_at);
    else
        model_see_word(model, client->number, body, client->asked_at);
}

/* Whether a whole answer is there; if so it is dealt with. */
static bool take_answer(struct clients *clients, struct client *client)
{
    const char *end = strstr(client->answer, "\r\n\r\n");
    const char *field = strcasestr(client->answer, "\r\nContent-Length:");
    long length;

    if (!end)
        return false;
    if (strncmp(client->answer, "HTTP/1.1 ", 9) != 0 || !field || field > end)
        fail_msg("not an answer: %.300s", client->answer);
    length = strtol(field + 17, NULL, 10);
    if ((size_t)(end + 4 - client->answer) + (size_t)length > client->length)
        return false;
    client->length = 0;
    answered(clients, client, (int)strtol(client->answer + 9, NULL, 10), end + 4);
    return true;
}

static void receive(struct clients *clients, struct client *client)
{
    ssize_t got = recv(client->fd, client->answer + client->length,
                       sizeof(client->answer) - 1 - client->length, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        lose(clients, client);
        return;
    }
    client->length += (size_t)got;
    client->answer[client->length] = '\0';
    take_answer(clients, client);
}

/* ---- the loop ---- */

static void check_patience(struct clients *clients, struct client *client)
{
    char id[MODEL_ID_ROOM];

    if (client->doing == IDLE || run_now_ms() < client->deadline_ms)
        return;
    model_id(client->number, id);
    if (!clients->give_up)
        fail_msg("seed %llu, round %u, job %s: no answer within %lld ms",
                 (unsigned long long)clients->model->seed, clients->model->round, id,
                 (long long)clients->patience_ms);
    lose(clients, client);
}

/* Gives everyone something to do. How many have something. */
static size_t give_work(struct clients *clients, enum mode mode, size_t *place)
{
    size_t busy = 0;

    for (size_t i = 0; i < clients->count; i++) {
        struct client *client = &clients->all[i];

        check_patience(clients, client);
        if (mode != DRAIN && client->doing == IDLE &&
            (client->fd >= 0 || connect_somewhere(clients, client))) {
            if (mode == WORK)
                work(clients, client);
            else
                end_next(clients, client, place);
        }
        busy += client->doing != IDLE;
    }
    return busy;
}

static void turn(struct clients *clients, int wait_ms)
{
    struct epoll_event events[CLIENTS_MOST];
    int ready = epoll_wait(clients->epoll, events, CLIENTS_MOST, wait_ms);

    for (int i = 0; i < ready; i++)
        receive(clients, events[i].data.ptr);
}

void clients_run(struct clients *clients, int64_t until_ms)
{
    int64_t left;

    while ((left = until_ms - run_now_ms()) > 0) {
        give_work(clients, WORK, NULL);
        turn(clients, left < 5 ? (int)left : 5);
    }
}

void clients_drain(struct clients *clients)
{
    int64_t until_ms = run_now_ms() + DRAIN_MS;

    while (give_work(clients, DRAIN, NULL) > 0) {
        if (run_now_ms() > until_ms)
            fail_msg("seed %llu, round %u: connections stay open, without an answer",
                     (unsigned long long)clients->model->seed, clients->model->round);
        turn(clients, 5);
    }
}

void clients_end_all(struct clients *clients, int64_t timeout_ms)
{
    struct model *model = clients->model;
    int64_t until_ms = run_now_ms() + timeout_ms;
    size_t place = 0;

    while (model->ended < model->count) {
        if (run_now_ms() > until_ms)
            fail_msg("seed %llu: %zu of %zu jobs have not ended", (unsigned long long)model->seed,
                     model->count - model->ended, model->count);
        give_work(clients, END_ALL, &place);
        turn(clients, 5);
    }
    clients_drain(clients);
}
