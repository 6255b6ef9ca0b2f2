/* SPDX-License-Identifier: MIT
 *
 * Reading a request, inside the room http/: the query, the body, an id. Every function answers the
 * request itself where something is wrong, and then says false; the exchange is gone then. */
#ifndef VTSIM_HTTP_REQUEST_H
#define VTSIM_HTTP_REQUEST_H

#include "exchange.h"

/* Splits the URI into path and query; refuses what no request of ours can be (a length given twice). */
bool request_open(struct exchange *exchange);

/* One parameter of the query, decoded into `value`, with a NUL behind it. *length is SIZE_MAX where it is
 * not given. Refuses one given twice and one of more bytes than an id has. */
bool request_parameter(struct exchange *exchange, const char *name, char value[RECORD_ID_MAX + 1],
                       size_t *length);

/* For one that may be given several times: from `at`, which is the query at first, to the next of this
 * name; NULL where there is none. `raw` is its value, for request_decode. */
const char *request_next(const char *at, const char *name, struct bytes *raw);

/* Decodes a value, as request_parameter does; `plus` stands for a space. */
bool request_decode(struct exchange *exchange, const char *name, struct bytes raw, bool plus,
                    char *value, size_t *length);

/* Refuses a query with other parameters than these (NULL-terminated). */
bool request_parameters_known(struct exchange *exchange, const char *const *names);

/* The parameter `limit`, a whole number from 1 to `most`. */
bool request_limit(struct exchange *exchange, size_t fallback, size_t most, size_t *limit);

/* Parses the body as one JSON object into exchange->body. */
bool request_body(struct exchange *exchange);

/* Whether every number in the body is kept as it was given; for bodies that are kept. */
bool request_numbers_fit(struct exchange *exchange);

/* Whether these bytes can be a job's id. `what` names it in messages. */
bool request_id_good(struct exchange *exchange, const char *what, const char *id, size_t length);

/* Takes the body's member `input`, where it has one, as the job's. */
bool request_input(struct exchange *exchange);

/* asked.c: what rules can look at, of a request whose body and id were read; as long as the exchange is. */
struct asked request_asked(const struct exchange *exchange);

/* The field of a value at the end of a way, as struct asked wants it. */
bool request_field(struct json_object *value, const char *way, struct asked_field *field);

/* Checks and takes the job's id. */
bool request_take_id(struct exchange *exchange, const char *what, const char *id, size_t length);

/* The header field Prefer: for how many seconds the client is content to wait for news (RFC 7240, 4.3).
 * -1: it says nothing of that, or nothing that can be understood, which is then no error. */
int64_t request_wait(const struct exchange *exchange);

/* The header field Idempotency-Key, as a structured string or a bare word, is put into exchange->key
 * behind a hash of the body. *given: there is one. Refuses what is none. */
bool request_key(struct exchange *exchange, bool *given);

/* The member `name` of the body, which must be a string and a valid id. */
bool request_body_id(struct exchange *exchange, const char *name);

/* behaviour.c: the behaviour of the job that the body is to start, by its members `behaviour` and `options`.
 * The call holds it then. */
bool request_behaviour(struct exchange *exchange);

#endif
