/* SPDX-License-Identifier: MIT
 *
 * Plans as objects: what they refuse, how they are shared and given back, that they learn class by class,
 * and that an operation asks them with what they need. The mathematics below them have tests of their
 * own. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chance.h"
#include "plans.h"

#define A_DAY 86400000

static void assert_refused(const struct vts_client_plan *plan, const struct vts_client_error *error,
                           const char *message)
{
    assert_null(plan);
    assert_int_equal(error->code, VTS_CLIENT_ERR_INVALID);
    assert_string_equal(error->message, message);
}

static void plans_are_checked(void **state)
{
    struct vts_client_plan *learning = vts_client_plan_learn(1000, 0, NULL, NULL);
    struct vts_client_error error;

    (void)state;
    assert_refused(vts_client_plan_fixed(0, 0, &error), &error,
                   "every_ms: 0 is not within 1 to 86400000");
    assert_refused(vts_client_plan_fixed(1, 1.5, &error), &error,
                   "jitter: 1.5 is not within 0 to 1");
    assert_refused(vts_client_plan_exponential(500, 1.5, 499, 0, &error), &error,
                   "cap_ms: 499 is not within 500 to 86400000");
    assert_refused(vts_client_plan_exponential(500, (double)NAN, 1000, 0, &error), &error,
                   "factor: nan is not within 1 to 100");
    assert_refused(vts_client_plan_budget(0.5, &error), &error,
                   "polls: 0.5 is not within 1 to 1000");
    assert_refused(vts_client_plan_learn(0, 0, NULL, &error), &error,
                   "cost_ms: 0 is not within 1 to 86400000");
    assert_refused(vts_client_plan_learn(1, -1, NULL, &error), &error,
                   "max_gap_ms: -1 is not within 0 to 86400000");
    assert_refused(vts_client_plan_learn(1, 0, learning, &error), &error,
                   "cold: is neither a fixed nor an exponential plan");
    assert_refused(vts_client_plan_custom(NULL, NULL, NULL, &error), &error, "next: is not set");
    assert_null(vts_client_plan_parse("linear 1s", &error));
    assert_int_equal(error.code, VTS_CLIENT_ERR_INVALID);
    vts_client_plan_release(learning);
    vts_client_plan_release(NULL);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int64_t ask(struct vts_client_plan *plan, const char *job_class, int64_t age_ms, bool first,
                   uint64_t *chance)
{
    struct plan_question question = {.random = chance_next(chance), .first = first, .aged = true};

    question.now_ms = age_ms;
    question.view = (struct vts_client_plan_view){
        .size = sizeof(question.view), .job_class = job_class, .age_ms = age_ms, .progress = -1};
    return plans_next(plan, &question);
}

static void words_make_the_plans_that_they_say(void **state)
{
    struct vts_client_plan *fixed = vts_client_plan_parse("fixed 2s jitter 0%", NULL);
    struct vts_client_plan *growing =
        vts_client_plan_parse("exponential 100ms x2 max 1s jitter 0%", NULL);
    uint64_t chance = 1;

    (void)state;
    for (int i = 1; i < 100; i++)
        assert_int_equal(ask(fixed, "", i * 2000, false, &chance), 2000);
    assert_int_equal(ask(growing, "", 0, false, &chance), 100);
    assert_int_equal(ask(growing, "", 100, false, &chance), 200);
    assert_int_equal(ask(growing, "", 300, false, &chance), 400);
    assert_int_equal(ask(growing, "", 5000, false, &chance), 1000);
    for (int i = 0; i < 100; i++) /* of one job alone: from half to one and a half */
        assert_in_range(ask(growing, "", 0, true, &chance), 50, 150 + i * 5);
    vts_client_plan_release(fixed);
    vts_client_plan_release(growing);
}

/* Jobs of ten seconds, polled as the plan says. */
static void teach(struct vts_client_plan *plan, const char *job_class, uint64_t *chance)
{
    for (int job = 0; job < 100; job++) {
        struct plan_lesson lesson = {.job_class = job_class, .projected_ms = -1};
        int64_t age_ms = ask(plan, job_class, 0, true, chance);

        while (age_ms < 10000) {
            lesson.pending_ms = age_ms;
            age_ms += ask(plan, job_class, age_ms, false, chance);
        }
        lesson.ended_ms = age_ms;
        plans_learn(plan, &lesson);
    }
}

static void a_plan_learns_class_by_class(void **state)
{
    struct vts_client_plan *plan = vts_client_plan_learn(1000, 0, NULL, NULL);
    struct vts_client_plan *budget = vts_client_plan_budget(3, NULL);
    uint64_t chance = 3;
    int late = 0;

    (void)state;
    teach(plan, "films", &chance);
    teach(budget, "films", &chance);
    for (int i = 0; i < 100; i++) {
        int64_t learnt_ms = ask(plan, "films", 0, true, &chance);

        late += learnt_ms > 9000 && learnt_ms < 13000;
        /* another class knows nothing of that */
        assert_in_range(ask(plan, "songs", 0, true, &chance), 1, 2000);
    }
    assert_true(late > 70); /* but for those that look whether all is as it was */
    assert_true(ask(budget, "films", 0, true, &chance) > 1000);
    /* more classes than are kept apart: the oldest gives way, and nothing breaks */
    for (int i = 0; i < 200; i++) {
        char name[32];

        snprintf(name, sizeof(name), "class %d", i);
        assert_in_range(ask(plan, name, 0, true, &chance), 1, 2000);
    }
    assert_in_range(ask(plan, "films", 0, true, &chance), 1, 2000);
    vts_client_plan_release(plan);
    vts_client_plan_release(budget);
}

static void a_job_of_unknown_age_is_polled_as_if_nothing_were_known(void **state)
{
    struct vts_client_plan *plan = vts_client_plan_learn(1000, 0, NULL, NULL);
    struct plan_question question = {.view = {.job_class = "films", .progress = -1}};
    uint64_t chance = 3;

    (void)state;
    teach(plan, "films", &chance);
    for (int i = 0; i < 100; i++) {
        question.random = chance_next(&chance);
        assert_in_range(plans_next(plan, &question), 400, 600);
    }
    vts_client_plan_release(plan);
}

/* ---- one's own ------------------------------------------------------------------------------- */

struct own {
    int64_t says_ms;
    int asked, released;
};

static int64_t next(const struct vts_client_plan_view *view, void *arg)
{
    struct own *own = arg;

    assert_int_equal(view->size, sizeof(*view));
    assert_string_equal(view->job_class, "films");
    own->asked++;
    return own->says_ms;
}

static void release(void *arg) { ((struct own *)arg)->released++; }

static void a_plan_may_be_ones_own(void **state)
{
    static const int64_t says_ms[] = {INT64_MIN, 0, 1, 5000, A_DAY + 1, INT64_MAX};
    static const int64_t expected_ms[] = {1, 1, 1, 5000, A_DAY, A_DAY};
    struct own own = {.asked = 0};
    struct vts_client_plan *plan = vts_client_plan_custom(next, &own, release, NULL);
    uint64_t chance = 1;

    (void)state;
    for (size_t i = 0; i < sizeof(says_ms) / sizeof(says_ms[0]); i++) {
        own.says_ms = says_ms[i];
        assert_int_equal(ask(plan, "films", 0, false, &chance), expected_ms[i]);
    }
    assert_int_equal(own.asked, 6);
    assert_ptr_equal(vts_client_plan_hold(plan), plan);
    vts_client_plan_release(plan);
    assert_int_equal(own.released, 0);
    vts_client_plan_release(plan);
    assert_int_equal(own.released, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_are_checked),
        cmocka_unit_test(words_make_the_plans_that_they_say),
        cmocka_unit_test(a_plan_learns_class_by_class),
        cmocka_unit_test(a_job_of_unknown_age_is_polled_as_if_nothing_were_known),
        cmocka_unit_test(a_plan_may_be_ones_own),
    };

    return cmocka_run_group_tests_name("client plans", tests, NULL, NULL);
}
