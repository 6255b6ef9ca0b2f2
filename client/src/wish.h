/* SPDX-License-Identifier: MIT
 *
 * What a start says of its job besides the id: a behaviour, and settings for this job alone. Checks them, and
 * words the body of the request. Pure: knows nothing of who is asked. */
#ifndef VTSIM_CLIENT_WISH_H
#define VTSIM_CLIENT_WISH_H

#include <stdbool.h>

#include <vtsim/client.h>

/* Does the call say anything of the job? */
bool wish_is_given(const struct vts_client_call *call);

/* The body of POST /jobs for a job of this id, for free(). NULL with *error filled: INVALID, MEMORY. */
char *wish_body(const char *id, const struct vts_client_call *call, struct vts_client_error *error);

#endif
