/* SPDX-License-Identifier: MIT
 *
 * A preview as a page for people, in plain text that can be pasted: bars are blocks where the locale has
 * them, else ASCII; no colours. See preview.h. */
#include "preview.h"

#include "../config/problems.h"

/* The width of what stands before the bars of outcomes. */
#define LABEL_WIDTH 16
#define COUNT_WIDTH 9
#define SHARE_WIDTH 7
#define SPAN_WIDTH  8

/* Bytes that are shown of an error's code and message. */
#define CODE_MAX    40
#define MESSAGE_MAX 300

struct page {
    const struct preview_report *report;
    const struct preview_sums *sums;
    int columns;
    bool blocks;
    struct text *out;
};

/* ---- pieces ---- */

static void add_repeated(struct text *out, const char *what, int times)
{
    while (times-- > 0)
        text_puts(out, what);
}

/* A bar of `room` cells for `most`; whatever is there is seen. */
static void add_bar(const struct page *page, uint64_t value, uint64_t most, int room)
{
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const int steps = page->blocks ? 8 : 1;
    int length = (int)((double)value / (double)most * room * steps + 0.5);

    if (value == 0)
        return;
    if (length == 0)
        length = 1;
    text_puts(page->out, "  ");
    add_repeated(page->out, page->blocks ? "█" : "#", length / steps);
    text_puts(page->out, parts[length % steps]);
}

/* Somebody else's text in quotes, cut where it is longer than `most` bytes. */
static void add_quoted(struct text *out, const char *bytes, size_t length, size_t most)
{
    size_t shown = length > most ? text_valid_utf8(bytes, most) : length;

    text_puts(out, "\"");
    problems_clean(out, bytes, shown);
    text_puts(out, shown < length ? "...\"" : "\"");
}

/* Lines of words, as many columns as there are, each behind this many spaces. */
static void add_wrapped(const struct page *page, int indent, const char *words)
{
    size_t room = (size_t)(page->columns - indent), length, word;

    while (*words) {
        for (length = strcspn(words, " "); words[length]; length += 1 + word) {
            word = strcspn(words + length + 1, " ");
            if (length + 1 + word > room)
                break;
        }
        text_printf(page->out, "%*s", indent, "");
        text_add(page->out, words, length);
        text_puts(page->out, "\n");
        words += length + (words[length] == ' ');
    }
}

/* A label that is too long takes the room of its number. */
static void add_count(const struct page *page, const char *label, uint64_t count)
{
    int beyond = (int)strlen(label) - LABEL_WIDTH;
    int width = COUNT_WIDTH - 1 - (beyond > 0 ? beyond : 0);
    char share[PREVIEW_SPAN_ROOM];

    text_printf(page->out, "  %-*s %*llu%*s", LABEL_WIDTH, label, width > 0 ? width : 0,
                (unsigned long long)count, SHARE_WIDTH,
                preview_share(count, page->sums->jobs, share));
}

/* ---- outcomes ---- */

static const char *label_of(enum preview_outcome outcome)
{
    return outcome == PREVIEW_WAITING      ? "waits for ever"
           : outcome == PREVIEW_UNFINISHED ? "not ended"
                                           : preview_outcome_name(outcome);
}

static int bar_room(const struct page *page)
{
    return page->columns - 2 - LABEL_WIDTH - COUNT_WIDTH - SHARE_WIDTH - 2;
}

/* What the first failure of a code said: behind its count, or below it where that is too narrow. */
static void add_message(const struct page *page, const struct preview_code *code)
{
    struct text message = TEXT_INIT;

    add_quoted(&message, code->message.bytes, code->message.length, MESSAGE_MAX);
    if (message.failed) {
        page->out->failed = true;
    } else if (message.length <= (size_t)bar_room(page)) {
        text_printf(page->out, "  %s\n", message.bytes);
    } else {
        text_puts(page->out, "\n");
        add_wrapped(page, 6, message.bytes);
    }
    text_finish(&message);
}

static void add_codes(const struct page *page)
{
    const struct preview_code *code;
    struct text label = TEXT_INIT;
    size_t i;

    for (i = 0; i < page->sums->code_count; i++) {
        code = &page->sums->codes[i];
        text_reset(&label);
        text_puts(&label, "  ");
        add_quoted(&label, code->code.bytes, code->code.length, CODE_MAX);
        page->out->failed |= label.failed;
        add_count(page, label.failed ? "" : label.bytes, code->count);
        add_message(page, code);
    }
    if (page->sums->other_codes > 0) {
        add_count(page, "  other codes", page->sums->other_codes);
        text_puts(page->out, "\n");
    }
    text_finish(&label);
}

static void add_outcomes(const struct page *page)
{
    const struct preview_sums *sums = page->sums;
    int i;

    text_puts(page->out, "\noutcomes\n");
    for (i = 0; i < PREVIEW_OUTCOMES; i++) {
        if (sums->outcomes[i] == 0)
            continue;
        add_count(page, label_of((enum preview_outcome)i), sums->outcomes[i]);
        add_bar(page, sums->outcomes[i], sums->jobs, bar_room(page));
        text_puts(page->out, "\n");
        if (i == PREVIEW_FAILED)
            add_codes(page);
    }
}

/* "Retry-After 2s to 5s" */
static void add_retry_after(const struct preview_sums *sums, struct text *note)
{
    char least[PREVIEW_SPAN_ROOM], most[PREVIEW_SPAN_ROOM];

    if (sums->retry_most == RECORD_NEVER) {
        text_puts(note, "without Retry-After");
        return;
    }
    text_printf(note, "Retry-After %s", preview_span(sums->retry_least, least));
    if (sums->retry_least < sums->retry_most)
        text_printf(note, " to %s", preview_span(sums->retry_most, most));
}

static void note_refusals(const struct preview_sums *sums, struct text *note)
{
    char share[PREVIEW_SPAN_ROOM];

    text_printf(note, "%llu of the jobs (%s) were refused when first asked for, ",
                (unsigned long long)sums->refused_jobs,
                preview_share(sums->refused_jobs, sums->jobs, share));
    add_retry_after(sums, note);
    text_printf(note,
                "; %llu starts were refused in all. A job that is refused with 429 or 5xx is asked "
                "for again after Retry-After, or 1s where none is told, %d times at most.",
                (unsigned long long)sums->refusals, PREVIEW_ASKS_MAX);
}

/* A paragraph of what has to be known to read the numbers. */
static void end_note(const struct page *page, struct text *note)
{
    if (note->failed) {
        page->out->failed = true;
    } else {
        text_puts(page->out, "\n");
        add_wrapped(page, 0, note->bytes);
    }
    text_finish(note);
}

static void note_slots(const struct preview_report *report, struct text *note)
{
    char every[PREVIEW_SPAN_ROOM];

    text_puts(note, "These jobs share slots: they live beside each other, and ");
    if (report->every > 0)
        text_printf(note, "come %s apart.", preview_span(report->every, every));
    else
        text_puts(note, "come all at once (--every SPAN lets them come apart).");
}

static void add_notes(const struct page *page)
{
    const struct preview_sums *sums = page->sums;
    struct text note = TEXT_INIT;

    if (page->report->slots) {
        note_slots(page->report, &note);
        end_note(page, &note);
    }
    if (sums->refusals > 0) {
        note_refusals(sums, &note);
        end_note(page, &note);
    }
    if (sums->polls > 0) {
        text_printf(&note,
                    "Polls move these jobs: each is polled once a second from its start, %.1f "
                    "times on average.",
                    (double)sums->polls / (double)sums->jobs);
        end_note(page, &note);
    }
    if (sums->bent > 0) {
        text_printf(&note, "%llu of the accepted starts are answered otherwise than usual.",
                    (unsigned long long)sums->bent);
        end_note(page, &note);
    }
    if (sums->outcomes[PREVIEW_UNFINISHED] > 0) {
        text_printf(&note, "Not ended: given up after %d wakes or %d polls.", PREVIEW_WAKES_MAX,
                    PREVIEW_POLLS_MAX);
        end_note(page, &note);
    }
}

/* ---- durations ---- */

static void add_row(const struct page *page, const char *label, const struct preview_spans *spans)
{
    struct preview_quantiles is;
    char text[PREVIEW_SPAN_ROOM];
    vts_ms spans_shown[7];
    size_t i;

    preview_quantiles(spans, &is);
    memcpy(spans_shown,
           ((vts_ms[]){is.min, is.p10, is.p50, is.p90, is.p99, is.max, (vts_ms)(is.mean + 0.5)}),
           sizeof(spans_shown));
    text_printf(page->out, "  %-*s", LABEL_WIDTH - 3, label);
    for (i = 0; i < 7; i++)
        text_printf(page->out, " %*s", SPAN_WIDTH - 1, preview_span_about(spans_shown[i], text));
    text_puts(page->out, "\n");
}

static void add_durations(const struct page *page)
{
    static const char *const heads[] = {"min", "p10", "p50", "p90", "p99", "max", "mean"};
    const struct preview_sums *sums = page->sums;
    size_t i;

    if (sums->all.count == 0) {
        text_puts(page->out, "\nNo job ended: there are no durations.\n");
        return;
    }
    text_printf(page->out, "\n%-*s", LABEL_WIDTH - 1, "durations");
    for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        text_printf(page->out, " %*s", SPAN_WIDTH - 1, heads[i]);
    text_puts(page->out, "\n");
    for (i = 0; i < PREVIEW_ENDS; i++)
        if (sums->spans[i].count > 0)
            add_row(page, preview_outcome_name((enum preview_outcome)i), &sums->spans[i]);
    if (sums->spans[0].count < sums->all.count && sums->spans[1].count < sums->all.count &&
        sums->spans[2].count < sums->all.count)
        add_row(page, "all", &sums->all);
    if (sums->line.count > 0)
        add_row(page, "of it queued", &sums->line);
}

/* "2s to 4s", "from 24s", and "10s" where all are the same. */
static void add_bucket_label(const struct page *page, const struct preview_bucket *bucket)
{
    char from[PREVIEW_SPAN_ROOM], to[PREVIEW_SPAN_ROOM], label[2 * PREVIEW_SPAN_ROOM + 8];

    preview_span(bucket->from, from);
    if (bucket->to == RECORD_NEVER)
        snprintf(label, sizeof(label), "%s and more", from);
    else if (bucket->to - bucket->from == 1)
        snprintf(label, sizeof(label), "%s", from);
    else
        snprintf(label, sizeof(label), "%s to %s", from, preview_span(bucket->to, to));
    add_count(page, label, bucket->count);
}

static void add_histogram(const struct page *page)
{
    struct preview_histogram histogram;
    uint64_t most = 1;
    size_t i;

    preview_histogram(&page->sums->all, &histogram);
    if (histogram.count == 0)
        return;
    text_puts(page->out, "\nhistogram of durations\n");
    for (i = 0; i < histogram.count; i++)
        if (histogram.buckets[i].count > most)
            most = histogram.buckets[i].count;
    for (i = 0; i < histogram.count; i++) {
        add_bucket_label(page, &histogram.buckets[i]);
        add_bar(page, histogram.buckets[i].count, most, bar_room(page));
        text_puts(page->out, "\n");
    }
}

/* ---- timelines ---- */

enum mark {
    MARK_ASKED,
    MARK_QUEUED,
    MARK_RUNNING,
    MARK_COMPLETED,
    MARK_FAILED,
    MARK_CANCELLED,
    MARK_GOES_ON
};

/* What stands in a cell; a running job's has four grades of progress. */
static const char *mark(const struct page *page, enum mark mark, double progress)
{
    static const char *const ascii[] = {".", ":", "", "+", "x", "|", ">"};
    static const char *const blocks[] = {"·", "┄", "", "✓", "✗", "|", ">"};
    static const char *const ascii_running[] = {"-", "=", "*", "#"};
    static const char *const blocks_running[] = {"░", "▒", "▓", "█"};
    int grade = (int)(progress * 4);

    if (mark != MARK_RUNNING)
        return page->blocks ? blocks[mark] : ascii[mark];
    grade = grade > 3 ? 3 : grade;
    return page->blocks ? blocks_running[grade] : ascii_running[grade];
}

static enum mark end_mark(const struct preview_life *life)
{
    static const enum mark marks[] = {MARK_COMPLETED, MARK_FAILED,  MARK_CANCELLED,
                                      MARK_GOES_ON,   MARK_GOES_ON, MARK_ASKED};

    return marks[life->outcome];
}

static enum mark mark_of(enum vts_state state)
{
    return state == VTS_ASKED ? MARK_ASKED : state == VTS_QUEUED ? MARK_QUEUED : MARK_RUNNING;
}

/* One job's cells, each as the job is in its middle; behind the last one, how it ends. */
static void add_cells(const struct page *page, const struct preview_timeline *timeline, vts_ms span,
                      int room)
{
    const struct preview_life *life = &timeline->life;
    double cell = (double)span / (room - 1), progress;
    int end = life->end == RECORD_NEVER ? room - 1 : (int)((double)life->end / cell), i;

    for (i = 0; i < end; i++) {
        enum vts_state state = preview_timeline_at(timeline, (vts_ms)((i + 0.5) * cell), &progress);

        text_puts(page->out, mark(page, mark_of(state), progress));
    }
    text_puts(page->out, mark(page, end_mark(life), 0));
}

/* Whether it waits for a slot behind this point, and for some time. */
static bool waits_at(const struct preview_timeline *timeline, size_t point)
{
    const struct preview_point *at = timeline->points + point;

    return at->state == VTS_QUEUED && (point + 1 == timeline->count || at[1].at > at->at);
}

/* What the marks mean that are there. */
static void add_legend(const struct page *page)
{
    const struct preview_timelines *timelines = page->report->timelines;
    static const char *const meanings[] = {"not let in yet", "queued",    "running", "completed",
                                           "failed",         "cancelled", "goes on"};
    bool there[MARK_GOES_ON + 1] = {false}, progress = false;
    const struct preview_timeline *timeline;
    size_t i, point;
    int at;

    for (i = 0; i < timelines->count; i++) {
        timeline = &timelines->all[i];
        there[MARK_ASKED] |= timeline->life.start != 0;
        there[MARK_RUNNING] |= timeline->life.start != RECORD_NEVER;
        there[end_mark(&timeline->life)] = true;
        for (point = 0; point < timeline->count; point++) {
            progress |= timeline->points[point].progress.to >= 0.25;
            there[MARK_QUEUED] |= waits_at(timeline, point);
        }
    }
    text_puts(page->out, " ");
    for (at = 0; at <= MARK_GOES_ON; at++) {
        if (!there[at])
            continue;
        text_printf(page->out, " %s%s%s%s %s%s ", mark(page, (enum mark)at, 0),
                    at == MARK_RUNNING && progress ? mark(page, MARK_RUNNING, 0.25) : "",
                    at == MARK_RUNNING && progress ? mark(page, MARK_RUNNING, 0.5) : "",
                    at == MARK_RUNNING && progress ? mark(page, MARK_RUNNING, 0.75) : "",
                    meanings[at], at == MARK_RUNNING && progress ? ", by its progress" : "");
    }
    while (page->out->length > 0 && page->out->bytes[page->out->length - 1] == ' ')
        page->out->bytes[--page->out->length] = '\0';
    text_puts(page->out, "\n");
}

static void add_timelines(const struct page *page)
{
    const struct preview_timelines *timelines = page->report->timelines;
    vts_ms span = preview_timelines_span(timelines);
    const struct preview_timeline *timeline;
    int id_width = 0, outcome_width = 0, room;
    char text[PREVIEW_SPAN_ROOM];
    size_t i;

    for (i = 0; i < timelines->count; i++) {
        timeline = &timelines->all[i];
        if ((int)strlen(timeline->id) > id_width)
            id_width = (int)strlen(timeline->id);
        if ((int)strlen(label_of(timeline->life.outcome)) > outcome_width)
            outcome_width = (int)strlen(label_of(timeline->life.outcome));
    }
    room = page->columns - 2 - id_width - 2 - outcome_width - SPAN_WIDTH - 2;
    text_printf(page->out, "\n%-*s0s%*s\n", page->columns - room, "timelines", room - 2,
                preview_span_about(span, text));
    for (i = 0; i < timelines->count; i++) {
        timeline = &timelines->all[i];
        text_printf(page->out, "  %-*s  %-*s%*s  ", id_width, timeline->id, outcome_width,
                    label_of(timeline->life.outcome), SPAN_WIDTH,
                    timeline->life.end == RECORD_NEVER
                        ? ""
                        : preview_span_about(timeline->life.end - timeline->life.start, text));
        add_cells(page, timeline, span, room);
        text_puts(page->out, "\n");
    }
    add_legend(page);
}

void preview_page(const struct preview_report *report, int columns, bool blocks, struct text *out)
{
    const struct page page = {report, report->sums, columns, blocks, out};
    uint64_t jobs = report->sums->jobs;

    text_puts(out, "preview of ");
    add_quoted(out, report->behaviour, strlen(report->behaviour), 255);
    text_printf(out, " (plugin %s): %llu job%s, seed %llu\n", report->plugin,
                (unsigned long long)jobs, jobs == 1 ? "" : "s", (unsigned long long)report->seed);
    add_outcomes(&page);
    add_notes(&page);
    add_durations(&page);
    add_histogram(&page);
    add_timelines(&page);
}
