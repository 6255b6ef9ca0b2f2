/* SPDX-License-Identifier: MIT
 *
 * Clients that start and poll jobs as fast as they can, on one epoll loop, and tell the model what they
 * are answered. They live with servers that die under them: a connection that breaks is opened again, to
 * any server that is there. */
#ifndef VTSIM_TESTS_CRASH_CLIENTS_H
#define VTSIM_TESTS_CRASH_CLIENTS_H

#include "model.h"

#define CLIENTS_MOST         64
#define CLIENTS_SERVERS_MOST 4

enum client_doing { IDLE, STARTING, POLLING, ASKING_WORD };

struct client {
    int fd; /* -1: no connection */
    int server;
    enum client_doing doing;
    size_t number;       /* of the job that it asks for */
    int64_t asked_at;    /* ms since 1970 */
    int64_t deadline_ms; /* of run_now_ms */
    size_t length;
    char answer[8192];
};

struct clients {
    struct model *model;
    int epoll;
    int ports[CLIENTS_SERVERS_MOST]; /* of the servers; 0: not there */
    int servers;
    size_t count;
    /* What they do. */
    size_t starts_left;  /* new jobs that may be started */
    bool busy_allowed;   /* 503 is an answer, too */
    int64_t patience_ms; /* how long an answer may take */
    bool give_up;        /* one that takes longer is not waited for; otherwise the test fails */
    /* What they did. */
    uint64_t starts, polls, busy, broken;
    struct client all[CLIENTS_MOST];
};

void clients_init(struct clients *clients, struct model *model, size_t count);
void clients_finish(struct clients *clients);

/* Work until a moment of run_now_ms(). */
void clients_run(struct clients *clients, int64_t until_ms);

/* Ask nothing new, and wait until each has its answer or has lost its connection. */
void clients_drain(struct clients *clients);

/* Repeat the starts that were not answered, and poll until all jobs have ended. */
void clients_end_all(struct clients *clients, int64_t timeout_ms);

#endif
