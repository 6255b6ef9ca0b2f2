/* SPDX-License-Identifier: MIT
 *
 * One request and its answer, inside the room http/. An exchange is begun by a request, is answered
 * exactly once (or not at all, if its client leaves), and belongs to one worker's thread.
 *
 *     handler (original.c, jobs.c, sim.c)
 *       reads the request (request.h), makes a service call
 *         done: writes the answer's body, exchange_answer()
 *           bends it, stalls it (exchange.c), sends it (answer.c) or breaks it (broken.c) */
#ifndef VTSIM_HTTP_EXCHANGE_H
#define VTSIM_HTTP_EXCHANGE_H

#include <event2/event.h>
#include <event2/http.h>
#include <json-c/json.h>
#include <sys/queue.h>

#include "http.h"

/* What is going to be said. */
struct answer {
    int status;
    struct text body;
    const char *type;     /* Content-Type */
    const char *allow;    /* 405's Allow, or NULL */
    struct text location; /* 201's Location, where it has bytes */
    int64_t retry_after;  /* seconds; -1: none */
    bool retry_after_date;
    int64_t waited; /* Preference-Applied's wait, in seconds; -1: none */
    bool close;     /* close the connection afterwards */
};

struct exchange {
    struct service_call call; /* first */
    struct worker *worker;
    LIST_ENTRY(exchange) link; /* in the worker's `parked` or `spare`; while sent, in neither */
    struct evhttp_request *request; /* NULL: the client has left */
    const char *path, *query;       /* of the request's URI; query may be NULL */
    size_t path_length;
    char id[RECORD_ID_MAX + 1];
    bool control;             /* it came by [control] listen */
    struct json_object *body; /* the request's */
    struct text input;
    struct text key;                     /* jobs.c's: see struct job's `idempotency` */
    void *own;                           /* what its handler keeps, */
    void (*own_free)(void *);            /* and how it is freed at the end */
    void (*own_left)(struct exchange *); /* what is done where the client leaves it set aside */
    struct answer answer;
    void (*then)(struct exchange *); /* what follows the service call */
    bool called;                     /* the service has not called back yet */
    bool parked;                     /* the answer does not come at once */
    struct event *watch;
    struct alarm alarm;   /* what it waits for in clock time */
    bool aside;           /* it sleeps or moves the clock, and is not in progress */
    size_t sent;          /* of a dribbled answer, */
    vts_ms dribble_since; /* which began then */
};

LIST_HEAD(exchange_list, exchange);

struct worker {
    struct http_server *server;
    struct service_port *port;
    struct event_base *base;
    struct evhttp *http;
    struct evhttp_bound_socket *listener;
    struct evhttp *control_http; /* [control] listen's, or NULL */
    struct evhttp_bound_socket *control_listener;
    struct event *command;                  /* server's wish to drain; on command_fd */
    struct service_connection *connections; /* by descriptor, from first_fd on */
    LIST_HEAD(, fresh) fresh;               /* server.c's: connections that were just accepted, */
    struct event *connected;                /* which are looked at by this */
    struct event *accept_again;             /* after the system had no descriptor left */
    struct event *drain_over;
    int command_fd;
    struct exchange_list parked, spare;
    size_t under_way;
    bool draining, running;
    pthread_t thread;
    struct json_tokener *tokener;
    vts_ms date_second; /* what `date` says */
    char date[192];     /* answer.c's */
};

/* A new one for a request that has arrived. NULL where there was no memory. */
struct exchange *exchange_create(struct worker *worker, struct evhttp_request *request);

/* Makes a service call; `then` follows when it is done, unless the client has left by then. */
void exchange_call(struct exchange *exchange, void (*operation)(struct service_call *),
                   void (*then)(struct exchange *));

/* The service is done with what exchange_call asked. */
void exchange_called_back(struct exchange *exchange);

/* Sends exchange->answer, bent as the call's behaviour wants it. The exchange is gone afterwards, or
 * waits for its stall to be over. */
void exchange_answer(struct exchange *exchange);

/* Answers with an error object: {"error": "..."} */
VTS_PRINTF(3, 4)
void exchange_error(struct exchange *exchange, int status, const char *format, ...);

/* Said of a job that is not there, and of one that is told not to be. */
#define NO_SUCH_JOB "there is no job of this id"

/* What a service call that was not done, or whose job cannot be read, is answered with everywhere: the status, and the message, which
 * is added to `message`. *retry_after is set where there is one. Not for SERVICE_REFUSED, where the
 * behaviour says it. */
int exchange_refused(const struct exchange *exchange, const struct service_call *call,
                     struct text *message, int64_t *retry_after);

/* Adds who bends a call's answer: `the filter "busy"`. */
void exchange_teller(const struct service_call *call, struct text *message);

/* Answers that, or what the behaviour says. */
void exchange_refusal(struct exchange *exchange);

/* A number of seconds as Retry-After says a span: rounded up. */
static inline int64_t exchange_seconds(vts_ms span) { return span < 0 ? 0 : (span + 999) / 1000; }

/* The client has left, or the worker ends: nothing more is said. */
void exchange_abandon(struct exchange *exchange);

/* Takes it out of the worker's care; its connection is already answered or gone. */
void exchange_end(struct exchange *exchange);

/* What it waited for has come: no timer, no watch. */
void exchange_unpark(struct exchange *exchange);

/* Waits in clock time; then calls `then` with the exchange, unless the client leaves before. */
void exchange_park(struct exchange *exchange, vts_ms span, void (*then)(void *exchange));

/* Waits for what the clock does, of which somebody else tells: not in progress until exchange_resume. False where
 * there was no memory: the exchange is gone then. */
bool exchange_set_aside(struct exchange *exchange);
void exchange_resume(struct exchange *exchange);

/* The header field by which a client sees what this server has beyond the original API, and its value. */
#define ANSWER_FEATURES "Vtsim-Features"
const char *answer_features(const struct worker *worker);

/* answer.c: whole answers, and a head on its own for those that are not sent whole. */
void answer_send(struct exchange *exchange);
void answer_head(struct exchange *exchange, struct text *head);
/* RFC 9110, 6.4.1: an answer to HEAD has none, nor have some statuses. */
bool answer_has_body(const struct exchange *exchange);

/* broken.c: answers that are cut, dribbled or no answers at all. */
void broken_send(struct exchange *exchange);

#endif
