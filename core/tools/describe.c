/* SPDX-License-Identifier: MIT
 *
 * vtsimd --describe: the plugins that were found, and what can be set. See tools.h. */
#include "tools.h"

#include <stdlib.h>

#include "../store/open.h"

/* A kind of store, for who knows what `kind` is. */
static void describe_kind(void *arg, const char *kind)
{
    struct text *out = arg;
    struct vts_error error;
    const struct store_module *module = store_module_find(kind, &error);

    if (!module) {
        text_printf(out, "\n[store] kind = %s cannot be used: %s\n", kind, error.message);
        return;
    }
    text_printf(out, "\n[store] kind = %s: %s\n", kind, module->summary);
    if (module->options->type != VTS_OPTION_END_TYPE)
        options_describe(module->options, out);
}

static void describe_server(void)
{
    struct text out = TEXT_INIT;

    text_puts(&out, "\nThe server's own settings:\n\n[server]\n");
    options_describe(config_server_options, &out);
    text_puts(&out, "\n[clock]\n");
    options_describe(config_clock_options, &out);
    text_puts(&out, "\n[control]\n");
    options_describe(config_control_options, &out);
    text_puts(&out, "\n[audit]\n");
    options_describe(config_audit_options, &out);
    text_puts(&out, "\n[rule NAME]\n");
    options_describe(config_rule_options, &out);
    store_each_kind(describe_kind, &out);
    fputs(out.failed ? "" : out.bytes, stdout);
    text_finish(&out);
}

static void describe_all(const struct plugins *plugins)
{
    size_t i;

    puts("Behaviours and filters (vtsimd --describe NAME tells all of one):\n");
    for (i = 0; i < plugins->loaded_count; i++)
        printf("  %-20s %s\n  %-20s %s%s\n", plugins->loaded[i].plugin->name,
               plugins->loaded[i].plugin->summary ? plugins->loaded[i].plugin->summary : "", "",
               plugins->loaded[i].path,
               plugins->loaded[i].plugin->kind == VTS_FILTER ? " (filter)" : "");
    for (i = 0; i < plugins->broken_count; i++)
        printf("  %-20s cannot be used: %s\n", plugins->broken[i].name, plugins->broken[i].reason);
    printf("\nSearched: %s\n", plugins->searched);
    describe_server();
}

static const char *path_of(const struct plugins *plugins, const struct vts_plugin *plugin)
{
    size_t i;

    for (i = 0; i < plugins->loaded_count; i++)
        if (plugins->loaded[i].plugin == plugin)
            return plugins->loaded[i].path;
    return "";
}

/* How the types read that the table has, each once. */
static void describe_types(const struct vts_option *table, struct text *out)
{
    static const char delay_syntax[] =
        "a TIME; or uniform 5s..15s, normal 10s sd 2s, exponential 10s,\n"
        "          lognormal 8s sigma 0.5 (8s is the median), each with max 60s or without";
    static const char *const syntax[] = {
        [VTS_BOOL] = "on, yes, true, 1; off, no, false, 0",
        [VTS_INT] = "a whole number",
        [VTS_REAL] = "a decimal number",
        [VTS_TIME] = "one number and one unit: 250ms, 10s, 2m, 1h, 1d; 0",
        [VTS_DELAY] = delay_syntax,
        [VTS_TEXT] = "as it stands; further lines are indented",
        [VTS_LIST] = "one item a line; further lines are indented",
        [VTS_CHOICE] = "one of those in its range",
        [VTS_PATH] = "a file name, taken from the folder of the INI file"};
    const struct vts_option *option;
    int32_t type;

    if (table->type == VTS_OPTION_END_TYPE)
        return;
    text_puts(out, "\n");
    for (type = VTS_BOOL; type <= VTS_PATH; type++) {
        for (option = table; option->type != type && option->type != VTS_OPTION_END_TYPE; option++)
            ;
        if (option->type == type)
            text_printf(out, "  %-6s  %s\n", options_type_name(type), syntax[type]);
    }
}

static int describe_one(const struct plugins *plugins, const char *name)
{
    static const struct vts_option none[] = {VTS_OPTIONS_END};
    const struct vts_option *table;
    const struct vts_plugin *plugin;
    struct text out = TEXT_INIT;
    struct vts_error error;
    char section[128];

    plugin = plugins_find(plugins, name, &error);
    if (!plugin) {
        fprintf(stderr, "vtsimd: %s\n", error.message);
        if (error.code == VTS_ERR_NOT_FOUND)
            fputs("vtsimd: a folder of your own is searched, too, where [server] plugin_path names "
                  "it: -s server/plugin_path=FOLDER\n",
                  stderr);
        return EXIT_USAGE;
    }
    table = plugin->options ? plugin->options : none;
    snprintf(section, sizeof(section), "%s my %s",
             plugin->kind == VTS_FILTER ? "filter" : "behaviour", plugin->name);
    text_printf(&out, "%s: %s\n%s\n\n", plugin->name, plugin->summary ? plugin->summary : "",
                path_of(plugins, plugin));
    options_describe(table, &out);
    describe_types(table, &out);
    if (plugin->kind == VTS_FILTER)
        text_printf(
            &out,
            "\nA filter works where it is named: filter = my %s in [server], in a [behaviour "
            "NAME] or in a [rule NAME].\n",
            plugin->name);
    text_puts(&out, "\nReady to paste:\n\n");
    options_paste(table, section, plugin->name, &out);
    text_puts(&out, "\n");
    fputs(out.failed ? "" : out.bytes, stdout);
    text_finish(&out);
    return EXIT_SUCCESS;
}

int tool_describe(const struct plugins *plugins, const char *name)
{
    if (name)
        return describe_one(plugins, name);
    describe_all(plugins);
    return EXIT_SUCCESS;
}
