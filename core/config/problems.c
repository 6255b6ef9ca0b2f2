/* SPDX-License-Identifier: MIT
 *
 * Collects problems as lines, and keeps what they quote from spoiling a line. Knows nothing of where
 * problems come from. */
#include "problems.h"

#include <locale.h>
#include <wchar.h>

void problems_finish(struct problems *problems)
{
    text_finish(&problems->lines);
    problems->count = 0;
}

/* How the character at the front of `bytes` is shown: itself, or an escape for one that would break
 * the line. Sets how many bytes were taken and how many are shown (at most 4). */
static const char *shown(const char *bytes, size_t length, char escape[5], size_t *taken,
                         size_t *written)
{
    unsigned char byte = (unsigned char)bytes[0];
    size_t size = 1;

    *taken = 1;
    if (byte >= 0x20 && byte < 0x7f) {
        *written = 1;
        return bytes;
    }
    if (byte >= 0xc0) {
        size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
        /* U+0080 to U+009F are control characters, too. */
        if (size <= length && text_valid_utf8(bytes, size) == size &&
            !(byte == 0xc2 && (unsigned char)bytes[1] < 0xa0)) {
            *taken = *written = size;
            return bytes;
        }
    }
    if (byte == '\n' || byte == '\t')
        *written = (size_t)snprintf(escape, 5, "%s", byte == '\n' ? "\\n" : "\\t");
    else
        *written = (size_t)snprintf(escape, 5, "\\x%02x", byte);
    return escape;
}

void problems_clean(struct text *out, const char *bytes, size_t length)
{
    char escape[5];
    size_t i = 0, taken, written;

    while (i < length) {
        const char *show = shown(bytes + i, length - i, escape, &taken, &written);

        text_add(out, show, written);
        i += taken;
    }
}

void problems_add(struct problems *problems, const char *where, const char *section,
                  const char *key, const char *format, ...)
{
    struct text line = TEXT_INIT;
    va_list args;

    if (where && *where)
        text_printf(&line, "%s: ", where);
    if (section)
        text_printf(&line, "[%s]%s ", section, key ? "" : ":");
    if (key)
        text_printf(&line, "%s: ", key);
    va_start(args, format);
    text_vprintf(&line, format, args);
    va_end(args);
    if (line.failed)
        text_puts(&problems->lines, "not enough memory to tell a problem");
    else
        problems_clean(&problems->lines, line.bytes, line.length);
    text_puts(&problems->lines, "\n");
    problems->count++;
    text_finish(&line);
}

/* ---- a place in a line ---- */

/* Columns of a terminal: before the place, and all of the line that is shown. */
enum { SHOWN_BEFORE = 40, SHOWN = 72 };

/* How wide a terminal shows the character at the front of `bytes`; 1 where nobody can tell. The caller's
 * locale is one of UTF-8, or all beyond ASCII counts as 1. */
static size_t width_of(const char *bytes, size_t taken, size_t written)
{
    mbstate_t state = {0};
    wchar_t character;
    int width;

    if (taken != written || taken == 1)
        return written;
    if (mbrtowc(&character, bytes, taken, &state) != taken)
        return 1;
    width = wcwidth(character);
    return width < 0 ? 1 : (size_t)width;
}

/* The width of the bytes from `from` to `to`, or as much of them as is not above `most`; then *to is where
 * that ends. */
static size_t width_between(const char *line, size_t length, size_t from, size_t *to, size_t most)
{
    size_t width = 0, taken, written, next;
    char escape[5];

    while (from < *to) {
        shown(line + from, length - from, escape, &taken, &written);
        next = width + width_of(line + from, taken, written);
        if (next > most)
            break;
        width = next;
        from += taken;
    }
    *to = from;
    return width;
}

/* The first byte that is shown, so that no more than SHOWN_BEFORE columns stand before the place. */
static size_t first_shown(const char *line, size_t length, size_t place)
{
    size_t before = width_between(line, length, 0, &place, SIZE_MAX), first = place;

    if (before <= SHOWN_BEFORE)
        return 0;
    width_between(line, length, 0, &first, before - SHOWN_BEFORE);
    /* A wide character may straddle the edge: one more goes. */
    if (width_between(line, length, first, &place, SIZE_MAX) > SHOWN_BEFORE)
        for (first++; first < place && ((unsigned char)line[first] & 0xc0) == 0x80;)
            first++;
    return first;
}

static void show_place(struct text *lines, const char *line, size_t length, size_t place)
{
    size_t first = first_shown(line, length, place), last = length;
    size_t before = width_between(line, length, first, &place, SIZE_MAX);

    width_between(line, length, first, &last, SHOWN);
    text_printf(lines, "    %s", first > 0 ? "..." : "");
    problems_clean(lines, line + first, last - first);
    text_printf(lines, "%s\n    %s%*s^\n", last < length ? "..." : "", first > 0 ? "   " : "",
                (int)before, "");
}

void problems_show(struct problems *problems, const char *line, size_t length, size_t column)
{
    locale_t characters = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = (locale_t)0;

    if (characters)
        before = uselocale(characters);
    show_place(&problems->lines, line, length, column - 1 < length ? column - 1 : length);
    if (!characters)
        return;
    uselocale(before);
    freelocale(characters);
}

struct quoted problems_quote(const char *bytes, size_t length)
{
    /* What must still fit behind the text: three dots, a quote and the NUL. */
    enum { TAIL = 5 };
    struct quoted quoted;
    size_t at = 0, i = 0, taken, written;
    char escape[5];

    quoted.text[at++] = '"';
    while (i < length) {
        const char *show = shown(bytes + i, length - i, escape, &taken, &written);

        if (at + written + TAIL > sizeof(quoted.text))
            break;
        memcpy(quoted.text + at, show, written);
        at += written;
        i += taken;
    }
    snprintf(quoted.text + at, sizeof(quoted.text) - at, "%s", i < length ? "...\"" : "\"");
    return quoted;
}
