/* SPDX-License-Identifier: MIT
 *
 * The reader of INI text: lines into headings, keys and values with their places, and the command
 * line's settings on top. Knows the syntax and no setting. */
#include "ini.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file that is no INI file at all gives a problem a line: nobody reads beyond these. */
enum { PROBLEMS_MAX = 50 };

struct reader {
    struct ini *ini;
    struct problems *problems;
    uint32_t line;
    struct ini_section *section; /* NULL: no heading yet, or one that could not be read */
    size_t old_entries;          /* of a section given twice: the entries that it had before */
    struct ini_entry *entry;     /* what an indented line continues; NULL: nothing */
    struct text value;           /* the value of `entry` so far */
    bool swallow;                /* drop indented lines: what they continue was wrong */
    bool lost;                   /* drop all up to the next heading: its own was wrong */
    bool quiet;                  /* the line is damaged, and that was said */
    bool failed;                 /* no memory */
};

/* ---- characters ------------------------------------------------------------------------------ */

static bool is_white(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\v' || byte == '\f';
}

static bool is_key_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte == '-' || byte == '.';
}

/* Drops white space at both ends. */
static const char *trim(const char *bytes, size_t *length)
{
    while (*length && is_white(bytes[0])) {
        bytes++;
        --*length;
    }
    while (*length && is_white(bytes[*length - 1]))
        --*length;
    return bytes;
}

/* The place behind the quote that closes the one at `at`, or 0 where none does. */
static size_t behind_quotes(const char *bytes, size_t length, size_t at)
{
    for (size_t i = at + 1; i < length; i++) {
        if (bytes[i] == '"')
            return i + 1;
        if (bytes[i] == '\\' && i + 1 < length)
            i++;
    }
    return 0;
}

/* The length of a line up to its comment. A quote that is not closed is an ordinary character, and so
 * are all behind it. */
static size_t without_comment(const char *bytes, size_t length)
{
    bool open = false;
    size_t i = 0, behind;

    while (i < length) {
        if ((bytes[i] == ';' || bytes[i] == '#') && (i == 0 || is_white(bytes[i - 1])))
            return i;
        if (bytes[i] == '"' && !open) {
            behind = behind_quotes(bytes, length, i);
            if (behind) {
                i = behind;
                continue;
            }
            open = true;
        }
        i++;
    }
    return length;
}

static char *copy(const char *bytes, size_t length)
{
    char *string = malloc(length + 1);

    if (string) {
        memcpy(string, bytes, length);
        string[length] = 0;
    }
    return string;
}

/* Makes room for one more in an array that grows by doubling: its room is the power of two that is
 * not below `count`. */
static bool grow(void *array, size_t count, size_t size)
{
    void *items;

    if (count & (count - 1))
        return true;
    /* The pointer is of any type: its bytes are copied, not read as another type's. */
    memcpy(&items, array, sizeof(items));
    /* cppcheck-suppress memleakOnRealloc ; without room the array still has it */
    items = realloc(items, (count ? 2 * count : 1) * size);
    if (!items)
        return false;
    memcpy(array, &items, sizeof(items));
    return true;
}

/* ---- sections and entries -------------------------------------------------------------------- */

static void entry_finish(struct ini_entry *entry)
{
    free(entry->key);
    free(entry->value);
    free(entry->places);
}

void ini_section_destroy(struct ini_section *section)
{
    if (!section)
        return;
    for (size_t i = 0; i < section->count; i++)
        entry_finish(&section->entries[i]);
    free(section->entries);
    free(section->kind);
    free(section->name);
    free(section);
}

void ini_finish(struct ini *ini)
{
    for (size_t i = 0; i < ini->count; i++)
        ini_section_destroy(ini->sections[i]);
    free(ini->sections);
    free(ini->file);
    *ini = (struct ini){0};
}

/* Whether two names of sections are the same; NULL is none. */
static bool same_name(const char *one, const char *other)
{
    return one && other ? !strcmp(one, other) : one == other;
}

static struct ini_section *find_section(const struct ini *ini, const char *kind, const char *name)
{
    for (size_t i = 0; i < ini->count; i++) {
        struct ini_section *section = ini->sections[i];

        if (!strcmp(section->kind, kind) && same_name(section->name, name))
            return section;
    }
    return NULL;
}

static struct ini_entry *find_entry(const struct ini_section *section, const char *key)
{
    for (size_t i = 0; section && i < section->count; i++)
        if (!strcmp(section->entries[i].key, key))
            return &section->entries[i];
    return NULL;
}

struct ini_section *ini_section(const struct ini *ini, const char *kind, const char *name)
{
    struct ini_section *section = find_section(ini, kind, name);

    if (section)
        section->used = true;
    return section;
}

struct ini_entry *ini_entry(const struct ini_section *section, const char *key)
{
    struct ini_entry *entry = find_entry(section, key);

    if (entry)
        entry->used = true;
    return entry;
}

static struct ini_section *add_section(struct ini *ini, const char *kind, const char *name,
                                       uint32_t line)
{
    struct ini_section *section = calloc(1, sizeof(*section));

    if (!section)
        return NULL;
    section->line = line;
    section->file = ini->file ? ini->file : "";
    section->kind = strdup(kind);
    section->name = name ? strdup(name) : NULL;
    if (!section->kind || (name && !section->name) ||
        !grow(&ini->sections, ini->count, sizeof(*ini->sections))) {
        ini_section_destroy(section);
        return NULL;
    }
    ini->sections[ini->count++] = section;
    return section;
}

/* The new entry has no value yet: whoever adds it sets one or removes it. */
static struct ini_entry *add_entry(struct ini_section *section, const char *key, size_t length)
{
    char *owned = copy(key, length);

    if (!owned || !grow(&section->entries, section->count, sizeof(*section->entries))) {
        free(owned);
        return NULL;
    }
    section->entries[section->count] = (struct ini_entry){.key = owned};
    return &section->entries[section->count++];
}

struct ini_title ini_title(const struct ini_section *section)
{
    struct ini_title title;

    snprintf(title.text, sizeof(title.text), "%s%s%s", section->kind, section->name ? " " : "",
             section->name ? section->name : "");
    return title;
}

const char *ini_where(const struct ini_section *section, const struct ini_entry *entry,
                      uint32_t line, char *buffer, size_t size)
{
    if (!section)
        snprintf(buffer, size, "%s", "");
    else if (section->given)
        snprintf(buffer, size, "%s", section->file);
    else if (entry ? entry->overridden || !entry->lines : section->line == 0)
        snprintf(buffer, size, "-s");
    else if (!entry)
        snprintf(buffer, size, "%s:%u", section->file, (unsigned int)section->line);
    else {
        size_t at = line == 0 ? 0 : line > entry->lines ? entry->lines - 1 : line - 1;

        snprintf(buffer, size, "%s:%u", section->file, (unsigned int)entry->places[at].line);
    }
    return buffer;
}

/* ---- what is said of the line that is read --------------------------------------------------- */

VTS_PRINTF(4, 5)
static void problem(struct reader *reader, size_t column, const char *key, const char *format, ...)
{
    char where[4200], message[512];
    struct ini_title title = {""};
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (reader->quiet)
        return;
    if (column)
        snprintf(where, sizeof(where), "%s:%u:%zu", reader->ini->file, (unsigned int)reader->line,
                 column);
    else
        snprintf(where, sizeof(where), "%s:%u", reader->ini->file, (unsigned int)reader->line);
    if (reader->section)
        title = ini_title(reader->section);
    problems_add(reader->problems, where, *title.text ? title.text : NULL, key, "%s", message);
}

/* ---- headings -------------------------------------------------------------------------------- */

struct heading {
    char kind[INI_KEY_MAX + 1], name[INI_NAME_MAX + 1];
};

/* Splits what stands between the brackets. Returns what is wrong with it, or NULL. */
static const char *split_heading(const char *bytes, size_t length, struct heading *heading)
{
    size_t kind = 0, name;
    const char *rest;

    bytes = trim(bytes, &length);
    if (!length)
        return "a heading without a word in it; write [server] or [behaviour NAME]";
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)bytes[i] < 0x20 && bytes[i] != '\t') || bytes[i] == 0x7f ||
            bytes[i] == '[' || bytes[i] == ']')
            return "a bracket or a control character in a section's name";
    while (kind < length && !is_white(bytes[kind]))
        kind++;
    name = length - kind;
    rest = trim(bytes + kind, &name);
    if (kind > INI_KEY_MAX || name > INI_NAME_MAX)
        return "a heading that is too long: a section's name has 255 bytes at most";
    snprintf(heading->kind, sizeof(heading->kind), "%.*s", (int)kind, bytes);
    snprintf(heading->name, sizeof(heading->name), "%.*s", (int)name, rest);
    return NULL;
}

static void open_section(struct reader *reader, const struct heading *heading)
{
    const char *name = *heading->name ? heading->name : NULL;

    reader->section = find_section(reader->ini, heading->kind, name);
    reader->old_entries = 0;
    if (reader->section) {
        reader->old_entries = reader->section->count;
        problem(reader, 0, NULL, "this section is given twice; the first one is at line %u",
                (unsigned int)reader->section->line);
        return;
    }
    reader->section = add_section(reader->ini, heading->kind, name, reader->line);
    if (!reader->section)
        reader->failed = true;
}

/* A line that starts with a bracket. One that is not closed is taken as if it were, so that what
 * follows is read into the section that was meant. */
static void read_heading(struct reader *reader, const char *bytes, size_t length)
{
    const char *end = memchr(bytes, ']', length), *wrong;
    size_t inside = end ? (size_t)(end - bytes) - 1 : length - 1;
    struct heading heading;

    reader->section = NULL;
    reader->entry = NULL;
    reader->swallow = reader->lost = false;
    if (!end)
        problem(reader, 0, NULL, "%s has no \"]\" at its end", problems_quote(bytes, length).text);
    else if ((size_t)(end - bytes) + 1 < length)
        problem(reader, (size_t)(end - bytes) + 2, NULL,
                "there is text behind the \"]\"; a heading stands alone on its line");
    wrong = split_heading(bytes + 1, inside, &heading);
    if (wrong) {
        problem(reader, 0, NULL, "%s", wrong);
        reader->lost = reader->swallow = true;
        return;
    }
    open_section(reader, &heading);
}

/* ---- keys and values ------------------------------------------------------------------------- */

/* Ends the value that was being read. */
static void close_value(struct reader *reader)
{
    struct ini_entry *entry = reader->entry;

    if (!entry)
        return;
    entry->value = text_take(&reader->value);
    if (!entry->value) {
        reader->failed = true;
        entry_finish(entry);
        reader->section->count--; /* it is the last one */
    }
    reader->entry = NULL;
}

/* Adds a line to the value that is being read. */
static void add_line(struct reader *reader, const char *bytes, size_t length, size_t column)
{
    struct ini_entry *entry = reader->entry;

    if (entry->lines && !reader->value.length)
        entry->lines = 0; /* the first line was empty: the value begins here */
    if (!grow(&entry->places, entry->lines, sizeof(*entry->places))) {
        reader->failed = true;
        return;
    }
    if (entry->lines)
        text_puts(&reader->value, "\n");
    text_add(&reader->value, bytes, length);
    entry->places[entry->lines++] = (struct ini_place){reader->line, (uint32_t)column};
}

/* A line that starts with white space. `line` is the whole of it, for columns. */
static void read_continuation(struct reader *reader, const char *line, const char *bytes,
                              size_t length)
{
    if (reader->swallow)
        return;
    if (!reader->entry) {
        problem(reader, 0, NULL,
                "this line starts with white space, but there is no value above that it could "
                "continue; a key stands at the start of its line");
        return;
    }
    add_line(reader, bytes, length, (size_t)(bytes - line) + 1);
}

/* Whether a key can be one; says what is wrong with it. */
static bool check_key(struct reader *reader, const char *key, size_t length)
{
    if (!length) {
        problem(reader, 0, NULL, "there is no key before the \"=\"; write key = value");
        return false;
    }
    for (size_t i = 0; i < length; i++)
        if (!is_key_byte(key[i])) {
            problem(reader, i + 1, NULL, "%s is no key; a key is one word of letters, digits and _",
                    problems_quote(key, length).text);
            return false;
        }
    if (length > INI_KEY_MAX) {
        problem(reader, 0, NULL, "%s is no key; a key has %d bytes at most",
                problems_quote(key, length).text, INI_KEY_MAX);
        return false;
    }
    return true;
}

/* Whether the key stands in the section already; says so, but not for each key of a section that is
 * itself given twice. */
static bool is_repeated(struct reader *reader, const char *key)
{
    struct ini_entry *old = find_entry(reader->section, key);

    if (!old)
        return false;
    if ((size_t)(old - reader->section->entries) >= reader->old_entries)
        problem(reader, 0, key, "given twice; the first one is at line %u",
                (unsigned int)old->places[0].line);
    return true;
}

static void read_key(struct reader *reader, const char *bytes, size_t length)
{
    const char *equals = memchr(bytes, '=', length), *value;
    size_t key_length = equals ? (size_t)(equals - bytes) : length, value_length;
    char key[INI_KEY_MAX + 1];

    reader->swallow = true;
    if (!reader->section) {
        if (!reader->lost)
            problem(reader, 0, NULL,
                    "%s stands in no section; write a heading such as [server] above",
                    problems_quote(bytes, length).text);
        reader->lost = true;
        return;
    }
    if (!equals) {
        problem(reader, 0, NULL, "%s has no \"=\"; write key = value",
                problems_quote(bytes, length).text);
        return;
    }
    value = equals + 1;
    value_length = length - key_length - 1;
    trim(bytes, &key_length);
    if (!check_key(reader, bytes, key_length))
        return;
    snprintf(key, sizeof(key), "%.*s", (int)key_length, bytes);
    if (is_repeated(reader, key))
        return;
    reader->entry = add_entry(reader->section, bytes, key_length);
    if (!reader->entry) {
        reader->failed = true;
        return;
    }
    reader->swallow = false;
    value = trim(value, &value_length);
    add_line(reader, value, value_length, (size_t)(value - bytes) + 1);
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* The length of the line up to a byte that cannot stand in a text; says which. */
static size_t check_bytes(struct reader *reader, const char *bytes, size_t length)
{
    size_t good = text_valid_utf8(bytes, length);
    const char *nul = memchr(bytes, 0, good), *cr;

    if (nul)
        good = (size_t)(nul - bytes);
    cr = memchr(bytes, '\r', good);
    if (cr)
        problem(reader, (size_t)(cr - bytes) + 1, NULL,
                "a carriage return within a line; lines end with LF or CRLF");
    else if (nul)
        problem(reader, good + 1, NULL, "a NUL byte");
    else if (good < length)
        problem(reader, good + 1, NULL, "the byte \\x%02x is no UTF-8; save the file as UTF-8",
                (unsigned int)(unsigned char)bytes[good]);
    return cr ? (size_t)(cr - bytes) : good;
}

/* One line, without its end. A damaged one is read up to the damage without a further word, so that
 * its key is known and not missed. */
static void read_line(struct reader *reader, const char *bytes, size_t length)
{
    const char *line = bytes;
    size_t good = check_bytes(reader, bytes, length);

    reader->quiet = good < length;
    length = good;
    bytes = trim(bytes, &length);
    length = without_comment(bytes, length);
    bytes = trim(bytes, &length);
    if (!length) {
        if (reader->quiet && reader->entry)
            reader->entry->damaged = true;
    } else if (bytes > line) {
        read_continuation(reader, line, bytes, length);
    } else {
        close_value(reader);
        if (bytes[0] == '[')
            read_heading(reader, bytes, length);
        else
            read_key(reader, bytes, length);
    }
    if (reader->quiet && length && reader->entry)
        reader->entry->damaged = true;
    reader->quiet = false;
}

static void read_lines(struct reader *reader, const char *text, size_t length)
{
    size_t before = reader->problems->count, at = 0;

    while (at < length && !reader->failed) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t size = end ? (size_t)(end - text) - at : length - at, next = at + size + 1;

        if (reader->problems->count - before >= PROBLEMS_MAX) {
            problems_add(reader->problems, reader->ini->file, NULL, NULL,
                         "too many problems; the file is not read beyond line %u",
                         (unsigned int)reader->line);
            break;
        }
        reader->line++;
        if (size && text[at + size - 1] == '\r')
            size--;
        read_line(reader, text + at, size);
        if (reader->value.failed)
            reader->failed = true;
        at = next;
    }
    close_value(reader);
}

bool ini_read(struct ini *ini, const char *file, const char *text, size_t length,
              struct problems *problems)
{
    struct reader reader = {.ini = ini, .problems = problems, .value = TEXT_INIT};
    size_t before = problems->count;

    *ini = (struct ini){.file = strdup(file)};
    if (length >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2))) {
        problems_add(problems, file, NULL, NULL, "this is UTF-16; save the file as UTF-8");
        return false;
    }
    if (length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        length -= 3;
    }
    if (ini->file)
        read_lines(&reader, text, length);
    if (!ini->file || reader.failed)
        problems_add(problems, file, NULL, NULL, "not enough memory");
    return problems->count == before;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Reads all of it, one byte beyond the limit at most. Sets errno where it returns false. */
static bool read_all(int descriptor, struct text *text)
{
    while (text->length <= INI_FILE_MAX) {
        size_t room = INI_FILE_MAX + 1 - text->length;
        ssize_t got;

        if (room > 65536)
            room = 65536;
        if (!text_reserve(text, room)) {
            errno = ENOMEM;
            return false;
        }
        got = read(descriptor, text->bytes + text->length, room);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        text->length += (size_t)got;
    }
    return true;
}

bool ini_read_file(struct ini *ini, const char *path, struct problems *problems)
{
    bool input = !strcmp(path, "-"), ok = false;
    const char *file = input ? "<stdin>" : path;
    int descriptor = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct text text = TEXT_INIT;
    struct stat status;

    *ini = (struct ini){0};
    if (descriptor < 0) {
        problems_add(problems, file, NULL, NULL, "cannot open it: %s", strerror(errno));
        goto out;
    }
    if (fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
        problems_add(problems, file, NULL, NULL, "this is a folder; name a file in it");
        goto out;
    }
    if (!read_all(descriptor, &text)) {
        problems_add(problems, file, NULL, NULL, "cannot read it: %s", strerror(errno));
        goto out;
    }
    if (text.length > INI_FILE_MAX) {
        problems_add(problems, file, NULL, NULL, "has more than 16 MiB; that is no INI file");
        goto out;
    }
    ok = ini_read(ini, file, text.length ? text.bytes : "", text.length, problems);
out:
    if (descriptor >= 0 && !input)
        close(descriptor);
    text_finish(&text);
    return ok;
}

/* ---- the command line ------------------------------------------------------------------------ */

struct assignment {
    struct heading heading;
    char key[INI_KEY_MAX + 1];
    const char *value;
};

/* SECTION/KEY=VALUE. A section's name may hold a `/` or a `=`, so the `=` is looked for that has a `/`
 * and a key before it. Returns what is wrong, or NULL. */
static const char *split_assignment(const char *text, struct assignment *assignment)
{
    const char *slash, *end;
    size_t length;

    for (const char *equals = strchr(text, '='); equals; equals = strchr(equals + 1, '=')) {
        slash = memrchr(text, '/', (size_t)(equals - text));
        if (!slash)
            continue;
        length = (size_t)(equals - slash) - 1;
        end = trim(slash + 1, &length) + length;
        for (size_t i = 1; i <= length; i++)
            if (!is_key_byte(end[-(ptrdiff_t)i]))
                length = 0;
        if (!length || length > INI_KEY_MAX)
            continue;
        snprintf(assignment->key, sizeof(assignment->key), "%.*s", (int)length, end - length);
        assignment->value = equals + 1;
        return split_heading(text, (size_t)(slash - text), &assignment->heading);
    }
    return "is no setting; write SECTION/KEY=VALUE, such as server/workers=2";
}

/* The lines of a value as a file's would be: without indentation, none of them empty. `places`, where it is
 * not NULL, has room for all lines there are, and gets where each began. */
static char *clean_value(const char *value, size_t *lines, struct ini_place *places)
{
    struct text text = TEXT_INIT;
    uint32_t number = 0;

    *lines = 1;
    if (places)
        places[0] = (struct ini_place){1, 1};
    while (*value) {
        size_t size = strcspn(value, "\n"), length = size;
        const char *line = trim(value, &length);

        number++;
        if (length && text.length) {
            text_puts(&text, "\n");
            ++*lines;
        }
        if (length && places)
            places[*lines - 1] = (struct ini_place){number, (uint32_t)(line - value) + 1};
        text_add(&text, line, length);
        value += size + (value[size] == '\n');
    }
    return text_take(&text);
}

/* The entry of this key, made where there is none, with the section. */
static struct ini_entry *make_entry(struct ini *ini, const char *kind, const char *name,
                                    const char *key, bool given)
{
    struct ini_section *section = find_section(ini, kind, name);
    struct ini_entry *entry;

    if (!section) {
        section = add_section(ini, kind, name, 0);
        if (section)
            section->given = given;
    }
    entry = section ? find_entry(section, key) : NULL;
    if (section && !entry)
        entry = add_entry(section, key, strlen(key));
    return entry;
}

/* Takes the value over, and the places. */
static bool set_entry(struct ini_entry *entry, char *value, size_t lines, struct ini_place *places)
{
    if (!entry || !value) {
        free(value);
        free(places);
        return false;
    }
    free(entry->value);
    free(entry->places);
    entry->value = value;
    entry->places = places;
    entry->lines = lines;
    entry->overridden = true;
    entry->damaged = false;
    return true;
}

static bool set_value(struct ini *ini, const struct assignment *assignment)
{
    const char *name = *assignment->heading.name ? assignment->heading.name : NULL;
    size_t lines;
    char *value = clean_value(assignment->value, &lines, NULL);

    if (!value)
        return false;
    return set_entry(make_entry(ini, assignment->heading.kind, name, assignment->key, false), value,
                     lines, NULL);
}

static size_t count_lines(const char *value)
{
    size_t lines = 1;

    while ((value = strchr(value, '\n'))) {
        value++;
        lines++;
    }
    return lines;
}

bool ini_put(struct ini *ini, const char *kind, const char *name, const char *key,
             const char *value)
{
    struct ini_place *places = calloc(count_lines(value), sizeof(*places));
    size_t lines = 1;
    char *clean = places ? clean_value(value, &lines, places) : NULL;

    if (!clean) {
        free(places);
        return false;
    }
    return set_entry(make_entry(ini, kind, name, key, true), clean, lines, places);
}

bool ini_set(struct ini *ini, const char *assignment, struct problems *problems)
{
    size_t length = strlen(assignment);
    struct assignment parts;
    const char *wrong = text_valid_utf8(assignment, length) < length
                            ? "is no UTF-8"
                            : split_assignment(assignment, &parts);

    if (wrong) {
        problems_add(problems, "-s", NULL, NULL, "%s: %s", problems_quote(assignment, length).text,
                     wrong);
        return false;
    }
    if (!set_value(ini, &parts)) {
        problems_add(problems, "-s", NULL, NULL, "not enough memory");
        return false;
    }
    return true;
}
