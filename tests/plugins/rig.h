/* SPDX-License-Identifier: MIT
 *
 * A bench for one behaviour: the real engine on an instance made from INI text, with the plugin linked
 * in. Time is a number that the test hands in, so nothing sleeps and every moment is exact. Knows no
 * store, no socket and no thread. */
#ifndef VTSIM_TESTS_PLUGINS_RIG_H
#define VTSIM_TESTS_PLUGINS_RIG_H

#include "behaviours/instance.h"
#include "jobs/engine.h"

/* The moment that the tests' times count from. */
#define RIG_START INT64_C(1000000000000)
#define RIG_NEVER RECORD_NEVER

const struct vts_plugin *fixed_delay_LTX_vts_plugin(void);
const struct vts_plugin *random_failure_LTX_vts_plugin(void);
const struct vts_plugin *scripted_sequence_LTX_vts_plugin(void);

struct rig {
    struct ini ini;
    struct problems problems;
    struct instances instances;
    struct engine engine;
    struct engine_work work;
    struct text next;
    const struct instance *instance;
};

/* A job: its record, as a store would hold it. Zeroed at first. */
struct rig_job {
    struct text record;
    uint64_t polls;
    uint64_t puts; /* times that its record was changed */
};

/* What can be seen of a job at a moment. Its texts live until the job's next event. */
struct rig_view {
    enum vts_state state;
    double progress;
    const char *word; /* the original API's */
    const char *result, *code, *message;
    vts_ms started_at, ended_at, wake_at; /* since RIG_START, or RIG_NEVER */
};

/* Opens `settings`, lines of an INI section. False where they were refused: see rig.problems. */
bool rig_open(struct rig *rig, const struct vts_plugin *plugin, const char *settings,
              uint64_t seed);
/* Opens them, or fails the test. */
void rig_init(struct rig *rig, const struct vts_plugin *plugin, const char *settings);
void rig_finish(struct rig *rig);

/* The events, each `at` ms after RIG_START. */
void rig_start(struct rig *rig, struct rig_job *job, const char *id, vts_ms at);
/* Returns the original API's word as the poll is answered. */
const char *rig_poll(struct rig *rig, struct rig_job *job, vts_ms at);
void rig_cancel(struct rig *rig, struct rig_job *job, vts_ms at);
void rig_advance(struct rig *rig, struct rig_job *job, vts_ms at);
/* Lets it run to its end, by its own wakes. */
void rig_run(struct rig *rig, struct rig_job *job);

struct rig_view rig_view(const struct rig_job *job, vts_ms at);
void rig_job_finish(struct rig_job *job);

/* A job as it comes back from a store: its bytes in memory of their own. */
void rig_copy(struct rig_job *to, const struct rig_job *from);
bool rig_equal(const struct rig_job *a, const struct rig_job *b);

/* Runs a job that is polled at these moments, in their order, and beside it one that between any two
 * events goes through a store and a new process: its bytes are copied, and the behaviour is opened anew.
 * Their records must be the same at each moment. */
void rig_survives(const struct vts_plugin *plugin, const char *settings, const vts_ms *polls,
                  size_t count);

/* The settings must be refused with this one problem, which stands in the file t.ini whose first line is
 * the section's heading. */
void rig_refused(const struct vts_plugin *plugin, const char *settings, const char *problem);

#endif
