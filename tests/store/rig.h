/* SPDX-License-Identifier: MIT
 *
 * A store under test: its clock, its options, what it told, and calls through its door in one line each.
 * Knows no kind of store. */
#ifndef VTSIM_TESTS_STORE_RIG_H
#define VTSIM_TESTS_STORE_RIG_H

#include "suite.h"

/* 2026-01-01T00:00:00Z */
#define T0 INT64_C(1767225600000)

#define RIG_PORTS 8

struct rig {
    const struct suite_kind *kind;
    struct clock clock;
    struct store_options options;
    struct store *store;
    struct text due;         /* "a@10 b@20": the records that were due, and the `now` of each */
    enum record_act due_act; /* RECORD_PUT: completes the job; else what is said */
    _Atomic uint64_t sooner[RIG_PORTS];
};

/* keep_ended is 1,000 ms, max_records a million; change the options before rig_open. */
void rig_init(struct rig *rig, const struct suite_kind *kind, size_t ports);
void rig_open(struct rig *rig);
void rig_finish(struct rig *rig);

void rig_move(struct rig *rig, vts_ms moment);
/* Carries out what is due; with a shared store, until all came of it that can. */
vts_ms rig_run(struct rig *rig, size_t port);
/* What was due since the last time. */
#define assert_due(rig, wanted) rig_assert_due((rig), (wanted), __FILE__, __LINE__)
void rig_assert_due(struct rig *rig, const char *wanted, const char *file, int line);

/* A running job that is due at `wake_at`. */
struct job rig_job(const char *id, vts_ms wake_at);

/* One way through the door. */
struct call {
    struct store_call base; /* first */
    enum record_act act;
    const struct job
        *job; /* what a RECORD_PUT writes; NULL: what was there, one byte of state longer */
    /* What came of it. */
    int runs, dones;
    bool was_there;
    struct text seen; /* the record as it was */
    struct job was;   /* the same, read */
};

void call_init(struct call *call, const char *id, enum record_act act);
void call_finish(struct call *call);
/* Goes through and comes back, however long it takes. */
void call_make(struct call *call, struct rig *rig, size_t port);

/* The same in one: what the store answered. */
enum vts_err rig_put(struct rig *rig, size_t port, const struct job *job);
enum vts_err rig_drop(struct rig *rig, const char *id);
bool rig_has(struct rig *rig, const char *id);
/* The number that this poll got; 0: there is no such job. */
uint64_t rig_poll(struct rig *rig, const char *id);

/* Which record a store lets at which port cares for is its own business: the port that it tells. */
size_t rig_port_of(struct rig *rig, const char *id);

#endif
