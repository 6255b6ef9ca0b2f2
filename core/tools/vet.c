/* SPDX-License-Identifier: MIT
 *
 * vtsimd --vet. See tools.h. */
#include "tools.h"

#include <stdlib.h>

#include "../trial/laws.h"

#define EXIT_BROKEN 1

/* The settings as a section of their own; each is KEY=VALUE, for there is but one behaviour. */
static bool read_settings(struct ini *ini, const char *name, const char *const *settings,
                          size_t count, struct problems *problems)
{
    struct text line = TEXT_INIT;
    bool good = true;
    size_t i;

    for (i = 0; i < count; i++) {
        if (strcspn(settings[i], "/") < strcspn(settings[i], "=")) {
            problems_add(problems, "-s", NULL, NULL,
                         "%s has a section: --vet takes KEY=VALUE, a setting of the plugin itself",
                         problems_quote(settings[i], strlen(settings[i])).text);
            good = false;
            continue;
        }
        text_reset(&line);
        text_printf(&line, "behaviour %s/%s", name, settings[i]);
        good = !line.failed && ini_set(ini, line.bytes, problems) && good;
    }
    text_finish(&line);
    return good;
}

static struct instance *open_plugin(const struct vts_plugin *plugin, const char *const *settings,
                                    size_t count)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = NULL;
    struct ini ini = {0};

    if (read_settings(&ini, plugin->name, settings, count, &problems))
        instance = instance_create(plugin->name, plugin,
                                   ini_section(&ini, "behaviour", plugin->name), &problems);
    if (problems.lines.length > 0)
        fputs(problems.lines.bytes, stderr);
    ini_finish(&ini);
    problems_finish(&problems);
    return instance;
}

static int report(const struct laws_report *report)
{
    struct text out = TEXT_INIT;
    int law;

    for (law = 1; law <= LAW_COUNT; law++) {
        laws_line(report, law, &out);
        text_puts(&out, "\n");
    }
    fputs(out.failed ? "" : out.bytes, stdout);
    text_finish(&out);
    return laws_hold(report) ? EXIT_SUCCESS : EXIT_BROKEN;
}

int tool_vet(const char *file, const char *const *settings, size_t count)
{
    struct laws laws = {.module = file};
    struct instance *instance = NULL;
    const struct vts_plugin *plugin;
    struct laws_report found;
    int status = EXIT_USAGE;
    struct vts_error error;

    plugin = plugin_load_file(file, &error);
    if (plugin)
        instance = open_plugin(plugin, settings, count);
    laws.like = instance;
    if (instance && laws_check(&laws, &found, &error))
        status = report(&found);
    else if (instance || !plugin)
        fprintf(stderr, "vtsimd: %s\n", error.message);
    instance_destroy(instance);
    return status;
}
