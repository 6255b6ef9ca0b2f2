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
    slots_init(&trial->slots, trial->instance->slots);
    if (trial->instance->slots > 0)
        trial->work.slots = &trial->view;
    if (trial->instance->base.plugin->kind != VTS_FILTER)
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
    slots_finish(&trial->slots);
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

/* ---- slots ---- */

static bool in_order(const struct trial *trial) { return trial->instance->slots > 0; }

/* Makes room for what an event may do to the job. */
static bool reserve(struct trial *trial, struct trial_job *job, struct bytes id)
{
    trial->view = (struct engine_slots){slots_free(&trial->slots), slots_waiting(&trial->slots)};
    if (in_order(trial))
        trial->place = slots_reserve(&trial->slots, id, job);
    return !in_order(trial) || trial->place;
}

static void note(struct trial *trial, const struct trial_job *job)
{
    struct slots_mark mark;
    struct job now;

    if (!in_order(trial) || !trial_look(job, &now))
        return;
    mark = slots_mark_of(&now);
    slots_note(&trial->slots, trial->place, &mark);
}

bool trial_adopt(struct trial *trial, struct trial_job *job)
{
    struct job now;

    if (!trial_look(job, &now))
        return true;
    if (!reserve(trial, job, now.id))
        return false;
    note(trial, job);
    return true;
}

/* ---- events ---- */

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
        note(trial, job);
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

static bool carry_out(struct trial *trial, const struct slots_event *event)
{
    struct trial_job *job = event->tag;
    bool grant = event->kind == SLOTS_GRANT;

    return reserve(trial, job, event->id) &&
           keep(trial, job, grant ? TRIAL_GRANT : TRIAL_WAKE, event->moment,
                (grant ? engine_grant : engine_advance)(&trial->work, record_of(job),
                                                        event->moment));
}

/* The wake that comes next of all jobs, if it is due, and the grants that come of it. */
static bool step(struct trial *trial, vts_ms to, bool *stepped)
{
    struct slots_event event;
    bool good = true;

    *stepped = slots_next(&trial->slots, to, &event);
    if (*stepped)
        good = carry_out(trial, &event);
    while (good && *stepped && slots_next(&trial->slots, to, &event) && event.kind == SLOTS_GRANT)
        good = carry_out(trial, &event);
    return good;
}

static bool settle(struct trial *trial, vts_ms to)
{
    bool good = true, stepped = in_order(trial);

    while (good && stepped)
        good = step(trial, to, &stepped);
    return good;
}

/* The moment at which something can happen that was meant for this one. */
static vts_ms moment_of(const struct trial *trial, vts_ms at)
{
    return in_order(trial) && trial->slots.last > at ? trial->slots.last : at;
}

bool trial_forget(struct trial *trial, const struct trial_job *job, vts_ms at)
{
    const struct slots_mark none = {false, RECORD_NEVER, RECORD_NEVER, moment_of(trial, at)};
    struct slots_job *place;
    struct job now;
    bool good;

    if (!in_order(trial) || !trial_look(job, &now))
        return true;
    good = settle(trial, none.last_at);
    /* One that is known takes no memory, and must not stay known. */
    place = trial_look(job, &now) ? slots_reserve(&trial->slots, now.id, NULL) : NULL;
    if (place)
        slots_note(&trial->slots, place, &none);
    return good && settle(trial, none.last_at);
}

static bool goes_on(const struct trial_job *job)
{
    return record_of(job) && !state_ended(record_of(job)->state);
}

/* All of them, until this one has ended. */
static bool run_along(struct trial *trial, struct trial_job *job, size_t most, size_t *wakes)
{
    bool stepped = true;

    for (; most > 0 && stepped && goes_on(job); most--) {
        if (!step(trial, VTS_TIME_END, &stepped))
            return false;
        if (wakes && stepped)
            ++*wakes;
    }
    return true;
}

bool trial_advance(struct trial *trial, struct trial_job *job, vts_ms to)
{
    if (in_order(trial))
        return settle(trial, to);
    while (trial_wake_at(job) <= to)
        if (!wake(trial, job))
            return false;
    return true;
}

bool trial_run(struct trial *trial, struct trial_job *job, size_t most, size_t *wakes)
{
    if (in_order(trial))
        return run_along(trial, job, most, wakes);
    for (; most > 0 && trial_wake_at(job) != RECORD_NEVER; most--) {
        if (!wake(trial, job))
            return false;
        if (wakes)
            ++*wakes;
    }
    return true;
}

/* What came of it is asked for afterwards. */
static bool after_ask(struct trial *trial, vts_ms at)
{
    bool refused = trial->work.refused, good;
    struct vts_answer answer = trial->work.answer;

    trial->bent = trial->work.bent;
    good = settle(trial, at);
    trial->work.refused = refused;
    trial->work.answer = answer;
    return good;
}

bool trial_ask(struct trial *trial, struct trial_job *job, const char *id, const char *input,
               vts_ms at)
{
    struct bytes given = {input, input ? strlen(input) : 0}, name = {id, strlen(id)};

    at = moment_of(trial, at);
    return trial_advance(trial, job, at) && reserve(trial, job, name) &&
           keep(trial, job, TRIAL_ASK, at,
                engine_start(&trial->work, record_of(job), trial->instance, name, given, at)) &&
           after_ask(trial, at);
}

static struct bytes id_of(const struct trial_job *job)
{
    return (struct bytes){record_of(job)->id, record_of(job)->id_length};
}

/* One whose start was refused is not there. */
static bool there(const struct trial_job *job)
{
    return record_of(job) && record_of(job)->state != VTS_ASKED;
}

bool trial_poll(struct trial *trial, struct trial_job *job, vts_ms at)
{
    at = moment_of(trial, at);
    return there(job) && trial_advance(trial, job, at) && reserve(trial, job, id_of(job)) &&
           keep(trial, job, TRIAL_POLL, at,
                engine_poll(&trial->work, record_of(job), ++job->polls, at)) &&
           settle(trial, at);
}

bool trial_cancel(struct trial *trial, struct trial_job *job, vts_ms at)
{
    at = moment_of(trial, at);
    return there(job) && trial_advance(trial, job, at) && reserve(trial, job, id_of(job)) &&
           keep(trial, job, TRIAL_CANCEL, at, engine_cancel(&trial->work, record_of(job), at)) &&
           settle(trial, at);
}
