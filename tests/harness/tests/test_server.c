/* SPDX-License-Identifier: MIT
 *
 * Tests of tests/harness/server.c and keeper.c: a vtsimd that is found, serves, tells why it does not, and ends
 * with the process that started it, whatever ends that. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <vtsim/harness.h>

#include "folder.h"
#include "http.h"

#define DEADLINE_MS 20000

static struct vts_harness_server_options none;

/* One status of a fresh job, asked for by HTTP. */
static void assert_serves(struct vts_harness_server *server, const char *id, const char *status)
{
    struct http_response response;
    char body[100], target[100];

    snprintf(body, sizeof(body), "{\"job_id\": \"%s\"}", id);
    snprintf(target, sizeof(target), "/status?job_id=%s", id);
    http_request(vts_harness_server_port(server), "POST", "/start", body, &response);
    assert_int_equal(response.status, 200);
    http_response_finish(&response);
    http_request(vts_harness_server_port(server), "GET", target, NULL, &response);
    assert_int_equal(response.status, 200);
    assert_non_null(strstr(response.body, status));
    http_response_finish(&response);
    assert_true(vts_harness_server_running(server));
}

static void it_serves_until_it_is_stopped(void **state)
{
    struct vts_harness_server *server = vts_harness_server_start(NULL, NULL);
    char url[64];

    (void)state;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", vts_harness_server_port(server));
    assert_string_equal(vts_harness_server_url(server), url);
    assert_true(vts_harness_server_pid(server) > 1);
    assert_serves(server, "a", "pending");
    assert_int_equal(vts_harness_server_stop(server), 0);
    assert_false(vts_harness_server_running(server));
    assert_int_equal(vts_harness_server_stop(server), 0);
    assert_int_equal(vts_harness_server_kill(server), 0);
    assert_non_null(strstr(vts_harness_server_log(server), "finishing the answers under way"));
    vts_harness_server_destroy(server);
    vts_harness_server_destroy(NULL);
}

static void it_is_configured(void **state)
{
    static const char *const settings[] = {"behaviour mine/delay=0", "server/log_level=warning",
                                           NULL};
    static const char *const arguments[] = {"-s", "behaviour mine/delay=1h", NULL};
    struct vts_harness_server *server = vts_harness_server_start(
        VTS_HARNESS_SERVER(.config = "[server]\nbehaviour = mine\n"
                                     "[behaviour mine]\nplugin = fixed_delay\ndelay = 1h\n",
                           .settings = settings),
        NULL);

    (void)state;
    assert_serves(server, "a", "completed");
    assert_int_equal(vts_harness_server_stop(server), 0);
    assert_string_equal(vts_harness_server_log(server), "");
    vts_harness_server_destroy(server);
    server = vts_harness_server_start(
        VTS_HARNESS_SERVER(
                .config = "[server]\nbehaviour = mine\n[behaviour mine]\nplugin = fixed_delay\n",
                .settings = settings, .arguments = arguments),
        NULL);
    assert_serves(server, "a", "pending"); /* the last one counts */
    vts_harness_server_destroy(server);
}

static void a_file_and_a_folder_of_modules(void **state)
{
    char folder[FOLDER_ROOM], file[FOLDER_ROOM + 20], module[FOLDER_ROOM + 20];
    struct vts_harness_server *server;
    FILE *out;

    (void)state;
    folder_make(folder);
    snprintf(file, sizeof(file), "%s/my.ini", folder);
    snprintf(module, sizeof(module), "%s/mine.so", folder);
    out = fopen(file, "w");
    assert_non_null(out);
    fputs("[server]\nbehaviour = quick\n[behaviour quick]\nplugin = fixed_delay\ndelay = 0\n", out);
    fclose(out);
    out =
        fopen(module, "w"); /* one that cannot be used: so that it can be seen that it was found */
    assert_non_null(out);
    fclose(out);
    server = vts_harness_server_start(
        VTS_HARNESS_SERVER(.config_file = file, .plugin_path = folder), NULL);
    assert_serves(server, "a", "completed");
    assert_non_null(strstr(vts_harness_server_log(server), "mine.so is not a module"));
    vts_harness_server_destroy(server);
    folder_remove(folder);
}

/* ---- why it does not start ---- */

static void a_wrong_configuration_is_told(void **state)
{
    struct vts_error error;
    char wanted[600];

    (void)state;
    assert_null(
        vts_harness_server_start(VTS_HARNESS_SERVER(.config = "[server]\nseed = many\n"), &error));
    snprintf(wanted, sizeof(wanted),
             "%s did not start: it printed \"\", ended with 2, and logged: <stdin>:2: [server] "
             "seed: \"many\" is not a whole number; write one such as 1000\n",
             VTSIM_BUILD_DIR "/bin/vtsimd");
    assert_string_equal(error.message, wanted);
}

static void a_program_that_is_none(void **state)
{
    struct vts_error error;

    (void)state;
    none.program = "/nowhere/vtsimd";
    assert_null(vts_harness_server_start(&none, &error));
    assert_string_equal(error.message, "/nowhere/vtsimd is no program");
    none.program = "/bin/true";
    assert_null(vts_harness_server_start(&none, &error));
    assert_string_equal(error.message,
                        "/bin/true did not start: it printed \"\", ended with 0, and logged: ");
    none.program = NULL;
}

static struct vts_harness_server *start_beside(const char *beside, struct vts_error *error)
{
    struct vts_harness_place place = {__FILE__, __LINE__, NULL};

    return vts_harness_server_start_at(&none, beside, error, place);
}

static void how_it_is_found(void **state)
{
    char *path = strdup(getenv("PATH")), folder[FOLDER_ROOM], header[FOLDER_ROOM + 40],
         wanted[2 * FOLDER_ROOM + 200];
    struct vts_harness_server *server;
    struct vts_error error;

    (void)state;
    assert_non_null(path);
    folder_make(folder);
    snprintf(header, sizeof(header), "%s/include/vtsim/harness.h", folder);
    setenv("PATH", "/nowhere::/", 1);
    assert_null(start_beside(header, &error));
    snprintf(wanted, sizeof(wanted),
             "there is no vtsimd: neither %s/include/vtsim/../../bin/vtsimd nor one in the PATH; "
             "name one by the option `program` or the environment variable VTSIMD",
             folder);
    assert_string_equal(error.message, wanted);
    setenv("PATH", "/nowhere:" VTSIM_BUILD_DIR "/bin", 1);
    server = start_beside(header, &error);
    assert_non_null(server);
    vts_harness_server_destroy(server);
    setenv("PATH", path, 1);
    free(path);
    /* The place of an installed header. */
    server = start_beside(VTSIM_BUILD_DIR "/lib/vtsim/harness.h", &error);
    assert_non_null(server);
    vts_harness_server_destroy(server);
    setenv("VTSIMD", "/nowhere/vtsimd", 1);
    assert_null(start_beside(VTSIM_BUILD_DIR "/lib/vtsim/harness.h", &error));
    assert_string_equal(error.message, "the environment's VTSIMD: /nowhere/vtsimd is no program");
    setenv("VTSIMD", VTSIM_BUILD_DIR "/bin/vtsimd", 1);
    server = start_beside(header, &error);
    assert_non_null(server);
    vts_harness_server_destroy(server);
    unsetenv("VTSIMD");
    folder_remove(folder);
}

/* ---- ends ---- */

/* Whether the process ends within the deadline. */
static bool ends(pid_t pid)
{
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    bool ended = end.fd < 0 || poll(&end, 1, DEADLINE_MS) == 1;

    if (end.fd >= 0)
        close(end.fd);
    return ended;
}

static void it_is_killed(void **state)
{
    struct vts_harness_server *server = vts_harness_server_start(NULL, NULL);
    pid_t pid = (pid_t)vts_harness_server_pid(server);

    (void)state;
    assert_int_equal(vts_harness_server_kill(server), 128 + SIGKILL);
    assert_int_equal(kill(pid, 0), -1); /* collected */
    vts_harness_server_destroy(server);
    server = vts_harness_server_start(NULL, NULL);
    pid = (pid_t)vts_harness_server_pid(server);
    vts_harness_server_destroy(server);
    assert_int_equal(kill(pid, 0), -1);
}

static void it_ends_by_itself(void **state)
{
    struct vts_harness_server *server = vts_harness_server_start(NULL, NULL);
    pid_t pid = (pid_t)vts_harness_server_pid(server);

    (void)state;
    assert_int_equal(kill(pid, SIGUSR1), 0);
    assert_true(ends(pid));
    assert_int_equal(vts_harness_server_stop(server), 128 + SIGUSR1);
    assert_false(vts_harness_server_running(server));
    vts_harness_server_destroy(server);
}

/* A process that has started a vtsimd, and then does as it is told. */
static pid_t start_in_a_child(void (*then)(void), pid_t *vtsimd)
{
    int ends_of_pipe[2];
    pid_t child;

    assert_int_equal(pipe(ends_of_pipe), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct vts_harness_server *server = vts_harness_server_start(NULL, NULL);
        pid_t pid = (pid_t)vts_harness_server_pid(server);

        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        signal(SIGABRT, SIG_DFL);
        if (write(ends_of_pipe[1], &pid, sizeof(pid)) != sizeof(pid))
            _exit(1);
        then();
        _exit(0);
    }
    close(ends_of_pipe[1]);
    assert_int_equal(read(ends_of_pipe[0], vtsimd, sizeof(*vtsimd)), sizeof(*vtsimd));
    close(ends_of_pipe[0]);
    return child;
}

static void wait_for_ever(void)
{
    alarm(60); /* should this test itself be killed */
    for (;;)
        pause();
}

static void nothing(void) {}

static void stray(void)
{
    /* A child that lives on has all descriptors of its parent, but is not that process. */
    if (fork() == 0)
        wait_for_ever();
}

static void it_ends_with_the_test(void **state)
{
    static const struct {
        void (*then)(void);
        int signal, status;
    } cases[] = {{wait_for_ever, SIGKILL, SIGKILL},
                 {wait_for_ever, SIGTERM, SIGTERM},
                 {abort, 0, SIGABRT},
                 {nothing, 0, 0}};
    pid_t child, vtsimd;
    int status;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        child = start_in_a_child(cases[i].then, &vtsimd);
        if (cases[i].signal) {
            assert_int_equal(kill(vtsimd, 0), 0);
            kill(child, cases[i].signal);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, cases[i].status);
        assert_true(ends(vtsimd));
    }
}

static void a_stray_child_of_the_test_does_not_keep_it(void **state)
{
    pid_t child, vtsimd, group = getpgrp();
    int status;

    (void)state;
    assert_int_equal(setpgid(0, 0), 0); /* so that the stray one can be found */
    child = start_in_a_child(stray, &vtsimd);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(ends(vtsimd));
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    signal(SIGTERM, SIG_DFL);
    setpgid(0, group);
}

static pid_t parent_of(pid_t pid)
{
    char path[50];
    int parent = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d (%*[^)]) %*c %d", &parent), 1);
    fclose(file);
    return parent;
}

static void it_ends_with_its_keeper(void **state)
{
    struct vts_harness_server *server = vts_harness_server_start(NULL, NULL);
    pid_t pid = (pid_t)vts_harness_server_pid(server), keeper = parent_of(pid);

    (void)state;
    assert_int_equal(parent_of(keeper), getpid());
    assert_int_equal(getsid(keeper), keeper); /* out of reach of a Ctrl-C */
    assert_int_equal(getsid(pid), keeper);
    kill(keeper, SIGKILL);
    assert_true(ends(pid));
    assert_int_equal(vts_harness_server_stop(server), -1);
    vts_harness_server_destroy(server);
}

static void *start_in_a_thread(void *arg)
{
    (void)arg;
    return vts_harness_server_start(NULL, NULL);
}

static void it_does_not_end_with_the_thread_that_started_it(void **state)
{
    struct vts_harness_server *server;
    void *started;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, start_in_a_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, &started), 0);
    server = started;
    assert_serves(server, "a", "pending");
    assert_serves(server, "b", "pending");
    assert_int_equal(vts_harness_server_stop(server), 0);
    vts_harness_server_destroy(server);
}

static void it_holds_nothing_of_the_test(void **state)
{
    struct vts_harness_server *server;
    int ends_of_pipe[2];
    struct pollfd end = {.events = POLLIN};

    (void)state;
    assert_int_equal(pipe(ends_of_pipe), 0); /* without close-on-exec */
    server = vts_harness_server_start(NULL, NULL);
    close(ends_of_pipe[1]);
    end.fd = ends_of_pipe[0];
    assert_int_equal(poll(&end, 1, DEADLINE_MS), 1); /* nobody else can write */
    assert_true(end.revents & POLLHUP);
    close(ends_of_pipe[0]);
    vts_harness_server_destroy(server);
}

static void many_at_a_time(void **state)
{
    struct vts_harness_server *servers[8];
    size_t i, other;

    (void)state;
    for (i = 0; i < 8; i++)
        servers[i] = vts_harness_server_start(NULL, NULL);
    for (i = 0; i < 8; i++) {
        for (other = 0; other < i; other++)
            assert_int_not_equal(vts_harness_server_port(servers[i]),
                                 vts_harness_server_port(servers[other]));
        assert_serves(servers[i], "a", "pending");
    }
    for (i = 0; i < 8; i++)
        vts_harness_server_destroy(servers[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_serves_until_it_is_stopped),
        cmocka_unit_test(it_is_configured),
        cmocka_unit_test(a_file_and_a_folder_of_modules),
        cmocka_unit_test(a_wrong_configuration_is_told),
        cmocka_unit_test(a_program_that_is_none),
        cmocka_unit_test(how_it_is_found),
        cmocka_unit_test(it_is_killed),
        cmocka_unit_test(it_ends_by_itself),
        cmocka_unit_test(it_ends_with_the_test),
        cmocka_unit_test(a_stray_child_of_the_test_does_not_keep_it),
        cmocka_unit_test(it_ends_with_its_keeper),
        cmocka_unit_test(it_does_not_end_with_the_thread_that_started_it),
        cmocka_unit_test(it_holds_nothing_of_the_test),
        cmocka_unit_test(many_at_a_time),
    };

    return cmocka_run_group_tests_name("harness server", tests, NULL, NULL);
}
