/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the INI reader. Whatever the bytes are: what is read is whole and knows its places, problems
 * are lines of UTF-8, and what was read without a problem can be written and read again. */
#include "config/ini.h"
#include "fuzz.h"

static void check_entry(const struct ini_entry *entry)
{
    size_t lines = 1, length = strlen(entry->value);

    PROMISE(*entry->key && strlen(entry->key) <= INI_KEY_MAX);
    PROMISE(text_valid_utf8(entry->value, length) == length);
    for (size_t i = 0; i < length; i++)
        lines += entry->value[i] == '\n';
    PROMISE(entry->lines == lines);
    PROMISE(entry->overridden == !entry->places);
    for (size_t i = 0; entry->places && i < lines; i++) {
        PROMISE(entry->places[i].line && entry->places[i].column);
        PROMISE(!i || entry->places[i - 1].line < entry->places[i].line);
    }
}

static void check_ini(const struct ini *ini)
{
    char where[64];

    for (size_t i = 0; i < ini->count; i++) {
        struct ini_section *section = ini->sections[i];

        PROMISE(*section->kind);
        PROMISE(ini_section(ini, section->kind, section->name) == section);
        PROMISE(*ini_title(section).text);
        for (size_t k = 0; k < section->count; k++) {
            check_entry(&section->entries[k]);
            PROMISE(ini_entry(section, section->entries[k].key) == &section->entries[k]);
            PROMISE(*ini_where(section, &section->entries[k], 2, where, sizeof(where)));
        }
    }
}

static void check_problems(const struct problems *problems)
{
    size_t lines = 0;

    PROMISE(text_valid_utf8(problems->lines.bytes, problems->lines.length) ==
            problems->lines.length);
    for (size_t i = 0; i < problems->lines.length; i++) {
        unsigned char byte = (unsigned char)problems->lines.bytes[i];

        lines += byte == '\n';
        PROMISE(byte == '\n' || byte >= 0x20);
    }
    PROMISE(lines == problems->count);
}

/* Sections, keys and values; `key =value`, since a value may start with what would be a comment. */
static void write_ini(const struct ini *ini, struct text *out)
{
    for (size_t i = 0; i < ini->count; i++) {
        text_printf(out, "[%s]\n", ini_title(ini->sections[i]).text);
        for (size_t k = 0; k < ini->sections[i]->count; k++) {
            const struct ini_entry *entry = &ini->sections[i]->entries[k];

            text_printf(out, "%s =", entry->key);
            for (const char *at = entry->value; *at; at++) {
                text_add(out, at, 1);
                if (*at == '\n')
                    text_puts(out, "  ");
            }
            text_puts(out, "\n");
        }
    }
}

static void check_round(const struct ini *ini)
{
    struct text once = TEXT_INIT, twice = TEXT_INIT;
    struct problems problems = PROBLEMS_INIT;
    struct ini again;

    text_puts(&once, "");
    text_puts(&twice, "");
    write_ini(ini, &once);
    PROMISE(ini_read(&again, "again.ini", once.bytes, once.length, &problems));
    write_ini(&again, &twice);
    PROMISE(!strcmp(once.bytes, twice.bytes));
    PROMISE(again.count == ini->count);
    ini_finish(&again);
    problems_finish(&problems);
    text_finish(&once);
    text_finish(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct problems problems = PROBLEMS_INIT;
    struct text assignment = TEXT_INIT;
    struct ini ini;
    bool ok = ini_read(&ini, "a.ini", (const char *)data, size, &problems);

    PROMISE(ok == (problems.count == 0));
    check_ini(&ini);
    if (ok)
        check_round(&ini);
    text_add(&assignment, data, size);
    ini_set(&ini, assignment.bytes, &problems); /* up to a NUL */
    check_ini(&ini);
    check_problems(&problems);
    text_finish(&assignment);
    ini_finish(&ini);
    problems_finish(&problems);
    return 0;
}
