/* SPDX-License-Identifier: MIT
 *
 * The control side, /_sim/: what a test author asks of the simulator itself. */
#include "routes.h"

/* GET /_sim/health: for people, and for load balancers, which go by the status */
void sim_health(struct exchange *exchange)
{
    static const char *const states[] = {
        [STORE_OK] = "ok", [STORE_FAILING] = "failing", [STORE_AWAY] = "away"};
    const struct http_server *server = exchange->worker->server;
    enum store_state store = service_store_state(server->service);
    uint64_t counts[VTS_CANCELLED + 1];
    struct text *body = &exchange->answer.body;
    int64_t up_us = clock_real_us() - server->started_us;
    int state;

    service_count(server->service, counts);
    text_printf(body,
                "{\"status\": \"%s\", \"version\": \"" VTSIM_VERSION
                "\", \"uptime\": %.3f, \"workers\": %zu, \"store\": {\"kind\": \"%s\", "
                "\"state\": \"%s\"}, \"jobs\": {",
                exchange->worker->draining ? "draining"
                : store == STORE_OK        ? "ok"
                                           : "unavailable",
                (double)up_us / 1e6, server->worker_count, service_store_kind(server->service),
                states[store]);
    for (state = VTS_QUEUED; state <= VTS_CANCELLED; state++)
        text_printf(body, "%s\"%s\": %llu", state > VTS_QUEUED ? ", " : "", state_name(state),
                    (unsigned long long)counts[state]);
    text_puts(body, "}}");
    if (store != STORE_OK) {
        exchange->answer.status = 503;
        exchange->answer.retry_after = 1;
    }
    exchange_answer(exchange);
}
