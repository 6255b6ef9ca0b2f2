/* SPDX-License-Identifier: MIT
 *
 * Starts a job and waits for its end, blocking: `wait_blocking [ID [URL]]`. */
#include <stdio.h>
#include <vtsim/client.h>

int main(int argc, char **argv)
{
    struct vts_client_options options;
    const struct vts_client_result *result;
    struct vts_client *client;
    int failed;

    vts_client_options_init(&options);
    if (argc > 2)
        options.url = argv[2];
    client = vts_client_create(NULL, &options, NULL);
    result = vts_client_run_sync(client, argc > 1 ? argv[1] : "translate_video_1", NULL);
    failed = result->error.code != VTS_CLIENT_OK;
    if (failed)
        fprintf(stderr, "%s\n", result->error.message);
    else
        printf("%s: %s\n", result->job->id, vts_client_status_name(result->job->status));
    vts_client_destroy(client);
    return failed;
}
