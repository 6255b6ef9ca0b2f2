/* SPDX-License-Identifier: MIT
 *
 * So many jobs run at once, the others wait in line: first come, first served. A job that was granted a slot is
 * set up first (`overhead`), then it runs; its slot is free for the next at the moment at which it ends. Where
 * too many wait, starts are refused. The slots and the line are vtsim's (vts_wait, VTS_FOR_SLOT).
 *
 * The settings are in its option table, at the end. */
#include <vtsim/plugin.h>

enum { REFUSE_429, REFUSE_503 };

struct settings {
    int64_t slots;
    struct vts_delay overhead, running;
    int64_t limit;
    int refuse;
    vts_ms retry_after;
};

/* One job, zeroed while it waits. */
struct job {
    vts_ms running; /* drawn when its slot is granted */
    int32_t runs;   /* it is set up */
    int32_t reserved;
};

static bool open_queue(struct vts_instance *instance, struct vts_error *error)
{
    const struct settings *set = (const struct settings *)instance->settings;

    return vts_slots(instance, (uint64_t)set->slots) ||
           vts_error_set(error, VTS_ERR_INVALID, "this vtsimd has no slots: take a later one");
}

static void admit(struct vts_job *job)
{
    const struct settings *set = (const struct settings *)vts_settings(job);

    if (set->limit >= 0 && vts_free_slots(job) == 0 && vts_waiting(job) >= (uint64_t)set->limit)
        vts_refuse(job, set->refuse == REFUSE_503 ? 503 : 429, set->retry_after);
}

static void start(struct vts_job *job) { vts_wait(job, VTS_FOR_SLOT); }

static void run(struct vts_job *job, struct job *state)
{
    state->runs = 1;
    vts_progress_over(job, 1, state->running);
    vts_wake_after(job, state->running);
}

static void wake(struct vts_job *job)
{
    const struct settings *set = (const struct settings *)vts_settings(job);
    struct job *state = (struct job *)vts_state(job);
    vts_ms overhead;

    if (!vts_granted(job)) {
        if (state->runs)
            vts_complete(job, NULL);
        else
            run(job, state);
        return;
    }
    overhead = vts_sample(job, &set->overhead);
    state->running = vts_sample(job, &set->running);
    if (overhead > 0)
        vts_wake_after(job, overhead);
    else
        run(job, state);
}

static const struct vts_option options[] = {
    VTS_OPTION_INT(struct settings, slots, "2", 1, 1000000, "jobs that run at once"),
    VTS_OPTION_DELAY(
        struct settings, overhead, "0",
        "from the grant of a slot until the job runs: it holds the slot, without progress"),
    VTS_OPTION_DELAY(struct settings, running, "10s", "from then to completion"),
    VTS_OPTION_INT(struct settings, limit, "-1", -1, 1000000000,
                   "jobs that may wait; beyond it starts are refused; -1: any number"),
    VTS_OPTION_CHOICE(struct settings, refuse, "429|503", "429",
                      "the status that a refused start gets"),
    VTS_OPTION_TIME(struct settings, retry_after, "1s",
                    "Retry-After of a refused start, sent in whole seconds, rounded up; 0: none"),
    VTS_OPTIONS_END};

VTS_PLUGIN(queue, .summary = "so many jobs run at once, the others wait: first come, first served",
           .options = options, .settings_size = sizeof(struct settings),
           .state_size = sizeof(struct job), .state_version = 1, .open = open_queue, .admit = admit,
           .start = start, .wake = wake)
