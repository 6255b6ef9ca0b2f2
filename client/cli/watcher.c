/* SPDX-License-Identifier: MIT
 *
 * See watcher.h. */
#include "watcher.h"

#include <stdio.h>
#include <string.h>

#include "output.h"
#include "report.h"

static double seconds(int64_t ms) { return (double)ms / 1000; }

/* What happened, as --trace tells it. */
static void describe(const struct vts_client_trace *trace, char *text, size_t room)
{
    const char *reason = vts_client_reason_name(trace->reason);

    switch (trace->event) {
    case VTS_CLIENT_EVENT_DELAY:
        if (trace->plan_ms >= 0 && trace->plan_ms != trace->delay_ms)
            snprintf(text, room, "waits %.3f s: %s (the plan says %.3f s)",
                     seconds(trace->delay_ms), reason, seconds(trace->plan_ms));
        else
            snprintf(text, room, "waits %.3f s: %s", seconds(trace->delay_ms), reason);
        break;
    case VTS_CLIENT_EVENT_REQUEST:
        if (trace->batch > 1)
            snprintf(text, room, "%s, %zu jobs together: %s", trace->request, trace->batch, reason);
        else
            snprintf(text, room, "%s: %s", trace->request, reason);
        break;
    case VTS_CLIENT_EVENT_ANSWER:
        if (trace->error->code)
            snprintf(text, room, "failed after %.3f s: %s", seconds(trace->delay_ms),
                     trace->error->message);
        else
            snprintf(text, room, "answered after %.3f s", seconds(trace->delay_ms));
        break;
    case VTS_CLIENT_EVENT_END:
        snprintf(text, room, "ends: %s",
                 trace->error->code ? trace->error->message : "the job has ended");
        break;
    }
}

void watcher_tell(const struct watcher *watcher, int64_t next_ms)
{
    char text[sizeof(watcher->trouble) + 64];

    if (watcher->silent)
        return;
    snprintf(text, sizeof(text), "%s; trying again in %.1f s", watcher->trouble, seconds(next_ms));
    report_line(watcher->arguments, watcher->id, text);
}

void watcher_trace(struct vts_client_operation *operation, const struct vts_client_trace *trace,
                   void *arg)
{
    struct watcher *watcher = arg;
    bool starts = strncmp(trace->request, "POST ", 5) == 0;
    char text[768] = "";

    if (watcher->arguments->trace) {
        describe(trace, text, sizeof(text));
        output_trace(seconds(trace->elapsed_ms), watcher->id, text);
    }
    if (trace->event == VTS_CLIENT_EVENT_ANSWER) {
        snprintf(watcher->trouble, sizeof(watcher->trouble), "%s", trace->error->message);
        /* A server that was never there is more likely a wrong URL than one that will come back. */
        if (trace->number == 1 && report_never_connected(trace->error)) {
            watcher->unreached = *trace->error;
            vts_client_abandon(operation);
        }
    } else if (trace->event == VTS_CLIENT_EVENT_DELAY && starts && *watcher->trouble) {
        if (trace->plan_ms < 0) /* not by the plan: the start is repeated */
            watcher_tell(watcher, trace->delay_ms);
        else
            *watcher->trouble = '\0';
    }
}
