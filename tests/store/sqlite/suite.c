/* SPDX-License-Identifier: MIT
 *
 * The SQLite store through the suite: all tests of one thread, or with --threads those of many. */
#include "../rig.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "folder.h"
#include "store/sqlite_file.h"

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

VTS_EXPORT const struct store_module *sqlite_LTX_vts_store(void);

static char folder[FOLDER_ROOM], path[FOLDER_ROOM + 16];
static const struct sqlite_settings settings = {.path = path};
static struct store_options given;
static pthread_t tester;
static sem_t rings[RIG_PORTS];

/* The writer rings when it has committed, which the suite does not count: `turn` waits for it. */
static void on_ring(void *arg, size_t port)
{
    if (pthread_equal(pthread_self(), tester))
        given.ring(arg, port);
    sem_post(&rings[port]);
}

static struct store *create(const struct store_options *options)
{
    struct store_options ours = *options;
    struct vts_error error;
    struct store *store;

    tester = pthread_self();
    given = *options;
    ours.ring = on_ring;
    unlink(path); /* its log is gone since the clean end of the last one */
    store = sqlite_LTX_vts_store()->open(&ours, &settings, &error);
    if (!store)
        fail_msg("%s", error.message);
    assert_true(store_attach(store_port(store, 0), NULL));
    return store;
}

/* Nothing that is due; only what was waited for. */
static void turn(struct store *store, size_t port)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    assert_int_equal(sem_timedwait(&rings[port], &until), 0);
    store_run_due(store_port(store, port), 0, 0);
}

int main(int argc, char **argv)
{
    static const struct suite_kind kind = {.name = "sqlite", .create = create, .turn = turn};
    bool threads = argc > 1 && strcmp(argv[1], "--threads") == 0;
    int failed;

    for (size_t i = 0; i < RIG_PORTS; i++)
        sem_init(&rings[i], 0, 0);
    folder_make(folder);
    snprintf(path, sizeof(path), "%s/jobs.db", folder);
    failed = threads ? suite_run_threads(&kind) : suite_run(&kind);
    folder_remove(folder);
    return failed;
}
