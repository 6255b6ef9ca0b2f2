/* SPDX-License-Identifier: MIT
 *
 * A temporary folder. See folder.h. */
#include "folder.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

void folder_make(char path[FOLDER_ROOM])
{
    const char *parent = getenv("TMPDIR");

    snprintf(path, FOLDER_ROOM, "%s/vtsim-test.XXXXXX", parent && *parent ? parent : "/tmp");
    if (!mkdtemp(path))
        fail_msg("%s: %s", path, strerror(errno));
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *place)
{
    (void)stat;
    (void)kind;
    (void)place;
    return remove(path);
}

void folder_remove(const char *path) { nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS); }

long long folder_number(const char *variable, long long fallback)
{
    const char *text = getenv(variable);
    long long number;
    char *end;

    if (!text || !*text)
        return fallback;
    errno = 0;
    number = strtoll(text, &end, 10);
    if (errno || *end || number <= 0)
        fail_msg("%s=%s is not a whole number above 0", variable, text);
    return number;
}
