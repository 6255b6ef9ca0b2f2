/* SPDX-License-Identifier: MIT
 *
 * A behaviour on the bench: opens it, starts its jobs, and moves their time. */
#include "inside.h"

#include <stdlib.h>

#include "base/json.h"

vts_ms harness_moment(const struct vts_harness *harness, vts_ms date)
{
    return date == RECORD_NEVER ? VTS_HARNESS_NEVER : date - harness->begin;
}

/* ---- opening ---- */

/* Reads the settings as a section of their own, and opens the behaviour with them. */
static struct instance *open_instance(const struct vts_plugin *plugin, const char *settings,
                                      struct problems *problems)
{
    struct instance *instance = NULL;
    const char *kind = plugin->kind == VTS_FILTER ? "filter" : "behaviour";
    struct text lines = TEXT_INIT;
    struct ini ini = {0};

    text_printf(&lines, "[%s %s]\n%s\n", kind, plugin->name, settings ? settings : "");
    if (lines.failed)
        problems_add(problems, NULL, NULL, NULL, "no memory");
    else if (ini_read(&ini, "settings", lines.bytes, lines.length, problems)) {
        if (ini.count > 1)
            problems_add(problems, "settings", NULL, NULL,
                         "the section [%s] is too much: the settings are those of one behaviour",
                         ini_title(ini.sections[1]).text);
        else
            instance = instance_create(plugin->name, plugin, ini_section(&ini, kind, plugin->name),
                                       problems);
    }
    ini_finish(&ini);
    text_finish(&lines);
    return instance;
}

static struct vts_harness *make(struct instance *instance, uint64_t seed,
                                const struct vts_harness_place *place, struct vts_error *error)
{
    struct vts_harness *harness = calloc(1, sizeof(*harness));
    struct trial *trial = calloc(1, sizeof(*trial));

    if (!harness || !trial) {
        instance_destroy(instance);
        vts_error_set(error, VTS_ERR_MEMORY, "no memory");
        free(trial);
        free(harness);
        return NULL;
    }
    if (!trial_take(trial, instance, seed, error)) {
        trial_finish(trial);
        free(trial);
        free(harness);
        return NULL;
    }
    trial->see = harness_see;
    harness->trial = trial;
    harness->begin = VTS_HARNESS_BEGIN;
    harness->made = *place;
    return harness;
}

/* `plugin` NULL: it was not to be had, and *error says why. */
static struct vts_harness *open_harness(const struct vts_plugin *plugin, const char *settings,
                                        uint64_t seed, struct vts_error *error,
                                        const struct vts_harness_place *place)
{
    struct problems problems = PROBLEMS_INIT;
    struct vts_harness *harness = NULL;
    struct instance *instance = NULL;
    struct text *lines = &problems.lines;

    if (plugin)
        instance = open_instance(plugin, settings, &problems);
    if (instance)
        harness = make(instance, seed, place, error);
    else if (lines->length > 0)
        vts_error_set(error, VTS_ERR_INVALID, "%.*s", (int)lines->length - 1, lines->bytes);
    problems_finish(&problems);
    return harness;
}

/* Tells of an error that the caller does not want to hear of. */
static struct vts_harness *done(struct vts_harness *harness, const struct vts_error *mine,
                                struct vts_error *error, const struct vts_harness_place *place)
{
    char text[sizeof(mine->message) + 100];

    if (harness)
        return harness;
    if (error) {
        *error = *mine;
    } else {
        snprintf(text, sizeof(text), "the behaviour cannot be opened: %s\n", mine->message);
        harness_fail_at(place, text);
    }
    return NULL;
}

struct vts_harness *vts_harness_create_at(vts_plugin_fn *function, const char *settings,
                                          uint64_t seed, struct vts_error *error,
                                          struct vts_harness_place place)
{
    const struct vts_plugin *plugin = function ? function() : NULL;
    struct vts_error mine = {.code = VTS_ERR_INVALID, .message = "there is no plugin"};

    /* The ABI is looked at before the name is used. */
    if (plugin && !plugin_check(plugin, plugin->name ? plugin->name : "the plugin", &mine))
        plugin = NULL;
    return done(open_harness(plugin, settings, seed, &mine, &place), &mine, error, &place);
}

struct vts_harness *vts_harness_load_at(const char *module, const char *settings, uint64_t seed,
                                        struct vts_error *error, struct vts_harness_place place)
{
    struct vts_error mine = {.code = VTS_ERR_INVALID, .message = "no memory"};
    const struct vts_plugin *plugin = plugin_load_file(module, &mine);
    struct vts_harness *harness = open_harness(plugin, settings, seed, &mine, &place);

    if (harness && !(harness->module = strdup(module))) {
        vts_harness_destroy(harness);
        harness = NULL;
        vts_error_set(&mine, VTS_ERR_MEMORY, "no memory");
    }
    return done(harness, &mine, error, &place);
}

bool vts_harness_begin(struct vts_harness *harness, vts_ms date)
{
    if (harness->count > 0 || harness->now > 0)
        return harness_refuse(harness, "vts_harness_begin: comes too late, it has begun");
    if (date < 0 || date > VTS_TIME_END)
        return harness_refuse(harness, "vts_harness_begin: %lld is not within 0 to VTS_TIME_END",
                              (long long)date);
    harness->begin = date;
    return true;
}

const struct vts_instance *vts_harness_instance(const struct vts_harness *harness)
{
    return &trial_subject(harness->trial)->base;
}

/* ---- the end ---- */

static void destroy_entry(struct entry *entry)
{
    if (!entry)
        return;
    trial_job_finish(&entry->job);
    text_finish(&entry->history);
    text_finish(&entry->word);
    free(entry->id);
    free(entry);
}

void vts_harness_forget(struct vts_harness_job *job)
{
    struct entry *entry = harness_entry(job);
    struct vts_harness *harness = entry->harness;
    size_t i = 0;

    while (harness->jobs[i] != entry)
        i++;
    harness->jobs[i] = harness->jobs[--harness->count];
    destroy_entry(entry);
}

void vts_harness_destroy(struct vts_harness *harness)
{
    if (!harness)
        return;
    while (harness->count > 0)
        destroy_entry(harness->jobs[--harness->count]);
    free((void *)harness->jobs);
    trial_finish(harness->trial);
    free(harness->trial);
    free(harness->module);
    free(harness);
}

/* ---- restart ---- */

/* The record in memory of its own, so that nothing can hold on to the old. */
static bool move_record(struct entry *entry)
{
    struct text copy = TEXT_INIT;

    text_add(&copy, entry->job.record.bytes, entry->job.record.length);
    if (copy.failed)
        return false;
    text_finish(&entry->job.record);
    entry->job.record = copy;
    harness_refresh(entry);
    harness_note(entry, "restart");
    return true;
}

bool vts_harness_restart(struct vts_harness *harness)
{
    struct trial *fresh = calloc(1, sizeof(*fresh)), *old = harness->trial;
    struct vts_error error = {.message = "no memory"};
    size_t i;

    if (!fresh || !trial_init(fresh, trial_subject(old), old->engine.seed, &error)) {
        if (fresh)
            trial_finish(fresh);
        free(fresh);
        return harness_refuse(harness, "vts_harness_restart: %s", error.message);
    }
    fresh->see = harness_see;
    harness->trial = fresh;
    trial_finish(old);
    free(old);
    for (i = 0; i < harness->count; i++)
        if (!move_record(harness->jobs[i]))
            return harness_refuse(harness, "vts_harness_restart: no memory");
    return true;
}

bool vts_harness_equal(const struct vts_harness_job *a, const struct vts_harness_job *b)
{
    const struct text *left = &harness_entry(a)->job.record, *right = &harness_entry(b)->job.record;

    return left->length == right->length && memcmp(left->bytes, right->bytes, left->length) == 0;
}

/* ---- clients ---- */

struct vts_harness_job *vts_harness_find(const struct vts_harness *harness, const char *id)
{
    size_t i;

    for (i = 0; i < harness->count; i++)
        if (strcmp(harness->jobs[i]->id, id) == 0)
            return &harness->jobs[i]->seen;
    return NULL;
}

static struct entry *add_entry(struct vts_harness *harness, const char *id)
{
    struct entry *entry = calloc(1, sizeof(*entry)), **grown;
    size_t room = harness->room ? harness->room * 2 : 16;

    if (entry && harness->count == harness->room) {
        grown = realloc((void *)harness->jobs, room * sizeof(struct entry *));
        if (grown) {
            harness->jobs = grown;
            harness->room = room;
        }
    }
    if (!entry || harness->count == harness->room || !(entry->id = strdup(id))) {
        free(entry);
        return NULL;
    }
    entry->harness = harness;
    entry->seen.id = entry->id;
    harness->jobs[harness->count++] = entry;
    return entry;
}

static vts_ms date_of(const struct vts_harness *harness) { return harness->begin + harness->now; }

struct vts_harness_job *vts_harness_start(struct vts_harness *harness, const char *id,
                                          const char *input)
{
    struct vts_harness_job *job = NULL;
    struct entry *entry;

    if (!id || !record_id_valid(id, strlen(id))) {
        harness_refuse(harness,
                       "vts_harness_start: \"%.300s\" is no id: 1 to 255 bytes of UTF-8 "
                       "without control characters are one",
                       id ? id : "(NULL)");
        return NULL;
    }
    if (input && !json_valid(input, strlen(input))) {
        harness_refuse(harness, "vts_harness_start: the input is no JSON: %.300s", input);
        return NULL;
    }
    job = vts_harness_find(harness, id);
    entry = job ? harness_entry(job) : add_entry(harness, id);
    if (!entry || !trial_ask(harness->trial, &entry->job, id, input, date_of(harness))) {
        if (entry && !job)
            vts_harness_forget(&entry->seen);
        harness_refuse(harness, "vts_harness_start: no memory");
        return NULL;
    }
    return &entry->seen;
}

/* A poll or a cancel of a job that is not there. */
static int not_there(struct entry *entry, const char *what)
{
    entry->seen.status = 404;
    entry->seen.word = NULL;
    entry->seen.answer = NULL;
    harness_note(entry, "%s: 404, there is no such job", what);
    return 404;
}

int vts_harness_poll(struct vts_harness_job *job)
{
    struct entry *entry = harness_entry(job);
    struct vts_harness *harness = entry->harness;

    if (job->state == VTS_ASKED)
        return not_there(entry, "poll");
    if (!trial_poll(harness->trial, &entry->job, date_of(harness)))
        return harness_refuse(harness, "vts_harness_poll: no memory");
    return job->status;
}

int vts_harness_cancel(struct vts_harness_job *job)
{
    struct entry *entry = harness_entry(job);
    struct vts_harness *harness = entry->harness;

    if (job->state == VTS_ASKED)
        return not_there(entry, "cancel");
    if (!trial_cancel(harness->trial, &entry->job, date_of(harness)))
        return harness_refuse(harness, "vts_harness_cancel: no memory");
    return job->status;
}

/* ---- time ---- */

vts_ms vts_harness_now(const struct vts_harness *harness) { return harness->now; }

/* The job that wakes next, and of several the one whose id comes first; NULL: none does. */
static struct entry *next_awake(const struct vts_harness *harness)
{
    struct entry *next = NULL, *entry;
    size_t i;

    for (i = 0; i < harness->count; i++) {
        entry = harness->jobs[i];
        if (entry->seen.wake_at != VTS_HARNESS_NEVER &&
            (!next || entry->seen.wake_at < next->seen.wake_at ||
             (entry->seen.wake_at == next->seen.wake_at && strcmp(entry->id, next->id) < 0)))
            next = entry;
    }
    return next;
}

static bool wake(struct vts_harness *harness, struct entry *entry)
{
    if (entry->seen.wake_at > harness->now)
        harness->now = entry->seen.wake_at;
    return trial_run(harness->trial, &entry->job, 1, NULL) ||
           harness_refuse(harness, "no memory to wake job \"%s\"", entry->id);
}

static void refresh_all(const struct vts_harness *harness)
{
    size_t i;

    for (i = 0; i < harness->count; i++)
        harness_refresh(harness->jobs[i]);
}

bool vts_harness_advance_to(struct vts_harness *harness, vts_ms moment)
{
    vts_ms last = VTS_TIME_END - harness->begin;
    struct entry *entry;
    bool good = true;

    if (moment < harness->now)
        return harness_refuse(harness,
                              "vts_harness_advance_to: %lld has passed, it is %lld now: time does "
                              "not go back",
                              (long long)moment, (long long)harness->now);
    if (moment > last)
        moment = last;
    while (good && (entry = next_awake(harness)) && entry->seen.wake_at <= moment)
        good = wake(harness, entry);
    if (good)
        harness->now = moment;
    refresh_all(harness);
    return good;
}

bool vts_harness_advance(struct vts_harness *harness, vts_ms span)
{
    if (span < 0)
        return harness_refuse(harness, "vts_harness_advance: by %lld ms: time does not go back",
                              (long long)span);
    return vts_harness_advance_to(harness,
                                  span > VTS_TIME_END ? VTS_TIME_END : harness->now + span);
}

struct vts_harness_job *vts_harness_next(struct vts_harness *harness)
{
    struct entry *entry = next_awake(harness);

    if (!entry || !wake(harness, entry))
        return NULL;
    refresh_all(harness);
    return &entry->seen;
}

bool vts_harness_run(struct vts_harness *harness)
{
    struct entry *entry;
    size_t wakes = 0;
    bool good = true;

    while (good && (entry = next_awake(harness))) {
        if (++wakes > VTS_HARNESS_WAKES_MAX) {
            refresh_all(harness);
            return harness_refuse(harness,
                                  "vts_harness_run: after %d wakes it goes on: job \"%s\" wakes "
                                  "next at %lld",
                                  VTS_HARNESS_WAKES_MAX, entry->id, (long long)entry->seen.wake_at);
        }
        good = wake(harness, entry);
    }
    refresh_all(harness);
    return good;
}
