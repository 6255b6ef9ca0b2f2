/* SPDX-License-Identifier: MIT
 *
 * One request for several polls, while it is under way. */
#ifndef VTSIM_CLIENT_BATCH_H
#define VTSIM_CLIENT_BATCH_H

#include "handle.h"

#define BATCH_MAX 100 /* what vtsimd takes */

struct batch {
    unsigned int references;
    struct vts_client *client;
    struct exchange *exchange;
    size_t count, left;                     /* all, and those that have not left it */
    struct vts_client_operation *members[]; /* NULL: it has left */
};

#endif
