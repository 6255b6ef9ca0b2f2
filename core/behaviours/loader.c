/* SPDX-License-Identifier: MIT
 *
 * Finds, opens and checks plugin modules. See loader.h. libltdl says "file not found" for nearly every
 * cause, so the file is looked at first and the dynamic linker is asked before it. */
#include "loader.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <ltdl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../config/options.h"

#define ENTRY       "vts_plugin"
#define NAME_MAX_   64
#define MODULE_TAIL ".so"

/* The record of VTS_ABI 1 as it was at first. It stays when struct vts_plugin grows: who then reads a later
 * member looks at the record's size before. */
#define RECORD_LEAST (offsetof(struct vts_plugin, finish) + sizeof(void (*)(struct vts_job *)))

/* ---- the record ---- */

static bool name_valid(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    return length > 0 && length <= NAME_MAX_ && name[length] == '\0' &&
           !(name[0] >= '0' && name[0] <= '9');
}

static bool check_abi(const struct vts_plugin *plugin, const char *name, struct vts_error *error)
{
    if (plugin->abi != VTS_ABI)
        return vts_error_set(error, VTS_ERR_LOAD,
                             "%s was built for plugin ABI %u, this vtsimd speaks ABI %u: build it "
                             "with %s vtsim/plugin.h",
                             name, plugin->abi, VTS_ABI,
                             plugin->abi < VTS_ABI ? "this vtsim's" : "an older");
    if (plugin->size < RECORD_LEAST)
        return vts_error_set(error, VTS_ERR_LOAD,
                             "%s has a plugin record of %u bytes, %zu are needed: describe it with "
                             "VTS_PLUGIN",
                             name, plugin->size, RECORD_LEAST);
    if (plugin->option_size != sizeof(struct vts_option))
        return vts_error_set(error, VTS_ERR_LOAD,
                             "%s has options of %u bytes, this vtsimd reads options of %zu: "
                             "describe it with VTS_PLUGIN",
                             name, plugin->option_size, sizeof(struct vts_option));
    return true;
}

static bool check_hooks(const struct vts_plugin *plugin, struct vts_error *error)
{
    if (plugin->kind == VTS_FILTER) {
        if (plugin->start || plugin->wake || plugin->cancel || plugin->finish)
            return vts_error_set(error, VTS_ERR_LOAD,
                                 "%s is a filter: it can have the hooks admit and poll alone",
                                 plugin->name);
        if (plugin->state_size > 0)
            return vts_error_set(error, VTS_ERR_LOAD,
                                 "%s is a filter, and wants %zu bytes of state for each job: "
                                 "filters have none",
                                 plugin->name, plugin->state_size);
        return true;
    }
    if (plugin->kind != VTS_BEHAVIOUR)
        return vts_error_set(error, VTS_ERR_LOAD,
                             "%s is of kind %d: use VTS_BEHAVIOUR or VTS_FILTER", plugin->name,
                             (int)plugin->kind);
    if (!plugin->start)
        return vts_error_set(error, VTS_ERR_LOAD, "%s has no start hook: a behaviour needs one",
                             plugin->name);
    return true;
}

bool plugin_check(const struct vts_plugin *plugin, const char *name, struct vts_error *error)
{
    struct vts_error inner;

    if (!check_abi(plugin, name, error))
        return false;
    if (!plugin->name || strcmp(plugin->name, name) != 0)
        return vts_error_set(
            error, VTS_ERR_LOAD,
            "%s describes itself as \"%s\": the name in VTS_PLUGIN must be that of "
            "the file",
            name, plugin->name ? plugin->name : "");
    if (!check_hooks(plugin, error))
        return false;
    if (plugin->state_size > VTS_STATE_MAX)
        return vts_error_set(error, VTS_ERR_LOAD,
                             "%s wants %zu bytes of state for each job, 65536 is the most", name,
                             plugin->state_size);
    if (plugin->options && !options_check(plugin->options, plugin->settings_size, &inner))
        return vts_error_set(error, VTS_ERR_LOAD, "%s has a broken option table: %s", name,
                             inner.message);
    return true;
}

/* ---- one file ---- */

static bool check_file(const char *path, struct vts_error *error)
{
    unsigned char magic[4] = {0};
    /* A pipe would wait for somebody to write to it. */
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t got;

    if (file < 0)
        return vts_error_set(error, VTS_ERR_LOAD, "%s cannot be read: %s", path, strerror(errno));
    got = read(file, magic, sizeof(magic));
    close(file);
    if (got != (ssize_t)sizeof(magic) || memcmp(magic, "\177ELF", sizeof(magic)) != 0)
        return vts_error_set(error, VTS_ERR_LOAD, "%s is not a module: it is no ELF file", path);
    return true;
}

static lt_dlhandle open_module(const char *path, struct vts_error *error)
{
    lt_dladvise advise;
    lt_dlhandle handle = NULL;

    /* The dynamic linker first: it tells its reason, and it binds all symbols at once, whatever the module
     * was linked with. libltdl binds them lazily: one that is missing would end the process when a hook
     * first calls it. The handle is kept, for the module stays. */
    // cppcheck-suppress leakReturnValNotUsed
    if (!dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)) {
        vts_error_set(error, VTS_ERR_LOAD, "%s cannot be loaded: %s", path, dlerror());
        return NULL;
    }
    if (lt_dladvise_init(&advise) != 0) {
        vts_error_set(error, VTS_ERR_MEMORY, "no memory to load %s", path);
        return NULL;
    }
    if (lt_dladvise_local(&advise) == 0 && lt_dladvise_resident(&advise) == 0)
        handle = lt_dlopenadvise(path, advise);
    if (!handle)
        vts_error_set(error, VTS_ERR_LOAD, "%s cannot be loaded: %s", path, lt_dlerror());
    lt_dladvise_destroy(&advise);
    return handle;
}

/* Whether the function stands in this file: dlsym also looks in what the file depends on. */
static bool stands_in(const void *address, const char *path)
{
    Dl_info info;
    struct stat wanted, found;

    return dladdr(address, &info) && stat(path, &wanted) == 0 &&
           stat(info.dli_fname, &found) == 0 && wanted.st_dev == found.st_dev &&
           wanted.st_ino == found.st_ino;
}

/* "quick.so" and "/a/quick.so" to "quick". False where it is no module's name. */
static bool module_name(const char *path, char *name, size_t size)
{
    const char *base = strrchr(path, '/');
    size_t length;

    base = base ? base + 1 : path;
    length = strlen(base);
    if (length <= strlen(MODULE_TAIL) || length - strlen(MODULE_TAIL) >= size ||
        strcmp(base + length - strlen(MODULE_TAIL), MODULE_TAIL) != 0)
        return false;
    memcpy(name, base, length - strlen(MODULE_TAIL));
    name[length - strlen(MODULE_TAIL)] = '\0';
    return true;
}

void *loader_symbol(const char *path, const char *symbol, struct vts_error *error)
{
    char name[NAME_MAX_ + 1], full[PATH_MAX];
    lt_dlhandle handle;
    void *found;

    if (!module_name(path, name, sizeof(name)) || !name_valid(name)) {
        vts_error_set(error, VTS_ERR_LOAD,
                      "%s is not a plugin's file name: it must be NAME.so, NAME of letters, digits "
                      "and underscores",
                      path);
        return NULL;
    }
    if (!realpath(path, full)) {
        vts_error_set(error, VTS_ERR_LOAD, "%s cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    if (!check_file(full, error))
        return NULL;
    if (lt_dlinit() != 0) {
        vts_error_set(error, VTS_ERR_LOAD, "libltdl: %s", lt_dlerror());
        return NULL;
    }
    handle = open_module(full, error);
    if (!handle)
        return NULL;
    found = lt_dlsym(handle, symbol);
    if (!found || !stands_in(found, full)) {
        vts_error_set(error, VTS_ERR_LOAD,
                      "%s has no function %s_LTX_%s: end its source with VTS_PLUGIN(%s, ...)", path,
                      name, symbol, name);
        return NULL;
    }
    return found;
}

const struct vts_plugin *plugin_load_file(const char *path, struct vts_error *error)
{
    void *symbol = loader_symbol(path, ENTRY, error);
    const struct vts_plugin *plugin;
    vts_plugin_fn *function;
    char name[NAME_MAX_ + 1];

    if (!symbol)
        return NULL;
    memcpy(&function, &symbol, sizeof(function));
    plugin = function();
    if (!plugin) {
        vts_error_set(error, VTS_ERR_LOAD, "%s handed out no plugin record", path);
        return NULL;
    }
    return module_name(path, name, sizeof(name)) && plugin_check(plugin, name, error) ? plugin
                                                                                      : NULL;
}

/* ---- folders ---- */

static const struct loaded_plugin *loaded_as(const struct plugins *plugins, const char *name)
{
    size_t i;

    for (i = 0; plugins && i < plugins->loaded_count; i++)
        if (strcmp(plugins->loaded[i].plugin->name, name) == 0)
            return &plugins->loaded[i];
    return NULL;
}

static bool known(const struct plugins *plugins, const char *name)
{
    size_t i;

    for (i = 0; i < plugins->broken_count; i++)
        if (strcmp(plugins->broken[i].name, name) == 0)
            return true;
    return loaded_as(plugins, name) != NULL;
}

static bool keep_loaded(struct plugins *plugins, const struct loaded_plugin *loaded)
{
    struct loaded_plugin *grown =
        realloc(plugins->loaded, (plugins->loaded_count + 1) * sizeof(*grown));

    if (!grown)
        return false;
    plugins->loaded = grown;
    grown[plugins->loaded_count] = *loaded;
    grown[plugins->loaded_count].path = strdup(loaded->path);
    return grown[plugins->loaded_count++].path != NULL;
}

static bool keep_broken(struct plugins *plugins, const char *name, const char *path,
                        const char *reason)
{
    struct broken_plugin *grown =
        realloc(plugins->broken, (plugins->broken_count + 1) * sizeof(*grown));
    struct broken_plugin *broken;

    if (!grown)
        return false;
    plugins->broken = grown;
    broken = &grown[plugins->broken_count++];
    broken->name = strdup(name);
    broken->path = strdup(path);
    broken->reason = strdup(reason);
    return broken->name && broken->path && broken->reason;
}

static struct timespec modified(const char *path)
{
    struct stat file;

    return stat(path, &file) == 0 ? file.st_mtim : (struct timespec){0};
}

/* One that is loaded stays as it was, and where it was. */
static bool take_over(struct plugins *plugins, const struct loaded_plugin *before, const char *path)
{
    struct timespec now = modified(path);
    struct loaded_plugin loaded = *before;

    loaded.changed = strcmp(before->path, path) != 0 || now.tv_sec != before->modified.tv_sec ||
                     now.tv_nsec != before->modified.tv_nsec;
    return keep_loaded(plugins, &loaded);
}

static bool load_one(struct plugins *plugins, const char *folder, const char *file,
                     const struct plugins *before)
{
    struct loaded_plugin loaded = {0};
    char path[PATH_MAX], name[NAME_MAX + 1];
    struct vts_error error;

    if (!module_name(file, name, sizeof(name)) || known(plugins, name) ||
        (size_t)snprintf(path, sizeof(path), "%s/%s", folder, file) >= sizeof(path))
        return true;
    if (loaded_as(before, name))
        return take_over(plugins, loaded_as(before, name), path);
    loaded.path = path;
    loaded.modified = modified(path);
    loaded.plugin = plugin_load_file(path, &error);
    return loaded.plugin ? keep_loaded(plugins, &loaded)
                         : keep_broken(plugins, name, path, error.message);
}

/* All of one folder, in the order of their names. False where it cannot be read: errno tells why. */
static bool load_folder(struct plugins *plugins, const char *folder, const struct plugins *before,
                        bool *no_memory)
{
    struct dirent **files;
    int count = scandir(folder, &files, NULL, alphasort), i;

    if (count < 0)
        return false;
    for (i = 0; i < count; i++) {
        *no_memory = *no_memory || !load_one(plugins, folder, files[i]->d_name, before);
        free(files[i]);
    }
    free((void *)files);
    return true;
}

/* Each item of plugin_path stands on a line of its own. */
static void report_folder(const struct ini_section *server, const char *folder, size_t index,
                          struct problems *problems)
{
    struct vts_error error;

    vts_error_at(&error, "plugin_path", (uint32_t)index + 1, 0, "folder %s cannot be read: %s",
                 folder, strerror(errno));
    options_report(server, "server", &error, problems);
}

bool loader_folder(const char *from_program, char *folder, size_t size)
{
    char self[PATH_MAX], path[2 * PATH_MAX], real[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (length <= 0)
        return false;
    self[length] = '\0';
    slash = strrchr(self, '/');
    if (!slash)
        return false;
    *slash = '\0';
    snprintf(path, sizeof(path), "%s/%s", self, from_program);
    return (size_t)snprintf(folder, size, "%s", realpath(path, real) ? real : path) < size;
}

bool plugins_load(struct plugins *plugins, const struct vts_list *folders,
                  const struct ini_section *server, const struct plugins *before,
                  struct problems *problems)
{
    struct text searched = TEXT_INIT;
    char installed[PATH_MAX];
    bool good = true, no_memory = false;
    size_t i;

    memset(plugins, 0, sizeof(*plugins));
    for (i = 0; i < folders->count; i++) {
        if (!load_folder(plugins, folders->items[i], before, &no_memory)) {
            report_folder(server, folders->items[i], i, problems);
            good = false;
        }
        text_printf(&searched, "%s%s", i ? ", " : "", folders->items[i]);
    }
    if (loader_folder(VTSIM_PLUGIN_DIR_FROM_BIN, installed, sizeof(installed))) {
        load_folder(plugins, installed, before, &no_memory); /* there need not be one */
        text_printf(&searched, "%s%s", i ? ", " : "", installed);
    }
    plugins->searched = text_take(&searched);
    if (no_memory || !plugins->searched)
        problems_add(problems, NULL, NULL, NULL, "no memory to load the plugins");
    return good && !no_memory && plugins->searched;
}

void plugins_finish(struct plugins *plugins)
{
    size_t i;

    for (i = 0; i < plugins->loaded_count; i++)
        free(plugins->loaded[i].path);
    for (i = 0; i < plugins->broken_count; i++) {
        free(plugins->broken[i].name);
        free(plugins->broken[i].path);
        free(plugins->broken[i].reason);
    }
    free(plugins->loaded);
    free(plugins->broken);
    free(plugins->searched);
    memset(plugins, 0, sizeof(*plugins));
}

static const char *nearest_plugin(const struct plugins *plugins, const char *name)
{
    const char *words[2] = {NULL, NULL}, *nearest = NULL;
    size_t i;

    /* One list of one at a time: the first that is near will do. */
    for (i = 0; i < plugins->loaded_count && !nearest; i++) {
        words[0] = plugins->loaded[i].plugin->name;
        nearest = text_nearest(name, words);
    }
    return nearest;
}

const struct vts_plugin *plugins_find(const struct plugins *plugins, const char *name,
                                      struct vts_error *error)
{
    const char *nearest;
    size_t i;

    if (loaded_as(plugins, name))
        return loaded_as(plugins, name)->plugin;
    for (i = 0; i < plugins->broken_count; i++)
        if (strcmp(plugins->broken[i].name, name) == 0) {
            vts_error_set(error, VTS_ERR_LOAD, "%s", plugins->broken[i].reason);
            return NULL;
        }
    nearest = nearest_plugin(plugins, name);
    if (strchr(name, '/') || strstr(name, MODULE_TAIL))
        vts_error_set(error, VTS_ERR_INVALID,
                      "\"%s\" is a path: give the plugin's name alone, and its folder in [server] "
                      "plugin_path",
                      name);
    else if (nearest)
        vts_error_set(error, VTS_ERR_NOT_FOUND, "no plugin \"%s\" in %s; did you mean \"%s\"?",
                      name, plugins->searched, nearest);
    else
        vts_error_set(error, VTS_ERR_NOT_FOUND, "no plugin \"%s\" in %s", name, plugins->searched);
    return NULL;
}
