/* SPDX-License-Identifier: MIT
 *
 * vtsimd --vet: what it prints, to the letter, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"

#define VTSIMD  VTSIM_BUILD_DIR "/bin/vtsimd"
#define SHIPPED VTSIM_BUILD_DIR "/lib/vtsim/plugins/"
#define LAWS    VTSIM_BUILD_DIR "/tests/fixtures/laws/"
#define LOAD    VTSIM_BUILD_DIR "/tests/fixtures/load/bad/"

#define HOLDS_1_TO_4                                                                               \
    "law 1 (same seed, same life): holds\n"                                                        \
    "law 2 (a stored job goes on unchanged): holds\n"                                              \
    "law 3 (every job ends): holds\n"                                                              \
    "law 4 (hooks are short, ends are final): holds\n"
#define HOLDS_6  "law 6 (the module keeps to itself): holds\n"
#define HOLDS_7  "law 7 (options hold at their limits): holds\n"
#define ALL_HOLD HOLDS_1_TO_4 "law 5 (progress only grows): holds\n" HOLDS_6 HOLDS_7

#define USAGE                                                                                      \
    "usage: vtsimd [-c FILE] [-l ADDR:PORT] [-s 'SECTION/KEY=VALUE']...\n"                         \
    "try: vtsimd --help\n"

#define VET(...) run_command((const char *const[]){VTSIMD, "--vet", __VA_ARGS__, NULL}, &result)

static struct run_result result;

static void assert_ended(int status, const char *out, const char *err)
{
    if (result.status != status || strcmp(result.out, out) != 0 || strcmp(result.err, err) != 0)
        fail_msg("ended with %d, printed:\n%s\nand complained:\n%s\ninstead of %d:\n%s\nand\n%s",
                 result.status, result.out, result.err, status, out, err);
    run_result_finish(&result);
}

static void all_hold(void **state)
{
    (void)state;
    VET(SHIPPED "fixed_delay.so");
    assert_ended(0, ALL_HOLD, "");
    VET(SHIPPED "scripted_sequence.so", "-s",
        "script=pending for 5s\nprogress 40%\npending x3\ncompleted");
    assert_ended(0, ALL_HOLD, "");
    VET(SHIPPED "scripted_sequence.so", "-s",
        "script=start: http 503 x2\npending for uniform 1s..5s, reset x2, http 503 for 2s\n"
        "repeat 3 { pending for 1s, chance 0.5 { stall 1s } else { empty } }\n"
        "chance 0.3 { error } else { completed x1, regress }");
    assert_ended(0, ALL_HOLD, "");
}

static void one_is_broken(void **state)
{
    (void)state;
    VET(LAWS "law5.so", "-s", "what=nan");
    assert_ended(
        1,
        HOLDS_1_TO_4
        "law 5 (progress only grows): seed 1, job vet-1, at 3.000 s: hook wake asked for a "
        "progress that is no number (NaN)\n" HOLDS_6 HOLDS_7,
        "");
    VET(LAWS "law6_calls.so");
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.out, "\nlaw 6 (the module keeps to itself): it calls "));
    assert_string_equal(result.err, "");
    run_result_finish(&result);
}

static void cannot_be_loaded(void **state)
{
    (void)state;
    VET("/nowhere/quick.so");
    assert_ended(2, "", "vtsimd: /nowhere/quick.so cannot be read: No such file or directory\n");
    VET(LOAD "no_start.so");
    assert_ended(2, "", "vtsimd: no_start has no start hook: a behaviour needs one\n");
    VET("fixed_delay");
    assert_ended(2, "",
                 "vtsimd: fixed_delay is not a plugin's file name: it must be NAME.so, NAME of "
                 "letters, digits and underscores\n");
}

/* What it logs on the way is told once. */
static void cannot_be_opened(void **state)
{
    (void)state;
    VET(LAWS "crashing.so", "-s", "what=crashes");
    assert_ended(2, "",
                 "vtsimd: " LAWS "crashing.so cannot be loaded and opened: it crashed (SIGABRT)\n");
    VET(LAWS "crashing.so", "-s", "what=refuses");
    assert_int_equal(result.status, 2);
    assert_string_equal(result.out, "");
    assert_non_null(strstr(result.err, "\n-s: [behaviour crashing] what: it refuses\n"));
    assert_non_null(strstr(result.err, " warning crashing: it is opened\n"));
    assert_null(strstr(strstr(result.err, "it is opened") + 1, "it is opened"));
    run_result_finish(&result);
}

static void wrong_settings(void **state)
{
    (void)state;
    VET(SHIPPED "fixed_delay.so", "-s", "dely=3s");
    assert_ended(2, "", "-s: [behaviour fixed_delay] dely: unknown key; did you mean \"delay\"?\n");
    VET(SHIPPED "fixed_delay.so", "-s", "delay=3", "-s", "progress=perhaps");
    assert_ended(
        2, "",
        "-s: [behaviour fixed_delay] delay: \"3\" has no unit; write 3ms, 3s or 3m\n"
        "-s: [behaviour fixed_delay] progress: \"perhaps\" is neither on nor off; write on "
        "or off\n");
    VET(SHIPPED "fixed_delay.so", "-s", "behaviour fixed_delay/delay=3s", "-s", "delay");
    assert_ended(2, "",
                 "-s: \"behaviour fixed_delay/delay=3s\" is no setting of the plugin; write "
                 "KEY=VALUE, without a section\n"
                 "-s: \"delay\" is no setting of the plugin; write KEY=VALUE, without a section\n");
    VET(SHIPPED "scripted_sequence.so");
    assert_ended(
        2, "",
        "[behaviour scripted_sequence] script: it is required, and not given (TEXT: the "
        "steps of vtsim-script(5), one a line or separated by commas, such as: pending for 5s, "
        "http 503 x2, completed)\n");
}

static void not_with_others(void **state)
{
    (void)state;
    VET(SHIPPED "fixed_delay.so", "-c", "vtsimd.ini");
    assert_ended(2, "",
                 "vtsimd: --vet reads no configuration: give settings with -s KEY=VALUE\n" USAGE);
    VET(SHIPPED "fixed_delay.so", "--check");
    assert_ended(2, "",
                 "vtsimd: --check, --describe, --preview and --vet are asked for one at a "
                 "time\n" USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_hold),         cmocka_unit_test(one_is_broken),
        cmocka_unit_test(cannot_be_loaded), cmocka_unit_test(cannot_be_opened),
        cmocka_unit_test(wrong_settings),   cmocka_unit_test(not_with_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
