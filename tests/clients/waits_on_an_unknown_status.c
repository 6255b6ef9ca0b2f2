/* SPDX-License-Identifier: MIT
 *
 * Bug 7: waits for ever on an unknown status. What is not one of the two ends that it knows must be on its way
 * there. (For ever is 20 polls here.) */
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
        if (strcmp(status, "completed") == 0 || strcmp(status, "error") == 0) {
            printf("%s\n", status); /* the bug: all else is taken for "pending" */
            return 0;
        }
    }
    printf("still waiting after 20 polls\n");
    return 1;
}
