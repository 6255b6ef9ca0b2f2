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
enum protocol_question {
    PROTOCOL_START,  /* POST /start */
    PROTOCOL_CREATE, /* POST /jobs: a start with a key */
    PROTOCOL_STATUS, /* GET /status */
    PROTOCOL_JOB,    /* GET /jobs/{id}: tells more than a status */
    PROTOCOL_BATCH,  /* GET /jobs?id=: several of these */
    PROTOCOL_CANCEL, /* DELETE /jobs/{id} */
    PROTOCOL_LIST    /* GET /jobs */
};

/* "POST /start", "GET /jobs?id=", ...: a constant. */
const char *protocol_question_name(enum protocol_question question);

/* An answer, understood. Everything in it points into `tree`, or `packed`, or to the id that was asked
 * for. */
struct protocol_answer {
    struct json_object *tree;
    char *packed;
    struct vts_client_job job;   /* where there was no error, not for a list or a batch */
    struct vts_client_job *jobs; /* of a list */
    size_t job_count;
    const char *next;
};

/* What an answer said of one job of a batch. */
struct protocol_item {
    struct protocol_answer answer;
    struct vts_client_error error;
    int64_t retry_after_ms; /* 0: none */
};

/* 1 to 255 bytes of UTF-8 without control characters? False with *error filled. */
bool protocol_check_id(const char *id, struct vts_client_error *error);

/* May it stand in a URL as it is (RFC 3986, 2.3)? */
bool protocol_is_unreserved(char byte);

/* Each is for free(), NULL where memory is short. */
char *protocol_start_body(const char *id);
char *protocol_create_body(const char *id);
char *protocol_path(enum protocol_question question, const char *id); /* of one job, or a start */
char *protocol_path_with(const char *start, const char *text);        /* the text percent-encoded */
char *protocol_list_path(const struct vts_client_query *query);

/* The path that asks for several jobs, as far as a request line should be long: *count says for how many
 * of them, which is 1 at least. */
char *protocol_batch_path(const char *const ids[], size_t *count);

/* Understands a reply. `id` is the job asked for (NULL for a list) and must outlive the answer;
 * `authority` names the server in messages. False with *error filled. The answer is for
 * protocol_answer_finish in both cases. */
bool protocol_read(enum protocol_question question, const char *id, const char *authority,
                   const struct reply *reply, struct protocol_answer *answer,
                   struct vts_client_error *error);
void protocol_answer_finish(struct protocol_answer *answer);

/* Keeps of a job's answer what is of use, in a fifth of the memory, and lets go of the rest. */
void protocol_answer_pack(struct protocol_answer *answer);

/* What a reply says of why it refuses: the server's own words, for free(). NULL: there are none, or memory is
 * short. */
char *protocol_said(const struct reply *reply);

/* A start was answered with 409 because it had arrived before: what its answer would have been. False with
 * *error filled: memory. */
bool protocol_started(const char *id, struct protocol_answer *answer,
                      struct vts_client_error *error);

/* Understands the reply to a batch as a whole: its jobs are then taken out with protocol_batch_item. */
bool protocol_batch_read(const struct reply *reply, const char *authority,
                         struct protocol_answer *batch, struct vts_client_error *error);

/* What the batch says of this job, which need not stand at `place`, but does so with most servers. */
void protocol_batch_item(const struct protocol_answer *batch, size_t place, const char *id,
                         struct protocol_item *item);

#endif
