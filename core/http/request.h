/* SPDX-License-Identifier: MIT
 *
 * Reading a request, inside the room http/: the query, the body, an id. Every function answers the
 * request itself where something is wrong, and then says false; the exchange is gone then. */
#ifndef VTSIM_HTTP_REQUEST_H
#define VTSIM_HTTP_REQUEST_H

#include "exchange.h"

/* Splits the URI into path and query; refuses what no request of ours can be (a length given twice). */
bool request_open(struct exchange *exchange);

/* One parameter of the query, decoded into `value` (which has room for `size` bytes and gets a NUL).
 * *length is SIZE_MAX where it is not given. Refuses one given twice and one that does not fit. */
bool request_parameter(struct exchange *exchange, const char *name, char *value, size_t size,
                       size_t *length);

/* Refuses a query with other parameters than these (NULL-terminated). */
bool request_parameters_known(struct exchange *exchange, const char *const *names);

/* Parses the body as one JSON object into exchange->body. */
bool request_body(struct exchange *exchange);

/* Whether every number in the body is kept as it was given; for bodies that are kept. */
bool request_numbers_fit(struct exchange *exchange);

/* Checks and takes the job's id. `what` names it in messages. */
bool request_take_id(struct exchange *exchange, const char *what, const char *id, size_t length);

/* The member `name` of the body, which must be a string and a valid id. */
bool request_body_id(struct exchange *exchange, const char *name);

#endif
