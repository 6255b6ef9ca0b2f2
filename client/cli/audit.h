/* SPDX-License-Identifier: MIT
 *
 * `vtsim audit`: how clients asked a vtsimd for its jobs, as a table, or drawn along time. */
#ifndef VTSIM_CLI_AUDIT_H
#define VTSIM_CLI_AUDIT_H

#include "arguments.h"

/* Of the job or the pattern of ids that the arguments name, or of all. Returns the exit status. */
int audit(const struct arguments *arguments);

#endif
