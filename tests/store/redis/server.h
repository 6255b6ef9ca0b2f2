/* SPDX-License-Identifier: MIT
 *
 * A Redis of a test's own: on a free port of 127.0.0.1, with a temporary folder, without persistence
 * unless asked for, and never longer than the test. Knows nothing of vtsim. */
#ifndef VTSIM_TESTS_STORE_REDIS_SERVER_H
#define VTSIM_TESTS_STORE_REDIS_SERVER_H

#include <hiredis/hiredis.h>
#include <sys/types.h>

#define EVENT_MS 20000 /* for what must come: far more than it needs */

struct redis_process {
    pid_t pid; /* 0: not running */
    int port;
    char folder[64];
    char url[64];         /* redis://127.0.0.1:PORT */
    redisContext *client; /* for the test's own commands; NULL while it does not run */
    const char *extra[8];
};

/* Runs it, with further arguments (NULL-terminated; NULL: none), and waits until it answers. */
void redis_process_start(struct redis_process *process, const char *const *extra);
/* Ends it with SIGKILL; its folder and its port stay for redis_process_again. */
void redis_process_kill(struct redis_process *process);
void redis_process_again(struct redis_process *process);
void redis_process_stop(struct redis_process *process);
void redis_process_continue(struct redis_process *process);
/* Kills it and removes its folder. */
void redis_process_finish(struct redis_process *process);

/* A command of the test's own; asserts that it is no error. For freeReplyObject. */
redisReply *redis_ask(struct redis_process *process, const char *format, ...);
/* The same where the answer is of no interest, or is a number. */
long long redis_do(struct redis_process *process, const char *format, ...);

#endif
