/* SPDX-License-Identifier: MIT
 *
 * SIGHUP: the configuration is read anew for new jobs, jobs that are alive go on as they were started, and
 * what is wrong changes nothing. For the thread sanitizer, too: workers take over what main reads. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "run.h"
#include "server.h"

static char folder[FOLDER_ROOM], ini[300];

static int setup(void **state)
{
    (void)state;
    folder_make(folder);
    snprintf(ini, sizeof(ini), "%s/reload.ini", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static void write_ini(const char *text)
{
    FILE *file = fopen(ini, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Sends SIGHUP and waits for the count-th line that ends one. */
static void reload(struct vtsimd *vtsimd, int count)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;

    kill(vtsimd->pid, SIGHUP);
    for (;;) {
        char *log = vtsimd_log(vtsimd), *at = log;
        int seen = 0;

        while ((at = strstr(at, ini)) && (at = strchr(at, '\n'))) {
            if (strncmp(at - 8, "new jobs", 8) == 0 || strncmp(at - 6, "before", 6) == 0)
                seen++;
        }
        if (seen >= count) {
            free(log);
            return;
        }
        if (run_now_ms() > until_ms)
            fail_msg("no reload in:\n%s", log);
        free(log);
        ask(vtsimd, "GET", "/_sim/health", NULL, 200, NULL);
    }
}

static void assert_behaviour(struct vtsimd *vtsimd, const char *id, const char *behaviour)
{
    char target[64];
    struct json_object *job;

    snprintf(target, sizeof(target), "/jobs/%s", id);
    job = ask_json(vtsimd, "GET", target, NULL, 200);
    assert_string_equal(member_text(job, "behaviour"), behaviour);
    json_object_put(job);
}

/* Until every worker has taken it over: new connections go to either. */
static void wait_for_behaviour(struct vtsimd *vtsimd, const char *prefix, const char *behaviour)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;
    int in_a_row = 0, number = 0;

    while (in_a_row < 20) {
        char body[64], target[64];
        struct json_object *job;

        if (run_now_ms() > until_ms)
            fail_msg("new jobs do not get %s", behaviour);
        snprintf(body, sizeof(body), "{\"job_id\": \"%s-%d\"}", prefix, number);
        ask(vtsimd, "POST", "/start", body, 200, NULL);
        snprintf(target, sizeof(target), "/jobs/%s-%d", prefix, number++);
        job = ask_json(vtsimd, "GET", target, NULL, 200);
        in_a_row = strcmp(member_text(job, "behaviour"), behaviour) == 0 ? in_a_row + 1 : 0;
        json_object_put(job);
    }
}

/* A filter's settings are those of the jobs that were started under them; one whose settings stay goes on
 * with what it has counted. */
static void filters_are_read_anew(void **state)
{
    static const char before[] =
        "[server]\nlisten = 127.0.0.1:0\nworkers = 1\nbehaviour = mine\nfilter = quota\n"
        "[filter quota]\nplugin = flaky_service\noutage_every = 0\nerror_rate = 0\n"
        "quota = 3\nquota_window = 36525d\nquota_of = polls\n"
        "[behaviour mine]\nplugin = fixed_delay\n";
    static const char after[] =
        "[server]\nlisten = 127.0.0.1:0\nworkers = 1\nbehaviour = other\nfilter = quota\n"
        "[filter quota]\nplugin = flaky_service\noutage_every = 0\nerror_rate = 0\n"
        "quota = 3\nquota_window = 36525d\nquota_of = polls\n"
        "[filter down]\nplugin = flaky_service\noutage_for = 10m\noutage_status = 502\n"
        "[behaviour other]\nplugin = fixed_delay\nfilter = down\n";
    const char *const arguments[] = {"-c", ini, NULL};
    struct vtsimd vtsimd;

    (void)state;
    write_ini(before);
    vtsimd_start(&vtsimd, arguments);
    ask(&vtsimd, "POST", "/start", "{\"job_id\": \"a\"}", 200, NULL);
    ask(&vtsimd, "GET", "/status?job_id=a", NULL, 200, NULL);
    write_ini(after);
    reload(&vtsimd, 1);
    /* an outage without end; and the worker takes the new reading over when its loop comes round */
    for (int i = 0, status = 200; status != 502; i++) {
        struct http_response response;
        char body[64];

        snprintf(body, sizeof(body), "{\"job_id\": \"b-%d\"}", i);
        http_request(vtsimd.port, "POST", "/start", body, &response);
        status = response.status;
        http_response_finish(&response);
        assert_true(i < 1000);
    }
    ask(&vtsimd, "GET", "/status?job_id=a", NULL, 200, NULL);
    ask(&vtsimd, "GET", "/status?job_id=a", NULL, 200, NULL);
    ask(&vtsimd, "GET", "/status?job_id=a", NULL, 429, NULL);
    server_stop(&vtsimd);
}

/* A file that a behaviour reads is a part of what it is: edited under the same settings, it is read anew for
 * new jobs, and changes nothing of those that are there. */
static void an_edited_csv_is_read_anew(void **state)
{
    const char *const arguments[] = {"-c", ini, NULL};
    char csv[300], text[700];
    struct vtsimd vtsimd;
    struct json_object *job;
    FILE *file;

    (void)state;
    snprintf(csv, sizeof(csv), "%s/jobs.csv", folder);
    file = fopen(csv, "w");
    assert_non_null(file);
    fputs("duration_s\n3600\n", file);
    assert_int_equal(fclose(file), 0);
    snprintf(text, sizeof(text),
             "[server]\nlisten = 127.0.0.1:0\nworkers = 1\nbehaviour = real\n"
             "[behaviour real]\nplugin = replay\nfile = jobs.csv\n");
    write_ini(text);
    vtsimd_start(&vtsimd, arguments);
    start_job(&vtsimd, "before", NULL);
    file = fopen(csv, "w");
    assert_non_null(file);
    fputs("duration_s,outcome,message\n0,failed,as it is now\n", file);
    assert_int_equal(fclose(file), 0);
    reload(&vtsimd, 1);
    for (int i = 0, done = 0; !done; i++) {
        char id[20], target[40];

        snprintf(id, sizeof(id), "new-%d", i);
        snprintf(target, sizeof(target), "/jobs/%s", id);
        start_job(&vtsimd, id, NULL);
        job = ask_json(&vtsimd, "GET", target, NULL, 200);
        done = strcmp(member_text(job, "state"), "failed") == 0;
        json_object_put(job);
        assert_true(i < 1000);
    }
    job = ask_json(&vtsimd, "GET", "/jobs/before", NULL, 200);
    assert_string_equal(member_text(job, "state"), "running");
    json_object_put(job);
    /* one that is broken by now changes nothing */
    file = fopen(csv, "w");
    assert_non_null(file);
    fputs("duration_s\nsoon\n", file);
    assert_int_equal(fclose(file), 0);
    reload(&vtsimd, 2);
    start_job(&vtsimd, "after", NULL);
    job = ask_json(&vtsimd, "GET", "/jobs/after", NULL, 200);
    assert_string_equal(member_text(job, "state"), "failed");
    json_object_put(job);
    server_stop(&vtsimd);
    assert_int_equal(remove(csv), 0);
}

#define SLOW                                                                                       \
    "[server]\nlisten = 127.0.0.1:0\nworkers = 2\nbehaviour = mine\n"                              \
    "[behaviour mine]\nplugin = fixed_delay\ndelay = 1h\n"
#define QUICK                                                                                      \
    "[server]\nlisten = 127.0.0.1:0\nworkers = 2\nbehaviour = mine\n"                              \
    "[behaviour mine]\nplugin = fixed_delay\ndelay = 0\n"

static void start(struct vtsimd *vtsimd)
{
    const char *const arguments[] = {"-c", ini, NULL};

    vtsimd_start(vtsimd, arguments);
}

static void new_jobs_get_the_new_settings(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    write_ini(SLOW);
    start(&vtsimd);
    start_job(&vtsimd, "before", NULL);
    write_ini(QUICK);
    reload(&vtsimd, 1);
    /* each worker takes it over when its loop comes round */
    for (int i = 0, done = 0; done < 20; i++) {
        char body[64], target[64];
        struct json_object *job;

        snprintf(body, sizeof(body), "{\"job_id\": \"new-%d\"}", i);
        ask(&vtsimd, "POST", "/start", body, 200, NULL);
        snprintf(target, sizeof(target), "/jobs/new-%d", i);
        job = ask_json(&vtsimd, "GET", target, NULL, 200);
        done = strcmp(member_text(job, "state"), "completed") == 0 ? done + 1 : 0;
        json_object_put(job);
        assert_true(i < 1000);
    }
    ask(&vtsimd, "GET", "/status?job_id=before", NULL, 200,
        "{\"job_id\": \"before\", \"status\": \"pending\"}");
    assert_behaviour(&vtsimd, "before", "mine");
    server_stop(&vtsimd);
}

static void sections_come_and_go(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    write_ini(SLOW);
    start(&vtsimd);
    start_job(&vtsimd, "a", NULL);
    write_ini("[server]\nlisten = 127.0.0.1:0\nworkers = 2\nbehaviour = other\n"
              "[behaviour other]\nplugin = fixed_delay\ndelay = 2h\n"
              "[rule r]\njob_id = ruled-*\nbehaviour = fixed_delay\n");
    reload(&vtsimd, 1);
    wait_for_behaviour(&vtsimd, "plain", "other");
    wait_for_behaviour(&vtsimd, "ruled", "fixed_delay");
    /* the job's own is there, for it alone */
    assert_behaviour(&vtsimd, "a", "mine");
    ask(&vtsimd, "POST", "/jobs", "{\"id\": \"b\", \"behaviour\": \"mine\"}", 400, NULL);
    ask(&vtsimd, "POST", "/jobs", "{\"id\": \"b\", \"behaviour\": \"other\"}", 201, NULL);
    server_stop(&vtsimd);
}

static void a_wrong_one_changes_nothing(void **state)
{
    struct vtsimd vtsimd;
    char *log, wanted[700];

    (void)state;
    write_ini(SLOW);
    start(&vtsimd);
    write_ini(QUICK "[behaviour mine]\n[behaviour x]\nplugin = nobody\n");
    reload(&vtsimd, 1);
    log = vtsimd_log(&vtsimd);
    snprintf(
        wanted, sizeof(wanted),
        " error reload: %s:8: [behaviour mine]: this section is given twice; the first one is at "
        "line 5\n",
        ini);
    assert_non_null(strstr(log, wanted));
    snprintf(wanted, sizeof(wanted),
             " error reload: %s:10: [behaviour x] plugin: no plugin \"nobody\" in ", ini);
    assert_non_null(strstr(log, wanted));
    snprintf(wanted, sizeof(wanted), " error reload: %s: new jobs get what they got before\n", ini);
    assert_non_null(strstr(log, wanted));
    free(log);
    wait_for_behaviour(&vtsimd, "a", "mine");
    ask(&vtsimd, "GET", "/status?job_id=a-0", NULL, 200,
        "{\"job_id\": \"a-0\", \"status\": \"pending\"}");
    /* mended, it counts */
    write_ini(QUICK);
    reload(&vtsimd, 2);
    /* a file that is gone is wrong, too */
    assert_int_equal(unlink(ini), 0);
    reload(&vtsimd, 3);
    log = vtsimd_log(&vtsimd);
    snprintf(wanted, sizeof(wanted),
             " error reload: %s: cannot open it: No such file or directory\n", ini);
    if (!strstr(log, wanted))
        fail_msg("%s", log);
    free(log);
    server_stop(&vtsimd);
}

static void what_is_read_at_the_start_alone(void **state)
{
    struct vtsimd vtsimd;
    char *log;

    (void)state;
    write_ini(SLOW);
    start(&vtsimd);
    write_ini("[server]\nlisten = 127.0.0.1:1\nworkers = 3\nbehaviour = mine\nseed = 9\n"
              "[behaviour mine]\nplugin = fixed_delay\n"
              "[store]\nkind = memory\n");
    reload(&vtsimd, 1);
    log = vtsimd_log(&vtsimd);
    assert_non_null(
        strstr(log, " warning reload: [server] workers: it stays 2 until the next start\n"));
    assert_non_null(
        strstr(log, " warning reload: [server] seed: it stays 1 until the next start\n"));
    assert_null(strstr(log, "[store]"));
    free(log);
    server_stop(&vtsimd);
}

/* A plugin's file that is there only later is found; one that is loaded stays what it is. */
static void plugins_that_come_later(void **state)
{
    static const char modules[] = VTSIM_BUILD_DIR "/tests/fixtures/load";
    char text[1000], path[400], from[300];
    struct vtsimd vtsimd;
    char *log;

    (void)state;
    snprintf(text, sizeof(text),
             "[server]\nlisten = 127.0.0.1:0\nbehaviour = fixed_delay\nplugin_path = %s\n", folder);
    write_ini(text);
    start(&vtsimd);
    ask(&vtsimd, "POST", "/jobs", "{\"behaviour\": \"quick\"}", 400, NULL);
    snprintf(path, sizeof(path), "%s/quick.so", folder);
    snprintf(from, sizeof(from), "%s/good/quick.so", modules);
    assert_int_equal(symlink(from, path), 0);
    reload(&vtsimd, 1);
    snprintf(text, sizeof(text),
             "[server]\nlisten = 127.0.0.1:0\nbehaviour = quick\nplugin_path = %s\n", folder);
    write_ini(text);
    reload(&vtsimd, 2);
    wait_for_behaviour(&vtsimd, "a", "quick");
    assert_int_equal(unlink(path), 0);
    snprintf(from, sizeof(from), "%s/again/quick.so", modules);
    assert_int_equal(symlink(from, path), 0);
    reload(&vtsimd, 3);
    log = vtsimd_log(&vtsimd);
    snprintf(
        text, sizeof(text),
        " warning reload: %s has changed: its code stays as it was loaded until the next start\n",
        path);
    if (!strstr(log, text))
        fail_msg("%s", log);
    free(log);
    server_stop(&vtsimd);
}

/* Many in a row, under load from both workers: each old one goes when its last holder has left it. */
static void again_and_again(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    write_ini(SLOW);
    start(&vtsimd);
    for (int i = 1; i <= 20; i++) {
        char id[16];

        snprintf(id, sizeof(id), "job-%d", i);
        start_job(&vtsimd, id, NULL);
        write_ini(i % 2 ? QUICK : SLOW);
        reload(&vtsimd, i);
    }
    wait_for_behaviour(&vtsimd, "last", "mine");
    server_stop(&vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_are_read_anew),
        cmocka_unit_test(an_edited_csv_is_read_anew),
        cmocka_unit_test(new_jobs_get_the_new_settings),
        cmocka_unit_test(sections_come_and_go),
        cmocka_unit_test(a_wrong_one_changes_nothing),
        cmocka_unit_test(what_is_read_at_the_start_alone),
        cmocka_unit_test(plugins_that_come_later),
        cmocka_unit_test(again_and_again),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
