/* SPDX-License-Identifier: MIT
 *
 * HTTP dates (RFC 9110, 5.6.7) in all three forms, whatever the locale. Pure. */
#ifndef VTSIM_CLIENT_HTTP_DATE_H
#define VTSIM_CLIENT_HTTP_DATE_H

#include <stdbool.h>
#include <stdint.h>

/* Reads a date: seconds since 1970 in UTC. False where it is none. `now_s`, the same for now, tells
 * which century a year of two digits means: none more than 50 years ahead. The name of the day is
 * looked at for its form alone. */
bool http_date_read(const char *text, int64_t now_s, int64_t *unix_s);

#endif
