/* SPDX-License-Identifier: MIT
 *
 * The audit of jobs that a service has, on a clock that only the tests move: what hand-made sequences of calls
 * come to, of one job, of all, and of those that are gone. No sockets. */
#include "service/service.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

#define T0 INT64_C(1767225600000)

static void wake_in_1000(struct vts_job *job) { vts_wake_after(job, 1000); }
static void complete(struct vts_job *job) { vts_complete(job, NULL); }

static void bend(struct vts_job *job)
{
    switch (vts_polls(job)) {
    case 1:
        VTS_BEND(job, .retry_after = 1500);
        break;
    case 2:
        VTS_BEND(job, .status = 503, .retry_after = 2000);
        break;
    case 3:
        VTS_BEND(job, .stall = 300);
        break;
    default:
        break;
    }
}

static void refuse_once(struct vts_job *job)
{
    if (vts_polls(job) <= 1)
        vts_refuse(job, 429, 1500);
}

static void complete_at_once(struct vts_job *job) { vts_complete(job, NULL); }
static void wait_for_ever(struct vts_job *job) { vts_wait(job, VTS_FOR_EVER); }
static void go_back(struct vts_job *job) { VTS_BEND(job, .state = VTS_QUEUED); }

static void say_a_date(struct vts_job *job)
{
    VTS_BEND(job, .retry_after = 2000, .retry_after_date = true);
}

VTS_PLUGIN(dated, .summary = "Retry-After as a date", .start = wake_in_1000, .wake = complete,
           .poll = say_a_date)
VTS_PLUGIN(slow, .summary = "1 s", .start = wake_in_1000, .wake = complete)
VTS_PLUGIN(moody, .summary = "bends", .start = wake_in_1000, .wake = complete, .poll = bend)
VTS_PLUGIN(instant, .summary = "ends at its start", .start = complete_at_once)
VTS_PLUGIN(backward, .summary = "goes back", .start = wait_for_ever, .poll = go_back)
VTS_PLUGIN(reluctant, .summary = "refuses once", .admit = refuse_once, .start = wake_in_1000,
           .wake = complete)

/* ---- a service ---- */

static struct assignment *assignment;
static struct vts_error error;
static struct clock now;
static struct service service;
static struct service_call call;
static enum service_tells tells; /* the API that is used */

static void add(const char *name, const struct vts_plugin *plugin)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = instance_create(name, plugin, NULL, &problems);

    assert_non_null(instance);
    assert_true(behaviours_add(&assignment->behaviours, instance));
    problems_finish(&problems);
}

static void open_with(const char *const *settings, size_t count)
{
    struct service_parts parts = {NULL, &now, 1};
    struct problems problems = PROBLEMS_INIT;

    parts.assignment = assignment = calloc(1, sizeof(*assignment));
    assert_non_null(assignment);
    atomic_init(&assignment->holders, 1);
    if (!config_read(&assignment->config, NULL, settings, count, &problems))
        fail_msg("%s", problems.lines.bytes);
    assert_true(store_choose(&assignment->store, &assignment->config, &problems));
    problems_finish(&problems);
    add("dated", dated_LTX_vts_plugin());
    add("slow", slow_LTX_vts_plugin());
    add("moody", moody_LTX_vts_plugin());
    add("instant", instant_LTX_vts_plugin());
    add("backward", backward_LTX_vts_plugin());
    add("reluctant", reluctant_LTX_vts_plugin());
    clock_init_virtual(&now, T0);
    if (!service_init(&service, &parts, &error))
        fail_msg("%s", error.message);
}

static int setup(void **state)
{
    static const char *const settings[] = {"server/behaviour=slow", "server/keep_ended=1h",
                                           "audit/jobs=3"};

    (void)state;
    tells = SERVICE_TELLS_STATE;
    open_with(settings, 3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    service_call_finish(&call);
    service_call_init(&call);
    service_finish(&service);
    assignment_release(assignment);
    return 0;
}

static void move_clock(vts_ms moment)
{
    assert_int_equal(clock_move(&now, T0 + moment, NULL), VTS_OK);
}

static void on_done(struct service_call *done) { (void)done; }

static void prepare(const char *id)
{
    service_call_finish(&call);
    service_call_init(&call);
    call.port = &service.ports[0];
    call.store.id = (struct bytes){id, strlen(id)};
    call.instance = service_behaviour(&service.ports[0], &(struct asked){.id = call.store.id});
    call.want_job = true;
    call.done = on_done;
}

static void start_as(const char *id, const char *behaviour)
{
    prepare(id);
    call.tells = tells;
    call.instance = service_behaviour_named(&service.ports[0], behaviour, strlen(behaviour));
    service_start(&call);
}

static void start(const char *id) { start_as(id, "slow"); }

static void poll_at(const char *id, vts_ms moment)
{
    move_clock(moment);
    prepare(id);
    call.tells = tells;
    service_status(&call);
}

static const struct audit_figures *figures(const char *id)
{
    prepare(id);
    service_audit(&call);
    assert_int_equal(call.result, SERVICE_DONE);
    return &call.figures;
}

#define ASSERT_SECONDS(figure, seconds)                                                            \
    do {                                                                                           \
        if (fabs((figure) - (seconds)) > 1e-6)                                                     \
            fail_msg(#figure " is %g, wanted %g", (figure), (double)(seconds));                    \
    } while (0)

/* ---- one job ---- */

static void a_good_client(void **state)
{
    (void)state;
    start("a");
    poll_at("a", 200);
    poll_at("a", 600);
    poll_at("a", 1400);
    assert_int_equal(figures("a")->polls, 3);
    assert_int_equal(call.figures.useless_polls, 2);
    assert_int_equal(call.figures.polls_after_end, 0);
    ASSERT_SECONDS(call.figures.detection_delay, 0.4);
    ASSERT_SECONDS(call.figures.interval_min, 0.4);
    ASSERT_SECONDS(call.figures.interval_max, 0.8);
    ASSERT_SECONDS(call.figures.growth, 2);
    ASSERT_SECONDS(figures_cost(&call.figures), 3.4);
    assert_int_equal(call.mark_count, 3);
    assert_int_equal(call.marks[2].since, 1400);
    assert_int_equal(figures("a")->polls, 3); /* to ask for this is no poll */
}

static void what_a_behaviour_bends_is_noted(void **state)
{
    (void)state;
    start_as("a", "moody");
    poll_at("a", 100);  /* told: not before 2100 */
    poll_at("a", 1500); /* early; answered 503, and not before 3500 */
    poll_at("a", 3500); /* stalled: it has ended, but nobody has seen it */
    assert_true(call.late);
    assert_int_equal(figures("a")->early_polls, 1);
    assert_int_equal(call.figures.faults, 1);
    assert_int_equal(call.figures.unseen, 1);
    assert_int_equal(call.marks[0].fault, AUDIT_GOOD);
    assert_int_equal(call.marks[1].fault, AUDIT_STATUS);
    assert_int_equal(call.marks[1].status, 503);
    assert_true(call.marks[1].early);
    assert_int_equal(call.marks[2].fault, AUDIT_STALL);
    poll_at("a", 4000);
    assert_int_equal(figures("a")->unseen, 0);
    ASSERT_SECONDS(call.figures.detection_delay, 3);
}

/* A date has whole seconds: two seconds after 0.3 s is 2 s, as the client reads it. */
static void a_date_allows_what_it_says(void **state)
{
    (void)state;
    start_as("a", "dated");
    poll_at("a", 300);
    poll_at("a", 2000);
    assert_int_equal(figures("a")->early_polls, 0);
    poll_at("a", 3999);
    assert_int_equal(figures("a")->early_polls, 1);
}

static void an_answer_that_was_stalled_arrives(void **state)
{
    (void)state;
    start_as("a", "moody");
    poll_at("a", 100);
    poll_at("a", 3000);
    poll_at("a", 6000);
    move_clock(6300);
    service_told(&call);
    service_told(&call); /* once is enough */
    ASSERT_SECONDS(figures("a")->detection_delay, 5);
    assert_int_equal(call.figures.useless_polls, 1);
}

static void a_refused_start_is_repeated_too_early(void **state)
{
    (void)state;
    start_as("a", "reluctant");
    assert_int_equal(call.result, SERVICE_REFUSED);
    prepare("a");
    service_audit(&call);
    assert_int_equal(call.result, SERVICE_NOT_FOUND);
    move_clock(1999); /* 1500 ms are said as 2 s */
    start_as("a", "reluctant");
    assert_int_equal(call.result, SERVICE_DONE);
    assert_int_equal(figures("a")->early_starts, 1);
    assert_int_equal(call.figures.duplicate_starts, 0);
    start_as("a", "reluctant");
    assert_int_equal(call.result, SERVICE_EXISTS);
    assert_int_equal(figures("a")->duplicate_starts, 1);
}

static void a_batch_has_no_late_answers(void **state)
{
    (void)state;
    start_as("a", "moody");
    poll_at("a", 100);
    poll_at("a", 2100);
    prepare("a");
    call.in_batch = true;
    service_status(&call);
    assert_false(call.late);
    assert_int_equal(figures("a")->faults, 2);
    assert_int_equal(call.marks[2].fault, AUDIT_STATUS);
    assert_int_equal(call.marks[2].status, 504);
}

/* It tells seconds, where an answer of its own tells a date. */
static void a_batch_tells_no_date(void **state)
{
    (void)state;
    start_as("a", "dated");
    move_clock(300);
    prepare("a");
    call.in_batch = true;
    service_status(&call);
    poll_at("a", 2299);
    assert_int_equal(figures("a")->early_polls, 1);
}

static void a_cancel_is_seen(void **state)
{
    (void)state;
    start("a");
    move_clock(300);
    prepare("a");
    service_cancel(&call);
    ASSERT_SECONDS(figures("a")->detection_delay, 0);
    assert_int_equal(call.figures.unseen, 0);
    poll_at("a", 400); /* the first poll that sees it */
    assert_int_equal(figures("a")->polls_after_end, 0);
    poll_at("a", 500);
    assert_int_equal(figures("a")->polls_after_end, 1);
}

/* The original API says of a start that there is a job, and the full one how it is. */
static void a_start_can_tell_an_end(void **state)
{
    (void)state;
    start_as("full", "instant");
    assert_int_equal(figures("full")->unseen, 0);
    poll_at("full", 0);
    assert_int_equal(figures("full")->useless_polls, 1);
    assert_int_equal(call.figures.polls_after_end, 0);
    tells = SERVICE_TELLS_WORD;
    start_as("original", "instant");
    assert_int_equal(figures("original")->unseen, 1);
    poll_at("original", 0);
    assert_int_equal(figures("original")->useless_polls, 0);
    ASSERT_SECONDS(figures_cost(&call.figures), 1); /* the best there is */
}

/* On the original API a state of the same word is no other one. */
static void words_tell_less_than_states(void **state)
{
    (void)state;
    start_as("full", "backward");
    poll_at("full", 0);
    assert_int_equal(figures("full")->faults, 1);
    tells = SERVICE_TELLS_WORD;
    start_as("original", "backward");
    poll_at("original", 0);
    assert_int_equal(figures("original")->faults, 0);
    assert_int_equal(call.figures.useless_polls, 1);
}

static void poll_times_are_those_of_the_last_jobs(void **state)
{
    static const char *const ids[] = {"a", "b", "c", "d"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        start(ids[i]);
        poll_at(ids[i], 100 * ((vts_ms)i + 1));
        poll_at(ids[i], 100 * ((vts_ms)i + 1) + 50);
    }
    figures("a");
    assert_int_equal(call.mark_count, -1);
    ASSERT_SECONDS(call.figures.interval_min, 0.05);
    assert_true(call.figures.interval_median < 0);
    figures("b");
    assert_int_equal(call.mark_count, 2);
    ASSERT_SECONDS(call.figures.interval_median, 0.05);
}

/* ---- all jobs ---- */

struct seen {
    struct service_audit_walk walk; /* first */
    struct audit_sum sum;
    char ids[64];
    size_t most;
    bool done;
};

static bool see(struct service_audit_walk *walk, const struct record *record,
                const struct audit_figures *figure)
{
    struct seen *seen = (struct seen *)walk;

    if (seen->most-- == 0)
        return false;
    sum_add(&seen->sum, figure);
    strcat(seen->ids, record->id);
    return true;
}

static void on_walked(struct service_audit_walk *walk) { ((struct seen *)walk)->done = true; }

static struct seen walk(const char *glob, size_t most)
{
    struct seen seen = {
        .walk = {.port = &service.ports[0], .glob = glob, .row = see, .done = on_walked},
        .most = most};

    service_audit_walk(&seen.walk);
    assert_true(seen.done);
    assert_int_equal(seen.walk.store.err, VTS_OK);
    service_audit_walk_finish(&seen.walk);
    known_add_gone(&seen.walk.known, &seen.sum);
    sum_close(&seen.sum);
    assert_false(seen.sum.failed);
    return seen;
}

static void a_walk_meets_each_that_matches(void **state)
{
    struct seen seen;

    (void)state;
    start("a1");
    start("a2");
    start("b1");
    poll_at("a1", 1100);
    poll_at("b1", 1200);
    start_as("r", "reluctant"); /* refused: it is not there */
    seen = walk(NULL, 99);
    assert_int_equal(seen.sum.all.jobs, 3);
    assert_int_equal(seen.sum.all.polls, 2);
    ASSERT_SECONDS(seen.sum.all.detection_delay, 0.2);
    assert_int_equal(strlen(seen.ids), 6);
    sum_finish(&seen.sum);
    seen = walk("a?", 99);
    assert_int_equal(seen.sum.all.jobs, 2);
    assert_null(strchr(seen.ids, 'b'));
    sum_finish(&seen.sum);
    seen = walk("*", 1);
    assert_int_equal(seen.sum.all.jobs, 1);
    sum_finish(&seen.sum);
    seen = walk("c*", 99);
    assert_int_equal(seen.sum.all.jobs, 0);
    sum_finish(&seen.sum);
}

/* Ten thousand are looked at in a page. */
static void a_walk_goes_over_many_pages(void **state)
{
    struct seen seen;
    char id[16];

    (void)state;
    for (int i = 0; i < 25000; i++) {
        snprintf(id, sizeof(id), "%d", i);
        start(id);
    }
    seen = walk("2499?", SIZE_MAX);
    assert_int_equal(seen.sum.all.jobs, 10);
    sum_finish(&seen.sum);
}

/* ---- jobs that are gone, and a reset ---- */

static size_t limit(const char *name)
{
    size_t i;

    for (i = 0; audit_limits[i].name && strcmp(audit_limits[i].name, name) != 0; i++)
        ;
    assert_non_null(audit_limits[i].name);
    return i;
}

/* One that was polled twice after its end, 1.5 s late; and one that nobody asked for. All expire. */
static const struct audit_known *known(void)
{
    static struct audit_known all;

    audit_get_known(&service.audit, &all);
    return &all;
}

static void on_forgotten(struct service_call *done)
{
    assert_int_equal(done->result, SERVICE_DONE);
}

static void forget(const char *glob)
{
    call.port = &service.ports[0];
    call.done = on_forgotten;
    service_audit_reset(&call, glob);
}

static void let_two_expire(void)
{
    start("late");
    start("lost");
    poll_at("late", 2500);
    poll_at("late", 2600);
    poll_at("late", 2700);
    poll_at("late", 3601000);
    assert_int_equal(call.result, SERVICE_NOT_FOUND);
    store_run_due(service.ports[0].store, T0 + 3601000, 100);
}

static void what_is_gone_is_known_in_sum(void **state)
{
    struct audit_worst worst;
    struct seen seen;

    (void)state;
    let_two_expire();
    seen = walk(NULL, 99);
    assert_string_equal(seen.ids, "");
    assert_int_equal(seen.sum.all.jobs, 2);
    assert_int_equal(seen.sum.all.polls, 3);
    assert_int_equal(seen.sum.all.polls_after_end, 2);
    assert_int_equal(seen.sum.all.abandoned, 1);
    sum_finish(&seen.sum);
    worst = known()->worst[limit("polls_after_end")];
    ASSERT_SECONDS(worst.figure, 2);
    assert_string_equal(worst.id, "late");
    worst = known()->worst[limit("detection_delay")];
    ASSERT_SECONDS(worst.figure, 3600);
    assert_string_equal(worst.id, "lost");
    assert_int_equal(known()->unknown_polls, 1);
}

static void sums_outlive_the_process(void **state)
{
    struct text saved = TEXT_INIT;
    struct audit_worst worst;
    struct seen seen;

    (void)state;
    let_two_expire();
    assert_true(audit_save(&service.audit, &saved));
    audit_reset(&service.audit);
    audit_restore(&service.audit, (struct bytes){saved.bytes, saved.length - 1}); /* cut off */
    assert_int_equal(known()->unknown_polls, 0);
    audit_restore(&service.audit, (struct bytes){saved.bytes, saved.length});
    text_finish(&saved);
    seen = walk(NULL, 99);
    assert_int_equal(seen.sum.all.jobs, 2);
    assert_int_equal(seen.sum.all.polls_after_end, 2);
    sum_finish(&seen.sum);
    worst = known()->worst[limit("polls_after_end")];
    assert_string_equal(worst.id, "late");
    assert_int_equal(known()->unknown_polls, 1);
}

static void a_reset_forgets(void **state)
{
    struct audit_bounds bounds;
    struct audit_worst worst;
    struct seen seen;

    (void)state;
    let_two_expire();
    bounds_clear(&bounds);
    bounds.bound[0] = 1;
    audit_set_bounds(&service.audit, &bounds);
    forget("l*"); /* of those in sum nobody can tell */
    seen = walk(NULL, 99);
    assert_int_equal(seen.sum.all.jobs, 2);
    sum_finish(&seen.sum);
    audit_get_bounds(&service.audit, &bounds);
    ASSERT_SECONDS(bounds.bound[0], 1);
    forget(NULL);
    seen = walk(NULL, 99);
    assert_int_equal(seen.sum.all.jobs, 0);
    sum_finish(&seen.sum);
    worst = known()->worst[limit("polls_after_end")];
    assert_true(worst.figure < 0);
    audit_get_bounds(&service.audit, &bounds);
    assert_true(bounds.bound[0] < 0);
    assert_int_equal(known()->unknown_polls, 0);
}

/* ---- without ---- */

static int setup_off(void **state)
{
    static const char *const settings[] = {"server/behaviour=slow", "audit/enabled=off"};

    (void)state;
    open_with(settings, 2);
    return 0;
}

static void an_audit_that_is_off_knows_nothing(void **state)
{
    struct seen seen;

    (void)state;
    start_as("a", "moody");
    poll_at("a", 100);
    poll_at("a", 100);
    poll_at("a", 100);
    assert_false(call.late);
    assert_int_equal(figures("a")->early_polls, 0);
    assert_int_equal(call.mark_count, -1);
    poll_at("b", 100);
    assert_int_equal(known()->unknown_polls, 0);
    seen = walk(NULL, 99);
    assert_int_equal(seen.sum.all.jobs, 0);
    sum_finish(&seen.sum);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_client),
        TEST(what_a_behaviour_bends_is_noted),
        TEST(a_date_allows_what_it_says),
        TEST(an_answer_that_was_stalled_arrives),
        TEST(a_refused_start_is_repeated_too_early),
        TEST(a_batch_has_no_late_answers),
        TEST(a_batch_tells_no_date),
        TEST(a_cancel_is_seen),
        TEST(a_start_can_tell_an_end),
        TEST(words_tell_less_than_states),
        TEST(poll_times_are_those_of_the_last_jobs),
        TEST(a_walk_meets_each_that_matches),
        TEST(a_walk_goes_over_many_pages),
        TEST(what_is_gone_is_known_in_sum),
        TEST(sums_outlive_the_process),
        TEST(a_reset_forgets),
        cmocka_unit_test_setup_teardown(an_audit_that_is_off_knows_nothing, setup_off, teardown),
    };

    return cmocka_run_group_tests_name("audit_jobs", tests, NULL, NULL);
}
