/* SPDX-License-Identifier: MIT
 *
 * Starts a job and waits for its end, blocking, in ten lines: `blocking [ID]`, at $VTSIM_URL. */
#include <stdio.h>
#include <stdlib.h>
#include <vtsim/client.h>

int main(int argc, char **argv)
{
    struct vts_client_options options;
    vts_client_options_init(&options);
    options.url = getenv("VTSIM_URL") ? getenv("VTSIM_URL") : options.url;
    struct vts_client *client = vts_client_create(NULL, &options, NULL);
    const struct vts_client_result *result =
        vts_client_run_sync(client, argc > 1 ? argv[1] : "film", NULL);
    int failed = result->error.code != VTS_CLIENT_OK;
    printf("%s\n", failed ? result->error.message : vts_client_status_name(result->job->status));
    vts_client_destroy(client);
    return failed;
}
