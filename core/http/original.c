/* SPDX-License-Identifier: MIT
 *
 * The original API, to the letter: POST /start and GET /status. */
#include "request.h"
#include "routes.h"

static void start_done(struct exchange *exchange)
{
    struct text *body = &exchange->answer.body;

    if (exchange->call.result != SERVICE_DONE) {
        exchange_refusal(exchange);
        return;
    }
    text_puts(body, "{\"message\": \"Job started\", \"job_id\": ");
    text_json(body, exchange->id, exchange->call.store.id.length);
    text_puts(body, "}");
    exchange_answer(exchange);
}

/* Whatever the job does, the client hears a word of it at most. */
static void tell_word(struct exchange *exchange)
{
    if (exchange->call.tells == SERVICE_TELLS_STATE)
        exchange->call.tells = SERVICE_TELLS_WORD;
}

/* Members that are not known are ignored here. */
void original_start(struct exchange *exchange)
{
    tell_word(exchange);
    if (request_body(exchange) && request_body_id(exchange, "job_id") &&
        request_behaviour(exchange) && request_input(exchange))
        exchange_call(exchange, service_start, start_done);
}

static void status_done(struct exchange *exchange)
{
    const struct service_call *call = &exchange->call;
    struct text *body = &exchange->answer.body;

    if (call->result != SERVICE_DONE) {
        exchange_refusal(exchange);
        return;
    }
    text_puts(body, "{\"job_id\": ");
    text_json(body, exchange->id, call->store.id.length);
    if (!call->bent || call->answer.body != VTS_BODY_NO_STATUS) {
        text_puts(body, ", \"status\": ");
        if (call->bent && call->answer.word)
            text_json(body, call->answer.word, strlen(call->answer.word));
        else
            text_printf(body, "\"%s\"",
                        state_word(call->bent && call->answer.state ? call->answer.state
                                                                    : (int)call->state));
    }
    text_puts(body, "}");
    exchange_answer(exchange);
}

void original_status(struct exchange *exchange)
{
    char id[RECORD_ID_MAX + 1];
    size_t length;

    tell_word(exchange);
    if (!request_parameter(exchange, "job_id", id, &length))
        return;
    if (length == SIZE_MAX) {
        exchange_error(exchange, 400, "job_id is missing: ask /status?job_id=...");
        return;
    }
    if (request_take_id(exchange, "job_id", id, length))
        exchange_call(exchange, service_status, status_done);
}
