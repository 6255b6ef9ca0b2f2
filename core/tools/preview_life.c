/* SPDX-License-Identifier: MIT
 *
 * One job of a preview, from its first ask to its end: its client asks again after a refusal, and polls
 * where polls move it. See preview.h. */
#include "preview.h"

void preview_id(uint64_t number, char id[PREVIEW_ID_ROOM])
{
    snprintf(id, PREVIEW_ID_ROOM, "preview-%llu", (unsigned long long)number);
}

const char *preview_outcome_name(enum preview_outcome outcome)
{
    static const char *const names[] = {"completed", "failed",     "cancelled",
                                        "waiting",   "unfinished", "refused"};

    return names[outcome];
}

/* What clients take for a word to try again: the server's trouble, and too many requests. */
static bool may_ask_again(const struct vts_answer *answer)
{
    return answer->status == 429 || answer->status >= 500;
}

/* Retry-After as it is sent: in whole seconds, rounded up. */
static vts_ms retry_after(const struct vts_answer *answer)
{
    if (answer->retry_after == 0)
        return RECORD_NEVER;
    return answer->retry_after < 0 ? 0 : (answer->retry_after + 999) / 1000 * 1000;
}

bool preview_ask(struct trial *trial, struct trial_job *job, const char *id, vts_ms at,
                 struct preview_life *life, vts_ms *again)
{
    const struct engine_work *work = &trial->work;
    vts_ms pause;

    *again = RECORD_NEVER;
    if (!trial_ask(trial, job, id, NULL, at))
        return false;
    if (!work->refused) {
        life->start = at - TRIAL_START;
        life->bent = trial->bent;
        return true;
    }
    pause = retry_after(&work->answer);
    if (life->refusals++ == 0)
        life->retry_after = pause;
    if (pause == RECORD_NEVER)
        pause = PREVIEW_RETRY_SPAN;
    if (!may_ask_again(&work->answer) || life->refusals == PREVIEW_ASKS_MAX ||
        pause > VTS_TIME_END - at)
        life->outcome = PREVIEW_REFUSED;
    else
        *again = at + pause;
    return true;
}

/* Asks until the job is let in, or refused for good. */
static bool let_in(struct trial *trial, struct trial_job *job, const char *id,
                   struct preview_life *life)
{
    vts_ms at = TRIAL_START;

    while (at != RECORD_NEVER)
        if (!preview_ask(trial, job, id, at, life, &at))
            return false;
    return true;
}

static bool waits_for_ever(const struct job *job)
{
    return job->wake_at == RECORD_NEVER && !(job->waits & VTS_FOR_POLL);
}

/* Polls it evenly until it has ended. Its wakes come in between, each at its own moment. */
static bool poll_along(struct trial *trial, struct trial_job *job, struct preview_life *life)
{
    vts_ms at = TRIAL_START + life->start;
    size_t wakes = 0;
    struct job now;

    for (; life->polls < PREVIEW_POLLS_MAX && at < VTS_TIME_END - PREVIEW_POLL_SPAN;
         life->polls++) {
        at += PREVIEW_POLL_SPAN;
        while (trial_wake_at(job) <= at && wakes < PREVIEW_WAKES_MAX)
            if (!trial_run(trial, job, 1, &wakes))
                return false;
        if (!trial_look(job, &now))
            return false;
        if (state_ended(now.state) || waits_for_ever(&now) || now.wake_at <= at)
            break;
        if (!trial_poll(trial, job, at))
            return false;
    }
    return true;
}

bool preview_note(const struct trial_job *job, struct preview_life *life)
{
    struct job now;

    if (!trial_look(job, &now))
        return false;
    life->progress = job_progress(&now, now.last_at);
    life->granted = now.in_order && now.started_at != RECORD_NEVER;
    life->waited = life->granted ? now.started_at - now.created_at : 0;
    life->code = now.code;
    life->message = now.message;
    if (state_ended(now.state)) {
        life->outcome = (enum preview_outcome)(now.state - VTS_COMPLETED);
        life->end = now.ended_at - TRIAL_START;
    } else if (life->start != RECORD_NEVER) {
        /* A ramp goes on without events. */
        if (waits_for_ever(&now))
            life->progress = job_progress(&now, VTS_TIME_END);
        life->outcome = waits_for_ever(&now) ? PREVIEW_WAITING : PREVIEW_UNFINISHED;
    }
    return true;
}

const struct preview_life preview_no_life = {
    .start = RECORD_NEVER, .end = RECORD_NEVER, .retry_after = RECORD_NEVER};

bool preview_live(struct trial *trial, struct trial_job *job, const char *id,
                  struct preview_life *life)
{
    *life = preview_no_life;
    if (!let_in(trial, job, id, life))
        return false;
    if (life->start != RECORD_NEVER &&
        !(trial->instance->base.counts_polls ? poll_along(trial, job, life)
                                             : trial_run(trial, job, PREVIEW_WAKES_MAX, NULL)))
        return false;
    return preview_note(job, life);
}
