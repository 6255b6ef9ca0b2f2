/* SPDX-License-Identifier: MIT
 *
 * Whether the manual page tells of every key of the server's own sections, with its default, in the
 * table's order. Knows the page's markup of these entries and nothing else of it. */
#include <config/config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static char *read_manual(void)
{
    FILE *file = fopen(VTSIM_SOURCE_DIR "/core/man/vtsimd.8", "rb");
    char *page = calloc(1, 65536);

    assert_non_null(file);
    assert_non_null(page);
    assert_in_range(fread(page, 1, 65535, file), 1, 65534);
    fclose(file);
    return page;
}

static void check_section(const char *page, const char *heading, const struct vts_option *option)
{
    const char *at = strstr(page, heading);

    assert_non_null(at);
    for (; option->key; option++) {
        char entry[400];

        if (option->fallback)
            snprintf(entry, sizeof(entry), "\n.TP\n.BR %s \" (%s)\"\n", option->key,
                     option->fallback[0] ? option->fallback : "empty");
        else
            snprintf(entry, sizeof(entry), "\n.TP\n.B %s\n", option->key);
        at = strstr(at, entry);
        if (!at)
            fail_msg("vtsimd.8 has no entry, or not in its place: %s", entry);
    }
}

static void test_server_keys(void **state)
{
    char *page = read_manual();

    (void)state;
    check_section(page, "\n.SS [server]\n", config_server_options);
    check_section(page, "\n.SS [clock]\n", config_clock_options);
    check_section(page, "\n.SS [control]\n", config_control_options);
    check_section(page, "\n.SS [audit]\n", config_audit_options);
    check_section(page, "\n.SS [rule NAME]\n", config_rule_options);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
