/* SPDX-License-Identifier: MIT
 *
 * Tests of what a job keeps and what clients are told: refused starts, bent answers, streams of chance,
 * state bytes, and jobs whose behaviour is not what it was. How a life goes is tested in engine.c. */
#include "probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

static struct probes probes;
static struct life life;
static size_t draw_count;

static int group_setup(void **state)
{
    (void)state;
    probes_init(&probes);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    probes_finish(&probes);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    probe_reset();
    draw_count = 0;
    life_init(&life, &probes.instances, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    life_finish(&life);
    return 0;
}

static void wake_in_100(struct vts_job *job) { vts_wake_after(job, 100); }
static void complete(struct vts_job *job) { vts_complete(job, NULL); }

static void start_probe(void) { life_ask(&life, probes.probe, "a", NULL, T0); }

/* ---- refused starts ---- */

static void refuse_twice(struct vts_job *job)
{
    unsigned char *state = vts_state(job);

    assert_int_equal(vts_job_state(job), VTS_ASKED);
    assert_int_equal(vts_age(job), 0);
    assert_int_equal(vts_polls(job), state[0] + 1);
    if (state[0]++ < 2)
        vts_refuse(job, 503, 2000);
}

static void a_refused_start_is_kept_until_it_is_admitted(void **state)
{
    struct job job;

    (void)state;
    probe.admit = refuse_twice;
    probe.start = wake_in_100;
    for (int attempt = 1; attempt <= 2; attempt++) {
        life_ask(&life, probes.probe, "a", "{\"n\": 1}", T0 + attempt);
        assert_int_equal(life.act, RECORD_PUT);
        assert_true(life.work.refused);
        assert_true(life.work.bent);
        assert_int_equal(life.work.answer.status, 503);
        assert_int_equal(life.work.answer.retry_after, 2000);
        job = life_job(&life);
        assert_int_equal(job.state, VTS_ASKED);
        assert_int_equal(job.asks, attempt);
        assert_int_equal(job.plugin_state.at[0], attempt);
        assert_int_equal(job.created_at, T0 + 1);
        assert_int_equal(job.last_at, T0 + attempt);
        assert_int_equal(job.wake_at, RECORD_NEVER);
    }
    life_advance(&life, T0 + 500);
    assert_int_equal(life.act, RECORD_LEAVE);
    life_ask(&life, probes.probe, "a", "{\"n\": 2}", T0 + 1000);
    assert_false(life.work.refused);
    assert_false(life.work.bent);
    job = life_job(&life);
    assert_int_equal(job.state, VTS_RUNNING);
    assert_int_equal(job.asks, 3);
    assert_int_equal(job.plugin_state.at[0], 3);
    assert_int_equal(job.created_at, T0 + 1000);
    assert_int_equal(job.started_at, T0 + 1000);
    assert_string_equal(job.input.at, "{\"n\": 2}");
    assert_trace("admit#1@1 admit#2@2 admit#3@1000 start@1000");
    life_ask(&life, probes.probe, "a", NULL, T0 + 2000);
    assert_int_equal(life.work.err, VTS_ERR_EXISTS);
    assert_int_equal(life.act, RECORD_LEAVE);
    assert_trace("");
}

/* A refused id that another behaviour gets next begins anew: its bytes are not that behaviour's. */
static void a_refused_start_under_another_behaviour(void **state)
{
    (void)state;
    probe.admit = refuse_twice;
    probe.start = wake_in_100;
    start_probe();
    life_ask(&life, probes.counting, "a", NULL, T0 + 1);
    assert_int_equal(life_job(&life).asks, 1);
    assert_int_equal(life_job(&life).instance, probes.counting->hash);
}

static int refusal_status;
static vts_ms refusal_retry;

static void refuse(struct vts_job *job) { vts_refuse(job, refusal_status, refusal_retry); }

static void assert_refusal(int status, vts_ms retry, int told, vts_ms told_retry)
{
    refusal_status = status;
    refusal_retry = retry;
    start_probe();
    assert_true(life.work.refused);
    assert_int_equal(life.work.answer.status, told);
    assert_int_equal(life.work.answer.retry_after, told_retry);
    life_forget(&life);
}

static void refusals_that_can_be_sent(void **state)
{
    (void)state;
    probe.admit = refuse;
    assert_refusal(400, 0, 400, 0);
    assert_refusal(599, -1, 599, -1);
    assert_refusal(429, VTS_TIME_END, 429, VTS_TIME_END);
    /* what cannot is a plain 503 */
    assert_refusal(200, 1000, 503, 0);
    assert_refusal(399, 0, 503, 0);
    assert_refusal(600, 0, 503, 0);
    assert_refusal(429, -2, 503, 0);
    assert_refusal(429, VTS_TIME_END + 1, 503, 0);
}

static void refuse_then_bend(struct vts_job *job)
{
    vts_refuse(job, 429, 3000);
    VTS_BEND(job, .stall = 50);
}

static void bend_then_refuse(struct vts_job *job)
{
    VTS_BEND(job, .stall = 50, .status = 200);
    vts_refuse(job, 429, 3000);
}

static void bend_alone(struct vts_job *job) { VTS_BEND(job, .stall = 50); }

static void bent_refusals(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    probe.admit = refuse_then_bend;
    start_probe();
    assert_int_equal(life.work.answer.status, 429);
    assert_int_equal(life.work.answer.retry_after, 3000);
    assert_int_equal(life.work.answer.stall, 50);
    life_forget(&life);
    probe.admit = bend_then_refuse;
    start_probe();
    assert_int_equal(life.work.answer.status, 429);
    assert_int_equal(life.work.answer.retry_after, 3000);
    assert_int_equal(life.work.answer.stall, 50);
    life_forget(&life);
    probe.admit = bend_alone; /* only a refusal can be bent there */
    start_probe();
    assert_false(life.work.bent);
    assert_int_equal(life_job(&life).state, VTS_RUNNING);
}

static void act_in_admit(struct vts_job *job)
{
    vts_complete(job, "1");
    vts_fail(job, NULL, NULL);
    vts_wake_after(job, 1);
    vts_progress(job, 1);
    vts_wait(job, VTS_FOR_EVER);
}

static void admit_cannot_move_the_job(void **state)
{
    struct job job;

    (void)state;
    probe.admit = act_in_admit;
    probe.start = wake_in_100;
    start_probe();
    job = life_job(&life);
    assert_int_equal(job.state, VTS_RUNNING);
    assert_int_equal(job.wake_at, T0 + 100);
    assert_int_equal(job.waits, 0);
    assert_true(job.progress.to == 0);
}

static void refuse_in_start(struct vts_job *job)
{
    vts_refuse(job, 503, 0);
    vts_wake_after(job, 100);
}

static void only_admit_refuses(void **state)
{
    (void)state;
    probe.start = refuse_in_start;
    start_probe();
    assert_false(life.work.refused);
    assert_false(life.work.bent);
    assert_int_equal(life_job(&life).state, VTS_RUNNING);
}

/* ---- bent answers ---- */

static struct vts_answer bend;

static void do_bend(struct vts_job *job)
{
    if (vts_job_state(job) == VTS_RUNNING && !vts_polls(job))
        vts_wake_after(job, 100);
    vts_bend(job, &bend);
}

static void assert_handed_through(void)
{
    const struct vts_answer *got = &life.work.answer;

    assert_true(life.work.bent);
    assert_int_equal(got->size, sizeof(*got));
    assert_int_equal(got->status, bend.status);
    assert_int_equal(got->retry_after, bend.retry_after);
    assert_int_equal(got->retry_after_date, bend.retry_after_date);
    assert_int_equal(got->stall, bend.stall);
    assert_int_equal(got->dribble, bend.dribble);
    assert_int_equal(got->cut, bend.cut);
    assert_int_equal(got->body, bend.body);
    assert_int_equal(got->state, bend.state);
    assert_int_equal(got->word != NULL, bend.word != NULL);
    if (bend.word)
        assert_string_equal(got->word, bend.word);
    assert_true(!got->word || got->word != bend.word); /* a copy */
}

static void all_members_are_handed_through(void **state)
{
    (void)state;
    bend = (struct vts_answer){.size = sizeof(bend),
                               .status = 418,
                               .retry_after = 1234,
                               .retry_after_date = true,
                               .stall = 5,
                               .dribble = 6,
                               .cut = VTS_BREAK_GARBAGE,
                               .body = VTS_BODY_NO_STATUS,
                               .word = "nearly",
                               .state = VTS_QUEUED};
    probe.start = probe.poll = do_bend;
    start_probe();
    assert_handed_through();
    assert_int_equal(life_job(&life).state, VTS_RUNNING); /* a start whose answer is bent is one */
    life_poll(&life, T0 + 1);
    assert_int_equal(life.act, RECORD_LEAVE);
    assert_handed_through();
    life_poll(&life, T0 + 2);
    assert_handed_through();
    probe.poll = NULL;
    life_poll(&life, T0 + 3);
    assert_false(life.work.bent);
}

static void the_last_bend_counts(struct vts_job *job)
{
    VTS_BEND(job, .status = 500, .word = "first");
    VTS_BEND(job, .stall = 7);
}

static void a_later_bend_takes_the_place_of_the_first(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    probe.poll = the_last_bend_counts;
    start_probe();
    life_poll(&life, T0);
    assert_int_equal(life.work.answer.status, 0);
    assert_int_equal(life.work.answer.stall, 7);
    assert_null(life.work.answer.word);
}

static void assert_refused_bend(struct vts_answer answer)
{
    bend = answer;
    life_poll(&life, T0);
    assert_false(life.work.bent);
}

static void answers_that_cannot_be_sent(void **state)
{
#define ANSWER(...) (struct vts_answer){.size = sizeof(struct vts_answer), __VA_ARGS__}
    (void)state;
    probe.start = wake_in_100;
    start_probe();
    probe.poll = do_bend;
    assert_refused_bend((struct vts_answer){.status = 503}); /* no size */
    assert_refused_bend(ANSWER(.status = 199));
    assert_refused_bend(ANSWER(.status = 600));
    assert_refused_bend(ANSWER(.status = -1));
    assert_refused_bend(ANSWER(.retry_after = -2));
    assert_refused_bend(ANSWER(.retry_after = VTS_TIME_END + 1));
    assert_refused_bend(ANSWER(.stall = -1));
    assert_refused_bend(ANSWER(.stall = INT64_MAX));
    assert_refused_bend(ANSWER(.dribble = -1));
    assert_refused_bend(ANSWER(.dribble = INT64_MAX));
    assert_refused_bend(ANSWER(.cut = VTS_BREAK_GARBAGE + 1));
    assert_refused_bend(ANSWER(.cut = -1));
    assert_refused_bend(ANSWER(.body = VTS_BODY_NOT_FOUND + 1));
    assert_refused_bend(ANSWER(.state = VTS_COMPLETED));
    assert_refused_bend(ANSWER(.state = -1));
    bend = ANSWER(.status = 200, .retry_after = -1);
    life_poll(&life, T0);
    assert_handed_through();
}

/* A plugin that was built when the struct was shorter, and one for which it is longer. */
static void answers_of_other_sizes(void **state)
{
    struct {
        struct vts_answer answer;
        char more[64];
    } longer;

    (void)state;
    probe.start = wake_in_100;
    start_probe();
    probe.poll = do_bend;
    bend = (struct vts_answer){
        .size = offsetof(struct vts_answer, stall), .status = 503, .retry_after = 5, .stall = 9};
    life_poll(&life, T0);
    assert_true(life.work.bent);
    assert_int_equal(life.work.answer.status, 503);
    assert_int_equal(life.work.answer.retry_after, 5);
    assert_int_equal(life.work.answer.stall, 0);
    memset(&longer, 0, sizeof(longer));
    longer.answer = (struct vts_answer){.size = sizeof(longer), .status = 502, .stall = 9};
    bend = longer.answer;
    life_poll(&life, T0);
    assert_int_equal(life.work.answer.status, 502);
    assert_int_equal(life.work.answer.size, sizeof(struct vts_answer));
}

static void words_are_mended_and_cut(void **state)
{
    char word[301];

    (void)state;
    probe.start = wake_in_100;
    start_probe();
    probe.poll = do_bend;
    bend = (struct vts_answer){.size = sizeof(bend), .word = "a\xFFz"};
    life_poll(&life, T0);
    assert_string_equal(life.work.answer.word, "a\xEF\xBF\xBDz");
    memset(word, 'w', 300);
    word[300] = '\0';
    bend.word = word;
    life_poll(&life, T0);
    assert_int_equal(strlen(life.work.answer.word), 255);
    bend.word = "";
    life_poll(&life, T0);
    assert_string_equal(life.work.answer.word, "");
}

static void complete_and_bend(struct vts_job *job)
{
    VTS_BEND(job, .status = 500);
    vts_complete(job, "1");
}

static void a_wake_has_no_answer(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    probe.wake = complete_and_bend;
    start_probe();
    life_poll(&life, T0 + 100);
    assert_false(life.work.bent);
    assert_int_equal(life_job(&life).state, VTS_COMPLETED);
}

/* ---- chance ---- */

static uint64_t draws[16];

static void draw(struct vts_job *job) { draws[draw_count++] = vts_random(job); }

static void draw_and_wake(struct vts_job *job)
{
    draw(job);
    vts_wake_after(job, 100);
}

static void assert_all_differ(void)
{
    for (size_t i = 0; i < draw_count; i++)
        for (size_t k = 0; k < i; k++)
            assert_true(draws[i] != draws[k]);
}

static void run_with_chance(const char *id, uint64_t seed, int polls)
{
    life_forget(&life);
    life.engine.seed = seed;
    draw_count = 0;
    probe.poll = NULL;
    life_ask(&life, probes.probe, id, NULL, T0);
    probe.poll = draw;
    for (int i = 0; i < polls; i++)
        life_poll(&life, T0 + 50);
    probe.poll = NULL;
    life_advance(&life, T0 + 200);
}

static void chance_belongs_to_the_job(void **state)
{
    uint64_t first[3];

    (void)state;
    probe.start = probe.wake = draw_and_wake;
    run_with_chance("a", 1, 0);
    assert_int_equal(draw_count, 3);
    assert_all_differ();
    memcpy(first, draws, sizeof(first));
    run_with_chance("a", 1, 0);
    assert_memory_equal(first, draws, sizeof(first));
    run_with_chance("b", 1, 0);
    assert_true(draws[0] != first[0]);
    run_with_chance("a", 2, 0);
    assert_true(draws[0] != first[0]);
    /* however many answers draw: each poll from a stream of its own */
    run_with_chance("a", 1, 3);
    assert_int_equal(draw_count, 6);
    assert_all_differ();
    assert_int_equal(draws[0], first[0]);
    assert_int_equal(draws[4], first[1]);
    assert_int_equal(draws[5], first[2]);
}

static void draw_twice(struct vts_job *job)
{
    draw(job);
    draw(job);
}

/* The third poll draws the same, whatever the first two did, whenever it came, and however often the job's
 * life had drawn until then. */
static void a_polls_chance_is_keyed_by_its_number(void **state)
{
    uint64_t third;

    (void)state;
    probe.start = wake_in_100;
    start_probe();
    probe.poll = draw_twice;
    life_poll(&life, T0);
    life_poll(&life, T0 + 1);
    probe.poll = draw;
    life_poll(&life, T0 + 2);
    third = draws[4];
    assert_int_equal(draw_count, 5);
    assert_all_differ();
    life_forget(&life);
    probe.poll = NULL;
    probe.start = probe.wake = draw_and_wake;
    start_probe();
    life_poll(&life, T0);
    life_poll(&life, T0);
    probe.poll = draw;
    life_poll(&life, T0 + 177);
    assert_int_equal(draw_count, 8);
    assert_int_equal(draws[7], third);
}

static void refuse_and_draw(struct vts_job *job)
{
    draw(job);
    vts_refuse(job, 503, 0);
}

static void an_attempts_chance_is_its_own(void **state)
{
    uint64_t first;

    (void)state;
    draw_count = 0;
    probe.start = draw_and_wake;
    start_probe();
    first = draws[0];
    life_forget(&life);
    draw_count = 0;
    probe.admit = refuse_and_draw;
    start_probe();
    start_probe();
    assert_int_equal(draw_count, 2);
    probe.admit = draw;
    start_probe();
    assert_int_equal(draw_count, 4);
    assert_all_differ();
    /* refused starts draw nothing from the life */
    assert_int_equal(draws[3], first);
    assert_int_equal(life_job(&life).draws, 1);
}

static void cancel_and_finish_draw_from_the_life(void **state)
{
    (void)state;
    draw_count = 0;
    probe.start = draw_and_wake;
    probe.cancel = draw;
    probe.finish = draw;
    start_probe();
    life_cancel(&life, T0 + 1);
    assert_int_equal(draw_count, 3);
    assert_all_differ();
    assert_int_equal(life_job(&life).draws, 3);
}

/* A poll that counts still draws from the answers' stream. */
static void a_counted_poll_draws_from_the_answers(void **state)
{
    (void)state;
    draw_count = 0;
    probe.start = draw_and_wake;
    probe.poll = draw;
    life_ask(&life, probes.counting, "a", NULL, T0);
    life_poll(&life, T0 + 1);
    assert_int_equal(life_job(&life).draws, 1);
    assert_all_differ();
}

/* ---- state bytes ---- */

static void count_in_state(struct vts_job *job)
{
    unsigned char *state = vts_state(job);

    state[7]++;
    if (vts_job_state(job) < VTS_COMPLETED)
        vts_wake_after(job, 100);
}

static void state_bytes_are_zeroed_and_kept(void **state)
{
    static const char zeros[8], one[8] = {0, 0, 0, 0, 0, 0, 0, 1},
                                three[8] = {0, 0, 0, 0, 0, 0, 0, 3};

    (void)state;
    probe.start = wake_in_100;
    start_probe();
    assert_int_equal(life_job(&life).plugin_state.length, 8);
    assert_memory_equal(life_job(&life).plugin_state.at, zeros, 8);
    life_forget(&life);
    probe.start = probe.wake = count_in_state;
    start_probe();
    assert_memory_equal(life_job(&life).plugin_state.at, one, 8);
    life_advance(&life, T0 + 200);
    assert_memory_equal(life_job(&life).plugin_state.at, three, 8);
    /* zeroed for the next job, too, though the memory is used again */
    life_forget(&life);
    probe.start = wake_in_100;
    life_ask(&life, probes.probe, "b", NULL, T0);
    assert_memory_equal(life_job(&life).plugin_state.at, zeros, 8);
}

static void a_poll_that_does_not_count_keeps_nothing(void **state)
{
    (void)state;
    probe.start = probe.wake = probe.poll = count_in_state;
    start_probe();
    life_poll(&life, T0 + 50);
    assert_int_equal(life.act, RECORD_LEAVE);
    assert_int_equal(life_job(&life).plugin_state.at[7], 1);
    life_poll(&life, T0 + 100); /* with a wake due before it */
    assert_int_equal(life.act, RECORD_PUT);
    assert_int_equal(life_job(&life).plugin_state.at[7], 2);
    assert_int_equal(life_job(&life).wake_at, T0 + 200);
}

static void a_poll_that_counts_keeps_it(void **state)
{
    (void)state;
    probe.start = probe.wake = probe.poll = count_in_state;
    life_ask(&life, probes.counting, "a", NULL, T0);
    life_poll(&life, T0 + 50);
    assert_int_equal(life.act, RECORD_PUT);
    assert_int_equal(life_job(&life).plugin_state.at[7], 2);
    assert_int_equal(life_job(&life).wake_at, T0 + 150);
    assert_int_equal(life_job(&life).last_at, T0 + 50);
}

static void no_state(struct vts_job *job)
{
    assert_null(vts_state(job));
    vts_wake_after(job, 100);
}

static void no_state_is_null(void **state)
{
    (void)state;
    probe.start = no_state;
    life_ask(&life, probes.bare, "a", NULL, T0);
    assert_null(life_job(&life).plugin_state.at);
}

/* ---- a behaviour that is not what it was ---- */

static void start_in_old(struct vts_job *job)
{
    memset(vts_state(job), 'o', job->instance->state_size);
    vts_wake_after(job, 100);
}

VTS_PLUGIN(versioned, .summary = "before", .state_size = 4, .state_version = 1,
           .start = start_in_old, .wake = complete)

/* The same plugin after an update: its name is the same, its bytes mean something else. */
static struct vts_plugin updated(uint32_t version, size_t size)
{
    struct vts_plugin plugin = *versioned_LTX_vts_plugin();

    plugin.state_version = version;
    plugin.state_size = size;
    return plugin;
}

static void a_state_of_another_version(void **state)
{
    struct instances before = {0}, after = {0};
    struct vts_plugin plugin = updated(2, 4);
    const struct instance *old = driver_instance(&before, "v", versioned_LTX_vts_plugin());
    const struct instance *new = driver_instance(&after, "v", &plugin);

    (void)state;
    assert_int_equal(old->hash, new->hash);
    life.engine.instances = &before;
    life_ask(&life, old, "a", NULL, T0);
    life.engine.instances = &after;
    life_advance(&life, T0 + 150);
    assert_failure(
        &life, "state_version",
        "plugin versioned keeps its state as version 2 in 4 bytes, this job's is version 1 "
        "in 4 bytes");
    assert_int_equal(life_job(&life).ended_at, T0 + 150);
    assert_memory_equal(life_job(&life).plugin_state.at, "oooo", 4);
    assert_int_equal(life_job(&life).state_version, 1);
    life_poll(&life, T0 + 160);
    assert_int_equal(life.act, RECORD_LEAVE);
    life_cancel(&life, T0 + 160);
    assert_int_equal(life.act, RECORD_LEAVE);
    /* that job alone */
    life_forget(&life);
    life_ask(&life, new, "b", NULL, T0);
    life_advance(&life, T0 + 150);
    assert_int_equal(life_job(&life).state, VTS_COMPLETED);
    instances_finish(&before);
    instances_finish(&after);
}

static void a_state_of_another_size(void **state)
{
    struct instances before = {0}, after = {0};
    struct vts_plugin plugin = updated(1, 0);
    const struct instance *old = driver_instance(&before, "v", versioned_LTX_vts_plugin());

    (void)state;
    driver_instance(&after, "v", &plugin);
    life.engine.instances = &before;
    life_ask(&life, old, "a", NULL, T0);
    life.engine.instances = &after;
    life_poll(&life, T0 + 100); /* nobody needs the bytes before something is due */
    assert_failure(
        &life, "state_version",
        "plugin versioned keeps its state as version 1 in 0 bytes, this job's is version 1 "
        "in 4 bytes");
    instances_finish(&before);
    instances_finish(&after);
}

static void refuse_in_old(struct vts_job *job)
{
    memset(vts_state(job), 'o', job->instance->state_size);
    vts_refuse(job, 503, 0);
}

/* A start that was refused under the old version begins anew. */
static void a_refused_start_of_another_version(void **state)
{
    struct instances before = {0}, after = {0};
    struct vts_plugin old_plugin = updated(1, 4), new_plugin = updated(2, 4);
    const struct instance *old, *new;

    (void)state;
    old_plugin.admit = refuse_in_old;
    new_plugin.start = count_in_state;
    new_plugin.state_size = 8;
    old = driver_instance(&before, "v", &old_plugin);
    new = driver_instance(&after, "v", &new_plugin);
    life_ask(&life, old, "a", NULL, T0);
    assert_int_equal(life_job(&life).state, VTS_ASKED);
    life.engine.instances = &after;
    life_ask(&life, new, "a", NULL, T0 + 5);
    assert_int_equal(life_job(&life).state, VTS_RUNNING);
    assert_memory_equal(life_job(&life).plugin_state.at, "\0\0\0\0\0\0\0\1", 8);
    instances_finish(&before);
    instances_finish(&after);
}

static void a_behaviour_that_is_gone(void **state)
{
    struct instances none = {0};

    (void)state;
    probe.start = wake_in_100;
    for (int how = 0; how < 3; how++) {
        life.engine.instances = &probes.instances;
        start_probe();
        assert_trace("admit#1@0 start@0");
        life.engine.instances = &none;
        if (how == 0)
            life_poll(&life, T0 + 10);
        else if (how == 1)
            life_cancel(&life, T0 + 10);
        else
            life_advance(&life, T0 + 10);
        assert_failure(&life, "behaviour_missing",
                       "the behaviour that this job was started with is not there any more");
        assert_trace("");
        life_poll(&life, T0 + 20);
        assert_int_equal(life.act, RECORD_LEAVE);
        life_forget(&life);
    }
}

/* An ended job needs its behaviour no longer. */
static void an_ended_job_without_its_behaviour(void **state)
{
    struct instances none = {0};

    (void)state;
    probe.start = complete;
    start_probe();
    life.engine.instances = &none;
    life_poll(&life, T0 + 10);
    assert_int_equal(life.act, RECORD_LEAVE);
    assert_int_equal(life.work.err, VTS_OK);
    assert_int_equal(life_job(&life).state, VTS_COMPLETED);
}

static void a_damaged_record(void **state)
{
    (void)state;
    probe.start = wake_in_100;
    start_probe();
    ((struct record *)life.record.bytes)->format++;
    life_poll(&life, T0 + 10);
    assert_int_equal(life.act, RECORD_LEAVE);
    assert_int_equal(life.work.err, VTS_ERR_DAMAGED);
    life_advance(&life, T0 + 500);
    assert_int_equal(life.act, RECORD_LEAVE);
    assert_int_equal(life.work.err, VTS_ERR_DAMAGED);
    life_cancel(&life, T0 + 10);
    assert_int_equal(life.act, RECORD_LEAVE);
    assert_int_equal(life.work.err, VTS_ERR_DAMAGED);
}

/* ---- what a hook reads ---- */

static void read_all(struct vts_job *job)
{
    assert_string_equal(vts_job_id(job), "a");
    assert_string_equal(vts_input(job), "{\"a\": {\"b\": \"text\", \"n\": 2.5}}");
    assert_string_equal(vts_input_text(job, "a.b", NULL), "text");
    assert_true(vts_input_number(job, "a.n", 0) == 2.5);
    assert_int_equal(vts_job_state(job), VTS_RUNNING);
    assert_int_equal(vts_now(job), T0 + vts_age(job));
    vts_wake_after(job, 100);
}

static void hooks_read_the_job(void **state)
{
    (void)state;
    probe.start = probe.wake = probe.cancel = read_all;
    life_ask(&life, probes.probe, "a", "{\"a\": {\"b\": \"text\", \"n\": 2.5}}", T0);
    life_advance(&life, T0 + 250);
    life_cancel(&life, T0 + 260);
    assert_trace("admit#1@0 start@0 wake@100 wake@200 cancel@260");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_refused_start_is_kept_until_it_is_admitted),
        TEST(a_refused_start_under_another_behaviour),
        TEST(refusals_that_can_be_sent),
        TEST(bent_refusals),
        TEST(admit_cannot_move_the_job),
        TEST(only_admit_refuses),
        TEST(all_members_are_handed_through),
        TEST(a_later_bend_takes_the_place_of_the_first),
        TEST(answers_that_cannot_be_sent),
        TEST(answers_of_other_sizes),
        TEST(words_are_mended_and_cut),
        TEST(a_wake_has_no_answer),
        TEST(chance_belongs_to_the_job),
        TEST(a_polls_chance_is_keyed_by_its_number),
        TEST(an_attempts_chance_is_its_own),
        TEST(cancel_and_finish_draw_from_the_life),
        TEST(a_counted_poll_draws_from_the_answers),
        TEST(state_bytes_are_zeroed_and_kept),
        TEST(a_poll_that_does_not_count_keeps_nothing),
        TEST(a_poll_that_counts_keeps_it),
        TEST(no_state_is_null),
        TEST(a_state_of_another_version),
        TEST(a_state_of_another_size),
        TEST(a_refused_start_of_another_version),
        TEST(a_behaviour_that_is_gone),
        TEST(an_ended_job_without_its_behaviour),
        TEST(a_damaged_record),
        TEST(hooks_read_the_job),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
