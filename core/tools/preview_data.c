/* SPDX-License-Identifier: MIT
 *
 * A preview as numbers: one JSON object, or a line of CSV (RFC 4180) for each job. See preview.h. */
#include "preview.h"

/* ---- JSON ---- */

static void add_outcomes(const struct preview_sums *sums, struct text *out)
{
    int i;

    text_puts(out, "  \"outcomes\": {");
    for (i = 0; i < PREVIEW_OUTCOMES; i++)
        text_printf(out, "%s\"%s\": %llu", i ? ", " : "",
                    preview_outcome_name((enum preview_outcome)i),
                    (unsigned long long)sums->outcomes[i]);
    text_puts(out, "},\n");
}

static void add_errors(const struct preview_sums *sums, struct text *out)
{
    const struct preview_code *code;
    size_t i;

    text_puts(out, "  \"errors\": [");
    for (i = 0; i < sums->code_count; i++) {
        code = &sums->codes[i];
        text_puts(out, i ? ",\n    {\"code\": " : "\n    {\"code\": ");
        text_json(out, code->code.bytes, code->code.length);
        text_printf(out, ", \"count\": %llu, \"first_message\": ", (unsigned long long)code->count);
        text_json(out, code->message.bytes, code->message.length);
        text_puts(out, "}");
    }
    text_printf(out, "],\n  \"errors_with_other_codes\": %llu,\n",
                (unsigned long long)sums->other_codes);
}

void preview_json_quantiles(const struct preview_spans *spans, struct text *out)
{
    struct preview_quantiles is;

    if (spans->count == 0) {
        text_puts(out, "null");
        return;
    }
    preview_quantiles(spans, &is);
    text_printf(out,
                "{\"count\": %zu, \"min\": %lld, \"p10\": %lld, \"p50\": %lld, \"p90\": %lld, "
                "\"p99\": %lld, \"max\": %lld, \"mean\": %.3f}",
                spans->count, (long long)is.min, (long long)is.p10, (long long)is.p50,
                (long long)is.p90, (long long)is.p99, (long long)is.max, is.mean);
}

static void add_durations(const struct preview_sums *sums, struct text *out)
{
    int i;

    text_puts(out, "  \"durations_ms\": ");
    preview_json_quantiles(&sums->all, out);
    text_puts(out, ",\n  \"durations_ms_by_state\": {");
    for (i = 0; i < PREVIEW_ENDS; i++) {
        text_printf(out, "%s\n    \"%s\": ", i ? "," : "",
                    preview_outcome_name((enum preview_outcome)i));
        preview_json_quantiles(&sums->spans[i], out);
    }
    text_puts(out, "},\n");
    if (sums->line.count == 0)
        return;
    text_puts(out, "  \"waited_for_slot_ms\": ");
    preview_json_quantiles(&sums->line, out);
    text_puts(out, ",\n");
}

static void add_histogram(const struct preview_sums *sums, struct text *out)
{
    struct preview_histogram histogram;
    const struct preview_bucket *bucket;
    size_t i;

    preview_histogram(&sums->all, &histogram);
    text_puts(out, "  \"histogram\": [");
    for (i = 0; i < histogram.count; i++) {
        bucket = &histogram.buckets[i];
        text_printf(out, "%s\n    {\"from_ms\": %lld, ", i ? "," : "", (long long)bucket->from);
        if (bucket->to == RECORD_NEVER)
            text_puts(out, "\"to_ms\": null");
        else
            text_printf(out, "\"to_ms\": %lld", (long long)bucket->to);
        text_printf(out, ", \"count\": %llu}", (unsigned long long)bucket->count);
    }
    text_puts(out, "],\n");
}

static void add_ms(struct text *out, const char *name, vts_ms ms)
{
    if (ms == RECORD_NEVER)
        text_printf(out, ", \"%s\": null", name);
    else
        text_printf(out, ", \"%s\": %lld", name, (long long)ms);
}

void preview_json(const struct preview_report *report, struct text *out)
{
    const struct preview_sums *sums = report->sums;

    text_puts(out, "{\n  \"behaviour\": ");
    text_json(out, report->behaviour, strlen(report->behaviour));
    text_puts(out, ",\n  \"plugin\": ");
    text_json(out, report->plugin, strlen(report->plugin));
    text_printf(out, ",\n  \"seed\": %llu,\n  \"jobs\": %llu,\n", (unsigned long long)report->seed,
                (unsigned long long)sums->jobs);
    add_outcomes(sums, out);
    add_errors(sums, out);
    add_durations(sums, out);
    add_histogram(sums, out);
    text_printf(out, "  \"refusals\": {\"jobs\": %llu, \"starts\": %llu",
                (unsigned long long)sums->refused_jobs, (unsigned long long)sums->refusals);
    add_ms(out, "first_retry_after_least_ms", sums->retry_least);
    add_ms(out, "first_retry_after_most_ms", sums->retry_most);
    text_printf(out, "},\n  \"bent_starts\": %llu,\n  \"polls\": %llu\n}\n",
                (unsigned long long)sums->bent, (unsigned long long)sums->polls);
}

/* ---- CSV ---- */

const char preview_csv_head[] =
    "id,state,start_ms,end_ms,duration_ms,error_code,progress,polls,refusals\n";

static void add_field(struct text *out, const struct bytes *text)
{
    size_t i;
    bool quoted = false;

    for (i = 0; i < text->length && !quoted; i++)
        quoted = strchr(",\"\r\n", text->at[i]) && text->at[i];
    if (!quoted) {
        text_add(out, text->length > 0 ? text->at : "", text->length);
        return;
    }
    text_puts(out, "\"");
    for (i = 0; i < text->length; i++) {
        if (text->at[i] == '"')
            text_puts(out, "\"");
        text_add(out, text->at + i, 1);
    }
    text_puts(out, "\"");
}

static void add_moment(struct text *out, vts_ms at)
{
    if (at == RECORD_NEVER)
        text_puts(out, ",");
    else
        text_printf(out, ",%lld", (long long)at);
}

void preview_csv_line(const char *id, const struct preview_life *life, struct text *out)
{
    text_printf(out, "%s,%s", id, preview_outcome_name(life->outcome));
    add_moment(out, life->start);
    add_moment(out, life->end);
    add_moment(out, life->end == RECORD_NEVER ? RECORD_NEVER : life->end - life->start);
    text_puts(out, ",");
    add_field(out, &life->code);
    text_printf(out, ",%.6g,%llu,%u\n", life->progress, (unsigned long long)life->polls,
                life->refusals);
}
