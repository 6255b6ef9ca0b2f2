/* SPDX-License-Identifier: MIT
 *
 * The sums of a preview: quantiles by nearest rank, the histogram's buckets, and what is counted. */
#include <tools/preview.h>

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- quantiles ---- */

static void assert_quantiles(vts_ms *spans, size_t count, const struct preview_quantiles *wanted)
{
    struct preview_quantiles is;

    preview_quantiles(&(struct preview_spans){spans, count, count}, &is);
    if (is.min != wanted->min || is.p10 != wanted->p10 || is.p50 != wanted->p50 ||
        is.p90 != wanted->p90 || is.p99 != wanted->p99 || is.max != wanted->max ||
        fabs(is.mean - wanted->mean) > 1e-12 * wanted->mean)
        fail_msg("of %zu: min %lld p10 %lld p50 %lld p90 %lld p99 %lld max %lld mean %f", count,
                 (long long)is.min, (long long)is.p10, (long long)is.p50, (long long)is.p90,
                 (long long)is.p99, (long long)is.max, is.mean);
}

static void quantiles_by_nearest_rank(void **state)
{
    vts_ms hundred[100], thousand[1001];
    size_t i;

    (void)state;
    assert_quantiles((vts_ms[]){7}, 1, &(struct preview_quantiles){7, 7, 7, 7, 7, 7, 7});
    assert_quantiles((vts_ms[]){1, 4}, 2, &(struct preview_quantiles){1, 1, 1, 4, 4, 4, 2.5});
    assert_quantiles((vts_ms[]){1, 2, 6}, 3, &(struct preview_quantiles){1, 1, 2, 6, 6, 6, 3});
    for (i = 0; i < 100; i++)
        hundred[i] = (vts_ms)i + 1;
    assert_quantiles(hundred, 100, &(struct preview_quantiles){1, 10, 50, 90, 99, 100, 50.5});
    for (i = 0; i < 1001; i++)
        thousand[i] = (vts_ms)i + 1;
    /* 10 % of 1001 are 100.1: the 101st is the first with no less below and at it. */
    assert_quantiles(thousand, 1001, &(struct preview_quantiles){1, 101, 501, 901, 991, 1001, 501});
    /* No sum overflows: all to the end of time. */
    for (i = 0; i < 1001; i++)
        thousand[i] = VTS_TIME_END;
    assert_quantiles(thousand, 1001,
                     &(struct preview_quantiles){VTS_TIME_END, VTS_TIME_END, VTS_TIME_END,
                                                 VTS_TIME_END, VTS_TIME_END, VTS_TIME_END,
                                                 (double)VTS_TIME_END});
}

/* ---- the histogram ---- */

/* "0..5:3 5..10:1 10..:2" */
static void assert_histogram(vts_ms *spans, size_t count, const char *wanted)
{
    struct preview_histogram histogram;
    struct text text = TEXT_INIT;
    size_t i;

    preview_histogram(&(struct preview_spans){spans, count, count}, &histogram);
    text_puts(&text, "");
    for (i = 0; i < histogram.count; i++) {
        text_printf(&text, "%s%lld..", i ? " " : "", (long long)histogram.buckets[i].from);
        if (histogram.buckets[i].to != RECORD_NEVER)
            text_printf(&text, "%lld", (long long)histogram.buckets[i].to);
        text_printf(&text, ":%llu", (unsigned long long)histogram.buckets[i].count);
    }
    assert_string_equal(text.bytes, wanted);
    text_finish(&text);
}

static void buckets_that_people_like(void **state)
{
    (void)state;
    assert_histogram(NULL, 0, "");
    assert_histogram((vts_ms[]){0}, 1, "0..1:1");
    assert_histogram((vts_ms[]){10000, 10000, 10000}, 3, "10000..10001:3");
    assert_histogram((vts_ms[]){3, 5}, 2, "3..4:1 4..5:0 5..6:1");
    /* 16 buckets of 1 would do for 0 to 15, and not for 0 to 16. */
    assert_histogram((vts_ms[]){0, 15}, 2,
                     "0..1:1 1..2:0 2..3:0 3..4:0 4..5:0 5..6:0 6..7:0 7..8:0 8..9:0 9..10:0 "
                     "10..11:0 11..12:0 12..13:0 13..14:0 14..15:0 15..16:1");
    assert_histogram((vts_ms[]){0, 16}, 2,
                     "0..2:1 2..4:0 4..6:0 6..8:0 8..10:0 10..12:0 12..14:0 14..16:0 16..18:1");
    /* They begin at a whole number of widths; an edge belongs to the bucket above it. */
    assert_histogram((vts_ms[]){1999, 2000, 7000, 11999}, 4,
                     "1000..2000:1 2000..3000:1 3000..4000:0 4000..5000:0 5000..6000:0 "
                     "6000..7000:0 7000..8000:1 8000..9000:0 9000..10000:0 10000..11000:0 "
                     "11000..12000:1");
}

/* Few that are much longer than all others do not press those into one bucket. */
static void a_tail_has_a_bucket(void **state)
{
    vts_ms spans[200];
    size_t i;

    (void)state;
    for (i = 0; i < 200; i++)
        spans[i] = i < 100 ? 1 : i < 199 ? 3 : 86400000;
    assert_histogram(spans, 200, "1..2:100 2..3:0 3..4:99 4..:1");
    for (i = 0; i < 199; i++)
        spans[i] = 10;
    assert_histogram(spans, 200, "10..11:199 11..:1");
    spans[199] = 11;
    assert_histogram(spans, 200, "10..11:199 11..12:1");
    /* No tail where the last bucket has room for it. */
    for (i = 0; i < 200; i++)
        spans[i] = i < 100 ? 0 : i < 199 ? 18 : 19;
    assert_histogram(spans, 200,
                     "0..2:100 2..4:0 4..6:0 6..8:0 8..10:0 10..12:0 12..14:0 14..16:0 16..18:0 "
                     "18..20:100");
}

static void all_of_time(void **state)
{
    vts_ms spans[] = {0, 1, VTS_TIME_END};
    struct preview_histogram histogram;
    uint64_t sum = 0;
    size_t i;

    (void)state;
    preview_histogram(&(struct preview_spans){spans, 3, 3}, &histogram);
    assert_in_range(histogram.count, 2, PREVIEW_BUCKETS_MAX + 1);
    for (i = 0; i < histogram.count; i++)
        sum += histogram.buckets[i].count;
    assert_int_equal(sum, 3);
    assert_int_equal(histogram.buckets[0].count, 2);
    assert_int_equal(histogram.buckets[histogram.count - 1].count, 1);
}

/* ---- counting ---- */

#define BYTES(text)                                                                                \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    }

static void add(struct preview_sums *sums, struct preview_life life)
{
    assert_true(preview_sums_add(sums, &life));
}

static void what_is_counted(void **state)
{
    struct preview_sums sums;

    (void)state;
    preview_sums_init(&sums);
    add(&sums, (struct preview_life){.outcome = PREVIEW_COMPLETED,
                                     .start = 2000,
                                     .end = 9000,
                                     .refusals = 2,
                                     .retry_after = 1000});
    add(&sums, (struct preview_life){.outcome = PREVIEW_FAILED,
                                     .end = 4000,
                                     .retry_after = RECORD_NEVER,
                                     .bent = true,
                                     .code = BYTES("oom"),
                                     .message = BYTES("no memory")});
    add(&sums,
        (struct preview_life){
            .outcome = PREVIEW_COMPLETED, .end = 3000, .retry_after = RECORD_NEVER, .polls = 3});
    add(&sums, (struct preview_life){.outcome = PREVIEW_REFUSED,
                                     .start = RECORD_NEVER,
                                     .end = RECORD_NEVER,
                                     .refusals = 100,
                                     .retry_after = 5000});
    assert_true(preview_sums_end(&sums));
    assert_int_equal(sums.jobs, 4);
    assert_int_equal(sums.outcomes[PREVIEW_COMPLETED], 2);
    assert_int_equal(sums.outcomes[PREVIEW_FAILED], 1);
    assert_int_equal(sums.outcomes[PREVIEW_REFUSED], 1);
    assert_int_equal(sums.first[PREVIEW_COMPLETED], 1);
    assert_int_equal(sums.first[PREVIEW_FAILED], 2);
    assert_int_equal(sums.first[PREVIEW_REFUSED], 4);
    assert_int_equal(sums.first[PREVIEW_WAITING], 0);
    assert_int_equal(sums.refused_jobs, 2);
    assert_int_equal(sums.refusals, 102);
    assert_int_equal(sums.retry_least, 1000);
    assert_int_equal(sums.retry_most, 5000);
    assert_int_equal(sums.bent, 1);
    assert_int_equal(sums.polls, 3);
    /* Durations count from the start, sorted. */
    assert_int_equal(sums.all.count, 3);
    assert_int_equal(sums.all.at[0], 3000);
    assert_int_equal(sums.all.at[1], 4000);
    assert_int_equal(sums.all.at[2], 7000);
    assert_int_equal(sums.spans[PREVIEW_FAILED].count, 1);
    assert_int_equal(sums.code_count, 1);
    assert_string_equal(sums.codes[0].code.bytes, "oom");
    assert_string_equal(sums.codes[0].message.bytes, "no memory");
    preview_sums_finish(&sums);
}

static void add_failure(struct preview_sums *sums, const char *code)
{
    add(sums, (struct preview_life){.outcome = PREVIEW_FAILED,
                                    .retry_after = RECORD_NEVER,
                                    .code = {code, strlen(code)},
                                    .message = {code, strlen(code)}});
}

/* The most frequent first; beyond those that are told apart there is a number. */
static void errors_by_code(void **state)
{
    struct preview_sums sums;
    char code[8];
    int i;

    (void)state;
    preview_sums_init(&sums);
    for (i = 0; i < PREVIEW_CODES_MAX + 3; i++) {
        snprintf(code, sizeof(code), "c%02d", i);
        add_failure(&sums, code);
    }
    add_failure(&sums, "c05");
    add_failure(&sums, "c05");
    add_failure(&sums, "c15");
    add_failure(&sums, "c0"); /* the beginning of another is not the same */
    assert_true(preview_sums_end(&sums));
    assert_int_equal(sums.code_count, PREVIEW_CODES_MAX);
    assert_int_equal(sums.other_codes, 4);
    assert_string_equal(sums.codes[0].code.bytes, "c05");
    assert_int_equal(sums.codes[0].count, 3);
    assert_string_equal(sums.codes[1].code.bytes, "c15");
    assert_int_equal(sums.codes[1].count, 2);
    assert_string_equal(sums.codes[2].code.bytes, "c00");
    assert_int_equal(sums.codes[2].count, 1);
    preview_sums_finish(&sums);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_by_nearest_rank), cmocka_unit_test(buckets_that_people_like),
        cmocka_unit_test(a_tail_has_a_bucket),       cmocka_unit_test(all_of_time),
        cmocka_unit_test(what_is_counted),           cmocka_unit_test(errors_by_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
