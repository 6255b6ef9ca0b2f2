/* SPDX-License-Identifier: MIT
 *
 * See private_loop.h. */
#include "private_loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <time.h>

struct event_base *private_loop_create(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (!config)
        return NULL;
    if (event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NOLOCK) == 0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

void pipe_guard_enter(struct pipe_guard *guard)
{
    sigset_t pipe, pending;

    sigpending(&pending);
    guard->was_pending = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &guard->before);
}

void pipe_guard_leave(struct pipe_guard *guard)
{
    struct timespec at_once = {0};
    sigset_t pipe;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    if (!guard->was_pending) {
        /* Takes away the one that our writing has raised. */
        while (sigtimedwait(&pipe, NULL, &at_once) < 0 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}
