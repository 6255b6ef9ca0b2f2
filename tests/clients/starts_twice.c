/* SPDX-License-Identifier: MIT
 *
 * Bug 6: starts twice after a lost answer. Each attempt is a job of another id, so the service cannot tell that
 * they are one; all of them run, and are paid for. */
#include <stdio.h>

#include "tiny_http.h"

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "film";
    struct answer answer;
    char id[100];

    for (int attempt = 1; attempt <= 2; attempt++) {
        snprintf(id, sizeof(id), "%.80s-%d", name, attempt); /* the bug: the id has to stay */
        if (http_start(id, &answer) && answer.status == 200) {
            printf("started\n");
            return 0;
        }
        http_pause(10);
    }
    printf("not started: the service does not answer\n");
    return 1;
}
