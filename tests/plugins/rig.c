/* SPDX-License-Identifier: MIT
 *
 * The bench for behaviours. See rig.h. */
#include "rig.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

bool rig_open(struct rig *rig, const struct vts_plugin *plugin, const char *settings, uint64_t seed)
{
    struct text ini = TEXT_INIT;
    struct vts_error error;
    struct instance *instance = NULL;

    memset(rig, 0, sizeof(*rig));
    if (!plugin_check(plugin, plugin->name, &error))
        fail_msg("%s", error.message);
    text_printf(&ini, "[behaviour test]\n%s\n", settings);
    assert_false(ini.failed);
    if (ini_read(&rig->ini, "t.ini", ini.bytes, ini.length, &rig->problems))
        instance = instance_create("test", plugin, ini_section(&rig->ini, "behaviour", "test"),
                                   &rig->problems);
    text_finish(&ini);
    if (!instance)
        return false;
    assert_int_equal(rig->problems.count, 0);
    rig->instance = instances_add(&rig->instances, instance);
    rig->engine = (struct engine){.seed = seed, .instances = &rig->instances};
    engine_work_init(&rig->work, &rig->engine);
    rig->work.next = &rig->next;
    return true;
}

void rig_init(struct rig *rig, const struct vts_plugin *plugin, const char *settings)
{
    if (!rig_open(rig, plugin, settings, 1))
        fail_msg("%s", rig->problems.lines.bytes);
}

void rig_finish(struct rig *rig)
{
    engine_work_finish(&rig->work);
    instances_finish(&rig->instances);
    text_finish(&rig->next);
    problems_finish(&rig->problems);
    ini_finish(&rig->ini);
}

static const struct record *record_of(const struct rig_job *job)
{
    return (const struct record *)(const void *)job->record.bytes;
}

/* Keeps what an event left. The old record is read while the new one is written, so they are two. */
static void keep(struct rig *rig, struct rig_job *job, enum record_act act)
{
    struct text record = rig->next;

    assert_int_equal(rig->work.err, VTS_OK);
    if (act == RECORD_LEAVE)
        return;
    assert_int_equal(act, RECORD_PUT);
    rig->next = job->record;
    job->record = record;
    job->puts++;
}

void rig_start(struct rig *rig, struct rig_job *job, const char *id, vts_ms at)
{
    keep(rig, job,
         engine_start(&rig->work, job->record.bytes ? record_of(job) : NULL, rig->instance,
                      (struct bytes){id, strlen(id)}, (struct bytes){0}, RIG_START + at));
}

const char *rig_poll(struct rig *rig, struct rig_job *job, vts_ms at)
{
    keep(rig, job, engine_poll(&rig->work, record_of(job), ++job->polls, RIG_START + at));
    assert_false(rig->work.bent);
    return state_word(record_of(job)->state);
}

void rig_cancel(struct rig *rig, struct rig_job *job, vts_ms at)
{
    keep(rig, job, engine_cancel(&rig->work, record_of(job), RIG_START + at));
}

void rig_advance(struct rig *rig, struct rig_job *job, vts_ms at)
{
    keep(rig, job, engine_advance(&rig->work, record_of(job), RIG_START + at));
}

void rig_run(struct rig *rig, struct rig_job *job)
{
    while (!state_ended(record_of(job)->state)) {
        assert_true(record_of(job)->wake_at != RECORD_NEVER);
        rig_advance(rig, job, record_of(job)->wake_at - RIG_START);
    }
}

static vts_ms since_start(vts_ms moment)
{
    return moment == RECORD_NEVER ? RIG_NEVER : moment - RIG_START;
}

struct rig_view rig_view(const struct rig_job *job, vts_ms at)
{
    struct job unpacked;

    assert_true(record_read(record_of(job), job->record.length, &unpacked));
    return (struct rig_view){.state = unpacked.state,
                             .progress = job_progress(&unpacked, RIG_START + at),
                             .word = state_word(unpacked.state),
                             .result = unpacked.result.at,
                             .code = unpacked.code.at,
                             .message = unpacked.message.at,
                             .started_at = since_start(unpacked.started_at),
                             .ended_at = since_start(unpacked.ended_at),
                             .wake_at = since_start(unpacked.wake_at)};
}

void rig_job_finish(struct rig_job *job)
{
    text_finish(&job->record);
    *job = (struct rig_job){0};
}

void rig_copy(struct rig_job *to, const struct rig_job *from)
{
    *to = (struct rig_job){.polls = from->polls, .puts = from->puts};
    text_add(&to->record, from->record.bytes, from->record.length);
    assert_false(to->record.failed);
}

bool rig_equal(const struct rig_job *a, const struct rig_job *b)
{
    return a->record.length == b->record.length &&
           memcmp(a->record.bytes, b->record.bytes, a->record.length) == 0;
}

void rig_survives(const struct vts_plugin *plugin, const char *settings, const vts_ms *polls,
                  size_t count)
{
    struct rig rig, other;
    struct rig_job job = {0}, moved = {0}, copy;
    size_t i;

    rig_init(&rig, plugin, settings);
    rig_start(&rig, &job, "job", 0);
    rig_copy(&moved, &job);
    for (i = 0; i < count; i++) {
        rig_poll(&rig, &job, polls[i]);
        rig_init(&other, plugin, settings);
        rig_copy(&copy, &moved);
        rig_job_finish(&moved);
        rig_poll(&other, &copy, polls[i]);
        rig_finish(&other);
        moved = copy;
        if (!rig_equal(&job, &moved))
            fail_msg("they differ after poll %zu, at %lld ms", i + 1, (long long)polls[i]);
    }
    rig_job_finish(&moved);
    rig_job_finish(&job);
    rig_finish(&rig);
}

void rig_refused(const struct vts_plugin *plugin, const char *settings, const char *problem)
{
    struct rig rig;
    char line[1024];

    snprintf(line, sizeof(line), "%s\n", problem);
    if (rig_open(&rig, plugin, settings, 1))
        fail_msg("these settings were taken:\n%s", settings);
    assert_string_equal(rig.problems.lines.bytes, line);
    rig_finish(&rig);
}
