/* SPDX-License-Identifier: MIT
 *
 * A behaviour as somebody writes it who has installed vtsim: every job completes after a while. */
#include <vtsim/plugin.h>

struct settings {
    vts_ms delay;
};

static const struct vts_option options[] = {
    VTS_OPTION_TIME(struct settings, delay, "50ms", "from start to completion"), VTS_OPTIONS_END};

static void start(struct vts_job *job)
{
    const struct settings *settings = vts_settings(job);

    vts_wake_after(job, settings->delay);
}

static void wake(struct vts_job *job) { vts_complete(job, "{\"made\": \"outside\"}"); }

VTS_PLUGIN(outside, .summary = "every job completes after a while", .options = options,
           .settings_size = sizeof(struct settings), .start = start, .wake = wake)
