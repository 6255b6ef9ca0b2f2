/* SPDX-License-Identifier: MIT
 *
 * Plans. See plans.h, and "plans" in client.h. */
#include "plans.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "error.h"
#include "schedule.h"

#define CLASSES_MAX 64 /* that are kept apart; 130 KB each, once something was learned */

/* The schedule of one class of jobs. */
struct class
{
    char name[PLAN_CLASS_MAX + 1];
    struct schedule *schedule;
    uint64_t used; /* when, as a count */
};

struct vts_client_plan {
    atomic_uint references;
    vts_client_plan_fn *next; /* of a plan of the user's; NULL: options say */
    void *arg;
    void (*release)(void *arg);

    struct schedule_options options;
    /* Over all that follows. Innermost; held for one look-up or one lesson. */
    pthread_mutex_t lock;
    struct schedule *cold; /* for jobs whose age nobody knows: nothing learned applies to them */
    struct class *classes[CLASSES_MAX];
    size_t class_count;
    uint64_t uses;
};

static bool learns(const struct vts_client_plan *plan)
{
    return plan->options.kind == SCHEDULE_BUDGET || plan->options.kind == SCHEDULE_COST;
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct vts_client_plan *no_memory(struct vts_client_error *error)
{
    error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
    return NULL;
}

static struct vts_client_plan *plan_create(struct vts_client_error *error)
{
    struct vts_client_plan *plan = calloc(1, sizeof(*plan));

    if (!plan || pthread_mutex_init(&plan->lock, NULL)) {
        free(plan);
        return no_memory(error);
    }
    atomic_init(&plan->references, 1);
    return plan;
}

/* As a schedule, once the options are set; takes the plan where memory is short. */
static struct vts_client_plan *with_schedule(struct vts_client_plan *plan,
                                             struct vts_client_error *error)
{
    struct schedule_options cold = plan->options;

    if (learns(plan))
        cold.kind = SCHEDULE_EXPONENTIAL;
    plan->cold = schedule_create(&cold);
    if (plan->cold)
        return plan;
    vts_client_plan_release(plan);
    return no_memory(error);
}

struct vts_client_plan *vts_client_plan_hold(struct vts_client_plan *plan)
{
    atomic_fetch_add_explicit(&plan->references, 1, memory_order_relaxed);
    return plan;
}

void vts_client_plan_release(struct vts_client_plan *plan)
{
    if (!plan || atomic_fetch_sub_explicit(&plan->references, 1, memory_order_acq_rel) != 1)
        return;
    if (plan->release)
        plan->release(plan->arg);
    for (size_t i = 0; i < plan->class_count; i++) {
        schedule_destroy(plan->classes[i]->schedule);
        free(plan->classes[i]);
    }
    schedule_destroy(plan->cold);
    pthread_mutex_destroy(&plan->lock);
    free(plan);
}

/* ---- making them ----------------------------------------------------------------------------- */

static bool check_time(const char *name, int64_t ms, int64_t least, struct vts_client_error *error)
{
    return (ms >= least && ms <= PLAN_MAX_MS) ||
           error_set(error, VTS_CLIENT_ERR_INVALID, 0, "%s: %lld is not within %lld to 86400000",
                     name, (long long)ms, (long long)least);
}

static bool check_real(const char *name, double value, double least, double most,
                       struct vts_client_error *error)
{
    return (value >= least && value <= most) || /* false for NaN */
           error_set(error, VTS_CLIENT_ERR_INVALID, 0, "%s: %g is not within %g to %g", name, value,
                     least, most);
}

static struct vts_client_plan *of_schedule(const struct schedule_options *options,
                                           struct vts_client_error *error)
{
    struct vts_client_plan *plan = plan_create(error);

    if (!plan)
        return NULL;
    plan->options = *options;
    return with_schedule(plan, error);
}

struct vts_client_plan *vts_client_plan_fixed(int64_t every_ms, double jitter,
                                              struct vts_client_error *error)
{
    struct schedule_options options;

    if (!check_time("every_ms", every_ms, 1, error) || !check_real("jitter", jitter, 0, 1, error))
        return NULL;
    schedule_options_init(&options, SCHEDULE_FIXED);
    options.first_ms = options.cap_ms = (double)every_ms;
    options.jitter = jitter;
    return of_schedule(&options, error);
}

struct vts_client_plan *vts_client_plan_exponential(int64_t initial_ms, double factor,
                                                    int64_t cap_ms, double jitter,
                                                    struct vts_client_error *error)
{
    struct schedule_options options;

    if (!check_time("initial_ms", initial_ms, 1, error) ||
        !check_real("factor", factor, 1, 100, error) ||
        !check_time("cap_ms", cap_ms, initial_ms, error) ||
        !check_real("jitter", jitter, 0, 1, error))
        return NULL;
    schedule_options_init(&options, SCHEDULE_EXPONENTIAL);
    options.first_ms = (double)initial_ms;
    options.factor = factor;
    options.cap_ms = (double)cap_ms;
    options.jitter = jitter;
    return of_schedule(&options, error);
}

struct vts_client_plan *vts_client_plan_budget(double polls, struct vts_client_error *error)
{
    struct schedule_options options;

    if (!check_real("polls", polls, 1, 1000, error))
        return NULL;
    schedule_options_init(&options, SCHEDULE_BUDGET);
    options.polls_per_job = polls;
    return of_schedule(&options, error);
}

/* Takes over how `cold` begins. False with *error filled where it has no such beginning. */
static bool begin_like(struct schedule_options *options, const struct vts_client_plan *cold,
                       struct vts_client_error *error)
{
    if (!cold)
        return true;
    if (cold->next || learns(cold))
        return error_set(error, VTS_CLIENT_ERR_INVALID, 0,
                         "cold: is neither a fixed nor an exponential plan");
    options->first_ms = cold->options.first_ms;
    options->factor = cold->options.kind == SCHEDULE_FIXED ? 1 : cold->options.factor;
    options->cap_ms = cold->options.cap_ms;
    options->jitter = cold->options.jitter;
    return true;
}

struct vts_client_plan *vts_client_plan_learn(int64_t cost_ms, int64_t max_gap_ms,
                                              struct vts_client_plan *cold,
                                              struct vts_client_error *error)
{
    struct schedule_options options;

    schedule_options_init(&options, SCHEDULE_COST);
    if (!check_time("cost_ms", cost_ms, 1, error) ||
        !check_time("max_gap_ms", max_gap_ms, 0, error) || !begin_like(&options, cold, error))
        return NULL;
    options.ms_per_poll = (double)cost_ms;
    if (max_gap_ms)
        options.largest_gap_ms = (double)max_gap_ms;
    return of_schedule(&options, error);
}

struct vts_client_plan *vts_client_plan_custom(vts_client_plan_fn *next, void *arg,
                                               void (*release)(void *arg),
                                               struct vts_client_error *error)
{
    struct vts_client_plan *plan;

    if (!next) {
        error_set(error, VTS_CLIENT_ERR_INVALID, 0, "next: is not set");
        return NULL;
    }
    plan = plan_create(error);
    if (!plan)
        return NULL;
    plan->next = next;
    plan->arg = arg;
    plan->release = release;
    return plan;
}

struct vts_client_plan *vts_client_plan_parse(const char *text, struct vts_client_error *error)
{
    struct schedule_options options;
    char problem[256];

    if (schedule_parse(&options, text, problem, sizeof(problem)))
        return of_schedule(&options, error);
    error_set(error, VTS_CLIENT_ERR_INVALID, 0, "%s", problem);
    return NULL;
}

struct vts_client_plan *plans_of_options(const struct vts_client_options *options,
                                         struct vts_client_error *error)
{
    struct schedule_options schedule;

    schedule_options_init(&schedule, options->cost_ms ? SCHEDULE_COST : SCHEDULE_EXPONENTIAL);
    schedule.first_ms = (double)options->initial_ms;
    schedule.factor = options->factor;
    schedule.cap_ms = (double)options->cap_ms;
    schedule.jitter = options->jitter;
    if (options->cost_ms)
        schedule.ms_per_poll = (double)options->cost_ms;
    return of_schedule(&schedule, error);
}

/* ---- classes --------------------------------------------------------------------------------- */

static struct class *class_create(const struct vts_client_plan *plan, const char *name)
{
    struct class *class = calloc(1, sizeof(*class));

    if (!class)
        return NULL;
    class->schedule = schedule_create(&plan->options);
    if (!class->schedule) {
        free(class);
        return NULL;
    }
    strncpy(class->name, name, PLAN_CLASS_MAX); /* it was checked to fit */
    return class;
}

/* Where the next class goes: where there is no room any more, in the place of the one that was not asked
 * for for the longest time. */
static struct class **place_for_one(struct vts_client_plan *plan)
{
    size_t oldest = 0;

    if (plan->class_count < CLASSES_MAX)
        return &plan->classes[plan->class_count++];
    for (size_t i = 1; i < CLASSES_MAX; i++) {
        if (plan->classes[i]->used < plan->classes[oldest]->used)
            oldest = i;
    }
    schedule_destroy(plan->classes[oldest]->schedule);
    free(plan->classes[oldest]);
    return &plan->classes[oldest];
}

/* The schedule for jobs of this class; where memory is short, that for all. */
static struct schedule *find(struct vts_client_plan *plan, const char *name)
{
    struct class *class = NULL;

    for (size_t i = 0; i < plan->class_count && !class; i++) {
        if (strcmp(plan->classes[i]->name, name) == 0)
            class = plan->classes[i];
    }
    if (!class) {
        class = class_create(plan, name);
        if (!class)
            return plan->cold;
        *place_for_one(plan) = class;
    }
    class->used = ++plan->uses;
    return class->schedule;
}

/* ---- asking and teaching --------------------------------------------------------------------- */

static int64_t ask_schedule(struct vts_client_plan *plan, const struct plan_question *question)
{
    const struct vts_client_plan_view *view = &question->view;
    struct schedule *schedule;
    int64_t wait_ms;

    pthread_mutex_lock(&plan->lock);
    schedule = learns(plan) && question->aged ? find(plan, view->job_class) : plan->cold;
    if (question->first && view->age_ms < 1)
        wait_ms = schedule_first(schedule, question->now_ms, question->random);
    else
        wait_ms = schedule_next(schedule, view->age_ms, view->progress, question->random);
    pthread_mutex_unlock(&plan->lock);
    return wait_ms;
}

int64_t plans_next(struct vts_client_plan *plan, const struct plan_question *question)
{
    int64_t wait_ms =
        plan->next ? plan->next(&question->view, plan->arg) : ask_schedule(plan, question);

    if (wait_ms < 1)
        return 1;
    return wait_ms > PLAN_MAX_MS ? PLAN_MAX_MS : wait_ms;
}

void plans_learn(struct vts_client_plan *plan, const struct plan_lesson *lesson)
{
    struct learn_end end = {.last_pending_ms = lesson->pending_ms,
                            .seen_ms = lesson->ended_ms,
                            .projected_ms = lesson->projected_ms};
    struct schedule *schedule;

    if (plan->next || !learns(plan))
        return;
    pthread_mutex_lock(&plan->lock);
    schedule = find(plan, lesson->job_class);
    if (lesson->ended_ms < 0)
        schedule_censored(schedule, lesson->pending_ms);
    else
        schedule_ended(schedule, &end);
    pthread_mutex_unlock(&plan->lock);
}

int64_t plans_projected(int64_t age_ms, double progress)
{
    return learn_projected(age_ms, progress);
}
