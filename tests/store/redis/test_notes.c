/* SPDX-License-Identifier: MIT
 *
 * Notes in the Redis store: that each is folded in once and in its order, whoever does it and who else does at
 * that moment; what goes with a record; and what stands in the list that nobody left there. Folding is done
 * here by writing the notes one behind the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "replica.h"
#include "run.h"
#include "server.h"

#include <cmocka.h>

static struct redis_process process;
static struct replica a, b;
static bool no_memory;

/* ---- folding ---- */

/* "!" begins details, which get all notes as well. What is of no record goes to the summary. */
static bool fold(void *arg, struct store_fold *fold)
{
    (void)arg;
    if (no_memory)
        return false;
    if (fold->gone) {
        assert_true(fold->gone->id_length == fold->id.length &&
                    memcmp(fold->gone->id, fold->id.at, fold->id.length) == 0);
        text_printf(fold->summary, "[%s %s/%s %llu@%lld]", fold->gone->id,
                    fold->stats->bytes ? fold->stats->bytes : "",
                    fold->kept.at ? fold->kept.at : "-", (unsigned long long)fold->polls,
                    (long long)(fold->now - T0));
        fold->summary_changed = true;
        return true;
    }
    if (fold->id.length == 0) {
        text_add(fold->summary, fold->note.at, fold->note.length);
        fold->summary_changed = true;
        return true;
    }
    text_add(fold->stats, fold->note.at, fold->note.length);
    fold->stats_changed = true;
    if (*fold->note.at == '!') {
        fold->begins = true;
        text_reset(fold->details);
    }
    text_add(fold->details, fold->note.at, fold->note.length);
    return true;
}

static int setup(void **state)
{
    (void)state;
    no_memory = false;
    redis_do(&process, "FLUSHALL");
    replica_init(&a, process.url);
    replica_init(&b, process.url);
    a.options.fold = b.options.fold = fold;
    a.options.stats_size = b.options.stats_size = 1;
    a.options.detailed = b.options.detailed = 2;
    a.options.details_most = b.options.details_most = 8;
    replica_open(&a);
    replica_open(&b);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    replica_finish(&a);
    replica_finish(&b);
    return 0;
}

/* ---- calls ---- */

struct noting {
    struct store_call base; /* first */
    char id[16];
    const char *says; /* NULL: nothing */
    enum record_act act;
    struct job job;
    char stats[512], details[512];
    int runs, dones;
};

static enum record_act on_turn(struct store_call *base, const struct record *old, struct text *next)
{
    struct noting *call = (struct noting *)base;

    assert_null(base->note.at);
    assert_true(base->want_stats == (base->stats != NULL));
    call->runs++;
    if (call->says)
        base->note = (struct bytes){call->says, strlen(call->says)};
    snprintf(call->stats, sizeof(call->stats), "%s", base->stats ? (const char *)base->stats : "-");
    snprintf(call->details, sizeof(call->details), "%s", base->details.at ? base->details.at : "-");
    if (call->act == RECORD_PUT)
        assert_true(record_write(&call->job, next));
    (void)old;
    return call->act;
}

static void on_done(struct store_call *base) { ((struct noting *)base)->dones++; }

static void init(struct noting *call, const char *id, enum record_act act, const char *says)
{
    *call = (struct noting){.base = {.fn = on_turn, .done = on_done}, .says = says, .act = act};
    snprintf(call->id, sizeof(call->id), "%s", id);
    call->job = rig_job(call->id, RECORD_NEVER);
    call->base.id = (struct bytes){call->id, strlen(call->id)};
}

static void begin(struct replica *replica, struct noting *call)
{
    store_update(store_port(replica->store, 0), &call->base);
}

static void wait_for(struct replica *replica, struct noting *call)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;

    while (call->dones == 0) {
        assert_true(run_now_ms() < until_ms);
        replica_turn(replica, 0);
    }
    assert_int_equal(call->dones, 1);
}

static void leave_as(struct replica *replica, const char *id, enum record_act act, const char *says)
{
    struct noting call;

    init(&call, id, act, says);
    begin(replica, &call);
    wait_for(replica, &call);
    assert_int_equal(call.base.err, VTS_OK);
}

static void put(struct replica *replica, const char *id)
{
    leave_as(replica, id, RECORD_PUT, NULL);
}

static void leave(struct replica *replica, const char *id, const char *says)
{
    leave_as(replica, id, RECORD_LEAVE, says);
}

static void assert_kept(struct replica *replica, const char *id, const char *stats,
                        const char *details)
{
    struct noting call;

    init(&call, id, RECORD_LEAVE, NULL);
    call.base.want_stats = true;
    begin(replica, &call);
    wait_for(replica, &call);
    assert_int_equal(call.base.err, VTS_OK);
    assert_string_equal(call.stats, stats);
    assert_string_equal(call.details, details);
}

/* ---- listings ---- */

struct page {
    struct store_list base; /* first */
    char rows[512], summary[512];
    int dones;
};

static bool on_row(struct store_list *base, const struct record *record, uint64_t polls, vts_ms now)
{
    struct page *page = (struct page *)base;
    size_t length = strlen(page->rows);

    (void)polls;
    (void)now;
    snprintf(page->rows + length, sizeof(page->rows) - length, "%s=%s/%s ", record->id,
             base->stats ? (const char *)base->stats : "-",
             base->details.at ? base->details.at : "-");
    return true;
}

static void on_listed(struct store_list *base)
{
    struct page *page = (struct page *)base;

    page->dones++;
    snprintf(page->summary, sizeof(page->summary), "%s", base->summary.at ? base->summary.at : "-");
}

static struct page list_as(struct replica *replica, bool want_stats, bool expired)
{
    struct page page = {.base = {.limit = 100,
                                 .scan = 1000,
                                 .want_stats = want_stats,
                                 .expired = expired,
                                 .row = on_row,
                                 .done = on_listed}};
    int64_t until_ms = run_now_ms() + EVENT_MS;

    store_list(store_port(replica->store, 0), &page.base);
    while (page.dones == 0) {
        assert_true(run_now_ms() < until_ms);
        replica_turn(replica, 0);
    }
    assert_int_equal(page.base.err, VTS_OK);
    return page;
}

static struct page list(struct replica *replica, bool want_stats)
{
    return list_as(replica, want_stats, false);
}

/* ---- order ---- */

static void they_come_in_their_order(void **state)
{
    (void)state;
    leave_as(&a, "x", RECORD_PUT, "0");
    put(&b, "y");
    leave(&a, "x", "1");
    leave(&b, "x", "2");
    leave(&b, "y", "3");
    leave_as(&a, "x", RECORD_PUT, "4");
    leave(&b, "x", "5");
    assert_kept(&a, "x", "01245", "-");
    assert_kept(&b, "y", "3", "-");
    leave(&a, "x", "6");
    assert_kept(&b, "x", "012456", "-");
    assert_kept(&a, "z", "", "-"); /* there is no such record */
    assert_int_equal(redis_do(&process, "LLEN vtsim:notes"), 0);
    assert_int_equal(redis_do(&process, "HGET vtsim:audit n"), 7);
}

/* Of a round of the loop: one command, for which all wait. */
static void those_of_a_round_go_together(void **state)
{
    static struct noting calls[200];
    char wanted[201] = "";

    (void)state;
    put(&a, "x");
    for (int i = 0; i < 200; i++) {
        init(&calls[i], "x", RECORD_LEAVE, i % 2 ? "o" : "e");
        begin(&a, &calls[i]);
        wanted[i] = i % 2 ? 'o' : 'e';
    }
    for (int i = 0; i < 200; i++) {
        wait_for(&a, &calls[i]);
        assert_int_equal(calls[i].base.err, VTS_OK);
    }
    assert_in_range(redis_do(&process, "LLEN vtsim:notes"), 1, 50);
    assert_kept(&b, "x", wanted, "-");
}

/* What a client was told is noted: nobody is told before Redis has said so. */
static void nobody_is_answered_before(void **state)
{
    struct noting call;

    (void)state;
    put(&a, "x");
    init(&call, "x", RECORD_LEAVE, "1");
    begin(&a, &call);
    while (call.runs == 0)
        replica_turn(&a, 0);
    assert_int_equal(call.dones, 0); /* the answer needs another round */
    wait_for(&a, &call);
    assert_kept(&b, "x", "1", "-");
}

/* A note of a call that was made again by another's change is left once, with the change. */
static void a_call_that_is_run_again_leaves_one(void **state)
{
    struct noting call;

    (void)state;
    put(&a, "x");
    init(&call, "x", RECORD_PUT, "1");
    begin(&a, &call);
    while (call.runs == 0)
        replica_turn(&a, 0);
    leave_as(&b, "x", RECORD_PUT, "2");
    wait_for(&a, &call);
    assert_int_equal(call.runs, 2);
    assert_kept(&b, "x", "21", "-");
}

static void a_note_without_a_call_that_waits(void **state)
{
    struct store_call call = {.id = {"x", 1}, .note = {"told", 4}};

    (void)state;
    put(&a, "x");
    leave(&a, "x", "1");
    store_keep(store_port(a.store, 0), &call);
    memset(&call, 0, sizeof(call)); /* it is the caller's again */
    leave(&a, "x", "2");
    assert_kept(&a, "x", "1told2", "-");
}

static void a_note_for_all(void **state)
{
    struct noting call;

    (void)state;
    init(&call, "", RECORD_LEAVE, NULL);
    call.base.note = (struct bytes){"limits", 6};
    store_keep(store_port(a.store, 0), &call.base);
    wait_for(&a, &call);
    assert_int_equal(call.base.err, VTS_OK);
    assert_int_equal(call.runs, 0);
    leave(&b, "none", " unknown"); /* there is no such record: so it is of none */
    assert_string_equal(list(&b, true).summary, "limits unknown");
    assert_int_equal(redis_do(&process, "EXISTS vtsim:stats"), 0);
}

/* ---- two who fold ---- */

static struct redis_fold *fold_of(struct replica *replica)
{
    return &((struct redis_port *)store_port(replica->store, 0))->fold;
}

static void one_who_comes_too_late(void **state)
{
    struct noting call;

    (void)state;
    put(&a, "x");
    leave(&a, "x", "1");
    init(&call, "x", RECORD_LEAVE, NULL);
    call.base.want_stats = true;
    begin(&a, &call);
    while (fold_of(&a)->count == 0) /* it has read the slice, and stands still */
        replica_turn(&a, 0);
    assert_kept(&b, "x", "1", "-");
    leave(&b, "x", "2");
    assert_kept(&b, "x", "12", "-");
    wait_for(&a, &call);
    assert_true(strcmp(call.stats, "1") == 0 || strcmp(call.stats, "12") == 0);
    assert_kept(&a, "x", "12", "-");
}

static void both_at_once(void **state)
{
    enum { ROUNDS = 100 };
    struct noting calls[2];
    char wanted[2 * ROUNDS + 1] = "";

    (void)state;
    put(&a, "x");
    for (int round = 0; round < ROUNDS; round++) {
        leave(&a, "x", "a");
        leave(&b, "x", "b");
        strcat(wanted, "ab");
        for (int i = 0; i < 2; i++) {
            init(&calls[i], "x", RECORD_LEAVE, NULL);
            calls[i].base.want_stats = true;
            begin(i ? &b : &a, &calls[i]);
        }
        while (calls[0].dones == 0 || calls[1].dones == 0) {
            event_base_loop(a.loops[0], EVLOOP_NONBLOCK);
            event_base_loop(b.loops[0], EVLOOP_NONBLOCK);
        }
        assert_string_equal(calls[0].stats, wanted);
        assert_string_equal(calls[1].stats, wanted);
    }
}

/* A look for what is due sees that there are some. */
static void nobody_has_to_ask(void **state)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;

    (void)state;
    put(&a, "x");
    leave(&a, "x", "1");
    while (redis_do(&process, "LLEN vtsim:notes") > 0) {
        assert_true(run_now_ms() < until_ms);
        replica_turn(&b, 0);
    }
    assert_int_equal(redis_do(&process, "HLEN vtsim:stats"), 1);
}

/* ---- with a record ---- */

static void what_is_kept_goes_with_the_record(void **state)
{
    struct noting call;

    (void)state;
    leave_as(&a, "x", RECORD_PUT, "!");
    leave(&a, "x", "1");
    assert_kept(&a, "x", "!1", "!1");
    leave(&a, "x", "2");
    leave_as(&b, "x", RECORD_DROP, NULL);
    assert_string_equal(list(&a, true).summary, ""); /* nobody asked what it was */
    assert_int_equal(redis_do(&process, "EXISTS vtsim:stats vtsim:details vtsim:recent"), 0);
    init(&call, "x", RECORD_PUT, "!3");
    begin(&b, &call);
    wait_for(&b, &call);
    assert_kept(&a, "x", "!3", "!3");
}

static void a_record_that_expires_is_told_with_what_is_kept(void **state)
{
    struct noting call;
    int64_t until_ms = run_now_ms() + EVENT_MS;

    (void)state;
    for (char id[] = "x"; *id <= 'y'; ++*id) {
        init(&call, id, RECORD_PUT, *id == 'x' ? "1" : "!1");
        call.job.state = VTS_COMPLETED;
        call.job.ended_at = T0;
        begin(&a, &call);
        wait_for(&a, &call);
        init(&call, id, RECORD_LEAVE, "2");
        call.base.is_poll = true;
        begin(&b, &call);
        wait_for(&b, &call);
    }
    assert_kept(&a, "x", "12", "-");
    assert_int_equal(clock_move(&b.clock, T0 + 5000, NULL), VTS_OK);
    leave_as(&b, "x", RECORD_PUT, "3"); /* before its turn comes, another takes its place */
    assert_kept(&b, "x", "3", "-");
    while (redis_do(&process, "HLEN vtsim:jobs") > 1) {
        assert_true(run_now_ms() < until_ms);
        store_run_due(store_port(b.store, 0), T0 + 5000, SIZE_MAX);
        replica_turn(&b, 0);
    }
    assert_string_equal(list(&b, true).summary, "[x 12/- 1@5000][y !12/!12 1@5000]");
    assert_int_equal(redis_do(&process, "HLEN vtsim:stats"), 1);
}

/* Who wants all of them to go does not wait for its turn, which is taken from it here. */
static void a_record_that_has_expired_can_be_dropped(void **state)
{
    struct noting call;

    (void)state;
    init(&call, "x", RECORD_PUT, "1");
    call.job.state = VTS_COMPLETED;
    call.job.ended_at = T0;
    begin(&a, &call);
    wait_for(&a, &call);
    assert_int_equal(redis_do(&process, "ZREM vtsim:due x"), 1);
    assert_int_equal(clock_move(&b.clock, T0 + 5000, NULL), VTS_OK);
    assert_string_equal(list(&b, true).rows, "");
    assert_string_equal(list_as(&b, true, true).rows, "x=1/- ");
    leave_as(&b, "x", RECORD_DROP, NULL);
    assert_int_equal(redis_do(&process, "HLEN vtsim:jobs"), 0);
    assert_string_equal(list(&b, true).summary, "[x 1/- 0@5000]");
    assert_int_equal(redis_do(&process, "HLEN vtsim:stats"), 0);
}

/* Where nothing is kept nothing is noted of records that go. */
static void without_notes_none_are_left(void **state)
{
    (void)state;
    put(&a, "x");
    leave_as(&a, "x", RECORD_DROP, NULL);
    assert_int_equal(redis_do(&process, "EXISTS vtsim:notes"), 0);
}

static void details_of_the_last_ones(void **state)
{
    (void)state;
    for (char id[] = "x"; *id <= 'z'; ++*id)
        leave_as(&a, id, RECORD_PUT, "!");
    leave(&b, "x", "1");
    leave(&b, "z", "2");
    assert_string_equal(list(&a, true).rows, "x=!1/- y=!/! z=!2/!2 ");
    leave(&b, "x", "3");
    assert_kept(&a, "x", "!13", "-");
    assert_string_equal(list(&a, false).rows, "x=-/- y=-/- z=-/- ");
    leave_as(&a, "x", RECORD_PUT, "!4");
    assert_string_equal(list(&b, true).rows, "x=!13!4/!4 y=!/- z=!2/!2 ");
}

/* Each time a note longer, folded by itself and several at once. */
static void the_last_bytes_of_details(void **state)
{
    (void)state;
    leave_as(&a, "x", RECORD_PUT, "!");
    for (int i = 0; i < 3; i++) {
        leave(&a, "x", "abc");
        leave(&b, "x", "d");
        assert_kept(&a, "x",
                    i == 0   ? "!abcd"
                    : i == 1 ? "!abcdabcd"
                             : "!abcdabcdabcd",
                    i == 0 ? "!abcd" : "abcdabcd");
    }
    /* begun with more than that */
    leave_as(&a, "y", RECORD_PUT, "!0123456789");
    leave(&a, "y", "X");
    assert_kept(&a, "y", "!0123456789X", "3456789X");
}

static void many_records(void **state)
{
    enum { MANY = 2000 };
    static struct noting calls[MANY];
    char id[16];

    (void)state;
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof(id), "x%d", i);
        init(&calls[i], id, RECORD_PUT, "1");
        begin(&a, &calls[i]);
    }
    for (int i = 0; i < MANY; i++)
        wait_for(&a, &calls[i]);
    assert_string_equal(list(&b, true).summary, "");
    assert_int_equal(redis_do(&process, "HLEN vtsim:stats"), MANY);
    assert_int_equal(redis_do(&process, "LLEN vtsim:notes"), 0);
}

/* ---- what should not be there ---- */

static void elements_of_strangers(void **state)
{
    static const char *const strange[] = {
        "", "?", "\x07\x01\x02\x03zzzzzz", "\x01\x01\x02\x02x", "\x01\xFF\x02\x02x", "\x02"};
    static char many[60000];
    int saved = capture_begin();
    char *log;

    (void)state;
    put(&a, "x");
    leave(&a, "x", "1");
    for (size_t i = 0; i < sizeof(many); i += 6)
        memcpy(many + i, (const char[]){ENTRY_NOTE, 1, 1, 0, (char)i, '1'}, 6);
    redis_do(&process, "RPUSH vtsim:notes %b", many, sizeof(many));
    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
        redis_do(&process, "RPUSH vtsim:notes %s", strange[i]);
    leave(&a, "x", "2");
    assert_kept(&a, "x", "12", "-");
    log = capture_end(saved);
    assert_non_null(strstr(log,
                           " error redis: a note in vtsim:notes cannot be understood: the audit "
                           "of its job lacks it\n"));
    free(log);
}

static void memory_that_is_gone(void **state)
{
    struct noting call;

    (void)state;
    put(&a, "x");
    leave(&a, "x", "1");
    no_memory = true;
    init(&call, "x", RECORD_LEAVE, NULL);
    call.base.want_stats = true;
    begin(&a, &call);
    wait_for(&a, &call);
    assert_int_equal(call.base.err, VTS_ERR_MEMORY);
    no_memory = false;
    assert_kept(&a, "x", "1", "-"); /* it was not lost */
}

/* Folding makes room: it goes on where no more notes are taken. */
static void a_redis_that_is_full(void **state)
{
    struct noting call;

    (void)state;
    put(&a, "x");
    leave(&a, "x", "1");
    redis_do(&process, "CONFIG SET maxmemory 1");
    init(&call, "x", RECORD_LEAVE, "2");
    begin(&a, &call);
    wait_for(&a, &call);
    assert_int_equal(call.base.err, VTS_ERR_BUSY);
    assert_kept(&a, "x", "1", "-");
    redis_do(&process, "CONFIG SET maxmemory 0");
    leave(&a, "x", "3");
    assert_kept(&a, "x", "13", "-");
}

static void scripts_that_are_forgotten(void **state)
{
    (void)state;
    put(&a, "x");
    leave(&a, "x", "1");
    redis_do(&process, "SCRIPT FLUSH");
    assert_kept(&a, "x", "1", "-");
}

/* Each step of it is cut off once, and what waits is told; what was kept is kept, once. */
static void a_redis_that_goes_away_meanwhile(void **state)
{
    enum { TURNS = 6 };
    struct noting call;
    char wanted[TURNS + 1] = "";

    (void)state;
    put(&a, "x");
    for (int turns = 0; turns < TURNS; turns++) {
        leave(&a, "x", "1");
        strcat(wanted, "1");
        init(&call, "x", RECORD_LEAVE, NULL);
        call.base.want_stats = true;
        begin(&a, &call);
        for (int i = 0; i < turns && call.dones == 0; i++)
            replica_turn(&a, 0);
        redis_do(&process, "CLIENT KILL TYPE normal SKIPME yes");
        wait_for(&a, &call);
        assert_true(call.base.err == VTS_ERR_BUSY || call.base.err == VTS_OK);
        while (replica_state(&a, "x") == -2)
            replica_turn(&a, 0);
    }
    assert_kept(&a, "x", wanted, "-");
}

/* Notes on their way, and a fold under way, of which nobody hears any more. */
static void one_that_ends_in_the_middle_of_it(void **state)
{
    static struct noting noting, looking;

    (void)state;
    put(&a, "x");
    leave(&a, "x", "1");
    init(&noting, "x", RECORD_LEAVE, "2");
    init(&looking, "x", RECORD_LEAVE, NULL);
    looking.base.want_stats = true;
    begin(&a, &noting);
    begin(&a, &looking);
    while (noting.runs == 0)
        replica_turn(&a, 0);
    replica_finish(&a);
    assert_int_equal(noting.dones, 0);
    assert_int_equal(looking.dones, 0);
    replica_open(&a);
    init(&looking, "x", RECORD_LEAVE, NULL);
    looking.base.want_stats = true;
    begin(&b, &looking);
    wait_for(&b, &looking);
    /* nobody was told of the second: it may have been on its way */
    assert_true(strcmp(looking.stats, "1") == 0 || strcmp(looking.stats, "12") == 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(they_come_in_their_order),
        TEST(those_of_a_round_go_together),
        TEST(nobody_is_answered_before),
        TEST(a_call_that_is_run_again_leaves_one),
        TEST(a_note_without_a_call_that_waits),
        TEST(a_note_for_all),
        TEST(one_who_comes_too_late),
        TEST(both_at_once),
        TEST(nobody_has_to_ask),
        TEST(what_is_kept_goes_with_the_record),
        TEST(a_record_that_expires_is_told_with_what_is_kept),
        TEST(a_record_that_has_expired_can_be_dropped),
        TEST(without_notes_none_are_left),
        TEST(details_of_the_last_ones),
        TEST(the_last_bytes_of_details),
        TEST(many_records),
        TEST(elements_of_strangers),
        TEST(memory_that_is_gone),
        TEST(a_redis_that_is_full),
        TEST(scripts_that_are_forgotten),
        TEST(a_redis_that_goes_away_meanwhile),
        TEST(one_that_ends_in_the_middle_of_it),
    };
    int failed;

    redis_process_start(&process, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    redis_process_finish(&process);
    return failed;
}
