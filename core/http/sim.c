/* SPDX-License-Identifier: MIT
 *
 * The control side, /_sim/: what a test author asks of the simulator itself. */
#include "routes.h"

/* GET /_sim/health */
void sim_health(struct exchange *exchange)
{
    const struct http_server *server = exchange->worker->server;
    uint64_t counts[VTS_CANCELLED + 1];
    struct text *body = &exchange->answer.body;
    vts_ms up = clock_now(server->service->clock) - server->started_at;
    int state;

    service_count(server->service, counts);
    text_printf(body,
                "{\"status\": \"%s\", \"version\": \"" VTSIM_VERSION
                "\", \"uptime\": %.3f, \"workers\": %zu, \"store\": \"%s\", \"jobs\": {",
                exchange->worker->draining ? "draining" : "ok", (double)up / 1000,
                server->worker_count, service_store_kind(server->service));
    for (state = VTS_QUEUED; state <= VTS_CANCELLED; state++)
        text_printf(body, "%s\"%s\": %llu", state > VTS_QUEUED ? ", " : "", state_name(state),
                    (unsigned long long)counts[state]);
    text_puts(body, "}}");
    exchange_answer(exchange);
}
