/* SPDX-License-Identifier: MIT
 *
 * Times how long a server takes from being started to its first line on standard output, which says
 * that it serves. Starts it again and again, one at a time, prints the milliseconds of each start
 * and stops it with SIGTERM. Knows nothing of what it starts. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_MS 10000

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Reads until the end of the first line. */
static bool read_line(int fd)
{
    double deadline = now_ms() + DEADLINE_MS;

    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        double left = deadline - now_ms();
        char byte;
        int ready = poll(&wait, 1, left > 0 ? (int)left + 1 : 0);

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0 || read(fd, &byte, 1) != 1)
            return false;
        if (byte == '\n')
            return true;
    }
}

/* Waits for the end of a child that was told to end; one that does not is killed. */
static bool reap(pid_t child)
{
    double deadline = now_ms() + DEADLINE_MS;
    const struct timespec nap = {.tv_nsec = 1000000};

    while (now_ms() < deadline) {
        if (waitpid(child, NULL, WNOHANG) == child)
            return true;
        nanosleep(&nap, NULL);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return false;
}

static bool time_start(char **command)
{
    int ends[2];
    double begin, end;
    bool ready;
    pid_t child;

    if (pipe(ends)) {
        perror("ready: pipe");
        return false;
    }
    begin = now_ms();
    child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(command[0], command);
        perror(command[0]);
        _exit(127);
    }
    close(ends[1]);
    if (child < 0) {
        perror("ready: fork");
        close(ends[0]);
        return false;
    }
    ready = read_line(ends[0]);
    end = now_ms();
    kill(child, SIGTERM);
    if (!reap(child) || !ready) {
        fprintf(stderr, "ready: %s did not %s\n", command[0], ready ? "stop" : "become ready");
        ready = false;
    }
    close(ends[0]);
    if (ready)
        printf("%.2f\n", end - begin);
    return ready;
}

int main(int argc, char **argv)
{
    char *end = NULL;
    long starts = argc > 2 ? strtol(argv[1], &end, 10) : 0;

    if (argc < 3 || *end || starts < 1 || starts > 10000) {
        fprintf(stderr, "usage: ready STARTS COMMAND [ARGUMENT...]\n");
        return 2;
    }
    for (long i = 0; i < starts; i++) {
        if (!time_start(argv + 2))
            return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
