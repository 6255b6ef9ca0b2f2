/* SPDX-License-Identifier: MIT
 *
 * `vtsim clock`: reads and moves the clock of a vtsimd. */
#ifndef VTSIM_CLI_CLOCK_H
#define VTSIM_CLI_CLOCK_H

#include "arguments.h"

/* The words behind `clock` are the arguments' ids: none, or freeze, thaw, next, advance TIME, to MOMENT or
 * rate NUMBER. An exit status. */
int clock_command(const struct arguments *arguments);

#endif
