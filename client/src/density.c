/* SPDX-License-Identifier: MIT
 *
 * How long jobs take, guessed from intervals. See density.h. The constants were chosen with the bench, for
 * the worst of ten distributions and not for the best of three; none is sharp. */
#include "density.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define ROUNDS      4.0 /* of self-consistency, where each observation rules out all but its interval */
#define MOST_ROUNDS 100    /* where they rule out next to nothing */
#define TRACE       0.0001 /* what is spread evenly before these */
#define NEIGHBOURS  40     /* to how many neighbours a point is smeared, */
#define SMEAR_LIMIT 0.3    /* and to which share of its age at most */
#define UNSEEN      1.5    /* observations' worth that nobody has seen, */
#define UNSEEN_LATE 0.7    /* and the share of it that lies beyond the last */
#define TAIL_REACH  16.0   /* times the latest point: how far beyond it the tail goes */
#define NARROWEST   1.0    /* ms */

static int compare_steps(const void *a, const void *b)
{
    double x = ((const struct density_step *)a)->at, y = ((const struct density_step *)b)->at;

    return (x > y) - (x < y);
}

static void sum_up(struct density *density)
{
    density->below[0] = 0;
    for (size_t i = 0; i < density->count; i++)
        density->below[i + 1] = density->below[i] + density->mass[i];
}

/* The sum of boxes, which may overlap. */
static void add_boxes(struct density *density, const struct density_box *boxes, size_t count,
                      struct density_step *steps)
{
    double slope = 0, total = 0;

    for (size_t i = 0; i < count; i++) {
        double height = boxes[i].mass / (boxes[i].to - boxes[i].from);

        steps[2 * i] = (struct density_step){boxes[i].from, height};
        steps[2 * i + 1] = (struct density_step){boxes[i].to, -height};
    }
    qsort(steps, 2 * count, sizeof(*steps), compare_steps);
    density->count = 0;
    for (size_t i = 0; i + 1 < 2 * count; i++) {
        size_t n = density->count;

        slope += steps[i].slope;
        if (!(steps[i + 1].at > steps[i].at))
            continue;
        density->edge[n] = steps[i].at;
        density->edge[n + 1] = steps[i + 1].at;
        /* what rounding leaves of a slope that has come and gone is nothing */
        density->mass[n] = fmax(0, slope) * (steps[i + 1].at - steps[i].at);
        total += density->mass[n];
        density->count++;
    }
    for (size_t i = 0; i < density->count; i++)
        density->mass[i] /= total;
    sum_up(density);
}

/* The first edge that is not before this age; count, where the last one is. */
static size_t edge_at(const struct density *density, double age_ms)
{
    size_t low = 0, high = density->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (density->edge[middle] < age_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What the rounds begin with. Each end of an observation is an edge. */
static void begin(const struct density_guess *last, const struct interval *intervals, size_t count,
                  double horizon_ms, struct density_work *work)
{
    double trace = last->seen_count > 0 ? TRACE : 1;
    size_t boxes = 0;

    for (size_t i = 0; i < count; i++)
        work->boxes[boxes++] = (struct density_box){
            intervals[i].from_ms, fmin(intervals[i].to_ms, horizon_ms), trace / (double)count};
    for (size_t i = 0; i < last->seen_count; i++) {
        work->boxes[boxes] = last->seen[i];
        work->boxes[boxes++].mass *= 1 - trace;
    }
    add_boxes(&work->spread, work->boxes, boxes, work->steps);
    for (size_t i = 0; i < count; i++) {
        work->first[i] = edge_at(&work->spread, intervals[i].from_ms);
        work->end[i] = edge_at(&work->spread, fmin(intervals[i].to_ms, horizon_ms));
    }
}

/* One round; returns which share of the mass an observation rules out on average. Linear, since a piece is
 * multiplied by a sum over those observations that cover it. */
static double agree(struct density_work *work, size_t count)
{
    struct density *spread = &work->spread;
    double gain = 0, told = 0;

    for (size_t i = 0; i <= spread->count; i++)
        work->gain[i] = 0;
    for (size_t i = 0; i < count; i++) {
        double held = spread->below[work->end[i]] - spread->below[work->first[i]];
        double share = held > 0 ? 1 / ((double)count * held) : 0;

        told += fmax(0, 1 - held) / (double)count;
        work->gain[work->first[i]] += share;
        work->gain[work->end[i]] -= share;
    }
    for (size_t i = 0; i < spread->count; i++) {
        gain += work->gain[i];
        spread->mass[i] *= fmax(0, gain);
    }
    sum_up(spread);
    return told;
}

/* Where most observations tell nothing, each round gets only as far as the others pull it. */
static void agree_enough(struct density_work *work, size_t count)
{
    double told = 0;

    for (int i = 0; i < MOST_ROUNDS && told < ROUNDS; i++)
        told += agree(work, count);
}

/* How far it is from point i to the farthest of its NEIGHBOURS nearest ones. */
static double reach_of(const double *points, size_t i)
{
    size_t low = i, high = i;

    while (high - low < NEIGHBOURS) {
        bool down = high == DENSITY_POINTS - 1 ||
                    (low > 0 && points[i] - points[low - 1] < points[high + 1] - points[i]);

        low -= down;
        high += !down;
    }
    return fmax(points[i] - points[low], points[high] - points[i]);
}

static void smear(struct density_guess *guess, const double *points)
{
    for (size_t i = 0; i < DENSITY_POINTS; i++) {
        double reach = fmin(reach_of(points, i), SMEAR_LIMIT * points[i]);

        reach = fmax(reach, NARROWEST / 2);
        guess->seen[i] =
            (struct density_box){points[i] - reach, points[i] + reach, 1.0 / DENSITY_POINTS};
    }
    guess->seen_count = DENSITY_POINTS;
}

/* Beyond a point, as much in each part of the distance from it, each part being some times the last: from
 * what is near for these jobs to what is far. */
static size_t add_tail(struct density_work *work, size_t boxes, size_t point, double share)
{
    double at = work->points[point], far = TAIL_REACH * work->points[DENSITY_POINTS - 1];
    double from = 0, to = fmax(reach_of(work->points, point), NARROWEST);
    double factor = fmax(2, pow(far / to, 1.0 / (DENSITY_TAIL - 1)));
    size_t first = boxes;

    for (size_t i = 0; i < DENSITY_TAIL && from < far; i++) {
        work->boxes[boxes++] = (struct density_box){at + from, at + to, 0};
        from = to;
        to *= factor;
    }
    for (size_t i = first; i < boxes; i++)
        work->boxes[i].mass = share / (double)(boxes - first);
    return boxes;
}

static size_t add_unseen(struct density_work *work, size_t boxes, double share)
{
    for (size_t i = 0; i < DENSITY_TAILS; i++) {
        size_t point = DENSITY_POINTS - 1 - i * DENSITY_POINTS / (2 * DENSITY_TAILS);

        boxes = add_tail(work, boxes, point, share * UNSEEN_LATE / DENSITY_TAILS);
    }
    work->boxes[boxes++] = (struct density_box){0, work->points[0], share * (1 - UNSEEN_LATE)};
    return boxes;
}

void density_guess_next(struct density_guess *guess, const struct interval *intervals, size_t count,
                        struct density_work *work)
{
    double horizon_ms = 0, unseen = UNSEEN / ((double)count + UNSEEN);
    size_t boxes = 0;

    for (size_t i = 0; i < count; i++)
        horizon_ms = fmax(horizon_ms, isfinite(intervals[i].to_ms) ? intervals[i].to_ms
                                                                   : 2 * intervals[i].from_ms + 1);
    begin(guess, intervals, count, horizon_ms, work);
    agree_enough(work, count);
    for (size_t i = 0; i < DENSITY_POINTS; i++)
        work->points[i] =
            fmax(NARROWEST, density_quantile(&work->spread, ((double)i + 0.5) / DENSITY_POINTS));
    smear(guess, work->points);
    for (; boxes < guess->seen_count; boxes++) {
        work->boxes[boxes] = guess->seen[boxes];
        work->boxes[boxes].mass *= 1 - unseen;
    }
    boxes = add_unseen(work, boxes, unseen);
    add_boxes(&guess->all, work->boxes, boxes, work->steps);
}

double density_below(const struct density *density, double age_ms)
{
    size_t i = edge_at(density, age_ms);
    double part;

    if (i == 0)
        return 0;
    if (age_ms >= density->edge[density->count])
        return 1;
    part = (age_ms - density->edge[i - 1]) / (density->edge[i] - density->edge[i - 1]);
    return fmin(1, density->below[i - 1] + part * density->mass[i - 1]);
}

double density_quantile(const struct density *density, double share)
{
    double sought = share * density->below[density->count], part;
    size_t low = 0, high = density->count - 1;

    while (low < high) { /* the first piece by whose end it is reached */
        size_t middle = (low + high) / 2;

        if (density->below[middle + 1] < sought)
            low = middle + 1;
        else
            high = middle;
    }
    if (!(density->mass[low] > 0))
        return density->edge[low];
    part = fmin(1, fmax(0, (sought - density->below[low]) / density->mass[low]));
    return density->edge[low] + part * (density->edge[low + 1] - density->edge[low]);
}
