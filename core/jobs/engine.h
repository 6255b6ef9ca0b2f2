/* SPDX-License-Identifier: MIT
 *
 * The rules of a job's life. Every function here takes a record, moves it by events that each carry
 * their own moment, and leaves the new record in the work's `next`: no sockets, no store, no locks, no
 * time of its own. So a function can be run again on a newer record, and a test needs nothing else.
 *
 * Before anything else a call carries out the wakes that are due by `now`, each at its own moment.
 *
 * The filters around a behaviour are asked before it is: for a start before its admit, for a poll before
 * its poll. Where one of them answers in the service's place, the behaviour is not asked: it is as if the
 * request had never reached it, but that its number was counted. */
#ifndef VTSIM_JOBS_ENGINE_H
#define VTSIM_JOBS_ENGINE_H

#include "../behaviours/host.h"
#include "record.h"

/* Hooks that may run in one moment of one job before it is taken for endless and failed. */
#define ENGINE_HOOKS_PER_MOMENT 1000

/* The slots of the job's instance, as the call finds them. */
struct engine_slots {
    uint64_t free, waiting;
};

struct engine {
    uint64_t seed;
    const struct instances *instances;
};

/* What one thread works with: memory that is used again, the job under way, and what came of it. */
struct engine_work {
    const struct engine *engine;
    struct text *next; /* where a changed record is left; the caller's */
    /* The caller's, who keeps the order of the job's instance (slots.h). NULL: there are no slots. */
    const struct engine_slots *slots;
    struct bytes
        idempotency; /* a start's, kept with its job: as in struct job, or none; the caller's */

    /* What came of the call. */
    enum vts_err err;         /* VTS_ERR_EXISTS, VTS_ERR_MEMORY, VTS_ERR_DAMAGED */
    bool bent;                /* the client is to be told `answer` */
    bool refused;             /* the start was refused, by `answer` */
    bool ended;               /* the job ended in this call */
    bool moved;               /* something of it changed */
    struct vts_answer answer; /* valid until the next call; its word is `word` */
    /* Whose answer that is above all, a behaviour's or a filter's: the first that answers in the service's place,
     * else the first that bends the body, else the first that says anything. Where it is bent. */
    const struct instance *teller;

    /* Used inside. */
    struct job job; /* where a call left a record: what is in it */
    bool granting;
    const struct instance *instance;
    struct hook_texts texts;
    struct text plugin_state, word;
    int teller_says; /* how grave */
    char id[RECORD_ID_MAX + 1];
};

void engine_work_init(struct engine_work *work, const struct engine *engine);
void engine_work_finish(struct engine_work *work);

/* A client asks to start a job. `old` is NULL, or the record of that id: refused so far, or there
 * already (VTS_ERR_EXISTS). `input` is JSON, or has no bytes. */
enum record_act engine_start(struct engine_work *work, const struct record *old,
                             const struct instance *instance, struct bytes id, struct bytes input,
                             vts_ms now);

/* The record of a start that was not even asked for: hidden, it keeps the work's `idempotency` until it
 * expires. There is no record of this id. */
enum record_act engine_ask(struct engine_work *work, const struct instance *instance,
                           struct bytes id, vts_ms now);

/* A client asks for its status, for the polls-th time. */
enum record_act engine_poll(struct engine_work *work, const struct record *old, uint64_t polls,
                            vts_ms now);

/* A client asks to stop it. One that has ended stays as it is. */
enum record_act engine_cancel(struct engine_work *work, const struct record *old, vts_ms now);

/* How somebody wants a job to end, whatever its behaviour had in mind. */
struct engine_end {
    enum vts_state state;       /* VTS_COMPLETED or VTS_FAILED */
    struct bytes result;        /* of a completed one: JSON, or none */
    struct bytes code, message; /* of a failed one */
};

/* A hand ends it now. One that has ended stays as it is: VTS_ERR_EXISTS. */
enum record_act engine_finish(struct engine_work *work, const struct record *old,
                              const struct engine_end *end, vts_ms now);

/* Time has come to `now`. */
enum record_act engine_advance(struct engine_work *work, const struct record *old, vts_ms now);

/* A job that waits for a slot is granted one at this moment; one that does not stays as it is. */
enum record_act engine_grant(struct engine_work *work, const struct record *old, vts_ms now);

#endif
