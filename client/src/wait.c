/* SPDX-License-Identifier: MIT
 *
 * The rules of waiting. See wait.h; client.h tells them to users. */
#include "wait.h"

void wait_init(struct wait *wait, const struct vts_client_options *options)
{
    *wait = (struct wait){.max_errors = options->max_errors};
    backoff_init(&wait->retries, WAIT_RETRY_FIRST_MS, WAIT_RETRY_FACTOR, WAIT_RETRY_CAP_MS,
                 options->jitter);
}

static bool may_pass(const struct wait *wait, const struct vts_client_error *error)
{
    switch (error->code) {
    case VTS_CLIENT_ERR_UNREACHABLE:
    case VTS_CLIENT_ERR_TIMEOUT:
    case VTS_CLIENT_ERR_SERVER:
    case VTS_CLIENT_ERR_PROTOCOL:
        return true;
    case VTS_CLIENT_ERR_UNKNOWN_JOB:
        return wait->known;
    case VTS_CLIENT_ERR_REFUSED:
        return error->http_status == 429; /* too many requests: RFC 6585, 4 */
    default:
        return false;
    }
}

static enum wait_next failed(struct wait *wait, bool passes)
{
    wait->errors++;
    return passes && wait->errors < wait->max_errors ? WAIT_RETRY : WAIT_ENDED;
}

static void succeeded(struct wait *wait)
{
    wait->known = true;
    wait->errors = 0;
    backoff_restart(&wait->retries);
}

enum wait_next wait_answered(struct wait *wait, const struct vts_client_error *error,
                             enum vts_client_status status)
{
    if (error->code != VTS_CLIENT_OK)
        return failed(wait, may_pass(wait, error));
    succeeded(wait);
    return status == VTS_CLIENT_PENDING ? WAIT_PLAN : WAIT_ENDED;
}

/* Was it no answer to the start, so that nobody knows what became of it? A redirect, or a status that
 * makes no sense, is one. */
static bool is_lost(const struct vts_client_error *error)
{
    switch (error->code) {
    case VTS_CLIENT_ERR_UNREACHABLE:
    case VTS_CLIENT_ERR_TIMEOUT:
    case VTS_CLIENT_ERR_SERVER:
        return true;
    case VTS_CLIENT_ERR_PROTOCOL:
        return error->http_status == 0 || error->http_status / 100 == 2;
    default:
        return false;
    }
}

enum wait_next wait_started(struct wait *wait, const struct vts_client_error *error, bool arrived)
{
    if (error->code == VTS_CLIENT_OK || (error->code == VTS_CLIENT_ERR_EXISTS && wait->arrived)) {
        succeeded(wait);
        return WAIT_PLAN;
    }
    if (!is_lost(error))
        return WAIT_ENDED;
    wait->arrived = wait->arrived || arrived;
    return failed(wait, true);
}

int64_t wait_retry_ms(struct wait *wait, double uniform)
{
    return backoff_next(&wait->retries, uniform);
}

struct wait_delay wait_settle(const struct wait_claims *claims)
{
    struct wait_delay delay = {claims->delay_ms, claims->reason};
    int64_t retry_after_ms =
        claims->policy == VTS_CLIENT_RETRY_AFTER_IGNORE ? 0 : claims->retry_after_ms;
    int64_t floor_ms = retry_after_ms > claims->gate_ms ? retry_after_ms : claims->gate_ms;

    if (retry_after_ms > delay.delay_ms ||
        (retry_after_ms && claims->policy == VTS_CLIENT_RETRY_AFTER_EXACT))
        delay = (struct wait_delay){retry_after_ms, VTS_CLIENT_REASON_RETRY_AFTER};
    if (claims->gate_ms > delay.delay_ms)
        delay = (struct wait_delay){claims->gate_ms, VTS_CLIENT_REASON_HOST_GATE};
    /* The server knows best when asking is of no use. */
    if (claims->last_look_ms > 0 && delay.delay_ms > claims->last_look_ms &&
        floor_ms <= claims->last_look_ms)
        delay = (struct wait_delay){claims->last_look_ms, VTS_CLIENT_REASON_DEADLINE};
    return delay;
}
