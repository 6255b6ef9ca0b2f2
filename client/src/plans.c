/* SPDX-License-Identifier: MIT
 *
 * Plans. See plans.h, and "plans" in client.h. */
#include "plans.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "error.h"
#include "options.h"

enum plan_kind { PLAN_EXPONENTIAL, PLAN_CUSTOM };

struct vts_client_plan {
    atomic_uint references;
    enum plan_kind kind;
    struct backoff backoff;
    vts_client_plan_fn *next;
    void *arg;
    void (*release)(void *arg);
};

static struct vts_client_plan *plan_create(enum plan_kind kind, struct vts_client_error *error)
{
    struct vts_client_plan *plan = calloc(1, sizeof(*plan));

    if (!plan) {
        error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
        return NULL;
    }
    atomic_init(&plan->references, 1);
    plan->kind = kind;
    return plan;
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
    free(plan);
}

struct vts_client_plan *vts_client_plan_exponential(int64_t initial_ms, double factor,
                                                    int64_t cap_ms, double jitter,
                                                    struct vts_client_error *error)
{
    struct vts_client_plan *plan = plan_create(PLAN_EXPONENTIAL, error);

    if (plan)
        backoff_init(&plan->backoff, initial_ms, factor, cap_ms, jitter);
    return plan;
}

struct vts_client_plan *plan_of_options(const struct vts_client_options *options,
                                        struct vts_client_error *error)
{
    return vts_client_plan_exponential(options->initial_ms, options->factor, options->cap_ms,
                                       options->jitter, error);
}

struct vts_client_plan *vts_client_plan_custom(vts_client_plan_fn *next, void *arg,
                                               void (*release)(void *arg),
                                               struct vts_client_error *error)
{
    struct vts_client_plan *plan = plan_create(PLAN_CUSTOM, error);

    if (!plan)
        return NULL;
    plan->next = next;
    plan->arg = arg;
    plan->release = release;
    return plan;
}

int64_t plan_next(struct vts_client_plan *plan, const struct vts_client_plan_view *view,
                  unsigned int step)
{
    struct backoff backoff = plan->backoff;
    int64_t wait_ms = 0;

    if (plan->kind == PLAN_CUSTOM)
        wait_ms = plan->next(view, plan->arg);
    for (unsigned int i = 0; plan->kind == PLAN_EXPONENTIAL && i <= step && i < 400; i++)
        wait_ms = backoff_next(&backoff, view->random);
    if (wait_ms < 1)
        return 1;
    return wait_ms > PLAN_MAX_MS ? PLAN_MAX_MS : wait_ms;
}

void plan_learn_end(struct vts_client_plan *plan, const char *job_class, int64_t pending_ms,
                    int64_t ended_ms)
{
    (void)plan, (void)job_class, (void)pending_ms, (void)ended_ms;
}

void plan_learn_pending(struct vts_client_plan *plan, const char *job_class, int64_t age_ms)
{
    (void)plan, (void)job_class, (void)age_ms;
}
