/* SPDX-License-Identifier: MIT
 *
 * Bug 8: believes a state that goes back. It watches a job as a dashboard does, over and over, and acts whenever
 * it sees it become completed. A replica that lags behind, or a cache, makes that happen twice. */
#include <stdio.h>
#include <string.h>

#include "tiny_http.h"

int main(int argc, char **argv)
{
    const char *id = argc > 1 ? argv[1] : "film";
    char status[64], before[64] = "pending";
    struct answer answer;

    if (!http_start(id, &answer) || answer.status != 200) {
        printf("cannot start the job\n");
        return 1;
    }
    for (int looks = 0; looks < 4; looks++) {
        http_pause(10);
        if (!http_poll(id, &answer) || answer.status != 200 ||
            !http_status(&answer, status, sizeof(status)))
            continue;
        if (strcmp(status, "completed") == 0 && strcmp(before, "completed") != 0)
            printf("publishes %s\n", id);
        strcpy(before, status); /* the bug: an end is final, whatever is told later */
    }
    return 0;
}
