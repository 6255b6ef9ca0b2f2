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
 * White space around keys and values is dropped. A section or key given twice, a line that is none
 * of these, a NUL byte or broken UTF-8 is a problem with its line. Values may be of any length. */
#ifndef VTSIM_CONFIG_INI_H
#define VTSIM_CONFIG_INI_H

#include "problems.h"

/* Where one line of a value stood: file line and the column of its first byte, both from 1. */
struct ini_place {
    uint32_t line, column;
};

struct ini_entry {
    char *key;
    char *value;              /* lines joined by \n; NUL-terminated */
    struct ini_place *places; /* one for each line of the value */
    size_t lines;
    bool used;                /* somebody asked for it: what is left unused is unknown */
    bool overridden;          /* came from the command line: its places mean nothing */
};

struct ini_section {
    char *kind, *name; /* "behaviour", "quick"; name is NULL in [server] */
    uint32_t line;     /* 0: made on the command line */
    struct ini_entry *entries;
    size_t count;
    const char *file;  /* as it is named in messages; owned by the ini */
    bool used;
};

struct ini {
    char *file; /* as the user named it */
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
 * the section where there is none; replaces what was there. */
bool ini_set(struct ini *ini, const char *assignment, struct problems *problems);

void ini_finish(struct ini *ini);

/* NULL where there is none. `name` is NULL for a section without one. */
struct ini_section *ini_section(const struct ini *ini, const char *kind, const char *name);
struct ini_entry *ini_entry(const struct ini_section *section, const char *key);

/* "vtsimd.ini:12", for line `line` (from 1) of the entry's value; "-s" for one from the command line.
 * Returns `buffer`. */
const char *ini_where(const struct ini_section *section, const struct ini_entry *entry, uint32_t line,
                      char *buffer, size_t size);

#endif
