/* SPDX-License-Identifier: MIT
 *
 * Which behaviour a new job gets: one reading of the configuration, with its rules and the behaviours that
 * they name. Immutable once it is made; SIGHUP makes another. Each port holds the one that it uses, and
 * the last holder frees it. Jobs do not hold it: they name their instance, which stays. */
#ifndef VTSIM_SERVICE_ASSIGNMENT_H
#define VTSIM_SERVICE_ASSIGNMENT_H

#include <stdatomic.h>

#include "../behaviours/behaviours.h"
#include "../jobs/record.h"
#include "../store/open.h"
#include "rules.h"

struct assignment {
    struct config config;
    struct plugins plugins;
    struct behaviours behaviours;
    struct store_choice store;
    atomic_size_t holders, servers; /* see assignment_serve */
};

/* Reads the file (NULL: none) and the command line's settings, loads plugins, opens behaviours and
 * chooses the store. Those plugins that `before` (NULL: none) has loaded are taken over from it. What is wrong is in *problems; then
 * nothing of it is published, and it is there for --describe all the same. Held once, by the caller. NULL
 * where there was no memory. For the main thread alone, as the loader. */
struct assignment *assignment_read(const char *file, const char *const *assignments, size_t count,
                                   const struct assignment *before, struct problems *problems);

void assignment_hold(struct assignment *assignment);
void assignment_release(struct assignment *assignment); /* NULL is allowed */

/* Holds it so as to give its behaviours to new jobs. When the last that does so lets it go, its behaviours are
 * taken back, though others may hold it for its settings: what no job names is freed then. */
void assignment_serve(struct assignment *assignment);
void assignment_retire(struct assignment *assignment); /* NULL is allowed */

/* The behaviour for a job that is asked for: that of the first rule that matches, else the server's. */
const struct instance *assignment_for(const struct assignment *assignment,
                                      const struct asked *asked);

/* Adds a line for each thing that has changed and that a new reading cannot change: settings that are read
 * at the start alone, plugins that are loaded. */
void assignment_changes(const struct assignment *before, const struct assignment *now,
                        struct text *out);

#endif
