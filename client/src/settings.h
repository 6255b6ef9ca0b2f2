/* SPDX-License-Identifier: MIT
 *
 * Options as an operation uses them: checked, with copies of what they point to, shared by all that
 * use the same. */
#ifndef VTSIM_CLIENT_SETTINGS_H
#define VTSIM_CLIENT_SETTINGS_H

#include <vtsim/client.h>

struct settings {
    unsigned int references;
    struct vts_client_options options; /* url and clock are not kept */
    struct vts_client_plan *plan;
    char *job_class;
};

/* Takes options over; NULL: the defaults. Where they want no plan of their own, and nothing else than
 * `like` (NULL: nothing to be like), they share its. NULL with *error filled. */
struct settings *settings_create(const struct vts_client_options *options,
                                 const struct settings *like, struct vts_client_error *error);
struct settings *settings_hold(struct settings *settings);
void settings_release(struct settings *settings);

/* The same, but for the class. NULL where memory is short. */
struct settings *settings_with_class(const struct settings *settings, const char *job_class);

#endif
