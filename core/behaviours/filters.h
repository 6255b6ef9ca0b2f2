/* SPDX-License-Identifier: MIT
 *
 * The filters of one reading of the configuration, inside the room behaviours/: [filter NAME] sections, and
 * the lists that name them. */
#ifndef VTSIM_BEHAVIOURS_FILTERS_H
#define VTSIM_BEHAVIOURS_FILTERS_H

#include "behaviours.h"

/* Adds an instance to a list that is grown. False where there was no memory: it was destroyed. */
bool list_add(struct instance ***list, size_t *count, struct instance *instance);

/* The plugin that a section names, by default the one that is called as the section is. NULL, and a problem,
 * where it is not there or is not of the section's kind. */
const struct vts_plugin *section_plugin(struct ini_section *section, const struct plugins *plugins,
                                        struct problems *problems);

/* Why a plugin does not run on its fallbacks. */
void tell_why_not_plain(const struct vts_plugin *plugin, struct vts_error *error);

/* The one of these whose name is nearest to this one, or NULL. */
const char *nearest_named(struct instance *const *all, size_t count, const char *name);

const struct instance *filters_named(const struct behaviours *behaviours, const char *name);

/* Puts a filter behind those of a chain, unless it is one of them. False where they are too many. */
bool filters_join(struct filter_chain *chain, const struct instance *filter,
                  struct vts_error *error);

/* Makes an instance for each [filter NAME] section. */
bool filters_open(struct behaviours *behaviours, const struct config *config,
                  const struct plugins *plugins, struct problems *problems);

/* Adds the filters of a list to a chain, which stand at the key `filter` of this section; those that are
 * in it already stay where they are. */
bool filters_chain(struct behaviours *behaviours, const struct config *config,
                   const struct plugins *plugins, const struct vts_list *names,
                   const struct ini_section *section, struct filter_chain *chain,
                   struct problems *problems);

/* The same for the list that a [behaviour NAME] section has, or has not. A plugin that has an option of
 * this name keeps it for itself. */
bool filters_of_section(struct behaviours *behaviours, const struct config *config,
                        const struct plugins *plugins, struct ini_section *section,
                        const struct vts_plugin *plugin, struct filter_chain *chain,
                        struct problems *problems);

#endif
