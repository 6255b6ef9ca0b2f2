/* SPDX-License-Identifier: MIT
 *
 * A client as somebody writes it who has installed vtsim: waiter URL JOB-ID runs the job, says how
 * it ended, and exits 0 where it completed. */
#include <stdio.h>
#include <vtsim/client.h>

int main(int argc, char **argv)
{
    struct vts_client_options options;
    struct vts_client *client;
    const struct vts_client_result *result;
    int status = 1;

    if (argc != 3)
        return 2;
    vts_client_options_init(&options);
    options.url = argv[1];
    options.initial_ms = 50;
    options.deadline_ms = 20000;
    client = vts_client_create(NULL, &options, NULL);
    result = vts_client_run_sync(client, argv[2], NULL);
    if (result->error.code == VTS_CLIENT_OK) {
        printf("%s\n", vts_client_status_name(result->job->status));
        status = result->job->status == VTS_CLIENT_COMPLETED ? 0 : 1;
    } else {
        fprintf(stderr, "waiter: %s\n", result->error.message);
    }
    vts_client_destroy(client);
    return status;
}
