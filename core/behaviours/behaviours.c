/* SPDX-License-Identifier: MIT
 *
 * From [behaviour] sections to instances. See behaviours.h. */
#include "behaviours.h"

#include <stdlib.h>

#include "filters.h"

bool behaviours_add(struct behaviours *behaviours, struct instance *instance)
{
    return list_add(&behaviours->all, &behaviours->count, instance);
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

const struct instance *behaviours_ruled(const struct behaviours *behaviours,
                                        const struct config *config, size_t rule)
{
    const char *name = config->rules[rule].settings.behaviour;

    if (rule < behaviours->rule_count && behaviours->ruled[rule])
        return behaviours->ruled[rule];
    return behaviours_named(behaviours, name, strlen(name));
}

/* ---- publishing ---- */

/* Where a filter was there already, that one stands around this behaviour from now on. */
static void replace_filter(struct instance *instance, const struct instance *old,
                           const struct instance *new)
{
    size_t i;

    for (i = 0; instance && i < instance->filter_count; i++)
        if (instance->filters[i] == old)
            instance->filters[i] = new;
}

static void publish_filter(struct behaviours *behaviours, struct instances *instances, size_t index)
{
    struct instance *old = behaviours->filters[index];
    const struct instance *new = instances_publish(instances, old);
    size_t i;

    behaviours->filters[index] = (struct instance *)new;
    if (new == old)
        return;
    for (i = 0; i < behaviours->count; i++)
        replace_filter(behaviours->all[i], old, new);
    for (i = 0; i < behaviours->rule_count; i++)
        replace_filter(behaviours->ruled[i], old, new);
    for (i = 0; i < behaviours->usual.count; i++)
        if (behaviours->usual.at[i] == old)
            behaviours->usual.at[i] = new;
}

void behaviours_publish(struct behaviours *behaviours, struct instances *instances)
{
    size_t i;

    for (i = 0; i < behaviours->filter_count; i++)
        publish_filter(behaviours, instances, i);
    for (i = 0; i < behaviours->count; i++)
        behaviours->all[i] = (struct instance *)instances_publish(instances, behaviours->all[i]);
    for (i = 0; i < behaviours->rule_count; i++)
        if (behaviours->ruled[i])
            behaviours->ruled[i] =
                (struct instance *)instances_publish(instances, behaviours->ruled[i]);
    behaviours->published_in = instances;
}

static void list_finish(struct instances *published_in, struct instance **list, size_t count)
{
    for (; count > 0; count--) {
        if (published_in && list[count - 1])
            instances_take_back(published_in, list[count - 1]);
        else
            instance_destroy(list[count - 1]);
    }
    free((void *)list);
}

void behaviours_finish(struct behaviours *behaviours)
{
    struct instances *in = behaviours->published_in;

    list_finish(in, behaviours->ruled, behaviours->rule_count);
    list_finish(in, behaviours->all, behaviours->count);
    list_finish(in, behaviours->filters, behaviours->filter_count);
    memset(behaviours, 0, sizeof(*behaviours));
}

/* ---- sections ---- */

/* The server's filters and a section's own around a behaviour. False where one is missing. */
static bool put_filters(struct behaviours *behaviours, const struct config *config,
                        const struct plugins *plugins, struct ini_section *section,
                        struct instance *instance, struct problems *problems)
{
    struct filter_chain chain = behaviours->usual;

    if (!filters_of_section(behaviours, config, plugins, section, instance->base.plugin, &chain,
                            problems))
        return false;
    if (instance_put_filters(instance, chain.at, chain.count))
        return true;
    problems_add(problems, NULL, ini_title(section).text, NULL, "no memory");
    return false;
}

/* The instance of one section, with the filters around it. */
static bool open_section(struct behaviours *behaviours, const struct config *config,
                         const struct plugins *plugins, struct ini_section *section,
                         struct problems *problems)
{
    const struct vts_plugin *plugin = section_plugin(section, plugins, problems);
    struct instance *instance;
    size_t entry;
    bool good;

    if (!plugin) {
        /* Nobody can tell which keys are known. */
        for (entry = 0; entry < section->count; entry++)
            section->entries[entry].used = true;
        return false;
    }
    ini_entry(section, "filter"); /* it is known */
    instance = instance_create(section->name, plugin, section, problems);
    if (!instance)
        return false;
    good = put_filters(behaviours, config, plugins, section, instance, problems);
    return behaviours_add(behaviours, instance) && good;
}

static bool open_sections(struct behaviours *behaviours, const struct config *config,
                          const struct plugins *plugins, struct problems *problems)
{
    struct ini_section *section;
    bool good = true;
    size_t i;

    for (i = 0; i < config->ini.count; i++) {
        section = config->ini.sections[i];
        if (strcmp(section->kind, "behaviour") != 0 || !section->name)
            continue;
        section->used = true;
        good = open_section(behaviours, config, plugins, section, problems) && good;
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
        if (!instance)
            continue;
        good =
            instance_put_filters(instance, behaviours->usual.at, behaviours->usual.count) && good;
        good = behaviours_add(behaviours, instance) && good;
    }
    problems_finish(&ignored);
    return good;
}

bool behaviours_is_filter(const struct behaviours *behaviours, const struct plugins *plugins,
                          const char *name)
{
    const struct vts_plugin *plugin = plugins_find(plugins, name, &(struct vts_error){0});

    return (plugin && plugin->kind == VTS_FILTER) || filters_named(behaviours, name);
}

const struct instance *behaviours_filter(const struct behaviours *behaviours, const char *name)
{
    return filters_named(behaviours, name);
}

struct instance *behaviours_plain_filter(const struct plugins *plugins, const char *name,
                                         struct vts_error *error)
{
    const struct vts_plugin *plugin = plugins_find(plugins, name, error);
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance =
        plugin ? instance_create(plugin->name, plugin, NULL, &problems) : NULL;

    if (plugin && !instance)
        tell_why_not_plain(plugin, error);
    problems_finish(&problems);
    return instance;
}

void behaviours_why_not(const struct behaviours *behaviours, const struct plugins *plugins,
                        const char *name, struct vts_error *error)
{
    const struct vts_plugin *plugin = plugins_find(plugins, name, error);
    const char *nearest = nearest_named(behaviours->all, behaviours->count, name);

    if (behaviours_is_filter(behaviours, plugins, name))
        vts_error_set(error, VTS_ERR_INVALID, "\"%.255s\" is a filter, not a behaviour", name);
    else if (plugin)
        tell_why_not_plain(plugin, error);
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

/* ---- rules ---- */

/* The rule's behaviour with the rule's filters. NULL where there is no memory, or one of them is missing. */
static struct instance *open_ruled(struct behaviours *behaviours, const struct config *config,
                                   const struct plugins *plugins, const struct config_rule *rule,
                                   const struct ini_section *section, struct problems *problems)
{
    const char *name = rule->settings.behaviour ? rule->settings.behaviour : "";
    const struct instance *named = behaviours_named(behaviours, name, strlen(name));
    struct filter_chain chain = behaviours->usual;
    struct instance *instance;
    struct vts_error error;
    size_t i;

    if (!filters_chain(behaviours, config, plugins, &rule->settings.filter, section, &chain,
                       problems) ||
        !named)
        return NULL;
    for (i = 0; i < named->filter_count; i++)
        if (!filters_join(&chain, named->filters[i], &error))
            break;
    instance = i == named->filter_count ? instance_again_bare(named, &error) : NULL;
    if (instance && instance_put_filters(instance, chain.at, chain.count))
        return instance;
    if (instance)
        vts_error_set(&error, VTS_ERR_MEMORY, "no memory");
    instance_destroy(instance);
    problems_add(problems, NULL, ini_title(section).text, "filter", "%s", error.message);
    return NULL;
}

static bool open_rules(struct behaviours *behaviours, const struct config *config,
                       const struct plugins *plugins, struct problems *problems)
{
    const struct config_rule *rule;
    bool good = true;
    size_t i;

    if (config->rule_count == 0)
        return true;
    behaviours->ruled = calloc(config->rule_count, sizeof(struct instance *));
    if (!behaviours->ruled) {
        problems_add(problems, NULL, NULL, NULL, "no memory for the rules");
        return false;
    }
    behaviours->rule_count = config->rule_count;
    for (i = 0; i < config->rule_count; i++) {
        rule = &config->rules[i];
        if (rule->settings.filter.count == 0)
            continue;
        behaviours->ruled[i] = open_ruled(behaviours, config, plugins, rule,
                                          ini_section(&config->ini, "rule", rule->name), problems);
        good = behaviours->ruled[i] && good;
    }
    return good;
}

bool behaviours_open(struct behaviours *behaviours, const struct config *config,
                     const struct plugins *plugins, struct problems *problems)
{
    bool good;
    size_t i;

    memset(behaviours, 0, sizeof(*behaviours));
    good = filters_open(behaviours, config, plugins, problems);
    good = filters_chain(behaviours, config, plugins, &config->server.filter,
                         ini_section(&config->ini, "server", NULL), &behaviours->usual, problems) &&
           good;
    good = open_sections(behaviours, config, plugins, problems) && good;
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
    return open_rules(behaviours, config, plugins, problems) && good;
}
