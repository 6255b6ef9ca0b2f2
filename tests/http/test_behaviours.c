/* SPDX-License-Identifier: MIT
 *
 * GET /_sim/behaviours through a real vtsimd: which plugins, behaviours and filters there are, by whom they are used,
 * and those that clients made by options of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "folder.h"
#include "run.h"
#include "server.h"

#define GOOD VTSIM_BUILD_DIR "/tests/fixtures/load/good"
#define BAD  VTSIM_BUILD_DIR "/tests/fixtures/load/bad"

static struct vtsimd vtsimd;

static int stop(void **state)
{
    (void)state;
    server_stop(&vtsimd);
    return 0;
}

/* For json_object_put. */
static struct json_object *behaviours(const char *query)
{
    char target[128];

    snprintf(target, sizeof(target), "/_sim/behaviours%s", query);
    return ask_json(&vtsimd, "GET", target, NULL, 200);
}

/* The one in this list of this name. */
static struct json_object *named(struct json_object *all, const char *list, const char *name)
{
    struct json_object *found = json_object_object_get(all, list), *one;

    for (size_t i = 0; i < json_object_array_length(found); i++) {
        one = json_object_array_get_idx(found, i);
        if (strcmp(member_text(one, "name"), name) == 0)
            return one;
    }
    fail_msg("no %s in %s: %s", name, list, json_object_to_json_string(found));
    return NULL;
}

static void assert_is(struct json_object *object, const char *wanted)
{
    assert_string_equal(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE),
                        wanted);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* ---- plugins ---- */

static void plugins_and_their_options(void **state)
{
    struct json_object *all, *one;
    char file[512];

    (void)state;
    server_start(&vtsimd, NULL);
    all = behaviours("");
    one = named(all, "plugins", "fixed_delay");
    snprintf(file, sizeof(file), "%s/lib/vtsim/plugins/fixed_delay.so", VTSIM_BUILD_DIR);
    assert_string_equal(member_text(one, "file"), file);
    json_object_object_del(one, "file");
    assert_is(one, "{\"name\":\"fixed_delay\",\"kind\":\"behaviour\",\"summary\":\"every job "
                   "completes after the same time\",\"options\":[{\"key\":\"delay\",\"type\":"
                   "\"TIME\",\"default\":\"10s\",\"range\":\"\",\"help\":\"from start to "
                   "completion\"},{\"key\":\"progress\",\"type\":\"BOOL\",\"default\":\"off\","
                   "\"range\":\"\",\"help\":\"report progress in proportion to time\"}]}");
    one = named(all, "plugins", "replay");
    assert_is(json_object_array_get_idx(json_object_object_get(one, "options"), 0),
              "{\"key\":\"file\",\"type\":\"PATH\",\"default\":null,\"range\":\"1 to 4095 "
              "bytes\",\"example\":\"jobs.csv\",\"help\":\"the CSV file; its first line names the "
              "columns\"}");
    assert_string_equal(member_text(named(all, "plugins", "flaky_service"), "kind"), "filter");
    assert_is(json_object_object_get(all, "broken"), "[]");
    json_object_put(all);
}

/* What --describe tells of a plugin is what stands here. */
static void as_it_is_described(void **state)
{
    struct json_object *all, *plugins, *plugin, *options, *option;
    struct run_result result;

    (void)state;
    server_start(&vtsimd, NULL);
    all = behaviours("");
    plugins = json_object_object_get(all, "plugins");
    assert_in_range(json_object_array_length(plugins), 4, 20);
    for (size_t i = 0; i < json_object_array_length(plugins); i++) {
        plugin = json_object_array_get_idx(plugins, i);
        run_command((const char *const[]){VTSIM_BUILD_DIR "/bin/vtsimd", "-s",
                                          "server/plugin_path=" VTSIM_BUILD_DIR "/tests/plugins",
                                          "--describe", member_text(plugin, "name"), NULL},
                    &result);
        assert_int_equal(result.status, 0);
        assert_non_null(strstr(result.out, member_text(plugin, "summary")));
        assert_non_null(strstr(result.out, member_text(plugin, "file")));
        options = json_object_object_get(plugin, "options");
        for (size_t j = 0; j < json_object_array_length(options); j++) {
            option = json_object_array_get_idx(options, j);
            assert_non_null(strstr(result.out, member_text(option, "key")));
            assert_non_null(strstr(result.out, member_text(option, "type")));
            assert_non_null(strstr(result.out, member_text(option, "range")));
            assert_non_null(strstr(result.out, member_text(option, "help")));
        }
        run_result_finish(&result);
    }
    json_object_put(all);
}

static void plugins_that_cannot_be_used(void **state)
{
    struct json_object *all;

    (void)state;
    server_start(&vtsimd, "-s", "server/plugin_path=" BAD "\n" VTSIM_BUILD_DIR "/tests/plugins",
                 NULL);
    all = behaviours("");
    assert_is(named(all, "broken", "abi_newer"),
              "{\"name\":\"abi_newer\",\"file\":\"" BAD
              "/abi_newer.so\",\"reason\":\"abi_newer was built for plugin ABI 2, this vtsimd "
              "speaks ABI 1: build it with an older vtsim/plugin.h\"}");
    json_object_put(all);
}

/* ---- what the configuration gives ---- */

static void what_is_made_of_them(void **state)
{
    static const char ini[] = "[server]\nfilter = busy\n"
                              "[filter busy]\nplugin = flaky_service\nerror_rate = 0\n"
                              "outage_every = 0\n"
                              "[filter own]\nplugin = flaky_service\nerror_rate = 0\n"
                              "outage_every = 0\n"
                              "[behaviour na\"ive]\nplugin = fixed_delay\n"
                              "filter = own\ndelay = 2h\n"
                              "[rule x]\njob_id = x-*\nbehaviour = na\"ive\nfilter = own\n"
                              "[rule y]\njob_id = y-*\nbehaviour = fixed_delay\nfilter = own\n";
    char folder[FOLDER_ROOM], path[FOLDER_ROOM + 16], wanted[2048];
    struct json_object *all, *one, *list;

    (void)state;
    folder_make(folder);
    snprintf(path, sizeof(path), "%s/a.ini", folder);
    write_file(path, ini);
    server_start(&vtsimd, "-c", path, "-s", "behaviour na\"ive/progress=on", NULL);
    start_job(&vtsimd, "x-1", NULL);
    start_job(&vtsimd, "x-2", NULL);
    start_job(&vtsimd, "y-1", NULL);
    all = behaviours("");
    snprintf(wanted, sizeof(wanted),
             "{\"name\":\"na\\\"ive\",\"from\":\"%s:11\",\"plugin\":\"fixed_delay\",\"jobs\":2,"
             "\"filters\":[\"busy\",\"own\"],\"settings\":{\"delay\":{\"value\":\"2h\",\"from\":"
             "\"%s:14\"},\"progress\":{\"value\":\"on\",\"from\":\"-s\"},\"filter\":{\"value\":"
             "\"own\",\"from\":\"%s:13\"}}}",
             path, path, path);
    assert_is(named(all, "behaviours", "na\"ive"), wanted);
    /* a plugin alone has no section, */
    assert_is(named(all, "behaviours", "fixed_delay"),
              "{\"name\":\"fixed_delay\",\"from\":null,\"plugin\":\"fixed_delay\",\"jobs\":0,"
              "\"filters\":[\"busy\"],\"settings\":{\"delay\":{\"value\":\"10s\",\"from\":"
              "\"default\"},\"progress\":{\"value\":\"off\",\"from\":\"default\"}}}");
    /* and with a rule's filters it is another */
    list = json_object_object_get(all, "behaviours");
    one = json_object_array_get_idx(list, json_object_array_length(list) - 1);
    assert_is(one, "{\"name\":\"fixed_delay\",\"rule\":\"y\",\"from\":null,\"plugin\":"
                   "\"fixed_delay\",\"jobs\":1,\"filters\":[\"busy\",\"own\"],\"settings\":{"
                   "\"delay\":{\"value\":\"10s\",\"from\":\"default\"},\"progress\":{\"value\":"
                   "\"off\",\"from\":\"default\"}}}");
    one = named(all, "filters", "own");
    assert_string_equal(member_text(one, "plugin"), "flaky_service");
    assert_int_equal(json_object_get_int(json_object_object_get(one, "behaviours")), 2);
    assert_null(json_object_object_get(one, "jobs"));
    assert_is(json_object_object_get(all, "made"),
              "{\"count\":0,\"most\":10000,\"list\":[],\"next\":null}");
    json_object_put(all);
    folder_remove(folder);
}

static void how_many_jobs(const char *name, int jobs)
{
    struct json_object *all = behaviours("");

    assert_int_equal(
        json_object_get_int(json_object_object_get(named(all, "behaviours", name), "jobs")), jobs);
    json_object_put(all);
}

/* Jobs that have ended count as long as they are kept. */
static void jobs_are_counted(void **state)
{
    (void)state;
    server_start(&vtsimd, "-s", "server/behaviour=fixed_delay", "-s", "clock/mode=virtual", "-s",
                 "server/keep_ended=1h", NULL);
    start_job(&vtsimd, "a", NULL);
    start_job(&vtsimd, "b", NULL);
    how_many_jobs("fixed_delay", 2);
    ask(&vtsimd, "POST", "/_sim/clock", "{\"advance\": \"1m\"}", 200, NULL);
    ask(&vtsimd, "GET", "/jobs/a", NULL, 200, NULL);
    how_many_jobs("fixed_delay", 2);
    ask(&vtsimd, "POST", "/_sim/reset", "{\"jobs\": \"a\"}", 200, NULL);
    how_many_jobs("fixed_delay", 1);
    ask(&vtsimd, "POST", "/_sim/clock", "{\"advance\": \"1h\"}", 200, NULL);
    how_many_jobs("fixed_delay", 0);
}

static void slots_are_told(void **state)
{
    struct json_object *all;

    (void)state;
    server_start(&vtsimd, "-s", "behaviour q/plugin=queue", "-s", "behaviour q/slots=3", "-s",
                 "server/behaviour=q", "-s", "clock/mode=virtual", NULL);
    all = behaviours("");
    assert_is(json_object_object_get(named(all, "behaviours", "q"), "slots"),
              "{\"count\":3,\"free\":3,\"waiting\":0}");
    json_object_put(all);
    for (int i = 0; i < 5; i++) {
        char id[16];

        snprintf(id, sizeof(id), "j%d", i);
        start_job(&vtsimd, id, NULL);
    }
    all = behaviours("");
    assert_is(json_object_object_get(named(all, "behaviours", "q"), "slots"),
              "{\"count\":3,\"free\":0,\"waiting\":2}");
    assert_null(json_object_object_get(named(all, "behaviours", "fixed_delay"), "slots"));
    json_object_put(all);
    ask(&vtsimd, "POST", "/_sim/clock", "{\"advance\": \"10s\"}", 200, NULL);
    all = behaviours("");
    assert_is(json_object_object_get(named(all, "behaviours", "q"), "slots"),
              "{\"count\":3,\"free\":1,\"waiting\":0}");
    json_object_put(all);
}

/* ---- what clients made ---- */

static void start_own(const char *id, const char *delay)
{
    char body[160];

    snprintf(body, sizeof(body),
             "{\"id\": \"%s\", \"behaviour\": \"fixed_delay\", \"options\": {\"delay\": \"%s\"}}",
             id, delay);
    ask(&vtsimd, "POST", "/jobs", body, 201, NULL);
}

static int count_made(void)
{
    struct json_object *all = behaviours("");
    int count =
        json_object_get_int(json_object_object_get(json_object_object_get(all, "made"), "count"));

    json_object_put(all);
    return count;
}

static void sets_of_options_are_told(void **state)
{
    struct json_object *all, *list, *one;

    (void)state;
    server_start(&vtsimd, "-s", "server/workers=2", "-s", "server/max_instances=7", NULL);
    start_own("a", "1h");
    start_own("b", "1h");
    all = behaviours("");
    list = json_object_object_get(json_object_object_get(all, "made"), "list");
    assert_int_equal(json_object_array_length(list), 1);
    one = json_object_array_get_idx(list, 0);
    assert_int_equal(strlen(member_text(one, "instance")), 16);
    json_object_object_del(one, "instance");
    assert_is(one, "{\"name\":\"fixed_delay\",\"plugin\":\"fixed_delay\",\"jobs\":2,\"filters\":[],"
                   "\"settings\":{\"delay\":{\"value\":\"1h\"},\"progress\":{\"value\":\"off\"}}}");
    assert_int_equal(
        json_object_get_int(json_object_object_get(json_object_object_get(all, "made"), "most")),
        7);
    json_object_put(all);
    start_own("c", "2h");
    assert_int_equal(count_made(), 2);
    ask(&vtsimd, "POST", "/_sim/reset", "{\"jobs\": \"a\"}", 200, NULL);
    assert_int_equal(count_made(), 2);
    ask(&vtsimd, "POST", "/_sim/reset", "{}", 200, NULL);
    assert_int_equal(count_made(), 0);
}

/* Page by page they come all, each once. */
static void many_sets_of_options(void **state)
{
    char delay[16], query[64] = "?limit=3", seen[512] = "";
    struct json_object *all, *made, *list, *next;
    const char *instance;
    size_t count = 0;

    (void)state;
    server_start(&vtsimd, NULL);
    for (int i = 0; i < 10; i++) {
        snprintf(delay, sizeof(delay), "%dh", i + 1);
        start_own(delay, delay);
    }
    for (int page = 0; *query; page++) {
        all = behaviours(query);
        made = json_object_object_get(all, "made");
        assert_int_equal(json_object_get_int(json_object_object_get(made, "count")), 10);
        list = json_object_object_get(made, "list");
        assert_int_equal(json_object_array_length(list), page < 3 ? 3 : 1);
        for (size_t i = 0; i < json_object_array_length(list); i++, count++) {
            instance = member_text(json_object_array_get_idx(list, i), "instance");
            assert_null(strstr(seen, instance));
            strcat(seen, instance);
        }
        next = json_object_object_get(made, "next");
        snprintf(query, sizeof(query), next ? "?limit=3&after=%s" : "%s",
                 next ? json_object_get_string(next) : "");
        json_object_put(all);
    }
    assert_int_equal(count, 10);
}

/* A job with a script of 300 KB. */
static void start_long(int number)
{
    struct http_response response;
    char *body = calloc(1, 320000), *at = body;

    assert_non_null(body);
    at += sprintf(at,
                  "{\"id\": \"long-%d\", \"behaviour\": \"scripted_sequence\", \"options\": "
                  "{\"script\": \"pending x%d",
                  number, number + 1);
    while (at < body + 300000)
        at += sprintf(at, ", pending x1");
    strcpy(at, "\"}}");
    http_request(vtsimd.port, "POST", "/jobs", body, &response);
    assert_int_equal(response.status, 201);
    http_response_finish(&response);
    free(body);
}

/* They are told one at a time. */
static void long_scripts(void **state)
{
    struct json_object *all, *made, *next;
    char query[64] = "";

    (void)state;
    server_start(&vtsimd, NULL);
    for (int i = 0; i < 3; i++)
        start_long(i);
    for (int page = 0; page < 3; page++) {
        all = behaviours(query);
        made = json_object_object_get(all, "made");
        assert_int_equal(json_object_get_int(json_object_object_get(made, "count")), 3);
        assert_int_equal(json_object_array_length(json_object_object_get(made, "list")), 1);
        next = json_object_object_get(made, "next");
        assert_true(page == 2 ? !next : next != NULL);
        snprintf(query, sizeof(query), "?after=%s", next ? json_object_get_string(next) : "");
        json_object_put(all);
    }
}

/* ---- who may ask, and how ---- */

static void assert_refused(const char *method, const char *target, const char *headers, int status,
                           const char *answer)
{
    struct http_response response;

    ask_with(&vtsimd, method, target, headers, NULL, &response);
    assert_int_equal(response.status, status);
    assert_string_equal(response.body, answer);
    http_response_finish(&response);
}

static void it_is_asked_as_its_neighbours_are(void **state)
{
    static const char bearer[] = "Authorization: Bearer s3cret\r\n";
    struct http_connection connection;
    struct http_response response;

    (void)state;
    server_start(&vtsimd, "-s", "control/token=s3cret", NULL);
    assert_refused("GET", "/_sim/behaviours", "", 401,
                   "{\"error\": \"the control side wants the token of [control]: Authorization: "
                   "Bearer TOKEN\"}");
    assert_refused("GET", "/_sim/behaviours", "Origin: http://evil.example\r\n", 403,
                   "{\"error\": \"the control side is not for web pages (Origin: "
                   "http://evil.example)\"}");
    assert_refused("POST", "/_sim/behaviours", bearer, 405,
                   "{\"error\": \"this path takes GET, HEAD\"}");
    assert_refused("DELETE", "/_sim/behaviours", bearer, 405,
                   "{\"error\": \"this path takes GET, HEAD\"}");
    assert_refused("GET", "/_sim/behaviours?after=12", bearer, 400,
                   "{\"error\": \"after is none of what `next` says: 16 hexadecimal digits\"}");
    assert_refused("GET", "/_sim/behaviours?after=00000000000000%00x", bearer, 400,
                   "{\"error\": \"after is none of what `next` says: 16 hexadecimal digits\"}");
    assert_refused("GET", "/_sim/behaviours?limit=1001", bearer, 400,
                   "{\"error\": \"limit must be a whole number from 1 to 1000\"}");
    assert_refused(
        "GET", "/_sim/behaviours?name=x", bearer, 400,
        "{\"error\": \"unknown parameter \\\"name\\\": this path takes limit and after\"}");
    http_connect(&connection, vtsimd.port);
    connection.head = true;
    assert_true(http_puts(&connection, "HEAD /_sim/behaviours HTTP/1.1\r\nHost: localhost\r\n"
                                       "Authorization: Bearer s3cret\r\n\r\n"));
    assert_int_equal(http_read(&connection, &response), HTTP_ANSWER);
    assert_int_equal(response.status, 200);
    assert_true(strtol(http_header(&response, "Content-Length"), NULL, 10) > 1000);
    http_response_finish(&response);
    http_close(&connection);
}

#define TEST(name) cmocka_unit_test_teardown(name, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plugins_and_their_options),
        TEST(as_it_is_described),
        TEST(plugins_that_cannot_be_used),
        TEST(what_is_made_of_them),
        TEST(jobs_are_counted),
        TEST(slots_are_told),
        TEST(sets_of_options_are_told),
        TEST(many_sets_of_options),
        TEST(long_scripts),
        TEST(it_is_asked_as_its_neighbours_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
