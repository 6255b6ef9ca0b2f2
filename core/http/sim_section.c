/* SPDX-License-Identifier: MIT
 *
 * Sections and their settings as the control side tells them: each value, and where it was written. What was secret
 * in the file stays so. */
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

/* `written`: also where that was. */
static void add_setting(struct text *out, const struct vts_option *option, const void *settings,
                        const struct ini_section *section, bool written)
{
    const struct ini_entry *entry = find_entry(section, option->key);
    struct text value = TEXT_INIT;
    char where[4200] = "default";

    options_print(option, settings, &value);
    text_json(out, option->key, strlen(option->key));
    text_puts(out, ": {\"value\": ");
    add_value(out, option->key, value.length > 0 ? value.bytes : "");
    if (written) {
        if (entry)
            ini_where(section, entry, 1, where, sizeof(where));
        text_puts(out, ", \"from\": ");
        text_json(out, where, strlen(where));
    }
    text_puts(out, "}");
    out->failed |= value.failed;
    text_finish(&value);
}

static bool in_table(const struct sim_section *shown, const char *key)
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

void sim_settings(struct text *out, const struct ini *ini, const struct sim_section *shown)
{
    const struct ini_section *section = ini ? find_section(ini, shown->kind, shown->name) : NULL;
    const struct vts_option *option = shown->table;
    const struct vts_option more = {.type = VTS_TEXT, .key = shown->more, .offset = 0};
    const char *comma = "";
    size_t i;

    text_puts(out, "{");
    if (shown->more && shown->more_value) {
        add_setting(out, &more, &shown->more_value, section, ini != NULL);
        comma = ", ";
    }
    for (; option && option->type != VTS_OPTION_END_TYPE; option++) {
        text_puts(out, comma);
        add_setting(out, option, shown->settings, section, ini != NULL);
        comma = ", ";
    }
    for (i = 0; section && i < section->count; i++)
        if (!in_table(shown, section->entries[i].key)) {
            text_puts(out, comma);
            add_written(out, section, &section->entries[i]);
            comma = ", ";
        }
    text_puts(out, "}");
}

void sim_section_from(struct text *out, const struct ini *ini, const char *kind, const char *name)
{
    const struct ini_section *section = find_section(ini, kind, name);
    char where[4200];

    if (!section) {
        text_puts(out, "null");
        return;
    }
    ini_where(section, NULL, 1, where, sizeof(where));
    text_json(out, where, strlen(where));
}
