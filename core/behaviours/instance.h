/* SPDX-License-Identifier: MIT
 *
 * Plugins opened with one set of settings each, found by the hash that records carry. Knows plugins and
 * settings; knows no job's life.
 *
 * The set of all of them (struct instances) is read and added to from any thread, without a lock: an
 * instance that is in it stays as it is until the end, since a job may name it. The one lock here is that
 * of a `.serial` instance: it guards the plugin's own data, is taken around one hook, and nothing else is
 * taken while it is held.
 */
#ifndef VTSIM_BEHAVIOURS_INSTANCE_H
#define VTSIM_BEHAVIOURS_INSTANCE_H

#include <pthread.h>
#include <stdatomic.h>

#include "loader.h"

struct instance {
    struct vts_instance base; /* what the plugin sees; first */
    struct instance *next;    /* in its bucket of struct instances */
    char *name;
    void *settings;
    struct text canonical; /* name, plugin, key=value of each setting: a NUL behind each */
    uint64_t hash;         /* of that */
    pthread_mutex_t serial;
    atomic_uint warned; /* enum instance_warning, or'ed: each is logged once */
    bool opened;        /* open() is over */
    uint64_t slots;     /* that its jobs share; 0: they have none */
};

/* Nonsense that a plugin may talk, told once for each instance. */
enum instance_warning {
    INSTANCE_WARN_ACT = 1,      /* acted in a hook that cannot */
    INSTANCE_WARN_PROGRESS = 2, /* NaN */
    INSTANCE_WARN_ENDED = 4,    /* ended a job twice */
    INSTANCE_WARN_BEND = 8,     /* an answer that cannot be sent, or bent where there is none */
    INSTANCE_WARN_LENGTH = 16,  /* a text that had to be cut */
    INSTANCE_WARN_RESULT = 32,  /* a result that is none */
    INSTANCE_WARN_DOWN = 64,    /* a progress below what there was */
    INSTANCE_WARN_RANGE = 128   /* a progress below 0 or above 1 */
};

#define INSTANCE_BUCKETS 1024

/* Zeroed at first. */
struct instances {
    _Atomic(struct instance *) buckets[INSTANCE_BUCKETS];
};

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

/* Takes it over. The one that serves: it, or where there is the same already, that one (it is destroyed then). */
const struct instance *instances_add(struct instances *instances, struct instance *instance);
void instances_finish(struct instances *instances);

const struct instance *instances_hashed(const struct instances *instances, uint64_t hash);

/* True for the first that asks. */
bool instance_warn_once(const struct instance *instance, enum instance_warning warning);

#endif
