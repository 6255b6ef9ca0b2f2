/* SPDX-License-Identifier: MIT
 *
 * Whether a text is JSON (RFC 8259) to the letter. json-c is no judge of that: even its strict mode takes
 * NaN, Infinity, "1." and control characters in strings, which a client's parser would then refuse. Knows
 * nothing of what the text means. */
#ifndef VTSIM_BASE_JSON_H
#define VTSIM_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* Levels of arrays and objects: what deep nesting costs the reader is nobody's idea of a result. */
#define JSON_DEPTH_MAX 64

/* One JSON value, white space around it allowed, in valid UTF-8, nested JSON_DEPTH_MAX deep at most. A NUL
 * must follow the text. */
bool json_valid(const char *text, size_t length);

#endif
