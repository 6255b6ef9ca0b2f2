/* SPDX-License-Identifier: MIT
 *
 * When best to poll, given how long jobs take and what a poll is worth: for each age at which a job may be
 * seen to be pending, when to look again. Pure; allocates nothing.
 *
 * A plan makes the expected (polls * cost + delay) of a job as small as can be, the delay being from its
 * end to the poll that sees it. That is the problem of checking a system for a failure that only a check
 * shows (Barlow, Hunter and Proschan, "Optimum checking procedures", J. SIAM 11, 1963). Here it is solved
 * backwards over a few hundred candidate ages (Bellman, "Dynamic programming", 1957). With F the share
 * that has ended, G its integral over the age, and S = 1 - F,
 *
 *     W(i) = min over j > i of  cost * S(i) + G(j) - G(i) - F(i) * (t(j) - t(i)) + W(j)
 *
 * is what is still to be paid after the age t(i), by all jobs, those that have ended by then paying
 * nothing. The best j for i is not beyond the best one for i + 1 (the cost obeys the quadrangle
 * inequality, as F rises), which leaves a few dozen of them to try for each i.
 *
 * Around each best age lies a stretch in which a poll costs next to nothing more. A wait draws its age
 * from there. So the polls of many waits do not come together; and the learner sees other intervals each
 * time, which it needs to find out what lies within them: the plan is best for a guess, and that is
 * wrong. The stretch is shorter on the late side: an early poll finds the job pending at worst, and that
 * tells more than to find it ended. */
#ifndef VTSIM_CLIENT_PLAN_H
#define VTSIM_CLIENT_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "density.h"

#define PLAN_AGES 768

struct plan {
    size_t count;          /* 0: there is no plan */
    double polls, cost_ms; /* expected for a job: the number of polls; polls * cost + delay */
    double at[PLAN_AGES];
    double below[PLAN_AGES], area[PLAN_AGES], left[PLAN_AGES];   /* F, G and W */
    uint16_t early[PLAN_AGES], best[PLAN_AGES], late[PLAN_AGES]; /* where to poll from there */
};

/* Sets the candidates for a guess. */
void plan_ages(struct plan *plan, const struct density *density);

/* Finds the best among them, a poll being worth this delay. `slack` is the share of a poll's own cost and
 * delay that its draw may lose. */
void plan_choose(struct plan *plan, double cost_ms, double slack);

/* The age of the next poll of a job that is pending at this one, at least least_ms later; `uniform` in
 * [0, 1) draws it. 0: the plan knows of no job as old as this. */
double plan_next(const struct plan *plan, double age_ms, double least_ms, double uniform);

#endif
