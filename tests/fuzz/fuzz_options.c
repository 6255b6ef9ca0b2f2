/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the parsers of option values. The first byte chooses the type, the rest is the text. A value
 * that is taken can be printed, and what is printed reads back to the same; an error has words, a key
 * and a place that is inside the text. */
#include "config/options.h"
#include "fuzz.h"

struct settings {
    bool on;
    int64_t count;
    double rate;
    vts_ms span;
    struct vts_delay delay;
    const char *text;
    struct vts_list list;
    int choice;
    const char *path;
};

static const struct vts_option options[] = {
    VTS_OPTION_BOOL(struct settings, on, "off", NULL),
    VTS_OPTION_INT(struct settings, count, "0", 0, 0, NULL),
    VTS_OPTION_REAL(struct settings, rate, "0", 0, 0, NULL),
    VTS_OPTION_TIME(struct settings, span, "0", NULL),
    VTS_OPTION_DELAY(struct settings, delay, "0", NULL),
    VTS_OPTION_TEXT(struct settings, text, "", NULL),
    VTS_OPTION_LIST(struct settings, list, "", NULL),
    VTS_OPTION_CHOICE(struct settings, choice, "end|anywhere", "end", NULL),
    VTS_OPTION_PATH(struct settings, path, "", NULL),
    VTS_OPTION_INT(struct settings, count, "0", -5, 256, NULL),
    VTS_OPTION_REAL(struct settings, rate, "0", 0, 1, NULL),
    VTS_OPTION_TIME_BETWEEN(struct settings, span, "1s", 100, 86400000, NULL),
    VTS_OPTION_(VTS_DELAY, struct vts_delay, struct settings, delay, "0", 0, 60000, NULL, NULL),
    VTS_OPTION_(VTS_LIST, struct vts_list, struct settings, list, "a", 1, 3, NULL, NULL),
    VTS_OPTION_(VTS_TEXT, const char *, struct settings, text, "a", 1, 3, NULL, NULL),
};

enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

static void check_error(const struct vts_option *option, const char *text,
                        const struct vts_error *error)
{
    uint32_t lines = 1;
    size_t length = strlen(text);

    PROMISE(error->code == VTS_ERR_INVALID);
    PROMISE(*error->message);
    PROMISE(!strcmp(error->key, option->key));
    for (size_t i = 0; i < length; i++)
        lines += text[i] == '\n';
    PROMISE(error->line <= lines);
    PROMISE(error->column <= length + 1);
}

static bool same_delay(const struct vts_delay *a, const struct vts_delay *b)
{
    return a->distribution == b->distribution && a->reserved == b->reserved && a->a == b->a &&
           a->b == b->b && a->sigma == b->sigma && a->max == b->max;
}

static void check_value(const struct vts_option *option, struct settings *set)
{
    struct vts_option table[2] = {*option, VTS_OPTIONS_END};
    struct text once = TEXT_INIT, twice = TEXT_INIT;
    struct settings again = {0};
    struct vts_error error;

    text_puts(&once, "");
    text_puts(&twice, "");
    options_print(option, set, &once);
    PROMISE(options_parse(option, once.bytes, &again, &error));
    options_print(option, &again, &twice);
    PROMISE(!strcmp(once.bytes, twice.bytes));
    PROMISE(option->type != VTS_DELAY || same_delay(&set->delay, &again.delay));
    options_free(table, set);
    options_free(table, &again);
    text_finish(&once);
    text_finish(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vts_option *option;
    struct text text = TEXT_INIT;
    struct settings set = {0};
    struct vts_error error;

    if (!size)
        return 0;
    option = &options[data[0] % OPTIONS];
    text_add(&text, data + 1, size - 1);
    if (options_parse(option, text.bytes, &set, &error))
        check_value(option, &set);
    else
        check_error(option, text.bytes, &error);
    text_finish(&text);
    return 0;
}
