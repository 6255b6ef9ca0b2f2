/* SPDX-License-Identifier: MIT */
/* my_behaviour: a job takes the time that is drawn for it, and a share of the jobs fails.
 *
 * All that a behaviour can do is said in <vtsim/plugin.h>. */
#include <vtsim/plugin.h>

/* What can be set in the INI file, and the table through which vtsimd reads it. */
struct settings {
    struct vts_delay delay;
    double failures;
};

static const struct vts_option options[] = {
    VTS_OPTION_DELAY(struct settings, delay, "uniform 2s..8s", "from start to end"),
    VTS_OPTION_REAL(struct settings, failures, "0.1", 0, 1, "share of the jobs that fail"),
    VTS_OPTIONS_END};

/* A job was started: ask for a wake. */
static void start(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);
    vts_ms span = vts_sample(job, &set->delay);

    vts_progress_over(job, 1, span);
    vts_wake_after(job, span);
}

/* The wake is due: end the job. */
static void wake(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);

    if (vts_chance(job, set->failures))
        vts_fail(job, "no_voice", "there is no voice for this language");
    else
        vts_complete(job, "{\"language\": \"es\"}");
}

VTS_PLUGIN(my_behaviour, .summary = "takes a time that is drawn, and may fail", .options = options,
           .settings_size = sizeof(struct settings), .start = start, .wake = wake)
