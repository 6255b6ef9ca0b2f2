/* SPDX-License-Identifier: MIT
 *
 * The HTTP face of the service: workers, each a thread with an event loop, an evhttp and a listener of
 * its own on the one address (SO_REUSEPORT). The only room that knows sockets. */
#ifndef VTSIM_HTTP_HTTP_H
#define VTSIM_HTTP_HTTP_H

#include "../service/service.h"

struct worker;

struct http_server {
    struct service *service;
    const struct config *config;
    struct worker *workers;
    size_t worker_count;
    int port;                     /* the one bound */
    int first_fd;                 /* descriptors from here on are connections */
    int done_fd;                  /* an eventfd that each worker rings when its loop has ended */
    int control_port;             /* of [control] listen, likewise; 0: there is none */
    int64_t started_us;           /* clock_real_us() */
    _Atomic uint32_t connections; /* accepted so far */
};

/* Binds the address and makes the workers. False, with a message, where the system refuses: above all
 * where the port is in use. */
bool http_server_init(struct http_server *server, struct service *service,
                      const struct config *config, struct vts_error *error);

/* Starts the threads. False where the system has none left; those that run were ended. */
bool http_server_start(struct http_server *server, struct vts_error *error);

/* Lets every worker finish what is under way and then end. Can be called from any thread. */
void http_server_drain(struct http_server *server);

/* Waits for the workers to end. */
void http_server_join(struct http_server *server);

void http_server_finish(struct http_server *server);

#endif
