/* SPDX-License-Identifier: MIT
 *
 * `vtsim new-behaviour`: what it writes, and what it refuses without leaving anything behind. That what it
 * writes can be built, tested and served is tested in tests/install. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "run.h"

#define VTSIM VTSIM_BUILD_DIR "/bin/vtsim"

static char folder[FOLDER_ROOM];

/* Each test works in an empty folder. */
static int setup(void **state)
{
    (void)state;
    folder_make(folder);
    return chdir(folder);
}

static int teardown(void **state)
{
    (void)state;
    if (chdir("/") != 0)
        return 1;
    folder_remove(folder);
    return 0;
}

static void run(const char *name, const char *where, struct run_result *result)
{
    const char *const argv[] = {VTSIM, "new-behaviour", name, where, NULL};

    run_command(argv, result);
}

/* The names in a folder, each with a space behind it, in their order. */
static void names_in(const char *path, char *out, size_t size)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort), i;
    size_t length = 0;

    assert_true(count >= 0);
    for (i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.')
            length += (size_t)snprintf(out + length, size - length, "%s ", entries[i]->d_name);
        free(entries[i]);
    }
    free((void *)entries);
    if (length == 0)
        *out = '\0';
}

static void assert_names(const char *path, const char *wanted)
{
    char names[1000];

    names_in(path, names, sizeof(names));
    assert_string_equal(names, wanted);
}

static char *text_of(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 20000);
    size_t length;

    assert_non_null(file);
    assert_non_null(text);
    length = fread(text, 1, 19999, file);
    assert_in_range(length, 100, 19998);
    fclose(file);
    return text;
}

/* ---- what it writes ---- */

static void it_writes_five_files(void **state)
{
    static const char *const files[] = {"moon/moon.c", "moon/test_moon.c", "moon/moon.ini",
                                        "moon/README.md", "moon/CMakeLists.txt"};
    struct run_result result;
    char wanted[4096], *text;
    size_t i;

    (void)state;
    run("moon", NULL, &result);
    snprintf(wanted, sizeof(wanted),
             "The behaviour moon and its test are in moon. Build and test it:\n"
             "\n"
             "    cd 'moon'\n"
             "    cmake -B build -DCMAKE_PREFIX_PATH='%s' && cmake --build build && ctest "
             "--test-dir build\n"
             "\n"
             "README.md there says how to go on.\n",
             VTSIM_BUILD_DIR);
    assert_string_equal(result.err, "");
    assert_string_equal(result.out, wanted);
    assert_int_equal(result.status, 0);
    run_result_finish(&result);
    assert_names(".", "moon ");
    assert_names("moon", "CMakeLists.txt README.md moon.c moon.ini test_moon.c ");
    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        text = text_of(files[i]);
        assert_non_null(strstr(text, "moon"));
        assert_null(strstr(text, "my_behaviour"));
        assert_null(strstr(text, "SPDX"));
        free(text);
    }
}

static void it_is_the_template_but_for_the_name(void **state)
{
    struct run_result result;
    char *text, *at;

    (void)state;
    run("m", NULL, &result);
    assert_int_equal(result.status, 0);
    run_result_finish(&result);
    text = text_of("m/m.c");
    assert_memory_equal(text, "/* m: a job takes the time that is drawn for it, and a share", 60);
    assert_non_null(strstr(text, "\nVTS_PLUGIN(m, .summary"));
    free(text);
    text = text_of("m/CMakeLists.txt");
    for (at = text; (at = strstr(at, "test_m ")); at++)
        assert_true(at[-1] == '(' || at[-1] == ' ');
    assert_non_null(strstr(text, "add_executable(test_m test_m.c m.c)\n"));
    free(text);
    text = text_of("m/m.ini");
    assert_non_null(strstr(text, "\n[behaviour m]\n"));
    free(text);
}

/* Lines that are neither blank nor comment. The template's comments are all of the old kind, and no
 * string of it has one inside. */
static int lines_of_code(const char *text)
{
    bool comment = false, code = false;
    int lines = 0;

    for (; *text; text++) {
        if (!comment && text[0] == '/' && text[1] == '*')
            comment = true;
        if (!comment && !strchr(" \t\n", *text))
            code = true;
        if (comment && text[0] == '*' && text[1] == '/') {
            comment = false;
            text++;
        }
        if (*text == '\n') {
            lines += code;
            code = false;
        }
    }
    return lines;
}

static void the_behaviour_is_short(void **state)
{
    struct run_result result;
    char *text;
    int lines;

    (void)state;
    assert_int_equal(lines_of_code("/* a\n * b */\n\nint a; /* c */\n  \n/* d */ int b;\n"), 2);
    run("moon", NULL, &result);
    run_result_finish(&result);
    text = text_of("moon/moon.c");
    lines = lines_of_code(text);
    free(text);
    assert_in_range(lines, 10, 30);
    print_message("%d lines of code\n", lines);
}

static void into_a_folder_that_is_named(void **state)
{
    struct run_result result;

    (void)state;
    run("moon", "some where", &result);
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.out, "    cd 'some where'\n"));
    run_result_finish(&result);
    assert_names("some where", "CMakeLists.txt README.md moon.c moon.ini test_moon.c ");
    assert_int_equal(mkdir("empty", 0700), 0);
    run("sun", "empty", &result);
    assert_int_equal(result.status, 0);
    run_result_finish(&result);
    assert_names("empty", "CMakeLists.txt README.md sun.c sun.ini test_sun.c ");
    assert_int_equal(mkdir("here", 0700), 0);
    assert_int_equal(chdir("here"), 0);
    run("star", ".", &result);
    assert_int_equal(result.status, 0);
    run_result_finish(&result);
    assert_names(".", "CMakeLists.txt README.md star.c star.ini test_star.c ");
}

/* ---- what it refuses ---- */

static void refused(const char *name, const char *where, const char *message)
{
    struct run_result result;
    char line[4096];

    run(name, where, &result);
    snprintf(line, sizeof(line), "vtsim: new-behaviour: %s\n", message);
    assert_string_equal(result.err, line);
    assert_string_equal(result.out, "");
    assert_int_equal(result.status, 2);
    run_result_finish(&result);
}

#define NO_NAME(name)                                                                              \
    refused((name), NULL,                                                                          \
            "\"" name                                                                              \
            "\" is no name for a behaviour: right is a C identifier, of letters, digits "          \
            "and underscores, with no digit in front")

static void names_that_are_none(void **state)
{
    char name[66], message[200];

    (void)state;
    NO_NAME("");
    NO_NAME("2moons");
    NO_NAME("full-moon");
    NO_NAME("full moon");
    NO_NAME("../moon");
    NO_NAME("moon.so");
    NO_NAME("m\xC3\xB6nd");
    refused("int", NULL, "\"int\" is a keyword of C; choose another name");
    refused("while", NULL, "\"while\" is a keyword of C; choose another name");
    refused("_Atomic", NULL, "\"_Atomic\" is a keyword of C; choose another name");
    memset(name, 'a', 65);
    name[65] = '\0';
    snprintf(message, sizeof(message), "\"%s\" has 65 bytes; 64 are the most", name);
    refused(name, NULL, message);
    refused("fixed_delay", NULL,
            "there is a behaviour \"fixed_delay\" already, in " VTSIM_BUILD_DIR
            "/lib/vtsim/plugins; choose another name");
    assert_names(".", "");
}

static void names_that_are_good(void **state)
{
    static const char *const names[] = {"Int", "_moon", "test", "all", "x9", "README"};
    struct run_result result;
    char name[65];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        run(names[i], NULL, &result);
        assert_int_equal(result.status, 0);
        run_result_finish(&result);
    }
    memset(name, 'a', 64);
    name[64] = '\0';
    run(name, NULL, &result);
    assert_int_equal(result.status, 0);
    run_result_finish(&result);
}

static void folders_that_cannot_be_taken(void **state)
{
    FILE *file;

    (void)state;
    assert_int_equal(mkdir("moon", 0700), 0);
    file = fopen("moon/.hidden", "w");
    assert_non_null(file);
    fclose(file);
    refused("moon", NULL,
            "the folder moon is not empty; name one that is, or that is not there: vtsim "
            "new-behaviour NAME DIR");
    assert_int_equal(access("moon/.hidden", F_OK), 0);
    assert_names("moon", "");
    file = fopen("file", "w");
    assert_non_null(file);
    fclose(file);
    refused("moon", "file", "file is there, and cannot be opened as a folder: Not a directory");
    refused("moon", "no/where", "the folder no/where cannot be made: No such file or directory");
    refused("moon", "", "the folder  cannot be made: No such file or directory");
    assert_names(".", "file moon ");
}

/* A file that may not grow is one that cannot be written. */
static void nothing_half_written_is_left(void **state)
{
    const char *const argv[] = {
        "/bin/sh", "-c", "ulimit -f 0; trap '' XFSZ; exec " VTSIM " new-behaviour moon", NULL};
    struct run_result result;

    (void)state;
    run_command(argv, &result);
    assert_string_equal(result.err, "vtsim: new-behaviour: moon/moon.c cannot be written: File too "
                                    "large\n");
    assert_int_equal(result.status, 2);
    run_result_finish(&result);
    assert_names(".", "");
    /* A folder that was there stays, empty as it was. */
    assert_int_equal(mkdir("moon", 0700), 0);
    run_command(argv, &result);
    assert_int_equal(result.status, 2);
    run_result_finish(&result);
    assert_names(".", "moon ");
    assert_names("moon", "");
}

static void usage_errors_help(void **state)
{
    static const struct {
        const char *words[6];
        const char *message;
    } cases[] = {
        {{"new-behaviour"}, "new-behaviour: which name? right is vtsim new-behaviour NAME [DIR]"},
        {{"new-behaviour", "a", "b", "c"}, "new-behaviour: \"c\" is too much"},
        {{"new-behaviour", "a", "-u", "http://127.0.0.1:1"},
         "new-behaviour: --url is for commands that ask a server"},
        {{"new-behaviour", "a", "--json"},
         "new-behaviour: --json is for commands that ask a server"},
        {{"new-behaviour", "a", "-t", "1s"},
         "new-behaviour: --timeout is for commands that ask for jobs"},
        {{"new-behaviour", "a", "--request-timeout=1s"},
         "new-behaviour: --request-timeout is for commands that ask a server"},
        {{"new-behaviour", "a", "--jitter=1"},
         "new-behaviour: --jitter is for wait, run and resume"},
    };
    struct run_result result;
    char line[300];
    size_t i, word;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *argv[8] = {VTSIM};

        for (word = 0; cases[i].words[word]; word++)
            argv[word + 1] = cases[i].words[word];
        run_command(argv, &result);
        snprintf(line, sizeof(line), "vtsim: %s; try vtsim --help\n", cases[i].message);
        assert_string_equal(result.err, line);
        assert_int_equal(result.status, 2);
        run_result_finish(&result);
    }
    assert_names(".", "");
}

static void the_help_tells_of_it(void **state)
{
    static const char *const argv[] = {VTSIM, "new-behaviour", "--help", NULL};
    static const char *const plain[] = {VTSIM, "--help", NULL};
    struct run_result result;

    (void)state;
    run_command(argv, &result);
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.out, "\n  new-behaviour NAME [DIR]\n"));
    run_result_finish(&result);
    run_command(plain, &result);
    assert_non_null(strstr(result.out, "\n  new-behaviour NAME [DIR]\n"));
    run_result_finish(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_writes_five_files, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_the_template_but_for_the_name, setup, teardown),
        cmocka_unit_test_setup_teardown(the_behaviour_is_short, setup, teardown),
        cmocka_unit_test_setup_teardown(into_a_folder_that_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(names_that_are_none, setup, teardown),
        cmocka_unit_test_setup_teardown(names_that_are_good, setup, teardown),
        cmocka_unit_test_setup_teardown(folders_that_cannot_be_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_half_written_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(usage_errors_help, setup, teardown),
        cmocka_unit_test_setup_teardown(the_help_tells_of_it, setup, teardown),
    };

    return cmocka_run_group_tests_name("vtsim new-behaviour", tests, NULL, NULL);
}
