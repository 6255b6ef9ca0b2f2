/* SPDX-License-Identifier: MIT
 *
 * Events as notes: folded in one by one they come to what audit_polled and its like make of them, whoever left
 * them, and what is none changes nothing. */
#include "audit/audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

#define T0 INT64_C(1767225600000)

static const struct audit_settings settings = {
    .jobs = 10, .polls = 4, .rules = {.abandoned_after = 60000, .poll_cost = 1000}};

static struct text stats, marks, known;
static struct audit_folding folding;
static struct record record;

static int setup(void **state)
{
    (void)state;
    folding = (struct audit_folding){.stats = &stats, .marks = &marks, .known = &known};
    record = (struct record){.state = VTS_RUNNING, .created_at = T0, .ended_at = RECORD_NEVER};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    text_finish(&stats);
    text_finish(&marks);
    text_finish(&known);
    return 0;
}

/* ---- helpers ---- */

static void fold_note(const struct audit_note *note)
{
    assert_true(audit_fold((struct bytes){(const char *)note, sizeof(*note)}, &folding));
}

/* By an answer with nothing wrong the client is told the job's state. */
static struct audit_event told(struct audit_event event)
{
    if (!audit_hides(event.fault))
        event.state = (enum vts_state)record.state;
    return event;
}

static void fold(enum audit_note_kind kind, vts_ms at, uint32_t origin, struct audit_event event)
{
    struct audit_note note;

    event = told(event);
    event.now = T0 + at;
    event.connection = event.connection ? event.connection : 1;
    note_init(&note, kind, &event, &record);
    note.origin = origin;
    fold_note(&note);
}

#define FOLD(kind, at, origin) fold(kind, at, origin, (struct audit_event){0})

static const struct audit_stats *kept(void)
{
    assert_true(stats.length >= sizeof(struct audit_stats));
    return (const struct audit_stats *)(const void *)stats.bytes;
}

static const struct audit_known *all(void)
{
    static struct audit_known copy;

    known_read(&copy, (struct bytes){known.bytes, known.length});
    return &copy;
}

static struct audit_figures figures(vts_ms at, struct audit_mark *times, int *count)
{
    struct audit_figures out;

    audit_figures_kept(&settings, &record, kept(), (struct bytes){marks.bytes, marks.length}, 5,
                       T0 + at, times, count, &out);
    return out;
}

/* ---- one job ---- */

/* A late answer to a poll at `asked` has arrived. */
static void fold_arrival(vts_ms at, vts_ms asked, vts_ms hold)
{
    const struct audit_event event = told((struct audit_event){.now = T0 + at, .hold = hold});
    struct audit_note note;

    note_init(&note, AUDIT_TOLD, &event, &record);
    note.origin = 7;
    note.poll = true;
    note.asked = T0 + asked;
    fold_note(&note);
}

/* The same events, told to one process that has the bytes, and as notes. */
static void they_come_to_the_same_as_events(void **state)
{
    struct audit_stats direct = {0};
    const struct audit_event events[] = {
        {.now = T0 + 100, .connection = 1},
        {.now = T0 + 300, .connection = 2, .fault = AUDIT_STATUS, .hold = 1000},
        {.now = T0 + 500, .connection = 1},
        {.now = T0 + 1600, .connection = 3, .late = true},
        {.now = T0 + 2100, .connection = 3, .fault = AUDIT_HTML},
        {.now = T0 + 2200, .connection = 3}};
    const struct audit_arrival arrival = {
        .now = T0 + 1800, .asked = T0 + 1600, .poll = true, .state = VTS_COMPLETED, .hold = 50};
    struct audit_event event = {.now = T0, .connection = 1, .state = VTS_RUNNING};

    (void)state;
    audit_accepted(&direct, &event, &record, 0);
    FOLD(AUDIT_ACCEPTED, 0, 7);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (i == 3) {
            record.state = VTS_COMPLETED;
            record.ended_at = T0 + 1500;
        }
        event = told(events[i]);
        audit_polled(&direct, &event, &record);
        fold(AUDIT_POLLED, events[i].now - T0, 7, events[i]);
        if (events[i].late) {
            audit_told(&direct, &arrival, &record);
            fold_arrival(1800, 1600, 50);
        }
    }
    event = told((struct audit_event){.now = T0 + 2400, .connection = 1});
    audit_repeated(&direct, &event, &record);
    FOLD(AUDIT_REPEATED, 2400, 7);
    assert_memory_equal(kept(), &direct, sizeof(direct));
    assert_int_equal(kept()->early_polls, 1);
    assert_int_equal(kept()->after_end, 2);
    assert_int_equal(kept()->seen, 1 + 100);
}

static void a_refused_start_is_a_beginning(void **state)
{
    (void)state;
    fold(AUDIT_REFUSED, 0, 7, (struct audit_event){.fault = AUDIT_STATUS, .hold = 1000});
    assert_false(folding.begins);
    FOLD(AUDIT_ACCEPTED, 500, 8);
    assert_true(folding.begins);
    assert_int_equal(kept()->early_starts, 1);
    assert_int_equal(kept()->connections, 2);
}

/* A note that comes behind the job's end in the store, or of one that began without an audit. */
static void of_a_job_that_is_not_there_nothing_is_kept(void **state)
{
    (void)state;
    FOLD(AUDIT_POLLED, 100, 7);
    FOLD(AUDIT_REPEATED, 100, 7);
    FOLD(AUDIT_CANCELLED, 100, 7);
    FOLD(AUDIT_TOLD, 100, 7);
    assert_int_equal(stats.length, 0);
    assert_int_equal(marks.length, 0);
    assert_false(folding.stats_changed || folding.known_changed);
}

/* Their clocks differ: what was left later did not happen before. */
static void clocks_that_differ(void **state)
{
    (void)state;
    FOLD(AUDIT_ACCEPTED, 0, 7);
    FOLD(AUDIT_POLLED, 1000, 7);
    FOLD(AUDIT_POLLED, 990, 8);
    FOLD(AUDIT_POLLED, 2000, 7);
    assert_int_equal(kept()->interval_min, 0 + 1);
    assert_int_equal(kept()->interval_max, 1000);
    assert_int_equal(kept()->last_at, T0 + 2000);
}

/* ---- connections ---- */

static void each_process_numbers_its_own(void **state)
{
    (void)state;
    FOLD(AUDIT_ACCEPTED, 0, 1);
    for (int round = 0; round < 3; round++)
        for (uint32_t origin = 1; origin <= 8; origin++)
            for (uint32_t connection = 1; connection <= 3; connection++)
                fold(AUDIT_POLLED, 100, origin, (struct audit_event){.connection = connection});
    assert_int_equal(kept()->connections, 8 * 3);
    assert_int_equal(stats.length, 56 + 4 + 7 * 12);
}

static void with_one_process_it_is_short(void **state)
{
    (void)state;
    FOLD(AUDIT_ACCEPTED, 0, 1);
    fold(AUDIT_POLLED, 100, 1, (struct audit_event){.connection = 9});
    assert_int_equal(kept()->connections, 2);
    assert_int_equal(stats.length, 56 + 4);
}

/* The one that was not asked for the longest time goes. */
static void of_too_many_processes_the_last_are_known(void **state)
{
    (void)state;
    FOLD(AUDIT_ACCEPTED, 0, 1);
    for (uint32_t origin = 2; origin <= 9; origin++)
        FOLD(AUDIT_POLLED, 100, origin);
    assert_int_equal(kept()->connections, 9);
    FOLD(AUDIT_POLLED, 200, 2);
    assert_int_equal(kept()->connections, 9);
    FOLD(AUDIT_POLLED, 200, 1);
    assert_int_equal(kept()->connections, 10);
}

/* ---- poll times ---- */

static void the_last_ones_are_kept(void **state)
{
    struct audit_mark times[4];
    int count;

    (void)state;
    FOLD(AUDIT_ACCEPTED, 0, 7);
    figures(0, times, &count);
    assert_int_equal(count,
                     -1); /* no bytes are none; the store tells where they are kept and empty */
    for (int i = 1; i <= 100; i++) {
        fold(AUDIT_POLLED, i * 10, 7,
             (struct audit_event){.fault = i == 99 ? AUDIT_RESET : AUDIT_GOOD});
        figures(0, times, &count);
        assert_int_equal(count, i < 4 ? i : 4);
        assert_int_equal(times[count - 1].since, i * 10);
    }
    assert_int_equal(times[0].since, 970);
    assert_int_equal(times[2].fault, AUDIT_RESET);
    assert_true(figures(0, times, &count).interval_median > 0.0099);
}

/* ---- of no job ---- */

static void what_is_known_of_all(void **state)
{
    struct audit_note note;
    const struct audit_event none = {0};
    struct {
        struct audit_note note;
        struct audit_bounds bounds;
    } expect;

    (void)state;
    note_init(&note, AUDIT_UNKNOWN, &none, NULL);
    note.first = 1;
    fold_note(&note);
    note.first = 0;
    fold_note(&note);
    assert_int_equal(all()->unknown_polls, 2);
    assert_int_equal(all()->connections, 1);
    assert_true(all()->bounds.bound[0] < 0);
    note_init(&expect.note, AUDIT_EXPECT, &none, NULL);
    bounds_clear(&expect.bounds);
    expect.bounds.bound[3] = 5;
    assert_true(audit_fold((struct bytes){(const char *)&expect, sizeof(expect)}, &folding));
    assert_true(all()->bounds.bound[3] > 4 && all()->bounds.bound[0] < 0);
    assert_int_equal(all()->unknown_polls, 2);
    note_init(&note, AUDIT_RESET_ALL, &none, NULL);
    fold_note(&note);
    assert_int_equal(all()->unknown_polls, 0);
    assert_int_equal(all()->connections, 0);
    assert_true(all()->bounds.bound[3] < 0);
    assert_int_equal(stats.length, 0);
}

static void a_job_that_is_gone_is_in_the_sum(void **state)
{
    union {
        struct record record;
        char bytes[sizeof(struct record) + 8];
    } gone = {.record = {.state = VTS_COMPLETED, .created_at = T0, .ended_at = T0 + 1000}};
    const struct bytes none = {NULL, 0};

    (void)state;
    gone.record.id_length = 1;
    gone.bytes[offsetof(struct record, id)] = 'x';
    FOLD(AUDIT_ACCEPTED, 0, 7);
    record.state = VTS_COMPLETED;
    record.ended_at = T0 + 1000;
    FOLD(AUDIT_POLLED, 1200, 7);
    FOLD(AUDIT_POLLED, 1300, 7);
    assert_true(audit_fold_gone(&settings, &gone.record, none, 2, T0 + 9000, &folding));
    assert_int_equal(all()->gone.jobs, 1);
    assert_int_equal(all()->gone.polls, 2);
    assert_int_equal(all()->gone.polls_after_end, 1);
    for (size_t i = 0; i < AUDIT_LIMITS; i++)
        if (strcmp(audit_limits[i].name, "polls_after_end") == 0)
            assert_string_equal(all()->worst[i].id, "x");
    gone.record.state = VTS_ASKED; /* what is told of a refused start ends with it */
    assert_true(audit_fold_gone(&settings, &gone.record, none, 0, T0 + 9000, &folding));
    assert_int_equal(all()->gone.jobs, 1);
}

/* ---- bytes that are no note ---- */

static void what_is_none_changes_nothing(void **state)
{
    struct audit_note note;
    const struct audit_event event = {.now = T0};
    const struct {
        size_t at, length;
        uint8_t is;
    } wrong[] = {{offsetof(struct audit_note, version), sizeof(note), 9},
                 {offsetof(struct audit_note, kind), sizeof(note), 200},
                 {offsetof(struct audit_note, kind), sizeof(note), AUDIT_EXPECT},
                 {offsetof(struct audit_note, state), sizeof(note), 77},
                 {offsetof(struct audit_note, told), sizeof(note), 77},
                 {offsetof(struct audit_note, fault), sizeof(note), 77},
                 {offsetof(struct audit_note, version), sizeof(note) - 1, AUDIT_NOTE_VERSION},
                 {offsetof(struct audit_note, version), 0, AUDIT_NOTE_VERSION}};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        note_init(&note, AUDIT_ACCEPTED, &event, &record);
        ((uint8_t *)&note)[wrong[i].at] = wrong[i].is;
        assert_true(audit_fold((struct bytes){(const char *)&note, wrong[i].length}, &folding));
        assert_false(folding.stats_changed || folding.known_changed || folding.begins);
    }
}

/* What is kept was made by a stranger: it is taken for nothing. */
static void strange_bytes_beside_a_job(void **state)
{
    (void)state;
    text_puts(&stats, "short");
    text_puts(&known, "none of ours");
    FOLD(AUDIT_POLLED, 100, 7);
    assert_int_equal(kept()->useless, 0);
    assert_int_equal(kept()->last_at, T0 + 100);
    assert_int_equal(all()->unknown_polls, 0);
    assert_true(all()->bounds.bound[0] < 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(they_come_to_the_same_as_events),
        TEST(a_refused_start_is_a_beginning),
        TEST(of_a_job_that_is_not_there_nothing_is_kept),
        TEST(clocks_that_differ),
        TEST(each_process_numbers_its_own),
        TEST(with_one_process_it_is_short),
        TEST(of_too_many_processes_the_last_are_known),
        TEST(the_last_ones_are_kept),
        TEST(what_is_known_of_all),
        TEST(a_job_that_is_gone_is_in_the_sum),
        TEST(what_is_none_changes_nothing),
        TEST(strange_bytes_beside_a_job),
    };

    return cmocka_run_group_tests_name("audit_notes", tests, NULL, NULL);
}
