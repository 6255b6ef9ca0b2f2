/* SPDX-License-Identifier: MIT
 *
 * The rules of waiting. See wait.h; client.h tells them to users. */
#include "wait.h"

void wait_init(struct wait *wait, const struct vts_client_options *options)
{
    backoff_init(&wait->polls, options->initial_ms, options->factor, options->cap_ms,
                 options->jitter);
    backoff_init(&wait->retries, WAIT_RETRY_FIRST_MS, WAIT_RETRY_FACTOR, WAIT_RETRY_CAP_MS,
                 options->jitter);
    wait->errors = 0;
    wait->max_errors = options->max_errors;
    wait->known = false;
}

/* Retry-After is a floor: the server knows best when asking is of no use. */
static int64_t at_least(int64_t delay_ms, int64_t floor_ms)
{
    return delay_ms < floor_ms ? floor_ms : delay_ms;
}

int64_t wait_started(struct wait *wait, int64_t retry_after_ms, double uniform)
{
    wait->known = true;
    return at_least(backoff_next(&wait->polls, uniform), retry_after_ms);
}

static bool may_pass(const struct wait *wait, const struct wait_answer *answer)
{
    switch (answer->code) {
    case VTS_CLIENT_ERR_UNREACHABLE:
    case VTS_CLIENT_ERR_TIMEOUT:
    case VTS_CLIENT_ERR_SERVER:
    case VTS_CLIENT_ERR_PROTOCOL:
        return true;
    case VTS_CLIENT_ERR_UNKNOWN_JOB:
        return wait->known;
    case VTS_CLIENT_ERR_REFUSED:
        return answer->http_status == 429; /* too many requests: RFC 6585, 4 */
    default:
        return false;
    }
}

struct wait_step wait_answered(struct wait *wait, const struct wait_answer *answer, double uniform)
{
    struct wait_step step = {.ended = false};

    if (answer->code == VTS_CLIENT_OK) {
        wait->known = true;
        wait->errors = 0;
        backoff_restart(&wait->retries);
        step.ended = answer->status != VTS_CLIENT_PENDING;
        if (!step.ended)
            step.delay_ms = at_least(backoff_next(&wait->polls, uniform), answer->retry_after_ms);
        return step;
    }
    wait->errors++;
    step.ended = !may_pass(wait, answer) || wait->errors >= wait->max_errors;
    if (!step.ended)
        step.delay_ms = at_least(backoff_next(&wait->retries, uniform), answer->retry_after_ms);
    return step;
}
