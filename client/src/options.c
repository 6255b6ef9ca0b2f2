/* SPDX-License-Identifier: MIT
 *
 * Options: defaults, ranges, and the rule for structs of another version. See options.h. */
#include "options.h"

#include <string.h>

#include "error.h"
#include "plans.h"
#include "utf8.h"

#define DAY_MS  INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)

static const struct vts_client_options defaults = {.size = sizeof(struct vts_client_options),
                                                   .url = "http://127.0.0.1:5000",
                                                   .initial_ms = 500,
                                                   .factor = 1.5,
                                                   .cap_ms = 10000,
                                                   .jitter = 0.1,
                                                   .deadline_ms = 0,
                                                   .request_timeout_ms = 10000,
                                                   .max_errors = 10,
                                                   .max_connections = 16,
                                                   .cost_ms = 1000,
                                                   .job_class = "",
                                                   .long_poll_ms = 20000,
                                                   .max_batch = 100,
                                                   .retry_budget = 100};

void vts_client_options_defaults(struct vts_client_options *options, size_t size)
{
    /* A program made for a newer version has a longer struct: what we do not know stays zero. */
    memset(options, 0, size);
    memcpy(options, &defaults, size < sizeof(defaults) ? size : sizeof(defaults));
    options->size = size;
}

bool options_adopt(void *ours, size_t room, const void *theirs, const char *name,
                   struct vts_client_error *error)
{
    size_t size;

    memcpy(&size, theirs, sizeof(size)); /* it is the first member of all of them */
    if (size < sizeof(size))
        return error_set(error, VTS_CLIENT_ERR_INVALID, 0, "%s: size is not set", name);
    for (size_t i = room; i < size; i++) {
        if (((const char *)theirs)[i])
            return error_set(error, VTS_CLIENT_ERR_INVALID, 0,
                             "%s: uses members that this version of the library does not have",
                             name);
    }
    memcpy(ours, theirs, size < room ? size : room);
    return true;
}

static bool check_range(const char *name, int64_t value, int64_t min, int64_t max,
                        struct vts_client_error *error)
{
    if (value >= min && value <= max)
        return true;
    return error_set(error, VTS_CLIENT_ERR_INVALID, 0, "%s: %lld is not within %lld to %lld", name,
                     (long long)value, (long long)min, (long long)max);
}

static bool check_real(const char *name, double value, double min, double max,
                       struct vts_client_error *error)
{
    if (value >= min && value <= max) /* false for NaN */
        return true;
    return error_set(error, VTS_CLIENT_ERR_INVALID, 0, "%s: %g is not within %g to %g", name, value,
                     min, max);
}

bool options_check_class(const char *job_class, struct vts_client_error *error)
{
    size_t length = job_class ? strlen(job_class) : 0;

    if (!job_class || length > PLAN_CLASS_MAX)
        return error_set(error, VTS_CLIENT_ERR_INVALID, 0, "job_class: has 0 to %d bytes",
                         PLAN_CLASS_MAX);
    for (size_t at = 0, bytes; at < length; at += bytes) {
        bytes = utf8_printable(job_class + at, length - at);
        if (!bytes)
            return error_set(error, VTS_CLIENT_ERR_INVALID, 0,
                             "job_class: \"%s\" is not UTF-8 or has a control character",
                             job_class);
    }
    return true;
}

bool options_read(struct vts_client_options *ours, const struct vts_client_options *theirs,
                  struct vts_client_error *error)
{
    *ours = defaults;
    if (!theirs)
        return true;
    if (!options_adopt(ours, sizeof(*ours), theirs, "options", error))
        return false;
    if (!ours->url)
        return error_set(error, VTS_CLIENT_ERR_INVALID, 0, "url: is not set");
    return options_check_class(ours->job_class, error) &&
           check_range("initial_ms", ours->initial_ms, 1, DAY_MS, error) &&
           check_real("factor", ours->factor, 1, 100, error) &&
           check_range("cap_ms", ours->cap_ms, ours->initial_ms, DAY_MS, error) &&
           check_real("jitter", ours->jitter, 0, 1, error) &&
           check_range("deadline_ms", ours->deadline_ms, 0, INT64_MAX / 4, error) &&
           check_range("request_timeout_ms", ours->request_timeout_ms, 1, DAY_MS, error) &&
           check_range("max_errors", ours->max_errors, 1, INT32_MAX, error) &&
           check_range("max_connections", ours->max_connections, 1, 1024, error) &&
           check_range("cost_ms", ours->cost_ms, 0, DAY_MS, error) &&
           check_range("retry_after", ours->retry_after, VTS_CLIENT_RETRY_AFTER_FLOOR,
                       VTS_CLIENT_RETRY_AFTER_IGNORE, error) &&
           check_range("on_deadline", ours->on_deadline, VTS_CLIENT_ON_DEADLINE_LEAVE,
                       VTS_CLIENT_ON_DEADLINE_CANCEL, error) &&
           check_range("long_poll_ms", ours->long_poll_ms, 0, HOUR_MS, error) &&
           check_range("max_batch", ours->max_batch, 1, 100, error) &&
           check_range("retry_budget", ours->retry_budget, 1, 1000000, error);
}
