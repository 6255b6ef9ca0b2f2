/* SPDX-License-Identifier: MIT
 *
 * Lays settings over those of a behaviour. See overlay.h. */
#include "overlay.h"

#include "../config/options.h"

static const struct vts_option *option_of(const struct vts_plugin *plugin, const char *key)
{
    const struct vts_option *option = plugin->options;

    while (option && option->type != VTS_OPTION_END_TYPE && strcmp(option->key, key) != 0)
        option++;
    return option && option->type != VTS_OPTION_END_TYPE ? option : NULL;
}

/* What options_read does not see to. NULL: nothing is wrong. */
static const char *wrong_with(const struct vts_option *option, const struct setting *setting)
{
    if (option->type == VTS_PATH)
        return "it names a file, and files are named in the INI file alone: write it into a "
               "section there, and name that as the behaviour";
    if (setting->form == SETTING_LIST && option->type != VTS_LIST)
        return "it takes one value, not an array of them";
    return NULL;
}

static bool check(const struct vts_plugin *plugin, const char *label, const struct setting *setting,
                  struct problems *problems)
{
    const struct vts_option *option = option_of(plugin, setting->key);
    const char *wrong = option ? wrong_with(option, setting) : NULL;

    if (wrong)
        problems_add(problems, OVERLAY_ORIGIN, label, setting->key, "%s", wrong);
    return !wrong;
}

static bool put(struct ini *ini, const char *key, const char *value, struct problems *problems)
{
    if (ini_put(ini, "behaviour", "asked", key, value))
        return true;
    problems_add(problems, OVERLAY_ORIGIN, NULL, NULL, "no memory");
    return false;
}

/* The settings that the base has. */
static bool put_base(struct ini *ini, const struct instance *like, struct problems *problems)
{
    const struct vts_option *option = like->base.plugin->options;
    struct text value = TEXT_INIT;
    bool good = true;

    for (; good && option && option->type != VTS_OPTION_END_TYPE; option++) {
        text_reset(&value);
        text_puts(&value, "");
        options_print(option, like->settings, &value);
        good = put(ini, option->key, value.failed ? "" : value.bytes, problems) && !value.failed;
    }
    text_finish(&value);
    return good;
}

static bool put_all(struct ini *ini, const struct overlay_base *base, const char *label,
                    const struct setting *settings, size_t count, struct problems *problems)
{
    const struct vts_plugin *plugin = base->like ? base->like->base.plugin : base->plugin;
    bool good = true;
    size_t i;

    if (base->like && !put_base(ini, base->like, problems))
        return false;
    for (i = 0; i < count; i++)
        good = check(plugin, label, &settings[i], problems) && good;
    for (i = 0; i < count && good; i++)
        good = put(ini, settings[i].key, settings[i].value, problems);
    return good;
}

struct instance *overlay_open(const struct overlay_base *base, const struct setting *settings,
                              size_t count, struct problems *problems)
{
    const struct instance *like = base->like;
    const struct vts_plugin *plugin = like ? like->base.plugin : base->plugin;
    const char *name = like ? like->name : plugin->name;
    struct ini ini = {.file = strdup(OVERLAY_ORIGIN)};
    struct instance *instance = NULL;
    char label[300];

    snprintf(label, sizeof(label), "behaviour %s", name);
    if (!ini.file)
        problems_add(problems, OVERLAY_ORIGIN, NULL, NULL, "no memory");
    else if (put_all(&ini, base, label, settings, count, problems))
        instance =
            instance_create(name, plugin, ini_section(&ini, "behaviour", "asked"), problems);
    if (instance && !instance_put_filters(instance, like ? like->filters : base->filters,
                                          like ? like->filter_count : base->filter_count)) {
        problems_add(problems, OVERLAY_ORIGIN, label, NULL, "no memory");
        instance_destroy(instance);
        instance = NULL;
    }
    ini_finish(&ini);
    return instance;
}
