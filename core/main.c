/* SPDX-License-Identifier: MIT
 *
 * vtsimd: arguments, signals, wiring. Knows every room and does nothing itself. */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "http/http.h"
#include "tools/tools.h"

struct arguments {
    const char *file;         /* -c */
    const char **assignments; /* -s, and -l as `server/listen=...`, in their order */
    size_t assignment_count;
    struct text listen; /* "server/listen=..." */
    bool check, describe;
    const char *describe_plugin;
    const char *vet; /* a module file; the -s are then its settings */
    struct preview preview;
    bool has_seed, has_count,
        has_every; /* of --seed, --jobs and --every, which go with --preview */
};

/* All that a running vtsimd is made of, in the order in which it is made. */
struct daemon {
    const struct arguments *arguments;
    struct assignment *assignment; /* held: as the configuration was read at the start */
    struct assignment *latest;     /* held: and as it was read last without a problem */
    struct clock clock;
    struct service service;
    struct http_server http;
    struct event_base *base;
    struct event *signal, *done;
    int signal_fd;
    size_t workers_done;
    bool draining;
};

/* ---- arguments ---- */

static const char help[] =
    "usage: vtsimd [-c FILE] [-l ADDR:PORT] [-s 'SECTION/KEY=VALUE']...\n"
    "              [--check] [--describe [PLUGIN]] [--version] [-h | --help]\n"
    "       vtsimd --preview NAME [--jobs N] [--every SPAN] [--seed N] [--json | --csv]\n"
    "              [-c FILE] [-s ...]...\n"
    "       vtsimd --vet FILE.so [-s KEY=VALUE]...\n"
    "\n"
    "Stands in for a video-translation service: runs pretended jobs through behaviour plugins.\n"
    "Without a configuration every job completes after 10 s, on http://127.0.0.1:5000.\n"
    "\n"
    "  -c, --config FILE        read the configuration from this INI file\n"
    "  -l, --listen ADDR:PORT   serve there; port 0 takes a free one\n"
    "  -s, --set SECTION/KEY=VALUE\n"
    "                           one setting, over the file's: -s 'behaviour quick/delay=1s'\n"
    "      --check              tell what is wrong with the configuration, and end\n"
    "      --describe [PLUGIN]  list the behaviours there are, or tell all of one, and end\n"
    "      --preview NAME       run jobs of this behaviour, or through this filter, in virtual "
    "time,\n"
    "                           show what came of them, and end\n"
    "      --jobs N             how many (1000)\n"
    "      --every SPAN         how far apart they come, where jobs share slots (0: all at once)\n"
    "                           or are shown for a filter (1s)\n"
    "      --seed N             where their chance starts from (the configured seed)\n"
    "      --json, --csv        as numbers: a JSON object, or a line for each job\n"
    "      --vet FILE.so        try whether a plugin keeps the rules, and end\n"
    "      --version            tell the version, and end\n"
    "  -h, --help               tell this, and end\n"
    "\n"
    "When it serves it prints one line: vtsimd: listening on http://127.0.0.1:5000\n"
    "SIGTERM and SIGINT end it once the answers under way are out; a second one at once.\n"
    "SIGHUP reads the configuration anew, for new jobs.\n"
    "Exit status: 0 ended as asked; 1 --vet found a broken rule; 2 wrong arguments or "
    "configuration,\n"
    "or cannot serve.\n";

static int usage(void)
{
    fputs("usage: vtsimd [-c FILE] [-l ADDR:PORT] [-s 'SECTION/KEY=VALUE']...\n"
          "try: vtsimd --help\n",
          stderr);
    return EXIT_USAGE;
}

/* Keeps the place of -l among the settings, which is filled when the last one is known. */
static bool take_listen(struct arguments *arguments, const char *address)
{
    struct vts_error error;
    char host[256];
    int port;

    if (!config_address(address, host, sizeof(host), &port, &error)) {
        fprintf(stderr, "vtsimd: -l: %s\n", error.message);
        return false;
    }
    text_reset(&arguments->listen);
    text_printf(&arguments->listen, "server/listen=%s", address);
    arguments->assignments[arguments->assignment_count++] = NULL;
    return !arguments->listen.failed;
}

/* A whole number of an option, from `least`. */
static bool take_number(const char *option, const char *text, uint64_t least, uint64_t *number)
{
    char *end = NULL;

    errno = 0;
    *number = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    if (end && *end == '\0' && errno == 0 && *number >= least && *number <= INT64_MAX)
        return true;
    fprintf(stderr, "vtsimd: %s: \"%s\" is not a whole number from %llu to %lld\n", option, text,
            (unsigned long long)least, (long long)INT64_MAX);
    return false;
}

/* A span of an option, written as a TIME. */
static bool take_span(const char *option, const char *text, vts_ms *span)
{
    const struct vts_option time = {.type = VTS_TIME, .key = "span"};
    struct vts_error error;

    if (options_parse(&time, text, span, &error))
        return true;
    fprintf(stderr, "vtsimd: %s: %s\n", option, error.message);
    return false;
}

/* What can be asked for together. */
static bool check_together(const struct arguments *arguments)
{
    const struct preview *preview = &arguments->preview;
    const char *wrong = NULL;
    int asked = arguments->check + arguments->describe + (arguments->vet != NULL) +
                (preview->behaviour != NULL);

    if (asked > 1)
        wrong = "--check, --describe, --preview and --vet are asked for one at a time";
    else if (!preview->behaviour && (arguments->has_count || arguments->has_every ||
                                     arguments->has_seed || preview->format != PREVIEW_TEXT))
        wrong = "--jobs, --every, --seed, --json and --csv go with --preview";
    else if (arguments->vet && (arguments->file || arguments->listen.length > 0))
        wrong = "--vet reads no configuration: give settings with -s KEY=VALUE";
    if (wrong)
        fprintf(stderr, "vtsimd: %s\n", wrong);
    return !wrong;
}

enum long_option {
    OPTION_CHECK = 256,
    OPTION_DESCRIBE,
    OPTION_VERSION,
    OPTION_PREVIEW,
    OPTION_JOBS,
    OPTION_EVERY,
    OPTION_SEED,
    OPTION_JSON,
    OPTION_CSV,
    OPTION_VET
};

/* One option, with its argument in optarg. -1: go on; else the exit status. */
static int take_option(struct arguments *arguments, int option)
{
    switch (option) {
    case 'c':
        arguments->file = optarg;
        break;
    case 'l':
        if (!take_listen(arguments, optarg))
            return EXIT_USAGE;
        break;
    case 's':
        arguments->assignments[arguments->assignment_count++] = optarg;
        break;
    case OPTION_CHECK:
        arguments->check = true;
        break;
    case OPTION_DESCRIBE:
        arguments->describe = true;
        arguments->describe_plugin = optarg;
        break;
    case OPTION_PREVIEW:
        arguments->preview.behaviour = optarg;
        break;
    case OPTION_JOBS:
        if (!take_number("--jobs", optarg, 1, &arguments->preview.jobs))
            return EXIT_USAGE;
        arguments->has_count = true;
        break;
    case OPTION_EVERY:
        if (!take_span("--every", optarg, &arguments->preview.every))
            return EXIT_USAGE;
        arguments->has_every = true;
        break;
    case OPTION_SEED:
        if (!take_number("--seed", optarg, 0, &arguments->preview.seed))
            return EXIT_USAGE;
        arguments->has_seed = true;
        break;
    case OPTION_JSON:
        arguments->preview.format = PREVIEW_JSON;
        break;
    case OPTION_CSV:
        arguments->preview.format = PREVIEW_CSV;
        break;
    case OPTION_VET:
        arguments->vet = optarg;
        break;
    case OPTION_VERSION:
        puts("vtsimd " VTSIM_VERSION);
        return EXIT_SUCCESS;
    case 'h':
        fputs(help, stdout);
        return EXIT_SUCCESS;
    default:
        return usage();
    }
    return -1;
}

/* Tells by -1 that there is something to do, else the exit status. */
static int read_arguments(struct arguments *arguments, int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"listen", required_argument, NULL, 'l'},
                                            {"set", required_argument, NULL, 's'},
                                            {"check", no_argument, NULL, OPTION_CHECK},
                                            {"describe", optional_argument, NULL, OPTION_DESCRIBE},
                                            {"preview", required_argument, NULL, OPTION_PREVIEW},
                                            {"jobs", required_argument, NULL, OPTION_JOBS},
                                            {"every", required_argument, NULL, OPTION_EVERY},
                                            {"seed", required_argument, NULL, OPTION_SEED},
                                            {"json", no_argument, NULL, OPTION_JSON},
                                            {"csv", no_argument, NULL, OPTION_CSV},
                                            {"vet", required_argument, NULL, OPTION_VET},
                                            {"version", no_argument, NULL, OPTION_VERSION},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option, status = -1;
    size_t i;

    arguments->assignments = calloc((size_t)argc + 1, sizeof(char *));
    if (!arguments->assignments)
        return EXIT_USAGE;
    arguments->preview.jobs = 1000;
    arguments->preview.every = -1;
    while (status < 0 && (option = getopt_long(argc, argv, "c:hl:s:", options, NULL)) != -1)
        status = take_option(arguments, option);
    if (status >= 0)
        return status;
    if (arguments->describe && !arguments->describe_plugin && optind < argc)
        arguments->describe_plugin = argv[optind++];
    if (optind < argc) {
        fprintf(stderr, "vtsimd: what is \"%s\"? a configuration is read with -c FILE\n",
                argv[optind]);
        return usage();
    }
    if (!check_together(arguments))
        return usage();
    for (i = 0; i < arguments->assignment_count; i++)
        if (!arguments->assignments[i])
            arguments->assignments[i] = arguments->listen.bytes;
    return -1;
}

/* ---- the configuration ---- */

static struct assignment *configure(const struct arguments *arguments,
                                    const struct assignment *before, struct problems *problems)
{
    return assignment_read(arguments->file, arguments->assignments, arguments->assignment_count,
                           before, problems);
}

static void warn_of_broken(const struct plugins *plugins)
{
    size_t i;

    for (i = 0; i < plugins->broken_count; i++)
        log_line(VTS_WARNING, "plugins", "passed over: %s", plugins->broken[i].reason);
}

/* ---- serving ---- */

/* Each line of a text, to the log. */
static void log_lines(enum vts_level level, const char *place, const struct text *lines)
{
    const char *at = lines->length > 0 ? lines->bytes : "";

    for (; *at; at += strcspn(at, "\n") + 1)
        log_line(level, place, "%.*s", (int)strcspn(at, "\n"), at);
}

/* SIGHUP: new jobs get what the configuration says now. What is wrong with it changes nothing. */
static void reload(struct daemon *daemon)
{
    const char *file = daemon->arguments->file ? daemon->arguments->file : "no file";
    struct problems problems = PROBLEMS_INIT;
    struct text changes = TEXT_INIT;
    struct assignment *next = NULL;

    if (strcmp(file, "-") == 0)
        problems_add(&problems, file, NULL, NULL,
                     "the configuration came from standard input, and cannot be read again");
    else
        next = configure(daemon->arguments, daemon->latest, &problems);
    if (problems.count > 0) {
        log_lines(VTS_ERROR, "reload", &problems.lines);
        log_line(VTS_ERROR, "reload", "%s: new jobs get what they got before", file);
        assignment_release(next);
    } else {
        assignment_changes(daemon->assignment, next, &changes);
        log_lines(VTS_WARNING, "reload", &changes);
        warn_of_broken(&next->plugins);
        service_assign(&daemon->service, next);
        log_line(VTS_INFO, "reload", "%s: read anew, for new jobs", file);
        assignment_release(daemon->latest);
        daemon->latest = next;
    }
    text_finish(&changes);
    problems_finish(&problems);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;
    struct signalfd_siginfo signal;

    (void)what;
    if (read(fd, &signal, sizeof(signal)) != sizeof(signal))
        return;
    if (signal.ssi_signo == SIGHUP) {
        if (!daemon->draining)
            reload(daemon);
        return;
    }
    if (daemon->draining)
        _exit(128 + (int)signal.ssi_signo);
    daemon->draining = true;
    log_line(VTS_INFO, "vtsimd", "%s: finishing the answers under way (again: end at once)",
             strsignal((int)signal.ssi_signo));
    http_server_drain(&daemon->http);
}

static void on_worker_done(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;
    uint64_t done = 0;

    (void)what;
    if (read(fd, &done, sizeof(done)) == sizeof(done))
        daemon->workers_done += done;
    if (daemon->workers_done >= daemon->http.worker_count)
        event_base_loopbreak(daemon->base);
}

static void on_event_log(int severity, const char *message)
{
    static const enum vts_level levels[] = {VTS_DEBUG, VTS_INFO, VTS_WARNING, VTS_ERROR};

    log_line(levels[severity & 3], "libevent", "%s", message);
}

static void on_event_fatal(int error)
{
    (void)error; /* it has logged why */
    _exit(EXIT_USAGE);
}

/* Signals are read from a descriptor: none is lost, whichever thread the system would have chosen. */
static bool watch_signals(struct daemon *daemon)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error for its writer */
    event_set_log_callback(on_event_log);
    event_set_fatal_callback(on_event_fatal);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    daemon->base = event_base_new();
    daemon->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (!daemon->base || daemon->signal_fd < 0)
        return false;
    daemon->signal =
        event_new(daemon->base, daemon->signal_fd, EV_READ | EV_PERSIST, on_signal, daemon);
    return daemon->signal && event_add(daemon->signal, NULL) == 0;
}

static size_t worker_count(const struct config *config)
{
    cpu_set_t set;

    if (config->server.workers > 0)
        return (size_t)config->server.workers;
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
}

static void tell_address(const char *what, const char *host, int port)
{
    bool six = strchr(host, ':') != NULL;

    printf("vtsimd: %s http://%s%s%s:%d\n", what, six ? "[" : "", host, six ? "]" : "", port);
}

static bool tell_listening(const struct daemon *daemon)
{
    const struct config *config = &daemon->assignment->config;

    tell_address("listening on", config->host, daemon->http.port);
    if (*config->control_host)
        tell_address("control on", config->control_host, daemon->http.control_port);
    return fflush(stdout) == 0;
}

static void init_clock(struct clock *clock, const struct config *config)
{
    clock_init_real(clock);
    if (config->clock.mode == CLOCK_SCALED)
        clock_init_scaled(clock, config->clock_start >= 0 ? config->clock_start : clock_now(clock),
                          config->clock.rate);
    else if (config->clock.mode == CLOCK_VIRTUAL)
        clock_init_virtual(clock, config->clock_start);
}

static int serve(struct daemon *daemon)
{
    const struct config *config = &daemon->assignment->config;
    const struct service_parts parts = {daemon->assignment, &daemon->clock, worker_count(config)};
    struct vts_error error = {0};
    int status = EXIT_USAGE;

    daemon->latest = daemon->assignment;
    assignment_hold(daemon->latest);
    init_clock(&daemon->clock, config);
    warn_of_broken(&daemon->assignment->plugins);
    if (!watch_signals(daemon)) {
        fputs("vtsimd: no memory for the event loop\n", stderr);
        return status;
    }
    if (!service_init(&daemon->service, &parts, &error)) {
        fprintf(stderr, "vtsimd: %s\n", error.message);
        return status;
    }
    if (!http_server_init(&daemon->http, &daemon->service, config, &error)) {
        fprintf(stderr, "vtsimd: %s\n", error.message);
        service_finish(&daemon->service);
        return status;
    }
    daemon->done =
        event_new(daemon->base, daemon->http.done_fd, EV_READ | EV_PERSIST, on_worker_done, daemon);
    if (!daemon->done || event_add(daemon->done, NULL) != 0 ||
        !http_server_start(&daemon->http, &error)) {
        fprintf(stderr, "vtsimd: %s\n", *error.message ? error.message : "no memory");
    } else {
        if (!tell_listening(daemon))
            log_line(VTS_WARNING, "vtsimd", "cannot write to standard output: %s", strerror(errno));
        event_base_dispatch(daemon->base);
        http_server_join(&daemon->http);
        status = EXIT_SUCCESS;
    }
    if (daemon->done)
        event_free(daemon->done);
    http_server_finish(&daemon->http);
    service_finish(&daemon->service);
    return status;
}

static void finish(struct daemon *daemon)
{
    if (daemon->signal)
        event_free(daemon->signal);
    if (daemon->signal_fd > 0)
        close(daemon->signal_fd);
    if (daemon->base)
        event_base_free(daemon->base);
    assignment_release(daemon->latest);
    assignment_release(daemon->assignment);
    libevent_global_shutdown();
}

static int preview(const struct assignment *assignment, const struct arguments *arguments)
{
    struct preview preview = arguments->preview;

    if (!arguments->has_seed)
        preview.seed = (uint64_t)assignment->config.server.seed;
    return tool_preview(&preview, &assignment->plugins, &assignment->behaviours);
}

/* What is to be done with a configuration that was read. */
static int run(struct daemon *daemon, const struct arguments *arguments, bool good)
{
    const struct assignment *assignment = daemon->assignment;

    if (arguments->describe)
        return tool_describe(&assignment->plugins, arguments->describe_plugin);
    if (!good)
        return EXIT_USAGE;
    if (arguments->preview.behaviour)
        return preview(assignment, arguments);
    if (arguments->check)
        return printf("%s: nothing is wrong\n", arguments->file ? arguments->file : "vtsimd") < 0;
    return serve(daemon);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct problems problems = PROBLEMS_INIT;
    struct daemon daemon = {.arguments = &arguments};
    int status = read_arguments(&arguments, argc, argv);

    if (status < 0 && arguments.vet)
        status = tool_vet(arguments.vet, arguments.assignments, arguments.assignment_count);
    if (status < 0) {
        daemon.assignment = configure(&arguments, NULL, &problems);
        if (problems.lines.length > 0)
            fputs(problems.lines.bytes, stderr);
        status = daemon.assignment ? run(&daemon, &arguments, problems.count == 0) : EXIT_USAGE;
        finish(&daemon);
    }
    problems_finish(&problems);
    text_finish(&arguments.listen);
    free((void *)arguments.assignments);
    if (status == EXIT_SUCCESS && (fflush(stdout) != 0 || ferror(stdout))) {
        fprintf(stderr, "vtsimd: standard output could not be written: %s\n", strerror(errno));
        status = EXIT_USAGE;
    }
    return status;
}
