/* SPDX-License-Identifier: MIT
 *
 * Patterns of ids. See glob.h. */
#include "glob.h"

#include <stddef.h>
#include <string.h>

/* How many bytes the character at `at` has; 0 at the end. */
static size_t character(const char *at)
{
    size_t length = *at != '\0';

    while (length > 0 && ((unsigned char)at[length] & 0xC0) == 0x80)
        length++;
    return length;
}

bool glob_matches(const char *pattern, const char *text)
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
