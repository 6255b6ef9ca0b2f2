/* SPDX-License-Identifier: MIT
 *
 * The filters around a job's behaviour, inside the room jobs/: who is asked, in which order, and what the
 * client is told when several have something to say. Nothing here moves a job or changes its record. */
#ifndef VTSIM_JOBS_FILTER_H
#define VTSIM_JOBS_FILTER_H

#include "engine.h"

/* Adds what a hook said to what was said before it, which stands nearer to the client: what that has set
 * stays, the rest is filled in, and stalls add up. */
void answer_add(struct engine_work *work, const struct hook *hook);

/* Asks the filters around `instance` about a start (`number` is that of the attempt) or a poll. True where
 * one of them answers in the service's place: nobody behind it is asked. */
bool filters_admit(struct engine_work *work, const struct instance *instance, uint64_t number,
                   vts_ms now);
bool filters_poll(struct engine_work *work, const struct instance *instance, uint64_t number,
                  vts_ms now);

#endif
