/* SPDX-License-Identifier: MIT
 *
 * Times scripts of many steps: reading one, and a poll of a job that has come to its end. Prints a line for
 * each kind of script: its name, the milliseconds to read it, the microseconds of the slowest poll that gets one
 * of its faults and of a poll that tells the end. The engine and the plugin alone: no store, no socket. */
#include <stdlib.h>
#include <time.h>

#include "behaviours/instance.h"
#include "jobs/engine.h"

#define NOW    INT64_C(1000000000000)
#define ROUNDS 21
#define JOBS                                                                                       \
    5 /* that go the same way: of each poll the fastest counts, since machines are interrupted */
#define POLLS 200000

const struct vts_plugin *scripted_sequence_LTX_vts_plugin(void);

struct bench {
    struct instances instances;
    const struct instance *instance;
    struct engine engine;
    struct engine_work work;
    struct text next, record;
    uint64_t polls;
};

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void no_memory(void)
{
    fputs("script: no memory\n", stderr);
    exit(1);
}

/* A script of `count` steps, one a line: these, over and over, and an end. */
static void write_script(struct text *script, const char *const *steps, size_t count)
{
    size_t kinds = 0;

    while (steps[kinds])
        kinds++;
    text_puts(script, "behaviour bench/script=");
    for (size_t i = 0; i + 1 < count; i++)
        text_printf(script, "%s\n", steps[i % kinds]);
    text_puts(script, "completed");
    if (script->failed)
        no_memory();
}

/* What vtsimd does for a section: with the instance's own name each time. */
static struct instance *open_script(struct ini *ini)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = instance_create("bench", scripted_sequence_LTX_vts_plugin(),
                                                ini_section(ini, "behaviour", "bench"), &problems);

    if (!instance) {
        fprintf(stderr, "script: %s", problems.lines.length ? problems.lines.bytes : "no memory\n");
        exit(1);
    }
    problems_finish(&problems);
    return instance;
}

static int by_value(const void *a, const void *b)
{
    const double *one = a, *other = b;

    return (*one > *other) - (*one < *other);
}

/* The median of some rounds. */
static double time_reading(struct ini *ini)
{
    double took[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        double before = now_us();
        struct instance *instance = open_script(ini);

        took[round] = (now_us() - before) / 1e3;
        instance_destroy(instance);
    }
    qsort(took, ROUNDS, sizeof(took[0]), by_value);
    return took[ROUNDS / 2];
}

static const struct record *record_of(const struct bench *bench)
{
    return (const struct record *)(const void *)bench->record.bytes;
}

static void keep(struct bench *bench, enum record_act act)
{
    struct text record = bench->next;

    if (bench->work.err != VTS_OK)
        no_memory();
    if (act != RECORD_PUT)
        return;
    bench->next = bench->record;
    bench->record = record;
}

static void poll_once(struct bench *bench, vts_ms at)
{
    keep(bench, engine_poll(&bench->work, record_of(bench), ++bench->polls, at));
}

/* A job that has come to its end, or waits for polls. */
static void start_job(struct bench *bench, vts_ms at)
{
    text_reset(&bench->record);
    keep(bench, engine_start(&bench->work, NULL, bench->instance, (struct bytes){"a", 1},
                             (struct bytes){0}, NOW));
    keep(bench, engine_advance(&bench->work, record_of(bench), at));
    bench->polls = 0;
}

/* Polls jobs until they tell their end; returns what the slowest of those polls took. */
static double use_up_faults(struct bench *bench, vts_ms at)
{
    double *took = calloc(POLLS, sizeof(*took)), slowest = 0;
    size_t i, count = 0;

    if (!took)
        no_memory();
    for (int job = 0; job < JOBS; job++) {
        start_job(bench, at);
        i = 0;
        do {
            double before = now_us(), one;

            poll_once(bench, at);
            one = now_us() - before;
            took[i] = job == 0 || one < took[i] ? one : took[i];
            count = ++i;
        } while (i < POLLS && (bench->work.bent || !state_ended(record_of(bench)->state)));
    }
    for (i = 0; i < count; i++)
        slowest = took[i] > slowest ? took[i] : slowest;
    free(took);
    return slowest;
}

static double time_polls(struct bench *bench, vts_ms at)
{
    double before = now_us();

    for (int i = 0; i < POLLS; i++)
        poll_once(bench, at);
    return (now_us() - before) / POLLS;
}

static void time_script(const char *name, const char *const *steps, size_t count)
{
    struct bench bench = {.engine = {.seed = 1, .instances = &bench.instances}};
    struct problems problems = PROBLEMS_INIT;
    struct text script = TEXT_INIT;
    double reading, slowest, poll;
    struct ini ini = {0};
    vts_ms end = NOW + 86400000;

    write_script(&script, steps, count);
    if (!ini_set(&ini, script.bytes, &problems))
        no_memory();
    reading = time_reading(&ini);
    bench.instance = instances_add(&bench.instances, open_script(&ini));
    engine_work_init(&bench.work, &bench.engine);
    bench.work.next = &bench.next;
    slowest = use_up_faults(&bench, end);
    poll = time_polls(&bench, end);
    printf("%-28s %8.2f %8.2f %8.3f\n", name, reading, slowest, poll);
    engine_work_finish(&bench.work);
    instances_finish(&bench.instances);
    text_finish(&bench.next);
    text_finish(&bench.record);
    text_finish(&script);
    problems_finish(&problems);
    ini_finish(&ini);
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        const char *steps[8];
    } kinds[] = {
        {"life-alone", {"pending for 1ms"}},
        {"life-and-stretches",
         {"pending for uniform 1ms..2ms", "http 503 for 1ms", "progress 40%"}},
        {"polls", {"pending x1"}},
        {"faults", {"http 503 retry-after 1s x2", "reset", "stall uniform 1s..2s"}},
        {"mixed",
         {"pending for 1ms", "http 429 retry-after 3s", "chance 0.5 { reset } else { empty }",
          "progress 40% for 1ms", "unknown status \"queued-ish\"", "pending for 1ms"}},
        {"rare-faults", {"chance 0.001 { reset }"}},
    };
    char *end = NULL;
    long steps = count == 2 ? strtol(arguments[1], &end, 10) : 0;

    if (count != 2 || *end || steps < 2 || steps > 50000) {
        fprintf(stderr, "usage: %s STEPS\n", arguments[0]);
        return 2;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        time_script(kinds[i].name, kinds[i].steps, (size_t)steps);
    return 0;
}
