/* SPDX-License-Identifier: MIT
 *
 * What new jobs can get: one reading of the configuration, as instances by the names that users give them,
 * each with the filters around it.
 * Filled by one thread, then only read; a configuration that is read anew makes another. */
#ifndef VTSIM_BEHAVIOURS_BEHAVIOURS_H
#define VTSIM_BEHAVIOURS_BEHAVIOURS_H

#include "../config/config.h"
#include "instance.h"

/* Filters in the order in which they are asked, each once. */
struct filter_chain {
    const struct instance *at[INSTANCE_FILTERS];
    size_t count;
};

struct behaviours {
    struct instance **all;
    size_t count;
    struct instance **filters; /* [filter NAME] sections, and plugins that are named as filters */
    size_t filter_count;
    struct instance *
        *ruled; /* by the number of the rule: its behaviour with its filters; NULL where it
                              * names no filters */
    size_t rule_count;
    struct filter_chain usual;      /* the server's: around every behaviour */
    struct instances *published_in; /* it gives them there; NULL: they are its own */
};

/* Makes an instance for each [behaviour NAME] and [filter NAME] section, and one named after each plugin
 * that can run on its fallbacks alone and whose name no section has (a filter, where somebody names it).
 * Around each behaviour stand the filters that [server] names and then its own; around that of a rule,
 * between the two, the rule's. Problems are collected. behaviours_finish is called in any case. */
bool behaviours_open(struct behaviours *behaviours, const struct config *config,
                     const struct plugins *plugins, struct problems *problems);

/* Takes one more over, not yet published. False where there was no memory, and it was destroyed. */
bool behaviours_add(struct behaviours *behaviours, struct instance *instance);

/* Gives them to the set of all, where jobs find them from then on. Those that are there already stay, with
 * the data that they have. */
void behaviours_publish(struct behaviours *behaviours, struct instances *instances);

const struct instance *behaviours_named(const struct behaviours *behaviours, const char *name,
                                        size_t length);

/* The filter of a [filter NAME], or of a plugin that is named as one. */
const struct instance *behaviours_filter(const struct behaviours *behaviours, const char *name);

/* A filter of the plugin of this name, on its fallbacks, for instance_destroy. NULL, with the reason, where it does
 * not run on them. */
struct instance *behaviours_plain_filter(const struct plugins *plugins, const char *name,
                                         struct vts_error *error);

/* What rule number `rule` (from 0) gives to a job. */
const struct instance *behaviours_ruled(const struct behaviours *behaviours,
                                        const struct config *config, size_t rule);

/* Whether a filter has this name: a [filter NAME], or a plugin. */
bool behaviours_is_filter(const struct behaviours *behaviours, const struct plugins *plugins,
                          const char *name);

/* Why no behaviour of this name is there, of which behaviours_named knew none: unknown (with the nearest
 * name), a filter, or a plugin that is broken or does not run on its fallbacks. */
void behaviours_why_not(const struct behaviours *behaviours, const struct plugins *plugins,
                        const char *name, struct vts_error *error);

/* Takes back what was published, and destroys what was not. Can be called again. */
void behaviours_finish(struct behaviours *behaviours);

#endif
