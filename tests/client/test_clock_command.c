/* SPDX-License-Identifier: MIT
 *
 * `vtsim clock` against a real vtsimd: what it says, what it moves, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"
#include "vtsimd.h"

#define VTSIM VTSIM_BUILD_DIR "/bin/vtsim"

static void expect(const struct vtsimd *vtsimd, const char *const *words, int status,
                   const char *out, const char *err)
{
    const char *argv[8] = {VTSIM, "-u", vtsimd->url, "clock"};
    struct run_result result;

    for (int i = 0; i < 3 && words[i]; i++)
        argv[4 + i] = words[i];
    run_command(argv, &result);
    assert_string_equal(result.err, err);
    assert_string_equal(result.out, out);
    assert_int_equal(result.status, status);
    run_result_finish(&result);
}

#define EXPECT(status, out, err, ...)                                                              \
    expect(&vtsimd, (const char *const[]){__VA_ARGS__, NULL}, status, out, err)

static void it_moves_the_clock(void **state)
{
    static const char *const args[] = {"-s", "clock/mode=virtual", NULL};
    struct vtsimd vtsimd;

    (void)state;
    vtsimd_start(&vtsimd, args);
    EXPECT(0, "2026-01-01T00:00:00.000Z, virtual clock\n", "", NULL);
    EXPECT(0, "2026-01-01T00:00:30.000Z, virtual clock\n", "", "advance", "30s");
    EXPECT(0, "2026-01-02T00:00:00.000Z, virtual clock\n", "", "to", "2026-01-02T00:00:00Z");
    EXPECT(0, "2026-01-02T00:00:00.000Z, virtual clock, frozen\n", "", "freeze");
    EXPECT(0, "2026-01-02T00:00:00.000Z, virtual clock\n", "", "thaw");
    EXPECT(
        0,
        "{\"mode\": \"virtual\", \"now\": \"2026-01-02T00:00:00.000Z\", \"rate\": 0, \"frozen\": "
        "true, \"moving\": false, \"waiting\": 0, \"participants\": [], \"held_by\": []}\n",
        "", "freeze", "--json");
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
}

static void what_it_refuses(void **state)
{
    static const char *const args[] = {"-s", "clock/mode=virtual", "-s", "control/token=s3cret",
                                       NULL};
    struct vtsimd vtsimd;
    char err[256];

    (void)state;
    vtsimd_start(&vtsimd, args);
    EXPECT(2, "",
           "vtsim: clock: unknown word \"stop\"; right are freeze, thaw, next, advance TIME, to "
           "MOMENT, rate NUMBER\n",
           "stop");
    EXPECT(2, "", "vtsim: clock: right is vtsim clock advance TIME\n", "advance");
    EXPECT(2, "", "vtsim: clock: right is vtsim clock freeze\n", "freeze", "now");
    EXPECT(2, "", "vtsim: clock: rate: \"fast\" is not a number; try vtsim --help\n", "rate",
           "fast");
    snprintf(
        err, sizeof(err),
        "vtsim: %s: the control side wants the token of [control]: Authorization: Bearer TOKEN "
        "(401)\n",
        vtsimd.url);
    EXPECT(4, "", err, NULL);
    assert_int_equal(setenv("VTSIM_TOKEN", "s3cret", 1), 0);
    EXPECT(0, "2026-01-01T00:00:00.000Z, virtual clock\n", "", NULL);
    snprintf(err, sizeof(err),
             "vtsim: %s: nothing is going to happen: no job, no answer and no sleeper waits for a "
             "moment "
             "(409)\n",
             vtsimd.url);
    EXPECT(4, "", err, "next");
    unsetenv("VTSIM_TOKEN");
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    snprintf(err, sizeof(err), "vtsim: %s: the server was not reached\n", vtsimd.url);
    EXPECT(4, "", err, NULL);
    vtsimd_finish(&vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_moves_the_clock),
        cmocka_unit_test(what_it_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
