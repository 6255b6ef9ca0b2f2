/* SPDX-License-Identifier: MIT
 *
 * Which rule a job falls under: the patterns of [rule NAME] sections against what is known of a job when it
 * is asked for. Knows no behaviour. */
#ifndef VTSIM_SERVICE_RULES_H
#define VTSIM_SERVICE_RULES_H

#include "../config/config.h"
#include "../jobs/record.h"

/* A field of the input that is one value. */
struct asked_field {
    const char *text; /* of a number or a switch: as it is written */
    bool is_number, is_whole;
    double number;
};

/* What is known of a job that a client asks to start. */
struct asked {
    struct bytes id;
    /* The field at the end of a way of names with dots between them. False: it is not there, or it is no
     * single value. NULL itself: there is no input. */
    bool (*field)(const void *request, const char *way, struct asked_field *field);
    /* Value number `index` (from 0) of the request's headers with this name, whose case does not count; NULL:
     * there are no more. NULL itself: there are no headers. */
    const char *(*header)(const void *request, const char *name, size_t index);
    const void *request;
};

/* The first rule that matches; config->rule_count where none does. */
size_t rules_match(const struct config *config, const struct asked *asked);

#endif
