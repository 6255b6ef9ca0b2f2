/* SPDX-License-Identifier: MIT
 *
 * Errors of the client library as they are made: a code and one clean line. Knows nothing of what
 * went wrong. */
#ifndef VTSIM_CLIENT_ERROR_H
#define VTSIM_CLIENT_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

#include <vtsim/client.h>

/* Fills *error (NULL is allowed). Control characters and broken UTF-8, which may come from a server,
 * are shown as \xNN, so that a message is safe to print. Always returns false. */
__attribute__((format(printf, 4, 5))) bool error_set(struct vts_client_error *error,
                                                     enum vts_client_err code, int http_status,
                                                     const char *format, ...);

#endif
