/* SPDX-License-Identifier: MIT
 *
 * What vtsimd does instead of serving: it tells what there is, shows what a behaviour would do, and tries
 * whether a plugin keeps the rules. Each prints to standard output (what is wrong: to standard error) and
 * gives the exit status. Knows no socket and no store. */
#ifndef VTSIM_TOOLS_TOOLS_H
#define VTSIM_TOOLS_TOOLS_H

#include "../behaviours/behaviours.h"

#define EXIT_USAGE 2

/* --describe: all plugins and the server's own settings, or one plugin. */
int tool_describe(const struct plugins *plugins, const char *name);

enum preview_format { PREVIEW_TEXT, PREVIEW_JSON, PREVIEW_CSV };

struct preview {
    const char *behaviour; /* or filter: one of the INI file, else a plugin by its name */
    uint64_t jobs, seed;
    vts_ms every; /* jobs that share slots, or a filter, come this far apart; -1: as usual */
    enum preview_format format;
};

/* --preview: runs jobs through virtual time, and shows what came of them. */
int tool_preview(const struct preview *preview, const struct plugins *plugins,
                 const struct behaviours *behaviours);

/* --vet: loads a module file, opens it with these settings (each `KEY=VALUE`), and tries all laws.
 * 0: all hold; 1: one is broken; 2: it cannot be loaded or opened. */
int tool_vet(const char *file, const char *const *settings, size_t count);

#endif
