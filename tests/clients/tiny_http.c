/* SPDX-License-Identifier: MIT
 *
 * A small HTTP/1.1 client on a plain socket. See tiny_http.h. */
#include "tiny_http.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* A connection to $VTSIM_URL, http://A.B.C.D:PORT; -1: none. */
static int dial(void)
{
    const char *url = getenv("VTSIM_URL");
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = 10};
    unsigned int port;
    char host[16];
    int fd;

    if (sscanf(url ? url : "http://127.0.0.1:5000", "http://%15[0-9.]:%5u", host, &port) != 2 ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return -1;
    address.sin_port = htons((uint16_t)port);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
        connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Reads until the service closes. False where it broke the connection, or said more than there is room for. */
static bool read_all(int fd, char *text, size_t room)
{
    size_t length = 0;
    ssize_t got;

    while ((got = recv(fd, text + length, room - 1 - length, 0)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    return got == 0 && length + 1 < room;
}

static const char *header(const char *head, const char *name)
{
    const char *line = head;

    while ((line = strstr(line, "\r\n"))) {
        line += 2;
        if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            return line + strlen(name) + 1;
    }
    return NULL;
}

static long header_number(const char *head, const char *name)
{
    const char *value = header(head, name);

    return value ? strtol(value, NULL, 10) : 0;
}

/* Takes an answer apart. False where it is none, or not as long as it says. */
static bool parse(char *text, struct answer *answer)
{
    char *body = strstr(text, "\r\n\r\n"), *end;
    long status;

    if (strncmp(text, "HTTP/1.1 ", 9) != 0 || !body)
        return false;
    status = strtol(text + 9, &end, 10);
    body[2] = '\0';
    body += 4;
    if (end != text + 12 || header_number(text, "Content-Length") != (long)strlen(body) ||
        strlen(body) >= sizeof(answer->body))
        return false;
    answer->status = (int)status;
    answer->retry_after = (int)header_number(text, "Retry-After");
    memcpy(answer->body, body, strlen(body) + 1);
    return true;
}

bool http_ask(const char *method, const char *path, const char *body, struct answer *answer)
{
    char text[8192];
    int length = snprintf(text, sizeof(text),
                          "%s %s HTTP/1.1\r\nHost: service\r\nConnection: close\r\n"
                          "Content-Length: %zu\r\n\r\n%s",
                          method, path, strlen(body), body);
    bool good = length > 0 && length < (int)sizeof(text);
    int fd = dial();

    *answer = (struct answer){0};
    good = good && fd >= 0 && send(fd, text, (size_t)length, MSG_NOSIGNAL) == length &&
           read_all(fd, text, sizeof(text)) && parse(text, answer);
    if (fd >= 0)
        close(fd);
    return good;
}

bool http_start(const char *id, struct answer *answer)
{
    char body[300];

    snprintf(body, sizeof(body), "{\"job_id\": \"%s\"}", id);
    return http_ask("POST", "/start", body, answer);
}

bool http_poll(const char *id, struct answer *answer)
{
    char path[300];

    snprintf(path, sizeof(path), "/status?job_id=%s", id);
    return http_ask("GET", path, "", answer);
}

bool http_status(const struct answer *answer, char *text, size_t room)
{
    static const char name[] = "\"status\": \"";
    const char *body = answer->body, *value = strstr(body, name);
    size_t length;

    *text = '\0';
    if (body[0] != '{' || body[strlen(body) - 1] != '}' || !value)
        return false;
    value += sizeof(name) - 1;
    length = strcspn(value, "\"");
    if (length >= room)
        return false;
    memcpy(text, value, length);
    text[length] = '\0';
    return true;
}

void http_pause(int ms) { poll(NULL, 0, ms); }
