/* SPDX-License-Identifier: MIT
 *
 * One life of one job, from the ask to the end and beyond it, under a plan: who polls when, and when it is
 * cancelled. It is kept as the list of what each event left, so that two lives can be compared. Knows of
 * the laws what can be broken within one life: it ends (3), short hooks and final ends (4), progress (5). */
#ifndef VTSIM_TRIAL_LIFE_H
#define VTSIM_TRIAL_LIFE_H

#include "laws.h"
#include "probe.h"

/* ---- the trying of one set of laws ---- */

struct tried {
    const struct laws *laws;
    struct laws_report *report; /* in shared memory */
    const struct instance *like;
    struct probe probe, again; /* the plugin, and its second copy or once more itself */
    struct instance watched, watched_again; /* what is opened again: `like` under the probes */
    uint64_t seed;
    const char
        *setting; /* law 7: under which setting jobs are tried; what breaks is then that law */
    unsigned int laws_set; /* bit n: law n is looked at */
    size_t most_wakes;
    bool bounded;  /* what exceeds most_wakes or LAWS_SPAN breaks law 3 */
    int64_t until; /* of probe_clock(): then no further lives are tried */
    bool no_memory;

    /* Slow hooks: see lone_run. */
    int64_t most_nanoseconds;
    size_t hooks;             /* of the life under way, so far */
    bool slow;                /* one of it was */
    size_t slow_now, slow_at; /* its number, in this run of the life and in the one before */
    const char *slow_hook;
    vts_ms slow_moment;
    int64_t slow_nanoseconds;
    unsigned int strikes, restarts;
};

void tried_init(struct tried *tried, const struct laws *laws, struct laws_report *report,
                struct probe_spot *spot, const struct vts_plugin *again);
/* The same from another instance of the plugin. */
void tried_like(struct tried *tried, const struct instance *like);
/* Whether there is time for more. */
bool tried_goes_on(const struct tried *tried);
/* Notes the first that breaks a law. */
VTS_PRINTF(5, 6)
void tried_broken(struct tried *tried, int law, const char *id, vts_ms moment, const char *format,
                  ...);

/* ---- a life ---- */

enum life_polls { LIFE_UNPOLLED, LIFE_EVERY_SECOND, LIFE_RANDOM };

#define LIFE_STATES ((size_t)1024 * 1024)

struct life;

struct life_plan {
    enum life_polls polls;
    vts_ms span;      /* over which a thousand polls are spread at random */
    vts_ms cancel_at; /* since the ask; RECORD_NEVER: it is not cancelled */
    bool after;       /* it is polled and cancelled after its end, too */
    bool states;      /* the plugin's bytes are kept */
    /* Called before each event; false: it could not. NULL: nothing is done. */
    bool (*between)(struct life *life);
};

/* What one event left. */
struct life_event {
    vts_ms moment, wake_at, started_at, ended_at;
    struct ramp progress;
    uint64_t result, code, message; /* hashes */
    uint64_t answer;                /* of a filter's; 0: none */
    uint32_t draws, waits;
    int32_t status; /* that it told */
    uint16_t asks;
    uint8_t event, state;
};

struct life {
    struct trial_job job; /* first: what a trial shows is found again */
    struct tried *tried;
    struct trial *trial;
    const char *id;
    const struct life_plan *plan;
    struct life_event *events;
    size_t count, room, wakes;
    struct text states; /* the plugin's bytes after each event, as far as LIFE_STATES goes */
    double progress;
    bool cut;     /* at a bound, where another life like it is cut, too */
    bool stopped; /* somewhere: no time, no memory, a hook that was slow */
};

/* Whether what is tried is a filter: then polls and what they are answered belong to a life, too. */
bool life_of_filter(const struct tried *tried);
/* Whether a life hangs on its polls. */
bool life_counts_polls(const struct tried *tried);

/* Opens a trial whose events come to lives. */
bool life_trial(struct tried *tried, struct trial *trial, const struct instance *watched);

void life_init(struct life *life, struct tried *tried, struct trial *trial, const char *id,
               const struct life_plan *plan);
void life_finish(struct life *life);

/* Asks for the job; then, one at a time: the moment of its next wake, and up to it. For lives beside each
 * other. */
void life_ask(struct life *life);
void life_step(struct life *life, vts_ms to);

/* All of it. */
void life_run(struct life *life);

/* A life in an instance of its own. */
struct lone {
    struct trial trial;
    struct life life;
};

/* Runs it, again where a hook was slow: one that is slow each time breaks law 4. `watched` is
 * tried->watched or tried->watched_again. False where it came to no end that could be compared. lone_finish
 * in any case. */
bool lone_run(struct lone *lone, struct tried *tried, const struct instance *watched,
              const char *id, const struct life_plan *plan);
void lone_finish(struct lone *lone);

/* Whether two lives are the same. Where not, `moment` is when they part and `how` says in which way: the
 * first `is_so`, the second `was`. */
bool life_same(const struct life *first, const char *is_so, const struct life *second,
               const char *was, vts_ms *moment, struct text *how);

/* The id of job number `index` (from 0) of `count`; the last is as long as an id can be. `buffer` has
 * RECORD_ID_MAX + 1 bytes. */
const char *life_id(size_t index, size_t count, char *buffer);

/* ---- the laws that take several lives ---- */

/* Tries the laws 1, 3, 4 and 5 on so many jobs, as far as time goes. Returns how many it came to. */
uint64_t lives_try(struct tried *tried, uint64_t seeds, size_t ids);

/* Tries law 2 likewise. Returns on how many jobs it could tell: those whose life hangs on something else
 * than seed and id do not count. */
uint64_t restore_try(struct tried *tried, uint64_t seeds, size_t ids);

/* Tries law 7 on each option. `setting` (of `size` bytes) is told which one it is at. */
void limits_try(struct tried *tried, char *setting, size_t size);

#endif
