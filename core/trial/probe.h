/* SPDX-License-Identifier: MIT
 *
 * A plugin's record whose hooks are watched: where a hook is, how long it took, what nonsense it talked.
 * Instances opened from a probe's plugin behave as those of the plugin itself. Knows no law. */
#ifndef VTSIM_TRIAL_PROBE_H
#define VTSIM_TRIAL_PROBE_H

#include <stdatomic.h>

#include "trial.h"

/* Where the hook is that runs now, or that ran last. May lie in memory that another process looks at; the
 * texts are then read when this process has ended, or hangs in the hook. */
struct probe_spot {
    atomic_uint steps;          /* goes up at each hook's begin and end: odd inside of one */
    const char *hook;           /* "wake", "open"; NULL: none ran yet */
    uint64_t seed;              /* written by whoever runs the jobs */
    vts_ms moment;              /* since TRIAL_START */
    char id[RECORD_ID_MAX + 1]; /* "" in open and close */
};

/* One hook of a job, after it returned. */
struct probe_seen {
    const char *hook;
    const char *id;
    vts_ms moment;       /* since TRIAL_START */
    int64_t nanoseconds; /* that it took */
    unsigned int warned; /* enum instance_warning, or'ed: the nonsense of this call */
    bool ended;          /* the job had ended before */
};

struct probe {
    struct vts_plugin plugin; /* what instances are opened from; first */
    const struct vts_plugin *real;
    struct probe_spot *spot;
    void (*see)(void *arg, const struct probe_seen *seen);
    void *arg;
};

/* The probe is neither moved nor let go of while instances of it are open. */
void probe_init(struct probe *probe, const struct vts_plugin *real, struct probe_spot *spot);

/* A clock that only goes forward, in nanoseconds: how long hooks take, never what they see. */
int64_t probe_clock(void);

#endif
