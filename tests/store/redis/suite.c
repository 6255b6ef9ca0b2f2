/* SPDX-License-Identifier: MIT
 *
 * The Redis store through the suite: all tests of one thread, or with --threads those of many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "replica.h"
#include "server.h"

#include <cmocka.h>

static struct redis_process process;
static struct redis_settings settings = {.prefix = "suite:", .timeout = 20000};
static struct event_base *loops[RIG_PORTS];

static struct store *create(const struct store_options *options)
{
    struct vts_error error;
    struct store *store;

    redis_do(&process, "FLUSHALL");
    store = redis_LTX_vts_store()->open(options, &settings, &error);
    if (!store)
        fail_msg("%s", error.message);
    for (size_t i = 0; i < options->ports; i++) {
        /* a store may be made anew before the clean() of the last */
        if (loops[i])
            event_base_free(loops[i]);
        loops[i] = event_base_new();
        assert_non_null(loops[i]);
        assert_true(store_attach(store_port(store, i), loops[i]));
    }
    return store;
}

static void turn(struct store *store, size_t port)
{
    (void)store;
    event_base_loop(loops[port], EVLOOP_ONCE);
}

static void clean(void)
{
    for (size_t i = 0; i < RIG_PORTS; i++) {
        if (loops[i])
            event_base_free(loops[i]);
        loops[i] = NULL;
    }
}

int main(int argc, char **argv)
{
    static const struct suite_kind kind = {
        .name = "redis", .create = create, .turn = turn, .clean = clean, .shared = true};
    bool threads = argc > 1 && strcmp(argv[1], "--threads") == 0;
    int failed;

    redis_process_start(&process, NULL);
    settings.url = process.url;
    failed = threads ? suite_run_threads(&kind) : suite_run(&kind);
    redis_process_finish(&process);
    return failed;
}
