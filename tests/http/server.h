/* SPDX-License-Identifier: MIT
 *
 * What the tests of this folder share: a vtsimd that knows the plugin `bender`, answers compared to
 * the byte, and what can be seen of a process from outside (descriptors, time on the processor). */
#ifndef VTSIM_TESTS_HTTP_SERVER_H
#define VTSIM_TESTS_HTTP_SERVER_H

#include <json-c/json.h>

#include "http.h"
#include "vtsimd.h"

/* How long an event may take that must come: far more than it needs. */
#define EVENT_MS 20000

/* Starts a vtsimd with one worker, the behaviour `bender` as its default, and these further
 * arguments, which win: server_start(&vtsimd, "-s", "server/workers=2", NULL). */
__attribute__((sentinel)) void server_start(struct vtsimd *vtsimd, ...);

/* Where it is not NULL: arguments for each vtsimd, before those it is started with (NULL-terminated). Asked for
 * anew each time. */
extern const char *const *(*server_each)(void);

/* Stops it: it must end with 0, and have logged nothing that a sanitizer or libevent says. */
void server_stop(struct vtsimd *vtsimd);

/* For cmocka's group functions: a vtsimd without further arguments as *state. */
int server_setup(void **state);
int server_teardown(void **state);

/* Asks on a connection of its own. The answer must bear this status, be JSON and, where `answer` is
 * not NULL, be this to the byte. */
void ask(const struct vtsimd *vtsimd, const char *method, const char *target, const char *body,
         int status, const char *answer);

/* The same, with the answer's body as a JSON object. For json_object_put. */
struct json_object *ask_json(const struct vtsimd *vtsimd, const char *method, const char *target,
                             const char *body, int status);

/* Asks on a connection of its own, with these headers ("X: y\r\n"). For http_response_finish. */
void ask_with(const struct vtsimd *vtsimd, const char *method, const char *target,
              const char *headers, const char *body, struct http_response *response);

/* Starts a job of the full API: `input` is JSON, or NULL. */
void start_job(const struct vtsimd *vtsimd, const char *id, const char *input);

/* The job has been polled at least so many times (asked through a listing, which is no poll). Fails
 * the test at the deadline. */
void wait_for_polls(const struct vtsimd *vtsimd, const char *id, int polls);

/* The job is in this state. Fails the test at the deadline. The waiting itself polls. */
void wait_for_state(const struct vtsimd *vtsimd, const char *id, const char *state);

/* The members' names of an object, in their order, with a space between. For free(). */
char *member_names(struct json_object *object);
const char *member_text(struct json_object *object, const char *name);

/* A request as bytes, with what headers there may be ("X: y\r\n"). For free(). */
char *request_text(const char *method, const char *target, const char *headers, const char *body);

/* Asserts that a text begins, or ends, with another. */
void assert_begins(const char *text, const char *with);
void assert_ends(const char *text, const char *with);

int open_descriptors(pid_t pid);
int64_t processor_ms(pid_t pid);

/* Waits until the vtsimd has so many connections open: accepted by it, and not closed by it. Fails
 * the test where that does not come about within EVENT_MS. */
void wait_for_connections(const struct vtsimd *vtsimd, int count);

#endif
