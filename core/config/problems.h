/* SPDX-License-Identifier: MIT
 *
 * What is wrong with a configuration, in the order in which it was found, so that one run can tell
 * all of it. Each problem is one line: `vtsimd.ini:12: [behaviour quick] delay: ...`. */
#ifndef VTSIM_CONFIG_PROBLEMS_H
#define VTSIM_CONFIG_PROBLEMS_H

#include "../base/text.h"

struct problems {
    struct text lines; /* each ends with a newline */
    size_t count;
};

#define PROBLEMS_INIT {TEXT_INIT, 0}

void problems_finish(struct problems *problems);

/* Adds one line. `where` is "vtsimd.ini:12", "-s" or NULL; `section` and `key` may be NULL. */
VTS_PRINTF(5, 6)
void problems_add(struct problems *problems, const char *where, const char *section, const char *key,
                  const char *format, ...);

#endif
