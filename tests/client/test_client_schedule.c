/* SPDX-License-Identifier: MIT
 *
 * Schedules, as waits and as words: client/src/schedule.c and schedule_text.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "chance.h"
#include "schedule.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct schedule *created(const struct schedule_options *options)
{
    struct schedule *schedule = schedule_create(options);

    assert_non_null(schedule);
    return schedule;
}

/* ---- waits ----------------------------------------------------------------------------------- */

static void exponential_grows_to_its_cap(void **state)
{
    static const int64_t expected[] = {500, 750, 1125, 1688, 2531, 3797, 5695, 8543, 10000, 10000};
    struct schedule_options options;
    struct schedule *schedule;
    int64_t age_ms = 0;

    (void)state;
    schedule_options_init(&options, SCHEDULE_EXPONENTIAL);
    options.jitter = 0;
    options.phase = false;
    schedule = created(&options);
    assert_int_equal(schedule_first(schedule, 0, 1), expected[0]);
    age_ms = expected[0];
    for (size_t i = 1; i < COUNT(expected); i++) {
        int64_t wait_ms = schedule_next(schedule, age_ms, -1, 1);

        assert_in_range(wait_ms, expected[i] - 2, expected[i] + 2); /* ages are whole ms */
        age_ms += wait_ms;
    }
    schedule_destroy(schedule);
}

static void fixed_stays(void **state)
{
    struct schedule_options options;
    struct schedule *schedule;

    (void)state;
    schedule_options_init(&options, SCHEDULE_FIXED);
    options.jitter = 0;
    schedule = created(&options);
    assert_int_equal(schedule_next(schedule, 0, -1, 1), 1000);
    assert_int_equal(schedule_next(schedule, 3600000, 0.5, 2), 1000);
    assert_null(schedule_learn(schedule));
    schedule_destroy(schedule);
}

/* Clamped first: at the cap the waits are even over +-10% of it, not all the same. */
static void jitter_does_not_vanish_at_the_cap(void **state)
{
    struct schedule_options options;
    struct schedule *schedule;
    uint64_t chance = 1;
    int64_t least = INT64_MAX, most = 0;
    double sum = 0;

    (void)state;
    schedule_options_init(&options, SCHEDULE_EXPONENTIAL);
    schedule = created(&options);
    for (int i = 0; i < 10000; i++) {
        int64_t wait_ms = schedule_next(schedule, 1000000, -1, chance_next(&chance));

        assert_in_range(wait_ms, 9000, 11000);
        least = wait_ms < least ? wait_ms : least;
        most = wait_ms > most ? wait_ms : most;
        sum += (double)wait_ms / 10000;
    }
    assert_in_range(least, 9000, 9010);
    assert_in_range(most, 10990, 11000);
    assert_in_range((int)sum, 9970, 10030);
    schedule_destroy(schedule);
}

static void waits_are_never_nothing(void **state)
{
    struct schedule_options options;
    struct schedule *schedule;
    uint64_t chance = 1;

    (void)state;
    schedule_options_init(&options, SCHEDULE_FIXED);
    options.first_ms = 1;
    options.jitter = 1;
    schedule = created(&options);
    for (int i = 0; i < 1000; i++) {
        assert_in_range(schedule_next(schedule, i, -1, chance_next(&chance)), 1, 2);
        assert_in_range(schedule_first(schedule, i, chance_next(&chance)), 1, 2);
    }
    assert_in_range(schedule_next(schedule, -5, -1, chance_next(&chance)), 1, 2);
    schedule_destroy(schedule);
}

/* ---- the phase ------------------------------------------------------------------------------- */

#define WATCHED_MS 60000

/* The most polls in any 100 ms of 1,000 jobs that start together and do not end. */
static int peak(bool phase, uint64_t seed)
{
    static int polls[WATCHED_MS];
    struct schedule_options options;
    struct schedule *schedule;
    int window = 0, most = 0;

    memset(polls, 0, sizeof(polls));
    schedule_options_init(&options, SCHEDULE_EXPONENTIAL);
    options.phase = phase;
    schedule = created(&options);
    for (int i = 0; i < 1000; i++) {
        int64_t age_ms = schedule_first(schedule, 7777, chance_next(&seed));

        for (; age_ms < WATCHED_MS;
             age_ms += schedule_next(schedule, age_ms, -1, chance_next(&seed)))
            polls[age_ms]++;
    }
    schedule_destroy(schedule);
    for (int ms = 0; ms < WATCHED_MS; ms++) {
        window += polls[ms] - (ms >= 100 ? polls[ms - 100] : 0);
        most = window > most ? window : most;
    }
    return most;
}

static void jobs_started_together_are_polled_apart(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        assert_in_range(peak(true, seed), 40, 80);
    assert_in_range(peak(false, 1), 900, 1000);
}

static void a_job_alone_is_not_kept_waiting(void **state)
{
    struct schedule_options options;
    struct schedule *schedule;
    uint64_t chance = 1;

    (void)state;
    schedule_options_init(&options, SCHEDULE_EXPONENTIAL);
    schedule = created(&options);
    for (int64_t now_ms = 0; now_ms < 1000000; now_ms += 1000)
        assert_in_range(schedule_first(schedule, now_ms, chance_next(&chance)), 250, 750);
    schedule_destroy(schedule);
}

static void nobody_is_put_off_beyond_the_cap(void **state)
{
    struct schedule_options options;
    struct schedule *schedule;
    uint64_t chance = 1;

    (void)state;
    schedule_options_init(&options, SCHEDULE_EXPONENTIAL);
    schedule = created(&options);
    for (int i = 0; i < 20000; i++)
        assert_in_range(schedule_first(schedule, 0, chance_next(&chance)), 250, 10750);
    schedule_destroy(schedule);
}

/* ---- learning -------------------------------------------------------------------------------- */

static void learning_begins_exponentially(void **state)
{
    static const enum schedule_kind learning[] = {SCHEDULE_COST, SCHEDULE_BUDGET};

    (void)state;
    for (size_t i = 0; i < COUNT(learning); i++) {
        struct schedule_options options;
        struct schedule *schedule;
        uint64_t chance = 1;
        double sum = 0;

        schedule_options_init(&options, learning[i]);
        options.polls_per_job = 1; /* with more there is something to spend on looking early */
        schedule = created(&options);
        assert_in_range(schedule_first(schedule, 0, 1), 250, 750);
        assert_in_range(schedule_next(schedule, 500, -1, 1), 675, 825);
        for (int n = 0; n < 50; n++)
            schedule_ended(schedule, &(struct learn_end){60000 + n, 60100 + n, -1});
        assert_true(learn_is_warm(schedule_learn(schedule)));
        for (int n = 0; n < 100; n++) /* some of them look in between */
            sum += (double)schedule_first(schedule, 0, chance_next(&chance)) / 100;
        assert_in_range((int)sum, 50000, 70000);
        schedule_destroy(schedule);
    }
}

static void learning_takes_progress_when_cold(void **state)
{
    struct schedule_options options;
    struct schedule *schedule;

    (void)state;
    schedule_options_init(&options, SCHEDULE_COST);
    schedule = created(&options);
    /* 20 s to go, and an exponential wait of 10 s: in between, by their logarithms */
    assert_in_range(schedule_next(schedule, 20000, 0.5, 1), 13400, 15000);
    schedule_destroy(schedule);
}

static void abandoned_jobs_are_learned_from(void **state)
{
    struct schedule_options options;
    struct schedule *schedule;

    (void)state;
    schedule_options_init(&options, SCHEDULE_COST);
    schedule = created(&options);
    for (int i = 0; i < 8; i++)
        schedule_censored(schedule, 60000);
    assert_true(learn_is_warm(schedule_learn(schedule)));
    schedule_destroy(schedule);
    schedule_options_init(&options, SCHEDULE_FIXED);
    schedule = created(&options);
    schedule_censored(schedule, 60000); /* means nothing to those that do not learn */
    schedule_ended(schedule, &(struct learn_end){1, 2, -1});
    schedule_destroy(schedule);
    schedule_destroy(NULL);
}

/* ---- words ----------------------------------------------------------------------------------- */

static void words_are_read_and_printed(void **state)
{
    static const struct {
        const char *text, *printed;
    } cases[] = {
        {"exponential 500ms x1.5 max 10s jitter 10%", "exponential 500ms x1.5 max 10s jitter 10%"},
        {"exponential", "exponential 500ms x1.5 max 10s jitter 10%"},
        {"  exponential\tjitter 0% x2 1s  max 2m ", "exponential 1s x2 max 2m jitter 0%"},
        {"exponential 20s max 1h", "exponential 20s x1.5 max 1h jitter 10%"},
        {"fixed 1s", "fixed 1s jitter 10%"},
        {"fixed 1.5s jitter 12.5%", "fixed 1500ms jitter 12.5%"},
        {"fixed 24h", "fixed 1d jitter 10%"},
        {"learn 1s", "learn 1s max 10m"},
        {"learn", "learn 1s max 10m"},
        {"learn 100ms max 1m", "learn 100ms max 1m"},
        {"budget 12", "budget 12 max 10m"},
        {"budget max 90s 2.5", "budget 2.5 max 90s"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct schedule_options options, again;
        char problem[200] = "", printed[SCHEDULE_TEXT], twice[SCHEDULE_TEXT];

        if (!schedule_parse(&options, cases[i].text, problem, sizeof(problem)))
            fail_msg("'%s': %s", cases[i].text, problem);
        assert_int_equal(schedule_print(&options, printed, sizeof(printed)),
                         strlen(cases[i].printed));
        assert_string_equal(printed, cases[i].printed);
        assert_true(schedule_parse(&again, printed, problem, sizeof(problem)));
        schedule_print(&again, twice, sizeof(twice));
        assert_string_equal(twice, printed);
    }
}

static void words_set_what_they_say(void **state)
{
    struct schedule_options options;
    char problem[200];

    (void)state;
    assert_true(schedule_parse(&options, "exponential 2s x3 max 1m jitter 25%", problem, 200));
    assert_int_equal(options.kind, SCHEDULE_EXPONENTIAL);
    assert_true(options.first_ms == 2000 && options.factor == 3 && options.cap_ms == 60000);
    assert_true(options.jitter == 0.25 && options.phase);
    assert_true(schedule_parse(&options, "learn 3s max 5m", problem, 200));
    assert_int_equal(options.kind, SCHEDULE_COST);
    assert_true(options.ms_per_poll == 3000 && options.largest_gap_ms == 300000);
    assert_true(options.first_ms == 500 && options.cap_ms == 10000); /* while it is cold */
    assert_true(schedule_parse(&options, "budget 7", problem, 200));
    assert_int_equal(options.kind, SCHEDULE_BUDGET);
    assert_true(options.polls_per_job == 7);
}

static void errors_help(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"", "column 1: there is no schedule: say fixed, exponential, learn or budget"},
        {"  ", "column 3: there is no schedule: say fixed, exponential, learn or budget"},
        {"exponentail 1s",
         "column 1: 'exponentail' is no schedule: say fixed, exponential, learn or budget"},
        {"fixed", "column 6: a fixed schedule needs its time, as in 'fixed 1s'"},
        {"budget", "column 7: a budget needs its number of polls, as in 'budget 12'"},
        {"fixed 1", "column 7: '1' has no unit that is known: ms, s, m, h or d, as in 500ms"},
        {"fixed 1.s", "column 7: '1.s' has no unit that is known: ms, s, m, h or d, as in 500ms"},
        {"fixed 1sec", "column 7: '1sec' has no unit that is known: ms, s, m, h or d, as in 500ms"},
        {"fixed 0s", "column 7: '0s' is out of range: 1ms to 1d"},
        {"fixed 2d", "column 7: '2d' is out of range: 1ms to 1d"},
        {"fixed 1s 2s", "column 10: '2s' was said before, in column 7"},
        {"fixed 1s x2",
         "column 10: 'x2' is nothing that belongs here: fixed takes a time, and: jitter PERCENT"},
        {"fixed -1s",
         "column 7: '-1s' is nothing that belongs here: fixed takes a time, and: jitter PERCENT"},
        {"fixed inf",
         "column 7: 'inf' is nothing that belongs here: fixed takes a time, and: jitter PERCENT"},
        {"fixed 1s jitter",
         "column 10: nothing follows 'jitter': it takes a value, such as jitter 10%"},
        {"fixed 1s jitter 10", "column 17: '10' is not a share from 0% to 100%, such as 10%"},
        {"fixed 1s jitter 101%", "column 17: '101%' is not a share from 0% to 100%, such as 10%"},
        {"exponential 1s x0.5", "column 16: 'x0.5' is not a factor from x1 to x100, such as x1.5"},
        {"exponential 1s x2y", "column 16: 'x2y' is not a factor from x1 to x100, such as x1.5"},
        {"exponential max", "column 13: nothing follows 'max': it takes a value, such as max 10s"},
        {"exponential max ten", "column 17: 'ten' is not a time such as 500ms, 1.5s or 2m"},
        {"exponential 2s max 1s",
         "column 16: the longest wait (1000ms) is shorter than the first one (2000ms)"},
        {"exponential 20s",
         "column 13: the longest wait (10000ms) is shorter than the first one (20000ms)"},
        {"learn 1s jitter 10%",
         "column 10: 'jitter' is nothing that belongs here: learn takes a time "
         "(of delay that a poll is worth), and: max TIME"},
        {"budget 0", "column 8: '0' is not a number of polls from 1 to 1000, such as 12"},
        {"budget 12polls",
         "column 8: '12polls' is not a number of polls from 1 to 1000, such as 12"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct schedule_options options = {.first_ms = 42};
        char problem[200] = "";

        assert_false(schedule_parse(&options, cases[i].text, problem, sizeof(problem)));
        assert_string_equal(problem, cases[i].problem);
        assert_true(options.first_ms == 42); /* left alone */
    }
}

static void long_words_are_cut_in_errors(void **state)
{
    struct schedule_options options;
    char text[2000], problem[64], tiny[4];

    (void)state;
    memset(text, 'q', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_false(schedule_parse(&options, text, problem, sizeof(problem)));
    assert_int_equal(strlen(problem), sizeof(problem) - 1);
    assert_false(schedule_parse(&options, text, tiny, sizeof(tiny)));
    assert_string_equal(tiny, "col");
    schedule_options_init(&options, SCHEDULE_COST);
    assert_int_equal(schedule_print(&options, tiny, sizeof(tiny)), strlen("learn 1s max 10m"));
    assert_string_equal(tiny, "lea");
    memset(text, '9', sizeof(text) - 1);
    memcpy(text, "fixed ", 6);
    assert_false(schedule_parse(&options, text, problem, sizeof(problem)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponential_grows_to_its_cap),
        cmocka_unit_test(fixed_stays),
        cmocka_unit_test(jitter_does_not_vanish_at_the_cap),
        cmocka_unit_test(waits_are_never_nothing),
        cmocka_unit_test(jobs_started_together_are_polled_apart),
        cmocka_unit_test(a_job_alone_is_not_kept_waiting),
        cmocka_unit_test(nobody_is_put_off_beyond_the_cap),
        cmocka_unit_test(learning_begins_exponentially),
        cmocka_unit_test(learning_takes_progress_when_cold),
        cmocka_unit_test(abandoned_jobs_are_learned_from),
        cmocka_unit_test(words_are_read_and_printed),
        cmocka_unit_test(words_set_what_they_say),
        cmocka_unit_test(errors_help),
        cmocka_unit_test(long_words_are_cut_in_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
