/* SPDX-License-Identifier: MIT
 *
 * Figures and limits from bytes and poll times that are made by hand. */
#include "audit/audit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

#define T0 INT64_C(1767225600000)

/* ---- growth ---- */

static void grows(const double *waits, size_t count, double growth, double jitter, double slack)
{
    double found, strays;

    figures_growth(waits, count, &found, &strays);
    if (fabs(found - growth) > slack || fabs(strays - jitter) > slack)
        fail_msg("growth %g, jitter %g; wanted %g, %g", found, strays, growth, jitter);
}

#define GROWS(growth, jitter, slack, ...)                                                          \
    grows((const double[]){__VA_ARGS__}, sizeof((double[]){__VA_ARGS__}) / sizeof(double), growth, \
          jitter, slack)

static void even_waits_do_not_grow(void **state)
{
    (void)state;
    GROWS(1, 0, 1e-6, 500, 500, 500, 500);
    GROWS(1, 0, 1e-6, 0, 0, 0); /* several polls in one millisecond */
}

static void exponential_waits_grow_by_their_factor(void **state)
{
    (void)state;
    GROWS(2, 0, 1e-6, 100, 200, 400, 800, 1600);
    GROWS(1.5, 0, 1e-3, 1000, 1500, 2250, 3375, 5062.5, 7593.75);
    GROWS(0.5, 0, 1e-6, 800, 400, 200, 100);
}

static void a_cap_does_not_hide_the_growth(void **state)
{
    (void)state;
    GROWS(2, 0, 1e-3, 100, 200, 400, 800, 800, 800, 800, 800, 800, 800, 800);
    GROWS(2, 0, 1e-3, 1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000, 8000, 8000, 8000, 8000);
    /* one that lies between two waits */
    GROWS(2, 0, 1e-3, 1000, 2000, 4000, 8000, 10000, 10000, 10000);
    GROWS(2, 0, 1e-3, 1000, 2000, 3000, 3000);
    GROWS(1.5, 0, 1e-3, 1000, 1500, 2250, 3375, 5000, 5000, 5000, 5000, 5000, 5000, 5000);
}

static void jitter_is_told_and_no_growth(void **state)
{
    double waits[200], growth, jitter;
    uint32_t draw = 1;

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        draw = draw * 1664525 + 1013904223;
        waits[i] = 1000 * (0.8 + 0.4 * (draw >> 8) / 16777216.0);
    }
    figures_growth(waits, 200, &growth, &jitter);
    assert_true(fabs(growth - 1) < 0.01);
    /* evenly within +-20 %: a standard deviation of 0.4 / sqrt(12) */
    assert_true(fabs(jitter - 0.115) < 0.02);
}

static void a_few_waits_tell_little(void **state)
{
    double growth, jitter;

    (void)state;
    figures_growth(NULL, 0, &growth, &jitter);
    assert_true(growth < 0 && jitter < 0);
    figures_growth((const double[]){100}, 1, &growth, &jitter);
    assert_true(growth < 0 && jitter < 0);
    figures_growth((const double[]){100, 300}, 2, &growth, &jitter);
    assert_true(fabs(growth - 3) < 1e-6 && jitter < 0);
}

/* ---- one job ---- */

static struct record record;

static void make_job(enum vts_state state)
{
    record.state = (uint8_t)state;
    record.created_at = record.started_at = T0;
    record.ended_at = state_ended((int)state) ? T0 + 10000 : RECORD_NEVER;
}

static const struct audit_rules rules = {.abandoned_after = 60000, .poll_cost = 2000};

static void an_end_that_was_seen(void **state)
{
    const struct audit_stats stats = {.last_at = T0 + 11500, .seen = 1501, .early_polls = 2};
    struct audit_figures figures;

    (void)state;
    make_job(VTS_COMPLETED);
    figures_of(&figures, &record, &stats, 4, &rules, T0 + 99999999, NULL, -1);
    assert_int_equal(figures.polls, 4);
    assert_int_equal(figures.early_polls, 2);
    assert_int_equal(figures.unseen + figures.abandoned, 0);
    assert_true(fabs(figures.detection_delay - 1.5) < 1e-9);
    /* 4 polls, and 1.5 s at 2 s a poll, where one poll would have done */
    assert_true(fabs(figures_cost(&figures) - 4.75) < 1e-9);
    assert_true(figures.interval_min < 0 && figures.interval_median < 0 && figures.growth < 0);
}

static void an_end_that_nobody_saw(void **state)
{
    const struct audit_stats stats = {.last_at = T0 + 30000};
    struct audit_figures figures;

    (void)state;
    make_job(VTS_FAILED);
    figures_of(&figures, &record, &stats, 4, &rules, T0 + 89999, NULL, -1);
    assert_int_equal(figures.unseen, 1);
    assert_int_equal(figures.abandoned, 0);
    assert_true(fabs(figures.detection_delay - 79.999) < 1e-9); /* so far */
    figures_of(&figures, &record, &stats, 4, &rules, T0 + 90000, NULL, -1);
    assert_int_equal(figures.abandoned, 1);
}

static void a_job_that_runs_is_not_late(void **state)
{
    const struct audit_stats stats = {.last_at = T0};
    struct audit_figures figures;

    (void)state;
    make_job(VTS_RUNNING);
    figures_of(&figures, &record, &stats, 9, &rules, T0 + 59999, NULL, -1);
    assert_int_equal(figures.unseen + figures.abandoned + figures.ended, 0);
    assert_true(figures.detection_delay < 0 && figures_cost(&figures) < 0);
    figures_of(&figures, &record, &stats, 9, &rules, T0 + 60000, NULL, -1);
    assert_int_equal(figures.abandoned, 1); /* its client has given up */
    assert_int_equal(figures.unseen, 0);
}

static void a_client_that_was_told_to_wait_has_not_given_up(void **state)
{
    const struct audit_stats stats = {.last_at = T0 + 1000, .hold = 600000};
    struct audit_figures figures;

    (void)state;
    make_job(VTS_COMPLETED);
    figures_of(&figures, &record, &stats, 1, &rules, T0 + 601000 + 59999, NULL, -1);
    assert_int_equal(figures.abandoned, 0);
    figures_of(&figures, &record, &stats, 1, &rules, T0 + 601000 + 60000, NULL, -1);
    assert_int_equal(figures.abandoned, 1);
}

static void intervals_come_from_the_poll_times(void **state)
{
    const struct audit_mark marks[] = {
        {.since = 1000}, {.since = 2000}, {.since = 4000}, {.since = 8000}};
    const struct audit_stats stats = {.interval_min = 1001, .interval_max = 4000};
    struct audit_figures figures;

    (void)state;
    make_job(VTS_RUNNING);
    figures_of(&figures, &record, &stats, 4, &rules, T0 + 8000, marks, 4);
    assert_true(fabs(figures.interval_min - 1) < 1e-9 && fabs(figures.interval_median - 2) < 1e-9 &&
                fabs(figures.interval_max - 4) < 1e-9);
    assert_true(fabs(figures.growth - 2) < 1e-6);
    figures_of(&figures, &record, &stats, 3, &rules, T0 + 8000, marks, 3); /* between two */
    assert_true(fabs(figures.interval_median - 1.5) < 1e-9);
    figures_of(&figures, &record, &stats, 1, &rules, T0 + 8000, marks, 1);
    assert_true(figures.interval_median < 0 && figures.growth < 0);
}

/* ---- many ---- */

static void a_sum_adds_counts_and_keeps_the_worst(void **state)
{
    struct audit_figures one = {.jobs = 1,
                                .ended = 1,
                                .polls = 3,
                                .detection_delay = 2,
                                .interval_min = 1,
                                .interval_median = 1,
                                .interval_max = 4,
                                .growth = 2,
                                .jitter = 0,
                                .cost = 4,
                                .best = 1};
    struct audit_figures other = {.jobs = 1,
                                  .polls = 5,
                                  .detection_delay = -1,
                                  .interval_min = 0.5,
                                  .interval_median = 3,
                                  .interval_max = 3,
                                  .growth = 1,
                                  .jitter = -1};
    struct audit_sum sum = {.all = {0}};

    (void)state;
    for (int i = 0; i < 300; i++)
        sum_add(&sum, i % 3 ? &other : &one);
    sum_close(&sum);
    assert_false(sum.failed);
    assert_int_equal(sum.all.jobs, 300);
    assert_int_equal(sum.all.ended, 100);
    assert_int_equal(sum.all.polls, 100 * 3 + 200 * 5);
    assert_true(sum.all.detection_delay == 2 && sum.all.interval_min == 0.5 &&
                sum.all.interval_max == 4);
    assert_true(sum.all.interval_median == 3 && sum.all.growth == 1 && sum.all.jitter == 0);
    assert_true(figures_cost(&sum.all) == 4);
    sum_finish(&sum);
    one.growth = 1.001; /* which is 1000999.9999999999 millionths */
    sum_add(&sum, &one);
    sum_add(&sum, &other);
    sum_close(&sum);
    assert_true(sum.all.interval_median == 2); /* between the two */
    assert_true(fabs(sum.all.growth - 1.0005) < 1e-9);
    sum_finish(&sum);
    sum_close(&sum);
    assert_true(sum.all.detection_delay < 0 && sum.all.growth < 0); /* of none */
    sum_finish(&sum);
}

/* ---- limits ---- */

static size_t limit(const char *name)
{
    for (size_t i = 0; i < AUDIT_LIMITS; i++)
        if (strcmp(audit_limits[i].name, name) == 0)
            return i;
    fail_msg("no limit %s", name);
    return 0;
}

static void limits_hold_at_their_bound(void **state)
{
    struct audit_figures figures = {
        .polls = 12, .detection_delay = 5, .interval_min = 1, .interval_median = 2, .growth = 2};
    struct audit_bounds bounds;

    (void)state;
    assert_null(audit_limits[AUDIT_LIMITS].name);
    bounds_clear(&bounds);
    for (size_t i = 0; i < AUDIT_LIMITS; i++)
        assert_false(bounds_broken(&bounds, i, &figures));
    bounds.bound[limit("polls_per_job")] = 12;
    bounds.bound[limit("detection_delay")] = 5;
    bounds.bound[limit("intervals.min")] = 1;
    bounds.bound[limit("intervals.median")] = 2;
    bounds.bound[limit("growth")] = 2;
    for (size_t i = 0; i < AUDIT_LIMITS; i++)
        assert_false(bounds_broken(&bounds, i, &figures));
    figures = (struct audit_figures){.polls = 13,
                                     .detection_delay = 5.001,
                                     .interval_min = 0.999,
                                     .interval_median = 1.999,
                                     .growth = 1.9};
    assert_true(bounds_broken(&bounds, limit("polls_per_job"), &figures));
    assert_true(bounds_broken(&bounds, limit("detection_delay"), &figures));
    assert_true(bounds_broken(&bounds, limit("intervals.min"), &figures));
    assert_true(bounds_broken(&bounds, limit("intervals.median"), &figures));
    assert_true(bounds_broken(&bounds, limit("growth"), &figures));
    /* what is not known breaks nothing */
    figures = (struct audit_figures){
        .detection_delay = -1, .interval_min = -1, .interval_median = -1, .growth = -1};
    for (size_t i = 0; i < AUDIT_LIMITS; i++)
        assert_false(bounds_broken(&bounds, i, &figures));
}

static void limits_of_all_hold_at_their_bound(void **state)
{
    struct audit_totals totals = {.jobs = 2, .ended = 1, .unknown_polls = 3};
    struct audit_bounds bounds;

    (void)state;
    bounds_clear(&bounds);
    for (size_t i = 0; i < AUDIT_LIMITS; i++)
        assert_false(bounds_missed(&bounds, i, &totals));
    bounds.bound[limit("jobs")] = 2;
    bounds.bound[limit("ended")] = 1;
    bounds.bound[limit("unknown_polls")] = 3;
    for (size_t i = 0; i < AUDIT_LIMITS; i++)
        assert_false(bounds_missed(&bounds, i, &totals));
    totals = (struct audit_totals){.jobs = 1, .ended = 0, .unknown_polls = 4};
    assert_true(bounds_missed(&bounds, limit("jobs"), &totals));
    assert_true(bounds_missed(&bounds, limit("ended"), &totals));
    assert_true(bounds_missed(&bounds, limit("unknown_polls"), &totals));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(even_waits_do_not_grow),
        cmocka_unit_test(exponential_waits_grow_by_their_factor),
        cmocka_unit_test(a_cap_does_not_hide_the_growth),
        cmocka_unit_test(jitter_is_told_and_no_growth),
        cmocka_unit_test(a_few_waits_tell_little),
        cmocka_unit_test(an_end_that_was_seen),
        cmocka_unit_test(an_end_that_nobody_saw),
        cmocka_unit_test(a_job_that_runs_is_not_late),
        cmocka_unit_test(a_client_that_was_told_to_wait_has_not_given_up),
        cmocka_unit_test(intervals_come_from_the_poll_times),
        cmocka_unit_test(a_sum_adds_counts_and_keeps_the_worst),
        cmocka_unit_test(limits_hold_at_their_bound),
        cmocka_unit_test(limits_of_all_hold_at_their_bound),
    };

    return cmocka_run_group_tests_name("audit_figures", tests, NULL, NULL);
}
