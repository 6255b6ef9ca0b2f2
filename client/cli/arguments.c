/* SPDX-License-Identifier: MIT
 *
 * The command line of `vtsim`. See arguments.h; vtsim.1 tells the same to people. */
#include "arguments.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"
#include "output.h"

static const struct {
    const char *name;
    enum command command;
    int least, most; /* words behind it */
    const char *takes;
} commands[] = {{"start", COMMAND_START, 1, 1, "ID"},
                {"status", COMMAND_STATUS, 1, 1, "ID"},
                {"wait", COMMAND_WAIT, 1, INT_MAX, "ID..."},
                {"run", COMMAND_RUN, 1, INT_MAX, "ID..."},
                {"resume", COMMAND_RESUME, 1, INT_MAX, "TOKEN..."},
                {"list", COMMAND_LIST, 0, 0, ""},
                {"cancel", COMMAND_CANCEL, 1, 1, "ID"},
                {"audit", COMMAND_AUDIT, 0, 1, "[ID]"},
                {"clock", COMMAND_CLOCK, 0, 2,
                 "[freeze | thaw | next | advance TIME | to MOMENT | rate NUMBER]"},
                {"new-behaviour", COMMAND_NEW_BEHAVIOUR, 1, 2, "NAME [DIR]"}};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* Options without a letter. */
enum {
    FACTOR = 256,
    MAX_INTERVAL,
    JITTER,
    REQUEST_TIMEOUT,
    MAX_ERRORS,
    STATE,
    JSON,
    BACKOFF,
    ON_TIMEOUT,
    LONG_POLL,
    TRACE,
    WATCH,
    DRAW,
    BEHAVIOUR,
    OPTION,
    CLOCK,
    CLOCK_URL,
    CLOCK_NAME,
    SEED
};

/* Options that mean nothing for most commands. */
#define WAITING  (1u << COMMAND_WAIT | 1u << COMMAND_RUN | 1u << COMMAND_RESUME)
#define STARTING (1u << COMMAND_START)
#define MAKING   (1u << COMMAND_START | 1u << COMMAND_RUN)
#define TIMED    (WAITING | STARTING | 1u << COMMAND_LIST)
#define ASKING   (~(1u << COMMAND_NEW_BEHAVIOUR))
#define WITHIN   (ASKING & ~(1u << COMMAND_AUDIT))
static const struct {
    int option;
    const char *name;
    unsigned int commands; /* one bit each */
    const char *commands_text;
} narrow_options[] = {{'u', "url", ASKING, "commands that ask a server"},
                      {'t', "timeout", WITHIN, "commands that ask for jobs"},
                      {REQUEST_TIMEOUT, "request-timeout", ASKING, "commands that ask a server"},
                      {JSON, "json", ASKING, "commands that ask a server"},
                      {'i', "interval", WAITING, "wait, run and resume"},
                      {FACTOR, "factor", WAITING, "wait, run and resume"},
                      {MAX_INTERVAL, "max-interval", WAITING, "wait, run and resume"},
                      {JITTER, "jitter", WAITING, "wait, run and resume"},
                      {BACKOFF, "backoff", WAITING, "wait, run and resume"},
                      {ON_TIMEOUT, "on-timeout", WAITING, "wait, run and resume"},
                      {LONG_POLL, "long-poll", WAITING, "wait, run and resume"},
                      {MAX_ERRORS, "max-errors", WAITING | STARTING, "start, wait, run and resume"},
                      {TRACE, "trace", WAITING | STARTING, "start, wait, run and resume"},
                      {STATE, "state", 1u << COMMAND_LIST, "list"},
                      {WATCH, "watch", 1u << COMMAND_LIST, "list"},
                      {DRAW, "draw", 1u << COMMAND_AUDIT, "audit"},
                      {BEHAVIOUR, "behaviour", MAKING, "start and run"},
                      {OPTION, "option", MAKING, "start and run"},
                      {CLOCK, "clock", TIMED, "start, wait, run, resume and list"},
                      {CLOCK_URL, "clock-url", TIMED, "start, wait, run, resume and list"},
                      {CLOCK_NAME, "clock-name", TIMED, "start, wait, run, resume and list"},
                      {SEED, "seed", TIMED, "start, wait, run, resume and list"}};

enum { NARROW_OPTIONS = sizeof(narrow_options) / sizeof(narrow_options[0]) };

static const struct option long_options[] = {
    {"url", required_argument, NULL, 'u'},
    {"timeout", required_argument, NULL, 't'},
    {"interval", required_argument, NULL, 'i'},
    {"factor", required_argument, NULL, FACTOR},
    {"max-interval", required_argument, NULL, MAX_INTERVAL},
    {"jitter", required_argument, NULL, JITTER},
    {"request-timeout", required_argument, NULL, REQUEST_TIMEOUT},
    {"max-errors", required_argument, NULL, MAX_ERRORS},
    {"backoff", required_argument, NULL, BACKOFF},
    {"on-timeout", required_argument, NULL, ON_TIMEOUT},
    {"long-poll", required_argument, NULL, LONG_POLL},
    {"trace", no_argument, NULL, TRACE},
    {"watch", no_argument, NULL, WATCH},
    {"draw", no_argument, NULL, DRAW},
    {"behaviour", required_argument, NULL, BEHAVIOUR},
    {"option", required_argument, NULL, OPTION},
    {"clock", required_argument, NULL, CLOCK},
    {"clock-url", required_argument, NULL, CLOCK_URL},
    {"clock-name", required_argument, NULL, CLOCK_NAME},
    {"seed", required_argument, NULL, SEED},
    {"state", required_argument, NULL, STATE},
    {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0}};

void arguments_help(void)
{
    output_print(
        "usage: vtsim [-u URL] COMMAND [ID]... [OPTION]...\n"
        "       vtsim new-behaviour NAME [DIR]\n"
        "\n"
        "Starts jobs at a video-translation service, or its simulator, and waits for them.\n"
        "\n"
        "  start ID         start a job\n"
        "  status ID        ask once how it is\n"
        "  wait ID...       wait until they have ended\n"
        "  run ID...        start them and wait until they have ended\n"
        "  resume TOKEN...  go on with waits that were interrupted\n"
        "  list             list the jobs (vtsimd only)\n"
        "  cancel ID        ask to stop a job (vtsimd only)\n"
        "  audit [ID]       tell how clients asked for jobs: for one, for those whose id a\n"
        "                   pattern fits ('long-*'), or for all (vtsimd only)\n"
        "  clock [freeze | thaw | next | advance TIME | to MOMENT | rate NUMBER]\n"
        "                   show the server's clock, or move it first (vtsimd only)\n"
        "  new-behaviour NAME [DIR]\n"
        "                   write a project for a behaviour of your own, with its test, into\n"
        "                   the folder DIR (default: NAME); asks no server\n"
        "\n"
        "Options, anywhere on the line; -- before an ID that begins with a dash:\n"
        "  -u, --url URL           the server (default $VTSIM_URL, else http://127.0.0.1:5000)\n"
        "  -t, --timeout TIME      give up after this time (default: never)\n"
        "      --request-timeout TIME\n"
        "                          for one request (default 10s)\n"
        "      --json              print what the server answered, as JSON, one object a line\n"
        "  -h, --help              print this\n"
        "  -V, --version           print the version\n"
        "\n"
        "Of start and run, at a vtsimd:\n"
        "      --behaviour NAME    how the jobs go: a behaviour of its INI file, or a plugin\n"
        "      --option KEY=VALUE  a setting of the behaviour, for these jobs alone; any number\n"
        "\n"
        "Of wait, run and resume:\n"
        "      --backoff PLAN      when to poll: 'exponential 500ms x1.5 max 10s jitter 10%%',\n"
        "                          'fixed 1s', 'budget 12', 'learn 1s' (a poll is worth a second\n"
        "                          of delay; learns how long jobs take, and is the default)\n"
        "  -i, --interval TIME     exponential: the first wait between two polls (default 500ms)\n"
        "      --factor NUMBER     exponential: each further wait is longer by it (default 1.5)\n"
        "      --max-interval TIME exponential: no wait is longer (default 10s)\n"
        "      --jitter PERCENT    exponential: spread each wait up and down (default 10%%)\n"
        "      --on-timeout leave|cancel\n"
        "                          what becomes of a job at the --timeout (default leave)\n"
        "      --long-poll TIME    let vtsimd answer when something changes, so late at most\n"
        "      --max-errors N      failed polls, or starts, in a row that end it (default 10)\n"
        "      --trace             tell of each request, and why it comes then\n"
        "      --clock server      wait by a vtsimd's clock: all times but that of one request "
        "are\n"
        "                          simulated ones; of start and list, too\n"
        "      --clock-url URL     where that clock is (default: the server)\n"
        "      --clock-name NAME   by which name to take part (default: one that nobody has)\n"
        "      --seed N            draw what is left to chance in waits as in every run with N\n"
        "\n"
        "Of list:\n"
        "      --state STATE       queued, running, completed, failed or cancelled\n"
        "      --watch             go on, with a line for each change\n"
        "\n"
        "Of audit:\n"
        "      --draw              draw the jobs along time, with their polls\n"
        "\n"
        "A TIME is a number and a unit: 250ms, 10s, 2m, 1h, 1d.\n"
        "\n"
        "Exit status: 0 the job completed, or the command did what it says; 1 the job ended in\n"
        "error; 2 wrong usage; 3 the timeout passed; 4 the server was not reached, does not know\n"
        "the job, refused, or gave an answer that makes no sense.\n");
}

__attribute__((format(printf, 1, 2))) static bool wrong(const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    output_error("%s; try vtsim --help", text);
    return false;
}

/* A TIME, one number and one unit, of so many days at most. */
static bool read_time(const char *option, const char *text, int days, int64_t *ms)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
    size_t digits = strspn(text, "0123456789.");
    char *end = NULL;
    double number = digits ? strtod(text, &end) : 0;

    for (size_t i = 0; digits && end == text + digits && i < sizeof(units) / sizeof(units[0]);
         i++) {
        double total = number * units[i].ms;

        if (strcmp(end, units[i].name) != 0)
            continue;
        if (total < 1 || total > 86400e3 * days)
            return wrong("--%s: %s is not within 1ms to %dd", option, text, days);
        *ms = (int64_t)(total + 0.5);
        return true;
    }
    return wrong("--%s: \"%s\" is not a time; right is a number and a unit, such as 250ms, 10s, "
                 "2m, 1h, 1d",
                 option, text);
}

/* A number with an optional `suffix`. */
static bool read_number(const char *option, const char *text, const char *suffix, double *number)
{
    size_t digits = strspn(text, "0123456789.");
    char *end = NULL;

    errno = 0;
    *number = digits ? strtod(text, &end) : 0;
    if (digits && end == text + digits && !errno && (!*end || strcmp(end, suffix) == 0))
        return true;
    return wrong("--%s: \"%s\" is not a number", option, text);
}

static bool read_count(const char *option, const char *text, int *count)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < 1 || value > INT32_MAX)
        return wrong("--%s: \"%s\" is not a whole number from 1 on", option, text);
    *count = (int)value;
    return true;
}

static bool check_state(const char *state)
{
    static const char *const states[] = {"queued", "running", "completed", "failed", "cancelled"};

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (strcmp(state, states[i]) == 0)
            return true;
    }
    return wrong("--state: \"%s\" is none; right are queued, running, completed, failed, cancelled",
                 state);
}

/* Where a narrow option stands; NARROW_OPTIONS for the others. */
static unsigned int narrow_index(int option)
{
    unsigned int i = 0;

    while (i < NARROW_OPTIONS && narrow_options[i].option != option)
        i++;
    return i;
}

/* Its bit; 0 for the others. */
static unsigned int note(int option)
{
    unsigned int i = narrow_index(option);

    return i < NARROW_OPTIONS ? 1u << i : 0;
}

static bool read_backoff(struct arguments *arguments, const char *value)
{
    struct vts_client_error error;
    struct vts_client_plan *plan = vts_client_plan_parse(value, &error);

    if (!plan)
        return wrong("--backoff: %s", error.message);
    vts_client_plan_release(arguments->options.plan);
    arguments->options.plan = plan;
    return true;
}

static bool read_on_timeout(struct arguments *arguments, const char *value)
{
    bool cancel = strcmp(value, "cancel") == 0;

    arguments->options.on_deadline =
        cancel ? VTS_CLIENT_ON_DEADLINE_CANCEL : VTS_CLIENT_ON_DEADLINE_LEAVE;
    return cancel || strcmp(value, "leave") == 0 ||
           wrong("--on-timeout: \"%s\" is neither leave nor cancel", value);
}

static bool read_behaviour(struct arguments *arguments, const char *value)
{
    if (arguments->behaviour)
        return wrong("--behaviour: is given twice: \"%s\" and \"%s\"", arguments->behaviour, value);
    arguments->behaviour = value;
    return *value || wrong("--behaviour: is empty; right is a name, such as scripted_sequence");
}

/* KEY=VALUE; the value is all that follows, and may be empty. */
static bool read_setting(struct arguments *arguments, const char *text)
{
    const char *equals = strchr(text, '=');
    struct vts_client_setting *grown;
    char *key;

    if (!equals || equals == text)
        return wrong("--option: \"%s\" has no %s; right is KEY=VALUE, such as delay=2s", text,
                     equals ? "key before the =" : "=");
    key = strndup(text, (size_t)(equals - text));
    grown = key ? realloc(arguments->settings,
                          (arguments->setting_count + 1) * sizeof(*arguments->settings))
                : NULL;
    if (!grown) {
        free(key);
        return wrong("--option: out of memory");
    }
    arguments->settings = grown;
    grown[arguments->setting_count++] = (struct vts_client_setting){key, equals + 1};
    for (size_t i = 0; i + 1 < arguments->setting_count; i++) {
        if (strcmp(grown[i].key, key) == 0)
            return wrong("--option: %s is given twice: \"%s\" and \"%s\"", key, grown[i].value,
                         equals + 1);
    }
    return true;
}

static bool read_seed(struct arguments *arguments, const char *value)
{
    int seed = 0;
    bool good = read_count("seed", value, &seed);

    arguments->options.seed = (uint64_t)seed;
    return good;
}

static bool read_new_option(struct arguments *arguments, int option, const char *value)
{
    int64_t *long_poll_ms = &arguments->options.long_poll_ms;

    switch (option) {
    case BACKOFF:
        return read_backoff(arguments, value);
    case ON_TIMEOUT:
        return read_on_timeout(arguments, value);
    case LONG_POLL:
        return read_time("long-poll", value, 1, long_poll_ms) &&
               (*long_poll_ms <= 3600000 || wrong("--long-poll: %s is more than 1h", value));
    case TRACE:
        arguments->trace = true;
        return true;
    case DRAW:
        arguments->draw = true;
        return true;
    case BEHAVIOUR:
        return read_behaviour(arguments, value);
    case OPTION:
        return read_setting(arguments, value);
    case CLOCK:
        arguments->server_clock = strcmp(value, "server") == 0;
        return arguments->server_clock || strcmp(value, "real") == 0 ||
               wrong("--clock: \"%s\" is neither server nor real", value);
    case CLOCK_URL:
        arguments->clock_url = value;
        return true;
    case CLOCK_NAME:
        arguments->clock_name = value;
        return true;
    case SEED:
        return read_seed(arguments, value);
    default:
        arguments->watch = true;
        return true;
    }
}

static bool read_option(struct arguments *arguments, int option, const char *value)
{
    struct vts_client_options *options = &arguments->options;
    double percent;

    if (option >= BACKOFF)
        return read_new_option(arguments, option, value);
    switch (option) {
    case 'u':
        arguments->url = options->url = value;
        return true;
    case 't':
        arguments->timeout = value;
        return read_time("timeout", value, 36500, &options->deadline_ms);
    case 'i':
        return read_time("interval", value, 1, &options->initial_ms);
    case FACTOR:
        if (!read_number("factor", value, "x", &options->factor))
            return false;
        return (options->factor >= 1 && options->factor <= 100) ||
               wrong("--factor: %s is not within 1 to 100", value);
    case MAX_INTERVAL:
        return read_time("max-interval", value, 1, &options->cap_ms);
    case JITTER:
        if (!read_number("jitter", value, "%", &percent))
            return false;
        options->jitter = percent / 100;
        return percent <= 100 || wrong("--jitter: %s is not within 0%% to 100%%", value);
    case REQUEST_TIMEOUT:
        return read_time("request-timeout", value, 1, &options->request_timeout_ms);
    case MAX_ERRORS:
        return read_count("max-errors", value, &options->max_errors);
    case STATE:
        arguments->state = value;
        return check_state(value);
    case JSON:
        arguments->json = true;
        return true;
    case 'h':
        arguments->command = COMMAND_HELP;
        return true;
    default:
        arguments->command = COMMAND_VERSION;
        return true;
    }
}

#define COMMAND_NAMES "start, status, wait, run, resume, list, cancel, audit, clock, new-behaviour"

static bool unknown_command(const char *word)
{
    /* other words for what there is */
    static const char *const others[][2] = {{"watch", "list --watch"},
                                            {"stat", "status"},
                                            {"stop", "cancel"},
                                            {"delete", "cancel"},
                                            {"poll", "wait"}};
    struct nearest nearest = {.word = word, .length = strlen(word)};

    for (size_t i = 0; i < COMMANDS; i++)
        nearest_try(&nearest, commands[i].name, commands[i].name);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        nearest_try(&nearest, others[i][0], others[i][1]);
    if (!nearest.best)
        return wrong("unknown command \"%s\"; right are " COMMAND_NAMES, word);
    output_error("unknown command \"%s\"; did you mean \"%s\"?", word, nearest.best);
    return false;
}

static bool read_command(struct arguments *arguments, int count, char **words)
{
    if (!count)
        return wrong("no command; right are " COMMAND_NAMES);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(words[0], commands[i].name) != 0)
            continue;
        arguments->command = commands[i].command;
        if (count - 1 < commands[i].least)
            return wrong("%s: which %s? right is vtsim %s %s", words[0],
                         commands[i].command == COMMAND_RESUME          ? "token"
                         : commands[i].command == COMMAND_NEW_BEHAVIOUR ? "name"
                                                                        : "job",
                         words[0], commands[i].takes);
        if (count - 1 > commands[i].most)
            return wrong("%s: \"%s\" is too much", words[0], words[count - 1]);
        arguments->id = words[1]; /* NULL behind the last one */
        arguments->ids = words + 1;
        arguments->id_count = (size_t)count - 1;
        if (arguments->command == COMMAND_NEW_BEHAVIOUR && count > 2)
            arguments->folder = words[2];
        return true;
    }
    return unknown_command(words[0]);
}

/* "--WORD" or "--WORD=VALUE". */
static bool unknown_option(const char *option)
{
    struct nearest nearest = {.word = option + 2, .length = strcspn(option + 2, "=")};

    for (const struct option *right = long_options; right->name; right++)
        nearest_try(&nearest, right->name, right->name);
    if (!nearest.best)
        return wrong("unknown option %s", option);
    output_error("unknown option %s; did you mean --%s?", option, nearest.best);
    return false;
}

/* `given` has a bit for each narrow option that was given. An option that would do nothing is a
 * mistake that somebody wants to hear of. */
static bool check_options(const struct arguments *arguments, unsigned int given,
                          const char *command)
{
    for (size_t i = 0; i < NARROW_OPTIONS; i++) {
        if ((given & 1u << i) && !(narrow_options[i].commands & 1u << arguments->command))
            return wrong("%s: --%s is for %s", command, narrow_options[i].name,
                         narrow_options[i].commands_text);
    }
    return true;
}

/* Who says how to poll gets that, and nothing that is learned. An interval above the cap was asked for on
 * purpose, unless the cap was, too. */
static bool settle_plan(struct arguments *arguments, unsigned int given)
{
    static const int exponential[] = {'i', FACTOR, MAX_INTERVAL, JITTER};
    struct vts_client_options *options = &arguments->options;
    bool cap_given = given & note(MAX_INTERVAL);

    for (size_t i = 0; i < sizeof(exponential) / sizeof(exponential[0]); i++) {
        if (!(given & note(exponential[i])))
            continue;
        if (options->plan)
            return wrong("--%s: is part of --backoff, which was given, too",
                         narrow_options[narrow_index(exponential[i])].name);
        options->cost_ms = 0;
    }
    if (options->initial_ms > options->cap_ms) {
        if (cap_given)
            return wrong("--max-interval: is below --interval");
        options->cap_ms = options->initial_ms;
    }
    return true;
}

/* Makes the clock that was asked for. */
static bool settle_clock(struct arguments *arguments, unsigned int given)
{
    const char *url = arguments->clock_url ? arguments->clock_url : arguments->options.url;
    struct vts_client_error error;

    if (!arguments->server_clock)
        return !(given & (note(CLOCK_URL) | note(CLOCK_NAME))) ||
               wrong("--clock-url and --clock-name are for --clock server");
    arguments->options.clock =
        vts_client_clock_server(VTS_CLIENT_CLOCK_SERVER(.url = url, .token = getenv("VTSIM_TOKEN"),
                                                        .name = arguments->clock_name),
                                &error);
    return arguments->options.clock || wrong("--clock server: %s", error.message);
}

void arguments_finish(struct arguments *arguments)
{
    vts_client_clock_release(arguments->options.clock);
    arguments->options.clock = NULL;
    vts_client_plan_release(arguments->options.plan);
    arguments->options.plan = NULL;
    for (size_t i = 0; i < arguments->setting_count; i++)
        free((char *)(uintptr_t)arguments->settings[i].key); /* ours, and const for the library */
    free(arguments->settings);
    arguments->settings = NULL;
    arguments->setting_count = 0;
}

bool arguments_read(struct arguments *arguments, int argc, char **argv)
{
    const char *url = getenv("VTSIM_URL");
    unsigned int given = 0;
    int option;

    memset(arguments, 0, sizeof(*arguments));
    arguments->command = COMMAND_RUN;
    vts_client_options_init(&arguments->options);
    arguments->options.long_poll_ms = 0; /* progress is shown between changes, too */
    if (url && *url)
        arguments->options.url = url;
    opterr = 0; /* our own messages say more */
    while ((option = getopt_long(argc, argv, ":u:t:i:hV", long_options, NULL)) != -1) {
        if (option == ':')
            return wrong("%s: needs a value", argv[optind - 1]);
        if (option == '?' && optopt && optopt < 256)
            return wrong("unknown option -%c", optopt);
        if (option == '?' && optopt)
            return wrong("%s: takes no value", argv[optind - 1]);
        if (option == '?')
            return unknown_option(argv[optind - 1]);
        if (!read_option(arguments, option, optarg))
            return false;
        if (arguments->command == COMMAND_HELP || arguments->command == COMMAND_VERSION)
            return true;
        given |= note(option);
    }
    return read_command(arguments, argc - optind, argv + optind) &&
           check_options(arguments, given, argv[optind]) &&
           (!(arguments->draw && arguments->json) ||
            wrong("audit: --draw and --json are asked for one at a time")) &&
           settle_plan(arguments, given) && settle_clock(arguments, given);
}
