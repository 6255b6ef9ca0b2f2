/* SPDX-License-Identifier: MIT
 *
 * Of words that would have been right, the nearest to one that is wrong, in typing errors. */
#ifndef VTSIM_CLI_NEAREST_H
#define VTSIM_CLI_NEAREST_H

#include <stddef.h>

struct nearest {
    const char *word; /* the wrong one: so many bytes of it */
    size_t length;
    const char *best; /* NULL: none is near */
    size_t apart;
};

/* Looks at one of the right words: `best` is then `meant`, where this is the nearest so far. */
void nearest_try(struct nearest *nearest, const char *right, const char *meant);

#endif
