/* SPDX-License-Identifier: MIT
 *
 * The tests of one thread. See suite.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/rng.h"
#include "rig.h"

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

static const struct suite_kind *kind;
static struct rig rig;

static int setup(void **state)
{
    (void)state;
    rig_init(&rig, kind, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_finish(&rig);
    return 0;
}

static void put(const char *id, vts_ms wake_at)
{
    struct job job = rig_job(id, wake_at);

    assert_int_equal(rig_put(&rig, 0, &job), VTS_OK);
}

static void put_state(const char *id, enum vts_state job_state, vts_ms moment)
{
    struct job job = rig_job(id, RECORD_NEVER);

    job.state = job_state;
    job.last_at = moment;
    if (state_ended((int)job_state))
        job.ended_at = moment;
    assert_int_equal(rig_put(&rig, 0, &job), VTS_OK);
}

/* Carries out what is due; the next is due at this moment. */
static void run_until(vts_ms next)
{
    vts_ms told = rig_run(&rig, 0);

    assert_int_equal(told, kind->shared ? RECORD_NEVER : next);
}

/* ---- the door ---- */

static void a_record_is_made_read_changed_and_dropped(void **state)
{
    struct job job = rig_job("a", T0 + 10);
    struct call call;

    (void)state;
    rig_open(&rig);
    assert_false(rig_has(&rig, "a"));
    assert_int_equal(rig_put(&rig, 0, &job), VTS_OK);
    call_init(&call, "a", RECORD_PUT); /* one that grows */
    call_make(&call, &rig, 0);
    assert_int_equal(call.base.err, VTS_OK);
    assert_true(call.was_there);
    assert_int_equal(call.was.wake_at, T0 + 10);
    assert_null(call.was.input.at);
    call.act = RECORD_LEAVE;
    call_make(&call, &rig, 0);
    assert_string_equal(call.was.input.at, "longer");
    assert_int_equal(rig_put(&rig, 0, &job), VTS_OK); /* and shrinks */
    call_make(&call, &rig, 0);
    assert_null(call.was.input.at);
    assert_int_equal(call.dones, 3);
    assert_false(rig_has(&rig, "b"));
    assert_int_equal(rig_drop(&rig, "a"), VTS_OK);
    assert_false(rig_has(&rig, "a"));
    assert_int_equal(rig_drop(&rig, "a"), VTS_OK); /* nothing to drop is no error */
    call_finish(&call);
}

static void ids_are_compared_whole(void **state)
{
    char longest[RECORD_ID_MAX + 1], other[RECORD_ID_MAX + 1];

    (void)state;
    rig_open(&rig);
    memset(longest, 'l', RECORD_ID_MAX);
    longest[RECORD_ID_MAX] = '\0';
    memcpy(other, longest, sizeof(other));
    other[RECORD_ID_MAX - 1] = 'm';
    put("ab", RECORD_NEVER);
    put(longest, RECORD_NEVER);
    assert_false(rig_has(&rig, "a"));
    assert_false(rig_has(&rig, "abc"));
    assert_false(rig_has(&rig, "AB"));
    assert_true(rig_has(&rig, "ab"));
    assert_true(rig_has(&rig, longest));
    assert_false(rig_has(&rig, other));
}

static void large_records(void **state)
{
    char *large = malloc(VTS_STATE_MAX + 1);
    struct job job = rig_job("large", T0 + 10);
    struct call call;

    (void)state;
    assert_non_null(large);
    memset(large, 'x', VTS_STATE_MAX);
    large[VTS_STATE_MAX] = '\0';
    job.plugin_state = job.input = job.result = (struct bytes){large, VTS_STATE_MAX};
    rig_open(&rig);
    assert_int_equal(rig_put(&rig, 0, &job), VTS_OK);
    call_init(&call, "large", RECORD_LEAVE);
    call_make(&call, &rig, 0);
    assert_int_equal(call.was.input.length, VTS_STATE_MAX);
    assert_memory_equal(call.was.result.at, large, VTS_STATE_MAX + 1);
    call_finish(&call);
    free(large);
}

static struct call inner;
static bool inner_started;

static void on_done_again(struct store_call *base)
{
    ((struct call *)base)->dones++;
    inner_started = true;
    store_update(store_port(rig.store, 0), &inner.base);
}

/* No lock is held in `done`: it may go through the door at once, to the same record. */
static void done_may_call_again(void **state)
{
    struct call call;

    (void)state;
    rig_open(&rig);
    put("a", RECORD_NEVER);
    inner_started = false;
    call_init(&inner, "a", RECORD_DROP);
    call_init(&call, "a", RECORD_LEAVE);
    call.base.done = on_done_again;
    call_make(&call, &rig, 0);
    while (inner.dones == 0 && kind->turn)
        kind->turn(rig.store, 0);
    assert_true(inner_started);
    assert_int_equal(inner.dones, 1);
    assert_true(inner.was_there);
    assert_false(rig_has(&rig, "a"));
    call_finish(&call);
    call_finish(&inner);
}

/* ---- now and polls ---- */

static void now_is_the_clock_or_the_last_event(void **state)
{
    struct call call;

    (void)state;
    rig_open(&rig);
    call_init(&call, "a", RECORD_LEAVE);
    call_make(&call, &rig, 0);
    assert_int_equal(call.base.now, T0);
    put_state("a", VTS_RUNNING, T0 + 500); /* by a clock that was ahead */
    call_make(&call, &rig, 0);
    assert_int_equal(call.base.now, T0 + 500);
    rig_move(&rig, T0 + 499);
    call_make(&call, &rig, 0);
    assert_int_equal(call.base.now, T0 + 500);
    rig_move(&rig, T0 + 600);
    call_make(&call, &rig, 0);
    assert_int_equal(call.base.now, T0 + 600);
    call_finish(&call);
}

static void polls_are_counted(void **state)
{
    struct call call;

    (void)state;
    rig_open(&rig);
    assert_int_equal(rig_poll(&rig, "a"), 0); /* there is none: that was no poll */
    put("a", RECORD_NEVER);
    assert_int_equal(rig_poll(&rig, "a"), 1);
    assert_int_equal(rig_poll(&rig, "a"), 2);
    call_init(&call, "a", RECORD_LEAVE); /* others see the number and leave it */
    call_make(&call, &rig, 0);
    call_make(&call, &rig, 0);
    assert_int_equal(call.base.polls, 2);
    call.act = RECORD_PUT;
    call_make(&call, &rig, 0);
    assert_int_equal(rig_poll(&rig, "a"), 3);
    assert_int_equal(rig_drop(&rig, "a"), VTS_OK);
    put("a", RECORD_NEVER);
    assert_int_equal(rig_poll(&rig, "a"), 1);
    call_finish(&call);
}

/* Who asks for a job whose start was refused is told that there is none. The number of a poll chooses its
 * chance, so such an asking must not move it. */
static void asking_for_a_refused_job_is_no_poll(void **state)
{
    (void)state;
    rig_open(&rig);
    put_state("a", VTS_ASKED, T0);
    assert_int_equal(rig_poll(&rig, "a"), 0);
    assert_int_equal(rig_poll(&rig, "a"), 0);
    put("a", RECORD_NEVER);
    assert_int_equal(rig_poll(&rig, "a"), 1);
}

/* ---- limits ---- */

static void there_are_as_many_as_allowed(void **state)
{
    struct job c = rig_job("c", RECORD_NEVER);
    struct call call;

    (void)state;
    rig.options.max_records = 2;
    rig_open(&rig);
    put("a", RECORD_NEVER);
    put("b", RECORD_NEVER);
    assert_int_equal(rig_put(&rig, 0, &c), VTS_ERR_LIMIT);
    assert_false(rig_has(&rig, "c"));
    call_init(&call, "a", RECORD_PUT); /* what is there may change */
    call_make(&call, &rig, 0);
    assert_int_equal(call.base.err, VTS_OK);
    assert_int_equal(rig_put(&rig, 0, &c), VTS_ERR_LIMIT);
    assert_int_equal(rig_drop(&rig, "a"), VTS_OK);
    assert_int_equal(rig_put(&rig, 0, &c), VTS_OK);
    assert_true(rig_has(&rig, "c"));
    call_finish(&call);
}

static void expired_records_make_room(void **state)
{
    struct job c = rig_job("c", RECORD_NEVER);

    (void)state;
    rig.options.max_records = 1;
    rig_open(&rig);
    put_state("a", VTS_COMPLETED, T0);
    assert_int_equal(rig_put(&rig, 0, &c), VTS_ERR_LIMIT);
    rig_move(&rig, T0 + 1000);
    rig_run(&rig, 0);
    assert_int_equal(rig_put(&rig, 0, &c), VTS_OK);
}

/* ---- expiry ---- */

static void ended_and_refused_jobs_expire(void **state)
{
    static const enum vts_state states[] = {VTS_ASKED, VTS_COMPLETED, VTS_FAILED, VTS_CANCELLED};
    uint64_t counts[VTS_CANCELLED + 1];
    char id[2] = "a";

    (void)state;
    rig_open(&rig);
    for (size_t i = 0; i < 4; i++, id[0]++)
        put_state(id, states[i], T0 + 10);
    put_state("running", VTS_RUNNING, T0 + 10);
    rig_move(&rig, T0 + 1009);
    run_until(T0 + 1010);
    for (id[0] = 'a'; id[0] < 'e'; id[0]++)
        assert_true(rig_has(&rig, id));
    rig_move(&rig, T0 + 1010);
    assert_false(rig_has(&rig, "a")); /* before anybody cleared it away */
    assert_int_equal(rig_poll(&rig, "b"), 0);
    run_until(RECORD_NEVER);
    store_count(rig.store, counts);
    for (int i = 0; i <= VTS_CANCELLED; i++)
        assert_int_equal(counts[i], i == VTS_RUNNING);
    assert_true(rig_has(&rig, "running"));
    assert_due(&rig, "");
}

static void an_expired_id_is_free_again(void **state)
{
    (void)state;
    rig_open(&rig);
    put_state("a", VTS_COMPLETED, T0);
    assert_int_equal(rig_poll(&rig, "a"), 1);
    rig_move(&rig, T0 + 1000);
    put("a", T0 + 2000);
    assert_int_equal(rig_poll(&rig, "a"), 1);
    run_until(T0 + 2000);
}

static void jobs_kept_for_ever(void **state)
{
    (void)state;
    rig.options.keep_ended = VTS_TIME_END;
    rig_open(&rig);
    put_state("a", VTS_COMPLETED, T0);
    rig_move(&rig, VTS_TIME_END - 1);
    rig_run(&rig, 0);
    assert_true(rig_has(&rig, "a"));
}

/* ---- what is due ---- */

static void records_are_due_at_their_moments(void **state)
{
    vts_ms next;

    (void)state;
    rig_open(&rig);
    run_until(RECORD_NEVER);
    put("c", T0 + 30);
    put("a", T0 + 10);
    put("d", T0 + 40);
    put("never", RECORD_NEVER);
    put("b", T0 + 20);
    run_until(T0 + 10);
    assert_due(&rig, "");
    if (kind->shared) {
        for (next = T0 + 10; next <= T0 + 40; next += 10) {
            rig_move(&rig, next);
            rig_run(&rig, 0);
        }
    } else {
        /* as who moves a clock does it */
        for (next = rig_run(&rig, 0); next <= T0 + 40; next = rig_run(&rig, 0))
            rig_move(&rig, next);
        assert_int_equal(next, T0 + 1010); /* then they expire */
    }
    assert_due(&rig, "a@10 b@20 c@30 d@40");
    assert_true(rig_has(&rig, "a"));
}

static void records_are_due_late(void **state)
{
    (void)state;
    rig_open(&rig);
    put("a", T0 + 10);
    put("b", T0 - 5);
    rig_move(&rig, T0 + 100);
    rig_run(&rig, 0);
    if (strcmp(rig.due.bytes, "a@100 b@100") != 0)
        assert_due(&rig, "b@100 a@100");
}

/* By a clock that was ahead, now as ever is not before the last event. */
static void a_record_is_not_due_before_its_last_event(void **state)
{
    struct job job = rig_job("a", T0 + 10);

    (void)state;
    rig_open(&rig);
    job.last_at = T0 + 500;
    assert_int_equal(rig_put(&rig, 0, &job), VTS_OK);
    rig_move(&rig, T0 + 20);
    rig_run(&rig, 0);
    assert_due(&rig, "a@500");
}

static void a_new_wake_takes_the_place_of_the_old(void **state)
{
    (void)state;
    rig_open(&rig);
    put("a", T0 + 10);
    put("a", T0 + 50);
    run_until(T0 + 50);
    put("a", T0 + 20);
    run_until(T0 + 20);
    put("a", RECORD_NEVER);
    run_until(RECORD_NEVER);
    put("a", T0 + 30);
    assert_int_equal(rig_drop(&rig, "a"), VTS_OK);
    run_until(RECORD_NEVER);
    rig_move(&rig, T0 + 100);
    rig_run(&rig, 0);
    assert_due(&rig, "");
}

static void so_many_at_a_time(void **state)
{
    char id[8];
    vts_ms next;
    int runs = 0;

    (void)state;
    if (kind->shared)
        skip();
    rig_open(&rig);
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof(id), "j%d", i);
        put(id, T0 + 1);
    }
    rig_move(&rig, T0 + 1);
    do {
        size_t before = rig.due.length, ids = 0;

        next = store_run_due(store_port(rig.store, 0), T0 + 1, 7);
        for (const char *at = rig.due.bytes + before; (at = strchr(at, '@')); at++)
            ids++;
        assert_true(ids <= 7);
        assert_true(++runs < 100);
    } while (next <= T0 + 1);
    assert_int_equal(next, T0 + 1001);
    assert_true(runs >= 8);
    text_reset(&rig.due);
}

/* One that cannot be moved now is tried again later, and holds up nothing. */
static void a_record_that_stays_due(void **state)
{
    vts_ms next;

    (void)state;
    if (kind->shared)
        skip();
    rig_open(&rig);
    put("a", T0 + 10);
    rig.due_act = RECORD_LEAVE;
    rig_move(&rig, T0 + 10);
    next = rig_run(&rig, 0);
    assert_due(&rig, "a@10");
    assert_true(next > T0 + 10 && next <= T0 + 10 + 60000);
    put("b", T0 + 10);
    rig.due_act = RECORD_PUT;
    rig_run(&rig, 0);
    assert_due(&rig, "b@10");
    rig_move(&rig, next);
    rig_run(&rig, 0);
    text_reset(&rig.due);
    rig_move(&rig, next + 5000);
    rig_run(&rig, 0);
    assert_due(&rig, "");
}

static void a_record_that_is_dropped_when_due(void **state)
{
    (void)state;
    rig_open(&rig);
    put("a", T0 + 10);
    rig.due_act = RECORD_DROP;
    rig_move(&rig, T0 + 10);
    run_until(RECORD_NEVER);
    assert_due(&rig, "a@10");
    assert_false(rig_has(&rig, "a"));
}

/* ---- told of what is sooner ---- */

static uint64_t told(void) { return atomic_exchange(&rig.sooner[0], 0); }

static void it_tells_what_is_sooner_and_no_more(void **state)
{
    (void)state;
    if (kind->shared)
        skip();
    rig_open(&rig);
    rig_run(&rig, 0);
    told();
    put("never", RECORD_NEVER);
    assert_int_equal(told(), 0);
    put("a", T0 + 100);
    assert_int_equal(told(), 1);
    run_until(T0 + 100);
    put("b", T0 + 100);
    put("c", T0 + 101);
    rig_has(&rig, "a");
    rig_poll(&rig, "a");
    put("c", T0 + 200);
    assert_int_equal(rig_drop(&rig, "b"), VTS_OK);
    assert_int_equal(told(), 0);
    put("c", T0 + 99); /* one that was there */
    assert_int_equal(told(), 1);
    run_until(T0 + 99);
    put("d", T0 - 50);
    assert_int_equal(told(), 1);
    put_state("never", VTS_COMPLETED, T0 - 2000); /* expired: to be cleared away */
    assert_true(told() >= 1);
}

static void count_when_told(void *arg, size_t port)
{
    uint64_t counts[VTS_CANCELLED + 1];

    (void)arg;
    (void)port;
    store_count(rig.store, counts);
    assert_int_equal(counts[VTS_RUNNING], 1);
}

static void it_tells_with_no_lock_held(void **state)
{
    (void)state;
    if (kind->shared)
        skip();
    rig.options.ring = count_when_told;
    rig_open(&rig);
    put("a", T0 + 100);
}

/* ---- several ports ---- */

static void each_record_is_cared_for_by_one_port(void **state)
{
    char id[16];
    size_t port, owner, used[RIG_PORTS] = {0};

    (void)state;
    if (kind->shared)
        skip();
    rig.options.ports = 3;
    rig_open(&rig);
    for (int i = 0; i < 60; i++) {
        struct job job;

        snprintf(id, sizeof(id), "j%d", i);
        owner = rig_port_of(&rig, id);
        used[owner]++;
        job = rig_job(id, T0);
        assert_int_equal(rig_put(&rig, (size_t)i % 3, &job), VTS_OK);
        for (port = 0; port < 3; port++)
            if (port != owner)
                rig_run(&rig, port);
        assert_due(&rig, "");
        rig_run(&rig, owner);
        assert_int_equal(strncmp(rig.due.bytes, id, strlen(id)), 0);
        text_reset(&rig.due);
    }
    for (port = 0; port < 3; port++)
        assert_true(used[port] > 0);
}

/* ---- listing ---- */

struct page {
    struct store_list base; /* first */
    struct text ids;        /* "a b c " */
    int rows, dones;
    bool (*take)(const struct record *record);
};

static bool on_row(struct store_list *base, const struct record *record, uint64_t polls, vts_ms now)
{
    struct page *page = (struct page *)base;

    (void)polls;
    assert_true(now >= record->last_at && now >= clock_now(&rig.clock));
    page->rows++;
    if (page->take && !page->take(record))
        return false;
    text_printf(&page->ids, "%s ", record->id);
    return true;
}

static void on_page(struct store_list *base) { ((struct page *)base)->dones++; }

static void page_init(struct page *page, size_t limit, size_t scan)
{
    memset(page, 0, sizeof(*page));
    page->base.limit = limit;
    page->base.scan = scan;
    page->base.row = on_row;
    page->base.done = on_page;
}

/* The next page into ids. True where there may be more. */
static bool page_next(struct page *page)
{
    text_reset(&page->ids);
    page->rows = page->dones = 0;
    page->base.err = VTS_ERR_IO;
    store_list(store_port(rig.store, 0), &page->base);
    while (page->dones == 0 && kind->turn)
        kind->turn(rig.store, 0);
    assert_int_equal(page->dones, 1);
    assert_int_equal(page->base.err, VTS_OK);
    return page->base.more;
}

static void mark_seen(struct page *page, const char *prefix, int *seen, int count)
{
    char *rest = NULL, *id = page->ids.bytes ? strtok_r(page->ids.bytes, " ", &rest) : NULL;
    int number;

    for (; id; id = strtok_r(NULL, " ", &rest))
        if (strncmp(id, prefix, strlen(prefix)) == 0) {
            number = atoi(id + strlen(prefix));
            assert_true(number >= 0 && number < count);
            seen[number]++;
        }
}

static void put_many(const char *prefix, int from, int to)
{
    char id[32];

    for (; from < to; from++) {
        snprintf(id, sizeof(id), "%s%d", prefix, from);
        put(id, RECORD_NEVER);
    }
}

static void an_empty_listing(void **state)
{
    struct page page;

    (void)state;
    rig_open(&rig);
    page_init(&page, 10, 100);
    assert_false(page_next(&page));
    assert_int_equal(page.rows, 0);
    /* behind an id that never was */
    memcpy(page.base.after, "gone", 5);
    page.base.after_length = 4;
    assert_false(page_next(&page));
    text_finish(&page.ids);
}

static void a_listing_in_one_page(void **state)
{
    struct page page;
    int seen[100] = {0};

    (void)state;
    rig_open(&rig);
    put_many("j", 0, 100);
    page_init(&page, 100, 1000);
    assert_false(page_next(&page));
    assert_int_equal(page.rows, 100);
    mark_seen(&page, "j", seen, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    text_finish(&page.ids);
}

/* Whatever comes and goes on the way, what is there all the time is seen once. */
static void a_listing_while_records_come_and_go(void **state)
{
    struct page page;
    int seen[300] = {0}, step = 0;
    char id[32];

    (void)state;
    rig_open(&rig);
    put_many("stay", 0, 300);
    put_many("go", 0, 300);
    page_init(&page, 7, 1000);
    while (page_next(&page)) {
        assert_true((size_t)page.rows <= page.base.limit);
        assert_true(page.base.after_length == strlen(page.base.after));
        mark_seen(&page, "stay", seen, 300);
        put_many("new", step * 40, step * 40 + 40); /* enough to make tables grow */
        for (int i = 0; i < 4; i++) {
            snprintf(id, sizeof(id), "go%d", (step * 4 + i) % 300);
            assert_int_equal(rig_drop(&rig, id), VTS_OK);
        }
        assert_true(++step < 3000);
        if (step > 60)
            page.base.limit = 1000;
    }
    mark_seen(&page, "stay", seen, 300);
    for (int i = 0; i < 300; i++)
        assert_int_equal(seen[i], 1);
    text_finish(&page.ids);
}

/* Tables may shrink, too, and the record that the cursor names be gone. */
static void a_listing_whose_cursor_is_gone(void **state)
{
    struct page page;
    int seen[2000] = {0};
    bool more;

    (void)state;
    rig_open(&rig);
    put_many("j", 0, 2000);
    page_init(&page, 3, 1000);
    do {
        more = page_next(&page);
        mark_seen(&page, "j", seen, 2000);
        for (int i = 0; i < 2000; i++) {
            char id[32];

            if (seen[i] != 1)
                continue;
            snprintf(id, sizeof(id), "j%d", i);
            assert_int_equal(rig_drop(&rig, id), VTS_OK); /* all that was seen */
            seen[i] = 100;
        }
    } while (more);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(seen[i], 100);
    text_finish(&page.ids);
}

static bool take_none(const struct record *record)
{
    (void)record;
    return false;
}

static bool take_ended(const struct record *record) { return state_ended(record->state); }

static void a_listing_keeps_within_its_bounds(void **state)
{
    struct page page;
    int pages = 0, rows = 0;
    char before[RECORD_ID_MAX + 1] = "";

    (void)state;
    rig_open(&rig);
    put_many("j", 0, 50);
    page_init(&page, 1, 1000);
    assert_true(page_next(&page));
    assert_int_equal(page.rows, 1);
    text_finish(&page.ids);
    /* nothing is taken: the scan ends the page, and it goes on from there */
    page_init(&page, 10, 8);
    page.take = take_none;
    for (bool more = true; more; pages++) {
        more = page_next(&page);
        assert_true(page.rows <= 8);
        rows += page.rows;
        if (more)
            assert_string_not_equal(page.base.after, before);
        memcpy(before, page.base.after, sizeof(before));
        assert_true(pages < 50);
    }
    assert_int_equal(rows, 50);
    put_state("ended", VTS_FAILED, T0);
    text_finish(&page.ids);
    page_init(&page, 10, 1000);
    page.take = take_ended;
    assert_false(page_next(&page));
    assert_string_equal(page.ids.bytes, "ended ");
    assert_int_equal(page.rows, 51);
    text_finish(&page.ids);
}

static void a_listing_shows_nothing_expired(void **state)
{
    struct page page;

    (void)state;
    rig_open(&rig);
    put_state("old", VTS_COMPLETED, T0);
    put_state("new", VTS_COMPLETED, T0 + 1);
    rig_move(&rig, T0 + 1000);
    page_init(&page, 10, 1000);
    assert_false(page_next(&page));
    assert_string_equal(page.ids.bytes, "new ");
    text_finish(&page.ids);
}

/* ---- counts ---- */

static void records_are_counted_by_state(void **state)
{
    uint64_t counts[VTS_CANCELLED + 1];

    (void)state;
    rig_open(&rig);
    memset(counts, 0xA5, sizeof(counts));
    store_count(rig.store, counts);
    for (int i = 0; i <= VTS_CANCELLED; i++)
        assert_int_equal(counts[i], 0);
    put("a", T0 + 10);
    put("b", T0 + 20);
    put_state("c", VTS_ASKED, T0);
    put_state("d", VTS_FAILED, T0);
    put_state("e", VTS_CANCELLED, T0);
    put_state("a", VTS_CANCELLED, T0);
    rig_move(&rig, T0 + 20);
    rig_run(&rig, 0);
    assert_int_equal(rig_drop(&rig, "d"), VTS_OK);
    store_count(rig.store, counts);
    assert_int_equal(counts[VTS_ASKED], 1);
    assert_int_equal(counts[VTS_QUEUED], 0);
    assert_int_equal(counts[VTS_RUNNING], 0);
    assert_int_equal(counts[VTS_COMPLETED], 1);
    assert_int_equal(counts[VTS_FAILED], 0);
    assert_int_equal(counts[VTS_CANCELLED], 2);
}

/* ---- against a model ---- */

#define MODEL_IDS 150

struct model {
    bool there;
    enum vts_state state;
    vts_ms wake_at, ended_at, last_at;
    uint64_t polls;
    char id[16];
};

static struct model models[MODEL_IDS];

static bool model_there(struct model *model)
{
    vts_ms kept_from = model->state == VTS_ASKED ? model->last_at : model->ended_at;

    if (model->there && model->state != VTS_RUNNING &&
        kept_from + rig.options.keep_ended <= clock_now(&rig.clock))
        model->there = false;
    if (!model->there)
        model->polls = 0;
    return model->there;
}

static void model_put(struct model *model, uint64_t chance)
{
    static const char padding[64] = "0123456789012345678901234567890123456789012345678901234567890";
    vts_ms now = clock_now(&rig.clock);
    struct job job = rig_job(model->id, RECORD_NEVER);
    bool started = model_there(model) && model->state != VTS_ASKED;

    model->there = true;
    model->state =
        (enum vts_state[]){VTS_RUNNING, VTS_RUNNING, VTS_COMPLETED, VTS_ASKED}[chance % 4];
    if (started && model->state == VTS_ASKED)
        model->state = VTS_RUNNING; /* no job goes back to that */
    model->wake_at = model->state == VTS_RUNNING && chance % 5 ? now + (vts_ms)(chance / 16 % 500)
                                                               : RECORD_NEVER;
    model->last_at = now;
    model->ended_at = model->state == VTS_COMPLETED ? now : RECORD_NEVER;
    job.state = model->state;
    job.wake_at = model->wake_at;
    job.last_at = now;
    job.ended_at = model->ended_at;
    job.input = (struct bytes){padding + chance % 60, 60 - chance % 60};
    assert_int_equal(rig_put(&rig, 0, &job), VTS_OK);
}

static void model_run(void)
{
    vts_ms now = clock_now(&rig.clock), next = rig_run(&rig, 0), first = RECORD_NEVER, due;

    text_reset(&rig.due);
    for (struct model *model = models; model < models + MODEL_IDS; model++) {
        if (model->there && model->state == VTS_RUNNING && model->wake_at <= now) {
            model->state = VTS_COMPLETED;
            model->ended_at = model->last_at = model->wake_at;
            model->wake_at = RECORD_NEVER;
        }
        if (!model_there(model))
            continue;
        due = model->state == VTS_RUNNING ? model->wake_at
              : model->state == VTS_ASKED ? model->last_at + rig.options.keep_ended
                                          : model->ended_at + rig.options.keep_ended;
        first = due < first ? due : first;
    }
    assert_int_equal(next, kind->shared ? RECORD_NEVER : first);
}

static void model_compare(void)
{
    uint64_t counts[VTS_CANCELLED + 1], wanted[VTS_CANCELLED + 1] = {0};
    struct call call;

    model_run();
    for (struct model *model = models; model < models + MODEL_IDS; model++) {
        call_init(&call, model->id, RECORD_LEAVE);
        call_make(&call, &rig, 0);
        assert_int_equal(call.was_there, model->there);
        assert_int_equal(call.base.polls, model->polls);
        if (model->there) {
            wanted[model->state]++;
            assert_int_equal(call.was.state, model->state);
            assert_int_equal(call.was.wake_at, model->wake_at);
            assert_int_equal(call.was.ended_at, model->ended_at);
        }
        call_finish(&call);
    }
    store_count(rig.store, counts);
    assert_memory_equal(counts, wanted, sizeof(counts));
}

static void model_step(struct model *model, uint64_t chance)
{
    uint64_t more = chance / 16;

    switch (chance % 16) {
    case 0:
        assert_int_equal(rig_drop(&rig, model->id), VTS_OK);
        model->there = false;
        break;
    case 1:
        rig_move(&rig, clock_now(&rig.clock) + (vts_ms)(more % 60));
        break;
    case 2:
        model_run();
        break;
    case 3:
    case 4:
    case 5:
        if (model_there(model) && model->state != VTS_ASKED)
            model->polls++;
        assert_int_equal(rig_poll(&rig, model->id), model->polls);
        break;
    default:
        model_put(model, more);
    }
}

/* Thousands of steps by chance, after which the store and a table of what should be agree. */
static void it_agrees_with_a_model(void **state)
{
    uint64_t key, chance;

    (void)state;
    rig_open(&rig);
    memset(models, 0, sizeof(models));
    for (int i = 0; i < MODEL_IDS; i++)
        snprintf(models[i].id, sizeof(models[i].id), "m%d", i);
    for (uint64_t seed = 0; seed < 10; seed++) {
        key = rng_key(seed, 1, "model", 5);
        for (uint64_t step = 0; step < 2000; step++) {
            chance = rng_draw(key, step);
            model_step(&models[chance % MODEL_IDS], chance / MODEL_IDS);
        }
        model_compare();
    }
}

/* ---- the instances that records name ---- */

static int named[4];
static bool room_for_names;

static bool on_named(void *arg, size_t port, uint64_t hash)
{
    assert_ptr_equal(arg, &rig);
    assert_true(port < rig.options.ports && hash < 4);
    named[hash] += room_for_names;
    return room_for_names;
}

static void on_unnamed(void *arg, size_t port, uint64_t hash)
{
    assert_ptr_equal(arg, &rig);
    assert_true(port < rig.options.ports && hash < 4);
    assert_true(named[hash]-- > 0);
}

static void assert_named(int one, int two)
{
    assert_int_equal(named[1], one);
    assert_int_equal(named[2], two);
}

static enum vts_err put_instance(const char *id, uint64_t instance, vts_ms wake_at)
{
    struct job job = rig_job(id, wake_at);

    job.instance = instance;
    return rig_put(&rig, 0, &job);
}

/* Where no other process names any: each record that comes, changes and goes is told. */
static void instances_are_named_by_records(void **state)
{
    (void)state;
    if (kind->shared)
        skip();
    memset(named, 0, sizeof(named));
    room_for_names = true;
    rig.options.named = on_named;
    rig.options.unnamed = on_unnamed;
    rig.options.max_records = 3;
    rig_open(&rig);
    assert_int_equal(put_instance("a", 1, RECORD_NEVER), VTS_OK);
    assert_int_equal(put_instance("b", 1, T0 + 10), VTS_OK);
    assert_named(2, 0);
    assert_int_equal(put_instance("a", 1, RECORD_NEVER), VTS_OK); /* it names the same */
    assert_named(2, 0);
    assert_int_equal(put_instance("a", 2, RECORD_NEVER), VTS_OK);
    assert_named(1, 1);
    assert_int_equal(put_instance("c", 2, RECORD_NEVER), VTS_OK);
    assert_int_equal(put_instance("d", 2, RECORD_NEVER), VTS_ERR_LIMIT);
    assert_named(1, 2);
    assert_int_equal(rig_drop(&rig, "a"), VTS_OK);
    assert_int_equal(rig_drop(&rig, "a"), VTS_OK);
    assert_named(1, 1);
    /* where they cannot be counted there is no such record, and another stays what it was */
    room_for_names = false;
    assert_int_equal(put_instance("d", 1, RECORD_NEVER), VTS_ERR_MEMORY);
    assert_int_equal(put_instance("c", 1, RECORD_NEVER), VTS_ERR_MEMORY);
    assert_false(rig_has(&rig, "d"));
    assert_named(1, 1);
    /* an end names it still; what has expired does not, whether its turn came or it was asked for */
    rig_move(&rig, T0 + 10);
    rig_run(&rig, 0);
    assert_due(&rig, "b@10");
    assert_named(1, 1);
    rig_move(&rig, T0 + 1010);
    rig_run(&rig, 0);
    assert_named(0, 1);
    room_for_names = true;
    put_state("e", VTS_COMPLETED, T0 + 1010);
    assert_named(1, 1);
    rig_move(&rig, T0 + 5000);
    assert_false(rig_has(&rig, "e"));
    assert_named(0, 1);
}

int suite_run(const struct suite_kind *given)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_record_is_made_read_changed_and_dropped),
        TEST(ids_are_compared_whole),
        TEST(large_records),
        TEST(done_may_call_again),
        TEST(now_is_the_clock_or_the_last_event),
        TEST(polls_are_counted),
        TEST(asking_for_a_refused_job_is_no_poll),
        TEST(there_are_as_many_as_allowed),
        TEST(expired_records_make_room),
        TEST(ended_and_refused_jobs_expire),
        TEST(an_expired_id_is_free_again),
        TEST(jobs_kept_for_ever),
        TEST(records_are_due_at_their_moments),
        TEST(records_are_due_late),
        TEST(a_record_is_not_due_before_its_last_event),
        TEST(a_new_wake_takes_the_place_of_the_old),
        TEST(so_many_at_a_time),
        TEST(a_record_that_stays_due),
        TEST(a_record_that_is_dropped_when_due),
        TEST(it_tells_what_is_sooner_and_no_more),
        TEST(it_tells_with_no_lock_held),
        TEST(each_record_is_cared_for_by_one_port),
        TEST(an_empty_listing),
        TEST(a_listing_in_one_page),
        TEST(a_listing_while_records_come_and_go),
        TEST(a_listing_whose_cursor_is_gone),
        TEST(a_listing_keeps_within_its_bounds),
        TEST(a_listing_shows_nothing_expired),
        TEST(records_are_counted_by_state),
        TEST(instances_are_named_by_records),
        TEST(it_agrees_with_a_model),
    };

    kind = given;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
