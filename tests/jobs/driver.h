/* SPDX-License-Identifier: MIT
 *
 * One job under the engine, without a store: keeps its record as a store would, and checks what every call
 * must leave. Knows nothing of what the tests look for. */
#ifndef VTSIM_TESTS_JOBS_DRIVER_H
#define VTSIM_TESTS_JOBS_DRIVER_H

#include "jobs/engine.h"

/* 2026-01-01T00:00:00Z */
#define T0 INT64_C(1767225600000)

/* Makes an instance of a plugin on its fallbacks. Asserts that it can be. */
const struct instance *driver_instance(struct instances *instances, const char *name,
                                       const struct vts_plugin *plugin);

struct life {
    struct engine engine;
    struct engine_work work;
    struct text record; /* empty: there is no job */
    struct text next;
    uint64_t polls;
    enum record_act act; /* of the last call */
};

void life_init(struct life *life, const struct instances *instances, uint64_t seed);
void life_finish(struct life *life);
/* Forgets the job, keeps the rest. */
void life_forget(struct life *life);

/* Each carries out what the engine says, with the record in memory of its own. `input` may be NULL. */
void life_ask(struct life *life, const struct instance *instance, const char *id, const char *input,
              vts_ms now);
void life_poll(struct life *life, vts_ms now);
void life_cancel(struct life *life, vts_ms now);
void life_advance(struct life *life, vts_ms now);

/* The job as its record has it, valid until the next call. Asserts that there is one. */
struct job life_job(const struct life *life);
/* As text that holds all of a life: state, moments, progress, result, error. Free it. */
char *life_text(const struct life *life);

#endif
