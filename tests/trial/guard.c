/* SPDX-License-Identifier: MIT
 *
 * Tests of the guard: how a child that returns, crashes, ends or hangs is told, and that a child's child
 * keeps nobody waiting. */
#include "trial/guard.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct shared {
    struct probe_spot spot;
    int told;
};

static struct shared *shared;

static int setup(void **state)
{
    (void)state;
    shared = guard_memory(sizeof(*shared));
    return shared ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    guard_release(shared, sizeof(*shared));
    return 0;
}

static struct guard_end run(void (*function)(void *arg), vts_ms hang_ms)
{
    struct guard_end end;
    struct vts_error error;

    assert_true(guard_run(function, shared, &shared->spot, hang_ms, &end, &error));
    return end;
}

static void assert_told(struct guard_end end, const char *words)
{
    struct text out = TEXT_INIT;

    guard_tell(&end, 100, &out);
    assert_string_equal(out.bytes, words);
    text_finish(&out);
}

static void tell(void *arg)
{
    struct shared *mine = arg;

    puts("this is for nobody");
    mine->told = 7;
}

static void crash(void *arg)
{
    (void)arg;
    abort();
}

static void leave(void *arg)
{
    (void)arg;
    exit(3);
}

/* In a hook, without end. */
static void hang(void *arg)
{
    struct shared *mine = arg;

    atomic_fetch_add(&mine->spot.steps, 1);
    for (;;)
        pause();
}

/* Closes all it has, and hangs. */
static void close_and_hang(void *arg)
{
    int fd;

    for (fd = 3; fd < 256; fd++)
        close(fd);
    hang(arg);
}

/* Leaves a child behind, which holds whatever was open. It ends when this process, in which the test waits
 * for it, has let go of the pipe. */
static int hold[2];

static void leave_a_child(void *arg)
{
    char byte;

    (void)arg;
    if (fork() == 0) {
        close(hold[1]);
        _exit(read(hold[0], &byte, 1) < 0);
    }
}

static void returned(void **state)
{
    (void)state;
    assert_int_equal(run(tell, 100).kind, GUARD_DONE);
    assert_int_equal(shared->told, 7);
}

static void crashed(void **state)
{
    (void)state;
    assert_told(run(crash, 100), "crashed (SIGABRT)");
}

static void exited(void **state)
{
    (void)state;
    assert_told(run(leave, 100), "ended the process (exit status 3)");
}

static void hung(void **state)
{
    struct guard_end end;

    (void)state;
    end = run(hang, 100);
    assert_int_equal(end.kind, GUARD_HUNG);
    assert_told(end, "took longer than 100 ms, and was stopped");
    atomic_store(&shared->spot.steps, 0);
    assert_int_equal(run(close_and_hang, 100).kind, GUARD_HUNG);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
}

/* A process that wants to know nothing of its children learns how this one ended. */
static void unwanted_children(void **state)
{
    (void)state;
    assert_ptr_not_equal(signal(SIGCHLD, SIG_IGN), SIG_ERR);
    assert_int_equal(run(tell, 100).kind, GUARD_DONE);
    assert_told(run(crash, 100), "crashed (SIGABRT)");
    assert_ptr_equal(signal(SIGCHLD, SIG_DFL), SIG_IGN);
}

static void childs_child(void **state)
{
    (void)state;
    assert_int_equal(pipe(hold), 0);
    assert_int_equal(run(leave_a_child, 100).kind, GUARD_DONE);
    close(hold[0]);
    close(hold[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(returned, setup, teardown),
        cmocka_unit_test_setup_teardown(crashed, setup, teardown),
        cmocka_unit_test_setup_teardown(exited, setup, teardown),
        cmocka_unit_test_setup_teardown(hung, setup, teardown),
        cmocka_unit_test_setup_teardown(unwanted_children, setup, teardown),
        cmocka_unit_test_setup_teardown(childs_child, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
