/* SPDX-License-Identifier: MIT
 *
 * Behaviours with some settings laid over: what a request asks for that names options of its own. Knows no
 * request. */
#ifndef VTSIM_BEHAVIOURS_OVERLAY_H
#define VTSIM_BEHAVIOURS_OVERLAY_H

#include "instance.h"

/* Which kind of value was given; each stands as it would in the INI file. */
enum setting_form { SETTING_TEXT, SETTING_NUMBER, SETTING_BOOL, SETTING_LIST };

struct setting {
    const char *key, *value;
    enum setting_form form;
};

/* How messages call where the settings come from. */
#define OVERLAY_ORIGIN "options"

/* What to begin with: an instance, or where that is NULL, a plugin under its own name with its fallbacks, and
 * these filters around it. */
struct overlay_base {
    const struct instance *like;
    const struct vts_plugin *plugin;
    const struct instance *const *filters;
    size_t filter_count;
};

/* Opens one: the base's settings, but for these. It is in no set yet, while the base's filters are in one and
 * have users. NULL where there was a problem. */
struct instance *overlay_open(const struct overlay_base *base, const struct setting *settings,
                              size_t count, struct problems *problems);

#endif
