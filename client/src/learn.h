/* SPDX-License-Identifier: MIT
 *
 * Learns online how long the jobs of one class take, and says when to look at the next one. A learner is
 * shared by all waits for its class; a wait keeps the age of its job, and the first projection of its
 * end where the server tells progress. Pure: no clock, no sockets, no chance of its own. One thread at
 * a time.
 *
 * It remembers the last 256 jobs, each as the interval between the last poll that found it pending and
 * the one that did not. Once in a while (after each job at first, after every eleventh in the end) it
 * makes a guess from these (density.h) and the best plan for that guess (plan.h), for all waits.
 *
 * Jobs change. There are two ways of noticing, which need each other:
 *
 *   - Where a plan leaves a job alone for long, one wait in twenty-two takes a look in between. Nothing
 *     else can tell that jobs of 60 s have become jobs of 10 s, where the first poll comes at 60 s.
 *   - Each new job is compared with what was expected. U, the share of jobs that were to end earlier, is
 *     even over [0, 1] while nothing changes. A bet is made that U is near 0, and another that it is near
 *     1 (the power martingale of Vovk, Nouretdinov and Gammerman, "Testing exchangeability on-line",
 *     ICML 2003, averaged over the interval in which U is known to lie). What they win is summed, from 0
 *     where the sum would be less (CUSUM: Page, "Continuous inspection schemes", Biometrika 41, 1954). A
 *     sum of 7 throws away all that is older than its last 0; jobs that do not change reach it about once
 *     in 10,000. Half of that is a suspicion: every third wait takes a look in between.
 *
 * Cost, counted by callgrind (x86-64, gcc 12 -O2): learn_next 450 instructions; learn_ended 100,000 on
 * average for lognormal jobs and 250,000 for near-fixed ones, in plans of 1.1 and 2.7 million that come
 * with every eleventh job (0.3 ms and 0.7 ms); 3 million at most, and one million more where the number of
 * polls is given. Memory: 106 KB a class, allocated once. */
#ifndef VTSIM_CLIENT_LEARN_H
#define VTSIM_CLIENT_LEARN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct learn;

/* One of the first two is 0. */
struct learn_options {
    double ms_per_poll; /* how many ms of delay a poll is worth, 1 and up */
    double
        polls_per_job; /* about so many polls to a job, 1 and up, where they shorten the delay most */
    double largest_gap_ms; /* no two polls are farther apart; 1 and up */
};

/* What is known about a job that has ended.
 *
 * last_pending_ms: its age at the last poll that found it pending; 0: none did. A server that tells when the
 * job ended is told with last_pending_ms = seen_ms - 1.
 *
 * projected_ms: learn_projected of the first pending poll that gave one; -1: none did. Not of the last one:
 * a server that always says 0.99 is right in the end. */
struct learn_end {
    int64_t last_pending_ms;
    int64_t seen_ms; /* its age at the poll that found it ended */
    int64_t projected_ms;
};

/* NULL: no memory. */
struct learn *learn_create(const struct learn_options *options);
void learn_destroy(struct learn *learn);

/* A job has ended. */
void learn_ended(struct learn *learn, const struct learn_end *end);

/* Nobody waits for a job any more that was pending at this age: abandoned, or past its deadline. */
void learn_censored(struct learn *learn, int64_t age_ms);

/* Enough is known for learn_next, that is, 8 jobs since the beginning or the last change. */
bool learn_is_warm(const struct learn *learn);

/* How long to wait until the next poll of a job that was pending at this age (0: it was just started),
 * in ms, at least 1; -1 where little is known yet. `progress` is what the server says of it, 0 to 1, or
 * below 0; `random` is 64 even bits. Takes O(log n).
 *
 * Progress rescales the wait: a job of 30 s at 0.5 is projected to end at 60 s, and the wait is drawn
 * from the plan's towards that, the more, the truer such projections have been for this class (half of the
 * way, by the logarithms, before any is known). It is no less than a quarter of a poll's worth, or the plan's
 * wait where that is less: a server that stays at 0.99 is not hammered. */
int64_t learn_next(struct learn *learn, int64_t age_ms, double progress, uint64_t random);

/* The same with another wait than the plan's, for jobs of which little is known yet. */
int64_t learn_rescaled(const struct learn *learn, int64_t wait_ms, int64_t age_ms, double progress);

/* When a job that has come so far will end, going on like this; -1: nothing can be said. */
int64_t learn_projected(int64_t age_ms, double progress);

/* What the plan expects, for counters and benches: polls a job, and polls * ms_per_poll + delay in ms;
 * ms_per_poll itself, where it is found from polls_per_job. */
struct learn_expected {
    double polls, cost_ms, ms_per_poll;
};
struct learn_expected learn_expected(const struct learn *learn);

#endif
