/* SPDX-License-Identifier: MIT
 *
 * What each shipped behaviour has to stand. See common.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common.h"

struct vts_harness *open_with(vts_plugin_fn *plugin, const char *settings)
{
    return vts_harness_create(plugin, settings, 1, NULL);
}

const char *poll_at(struct vts_harness *harness, struct vts_harness_job *job, vts_ms at)
{
    vts_harness_advance_to(harness, at);
    vts_harness_poll(job);
    assert_null(job->answer);
    return job->word;
}

void survives(vts_plugin_fn *plugin, const char *settings, const vts_ms *polls, size_t count)
{
    struct vts_harness *one = open_with(plugin, settings), *other = open_with(plugin, settings);
    struct vts_harness_job *job = vts_harness_start(one, "job", NULL);
    struct vts_harness_job *moved = vts_harness_start(other, "job", NULL);
    size_t i;

    for (i = 0; i < count; i++) {
        assert_string_equal(poll_at(one, job, polls[i]), poll_at(other, moved, polls[i]));
        vts_harness_restart(other);
        vts_harness_expect(moved, vts_harness_equal(job, moved));
    }
    vts_harness_destroy(one);
    vts_harness_destroy(other);
}

void refuses(vts_plugin_fn *plugin, const char *settings, const char *problem)
{
    size_t length = strlen(problem);
    struct vts_error error;

    assert_null(vts_harness_create(plugin, settings, 1, &error));
    /* Below it may be shown where that is, indented. */
    assert_memory_equal(error.message, problem, length);
    if (error.message[length])
        assert_memory_equal(error.message + length, "\n    ", 5);
}

void keeps_the_laws(vts_plugin_fn *plugin, const char *name, const char *settings)
{
    struct vts_harness *harness = open_with(plugin, settings);
    char module[500];

    snprintf(module, sizeof(module), "%s/lib/vtsim/plugins/%s.so", VTSIM_BUILD_DIR, name);
    assert_true(vts_harness_check_laws(harness, module));
    vts_harness_destroy(harness);
}
