/* SPDX-License-Identifier: MIT
 *
 * Patterns of ids: `*` stands for any text, `?` for one character, all else for itself. Not fnmatch(3), which
 * knows more signs, and takes a byte for a character. */
#ifndef VTSIM_BASE_GLOB_H
#define VTSIM_BASE_GLOB_H

#include <stdbool.h>

/* Both end with a NUL, and are UTF-8. */
bool glob_matches(const char *pattern, const char *text);

#endif
