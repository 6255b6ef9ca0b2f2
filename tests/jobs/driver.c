/* SPDX-License-Identifier: MIT
 *
 * One job under the engine. See driver.h. */
#include "driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

const struct instance *driver_instance(struct instances *instances, const char *name,
                                       const struct vts_plugin *plugin)
{
    struct problems problems = PROBLEMS_INIT;
    struct vts_error error = {0};
    struct instance *instance;

    if (!plugin_check(plugin, plugin->name, &error))
        fail_msg("%s", error.message);
    instance = instance_create(name, plugin, NULL, &problems);
    assert_non_null(instance);
    assert_int_equal(problems.count, 0);
    problems_finish(&problems);
    return instances_add(instances, instance);
}

void life_init(struct life *life, const struct instances *instances, uint64_t seed)
{
    memset(life, 0, sizeof(*life));
    life->engine = (struct engine){seed, instances};
    engine_work_init(&life->work, &life->engine);
    life->work.next = &life->next;
}

void life_finish(struct life *life)
{
    engine_work_finish(&life->work);
    text_finish(&life->record);
    text_finish(&life->next);
}

void life_forget(struct life *life)
{
    text_finish(&life->record);
    life->polls = 0;
}

static const struct record *record_of(const struct life *life)
{
    return life->record.length ? (const struct record *)life->record.bytes : NULL;
}

/* The old record goes at once, so that a sanitizer sees whoever still reads it; and the engine's buffer is
 * spoilt, because a store uses it for others. */
static void keep(struct life *life, enum record_act act)
{
    struct job job;

    life->act = act;
    if (act == RECORD_PUT) {
        text_finish(&life->record);
        text_add(&life->record, life->next.bytes, life->next.length);
        assert_false(life->record.failed);
        assert_true(record_read(record_of(life), life->record.length, &job));
    } else {
        assert_int_equal(act, RECORD_LEAVE);
    }
    if (life->next.bytes)
        memset(life->next.bytes, 0xEE, life->next.length);
}

void life_ask(struct life *life, const struct instance *instance, const char *id, const char *input,
              vts_ms now)
{
    struct bytes given = {input, input ? strlen(input) : 0};

    keep(life, engine_start(&life->work, record_of(life), instance, (struct bytes){id, strlen(id)},
                            given, now));
}

void life_poll(struct life *life, vts_ms now)
{
    keep(life, engine_poll(&life->work, record_of(life), ++life->polls, now));
}

void life_cancel(struct life *life, vts_ms now)
{
    keep(life, engine_cancel(&life->work, record_of(life), now));
}

void life_advance(struct life *life, vts_ms now)
{
    keep(life, engine_advance(&life->work, record_of(life), now));
}

struct job life_job(const struct life *life)
{
    struct job job;

    assert_non_null(record_of(life));
    assert_true(record_read(record_of(life), life->record.length, &job));
    return job;
}

char *life_text(const struct life *life)
{
    struct job job = life_job(life);
    struct text out = TEXT_INIT;
    char *text;

    text_printf(
        &out,
        "%s last %lld created %lld started %lld ended %lld wake %lld waits %u draws %u progress "
        "%a-%a %lld+%lld result %s code %s message %s state ",
        state_name(job.state), (long long)job.last_at, (long long)job.created_at,
        (long long)job.started_at, (long long)job.ended_at, (long long)job.wake_at, job.waits,
        job.draws, job.progress.from, job.progress.to, (long long)job.progress.since,
        (long long)job.progress.span, job.result.at ? job.result.at : "-",
        job.code.at ? job.code.at : "-", job.message.at ? job.message.at : "-");
    for (size_t i = 0; i < job.plugin_state.length; i++)
        text_printf(&out, "%02x", (unsigned char)job.plugin_state.at[i]);
    text = text_take(&out);
    assert_non_null(text);
    return text;
}
