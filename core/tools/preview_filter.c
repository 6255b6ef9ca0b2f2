/* SPDX-License-Identifier: MIT
 *
 * The preview of a filter: jobs come one after the other and are polled, and what the filter makes of those
 * requests is counted and shown, as a page, as JSON or as CSV. The jobs are the trial's, so nothing but the filter
 * bends an answer. See preview.h. */
#include "../config/problems.h"
#include "preview.h"

#include <stdlib.h>

/* What a request got, in one word or two; those beyond share the last one. */
#define ANSWERS_MAX 24
#define LABEL_ROOM  32
#define CELLS       60 /* of the strip that shows when there is trouble */

struct answers {
    char label[LABEL_ROOM];
    uint64_t starts, polls;
    vts_ms retry_least, retry_most; /* RECORD_NEVER: none told */
};

struct tally {
    struct answers each[ANSWERS_MAX]; /* the first: as usual */
    size_t count;
    uint64_t starts, polls;
    struct preview_spans late; /* by how much, of the answers that are late and nothing else */
    uint64_t requests[CELLS], troubled[CELLS];
    vts_ms span; /* that the cells share */
    bool no_memory;
};

/* ---- counting ---- */

static bool is_late(const struct vts_answer *answer)
{
    return answer && answer->status < 300 && answer->cut == VTS_BREAK_NONE &&
           answer->body == VTS_BODY_USUAL && !answer->word && answer->state == 0 &&
           answer->stall + answer->dribble > 0;
}

static void label_answer(const struct vts_answer *answer, char label[LABEL_ROOM])
{
    static const char *const cuts[] = {"", "reset", "empty", "truncate", "garbage"};
    static const char *const bodies[] = {"", "html", "invalid json", "no status", "missing"};
    const char *word = "as usual";
    int status = answer ? answer->status : 0;

    if (is_late(answer))
        word = "late";
    else if (answer && answer->cut > 0 && (size_t)answer->cut < sizeof(cuts) / sizeof(cuts[0]))
        word = cuts[answer->cut], status = 0;
    else if (answer && answer->body > 0 &&
             (size_t)answer->body < sizeof(bodies) / sizeof(bodies[0]))
        word = bodies[answer->body];
    else if (answer && (answer->word || answer->state))
        word = "another status";
    else if (status > 0)
        word = "http";
    snprintf(label, LABEL_ROOM, status > 0 ? "%s %d" : "%s", word, status);
}

static struct answers *answers_labelled(struct tally *tally, const char *label)
{
    size_t i;

    for (i = 0; i < tally->count; i++)
        if (strcmp(tally->each[i].label, label) == 0)
            return &tally->each[i];
    if (tally->count == ANSWERS_MAX)
        return &tally->each[ANSWERS_MAX - 1];
    tally->each[i] = (struct answers){.retry_least = RECORD_NEVER, .retry_most = RECORD_NEVER};
    snprintf(tally->each[i].label, LABEL_ROOM, "%s", i == ANSWERS_MAX - 1 ? "others" : label);
    tally->count++;
    return &tally->each[i];
}

/* As it is sent: in whole seconds, rounded up. */
static void note_retry_after(struct answers *answers, const struct vts_answer *answer)
{
    vts_ms told = answer->retry_after < 0 ? 0 : (answer->retry_after + 999) / 1000 * 1000;

    if (answer->retry_after == 0)
        return;
    if (answers->retry_least == RECORD_NEVER || told < answers->retry_least)
        answers->retry_least = told;
    if (answers->retry_most == RECORD_NEVER || told > answers->retry_most)
        answers->retry_most = told;
}

static void see(void *arg, struct trial_job *job, const struct trial_seen *seen)
{
    struct tally *tally = arg;
    bool start = seen->event == TRIAL_ASK;
    struct answers *answers;
    char label[LABEL_ROOM];
    vts_ms since = seen->moment - TRIAL_START;
    size_t cell =
        since < tally->span ? (size_t)((double)since / (double)tally->span * CELLS) : CELLS - 1;

    (void)job;
    if (!start && seen->event != TRIAL_POLL)
        return;
    label_answer(seen->answer, label);
    answers = answers_labelled(tally, label);
    answers->starts += start;
    answers->polls += !start;
    tally->starts += start;
    tally->polls += !start;
    if (seen->answer)
        note_retry_after(answers, seen->answer);
    if (is_late(seen->answer) &&
        !preview_spans_add(&tally->late, seen->answer->stall + seen->answer->dribble))
        tally->no_memory = true;
    tally->requests[cell]++;
    tally->troubled[cell] += answers != &tally->each[0] && !is_late(seen->answer);
}

static bool told(void *arg, uint64_t number, const struct preview_life *life)
{
    (void)number;
    (void)life;
    return !((const struct tally *)arg)->no_memory;
}

/* ---- output ---- */

static void add_share(struct text *out, uint64_t part, uint64_t whole)
{
    char share[PREVIEW_SPAN_ROOM];

    text_printf(out, " %9llu %6s", (unsigned long long)part,
                whole ? preview_share(part, whole, share) : "");
}

static void add_answers(const struct tally *tally, struct text *out)
{
    char least[PREVIEW_SPAN_ROOM], most[PREVIEW_SPAN_ROOM];
    const struct answers *answers;
    size_t i;

    text_puts(out, "\nanswers             starts             polls         Retry-After\n");
    for (i = 0; i < tally->count; i++) {
        answers = &tally->each[i];
        text_printf(out, "  %-15s", answers->label);
        add_share(out, answers->starts, tally->starts);
        add_share(out, answers->polls, tally->polls);
        if (answers->retry_most != RECORD_NEVER)
            text_printf(out, "  %s", preview_span(answers->retry_least, least));
        if (answers->retry_most > answers->retry_least)
            text_printf(out, " to %s", preview_span(answers->retry_most, most));
        text_puts(out, "\n");
    }
}

static void add_late(const struct tally *tally, struct text *out)
{
    struct preview_quantiles is;
    char least[PREVIEW_SPAN_ROOM], half[PREVIEW_SPAN_ROOM], most[PREVIEW_SPAN_ROOM];

    if (tally->late.count == 0)
        return;
    preview_quantiles(&tally->late, &is);
    text_printf(out, "\nLate by %s to %s, half of them by no more than %s.\n",
                preview_span_about(is.min, least), preview_span_about(is.max, most),
                preview_span_about(is.p50, half));
}

/* How much of what was asked in each cell's time was refused or broken. */
static void add_strip(const struct tally *tally, bool blocks, struct text *out)
{
    static const char *const ascii[] = {".", "-", "=", "*", "#"};
    static const char *const shades[] = {"·", "░", "▒", "▓", "█"};
    const char *const *marks = blocks ? shades : ascii;
    char span[PREVIEW_SPAN_ROOM];
    size_t i, grade;

    text_printf(out, "\ntrouble in time     0s%*s\n                    ", CELLS - 2,
                preview_span_about(tally->span, span));
    for (i = 0; i < CELLS; i++) {
        grade = tally->troubled[i] == 0
                    ? 0
                    : 1 + (size_t)(3.999 * (double)tally->troubled[i] / (double)tally->requests[i]);
        text_puts(out, tally->requests[i] ? marks[grade] : " ");
    }
    text_printf(out, "\n  %s all is answered  %s%s%s%s more and more of the requests are not\n",
                marks[0], marks[1], marks[2], marks[3], marks[4]);
}

static void print_page(const struct preview *preview, const struct instance *filter,
                       const struct tally *tally, struct text *out)
{
    char every[PREVIEW_SPAN_ROOM];

    text_puts(out, "preview of the filter \"");
    problems_clean(out, filter->name, strlen(filter->name));
    text_printf(out, "\" (plugin %s): %llu job%s, seed %llu\n\n", filter->base.plugin->name,
                (unsigned long long)preview->jobs, preview->jobs == 1 ? "" : "s",
                (unsigned long long)preview->seed);
    if (preview->every > 0)
        text_printf(out, "The jobs come %s apart", preview_span(preview->every, every));
    else
        text_puts(out, "The jobs come all at once");
    text_printf(
        out,
        ". One that is refused with 429 or 5xx is asked for\n"
        "again after Retry-After, or 1s; one that is let in is polled %d times, 1s apart.\n",
        PREVIEW_FILTER_POLLS);
    add_answers(tally, out);
    add_late(tally, out);
    add_strip(tally, preview_blocks(), out);
}

/* A moment that may be none, as JSON (null) or CSV (nothing). */
static void add_span(vts_ms span, const char *none, struct text *out)
{
    if (span == RECORD_NEVER)
        text_puts(out, none);
    else
        text_printf(out, "%lld", (long long)span);
}

static void print_json(const struct preview *preview, const struct instance *filter,
                       const struct tally *tally, struct text *out)
{
    size_t i;

    text_puts(out, "{\n  \"filter\": ");
    text_json(out, filter->name, strlen(filter->name));
    text_printf(out,
                ",\n  \"plugin\": \"%s\",\n  \"seed\": %llu,\n  \"jobs\": %llu,\n  \"every_ms\": "
                "%lld,\n  \"starts\": %llu,\n  \"polls\": %llu,\n  \"answers\": [",
                filter->base.plugin->name, (unsigned long long)preview->seed,
                (unsigned long long)preview->jobs, (long long)preview->every,
                (unsigned long long)tally->starts, (unsigned long long)tally->polls);
    for (i = 0; i < tally->count; i++) {
        text_printf(out, "%s\n    {\"answer\": \"%s\", \"starts\": %llu, \"polls\": %llu, ",
                    i ? "," : "", tally->each[i].label, (unsigned long long)tally->each[i].starts,
                    (unsigned long long)tally->each[i].polls);
        text_puts(out, "\"retry_after_least_ms\": ");
        add_span(tally->each[i].retry_least, "null", out);
        text_puts(out, ", \"retry_after_most_ms\": ");
        add_span(tally->each[i].retry_most, "null", out);
        text_puts(out, "}");
    }
    text_puts(out, "],\n  \"late_ms\": ");
    preview_json_quantiles(&tally->late, out);
    text_puts(out, "\n}\n");
}

static void print_csv(const struct tally *tally, struct text *out)
{
    size_t i;

    text_puts(out, "answer,starts,polls,retry_after_least_ms,retry_after_most_ms\n");
    for (i = 0; i < tally->count; i++) {
        text_printf(out, "%s,%llu,%llu,", tally->each[i].label,
                    (unsigned long long)tally->each[i].starts,
                    (unsigned long long)tally->each[i].polls);
        add_span(tally->each[i].retry_least, "", out);
        text_puts(out, ",");
        add_span(tally->each[i].retry_most, "", out);
        text_puts(out, "\n");
    }
}

/* The time in which requests come, as far as it is known before. */
static vts_ms span_of(const struct preview *preview)
{
    const vts_ms polled = PREVIEW_FILTER_POLLS * PREVIEW_POLL_SPAN;
    uint64_t gaps = preview->jobs - 1;

    if (preview->every > 0 && gaps > (uint64_t)((VTS_TIME_END - polled) / preview->every))
        return VTS_TIME_END;
    return polled + (vts_ms)gaps * preview->every;
}

bool preview_filter(struct trial *trial, const struct preview *preview, struct text *out)
{
    struct tally *tally = calloc(1, sizeof(*tally));
    bool good;

    if (!tally)
        return false;
    tally->span = span_of(preview);
    answers_labelled(tally, "as usual");
    trial->see = see;
    trial->arg = tally;
    good = preview_crowd(trial, preview->jobs, preview->every, told, tally);
    trial->see = NULL;
    preview_spans_sort(&tally->late);
    if (good && preview->format == PREVIEW_JSON)
        print_json(preview, trial_subject(trial), tally, out);
    else if (good && preview->format == PREVIEW_CSV)
        print_csv(tally, out);
    else if (good)
        print_page(preview, trial_subject(trial), tally, out);
    free(tally->late.at);
    free(tally);
    return good && !out->failed;
}
