/* SPDX-License-Identifier: MIT
 *
 * The set of all instances that jobs may name, by their hash, and how long each of them lives. Knows
 * neither jobs nor where they are kept.
 *
 * Users. An instance is there as long as it has users: records that name it, calls under way with it,
 * readings of the configuration that give it, and behaviours around which it stands as a filter. With the
 * last of them it leaves the set; or, where other processes know of users that we do not (`keeps_idle`), it
 * stays as long as there is room.
 *
 * Threads. Who looks an instance up needs no lock, but says that it looks (instances_enter): what left the
 * set is destroyed when all have stopped looking that might have seen it. A user more or less is an atomic
 * number as long as it is not the first or the last; those come and go inside `lock`, which is taken inside
 * of a record's turn at the store and inside of which no plugin is called. */
#ifndef VTSIM_BEHAVIOURS_INSTANCES_H
#define VTSIM_BEHAVIOURS_INSTANCES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct instance;

#define INSTANCE_BUCKETS 1024

/* A thread that looks. */
struct instances_reader {
    _Alignas(64) _Atomic uint64_t since; /* the epoch in which it began to; 0: it does not look */
    unsigned int depth;                  /* its own */
};

TAILQ_HEAD(instances_idle, instance);

/* All zeros is an empty one for a single thread, which frees all at the end. */
struct instances {
    _Atomic(struct instance *) buckets[INSTANCE_BUCKETS];
    pthread_mutex_t lock;
    struct instances_reader *readers;
    size_t reader_count;
    uint64_t most;                     /* `own`, as instances_add_own lets it grow */
    bool keeps_idle;                   /* those that have no users stay, up to `most` */
    size_t own;                        /* behaviours that no reading of the configuration gives */
    struct instances_idle idle;        /* those without users, the oldest first */
    struct instances_missing *missing; /* those that records name and nobody could make */
    _Atomic uint64_t epoch;            /* grows with each that leaves */
    struct instance *retired;          /* those that left and may still be looked at */
    atomic_size_t retired_count;
    /* Told when one leaves, inside the lock: whoever makes it again comes later. NULL: nobody asks. */
    void (*left)(void *arg, uint64_t hash);
    void *arg;
};

/* For so many threads. False where there was no memory. */
bool instances_init(struct instances *instances, size_t readers);
/* Destroys all of them, used or not. */
void instances_finish(struct instances *instances);

/* The reader's thread looks at instances from here to there: what it found stays where it is. Can be nested. */
void instances_enter(struct instances *instances, size_t reader);
void instances_leave(struct instances *instances, size_t reader);

/* The instance of this hash, or NULL. Between enter and leave, or by a single thread. */
const struct instance *instances_hashed(const struct instances *instances, uint64_t hash);

/* Calls fn with each, in no order; one that comes or leaves meanwhile may be told or not. Takes no lock, and what
 * was told stays where it is until the reader leaves. Between enter and leave. */
void instances_each(const struct instances *instances,
                    void (*fn)(void *arg, const struct instance *instance), void *arg);

/* Takes it over. The one that serves: it, or where there is the same already, that one (it is destroyed
 * then). One that is hollow gives way to one that is not; both stay. The caller is a user of it. */
const struct instance *instances_add(struct instances *instances, struct instance *instance);
/* The same for what a client asks for: NULL where there are as many as allowed. */
const struct instance *instances_add_own(struct instances *instances, struct instance *instance);
/* The same for what the configuration gives, until it is taken back. */
const struct instance *instances_publish(struct instances *instances, struct instance *instance);
void instances_take_back(struct instances *instances, const struct instance *instance);

/* One user more of what has some already; and one less. */
void instances_use(const struct instance *instance);
void instances_release(struct instances *instances, const struct instance *instance);

/* The instance of this hash, with the caller as its user; NULL where there is none. */
const struct instance *instances_hold(struct instances *instances, size_t reader, uint64_t hash);

/* A record names it from now on, or no longer, whether it is there or not. False where there was no memory. */
bool instances_named(struct instances *instances, size_t reader, uint64_t hash);
void instances_unnamed(struct instances *instances, size_t reader, uint64_t hash);
/* One that was held is not any more, for who knows its hash alone. */
void instances_let_go(struct instances *instances, size_t reader, uint64_t hash);

/* Destroys what left and is looked at by nobody any more. Between no enter and leave, with no lock held. */
void instances_reclaim(struct instances *instances);

#endif
