/* SPDX-License-Identifier: MIT
 *
 * As much of HTTP and JSON as the sample clients of this folder need, so that each shows its bug and little
 * else: one request a connection, flat JSON objects with texts. The bugs are in the clients, not here. */
#ifndef VTSIM_TESTS_TINY_HTTP_H
#define VTSIM_TESTS_TINY_HTTP_H

#include <stdbool.h>
#include <stddef.h>

struct answer {
    int status;      /* 0: no whole answer came */
    int retry_after; /* in seconds; 0: none was given */
    char body[4096];
};

/* Asks the service at $VTSIM_URL, which is http://127.0.0.1:5000 by default. False where no whole answer
 * came; it does not try again. */
bool http_ask(const char *method, const char *path, const char *body, struct answer *answer);

/* POST /start and GET /status?job_id=ID of an id of letters and digits: http_ask in short. */
bool http_start(const char *id, struct answer *answer);
bool http_poll(const char *id, struct answer *answer);

/* The job's status as the body tells it: "pending". False, with an empty text, where the body is no JSON object
 * or tells of no status. */
bool http_status(const struct answer *answer, char *text, size_t room);

/* What a polling client does between two polls. */
void http_pause(int ms);

#endif
