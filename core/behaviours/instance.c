/* SPDX-License-Identifier: MIT
 *
 * Opens plugins with settings and keeps them. See instance.h. */
#include "instance.h"

#include <stdlib.h>

#include "../base/rng.h"
#include "host.h"

static const struct vts_option no_options[] = {VTS_OPTIONS_END};

static const struct vts_option *table_of(const struct vts_plugin *plugin)
{
    return plugin->options ? plugin->options : no_options;
}

bool instance_warn_once(const struct instance *instance, enum instance_warning warning)
{
    /* Counting warnings changes nothing of what an instance is. */
    atomic_uint *warned = (atomic_uint *)&instance->warned;

    return !(atomic_fetch_or(warned, (unsigned int)warning) & (unsigned int)warning);
}

/* Frees all but what open() made. */
static void release(struct instance *instance)
{
    if (instance->settings)
        options_free(table_of(instance->base.plugin), instance->settings);
    free(instance->settings);
    free(instance->base.data);
    free(instance->name);
    text_finish(&instance->canonical);
    pthread_mutex_destroy(&instance->serial);
    free(instance);
}

static struct instance *allocate(const char *name, const struct vts_plugin *plugin)
{
    struct instance *instance = calloc(1, sizeof(*instance));

    if (!instance)
        return NULL;
    instance->base.plugin = plugin;
    instance->base.host = &host_table;
    instance->base.state_size = plugin->state_size;
    pthread_mutex_init(&instance->serial, NULL);
    instance->name = strdup(name);
    instance->settings = calloc(1, plugin->settings_size ? plugin->settings_size : 1);
    instance->base.data = calloc(1, plugin->instance_size ? plugin->instance_size : 1);
    if (!instance->name || !instance->settings || !instance->base.data) {
        release(instance);
        return NULL;
    }
    instance->base.name = instance->name;
    instance->base.settings = instance->settings;
    return instance;
}

static bool open_plugin(struct instance *instance, struct ini_section *section, const char *label,
                        struct problems *problems)
{
    const struct vts_plugin *plugin = instance->base.plugin;
    struct vts_error error = {.code = VTS_ERR_INVALID,
                              .message = "the plugin refused its settings"};

    if (plugin->open && !plugin->open(&instance->base, &error)) {
        options_report(section, label, &error, problems);
        return false;
    }
    if (instance->base.state_size > VTS_STATE_MAX) {
        vts_error_set(&error, VTS_ERR_INVALID,
                      "the plugin wants %zu bytes of state for each job, 65536 is the most",
                      instance->base.state_size);
        options_report(section, label, &error, problems);
        if (plugin->close)
            plugin->close(&instance->base);
        return false;
    }
    return true;
}

struct instance *instance_create(const char *name, const struct vts_plugin *plugin,
                                 struct ini_section *section, struct problems *problems)
{
    struct instance *instance = allocate(name, plugin);
    struct text *canonical;
    char label[300];
    bool good;

    if (!instance) {
        problems_add(problems, NULL, "behaviour", NULL, "no memory for \"%s\"", name);
        return NULL;
    }
    snprintf(label, sizeof(label), "behaviour %s", name);
    /* The state's version is no part of it: a job of another version has to find its instance, to be told
     * what is the matter. */
    canonical = &instance->canonical;
    text_printf(canonical, "%s%c%s%c", name, 0, plugin->name, 0);
    good = options_read(table_of(plugin), instance->settings, section, label, canonical, problems);
    if (good && canonical->failed) {
        problems_add(problems, NULL, label, NULL, "no memory");
        good = false;
    }
    instance->hash = good ? rng_hash(canonical->bytes, canonical->length, 0) : 0;
    if (good && open_plugin(instance, section, label, problems))
        return instance;
    release(instance);
    return NULL;
}

/* The settings of a canonical text as a section. */
static bool read_canonical(struct ini *ini, const char *at, const char *end,
                           struct problems *problems)
{
    struct text line = TEXT_INIT;
    bool good = true;

    for (; good && at < end; at += strlen(at) + 1) {
        text_reset(&line);
        text_printf(&line, "behaviour stored/%s", at);
        good = !line.failed && ini_set(ini, line.bytes, problems);
    }
    text_finish(&line);
    return good;
}

/* Opens a plugin with the settings of a canonical text. NULL, with the reason, where they would come out
 * otherwise. */
static struct instance *reopen(const struct vts_plugin *plugin, const char *canonical,
                               size_t length, struct vts_error *error)
{
    const char *settings = canonical + strlen(canonical) + 1;
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = NULL;
    struct ini ini = {0};

    settings += strlen(settings) + 1; /* the plugin's name */
    if (read_canonical(&ini, settings, canonical + length, &problems))
        instance =
            instance_create(canonical, plugin, ini_section(&ini, "behaviour", "stored"), &problems);
    if (!instance) {
        vts_error_set(error, VTS_ERR_INVALID, "%.400s",
                      problems.lines.length > 0 ? problems.lines.bytes : "no memory");
    } else if (instance->hash != rng_hash(canonical, length, 0)) {
        vts_error_set(error, VTS_ERR_INVALID, "its plugin has other options now");
        instance_destroy(instance);
        instance = NULL;
    }
    ini_finish(&ini);
    problems_finish(&problems);
    return instance;
}

struct instance *instance_revive(const struct plugins *plugins, const char *canonical,
                                 size_t length, struct vts_error *error)
{
    const char *end = canonical + length, *plugin_name = memchr(canonical, 0, length);
    const struct vts_plugin *plugin;
    struct instance *instance;

    if (length == 0 || end[-1] != '\0' || ++plugin_name == end) {
        vts_error_set(error, VTS_ERR_DAMAGED, "its text cannot be understood");
        return NULL;
    }
    plugin = plugins_find(plugins, plugin_name, error);
    instance = plugin ? reopen(plugin, canonical, length, error) : NULL;
    if (instance)
        instance->revived = true;
    return instance;
}

struct instance *instance_again(const struct instance *like, struct vts_error *error)
{
    return reopen(like->base.plugin, like->canonical.bytes, like->canonical.length, error);
}

void instance_destroy(struct instance *instance)
{
    if (!instance)
        return;
    if (instance->base.plugin->close)
        instance->base.plugin->close(&instance->base);
    release(instance);
}

bool instances_add(struct instances *instances, struct instance *instance)
{
    struct instance **grown =
        realloc((void *)instances->all, (instances->count + 1) * sizeof(struct instance *));

    if (!grown) {
        instance_destroy(instance);
        return false;
    }
    instances->all = grown;
    instances->all[instances->count++] = instance;
    return true;
}

/* Two threads may add the same one: the first that is found serves. */
void instances_add_late(struct instances *instances, struct instance *instance)
{
    instance->next = atomic_load(&instances->late);
    while (!atomic_compare_exchange_weak(&instances->late, &instance->next, instance))
        ;
}

void instances_finish(struct instances *instances)
{
    struct instance *late = atomic_load(&instances->late), *next;

    for (; late; late = next) {
        next = late->next;
        instance_destroy(late);
    }
    atomic_store(&instances->late, NULL);
    while (instances->count > 0)
        instance_destroy(instances->all[--instances->count]);
    free((void *)instances->all);
    instances->all = NULL;
}

const struct instance *instances_named(const struct instances *instances, const char *name,
                                       size_t length)
{
    size_t i;

    for (i = 0; i < instances->count; i++)
        if (!instances->all[i]->revived && strlen(instances->all[i]->name) == length &&
            memcmp(instances->all[i]->name, name, length) == 0)
            return instances->all[i];
    return NULL;
}

const struct instance *instances_hashed(const struct instances *instances, uint64_t hash)
{
    const struct instance *late;
    size_t i;

    for (i = 0; i < instances->count; i++)
        if (instances->all[i]->hash == hash)
            return instances->all[i];
    for (late = atomic_load(&instances->late); late; late = late->next)
        if (late->hash == hash)
            return late;
    return NULL;
}

/* ---- from the configuration ---- */

/* The plugin that a [behaviour] section names, by default the one that is called as the section is. */
static const struct vts_plugin *plugin_of(struct ini_section *section,
                                          const struct plugins *plugins, struct problems *problems)
{
    struct ini_entry *entry = ini_entry(section, "plugin");
    const char *name = entry ? entry->value : section->name;
    const struct vts_plugin *plugin;
    struct vts_error error;
    char label[300], where[4200];

    snprintf(label, sizeof(label), "behaviour %s", section->name);
    if (entry)
        entry->used = true;
    plugin = plugins_find(plugins, name, &error);
    if (plugin && plugin->kind != VTS_BEHAVIOUR) {
        vts_error_set(&error, VTS_ERR_INVALID, "\"%s\" is a filter, not a behaviour", name);
        plugin = NULL;
    }
    if (!plugin)
        problems_add(problems, ini_where(section, entry, 1, where, sizeof(where)), label, "plugin",
                     "%s%s",
                     entry ? "" : "it is not given, so it is the section's name: ", error.message);
    return plugin;
}

static bool open_sections(struct instances *instances, const struct config *config,
                          const struct plugins *plugins, struct problems *problems)
{
    struct ini_section *section;
    const struct vts_plugin *plugin;
    struct instance *instance;
    bool good = true;
    size_t i, entry;

    for (i = 0; i < config->ini.count; i++) {
        section = config->ini.sections[i];
        if (strcmp(section->kind, "behaviour") != 0 || !section->name)
            continue;
        section->used = true;
        plugin = plugin_of(section, plugins, problems);
        instance = plugin ? instance_create(section->name, plugin, section, problems) : NULL;
        good = instance && instances_add(instances, instance) && good;
        /* Without its plugin nobody can tell which keys are known. */
        for (entry = 0; !plugin && entry < section->count; entry++)
            section->entries[entry].used = true;
    }
    return good;
}

/* Plugins that need no settings are behaviours under their own names. */
static bool open_plain(struct instances *instances, const struct plugins *plugins)
{
    const struct vts_plugin *plugin;
    struct problems ignored = PROBLEMS_INIT;
    struct instance *instance;
    bool good = true;
    size_t i;

    for (i = 0; i < plugins->loaded_count; i++) {
        plugin = plugins->loaded[i].plugin;
        if (plugin->kind != VTS_BEHAVIOUR ||
            instances_named(instances, plugin->name, strlen(plugin->name)))
            continue;
        instance = instance_create(plugin->name, plugin, NULL, &ignored);
        good = (!instance || instances_add(instances, instance)) && good;
    }
    problems_finish(&ignored);
    return good;
}

/* Why a plugin does not run on its fallbacks. */
static void tell_why(const struct vts_plugin *plugin, struct vts_error *error)
{
    struct problems why = PROBLEMS_INIT;
    const char *lines;

    instance_destroy(instance_create(plugin->name, plugin, NULL, &why));
    lines = why.lines.length > 0 ? why.lines.bytes : "";
    vts_error_set(error, VTS_ERR_INVALID,
                  "the plugin \"%s\" does not run on its defaults (%.*s): give it a section "
                  "[behaviour %s]",
                  plugin->name, (int)strcspn(lines, "\n"), lines, plugin->name);
    problems_finish(&why);
}

/* The name of the instance that is nearest to this one, or NULL. */
static const char *nearest_name(const struct instances *instances, const char *name)
{
    const char *words[3] = {NULL, NULL, NULL}, *nearest = NULL;
    size_t i;

    for (i = 0; i < instances->count; i++) {
        words[nearest ? 1 : 0] = instances->all[i]->name;
        nearest = words[0] = text_nearest(name, words);
    }
    return nearest;
}

void instances_why_not(const struct instances *instances, const struct plugins *plugins,
                       const char *name, struct vts_error *error)
{
    const struct vts_plugin *plugin = plugins_find(plugins, name, error);
    const char *nearest = nearest_name(instances, name);

    if (plugin && plugin->kind != VTS_BEHAVIOUR)
        vts_error_set(error, VTS_ERR_INVALID, "\"%s\" is a filter, not a behaviour", name);
    else if (plugin)
        tell_why(plugin, error);
    else if (error->code != VTS_ERR_NOT_FOUND)
        return; /* the plugin is there and broken: its reason says more */
    else if (nearest)
        vts_error_set(error, VTS_ERR_INVALID,
                      "no section [behaviour %s], nor a plugin of that name; did you mean \"%s\"?",
                      name, nearest);
    else
        vts_error_set(error, VTS_ERR_INVALID,
                      "no section [behaviour %s], nor a plugin of that name in %s", name,
                      plugins->searched);
}

/* Every behaviour that [server] or a rule names must be there. */
static bool check_named(const struct instances *instances, const struct config *config,
                        const struct plugins *plugins, const char *kind, const char *section_name,
                        const char *behaviour, struct problems *problems)
{
    const struct ini_section *section = ini_section(&config->ini, kind, section_name);
    const struct ini_entry *entry = section ? ini_entry(section, "behaviour") : NULL;
    struct vts_error error;
    char where[4200], label[300];

    if (!behaviour || instances_named(instances, behaviour, strlen(behaviour)) ||
        ini_section(&config->ini, "behaviour", behaviour))
        return true;
    snprintf(label, sizeof(label), section_name ? "%s %s" : "%s", kind, section_name);
    instances_why_not(instances, plugins, behaviour, &error);
    problems_add(problems, section ? ini_where(section, entry, 1, where, sizeof(where)) : NULL,
                 label, "behaviour", "%s", error.message);
    return false;
}

bool instances_open(struct instances *instances, const struct config *config,
                    const struct plugins *plugins, struct problems *problems)
{
    bool good;
    size_t i;

    memset(instances, 0, sizeof(*instances));
    good = open_sections(instances, config, plugins, problems);
    if (!open_plain(instances, plugins)) {
        problems_add(problems, NULL, NULL, NULL, "no memory for the behaviours");
        good = false;
    }
    good = check_named(instances, config, plugins, "server", NULL, config->server.behaviour,
                       problems) &&
           good;
    for (i = 0; i < config->rule_count; i++)
        good = check_named(instances, config, plugins, "rule", config->rules[i].name,
                           config->rules[i].settings.behaviour, problems) &&
               good;
    return good;
}
