/* SPDX-License-Identifier: MIT
 *
 * The tests of many threads, each with a port of its own. What the threads find is counted and asserted when
 * they have ended: cmocka's asserts belong to the main thread. See suite.h. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "rig.h"

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

#define THREADS    4
#define COUNTERS   16
#define ROUNDS     20000
#define DEADLINE_S 60

static const struct suite_kind *kind;

/* ---- nobody else at the record ---- */

struct worker {
    struct rig *rig;
    size_t port;
    uint64_t added[COUNTERS];
    uint64_t wrong;
    size_t rows;
};

struct add {
    struct store_call base; /* first */
    struct worker *worker;
    size_t counter;
    uint64_t chance;
    bool done, drop;
};

static enum record_act on_add(struct store_call *base, const struct record *old, struct text *next)
{
    static const char padding[] = "0123456789012345678901234567890123456789";
    struct add *add = (struct add *)base;
    struct job job = rig_job(base->id.at, RECORD_NEVER);

    if (add->drop && old)
        return RECORD_DROP;
    if (old && !record_read(old, old->size, &job)) {
        add->worker->wrong++;
        return RECORD_LEAVE;
    }
    job.draws++;
    job.wake_at = add->chance % 3 ? RECORD_NEVER : T0 + (vts_ms)(add->chance % 7);
    job.input = (struct bytes){padding + add->chance % 40, 40 - add->chance % 40};
    return record_write(&job, next) ? RECORD_PUT : RECORD_LEAVE;
}

static void on_added(struct store_call *base) { ((struct add *)base)->done = true; }

static void go_through(struct worker *worker, struct add *add)
{
    store_update(store_port(worker->rig->store, worker->port), &add->base);
    while (!add->done && kind->turn)
        kind->turn(worker->rig->store, worker->port);
    worker->wrong += !add->done || add->base.err != VTS_OK;
}

static enum record_act on_due(void *arg, size_t port, const struct record *old, struct text *next,
                              vts_ms now)
{
    struct job job;

    (void)arg;
    (void)port;
    if (!record_read(old, old->size, &job) || job.wake_at > now)
        return RECORD_DROP; /* which the counters will miss */
    job.wake_at = RECORD_NEVER;
    return record_write(&job, next) ? RECORD_PUT : RECORD_LEAVE;
}

static void on_sooner(void *arg, size_t port)
{
    (void)arg;
    (void)port;
}

struct rows {
    struct store_list base; /* first */
    struct worker *worker;
    bool done;
};

static bool on_row(struct store_list *base, const struct record *record, uint64_t polls, vts_ms now)
{
    struct rows *rows = (struct rows *)base;
    struct job job;

    (void)polls;
    (void)now;
    rows->worker->wrong += !record_read(record, record->size, &job);
    rows->worker->rows++;
    return true;
}

static void on_rows(struct store_list *base) { ((struct rows *)base)->done = true; }

static void list_some(struct worker *worker)
{
    struct rows rows = {.base = {.limit = 20, .scan = 20, .row = on_row, .done = on_rows},
                        .worker = worker};

    store_list(store_port(worker->rig->store, worker->port), &rows.base);
    while (!rows.done && kind->turn)
        kind->turn(worker->rig->store, worker->port);
    worker->wrong += rows.base.err != VTS_OK;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    uint64_t key = rng_key(worker->port, 1, "worker", 6), counts[VTS_CANCELLED + 1];
    char id[32];

    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct add add = {.base = {.fn = on_add, .done = on_added}, .worker = worker};

        add.chance = rng_draw(key, round);
        add.counter = add.chance / 8 % COUNTERS;
        /* half of the calls are to counters, which stay; the others' records come and go */
        add.drop = add.chance % 2;
        add.base.is_poll = add.chance % 4 == 0;
        snprintf(id, sizeof(id), add.drop ? "goes %d" : "stays %d",
                 add.drop ? (int)(add.chance / 8 % 500) : (int)add.counter);
        add.base.id = (struct bytes){id, strlen(id)};
        go_through(worker, &add);
        if (!add.drop)
            worker->added[add.counter]++;
        if (add.chance % 5 == 0)
            store_run_due(store_port(worker->rig->store, worker->port), T0 + 10, 10);
        if (add.chance % 61 == 0)
            list_some(worker);
        if (add.chance % 61 == 1)
            store_count(worker->rig->store, counts);
    }
    return NULL;
}

static void nobody_else_is_at_a_record(void **state)
{
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    struct rig rig;
    struct call call;
    uint64_t added;
    char id[32];

    (void)state;
    rig_init(&rig, kind, THREADS);
    rig.options.due = on_due;
    rig.options.ring = on_sooner;
    rig_open(&rig);
    memset(workers, 0, sizeof(workers));
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].rig = &rig;
        workers[i].port = i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t counter = 0; counter < COUNTERS; counter++) {
        added = 0;
        for (size_t i = 0; i < THREADS; i++)
            added += workers[i].added[counter];
        snprintf(id, sizeof(id), "stays %zu", counter);
        call_init(&call, id, RECORD_LEAVE);
        call_make(&call, &rig, 0);
        assert_true(call.was_there);
        assert_int_equal(call.was.draws, added);
        call_finish(&call);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].wrong, 0);
        assert_true(workers[i].rows > 0);
    }
    rig_finish(&rig);
}

/* ---- no wake is lost ---- */

/* One thread carries out what is due and sleeps until it is told of more. The other lets a record become due,
 * and the moment it was carried out puts one that is due at once: while the first is on its way back to
 * sleep, and what it waited for until then was no later than the new record. */
#define WAKES 20000

struct sleeper {
    struct rig rig;
    pthread_mutex_t lock;
    pthread_cond_t bell;
    bool rung, stop;
    _Atomic vts_ms next; /* what it knows of, falling asleep */
    _Atomic uint64_t carried_out;
    _Atomic bool timed_out;
};

static enum record_act carry_out(void *arg, size_t port, const struct record *old,
                                 struct text *next, vts_ms now)
{
    struct sleeper *sleeper = arg;
    uint64_t before = atomic_fetch_add(&sleeper->carried_out, 1);
    volatile uint64_t spin = before % 2 ? 0 : rng_draw(42, before) % 2000;

    (void)port;
    (void)old;
    (void)next;
    (void)now;
    /* A while by chance: the other's way to the store is longer than ours to sleep. */
    while (spin > 0)
        spin--;
    return RECORD_DROP;
}

static void ring(void *arg, size_t port)
{
    struct sleeper *sleeper = arg;

    if (port != 0)
        return;
    pthread_mutex_lock(&sleeper->lock);
    sleeper->rung = true;
    pthread_cond_signal(&sleeper->bell);
    pthread_mutex_unlock(&sleeper->lock);
}

static void *sleep_and_run(void *arg)
{
    struct sleeper *sleeper = arg;
    struct timespec deadline;
    bool stop = false;
    vts_ms now, next;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += DEADLINE_S;
    while (!stop && !atomic_load(&sleeper->timed_out)) {
        now = clock_now(&sleeper->rig.clock);
        next = store_run_due(store_port(sleeper->rig.store, 0), now, 100);
        if (next <= now)
            continue;
        atomic_store(&sleeper->next, next);
        pthread_mutex_lock(&sleeper->lock);
        while (!sleeper->rung && !sleeper->stop && !atomic_load(&sleeper->timed_out))
            if (pthread_cond_timedwait(&sleeper->bell, &sleeper->lock, &deadline) == ETIMEDOUT)
                atomic_store(&sleeper->timed_out, true);
        sleeper->rung = false;
        stop = sleeper->stop;
        pthread_mutex_unlock(&sleeper->lock);
    }
    return NULL;
}

static void put_due(struct sleeper *sleeper, const char *id, vts_ms moment)
{
    struct job job = rig_job(id, moment);

    assert_int_equal(rig_put(&sleeper->rig, 1, &job), VTS_OK);
}

static bool give_up(struct sleeper *sleeper) { return atomic_load(&sleeper->timed_out); }

static void one_wake(struct sleeper *sleeper, const char *first, const char *second, uint64_t round)
{
    vts_ms moment = T0 + 1 + (vts_ms)round;

    put_due(sleeper, first, moment);
    while (atomic_load(&sleeper->next) != moment && !give_up(sleeper))
        sched_yield();
    rig_move(&sleeper->rig, moment);
    ring(sleeper, 0); /* its timer */
    while (atomic_load(&sleeper->carried_out) == 2 * round && !give_up(sleeper))
        ;
    put_due(sleeper, second, moment);
    while (atomic_load(&sleeper->carried_out) < 2 * round + 2 && !give_up(sleeper))
        sched_yield();
}

/* Ids of which port 0 takes care. */
static void find_ids(struct rig *rig, char ids[16][16])
{
    int filled = 0;

    for (int i = 0; filled < 16; i++) {
        snprintf(ids[filled], sizeof(ids[filled]), "j%d", i);
        filled += rig_port_of(rig, ids[filled]) == 0;
        assert_true(i < 1000);
    }
}

static void no_wake_is_lost(void **state)
{
    struct sleeper sleeper = {.lock = PTHREAD_MUTEX_INITIALIZER, .bell = PTHREAD_COND_INITIALIZER};
    char ids[16][16];
    pthread_t thread;

    (void)state;
    if (kind->shared)
        skip();
    rig_init(&sleeper.rig, kind, 2);
    rig_open(&sleeper.rig);
    find_ids(&sleeper.rig, ids);
    store_destroy(sleeper.rig.store);
    sleeper.rig.options.due = carry_out;
    sleeper.rig.options.ring = ring;
    sleeper.rig.options.arg = &sleeper;
    rig_open(&sleeper.rig);
    assert_int_equal(pthread_create(&thread, NULL, sleep_and_run, &sleeper), 0);
    for (uint64_t round = 0; round < WAKES && !give_up(&sleeper); round++)
        one_wake(&sleeper, ids[round % 16], ids[(round + 1 + round / 16) % 16], round);
    pthread_mutex_lock(&sleeper.lock);
    sleeper.stop = true;
    pthread_cond_signal(&sleeper.bell);
    pthread_mutex_unlock(&sleeper.lock);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(give_up(&sleeper));
    assert_int_equal(atomic_load(&sleeper.carried_out), 2 * WAKES);
    rig_finish(&sleeper.rig);
}

int suite_run_threads(const struct suite_kind *given)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_else_is_at_a_record),
        cmocka_unit_test(no_wake_is_lost),
    };

    kind = given;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
