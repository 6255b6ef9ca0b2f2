/* SPDX-License-Identifier: MIT
 *
 * The audit where several processes share a store: each leaves what happened as a note, and whoever comes by
 * folds the notes in, in the order in which they were left. Nothing but what an event does to bytes; who keeps
 * them, and sees to the order, is the store. */
#include "audit.h"

#include <stdlib.h>

/* Processes at which a job is asked for, whose connections are told apart; of more, the longest unused go. */
#define OTHERS_MOST 7

/* A process numbers its own connections. `now` is whose numbers the stats have. */
struct origin {
    uint32_t id, newest, window;
};

struct kept {
    struct audit_stats stats;
    uint32_t now;
    struct origin others[OTHERS_MOST];
};

#define KEPT_LEAST offsetof(struct kept, others)

void note_init(struct audit_note *note, enum audit_note_kind kind, const struct audit_event *event,
               const struct record *record)
{
    memset(note, 0, sizeof(*note));
    note->version = AUDIT_NOTE_VERSION;
    note->kind = (uint8_t)kind;
    note->fault = (uint8_t)event->fault;
    note->late = event->late;
    note->told = (uint8_t)event->state;
    note->connection = event->connection;
    note->hold = audit_clip(event->hold);
    note->now = event->now;
    if (!record)
        return;
    note->state = record->state;
    note->created_at = record->created_at;
    note->ended_at = record->ended_at;
}

/* ---- whose connections ---- */

/* How many others there are; 0 where the bytes are none of ours, which are forgotten then. */
static size_t load(struct kept *kept, const struct text *stats)
{
    memset(kept, 0, sizeof(*kept));
    if (stats->length < KEPT_LEAST || stats->length > sizeof(*kept))
        return 0;
    memcpy(kept, stats->bytes, stats->length);
    return (stats->length - KEPT_LEAST) / sizeof(struct origin);
}

/* Puts the numbers of this process into the stats, and those that are there to the others. */
static void turn_to(struct kept *kept, size_t *others, uint32_t origin)
{
    struct origin before = {kept->now, kept->stats.newest, kept->stats.window},
                  next = {origin, 0, 0};
    size_t i;

    if (origin == 0 || origin == kept->now)
        return;
    for (i = 0; i < *others && kept->others[i].id != origin; i++)
        ;
    if (i < *others)
        next = kept->others[i];
    else if (before.id == 0)
        i = 0;
    else
        i = *others < OTHERS_MOST ? (*others)++ : OTHERS_MOST - 1;
    if (before.id != 0) {
        memmove(kept->others + 1, kept->others, i * sizeof(before));
        kept->others[0] = before;
    }
    kept->now = origin;
    kept->stats.newest = next.newest;
    kept->stats.window = next.window;
}

static bool save(struct text *stats, const struct kept *kept, size_t others)
{
    text_reset(stats);
    text_add(stats, kept, KEPT_LEAST + others * sizeof(struct origin));
    return !stats->failed;
}

/* ---- poll times ---- */

static bool add_mark(const struct audit_note *note, bool early, struct text *marks)
{
    const struct audit_mark mark = {.since = note->now - note->created_at,
                                    .fault = (enum audit_fault)note->fault,
                                    .status = note->status,
                                    .early = early};
    uint64_t packed = mark_pack(&mark);

    text_add(marks, &packed, sizeof(packed));
    return !marks->failed;
}

static int read_marks(const struct audit_settings *settings, struct bytes packed,
                      struct audit_mark *out)
{
    size_t count = packed.length / sizeof(uint64_t), most = (size_t)settings->polls, from, i;
    uint64_t mark;

    if (!packed.at)
        return -1;
    from = count > most ? count - most : 0;
    for (i = from; i < count; i++) {
        memcpy(&mark, packed.at + i * sizeof(mark), sizeof(mark));
        out[i - from] = mark_unpack(mark);
    }
    return (int)(count - from);
}

void audit_figures_kept(const struct audit_settings *settings, const struct record *record,
                        const struct audit_stats *stats, struct bytes packed, uint64_t polls,
                        vts_ms now, struct audit_mark *marks, int *count, struct audit_figures *out)
{
    *count = marks ? read_marks(settings, packed, marks) : -1;
    figures_of(out, record, stats, polls, &settings->rules, now, *count > 0 ? marks : NULL, *count);
}

/* ---- a job's notes ---- */

/* What happened is told by processes whose clocks differ a little: nothing happens before what did already. */
static struct audit_event event_of(const struct audit_note *note, const struct audit_stats *stats)
{
    return (struct audit_event){.now = note->now > stats->last_at ? note->now : stats->last_at,
                                .connection = note->connection,
                                .fault = (enum audit_fault)note->fault,
                                .state = (enum vts_state)note->told,
                                .hold = note->hold,
                                .late = note->late};
}

static bool fold_poll(const struct audit_note *note, const struct record *record,
                      struct audit_stats *stats, struct audit_folding *folding)
{
    struct audit_event event = event_of(note, stats);

    return add_mark(note, audit_polled(stats, &event, record), folding->marks);
}

static void fold_told(const struct audit_note *note, const struct audit_event *event,
                      const struct record *record, struct audit_stats *stats)
{
    const struct audit_arrival arrival = {.now = event->now,
                                          .asked = note->asked,
                                          .poll = note->poll,
                                          .state = event->state,
                                          .hold = event->hold};

    audit_told(stats, &arrival, record);
}

static bool fold_job(const struct audit_note *note, struct audit_folding *folding)
{
    const struct record record = {
        .state = note->state, .created_at = note->created_at, .ended_at = note->ended_at};
    bool begins = note->kind == AUDIT_ACCEPTED || note->kind == AUDIT_REFUSED, good = true;
    struct audit_event event;
    size_t others;
    struct kept kept;

    /* Of a job that went, or began without an audit, nothing is kept. */
    if (folding->stats->length == 0 && !begins)
        return true;
    others = load(&kept, folding->stats);
    turn_to(&kept, &others, note->origin);
    event = event_of(note, &kept.stats);
    switch ((enum audit_note_kind)note->kind) {
    case AUDIT_ACCEPTED:
        audit_accepted(&kept.stats, &event, &record, 0);
        text_reset(folding->marks);
        folding->begins = true;
        break;
    case AUDIT_REFUSED:
        audit_refused(&kept.stats, &event);
        break;
    case AUDIT_REPEATED:
        audit_repeated(&kept.stats, &event, &record);
        break;
    case AUDIT_POLLED:
        good = fold_poll(note, &record, &kept.stats, folding);
        break;
    case AUDIT_CANCELLED:
        audit_cancelled(&kept.stats, &record, event.now);
        break;
    default:
        fold_told(note, &event, &record, &kept.stats);
    }
    folding->stats_changed = true;
    return save(folding->stats, &kept, others) && good;
}

/* ---- what is no job's ---- */

static bool is_note(struct bytes bytes, struct audit_note *note)
{
    size_t behind;

    if (bytes.length < sizeof(*note))
        return false;
    memcpy(note, bytes.at, sizeof(*note));
    behind = bytes.length - sizeof(*note);
    return note->version == AUDIT_NOTE_VERSION && note->kind <= AUDIT_RESET_ALL &&
           note->fault <= AUDIT_DRIBBLE && note->state <= VTS_CANCELLED &&
           note->told <= VTS_CANCELLED &&
           behind == (note->kind == AUDIT_EXPECT ? sizeof(struct audit_bounds) : 0);
}

static bool keep_known(const struct audit_known *known, struct audit_folding *folding)
{
    folding->known_changed = true;
    text_reset(folding->known);
    text_add(folding->known, known, sizeof(*known));
    return !folding->known->failed;
}

/* Much larger than a note, and changed by few of them. */
static struct audit_known *open_known(const struct audit_folding *folding)
{
    struct audit_known *known = malloc(sizeof(*known));

    if (known)
        known_read(known, (struct bytes){folding->known->bytes, folding->known->length});
    return known;
}

static bool fold_known(const struct audit_note *note, struct bytes bytes,
                       struct audit_folding *folding)
{
    struct audit_known *known;
    bool good;

    if (!note->first && note->kind < AUDIT_UNKNOWN)
        return true;
    known = open_known(folding);
    if (!known)
        return false;
    known->connections += note->first;
    if (note->kind == AUDIT_UNKNOWN)
        known->unknown_polls++;
    else if (note->kind == AUDIT_EXPECT)
        memcpy(&known->bounds, bytes.at + sizeof(*note), sizeof(known->bounds));
    else if (note->kind == AUDIT_RESET_ALL)
        known_clear(known);
    good = keep_known(known, folding);
    free(known);
    return good;
}

bool audit_fold(struct bytes bytes, struct audit_folding *folding)
{
    struct audit_note note;

    if (!is_note(bytes, &note))
        return true;
    return fold_known(&note, bytes, folding) &&
           (note.kind >= AUDIT_UNKNOWN || fold_job(&note, folding));
}

bool audit_fold_gone(const struct audit_settings *settings, const struct record *record,
                     struct bytes packed, uint64_t polls, vts_ms now, struct audit_folding *folding)
{
    struct audit_known *known = record->state == VTS_ASKED ? NULL : open_known(folding);
    struct audit_mark *marks = malloc((size_t)settings->polls * sizeof(*marks));
    struct audit_figures figures;
    struct kept kept;
    bool good = record->state == VTS_ASKED;
    int count;

    if (known) {
        load(&kept, folding->stats);
        audit_figures_kept(settings, record, &kept.stats, packed, polls, now, marks, &count,
                           &figures);
        gone_add(&known->gone, known->worst, record, &figures);
        good = keep_known(known, folding);
    }
    free(marks);
    free(known);
    return good;
}
