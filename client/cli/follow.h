/* SPDX-License-Identifier: MIT
 *
 * `vtsim wait`, `run` and `resume`: follows jobs on a loop of its own, line by line or with a progress line
 * each. Knows how a wait goes by from client.h alone. */
#ifndef VTSIM_CLI_FOLLOW_H
#define VTSIM_CLI_FOLLOW_H

#include "arguments.h"

/* The exit status; what went wrong has been printed. */
int follow(const struct arguments *arguments);

#endif
