/* SPDX-License-Identifier: MIT
 *
 * What the memory store tells a store that is built on it of polls: in slices, each job once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "rig.h"
#include "store/memory.h"

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

#define JOBS 3000
#define MOST 10

static const struct suite_kind kind = {.name = "memory", .create = store_create_memory};
static struct rig rig;

static int setup(void **state)
{
    (void)state;
    rig_init(&rig, &kind, 1);
    rig_open(&rig);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_finish(&rig);
    return 0;
}

struct told {
    size_t now; /* in one call */
    uint64_t polls[JOBS];
    int times[JOBS];
};

static void tell(void *arg, struct bytes id, uint64_t polls, const void *stats)
{
    struct told *told = arg;
    long job = strtol(id.at, NULL, 10);

    assert_in_range(job, 0, JOBS - 1);
    assert_null(stats); /* none are kept */
    told->now++;
    told->times[job]++;
    told->polls[job] = polls;
}

/* How many were told in all; no call told more than MOST. */
static size_t tell_all(struct told *told)
{
    size_t place = 0, all = 0;
    bool more = true;

    while (more) {
        told->now = 0;
        more = memory_each_polled(rig.store, &place, MOST, tell, told);
        assert_in_range(told->now, 0, MOST);
        all += told->now;
    }
    return all;
}

static void each_polled_job_is_told_once_and_few_at_a_time(void **state)
{
    static struct told told;
    char id[16];

    (void)state;
    for (int i = 0; i < JOBS; i++) {
        struct job job;

        snprintf(id, sizeof(id), "%d", i);
        job = rig_job(id, RECORD_NEVER);
        assert_int_equal(rig_put(&rig, 0, &job), VTS_OK);
        for (int polls = 0; polls < i % 3; polls++)
            rig_poll(&rig, id);
    }
    assert_int_equal(tell_all(&told), JOBS / 3 * 2);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(told.times[i], i % 3 > 0);
        assert_int_equal(told.polls[i], i % 3);
    }
    assert_int_equal(tell_all(&told), 0);
    rig_poll(&rig, "7");
    assert_int_equal(tell_all(&told), 1);
    assert_int_equal(told.polls[7], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_polled_job_is_told_once_and_few_at_a_time, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("store_memory_polled", tests, NULL, NULL);
}
