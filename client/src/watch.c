/* SPDX-License-Identifier: MIT
 *
 * Lists the jobs again and again, and tells of those that are new or have changed. What was told is kept
 * in a table by id; a job that has gone from the list is forgotten with the round that misses it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"

#define FIRST_BUCKETS 64

/* What was told of one job. */
struct told {
    struct told *next;
    uint64_t hash;  /* of the id */
    uint64_t print; /* of all that counts as a change */
    uint64_t round; /* when it was seen last */
    char id[];
};

struct watch {
    struct told **buckets;
    size_t bucket_count, count;
    uint64_t round;
    struct vts_client_query query; /* but for `after` */
    char *state;
};

/* FNV-1a (Fowler, Noll and Vo), 64 bits. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return text ? hash_bytes(hash, text, strlen(text) + 1) : hash_bytes(hash, "\xff", 1);
}

#define HASH_START UINT64_C(0xcbf29ce484222325)

static uint64_t print_of(const struct vts_client_job *job)
{
    uint64_t hash = hash_text(HASH_START, job->state);

    hash = hash_bytes(hash, &job->status, sizeof(job->status));
    return hash_bytes(hash, &job->progress, sizeof(job->progress));
}

struct watch *watch_create(const struct vts_client_query *query)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return NULL;
    watch->query = *query;
    watch->state = query->state ? strdup(query->state) : NULL;
    watch->query.state = watch->state;
    watch->bucket_count = FIRST_BUCKETS;
    watch->buckets = calloc(FIRST_BUCKETS, sizeof(struct told *));
    if (watch->buckets && !watch->state == !query->state)
        return watch;
    watch->bucket_count = 0;
    watch_destroy(watch);
    return NULL;
}

/* Frees those that were not seen since this round. */
static void forget_before(struct watch *watch, uint64_t round)
{
    for (size_t i = 0; i < watch->bucket_count; i++) {
        struct told **at = &watch->buckets[i], *told;

        while ((told = *at)) {
            if (told->round >= round) {
                at = &told->next;
                continue;
            }
            *at = told->next;
            watch->count--;
            free(told);
        }
    }
}

void watch_destroy(struct watch *watch)
{
    if (!watch)
        return;
    forget_before(watch, UINT64_MAX);
    free(watch->buckets);
    free(watch->state);
    free(watch);
}

/* Twice the buckets. Where memory is short the chains stay long. */
static void grow(struct watch *watch)
{
    size_t count = 2 * watch->bucket_count;
    struct told **buckets = calloc(count, sizeof(struct told *)), *told;

    if (!buckets)
        return;
    for (size_t i = 0; i < watch->bucket_count; i++) {
        while ((told = watch->buckets[i])) {
            watch->buckets[i] = told->next;
            told->next = buckets[told->hash % count];
            buckets[told->hash % count] = told;
        }
    }
    free(watch->buckets);
    watch->buckets = buckets;
    watch->bucket_count = count;
}

static struct told *find(const struct watch *watch, uint64_t hash, const char *id)
{
    struct told *told = watch->buckets[hash % watch->bucket_count];

    while (told && (told->hash != hash || strcmp(told->id, id) != 0))
        told = told->next;
    return told;
}

static struct told *insert(struct watch *watch, uint64_t hash, const char *id)
{
    size_t length = strlen(id) + 1;
    struct told *told = calloc(1, sizeof(*told) + length);

    if (!told)
        return NULL;
    if (watch->count >= watch->bucket_count)
        grow(watch);
    memcpy(told->id, id, length);
    told->hash = hash;
    told->next = watch->buckets[hash % watch->bucket_count];
    watch->buckets[hash % watch->bucket_count] = told;
    watch->count++;
    return told;
}

/* Is there something to tell of this job? False with *no_memory set where memory is short. */
static bool is_news(struct watch *watch, const struct vts_client_job *job, bool *no_memory)
{
    uint64_t hash = hash_text(HASH_START, job->id), print = print_of(job);
    struct told *told = find(watch, hash, job->id);
    bool news = !told || told->print != print;

    if (!told)
        told = insert(watch, hash, job->id);
    if (!told) {
        *no_memory = true;
        return false;
    }
    told->print = print;
    told->round = watch->round;
    return news;
}

/* Tells of the page. False where the operation was ended meanwhile, or memory was short. */
static bool tell(struct vts_client_operation *operation, const struct protocol_answer *page)
{
    bool no_memory = false;

    for (size_t i = 0; i < page->job_count && !operation->finished && !no_memory; i++) {
        if (!is_news(operation->watch, &page->jobs[i], &no_memory) || !operation->call.progress)
            continue;
        callback_enter(operation->client);
        operation->call.progress(operation, &page->jobs[i], operation->call.arg);
        callback_leave(operation->client);
    }
    if (no_memory)
        operation_finish_no_memory(operation);
    return !operation->finished;
}

/* The path of the next page, or of the first one. False where memory is short. */
static bool turn_page(struct vts_client_operation *operation, const char *after)
{
    struct vts_client_query query = operation->watch->query;
    char *path;

    query.after = after;
    path = protocol_list_path(&query);
    if (!path)
        return false;
    free(operation->path);
    operation->path = path;
    return true;
}

void watch_page(struct vts_client_operation *operation, struct protocol_answer *answer,
                const struct heard *heard)
{
    struct watch *watch = operation->watch;
    enum wait_next next = wait_answered(&operation->wait, &heard->error, VTS_CLIENT_PENDING);
    struct wait_delay delay;
    int64_t plan_ms;

    if (next == WAIT_ENDED) {
        operation_finish(operation, &heard->error);
        return;
    }
    if (next == WAIT_PLAN && !tell(operation, answer))
        return;
    if (next == WAIT_PLAN && !turn_page(operation, answer->next)) {
        operation_finish_no_memory(operation);
        return;
    }
    if (next == WAIT_PLAN && answer->next) {
        operation->retries = false;
        pump_add(operation);
        return;
    }
    if (next == WAIT_PLAN)
        forget_before(watch, watch->round++);
    delay = delay_choose(operation, next, heard, &plan_ms);
    delay_sleep(operation, delay, plan_ms);
}
