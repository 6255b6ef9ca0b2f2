/* SPDX-License-Identifier: MIT
 *
 * How failures are told, and the expectations that can fail. */
#include "inside.h"

#include <alloca.h>
#include <math.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "base/json.h"

/* ---- telling ---- */

static bool tell(vts_harness_fail_fn *fail, void *arg, const struct vts_harness_place *place,
                 const char *text)
{
    if (fail) {
        fail(arg, place->file, place->line, text);
        return false;
    }
    fprintf(stderr, "%s:%d: %s", place->file, place->line, text);
    abort();
}

bool harness_fail_at(const struct vts_harness_place *place, const char *text)
{
    return tell(place->fail, NULL, place, text);
}

/* A cmocka test is left by a jump, when nothing may be left to be freed: so the text is copied to the stack,
 * for which it is short enough (VTS_HARNESS_HISTORY_MAX and what VTS_TEXT_MAX allows of a message). */
bool harness_fail(const struct vts_harness *harness, const struct vts_harness_place *place,
                  struct text *text)
{
    char *copy = text->failed ? NULL : alloca(text->length + 1);

    if (copy)
        memcpy(copy, text->bytes, text->length + 1);
    text_finish(text);
    return tell(harness->fail ? harness->fail : place->fail, harness->fail_arg, place,
                copy ? copy : "no memory to tell what failed\n");
}

bool harness_refuse(const struct vts_harness *harness, const char *format, ...)
{
    struct text text = TEXT_INIT;
    va_list args;

    va_start(args, format);
    text_vprintf(&text, format, args);
    va_end(args);
    text_puts(&text, "\n");
    return harness_fail(harness, &harness->made, &text);
}

void vts_harness_on_failure(struct vts_harness *harness, vts_harness_fail_fn *fail, void *arg)
{
    harness->fail = fail;
    harness->fail_arg = arg;
}

/* ---- expectations ---- */

/* job "a": expected EXPECTED
 * it is WHAT-IT-IS
 * and its history */
VTS_PRINTF(3, 4)
static bool unexpected(const struct vts_harness_job *job, const struct vts_harness_place *place,
                       const char *format, ...)
{
    const struct entry *entry = harness_entry(job);
    struct text text = TEXT_INIT;
    va_list args;

    text_printf(&text, "job \"%s\": expected ", job->id);
    va_start(args, format);
    text_vprintf(&text, format, args);
    va_end(args);
    text_puts(&text, "\nit is ");
    harness_describe(entry, &text);
    text_printf(&text, "\nits history, in ms since the beginning, up to now, %lld:\n",
                (long long)entry->harness->now);
    text_puts(&text, vts_harness_history(job));
    return harness_fail(entry->harness, place, &text);
}

/* vts_harness_find and vts_harness_start may have had none to give. */
static bool is_there(const struct vts_harness_job *job, const struct vts_harness_place *place)
{
    return job || harness_fail_at(place, "expected a job, and there is none (it is NULL)\n");
}

bool vts_harness_expect_at(const struct vts_harness_job *job, bool holds, const char *condition,
                           struct vts_harness_place place)
{
    return holds || (is_there(job, &place) && unexpected(job, &place, "%s", condition));
}

bool vts_harness_expect_state_at(const struct vts_harness_job *job, enum vts_state state,
                                 struct vts_harness_place place)
{
    const char *name = state_name((int)state);

    if (!is_there(job, &place))
        return false;
    return job->state == state ||
           unexpected(job, &place, "the state %s, not %s", name ? name : "(which is none)",
                      state_name((int)job->state));
}

bool vts_harness_expect_ended_after_at(const struct vts_harness_job *job, vts_ms span,
                                       struct vts_harness_place place)
{
    if (!is_there(job, &place))
        return false;
    if (!state_ended((int)job->state))
        return unexpected(job, &place, "an end %lld ms after its start, and it has not ended",
                          (long long)span);
    return job->ended_at - job->started_at == span ||
           unexpected(job, &place, "an end %lld ms after its start, not %lld ms", (long long)span,
                      (long long)(job->ended_at - job->started_at));
}

bool vts_harness_expect_wakes_after_at(const struct vts_harness_job *job, vts_ms span,
                                       struct vts_harness_place place)
{
    if (!is_there(job, &place))
        return false;
    if (job->wake_at == VTS_HARNESS_NEVER)
        return span == VTS_HARNESS_NEVER ||
               unexpected(job, &place, "a wake %lld ms after its start, and it asked for none",
                          (long long)span);
    if (span == VTS_HARNESS_NEVER)
        return unexpected(job, &place, "no wake, and it asked for one %lld ms after its start",
                          (long long)(job->wake_at - job->started_at));
    return job->wake_at - job->started_at == span ||
           unexpected(job, &place, "a wake %lld ms after its start, not %lld ms", (long long)span,
                      (long long)(job->wake_at - job->started_at));
}

bool vts_harness_expect_progress_at(const struct vts_harness_job *job, double progress,
                                    struct vts_harness_place place)
{
    if (!is_there(job, &place))
        return false;
    return fabs(job->progress - progress) <= 1e-9 ||
           unexpected(job, &place, "a progress of %.10g, not %.10g", progress, job->progress);
}

static bool same_json(const char *a, const char *b)
{
    struct json_object *left = json_tokener_parse(a), *right = json_tokener_parse(b);
    bool same = json_object_equal(left, right) != 0;

    json_object_put(left);
    json_object_put(right);
    return same;
}

bool vts_harness_expect_result_at(const struct vts_harness_job *job, const char *json,
                                  struct vts_harness_place place)
{
    const char *wanted = json ? json : "none", *is = job && job->result ? job->result : "none";

    if (!is_there(job, &place))
        return false;
    if (json && !json_valid(json, strlen(json)))
        return unexpected(job, &place, "the result %s, which is no JSON itself", wanted);
    if (job->state != VTS_COMPLETED)
        return unexpected(job, &place, "to be completed, with the result %s", wanted);
    return (!json && !job->result) || (json && job->result && same_json(json, job->result)) ||
           unexpected(job, &place, "the result %s, not %s", wanted, is);
}

bool vts_harness_expect_error_at(const struct vts_harness_job *job, const char *code,
                                 const char *message, struct vts_harness_place place)
{
    if (!is_there(job, &place))
        return false;
    if (job->state != VTS_FAILED)
        return unexpected(job, &place, "to be failed, with the error %s", code);
    if (strcmp(job->code, code) != 0)
        return unexpected(job, &place, "the error %s, not %s", code, job->code);
    return !message || strcmp(job->message, message) == 0 ||
           unexpected(job, &place, "the message \"%s\", not \"%s\"", message, job->message);
}

bool vts_harness_expect_status_at(const struct vts_harness_job *job, int status,
                                  struct vts_harness_place place)
{
    if (!is_there(job, &place))
        return false;
    return job->status == status ||
           unexpected(job, &place, "its client to be told %d, not %d", status, job->status);
}

bool vts_harness_require_at(const struct vts_harness *harness, bool holds, const char *condition,
                            struct vts_harness_place place)
{
    struct text text = TEXT_INIT;

    if (holds)
        return true;
    text_printf(&text, "expected %s\n", condition);
    return harness_fail(harness, &place, &text);
}
