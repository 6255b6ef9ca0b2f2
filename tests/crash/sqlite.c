/* SPDX-License-Identifier: MIT
 *
 * Kills a vtsimd that keeps its jobs in SQLite, again and again, with SIGKILL, while clients start and
 * poll at full speed; sometimes while it is still starting. After each restart all is there.
 *
 *   VTSIM_CRASH_ROUNDS   kills (see CMakeLists.txt)
 *   VTSIM_CRASH_SEED     what chance starts from; printed where a test fails (1) */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clients.h"
#include "folder.h"
#include "http.h"
#include "run.h"
#include "vtsimd.h"

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

#define CONNECTIONS    32
#define STARTS_A_ROUND 300
#define LONGEST_ROUND  350 /* ms */
#define COMPARED       200

static char folder[FOLDER_ROOM], path_option[FOLDER_ROOM + 64], path[FOLDER_ROOM + 16];

static const char *const arguments[] = {"-s",
                                        "store/kind=sqlite",
                                        "-s",
                                        path_option,
                                        "-s",
                                        "server/workers=2",
                                        "-s",
                                        "server/log_level=warning",
                                        MODEL_ARGUMENTS,
                                        NULL};

static int setup(void **state)
{
    (void)state;
    folder_make(folder);
    snprintf(path, sizeof(path), "%s/jobs.db", folder);
    snprintf(path_option, sizeof(path_option), "store/path=%s", path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

/* Its log says nothing: no job was passed over, nothing could not be written. */
static void assert_silent(struct vtsimd *vtsimd, const struct model *model)
{
    char *log = vtsimd_log(vtsimd);

    if (*log)
        fail_msg("seed %llu, round %u: vtsimd logged:\n%s", (unsigned long long)model->seed,
                 model->round, log);
    free(log);
}

/* Starts one that does not live until it is ready, or just so. */
static void kill_a_starting_one(struct model *model)
{
    int status, ms = (int)model_random(model, 25);
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        static const char *const first[] = {VTSIM_BUILD_DIR "/bin/vtsimd", "-l", "127.0.0.1:0"};
        const char *argv[3 + sizeof(arguments) / sizeof(arguments[0])];
        int null = open("/dev/null", O_RDWR);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        memcpy(argv, first, sizeof(first));
        memcpy(argv + 3, arguments, sizeof(arguments));
        dup2(null, 1);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    run_wait(pid, run_now_ms() + ms, &status); /* it does not end by itself */
    kill(pid, SIGKILL);
    assert_true(run_wait(pid, run_now_ms() + RUN_TIMEOUT_MS, &status));
    assert_int_equal(status, 128 + SIGKILL);
}

static void remove_files(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    char name[FOLDER_ROOM + 32];

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

/* Killed while it makes its file: the next one takes that over, and the one after it finds all. */
static void what_was_half_made_is_taken(void **state)
{
    unsigned int rounds = (unsigned int)folder_number("VTSIM_CRASH_ROUNDS", CRASH_ROUNDS) / 2;
    struct http_response response;
    struct vtsimd vtsimd;
    struct model model;

    (void)state;
    model_init(&model, (uint64_t)folder_number("VTSIM_CRASH_SEED", 1));
    for (model.round = 1; model.round <= rounds; model.round++) {
        kill_a_starting_one(&model);
        vtsimd_start(&vtsimd, arguments);
        http_request(vtsimd.port, "POST", "/start", "{\"job_id\": \"a\"}", &response);
        assert_int_equal(response.status, 200);
        http_response_finish(&response);
        vtsimd_kill(&vtsimd);
        vtsimd_finish(&vtsimd);
        vtsimd_start(&vtsimd, arguments);
        http_request(vtsimd.port, "GET", "/status?job_id=a", NULL, &response);
        assert_int_equal(response.status, 200);
        http_response_finish(&response);
        vtsimd_kill(&vtsimd);
        assert_silent(&vtsimd, &model);
        vtsimd_finish(&vtsimd);
        remove_files();
    }
    model_finish(&model);
}

static void one_round(struct model *model, struct clients *clients)
{
    struct vtsimd vtsimd;

    vtsimd_start(&vtsimd, arguments);
    model_see_all(model, vtsimd.port);
    clients->ports[0] = vtsimd.port;
    clients->starts_left = STARTS_A_ROUND;
    clients_run(clients, run_now_ms() + 1 + model_random(model, LONGEST_ROUND));
    vtsimd_kill(&vtsimd);
    clients_drain(clients);
    clients->ports[0] = 0;
    assert_silent(&vtsimd, model);
    vtsimd_finish(&vtsimd);
    if (model_random(model, 4) == 0)
        kill_a_starting_one(model);
}

/* ---- at the end ---- */

static int64_t count(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    int64_t number;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

/* What people read in the file is what clients were told. */
static void check_file(const struct model *model)
{
    sqlite3_stmt *statement;
    char id[MODEL_ID_ROOM];
    sqlite3 *db;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(count(db, "SELECT count(*) FROM job"), (int64_t)model->count);
    assert_int_equal(count(db, "SELECT count(*) FROM job WHERE ended_at IS NULL OR state NOT IN "
                               "('completed', 'failed')"),
                     0);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT started_at, ended_at FROM job WHERE id = ?", -1,
                                        &statement, NULL),
                     SQLITE_OK);
    for (size_t i = 0; i < model->count; i++) {
        model_id(i, id);
        sqlite3_bind_text(statement, 1, id, -1, SQLITE_STATIC);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int64(statement, 0), model->jobs[i].started_at);
        assert_int_equal(sqlite3_column_int64(statement, 1), model->jobs[i].ended_at);
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

/* The same jobs in a vtsimd that nobody kills go the same way. */
static void check_fates(struct model *model)
{
    static const char *const memory[] = {"-s", "server/workers=1", MODEL_ARGUMENTS, NULL};
    struct model twin;
    struct clients clients;
    struct vtsimd vtsimd;

    model_init(&twin, model->seed);
    clients_init(&clients, &twin, CONNECTIONS);
    while (twin.count < COMPARED && twin.count < model->count)
        model_add(&twin);
    vtsimd_start(&vtsimd, memory);
    clients.servers = 1;
    clients.ports[0] = vtsimd.port;
    clients_end_all(&clients, RUN_TIMEOUT_MS);
    for (size_t i = CHANCE; i < twin.count; i += MODEL_KINDS) {
        const struct model_job *ours = &model->jobs[i], *its = &twin.jobs[i];

        if (ours->ended_at - ours->started_at != its->ended_at - its->started_at ||
            strcmp(strstr(ours->end, "\"result\""), strstr(its->end, "\"result\"")) != 0)
            model_contradicts(model, i, "its fate is another than without a crash", its->end);
    }
    clients_finish(&clients);
    vtsimd_finish(&vtsimd);
    model_finish(&twin);
}

static void nothing_is_lost_over_kills(void **state)
{
    unsigned int rounds = (unsigned int)folder_number("VTSIM_CRASH_ROUNDS", CRASH_ROUNDS);
    struct model model;
    struct clients clients;
    struct vtsimd vtsimd;

    (void)state;
    model_init(&model, (uint64_t)folder_number("VTSIM_CRASH_SEED", 1));
    clients_init(&clients, &model, CONNECTIONS);
    clients.servers = 1;
    for (model.round = 1; model.round <= rounds; model.round++)
        one_round(&model, &clients);
    vtsimd_start(&vtsimd, arguments);
    model_see_all(&model, vtsimd.port);
    clients.ports[0] = vtsimd.port;
    clients_end_all(&clients, RUN_TIMEOUT_MS);
    model_see_all(&model, vtsimd.port);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    assert_silent(&vtsimd, &model);
    vtsimd_finish(&vtsimd);
    check_file(&model);
    check_fates(&model);
    print_message(
        "seed %llu: %u kills, %zu jobs, %llu starts and %llu polls answered, %llu requests "
        "cut off\n",
        (unsigned long long)model.seed, rounds, model.count, (unsigned long long)clients.starts,
        (unsigned long long)clients.polls, (unsigned long long)clients.broken);
    clients_finish(&clients);
    model_finish(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_half_made_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_lost_over_kills, setup, teardown),
    };

    return cmocka_run_group_tests_name("crash_sqlite", tests, NULL, NULL);
}
