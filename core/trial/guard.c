/* SPDX-License-Identifier: MIT
 *
 * A child that dies with its parent, and a parent that waits for it. See guard.h. */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "../base/log.h"

/* How a child says that the function returned, and that it lost memory: hardly exit statuses that somebody
 * else would choose. */
#define RETURNED 87
#define LEAKED   88

#define LOOK_EVERY_MS 50
#define SOON_MS       1

void *guard_memory(size_t size)
{
    /* The library's description of mmap does not know of memory without a file. */
    // cppcheck-suppress invalidFunctionArg
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    // cppcheck-suppress memleak
    return memory == MAP_FAILED ? NULL : memory;
}

void guard_release(void *memory, size_t size)
{
    if (memory)
        munmap(memory, size);
}

static void run_child(void (*function)(void *arg), void *arg)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* What hooks print or log again and again is no part of the report. */
    log_setup((enum vts_level)(VTS_ERROR + 1), LOG_TEXT);
    if (nowhere >= 0)
        dup2(nowhere, STDOUT_FILENO);
    function(arg);
#ifdef __SANITIZE_ADDRESS__
    if (__lsan_do_recoverable_leak_check())
        _exit(LEAKED);
#endif
    _exit(RETURNED);
}

/* Whether it has ended. A child of its own, which a hook has made, may hold the pipe open. */
static bool ended(pid_t child)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
           info.si_pid == child;
}

/* Waits until the child has ended. False where one hook took too long. The pipe only says at once when it
 * may have: a hook can close it, or leave it to a child of its own. */
static bool watch(pid_t child, int pipe_end, const struct probe_spot *spot, vts_ms hang_ms)
{
    struct pollfd wait = {.fd = pipe_end, .events = POLLIN};
    unsigned int steps = 0, now;
    int64_t since = probe_clock();

    while (!ended(child)) {
        if (poll(&wait, 1, wait.fd < 0 ? SOON_MS : LOOK_EVERY_MS) > 0)
            wait.fd = -1;
        now = atomic_load(&spot->steps);
        if (now != steps || now % 2 == 0) {
            steps = now;
            since = probe_clock();
        } else if (probe_clock() - since > hang_ms * 1000000) {
            return false;
        }
    }
    return true;
}

/* Ends of children are not to be thrown away, whatever the process thinks of them: `before` is that. */
static void keep_children(struct sigaction *before)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};

    sigemptyset(&usual.sa_mask);
    sigaction(SIGCHLD, &usual, before);
}

static void collect(pid_t child, struct guard_end *end)
{
    int status = 0;

    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (end->kind == GUARD_HUNG)
        return;
    if (WIFSIGNALED(status))
        *end = (struct guard_end){GUARD_CRASHED, WTERMSIG(status)};
    else if (WEXITSTATUS(status) != RETURNED)
        *end = (struct guard_end){GUARD_EXITED, WEXITSTATUS(status)};
}

bool guard_run(void (*function)(void *arg), void *arg, const struct probe_spot *spot,
               vts_ms hang_ms, struct guard_end *end, struct vts_error *error)
{
    struct sigaction before;
    int ends[2];
    pid_t child;

    *end = (struct guard_end){GUARD_DONE, 0};
    if (pipe2(ends, O_CLOEXEC) != 0)
        return vts_error_set(error, VTS_ERR_IO, "no pipe to a child: %s", strerror(errno));
    keep_children(&before);
    fflush(NULL);
    child = fork();
    if (child == 0) {
        close(ends[0]);
        run_child(function, arg);
    }
    close(ends[1]);
    if (child > 0) {
        if (!watch(child, ends[0], spot, hang_ms)) {
            end->kind = GUARD_HUNG;
            kill(child, SIGKILL);
        }
        collect(child, end);
    }
    close(ends[0]);
    sigaction(SIGCHLD, &before, NULL);
    return child > 0 || vts_error_set(error, VTS_ERR_IO, "no child: %s", strerror(errno));
}

void guard_tell(const struct guard_end *end, vts_ms hang_ms, struct text *out)
{
    const char *name = sigabbrev_np(end->number);

    if (end->kind == GUARD_CRASHED && name)
        text_printf(out, "crashed (SIG%s)", name);
    else if (end->kind == GUARD_CRASHED)
        text_printf(out, "crashed (signal %d)", end->number);
    else if (end->kind == GUARD_EXITED && end->number == LEAKED)
        text_puts(out, "was the last, and memory was lost: the sanitizer's report tells where");
    else if (end->kind == GUARD_EXITED)
        text_printf(out, "ended the process (exit status %d)", end->number);
    else if (end->kind == GUARD_HUNG)
        text_printf(out, "took longer than %lld ms, and was stopped", (long long)hang_ms);
}
