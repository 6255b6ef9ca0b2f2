/* SPDX-License-Identifier: MIT
 *
 * What follows an answer. See handle.h. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "handle.h"
#include "plans.h"

#define RTT_SHARE 0.125 /* of the newest in what is smoothed (as in RFC 6298, 2.3) */

/* ---- of the host ----------------------------------------------------------------------------- */

static bool holds_back(int http_status) { return http_status == 429 || http_status == 503; }

void answer_note(struct vts_client *client, const struct settings *settings,
                 const struct reply *reply)
{
    int64_t now_ms = timeline_now_ms(&client->timeline);
    bool good = reply->end == REPLY_ANSWERED && reply->status / 100 == 2;

    if (reply->end != REPLY_ANSWERED)
        return;
    /* A good answer without the header comes from somebody else than those before. */
    if (good || reply->features) {
        client->features = reply->features;
        client->heard = true;
    }
    if (good)
        retry_budget_reward(&client->budget);
    if (holds_back(reply->status) && settings->options.retry_after != VTS_CLIENT_RETRY_AFTER_IGNORE)
        gate_close(&client->gate, now_ms, reply->retry_after_ms);
}

static void note_rtt(struct vts_client *client, const struct reply *reply)
{
    double took_ms = (double)reply->took_ms;

    if (reply->end != REPLY_ANSWERED)
        return;
    if (client->rtt_ms < 0)
        client->rtt_ms = took_ms;
    else
        client->rtt_ms += RTT_SHARE * (took_ms - client->rtt_ms);
}

/* A 429 or 503 that does not say for how long: as long as the one that was told waits by itself. */
static void hold_host(struct vts_client_operation *operation, const struct heard *heard,
                      struct wait_delay delay)
{
    struct vts_client *client = operation->client;

    if (heard->whole && holds_back(heard->error.http_status) && !heard->retry_after_ms &&
        operation->settings->options.retry_after != VTS_CLIENT_RETRY_AFTER_IGNORE)
        gate_close(&client->gate, timeline_now_ms(&client->timeline), delay.delay_ms);
}

/* ---- of the job ------------------------------------------------------------------------------ */

/* What was wrong with the last attempt; where memory is short, a message later says less. */
static void remember(struct vts_client_operation *operation, const struct vts_client_error *error)
{
    if (error->code == VTS_CLIENT_OK) {
        free(operation->trouble);
        operation->trouble = NULL;
        return;
    }
    if (!operation->trouble)
        operation->trouble = malloc(sizeof(*operation->trouble));
    if (operation->trouble)
        *operation->trouble = *error;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : !a && !b;
}

/* Takes the answer over: true where it tells something new. */
static bool take(struct vts_client_operation *operation, struct protocol_answer *answer)
{
    const struct vts_client_job *old = &operation->seen.job, *job = &answer->job;
    bool news = !old->id || old->status != job->status || old->progress < job->progress ||
                old->progress > job->progress || !same_text(old->state, job->state);

    protocol_answer_finish(&operation->seen);
    operation->seen = *answer;
    memset(answer, 0, sizeof(*answer));
    protocol_answer_pack(&operation->seen);
    return news;
}

static void learn(struct vts_client_operation *operation)
{
    const struct vts_client_job *job = &operation->seen.job;

    if (job->status != VTS_CLIENT_PENDING) {
        operation_learn(operation, operation_now_ms(operation) - operation->born_ms);
        return;
    }
    operation->pending_ms = operation->asked_ms; /* it was, when it was looked at, or later */
    if (operation->projected_ms < 0)
        operation->projected_ms =
            plans_projected(operation->pending_ms - operation->born_ms, job->progress);
}

/* Tells the user of a poll. False where the operation was ended meanwhile. */
static bool report(struct vts_client_operation *operation, const struct heard *heard, bool news,
                   const struct wait_delay *delay)
{
    struct vts_client *client = operation->client;
    int64_t now_ms = operation_now_ms(operation);
    struct vts_client_poll poll = {.size = sizeof(poll),
                                   .number = operation->polls,
                                   .elapsed_ms = now_ms - operation->began_ms,
                                   .next_ms = -1};

    if (heard->error.code == VTS_CLIENT_OK)
        poll.job = &operation->seen.job;
    else
        poll.error = &heard->error;
    if (delay &&
        (operation->deadline_ms == NEVER || delay->delay_ms < operation->deadline_ms - now_ms)) {
        poll.next_ms = delay->delay_ms;
        poll.reason = delay->reason;
    }
    callback_enter(client);
    if (news && operation->call.progress)
        operation->call.progress(operation, poll.job, operation->call.arg);
    if (!operation->finished && operation->call.poll)
        operation->call.poll(operation, &poll, operation->call.arg);
    callback_leave(client);
    return !operation->finished;
}

/* The answer to a poll is understood. The caller holds the operation. */
static void go_on(struct vts_client_operation *operation, const struct heard *heard, bool news)
{
    enum wait_next next =
        wait_answered(&operation->wait, &heard->error, operation->seen.job.status);
    struct wait_delay delay = {.delay_ms = 0};
    int64_t plan_ms = -1, due_ms = NEVER;

    operation->client->counters.polls++;
    remember(operation, &heard->error);
    if (heard->error.code == VTS_CLIENT_OK)
        learn(operation);
    if (next != WAIT_ENDED) {
        delay = delay_choose(operation, next, heard, &plan_ms);
        hold_host(operation, heard, delay);
        /* It sleeps before the user is told, who may poke or stop it. */
        operation->due_ms = due_ms = operation_now_ms(operation) + delay.delay_ms;
    }
    if (!report(operation, heard, news, next == WAIT_ENDED ? NULL : &delay))
        return;
    if (next == WAIT_ENDED)
        operation_finish(operation, heard->error.code ? &heard->error : NULL);
    else if (operation->due_ms == due_ms)
        delay_sleep(operation, delay, plan_ms);
}

void answer_poll(struct vts_client_operation *operation, struct protocol_answer *answer,
                 const struct heard *heard)
{
    bool good = heard->error.code == VTS_CLIENT_OK;

    operation_hold(operation);
    trace_answer(operation, &heard->error, good ? 200 : heard->error.http_status);
    if (!operation->finished)
        go_on(operation, heard, good && take(operation, answer));
    operation_release(operation);
    protocol_answer_finish(answer);
}

/* ---- of a start ------------------------------------------------------------------------------ */

static void started(struct vts_client_operation *operation, struct protocol_answer *answer,
                    struct heard *heard)
{
    int64_t plan_ms;
    struct wait_delay delay;

    if (heard->error.code == VTS_CLIENT_ERR_EXISTS &&
        !protocol_started(operation->id, answer, &heard->error)) {
        operation_finish(operation, &heard->error);
        return;
    }
    take(operation, answer);
    remember(operation, &(struct vts_client_error){.code = VTS_CLIENT_OK});
    operation->starting = false;
    operation->aged = true;
    operation->born_ms = operation->pending_ms = operation_now_ms(operation);
    if (operation->kind == OPERATION_START) {
        operation_finish(operation, NULL);
        return;
    }
    delay = delay_choose(operation, WAIT_PLAN, heard, &plan_ms);
    delay_sleep(operation, delay, plan_ms);
}

/* A job was started, by a server that may have passed over what it should be. */
static bool is_another(const struct vts_client_operation *operation, struct heard *heard)
{
    if (!operation->wish || operation->client->features & FEATURE_OPTIONS)
        return false;
    error_set(&heard->error, VTS_CLIENT_ERR_PROTOCOL, heard->error.http_status,
              "job \"%s\" was started, by a server that does not say that it takes a behaviour or "
              "settings for one job: it may be another job than was asked for",
              operation->id);
    return true;
}

static void after_start(struct vts_client_operation *operation, struct protocol_answer *answer,
                        struct heard *heard, bool arrived)
{
    enum wait_next next = wait_started(&operation->wait, &heard->error, arrived);
    struct wait_delay delay;
    int64_t plan_ms;

    if (next == WAIT_PLAN && is_another(operation, heard))
        next = WAIT_ENDED;
    if (next == WAIT_PLAN) {
        started(operation, answer, heard);
        return;
    }
    remember(operation, &heard->error);
    if (next == WAIT_ENDED) {
        operation_finish(operation, &heard->error);
        return;
    }
    delay = delay_choose(operation, next, heard, &plan_ms);
    hold_host(operation, heard, delay);
    delay_sleep(operation, delay, plan_ms);
}

/* ---- of the rest ----------------------------------------------------------------------------- */

/* Asked to stop, it turned out to have ended before. */
static bool ended_by_itself(const struct vts_client_operation *operation, const struct heard *heard)
{
    const struct vts_client_job *job = &operation->seen.job;

    return heard->error.code == VTS_CLIENT_OK && job->status != VTS_CLIENT_PENDING && job->state &&
           strcmp(job->state, "cancelled") != 0;
}

/* The job of a wait was asked to stop, by the user or because of the deadline. */
static void after_stop(struct vts_client_operation *operation, struct protocol_answer *answer,
                       struct heard *heard)
{
    struct wait_delay delay;
    int64_t plan_ms;

    operation->stopping = false;
    if (heard->error.code == VTS_CLIENT_OK)
        take(operation, answer);
    if (operation->stop_late && !ended_by_itself(operation, heard)) { /* the deadline ends it */
        operation->due_ms = operation->deadline_ms;
        operation_arm(operation);
        return;
    }
    if (heard->error.code || operation->seen.job.status != VTS_CLIENT_PENDING) {
        operation_finish(operation, heard->error.code ? &heard->error : NULL);
        return;
    }
    operation->starting = false;
    delay = delay_choose(operation, WAIT_PLAN, heard, &plan_ms);
    delay_sleep(operation, delay, plan_ms);
}

static void after_other(struct vts_client_operation *operation, struct protocol_answer *answer,
                        const struct heard *heard)
{
    if (heard->error.code == VTS_CLIENT_OK)
        take(operation, answer);
    operation_finish(operation, heard->error.code ? &heard->error : NULL);
}

static void dispatch(struct vts_client_operation *operation, struct protocol_answer *answer,
                     struct heard *heard, bool arrived)
{
    bool polled = operation->question == PROTOCOL_STATUS || operation->question == PROTOCOL_JOB;

    if (polled && operation_polls(operation)) {
        answer_poll(operation, answer, heard);
        return;
    }
    operation->client->counters.polls += polled;
    trace_answer(operation, &heard->error, heard->error.code ? heard->error.http_status : 200);
    if (operation->finished)
        return;
    if (operation->stopping)
        after_stop(operation, answer, heard);
    else if (operation->starting)
        after_start(operation, answer, heard, arrived);
    else if (operation->watch)
        watch_page(operation, answer, heard);
    else
        after_other(operation, answer, heard);
}

/* A request that was to wait for a change: was it done so? */
static bool came_early(struct vts_client_operation *operation, const struct reply *reply)
{
    int64_t wait_ms = operation->settings->options.long_poll_ms;

    if (!operation->holds_wait || reply->end != REPLY_ANSWERED || reply->status / 100 != 2)
        return false;
    if (!reply->wait_applied)
        operation->client->long_poll_off = true;
    return reply->took_ms < wait_ms / 2;
}

void answer_single(const struct reply *reply, void *arg)
{
    struct vts_client_operation *operation = arg;
    struct vts_client *client = operation->client;
    struct heard heard = {.retry_after_ms = reply->retry_after_ms, .whole = true};
    struct protocol_answer answer;

    operation_hold(operation);
    operation->exchange = NULL;
    answer_note(client, operation->settings, reply);
    if (!operation->holds_wait)
        note_rtt(client, reply);
    heard.early = came_early(operation, reply);
    delay_give_back(operation);
    operation->polls +=
        operation->question == PROTOCOL_STATUS || operation->question == PROTOCOL_JOB;
    free(operation->said);
    operation->said = NULL;
    if (!protocol_read(operation->question, operation->id, client->target.authority, reply, &answer,
                       &heard.error)) {
        client->counters.failed++;
        operation->said = protocol_said(reply);
    }
    dispatch(operation, &answer, &heard, reply->end != REPLY_NOT_CONNECTED);
    protocol_answer_finish(&answer);
    handle_hold(client);
    operation_release(operation);
    pump(client);
    handle_release(client);
}
