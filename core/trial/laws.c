/* SPDX-License-Identifier: MIT
 *
 * Tries the laws stage by stage, each in a child of its own, and says what came of it. See laws.h. */
#include "laws.h"

#include "guard.h"
#include "life.h"
#include "module.h"

/* What the children write and the parent reads. */
struct shared {
    struct laws_report report;
    struct probe_spot spot;
    char setting[200]; /* law 7: which one is tried */
    bool no_memory;
};

struct stage {
    const struct laws *laws;
    struct shared *shared;
    void (*run)(struct stage *stage, struct tried *tried);
    const char *laws_of; /* digits: which laws it tries */
};

static const char *const names[LAW_COUNT + 1] = {"",
                                                 "same seed, same life",
                                                 "a stored job goes on unchanged",
                                                 "every job ends",
                                                 "hooks are short, ends are final",
                                                 "progress only grows",
                                                 "the module keeps to itself",
                                                 "options hold at their limits"};

const char *laws_name(int law) { return names[law]; }

/* ---- stages, in the child ---- */

static void not_tried(struct shared *shared, const char *laws_of, const char *why)
{
    struct law_result *result;

    for (; *laws_of; laws_of++) {
        result = &shared->report.of[*laws_of - '0'];
        if (result->verdict == LAW_BROKEN)
            continue;
        result->verdict = LAW_NOT_TRIED;
        snprintf(result->message, sizeof(result->message), "%s", why);
    }
}

static uint64_t seeds_of(const struct laws *laws) { return laws->seeds ? laws->seeds : LAWS_SEEDS; }
static size_t ids_of(const struct laws *laws) { return laws->ids ? laws->ids : LAWS_IDS; }

static void run_lives(struct stage *stage, struct tried *tried)
{
    struct shared *shared = stage->shared;

    shared->report.jobs = lives_try(tried, seeds_of(stage->laws), ids_of(stage->laws));
    if (shared->report.jobs == 0)
        not_tried(shared, stage->laws_of, "no job was seen from its start to its end");
}

static void run_restore(struct stage *stage, struct tried *tried)
{
    struct law_result *result = &stage->shared->report.of[2];

    if (restore_try(tried, seeds_of(stage->laws), ids_of(stage->laws)) > 0 ||
        result->verdict == LAW_BROKEN)
        return;
    result->verdict = LAW_NOT_TRIED;
    snprintf(result->message, sizeof(result->message),
             "no job was seen to live the same life twice, stored or not");
}

static void run_limits(struct stage *stage, struct tried *tried)
{
    limits_try(tried, stage->shared->setting, sizeof(stage->shared->setting));
}

/* What is known to be broken is not looked at again. Hooks that are slow are not tried for long. */
static void leave_out(const struct stage *stage, struct tried *tried)
{
    const struct law_result *of = stage->shared->report.of;
    int law;

    if (stage->run == run_restore)
        tried->laws_set = 1u << 2;
    for (law = 1; law <= LAW_COUNT; law++)
        if (of[law].verdict == LAW_BROKEN)
            tried->laws_set &= ~(1u << law);
    if (of[4].verdict == LAW_BROKEN) {
        tried->most_nanoseconds = INT64_MAX;
        tried->until = probe_clock() + INT64_C(1000000) * LAWS_SLOW_MS;
    }
}

static void run_stage(void *arg)
{
    struct stage *stage = arg;
    const struct laws *laws = stage->laws;
    const struct vts_plugin *plugin = laws->like->base.plugin, *again;
    struct tried tried;

    again = laws->module ? module_again(laws->module, plugin->name) : NULL;
    tried_init(&tried, laws, &stage->shared->report, &stage->shared->spot, again ? again : plugin);
    leave_out(stage, &tried);
    stage->run(stage, &tried);
    stage->shared->no_memory = tried.no_memory;
}

/* ---- in the parent ---- */

/* The law that is broken by a hook which never came back. */
static int blamed(const struct stage *stage, const struct guard_end *end)
{
    if (stage->run != run_lives)
        return stage->laws_of[0] - '0';
    if (stage->laws->like->base.plugin->kind == VTS_FILTER)
        return 4;
    return end->kind == GUARD_HUNG ? 4 : 3;
}

static void blame(const struct stage *stage, const struct guard_end *end, vts_ms hang_ms)
{
    struct shared *shared = stage->shared;
    struct law_result *result = &shared->report.of[blamed(stage, end)];
    const struct probe_spot *spot = &shared->spot;
    struct text told = TEXT_INIT;

    if (result->verdict != LAW_BROKEN) {
        guard_tell(end, hang_ms, &told);
        result->verdict = LAW_BROKEN;
        result->seed = spot->id[0] ? spot->seed : 0;
        result->moment = spot->moment;
        memcpy(result->id, spot->id, sizeof(result->id));
        snprintf(result->message, sizeof(result->message), "%s%s%shook %s %s",
                 *shared->setting ? "with " : "", shared->setting, *shared->setting ? ", " : "",
                 spot->hook ? spot->hook : "(none yet)",
                 told.failed ? "did not return" : told.bytes);
        text_finish(&told);
    }
    not_tried(shared, stage->laws_of, "a hook did not come back before it was tried through");
}

/* False where it could not be tried. */
static bool try_stage(const struct stage *stage, vts_ms hang_ms, bool *returned,
                      struct vts_error *error)
{
    struct shared *shared = stage->shared;
    struct guard_end end;
    const char *law;

    for (law = stage->laws_of; *law; law++)
        if (shared->report.of[*law - '0'].verdict == LAW_NOT_TRIED)
            shared->report.of[*law - '0'].verdict = LAW_HOLDS;
    if (!guard_run(run_stage, (void *)stage, &shared->spot, hang_ms, &end, error))
        return false;
    *returned = end.kind == GUARD_DONE;
    if (!*returned)
        blame(stage, &end, hang_ms);
    else if (shared->no_memory)
        return vts_error_set(error, VTS_ERR_MEMORY, "no memory to try the laws");
    return true;
}

static bool try_stages(const struct laws *laws, struct shared *shared, struct vts_error *error)
{
    bool filter = laws->like->base.plugin->kind == VTS_FILTER, returned = true;
    struct stage stages[] = {{laws, shared, run_lives, filter ? "14" : "1345"},
                             {laws, shared, run_restore, "2"},
                             {laws, shared, run_limits, "7"}};
    size_t i;

    if (filter) {
        not_tried(shared, "2", "a filter keeps nothing with a job");
        not_tried(shared, "35", "a filter moves no job");
    }
    for (i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        if (filter && stages[i].run == run_restore)
            continue;
        if (!returned && (i == 1 || filter)) {
            not_tried(shared, filter ? "7" : "27", "hooks do not come back");
            return true;
        }
        if (!try_stage(&stages[i], laws->hang_ms ? laws->hang_ms : LAWS_HANG_MS, &returned, error))
            return false;
    }
    return true;
}

bool laws_check(const struct laws *laws, struct laws_report *report, struct vts_error *error)
{
    struct shared *shared = guard_memory(sizeof(*shared));
    bool good;

    if (!shared)
        return vts_error_set(error, VTS_ERR_MEMORY, "no memory to try the laws");
    if (!laws->module)
        not_tried(shared, "6", "the behaviour is linked in, there is no module's file");
    else
        module_check(laws->module, laws->like->base.plugin->serial, &shared->report.of[6]);
    good = try_stages(laws, shared, error);
    *report = shared->report;
    if (laws->like->base.plugin->serial && report->of[1].verdict == LAW_HOLDS)
        snprintf(report->of[1].message, sizeof(report->of[1].message),
                 "each job alone: it is .serial, so the order of the starts may matter");
    guard_release(shared, sizeof(*shared));
    return good;
}

bool laws_hold(const struct laws_report *report)
{
    int law;

    for (law = 1; law <= LAW_COUNT; law++)
        if (report->of[law].verdict == LAW_BROKEN)
            return false;
    return true;
}

void laws_line(const struct laws_report *report, int law, struct text *out)
{
    const struct law_result *result = &report->of[law];

    text_printf(out, "law %d (%s): ", law, laws_name(law));
    if (result->verdict == LAW_HOLDS) {
        text_printf(out, "holds%s%s", result->message[0] ? ", " : "", result->message);
    } else if (result->verdict == LAW_NOT_TRIED) {
        text_printf(out, "not tried: %s", result->message);
    } else {
        if (result->id[0])
            text_printf(
                out, "seed %llu, job %s, at %lld.%03lld s: ", (unsigned long long)result->seed,
                result->id, (long long)(result->moment / 1000), (long long)(result->moment % 1000));
        text_puts(out, result->message);
    }
}
