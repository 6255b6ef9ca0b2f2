/* SPDX-License-Identifier: MIT
 *
 * GET /jobs?id=a&id=b: several jobs asked for in one request. Each is a poll of its own, all are asked at
 * once, and the answer leaves when the last is in, in the order of the request. Where a job asked for alone
 * would not have been told by a good answer, its place has an error object instead. */
#include <stdlib.h>

#include "job_json.h"
#include "request.h"
#include "routes.h"

/* An answer that has as many bytes takes no more jobs: with the last one it stays below a megabyte. */
#define BATCH_BYTES ((size_t)256 * 1024)

struct batch_item {
    struct service_call call; /* first */
    struct batch *batch;
    char id[RECORD_ID_MAX + 1];
    struct text told; /* its object in the answer */
};

struct batch {
    struct exchange *exchange;
    size_t count;
    size_t left;  /* items that are not in yet, and one more while they are being asked */
    size_t bytes; /* of all that is told */
    struct batch_item items[];
};

static void batch_free(void *arg)
{
    struct batch *batch = arg;
    size_t i;

    for (i = 0; i < batch->count; i++) {
        service_call_finish(&batch->items[i].call);
        text_finish(&batch->items[i].told);
    }
    free(batch);
}

/* ---- one job's place in the answer ---- */

/* {"id": "a", "error": "...", "http_status": 404, "retry_after": 1}; no retry_after where it is -1. */
static void tell_error(struct batch_item *item, int status, int64_t retry_after,
                       const char *message)
{
    struct text *told = &item->told;

    text_reset(told);
    text_puts(told, "{\"id\": ");
    text_json(told, item->id, item->call.store.id.length);
    text_puts(told, ", \"error\": ");
    text_json(told, message, strlen(message));
    text_printf(told, ", \"http_status\": %d", status);
    if (retry_after >= 0)
        text_printf(told, ", \"retry_after\": %lld", (long long)retry_after);
    text_puts(told, "}");
}

/* What cannot be said of one job among others, as a gateway would report it: added to `message`, which says who
 * does it. False: all can be said. */
static bool bend_of(const struct vts_answer *bent, int *status, struct text *message)
{
    static const char *const cuts[] = {[VTS_BREAK_RESET] = "resets the connection",
                                       [VTS_BREAK_EMPTY] =
                                           "closes the connection without an answer",
                                       [VTS_BREAK_TRUNCATE] = "cuts the answer off",
                                       [VTS_BREAK_GARBAGE] = "answers with what is no HTTP"};
    static const char *const bodies[] = {[VTS_BODY_HTML] = "answers with a page instead of JSON",
                                         [VTS_BODY_INVALID_JSON] = "answers with what is no JSON",
                                         [VTS_BODY_NO_STATUS] = "answers without a status"};

    *status = 502;
    if (bent->cut != VTS_BREAK_NONE) {
        text_puts(message, cuts[bent->cut]);
    } else if (bent->status && (bent->status < 200 || bent->status > 299)) {
        *status = bent->status;
        text_printf(message, "answers %d", bent->status);
    } else if (bent->body == VTS_BODY_NOT_FOUND) {
        *status = 404;
        text_reset(message);
        text_puts(message, NO_SUCH_JOB);
    } else if (bent->body != VTS_BODY_USUAL) {
        text_puts(message, bodies[bent->body]);
    } else if (bent->stall > 0 || bent->dribble > 0) {
        *status = 504;
        text_printf(message, "%s the answer: ask for this job alone to wait for it",
                    bent->stall > 0 ? "stalls" : "dribbles");
    } else {
        return false;
    }
    return true;
}

/* False where the job can be told. */
static bool tell_bent(struct batch_item *item, int64_t retry_after)
{
    const struct service_call *call = &item->call;
    struct text message = TEXT_INIT;
    int status;
    bool bends;

    exchange_teller(call, &message);
    text_puts(&message, " ");
    bends = bend_of(&call->answer, &status, &message);
    if (bends)
        tell_error(item, status, retry_after, message.failed ? "no memory" : message.bytes);
    text_finish(&message);
    return bends;
}

static void tell_job(struct batch_item *item, const struct job *job)
{
    const struct service_call *call = &item->call;
    const struct vts_answer *bent = call->bent ? &call->answer : NULL;
    int64_t retry_after = -1;

    if (bent && bent->retry_after != 0)
        retry_after = exchange_seconds(bent->retry_after);
    if (bent && tell_bent(item, retry_after))
        return;
    job_json(&item->told, job, call->told, call->store.polls, call->store.now, bent);
    if (retry_after >= 0 && item->told.length > 0) {
        item->told.length--;
        text_printf(&item->told, ", \"retry_after\": %lld}", (long long)retry_after);
    }
}

static void tell(struct batch_item *item)
{
    const struct service_call *call = &item->call;
    struct text message = TEXT_INIT;
    int64_t retry_after = -1;
    struct job job;
    int status;

    if (item->batch->bytes > BATCH_BYTES) {
        tell_error(item, 503, 1, "the answer is full: ask for this job in another request");
    } else if (call->result == SERVICE_DONE && service_job(call, &job)) {
        tell_job(item, &job);
    } else {
        status = exchange_refused(item->batch->exchange, call, &message, &retry_after);
        tell_error(item, status, retry_after, message.failed ? "no memory" : message.bytes);
        text_finish(&message);
    }
    item->batch->bytes += item->told.length;
}

/* ---- all of them ---- */

static void one_less(struct batch *batch)
{
    if (--batch->left == 0)
        exchange_called_back(batch->exchange);
}

static void item_done(struct service_call *call)
{
    struct batch_item *item = (struct batch_item *)call;

    tell(item);
    /* Of a hundred jobs only what is told of them is kept. */
    text_finish(&call->record);
    text_finish(&call->word);
    text_finish(&call->teller);
    service_call_let_go(call);
    one_less(item->batch);
}

static void ask_all(struct service_call *call)
{
    struct batch *batch = ((struct exchange *)call)->own;
    size_t i, count = batch->count;

    batch->left = count + 1;
    for (i = 0; i < count; i++)
        service_status(&batch->items[i].call);
    one_less(batch);
}

static void write_all(struct exchange *exchange)
{
    const struct batch *batch = exchange->own;
    struct text *body = &exchange->answer.body;
    size_t i;

    text_puts(body, "{\"jobs\": [");
    for (i = 0; i < batch->count; i++) {
        text_puts(body, i > 0 ? ", " : "");
        text_add(body, batch->items[i].told.bytes, batch->items[i].told.length);
        body->failed |= batch->items[i].told.failed;
    }
    text_puts(body, "], \"next\": null}");
    exchange_answer(exchange);
}

/* ---- the request ---- */

static bool take_item(struct exchange *exchange, struct batch *batch, struct bytes raw)
{
    struct batch_item *item = &batch->items[batch->count];
    size_t length;

    if (!request_decode(exchange, "id", raw, true, item->id, &length) ||
        !request_id_good(exchange, "id", item->id, length))
        return false;
    service_call_init(&item->call);
    item->call.store.id = (struct bytes){item->id, length};
    item->call.port = exchange->worker->port;
    item->call.want_job = item->call.spare_input = true;
    item->call.done = item_done;
    item->call.connection = exchange->call.connection;
    item->call.in_batch = true;
    item->call.tells = exchange->call.tells;
    item->batch = batch;
    batch->count++;
    return true;
}

static size_t count_ids(const struct exchange *exchange)
{
    const char *at = exchange->query;
    struct bytes raw;
    size_t count = 0;

    while ((at = request_next(at, "id", &raw)))
        count++;
    return count;
}

/* What a listing is asked for with says nothing here. */
static bool ids_alone(struct exchange *exchange)
{
    static const char *const listing[] = {"state", "limit", "after", NULL};
    static const char *const known[] = {"id", NULL};
    struct bytes raw;
    size_t i;

    for (i = 0; listing[i]; i++)
        if (request_next(exchange->query, listing[i], &raw)) {
            exchange_error(exchange, 400,
                           "%s goes with a listing, id with the jobs that are named: ask for one",
                           listing[i]);
            return false;
        }
    return request_parameters_known(exchange, known);
}

void batch_get(struct exchange *exchange)
{
    size_t count = count_ids(exchange);
    const char *at = exchange->query;
    struct batch *batch;
    struct bytes raw;

    if (!ids_alone(exchange))
        return;
    if (count > BATCH_MOST) {
        exchange_error(exchange, 400, "%zu ids are asked for at one time, %d are the most", count,
                       BATCH_MOST);
        return;
    }
    batch = calloc(1, sizeof(*batch) + count * sizeof(batch->items[0]));
    if (!batch) {
        exchange_error(exchange, 503, "no memory for %zu jobs", count);
        return;
    }
    batch->exchange = exchange;
    exchange->own = batch;
    exchange->own_free = batch_free;
    while ((at = request_next(at, "id", &raw)))
        if (!take_item(exchange, batch, raw))
            return;
    exchange_call(exchange, ask_all, write_all);
}
