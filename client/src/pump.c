/* SPDX-License-Identifier: MIT
 *
 * Who may ask now: operations that are due wait in one of two queues, for the host's gate, for a
 * connection, and those that repeat what failed for a token of the retry budget, too. Nobody needs to be
 * woken to find a closed gate: ten thousand waits cost no more than one. */
#include "handle.h"

void pump_soon(struct vts_client *client)
{
    if (!client->destroyed && !client->timeline.firing) /* else it follows anyway */
        timeline_set(&client->timeline, &client->pump_timer, 0);
}

static void pump_at(struct vts_client *client, int64_t at_ms)
{
    timeline_set(&client->timeline, &client->pump_timer, at_ms);
}

static struct operation_list *queue_of(struct vts_client_operation *operation)
{
    return operation->retries ? &operation->client->retrying : &operation->client->ready;
}

/* Says why it waits in the queue, where that is known. The operation may be gone after this. */
static void tell_why(struct vts_client_operation *operation)
{
    struct vts_client *client = operation->client;
    int64_t gate_ms = client->gate.until_ms - operation->queued_ms;
    struct wait_delay delay = {.delay_ms = 0};

    if (gate_ms > 0) {
        delay = (struct wait_delay){gate_ms, VTS_CLIENT_REASON_HOST_GATE};
    } else if (operation->retries &&
               (client->budget.tokens < 1 || TAILQ_FIRST(&client->retrying) != operation)) {
        client->counters.retries_delayed++;
        delay.reason = VTS_CLIENT_REASON_RETRY_BUDGET;
    } else {
        return;
    }
    operation->reason = delay.reason;
    trace_delay(operation, delay, -1);
}

void pump_add(struct vts_client_operation *operation)
{
    struct vts_client *client = operation->client;

    TAILQ_INSERT_TAIL(queue_of(operation), operation, place);
    operation->queued = true;
    operation->queued_ms = operation_now_ms(operation);
    client->queued++;
    pump_soon(client);
    tell_why(operation);
}

void pump_remove(struct vts_client_operation *operation)
{
    if (!operation->queued)
        return;
    TAILQ_REMOVE(queue_of(operation), operation, place);
    operation->queued = false;
    operation->client->queued--;
}

/* The next one that may go, or NULL; the pump's timer is then set where time will help. */
static struct vts_client_operation *next(struct vts_client *client, int64_t now_ms)
{
    struct vts_client_operation *ready = TAILQ_FIRST(&client->ready);
    struct vts_client_operation *retry = TAILQ_FIRST(&client->retrying);
    int64_t wait_ms;

    if ((!ready && !retry) || !transport_is_free(client->transport))
        return NULL;
    if (!gate_is_open(&client->gate, now_ms)) {
        pump_at(client, client->gate.until_ms);
        return NULL;
    }
    if (!retry || (ready && ready->queued_ms <= retry->queued_ms))
        return ready;
    wait_ms = retry_budget_take(&client->budget, now_ms);
    if (!wait_ms)
        return retry;
    if (!ready)
        pump_at(client, now_ms + wait_ms);
    return ready;
}

static bool pump_one(struct vts_client *client)
{
    struct vts_client_operation *operation = next(client, timeline_now_ms(&client->timeline));
    struct vts_client_error error;

    if (!operation)
        return false;
    if (batch_send(operation))
        return true;
    pump_remove(operation);
    if (!ask_may(operation, &error))
        operation_finish(operation, &error);
    else if (!ask(operation))
        operation_finish_no_memory(operation);
    return true;
}

void pump(struct vts_client *client)
{
    if (client->pumping)
        return;
    client->pumping = true;
    while (!client->destroyed && pump_one(client))
        ;
    client->pumping = false;
}
