/* SPDX-License-Identifier: MIT
 *
 * random_failure: a share of the jobs fails. Everything that chance decides is drawn at the start, so
 * a job's fate is settled by the seed and its id, whoever asks and however often. */
#include <vtsim/plugin.h>

enum fail_at { AT_END, ANYWHERE };

struct settings {
    double rate;
    struct vts_delay delay;
    int fail_at;
    struct vts_list message;
};

/* What the wake has to know: 0, the job completes; n, it fails with the n-th message. */
struct state {
    uint32_t failure;
};

static const struct vts_option options[] = {
    VTS_OPTION_REAL(struct settings, rate, "0.2", 0, 1, "the share of jobs that fail"),
    VTS_OPTION_DELAY(struct settings, delay, "10s", "from start to the end, drawn for each job"),
    VTS_OPTION_CHOICE(struct settings, fail_at, "end|anywhere", "end",
                      "a failing job fails when its delay is over, or anywhere on the way"),
    VTS_OPTION_LIST(struct settings, message, "the translation failed",
                    "what a failure says, one a line, of which one is drawn"),
    VTS_OPTIONS_END};

/* The order of the draws is a part of the behaviour: they are always made, and those that take one
 * number each come first, so that a job which fails goes on failing when the delay is changed, and
 * when the rate is raised. */
static void start(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);
    struct state *state = vts_state(job);
    bool fails = vts_chance(job, set->rate);
    double share = vts_uniform(job);
    double message = vts_uniform(job);
    vts_ms span = vts_sample(job, &set->delay);

    if (fails) {
        state->failure = 1 + (uint32_t)(message * (double)set->message.count);
        if (set->fail_at == ANYWHERE)
            span = (vts_ms)(share * (double)span);
    }
    vts_wake_after(job, span);
}

static void wake(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);
    const struct state *state = vts_state(job);

    if (state->failure == 0)
        vts_complete(job, NULL);
    else if (state->failure <= set->message.count)
        vts_fail(job, NULL, set->message.items[state->failure - 1]);
    else
        vts_fail(job, NULL, NULL); /* the list is empty */
}

VTS_PLUGIN(random_failure, .summary = "a share of the jobs fails", .options = options,
           .settings_size = sizeof(struct settings), .state_size = sizeof(struct state),
           .state_version = 1, .start = start, .wake = wake)
