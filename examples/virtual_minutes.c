/* SPDX-License-Identifier: MIT
 *
 * A test of a client in C, with a vtsimd of its own: a job of ten minutes, polled every half a minute, in
 * milliseconds. The client below knows nothing of vtsim: it sleeps by a function that it is given, and the test gives
 * it one that sleeps through the server. Built with
 * cc -o virtual_minutes virtual_minutes.c $(pkg-config --cflags --libs vtsim-harness). */
#undef NDEBUG
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vtsim/harness.h>

/* ---- the client under test ---- */

/* One request and its answer, all of it, on a connection of its own. */
static void ask(int port, const char *method, const char *target, const char *body, char answer[2048])
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((unsigned short)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), length;
    size_t have = 0;
    char request[512];
    ssize_t got;

    assert(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    length = snprintf(request, sizeof(request),
                      "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                      "Content-Length: %zu\r\n\r\n%s",
                      method, target, strlen(body), body);
    assert(write(fd, request, (size_t)length) == length);
    while (have < 2047 && (got = read(fd, answer + have, 2047 - have)) > 0)
        have += (size_t)got;
    answer[have] = '\0';
    close(fd);
}

struct client {
    int port;
    void (*sleep)(const struct client *client, int seconds);
};

/* Polls until the job has ended, and tells how often. */
static int wait_for(const struct client *client, const char *job)
{
    char target[128], answer[2048];
    int polls = 0;

    snprintf(target, sizeof(target), "/status?job_id=%s", job);
    do {
        client->sleep(client, 30);
        ask(client->port, "GET", target, "", answer);
        polls++;
    } while (strstr(answer, "pending"));
    assert(strstr(answer, "completed"));
    return polls;
}

/* ---- the test ---- */

static void sleep_through_the_server(const struct client *client, int seconds)
{
    char body[64], answer[2048];

    snprintf(body, sizeof(body), "{\"for\": \"%ds\", \"as\": \"client\"}", seconds);
    ask(client->port, "POST", "/_sim/clock/sleep", body, answer);
    assert(strstr(answer, "HTTP/1.1 200"));
}

int main(void)
{
    static const char *const settings[] = {"clock/mode=virtual", "behaviour fixed_delay/delay=10m",
                                           "behaviour fixed_delay/plugin=fixed_delay", NULL};
    struct vts_harness_server *server =
        vts_harness_server_start(VTS_HARNESS_SERVER(.settings = settings), NULL);
    const struct client client = {vts_harness_server_port(server), sleep_through_the_server};
    char answer[2048];

    ask(client.port, "POST", "/start", "{\"job_id\": \"long\"}", answer);
    assert(strstr(answer, "Job started"));
    assert(wait_for(&client, "long") == 20);
    ask(client.port, "GET", "/_sim/clock", "", answer);
    assert(strstr(answer, "\"now\": \"2026-01-01T00:10:00.000Z\""));
    puts("ten minutes, 20 polls");
    vts_harness_server_destroy(server);
    return 0;
}
