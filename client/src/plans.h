/* SPDX-License-Identifier: MIT
 *
 * Plans: when to poll a job again. The counted objects of client.h on the pure mathematics below them.
 * Knows no clock and no sockets. */
#ifndef VTSIM_CLIENT_PLANS_H
#define VTSIM_CLIENT_PLANS_H

#include <stdbool.h>
#include <stdint.h>

#include <vtsim/client.h>

#define PLAN_MAX_MS    INT64_C(86400000) /* a day */
#define PLAN_CLASS_MAX 64

/* The plan of options that name none: learns with cost_ms after an exponential one, which is all where
 * cost_ms is 0. NULL with *error filled. */
struct vts_client_plan *plan_of_options(const struct vts_client_options *options,
                                        struct vts_client_error *error);

/* The wait until the next poll, from 1 to PLAN_MAX_MS. `step` says how often the plan was asked for this
 * job before: a poll that failed is none. */
int64_t plan_next(struct vts_client_plan *plan, const struct vts_client_plan_view *view,
                  unsigned int step);

/* A job was pending at the age pending_ms and had ended at ended_ms. */
void plan_learn_end(struct vts_client_plan *plan, const char *job_class, int64_t pending_ms,
                    int64_t ended_ms);

/* A job is given up at this age, still pending. */
void plan_learn_pending(struct vts_client_plan *plan, const char *job_class, int64_t age_ms);

#endif
