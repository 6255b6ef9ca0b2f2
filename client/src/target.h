/* SPDX-License-Identifier: MIT
 *
 * Where requests go: a server's URL taken apart, and the addresses of its host. */
#ifndef VTSIM_CLIENT_TARGET_H
#define VTSIM_CLIENT_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vtsim/client.h>

#define TARGET_ADDRESSES 8

struct target {
    char *host; /* a name or an address, without brackets */
    uint16_t port;
    char *authority; /* HOST:PORT as it stands in the Host header and in messages */
    char *prefix;    /* the URL's path without a slash at its end; often empty */

    char *addresses[TARGET_ADDRESSES]; /* numeric, as they were looked up last */
    size_t address_count;              /* 0: not looked up yet */
    size_t current;                    /* the one in use */
};

/* Takes a URL apart. False with *error filled; target_finish is then not needed. */
bool target_init(struct target *target, const char *url, struct vts_client_error *error);
void target_finish(struct target *target);

/* Looks the addresses up where that has not been done. Names block for as long as the system's
 * resolver takes, addresses do not. NULL, or why not: a constant text. */
const char *target_resolve(struct target *target);

/* The current address did not answer: takes the next one. False, and forgets them all (they may have
 * changed), after `tried` tries have gone through all of them. */
bool target_next_address(struct target *target, size_t tried);

#endif
