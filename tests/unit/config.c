/* SPDX-License-Identifier: MIT
 *
 * Tests of the server's own sections: defaults, limits, names of sections, what is unknown; and that
 * the annotated vtsimd.ini says what the tables say. */
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

/* ---- helpers --------------------------------------------------------------------------------- */

struct fixture {
    char folder[40], file[60];
    struct config config;
    struct problems problems;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    if (!fixture)
        return -1;
    strcpy(fixture->folder, "/tmp/vtsim-config-XXXXXX");
    if (!mkdtemp(fixture->folder))
        return -1;
    snprintf(fixture->file, sizeof(fixture->file), "%s/a.ini", fixture->folder);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    config_finish(&fixture->config);
    problems_finish(&fixture->problems);
    unlink(fixture->file);
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

/* Reads a file with this text (NULL: no file) and these settings, and compares what is said. In
 * `said`, FILE stands for the name of the file. */
static void expect(struct fixture *fixture, const char *text, const char *const *settings,
                   size_t count, const char *said)
{
    struct text wanted = TEXT_INIT;
    FILE *file;
    bool ok;

    config_finish(&fixture->config);
    problems_finish(&fixture->problems);
    if (text) {
        file = fopen(fixture->file, "w");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
    }
    ok = config_read(&fixture->config, text ? fixture->file : NULL, settings, count,
                     &fixture->problems);
    assert_int_equal(ok, fixture->problems.count == 0);
    config_report_unknown(&fixture->config, &fixture->problems);
    text_puts(&fixture->problems.lines, "");
    text_puts(&wanted, "");
    for (const char *at = said; *at;) {
        const char *name = strstr(at, "FILE");
        size_t length = name ? (size_t)(name - at) : strlen(at);

        text_add(&wanted, at, length);
        if (name)
            text_puts(&wanted, fixture->file);
        at += length + (name ? 4 : 0);
    }
    assert_string_equal(fixture->problems.lines.bytes, wanted.bytes);
    text_finish(&wanted);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void defaults(void **state)
{
    struct fixture *fixture = *state;
    const struct server_settings *server = &fixture->config.server;

    expect(fixture, NULL, NULL, 0, "");
    assert_string_equal(server->listen, "127.0.0.1:5000");
    assert_string_equal(fixture->config.host, "127.0.0.1");
    assert_int_equal(fixture->config.port, 5000);
    assert_string_equal(server->behaviour, "fixed_delay");
    assert_int_equal(server->workers, 0);
    assert_int_equal(server->seed, 1);
    assert_int_equal(server->max_jobs, 10000000);
    assert_int_equal(server->keep_ended, 3600000);
    assert_int_equal(server->max_body, 1048576);
    assert_int_equal(server->idle_timeout, 60000);
    assert_int_equal(server->drain_timeout, 5000);
    assert_int_equal(server->max_connections, 10000);
    assert_int_equal(server->max_wait, 60000);
    assert_int_equal(server->plugin_path.count, 0);
    assert_int_equal(server->log_level, VTS_INFO);
    assert_int_equal(server->log_format, 0);
    assert_int_equal(fixture->config.rule_count, 0);
    assert_int_equal(fixture->config.ini.count, 0);
}

static void a_whole_file(void **state)
{
    struct fixture *fixture = *state;
    const struct config *config = &fixture->config;
    char *folder, path[200];

    expect(fixture,
           "[server]\nlisten = [::1]:0\nworkers = 2\nlog_level = warning\nlog_format = json\n"
           "plugin_path = plugins\n   /opt/plugins\n"
           "[behaviour quick]\nplugin = fixed_delay\ndelay = 1s\n"
           "[rule long videos]\njob_id = long-*\nbehaviour = quick\n"
           "[rule rest]\nbehaviour = other\n",
           NULL, 0, "");
    assert_string_equal(config->host, "::1");
    assert_int_equal(config->port, 0);
    assert_int_equal(config->server.workers, 2);
    assert_int_equal(config->server.log_level, VTS_WARNING);
    assert_int_equal(config->server.log_format, 1);
    assert_int_equal(config->server.plugin_path.count, 2);
    folder = realpath(fixture->folder, NULL);
    assert_non_null(folder);
    snprintf(path, sizeof(path), "%s/plugins", folder);
    free(folder);
    assert_string_equal(config->server.plugin_path.items[0], path);
    assert_string_equal(config->server.plugin_path.items[1], "/opt/plugins");
    assert_null(config->server.plugin_path.items[2]);
    assert_int_equal(config->rule_count, 2);
    assert_string_equal(config->rules[0].name, "long videos");
    assert_string_equal(config->rules[0].settings.job_id, "long-*");
    assert_string_equal(config->rules[0].settings.behaviour, "quick");
    assert_string_equal(config->rules[1].name, "rest");
    assert_string_equal(config->rules[1].settings.job_id, "*");
}

static void the_command_line_wins(void **state)
{
    static const char *const settings[] = {"server/workers=3", "server/workers=4",
                                           "rule a/behaviour=b", "behaviour b/delay=1s"};
    struct fixture *fixture = *state;

    expect(fixture, "[server]\nworkers = many\n", settings, 4, "");
    assert_int_equal(fixture->config.server.workers, 4);
    assert_int_equal(fixture->config.rule_count, 1);
    assert_string_equal(fixture->config.rules[0].settings.behaviour, "b");
    assert_non_null(ini_section(&fixture->config.ini, "behaviour", "b"));
}

/* ---- what is wrong --------------------------------------------------------------------------- */

static void values_out_of_range(void **state)
{
    static const char *const settings[] = {"server/workers=257", "nonsense", "server/seed=x"};

    expect(*state,
           "[server]\n"
           "workers = -1\n"
           "max_jobs = 0\n"
           "keep_ended = forever\n"
           "idle_timeout = 1ms\n"
           "drain_timeout = 2h\n"
           "max_connections = 1000001\n"
           "log_level = warn\n"
           "behaviour =\n"
           "listen = here\n",
           settings, 3,
           "-s: \"nonsense\": is no setting; write SECTION/KEY=VALUE, such as server/workers=2\n"
           "FILE:9: [server] behaviour: it has 0 bytes; write a text of 1 to 255 bytes\n"
           "-s: [server] workers: \"257\" is out of range; write a whole number from 0 to 256\n"
           "-s: [server] seed: \"x\" is not a whole number; write one such as 1000\n"
           "FILE:3: [server] max_jobs: \"0\" is out of range; write a whole number from 1 to "
           "1000000000\n"
           "FILE:4: [server] keep_ended: \"forever\" is not a time; write one number and one unit: "
           "250ms, 10s, 2m, 1h or 1d\n"
           "FILE:5: [server] idle_timeout: \"1ms\" is out of range; write a time from 10ms to 1d\n"
           "FILE:6: [server] drain_timeout: \"2h\" is out of range; write a time from 0 to 1h\n"
           "FILE:7: [server] max_connections: \"1000001\" is out of range; write a whole number "
           "from 1 to 1000000\n"
           "FILE:8: [server] log_level: \"warn\" is none of debug, info, warning, error\n"
           "FILE:10: [server] listen: \"here\" has no port; write ADDRESS:PORT, such as "
           "127.0.0.1:5000\n");
}

static void sections_with_wrong_names(void **state)
{
    expect(*state, "[server x]\na = 1\n[behaviour]\nplugin = a\n[rule]\n[rule a]\nbehaviour = b\n",
           NULL, 0,
           "FILE:1: [server x]: there is one server, without a name; write [server]\n"
           "FILE:3: [behaviour]: it needs a name; write [behaviour NAME]\n"
           "FILE:5: [rule]: it needs a name; write [rule NAME]\n");
    /* nobody further on has to think of them */
    assert_int_equal(((struct fixture *)*state)->config.ini.count, 1);
}

static void rules_with_problems(void **state)
{
    expect(*state, "[rule a]\njob_id =\njob = 1\n[rule b]\nbehavior = x\n", NULL, 0,
           "FILE:3: [rule a] job: unknown key; a rule takes job_id, input.NAME, header.NAME, "
           "behaviour and filter\n"
           "FILE:2: [rule a] job_id: it has 0 bytes; write a text of 1 to 255 bytes\n"
           "FILE:1: [rule a] behaviour: it is required, and not given (TEXT: their behaviour: a "
           "[behaviour NAME], or a plugin's name)\n"
           "FILE:4: [rule b] behaviour: it is required, and not given (TEXT: their behaviour: a "
           "[behaviour NAME], or a plugin's name)\n"
           "FILE:5: [rule b] behavior: unknown key; did you mean \"behaviour\"?\n");
}

static void conditions_with_problems(void **state)
{
    expect(*state,
           "[rule a]\n"
           "behaviour = x\n"
           "input = es\n"
           "header = acme\n"
           "inptu.language = es\n"
           "cookie.session = 1\n"
           "input. = 1\n"
           "header. = 1\n"
           "input..a = 1\n"
           "input.a. = 1\n"
           "input.a..b = 1\n"
           "header.X-Tenant = a\n"
           "header.x-tenant = b\n"
           "input.a = 1\n"
           "input.a = 2\n"
           "input.b = 1\n"
           "  2\n"
           "input.c = \x01\n",
           NULL, 0,
           "FILE:15: [rule a] input.a: given twice; the first one is at line 14\n"
           "FILE:3: [rule a] input: unknown key; write input.NAME, with the name of a field of the "
           "input\n"
           "FILE:4: [rule a] header: unknown key; write header.NAME, with the name of a header\n"
           "FILE:5: [rule a] inptu.language: unknown key; did you mean \"input.language\"?\n"
           "FILE:6: [rule a] cookie.session: unknown key; a rule takes job_id, input.NAME, "
           "header.NAME, behaviour and filter\n"
           "FILE:7: [rule a] input.: it names no field of the input; write input.NAME, or "
           "input.OUTER.INNER\n"
           "FILE:8: [rule a] header.: it names no header; write header.NAME\n"
           "FILE:9: [rule a] input..a: a name on the way to the field is empty; write input.NAME, "
           "or input.OUTER.INNER\n"
           "FILE:10: [rule a] input.a.: a name on the way to the field is empty; write input.NAME, "
           "or input.OUTER.INNER\n"
           "FILE:11: [rule a] input.a..b: a name on the way to the field is empty; write "
           "input.NAME, or input.OUTER.INNER\n"
           "FILE:13: [rule a] header.x-tenant: given twice: the case of a header's name does not "
           "count\n"
           "FILE:16: [rule a] input.b: a pattern is one line\n"
           "FILE:18: [rule a] input.c: a pattern has no control characters\n");
}

static void conditions_in_their_order(void **state)
{
    struct fixture *fixture = *state;
    const struct config_rule *rule;

    expect(fixture, "[rule a]\nheader.x-tenant = acme*\nbehaviour = x\ninput.video.language = es\n",
           NULL, 0, "");
    rule = &fixture->config.rules[0];
    assert_int_equal(rule->condition_count, 2);
    assert_int_equal(rule->conditions[0].source, RULE_HEADER);
    assert_string_equal(rule->conditions[0].name, "x-tenant");
    assert_string_equal(rule->conditions[0].pattern, "acme*");
    assert_int_equal(rule->conditions[1].source, RULE_INPUT);
    assert_string_equal(rule->conditions[1].name, "video.language");
    assert_string_equal(rule->conditions[1].pattern, "es");
}

static void unknown_sections(void **state)
{
    static const char *const settings[] = {"sever/workers=1"};

    expect(*state, "[behavior quick]\nx = 1\n[Server]\n[zebra]\n[server]\n", settings, 1,
           "FILE:1: [behavior quick]: unknown kind of section; did you mean [behaviour NAME]?\n"
           "FILE:3: [Server]: unknown kind of section; did you mean [server]?\n"
           "FILE:4: [zebra]: unknown kind of section; write [server], [store], [clock], [control], "
           "[audit], "
           "[behaviour NAME], [filter NAME] or [rule NAME]\n"
           "-s: [sever]: unknown kind of section; did you mean [server]?\n");
}

/* Of a behaviour, only what its reader has left is unknown; one that nobody could read is not. */
static void behaviours_that_were_used(void **state)
{
    struct fixture *fixture = *state;
    struct ini_section *section;

    expect(fixture, "[behaviour a]\nplugin = x\nrest = y\n[behaviour b]\nplugin = z\n", NULL, 0,
           "");
    section = ini_section(&fixture->config.ini, "behaviour", "a");
    assert_non_null(ini_entry(section, "plugin"));
    config_report_unknown(&fixture->config, &fixture->problems);
    assert_int_equal(fixture->problems.count, 1);
    assert_non_null(
        strstr(fixture->problems.lines.bytes, "a.ini:3: [behaviour a] rest: unknown key\n"));
}

static void a_file_that_is_not_there(void **state)
{
    struct fixture *fixture = *state;

    assert_false(
        config_read(&fixture->config, "/tmp/vtsim-none/none.ini", NULL, 0, &fixture->problems));
    assert_string_equal(fixture->problems.lines.bytes,
                        "/tmp/vtsim-none/none.ini: cannot open it: No such file or directory\n");
}

/* ---- addresses ------------------------------------------------------------------------------- */

static void expect_address(const char *text, const char *host, int port)
{
    struct vts_error error = {0};
    char read[256];
    int number = -1;

    if (!config_address(text, read, sizeof(read), &number, &error))
        fail_msg("%s", error.message);
    assert_string_equal(read, host);
    assert_int_equal(number, port);
}

static void expect_no_address(const char *text, const char *said)
{
    struct vts_error error;
    char host[256];
    int port;

    assert_false(config_address(text, host, sizeof(host), &port, &error));
    assert_string_equal(error.message, said);
}

static void addresses(void **state)
{
    static const char no_host[] =
        "has no address that can be listened on; write an IPv4 address such as 127.0.0.1, an IPv6 "
        "address such as [::1], or localhost";
    static const char no_port[] = "has no port from 0 to 65535";
    static const char missing[] = "has no port; write ADDRESS:PORT, such as 127.0.0.1:5000";
    static const struct {
        const char *text, *said;
    } wrong[] = {
        {"127.0.0.1", missing},
        {"5000", "is a port without an address; write ADDRESS:PORT, such as 127.0.0.1:5000"},
        {"", "has no address and no port; write ADDRESS:PORT, such as 127.0.0.1:5000"},
        {"[::1]", missing},
        {"[::1]x5000", missing},
        {"127.0.0.1:", no_port},
        {"127.0.0.1:x", no_port},
        {"127.0.0.1:65536", no_port},
        {"127.0.0.1:-1", no_port},
        {"127.0.0.1:1 ", no_port},
        {":5000", "has no address; write 127.0.0.1 for this machine alone, 0.0.0.0 for all"},
        {"[]:5000", "has no address; write 127.0.0.1 for this machine alone, 0.0.0.0 for all"},
        {"::1:5000",
         "has more than one colon; write an IPv6 address in brackets, such as [::1]:5000"},
        {"[::1:5000", "has no \"]\" behind its IPv6 address"},
        {"example.org:80", no_host},
        {"127.0.0.256:80", no_host},
        {"[127.0.0.1]:80", no_host},
        {"[localhost]:80", no_host},
    };
    char said[300];

    (void)state;
    expect_address("127.0.0.1:5000", "127.0.0.1", 5000);
    expect_address("0.0.0.0:0", "0.0.0.0", 0);
    expect_address("[::1]:65535", "::1", 65535);
    expect_address("localhost:80", "127.0.0.1", 80);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(said, sizeof(said), "\"%s\" %s", wrong[i].text, wrong[i].said);
        expect_no_address(wrong[i].text, said);
    }
}

/* ---- the annotated file ---------------------------------------------------------------------- */

static void tables_are_sound(void **state)
{
    struct vts_error error = {0};

    (void)state;
    if (!options_check(config_server_options, sizeof(struct server_settings), &error) ||
        !options_check(config_audit_options, sizeof(struct audit_section), &error) ||
        !options_check(config_clock_options, sizeof(struct clock_settings), &error) ||
        !options_check(config_control_options, sizeof(struct control_settings), &error) ||
        !options_check(config_rule_options, sizeof(struct rule_settings), &error))
        fail_msg("%s", error.message);
}

static void the_annotated_file_is_valid(void **state)
{
    struct fixture *fixture = *state;

    if (!config_read(&fixture->config, VTSIM_SOURCE_DIR "/config/vtsimd.ini", NULL, 0,
                     &fixture->problems))
        fail_msg("%s", fixture->problems.lines.bytes);
    config_report_unknown(&fixture->config, &fixture->problems);
    assert_int_equal(fixture->problems.count, 0);
    assert_non_null(ini_section(&fixture->config.ini, "behaviour", "quick"));
    assert_true(fixture->config.rule_count > 0);
}

/* Each key stands in the file as a comment, `;key = default`, with the default of the table. */
static void check_defaults(const struct ini *ini, const char *name, const struct vts_option *table,
                           size_t size)
{
    struct ini_section *section = ini_section(ini, name, NULL);
    struct text given = TEXT_INIT, wanted = TEXT_INIT;
    struct problems problems = PROBLEMS_INIT;
    void *set = calloc(1, size), *bare = calloc(1, size);

    assert_non_null(section);
    assert_non_null(set);
    assert_non_null(bare);
    for (size_t i = 0; table[i].type; i++)
        if (i >= section->count || strcmp(section->entries[i].key, table[i].key) != 0)
            fail_msg("[%s] %s is not at its place in vtsimd.ini", name, table[i].key);
    options_read(table, set, section, name, &given, &problems);
    options_read(table, bare, NULL, name, &wanted, &problems);
    text_puts(&problems.lines, "");
    assert_string_equal(problems.lines.bytes, "");
    assert_int_equal(given.length, wanted.length);
    assert_memory_equal(given.bytes, wanted.bytes, wanted.length);
    options_free(table, set);
    options_free(table, bare);
    free(set);
    free(bare);
    problems_finish(&problems);
    text_finish(&given);
    text_finish(&wanted);
}

/* The file as it is after the marks of its comments are taken away reads to the defaults. */
static void the_annotated_file_tells_the_defaults(void **state)
{
    FILE *file = fopen(VTSIM_SOURCE_DIR "/config/vtsimd.ini", "r");
    struct problems problems = PROBLEMS_INIT;
    struct text text = TEXT_INIT;
    struct ini ini;
    char line[1000];

    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        text_puts(&text, line[0] == ';' && line[1] >= 'a' && line[1] <= 'z' ? line + 1 : line);
    fclose(file);
    assert_true(ini_read(&ini, "vtsimd.ini", text.bytes, text.length, &problems));
    check_defaults(&ini, "server", config_server_options, sizeof(struct server_settings));
    check_defaults(&ini, "clock", config_clock_options, sizeof(struct clock_settings));
    check_defaults(&ini, "control", config_control_options, sizeof(struct control_settings));
    check_defaults(&ini, "audit", config_audit_options, sizeof(struct audit_section));
    ini_finish(&ini);
    problems_finish(&problems);
    text_finish(&text);
}

/* ---- the clock and the control side ---------------------------------------------------------- */

static void a_clock_of_ones_own(void **state)
{
    struct fixture *fixture = *state;

    expect(fixture, "[clock]\nmode = scaled\nrate = 60\nstart = 2030-02-03T04:05:06.7+01:00\n",
           NULL, 0, "");
    assert_int_equal(fixture->config.clock.mode, 1);
    assert_float_equal(fixture->config.clock.rate, 60, 0);
    assert_int_equal(fixture->config.clock_start, INT64_C(1896318306700));
    expect(fixture, "[clock]\nmode = virtual\n", NULL, 0, "");
    assert_int_equal(fixture->config.clock_start, INT64_C(1767225600000));
    expect(fixture, "[clock]\nmode = scaled\n", NULL, 0, "");
    assert_int_equal(fixture->config.clock_start, -1);
}

static void what_no_clock_can_be(void **state)
{
    struct fixture *fixture = *state;

    expect(fixture,
           "[clock]\nmode = imaginary\nrate = 0\nstart = 2026-02-30T00:00:00Z\nsilent = 2h\n", NULL,
           0,
           "FILE:2: [clock] mode: \"imaginary\" is none of real, scaled, virtual\n"
           "FILE:3: [clock] rate: \"0\" is out of range; write a number from 0.001 to 1000000\n"
           "FILE:5: [clock] silent: \"2h\" is out of range; write a time from 1ms to 1h\n"
           "FILE:4: [clock] start: \"2026-02-30T00:00:00Z\" is no moment; write one such as "
           "2026-01-01T00:00:00Z\n");
}

/* Reached from elsewhere, the control side needs an address of its own or a token. */
static void a_control_side_that_others_reach(void **state)
{
    static const char *const good[] = {
        "[server]\nlisten = 0.0.0.0:5000\n[control]\ntoken = s3cret\n",
        "[server]\nlisten = [::]:5000\n[control]\nlisten = 127.0.0.1:5001\n",
        "[server]\nlisten = [::1]:5000\n",
        "[server]\nlisten = [::ffff:127.0.0.1]:5000\n",
        "[server]\nlisten = 127.3.2.1:5000\n",
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        expect(fixture, good[i], NULL, 0, "");
    expect(
        fixture, "[server]\nlisten = 0.0.0.0:5000\n", NULL, 0,
        "FILE:2: [server] listen: others can reach 0.0.0.0, and with it the control side /_sim/: "
        "guard that with [control] token = SECRET, or put it on an address of its own with "
        "[control] listen = 127.0.0.1:5001\n");
    expect(
        fixture, "[control]\nlisten = 5001\n", NULL, 0,
        "FILE:2: [control] listen: \"5001\" is a port without an address; write ADDRESS:PORT, such "
        "as 127.0.0.1:5000\n");
    expect(fixture, "[control]\ntoken = a b\n", NULL, 0,
           "FILE:2: [control] token: a token has no white space and no characters beyond ASCII\n");
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILE(defaults),
        WITH_FILE(a_whole_file),
        WITH_FILE(the_command_line_wins),
        WITH_FILE(values_out_of_range),
        WITH_FILE(sections_with_wrong_names),
        WITH_FILE(rules_with_problems),
        WITH_FILE(conditions_with_problems),
        WITH_FILE(conditions_in_their_order),
        WITH_FILE(unknown_sections),
        WITH_FILE(behaviours_that_were_used),
        WITH_FILE(a_file_that_is_not_there),
        cmocka_unit_test(addresses),
        cmocka_unit_test(tables_are_sound),
        WITH_FILE(the_annotated_file_is_valid),
        cmocka_unit_test(the_annotated_file_tells_the_defaults),
        WITH_FILE(a_clock_of_ones_own),
        WITH_FILE(what_no_clock_can_be),
        WITH_FILE(a_control_side_that_others_reach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
