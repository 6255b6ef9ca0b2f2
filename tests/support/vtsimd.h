/* SPDX-License-Identifier: MIT
 *
 * Runs the vtsimd of this build for a test: on a free port of 127.0.0.1, with its log at hand, and
 * never longer than the test. Knows vtsimd from outside alone: its arguments, its one line, its
 * exit. */
#ifndef VTSIM_TESTS_VTSIMD_H
#define VTSIM_TESTS_VTSIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct vtsimd {
    pid_t pid; /* 0: not running */
    int port;
    char url[64]; /* http://127.0.0.1:PORT */
    int out_fd;   /* the rest of its standard output */
    int err_fd;   /* an unlinked file that takes its standard error */
};

/* Runs vtsimd with `-l 127.0.0.1:0` and then extra_args (NULL-terminated; NULL: none), so that
 * these win, and waits until it listens. Fails the test, showing the log, where it does not. */
void vtsimd_start(struct vtsimd *vtsimd, const char *const *extra_args);

/* False where it has ended, whether it was asked to or not. */
bool vtsimd_running(const struct vtsimd *vtsimd);

/* Sends SIGTERM and waits. The exit status, 128 + signal where a signal ended it, -1 where it did
 * not stop within 20 s and was killed. Does nothing but return -1 where it is not running. */
int vtsimd_stop(struct vtsimd *vtsimd);

/* Sends SIGKILL and waits. Fails the test where it was not running. */
void vtsimd_kill(struct vtsimd *vtsimd);

/* All that it wrote to standard error so far; also after vtsimd_stop, until vtsimd_finish or the
 * next vtsimd_start. For free(). */
char *vtsimd_log(struct vtsimd *vtsimd);

/* Stops it if it still runs, and closes the log. */
void vtsimd_finish(struct vtsimd *vtsimd);

#endif
