/* SPDX-License-Identifier: MIT
 *
 * Many jobs of one behaviour, one after the other, and what came of them. */
#include "inside.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/quantile.h"

static void sum_up(struct vts_harness_batch *batch, vts_ms *durations)
{
    double sum = 0;
    size_t i;

    if (batch->ended == 0)
        return;
    qsort(durations, batch->ended, sizeof(*durations), quantile_compare);
    for (i = 0; i < batch->ended; i++)
        sum += (double)durations[i];
    batch->mean = sum / (double)batch->ended;
    batch->min = durations[0];
    batch->p50 = quantile(durations, batch->ended, 50);
    batch->p90 = quantile(durations, batch->ended, 90);
    batch->p99 = quantile(durations, batch->ended, 99);
    batch->max = durations[batch->ended - 1];
}

static bool run_one(struct vts_harness *harness, const char *id, const char *input,
                    struct vts_harness_batch *batch, vts_ms *durations)
{
    struct trial_job job = {0};
    struct job seen;
    bool good = trial_ask(harness->trial, &job, id, input, harness->begin + harness->now) &&
                trial_run(harness->trial, &job, VTS_HARNESS_WAKES_MAX, NULL) &&
                trial_look(&job, &seen);

    if (good) {
        batch->count[seen.state]++;
        if (state_ended((int)seen.state))
            durations[batch->ended++] = seen.ended_at - seen.started_at;
    }
    trial_job_finish(&job);
    return good;
}

/* "PREFIX-7" */
static bool make_id(struct text *id, const char *prefix, size_t number)
{
    text_reset(id);
    text_printf(id, "%s-%zu", prefix, number);
    return !id->failed && record_id_valid(id->bytes, id->length);
}

static bool run_all(struct vts_harness *harness, const char *prefix, const char *input,
                    struct vts_harness_batch *batch, vts_ms *durations)
{
    struct text id = TEXT_INIT;
    bool good = true;
    size_t i;

    harness->trial->see = NULL; /* these jobs are nobody's entries */
    for (i = 0; good && i < batch->jobs; i++)
        good = make_id(&id, prefix, i) && run_one(harness, id.bytes, input, batch, durations);
    harness->trial->see = harness_see;
    text_finish(&id);
    return good;
}

bool vts_harness_run_batch(struct vts_harness *harness, const char *prefix, size_t jobs,
                           const char *input, struct vts_harness_batch *batch)
{
    struct text id = TEXT_INIT;
    vts_ms *durations;
    bool good;

    *batch = (struct vts_harness_batch){.jobs = jobs};
    good = make_id(&id, prefix, jobs);
    text_finish(&id);
    if (!good)
        return harness_refuse(harness, "vts_harness_run_batch: \"%.300s-%zu\" is no id", prefix,
                              jobs);
    if (input && !json_valid(input, strlen(input)))
        return harness_refuse(harness, "vts_harness_run_batch: the input is no JSON: %.300s",
                              input);
    durations = calloc(jobs ? jobs : 1, sizeof(*durations));
    good = durations && run_all(harness, prefix, input, batch, durations);
    if (good)
        sum_up(batch, durations);
    free(durations);
    return good || harness_refuse(harness, "vts_harness_run_batch: no memory");
}
