/* SPDX-License-Identifier: MIT
 *
 * Log lines to standard error. See log.h. */
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

/* Set by log_setup before there are threads; only read afterwards. */
static enum vts_level least_level = VTS_INFO;
static enum log_format line_format = LOG_TEXT;

void log_setup(enum vts_level least, enum log_format format)
{
    least_level = least;
    line_format = format;
}

bool log_wants(enum vts_level level) { return level >= least_level; }

static const char *level_name(enum vts_level level)
{
    switch (level) {
    case VTS_DEBUG:
        return "debug";
    case VTS_INFO:
        return "info";
    case VTS_WARNING:
        return "warning";
    case VTS_ERROR:
        break;
    }
    return "error";
}

/* A message on one line: control bytes, which could forge a second line, are shown escaped. */
static void add_plain(struct text *line, const char *message)
{
    for (; *message; message++)
        if ((unsigned char)*message < 0x20 || *message == 0x7F)
            text_printf(line, "\\x%02x", (unsigned char)*message);
        else
            text_add(line, message, 1);
}

static void add_json(struct text *line, vts_ms now, enum vts_level level, const char *place,
                     const char *message)
{
    text_puts(line, "{\"time\": \"");
    text_time(line, now);
    text_printf(line, "\", \"level\": \"%s\", \"place\": ", level_name(level));
    text_json(line, place, strlen(place));
    text_puts(line, ", \"message\": ");
    text_json(line, message, strlen(message));
    text_puts(line, "}");
}

static void write_out(const char *bytes, size_t length)
{
    ssize_t written;

    while (length > 0) {
        written = write(STDERR_FILENO, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        bytes += written;
        length -= (size_t)written;
    }
}

void log_line(enum vts_level level, const char *place, const char *format, ...)
{
    struct text message = TEXT_INIT, line = TEXT_INIT;
    struct timespec now;
    vts_ms now_ms;
    va_list args;

    if (!log_wants(level))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    now_ms = (vts_ms)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    va_start(args, format);
    text_vprintf(&message, format, args);
    va_end(args);
    if (message.failed) {
        write_out("error log: no memory for a line\n", 32);
    } else {
        if (line_format == LOG_JSON) {
            add_json(&line, now_ms, level, place, message.bytes);
        } else {
            text_time(&line, now_ms);
            text_printf(&line, " %s ", level_name(level));
            add_plain(&line, place);
            text_puts(&line, ": ");
            add_plain(&line, message.bytes);
        }
        text_puts(&line, "\n");
        if (!line.failed)
            write_out(line.bytes, line.length);
    }
    text_finish(&line);
    text_finish(&message);
}
