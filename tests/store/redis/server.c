/* SPDX-License-Identifier: MIT
 *
 * A Redis of a test's own. See server.h. */
#include "server.h"

#include <arpa/inet.h>
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
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

#include <cmocka.h>

#define STARTS 5 /* another may take the port between our asking for it and Redis's */

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void child(const struct redis_process *process)
{
    const char *argv[32] = {REDIS_SERVER, "--bind", "127.0.0.1",     "--save",
                            "",           "--dir",  process->folder, "--port"};
    char port[16];
    int null = open("/dev/null", O_RDWR), count = 8;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(port, sizeof(port), "%d", process->port);
    argv[count++] = port;
    for (int i = 0; process->extra[i]; i++)
        argv[count++] = process->extra[i];
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
        _exit(126);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* Whether it answers; whatever it answers. */
static bool answers(struct redis_process *process)
{
    const struct timeval timeout = {EVENT_MS / 1000, 0};
    redisReply *reply;
    bool good;

    process->client = redisConnectWithTimeout("127.0.0.1", process->port, timeout);
    assert_non_null(process->client);
    if (!process->client->err) {
        redisSetTimeout(process->client, timeout);
        reply = redisCommand(process->client, "PING");
        good = reply && (!reply->str || strncmp(reply->str, "LOADING", 7) != 0);
        if (reply)
            freeReplyObject(reply);
        if (good)
            return true;
    }
    redisFree(process->client);
    process->client = NULL;
    return false;
}

static bool start(struct redis_process *process)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;
    int status;

    process->pid = fork();
    assert_true(process->pid >= 0);
    if (process->pid == 0)
        child(process);
    while (run_now_ms() < until_ms) {
        /* run_wait lets a moment pass between two attempts. */
        if (run_wait(process->pid, run_now_ms() + 10, &status)) {
            process->pid = 0;
            return false;
        }
        if (answers(process))
            return true;
    }
    redis_process_kill(process);
    return false;
}

void redis_process_start(struct redis_process *process, const char *const *extra)
{
    memset(process, 0, sizeof(*process));
    for (int i = 0; extra && extra[i]; i++) {
        assert_true(i < 7);
        process->extra[i] = extra[i];
    }
    snprintf(process->folder, sizeof(process->folder), "/tmp/vtsim-redis.XXXXXX");
    assert_non_null(mkdtemp(process->folder));
    for (int i = 0; i < STARTS; i++) {
        process->port = free_port();
        snprintf(process->url, sizeof(process->url), "redis://127.0.0.1:%d", process->port);
        if (start(process))
            return;
    }
    fail_msg("redis-server did not start");
}

void redis_process_kill(struct redis_process *process)
{
    int status;

    if (process->client)
        redisFree(process->client);
    process->client = NULL;
    if (process->pid <= 0)
        return;
    kill(process->pid, SIGKILL);
    assert_true(run_wait(process->pid, run_now_ms() + EVENT_MS, &status));
    process->pid = 0;
}

void redis_process_again(struct redis_process *process)
{
    for (int i = 0; i < STARTS; i++)
        if (start(process))
            return;
    fail_msg("redis-server did not start again");
}

void redis_process_stop(struct redis_process *process)
{
    siginfo_t info;

    assert_int_equal(kill(process->pid, SIGSTOP), 0);
    assert_int_equal(waitid(P_PID, (id_t)process->pid, &info, WSTOPPED), 0);
}

void redis_process_continue(struct redis_process *process)
{
    assert_int_equal(kill(process->pid, SIGCONT), 0);
}

void redis_process_finish(struct redis_process *process)
{
    const char *remove[] = {"rm", "-rf", process->folder, NULL};
    struct run_result result;

    redis_process_kill(process);
    if (!*process->folder)
        return;
    run_command(remove, &result);
    run_result_finish(&result);
    *process->folder = '\0';
}

static redisReply *ask(struct redis_process *process, const char *format, va_list args)
{
    redisReply *reply = redisvCommand(process->client, format, args);

    if (!reply)
        fail_msg("Redis: %s", process->client->errstr);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("Redis says: %s", reply->str);
    return reply;
}

redisReply *redis_ask(struct redis_process *process, const char *format, ...)
{
    redisReply *reply;
    va_list args;

    va_start(args, format);
    reply = ask(process, format, args);
    va_end(args);
    return reply;
}

long long redis_do(struct redis_process *process, const char *format, ...)
{
    redisReply *reply;
    long long number;
    va_list args;

    va_start(args, format);
    reply = ask(process, format, args);
    va_end(args);
    number = reply->type == REDIS_REPLY_INTEGER  ? reply->integer
             : reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10)
                                                 : -1;
    freeReplyObject(reply);
    return number;
}
