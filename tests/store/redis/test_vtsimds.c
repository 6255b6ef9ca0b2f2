/* SPDX-License-Identifier: MIT
 *
 * Several real vtsimds on one Redis, asked over HTTP: whichever is asked answers for every job, one's death
 * is made good by the others, and Redis's going away is told as it is. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../http/server.h"
#include "../../store/redis/server.h"
#include "run.h"

#include <cmocka.h>

static struct redis_process process;
static struct vtsimd a, b;
static char url_setting[96];

static int setup(void **state)
{
    (void)state;
    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    redis_process_start(&process, NULL);
    snprintf(url_setting, sizeof(url_setting), "store/url=%s", process.url);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (a.pid)
        server_stop(&a);
    if (b.pid)
        server_stop(&b);
    vtsimd_finish(&a);
    vtsimd_finish(&b);
    redis_process_finish(&process);
    return 0;
}

/* With this behaviour as its default, which need not be anybody else's. */
static void start_one(struct vtsimd *vtsimd, const char *behaviour, const char *setting,
                      const char *more)
{
    char chosen[64];
    const char *args[] = {
        "-s", "store/kind=redis", "-s", url_setting, "-s", chosen, "-s", setting, "-s", more, NULL};

    snprintf(chosen, sizeof(chosen), "server/behaviour=%s", behaviour);
    vtsimd_start(vtsimd, args);
}

#define STEPS        "behaviour steps/script=pending x3, completed"
#define STEPS_PLUGIN "behaviour steps/plugin=scripted_sequence"

static void a_job_is_started_on_one_and_polled_on_the_other(void **state)
{
    (void)state;
    start_one(&a, "slow", "behaviour slow/delay=1h", "behaviour slow/plugin=fixed_delay");
    start_one(&b, "slow", "behaviour slow/delay=1h", "behaviour slow/plugin=fixed_delay");
    ask(&a, "POST", "/start", "{\"job_id\": \"x\"}", 200,
        "{\"message\": \"Job started\", \"job_id\": \"x\"}");
    ask(&b, "GET", "/status?job_id=x", NULL, 200, "{\"job_id\": \"x\", \"status\": \"pending\"}");
    ask(&b, "POST", "/start", "{\"job_id\": \"x\"}", 409,
        "{\"error\": \"a job of this id was started before\", \"job_id\": \"x\"}");
    ask(&b, "DELETE", "/jobs/x", NULL, 200, NULL);
    ask(&a, "GET", "/status?job_id=x", NULL, 200, "{\"job_id\": \"x\", \"status\": \"error\"}");
    ask(&a, "GET", "/status?job_id=y", NULL, 404, NULL);
}

static void scripts_that_count_polls_are_right_whoever_is_asked(void **state)
{
    char target[64], body[64], wanted[96];

    (void)state;
    start_one(&a, "steps", STEPS, STEPS_PLUGIN);
    start_one(&b, "steps", STEPS, STEPS_PLUGIN);
    for (int job = 0; job < 8; job++) {
        snprintf(body, sizeof(body), "{\"job_id\": \"p%d\"}", job);
        ask(job % 2 ? &a : &b, "POST", "/start", body, 200, NULL);
        snprintf(target, sizeof(target), "/status?job_id=p%d", job);
        /* each of the eight ways of asking three times */
        for (int poll = 0; poll < 5; poll++) {
            snprintf(wanted, sizeof(wanted), "{\"job_id\": \"p%d\", \"status\": \"%s\"}", job,
                     poll < 3 ? "pending" : "completed");
            ask(job >> poll & 1 ? &a : &b, "GET", target, NULL, 200, wanted);
        }
    }
}

#define FAULTS                                                                                     \
    "behaviour faults/script=start: http 503 x2\ncompleted, repeat 4 { http 500, http 501 }"
#define FAULTS_PLUGIN "behaviour faults/plugin=scripted_sequence"

/* Refused starts and the faults behind an end are used up in their order, each once. */
static void faults_are_used_up_in_order_whoever_is_asked(void **state)
{
    char target[64], body[64];

    (void)state;
    start_one(&a, "faults", FAULTS, FAULTS_PLUGIN);
    start_one(&b, "faults", FAULTS, FAULTS_PLUGIN);
    for (int job = 0; job < 8; job++) {
        snprintf(body, sizeof(body), "{\"job_id\": \"f%d\"}", job);
        for (int start = 0; start < 3; start++)
            ask(job >> start & 1 ? &a : &b, "POST", "/start", body, start < 2 ? 503 : 200, NULL);
        snprintf(target, sizeof(target), "/status?job_id=f%d", job);
        for (int poll = 0; poll < 12; poll++)
            ask(job >> poll % 3 & 1 ? &a : &b, "GET", target, NULL,
                poll >= 8 ? 200 : 500 + poll % 2, NULL);
    }
}

/* The same with many asking at once: as many are told "pending" as the script says. */
static void polls_at_the_same_moment(void **state)
{
    enum { ROUNDS = 20, EACH = 4 };
    struct http_connection connections[2 * EACH];
    struct http_response response;
    char request[64], body[64];
    int pending;

    (void)state;
    start_one(&a, "steps", STEPS, STEPS_PLUGIN);
    start_one(&b, "steps", STEPS, STEPS_PLUGIN);
    for (int i = 0; i < 2 * EACH; i++)
        http_connect(&connections[i], i % 2 ? a.port : b.port);
    for (int round = 0; round < ROUNDS; round++) {
        snprintf(body, sizeof(body), "{\"job_id\": \"r%d\"}", round);
        ask(&a, "POST", "/start", body, 200, NULL);
        snprintf(request, sizeof(request), "/status?job_id=r%d", round);
        for (int i = 0; i < 2 * EACH; i++)
            assert_true(http_send_request(&connections[i], "GET", request, NULL));
        pending = 0;
        for (int i = 0; i < 2 * EACH; i++) {
            assert_int_equal(http_read(&connections[i], &response), HTTP_ANSWER);
            assert_int_equal(response.status, 200);
            pending += strstr(response.body, "pending") != NULL;
            http_response_finish(&response);
        }
        assert_int_equal(pending, 3);
    }
    for (int i = 0; i < 2 * EACH; i++)
        http_close(&connections[i]);
}

static void one_that_is_killed_takes_no_job_with_it(void **state)
{
    enum { JOBS = 200 };
    char id[32], body[64];
    int status;

    (void)state;
    start_one(&a, "soon", "behaviour soon/delay=300ms", "behaviour soon/plugin=fixed_delay");
    start_one(&b, "soon", "behaviour soon/delay=300ms", "behaviour soon/plugin=fixed_delay");
    for (int i = 0; i < JOBS; i++) {
        snprintf(body, sizeof(body), "{\"job_id\": \"k%d\"}", i);
        ask(&a, "POST", "/start", body, 200, NULL);
    }
    kill(a.pid, SIGKILL);
    assert_true(run_wait(a.pid, run_now_ms() + EVENT_MS, &status));
    a.pid = 0;
    close(a.out_fd);
    for (int i = 0; i < JOBS; i += 37) {
        snprintf(id, sizeof(id), "k%d", i);
        wait_for_state(&b, id, "completed");
    }
    /* those that nobody asked for as well */
    for (int64_t until_ms = run_now_ms() + EVENT_MS;
         redis_do(&process, "HGET vtsim:states 3") < JOBS;)
        assert_true(run_now_ms() < until_ms);
    assert_int_equal(redis_do(&process, "HGET vtsim:states 2"), 0);
}

/* The second knows the behaviour by nothing but the first's job. */
static void ini_files_may_differ(void **state)
{
    struct json_object *list, *job;

    (void)state;
    start_one(&b, "fixed_delay", "server/workers=2", "server/max_jobs=1000");
    start_one(&a, "steps", STEPS, STEPS_PLUGIN);
    ask(&a, "POST", "/start", "{\"job_id\": \"x\"}", 200, NULL);
    ask(&b, "GET", "/status?job_id=x", NULL, 200, "{\"job_id\": \"x\", \"status\": \"pending\"}");
    ask(&a, "GET", "/status?job_id=x", NULL, 200, "{\"job_id\": \"x\", \"status\": \"pending\"}");
    list = ask_json(&b, "GET", "/jobs?limit=10", NULL, 200);
    job = json_object_array_get_idx(json_object_object_get(list, "jobs"), 0);
    assert_string_equal(member_text(job, "behaviour"), "steps");
    json_object_put(list);
    ask(&b, "GET", "/status?job_id=x", NULL, 200, "{\"job_id\": \"x\", \"status\": \"pending\"}");
    ask(&b, "GET", "/status?job_id=x", NULL, 200, "{\"job_id\": \"x\", \"status\": \"completed\"}");
}

/* Options that one was told are the other's, too, as long as there is a job with them. */
static void options_are_shared(void **state)
{
    static const char *const told[] = {"pending", "pending", "pending", "completed"};
    struct json_object *list, *job;
    char wanted[64];

    (void)state;
    start_one(&a, "fixed_delay", "server/keep_ended=0", "server/max_instances=2");
    start_one(&b, "fixed_delay", "server/keep_ended=0", "server/max_instances=2");
    ask(&a, "POST", "/start",
        "{\"job_id\": \"x\", \"behaviour\": \"scripted_sequence\", "
        "\"options\": {\"script\": \"pending x3, pending for 1h\"}}",
        200, NULL);
    ask(&a, "POST", "/start",
        "{\"job_id\": \"y\", \"behaviour\": \"scripted_sequence\", "
        "\"options\": {\"script\": \"pending x3, completed\"}}",
        200, NULL);
    for (int i = 0; i < 4; i++) {
        snprintf(wanted, sizeof(wanted), "{\"job_id\": \"y\", \"status\": \"%s\"}", told[i]);
        ask(i % 2 ? &a : &b, "GET", "/status?job_id=y", NULL, 200, wanted);
    }
    list = ask_json(&b, "GET", "/jobs?limit=1", NULL, 200);
    job = json_object_array_get_idx(json_object_object_get(list, "jobs"), 0);
    assert_string_equal(member_text(job, "behaviour"), "scripted_sequence");
    json_object_put(list);
    /* y is over and forgotten, so its options are, whoever had them */
    for (int64_t until_ms = run_now_ms() + EVENT_MS; redis_do(&process, "HLEN vtsim:jobs") > 1;)
        assert_true(run_now_ms() < until_ms);
    assert_int_equal(redis_do(&process, "HLEN vtsim:instances"), 1);
    /* there may be two among all */
    ask(&b, "POST", "/start", "{\"job_id\": \"z\", \"options\": {\"delay\": \"1h\"}}", 200, NULL);
    ask(&a, "POST", "/start", "{\"job_id\": \"w\", \"options\": {\"delay\": \"2h\"}}", 503,
        "{\"error\": \"jobs have as many sets of options as max_instances allows (2): those that "
        "they "
        "have can be given; new ones again when all jobs of one are over and forgotten\"}");
    ask(&a, "POST", "/start", "{\"job_id\": \"w\", \"options\": {\"delay\": \"1h\"}}", 200, NULL);
    ask(&a, "POST", "/start", "{\"job_id\": \"v\"}", 200, NULL); /* of the configuration */
    ask(&b, "DELETE", "/jobs/z", NULL, 200, NULL);
    ask(&b, "DELETE", "/jobs/w", NULL, 200, NULL);
    ask(&b, "DELETE", "/jobs/x", NULL, 200, NULL);
    ask(&b, "DELETE", "/jobs/v", NULL, 200, NULL);
    for (int64_t until_ms = run_now_ms() + EVENT_MS; redis_do(&process, "HLEN vtsim:jobs") > 0;)
        assert_true(run_now_ms() < until_ms);
    assert_int_equal(redis_do(&process, "EXISTS vtsim:instances vtsim:uses"), 0);
}

/* A plugin that needs slots does no harm, until somebody asks for it. */
static void there_are_no_slots(void **state)
{
    static const char none[] = "{\"error\": \"the behaviour \\\"queue\\\" has slots, and there are "
                               "none with the redis store\"}";

    (void)state;
    start_one(&a, "fixed_delay", "server/workers=1", "server/workers=2");
    ask(&a, "POST", "/jobs", "{\"id\": \"x\", \"behaviour\": \"queue\"}", 400, none);
    ask(&a, "POST", "/jobs",
        "{\"id\": \"x\", \"behaviour\": \"queue\", \"options\": {\"slots\": 1}}", 400, none);
    ask(&a, "GET", "/jobs/x", NULL, 404, NULL);
    assert_int_equal(redis_do(&process, "EXISTS vtsim:instances vtsim:uses"), 0);
    ask(&a, "POST", "/start", "{\"job_id\": \"x\"}", 200, NULL);
}

static void while_redis_is_away_there_is_503(void **state)
{
    struct http_response response;
    int64_t until_ms = run_now_ms() + EVENT_MS;
    char *log;

    (void)state;
    start_one(&a, "slow", "behaviour slow/delay=1h", "behaviour slow/plugin=fixed_delay");
    ask(&a, "POST", "/start", "{\"job_id\": \"x\"}", 200, NULL);
    redis_process_kill(&process);
    for (int i = 0; i < 20; i++) {
        http_request(a.port, "GET", "/status?job_id=x", NULL, &response);
        assert_int_equal(response.status, 503);
        assert_string_equal(http_header(&response, "Retry-After"), "1");
        assert_string_equal(response.body, "{\"error\": \"the store cannot be reached now\"}");
        http_response_finish(&response);
    }
    ask(&a, "POST", "/start", "{\"job_id\": \"y\"}", 503, NULL);
    ask(&a, "GET", "/jobs", NULL, 503, NULL);
    http_request(a.port, "GET", "/_sim/health", NULL, &response);
    assert_int_equal(response.status, 503);
    assert_string_equal(http_header(&response, "Retry-After"), "1");
    assert_begins(response.body, "{\"status\": \"unavailable\", ");
    assert_non_null(strstr(response.body, "\"store\": {\"kind\": \"redis\", \"state\": \"away\"}"));
    http_response_finish(&response);
    redis_process_again(&process);
    do {
        assert_true(run_now_ms() < until_ms);
        http_request(a.port, "GET", "/status?job_id=x", NULL, &response);
        if (response.status != 503)
            break;
        http_response_finish(&response);
    } while (true);
    assert_int_equal(response.status, 404); /* it came back with nothing */
    http_response_finish(&response);
    /* both workers */
    do {
        assert_true(run_now_ms() < until_ms);
        http_request(a.port, "POST", "/start", "{\"job_id\": \"y\"}", &response);
        http_response_finish(&response);
    } while (response.status == 503);
    until_ms = run_now_ms() + EVENT_MS;
    do {
        assert_true(run_now_ms() < until_ms);
        log = vtsimd_log(&a);
        if (strstr(log, "/0 is back\n"))
            break;
        free(log);
    } while (true);
    assert_null(strstr(strstr(log, " is away (") + 1, " is away ("));
    free(log);
    json_object_put(ask_json(&a, "GET", "/_sim/health", NULL, 200));
    assert_int_equal(vtsimd_stop(&a), 0);
}

static void one_that_cannot_start_says_why(void **state)
{
    char wanted[128], other[96];
    const char *argv[] = {VTSIM_BUILD_DIR "/bin/vtsimd",
                          "-l",
                          "127.0.0.1:0",
                          "-s",
                          "store/kind=redis",
                          "-s",
                          other,
                          "-s",
                          "server/seed=2",
                          NULL};
    struct run_result result;

    (void)state;
    snprintf(other, sizeof(other), "store/url=redis://127.0.0.1:1");
    run_command(argv, &result);
    assert_int_equal(result.status, 2);
    assert_string_equal(result.err,
                        "vtsimd: Redis at 127.0.0.1:1/0 cannot be reached: Connection refused\n");
    run_result_finish(&result);
    start_one(&a, "fixed_delay", "server/workers=1", "server/max_jobs=1000");
    memcpy(other, url_setting, sizeof(other));
    run_command(argv, &result);
    assert_int_equal(result.status, 2);
    snprintf(wanted, sizeof(wanted),
             "vtsimd: prefix \"vtsim:\" of Redis at 127.0.0.1:%d/0 belongs ", process.port);
    assert_begins(result.err, wanted);
    run_result_finish(&result);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_job_is_started_on_one_and_polled_on_the_other),
        TEST(scripts_that_count_polls_are_right_whoever_is_asked),
        TEST(faults_are_used_up_in_order_whoever_is_asked),
        TEST(polls_at_the_same_moment),
        TEST(one_that_is_killed_takes_no_job_with_it),
        TEST(ini_files_may_differ),
        TEST(options_are_shared),
        TEST(there_are_no_slots),
        TEST(while_redis_is_away_there_is_503),
        TEST(one_that_cannot_start_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
