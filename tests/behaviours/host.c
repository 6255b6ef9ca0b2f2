/* SPDX-License-Identifier: MIT
 *
 * Tests of the host functions, of one hook at a time: what it reads, draws and may wish for, and that hooks
 * of a `.serial` instance never overlap. What becomes of the wishes is tested in tests/jobs. */
#include "behaviours/host.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

/* 2026-01-01T00:00:00Z */
#define T0 INT64_C(1767225600000)

static void nothing(struct vts_job *job) { vts_wake_after(job, 0); }

static bool counts(struct vts_instance *instance, struct vts_error *error)
{
    (void)error;
    instance->counts_polls = true;
    return true;
}

VTS_PLUGIN(plain, .summary = "does nothing", .start = nothing)
VTS_PLUGIN(polled, .summary = "counts polls", .start = nothing, .open = counts)
VTS_PLUGIN(serial, .summary = "one hook at a time", .serial = true, .instance_size = 64,
           .start = nothing)

static struct instance *plain, *polled;
static struct hook_texts texts;

static struct instance *make(const struct vts_plugin *plugin)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = instance_create(plugin->name, plugin, NULL, &problems);

    assert_non_null(instance);
    problems_finish(&problems);
    return instance;
}

static int group_setup(void **state)
{
    (void)state;
    plain = make(plain_LTX_vts_plugin());
    polled = make(polled_LTX_vts_plugin());
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    instance_destroy(plain);
    instance_destroy(polled);
    text_finish(&texts.result);
    text_finish(&texts.code);
    text_finish(&texts.message);
    text_finish(&texts.word);
    return 0;
}

static struct hook hook_with(const struct instance *instance, enum hook_kind kind)
{
    return (struct hook){.kind = kind,
                         .instance = instance,
                         .id = "a job",
                         .now = T0 + 500,
                         .started_at = T0,
                         .state = VTS_RUNNING,
                         .polls = 3,
                         .stream = 42,
                         .texts = &texts};
}

/* ---- read ---- */

static const char input[] =
    "{\"a\": {\"b\": {\"c\": \"deep\"}}, \"text\": \"t\\u00fc\", \"n\": 2.5, \"i\": -7, \"big\": "
    "1e300,"
    " \"yes\": true, \"none\": null, \"list\": [1], \"\": {\"\": \"empty\"}, \"a.b\": \"dotted\"}";

static void read_input(struct vts_job *job)
{
    static const char fallback[] = "fallback";

    assert_string_equal(vts_input(job), input);
    assert_string_equal(vts_input_text(job, "text", NULL), "t\xC3\xBC");
    assert_string_equal(vts_input_text(job, "a.b.c", NULL), "deep");
    assert_string_equal(vts_input_text(job, ".", NULL), "empty");
    assert_null(vts_input_text(job, "absent", NULL));
    assert_ptr_equal(vts_input_text(job, "absent", fallback), fallback);
    assert_ptr_equal(vts_input_text(job, "a.b", fallback), fallback);
    assert_ptr_equal(vts_input_text(job, "a.b.c.d", fallback), fallback);
    assert_ptr_equal(vts_input_text(job, "text.x", fallback), fallback);
    assert_ptr_equal(vts_input_text(job, "list.0", fallback), fallback);
    assert_ptr_equal(vts_input_text(job, "n", fallback), fallback);
    assert_ptr_equal(vts_input_text(job, "none", fallback), fallback);
    assert_ptr_equal(vts_input_text(job, "", fallback), fallback);
    assert_true(vts_input_number(job, "n", 0) == 2.5);
    assert_true(vts_input_number(job, "i", 0) == -7);
    assert_true(vts_input_number(job, "big", 0) == 1e300);
    assert_true(vts_input_number(job, "text", 9) == 9);
    assert_true(vts_input_number(job, "yes", 9) == 9);
    assert_true(vts_input_number(job, "none", 9) == 9);
    assert_true(vts_input_number(job, "absent", 9) == 9);
}

static void read_long_path(struct vts_job *job)
{
    char path[1001];

    memset(path, 'p', 1000);
    path[1000] = '\0';
    assert_null(vts_input_text(job, path, NULL));
}

static void inputs_are_read_by_path(void **state)
{
    struct hook hook = hook_with(plain, HOOK_START);

    (void)state;
    hook.input = input;
    hook_run(&hook, read_input);
    assert_null(hook.input_root);
    hook_run(&hook, read_long_path);
}

static void read_nothing(struct vts_job *job)
{
    assert_string_equal(vts_input_text(job, "a", "fallback"), "fallback");
    assert_true(vts_input_number(job, "a", 5) == 5);
}

static void inputs_without_members(void **state)
{
    static const char *const inputs[] = {NULL, "\"text\"", "5", "null", "[1, 2]", "true"};
    struct hook hook = hook_with(plain, HOOK_WAKE);

    (void)state;
    for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs); i++) {
        hook.input = inputs[i];
        hook_run(&hook, read_nothing);
    }
}

static void read_moments(struct vts_job *job)
{
    assert_string_equal(vts_job_id(job), "a job");
    assert_int_equal(vts_now(job), T0 + 500);
    assert_int_equal(vts_age(job), 500);
    assert_int_equal(vts_polls(job), 3);
    assert_int_equal(vts_job_state(job), VTS_RUNNING);
    assert_null(vts_state(job));
    assert_non_null(vts_settings(job));
    assert_string_equal(job->instance->name, "plain");
}

static void read_no_age(struct vts_job *job) { assert_int_equal(vts_age(job), 0); }

static void the_job_is_read(void **state)
{
    struct hook hook = hook_with(plain, HOOK_POLL);

    (void)state;
    hook_run(&hook, read_moments);
    hook.started_at = INT64_MAX;
    hook_run(&hook, read_no_age);
}

/* ---- draw ---- */

static const struct vts_delay *delay;
static double least, most, sum;
static int drawn;

static void sample_many(struct vts_job *job)
{
    vts_ms span;

    least = INFINITY;
    most = sum = 0;
    for (drawn = 0; drawn < 20000; drawn++) {
        span = vts_sample(job, delay);
        assert_true(span >= 0 && span <= delay->max);
        least = span < least ? (double)span : least;
        most = span > most ? (double)span : most;
        sum += (double)span;
    }
}

static void sample(struct vts_delay wanted)
{
    struct hook hook = hook_with(plain, HOOK_START);

    if (!wanted.max)
        wanted.max = VTS_TIME_END;
    delay = &wanted;
    hook_run(&hook, sample_many);
}

#define SAMPLE(kind, ...) sample((struct vts_delay){.distribution = (kind), __VA_ARGS__})

static void delays_are_drawn(void **state)
{
    (void)state;
    SAMPLE(VTS_FIXED, .a = 1234);
    assert_true(least == 1234 && most == 1234);
    SAMPLE(VTS_UNIFORM, .a = 10, .b = 12);
    assert_true(least == 10 && most == 12);
    assert_true(fabs(sum / drawn - 11) < 0.05);
    SAMPLE(VTS_UNIFORM, .a = 7, .b = 7);
    assert_true(least == 7 && most == 7);
    SAMPLE(VTS_NORMAL, .a = 10000, .b = 2000);
    assert_true(fabs(sum / drawn - 10000) < 100);
    assert_true(least < 6000 && most > 14000);
    SAMPLE(VTS_NORMAL, .a = 0, .b = 1000); /* what falls below 0 is 0 */
    assert_true(least == 0);
    SAMPLE(VTS_EXPONENTIAL, .a = 10000);
    assert_true(fabs(sum / drawn - 10000) < 400);
    SAMPLE(VTS_LOGNORMAL, .a = 8000, .sigma = 0.5);
    assert_true(fabs(sum / drawn - 8000 * exp(0.125)) < 200);
}

static void delays_have_a_limit(void **state)
{
    (void)state;
    SAMPLE(VTS_EXPONENTIAL, .a = 10000, .max = 500);
    assert_true(most == 500);
    SAMPLE(VTS_FIXED, .a = VTS_TIME_END);
    assert_true(most == (double)VTS_TIME_END);
    SAMPLE(VTS_EXPONENTIAL, .a = VTS_TIME_END);
    SAMPLE(VTS_LOGNORMAL, .a = VTS_TIME_END, .sigma = 1e6); /* infinite: the limit */
    assert_true(most == (double)VTS_TIME_END);
    SAMPLE(VTS_UNIFORM, .a = 0, .b = VTS_TIME_END);
    SAMPLE(VTS_NORMAL, .a = VTS_TIME_END, .b = VTS_TIME_END);
    SAMPLE(99, .a = 5); /* of no kind: nothing */
    assert_true(most == 0);
}

static uint64_t randoms[3];

static void draw_thrice(struct vts_job *job)
{
    for (int i = 0; i < 3; i++)
        randoms[i] = vts_random(job);
    for (int i = 0; i < 1000; i++) {
        double even = vts_uniform(job);

        assert_true(even >= 0 && even < 1);
        assert_false(vts_chance(job, 0));
        assert_true(vts_chance(job, 1));
    }
}

static void draws_go_on_where_they_stopped(void **state)
{
    struct hook hook = hook_with(plain, HOOK_START);
    uint64_t second;

    (void)state;
    hook_run(&hook, draw_thrice);
    assert_int_equal(hook.draws, 3003);
    second = randoms[1];
    assert_true(randoms[0] != randoms[1] && randoms[1] != randoms[2]);
    hook = hook_with(plain, HOOK_START);
    hook.draws = 1;
    hook_run(&hook, draw_thrice);
    assert_int_equal(randoms[0], second);
}

/* ---- act ---- */

static void do_everything(struct vts_job *job)
{
    vts_wake_after(job, 7);
    vts_wait(job, VTS_FOR_EVER | 64);
    vts_progress(job, 0.5);
    vts_progress_over(job, 0.9, 100);
    vts_fail(job, "code", "message");
    vts_complete(job, "1");
    vts_cancel(job);
    VTS_BEND(job, .status = 503, .word = "word");
    vts_refuse(job, 429, 1000);
    vts_logf(job, VTS_DEBUG, "seen at level %d", VTS_DEBUG);
}

static void assert_acted(struct hook *hook, bool acted)
{
    assert_int_equal(hook->has_wake, acted);
    assert_int_equal(hook->has_waits, acted);
    assert_int_equal(hook->has_progress, acted);
    assert_int_equal(hook->end, acted ? VTS_FAILED : VTS_ASKED);
    assert_false(hook->has_result);
    assert_false(hook->no_memory);
    if (!acted)
        return;
    assert_int_equal(hook->wake_at, T0 + 507);
    assert_int_equal(hook->waits, VTS_FOR_EVER);
    assert_true(hook->progress == 0.5 && hook->progress_to == 0.9);
    assert_int_equal(hook->progress_span, 100);
    assert_string_equal(texts.code.bytes, "code");
    assert_string_equal(texts.message.bytes, "message");
}

/* Which hook may do what: acts, bends, refuses. */
static void each_hook_may_do_its_own(void **state)
{
    static const struct {
        enum hook_kind kind;
        bool counts, ended, acts, bends, refuses;
    } rights[] = {
        {HOOK_ADMIT, false, false, false, true, true},
        {HOOK_START, false, false, true, true, false},
        {HOOK_WAKE, false, false, true, false, false},
        {HOOK_POLL, false, false, false, true, false},
        {HOOK_POLL, true, false, true, true, false},
        {HOOK_POLL, true, true, false, true, false},
        {HOOK_CANCEL, false, false, true, false, false},
        {HOOK_FINISH, false, true, false, false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rights) / sizeof(*rights); i++) {
        struct hook hook = hook_with(rights[i].counts ? polled : plain, rights[i].kind);

        hook.state = rights[i].ended ? VTS_COMPLETED : VTS_RUNNING;
        hook_run(&hook, do_everything);
        assert_acted(&hook, rights[i].acts);
        assert_int_equal(hook.has_bend, rights[i].bends);
        assert_int_equal(hook.refused, rights[i].refuses);
        if (rights[i].bends) {
            assert_int_equal(hook.bend.status, rights[i].refuses ? 429 : 503);
            assert_string_equal(hook.bend.word, "word");
        }
    }
}

static vts_ms wanted_span;

static void wake_after(struct vts_job *job) { vts_wake_after(job, wanted_span); }

static void wakes_keep_within_time(void **state)
{
    static const vts_ms spans[][2] = {{7, T0 + 507},
                                      {0, T0 + 500},
                                      {-1, T0 + 500},
                                      {INT64_MIN, T0 + 500},
                                      {INT64_MAX, VTS_TIME_END},
                                      {VTS_TIME_END - T0 - 500, VTS_TIME_END}};
    struct hook hook = hook_with(plain, HOOK_START);

    (void)state;
    for (size_t i = 0; i < sizeof(spans) / sizeof(*spans); i++) {
        wanted_span = spans[i][0];
        hook_run(&hook, wake_after);
        assert_int_equal(hook.wake_at, spans[i][1]);
    }
}

/* ---- one warning for each kind of nonsense ---- */

static void nonsense_is_told_once(void **state)
{
    struct instance *instance = make(plain_LTX_vts_plugin());

    (void)state;
    assert_true(instance_warn_once(instance, INSTANCE_WARN_ACT));
    assert_false(instance_warn_once(instance, INSTANCE_WARN_ACT));
    assert_true(instance_warn_once(instance, INSTANCE_WARN_BEND));
    assert_false(instance_warn_once(instance, INSTANCE_WARN_ACT));
    assert_false(instance_warn_once(instance, INSTANCE_WARN_BEND));
    instance_destroy(instance);
}

/* ---- times of a plugin's own ---- */

static void times_are_read_for_plugins(void **state)
{
    const struct vts_instance *base = &plain->base;
    struct vts_error error;
    struct vts_delay read;
    vts_ms time = -1;

    (void)state;
    assert_true(vts_parse_time(base, "1.5s", &time, &error));
    assert_int_equal(time, 1500);
    assert_false(vts_parse_time(base, "5", &time, &error));
    assert_string_equal(error.message, "\"5\" has no unit; write 5ms, 5s or 5m");
    assert_string_equal(error.key, "");
    assert_false(vts_parse_time(base, "5", &time, NULL));
    assert_int_equal(time, 1500);
    assert_true(vts_parse_delay(base, "lognormal 8s sigma 0.5 max 60s", &read, &error));
    assert_int_equal(read.distribution, VTS_LOGNORMAL);
    assert_int_equal(read.a, 8000);
    assert_int_equal(read.max, 60000);
    assert_false(vts_parse_delay(base, "uniform 5s..1h30m", &read, &error));
    assert_string_equal(error.message, "\"1h30m\" has more than one unit; write 90m");
    assert_int_equal(error.line, 1);
    assert_int_equal(error.column, 13);
}

/* A core of the same ABI whose table ends earlier. */
static void an_older_core_cannot_read_times(void **state)
{
    struct vts_host older = host_table;
    struct vts_instance instance = plain->base;
    struct vts_error error;
    struct vts_delay read;
    vts_ms time;

    (void)state;
    instance.host = &older;
    older.size = offsetof(struct vts_host, parse_time);
    older.parse_time = NULL;
    older.parse_delay = NULL;
    assert_false(vts_parse_time(&instance, "5s", &time, &error));
    assert_int_equal(error.code, VTS_ERR_LOAD);
    assert_string_equal(error.message,
                        "this vtsimd is too old for the plugin: it cannot read times for it");
    assert_false(vts_parse_delay(&instance, "5s", &read, NULL));
    /* Each is asked for on its own. */
    older.size = offsetof(struct vts_host, parse_delay);
    older.parse_time = host_table.parse_time;
    assert_true(vts_parse_time(&instance, "5s", &time, &error));
    assert_false(vts_parse_delay(&instance, "5s", &read, &error));
    assert_int_equal(error.code, VTS_ERR_LOAD);
}

static double asked_for;

static void ask_for_progress(struct vts_job *job) { vts_progress(job, asked_for); }

/* What one progress is warned of, asked of a job that is half done. */
static unsigned int warned_of(struct instance *instance, double progress, double *became)
{
    struct hook hook = hook_with(instance, HOOK_WAKE);

    atomic_store(&instance->warned, 0);
    hook.progress = 0.5;
    asked_for = progress;
    hook_run(&hook, ask_for_progress);
    *became = hook.progress;
    return atomic_load(&instance->warned);
}

static void progress_that_cannot_be(void **state)
{
    struct instance *instance = make(plain_LTX_vts_plugin());
    double became;

    (void)state;
    assert_int_equal(warned_of(instance, 0.25, &became), INSTANCE_WARN_DOWN);
    assert_true(became == 0.5);
    assert_int_equal(warned_of(instance, -0.25, &became), INSTANCE_WARN_RANGE);
    assert_true(became == 0.5);
    assert_int_equal(warned_of(instance, 1.25, &became), INSTANCE_WARN_RANGE);
    assert_true(became == 1);
    assert_int_equal(warned_of(instance, INFINITY, &became), INSTANCE_WARN_RANGE);
    assert_true(became == 1);
    assert_int_equal(warned_of(instance, NAN, &became), INSTANCE_WARN_PROGRESS);
    assert_true(became == 0.5);
    /* The errors of arithmetic are none of the plugin's. */
    assert_int_equal(warned_of(instance, 0.5, &became), 0);
    assert_int_equal(warned_of(instance, 0.5 - 1e-12, &became), 0);
    assert_true(became == 0.5);
    assert_int_equal(warned_of(instance, 1 + 1e-12, &became), 0);
    assert_true(became == 1);
    assert_int_equal(warned_of(instance, 0.75, &became), 0);
    assert_true(became == 0.75);
    instance_destroy(instance);
}

static void wake_in_the_past(struct vts_job *job) { vts_wake_after(job, -1); }
static void wake_beyond_all_time(struct vts_job *job) { vts_wake_after(job, INT64_MAX); }
static void wake_at_once(struct vts_job *job) { vts_wake_after(job, 0); }
static void fail_in_latin1(struct vts_job *job) { vts_fail(job, "m\xFC\x64\x65", "m\xFC\x64\x65"); }
static void fail_in_utf8(struct vts_job *job) { vts_fail(job, "m\xC3\xBC\x64\x65", NULL); }
static void bend_to_nothing(struct vts_job *job) { vts_bend(job, NULL); }

static void draw_from_nothing(struct vts_job *job) { assert_int_equal(vts_sample(job, NULL), 0); }

static void read_at_nothing(struct vts_job *job)
{
    static const char fallback[] = "fallback";

    assert_ptr_equal(vts_input_text(job, NULL, fallback), fallback);
    assert_true(vts_input_number(job, NULL, 7) == 7);
}

static void other_nonsense_is_told(void **state)
{
    static const struct {
        void (*call)(struct vts_job *);
        unsigned int warned;
    } cases[] = {
        {wake_in_the_past, INSTANCE_WARN_WAKE},
        {wake_beyond_all_time, INSTANCE_WARN_WAKE},
        {wake_at_once, 0},
        {fail_in_latin1, INSTANCE_WARN_UTF8},
        {fail_in_utf8, 0},
        {bend_to_nothing, INSTANCE_WARN_NULL},
        {draw_from_nothing, INSTANCE_WARN_NULL},
        {read_at_nothing, INSTANCE_WARN_NULL},
    };
    struct instance *instance = make(plain_LTX_vts_plugin());

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hook hook = hook_with(instance, HOOK_START);

        atomic_store(&instance->warned, 0);
        hook_run(&hook, cases[i].call);
        assert_int_equal(atomic_load(&instance->warned), cases[i].warned);
        assert_false(hook.has_bend);
    }
    instance_destroy(instance);
}

/* ---- one hook at a time ---- */

#define THREADS 4
#define ROUNDS  2000

/* Not atomic: the lock guards it, or the thread sanitizer says so. */
struct serial_data {
    int inside, overlaps, calls;
};

static void enter(struct vts_job *job)
{
    struct serial_data *data = vts_data(job);

    if (data->inside++ != 0)
        data->overlaps++;
    data->calls++;
    data->inside--;
}

static void *enter_often(void *arg)
{
    struct hook_texts own = {0};

    for (int i = 0; i < ROUNDS; i++) {
        struct hook hook = hook_with(arg, HOOK_WAKE);

        hook.texts = &own;
        hook_run(&hook, enter);
    }
    return NULL;
}

static void a_serial_instance_is_called_one_hook_at_a_time(void **state)
{
    struct instance *instance = make(serial_LTX_vts_plugin());
    const struct serial_data *data = instance->base.data;
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, enter_often, instance), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(data->overlaps, 0);
    assert_int_equal(data->calls, THREADS * ROUNDS);
    instance_destroy(instance);
}

/* ---- the ABI's table ---- */

static void the_table_is_whole(void **state)
{
    const char *at = (const char *)&host_table;
    void (*function)(void);

    (void)state;
    assert_int_equal(host_table.abi, VTS_ABI);
    assert_int_equal(host_table.size, sizeof(struct vts_host));
    for (size_t i = offsetof(struct vts_host, job_id); i < sizeof(host_table);
         i += sizeof(function)) {
        memcpy(&function, at + i, sizeof(function));
        assert_true(function != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_are_read_by_path),
        cmocka_unit_test(inputs_without_members),
        cmocka_unit_test(the_job_is_read),
        cmocka_unit_test(delays_are_drawn),
        cmocka_unit_test(delays_have_a_limit),
        cmocka_unit_test(draws_go_on_where_they_stopped),
        cmocka_unit_test(each_hook_may_do_its_own),
        cmocka_unit_test(wakes_keep_within_time),
        cmocka_unit_test(nonsense_is_told_once),
        cmocka_unit_test(times_are_read_for_plugins),
        cmocka_unit_test(an_older_core_cannot_read_times),
        cmocka_unit_test(progress_that_cannot_be),
        cmocka_unit_test(other_nonsense_is_told),
        cmocka_unit_test(a_serial_instance_is_called_one_hook_at_a_time),
        cmocka_unit_test(the_table_is_whole),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
