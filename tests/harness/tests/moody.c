/* SPDX-License-Identifier: MIT
 *
 * Behaviours for the harness's tests. See moody.h. */
#include "moody.h"

int moody_opened, moody_closed;

struct settings {
    vts_ms delay, beat;
    int64_t refusals, busy;
    int stubborn; /* no, a_second, for_ever */
    const char *result, *error;
};

struct state {
    uint32_t wakes;
};

static const struct vts_option options[] = {
    VTS_OPTION_TIME(struct settings, delay, "10s", "from start to end"),
    VTS_OPTION_TIME(struct settings, beat, "0", "between wakes on the way; 0: none"),
    VTS_OPTION_INT(struct settings, refusals, "0", 0, 100, "starts that are refused"),
    VTS_OPTION_INT(struct settings, busy, "0", 0, 100, "the poll that is told 503"),
    VTS_OPTION_CHOICE(struct settings, stubborn, "no|a_second|for_ever", "no", "when cancelled"),
    VTS_OPTION_TEXT(struct settings, result, "", "JSON"),
    VTS_OPTION_TEXT(struct settings, error, "", "fails with it"),
    VTS_OPTIONS_END};

static bool open(struct vts_instance *instance, struct vts_error *error)
{
    (void)instance;
    (void)error;
    moody_opened++;
    return true;
}

static void close(struct vts_instance *instance)
{
    (void)instance;
    moody_closed++;
}

static void admit(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);

    if ((int64_t)vts_polls(job) <= set->refusals)
        vts_refuse(job, 429, 5000);
}

static void go_on(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);
    vts_ms left = set->delay - vts_age(job);

    vts_wake_after(job, set->beat > 0 && set->beat < left ? set->beat : left);
}

static void start(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);

    vts_progress_over(job, 1, set->delay);
    go_on(job);
}

static void wake(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);
    struct state *state = vts_state(job);

    state->wakes++;
    if (set->stubborn == 1 && vts_age(job) < set->delay)
        vts_cancel(job);
    else if (vts_age(job) < set->delay)
        go_on(job);
    else if (*set->error)
        vts_fail(job, "moody", set->error);
    else
        vts_complete(job, *set->result ? set->result : NULL);
}

static void poll(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);

    if ((int64_t)vts_polls(job) == set->busy)
        VTS_BEND(job, .status = 503, .retry_after = 2000);
}

static void cancel(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);

    if (set->stubborn == 1)
        vts_wake_after(job, 1000);
    else if (set->stubborn == 2)
        vts_wait(job, VTS_FOR_EVER);
}

VTS_PLUGIN(moody, .summary = "for tests", .options = options,
           .settings_size = sizeof(struct settings), .state_size = sizeof(struct state),
           .open = open, .close = close, .admit = admit, .start = start, .wake = wake, .poll = poll,
           .cancel = cancel)

/* ---- bent ---- */

struct bent_settings {
    int64_t bend;
};

static const struct vts_option bent_options[] = {
    VTS_OPTION_INT(struct bent_settings, bend, "0", 0, 10, "which"), VTS_OPTIONS_END};

static void bent_start(struct vts_job *job) { vts_wait(job, VTS_FOR_EVER); }

static void bent_poll(struct vts_job *job)
{
    const struct bent_settings *set = vts_settings(job);
    struct vts_answer answers[] = {
        {.status = 500, .retry_after = -1},
        {.cut = VTS_BREAK_RESET},
        {.cut = VTS_BREAK_EMPTY, .stall = 5000},
        {.cut = VTS_BREAK_TRUNCATE},
        {.cut = VTS_BREAK_GARBAGE},
        {.body = VTS_BODY_HTML, .status = 502},
        {.body = VTS_BODY_INVALID_JSON, .dribble = 300},
        {.body = VTS_BODY_NO_STATUS},
        {.word = "queued-ish", .retry_after = 3000, .retry_after_date = true},
        {.body = VTS_BODY_NOT_FOUND},
        {.state = VTS_QUEUED}};

    answers[set->bend].size = sizeof(struct vts_answer);
    vts_bend(job, &answers[set->bend]);
}

VTS_PLUGIN(bent, .summary = "for tests", .options = bent_options,
           .settings_size = sizeof(struct bent_settings), .start = bent_start, .poll = bent_poll)

/* ---- others ---- */

static void restless(struct vts_job *job) { vts_wake_after(job, 1); }

VTS_PLUGIN(restless, .summary = "for tests", .start = restless, .wake = restless)

VTS_PLUGIN(sieve, .kind = VTS_FILTER, .summary = "for tests", .poll = bent_poll)

static bool refuse(struct vts_instance *instance, struct vts_error *error)
{
    (void)instance;
    return vts_error_set(error, VTS_ERR_INVALID, "the moon is not full");
}

VTS_PLUGIN(closed, .summary = "for tests", .open = refuse, .start = restless, .wake = restless)

/* ---- failures ---- */

static void take(void *arg, const char *file, int line, const char *text)
{
    struct failures *failures = arg;

    failures->count++;
    failures->line = line;
    snprintf(failures->file, sizeof(failures->file), "%s", file);
    snprintf(failures->text, sizeof(failures->text), "%s", text);
}

void failures_take(struct vts_harness *harness, struct failures *failures)
{
    *failures = (struct failures){0};
    vts_harness_on_failure(harness, take, failures);
}
