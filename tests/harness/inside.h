/* SPDX-License-Identifier: MIT
 *
 * What the files of the harness share: a harness and a job from inside. Not installed. */
#ifndef VTSIM_HARNESS_INSIDE_H
#define VTSIM_HARNESS_INSIDE_H

#include <vtsim/harness.h>

#include "trial/trial.h"

struct entry {
    struct vts_harness_job seen; /* what the test sees; first */
    struct vts_harness *harness;
    struct trial_job job;
    char *id;
    struct text history, word;
    size_t forgotten; /* lines that the history has lost */
    struct vts_answer answer;
};

struct vts_harness {
    struct trial *trial; /* by itself, because it does not move */
    vts_ms begin, now;   /* the date; ms since then */
    char *module;        /* the file that it was loaded from; NULL: it is linked in */
    struct entry **jobs;
    size_t count, room;
    struct vts_harness_place made; /* where, and how failures are told there */
    vts_harness_fail_fn *fail;
    void *fail_arg;
};

static inline struct entry *harness_entry(const struct vts_harness_job *job)
{
    return (struct entry *)(uintptr_t)job;
}

/* ---- harness.c ---- */

/* Ms since the beginning; VTS_HARNESS_NEVER where there is no such moment. */
vts_ms harness_moment(const struct vts_harness *harness, vts_ms date);

/* ---- view.c ---- */

/* Takes over what an event has left of a job: into what the test sees, and into the history. */
void harness_see(void *arg, struct trial_job *job, const struct trial_seen *seen);
/* Brings it up to date with the time. */
void harness_refresh(struct entry *entry);
/* A line of history for what is no event of the engine's, or does not reach it. */
VTS_PRINTF(2, 3) void harness_note(struct entry *entry, const char *format, ...);
/* "running 40%; wakes at 10000" */
void harness_describe(const struct entry *entry, struct text *out);

/* ---- fail.c ---- */

/* Tells of a failure; `text` is finished by it. Always false. */
bool harness_fail(const struct vts_harness *harness, const struct vts_harness_place *place,
                  struct text *text);
/* The same for a call that cannot be right or was not possible. */
VTS_PRINTF(2, 3)
bool harness_refuse(const struct vts_harness *harness, const char *format, ...);
/* Where there is no harness. */
bool harness_fail_at(const struct vts_harness_place *place, const char *text);

#endif
