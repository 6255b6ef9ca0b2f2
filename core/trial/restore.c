/* SPDX-License-Identifier: MIT
 *
 * Law 2: a record that is stored and restored at any moment goes on unchanged. Before each event the record
 * moves as bytes to a fresh instance, where there is a module of its second copy: what a job kept anywhere
 * but in its state is not there, and addresses are others. See life.h. */
#include "life.h"

#include <stdlib.h>

#include "../base/rng.h"

/* A life with more events than these moves at every 64th of the rest. */
#define MOVES      200
#define MOVES_REST 64
#define MOST_WAKES 2000

#define CANCEL_STREAM 0x72657374ULL

struct moving {
    struct life life; /* first */
    struct trial trials[2];
    size_t moves;
    int at;
};

static bool move(struct life *life)
{
    struct moving *moving = (struct moving *)life;
    struct text record = TEXT_INIT;
    int to = 1 - moving->at;

    if (moving->moves++ >= MOVES && moving->moves % MOVES_REST != 0)
        return true;
    if (!life_trial(life->tried, &moving->trials[to], &life->tried->watched_again)) {
        trial_finish(&moving->trials[to]);
        return false;
    }
    life->trial = &moving->trials[to];
    trial_finish(&moving->trials[moving->at]);
    moving->at = to;
    if (life->job.record.length == 0)
        return true;
    text_add(&record, life->job.record.bytes, life->job.record.length);
    if (record.failed) {
        life->tried->no_memory = true;
        text_finish(&record);
        return false;
    }
    text_finish(&life->job.record);
    life->job.record = record;
    if (!trial_adopt(life->trial, &life->job)) {
        life->tried->no_memory = true;
        return false;
    }
    return true;
}

/* ---- addresses ---- */

static bool is_mapped(uint64_t address)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], *end;
    uint64_t from, to;
    bool found = false;

    while (maps && !found && fgets(line, sizeof(line), maps)) {
        from = strtoull(line, &end, 16);
        to = *end == '-' ? strtoull(end + 1, &end, 16) : 0;
        found = address >= from && address < to && strncmp(end, " ---", 4) != 0;
    }
    if (maps)
        fclose(maps);
    return found;
}

/* A word that differs between two lives which are otherwise the same, and is an address here. */
static void look_for_addresses(const struct life *life, const struct life *other, size_t size)
{
    size_t event, at, most = size ? life->states.length / size : 0;
    uint64_t here, there;

    for (event = 0; event < most && event < life->count; event++)
        for (at = 0; at + sizeof(here) <= size; at += sizeof(here)) {
            memcpy(&here, life->states.bytes + event * size + at, sizeof(here));
            memcpy(&there, other->states.bytes + event * size + at, sizeof(there));
            if (here == there || there == 0 || !is_mapped(here))
                continue;
            tried_broken(life->tried, 2, life->id, life->events[event].moment - TRIAL_START,
                         "its state holds an address, at byte %zu: in another process there is "
                         "something else, or nothing. Keep the bytes themselves, or a number that "
                         "tells which",
                         at);
            return;
        }
}

/* ---- memory ---- */

/* Blocks of all small sizes, more of each than the allocator keeps at hand: what a plugin allocates while
 * they are held is not where it was in the life before. */
#define SIZES     128
#define SIZE_STEP 16
#define OF_EACH   8

static void **hold_memory(void)
{
    void **held = calloc(SIZES * OF_EACH, sizeof(*held));
    size_t i;

    for (i = 0; held && i < SIZES * OF_EACH; i++)
        held[i] = malloc((i / OF_EACH + 1) * SIZE_STEP);
    return held;
}

static void release_memory(void **held)
{
    size_t i;

    for (i = 0; held && i < SIZES * OF_EACH; i++)
        free(held[i]);
    free((void *)held);
}

/* ---- one job ---- */

static void compare(struct tried *tried, const struct lone *base, const struct life *life)
{
    struct text how = TEXT_INIT;
    vts_ms moment = 0;

    if (!life_same(life, "stored and restored before each event", &base->life, "in one process",
                   &moment, &how))
        tried_broken(tried, 2, life->id, moment, "%s", how.failed ? "lives differ" : how.bytes);
    else if (life->states.length == base->life.states.length)
        look_for_addresses(life, &base->life, base->trial.instance->base.state_size);
    text_finish(&how);
}

static void try_moving(struct tried *tried, const struct lone *base, const struct life_plan *plan)
{
    struct life_plan restored = *plan;
    void **held = hold_memory();
    struct moving moving;

    memset(&moving, 0, sizeof(moving));
    restored.between = move;
    if (life_trial(tried, &moving.trials[0], &tried->watched_again)) {
        life_init(&moving.life, tried, &moving.trials[0], base->life.id, &restored);
        life_run(&moving.life);
        if (!moving.life.stopped)
            compare(tried, base, &moving.life);
        life_finish(&moving.life);
    }
    trial_finish(&moving.trials[moving.at]);
    release_memory(held);
}

/* Whether the job's life hangs on nothing but itself, so that more can be told. The base stays open: then
 * no other instance's data can be where its data is. */
static bool try_job(struct tried *tried, const char *id, const struct life_plan *plan)
{
    struct text how = TEXT_INIT;
    struct lone base = {0}, again = {0};
    vts_ms moment;
    bool good;

    good = lone_run(&base, tried, &tried->watched, id, plan) &&
           lone_run(&again, tried, &tried->watched, id, plan);
    good = good && life_same(&base.life, "", &again.life, "", &moment, &how);
    if (good)
        try_moving(tried, &base, plan);
    lone_finish(&again);
    lone_finish(&base);
    text_finish(&how);
    return good;
}

uint64_t restore_try(struct tried *tried, uint64_t seeds, size_t ids)
{
    bool counts = tried->like->base.counts_polls;
    char id[RECORD_ID_MAX + 1];
    struct life_plan plan;
    uint64_t told = 0, key;
    bool good;
    size_t i;

    tried->most_nanoseconds = INT64_MAX;
    tried->bounded = false;
    if (tried->most_wakes > MOST_WAKES)
        tried->most_wakes = MOST_WAKES;
    for (tried->seed = 1; tried->seed <= seeds && tried_goes_on(tried); tried->seed++)
        for (i = 0; i < ids && tried_goes_on(tried); i++) {
            life_id(i, ids, id);
            key = rng_key(tried->seed, CANCEL_STREAM, id, strlen(id));
            plan = (struct life_plan){.polls = counts ? LIFE_EVERY_SECOND : LIFE_UNPOLLED,
                                      .cancel_at = RECORD_NEVER,
                                      .after = true,
                                      .states = true};
            good = try_job(tried, id, &plan);
            plan.cancel_at = (vts_ms)(rng_draw(key, 0) % 60000);
            good = try_job(tried, id, &plan) && good;
            told += good;
        }
    return told;
}
