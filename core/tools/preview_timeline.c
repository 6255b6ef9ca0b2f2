/* SPDX-License-Identifier: MIT
 *
 * Lives of a few jobs of a preview, event by event, so that they can be drawn. They are lived once more, by
 * the same seed and ids, since nobody can tell beforehand which jobs are worth showing. See preview.h. */
#include "preview.h"

#include <stdlib.h>

static bool same_ramp(const struct ramp *a, const struct ramp *b)
{
    return a->from == b->from && a->to == b->to && a->since == b->since && a->span == b->span;
}

/* After an event: keeps what is new. */
static void see(void *arg, struct trial_job *job, const struct trial_seen *seen)
{
    struct preview_timeline *timeline = arg;
    struct preview_point *last = timeline->points + timeline->count, *grown;
    size_t room = timeline->room ? timeline->room * 2 : 16;

    (void)job;
    timeline->last = seen->moment - TRIAL_START;
    if (timeline->count > 0 && last[-1].state == seen->job->state &&
        same_ramp(&last[-1].progress, &seen->job->progress))
        return;
    if (timeline->count == timeline->room) {
        grown = realloc(timeline->points, room * sizeof(*grown));
        if (!grown) {
            timeline->failed = true;
            return;
        }
        timeline->points = grown;
        timeline->room = room;
        last = grown + timeline->count;
    }
    *last = (struct preview_point){.at = seen->moment - TRIAL_START,
                                   .state = seen->job->state,
                                   .progress = seen->job->progress};
    timeline->count++;
}

static bool live(struct trial *trial, uint64_t number, struct preview_timelines *timelines)
{
    struct preview_timeline *timeline = &timelines->all[timelines->count++];
    struct trial_job job = {0};
    bool good;

    preview_id(number, timeline->id);
    trial->arg = timeline;
    good = preview_live(trial, &job, timeline->id, &timeline->life) && !timeline->failed;
    timeline->life.code = timeline->life.message = (struct bytes){NULL, 0};
    trial_job_finish(&job);
    return good;
}

/* The first job of each outcome, where it is not among those shown anyway, in their order. */
static size_t choose_others(const struct preview_sums *sums, uint64_t others[PREVIEW_OUTCOMES])
{
    size_t count = 0, i, at;

    for (i = 0; i < PREVIEW_OUTCOMES; i++) {
        if (sums->first[i] <= PREVIEW_TIMELINES_FIRST)
            continue;
        for (at = count++; at > 0 && others[at - 1] > sums->first[i]; at--)
            others[at] = others[at - 1];
        others[at] = sums->first[i];
    }
    return count;
}

/* ---- jobs that live beside each other ---- */

/* The timeline of this job, or NULL: it is not shown. */
static struct preview_timeline *timeline_of(struct preview_timelines *timelines, uint64_t number)
{
    size_t i;

    for (i = 0; i < timelines->count; i++)
        if (timelines->all[i].number == number)
            return &timelines->all[i];
    return NULL;
}

static void see_crowd(void *arg, struct trial_job *job, const struct trial_seen *seen)
{
    struct preview_timeline *timeline = timeline_of(arg, preview_crowd_number(job));

    if (timeline)
        see(timeline, job, seen);
}

static bool take_life(void *arg, uint64_t number, const struct preview_life *life)
{
    struct preview_timeline *timeline = timeline_of(arg, number);

    if (!timeline)
        return true;
    timeline->life = *life;
    timeline->life.code = timeline->life.message = (struct bytes){NULL, 0};
    return !timeline->failed;
}

static bool live_crowd(struct trial *trial, struct preview_timelines *timelines,
                       const struct preview_sums *sums, vts_ms every, const uint64_t *numbers,
                       size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        timelines->all[i].number = numbers[i];
        preview_id(numbers[i], timelines->all[i].id);
    }
    timelines->count = count;
    trial->see = see_crowd;
    trial->arg = timelines;
    return preview_crowd(trial, sums->jobs, every, take_life, timelines);
}

static bool live_each(struct trial *trial, struct preview_timelines *timelines,
                      const uint64_t *numbers, size_t count)
{
    bool good = true;
    size_t i;

    trial->see = see;
    for (i = 0; good && i < count; i++)
        good = live(trial, numbers[i], timelines);
    return good;
}

/* The numbers of those that are shown. */
static size_t choose(const struct preview_sums *sums, uint64_t numbers[PREVIEW_TIMELINES_MAX])
{
    size_t count = 0;

    while (count < sums->jobs && count < PREVIEW_TIMELINES_FIRST) {
        numbers[count] = count + 1;
        count++;
    }
    return count + choose_others(sums, numbers + count);
}

bool preview_timelines_init(struct preview_timelines *timelines, const struct preview_sums *sums,
                            const struct instance *instance, uint64_t seed, vts_ms every,
                            struct vts_error *error)
{
    uint64_t numbers[PREVIEW_TIMELINES_FIRST + PREVIEW_OUTCOMES];
    size_t count = choose(sums, numbers);
    struct trial trial;
    bool good;

    memset(timelines, 0, sizeof(*timelines));
    good = trial_init(&trial, instance, seed, error);
    if (good) {
        good = trial.instance->slots > 0
                   ? live_crowd(&trial, timelines, sums, every, numbers, count)
                   : live_each(&trial, timelines, numbers, count);
        if (!good)
            vts_error_set(error, VTS_ERR_MEMORY, "no memory for the timelines");
    }
    trial_finish(&trial);
    return good;
}

void preview_timelines_finish(struct preview_timelines *timelines)
{
    size_t i;

    for (i = 0; i < timelines->count; i++)
        free(timelines->all[i].points);
    timelines->count = 0;
}

/* The end of what happens to it: of its events, and of the progress that one which goes on still makes. */
static vts_ms last_moment(const struct preview_timeline *timeline)
{
    const struct preview_point *last = timeline->points + timeline->count;
    vts_ms grown;

    if (timeline->count == 0 || timeline->life.outcome < PREVIEW_ENDS ||
        last[-1].progress.span == 0)
        return timeline->last;
    grown = last[-1].progress.since + last[-1].progress.span - TRIAL_START;
    return grown > timeline->last ? grown : timeline->last;
}

vts_ms preview_timelines_span(const struct preview_timelines *timelines)
{
    vts_ms span = 0, last;
    bool beyond = false;
    size_t i;

    for (i = 0; i < timelines->count; i++) {
        last = last_moment(&timelines->all[i]);
        span = last > span ? last : span;
        beyond |= timelines->all[i].life.outcome >= PREVIEW_ENDS;
    }
    if (beyond)
        span += span / 4;
    return span > 0 ? span : 1000;
}

enum vts_state preview_timeline_at(const struct preview_timeline *timeline, vts_ms at,
                                   double *progress)
{
    const struct preview_point *point = timeline->points + timeline->count;
    struct job job = {.state = VTS_ASKED};

    while (point > timeline->points && point[-1].at > at)
        point--;
    if (point > timeline->points)
        job = (struct job){.state = point[-1].state, .progress = point[-1].progress};
    *progress = job_progress(&job, TRIAL_START + at);
    return job.state;
}
