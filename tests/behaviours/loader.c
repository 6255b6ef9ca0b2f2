/* SPDX-License-Identifier: MIT
 *
 * Tests of the loader: the exact message of each way in which a module can be unusable, which module is
 * taken where there are several, and where modules are looked for. The modules are built from
 * tests/fixtures/load. Called with --probe the program tells what an installed one would find. */
#include "behaviours/loader.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

#define MODULES VTSIM_BUILD_DIR "/tests/fixtures/load"
#define GOOD    MODULES "/good"
#define AGAIN   MODULES "/again"
#define BAD     MODULES "/bad"

static char folder[] = "/tmp/vtsim-loader-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

/* A path inside the test's own folder; good until the next call but three. */
static const char *inside(const char *name)
{
    static char paths[4][256];
    static int next;

    next = (next + 1) % 4;
    snprintf(paths[next], sizeof(paths[next]), "%s/%s", folder, name);
    return paths[next];
}

static int remove_folder(void **state)
{
    static const char *const files[] = {
        "text.so",         "empty.so",    "short.so",
        "listed/quick.so", "pipe.so",     "listed/note",
        "listed/text.so",  "bin/program", "lib/vtsim/plugins/quick.so",
        "link.so",         "server.ini"};
    static const char *const folders[] = {"folder.so",         "listed",    "bin",
                                          "lib/vtsim/plugins", "lib/vtsim", "lib"};

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        unlink(inside(files[i]));
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
        rmdir(inside(folders[i]));
    return rmdir(folder);
}

static void write_file(const char *path, const char *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void copy_file(const char *from, const char *to)
{
    char bytes[65536];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    ssize_t got;

    assert_true(in >= 0 && out >= 0);
    while ((got = read(in, bytes, sizeof(bytes))) > 0)
        assert_int_equal(write(out, bytes, (size_t)got), got);
    assert_int_equal(got, 0);
    close(in);
    assert_int_equal(close(out), 0);
}

/* ---- one file ---- */

static void assert_unusable(const char *path, const char *format, ...)
{
    struct vts_error error = {0};
    char wanted[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(wanted, sizeof(wanted), format, args);
    va_end(args);
    assert_null(plugin_load_file(path, &error));
    assert_int_equal(error.code, VTS_ERR_LOAD);
    assert_string_equal(error.message, wanted);
}

static void a_good_module(void **state)
{
    struct vts_error error = {0};
    const struct vts_plugin *plugin = plugin_load_file(GOOD "/quick.so", &error);

    (void)state;
    if (!plugin)
        fail_msg("%s", error.message);
    assert_string_equal(plugin->name, "quick");
    assert_string_equal(plugin->summary, "the first");
    assert_ptr_equal(plugin_load_file(GOOD "/quick.so", &error), plugin);
    /* another file of that name is another module */
    plugin = plugin_load_file(AGAIN "/quick.so", &error);
    assert_non_null(plugin);
    assert_string_equal(plugin->summary, "the second");
}

/* What a later header of the same ABI has put behind the record is not looked at. */
static void a_record_that_has_grown(void **state)
{
    struct vts_error error = {0};
    const struct vts_plugin *plugin = plugin_load_file(GOOD "/grown.so", &error);

    (void)state;
    if (!plugin)
        fail_msg("%s", error.message);
    assert_string_equal(plugin->name, "grown");
    assert_true(plugin->size > sizeof(*plugin));
}

static void files_that_are_no_modules(void **state)
{
    const char *path = inside("text.so");

    (void)state;
    assert_unusable(inside("absent.so"), "%s cannot be read: No such file or directory",
                    inside("absent.so"));
    write_file(path, "#!/bin/sh\n", 10);
    assert_unusable(path, "%s is not a module: it is no ELF file", path);
    path = inside("empty.so");
    write_file(path, "", 0);
    assert_unusable(path, "%s is not a module: it is no ELF file", path);
    path = inside("folder.so");
    assert_int_equal(mkdir(path, 0755), 0);
    assert_unusable(path, "%s is not a module: it is no ELF file", path);
    path = inside("pipe.so"); /* nobody writes to it, and nobody waits for that */
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_unusable(path, "%s is not a module: it is no ELF file", path);
    path = inside("short.so");
    write_file(path, "\177ELF", 4);
    assert_unusable(path, "%s cannot be loaded: %s: file too short", path, path);
}

static void names_that_no_plugin_has(void **state)
{
    static const char *const names[] = {"bad-name.so", "quick", "quick.so.1", ".so", "1st.so",
                                        "a b.so",      ""};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char path[512];

        snprintf(path, sizeof(path), "%s/%s", BAD, names[i]);
        assert_unusable(
            path,
            "%s is not a plugin's file name: it must be NAME.so, NAME of letters, digits "
            "and underscores",
            path);
    }
}

static void a_name_of_more_than_64_bytes(void **state)
{
    char path[128], name[66];

    (void)state;
    memset(name, 'n', 65);
    name[65] = '\0';
    snprintf(path, sizeof(path), "/%s.so", name);
    assert_unusable(
        path,
        "%s is not a plugin's file name: it must be NAME.so, NAME of letters, digits and "
        "underscores",
        path);
    snprintf(path, sizeof(path), "/%s.so", name + 1);
    assert_unusable(path, "%s cannot be read: No such file or directory", path);
}

/* Bound lazily, it would end the process at its first start. */
static void a_symbol_that_nobody_has(void **state)
{
    (void)state;
    assert_unusable(BAD "/undefined.so",
                    "%s cannot be loaded: %s: undefined symbol: nobody_defines_this",
                    BAD "/undefined.so", BAD "/undefined.so");
}

static void no_entry_symbol(void **state)
{
    (void)state;
    assert_unusable(BAD "/no_entry.so",
                    "%s has no function no_entry_LTX_vts_plugin: end its source with "
                    "VTS_PLUGIN(no_entry, ...)",
                    BAD "/no_entry.so");
    /* the dynamic linker finds the one of a module that it depends on */
    assert_unusable(BAD "/borrowed.so",
                    "%s has no function borrowed_LTX_vts_plugin: end its source with "
                    "VTS_PLUGIN(borrowed, ...)",
                    BAD "/borrowed.so");
    /* a link is its target: that one's symbol bears the target's name */
    assert_int_equal(symlink(GOOD "/quick.so", inside("link.so")), 0);
    assert_unusable(
        inside("link.so"),
        "link describes itself as \"quick\": the name in VTS_PLUGIN must be that of the "
        "file");
}

static void records_of_other_kinds(void **state)
{
    (void)state;
    assert_unusable(BAD "/no_record.so", "%s handed out no plugin record", BAD "/no_record.so");
    assert_unusable(BAD "/abi_older.so",
                    "abi_older was built for plugin ABI 0, this vtsimd speaks ABI 1: build it with "
                    "this vtsim's vtsim/plugin.h");
    assert_unusable(BAD "/abi_newer.so",
                    "abi_newer was built for plugin ABI 2, this vtsimd speaks ABI 1: build it with "
                    "an older vtsim/plugin.h");
    assert_unusable(
        BAD "/small_record.so",
        "small_record has a plugin record of %zu bytes, %zu are needed: describe it with "
        "VTS_PLUGIN",
        offsetof(struct vts_plugin, finish), offsetof(struct vts_plugin, reset));
    assert_unusable(
        BAD "/other_options.so",
        "other_options has options of 8 bytes, this vtsimd reads options of %zu: describe "
        "it with VTS_PLUGIN",
        sizeof(struct vts_option));
    assert_unusable(
        BAD "/misnamed.so",
        "misnamed describes itself as \"quick\": the name in VTS_PLUGIN must be that of "
        "the file");
    assert_unusable(BAD "/nameless.so",
                    "nameless describes itself as \"\": the name in VTS_PLUGIN must be that of the "
                    "file");
}

static void records_that_make_no_sense(void **state)
{
    (void)state;
    assert_unusable(BAD "/no_start.so", "no_start has no start hook: a behaviour needs one");
    assert_unusable(BAD "/no_kind.so", "no_kind is of kind 7: use VTS_BEHAVIOUR or VTS_FILTER");
    assert_unusable(BAD "/filter_start.so",
                    "filter_start is a filter: it can have the hooks admit and poll alone");
    assert_unusable(BAD "/big_state.so",
                    "big_state wants 65537 bytes of state for each job, 65536 is the most");
    assert_unusable(
        BAD "/broken_options.so",
        "broken_options has a broken option table: option \"delay\": its fallback cannot "
        "be read: \"soon\" is not a time; write one number and one unit: 250ms, 10s, 2m, "
        "1h or 1d");
}

/* ---- folders ---- */

static struct vts_list list_of(const char *const *items, size_t count)
{
    return (struct vts_list){count, items};
}

static const struct loaded_plugin *loaded(const struct plugins *plugins, const char *name)
{
    for (size_t i = 0; i < plugins->loaded_count; i++)
        if (strcmp(plugins->loaded[i].plugin->name, name) == 0)
            return &plugins->loaded[i];
    return NULL;
}

static void load(struct plugins *plugins, const char *first, const char *second)
{
    const char *items[] = {first, second};
    struct vts_list folders = list_of(items, second ? 2 : 1);
    struct problems problems = PROBLEMS_INIT;

    assert_true(plugins_load(plugins, &folders, NULL, NULL, &problems));
    assert_int_equal(problems.count, 0);
    problems_finish(&problems);
}

static void the_first_folder_wins(void **state)
{
    struct plugins plugins;

    (void)state;
    load(&plugins, GOOD, AGAIN);
    assert_string_equal(loaded(&plugins, "quick")->plugin->summary, "the first");
    assert_string_equal(loaded(&plugins, "quick")->path, GOOD "/quick.so");
    plugins_finish(&plugins);
    load(&plugins, AGAIN, GOOD);
    assert_string_equal(loaded(&plugins, "quick")->plugin->summary, "the second");
    assert_non_null(loaded(&plugins, "settings"));
    plugins_finish(&plugins);
}

/* A broken module hides a good one of its name in a later folder: what is loaded does not depend on luck. */
static void a_broken_module_in_the_first_folder(void **state)
{
    struct plugins plugins;
    struct vts_error error = {0};
    char wanted[512];

    (void)state;
    assert_int_equal(mkdir(inside("listed"), 0755), 0);
    write_file(inside("listed/quick.so"), "text", 4);
    write_file(inside("listed/note"), "text", 4); /* no .so: not looked at */
    load(&plugins, inside("listed"), GOOD);
    assert_null(loaded(&plugins, "quick"));
    assert_int_equal(plugins.broken_count, 1);
    assert_string_equal(plugins.broken[0].name, "quick");
    assert_string_equal(plugins.broken[0].path, inside("listed/quick.so"));
    snprintf(wanted, sizeof(wanted), "%s is not a module: it is no ELF file",
             inside("listed/quick.so"));
    assert_string_equal(plugins.broken[0].reason, wanted);
    assert_null(plugins_find(&plugins, "quick", &error));
    assert_int_equal(error.code, VTS_ERR_LOAD);
    assert_string_equal(error.message, wanted);
    plugins_finish(&plugins);
}

static void a_folder_of_bad_modules_stops_nothing(void **state)
{
    struct plugins plugins;

    (void)state;
    load(&plugins, BAD, GOOD);
    assert_int_equal(plugins.broken_count, 16);
    assert_non_null(loaded(&plugins, "quick"));
    assert_non_null(loaded(&plugins, "fixed_delay")); /* the installed folder comes last */
    plugins_finish(&plugins);
}

static void a_folder_that_is_not_there(void **state)
{
    static const char text[] = "[server]\nlisten = 127.0.0.1:0\nplugin_path = /absent/one\n"
                               "  /absent/two\n";
    const char *items[] = {"/absent/one", "/absent/two"};
    struct vts_list folders = list_of(items, 2);
    struct problems problems = PROBLEMS_INIT;
    struct plugins plugins;
    struct ini ini = {0};

    (void)state;
    assert_true(ini_read(&ini, "server.ini", text, strlen(text), &problems));
    assert_false(
        plugins_load(&plugins, &folders, ini_section(&ini, "server", NULL), NULL, &problems));
    assert_string_equal(problems.lines.bytes,
                        "server.ini:3: [server] plugin_path: folder /absent/one cannot be read: No "
                        "such file or directory\n"
                        "server.ini:4: [server] plugin_path: folder /absent/two cannot be read: No "
                        "such file or directory\n");
    assert_non_null(loaded(&plugins, "fixed_delay"));
    plugins_finish(&plugins);
    problems_finish(&problems);
    ini_finish(&ini);
}

/* ---- by name ---- */

static void assert_not_found(const struct plugins *plugins, const char *name, enum vts_err code,
                             const char *format, ...)
{
    struct vts_error error = {0};
    char wanted[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(wanted, sizeof(wanted), format, args);
    va_end(args);
    assert_null(plugins_find(plugins, name, &error));
    assert_int_equal(error.code, code);
    assert_string_equal(error.message, wanted);
}

static void plugins_are_found_by_name(void **state)
{
    struct plugins plugins;
    struct vts_error error = {0};

    (void)state;
    load(&plugins, GOOD, NULL);
    assert_string_equal(plugins_find(&plugins, "quick", &error)->summary, "the first");
    assert_not_found(&plugins, "quik", VTS_ERR_NOT_FOUND,
                     "no plugin \"quik\" in %s, %s/lib/vtsim/plugins; did you mean \"quick\"?",
                     GOOD, VTSIM_BUILD_DIR);
    assert_not_found(&plugins, "something_else", VTS_ERR_NOT_FOUND,
                     "no plugin \"something_else\" in %s, %s/lib/vtsim/plugins", GOOD,
                     VTSIM_BUILD_DIR);
    assert_not_found(&plugins, GOOD "/quick.so", VTS_ERR_INVALID,
                     "\"%s\" is a path: give the plugin's name alone, and its folder in [server] "
                     "plugin_path",
                     GOOD "/quick.so");
    assert_not_found(&plugins, "quick.so", VTS_ERR_INVALID,
                     "\"quick.so\" is a path: give the plugin's name alone, and its folder in "
                     "[server] plugin_path");
    assert_not_found(&plugins, "../quick", VTS_ERR_INVALID,
                     "\"../quick\" is a path: give the plugin's name alone, and its folder in "
                     "[server] plugin_path");
    plugins_finish(&plugins);
}

/* ---- the installed folder ---- */

static int probe(void)
{
    struct vts_list none = {0};
    struct problems problems = PROBLEMS_INIT;
    struct plugins plugins;

    if (!plugins_load(&plugins, &none, NULL, NULL, &problems))
        return 1;
    printf("%s:", plugins.searched);
    for (size_t i = 0; i < plugins.loaded_count; i++)
        printf(" %s", plugins.loaded[i].plugin->name);
    printf(" broken %zu\n", plugins.broken_count);
    plugins_finish(&plugins);
    problems_finish(&problems);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* Runs a program with --probe and takes what it says. */
static void run_probe(const char *program, char *said, size_t size)
{
    int ends[2], status;
    ssize_t got;
    size_t length = 0;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        alarm(60);
        execl(program, program, "--probe", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    while ((got = read(ends[0], said + length, size - 1 - length)) > 0)
        length += (size_t)got;
    said[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* A prefix that was moved: plugins are found from where the program stands. */
static void the_installed_folder_moves_with_the_program(void **state)
{
    char said[1024], wanted[1024];

    (void)state;
    assert_int_equal(mkdir(inside("bin"), 0755), 0);
    copy_file("/proc/self/exe", inside("bin/program"));
    run_probe(inside("bin/program"), said, sizeof(said));
    snprintf(wanted, sizeof(wanted), "%s/bin/../lib/vtsim/plugins: broken 0\n", folder);
    assert_string_equal(said, wanted); /* there need not be one */
    assert_int_equal(mkdir(inside("lib"), 0755), 0);
    assert_int_equal(mkdir(inside("lib/vtsim"), 0755), 0);
    assert_int_equal(mkdir(inside("lib/vtsim/plugins"), 0755), 0);
    copy_file(GOOD "/quick.so", inside("lib/vtsim/plugins/quick.so"));
    run_probe(inside("bin/program"), said, sizeof(said));
    snprintf(wanted, sizeof(wanted), "%s/lib/vtsim/plugins: quick broken 0\n", folder);
    assert_string_equal(said, wanted);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_module),
        cmocka_unit_test(a_record_that_has_grown),
        cmocka_unit_test(files_that_are_no_modules),
        cmocka_unit_test(names_that_no_plugin_has),
        cmocka_unit_test(a_name_of_more_than_64_bytes),
        cmocka_unit_test(a_symbol_that_nobody_has),
        cmocka_unit_test(no_entry_symbol),
        cmocka_unit_test(records_of_other_kinds),
        cmocka_unit_test(records_that_make_no_sense),
        cmocka_unit_test(the_first_folder_wins),
        cmocka_unit_test(a_broken_module_in_the_first_folder),
        cmocka_unit_test(a_folder_of_bad_modules_stops_nothing),
        cmocka_unit_test(a_folder_that_is_not_there),
        cmocka_unit_test(plugins_are_found_by_name),
        cmocka_unit_test(the_installed_folder_moves_with_the_program),
    };

    if (argc > 1 && strcmp(argv[1], "--probe") == 0)
        return probe();
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
