/* SPDX-License-Identifier: MIT
 *
 * Tests of the language of scripted_sequence: how a job's life and the faults of its answers meet, what each
 * step makes of an answer, and repeats, chances and starts. In virtual time; what the bytes are is tested in
 * tests/http/test_script.c, and what the older steps do in scripted_sequence.c. */
#include "player.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

/* Opens a script, or fails the test. */
static void open_script(struct player *player, const char *script)
{
    if (!player_open(player, script, 1))
        fail_msg("%s", player->problems.lines.bytes);
}

/* A job that is started at 0, at once. */
static void begin(struct player *player, const char *script)
{
    open_script(player, script);
    assert_string_equal(player_start(player, "a", 0), "started");
}

static void expect(struct player *player, vts_ms at, const char *told)
{
    assert_string_equal(player_poll(player, at), told);
}

static void expect_many(struct player *player, int polls, vts_ms at, const char *told)
{
    while (polls-- > 0)
        expect(player, at, told);
}

static void expect_end(const struct player *player, enum vts_state how, vts_ms at)
{
    struct job job = player_job(player);

    assert_int_equal(job.state, how);
    assert_int_equal(job.ended_at, at);
}

/* ---- how life and faults meet, sentence by sentence ---- */

/* "a fault with a count takes no time: it queues behind the life step before it": whoever polls, or nobody. */
static void a_fault_with_a_count_takes_no_time(void **state)
{
    struct player player;

    (void)state;
    begin(&player, "pending for 5s, http 503 x2, completed");
    expect(&player, 4999, "pending");
    player_advance(&player, 5000);
    expect_end(&player, VTS_COMPLETED, 5000);
    expect(&player, 60000, "503");
    expect(&player, 61000, "503");
    expect_many(&player, 5, 62000, "completed");
    player_start(&player, "nobody asks", 0);
    player_advance(&player, 90000);
    expect_end(&player, VTS_COMPLETED, 5000);
    player_start(&player, "many ask", 0);
    for (vts_ms at = 0; at < 5000; at += 10)
        expect(&player, at, "pending");
    expect_many(&player, 2, 5000, "503");
    expect(&player, 5000, "completed");
    expect_end(&player, VTS_COMPLETED, 5000);
    player_finish(&player);
}

static void no_extent_is_one_poll(void **state)
{
    struct player player;

    (void)state;
    begin(&player, "pending for 1s, reset, completed");
    expect(&player, 1000, "reset");
    expect(&player, 1000, "completed");
    player_finish(&player);
}

/* "used up, in order, by the polls that come after that step was reached" */
static void faults_are_used_up_in_order(void **state)
{
    struct player player;

    (void)state;
    begin(&player, "pending for 1s, http 429 retry-after 3s x2, reset, stall 2s\n"
                   "pending for 1s, http 500, completed");
    expect(&player, 999, "pending");
    expect(&player, 1000, "429 retry-after 3000");
    expect(&player, 1001, "429 retry-after 3000");
    expect(&player, 1002, "reset");
    expect(&player, 1003, "stall 2000");
    expect(&player, 1004, "pending");
    expect(&player, 2000, "500");
    expect(&player, 2000, "completed");
    player_start(&player, "late", 0); /* all of them wait for who comes late */
    expect_many(&player, 2, 9000, "429 retry-after 3000");
    expect(&player, 9000, "reset");
    expect(&player, 9000, "stall 2000");
    expect(&player, 9000, "500");
    expect(&player, 9000, "completed");
    expect_end(&player, VTS_COMPLETED, 2000);
    player_finish(&player);
}

static void faults_at_the_beginning_are_told_at_once(void **state)
{
    struct player player;

    (void)state;
    begin(&player, "http 503, pending for 1s, completed");
    expect(&player, 0, "503");
    expect(&player, 0, "pending");
    expect(&player, 1000, "completed");
    player_finish(&player);
}

/* "A fault with a time is a stretch of the job's time in which every poll gets it." */
static void a_fault_with_a_time_is_a_stretch(void **state)
{
    struct player player;

    (void)state;
    begin(&player, "pending for 5s, http 503 retry-after 1s for 10s, completed");
    assert_false(player.sides[0].instance->base.counts_polls);
    expect(&player, 4999, "pending");
    for (vts_ms at = 5000; at < 15000; at += 100)
        expect(&player, at, "503 retry-after 1000");
    expect(&player, 14999, "503 retry-after 1000");
    expect(&player, 15000, "completed");
    expect_end(&player, VTS_COMPLETED, 15000);
    /* Nothing is written for those polls: one start, two wakes. */
    assert_int_equal(player.puts, 3);
    player_start(&player, "nobody asks", 0);
    player_advance(&player, 90000);
    expect_end(&player, VTS_COMPLETED, 15000);
    player_finish(&player);
}

/* Every poll: faults with counts wait until it is over. */
static void a_stretch_goes_before_what_waits(void **state)
{
    struct player player;

    (void)state;
    begin(&player, "reset x2, http 503 for 1s, empty, completed");
    expect_many(&player, 4, 500, "503");
    expect_many(&player, 2, 1000, "reset");
    expect(&player, 1000, "empty");
    expect(&player, 1000, "completed");
    player_finish(&player);
}

/* "A life step with a count is moved by polls, those that got a fault not counted." */
static void polls_that_got_a_fault_are_not_counted(void **state)
{
    struct player player;

    (void)state;
    begin(&player, "http 503 x2, pending x3, completed");
    expect_many(&player, 2, 10, "503");
    expect_many(&player, 3, 20, "pending");
    expect(&player, 30, "completed");
    expect_end(&player, VTS_COMPLETED, 30);
    player_finish(&player);
    begin(&player, "pending x2, reset, pending x2, completed");
    expect_many(&player, 2, 10, "pending");
    expect(&player, 20, "reset"); /* finds what follows, and is not counted there */
    expect_many(&player, 2, 30, "pending");
    expect(&player, 40, "completed");
    player_finish(&player);
    begin(&player, "pending x1, http 503 for 1s, pending x1, completed");
    expect(&player, 10, "pending");
    expect_many(&player, 3, 20, "503"); /* the stretch begins with the poll that finds it */
    expect(&player, 1019, "503");
    expect(&player, 1020, "pending");
    expect(&player, 1020, "completed");
    player_finish(&player);
}

/* "Polls after the end still get the faults that are left." */
static void after_the_end_faults_are_left(void **state)
{
    struct player player;

    (void)state;
    begin(&player, "pending for 1s, completed, http 503 x2, reset");
    expect(&player, 1000, "503");
    expect(&player, 2000, "503");
    expect(&player, 3000, "reset");
    expect_many(&player, 3, 4000, "completed");
    expect_end(&player, VTS_COMPLETED, 1000);
    /* A start, and three polls of which the first finds the end: those that tell nothing new write nothing. */
    assert_int_equal(player.puts, 4);
    player_finish(&player);
    begin(&player, "pending for 1s, reset, pending for 1s, error \"x\"");
    expect(&player, 9000, "reset");
    expect(&player, 9000, "error");
    player_finish(&player);
}

/* An end with a count is told so often before what follows. */
static void an_end_that_is_told_before_what_follows(void **state)
{
    static const struct {
        const char *script, *word;
        enum vts_state end;
    } ends[] = {{"pending for 1s, completed x2, regress, http 500", "completed", VTS_COMPLETED},
                {"pending for 1s, error x2, regress, http 500", "error", VTS_FAILED},
                {"pending for 1s, error \"why\" x2, regress, http 500", "error", VTS_FAILED},
                {"pending for 1s, cancelled x2, regress, http 500", "error", VTS_CANCELLED}};
    struct player player;

    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        begin(&player, ends[i].script);
        expect(&player, 999, "pending");
        expect_many(&player, 2, 1000, ends[i].word);
        expect(&player, 1000, "back to running");
        expect(&player, 1000, "500");
        expect_many(&player, 3, 1000, ends[i].word);
        expect_end(&player, ends[i].end, 1000);
        player_finish(&player);
    }
    /* found by a poll, which is the first of those that are told */
    begin(&player, "pending x1, completed x2, regress");
    expect(&player, 1000, "pending");
    expect_many(&player, 2, 2000, "completed");
    expect(&player, 2000, "back to running");
    expect(&player, 2000, "completed");
    expect_end(&player, VTS_COMPLETED, 2000);
    player_finish(&player);
    /* and a fault goes before, and is not counted */
    begin(&player, "pending x1, empty, completed x1, regress");
    expect(&player, 1000, "pending");
    expect(&player, 2000, "empty");
    expect_end(&player, VTS_COMPLETED, 2000);
    expect(&player, 2000, "completed");
    expect(&player, 2000, "back to running");
    expect(&player, 2000, "completed");
    player_finish(&player);
}

static void after_a_cancel_faults_are_left(void **state)
{
    struct player player;

    (void)state;
    begin(&player, "http 503 x2, pending for 5s, reset, completed");
    expect(&player, 0, "503");
    player_cancel(&player, 1000);
    expect(&player, 9000, "503");
    expect_many(&player, 3, 9000, "error"); /* the reset was never reached */
    expect_end(&player, VTS_CANCELLED, 1000);
    player_finish(&player);
    begin(&player, "http 503 for 5s, completed");
    expect(&player, 0, "503");
    player_cancel(&player, 1000);
    expect(&player, 2000, "error"); /* the job's time is over */
    player_finish(&player);
}

/* ---- each fault ---- */

static void each_fault(void **state)
{
    static const char *const faults[][2] = {
        {"http 503", "503"},
        {"http 200 retry-after 3s", "200 retry-after 3000"},
        {"http 503 retry-after date 90s", "503 retry-after date 90000"},
        {"http 503 retry-after 0", "503 retry-after -1"},
        {"http 599", "599"},
        {"html 504", "html 504"},
        {"html 200", "html 200"},
        {"html 502 retry-after 1m", "html 502 retry-after 60000"},
        {"stall 2s", "stall 2000"},
        {"dribble 2s", "dribble 2000"},
        {"reset", "reset"},
        {"empty", "empty"},
        {"truncate", "truncate"},
        {"garbage", "garbage"},
        {"invalid json", "invalid json"},
        {"missing", "missing"},
        {"unknown status \"queued-ish\"", "status queued-ish"},
        {"unknown status \"a \\\"b\\\", {c}\"", "status a \"b\", {c}"},
        {"no status", "no status"},
        {"regress", "back to queued"},
    };
    struct player player;
    char script[200];

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        snprintf(script, sizeof(script), "pending for 1s, %s x2, %s for 1s, %s, completed",
                 faults[i][0], faults[i][0], faults[i][0]);
        begin(&player, script);
        expect(&player, 999, "pending");
        expect_many(&player, 5, 1000, faults[i][1]); /* the stretch, */
        expect(&player, 1999, faults[i][1]);
        if (strcmp(faults[i][0], "regress") == 0) {
            expect_many(&player, 3, 2000, "back to running");
        } else {
            expect_many(&player, 2, 2000, faults[i][1]); /* the two that were before it, */
            expect(&player, 2000, faults[i][1]);         /* and the last */
        }
        expect(&player, 2000, "completed");
        expect_end(&player, VTS_COMPLETED, 2000);
        player_finish(&player);
    }
}

static void cancelled_is_an_end(void **state)
{
    struct player player;

    (void)state;
    begin(&player, "pending for 1s, cancelled");
    expect(&player, 1000, "error");
    expect_end(&player, VTS_CANCELLED, 1000);
    player_finish(&player);
}

static void progress_with_an_extent(void **state)
{
    struct player player;

    (void)state;
    begin(&player, "progress 40% for 10s, progress 60% x2, completed");
    assert_true(job_progress(&(struct job){0}, 0) == 0);
    for (vts_ms at = 0; at < 10000; at += 1000) {
        struct job job;

        expect(&player, at, "pending");
        job = player_job(&player);
        assert_true(job_progress(&job, PLAYER_START + at) == 0.4);
    }
    for (int i = 0; i < 2; i++) {
        struct job job;

        expect(&player, 10000, "pending");
        job = player_job(&player);
        assert_true(job_progress(&job, PLAYER_START + 10000) == 0.6);
    }
    expect(&player, 10000, "completed");
    player_finish(&player);
}

/* ---- times that are drawn ---- */

static void a_delay_wherever_a_time_stands(void **state)
{
    vts_ms first = 0, stretch = 0;
    struct player player;
    char id[16];
    long long told;

    (void)state;
    open_script(&player, "pending for uniform 1s..3s\n"
                         "http 503 retry-after uniform 5s..7s for uniform 10s..12s\n"
                         "stall lognormal 1s sigma 0.5 max 4s x3\n"
                         "dribble normal 3s sd 300ms max 5s, completed");
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof(id), "job %d", i);
        player_start(&player, id, 0);
        first = player_job(&player).wake_at;
        assert_in_range(first, 1000, 3000);
        assert_int_equal(sscanf(player_poll(&player, first), "503 retry-after %lld", &told), 1);
        assert_in_range(told, 5000, 7000);
        stretch = player_job(&player).wake_at - first;
        assert_in_range(stretch, 10000, 12000);
        for (int poll = 0; poll < 3; poll++) {
            assert_int_equal(sscanf(player_poll(&player, 60000), "stall %lld", &told), 1);
            assert_in_range(told, 1, 4000);
        }
        assert_int_equal(sscanf(player_poll(&player, 60000), "dribble %lld", &told), 1);
        assert_in_range(told, 1000, 5000);
        expect(&player, 60000, "completed");
        expect_end(&player, VTS_COMPLETED, first + stretch);
    }
    player_finish(&player);
}

static void times_that_come_out_as_nothing(void **state)
{
    struct text script = TEXT_INIT;
    struct player player;

    (void)state;
    /* In one hook: ten thousand wakes in one moment would be taken for endless. */
    for (int i = 0; i < 10000; i++)
        text_puts(&script, "pending for uniform 0s..0s, http 503 for 0\n");
    text_puts(&script, "completed");
    begin(&player, script.bytes);
    expect_end(&player, VTS_COMPLETED, 0);
    expect(&player, 0, "completed");
    player_finish(&player);
    text_finish(&script);
}

/* ---- repeat ---- */

static void repeated_steps(void **state)
{
    struct player player;

    (void)state;
    begin(&player, "repeat 3 { pending for 1s, http 503 }, completed");
    expect(&player, 999, "pending");
    expect(&player, 1000, "503");
    expect(&player, 1000, "pending");
    expect(&player, 3000, "503");
    expect(&player, 3000, "503");
    expect(&player, 3000, "completed");
    expect_end(&player, VTS_COMPLETED, 3000);
    player_finish(&player);
    begin(&player, "repeat 2 {\n"
                   "    pending x1\n"
                   "    repeat 2 { reset, empty }\n"
                   "}\n"
                   "completed");
    for (int round = 0; round < 2; round++) {
        expect(&player, 10, "pending");
        for (int inner = 0; inner < 2; inner++) {
            expect(&player, 20, "reset");
            expect(&player, 20, "empty");
        }
    }
    expect(&player, 30, "completed");
    expect_end(&player, VTS_COMPLETED, 20); /* found by the poll that got the second row's reset */
    player_finish(&player);
    begin(&player, "repeat 1 { completed x1 }, repeat 2 { regress, reset }");
    expect(&player, 0, "completed");
    for (int round = 0; round < 2; round++) {
        expect(&player, 0, "back to running");
        expect(&player, 0, "reset");
    }
    expect(&player, 0, "completed");
    player_finish(&player);
}

static void as_many_steps_as_there_can_be(void **state)
{
    struct player player;

    (void)state;
    begin(&player, "repeat 100 { repeat 999 { pending for 1ms } }, repeat 99 { reset }, completed");
    player_advance(&player, 99899);
    assert_int_equal(player_job(&player).state, VTS_RUNNING);
    player_advance(&player, 99900);
    expect_end(&player, VTS_COMPLETED, 99900);
    expect_many(&player, 99, 99900, "reset");
    expect(&player, 99900, "completed");
    player_finish(&player);
}

/* ---- chance ---- */

/* How many of a thousand jobs fail. */
static int failures(const char *script, uint64_t seed)
{
    struct player player;
    char id[16];
    int failed = 0;

    if (!player_open(&player, script, seed))
        fail_msg("%s", player.problems.lines.bytes);
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof(id), "job %d", i);
        player_start(&player, id, 0);
        player_advance(&player, 60000);
        failed += player_job(&player).state == VTS_FAILED;
    }
    player_finish(&player);
    return failed;
}

static void chances_come_out_as_they_are_likely(void **state)
{
    (void)state;
    assert_int_equal(failures("chance 0 { error } else { completed }", 1), 0);
    assert_int_equal(failures("chance 1 { error } else { completed }", 1), 1000);
    assert_in_range(failures("chance 0.3 { error } else { completed }", 1), 260, 340);
    assert_in_range(failures("chance 0.3 { error }, completed", 2), 260, 340);
    /* each chance is one of its own: 1 - 0.9^10 = 0.65 */
    assert_in_range(failures("repeat 10 { pending for 1s, chance 0.1 { error } }, completed", 1),
                    600, 700);
    assert_in_range(
        failures("chance 0.5 { chance 0.5 { error } else { completed } } else { completed }", 1),
        210, 290);
}

/* After an end that came by chance the rest of the life is passed over. */
static void an_end_by_chance_is_the_end(void **state)
{
    struct player player;

    (void)state;
    begin(&player, "chance 1 { error \"early\" x1 } else { pending for 1s }\n"
                   "reset, pending for 5s, empty, completed");
    expect_end(&player, VTS_FAILED, 0);
    expect(&player, 0, "error");
    expect(&player, 0, "reset");
    expect_many(&player, 5, 9000, "error"); /* no empty: it stands behind life that never came */
    player_finish(&player);
    begin(&player, "chance 0 { error x1 } else { pending for 1s }\n"
                   "reset, pending for 5s, empty, completed");
    expect(&player, 999, "pending");
    expect(&player, 1000, "reset");
    expect(&player, 6000, "empty");
    expect(&player, 6000, "completed");
    player_finish(&player);
}

/* An end on one way alone leaves life to the other. */
static void an_end_on_one_way(void **state)
{
    static const char *const scripts[] = {
        "chance 0.5 { pending for 1s } else { completed }, pending for 1s, completed",
        "chance 0.5 { completed } else { pending for 1s }, pending for 1s, completed",
        "chance 0.5 { completed }, pending for 2s, completed"};
    struct player player;
    int early, late;
    char id[16];

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        open_script(&player, scripts[i]);
        early = late = 0;
        for (int j = 0; j < 50; j++) {
            snprintf(id, sizeof(id), "job %d", j);
            player_start(&player, id, 0);
            player_advance(&player, 60000);
            assert_int_equal(player_job(&player).state, VTS_COMPLETED);
            early += player_job(&player).ended_at == 0;
            late += player_job(&player).ended_at == 2000;
        }
        assert_int_equal(early + late, 50);
        assert_in_range(early, 10, 40);
        player_finish(&player);
    }
}

/* What polls are told is the way that the life went, though they walk it later. */
static void faults_go_the_way_of_the_life(void **state)
{
    struct player player;
    char id[16];
    int early = 0;

    (void)state;
    open_script(&player, "chance 0.5 { http 500 } else { http 501 }\n"
                         "repeat 20 { pending for 1s, chance 0.5 { reset } else { empty } }\n"
                         "completed");
    for (int i = 0; i < 50; i++) {
        const char *told[21], *later;

        snprintf(id, sizeof(id), "job %d", i);
        player_start(&player, id, 0);
        for (int poll = 0; poll < 21; poll++) { /* as they come */
            later = player_poll(&player, poll * 1000);
            told[poll] = strcmp(later, "reset") == 0   ? "reset"
                         : strcmp(later, "empty") == 0 ? "empty"
                         : strcmp(later, "500") == 0   ? "500"
                                                       : "501";
            assert_string_equal(told[poll], later);
        }
        early += strcmp(told[1], "reset") == 0;
        player_start(&player, id, 0);
        for (int poll = 0; poll < 21; poll++) /* all at the end */
            assert_string_equal(told[poll], player_poll(&player, 90000));
        expect(&player, 90000, "completed");
    }
    assert_in_range(early, 10, 40);
    player_finish(&player);
}

/* Faults of one way, of the other, of both and of neither, with life in and between them, whether they are told
 * as they come or all at the end. */
static void faults_of_one_way_alone(void **state)
{
    static const char *const scripts[] = {
        "chance 0.5 { pending for 1s } else { pending for 2s, http 501 }, http 502",
        "chance 0.5 { pending for 1s, http 500 } else { pending for 2s }, http 502",
        "chance 0.5 { chance 0.5 { http 500 } } else { chance 0.5 { pending for 1s } }, http 502",
        "chance 0.5 { pending for 1s, chance 0.5 { progress 1% } else { pending for 1s } }\n"
        "chance 0.5 { http 500 } else { http 501 }, http 502",
    };
    struct text now = TEXT_INIT, later = TEXT_INIT, script = TEXT_INIT;
    struct player player;
    char id[16];

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        text_reset(&script);
        text_printf(&script, "reset, repeat 5 { %s }, completed", scripts[i]);
        open_script(&player, script.bytes);
        for (int j = 0; j < 40; j++) {
            const char *told;
            int last = 0;

            snprintf(id, sizeof(id), "job %d", j);
            text_reset(&now);
            text_reset(&later);
            player_start(&player, id, 0);
            for (vts_ms at = 0; at < 20000; at += 100)
                while (strcmp(told = player_poll(&player, at), "pending") != 0 &&
                       strcmp(told, "completed") != 0) {
                    text_printf(&now, "%s,", told);
                    last += strcmp(told, "502") == 0;
                }
            player_start(&player, id, 0);
            while (strcmp(told = player_poll(&player, 20000), "completed") != 0)
                text_printf(&later, "%s,", told);
            assert_string_equal(now.bytes, later.bytes);
            assert_int_equal(last, 5);
        }
        player_finish(&player);
    }
    text_finish(&now);
    text_finish(&later);
    text_finish(&script);
}

/* ---- the law: polls do not move a life whose steps have no counts ---- */

static void a_life_without_counts_is_its_own(void **state)
{
    static const char *const scripts[] = {
        "pending for 5s, http 503 x2, completed",
        "http 503 for 2s, pending for 3s, reset x3, error \"x\"",
        "repeat 5 { pending for exponential 2s, chance 0.2 { error \"y\" } else { http 500 x2 } }\n"
        "completed x2, regress",
        "chance 0.5 { progress 40% for uniform 1s..9s }\n"
        "stall uniform 1s..2s x3, chance 0.5 { cancelled } else { completed }, reset x2",
        "repeat 3 { http 429 retry-after uniform 1s..2s x2, pending for lognormal 2s sigma 1 }",
    };
    struct player often, once, never;
    struct job a, b, c;
    char id[16];

    (void)state;
    for (size_t s = 0; s < sizeof(scripts) / sizeof(scripts[0]); s++) {
        open_script(&often, scripts[s]);
        open_script(&once, scripts[s]);
        open_script(&never, scripts[s]);
        for (int i = 0; i < 40; i++) {
            snprintf(id, sizeof(id), "job %d", i);
            player_start(&often, id, 0);
            player_start(&once, id, 0);
            player_start(&never, id, 0);
            for (vts_ms at = 0; at < 100000; at += 333)
                player_poll(&often, at);
            player_poll(&once, 100000);
            player_poll(&often, 100000);
            player_advance(&never, 100000);
            a = player_job(&often), b = player_job(&once), c = player_job(&never);
            assert_int_equal(a.state, b.state);
            assert_int_equal(a.state, c.state);
            assert_int_equal(a.ended_at, b.ended_at);
            assert_int_equal(a.ended_at, c.ended_at);
            assert_int_equal(a.draws, c.draws);
            assert_true(job_progress(&a, PLAYER_START + 100000) ==
                        job_progress(&c, PLAYER_START + 100000));
        }
        player_finish(&often);
        player_finish(&once);
        player_finish(&never);
    }
}

/* Only counts cost a write for each poll, and more bytes. */
static void a_script_without_counts_is_free(void **state)
{
    static const struct {
        const char *script;
        bool counts;
        size_t bytes;
    } each[] = {{"pending for 5s, progress 40%, completed", false, 8},
                {"pending for uniform 1s..2s, http 503 for 1s, error \"x3\"", false, 8},
                {"repeat 3 { pending for 1s, html 502 for 1s }, completed", false, 8},
                {"pending x3, completed", true, 8},
                {"pending for 5s, completed x1", true, 8},
                {"pending for 5s, reset, completed", true, 32},
                {"chance 0.5 { pending for 1s }, completed", false, 32},
                {"start: http 503 x2\ncompleted", false, 32},
                {"start: reset\npending for 1s", false, 32}};
    struct player player;

    (void)state;
    for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
        open_script(&player, each[i].script);
        assert_int_equal(player.sides[0].instance->base.counts_polls, each[i].counts);
        assert_int_equal(player.sides[0].instance->base.state_size, each[i].bytes);
        player_finish(&player);
    }
}

/* ---- starts ---- */

static void a_start_is_refused_so_often(void **state)
{
    struct player player;

    (void)state;
    open_script(&player, "start: http 503 retry-after 1s x2, http 429\n"
                         "pending for 5s, completed");
    assert_string_equal(player_start(&player, "a", 0), "503 retry-after 1000");
    assert_int_equal(player_job(&player).state, VTS_ASKED);
    assert_string_equal(player_start_again(&player, 10), "503 retry-after 1000");
    assert_string_equal(player_start_again(&player, 20), "429");
    assert_int_equal(player_job(&player).state, VTS_ASKED);
    assert_string_equal(player_start_again(&player, 30), "started");
    expect(&player, 5029, "pending");
    expect(&player, 5030, "completed");
    player_finish(&player);
}

static void a_start_is_refused_for_a_time(void **state)
{
    struct player player;

    (void)state;
    open_script(&player, "start: http 503 for 10s, html 502 for 5s\ncompleted");
    assert_string_equal(player_start(&player, "a", 7000), "503");
    assert_string_equal(player_start_again(&player, 16999), "503");
    assert_string_equal(player_start_again(&player, 17000), "html 502");
    assert_string_equal(player_start_again(&player, 21999), "html 502");
    assert_string_equal(player_start_again(&player, 22000), "started");
    player_finish(&player);
}

/* All but a refusal accept, and the job is there. */
static void a_start_that_is_accepted_and_told_badly(void **state)
{
    static const char *const each[][2] = {{"lost", "empty"},
                                          {"reset", "reset"},
                                          {"empty", "empty"},
                                          {"stall 2s", "stall 2000"},
                                          {"dribble 1s", "dribble 1000"},
                                          {"truncate", "truncate"},
                                          {"garbage", "garbage"},
                                          {"invalid json", "invalid json"},
                                          {"html 200", "html 200"}};
    struct player player;
    char script[100];

    (void)state;
    for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
        snprintf(script, sizeof(script), "start: http 500, %s\npending for 1s, completed",
                 each[i][0]);
        open_script(&player, script);
        assert_string_equal(player_start(&player, "a", 0), "500");
        assert_string_equal(player_start_again(&player, 10), each[i][1]);
        assert_int_equal(player_job(&player).state, VTS_RUNNING);
        expect(&player, 1009, "pending");
        expect(&player, 1010, "completed");
        player_finish(&player);
    }
}

static void several_start_lines_are_one(void **state)
{
    struct player player;

    (void)state;
    open_script(&player, "start: http 500, http 501 ,\n"
                         "\n"
                         "start: repeat 2 { http 502, http 503 }\n"
                         "start: lost\n"
                         "completed");
    assert_string_equal(player_start(&player, "a", 0), "500");
    assert_string_equal(player_start_again(&player, 0), "501");
    for (int i = 0; i < 2; i++) {
        assert_string_equal(player_start_again(&player, 0), "502");
        assert_string_equal(player_start_again(&player, 0), "503");
    }
    assert_string_equal(player_start_again(&player, 0), "empty");
    expect(&player, 0, "completed");
    player_finish(&player);
}

static void starts_by_chance(void **state)
{
    int refused = 0, lost = 0;
    struct player player;
    char id[16];

    (void)state;
    open_script(&player, "start: chance 0.3 { http 503 x2 } else { chance 0.5 { lost } }\n"
                         "pending for 1s, chance 0.5 { error }, completed");
    for (int i = 0; i < 1000; i++) {
        const char *told;

        snprintf(id, sizeof(id), "job %d", i);
        told = player_start(&player, id, 0);
        if (strcmp(told, "503") == 0) {
            refused++;
            assert_string_equal(player_start_again(&player, 0), "503"); /* not tossed again */
            assert_string_equal(player_start_again(&player, 0), "started");
        }
        lost += strcmp(told, "empty") == 0;
        player_advance(&player, 1000);
        assert_true(state_ended((int)player_job(&player).state));
    }
    assert_in_range(refused, 260, 340);
    assert_in_range(lost, 300, 400);
    player_finish(&player);
}

/* How many attempts there were before one that chance decides about does not matter. */
static void starts_by_chance_whoever_asks(void **state)
{
    static const char script[] =
        "start: http 500 for 5s, chance 0.5 { http 501 } else { http 502 }\n"
        "completed";
    struct player twice, often;
    const char *told;
    int first = 0;
    char id[16];

    (void)state;
    open_script(&twice, script);
    open_script(&often, script);
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof(id), "job %d", i);
        player_start(&twice, id, 0);
        player_start(&often, id, 0);
        for (vts_ms at = 100; at < 5000; at += 700)
            assert_string_equal(player_start_again(&often, at), "500");
        told = player_start_again(&twice, 5000);
        assert_string_equal(player_start_again(&often, 5000), told);
        first += strcmp(told, "501") == 0;
        assert_string_equal(player_start_again(&often, 5000), "started");
    }
    assert_in_range(first, 10, 40);
    player_finish(&twice);
    player_finish(&often);
}

/* ---- the issue's own script ---- */

static void a_rough_day(void **state)
{
    struct player player;

    (void)state;
    open_script(&player, "start: http 503 retry-after 1s x2\n"
                         "pending for 5s\n"
                         "http 429 retry-after 3s x2, reset, stall 2s\n"
                         "progress 40% for 10s\n"
                         "html 504\n"
                         "error \"the GPU fell over\"");
    assert_string_equal(player_start(&player, "a", 0), "503 retry-after 1000");
    assert_string_equal(player_start_again(&player, 1000), "503 retry-after 1000");
    assert_string_equal(player_start_again(&player, 2000), "started");
    expect(&player, 6999, "pending");
    expect(&player, 7000, "429 retry-after 3000");
    expect(&player, 10000, "429 retry-after 3000");
    expect(&player, 13000, "reset");
    expect(&player, 13000, "stall 2000");
    expect(&player, 16999, "pending");
    expect(&player, 17000, "html 504");
    expect(&player, 17000, "error");
    expect_end(&player, VTS_FAILED, 17000);
    assert_string_equal(player_job(&player).message.at, "the GPU fell over");
    player_finish(&player);
}

/* ---- what is wrong ---- */

/* The script is refused at this place, with these words. */
static void refused(const char *script, unsigned int line, unsigned int column, const char *said)
{
    char wanted[1024];
    struct player player;
    const char *end;

    if (player_open(&player, script, 1))
        fail_msg("this script was taken:\n%s", script);
    snprintf(wanted, sizeof(wanted),
             "-s: [behaviour test] script: %s (at line %u, column %u of the value)", said, line,
             column);
    end = strchr(player.problems.lines.bytes, '\n');
    player.problems.lines.bytes[end - player.problems.lines.bytes] = '\0';
    assert_string_equal(player.problems.lines.bytes, wanted);
    player_finish(&player);
}

static void braces_that_do_not_match(void **state)
{
    (void)state;
    refused("repeat 3 { reset", 1, 10, "the brace that opens here is not closed");
    refused("repeat 3 {\n chance 0.5 {\n reset }\n completed", 1, 10,
            "the brace that opens here is not closed");
    refused("reset }", 1, 7, "this brace closes none that is open");
    refused("}", 1, 1, "this brace closes none that is open");
    refused("repeat 3 { reset } }", 1, 20, "this brace closes none that is open");
    refused("repeat 3 reset", 1, 10, "a brace should follow \"repeat\" here: { ... }");
    refused("repeat 3\n{ reset }", 1, 9, "a brace should follow \"repeat\" here: { ... }");
    refused("chance 0.5 reset", 1, 12, "a brace should follow \"chance\" here: { ... }");
    refused("chance 0.5 { reset } else reset", 1, 27,
            "a brace should follow \"else\" here: { ... }");
    refused("start: repeat 2 { http 503\n}\ncompleted", 1, 17,
            "the brace that opens here is not closed; a start: line is one line");
    refused("start: repeat 2 { http 503", 1, 17,
            "the brace that opens here is not closed; a start: line is one line");
    refused("repeat 3 { reset } reset", 1, 20,
            "\"reset\" cannot stand here; a comma or a new line ends a step");
    refused("repeat 3 { , reset }", 1, 12, "there is no step before this comma");
}

static void repeats_and_chances_of_nothing(void **state)
{
    (void)state;
    refused("repeat", 1, 7,
            "a number is missing after \"repeat\"; write how often, as in repeat 3 { ... }");
    refused("repeat { reset }", 1, 8,
            "a number is missing after \"repeat\"; write how often, as in repeat 3 { ... }");
    refused("repeat 0 { reset }", 1, 8, "\"0\" is no round at all; write 1 or more");
    refused("repeat 3 { }", 1, 10, "there is no step between these braces");
    refused("repeat 3 {\n}", 1, 10, "there is no step between these braces");
    refused("repeat often { reset }", 1, 8,
            "\"often\" is not a whole number; write how often, as in repeat 3 { ... }");
    refused("repeat 2.5 { reset }", 1, 8,
            "\"2.5\" is not a whole number; write how often, as in repeat 3 { ... }");
    refused("repeat 2.0 { reset }", 1, 8,
            "\"2.0\" is not a whole number; write how often, as in repeat 3 { ... }");
    refused("repeat -1 { reset }", 1, 8,
            "\"-1\" is not a whole number; write how often, as in repeat 3 { ... }");
    refused("chance", 1, 7,
            "a number is missing after \"chance\"; write how likely it is, as in chance 0.3 { ... "
            "}");
    refused("chance { reset }", 1, 8,
            "a number is missing after \"chance\"; write how likely it is, as in chance 0.3 { ... "
            "}");
    refused("chance 0.3 { }", 1, 12, "there is no step between these braces");
    refused("chance 0.3 { reset } else { }", 1, 27, "there is no step between these braces");
    refused("chance 1.5 { reset }", 1, 8, "\"1.5\" is out of range; write a number from 0 to 1");
    refused("chance 30% { reset }", 1, 8,
            "\"30%\" is not a chance; write a number from 0 to 1, as in chance 0.3 { ... }");
    refused("chance 0.00000000001 { reset }", 1, 8,
            "\"0.00000000001\" has too many digits; ten behind the point are the most");
    refused("else { reset }", 1, 1, "\"else\" follows chance 0.3 { ... } alone");
    refused("repeat 2 { reset } else { empty }", 1, 20,
            "\"else\" follows chance 0.3 { ... } alone");
    refused("chance 0.3 { reset }, else { empty }", 1, 23,
            "\"else\" follows chance 0.3 { ... } alone");
    refused("chance 0.3 { reset } else { empty } else { reset }", 1, 37,
            "\"else\" follows chance 0.3 { ... } alone");
}

static void steps_without_end(void **state)
{
    static const char said[] =
        "here the script has more than 100000 steps, with what is repeated written out";

    (void)state;
    refused("repeat 100001 { reset }", 1, 8, "\"100001\" is too many; the most is 100000");
    refused("repeat 99999999999999999999 { reset }", 1, 8,
            "\"99999999999999999999\" is too many; the most is 100000");
    refused("repeat 1000 { repeat 101 { reset } }", 1, 1, said);
    refused("repeat 50001 { reset, empty }", 1, 1, said);
    refused("repeat 100000 { reset }, reset", 1, 26, said);
    refused("repeat 50000 { progress 1% for 1s }, chance 0.5 { reset }", 1, 38, said);
    refused("repeat 10000 { repeat 10000 { repeat 10000 { repeat 10000 { progress 40% } } } }", 1,
            46 - 15, said);
}

static void nested_a_thousand_deep(void **state)
{
    struct text script = TEXT_INIT;
    struct player player;

    (void)state;
    for (int i = 0; i < 1000; i++)
        text_puts(&script, "repeat 1 { ");
    text_puts(&script, "reset");
    for (int i = 0; i < 1000; i++)
        text_puts(&script, " }");
    refused(script.bytes, 1, 11 * 16 + 10,
            "here 16 braces are open; that is as many as there can be");
    text_reset(&script);
    for (int i = 0; i < 16; i++)
        text_puts(&script, "chance 1 {\n");
    text_puts(&script, "reset");
    for (int i = 0; i < 16; i++)
        text_puts(&script, "}\nelse { empty\n}");
    begin(&player, script.bytes);
    expect(&player, 0, "reset");
    expect(&player, 0, "pending");
    player_finish(&player);
    text_finish(&script);
}

static void a_megabyte(void **state)
{
    struct text script = TEXT_INIT;
    struct player player;

    (void)state;
    while (script.length < 1024 * 1024)
        text_puts(&script, "reset\n");
    assert_false(player_open(&player, script.bytes, 1));
    assert_string_equal(player.problems.lines.bytes,
                        "-s: [behaviour test] script: the script has 1048577 bytes; 524288 are the "
                        "most\n");
    player_finish(&player);
    text_finish(&script);
}

static void times_that_overflow(void **state)
{
    (void)state;
    refused("pending for 9999999999999999d", 1, 13,
            "\"9999999999999999d\" is too long; the longest time is 2932896d");
    refused("stall 2932897d", 1, 7, "\"2932897d\" is too long; the longest time is 2932896d");
    refused("http 503 retry-after 2932897d", 1, 22,
            "\"2932897d\" is too long; the longest time is 2932896d");
    refused("http 503 for uniform 1s..2932897d", 1, 26,
            "\"2932897d\" is too long; the longest time is 2932896d");
}

/* The longest times there are, one behind the other, end with all time. */
static void times_that_add_up_beyond_all_time(void **state)
{
    struct player player;

    (void)state;
    begin(&player, "pending for 2932896d, pending for 2932896d, completed");
    player_advance(&player, VTS_TIME_END - PLAYER_START);
    expect_end(&player, VTS_COMPLETED, VTS_TIME_END - PLAYER_START);
    player_finish(&player);
    open_script(&player, "start: http 503 for 2932896d\ncompleted");
    assert_string_equal(player_start(&player, "a", 0), "503");
    assert_string_equal(player_start_again(&player, VTS_TIME_END - PLAYER_START), "503");
    player_finish(&player);
}

static void steps_where_they_cannot_stand(void **state)
{
    static const char ended[] =
        "there the job has ended; faults with a count can, such as http 503 "
        "x2";
    char said[300];

    (void)state;
    snprintf(said, sizeof(said), "\"pending\" cannot follow completed: %s", ended);
    refused("completed, pending", 1, 12, said);
    refused("completed, reset x2, pending for 5s", 1, 22, said);
    refused("completed, repeat 2 { reset, pending }", 1, 30, said);
    refused("chance 0.5 { completed } else { completed }, pending", 1, 46, said);
    snprintf(said, sizeof(said), "\"completed\" cannot follow error: %s", ended);
    refused("error, completed", 1, 8, said);
    refused("completed for 5s", 1, 11,
            "\"for\" cannot follow \"completed\": the job's time is over there; write a count of "
            "polls that are told so before what follows (completed x1), or nothing");
    refused(
        "completed, http 503 for 5s", 1, 21,
        "\"for\" cannot follow completed: the job's time is over there; give the fault a count, "
        "such as x3");
    refused("repeat 2 { pending, completed }", 1, 1,
            "nothing is left to repeat: the job ends in the first round, by completed");
    refused("lost", 1, 1,
            "\"lost\" is for starts: write it on a line that begins with start:, or let the answer "
            "to a poll be lost by empty or reset");
    refused("progress 40% for 10s x3", 1, 22,
            "\"x3\" cannot stand here; a comma or a new line ends a step");
    refused("http 503 for 5s x3", 1, 17,
            "\"x3\" cannot stand here; a comma or a new line ends a step");
    refused("reset x0", 1, 7, "\"x0\" is no poll at all; write x1 or more");
}

static void starts_that_are_wrong(void **state)
{
    (void)state;
    refused("start http 503", 1, 7, "a colon should follow \"start\": start: http 503");
    refused("start:", 1, 7,
            "an answer to a start should follow start:, such as http 503 x2 or lost");
    refused("start:\nhttp 503", 1, 7,
            "an answer to a start should follow start:, such as http 503 x2 or lost");
    refused("pending\nstart: http 503", 2, 1, "start: begins a line before all steps for polls");
    refused("start: http 503, start: http 503", 1, 18,
            "start: begins a line before all steps for polls");
    refused("repeat 2 { start: http 503\n}", 1, 12,
            "start: begins a line before all steps for polls");
    refused("start: pending for 5s", 1, 8,
            "\"pending\" is no answer to a start; write it on a line of its own below");
    refused("start: completed", 1, 8,
            "\"completed\" is no answer to a start; write it on a line of its own below");
    refused("start: missing", 1, 8,
            "\"missing\" is for polls: a start is told no status; write it on a line of its own "
            "below");
    refused("start: lost x2", 1, 13,
            "\"x2\" cannot follow \"lost\" on a start: line: there the start is accepted, which "
            "happens once");
    refused("start: stall 2s for 5s", 1, 17,
            "\"for\" cannot follow \"stall\" on a start: line: there the start is accepted, which "
            "happens once");
    refused("start: reset, http 503", 1, 15,
            "\"http\" cannot follow reset: there the start is accepted");
    refused("start: lost\nstart: http 503", 2, 8,
            "\"http\" cannot follow lost: there the start is accepted");
    refused("start: repeat 2 { lost }", 1, 8,
            "nothing is left to repeat: the start is accepted in the first round, by lost");
    refused("start: http 302", 1, 13,
            "\"302\" is no refusal; on a start: line write a status from 400 to 599");
}

static void values_that_are_wrong(void **state)
{
    char long_status[400];

    (void)state;
    refused("http", 1, 5, "a status is missing after \"http\"; write one such as 503");
    refused("html, reset", 1, 5, "a status is missing after \"html\"; write one such as 503");
    refused("http 600", 1, 6, "\"600\" is not a status; write a number from 200 to 599");
    refused("http 199", 1, 6, "\"199\" is not a status; write a number from 200 to 599");
    refused("http 0503", 1, 6, "\"0503\" is not a status; write a number from 200 to 599");
    refused("http busy", 1, 6, "\"busy\" is not a status; write a number from 200 to 599");
    refused("http 503 retry-after", 1, 21,
            "a time is missing after \"retry-after\"; write one such as 5s");
    refused("http 503 retry-after date x2", 1, 27,
            "a time is missing after \"date\"; write one such as 5s");
    refused("http 503 retry-after 3", 1, 22, "\"3\" has no unit; write 3ms, 3s or 3m");
    refused("reset retry-after 3s", 1, 7,
            "\"retry-after\" cannot stand here; a comma or a new line ends a step");
    refused("stall", 1, 6, "a time is missing after \"stall\"; write one such as 5s");
    refused("stall x3", 1, 7, "a time is missing after \"stall\"; write one such as 5s");
    refused("stall for 3s", 1, 7, "a time is missing after \"stall\"; write one such as 5s");
    refused("dribble \"3s\"", 1, 9,
            "\"3s\" is not a time; write one number and one unit: 250ms, 10s, 2m, 1h or 1d");
    refused("invalid", 1, 8, "\"json\" should follow \"invalid\" here");
    refused("unknown word \"x\"", 1, 9, "\"status\" should follow \"unknown\" here");
    refused("no", 1, 3, "\"status\" should follow \"no\" here");
    refused("unknown status queued", 1, 16,
            "a status in double quotes should follow here, such as \"queued-ish\"");
    snprintf(long_status, sizeof(long_status), "unknown status \"%0256d\"", 0);
    refused(long_status, 1, 16, "the text has 256 bytes; 255 are the most");
    snprintf(long_status, sizeof(long_status), "stall %0300dms", 0);
    refused(long_status, 1, 7,
            "\"0000000000000000000000000000000000000000...\"... is no time; write one such as 5s");
}

/* Line, column and a caret, in a file's section as well. */
static void the_place_is_shown(void **state)
{
    static const char text[] = "[behaviour test]\n"
                               "script = start: http 503 x2   ; busy\n"
                               "         pending for 5 minutes, completed\n";
    struct problems problems = PROBLEMS_INIT;
    struct ini ini = {0};
    const struct vts_plugin *plugin;
    struct player player;

    (void)state;
    open_script(&player, "completed"); /* for the plugin alone */
    plugin = player.sides[0].instance->base.plugin;
    assert_true(ini_read(&ini, "t.ini", text, sizeof(text) - 1, &problems));
    assert_null(instance_create("test", plugin, ini_section(&ini, "behaviour", "test"), &problems));
    assert_string_equal(
        problems.lines.bytes,
        "t.ini:3:22: [behaviour test] script: \"5 minutes\" is not a time; write one "
        "number and one unit: 250ms, 10s, 2m, 1h or 1d\n"
        "    pending for 5 minutes, completed\n"
        "                ^\n");
    problems_finish(&problems);
    ini_finish(&ini);
    player_finish(&player);
}

/* ---- damaged places ---- */

/* Bytes of state that no job of the script has: nothing is read beyond the program. */
static void damaged_places(void **state)
{
    static const uint32_t places[][2] = {{UINT32_MAX, 0}, {0, UINT32_MAX}, {5, 9}, {1, 3},
                                         {2, 0},          {4, 4},          {6, 6}, {7, 7}};
    struct player player;

    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct text damaged = TEXT_INIT;
        struct job job;
        char bytes[32];

        begin(&player, "reset, pending x1, chance 0.5 { empty } else { html 500 }, completed");
        job = player_job(&player);
        assert_int_equal(job.plugin_state.length, sizeof(bytes));
        memcpy(bytes, job.plugin_state.at, sizeof(bytes));
        memcpy(bytes, &places[i][0], sizeof(uint32_t));
        memcpy(bytes + 8, &places[i][1], sizeof(uint32_t));
        job.plugin_state.at = bytes;
        assert_true(record_write(&job, &damaged));
        text_finish(&player.record);
        player.record = damaged;
        for (int poll = 0; poll < 20; poll++)
            player_poll(&player, 1000);
        player_finish(&player);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_with_a_count_takes_no_time),
        cmocka_unit_test(no_extent_is_one_poll),
        cmocka_unit_test(faults_are_used_up_in_order),
        cmocka_unit_test(faults_at_the_beginning_are_told_at_once),
        cmocka_unit_test(a_fault_with_a_time_is_a_stretch),
        cmocka_unit_test(a_stretch_goes_before_what_waits),
        cmocka_unit_test(polls_that_got_a_fault_are_not_counted),
        cmocka_unit_test(after_the_end_faults_are_left),
        cmocka_unit_test(an_end_that_is_told_before_what_follows),
        cmocka_unit_test(after_a_cancel_faults_are_left),
        cmocka_unit_test(each_fault),
        cmocka_unit_test(cancelled_is_an_end),
        cmocka_unit_test(progress_with_an_extent),
        cmocka_unit_test(a_delay_wherever_a_time_stands),
        cmocka_unit_test(times_that_come_out_as_nothing),
        cmocka_unit_test(repeated_steps),
        cmocka_unit_test(as_many_steps_as_there_can_be),
        cmocka_unit_test(chances_come_out_as_they_are_likely),
        cmocka_unit_test(an_end_by_chance_is_the_end),
        cmocka_unit_test(an_end_on_one_way),
        cmocka_unit_test(faults_go_the_way_of_the_life),
        cmocka_unit_test(faults_of_one_way_alone),
        cmocka_unit_test(a_life_without_counts_is_its_own),
        cmocka_unit_test(a_script_without_counts_is_free),
        cmocka_unit_test(a_start_is_refused_so_often),
        cmocka_unit_test(a_start_is_refused_for_a_time),
        cmocka_unit_test(a_start_that_is_accepted_and_told_badly),
        cmocka_unit_test(several_start_lines_are_one),
        cmocka_unit_test(starts_by_chance),
        cmocka_unit_test(starts_by_chance_whoever_asks),
        cmocka_unit_test(a_rough_day),
        cmocka_unit_test(braces_that_do_not_match),
        cmocka_unit_test(repeats_and_chances_of_nothing),
        cmocka_unit_test(steps_without_end),
        cmocka_unit_test(nested_a_thousand_deep),
        cmocka_unit_test(a_megabyte),
        cmocka_unit_test(times_that_overflow),
        cmocka_unit_test(times_that_add_up_beyond_all_time),
        cmocka_unit_test(steps_where_they_cannot_stand),
        cmocka_unit_test(starts_that_are_wrong),
        cmocka_unit_test(values_that_are_wrong),
        cmocka_unit_test(the_place_is_shown),
        cmocka_unit_test(damaged_places),
    };

    return cmocka_run_group_tests_name("script", tests, NULL, NULL);
}
