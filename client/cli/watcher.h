/* SPDX-License-Identifier: MIT
 *
 * Watches one operation by its trace: says what happens where --trace wants it, tells of starts that
 * failed and are repeated, and gives up at once where there is no server at all. */
#ifndef VTSIM_CLI_WATCHER_H
#define VTSIM_CLI_WATCHER_H

#include <stdbool.h>

#include "arguments.h"

struct watcher {
    const struct arguments *arguments;
    const char *id;
    bool silent;                       /* trouble is shown elsewhere */
    char trouble[512];                 /* why the last attempt failed; empty: it did not */
    struct vts_client_error unreached; /* the first attempt found no server */
};

/* For the options' trace; trace_arg is the watcher. */
void watcher_trace(struct vts_client_operation *operation, const struct vts_client_trace *trace,
                   void *arg);

/* One line about an attempt that failed and is repeated. */
void watcher_tell(const struct watcher *watcher, int64_t next_ms);

#endif
