/* SPDX-License-Identifier: MIT
 *
 * A vtsimd for a test. See vtsimd.h. */
#include "vtsimd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "run.h"

#define DEADLINE_MS 20000

static const char ready_line[] = "vtsimd: listening on ";

/* The arguments, for free(); the strings stay where they are. */
static const char **arguments(const char *const *extra)
{
    static const char *const first[] = {VTSIM_BUILD_DIR "/bin/vtsimd", "-l", "127.0.0.1:0"};
    size_t count = 0;
    const char **argv;

    while (extra && extra[count])
        count++;
    argv = calloc(count + 4, sizeof(*argv));
    if (!argv)
        fail_msg("out of memory");
    memcpy(argv, first, sizeof(first));
    for (size_t i = 0; i < count; i++)
        argv[3 + i] = extra[i];
    return argv;
}

static void child(const char **argv, int out, int err)
{
    int in = open("/dev/null", O_RDONLY);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    dprintf(2, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* The first line that it prints, without its end. False at the deadline or where it prints none. */
static bool read_line(int fd, char *line, size_t room)
{
    int64_t until_ms = run_now_ms() + DEADLINE_MS;
    size_t length = 0;

    while (length + 1 < room) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int64_t left = until_ms - run_now_ms();

        if (left <= 0 || poll(&ready, 1, (int)left) == 0)
            return false;
        /* One byte at a time, so that the rest stays in the pipe for the test. */
        if (read(fd, line + length, 1) != 1)
            return false;
        if (line[length] == '\n') {
            line[length] = '\0';
            return true;
        }
        length++;
    }
    return false;
}

static bool parse_ready(struct vtsimd *vtsimd, const char *line)
{
    const char *url = line + sizeof(ready_line) - 1, *colon;
    char *end = NULL;
    long port;

    if (strncmp(line, ready_line, sizeof(ready_line) - 1) != 0 ||
        strlen(url) >= sizeof(vtsimd->url))
        return false;
    colon = strrchr(url, ':');
    if (!colon)
        return false;
    port = strtol(colon + 1, &end, 10);
    if (*end || port < 1 || port > 65535)
        return false;
    vtsimd->port = (int)port;
    memcpy(vtsimd->url, url, strlen(url) + 1);
    return true;
}

void vtsimd_start(struct vtsimd *vtsimd, const char *const *extra_args)
{
    const char **argv = arguments(extra_args);
    char line[256] = "";
    int out[2];

    memset(vtsimd, 0, sizeof(*vtsimd));
    vtsimd->err_fd = memfd_create("vtsimd-log", MFD_CLOEXEC);
    if (vtsimd->err_fd < 0 || pipe2(out, O_CLOEXEC) < 0)
        fail_msg("cannot prepare vtsimd: %s", strerror(errno));
    vtsimd->pid = fork();
    if (vtsimd->pid < 0)
        fail_msg("fork: %s", strerror(errno));
    if (vtsimd->pid == 0)
        child(argv, out[1], vtsimd->err_fd);
    free(argv);
    close(out[1]);
    vtsimd->out_fd = out[0];
    if (!read_line(vtsimd->out_fd, line, sizeof(line)) || !parse_ready(vtsimd, line)) {
        int status = vtsimd_stop(vtsimd);
        char *log = vtsimd_log(vtsimd);

        fprintf(stderr, "vtsimd printed \"%s\", ended with %d, and logged:\n%s\n", line, status,
                log);
        free(log);
        vtsimd_finish(vtsimd);
        fail_msg("vtsimd did not start");
    }
}

bool vtsimd_running(const struct vtsimd *vtsimd)
{
    siginfo_t ended = {0};

    return vtsimd->pid > 0 &&
           waitid(P_PID, (id_t)vtsimd->pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           ended.si_pid == 0;
}

int vtsimd_stop(struct vtsimd *vtsimd)
{
    int status = -1;

    if (vtsimd->pid <= 0)
        return -1;
    kill(vtsimd->pid, SIGTERM);
    if (!run_wait(vtsimd->pid, run_now_ms() + DEADLINE_MS, &status)) {
        int killed;

        kill(vtsimd->pid, SIGKILL);
        run_wait(vtsimd->pid, run_now_ms() + DEADLINE_MS, &killed);
        status = -1;
    }
    vtsimd->pid = 0;
    close(vtsimd->out_fd);
    vtsimd->out_fd = -1;
    return status;
}

void vtsimd_kill(struct vtsimd *vtsimd)
{
    int status = -1;

    if (!vtsimd_running(vtsimd))
        fail_msg("vtsimd has ended before it was killed");
    kill(vtsimd->pid, SIGKILL);
    if (!run_wait(vtsimd->pid, run_now_ms() + DEADLINE_MS, &status) || status != 128 + SIGKILL)
        fail_msg("vtsimd, killed, ended with %d", status);
    vtsimd->pid = 0;
    close(vtsimd->out_fd);
    vtsimd->out_fd = -1;
}

char *vtsimd_log(struct vtsimd *vtsimd)
{
    struct stat stat;
    char *log;
    ssize_t got;

    if (fstat(vtsimd->err_fd, &stat) < 0)
        fail_msg("fstat: %s", strerror(errno));
    log = malloc((size_t)stat.st_size + 1);
    if (!log)
        fail_msg("out of memory");
    /* pread, because the place in the file is shared with the vtsimd that writes. */
    got = pread(vtsimd->err_fd, log, (size_t)stat.st_size, 0);
    if (got < 0)
        fail_msg("pread: %s", strerror(errno));
    log[got] = '\0';
    return log;
}

void vtsimd_finish(struct vtsimd *vtsimd)
{
    vtsimd_stop(vtsimd);
    if (vtsimd->err_fd > 0)
        close(vtsimd->err_fd);
    memset(vtsimd, 0, sizeof(*vtsimd));
}
