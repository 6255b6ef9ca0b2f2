/* SPDX-License-Identifier: MIT
 *
 * The growing text and what is said of text everywhere. See text.h. */
#include "text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void text_finish(struct text *text)
{
    free(text->bytes);
    *text = (struct text)TEXT_INIT;
}

void text_reset(struct text *text)
{
    text->length = 0;
    text->failed = false;
    if (text->bytes)
        text->bytes[0] = '\0';
}

bool text_reserve(struct text *text, size_t extra)
{
    size_t need, room;
    char *bytes;

    if (text->failed)
        return false;
    if (extra < text->room - text->length)
        return true;
    need = text->length + extra + 1;
    room = text->room ? text->room : 64;
    while (room < need && room <= SIZE_MAX / 2)
        room *= 2;
    bytes = need > extra && room >= need ? realloc(text->bytes, room) : NULL;
    if (!bytes) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->bytes[text->length] = '\0';
    text->room = room;
    return true;
}

void text_add(struct text *text, const void *bytes, size_t length)
{
    if (!text_reserve(text, length))
        return;
    if (length)
        memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void text_puts(struct text *text, const char *string) { text_add(text, string, strlen(string)); }

void text_vprintf(struct text *text, const char *format, va_list args)
{
    va_list again;
    int length;

    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0 || !text_reserve(text, (size_t)length)) {
        text->failed = true;
        return;
    }
    vsnprintf(text->bytes + text->length, (size_t)length + 1, format, args);
    text->length += (size_t)length;
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text_vprintf(text, format, args);
    va_end(args);
}

/* The length of the UTF-8 sequence at `bytes`, 0 where it is broken. Table 3-7 of the Unicode
 * Standard. */
static size_t sequence(const unsigned char *bytes, size_t length)
{
    unsigned char least = 0x80, most = 0xBF;
    size_t need, i;

    if (bytes[0] < 0x80)
        return 1;
    if (bytes[0] < 0xC2 || bytes[0] > 0xF4)
        return 0;
    need = bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4;
    if (bytes[0] == 0xE0)
        least = 0xA0;
    else if (bytes[0] == 0xED)
        most = 0x9F;
    else if (bytes[0] == 0xF0)
        least = 0x90;
    else if (bytes[0] == 0xF4)
        most = 0x8F;
    if (length < need || bytes[1] < least || bytes[1] > most)
        return 0;
    for (i = 2; i < need; i++)
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
    return need;
}

size_t text_valid_utf8(const char *bytes, size_t length)
{
    size_t at = 0, step;

    while (at < length) {
        step = sequence((const unsigned char *)bytes + at, length - at);
        if (!step)
            break;
        at += step;
    }
    return at;
}

static void json_escape(struct text *text, unsigned char byte)
{
    static const char named[] = "btn\0fr";

    if (byte == '"' || byte == '\\')
        text_printf(text, "\\%c", byte);
    else if (byte >= '\b' && byte <= '\r' && byte != '\v')
        text_printf(text, "\\%c", named[byte - '\b']);
    else
        text_printf(text, "\\u%04x", byte);
}

void text_json(struct text *text, const char *bytes, size_t length)
{
    size_t at = 0, from = 0, step;
    unsigned char byte;

    if (!text_reserve(text, length + 2))
        return;
    text_add(text, "\"", 1);
    while (at < length) {
        byte = (unsigned char)bytes[at];
        if (byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\') {
            at++;
            continue;
        }
        step = sequence((const unsigned char *)bytes + at, length - at);
        if (step > 1) {
            at += step;
            continue;
        }
        text_add(text, bytes + from, at - from);
        if (step)
            json_escape(text, byte);
        else
            text_puts(text, "\xEF\xBF\xBD");
        from = ++at;
    }
    text_add(text, bytes + from, at - from);
    text_add(text, "\"", 1);
}

void text_real(struct text *text, double number)
{
    char shortest[32];
    int digits = 15;

    do
        snprintf(shortest, sizeof(shortest), "%.*g", digits, number);
    while (++digits <= 17 && strtod(shortest, NULL) != number);
    text_puts(text, shortest);
}

void text_time(struct text *text, vts_ms moment)
{
    time_t seconds = (time_t)(moment / 1000);
    int ms = (int)(moment % 1000);
    struct tm tm;

    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    if (!gmtime_r(&seconds, &tm)) {
        text->failed = true;
        return;
    }
    text_printf(text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ms);
}

/* So many digits; -1 where there are others. */
static int digits(const char *at, int count)
{
    int number = 0, i;

    for (i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9')
            return -1;
        number = number * 10 + at[i] - '0';
    }
    return number;
}

/* "Z" or "+01:00", to the end. */
static bool read_offset(const char *at, const char *end, int *minutes)
{
    int hour, minute;

    *minutes = 0;
    if (end - at == 1 && (*at == 'Z' || *at == 'z'))
        return true;
    if (end - at != 6 || (*at != '+' && *at != '-') || at[3] != ':')
        return false;
    hour = digits(at + 1, 2);
    minute = digits(at + 4, 2);
    *minutes = (hour * 60 + minute) * (*at == '-' ? -1 : 1);
    return hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59;
}

/* Finer than milliseconds are dropped. */
static const char *read_fraction(const char *at, const char *end, int *ms)
{
    int unit = 100;

    *ms = 0;
    if (at == end || *at != '.')
        return at;
    for (at++; at < end && *at >= '0' && *at <= '9'; at++, unit /= 10)
        *ms += (*at - '0') * unit;
    return at[-1] == '.' ? NULL : at;
}

bool text_moment(const char *text, size_t length, vts_ms *moment)
{
    const char *end = text + length, *at;
    struct tm tm = {0}, made;
    int ms, minutes;
    time_t seconds;

    if (length < 20 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') ||
        text[13] != ':' || text[16] != ':')
        return false;
    tm.tm_year = digits(text, 4) - 1900;
    tm.tm_mon = digits(text + 5, 2) - 1;
    tm.tm_mday = digits(text + 8, 2);
    tm.tm_hour = digits(text + 11, 2);
    tm.tm_min = digits(text + 14, 2);
    tm.tm_sec = digits(text + 17, 2);
    at = read_fraction(text + 19, end, &ms);
    if (!at || !read_offset(at, end, &minutes))
        return false;
    made = tm;
    seconds = timegm(&made); /* which makes the 1st of March of the 30th of February */
    if (made.tm_year != tm.tm_year || made.tm_mon != tm.tm_mon || made.tm_mday != tm.tm_mday ||
        made.tm_hour != tm.tm_hour || made.tm_min != tm.tm_min || made.tm_sec != tm.tm_sec)
        return false;
    *moment = ((vts_ms)seconds - (vts_ms)minutes * 60) * 1000 + ms;
    return *moment >= 0 && *moment <= VTS_TIME_END;
}

char *text_take(struct text *text)
{
    char *bytes = NULL;

    if (text_reserve(text, 0)) {
        bytes = text->bytes;
        text->bytes = NULL;
    }
    text_finish(text);
    return bytes;
}

static int hex(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

bool text_percent_decode(const char *bytes, size_t length, bool plus, char *out, size_t *out_length)
{
    size_t at, filled = 0;
    int high, low;

    for (at = 0; at < length; at++) {
        if (bytes[at] == '%') {
            high = at + 2 < length ? hex(bytes[at + 1]) : -1;
            low = at + 2 < length ? hex(bytes[at + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            out[filled++] = (char)(high * 16 + low);
            at += 2;
        } else {
            out[filled++] = plus && bytes[at] == '+' ? ' ' : bytes[at];
        }
    }
    *out_length = filled;
    return true;
}

/* How many typing errors (a letter missing, added, changed, or two swapped) lie between two words
 * of at most 64 bytes: the optimal string alignment distance. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][65], i, j, best;
    size_t *before = rows[0], *last = rows[1], *now = rows[2], *spare;

    for (j = 0; j <= b_length; j++)
        last[j] = j;
    for (i = 1; i <= a_length; i++) {
        now[0] = i;
        for (j = 1; j <= b_length; j++) {
            best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_length];
}

const char *text_nearest(const char *word, const char *const *words)
{
    size_t length = strlen(word), best = SIZE_MAX, apart, other;
    const char *nearest = NULL;

    if (length > 64)
        return NULL;
    for (; *words; words++) {
        other = strlen(*words);
        if (other > 64)
            continue;
        apart = distance(word, length, *words, other);
        if (apart < best && apart <= 1 + other / 4) {
            best = apart;
            nearest = *words;
        }
    }
    return nearest;
}

/* ---- patterns ---- */

/* How many bytes the character at `at` has; 0 at the end. */
static size_t character(const char *at)
{
    size_t length = *at != '\0';

    while (length > 0 && ((unsigned char)at[length] & 0xC0) == 0x80)
        length++;
    return length;
}

/* Not fnmatch(3), which knows more signs and takes a byte for a character. */
bool text_glob(const char *pattern, const char *text)
{
    const char *star = NULL, *again = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            again = text;
        } else if (*pattern == '?') {
            pattern++;
            text += character(text);
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            again += character(again);
            text = again;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}
