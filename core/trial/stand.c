/* SPDX-License-Identifier: MIT
 *
 * A behaviour without any ways of its own, for filters to stand around. See stand.h. */
#include "stand.h"

static void start(struct vts_job *job) { vts_wake_after(job, STAND_SPAN); }
static void wake(struct vts_job *job) { vts_complete(job, NULL); }

static const struct vts_plugin plugin = {.abi = VTS_ABI,
                                         .size = sizeof(plugin),
                                         .option_size = sizeof(struct vts_option),
                                         .kind = VTS_BEHAVIOUR,
                                         .name = "stand",
                                         .summary = "every job completes after an hour",
                                         .start = start,
                                         .wake = wake};

struct instance *stand_create(const struct instance *filter, struct vts_error *error)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *stand = instance_create(filter->name, &plugin, NULL, &problems);

    problems_finish(&problems);
    if (stand && instance_put_filters(stand, &filter, 1))
        return stand;
    instance_destroy(stand);
    vts_error_set(error, VTS_ERR_MEMORY, "no memory");
    return NULL;
}
