/* SPDX-License-Identifier: MIT
 *
 * Runs a command to its end, its standard output thrown away, and prints what it took: seconds by the clock,
 * a space, and the most KiB of memory that it held. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void run(char **command)
{
    int null = open("/dev/null", O_WRONLY);

    if (null >= 0 && dup2(null, STDOUT_FILENO) >= 0)
        execvp(command[0], command);
    perror(command[0]);
    _exit(127);
}

int main(int argc, char **argv)
{
    double begin = now_s();
    struct rusage usage;
    int status = 0;
    pid_t pid;

    if (argc < 2) {
        fprintf(stderr, "usage: cost COMMAND [ARGUMENT...]\n");
        return 2;
    }
    pid = fork();
    if (pid == 0)
        run(argv + 1);
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid) {
        perror("cost");
        return EXIT_FAILURE;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "cost: %s failed\n", argv[1]);
        return EXIT_FAILURE;
    }
    printf("%.3f %ld\n", now_s() - begin, usage.ru_maxrss);
    return EXIT_SUCCESS;
}
