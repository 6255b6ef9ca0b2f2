/* SPDX-License-Identifier: MIT
 *
 * Law 7: each option's fallback reads, what lies beyond its limits is refused, and what lies at them is
 * taken, also by jobs. Where an option has no limits there is 0 for a time, and each of its words for a
 * choice; those a plugin's open may refuse. See life.h. */
#include "life.h"

#include <math.h>
#include <stdlib.h>

#include "../config/options.h"

/* Of each setting that is tried. */
#define JOBS        3
#define MOST_WAKES  2000
#define TEXT_LENGTH 65536 /* longer texts are not tried */

enum side { SIDE_MIN, SIDE_MAX };

/* ---- values ---- */

static bool has_limits(const struct vts_option *option) { return option->min != option->max; }

static void add_time(double bound, vts_ms more, bool up, struct text *out)
{
    vts_ms limit = bound <= 0                      ? 0
                   : bound >= (double)VTS_TIME_END ? VTS_TIME_END
                   : up                            ? (vts_ms)ceil(bound)
                                                   : (vts_ms)floor(bound);
    char buffer[24];

    if (limit + more >= 0 && limit + more <= VTS_TIME_END)
        text_puts(out, options_time_text(limit + more, buffer, sizeof(buffer)));
}

static void add_whole(double bound, int more, bool up, struct text *out)
{
    double whole = up ? ceil(bound) : floor(bound);

    /* What a double cannot tell from its neighbours is not tried. */
    if (fabs(whole) < 9e15)
        text_printf(out, "%lld", (long long)whole + more);
}

/* A text of so many bytes, or a list of so many items. */
static void add_length(const struct vts_option *option, double bound, int more, bool up,
                       struct text *out)
{
    double length = (up ? ceil(bound < 0 ? 0 : bound) : floor(bound)) + more;
    size_t left = length >= 1 && length <= TEXT_LENGTH ? (size_t)length : 0;

    for (; left > 0 && !out->failed; left--)
        text_puts(out, option->type == VTS_LIST ? "a\n" : "a");
}

/* The value at one limit, or the first one beyond it. Empty where there is none to try. */
static void add_limit(const struct vts_option *option, enum side side, bool beyond,
                      struct text *out)
{
    double bound = side == SIDE_MIN ? option->min : option->max;
    int more = !beyond ? 0 : side == SIDE_MIN ? -1 : 1;
    bool up = side == SIDE_MIN;

    text_reset(out);
    if (!isfinite(bound) || !has_limits(option))
        return;
    switch ((enum vts_option_type)option->type) {
    case VTS_INT:
        add_whole(bound, more, up, out);
        break;
    case VTS_REAL:
        text_printf(out, "%.17g", beyond ? nextafter(bound, up ? -INFINITY : INFINITY) : bound);
        break;
    case VTS_TIME:
    case VTS_DELAY:
        add_time(bound, more, up, out);
        break;
    case VTS_TEXT:
    case VTS_LIST:
    case VTS_PATH:
        add_length(option, bound, more, up, out);
        break;
    default:
        break;
    }
}

/* ---- the parser ---- */

static bool parses(const struct vts_option *option, const char *text)
{
    struct vts_option table[2] = {*option, {.type = VTS_OPTION_END_TYPE}};
    union {
        struct vts_delay largest;
        max_align_t aligned;
    } value;
    struct vts_error error;
    bool good;

    memset(&value, 0, sizeof(value));
    table[0].offset = 0;
    good = options_parse(&table[0], text, &value, &error);
    options_free(table, &value);
    return good;
}

static void check_beyond(struct tried *tried, const struct vts_option *option, enum side side,
                         struct text *value)
{
    add_limit(option, side, true, value);
    if (value->length > 0 && parses(option, value->bytes))
        tried_broken(tried, 7, "", 0, "%s = %.100s was taken, which is beyond its %s", option->key,
                     value->bytes, side == SIDE_MIN ? "min" : "max");
}

/* ---- opening ---- */

/* What the other options are. Those that must agree with this one can only do so at their own limits. */
enum others { OTHERS_GIVEN, OTHERS_MIN, OTHERS_MAX, OTHERS };

static bool set(struct ini *ini, const char *key, const char *value, struct problems *problems)
{
    struct text line = TEXT_INIT;
    bool good;

    text_printf(&line, "behaviour limits/%s=%s", key, value);
    good = !line.failed && ini_set(ini, line.bytes, problems);
    text_finish(&line);
    return good;
}

static bool set_others(struct ini *ini, const struct vts_option *table, enum others others,
                       const char *key, struct problems *problems)
{
    struct text value = TEXT_INIT;
    bool good = true;

    for (; good && others != OTHERS_GIVEN && table->type != VTS_OPTION_END_TYPE; table++) {
        add_limit(table, others == OTHERS_MIN ? SIDE_MIN : SIDE_MAX, false, &value);
        if (strcmp(table->key, key) != 0 && table->type < VTS_TEXT && value.length > 0)
            good = set(ini, table->key, value.bytes, problems);
    }
    text_finish(&value);
    return good;
}

/* The settings of `like` but for this one. NULL, with the reason, where they are refused. */
static struct instance *open_with(struct tried *tried, const char *key, const char *value,
                                  enum others others, struct problems *problems)
{
    const struct text *canonical = &tried->laws->like->canonical;
    const char *at = canonical->bytes, *end = at + canonical->length, *equals;
    struct instance *instance = NULL;
    struct ini ini = {0};
    bool good = true;
    char other[64];

    at += strlen(at) + 1;
    at += strlen(at) + 1;
    for (; good && at < end; at += strlen(at) + 1) {
        if (*at == '@')
            continue; /* a stamp: it is made anew */
        equals = strchr(at, '=');
        snprintf(other, sizeof(other), "%.*s", (int)(equals - at), at);
        good = set(&ini, other, strcmp(other, key) == 0 ? value : equals + 1, problems);
    }
    good = good && set_others(&ini, tried->probe.plugin.options, others, key, problems);
    if (good)
        instance = instance_create(tried->laws->like->name, &tried->probe.plugin,
                                   ini_section(&ini, "behaviour", "limits"), problems);
    ini_finish(&ini);
    return instance;
}

/* ---- one value ---- */

static void run_jobs(struct tried *tried, const struct instance *instance)
{
    tried_like(tried, instance);
    lives_try(tried, 1, JOBS);
    if (!life_of_filter(tried))
        restore_try(tried, 1, 1);
    tried_like(tried, tried->laws->like);
    tried->seed = 0;
}

/* What plugins may refuse they refuse with a reason, and that is all. */
static void try_value(struct tried *tried, const struct vts_option *option, const char *value,
                      bool must, char *setting, size_t size)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = NULL;
    enum others others;

    snprintf(setting, size, "%s = %.60s%s", option->key, value, strlen(value) > 60 ? "..." : "");
    for (others = OTHERS_GIVEN; others < OTHERS && !instance; others++) {
        if (others == OTHERS_GIVEN || must)
            instance = open_with(tried, option->key, value, others, &problems);
    }
    if (instance) {
        tried->setting = setting;
        run_jobs(tried, instance);
        tried->setting = NULL;
    } else if (!instance && must) {
        tried_broken(tried, 7, "", 0, "%s is within its limits, and was refused: %.*s", setting,
                     (int)strcspn(problems.lines.length ? problems.lines.bytes : "", "\n"),
                     problems.lines.length ? problems.lines.bytes : "");
    }
    instance_destroy(instance);
    problems_finish(&problems);
    *setting = '\0';
}

static void try_words(struct tried *tried, const struct vts_option *option, char *setting,
                      size_t size)
{
    const char *at = option->type == VTS_BOOL ? "off|on" : option->choices;
    char word[512];

    for (; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
        snprintf(word, sizeof(word), "%.*s", (int)strcspn(at, "|"), at);
        try_value(tried, option, word, false, setting, size);
    }
}

static void try_option(struct tried *tried, const struct vts_option *option, char *setting,
                       size_t size)
{
    /* Whether a plugin makes sense of some text is its own affair. */
    bool must = option->type < VTS_TEXT;
    struct text value = TEXT_INIT;
    enum side side;

    if (option->type == VTS_BOOL || option->type == VTS_CHOICE) {
        try_words(tried, option, setting, size);
        return;
    }
    if (!has_limits(option) && (option->type == VTS_TIME || option->type == VTS_DELAY)) {
        /* That jobs wake without end in one moment is then the setting's fault, and is told to its user. */
        unsigned int all = tried->laws_set;

        tried->laws_set &= ~(1u << 3);
        try_value(tried, option, "0", false, setting, size);
        tried->laws_set = all;
    }
    for (side = SIDE_MIN; side <= SIDE_MAX; side++) {
        check_beyond(tried, option, side, &value);
        add_limit(option, side, false, &value);
        if (value.length == 0)
            continue;
        if (!parses(option, value.bytes))
            tried_broken(tried, 7, "", 0, "%s = %.100s is its own %s, and was refused", option->key,
                         value.bytes, side == SIDE_MIN ? "min" : "max");
        else if (option->type != VTS_PATH)
            try_value(tried, option, value.bytes, must, setting, size);
    }
    tried->no_memory |= value.failed;
    text_finish(&value);
}

void limits_try(struct tried *tried, char *setting, size_t size)
{
    const struct vts_option *option = tried->probe.plugin.options;
    struct vts_error error;

    tried->bounded = false;
    tried->most_wakes = MOST_WAKES;
    tried->seed = 0;
    if (!options_check(option, tried->probe.plugin.settings_size, &error)) {
        tried_broken(tried, 7, "", 0, "its option table is broken: %s", error.message);
        return;
    }
    for (; option && option->type != VTS_OPTION_END_TYPE && tried_goes_on(tried); option++)
        try_option(tried, option, setting, size);
}
