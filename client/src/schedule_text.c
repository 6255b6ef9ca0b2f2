/* SPDX-License-Identifier: MIT
 *
 * Schedules as words: read from the command line, and printed. See schedule.h. */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "schedule.h"

#define MS_PER_DAY 86400000.0

#define TAKES_FIXED       "fixed takes a time, and: jitter PERCENT"
#define TAKES_EXPONENTIAL "exponential takes a time, and: xFACTOR, max TIME, jitter PERCENT"
#define TAKES_LEARN       "learn takes a time (of delay that a poll is worth), and: max TIME"
#define TAKES_BUDGET      "budget takes a number of polls, and: max TIME"

static const struct kind {
    const char *word;
    enum schedule_kind kind;
    const char *takes, *clauses; /* t: a time, n: a number, x: a factor, m: max, j: jitter */
} kinds[] = {
    {"fixed", SCHEDULE_FIXED, TAKES_FIXED, "tj"},
    {"exponential", SCHEDULE_EXPONENTIAL, TAKES_EXPONENTIAL, "txmj"},
    {"learn", SCHEDULE_COST, TAKES_LEARN, "tm"},
    {"budget", SCHEDULE_BUDGET, TAKES_BUDGET, "nm"},
};

static const struct unit {
    const char *name;
    double ms;
} units[] = {{"d", MS_PER_DAY}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

struct reader {
    const char *text, *word; /* word: where the one that is looked at begins */
    int length;              /* of it */
    const struct kind *kind;
    const char *seen[5]; /* where each of the kind's clauses stood, NULL: it did not */
    char *problem;
    size_t size;
};

/* ---- reading --------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static bool fail(struct reader *reader, const char *format,
                                                       ...)
{
    va_list arguments;
    int length = snprintf(reader->problem, reader->size,
                          "column %d: ", (int)(reader->word - reader->text) + 1);

    if (length < 0 || (size_t)length >= reader->size)
        return false;
    va_start(arguments, format);
    vsnprintf(reader->problem + length, reader->size - (size_t)length, format, arguments);
    va_end(arguments);
    return false;
}

static bool next_word(struct reader *reader)
{
    const char *at = reader->word + reader->length;

    while (isspace((unsigned char)*at))
        at++;
    reader->word = at;
    while (*at && !isspace((unsigned char)*at))
        at++;
    reader->length = (int)(at - reader->word);
    return reader->length > 0;
}

/* A plain decimal. strtod would also take hexadecimal numbers, infinities and signs, and in some locales
 * no full stop. */
static bool read_number(const char *text, double *value, const char **end)
{
    double place = 1;

    if (!isdigit((unsigned char)*text))
        return false;
    for (*value = 0; isdigit((unsigned char)*text); text++)
        *value = *value * 10 + (*text - '0');
    if (text[0] == '.' && isdigit((unsigned char)text[1]))
        for (text++; isdigit((unsigned char)*text); text++)
            *value += (*text - '0') * (place /= 10);
    *end = text;
    return true;
}

static bool read_time(struct reader *reader, double *ms)
{
    const char *end = reader->word;
    double value;

    if (!read_number(reader->word, &value, &end))
        return fail(reader, "'%.*s' is not a time such as 500ms, 1.5s or 2m", reader->length,
                    reader->word);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t length = (size_t)(reader->word + reader->length - end);

        if (length != strlen(units[i].name) || strncmp(end, units[i].name, length) != 0)
            continue;
        if (!(value * units[i].ms >= 1 && value * units[i].ms <= MS_PER_DAY))
            return fail(reader, "'%.*s' is out of range: 1ms to 1d", reader->length, reader->word);
        *ms = round(value * units[i].ms);
        return true;
    }
    return fail(reader, "'%.*s' has no unit that is known: ms, s, m, h or d, as in 500ms",
                reader->length, reader->word);
}

/* A number in a range with something before and behind it, as in x1.5 or 10%. */
static bool read_value(struct reader *reader, const char *before, const char *after, double least,
                       double most, const char *what, double *value)
{
    const char *from = reader->word + strlen(before), *end = from;

    if (!read_number(from, value, &end) ||
        (size_t)(reader->word + reader->length - end) != strlen(after) ||
        strncmp(end, after, strlen(after)) != 0 || !(*value >= least && *value <= most))
        return fail(reader, "'%.*s' is not %s", reader->length, reader->word, what);
    return true;
}

static bool is_word(const struct reader *reader, const char *word)
{
    return strlen(word) == (size_t)reader->length &&
           strncmp(reader->word, word, (size_t)reader->length) == 0;
}

/* The word behind `max` or `jitter`. */
static bool its_value(struct reader *reader, const char *example)
{
    struct reader of = *reader;

    if (next_word(reader))
        return true;
    return fail(&of, "nothing follows '%.*s': it takes a value, such as %s", of.length, of.word,
                example);
}

static bool read_clause(struct reader *reader, char clause, struct schedule_options *options)
{
    bool cost = reader->kind->kind == SCHEDULE_COST;
    double percent = 0;

    switch (clause) {
    case 't':
        return read_time(reader, cost ? &options->ms_per_poll : &options->first_ms);
    case 'n':
        return read_value(reader, "", "", 1, 1000, "a number of polls from 1 to 1000, such as 12",
                          &options->polls_per_job);
    case 'x':
        return read_value(reader, "x", "", 1, 100, "a factor from x1 to x100, such as x1.5",
                          &options->factor);
    case 'm':
        return its_value(reader, "max 10s") &&
               read_time(reader, reader->kind->kind == SCHEDULE_EXPONENTIAL
                                     ? &options->cap_ms
                                     : &options->largest_gap_ms);
    default:
        if (!its_value(reader, "jitter 10%") ||
            !read_value(reader, "", "%", 0, 100, "a share from 0% to 100%, such as 10%", &percent))
            return false;
        options->jitter = percent / 100;
        return true;
    }
}

static char clause_of(const struct reader *reader)
{
    bool number = isdigit((unsigned char)*reader->word);

    if (is_word(reader, "max"))
        return 'm';
    if (is_word(reader, "jitter"))
        return 'j';
    if (*reader->word == 'x' && isdigit((unsigned char)reader->word[1]))
        return 'x';
    if (!number)
        return '?';
    return reader->kind->kind == SCHEDULE_BUDGET ? 'n' : 't';
}

static bool read_clauses(struct reader *reader, struct schedule_options *options)
{
    while (next_word(reader)) {
        char clause = clause_of(reader);
        const char *which = strchr(reader->kind->clauses, clause);
        const char *at = reader->word;

        if (!which)
            return fail(reader, "'%.*s' is nothing that belongs here: %s", reader->length,
                        reader->word, reader->kind->takes);
        if (reader->seen[which - reader->kind->clauses])
            return fail(reader, "'%.*s' was said before, in column %d", reader->length,
                        reader->word,
                        (int)(reader->seen[which - reader->kind->clauses] - reader->text) + 1);
        if (!read_clause(reader, clause, options))
            return false;
        reader->seen[which - reader->kind->clauses] = at;
    }
    return true;
}

static bool read_kind(struct reader *reader, struct schedule_options *options)
{
    if (!next_word(reader))
        return fail(reader, "there is no schedule: say fixed, exponential, learn or budget");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (is_word(reader, kinds[i].word))
            reader->kind = &kinds[i];
    if (!reader->kind)
        return fail(reader, "'%.*s' is no schedule: say fixed, exponential, learn or budget",
                    reader->length, reader->word);
    schedule_options_init(options, reader->kind->kind);
    return true;
}

/* What must be said, and what must fit together. */
static bool check(struct reader *reader, const struct schedule_options *options)
{
    if (reader->kind->kind == SCHEDULE_FIXED && !reader->seen[0])
        return fail(reader, "a fixed schedule needs its time, as in 'fixed 1s'");
    if (reader->kind->kind == SCHEDULE_BUDGET && !reader->seen[0])
        return fail(reader, "a budget needs its number of polls, as in 'budget 12'");
    if (reader->kind->kind != SCHEDULE_EXPONENTIAL || options->cap_ms >= options->first_ms)
        return true;
    reader->word = reader->seen[2] ? reader->seen[2] : reader->seen[0];
    return fail(reader, "the longest wait (%.0fms) is shorter than the first one (%.0fms)",
                options->cap_ms, options->first_ms);
}

bool schedule_parse(struct schedule_options *options, const char *text, char *problem, size_t size)
{
    struct reader reader = {.text = text, .word = text, .problem = problem, .size = size};
    struct schedule_options read = {0};

    if (!read_kind(&reader, &read) || !read_clauses(&reader, &read) || !check(&reader, &read))
        return false;
    *options = read;
    return true;
}

/* ---- printing -------------------------------------------------------------------------------- */

/* In the largest unit that keeps it whole. */
static void time_text(double ms, char *text, size_t size)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        double value = ms / units[i].ms;

        if (value == floor(value) || units[i].ms == 1) {
            snprintf(text, size, "%.0f%s", value, units[i].name);
            break;
        }
    }
}

/* As read_number takes it, in any locale; up to six places. */
static const char *number_text(double value, char *text, size_t size)
{
    int64_t millionths = llround(value * 1e6);
    int length =
        snprintf(text, size, "%" PRId64 ".%06" PRId64, millionths / 1000000, millionths % 1000000);

    if (length <= 0 || (size_t)length >= size)
        return "0";
    while (text[length - 1] == '0')
        text[--length] = '\0';
    if (text[length - 1] == '.')
        text[length - 1] = '\0';
    return text;
}

size_t schedule_print(const struct schedule_options *options, char *text, size_t size)
{
    char first[32], most[32], factor[32], percent[32];
    int length = 0;

    time_text(options->first_ms, first, sizeof(first));
    time_text(options->cap_ms, most, sizeof(most));
    number_text(options->factor, factor, sizeof(factor));
    number_text(options->jitter * 100, percent, sizeof(percent));
    switch (options->kind) {
    case SCHEDULE_FIXED:
        length = snprintf(text, size, "fixed %s jitter %s%%", first, percent);
        break;
    case SCHEDULE_EXPONENTIAL:
        length = snprintf(text, size, "exponential %s x%s max %s jitter %s%%", first, factor, most,
                          percent);
        break;
    case SCHEDULE_COST:
        time_text(options->ms_per_poll, first, sizeof(first));
        time_text(options->largest_gap_ms, most, sizeof(most));
        length = snprintf(text, size, "learn %s max %s", first, most);
        break;
    case SCHEDULE_BUDGET:
        number_text(options->polls_per_job, factor, sizeof(factor));
        time_text(options->largest_gap_ms, most, sizeof(most));
        length = snprintf(text, size, "budget %s max %s", factor, most);
        break;
    }
    return length > 0 ? (size_t)length : 0;
}
