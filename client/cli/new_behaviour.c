/* SPDX-License-Identifier: MIT
 *
 * Writes the template as a project of another name. See new_behaviour.h. */
#include "new_behaviour.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arguments.h"
#include "output.h"
#include "templates.h"

/* As long as the names that vtsimd loads. */
#define NAME_LENGTH_MAX 64

/* Lines of the template that are its own, not those of who makes a project of it. */
#define OWN_LINE "SPDX-License-Identifier"

/* ---- the name ---- */

static bool is_keyword(const char *name)
{
    /* Of C11, and what C23 adds. */
    static const char *const keywords[] = {"alignas",
                                           "alignof",
                                           "auto",
                                           "bool",
                                           "break",
                                           "case",
                                           "char",
                                           "const",
                                           "constexpr",
                                           "continue",
                                           "default",
                                           "do",
                                           "double",
                                           "else",
                                           "enum",
                                           "extern",
                                           "false",
                                           "float",
                                           "for",
                                           "goto",
                                           "if",
                                           "inline",
                                           "int",
                                           "long",
                                           "nullptr",
                                           "register",
                                           "restrict",
                                           "return",
                                           "short",
                                           "signed",
                                           "sizeof",
                                           "static",
                                           "static_assert",
                                           "struct",
                                           "switch",
                                           "thread_local",
                                           "true",
                                           "typedef",
                                           "typeof",
                                           "typeof_unqual",
                                           "union",
                                           "unsigned",
                                           "void",
                                           "volatile",
                                           "while",
                                           "_Alignas",
                                           "_Alignof",
                                           "_Atomic",
                                           "_BitInt",
                                           "_Bool",
                                           "_Complex",
                                           "_Decimal128",
                                           "_Decimal32",
                                           "_Decimal64",
                                           "_Generic",
                                           "_Imaginary",
                                           "_Noreturn",
                                           "_Static_assert",
                                           "_Thread_local"};

    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        if (strcmp(keywords[i], name) == 0)
            return true;
    }
    return false;
}

static bool is_identifier(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

    return *name && !(*name >= '0' && *name <= '9') && name[strspn(name, letters)] == '\0';
}

/* A place of this installation, which is known from that of this program. */
static bool installed(const char *from_bin, char *path)
{
    char self[PATH_MAX], place[2 * PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (length <= 0)
        return false;
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    snprintf(place, sizeof(place), "%s/%s", self, from_bin);
    return realpath(place, path) != NULL;
}

static bool is_taken(const char *name, char *folder)
{
    char file[PATH_MAX + NAME_LENGTH_MAX + 8];

    if (!installed(VTSIM_PLUGIN_DIR_FROM_BIN, folder))
        return false;
    snprintf(file, sizeof(file), "%s/%s.so", folder, name);
    return access(file, F_OK) == 0;
}

static bool check_name(const char *name)
{
    char folder[PATH_MAX];

    if (!is_identifier(name))
        output_error(
            "new-behaviour: \"%s\" is no name for a behaviour: right is a C identifier, of "
            "letters, digits and underscores, with no digit in front",
            name);
    else if (strlen(name) > NAME_LENGTH_MAX)
        output_error("new-behaviour: \"%s\" has %zu bytes; %d are the most", name, strlen(name),
                     NAME_LENGTH_MAX);
    else if (is_keyword(name))
        output_error("new-behaviour: \"%s\" is a keyword of C; choose another name", name);
    else if (is_taken(name, folder))
        output_error(
            "new-behaviour: there is a behaviour \"%s\" already, in %s; choose another name", name,
            folder);
    else
        return true;
    return false;
}

/* ---- the folder ---- */

static bool is_empty(DIR *open)
{
    const struct dirent *entry;

    // cppcheck-suppress readdirCalled ; readdir_r is obsolete, and this folder is read by one thread
    while ((entry = readdir(open))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return false;
    }
    return true;
}

/* Makes it, or takes an empty one. A descriptor of it; -1 after a line that says why not. */
static int open_folder(const char *folder, bool *made)
{
    DIR *open;
    bool empty;
    int fd;

    *made = mkdir(folder, 0777) == 0;
    if (!*made && errno != EEXIST) {
        output_error("new-behaviour: the folder %s cannot be made: %s", folder, strerror(errno));
        return -1;
    }
    open = opendir(folder);
    if (!open) {
        output_error("new-behaviour: %s is there, and cannot be opened as a folder: %s", folder,
                     strerror(errno));
        return -1;
    }
    empty = is_empty(open);
    fd = empty ? fcntl(dirfd(open), F_DUPFD_CLOEXEC, 0) : -1;
    if (!empty)
        output_error("new-behaviour: the folder %s is not empty; name one that is, or that is not "
                     "there: vtsim new-behaviour NAME DIR",
                     folder);
    else if (fd < 0)
        output_error("new-behaviour: %s: %s", folder, strerror(errno));
    closedir(open);
    return fd;
}

/* ---- the files ---- */

/* The template's text with another name in it. */
static void write_text(FILE *file, const char *text, const char *name)
{
    const char *end, *found;

    for (; *text; text = end) {
        end = strchr(text, '\n');
        end = end ? end + 1 : text + strlen(text);
        found = strstr(text, OWN_LINE);
        if (found && found < end)
            continue;
        while ((found = strstr(text, TEMPLATE_NAME)) && found < end) {
            fprintf(file, "%.*s%s", (int)(found - text), text, name);
            text = found + strlen(TEMPLATE_NAME);
        }
        fprintf(file, "%.*s", (int)(end - text), text);
    }
}

/* The template's file name with another name in it. */
static void file_name(const struct template *template, const char *name, char *out, size_t size)
{
    const char *found = strstr(template->name, TEMPLATE_NAME);

    if (found)
        snprintf(out, size, "%.*s%s%s", (int)(found - template->name), template->name, name,
                 found + strlen(TEMPLATE_NAME));
    else
        snprintf(out, size, "%s", template->name);
}

/* Writes one that is not there. False with errno. */
static bool write_file(int folder, const char *file, const char *text, const char *name)
{
    int fd = openat(folder, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool good;

    if (!out) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    write_text(out, text, name);
    good = !ferror(out);
    return fclose(out) == 0 && good;
}

/* All or none of them. */
static bool write_all(int folder, const char *folder_name, const char *name)
{
    char file[NAME_LENGTH_MAX + 100];
    size_t count;
    int error;

    for (count = 0; templates[count].name; count++) {
        file_name(&templates[count], name, file, sizeof(file));
        if (write_file(folder, file, templates[count].text, name))
            continue;
        error = errno;
        output_error("new-behaviour: %s/%s cannot be written: %s", folder_name, file,
                     strerror(error));
        if (error != EEXIST) /* else it is somebody's who came meanwhile */
            count++;
        while (count-- > 0) {
            file_name(&templates[count], name, file, sizeof(file));
            unlinkat(folder, file, 0);
        }
        return false;
    }
    return true;
}

/* What to do next. An installation that cmake does not find by itself has to be named. */
static void tell_next(const char *name, const char *folder)
{
    char prefix[PATH_MAX], shown[4 * PATH_MAX + 1];
    bool near = !installed(VTSIM_PREFIX_FROM_BIN, prefix) || strcmp(prefix, "/usr") == 0 ||
                strcmp(prefix, "/usr/local") == 0;

    output_escape(shown, sizeof(shown), folder);
    output_print("The behaviour %s and its test are in %s. Build and test it:\n"
                 "\n"
                 "    cd '%s'\n"
                 "    cmake -B build%s%s%s && cmake --build build && ctest --test-dir build\n"
                 "\n"
                 "README.md there says how to go on.\n",
                 name, shown, shown, near ? "" : " -DCMAKE_PREFIX_PATH='", near ? "" : prefix,
                 near ? "" : "'");
}

int new_behaviour(const char *name, const char *folder)
{
    const char *where = folder ? folder : name;
    bool made, good;
    int fd;

    if (!check_name(name))
        return EXIT_USAGE;
    fd = open_folder(where, &made);
    if (fd < 0)
        return EXIT_USAGE;
    good = write_all(fd, where, name);
    close(fd);
    if (good)
        tell_next(name, where);
    else if (made)
        rmdir(where);
    return good ? EXIT_COMPLETED : EXIT_USAGE;
}
