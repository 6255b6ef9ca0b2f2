/* SPDX-License-Identifier: MIT
 *
 * The same seed and the same ids give the same fates: jobs of several behaviours, behind a filter, are run by
 * vtsimds that differ in the store, the workers, the clock, the order of the starts and the polls. What became of
 * each job, at which moment since its start, and what its starts were answered, must be the same to the byte. Jobs
 * that share slots hang on the order of their starts: there that is the same, and all else differs. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "folder.h"
#include "run.h"
#include "server.h"
#ifdef FATES_WITH_REDIS
#include "../store/redis/server.h"
#endif

enum { EACH = 60, KINDS = 4, JOBS = EACH * KINDS, THREADS_MAX = 4 };
enum store { MEMORY, SQLITE, REDIS };

/* How a run differs from others. */
struct how {
    enum store store;
    const char *workers;
    bool real;      /* time runs by itself */
    size_t threads; /* that start jobs */
    size_t stride;  /* between a job that is started and the next, in the order of their ids */
    size_t polls;   /* behind each start, of jobs that are anywhere in their lives */
    bool line;      /* all jobs share slots, and a moment passes behind each start */
};

struct run {
    const struct how *how;
    struct vtsimd vtsimds[2]; /* on one Redis there are two */
    size_t vtsimd_count;
    char starts[JOBS][120]; /* what they were answered, one behind the other */
    char fates[JOBS][400];
};

static char folder[FOLDER_ROOM], ini[FOLDER_ROOM + 16];
#ifdef FATES_WITH_REDIS
static struct redis_process redis;
#endif
#ifdef FATES_WITH_SQLITE
enum { WITH_SQLITE = 1 };
#else
enum { WITH_SQLITE = 0 };
#endif

/* ---- what is run ---- */

static const char configuration[] =
    "[server]\nbehaviour = scripted\nseed = 7\nfilter = flaky\nkeep_ended = 1d\n"
    "[filter flaky]\nplugin = flaky_service\noutage_every = 0\nerror_rate = 0.2\n"
    "[behaviour scripted]\nplugin = scripted_sequence\n"
    "script = start: chance 0.5 { http 503 retry-after uniform 1s..9s x2, http 429 } else { "
    "invalid "
    "json }\n"
    "    pending for uniform 1ms..90ms\n"
    "    chance 0.3 { progress 40% for exponential 20ms max 1s, error \"fell over\" } else { "
    "progress 60% }\n"
    "    repeat 3 { pending for lognormal 20ms sigma 0.5 max 300ms\n"
    "    chance 0.2 { http 503 x2, http 500 for 5ms } else { reset } }\n"
    "    completed\n"
    "[behaviour failing]\nplugin = random_failure\nrate = 0.3\nfail_at = anywhere\n"
    "delay = lognormal 60ms sigma 0.6 max 300ms\nmessage = one\n  two\n  three\n"
    "[behaviour again]\nplugin = replay\nfile = real.csv\n"
    "[rule failing]\njob_id = f-*\nbehaviour = failing\n"
    "[rule again]\njob_id = r-*\nbehaviour = again\n";

#define OPTIONS                                                                                    \
    "\"behaviour\": \"scripted_sequence\", \"options\": {\"script\": \"pending for normal 60ms "   \
    "sd 20ms, chance 0.5 { error \\\"by options\\\" } else { progress 30% for exponential 9ms, "   \
    "cancelled }\"}, "

#define LINE                                                                                       \
    "\"behaviour\": \"queue\", \"options\": {\"slots\": 3, \"overhead\": \"uniform 0ms..5ms\", "   \
    "\"limit\": 40, \"running\": \"normal 90ms sd 40ms\"}, "

static void write_files(void)
{
    char path[FOLDER_ROOM + 16];
    FILE *file;

    snprintf(ini, sizeof(ini), "%s/fates.ini", folder);
    file = fopen(ini, "w");
    assert_non_null(file);
    assert_true(fputs(configuration, file) >= 0);
    assert_int_equal(fclose(file), 0);
    snprintf(path, sizeof(path), "%s/real.csv", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "duration_ms,outcome,code,message\n");
    for (int i = 1; i <= 50; i++)
        fprintf(file, "%d,%s,E%d,oops %d\n", 3 * i, i % 4 == 0 ? "failed" : "completed", i, i);
    assert_int_equal(fclose(file), 0);
}

/* f-0 f-1 ... o-0 ... r-0 ... s-0 ... */
static const char kinds[KINDS + 1] = "fors";

static void id_of(size_t job, char id[16])
{
    snprintf(id, 16, "%c-%zu", kinds[job / EACH], job % EACH);
}

static void start_vtsimd(struct run *run, const char *kind, const char *place)
{
    char workers[64];
    const char *args[12] = {"-c", ini, "-s", workers, "-s", kind};
    size_t count = 6;

    snprintf(workers, sizeof(workers), "server/workers=%s", run->how->workers);
    if (place) {
        args[count++] = "-s";
        args[count++] = place;
    }
    if (!run->how->real) {
        args[count++] = "-s";
        args[count++] = "clock/mode=virtual";
    }
    vtsimd_start(&run->vtsimds[run->vtsimd_count++], args);
}

/* ---- starts and polls ---- */

/* Runs in threads, where nothing can fail a test: what is not as it should be is seen in the fates. */
static int ask_once(const struct vtsimd *vtsimd, const char *method, const char *target,
                    const char *body, char *retry_after, size_t room)
{
    struct http_connection connection;
    struct http_response response;
    const char *value = NULL;
    int status = 0;

    http_connect(&connection, vtsimd->port);
    *retry_after = '\0';
    if (http_send_request(&connection, method, target, body) &&
        http_read(&connection, &response) == HTTP_ANSWER) {
        status = response.status;
        value = http_header(&response, "Retry-After");
    }
    if (value)
        snprintf(retry_after, room, "%s", value);
    http_response_finish(&response);
    http_close(&connection);
    return status;
}

static void start_job_of(struct run *run, size_t job)
{
    char id[16], body[400], retry_after[40], *starts = run->starts[job];
    int status = 0;

    id_of(job, id);
    snprintf(body, sizeof(body), "{%s\"id\": \"%s\"}",
             run->how->line ? LINE
             : *id == 'o'   ? OPTIONS
                            : "",
             id);
    for (size_t attempt = 0; attempt < 12 && status / 100 != 2; attempt++) {
        size_t used = strlen(starts);

        status = ask_once(&run->vtsimds[(job + attempt) % run->vtsimd_count], "POST", "/jobs", body,
                          retry_after, sizeof(retry_after));
        snprintf(starts + used, sizeof(run->starts[job]) - used, " %d%s%s", status,
                 *retry_after ? "/" : "", retry_after);
    }
}

static void poll_some(struct run *run, size_t job)
{
    char id[16], target[40], ignored[40];

    for (size_t i = 0; i < run->how->polls; i++) {
        id_of((job * 31 + i * 97) % JOBS, id);
        snprintf(target, sizeof(target), i % 2 ? "/jobs/%s" : "/status?job_id=%s", id);
        ask_once(&run->vtsimds[i % run->vtsimd_count], "GET", target, NULL, ignored,
                 sizeof(ignored));
    }
}

static void advance(struct run *run, const char *span)
{
    char body[40];

    snprintf(body, sizeof(body), "{\"advance\": \"%s\"}", span);
    ask(&run->vtsimds[0], "POST", "/_sim/clock", body, 200, NULL);
}

struct starter {
    struct run *run;
    size_t number;
};

static void *start_share(void *arg)
{
    struct starter *starter = arg;
    struct run *run = starter->run;

    for (size_t i = starter->number; i < JOBS; i += run->how->threads) {
        size_t job = i * run->how->stride % JOBS;

        start_job_of(run, job);
        poll_some(run, job);
        if (run->how->line)
            advance(run, "7ms");
    }
    return NULL;
}

static void start_all(struct run *run)
{
    struct starter starters[THREADS_MAX];
    pthread_t threads[THREADS_MAX];

    for (size_t i = 0; i < run->how->threads; i++) {
        starters[i] = (struct starter){run, i};
        assert_int_equal(pthread_create(&threads[i], NULL, start_share, &starters[i]), 0);
    }
    for (size_t i = 0; i < run->how->threads; i++)
        pthread_join(threads[i], NULL);
}

/* ---- what became of them ---- */

static int64_t count_alive(const struct vtsimd *vtsimd)
{
    struct json_object *health = ask_json(vtsimd, "GET", "/_sim/health", NULL, 200);
    struct json_object *jobs = json_object_object_get(health, "jobs");
    int64_t alive = json_object_get_int64(json_object_object_get(jobs, "running")) +
                    json_object_get_int64(json_object_object_get(jobs, "queued"));

    json_object_put(health);
    return alive;
}

static void wait_for_ends(struct run *run)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;

    if (!run->how->real)
        advance(run, "1h");
    while (count_alive(&run->vtsimds[0]) > 0)
        assert_true(run_now_ms() < until_ms);
}

/* Milliseconds since 1970 of a moment such as 2026-01-01T00:00:00.000Z. */
static int64_t moment(struct json_object *job, const char *member)
{
    const char *text = member_text(job, member), *rest;
    struct tm tm = {0};

    assert_non_null(text);
    rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    assert_non_null(rest);
    return (int64_t)timegm(&tm) * 1000 + strtol(rest + 1, NULL, 10);
}

static void note_fate(struct run *run, struct json_object *job)
{
    const char *id = member_text(job, "id");
    size_t number = strtoul(id + 2, NULL, 10) + (size_t)(strchr(kinds, *id) - kinds) * EACH;
    int64_t created = moment(job, "created_at");

    assert_true(number < JOBS);
    snprintf(run->fates[number], sizeof(run->fates[number]),
             "%s %s %s started +%lld ended +%lld progress %s error %s result %s", id,
             member_text(job, "behaviour"), member_text(job, "state"),
             (long long)(moment(job, "started_at") - created),
             (long long)(moment(job, "ended_at") - created),
             json_object_to_json_string(json_object_object_get(job, "progress")),
             json_object_to_json_string(json_object_object_get(job, "error")),
             json_object_to_json_string(json_object_object_get(job, "result")));
}

/* By listings, which are no polls. */
static void note_fates(struct run *run)
{
    char target[64] = "/jobs?limit=100";
    struct json_object *page, *jobs, *next;
    bool more = true;

    for (size_t i = 0; i < JOBS; i++)
        snprintf(run->fates[i], sizeof(run->fates[i]), "no job");
    while (more) {
        page = ask_json(&run->vtsimds[0], "GET", target, NULL, 200);
        jobs = json_object_object_get(page, "jobs");
        for (size_t i = 0; i < json_object_array_length(jobs); i++)
            note_fate(run, json_object_array_get_idx(jobs, i));
        next = json_object_object_get(page, "next");
        more = next != NULL;
        if (more)
            snprintf(target, sizeof(target), "/jobs?limit=100&after=%s",
                     json_object_get_string(next));
        json_object_put(page);
    }
}

static void assert_same(const struct run *run, const struct run *first)
{
    for (size_t i = 0; i < JOBS; i++)
        if (strcmp(run->fates[i], first->fates[i]) != 0 ||
            strcmp(run->starts[i], first->starts[i]) != 0)
            fail_msg("store %d, %s workers, stride %zu, %zu polls:\n%s, starts%s\nand at first:\n"
                     "%s, starts%s",
                     (int)run->how->store, run->how->workers, run->how->stride, run->how->polls,
                     run->fates[i], run->starts[i], first->fates[i], first->starts[i]);
}

static void assert_many(const struct run *run, const char *text, size_t least)
{
    size_t count = 0;

    for (size_t i = 0; i < JOBS; i++)
        count += strstr(run->fates[i], text) || strstr(run->starts[i], text);
    if (count < least)
        fail_msg("%zu fates with \"%s\", %zu are the least", count, text, least);
}

/* ---- runs ---- */

static void run_on(struct run *run, const struct how *how)
{
    char place[FOLDER_ROOM + 32];

    *run = (struct run){.how = how};
    snprintf(place, sizeof(place), "store/path=%s/%s-%zu-%zu.db", folder, how->workers, how->stride,
             how->polls);
    if (how->store == SQLITE)
        start_vtsimd(run, "store/kind=sqlite", place);
#ifdef FATES_WITH_REDIS
    if (how->store == REDIS) {
        snprintf(place, sizeof(place), "store/url=%s", redis.url);
        start_vtsimd(run, "store/kind=redis", place);
        start_vtsimd(run, "store/kind=redis", place);
    }
#endif
    if (how->store == MEMORY)
        start_vtsimd(run, "store/kind=memory", NULL);
    start_all(run);
    wait_for_ends(run);
    note_fates(run);
    for (size_t i = 0; i < run->vtsimd_count; i++)
        server_stop(&run->vtsimds[i]);
}

/* Two runs at a time are kept: the first, and the one that is held against it. */
static struct run first, other;

static void all_are_the_same(const struct how *hows, size_t count)
{
    run_on(&first, &hows[0]);
    for (size_t i = 1; i < count; i++) {
        run_on(&other, &hows[i]);
        assert_same(&other, &first);
    }
}

static void fates_hang_on_seed_and_id_alone(void **state)
{
    static const struct how hows[] = {
        {MEMORY, "1", false, 1, 1, 0, false},
        {MEMORY, "1", true, 1, 7, 1, false},
        {MEMORY, "2", false, 4, 239, 3, false},
        {MEMORY, "4", true, 4, 11, 5, false},
    };

    (void)state;
    all_are_the_same(hows, sizeof(hows) / sizeof(hows[0]));
    assert_many(&first, " completed ", JOBS / 3);
    assert_many(&first, " failed ", JOBS / 10);
    assert_many(&first, " cancelled ", JOBS / 20);
    assert_many(&first, "\"fell over\"", EACH / 10);
    assert_many(&first, " 503", JOBS / 10);
    assert_many(&first, " 429 ", EACH / 10);
}

static void fates_are_the_same_in_sqlite(void **state)
{
    static const struct how hows[] = {
        {MEMORY, "1", false, 1, 1, 0, false},
        {SQLITE, "1", false, 1, 13, 0, false},
        {SQLITE, "4", true, 4, 77, 2, false},
    };

    (void)state;
    if (!WITH_SQLITE)
        skip();
    all_are_the_same(hows, sizeof(hows) / sizeof(hows[0]));
}

/* A virtual clock is none for a store that several vtsimds share: there are two here. */
static void fates_are_the_same_in_redis(void **state)
{
#ifdef FATES_WITH_REDIS
    static const struct how hows[] = {
        {MEMORY, "1", false, 1, 1, 0, false},
        {REDIS, "2", true, 4, 101, 2, false},
    };

    (void)state;
    redis_process_start(&redis, NULL);
    all_are_the_same(hows, sizeof(hows) / sizeof(hows[0]));
#else
    (void)state;
    skip();
#endif
}

static int end_redis(void **state)
{
    (void)state;
#ifdef FATES_WITH_REDIS
    redis_process_finish(&redis);
#endif
    return 0;
}

static void a_line_hangs_on_the_order_of_starts_alone(void **state)
{
    static const struct how hows[] = {
        {MEMORY, "1", false, 1, 7, 0, true},
        {MEMORY, "4", false, 1, 7, 3, true},
        {SQLITE, "2", false, 1, 7, 2, true},
    };

    (void)state;
    all_are_the_same(hows, WITH_SQLITE ? 3 : 2);
    assert_many(&first, " queue completed ", 60);
    assert_many(&first, "no job", 20);
    assert_many(&first, " 429/1", 20);
}

/* ---- all ---- */

static int make_folder(void **state)
{
    (void)state;
    folder_make(folder);
    write_files();
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fates_hang_on_seed_and_id_alone),
        cmocka_unit_test(fates_are_the_same_in_sqlite),
        cmocka_unit_test_teardown(fates_are_the_same_in_redis, end_redis),
        cmocka_unit_test(a_line_hangs_on_the_order_of_starts_alone),
    };

    return cmocka_run_group_tests_name("http fates", tests, make_folder, remove_folder);
}
