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

/* One thread carries out what is due and sleeps until it is told of more; the other puts a record that is due
 * at once, the moment the last one was carried out: while the first is about to fall asleep. */
struct sleeper {
    struct rig rig;
    pthread_mutex_t lock;
    pthread_cond_t bell;
    bool rung, stop;
    _Atomic uint64_t carried_out;
    _Atomic bool timed_out;
};

static enum record_act carry_out(void *arg, size_t port, const struct record *old,
                                 struct text *next, vts_ms now)
{
    struct sleeper *sleeper = arg;

    (void)port;
    (void)old;
    (void)next;
    (void)now;
    atomic_fetch_add(&sleeper->carried_out, 1);
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

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += DEADLINE_S;
    while (!stop && !atomic_load(&sleeper->timed_out)) {
        if (store_run_due(store_port(sleeper->rig.store, 0), T0, 100) <= T0)
            continue;
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

static void no_wake_is_lost(void **state)
{
    struct sleeper sleeper = {.lock = PTHREAD_MUTEX_INITIALIZER, .bell = PTHREAD_COND_INITIALIZER};
    char ids[16][16];
    pthread_t thread;
    struct job job;
    int filled = 0;

    (void)state;
    if (kind->shared)
        skip();
    rig_init(&sleeper.rig, kind, 2);
    rig_open(&sleeper.rig);
    /* ids of which port 0 takes care */
    for (int i = 0; filled < 16; i++) {
        snprintf(ids[filled], sizeof(ids[filled]), "j%d", i);
        filled += rig_port_of(&sleeper.rig, ids[filled]) == 0;
        assert_true(i < 1000);
    }
    store_destroy(sleeper.rig.store);
    sleeper.rig.options.due = carry_out;
    sleeper.rig.options.ring = ring;
    sleeper.rig.options.arg = &sleeper;
    rig_open(&sleeper.rig);
    assert_int_equal(pthread_create(&thread, NULL, sleep_and_run, &sleeper), 0);
    for (uint64_t round = 0; round < 20000 && !atomic_load(&sleeper.timed_out); round++) {
        job = rig_job(ids[round % 16], T0);
        assert_int_equal(rig_put(&sleeper.rig, 1, &job), VTS_OK);
        while (atomic_load(&sleeper.carried_out) <= round && !atomic_load(&sleeper.timed_out))
            sched_yield();
    }
    pthread_mutex_lock(&sleeper.lock);
    sleeper.stop = true;
    pthread_cond_signal(&sleeper.bell);
    pthread_mutex_unlock(&sleeper.lock);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(atomic_load(&sleeper.timed_out));
    assert_int_equal(atomic_load(&sleeper.carried_out), 20000);
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
