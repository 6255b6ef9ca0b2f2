/* SPDX-License-Identifier: MIT
 *
 * A thread that carries bytes. See plain.h. */
#include "plain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PAIRS 64

/* A connection of a client, and ours to the server. */
struct pair {
    int fd[2];      /* the client's, the server's; -1: the place is free */
    bool ended[2];  /* it has said its last byte */
    size_t matched; /* so much of the header's name has passed */
};

struct plain {
    int listen_fd, stop_fd[2], port;
    char url[64];
    struct pair pairs[PAIRS];
    pthread_t thread;
};

/* The name is noticed when it has passed but for its last letter, which then is another one: so nothing is
 * ever kept back. */
static void rename_features(struct pair *pair, char *bytes, size_t length)
{
    static const char name[] = "\nVtsim-Features";

    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != name[pair->matched]) {
            pair->matched = bytes[i] == name[0];
            continue;
        }
        if (++pair->matched < sizeof(name) - 1)
            continue;
        bytes[i] = 'x';
        pair->matched = 0;
    }
}

static void close_pair(struct pair *pair, bool reset)
{
    static const struct linger at_once = {.l_onoff = 1};

    if (reset)
        setsockopt(pair->fd[0], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(pair->fd[0]);
    close(pair->fd[1]);
    pair->fd[0] = pair->fd[1] = -1;
}

static bool send_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

        if (sent < 0)
            return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

/* Something is there to be read on this side. */
static void carry(struct pair *pair, int side)
{
    char bytes[16384];
    ssize_t got = recv(pair->fd[side], bytes, sizeof(bytes), 0);

    if (got < 0) {
        close_pair(pair, side == 1 && errno == ECONNRESET);
        return;
    }
    if (got == 0) {
        pair->ended[side] = true;
        shutdown(pair->fd[!side], SHUT_WR);
        if (pair->ended[!side] || side == 0) /* a client that leaves wants no more answers */
            close_pair(pair, false);
        return;
    }
    if (side == 1)
        rename_features(pair, bytes, (size_t)got);
    if (!send_all(pair->fd[!side], bytes, (size_t)got))
        close_pair(pair, false);
}

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        close(fd);
        return -1;
    }
    return fd;
}

static void take(struct plain *plain)
{
    int client = accept4(plain->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    int server = client < 0 ? -1 : connect_to(plain->port);

    for (size_t i = 0; server >= 0 && i < PAIRS; i++) {
        if (plain->pairs[i].fd[0] >= 0)
            continue;
        plain->pairs[i] = (struct pair){.fd = {client, server}};
        return;
    }
    if (client >= 0)
        close(client);
    if (server >= 0)
        close(server);
}

static void *run(void *arg)
{
    struct plain *plain = arg;
    struct pollfd polled[2 + 2 * PAIRS];

    for (;;) {
        polled[0] = (struct pollfd){.fd = plain->listen_fd, .events = POLLIN};
        polled[1] = (struct pollfd){.fd = plain->stop_fd[0], .events = POLLIN};
        for (size_t i = 0; i < 2 * PAIRS; i++) {
            const struct pair *pair = &plain->pairs[i / 2];

            polled[2 + i] =
                (struct pollfd){.fd = pair->ended[i % 2] ? -1 : pair->fd[i % 2], .events = POLLIN};
        }
        if (poll(polled, 2 + 2 * PAIRS, -1) < 0)
            return NULL;
        if (polled[1].revents)
            return NULL;
        /* The server first: what it says of its end is not to be lost when the client leaves, too. */
        for (size_t i = 2 * PAIRS; i-- > 0;) {
            if (polled[2 + i].revents && plain->pairs[i / 2].fd[i % 2] >= 0)
                carry(&plain->pairs[i / 2], (int)(i % 2));
        }
        if (polled[0].revents)
            take(plain);
    }
}

struct plain *plain_start(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    struct plain *plain = calloc(1, sizeof(*plain));

    assert_non_null(plain);
    plain->port = port;
    for (size_t i = 0; i < PAIRS; i++)
        plain->pairs[i].fd[0] = plain->pairs[i].fd[1] = -1;
    plain->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(plain->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(plain->listen_fd, PAIRS), 0);
    getsockname(plain->listen_fd, (struct sockaddr *)&address, &length);
    snprintf(plain->url, sizeof(plain->url), "http://127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(pipe(plain->stop_fd), 0);
    assert_int_equal(pthread_create(&plain->thread, NULL, run, plain), 0);
    return plain;
}

const char *plain_url(const struct plain *plain) { return plain->url; }

void plain_stop(struct plain *plain)
{
    close(plain->stop_fd[1]); /* which is an event at the other end */
    pthread_join(plain->thread, NULL);
    for (size_t i = 0; i < PAIRS; i++) {
        if (plain->pairs[i].fd[0] >= 0)
            close_pair(&plain->pairs[i], false);
    }
    close(plain->stop_fd[0]);
    close(plain->listen_fd);
    free(plain);
}
