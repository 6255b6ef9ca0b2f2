/* SPDX-License-Identifier: MIT
 *
 * One behaviour under the real engine, in virtual time: no store, no socket, no thread, no waiting. A
 * trial's job is its record, as a store would hold it; whoever runs it says at which moments events come,
 * and sees each of them. What looks at behaviours without serving them is built on this: the laws, the
 * preview, the test harness.
 *
 * Moments must not go back within one job; different jobs of a trial may be at different moments. Not for
 * use from two threads at once. */
#ifndef VTSIM_TRIAL_TRIAL_H
#define VTSIM_TRIAL_TRIAL_H

#include "../jobs/engine.h"

/* Where trials begin unless told otherwise: 2026-01-01T00:00:00Z. */
#define TRIAL_START INT64_C(1767225600000)

struct trial_job {
    struct text record; /* empty: this id was never asked for */
    uint64_t polls;
};

enum trial_event { TRIAL_ASK, TRIAL_WAKE, TRIAL_POLL, TRIAL_CANCEL };

/* One event of one job, after it was carried out. Valid during the call. */
struct trial_seen {
    enum trial_event event;
    vts_ms moment;
    const struct job *job;           /* as it is now */
    const struct vts_answer *answer; /* how its client's answer is bent; NULL: not at all */
    bool refused;                    /* TRIAL_ASK: the start was refused, by `answer` */
    bool exists;                     /* TRIAL_ASK: the id is taken */
    bool kept;                       /* the record was changed: a store would have to write it */
};

struct trial {
    struct instances instances;      /* it, and the filters around it */
    const struct instance *instance; /* the behaviour of its jobs */
    const struct instance
        *filter; /* a filter that is tried by itself, around a behaviour whose jobs take
                                      * an hour each; else NULL */
    struct engine engine;
    struct engine_work work;
    struct text next;
    /* Called after each event; NULL: nobody looks. */
    void (*see)(void *arg, struct trial_job *job, const struct trial_seen *seen);
    void *arg;
};

/* Opens the behaviour of `like` once more, with the same settings and data of its own. False, with a
 * message, where it cannot be opened. trial_finish is called in any case. */
bool trial_init(struct trial *trial, const struct instance *like, uint64_t seed,
                struct vts_error *error);
/* The same with an instance of the caller's, which it takes over. */
bool trial_take(struct trial *trial, struct instance *instance, uint64_t seed,
                struct vts_error *error);
void trial_finish(struct trial *trial);

/* What is tried: the behaviour, or the filter. */
const struct instance *trial_subject(const struct trial *trial);

/* Events, each at its moment. All wakes that are due by then come first, each at its own. False where there
 * was no memory, or to a poll and a cancel there is no such job: it is as it was. Ask may be called again
 * after a refusal. */
bool trial_ask(struct trial *trial, struct trial_job *job, const char *id, const char *input,
               vts_ms at);
bool trial_poll(struct trial *trial, struct trial_job *job, vts_ms at);
bool trial_cancel(struct trial *trial, struct trial_job *job, vts_ms at);

/* Runs the wakes that are due by this moment. */
bool trial_advance(struct trial *trial, struct trial_job *job, vts_ms to);

/* Lets it run by its own wakes until it has ended or waits for something else, `most` wakes at the most,
 * and adds those that ran to *wakes (NULL: nobody counts). */
bool trial_run(struct trial *trial, struct trial_job *job, size_t most, size_t *wakes);

/* The job as its record has it, valid until the next event. False where there is none. */
bool trial_look(const struct trial_job *job, struct job *out);

/* When it wakes next; RECORD_NEVER: it does not by itself. */
vts_ms trial_wake_at(const struct trial_job *job);

/* Makes room for another job, and keeps the memory. */
void trial_job_reset(struct trial_job *job);
void trial_job_finish(struct trial_job *job);

#endif
