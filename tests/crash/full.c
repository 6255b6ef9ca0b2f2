/* SPDX-License-Identifier: MIT
 *
 * A file that cannot grow or be written: a process that may not write more (RLIMIT_FSIZE), a file that is
 * made read-only (immutable, since permissions do not concern who has it open), and a full disk (a small
 * tmpfs). Changes get 503 with Retry-After, what is in the file is served, one line is logged; when there
 * is room it goes on, and what was answered outlives a kill. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "http.h"
#include "run.h"
#include "vtsimd.h"

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

#define MOST   100000
#define FILLER (14 << 20) /* bytes that stand in the way on the tmpfs */

static char folder[FOLDER_ROOM], path_option[FOLDER_ROOM + 64];

static const char *const arguments[] = {"-s", "store/kind=sqlite",
                                        "-s", path_option,
                                        "-s", "behaviour slow/plugin=fixed_delay",
                                        "-s", "behaviour slow/delay=1h",
                                        "-s", "server/behaviour=slow",
                                        "-s", "server/workers=2",
                                        NULL};

/* What was started, and how it was answered: by number. */
struct record {
    struct vtsimd vtsimd;
    struct http_connection connection;
    bool answered[MOST];
    int count;
};

/* False where we may not, or where the file system takes no notice. */
static bool set_immutable(const char *name, bool immutable)
{
    char path[FOLDER_ROOM + 32];
    int fd, flags = 0;
    bool good;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_RDONLY);
    if (fd < 0)
        return false;
    good = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
    flags = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    good = good && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    close(fd);
    return good;
}

static int setup(void **state)
{
    (void)state;
    folder_make(folder);
    snprintf(path_option, sizeof(path_option), "store/path=%s/jobs.db", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    umount2(folder, MNT_DETACH);     /* if it is mounted */
    set_immutable("jobs.db", false); /* if a test failed meanwhile */
    set_immutable("jobs.db-wal", false);
    folder_remove(folder);
    return 0;
}

static struct record *record_start(void)
{
    struct record *record = calloc(1, sizeof(*record));

    assert_non_null(record);
    vtsimd_start(&record->vtsimd, arguments);
    http_connect(&record->connection, record->vtsimd.port);
    return record;
}

static void record_finish(struct record *record)
{
    http_close(&record->connection);
    vtsimd_finish(&record->vtsimd);
    free(record);
}

static int request(struct record *record, const char *method, const char *target, const char *body,
                   struct http_response *response)
{
    assert_true(http_send_request(&record->connection, method, target, body));
    assert_int_equal(http_read(&record->connection, response), HTTP_ANSWER);
    return response->status;
}

/* Starts the next job. */
static int start_one(struct record *record)
{
    struct http_response response;
    char body[64];
    int status;

    assert_true(record->count < MOST);
    snprintf(body, sizeof(body), "{\"job_id\": \"job-%d\"}", record->count);
    status = request(record, "POST", "/start", body, &response);
    if (status == 503) {
        assert_string_equal(http_header(&response, "Retry-After"), "1");
        assert_non_null(strstr(response.body, "\"error\": \"the store cannot be written now\""));
    } else {
        assert_int_equal(status, 200);
    }
    record->answered[record->count++] = status == 200;
    http_response_finish(&response);
    return status;
}

/* All that was answered is there. */
static void check_all(struct record *record)
{
    struct http_response response;
    char target[64];

    for (int i = 0; i < record->count; i++) {
        snprintf(target, sizeof(target), "/status?job_id=job-%d", i);
        if (!record->answered[i])
            continue;
        if (request(record, "GET", target, NULL, &response) != 200)
            fail_msg("%s, whose start was answered: %d %s", target, response.status, response.body);
        http_response_finish(&response);
    }
}

static int lines_with(struct record *record, const char *text)
{
    char *log = vtsimd_log(&record->vtsimd), *at = log;
    int count = 0;

    while ((at = strstr(at, text))) {
        count++;
        at++;
    }
    free(log);
    return count;
}

/* Starts jobs until one gets 503, and looks at how it is then. */
static void fill(struct record *record, const char *why)
{
    struct http_response response;

    while (start_one(record) == 200)
        ;
    assert_true(record->count > 10);
    for (int i = 0; i < 50; i++) /* a change to what is there gets it, too */
        assert_int_equal(start_one(record), 503);
    assert_int_equal(request(record, "DELETE", "/jobs/job-1", NULL, &response), 503);
    http_response_finish(&response);
    assert_int_equal(request(record, "POST", "/start", "{\"job_id\": \"job-1\"}", &response), 409);
    http_response_finish(&response);
    check_all(record); /* polls go on */
    assert_int_equal(request(record, "GET", "/_sim/health", NULL, &response), 503);
    assert_non_null(strstr(response.body, "\"store\": {\"kind\": \"sqlite\", \"state\": "
                                          "\"failing\"}"));
    http_response_finish(&response);
    assert_int_equal(lines_with(record, " error sqlite: "), 1);
    assert_int_equal(lines_with(record, why), 1);
}

static void recovers(struct record *record)
{
    struct http_response response;
    int64_t until_ms = run_now_ms() + RUN_TIMEOUT_MS;

    while (start_one(record) != 200)
        assert_true(run_now_ms() < until_ms);
    for (int i = 0; i < 500; i++)
        assert_int_equal(start_one(record), 200);
    assert_int_equal(lines_with(record, "can be written again"), 1);
    assert_int_equal(request(record, "GET", "/_sim/health", NULL, &response), 200);
    assert_non_null(strstr(response.body, "\"state\": \"ok\""));
    http_response_finish(&response);
}

/* A kill, and another vtsimd on the same file. */
static void again(struct record *record)
{
    http_close(&record->connection);
    vtsimd_kill(&record->vtsimd);
    vtsimd_finish(&record->vtsimd);
    vtsimd_start(&record->vtsimd, arguments);
    http_connect(&record->connection, record->vtsimd.port);
    check_all(record);
}

static void limit(struct record *record, rlim_t bytes)
{
    const struct rlimit limits = {bytes, RLIM_INFINITY};

    assert_int_equal(prlimit(record->vtsimd.pid, RLIMIT_FSIZE, &limits, NULL), 0);
}

static void files_may_not_grow(void **state)
{
    struct record *record = record_start();

    (void)state;
    limit(record, 400000);
    fill(record, "jobs.db cannot be written: ");
    limit(record, RLIM_INFINITY);
    recovers(record);
    again(record);
    limit(record, 400000); /* and killed while nothing can be written */
    fill(record, "jobs.db cannot be written: ");
    again(record);
    record_finish(record);
}

/* A clean end while nothing can be written says what is lost, and loses nothing that was answered. */
static void it_ends_while_files_may_not_grow(void **state)
{
    struct record *record = record_start();

    (void)state;
    limit(record, 400000);
    fill(record, "jobs.db cannot be written: ");
    http_close(&record->connection);
    assert_int_equal(vtsimd_stop(&record->vtsimd), 0);
    vtsimd_finish(&record->vtsimd);
    vtsimd_start(&record->vtsimd, arguments);
    http_connect(&record->connection, record->vtsimd.port);
    check_all(record);
    record_finish(record);
}

/* Whether a file that is open already can be made read-only here. */
static bool files_can_be_made_read_only(void)
{
    char path[FOLDER_ROOM + 32];
    int fd;
    bool good;

    snprintf(path, sizeof(path), "%s/probe", folder);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    good = set_immutable("probe", true);
    good = good && write(fd, "x", 1) < 0;
    set_immutable("probe", false);
    close(fd);
    unlink(path);
    return good;
}

static void files_become_read_only(void **state)
{
    struct record *record;

    (void)state;
    if (!files_can_be_made_read_only()) {
        print_message("skipped: no file can be made read-only here\n");
        skip();
    }
    record = record_start();
    for (int i = 0; i < 20; i++)
        assert_int_equal(start_one(record), 200);
    assert_true(set_immutable("jobs.db", true) && set_immutable("jobs.db-wal", true));
    fill(record, "jobs.db cannot be written: disk I/O error");
    assert_true(set_immutable("jobs.db", false) && set_immutable("jobs.db-wal", false));
    recovers(record);
    again(record);
    record_finish(record);
}

/* Root can mount one; others perhaps in a user's namespace. */
static bool mount_tmpfs(void)
{
    return (unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", folder, "tmpfs", 0, "size=16m,mode=777") == 0;
}

static void the_disk_is_full(void **state)
{
    static const char zeros[FILLER];
    struct record *record;
    char filler[FOLDER_ROOM + 16];
    int fd;

    (void)state;
    if (!mount_tmpfs()) {
        print_message("skipped: no tmpfs can be mounted here (%s)\n", strerror(errno));
        skip();
    }
    snprintf(filler, sizeof(filler), "%s/filler", folder);
    fd = open(filler, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, zeros, sizeof(zeros)), sizeof(zeros));
    close(fd);
    record = record_start();
    fill(record, "jobs.db cannot be written: database or disk is full");
    assert_int_equal(unlink(filler), 0);
    recovers(record);
    again(record);
    record_finish(record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_may_not_grow, setup, teardown),
        cmocka_unit_test_setup_teardown(it_ends_while_files_may_not_grow, setup, teardown),
        cmocka_unit_test_setup_teardown(files_become_read_only, setup, teardown),
        cmocka_unit_test_setup_teardown(the_disk_is_full, setup, teardown), /* last: a namespace */
    };

    return cmocka_run_group_tests_name("crash_full", tests, NULL, NULL);
}
