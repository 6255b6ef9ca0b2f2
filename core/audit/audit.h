/* SPDX-License-Identifier: MIT
 *
 * What is known of how clients ask: what each start and poll adds to the bytes beside a job's record, when the
 * last jobs were polled, the figures that are made of both, and the limits that a test sets for them. Knows
 * jobs as records; knows no store, no socket and no JSON. The words are those of README.md, "A verdict on your
 * client's polling".
 *
 *     stats.c    what one event does to one job's bytes
 *     trace.c    when the last N jobs were polled, and what they were told
 *     figures.c  from bytes and poll times to figures, of one job and in sum
 *     limits.c   figures against limits
 *     audit.c    what there is once in a process: traces, limits, and the sums of jobs that are gone
 *     notes.c    the same where processes share it: events as bytes, and what they come to, in their order
 *
 * Threads. A job's bytes are guarded by whoever guards its record. Each trace has a lock (of a few that they
 * share), each port one for what it knows of jobs that are gone, and the limits have one: nothing is taken
 * inside any of them, and all can be taken while a record's turn is held. */
#ifndef VTSIM_AUDIT_AUDIT_H
#define VTSIM_AUDIT_AUDIT_H

#include <pthread.h>
#include <stdatomic.h>

#include "../jobs/record.h"

/* What kept an answer from telling the client the job's state. */
enum audit_fault {
    AUDIT_GOOD,
    AUDIT_STATUS, /* another status than 2xx */
    AUDIT_RESET,
    AUDIT_EMPTY,
    AUDIT_TRUNCATE,
    AUDIT_GARBAGE,
    AUDIT_HTML,
    AUDIT_INVALID_JSON,
    AUDIT_NO_STATUS,
    AUDIT_NOT_FOUND,
    AUDIT_WORD,   /* another word than the true one */
    AUDIT_STATE,  /* an earlier state */
    AUDIT_STALL,  /* it came late, but it came */
    AUDIT_DRIBBLE /* likewise */
};

/* "reset", "invalid_json"; "" for none. */
const char *audit_fault_name(enum audit_fault fault);

/* What a bent answer about a job in this state comes to; NULL is a good one. */
enum audit_fault audit_fault_of(const struct vts_answer *bent, enum vts_state state);

/* Whether the client cannot have learned the state by such an answer. */
static inline bool audit_hides(enum audit_fault fault)
{
    return fault != AUDIT_GOOD && fault < AUDIT_STALL;
}

/* ---- one job's bytes (stats.c) ---- */

/* All zeros at first. Counts stay at their highest values. */
struct audit_stats {
    vts_ms last_at; /* the last poll, or the start */
    uint32_t hold;  /* from last_at to where Retry-After lets the client ask again, ms */
    uint32_t early_polls;
    uint32_t after_end;
    uint32_t useless;
    /* 1 more than the ms from the end to the first poll, or another request, that was told of it; 0: none yet */
    uint32_t seen;
    uint32_t interval_min; /* 1 more than the shortest, ms; 0: none */
    uint32_t interval_max;
    uint32_t number; /* of its trace; 0: none */
    uint32_t newest; /* the connection with the highest number so far, */
    uint32_t window; /* and which of the 32 before it were used */
    uint16_t faults;
    uint16_t connections;
    uint16_t duplicates;
    uint8_t early_starts;
    uint8_t told; /* the state that was told last, and AUDIT_TOLD_ bits */
};

#define AUDIT_TOLD_STATE 0x07
#define AUDIT_TOLD_POLL  0x08 /* it was polled before */
#define AUDIT_TOLD_LOST                                                                            \
    0x10 /* the answer to the start that was accepted did not arrive, as far as is known */
#define AUDIT_TOLD_END 0x20 /* a poll has told the end */

/* One request and what it is answered. */
struct audit_event {
    vts_ms now;
    uint32_t connection; /* a number that grows with each new one; 0: not known */
    enum audit_fault fault;
    enum vts_state state; /* that the answer tells, if it arrives; VTS_ASKED: none */
    vts_ms hold;          /* the answer says to ask again after this span; 0: nothing */
    bool late;            /* the answer does not leave at once: audit_told follows if it arrives */
};

/* A span as these bytes have it: 0 to UINT32_MAX - 1. */
uint32_t audit_clip(vts_ms span);

/* The start was accepted, refused, or is there already. `number` is what audit_number gave. */
void audit_accepted(struct audit_stats *stats, const struct audit_event *event,
                    const struct record *record, uint32_t number);
void audit_refused(struct audit_stats *stats, const struct audit_event *event);
void audit_repeated(struct audit_stats *stats, const struct audit_event *event,
                    const struct record *record);

/* A poll. True where it came earlier than allowed. */
bool audit_polled(struct audit_stats *stats, const struct audit_event *event,
                  const struct record *record);

/* A cancel told the client how the job is. */
void audit_cancelled(struct audit_stats *stats, const struct record *record, vts_ms now);

/* A late answer, to a start or a poll, has arrived. */
struct audit_arrival {
    vts_ms now, asked; /* and when it was asked for */
    bool poll;
    enum vts_state state; /* as in the event */
    vts_ms hold;
};

void audit_told(struct audit_stats *stats, const struct audit_arrival *arrival,
                const struct record *record);

/* ---- poll times (trace.c) ---- */

/* One poll. */
struct audit_mark {
    vts_ms since; /* the job was created */
    enum audit_fault fault;
    int status; /* AUDIT_STATUS: which */
    bool early;
};

/* A mark as a number; and back. */
uint64_t mark_pack(const struct audit_mark *mark);
struct audit_mark mark_unpack(uint64_t packed);

struct audit_trace {
    uint32_t number; /* 0: none */
    uint32_t count;  /* of all polls; the last ones are kept */
    uint32_t room;
    uint64_t hash;   /* of the id */
    uint64_t *marks; /* packed; a ring */
};

struct audit_traces {
    struct audit_trace *slots; /* job number n has place n % count */
    size_t count;
    uint32_t most; /* polls kept of a job */
    _Atomic uint32_t next;
    pthread_mutex_t locks[16]; /* each that of every 16th slot */
};

bool traces_init(struct audit_traces *traces, size_t jobs, size_t polls);
void traces_finish(struct audit_traces *traces);
void traces_clear(struct audit_traces *traces);
/* A number for a new job. */
uint32_t traces_number(struct audit_traces *traces);
/* The job with this number begins: the oldest one has to go. */
void traces_begin(struct audit_traces *traces, uint32_t number, struct bytes id);
void traces_add(struct audit_traces *traces, uint32_t number, struct bytes id,
                const struct audit_mark *mark);
/* Copies the marks that are kept, the oldest first, to `out`, which has room for `most`. How many; -1: this
 * job's are not kept. */
int traces_read(struct audit_traces *traces, uint32_t number, struct bytes id,
                struct audit_mark *out);

/* A job's marks as bytes that outlive the process: none where they are not kept. And back, in any order of the
 * jobs, before there are threads: those with the highest numbers stay, and new ones come behind them. Bytes that
 * are none are as if there were none. */
void traces_save(struct audit_traces *traces, uint32_t number, struct bytes id, struct text *out);
void traces_restore(struct audit_traces *traces, uint32_t number, struct bytes id,
                    struct bytes saved);

/* ---- figures (figures.c) ---- */

/* Where a span or a factor is not known it is below 0. */
struct audit_figures {
    uint64_t jobs; /* 1; in sum: how many, */
    uint64_t ended;
    uint64_t polls, early_polls, early_starts, polls_after_end, useless_polls, duplicate_starts;
    uint64_t connections, faults;
    uint64_t unseen;        /* 1: ended, and no poll has seen it */
    uint64_t abandoned;     /* 1: no poll has seen an end, and nobody has asked for so long */
    double detection_delay; /* seconds, also below; of a job that is unseen: so far */
    double interval_min, interval_median, interval_max;
    double growth, jitter;
    double cost,
        best; /* of ended jobs, in polls: what was paid, and what one poll at each end costs */
};

/* cost against best, below 0 where it is not known. */
double figures_cost(const struct audit_figures *figures);

struct audit_rules {
    vts_ms abandoned_after;
    vts_ms poll_cost; /* the delay that costs as much as one poll */
};

/* Of one job, as it is at `now`. `marks` (or NULL) are `count`. */
void figures_of(struct audit_figures *out, const struct record *record,
                const struct audit_stats *stats, uint64_t polls, const struct audit_rules *rules,
                vts_ms now, const struct audit_mark *marks, int count);

/* By what factor the waits grow from one to the next until they stay, and how far they stray from that: both
 * below 0 where there are too few. `waits` in ms. */
void figures_growth(const double *waits, size_t count, double *growth, double *jitter);

/* Many jobs. Medians are those of the jobs whose poll times are kept. */
struct audit_sum {
    struct audit_figures all; /* the worst detection_delay, interval_min and interval_max */
    int64_t *medians, *growths, *jitters; /* in millionths; */
    size_t known[3], room;                /* how many of each */
    bool failed;                          /* no memory for all */
};

void sum_add(struct audit_sum *sum, const struct audit_figures *figures);
/* Sets the medians. */
void sum_close(struct audit_sum *sum);
void sum_finish(struct audit_sum *sum);

/* ---- limits (limits.c) ---- */

enum audit_unit { AUDIT_COUNT, AUDIT_SECONDS, AUDIT_FACTOR };

/* Of all jobs that a verdict is asked of. */
struct audit_totals {
    uint64_t jobs, ended, unknown_polls;
};

struct audit_limit {
    const char *name; /* as a test gives it; of "intervals.min" the first word is an object */
    enum audit_unit unit;
    bool least; /* the figure must be no less; else no more */
    double (*figure)(const struct audit_figures *figures); /* of each job, or NULL and */
    double (*total)(const struct audit_totals *totals);    /* of all of them */
};

#define AUDIT_LIMITS 20

extern const struct audit_limit audit_limits[AUDIT_LIMITS + 1]; /* ends with a NULL name */

struct audit_bounds {
    double bound[AUDIT_LIMITS]; /* below 0: none */
};

void bounds_clear(struct audit_bounds *bounds);
/* Whether a figure is known, and out of this bound. And the one for this limit of a job. */
bool bounds_exceeded(size_t limit, double figure, double bound);
bool bounds_broken(const struct audit_bounds *bounds, size_t limit,
                   const struct audit_figures *figures);
/* And the one for this limit of all. */
bool bounds_missed(const struct audit_bounds *bounds, size_t limit,
                   const struct audit_totals *totals);

/* ---- jobs that are gone, and no job's (audit.c) ---- */

struct audit_settings {
    int64_t jobs;  /* whose poll times are kept */
    int64_t polls; /* of each */
    struct audit_rules rules;
};

/* The worst that a limit met among jobs that are gone. */
struct audit_worst {
    double figure; /* below 0: none */
    char id[RECORD_ID_MAX + 1];
};

/* All that is known beside the jobs that are there: in one process, or of all that share a store. As it is it
 * outlives the process. */
struct audit_known {
    uint32_t version, size; /* AUDIT_KNOWN_VERSION, and this struct's */
    uint64_t unknown_polls, connections;
    struct audit_figures gone;
    struct audit_worst worst[AUDIT_LIMITS];
    struct audit_bounds bounds;
};

#define AUDIT_KNOWN_VERSION 2u

void known_clear(struct audit_known *known);
/* From bytes. False, and nothing is known, where they are none of it. */
bool known_read(struct audit_known *known, struct bytes bytes);
/* Adds what is known of jobs that are gone. */
void known_add_gone(const struct audit_known *known, struct audit_sum *sum);

/* ---- one process (audit.c) ---- */

/* What a port's thread writes. */
struct audit_port {
    _Alignas(64) _Atomic uint64_t unknown_polls; /* polls of a job that is not there */
    _Atomic uint64_t connections;                /* on which there was a start or a poll */
    pthread_mutex_t lock;                        /* the rest; nothing is taken inside */
    struct audit_figures gone;
    struct audit_worst worst[AUDIT_LIMITS];
};

struct audit {
    struct audit_settings settings;
    struct audit_traces traces;
    struct audit_port *ports;
    size_t port_count;
    pthread_mutex_t lock; /* bounds */
    struct audit_bounds bounds;
    uint32_t newest; /* the highest number of a connection that a job had in an earlier process */
};

/* False where there was no memory; audit_finish in either case. */
bool audit_init(struct audit *audit, const struct audit_settings *settings, size_t ports);
void audit_finish(struct audit *audit);

/* Forgets all that is known of no job that is there: sums, poll times, limits. */
void audit_reset(struct audit *audit);

void audit_set_bounds(struct audit *audit, const struct audit_bounds *bounds);
void audit_get_bounds(struct audit *audit, struct audit_bounds *bounds);

/* A job's figures, with its poll times where they are kept; `marks` (or NULL) has room for settings.polls and
 * gets those, *count is -1 where there are none. */
void audit_figures(struct audit *audit, const struct record *record,
                   const struct audit_stats *stats, uint64_t polls, vts_ms now,
                   struct audit_mark *marks, int *count, struct audit_figures *out);

/* A job that is no longer kept, with these figures: is added. */
void gone_add(struct audit_figures *gone, struct audit_worst worst[AUDIT_LIMITS],
              const struct record *record, const struct audit_figures *figures);

/* A job is no longer kept. */
void audit_gone(struct audit *audit, size_t port, const struct record *record,
                const struct audit_stats *stats, uint64_t polls, vts_ms now);

/* All that is known beside the jobs that are there. */
void audit_get_known(struct audit *audit, struct audit_known *out);

/* A job is there that an earlier process had, with what traces_save told of it. Before there are threads. */
void audit_again(struct audit *audit, struct bytes id, const struct audit_stats *stats,
                 uint64_t polls, struct bytes marks);

/* All that is known beside the jobs that are there, as bytes that outlive the process; and back. False: nothing. */
bool audit_save(struct audit *audit, struct text *out);
void audit_restore(struct audit *audit, struct bytes saved);

/* ---- several processes (notes.c) ---- */

enum audit_note_kind {
    AUDIT_ACCEPTED,
    AUDIT_REFUSED,
    AUDIT_REPEATED,
    AUDIT_POLLED,
    AUDIT_CANCELLED,
    AUDIT_TOLD,
    AUDIT_UNKNOWN, /* a poll of a job that is not there */
    AUDIT_EXPECT,  /* new limits: their bounds follow */
    AUDIT_RESET_ALL
};

/* One event, as a process leaves it for whoever folds it in. */
struct audit_note {
    uint8_t version; /* AUDIT_NOTE_VERSION */
    uint8_t kind, state, fault;
    uint16_t status; /* AUDIT_STATUS: which */
    uint8_t late;
    uint8_t first;   /* on its connection */
    uint32_t origin; /* the process that numbered the connection: random, not 0 */
    uint32_t connection;
    uint32_t hold;
    uint8_t told; /* the state that the answer tells */
    uint8_t poll; /* AUDIT_TOLD: the answer is one to a poll */
    uint16_t spare;
    vts_ms now, asked;           /* AUDIT_TOLD: and when it was asked for */
    vts_ms created_at, ended_at; /* the job's */
};

#define AUDIT_NOTE_VERSION 1

/* A note of this event. `record` is the job as it was then; NULL: none. */
void note_init(struct audit_note *note, enum audit_note_kind kind, const struct audit_event *event,
               const struct record *record);

/* What is kept where processes share it. Beside a job: struct audit_stats, and behind it the other processes
 * at which it was asked for. And struct audit_known. Both are empty at first. Poll times are marks, packed, and new
 * ones are added to `marks`. */
struct audit_folding {
    struct text *stats, *marks, *known;
    bool begins;                       /* set: the job's poll times are those from now on */
    bool stats_changed, known_changed; /* set */
};

/* Folds one note in, or what becomes of a job that is gone. One that is not understood changes nothing. False
 * where there was no memory: the texts may have changed by half. */
bool audit_fold(struct bytes note, struct audit_folding *folding);
bool audit_fold_gone(const struct audit_settings *settings, const struct record *record,
                     struct bytes packed, uint64_t polls, vts_ms now,
                     struct audit_folding *folding);

/* A job's figures from what is kept; `packed` are its poll times, or none. As audit_figures. */
void audit_figures_kept(const struct audit_settings *settings, const struct record *record,
                        const struct audit_stats *stats, struct bytes packed, uint64_t polls,
                        vts_ms now, struct audit_mark *marks, int *count,
                        struct audit_figures *out);

#endif
