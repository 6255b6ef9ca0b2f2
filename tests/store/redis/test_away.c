/* SPDX-License-Identifier: MIT
 *
 * Redis goes away and comes back: killed, stopped, emptied, locked, full, made a replica. What needs it is
 * answered at once meanwhile, one line tells that it went and one that it is back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "replica.h"
#include "run.h"
#include "server.h"

#include <cmocka.h>

static struct redis_process process;
static struct replica a;
static int saved = -1;

static int setup(void **state)
{
    (void)state;
    redis_process_start(&process, NULL);
    replica_init(&a, process.url);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (saved >= 0)
        free(capture_end(saved));
    saved = -1;
    replica_finish(&a);
    redis_process_finish(&process);
    return 0;
}

static char *log_so_far(void)
{
    char *log = capture_end(saved);

    saved = -1;
    return log;
}

static int times(const char *text, const char *part)
{
    int count = 0;

    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

static void put(const char *id)
{
    struct job job = rig_job(id, RECORD_NEVER);

    assert_int_equal(replica_put(&a, &job), VTS_OK);
}

/* Until calls are served again, or are not. */
static void turn_until(const char *id, bool served)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;
    struct job job = rig_job(id, RECORD_NEVER);

    while ((replica_put(&a, &job) == VTS_OK) != served) {
        assert_true(run_now_ms() < until_ms);
        replica_turn(&a, 0);
    }
}

static void assert_busy(void)
{
    struct call call;

    call_init(&call, "a", RECORD_LEAVE);
    call.base.is_poll = true;
    replica_begin(&a, &call);
    assert_int_equal(call.dones, 1); /* at once */
    assert_int_equal(call.base.err, VTS_ERR_BUSY);
    assert_int_equal(call.runs, 0); /* nothing is invented */
    call_finish(&call);
}

static bool no_row(struct store_list *list, const struct record *record, uint64_t polls, vts_ms now)
{
    (void)list;
    (void)record;
    (void)polls;
    (void)now;
    fail_msg("a row from nowhere");
    return false;
}

static int lists_done;

static void list_done(struct store_list *list)
{
    assert_int_equal(list->err, VTS_ERR_BUSY);
    lists_done++;
}

static void killed_and_started_again(void **state)
{
    struct store_list list = {.limit = 10, .scan = 10, .row = no_row, .done = list_done};
    struct call call;
    char *log, wanted[256];

    (void)state;
    replica_open(&a);
    put("a");
    saved = capture_begin();
    call_init(&call, "a", RECORD_PUT);
    lists_done = 0;
    replica_begin(&a, &call); /* under way */
    store_list(store_port(a.store, 0), &list);
    redis_process_kill(&process);
    replica_wait(&a, &call);
    assert_int_equal(call.base.err, VTS_ERR_BUSY);
    assert_int_equal(lists_done, 1);
    for (int i = 0; i < 100; i++)
        assert_busy();
    store_list(store_port(a.store, 0), &list);
    assert_int_equal(lists_done, 2);
    redis_process_again(&process);
    turn_until("b", true);
    log = log_so_far();
    snprintf(wanted, sizeof(wanted), " warning redis: Redis at 127.0.0.1:%d/0 is away (",
             process.port);
    assert_int_equal(times(log, wanted), 1);
    assert_int_equal(times(log, "): what needs it is answered 503 until it is back\n"), 1);
    snprintf(wanted, sizeof(wanted), " info redis: Redis at 127.0.0.1:%d/0 is back\n",
             process.port);
    assert_int_equal(times(log, wanted), 1);
    assert_int_equal(times(log, "\n"), 2);
    free(log);
    call_finish(&call);
    /* it came back empty: the fingerprint is there again */
    assert_int_equal(redis_do(&process, "EXISTS vtsim:fingerprint"), 1);
}

/* Redis may come back without what it had; new jobs need their instances there. */
static void instances_are_kept_again(void **state)
{
    redisReply *reply;

    (void)state;
    replica_open(&a);
    assert_int_equal(replica_start(&a, "one", 0xab, (struct bytes){"one\0two", 8}), VTS_OK);
    saved = capture_begin();
    redis_process_kill(&process);
    turn_until("a", false);
    redis_process_again(&process);
    turn_until("a", true);
    free(log_so_far());
    assert_int_equal(redis_do(&process, "EXISTS vtsim:instances"), 0);
    assert_int_equal(replica_start(&a, "two", 0xab, (struct bytes){"one\0two", 8}), VTS_OK);
    reply = redis_ask(&process, "HGET vtsim:instances 00000000000000ab");
    assert_int_equal(reply->len, 8);
    assert_memory_equal(reply->str, "one\0two", 8);
    freeReplyObject(reply);
    assert_int_equal(redis_do(&process, "HLEN vtsim:instances"), 1);
}

static void turn_until_field(struct replica *replica, const char *key_and_field)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;
    char command[128];

    snprintf(command, sizeof(command), "HEXISTS %s", key_and_field);
    while (!redis_do(&process, command)) {
        assert_true(run_now_ms() < until_ms);
        replica_turn(replica, 0);
    }
}

/* Who empties it takes fingerprint and instances away, too: they are there again, or it is another's. */
static void emptied_while_it_serves(void **state)
{
    char *log, wanted[128];

    (void)state;
    replica_open(&a);
    assert_int_equal(replica_state(&a, "a"), -1); /* it is greeted */
    for (int with_jobs = 0; with_jobs < 2; with_jobs++) {
        if (with_jobs)
            put("a");
        saved = capture_begin();
        redis_do(&process, "FLUSHALL");
        if (with_jobs)
            put("b"); /* so that there is something again */
        turn_until_field(&a, "vtsim:states born");
        assert_int_equal(redis_do(&process, "EXISTS vtsim:fingerprint"), 1);
        turn_until("c", true);
        log = log_so_far();
        snprintf(wanted, sizeof(wanted),
                 " warning redis: Redis at 127.0.0.1:%d/0 is away (all that it had is gone): ",
                 process.port);
        assert_int_equal(times(log, wanted), 1);
        assert_int_equal(times(log, "/0 is back\n"), 1);
        free(log);
    }
    /* one with another seed was faster */
    saved = capture_begin();
    redis_do(&process, "MULTI");
    redis_do(&process, "FLUSHALL");
    redis_do(&process, "SET vtsim:fingerprint theirs");
    redis_do(&process, "HMSET vtsim:states born theirs n 1000000");
    redis_do(&process, "EXEC");
    while (!*((struct redis *)a.store)->ports[0].reason)
        replica_turn(&a, 0);
    assert_busy();
    log = log_so_far();
    assert_int_equal(times(log, " belongs to vtsimds with theirs, this one has seed 1, "), 1);
    free(log);
}

/* Each brings its own behaviours again, though another was there before it. */
static void emptied_while_several_serve(void **state)
{
    static const struct bytes one = {"one", 3};
    struct replica b;

    (void)state;
    replica_init(&b, process.url);
    replica_open(&a);
    replica_open(&b);
    assert_int_equal(replica_start(&a, "a", 0xab, one), VTS_OK);
    assert_int_equal(replica_start(&b, "b", 0xcd, one), VTS_OK);
    saved = capture_begin();
    redis_do(&process, "FLUSHALL");
    turn_until_field(&a, "vtsim:states born");
    turn_until("c", true);
    while (((struct redis *)b.store)->ports[0].kept[0xcd])
        replica_turn(&b, 0);
    while (replica_start(&b, "b", 0xcd, one) != VTS_OK)
        replica_turn(&b, 0);
    assert_int_equal(replica_start(&a, "a", 0xab, one), VTS_OK);
    assert_int_equal(redis_do(&process, "HLEN vtsim:instances"), 2);
    replica_finish(&b);
}

static void stopped_for_longer_than_the_timeout(void **state)
{
    struct call calls[5];
    int64_t began_ms;
    char *log;

    (void)state;
    a.settings.timeout = 200;
    replica_open(&a);
    put("a");
    saved = capture_begin();
    redis_process_stop(&process);
    began_ms = run_now_ms();
    for (int i = 0; i < 5; i++) {
        call_init(&calls[i], "a", RECORD_LEAVE);
        replica_begin(&a, &calls[i]);
    }
    replica_wait(&a, &calls[0]);
    assert_true(run_now_ms() - began_ms >= 150);
    assert_true(run_now_ms() - began_ms < 10000);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(calls[i].dones, 1);
        assert_int_equal(calls[i].runs, 0);
        assert_int_equal(calls[i].base.err, VTS_ERR_BUSY);
        call_finish(&calls[i]);
    }
    assert_busy();
    redis_process_continue(&process);
    turn_until("b", true);
    assert_int_equal(replica_state(&a, "a"), VTS_RUNNING);
    log = log_so_far();
    assert_int_equal(times(log, " is away (no answer within 200 ms): "), 1);
    assert_int_equal(times(log, "/0 is back\n"), 1);
    free(log);
}

/* In its place one that belongs to others: it is not used, whatever it would answer. */
static void another_seed_in_its_place(void **state)
{
    char *log, wanted[512];

    (void)state;
    replica_open(&a);
    put("a");
    saved = capture_begin();
    redis_process_kill(&process);
    turn_until("a", false);
    redis_process_again(&process);
    redis_do(&process, "SET vtsim:fingerprint theirs");
    while (!*((struct redis *)a.store)->ports[0].reason)
        replica_turn(&a, 0);
    assert_busy();
    redis_do(&process, "DEL vtsim:fingerprint");
    turn_until("a", true);
    log = log_so_far();
    snprintf(wanted, sizeof(wanted),
             " error redis: prefix \"vtsim:\" of Redis at 127.0.0.1:%d/0 belongs to vtsimds with "
             "theirs, this one has seed 1, record format 1, layout 3, little-endian: give it a "
             "prefix of "
             "its own ([store] prefix), or the same seed and version\n",
             process.port);
    assert_int_equal(times(log, wanted), 1);
    free(log);
}

static void a_password_that_it_wants_since(void **state)
{
    char *log;

    (void)state;
    replica_open(&a);
    put("a");
    saved = capture_begin();
    redis_do(&process, "CONFIG SET requirepass secret");
    redis_do(&process, "CLIENT KILL TYPE normal SKIPME yes");
    while (!*((struct redis *)a.store)->ports[0].reason)
        replica_turn(&a, 0);
    assert_busy();
    redis_do(&process, "CONFIG SET requirepass %s", "");
    turn_until("a", true);
    log = log_so_far();
    assert_int_equal(times(log, " wants a password: write [store] url = "
                                "redis://:PASSWORD@HOST:PORT\n"),
                     1);
    assert_null(strstr(log, "secret"));
    free(log);
}

static void a_redis_that_is_full(void **state)
{
    struct job job = rig_job("b", RECORD_NEVER);
    char *log;

    (void)state;
    replica_open(&a);
    put("a");
    saved = capture_begin();
    redis_do(&process, "CONFIG SET maxmemory 1");
    for (int i = 0; i < 5; i++)
        assert_int_equal(replica_put(&a, &job), VTS_ERR_BUSY);
    assert_int_equal(store_state(a.store), STORE_FAILING);
    redis_do(&process, "CONFIG SET maxmemory 0");
    put("b");
    assert_int_equal(store_state(a.store), STORE_OK);
    log = log_so_far();
    assert_int_equal(times(log, " refuses: OOM "), 1);
    assert_int_equal(times(log, " takes changes again\n"), 1);
    assert_int_equal(times(log, "\n"), 2);
    free(log);
}

static void a_redis_that_was_made_a_replica(void **state)
{
    char *log;

    (void)state;
    replica_open(&a);
    put("a");
    saved = capture_begin();
    redis_do(&process, "REPLICAOF 127.0.0.1 1");
    turn_until("a", false);
    assert_busy();
    redis_do(&process, "REPLICAOF NO ONE");
    turn_until("a", true);
    log = log_so_far();
    assert_int_equal(times(log, " is away (READONLY You can't write against a read only replica.): "
                                "what needs it "),
                     1);
    assert_int_equal(times(log, "/0 is back\n"), 1);
    assert_null(strstr(log, "takes changes again"));
    free(log);
}

/* Each port has a connection of its own; that they went is told once. */
/* As from something else than Redis that has taken its place; hiredis would end the process. */
static void answers_that_nobody_asked_for(void **state)
{
    static const char *const answers[] = {"+OK\r\n", ":1\r\n", "$-1\r\n", "*1\r\n:1\r\n",
                                          "$1\r\nx\r\n"};
    struct call call;
    char *log;

    (void)state;
    replica_open(&a);
    put("a");
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        redisAsyncContext *link = ((struct redis *)a.store)->ports[0].link;

        saved = capture_begin();
        assert_int_equal(redisReaderFeed(link->c.reader, answers[i], strlen(answers[i])), REDIS_OK);
        call_init(&call, "a", RECORD_LEAVE);
        call.base.is_poll = true;
        replica_begin(&a, &call);
        replica_wait(&a, &call);
        /* Strings push the poll count to where a record is looked for, and it is none. */
        assert_int_equal(call.base.err, answers[i][0] == '$' ? VTS_ERR_DAMAGED : VTS_ERR_BUSY);
        call_finish(&call);
        turn_until("a", true);
        log = log_so_far();
        assert_int_equal(times(log, "/0 is away (an answer that nobody asked for): "), 1);
        free(log);
    }
}

/* One that greets well and goes at once is not asked again and again without a pause. */
static void connections_that_do_not_last(void **state)
{
    const struct redis_port *port;

    (void)state;
    replica_open(&a);
    put("a");
    port = &((struct redis *)a.store)->ports[0];
    saved = capture_begin();
    for (int i = 0; i < 3; i++) {
        redis_do(&process, "CLIENT KILL TYPE normal SKIPME yes");
        turn_until("a", false);
        turn_until("a", true);
    }
    assert_true(port->backoff_ms >= 50 << 3);
}

static void several_ports_tell_it_once(void **state)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;
    char *log;

    (void)state;
    a.options.ports = 3;
    replica_open(&a);
    for (size_t i = 0; i < 3; i++)
        while (((struct redis *)a.store)->ports[i].state != LINK_UP)
            replica_turn(&a, i);
    saved = capture_begin();
    redis_process_kill(&process);
    for (size_t i = 0; i < 3; i++)
        while (((struct redis *)a.store)->ports[i].link)
            replica_turn(&a, i);
    redis_process_again(&process);
    for (size_t i = 0; i < 3; i++)
        while (((struct redis *)a.store)->ports[i].state != LINK_UP) {
            assert_true(run_now_ms() < until_ms);
            replica_turn(&a, i);
        }
    log = log_so_far();
    assert_int_equal(times(log, " is away ("), 1);
    assert_int_equal(times(log, "/0 is back\n"), 1);
    free(log);
}

/* A worker that ends has forgotten what it asked for. */
static void calls_that_still_wait_are_forgotten(void **state)
{
    struct store_list list = {.limit = 10, .scan = 10, .row = no_row, .done = list_done};
    struct call calls[10];

    (void)state;
    replica_open(&a);
    put("a");
    redis_process_stop(&process);
    lists_done = 0;
    for (int i = 0; i < 10; i++) {
        call_init(&calls[i], "a", RECORD_PUT);
        replica_begin(&a, &calls[i]);
    }
    store_list(store_port(a.store, 0), &list);
    store_detach(store_port(a.store, 0));
    replica_finish(&a);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(calls[i].dones, 0);
        call_finish(&calls[i]);
    }
    assert_int_equal(lists_done, 0);
    redis_process_continue(&process);
}

static struct call again;

static void call_again(struct store_call *call)
{
    ((struct call *)call)->dones++;
    store_update(store_port(a.store, 0), &again.base);
}

/* What is told that Redis is away may ask at once for more. */
static void done_may_call_again_when_it_goes(void **state)
{
    struct call call;

    (void)state;
    replica_open(&a);
    put("a");
    saved = capture_begin();
    call_init(&call, "a", RECORD_LEAVE);
    call_init(&again, "a", RECORD_LEAVE);
    call.base.done = call_again;
    replica_begin(&a, &call);
    redis_process_kill(&process);
    replica_wait(&a, &call);
    assert_int_equal(call.base.err, VTS_ERR_BUSY);
    assert_int_equal(again.dones, 1);
    assert_int_equal(again.base.err, VTS_ERR_BUSY);
    call_finish(&call);
    call_finish(&again);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(killed_and_started_again),
        TEST(instances_are_kept_again),
        TEST(emptied_while_it_serves),
        TEST(emptied_while_several_serve),
        TEST(stopped_for_longer_than_the_timeout),
        TEST(another_seed_in_its_place),
        TEST(a_password_that_it_wants_since),
        TEST(a_redis_that_is_full),
        TEST(a_redis_that_was_made_a_replica),
        TEST(answers_that_nobody_asked_for),
        TEST(connections_that_do_not_last),
        TEST(several_ports_tell_it_once),
        TEST(calls_that_still_wait_are_forgotten),
        TEST(done_may_call_again_when_it_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
