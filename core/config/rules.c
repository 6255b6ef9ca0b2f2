/* SPDX-License-Identifier: MIT
 *
 * [rule NAME] sections: the keys that stand in the table, and those that name a field of the input or a
 * header, of which there is no list. What matches is the business of the room service/. */
#include <stdlib.h>
#include <strings.h>

#include "config.h"

#define RULE struct rule_settings

const struct vts_option config_rule_options[] = {
    VTS_OPTION_(VTS_TEXT, const char *, RULE, job_id, "*", 1, 255, NULL,
                "which jobs: a pattern of the job's id, where * stands for any text and ? for one "
                "character"),
    VTS_OPTION_(VTS_TEXT, const char *, RULE, behaviour, NULL, 1, 255, NULL,
                "their behaviour: a [behaviour NAME], or a plugin's name"),
    VTS_OPTION_LIST(RULE, filter, "",
                    "filters around it, one a line, asked after the server's and before the "
                    "behaviour's"),
    VTS_OPTIONS_END};

static const char *const sources[] = {"input", "header"};

/* The length of a key up to its first dot; 0 where it has none. */
static size_t word_length(const char *key)
{
    const char *dot = strchr(key, '.');

    return dot ? (size_t)(dot - key) : 0;
}

/* What is wrong with the name behind `input.` or `header.`, or NULL. The reader of INI text lets letters,
 * digits, _, - and . into a key: all of them can stand in a header's name. */
static const char *wrong_name(enum rule_source source, const char *name)
{
    size_t last = strlen(name);

    if (last == 0)
        return source == RULE_INPUT
                   ? "it names no field of the input; write input.NAME, or input.OUTER.INNER"
                   : "it names no header; write header.NAME";
    if (source == RULE_INPUT && (name[0] == '.' || name[last - 1] == '.' || strstr(name, "..")))
        return "a name on the way to the field is empty; write input.NAME, or input.OUTER.INNER";
    return NULL;
}

/* What is wrong with a pattern, or NULL. */
static const char *wrong_pattern(const char *pattern)
{
    const unsigned char *at = (const unsigned char *)pattern;

    for (; *at; at++) {
        if (*at == '\n')
            return "a pattern is one line";
        if ((*at < 0x20 && *at != '\t') || *at == 0x7F)
            return "a pattern has no control characters";
    }
    return NULL;
}

/* Whether another condition of the rule is about the same header. */
static bool repeated(const struct config_rule *rule, enum rule_source source, const char *name)
{
    size_t i;

    for (i = 0; i < rule->condition_count; i++)
        if (source == RULE_HEADER && rule->conditions[i].source == RULE_HEADER &&
            strcasecmp(rule->conditions[i].name, name) == 0)
            return true;
    return false;
}

/* A key with a dot that is neither of an input nor of a header. */
static void report_source(const struct ini_section *section, const struct ini_entry *entry,
                          struct problems *problems)
{
    static const char *const words[] = {"input", "header", NULL};
    size_t length = word_length(entry->key);
    char word[INI_KEY_MAX + 1], where[4200];
    const char *near;

    snprintf(word, sizeof(word), "%.*s", (int)length, entry->key);
    near = text_nearest(word, words);
    ini_where(section, entry, 1, where, sizeof(where));
    if (near)
        problems_add(problems, where, ini_title(section).text, entry->key,
                     "unknown key; did you mean \"%s%s\"?", near, entry->key + length);
    else
        problems_add(problems, where, ini_title(section).text, entry->key,
                     "unknown key; a rule takes job_id, input.NAME, header.NAME, behaviour and "
                     "filter");
}

static void take_condition(struct config_rule *rule, const struct ini_section *section,
                           const struct ini_entry *entry, struct problems *problems)
{
    size_t length = word_length(entry->key);
    const char *name = entry->key + length + 1, *wrong;
    enum rule_source source = RULE_INPUT;
    char where[4200];

    while (source <= RULE_HEADER &&
           (strlen(sources[source]) != length || strncmp(sources[source], entry->key, length) != 0))
        source++;
    if (source > RULE_HEADER) {
        report_source(section, entry, problems);
        return;
    }
    wrong = wrong_name(source, name);
    if (!wrong && !entry->damaged)
        wrong = wrong_pattern(entry->value);
    if (!wrong && repeated(rule, source, name))
        wrong = "given twice: the case of a header's name does not count";
    if (wrong)
        problems_add(problems, ini_where(section, entry, 1, where, sizeof(where)),
                     ini_title(section).text, entry->key, "%s", wrong);
    else
        rule->conditions[rule->condition_count++] =
            (struct rule_condition){source, name, entry->value};
}

/* A key that is no condition: those of the table, and what is near to one of them, are the reader's. */
static void check_plain(const struct ini_section *section, struct ini_entry *entry,
                        struct problems *problems)
{
    static const char *const keys[] = {"job_id", "behaviour", "filter", NULL};
    bool is_input = strcmp(entry->key, "input") == 0;
    char where[4200];

    if (!is_input && strcmp(entry->key, "header") != 0 && text_nearest(entry->key, keys))
        return;
    ini_where(section, entry, 1, where, sizeof(where));
    entry->used = true;
    if (is_input || strcmp(entry->key, "header") == 0)
        problems_add(problems, where, ini_title(section).text, entry->key,
                     "unknown key; write %s.NAME, with the name of a %s", entry->key,
                     is_input ? "field of the input" : "header");
    else
        problems_add(problems, where, ini_title(section).text, entry->key,
                     "unknown key; a rule takes job_id, input.NAME, header.NAME, behaviour and "
                     "filter");
}

bool config_read_rule(struct config_rule *rule, struct ini_section *section,
                      struct problems *problems)
{
    struct ini_entry *entry;
    size_t i;

    rule->name = section->name;
    rule->conditions = calloc(section->count + 1, sizeof(*rule->conditions));
    for (i = 0; rule->conditions && i < section->count; i++) {
        entry = &section->entries[i];
        if (!word_length(entry->key)) {
            check_plain(section, entry, problems);
            continue;
        }
        entry->used = true;
        take_condition(rule, section, entry, problems);
    }
    if (!rule->conditions)
        problems_add(problems, NULL, ini_title(section).text, NULL, "not enough memory");
    return options_read(config_rule_options, &rule->settings, section, ini_title(section).text,
                        NULL, problems);
}

void config_free_rule(struct config_rule *rule)
{
    options_free(config_rule_options, &rule->settings);
    free(rule->conditions);
}
