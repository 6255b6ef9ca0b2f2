/* SPDX-License-Identifier: MIT
 *
 * Commands in tests: fork, exec, collect, with a deadline. Between fork and exec only functions run
 * that are safe there, since a test may have threads. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct collector {
    int fd; /* -1: at its end */
    char *bytes;
    size_t length, room;
};

int64_t run_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int left_ms(int64_t until_ms)
{
    int64_t left = until_ms - run_now_ms();

    return left < 0 ? 0 : left > 1000000 ? 1000000 : (int)left;
}

bool run_wait(int pid, int64_t until_ms, int *status)
{
    /* A descriptor of the child becomes readable when it ends: no need to ask again and again. */
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd end = {.fd = fd, .events = POLLIN};
    int raw = 0, ready;

    if (fd < 0)
        fail_msg("pidfd_open: %s", strerror(errno));
    do {
        ready = poll(&end, 1, left_ms(until_ms));
    } while (ready < 0 && errno == EINTR);
    close(fd);
    if (ready <= 0)
        return false;
    while (waitpid(pid, &raw, 0) < 0) {
        if (errno != EINTR)
            fail_msg("waitpid: %s", strerror(errno));
    }
    *status = WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
    return true;
}

static void child(const char *const argv[], int out, int err)
{
    int in = open("/dev/null", O_RDONLY);

    setpgid(0, 0); /* so that what it starts is killed with it */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static void collect(struct collector *from)
{
    ssize_t got;

    if (from->room - from->length < 4096) {
        size_t room = from->room ? from->room * 2 : 8192;
        char *bytes = realloc(from->bytes, room);

        if (!bytes)
            fail_msg("out of memory");
        from->bytes = bytes;
        from->room = room;
    }
    got = read(from->fd, from->bytes + from->length, from->room - from->length - 1);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got <= 0) { /* a terminal whose other side has closed says EIO */
        close(from->fd);
        from->fd = -1;
        got = 0;
    }
    from->length += (size_t)got;
    from->bytes[from->length] = '\0';
}

static void run(const char *const argv[], int64_t timeout_ms, int out[2], struct run_result *result)
{
    int64_t until_ms = run_now_ms() + timeout_ms;
    struct collector from[2] = {{.fd = out[0]}, {.fd = -1}};
    int err[2];
    pid_t pid;

    memset(result, 0, sizeof(*result));
    if (pipe2(err, O_CLOEXEC) < 0)
        fail_msg("pipe: %s", strerror(errno));
    from[1].fd = err[0];
    pid = fork();
    if (pid < 0)
        fail_msg("fork: %s", strerror(errno));
    if (pid == 0)
        child(argv, out[1], err[1]);
    close(out[1]);
    close(err[1]);
    while (from[0].fd >= 0 || from[1].fd >= 0) {
        struct pollfd fds[2] = {{.fd = from[0].fd, .events = POLLIN},
                                {.fd = from[1].fd, .events = POLLIN}};
        int ready = poll(fds, 2, left_ms(until_ms));

        if (ready == 0)
            break;
        for (int i = 0; i < 2; i++) {
            if (ready > 0 && fds[i].revents)
                collect(&from[i]);
        }
    }
    if (!run_wait(pid, until_ms, &result->status)) {
        result->timed_out = true;
        kill(-pid, SIGKILL);
        run_wait(pid, run_now_ms() + RUN_TIMEOUT_MS, &result->status);
    }
    for (int i = 0; i < 2; i++) {
        if (from[i].fd >= 0)
            close(from[i].fd);
        if (!from[i].bytes && !(from[i].bytes = calloc(1, 1)))
            fail_msg("out of memory");
    }
    result->out = from[0].bytes;
    result->out_length = from[0].length;
    result->err = from[1].bytes;
    result->err_length = from[1].length;
}

void run_command_within(const char *const argv[], int64_t timeout_ms, struct run_result *result)
{
    int out[2];

    if (pipe2(out, O_CLOEXEC) < 0)
        fail_msg("pipe: %s", strerror(errno));
    run(argv, timeout_ms, out, result);
    if (result->status == 127 && result->out_length == 0 && result->err_length == 0)
        fail_msg("cannot run %s", argv[0]);
}

void run_command(const char *const argv[], struct run_result *result)
{
    run_command_within(argv, RUN_TIMEOUT_MS, result);
}

void run_in_terminal(const char *const argv[], int columns, struct run_result *result)
{
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    int terminal[2];

    terminal[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal[0] < 0 || grantpt(terminal[0]) < 0 || unlockpt(terminal[0]) < 0)
        fail_msg("no terminal: %s", strerror(errno));
    terminal[1] = open(ptsname(terminal[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal[1] < 0 || ioctl(terminal[1], TIOCSWINSZ, &size) < 0)
        fail_msg("no terminal: %s", strerror(errno));
    run(argv, RUN_TIMEOUT_MS, terminal, result);
}

void run_result_finish(struct run_result *result)
{
    free(result->out);
    free(result->err);
    memset(result, 0, sizeof(*result));
}
