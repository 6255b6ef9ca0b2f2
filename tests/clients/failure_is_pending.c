/* SPDX-License-Identifier: MIT
 *
 * Bug 1: takes failure for still running. It waits for the one word it likes to hear. */
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
        if (!http_poll(id, &answer) || answer.status != 200 ||
            !http_status(&answer, status, sizeof(status))) {
            printf("the service makes no sense\n");
            return 1;
        }
        if (strcmp(status, "completed") == 0) { /* the bug: a job can end otherwise */
            printf("completed\n");
            return 0;
        }
    }
    printf("too slow: not completed after 20 polls\n");
    return 1;
}
