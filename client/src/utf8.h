/* SPDX-License-Identifier: MIT
 *
 * UTF-8 (RFC 3629) and control characters: what a job id may hold and what may be printed. Header
 * only, so that the command can use it without the library exporting it. */
#ifndef VTSIM_CLIENT_UTF8_H
#define VTSIM_CLIENT_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The length of the character that text begins with; 0 where it is not whole, valid UTF-8 (overlong
 * forms, surrogates and what lies beyond U+10FFFF are not), or is a control character. */
static inline size_t utf8_printable(const char *text, size_t length)
{
    const unsigned char *byte = (const unsigned char *)text;
    uint32_t code;
    size_t bytes;

    if (!length || byte[0] < 0x20 || byte[0] == 0x7f)
        return 0;
    if (byte[0] < 0x80)
        return 1;
    bytes = byte[0] >= 0xf0 ? 4 : byte[0] >= 0xe0 ? 3 : 2;
    if (byte[0] < 0xc2 || byte[0] > 0xf4 || bytes > length)
        return 0;
    code = byte[0] & (0x7fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (byte[i] & 0x3fu);
    }
    if (code < 0xa0 || (bytes == 3 && code < 0x800) || (bytes == 4 && code < 0x10000))
        return 0;
    return (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff ? 0 : bytes;
}

#endif
