/* SPDX-License-Identifier: MIT
 *
 * Tests of the filters around a behaviour: who is asked and who is not, what the client is told when several
 * want something, and that a filter changes nothing of the job's life, of its record, or of what the
 * behaviour itself says. */
#include "probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

static struct probes probes;
static struct life life;

/* ---- two filters that do as a test says ---- */

static struct {
    void (*admit)(struct vts_job *);
    void (*poll)(struct vts_job *);
} outer, inner;

static void note(struct vts_job *job, const char *hook, void (*function)(struct vts_job *))
{
    text_printf(&probe.trace, "%s%s.%s#%llu@%lld", probe.trace.length ? " " : "",
                job->instance->name, hook, (unsigned long long)vts_polls(job),
                (long long)(vts_now(job) - T0));
    assert_null(vts_state(job));
    if (function)
        function(job);
}

static void outer_admit(struct vts_job *job) { note(job, "admit", outer.admit); }
static void outer_poll(struct vts_job *job) { note(job, "poll", outer.poll); }
static void inner_admit(struct vts_job *job) { note(job, "admit", inner.admit); }
static void inner_poll(struct vts_job *job) { note(job, "poll", inner.poll); }

VTS_PLUGIN(outer, .kind = VTS_FILTER, .admit = outer_admit, .poll = outer_poll)
VTS_PLUGIN(inner, .kind = VTS_FILTER, .admit = inner_admit, .poll = inner_poll)
VTS_PLUGIN(asker, .kind = VTS_FILTER, .admit = outer_admit)

/* A behaviour with filters around it, in the set of the others. */
static const struct instance *with(const char *name, const struct vts_plugin *plugin,
                                   const struct instance *const *filters, size_t count)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = instance_create(name, plugin, NULL, &problems);

    assert_non_null(instance);
    assert_true(instance_put_filters(instance, filters, count));
    return instances_add(&probes.instances, instance);
}

static const struct instance *filtered, *counting, *quiet, *asked;

static int group_setup(void **state)
{
    const struct instance *filters[2], *asks;

    (void)state;
    probes_init(&probes);
    filters[0] = driver_instance(&probes.instances, "out", outer_LTX_vts_plugin());
    filters[1] = driver_instance(&probes.instances, "in", inner_LTX_vts_plugin());
    asks = driver_instance(&probes.instances, "asks", asker_LTX_vts_plugin());
    filtered = with("filtered", probe_LTX_vts_plugin(), filters, 2);
    counting = with("counting", counting_LTX_vts_plugin(), filters, 2);
    quiet = with("quiet", quiet_LTX_vts_plugin(), filters, 1);
    asked = with("asked", quiet_LTX_vts_plugin(), &asks, 1);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    probes_finish(&probes);
    return 0;
}

static void wake_in_100(struct vts_job *job) { vts_wake_after(job, 100); }
static void complete(struct vts_job *job) { vts_complete(job, NULL); }

static int setup(void **state)
{
    (void)state;
    probe_reset();
    memset(&outer, 0, sizeof(outer));
    memset(&inner, 0, sizeof(inner));
    probe.start = wake_in_100;
    probe.wake = complete;
    life_init(&life, &probes.instances, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    life_finish(&life);
    return 0;
}

/* Whose answer it is. */
static void assert_teller(const char *name)
{
    assert_true(life.work.bent);
    assert_string_equal(life.work.teller->name, name);
}

/* ---- who is asked ---- */

static void filters_are_asked_first_and_in_their_order(void **state)
{
    (void)state;
    life_ask(&life, filtered, "a", NULL, T0);
    assert_trace("out.admit#1@0 in.admit#1@0 admit#1@0 start@0");
    assert_false(life.work.bent);
    life_poll(&life, T0 + 10);
    assert_trace("out.poll#1@10 in.poll#1@10 poll#1@10");
    assert_int_equal(life.act, RECORD_LEAVE);
    /* what is due comes before, and after the end they are asked as well */
    life_poll(&life, T0 + 150);
    assert_trace("wake@100 finish@100 out.poll#2@150 in.poll#2@150 poll#2@150");
    life_poll(&life, T0 + 160);
    assert_trace("out.poll#3@160 in.poll#3@160 poll#3@160");
    /* of a cancel, and of a start that the id's owner would refuse, no filter hears */
    life_cancel(&life, T0 + 170);
    life_ask(&life, filtered, "a", NULL, T0 + 180);
    assert_int_equal(life.work.err, VTS_ERR_EXISTS);
    assert_trace("");
}

static void refuse_429(struct vts_job *job) { vts_refuse(job, 429, 3000); }

static void a_refusal_hides_who_stands_behind_it(void **state)
{
    struct job job;

    (void)state;
    outer.admit = refuse_429;
    life_ask(&life, filtered, "a", NULL, T0);
    assert_trace("out.admit#1@0");
    assert_true(life.work.bent && life.work.refused);
    assert_int_equal(life.work.answer.status, 429);
    assert_int_equal(life.work.answer.retry_after, 3000);
    job = life_job(&life);
    assert_int_equal(job.state, VTS_ASKED);
    assert_int_equal(job.asks, 1);
    outer.admit = NULL;
    inner.admit = refuse_429;
    life_ask(&life, filtered, "a", NULL, T0 + 1);
    assert_trace("out.admit#2@1 in.admit#2@1");
    assert_true(life.work.refused);
    assert_teller("in");
    inner.admit = NULL;
    probe.admit = refuse_429; /* the behaviour's own count goes on behind them */
    life_ask(&life, filtered, "a", NULL, T0 + 2);
    assert_trace("out.admit#3@2 in.admit#3@2 admit#3@2");
    assert_true(life.work.refused);
    probe.admit = NULL;
    life_ask(&life, filtered, "a", NULL, T0 + 3);
    assert_false(life.work.refused);
    job = life_job(&life);
    assert_int_equal(job.state, VTS_RUNNING);
    assert_int_equal(job.started_at, T0 + 3);
}

static void bend_503(struct vts_job *job) { VTS_BEND(job, .status = 503, .retry_after = 2000); }
static void reset(struct vts_job *job) { VTS_BEND(job, .cut = VTS_BREAK_RESET); }
static void count(struct vts_job *job)
{
    uint64_t *polls = vts_state(job);

    if (++*polls == 2)
        vts_complete(job, NULL);
    VTS_BEND(job, .status = 504);
}
static void wait_for_poll(struct vts_job *job) { vts_wait(job, VTS_FOR_POLL); }

/* A poll that a filter answers is none that moves the job, and uses up no fault of the behaviour's. */
static void a_poll_that_a_filter_answers_does_not_reach_the_behaviour(void **state)
{
    (void)state;
    probe.start = wait_for_poll;
    probe.poll = count;
    life_ask(&life, counting, "a", NULL, T0);
    outer.poll = bend_503;
    for (int i = 0; i < 5; i++) {
        life_poll(&life, T0 + i);
        assert_int_equal(life.act, RECORD_LEAVE);
        assert_int_equal(life.work.answer.status, 503);
    }
    outer.poll = reset;
    life_poll(&life, T0 + 6);
    assert_int_equal(life.work.answer.cut, VTS_BREAK_RESET);
    assert_int_equal(life.work.answer.status, 0);
    assert_int_equal(life.act, RECORD_LEAVE);
    outer.poll = NULL;
    text_reset(&probe.trace);
    life_poll(&life, T0 + 7);
    assert_trace("out.poll#7@7 in.poll#7@7 poll#7@7");
    assert_int_equal(life.work.answer.status, 504);
    assert_int_equal(life.act, RECORD_PUT);
    assert_int_equal(life_job(&life).state, VTS_RUNNING);
    life_poll(&life, T0 + 8);
    assert_int_equal(life_job(&life).state, VTS_COMPLETED);
}

/* What is due is kept, whatever the client is told. */
static void what_is_due_is_done_behind_a_filters_answer(void **state)
{
    (void)state;
    life_ask(&life, quiet, "a", NULL, T0);
    outer.poll = bend_503;
    life_poll(&life, T0 + 50);
    assert_int_equal(life.act, RECORD_LEAVE);
    life_poll(&life, T0 + 150);
    assert_int_equal(life.act, RECORD_PUT);
    assert_int_equal(life.work.answer.status, 503);
    assert_int_equal(life_job(&life).state, VTS_COMPLETED);
    assert_int_equal(life_job(&life).ended_at, T0 + 100);
    life_poll(&life, T0 + 200);
    assert_int_equal(life.act, RECORD_LEAVE);
    assert_true(life.work.bent);
}

/* The way of a poll that nobody hears is as short as without filters. */
static void a_filter_that_hears_no_polls_costs_none(void **state)
{
    (void)state;
    assert_false(asked->hears_polls);
    assert_true(quiet->hears_polls);
    life_ask(&life, asked, "a", NULL, T0);
    assert_trace("asks.admit#1@0 start@0");
    life.work.id[0] = '?';
    life_poll(&life, T0 + 50);
    assert_int_equal(life.act, RECORD_LEAVE);
    assert_int_equal(life.work.id[0], '?'); /* the record was not unpacked */
    assert_trace("");
}

/* ---- what is told ---- */

static void stall_2s(struct vts_job *job) { VTS_BEND(job, .stall = 2000); }
static void stall_and_word(struct vts_job *job)
{
    VTS_BEND(job, .stall = 500, .word = "from within", .dribble = 70);
}
static void word_outside(struct vts_job *job) { VTS_BEND(job, .word = "from outside"); }
static void bend_html(struct vts_job *job)
{
    VTS_BEND(job, .status = 502, .body = VTS_BODY_HTML, .retry_after = 9000,
             .retry_after_date = true, .stall = 1);
}

static void stalls_add_up_and_the_rest_is_filled_in(void **state)
{
    const struct vts_answer *answer = &life.work.answer;

    (void)state;
    life_ask(&life, filtered, "a", NULL, T0);
    outer.poll = stall_2s;
    inner.poll = stall_and_word;
    probe.poll = bend_html;
    life_poll(&life, T0 + 1);
    assert_int_equal(answer->stall, 2501);
    assert_int_equal(answer->dribble, 70);
    assert_string_equal(answer->word, "from within");
    assert_int_equal(answer->status, 502);
    assert_int_equal(answer->body, VTS_BODY_HTML);
    assert_teller(filtered->name); /* two filters let it wait, and the behaviour answers */
    assert_int_equal(answer->retry_after, 9000);
    assert_true(answer->retry_after_date);
    /* a refusal behind a stall: both */
    inner.poll = bend_503;
    life_poll(&life, T0 + 2);
    assert_int_equal(answer->stall, 2000);
    assert_int_equal(answer->status, 503);
    assert_int_equal(answer->retry_after, 2000);
    assert_teller("in");
    assert_false(answer->retry_after_date);
    assert_null(answer->word);
    /* whoever stands nearer to the client has the word */
    outer.poll = word_outside;
    inner.poll = NULL;
    probe.poll = stall_and_word;
    life_poll(&life, T0 + 3);
    assert_string_equal(answer->word, "from outside");
    assert_teller("out");
    assert_int_equal(answer->stall, 500);
    /* and nothing of it is left for the next */
    outer.poll = NULL;
    probe.poll = NULL;
    life_poll(&life, T0 + 4);
    assert_false(life.work.bent);
}

static void start_and_bend(struct vts_job *job)
{
    vts_wake_after(job, 100);
    VTS_BEND(job, .status = 202, .stall = 3);
}

static void a_filter_bends_the_answer_of_a_start_that_it_lets_in(void **state)
{
    (void)state;
    outer.admit = stall_2s;
    probe.start = start_and_bend;
    life_ask(&life, filtered, "a", NULL, T0);
    assert_int_equal(life_job(&life).state, VTS_RUNNING);
    assert_false(life.work.refused);
    assert_int_equal(life.work.answer.stall, 2003);
    assert_int_equal(life.work.answer.status, 202);
    /* a start whose answer is lost is a start */
    life_forget(&life);
    outer.admit = reset;
    life_ask(&life, filtered, "b", NULL, T0);
    assert_int_equal(life_job(&life).state, VTS_RUNNING);
    assert_int_equal(life.work.answer.cut, VTS_BREAK_RESET);
    /* whatever a filter said: one that is refused is told so */
    life_forget(&life);
    outer.admit = start_and_bend; /* which warns, and does not act */
    probe.admit = refuse_429;
    life_ask(&life, filtered, "c", NULL, T0);
    assert_true(life.work.refused);
    assert_int_equal(life.work.answer.status, 429);
    assert_int_equal(life.work.answer.stall, 3);
    assert_teller(filtered->name);
}

/* ---- what a filter cannot do ---- */

static void act(struct vts_job *job)
{
    vts_wake_after(job, 1);
    vts_wait(job, VTS_FOR_EVER);
    vts_progress(job, 0.5);
    vts_fail(job, "filter", "by a filter");
}

static void a_filter_moves_no_job(void **state)
{
    char *before, *after;

    (void)state;
    outer.admit = outer.poll = act;
    life_ask(&life, counting, "a", NULL, T0);
    assert_int_equal(life_job(&life).state, VTS_RUNNING);
    before = life_text(&life);
    life_poll(&life, T0 + 5);
    after = life_text(&life);
    assert_string_equal(before, after);
    free(before);
    free(after);
    life_advance(&life, T0 + 100);
    assert_int_equal(life_job(&life).state, VTS_COMPLETED);
}

/* ---- chance ---- */

static uint64_t drawn[3];

static void draw_outer(struct vts_job *job)
{
    drawn[0] = vts_random(job);
    vts_random(job);
}
static void draw_inner(struct vts_job *job) { drawn[1] = vts_random(job); }
static void draw(struct vts_job *job) { drawn[2] = vts_random(job); }
static void draw_and_start(struct vts_job *job)
{
    vts_wake_after(job, 1000 + (vts_ms)(vts_random(job) % 1000));
}

/* The life and the behaviour's own draws are those of the same job without filters; the filters' differ from
 * them, from each other, and from poll to poll, and come again with the job. */
static void filters_draw_from_streams_of_their_own(void **state)
{
    uint64_t first[3], behaviours[2];
    char *lives[2];

    (void)state;
    outer.admit = outer.poll = draw_outer;
    inner.admit = inner.poll = draw_inner;
    probe.poll = probe.admit = draw;
    probe.start = draw_and_start;
    life_ask(&life, filtered, "a", NULL, T0);
    assert_true(drawn[0] != drawn[1] && drawn[0] != drawn[2] && drawn[1] != drawn[2]);
    lives[0] = life_text(&life);
    behaviours[0] = drawn[2];
    life_poll(&life, T0 + 1);
    assert_true(drawn[0] != drawn[1] && drawn[0] != drawn[2] && drawn[1] != drawn[2]);
    memcpy(first, drawn, sizeof(first));
    behaviours[1] = drawn[2];
    life_poll(&life, T0 + 1);
    assert_true(drawn[0] != first[0] && drawn[1] != first[1]);

    life_forget(&life);
    life_ask(&life, filtered, "a", NULL, T0);
    life_poll(&life, T0 + 700);
    assert_memory_equal(drawn, first, sizeof(first));

    life_forget(&life);
    life_ask(&life, probes.probe, "a", NULL, T0);
    assert_true(drawn[2] == behaviours[0]);
    lives[1] = life_text(&life);
    assert_string_equal(lives[0], lives[1]);
    life_poll(&life, T0 + 1);
    assert_true(drawn[2] == behaviours[1]);
    free(lives[0]);
    free(lives[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(filters_are_asked_first_and_in_their_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_refusal_hides_who_stands_behind_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_poll_that_a_filter_answers_does_not_reach_the_behaviour,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_due_is_done_behind_a_filters_answer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_filter_that_hears_no_polls_costs_none, setup, teardown),
        cmocka_unit_test_setup_teardown(stalls_add_up_and_the_rest_is_filled_in, setup, teardown),
        cmocka_unit_test_setup_teardown(a_filter_bends_the_answer_of_a_start_that_it_lets_in, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_filter_moves_no_job, setup, teardown),
        cmocka_unit_test_setup_teardown(filters_draw_from_streams_of_their_own, setup, teardown),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
