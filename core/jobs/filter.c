/* SPDX-License-Identifier: MIT
 *
 * Asks filters, and joins what they and the behaviour want the client to be told. See filter.h. */
#include "filter.h"

#include "../base/rng.h"

/* ---- what is told ---- */

/* Keeps the word, which the next hook's would overwrite. */
static const char *keep_word(struct engine_work *work, const char *word)
{
    text_reset(&work->word);
    text_puts(&work->word, word);
    if (work->word.failed)
        work->err = VTS_ERR_MEMORY;
    return work->word.bytes;
}

static vts_ms sum(vts_ms a, vts_ms b) { return a > VTS_TIME_END - b ? VTS_TIME_END : a + b; }

/* What the answer leaves open is filled in. A refusal is told as one. */
static void fill(struct vts_answer *told, const struct vts_answer *more, bool refused)
{
    if (told->status == 0 || (refused && told->status < 400))
        told->status = more->status;
    if (told->retry_after == 0) {
        told->retry_after = more->retry_after;
        told->retry_after_date = more->retry_after_date;
    }
    told->stall = sum(told->stall, more->stall);
    told->dribble = sum(told->dribble, more->dribble);
    if (told->cut == VTS_BREAK_NONE)
        told->cut = more->cut;
    if (told->body == VTS_BODY_USUAL)
        told->body = more->body;
    if (!told->word)
        told->word = more->word;
    if (told->state == 0)
        told->state = more->state;
}

/* Whether an answer is one that the service itself did not give. */
static bool is_in_place(const struct vts_answer *answer)
{
    return answer->status >= 300 || answer->cut != VTS_BREAK_NONE;
}

static void note_teller(struct engine_work *work, const struct hook *hook)
{
    int says = hook->refused || is_in_place(&hook->bend) ? 3
               : hook->bend.body != VTS_BODY_USUAL       ? 2
                                                         : 1;

    if (work->bent && says <= work->teller_says)
        return;
    work->teller = hook->instance;
    work->teller_says = says;
}

void answer_add(struct engine_work *work, const struct hook *hook)
{
    struct vts_answer *told = &work->answer;

    if (!hook->has_bend)
        return;
    note_teller(work, hook);
    if (work->bent)
        fill(told, &hook->bend, hook->refused);
    else
        *told = hook->bend;
    if (told->word && told->word == hook->bend.word)
        told->word = keep_word(work, told->word);
    work->bent = true;
    work->refused |= hook->refused;
}

/* ---- asking ---- */

/* The streams of a filter's chance, beside those of the job: a filter more changes nothing of them. */
enum filter_stream { STREAM_FILTER_ASKS = 0x66610000, STREAM_FILTER_POLLS = 0x66700000 };

static void ask(struct engine_work *work, const struct instance *filter, enum hook_kind kind,
                void (*function)(struct vts_job *), uint64_t number, vts_ms now, struct hook *hook)
{
    const struct job *job = &work->job;
    uint64_t name = kind == HOOK_ADMIT ? STREAM_FILTER_ASKS : STREAM_FILTER_POLLS;
    uint64_t key = rng_key(work->engine->seed, filter->stream ^ name, job->id.at, job->id.length);

    *hook = (struct hook){.kind = kind,
                          .instance = filter,
                          .id = work->id,
                          .input = job->input.at,
                          .now = now,
                          .started_at = job->started_at,
                          .progress = job_progress(job, now),
                          .state = job->state,
                          .polls = number,
                          .stream = rng_draw(key, number),
                          .texts = &work->texts};
    hook_run(hook, function);
    if (hook->no_memory)
        work->err = VTS_ERR_MEMORY;
    answer_add(work, hook);
}

bool filters_admit(struct engine_work *work, const struct instance *instance, uint64_t number,
                   vts_ms now)
{
    const struct instance *filter;
    struct hook hook;
    size_t i;

    for (i = 0; i < instance->filter_count && !work->refused; i++) {
        filter = instance->filters[i];
        if (filter->base.plugin->admit)
            ask(work, filter, HOOK_ADMIT, filter->base.plugin->admit, number, now, &hook);
    }
    return work->refused;
}

bool filters_poll(struct engine_work *work, const struct instance *instance, uint64_t number,
                  vts_ms now)
{
    const struct instance *filter;
    bool in_place = false;
    struct hook hook;
    size_t i;

    for (i = 0; i < instance->filter_count && !in_place; i++) {
        filter = instance->filters[i];
        if (!filter->base.plugin->poll)
            continue;
        ask(work, filter, HOOK_POLL, filter->base.plugin->poll, number, now, &hook);
        in_place = hook.has_bend && is_in_place(&hook.bend);
    }
    return in_place;
}
