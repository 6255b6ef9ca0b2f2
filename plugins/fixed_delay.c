/* SPDX-License-Identifier: MIT
 *
 * fixed_delay: every job completes after the same time. The smallest behaviour there is. */
#include <vtsim/plugin.h>

struct settings {
    vts_ms delay;
    bool progress;
};

static const struct vts_option options[] = {
    VTS_OPTION_TIME(struct settings, delay, "10s", "from start to completion"),
    VTS_OPTION_BOOL(struct settings, progress, "off", "report progress in proportion to time"),
    VTS_OPTIONS_END};

static void start(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);

    if (set->progress)
        vts_progress_over(job, 1, set->delay);
    vts_wake_after(job, set->delay);
}

static void wake(struct vts_job *job) { vts_complete(job, NULL); }

VTS_PLUGIN(fixed_delay, .summary = "every job completes after the same time", .options = options,
           .settings_size = sizeof(struct settings), .start = start, .wake = wake)
