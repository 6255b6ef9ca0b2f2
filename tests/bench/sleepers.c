/* SPDX-License-Identifier: MIT
 *
 * Clients that sleep through the server: each starts a job on a connection of its own and polls it every two
 * simulated seconds for so long, on a vtsimd with a virtual clock. Prints the seconds that it took, a space, and a
 * hash of who was told what in which order: two runs on two fresh vtsimds must print the same one. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum step { STARTING, SLEEPING, POLLING, LEAVING, GONE };

struct client {
    int fd;
    enum step step;
    int polls;
};

struct run {
    int port, count, polls, left;
    struct client *clients;
    struct pollfd *fds;
    uint64_t hash;
};

static void die(const char *what)
{
    fprintf(stderr, "sleepers: %s: %s\n", what, errno ? strerror(errno) : "not as expected");
    exit(EXIT_FAILURE);
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void send_request(const struct client *client, const char *method, const char *target,
                         const char *body)
{
    char request[512];
    int length = snprintf(request, sizeof(request),
                          "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s",
                          method, target, strlen(body), body);

    if (write(client->fd, request, (size_t)length) != length)
        die("write");
}

/* What it asks next. */
static void ask(const struct run *run, struct client *client, enum step step)
{
    int index = (int)(client - run->clients);
    char target[128] = "/_sim/clock/sleep", body[128] = "";

    client->step = step;
    if (step == POLLING) {
        snprintf(target, sizeof(target), "/status?job_id=job-%03d", index);
        send_request(client, "GET", target, "");
    } else if (step == SLEEPING) {
        snprintf(body, sizeof(body), "{\"for\": \"2s\", \"as\": \"client-%03d\"}", index);
        send_request(client, "POST", target, body);
    } else if (step == LEAVING) {
        snprintf(target, sizeof(target), "/_sim/clock/participants/client-%03d", index);
        send_request(client, "DELETE", target, "");
    } else {
        snprintf(body, sizeof(body), "{\"job_id\": \"job-%03d\"}", index);
        send_request(client, "POST", "/start", body);
    }
}

static void note(struct run *run, int index, const char *body)
{
    for (run->hash = (run->hash ^ (uint64_t)index) * UINT64_C(1099511628211); *body; body++)
        run->hash = (run->hash ^ (unsigned char)*body) * UINT64_C(1099511628211);
}

static void go_on(struct run *run, struct client *client)
{
    char answer[4096];
    ssize_t got = read(client->fd, answer, sizeof(answer) - 1);
    const char *body;

    errno = 0;
    if (got <= 0)
        die("read");
    answer[got] = '\0';
    body = strstr(answer, "\r\n\r\n");
    if (!body || strncmp(answer, "HTTP/1.1 200", 12) != 0)
        die(answer);
    if (client->step == SLEEPING || client->step == POLLING)
        note(run, (int)(client - run->clients), body);
    if (client->step == STARTING || (client->step == POLLING && ++client->polls < run->polls)) {
        ask(run, client, SLEEPING);
    } else if (client->step == SLEEPING) {
        ask(run, client, POLLING);
    } else if (client->step == POLLING) {
        ask(run, client, LEAVING);
    } else {
        client->step = GONE;
        run->left--;
    }
}

static void begin(struct run *run)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)run->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char body[64];
    int i, on = 1;

    for (i = 0; i < run->count; i++) {
        struct client *client = &run->clients[i];

        client->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (client->fd < 0 ||
            connect(client->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
            die("connect");
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        run->fds[i] = (struct pollfd){client->fd, POLLIN, 0};
        /* All take part before the first sleeps. */
        snprintf(body, sizeof(body), "{\"as\": \"client-%03d\"}", i);
        send_request(client, "POST", "/_sim/clock/participants", body);
        if (read(client->fd, body, sizeof(body)) <= 0)
            die("read");
        while (recv(client->fd, body, sizeof(body), MSG_DONTWAIT) > 0)
            ;
    }
    for (i = 0; i < run->count; i++)
        ask(run, &run->clients[i], STARTING);
}

int main(int argc, char **argv)
{
    struct run run = {.hash = UINT64_C(14695981039346656037)};
    double from;
    int i;

    if (argc != 4) {
        fprintf(stderr, "usage: sleepers PORT CLIENTS POLLS\n");
        return 2;
    }
    run.port = (int)strtol(argv[1], NULL, 10);
    run.left = run.count = (int)strtol(argv[2], NULL, 10);
    run.polls = (int)strtol(argv[3], NULL, 10);
    run.clients = calloc((size_t)run.count + 1, sizeof(*run.clients));
    run.fds = calloc((size_t)run.count + 1, sizeof(*run.fds));
    if (!run.clients || !run.fds)
        die("memory");
    from = now_s();
    for (begin(&run); run.left > 0;) {
        if (poll(run.fds, (nfds_t)run.count, 10000) <= 0)
            die("nothing comes any more");
        for (i = 0; i < run.count; i++)
            if (run.fds[i].revents)
                go_on(&run, &run.clients[i]);
    }
    printf("%.3f %016llx\n", now_s() - from, (unsigned long long)run.hash);
    free(run.clients);
    free(run.fds);
    return EXIT_SUCCESS;
}
