/* SPDX-License-Identifier: MIT
 *
 * From [store] in the configuration to a store. The only place that knows kinds: `memory` is built in,
 * every other is a module of that name. */
#ifndef VTSIM_STORE_OPEN_H
#define VTSIM_STORE_OPEN_H

#include "../config/config.h"
#include "store.h"

/* A kind with its settings read. */
struct store_choice {
    const struct store_module *module;
    void *settings;
};

/* Reads [store]; no [store] is memory. Opens nothing yet. False where there was a problem. */
bool store_choose(struct store_choice *choice, const struct config *config,
                  struct problems *problems);

/* Opens it. NULL, with *error filled, where it cannot be used. The choice must outlive the store. */
struct store *store_open(const struct store_choice *choice, const struct store_options *options,
                         struct vts_error *error);
void store_choice_finish(struct store_choice *choice);

/* The module of a kind. NULL, with the reason, where there is none or it cannot be used. */
const struct store_module *store_module_find(const char *kind, struct vts_error *error);

/* Tells the names of all kinds that there are. */
void store_each_kind(void (*fn)(void *arg, const char *kind), void *arg);

#endif
