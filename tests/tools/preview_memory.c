/* SPDX-License-Identifier: MIT
 *
 * Lets every allocation of a preview fail, one after the other: it is told, nothing is leaked, and what was
 * printed without memory is not taken for whole. The linker puts the functions below in the place of the
 * system's (see CMakeLists.txt). */
#include <tools/preview.h>

#include <setjmp.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *string);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *string);

/* How many allocations are granted before one fails; below 0: all. */
static long granted = -1;
static bool failed;

static bool grant(void)
{
    if (granted < 0 || granted-- > 0)
        return true;
    failed = true;
    return false;
}

void *__wrap_malloc(size_t size) { return grant() ? __real_malloc(size) : NULL; }
void *__wrap_calloc(size_t count, size_t size)
{
    return grant() ? __real_calloc(count, size) : NULL;
}
void *__wrap_realloc(void *old, size_t size) { return grant() ? __real_realloc(old, size) : NULL; }
char *__wrap_strdup(const char *string) { return grant() ? __real_strdup(string) : NULL; }

/* A behaviour with some of everything: refusals, progress, steps enough that timelines grow, failures that
 * say something long. */
struct steps {
    uint32_t done;
};

static void admit(struct vts_job *job)
{
    if (vts_polls(job) == 1)
        vts_refuse(job, 503, 2000);
}

static void step(struct vts_job *job)
{
    struct steps *state = vts_state(job);

    vts_progress(job, ++state->done / 40.0);
    if (state->done < 30)
        vts_wake_after(job, 100);
    else if (vts_chance(job, 0.5))
        vts_fail(job, "tired",
                 "this is so long a message that it does not fit behind the count of its code");
    else
        vts_complete(job, "{\"steps\": 30}");
}

VTS_PLUGIN(stepping, .state_size = sizeof(struct steps), .admit = admit, .start = step,
           .wake = step)

/* The same with slots. */
static bool open_two(struct vts_instance *instance, struct vts_error *error)
{
    (void)error;
    return vts_slots(instance, 2);
}

static void queue_up(struct vts_job *job) { vts_wait(job, VTS_FOR_SLOT); }

VTS_PLUGIN(crowded, .state_size = sizeof(struct steps), .open = open_two, .admit = admit,
           .start = queue_up, .wake = step)

/* A filter whose answers are late, so that there are spans to be kept. */
static void delay(struct vts_job *job) { VTS_BEND(job, .stall = 100); }

VTS_PLUGIN(slowing, .kind = VTS_FILTER, .admit = admit, .poll = delay)

struct told {
    struct preview_sums *sums;
    struct text *csv;
};

static bool tell(void *arg, uint64_t number, const struct preview_life *life)
{
    struct told *told = arg;
    char id[PREVIEW_ID_ROOM];

    preview_id(number, id);
    preview_csv_line(id, life, told->csv);
    return preview_sums_add(told->sums, life);
}

/* All that a preview does, but for printing. False where it was told that memory failed. */
static bool preview(const struct instance *instance, struct text out[3])
{
    struct preview_timelines timelines = {.count = 0};
    struct preview_sums sums;
    const struct preview_report report = {.behaviour = "some",
                                          .plugin = "stepping",
                                          .seed = 1,
                                          .sums = &sums,
                                          .timelines = &timelines};
    struct trial_job job = {0};
    struct preview_life life;
    struct vts_error error = {0};
    char id[PREVIEW_ID_ROOM];
    struct trial trial;
    bool good;

    preview_sums_init(&sums);
    good = trial_init(&trial, instance, 1, &error);
    if (good && instance->slots > 0)
        good = preview_crowd(&trial, 12, 50, tell, &(struct told){&sums, &out[0]});
    while (good && sums.jobs < 12) {
        preview_id(sums.jobs + 1, id);
        trial_job_reset(&job);
        good = preview_live(&trial, &job, id, &life) && preview_sums_add(&sums, &life);
        if (good)
            preview_csv_line(id, &life, &out[0]);
    }
    good = good && preview_sums_end(&sums) &&
           preview_timelines_init(&timelines, &sums, instance, 1, 50, &error);
    if (good) {
        preview_json(&report, &out[1]);
        preview_page(&report, 80, true, &out[2]);
    }
    preview_timelines_finish(&timelines);
    preview_sums_finish(&sums);
    trial_job_finish(&job);
    trial_finish(&trial);
    return good && !out[0].failed && !out[1].failed && !out[2].failed;
}

static bool preview_all_of_filter(const struct instance *filter, struct text out[3])
{
    const struct preview each = {.jobs = 12, .seed = 1, .every = 50, .format = PREVIEW_JSON};
    struct vts_error error = {0};
    struct trial trial;
    bool good;

    good = trial_init(&trial, filter, 1, &error) && preview_filter(&trial, &each, &out[0]);
    trial_finish(&trial);
    return good;
}

static void fail_each(const struct vts_plugin *plugin)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = instance_create("some", plugin, NULL, &problems);
    bool good;
    long at;
    int i;

    assert_non_null(instance);
    for (at = 0, failed = true; failed; at++) {
        struct text out[3] = {TEXT_INIT, TEXT_INIT, TEXT_INIT};

        granted = at;
        failed = false;
        good = plugin->kind == VTS_FILTER ? preview_all_of_filter(instance, out)
                                          : preview(instance, out);
        granted = -1;
        if (good == failed)
            fail_msg("allocation %ld %s, and it was told otherwise", at,
                     failed ? "failed" : "did not fail");
        for (i = 0; i < 3; i++)
            text_finish(&out[i]);
    }
    assert_true(at > 20);
    instance_destroy(instance);
    problems_finish(&problems);
}

static void each_allocation_fails(void **state)
{
    (void)state;
    fail_each(stepping_LTX_vts_plugin());
}

static void each_allocation_of_a_crowd_fails(void **state)
{
    (void)state;
    fail_each(crowded_LTX_vts_plugin());
}

static void each_allocation_of_a_filter_fails(void **state)
{
    (void)state;
    fail_each(slowing_LTX_vts_plugin());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_fails),
        cmocka_unit_test(each_allocation_of_a_crowd_fails),
        cmocka_unit_test(each_allocation_of_a_filter_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
