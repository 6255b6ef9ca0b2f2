/* SPDX-License-Identifier: MIT
 *
 * Poll times of the last jobs: which are kept, how many, and that several threads may write them. */
#include "audit/audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

static struct bytes id_of(char *buffer, int job)
{
    return (struct bytes){buffer, (size_t)snprintf(buffer, 16, "job-%d", job)};
}

static void add(struct audit_traces *traces, uint32_t number, int job, vts_ms since)
{
    const struct audit_mark mark = {
        .since = since, .fault = AUDIT_STATUS, .status = 503, .early = true};
    char id[16];

    traces_add(traces, number, id_of(id, job), &mark);
}

static void the_last_jobs_are_kept(void **state)
{
    struct audit_mark marks[4];
    struct audit_traces traces;
    uint32_t numbers[20];
    char id[16];

    (void)state;
    assert_true(traces_init(&traces, 7, 4));
    for (int job = 0; job < 20; job++) {
        numbers[job] = traces_number(&traces);
        traces_begin(&traces, numbers[job], id_of(id, job));
        add(&traces, numbers[job], job, job);
    }
    for (int job = 0; job < 20; job++)
        assert_int_equal(traces_read(&traces, numbers[job], id_of(id, job), marks),
                         job < 13 ? -1 : 1);
    /* a job of another process with that number */
    assert_int_equal(traces_read(&traces, numbers[19], id_of(id, 18), marks), -1);
    add(&traces, numbers[12], 12, 1); /* which is gone */
    assert_int_equal(traces_read(&traces, numbers[19], id_of(id, 19), marks), 1);
    /* an id that begins again, in the same place: what was meant for its first life is not taken */
    for (int job = 20; job < 27; job++) {
        uint32_t number = traces_number(&traces);

        traces_begin(&traces, number, id_of(id, 19));
        if (job == 26)
            add(&traces, numbers[19], 19, 1);
        assert_int_equal(traces_read(&traces, number, id_of(id, 19), marks), 0);
    }
    numbers[19] += 7;
    traces_clear(&traces);
    assert_int_equal(traces_read(&traces, numbers[19], id_of(id, 19), marks), -1);
    traces_finish(&traces);
}

static void the_last_polls_are_kept(void **state)
{
    struct audit_mark marks[20];
    struct audit_traces traces;
    uint32_t number;
    char id[16];

    (void)state;
    assert_true(traces_init(&traces, 1, 20));
    number = traces_number(&traces);
    traces_begin(&traces, number, id_of(id, 0));
    for (int poll = 0; poll < 55; poll++) {
        int count = poll < 20 ? poll + 1 : 20;

        add(&traces, number, 0, poll);
        assert_int_equal(traces_read(&traces, number, id_of(id, 0), marks), count);
        assert_int_equal(marks[0].since, poll + 1 - count);
        assert_int_equal(marks[count - 1].since, poll);
    }
    assert_int_equal(marks[0].fault, AUDIT_STATUS);
    assert_int_equal(marks[0].status, 503);
    assert_true(marks[0].early);
    add(&traces, number, 0, INT64_MAX);
    add(&traces, number, 0, -5);
    assert_int_equal(traces_read(&traces, number, id_of(id, 0), marks), 20);
    assert_int_equal(marks[18].since, (INT64_C(1) << 40) - 1);
    assert_int_equal(marks[18].status, 503);
    assert_int_equal(marks[19].since, 0);
    traces_finish(&traces);
}

static void none_are_kept_where_none_are_wanted(void **state)
{
    struct audit_traces traces;
    struct audit_mark mark;
    char id[16];

    (void)state;
    assert_true(traces_init(&traces, 0, 20));
    assert_int_equal(traces_number(&traces), 0);
    traces_begin(&traces, 1, id_of(id, 0));
    add(&traces, 1, 0, 0);
    assert_int_equal(traces_read(&traces, 1, id_of(id, 0), &mark), -1);
    traces_clear(&traces);
    traces_finish(&traces);
}

/* ---- threads ---- */

/* What `from` has of these jobs, in this order, into traces for so many jobs and polls. */
static void carry(struct audit_traces *from, const int *order, size_t count,
                  struct audit_traces *to)
{
    struct text saved = TEXT_INIT;
    char id[16];

    for (size_t i = 0; i < count; i++) {
        text_reset(&saved);
        traces_save(from, (uint32_t)order[i] + 1, id_of(id, order[i]), &saved);
        traces_restore(to, (uint32_t)order[i] + 1, id_of(id, order[i]),
                       (struct bytes){saved.bytes, saved.length});
    }
    text_finish(&saved);
}

static void they_outlive_their_process(void **state)
{
    static const int orders[][5] = {{0, 1, 2, 3, 4}, {4, 2, 0, 1, 3}};
    struct audit_mark marks[8];
    struct audit_traces before, after;
    char id[16];

    (void)state;
    assert_true(traces_init(&before, 5, 8));
    for (int job = 0; job < 5; job++) {
        traces_begin(&before, traces_number(&before), id_of(id, job));
        for (int poll = 0; poll < 4 * job; poll++)
            add(&before, (uint32_t)job + 1, job, poll);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_true(traces_init(&after, 3, 7)); /* fewer of both are kept now */
        carry(&before, orders[i], 5, &after);
        assert_int_equal(traces_read(&after, 2, id_of(id, 1), marks), -1);
        assert_int_equal(traces_read(&after, 4, id_of(id, 3), marks), 7);
        assert_int_equal(marks[0].since, 12 - 7);
        assert_int_equal(traces_read(&after, 3, id_of(id, 2), marks), 7);
        for (int poll = 16; poll < 20; poll++)
            add(&after, 5, 4, poll);
        assert_int_equal(traces_read(&after, 5, id_of(id, 4), marks), 7);
        for (int poll = 0; poll < 7; poll++) {
            assert_int_equal(marks[poll].since, 13 + poll);
            assert_int_equal(marks[poll].status, 503);
        }
        assert_int_equal(traces_number(&after), 6);
        traces_finish(&after);
    }
    traces_finish(&before);
}

static void bytes_that_are_none_are_not_taken(void **state)
{
    struct audit_mark marks[8];
    struct audit_traces traces;
    char id[16];

    (void)state;
    assert_true(traces_init(&traces, 3, 8));
    traces_restore(&traces, 1, id_of(id, 0), (struct bytes){"123456789", 9});
    assert_int_equal(traces_read(&traces, 1, id_of(id, 0), marks), -1);
    traces_restore(&traces, 1, id_of(id, 0), (struct bytes){NULL, 0}); /* not polled yet */
    assert_int_equal(traces_read(&traces, 1, id_of(id, 0), marks), 0);
    add(&traces, 1, 0, 5);
    assert_int_equal(traces_read(&traces, 1, id_of(id, 0), marks), 1);
    traces_restore(&traces, 0, id_of(id, 0), (struct bytes){NULL, 0});
    assert_int_equal(traces_number(&traces), 2);
    traces_finish(&traces);
}

#define THREADS 4
#define EACH    2000

static void *poll_jobs(void *arg)
{
    struct audit_traces *traces = arg;
    struct audit_mark marks[8];
    char id[16];

    for (int job = 0; job < EACH; job++) {
        uint32_t number = traces_number(traces);
        int count;

        traces_begin(traces, number, id_of(id, job));
        for (int poll = 0; poll < 10; poll++)
            add(traces, number, job, poll);
        count = traces_read(traces, number, id_of(id, job), marks);
        if (count >= 0 && (count != 8 || marks[0].since != 2 || marks[7].since != 9))
            return traces;
    }
    return NULL;
}

static void several_threads_write(void **state)
{
    struct audit_traces traces;
    pthread_t threads[THREADS];
    void *wrong;

    (void)state;
    assert_true(traces_init(&traces, 100, 8));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, poll_jobs, &traces), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    assert_int_equal(traces_number(&traces), THREADS * EACH + 1);
    traces_finish(&traces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_jobs_are_kept),
        cmocka_unit_test(the_last_polls_are_kept),
        cmocka_unit_test(none_are_kept_where_none_are_wanted),
        cmocka_unit_test(they_outlive_their_process),
        cmocka_unit_test(bytes_that_are_none_are_not_taken),
        cmocka_unit_test(several_threads_write),
    };

    return cmocka_run_group_tests_name("audit_trace", tests, NULL, NULL);
}
