/* SPDX-License-Identifier: MIT
 *
 * A reader of Retry-After. See retry_after.h. */
#include "retry_after.h"

#include "http_date.h"

#include <string.h>

#define MAX_S (RETRY_AFTER_MAX_MS / 1000)

static int64_t read_seconds(const char *value)
{
    int64_t seconds = 0;

    for (; *value; value++) {
        if (seconds <= MAX_S) /* beyond that it can only grow */
            seconds = seconds * 10 + (*value - '0');
    }
    return seconds;
}

static int64_t read_date(const char *value, const char *date, int64_t now_s)
{
    int64_t then_s, said_s;

    if (!http_date_read(value, now_s, &then_s))
        return 0;
    if (date && http_date_read(date, now_s, &said_s))
        now_s = said_s;
    return then_s > now_s ? then_s - now_s : 0;
}

int64_t retry_after_ms(const char *value, const char *date, int64_t unix_ms)
{
    int64_t seconds;

    if (!value || !*value)
        return 0;
    if (value[strspn(value, "0123456789")])
        seconds = read_date(value, date, unix_ms / 1000);
    else
        seconds = read_seconds(value);
    return (seconds > MAX_S ? MAX_S : seconds) * 1000;
}
