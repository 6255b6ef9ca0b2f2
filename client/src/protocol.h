/* SPDX-License-Identifier: MIT
 *
 * What is said to a server and what its answers mean: paths, bodies, JSON. Pure: bytes in, bytes out.
 * Knows nothing of connections, time or when to ask again. */
#ifndef VTSIM_CLIENT_PROTOCOL_H
#define VTSIM_CLIENT_PROTOCOL_H

#include <stdbool.h>

#include <vtsim/client.h>

#include "transport.h"

struct json_object;

/* What was asked, because the same status means different things. */
enum protocol_question { PROTOCOL_START, PROTOCOL_STATUS, PROTOCOL_CANCEL, PROTOCOL_LIST };

/* An answer, understood. Everything in it points into `tree` or to the id that was asked for. */
struct protocol_answer {
    struct vts_client_error error;
    struct json_object *tree;
    struct vts_client_job job;   /* where error.code is VTS_CLIENT_OK, not for a list */
    struct vts_client_job *jobs; /* of a list */
    size_t job_count;
    const char *next;
};

/* 1 to 255 bytes of UTF-8 without control characters? False with *error filled. */
bool protocol_check_id(const char *id, struct vts_client_error *error);

/* Each is for free(), NULL where memory is short. */
char *protocol_start_body(const char *id);
char *protocol_status_path(const char *id);
char *protocol_job_path(const char *id);
char *protocol_list_path(const struct vts_client_query *query);

/* Understands a reply. `id` is the job asked for (NULL for a list) and must outlive the answer;
 * `authority` names the server in messages. The answer is for protocol_answer_finish. */
void protocol_read(enum protocol_question question, const char *id, const char *authority,
                   const struct reply *reply, struct protocol_answer *answer);
void protocol_answer_finish(struct protocol_answer *answer);

#endif
