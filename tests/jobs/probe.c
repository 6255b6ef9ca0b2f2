/* SPDX-License-Identifier: MIT
 *
 * Plugins that do as a test says. See probe.h. */
#include "probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

struct probe probe;

static void note(struct vts_job *job, const char *hook, void (*function)(struct vts_job *))
{
    text_printf(&probe.trace, "%s%s", probe.trace.length ? " " : "", hook);
    if (vts_polls(job))
        text_printf(&probe.trace, "#%llu", (unsigned long long)vts_polls(job));
    text_printf(&probe.trace, "@%lld", (long long)(vts_now(job) - T0));
    if (function)
        function(job);
}

static void admit(struct vts_job *job) { note(job, "admit", probe.admit); }
static void start(struct vts_job *job) { note(job, "start", probe.start); }
static void wake(struct vts_job *job) { note(job, "wake", probe.wake); }
static void poll(struct vts_job *job) { note(job, "poll", probe.poll); }
static void cancel(struct vts_job *job) { note(job, "cancel", probe.cancel); }
static void finish(struct vts_job *job) { note(job, "finish", probe.finish); }

static bool open_counting(struct vts_instance *instance, struct vts_error *error)
{
    (void)error;
    instance->counts_polls = true;
    return true;
}

VTS_PLUGIN(probe, .summary = "does as it is told", .state_size = 8, .admit = admit, .start = start,
           .wake = wake, .poll = poll, .cancel = cancel, .finish = finish)
VTS_PLUGIN(counting, .summary = "and counts polls", .state_size = 8, .admit = admit, .start = start,
           .wake = wake, .poll = poll, .cancel = cancel, .finish = finish, .open = open_counting)
VTS_PLUGIN(quiet, .summary = "does not care for polls", .start = start, .wake = wake)
VTS_PLUGIN(bare, .summary = "only starts", .start = start)

void probes_init(struct probes *probes)
{
    memset(probes, 0, sizeof(*probes));
    probes->probe = driver_instance(&probes->instances, "a probe", probe_LTX_vts_plugin());
    probes->counting = driver_instance(&probes->instances, "a counter", counting_LTX_vts_plugin());
    probes->quiet = driver_instance(&probes->instances, "a quiet one", quiet_LTX_vts_plugin());
    probes->bare = driver_instance(&probes->instances, "a bare one", bare_LTX_vts_plugin());
}

void probes_finish(struct probes *probes)
{
    instances_finish(&probes->instances);
    text_finish(&probe.trace);
}

void probe_reset(void)
{
    text_finish(&probe.trace);
    memset(&probe, 0, sizeof(probe));
}

void probe_assert_trace(const char *wanted, const char *file, int line)
{
    const char *got = probe.trace.bytes ? probe.trace.bytes : "";

    if (strcmp(got, wanted) != 0) {
        print_error("hooks called: %s\ninstead of:   %s\n", got, wanted);
        _fail(file, line);
    }
    text_reset(&probe.trace);
}

void probe_assert_failure(const struct life *life, const char *code, const char *message,
                          const char *file, int line)
{
    struct job job = life_job(life);

    _assert_int_equal((LargestIntegralType)job.state, VTS_FAILED, file, line);
    _assert_string_equal(job.code.at ? job.code.at : "-", code, file, line);
    _assert_string_equal(job.message.at ? job.message.at : "-", message, file, line);
}
