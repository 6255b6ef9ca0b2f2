/* SPDX-License-Identifier: MIT
 *
 * Reads INI text into sections, keys and values that know where they stood. Knows the syntax and no
 * setting.
 *
 *     [behaviour quick]          a section: a kind, and a name where the kind takes one
 *     delay = 10s                ; a comment: at the start of a line or after white space
 *     script = pending for 5s    lines that start with white space continue the value above;
 *              completed         their line breaks are kept, their indentation is not
 *     note = "a ; b"             no comment within double quotes; the quotes stay in the value
 *
 * White space around keys and values is dropped. Within a value, a blank line and a line that is
 * wholly a comment are skipped: the value goes on with the next indented line. A value whose first
 * line is empty begins on the next. So no line of a value is empty, but a whole value may be.
 *
 * In double quotes a backslash escapes a quote. A quote that is not closed on its line is an ordinary
 * character. Lines end with LF or CRLF; a byte order mark at the start is skipped.
 *
 * A section or key given twice, a line that is none of these, a NUL byte or broken UTF-8 is a problem
 * with its line. Lines and values may be of any length, a file 16 MiB. */
#ifndef VTSIM_CONFIG_INI_H
#define VTSIM_CONFIG_INI_H

#include "problems.h"

enum { INI_FILE_MAX = 16 * 1024 * 1024, INI_KEY_MAX = 48, INI_NAME_MAX = 255 };

/* Where one line of a value stood: file line and the column of its first byte, both from 1. */
struct ini_place {
    uint32_t line, column;
};

struct ini_entry {
    char *key;
    char *value;              /* lines joined by \n; NUL-terminated, valid UTF-8 */
    struct ini_place *places; /* one for each line of the value: in the file, or where the section was
                               * given, in the value as it was; NULL where overridden */
    size_t lines;             /* at least 1 */
    bool used;                /* somebody asked for it: what is left unused is unknown */
    bool overridden;          /* came from the command line: it has no places */
    bool damaged;             /* could not be read whole; that is reported, say no more of it */
};

struct ini_section {
    char *kind, *name; /* "behaviour", "quick"; name is NULL in [server] */
    uint32_t line;     /* 0: made on the command line */
    struct ini_entry *entries;
    size_t count;
    const char *file; /* as it is named in messages; owned by the ini; "" where there is none */
    bool given;       /* made by ini_put: `file` is not one, and has no lines */
    bool used;
};

struct ini {
    char *file; /* as the user named it; "<stdin>" for "-"; NULL: no file */
    struct ini_section **sections;
    size_t count;
};

/* Reads a text. Adds a problem for each thing that is wrong and reads on; what could be read is in
 * *ini in any case. False where there was a problem or no memory. `file` names it in messages. */
bool ini_read(struct ini *ini, const char *file, const char *text, size_t length,
              struct problems *problems);

/* Reads a file; "-" is standard input. A file that cannot be read is one problem. */
bool ini_read_file(struct ini *ini, const char *path, struct problems *problems);

/* Sets one value as the command line gives it: `server/workers=1`, `behaviour quick/delay=1s`. Makes
 * the section where there is none; replaces what was there. There are no comments in it; its lines
 * are treated as those of a file. An ini that was not read from anything is zeroed before. */
bool ini_set(struct ini *ini, const char *assignment, struct problems *problems);

/* Sets one value that comes from neither a file nor the command line; ini->file (which ini_finish frees) is
 * how messages call where it comes from. The rest as for ini_set. False where there was no memory. */
bool ini_put(struct ini *ini, const char *kind, const char *name, const char *key,
             const char *value);

void ini_finish(struct ini *ini);
/* Frees a section that was taken out of its ini. */
void ini_section_destroy(struct ini_section *section);

/* NULL where there is none. `name` is NULL for a section without one. Both mark what they find as
 * used; a `section` of NULL has no entries. */
struct ini_section *ini_section(const struct ini *ini, const char *kind, const char *name);
struct ini_entry *ini_entry(const struct ini_section *section, const char *key);

/* "vtsimd.ini:12", for line `line` (from 1) of the entry's value, or for the section's heading where
 * `entry` is NULL; "-s" for one from the command line; "" where `section` is NULL. Returns `buffer`. */
const char *ini_where(const struct ini_section *section, const struct ini_entry *entry,
                      uint32_t line, char *buffer, size_t size);

/* What stands between the brackets, "behaviour quick", for messages. */
struct ini_title {
    char text[INI_KEY_MAX + INI_NAME_MAX + 2];
};
struct ini_title ini_title(const struct ini_section *section);

#endif
