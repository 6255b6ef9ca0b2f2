/* SPDX-License-Identifier: MIT
 *
 * vtsimd --describe: the plugins that were found, and what can be set. See tools.h. */
#include "tools.h"

#include <stdlib.h>

static void describe_server(void)
{
    struct text out = TEXT_INIT;

    text_puts(&out, "\nThe server's own settings:\n\n[server]\n");
    options_describe(config_server_options, &out);
    text_puts(&out, "\n[rule NAME]\n");
    options_describe(config_rule_options, &out);
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
        return EXIT_USAGE;
    }
    table = plugin->options ? plugin->options : none;
    snprintf(section, sizeof(section), "behaviour my %s", plugin->name);
    text_printf(&out, "%s: %s\n\n", plugin->name, plugin->summary ? plugin->summary : "");
    options_describe(table, &out);
    if (plugin->kind == VTS_FILTER) {
        text_puts(&out, "\nA filter: this vtsimd cannot be told to use one yet.\n");
    } else {
        text_puts(&out, "\nReady to paste:\n\n");
        options_paste(table, section, plugin->name, &out);
        text_puts(&out, "\n");
    }
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
