/* SPDX-License-Identifier: MIT
 *
 * The host functions. See host.h, and plugin.h for what each promises. */
#include "host.h"

#include <json-c/json.h>
#include <math.h>

#include "../base/json.h"
#include "../base/log.h"
#include "../base/rng.h"
#include "../config/options.h"

/* struct vts_job is the first member of struct hook, and only ever made as a part of one. */
static struct hook *hook_of(const struct vts_job *job) { return (struct hook *)job; }

static const char *hook_name(enum hook_kind kind)
{
    static const char *const names[] = {"admit", "start", "wake", "poll", "cancel", "finish"};

    return names[kind];
}

static void warn(const struct hook *hook, enum instance_warning warning, const char *what)
{
    const struct instance *instance = hook->instance;

    if (instance_warn_once(instance, warning))
        log_line(VTS_WARNING, instance->name, "plugin %s, hook %s, job %s: %s (told once)",
                 instance->base.plugin->name, hook_name(hook->kind), hook->id, what);
}

/* ---- read ---- */

static const char *host_job_id(const struct vts_job *job) { return hook_of(job)->id; }
static const char *host_input(const struct vts_job *job) { return hook_of(job)->input; }
static vts_ms host_now(const struct vts_job *job) { return hook_of(job)->now; }
static uint64_t host_polls(const struct vts_job *job) { return hook_of(job)->polls; }
static int32_t host_state(const struct vts_job *job) { return (int32_t)hook_of(job)->state; }

static vts_ms host_age(const struct vts_job *job)
{
    const struct hook *hook = hook_of(job);

    return hook->started_at > hook->now ? 0 : hook->now - hook->started_at;
}

static struct json_object *input_member(struct hook *hook, const char *path)
{
    struct json_object *at;
    char name[256];
    const char *dot;
    size_t length;

    if (!path) {
        warn(hook, INSTANCE_WARN_NULL, "it asked for the input at NULL: there is nothing");
        return NULL;
    }
    if (!hook->input_root && hook->input)
        hook->input_root = json_tokener_parse(hook->input);
    for (at = hook->input_root; at; path = dot + 1) {
        dot = strchr(path, '.');
        length = dot ? (size_t)(dot - path) : strlen(path);
        if (length >= sizeof(name))
            return NULL;
        memcpy(name, path, length);
        name[length] = '\0';
        if (!json_object_is_type(at, json_type_object) || !json_object_object_get_ex(at, name, &at))
            return NULL;
        if (!dot)
            break;
    }
    return at;
}

static const char *host_input_text(const struct vts_job *job, const char *path,
                                   const char *fallback)
{
    struct json_object *member = input_member(hook_of(job), path);

    return json_object_is_type(member, json_type_string) ? json_object_get_string(member)
                                                         : fallback;
}

static double host_input_number(const struct vts_job *job, const char *path, double fallback)
{
    struct json_object *member = input_member(hook_of(job), path);

    if (json_object_is_type(member, json_type_int) || json_object_is_type(member, json_type_double))
        return json_object_get_double(member);
    return fallback;
}

/* ---- draw ---- */

static uint64_t host_random(struct vts_job *job)
{
    struct hook *hook = hook_of(job);

    return rng_draw(hook->stream, hook->draws++);
}

/* A draw from the standard normal distribution, by the method of Box and Muller (1958). Two draws,
 * always. */
static double normal(struct vts_job *job)
{
    double radius = 1 - vts_uniform(job), angle = vts_uniform(job);

    return sqrt(-2 * log(radius)) * cos(6.283185307179586 * angle);
}

static vts_ms host_sample(struct vts_job *job, const struct vts_delay *delay)
{
    double span = 0;

    if (!delay) {
        warn(hook_of(job), INSTANCE_WARN_NULL, "it drew from the delay NULL: it is 0");
        return 0;
    }
    switch ((enum vts_distribution)delay->distribution) {
    case VTS_FIXED:
        span = (double)delay->a;
        break;
    case VTS_UNIFORM:
        span =
            (double)delay->a + floor(vts_uniform(job) * ((double)delay->b - (double)delay->a + 1));
        break;
    case VTS_NORMAL:
        span = (double)delay->a + (double)delay->b * normal(job);
        break;
    case VTS_EXPONENTIAL:
        span = -(double)delay->a * log(1 - vts_uniform(job));
        break;
    case VTS_LOGNORMAL:
        span = (double)delay->a * exp(delay->sigma * normal(job));
        break;
    }
    if (!(span > 0))
        return 0;
    return span >= (double)delay->max ? delay->max : (vts_ms)llround(span);
}

/* ---- act ---- */

static bool may_act(struct hook *hook)
{
    switch (hook->kind) {
    case HOOK_START:
    case HOOK_WAKE:
    case HOOK_CANCEL:
        return true;
    case HOOK_POLL:
        if (hook->instance->base.counts_polls && hook->state < VTS_COMPLETED)
            return true;
        break;
    case HOOK_ADMIT:
    case HOOK_FINISH:
        break;
    }
    warn(hook, INSTANCE_WARN_ACT,
         "it tried to move the job, which this hook cannot do: nothing was done");
    return false;
}

static void host_wake_after(struct vts_job *job, vts_ms span)
{
    struct hook *hook = hook_of(job);

    if (!may_act(hook))
        return;
    if (span < 0) {
        warn(hook, INSTANCE_WARN_WAKE, "it asked for a wake in the past: it comes at once");
        span = 0;
    } else if (span > VTS_TIME_END - hook->now) {
        warn(hook, INSTANCE_WARN_WAKE, "it asked for a wake after the end of time: it comes then");
        span = VTS_TIME_END - hook->now;
    }
    hook->has_wake = true;
    hook->wake_at = hook->now + span;
}

static void host_wait(struct vts_job *job, uint32_t what)
{
    struct hook *hook = hook_of(job);

    if (!may_act(hook))
        return;
    hook->has_waits = true;
    hook->waits = what & (VTS_FOR_POLL | VTS_FOR_SLOT | VTS_FOR_EVER);
}

/* A progress may be reckoned in another way than a ramp is: so much is no difference. */
#define PROGRESS_ERROR 1e-9

static void check_progress(const struct hook *hook, double progress)
{
    if (progress < -PROGRESS_ERROR || progress > 1 + PROGRESS_ERROR)
        warn(hook, INSTANCE_WARN_RANGE, "a progress outside of 0 to 1 was brought into it");
    else if (progress < hook->progress - PROGRESS_ERROR)
        warn(hook, INSTANCE_WARN_DOWN, "a progress below what there was changes nothing");
}

/* What is noted follows what was noted before in the same hook: a ramp starts from a progress that was
 * set just now, and nothing goes down. */
static void host_progress_over(struct vts_job *job, double progress, vts_ms span)
{
    struct hook *hook = hook_of(job);

    if (!may_act(hook))
        return;
    if (isnan(progress)) {
        warn(hook, INSTANCE_WARN_PROGRESS, "a progress that is no number was ignored");
        return;
    }
    check_progress(hook, progress);
    if (progress > 1)
        progress = 1;
    if (progress <= hook->progress)
        return;
    hook->has_progress = true;
    hook->progress_to = progress;
    hook->progress_span = span < 0 ? 0 : span > VTS_TIME_END ? VTS_TIME_END : span;
    if (hook->progress_span == 0)
        hook->progress = progress;
}

static void host_progress(struct vts_job *job, double progress)
{
    host_progress_over(job, progress, 0);
}

/* True for the first end that this hook gives its job. */
static bool may_end(struct hook *hook)
{
    if (!may_act(hook))
        return false;
    if (hook->end != VTS_ASKED) {
        warn(hook, INSTANCE_WARN_ENDED, "it ended the job more than once: the first end counts");
        return false;
    }
    return true;
}

/* Copies text with broken UTF-8 mended, cut to `limit` bytes at a character's end (a character has at
 * most three bytes behind its first; more of them are broken text, and mended). */
static void copy_text(struct hook *hook, struct text *to, const char *from, size_t limit)
{
    static const char mend[] = "\xEF\xBF\xBD";
    size_t length = strnlen(from, limit + 1), valid;

    if (length > limit) {
        length = limit;
        while (length > limit - 3 && ((unsigned char)from[length] & 0xC0) == 0x80)
            length--;
        warn(hook, INSTANCE_WARN_LENGTH, "a text was too long and was cut");
    }
    text_reset(to);
    while (length > 0) {
        valid = text_valid_utf8(from, length);
        text_add(to, from, valid);
        if (valid == length)
            break;
        warn(hook, INSTANCE_WARN_UTF8, "a text that is not UTF-8 was mended");
        if (to->length + sizeof(mend) - 1 <= limit)
            text_add(to, mend, sizeof(mend) - 1);
        from += valid + 1;
        length -= valid + 1;
    }
    if (to->length > limit)
        to->bytes[to->length = text_valid_utf8(to->bytes, limit)] = '\0';
    hook->no_memory |= !text_reserve(to, 0) || to->failed;
}

static void note_failure(struct hook *hook, const char *code, const char *message)
{
    hook->end = VTS_FAILED;
    copy_text(hook, &hook->texts->code, code ? code : "error", 255);
    copy_text(hook, &hook->texts->message, message ? message : "the job failed", VTS_TEXT_MAX);
}

static void host_complete(struct vts_job *job, const char *json)
{
    struct hook *hook = hook_of(job);
    size_t length = json ? strnlen(json, VTS_TEXT_MAX + 1) : 0;

    if (!may_end(hook))
        return;
    if (length > VTS_TEXT_MAX) {
        warn(hook, INSTANCE_WARN_RESULT, "its result is of more than 64 KiB: the job was failed");
        note_failure(hook, "behaviour_error", "the behaviour gave a result of more than 64 KiB");
    } else if (json && !json_valid(json, length)) {
        warn(hook, INSTANCE_WARN_RESULT, "its result is not JSON: the job was failed");
        note_failure(hook, "behaviour_error", "the behaviour gave a result that is not JSON");
    } else {
        hook->end = VTS_COMPLETED;
        hook->has_result = json != NULL;
        text_reset(&hook->texts->result);
        if (json)
            text_add(&hook->texts->result, json, length);
        hook->no_memory |= hook->texts->result.failed;
    }
}

static void host_fail(struct vts_job *job, const char *code, const char *message)
{
    struct hook *hook = hook_of(job);

    if (may_end(hook))
        note_failure(hook, code, message);
}

static void host_cancel(struct vts_job *job)
{
    struct hook *hook = hook_of(job);

    if (may_end(hook))
        hook->end = VTS_CANCELLED;
}

/* ---- answer ---- */

/* The member that cannot be sent, or NULL. */
static const char *unsendable(const struct vts_answer *answer)
{
    if (answer->status != 0 && (answer->status < 200 || answer->status > 599))
        return "a status outside 200 to 599";
    if (answer->retry_after < -1 || answer->retry_after > VTS_TIME_END)
        return "a retry_after below -1 or beyond all time";
    if (answer->stall < 0 || answer->stall > VTS_TIME_END)
        return "a stall below 0 or beyond all time";
    if (answer->dribble < 0 || answer->dribble > VTS_TIME_END)
        return "a dribble below 0 or beyond all time";
    if (answer->cut < VTS_BREAK_NONE || answer->cut > VTS_BREAK_GARBAGE)
        return "a cut that is not of enum vts_break";
    if (answer->body < VTS_BODY_USUAL || answer->body > VTS_BODY_NOT_FOUND)
        return "a body that is not of enum vts_body";
    if (answer->state != 0 && answer->state != VTS_QUEUED && answer->state != VTS_RUNNING)
        return "a state that is neither queued nor running";
    return NULL;
}

static void host_bend(struct vts_job *job, const struct vts_answer *given)
{
    struct hook *hook = hook_of(job);
    struct vts_answer answer = {0};
    const char *wrong;
    char message[96];

    if (hook->kind != HOOK_ADMIT && hook->kind != HOOK_START && hook->kind != HOOK_POLL) {
        warn(hook, INSTANCE_WARN_BEND, "it bent an answer where there is none");
        return;
    }
    if (!given) {
        warn(hook, INSTANCE_WARN_NULL, "it bent an answer with NULL: it was left as it is");
        return;
    }
    memcpy(&answer, given, given->size < sizeof(answer) ? given->size : sizeof(answer));
    answer.size = sizeof(answer);
    wrong =
        given->size < offsetof(struct vts_answer, retry_after) ? "no size" : unsendable(&answer);
    if (wrong) {
        snprintf(message, sizeof(message), "it bent an answer with %s: it was left as it is",
                 wrong);
        warn(hook, INSTANCE_WARN_BEND, message);
        return;
    }
    if (answer.word) {
        copy_text(hook, &hook->texts->word, answer.word, 255);
        answer.word = hook->texts->word.bytes;
    }
    if (hook->refused && answer.status < 400)
        answer.status = hook->bend.status;
    if (hook->refused && answer.retry_after == 0)
        answer.retry_after = hook->bend.retry_after;
    hook->has_bend = true;
    hook->bend = answer;
}

static void host_refuse(struct vts_job *job, int32_t status, vts_ms retry_after)
{
    struct hook *hook = hook_of(job);

    if (hook->kind != HOOK_ADMIT) {
        warn(hook, INSTANCE_WARN_BEND, "it refused a start elsewhere than in admit");
        return;
    }
    if (status < 400 || status > 599 || retry_after < -1 || retry_after > VTS_TIME_END) {
        warn(hook, INSTANCE_WARN_BEND,
             "it refused a start with something that cannot be sent: 503 is sent");
        status = 503;
        retry_after = 0;
    }
    hook->refused = true;
    hook->has_bend = true;
    hook->bend.size = sizeof(hook->bend);
    hook->bend.status = status;
    if (retry_after != 0)
        hook->bend.retry_after = retry_after;
}

/* ---- say ---- */

static void host_log(const struct vts_job *job, int32_t level, const char *line)
{
    const struct hook *hook = hook_of(job);

    log_line((enum vts_level)level, hook->instance->name, "job %s: %s", hook->id, line);
}

static void host_instance_log(const struct vts_instance *instance, int32_t level, const char *line)
{
    log_line((enum vts_level)level, instance->name, "%s", line);
}

/* ---- settings ---- */

static bool host_parse_time(const struct vts_instance *instance, const char *text, vts_ms *time,
                            struct vts_error *error)
{
    (void)instance;
    return options_time(text, time, error);
}

static bool host_parse_delay(const struct vts_instance *instance, const char *text,
                             struct vts_delay *delay, struct vts_error *error)
{
    (void)instance;
    return options_delay(text, delay, error);
}

/* ---- open ---- */

static void host_stamp(struct vts_instance *base, const char *stamp)
{
    struct instance *instance = (struct instance *)base;

    if (!instance->opening || base->plugin->kind == VTS_FILTER)
        return;
    text_reset(&instance->stamp);
    for (; *stamp && instance->stamp.length < INSTANCE_STAMP; stamp++)
        text_add(&instance->stamp, *stamp > ' ' && *stamp <= '~' ? stamp : "?", 1);
}

static const char *host_stamped(const struct vts_instance *base)
{
    return ((const struct instance *)base)->stamped;
}

/* ---- slots ---- */

static bool host_slots(struct vts_instance *base, uint64_t count)
{
    struct instance *instance = (struct instance *)base;

    if (count == 0 || !instance->opening || base->plugin->kind == VTS_FILTER)
        return false;
    instance->slots = count;
    return true;
}

static bool host_granted(const struct vts_job *job) { return hook_of(job)->granted; }
static uint64_t host_waiting(const struct vts_job *job) { return hook_of(job)->waiting; }
static uint64_t host_free_slots(const struct vts_job *job) { return hook_of(job)->free_slots; }

const struct vts_host host_table = {
    .abi = VTS_ABI,
    .size = sizeof(struct vts_host),
    .job_id = host_job_id,
    .input = host_input,
    .input_text = host_input_text,
    .input_number = host_input_number,
    .now = host_now,
    .age = host_age,
    .polls = host_polls,
    .state = host_state,
    .random = host_random,
    .sample = host_sample,
    .wake_after = host_wake_after,
    .wait = host_wait,
    .progress = host_progress,
    .progress_over = host_progress_over,
    .complete = host_complete,
    .fail = host_fail,
    .cancel = host_cancel,
    .refuse = host_refuse,
    .bend = host_bend,
    .log = host_log,
    .instance_log = host_instance_log,
    .parse_time = host_parse_time,
    .parse_delay = host_parse_delay,
    .stamp = host_stamp,
    .stamped = host_stamped,
    .slots = host_slots,
    .granted = host_granted,
    .waiting = host_waiting,
    .free_slots = host_free_slots,
};

void hook_run(struct hook *hook, void (*function)(struct vts_job *))
{
    pthread_mutex_t *serial =
        hook->instance->base.plugin->serial ? (pthread_mutex_t *)&hook->instance->serial : NULL;

    hook->job.host = &host_table;
    hook->job.instance = &hook->instance->base;
    if (serial)
        pthread_mutex_lock(serial);
    function(&hook->job);
    if (serial)
        pthread_mutex_unlock(serial);
    if (hook->input_root) {
        json_object_put(hook->input_root);
        hook->input_root = NULL;
    }
}
