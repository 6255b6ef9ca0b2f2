/* SPDX-License-Identifier: MIT
 *
 * When an operation asks again, and why then: puts together its plan, the rules of waiting, the host's
 * gate and the deadline. See handle.h. */
#include "chance.h"
#include "handle.h"
#include "plans.h"

/* Before the deadline there must be time for an answer. */
#define LEAD_MIN_MS 50
#define LEAD_MAX_MS 1000
#define LEAD_ROUNDS 4 /* so many times what requests take */

static int64_t lead_ms(const struct vts_client_operation *operation)
{
    double rtt_ms = operation->client->rtt_ms;
    int64_t lead = rtt_ms > 0 ? (int64_t)(LEAD_ROUNDS * rtt_ms) : 0;
    int64_t most = operation->settings->options.deadline_ms / 4;

    if (lead < LEAD_MIN_MS)
        lead = LEAD_MIN_MS;
    if (lead > LEAD_MAX_MS)
        lead = LEAD_MAX_MS;
    return lead < most ? lead : most;
}

static bool stops_late(const struct vts_client_operation *operation)
{
    return operation->settings->options.on_deadline == VTS_CLIENT_ON_DEADLINE_CANCEL;
}

int64_t delay_stop_ms(const struct vts_client_operation *operation)
{
    if (operation->deadline_ms == NEVER || !operation_polls(operation) || operation->stopping ||
        operation->stop_late || !stops_late(operation) ||
        (operation->starting && !operation->starts))
        return NEVER;
    return operation->deadline_ms - lead_ms(operation);
}

int64_t delay_last_look_ms(const struct vts_client_operation *operation)
{
    if (operation->deadline_ms == NEVER || !operation_polls(operation) || operation->starting ||
        operation->looked_last)
        return NEVER;
    return operation->deadline_ms - lead_ms(operation) * (stops_late(operation) ? 2 : 1);
}

/* A blocking handle has one operation; on the others, some connections are left for the rest. */
static bool has_room(const struct vts_client *client)
{
    int most = client->settings->options.max_connections;

    return client->long_polls < (client->own_base ? most : most / 2);
}

void delay_give_back(struct vts_client_operation *operation)
{
    operation->client->long_polls -= operation->holds_wait;
    operation->holds_wait = false;
}

int64_t delay_long_poll_s(struct vts_client_operation *operation)
{
    struct vts_client *client = operation->client;
    int64_t wait_ms = operation->settings->options.long_poll_ms;
    int64_t last_ms = delay_last_look_ms(operation), now_ms = operation_now_ms(operation);

    if (last_ms != NEVER && wait_ms > last_ms - now_ms)
        wait_ms = last_ms - now_ms;
    if (wait_ms < 1000 || !operation_polls(operation) || operation->wait.errors ||
        client->long_poll_off || !(client->features & FEATURE_WAIT) ||
        !seat_is_real(&client->timeline.seat) || (!operation->holds_wait && !has_room(client))) {
        delay_give_back(operation);
        return 0;
    }
    client->long_polls += !operation->holds_wait;
    operation->holds_wait = true;
    return wait_ms / 1000;
}

static int64_t ask_plan(struct vts_client_operation *operation)
{
    const struct settings *settings = operation->settings;
    struct plan_question question = {.random = chance_next(&operation->client->chance),
                                     .now_ms = operation_now_ms(operation),
                                     .first = !operation->planned,
                                     .aged = operation->aged};

    question.view =
        (struct vts_client_plan_view){.size = sizeof(question.view),
                                      .job_id = operation->id,
                                      .job_class = settings->job_class,
                                      .polls = operation->polls,
                                      .age_ms = question.now_ms - operation->born_ms,
                                      .last_ms = operation->last_plan_ms,
                                      .progress = -1,
                                      .random = (double)(question.random >> 11) * 0x1p-53};
    if (operation->seen.job.id)
        question.view.progress = operation->seen.job.progress;
    operation->last_plan_ms = plans_next(settings->plan, &question);
    operation->planned = true;
    return operation->last_plan_ms;
}

struct wait_delay delay_choose(struct vts_client_operation *operation, enum wait_next next,
                               const struct heard *heard, int64_t *plan_ms)
{
    int64_t now_ms = operation_now_ms(operation), last_ms = delay_last_look_ms(operation);
    struct wait_claims claims = {.policy = operation->settings->options.retry_after,
                                 .retry_after_ms = heard->retry_after_ms,
                                 .gate_ms = operation->client->gate.until_ms - now_ms};

    *plan_ms = -1;
    operation->floor_ms = now_ms;
    if (claims.policy != VTS_CLIENT_RETRY_AFTER_IGNORE)
        operation->floor_ms += heard->retry_after_ms;
    operation->retries = next == WAIT_RETRY;
    if (next == WAIT_RETRY) {
        claims.reason = VTS_CLIENT_REASON_RETRY;
        claims.delay_ms = wait_retry_ms(&operation->wait, operation_uniform(operation));
    } else if (!heard->early && delay_long_poll_s(operation)) {
        claims.reason = VTS_CLIENT_REASON_LONG_POLL;
    } else {
        claims.reason = VTS_CLIENT_REASON_PLAN;
        claims.delay_ms = *plan_ms = ask_plan(operation);
    }
    if (last_ms != NEVER && last_ms > now_ms)
        claims.last_look_ms = last_ms - now_ms;
    return wait_settle(&claims);
}

void delay_sleep(struct vts_client_operation *operation, struct wait_delay delay, int64_t plan_ms)
{
    operation->due_ms = operation_now_ms(operation) + delay.delay_ms;
    operation->reason = delay.reason;
    operation_arm(operation);
    trace_delay(operation, delay, plan_ms);
}
