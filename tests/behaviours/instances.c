/* SPDX-License-Identifier: MIT
 *
 * Tests of how long instances live: by their users, in sets of one process and of several, while others look
 * at them, and under threads that come and go with the same ones. */
#include "behaviours/instance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

static atomic_int opened, closed;

static bool on_open(struct vts_instance *instance, struct vts_error *error)
{
    (void)error;
    atomic_fetch_add(&opened, 1);
    *(int *)instance->data = 42;
    return true;
}

static void on_close(struct vts_instance *instance)
{
    assert_int_equal(*(int *)instance->data, 42);
    *(int *)instance->data = 0;
    atomic_fetch_add(&closed, 1);
}

static void on_start(struct vts_job *job) { vts_complete(job, NULL); }

VTS_PLUGIN(counted, .summary = "counts", .instance_size = sizeof(int), .open = on_open,
           .close = on_close, .start = on_start)
VTS_PLUGIN(strainer, .kind = VTS_FILTER, .instance_size = sizeof(int), .open = on_open,
           .close = on_close)

static struct instances instances;
static uint64_t left[8];
static size_t left_count;

static void on_left(void *arg, uint64_t hash)
{
    assert_ptr_equal(arg, &instances);
    assert_true(left_count < 8);
    left[left_count++] = hash;
}

static int setup(void **state)
{
    (void)state;
    atomic_store(&opened, 0);
    atomic_store(&closed, 0);
    left_count = 0;
    if (!instances_init(&instances, 4))
        return -1;
    instances.left = on_left;
    instances.arg = &instances;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    instances_finish(&instances);
    return atomic_load(&closed) == atomic_load(&opened) ? 0 : -1;
}

static struct instance *make(const char *name)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = instance_create(name, counted_LTX_vts_plugin(), NULL, &problems);

    assert_non_null(instance);
    problems_finish(&problems);
    return instance;
}

static const struct instance *add(const char *name)
{
    return instances_add(&instances, make(name));
}

static void assert_closed(int wanted)
{
    instances_reclaim(&instances);
    assert_int_equal(atomic_load(&closed), wanted);
}

/* ---- users ---- */

static void the_last_user_lets_it_go(void **state)
{
    const struct instance *a = add("a");
    uint64_t hash = a->hash;

    (void)state;
    assert_true(instances_named(&instances, 0, hash));
    assert_true(instances_named(&instances, 1, hash));
    assert_ptr_equal(instances_hold(&instances, 2, hash), a);
    assert_int_equal(a->named, 2); /* who holds it is no record */
    instances_use(a);
    instances_release(&instances, a);
    instances_release(&instances, a);
    instances_release(&instances, a);
    instances_unnamed(&instances, 0, hash);
    assert_closed(0);
    assert_ptr_equal(instances_hashed(&instances, hash), a);
    instances_unnamed(&instances, 0, hash);
    assert_null(instances_hashed(&instances, hash));
    assert_null(instances_hold(&instances, 0, hash));
    assert_int_equal(left_count, 1);
    assert_true(left[0] == hash);
    assert_closed(1);
    /* and it can come again */
    a = add("a");
    assert_true(a->hash == hash);
    assert_ptr_equal(instances_hashed(&instances, hash), a);
    instances_release(&instances, a);
    assert_closed(2);
}

static void the_same_is_one(void **state)
{
    const struct instance *a = add("a");

    (void)state;
    assert_ptr_equal(add("a"), a);
    assert_int_equal(atomic_load(&closed), 1); /* the second */
    instances_release(&instances, a);
    assert_closed(1);
    instances_release(&instances, a);
    assert_closed(2);
}

/* Several in one bucket: the first, the middle and the last of them go. */
static void others_stay(void **state)
{
    const struct instance *all[3];
    static const size_t orders[][3] = {{0, 1, 2}, {1, 0, 2}, {2, 0, 1}, {2, 1, 0}};
    static const char *const names[] = {"a", "b", "c"};
    struct instance *instance;

    (void)state;
    for (size_t order = 0; order < 4; order++) {
        for (size_t i = 0; i < 3; i++) {
            instance = make(names[i]);
            instance->hash = 7 + INSTANCE_BUCKETS * i;
            all[i] = instances_add(&instances, instance);
        }
        for (size_t gone = 0; gone < 3; gone++) {
            instances_release(&instances, all[orders[order][gone]]);
            for (size_t i = 0; i < 3; i++) {
                bool stays = i != orders[order][0] && (gone < 1 || i != orders[order][1]) &&
                             (gone < 2 || i != orders[order][2]);

                assert_ptr_equal(instances_hashed(&instances, 7 + INSTANCE_BUCKETS * i),
                                 stays ? all[i] : NULL);
            }
        }
        assert_closed(3 * (int)(order + 1));
        left_count = 0;
    }
}

static void as_many_as_allowed(void **state)
{
    const struct instance *given, *a, *b;

    (void)state;
    instances.most = 2;
    given = instances_publish(&instances, make("given"));
    a = instances_add_own(&instances, make("a"));
    b = instances_add_own(&instances, make("b"));
    assert_non_null(a);
    assert_non_null(b);
    assert_null(instances_add_own(&instances, make("c")));
    assert_int_equal(atomic_load(&closed), 1); /* it was closed again */
    assert_ptr_equal(instances_add_own(&instances, make("a")), a);
    assert_ptr_equal(instances_add_own(&instances, make("given")), given);
    instances_release(&instances, given);
    instances_release(&instances, a);
    /* what is stored is never refused */
    instances_release(&instances, add("stored"));
    instances_release(&instances, b);
    b = instances_add_own(&instances, make("c"));
    assert_non_null(b);
    /* one that a client made and that the configuration gives by now counts no more */
    assert_ptr_equal(instances_publish(&instances, make("c")), b);
    assert_non_null(instances_add_own(&instances, make("d")));
    assert_null(instances_add_own(&instances, make("e")));
    /* but again when it is taken back */
    instances_take_back(&instances, b);
    assert_null(instances_add_own(&instances, make("f")));
    instances_release(&instances, b);
    instances_release(&instances, a);
    assert_non_null(instances_add_own(&instances, make("f")));
    instances_take_back(&instances, given);
}

static void what_is_given_stays_until_it_is_taken_back(void **state)
{
    const struct instance *a = instances_publish(&instances, make("a"));

    (void)state;
    assert_ptr_equal(instances_publish(&instances, make("a")), a);
    assert_true(instances_named(&instances, 0, a->hash));
    instances_take_back(&instances, a);
    instances_take_back(&instances, a);
    assert_closed(1);
    instances_unnamed(&instances, 0, a->hash);
    assert_closed(2);
}

/* ---- several processes ---- */

static void idle_ones_stay_while_there_is_room(void **state)
{
    uint64_t hashes[4];
    const struct instance *busy;

    (void)state;
    instances.keeps_idle = true;
    instances.most = 3;
    for (int i = 0; i < 3; i++) {
        const struct instance *one = add((const char[]){(char)('a' + i), '\0'});

        hashes[i] = one->hash;
        instances_release(&instances, one);
    }
    assert_closed(0);
    /* used again: now `b` is the oldest */
    busy = instances_hold(&instances, 0, hashes[0]);
    assert_non_null(busy);
    instances_release(&instances, busy);
    busy = add("d");
    hashes[3] = busy->hash;
    assert_closed(1);
    assert_null(instances_hashed(&instances, hashes[1]));
    assert_non_null(instances_hashed(&instances, hashes[0]));
    /* those that are used are never too many */
    assert_non_null(instances_hold(&instances, 0, hashes[0]));
    assert_non_null(instances_hold(&instances, 0, hashes[2]));
    instances_release(&instances, add("e"));
    assert_closed(2); /* it went at once */
    assert_non_null(instances_hashed(&instances, hashes[2]));
}

/* ---- those that could not be made ---- */

static void a_missing_one_is_counted(void **state)
{
    const struct instance *a = add("a");
    uint64_t hash = a->hash;

    (void)state;
    instances_release(&instances, a);
    assert_closed(1);
    left_count = 0;
    assert_true(instances_named(&instances, 0, hash));
    assert_true(instances_named(&instances, 0, hash));
    assert_true(instances_named(&instances, 0, hash + 1));
    assert_null(instances_hashed(&instances, hash));
    instances_unnamed(&instances, 0, hash);
    instances_unnamed(&instances, 0, hash + 1);
    assert_int_equal(left_count, 1);
    assert_true(left[0] == hash + 1);
    /* made after all: it has its record as a user */
    a = add("a");
    assert_int_equal(a->named, 1);
    instances_release(&instances, a);
    assert_closed(1);
    assert_ptr_equal(instances_hashed(&instances, hash), a);
    instances_unnamed(&instances, 0, hash);
    assert_closed(2);
    assert_true(instances_named(&instances, 0, hash)); /* left to the end */
}

/* ---- filters ---- */

static void filters_live_as_long_as_what_they_stand_around(void **state)
{
    struct problems problems = PROBLEMS_INIT;
    const struct instance *filter, *a, *b;
    struct instance *made;
    struct vts_error error;

    (void)state;
    filter =
        instances_add(&instances, instance_create("f", strainer_LTX_vts_plugin(), NULL, &problems));
    made = make("a");
    assert_true(instance_put_filters(made, &filter, 1));
    a = instances_add(&instances, made);
    made = make("b");
    assert_true(instance_put_filters(made, &filter, 1));
    b = instances_add(&instances, made);
    instances_release(&instances, filter);
    instances_release(&instances, a);
    assert_closed(1);
    assert_ptr_equal(b->filters[0], filter);
    assert_ptr_equal(instances_hashed(&instances, filter->hash), filter);
    /* one that is made again uses the same, and one that is not added lets it go */
    made = instance_again(b, &instances, &error);
    assert_non_null(made);
    assert_ptr_equal(made->filters[0], filter);
    instance_destroy(made);
    assert_ptr_equal(instances_hashed(&instances, filter->hash), filter);
    assert_int_equal(atomic_load(&opened) - atomic_load(&closed), 2);
    instances_release(&instances, b);
    instances_reclaim(&instances);
    assert_int_equal(atomic_load(&opened), atomic_load(&closed));
    problems_finish(&problems);
}

/* ---- looking ---- */

static void what_is_looked_at_stays(void **state)
{
    const struct instance *a = add("a"), *b;

    (void)state;
    instances_enter(&instances, 1);
    assert_ptr_equal(instances_hashed(&instances, a->hash), a);
    instances_release(&instances, a);
    assert_closed(0); /* left, and still there for reader 1 */
    assert_string_equal(a->name, "a");
    /* who begins to look later does not see it, and keeps nothing of it */
    instances_enter(&instances, 2);
    assert_null(instances_hashed(&instances, a->hash));
    b = add("b");
    instances_enter(&instances, 1); /* nested */
    instances_leave(&instances, 1);
    assert_closed(0);
    instances_leave(&instances, 1);
    assert_closed(1);
    instances_release(&instances, b);
    assert_closed(1);
    instances_leave(&instances, 2);
    assert_closed(2);
}

/* ---- each ---- */

static void add_hash(void *arg, const struct instance *instance)
{
    *(uint64_t *)arg ^= instance->hash;
}

static uint64_t all_hashes(void)
{
    uint64_t hashes = 0;

    instances_enter(&instances, 0);
    instances_each(&instances, add_hash, &hashes);
    instances_leave(&instances, 0);
    return hashes;
}

static void each_of_them_is_told(void **state)
{
    const struct instance *a = add("a"), *b = add("b");
    uint64_t one = a->hash, other = b->hash;

    (void)state;
    assert_int_equal(all_hashes(), one ^ other);
    instances_release(&instances, a);
    assert_int_equal(all_hashes(), other);
    instances_release(&instances, b);
    assert_int_equal(all_hashes(), 0);
}

/* ---- threads ---- */

#define THREADS 4
#define ROUNDS  3000
#define NAMES   5

/* Starts jobs of a few behaviours and ends them, as workers do: the last job of each ends often. */
static void *come_and_go(void *arg)
{
    size_t reader = *(const size_t *)arg;
    const struct instance *instance, *found;
    uint64_t hash;

    for (size_t i = 0; i < ROUNDS; i++) {
        char name[2] = {(char)('a' + (i * 7 + reader) % NAMES), '\0'};

        instance = add(name);
        hash = instance->hash;
        if (!instances_named(&instances, reader, hash))
            abort();
        instances_release(&instances, instance);
        instances_enter(&instances, reader);
        found = instances_hashed(&instances, hash);
        if (!found || strcmp(found->name, name) != 0 || *(const int *)found->base.data != 42)
            abort();
        instances_leave(&instances, reader);
        found = instances_hold(&instances, reader, hash);
        if (found != instance)
            abort();
        instances_release(&instances, found);
        instances_unnamed(&instances, reader, hash);
        instances_reclaim(&instances);
    }
    return NULL;
}

static void look_at(void *names, const struct instance *found)
{
    if (!strchr(names, *found->name) || *(const int *)found->base.data != 42)
        abort();
}

/* Looks at whatever is there. */
static void *look_around(void *arg)
{
    static char names[] = "abcde";
    size_t reader = *(const size_t *)arg;
    const struct instance *found;

    for (size_t i = 0; i < (size_t)20 * ROUNDS; i++) {
        instances_enter(&instances, reader);
        for (size_t bucket = i % 64; bucket < INSTANCE_BUCKETS; bucket += 64) {
            found = atomic_load(&instances.buckets[bucket]);
            if (found)
                look_at(names, found);
        }
        if (i % 64 == 0)
            instances_each(&instances, look_at, names);
        instances_leave(&instances, reader);
    }
    return NULL;
}

static void threads_come_and_go_with_the_same(void **state)
{
    size_t numbers[THREADS] = {0, 1, 2, 3};
    pthread_t threads[THREADS];

    (void)state;
    instances.left = NULL;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, i == 3 ? look_around : come_and_go, &numbers[i]), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    instances_reclaim(&instances);
    assert_int_equal(atomic_load(&closed), atomic_load(&opened));
    assert_int_equal(instances.own, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_last_user_lets_it_go),
        TEST(the_same_is_one),
        TEST(others_stay),
        TEST(as_many_as_allowed),
        TEST(what_is_given_stays_until_it_is_taken_back),
        TEST(idle_ones_stay_while_there_is_room),
        TEST(a_missing_one_is_counted),
        TEST(filters_live_as_long_as_what_they_stand_around),
        TEST(what_is_looked_at_stays),
        TEST(each_of_them_is_told),
        TEST(threads_come_and_go_with_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
