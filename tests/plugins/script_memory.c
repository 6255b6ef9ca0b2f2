/* SPDX-License-Identifier: MIT
 *
 * Lets every allocation of reading a script fail, one after the other: it is said, and nothing leaks. The
 * linker puts the functions below in the place of the system's (see CMakeLists.txt). */
#include "../../plugins/scripted_sequence/script.h"
#include "behaviours/host.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *old, size_t size);

/* How many allocations are granted before one fails; below 0: all. */
static long granted = -1;
static bool failed;

static bool grant(void)
{
    if (granted < 0 || granted-- > 0)
        return true;
    failed = true;
    return false;
}

void *__wrap_malloc(size_t size) { return grant() ? __real_malloc(size) : NULL; }
void *__wrap_realloc(void *old, size_t size) { return grant() ? __real_realloc(old, size) : NULL; }

static void each_allocation_fails(void **state)
{
    static const char text[] =
        "start: http 503 retry-after 1s x2, lost\n"
        "repeat 200 { pending for uniform 1s..2s, chance 0.5 { reset } else { stall 2s x3 } }\n"
        "stall 1s, stall 2s, stall 3s, stall 4s, stall 5s, stall 6s, stall 7s, stall 8s, stall 9s\n"
        "pending, pending, pending for 1s, pending for 2s, pending for 3s, unknown status \"x\"\n"
        "error \"the GPU fell over\"";
    const struct vts_instance instance = {.host = &host_table};
    struct script script = {0};
    struct vts_error error;
    long at;

    (void)state;
    for (at = 0;; at++) {
        bool good;

        granted = at;
        failed = false;
        good = script_parse(&script, &instance, text, &error);
        granted = -1;
        script_finish(&script);
        assert_int_equal(good, !failed);
        if (good)
            break;
        assert_int_equal(error.code, VTS_ERR_MEMORY);
        assert_string_equal(error.message, "no memory for the script");
    }
    assert_true(at >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation_fails)};

    return cmocka_run_group_tests_name("script memory", tests, NULL, NULL);
}
