/* SPDX-License-Identifier: MIT
 *
 * The raw HTTP client of the tests. See http.h. */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "run.h"

void http_connect(struct http_connection *connection, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;

    memset(connection, 0, sizeof(*connection));
    connection->timeout_ms = HTTP_TIMEOUT_MS;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        fail_msg("cannot connect to 127.0.0.1:%d: %s", port, strerror(errno));
    /* Bytes that a test sends one by one shall also travel one by one. */
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* False at the deadline. */
static bool wait_for(const struct http_connection *connection, short events, int64_t until_ms)
{
    for (;;) {
        struct pollfd ready = {.fd = connection->fd, .events = events};
        int64_t left = until_ms - run_now_ms();
        int count = poll(&ready, 1, left < 0 ? 0 : (int)left);

        if (count > 0)
            return true;
        if (count == 0 || errno != EINTR)
            return false;
    }
}

bool http_send(struct http_connection *connection, const void *bytes, size_t length)
{
    int64_t until_ms = run_now_ms() + connection->timeout_ms;
    const char *next = bytes;

    while (length) {
        ssize_t sent = send(connection->fd, next, length, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (!wait_for(connection, POLLOUT, until_ms))
                return false;
            continue;
        }
        if (sent < 0)
            return false;
        next += sent;
        length -= (size_t)sent;
    }
    return true;
}

bool http_puts(struct http_connection *connection, const char *text)
{
    return http_send(connection, text, strlen(text));
}

bool http_send_request(struct http_connection *connection, const char *method, const char *target,
                       const char *body)
{
    char *head = NULL;
    int length;
    bool sent;

    connection->head = strcmp(method, "HEAD") == 0;
    if (body)
        length = asprintf(&head,
                          "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\n\r\n%s",
                          method, target, strlen(body), body);
    else
        length = asprintf(&head, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", method, target);
    if (length < 0)
        fail_msg("out of memory");
    sent = http_send(connection, head, (size_t)length);
    free(head);
    return sent;
}

/* Reads more into connection->bytes. HTTP_ANSWER: some came. */
static enum http_end read_more(struct http_connection *connection, int64_t until_ms)
{
    ssize_t got;

    if (connection->room - connection->length < 4096) {
        size_t room = connection->room ? connection->room * 2 : 16384;
        char *bytes = realloc(connection->bytes, room);

        if (!bytes)
            fail_msg("out of memory");
        connection->bytes = bytes;
        connection->room = room;
    }
    for (;;) {
        if (!wait_for(connection, POLLIN, until_ms))
            return HTTP_TIMED_OUT;
        got = recv(connection->fd, connection->bytes + connection->length,
                   connection->room - connection->length - 1, MSG_DONTWAIT);
        if (got >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    if (got == 0)
        return HTTP_FIN;
    if (got < 0)
        return HTTP_RST;
    connection->length += (size_t)got;
    connection->bytes[connection->length] = '\0';
    return HTTP_ANSWER;
}

/* Takes the first `count` bytes off what was read. */
static char *take(struct http_connection *connection, size_t count)
{
    char *bytes = malloc(count + 1);

    if (!bytes)
        fail_msg("out of memory");
    if (count)
        memcpy(bytes, connection->bytes, count);
    bytes[count] = '\0';
    connection->length -= count;
    if (connection->length)
        memmove(connection->bytes, connection->bytes + count, connection->length);
    if (connection->bytes)
        connection->bytes[connection->length] = '\0';
    return bytes;
}

/* Reads until a text is there: *at is where it begins. */
static enum http_end read_until(struct http_connection *connection, const char *text, size_t *at,
                                int64_t until_ms)
{
    for (;;) {
        enum http_end end;
        const char *found = connection->length
                                ? memmem(connection->bytes, connection->length, text, strlen(text))
                                : NULL;

        if (found) {
            *at = (size_t)(found - connection->bytes);
            return HTTP_ANSWER;
        }
        end = read_more(connection, until_ms);
        if (end != HTTP_ANSWER)
            return end == HTTP_FIN && connection->length ? HTTP_TRUNCATED : end;
    }
}

/* Reads until so many bytes are there. */
static enum http_end read_count(struct http_connection *connection, size_t count, int64_t until_ms)
{
    while (connection->length < count) {
        enum http_end end = read_more(connection, until_ms);

        if (end != HTTP_ANSWER)
            return end == HTTP_FIN ? HTTP_TRUNCATED : end;
    }
    return HTTP_ANSWER;
}

static bool parse_head(struct http_response *response)
{
    char *line = response->head, *next;
    int minor = 0, used = 0;

    if (sscanf(line, "HTTP/1.%1d %3d%n", &minor, &response->status, &used) != 2 || used != 12)
        return false;
    for (line = strstr(line, "\r\n"); line && line[2]; line = next) {
        char *name = line + 2, *value;
        struct http_header *more;

        next = strstr(name, "\r\n");
        if (next)
            *next = '\0';
        value = strchr(name, ':');
        if (!value)
            return false;
        *value++ = '\0';
        value += strspn(value, " \t");
        more = realloc(response->headers, (response->header_count + 1) * sizeof(*more));
        if (!more)
            fail_msg("out of memory");
        response->headers = more;
        response->headers[response->header_count++] = (struct http_header){name, value};
        if (next)
            *next = '\r'; /* so that `line` is found again; ended below */
    }
    for (size_t i = 0; i < response->header_count; i++)
        response->headers[i].value[strcspn(response->headers[i].value, "\r")] = '\0';
    return true;
}

static void append_body(struct http_response *response, char *bytes, size_t length)
{
    char *body = realloc(response->body, response->body_length + length + 1);

    if (!body)
        fail_msg("out of memory");
    memcpy(body + response->body_length, bytes, length);
    response->body = body;
    response->body_length += length;
    response->body[response->body_length] = '\0';
    free(bytes);
}

static enum http_end read_chunks(struct http_connection *connection, struct http_response *response,
                                 int64_t until_ms)
{
    for (;;) {
        size_t at, size;
        char *line, *stop;
        enum http_end end = read_until(connection, "\r\n", &at, until_ms);

        if (end != HTTP_ANSWER)
            return end == HTTP_FIN ? HTTP_TRUNCATED : end;
        line = take(connection, at + 2);
        size = strtoul(line, &stop, 16);
        if (stop == line) {
            free(line);
            return HTTP_GARBAGE;
        }
        free(line);
        end = read_count(connection, size + 2, until_ms);
        if (end != HTTP_ANSWER) {
            size_t there = connection->length < size ? connection->length : size;

            append_body(response, take(connection, there), there);
            return end;
        }
        append_body(response, take(connection, size), size);
        free(take(connection, 2));
        if (size == 0)
            return HTTP_ANSWER;
    }
}

static enum http_end read_body(struct http_connection *connection, struct http_response *response,
                               int64_t until_ms)
{
    const char *length_text = http_header(response, "Content-Length");
    const char *coding = http_header(response, "Transfer-Encoding");
    enum http_end end;
    size_t there;

    if (connection->head || response->status == 204 || response->status == 304)
        return HTTP_ANSWER;
    if (coding && strcasecmp(coding, "chunked") == 0)
        return read_chunks(connection, response, until_ms);
    if (length_text) {
        size_t length = strtoul(length_text, NULL, 10);

        end = read_count(connection, length, until_ms);
        there = connection->length < length ? connection->length : length;
    } else {
        while ((end = read_more(connection, until_ms)) == HTTP_ANSWER)
            ;
        there = connection->length;
        end = end == HTTP_FIN ? HTTP_ANSWER : end;
    }
    append_body(response, take(connection, there), there);
    return end;
}

enum http_end http_read(struct http_connection *connection, struct http_response *response)
{
    int64_t until_ms = run_now_ms() + connection->timeout_ms;
    enum http_end end;

    memset(response, 0, sizeof(*response));
    do {
        size_t at;

        http_response_finish(response);
        end = read_until(connection, "\r\n\r\n", &at, until_ms);
        if (end != HTTP_ANSWER)
            return end;
        response->head = take(connection, at + 4);
        response->head[at] = '\0';
        if (!parse_head(response))
            return HTTP_GARBAGE;
    } while (response->status / 100 == 1);
    append_body(response, take(connection, 0), 0);
    end = read_body(connection, response, until_ms);
    connection->head = false;
    return end;
}

enum http_end http_wait_end(struct http_connection *connection)
{
    int64_t until_ms = run_now_ms() + connection->timeout_ms;
    enum http_end end;

    do {
        connection->length = 0;
        end = read_more(connection, until_ms);
    } while (end == HTTP_ANSWER);
    return end;
}

size_t http_read_some(struct http_connection *connection, void *bytes, size_t room,
                      enum http_end *end)
{
    size_t count;
    char *taken;

    *end = HTTP_ANSWER;
    if (!connection->length) {
        *end = read_more(connection, run_now_ms() + connection->timeout_ms);
        if (*end != HTTP_ANSWER)
            return 0;
    }
    count = connection->length < room ? connection->length : room;
    taken = take(connection, count);
    memcpy(bytes, taken, count);
    free(taken);
    return count;
}

void http_half_close(struct http_connection *connection) { shutdown(connection->fd, SHUT_WR); }

void http_reset(struct http_connection *connection)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    http_close(connection);
}

void http_close(struct http_connection *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    free(connection->bytes);
    memset(connection, 0, sizeof(*connection));
    connection->fd = -1;
}

const char *http_header(const struct http_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcasecmp(response->headers[i].name, name) == 0)
            return response->headers[i].value;
    }
    return NULL;
}

void http_response_finish(struct http_response *response)
{
    free(response->head);
    free(response->headers);
    free(response->body);
    memset(response, 0, sizeof(*response));
}

void http_request(int port, const char *method, const char *target, const char *body,
                  struct http_response *response)
{
    struct http_connection connection;
    enum http_end end;

    http_connect(&connection, port);
    if (!http_send_request(&connection, method, target, body))
        fail_msg("%s %s: could not be sent", method, target);
    end = http_read(&connection, response);
    http_close(&connection);
    if (end != HTTP_ANSWER)
        fail_msg("%s %s: no whole answer (end %d)", method, target, (int)end);
}
