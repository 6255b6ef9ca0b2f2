/* SPDX-License-Identifier: MIT
 *
 * Our own clients through all that the script language can do to them: the eight scripts of the catalogue, and
 * each fault at polls and at the start, on the full and on the original API; libvtsim-client as it is by default, and
 * the command. All in simulated time, each under the same strict limits: the verdict must be "pass", and the
 * outcome the right one. */
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

#include "folder.h"
#include "http.h"
#include "plain.h"
#include "run.h"
#include "vtsimd.h"

#define VTSIM    VTSIM_BUILD_DIR "/bin/vtsim"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What a good client keeps through every one of them. */
static const char limits[] =
    "{\"early_polls\": 0, \"early_starts\": 0, \"polls_after_end\": 0, \"duplicate_starts\": 0, "
    "\"unknown_polls\": 0, \"abandoned\": 0, \"unseen\": 0, \"polls_per_job\": 14, "
    "\"detection_delay\": \"10s\", \"intervals\": {\"min\": \"200ms\", \"max\": \"12s\"}, "
    "\"connections\": 5}";

enum outcome { COMPLETED, FAILED, REFUSED, SENSELESS };

struct script {
    const char *text; /* as it stands in the INI file; lines are ended by \n */
    enum outcome outcome;
};

static const struct script scripts[] = {
    /* the catalogue */
    {"error \"the GPU fell over\"", FAILED},
    {"html 200 for 1h", SENSELESS},
    {"http 503, completed", COMPLETED},
    {"http 429 retry-after 1s for 1s, completed", COMPLETED},
    {"completed x1, missing x100", COMPLETED},
    {"start: lost\ncompleted", COMPLETED},
    {"unknown status \"expired\" for 1h", SENSELESS},
    {"completed x1, regress", COMPLETED},
    /* each fault at polls, while the job runs and when it has ended */
    {"http 503 retry-after 3s, pending for 5s, http 503 retry-after 3s, completed", COMPLETED},
    {"http 503 retry-after date 3s x2, pending for 5s, completed", COMPLETED},
    {"http 503 x2, pending for 5s, http 503 x2, completed", COMPLETED},
    {"pending for 2s, http 503 for 10s, pending for 2s, completed", COMPLETED},
    {"http 429 retry-after 3s, pending for 5s, http 429 retry-after 3s, completed", COMPLETED},
    {"http 429 x2, pending for 5s, http 429, completed", COMPLETED},
    {"pending for 2s, http 429 retry-after 2s for 10s, completed", COMPLETED},
    {"http 500 x2, pending for 5s, http 500 x2, completed", COMPLETED},
    {"http 502, pending for 5s, http 504 retry-after 2s, completed", COMPLETED},
    {"http 200 retry-after 3s, pending for 8s, completed", COMPLETED},
    {"http 204, pending for 5s, http 204, completed", COMPLETED},
    {"http 302, pending for 5s, http 304, completed", COMPLETED},
    {"html 504, pending for 5s, html 504, completed", COMPLETED},
    {"html 503 retry-after 3s, pending for 5s, html 429 retry-after 3s, completed", COMPLETED},
    {"html 200, pending for 5s, html 200 x2, completed", COMPLETED},
    {"stall 2s x2, pending for 5s, stall 2s, completed", COMPLETED},
    {"dribble 2s x2, pending for 5s, dribble 2s, completed", COMPLETED},
    {"reset x2, pending for 5s, reset, completed", COMPLETED},
    {"empty x2, pending for 5s, empty, completed", COMPLETED},
    {"truncate x2, pending for 5s, truncate, completed", COMPLETED},
    {"garbage x2, pending for 5s, garbage, completed", COMPLETED},
    {"invalid json x2, pending for 5s, invalid json x2, completed", COMPLETED},
    {"missing x2, pending for 5s, missing x2, completed", COMPLETED},
    {"unknown status \"queued-ish\" x2, pending for 5s, unknown status \"done\", completed",
     COMPLETED},
    {"no status x2, pending for 5s, no status x2, completed", COMPLETED},
    {"regress x2, pending for 5s, regress, completed", COMPLETED}, /* each is a wait of the plan */
    {"pending for 3s, progress 40% for 3s, regress, progress 80% for 3s, completed", COMPLETED},
    {"pending x2, http 503, pending x2, reset, error \"at last\"", FAILED},
    {"pending for 5s, http 503, cancelled", FAILED},
    {"repeat 3 { pending for 1s\nreset }\ncompleted", COMPLETED},
    {"missing for 1h", SENSELESS},
    {"no status for 1h", SENSELESS},
    {"http 503 for 1h", SENSELESS},
    /* each at the start */
    {"start: http 503 retry-after 2s\npending for 5s, completed", REFUSED},
    {"start: http 429 retry-after 2s\npending for 5s, completed", REFUSED},
    {"start: html 503\npending for 5s, completed", REFUSED},
    {"start: http 500 x2\npending for 5s, completed", COMPLETED},
    {"start: http 502 retry-after 3s x2\npending for 5s, completed", COMPLETED},
    {"start: html 504 retry-after date 3s\npending for 5s, completed", COMPLETED},
    {"start: http 500, lost\npending for 5s, completed", COMPLETED},
    {"start: lost\npending for 5s, completed", COMPLETED},
    {"start: stall 2s\npending for 5s, completed", COMPLETED},
    {"start: dribble 2s\npending for 5s, completed", COMPLETED},
    {"start: reset\npending for 5s, completed", COMPLETED},
    {"start: empty\npending for 5s, completed", COMPLETED},
    {"start: truncate\npending for 5s, completed", COMPLETED},
    {"start: garbage\npending for 5s, completed", COMPLETED},
    {"start: invalid json\npending for 5s, completed", COMPLETED},
    {"start: html 200\npending for 5s, completed", COMPLETED},
};

static char folder[FOLDER_ROOM];
static struct vtsimd vtsimd;
static struct plain *plain;

/* ---- the server -------------------------------------------------------------------------------- */

/* The job "s7-library" gets scripts[7]. */
static void write_ini(const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (size_t i = 0; i < COUNT(scripts); i++) {
        fprintf(file, "[behaviour s%zu]\nplugin = scripted_sequence\nscript = ", i);
        for (const char *at = scripts[i].text; *at; at++) {
            fputc(*at, file);
            if (*at == '\n')
                fputs("  ", file);
        }
        fprintf(file, "\n[rule s%zu]\njob_id = s%zu-*\nbehaviour = s%zu\n", i, i, i);
    }
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    char path[FOLDER_ROOM + 16];

    (void)state;
    folder_make(folder);
    snprintf(path, sizeof(path), "%s/all.ini", folder);
    write_ini(path);
    vtsimd_start(&vtsimd, (const char *const[]){"-c", path, "-s", "clock/mode=virtual", NULL});
    plain = plain_start(vtsimd.port);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    plain_stop(plain);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
    folder_remove(folder);
    return 0;
}

static void post(const char *target, const char *body)
{
    struct http_response response;

    http_request(vtsimd.port, "POST", target, body, &response);
    if (response.status != 200)
        fail_msg("%s: %d %s", target, response.status, response.body);
    http_response_finish(&response);
}

static void assert_passes(const char *id, const char *text)
{
    struct http_response verdict, audit;
    char target[64];

    http_request(vtsimd.port, "GET", "/_sim/audit/verdict", NULL, &verdict);
    if (strcmp(verdict.body, "{\"verdict\": \"pass\", \"reasons\": []}") != 0) {
        snprintf(target, sizeof(target), "/jobs/%s/audit", id);
        http_request(vtsimd.port, "GET", target, NULL, &audit);
        fail_msg("%s: %s\n%s\n%s", id, text, verdict.body, audit.body);
    }
    http_response_finish(&verdict);
}

/* ---- the library ------------------------------------------------------------------------------- */

static enum outcome outcome_of(const struct vts_client_result *result)
{
    if (result->error.code == VTS_CLIENT_OK)
        return result->job->status == VTS_CLIENT_COMPLETED ? COMPLETED : FAILED;
    return result->error.code == VTS_CLIENT_ERR_REFUSED ? REFUSED : SENSELESS;
}

/* All options as they are by default, but for the address and the clock. */
static void run_library(const char *url, const char *id, const struct script *script)
{
    struct vts_client_clock *clock =
        vts_client_clock_server(VTS_CLIENT_CLOCK_SERVER(.url = vtsimd.url), NULL);
    const struct vts_client_result *result;
    struct vts_client_options options;
    struct vts_client *client;

    vts_client_options_init(&options);
    options.url = url;
    options.clock = clock;
    client = vts_client_create(NULL, &options, NULL);
    result = vts_client_run_sync(client, id, NULL);
    if (outcome_of(result) != script->outcome)
        fail_msg("%s: %s: %s", id, script->text,
                 result->error.code ? result->error.message
                                    : vts_client_status_name(result->job->status));
    vts_client_destroy(client);
    vts_client_clock_release(clock);
}

static void library_passes(const char *url)
{
    char id[32];

    for (size_t i = 0; i < COUNT(scripts); i++) {
        snprintf(id, sizeof(id), "s%zu-library", i);
        post("/_sim/reset", "{}");
        post("/_sim/audit/expect", limits);
        run_library(url, id, &scripts[i]);
        assert_passes(id, scripts[i].text);
    }
}

static void the_library_passes(void **state)
{
    (void)state;
    library_passes(vtsimd.url);
}

static void the_library_passes_on_the_original_api(void **state)
{
    (void)state;
    library_passes(plain_url(plain));
}

/* ---- answers that wait for a change ------------------------------------------------------------ */

struct patient {
    struct vts_client *client;
    const struct script *script;
    char id[32];
    int *left;
};

static void on_done(struct vts_client_operation *operation, const struct vts_client_result *result,
                    void *arg)
{
    struct patient *patient = arg;

    (void)operation;
    --*patient->left;
    if (outcome_of(result) != patient->script->outcome)
        fail_msg("%s: %s: %s", patient->id, patient->script->text, result->error.message);
}

/* Those whose jobs go by time alone, so that an answer is kept at all, and that do not take real seconds. */
static bool is_waited_for(const struct script *script)
{
    return script->outcome != SENSELESS && !strstr(script->text, "retry-after") &&
           (strncmp(script->text, "start:", 6) == 0 || strstr(script->text, " for 10s"));
}

/* In simulated time they are not asked for. So this is a server whose clock runs fast, and clients in real time, all
 * at once; how late they are says nothing. */
static void the_library_passes_with_long_polls(void **state)
{
    static const char fewer[] =
        "{\"early_polls\": 0, \"early_starts\": 0, \"polls_after_end\": 0, \"abandoned\": 0, "
        "\"duplicate_starts\": 0, \"unknown_polls\": 0, \"unseen\": 0, \"polls_per_job\": 14}";
    struct patient patients[COUNT(scripts)] = {{.client = NULL}};
    struct event_base *base = event_base_new();
    struct vts_client_counters counters;
    struct vts_client_options options;
    uint64_t long_polls = 0;
    int left = 0;

    (void)state;
    post("/_sim/reset", "{}");
    post("/_sim/clock", "{\"rate\": 20}");
    post("/_sim/audit/expect", fewer);
    vts_client_options_init(&options);
    options.url = vtsimd.url;
    for (size_t i = 0; i < COUNT(scripts); i++) {
        struct patient *patient = &patients[i];

        if (!is_waited_for(&scripts[i]))
            continue;
        *patient =
            (struct patient){vts_client_create(base, &options, NULL), &scripts[i], "", &left};
        snprintf(patient->id, sizeof(patient->id), "s%zu-patient", i);
        assert_non_null(vts_client_run(patient->client, patient->id,
                                       VTS_CLIENT_CALL(.done = on_done, .arg = patient), NULL));
        left++;
    }
    assert_true(left > 10);
    event_base_dispatch(base);
    assert_int_equal(left, 0);
    for (size_t i = 0; i < COUNT(scripts); i++) {
        if (!patients[i].client)
            continue;
        vts_client_counters_read(patients[i].client, &counters, sizeof(counters));
        long_polls += counters.long_polls;
        vts_client_destroy(patients[i].client);
    }
    assert_true(long_polls >= 10);
    event_base_free(base);
    assert_passes("s2-patient", "with long polls");
}

/* ---- the command ------------------------------------------------------------------------------- */

static void command_passes(const char *url)
{
    static const int statuses[] = {[COMPLETED] = 0, [FAILED] = 1, [REFUSED] = 4, [SENSELESS] = 4};
    struct run_result result;
    char id[32];

    for (size_t i = 0; i < COUNT(scripts); i++) {
        const char *const words[] = {VTSIM,     "-u",     url,           "run",      id,
                                     "--clock", "server", "--clock-url", vtsimd.url, NULL};

        snprintf(id, sizeof(id), "s%zu-vtsim", i);
        post("/_sim/reset", "{}");
        post("/_sim/audit/expect", limits);
        run_command(words, &result);
        if (result.status != statuses[scripts[i].outcome])
            fail_msg("%s: %s: %d\n%s%s", id, scripts[i].text, result.status, result.out,
                     result.err);
        run_result_finish(&result);
        assert_passes(id, scripts[i].text);
    }
}

static void the_command_passes(void **state)
{
    (void)state;
    command_passes(vtsimd.url);
}

static void the_command_passes_on_the_original_api(void **state)
{
    (void)state;
    command_passes(plain_url(plain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_passes),
        cmocka_unit_test(the_library_passes_on_the_original_api),
        cmocka_unit_test(the_library_passes_with_long_polls),
        cmocka_unit_test(the_command_passes),
        cmocka_unit_test(the_command_passes_on_the_original_api),
    };

    return cmocka_run_group_tests_name("catalogue", tests, set_up, tear_down);
}
