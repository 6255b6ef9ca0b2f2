/* SPDX-License-Identifier: MIT
 *
 * How durations are guessed, planned for and learned: client/src/density.c, plan.c and learn.c. Jobs are
 * run in virtual time, and seen only through polls; all chance is seeded. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chance.h"
#include "density.h"
#include "learn.h"
#include "plan.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.6g is not %.6g +- %.6g", value, expected, tolerance);
}

static void assert_below(double value, double bound)
{
    if (!(value < bound))
        fail_msg("%.6g is not below %.6g", value, bound);
}

/* ---- density --------------------------------------------------------------------------------- */

static struct density_guess guess;
static struct density_work work;

static const struct density *guessed(const struct interval *intervals, size_t count)
{
    memset(&guess, 0, sizeof(guess));
    for (int i = 0; i < 10; i++) /* as a learner does, each on top of the last */
        density_guess_next(&guess, intervals, count, &work);
    return &guess.all;
}

static void assert_is_density(const struct density *density)
{
    double sum = 0;

    assert_in_range(density->count, 1, DENSITY_GUESS_PIECES);
    assert_true(density->edge[0] == 0);
    for (size_t i = 0; i < density->count; i++) {
        assert_true(density->edge[i + 1] > density->edge[i]);
        assert_true(density->mass[i] >= 0 && isfinite(density->mass[i]));
        sum += density->mass[i];
    }
    assert_near(sum, 1, 1e-9);
}

static void guess_of_exact_times(void **state)
{
    struct interval intervals[200];
    const struct density *density;

    (void)state;
    for (size_t i = 0; i < COUNT(intervals); i++) /* even over 5 s to 15 s */
        intervals[i] = (struct interval){5000 + 50.0 * (double)i, 5001 + 50.0 * (double)i};
    density = guessed(intervals, COUNT(intervals));
    assert_is_density(density);
    assert_near(density_below(density, 10000), 0.5, 0.03);
    assert_near(density_quantile(density, 0.25), 7500, 500);
    assert_below(density_below(density, 3000), 0.02);
    assert_below(0.95, density_below(density, 20000));
}

/* Nobody saw an interval of less than 2 s, and yet: all ends lie within 10 s to 10.1 s. */
static void guess_finds_what_no_poll_saw(void **state)
{
    struct interval intervals[120];
    const struct density *density;
    uint64_t chance = 1;

    (void)state;
    for (size_t i = 0; i < COUNT(intervals); i++) {
        double end = 10000 + 100 * chance_uniform(&chance),
               from = end - 3000 * chance_uniform(&chance);

        intervals[i] = (struct interval){from, from + 3000};
    }
    density = guessed(intervals, COUNT(intervals));
    assert_is_density(density);
    assert_near(density_quantile(density, 0.5), 10050, 150);
    assert_below(density_quantile(density, 0.9) - density_quantile(density, 0.1), 700);
}

static void guess_does_not_join_modes(void **state)
{
    struct interval intervals[100];
    const struct density *density;

    (void)state;
    for (size_t i = 0; i < COUNT(intervals); i++) {
        double at = i < 80 ? 4000 + 25.0 * (double)i : 100000 + 2000.0 * (double)(i - 80);

        intervals[i] = (struct interval){at, at + 100};
    }
    density = guessed(intervals, COUNT(intervals));
    assert_near(density_below(density, 9000), 0.8, 0.03);
    assert_near(density_below(density, 60000), 0.8, 0.03);
}

static void guess_leaves_room_for_the_unseen(void **state)
{
    static const struct interval intervals[] = {{4000, 5000}, {4100, 5100}, {4200, 5200}};
    const struct density *density = guessed(intervals, COUNT(intervals));

    (void)state;
    assert_is_density(density);
    assert_below(density_below(density, 20000), 0.95);
    assert_below(0, density_below(density, 1000));
}

static void guess_takes_what_was_abandoned(void **state)
{
    static const struct interval intervals[] = {
        {4000, 5000}, {4000, 5000}, {9000, INFINITY}, {9000, INFINITY}};
    const struct density *density = guessed(intervals, COUNT(intervals));

    (void)state;
    assert_is_density(density);
    assert_near(density_below(density, 8000), 0.5, 0.15);
}

static void guess_survives_extremes(void **state)
{
    static const struct interval lists[][3] = {
        {{0, 1}, {0, 1}, {0, 1}},
        {{0, 1}, {0, 1e15}, {1e15, INFINITY}},
        {{1e15, 1e15 + 1}, {0, 1}, {86399999, 86400000}},
        {{0, INFINITY}, {0, INFINITY}, {0, INFINITY}},
    };
    static struct plan plan;

    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        assert_is_density(guessed(lists[i], 3));
        plan_ages(&plan, &guess.all);
        assert_in_range(plan.count, 2, PLAN_AGES);
        plan_choose(&plan, 1000, 0.04);
        assert_true(isfinite(plan.cost_ms));
    }
}

static void quantiles_are_the_inverse(void **state)
{
    static const struct interval intervals[] = {{100, 200}, {150, 400}, {1000, 3000}};
    const struct density *density = guessed(intervals, COUNT(intervals));

    (void)state;
    for (int i = 1; i < 100; i++)
        assert_near(density_below(density, density_quantile(density, i / 100.0)), i / 100.0, 1e-9);
    assert_true(density_below(density, -1) == 0);
    assert_true(density_below(density, 1e18) == 1);
}

/* ---- plan ------------------------------------------------------------------------------------ */

static struct plan plan;

/* The least there is to pay after candidate i, by trying all that may follow. */
static double tried(const struct plan *of, double cost_ms, double *left)
{
    for (size_t i = of->count - 1; i-- > 0;) {
        left[i] = INFINITY;
        for (size_t j = i + 1; j < of->count; j++) {
            double cost = cost_ms * (1 - of->below[i]) + of->area[j] - of->area[i] -
                          of->below[i] * (of->at[j] - of->at[i]) + left[j];

            left[i] = fmin(left[i], cost);
        }
    }
    return left[0];
}

static void plan_is_the_best_there_is(void **state)
{
    static const double costs[] = {1, 100, 1000, 60000};
    static double left[PLAN_AGES];
    struct interval intervals[60];
    uint64_t chance = 3;

    (void)state;
    for (size_t i = 0; i < COUNT(intervals); i++) {
        double from = i % 4 ? 4000 * chance_uniform(&chance) : 50000 * chance_uniform(&chance);

        intervals[i] = (struct interval){from, from + 500};
    }
    plan_ages(&plan, guessed(intervals, COUNT(intervals)));
    for (size_t i = 0; i < COUNT(costs); i++) {
        plan_choose(&plan, costs[i], 0.04);
        left[plan.count - 1] = 0;
        assert_near(plan.cost_ms, tried(&plan, costs[i], left), 1e-6 * plan.cost_ms);
    }
}

/* Even over 0 to 10 s, a poll being worth 1 s: known in closed form. With n polls the gaps fall by
 * cost / 1 each, the first being the longest: 4.0, 3.0, 2.0, 1.0 s. */
static void plan_of_an_even_density(void **state)
{
    static struct density even = {.count = 1, .edge = {0, 10000}, .mass = {1}, .below = {0, 1}};
    static const double expected[] = {4000, 7000, 9000, 10000};
    size_t at = 0;

    (void)state;
    even.count = 500; /* fine candidates */
    for (size_t i = 0; i < even.count; i++) {
        even.edge[i + 1] = 20.0 * (double)(i + 1);
        even.mass[i] = 1.0 / 500;
        even.below[i + 1] = (double)(i + 1) / 500;
    }
    plan_ages(&plan, &even);
    plan_choose(&plan, 1000, 0.04);
    for (size_t i = 0; i < COUNT(expected); i++) {
        at = plan.best[at];
        assert_near(plan.at[at], expected[i], 45);
    }
    assert_near(plan.polls, 1 + 0.6 + 0.3 + 0.1, 0.02);
    assert_near(plan.cost_ms, 2000 + (4.0 * 4 + 3 * 3 + 2 * 2 + 1) / 10 * 1000 / 2, 5);
}

static void plan_draws_near_its_best(void **state)
{
    struct interval intervals[100];
    double least = INFINITY, most = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(intervals); i++)
        intervals[i] = (struct interval){5000 + 100.0 * (double)i, 5100 + 100.0 * (double)i};
    plan_ages(&plan, guessed(intervals, COUNT(intervals)));
    plan_choose(&plan, 1000, 0.04);
    for (int i = 0; i < 100; i++) {
        double at = plan_next(&plan, 0, 1, i / 100.0);

        least = fmin(least, at);
        most = fmax(most, at);
    }
    assert_below(least, plan.at[plan.best[0]] - 100);
    assert_below(plan.at[plan.best[0]], most);
    assert_below(most - least, 3000);
}

static void plan_keeps_the_least_distance(void **state)
{
    static const struct interval intervals[] = {{4000, 5000}, {4100, 5100}, {4200, 5200}};

    (void)state;
    plan_ages(&plan, guessed(intervals, COUNT(intervals)));
    plan_choose(&plan, 1, 0.04);
    for (int age = 0; age < 6000; age += 7) {
        double at = plan_next(&plan, age, 250, 0);

        assert_true(at == 0 || at >= age + 250);
    }
    assert_true(plan_next(&plan, 1e9, 1, 0) == 0);
}

/* ---- learn ----------------------------------------------------------------------------------- */

static struct learn *new_learn(double ms_per_poll)
{
    struct learn_options options = {.ms_per_poll = ms_per_poll, .largest_gap_ms = 600000};
    struct learn *learn = learn_create(&options);

    assert_non_null(learn);
    return learn;
}

/* Runs one job; returns polls * ms_per_poll + delay. */
static double run(struct learn *learn, double duration_ms, double ms_per_poll, uint64_t *chance)
{
    struct learn_end end = {0, 0, -1};
    int polls = 0;

    while ((double)end.seen_ms < duration_ms || polls == 0) {
        int64_t wait_ms = learn_next(learn, end.seen_ms, -1, chance_next(chance));

        if (wait_ms < 0) /* cold */
            wait_ms =
                (int64_t)((500 + 0.5 * (double)end.seen_ms) * (0.9 + 0.2 * chance_uniform(chance)));
        assert_true(wait_ms >= 1);
        end.last_pending_ms = end.seen_ms;
        end.seen_ms += wait_ms;
        assert_true(++polls < 10000);
    }
    learn_ended(learn, &end);
    return polls * ms_per_poll + (double)end.seen_ms - duration_ms;
}

typedef double durations_fn(uint64_t *chance);

static double near_10s(uint64_t *chance) { return 10000 + 100 * chance_uniform(chance); }
static double near_60s(uint64_t *chance) { return 60000 + 100 * chance_uniform(chance); }

static double normal(uint64_t *chance) /* Box and Muller */
{
    double uniform = 1 - chance_uniform(chance);

    return sqrt(-2 * log(uniform)) * cos(2 * acos(-1) * chance_uniform(chance));
}

static double lognormal_60s(uint64_t *chance) { return 60000 * exp(0.5 * normal(chance)); }
static double lognormal_10s(uint64_t *chance) { return 10000 * exp(0.5 * normal(chance)); }

static double bimodal(uint64_t *chance)
{
    return (chance_uniform(chance) < 0.8 ? 5000 : 120000) * exp(0.3 * normal(chance));
}

/* Mean cost of the jobs. */
static double runs(struct learn *learn, durations_fn *durations, int jobs, double ms_per_poll,
                   uint64_t *chance)
{
    double sum = 0;

    for (int i = 0; i < jobs; i++)
        sum += run(learn, durations(chance), ms_per_poll, chance);
    return sum / jobs;
}

/* Over ten seeds and 200 jobs each, after 200: the optima are those that `./dev bench client` finds by
 * other means. */
static void learner_comes_near_the_optimum(void **state)
{
    static const struct {
        durations_fn *durations;
        double ms_per_poll, optimum_ms, bar;
    } cases[] = {
        {lognormal_60s, 1000, 10088, 1.10},  {near_10s, 1000, 1050, 1.10},
        {bimodal, 1000, 5186, 1.10},         {lognormal_60s, 100, 3111, 1.20},
        {near_10s, 100, 150, 1.20},          {bimodal, 100, 1498, 1.20},
        {lognormal_60s, 10000, 35392, 1.20}, {near_10s, 10000, 10050, 1.20},
        {bimodal, 10000, 22344, 1.20},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        double sum = 0;

        for (uint64_t seed = 0; seed < 10; seed++) {
            struct learn *learn = new_learn(cases[i].ms_per_poll);
            uint64_t chance = seed;

            runs(learn, cases[i].durations, 200, cases[i].ms_per_poll, &chance);
            sum += runs(learn, cases[i].durations, 200, cases[i].ms_per_poll, &chance) / 10;
            learn_destroy(learn);
        }
        if (sum > cases[i].bar * cases[i].optimum_ms)
            fail_msg("case %zu: %.3f times the optimum", i, sum / cases[i].optimum_ms);
    }
}

static void learner_follows_a_change(void **state)
{
    static const struct {
        durations_fn *before, *after;
        double optimum_ms;
    } cases[] = {{lognormal_60s, lognormal_10s, 3740},
                 {lognormal_10s, lognormal_60s, 10088},
                 {near_60s, near_10s, 1050}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        double sum = 0;

        for (uint64_t seed = 0; seed < 10; seed++) {
            struct learn *learn = new_learn(1000);
            uint64_t chance = seed;

            runs(learn, cases[i].before, 200, 1000, &chance);
            runs(learn, cases[i].after, 100, 1000, &chance);
            sum += runs(learn, cases[i].after, 50, 1000, &chance) / 10;
            learn_destroy(learn);
        }
        if (sum > 1.30 * cases[i].optimum_ms)
            fail_msg("case %zu: %.3f times the optimum", i, sum / cases[i].optimum_ms);
    }
}

static void learner_is_cold_at_first(void **state)
{
    struct learn *learn = new_learn(1000);

    (void)state;
    for (int i = 0; i < 8; i++) {
        assert_false(learn_is_warm(learn));
        assert_int_equal(learn_next(learn, 0, -1, 1), -1);
        learn_ended(learn, &(struct learn_end){9000, 10000 + i, -1});
    }
    assert_true(learn_is_warm(learn));
    assert_in_range(learn_next(learn, 0, -1, 1), 1, 11000);
    learn_destroy(learn);
}

static void learner_keeps_the_largest_gap(void **state)
{
    struct learn_options options = {.ms_per_poll = 1000, .largest_gap_ms = 5000};
    struct learn *learn = learn_create(&options);
    uint64_t chance = 1;

    (void)state;
    assert_non_null(learn);
    for (int i = 0; i < 20; i++)
        learn_ended(learn, &(struct learn_end){3600000, 3600100, -1});
    for (int64_t age_ms = 0; age_ms < 4000000; age_ms += 1000)
        assert_in_range(learn_next(learn, age_ms, age_ms % 3 ? -1 : 0.5, chance_next(&chance)), 1,
                        5000);
    learn_destroy(learn);
}

/* Beyond all that it has seen, the waits grow with the age. */
static void learner_grows_beyond_the_sample(void **state)
{
    struct learn *learn = new_learn(1000);
    int64_t age_ms = 0;
    int polls = 0;
    uint64_t chance = 1;

    (void)state;
    for (int i = 0; i < 100; i++)
        learn_ended(learn, &(struct learn_end){9900, 10000 + i, -1});
    for (; age_ms < 3600000; polls++)
        age_ms += learn_next(learn, age_ms, -1, chance_next(&chance));
    assert_in_range(polls, 8, 40); /* of 3,600 at one a second */
    learn_destroy(learn);
}

static void learner_learns_from_what_is_abandoned(void **state)
{
    struct learn *learn = new_learn(1000);
    uint64_t chance = 1;
    double sum = 0;

    (void)state;
    for (int i = 0; i < 50; i++) {
        learn_ended(learn, &(struct learn_end){9900, 10000 + i, -1});
        learn_censored(learn, 60000);
    }
    /* half of them have not ended by then: much sooner than a minute a poll would be thrown away */
    for (int i = 0; i < 100; i++)
        sum += (double)learn_next(learn, 10100, -1, chance_next(&chance)) / 100;
    assert_below(20000, sum);
    learn_censored(learn, 0); /* says nothing */
    learn_destroy(learn);
}

static void learner_repeats_itself(void **state)
{
    struct learn *one = new_learn(1000), *other = new_learn(1000);
    uint64_t chance = 5, same = 5;

    (void)state;
    assert_true(runs(one, bimodal, 300, 1000, &chance) == runs(other, bimodal, 300, 1000, &same));
    learn_destroy(one);
    learn_destroy(other);
}

/* Where all jobs take the first gap and more, one wait in some twenty looks in between. */
static void learner_looks_in_between(void **state)
{
    struct learn *learn = new_learn(1000);
    uint64_t chance = 2;
    int looks = 0;

    (void)state;
    runs(learn, near_60s, 100, 1000, &chance);
    for (int i = 0; i < 10000; i++)
        looks += learn_next(learn, 0, -1, chance_next(&chance)) < 57000;
    assert_in_range(looks, 200, 450);
    learn_destroy(learn);
}

static void budget_is_kept_about(void **state)
{
    static const double budgets[] = {3, 6, 12};

    (void)state;
    for (size_t i = 0; i < COUNT(budgets); i++) {
        struct learn_options options = {.polls_per_job = budgets[i], .largest_gap_ms = 600000};
        struct learn *learn = learn_create(&options);
        uint64_t chance = 1;
        double polls;

        assert_non_null(learn);
        runs(learn, lognormal_60s, 200, 1, &chance);
        polls = runs(learn, lognormal_60s, 200, 1e9, &chance) / 1e9;
        assert_near(polls, budgets[i], 0.25 * budgets[i]);
        assert_near(learn_expected(learn).polls, budgets[i], 0.1 * budgets[i]);
        learn_destroy(learn);
    }
}

/* ---- progress -------------------------------------------------------------------------------- */

static void progress_is_projected(void **state)
{
    (void)state;
    assert_int_equal(learn_projected(30000, 0.5), 60000);
    assert_int_equal(learn_projected(1000, 1), 1000);
    assert_int_equal(learn_projected(1000, 0), -1);
    assert_int_equal(learn_projected(1000, 0.009), -1);
    assert_int_equal(learn_projected(1000, -1), -1);
    assert_int_equal(learn_projected(1000, 1.1), -1);
    assert_int_equal(learn_projected(1000, NAN), -1);
    assert_int_equal(learn_projected(0, 0.5), -1);
    assert_int_equal(learn_projected(INT64_MAX, 0.5), -1);
}

static void progress_is_trusted_as_it_deserves(void **state)
{
    struct learn *honest = new_learn(1000), *liar = new_learn(1000);

    (void)state;
    for (int i = 0; i < 50; i++) {
        learn_ended(honest, &(struct learn_end){55000, 61000, 60000});
        learn_ended(liar, &(struct learn_end){55000, 61000, 20000});
    }
    /* at 10 s of 40 s: 30 s to go; and half a second of margin, since early means a poll more */
    assert_near((double)learn_rescaled(honest, 5000, 10000, 0.25), 30250, 300);
    assert_near((double)learn_rescaled(liar, 5000, 10000, 0.25), 5000, 100);
    assert_int_equal(learn_rescaled(honest, 5000, 10000, -1), 5000);
    learn_destroy(honest);
    learn_destroy(liar);
}

static void stuck_progress_is_not_hammered(void **state)
{
    struct learn *learn = new_learn(1000);

    (void)state;
    for (int i = 0; i < 50; i++)
        learn_ended(learn, &(struct learn_end){55000, 61000, 60000});
    assert_int_equal(learn_rescaled(learn, 5000, 60000, 1), 250);
    assert_int_equal(learn_rescaled(learn, 100, 60000, 1), 100);
    learn_destroy(learn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guess_of_exact_times),
        cmocka_unit_test(guess_finds_what_no_poll_saw),
        cmocka_unit_test(guess_does_not_join_modes),
        cmocka_unit_test(guess_leaves_room_for_the_unseen),
        cmocka_unit_test(guess_takes_what_was_abandoned),
        cmocka_unit_test(guess_survives_extremes),
        cmocka_unit_test(quantiles_are_the_inverse),
        cmocka_unit_test(plan_is_the_best_there_is),
        cmocka_unit_test(plan_of_an_even_density),
        cmocka_unit_test(plan_draws_near_its_best),
        cmocka_unit_test(plan_keeps_the_least_distance),
        cmocka_unit_test(learner_comes_near_the_optimum),
        cmocka_unit_test(learner_follows_a_change),
        cmocka_unit_test(learner_is_cold_at_first),
        cmocka_unit_test(learner_keeps_the_largest_gap),
        cmocka_unit_test(learner_grows_beyond_the_sample),
        cmocka_unit_test(learner_learns_from_what_is_abandoned),
        cmocka_unit_test(learner_repeats_itself),
        cmocka_unit_test(learner_looks_in_between),
        cmocka_unit_test(budget_is_kept_about),
        cmocka_unit_test(progress_is_projected),
        cmocka_unit_test(progress_is_trusted_as_it_deserves),
        cmocka_unit_test(stuck_progress_is_not_hammered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
