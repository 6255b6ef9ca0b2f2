/* SPDX-License-Identifier: MIT
 *
 * Tests of plugins/replay.c: what a CSV reads to, what is wrong with one and where, that lines are drawn fairly
 * or in their order, and that a job keeps its line whatever becomes of the file. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "behaviours/instance.h"
#include "common.h"
#include "jobs/engine.h"

static char path[] = "/tmp/vtsim-replay-XXXXXX";

static int group_setup(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int group_teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_bytes(const char *text, size_t length)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void write_csv(const char *text) { write_bytes(text, strlen(text)); }

/* A harness on the file, with these further settings. */
static struct vts_harness *open_replay(const char *settings)
{
    char lines[500];

    snprintf(lines, sizeof(lines), "file = %s\n%s", path, settings);
    return open_with(replay_LTX_vts_plugin, lines);
}

/* The next job goes so. */
static void goes(struct vts_harness *harness, vts_ms span, enum vts_state state, const char *code,
                 const char *message)
{
    struct vts_harness_job *job = vts_harness_start(harness, "job", NULL);

    if (job->state == VTS_RUNNING)
        vts_harness_advance(harness, span);
    vts_harness_expect_state(job, state);
    vts_harness_expect_ended_after(job, span);
    if (code)
        vts_harness_expect_error(job, code, message);
    vts_harness_forget(job);
}

/* A CSV of one line whose job takes so long and completes. */
static void takes(const char *csv, vts_ms span)
{
    struct vts_harness *harness;

    write_csv(csv);
    harness = open_replay("");
    goes(harness, span, VTS_COMPLETED, NULL, NULL);
    vts_harness_destroy(harness);
}

/* ---- reading ---- */

static void durations(void **state)
{
    (void)state;
    takes("duration_ms\n8300\n", 8300);
    takes("duration_ms\n0\n", 0);
    takes("id,duration_s,note\nx,8.3,\n", 8300);
    takes("duration\n2m\n", 120000);
    takes("duration\n1.5s", 1500);
    takes("Duration_MS\r\n12e2\r\n\r\n", 1200);
    takes("start_ms,end_ms\n1000,3500\n", 2500);
    takes("started_at,ended_at\n2026-01-01T00:00:00Z,2026-01-01T00:00:08.25Z\n", 8250);
    takes("start,end\n2026-02-28 23:59:59,2026-03-01T01:00:00.5+01:00\n", 1500);
    takes("start,end\n2024-02-28T23:59:59Z,2024-02-29T00:00:01-00:00\n", 2000);
    takes("start,end\n1767225600,1767225601.5\n", 1500);
    takes("end,start\n1969-12-31T23:59:59Z,1969-12-31T23:59:58Z\n", 1000);
    /* a duration counts before moments */
    takes("start,end,duration_ms\n1,9,7\n", 7);
    takes("\xEF\xBB\xBF"
          "duration_ms,x\n5,y\n",
          5);
}

static void outcomes_and_texts(void **state)
{
    struct vts_harness *harness;
    char csv[3000], message[1001];

    (void)state;
    write_csv("state, duration_ms ,error_code,error_message\n"
              "completed,1,ignored,ignored\n"
              "FAILED,2,gpu,\"out of \"\"memory\"\", again\"\n"
              "error , 3 ,,\n"
              " canceled,4,,\n"
              "failed,5,gpu,\"two\nlines\"\n"
              "failed,6,gpu,\"out of \"\"memory\"\", again\"\n"
              "\n"
              "cancelled,7,\"\",\"\" \n");
    harness = open_replay("order = file");
    for (int round = 0; round < 2; round++) { /* over and over */
        goes(harness, 1, VTS_COMPLETED, NULL, NULL);
        goes(harness, 2, VTS_FAILED, "gpu", "out of \"memory\", again");
        goes(harness, 3, VTS_FAILED, "error", "the job failed");
        goes(harness, 4, VTS_CANCELLED, NULL, NULL);
        goes(harness, 5, VTS_FAILED, "gpu", "two\nlines");
        goes(harness, 6, VTS_FAILED, "gpu", "out of \"memory\", again");
        goes(harness, 7, VTS_CANCELLED, NULL, NULL);
    }
    vts_harness_destroy(harness);
    /* a long message is cut at a character */
    memset(message, 'm', 1000);
    message[1000] = '\0';
    snprintf(csv, sizeof(csv), "duration_s,outcome,message\n1,failed,%.999s\xC3\xBC and more\n",
             message);
    write_csv(csv);
    harness = open_replay("");
    message[999] = '\0';
    goes(harness, 1000, VTS_FAILED, "error", message);
    assert_int_equal(vts_harness_instance(harness)->state_size, 4 + 1 + 1000);
    vts_harness_destroy(harness);
}

static void durations_are_scaled(void **state)
{
    struct vts_harness *harness;

    (void)state;
    write_csv("duration_s\n10\n");
    harness = open_replay("scale = 0.01");
    goes(harness, 100, VTS_COMPLETED, NULL, NULL);
    vts_harness_destroy(harness);
    harness = open_replay("scale = 0");
    goes(harness, 0, VTS_COMPLETED, NULL, NULL);
    vts_harness_destroy(harness);
    harness = open_replay("scale = 2.5\nprogress = on");
    vts_harness_start(harness, "a", NULL);
    vts_harness_advance(harness, 12500);
    vts_harness_expect_progress(vts_harness_find(harness, "a"), 0.5);
    vts_harness_destroy(harness);
}

/* ---- what is wrong ---- */

static void refuses_bytes(const char *csv, size_t length, const char *why)
{
    char lines[500], wanted[900], *at;
    struct vts_error error;
    const char *from;

    write_bytes(csv, length);
    snprintf(lines, sizeof(lines), "file = %s", path);
    assert_null(vts_harness_create(replay_LTX_vts_plugin, lines, 1, &error));
    /* FILE is the file's path, NAME its name */
    at = wanted + sprintf(wanted, "settings:2: [behaviour replay] file: ");
    for (from = why; *from;) {
        if (strncmp(from, "FILE", 4) == 0)
            at += sprintf(at, "%s", path);
        else if (strncmp(from, "NAME", 4) == 0)
            at += sprintf(at, "%s", path + strlen("/tmp/"));
        else
            *at++ = *from;
        from += strncmp(from, "FILE", 4) == 0 || strncmp(from, "NAME", 4) == 0 ? 4 : 1;
    }
    *at = '\0';
    assert_string_equal(error.message, wanted);
}

static void refuses_csv(const char *csv, const char *why) { refuses_bytes(csv, strlen(csv), why); }

#define NO_DURATION                                                                                \
    "FILE: its first line names no column duration, duration_s or duration_ms, nor both of start " \
    "and end, or of start_ms and end_ms; it has "

static void files_that_are_none(void **state)
{
    struct vts_error error;

    (void)state;
    refuses_csv("", "FILE is empty: its first line names the columns");
    refuses_csv("\n\r\n  \n", "FILE is empty: its first line names the columns");
    refuses_csv("duration_ms,outcome\n", "FILE has no jobs: nothing stands behind its first line");
    refuses_csv("start,outcome\n1,failed\n", NO_DURATION "\"start\", \"outcome\"");
    refuses_csv("duration_s;outcome\n1;failed\n",
                NO_DURATION "\"duration_s;outcome\": columns are separated by commas, not by ;");
    refuses_csv("duration_s\toutcome\n1\tfailed\n",
                NO_DURATION "\"duration_s?outcome\": columns are separated by commas, not by tabs");
    refuses_csv("a;b,c\n1,2\n", NO_DURATION "\"a;b\", \"c\"");
    refuses_csv("a,,c\x1b,0123456789012345678901234567890123456789,e,f,"
                "0123456789012345678901234567890123456789,g,h,i\n1,2\n",
                NO_DURATION
                "\"a\", \"\", \"c?\", \"012345678901234567890123456789012345...\", \"e\", "
                "\"f\", \"012345678901234567890123456789012345...\", ...");
    refuses_csv("duration_s,code,error_code\n1,a,b\n",
                "FILE: the columns 2 and 3 of its first line mean the same: \"error_code\"");
    assert_null(vts_harness_create(replay_LTX_vts_plugin, "file = /nowhere/jobs.csv", 1, &error));
    assert_string_equal(error.message,
                        "settings:2: [behaviour replay] file: /nowhere/jobs.csv cannot be read: No "
                        "such file or directory");
    assert_null(vts_harness_create(replay_LTX_vts_plugin, "file = /tmp", 1, &error));
    assert_string_equal(error.message,
                        "settings:2: [behaviour replay] file: /tmp cannot be read: Is a directory");
    assert_null(vts_harness_create(replay_LTX_vts_plugin, "", 1, &error));
    assert_string_equal(error.message,
                        "settings:1: [behaviour replay] file: it is required, and not given (PATH: "
                        "the CSV file; its first line names the columns)");
}

static void lines_that_are_broken(void **state)
{
    (void)state;
    refuses_csv("id,duration_s\na,1\nb,soon\nc,3\n",
                "NAME:3:3: \"soon\" is no number of seconds from 0 to 34 years");
    refuses_csv("duration_ms\n-1\n", "NAME:2:1: \"-1\" is no number of milliseconds from 0 to 34 "
                                     "years");
    refuses_csv("duration_ms,x\n,1\n",
                "NAME:2:1: \"\" is no number of milliseconds from 0 to 34 years");
    refuses_csv("duration_ms\nnan\n",
                "NAME:2:1: \"nan\" is no number of milliseconds from 0 to 34 years");
    refuses_csv("duration\n5\n",
                "NAME:2:1: \"5\" is no time; write one number and one unit, such as "
                "8.3s, or call the column duration_s or duration_ms");
    refuses_csv("duration_s,outcome\n1,finished\n",
                "NAME:2:3: \"finished\" is no outcome; write completed, failed or cancelled");
    refuses_csv("start,end\n2026-02-29T00:00:00Z,5\n",
                "NAME:2:1: \"2026-02-29T00:00:00Z\" is no moment; write 2026-01-01T12:00:00Z, or "
                "seconds since 1970");
    refuses_csv("start,end\n5,4\n", "NAME:2:3: the job ends before it starts");
    refuses_csv("start_ms,end_ms\n5,x\n", "NAME:2:3: \"x\" is no number of milliseconds");
    refuses_csv("duration_s,code\n1\n",
                "NAME:2:1: the number of its fields is 1, that of the first line's is 2");
    refuses_csv("duration_s,code\n1,a,b\n",
                "NAME:2:1: the number of its fields is 3, that of the first line's is 2");
    refuses_csv("duration_s,code\n1,\"a\nb\n",
                "NAME:2:3: the quote that opens here is never closed");
    refuses_csv(
        "duration_s,code\n1,\"a\" b\n2,c\n",
        "NAME:2:7: something stands behind a closed quote; a quote within quotes is written "
        "twice");
    refuses_csv("\"duration_s,code\n", "NAME:1:1: the quote that opens here is never closed");
    refuses_bytes("duration_s,code\n1,a\0b\n", 21, "NAME:2:4: a NUL byte");
    refuses_csv("duration_s\n\x01\xFF\n",
                "NAME:2:1: \"??\" is no number of seconds from 0 to 34 years");
    /* lines are those of the file, also behind a field of several */
    refuses_csv("duration_s,code\n1,\"a\nb\"\nx,c\n",
                "NAME:4:1: \"x\" is no number of seconds from 0 to 34 years");
    /* the first three, and how many more */
    refuses_csv(
        "duration_s\na\n1\nb\nc\nd\ne\n",
        "NAME:2:1: \"a\" is no number of seconds from 0 to 34 years; "
        "NAME:4:1: \"b\" is no number of seconds from 0 to 34 years; "
        "NAME:5:1: \"c\" is no number of seconds from 0 to 34 years; and 2 more broken lines");
}

/* ---- drawing ---- */

enum { JOBS = 20000 };

/* Each line as often as the others, within the 0.1 % of chi-square; and each job its own again. */
static void chance_is_fair_and_the_jobs_own(void **state)
{
    struct vts_harness *harness, *again;
    struct vts_harness_job *job, *same;
    double chi = 0, expected = JOBS / 4.0;
    int counts[4] = {0}, i;
    char id[20];

    (void)state;
    write_csv("duration_ms\n1000\n2000\n3000\n4000\n");
    harness = open_replay("");
    again = open_replay("");
    for (i = 0; i < JOBS; i++) {
        snprintf(id, sizeof(id), "job-%d", i);
        job = vts_harness_start(harness, id, NULL);
        counts[(job->wake_at - vts_harness_now(harness)) / 1000 - 1]++;
        if (i % 100 == 0) {
            same = vts_harness_start(again, id, NULL);
            vts_harness_expect(job, vts_harness_equal(job, same));
        }
        vts_harness_forget(job);
    }
    for (i = 0; i < 4; i++)
        chi += (counts[i] - expected) * (counts[i] - expected) / expected;
    assert_true(chi < 16.27);
    vts_harness_destroy(harness);
    vts_harness_destroy(again);
}

/* The place in the file is this process's: it begins anew. */
static void the_order_begins_anew_after_a_restart(void **state)
{
    struct vts_harness *harness;

    (void)state;
    write_csv("duration_ms\n1\n2\n3\n");
    harness = open_replay("order = file");
    goes(harness, 1, VTS_COMPLETED, NULL, NULL);
    goes(harness, 2, VTS_COMPLETED, NULL, NULL);
    assert_true(vts_harness_restart(harness));
    goes(harness, 1, VTS_COMPLETED, NULL, NULL);
    vts_harness_destroy(harness);
}

static void a_million_lines(void **state)
{
    FILE *file = fopen(path, "w");
    struct rusage before, after;
    struct vts_harness *harness;

    (void)state;
    assert_non_null(file);
    fputs("id,duration_ms,outcome,code,message\n", file);
    for (int i = 0; i < 1000000; i++)
        fprintf(file, "job-%d,%d,%s,e%d,something is wrong with part %d\n", i, 1 + i % 1000,
                i % 10 ? "completed" : "failed", i % 7, i % 100);
    assert_int_equal(fclose(file), 0);
    getrusage(RUSAGE_SELF, &before);
    harness = open_replay("order = file");
    getrusage(RUSAGE_SELF, &after);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 24 * 1024); /* KiB */
#endif
    goes(harness, 1, VTS_FAILED, "e0", "something is wrong with part 0");
    goes(harness, 2, VTS_COMPLETED, NULL, NULL);
    vts_harness_destroy(harness);
}

/* ---- the file changes ---- */

struct server {
    struct plugins plugins;
    struct instances instances;
    struct engine engine;
    struct engine_work work;
    struct text next;
};

static void server_init(struct server *server)
{
    const char *items[] = {VTSIM_BUILD_DIR "/lib/vtsim/plugins"};
    struct vts_list folders = {1, items};
    struct problems problems = PROBLEMS_INIT;

    memset(server, 0, sizeof(*server));
    assert_true(plugins_load(&server->plugins, &folders, NULL, NULL, &problems));
    server->engine = (struct engine){1, &server->instances};
    engine_work_init(&server->work, &server->engine);
    server->work.next = &server->next;
}

static void server_finish(struct server *server)
{
    engine_work_finish(&server->work);
    text_finish(&server->next);
    instances_finish(&server->instances);
    plugins_finish(&server->plugins);
}

/* The instance that a reading of the configuration makes now. */
static const struct instance *read_again(struct server *server)
{
    struct problems problems = PROBLEMS_INIT;
    struct vts_error error;
    const struct vts_plugin *plugin = plugins_find(&server->plugins, "replay", &error);
    struct ini ini = {0};
    struct instance *instance;
    char line[300];

    snprintf(line, sizeof(line), "behaviour real/file=%s", path);
    assert_true(ini_set(&ini, line, &problems));
    instance = instance_create("real", plugin, ini_section(&ini, "behaviour", "real"), &problems);
    assert_non_null(instance);
    ini_finish(&ini);
    problems_finish(&problems);
    return instances_add(&server->instances, instance);
}

static const struct instance *revive(struct server *server, const struct text *canonical)
{
    struct vts_error error = {0};
    struct instance *instance = instance_revive(&server->plugins, &server->instances,
                                                canonical->bytes, canonical->length, &error);

    if (!instance)
        fail_msg("%s", error.message);
    return instances_add(&server->instances, instance);
}

static void assert_failed(struct server *server, const struct text *record, const char *message)
{
    const struct record *old = (const struct record *)(const void *)record->bytes;
    struct job job;

    assert_int_equal(engine_advance(&server->work, old, 3000), RECORD_PUT);
    assert_true(record_read((const struct record *)(const void *)server->next.bytes,
                            server->next.length, &job));
    assert_int_equal(job.state, VTS_FAILED);
    assert_string_equal(job.message.at, message);
    assert_int_equal(job.ended_at, 3000);
}

/* A reading anew sees that the file is another, and jobs go on as they were started: in this process, and in
 * one that begins when the file has changed, or is gone. */
static void an_edited_file_is_another_behaviour(void **state)
{
    struct server first, second;
    const struct instance *before, *after, *hollow;
    struct text record = TEXT_INIT, canonical = TEXT_INIT;

    (void)state;
    server_init(&first);
    write_csv("duration_ms,outcome,message\n2000,failed,as it was\n");
    before = read_again(&first);
    assert_ptr_equal(read_again(&first), before); /* nothing has changed */
    assert_int_equal(engine_start(&first.work, NULL, before, (struct bytes){"a", 1},
                                  (struct bytes){NULL, 0}, 1000),
                     RECORD_PUT);
    text_add(&record, first.next.bytes, first.next.length);
    text_add(&canonical, before->canonical.bytes, before->canonical.length);
    write_csv("duration_ms,outcome,message\n2000,failed,as it is now and longer\n");
    after = read_again(&first);
    assert_ptr_not_equal(after, before);
    assert_true(after->hash != before->hash);
    assert_failed(&first, &record, "as it was");
    /* a process that begins now */
    server_init(&second);
    hollow = revive(&second, &canonical);
    assert_true(hollow->hash == before->hash);
    assert_true(hollow->hollow);
    assert_failed(&second, &record, "as it was");
    /* if the file becomes what it was: new jobs get one that has read it */
    write_csv("duration_ms,outcome,message\n2000,failed,as it was\n");
    before = read_again(&second);
    assert_true(before->hash == hollow->hash);
    assert_false(before->hollow);
    assert_ptr_equal(instances_hashed(&second.instances, hollow->hash), before);
    assert_ptr_equal(revive(&second, &canonical), before);
    assert_int_equal(engine_start(&second.work, NULL, before, (struct bytes){"b", 1},
                                  (struct bytes){NULL, 0}, 1000),
                     RECORD_PUT);
    server_finish(&second);
    /* one that begins when it is gone */
    assert_int_equal(unlink(path), 0);
    server_init(&second);
    revive(&second, &canonical);
    assert_failed(&second, &record, "as it was");
    write_csv("");
    server_finish(&second);
    server_finish(&first);
    text_finish(&record);
    text_finish(&canonical);
}

static void laws(void **state)
{
    char settings[200];

    (void)state;
    write_csv("duration_s,outcome,code,message\n8,completed,,\n2.5,failed,gpu,the GPU fell over\n"
              "0,cancelled,,\n");
    snprintf(settings, sizeof(settings), "file = %s\nprogress = on", path);
    keeps_the_laws(replay_LTX_vts_plugin, "replay", settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(outcomes_and_texts),
        cmocka_unit_test(durations_are_scaled),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(lines_that_are_broken),
        cmocka_unit_test(chance_is_fair_and_the_jobs_own),
        cmocka_unit_test(the_order_begins_anew_after_a_restart),
        cmocka_unit_test(a_million_lines),
        cmocka_unit_test(an_edited_file_is_another_behaviour),
        cmocka_unit_test(laws),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
