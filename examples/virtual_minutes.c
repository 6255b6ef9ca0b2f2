/* SPDX-License-Identifier: MIT
 *
 * A test in C, with a vtsimd of its own: a job of ten minutes, and a client that polls it every half a minute, in
 * milliseconds. The client waits by the server's clock, which goes on when it sleeps. Built with
 * cc -o virtual_minutes virtual_minutes.c $(pkg-config --cflags --libs vtsim-client vtsim-harness). */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <vtsim/client.h>
#include <vtsim/harness.h>

int main(void)
{
    static const char *const settings[] = {
        "clock/mode=virtual", "behaviour long/plugin=fixed_delay", "behaviour long/delay=10m",
        "server/behaviour=long", NULL};
    struct vts_harness_server *server =
        vts_harness_server_start(VTS_HARNESS_SERVER(.settings = settings), NULL);
    const char *url = vts_harness_server_url(server);
    struct vts_client_clock *clock =
        vts_client_clock_server(VTS_CLIENT_CLOCK_SERVER(.url = url), NULL);
    struct vts_client_plan *plan = vts_client_plan_fixed(30000, 0, NULL);
    const struct vts_client_result *result;
    struct vts_client_options options;
    struct vts_client *client;

    vts_client_options_init(&options);
    options.url = url;
    options.plan = plan;
    options.clock = clock; /* this is all that it takes, */
    options.seed = 1;      /* and this makes it the same each time */
    client = vts_client_create(NULL, &options, NULL);
    result = vts_client_run_sync(client, "film", NULL);
    assert(result->error.code == VTS_CLIENT_OK && result->job->status == VTS_CLIENT_COMPLETED);
    assert(result->elapsed_ms >= 600000 && result->elapsed_ms < 630000);
    assert(result->polls == 20 || result->polls == 21); /* the first wait is drawn */
    printf("%.3f simulated seconds, %d polls\n", (double)result->elapsed_ms / 1000,
           (int)result->polls);
    vts_client_destroy(client);
    vts_client_plan_release(plan);
    vts_client_clock_release(clock);
    vts_harness_server_destroy(server);
    return 0;
}
