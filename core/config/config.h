/* SPDX-License-Identifier: MIT
 *
 * The whole configuration of a vtsimd: the INI file and the command line's settings, read through
 * the option tables of the server's own sections. Behaviours are only listed: their settings are
 * read when their plugin is known, by the room behaviours/. */
#ifndef VTSIM_CONFIG_CONFIG_H
#define VTSIM_CONFIG_CONFIG_H

#include "options.h"

/* [server] */
struct server_settings {
    const char *listen;     /* ADDR:PORT, checked; see config.host and config.port */
    const char *behaviour;  /* for a job that no rule claims */
    struct vts_list filter; /* around every behaviour, the outermost first */
    int64_t workers;        /* 0: one a processor */
    int64_t seed;
    int64_t max_jobs;
    int64_t max_instances;
    vts_ms keep_ended;
    int64_t max_body; /* bytes */
    vts_ms idle_timeout;
    vts_ms drain_timeout; /* how long a first SIGTERM waits for answers under way */
    int64_t max_connections;
    vts_ms max_wait; /* the longest that a poll may ask to wait for news; below 1 s: not at all */
    struct vts_list plugin_path; /* searched before the installed folder; absolute */
    int log_level;               /* enum vts_level */
    int log_format;              /* 0 text, 1 json */
};

/* [audit] */
struct audit_section {
    bool enabled;
    int64_t jobs;  /* the last ones, whose poll times are kept */
    int64_t polls; /* of each */
    vts_ms abandoned_after;
    vts_ms poll_cost; /* a delay that costs as much as one poll */
};

/* [clock] */
struct clock_settings {
    int mode; /* enum clock_mode */
    double rate;
    const char *start; /* a moment, checked: see config.clock_start */
    vts_ms silent;
    int64_t participants;
};

/* [control] */
struct control_settings {
    const char *listen; /* ADDR:PORT, checked, or "": on the server's own address */
    const char *token;  /* "": none */
    struct vts_list hosts;
};

/* [rule NAME]: jobs whose id matches the glob, and all that the conditions below ask for, get this behaviour;
 * the first rule that matches wins. */
struct rule_settings {
    const char *job_id;
    const char *behaviour;
    struct vts_list filter; /* around that behaviour, inside of the server's */
};

/* `input.video.language = es`, `header.x-tenant = acme*`: further conditions, all of which must be met. */
enum rule_source { RULE_INPUT, RULE_HEADER };

struct rule_condition {
    enum rule_source source;
    const char *name;    /* "video.language", "x-tenant"; owned by the ini, */
    const char *pattern; /* as this is */
};

struct config_rule {
    const char *name; /* owned by the ini */
    struct rule_settings settings;
    struct rule_condition *conditions;
    size_t condition_count;
};

struct config {
    struct ini ini;
    struct server_settings server;
    char host[256]; /* from server.listen; without the brackets of an IPv6 address */
    int port;
    struct audit_section audit;
    struct clock_settings clock;
    vts_ms clock_start; /* -1: now */
    struct control_settings control;
    char control_host[256]; /* from control.listen, likewise; "": there is none */
    int control_port;
    struct config_rule *rules;
    size_t rule_count;
};

/* Reads `file` (NULL: none) and then the settings of the command line, in their order. All problems
 * are collected; false where there are some. What could not be read is then 0 or NULL (in rules,
 * too), and config_finish frees the rest in any case.
 * Sections of the kinds "behaviour" and "filter", which all have a name, are left for the room behaviours/
 * to read; that the behaviours and filters which [server] and the rules name are there is its business,
 * too. */
bool config_read(struct config *config, const char *file, const char *const *assignments,
                 size_t assignment_count, struct problems *problems);
void config_finish(struct config *config);

/* Adds a problem for each section whose kind is not known, and for each key that nobody has asked for
 * in a section that somebody has. Call after the behaviours have read theirs. */
void config_report_unknown(const struct config *config, struct problems *problems);

/* ADDR:PORT, [v6]:PORT, localhost:PORT (127.0.0.1); a host name is none. False, with a message, where
 * it is none. `host` is without brackets. */
bool config_address(const char *text, char *host, size_t size, int *port, struct vts_error *error);

/* Whether an address is reached from this machine alone. */
bool config_loopback(const char *host);

/* One [rule NAME] section, into a zeroed rule. False where there was a problem; config_free_rule in any
 * case. */
bool config_read_rule(struct config_rule *rule, struct ini_section *section,
                      struct problems *problems);
void config_free_rule(struct config_rule *rule);

/* The server's own sections, for --describe. */
extern const struct vts_option config_server_options[];
extern const struct vts_option config_audit_options[];
extern const struct vts_option config_clock_options[];
extern const struct vts_option config_control_options[];
extern const struct vts_option config_rule_options[];

#endif
