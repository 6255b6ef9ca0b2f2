/* SPDX-License-Identifier: MIT
 *
 * Finds, configures and opens the store that is asked for. See open.h. */
#include "open.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "../behaviours/loader.h"

/* ---- memory, as a module of its own ---- */

static struct store *open_memory(const struct store_options *options, const void *settings,
                                 struct vts_error *error)
{
    struct store *store = store_create_memory(options);

    (void)settings;
    if (!store)
        vts_error_set(error, VTS_ERR_MEMORY, "no memory for the store");
    return store;
}

static const struct vts_option no_options[] = {VTS_OPTIONS_END};

static const struct store_module memory_module = {
    .version = STORE_VERSION,
    .name = "memory",
    .summary = "jobs in memory, which end with the process",
    .options = no_options,
    .in_steps = true,
    .open = open_memory,
};

/* ---- the others ---- */

static bool well_named(const char *kind)
{
    return *kind && strlen(kind) <= 64 &&
           kind[strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static bool module_path(const char *kind, char *path, size_t size)
{
    char folder[PATH_MAX];

    return loader_folder(VTSIM_STORE_DIR_FROM_BIN, folder, sizeof(folder)) &&
           (size_t)snprintf(path, size, "%s/%s.so", folder, kind) < size;
}

const struct store_module *store_module_find(const char *kind, struct vts_error *error)
{
    const struct store_module *module;
    store_module_fn *function;
    char path[PATH_MAX];
    void *symbol;

    if (strcmp(kind, memory_module.name) == 0)
        return &memory_module;
    if (!well_named(kind) || !module_path(kind, path, sizeof(path)) || access(path, F_OK) != 0) {
        vts_error_set(
            error, VTS_ERR_INVALID,
            "no store \"%s\"; write memory, or sqlite or redis where vtsim was built with "
            "them",
            kind);
        return NULL;
    }
    symbol = loader_symbol(path, "vts_store", error);
    if (!symbol)
        return NULL;
    memcpy(&function, &symbol, sizeof(function));
    module = function();
    if (strcmp(module->version, STORE_VERSION) == 0)
        return module;
    vts_error_set(error, VTS_ERR_LOAD, "%s belongs to vtsim %s, this is vtsim " STORE_VERSION, path,
                  module->version);
    return NULL;
}

void store_each_kind(void (*fn)(void *arg, const char *kind), void *arg)
{
    char folder[PATH_MAX], *tail;
    struct dirent **files;
    int count, i;

    fn(arg, memory_module.name);
    count = loader_folder(VTSIM_STORE_DIR_FROM_BIN, folder, sizeof(folder))
                ? scandir(folder, &files, NULL, alphasort)
                : -1;
    for (i = 0; i < count; i++) {
        tail = strstr(files[i]->d_name, ".so");
        if (tail && tail[3] == '\0') {
            *tail = '\0';
            fn(arg, files[i]->d_name);
        }
        free(files[i]);
    }
    if (count >= 0)
        free((void *)files);
}

static bool look_over(const struct store_choice *choice, const struct ini_section *section,
                      struct problems *problems)
{
    struct vts_error error;

    if (!choice->module->check || choice->module->check(choice->settings, &error))
        return true;
    options_report(section, "store", &error, problems);
    return false;
}

bool store_choose(struct store_choice *choice, const struct config *config,
                  struct problems *problems)
{
    struct ini_section *section = ini_section(&config->ini, "store", NULL);
    struct ini_entry *kind = section ? ini_entry(section, "kind") : NULL;
    struct vts_error error;
    char where[PATH_MAX + 32];
    size_t i;

    *choice = (struct store_choice){.module = &memory_module};
    if (kind) {
        choice->module = store_module_find(kind->value, &error);
        /* Without it nobody can tell which keys are known. */
        for (i = 0; !choice->module && i < section->count; i++)
            section->entries[i].used = true;
    }
    if (!choice->module) {
        problems_add(problems, ini_where(section, kind, 1, where, sizeof(where)), "store", "kind",
                     "%s", error.message);
        return false;
    }
    choice->settings = calloc(1, choice->module->settings_size + 1);
    if (!choice->settings) {
        problems_add(problems, NULL, "store", NULL, "no memory");
        return false;
    }
    return options_read(choice->module->options, choice->settings, section, "store", NULL,
                        problems) &&
           look_over(choice, section, problems);
}

struct store *store_open(const struct store_choice *choice, const struct store_options *options,
                         struct vts_error *error)
{
    return choice->module->open(options, choice->settings, error);
}

void store_choice_finish(struct store_choice *choice)
{
    if (choice->settings)
        options_free(choice->module->options, choice->settings);
    free(choice->settings);
    choice->settings = NULL;
}
