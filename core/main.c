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

#define EXIT_USAGE 2

struct arguments {
    const char *file;         /* -c */
    const char **assignments; /* -s, and -l as `server/listen=...`, in their order */
    size_t assignment_count;
    struct text listen; /* "server/listen=..." */
    bool check, describe;
    const char *describe_plugin;
};

/* All that a running vtsimd is made of, in the order in which it is made. */
struct daemon {
    struct config config;
    struct plugins plugins;
    struct instances instances;
    struct store_choice store;
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
    "              [--check] [--describe [PLUGIN]] [--version] [--help]\n"
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
    "      --version            tell the version, and end\n"
    "      --help               tell this, and end\n"
    "\n"
    "When it serves it prints one line: vtsimd: listening on http://127.0.0.1:5000\n"
    "SIGTERM and SIGINT end it once the answers under way are out; a second one at once.\n"
    "Exit status: 0 ended as asked; 2 wrong arguments or configuration, or cannot serve.\n";

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

/* Tells by -1 that there is something to do, else the exit status. */
static int read_arguments(struct arguments *arguments, int argc, char **argv)
{
    enum { CHECK = 256, DESCRIBE, VERSION, HELP };
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"listen", required_argument, NULL, 'l'},
                                            {"set", required_argument, NULL, 's'},
                                            {"check", no_argument, NULL, CHECK},
                                            {"describe", optional_argument, NULL, DESCRIBE},
                                            {"version", no_argument, NULL, VERSION},
                                            {"help", no_argument, NULL, HELP},
                                            {NULL, 0, NULL, 0}};
    size_t i;
    int option;

    arguments->assignments = calloc((size_t)argc + 1, sizeof(char *));
    if (!arguments->assignments)
        return EXIT_USAGE;
    while ((option = getopt_long(argc, argv, "c:l:s:", options, NULL)) != -1) {
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
        case CHECK:
            arguments->check = true;
            break;
        case DESCRIBE:
            arguments->describe = true;
            arguments->describe_plugin = optarg;
            break;
        case VERSION:
            puts("vtsimd " VTSIM_VERSION);
            return EXIT_SUCCESS;
        case HELP:
            fputs(help, stdout);
            return EXIT_SUCCESS;
        default:
            return usage();
        }
    }
    if (arguments->describe && !arguments->describe_plugin && optind < argc)
        arguments->describe_plugin = argv[optind++];
    if (optind < argc) {
        fprintf(stderr, "vtsimd: what is \"%s\"?\n", argv[optind]);
        return usage();
    }
    for (i = 0; i < arguments->assignment_count; i++)
        if (!arguments->assignments[i])
            arguments->assignments[i] = arguments->listen.bytes;
    return -1;
}

/* ---- the configuration ---- */

/* Reads all of it and opens the behaviours; collects what is wrong. */
static bool configure(struct daemon *daemon, const struct arguments *arguments,
                      struct problems *problems)
{
    bool good = config_read(&daemon->config, arguments->file, arguments->assignments,
                            arguments->assignment_count, problems);

    log_setup((enum vts_level)daemon->config.server.log_level,
              (enum log_format)daemon->config.server.log_format);
    good = plugins_load(&daemon->plugins, &daemon->config.server.plugin_path,
                        ini_section(&daemon->config.ini, "server", NULL), problems) &&
           good;
    good = instances_open(&daemon->instances, &daemon->config, &daemon->plugins, problems) && good;
    good = store_choose(&daemon->store, &daemon->config, problems) && good;
    config_report_unknown(&daemon->config, problems);
    return good && problems->count == 0;
}

static void warn_of_broken(const struct plugins *plugins)
{
    size_t i;

    for (i = 0; i < plugins->broken_count; i++)
        log_line(VTS_WARNING, "plugins", "passed over: %s", plugins->broken[i].reason);
}

/* ---- --describe ---- */

static void describe_server(void)
{
    struct text out = TEXT_INIT;

    text_puts(&out, "\nThe server's own settings:\n\n[server]\n");
    options_describe(config_server_options, &out);
    text_puts(&out, "\n[rule NAME]\n");
    options_describe(config_rule_options, &out);
    fputs(out.failed ? "" : out.bytes, stdout);
    text_finish(&out);
}

static void describe_all(const struct plugins *plugins)
{
    size_t i;

    puts("Behaviours and filters (vtsimd --describe NAME tells all of one):\n");
    for (i = 0; i < plugins->loaded_count; i++)
        printf("  %-20s %s\n  %-20s %s%s\n", plugins->loaded[i].plugin->name,
               plugins->loaded[i].plugin->summary ? plugins->loaded[i].plugin->summary : "", "",
               plugins->loaded[i].path,
               plugins->loaded[i].plugin->kind == VTS_FILTER ? " (filter)" : "");
    for (i = 0; i < plugins->broken_count; i++)
        printf("  %-20s cannot be used: %s\n", plugins->broken[i].name, plugins->broken[i].reason);
    printf("\nSearched: %s\n", plugins->searched);
    describe_server();
}

static int describe_one(const struct plugins *plugins, const char *name)
{
    static const struct vts_option none[] = {VTS_OPTIONS_END};
    const struct vts_option *table;
    const struct vts_plugin *plugin;
    struct text out = TEXT_INIT;
    struct vts_error error;
    char section[128];

    plugin = plugins_find(plugins, name, &error);
    if (!plugin) {
        fprintf(stderr, "vtsimd: %s\n", error.message);
        return EXIT_USAGE;
    }
    table = plugin->options ? plugin->options : none;
    snprintf(section, sizeof(section), "behaviour my %s", plugin->name);
    text_printf(&out, "%s: %s\n\n", plugin->name, plugin->summary ? plugin->summary : "");
    options_describe(table, &out);
    if (plugin->kind == VTS_FILTER) {
        text_puts(&out, "\nA filter: this vtsimd cannot be told to use one yet.\n");
    } else {
        text_puts(&out, "\nReady to paste:\n\n");
        options_paste(table, section, plugin->name, &out);
        text_puts(&out, "\n");
    }
    fputs(out.failed ? "" : out.bytes, stdout);
    text_finish(&out);
    return EXIT_SUCCESS;
}

static int describe(const struct daemon *daemon, const char *name)
{
    if (name)
        return describe_one(&daemon->plugins, name);
    describe_all(&daemon->plugins);
    return EXIT_SUCCESS;
}

/* ---- serving ---- */

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;
    struct signalfd_siginfo signal;

    (void)what;
    if (read(fd, &signal, sizeof(signal)) != sizeof(signal))
        return;
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

static bool tell_listening(const struct daemon *daemon)
{
    const char *host = daemon->config.host;
    bool six = strchr(host, ':') != NULL;

    printf("vtsimd: listening on http://%s%s%s:%d\n", six ? "[" : "", host, six ? "]" : "",
           daemon->http.port);
    return fflush(stdout) == 0;
}

static int serve(struct daemon *daemon)
{
    const struct service_parts parts = {&daemon->config,    &daemon->plugins,
                                        &daemon->instances, &daemon->store,
                                        &daemon->clock,     worker_count(&daemon->config)};
    struct vts_error error = {0};
    int status = EXIT_USAGE;

    clock_init_real(&daemon->clock);
    warn_of_broken(&daemon->plugins);
    if (!watch_signals(daemon)) {
        fputs("vtsimd: no memory for the event loop\n", stderr);
        return status;
    }
    if (!service_init(&daemon->service, &parts, &error)) {
        fprintf(stderr, "vtsimd: %s\n", error.message);
        return status;
    }
    if (!http_server_init(&daemon->http, &daemon->service, &daemon->config, &error)) {
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
    store_choice_finish(&daemon->store);
    instances_finish(&daemon->instances);
    plugins_finish(&daemon->plugins);
    config_finish(&daemon->config);
    libevent_global_shutdown();
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct problems problems = PROBLEMS_INIT;
    struct daemon daemon = {0};
    int status = read_arguments(&arguments, argc, argv);
    bool good;

    if (status < 0) {
        good = configure(&daemon, &arguments, &problems);
        if (problems.lines.length > 0)
            fputs(problems.lines.bytes, stderr);
        if (arguments.describe)
            status = describe(&daemon, arguments.describe_plugin);
        else if (!good)
            status = EXIT_USAGE;
        else if (arguments.check)
            status =
                printf("%s: nothing is wrong\n", arguments.file ? arguments.file : "vtsimd") < 0;
        else
            status = serve(&daemon);
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
