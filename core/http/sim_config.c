/* SPDX-License-Identifier: MIT
 *
 * GET /_sim/config: what is in force, and where it was written. What was secret in the file stays so. */
#include "sim.h"

#include "../config/options.h"

/* ini_section would mark what it finds as used, which is for the one thread that reads a configuration. */
static const struct ini_section *find_section(const struct ini *ini, const char *kind,
                                              const char *name)
{
    size_t i;

    for (i = 0; i < ini->count; i++)
        if (strcmp(ini->sections[i]->kind, kind) == 0 &&
            (name ? ini->sections[i]->name && strcmp(ini->sections[i]->name, name) == 0
                  : !ini->sections[i]->name))
            return ini->sections[i];
    return NULL;
}

static const struct ini_entry *find_entry(const struct ini_section *section, const char *key)
{
    size_t i;

    for (i = 0; section && i < section->count; i++)
        if (strcmp(section->entries[i].key, key) == 0)
            return &section->entries[i];
    return NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);

    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static bool secret(const char *key)
{
    return ends_with(key, "token") || ends_with(key, "password") || ends_with(key, "secret");
}

/* A URL may bear a password before its "@". */
static void add_value(struct text *out, const char *key, const char *value)
{
    const char *scheme = strstr(value, "://"), *at = scheme ? strrchr(scheme, '@') : NULL;
    struct text masked = TEXT_INIT;

    if (secret(key) && *value) {
        text_puts(out, "\"***\"");
    } else if (at) {
        text_add(&masked, value, (size_t)(scheme + 3 - value));
        text_printf(&masked, "***%s", at);
        text_json(out, masked.failed ? "***" : masked.bytes, masked.failed ? 3 : masked.length);
    } else {
        text_json(out, value, strlen(value));
    }
    text_finish(&masked);
}

static void add_setting(struct text *out, const struct vts_option *option, const void *settings,
                        const struct ini_section *section)
{
    const struct ini_entry *entry = find_entry(section, option->key);
    struct text value = TEXT_INIT;
    char where[4200];

    options_print(option, settings, &value);
    text_json(out, option->key, strlen(option->key));
    text_puts(out, ": {\"value\": ");
    add_value(out, option->key, value.length > 0 ? value.bytes : "");
    text_puts(out, ", \"from\": ");
    if (entry)
        ini_where(section, entry, 1, where, sizeof(where));
    else
        snprintf(where, sizeof(where), "default");
    text_json(out, where, strlen(where));
    text_puts(out, "}");
    out->failed |= value.failed;
    text_finish(&value);
}

/* One section: its heading, where it stands, and all of its settings. */
struct shown {
    const char *kind, *name;
    const char *more, *more_value; /* a setting that is in no table: plugin, or kind */
    const struct vts_option *table;
    const void *settings;
};

static bool in_table(const struct shown *shown, const char *key)
{
    const struct vts_option *option = shown->table;

    while (option && option->type != VTS_OPTION_END_TYPE && strcmp(option->key, key) != 0)
        option++;
    return (option && option->type != VTS_OPTION_END_TYPE) ||
           (shown->more && strcmp(shown->more, key) == 0);
}

/* What no table has: the conditions of a rule, a behaviour's filters. */
static void add_written(struct text *out, const struct ini_section *section,
                        const struct ini_entry *entry)
{
    char where[4200];

    text_json(out, entry->key, strlen(entry->key));
    text_puts(out, ": {\"value\": ");
    add_value(out, entry->key, entry->value);
    text_puts(out, ", \"from\": ");
    ini_where(section, entry, 1, where, sizeof(where));
    text_json(out, where, strlen(where));
    text_puts(out, "}");
}

static void add_section(struct text *out, const struct ini *ini, const struct shown *shown)
{
    const struct ini_section *section = find_section(ini, shown->kind, shown->name);
    const struct vts_option *option = shown->table;
    const struct vts_option more = {.type = VTS_TEXT, .key = shown->more, .offset = 0};
    struct text title = TEXT_INIT;
    const char *comma = "";
    size_t i;

    text_printf(&title, "%s%s%s", shown->kind, shown->name ? " " : "",
                shown->name ? shown->name : "");
    text_puts(out, out->bytes && out->bytes[out->length - 1] == '}' ? ", " : "");
    text_puts(out, "{\"section\": ");
    text_json(out, title.failed ? "" : title.bytes, title.failed ? 0 : title.length);
    text_puts(out, ", \"settings\": {");
    if (shown->more) {
        add_setting(out, &more, &shown->more_value, section);
        comma = ", ";
    }
    for (; option && option->type != VTS_OPTION_END_TYPE; option++) {
        text_puts(out, comma);
        add_setting(out, option, shown->settings, section);
        comma = ", ";
    }
    for (i = 0; section && i < section->count; i++)
        if (!in_table(shown, section->entries[i].key)) {
            text_puts(out, comma);
            add_written(out, section, &section->entries[i]);
            comma = ", ";
        }
    text_puts(out, "}}");
    text_finish(&title);
}

static void add_server(struct text *out, const struct assignment *first)
{
    const struct config *config = &first->config;
    const struct store_module *store = first->store.module;
    const struct shown shown[] = {
        {"server", NULL, NULL, NULL, config_server_options, &config->server},
        {"clock", NULL, NULL, NULL, config_clock_options, &config->clock},
        {"control", NULL, NULL, NULL, config_control_options, &config->control},
        {"store", NULL, "kind", store->name, store->options, first->store.settings}};
    size_t i;

    for (i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
        add_section(out, &config->ini, &shown[i]);
}

static void add_instance(struct text *out, const struct ini *ini, const char *kind,
                         const struct instance *instance)
{
    const struct shown shown = {kind,
                                instance->name,
                                "plugin",
                                instance->base.plugin->name,
                                instance->base.plugin->options,
                                instance->settings};

    add_section(out, ini, &shown);
}

static void add_jobs(struct text *out, const struct assignment *assignment)
{
    const struct config *config = &assignment->config;
    size_t i;

    for (i = 0; i < assignment->behaviours.count; i++)
        add_instance(out, &config->ini, "behaviour", assignment->behaviours.all[i]);
    for (i = 0; i < assignment->behaviours.filter_count; i++)
        add_instance(out, &config->ini, "filter", assignment->behaviours.filters[i]);
    for (i = 0; i < config->rule_count; i++) {
        const struct shown shown = {"rule", config->rules[i].name, NULL,
                                    NULL,   config_rule_options,   &config->rules[i].settings};

        add_section(out, &config->ini, &shown);
    }
}

void sim_config(struct exchange *exchange)
{
    const struct assignment *first = exchange->worker->server->service->first;
    const struct assignment *now = exchange->worker->port->assignment;
    struct text *body = &exchange->answer.body;

    if (!sim_no_query(exchange))
        return;
    text_puts(body, "{\"file\": ");
    if (now->config.ini.file)
        text_json(body, now->config.ini.file, strlen(now->config.ini.file));
    else
        text_puts(body, "null");
    text_puts(body, ", \"sections\": [");
    add_server(body, first);
    add_jobs(body, now);
    text_puts(body, "]}");
    exchange_answer(exchange);
}
