/* SPDX-License-Identifier: MIT
 *
 * A process that runs one program, and outlives neither this process nor it. Between the two stands a keeper,
 * a fork of this process that does nothing but watch: it sees the end of this process by a descriptor of it
 * (pidfd), whatever ended it, and not that of the thread which started it, as PR_SET_PDEATHSIG would; the
 * program dies with the keeper by PR_SET_PDEATHSIG, whose one thread it is. Knows nothing of vtsimd. */
#ifndef VTSIM_HARNESS_KEEPER_H
#define VTSIM_HARNESS_KEEPER_H

#include <signal.h>
#include <sys/types.h>
#include <vtsim/plugin.h>

struct keeper {
    pid_t own;   /* 0: none */
    pid_t pid;   /* the program's */
    int control; /* a socket: signals there, the program's end back; -1: none */
};

/* Runs argv (its first is the program's path; the last is NULL) with these descriptors as its standard input,
 * output and error. They stay the caller's. False, with a message, where there can be no process; that there is
 * no such program is told on `err`, and ends it with 127. */
bool keeper_start(struct keeper *keeper, const char *const *argv, int in, int out, int err,
                  struct vts_error *error);

/* Sends the program a signal; nothing where it has ended. */
void keeper_signal(struct keeper *keeper, int signal_);

/* Waits for its end: an exit status, 128 + the signal that ended it, -1 where nobody knows. False where it
 * still runs after this time. Not to be called again after it was true. */
bool keeper_wait(struct keeper *keeper, int timeout_ms, int *status);

/* After the program's end. */
void keeper_finish(struct keeper *keeper);

#endif
