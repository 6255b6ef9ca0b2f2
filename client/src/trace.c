/* SPDX-License-Identifier: MIT
 *
 * What the user is told as it happens, and why. See "traces" in client.h. */
#include "batch.h"
#include "handle.h"

const char *vts_client_reason_name(enum vts_client_reason reason)
{
    static const char *const names[] = {[VTS_CLIENT_REASON_NOW] = "now",
                                        [VTS_CLIENT_REASON_PLAN] = "plan",
                                        [VTS_CLIENT_REASON_RETRY_AFTER] = "Retry-After",
                                        [VTS_CLIENT_REASON_HOST_GATE] = "host gate",
                                        [VTS_CLIENT_REASON_RETRY] = "retry",
                                        [VTS_CLIENT_REASON_RETRY_BUDGET] = "retry budget",
                                        [VTS_CLIENT_REASON_DEADLINE] = "deadline",
                                        [VTS_CLIENT_REASON_LONG_POLL] = "long poll",
                                        [VTS_CLIENT_REASON_POKE] = "poke",
                                        [VTS_CLIENT_REASON_CONNECTION] = "connection",
                                        [VTS_CLIENT_REASON_CANCEL] = "cancel"};

    return (unsigned int)reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "unknown";
}

/* Fills in what all of them tell, and calls. The operation stays until this returns. */
static void tell(struct vts_client_operation *operation, struct vts_client_trace *trace)
{
    const struct vts_client_options *options = &operation->settings->options;

    trace->size = sizeof(*trace);
    trace->reason = operation->reason;
    trace->job_id = operation->id;
    trace->request = protocol_question_name(operation->question);
    trace->number = operation->requests;
    if (!trace->batch)
        trace->batch = 1;
    trace->elapsed_ms = operation_now_ms(operation) - operation->began_ms;
    operation_hold(operation);
    callback_enter(operation->client);
    options->trace(operation, trace, options->trace_arg);
    callback_leave(operation->client);
    operation_release(operation);
}

static bool wanted(const struct vts_client_operation *operation)
{
    return operation->settings->options.trace != NULL;
}

void trace_delay(struct vts_client_operation *operation, struct wait_delay delay, int64_t plan_ms)
{
    struct vts_client_trace trace = {
        .event = VTS_CLIENT_EVENT_DELAY, .delay_ms = delay.delay_ms, .plan_ms = plan_ms};

    if (wanted(operation))
        tell(operation, &trace);
}

void trace_request(struct vts_client_operation *operation)
{
    struct vts_client_trace trace = {.event = VTS_CLIENT_EVENT_REQUEST, .plan_ms = -1};

    if (operation->batch)
        trace.batch = operation->batch->count;
    if (wanted(operation))
        tell(operation, &trace);
}

void trace_answer(struct vts_client_operation *operation, const struct vts_client_error *error,
                  int http_status)
{
    struct vts_client_trace trace = {.event = VTS_CLIENT_EVENT_ANSWER,
                                     .delay_ms = operation_now_ms(operation) - operation->asked_ms,
                                     .plan_ms = -1,
                                     .http_status = http_status,
                                     .error = error};

    if (wanted(operation))
        tell(operation, &trace);
}

void trace_end(struct vts_client_operation *operation, const struct vts_client_error *error)
{
    struct vts_client_trace trace = {.event = VTS_CLIENT_EVENT_END,
                                     .plan_ms = -1,
                                     .http_status = error->http_status,
                                     .error = error};

    if (wanted(operation))
        tell(operation, &trace);
}
