/* SPDX-License-Identifier: MIT
 *
 * One job as data: flat, without pointers, so that it can be kept, stored or sent as it is. A record is
 * a fixed head, the id, and those sections that the job needs; `struct job` is the same job unpacked,
 * its pointers borrowed from the record or from whoever filled it. Knows no behaviour and no store.
 *
 * Sections may be added without a new RECORD_FORMAT: a record that does not need one is what it was. An
 * older vtsimd that meets a section it does not know takes the record for one that it cannot understand,
 * and leaves it as it is: to write it again would lose what the section says. */
#ifndef VTSIM_JOBS_RECORD_H
#define VTSIM_JOBS_RECORD_H

#include "../base/text.h"

#define RECORD_FORMAT 1
#define RECORD_NEVER  INT64_MAX
#define RECORD_ID_MAX 255

/* The order keeps the head without holes: a million jobs are a million heads. */
struct record {
    uint32_t size; /* of the whole record */
    uint16_t format;
    uint8_t state; /* enum vts_state */
    uint8_t flags;
    uint64_t instance; /* struct instance's hash */
    vts_ms created_at;
    vts_ms started_at; /* RECORD_NEVER: not yet; likewise below */
    vts_ms ended_at;
    vts_ms wake_at;
    vts_ms last_at; /* the last event: nothing can happen to the job before it */
    uint32_t draws; /* from the stream of its life */
    uint16_t asks;  /* starts asked for so far; stays at its highest value */
    uint8_t id_length;
    char id[]; /* a NUL follows it, then the sections */
};

/* What is done with a record by whom the store has let at it. */
enum record_act { RECORD_LEAVE, RECORD_PUT, RECORD_DROP };

struct bytes {
    const char *at; /* NULL: none; else a NUL follows */
    size_t length;
};

/* Progress: `from` at `since`, growing evenly to `to` over `span`. */
struct ramp {
    double from, to;
    vts_ms since, span;
};

struct job {
    struct bytes id;
    uint64_t instance;
    enum vts_state state;
    unsigned int waits; /* enum vts_wait_for, or'ed */
    vts_ms created_at, started_at, ended_at, wake_at, last_at;
    uint32_t draws;
    uint16_t asks;
    struct ramp progress;
    struct bytes plugin_state;
    uint32_t state_version;
    struct bytes input, result, code, message;
    struct bytes
        idempotency; /* RECORD_HASH bytes of the body that started it, then the key it came with */
};

#define RECORD_HASH 16

/* How two starts with a key are to each other. */
enum record_match {
    RECORD_NONE, /* one has no key, or another one */
    RECORD_SAME,
    RECORD_OTHER /* the same key, another body */
};

/* Compares the `idempotency` of a job with that of a start. */
enum record_match record_match(struct bytes job, struct bytes start);

/* Unpacks. False where this is no record of this format: damaged, or of another version. */
bool record_read(const struct record *record, size_t size, struct job *job);

/* Packs into `out`, which is emptied first. False where there was no memory. */
bool record_write(const struct job *job, struct text *out);

/* 1 to 255 bytes of UTF-8 without control characters (C0, DEL, C1). */
bool record_id_valid(const char *id, size_t length);

double job_progress(const struct job *job, vts_ms now);

/* What it waits for: enum vts_wait_for, or'ed. */
static inline unsigned int record_waits(const struct record *record)
{
    return record->flags & (VTS_FOR_POLL | VTS_FOR_SLOT | VTS_FOR_EVER);
}

static inline bool state_ended(int state) { return state >= VTS_COMPLETED; }

/* "asked", "queued", "running", "completed", "failed", "cancelled"; NULL for another number. */
const char *state_name(int state);
/* The original API's word: "pending", "completed", "error". */
const char *state_word(int state);
/* The state with this name, or -1. */
int state_from_name(const char *name);

/* When the store has to look at the record next: its wake, or the end of the time for which an ended
 * or refused job is kept. */
static inline vts_ms record_due(const struct record *record, vts_ms keep_ended)
{
    vts_ms from = record->state == VTS_ASKED ? record->last_at : record->ended_at;

    if (record->state == VTS_QUEUED || record->state == VTS_RUNNING)
        return record->wake_at;
    return from > VTS_TIME_END - keep_ended ? VTS_TIME_END : from + keep_ended;
}

/* Whether that time is over, so that the job is no more. */
static inline bool record_expired(const struct record *record, vts_ms keep_ended, vts_ms now)
{
    return (record->state == VTS_ASKED || state_ended(record->state)) &&
           record_due(record, keep_ended) <= now;
}

#endif
