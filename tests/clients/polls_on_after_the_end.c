/* SPDX-License-Identifier: MIT
 *
 * Bug 5: polls on after the end. It does its jobs one after the other, and looks at all that it ever started;
 * services forget jobs that have ended. */
#include <stdio.h>
#include <string.h>

#include "tiny_http.h"

#define JOBS_MAX 16

int main(int argc, char **argv)
{
    int jobs = argc - 1 < JOBS_MAX ? argc - 1 : JOBS_MAX;
    char status[JOBS_MAX][64];
    struct answer answer;

    for (int last = 0; last < jobs; last++) {
        if (!http_start(argv[1 + last], &answer) || answer.status != 200) {
            printf("cannot start the job\n");
            return 1;
        }
        do {
            http_pause(10);
            for (int i = 0; i <= last; i++) { /* the bug: those before have ended */
                if (!http_poll(argv[1 + i], &answer) || answer.status == 404)
                    strcpy(status[i], "lost");
                else
                    http_status(&answer, status[i], sizeof(status[i]));
            }
        } while (strcmp(status[last], "pending") == 0);
    }
    for (int i = 0; i < jobs; i++)
        printf("%s: %s\n", argv[1 + i], status[i]);
    return 0;
}
