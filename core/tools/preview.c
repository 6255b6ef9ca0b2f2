/* SPDX-License-Identifier: MIT
 *
 * vtsimd --preview: runs the jobs, one after the other or beside each other, adds up what came of them, and
 * prints it. See tools.h and preview.h. */
#include "preview.h"

#include <locale.h>
#include <stdlib.h>

#include "../base/log.h"

/* A line for each job, while they run: nothing of them is kept. */
static bool print_csv(const char *id, const struct preview_life *life, struct text *line)
{
    text_reset(line);
    preview_csv_line(id, life, line);
    return !line->failed && fputs(line->bytes, stdout) >= 0;
}

/* All jobs. False, with a message, where there was no memory; where standard output takes no more it
 * stops. */
static bool run_each(struct trial *trial, const struct preview *preview, struct preview_sums *sums,
                     struct vts_error *error)
{
    struct trial_job job = {0};
    struct text line = TEXT_INIT;
    struct preview_life life;
    char id[PREVIEW_ID_ROOM];
    bool good = true;

    while (good && sums->jobs < preview->jobs && !ferror(stdout)) {
        preview_id(sums->jobs + 1, id);
        trial_job_reset(&job);
        good = preview_live(trial, &job, id, &life) && preview_sums_add(sums, &life);
        if (good && preview->format == PREVIEW_CSV)
            good = print_csv(id, &life, &line) || ferror(stdout);
    }
    if (!good)
        vts_error_set(error, VTS_ERR_MEMORY, "no memory for job %s", id);
    text_finish(&line);
    trial_job_finish(&job);
    return good;
}

/* ---- jobs that live beside each other ---- */

struct crowd_sums {
    const struct preview *preview;
    struct preview_sums *sums;
    struct text line;
};

static bool add_life(void *arg, uint64_t number, const struct preview_life *life)
{
    struct crowd_sums *crowd = arg;
    char id[PREVIEW_ID_ROOM];

    preview_id(number, id);
    return preview_sums_add(crowd->sums, life) &&
           (crowd->preview->format != PREVIEW_CSV || print_csv(id, life, &crowd->line) ||
            ferror(stdout));
}

static bool run(struct trial *trial, const struct preview *preview, struct preview_sums *sums,
                struct vts_error *error)
{
    struct crowd_sums crowd = {preview, sums, TEXT_INIT};
    bool good;

    if (trial->instance->slots == 0 && preview->every > 0)
        return vts_error_set(
            error, VTS_ERR_INVALID,
            "--every is for behaviours whose jobs share slots: what comes of a job "
            "of \"%s\" does not hang on the others",
            trial->instance->name);
    if (trial->instance->slots == 0)
        return run_each(trial, preview, sums, error);
    good = preview_crowd(trial, preview->jobs, preview->every, add_life, &crowd);
    text_finish(&crowd.line);
    return good || vts_error_set(error, VTS_ERR_MEMORY, "no memory for %llu jobs beside each other",
                                 (unsigned long long)preview->jobs);
}

static bool print(const struct preview *preview, const struct preview_report *report,
                  struct vts_error *error)
{
    struct text out = TEXT_INIT;
    bool good;

    if (preview->format == PREVIEW_JSON)
        preview_json(report, &out);
    else
        preview_page(report, preview_columns(), preview_blocks(), &out);
    good = !out.failed;
    if (good)
        fputs(out.bytes, stdout);
    else
        vts_error_set(error, VTS_ERR_MEMORY, "no memory to print what came of the jobs");
    text_finish(&out);
    return good;
}

static bool show(const struct preview *preview, const struct instance *instance,
                 struct preview_sums *sums, struct vts_error *error)
{
    struct preview_timelines timelines = {.count = 0};
    const struct preview_report report = {.behaviour = instance->name,
                                          .plugin = instance->base.plugin->name,
                                          .seed = preview->seed,
                                          .sums = sums,
                                          .timelines = &timelines,
                                          .slots = instance->slots > 0,
                                          .every = preview->every};
    bool good = true;

    if (preview->format == PREVIEW_CSV)
        return true;
    if (!preview_sums_end(sums))
        return vts_error_set(error, VTS_ERR_MEMORY, "no memory for the durations");
    if (preview->format == PREVIEW_TEXT)
        good = preview_timelines_init(&timelines, sums, instance, preview->seed, preview->every,
                                      error);
    good = good && print(preview, &report, error);
    preview_timelines_finish(&timelines);
    return good;
}

static bool preview_behaviour(const struct preview *preview, const struct instance *instance,
                              struct vts_error *error)
{
    struct preview each = *preview;
    struct preview_sums sums;
    struct trial trial;
    bool good;

    if (each.every < 0)
        each.every = 0;
    preview_sums_init(&sums);
    if (each.format == PREVIEW_CSV)
        fputs(preview_csv_head, stdout);
    good = trial_init(&trial, instance, each.seed, error) && run(&trial, &each, &sums, error) &&
           show(&each, instance, &sums, error);
    trial_finish(&trial);
    preview_sums_finish(&sums);
    return good;
}

/* ---- filters ---- */

/* One of the configuration, once more; else the plugin on its fallbacks. */
static bool open_filter(struct trial *trial, const struct preview *preview,
                        const struct plugins *plugins, const struct behaviours *behaviours,
                        struct vts_error *error)
{
    const struct instance *like = behaviours_filter(behaviours, preview->behaviour);
    struct instance *instance;

    if (like)
        return trial_init(trial, like, preview->seed, error);
    instance = behaviours_plain_filter(plugins, preview->behaviour, error);
    return instance && trial_take(trial, instance, preview->seed, error);
}

static bool preview_of_filter(const struct preview *preview, const struct plugins *plugins,
                              const struct behaviours *behaviours, struct vts_error *error)
{
    struct preview each = *preview;
    struct text out = TEXT_INIT;
    struct trial trial = {0};
    bool good;

    if (each.every < 0)
        each.every = PREVIEW_FILTER_EVERY;
    good = open_filter(&trial, &each, plugins, behaviours, error);
    if (good && !preview_filter(&trial, &each, &out))
        good = vts_error_set(error, VTS_ERR_MEMORY, "no memory for %llu jobs",
                             (unsigned long long)each.jobs);
    if (good)
        fputs(out.bytes, stdout);
    text_finish(&out);
    trial_finish(&trial);
    return good;
}

int tool_preview(const struct preview *preview, const struct plugins *plugins,
                 const struct behaviours *behaviours)
{
    const struct instance *instance =
        behaviours_named(behaviours, preview->behaviour, strlen(preview->behaviour));
    bool filter = !instance && behaviours_is_filter(behaviours, plugins, preview->behaviour);
    struct vts_error error = {0};
    bool good;

    if (!instance && !filter) {
        behaviours_why_not(behaviours, plugins, preview->behaviour, &error);
        fprintf(stderr, "vtsimd: --preview: %s\n", error.message);
        return EXIT_USAGE;
    }
    /* A line for each of a thousand failures helps nobody: their sum is what is printed. */
    if (!log_wants(VTS_DEBUG))
        log_setup(VTS_ERROR, LOG_TEXT);
    setlocale(LC_CTYPE, "");
    good = filter ? preview_of_filter(preview, plugins, behaviours, &error)
                  : preview_behaviour(preview, instance, &error);
    if (!good)
        fprintf(stderr, "vtsimd: --preview: %s\n", error.message);
    return good ? EXIT_SUCCESS : EXIT_USAGE;
}
