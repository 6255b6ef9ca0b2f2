/* SPDX-License-Identifier: MIT
 *
 * Which instances there are, who uses them, and when they go. See instances.h. */
#include "instances.h"

#include <assert.h>
#include <stdlib.h>

#include "instance.h"

/* An instance that records name and that could not be made: it may be made yet, and has users then. */
struct instances_missing {
    struct instances_missing *next;
    uint64_t hash;
    size_t users;
};

bool instances_init(struct instances *instances, size_t readers)
{
    *instances = (struct instances){.most = UINT64_MAX, .reader_count = readers};
    pthread_mutex_init(&instances->lock, NULL);
    TAILQ_INIT(&instances->idle);
    atomic_init(&instances->epoch, 1);
    instances->readers = aligned_alloc(_Alignof(struct instances_reader),
                                       (readers + 1) * sizeof(*instances->readers));
    if (!instances->readers)
        return false;
    memset(instances->readers, 0, (readers + 1) * sizeof(*instances->readers));
    return true;
}

/* ---- looking ---- */

void instances_enter(struct instances *instances, size_t reader)
{
    struct instances_reader *own = &instances->readers[reader];

    if (own->depth++ == 0)
        atomic_store(&own->since, atomic_load(&instances->epoch));
}

void instances_leave(struct instances *instances, size_t reader)
{
    struct instances_reader *own = &instances->readers[reader];

    if (--own->depth == 0)
        atomic_store_explicit(&own->since, 0, memory_order_release);
}

static _Atomic(struct instance *) *bucket_of(const struct instances *instances, uint64_t hash)
{
    return (_Atomic(struct instance *) *)&instances->buckets[hash % INSTANCE_BUCKETS];
}

static struct instance *find(const struct instances *instances, uint64_t hash)
{
    struct instance *instance = atomic_load(bucket_of(instances, hash));

    while (instance && instance->hash != hash)
        instance = atomic_load(&instance->next);
    return instance;
}

const struct instance *instances_hashed(const struct instances *instances, uint64_t hash)
{
    return find(instances, hash);
}

void instances_each(const struct instances *instances,
                    void (*fn)(void *arg, const struct instance *instance), void *arg)
{
    const struct instance *instance;
    size_t i;

    for (i = 0; i < INSTANCE_BUCKETS; i++)
        for (instance = atomic_load(&instances->buckets[i]); instance;
             instance = atomic_load(&instance->next))
            fn(arg, instance);
}

/* ---- leaving: inside the lock ---- */

static bool is_own(const struct instance *instance)
{
    return atomic_load(&instance->published) == 0 && instance->base.plugin->kind == VTS_BEHAVIOUR;
}

static void unlink_from_bucket(struct instances *instances, struct instance *instance)
{
    _Atomic(struct instance *) *link = bucket_of(instances, instance->hash);

    while (atomic_load(link) != instance)
        link = &atomic_load(link)->next;
    /* Its own `next` stays: somebody may stand at it. */
    atomic_store(link, atomic_load(&instance->next));
}

static void retire(struct instances *instances, struct instance *instance)
{
    unlink_from_bucket(instances, instance);
    instances->own -= is_own(instance);
    instance->retired_at = atomic_fetch_add(&instances->epoch, 1);
    instance->retired_next = instances->retired;
    instances->retired = instance;
    atomic_fetch_add(&instances->retired_count, 1);
    if (instances->left)
        instances->left(instances->arg, instance->hash);
}

/* Lets the oldest without users go where there are too many. */
static void fit(struct instances *instances)
{
    struct instance *oldest;

    while (instances->own > instances->most && (oldest = TAILQ_FIRST(&instances->idle))) {
        TAILQ_REMOVE(&instances->idle, oldest, idle_link);
        retire(instances, oldest);
    }
}

static void lose_user(struct instances *instances, struct instance *instance)
{
    if (atomic_fetch_sub(&instance->users, 1) != 1)
        return;
    if (!instances->keeps_idle) {
        retire(instances, instance);
        return;
    }
    TAILQ_INSERT_TAIL(&instances->idle, instance, idle_link);
    fit(instances);
}

static void gain_users(struct instances *instances, struct instance *instance, size_t users)
{
    if (users > 0 && atomic_fetch_add(&instance->users, users) == 0 && instances->keeps_idle)
        TAILQ_REMOVE(&instances->idle, instance, idle_link);
}

/* ---- missing ones: inside the lock ---- */

static struct instances_missing **find_missing(struct instances *instances, uint64_t hash)
{
    struct instances_missing **link = &instances->missing;

    while (*link && (*link)->hash != hash)
        link = &(*link)->next;
    return link;
}

static size_t take_missing(struct instances *instances, uint64_t hash)
{
    struct instances_missing **link = find_missing(instances, hash), *missing = *link;
    size_t users = missing ? missing->users : 0;

    if (missing)
        *link = missing->next;
    free(missing);
    return users;
}

static bool name_missing(struct instances *instances, uint64_t hash)
{
    struct instances_missing *missing = *find_missing(instances, hash);

    if (!missing) {
        missing = malloc(sizeof(*missing));
        if (!missing)
            return false;
        *missing = (struct instances_missing){instances->missing, hash, 0};
        instances->missing = missing;
    }
    missing->users++;
    return true;
}

static void unname_missing(struct instances *instances, uint64_t hash)
{
    struct instances_missing *missing = *find_missing(instances, hash);

    if (!missing || --missing->users > 0)
        return;
    take_missing(instances, hash);
    if (instances->left)
        instances->left(instances->arg, hash);
}

/* ---- coming ---- */

/* A filter outlives what it stands around. */
static void hold_filters(struct instances *instances, struct instance *instance)
{
    size_t i;

    if (instance->filters_in)
        return;
    for (i = 0; i < instance->filter_count; i++)
        instances_use(instance->filters[i]);
    instance->filters_in = instances;
}

static void insert(struct instances *instances, struct instance *instance)
{
    _Atomic(struct instance *) *bucket = bucket_of(instances, instance->hash);

    size_t named = take_missing(instances, instance->hash);

    hold_filters(instances, instance);
    atomic_store(&instance->users, 1 + named);
    atomic_store(&instance->named, named);
    atomic_store(&instance->next, atomic_load(bucket));
    instances->own += is_own(instance);
    atomic_store(bucket, instance);
}

/* A hollow one gives way to one that is whole. Who uses it by its place and who by its hash cannot be told
 * apart any more, so both stay until the end: that happens once, if ever, when a file is again what it was. */
#define FOR_GOOD (SIZE_MAX / 2)

static void take_place(struct instances *instances, struct instance *hollow, struct instance *whole)
{
    gain_users(instances, hollow, FOR_GOOD);
    insert(instances, whole);
    atomic_fetch_add(&whole->named, atomic_exchange(&hollow->named, 0));
    gain_users(instances, whole, FOR_GOOD);
}

enum adding { ADD_ANY, ADD_OWN, ADD_PUBLISHED };

static bool is_full(struct instances *instances, enum adding adding)
{
    if (adding != ADD_OWN || instances->keeps_idle)
        return false;
    return instances->own >= instances->most;
}

static const struct instance *add(struct instances *instances, struct instance *instance,
                                  enum adding adding)
{
    struct instance *serves;

    pthread_mutex_lock(&instances->lock);
    serves = find(instances, instance->hash);
    if (serves && serves->hollow && !instance->hollow) {
        take_place(instances, serves, instance);
        serves = instance;
    } else if (serves) {
        gain_users(instances, serves, 1);
    } else if (!is_full(instances, adding)) {
        insert(instances, instance);
        serves = instance;
    }
    if (serves && adding == ADD_PUBLISHED) {
        instances->own -= is_own(serves);
        atomic_fetch_add(&serves->published, 1);
    }
    if (instances->keeps_idle)
        fit(instances);
    pthread_mutex_unlock(&instances->lock);
    if (serves != instance)
        instance_destroy(instance);
    return serves;
}

const struct instance *instances_add(struct instances *instances, struct instance *instance)
{
    return add(instances, instance, ADD_ANY);
}

const struct instance *instances_add_own(struct instances *instances, struct instance *instance)
{
    return add(instances, instance, ADD_OWN);
}

const struct instance *instances_publish(struct instances *instances, struct instance *instance)
{
    return add(instances, instance, ADD_PUBLISHED);
}

void instances_take_back(struct instances *instances, const struct instance *published)
{
    struct instance *instance = (struct instance *)published;

    pthread_mutex_lock(&instances->lock);
    atomic_fetch_sub(&instance->published, 1);
    instances->own += is_own(instance);
    lose_user(instances, instance);
    pthread_mutex_unlock(&instances->lock);
}

/* ---- users ---- */

/* One more, or one less, unless it is the first or the last. */
static bool count_user(struct instance *instance, size_t least, size_t by)
{
    size_t users = atomic_load(&instance->users);

    while (users >= least)
        if (atomic_compare_exchange_weak(&instance->users, &users, users + by))
            return true;
    return false;
}

void instances_use(const struct instance *instance)
{
    bool used = count_user((struct instance *)instance, 1, 1);

    assert(used);
    (void)used;
}

void instances_release(struct instances *instances, const struct instance *instance)
{
    if (count_user((struct instance *)instance, 2, (size_t)-1))
        return;
    pthread_mutex_lock(&instances->lock);
    lose_user(instances, (struct instance *)instance);
    pthread_mutex_unlock(&instances->lock);
}

/* Without the lock: one that has users. */
static const struct instance *hold_used(struct instances *instances, size_t reader, uint64_t hash)
{
    struct instance *instance;

    instances_enter(instances, reader);
    instance = find(instances, hash);
    if (instance && !count_user(instance, 1, 1))
        instance = NULL;
    instances_leave(instances, reader);
    return instance;
}

const struct instance *instances_hold(struct instances *instances, size_t reader, uint64_t hash)
{
    struct instance *instance = (struct instance *)hold_used(instances, reader, hash);

    if (instance)
        return instance;
    pthread_mutex_lock(&instances->lock);
    instance = find(instances, hash);
    if (instance)
        gain_users(instances, instance, 1);
    pthread_mutex_unlock(&instances->lock);
    return instance;
}

bool instances_named(struct instances *instances, size_t reader, uint64_t hash)
{
    struct instance *instance = (struct instance *)hold_used(instances, reader, hash);
    bool good = true;

    if (!instance) {
        pthread_mutex_lock(&instances->lock);
        instance = find(instances, hash);
        if (instance)
            gain_users(instances, instance, 1);
        else
            good = name_missing(instances, hash);
        pthread_mutex_unlock(&instances->lock);
    }
    if (instance)
        atomic_fetch_add_explicit(&instance->named, 1, memory_order_relaxed);
    return good;
}

/* One user less of an instance that may be missing; it is one of its `named`, or none. */
static void let_go(struct instances *instances, size_t reader, uint64_t hash, size_t named)
{
    struct instance *instance;

    /* It has this user, so it stays. */
    instances_enter(instances, reader);
    instance = find(instances, hash);
    instances_leave(instances, reader);
    if (instance) {
        atomic_fetch_sub_explicit(&instance->named, named, memory_order_relaxed);
        instances_release(instances, instance);
        return;
    }
    pthread_mutex_lock(&instances->lock);
    instance = find(instances, hash);
    if (instance) {
        atomic_fetch_sub_explicit(&instance->named, named, memory_order_relaxed);
        lose_user(instances, instance);
    } else {
        unname_missing(instances, hash);
    }
    pthread_mutex_unlock(&instances->lock);
}

void instances_unnamed(struct instances *instances, size_t reader, uint64_t hash)
{
    let_go(instances, reader, hash, 1);
}

void instances_let_go(struct instances *instances, size_t reader, uint64_t hash)
{
    let_go(instances, reader, hash, 0);
}

/* ---- the end ---- */

/* The earliest epoch in which somebody looks. */
static uint64_t looked_at_since(const struct instances *instances)
{
    uint64_t least = UINT64_MAX, since;
    size_t i;

    for (i = 0; i < instances->reader_count; i++) {
        since = atomic_load(&instances->readers[i].since);
        if (since != 0 && since < least)
            least = since;
    }
    return least;
}

/* Takes those out of the list of the retired that nobody looks at any more. */
static struct instance *take_unseen(struct instances *instances)
{
    uint64_t since = looked_at_since(instances);
    struct instance **link = &instances->retired, *instance, *unseen = NULL;

    while ((instance = *link)) {
        if (instance->retired_at >= since) {
            link = &instance->retired_next;
            continue;
        }
        *link = instance->retired_next;
        instance->retired_next = unseen;
        unseen = instance;
        atomic_fetch_sub(&instances->retired_count, 1);
    }
    return unseen;
}

void instances_reclaim(struct instances *instances)
{
    struct instance *instance, *next;

    while (atomic_load(&instances->retired_count) > 0) {
        pthread_mutex_lock(&instances->lock);
        instance = take_unseen(instances);
        pthread_mutex_unlock(&instances->lock);
        if (!instance)
            return;
        for (; instance; instance = next) {
            next = instance->retired_next;
            instance_destroy(instance); /* which may let its filters leave */
        }
    }
}

static void destroy(struct instance *instance)
{
    instance->filters_in = NULL; /* they go as well */
    instance_destroy(instance);
}

void instances_finish(struct instances *instances)
{
    struct instances_missing *missing;
    struct instance *instance, *next;
    size_t i;

    for (i = 0; i < INSTANCE_BUCKETS; i++) {
        for (instance = atomic_load(&instances->buckets[i]); instance; instance = next) {
            next = atomic_load(&instance->next);
            destroy(instance);
        }
        atomic_store(&instances->buckets[i], NULL);
    }
    for (instance = instances->retired; instance; instance = next) {
        next = instance->retired_next;
        destroy(instance);
    }
    instances->retired = NULL;
    while ((missing = instances->missing)) {
        instances->missing = missing->next;
        free(missing);
    }
    if (instances->readers)
        pthread_mutex_destroy(&instances->lock);
    free(instances->readers);
    instances->readers = NULL;
}
