/* SPDX-License-Identifier: MIT
 *
 * What a terminal shows of jobs that are waited for: a line each, rewritten as time goes by. Knows nothing of
 * servers. */
#ifndef VTSIM_CLI_PROGRESS_H
#define VTSIM_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One line. */
struct progress {
    const char *id;
    double progress;             /* below 0: not known */
    const char *trouble;         /* why the last poll failed; NULL: it did not */
    int64_t elapsed_ms, next_ms; /* next_ms below 0: a request is under way */
};

/* What stands there. */
struct screen {
    size_t drawn; /* lines */
};

/* Can standard output show lines that are rewritten? */
bool progress_is_terminal(void);

/* Draws them over what was drawn before; those that find no room are counted. */
void progress_draw(struct screen *screen, const struct progress lines[], size_t count);
void progress_clear(struct screen *screen);

#endif
