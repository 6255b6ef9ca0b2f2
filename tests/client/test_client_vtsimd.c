/* SPDX-License-Identifier: MIT
 *
 * The library against a real vtsimd, whose jobs move by polls alone, so that no test waits for time. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vtsim/client.h>

#include "vtsimd.h"

static struct vtsimd vtsimd;

static int start_server(void **state)
{
    static const char *const args[] = {
        "-s", "behaviour x/plugin=scripted_sequence",
        "-s", "behaviour x/script=pending x2, completed",
        "-s", "behaviour bad/plugin=scripted_sequence",
        "-s", "behaviour bad/script=pending x1, error \"the GPU fell over\"",
        "-s", "behaviour stuck/plugin=scripted_sequence",
        "-s", "behaviour stuck/script=pending x1000000, completed",
        "-s", "rule bad/job_id=bad-*",
        "-s", "rule bad/behaviour=bad",
        "-s", "rule stuck/job_id=stuck-*",
        "-s", "rule stuck/behaviour=stuck",
        "-s", "behaviour timed/plugin=fixed_delay",
        "-s", "behaviour timed/delay=1200ms",
        "-s", "rule timed/job_id=timed-*",
        "-s", "rule timed/behaviour=timed",
        "-s", "server/behaviour=x",
        NULL};

    (void)state;
    vtsimd_start(&vtsimd, args);
    return 0;
}

static int stop_server(void **state)
{
    bool early = !vtsimd_running(&vtsimd);
    int status = vtsimd_stop(&vtsimd);

    (void)state;
    if (early || status) {
        char *log = vtsimd_log(&vtsimd);

        fprintf(stderr, "vtsimd ended%s with %d, and logged:\n%s\n", early ? " by itself" : "",
                status, log);
        free(log);
    }
    vtsimd_finish(&vtsimd);
    return early || status; /* 0, or the group fails */
}

static void quick(struct vts_client_options *options)
{
    vts_client_options_init(options);
    options->url = vtsimd.url;
    options->initial_ms = 1;
    options->cap_ms = 3;
    options->cost_ms = 0;
    options->long_poll_ms = 0; /* jobs that move by polls do not move while one waits */
}

static struct vts_client *connect_to_server(void)
{
    struct vts_client_options options;
    struct vts_client *client;

    quick(&options);
    client = vts_client_create(NULL, &options, NULL);
    assert_non_null(client);
    return client;
}

static void a_job_runs_to_its_end(void **state)
{
    struct vts_client *client = connect_to_server();
    const struct vts_client_result *result = vts_client_run_sync(client, "translate_video_1", NULL);

    (void)state;
    assert_string_equal(result->error.message, "");
    assert_string_equal(result->job->id, "translate_video_1");
    assert_int_equal(result->job->status, VTS_CLIENT_COMPLETED);
    assert_string_equal(result->job->state, "completed"); /* which the original API does not tell */
    assert_non_null(strstr(result->job->json, "\"job_id\":\"translate_video_1\""));
    assert_int_equal(result->polls, 3);
    result = vts_client_start_sync(client, "translate_video_1", NULL);
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_EXISTS);
    assert_int_equal(result->error.http_status, 409);
    assert_string_equal(result->error.message, "a job \"translate_video_1\" exists already");
    result = vts_client_wait_sync(client, "translate_video_1", NULL);
    assert_int_equal(result->job->status, VTS_CLIENT_COMPLETED);
    assert_int_equal(result->polls, 1);
    vts_client_destroy(client);
}

static void a_job_that_fails_is_a_result(void **state)
{
    struct vts_client *client = connect_to_server();
    const struct vts_client_result *result = vts_client_run_sync(client, "bad-1", NULL);

    (void)state;
    assert_int_equal(result->error.code, VTS_CLIENT_OK);
    assert_int_equal(result->job->status, VTS_CLIENT_ERROR);
    vts_client_destroy(client);
}

static void an_unknown_job_is_an_error(void **state)
{
    struct vts_client *client = connect_to_server();

    (void)state;
    assert_int_equal(vts_client_status_sync(client, "nobody", NULL)->error.code,
                     VTS_CLIENT_ERR_UNKNOWN_JOB);
    assert_int_equal(vts_client_wait_sync(client, "nobody", NULL)->error.code,
                     VTS_CLIENT_ERR_UNKNOWN_JOB);
    assert_int_equal(vts_client_cancel_sync(client, "nobody", NULL)->error.code,
                     VTS_CLIENT_ERR_UNKNOWN_JOB);
    vts_client_destroy(client);
}

static void odd_ids_go_there_and_back(void **state)
{
    static const char *const ids[] = {"a b",
                                      "a+b",
                                      "a%20b",
                                      "%00",
                                      "a/b?c=d&e#f",
                                      "\"quoted\\\"",
                                      "\xc3\xa9t\xc3\xa9 \xf0\x9f\x8e\xac",
                                      "\xc2\xa0",
                                      ".",
                                      "..",
                                      "../../etc",
                                      "-dash",
                                      "{}[]<>'`|;"};
    struct vts_client *client = connect_to_server();
    const struct vts_client_result *result;
    char longest[256];

    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        result = vts_client_start_sync(client, ids[i], NULL);
        assert_string_equal(result->error.message, "");
        result = vts_client_status_sync(client, ids[i], NULL);
        assert_string_equal(result->error.message, "");
        assert_string_equal(result->job->id, ids[i]);
        result = vts_client_cancel_sync(client, ids[i], NULL);
        assert_string_equal(result->error.message, "");
        assert_string_equal(result->job->state, "cancelled");
    }
    for (size_t i = 0; i < 255; i++)
        longest[i] = "\xe2\x82\xac"[i % 3];
    longest[255] = '\0';
    result = vts_client_run_sync(client, longest, NULL);
    assert_string_equal(result->error.message, "");
    assert_int_equal(result->job->status, VTS_CLIENT_COMPLETED);
    vts_client_destroy(client);
}

static void a_list_goes_on_page_by_page(void **state)
{
    struct vts_client *client = connect_to_server();
    char after[1024] = "", id[32];
    int found = 0, pages = 0;

    (void)state;
    for (int i = 0; i < 7; i++) {
        snprintf(id, sizeof(id), "stuck-list-%d", i);
        assert_int_equal(vts_client_start_sync(client, id, NULL)->error.code, VTS_CLIENT_OK);
    }
    for (;;) {
        const struct vts_client_result *page = vts_client_list_sync(
            client,
            VTS_CLIENT_QUERY(.state = "running", .limit = 2, .after = *after ? after : NULL), NULL);

        assert_string_equal(page->error.message, "");
        assert_true(page->job_count <= 2);
        pages++;
        for (size_t i = 0; i < page->job_count; i++) {
            assert_string_equal(page->jobs[i].state, "running");
            found += strncmp(page->jobs[i].id, "stuck-list-", 11) == 0;
        }
        if (!page->next)
            break;
        assert_true(strlen(page->next) < sizeof(after));
        strcpy(after, page->next);
    }
    assert_int_equal(found, 7);
    assert_true(pages >= 4);
    assert_int_equal(
        vts_client_list_sync(client, VTS_CLIENT_QUERY(.state = "nonsense"), NULL)->error.code,
        VTS_CLIENT_ERR_REFUSED);
    vts_client_destroy(client);
}

/* ---- many at once ---------------------------------------------------------------------------- */

enum { MANY = 300 };

struct crowd {
    int done, completed;
    uint64_t polls;
};

static void on_done(struct vts_client_operation *operation, const struct vts_client_result *result,
                    void *arg)
{
    struct crowd *crowd = arg;

    (void)operation;
    assert_string_equal(result->error.message, "");
    crowd->done++;
    crowd->completed += result->job->status == VTS_CLIENT_COMPLETED;
    crowd->polls += result->polls;
}

static void on_lost(struct vts_client_operation *operation, const struct vts_client_result *result,
                    void *arg)
{
    (void)operation;
    *(enum vts_client_err *)arg = result->error.code;
}

static void many_waits_share_few_connections(void **state)
{
    struct event_base *base = event_base_new();
    struct vts_client_options options;
    struct vts_client *client;
    struct crowd crowd = {0};

    (void)state;
    quick(&options);
    options.max_connections = 4;
    client = vts_client_create(base, &options, NULL);
    assert_non_null(client);
    for (int i = 0; i < MANY; i++) {
        char id[32];

        snprintf(id, sizeof(id), "crowd-%d", i);
        assert_non_null(
            vts_client_run(client, id, VTS_CLIENT_CALL(.done = on_done, .arg = &crowd), NULL));
    }
    event_base_dispatch(base);
    assert_int_equal(crowd.done, MANY);
    assert_int_equal(crowd.completed, MANY);
    assert_int_equal(crowd.polls, 3 * MANY);
    vts_client_destroy(client);
    event_base_free(base);
}

/* ---- what only vtsimd has -------------------------------------------------------------------- */

static void polls_that_are_due_together_go_together(void **state)
{
    struct event_base *base = event_base_new();
    struct vts_client_counters counters;
    struct vts_client_options options;
    struct vts_client *client;
    struct crowd crowd = {0};

    (void)state;
    quick(&options);
    options.max_connections = 2;
    client = vts_client_create(base, &options, NULL);
    for (int i = 0; i < MANY; i++) {
        char id[32];

        snprintf(id, sizeof(id), "together-%d", i);
        assert_non_null(
            vts_client_run(client, id, VTS_CLIENT_CALL(.done = on_done, .arg = &crowd), NULL));
    }
    event_base_dispatch(base);
    assert_int_equal(crowd.completed, MANY);
    assert_int_equal(crowd.polls, 3 * MANY);
    vts_client_counters_read(client, &counters, sizeof(counters));
    assert_int_equal(counters.polls, 3 * MANY);
    assert_true(counters.batched > 2 * MANY);
    assert_true(counters.batches < counters.batched / 10);
    assert_true(counters.requests < 2 * MANY); /* a start each, and a few more */
    assert_true(counters.connections <= 2);
    assert_int_equal(counters.failed, 0);
    vts_client_destroy(client);
    event_base_free(base);
}

static void one_bad_job_does_not_spoil_a_batch(void **state)
{
    struct event_base *base = event_base_new();
    struct vts_client_options options;
    struct vts_client_counters counters;
    struct vts_client_error error;
    struct vts_client *client;
    struct crowd crowd = {0};
    enum vts_client_err lost = VTS_CLIENT_OK;

    (void)state;
    quick(&options);
    options.max_connections = 1;
    client = vts_client_create(base, &options, NULL);
    assert_non_null(vts_client_run(client, "batch-first", NULL, &error));
    event_base_dispatch(base); /* so that the server has shown what it can */
    for (int i = 0; i < 3; i++) {
        char id[32];

        snprintf(id, sizeof(id), "batch-%d", i);
        assert_non_null(
            vts_client_run(client, id, VTS_CLIENT_CALL(.done = on_done, .arg = &crowd), NULL));
    }
    assert_non_null(vts_client_wait(client, "batch-nobody",
                                    VTS_CLIENT_CALL(.done = on_lost, .arg = &lost), NULL));
    event_base_dispatch(base);
    assert_int_equal(crowd.completed, 3);
    assert_int_equal(lost, VTS_CLIENT_ERR_UNKNOWN_JOB);
    vts_client_counters_read(client, &counters, sizeof(counters));
    assert_true(counters.batches > 0);
    vts_client_destroy(client);
    event_base_free(base);
}

static void a_change_is_waited_for(void **state)
{
    struct vts_client_counters counters;
    struct vts_client_options options;
    const struct vts_client_result *result;
    struct vts_client *client;

    (void)state;
    quick(&options);
    options.long_poll_ms = 20000;
    client = vts_client_create(NULL, &options, NULL);
    result = vts_client_run_sync(client, "timed-1", NULL);
    assert_string_equal(result->error.message, "");
    assert_int_equal(result->job->status, VTS_CLIENT_COMPLETED);
    assert_string_equal(result->job->state, "completed");
    assert_true(result->polls <= 2);
    assert_in_range(result->elapsed_ms, 1200, 5000);
    vts_client_counters_read(client, &counters, sizeof(counters));
    assert_in_range(counters.long_polls, 1, 2);
    assert_string_equal(vts_client_start_sync(client, "stuck-long", NULL)->error.message, "");
    options.initial_ms = options.cap_ms = 10000;
    options.deadline_ms = 1500; /* no answer is waited for beyond the last look */
    result = vts_client_wait_sync(client, "stuck-long", VTS_CLIENT_CALL(.options = &options));
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_DEADLINE);
    assert_in_range(result->elapsed_ms, 1500, 5000);
    assert_in_range(result->polls, 2, 3);
    vts_client_destroy(client);
}

struct seen {
    int changes, ended;
};

static void on_change(struct vts_client_operation *operation, const struct vts_client_job *job,
                      void *arg)
{
    struct seen *seen = arg;

    if (strncmp(job->id, "watched-", 8) != 0)
        return;
    seen->changes++;
    seen->ended += job->status != VTS_CLIENT_PENDING;
    if (seen->ended == 3)
        vts_client_abandon(operation);
}

static void a_watch_tells_of_changes_alone(void **state)
{
    struct event_base *base = event_base_new();
    struct vts_client_options options;
    struct vts_client *client;
    struct crowd crowd = {0};
    struct seen seen = {.changes = 0};

    (void)state;
    quick(&options);
    options.initial_ms = options.cap_ms = 20;
    client = vts_client_create(base, &options, NULL);
    for (int i = 0; i < 3; i++) {
        char id[32];

        snprintf(id, sizeof(id), "watched-%d", i);
        assert_non_null(
            vts_client_run(client, id, VTS_CLIENT_CALL(.done = on_done, .arg = &crowd), NULL));
    }
    assert_non_null(vts_client_watch(client, VTS_CLIENT_QUERY(.limit = 2),
                                     VTS_CLIENT_CALL(.progress = on_change, .arg = &seen), NULL));
    event_base_dispatch(base);
    assert_int_equal(crowd.done, 3);
    assert_int_equal(seen.ended, 3);
    assert_in_range(seen.changes, 3, 9); /* queued, running, completed: and each once */
    vts_client_destroy(client);
    event_base_free(base);
}

/* ---- a server that goes away ----------------------------------------------------------------- */

struct killer {
    struct vtsimd *victim;
    int polls;
};

static void kill_server(struct vts_client_operation *operation, const struct vts_client_poll *poll,
                        void *arg)
{
    struct killer *killer = arg;

    (void)operation;
    (void)poll;
    if (++killer->polls == 2)
        assert_int_equal(vtsimd_stop(killer->victim), 0);
}

static void a_server_that_goes_away_ends_a_wait(void **state)
{
    static const char *const args[] = {"-s", "behaviour x/plugin=scripted_sequence",
                                       "-s", "behaviour x/script=pending x1000000, completed",
                                       "-s", "server/behaviour=x",
                                       NULL};
    struct vtsimd own;
    struct killer killer = {.victim = &own};
    struct vts_client_options options;
    const struct vts_client_result *result;
    struct vts_client *client;

    (void)state;
    vtsimd_start(&own, args);
    quick(&options);
    options.url = own.url;
    options.max_errors = 2;
    client = vts_client_create(NULL, &options, NULL);
    result = vts_client_run_sync(client, "x", VTS_CLIENT_CALL(.poll = kill_server, .arg = &killer));
    assert_int_equal(result->error.code, VTS_CLIENT_ERR_UNREACHABLE);
    assert_int_equal(result->job->status, VTS_CLIENT_PENDING);
    assert_int_equal(result->polls, 4);
    vts_client_destroy(client);
    vtsimd_finish(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_runs_to_its_end),
        cmocka_unit_test(a_job_that_fails_is_a_result),
        cmocka_unit_test(an_unknown_job_is_an_error),
        cmocka_unit_test(odd_ids_go_there_and_back),
        cmocka_unit_test(a_list_goes_on_page_by_page),
        cmocka_unit_test(many_waits_share_few_connections),
        cmocka_unit_test(polls_that_are_due_together_go_together),
        cmocka_unit_test(one_bad_job_does_not_spoil_a_batch),
        cmocka_unit_test(a_change_is_waited_for),
        cmocka_unit_test(a_watch_tells_of_changes_alone),
        cmocka_unit_test(a_server_that_goes_away_ends_a_wait),
    };

    return cmocka_run_group_tests_name("client against vtsimd", tests, start_server, stop_server);
}
