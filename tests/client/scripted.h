/* SPDX-License-Identifier: MIT
 *
 * A deliberately bad HTTP server in a thread: answers each request with the next step of a script,
 * byte by byte as written. One connection at a time; a new one takes the place of an old one. */
#ifndef VTSIM_TESTS_SCRIPTED_H
#define VTSIM_TESTS_SCRIPTED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

enum scripted_end {
    SCRIPTED_KEEP = 0, /* keep the connection for the next request */
    SCRIPTED_CLOSE,    /* FIN */
    SCRIPTED_RESET,    /* RST */
    SCRIPTED_STALL,    /* send no more until the client leaves */
    SCRIPTED_DRIBBLE,  /* send the answer a byte at a time, 20 ms apart, until the client leaves */
    SCRIPTED_FLOOD     /* send the body again and again until the client leaves */
};

/* `raw` where it is set, else a whole answer with a right Content-Length. */
struct scripted_step {
    const char *status;  /* "200 OK" */
    const char *headers; /* "Retry-After: 1\r\n"; NULL: none more */
    const char *body;
    const char *raw;
    enum scripted_end end;
};

#define SCRIPTED_REQUESTS 64

struct scripted {
    int port;
    char url[64];
    pthread_t thread;
    int listen_fd, stop_fd;
    const struct scripted_step *steps;
    size_t count;
    atomic_int requests, connections;
    pthread_mutex_t lock; /* over `finished` */
    pthread_cond_t changed;
    int finished;
    char request[SCRIPTED_REQUESTS][1024]; /* head and body; read them after scripted_stop */
};

/* Serves the steps, the last one for ever. `steps` must outlive the server. */
void scripted_start(struct scripted *server, const struct scripted_step *steps, size_t count);
void scripted_stop(struct scripted *server);

/* Waits until the server has answered `count` requests and done with each connection what its step
 * says (nothing, for SCRIPTED_KEEP). Fails the test after 20 s. */
void scripted_wait_finished(struct scripted *server, int count);

/* A port of 127.0.0.1 on which nobody listens. */
int scripted_dead_port(void);

#endif
