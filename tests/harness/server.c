/* SPDX-License-Identifier: MIT
 *
 * A vtsimd for a test: finds the program, hands it to a keeper (keeper.c), and waits until it listens. Knows
 * vtsimd from outside alone: its arguments, its one line, its exit. */
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "keeper.h"

#define DEADLINE_MS 20000

struct vts_harness_server {
    struct keeper keeper;
    int out_fd, log_fd;
    int port, status;
    bool ended;
    char url[64];
    char *log;
};

/* ---- finding it ---- */

static bool executable(const char *path)
{
    struct stat stat_;

    return path && *path && stat(path, &stat_) == 0 && S_ISREG(stat_.st_mode) &&
           access(path, X_OK) == 0;
}

/* From PREFIX/include/vtsim/harness.h to PREFIX/bin/vtsimd; any other path stays. */
static void program_beside(const char *beside, char *path, size_t size)
{
    static const char header[] = "harness.h";
    size_t length = strlen(beside), tail = sizeof(header) - 1;

    if (length < tail || strcmp(beside + length - tail, header) != 0)
        snprintf(path, size, "%s", beside);
    else
        snprintf(path, size, "%.*s../../bin/vtsimd", (int)(length - tail), beside);
}

static bool search_path(char *path, size_t size)
{
    const char *folder = getenv("PATH");
    size_t length;

    for (; folder && *folder; folder += length + (folder[length] == ':')) {
        length = strcspn(folder, ":");
        if (length > 0 && (size_t)snprintf(path, size, "%.*s/vtsimd", (int)length, folder) < size &&
            executable(path))
            return true;
    }
    return false;
}

static bool find_program(const char *given, const char *beside, char *path, size_t size,
                         struct vts_error *error)
{
    const char *wanted = given ? given : getenv("VTSIMD");
    char near[PATH_MAX];

    if (wanted && *wanted) {
        snprintf(path, size, "%s", wanted);
        return executable(path) || vts_error_set(error, VTS_ERR_NOT_FOUND, "%s%s is no program",
                                                 given ? "" : "the environment's VTSIMD: ", wanted);
    }
    program_beside(beside, near, sizeof(near));
    snprintf(path, size, "%s", near);
    return executable(path) || search_path(path, size) ||
           vts_error_set(error, VTS_ERR_NOT_FOUND,
                         "there is no vtsimd: neither %.200s nor one in the PATH; name one by the "
                         "option `program` or the environment variable VTSIMD",
                         near);
}

/* ---- its arguments ---- */

struct arguments {
    const char **all;
    size_t count;
    char *plugin_path;
};

static size_t count_of(const char *const *list)
{
    size_t count = 0;

    while (list && list[count])
        count++;
    return count;
}

static void add(struct arguments *arguments, const char *option, const char *value)
{
    arguments->all[arguments->count++] = option;
    if (value)
        arguments->all[arguments->count++] = value;
}

static bool make_arguments(struct arguments *arguments, const char *program,
                           const struct vts_harness_server_options *options)
{
    size_t settings = count_of(options->settings), others = count_of(options->arguments), i;

    arguments->all = calloc(2 * settings + others + 10, sizeof(char *));
    if (!arguments->all ||
        (options->plugin_path &&
         asprintf(&arguments->plugin_path, "server/plugin_path=%s", options->plugin_path) < 0)) {
        arguments->plugin_path = NULL;
        return false;
    }
    add(arguments, program, NULL);
    if (options->config || options->config_file)
        add(arguments, "-c", options->config ? "-" : options->config_file);
    add(arguments, "-l", "127.0.0.1:0");
    if (options->plugin_path)
        add(arguments, "-s", arguments->plugin_path);
    for (i = 0; i < settings; i++)
        add(arguments, "-s", options->settings[i]);
    for (i = 0; i < others; i++)
        add(arguments, options->arguments[i], NULL);
    return true;
}

/* ---- starting it ---- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Its first line, without the end. False at the deadline, or where it prints none. */
static bool read_line(int fd, char *line, size_t room)
{
    int64_t until_ms = now_ms() + DEADLINE_MS, left;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    size_t length = 0;
    int polled;

    while (length + 1 < room) {
        left = until_ms - now_ms();
        polled = left > 0 ? poll(&ready, 1, (int)left) : 0;
        if (polled < 0 && errno == EINTR)
            continue;
        /* One byte at a time, so that the rest stays in the pipe. */
        if (polled <= 0 || read(fd, line + length, 1) != 1)
            break;
        if (line[length] == '\n') {
            line[length] = '\0';
            return true;
        }
        length++;
    }
    line[length] = '\0';
    return false;
}

static bool read_url(struct vts_harness_server *server, const char *line)
{
    static const char ready[] = "vtsimd: listening on ";
    const char *url = line + sizeof(ready) - 1, *colon;
    char *end = NULL;
    long port;

    if (strncmp(line, ready, sizeof(ready) - 1) != 0 || strlen(url) >= sizeof(server->url))
        return false;
    colon = strrchr(url, ':');
    port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (!end || *end || port < 1 || port > 65535)
        return false;
    server->port = (int)port;
    memcpy(server->url, url, strlen(url) + 1);
    return true;
}

/* A file without a name that holds this text, to be read from its start. */
static int text_file(const char *text)
{
    int fd = memfd_create("vtsimd-config", MFD_CLOEXEC);
    size_t length = strlen(text), written = 0;
    ssize_t step;

    while (fd >= 0 && written < length) {
        step = write(fd, text + written, length - written);
        if (step < 0 && errno == EINTR)
            continue;
        if (step <= 0) {
            close(fd);
            return -1;
        }
        written += (size_t)step;
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

static bool run(struct vts_harness_server *server, const struct arguments *arguments,
                const char *config, struct vts_error *error)
{
    int in = config ? text_file(config) : open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out[2] = {-1, -1};
    bool good = false;

    server->log_fd = memfd_create("vtsimd-log", MFD_CLOEXEC);
    if (in >= 0 && server->log_fd >= 0 && pipe2(out, O_CLOEXEC) == 0)
        good = keeper_start(&server->keeper, arguments->all, in, out[1], server->log_fd, error);
    else
        vts_error_set(error, VTS_ERR_IO, "cannot prepare a vtsimd: %s", strerror(errno));
    if (in >= 0)
        close(in);
    if (out[1] >= 0)
        close(out[1]);
    server->out_fd = out[0];
    return good;
}

/* Why it did not start: what it printed, and the end of its log. */
static void tell_why(struct vts_harness_server *server, const char *program, const char *line,
                     struct vts_error *error)
{
    int status = vts_harness_server_stop(server);
    const char *log = vts_harness_server_log(server);
    size_t length = strlen(log);

    vts_error_set(error, VTS_ERR_IO,
                  "%.150s did not start: it printed \"%.60s\", ended with %d, and logged: %s%s",
                  program, line, status, length > 200 ? "..." : "",
                  log + (length > 200 ? length - 200 : 0));
}

static struct vts_harness_server *start(const struct vts_harness_server_options *options,
                                        const char *beside, struct vts_error *error)
{
    struct vts_harness_server *server;
    struct arguments arguments = {0};
    char program[PATH_MAX], line[256];
    bool good;

    if (!find_program(options->program, beside, program, sizeof(program), error))
        return NULL;
    server = calloc(1, sizeof(*server));
    if (!server || !make_arguments(&arguments, program, options)) {
        vts_error_set(error, VTS_ERR_MEMORY, "no memory");
        free(server);
        server = NULL;
    } else {
        server->out_fd = server->log_fd = server->keeper.control = -1;
        good = run(server, &arguments, options->config, error);
        if (good && (!read_line(server->out_fd, line, sizeof(line)) || !read_url(server, line))) {
            tell_why(server, program, line, error);
            good = false;
        }
        if (!good) {
            vts_harness_server_destroy(server);
            server = NULL;
        }
    }
    free((void *)arguments.all);
    free(arguments.plugin_path);
    return server;
}

struct vts_harness_server *
vts_harness_server_start_at(const struct vts_harness_server_options *options, const char *beside,
                            struct vts_error *error, struct vts_harness_place place)
{
    static const struct vts_harness_server_options none;
    struct vts_error mine = {0};
    char text[sizeof(mine.message) + 2];
    struct vts_harness_server *server = start(options ? options : &none, beside, &mine);

    if (!server && error) {
        *error = mine;
    } else if (!server) {
        snprintf(text, sizeof(text), "%s\n", mine.message);
        harness_fail_at(&place, text);
    }
    return server;
}

/* ---- while it runs ---- */

const char *vts_harness_server_url(const struct vts_harness_server *server) { return server->url; }

int vts_harness_server_port(const struct vts_harness_server *server) { return server->port; }

int64_t vts_harness_server_pid(const struct vts_harness_server *server)
{
    return server->keeper.pid;
}

const char *vts_harness_server_log(struct vts_harness_server *server)
{
    struct stat size;
    ssize_t got = 0;

    free(server->log);
    server->log = fstat(server->log_fd, &size) == 0 ? malloc((size_t)size.st_size + 1) : NULL;
    if (!server->log)
        return "";
    /* pread, because the place in the file is shared with the vtsimd that writes. */
    got = pread(server->log_fd, server->log, (size_t)size.st_size, 0);
    server->log[got > 0 ? got : 0] = '\0';
    return server->log;
}

bool vts_harness_server_running(struct vts_harness_server *server)
{
    if (!server->ended)
        server->ended = keeper_wait(&server->keeper, 0, &server->status);
    return !server->ended;
}

/* Sends a signal, waits for the end, and helps where it does not come. */
static int end(struct vts_harness_server *server, int signal_)
{
    int after_kill;

    if (server->ended)
        return server->status;
    keeper_signal(&server->keeper, signal_);
    if (!keeper_wait(&server->keeper, DEADLINE_MS, &server->status)) {
        keeper_signal(&server->keeper, SIGKILL);
        keeper_wait(&server->keeper, DEADLINE_MS, &after_kill);
        server->status = -1;
    }
    server->ended = true;
    return server->status;
}

int vts_harness_server_stop(struct vts_harness_server *server) { return end(server, SIGTERM); }

int vts_harness_server_kill(struct vts_harness_server *server) { return end(server, SIGKILL); }

void vts_harness_server_destroy(struct vts_harness_server *server)
{
    if (!server)
        return;
    if (server->keeper.control >= 0)
        vts_harness_server_kill(server);
    keeper_finish(&server->keeper);
    if (server->out_fd >= 0)
        close(server->out_fd);
    if (server->log_fd >= 0)
        close(server->log_fd);
    free(server->log);
    free(server);
}
