/* SPDX-License-Identifier: MIT
 *
 * Starts an exact number of jobs through POST /start, as fast as one core can: many keep-alive
 * connections, one request under way on each. The ids have 20 characters: bench-00000000000000 and
 * on. With a number of sets each job has options of its own, one of so many sets of them. Every answer must
 * be a 200. Plain sockets, so that it knows nothing of any library measured.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS   64
#define DEADLINE_S    300
#define MOST_JOBS     100000000L
#define REQUEST_BYTES 384

struct connection {
    int fd;
    bool idle; /* no more jobs for it */
    size_t length;
    char answer[4096];
};

struct load {
    int epoll, port;
    long next, count, answered;
    long sets; /* 0: no options */
    struct connection connections[CONNECTIONS];
};

static bool complain(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    return false;
}

/* A request is far smaller than an empty socket buffer, so it is sent whole. */
static bool send_start(struct load *load, struct connection *connection)
{
    char request[REQUEST_BYTES];
    char body[128], options[64] = "";
    int body_length, length;

    if (load->next == load->count) {
        connection->idle = true;
        return true;
    }
    if (load->sets)
        snprintf(options, sizeof(options), ", \"options\": {\"delay\": \"%lds\"}",
                 600 + load->next % load->sets);
    body_length = snprintf(body, sizeof(body), "{\"job_id\": \"bench-%014ld\"%s}", load->next++,
                           options);
    length = snprintf(request, sizeof(request),
                      "POST /start HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                      "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                      load->port, body_length, body);
    if (send(connection->fd, request, (size_t)length, MSG_NOSIGNAL) != length)
        return complain("a request could not be sent");
    return true;
}

/* The length of the whole answer, 0 while that is not known, -1 where it is not as it should be. */
static long answer_length(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    const char *line = answer;

    if (!end)
        return 0;
    if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0)
        return -1;
    while (line < end) {
        line = strstr(line, "\r\n") + 2;
        if (strncasecmp(line, "Content-Length:", 15) == 0) {
            long length = strtol(line + 15, NULL, 10);

            return length < 0 || length > 2048 ? -1 : (long)(end + 4 - answer) + length;
        }
    }
    return -1;
}

static bool receive(struct load *load, struct connection *connection)
{
    long whole;
    ssize_t got = recv(connection->fd, connection->answer + connection->length,
                       sizeof(connection->answer) - 1 - connection->length, 0);

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got <= 0)
        return complain("a connection was closed");
    connection->length += (size_t)got;
    connection->answer[connection->length] = '\0';
    whole = answer_length(connection->answer);
    if (whole == 0 || (whole > 0 && (size_t)whole > connection->length))
        return true;
    if (whole < 0 || (size_t)whole < connection->length) {
        fprintf(stderr, "%s\n", connection->answer);
        return complain("not the answer to a start");
    }
    connection->length = 0;
    load->answered++;
    return send_start(load, connection);
}

static bool open_connection(struct load *load, struct connection *connection)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load->port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) ||
        epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->fd, &event)) {
        perror("load: connect");
        return false;
    }
    return send_start(load, connection);
}

static bool run(struct load *load)
{
    time_t deadline = time(NULL) + DEADLINE_S;

    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll < 0)
        return complain("no epoll");
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (!open_connection(load, &load->connections[i]))
            return false;
    }
    while (load->answered < load->count) {
        struct epoll_event events[CONNECTIONS];
        int ready = epoll_wait(load->epoll, events, CONNECTIONS, 1000);

        if (ready < 0 && errno != EINTR)
            return complain("epoll_wait failed");
        if (time(NULL) > deadline)
            return complain("it takes too long");
        for (int i = 0; i < ready; i++) {
            if (!receive(load, events[i].data.ptr))
                return false;
        }
    }
    return true;
}

static bool number(const char *text, long most, long *value)
{
    char *end;

    errno = 0;
    *value = strtol(text, &end, 10);
    return end != text && !*end && !errno && *value > 0 && *value <= most;
}

int main(int argc, char **argv)
{
    static struct load load; /* too large for comfort on the stack */
    long port;
    bool done;

    if (argc < 3 || argc > 4 || !number(argv[1], 65535, &port) ||
        !number(argv[2], MOST_JOBS, &load.count) ||
        (argc == 4 && !number(argv[3], MOST_JOBS, &load.sets))) {
        fprintf(stderr, "usage: load PORT JOBS [SETS]\n");
        return 2;
    }
    load.port = (int)port;
    done = run(&load);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (load.connections[i].fd > 0)
            close(load.connections[i].fd);
    }
    if (load.epoll > 0)
        close(load.epoll);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
