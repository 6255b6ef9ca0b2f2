/* SPDX-License-Identifier: MIT
 *
 * Schedules: when to poll next. One schedule is shared by many waits, which keep nothing but the age of
 * their job; it learns from all of them. Pure: the caller says what time it is and how old a job is,
 * and draws the chance. One thread at a time.
 *
 * A wait goes: schedule_first when the job was started; after each poll that found it pending,
 * schedule_next; at the end schedule_ended, or schedule_censored where nobody waits for it any more. */
#ifndef VTSIM_CLIENT_SCHEDULE_H
#define VTSIM_CLIENT_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "learn.h"

enum schedule_kind {
    SCHEDULE_FIXED,       /* first_ms after each poll */
    SCHEDULE_EXPONENTIAL, /* first_ms, first_ms * factor, first_ms * factor^2, ..., cap_ms at most */
    SCHEDULE_BUDGET,      /* about so many polls to a job, where they shorten the delay most */
    SCHEDULE_COST         /* the fewest polls and the least delay, as ms_per_poll weighs them */
};

/* Fill it with schedule_options_init, then change what you like.
 *
 * The last two learn; while they know little, they are exponential. Their chance lies in the plan
 * (plan.h): jitter is for those that do not learn. */
struct schedule_options {
    enum schedule_kind kind;
    double first_ms; /* 1 ms to a day; 500 */
    double factor;   /* 1 to 100; 1.5 */
    double cap_ms;   /* first_ms to a day; 10 s */
    double jitter;   /* 0 to 1; 0.1. A wait is first clamped to the cap and then spread evenly over
                            * +-jitter of that: the other way round, it would vanish at the cap */
    bool phase;      /* whether jobs that are started together are polled apart; true */
    double ms_per_poll;    /* 1 ms to a day; 1 s */
    double polls_per_job;  /* 1 to 1000; 12 */
    double largest_gap_ms; /* 1 ms to a day; 10 min: of those that learn */
};

void schedule_options_init(struct schedule_options *options, enum schedule_kind kind);

/* ---- as words -------------------------------------------------------------------------------- */

/* Reads one of
 *
 *     fixed TIME [jitter PERCENT]
 *     exponential [TIME] [xFACTOR] [max TIME] [jitter PERCENT]
 *     learn [TIME] [max TIME]
 *     budget POLLS [max TIME]
 *
 * where a TIME is a number and a unit (250ms, 1.5s, 2m, 1h, 1d), PERCENT is 0% to 100%, and what is left
 * out is as above: "exponential 500ms x1.5 max 10s jitter 10%", "learn 1s" (a poll is worth a second of
 * delay). The words after the first may come in any order. On failure `problem`, of `size` bytes, says in
 * which column it was, what was found and what would be right. */
bool schedule_parse(struct schedule_options *options, const char *text, char *problem, size_t size);

/* Writes what schedule_parse would read, in full, and returns its length; it is cut off where size does
 * not do (SCHEDULE_TEXT does). */
#define SCHEDULE_TEXT 128
size_t schedule_print(const struct schedule_options *options, char *text, size_t size);

/* ---- as waits -------------------------------------------------------------------------------- */

struct schedule;

/* NULL: no memory. */
struct schedule *schedule_create(const struct schedule_options *options);
void schedule_destroy(struct schedule *schedule);

/* How long to wait from the start of a job, at this moment of the caller's clock, to its first poll.
 *
 * With `phase`, the first wait is drawn evenly from half of its length to one and a half: clients that
 * started together do not stay together. And where this schedule starts many jobs at once, not being a
 * fixed one, the first poll of each comes 5 ms after that of the one before (over a stretch of cap_ms; then
 * from its beginning again). So 1,000 jobs make no more than 80 polls in any 100 ms, and one that is
 * started alone is not kept waiting. One that has learned needs no phase: its plan spreads the polls as
 * far as it costs nothing. */
int64_t schedule_first(struct schedule *schedule, int64_t now_ms, uint64_t random);

/* How long to wait for the next poll of a job that was pending at this age; progress is 0 to 1, or below 0
 * where the server tells none. At least 1 ms.
 *
 * An exponential wait follows from the age alone: first_ms + (factor - 1) * age, which at the k-th poll
 * is first_ms * factor^k. So a poll that came late (Retry-After, a poke) is followed by the wait that suits a
 * job of that age. */
int64_t schedule_next(struct schedule *schedule, int64_t age_ms, double progress, uint64_t random);

/* A job has ended, or is not waited for any more. */
void schedule_ended(struct schedule *schedule, const struct learn_end *end);
void schedule_censored(struct schedule *schedule, int64_t age_ms);

/* The learner, NULL where the schedule does not learn. */
const struct learn *schedule_learn(const struct schedule *schedule);

#endif
