/* SPDX-License-Identifier: MIT
 *
 * The command line of vtsimd: what it takes, what it says (to the letter) and how it ends. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "http.h"
#include "run.h"
#include "vtsimd.h"

#define VTSIMD  VTSIM_BUILD_DIR "/bin/vtsimd"
#define PLUGINS VTSIM_BUILD_DIR "/lib/vtsim/plugins"
#define BENDER  "server/plugin_path=" VTSIM_BUILD_DIR "/tests/plugins"
#define USAGE                                                                                      \
    "usage: vtsimd [-c FILE] [-l ADDR:PORT] [-s 'SECTION/KEY=VALUE']...\n"                         \
    "try: vtsimd --help\n"

/* ---- running it ---- */

#define RUN(result, ...) run_command((const char *const[]){VTSIMD, __VA_ARGS__, NULL}, result)

static void assert_ended(struct run_result *result, int status, const char *out, const char *err)
{
    if (result->status != status || (out && strcmp(result->out, out) != 0) ||
        (err && strcmp(result->err, err) != 0))
        fail_msg("ended with %d, printed:\n%s\nand complained:\n%s\ninstead of %d:\n%s\nand\n%s",
                 result->status, result->out, result->err, status, out ? out : "(anything)",
                 err ? err : "(anything)");
    run_result_finish(result);
}

/* A folder of the test's own as *state. */
static int make_folder(void **state)
{
    char *folder = strdup("/tmp/vtsim-cli-XXXXXX");

    *state = folder;
    return folder && mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    struct run_result result;

    run_command((const char *const[]){"rm", "-r", *state, NULL}, &result);
    run_result_finish(&result);
    free(*state);
    return 0;
}

/* Writes a file into the folder; its path is for free(). */
static char *write_file(void **state, const char *name, const char *content)
{
    char *path = NULL;
    FILE *file;

    assert_true(asprintf(&path, "%s/%s", (const char *)*state, name) > 0);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return path;
}

/* ---- saying and ending ---- */

static void version(void **state)
{
    struct run_result result;

    (void)state;
    RUN(&result, "--version");
    assert_ended(&result, 0, "vtsimd " VTSIM_VERSION "\n", "");
    /* What is asked first is answered, whatever else is there. */
    RUN(&result, "-c", "/nowhere", "--version", "--check");
    assert_ended(&result, 0, "vtsimd " VTSIM_VERSION "\n", "");
}

static void help_in_short(void **state)
{
    struct run_result in_full, in_short;

    (void)state;
    RUN(&in_full, "--help");
    RUN(&in_short, "-h");
    assert_string_equal(in_short.out, in_full.out);
    assert_ended(&in_short, 0, NULL, "");
    run_result_finish(&in_full);
}

static void help(void **state)
{
    static const char *const words[] = {"usage: vtsimd ",
                                        "-c, --config FILE",
                                        "-l, --listen ADDR:PORT",
                                        "-s, --set SECTION/KEY=VALUE",
                                        "--check",
                                        "--describe [PLUGIN]",
                                        "--version",
                                        "-h, --help",
                                        "vtsimd: listening on http://127.0.0.1:5000",
                                        "SIGTERM",
                                        "Exit status: "};
    struct run_result result;

    (void)state;
    RUN(&result, "--help");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strstr(result.out, words[i]))
            fail_msg("--help does not say \"%s\"", words[i]);
    /* It fits on a screen. */
    for (char *line = strtok(result.out, "\n"); line; line = strtok(NULL, "\n"))
        assert_in_range(strlen(line), 1, 100);
    assert_ended(&result, 0, NULL, "");
}

static void wrong_arguments(void **state)
{
    struct run_result result;

    (void)state;
    RUN(&result, "--bogus");
    assert_ended(&result, 2, "", VTSIMD ": unrecognized option '--bogus'\n" USAGE);
    RUN(&result, "-x");
    assert_ended(&result, 2, "", VTSIMD ": invalid option -- 'x'\n" USAGE);
    RUN(&result, "-c");
    assert_ended(&result, 2, "", VTSIMD ": option requires an argument -- 'c'\n" USAGE);
    RUN(&result, "--check=yes");
    assert_ended(&result, 2, "", VTSIMD ": option '--check' doesn't allow an argument\n" USAGE);
    RUN(&result, "extra");
    assert_ended(&result, 2, "",
                 "vtsimd: what is \"extra\"? a configuration is read with -c FILE\n" USAGE);
    RUN(&result, "--check", "serve");
    assert_ended(&result, 2, "",
                 "vtsimd: what is \"serve\"? a configuration is read with -c FILE\n" USAGE);
}

/* ---- --check ---- */

static void check_of_what_is_right(void **state)
{
    struct run_result result;
    char *path = write_file(state, "empty.ini", "");

    RUN(&result, "--check");
    assert_ended(&result, 0, "vtsimd: nothing is wrong\n", "");
    RUN(&result, "--check", "-c", VTSIM_SOURCE_DIR "/config/vtsimd.ini");
    assert_ended(&result, 0, VTSIM_SOURCE_DIR "/config/vtsimd.ini: nothing is wrong\n", "");
    RUN(&result, "-c", path, "--check");
    assert_int_equal(result.status, 0);
    assert_ended(&result, 0, NULL, "");
    /* The last -c is the one that is read. */
    RUN(&result, "-c", "/nowhere", "-c", path, "--check");
    assert_ended(&result, 0, NULL, "");
    free(path);
}

static void check_tells_all_in_one_go(void **state)
{
    char *path = write_file(state, "bad.ini",
                            "; several things are wrong\n"
                            "[server]\n"
                            "workers = many\n"
                            "listn = 127.0.0.1:1\n"
                            "listen = 127.0.0.1\n"
                            "workers = 2\n"
                            "max_body = 0\n"
                            "\n"
                            "[behaviour quick]\n"
                            "plugin = fixed_delay\n"
                            "delay = 10 parsecs\n"
                            "dellay = 1s\n"
                            "\n"
                            "[behaviour lost]\n"
                            "plugin = fixd_delay\n"
                            "\n"
                            "[behavior x]\n"
                            "plugin = fixed_delay\n"
                            "\n"
                            "[rule r]\n"
                            "job_id = a*\n"
                            "behaviour = nobody\n");
    static const char *const expected[] = {
        ":3: [server] workers: \"many\" is not a whole number; write one such as 1000\n",
        ":4: [server] listn: unknown key; did you mean \"listen\"?\n",
        ":5: [server] listen: \"127.0.0.1\" has no port; write ADDRESS:PORT, such as "
        "127.0.0.1:5000\n",
        ":6: [server] workers: given twice; the first one is at line 3\n",
        ":7: [server] max_body: \"0\" is out of range; write a whole number from 1 to "
        "1073741824\n",
        ":11: [behaviour quick] delay: \"10 parsecs\" is not a time; write one number and one "
        "unit: 250ms, 10s, 2m, 1h or 1d\n",
        ":12: [behaviour quick] dellay: unknown key; did you mean \"delay\"?\n",
        ":15: [behaviour lost] plugin: no plugin \"fixd_delay\" in " PLUGINS
        "; did you mean \"fixed_delay\"?\n",
        ":17: [behavior x]: unknown kind of section; did you mean [behaviour NAME]?\n",
        ":22: [rule r] behaviour: no section [behaviour nobody], nor a plugin of that name in "
        "" PLUGINS "\n"};
    size_t count = sizeof(expected) / sizeof(expected[0]), lines = 0;
    struct run_result result;

    RUN(&result, "-c", path, "--check");
    assert_int_equal(result.status, 2);
    assert_string_equal(result.out, "");
    for (size_t i = 0; i < count; i++) {
        char line[1024];

        snprintf(line, sizeof(line), "%s%s", path, expected[i]);
        if (!strstr(result.err, line))
            fail_msg("\"%s\" is not said in\n%s", line, result.err);
    }
    for (const char *at = result.err; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, count);
    run_result_finish(&result);
    /* Without --check it says the same, and serves nothing. */
    RUN(&result, "-c", path, "-l", "127.0.0.1:0");
    assert_int_equal(result.status, 2);
    assert_string_equal(result.out, "");
    run_result_finish(&result);
    free(path);
}

/* Filters and behaviours are told apart, and so are rules' conditions from other keys. */
static void check_of_filters_and_rules(void **state)
{
    char *path = write_file(state, "filters.ini",
                            "[server]\n"
                            "behaviour = flaky\n"
                            "filter = quick\n"
                            "         flaky\n"
                            "         flakey\n"
                            "[filter flaky]\n"
                            "plugin = flaky_service\n"
                            "outage_every = 1m\n"
                            "outage_for = 2m\n"
                            "[filter wrong]\n"
                            "plugin = fixed_delay\n"
                            "[filter ok]\n"
                            "plugin = flaky_service\n"
                            "[filter]\n"
                            "[behaviour quick]\n"
                            "plugin = fixed_delay\n"
                            "filter = ok\n"
                            "[behaviour bent]\n"
                            "plugin = flaky_service\n"
                            "[rule r]\n"
                            "inputs.language = es\n"
                            "behaviour = ok\n");
    static const char *const expected[] = {
        ":14: [filter]: it needs a name; write [filter NAME]\n",
        ":21: [rule r] inputs.language: unknown key; did you mean \"input.language\"?\n",
        ":9: [filter flaky] outage_for: an outage lasts longer than the time from one to the "
        "next, which is outage_every = 60000 ms\n",
        ":11: [filter wrong] plugin: \"fixed_delay\" is a behaviour, not a filter: write "
        "[behaviour wrong]\n",
        ":3: [server] filter: \"quick\" is a behaviour, not a filter\n",
        ":5: [server] filter: no section [filter flakey], nor a plugin of that name in " PLUGINS
        "\n",
        ":19: [behaviour bent] plugin: \"flaky_service\" is a filter, not a behaviour: write "
        "[filter bent]\n",
        ":2: [server] behaviour: no section [behaviour flaky], nor a plugin of that name "
        "in " PLUGINS "\n",
        ":22: [rule r] behaviour: \"ok\" is a filter, not a behaviour\n"};
    struct text {
        char bytes[4000];
        size_t length;
    } wanted = {.length = 0};
    struct run_result result;

    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        wanted.length +=
            (size_t)snprintf(wanted.bytes + wanted.length, sizeof(wanted.bytes) - wanted.length,
                             "%s%s", path, expected[i]);
    RUN(&result, "-c", path, "--check");
    assert_ended(&result, 2, "", wanted.bytes);
    free(path);
}

static void problems_of_the_command_line(void **state)
{
    struct run_result result;

    (void)state;
    RUN(&result, "--check", "-s", "workers=2");
    assert_ended(&result, 2, "",
                 "-s: \"workers=2\": is no setting; write SECTION/KEY=VALUE, such as "
                 "server/workers=2\n");
    RUN(&result, "--check", "-s", "server/workers=999");
    assert_ended(&result, 2, "",
                 "-s: [server] workers: \"999\" is out of range; write a whole number from 0 to "
                 "256\n");
    RUN(&result, "--check", "-s", "server/wrokers=2");
    assert_ended(&result, 2, "", "-s: [server] wrokers: unknown key; did you mean \"workers\"?\n");
    RUN(&result, "--check", "-s", "behaviour q/plugin=nothing");
    assert_ended(&result, 2, "",
                 "-s: [behaviour q] plugin: no plugin \"nothing\" in " PLUGINS "\n");
    RUN(&result, "--check", "-s", "server/behaviour=nothing");
    assert_ended(&result, 2, "",
                 "-s: [server] behaviour: no section [behaviour nothing], nor a plugin of that "
                 "name in " PLUGINS "\n");
    RUN(&result, "--check", "-s", "behaviour q/plugin=../fixed_delay");
    assert_ended(&result, 2, "",
                 "-s: [behaviour q] plugin: \"../fixed_delay\" is a path: give the plugin's name "
                 "alone, and its folder in [server] plugin_path\n");
    RUN(&result, "--check", "-s", "server/plugin_path=/no/such/folder");
    assert_ended(&result, 2, "",
                 "-s: [server] plugin_path: folder /no/such/folder cannot be read: No such file or "
                 "directory\n");
    /* What the plugin's own open has to say. */
    RUN(&result, "--check", "-s", BENDER, "-s", "behaviour b/plugin=bender", "-s",
        "behaviour b/refuse=200");
    assert_ended(&result, 2, "", "-s: [behaviour b] refuse: 200 refuses nothing: 400 to 599 do\n");
}

static void files_that_cannot_be_read(void **state)
{
    struct run_result result;
    char expected[256];
    char *path = write_file(state, "secret.ini", "[server]\n");

    RUN(&result, "-c", "/nowhere/vtsimd.ini");
    assert_ended(&result, 2, "",
                 "/nowhere/vtsimd.ini: cannot open it: No such file or directory\n");
    RUN(&result, "-c", "/tmp", "--check");
    assert_ended(&result, 2, "", "/tmp: this is a folder; name a file in it\n");
    RUN(&result, "-c", "", "--check");
    assert_int_equal(result.status, 2);
    run_result_finish(&result);
    assert_int_equal(chmod(path, 0), 0);
    if (access(path, R_OK) != 0) { /* root reads everything */
        RUN(&result, "-c", path, "--check");
        snprintf(expected, sizeof(expected), "%s: cannot open it: Permission denied\n", path);
        assert_ended(&result, 2, "", expected);
    }
    free(path);
}

/* ---- --describe ---- */

#define OWN_FOLDER                                                                                 \
    "vtsimd: a folder of your own is searched, too, where [server] plugin_path names it: "         \
    "-s server/plugin_path=FOLDER\n"

static void describe_tells_what_there_is(void **state)
{
    struct run_result result;

    (void)state;
    RUN(&result, "--describe");
    assert_non_null(strstr(result.out,
                           "  fixed_delay          every job completes after the same "
                           "time\n                       " PLUGINS "/fixed_delay.so\n"));
    assert_non_null(strstr(result.out, "  random_failure "));
    assert_non_null(strstr(result.out, "  scripted_sequence "));
    assert_null(strstr(result.out, "bender"));
    assert_non_null(strstr(result.out, "\nSearched: " PLUGINS "\n"));
    assert_non_null(strstr(result.out, "[server]\n"));
    assert_non_null(strstr(result.out, "  idle_timeout "));
    assert_ended(&result, 0, NULL, "");
    RUN(&result, "--describe", "-s", BENDER);
    assert_non_null(strstr(result.out, "  bender               for tests: refuses, bends and "
                                       "breaks as it is told\n"));
    assert_ended(&result, 0, NULL, "");
    RUN(&result, "--describe", "nothing");
    assert_ended(&result, 2, "", "vtsimd: no plugin \"nothing\" in " PLUGINS "\n" OWN_FOLDER);
    RUN(&result, "-s", BENDER, "--describe", "nothing");
    assert_ended(&result, 2, "",
                 "vtsimd: no plugin \"nothing\" in " VTSIM_BUILD_DIR "/tests/plugins, " PLUGINS
                 "\n" OWN_FOLDER);
    RUN(&result, "--describe", "./nothing.so"); /* no folder helps */
    assert_ended(&result, 2, "",
                 "vtsimd: \"./nothing.so\" is a path: give the plugin's name alone, and its folder "
                 "in [server] plugin_path\n");
    RUN(&result, "--describe=fixed_dela");
    assert_ended(&result, 2, "",
                 "vtsimd: no plugin \"fixed_dela\" in " PLUGINS
                 "; did you mean \"fixed_delay\"?\n" OWN_FOLDER);
}

/* Which stores there are hangs on what vtsim was built with. */
static bool has_store(const char *kind)
{
    char path[512];

    snprintf(path, sizeof(path), VTSIM_BUILD_DIR "/lib/vtsim/stores/%s.so", kind);
    return access(path, F_OK) == 0;
}

/* Slots are there with memory and SQLite; who needs them with Redis is told so, where it is asked for. */
static void slots_need_a_store_that_has_them(void **state)
{
    static const char needs[] = "plugin queue needs slots, and there are none with the redis "
                                "store: set [store] kind to memory or sqlite\n";
    struct run_result result;
    char line[400];
    char *path;

    if (!has_store("redis"))
        skip();
    path = write_file(state, "slots.ini",
                      "[store]\n"
                      "kind = redis\n"
                      "[server]\n"
                      "behaviour = queue\n"
                      "[behaviour line]\n"
                      "slots = 3\n"
                      "plugin = queue\n"
                      "[rule r]\n"
                      "job_id = a*\n"
                      "behaviour = line\n"
                      "[rule s]\n"
                      "job_id = b*\n"
                      "behaviour = queue\n");

    RUN(&result, "--check", "-c", path);
    snprintf(line, sizeof(line), "%s:4: [server] behaviour: %s", path, needs);
    assert_non_null(strstr(result.err, line));
    snprintf(line, sizeof(line), "%s:7: [behaviour line] plugin: %s", path, needs);
    assert_non_null(strstr(result.err, line)); /* and not once more for each rule that names it */
    snprintf(line, sizeof(line), "%s:13: [rule s] behaviour: %s", path, needs);
    assert_non_null(strstr(result.err, line));
    assert_null(strstr(result.err, "[rule r]"));
    assert_ended(&result, 2, "", NULL);
    RUN(&result, "-c", path); /* nor does it serve */
    assert_ended(&result, 2, "", NULL);
    RUN(&result, "--check", "-c", path, "-s", "store/kind=memory");
    assert_ended(&result, 0, NULL, "");
    /* That the plugin is there does no harm. */
    RUN(&result, "--check", "-s", "store/kind=redis");
    assert_ended(&result, 0, "vtsimd: nothing is wrong\n", "");
    free(path);
}

static void stores_are_described_and_looked_over(void **state)
{
    struct run_result result;

    (void)state;
    RUN(&result, "--describe");
    assert_non_null(strstr(
        result.out, "\n[store] kind = memory: jobs in memory, which end with the process\n"));
    assert_true(has_store("sqlite") == !!strstr(result.out, "\n[store] kind = sqlite: "));
    assert_true(has_store("redis") == !!strstr(result.out, "\n[store] kind = redis: "));
    assert_ended(&result, 0, NULL, "");
    if (has_store("redis")) {
        RUN(&result, "--check", "-s", "store/kind=redis", "-s", "store/url=rediss://h");
        assert_ended(&result, 2, "",
                     "-s: [store] url: there is no TLS to Redis; use redis:// through a tunnel\n");
    }
    if (has_store("sqlite")) {
        RUN(&result, "--check", "-s", "store/kind=sqlite", "-s", "store/path=");
        assert_ended(&result, 2, "",
                     "-s: [store] path: it has 0 bytes; write a text of 1 to 4000 bytes\n");
    }
    RUN(&result, "--check", "-s", "store/kind=sqlit");
    assert_ended(
        &result, 2, "",
        "-s: [store] kind: no store \"sqlit\"; write memory, or sqlite or redis where vtsim "
        "was built with them\n");
}

static void describe_tells_all_of_one(void **state)
{
    struct run_result result;

    (void)state;
    RUN(&result, "--describe", "scripted_sequence");
    assert_ended(
        &result, 0,
        "scripted_sequence: every job goes through the steps of a script\n" PLUGINS
        "/scripted_sequence.so\n"
        "\n"
        "  key     type  default     range  meaning\n"
        "  script  TEXT  (required)         the steps of vtsim-script(5), one a line or separated "
        "by "
        "commas, such as: pending for 5s, http 503 x2, completed\n"
        "\n"
        "  TEXT    as it stands; further lines are indented\n"
        "\n"
        "Ready to paste:\n"
        "\n"
        "[behaviour my scripted_sequence]\n"
        "plugin = scripted_sequence\n"
        "; TEXT: the steps of vtsim-script(5), one a line or separated by commas, such as: pending "
        "for 5s, http 503 x2, completed; required, this is an example\n"
        "script = pending for 5s\n"
        "    http 503 retry-after 1s x2\n"
        "    progress 40% for 5s\n"
        "    completed\n"
        "\n",
        "");
    RUN(&result, "--describe", "random_failure");
    assert_non_null(strstr(result.out, "\n  DELAY   a TIME; or uniform 5s..15s, "));
    assert_null(strstr(result.out, "\n  TEXT "));
    assert_ended(&result, 0, NULL, "");
}

/* The names of the modules in the folder of the shipped plugins. */
static size_t shipped(char names[][64], size_t room)
{
    DIR *folder = opendir(PLUGINS);
    struct dirent *entry;
    size_t count = 0, length;

    assert_non_null(folder);
    while ((entry = readdir(folder))) {
        length = strlen(entry->d_name);
        if (length <= 3 || strcmp(entry->d_name + length - 3, ".so") != 0)
            continue;
        assert_true(count < room && length - 3 < sizeof(names[0]));
        snprintf(names[count++], sizeof(names[0]), "%.*s", (int)length - 3, entry->d_name);
    }
    closedir(folder);
    return count;
}

/* Whether what is printed to be pasted can be pasted, and makes a behaviour that runs, or a filter that one
 * can have around it. */
static void assert_pasted(void **state, const char *name)
{
    struct run_result result;
    const char *section;
    char *path, behaviour[80], filter[100];
    bool is_filter;

    RUN(&result, "-s", BENDER, "--describe", name);
    assert_int_equal(result.status, 0);
    assert_memory_equal(result.out, name, strlen(name));
    section = strstr(result.out, "\nReady to paste:\n\n");
    assert_non_null(section);
    section += strlen("\nReady to paste:\n\n");
    is_filter = strncmp(section, "[filter my ", strlen("[filter my ")) == 0;
    path = write_file(state, "pasted.ini", section);
    run_result_finish(&result);
    RUN(&result, "-c", path, "-s", BENDER, "--check");
    assert_ended(&result, 0, NULL, "");
    snprintf(behaviour, sizeof(behaviour), is_filter ? "fixed_delay" : "my %s", name);
    snprintf(filter, sizeof(filter), is_filter ? "server/filter=my %s" : "server/seed=1", name);
    RUN(&result, "-c", path, "-s", BENDER, "-s", filter, "--preview", behaviour, "--csv", "--jobs",
        "1");
    assert_non_null(strstr(result.out, "\npreview-1,"));
    assert_ended(&result, 0, NULL, "");
    free(path);
}

static void describe_gives_a_section_to_paste(void **state)
{
    char names[64][64];
    size_t count = shipped(names, 64), i;
    char *csv = write_file(state, "jobs.csv", "duration_s\n10\n"); /* which an example names */

    free(csv);
    assert_in_range(count, 3, 64);
    for (i = 0; i < count; i++)
        assert_pasted(state, names[i]);
    assert_pasted(state, "bender");
}

/* ---- which setting wins ---- */

/* Health's number of workers tells which setting arrived. */
static int workers_of(const char *const args[])
{
    struct vtsimd vtsimd;
    struct http_response response;
    const char *at;
    int workers;

    vtsimd_start(&vtsimd, args);
    http_request(vtsimd.port, "GET", "/_sim/health", NULL, &response);
    at = strstr(response.body, "\"workers\": ");
    assert_non_null(at);
    workers = (int)strtol(at + strlen("\"workers\": "), NULL, 10);
    http_response_finish(&response);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
    return workers;
}

#define WORKERS(...) workers_of((const char *const[]){__VA_ARGS__, NULL})

static void the_last_setting_wins(void **state)
{
    char *path = write_file(state, "two.ini", "[server]\nworkers = 2\n");
    char *other = write_file(state, "one.ini", "[server]\nworkers = 1\n");

    assert_int_equal(WORKERS("-c", path), 2);
    assert_int_equal(WORKERS("-c", path, "-s", "server/workers=3"), 3);
    assert_int_equal(WORKERS("-s", "server/workers=3", "-c", path), 3);
    assert_int_equal(WORKERS("-s", "server/workers=3", "-s", "server/workers=4"), 4);
    assert_int_equal(WORKERS("--set", "server/workers = 5", "--config", path), 5);
    assert_int_equal(WORKERS("-c", path, "-c", other), 1);
    free(path);
    free(other);
}

/* Asks the system for a port that nobody has at the moment, and keeps it where `fd` is given. */
static int free_port(int *fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(sock >= 0);
    assert_int_equal(bind(sock, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(sock, (struct sockaddr *)&address, &size), 0);
    if (fd) {
        assert_int_equal(listen(sock, 1), 0);
        *fd = sock;
    } else {
        close(sock);
    }
    return ntohs(address.sin_port);
}

static void the_last_address_wins(void **state)
{
    struct vtsimd vtsimd;
    char *path = write_file(state, "listen.ini", "[server]\nlisten = 192.0.2.1:1\n");
    char address[64];
    int port = free_port(NULL);

    /* vtsimd_start begins with -l 127.0.0.1:0. */
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    vtsimd_start(&vtsimd,
                 (const char *const[]){"-c", path, "-l", "192.0.2.1:1", "-l", address, NULL});
    assert_int_equal(vtsimd.port, port);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
    vtsimd_start(&vtsimd, (const char *const[]){"-c", path, "--listen=localhost:0", NULL});
    assert_memory_equal(vtsimd.url, "http://127.0.0.1:", 17);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
    free(path);
}

static void ipv6_is_printed_in_brackets(void **state)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool there = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    struct vtsimd vtsimd;

    (void)state;
    if (fd >= 0)
        close(fd);
    if (!there)
        skip();
    vtsimd_start(&vtsimd, (const char *const[]){"-l", "[::1]:0", NULL});
    assert_memory_equal(vtsimd.url, "http://[::1]:", 13);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
}

/* ---- the port ---- */

static void a_port_in_use(void **state)
{
    struct run_result result;
    struct vtsimd vtsimd;
    char address[64], expected[256];
    int fd, port = free_port(&fd);

    (void)state;
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    snprintf(expected, sizeof(expected),
             "vtsimd: cannot listen on 127.0.0.1 port %d: Address already in use (is another "
             "vtsimd running? port 0 takes a free one)\n",
             port);
    RUN(&result, "-l", address);
    assert_ended(&result, 2, "", expected);
    /* --check does not look at the port. */
    RUN(&result, "-l", address, "--check");
    assert_ended(&result, 0, NULL, "");
    close(fd);

    /* Another vtsimd shares its port between its workers, but not with a second one. */
    vtsimd_start(&vtsimd, (const char *const[]){"-s", "server/workers=2", NULL});
    snprintf(address, sizeof(address), "127.0.0.1:%d", vtsimd.port);
    snprintf(expected, sizeof(expected),
             "vtsimd: cannot listen on 127.0.0.1 port %d: Address already in use (is another "
             "vtsimd running? port 0 takes a free one)\n",
             vtsimd.port);
    RUN(&result, "-l", address);
    assert_ended(&result, 2, "", expected);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
    RUN(&result, "-l", "192.0.2.1:5000", "-s", "control/token=secret");
    assert_ended(&result, 2, "",
                 "vtsimd: cannot listen on 192.0.2.1 port 5000: Cannot assign requested "
                 "address\n");
}

/* A port is free again at once, though connections of before still linger. */
static void a_restart_on_the_same_port(void **state)
{
    struct vtsimd vtsimd;
    struct http_connection connection;
    char address[64];

    (void)state;
    vtsimd_start(&vtsimd, NULL);
    snprintf(address, sizeof(address), "127.0.0.1:%d", vtsimd.port);
    http_connect(&connection, vtsimd.port);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
    vtsimd_start(&vtsimd, (const char *const[]){"-l", address, NULL});
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
    http_close(&connection);
}

static void bad_addresses(void **state)
{
    static const char *const bad[][2] = {
        {"5000", "\"5000\" is a port without an address; write ADDRESS:PORT, such as "
                 "127.0.0.1:5000"},
        {"nonsense", "\"nonsense\" has no port; write ADDRESS:PORT, such as 127.0.0.1:5000"},
        {"127.0.0.1:99999", "\"127.0.0.1:99999\" has no port from 0 to 65535"},
        {"127.0.0.1:-1", "\"127.0.0.1:-1\" has no port from 0 to 65535"},
        {"127.0.0.1:80x", "\"127.0.0.1:80x\" has no port from 0 to 65535"},
        {":5000", "\":5000\" has no address; write 127.0.0.1 for this machine alone, 0.0.0.0 for "
                  "all"},
        {"[::1]", "\"[::1]\" has no port; write ADDRESS:PORT, such as 127.0.0.1:5000"}};
    struct run_result result;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char expected[256];

        RUN(&result, "-l", bad[i][0]);
        snprintf(expected, sizeof(expected), "vtsimd: -l: %s\n", bad[i][1]);
        assert_string_equal(result.err, expected);
        assert_ended(&result, 2, "", NULL);
    }
}

/* ---- no file at all, and the log ---- */

static void without_a_file(void **state)
{
    struct vtsimd vtsimd;
    struct http_response response;
    char *log;

    (void)state;
    vtsimd_start(&vtsimd, NULL);
    http_request(vtsimd.port, "POST", "/jobs", "{}", &response);
    assert_int_equal(response.status, 201);
    assert_non_null(strstr(response.body, "\"behaviour\": \"fixed_delay\""));
    assert_non_null(strstr(response.body, "\"state\": \"running\""));
    http_response_finish(&response);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    log = vtsimd_log(&vtsimd);
    assert_non_null(strstr(log, " info vtsimd: Terminated: finishing the answers under way"));
    free(log);
    vtsimd_finish(&vtsimd);
}

/* One line on standard output, and no more. */
static void standard_output_is_one_line(void **state)
{
    struct vtsimd vtsimd;
    char byte;
    int fd;

    (void)state;
    vtsimd_start(&vtsimd, (const char *const[]){"-s", "server/log_level=debug", NULL});
    fd = dup(vtsimd.out_fd);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    assert_int_equal(read(fd, &byte, 1), 0);
    close(fd);
    vtsimd_finish(&vtsimd);
}

/* Runs one job through `bender`, which logs at the level debug. */
static char *log_of(const char *level, const char *format)
{
    struct vtsimd vtsimd;
    struct http_response response;
    char level_arg[64], format_arg[64], *log;

    snprintf(level_arg, sizeof(level_arg), "server/log_level=%s", level);
    snprintf(format_arg, sizeof(format_arg), "server/log_format=%s", format);
    vtsimd_start(&vtsimd,
                 (const char *const[]){"-s", BENDER, "-s", level_arg, "-s", format_arg, NULL});
    http_request(vtsimd.port, "POST", "/jobs",
                 "{\"id\": \"\\\"\xC3\xA9\", \"behaviour\": \"bender\", \"input\": {\"after\": 0}}",
                 &response);
    assert_int_equal(response.status, 201);
    http_response_finish(&response);
    http_request(vtsimd.port, "POST", "/jobs",
                 "{\"id\": \"w\", \"behaviour\": \"bender\", \"input\": {\"end\": \"forgotten\"}}",
                 &response);
    assert_int_equal(response.status, 201);
    http_response_finish(&response);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    log = vtsimd_log(&vtsimd);
    vtsimd_finish(&vtsimd);
    return log;
}

static void log_levels(void **state)
{
    static const struct {
        const char *level;
        bool debug, info, warning;
    } levels[] = {{"debug", true, true, true},
                  {"info", false, true, true},
                  {"warning", false, false, true},
                  {"error", false, false, false}};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        char *log = log_of(levels[i].level, "text");

        assert_int_equal(strstr(log, " debug bender: job \"\xC3\xA9: finished 1 time(s)") != NULL,
                         levels[i].debug);
        assert_int_equal(strstr(log, " info vtsimd: Terminated") != NULL, levels[i].info);
        assert_int_equal(strstr(log,
                                " warning bender: job w was failed: plugin bender: hook start "
                                "left the job with neither an end, a wake nor vts_wait\n") != NULL,
                         levels[i].warning);
        free(log);
    }
}

static void log_lines_as_json(void **state)
{
    char *log = log_of("debug", "json"), *rest = log, *line;
    int lines = 0;

    (void)state;
    while ((line = strsep(&rest, "\n")) && *line) {
        struct json_tokener *tokener = json_tokener_new();
        struct json_object *object, *level, *message;

        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
        object = json_tokener_parse_ex(tokener, line, (int)strlen(line) + 1);
        if (!object || json_tokener_get_error(tokener) != json_tokener_success)
            fail_msg("no JSON: %s", line);
        assert_true(json_object_object_get_ex(object, "time", NULL));
        assert_true(json_object_object_get_ex(object, "place", NULL));
        assert_true(json_object_object_get_ex(object, "level", &level));
        assert_true(json_object_object_get_ex(object, "message", &message));
        assert_int_equal(json_object_object_length(object), 4);
        json_object_put(object);
        json_tokener_free(tokener);
        lines++;
    }
    assert_in_range(lines, 4, 100);
    free(log);
}

/* A reader that went away must not end the server. */
static void a_closed_standard_output(void **state)
{
    struct vtsimd vtsimd;
    struct http_response response;

    (void)state;
    vtsimd_start(&vtsimd, NULL);
    close(vtsimd.out_fd);
    vtsimd.out_fd = dup(vtsimd.err_fd);
    http_request(vtsimd.port, "GET", "/_sim/health", NULL, &response);
    assert_int_equal(response.status, 200);
    http_response_finish(&response);
    assert_int_equal(vtsimd_stop(&vtsimd), 0);
    vtsimd_finish(&vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version),
        cmocka_unit_test(help),
        cmocka_unit_test(help_in_short),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(check_of_what_is_right),
        cmocka_unit_test(check_tells_all_in_one_go),
        cmocka_unit_test(problems_of_the_command_line),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(describe_tells_what_there_is),
        cmocka_unit_test(slots_need_a_store_that_has_them),
        cmocka_unit_test(stores_are_described_and_looked_over),
        cmocka_unit_test(describe_tells_all_of_one),
        cmocka_unit_test(describe_gives_a_section_to_paste),
        cmocka_unit_test(check_of_filters_and_rules),
        cmocka_unit_test(the_last_setting_wins),
        cmocka_unit_test(the_last_address_wins),
        cmocka_unit_test(ipv6_is_printed_in_brackets),
        cmocka_unit_test(a_port_in_use),
        cmocka_unit_test(a_restart_on_the_same_port),
        cmocka_unit_test(bad_addresses),
        cmocka_unit_test(without_a_file),
        cmocka_unit_test(standard_output_is_one_line),
        cmocka_unit_test(log_levels),
        cmocka_unit_test(log_lines_as_json),
        cmocka_unit_test(a_closed_standard_output),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
