/* SPDX-License-Identifier: MIT
 *
 * Runs jobs of one behaviour event by event. See trial.h. */
#include "trial.h"

#include "stand.h"

static void begin(struct trial *trial, uint64_t seed)
{
    memset(trial, 0, sizeof(*trial));
    trial->engine = (struct engine){.seed = seed, .instances = &trial->instances};
    engine_work_init(&trial->work, &trial->engine);
    trial->work.next = &trial->next;
}

/* A filter is put around something that has jobs. */
static bool add(struct trial *trial, struct instance *instance, struct vts_error *error)
{
    struct instance *stand;

    trial->instance = instances_add(&trial->instances, instance);
    if (instance->base.plugin->kind != VTS_FILTER)
        return true;
    trial->filter = trial->instance;
    stand = stand_create(trial->filter, error);
    if (stand)
        trial->instance = instances_add(&trial->instances, stand);
    return stand != NULL;
}

bool trial_take(struct trial *trial, struct instance *instance, uint64_t seed,
                struct vts_error *error)
{
    begin(trial, seed);
    return add(trial, instance, error);
}

bool trial_init(struct trial *trial, const struct instance *like, uint64_t seed,
                struct vts_error *error)
{
    struct instance *instance;

    begin(trial, seed);
    instance = instance_again(like, &trial->instances, error);
    return instance && add(trial, instance, error);
}

void trial_finish(struct trial *trial)
{
    engine_work_finish(&trial->work);
    instances_finish(&trial->instances);
    text_finish(&trial->next);
}

const struct instance *trial_subject(const struct trial *trial)
{
    return trial->filter ? trial->filter : trial->instance;
}

void trial_job_reset(struct trial_job *job)
{
    text_reset(&job->record);
    job->polls = 0;
}

void trial_job_finish(struct trial_job *job)
{
    text_finish(&job->record);
    *job = (struct trial_job){0};
}

static const struct record *record_of(const struct trial_job *job)
{
    return job->record.length ? (const struct record *)(const void *)job->record.bytes : NULL;
}

bool trial_look(const struct trial_job *job, struct job *out)
{
    const struct record *record = record_of(job);

    return record && record_read(record, job->record.length, out);
}

vts_ms trial_wake_at(const struct trial_job *job)
{
    const struct record *record = record_of(job);

    return record ? record->wake_at : RECORD_NEVER;
}

/* Keeps what an event left, and shows it. The old record was read while the new one was written, so they
 * are two, and change places. */
static bool keep(struct trial *trial, struct trial_job *job, enum trial_event event, vts_ms at,
                 enum record_act act)
{
    struct engine_work *work = &trial->work;
    struct text record = trial->next;
    struct trial_seen seen = {.event = event, .moment = at, .kept = act == RECORD_PUT};
    struct job now;

    if (work->err != VTS_OK && work->err != VTS_ERR_EXISTS)
        return false;
    if (act == RECORD_PUT) {
        trial->next = job->record;
        job->record = record;
    }
    if (!trial->see)
        return true;
    if (!trial_look(job, &now))
        return false;
    seen.job = &now;
    seen.answer = work->bent ? &work->answer : NULL;
    seen.refused = work->refused;
    seen.exists = work->err == VTS_ERR_EXISTS;
    trial->see(trial->arg, job, &seen);
    return true;
}

/* One wake, or one moment's wakes that the job asked for without a span. */
static bool wake(struct trial *trial, struct trial_job *job)
{
    vts_ms at = trial_wake_at(job);

    return keep(trial, job, TRIAL_WAKE, at, engine_advance(&trial->work, record_of(job), at));
}

bool trial_advance(struct trial *trial, struct trial_job *job, vts_ms to)
{
    while (trial_wake_at(job) <= to)
        if (!wake(trial, job))
            return false;
    return true;
}

bool trial_run(struct trial *trial, struct trial_job *job, size_t most, size_t *wakes)
{
    for (; most > 0 && trial_wake_at(job) != RECORD_NEVER; most--) {
        if (!wake(trial, job))
            return false;
        if (wakes)
            ++*wakes;
    }
    return true;
}

bool trial_ask(struct trial *trial, struct trial_job *job, const char *id, const char *input,
               vts_ms at)
{
    struct bytes given = {input, input ? strlen(input) : 0};

    if (!trial_advance(trial, job, at))
        return false;
    return keep(trial, job, TRIAL_ASK, at,
                engine_start(&trial->work, record_of(job), trial->instance,
                             (struct bytes){id, strlen(id)}, given, at));
}

/* One whose start was refused is not there. */
static bool there(const struct trial_job *job)
{
    return record_of(job) && record_of(job)->state != VTS_ASKED;
}

bool trial_poll(struct trial *trial, struct trial_job *job, vts_ms at)
{
    if (!there(job) || !trial_advance(trial, job, at))
        return false;
    return keep(trial, job, TRIAL_POLL, at,
                engine_poll(&trial->work, record_of(job), ++job->polls, at));
}

bool trial_cancel(struct trial *trial, struct trial_job *job, vts_ms at)
{
    if (!there(job) || !trial_advance(trial, job, at))
        return false;
    return keep(trial, job, TRIAL_CANCEL, at, engine_cancel(&trial->work, record_of(job), at));
}
