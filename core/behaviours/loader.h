/* SPDX-License-Identifier: MIT
 *
 * From files to plugins: searches the configured folders and then the installed one, opens every
 * module there and checks it before anything of it is used. The only file that knows libltdl, which is
 * not thread-safe: load in the main thread before there are others. Modules stay loaded until the
 * process ends. */
#ifndef VTSIM_BEHAVIOURS_LOADER_H
#define VTSIM_BEHAVIOURS_LOADER_H

#include <time.h>

#include "../config/ini.h"

struct loaded_plugin {
    const struct vts_plugin *plugin;
    char *path;
    struct timespec modified; /* when it was loaded: the file's */
    bool changed;             /* it is not that file any more, and is taken over all the same */
};

struct broken_plugin {
    char *name;
    char *path;
    char *reason; /* one line: why it cannot be used */
};

struct plugins {
    struct loaded_plugin *loaded;
    size_t loaded_count;
    struct broken_plugin *broken;
    size_t broken_count;
    char *searched; /* the folders, separated by ", ", for messages */
};

/* Loads all modules of these folders and of the installed one. What `before` (NULL: none) has loaded under
 * the same name is taken over from it: code is never unloaded. Where two folders have a module of the
 * same name, the first wins. A module that cannot be used is kept as broken, with its reason; a
 * configured folder that cannot be read is a problem of `server`, the section that has plugin_path (NULL:
 * none). False where there was a problem. */
bool plugins_load(struct plugins *plugins, const struct vts_list *folders,
                  const struct ini_section *server, const struct plugins *before,
                  struct problems *problems);
void plugins_finish(struct plugins *plugins);

/* The plugin with this name, or NULL and why not: unknown (with the nearest name), a path instead of a
 * name, or broken (with the reason). */
const struct vts_plugin *plugins_find(const struct plugins *plugins, const char *name,
                                      struct vts_error *error);

/* The address of `<file>_LTX_<symbol>` in a module file, which is opened, if need be, and stays. NULL, with
 * the reason. */
void *loader_symbol(const char *path, const char *symbol, struct vts_error *error);

/* A folder by its place relative to that of this program's own file, so that an installation can be
 * moved. The build tree is laid out in the same way. False where it cannot be told. */
bool loader_folder(const char *from_program, char *folder, size_t size);

/* Opens and checks one module file. */
const struct vts_plugin *plugin_load_file(const char *path, struct vts_error *error);

/* Checks a plugin's record: what a module or a linked-in function handed out. `name` is what it must be
 * called. */
bool plugin_check(const struct vts_plugin *plugin, const char *name, struct vts_error *error);

#endif
