/* SPDX-License-Identifier: MIT
 *
 * Does what README.md of this folder says, a test for each bug: its server, its small client, vtsim; what they
 * print is there. Then looks at what the page does not show: how often the service was asked, and how
 * libvtsim-client itself comes through the same script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>
#include <vtsim/client.h>
#include <cmocka.h>

#include "folder.h"
#include "http.h"
#include "run.h"
#include "vtsimd.h"

/* What the small client and libvtsim-client make of a script. */
struct bug {
    int number;
    const char *job;     /* that the small client polls, */
    int64_t polls;       /* so often */
    int64_t jobs;        /* that there are when it has ended */
    const char *reasons; /* for which that job's verdict is fail: these and no other */
    const char *more;    /* a limit beyond those that all get, or "" */
    struct {
        enum vts_client_err code;
        enum vts_client_status status;
        uint64_t polls, starts;
        int64_t least_ms;
    } client;
};

#define REASON(limit, job, figure, bound)                                                          \
    "{\"limit\": \"" limit "\", \"job\": \"" job "\", \"figure\": " figure ", \"bound\": " bound "}"

/* Whoever asks on after an end asks too often, too. */
static const struct bug bugs[] = {
    {1,
     "film",
     20,
     1,
     REASON("polls_per_job", "film", "20", "12") ", " REASON("polls_after_end", "film", "19", "0"),
     "",
     {VTS_CLIENT_OK, VTS_CLIENT_ERROR, 1, 1, 0}},
    {2,
     "film",
     20,
     1,
     REASON("polls_per_job", "film", "20", "12"),
     "",
     {VTS_CLIENT_ERR_PROTOCOL, 0, 2, 1, 0}},
    {3,
     "film",
     1,
     1,
     REASON("abandoned", "film", "1", "0"),
     ", \"abandoned\": 0",
     {VTS_CLIENT_OK, VTS_CLIENT_COMPLETED, 2, 1, 0}},
    {4,
     "film",
     5,
     1,
     REASON("early_polls", "film", "4", "0"),
     "",
     {VTS_CLIENT_OK, VTS_CLIENT_COMPLETED, 2, 1, 1000}},
    {5,
     "film",
     2,
     2,
     REASON("polls_after_end", "film", "1", "0"),
     "",
     {VTS_CLIENT_OK, VTS_CLIENT_COMPLETED, 1, 1, 0}},
    {6,
     "film-2",
     0,
     2,
     REASON("abandoned", "film-2", "1", "0"),
     ", \"abandoned\": 0",
     {VTS_CLIENT_OK, VTS_CLIENT_COMPLETED, 1, 2, 0}},
    {7,
     "film",
     20,
     1,
     REASON("polls_per_job", "film", "20", "12"),
     "",
     {VTS_CLIENT_ERR_PROTOCOL, 0, 2, 1, 0}},
    {8,
     "film",
     4,
     1,
     REASON("polls_after_end", "film", "3", "0"),
     "",
     {VTS_CLIENT_OK, VTS_CLIENT_COMPLETED, 1, 1, 0}},
};

enum { BUGS = sizeof(bugs) / sizeof(bugs[0]) };

/* ---- the page -------------------------------------------------------------------------------- */

static char *page, folder[FOLDER_ROOM], ini_path[FOLDER_ROOM + 16];

/* Where the section of a bug begins. */
static const char *section(int number)
{
    char heading[16];
    const char *at;

    snprintf(heading, sizeof(heading), "\n## %d. ", number);
    at = strstr(page, heading);
    assert_non_null(at);
    return at + 1;
}

/* The next block behind *at, of this kind ("sh server"), which must come before any of another kind. For
 * free(). NULL at the end of the section. */
static char *take(const char **at, const char *kind)
{
    const char *opened = strstr(*at, "\n```"), *heading = strstr(*at + 1, "\n## "), *text, *end;

    if (!opened || (heading && heading < opened))
        return NULL;
    opened += 4;
    text = strchr(opened, '\n') + 1;
    if ((size_t)(text - 1 - opened) != strlen(kind) || strncmp(opened, kind, strlen(kind)) != 0)
        fail_msg("a block is \"%.*s\", not \"%s\"", (int)(text - 1 - opened), opened, kind);
    end = strstr(text - 1, "\n```");
    assert_non_null(end);
    *at = end + 4;
    return strndup(text, (size_t)(end + 1 - text));
}

/* The setting out of: vtsimd -c bug.ini -s 'SETTING'. Cuts the block up. */
static const char *setting_of(char *block)
{
    static const char before[] = "vtsimd -c bug.ini -s '";
    char *end = strrchr(block, '\'');

    if (strncmp(block, before, sizeof(before) - 1) != 0 || !end || strcmp(end, "'\n") != 0)
        fail_msg("that is no server of this page: %s", block);
    *end = '\0';
    return block + sizeof(before) - 1;
}

/* The script of the table on the page: | [1](#...) | ... | `SCRIPT` |. */
static void assert_in_table(int number, const char *setting)
{
    const char *script = strchr(setting, '=') + 1;
    int length = (int)strcspn(script, "\n");
    char row[16], cell[200];
    const char *at, *line_end;

    snprintf(row, sizeof(row), "\n| [%d](", number);
    snprintf(cell, sizeof(cell), "| `%.*s` |\n", length, script);
    at = strstr(page, row);
    assert_non_null(at);
    line_end = strchr(at + 1, '\n');
    assert_non_null(line_end);
    assert_memory_equal(line_end + 1 - strlen(cell), cell, strlen(cell));
}

/* ---- what happened --------------------------------------------------------------------------- */

static void play(const char *script, const char *wanted)
{
    const char *const argv[] = {"sh", "-eu", "-c", script, NULL};
    struct run_result result;

    run_command(argv, &result);
    if (result.status != 0 || result.timed_out)
        fail_msg("%sended with %d:\n%s%s", script, result.status, result.out, result.err);
    assert_string_equal(result.out, wanted);
    run_result_finish(&result);
}

/* How often the service was asked for a job, and how many jobs it has: from the list, which is no poll. */
static void assert_polls(const struct vtsimd *vtsimd, const struct bug *bug)
{
    struct http_response response;
    struct json_object *list, *jobs, *job;
    int64_t polls = -1;

    http_request(vtsimd->port, "GET", "/jobs", NULL, &response);
    assert_int_equal(response.status, 200);
    list = json_tokener_parse(response.body);
    jobs = json_object_object_get(list, "jobs");
    assert_int_equal(json_object_array_length(jobs), bug->jobs);
    for (size_t i = 0; i < json_object_array_length(jobs); i++) {
        job = json_object_array_get_idx(jobs, i);
        if (strcmp(json_object_get_string(json_object_object_get(job, "id")), bug->job) == 0)
            polls = json_object_get_int64(json_object_object_get(job, "polls"));
    }
    assert_int_equal(polls, bug->polls);
    json_object_put(list);
    http_response_finish(&response);
}

/* ---- the verdict: limits that a good client keeps through each script -------------------------- */

static void expect_good_polling(const struct vtsimd *vtsimd, const struct bug *bug)
{
    struct http_response response;
    char limits[300];

    snprintf(limits, sizeof(limits),
             "{\"early_polls\": 0, \"early_starts\": 0, \"polls_after_end\": 0, "
             "\"duplicate_starts\": 0, "
             "\"polls_per_job\": 12, \"detection_delay\": \"20s\", \"unknown_polls\": 0%s}",
             bug->more);
    http_request(vtsimd->port, "POST", "/_sim/audit/expect", limits, &response);
    assert_int_equal(response.status, 200);
    http_response_finish(&response);
}

/* That on the jobs of this name; "": it passes. */
static void assert_verdict(const struct vtsimd *vtsimd, const char *job, const char *reasons)
{
    struct http_response response;
    char target[80], wanted[400];

    snprintf(target, sizeof(target), "/_sim/audit/verdict?job=%s", job);
    http_request(vtsimd->port, "GET", target, NULL, &response);
    snprintf(wanted, sizeof(wanted), "{\"verdict\": \"%s\", \"reasons\": [%s]}",
             *reasons ? "fail" : "pass", reasons);
    assert_string_equal(response.body, wanted);
    http_response_finish(&response);
}

static void assert_client(const struct vtsimd *vtsimd, const struct bug *bug)
{
    const struct vts_client_result *result;
    struct vts_client_options options;
    struct vts_client *client;

    vts_client_options_init(&options);
    options.url = vtsimd->url;
    options.initial_ms = options.cap_ms = 20;
    options.cost_ms = 0;
    options.long_poll_ms = 0;
    options.max_errors = 2;
    options.deadline_ms = RUN_TIMEOUT_MS;
    client = vts_client_create(NULL, &options, NULL);
    assert_non_null(client);
    result = vts_client_run_sync(client, "library", NULL);
    assert_int_equal(result->error.code, bug->client.code);
    if (result->error.code == VTS_CLIENT_OK)
        assert_int_equal(result->job->status, bug->client.status);
    assert_int_equal(result->polls, bug->client.polls);
    assert_int_equal(result->starts, bug->client.starts);
    assert_true(result->elapsed_ms >= bug->client.least_ms);
    vts_client_destroy(client);
}

static void find_bug(void **state)
{
    const struct bug *bug = *state;
    const char *at = section(bug->number), *setting;
    char *server = take(&at, "sh server"), *commands, *printed;
    struct vtsimd vtsimd;
    int played = 0;

    assert_non_null(server);
    setting = setting_of(server);
    assert_in_table(bug->number, setting);
    vtsimd_start(&vtsimd, (const char *const[]){"-c", ini_path, "-s", setting, "-s",
                                                "audit/abandoned_after=0", NULL});
    expect_good_polling(&vtsimd, bug);
    setenv("VTSIM_URL", vtsimd.url, 1);
    while ((commands = take(&at, "sh"))) {
        printed = take(&at, "text");
        assert_non_null(printed);
        play(commands, printed);
        if (!played++) {
            assert_polls(&vtsimd, bug);
            assert_verdict(&vtsimd, bug->job, bug->reasons);
        }
        free(printed);
        free(commands);
    }
    assert_int_equal(played, 2);
    assert_client(&vtsimd, bug);
    assert_verdict(&vtsimd, "clip", "");
    assert_verdict(&vtsimd, "library", "");
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
    free(server);
}

/* ---- around them ----------------------------------------------------------------------------- */

static void write_ini(const char *text)
{
    FILE *file;

    snprintf(ini_path, sizeof(ini_path), "%s/bug.ini", folder);
    file = fopen(ini_path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        fail_msg("cannot write %s", ini_path);
}

static char *read_page(void)
{
    char *text = calloc(1, 65536);
    FILE *file = fopen(VTSIM_SOURCE_DIR "/tests/clients/README.md", "r");

    if (!text || !file || fread(text, 1, 65535, file) == 65535)
        fail_msg("cannot read the page, or it is too long");
    fclose(file);
    return text;
}

/* The clients of this build, called as the page calls them, beside the vtsim of this build. */
static int set_up(void **state)
{
    const char *at, *path = getenv("PATH");
    char *ini, longer[4096];

    (void)state;
    page = read_page();
    at = strstr(page, "\n## Try it");
    assert_non_null(at);
    ini = take(&at, "ini bug.ini");
    assert_non_null(ini);
    folder_make(folder);
    write_ini(ini);
    free(ini);
    snprintf(longer, sizeof(longer), "%s:%s", VTSIM_BUILD_DIR "/bin", path ? path : "");
    setenv("PATH", longer, 1);
    return chdir(VTSIM_BUILD_DIR "/tests/clients");
}

static int tear_down(void **state)
{
    (void)state;
    folder_remove(folder);
    free(page);
    return 0;
}

/* The page's commands make the clients that it then runs, from what is installed beside it. */
static void the_clients_are_built_as_the_page_says(void **state)
{
    const char *at = strstr(page, "\n## Try it");
    char *ini = take(&at, "ini bug.ini"), *build = take(&at, "sh build"), script[4096];
    int length;

    (void)state;
    assert_non_null(build);
    length = snprintf(script, sizeof(script),
                      "cp '%s/tests/clients/'*.[ch] '%s'\ncd '%s'\n%sls | grep -vc '[.]'\n",
                      VTSIM_SOURCE_DIR, folder, folder, build);
    assert_in_range(length, 1, sizeof(script) - 1);
    play(script, "8\n");
    free(build);
    free(ini);
}

int main(void)
{
    struct CMUnitTest tests[BUGS + 1];
    static char names[BUGS][16];

    for (size_t i = 0; i < BUGS; i++) {
        snprintf(names[i], sizeof(names[i]), "bug_%d", bugs[i].number);
        tests[i] = (struct CMUnitTest){
            .name = names[i], .test_func = find_bug, .initial_state = (void *)(uintptr_t)&bugs[i]};
    }
    tests[BUGS] = (struct CMUnitTest)cmocka_unit_test(the_clients_are_built_as_the_page_says);
    return cmocka_run_group_tests_name("bugs of clients", tests, set_up, tear_down);
}
