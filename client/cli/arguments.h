/* SPDX-License-Identifier: MIT
 *
 * The command line of `vtsim`, read and checked. Knows the options, not what they lead to. */
#ifndef VTSIM_CLI_ARGUMENTS_H
#define VTSIM_CLI_ARGUMENTS_H

#include <stdbool.h>

#include <vtsim/client.h>

enum exit_status {
    EXIT_COMPLETED = 0,
    EXIT_JOB_ERROR = 1,
    EXIT_USAGE = 2,
    EXIT_DEADLINE = 3,
    EXIT_SERVER = 4
};

enum command {
    COMMAND_START,
    COMMAND_STATUS,
    COMMAND_WAIT,
    COMMAND_RUN,
    COMMAND_RESUME,
    COMMAND_LIST,
    COMMAND_CANCEL,
    COMMAND_AUDIT,
    COMMAND_CLOCK,
    COMMAND_NEW_BEHAVIOUR,
    COMMAND_HELP,
    COMMAND_VERSION
};

struct arguments {
    enum command command;
    const char
        *id; /* the first of them; of new-behaviour: its name; NULL for list, help and version;
                     * of audit it may be a pattern, or NULL: all */
    char *const *ids; /* of wait and run: all; of resume: tokens; of clock: its words */
    size_t id_count;
    const char *folder;  /* of new-behaviour; NULL: called as it is */
    const char *state;   /* of list; NULL: all */
    const char *url;     /* that -u gave; NULL: it did not */
    const char *timeout; /* that -t gave, as it was written; NULL: none */
    bool json, trace, watch, draw;
    const char *behaviour;               /* of start and run; NULL: what the server says */
    struct vts_client_setting *settings; /* of start and run: setting_count of them */
    size_t setting_count;
    bool server_clock;
    const char *clock_url, *clock_name; /* NULL: the server, and a name that is made up */
    struct vts_client_options options;
};

/* Reads argv, and VTSIM_URL from the environment. False after a line on standard error that says what
 * is wrong and what would be right. */
bool arguments_read(struct arguments *arguments, int argc, char **argv);
/* Lets go of what was made of them. */
void arguments_finish(struct arguments *arguments);

/* Prints the help. */
void arguments_help(void);

#endif
