/* SPDX-License-Identifier: MIT
 *
 * Runs a function in a forked child, watches the hook that it is in, and tells how it ended: by itself,
 * by a crash, or hanging in one hook. Knows processes; knows no law and no plugin. */
#ifndef VTSIM_TRIAL_GUARD_H
#define VTSIM_TRIAL_GUARD_H

#include "probe.h"

enum guard_kind {
    GUARD_DONE,    /* the function returned */
    GUARD_CRASHED, /* a signal ended it: `number` */
    GUARD_EXITED,  /* something in it ended the process: exit status `number` */
    GUARD_HUNG     /* one hook took longer than the bound, and it was killed */
};

struct guard_end {
    enum guard_kind kind;
    int number;
};

/* `spot` must lie in memory that the child shares (guard_memory). The child's standard output is closed
 * and its log silent. False, with a message, where there is no child. */
bool guard_run(void (*function)(void *arg), void *arg, const struct probe_spot *spot,
               vts_ms hang_ms, struct guard_end *end, struct vts_error *error);

/* Zeroed memory that children share. NULL where there is none. */
void *guard_memory(size_t size);
void guard_release(void *memory, size_t size);

/* "crashed (SIGSEGV)", "ended the process (exit status 1)", "took longer than 5000 ms: ..." */
void guard_tell(const struct guard_end *end, vts_ms hang_ms, struct text *out);

#endif
