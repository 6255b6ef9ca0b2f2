/* SPDX-License-Identifier: MIT
 *
 * What the files of the preview share: one job's life from its first ask to its end (preview_life.c), the
 * sums over all lives (preview_sums.c), and what each form of output makes of them. Jobs that share slots live
 * beside each other (preview_crowd.c), as those do that show a filter (preview_filter.c); all others one after the
 * other. All moments are spans since the first ask
 * (of all, where they live beside each other), so that nothing here depends on a date. */
#ifndef VTSIM_TOOLS_PREVIEW_H
#define VTSIM_TOOLS_PREVIEW_H

#include <stdio.h>

#include "../trial/trial.h"
#include "tools.h"

/* ---- one life ---- */

/* What is done for one job, at the most, before it is given up. */
#define PREVIEW_ASKS_MAX  100
#define PREVIEW_WAKES_MAX 10000
#define PREVIEW_POLLS_MAX 100000

/* How often jobs that polls move are polled, and how long a client waits after a refusal that names no
 * Retry-After. */
#define PREVIEW_POLL_SPAN  1000
#define PREVIEW_RETRY_SPAN 1000

/* What a filter is shown with: jobs come so far apart unless told otherwise, and are polled so often. */
#define PREVIEW_FILTER_EVERY 1000
#define PREVIEW_FILTER_POLLS 10

enum preview_outcome {
    PREVIEW_COMPLETED,
    PREVIEW_FAILED,
    PREVIEW_CANCELLED,
    PREVIEW_WAITING,    /* for nothing that can come: it ends only by a cancel */
    PREVIEW_UNFINISHED, /* not ended after all its wakes and polls */
    PREVIEW_REFUSED,    /* never let in */
    PREVIEW_OUTCOMES
};

/* Outcomes below this are ends, and have a duration. */
#define PREVIEW_ENDS PREVIEW_WAITING

/* The word for programs. */
const char *preview_outcome_name(enum preview_outcome outcome);

struct preview_life {
    enum preview_outcome outcome;
    vts_ms start, end; /* RECORD_NEVER: that did not come */
    bool granted;      /* it was granted a slot, after it had waited so long */
    vts_ms waited;
    double progress; /* at the end, or when it was looked at last */
    uint64_t polls;
    uint32_t refusals; /* starts refused */
    vts_ms
        retry_after; /* what the first refusal asked for, in whole seconds; RECORD_NEVER: nothing */
    bool bent;       /* the start was accepted by an answer that the behaviour bent */
    struct bytes code, message; /* of a failure; valid until the job's next event */
};

/* `preview-N`: the N-th job's id, from 1. */
#define PREVIEW_ID_ROOM 32
void preview_id(uint64_t number, char id[PREVIEW_ID_ROOM]);

/* Before anything came of a job. */
extern const struct preview_life preview_no_life;

/* Asks for the job at this moment, and tells when to ask again: RECORD_NEVER where it was let in, or refused for
 * good. False where there was no memory. */
bool preview_ask(struct trial *trial, struct trial_job *job, const char *id, vts_ms at,
                 struct preview_life *life, vts_ms *again);
/* What came of a job that is let alone from now on. */
bool preview_note(const struct trial_job *job, struct preview_life *life);

/* Lets so many jobs live beside each other, in a trial that saw none yet; they come this far apart. Tells each of
 * them, in their order, when all are over. False where there was no memory, or `told` says so. */
bool preview_crowd(struct trial *trial, uint64_t jobs, vts_ms every,
                   bool (*told)(void *arg, uint64_t number, const struct preview_life *life),
                   void *arg);
/* Which of them an event of that trial is of. */
uint64_t preview_crowd_number(const struct trial_job *job);

/* Lets a job that is not there yet live, as its client would see it. False where there was no memory. */
bool preview_live(struct trial *trial, struct trial_job *job, const char *id,
                  struct preview_life *life);

/* ---- sums ---- */

struct preview_spans {
    vts_ms *at;
    size_t count, room;
};

struct preview_code {
    struct text code, message; /* the message of the first such failure */
    uint64_t count;
};

/* Codes told apart; failures of others are only counted. */
#define PREVIEW_CODES_MAX 16

struct preview_sums {
    uint64_t jobs, outcomes[PREVIEW_OUTCOMES];
    uint64_t first[PREVIEW_OUTCOMES]; /* the number of the first such job; 0: there is none */
    struct preview_spans spans[PREVIEW_ENDS], all; /* durations; `all` from preview_sums_end */
    struct preview_spans line;                     /* from the start to the first slot */
    struct preview_code codes[PREVIEW_CODES_MAX];
    size_t code_count;
    uint64_t other_codes;
    uint64_t refused_jobs, refusals, bent, polls;
    vts_ms retry_least, retry_most; /* of first refusals; RECORD_NEVER: none told */
};

void preview_sums_init(struct preview_sums *sums);
/* Adds job number sums->jobs + 1. False where there was no memory. */
bool preview_sums_add(struct preview_sums *sums, const struct preview_life *life);
/* No more jobs: sorts. False where there was no memory. */
bool preview_sums_end(struct preview_sums *sums);
void preview_sums_finish(struct preview_sums *sums);

/* False where there was no memory. The spans' memory is for free(). */
bool preview_spans_add(struct preview_spans *spans, vts_ms span);
void preview_spans_sort(struct preview_spans *spans);

/* By nearest rank: p90 is the smallest span that at least 90 % of all do not exceed. */
struct preview_quantiles {
    vts_ms min, p10, p50, p90, p99, max;
    double mean;
};

/* Of sorted spans; there is at least one. */
void preview_quantiles(const struct preview_spans *spans, struct preview_quantiles *quantiles);

/* A bucket has what is from <= span < to. */
struct preview_bucket {
    vts_ms from, to; /* to is RECORD_NEVER in a last one that takes the tail */
    uint64_t count;
};

#define PREVIEW_BUCKETS_MAX 16

struct preview_histogram {
    size_t count;
    struct preview_bucket buckets[PREVIEW_BUCKETS_MAX + 1];
};

/* Of sorted spans: buckets of one width, a number that people like, from the smallest span to the largest.
 * Where few are much longer than all others, those share a bucket at the end. None: no buckets. */
void preview_histogram(const struct preview_spans *spans, struct preview_histogram *histogram);

/* ---- timelines ---- */

/* What an event left of a job. */
struct preview_point {
    vts_ms at;
    enum vts_state state;
    struct ramp progress; /* its `since` a date, as in records */
};

/* One job's life as it can be drawn. */
struct preview_timeline {
    uint64_t number; /* where jobs live beside each other */
    char id[PREVIEW_ID_ROOM];
    struct preview_life life; /* its texts are not valid any more */
    vts_ms last;              /* when its last event was */
    struct preview_point *points;
    size_t count, room;
    bool failed; /* no memory */
};

/* The first jobs, and the first of each outcome that none of those has. */
#define PREVIEW_TIMELINES_FIRST 8
#define PREVIEW_TIMELINES_MAX   (PREVIEW_TIMELINES_FIRST + PREVIEW_OUTCOMES - 1)

struct preview_timelines {
    struct preview_timeline all[PREVIEW_TIMELINES_MAX];
    size_t count;
};

/* Lives those lives once more. False where there was no memory; finish is called in any case. */
bool preview_timelines_init(struct preview_timelines *timelines, const struct preview_sums *sums,
                            const struct instance *instance, uint64_t seed, vts_ms every,
                            struct vts_error *error);
void preview_timelines_finish(struct preview_timelines *timelines);

/* The time that there is to draw: to the end of the life that goes farthest, and beyond it where a job
 * goes on. A second, where nothing takes time. */
vts_ms preview_timelines_span(const struct preview_timelines *timelines);
/* Its state and progress at a moment since the first ask; VTS_ASKED before it was let in. */
enum vts_state preview_timeline_at(const struct preview_timeline *timeline, vts_ms at,
                                   double *progress);

/* ---- output ---- */

/* What a page or an object is made of. */
struct preview_report {
    const char *behaviour, *plugin;
    uint64_t seed;
    const struct preview_sums *sums;
    const struct preview_timelines *timelines; /* the page alone has them */
    bool slots;                                /* jobs share slots, */
    vts_ms every;                              /* and come this far apart */
};

/* The terminal's, or 80. */
int preview_columns(void);
/* Whether blocks can be shown: the locale's characters are UTF-8. */
bool preview_blocks(void);

void preview_page(const struct preview_report *report, int columns, bool blocks, struct text *out);
void preview_json(const struct preview_report *report, struct text *out);
/* Of sorted spans, as an object; null where there are none. */
void preview_json_quantiles(const struct preview_spans *spans, struct text *out);
extern const char preview_csv_head[];
void preview_csv_line(const char *id, const struct preview_life *life, struct text *out);

/* Sends requests through a filter, which the trial has and saw none yet, and adds what it made of them in the
 * form that is wanted. False where there was no memory. */
bool preview_filter(struct trial *trial, const struct preview *preview, struct text *out);

/* A span as people write it, without loss: 250ms, 8.3s, 2m05s, 1h05m, 1d03h. Returns `buffer`. */
#define PREVIEW_SPAN_ROOM 48
const char *preview_span(vts_ms span, char buffer[PREVIEW_SPAN_ROOM]);
/* The same, rounded to what matters at its size. */
const char *preview_span_about(vts_ms span, char buffer[PREVIEW_SPAN_ROOM]);
/* "18.8%", "<0.1%", ">99.9%". */
const char *preview_share(uint64_t part, uint64_t whole, char buffer[PREVIEW_SPAN_ROOM]);

#endif
