/* SPDX-License-Identifier: MIT
 *
 * The server's own section, and what no section may be ([rule NAME]: see rules.c). Knows which keys there are; what they do is the business of the rooms above. */
#include "config.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define SERVER  struct server_settings
#define CLOCK   struct clock_settings
#define CONTROL struct control_settings
#define AUDIT   struct audit_section

/* A virtual clock shows this at first, so that each run of a test shows the same. */
#define VIRTUAL_START INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

/* Order and wording are those of config/vtsimd.ini, and a test compares the defaults. */
const struct vts_option config_server_options[] = {
    VTS_OPTION_(VTS_TEXT, const char *, SERVER, listen, "127.0.0.1:5000", 1, 300, NULL,
                "address and port to serve on; port 0 takes a free one"),
    VTS_OPTION_(
        VTS_TEXT, const char *, SERVER, behaviour, "fixed_delay", 1, 255, NULL,
        "the behaviour of a job that no rule claims: a [behaviour NAME], or a plugin's name"),
    VTS_OPTION_LIST(SERVER, filter, "",
                    "filters around every behaviour, one a line: a [filter NAME], or a plugin's "
                    "name; the first is asked first"),
    VTS_OPTION_INT(SERVER, workers, "0", 0, 256, "threads that serve; 0: one for each processor"),
    VTS_OPTION_INT(SERVER, seed, "1", 0, 0,
                   "what chance starts from: the same seed, the same fates"),
    VTS_OPTION_INT(SERVER, max_jobs, "10000000", 1, 1000000000,
                   "jobs held at one time; a start beyond them is answered 503"),
    VTS_OPTION_INT(
        SERVER, max_instances, "10000", 1, 1000000,
        "sets of options that starts may give and jobs have at one time; a start with one "
        "more is answered 503"),
    VTS_OPTION_TIME(SERVER, keep_ended, "1h", "how long an ended job can still be asked about"),
    VTS_OPTION_INT(SERVER, max_body, "1048576", 1, 1073741824, "bytes of a request's body"),
    VTS_OPTION_TIME_BETWEEN(SERVER, idle_timeout, "60s", 10, 86400000,
                            "how long a connection may stay silent"),
    VTS_OPTION_TIME_BETWEEN(SERVER, drain_timeout, "5s", 0, 3600000,
                            "how long a first SIGTERM waits for answers under way"),
    VTS_OPTION_INT(SERVER, max_connections, "10000", 1, 1000000,
                   "connections open at one time; one beyond them is answered 503"),
    VTS_OPTION_TIME_BETWEEN(SERVER, max_wait, "60s", 0, 3600000,
                            "the longest that a poll may wait for news (Prefer: wait=N); 0: not at "
                            "all"),
    VTS_OPTION_LIST(SERVER, plugin_path, "",
                    "folders of plugins, one a line, searched before the installed one"),
    VTS_OPTION_CHOICE(SERVER, log_level, "debug|info|warning|error", "info",
                      "the least that is logged to standard error"),
    VTS_OPTION_CHOICE(SERVER, log_format, "text|json", "text", "how a line of the log is written"),
    VTS_OPTIONS_END};

const struct vts_option config_clock_options[] = {
    VTS_OPTION_CHOICE(CLOCK, mode, "real|scaled|virtual", "real",
                      "where `now` comes from: the system's time, that at another speed, or a time "
                      "that only a hand or its sleepers move"),
    VTS_OPTION_(VTS_REAL, double, CLOCK, rate, "1", 0.001, 1000000, NULL,
                "scaled: seconds of the clock in one second"),
    VTS_OPTION_(
        VTS_TEXT, const char *, CLOCK, start, "", 0, 40, NULL,
        "scaled and virtual: what it shows first, such as 2026-01-01T00:00:00Z, which is the "
        "default of a virtual one; a scaled one begins with the system's time"),
    VTS_OPTION_TIME_BETWEEN(
        CLOCK, silent, "10s", 1, 3600000,
        "real time after which a participant that is awake and says nothing has "
        "left, and does not hold the clock any more"),
    VTS_OPTION_INT(CLOCK, participants, "10000", 1, 1000000,
                   "participants at one time that sleep through the server"),
    VTS_OPTIONS_END};

const struct vts_option config_control_options[] = {
    VTS_OPTION_(VTS_TEXT, const char *, CONTROL, listen, "", 0, 300, NULL,
                "address and port of its own for what stands under /_sim/; empty: it is served "
                "beside the API"),
    VTS_OPTION_(VTS_TEXT, const char *, CONTROL, token, "", 0, 255, NULL,
                "what a request under /_sim/ has to bear (Authorization: Bearer TOKEN); empty: "
                "nothing"),
    VTS_OPTION_LIST(CONTROL, hosts, "",
                    "names, one a line, by which /_sim/ may be asked for beside localhost and "
                    "addresses"),
    VTS_OPTIONS_END};

const struct vts_option config_audit_options[] = {
    VTS_OPTION_BOOL(AUDIT, enabled, "on", "whether it is noted how clients ask"),
    VTS_OPTION_INT(AUDIT, jobs, "1000", 0, 1000000,
                   "jobs, the last ones, whose poll times are kept"),
    VTS_OPTION_INT(AUDIT, polls, "256", 2, 65536, "poll times kept of a job, the last ones"),
    VTS_OPTION_TIME(
        AUDIT, abandoned_after, "5m",
        "a job whose end nobody has seen is abandoned when nobody has asked for so long"),
    VTS_OPTION_TIME_BETWEEN(AUDIT, poll_cost, "1s", 1, 86400000,
                            "the delay that costs as much as one poll"),
    VTS_OPTIONS_END};

/* ---- the address ----------------------------------------------------------------------------- */

static bool parse_port(const char *text, int *port)
{
    size_t digits = strspn(text, "0123456789");
    long value;

    if (!digits || digits > 5 || text[digits])
        return false;
    value = strtol(text, NULL, 10);
    if (value > 65535)
        return false;
    *port = (int)value;
    return true;
}

/* Takes the address apart: [v6], v4 or localhost, up to the colon of the port. Returns what is wrong
 * with it, or NULL. */
static const char *split_address(const char *text, char *host, size_t size, const char **port)
{
    const char *end = text[0] == '[' ? strchr(text, ']') : strrchr(text, ':');
    const char *from = text[0] == '[' ? text + 1 : text;
    unsigned char address[sizeof(struct in6_addr)];

    if (text[0] == '[' && !end)
        return "has no \"]\" behind its IPv6 address";
    if (!*text)
        return "has no address and no port; write ADDRESS:PORT, such as 127.0.0.1:5000";
    if (!end && text[strspn(text, "0123456789")] == '\0')
        return "is a port without an address; write ADDRESS:PORT, such as 127.0.0.1:5000";
    if (!end || (text[0] == '[' && end[1] != ':'))
        return "has no port; write ADDRESS:PORT, such as 127.0.0.1:5000";
    *port = text[0] == '[' ? end + 2 : end + 1;
    if (text[0] != '[' && strchr(text, ':') != end)
        return "has more than one colon; write an IPv6 address in brackets, such as [::1]:5000";
    if (end == from)
        return "has no address; write 127.0.0.1 for this machine alone, 0.0.0.0 for all";
    if ((size_t)(end - from) >= size)
        return "has an address that is too long";
    snprintf(host, size, "%.*s", (int)(end - from), from);
    if (text[0] != '[' && !strcmp(host, "localhost"))
        snprintf(host, size, "127.0.0.1");
    if (inet_pton(text[0] == '[' ? AF_INET6 : AF_INET, host, address) != 1)
        return "has no address that can be listened on; write an IPv4 address such as 127.0.0.1, "
               "an "
               "IPv6 address such as [::1], or localhost";
    return NULL;
}

bool config_address(const char *text, char *host, size_t size, int *port, struct vts_error *error)
{
    struct quoted quoted = problems_quote(text, strlen(text));
    const char *digits, *wrong = split_address(text, host, size, &digits);

    if (wrong)
        return vts_error_set(error, VTS_ERR_INVALID, "%s %s", quoted.text, wrong);
    if (!parse_port(digits, port))
        return vts_error_set(error, VTS_ERR_INVALID, "%s has no port from 0 to 65535", quoted.text);
    return true;
}

/* ---- sections -------------------------------------------------------------------------------- */

static const struct vts_option *find_option(const struct vts_option *table, const char *key)
{
    while (strcmp(table->key, key) != 0)
        table++;
    return table;
}

/* The folders of plugin_path are relative to the file, as a PATH is. */
static void settle_plugin_path(struct config *config, const struct ini_section *section,
                               struct problems *problems)
{
    static const char key[] = "plugin_path";
    const struct vts_option *option = find_option(config_server_options, key);
    struct vts_list *list = &config->server.plugin_path;
    const struct ini_entry *entry = ini_entry(section, key);
    struct vts_list settled = {0};
    struct text lines = TEXT_INIT;
    struct server_settings scratch;

    for (size_t i = 0; i < list->count; i++) {
        char *path = options_path(section, entry, list->items[i]);

        if (!path)
            lines.failed = true;
        else
            text_printf(&lines, "%s\n", path);
        free(path);
    }
    if (lines.length && !lines.failed && options_parse(option, lines.bytes, &scratch, NULL))
        settled = scratch.plugin_path;
    if (list->count && !settled.items) {
        problems_add(problems, NULL, "server", key, "not enough memory");
    } else if (list->count) {
        free((void *)list->items);
        *list = settled;
    }
    text_finish(&lines);
}

static void read_server(struct config *config, struct problems *problems)
{
    struct ini_section *section = ini_section(&config->ini, "server", NULL);
    struct vts_error error;

    options_read(config_server_options, &config->server, section, "server", NULL, problems);
    settle_plugin_path(config, section, problems);
    if (!config->server.listen)
        return; /* reported */
    if (!config_address(config->server.listen, config->host, sizeof(config->host), &config->port,
                        &error)) {
        snprintf(error.key, sizeof(error.key), "listen");
        options_report(section, "server", &error, problems);
    }
}

bool config_loopback(const char *host)
{
    struct in6_addr six;

    return strncmp(host, "127.", 4) == 0 ||
           (inet_pton(AF_INET6, host, &six) == 1 &&
            (IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127)));
}

static void read_clock(struct config *config, struct problems *problems)
{
    struct ini_section *section = ini_section(&config->ini, "clock", NULL);
    struct clock_settings *set = &config->clock;
    struct vts_error error = {.key = "start"};

    options_read(config_clock_options, set, section, "clock", NULL, problems);
    config->clock_start = set->mode == 2 ? VIRTUAL_START : -1;
    if (!set->start || !*set->start)
        return;
    if (text_moment(set->start, strlen(set->start), &config->clock_start))
        return;
    vts_error_set(&error, VTS_ERR_INVALID,
                  "%s is no moment; write one such as 2026-01-01T00:00:00Z",
                  problems_quote(set->start, strlen(set->start)).text);
    snprintf(error.key, sizeof(error.key), "start");
    options_report(section, "clock", &error, problems);
}

/* Whoever can reach it from elsewhere must not be able to stop the clock. */
static void check_guarded(const struct config *config, const struct ini_section *server,
                          struct problems *problems)
{
    struct vts_error error;

    if (config_loopback(config->host) || *config->control_host ||
        (config->control.token && *config->control.token))
        return;
    vts_error_set(
        &error, VTS_ERR_INVALID,
        "others can reach %s, and with it the control side /_sim/: guard that with [control] "
        "token = SECRET, or put it on an address of its own with [control] listen = "
        "127.0.0.1:5001",
        config->host);
    snprintf(error.key, sizeof(error.key), "listen");
    options_report(server, "server", &error, problems);
}

static bool token_good(const char *token)
{
    while (*token > ' ' && *token < 0x7F)
        token++;
    return *token == '\0';
}

static void read_control(struct config *config, struct problems *problems)
{
    struct ini_section *section = ini_section(&config->ini, "control", NULL);
    struct control_settings *set = &config->control;
    struct vts_error error = {0};

    options_read(config_control_options, set, section, "control", NULL, problems);
    if (set->listen && *set->listen &&
        !config_address(set->listen, config->control_host, sizeof(config->control_host),
                        &config->control_port, &error)) {
        *config->control_host = '\0';
        snprintf(error.key, sizeof(error.key), "listen");
        options_report(section, "control", &error, problems);
        return;
    }
    if (set->token && !token_good(set->token)) {
        vts_error_set(&error, VTS_ERR_INVALID,
                      "a token has no white space and no characters beyond ASCII");
        snprintf(error.key, sizeof(error.key), "token");
        options_report(section, "control", &error, problems);
    }
    if (config->server.listen && *config->host)
        check_guarded(config, ini_section(&config->ini, "server", NULL), problems);
}

static size_t count_rules(const struct ini *ini)
{
    size_t count = 0;

    for (size_t i = 0; i < ini->count; i++)
        count += !strcmp(ini->sections[i]->kind, "rule");
    return count;
}

static void read_rules(struct config *config, struct problems *problems)
{
    size_t count = count_rules(&config->ini);

    if (!count)
        return;
    config->rules = calloc(count, sizeof(*config->rules));
    if (!config->rules) {
        problems_add(problems, NULL, NULL, NULL, "not enough memory");
        return;
    }
    for (size_t i = 0; i < config->ini.count; i++) {
        struct ini_section *section = config->ini.sections[i];

        if (strcmp(section->kind, "rule") == 0)
            config_read_rule(&config->rules[config->rule_count++], section, problems);
    }
}

/* Reports and removes sections that lack the name that they need, or have one that they cannot have,
 * so that nobody further on has to think of them. */
static void check_names(struct ini *ini, struct problems *problems)
{
    char where[4200];
    size_t kept = 0;

    for (size_t i = 0; i < ini->count; i++) {
        struct ini_section *section = ini->sections[i];
        bool single = !strcmp(section->kind, "server") || !strcmp(section->kind, "store") ||
                      !strcmp(section->kind, "clock") || !strcmp(section->kind, "control") ||
                      !strcmp(section->kind, "audit");
        bool named = !strcmp(section->kind, "behaviour") || !strcmp(section->kind, "filter") ||
                     !strcmp(section->kind, "rule");

        ini_where(section, NULL, 0, where, sizeof(where));
        if (single && section->name)
            problems_add(problems, where, ini_title(section).text, NULL,
                         "there is one %s, without a name; write [%s]", section->kind,
                         section->kind);
        else if (named && !section->name)
            problems_add(problems, where, section->kind, NULL, "it needs a name; write [%s NAME]",
                         section->kind);
        else {
            ini->sections[kept++] = section;
            continue;
        }
        ini_section_destroy(section);
    }
    ini->count = kept;
}

/* ---- all of it ------------------------------------------------------------------------------- */

bool config_read(struct config *config, const char *file, const char *const *assignments,
                 size_t assignment_count, struct problems *problems)
{
    size_t before = problems->count;

    *config = (struct config){0};
    if (file)
        ini_read_file(&config->ini, file, problems);
    for (size_t i = 0; i < assignment_count; i++)
        ini_set(&config->ini, assignments[i], problems);
    check_names(&config->ini, problems);
    read_server(config, problems);
    options_read(config_audit_options, &config->audit, ini_section(&config->ini, "audit", NULL),
                 "audit", NULL, problems);
    read_clock(config, problems);
    read_control(config, problems);
    read_rules(config, problems);
    return problems->count == before;
}

void config_finish(struct config *config)
{
    options_free(config_server_options, &config->server);
    options_free(config_audit_options, &config->audit);
    options_free(config_clock_options, &config->clock);
    options_free(config_control_options, &config->control);
    for (size_t i = 0; i < config->rule_count; i++)
        config_free_rule(&config->rules[i]);
    free(config->rules);
    ini_finish(&config->ini);
    *config = (struct config){0};
}

static void report_section(const struct ini_section *section, struct problems *problems)
{
    static const char *const kinds[] = {"server",    "store",  "clock", "control", "audit",
                                        "behaviour", "filter", "rule",  NULL};
    const char *near = text_nearest(section->kind, kinds);
    struct ini_title title = ini_title(section);
    char where[4200];

    ini_where(section, NULL, 0, where, sizeof(where));
    for (size_t i = 0; kinds[i]; i++)
        if (!strcmp(kinds[i], section->kind))
            return; /* one that could not be made: its own problem was told */
    if (near)
        problems_add(problems, where, title.text, NULL,
                     "unknown kind of section; did you mean [%s%s]?", near,
                     !strcmp(near, "behaviour") || !strcmp(near, "rule") ? " NAME" : "");
    else
        problems_add(
            problems, where, title.text, NULL,
            "unknown kind of section; write [server], [store], [clock], [control], [audit], "
            "[behaviour NAME], [filter NAME] or [rule NAME]");
}

void config_report_unknown(const struct config *config, struct problems *problems)
{
    for (size_t i = 0; i < config->ini.count; i++) {
        struct ini_section *section = config->ini.sections[i];
        char where[4200];

        if (!section->used) {
            report_section(section, problems);
            continue;
        }
        for (size_t k = 0; k < section->count; k++)
            if (!section->entries[k].used)
                problems_add(problems,
                             ini_where(section, &section->entries[k], 1, where, sizeof(where)),
                             ini_title(section).text, section->entries[k].key, "unknown key");
    }
}
