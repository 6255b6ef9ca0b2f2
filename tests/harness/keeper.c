/* SPDX-License-Identifier: MIT
 *
 * The process between a test and its vtsimd. See keeper.h. What runs in the keeper calls only what is safe
 * after a fork in a process with threads. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the keeper is told before it is forked. */
struct task {
    const char *const *argv;
    int in, out, err;
    int control; /* its end */
    int parent;  /* a descriptor of the process that it watches */
};

static int pidfd_of(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

/* ---- in the program's process, before it is run ---- */

static void say(const char *words)
{
    if (write(2, words, strlen(words)) < 0)
        _exit(127);
}

static _Noreturn void run_program(const struct task *task, pid_t keeper)
{
    sigset_t none;
    int i;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper) /* it died before that */
        _exit(126);
    for (i = 1; i < NSIG; i++)
        signal(i, SIG_DFL); /* what the test ignores is not for the program to ignore */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(task->in, 0) < 0 || dup2(task->out, 1) < 0 || dup2(task->err, 2) < 0)
        _exit(126);
    close_range(3, ~0u, 0);
    execv(task->argv[0], (char *const *)(uintptr_t)task->argv);
    say("cannot run ");
    say(task->argv[0]);
    say("\n");
    _exit(127);
}

/* ---- in the keeper ---- */

static void close_between(int above, int below)
{
    if (above + 1 < below)
        close_range((unsigned int)above + 1, (unsigned int)below - 1, 0);
}

/* Lets go of all that it was born with, so that no pipe or port of the test stays open by it. */
static void close_all_but(int a, int b, int c)
{
    int order[3] = {a, b, c}, i, j, keep;

    for (i = 0; i < 3; i++)
        for (j = i + 1; j < 3; j++)
            if (order[j] < order[i]) {
                keep = order[i];
                order[i] = order[j];
                order[j] = keep;
            }
    close_between(-1, order[0]);
    close_between(order[0], order[1]);
    close_between(order[1], order[2]);
    close_range((unsigned int)order[2] + 1, ~0u, 0);
}

static _Noreturn void end_keeper(pid_t program, int control)
{
    int raw = 0, status;

    while (waitpid(program, &raw, 0) < 0 && errno == EINTR)
        ;
    status = WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
    send(control, &status, sizeof(status), MSG_NOSIGNAL);
    _exit(0);
}

/* Passes signals on until the program ends, and ends it when there is nobody left for whom it runs. */
static _Noreturn void watch(const struct task *task, pid_t program, int program_fd)
{
    struct pollfd ends[3] = {{.fd = program_fd, .events = POLLIN},
                             {.fd = task->parent, .events = POLLIN},
                             {.fd = task->control, .events = POLLIN}};
    int signal_;

    for (;;) {
        if (poll(ends, 3, -1) < 0)
            continue;
        if (ends[0].revents)
            end_keeper(program, task->control);
        if (ends[1].revents) {
            kill(program, SIGKILL);
            ends[1].fd = -1;
        } else if (ends[2].revents) {
            if (recv(task->control, &signal_, sizeof(signal_), 0) != sizeof(signal_)) {
                signal_ = SIGKILL; /* the other end is closed */
                ends[2].fd = -1;
            }
            kill(program, signal_);
        }
    }
}

static _Noreturn void keep(const struct task *task)
{
    pid_t self = getpid(), program;
    int program_fd;

    setsid(); /* a Ctrl-C is for the test; its end is enough for us */
    prctl(PR_SET_NAME, "vtsimd-keeper");
    program = fork();
    if (program == 0)
        run_program(task, self);
    program_fd = program > 0 ? pidfd_of(program) : -1;
    if (program_fd < 0) {
        if (program > 0)
            kill(program, SIGKILL);
        _exit(1);
    }
    close_all_but(task->control, task->parent, program_fd);
    send(task->control, &program, sizeof(program), MSG_NOSIGNAL);
    watch(task, program, program_fd);
}

/* ---- in the test ---- */

/* No signal of the test's comes to the keeper: its handlers would run in there. */
static pid_t fork_quietly(void)
{
    sigset_t all, before;
    pid_t pid;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid != 0)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

/* Above the standard ones, which the program gets anew. */
static int high(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 3); }

static void close_task(const struct task *task)
{
    const int fds[] = {task->in, task->out, task->err, task->control, task->parent};
    size_t i;

    for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static bool receive(int control, int timeout_ms, void *message, size_t size)
{
    struct pollfd ready = {.fd = control, .events = POLLIN};
    int polled;

    do
        polled = poll(&ready, 1, timeout_ms);
    while (polled < 0 && errno == EINTR);
    return polled > 0 && recv(control, message, size, 0) == (ssize_t)size;
}

bool keeper_start(struct keeper *keeper, const char *const *argv, int in, int out, int err,
                  struct vts_error *error)
{
    int pair[2] = {-1, -1}, end = -1;
    struct task task;

    *keeper = (struct keeper){.control = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0)
        end = high(pair[1]);
    task = (struct task){argv, high(in), high(out), high(err), end, pidfd_of(getpid())};
    if (task.in < 0 || task.out < 0 || task.err < 0 || task.control < 0 || task.parent < 0 ||
        (keeper->own = fork_quietly()) < 0) {
        vts_error_set(error, VTS_ERR_IO, "cannot make a process: %s", strerror(errno));
        keeper->own = 0;
        if (pair[0] >= 0)
            close(pair[0]);
    } else if (keeper->own == 0) {
        keep(&task);
    } else {
        keeper->control = pair[0];
    }
    if (pair[1] >= 0)
        close(pair[1]);
    close_task(&task);
    if (keeper->control < 0)
        return false;
    if (receive(keeper->control, -1, &keeper->pid, sizeof(keeper->pid)))
        return true;
    keeper_finish(keeper);
    return vts_error_set(error, VTS_ERR_IO, "cannot make a process");
}

void keeper_signal(struct keeper *keeper, int signal_)
{
    send(keeper->control, &signal_, sizeof(signal_), MSG_NOSIGNAL);
}

bool keeper_wait(struct keeper *keeper, int timeout_ms, int *status)
{
    struct pollfd ready = {.fd = keeper->control, .events = POLLIN};
    ssize_t got;
    int polled;

    do
        polled = poll(&ready, 1, timeout_ms);
    while (polled < 0 && errno == EINTR);
    if (polled <= 0)
        return false;
    do /* a signal that crossed the end on its way is an error first, and then comes the status */
        got = recv(keeper->control, status, sizeof(*status), 0);
    while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got != (ssize_t)sizeof(*status))
        *status = -1; /* somebody has killed the keeper, and the program with it */
    return true;
}

void keeper_finish(struct keeper *keeper)
{
    if (keeper->control >= 0)
        close(keeper->control);
    /* It may be gone already, where the test collects its children itself. */
    while (keeper->own > 0 && waitpid(keeper->own, NULL, 0) < 0 && errno == EINTR)
        ;
    *keeper = (struct keeper){.control = -1};
}
