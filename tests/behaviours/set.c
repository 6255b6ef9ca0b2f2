/* SPDX-License-Identifier: MIT
 *
 * See set.h. */
#include "set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

#define MODULES VTSIM_BUILD_DIR "/tests/fixtures/load"

char set_file[] = "/tmp/vtsim-set-XXXXXX";
struct plugins set_plugins;

int set_setup(void **state)
{
    const char *items[] = {MODULES "/good", MODULES "/bad"};
    struct vts_list folders = {2, items};
    struct problems problems = PROBLEMS_INIT;
    int fd = mkstemp(set_file);

    (void)state;
    if (fd < 0)
        return -1;
    close(fd);
    return plugins_load(&set_plugins, &folders, NULL, NULL, &problems) ? 0 : -1;
}

int set_teardown(void **state)
{
    (void)state;
    plugins_finish(&set_plugins);
    return unlink(set_file);
}

void set_init(struct set *set, const char *ini)
{
    FILE *out = fopen(set_file, "w");

    assert_non_null(out);
    assert_true(fputs(ini, out) >= 0);
    assert_int_equal(fclose(out), 0);
    memset(set, 0, sizeof(*set));
    assert_true(config_read(&set->config, set_file, NULL, 0, &set->problems));
    set->good = behaviours_open(&set->behaviours, &set->config, &set_plugins, &set->problems);
    config_report_unknown(&set->config, &set->problems);
}

void set_finish(struct set *set)
{
    behaviours_finish(&set->behaviours);
    config_finish(&set->config);
    problems_finish(&set->problems);
}
