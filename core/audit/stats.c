/* SPDX-License-Identifier: MIT
 *
 * What a start, a poll or a cancel does to the bytes beside a job's record. Each function takes what happened
 * and changes the bytes; nothing else. */
#include "audit.h"

_Static_assert(sizeof(struct audit_stats) == 56, "a job's audit is 56 bytes, and zeros at first");

static const char *const fault_names[] = {
    [AUDIT_GOOD] = "",
    [AUDIT_STATUS] = "status",
    [AUDIT_RESET] = "reset",
    [AUDIT_EMPTY] = "empty",
    [AUDIT_TRUNCATE] = "truncate",
    [AUDIT_GARBAGE] = "garbage",
    [AUDIT_HTML] = "html",
    [AUDIT_INVALID_JSON] = "invalid_json",
    [AUDIT_NO_STATUS] = "no_status",
    [AUDIT_NOT_FOUND] = "not_found",
    [AUDIT_WORD] = "word",
    [AUDIT_STATE] = "state",
    [AUDIT_STALL] = "stall",
    [AUDIT_DRIBBLE] = "dribble",
};

const char *audit_fault_name(enum audit_fault fault)
{
    return (size_t)fault < sizeof(fault_names) / sizeof(fault_names[0]) ? fault_names[fault] : "";
}

enum audit_fault audit_fault_of(const struct vts_answer *bent, enum vts_state state)
{
    static const enum audit_fault cuts[] = {[VTS_BREAK_RESET] = AUDIT_RESET,
                                            [VTS_BREAK_EMPTY] = AUDIT_EMPTY,
                                            [VTS_BREAK_TRUNCATE] = AUDIT_TRUNCATE,
                                            [VTS_BREAK_GARBAGE] = AUDIT_GARBAGE};
    static const enum audit_fault bodies[] = {[VTS_BODY_HTML] = AUDIT_HTML,
                                              [VTS_BODY_INVALID_JSON] = AUDIT_INVALID_JSON,
                                              [VTS_BODY_NO_STATUS] = AUDIT_NO_STATUS,
                                              [VTS_BODY_NOT_FOUND] = AUDIT_NOT_FOUND};

    if (!bent)
        return AUDIT_GOOD;
    if (bent->cut != VTS_BREAK_NONE)
        return cuts[bent->cut];
    if (bent->status && (bent->status < 200 || bent->status > 299 || bent->status == 204))
        return AUDIT_STATUS; /* of which 204 has no body that could tell */
    if (bent->body != VTS_BODY_USUAL)
        return bodies[bent->body];
    if (bent->word)
        return AUDIT_WORD;
    if (bent->state && bent->state != (int32_t)state)
        return AUDIT_STATE;
    return bent->stall > 0 ? AUDIT_STALL : bent->dribble > 0 ? AUDIT_DRIBBLE : AUDIT_GOOD;
}

/* ---- counting ---- */

uint32_t audit_clip(vts_ms span)
{
    return span < 0 ? 0 : span >= UINT32_MAX ? UINT32_MAX - 1 : (uint32_t)span;
}

static void count32(uint32_t *number) { *number += *number < UINT32_MAX; }
static void count16(uint16_t *number) { *number = (uint16_t)(*number + (*number < UINT16_MAX)); }
static void count8(uint8_t *number) { *number = (uint8_t)(*number + (*number < UINT8_MAX)); }

/* Whether the newest connection and its window are all that were used. */
static bool all_known(const struct audit_stats *stats)
{
    return stats->connections == 1 + __builtin_popcount(stats->window);
}

/* Numbers grow, so one above the newest was not used before. Of those below, the 32 nearest are known; one
 * further back is taken for one that was used, if there may be such a one. */
static void count_connection(struct audit_stats *stats, uint32_t number)
{
    uint32_t back;

    if (number == 0 || number == stats->newest)
        return;
    if (number > stats->newest) {
        back = number - stats->newest;
        stats->window = back >= 32 ? 0 : stats->window << back;
        if (stats->newest > 0 && back <= 32)
            stats->window |= UINT32_C(1) << (back - 1);
        stats->newest = number;
        count16(&stats->connections);
        return;
    }
    back = stats->newest - number;
    if (back > 32) {
        if (all_known(stats))
            count16(&stats->connections);
        return;
    }
    if (stats->window & UINT32_C(1) << (back - 1))
        return;
    stats->window |= UINT32_C(1) << (back - 1);
    count16(&stats->connections);
}

/* ---- Retry-After ---- */

/* Bytes that come from a file can be any. */
static vts_ms last_of(const struct audit_stats *stats)
{
    return stats->last_at >= 0 && stats->last_at <= VTS_TIME_END ? stats->last_at : 0;
}

static vts_ms allowed_at(const struct audit_stats *stats) { return last_of(stats) + stats->hold; }

/* What was allowed before stays so: an answer without Retry-After lifts none. */
static void move_on(struct audit_stats *stats, vts_ms to, vts_ms hold)
{
    vts_ms allowed = stats->hold > 0 ? allowed_at(stats) : 0;

    if (hold > 0 && to + hold > allowed)
        allowed = to + hold;
    stats->hold = allowed > to ? audit_clip(allowed - to) : 0;
    stats->last_at = to;
}

/* An answer that leaves at once, with its head: a client can obey it. */
static vts_ms hold_of(const struct audit_event *event)
{
    bool has_head = event->fault < AUDIT_RESET || event->fault > AUDIT_GARBAGE;

    return event->late || !has_head ? 0 : event->hold;
}

/* ---- the state that the client knows ---- */

/* Of a long poll that was asked for before the end the delay is 0. */
static void see(struct audit_stats *stats, const struct record *record, enum vts_state state,
                vts_ms asked)
{
    if (state == VTS_ASKED)
        return;
    stats->told = (uint8_t)((stats->told & ~AUDIT_TOLD_STATE) | (uint8_t)state);
    if (state_ended((int)state) && stats->seen == 0)
        stats->seen = audit_clip(asked - record->ended_at) + 1;
}

/* A poll's answer has arrived, and nothing is wrong with it. */
static void see_by_poll(struct audit_stats *stats, const struct record *record,
                        enum vts_state state, vts_ms asked)
{
    if (state == VTS_ASKED || (stats->told & AUDIT_TOLD_STATE) == (uint8_t)state)
        count32(&stats->useless);
    see(stats, record, state, asked);
    if (state_ended((int)state))
        stats->told |= AUDIT_TOLD_END;
    stats->told &= (uint8_t)~AUDIT_TOLD_LOST;
}

/* ---- events ---- */

static void count_early_start(struct audit_stats *stats, vts_ms now)
{
    if (stats->hold > 0 && now < allowed_at(stats))
        count8(&stats->early_starts);
}

void audit_accepted(struct audit_stats *stats, const struct audit_event *event,
                    const struct record *record, uint32_t number)
{
    bool hidden = audit_hides(event->fault);

    count_early_start(stats, event->now);
    count_connection(stats, event->connection);
    stats->hold = 0;
    move_on(stats, event->now, hold_of(event));
    stats->number = number;
    stats->told = 0;
    if (hidden)
        count16(&stats->faults);
    if (hidden || event->late)
        stats->told = AUDIT_TOLD_LOST;
    else
        see(stats, record, event->state, event->now);
}

void audit_refused(struct audit_stats *stats, const struct audit_event *event)
{
    count_early_start(stats, event->now);
    count_connection(stats, event->connection);
    move_on(stats, event->now, hold_of(event));
}

/* Whoever was not told that the start was accepted does right to repeat it. */
void audit_repeated(struct audit_stats *stats, const struct audit_event *event,
                    const struct record *record)
{
    count_connection(stats, event->connection);
    if (!(stats->told & AUDIT_TOLD_LOST))
        count16(&stats->duplicates);
    if (audit_hides(event->fault) || event->late)
        return;
    stats->told &= (uint8_t)~AUDIT_TOLD_LOST;
    see(stats, record, event->state, event->now);
}

static void count_interval(struct audit_stats *stats, vts_ms now)
{
    uint32_t interval = audit_clip(now - last_of(stats));

    if (!(stats->told & AUDIT_TOLD_POLL))
        return;
    if (stats->interval_min == 0 || interval + 1 < stats->interval_min)
        stats->interval_min = interval + 1;
    if (interval > stats->interval_max)
        stats->interval_max = interval;
}

bool audit_polled(struct audit_stats *stats, const struct audit_event *event,
                  const struct record *record)
{
    bool early = stats->hold > 0 && event->now < allowed_at(stats);
    bool hidden = audit_hides(event->fault);

    if (early)
        count32(&stats->early_polls);
    count_connection(stats, event->connection);
    count_interval(stats, event->now);
    if (stats->told & AUDIT_TOLD_END)
        count32(&stats->after_end);
    if (hidden)
        count16(&stats->faults);
    else if (!event->late)
        see_by_poll(stats, record, event->state, event->now);
    stats->told |= AUDIT_TOLD_POLL;
    move_on(stats, event->now, hold_of(event));
    return early;
}

void audit_cancelled(struct audit_stats *stats, const struct record *record, vts_ms now)
{
    see(stats, record, (enum vts_state)record->state, now);
}

void audit_told(struct audit_stats *stats, const struct audit_arrival *arrival,
                const struct record *record)
{
    vts_ms allowed = arrival->now + arrival->hold;

    if (arrival->poll)
        see_by_poll(stats, record, arrival->state, arrival->asked);
    else
        see(stats, record, arrival->state, arrival->asked);
    stats->told &= (uint8_t)~AUDIT_TOLD_LOST;
    if (arrival->hold > 0 && allowed > allowed_at(stats))
        stats->hold = audit_clip(allowed - last_of(stats));
}
