/* SPDX-License-Identifier: MIT
 *
 * What tests of waiting share: a handle on a virtual clock, and a trace that is kept as text, one event a
 * line, so that a test says what was to happen and why. */
#ifndef VTSIM_TESTS_WAITING_H
#define VTSIM_TESTS_WAITING_H

#include <stdbool.h>
#include <stddef.h>

#include <vtsim/client.h>

#define WAITING_ANSWER(text)                                                                       \
    {                                                                                              \
        .status = "200 OK", .body = text                                                           \
    }
#define PENDING   WAITING_ANSWER("{\"job_id\":\"x\",\"status\":\"pending\"}")
#define COMPLETED WAITING_ANSWER("{\"job_id\":\"x\",\"status\":\"completed\"}")
#define STARTED   WAITING_ANSWER("{\"message\":\"Job started\",\"job_id\":\"x\"}")

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The lines of a trace: "250 GET /status retry", "250 200", "wait 500 plan", "250 end". */
struct diary {
    char text[65536];
    size_t used;
    bool whole; /* requests are told with their number of jobs */
};

void diary_note(struct vts_client_operation *operation, const struct vts_client_trace *trace,
                void *arg);

/* Fails the test where the diary does not read so. */
void diary_expect(const struct diary *diary, const char *expected);

/* Options for a server, a virtual clock (NULL: real time) and a plan: a poll each second, without jitter
 * and phase. plan_release gives the plan back. */
void waiting_options(struct vts_client_options *options, const char *url,
                     struct vts_client_clock *clock, struct diary *diary);

/* A plan of its own, for a test that knows to the millisecond what it says: a second, always. */
struct vts_client_plan *waiting_plan(void);

#endif
