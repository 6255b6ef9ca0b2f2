/* SPDX-License-Identifier: MIT
 *
 * scripted_sequence: every job goes through the steps of a script, and so do the answers of those who ask for
 * it. This file is the plugin itself; the language is parsed and run in scripted_sequence/, and told by
 * vtsim-script(5). */
#include "scripted_sequence/script.h"

struct settings {
    const char *script;
};

static const struct vts_option options[] = {
    VTS_OPTION_TEXT_REQUIRED(
        struct settings, script,
        "pending for 5s\nhttp 503 retry-after 1s x2\nprogress 40% for 5s\ncompleted",
        "the steps of vtsim-script(5), one a line or separated by commas, such as: pending for 5s, "
        "http 503 x2, completed"),
    VTS_OPTIONS_END};

static bool open(struct vts_instance *instance, struct vts_error *error)
{
    const struct settings *set = instance->settings;
    struct script *script = instance->data;

    if (!script_parse(script, instance, set->script, error)) {
        script_finish(script);
        return false;
    }
    instance->counts_polls = script->counts;
    instance->state_size = script_state_size(script);
    return true;
}

static void close(struct vts_instance *instance) { script_finish(instance->data); }

VTS_PLUGIN(scripted_sequence, .summary = "every job goes through the steps of a script",
           .options = options, .settings_size = sizeof(struct settings),
           .instance_size = sizeof(struct script), .state_version = SCRIPT_STATE_VERSION,
           .open = open, .close = close, .admit = script_admit, .start = script_start,
           .wake = script_wake, .poll = script_poll)
