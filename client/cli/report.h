/* SPDX-License-Identifier: MIT
 *
 * Errors of the library as `vtsim` reports them: a line with what to do, which can be pasted, an
 * object for programs, and an exit status. */
#ifndef VTSIM_CLI_REPORT_H
#define VTSIM_CLI_REPORT_H

#include "arguments.h"

/* Was there no connection at all, as with a wrong URL? The library has one code for this and for a
 * connection that broke. */
bool report_never_connected(const struct vts_client_error *error);

/* Prints the error and returns the exit status for it. `job` is what was last seen of the job; NULL:
 * nothing. */
int report_error(const struct vts_client_error *error, const struct arguments *arguments,
                 const struct vts_client_job *job);

#endif
