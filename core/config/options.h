/* SPDX-License-Identifier: MIT
 *
 * From the text of a section to typed settings, through an option table (struct vts_option). The
 * server's own sections and the plugins' are read by this one function. */
#ifndef VTSIM_CONFIG_OPTIONS_H
#define VTSIM_CONFIG_OPTIONS_H

#include "ini.h"

/* Whether a table can be used: types known, keys well formed and given once, fallbacks that parse and
 * keep their limits, fields inside settings_size, each option with a field of its own. The message
 * says which entry and why. A table of NULL is an empty one, here and below. */
bool options_check(const struct vts_option *table, size_t settings_size, struct vts_error *error);

/* Fills `settings` (zeroed, settings_size bytes) from a section, fallbacks for what it does not give;
 * `section` may be NULL. Keys that are in no table are problems, with the nearest known one; keys
 * whose entries are already `used` are passed over. `name` is how messages call the section, such as
 * "behaviour quick". A PATH that is not absolute is made so: see options_path. Where `canonical` is
 * not NULL, each option is added to it as `key=value` and a NUL, the values as options_print gives
 * them: two settings with the same canonical text are the same. False where there was a problem.
 * What was allocated is freed by options_free, in any case. */
bool options_read(const struct vts_option *table, void *settings, struct ini_section *section,
                  const char *name, struct text *canonical, struct problems *problems);

void options_free(const struct vts_option *table, void *settings);

/* One value. `settings` is the struct that the option's offset points into; what stood in the field
 * is overwritten, not freed, and left alone where the text is wrong. The error's line and column are
 * places in the text. A PATH is taken as it stands. */
bool options_parse(const struct vts_option *option, const char *text, void *settings,
                   struct vts_error *error);

/* Adds the value that `settings` holds, as text that options_parse reads back to the same. */
void options_print(const struct vts_option *option, const void *settings, struct text *out);

/* A file name of a configuration made absolute (free it; NULL: no memory): it is relative to the
 * folder of the section's file, and to the current one where it came from the command line or from
 * no file. "" stays "". */
char *options_path(const struct ini_section *section, const struct ini_entry *entry,
                   const char *path);

/* Adds a problem for an error that plugin code found in a section's settings: finds the file line and
 * column for error->key, error->line and error->column, and shows the line of the value where there is a
 * column. Without a key it is the section's. */
void options_report(const struct ini_section *section, const char *name,
                    const struct vts_error *error, struct problems *problems);

/* Prints the table for people: key, type, fallback, range, help; and as a section ready to paste,
 * under the heading `section` ("behaviour NAME", with "plugin = ..." first where plugin is given). A
 * required setting is pasted with its example; one that has none has to be written first. */
void options_describe(const struct vts_option *table, struct text *out);
void options_paste(const struct vts_option *table, const char *section, const char *plugin,
                   struct text *out);

/* "INT", "0 to 256" or "" for --describe as data. */
const char *options_type_name(int32_t type);
void options_range(const struct vts_option *option, struct text *out);

/* The parsers of single values, for those who have no table. */
bool options_time(const char *text, vts_ms *time, struct vts_error *error);
bool options_delay(const char *text, struct vts_delay *delay, struct vts_error *error);

/* A TIME as short as it can be written: 90m for 5400000. Returns `buffer` (24 bytes are enough). */
const char *options_time_text(vts_ms time, char *buffer, size_t size);

#endif
