/* SPDX-License-Identifier: MIT
 *
 * One line an event, to standard error, as text or as JSON. Each line leaves in one write(2), so
 * lines of several threads do not mix. Level and format are set once, before there are threads:
 * they are this file's only global state. */
#ifndef VTSIM_BASE_LOG_H
#define VTSIM_BASE_LOG_H

#include <vtsim/plugin.h>

enum log_format { LOG_TEXT, LOG_JSON };

void log_setup(enum vts_level least, enum log_format format);
bool log_wants(enum vts_level level);

/* `place` says what the line is about ("http", "job a", "behaviour quick"). */
VTS_PRINTF(3, 4) void log_line(enum vts_level level, const char *place, const char *format, ...);

#endif
