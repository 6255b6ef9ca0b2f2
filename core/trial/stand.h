/* SPDX-License-Identifier: MIT
 *
 * What a filter is tried around: it has no jobs of its own. Inside the room trial/. */
#ifndef VTSIM_TRIAL_STAND_H
#define VTSIM_TRIAL_STAND_H

#include "../behaviours/instance.h"

/* How long its jobs take: each completes after that, come what may. */
#define STAND_SPAN INT64_C(3600000)

/* A behaviour with this filter, which is in the set, around it. NULL where there was no memory. */
struct instance *stand_create(const struct instance *filter, struct vts_error *error);

#endif
