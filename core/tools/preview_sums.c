/* SPDX-License-Identifier: MIT
 *
 * The sums over a preview's jobs: outcomes, errors by code, quantiles and a histogram of durations. Eight
 * bytes for each job that ended, and nothing else that grows. See preview.h. */
#include "preview.h"

#include <stdlib.h>

#include "../base/quantile.h"

/* ---- spans ---- */

bool preview_spans_add(struct preview_spans *spans, vts_ms span)
{
    size_t room = spans->room ? spans->room * 2 : 1024;
    vts_ms *grown;

    if (spans->count == spans->room) {
        grown = room > spans->room && room <= SIZE_MAX / sizeof(*grown)
                    ? realloc(spans->at, room * sizeof(*grown))
                    : NULL;
        if (!grown)
            return false;
        spans->at = grown;
        spans->room = room;
    }
    spans->at[spans->count++] = span;
    return true;
}

void preview_spans_sort(struct preview_spans *spans)
{
    if (spans->count > 0)
        qsort(spans->at, spans->count, sizeof(*spans->at), quantile_compare);
}

/* ---- adding up ---- */

void preview_sums_init(struct preview_sums *sums)
{
    *sums = (struct preview_sums){.retry_least = RECORD_NEVER, .retry_most = RECORD_NEVER};
}

static void add_refusals(struct preview_sums *sums, const struct preview_life *life)
{
    sums->refusals += life->refusals;
    sums->refused_jobs += life->refusals > 0;
    if (life->retry_after == RECORD_NEVER)
        return;
    if (sums->retry_most == RECORD_NEVER || life->retry_after > sums->retry_most)
        sums->retry_most = life->retry_after;
    if (life->retry_after < sums->retry_least)
        sums->retry_least = life->retry_after;
}

static bool add_code(struct preview_sums *sums, const struct preview_life *life)
{
    struct preview_code *at = sums->codes, *end = at + sums->code_count;

    while (at < end && (at->code.length != life->code.length ||
                        memcmp(at->code.bytes, life->code.at, life->code.length) != 0))
        at++;
    if (at == end && sums->code_count == PREVIEW_CODES_MAX) {
        sums->other_codes++;
        return true;
    }
    if (at == end) {
        sums->code_count++;
        text_puts(&at->code, "");
        text_add(&at->code, life->code.at, life->code.length);
        text_puts(&at->message, "");
        text_add(&at->message, life->message.at, life->message.length);
    }
    at->count++;
    return !at->code.failed && !at->message.failed;
}

bool preview_sums_add(struct preview_sums *sums, const struct preview_life *life)
{
    sums->jobs++;
    if (sums->outcomes[life->outcome]++ == 0)
        sums->first[life->outcome] = sums->jobs;
    sums->polls += life->polls;
    sums->bent += life->bent;
    add_refusals(sums, life);
    if (life->outcome == PREVIEW_FAILED && !add_code(sums, life))
        return false;
    if (life->granted && !preview_spans_add(&sums->line, life->waited))
        return false;
    return life->outcome >= PREVIEW_ENDS ||
           preview_spans_add(&sums->spans[life->outcome], life->end - life->start);
}

/* The most frequent first, those that are as frequent by their names. */
static int by_count(const void *left, const void *right)
{
    const struct preview_code *a = left, *b = right;

    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return strcmp(a->code.bytes, b->code.bytes);
}

bool preview_sums_end(struct preview_sums *sums)
{
    struct preview_spans *all = &sums->all;
    size_t count = 0;
    int i;

    for (i = 0; i < PREVIEW_ENDS; i++) {
        preview_spans_sort(&sums->spans[i]);
        count += sums->spans[i].count;
    }
    preview_spans_sort(&sums->line);
    qsort(sums->codes, sums->code_count, sizeof(sums->codes[0]), by_count);
    all->at = malloc(count > 0 ? count * sizeof(*all->at) : 1);
    if (!all->at)
        return false;
    all->room = count;
    for (i = 0; i < PREVIEW_ENDS; i++) {
        if (sums->spans[i].count > 0)
            memcpy(all->at + all->count, sums->spans[i].at,
                   sums->spans[i].count * sizeof(*all->at));
        all->count += sums->spans[i].count;
    }
    preview_spans_sort(all);
    return true;
}

void preview_sums_finish(struct preview_sums *sums)
{
    size_t i;

    for (i = 0; i < PREVIEW_ENDS; i++)
        free(sums->spans[i].at);
    free(sums->all.at);
    free(sums->line.at);
    for (i = 0; i < sums->code_count; i++) {
        text_finish(&sums->codes[i].code);
        text_finish(&sums->codes[i].message);
    }
    *sums = (struct preview_sums){0};
}

/* ---- what they say ---- */

void preview_quantiles(const struct preview_spans *spans, struct preview_quantiles *quantiles)
{
    double sum = 0;
    size_t i;

    for (i = 0; i < spans->count; i++)
        sum += (double)spans->at[i];
    *quantiles = (struct preview_quantiles){.min = spans->at[0],
                                            .p10 = quantile(spans->at, spans->count, 10),
                                            .p50 = quantile(spans->at, spans->count, 50),
                                            .p90 = quantile(spans->at, spans->count, 90),
                                            .p99 = quantile(spans->at, spans->count, 99),
                                            .max = spans->at[spans->count - 1],
                                            .mean = sum / (double)spans->count};
}

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* The smallest width that people like with which the buckets suffice. */
static vts_ms bucket_width(vts_ms from, vts_ms to)
{
    static const vts_ms liked[] = {
        1,           2,        5,          10,         20,          50,          100,
        200,         500,      SECOND,     2 * SECOND, 5 * SECOND,  10 * SECOND, 20 * SECOND,
        30 * SECOND, MINUTE,   2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE,
        HOUR,        2 * HOUR, 3 * HOUR,   6 * HOUR,   12 * HOUR,   DAY};
    const size_t count = sizeof(liked) / sizeof(liked[0]);
    vts_ms width;
    size_t i;

    for (i = 0, width = liked[0]; to / width - from / width >= PREVIEW_BUCKETS_MAX; i++)
        width = i + 1 < count ? liked[i + 1] : width * 2;
    return width;
}

void preview_histogram(const struct preview_spans *spans, struct preview_histogram *histogram)
{
    struct preview_bucket *bucket;
    vts_ms min, max, high, width, from;
    size_t i;

    memset(histogram, 0, sizeof(*histogram));
    if (spans->count == 0)
        return;
    bucket = histogram->buckets;
    min = spans->at[0];
    max = spans->at[spans->count - 1];
    high = quantile(spans->at, spans->count, 99);
    if ((max - min) / 2 <= high - min)
        high = max;
    width = min == high ? 1 : bucket_width(min, high);
    for (from = min / width * width; from <= high; from += width)
        *bucket++ = (struct preview_bucket){.from = from, .to = from + width};
    if (high < max && bucket[-1].to <= max)
        *bucket++ = (struct preview_bucket){.from = from, .to = RECORD_NEVER};
    histogram->count = (size_t)(bucket - histogram->buckets);
    for (bucket = histogram->buckets, i = 0; i < spans->count; i++) {
        while (spans->at[i] >= bucket->to)
            bucket++;
        bucket->count++;
    }
}
