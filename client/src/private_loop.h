/* SPDX-License-Identifier: MIT
 *
 * A loop of the library's own, for calls that block: the base, and what keeps SIGPIPE from this thread while it
 * runs, since a program must not die because a server hung up. */
#ifndef VTSIM_CLIENT_PRIVATE_LOOP_H
#define VTSIM_CLIENT_PRIVATE_LOOP_H

#include <signal.h>
#include <stdbool.h>

struct event_base;

/* With timers that are exact, and without the locks that it would have where the program uses libevent from
 * several threads. NULL: memory is short. */
struct event_base *private_loop_create(void);

struct pipe_guard {
    sigset_t before;
    bool was_pending;
};

/* Each enter has its leave, in the same thread. */
void pipe_guard_enter(struct pipe_guard *guard);
void pipe_guard_leave(struct pipe_guard *guard);

#endif
