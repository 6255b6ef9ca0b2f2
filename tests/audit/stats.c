/* SPDX-License-Identifier: MIT
 *
 * What each start, poll and cancel adds to the bytes beside a job: hand-made sequences of events. */
#include "audit/audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

#define T0 INT64_C(1767225600000)

static struct audit_stats stats;
static struct record record;

/* A job that was accepted at T0. */
static int setup(void **state)
{
    const struct audit_event event = {.now = T0, .connection = 1, .state = VTS_RUNNING};

    (void)state;
    memset(&stats, 0, sizeof(stats));
    record = (struct record){.state = VTS_RUNNING, .created_at = T0, .ended_at = RECORD_NEVER};
    audit_accepted(&stats, &event, &record, 7);
    return 0;
}

/* Its answer tells the state that the job has, unless the event says another one. */
static bool poll_with(vts_ms at, struct audit_event event)
{
    event.now = T0 + at;
    if (event.state == VTS_ASKED)
        event.state = (enum vts_state)record.state;
    return audit_polled(&stats, &event, &record);
}

#define POLL(at, ...) poll_with(at, (struct audit_event){__VA_ARGS__})

static void poll_head(vts_ms at)
{
    audit_polled(&stats, &(struct audit_event){.now = T0 + at}, &record);
}

/* The answer to the poll that was asked at `asked` has arrived. */
static void arrive(vts_ms asked, vts_ms at, enum vts_state state, vts_ms hold)
{
    const struct audit_arrival arrival = {
        .now = T0 + at, .asked = T0 + asked, .poll = true, .state = state, .hold = hold};

    audit_told(&stats, &arrival, &record);
}

static void end(enum vts_state state, vts_ms at)
{
    record.state = (uint8_t)state;
    record.ended_at = T0 + at;
}

/* A job that is accepted at T0, of whose answer this is known. */
static void start_again(enum vts_state told, enum audit_fault fault)
{
    const struct audit_event event = {.now = T0, .state = told, .fault = fault};

    memset(&stats, 0, sizeof(stats));
    audit_accepted(&stats, &event, &record, 1);
}

/* ---- ends ---- */

static void the_first_poll_that_sees_the_end_is_none_after_it(void **state)
{
    (void)state;
    POLL(100, .connection = 1);
    POLL(200, .connection = 1);
    assert_int_equal(stats.useless, 2);
    assert_int_equal(stats.seen, 0);
    end(VTS_COMPLETED, 250);
    POLL(300, .connection = 1);
    assert_int_equal(stats.seen, 50 + 1);
    assert_int_equal(stats.after_end, 0);
    assert_int_equal(stats.useless, 2);
    POLL(400, .connection = 1);
    POLL(500, .connection = 1);
    assert_int_equal(stats.seen, 50 + 1);
    assert_int_equal(stats.after_end, 2);
    assert_int_equal(stats.useless, 4);
}

static void an_answer_that_hides_the_state_shows_no_end(void **state)
{
    static const enum audit_fault hiding[] = {AUDIT_STATUS,       AUDIT_RESET,     AUDIT_EMPTY,
                                              AUDIT_TRUNCATE,     AUDIT_GARBAGE,   AUDIT_HTML,
                                              AUDIT_INVALID_JSON, AUDIT_NO_STATUS, AUDIT_WORD};

    (void)state;
    POLL(10, .fault = AUDIT_STATUS);
    assert_int_equal(stats.useless, 0); /* nothing new, but that was not the client's doing */
    stats.faults = 0;
    end(VTS_FAILED, 0);
    for (size_t i = 0; i < sizeof(hiding) / sizeof(hiding[0]); i++)
        POLL(100 + (vts_ms)i, .fault = hiding[i]);
    assert_int_equal(stats.faults, 9);
    assert_int_equal(stats.seen, 0);
    assert_int_equal(stats.after_end, 0);
    assert_int_equal(stats.useless, 0);
    POLL(200, .late = false);
    assert_int_equal(stats.seen, 200 + 1);
    POLL(300, .fault = AUDIT_STATUS);
    assert_int_equal(stats.after_end, 1); /* it was asked, whatever was answered */
}

/* A client that gave up has seen nothing. One that waited is not to blame for how long: its poll saw the end. */
static void a_late_answer_counts_when_it_has_arrived(void **state)
{
    (void)state;
    end(VTS_COMPLETED, 50);
    POLL(100, .fault = AUDIT_STALL, .late = true);
    assert_int_equal(stats.seen, 0);
    POLL(200, .fault = AUDIT_STALL, .late = true); /* the client gave the first one up */
    assert_int_equal(stats.after_end, 0);
    arrive(200, 260, VTS_COMPLETED, 0);
    assert_int_equal(stats.seen, 150 + 1);
    POLL(300, .late = true);
    assert_int_equal(stats.after_end, 1);
}

static void a_poll_that_waited_for_the_end_has_no_delay(void **state)
{
    (void)state;
    POLL(100, .late = true);
    end(VTS_COMPLETED, 5000);
    arrive(100, 5000, VTS_COMPLETED, 0);
    assert_int_equal(stats.seen, 0 + 1);
    assert_int_equal(stats.useless, 0);
}

static void a_late_answer_that_says_nothing_new_is_useless(void **state)
{
    (void)state;
    POLL(100, .late = true);
    arrive(100, 30100, VTS_RUNNING, 0);
    assert_int_equal(stats.useless, 1);
    assert_int_equal(stats.seen, 0);
}

/* But it is no poll: the first one behind it is the first that sees the end. */
static void a_cancel_tells_the_end(void **state)
{
    (void)state;
    end(VTS_CANCELLED, 100);
    audit_cancelled(&stats, &record, T0 + 100);
    assert_int_equal(stats.seen, 0 + 1);
    POLL(200, .late = false);
    assert_int_equal(stats.after_end, 0);
    assert_int_equal(stats.useless, 1);
    POLL(300, .late = false);
    assert_int_equal(stats.after_end, 1);
}

static void an_answer_without_a_body_tells_nothing(void **state)
{
    (void)state;
    end(VTS_COMPLETED, 100);
    poll_head(200);
    assert_int_equal(stats.useless, 1);
    assert_int_equal(stats.seen, 0);
    POLL(300, .late = false);
    assert_int_equal(stats.seen, 200 + 1);
    assert_int_equal(stats.after_end, 0);
    poll_head(400);
    assert_int_equal(stats.after_end, 1);
    assert_int_equal(stats.useless, 2);
}

static void a_job_that_ends_at_its_start(void **state)
{
    (void)state;
    end(VTS_COMPLETED, 0);
    start_again(VTS_RUNNING, AUDIT_GOOD); /* as the original API has it: there is a job */
    assert_int_equal(stats.seen, 0);
    POLL(0, .late = false);
    assert_int_equal(stats.useless, 0);
    assert_int_equal(stats.seen, 0 + 1);
    start_again(VTS_COMPLETED, AUDIT_GOOD); /* as the full one has it: the job */
    assert_int_equal(stats.seen, 0 + 1);
    POLL(0, .late = false);
    assert_int_equal(stats.useless, 1);
    assert_int_equal(stats.after_end, 0);
}

static void whoever_was_not_answered_knows_no_state(void **state)
{
    (void)state;
    start_again(VTS_RUNNING, AUDIT_RESET);
    POLL(100, .late = false);
    assert_int_equal(stats.useless, 0);
    POLL(200, .late = false);
    assert_int_equal(stats.useless, 1);
}

static void a_repeat_of_a_start_can_tell_the_job(void **state)
{
    const struct audit_event again = {.now = T0 + 400, .state = VTS_COMPLETED};

    (void)state;
    end(VTS_COMPLETED, 300);
    audit_repeated(&stats, &again, &record);
    assert_int_equal(stats.seen, 100 + 1);
    assert_int_equal(stats.duplicates, 1);
}

static void a_state_that_changes_is_news(void **state)
{
    (void)state;
    record.state = VTS_QUEUED;
    start_again(VTS_QUEUED, AUDIT_GOOD);
    POLL(100, .late = false);
    assert_int_equal(stats.useless, 1);
    record.state = VTS_RUNNING;
    POLL(200, .late = false);
    assert_int_equal(stats.useless, 1);
}

/* ---- Retry-After ---- */

static void a_poll_before_the_moment_is_early(void **state)
{
    (void)state;
    assert_false(POLL(100, .hold = 2000));
    assert_true(POLL(2099, .late = false));
    assert_false(POLL(2100, .late = false));
    assert_int_equal(stats.early_polls, 1);
}

static void an_answer_without_one_lifts_none(void **state)
{
    (void)state;
    POLL(100, .hold = 10000);
    assert_true(POLL(200, .late = false));
    assert_true(POLL(10099, .late = false));
    assert_false(POLL(10100, .late = false));
    assert_true(stats.hold == 0);
}

static void the_later_of_two_counts(void **state)
{
    (void)state;
    POLL(0, .hold = 10000);
    POLL(1000, .hold = 1000);
    assert_true(POLL(9999, .hold = 5000));
    assert_true(POLL(14998, .late = false));
    assert_false(POLL(14999, .late = false));
}

static void a_starts_answer_gives_one_too(void **state)
{
    const struct audit_event event = {.now = T0, .hold = 3000};

    (void)state;
    memset(&stats, 0, sizeof(stats));
    audit_accepted(&stats, &event, &record, 1);
    assert_true(POLL(2999, .late = false));
    assert_false(POLL(3000, .late = false));
}

static void an_error_gives_one_and_a_broken_answer_does_not(void **state)
{
    (void)state;
    POLL(0, .hold = 5000, .fault = AUDIT_RESET);
    assert_false(POLL(1, .hold = 5000, .fault = AUDIT_EMPTY));
    assert_false(POLL(2, .hold = 5000, .fault = AUDIT_GARBAGE));
    assert_false(POLL(3, .hold = 5000, .fault = AUDIT_TRUNCATE));
    assert_false(POLL(4, .hold = 5000, .fault = AUDIT_STATUS));
    assert_true(POLL(5003, .late = false));
    assert_false(POLL(5004, .late = false));
}

static void a_late_answer_gives_it_when_it_arrives(void **state)
{
    (void)state;
    POLL(0, .hold = 5000, .fault = AUDIT_STALL, .late = true);
    assert_false(POLL(1000, .late = true));
    arrive(0, 2000, VTS_RUNNING, 5000);
    assert_true(POLL(6999, .late = false));
    assert_false(POLL(7000, .late = false));
}

static void refused_starts_can_be_repeated_too_early(void **state)
{
    const struct audit_event refusal = {.now = T0, .fault = AUDIT_STATUS, .hold = 2000};
    struct audit_event again = {.now = T0 + 1000, .fault = AUDIT_STATUS, .hold = 2000};

    (void)state;
    memset(&stats, 0, sizeof(stats));
    audit_refused(&stats, &refusal);
    audit_refused(&stats, &again);
    assert_int_equal(stats.early_starts, 1);
    again.now = T0 + 3000;
    again.hold = 0;
    again.fault = AUDIT_GOOD;
    audit_accepted(&stats, &again, &record, 1);
    assert_int_equal(stats.early_starts, 1);
    assert_int_equal(stats.duplicates, 0);
    assert_false(POLL(3000, .late = false)); /* what was said of the start is over */
}

/* ---- starts ---- */

static void repeat(enum audit_fault fault)
{
    audit_repeated(&stats, &(struct audit_event){.now = T0 + 5, .fault = fault}, &record);
}

static void a_start_that_is_repeated_is_a_duplicate(void **state)
{
    (void)state;
    repeat(AUDIT_STATUS);
    repeat(AUDIT_GOOD);
    assert_int_equal(stats.duplicates, 2);
}

static void whoever_was_not_answered_may_repeat_it(void **state)
{
    const struct audit_event late = {.now = T0, .fault = AUDIT_STALL, .late = true};
    const struct audit_arrival arrival = {.now = T0 + 10, .asked = T0, .state = VTS_RUNNING};

    (void)state;
    start_again(VTS_RUNNING, AUDIT_RESET);
    POLL(1, .fault = AUDIT_STATUS); /* tells nothing of a job */
    repeat(AUDIT_GOOD);
    assert_int_equal(stats.duplicates, 0);
    repeat(AUDIT_GOOD);
    assert_int_equal(stats.duplicates, 1);
    start_again(VTS_RUNNING, AUDIT_RESET);
    POLL(1, .late = false); /* there is one, after all */
    repeat(AUDIT_GOOD);
    assert_int_equal(stats.duplicates, 1);
    /* an answer that came late is lost if its client had left */
    audit_accepted(&stats, &late, &record, 1);
    audit_told(&stats, &arrival, &record);
    assert_int_equal(stats.useless, 0); /* it was no poll */
    repeat(AUDIT_GOOD);
    assert_int_equal(stats.duplicates, 2);
}

/* ---- intervals, connections, and highest values ---- */

static void intervals_lie_between_polls(void **state)
{
    (void)state;
    POLL(5000, .late = false);
    assert_int_equal(stats.interval_min, 0); /* none: the start was no poll */
    POLL(5300, .late = false);
    POLL(5400, .late = false);
    POLL(7400, .late = false);
    assert_int_equal(stats.interval_min, 100 + 1);
    assert_int_equal(stats.interval_max, 2000);
    POLL(7400, .late = false);
    assert_int_equal(stats.interval_min, 0 + 1);
}

static void connections_are_counted_once(void **state)
{
    (void)state;
    assert_int_equal(stats.connections, 1);
    for (vts_ms i = 0; i < 3; i++) {
        POLL(100 + i, .connection = 1);
        POLL(100 + i, .connection = 5);
        POLL(100 + i, .connection = 3);
        POLL(100 + i, .connection = 0); /* not known */
    }
    assert_int_equal(stats.connections, 3);
    for (uint32_t number = 6; number <= 60; number++)
        POLL(200, .connection = number);
    assert_int_equal(stats.connections, 3 + 55);
    POLL(300, .connection = 28); /* the furthest that is remembered */
    POLL(300, .connection = 1);  /* so far back that it is taken for an old one */
    assert_int_equal(stats.connections, 3 + 55);
    POLL(400, .connection = 1000);
    POLL(400, .connection = 990);
    POLL(400, .connection = 968);
    POLL(400, .connection = 968);
    assert_int_equal(stats.connections, 3 + 55 + 3);
}

/* One that was opened long before the job's first one: it is told apart as long as all others are known. */
static void a_connection_from_far_back_is_counted(void **state)
{
    (void)state;
    POLL(100, .connection = 90);
    assert_int_equal(stats.connections, 2);
    memset(&stats, 0, sizeof(stats));
    for (vts_ms i = 0; i < 3; i++) {
        POLL(100 + i, .connection = 90);
        POLL(100 + i, .connection = 88);
        POLL(100 + i, .connection = 1);
    }
    assert_int_equal(stats.connections, 3);
    POLL(200, .connection = 2); /* it could be the 1 */
    assert_int_equal(stats.connections, 3);
}

static void counts_stay_at_their_highest_values(void **state)
{
    (void)state;
    stats.faults = UINT16_MAX;
    stats.useless = stats.early_polls = UINT32_MAX;
    stats.duplicates = UINT16_MAX;
    stats.connections = UINT16_MAX;
    POLL(1, .hold = 100000, .connection = 9);
    POLL(2, .fault = AUDIT_STATUS, .connection = 10);
    audit_repeated(&stats, &(struct audit_event){.now = T0, .connection = 11}, &record);
    assert_int_equal(stats.faults, UINT16_MAX);
    assert_int_equal(stats.useless, UINT32_MAX);
    assert_int_equal(stats.early_polls, UINT32_MAX);
    assert_int_equal(stats.duplicates, UINT16_MAX);
    assert_int_equal(stats.connections, UINT16_MAX);
    end(VTS_COMPLETED, 0);
    POLL(VTS_TIME_END - T0, .late = false);
    assert_int_equal(stats.seen, UINT32_MAX);
    assert_int_equal(stats.interval_max, UINT32_MAX - 1);
}

static void any_bytes_are_taken(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        memset(&stats, byte, sizeof(stats));
        POLL(1, .hold = 1, .connection = 9);
        arrive(0, 2000, VTS_RUNNING, 5000);
        memset(&stats, byte, sizeof(stats));
        stats.last_at = byte % 2 ? INT64_MIN : INT64_MAX;
        POLL(1, .hold = VTS_TIME_END - T0, .connection = 1);
        audit_repeated(&stats, &(struct audit_event){.now = T0, .connection = 11}, &record);
        assert_in_range(stats.last_at, 0, VTS_TIME_END);
    }
}

static void bends_are_told_by_their_names(void **state)
{
    static const struct {
        struct vts_answer bent;
        enum audit_fault fault;
        const char *name;
    } bends[] = {{{.status = 503}, AUDIT_STATUS, "status"},
                 {{.status = 203}, AUDIT_GOOD, ""},
                 {{.status = 204}, AUDIT_STATUS, "status"}, /* it has no body */
                 {{.retry_after = 5}, AUDIT_GOOD, ""},
                 {{.cut = VTS_BREAK_RESET, .status = 503}, AUDIT_RESET, "reset"},
                 {{.cut = VTS_BREAK_EMPTY}, AUDIT_EMPTY, "empty"},
                 {{.cut = VTS_BREAK_TRUNCATE}, AUDIT_TRUNCATE, "truncate"},
                 {{.cut = VTS_BREAK_GARBAGE}, AUDIT_GARBAGE, "garbage"},
                 {{.body = VTS_BODY_HTML}, AUDIT_HTML, "html"},
                 {{.body = VTS_BODY_INVALID_JSON}, AUDIT_INVALID_JSON, "invalid_json"},
                 {{.body = VTS_BODY_NO_STATUS}, AUDIT_NO_STATUS, "no_status"},
                 {{.body = VTS_BODY_NOT_FOUND}, AUDIT_NOT_FOUND, "not_found"},
                 {{.word = "soon"}, AUDIT_WORD, "word"},
                 {{.state = VTS_QUEUED}, AUDIT_STATE, "state"},
                 {{.state = VTS_RUNNING}, AUDIT_GOOD, ""},
                 {{.stall = 5}, AUDIT_STALL, "stall"},
                 {{.dribble = 5}, AUDIT_DRIBBLE, "dribble"},
                 {{.stall = 5, .status = 500}, AUDIT_STATUS, "status"}};

    (void)state;
    assert_int_equal(audit_fault_of(NULL, VTS_RUNNING), AUDIT_GOOD);
    for (size_t i = 0; i < sizeof(bends) / sizeof(bends[0]); i++) {
        assert_int_equal(audit_fault_of(&bends[i].bent, VTS_RUNNING), bends[i].fault);
        assert_string_equal(audit_fault_name(bends[i].fault), bends[i].name);
    }
    assert_string_equal(audit_fault_name((enum audit_fault)99), "");
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_poll_that_sees_the_end_is_none_after_it),
        TEST(an_answer_that_hides_the_state_shows_no_end),
        TEST(a_late_answer_counts_when_it_has_arrived),
        TEST(a_poll_that_waited_for_the_end_has_no_delay),
        TEST(a_late_answer_that_says_nothing_new_is_useless),
        TEST(a_cancel_tells_the_end),
        TEST(an_answer_without_a_body_tells_nothing),
        TEST(a_job_that_ends_at_its_start),
        TEST(whoever_was_not_answered_knows_no_state),
        TEST(a_repeat_of_a_start_can_tell_the_job),
        TEST(a_state_that_changes_is_news),
        TEST(a_poll_before_the_moment_is_early),
        TEST(an_answer_without_one_lifts_none),
        TEST(the_later_of_two_counts),
        TEST(a_starts_answer_gives_one_too),
        TEST(an_error_gives_one_and_a_broken_answer_does_not),
        TEST(a_late_answer_gives_it_when_it_arrives),
        TEST(refused_starts_can_be_repeated_too_early),
        TEST(a_start_that_is_repeated_is_a_duplicate),
        TEST(whoever_was_not_answered_may_repeat_it),
        TEST(intervals_lie_between_polls),
        TEST(connections_are_counted_once),
        TEST(a_connection_from_far_back_is_counted),
        TEST(counts_stay_at_their_highest_values),
        TEST(any_bytes_are_taken),
        TEST(bends_are_told_by_their_names),
    };

    return cmocka_run_group_tests_name("audit_stats", tests, NULL, NULL);
}
