/* SPDX-License-Identifier: MIT
 *
 * Bug 4: ignores Retry-After. It tries five times, as a careful client does, and all five are over long before
 * the service said that it would answer again. */
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
    for (int failures = 0; failures < 5;) {
        http_pause(10); /* the bug: answer.retry_after is more */
        if (!http_poll(id, &answer) || answer.status != 200) {
            printf("status %d, retry after %d s\n", answer.status, answer.retry_after);
            failures++;
            continue;
        }
        http_status(&answer, status, sizeof(status));
        if (strcmp(status, "pending") != 0) {
            printf("%s\n", status);
            return 0;
        }
        failures = 0;
    }
    printf("gave up\n");
    return 1;
}
