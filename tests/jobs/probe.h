/* SPDX-License-Identifier: MIT
 *
 * Plugins whose hooks do what the test under way says, and write down when they were called. One test
 * program, one thread: what the hooks do stands in one global. */
#ifndef VTSIM_TESTS_JOBS_PROBE_H
#define VTSIM_TESTS_JOBS_PROBE_H

#include "driver.h"

struct probe {
    void (*admit)(struct vts_job *);
    void (*start)(struct vts_job *);
    void (*wake)(struct vts_job *);
    void (*poll)(struct vts_job *);
    void (*cancel)(struct vts_job *);
    void (*finish)(struct vts_job *);
    /* "start@0 wake@10 poll#1@12 finish@20": moments from T0 on */
    struct text trace;
};

extern struct probe probe;

/* All hooks, 8 bytes of state. `counting` counts polls; `quiet` has start and wake alone; `bare` has start
 * alone and no state. */
const struct vts_plugin *probe_LTX_vts_plugin(void);
const struct vts_plugin *counting_LTX_vts_plugin(void);
const struct vts_plugin *quiet_LTX_vts_plugin(void);
const struct vts_plugin *bare_LTX_vts_plugin(void);

/* An instance of each, in one set. */
struct probes {
    struct instances instances;
    const struct instance *probe, *counting, *quiet, *bare;
};

void probes_init(struct probes *probes);
void probes_finish(struct probes *probes);

/* Before a test: no hook does anything. */
void probe_reset(void);

/* The hooks called since the last time. */
#define assert_trace(wanted) probe_assert_trace((wanted), __FILE__, __LINE__)
void probe_assert_trace(const char *wanted, const char *file, int line);

/* A failed job's code and message. */
#define assert_failure(life, code, message)                                                        \
    probe_assert_failure((life), (code), (message), __FILE__, __LINE__)
void probe_assert_failure(const struct life *life, const char *code, const char *message,
                          const char *file, int line);

#endif
