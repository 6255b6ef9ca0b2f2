/* SPDX-License-Identifier: MIT
 *
 * vtsimd --vet. See tools.h. */
#include "tools.h"

#include <stdlib.h>

#include "../trial/guard.h"
#include "../trial/laws.h"

#define EXIT_BROKEN 1

/* The settings as a section; each is KEY=VALUE, for there is but one behaviour. */
static bool read_settings(struct ini *ini, const char *name, const char *const *settings,
                          size_t count, struct problems *problems)
{
    struct text line = TEXT_INIT;
    bool good = true;
    size_t i;

    for (i = 0; i < count; i++) {
        if (strcspn(settings[i], "/=") == strcspn(settings[i], "/")) {
            problems_add(problems, "-s", NULL, NULL,
                         "%s is no setting of the plugin; write KEY=VALUE, without a section",
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

/* Loads the module and opens it. NULL, with what is wrong with the settings among the problems, or else in
 * the error. */
static struct instance *open_module(const char *file, const char *const *settings, size_t count,
                                    struct problems *problems, struct vts_error *error)
{
    const struct vts_plugin *plugin = plugin_load_file(file, error);
    struct instance *instance = NULL;
    struct ini ini = {0};

    if (plugin && read_settings(&ini, plugin->name, settings, count, problems))
        instance = instance_create(plugin->name, plugin,
                                   ini_section(&ini, "behaviour", plugin->name), problems);
    ini_finish(&ini);
    return instance;
}

/* ---- a rehearsal ---- */

/* A module that crashes while it is opened is told of, and takes nobody along. */
struct rehearsal {
    struct probe_spot spot;
    const char *file;
    const char *const *settings;
    size_t count;
};

static void rehearse(void *arg)
{
    struct rehearsal *rehearsal = arg;
    struct problems problems = PROBLEMS_INIT;
    struct vts_error error;

    atomic_fetch_add(&rehearsal->spot.steps, 1); /* as if all of it were one hook */
    instance_destroy(
        open_module(rehearsal->file, rehearsal->settings, rehearsal->count, &problems, &error));
    problems_finish(&problems);
}

static bool can_be_opened(const char *file, const char *const *settings, size_t count)
{
    struct rehearsal *rehearsal = guard_memory(sizeof(*rehearsal));
    struct text told = TEXT_INIT;
    struct guard_end end;
    struct vts_error error = {.message = "no memory to load the module"};
    bool good = false;

    if (rehearsal) {
        rehearsal->file = file;
        rehearsal->settings = settings;
        rehearsal->count = count;
        good = guard_run(rehearse, rehearsal, &rehearsal->spot, LAWS_HANG_MS, &end, &error);
    }
    if (!good) {
        fprintf(stderr, "vtsimd: %s\n", error.message);
    } else if (end.kind != GUARD_DONE) {
        guard_tell(&end, LAWS_HANG_MS, &told);
        fprintf(stderr, "vtsimd: %s cannot be loaded and opened: it %s\n", file,
                told.failed ? "did not come back" : told.bytes);
        good = false;
    }
    guard_release(rehearsal, sizeof(*rehearsal));
    text_finish(&told);
    return good;
}

/* ---- the whole of it ---- */

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
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance;
    struct laws_report found;
    struct vts_error error;
    int status = EXIT_USAGE;

    if (!can_be_opened(file, settings, count))
        return status;
    instance = open_module(file, settings, count, &problems, &error);
    laws.like = instance;
    if (problems.lines.length > 0)
        fputs(problems.lines.bytes, stderr);
    else if (instance && laws_check(&laws, &found, &error))
        status = report(&found);
    else
        fprintf(stderr, "vtsimd: %s\n", error.message);
    instance_destroy(instance);
    problems_finish(&problems);
    return status;
}
