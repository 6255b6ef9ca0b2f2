/* SPDX-License-Identifier: MIT
 *
 * GET /_sim/config: what is in force, and where it was written. */
#include "sim.h"

static void add_section(struct text *out, const struct ini *ini, const struct sim_section *section)
{
    struct text title = TEXT_INIT;

    text_printf(&title, "%s%s%s", section->kind, section->name ? " " : "",
                section->name ? section->name : "");
    text_puts(out, out->bytes && out->bytes[out->length - 1] == '}' ? ", " : "");
    text_puts(out, "{\"section\": ");
    text_json(out, title.failed ? "" : title.bytes, title.failed ? 0 : title.length);
    text_puts(out, ", \"settings\": ");
    sim_settings(out, ini, section);
    text_puts(out, "}");
    text_finish(&title);
}

static void add_server(struct text *out, const struct assignment *first)
{
    const struct config *config = &first->config;
    const struct store_module *store = first->store.module;
    const struct sim_section shown[] = {
        {"server", NULL, NULL, NULL, config_server_options, &config->server},
        {"clock", NULL, NULL, NULL, config_clock_options, &config->clock},
        {"control", NULL, NULL, NULL, config_control_options, &config->control},
        {"audit", NULL, NULL, NULL, config_audit_options, &config->audit},
        {"store", NULL, "kind", store->name, store->options, first->store.settings}};
    size_t i;

    for (i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
        add_section(out, &config->ini, &shown[i]);
}

static void add_instance(struct text *out, const struct ini *ini, const char *kind,
                         const struct instance *instance)
{
    const struct sim_section shown = {kind,
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
        const struct sim_section shown = {
            "rule", config->rules[i].name, NULL,
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
