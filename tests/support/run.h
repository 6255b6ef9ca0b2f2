/* SPDX-License-Identifier: MIT
 *
 * Runs a command to its end, for tests: with a deadline, and with all that it printed. Knows
 * nothing of vtsim. A command that cannot be run fails the running cmocka test; one that outlives
 * its deadline is killed and says so in its result.
 *
 * Commands die with the thread that started them (PR_SET_PDEATHSIG). */
#ifndef VTSIM_TESTS_RUN_H
#define VTSIM_TESTS_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How long a command may take where nothing else is said: far more than it needs, even under a
 * sanitizer on a busy machine. */
#define RUN_TIMEOUT_MS 30000

struct run_result {
    int status;     /* exit status; 128 + signal where a signal ended it */
    bool timed_out; /* it was killed at its deadline */
    char *out;      /* all of standard output, with a NUL behind it */
    size_t out_length;
    char *err; /* all of standard error, likewise */
    size_t err_length;
};

/* Runs argv (NULL-terminated; argv[0] is looked up in PATH), with an empty standard input. The
 * result is for run_result_finish. */
void run_command(const char *const argv[], struct run_result *result);
void run_command_within(const char *const argv[], int64_t timeout_ms, struct run_result *result);

/* The same with a terminal of this many columns as standard output; `out` is then what the terminal
 * was sent. Standard error stays apart. */
void run_in_terminal(const char *const argv[], int columns, struct run_result *result);

void run_result_finish(struct run_result *result);

/* Milliseconds of a clock that only goes forward: for deadlines. */
int64_t run_now_ms(void);

/* Waits for a child of ours until a moment of run_now_ms(). True with its exit status (128 +
 * signal) when it ended; it is not killed otherwise. */
bool run_wait(int pid, int64_t until_ms, int *status);

#endif
