/* SPDX-License-Identifier: MIT
 *
 * The bad server of the client's tests. See scripted.h. The thread asserts nothing: what it saw is
 * checked by the test. */
#include "scripted.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int listen_somewhere(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        fail_msg("cannot listen: %s", strerror(errno));
    *port = ntohs(address.sin_port);
    return fd;
}

int scripted_dead_port(void)
{
    int port;

    close(listen_somewhere(&port));
    return port;
}

/* Waits for bytes on fd (-1: none yet), a new connection, or the end. Returns the descriptor that is
 * ready, -1 for the end. */
static int wait_ready(struct scripted *server, int fd)
{
    struct pollfd fds[] = {{.fd = server->stop_fd, .events = POLLIN},
                           {.fd = fd, .events = POLLIN},
                           {.fd = server->listen_fd, .events = POLLIN}};

    while (poll(fds, 3, -1) < 0) {
        if (errno != EINTR)
            return -1;
    }
    if (fds[0].revents)
        return -1;
    return fds[1].revents ? fd : server->listen_fd;
}

/* Reads one request into `text`. False where the client left, another came, or at the end. */
static bool read_request(struct scripted *server, int fd, char *text, size_t room)
{
    size_t length = 0;

    for (;;) {
        const char *end, *length_header;
        ssize_t got;

        text[length] = '\0';
        end = strstr(text, "\r\n\r\n");
        length_header = strcasestr(text, "\r\nContent-Length:");
        if (end && length >= (size_t)(end - text) + 4 +
                                 (length_header ? strtoul(length_header + 17, NULL, 10) : 0))
            return true;
        if (wait_ready(server, fd) != fd || length + 1 >= room)
            return false;
        got = recv(fd, text + length, room - 1 - length, 0);
        if (got <= 0)
            return false;
        length += (size_t)got;
    }
}

static bool send_all(int fd, const char *text, size_t length)
{
    while (length) {
        ssize_t sent = send(fd, text, length, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        text += sent;
        length -= (size_t)sent;
    }
    return true;
}

/* A byte at a time, and the last one again and again; ends when the client leaves. */
static void dribble(struct scripted *server, int fd, const char *text)
{
    struct pollfd fds[] = {{.fd = server->stop_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

    while (poll(fds, 2, 20) == 0 && send_all(fd, text, 1))
        text += text[1] != '\0';
}

/* Sends what the step says. False where the connection is not to be used any more. */
static bool answer(struct scripted *server, int fd, const struct scripted_step *step)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    char head[1024], byte;

    if (step->end == SCRIPTED_DRIBBLE) {
        dribble(server, fd, step->raw);
    } else if (step->raw) {
        send_all(fd, step->raw, strlen(step->raw));
    } else if (step->status) {
        snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", step->status,
                 strlen(step->body), step->headers ? step->headers : "");
        send_all(fd, head, strlen(head));
        send_all(fd, step->body, strlen(step->body));
    }
    switch (step->end) {
    case SCRIPTED_KEEP:
        return true;
    case SCRIPTED_RESET:
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        return false;
    case SCRIPTED_STALL:
        while (wait_ready(server, fd) == fd && recv(fd, &byte, 1, 0) > 0)
            ;
        return false;
    case SCRIPTED_FLOOD:
        while (send_all(fd, step->body, strlen(step->body)))
            ;
        return false;
    case SCRIPTED_DRIBBLE:
    case SCRIPTED_CLOSE:
        break;
    }
    return false;
}

static void tell_finished(struct scripted *server)
{
    pthread_mutex_lock(&server->lock);
    server->finished++;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

void scripted_wait_finished(struct scripted *server, int count)
{
    struct timespec until;
    int error = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&server->lock);
    while (server->finished < count && !error)
        error = pthread_cond_timedwait(&server->changed, &server->lock, &until);
    pthread_mutex_unlock(&server->lock);
    if (error)
        fail_msg("the scripted server did not finish %d requests", count);
}

static void *serve(void *arg)
{
    struct scripted *server = arg;
    int fd = -1, ready, yes = 1;

    while ((ready = wait_ready(server, fd)) >= 0) {
        char overflow[1024], *text;
        int number = atomic_load(&server->requests);

        if (ready == server->listen_fd) {
            if (fd >= 0)
                close(fd);
            fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
            atomic_fetch_add(&server->connections, 1);
            continue;
        }
        text = number < SCRIPTED_REQUESTS ? server->request[number] : overflow;
        if (read_request(server, fd, text, sizeof(overflow))) {
            size_t step = (size_t)number < server->count ? (size_t)number : server->count - 1;

            bool keep;

            atomic_fetch_add(&server->requests, 1);
            keep = answer(server, fd, &server->steps[step]);
            if (!keep) {
                close(fd);
                fd = -1;
            }
            tell_finished(server);
            continue;
        }
        close(fd);
        fd = -1;
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

void scripted_start(struct scripted *server, const struct scripted_step *steps, size_t count)
{
    memset(server, 0, sizeof(*server));
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    server->steps = steps;
    server->count = count;
    server->listen_fd = listen_somewhere(&server->port);
    server->stop_fd = eventfd(0, EFD_CLOEXEC);
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d", server->port);
    if (server->stop_fd < 0 || pthread_create(&server->thread, NULL, serve, server))
        fail_msg("cannot start the scripted server");
}

void scripted_stop(struct scripted *server)
{
    uint64_t one = 1;

    if (write(server->stop_fd, &one, sizeof(one)) != sizeof(one))
        fail_msg("cannot stop the scripted server");
    pthread_join(server->thread, NULL);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    close(server->stop_fd);
    close(server->listen_fd);
}
