/* SPDX-License-Identifier: MIT
 *
 * Packing and unpacking of records. See record.h. A section is its kind (one byte), its length (four)
 * and its bytes with a NUL behind them; sections are not aligned and are read by memcpy. */
#include "record.h"

#include <assert.h>

#define FLAG_WAITS 0x07

enum section {
    SECTION_PROGRESS = 1,
    SECTION_STATE_VERSION,
    SECTION_STATE,
    SECTION_INPUT,
    SECTION_RESULT,
    SECTION_CODE,
    SECTION_MESSAGE,
    SECTION_IDEMPOTENCY,
    SECTION_QUEUED_AT
};

#define SECTION_HEAD (sizeof(uint8_t) + sizeof(uint32_t))

static struct bytes *section_bytes(struct job *job, int kind)
{
    switch (kind) {
    case SECTION_STATE:
        return &job->plugin_state;
    case SECTION_INPUT:
        return &job->input;
    case SECTION_RESULT:
        return &job->result;
    case SECTION_CODE:
        return &job->code;
    case SECTION_MESSAGE:
        return &job->message;
    case SECTION_IDEMPOTENCY:
        return &job->idempotency;
    default:
        return NULL;
    }
}

static bool read_section(struct job *job, int kind, const char *at, size_t length)
{
    struct bytes *bytes = section_bytes(job, kind);

    if (at[length] != '\0')
        return false;
    if (bytes) {
        *bytes = (struct bytes){at, length};
        return true;
    }
    if (kind == SECTION_PROGRESS && length == sizeof(job->progress)) {
        memcpy(&job->progress, at, length);
        return true;
    }
    if (kind == SECTION_QUEUED_AT && length == sizeof(job->queued_at)) {
        memcpy(&job->queued_at, at, length);
        return true;
    }
    if (kind == SECTION_STATE_VERSION && length == sizeof(job->state_version)) {
        memcpy(&job->state_version, at, length);
        return true;
    }
    return false;
}

static bool is_moment(vts_ms moment) { return moment >= -VTS_TIME_END && moment <= VTS_TIME_END; }

static bool is_moment_or_never(vts_ms moment)
{
    return moment == RECORD_NEVER || is_moment(moment);
}

/* Whether one can count with these moments, and show this progress: nothing overflows, no NaN. */
static bool in_range(const struct job *job)
{
    const struct ramp *ramp = &job->progress;

    return is_moment(job->created_at) && is_moment(job->last_at) &&
           is_moment_or_never(job->wake_at) && is_moment_or_never(job->started_at) &&
           is_moment_or_never(job->queued_at) &&
           (state_ended(job->state) ? is_moment(job->ended_at) : job->ended_at == RECORD_NEVER) &&
           ramp->from >= 0 && ramp->from <= ramp->to && ramp->to <= 1 && is_moment(ramp->since) &&
           ramp->span >= 0 && ramp->span <= VTS_TIME_END;
}

bool record_read(const struct record *record, size_t size, struct job *job)
{
    const char *at, *end;
    uint32_t length;

    if (size < sizeof(*record) || record->format != RECORD_FORMAT || record->size != size ||
        record->state > VTS_CANCELLED || record->id_length == 0 ||
        size - offsetof(struct record, id) < (size_t)record->id_length + 1 ||
        record->id[record->id_length] != '\0' || !record_id_valid(record->id, record->id_length))
        return false;
    memset(job, 0, sizeof(*job));
    job->id = (struct bytes){record->id, record->id_length};
    job->instance = record->instance;
    job->state = (enum vts_state)record->state;
    job->waits = record->flags & FLAG_WAITS;
    job->has_slot = record->flags & RECORD_HAS_SLOT;
    job->in_order = record->flags & RECORD_IN_ORDER;
    job->created_at = record->created_at;
    job->started_at = record->started_at;
    job->ended_at = record->ended_at;
    job->wake_at = record->wake_at;
    job->last_at = record->last_at;
    job->queued_at = RECORD_NEVER;
    job->draws = record->draws;
    job->asks = record->asks;
    at = record->id + record->id_length + 1;
    end = (const char *)record + size;
    while (at < end) {
        if ((size_t)(end - at) < SECTION_HEAD)
            return false;
        memcpy(&length, at + 1, sizeof(length));
        if ((size_t)(end - at) - SECTION_HEAD <= length ||
            !read_section(job, (uint8_t)*at, at + SECTION_HEAD, length))
            return false;
        at += SECTION_HEAD + length + 1;
    }
    return in_range(job);
}

static void write_section(struct text *out, enum section kind, const void *bytes, size_t length)
{
    uint8_t byte = (uint8_t)kind;
    uint32_t size = (uint32_t)length;

    text_add(out, &byte, sizeof(byte));
    text_add(out, &size, sizeof(size));
    text_add(out, bytes, length);
    text_add(out, "", 1);
}

static uint8_t flags_of(const struct job *job)
{
    return (uint8_t)((job->waits & FLAG_WAITS) | (job->has_slot ? RECORD_HAS_SLOT : 0) |
                     (job->in_order ? RECORD_IN_ORDER : 0));
}

bool record_write(const struct job *job, struct text *out)
{
    struct record head = {.format = RECORD_FORMAT,
                          .state = (uint8_t)job->state,
                          .flags = flags_of(job),
                          .instance = job->instance,
                          .created_at = job->created_at,
                          .started_at = job->started_at,
                          .ended_at = job->ended_at,
                          .wake_at = job->wake_at,
                          .last_at = job->last_at,
                          .draws = job->draws,
                          .asks = job->asks,
                          .id_length = (uint8_t)job->id.length};
    struct job *mutable_job = (struct job *)job;
    const struct bytes *bytes;
    uint32_t size;
    int kind;

    assert(job->id.length >= 1 && job->id.length <= RECORD_ID_MAX);
    text_reset(out);
    text_add(out, &head, offsetof(struct record, id));
    text_add(out, job->id.at, job->id.length);
    text_add(out, "", 1);
    if (job->progress.to > 0)
        write_section(out, SECTION_PROGRESS, &job->progress, sizeof(job->progress));
    if (job->state == VTS_QUEUED && job->queued_at != RECORD_NEVER)
        write_section(out, SECTION_QUEUED_AT, &job->queued_at, sizeof(job->queued_at));
    if (job->plugin_state.at)
        write_section(out, SECTION_STATE_VERSION, &job->state_version, sizeof(job->state_version));
    for (kind = SECTION_STATE; kind <= SECTION_IDEMPOTENCY; kind++) {
        bytes = section_bytes(mutable_job, kind);
        if (bytes && bytes->at)
            write_section(out, (enum section)kind, bytes->at, bytes->length);
    }
    if (out->failed || out->length > UINT32_MAX)
        return false;
    size = (uint32_t)out->length;
    memcpy(out->bytes + offsetof(struct record, size), &size, sizeof(size));
    return true;
}

bool record_id_valid(const char *id, size_t length)
{
    size_t i;

    if (length < 1 || length > RECORD_ID_MAX || text_valid_utf8(id, length) != length)
        return false;
    for (i = 0; i < length; i++)
        if ((unsigned char)id[i] < 0x20 || id[i] == 0x7F ||
            (id[i] == '\xC2' && (unsigned char)id[i + 1] < 0xA0))
            return false;
    return true;
}

enum record_match record_match(struct bytes job, struct bytes start)
{
    if (job.length < RECORD_HASH || job.length != start.length ||
        memcmp(job.at + RECORD_HASH, start.at + RECORD_HASH, job.length - RECORD_HASH) != 0)
        return RECORD_NONE;
    return memcmp(job.at, start.at, RECORD_HASH) == 0 ? RECORD_SAME : RECORD_OTHER;
}

double job_progress(const struct job *job, vts_ms now)
{
    const struct ramp *ramp = &job->progress;
    double share;

    if (job->state == VTS_COMPLETED)
        return 1;
    if (ramp->span <= 0 || now >= ramp->since + ramp->span)
        return ramp->to;
    share = now <= ramp->since ? 0 : (double)(now - ramp->since) / (double)ramp->span;
    return ramp->from + (ramp->to - ramp->from) * share;
}

static const char *const state_names[] = {"asked",     "queued", "running",
                                          "completed", "failed", "cancelled"};

const char *state_name(int state)
{
    return state >= VTS_ASKED && state <= VTS_CANCELLED ? state_names[state] : NULL;
}

const char *state_word(int state)
{
    return state == VTS_COMPLETED ? "completed" : state > VTS_COMPLETED ? "error" : "pending";
}

int state_from_name(const char *name)
{
    int state;

    for (state = VTS_ASKED; state <= VTS_CANCELLED; state++)
        if (strcmp(name, state_names[state]) == 0)
            return state;
    return -1;
}
