/* SPDX-License-Identifier: MIT
 *
 * Plugins opened with one set of settings each, found by the hash that records carry. Knows plugins and
 * settings; knows no job's life.
 *
 * A filter is an instance, too. A behaviour's instance has the filters that stand around it: which they
 * are is a part of what it is, and so of its hash. One filter may stand around many behaviours: whatever
 * data it has is common to all of them.
 *
 * An instance does not change once it is in a set of them (instances.h), which is where it gets users. The
 * one lock here is that of a `.serial` instance: it guards the plugin's own data, is taken around one hook,
 * and nothing else is taken while it is held.
 */
#ifndef VTSIM_BEHAVIOURS_INSTANCE_H
#define VTSIM_BEHAVIOURS_INSTANCE_H

#include <pthread.h>
#include <stdatomic.h>

#include "instances.h"
#include "loader.h"

/* Bytes of a stamp, at the most (vts_stamp). */
#define INSTANCE_STAMP 200

/* Filters around one behaviour, at the most. */
#define INSTANCE_FILTERS 16

struct instance {
    struct vts_instance base; /* what the plugin sees; first */
    char *name;
    void *settings;
    /* Name, plugin, key=value of each setting, @stamp=... where it has one: a NUL behind each; then for each
     * of its filters another NUL and the filter's. */
    struct text canonical;
    size_t own_length;               /* of it, without the filters */
    uint64_t hash;                   /* of all of it */
    uint64_t stream;                 /* names a filter's chance: of its name */
    const struct instance **filters; /* around it, the outermost first; in the same set as it is */
    size_t filter_count;
    struct text stamp; /* set by open(): what else it was made of */
    /* In open(): the stamp of before, where it is opened again for jobs that are there. */
    const char *stamped;
    bool opening, hollow; /* hollow: it kept that stamp, so no job can be started with it */
    bool hears_polls;     /* it or one of its filters has a poll hook */
    pthread_mutex_t serial;
    atomic_uint warned; /* enum instance_warning, or'ed: each is logged once */
    uint64_t slots;     /* that its jobs share; 0: they have none */

    /* The set's that it is in; what is not atomic belongs to that one's lock. */
    _Atomic(struct instance *) next; /* in its bucket */
    atomic_size_t users;
    atomic_size_t
        named; /* those of them that are records, for who wants to know; no rule hangs on it */
    atomic_size_t
        published; /* readings of the configuration that give it; changed inside the lock */
    TAILQ_ENTRY(instance) idle_link;
    struct instance *retired_next;
    uint64_t retired_at;
    struct instances *filters_in; /* where it is a user of its filters; NULL: of none */
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
    INSTANCE_WARN_RANGE = 128,  /* a progress below 0 or above 1 */
    INSTANCE_WARN_WAKE = 256,   /* a wake in the past, or after the end of time */
    INSTANCE_WARN_UTF8 = 512,   /* a text that had to be mended */
    INSTANCE_WARN_NULL = 1024   /* NULL where there must be something */
};

/* Opens one: a behaviour, or a filter. `section` may be NULL: fallbacks alone. NULL where there was a
 * problem. */
struct instance *instance_create(const char *name, const struct vts_plugin *plugin,
                                 struct ini_section *section, struct problems *problems);
/* Lets its plugin forget what it counted: everything begins anew. Takes the serial lock where it has one. */
void instance_reset(const struct instance *instance);

/* Closes one that is in no set, or in none any more. */
void instance_destroy(struct instance *instance);

/* Puts filters around a behaviour that is in no set yet. False where there was no memory. */
bool instance_put_filters(struct instance *instance, const struct instance *const *filters,
                          size_t count);

/* Opens one again from its canonical text. Its filters are those of the set, to which those are added that
 * it lacks. NULL, with the reason, where a plugin is not there, or has changed so that it would be
 * another. */
struct instance *instance_revive(const struct plugins *plugins, struct instances *instances,
                                 const char *canonical, size_t length, struct vts_error *error);

/* Opens one again: the same plugin with the same settings, and data of its own; its filters likewise, unless
 * the set has them. NULL, with the reason. */
struct instance *instance_again(const struct instance *like, struct instances *instances,
                                struct vts_error *error);

/* The same without filters. */
struct instance *instance_again_bare(const struct instance *like, struct vts_error *error);

/* True for the first that asks. */
bool instance_warn_once(const struct instance *instance, enum instance_warning warning);

#endif
