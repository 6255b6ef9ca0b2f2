/* SPDX-License-Identifier: MIT
 *
 * The seven laws that a behaviour keeps, tried on a plugin that was opened: many lives of many jobs under
 * the real engine in virtual time, and a look into the module's file. Says of each law whether it held, and
 * where it was broken the seed, the job and the moment that show it.
 *
 * 1  The same seed and id give the same life: polled never, once a second or a thousand times at random
 *    moments; alone or among others in one instance, whatever the order (one that is .serial only alone:
 *    it may hang on the order of the starts, as a queue does). One that counts polls gives the same life
 *    to the same polls.
 * 2  A record that is stored and restored at any moment, to go on in another process, goes on unchanged.
 * 3  Every job ends within LAWS_WAKES wakes and LAWS_SPAN, or waits as the behaviour declared.
 * 4  No hook takes longer than LAWS_HOOK_MS; after the end only answers change.
 * 5  Progress never goes down and stays in 0 to 1.
 * 6  The module's file: see module.h.
 * 7  Each option's fallback reads; its limits are taken and kept at both ends, and jobs keep the laws there.
 *
 * A filter is tried around a behaviour of no ways of its own: law 1 is then that the same requests of the same
 * job at the same moments get the same answers, and law 4 that no hook tries to move a job; the laws 2, 3 and
 * 5 have nothing to say of it.
 *
 * Hooks run in a forked child, so that one that crashes or never returns is a broken law and no more. Call
 * it while the process has one thread. */
#ifndef VTSIM_TRIAL_LAWS_H
#define VTSIM_TRIAL_LAWS_H

#include "trial.h"

/* How much is tried unless something else is said. */
#define LAWS_SEEDS 8
#define LAWS_IDS   16

/* The bounds. A hook that took longer than LAWS_HOOK_MS is tried again before it breaks a law: the machine
 * may be busy. After LAWS_HANG_MS it is taken for endless. */
#define LAWS_WAKES   100000                      /* of one job */
#define LAWS_SPAN    (INT64_C(36525) * 86400000) /* from start to end: a hundred years */
#define LAWS_HOOK_MS 10
#define LAWS_HANG_MS 5000

/* For each of the parts (lives, restored lives, limits): no further jobs are begun then. The second where
 * hooks were seen to be slow. */
#define LAWS_BUDGET_MS 10000
#define LAWS_SLOW_MS   1000

#define LAW_COUNT 7

struct laws {
    /* Opened; it is opened again as often as needed, and not used itself. */
    const struct instance *like;
    const char *module; /* its file, for the laws 2 and 6; NULL: linked in, law 6 is passed over */
    /* 0: as above. */
    uint64_t seeds; /* 1, 2 and so on */
    size_t ids;     /* of each seed */
    vts_ms hang_ms, budget_ms;
};

enum law_verdict { LAW_NOT_TRIED, LAW_HOLDS, LAW_BROKEN };

/* What came of one law. Plain data. */
struct law_result {
    enum law_verdict verdict;
    /* Where it is broken. */
    uint64_t seed;
    char id[RECORD_ID_MAX + 1]; /* "": no job shows it (law 6, and 7 where a setting is refused) */
    vts_ms moment;              /* since the job was asked for */
    /* What was seen: one line. Where it was not tried: why. */
    char message[1024];
};

struct laws_report {
    struct law_result of[LAW_COUNT + 1]; /* by the law's number; the first is not used */
    uint64_t
        jobs; /* that were seen to their end for the laws 1, 3, 4 and 5: seeds times ids at the most */
};

/* Tries all laws. False, with a message, where they could not be tried: no memory, no process. A broken law
 * is no error: see the report. */
bool laws_check(const struct laws *laws, struct laws_report *report, struct vts_error *error);

/* Whether none is broken. */
bool laws_hold(const struct laws_report *report);

/* "same seed, same life" */
const char *laws_name(int law);

/* Adds one law's line, without a line end: "law 3 (every job ends): seed 2, job vet-17, at 35.000 s: ...",
 * "law 3 (every job ends): holds", "law 6 (...): not tried: ...". */
void laws_line(const struct laws_report *report, int law, struct text *out);

#endif
