/* SPDX-License-Identifier: MIT
 *
 * Bug 2: swallows what is not JSON until the deadline. Whatever cannot be read is looked for again. */
#include <stdio.h>
#include <string.h>

#include "tiny_http.h"

int main(int argc, char **argv)
{
    const char *id = argc > 1 ? argv[1] : "film";
    struct answer answer;
    char status[64];

    if (!http_start(id, &answer) || answer.status != 200) {
        printf("cannot start the job\n");
        return 1;
    }
    for (int polls = 0; polls < 20; polls++) {
        http_pause(10);
        if (!http_poll(id, &answer) || !http_status(&answer, status, sizeof(status)))
            continue; /* the bug: nobody counts these, and nobody hears of them */
        if (strcmp(status, "completed") == 0 || strcmp(status, "error") == 0) {
            printf("%s\n", status);
            return 0;
        }
    }
    printf("too slow: not completed after 20 polls\n");
    return 1;
}
