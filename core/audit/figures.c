/* SPDX-License-Identifier: MIT
 *
 * From what was recorded to figures: of one job, and of many. Nothing but arithmetic. */
#include <math.h>
#include <stdlib.h>

#include "../base/quantile.h"
#include "audit.h"

#define UNKNOWN (-1.0)
#define MILLION 1e6

static double seconds(vts_ms span) { return (double)span / 1000; }

/* ---- the waits between polls ---- */

/* The logarithms of the waits against x = min(i, k): they grow from one to the next k times, and then stay.
 * What one fit needs of a given k comes from sums over the first k and over the rest. */
struct fit {
    double slope, squares; /* and what it leaves unexplained */
};

static struct fit fit_of(size_t count, size_t k, double y_first, double iy_first, double y_all,
                         double yy_all)
{
    double n = (double)count, edge = (double)k, rest = n - edge;
    double x = edge * (edge - 1) / 2 + rest * edge;
    double xx = (edge - 1) * edge * (2 * edge - 1) / 6 + rest * edge * edge;
    double xy = iy_first + edge * (y_all - y_first);
    double sxx = xx - x * x / n, sxy = xy - x * y_all / n, syy = yy_all - y_all * y_all / n;
    struct fit fit = {sxx > 0 ? sxy / sxx : 0, 0};

    fit.squares = syy - fit.slope * sxy;
    if (fit.squares < 1e-12)
        fit.squares = 0;
    return fit;
}

static double log_of(double wait) { return log(wait > 1 ? wait : 1); }

/* The best of those that grow up to some wait, and stay from there on. */
static struct fit best_capped(const double *waits, size_t count, double y_all, double yy_all)
{
    struct fit best = {0, INFINITY}, fit;
    double y_first = 0, iy_first = 0;
    size_t k;

    for (k = 1; k + 1 < count; k++) {
        y_first += log_of(waits[k - 1]);
        iy_first += (double)(k - 1) * log_of(waits[k - 1]);
        fit = fit_of(count, k, y_first, iy_first, y_all, yy_all);
        if (fit.slope > 0 && fit.squares < best.squares)
            best = fit;
    }
    return best;
}

/* Of the first `k` waits, against their place: the slope, and where it starts. */
struct line {
    double slope, start, squares;
};

static struct line line_of(size_t k, double y, double iy, double yy)
{
    double n = (double)k, x = n * (n - 1) / 2, xx = (n - 1) * n * (2 * n - 1) / 6;
    double sxy = iy - x * y / n, slope = sxy / (xx - x * x / n);

    return (struct line){slope, (y - slope * x) / n, yy - y * y / n - slope * sxy};
}

/* As best_capped, but where they stay need not be where the next one would have been: a cap of 10 s behind
 * 1, 2, 4 and 8. */
static struct fit best_cut(const double *waits, size_t count, double y_all, double yy_all)
{
    struct fit best = {0, INFINITY};
    double y = log_of(waits[0]), iy = 0, yy = y * y;
    size_t k;

    for (k = 2; k < count; k++) {
        double next = log_of(waits[k - 1]), n = (double)(count - k), level, low, squares;
        struct line line;

        y += next;
        iy += (double)(k - 1) * next;
        yy += next * next;
        line = line_of(k, y, iy, yy);
        low = line.start + line.slope * (double)(k - 1);
        level = fmin(fmax((y_all - y) / n, low), low + line.slope);
        squares = line.squares + (yy_all - yy) - 2 * level * (y_all - y) + n * level * level;
        if (line.slope > 0 && squares < best.squares)
            best = (struct fit){line.slope, squares > 1e-9 ? squares : 0};
    }
    return best;
}

void figures_growth(const double *waits, size_t count, double *growth, double *jitter)
{
    double y_all = 0, yy_all = 0, iy_first = 0, y = 0;
    struct fit plain, capped, cut;
    size_t i;

    *growth = *jitter = UNKNOWN;
    if (count < 2)
        return;
    for (i = 0; i < count; i++) {
        y = log_of(waits[i]);
        y_all += y;
        yy_all += y * y;
        iy_first += i + 1 < count ? (double)i * y : 0;
    }
    plain = fit_of(count, count - 1, y_all - y, iy_first, y_all, yy_all);
    capped = best_capped(waits, count, y_all, yy_all);
    cut = best_cut(waits, count, y_all, yy_all);
    if (cut.squares < capped.squares / 4)
        capped = cut;
    /* A cap is believed only where it explains most of what a plain growth does not: chance alone would
     * find one in every handful of waits. */
    if (capped.squares < plain.squares / 4)
        plain = capped;
    *growth = exp(plain.slope);
    if (count > 2)
        *jitter = expm1(sqrt(plain.squares / (double)(count - 1)));
}

/* Of an even number it lies between the two in the middle. Sorts them; there is one at least. */
static double median(int64_t *values, size_t count)
{
    size_t low = (count - 1) / 2, high = count / 2;

    qsort(values, count, sizeof(*values), quantile_compare);
    return ((double)values[low] + (double)values[high]) / 2;
}

/* The last intervals, in ms. */
static void figure_waits(struct audit_figures *out, const struct audit_mark *marks, int count)
{
    int64_t *sorted;
    double *waits;
    size_t number = count > 1 ? (size_t)count - 1 : 0, i;

    if (number == 0)
        return;
    sorted = malloc(number * (sizeof(*sorted) + sizeof(*waits)));
    if (!sorted)
        return;
    waits = (double *)(void *)(sorted + number);
    for (i = 0; i < number; i++) {
        sorted[i] = marks[i + 1].since - marks[i].since;
        waits[i] = (double)sorted[i];
    }
    figures_growth(waits, number, &out->growth, &out->jitter);
    out->interval_median = median(sorted, number) / 1000;
    free(sorted);
}

/* ---- one job ---- */

static void figure_end(struct audit_figures *out, const struct record *record,
                       const struct audit_stats *stats, vts_ms now)
{
    out->ended = 1;
    if (stats->seen > 0) {
        out->detection_delay = seconds((vts_ms)stats->seen - 1);
        return;
    }
    out->unseen = 1;
    out->detection_delay = seconds(now > record->ended_at ? now - record->ended_at : 0);
}

/* A client that has not learned of the end asks again, as soon as it is allowed to. */
static bool is_abandoned(const struct record *record, const struct audit_stats *stats,
                         const struct audit_rules *rules, vts_ms now)
{
    vts_ms quiet = stats->last_at > record->created_at ? stats->last_at : record->created_at;

    quiet += stats->hold;
    if (state_ended(record->state) && record->ended_at > quiet)
        quiet = record->ended_at;
    return stats->seen == 0 && now - quiet >= rules->abandoned_after;
}

void figures_of(struct audit_figures *out, const struct record *record,
                const struct audit_stats *stats, uint64_t polls, const struct audit_rules *rules,
                vts_ms now, const struct audit_mark *marks, int count)
{
    *out = (struct audit_figures){
        .jobs = 1,
        .polls = polls,
        .early_polls = stats->early_polls,
        .early_starts = stats->early_starts,
        .polls_after_end = stats->after_end,
        .useless_polls = stats->useless,
        .duplicate_starts = stats->duplicates,
        .connections = stats->connections,
        .faults = stats->faults,
        .detection_delay = UNKNOWN,
        .interval_min =
            stats->interval_min > 0 ? seconds((vts_ms)stats->interval_min - 1) : UNKNOWN,
        .interval_median = UNKNOWN,
        .interval_max = stats->interval_min > 0 ? seconds(stats->interval_max) : UNKNOWN,
        .growth = UNKNOWN,
        .jitter = UNKNOWN,
    };
    out->abandoned = is_abandoned(record, stats, rules, now);
    if (state_ended(record->state)) {
        figure_end(out, record, stats, now);
        out->best = 1;
        out->cost = (double)polls + out->detection_delay / seconds(rules->poll_cost);
    }
    if (marks)
        figure_waits(out, marks, count);
}

/* Of a job that has not ended nobody knows the best. */
double figures_cost(const struct audit_figures *figures)
{
    return figures->best > 0 ? figures->cost / figures->best : -1;
}

/* ---- many ---- */

static void keep_worst(double *worst, double figure, bool least)
{
    if (figure >= 0 && (*worst < 0 || (least ? figure < *worst : figure > *worst)))
        *worst = figure;
}

static void fold(struct audit_figures *sum, const struct audit_figures *figures)
{
    if (sum->jobs == 0)
        sum->detection_delay = sum->interval_min = sum->interval_max = sum->interval_median =
            sum->growth = sum->jitter = UNKNOWN;
    sum->jobs += figures->jobs;
    sum->ended += figures->ended;
    sum->polls += figures->polls;
    sum->early_polls += figures->early_polls;
    sum->early_starts += figures->early_starts;
    sum->polls_after_end += figures->polls_after_end;
    sum->useless_polls += figures->useless_polls;
    sum->duplicate_starts += figures->duplicate_starts;
    sum->connections += figures->connections;
    sum->faults += figures->faults;
    sum->unseen += figures->unseen;
    sum->abandoned += figures->abandoned;
    sum->cost += figures->cost;
    sum->best += figures->best;
    keep_worst(&sum->detection_delay, figures->detection_delay, false);
    keep_worst(&sum->interval_min, figures->interval_min, true);
    keep_worst(&sum->interval_max, figures->interval_max, false);
}

static void keep(struct audit_sum *sum, int64_t *list, int which, double figure)
{
    if (figure >= 0 && list)
        list[sum->known[which]++] = llround(figure * MILLION);
}

/* Room for one more of each. */
static bool reserve(struct audit_sum *sum)
{
    int64_t **lists[] = {&sum->medians, &sum->growths, &sum->jitters}, *grown;
    size_t room = sum->room ? sum->room * 2 : 64, i;

    if (sum->known[0] < sum->room && sum->known[1] < sum->room && sum->known[2] < sum->room)
        return true;
    for (i = 0; i < 3; i++) {
        grown = realloc(*lists[i], room * sizeof(*grown));
        if (!grown)
            return false;
        *lists[i] = grown;
    }
    sum->room = room;
    return true;
}

void sum_add(struct audit_sum *sum, const struct audit_figures *figures)
{
    fold(&sum->all, figures);
    if (figures->interval_median < 0)
        return;
    if (!reserve(sum)) {
        sum->failed = true;
        return;
    }
    keep(sum, sum->medians, 0, figures->interval_median);
    keep(sum, sum->growths, 1, figures->growth);
    keep(sum, sum->jitters, 2, figures->jitter);
}

void sum_close(struct audit_sum *sum)
{
    int64_t *lists[] = {sum->medians, sum->growths, sum->jitters};
    double *figures[] = {&sum->all.interval_median, &sum->all.growth, &sum->all.jitter};
    size_t i;

    for (i = 0; i < 3; i++) {
        *figures[i] = UNKNOWN;
        if (sum->known[i] == 0)
            continue;
        *figures[i] = median(lists[i], sum->known[i]) / MILLION;
    }
    if (sum->all.jobs == 0)
        sum->all.detection_delay = sum->all.interval_min = sum->all.interval_max = UNKNOWN;
}

void sum_finish(struct audit_sum *sum)
{
    free(sum->medians);
    free(sum->growths);
    free(sum->jitters);
    memset(sum, 0, sizeof(*sum));
}
