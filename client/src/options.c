/* SPDX-License-Identifier: MIT
 *
 * Options: defaults, ranges, and the rule for structs of another version. See options.h. */
#include "options.h"

#include <string.h>

#include "error.h"

#define DAY_MS INT64_C(86400000)

static const struct vts_client_options defaults = {.size = sizeof(struct vts_client_options),
                                                   .url = "http://127.0.0.1:5000",
                                                   .initial_ms = 500,
                                                   .factor = 1.5,
                                                   .cap_ms = 10000,
                                                   .jitter = 0.1,
                                                   .deadline_ms = 0,
                                                   .request_timeout_ms = 10000,
                                                   .max_errors = 10,
                                                   .max_connections = 16};

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
    return check_range("initial_ms", ours->initial_ms, 1, DAY_MS, error) &&
           check_real("factor", ours->factor, 1, 100, error) &&
           check_range("cap_ms", ours->cap_ms, ours->initial_ms, DAY_MS, error) &&
           check_real("jitter", ours->jitter, 0, 1, error) &&
           check_range("deadline_ms", ours->deadline_ms, 0, INT64_MAX / 4, error) &&
           check_range("request_timeout_ms", ours->request_timeout_ms, 1, DAY_MS, error) &&
           check_range("max_errors", ours->max_errors, 1, INT32_MAX, error) &&
           check_range("max_connections", ours->max_connections, 1, 1024, error);
}
