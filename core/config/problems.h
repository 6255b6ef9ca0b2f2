/* SPDX-License-Identifier: MIT
 *
 * What is wrong with a configuration, in the order in which it was found, so that one run can tell
 * all of it. Each problem is one line: `vtsimd.ini:12: [behaviour quick] delay: ...`. One that has a place
 * in a longer text may show it, on two lines more. Knows nothing of where problems come from. */
#ifndef VTSIM_CONFIG_PROBLEMS_H
#define VTSIM_CONFIG_PROBLEMS_H

#include "../base/text.h"

struct problems {
    struct text lines; /* each ends with a newline */
    size_t count;
};

#define PROBLEMS_INIT                                                                              \
    {                                                                                              \
        TEXT_INIT, 0                                                                               \
    }

void problems_finish(struct problems *problems);

/* Adds one line. `where` is "vtsimd.ini:12", "-s" or NULL; `section` and `key` may be NULL. What is
 * left out leaves no mark: "vtsimd.ini:12: [server]: ...", "vtsimd.ini: ...". Control characters and
 * broken UTF-8 are written as escapes, so it is one line whatever it quotes. */
VTS_PRINTF(5, 6)
void problems_add(struct problems *problems, const char *where, const char *section,
                  const char *key, const char *format, ...);

/* Shows the place of the problem that was just added: a line of text, and below it a ^ under the byte at
 * `column` (from 1). Both are indented; of a long line the part around the place is shown; the same escapes
 * are used. */
void problems_show(struct problems *problems, const char *line, size_t length, size_t column);

/* Adds text from elsewhere with those escapes, so that it cannot spoil the line. */
void problems_clean(struct text *out, const char *bytes, size_t length);

/* Text as messages quote it: in double quotes, cut where it is long, with the same escapes. Returned
 * as it is, so that a call can stand among printf's arguments: problems_quote(a, n).text. */
struct quoted {
    char text[80];
};
struct quoted problems_quote(const char *bytes, size_t length);

#endif
