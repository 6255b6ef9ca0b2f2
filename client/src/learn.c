/* SPDX-License-Identifier: MIT
 *
 * Learns how long the jobs of a class take, and when to look. See learn.h. */
#include "learn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "density.h"
#include "plan.h"

#define WARM       8     /* jobs before there is a plan */
#define BATCH      24    /* a new plan when what is new is more than one part in so many */
#define SLACK      0.02  /* of a poll's cost and delay: what its draw may lose, */
#define SLACK_NEW  6.0   /* and what more for each job that is not yet known */
#define LEAST      50    /* how many polls a poll's worth of time may hold, at most */
#define GROWTH     0.5   /* of its age: the wait of a job that is older than any known */
#define LOOK_GAP   4     /* poll's worths: longer waits take turns to look in between, */
#define LOOK       0.045 /* so many of them, */
#define LOOK_MORE  0.33  /* or so many where there is suspicion, */
#define GOLDEN     0.6180339887498949
#define LOOK_FIRST 0.1 /* and no earlier than at this share of it */
#define BET        0.3 /* the exponent of the bets */
#define ALARM      7.0
#define SUSPICION  3.5
#define FITS       0.1 /* how far a projection may be off and still be a true one */
#define TUNING     6   /* how many plans are tried for a number of polls */

#define MS_PER_DAY 86400000.0

struct watch {
    double sum;   /* of what was won */
    size_t since; /* jobs since it was 0 */
};

struct learn {
    struct learn_options options;
    double ms_per_poll;                           /* given, or found */
    double trust;                                 /* in progress, 0 to 1 */
    struct interval window[DENSITY_OBSERVATIONS]; /* a ring */
    size_t count, next, fresh;                    /* fresh: since the last plan */
    struct watch early, late;
    uint32_t turns; /* waits that might have looked in between */
    struct density_guess guess;
    struct plan plan;
    struct density_work work;
};

struct learn *learn_create(const struct learn_options *options)
{
    struct learn *learn = calloc(1, sizeof(*learn));

    if (!learn)
        return NULL;
    learn->options = *options;
    learn->ms_per_poll = options->ms_per_poll > 0 ? options->ms_per_poll : 1000;
    learn->trust = 0.5;
    return learn;
}

void learn_destroy(struct learn *learn) { free(learn); }

bool learn_is_warm(const struct learn *learn) { return learn->plan.count > 0; }

struct learn_expected learn_expected(const struct learn *learn)
{
    return (struct learn_expected){learn->plan.polls, learn->plan.cost_ms, learn->ms_per_poll};
}

/* ---- planning -------------------------------------------------------------------------------- */

/* The less is known, the more may be lost by trying another age: it may show a better one. */
static void choose(struct learn *learn)
{
    plan_choose(&learn->plan, learn->ms_per_poll, SLACK + SLACK_NEW / (double)learn->count);
}

/* Polls go about with the root of what one is worth, so that few steps lead there. */
static void tune(struct learn *learn)
{
    for (int i = 0; i < TUNING; i++) {
        double ratio = learn->plan.polls / learn->options.polls_per_job;

        if (fabs(ratio - 1) < 0.08) /* "about" so many: 1 exactly would be to wait for ever */
            break;
        learn->ms_per_poll *= fmin(fmax(ratio * ratio, 0.01), 100);
        learn->ms_per_poll = fmin(fmax(learn->ms_per_poll, 1), MS_PER_DAY);
        choose(learn);
    }
}

static void plan_anew(struct learn *learn)
{
    density_guess_next(&learn->guess, learn->window, learn->count, &learn->work);
    plan_ages(&learn->plan, &learn->guess.all);
    choose(learn);
    if (!(learn->options.ms_per_poll > 0))
        tune(learn);
    learn->fresh = 0;
}

/* ---- observing ------------------------------------------------------------------------------- */

static void remember(struct learn *learn, struct interval seen)
{
    learn->window[learn->next] = seen;
    learn->next = (learn->next + 1) % DENSITY_OBSERVATIONS;
    if (learn->count < DENSITY_OBSERVATIONS)
        learn->count++;
    learn->fresh++;
}

/* Begins anew with the newest ones. */
static void forget_before(struct learn *learn, size_t newest)
{
    struct interval kept[DENSITY_OBSERVATIONS] = {{0, 0}};
    size_t from = learn->next + DENSITY_OBSERVATIONS - newest;

    for (size_t i = 0; i < newest; i++)
        kept[i] = learn->window[(from + i) % DENSITY_OBSERVATIONS];
    memcpy(learn->window, kept, newest * sizeof(*kept));
    learn->count = learn->fresh = newest;
    learn->next = newest % DENSITY_OBSERVATIONS;
    learn->early = learn->late = (struct watch){0, 0};
    learn->guess.seen_count = 0;
    learn->plan.count = 0;
}

/* The logarithm of what is won by betting on a U near 0 when it lies in [from, to]: the mean there
 * of BET * U^(BET - 1), whose mean over [0, 1] is 1. */
static double won(double from, double to)
{
    from = fmin(fmax(from, 0), 1 - 1e-9);
    to = fmin(fmax(to, from + 1e-9), 1);
    return log((pow(to, BET) - pow(from, BET)) / (to - from));
}

static void bet(struct watch *watch, double won)
{
    watch->sum += won;
    watch->since++;
    if (!(watch->sum > 0))
        *watch = (struct watch){0, 0};
}

static void observe(struct learn *learn, struct interval seen)
{
    size_t newest = 0;

    remember(learn, seen);
    if (learn_is_warm(learn)) {
        double from = density_below(&learn->guess.all, seen.from_ms);
        double to = density_below(&learn->guess.all, seen.to_ms);

        bet(&learn->early, won(from, to));
        bet(&learn->late, won(1 - to, 1 - from));
        if (learn->early.sum > ALARM)
            newest = learn->early.since;
        else if (learn->late.sum > ALARM)
            newest = learn->late.since;
    }
    if (newest > 0)
        forget_before(learn, newest < learn->count ? newest : learn->count);
    if (learn->count >= WARM && learn->fresh > learn->count / BATCH)
        plan_anew(learn);
}

/* What was projected, against what came. A projection is true that comes near the poll that saw the end: to
 * lie somewhere in a long wait proves nothing, the less as the wait may be of its making. */
static void judge(struct learn *learn, const struct learn_end *end)
{
    double off_ms = fabs((double)end->projected_ms - (double)end->seen_ms);

    if (end->projected_ms < 0)
        return;
    if (off_ms <= FITS * (double)end->seen_ms)
        learn->trust += (1 - learn->trust) / 8;
    else
        learn->trust -= learn->trust / 4;
}

void learn_ended(struct learn *learn, const struct learn_end *end)
{
    double to = end->seen_ms > 1 ? (double)end->seen_ms : 1;
    double from = end->last_pending_ms > 0 ? (double)end->last_pending_ms : 0;

    judge(learn, end);
    observe(learn, (struct interval){fmin(from, to - 1), to});
}

void learn_censored(struct learn *learn, int64_t age_ms)
{
    if (age_ms > 0)
        observe(learn, (struct interval){(double)age_ms, INFINITY});
}

/* ---- the next poll --------------------------------------------------------------------------- */

int64_t learn_projected(int64_t age_ms, double progress)
{
    double end_ms = (double)age_ms / progress;

    if (!(progress >= 0.01 && progress <= 1) || age_ms <= 0 || end_ms > 1e15)
        return -1;
    return (int64_t)ceil(end_ms);
}

static double rescaled(const struct learn *learn, double wait_ms, int64_t age_ms, double progress)
{
    int64_t projected_ms = learn_projected(age_ms, progress);
    double towards, margin;

    if (projected_ms < 0)
        return wait_ms;
    towards = (double)(projected_ms - age_ms);
    margin = fmin(0.02 * towards, learn->ms_per_poll / 4);
    /* Of their logarithms: a progress of 0.01 projects a hundred times the age. */
    towards = exp(learn->trust * log(fmax(1, towards + margin)) +
                  (1 - learn->trust) * log(fmax(1, wait_ms)));
    return fmax(towards, fmin(wait_ms, learn->ms_per_poll / 4));
}

static int64_t whole_ms(double wait_ms) { return wait_ms < 1 ? 1 : (int64_t)ceil(wait_ms); }

int64_t learn_rescaled(const struct learn *learn, int64_t wait_ms, int64_t age_ms, double progress)
{
    double wait = rescaled(learn, (double)wait_ms, age_ms, progress);

    return whole_ms(fmin(wait, learn->options.largest_gap_ms));
}

/* A look in between: rather late than early, where it sees a change to anything shorter. The turns are taken
 * evenly (the multiples of the golden ratio, Weyl 1916) and not drawn: by chance alone, one learner in a
 * hundred would not have looked for a hundred jobs. */
static double look(struct learn *learn, double wait_ms, uint64_t *chance)
{
    double share = learn->early.sum > SUSPICION ? LOOK_MORE : LOOK, uniform;

    if (wait_ms <= LOOK_GAP * learn->ms_per_poll)
        return wait_ms;
    if (fmod(GOLDEN * ++learn->turns, 1) >= share)
        return wait_ms;
    uniform = chance_uniform(chance);
    return wait_ms * (1 - (1 - LOOK_FIRST) * uniform * uniform);
}

int64_t learn_next(struct learn *learn, int64_t age_ms, double progress, uint64_t random)
{
    double age = (double)age_ms, wait, at;
    uint64_t chance = random;

    if (!learn_is_warm(learn))
        return -1;
    at = plan_next(&learn->plan, age, fmax(1, learn->ms_per_poll / LEAST), chance_uniform(&chance));
    wait = at > age ? look(learn, at - age, &chance) : GROWTH * age;
    wait = rescaled(learn, wait, age_ms, progress);
    return whole_ms(fmin(wait, learn->options.largest_gap_ms));
}
