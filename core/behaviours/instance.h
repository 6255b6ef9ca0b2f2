/* SPDX-License-Identifier: MIT
 *
 * Behaviours ready to run: plugins opened with one set of settings each, found by the name that users
 * give them and by the hash that records carry. Knows plugins and settings; knows no job's life.
 *
 * The set is filled in the main thread before there are workers, and only read afterwards, so it has no
 * lock; instances that turn up later (instances_add_late) stand in a list of their own, which only grows
 * at its head. The one lock here is that of a `.serial` instance: it guards the plugin's own data, is taken
 * around one hook, and nothing else is taken while it is held. */
#ifndef VTSIM_BEHAVIOURS_INSTANCE_H
#define VTSIM_BEHAVIOURS_INSTANCE_H

#include <pthread.h>
#include <stdatomic.h>

#include "../config/config.h"
#include "loader.h"

struct instance {
    struct vts_instance base; /* what the plugin sees; first */
    struct instance *next;    /* in instances.late */
    char *name;
    void *settings;
    struct text canonical; /* name, plugin, key=value of each setting: a NUL behind each */
    uint64_t hash;         /* of that */
    bool revived;          /* for jobs started before: no new one gets it */
    pthread_mutex_t serial;
    atomic_uint warned; /* enum instance_warning, or'ed: each is logged once */
};

/* Nonsense that a plugin may talk, told once for each instance. */
enum instance_warning {
    INSTANCE_WARN_ACT = 1,      /* acted in a hook that cannot */
    INSTANCE_WARN_PROGRESS = 2, /* NaN */
    INSTANCE_WARN_ENDED = 4,    /* ended a job twice */
    INSTANCE_WARN_BEND = 8,     /* an answer that cannot be sent, or bent where there is none */
    INSTANCE_WARN_LENGTH = 16,  /* a text that had to be cut */
    INSTANCE_WARN_RESULT = 32   /* a result that is none */
};

struct instances {
    struct instance **all;
    size_t count;
    _Atomic(struct instance *) late;
};

/* Makes an instance for each [behaviour NAME] section, and one named after each plugin that can run on
 * its fallbacks alone and whose name no section has. Problems are collected. */
bool instances_open(struct instances *instances, const struct config *config,
                    const struct plugins *plugins, struct problems *problems);

/* Opens one. `section` may be NULL: fallbacks alone. NULL where there was a problem. */
struct instance *instance_create(const char *name, const struct vts_plugin *plugin,
                                 struct ini_section *section, struct problems *problems);
void instance_destroy(struct instance *instance);

/* Opens one again from its canonical text. NULL, with the reason, where its plugin is not there, or has
 * changed so that it would be another. */
struct instance *instance_revive(const struct plugins *plugins, const char *canonical,
                                 size_t length, struct vts_error *error);

/* Opens one again: the same plugin with the same settings, and data of its own. NULL, with the reason. */
struct instance *instance_again(const struct instance *like, struct vts_error *error);

/* Takes it over. False where there was no memory, and it was destroyed. */
bool instances_add(struct instances *instances, struct instance *instance);
/* The same from any thread, while others read. It is found by its hash alone. */
void instances_add_late(struct instances *instances, struct instance *instance);
void instances_finish(struct instances *instances);

const struct instance *instances_named(const struct instances *instances, const char *name,
                                       size_t length);
const struct instance *instances_hashed(const struct instances *instances, uint64_t hash);

/* Why no behaviour of this name is there, of which instances_named knew none: unknown (with the nearest
 * name), a filter, or a plugin that is broken or does not run on its fallbacks. */
void instances_why_not(const struct instances *instances, const struct plugins *plugins,
                       const char *name, struct vts_error *error);

/* True for the first that asks. */
bool instance_warn_once(const struct instance *instance, enum instance_warning warning);

#endif
