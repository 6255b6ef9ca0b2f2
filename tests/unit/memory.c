/* SPDX-License-Identifier: MIT
 *
 * Lets every allocation of reading a configuration fail, one after the other: it is said, nothing is
 * leaked or touched that is not there, and what is read without memory is not taken for right. The
 * linker puts the functions below in the place of the system's (see CMakeLists.txt). */
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *string);
char *__real_strndup(const char *string, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *string);
char *__wrap_strndup(const char *string, size_t size);

/* How many allocations are granted before one fails; below 0: all. Those after it are granted again,
 * or not. */
static long granted = -1;
static bool for_good, failed;

static bool grant(void)
{
    if (granted < 0 || granted-- > 0)
        return true;
    failed = true;
    if (for_good)
        granted = 0;
    return false;
}

void *__wrap_malloc(size_t size) { return grant() ? __real_malloc(size) : NULL; }
void *__wrap_calloc(size_t count, size_t size)
{
    return grant() ? __real_calloc(count, size) : NULL;
}
void *__wrap_realloc(void *old, size_t size) { return grant() ? __real_realloc(old, size) : NULL; }
char *__wrap_strdup(const char *string) { return grant() ? __real_strdup(string) : NULL; }
char *__wrap_strndup(const char *string, size_t size)
{
    return grant() ? __real_strndup(string, size) : NULL;
}

static const char *const settings[] = {
    "server/plugin_path=a\nb",   "server/listen=[::1]:0",  "behaviour quick/delay=1s",
    "behaviour new/plugin=x\ny", "rule a/behaviour=quick", "rule b/job_id=c",
};

/* Reads all that can be read, with or without problems in it. */
static bool read_all(const char *file, size_t count, struct text *described)
{
    struct problems problems = PROBLEMS_INIT;
    struct text canonical = TEXT_INIT;
    struct server_settings set = {0};
    struct config config;
    bool ok = config_read(&config, file, settings, count, &problems);

    ok = options_read(config_server_options, &set, ini_section(&config.ini, "server", NULL),
                      "server", &canonical, &problems) &&
         ok;
    config_report_unknown(&config, &problems);
    options_describe(config_server_options, described);
    options_paste(config_server_options, "server", NULL, described);
    ok = ok && problems.count == 0 && !canonical.failed && !described->failed;
    assert_true(problems.count == 0 || problems.lines.failed || problems.lines.length > 0);
    options_free(config_server_options, &set);
    config_finish(&config);
    problems_finish(&problems);
    text_finish(&canonical);
    return ok;
}

/* Fails each allocation in turn until none is left to fail. Returns how many there were. */
static long fail_each(const char *file, size_t count, bool right)
{
    for (long at = 0;; at++) {
        struct text described = TEXT_INIT;
        bool ok;

        granted = at;
        failed = false;
        ok = read_all(file, count, &described);
        granted = -1;
        text_finish(&described);
        assert_true(!failed || !ok);
        if (!failed) {
            assert_int_equal(ok, right);
            return at;
        }
    }
}

static void each_allocation_fails(void **state)
{
    (void)state;
    for_good = false;
    assert_true(fail_each(VTSIM_SOURCE_DIR "/config/vtsimd.ini", 4, true) > 50);
    assert_true(fail_each(VTSIM_SOURCE_DIR "/config/vtsimd.ini", 6, false) >
                50); /* b: no behaviour */
}

static void all_fail_from_one_on(void **state)
{
    (void)state;
    for_good = true;
    assert_true(fail_each(VTSIM_SOURCE_DIR "/config/vtsimd.ini", 4, true) > 50);
    assert_true(fail_each(NULL, 6, false) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_fails),
        cmocka_unit_test(all_fail_from_one_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
