/* SPDX-License-Identifier: MIT
 *
 * Hooks that note where they are, call the plugin's own, and tell how it went. See probe.h. */
#include "probe.h"

#include <time.h>

int64_t probe_clock(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* A probe's plugin is its first member, and instances of it point to it. */
static struct probe *probe_of(const struct vts_instance *instance)
{
    return (struct probe *)instance->plugin;
}

static void enter(struct probe_spot *spot, const char *hook, const char *id, vts_ms moment)
{
    spot->hook = hook;
    spot->moment = moment;
    memcpy(spot->id, id, strlen(id) + 1);
    atomic_fetch_add(&spot->steps, 1);
}

static void leave(struct probe_spot *spot) { atomic_fetch_add(&spot->steps, 1); }

static void call(struct vts_job *job, const char *name, void (*hook)(struct vts_job *))
{
    struct probe *probe = probe_of(job->instance);
    struct instance *instance = (struct instance *)job->instance;
    struct probe_seen seen = {.hook = name,
                              .id = vts_job_id(job),
                              .moment = vts_now(job) - TRIAL_START,
                              .ended = state_ended((int)vts_job_state(job))};
    int64_t begin;

    /* What open() was warned of is not this hook's. */
    atomic_store(&instance->warned, 0);
    enter(probe->spot, name, seen.id, seen.moment);
    begin = probe_clock();
    hook(job);
    seen.nanoseconds = probe_clock() - begin;
    leave(probe->spot);
    seen.warned = atomic_load(&instance->warned);
    if (probe->see)
        probe->see(probe->arg, &seen);
}

static void on_admit(struct vts_job *job)
{
    call(job, "admit", probe_of(job->instance)->real->admit);
}

static void on_start(struct vts_job *job)
{
    call(job, "start", probe_of(job->instance)->real->start);
}

static void on_wake(struct vts_job *job) { call(job, "wake", probe_of(job->instance)->real->wake); }

static void on_poll(struct vts_job *job) { call(job, "poll", probe_of(job->instance)->real->poll); }

static void on_cancel(struct vts_job *job)
{
    call(job, "cancel", probe_of(job->instance)->real->cancel);
}

static void on_finish(struct vts_job *job)
{
    call(job, "finish", probe_of(job->instance)->real->finish);
}

static bool on_open(struct vts_instance *instance, struct vts_error *error)
{
    struct probe *probe = probe_of(instance);
    bool good;

    enter(probe->spot, "open", "", 0);
    good = probe->real->open(instance, error);
    leave(probe->spot);
    return good;
}

static void on_close(struct vts_instance *instance)
{
    struct probe *probe = probe_of(instance);

    enter(probe->spot, "close", "", 0);
    probe->real->close(instance);
    leave(probe->spot);
}

void probe_init(struct probe *probe, const struct vts_plugin *real, struct probe_spot *spot)
{
    /* One of an earlier header is shorter, and what it lacks is zero; of a later one the further members are
     * nothing that this core would call. */
    *probe = (struct probe){.real = real, .spot = spot};
    memcpy(&probe->plugin, real,
           real->size < sizeof(probe->plugin) ? real->size : sizeof(probe->plugin));
    probe->plugin.size = sizeof(probe->plugin);
    probe->plugin.open = real->open ? on_open : NULL;
    probe->plugin.close = real->close ? on_close : NULL;
    probe->plugin.admit = real->admit ? on_admit : NULL;
    probe->plugin.start = real->start ? on_start : NULL;
    probe->plugin.wake = real->wake ? on_wake : NULL;
    probe->plugin.poll = real->poll ? on_poll : NULL;
    probe->plugin.cancel = real->cancel ? on_cancel : NULL;
    probe->plugin.finish = real->finish ? on_finish : NULL;
}
