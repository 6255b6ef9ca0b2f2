/* SPDX-License-Identifier: MIT
 *
 * Errors of the library as `vtsim` reports them: a line with what to do, and an exit status. */
#ifndef VTSIM_CLI_REPORT_H
#define VTSIM_CLI_REPORT_H

#include "arguments.h"

/* Prints the error and returns the exit status for it. */
int report_error(const struct vts_client_error *error, const struct arguments *arguments);

#endif
