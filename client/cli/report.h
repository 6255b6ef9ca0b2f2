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

/* A line on standard error about a job; where the command follows several, it says which, if the text does
 * not. `id` NULL: it is about none. */
void report_line(const struct arguments *arguments, const char *id, const char *text);

/* Prints the error and returns the exit status for it. `id` is the job that it is about, NULL: none;
 * `result` what was last seen of it, NULL: nothing. */
int report_error(const struct vts_client_error *error, const struct arguments *arguments,
                 const char *id, const struct vts_client_result *result);

/* A line on standard error of why a job ended in error, where its server told it. */
void report_failed(const struct vts_client_job *job);

/* The user wants no more; the job is left as it is: how to go on. */
void report_interrupted(const struct arguments *arguments, const char *id, const char *token);

/* Of two exit statuses, the one that matters more. */
int report_worse(int a, int b);

#endif
