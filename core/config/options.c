/* SPDX-License-Identifier: MIT
 *
 * Option tables: whether one can be used, and how a section is read through it. Owns what is said of
 * keys (unknown, missing); knows neither how a value reads nor what any key means. */
#include "options.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

/* More entries than anybody writes: the table has no end. */
enum { OPTIONS_MAX = 256 };

/* ---- tables ---------------------------------------------------------------------------------- */

static size_t table_size(const struct vts_option *table)
{
    size_t count = 0;

    while (table && table[count].type != VTS_OPTION_END_TYPE)
        count++;
    return count;
}

struct field {
    const char *name; /* of the type */
    size_t size, align;
};

static const struct field fields[] = {
    [VTS_BOOL] = {"BOOL", sizeof(bool), _Alignof(bool)},
    [VTS_INT] = {"INT", sizeof(int64_t), _Alignof(int64_t)},
    [VTS_REAL] = {"REAL", sizeof(double), _Alignof(double)},
    [VTS_TIME] = {"TIME", sizeof(vts_ms), _Alignof(vts_ms)},
    [VTS_DELAY] = {"DELAY", sizeof(struct vts_delay), _Alignof(struct vts_delay)},
    [VTS_TEXT] = {"TEXT", sizeof(char *), _Alignof(char *)},
    [VTS_LIST] = {"LIST", sizeof(struct vts_list), _Alignof(struct vts_list)},
    [VTS_CHOICE] = {"CHOICE", sizeof(int), _Alignof(int)},
    [VTS_PATH] = {"PATH", sizeof(char *), _Alignof(char *)},
};

/* NULL where the type is not known. */
static const struct field *field_of(int32_t type)
{
    return type >= VTS_BOOL && type <= VTS_PATH ? &fields[type] : NULL;
}

const char *options_type_name(int32_t type) { return field_of(type) ? field_of(type)->name : "?"; }

static bool is_key(const char *key)
{
    size_t length = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_");

    return key[0] >= 'a' && key[0] <= 'z' && length <= INI_KEY_MAX && !key[length];
}

/* Whether choices are words with bars between them, none given twice. */
static const char *check_choices(const char *choices)
{
    if (!choices || !*choices)
        return "has no choices; write them as \"one|two\"";
    if (strlen(choices) > 511)
        return "has choices that are longer than 511 bytes";
    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
        size_t length = strcspn(at, "|"), other;

        if (!length || strcspn(at, " \t\r\n\v\f") < length)
            return "has a choice that is not one word";
        for (const char *before = choices; before < at; before += other + 1) {
            other = strcspn(before, "|");
            if (other == length && !memcmp(before, at, length))
                return "has a choice twice";
        }
    }
    return NULL;
}

/* Whether the field lies inside the settings and belongs to no option before this one. */
static bool check_field(const struct vts_option *table, size_t index, size_t settings_size,
                        struct vts_error *error)
{
    const struct vts_option *option = &table[index];
    const struct field *field = field_of(option->type);

    if (option->offset > settings_size || settings_size - option->offset < field->size)
        return vts_error_set(error, VTS_ERR_INVALID,
                             "option \"%s\": its field (%zu bytes at %zu) is not inside the "
                             "settings_size of %zu bytes",
                             option->key, field->size, option->offset, settings_size);
    if (option->offset % field->align)
        return vts_error_set(error, VTS_ERR_INVALID,
                             "option \"%s\": its offset %zu is no place for a %s field",
                             option->key, option->offset, field->name);
    for (size_t i = 0; i < index; i++)
        if (option->offset < table[i].offset + field_of(table[i].type)->size &&
            table[i].offset < option->offset + field->size)
            return vts_error_set(error, VTS_ERR_INVALID,
                                 "option \"%s\": its field is also that of option \"%s\"",
                                 option->key, table[i].key);
    return true;
}

/* Whether a fallback or an example is a value that the option would take from a user. */
static bool check_value(const struct vts_option *option, const char *what, const char *text,
                        struct vts_error *error)
{
    struct vts_option table[2] = {*option, {.type = VTS_OPTION_END_TYPE}};
    union {
        struct vts_delay largest;
        max_align_t aligned;
    } value;
    struct vts_error wrong;
    bool ok;

    if (!text)
        return true;
    memset(&value, 0, sizeof(value));
    table[0].offset = 0;
    ok = options_parse(&table[0], text, &value, &wrong);
    options_free(table, &value);
    if (ok)
        return true;
    if (wrong.code == VTS_ERR_MEMORY)
        return vts_error_set(error, VTS_ERR_MEMORY, "%s", wrong.message);
    return vts_error_set(error, VTS_ERR_INVALID, "option \"%s\": its %s cannot be read: %s",
                         option->key, what, wrong.message);
}

static bool check_option(const struct vts_option *table, size_t index, size_t settings_size,
                         struct vts_error *error)
{
    const struct vts_option *option = &table[index];
    const char *choices;

    if (!option->key)
        return vts_error_set(error, VTS_ERR_INVALID, "option %zu has no key", index + 1);
    if (!is_key(option->key))
        return vts_error_set(
            error, VTS_ERR_INVALID,
            "option %zu: %s is no key; a key is a small letter, then small letters, "
            "digits and _, at most %d bytes",
            index + 1, problems_quote(option->key, strlen(option->key)).text, INI_KEY_MAX);
    if (!field_of(option->type))
        return vts_error_set(error, VTS_ERR_INVALID, "option \"%s\": its type %d is not known",
                             option->key, (int)option->type);
    for (size_t i = 0; i < index; i++)
        if (!strcmp(table[i].key, option->key))
            return vts_error_set(error, VTS_ERR_INVALID, "option \"%s\" is in the table twice",
                                 option->key);
    if (!check_field(table, index, settings_size, error))
        return false;
    if (isnan(option->min) || isnan(option->max) || option->min > option->max)
        return vts_error_set(error, VTS_ERR_INVALID,
                             "option \"%s\": its min %g and max %g are no range", option->key,
                             option->min, option->max);
    choices = option->type == VTS_CHOICE ? check_choices(option->choices) : NULL;
    if (choices)
        return vts_error_set(error, VTS_ERR_INVALID, "option \"%s\" %s", option->key, choices);
    return check_value(option, "fallback", option->fallback, error) &&
           (option->type == VTS_CHOICE || check_value(option, "example", option->choices, error));
}

bool options_check(const struct vts_option *table, size_t settings_size, struct vts_error *error)
{
    for (size_t i = 0; table && table[i].type != VTS_OPTION_END_TYPE; i++) {
        if (i == OPTIONS_MAX)
            return vts_error_set(error, VTS_ERR_INVALID,
                                 "the table has more than %d options; does it end with "
                                 "VTS_OPTIONS_END?",
                                 OPTIONS_MAX);
        if (!check_option(table, i, settings_size, error))
            return false;
    }
    return true;
}

void options_free(const struct vts_option *table, void *settings)
{
    for (; table && table->type != VTS_OPTION_END_TYPE; table++) {
        void *field = (char *)settings + table->offset;

        if (table->type == VTS_TEXT || table->type == VTS_PATH) {
            free(*(char **)field);
            *(char **)field = NULL;
        } else if (table->type == VTS_LIST) {
            struct vts_list *list = field;

            free((void *)list->items);
            *list = (struct vts_list){0};
        }
    }
}

/* ---- paths ----------------------------------------------------------------------------------- */

char *options_path(const struct ini_section *section, const struct ini_entry *entry,
                   const char *path)
{
    const char *file = section && !(entry && entry->overridden) ? section->file : "";
    const char *slash = strrchr(file, '/');
    char folder[PATH_MAX], *base;
    struct text joined = TEXT_INIT;

    if (!*path || *path == '/')
        return strdup(path);
    if (!slash)
        snprintf(folder, sizeof(folder), ".");
    else
        snprintf(folder, sizeof(folder), "%.*s", (int)(slash - file) + 1, file);
    base = realpath(folder, NULL);
    text_printf(&joined, "%s/%s", base ? base : folder, path);
    free(base);
    return text_take(&joined);
}

/* ---- problems -------------------------------------------------------------------------------- */

/* Finds an entry without marking it as used. */
static const struct ini_entry *peek_entry(const struct ini_section *section, const char *key)
{
    for (size_t i = 0; section && i < section->count; i++)
        if (!strcmp(section->entries[i].key, key))
            return &section->entries[i];
    return NULL;
}

/* Shows a line of a value, as far as there is such a line. */
static void show_line(const char *value, uint32_t line, uint32_t column, struct problems *problems)
{
    for (; line > 1 && *value; value++)
        line -= *value == '\n';
    if (line == 1)
        problems_show(problems, value, strcspn(value, "\n"), column);
}

/* Whoever comes from JSON or TOML writes quotes, which are a part of the value here. */
static const char *quotes_hint(const struct ini_entry *entry)
{
    size_t length = entry ? strlen(entry->value) : 0;
    bool quoted = length > 1 && (*entry->value == '"' || *entry->value == '\'') &&
                  entry->value[length - 1] == *entry->value;

    return quoted ? "; values are written without quotes" : "";
}

void options_report(const struct ini_section *section, const char *name,
                    const struct vts_error *error, struct problems *problems)
{
    const struct ini_entry *entry = *error->key ? peek_entry(section, error->key) : NULL;
    const char *key = *error->key ? error->key : NULL;
    uint32_t line = error->line ? error->line : 1, own_line = line;
    uint32_t column = error->column;
    char where[4200], place[64] = "";
    size_t used;

    ini_where(section, entry, line, where, sizeof(where));
    used = strlen(where);
    if (entry && column && entry->overridden && entry->places && line <= entry->lines) {
        column += entry->places[line - 1].column - 1;
        line = entry->places[line - 1].line;
    }
    if (entry && column && entry->overridden)
        snprintf(place, sizeof(place), " (at line %u, column %u of the value)", (unsigned int)line,
                 (unsigned int)column);
    else if (entry && error->column && line <= entry->lines)
        snprintf(where + used, sizeof(where) - used, ":%u",
                 (unsigned int)(entry->places[line - 1].column + error->column - 1));
    problems_add(problems, where, name, key, "%s%s%s", error->message, quotes_hint(entry), place);
    if (entry && error->column)
        show_line(entry->value, own_line, error->column, problems);
}

/* The keys that may stand in a section: those of the table, and those that somebody else has asked
 * for. Free the list, not the words. */
static const char **allowed_keys(const struct vts_option *table, const struct ini_section *section)
{
    const char **keys = calloc(table_size(table) + section->count + 1, sizeof(*keys));
    size_t count = 0;

    if (!keys)
        return NULL;
    for (size_t i = 0; i < section->count; i++)
        if (section->entries[i].used)
            keys[count++] = section->entries[i].key;
    for (size_t i = 0; table && table[i].type != VTS_OPTION_END_TYPE; i++)
        if (!peek_entry(section, table[i].key) || !peek_entry(section, table[i].key)->used)
            keys[count++] = table[i].key;
    return keys;
}

static void report_unknown(const char *const *keys, const struct ini_section *section,
                           const struct ini_entry *entry, const char *name,
                           struct problems *problems)
{
    const char *near = keys ? text_nearest(entry->key, keys) : NULL;
    struct text list = TEXT_INIT;
    char where[4200];

    ini_where(section, entry, 1, where, sizeof(where));
    for (size_t i = 0; !near && keys && keys[i]; i++)
        text_printf(&list, "%s%s", i ? ", " : "", keys[i]);
    if (near)
        problems_add(problems, where, name, entry->key, "unknown key; did you mean \"%s\"?", near);
    else if (list.length)
        problems_add(problems, where, name, entry->key, "unknown key; the keys here are %s",
                     list.bytes);
    else
        problems_add(problems, where, name, entry->key, "unknown key; this section takes none");
    text_finish(&list);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Makes a PATH absolute that was just read. */
static bool settle_path(const struct vts_option *option, void *settings,
                        const struct ini_section *section, const struct ini_entry *entry,
                        struct vts_error *error)
{
    char **field = (char **)((char *)settings + option->offset), *path;

    path = options_path(section, entry, *field);
    if (!path)
        return vts_error_set(error, VTS_ERR_MEMORY, "not enough memory");
    free(*field);
    *field = path;
    return true;
}

/* One option: from its entry, or from its fallback. False where it has no value: that is reported. */
static bool read_option(const struct vts_option *option, void *settings,
                        struct ini_section *section, const char *name, struct problems *problems)
{
    const struct ini_entry *entry = ini_entry(section, option->key);
    struct vts_error error = {0};
    char where[4200];

    if (entry && entry->damaged)
        return false;
    if (!entry && !option->fallback) {
        problems_add(problems, ini_where(section, NULL, 0, where, sizeof(where)), name, option->key,
                     "it is required, and not given (%s%s%s)", options_type_name(option->type),
                     option->help ? ": " : "", option->help ? option->help : "");
        return false;
    }
    if (options_parse(option, entry ? entry->value : option->fallback, settings, &error) &&
        (option->type != VTS_PATH || settle_path(option, settings, section, entry, &error)))
        return true;
    options_report(section, name, &error, problems);
    return false;
}

bool options_read(const struct vts_option *table, void *settings, struct ini_section *section,
                  const char *name, struct text *canonical, struct problems *problems)
{
    const char **keys = NULL;
    bool good = true;

    for (size_t i = 0; table && table[i].type != VTS_OPTION_END_TYPE; i++)
        good = read_option(&table[i], settings, section, name, problems) && good;
    for (size_t i = 0; section && i < section->count; i++) {
        if (section->entries[i].used)
            continue;
        if (!keys)
            keys = allowed_keys(table, section);
        good = false;
        report_unknown(keys, section, &section->entries[i], name, problems);
    }
    for (size_t i = 0; section && i < section->count; i++)
        section->entries[i].used = true; /* what was unknown is reported */
    if (section)
        section->used = true;
    free(keys);
    for (size_t i = 0; canonical && table && table[i].type != VTS_OPTION_END_TYPE; i++) {
        text_printf(canonical, "%s=", table[i].key);
        options_print(&table[i], settings, canonical);
        text_add(canonical, "", 1);
    }
    return good;
}
