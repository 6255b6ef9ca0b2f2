/* SPDX-License-Identifier: MIT
 *
 * The laws, as one call of the harness: tries them on its behaviour, and tells of those that are broken. */
#include "trial/laws.h"

#include "inside.h"

bool vts_harness_check_laws_at(struct vts_harness *harness, const char *module,
                               struct vts_harness_place place)
{
    const struct instance *instance = trial_subject(harness->trial);
    struct laws laws = {.like = instance, .module = module ? module : harness->module};
    struct laws_report report;
    struct text text = TEXT_INIT;
    struct vts_error error;
    int law;

    if (!laws_check(&laws, &report, &error)) {
        text_printf(&text, "the laws cannot be tried: %s\n", error.message);
        return harness_fail(harness, &place, &text);
    }
    if (laws_hold(&report))
        return true;
    text_printf(&text, "%s breaks the laws of behaviours:\n", instance->name);
    for (law = 1; law <= LAW_COUNT; law++)
        if (report.of[law].verdict == LAW_BROKEN) {
            laws_line(&report, law, &text);
            text_puts(&text, "\n");
        }
    return harness_fail(harness, &place, &text);
}
