/* SPDX-License-Identifier: MIT
 *
 * Several replicas on one Redis: changes that meet, what is due and who dies over it, clocks that differ,
 * what others leave there. A replica moves only when it is turned, so each order of events can be had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "replica.h"
#include "run.h"
#include "server.h"

#include <cmocka.h>

static struct redis_process process;
static struct replica a, b;

static int setup(void **state)
{
    (void)state;
    redis_do(&process, "FLUSHALL");
    replica_init(&a, process.url);
    replica_init(&b, process.url);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    replica_finish(&a);
    replica_finish(&b);
    return 0;
}

static void open_both(void)
{
    replica_open(&a);
    replica_open(&b);
}

static void put(struct replica *replica, const char *id, vts_ms wake_at)
{
    struct job job = rig_job(id, wake_at);

    assert_int_equal(replica_put(replica, &job), VTS_OK);
}

static void turn_until_run(struct replica *replica, const struct call *call)
{
    while (call->runs == 0)
        replica_turn(replica, 0);
    assert_int_equal(call->dones, 0);
}

/* Looks for what is due until something was. */
static void turn_until_due(struct replica *replica)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;

    while (replica->due.length == 0) {
        assert_true(run_now_ms() < until_ms);
        replica_turn(replica, 0);
    }
}

static void run_due(struct replica *replica)
{
    store_run_due(store_port(replica->store, 0), clock_now(&replica->clock), SIZE_MAX);
    replica_settle(replica);
}

static void move(struct replica *replica, vts_ms moment)
{
    assert_int_equal(clock_move(&replica->clock, moment, NULL), VTS_OK);
}

#define assert_was_due(replica, wanted)                                                            \
    assert_string_equal((replica)->due.bytes ? (replica)->due.bytes : "", wanted)

/* ---- changes that meet ---- */

static void a_change_that_meets_another_is_made_again(void **state)
{
    struct call call;

    (void)state;
    open_both();
    put(&a, "a", RECORD_NEVER);
    call_init(&call, "a", RECORD_PUT);
    call.base.is_poll = true;
    replica_begin(&a, &call);
    turn_until_run(&a, &call);
    put(&b, "a", T0 + 77);
    replica_wait(&a, &call);
    assert_int_equal(call.base.err, VTS_OK);
    assert_int_equal(call.runs, 2);
    assert_int_equal(call.was.wake_at, T0 + 77); /* the newer one */
    assert_int_equal(call.base.polls, 1);
    call_finish(&call);
    assert_int_equal(replica_poll(&b, "a"), 2); /* it was counted once */
}

static void a_start_that_meets_another_sees_its_job(void **state)
{
    struct job job = rig_job("a", RECORD_NEVER);
    struct call call;

    (void)state;
    open_both();
    call_init(&call, "a", RECORD_PUT);
    call.job = &job;
    replica_begin(&a, &call);
    turn_until_run(&a, &call);
    assert_false(call.was_there);
    put(&b, "a", RECORD_NEVER);
    replica_wait(&a, &call);
    assert_int_equal(call.runs, 2);
    assert_true(call.was_there);
    call_finish(&call);
    assert_int_equal(redis_do(&process, "HGET vtsim:states 2"), 1);
}

/* The same bytes are not the same record. */
static void a_job_that_went_and_came_again_is_another(void **state)
{
    struct call call, drop;

    (void)state;
    open_both();
    put(&a, "a", RECORD_NEVER);
    call_init(&call, "a", RECORD_PUT);
    replica_begin(&a, &call);
    turn_until_run(&a, &call);
    call_init(&drop, "a", RECORD_DROP);
    replica_begin(&b, &drop);
    replica_wait(&b, &drop);
    put(&b, "a", RECORD_NEVER);
    replica_wait(&a, &call);
    assert_int_equal(call.runs, 2);
    call_finish(&call);
    call_finish(&drop);
}

static void a_job_that_went_meanwhile_is_not_there(void **state)
{
    struct call call, drop;
    struct job job = rig_job("a", RECORD_NEVER);

    (void)state;
    open_both();
    put(&a, "a", RECORD_NEVER);
    call_init(&call, "a", RECORD_PUT);
    call.job = &job;
    replica_begin(&a, &call);
    turn_until_run(&a, &call);
    assert_true(call.was_there);
    call_init(&drop, "a", RECORD_DROP);
    replica_begin(&b, &drop);
    replica_wait(&b, &drop);
    replica_wait(&a, &call);
    assert_int_equal(call.runs, 2);
    assert_false(call.was_there);
    assert_int_equal(call.base.err, VTS_OK);
    call_finish(&call);
    call_finish(&drop);
}

/* ---- what is due ---- */

static void what_a_dead_replica_claimed_is_carried_out_by_another(void **state)
{
    int64_t began_ms;

    (void)state;
    open_both();
    put(&a, "a", T0 + 10);
    move(&a, T0 + 10);
    move(&b, T0 + 20);
    a.due_act = RECORD_LEAVE;
    run_due(&a);
    assert_was_due(&a, "a@10");
    replica_finish(&a);
    run_due(&b);
    assert_was_due(&b, ""); /* it is the other's for now */
    began_ms = run_now_ms();
    turn_until_due(&b);
    assert_true(run_now_ms() - began_ms < 10000);
    replica_settle(&b);
    assert_was_due(&b, "a@20");
    assert_int_equal(replica_state(&b, "a"), VTS_COMPLETED);
}

/* One that was stopped over its lease: it goes on, and its change is not taken. */
static void a_wake_happens_once(void **state)
{
    struct call call;

    (void)state;
    open_both();
    put(&a, "a", T0 + 10);
    move(&a, T0 + 10);
    move(&b, T0 + 10);
    store_run_due(store_port(a.store, 0), T0 + 10, SIZE_MAX);
    turn_until_due(&a); /* its change is not sent yet */
    turn_until_due(&b);
    replica_settle(&b);
    assert_int_equal(replica_state(&b, "a"), VTS_COMPLETED);
    call_init(&call, "a", RECORD_PUT); /* whatever came of it since */
    replica_begin(&b, &call);
    replica_wait(&b, &call);
    replica_settle(&a);
    assert_was_due(&a, "a@10");
    assert_was_due(&b, "a@10");
    call.act = RECORD_LEAVE;
    call.dones = 0;
    replica_begin(&b, &call);
    replica_wait(&b, &call);
    assert_string_equal(call.was.input.at, "longer");
    call_finish(&call);
    assert_int_equal(redis_do(&process, "HGET vtsim:states 3"), 1);
    assert_int_equal(redis_do(&process, "HGET vtsim:states 2"), 0);
    assert_int_equal(redis_do(&process, "ZCARD vtsim:leased"), 0);
    assert_int_equal(redis_do(&process, "ZSCORE vtsim:due a"), T0 + 1010);
}

static size_t count_due(const struct replica *replica)
{
    size_t count = 0;

    for (const char *at = replica->due.bytes; at && (at = strchr(at, '@')); at++)
        count++;
    return count;
}

static void replicas_share_what_is_due(void **state)
{
    enum { JOBS = 1000 };
    char id[16];

    (void)state;
    open_both();
    for (int i = 0; i < JOBS; i++) {
        snprintf(id, sizeof(id), "j%d", i);
        put(&a, id, T0 + 10);
    }
    move(&a, T0 + 10);
    move(&b, T0 + 10);
    store_run_due(store_port(a.store, 0), T0 + 10, SIZE_MAX);
    store_run_due(store_port(b.store, 0), T0 + 10, SIZE_MAX);
    while (redis_do(&process, "HGET vtsim:states 3") < JOBS) {
        replica_turn(&a, 0);
        replica_turn(&b, 0);
    }
    assert_int_equal(count_due(&a) + count_due(&b), JOBS);
    assert_true(count_due(&a) > 0 && count_due(&b) > 0);
}

static void clocks_that_differ_do_no_harm(void **state)
{
    struct call call;

    (void)state;
    open_both();
    move(&a, T0 + 3500);
    put(&b, "a", T0 + 3000);
    run_due(&a);
    assert_was_due(&a, "a@3500");
    call_init(&call, "a", RECORD_LEAVE);
    replica_begin(&b, &call); /* it is behind */
    replica_wait(&b, &call);
    assert_int_equal(call.was.state, VTS_COMPLETED);
    assert_int_equal(call.was.ended_at, T0 + 3000);
    assert_int_equal(call.base.now, T0 + 3000);
    call_finish(&call);
    run_due(&b);
    assert_was_due(&b, "");
}

/* The first would have it go after a second, the second after five. */
static void who_keeps_ended_jobs_longer_keeps_them(void **state)
{
    struct job job = rig_job("a", RECORD_NEVER);

    (void)state;
    b.options.keep_ended = 5000;
    open_both();
    job.state = VTS_FAILED;
    job.ended_at = T0;
    assert_int_equal(replica_put(&a, &job), VTS_OK);
    assert_int_equal(redis_do(&process, "ZSCORE vtsim:due a"), T0 + 1000);
    move(&b, T0 + 2000);
    run_due(&b);
    assert_int_equal(redis_do(&process, "ZSCORE vtsim:due a"), T0 + 5000);
    assert_int_equal(redis_do(&process, "ZCARD vtsim:leased"), 0);
    assert_int_equal(replica_state(&b, "a"), VTS_FAILED);
    move(&b, T0 + 5000);
    run_due(&b);
    assert_int_equal(replica_state(&b, "a"), -1);
}

/* ---- all in all ---- */

static void nothing_is_left_of_what_is_gone(void **state)
{
    struct call drop;

    (void)state;
    replica_open(&a);
    assert_int_equal(replica_poll(&a, "never there"), 0);
    assert_int_equal(redis_do(&process, "EXISTS vtsim:polls"), 0);
    put(&a, "dropped", T0 + 10);
    put(&a, "expired", T0 + 10);
    assert_int_equal(replica_poll(&a, "dropped"), 1);
    assert_int_equal(replica_poll(&a, "expired"), 1);
    call_init(&drop, "dropped", RECORD_DROP);
    replica_begin(&a, &drop);
    replica_wait(&a, &drop);
    move(&a, T0 + 10);
    run_due(&a);
    assert_int_equal(redis_do(&process, "HLEN vtsim:jobs"), 1);
    move(&a, T0 + 1010);
    run_due(&a);
    assert_int_equal(
        redis_do(&process, "EXISTS vtsim:jobs vtsim:due vtsim:leased vtsim:polls vtsim:ids"), 0);
    assert_int_equal(redis_do(&process, "HGET vtsim:states 2"), 0);
    assert_int_equal(redis_do(&process, "HGET vtsim:states 3"), 0);
    call_finish(&drop);
}

static void limits_and_polls_are_of_all(void **state)
{
    struct job job = rig_job("c", RECORD_NEVER);
    uint64_t counts[VTS_CANCELLED + 1];

    (void)state;
    a.options.max_records = b.options.max_records = 2;
    open_both();
    put(&a, "a", RECORD_NEVER);
    put(&b, "b", RECORD_NEVER);
    assert_int_equal(replica_put(&a, &job), VTS_ERR_LIMIT);
    assert_int_equal(replica_put(&b, &job), VTS_ERR_LIMIT);
    for (uint64_t i = 1; i < 10; i++)
        assert_int_equal(replica_poll(i % 2 ? &a : &b, "a"), i);
    run_due(&a); /* looks, and is told */
    store_count(a.store, counts);
    assert_int_equal(counts[VTS_RUNNING], 2);
}

/* A count that somebody took away begins again; the poll that finds it so is the first. */
static void a_lost_poll_count_begins_again(void **state)
{
    (void)state;
    replica_open(&a);
    put(&a, "a", RECORD_NEVER);
    assert_int_equal(replica_poll(&a, "a"), 1);
    assert_int_equal(redis_do(&process, "ZREM vtsim:polls a"), 1);
    assert_int_equal(replica_poll(&a, "a"), 1);
    assert_int_equal(replica_poll(&a, "a"), 2);
    /* a stranger's are none */
    redis_do(&process, "ZADD vtsim:polls -5 a");
    assert_int_equal(replica_poll(&a, "a"), 0);
    redis_do(&process, "ZADD vtsim:polls inf a");
    assert_int_equal(replica_poll(&a, "a"), 0);
    redis_do(&process, "ZADD vtsim:due inf a 1e300 b");
    move(&a, T0 + 1);
    run_due(&a);
}

static void a_job_takes_little_memory(void **state)
{
    enum { JOBS = 10000 };
    char id[32];
    redisReply *reply;
    long before, after;

    (void)state;
    replica_open(&a);
    put(&a, "first", T0 + 1);
    reply = redis_ask(&process, "INFO memory");
    before = strtol(strstr(reply->str, "used_memory_dataset:") + 20, NULL, 10);
    freeReplyObject(reply);
    for (int i = 0; i < JOBS; i++) {
        snprintf(id, sizeof(id), "translate_video_%d", i);
        put(&a, id, T0 + 1000 + i);
    }
    reply = redis_ask(&process, "INFO memory");
    after = strtol(strstr(reply->str, "used_memory_dataset:") + 20, NULL, 10);
    freeReplyObject(reply);
    print_message("%ld bytes a job\n", (after - before) / JOBS);
    assert_true((after - before) / JOBS < 900);
}

/* ---- instances of others ---- */

static void the_instance_of_another_is_fetched(void **state)
{
    struct job job = rig_job("a", T0 + 10);

    (void)state;
    open_both();
    a.known[1] = 7;
    job.instance = 7;
    assert_int_equal(replica_put(&a, &job), VTS_OK);
    redis_do(&process, "HSET vtsim:instances 0000000000000007 its-text");
    assert_int_equal(replica_state(&b, "a"), VTS_RUNNING);
    assert_string_equal(b.learnt, "its-text");
    b.learnt[0] = '\0';
    assert_int_equal(replica_state(&b, "a"), VTS_RUNNING);
    assert_string_equal(b.learnt, ""); /* once */
    assert_string_equal(a.learnt, "");
    move(&b, T0 + 10);
    run_due(&b);
    assert_was_due(&b, "a@10");
}

/* Who is let at the job then decides what becomes of it: the engine fails it alone. */
static void an_instance_that_nobody_has(void **state)
{
    struct job job = rig_job("a", T0 + 10);

    (void)state;
    open_both();
    a.known[1] = 7;
    job.instance = 7;
    assert_int_equal(replica_put(&a, &job), VTS_OK);
    assert_int_equal(replica_state(&b, "a"), VTS_RUNNING);
    assert_string_equal(b.learnt, "");
    redis_do(&process, "HSET vtsim:instances 0000000000000007 of-no-use");
    job.id = (struct bytes){"b", 1};
    job.instance = 8;
    a.known[2] = 8;
    assert_int_equal(replica_put(&a, &job), VTS_OK);
    redis_do(&process, "HSET vtsim:instances 0000000000000008 of-no-use");
    b.learns = false;
    assert_int_equal(replica_state(&b, "b"), VTS_RUNNING);
    assert_string_equal(b.learnt, "of-no-use");
    b.learnt[0] = '\0';
    assert_int_equal(replica_state(&b, "b"), VTS_RUNNING);
    assert_string_equal(b.learnt, ""); /* not at every turn */
}

static bool take_row(struct store_list *list, const struct record *record, uint64_t polls,
                     vts_ms now)
{
    (void)list;
    (void)polls;
    (void)now;
    text_printf(&b.due, "%s ", record->id);
    return true;
}

static bool listed;

static void list_done(struct store_list *list)
{
    (void)list;
    listed = true;
}

static void list_all(struct store_list *list)
{
    *list = (struct store_list){
        .limit = 1000, .scan = 1000, .row = take_row, .done = list_done, .err = VTS_ERR_IO};
    text_reset(&b.due);
    listed = false;
    store_list(store_port(b.store, 0), list);
    while (!listed)
        replica_turn(&b, 0);
}

static void a_listing_fetches_instances_first(void **state)
{
    struct job job = rig_job("b", RECORD_NEVER);
    struct store_list list;

    (void)state;
    open_both();
    put(&a, "a", RECORD_NEVER);
    put(&a, "c", RECORD_NEVER);
    a.known[1] = 7;
    job.instance = 7;
    assert_int_equal(replica_put(&a, &job), VTS_OK);
    redis_do(&process, "HSET vtsim:instances 0000000000000007 its-text");
    list_all(&list);
    assert_int_equal(list.err, VTS_OK);
    assert_string_equal(b.due.bytes, "a b c ");
    assert_string_equal(b.learnt, "its-text");
}

/* ---- how long instances stay ---- */

static const struct bytes seven = {"seven\0", 6};

static void drop(struct replica *replica, const char *id)
{
    struct call call;

    call_init(&call, id, RECORD_DROP);
    replica_begin(replica, &call);
    replica_wait(replica, &call);
    assert_int_equal(call.base.err, VTS_OK);
    call_finish(&call);
}

/* So many records name instance 7, and its text is there if there are any. */
static void assert_uses(long uses)
{
    redisReply *reply = redis_ask(&process, "HGET vtsim:uses 0000000000000007");

    assert_int_equal(reply->type, uses ? REDIS_REPLY_STRING : REDIS_REPLY_NIL);
    if (uses)
        assert_int_equal(strtol(reply->str, NULL, 10), uses);
    freeReplyObject(reply);
    assert_int_equal(redis_do(&process, "HSTRLEN vtsim:instances 0000000000000007"), uses ? 6 : 0);
}

static void an_instance_goes_with_its_last_record(void **state)
{
    struct job job = rig_job("a", T0 + 10);

    (void)state;
    open_both();
    assert_int_equal(replica_start(&a, "a", 7, seven), VTS_OK);
    assert_uses(1);
    assert_int_equal(replica_start(&b, "b", 7, seven), VTS_OK);
    assert_uses(2);
    /* a change of the job is none of its instance; another instance is one */
    job.instance = 7;
    assert_int_equal(replica_put(&a, &job), VTS_OK);
    assert_uses(2);
    assert_int_equal(replica_start(&a, "a", 8, (struct bytes){"eight", 5}), VTS_OK);
    assert_uses(1);
    assert_int_equal(redis_do(&process, "HGET vtsim:uses 0000000000000008"), 1);
    drop(&a, "b");
    assert_uses(0);
    assert_int_equal(redis_do(&process, "HLEN vtsim:instances"), 1);
    drop(&b, "a");
    assert_int_equal(redis_do(&process, "EXISTS vtsim:instances vtsim:uses"), 0);
    assert_int_equal(a.held, 0);
    assert_int_equal(b.held, 0);
}

/* It expires by itself, too. */
static void an_instance_goes_with_what_expires(void **state)
{
    struct job job = rig_job("a", T0 + 10);

    (void)state;
    replica_open(&a);
    assert_int_equal(replica_start(&a, "a", 7, seven), VTS_OK);
    job.instance = 7;
    assert_int_equal(replica_put(&a, &job), VTS_OK);
    move(&a, T0 + 10);
    run_due(&a);
    assert_uses(1);
    move(&a, T0 + 1010);
    run_due(&a);
    assert_uses(0);
    assert_int_equal(redis_do(&process, "HLEN vtsim:jobs"), 0);
}

/* This vtsimd has seen the text there; another one has dropped the last job since. */
static void a_text_that_has_gone_meanwhile_comes_again(void **state)
{
    (void)state;
    open_both();
    assert_int_equal(replica_start(&a, "a", 7, seven), VTS_OK);
    assert_true(((struct redis *)a.store)->ports[0].kept[7] == 7);
    b.known[0] = 7;
    drop(&b, "a");
    assert_uses(0);
    assert_int_equal(replica_start(&a, "a", 7, seven), VTS_OK);
    assert_uses(1);
    /* and so does one that somebody took away */
    redis_do(&process, "DEL vtsim:instances");
    assert_int_equal(replica_start(&a, "b", 7, seven), VTS_OK);
    assert_uses(2);
}

static void as_many_instances_as_allowed(void **state)
{
    struct job job = rig_job("b", RECORD_NEVER);
    struct call call;

    (void)state;
    a.options.max_instances = b.options.max_instances = 1;
    open_both();
    assert_int_equal(replica_start(&a, "a", 7, seven), VTS_OK);
    b.known[0] = job.instance = 8;
    call_init(&call, "b", RECORD_PUT);
    call.job = &job;
    call.base.instance = 8;
    call.base.instance_text = (struct bytes){"eight", 5};
    call.base.instance_limited = true;
    replica_begin(&b, &call);
    replica_wait(&b, &call);
    assert_int_equal(call.base.err, VTS_ERR_LIMIT);
    assert_true(call.base.instance_refused);
    assert_int_equal(replica_state(&b, "b"), -1);
    /* one that is there can be had; and what is not limited is not refused */
    job.instance = 7;
    b.known[0] = 7;
    call.dones = 0;
    call.base.instance = 7;
    call.base.instance_text = seven;
    replica_begin(&b, &call);
    replica_wait(&b, &call);
    assert_int_equal(call.base.err, VTS_OK);
    assert_false(call.base.instance_refused);
    call_finish(&call);
    assert_int_equal(replica_start(&b, "c", 9, (struct bytes){"nine", 4}), VTS_OK);
    assert_int_equal(redis_do(&process, "HLEN vtsim:instances"), 2);
    assert_int_equal(redis_do(&process, "HLEN vtsim:jobs"), 3);
}

/* ---- what others leave there ---- */

static void a_strange_record_is_refused_alone(void **state)
{
    struct store_list list;
    int saved;
    char *log, wanted[512];

    (void)state;
    open_both();
    put(&b, "good", T0 + 10);
    redis_do(&process, "HSET vtsim:jobs short x strange 01234567garbage");
    redis_do(&process, "ZADD vtsim:ids 0 short 0 strange");
    redis_do(&process, "ZADD vtsim:due 5 short 5 strange 5 gone");
    /* another job's record, under this name */
    redis_do(&process, "EVAL %s 0",
             "redis.call('HSET', 'vtsim:jobs', 'other', redis.call('HGET', 'vtsim:jobs', 'good'))");
    saved = capture_begin();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(replica_state(&b, "strange"), -2);
        assert_int_equal(replica_state(&b, "short"), -2);
        assert_int_equal(replica_state(&b, "other"), -2);
    }
    log = capture_end(saved);
    snprintf(wanted, sizeof(wanted),
             " error redis: the record of job strange at 127.0.0.1:%d/0 cannot be understood: the "
             "job is answered 503, the others are served\n",
             process.port);
    assert_non_null(strstr(log, wanted));
    assert_null(strstr(strstr(log, wanted) + 1, wanted)); /* once */
    free(log);
    assert_int_equal(replica_state(&b, "good"), VTS_RUNNING);
    list_all(&list);
    assert_string_equal(b.due.bytes, "good ");
    text_reset(&b.due);
    move(&b, T0 + 10);
    run_due(&b);
    assert_was_due(&b, "good@10");
    assert_int_equal(redis_do(&process, "ZCARD vtsim:leased"), 2);
}

static void keys_of_another_type(void **state)
{
    struct job job = rig_job("a", T0 + 10);
    int saved;
    char *log, wanted[256];

    (void)state;
    replica_open(&a);
    put(&a, "b", RECORD_NEVER);
    redis_do(&process, "SET vtsim:due mine");
    saved = capture_begin();
    for (int i = 0; i < 3; i++)
        assert_int_equal(replica_put(&a, &job), VTS_ERR_BUSY);
    assert_int_equal(replica_state(&a, "a"), -1); /* nor was half of it done */
    redis_do(&process, "DEL vtsim:due");
    assert_int_equal(replica_put(&a, &job), VTS_OK);
    log = capture_end(saved);
    snprintf(wanted, sizeof(wanted),
             " error redis: Redis at 127.0.0.1:%d/0 refuses: ", process.port);
    assert_non_null(strstr(log, wanted));
    assert_non_null(strstr(log, "WRONGTYPE"));
    assert_null(strstr(strstr(log, "refuses") + 1, "refuses")); /* once */
    snprintf(wanted, sizeof(wanted), " info redis: Redis at 127.0.0.1:%d/0 takes changes again\n",
             process.port);
    assert_non_null(strstr(log, wanted));
    free(log);
}

static void scripts_that_were_flushed_come_back(void **state)
{
    struct store_list list;
    struct call call;

    (void)state;
    open_both();
    put(&a, "a", T0 + 10);
    redis_do(&process, "SCRIPT FLUSH");
    put(&a, "b", T0 + 10);
    /* between the record's being read and put */
    call_init(&call, "a", RECORD_PUT);
    call.base.is_poll = true;
    replica_begin(&a, &call);
    turn_until_run(&a, &call);
    redis_do(&process, "SCRIPT FLUSH");
    replica_wait(&a, &call);
    assert_int_equal(call.base.err, VTS_OK);
    assert_int_equal(call.base.polls, 1);
    call_finish(&call);
    assert_int_equal(replica_poll(&a, "a"), 2);
    redis_do(&process, "SCRIPT FLUSH");
    list_all(&list);
    assert_int_equal(list.err, VTS_OK);
    assert_string_equal(b.due.bytes, "a b ");
    text_reset(&b.due);
    redis_do(&process, "SCRIPT FLUSH");
    move(&b, T0 + 10);
    turn_until_due(&b);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_change_that_meets_another_is_made_again),
        TEST(a_start_that_meets_another_sees_its_job),
        TEST(a_job_that_went_and_came_again_is_another),
        TEST(a_job_that_went_meanwhile_is_not_there),
        TEST(what_a_dead_replica_claimed_is_carried_out_by_another),
        TEST(a_wake_happens_once),
        TEST(replicas_share_what_is_due),
        TEST(clocks_that_differ_do_no_harm),
        TEST(who_keeps_ended_jobs_longer_keeps_them),
        TEST(nothing_is_left_of_what_is_gone),
        TEST(limits_and_polls_are_of_all),
        TEST(a_lost_poll_count_begins_again),
        TEST(a_job_takes_little_memory),
        TEST(the_instance_of_another_is_fetched),
        TEST(an_instance_that_nobody_has),
        TEST(a_listing_fetches_instances_first),
        TEST(an_instance_goes_with_its_last_record),
        TEST(an_instance_goes_with_what_expires),
        TEST(a_text_that_has_gone_meanwhile_comes_again),
        TEST(as_many_instances_as_allowed),
        TEST(a_strange_record_is_refused_alone),
        TEST(keys_of_another_type),
        TEST(scripts_that_were_flushed_come_back),
    };
    int failed;

    redis_process_start(&process, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    redis_process_finish(&process);
    return failed;
}
