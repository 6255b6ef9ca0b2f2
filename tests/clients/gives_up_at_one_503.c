/* SPDX-License-Identifier: MIT
 *
 * Bug 3: gives up at one 503. The job goes on, and nobody will fetch what it makes. */
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
    do {
        http_pause(10);
        if (!http_poll(id, &answer) || answer.status != 200) { /* the bug: it may pass */
            printf("the job failed: status %d\n", answer.status);
            return 1;
        }
        http_status(&answer, status, sizeof(status));
    } while (strcmp(status, "pending") == 0);
    printf("%s\n", status);
    return 0;
}
