/* SPDX-License-Identifier: MIT
 *
 * The order of jobs that share slots, beside a list that is searched through each time. */
#include "jobs/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct bytes bytes(const char *id) { return (struct bytes){id, strlen(id)}; }

static void note(struct slots *slots, const char *id, bool has_slot, vts_ms queued_at,
                 vts_ms wake_at, vts_ms last_at)
{
    const struct slots_mark mark = {has_slot, queued_at, wake_at, last_at};
    struct slots_job *job = slots_reserve(slots, bytes(id), NULL);

    assert_non_null(job);
    slots_note(slots, job, &mark);
}

static void assert_next(const struct slots *slots, vts_ms now, const char *id, enum slots_kind kind,
                        vts_ms moment)
{
    struct slots_event event;

    assert_true(slots_next(slots, now, &event));
    assert_int_equal(event.id.length, strlen(id));
    assert_memory_equal(event.id.at, id, event.id.length);
    assert_int_equal(event.kind, kind);
    assert_int_equal(event.moment, moment);
}

static void assert_nothing(const struct slots *slots, vts_ms now)
{
    struct slots_event event;

    assert_false(slots_next(slots, now, &event));
}

#define NEVER RECORD_NEVER

static void a_grant_comes_at_the_moment_that_freed_the_slot(void **state)
{
    struct slots slots;

    (void)state;
    slots_init(&slots, 1);
    assert_nothing(&slots, VTS_TIME_END);
    assert_int_equal(slots_due(&slots), NEVER);
    note(&slots, "runs", true, NEVER, 100, 0);
    note(&slots, "waits", false, 5, 50, 5);
    assert_int_equal(slots_waiting(&slots), 1);
    assert_int_equal(slots_free(&slots), 0);
    assert_nothing(&slots, 49);
    assert_next(&slots, 60, "waits", SLOTS_WAKE, 50);
    note(&slots, "waits", false, 5, NEVER, 50);
    assert_int_equal(slots_due(&slots), 100);
    note(&slots, "runs", false, NEVER, NEVER, 100);
    assert_int_equal(slots.jobs, 1);
    assert_next(&slots, 60, "waits", SLOTS_GRANT, 100); /* whatever the time is */
    assert_int_equal(slots_due(&slots), 100);
    note(&slots, "waits", true, NEVER, 130, 100);
    assert_next(&slots, 500, "waits", SLOTS_WAKE, 130);
    slots_finish(&slots);
}

/* By the moment, then by the id's bytes, then by its length. */
static void ties(void **state)
{
    static const char *const order[] = {"\x01", "a", "aa", "ab", "b", "\xC3\xA4", "0"};
    struct slots slots;
    size_t i;

    (void)state;
    slots_init(&slots, 0);
    for (i = 7; i-- > 0;)
        note(&slots, order[i], false, NEVER, i < 6 ? 10 : 11, 0);
    for (i = 0; i < 7; i++) {
        assert_next(&slots, 20, order[i], SLOTS_WAKE, i < 6 ? 10 : 11);
        note(&slots, order[i], false, NEVER, NEVER, 10);
    }
    assert_int_equal(slots.jobs, 0);
    slots_finish(&slots);
}

/* What was made room for and not used is nothing. */
static void what_is_reserved_is_let_go(void **state)
{
    struct slots slots;
    struct slots_job *job;

    (void)state;
    slots_init(&slots, 1);
    job = slots_reserve(&slots, bytes("a"), NULL);
    assert_int_equal(slots.jobs, 1);
    assert_ptr_equal(slots_reserve(&slots, bytes("a"), NULL), job);
    slots_release(&slots, job);
    assert_int_equal(slots.jobs, 0);
    note(&slots, "a", true, NEVER, NEVER, 3);
    job = slots_reserve(&slots, bytes("a"), NULL);
    slots_release(&slots, job); /* it holds a slot */
    assert_int_equal(slots.jobs, 1);
    assert_int_equal(slots_free(&slots), 0);
    assert_nothing(&slots, VTS_TIME_END);
    slots_finish(&slots);
}

/* ---- beside a list ---- */

#define JOBS 300

struct entry {
    char id[8];
    struct slots_mark mark;
};

static struct entry all[JOBS];

static uint32_t chance(uint32_t limit)
{
    static uint64_t x = 88172645463325252;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (uint32_t)(x >> 16) % limit;
}

/* The first by a moment of the mark. */
static const struct entry *first_of(bool line)
{
    const struct entry *first = NULL;
    size_t i;

    for (i = 0; i < JOBS; i++) {
        vts_ms at = line ? all[i].mark.queued_at : all[i].mark.wake_at;
        vts_ms least = !first ? NEVER : line ? first->mark.queued_at : first->mark.wake_at;

        if (at != NEVER &&
            (!first || at < least || (at == least && strcmp(all[i].id, first->id) < 0)))
            first = &all[i];
    }
    return first;
}

static void as_a_list_has_it(void **state)
{
    struct slots slots;
    uint64_t held, i;
    int round;

    (void)state;
    slots_init(&slots, 40);
    for (i = 0; i < JOBS; i++) {
        snprintf(all[i].id, sizeof(all[i].id), "%llu", (unsigned long long)i);
        all[i].mark = (struct slots_mark){false, NEVER, NEVER, 0};
    }
    for (round = 0; round < 20000; round++) {
        struct entry *entry = &all[chance(JOBS)];
        const struct entry *next;
        vts_ms last = slots.last < round / 10 ? round / 10 : slots.last, moment;
        bool grant;

        entry->mark = (struct slots_mark){chance(3) == 0, chance(2) ? NEVER : (vts_ms)chance(50),
                                          chance(2) ? NEVER : (vts_ms)chance(50), round / 10};
        note(&slots, entry->id, entry->mark.has_slot, entry->mark.queued_at, entry->mark.wake_at,
             entry->mark.last_at);
        for (held = 0, i = 0; i < JOBS; i++)
            held += all[i].mark.has_slot;
        assert_int_equal(slots.held, held);
        assert_int_equal(slots_free(&slots), held < 40 ? 40 - held : 0);
        grant = held < 40 && first_of(true);
        next = first_of(grant);
        if (next) {
            moment = grant ? next->mark.queued_at : next->mark.wake_at;
            assert_next(&slots, VTS_TIME_END, next->id, grant ? SLOTS_GRANT : SLOTS_WAKE,
                        moment > last ? moment : last);
        } else {
            assert_nothing(&slots, VTS_TIME_END);
        }
    }
    slots_finish(&slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grant_comes_at_the_moment_that_freed_the_slot),
        cmocka_unit_test(ties),
        cmocka_unit_test(what_is_reserved_is_let_go),
        cmocka_unit_test(as_a_list_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
