/* SPDX-License-Identifier: MIT
 *
 * Asks a vtsimd for what the library has no call for: what only its test authors want. One request, on a
 * connection of its own. */
#ifndef VTSIM_CLI_CONTROL_H
#define VTSIM_CLI_CONTROL_H

#include <json-c/json.h>

#include "arguments.h"

/* Asks `target`, a path with its query, of the server that the arguments name; `body` is JSON, or NULL for a
 * GET. The answer is to be let go with json_object_put. NULL, after a line on standard error, where there was
 * none, or it was no 2xx with an object. */
struct json_object *control_ask(const struct arguments *arguments, const char *target,
                                const char *body);

/* The same of a GET, of the server at `url`, and silent: NULL where there was no such answer in time. */
struct json_object *control_get(const char *url, const char *target, int64_t timeout_ms);

/* Writes text as a segment of a path or a value of a query has it. False where there is no room. */
bool control_encode(char *out, size_t room, const char *text);

#endif
