/* SPDX-License-Identifier: MIT
 *
 * The structs that users fill: taken over by their size, and checked. */
#ifndef VTSIM_CLIENT_OPTIONS_H
#define VTSIM_CLIENT_OPTIONS_H

#include <stdbool.h>

#include <vtsim/client.h>

/* Takes a user's struct over into ours of `room` bytes, which the caller has filled with defaults.
 * False, with *error filled, where its size is not set, or where it is longer than ours and uses what
 * we do not know. */
bool options_adopt(void *ours, size_t room, const void *theirs, const char *name,
                   struct vts_client_error *error);

/* Takes over and checks options; NULL: the defaults. `url` still points to the user's text. */
bool options_read(struct vts_client_options *ours, const struct vts_client_options *theirs,
                  struct vts_client_error *error);

/* A class of jobs: 0 to 64 bytes, printable. */
bool options_check_class(const char *job_class, struct vts_client_error *error);

#endif
