/* SPDX-License-Identifier: MIT
 *
 * From [behaviour] sections to instances. See behaviours.h. */
#include "behaviours.h"

#include <stdlib.h>

bool behaviours_add(struct behaviours *behaviours, struct instance *instance)
{
    struct instance **grown =
        realloc((void *)behaviours->all, (behaviours->count + 1) * sizeof(struct instance *));

    if (!grown) {
        instance_destroy(instance);
        return false;
    }
    behaviours->all = grown;
    behaviours->all[behaviours->count++] = instance;
    return true;
}

const struct instance *behaviours_named(const struct behaviours *behaviours, const char *name,
                                        size_t length)
{
    size_t i;

    for (i = 0; i < behaviours->count; i++)
        if (strlen(behaviours->all[i]->name) == length &&
            memcmp(behaviours->all[i]->name, name, length) == 0)
            return behaviours->all[i];
    return NULL;
}

void behaviours_publish(struct behaviours *behaviours, struct instances *instances)
{
    size_t i;

    for (i = 0; i < behaviours->count; i++)
        behaviours->all[i] = (struct instance *)instances_add(instances, behaviours->all[i]);
    behaviours->published = true;
}

void behaviours_finish(struct behaviours *behaviours)
{
    while (!behaviours->published && behaviours->count > 0)
        instance_destroy(behaviours->all[--behaviours->count]);
    free((void *)behaviours->all);
    memset(behaviours, 0, sizeof(*behaviours));
}

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

static bool open_sections(struct behaviours *behaviours, const struct config *config,
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
        good = instance && behaviours_add(behaviours, instance) && good;
        /* Without its plugin nobody can tell which keys are known. */
        for (entry = 0; !plugin && entry < section->count; entry++)
            section->entries[entry].used = true;
    }
    return good;
}

/* Plugins that need no settings are behaviours under their own names. */
static bool open_plain(struct behaviours *behaviours, const struct plugins *plugins)
{
    const struct vts_plugin *plugin;
    struct problems ignored = PROBLEMS_INIT;
    struct instance *instance;
    bool good = true;
    size_t i;

    for (i = 0; i < plugins->loaded_count; i++) {
        plugin = plugins->loaded[i].plugin;
        if (plugin->kind != VTS_BEHAVIOUR ||
            behaviours_named(behaviours, plugin->name, strlen(plugin->name)))
            continue;
        instance = instance_create(plugin->name, plugin, NULL, &ignored);
        good = (!instance || behaviours_add(behaviours, instance)) && good;
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
static const char *nearest_name(const struct behaviours *behaviours, const char *name)
{
    const char *words[3] = {NULL, NULL, NULL}, *nearest = NULL;
    size_t i;

    for (i = 0; i < behaviours->count; i++) {
        words[nearest ? 1 : 0] = behaviours->all[i]->name;
        nearest = words[0] = text_nearest(name, words);
    }
    return nearest;
}

void behaviours_why_not(const struct behaviours *behaviours, const struct plugins *plugins,
                        const char *name, struct vts_error *error)
{
    const struct vts_plugin *plugin = plugins_find(plugins, name, error);
    const char *nearest = nearest_name(behaviours, name);

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
static bool check_named(const struct behaviours *behaviours, const struct config *config,
                        const struct plugins *plugins, const char *kind, const char *section_name,
                        const char *behaviour, struct problems *problems)
{
    const struct ini_section *section = ini_section(&config->ini, kind, section_name);
    const struct ini_entry *entry = section ? ini_entry(section, "behaviour") : NULL;
    struct vts_error error;
    char where[4200], label[300];

    if (!behaviour || behaviours_named(behaviours, behaviour, strlen(behaviour)) ||
        ini_section(&config->ini, "behaviour", behaviour))
        return true;
    snprintf(label, sizeof(label), section_name ? "%s %s" : "%s", kind, section_name);
    behaviours_why_not(behaviours, plugins, behaviour, &error);
    problems_add(problems, section ? ini_where(section, entry, 1, where, sizeof(where)) : NULL,
                 label, "behaviour", "%s", error.message);
    return false;
}

bool behaviours_open(struct behaviours *behaviours, const struct config *config,
                     const struct plugins *plugins, struct problems *problems)
{
    bool good;
    size_t i;

    memset(behaviours, 0, sizeof(*behaviours));
    good = open_sections(behaviours, config, plugins, problems);
    if (!open_plain(behaviours, plugins)) {
        problems_add(problems, NULL, NULL, NULL, "no memory for the behaviours");
        good = false;
    }
    good = check_named(behaviours, config, plugins, "server", NULL, config->server.behaviour,
                       problems) &&
           good;
    for (i = 0; i < config->rule_count; i++)
        good = check_named(behaviours, config, plugins, "rule", config->rules[i].name,
                           config->rules[i].settings.behaviour, problems) &&
               good;
    return good;
}
