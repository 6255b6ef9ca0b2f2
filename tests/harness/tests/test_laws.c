/* SPDX-License-Identifier: MIT
 *
 * Tests of tests/harness/laws.c: behaviours that keep the laws, and what is told of one that does not. The laws
 * themselves are tested in tests/trial. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "moody.h"

vts_plugin_fn fixed_delay_LTX_vts_plugin;

static const char fixed_delay_so[] = VTSIM_BUILD_DIR "/lib/vtsim/plugins/fixed_delay.so";
static struct failures failed;

static void they_hold(void **state)
{
    struct vts_harness *harness =
        vts_harness_create(fixed_delay_LTX_vts_plugin, "progress = on", 1, NULL);
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    (void)state;
    assert_true(vts_harness_check_laws(harness, NULL));
    assert_true(vts_harness_check_laws(harness, fixed_delay_so));
    vts_harness_run(harness);
    vts_harness_expect_ended_after(job, 10000); /* nothing of the harness was touched */
    vts_harness_destroy(harness);
    harness = vts_harness_load(fixed_delay_so, "delay = 1s", 1, NULL);
    assert_true(vts_harness_check_laws(harness, NULL));
    vts_harness_destroy(harness);
}

static void a_broken_one_is_named(void **state)
{
    struct vts_harness *harness = vts_harness_create(restless_LTX_vts_plugin, NULL, 1, NULL);
    const char *line;

    (void)state;
    failures_take(harness, &failed);
    assert_false(vts_harness_check_laws(harness, NULL));
    assert_int_equal(failed.count, 1);
    assert_int_equal(failed.line, __LINE__ - 2);
    assert_memory_equal(failed.text, "restless breaks the laws of behaviours:\nlaw 3 (", 47);
    line = strstr(failed.text, "law 3 (every job ends): seed ");
    assert_non_null(line);
    assert_non_null(strstr(line, "job "));
    assert_non_null(strstr(line, "at "));
    assert_null(strstr(failed.text, "law 1"));
    vts_harness_destroy(harness);
}

/* Law 6 is the file's: that of the harness, or the one that is handed in. */
static void the_file_is_looked_into(void **state)
{
    struct vts_harness *harness =
        vts_harness_load(VTSIM_BUILD_DIR "/tests/fixtures/laws/law6_static.so", NULL, 1, NULL);

    (void)state;
    failures_take(harness, &failed);
    assert_false(vts_harness_check_laws(harness, NULL));
    assert_non_null(strstr(failed.text, "law 6 ("));
    assert_non_null(strstr(failed.text, "writable static"));
    assert_true(vts_harness_check_laws(harness, fixed_delay_so));
    vts_harness_destroy(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_hold),
        cmocka_unit_test(a_broken_one_is_named),
        cmocka_unit_test(the_file_is_looked_into),
    };

    return cmocka_run_group_tests_name("harness laws", tests, NULL, NULL);
}
