/* SPDX-License-Identifier: MIT
 *
 * Collects problems as lines, and keeps what they quote from spoiling a line. Knows nothing of where
 * problems come from. */
#include "problems.h"

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
