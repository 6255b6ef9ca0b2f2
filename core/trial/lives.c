/* SPDX-License-Identifier: MIT
 *
 * Law 1: the same seed and id give the same life. Each job lives under several plans, each time in a fresh
 * instance, and then among the others in one. The laws 3, 4 and 5 are looked at on the way. See life.h. */
#include "life.h"

#include <stdlib.h>

#include "../base/rng.h"

/* Lives that wait, or that polls move, are polled and cancelled within this time at least. */
#define LEAST_SPAN 60000

#define STREAM_CANCEL 0x63616E63656CULL /* chance of ours that is no job's */

static const char *word_of(enum life_polls polls)
{
    static const char *const words[] = {"never polled", "polled once a second",
                                        "polled a thousand times"};

    return words[polls];
}

static void compare(struct tried *tried, const struct life *first, const char *is_so,
                    const struct life *second, const char *was)
{
    struct text how = TEXT_INIT;
    vts_ms moment = 0;

    if (!life_same(first, is_so, second, was, &moment, &how))
        tried_broken(tried, 1, first->id, moment, "%s", how.failed ? "lives differ" : how.bytes);
    text_finish(&how);
}

/* One more life under this plan, beside one that it must be the same as. */
static void try_again(struct tried *tried, const struct lone *base, const char *was,
                      const struct life_plan *plan, const char *is_so)
{
    struct lone lone;

    if (lone_run(&lone, tried, &tried->watched, base->life.id, plan))
        compare(tried, &lone.life, is_so, &base->life, was);
    lone_finish(&lone);
}

/* The same polls twice. */
static void try_twice(struct tried *tried, const char *id, const struct life_plan *plan)
{
    struct lone base;

    if (lone_run(&base, tried, &tried->watched, id, plan))
        try_again(tried, &base, word_of(plan->polls), plan, "so again");
    lone_finish(&base);
}

/* All ways of polling beside one that was not polled. */
static void try_polls(struct tried *tried, const struct lone *base,
                      const struct life_plan *unpolled)
{
    struct life_plan plan = *unpolled;
    enum life_polls polls;

    try_again(tried, base, "at first", &plan, "lived again");
    for (polls = LIFE_EVERY_SECOND; polls <= LIFE_RANDOM; polls++) {
        plan.polls = polls;
        if (life_counts_polls(tried))
            try_twice(tried, base->life.id, &plan);
        else
            try_again(tried, base, word_of(LIFE_UNPOLLED), &plan, word_of(polls));
    }
}

/* From the ask to the last event, as far as one knows. */
static vts_ms span_of(const struct lone *lone)
{
    const struct life *life = &lone->life;
    vts_ms span = life->count ? life->events[life->count - 1].moment - TRIAL_START : 0;
    struct job job;
    bool waits = trial_look(&life->job, &job) && !state_ended((int)job.state);

    return (waits || lone->trial.instance->base.counts_polls) && span < LEAST_SPAN ? LEAST_SPAN
                                                                                   : span;
}

/* The same with a cancel on the way. */
static void try_cancel(struct tried *tried, const char *id, vts_ms span)
{
    uint64_t key = rng_key(tried->seed, STREAM_CANCEL, id, strlen(id));
    struct life_plan plan = {.polls = LIFE_UNPOLLED,
                             .span = span + 2000,
                             .cancel_at = (vts_ms)(rng_draw(key, 0) % ((uint64_t)span + 1)),
                             .after = true};
    struct lone base;

    if (lone_run(&base, tried, &tried->watched, id, &plan))
        try_polls(tried, &base, &plan);
    lone_finish(&base);
}

/* Fills the job's life as it is when nobody looks. */
static bool try_job(struct tried *tried, const char *id, struct life_plan *plan, struct lone *base)
{
    *plan = (struct life_plan){.polls = LIFE_UNPOLLED, .cancel_at = RECORD_NEVER, .after = true};
    if (!lone_run(base, tried, &tried->watched, id, plan))
        return false;
    plan->span = span_of(base) + 2000;
    try_polls(tried, base, plan);
    try_cancel(tried, id, plan->span);
    return true;
}

/* ---- jobs beside each other ---- */

/* One job of a seed. */
struct one {
    char id[RECORD_ID_MAX + 1];
    struct life_plan plan;
    struct lone base;
    struct life among;
    bool whole; /* its base is there to compare with */
};

static void run_last_first(struct one *all, size_t count)
{
    while (count-- > 0)
        life_run(&all[count].among);
}

/* Event by event, whichever is due first. */
static void run_at_once(struct one *all, size_t count)
{
    struct life *next;
    vts_ms at;
    size_t i;

    for (i = 0; i < count; i++)
        life_ask(&all[i].among);
    for (;;) {
        next = NULL;
        at = RECORD_NEVER;
        for (i = 0; i < count; i++)
            if (!all[i].among.stopped && !all[i].among.cut &&
                trial_wake_at(&all[i].among.job) < at) {
                next = &all[i].among;
                at = trial_wake_at(&next->job);
            }
        if (!next)
            return;
        life_step(next, at);
    }
}

static void try_among(struct tried *tried, struct one *all, size_t count,
                      void (*run)(struct one *all, size_t count), const char *how)
{
    struct trial trial;
    size_t i;

    if (!life_trial(tried, &trial, &tried->watched)) {
        trial_finish(&trial);
        return;
    }
    for (i = 0; i < count; i++)
        life_init(&all[i].among, tried, &trial, all[i].id, &all[i].plan);
    run(all, count);
    for (i = 0; i < count; i++) {
        if (all[i].whole && !all[i].among.stopped)
            compare(tried, &all[i].among, how, &all[i].base.life, "alone in its instance");
        life_finish(&all[i].among);
    }
    trial_finish(&trial);
}

static void try_together(struct tried *tried, struct one *all, size_t count)
{
    int64_t most = tried->most_nanoseconds;

    /* How long hooks take was seen. */
    tried->most_nanoseconds = INT64_MAX;
    if (tried_goes_on(tried))
        try_among(tried, all, count, run_last_first, "after others in one instance");
    if (tried_goes_on(tried))
        try_among(tried, all, count, run_at_once, "beside others in one instance");
    tried->most_nanoseconds = most;
}

uint64_t lives_try(struct tried *tried, uint64_t seeds, size_t ids)
{
    struct one *all = calloc(ids, sizeof(*all));
    uint64_t jobs = 0;
    size_t i, count;

    if (!all) {
        tried->no_memory = true;
        return 0;
    }
    for (tried->seed = 1; tried->seed <= seeds && tried_goes_on(tried); tried->seed++) {
        for (i = 0; i < ids && tried_goes_on(tried); i++) {
            all[i].whole = try_job(tried, life_id(i, ids, all[i].id), &all[i].plan, &all[i].base);
            jobs += all[i].whole;
        }
        count = i;
        /* One that is .serial may let a job's life hang on the order of the starts. */
        if (count > 1 && !tried->probe.plugin.serial)
            try_together(tried, all, count);
        for (i = 0; i < count; i++)
            lone_finish(&all[i].base);
    }
    free(all);
    return jobs;
}
