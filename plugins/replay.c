/* SPDX-License-Identifier: MIT
 *
 * replay: jobs take as long, and end as, real ones did that a CSV file tells of. Which line a job gets is
 * drawn at its start, by chance or in the order of the file, and is kept with the job: a file that is edited
 * later changes nothing of it.
 *
 * The place in the file (`order = file`) is a count of starts in this process. It is no part of any job: it
 * begins at the first line again after a restart and with a changed file, and each vtsimd on a common store
 * has its own. */
#include <vtsim/plugin.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

enum order { BY_CHANCE, AS_IN_FILE };

struct settings {
    const char *file;
    int order;
    double scale;
    bool progress;
};

static const struct vts_option options[] = {
    VTS_OPTION_(VTS_PATH, const char *, struct settings, file, NULL, 1, 4095, "jobs.csv",
                "the CSV file; its first line names the columns"),
    VTS_OPTION_CHOICE(struct settings, order, "chance|file", "chance",
                      "each job draws a line, or they get them one after the other, over and over"),
    VTS_OPTION_REAL(struct settings, scale, "1", 0, 1e6, "durations are multiplied by this"),
    VTS_OPTION_BOOL(struct settings, progress, "off", "report progress in proportion to time"),
    VTS_OPTIONS_END};

/* ---- what is kept of a file ---- */

/* A line in 8 bytes, for there may be millions: how long the job took, and what became of it. */
#define OUTCOME_BITS 24
#define DURATION_MAX ((INT64_C(1) << (64 - OUTCOME_BITS)) - 1)

enum { COMPLETED, CANCELLED, FAILED }; /* FAILED and above: with the text of this number */

struct data {
    uint64_t *lines;
    size_t count, room;
    uint64_t next; /* with order = file */
    /* The failures that are told apart: code, NUL, message, NUL, one behind the other. */
    char *texts;
    size_t text_length, text_room;
    size_t *failures; /* where each begins */
    size_t failure_count, failure_room;
    size_t *slots; /* a hash table of them: number + 1, 0 is free */
    size_t slot_count;
    size_t longest; /* code and message, with their NULs */
};

/* What a job keeps of its line: `texts` only where it fails. */
struct state {
    uint32_t outcome;
    char texts[];
};

#define CODE_MAX    255
#define MESSAGE_MAX 1000 /* each job has room for the longest one of its file */

static void release(struct data *data)
{
    free(data->lines);
    free(data->texts);
    free(data->failures);
    free(data->slots);
    memset(data, 0, sizeof(*data));
}

/* Makes room for one more. */
static bool grow(void *array, size_t *room, size_t count, size_t size)
{
    void *old, *grown;
    size_t wanted = *room ? *room * 2 : 64;

    if (count <= *room)
        return true;
    while (wanted < count)
        wanted *= 2;
    memcpy(&old, array, sizeof(old));
    grown = realloc(old, wanted * size);
    if (!grown)
        return false;
    memcpy(array, &grown, sizeof(grown));
    *room = wanted;
    return true;
}

/* FNV-1a, of Fowler, Noll and Vo. */
static uint64_t hash(uint64_t so_far, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;

    for (; length > 0; length--)
        so_far = (so_far ^ *at++) * UINT64_C(1099511628211);
    return so_far;
}
#define HASH_START UINT64_C(14695981039346656037)

/* The slot of a failure, or the free one where it would stand. */
static size_t slot_of(const struct data *data, const char *failure, size_t length)
{
    size_t slot = hash(HASH_START, failure, length) & (data->slot_count - 1), at;

    for (; data->slots[slot]; slot = (slot + 1) & (data->slot_count - 1)) {
        at = data->failures[data->slots[slot] - 1];
        if (data->text_length - at >= length && memcmp(data->texts + at, failure, length) == 0)
            break;
    }
    return slot;
}

static bool grow_slots(struct data *data)
{
    size_t count = data->slot_count ? data->slot_count * 2 : 64, i, length, slot;
    size_t *old = data->slots;
    const char *at;

    data->slots = calloc(count, sizeof(*data->slots));
    if (!data->slots) {
        data->slots = old;
        return false;
    }
    free(old);
    data->slot_count = count;
    for (i = 0; i < data->failure_count; i++) {
        at = data->texts + data->failures[i];
        length = strlen(at) + 1;
        length += strlen(at + length) + 1;
        slot = slot_of(data, at, length);
        data->slots[slot] = i + 1;
    }
    return true;
}

/* The number of a failure, which is kept where it is new. SIZE_MAX: no memory. */
static size_t failure_number(struct data *data, const char *failure, size_t length)
{
    size_t slot;

    if (2 * (data->failure_count + 1) > data->slot_count && !grow_slots(data))
        return SIZE_MAX;
    slot = slot_of(data, failure, length);
    if (data->slots[slot])
        return data->slots[slot] - 1;
    if (!grow(&data->texts, &data->text_room, data->text_length + length, 1) ||
        !grow(&data->failures, &data->failure_room, data->failure_count + 1,
              sizeof(*data->failures)))
        return SIZE_MAX;
    memcpy(data->texts + data->text_length, failure, length);
    data->failures[data->failure_count] = data->text_length;
    data->text_length += length;
    if (length > data->longest)
        data->longest = length;
    data->slots[slot] = ++data->failure_count;
    return data->failure_count - 1;
}

/* ---- CSV (RFC 4180) ---- */

#define FIELD_MAX  65536
#define FIELDS_MAX 256
#define TELL_MAX   3 /* broken lines that are told of one by one */

struct place {
    uint64_t line, column; /* both from 1; the column in bytes */
};

struct field {
    size_t at; /* in the reader's text */
    struct place place;
};

struct reader {
    FILE *file;
    const char *path;
    uint64_t hash;
    struct place place; /* of the next byte */
    int last;           /* byte */
    /* One record. */
    char *text;
    size_t length, room;
    struct field fields[FIELDS_MAX];
    size_t count;
    /* What is wrong. */
    uint64_t broken;
    char told[400];
    bool no_memory;
};

/* The next byte; a line break is \n however it is written. */
static int next_byte(struct reader *reader)
{
    int byte = getc(reader->file);
    char plain = (char)byte;

    if (byte != EOF)
        reader->hash = hash(reader->hash, &plain, 1);
    if (reader->last == '\n') {
        reader->place.line++;
        reader->place.column = 0;
    }
    reader->place.column++;
    reader->last = byte;
    return byte;
}

static void put(struct reader *reader, int byte)
{
    if (!grow(&reader->text, &reader->room, reader->length + 1, 1))
        reader->no_memory = true;
    else
        reader->text[reader->length++] = (char)byte;
}

/* Notes that a line is broken, and why. */
VTS_PRINTF(3, 4)
static void broken(struct reader *reader, const struct place *place, const char *format, ...)
{
    const char *slash = strrchr(reader->path, '/');
    size_t used = strlen(reader->told);
    char why[160];
    va_list args;

    va_start(args, format);
    /* The analyzer loses sight of va_start here. */
    vsnprintf(why, sizeof(why), format, args); /* NOLINT(clang-analyzer-valist.Uninitialized) */
    va_end(args);
    if (reader->broken++ < TELL_MAX)
        snprintf(reader->told + used, sizeof(reader->told) - used,
                 "%s%.40s:%" PRIu64 ":%" PRIu64 ": %s", used ? "; " : "",
                 slash ? slash + 1 : reader->path, place->line, place->column, why);
}

/* Text as messages quote it: short, and without control characters. */
struct quoted {
    char text[44];
};

static struct quoted quote(const char *text)
{
    struct quoted quoted;
    size_t i;

    snprintf(quoted.text, sizeof(quoted.text), "\"%.36s%s\"", text, strlen(text) > 36 ? "..." : "");
    for (i = 0; quoted.text[i]; i++)
        if ((unsigned char)quoted.text[i] < 0x20 || (unsigned char)quoted.text[i] > 0x7E)
            quoted.text[i] = '?';
    return quoted;
}

enum after { AFTER_COMMA, AFTER_LINE, AFTER_FILE, AFTER_ERROR };

static enum after after_of(int byte)
{
    return byte == ',' ? AFTER_COMMA : byte == '\n' ? AFTER_LINE : AFTER_FILE;
}

/* The bytes of a field in quotes, up to its end. */
static enum after read_quoted(struct reader *reader, struct place begin)
{
    int byte;

    for (;;) {
        byte = next_byte(reader);
        if (byte == EOF) {
            broken(reader, &begin, "the quote that opens here is never closed");
            return AFTER_ERROR;
        }
        if (byte == '"') {
            byte = next_byte(reader);
            if (byte != '"')
                break;
        }
        if (reader->length - reader->fields[reader->count - 1].at >= FIELD_MAX || byte == '\0') {
            broken(reader, &begin, byte ? "a field of more than 65536 bytes" : "a NUL byte");
            return AFTER_ERROR;
        }
        put(reader, byte);
    }
    while (byte == ' ' || byte == '\t' || byte == '\r')
        byte = next_byte(reader);
    if (byte == ',' || byte == '\n' || byte == EOF)
        return after_of(byte);
    broken(reader, &reader->place,
           "something stands behind a closed quote; a quote within quotes is written twice");
    return AFTER_ERROR;
}

/* One field, without white space around it. */
static enum after read_field(struct reader *reader)
{
    struct field *field;
    int byte = next_byte(reader);

    while (byte == ' ' || byte == '\t' || byte == '\r')
        byte = next_byte(reader);
    if (byte == EOF && reader->count == 0)
        return AFTER_FILE;
    if (reader->count == FIELDS_MAX) {
        broken(reader, &reader->place, "more than %d fields", FIELDS_MAX);
        return AFTER_ERROR;
    }
    field = &reader->fields[reader->count++];
    *field = (struct field){.at = reader->length, .place = reader->place};
    if (byte == '"')
        return read_quoted(reader, field->place);
    for (; byte != ',' && byte != '\n' && byte != EOF; byte = next_byte(reader)) {
        if (byte == '\0' || reader->length - field->at >= FIELD_MAX) {
            broken(reader, &reader->place,
                   byte ? "a field of more than 65536 bytes" : "a NUL byte");
            return AFTER_ERROR;
        }
        put(reader, byte);
    }
    while (reader->length > field->at && strchr(" \t\r", reader->text[reader->length - 1]))
        reader->length--;
    return after_of(byte);
}

/* Reads one record; lines without anything are passed over. False at the end of the file. One that is broken
 * has no fields. */
static bool read_record(struct reader *reader)
{
    enum after after;

    do {
        reader->count = reader->length = 0;
        do {
            after = read_field(reader);
            put(reader, '\0');
        } while (after == AFTER_COMMA);
        if (after == AFTER_ERROR) {
            reader->count = 0;
            while (reader->last != '\n' && reader->last != EOF)
                next_byte(reader);
            return reader->last != EOF || reader->broken > 0;
        }
        if (after == AFTER_FILE && (reader->count == 0 || ferror(reader->file)))
            return false;
    } while (reader->count == 1 && !reader->text[0] && after == AFTER_LINE);
    return !(reader->count == 1 && !reader->text[0]);
}

/* ---- columns ---- */

enum column {
    DURATION,
    DURATION_S,
    DURATION_MS,
    START,
    END,
    START_MS,
    END_MS,
    OUTCOME,
    CODE,
    MESSAGE,
    COLUMNS
};

struct columns {
    size_t at[COLUMNS]; /* SIZE_MAX: there is none */
    size_t count;
};

static enum column column_named(const char *name)
{
    static const struct {
        const char *name;
        enum column column;
    } names[] = {{"duration", DURATION},
                 {"duration_s", DURATION_S},
                 {"duration_ms", DURATION_MS},
                 {"start", START},
                 {"started_at", START},
                 {"end", END},
                 {"ended_at", END},
                 {"start_ms", START_MS},
                 {"end_ms", END_MS},
                 {"outcome", OUTCOME},
                 {"state", OUTCOME},
                 {"status", OUTCOME},
                 {"code", CODE},
                 {"error_code", CODE},
                 {"message", MESSAGE},
                 {"error_message", MESSAGE},
                 {"error", MESSAGE}};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(names[i].name, name) == 0)
            return names[i].column;
    return COLUMNS;
}

static bool has(const struct columns *columns, enum column column)
{
    return columns->at[column] != SIZE_MAX;
}

static const char *text_of(const struct reader *reader, size_t field)
{
    return reader->text + reader->fields[field].at;
}

/* The separator that a head of one column was written with instead of the comma; 0: none. */
static char wrong_separator(const struct reader *reader)
{
    size_t at = strcspn(text_of(reader, 0), ";\t|");

    return reader->count == 1 ? text_of(reader, 0)[at] : '\0';
}

/* No duration can be told from the head: what it has instead, as far as the message has room. */
static bool no_duration(const struct reader *reader, struct vts_error *error)
{
    char found[160], hint[80] = "", separator = wrong_separator(reader);
    size_t used = 0, i;

    for (i = 0; i < reader->count && used + sizeof(struct quoted) + 8 < sizeof(found); i++)
        used += (size_t)snprintf(found + used, sizeof(found) - used, "%s%s", i ? ", " : "",
                                 quote(text_of(reader, i)).text);
    if (i < reader->count)
        snprintf(found + used, sizeof(found) - used, ", ...");
    if (separator == '\t')
        snprintf(hint, sizeof(hint), ": columns are separated by commas, not by tabs");
    else if (separator)
        snprintf(hint, sizeof(hint), ": columns are separated by commas, not by %c", separator);
    return vts_error_at(error, "file", 1, 0,
                        "%.120s: its first line names no column duration, duration_s or "
                        "duration_ms, nor both of start and end, or of start_ms and end_ms; it "
                        "has %s%s",
                        reader->path, found, hint);
}

/* Reads the head: which column is what. False where no duration can be told from it. */
static bool read_head(struct reader *reader, struct columns *columns, struct vts_error *error)
{
    enum column column;
    size_t i;

    memset(columns->at, 0xFF, sizeof(columns->at));
    columns->count = reader->count;
    if (reader->count > 0 && strncmp(reader->text, "\xEF\xBB\xBF", 3) == 0)
        reader->fields[0].at += 3; /* a byte order mark */
    for (i = 0; i < reader->count; i++) {
        column = column_named(text_of(reader, i));
        if (column == COLUMNS)
            continue;
        if (has(columns, column))
            return vts_error_at(
                error, "file", 1, 0,
                "%.200s: the columns %zu and %zu of its first line mean the same: %s", reader->path,
                columns->at[column] + 1, i + 1, quote(text_of(reader, i)).text);
        columns->at[column] = i;
    }
    if (has(columns, DURATION) || has(columns, DURATION_S) || has(columns, DURATION_MS) ||
        (has(columns, START) && has(columns, END)) ||
        (has(columns, START_MS) && has(columns, END_MS)))
        return true;
    return no_duration(reader, error);
}

/* ---- values ---- */

/* A decimal number, not negative, times `unit`. */
static bool read_number(const char *text, double unit, int64_t most, int64_t *number)
{
    char *end;
    double value;

    if (text[strspn(text, "0123456789.eE+-")] != '\0' || *text == '\0')
        return false;
    errno = 0;
    value = strtod(text, &end);
    if (*end || errno != 0 || !(value >= 0) || value * unit > (double)most)
        return false;
    *number = llround(value * unit);
    return true;
}

/* A number with its unit, as times are written in the INI file. */
static bool read_time(const char *text, int64_t *ms)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    size_t digits = strspn(text, "0123456789."), i;
    char number[40];

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(text + digits, units[i].name) == 0 && digits < sizeof(number)) {
            snprintf(number, sizeof(number), "%.*s", (int)digits, text);
            return read_number(number, units[i].ms, DURATION_MAX, ms);
        }
    return false;
}

/* Two digits and more that stand here, up to `most`. */
static bool take_digits(const char **at, size_t digits, int least, int most, int *number)
{
    size_t i;

    *number = 0;
    for (i = 0; i < digits; i++) {
        if ((*at)[i] < '0' || (*at)[i] > '9')
            return false;
        *number = *number * 10 + (*at)[i] - '0';
    }
    *at += digits;
    return *number >= least && *number <= most;
}

static bool take(const char **at, const char *any)
{
    if (!**at || !strchr(any, **at))
        return false;
    ++*at;
    return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. Years begin in March here, so that the leap day
 * is the last. */
static int64_t days_of(int year, int month, int day)
{
    int64_t years = year - (month <= 2), months = (month + 9) % 12;

    return years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 1 -
           719468;
}

/* What may stand behind the seconds: a fraction, and a zone (none is UTC). */
static bool take_rest(const char *at, int64_t *ms)
{
    int hours = 0, minutes = 0, sign, scale = 100;

    if (take(&at, ".,")) {
        if (*at < '0' || *at > '9')
            return false;
        for (; *at >= '0' && *at <= '9'; at++, scale /= 10)
            *ms += (*at - '0') * scale;
    }
    if (*at == '\0' || strcmp(at, "Z") == 0 || strcmp(at, "z") == 0)
        return true;
    sign = *at == '-' ? 1 : -1;
    if (!take(&at, "+-") || !take_digits(&at, 2, 0, 23, &hours))
        return false;
    take(&at, ":");
    if (!take_digits(&at, 2, 0, 59, &minutes) || *at)
        return false;
    *ms += sign * (hours * INT64_C(3600000) + minutes * INT64_C(60000));
    return true;
}

/* A moment: 2026-01-01T12:00:00.5+01:00, or seconds since 1970. */
static bool read_moment(const char *text, int64_t *ms)
{
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day, hour, minute, second;
    const char *at = text;

    if (read_number(text, 1000, VTS_TIME_END, ms))
        return true;
    if (!take_digits(&at, 4, 1, 9999, &year) || !take(&at, "-") ||
        !take_digits(&at, 2, 1, 12, &month) || !take(&at, "-") ||
        !take_digits(&at, 2, 1, month_days[month - 1], &day) || !take(&at, "Tt ") ||
        !take_digits(&at, 2, 0, 23, &hour) || !take(&at, ":") ||
        !take_digits(&at, 2, 0, 59, &minute) || !take(&at, ":") ||
        !take_digits(&at, 2, 0, 60, &second) ||
        (month == 2 && day == 29 && (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0))))
        return false;
    *ms = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60000 + second * 1000;
    return take_rest(at, ms);
}

/* ---- one line ---- */

/* The span between the moments of two columns. */
static bool read_span(struct reader *reader, const struct columns *columns, enum column from,
                      enum column to, int64_t *duration)
{
    size_t fields[2] = {columns->at[from], columns->at[to]};
    int64_t moments[2];
    const char *text;
    int i;

    for (i = 0; i < 2; i++) {
        text = text_of(reader, fields[i]);
        if (from == START_MS ? read_number(text, 1, VTS_TIME_END, &moments[i])
                             : read_moment(text, &moments[i]))
            continue;
        broken(reader, &reader->fields[fields[i]].place,
               from == START_MS
                   ? "%s is no number of milliseconds"
                   : "%s is no moment; write 2026-01-01T12:00:00Z, or seconds since 1970",
               quote(text).text);
        return false;
    }
    *duration = moments[1] - moments[0];
    if (*duration >= 0 && *duration <= DURATION_MAX)
        return true;
    broken(reader, &reader->fields[fields[1]].place,
           *duration < 0 ? "the job ends before it starts" : "the job takes more than 34 years");
    return false;
}

static bool read_duration(struct reader *reader, const struct columns *columns, int64_t *duration)
{
    static const char *const wrong[] = {
        [DURATION] = ("%s is no time; write one number and one unit, such as 8.3s, or call the "
                      "column duration_s or duration_ms"),
        [DURATION_S] = "%s is no number of seconds from 0 to 34 years",
        [DURATION_MS] = "%s is no number of milliseconds from 0 to 34 years"};
    enum column column = has(columns, DURATION_MS)  ? DURATION_MS
                         : has(columns, DURATION_S) ? DURATION_S
                                                    : DURATION;
    const char *text;

    if (!has(columns, column))
        return has(columns, START) && has(columns, END)
                   ? read_span(reader, columns, START, END, duration)
                   : read_span(reader, columns, START_MS, END_MS, duration);
    text = text_of(reader, columns->at[column]);
    if (column == DURATION
            ? read_time(text, duration)
            : read_number(text, column == DURATION_S ? 1000 : 1, DURATION_MAX, duration))
        return true;
    broken(reader, &reader->fields[columns->at[column]].place, wrong[column], quote(text).text);
    return false;
}

/* Adds a text, cut to so many bytes at a character's end, and a NUL. */
static size_t add_cut(char *to, const char *text, size_t most)
{
    size_t length = strlen(text);

    if (length > most) {
        length = most;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
            length--;
    }
    memcpy(to, text, length);
    to[length] = '\0';
    return length + 1;
}

static bool read_failure(struct reader *reader, const struct columns *columns, struct data *data,
                         uint64_t *outcome)
{
    const char *code = has(columns, CODE) ? text_of(reader, columns->at[CODE]) : "";
    const char *message = has(columns, MESSAGE) ? text_of(reader, columns->at[MESSAGE]) : "";
    char failure[CODE_MAX + MESSAGE_MAX + 2];
    size_t length, number;

    length = add_cut(failure, code, CODE_MAX);
    length += add_cut(failure + length, message, MESSAGE_MAX);
    number = failure_number(data, failure, length);
    if (number == SIZE_MAX)
        reader->no_memory = true;
    else if (number >= (1u << OUTCOME_BITS) - FAILED)
        broken(reader, &reader->fields[0].place, "more than 16 million different errors");
    *outcome = FAILED + number;
    return number < (1u << OUTCOME_BITS) - FAILED;
}

static bool read_outcome(struct reader *reader, const struct columns *columns, struct data *data,
                         uint64_t *outcome)
{
    const char *word = has(columns, OUTCOME) ? text_of(reader, columns->at[OUTCOME]) : "completed";

    if (strcasecmp(word, "completed") == 0)
        *outcome = COMPLETED;
    else if (strcasecmp(word, "cancelled") == 0 || strcasecmp(word, "canceled") == 0)
        *outcome = CANCELLED;
    else if (strcasecmp(word, "failed") == 0 || strcasecmp(word, "error") == 0)
        return read_failure(reader, columns, data, outcome);
    else {
        broken(reader, &reader->fields[columns->at[OUTCOME]].place,
               "%s is no outcome; write completed, failed or cancelled", quote(word).text);
        return false;
    }
    return true;
}

static void read_line(struct reader *reader, const struct columns *columns, struct data *data)
{
    int64_t duration;
    uint64_t outcome;

    if (reader->count != columns->count) {
        broken(reader, &reader->fields[0].place,
               "the number of its fields is %zu, that of the first line's is %zu", reader->count,
               columns->count);
        return;
    }
    if (!read_duration(reader, columns, &duration) ||
        !read_outcome(reader, columns, data, &outcome))
        return;
    if (grow(&data->lines, &data->room, data->count + 1, sizeof(*data->lines)))
        data->lines[data->count++] = (uint64_t)duration << OUTCOME_BITS | outcome;
    else
        reader->no_memory = true;
}

/* ---- the whole file ---- */

static bool read_lines(struct reader *reader, struct data *data, struct vts_error *error)
{
    struct columns columns;
    bool any = read_record(reader);

    if (!any && !ferror(reader->file))
        return vts_error_at(error, "file", 1, 0,
                            "%.200s is empty: its first line names the columns", reader->path);
    if (any && reader->broken == 0) {
        if (!read_head(reader, &columns, error))
            return false;
        while (!reader->no_memory && reader->last != EOF && read_record(reader))
            if (reader->count > 0)
                read_line(reader, &columns, data);
    }
    if (ferror(reader->file))
        return vts_error_at(error, "file", 1, 0, "%.200s cannot be read: %s", reader->path,
                            strerror(errno));
    if (reader->no_memory)
        return vts_error_set(error, VTS_ERR_MEMORY, "no memory for %.200s", reader->path);
    if (reader->broken > TELL_MAX)
        return vts_error_at(error, "file", 1, 0, "%s; and %" PRIu64 " more broken lines",
                            reader->told, reader->broken - TELL_MAX);
    if (reader->broken > 0)
        return vts_error_at(error, "file", 1, 0, "%s", reader->told);
    if (data->count == 0)
        return vts_error_at(error, "file", 1, 0,
                            "%.200s has no jobs: nothing stands behind its first line",
                            reader->path);
    return true;
}

static bool read_file(struct vts_instance *instance, struct vts_error *error)
{
    const struct settings *set = instance->settings;
    struct data *data = instance->data;
    struct reader *reader = calloc(1, sizeof(*reader));
    char stamp[60];
    bool good;

    if (!reader)
        return vts_error_set(error, VTS_ERR_MEMORY, "no memory for %.200s", set->file);
    *reader = (struct reader){
        .path = set->file, .hash = HASH_START, .place = {1, 0}, .file = fopen(set->file, "rb")};
    good = reader->file ? read_lines(reader, data, error)
                        : vts_error_at(error, "file", 1, 0, "%.200s cannot be read: %s", set->file,
                                       strerror(errno));
    if (good) {
        instance->state_size = sizeof(struct state) + data->longest;
        snprintf(stamp, sizeof(stamp), "%016" PRIx64 "-%zu", reader->hash, instance->state_size);
        vts_stamp(instance, stamp);
    } else {
        release(data);
    }
    if (reader->file)
        fclose(reader->file);
    free(reader->text);
    free(reader);
    return good;
}

/* ---- hooks ---- */

/* Jobs that are there need nothing of the file: their lines are with them. */
static bool open(struct vts_instance *instance, struct vts_error *error)
{
    const char *stamp = vts_stamped(instance), *dash = stamp ? strchr(stamp, '-') : NULL;

    if (!dash)
        return read_file(instance, error);
    instance->state_size = strtoul(dash + 1, NULL, 10);
    return true;
}

static void close(struct vts_instance *instance) { release(instance->data); }

/* The draw is always made, so that the order changes nothing of what is drawn later. */
static uint64_t choose(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);
    struct data *data = vts_data(job);
    double share = vts_uniform(job);

    if (set->order == AS_IN_FILE)
        return data->lines[data->next++ % data->count];
    return data->lines[(size_t)(share * (double)data->count)];
}

static void start(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);
    const struct data *data = vts_data(job);
    struct state *state = vts_state(job);
    uint64_t line = choose(job), outcome = line & ((1u << OUTCOME_BITS) - 1);
    double span = (double)(line >> OUTCOME_BITS) * set->scale;
    vts_ms whole = span < (double)VTS_TIME_END ? llround(span) : VTS_TIME_END;
    const char *failure;
    size_t length;

    state->outcome = outcome < FAILED ? (uint32_t)outcome : FAILED;
    if (outcome >= FAILED) {
        failure = data->texts + data->failures[outcome - FAILED];
        length = strlen(failure) + 1;
        memcpy(state->texts, failure, length + strlen(failure + length) + 1);
    }
    if (set->progress)
        vts_progress_over(job, 1, whole);
    vts_wake_after(job, whole);
}

static void wake(struct vts_job *job)
{
    const struct state *state = vts_state(job);
    size_t room = job->instance->state_size - sizeof(*state);
    const char *code = state->texts, *message;

    if (state->outcome == COMPLETED) {
        vts_complete(job, NULL);
    } else if (state->outcome == CANCELLED) {
        vts_cancel(job);
    } else {
        message = memchr(code, 0, room) ? code + strlen(code) + 1 : "";
        vts_fail(job, *code ? code : NULL, *message ? message : NULL);
    }
}

/* In order it begins with the first line again. */
static void reset(struct vts_instance *instance)
{
    struct data *data = instance->data;

    data->next = 0;
}

VTS_PLUGIN(replay, .summary = "jobs take as long, and end as, those in a CSV file",
           .options = options, .settings_size = sizeof(struct settings),
           .instance_size = sizeof(struct data), .state_version = 1, .serial = true, .open = open,
           .close = close, .start = start, .wake = wake, .reset = reset)
