/* SPDX-License-Identifier: MIT
 *
 * The client's connections, below jobs and JSON: several addresses, and kept connections that have
 * gone. Looks inside the library to choose the addresses. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scripted.h"
#include "target.h"
#include "transport.h"

struct outcome {
    int replies;
    enum reply_end end;
    int status;
    char reason[128];
};

static void on_reply(const struct reply *reply, void *arg)
{
    struct outcome *outcome = arg;

    outcome->replies++;
    outcome->end = reply->end;
    outcome->status = reply->status;
    memcpy(outcome->reason, reply->reason, sizeof(outcome->reason));
}

struct fixture {
    struct event_base *base;
    struct timeline timeline;
    struct target target;
    struct transport *transport;
};

static void on_ring(void *arg) { timeline_fire(&((struct fixture *)arg)->timeline); }

/* A transport to these addresses, on the server's port; it listens on 127.0.0.1 alone. */
static void fixture_init(struct fixture *fixture, const struct scripted *server,
                         const char *const addresses[])
{
    memset(fixture, 0, sizeof(*fixture));
    assert_true(target_init(&fixture->target, server->url, NULL));
    for (size_t i = 0; addresses[i]; i++) {
        fixture->target.addresses[i] = strdup(addresses[i]);
        assert_non_null(fixture->target.addresses[i]);
        fixture->target.address_count = i + 1;
    }
    fixture->base = event_base_new();
    assert_true(timeline_init(&fixture->timeline, NULL, fixture->base, on_ring, fixture));
    fixture->transport = transport_create(fixture->base, &fixture->target, &fixture->timeline, 4);
    assert_non_null(fixture->transport);
}

static void fixture_finish(struct fixture *fixture)
{
    transport_destroy(fixture->transport);
    timeline_finish(&fixture->timeline);
    target_finish(&fixture->target);
    event_base_free(fixture->base);
}

static struct outcome ask(struct fixture *fixture, enum transport_method method)
{
    const struct transport_request request = {.method = method,
                                              .path = "/start",
                                              .body = method == TRANSPORT_POST ? "{}" : NULL,
                                              .timeout_ms = 20000};
    struct outcome outcome = {0};
    struct exchange *exchange = transport_send(fixture->transport, &request, on_reply, &outcome);

    assert_non_null(exchange);
    assert_int_equal(outcome.replies, 0); /* never inside the call */
    event_base_dispatch(fixture->base);
    assert_int_equal(outcome.replies, 1);
    return outcome;
}

static struct outcome post(struct fixture *fixture) { return ask(fixture, TRANSPORT_POST); }

static void the_next_address_is_tried(void **state)
{
    static const char *const addresses[] = {"127.0.0.2", "127.0.0.3", "127.0.0.1", NULL};
    static const struct scripted_step steps[] = {{.status = "200 OK", .body = "{}"}};
    struct scripted server;
    struct fixture fixture;
    struct outcome outcome;

    (void)state;
    scripted_start(&server, steps, 1);
    fixture_init(&fixture, &server, addresses);
    outcome = post(&fixture);
    assert_int_equal(outcome.end, REPLY_ANSWERED);
    assert_int_equal(outcome.status, 200);
    assert_int_equal(fixture.target.current, 2); /* the one that is asked from now on */
    fixture_finish(&fixture);
    scripted_stop(&server);
    assert_int_equal(atomic_load(&server.requests), 1);
}

static void no_address_answers(void **state)
{
    static const char *const addresses[] = {"127.0.0.2", "127.0.0.3", NULL};
    static const struct scripted_step steps[] = {{.status = "200 OK", .body = "{}"}};
    struct scripted server;
    struct fixture fixture;
    struct outcome outcome;

    (void)state;
    scripted_start(&server, steps, 1);
    fixture_init(&fixture, &server, addresses);
    outcome = post(&fixture);
    assert_int_equal(outcome.end, REPLY_NOT_CONNECTED);
    assert_string_equal(outcome.reason, "Connection refused");
    assert_int_equal(fixture.target.address_count, 0); /* they will be looked up again */
    outcome = post(&fixture);                          /* and were: the URL says 127.0.0.1 */
    assert_int_equal(outcome.end, REPLY_ANSWERED);
    fixture_finish(&fixture);
    scripted_stop(&server);
}

static void a_post_is_not_sent_into_a_closed_connection(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", NULL};
    static const struct scripted_step steps[] = {
        /* says that it keeps the connection, and closes it */
        {.status = "200 OK", .body = "{}", .end = SCRIPTED_CLOSE},
        {.status = "201 Created", .body = "{}", .end = SCRIPTED_RESET},
        {.status = "202 Accepted", .body = "{}"}};
    struct scripted server;
    struct fixture fixture;

    (void)state;
    scripted_start(&server, steps, 3);
    fixture_init(&fixture, &server, addresses);
    for (int status = 200; status <= 202; status++) {
        struct outcome outcome = post(&fixture);

        assert_int_equal(outcome.end, REPLY_ANSWERED);
        assert_int_equal(outcome.status, status);
        /* so that the end of the connection has arrived before the next request */
        scripted_wait_finished(&server, status - 199);
    }
    fixture_finish(&fixture);
    scripted_stop(&server);
}

/* A post may have been a start; and of the others, too, whoever counts them wants to see each. */
static void what_broke_off_is_not_repeated(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "127.0.0.1", NULL};
    static const enum transport_method methods[] = {TRANSPORT_POST, TRANSPORT_GET,
                                                    TRANSPORT_DELETE};
    static const struct scripted_step steps[] = {{.status = "200 OK", .body = "{}"},
                                                 {.end = SCRIPTED_CLOSE},
                                                 {.status = "200 OK", .body = "{}"}};

    (void)state;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct scripted server;
        struct fixture fixture;

        scripted_start(&server, steps, 3);
        fixture_init(&fixture, &server, addresses);
        assert_int_equal(ask(&fixture, methods[i]).end, REPLY_ANSWERED);
        assert_int_equal(ask(&fixture, methods[i]).end, REPLY_BROKEN);
        fixture_finish(&fixture);
        scripted_stop(&server);
        assert_int_equal(atomic_load(&server.requests), 2);
        assert_int_equal(atomic_load(&server.connections), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_address_is_tried),
        cmocka_unit_test(no_address_answers),
        cmocka_unit_test(a_post_is_not_sent_into_a_closed_connection),
        cmocka_unit_test(what_broke_off_is_not_repeated),
    };

    return cmocka_run_group_tests_name("client connections", tests, NULL, NULL);
}
