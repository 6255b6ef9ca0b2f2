/* SPDX-License-Identifier: MIT
 *
 * The client's schedules, measured in virtual time: client [SEEDS]. It drives the modules that the client
 * polls with as the client does: a schedule learns from its own polls, and never sees how long a job took.
 * Prints each figure beside its bar. */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "durations.h"
#include "optimum.h"
#include "schedule.h"

#define SEEDS     40
#define MAX_SEEDS 1000
#define LEARNED   200 /* jobs before it is measured */
#define AFTER     100 /* jobs after a change of regime */

/* ---- one job --------------------------------------------------------------------------------- */

/* What a job's server says of its progress, and whether at all. */
typedef double progress_fn(double age_ms, double duration_ms, uint64_t *chance);

struct outcome {
    double polls, delay_ms;
};

static struct outcome run_job(struct schedule *schedule, double duration_ms, progress_fn *progress,
                              bool learn, uint64_t *chance)
{
    struct learn_end end = {0, 0, -1};
    static int64_t now_ms; /* one job begins a day after the other */
    int64_t age_ms = schedule_first(schedule, now_ms += 86400000, chance_next(chance));
    int polls = 1;

    for (; (double)age_ms < duration_ms; polls++) {
        double said = progress ? progress((double)age_ms, duration_ms, chance) : -1;

        end.last_pending_ms = age_ms;
        if (end.projected_ms < 0)
            end.projected_ms = learn_projected(age_ms, said);
        age_ms += schedule_next(schedule, age_ms, said, chance_next(chance));
    }
    end.seen_ms = age_ms;
    if (learn)
        schedule_ended(schedule, &end);
    return (struct outcome){polls, (double)age_ms - duration_ms};
}

static struct schedule *new_schedule(const struct schedule_options *options)
{
    struct schedule *schedule = schedule_create(options);

    if (!schedule) {
        fputs("bench: no memory\n", stderr);
        exit(1);
    }
    return schedule;
}

static struct schedule *new_learner(double ms_per_poll)
{
    struct schedule_options options;

    schedule_options_init(&options, SCHEDULE_COST);
    options.ms_per_poll = ms_per_poll;
    return new_schedule(&options);
}

/* Mean cost of so many jobs drawn from a distribution, while learning. */
static double live(struct schedule *schedule, double (*quantile)(double), int jobs,
                   double ms_per_poll, uint64_t *chance)
{
    double sum = 0;

    for (int i = 0; i < jobs; i++) {
        double duration_ms = quantile(fmax(chance_uniform(chance), 1e-9));
        struct outcome outcome = run_job(schedule, duration_ms, NULL, true, chance);

        sum += outcome.polls * ms_per_poll + outcome.delay_ms;
    }
    return jobs > 0 ? sum / jobs : 0;
}

/* Mean outcome over the standard jobs, without learning from them: the schedule as it is now. */
static struct outcome frozen(struct schedule *schedule, const double *jobs, progress_fn *progress,
                             double *delays, uint64_t *chance)
{
    struct outcome sum = {0, 0};

    for (size_t i = 0; i < OPTIMUM_JOBS; i++) {
        struct outcome one = run_job(schedule, jobs[i], progress, false, chance);

        sum.polls += one.polls / OPTIMUM_JOBS;
        sum.delay_ms += one.delay_ms / OPTIMUM_JOBS;
        delays[i] = one.delay_ms;
    }
    return sum;
}

/* Equally likely durations in rising order, the same for all who are compared. */
static void standard_jobs(double (*quantile)(double), double *jobs)
{
    for (size_t i = 0; i < OPTIMUM_JOBS; i++)
        jobs[i] = quantile(((double)i + 0.5) / OPTIMUM_JOBS);
}

static double mean(const double *values, int count)
{
    double sum = 0;

    for (int i = 0; i < count; i++)
        sum += values[i];
    return sum / count;
}

static const char *verdict(bool reached) { return reached ? "reached" : "missed"; }

static uint64_t seed_of(int number) { return (uint64_t)number * 1000003 + 1; }

/* ---- learning -------------------------------------------------------------------------------- */

static double jobs[OPTIMUM_JOBS], ratios[MAX_SEEDS], lives[MAX_SEEDS];
static double *delays; /* of all seeds */

static void learn_line(const struct durations *of, double ms_per_poll, double bar, bool bars,
                       int seeds)
{
    struct optimum best;
    double p99_ms, p99_bar_ms, average, median;

    standard_jobs(of->quantile, jobs);
    best = optimum_of(jobs, ms_per_poll);
    for (int i = 0; i < seeds; i++) {
        uint64_t chance = seed_of(i);
        struct schedule *schedule = new_learner(ms_per_poll);
        struct outcome outcome;

        live(schedule, of->quantile, LEARNED, ms_per_poll, &chance);
        outcome = frozen(schedule, jobs, NULL, delays + (size_t)i * OPTIMUM_JOBS, &chance);
        ratios[i] = (outcome.polls * ms_per_poll + outcome.delay_ms) / best.cost_ms;
        lives[i] = live(schedule, of->quantile, LEARNED, ms_per_poll, &chance) / best.cost_ms;
        schedule_destroy(schedule);
    }
    average = mean(ratios, seeds);
    median = percentile(ratios, (size_t)seeds, 0.5);
    p99_ms = percentile(delays, (size_t)seeds * OPTIMUM_JOBS, 0.99);
    p99_bar_ms = fmax(1.5 * best.delay_p99_ms, 250);
    printf("%-25s %8.2f %6.2f  %5.2f %5.2f %5.2f  %5.2f %5.2f", of->name, best.cost_ms / 1000,
           best.polls, median, average, ratios[seeds - 1], mean(lives, seeds), bar);
    printf(" %-8s", bars ? verdict(average <= bar && median <= bar) : "-");
    printf(" %8.2f %8.2f %8.2f %s\n", best.delay_p99_ms / 1000, p99_ms / 1000, p99_bar_ms / 1000,
           bars && ms_per_poll == 1000 ? verdict(p99_ms <= p99_bar_ms) : "-");
}

static void learn_tables(int seeds)
{
    static const double costs[] = {1000, 100, 10000};

    for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
        printf("\nThe learning schedule after %d jobs, a poll being worth %g s of delay; (polls + "
               "delay) a job\nbeside the optimum for the known distribution, %d seeds; `live` is "
               "jobs %d to %d, learning on\n\n",
               LEARNED, costs[i] / 1000, seeds, LEARNED + 1, 2 * LEARNED);
        printf("%-25s %8s %6s  %5s %5s %5s  %5s %5s %-8s %8s %8s %8s\n", "", "optimum", "polls",
               "ratio", "", "", "", "", "", "p99 of", "delay/s", "");
        printf("%-25s %8s %6s  %5s %5s %5s  %5s %5s %-8s %8s %8s %8s\n", "jobs", "cost/s", "",
               "med.", "mean", "worst", "live", "bar", "", "optimum", "learner", "bar");
        for (size_t k = 0; k < durations_count; k++)
            learn_line(&durations[k], costs[i], costs[i] == 1000 ? 1.10 : 1.20, k < 3, seeds);
    }
}

/* ---- change ---------------------------------------------------------------------------------- */

static void change_table(int seeds)
{
    static const struct {
        const char *name;
        double (*before)(double), (*after)(double);
        bool bars;
    } changes[] = {
        {"lognormal 60s to 10s, sigma 0.5", lognormal_60s, lognormal_10s, true},
        {"near-fixed 60s to 10s", near_60s, near_10s, true},
        {"lognormal 60s to near-fixed 10s", lognormal_60s, near_10s, true},
        {"lognormal 10s to 60s, sigma 0.5", lognormal_10s, lognormal_60s, false},
        {"near-fixed 10s to 60s", near_10s, near_60s, false},
    };
    double p90, average;

    printf(
        "\nA change of regime after %d jobs, a poll being worth 1 s: beside the new optimum, after "
        "%d more jobs\n\n%-33s %5s %5s %5s %5s  %5s %-8s %s\n",
        LEARNED, AFTER, "jobs", "med.", "mean", "p90", "worst", "bar", "", "mean of these 100");
    for (size_t k = 0; k < sizeof(changes) / sizeof(changes[0]); k++) {
        double best_ms;

        standard_jobs(changes[k].after, jobs);
        best_ms = optimum_of(jobs, 1000).cost_ms;
        for (int i = 0; i < seeds; i++) {
            uint64_t chance = seed_of(i);
            struct schedule *schedule = new_learner(1000);
            struct outcome outcome;

            live(schedule, changes[k].before, LEARNED, 1000, &chance);
            lives[i] = live(schedule, changes[k].after, AFTER, 1000, &chance) / best_ms;
            outcome = frozen(schedule, jobs, NULL, delays, &chance);
            ratios[i] = (outcome.polls * 1000 + outcome.delay_ms) / best_ms;
            schedule_destroy(schedule);
        }
        average = mean(ratios, seeds);
        p90 = percentile(ratios, (size_t)seeds, 0.9);
        printf("%-33s %5.2f %5.2f %5.2f %5.2f  %5.2f %-8s %.2f\n", changes[k].name,
               ratios[seeds / 2], average, p90, ratios[seeds - 1], 1.30,
               changes[k].bars ? verdict(ratios[seeds / 2] <= 1.30 && average <= 1.30) : "-",
               mean(lives, seeds));
    }
}

/* ---- others ---------------------------------------------------------------------------------- */

/* The wait after so many polls. */
typedef double other_fn(int polls, uint64_t *chance);

static double constant_1s(int polls, uint64_t *chance)
{
    (void)polls;
    (void)chance;
    return 1000;
}

static double core_lro(int polls, uint64_t *chance) { return 2 * constant_1s(polls, chance); }

static double exponential_plain(int polls, uint64_t *chance)
{
    (void)chance;
    return fmin(10000, 500 * pow(1.5, polls));
}

static double api_core(int polls, uint64_t *chance)
{
    return chance_uniform(chance) * fmin(20000, 1000 * pow(1.5, polls));
}

static double smithy(int polls, uint64_t *chance)
{
    double most = fmin(120000, 2000 * pow(2, polls));

    return 2000 + chance_uniform(chance) * (most - 2000);
}

static double other_cost(other_fn *other, double ms_per_poll)
{
    uint64_t chance = seed_of(0);
    double sum = 0;

    for (size_t i = 0; i < OPTIMUM_JOBS; i++) {
        double age_ms = 0;
        int polls = 0;

        while (age_ms < jobs[i] || polls == 0)
            age_ms += other(polls++, &chance);
        sum += polls * ms_per_poll + age_ms - jobs[i];
    }
    return sum / OPTIMUM_JOBS;
}

static double learner_cost(const struct durations *of, double ms_per_poll, int seeds)
{
    double sum = 0;

    for (int i = 0; i < seeds; i++) {
        uint64_t chance = seed_of(i);
        struct schedule *schedule = new_learner(ms_per_poll);
        struct outcome outcome;

        live(schedule, of->quantile, LEARNED, ms_per_poll, &chance);
        outcome = frozen(schedule, jobs, NULL, delays, &chance);
        sum += (outcome.polls * ms_per_poll + outcome.delay_ms) / seeds;
        schedule_destroy(schedule);
    }
    return sum;
}

static void others_table(int seeds)
{
    static const struct {
        const char *name;
        other_fn *next;
    } others[] = {
        {"constant 1 s", constant_1s},
        {"core-lro: 2 s", core_lro},
        {"exponential 0.5 s x1.5 max 10 s", exponential_plain},
        {"api_core: 1 s x1.5 max 20 s, full jitter", api_core},
        {"smithy: 2 s x2 max 120 s, jitter from 2 s", smithy},
    };
    double best_ms[3], learner_ms[3];

    printf("\nOther schedules beside the optimum, a poll being worth 1 s\n\n%-42s %10s %10s %10s\n",
           "", "lognormal", "near-fixed", "bimodal");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        printf("%-42s", others[i].name);
        for (size_t k = 0; k < 3; k++) {
            standard_jobs(durations[k].quantile, jobs);
            best_ms[k] = optimum_of(jobs, 1000).cost_ms;
            printf(" %10.2f", other_cost(others[i].next, 1000) / best_ms[k]);
        }
        printf("\n");
    }
    printf("%-42s", "learn 1s");
    for (size_t k = 0; k < 3; k++) {
        standard_jobs(durations[k].quantile, jobs);
        learner_ms[k] = learner_cost(&durations[k], 1000, seeds);
        printf(" %10.2f", learner_ms[k] / best_ms[k]);
    }
    printf("\n");
}

/* ---- budget ---------------------------------------------------------------------------------- */

static void budget_table(void)
{
    static const double budgets[] = {2, 4, 12};

    printf("\nThe budget after %d jobs: polls a job and mean delay\n\n%-25s %8s %8s %8s\n", LEARNED,
           "jobs", "budget", "polls", "delay/s");
    for (size_t k = 0; k < 3; k++) {
        standard_jobs(durations[k].quantile, jobs);
        for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
            struct schedule_options options;
            struct schedule *schedule;
            struct outcome outcome;
            uint64_t chance = seed_of(0);

            schedule_options_init(&options, SCHEDULE_BUDGET);
            options.polls_per_job = budgets[i];
            schedule = new_schedule(&options);
            live(schedule, durations[k].quantile, LEARNED, 0, &chance);
            outcome = frozen(schedule, jobs, NULL, delays, &chance);
            printf("%-25s %8g %8.2f %8.2f\n", durations[k].name, budgets[i], outcome.polls,
                   outcome.delay_ms / 1000);
            schedule_destroy(schedule);
        }
    }
}

/* ---- progress -------------------------------------------------------------------------------- */

static double exact(double age_ms, double duration_ms, uint64_t *chance)
{
    (void)chance;
    return age_ms / duration_ms;
}

static double whole_percent(double age_ms, double duration_ms, uint64_t *chance)
{
    (void)chance;
    return floor(100 * age_ms / duration_ms) / 100;
}

static double slower_and_slower(double age_ms, double duration_ms, uint64_t *chance)
{
    (void)chance;
    return sqrt(age_ms / duration_ms);
}

static double stuck(double age_ms, double duration_ms, uint64_t *chance)
{
    (void)chance;
    return fmin(0.99, 4 * age_ms / duration_ms);
}

static double nonsense(double age_ms, double duration_ms, uint64_t *chance)
{
    (void)age_ms;
    (void)duration_ms;
    return chance_uniform(chance);
}

static void progress_table(int seeds)
{
    static const struct {
        const char *name;
        progress_fn *progress;
    } servers[] = {{"none", NULL},
                   {"exact", exact},
                   {"in whole percents", whole_percent},
                   {"slower and slower (square root)", slower_and_slower},
                   {"at 0.99 after a quarter", stuck},
                   {"nonsense", nonsense}};

    standard_jobs(lognormal_60s, jobs);
    printf(
        "\nProgress told by the server: lognormal 60s, a poll being worth 1 s, beside the optimum "
        "without it\n\n%-33s %5s %5s %8s\n",
        "progress", "ratio", "polls", "delay/s");
    for (size_t k = 0; k < sizeof(servers) / sizeof(servers[0]); k++) {
        double best_ms = optimum_of(jobs, 1000).cost_ms;
        struct outcome sum = {0, 0};

        for (int i = 0; i < seeds; i++) {
            uint64_t chance = seed_of(i);
            struct schedule *schedule = new_learner(1000);
            struct outcome outcome;

            for (int n = 0; n < LEARNED; n++)
                run_job(schedule, lognormal_60s(fmax(chance_uniform(&chance), 1e-9)),
                        servers[k].progress, true, &chance);
            outcome = frozen(schedule, jobs, servers[k].progress, delays, &chance);
            sum.polls += outcome.polls / seeds;
            sum.delay_ms += outcome.delay_ms / seeds;
            schedule_destroy(schedule);
        }
        printf("%-33s %5.2f %5.2f %8.2f\n", servers[k].name,
               (sum.polls * 1000 + sum.delay_ms) / best_ms, sum.polls, sum.delay_ms / 1000);
    }
}

/* ---- phase ----------------------------------------------------------------------------------- */

#define TOGETHER 1000
#define WATCHED  60000 /* ms */

/* The most polls in any 100 ms, where the jobs do not end. */
static int peak(bool phase, bool shared, uint64_t seed)
{
    static int polls[WATCHED];
    struct schedule_options options;
    struct schedule *schedule;
    uint64_t chance = seed;
    int most = 0, window = 0;

    memset(polls, 0, sizeof(polls));
    schedule_options_init(&options, SCHEDULE_EXPONENTIAL);
    options.phase = phase;
    schedule = new_schedule(&options);
    for (int i = 0; i < TOGETHER; i++) {
        int64_t age_ms;

        if (!shared) {
            schedule_destroy(schedule);
            schedule = new_schedule(&options);
        }
        age_ms = schedule_first(schedule, 0, chance_next(&chance));
        for (; age_ms < WATCHED;
             age_ms += schedule_next(schedule, age_ms, -1, chance_next(&chance)))
            polls[age_ms]++;
    }
    schedule_destroy(schedule);
    for (int ms = 0; ms < WATCHED; ms++) {
        window += polls[ms] - (ms >= 100 ? polls[ms - 100] : 0);
        most = window > most ? window : most;
    }
    return most;
}

static void phase_table(int seeds)
{
    int with = 0, without = 0, apart = 0;

    for (int i = 0; i < seeds; i++) {
        int one = peak(true, true, seed_of(i));

        with = one > with ? one : with;
        one = peak(false, true, seed_of(i));
        without = one > without ? one : without;
        one = peak(true, false, seed_of(i));
        apart = one > apart ? one : apart;
    }
    printf(
        "\n%d jobs started together, exponential 500ms x1.5 max 10s jitter 10%%: most polls in any "
        "100 ms, worst of %d seeds\n\n",
        TOGETHER, seeds);
    printf("with the random phase          %5d   bar %d %s\n", with, 80, verdict(with <= 80));
    printf("without it                     %5d\n", without);
    printf("with it, but %d clients      %5d\n", TOGETHER, apart);
}

int main(int argc, char **argv)
{
    char *end;
    long seeds = argc > 1 ? strtol(argv[1], &end, 10) : SEEDS;

    if (argc > 2 || (argc == 2 && (*end != '\0' || seeds < 1 || seeds > MAX_SEEDS))) {
        fprintf(stderr, "usage: %s [SEEDS]: 1 to %d, %d unless given\n", argv[0], MAX_SEEDS, SEEDS);
        return 2;
    }
    delays = malloc((size_t)seeds * OPTIMUM_JOBS * sizeof(*delays));
    if (!delays) {
        fputs("bench: no memory\n", stderr);
        return 1;
    }
    learn_tables((int)seeds);
    change_table((int)seeds);
    others_table((int)seeds);
    budget_table();
    progress_table((int)seeds);
    phase_table((int)seeds);
    free(delays);
    return 0;
}
