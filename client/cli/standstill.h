/* SPDX-License-Identifier: MIT
 *
 * Why a server's clock stands that `vtsim --clock server` sleeps by: others hold it, or somebody has frozen it.
 * Knows nothing of jobs. */
#ifndef VTSIM_CLI_STANDSTILL_H
#define VTSIM_CLI_STANDSTILL_H

#include "arguments.h"

struct standstill {
    const struct arguments *arguments;
    int64_t shown_ms; /* by the clock, when it was looked at last; it begins at 0 */
};

/* To be called each second of real time, while we sleep. Where the clock shows what it did the last time, asks the
 * server, for a second at most, and writes what there is to tell. False: nothing. */
bool standstill_explain(struct standstill *standstill, char *text, size_t room);

#endif
