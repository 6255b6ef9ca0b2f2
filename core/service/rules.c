/* SPDX-License-Identifier: MIT
 *
 * Patterns, and what they are held against. See rules.h. */
#include "rules.h"

#include <errno.h>
#include <stdlib.h>

/* ---- conditions ---- */

/* Whether a pattern is a number that is this one, however the two are written: 60 is 6e1 and 60.0. */
static bool same_number(const char *pattern, const struct asked_field *field)
{
    char *end;
    double number;

    if (pattern[strspn(pattern, "0123456789+-.eE")] != '\0' || !*pattern)
        return false;
    /* Whole numbers are told apart to the last digit, as their texts are. */
    if (field->is_whole && pattern[strspn(pattern, "0123456789+-")] == '\0')
        return false;
    errno = 0;
    number = strtod(pattern, &end);
    return *end == '\0' && errno == 0 && number == field->number;
}

static bool field_matches(const struct rule_condition *condition, const struct asked *asked)
{
    struct asked_field field = {0};

    return asked->field && asked->field(asked->request, condition->name, &field) &&
           (text_glob(condition->pattern, field.text) ||
            (field.is_number && same_number(condition->pattern, &field)));
}

static bool header_matches(const struct rule_condition *condition, const struct asked *asked)
{
    const char *value = NULL;
    size_t i = 0;

    do
        value = asked->header ? asked->header(asked->request, condition->name, i++) : NULL;
    while (value && !text_glob(condition->pattern, value));
    return value != NULL;
}

static bool rule_matches(const struct config_rule *rule, const char *id, const struct asked *asked)
{
    const struct rule_condition *condition = rule->conditions;
    const struct rule_condition *end = condition + rule->condition_count;

    if (!text_glob(rule->settings.job_id, id))
        return false;
    for (; condition < end; condition++)
        if (condition->source == RULE_INPUT ? !field_matches(condition, asked)
                                            : !header_matches(condition, asked))
            return false;
    return true;
}

size_t rules_match(const struct config *config, const struct asked *asked)
{
    char id[RECORD_ID_MAX + 1];
    size_t i;

    if (config->rule_count == 0)
        return 0;
    memcpy(id, asked->id.at, asked->id.length);
    id[asked->id.length] = '\0';
    for (i = 0; i < config->rule_count && !rule_matches(&config->rules[i], id, asked); i++)
        ;
    return i;
}
