/* SPDX-License-Identifier: MIT
 *
 * The audit where several vtsimds share a Redis: a job's figures are the same at each and right wherever its
 * polls went, limits and sums are of all, and none of it ends with a vtsimd, or with a Redis that keeps its
 * file. First what one vtsimd must tell with any store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../http/audit.h"
#include "../../http/server.h"
#include "../../store/redis/server.h"
#include "run.h"

#include <cmocka.h>

static struct redis_process process;
static struct vtsimd a, b;
static char url_setting[96];

/* ---- two of them ---- */

static const char *more = "audit/jobs=1000";

static void start_one(struct vtsimd *vtsimd)
{
    server_start(vtsimd, "-s", "store/kind=redis", "-s", url_setting, "-s", "server/workers=2",
                 "-s", more, NULL);
}

static void setup_with(const char *const *redis_args, const char *setting)
{
    more = setting;
    redis_process_start(&process, redis_args);
    snprintf(url_setting, sizeof(url_setting), "store/url=%s", process.url);
    start_one(&a);
    start_one(&b);
}

static int setup(void **state)
{
    (void)state;
    setup_with(NULL, "audit/jobs=1000");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (a.pid)
        server_stop(&a);
    if (b.pid)
        server_stop(&b);
    redis_process_finish(&process);
    return 0;
}

/* ---- helpers ---- */

static struct json_object *audit_of(const struct vtsimd *vtsimd, const char *id)
{
    char target[64];

    snprintf(target, sizeof(target), "/jobs/%s/audit", id);
    return ask_json(vtsimd, "GET", target, NULL, 200);
}

/* A figure of a job, or of the sum; the number of a list's members; -1: null. Both tell the same. */
static int64_t figure(const char *id, const char *name)
{
    int64_t values[2];

    for (int i = 0; i < 2; i++) {
        const struct vtsimd *vtsimd = i ? &b : &a;
        struct json_object *audit =
            id ? audit_of(vtsimd, id) : ask_json(vtsimd, "GET", "/_sim/audit", NULL, 200);
        struct json_object *from = id ? audit : json_object_object_get(audit, "sum"), *member;

        if (!json_object_object_get_ex(from, name, &member))
            fail_msg("no %s: %s", name, json_object_to_json_string(audit));
        values[i] = !member ? -1
                    : json_object_is_type(member, json_type_array)
                        ? (int64_t)json_object_array_length(member)
                        : json_object_get_int64(member);
        json_object_put(audit);
    }
    assert_int_equal(values[0], values[1]);
    return values[0];
}

static void poll_once(const struct vtsimd *vtsimd, const char *id, int status)
{
    char target[64];

    snprintf(target, sizeof(target), "/status?job_id=%s", id);
    ask(vtsimd, "GET", target, NULL, status, NULL);
}

static void verdict(const char *answer)
{
    ask(&a, "GET", "/_sim/audit/verdict", NULL, 200, answer);
    ask(&b, "GET", "/_sim/audit/verdict", NULL, 200, answer);
}

#define PASS "{\"verdict\": \"pass\", \"reasons\": []}"

static void wait_until(const char *command, long long wanted)
{
    for (int64_t until_ms = run_now_ms() + EVENT_MS; redis_do(&process, command) != wanted;)
        if (run_now_ms() >= until_ms)
            fail_msg("%s: %lld", command, redis_do(&process, command));
}

/* ---- one job ---- */

static void a_job_that_both_are_asked_for(void **state)
{
    (void)state;
    start_job(&a, "x", NULL);
    for (int i = 0; i < 12; i++)
        poll_once(i % 2 ? &a : &b, "x", 200);
    assert_int_equal(figure("x", "polls"), 12);
    assert_int_equal(figure("x", "useless_polls"), 12);
    assert_int_equal(figure("x", "times"), 12);
    assert_int_equal(figure("x", "connections"), 13);
    assert_int_equal(figure("x", "polls_after_end"), 0);
    ask(&b, "DELETE", "/jobs/x", NULL, 200,
        NULL); /* tells how it is; the first poll sees it all the same */
    poll_once(&a, "x", 200);
    poll_once(&b, "x", 200);
    assert_int_equal(figure("x", "polls_after_end"), 1);
    assert_int_equal(figure("x", "unseen"), 0);
}

/* Retry-After that one told is not kept at the other. */
static void a_poll_that_is_early_at_the_other(void **state)
{
    (void)state;
    start_job(&a, "x", "{\"retry_after\": 3600000, \"polls\": 1}");
    poll_once(&a, "x", 200);
    assert_int_equal(figure("x", "early_polls"), 0);
    poll_once(&b, "x", 200);
    poll_once(&a, "x", 200);
    assert_int_equal(figure("x", "early_polls"), 2);
}

/* Both number their connections from 1. */
static void connections_of_both_are_told_apart(void **state)
{
    struct http_connection connections[2];
    struct http_response response;

    (void)state;
    start_job(&a, "x", NULL);
    http_connect(&connections[0], a.port);
    http_connect(&connections[1], b.port);
    for (int i = 0; i < 10; i++) {
        assert_true(http_send_request(&connections[i % 2], "GET", "/status?job_id=x", NULL));
        assert_int_equal(http_read(&connections[i % 2], &response), HTTP_ANSWER);
        http_response_finish(&response);
    }
    http_close(&connections[0]);
    http_close(&connections[1]);
    assert_int_equal(figure("x", "connections"), 3);
    assert_int_equal(figure(NULL, "connections"), 3);
}

#define AT_ONCE 8
#define ROUNDS  50

/* None is lost and none counts twice, also while both fold. */
static void polls_at_the_same_moment(void **state)
{
    struct http_connection connections[AT_ONCE];
    struct http_response response;

    (void)state;
    start_job(&a, "x", NULL);
    for (int i = 0; i < AT_ONCE; i++)
        http_connect(&connections[i], i % 2 ? a.port : b.port);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < AT_ONCE; i++)
            assert_true(http_send_request(
                &connections[i], "GET",
                round % 10 == 9 && i < 2 ? "/_sim/audit" : "/status?job_id=x", NULL));
        for (int i = 0; i < AT_ONCE; i++) {
            assert_int_equal(http_read(&connections[i], &response), HTTP_ANSWER);
            assert_int_equal(response.status, 200);
            http_response_finish(&response);
        }
    }
    for (int i = 0; i < AT_ONCE; i++)
        http_close(&connections[i]);
    assert_int_equal(figure("x", "polls"), AT_ONCE * ROUNDS - 2 * ROUNDS / 10);
    assert_int_equal(figure("x", "useless_polls"), AT_ONCE * ROUNDS - 2 * ROUNDS / 10);
    assert_int_equal(figure("x", "connections"), AT_ONCE + 1);
    assert_int_equal(figure("x", "times"), 256); /* the last ones */
}

static void times_of_the_last_jobs(void **state)
{
    (void)state;
    setup_with(NULL, "audit/jobs=2");
    for (char name[] = "x"; *name <= 'z'; ++*name) {
        start_job(*name % 2 ? &a : &b, name, NULL);
        poll_once(&a, name, 200);
    }
    assert_int_equal(figure("x", "times"), -1);
    assert_int_equal(figure("y", "times"), 1);
    assert_int_equal(figure("z", "times"), 1);
    poll_once(&b, "x", 200);
    assert_int_equal(figure("x", "times"), -1);
    assert_int_equal(figure("x", "useless_polls"), 2);
    assert_int_equal(redis_do(&process, "HLEN vtsim:details"), 2);
}

/* ---- of all ---- */

static void limits_and_verdict_are_shared(void **state)
{
    static const char two[] =
        "{\"verdict\": \"fail\", \"reasons\": [{\"limit\": \"duplicate_starts\", \"job\": \"x\", "
        "\"figure\": 1, \"bound\": 0}, {\"limit\": \"unknown_polls\", \"job\": null, \"figure\": "
        "2, \"bound\": 1}]}";

    (void)state;
    verdict(PASS);
    ask(&a, "POST", "/_sim/audit/expect", "{\"duplicate_starts\": 0, \"unknown_polls\": 1}", 200,
        "{\"limits\": 2}");
    start_job(&a, "x", NULL);
    poll_once(&a, "none", 404);
    verdict(PASS);
    ask(&b, "POST", "/start", "{\"job_id\": \"x\"}", 409, NULL);
    poll_once(&b, "none", 404);
    verdict(two);
    vtsimd_kill(&a);
    vtsimd_finish(&a);
    start_one(&a);
    verdict(two);
    server_stop(&b);
    start_one(&b);
    verdict(two);
    ask(&b, "POST", "/_sim/audit/expect", "{\"polls\": 0}", 200, "{\"limits\": 1}");
    verdict(PASS); /* the others are replaced, for both */
}

/* Both are started anew with another time for which ended jobs are kept. */
static void keep_for(const char *keep_ended)
{
    server_stop(&a);
    server_stop(&b);
    more = keep_ended;
    start_one(&a);
    start_one(&b);
}

/* Jobs that were cancelled, each polled so many times after that: x0 never, and so on. */
static void live(int jobs)
{
    char id[16], target[16];

    for (int i = 0; i < jobs; i++) {
        snprintf(id, sizeof(id), "x%d", i);
        snprintf(target, sizeof(target), "/jobs/x%d", i);
        start_job(i % 2 ? &a : &b, id, NULL);
        ask(&b, "DELETE", target, NULL, 200, NULL);
        for (int poll = 0; poll < i; poll++)
            poll_once(poll % 2 ? &a : &b, id, 200);
    }
}

static void sums_of_jobs_that_are_gone(void **state)
{
    static const char fail[] =
        "{\"verdict\": \"fail\", \"reasons\": [{\"limit\": \"polls_after_end\", \"job\": \"x3\", "
        "\"figure\": 2, \"bound\": 1}]}";

    (void)state;
    ask(&a, "POST", "/_sim/audit/expect", "{\"polls_after_end\": 1}", 200, NULL);
    live(4);
    verdict(fail);
    keep_for("server/keep_ended=0");
    redis_do(&process, "ZADD vtsim:due 1 x0 1 x1 1 x3"); /* or it would be in a day */
    wait_until("HLEN vtsim:jobs", 1);
    start_job(&a, "x2", NULL); /* in the place of one whose time is over */
    assert_int_equal(figure("x2", "polls"), 0);
    assert_int_equal(figure("x2", "polls_after_end"), 0);
    assert_int_equal(figure("x2", "connections"), 1);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(figure(NULL, "jobs"), 5);
        assert_int_equal(figure(NULL, "ended"), 4);
        assert_int_equal(figure(NULL, "polls"), 6);
        assert_int_equal(figure(NULL, "polls_after_end"), 3);
        assert_int_equal(figure(NULL, "unseen"), 0);
        verdict(fail);
        keep_for("server/keep_ended=1h");
    }
    assert_int_equal(redis_do(&process, "HLEN vtsim:stats"), 1);
    assert_int_equal(redis_do(&process, "HLEN vtsim:details"), 1);
    assert_int_equal(redis_do(&process, "ZCARD vtsim:recent"), 1);
}

static void a_reset_at_one_is_for_all(void **state)
{
    (void)state;
    ask(&a, "POST", "/_sim/audit/expect", "{\"unknown_polls\": 0}", 200, NULL);
    start_job(&a, "x", NULL);
    start_job(&a, "y", NULL);
    poll_once(&a, "x", 200);
    poll_once(&a, "none", 404);
    json_object_put(ask_json(&b, "POST", "/_sim/reset", "{\"jobs\": \"x\"}", 200));
    assert_int_equal(figure(NULL, "unknown_polls"), 1);
    start_job(&b, "x", NULL);
    assert_int_equal(figure("x", "useless_polls"), 0);
    assert_int_equal(figure("x", "times"), 0);
    json_object_put(ask_json(&b, "POST", "/_sim/reset", "{}", 200));
    assert_int_equal(figure(NULL, "unknown_polls"), 0);
    assert_int_equal(figure(NULL, "jobs"), 0);
    assert_int_equal(figure(NULL, "connections"), 0);
    poll_once(&a, "none", 404);
    verdict(PASS); /* the limits went, too */
    assert_int_equal(redis_do(&process, "EXISTS vtsim:stats vtsim:details vtsim:recent"), 0);
}

/* Nobody is shown them any more, and their turn to go has not come yet. */
static void a_reset_takes_those_that_are_over(void **state)
{
    (void)state;
    live(2);
    keep_for("server/keep_ended=0");
    json_object_put(ask_json(&a, "POST", "/_sim/reset", "{}", 200));
    assert_int_equal(redis_do(&process, "EXISTS vtsim:jobs"), 0);
    assert_int_equal(figure(NULL, "jobs"), 0);
    assert_int_equal(figure(NULL, "polls"), 0);
}

/* ---- what goes away ---- */

/* What was answered was noted before: whoever dies, with whatever in hand. */
static void one_that_is_killed_takes_no_poll_with_it(void **state)
{
    struct json_object *audit;

    (void)state;
    start_job(&a, "x", NULL);
    for (int i = 0; i < 25; i++)
        poll_once(&a, "x", 200);
    vtsimd_kill(&a);
    vtsimd_finish(&a);
    audit = audit_of(&b, "x");
    assert_int_equal(json_object_get_int(json_object_object_get(audit, "useless_polls")), 25);
    assert_int_equal(json_object_array_length(json_object_object_get(audit, "times")), 25);
    json_object_put(audit);
}

static void a_redis_that_dies_and_has_its_file(void **state)
{
    static const char *const keeping[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    struct http_response response;
    int64_t until_ms = run_now_ms() + EVENT_MS;
    int answered = 0;

    (void)state;
    setup_with(keeping, "audit/jobs=1000");
    start_job(&a, "x", NULL);
    for (int i = 0; i < 25; i++)
        poll_once(i % 2 ? &a : &b, "x", 200);
    redis_process_kill(&process);
    redis_process_again(&process);
    for (int i = 0; answered < 2; i++) {
        assert_true(run_now_ms() < until_ms);
        http_request(i % 2 ? a.port : b.port, "GET", "/status?job_id=x", NULL, &response);
        answered += response.status == 200;
        http_response_finish(&response);
    }
    for (int i = 0; i < 2;) { /* of each worker's connection */
        assert_true(run_now_ms() < until_ms);
        http_request(i ? a.port : b.port, "GET", "/_sim/health", NULL, &response);
        i += response.status == 200;
        http_response_finish(&response);
    }
    assert_int_equal(figure("x", "useless_polls"), 27);
    assert_int_equal(figure("x", "times"), 27);
}

static void while_redis_is_away_there_is_503(void **state)
{
    (void)state;
    redis_process_kill(&process);
    ask(&a, "GET", "/_sim/audit", NULL, 503, NULL);
    ask(&a, "GET", "/_sim/audit/verdict", NULL, 503, NULL);
    ask(&a, "GET", "/jobs/x/audit", NULL, 503, NULL);
    ask(&a, "POST", "/_sim/audit/expect", "{}", 503, NULL);
    ask(&a, "POST", "/_sim/reset", "{}", 503, NULL);
}

/* One that notes nothing folds in what others noted, and lets their poll times be. */
static void one_without_an_audit(void **state)
{
    (void)state;
    start_job(&a, "x", NULL);
    server_stop(&b);
    server_start(&b, "-s", "store/kind=redis", "-s", url_setting, "-s", "audit/enabled=off", NULL);
    poll_once(&a, "x", 200);
    poll_once(&b, "x", 200);
    vtsimd_kill(&a);
    vtsimd_finish(&a);
    wait_until("LLEN vtsim:notes", 0);
    start_one(&a);
    server_stop(&b);
    start_one(&b);
    assert_int_equal(figure("x", "polls"), 2);
    assert_int_equal(figure("x", "useless_polls"), 1);
    assert_int_equal(figure("x", "times"), 1);
}

/* A user who may do what README.md in core/store/ says, and no more. */
static void a_user_with_just_what_is_needed(void **state)
{
    static const char *const start[] = {"{\"after\": 1}", NULL};

    (void)state;
    more = "server/keep_ended=0";
    redis_process_start(&process, NULL);
    redis_do(&process, "ACL SETUSER vtsim on >secret ~vtsim:* +select +script|load +evalsha +type "
                       "+time +@hash +@sortedset +@list +set +get");
    snprintf(url_setting, sizeof(url_setting), "store/url=redis://vtsim:secret@127.0.0.1:%d",
             process.port);
    start_one(&a);
    start_one(&b);
    for (int i = 0; i < 2; i++) {
        start_job(&a, i ? "x" : "y", start[i]);
        poll_once(&b, i ? "x" : "none", i ? 200 : 404);
    }
    wait_until("HLEN vtsim:jobs", 1);
    ask(&b, "POST", "/_sim/audit/expect", "{}", 200, NULL);
    verdict(PASS);
    assert_int_equal(figure("x", "times"), 1);
    assert_int_equal(figure(NULL, "jobs"), 2);
    json_object_put(ask_json(&b, "POST", "/_sim/reset", "{}", 200));
    assert_int_equal(figure(NULL, "jobs"), 0);
}

/* ---- as with any store ---- */

static const char *const *a_prefix_of_its_own(void)
{
    static char prefix[32];
    static const char *const args[] = {"-s", "store/kind=redis", "-s", url_setting, "-s", prefix,
                                       NULL};
    static int number;

    snprintf(prefix, sizeof(prefix), "store/prefix=%d:", number++);
    return args;
}

static int as_with_any_store(void)
{
    int failed;

    redis_process_start(&process, NULL);
    snprintf(url_setting, sizeof(url_setting), "store/url=%s", process.url);
    server_each = a_prefix_of_its_own;
    failed = audit_run("store_redis_audit_one");
    server_each = NULL;
    redis_process_finish(&process);
    return failed;
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
#define OWN(function)  cmocka_unit_test_teardown(function, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_job_that_both_are_asked_for),
        TEST(a_poll_that_is_early_at_the_other),
        TEST(connections_of_both_are_told_apart),
        TEST(polls_at_the_same_moment),
        OWN(times_of_the_last_jobs),
        TEST(limits_and_verdict_are_shared),
        TEST(sums_of_jobs_that_are_gone),
        TEST(a_reset_at_one_is_for_all),
        TEST(a_reset_takes_those_that_are_over),
        TEST(one_that_is_killed_takes_no_poll_with_it),
        OWN(a_redis_that_dies_and_has_its_file),
        TEST(while_redis_is_away_there_is_503),
        TEST(one_without_an_audit),
        OWN(a_user_with_just_what_is_needed),
    };

    return as_with_any_store() + cmocka_run_group_tests(tests, NULL, NULL);
}
