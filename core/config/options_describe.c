/* SPDX-License-Identifier: MIT
 *
 * Prints option tables for people: as a table to read and as a section to paste. Knows the tables
 * alone. */
#include "options.h"

/* Longer fallbacks are cut in the table; the section to paste has them whole. */
enum { COLUMN_MAX = 24 };

struct columns {
    struct text key, type, fallback, range;
};

static void columns_finish(struct columns *columns)
{
    text_finish(&columns->key);
    text_finish(&columns->type);
    text_finish(&columns->fallback);
    text_finish(&columns->range);
}

/* A fallback on one line, cut where it is long. */
static void add_fallback(const char *fallback, struct text *out)
{
    size_t length = 0;

    if (!fallback) {
        text_puts(out, "(required)");
        return;
    }
    for (; length < COLUMN_MAX && fallback[length]; length++) {
        if (fallback[length] == '\n')
            text_puts(out, " | ");
        else
            text_add(out, fallback + length, 1);
    }
    while (length && ((unsigned char)fallback[length] & 0xc0) == 0x80 && out->length) {
        length--; /* not within a character */
        out->bytes[--out->length] = 0;
    }
    if (fallback[length])
        text_puts(out, "...");
}

/* The cells of one option. False where there is no memory for them. */
static bool fill(struct columns *columns, const struct vts_option *option)
{
    text_reset(&columns->key);
    text_reset(&columns->type);
    text_reset(&columns->fallback);
    text_reset(&columns->range);
    text_puts(&columns->key, option->key);
    text_puts(&columns->type, options_type_name(option->type));
    add_fallback(option->fallback, &columns->fallback);
    text_puts(&columns->range, "");
    options_range(option, &columns->range);
    return !columns->key.failed && !columns->type.failed && !columns->fallback.failed &&
           !columns->range.failed;
}

static void widen(int *width, const struct text *text)
{
    if ((int)text->length > *width)
        *width = (int)text->length;
}

static void add_row(struct text *out, const int width[4], const char *const cells[4],
                    const char *help)
{
    for (int i = 0; i < 4; i++)
        text_printf(out, "  %-*s", width[i], cells[i]);
    text_printf(out, "  %s\n", help);
}

void options_describe(const struct vts_option *table, struct text *out)
{
    static const char *const heads[4] = {"key", "type", "default", "range"};
    struct columns row = {TEXT_INIT, TEXT_INIT, TEXT_INIT, TEXT_INIT};
    int width[4] = {3, 4, 7, 5};

    if (!table || table->type == VTS_OPTION_END_TYPE) {
        text_puts(out, "  (no settings)\n");
        return;
    }
    for (size_t i = 0; table[i].type != VTS_OPTION_END_TYPE && !out->failed; i++) {
        out->failed = !fill(&row, &table[i]);
        widen(&width[0], &row.key);
        widen(&width[1], &row.type);
        widen(&width[2], &row.fallback);
        widen(&width[3], &row.range);
    }
    add_row(out, width, heads, "meaning");
    for (size_t i = 0; table[i].type != VTS_OPTION_END_TYPE && !out->failed; i++) {
        const char *cells[4];

        if (!fill(&row, &table[i])) {
            out->failed = true;
            break;
        }
        cells[0] = row.key.bytes;
        cells[1] = row.type.bytes;
        cells[2] = row.fallback.bytes;
        cells[3] = row.range.bytes;
        add_row(out, width, cells, table[i].help ? table[i].help : "");
    }
    columns_finish(&row);
}

/* A value as it stands in a file: its further lines indented. */
static void add_value(struct text *out, const char *value)
{
    if (*value)
        text_puts(out, " ");
    for (; *value; value++) {
        text_add(out, value, 1);
        if (*value == '\n')
            text_puts(out, "    ");
    }
}

void options_paste(const struct vts_option *table, const char *section, const char *plugin,
                   struct text *out)
{
    const char *example;

    text_printf(out, "[%s]\n", section);
    if (plugin)
        text_printf(out, "plugin = %s\n", plugin);
    for (; table && table->type != VTS_OPTION_END_TYPE; table++) {
        example = table->type == VTS_CHOICE ? NULL : table->choices;
        text_printf(out, "; %s", options_type_name(table->type));
        if (table->help && *table->help)
            text_printf(out, ": %s", table->help);
        text_puts(out, table->fallback || !example ? "\n" : "; required, this is an example\n");
        text_printf(out, "%s =", table->key);
        if (!table->fallback && !example)
            text_puts(out, " ; required: write a value here");
        else
            add_value(out, table->fallback ? table->fallback : example);
        text_puts(out, "\n");
    }
}
