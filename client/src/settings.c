/* SPDX-License-Identifier: MIT
 *
 * Counted options. See settings.h. */
#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "options.h"
#include "plans.h"

static bool same_schedule(const struct vts_client_options *a, const struct vts_client_options *b)
{
    return a->initial_ms == b->initial_ms && !(a->factor < b->factor || a->factor > b->factor) &&
           a->cap_ms == b->cap_ms && !(a->jitter < b->jitter || a->jitter > b->jitter) &&
           a->cost_ms == b->cost_ms;
}

static struct vts_client_plan *find_plan(const struct vts_client_options *options,
                                         const struct settings *like,
                                         struct vts_client_error *error)
{
    if (options->plan)
        return vts_client_plan_hold(options->plan);
    if (like && !like->options.plan && same_schedule(options, &like->options))
        return vts_client_plan_hold(like->plan);
    return plans_of_options(options, error);
}

struct settings *settings_create(const struct vts_client_options *options,
                                 const struct settings *like, struct vts_client_error *error)
{
    struct settings *settings = calloc(1, sizeof(*settings));

    if (!settings) {
        error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
        return NULL;
    }
    settings->references = 1;
    if (!options_read(&settings->options, options, error) ||
        !(settings->plan = find_plan(&settings->options, like, error))) {
        settings_release(settings);
        return NULL;
    }
    settings->job_class = strdup(settings->options.job_class);
    if (!settings->job_class) {
        error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
        settings_release(settings);
        return NULL;
    }
    settings->options.job_class = settings->job_class;
    return settings;
}

struct settings *settings_with_class(const struct settings *settings, const char *job_class)
{
    struct settings *other = calloc(1, sizeof(*other));

    if (!other)
        return NULL;
    *other = *settings;
    other->references = 1;
    vts_client_plan_hold(other->plan);
    other->job_class = strdup(job_class);
    other->options.job_class = other->job_class;
    if (other->job_class)
        return other;
    settings_release(other);
    return NULL;
}

struct settings *settings_hold(struct settings *settings)
{
    settings->references++;
    return settings;
}

void settings_release(struct settings *settings)
{
    if (!settings || --settings->references)
        return;
    vts_client_plan_release(settings->plan);
    free(settings->job_class);
    free(settings);
}
