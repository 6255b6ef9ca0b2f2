/* SPDX-License-Identifier: MIT
 *
 * A raw HTTP/1.1 client for tests: sends exactly the bytes it is told to, reads one answer at a
 * time, tells FIN from RST. Blocking, with a deadline on everything. It is no client for any other
 * use: it checks nothing that a test may want to break. */
#ifndef VTSIM_TESTS_HTTP_H
#define VTSIM_TESTS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_TIMEOUT_MS 20000

struct http_connection {
    int fd;             /* -1: closed */
    int64_t timeout_ms; /* for each call; HTTP_TIMEOUT_MS unless the test sets another */
    bool head;          /* the next answer is one to HEAD: it has no body */
    char *bytes;        /* read, and not yet part of an answer */
    size_t length, room;
};

struct http_header {
    char *name, *value;
};

struct http_response {
    int status;
    char *head; /* status line and headers as they came, cut up by the parser */
    struct http_header *headers;
    size_t header_count;
    char *body; /* with a NUL behind it */
    size_t body_length;
};

enum http_end {
    HTTP_ANSWER,    /* a whole answer was read */
    HTTP_FIN,       /* closed in order before the first byte */
    HTTP_TRUNCATED, /* closed in order in the middle of an answer */
    HTTP_RST,       /* reset */
    HTTP_TIMED_OUT, /* nothing more came within timeout_ms */
    HTTP_GARBAGE    /* not HTTP/1.x */
};

/* Connects to 127.0.0.1:port. Fails the test where that is not possible. */
void http_connect(struct http_connection *connection, int port);

/* Sends exactly these bytes. False where the other side has gone. */
bool http_send(struct http_connection *connection, const void *bytes, size_t length);
bool http_puts(struct http_connection *connection, const char *text);

/* Sends a request with Host and, where body is not NULL, Content-Type and Content-Length. */
bool http_send_request(struct http_connection *connection, const char *method, const char *target,
                       const char *body);

/* Reads the next answer, skipping 1xx ones. With HTTP_ANSWER, and with HTTP_TRUNCATED, HTTP_RST and
 * HTTP_TIMED_OUT as far as it came, *response is filled; in every case it is for
 * http_response_finish. */
enum http_end http_read(struct http_connection *connection, struct http_response *response);

/* Reads and drops what comes until the other side closes: HTTP_FIN, HTTP_RST or HTTP_TIMED_OUT. */
enum http_end http_wait_end(struct http_connection *connection);

/* Reads whatever comes next: at least one byte, at most `room`. 0 with *end set where none came. */
size_t http_read_some(struct http_connection *connection, void *bytes, size_t room,
                      enum http_end *end);

void http_half_close(struct http_connection *connection); /* sends FIN, still reads */
void http_reset(struct http_connection *connection);      /* sends RST */
void http_close(struct http_connection *connection);      /* closes in order */

/* The header's value, whatever the case of its name; NULL where there is none. */
const char *http_header(const struct http_response *response, const char *name);
void http_response_finish(struct http_response *response);

/* One request on a connection of its own. Fails the test where no whole answer comes. `body` may be
 * NULL. */
void http_request(int port, const char *method, const char *target, const char *body,
                  struct http_response *response);

#endif
