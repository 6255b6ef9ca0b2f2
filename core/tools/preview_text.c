/* SPDX-License-Identifier: MIT
 *
 * How a preview writes spans and shares, and what it knows of the terminal. See preview.h. */
#include "preview.h"

#include <langinfo.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define COLUMNS_DEFAULT 80
#define COLUMNS_LEAST   72 /* the table of durations */
#define COLUMNS_MOST    120

/* ---- spans ---- */

/* Adds one unit behind what is there: `1h` and then `05m`. */
static size_t add_unit(char *buffer, size_t length, vts_ms number, char unit)
{
    const char *format = length > 0 ? "%02lld%c" : "%lld%c";

    return length + (size_t)snprintf(buffer + length, PREVIEW_SPAN_ROOM - length, format,
                                     (long long)number, unit);
}

/* Adds seconds, with as many digits behind the point as they need. */
static void add_seconds(char *buffer, size_t length, vts_ms ms)
{
    int digits = 3, parts = (int)(ms % SECOND);
    size_t end;

    end = add_unit(buffer, length, ms / SECOND, 's');
    if (parts == 0)
        return;
    for (; parts % 10 == 0; parts /= 10)
        digits--;
    snprintf(buffer + end - 1, PREVIEW_SPAN_ROOM - end + 1, ".%0*ds", digits, parts);
}

const char *preview_span(vts_ms span, char buffer[PREVIEW_SPAN_ROOM])
{
    static const struct {
        vts_ms ms;
        char name;
    } units[] = {{DAY, 'd'}, {HOUR, 'h'}, {MINUTE, 'm'}};
    size_t length = 0, i;

    if (span > 0 && span < SECOND) {
        snprintf(buffer, PREVIEW_SPAN_ROOM, "%lldms", (long long)span);
        return buffer;
    }
    for (i = 0; i < sizeof(units) / sizeof(units[0]) && (span > 0 || length == 0); i++) {
        if (length > 0 || span >= units[i].ms)
            length = add_unit(buffer, length, span / units[i].ms, units[i].name);
        span %= units[i].ms;
    }
    if (span > 0 || length == 0)
        add_seconds(buffer, length, span);
    return buffer;
}

const char *preview_span_about(vts_ms span, char buffer[PREVIEW_SPAN_ROOM])
{
    /* What is shorter than `below` once it is rounded is shown in this unit. */
    static const struct {
        vts_ms below, unit;
    } sizes[] = {{SECOND, 1}, {MINUTE, SECOND / 10}, {HOUR, SECOND}, {DAY, MINUTE}, {0, HOUR}};
    vts_ms rounded;
    size_t i = 0;

    do
        rounded = (span + sizes[i].unit / 2) / sizes[i].unit * sizes[i].unit;
    while (sizes[i].below > 0 && rounded >= sizes[i++].below);
    return preview_span(rounded, buffer);
}

const char *preview_share(uint64_t part, uint64_t whole, char buffer[PREVIEW_SPAN_ROOM])
{
    double percent = whole ? 100.0 * (double)part / (double)whole : 0;

    if (part > 0 && percent < 0.1)
        snprintf(buffer, PREVIEW_SPAN_ROOM, "<0.1%%");
    else if (part < whole && percent > 99.9)
        snprintf(buffer, PREVIEW_SPAN_ROOM, ">99.9%%");
    else
        snprintf(buffer, PREVIEW_SPAN_ROOM, "%.1f%%", percent);
    return buffer;
}

/* ---- the terminal ---- */

int preview_columns(void)
{
    const char *text = getenv("COLUMNS");
    struct winsize size = {0};
    long columns = COLUMNS_DEFAULT;

    if (isatty(STDOUT_FILENO)) {
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
            columns = size.ws_col;
        else if (text && strtol(text, NULL, 10) > 0)
            columns = strtol(text, NULL, 10);
    }
    return columns < COLUMNS_LEAST  ? COLUMNS_LEAST
           : columns > COLUMNS_MOST ? COLUMNS_MOST
                                    : (int)columns;
}

bool preview_blocks(void) { return strcmp(nl_langinfo(CODESET), "UTF-8") == 0; }
