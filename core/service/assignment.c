/* SPDX-License-Identifier: MIT
 *
 * Reads a configuration into what new jobs get. See assignment.h. */
#include "assignment.h"

#include <stdlib.h>

#include "../base/log.h"

/* Several vtsimds on one store have to agree on the time. */
static void check_clock(const struct assignment *assignment, struct problems *problems)
{
    const struct config *config = &assignment->config;
    const struct store_module *module = assignment->store.module;
    struct vts_error error;

    if (config->clock.mode == CLOCK_REAL || !module || !module->shared)
        return;
    vts_error_set(
        &error, VTS_ERR_INVALID,
        "the store %s is shared by several vtsimds, which need one time: its clock is the "
        "real one; write mode = real, or take [store] kind = memory or sqlite",
        module->name);
    snprintf(error.key, sizeof(error.key), "mode");
    options_report(ini_section(&config->ini, "clock", NULL), "clock", &error, problems);
}

/* ---- slots ---- */

static const struct instance *with_slots(const struct behaviours *behaviours, const char *name)
{
    const struct instance *instance =
        name ? behaviours_named(behaviours, name, strlen(name)) : NULL;

    return instance && instance->slots > 0 ? instance : NULL;
}

/* Behaviours that the file has or names must not have slots where the store has none. Others, that are there
 * because a plugin of that name is, can only be asked for by requests, which are refused. */
static void check_section(const struct assignment *new, const struct ini_section *section,
                          const char *key, struct problems *problems)
{
    const struct ini_entry *entry = ini_entry(section, key);
    bool is_behaviour = strcmp(section->kind, "behaviour") == 0;
    const struct instance *instance = with_slots(&new->behaviours, is_behaviour ? section->name
                                                                   : entry      ? entry->value
                                                                                : NULL);
    char label[300], where[4200];

    /* One that has a section of its own is told of there. */
    if (!instance || (!is_behaviour && ini_section(&new->config.ini, "behaviour", instance->name)))
        return;
    snprintf(label, sizeof(label), section->name ? "%s %s" : "%s", section->kind, section->name);
    problems_add(problems, ini_where(section, entry, 1, where, sizeof(where)), label, key,
                 "plugin %s needs slots, and there are none with the %s store: set [store] kind to "
                 "memory or sqlite",
                 instance->base.plugin->name, new->store.module->name);
}

static void check_slots(const struct assignment *new, struct problems *problems)
{
    const struct ini *ini = &new->config.ini;
    const struct ini_section *section;
    size_t i;

    for (i = 0; new->store.module && !new->store.module->in_steps &&i < ini->count; i++) {
        section = ini->sections[i];
        if (strcmp(section->kind, "behaviour") == 0)
            check_section(new, section, "plugin", problems);
        else if (strcmp(section->kind, "server") == 0 || strcmp(section->kind, "rule") == 0)
            check_section(new, section, "behaviour", problems);
    }
}

struct assignment *assignment_read(const char *file, const char *const *assignments, size_t count,
                                   const struct assignment *before, struct problems *problems)
{
    struct assignment *new = calloc(1, sizeof(*new));
    struct config *config;

    if (!new) {
        problems_add(problems, NULL, NULL, NULL, "no memory for the configuration");
        return NULL;
    }
    atomic_init(&new->holders, 1);
    config = &new->config;
    config_read(config, file, assignments, count, problems);
    if (!before) /* while there is one thread */
        log_setup((enum vts_level)config->server.log_level,
                  (enum log_format)config->server.log_format);
    plugins_load(&new->plugins, &config->server.plugin_path,
                 ini_section(&config->ini, "server", NULL), before ? &before->plugins : NULL,
                 problems);
    behaviours_open(&new->behaviours, config, &new->plugins, problems);
    store_choose(&new->store, config, problems);
    check_clock(new, problems);
    check_slots(new, problems);
    config_report_unknown(config, problems);
    return new;
}

void assignment_hold(struct assignment *assignment) { atomic_fetch_add(&assignment->holders, 1); }

void assignment_release(struct assignment *assignment)
{
    if (!assignment || atomic_fetch_sub(&assignment->holders, 1) != 1)
        return;
    behaviours_finish(&assignment->behaviours);
    store_choice_finish(&assignment->store);
    plugins_finish(&assignment->plugins);
    config_finish(&assignment->config);
    free(assignment);
}

void assignment_serve(struct assignment *assignment)
{
    assignment_hold(assignment);
    atomic_fetch_add(&assignment->servers, 1);
}

void assignment_retire(struct assignment *assignment)
{
    if (assignment && atomic_fetch_sub(&assignment->servers, 1) == 1)
        behaviours_finish(&assignment->behaviours);
    assignment_release(assignment);
}

/* ---- which behaviour ---- */

const struct instance *assignment_for(const struct assignment *assignment,
                                      const struct asked *asked)
{
    const struct config *config = &assignment->config;
    const char *name = config->server.behaviour;
    size_t rule = rules_match(config, asked);

    return rule < config->rule_count
               ? behaviours_ruled(&assignment->behaviours, config, rule)
               : behaviours_named(&assignment->behaviours, name, strlen(name));
}

/* ---- what a new reading does not change ---- */

static void compare(const struct vts_option *table, const char *section, const void *before,
                    const void *now, struct text *out)
{
    struct text was = TEXT_INIT, is = TEXT_INIT;

    for (; table && table->type != VTS_OPTION_END_TYPE; table++) {
        if (strcmp(section, "server") == 0 &&
            (strcmp(table->key, "behaviour") == 0 || strcmp(table->key, "filter") == 0 ||
             strcmp(table->key, "plugin_path") == 0))
            continue;
        text_reset(&was);
        text_reset(&is);
        options_print(table, before, &was);
        options_print(table, now, &is);
        if (!was.failed && !is.failed && strcmp(was.bytes, is.bytes) != 0)
            text_printf(out, "[%s] %s: it stays %s until the next start\n", section, table->key,
                        strcmp(table->key, "token") == 0 ? "as it was"
                        : was.length > 0                 ? was.bytes
                                                         : "empty");
    }
    text_finish(&was);
    text_finish(&is);
}

void assignment_changes(const struct assignment *before, const struct assignment *now,
                        struct text *out)
{
    const struct store_module *was = before->store.module, *is = now->store.module;
    size_t i;

    compare(config_server_options, "server", &before->config.server, &now->config.server, out);
    compare(config_clock_options, "clock", &before->config.clock, &now->config.clock, out);
    compare(config_control_options, "control", &before->config.control, &now->config.control, out);
    compare(config_audit_options, "audit", &before->config.audit, &now->config.audit, out);
    if (was && is && strcmp(was->name, is->name) != 0)
        text_printf(out, "[store] kind: it stays %s until the next start\n", was->name);
    else if (was && is)
        compare(was->options, "store", before->store.settings, now->store.settings, out);
    for (i = 0; i < now->plugins.loaded_count; i++)
        if (now->plugins.loaded[i].changed)
            text_printf(out,
                        "%s has changed: its code stays as it was loaded until the next start\n",
                        now->plugins.loaded[i].path);
}
