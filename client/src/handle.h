/* SPDX-License-Identifier: MIT
 *
 * A handle and its operations as they are inside: one state machine for start, status, wait, run,
 * cancel and list, which puts together protocol, transport and the rules of waiting.
 *
 * Users may free anything in a callback. So a handle and an operation are counted: whoever calls a
 * user's function holds a reference meanwhile, and looks at `finished` or `destroyed` afterwards. */
#ifndef VTSIM_CLIENT_HANDLE_H
#define VTSIM_CLIENT_HANDLE_H

#include <stdbool.h>
#include <sys/queue.h>

#include <vtsim/client.h>

#include "environment.h"
#include "protocol.h"
#include "target.h"
#include "transport.h"
#include "wait.h"

struct event;
struct event_base;

enum operation_kind {
    OPERATION_START,
    OPERATION_STATUS,
    OPERATION_WAIT,
    OPERATION_RUN,
    OPERATION_CANCEL,
    OPERATION_LIST
};

struct vts_client_operation {
    TAILQ_ENTRY(vts_client_operation) all;
    struct vts_client *client;
    unsigned int references;
    enum operation_kind kind;
    enum protocol_question question; /* what is asked next: a run starts, then polls */
    bool finished;

    char *id, *path, *body;            /* of the next request; id is NULL for a list */
    struct vts_client_call call;       /* call.options is not kept */
    struct vts_client_options options; /* url is not kept */
    struct wait wait;

    struct event *timer;
    struct exchange *exchange;             /* NULL: none under way */
    int64_t began_ms, deadline_ms, due_ms; /* on the environment's clock; INT64_MAX: never */
    uint64_t polls;

    struct protocol_answer seen;        /* the last good answer */
    struct vts_client_error last_error; /* of the last poll, if it failed */
    struct vts_client_result result;
};

struct vts_client {
    unsigned int references;
    bool destroyed;
    struct event_base *base;
    bool own_base;          /* it is blocking */
    unsigned int callbacks; /* of users, that are running */
    struct environment environment;
    struct target target;
    struct transport *transport;
    struct vts_client_options options; /* url is not kept */
    TAILQ_HEAD(operation_list, vts_client_operation) operations;
    struct vts_client_operation *kept; /* its result was returned by the last blocking call */
    struct vts_client_result refusal;  /* or this one, where nothing was begun */
};

/* What begins an operation. */
struct operation_request {
    enum operation_kind kind;
    const char *id;
    const struct vts_client_query *query;
    const struct vts_client_call *call;
};

/* Begins an operation. NULL with *error filled (where error is not NULL). */
struct vts_client_operation *operation_begin(struct vts_client *client,
                                             const struct operation_request *request,
                                             struct vts_client_error *error);
/* Ends it, if it has not ended, with VTS_CLIENT_ERR_ABANDONED. */
void operation_abandon(struct vts_client_operation *operation);
void operation_hold(struct vts_client_operation *operation);
void operation_release(struct vts_client_operation *operation);

void handle_hold(struct vts_client *client);
void handle_release(struct vts_client *client);

#endif
