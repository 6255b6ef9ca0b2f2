/* SPDX-License-Identifier: MIT
 *
 * Schedules as waits: when to poll next. See schedule.h; the words are in schedule_text.c. */
#include "schedule.h"

#include <math.h>
#include <stdlib.h>

#include "chance.h"

#define APART_MS 5 /* from the first poll of a job to that of the next, where many start at once */

struct schedule {
    struct schedule_options options;
    struct learn *learn; /* NULL: it does not learn */
    double
        next_start_ms; /* on the caller's clock: where there is room for another job's first poll */
};

void schedule_options_init(struct schedule_options *options, enum schedule_kind kind)
{
    *options = (struct schedule_options){
        .kind = kind,
        .first_ms = kind == SCHEDULE_FIXED ? 1000 : 500,
        .factor = 1.5,
        .cap_ms = 10000,
        .jitter = 0.1,
        .phase = true,
        .ms_per_poll = 1000,
        .polls_per_job = 12,
        .largest_gap_ms = 600000,
    };
}

static bool learns(const struct schedule_options *options)
{
    return options->kind == SCHEDULE_BUDGET || options->kind == SCHEDULE_COST;
}

struct schedule *schedule_create(const struct schedule_options *options)
{
    bool budget = options->kind == SCHEDULE_BUDGET;
    struct learn_options learn = {.ms_per_poll = budget ? 0 : options->ms_per_poll,
                                  .polls_per_job = options->polls_per_job,
                                  .largest_gap_ms = options->largest_gap_ms};
    struct schedule *schedule = calloc(1, sizeof(*schedule));

    if (!schedule)
        return NULL;
    schedule->options = *options;
    if (!learns(options))
        return schedule;
    schedule->learn = learn_create(&learn);
    if (!schedule->learn) {
        free(schedule);
        return NULL;
    }
    return schedule;
}

void schedule_destroy(struct schedule *schedule)
{
    if (!schedule)
        return;
    learn_destroy(schedule->learn);
    free(schedule);
}

const struct learn *schedule_learn(const struct schedule *schedule) { return schedule->learn; }

static int64_t whole_ms(double wait_ms) { return wait_ms < 1 ? 1 : (int64_t)(wait_ms + 0.5); }

static double clamped(const struct schedule *schedule, double age_ms)
{
    const struct schedule_options *options = &schedule->options;

    if (options->kind == SCHEDULE_FIXED)
        return options->first_ms;
    return fmin(options->first_ms + (options->factor - 1) * age_ms, options->cap_ms);
}

static double jittered(const struct schedule *schedule, double wait_ms, uint64_t random)
{
    return wait_ms * (1 + schedule->options.jitter * (2 * chance_uniform(&random) - 1));
}

/* How far the first poll is put off, so that those of many jobs make a queue; one that would have to wait
 * longer than any wait takes a place among those before it. */
static double put_off(struct schedule *schedule, double now_ms)
{
    double start_ms = fmax(now_ms, schedule->next_start_ms);

    if (schedule->options.kind == SCHEDULE_FIXED)
        return 0; /* the phase alone spreads them evenly */
    schedule->next_start_ms = start_ms + APART_MS;
    return fmod(start_ms - now_ms, schedule->options.cap_ms);
}

int64_t schedule_first(struct schedule *schedule, int64_t now_ms, uint64_t random)
{
    double wait_ms = clamped(schedule, 0);
    uint64_t chance = random;

    if (schedule->learn && learn_is_warm(schedule->learn))
        return learn_next(schedule->learn, 0, -1, random);
    if (!schedule->options.phase)
        return whole_ms(jittered(schedule, wait_ms, random));
    wait_ms *= 0.5 + chance_uniform(&chance);
    return whole_ms(wait_ms + put_off(schedule, (double)now_ms));
}

int64_t schedule_next(struct schedule *schedule, int64_t age_ms, double progress, uint64_t random)
{
    double age = age_ms > 0 ? (double)age_ms : 0;
    int64_t wait_ms;

    if (schedule->learn && learn_is_warm(schedule->learn))
        return learn_next(schedule->learn, (int64_t)age, progress, random);
    wait_ms = whole_ms(jittered(schedule, clamped(schedule, age), random));
    if (!schedule->learn)
        return wait_ms;
    return learn_rescaled(schedule->learn, wait_ms, (int64_t)age, progress);
}

void schedule_ended(struct schedule *schedule, const struct learn_end *end)
{
    if (schedule->learn)
        learn_ended(schedule->learn, end);
}

void schedule_censored(struct schedule *schedule, int64_t age_ms)
{
    if (schedule->learn)
        learn_censored(schedule->learn, age_ms);
}
