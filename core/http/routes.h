/* SPDX-License-Identifier: MIT
 *
 * The handlers of all paths, inside the room http/: one file an API. */
#ifndef VTSIM_HTTP_ROUTES_H
#define VTSIM_HTTP_ROUTES_H

#include "exchange.h"

/* A request has arrived, by [control] listen or not: makes an exchange of it and gives it to its handler. */
void route_request(struct worker *worker, struct evhttp_request *request, bool control);

/* original.c: the API that clients of the original service speak. */
void original_start(struct exchange *exchange);
void original_status(struct exchange *exchange);

/* jobs.c: the full API on the same jobs. */
void jobs_post(struct exchange *exchange);
void jobs_get(struct exchange *exchange);
void jobs_list(struct exchange *exchange);
void jobs_delete(struct exchange *exchange);

/* batch.c: several jobs in one request, each asked for as by GET /jobs/{id}. */
#define BATCH_MOST 100
void batch_get(struct exchange *exchange);

/* audit.c: how clients ask, and a test's limits for that. */
void audit_job(struct exchange *exchange);
void audit_all(struct exchange *exchange);
void audit_verdict(struct exchange *exchange);
void audit_expect(struct exchange *exchange);

/* sim*.c: what only a test author should touch. */
#define SIM_PREFIX "/_sim/"
#define SIM_HEALTH "/_sim/health"
void sim_health(struct exchange *exchange);
void sim_clock_get(struct exchange *exchange);
void sim_clock_post(struct exchange *exchange);
void sim_clock_sleep(struct exchange *exchange);
void sim_clock_join(struct exchange *exchange);
void sim_clock_leave(struct exchange *exchange);
void sim_reset(struct exchange *exchange);
void sim_config(struct exchange *exchange);
void sim_behaviours(struct exchange *exchange);
void sim_job_finish(struct exchange *exchange);

/* sim_guard.c: whether a request under /_sim/ may be served; where not, it is answered. */
bool sim_allowed(struct exchange *exchange);

/* Takes the id that stands between `prefix` and `tail` in the path; likewise. */
bool route_id_between(struct exchange *exchange, const char *prefix, const char *tail);

/* Takes the id that stands behind `prefix` in the path. Answers itself and says false where it is none. */
bool route_id(struct exchange *exchange, const char *prefix);

#endif
