/* SPDX-License-Identifier: MIT
 *
 * Plans: when to poll a job again. The counted objects of client.h on the pure schedules of schedule.h,
 * one for each class of jobs, behind a lock. Knows no clock and no sockets. */
#ifndef VTSIM_CLIENT_PLANS_H
#define VTSIM_CLIENT_PLANS_H

#include <stdbool.h>
#include <stdint.h>

#include <vtsim/client.h>

#define PLAN_MAX_MS    INT64_C(86400000) /* a day */
#define PLAN_CLASS_MAX 64

/* The plan of options that name none: learns with cost_ms after an exponential one, which is all where
 * cost_ms is 0. NULL with *error filled. */
struct vts_client_plan *plans_of_options(const struct vts_client_options *options,
                                         struct vts_client_error *error);

/* What it is asked with, beside what a plan of the user's is told. */
struct plan_question {
    struct vts_client_plan_view view;
    uint64_t random; /* the 64 bits that view.random is made of */
    int64_t now_ms;
    bool first; /* nothing was planned for this job yet */
    bool aged;  /* view.age_ms is the job's, and not only the wait's */
};

/* The wait until the next poll, from 1 to PLAN_MAX_MS. */
int64_t plans_next(struct vts_client_plan *plan, const struct plan_question *question);

/* How a job went whose age is known, for those that learn. */
struct plan_lesson {
    const char *job_class;
    int64_t pending_ms;   /* its age when it was last known to be pending */
    int64_t projected_ms; /* the first plans_projected that there was; -1: there was none */
    int64_t ended_ms;     /* its age when it was known to have ended; -1: nobody waits any more */
};
void plans_learn(struct vts_client_plan *plan, const struct plan_lesson *lesson);

/* When a job of this age and progress may end, as far as that can be said; -1: it cannot. */
int64_t plans_projected(int64_t age_ms, double progress);

#endif
