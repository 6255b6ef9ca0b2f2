/* SPDX-License-Identifier: MIT
 *
 * Tests of the laws: each has a plugin that breaks it, and is told as broken with its number, seed, job and
 * moment, to the letter; honest plugins and all that are shipped keep them. */
#include "trial/laws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LAWS    VTSIM_BUILD_DIR "/tests/fixtures/laws/"
#define SHIPPED VTSIM_BUILD_DIR "/lib/vtsim/plugins/"

/* ---- vetting one ---- */

struct vetted {
    struct ini ini;
    struct instance *instance;
    struct laws laws;
    struct laws_report report;
    struct text line;
};

static void open_module(struct vetted *vetted, const char *path, const char *const *settings)
{
    struct problems problems = PROBLEMS_INIT;
    const struct vts_plugin *plugin;
    struct vts_error error;
    char line[400];

    memset(vetted, 0, sizeof(*vetted));
    plugin = plugin_load_file(path, &error);
    if (!plugin)
        fail_msg("%s", error.message);
    for (; settings && *settings; settings++) {
        snprintf(line, sizeof(line), "behaviour vet/%s", *settings);
        assert_true(ini_set(&vetted->ini, line, &problems));
    }
    vetted->instance = instance_create(plugin->name, plugin,
                                       ini_section(&vetted->ini, "behaviour", "vet"), &problems);
    if (!vetted->instance)
        fail_msg("%s", problems.lines.bytes);
    problems_finish(&problems);
    vetted->laws = (struct laws){.like = vetted->instance, .module = path, .seeds = 2, .ids = 4};
}

static void check(struct vetted *vetted)
{
    struct vts_error error;

    if (!laws_check(&vetted->laws, &vetted->report, &error))
        fail_msg("%s", error.message);
}

static void vet(struct vetted *vetted, const char *path, const char *setting)
{
    open_module(vetted, path, (const char *const[]){setting, NULL});
    check(vetted);
}

static void finish(struct vetted *vetted)
{
    instance_destroy(vetted->instance);
    ini_finish(&vetted->ini);
    text_finish(&vetted->line);
}

static const char *line_of(struct vetted *vetted, int law)
{
    text_reset(&vetted->line);
    laws_line(&vetted->report, law, &vetted->line);
    return vetted->line.bytes;
}

/* This law is broken, and no other. */
static void assert_alone(struct vetted *vetted, int broken)
{
    int law;

    assert_int_equal(vetted->report.of[broken].verdict, LAW_BROKEN);
    for (law = 1; law <= LAW_COUNT; law++)
        if (law != broken && vetted->report.of[law].verdict == LAW_BROKEN)
            fail_msg("%s", line_of(vetted, law));
    assert_false(laws_hold(&vetted->report));
}

static void assert_all_hold(struct vetted *vetted)
{
    int law;

    for (law = 1; law <= LAW_COUNT; law++)
        if (vetted->report.of[law].verdict != LAW_HOLDS)
            fail_msg("%s", line_of(vetted, law));
    assert_true(laws_hold(&vetted->report));
}

static void assert_breaks(const char *module, const char *setting, int law, const char *line)
{
    struct vetted vetted;

    vet(&vetted, module, setting);
    assert_alone(&vetted, law);
    assert_string_equal(line_of(&vetted, law), line);
    finish(&vetted);
}

static void assert_keeps(const char *module, const char *setting)
{
    struct vetted vetted;

    vet(&vetted, module, setting);
    assert_all_hold(&vetted);
    assert_int_equal(vetted.report.jobs, 8);
    finish(&vetted);
}

/* ---- each law ---- */

static void law1(void **state)
{
    (void)state;
    assert_breaks(LAWS "law1.so", "what=polls", 1,
                  "law 1 (same seed, same life): seed 1, job vet-1, at 10.000 s: never polled, the "
                  "wake at 10.000 s left it completed, result 0; polled once a second, the wake at "
                  "10.000 s left it completed, result 10");
    assert_breaks(LAWS "law1.so", "what=order", 1,
                  "law 1 (same seed, same life): seed 1, job vet-1, at 10.000 s: alone in its "
                  "instance, the wake at 10.000 s left it completed, result 0; after others in one "
                  "instance, the wake at 10.000 s left it completed, result 3");
}

/* A behaviour that keeps data of all its jobs says .serial; then the order of the starts may matter, but
 * polls may not. */
static void law1_serial(void **state)
{
    struct vetted vetted;

    (void)state;
    vet(&vetted, LAWS "law1_serial.so", "what=order");
    assert_all_hold(&vetted);
    assert_string_equal(
        line_of(&vetted, 1),
        "law 1 (same seed, same life): holds, each job alone: it is .serial, so the "
        "order of the starts may matter");
    finish(&vetted);
    assert_breaks(LAWS "law1_serial.so", "what=polls", 1,
                  "law 1 (same seed, same life): seed 1, job vet-1, at 10.000 s: never polled, the "
                  "wake at 10.000 s left it completed, result 0; polled once a second, the wake at "
                  "10.000 s left it completed, result 10");
}

static void law2_address(void **state)
{
    static const char line[] =
        "law 2 (a stored job goes on unchanged): seed 1, job vet-1, at 0.000 s: its state holds an "
        "address, at byte 8: in another process there is something else, or nothing. Keep the "
        "bytes "
        "themselves, or a number that tells which";

    (void)state;
    assert_breaks(LAWS "law2.so", "what=static", 2, line);
    assert_breaks(LAWS "law2.so", "what=settings", 2, line);
    assert_breaks(LAWS "law2.so", "what=memory", 2, line);
}

static void law2_data(void **state)
{
    struct vetted vetted;

    (void)state;
    vet(&vetted, LAWS "law2.so", "what=data");
    assert_string_equal(
        line_of(&vetted, 2),
        "law 2 (a stored job goes on unchanged): seed 1, job vet-1, at 3.000 s: in one process, "
        "the "
        "wake at 3.000 s left it completed, result 3; stored and restored before each event, the "
        "wake "
        "at 3.000 s left it running, to wake at 4.000 s, progress 0, 0 random numbers drawn");
    finish(&vetted);
}

static void law3(void **state)
{
    (void)state;
    assert_breaks(LAWS "law3.so", "what=ticks", 3,
                  "law 3 (every job ends): seed 1, job vet-1, at 1001.490 s: after 100000 wakes it "
                  "has not ended");
    assert_breaks(
        LAWS "law3.so", "what=never", 3,
        "law 3 (every job ends): seed 1, job vet-1, at 1.500 s: it wants to wake more than "
        "a hundred years after its start; to wait for ever, say vts_wait(job, "
        "VTS_FOR_EVER)");
    assert_breaks(
        LAWS "law3.so", "what=forgets", 3,
        "law 3 (every job ends): seed 1, job vet-1, at 1.500 s: plugin law3: hook wake left "
        "the job with neither an end, a wake nor vts_wait");
    assert_breaks(LAWS "law3.so", "what=crashes", 3,
                  "law 3 (every job ends): seed 1, job vet-1, at 1.500 s: hook wake crashed "
                  "(SIGABRT)");
}

/* What was not tried because of a crash does not count as held. */
static void what_was_not_tried(void **state)
{
    struct vetted vetted;

    (void)state;
    vet(&vetted, LAWS "law3.so", "what=crashes");
    assert_string_equal(
        line_of(&vetted, 1),
        "law 1 (same seed, same life): not tried: a hook did not come back before it "
        "was tried through");
    assert_string_equal(line_of(&vetted, 7),
                        "law 7 (options hold at their limits): not tried: hooks do not come back");
    assert_string_equal(line_of(&vetted, 6), "law 6 (the module keeps to itself): holds");
    finish(&vetted);
}

static void law4_slow(void **state)
{
    struct vetted vetted;
    double took = 0;

    (void)state;
    vet(&vetted, LAWS "law4.so", "what=slow");
    assert_alone(&vetted, 4);
    /* How long it took is the machine's affair. */
    assert_int_equal(
        sscanf(line_of(&vetted, 4),
               "law 4 (hooks are short, ends are final): seed 1, job vet-1, at 2.000 s: "
               "hook wake took %lf ms, 10 are the most (the least of 5 tries",
               &took),
        1);
    assert_true(took > 10);
    finish(&vetted);
}

static void law4_endless(void **state)
{
    struct vetted vetted;

    (void)state;
    open_module(&vetted, LAWS "law4.so", (const char *const[]){"what=endless", NULL});
    vetted.laws.hang_ms = 300;
    check(&vetted);
    assert_alone(&vetted, 4);
    assert_string_equal(
        line_of(&vetted, 4),
        "law 4 (hooks are short, ends are final): seed 1, job vet-1, at 2.000 s: hook "
        "wake took longer than 300 ms, and was stopped");
    finish(&vetted);
}

static void law4_after_the_end(void **state)
{
    (void)state;
    assert_breaks(
        LAWS "law4.so", "what=acts", 4,
        "law 4 (hooks are short, ends are final): seed 1, job vet-1, at 3.000 s: hook poll "
        "tried to move a job that has ended: ask for vts_job_state(job) first");
}

static void law5(void **state)
{
    static const struct {
        const char *setting, *what;
    } all[] = {{"what=down", "below what there was"},
               {"what=ramp", "below what there was"},
               {"what=above", "outside of 0 to 1"},
               {"what=below", "outside of 0 to 1"},
               {"what=nan", "that is no number (NaN)"}};
    char line[200];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        snprintf(
            line, sizeof(line),
            "law 5 (progress only grows): seed 1, job vet-1, at 3.000 s: hook wake asked for a "
            "progress %s",
            all[i].what);
        assert_breaks(LAWS "law5.so", all[i].setting, 5, line);
    }
    assert_keeps(LAWS "law5.so", "what=same");
    assert_keeps(LAWS "law5.so", "what=near");
}

/* Its texts are module.c's to test. */
static void law6(void **state)
{
    struct vetted vetted;

    (void)state;
    vet(&vetted, LAWS "law6_static.so", NULL);
    assert_int_equal(vetted.report.of[6].verdict, LAW_BROKEN);
    assert_non_null(strstr(line_of(&vetted, 6),
                           "law 6 (the module keeps to itself): it has the writable static "));
    finish(&vetted);
    assert_keeps(LAWS "law6_serial.so", NULL);
}

static void law7(void **state)
{
    (void)state;
    assert_breaks(LAWS "law7.so", "what=refuses", 7,
                  "law 7 (options hold at their limits): share = 1 is within its limits, and was "
                  "refused: -s: [behaviour law7] share: it is too much");
    assert_breaks(
        LAWS "law7.so", "what=divides", 7,
        "law 7 (options hold at their limits): seed 1, job vet-1, at 1.000 s: with parts = "
        "0, law 5 (progress only grows): hook wake asked for a progress that is no number "
        "(NaN)");
    assert_breaks(
        LAWS "law7.so", "what=crashes", 7,
        "law 7 (options hold at their limits): seed 1, job vet-1, at 1.000 s: with parts = "
        "8, hook wake crashed (SIGABRT)");
    assert_keeps(LAWS "law7.so", "what=agrees");
}

/* The loader takes no such plugin; one that is linked in may come here unseen. */
static void law7_table(void **state)
{
    static const struct vts_option broken[] = {
        {.type = VTS_INT, .key = "n", .fallback = "nine", .help = "a number"}, VTS_OPTIONS_END};
    struct vts_plugin plugin;
    struct vetted vetted;

    (void)state;
    open_module(&vetted, SHIPPED "fixed_delay.so", NULL);
    plugin = *vetted.instance->base.plugin;
    plugin.options = broken;
    vetted.instance->base.plugin = &plugin;
    vetted.laws.module = NULL;
    check(&vetted);
    assert_string_equal(line_of(&vetted, 7),
                        "law 7 (options hold at their limits): its option table is broken: option "
                        "\"n\": its fallback cannot be read: \"nine\" is not a whole number; "
                        "write one such as 1000");
    vetted.instance->base.plugin = plugin_load_file(SHIPPED "fixed_delay.so", NULL);
    finish(&vetted);
}

/* ---- who keeps them ---- */

static void honest(void **state)
{
    (void)state;
    assert_keeps(LAWS "honest.so", NULL);
    assert_keeps(LAWS "honest.so", "refuse=1");
}

/* With as many seeds and ids as the command has. */
static void assert_shipped(const char *name, const char *const *settings)
{
    struct vetted vetted;
    char path[300];

    snprintf(path, sizeof(path), "%s%s.so", SHIPPED, name);
    open_module(&vetted, path, settings);
    vetted.laws.seeds = 0;
    vetted.laws.ids = 0;
    check(&vetted);
    assert_all_hold(&vetted);
    assert_int_equal(vetted.report.jobs, LAWS_SEEDS * LAWS_IDS);
    finish(&vetted);
}

#define SHIPPED_KEEPS(name, ...) assert_shipped(name, (const char *const[]){__VA_ARGS__, NULL})

static void shipped(void **state)
{
    (void)state;
    assert_shipped("fixed_delay", NULL);
    SHIPPED_KEEPS("fixed_delay", "progress=on");
    assert_shipped("random_failure", NULL);
    SHIPPED_KEEPS("random_failure", "delay=lognormal 8s sigma 0.5 max 60s", "fail_at=anywhere");
    SHIPPED_KEEPS("scripted_sequence",
                  "script=pending for 5s, progress 40%, pending, error \"no\"");
    SHIPPED_KEEPS("scripted_sequence",
                  "script=pending for 5s, progress 40%, pending for 2s, completed");
    SHIPPED_KEEPS("scripted_sequence", "script=pending for 1s, pending");
}

/* Linked in: there is no file to look into, and no second copy of it. */
static void linked_in(void **state)
{
    struct vetted vetted;

    (void)state;
    open_module(&vetted, LAWS "law2.so", (const char *const[]){"what=settings", NULL});
    vetted.laws.module = NULL;
    check(&vetted);
    assert_alone(&vetted, 2);
    assert_string_equal(
        line_of(&vetted, 6),
        "law 6 (the module keeps to itself): not tried: the behaviour is linked in, "
        "there is no module's file");
    finish(&vetted);
}

static void a_filter(void **state)
{
    struct vetted vetted;

    (void)state;
    vet(&vetted, VTSIM_BUILD_DIR "/tests/fixtures/load/good/sieve.so", NULL);
    assert_true(laws_hold(&vetted.report));
    assert_string_equal(line_of(&vetted, 3),
                        "law 3 (every job ends): not tried: a filter moves no job");
    assert_string_equal(line_of(&vetted, 1), "law 1 (same seed, same life): holds");
    assert_string_equal(line_of(&vetted, 2), "law 2 (a stored job goes on unchanged): not tried: a "
                                             "filter keeps nothing with a job");
    assert_string_equal(line_of(&vetted, 4), "law 4 (hooks are short, ends are final): holds");
    assert_string_equal(line_of(&vetted, 7), "law 7 (options hold at their limits): holds");
    finish(&vetted);
}

static void a_filter_with_chance(void **state)
{
    struct vetted vetted;

    (void)state;
    vet(&vetted, LAWS "filter.so", NULL);
    if (!laws_hold(&vetted.report))
        fail_msg("%s / %s", line_of(&vetted, 1), line_of(&vetted, 4));
    assert_int_equal(vetted.report.jobs, 2 * 4);
    finish(&vetted);
    vet(&vetted, SHIPPED "flaky_service.so", NULL);
    if (!laws_hold(&vetted.report))
        fail_msg("%s / %s / %s", line_of(&vetted, 1), line_of(&vetted, 4), line_of(&vetted, 7));
    assert_int_equal(vetted.report.of[1].verdict, LAW_HOLDS);
    assert_int_equal(vetted.report.jobs, 2 * 4);
    finish(&vetted);
}

/* The same requests get other answers in another instance. */
static void a_filter_that_breaks_law1(void **state)
{
    struct vetted vetted;

    (void)state;
    vet(&vetted, LAWS "filter.so", "what=counts");
    assert_alone(&vetted, 1);
    assert_non_null(strstr(line_of(&vetted, 1), "was answered by the filter (status 500)"));
    finish(&vetted);
}

static void a_filter_that_breaks_law4(void **state)
{
    (void)state;
    assert_breaks(
        LAWS "filter.so", "what=acts", 4,
        "law 4 (hooks are short, ends are final): seed 1, job vet-1, at 3606.000 s: hook poll "
        "tried to move a job, which filters cannot");
}

/* The budget ends the trying, and the report tells how far it came. */
static void a_budget(void **state)
{
    struct vetted vetted;

    (void)state;
    open_module(&vetted, SHIPPED "fixed_delay.so", NULL);
    vetted.laws.seeds = 1000000000;
    vetted.laws.budget_ms = 50;
    check(&vetted);
    assert_true(laws_hold(&vetted.report));
    assert_in_range(vetted.report.jobs, 1, 999999999);
    finish(&vetted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(law1),
        cmocka_unit_test(law1_serial),
        cmocka_unit_test(law2_address),
        cmocka_unit_test(law2_data),
        cmocka_unit_test(law3),
        cmocka_unit_test(law4_slow),
        cmocka_unit_test(law4_endless),
        cmocka_unit_test(law5),
        cmocka_unit_test(law4_after_the_end),
        cmocka_unit_test(law6),
        cmocka_unit_test(law7),
        cmocka_unit_test(law7_table),
        cmocka_unit_test(what_was_not_tried),
        cmocka_unit_test(honest),
        cmocka_unit_test(shipped),
        cmocka_unit_test(linked_in),
        cmocka_unit_test(a_filter),
        cmocka_unit_test(a_filter_with_chance),
        cmocka_unit_test(a_filter_that_breaks_law1),
        cmocka_unit_test(a_filter_that_breaks_law4),
        cmocka_unit_test(a_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
