/* SPDX-License-Identifier: MIT
 *
 * Which rule a job falls under: the patterns of [rule NAME] sections against what is known of a job when it
 * is asked for. Knows no behaviour. */
#ifndef VTSIM_SERVICE_RULES_H
#define VTSIM_SERVICE_RULES_H

#include "../config/config.h"
#include "../jobs/record.h"

struct json_object;

/* What is known of a job that a client asks to start. */
struct asked {
    struct bytes id;
    struct json_object *input; /* or NULL */
    /* Value number `index` (from 0) of the request's headers with this name, whose case does not count; NULL:
     * there are no more. NULL itself: there are no headers. */
    const char *(*header)(const void *request, const char *name, size_t index);
    const void *request;
};

/* The first rule that matches; config->rule_count where none does. */
size_t rules_match(const struct config *config, const struct asked *asked);

#endif
