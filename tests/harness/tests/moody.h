/* SPDX-License-Identifier: MIT
 *
 * What the harness's tests share: behaviours with every kind of mood, and a failure handler that remembers. */
#ifndef VTSIM_HARNESS_TESTS_MOODY_H
#define VTSIM_HARNESS_TESTS_MOODY_H

#include <vtsim/harness.h>

/* Progress over `delay`; then completes with `result`, or fails where there is an `error`. Refuses the first
 * `refusals` starts with 429; tells poll number `busy` 503; is `stubborn`: takes a second to be cancelled, or
 * for ever. Its bytes count the wakes; `beat` is a time between wakes on the way. */
const struct vts_plugin *moody_LTX_vts_plugin(void);

/* Bends each answer as `bend` says: an index into a table of its own. */
const struct vts_plugin *bent_LTX_vts_plugin(void);

/* Wakes for ever, each millisecond. */
const struct vts_plugin *restless_LTX_vts_plugin(void);

/* A filter, and one whose open refuses. */
const struct vts_plugin *sieve_LTX_vts_plugin(void);
const struct vts_plugin *closed_LTX_vts_plugin(void);

/* How often moody was opened and closed, in this process. */
extern int moody_opened, moody_closed;

/* Takes failures of a harness instead of the test. */
struct failures {
    int count, line;
    char file[256];
    char text[200000]; /* of the last */
};
void failures_take(struct vts_harness *harness, struct failures *failures);

#endif
