/* SPDX-License-Identifier: MIT
 *
 * GET /_sim/behaviours: which plugins there are and what can be set of them, which behaviours and filters were made
 * of them, by the configuration and by what clients asked for, and how many jobs each of them has. */
#include <stdlib.h>

#include "../config/options.h"
#include "sim.h"

/* Behaviours made for clients, in one answer. One that has as many bytes takes no more of them: a script alone may
 * be a megabyte. */
#define LIMIT_DEFAULT 100
#define LIMIT_MOST    1000
#define BYTES         ((size_t)256 * 1024)

static void add_text(struct text *out, const char *name, const char *value)
{
    text_printf(out, ", \"%s\": ", name);
    if (value)
        text_json(out, value, strlen(value));
    else
        text_puts(out, "null");
}

/* ---- plugins ---- */

static void add_option(struct text *out, const struct vts_option *option)
{
    struct text range = TEXT_INIT;

    options_range(option, &range);
    text_puts(out, "{\"key\": ");
    text_json(out, option->key, strlen(option->key));
    add_text(out, "type", options_type_name(option->type));
    add_text(out, "default", option->fallback);
    add_text(out, "range", range.length > 0 ? range.bytes : "");
    if (option->type != VTS_CHOICE && option->choices)
        add_text(out, "example", option->choices);
    add_text(out, "help", option->help ? option->help : "");
    text_puts(out, "}");
    out->failed |= range.failed;
    text_finish(&range);
}

static void add_plugin(struct text *out, const struct loaded_plugin *loaded)
{
    const struct vts_plugin *plugin = loaded->plugin;
    const struct vts_option *option = plugin->options;
    const char *comma = "";

    text_puts(out, "{\"name\": ");
    text_json(out, plugin->name, strlen(plugin->name));
    add_text(out, "kind", plugin->kind == VTS_FILTER ? "filter" : "behaviour");
    add_text(out, "summary", plugin->summary ? plugin->summary : "");
    add_text(out, "file", loaded->path);
    text_puts(out, ", \"options\": [");
    for (; option && option->type != VTS_OPTION_END_TYPE; option++) {
        text_puts(out, comma);
        add_option(out, option);
        comma = ", ";
    }
    text_puts(out, "]}");
}

static void add_plugins(struct text *out, const struct plugins *plugins)
{
    size_t i;

    text_puts(out, "\"plugins\": [");
    for (i = 0; i < plugins->loaded_count; i++) {
        text_puts(out, i > 0 ? ", " : "");
        add_plugin(out, &plugins->loaded[i]);
    }
    text_puts(out, "], \"broken\": [");
    for (i = 0; i < plugins->broken_count; i++) {
        text_puts(out, i > 0 ? ", {\"name\": " : "{\"name\": ");
        text_json(out, plugins->broken[i].name, strlen(plugins->broken[i].name));
        add_text(out, "file", plugins->broken[i].path);
        add_text(out, "reason", plugins->broken[i].reason);
        text_puts(out, "}");
    }
    text_puts(out, "]");
}

/* ---- what was made of them ---- */

/* A behaviour's jobs, which a store that others write to does not tell; or the behaviours around which a filter
 * stands: its users beside the readings of the configuration that give it. */
static void add_users(struct text *out, const struct exchange *exchange,
                      const struct instance *instance)
{
    size_t users = atomic_load(&instance->users), published = atomic_load(&instance->published);

    if (instance->base.plugin->kind == VTS_FILTER)
        text_printf(out, ", \"behaviours\": %zu", users > published ? users - published : 0);
    else if (exchange->worker->server->service->store->ops->shared)
        text_puts(out, ", \"jobs\": null");
    else
        text_printf(out, ", \"jobs\": %zu", atomic_load(&instance->named));
}

static void add_around(struct text *out, const struct instance *instance)
{
    size_t i;

    text_puts(out, ", \"filters\": [");
    for (i = 0; i < instance->filter_count; i++) {
        text_puts(out, i > 0 ? ", " : "");
        text_json(out, instance->filters[i]->name, strlen(instance->filters[i]->name));
    }
    text_puts(out, "]");
}

static void add_slots(struct text *out, const struct exchange *exchange,
                      const struct instance *instance)
{
    struct engine_slots slots;

    if (!service_slots(exchange->worker->port, instance, &slots))
        return;
    text_printf(out, ", \"slots\": {\"count\": %llu, \"free\": %llu, \"waiting\": %llu}",
                (unsigned long long)instance->slots, (unsigned long long)slots.free,
                (unsigned long long)slots.waiting);
}

/* What is told of each of them, and its settings with where they were written (NULL: that is not known). */
static void add_instance(struct text *out, const struct exchange *exchange,
                         const struct instance *instance, const struct ini *ini)
{
    const struct vts_plugin *plugin = instance->base.plugin;
    const struct sim_section section = {.kind = plugin->kind == VTS_FILTER ? "filter" : "behaviour",
                                        .name = instance->name,
                                        .more = "plugin",
                                        .table = plugin->options,
                                        .settings = instance->settings};

    add_text(out, "plugin", plugin->name);
    add_users(out, exchange, instance);
    if (plugin->kind == VTS_BEHAVIOUR) {
        add_around(out, instance);
        add_slots(out, exchange, instance);
    }
    text_puts(out, ", \"settings\": ");
    sim_settings(out, ini, &section);
    text_puts(out, "}");
}

static void add_named(struct text *out, const struct exchange *exchange, const struct ini *ini,
                      const struct instance *instance, const char *rule)
{
    bool filter = instance->base.plugin->kind == VTS_FILTER;

    text_puts(out, out->length > 0 && out->bytes[out->length - 1] == '}' ? ", " : "");
    text_puts(out, "{\"name\": ");
    text_json(out, instance->name, strlen(instance->name));
    if (rule)
        add_text(out, "rule", rule);
    text_puts(out, ", \"from\": ");
    sim_section_from(out, ini, filter ? "filter" : "behaviour", instance->name);
    add_instance(out, exchange, instance, ini);
}

/* Those that the configuration gives. A behaviour with the filters of a rule is one of its own. */
static void add_given(struct text *out, const struct exchange *exchange,
                      const struct assignment *assignment)
{
    const struct behaviours *behaviours = &assignment->behaviours;
    const struct ini *ini = &assignment->config.ini;
    size_t i;

    text_puts(out, ", \"behaviours\": [");
    for (i = 0; i < behaviours->count; i++)
        add_named(out, exchange, ini, behaviours->all[i], NULL);
    for (i = 0; i < behaviours->rule_count; i++)
        if (behaviours->ruled[i])
            add_named(out, exchange, ini, behaviours->ruled[i], assignment->config.rules[i].name);
    text_puts(out, "], \"filters\": [");
    for (i = 0; i < behaviours->filter_count; i++)
        add_named(out, exchange, ini, behaviours->filters[i], NULL);
    text_puts(out, "]");
}

/* ---- those that it does not give ---- */

/* Made for clients who gave options, or by an earlier reading of the configuration: those that jobs have, or may
 * have in a store that others write to. */
struct made {
    const struct instance **all;
    size_t count, room;
    bool shared, no_memory;
};

static void collect(void *arg, const struct instance *instance)
{
    size_t room;
    struct made *made = arg;
    const struct instance **all;

    if (instance->base.plugin->kind == VTS_FILTER || atomic_load(&instance->published) > 0 ||
        (!made->shared && atomic_load(&instance->named) == 0))
        return;
    if (made->count == made->room) {
        room = 2 * made->room + 64;
        all = (const struct instance **)realloc((void *)made->all, room * sizeof(*all));
        made->no_memory |= !all;
        if (!all)
            return;
        made->all = all;
        made->room = room;
    }
    made->all[made->count++] = instance;
}

static int by_hash(const void *left, const void *right)
{
    const struct instance *const *one = left, *const *other = right;

    return ((*one)->hash > (*other)->hash) - ((*one)->hash < (*other)->hash);
}

/* Those behind `after`, at least one. */
static void add_made(struct text *out, const struct exchange *exchange, const struct made *made,
                     uint64_t after, size_t limit)
{
    size_t i, told = 0;

    text_printf(out, ", \"made\": {\"count\": %zu, \"most\": %lld, \"list\": [", made->count,
                (long long)exchange->worker->server->config->server.max_instances);
    for (i = 0; i < made->count && made->all[i]->hash <= after; i++)
        ;
    for (; i < made->count && told < limit && (told == 0 || out->length < BYTES); i++, told++) {
        text_printf(out, "%s{\"instance\": \"%016llx\"", told > 0 ? ", " : "",
                    (unsigned long long)made->all[i]->hash);
        add_text(out, "name", made->all[i]->name);
        add_instance(out, exchange, made->all[i], NULL);
    }
    if (i < made->count)
        text_printf(out, "], \"next\": \"%016llx\"}", (unsigned long long)made->all[i - 1]->hash);
    else
        text_puts(out, "], \"next\": null}");
}

/* ---- all of it ---- */

/* The parameter `after`: what an earlier answer said in `next`. */
static bool take_after(struct exchange *exchange, uint64_t *after)
{
    char text[RECORD_ID_MAX + 1];
    size_t length;

    *after = 0;
    if (!request_parameter(exchange, "after", text, &length))
        return false;
    if (length == SIZE_MAX)
        return true;
    if (length == 16 && strspn(text, "0123456789abcdef") == 16) {
        *after = strtoull(text, NULL, 16);
        return true;
    }
    exchange_error(exchange, 400, "after is none of what `next` says: 16 hexadecimal digits");
    return false;
}

static void tell(struct exchange *exchange, uint64_t after, size_t limit)
{
    struct service_port *port = exchange->worker->port;
    struct instances *instances = &port->service->instances;
    struct text *body = &exchange->answer.body;
    struct made made = {.shared = port->service->store->ops->shared};

    service_settle(port);
    instances_enter(instances, port->index);
    instances_each(instances, collect, &made);
    if (made.count > 0)
        qsort((void *)made.all, made.count, sizeof(*made.all), by_hash);
    text_puts(body, "{");
    add_plugins(body, &port->assignment->plugins);
    add_given(body, exchange, port->assignment);
    add_made(body, exchange, &made, after, limit);
    text_puts(body, "}");
    instances_leave(instances, port->index);
    body->failed |= made.no_memory;
    free((void *)made.all);
}

void sim_behaviours(struct exchange *exchange)
{
    static const char *const known[] = {"limit", "after", NULL};
    uint64_t after;
    size_t limit;

    if (!request_parameters_known(exchange, known) ||
        !request_limit(exchange, LIMIT_DEFAULT, LIMIT_MOST, &limit) ||
        !take_after(exchange, &after))
        return;
    tell(exchange, after, limit);
    exchange_answer(exchange);
}
