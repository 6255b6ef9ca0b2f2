/* SPDX-License-Identifier: MIT
 *
 * A growing text, and the few things that are said of text everywhere: UTF-8, JSON strings,
 * percent-encoding, moments as RFC 3339. Knows nothing of jobs.
 *
 * A failed allocation is remembered in the text (`failed`), and what is added later is dropped, so
 * that a writer checks once, at the end. Not for use from two threads at once. */
#ifndef VTSIM_BASE_TEXT_H
#define VTSIM_BASE_TEXT_H

#include <vtsim/plugin.h>

struct text {
    char *bytes; /* ends with a NUL that `length` does not count; NULL while nothing was added */
    size_t length, room;
    bool failed;
};

#define TEXT_INIT                                                                                  \
    {                                                                                              \
        0                                                                                          \
    }

void text_finish(struct text *text);
/* Empties it, keeps its memory. */
void text_reset(struct text *text);
/* Makes room for `extra` bytes beyond `length`. */
bool text_reserve(struct text *text, size_t extra);
void text_add(struct text *text, const void *bytes, size_t length);
void text_puts(struct text *text, const char *string);
VTS_PRINTF(2, 3) void text_printf(struct text *text, const char *format, ...);
VTS_PRINTF(2, 0) void text_vprintf(struct text *text, const char *format, va_list args);
/* Adds a JSON string, quotes included. Broken UTF-8 becomes U+FFFD. */
void text_json(struct text *text, const char *bytes, size_t length);
/* Adds the shortest decimal that strtod reads back as this number: 0.2, 1e+300, inf. */
void text_real(struct text *text, double number);
/* Adds a moment as RFC 3339: 2026-01-01T00:00:00.000Z. */
void text_time(struct text *text, vts_ms moment);
/* Reads one: 2026-01-01T00:00:00Z, with a fraction of a second and an offset (+01:00) where they are wanted.
 * Within 1970 and 9999. False where it is none. */
bool text_moment(const char *text, size_t length, vts_ms *moment);
/* The bytes, which now belong to the caller (free). NULL if an allocation failed. */
char *text_take(struct text *text);

/* The length of the longest prefix that is whole, valid UTF-8 (RFC 3629: no surrogates, nothing
 * overlong, nothing above U+10FFFF). */
size_t text_valid_utf8(const char *bytes, size_t length);

/* Decodes %XX, and `+` as a space where `plus` is set. `out` has room for `length` bytes. False
 * where a `%` is not followed by two hexadecimal digits. */
bool text_percent_decode(const char *bytes, size_t length, bool plus, char *out,
                         size_t *out_length);

/* Whether a text is as a pattern has it: `*` stands for any text, `?` for one character. */
bool text_glob(const char *pattern, const char *text);

/* The one of `words` (a NULL-terminated list) that is nearest to `word` in typing errors, or NULL
 * where none is near. */
const char *text_nearest(const char *word, const char *const *words);

#endif
