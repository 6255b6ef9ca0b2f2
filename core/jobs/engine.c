/* SPDX-License-Identifier: MIT
 *
 * How an event moves a job: load the record, run what is due, run the event's own hook, carry out what
 * the hook noted, pack the record. See engine.h. */
#include "engine.h"

#include <assert.h>

#include "../base/log.h"
#include "../base/rng.h"
#include "filter.h"

/* The streams of chance that a job has. The answers' stream is split again by the number of the poll,
 * the asks' by the number of the attempt. */
enum stream { STREAM_LIFE = 1, STREAM_ANSWERS = 2, STREAM_ASKS = 3 };

void engine_work_init(struct engine_work *work, const struct engine *engine)
{
    memset(work, 0, sizeof(*work));
    work->engine = engine;
}

void engine_work_finish(struct engine_work *work)
{
    text_finish(&work->texts.result);
    text_finish(&work->texts.code);
    text_finish(&work->texts.message);
    text_finish(&work->texts.word);
    text_finish(&work->plugin_state);
    text_finish(&work->word);
}

static bool alive(const struct job *job)
{
    return job->state == VTS_QUEUED || job->state == VTS_RUNNING;
}

static struct bytes bytes_of(const struct text *text)
{
    return (struct bytes){text->bytes, text->length};
}

/* ---- ends ---- */

static void run_hook(struct engine_work *work, enum hook_kind kind,
                     void (*function)(struct vts_job *), uint64_t polls, vts_ms now,
                     struct hook *hook);

static void end_job(struct engine_work *work, enum vts_state state, vts_ms now)
{
    struct job *job = &work->job;
    double progress = job_progress(job, now);
    struct hook hook;

    assert(alive(job));
    job->state = state;
    job->ended_at = now;
    job->last_at = now;
    job->wake_at = RECORD_NEVER;
    job->waits = 0;
    job->has_slot = false;
    job->queued_at = RECORD_NEVER;
    job->progress =
        state == VTS_COMPLETED ? (struct ramp){0} : (struct ramp){progress, progress, now, 0};
    work->ended = work->moved = true;
    if (work->instance && work->instance->base.plugin->finish)
        run_hook(work, HOOK_FINISH, work->instance->base.plugin->finish, 0, now, &hook);
}

/* Fails a job whose behaviour broke the rules, or cannot be called. */
VTS_PRINTF(4, 5)
static void fail_job(struct engine_work *work, const char *code, vts_ms now, const char *format,
                     ...)
{
    va_list args;

    text_reset(&work->texts.code);
    text_puts(&work->texts.code, code);
    text_reset(&work->texts.message);
    va_start(args, format);
    text_vprintf(&work->texts.message, format, args);
    va_end(args);
    if (work->texts.code.failed || work->texts.message.failed)
        work->err = VTS_ERR_MEMORY;
    work->job.code = bytes_of(&work->texts.code);
    work->job.message = bytes_of(&work->texts.message);
    end_job(work, VTS_FAILED, now);
    log_line(VTS_WARNING, work->instance ? work->instance->name : "jobs", "job %s was failed: %s",
             work->id, work->texts.message.bytes);
}

/* ---- hooks ---- */

static uint64_t stream_of(const struct engine_work *work, enum hook_kind kind, uint64_t polls)
{
    enum stream stream = kind == HOOK_ADMIT  ? STREAM_ASKS
                         : kind == HOOK_POLL ? STREAM_ANSWERS
                                             : STREAM_LIFE;
    uint64_t key = rng_key(work->engine->seed, stream, work->job.id.at, work->job.id.length);

    return stream == STREAM_LIFE ? key : rng_draw(key, polls);
}

static void run_hook(struct engine_work *work, enum hook_kind kind,
                     void (*function)(struct vts_job *), uint64_t polls, vts_ms now,
                     struct hook *hook)
{
    struct job *job = &work->job;
    bool own_stream = kind == HOOK_ADMIT || kind == HOOK_POLL;

    *hook = (struct hook){.kind = kind,
                          .instance = work->instance,
                          .id = work->id,
                          .input = job->input.at,
                          .now = now,
                          .started_at = job->started_at,
                          .progress = job_progress(job, now),
                          .state = job->state,
                          .polls = polls,
                          .granted = work->granting && kind == HOOK_WAKE,
                          .waiting = work->slots ? work->slots->waiting : 0,
                          .free_slots = work->slots ? work->slots->free : 0,
                          .stream = stream_of(work, kind, polls),
                          .draws = own_stream ? 0 : job->draws,
                          .texts = &work->texts};
    hook->job.state = work->instance->base.state_size ? work->plugin_state.bytes : NULL;
    hook_run(hook, function);
    if (!own_stream)
        job->draws = hook->draws;
    if (hook->no_memory)
        work->err = VTS_ERR_MEMORY;
}

/* A job that asks for a slot joins the line, and gives back the one that it has; one that is in line already
 * stays where it is; one that does not ask any longer leaves it. */
static void join_line(struct engine_work *work, vts_ms now)
{
    struct job *job = &work->job;
    bool asks = job->in_order && (job->waits & VTS_FOR_SLOT);

    if (asks == (job->state == VTS_QUEUED))
        return;
    job->state = asks ? VTS_QUEUED : VTS_RUNNING;
    job->queued_at = asks ? now : RECORD_NEVER;
    job->has_slot = false;
    if (!asks && job->started_at == RECORD_NEVER)
        job->started_at = now;
}

/* Carries out what a hook noted. */
static void apply(struct engine_work *work, const struct hook *hook)
{
    struct job *job = &work->job;

    job->last_at = hook->now;
    if (hook->has_progress)
        job->progress =
            (struct ramp){hook->progress, hook->progress_to, hook->now, hook->progress_span};
    if (hook->has_wake)
        job->wake_at = hook->wake_at;
    if (hook->has_waits)
        job->waits = hook->waits;
    if (hook->end == VTS_ASKED) {
        join_line(work, hook->now);
        return;
    }
    if (hook->end == VTS_COMPLETED && hook->has_result)
        job->result = bytes_of(&work->texts.result);
    if (hook->end == VTS_FAILED) {
        job->code = bytes_of(&work->texts.code);
        job->message = bytes_of(&work->texts.message);
    }
    end_job(work, hook->end, hook->now);
}

/* Rule 4: a hook leaves its job ended, with a wake, or waiting for something that can come. */
static void check_settled(struct engine_work *work, enum hook_kind kind, vts_ms now)
{
    static const char *const names[] = {"admit", "start", "wake", "poll", "cancel", "finish"};
    const struct vts_instance *base = &work->instance->base;
    struct job *job = &work->job;

    if (job->state != VTS_RUNNING || job->wake_at != RECORD_NEVER || (job->waits & VTS_FOR_EVER) ||
        ((job->waits & VTS_FOR_POLL) && base->counts_polls))
        return;
    if (job->waits & VTS_FOR_SLOT)
        fail_job(work, "behaviour_error", now,
                 "plugin %s: hook %s left the job waiting for a slot, but %s", base->plugin->name,
                 names[kind],
                 work->instance->slots > 0 ? "this store has no slots"
                                           : "its open did not say vts_slots");
    else if (job->waits & VTS_FOR_POLL)
        fail_job(work, "behaviour_error", now,
                 "plugin %s: hook %s left the job waiting for a poll, but its open did not set "
                 "counts_polls",
                 base->plugin->name, names[kind]);
    else
        fail_job(work, "behaviour_error", now,
                 "plugin %s: hook %s left the job with neither an end, a wake nor vts_wait",
                 base->plugin->name, names[kind]);
}

/* Runs the wakes that are due by `now`, each at its own moment. */
static void advance(struct engine_work *work, vts_ms now)
{
    const struct vts_plugin *plugin = work->instance->base.plugin;
    struct job *job = &work->job;
    vts_ms moment = RECORD_NEVER, due;
    struct hook hook;
    int run = 0;

    while (alive(job) && job->wake_at <= now) {
        work->moved = true;
        due = job->wake_at > job->last_at ? job->wake_at : job->last_at;
        run = due == moment ? run + 1 : 1;
        moment = due;
        job->wake_at = RECORD_NEVER;
        if (!plugin->wake) {
            fail_job(work, "behaviour_error", due,
                     "plugin %s: it asked for a wake and has no wake hook", plugin->name);
        } else if (run > ENGINE_HOOKS_PER_MOMENT) {
            fail_job(work, "behaviour_error", due,
                     "plugin %s: more than %d wakes in one moment, taken to be without end",
                     plugin->name, ENGINE_HOOKS_PER_MOMENT);
        } else {
            run_hook(work, HOOK_WAKE, plugin->wake, 0, due, &hook);
            apply(work, &hook);
            check_settled(work, HOOK_WAKE, due);
        }
    }
}

/* ---- records ---- */

static void begin(struct engine_work *work)
{
    work->err = VTS_OK;
    work->granting = false;
    work->bent = work->refused = work->ended = work->moved = false;
}

/* Gives the hooks a copy of the plugin's bytes that they may write to. */
static bool copy_state(struct engine_work *work)
{
    size_t size = work->instance->base.state_size;
    struct job *job = &work->job;

    if (size == 0)
        return true;
    text_reset(&work->plugin_state);
    if (!text_reserve(&work->plugin_state, size)) {
        work->err = VTS_ERR_MEMORY;
        return false;
    }
    if (job->plugin_state.at)
        memcpy(work->plugin_state.bytes, job->plugin_state.at, size);
    else
        memset(work->plugin_state.bytes, 0, size);
    work->plugin_state.length = size;
    work->plugin_state.bytes[size] = '\0';
    return true;
}

static void set_id(struct engine_work *work)
{
    memcpy(work->id, work->job.id.at, work->job.id.length);
    work->id[work->job.id.length] = '\0';
}

/* Whether the plugin's bytes in a record are such as its behaviour keeps now. */
static bool state_fits(const struct job *job, const struct instance *instance)
{
    return !job->plugin_state.at || (job->state_version == instance->base.plugin->state_version &&
                                     job->plugin_state.length == instance->base.state_size);
}

/* Unpacks a record and finds its behaviour. A job whose behaviour is gone or does not know its bytes is
 * failed, alone. False where nothing can be done with the record. */
static bool load(struct engine_work *work, const struct record *old, vts_ms now)
{
    struct job *job = &work->job;
    const struct vts_plugin *plugin;
    size_t size;

    begin(work);
    work->instance = NULL;
    if (!record_read(old, old->size, job)) {
        work->err = VTS_ERR_DAMAGED;
        return false;
    }
    set_id(work);
    work->instance = instances_hashed(work->engine->instances, job->instance);
    if (!work->instance) {
        if (alive(job))
            fail_job(work, "behaviour_missing", now,
                     "the behaviour that this job was started with "
                     "is not there any more");
        return true;
    }
    plugin = work->instance->base.plugin;
    size = work->instance->base.state_size;
    if (!state_fits(job, work->instance)) {
        work->instance = NULL; /* its hooks would misread the bytes */
        if (alive(job))
            fail_job(
                work, "state_version", now,
                "plugin %s keeps its state as version %u in %zu bytes, this job's is version %u "
                "in %zu bytes",
                plugin->name, plugin->state_version, size, job->state_version,
                job->plugin_state.length);
        return true;
    }
    return copy_state(work);
}

/* Packs the job into `next`. */
static enum record_act keep(struct engine_work *work)
{
    struct job *job = &work->job;

    if (work->err == VTS_OK && work->instance && work->instance->base.state_size) {
        job->plugin_state = bytes_of(&work->plugin_state);
        job->state_version = work->instance->base.plugin->state_version;
    }
    if (work->err != VTS_OK || !record_write(job, work->next)) {
        work->err = VTS_ERR_MEMORY;
        return RECORD_LEAVE;
    }
    return RECORD_PUT;
}

/* ---- events ---- */

/* The first time that this id is asked for. */
static void make_job(struct engine_work *work, struct bytes id, vts_ms now)
{
    work->job = (struct job){.id = id,
                             .state = VTS_ASKED,
                             .created_at = now,
                             .started_at = RECORD_NEVER,
                             .ended_at = RECORD_NEVER,
                             .wake_at = RECORD_NEVER,
                             .queued_at = RECORD_NEVER,
                             .last_at = now};
}

enum record_act engine_ask(struct engine_work *work, const struct instance *instance,
                           struct bytes id, vts_ms now)
{
    begin(work);
    make_job(work, id, now);
    work->job.instance = instance->hash;
    work->job.idempotency = work->idempotency;
    work->instance = NULL;
    return keep(work);
}

static bool admitted(struct engine_work *work, vts_ms now)
{
    const struct vts_plugin *plugin = work->instance->base.plugin;
    struct job *job = &work->job;
    struct hook hook;

    if (job->asks < UINT16_MAX)
        job->asks++;
    job->last_at = now;
    if (!filters_admit(work, work->instance, job->asks, now) && plugin->admit) {
        run_hook(work, HOOK_ADMIT, plugin->admit, job->asks, now, &hook);
        if (hook.refused)
            answer_add(work, &hook);
    }
    return !work->refused;
}

enum record_act engine_start(struct engine_work *work, const struct record *old,
                             const struct instance *instance, struct bytes id, struct bytes input,
                             vts_ms now)
{
    struct job *job = &work->job;
    struct hook hook;

    begin(work);
    if (old && old->state != VTS_ASKED) {
        work->err = VTS_ERR_EXISTS;
        return RECORD_LEAVE;
    }
    if (!old || !record_read(old, old->size, job) || job->instance != instance->hash ||
        !state_fits(job, instance))
        make_job(work, id, now);
    job->id = id;
    job->input = input;
    job->idempotency = work->idempotency;
    job->instance = instance->hash;
    job->in_order = instance->slots > 0 && work->slots;
    work->instance = instance;
    set_id(work);
    if (!copy_state(work))
        return RECORD_LEAVE;
    if (!admitted(work, now))
        return keep(work);
    job->state = VTS_RUNNING;
    job->created_at = job->started_at = now;
    run_hook(work, HOOK_START, instance->base.plugin->start, 0, now, &hook);
    answer_add(work, &hook);
    apply(work, &hook);
    if (job->state == VTS_QUEUED)
        job->started_at = RECORD_NEVER;
    check_settled(work, HOOK_START, now);
    advance(work, now);
    return keep(work);
}

enum record_act engine_advance(struct engine_work *work, const struct record *old, vts_ms now)
{
    if (!load(work, old, now))
        return RECORD_LEAVE;
    if (work->instance)
        advance(work, now);
    return work->moved ? keep(work) : RECORD_LEAVE;
}

static bool noted_anything(const struct hook *hook)
{
    return hook->has_wake || hook->has_waits || hook->has_progress || hook->end != VTS_ASKED;
}

static bool state_changed(const struct engine_work *work)
{
    size_t size = work->instance->base.state_size;

    return size > 0 && (!work->job.plugin_state.at ||
                        memcmp(work->plugin_state.bytes, work->job.plugin_state.at, size) != 0);
}

enum record_act engine_poll(struct engine_work *work, const struct record *old, uint64_t polls,
                            vts_ms now)
{
    const struct instance *instance = instances_hashed(work->engine->instances, old->instance);
    struct hook hook;

    begin(work);
    /* Most polls tell nothing new: nothing is due, and nobody wants to hear of the poll. */
    if (instance && !instance->hears_polls && (state_ended(old->state) || old->wake_at > now))
        return RECORD_LEAVE;
    if (!load(work, old, now))
        return RECORD_LEAVE;
    if (work->instance)
        advance(work, now);
    /* Filters stand around a behaviour that cannot be called, too. */
    if (instance && filters_poll(work, instance, polls, now))
        return work->moved ? keep(work) : RECORD_LEAVE;
    instance = work->instance;
    if (!instance || !instance->base.plugin->poll)
        return work->moved ? keep(work) : RECORD_LEAVE;
    /* A hook that does not count writes to a copy: what was due is kept without it. */
    if (!instance->base.counts_polls && work->moved && keep(work) != RECORD_PUT)
        return RECORD_LEAVE;
    run_hook(work, HOOK_POLL, instance->base.plugin->poll, polls, now, &hook);
    answer_add(work, &hook);
    if (!instance->base.counts_polls)
        return work->moved ? RECORD_PUT : RECORD_LEAVE;
    if (noted_anything(&hook) || state_changed(work)) {
        work->moved = true;
        if (alive(&work->job)) {
            apply(work, &hook);
            check_settled(work, HOOK_POLL, now);
            advance(work, now);
        }
    }
    return work->moved ? keep(work) : RECORD_LEAVE;
}

enum record_act engine_cancel(struct engine_work *work, const struct record *old, vts_ms now)
{
    struct hook hook;

    if (!load(work, old, now))
        return RECORD_LEAVE;
    if (work->instance)
        advance(work, now);
    if (!alive(&work->job))
        return work->moved ? keep(work) : RECORD_LEAVE;
    if (work->instance && work->instance->base.plugin->cancel) {
        run_hook(work, HOOK_CANCEL, work->instance->base.plugin->cancel, 0, now, &hook);
        apply(work, &hook);
        if (alive(&work->job) && !hook.has_wake && !hook.has_waits)
            end_job(work, VTS_CANCELLED, now);
        else
            check_settled(work, HOOK_CANCEL, now);
        advance(work, now);
    } else {
        end_job(work, VTS_CANCELLED, now);
    }
    return keep(work);
}

enum record_act engine_finish(struct engine_work *work, const struct record *old,
                              const struct engine_end *end, vts_ms now)
{
    struct job *job = &work->job;
    enum record_act act;

    if (!load(work, old, now))
        return RECORD_LEAVE;
    if (work->instance)
        advance(work, now);
    if (!alive(job)) {
        act = work->moved ? keep(work) : RECORD_LEAVE;
        if (work->err == VTS_OK)
            work->err = VTS_ERR_EXISTS;
        return act;
    }
    job->result = end->state == VTS_COMPLETED ? end->result : (struct bytes){NULL, 0};
    if (end->state == VTS_FAILED) {
        job->code = end->code;
        job->message = end->message;
    }
    end_job(work, end->state, now);
    return keep(work);
}

static void run_grant(struct engine_work *work, vts_ms now)
{
    const struct vts_plugin *plugin = work->instance->base.plugin;
    struct job *job = &work->job;
    struct hook hook;

    job->state = VTS_RUNNING;
    job->has_slot = true;
    job->waits &= ~(unsigned int)VTS_FOR_SLOT;
    job->queued_at = job->wake_at = RECORD_NEVER;
    job->last_at = now;
    if (job->started_at == RECORD_NEVER)
        job->started_at = now;
    if (!plugin->wake) {
        fail_job(work, "behaviour_error", now,
                 "plugin %s: it asked for a slot and has no wake hook", plugin->name);
        return;
    }
    work->granting = true;
    run_hook(work, HOOK_WAKE, plugin->wake, 0, now, &hook);
    work->granting = false;
    apply(work, &hook);
    check_settled(work, HOOK_WAKE, now);
    advance(work, now);
    if (job->state == VTS_QUEUED)
        fail_job(
            work, "behaviour_error", now,
            "plugin %s: it gave its slot back in the moment in which it was granted, and asked "
            "for one again: taken to be without end",
            plugin->name);
}

enum record_act engine_grant(struct engine_work *work, const struct record *old, vts_ms now)
{
    if (!load(work, old, now))
        return RECORD_LEAVE;
    if (work->instance && work->job.state == VTS_QUEUED) {
        work->moved = true;
        run_grant(work, now);
    }
    return work->moved ? keep(work) : RECORD_LEAVE;
}
