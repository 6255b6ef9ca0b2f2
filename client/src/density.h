/* SPDX-License-Identifier: MIT
 *
 * How long jobs take, guessed from what a poller can know: that an end lay between two of its polls. The
 * guess is a density that is even within each of many pieces. Pure; allocates nothing.
 *
 * A guess is made in three steps.
 *
 * 1. A few rounds of the self-consistency algorithm for intervals (Turnbull, "The empirical distribution
 *    function with arbitrarily grouped, censored and truncated data", JRSS B 38, 1976), which is an EM
 *    algorithm: the mass of each observation is spread over its interval in proportion to what all of
 *    them say together. So ends that all lie in 10 s to 10.1 s are found, though no poller has ever seen
 *    an interval that short. The rounds begin with the last guess: what jobs do within an interval that
 *    nobody looks into any more stays as it was last seen. A trace of each observation, spread evenly, is
 *    added, since what has no mass can get none.
 * 2. The result is cut into parts of equal mass, and each of these is smeared over the distance to its near
 *    neighbours (Loftsgaarden and Quesenberry, "A nonparametric estimate of a multivariate density
 *    function", Ann. Math. Stat. 36, 1965). Without it the rounds would end in spikes, and a plan would
 *    follow the sample's noise; smoothing among the rounds is what Silverman, Jones, Wilson and Nychka do
 *    ("A smoothed EM approach to indirect estimation problems", JRSS B 52, 1990). The distance to
 *    neighbours has no scale of its own: 100 ms at 10 s and 40 s at 60 s come out alike. It is bounded by a
 *    share of the age, so that nothing is smeared from one mode into the next.
 * 3. Somewhat more than one observation's worth is put where none has been seen: before the first, and
 *    in tails without a scale, beyond the last and beyond some quantiles (a stray observation far off shall
 *    not mean that the others never come a little later). It is not part of what the next rounds begin
 *    with, where it would grow. */
#ifndef VTSIM_CLIENT_DENSITY_H
#define VTSIM_CLIENT_DENSITY_H

#include <stddef.h>

#define DENSITY_OBSERVATIONS 256 /* at most, for one guess */
#define DENSITY_POINTS       128 /* parts of equal mass */
#define DENSITY_TAILS        4   /* where tails begin, */
#define DENSITY_TAIL         12  /* and pieces of each at most */
#define DENSITY_BOXES        (DENSITY_OBSERVATIONS + DENSITY_POINTS)
#define DENSITY_PIECES       (2 * DENSITY_BOXES)

/* What a guess has of these, at most: two edges of each smeared point and of each unseen piece. */
#define DENSITY_GUESS_PIECES (2 * (DENSITY_POINTS + DENSITY_TAILS * DENSITY_TAIL + 1))

/* A job was pending at the age `from_ms`, and no longer at `to_ms`: INFINITY where nobody looked again.
 * from_ms >= 0, and to_ms >= from_ms + 1. */
struct interval {
    double from_ms, to_ms;
};

/* Piece i holds mass[i], evenly between edge[i] and edge[i + 1]; below[i] is the mass of those before
 * it. The masses are 1 together; edge[0] of a guess is 0. */
struct density {
    size_t count;
    double edge[DENSITY_PIECES + 1], mass[DENSITY_PIECES], below[DENSITY_PIECES + 1];
};

/* Mass that is spread evenly. */
struct density_box {
    double from, to, mass;
};

/* Zeroed, it knows nothing. */
struct density_guess {
    struct density all;                      /* the guess */
    struct density_box seen[DENSITY_POINTS]; /* it without what was not seen: for the next one */
    size_t seen_count;
};

/* Room to work in, so that nothing is allocated; many guesses may share it, one after the other. */
struct density_work {
    struct density spread;
    struct density_box boxes[DENSITY_BOXES];
    struct density_step {
        double at, slope;
    } steps[DENSITY_PIECES];
    double gain[DENSITY_PIECES + 1];
    size_t first[DENSITY_OBSERVATIONS], end[DENSITY_OBSERVATIONS]; /* pieces under an observation */
    double points[DENSITY_POINTS];
};

/* Makes the next guess, from 1 to DENSITY_OBSERVATIONS observations. */
void density_guess_next(struct density_guess *guess, const struct interval *intervals, size_t count,
                        struct density_work *work);

/* The share of jobs that have ended at this age. */
double density_below(const struct density *density, double age_ms);

/* The age at which this share (0 to 1) has ended. */
double density_quantile(const struct density *density, double share);

#endif
