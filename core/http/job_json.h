/* SPDX-License-Identifier: MIT
 *
 * A job as the full API tells it, inside the room http/: the object that GET /jobs/{id}, a listing and a
 * batch have in common. */
#ifndef VTSIM_HTTP_JOB_JSON_H
#define VTSIM_HTTP_JOB_JSON_H

#include "../service/service.h"

/* Adds the object. `instance` is the job's, NULL where that is not there any more. Where `bent` is not NULL, its
 * word is told instead of the true one, or none. */
void job_json(struct text *body, const struct job *job, const struct instance *instance,
              uint64_t polls, vts_ms now, const struct vts_answer *bent);

/* Adds `, "NAME": "2026-01-01T00:00:00.000Z"`; null for RECORD_NEVER. */
void job_json_moment(struct text *body, const char *name, vts_ms moment);

#endif
