/* SPDX-License-Identifier: MIT
 *
 * From [filter] sections and `filter =` lists to filters in their order. See filters.h. */
#include "filters.h"

#include <stdlib.h>

#include "../config/options.h"

#define KEY "filter"

bool list_add(struct instance ***list, size_t *count, struct instance *instance)
{
    struct instance **grown = realloc((void *)*list, (*count + 1) * sizeof(struct instance *));

    if (!grown) {
        instance_destroy(instance);
        return false;
    }
    *list = grown;
    grown[(*count)++] = instance;
    return true;
}

const char *nearest_named(struct instance *const *all, size_t count, const char *name)
{
    const char *words[3] = {NULL, NULL, NULL}, *nearest = NULL;
    size_t i;

    for (i = 0; i < count; i++) {
        words[nearest ? 1 : 0] = all[i]->name;
        nearest = words[0] = text_nearest(name, words);
    }
    return nearest;
}

const struct vts_plugin *section_plugin(struct ini_section *section, const struct plugins *plugins,
                                        struct problems *problems)
{
    bool filter = strcmp(section->kind, "filter") == 0;
    struct ini_entry *entry = ini_entry(section, "plugin");
    const char *name = entry ? entry->value : section->name;
    const struct vts_plugin *plugin;
    struct vts_error error;
    char where[4200];

    plugin = plugins_find(plugins, name, &error);
    if (plugin && (plugin->kind == VTS_FILTER) != filter) {
        vts_error_set(&error, VTS_ERR_INVALID, "\"%.64s\" is a %s: write [%s %.255s]", name,
                      filter ? "behaviour, not a filter" : "filter, not a behaviour",
                      filter ? "behaviour" : "filter", section->name);
        plugin = NULL;
    }
    if (!plugin)
        problems_add(problems, ini_where(section, entry, 1, where, sizeof(where)),
                     ini_title(section).text, "plugin", "%s%s",
                     entry ? "" : "it is not given, so it is the section's name: ", error.message);
    return plugin;
}

void tell_why_not_plain(const struct vts_plugin *plugin, struct vts_error *error)
{
    struct problems why = PROBLEMS_INIT;
    const char *lines;

    instance_destroy(instance_create(plugin->name, plugin, NULL, &why));
    lines = why.lines.length > 0 ? why.lines.bytes : "";
    vts_error_set(error, VTS_ERR_INVALID,
                  "the plugin \"%s\" does not run on its defaults (%.*s): give it a section "
                  "[%s %s]",
                  plugin->name, (int)strcspn(lines, "\n"), lines,
                  plugin->kind == VTS_FILTER ? "filter" : "behaviour", plugin->name);
    problems_finish(&why);
}

const struct instance *filters_named(const struct behaviours *behaviours, const char *name)
{
    size_t i;

    for (i = 0; i < behaviours->filter_count; i++)
        if (strcmp(behaviours->filters[i]->name, name) == 0)
            return behaviours->filters[i];
    return NULL;
}

bool filters_open(struct behaviours *behaviours, const struct config *config,
                  const struct plugins *plugins, struct problems *problems)
{
    struct ini_section *section;
    const struct vts_plugin *plugin;
    struct instance *filter;
    bool good = true;
    size_t i, entry;

    for (i = 0; i < config->ini.count; i++) {
        section = config->ini.sections[i];
        if (strcmp(section->kind, "filter") != 0)
            continue;
        section->used = true;
        plugin = section_plugin(section, plugins, problems);
        filter = plugin ? instance_create(section->name, plugin, section, problems) : NULL;
        good = filter && list_add(&behaviours->filters, &behaviours->filter_count, filter) && good;
        /* Without its plugin nobody can tell which keys are known. */
        for (entry = 0; !plugin && entry < section->count; entry++)
            section->entries[entry].used = true;
    }
    return good;
}

/* ---- lists ---- */

/* Why there is no filter of this name. */
static void why_no_filter(const struct behaviours *behaviours, const struct config *config,
                          const struct plugins *plugins, const char *name, struct vts_error *error)
{
    const struct vts_plugin *plugin = plugins_find(plugins, name, error);
    const char *nearest = nearest_named(behaviours->filters, behaviours->filter_count, name);

    if (plugin && plugin->kind == VTS_FILTER)
        tell_why_not_plain(plugin, error);
    else if (plugin || ini_section(&config->ini, "behaviour", name))
        vts_error_set(error, VTS_ERR_INVALID, "\"%.255s\" is a behaviour, not a filter", name);
    else if (error->code != VTS_ERR_NOT_FOUND)
        return; /* the plugin is there and broken: its reason says more */
    else if (nearest)
        vts_error_set(error, VTS_ERR_INVALID,
                      "no section [filter %.255s], nor a plugin of that name; did you mean \"%s\"?",
                      name, nearest);
    else
        vts_error_set(error, VTS_ERR_INVALID,
                      "no section [filter %.255s], nor a plugin of that name in %s", name,
                      plugins->searched);
}

/* A plugin that is named as a filter and runs on its fallbacks. NULL where it is none. */
static const struct instance *plain_filter(struct behaviours *behaviours,
                                           const struct plugins *plugins, const char *name)
{
    struct problems ignored = PROBLEMS_INIT;
    const struct vts_plugin *plugin;
    struct instance *filter = NULL;
    struct vts_error error;

    plugin = plugins_find(plugins, name, &error);
    if (plugin && plugin->kind == VTS_FILTER)
        filter = instance_create(name, plugin, NULL, &ignored);
    problems_finish(&ignored);
    return filter && list_add(&behaviours->filters, &behaviours->filter_count, filter) ? filter
                                                                                       : NULL;
}

bool filters_join(struct filter_chain *chain, const struct instance *filter,
                  struct vts_error *error)
{
    size_t i;

    for (i = 0; i < chain->count; i++)
        if (chain->at[i] == filter)
            return true;
    if (chain->count == INSTANCE_FILTERS)
        return vts_error_set(error, VTS_ERR_INVALID,
                             "\"%s\" is one filter too many: %d around one behaviour are the most",
                             filter->name, INSTANCE_FILTERS);
    chain->at[chain->count++] = filter;
    return true;
}

/* Whether an item of a list was there before. */
static bool repeated(const struct vts_list *names, size_t index)
{
    size_t i;

    for (i = 0; i < index && strcmp(names->items[i], names->items[index]) != 0; i++)
        ;
    return i < index;
}

/* One item. False, with the reason, where it cannot be taken; without one where that was told before. */
static bool chain_add(struct behaviours *behaviours, const struct config *config,
                      const struct plugins *plugins, const char *name, struct filter_chain *chain,
                      struct vts_error *error)
{
    const struct instance *filter = filters_named(behaviours, name);

    if (!filter && ini_section(&config->ini, "filter", name))
        return false; /* it could not be made: that is told at its section */
    if (!filter)
        filter = plain_filter(behaviours, plugins, name);
    if (!filter) {
        why_no_filter(behaviours, config, plugins, name, error);
        return false;
    }
    return filters_join(chain, filter, error);
}

bool filters_chain(struct behaviours *behaviours, const struct config *config,
                   const struct plugins *plugins, const struct vts_list *names,
                   const struct ini_section *section, struct filter_chain *chain,
                   struct problems *problems)
{
    struct vts_error error;
    bool good = true;
    size_t i;

    for (i = 0; i < names->count; i++) {
        error = (struct vts_error){0};
        if (repeated(names, i))
            vts_error_set(&error, VTS_ERR_INVALID, "\"%.255s\" is named twice", names->items[i]);
        else if (chain_add(behaviours, config, plugins, names->items[i], chain, &error))
            continue;
        good = false;
        if (!*error.message)
            continue;
        snprintf(error.key, sizeof(error.key), KEY);
        error.line = (uint32_t)i + 1;
        error.column = 0;
        options_report(section, ini_title(section).text, &error, problems);
    }
    return good;
}

static bool has_option(const struct vts_plugin *plugin, const char *key)
{
    const struct vts_option *option = plugin->options;

    while (option && option->type != VTS_OPTION_END_TYPE && strcmp(option->key, key) != 0)
        option++;
    return option && option->type != VTS_OPTION_END_TYPE;
}

bool filters_of_section(struct behaviours *behaviours, const struct config *config,
                        const struct plugins *plugins, struct ini_section *section,
                        const struct vts_plugin *plugin, struct filter_chain *chain,
                        struct problems *problems)
{
    struct own {
        struct vts_list filter;
    };
    static const struct vts_option table[] = {VTS_OPTION_LIST(struct own, filter, "", NULL),
                                              VTS_OPTIONS_END};
    const struct ini_entry *entry = has_option(plugin, KEY) ? NULL : ini_entry(section, KEY);
    struct vts_error error = {0};
    struct own own = {0};
    bool good;

    if (!entry || entry->damaged)
        return true;
    good = options_parse(table, entry->value, &own, &error);
    if (!good)
        options_report(section, ini_title(section).text, &error, problems);
    good =
        good && filters_chain(behaviours, config, plugins, &own.filter, section, chain, problems);
    options_free(table, &own);
    return good;
}
