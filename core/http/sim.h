/* SPDX-License-Identifier: MIT
 *
 * What the handlers of the control side share. As in request.h, what is wrong with a request is answered where it
 * is found, and the exchange is gone then. */
#ifndef VTSIM_HTTP_SIM_H
#define VTSIM_HTTP_SIM_H

#include "request.h"
#include "routes.h"

/* Reads the body, which must be an object with no other members than these (NULL-terminated); they are named in
 * the message as `takes` says. And takes no query. */
bool sim_body(struct exchange *exchange, const char *const *known, const char *takes);
bool sim_no_query(struct exchange *exchange);

/* A member that is a string; NULL where it is not given and need not be. */
bool sim_string(struct exchange *exchange, const char *name, bool required, const char **value,
                size_t *length);
/* A member that is a TIME such as "30s", from 0 to PACE_SPAN_MAX. */
bool sim_span(struct exchange *exchange, const char *name, vts_ms *span);

/* A section, as the control side tells it. */
struct sim_section {
    const char *kind, *name;
    const char *more,
        *more_value; /* a setting that is in no table: plugin, or kind; or NULL; no value: it is not told */
    const struct vts_option *table;
    const void *settings;
};

/* sim_section.c. Adds an object of all its settings, by their keys; `from` is where each was written, "default" for
 * one that was not. Without an ini that is not told. */
void sim_settings(struct text *out, const struct ini *ini, const struct sim_section *section);
/* Adds where a section begins; null where there is none. */
void sim_section_from(struct text *out, const struct ini *ini, const char *kind, const char *name);

/* Answers what a pace did not do. */
void sim_refuse(struct exchange *exchange, enum pace_result result, const struct vts_error *error);

#endif
