/* SPDX-License-Identifier: MIT
 *
 * Tests of law 6: what a module's file shows, as this build makes it and as each compiler does, with and
 * without optimisation. */
#include "trial/module.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LAWS VTSIM_BUILD_DIR "/tests/fixtures/laws/"

/* The folders of the builds of one module, with a space between. */
static const char *const builds = LAWS_BUILDS;

static struct law_result look(const char *path, bool serial)
{
    struct law_result result = {0};

    module_check(path, serial, &result);
    return result;
}

static void assert_says(const char *path, const struct law_result *result, const char *words)
{
    assert_int_equal(result->verdict, LAW_BROKEN);
    if (!strstr(result->message, words))
        fail_msg("%s: it does not say \"%s\" but: %s", path, words, result->message);
}

static void assert_holds(const char *path, bool serial)
{
    struct law_result result = look(path, serial);

    if (result.verdict != LAW_HOLDS)
        fail_msg("%s: %s", path, result.message);
}

/* All builds of a module, this one's first. */
static void each_build(const char *name, void (*check)(const char *path))
{
    char path[600];
    const char *at = builds;

    snprintf(path, sizeof(path), LAWS "%s.so", name);
    check(path);
    for (; *at; at += strcspn(at, " "), at += *at == ' ') {
        snprintf(path, sizeof(path), LAWS "%.*s/%s.so", (int)strcspn(at, " "), at, name);
        check(path);
    }
}

static void check_calls(const char *path)
{
    struct law_result result = look(path, true); /* .serial excuses none */

    assert_says(path, &result, "it calls ");
    assert_says(path, &result, "clock_gettime");
    assert_says(path, &result, "time");
    assert_says(path, &result, ": it asks the system for the time; use vts_now(job)");
    assert_says(path, &result, "srand");
    assert_says(path, &result, ": it draws chance that cannot be repeated; use vts_random(job)");
    assert_says(path, &result, "sleep");
    assert_says(path, &result, "poll");
    assert_says(path, &result, ": it waits; use vts_wake_after(job, span)");
    assert_says(
        path, &result,
        "it calls pthread_create: it starts threads or processes; a plugin has hooks alone");
    assert_null(strstr(result.message, "pthread_join"));
}

static void calls(void **state)
{
    (void)state;
    each_build("law6_calls", check_calls);
}

static void check_statics(const char *path)
{
    static const char *const names[] = {"in_file", "in_thread",   "in_function",
                                        "names",   "seen_by_all", "completed"};
    struct law_result result = look(path, false);
    size_t i;

    assert_says(path, &result, "it has the writable static ");
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_says(path, &result, names[i]);
    assert_says(path, &result, ": make it const, keep it in a job's state, or say .serial");
    assert_null(strstr(result.message, "constant"));
    assert_null(strstr(result.message, "plugin"));
    assert_holds(path, true);
}

static void statics(void **state)
{
    (void)state;
    each_build("law6_static", check_statics);
}

static void check_honest(const char *path)
{
    struct law_result result = look(path, false);

    assert_holds(path, true);
    assert_string_equal(result.message,
                        "it has the writable static jobs: make it const, keep it in a "
                        "job's state, or say .serial");
}

static void honest(void **state)
{
    (void)state;
    each_build("honest", check_honest);
}

static void shipped(void **state)
{
    (void)state;
    assert_holds(VTSIM_BUILD_DIR "/lib/vtsim/plugins/fixed_delay.so", false);
    assert_holds(VTSIM_BUILD_DIR "/lib/vtsim/plugins/random_failure.so", false);
    assert_holds(VTSIM_BUILD_DIR "/lib/vtsim/plugins/scripted_sequence.so", false);
}

static void other_libraries(void **state)
{
    struct law_result result = look(LAWS "law6_uses.so", false);

    (void)state;
    assert_says("law6_uses.so", &result, "json_object_new_object");
    assert_says("law6_uses.so", &result, ", which is neither in libc nor in libm");
}

static void stripped(void **state)
{
    static const char *const how[] = {"all", "unneeded", "locals"};
    struct law_result result;
    char path[300];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
        snprintf(path, sizeof(path), LAWS "stripped-%s/law6_static.so", how[i]);
        result = look(path, true);
        assert_says(
            path, &result,
            "it is stripped, so that its statics cannot be seen: vet it as it was linked, and "
            "strip it afterwards");
    }
}

static void no_module(void **state)
{
    struct law_result result = look("/nowhere.so", false);

    (void)state;
    assert_string_equal(result.message, "/nowhere.so cannot be read as an ELF file");
    result = look(VTSIM_SOURCE_DIR "/README.md", false);
    assert_string_equal(result.message,
                        VTSIM_SOURCE_DIR "/README.md cannot be read as an ELF file");
}

/* The second copy is another one, with statics of its own. */
static void again(void **state)
{
    const char *path = VTSIM_BUILD_DIR "/lib/vtsim/plugins/fixed_delay.so";
    const struct vts_plugin *first = plugin_load_file(path, NULL);
    const struct vts_plugin *second = module_again(path, "fixed_delay");

    (void)state;
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    assert_string_equal(second->name, "fixed_delay");
    assert_null(module_again("/nowhere.so", "nowhere"));
    assert_null(module_again(path, "another_name"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls),           cmocka_unit_test(statics),  cmocka_unit_test(honest),
        cmocka_unit_test(shipped),         cmocka_unit_test(stripped), cmocka_unit_test(no_module),
        cmocka_unit_test(other_libraries), cmocka_unit_test(again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
