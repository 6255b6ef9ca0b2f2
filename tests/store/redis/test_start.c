/* SPDX-License-Identifier: MIT
 *
 * What is refused when a Redis store is opened, with the exact text; and what is not. */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replica.h"
#include "server.h"

#include <cmocka.h>

static struct redis_process process;
static struct replica a;

static int setup(void **state)
{
    (void)state;
    replica_init(&a, process.url);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    replica_finish(&a);
    return 0;
}

/* ---- the url ---- */

static void urls_that_are_taken(void **state)
{
    static const struct {
        const char *url, *host, *user, *password;
        int port, db;
        const char *where;
    } cases[] = {
        {"redis://localhost", "localhost", "", "", 6379, 0, "localhost:6379/0"},
        {"redis://127.0.0.1:7000/3", "127.0.0.1", "", "", 7000, 3, "127.0.0.1:7000/3"},
        {"redis://h/", "h", "", "", 6379, 0, "h:6379/0"},
        {"redis://:secret@h:1/2", "h", "", "secret", 1, 2, "h:1/2"},
        {"redis://me:p%40%3a%2F@h", "h", "me", "p@:/", 6379, 0, "h:6379/0"},
        {"redis://me:a@b:c@h", "h", "me", "a@b:c", 6379, 0, "h:6379/0"},
        {"redis://[::1]:7000", "::1", "", "", 7000, 0, "[::1]:7000/0"},
        {"redis://[::1]/1", "::1", "", "", 6379, 1, "[::1]:6379/1"},
    };
    struct redis_server server;
    struct vts_error error;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!redis_server_parse(&server, cases[i].url, &error))
            fail_msg("%s: %s", cases[i].url, error.message);
        assert_string_equal(server.host, cases[i].host);
        assert_string_equal(server.user, cases[i].user);
        assert_string_equal(server.password, cases[i].password);
        assert_string_equal(server.where, cases[i].where);
        assert_int_equal(server.port, cases[i].port);
        assert_int_equal(server.db, cases[i].db);
    }
}

#define URL_HELP                                                                                   \
    "write redis://[[USER]:PASSWORD@]HOST[:PORT][/DB], such as redis://127.0.0.1:6379/0"
#define NO_PLACE "it has no host, port or database that can be read: " URL_HELP

static void urls_that_are_refused(void **state)
{
    static const struct {
        const char *url, *message;
    } cases[] = {
        {"", "it is none of a Redis: " URL_HELP},
        {"localhost:6379", "it is none of a Redis: " URL_HELP},
        {"http://h", "it is none of a Redis: " URL_HELP},
        {"rediss://h", "there is no TLS to Redis; use redis:// through a tunnel"},
        {"redis://", NO_PLACE},
        {"redis:///0", NO_PLACE},
        {"redis://:6379", NO_PLACE},
        {"redis://h:", NO_PLACE},
        {"redis://h:0", NO_PLACE},
        {"redis://h:65536", NO_PLACE},
        {"redis://h:6379x", NO_PLACE},
        {"redis://h:-1", NO_PLACE},
        {"redis://::1", NO_PLACE},
        {"redis://[::1", NO_PLACE},
        {"redis://[::1]x", NO_PLACE},
        {"redis://h/x", NO_PLACE},
        {"redis://h/1/2", NO_PLACE},
        {"redis://h/-1", NO_PLACE},
        {"redis://h/123456", NO_PLACE},
        {"redis://h%0g", NO_PLACE},
        {"redis://secret@h",
         "it has a user without a password: a password alone has a colon before it, "
         "redis://:PASSWORD@HOST"},
        {"redis://:p%@h", "it has a user or password that is too long, or a % in it that no two "
                          "hexadecimal digits follow: write %25 for the sign itself"},
        {"redis://:p%00@h", "it has a user or password that is too long, or a % in it that no two "
                            "hexadecimal digits follow: write %25 for the sign itself"},
    };
    struct redis_server server;
    struct vts_error error;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (redis_server_parse(&server, cases[i].url, &error))
            fail_msg("taken: %s", cases[i].url);
        assert_string_equal(error.message, cases[i].message);
    }
}

/* ---- what answers ---- */

static void assert_refused(const char *format, ...)
{
    struct vts_error error;
    char wanted[600];
    va_list args;

    va_start(args, format);
    vsnprintf(wanted, sizeof(wanted), format, args);
    va_end(args);
    assert_false(replica_try(&a, &error));
    assert_string_equal(error.message, wanted);
}

struct listener {
    int fd, port;
    const char *says; /* NULL: nothing at all */
    char url[64];
    pthread_t thread;
};

static void *answer_one(void *arg)
{
    const struct listener *listener = arg;
    char bytes[4096];
    int fd = accept(listener->fd, NULL, NULL);

    if (fd < 0)
        return NULL;
    if (listener->says && read(fd, bytes, sizeof(bytes)) > 0 &&
        write(fd, listener->says, strlen(listener->says)) < 0)
        perror("write");
    while (read(fd, bytes, sizeof(bytes)) > 0)
        ;
    close(fd);
    return NULL;
}

static void listener_start(struct listener *listener, const char *says)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);

    listener->says = says;
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listener->fd >= 0);
    assert_int_equal(bind(listener->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener->fd, 1), 0);
    assert_int_equal(getsockname(listener->fd, (struct sockaddr *)&address, &length), 0);
    listener->port = ntohs(address.sin_port);
    snprintf(listener->url, sizeof(listener->url), "redis://127.0.0.1:%d", listener->port);
    assert_int_equal(pthread_create(&listener->thread, NULL, answer_one, listener), 0);
}

static void listener_finish(struct listener *listener)
{
    shutdown(listener->fd, SHUT_RDWR);
    assert_int_equal(pthread_join(listener->thread, NULL), 0);
    close(listener->fd);
}

static void nobody_answers(void **state)
{
    (void)state;
    a.settings.url = "redis://127.0.0.1:1";
    assert_refused("Redis at 127.0.0.1:1/0 cannot be reached: Connection refused");
}

static void what_answers_is_no_redis(void **state)
{
    struct listener listener;

    (void)state;
    listener_start(&listener, "HTTP/1.1 400 Bad Request\r\n\r\n");
    a.settings.url = listener.url;
    assert_refused("what answers at 127.0.0.1:%d/0 is no Redis: Protocol error, got \"H\" as reply "
                   "type byte",
                   listener.port);
    listener_finish(&listener);
}

static void what_answers_says_something_else(void **state)
{
    struct listener listener;

    (void)state;
    listener_start(&listener, "+OK\r\n:1\r\n");
    a.settings.url = listener.url;
    assert_refused("what answers at 127.0.0.1:%d/0 is no Redis that we know", listener.port);
    listener_finish(&listener);
}

static void what_answers_says_nothing(void **state)
{
    struct listener listener;

    (void)state;
    listener_start(&listener, NULL);
    a.settings.url = listener.url;
    a.settings.timeout = 50;
    assert_refused("Redis at 127.0.0.1:%d/0 does not answer within 50 ms", listener.port);
    listener_finish(&listener);
}

static void no_more_connections(void **state)
{
    (void)state;
    redis_do(&process, "CONFIG SET maxclients 1");
    a.settings.url = process.url;
    assert_refused("Redis at 127.0.0.1:%d/0 takes no more connections: ERR max number of clients "
                   "reached; raise its maxclients, each worker of a vtsimd keeps one",
                   process.port);
    redis_do(&process, "CONFIG SET maxclients 100");
}

/* A signal is not kept waiting by a Redis that takes its time; vtsimd has it blocked by then. */
static void told_to_end_while_redis_loads(void **state)
{
    struct listener listener;
    sigset_t set, before;
    int signal;

    (void)state;
    listener_start(&listener, "-LOADING Redis is loading the dataset in memory\r\n");
    a.settings.url = listener.url;
    a.settings.timeout = 1000; /* it answers the first connection alone */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, &before), 0);
    assert_int_equal(raise(SIGTERM), 0);
    assert_refused("Redis at 127.0.0.1:%d/0 was still loading its data when vtsimd was told to end",
                   listener.port);
    assert_int_equal(sigwait(&set, &signal), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    listener_finish(&listener);
}

/* ---- passwords ---- */

static void passwords(void **state)
{
    struct redis_process locked;
    struct vts_error error;
    char url[128];

    (void)state;
    redis_process_start(&locked, (const char *[]){"--requirepass", "p@ss", NULL});
    redis_do(&locked, "AUTH p@ss");
    redis_do(&locked, "ACL SETUSER me on >mine ~vtsim:* +@all");
    a.settings.url = locked.url;
    assert_refused("Redis at 127.0.0.1:%d/0 wants a password: write [store] url = "
                   "redis://:PASSWORD@HOST:PORT",
                   locked.port);
    snprintf(url, sizeof(url), "redis://:wrong@127.0.0.1:%d", locked.port);
    a.settings.url = url;
    assert_refused("Redis at 127.0.0.1:%d/0 refuses the password of [store] url: WRONGPASS invalid "
                   "username-password pair or user is disabled.",
                   locked.port);
    snprintf(url, sizeof(url), "redis://:p%%40ss@127.0.0.1:%d", locked.port);
    replica_open(&a);
    assert_int_equal(replica_state(&a, "a"), -1);
    replica_finish(&a);
    snprintf(url, sizeof(url), "redis://me:mine@127.0.0.1:%d", locked.port);
    replica_open(&a);
    assert_int_equal(replica_state(&a, "a"), -1);
    replica_finish(&a);
    /* one who needs no password is still another than the one that needs it */
    redis_do(&locked, "ACL SETUSER free on nopass ~vtsim:* +@all");
    snprintf(url, sizeof(url), "redis://free:@127.0.0.1:%d", locked.port);
    replica_open(&a);
    assert_int_equal(replica_state(&a, "a"), -1);
    replica_finish(&a);
    /* the command that it may not use is told, and not taken for a database that is missing */
    redis_do(&locked, "ACL SETUSER free -select");
    assert_false(replica_try(&a, &error));
    snprintf(url, sizeof(url), "Redis at 127.0.0.1:%d/0 cannot be used: NOPERM ", locked.port);
    assert_memory_equal(error.message, url, strlen(url));
    snprintf(url, sizeof(url), "redis://me:mine@127.0.0.1:%d", locked.port);
    redis_do(&locked, "ACL SETUSER me resetkeys ~other:*");
    assert_false(replica_try(&a, &error)); /* each version has words of its own for it */
    snprintf(url, sizeof(url), "Redis at 127.0.0.1:%d/0 cannot be used: NOPERM ", locked.port);
    assert_memory_equal(error.message, url, strlen(url));
    redis_process_finish(&locked);
}

/* ---- what is there ---- */

static void no_such_database(void **state)
{
    char url[128];

    (void)state;
    snprintf(url, sizeof(url), "%s/99", process.url);
    a.settings.url = url;
    assert_refused("Redis at 127.0.0.1:%d/99 has no database 99: ERR DB index is out of range",
                   process.port);
}

static void databases_and_prefixes_are_apart(void **state)
{
    struct job job = rig_job("a", RECORD_NEVER);
    struct replica b, c;
    char url[128];

    (void)state;
    replica_init(&b, url);
    replica_init(&c, process.url);
    snprintf(url, sizeof(url), "%s/5", process.url);
    c.settings.prefix = "other:";
    c.options.seed = 9; /* which is theirs alone */
    replica_open(&a);
    replica_open(&b);
    replica_open(&c);
    assert_int_equal(replica_put(&a, &job), VTS_OK);
    assert_int_equal(replica_state(&a, "a"), VTS_RUNNING);
    assert_int_equal(replica_state(&b, "a"), -1);
    assert_int_equal(replica_state(&c, "a"), -1);
    replica_finish(&b);
    replica_finish(&c);
}

static void another_seed(void **state)
{
    (void)state;
    redis_do(&process, "FLUSHALL");
    replica_open(&a);
    replica_finish(&a);
    a.options.seed = 2;
    assert_refused(
        "prefix \"vtsim:\" of Redis at 127.0.0.1:%d/0 belongs to vtsimds with seed 1, "
        "record format 1, layout 3, little-endian, this one has seed 2, record format 1, "
        "layout 3, little-endian: give it a prefix of its own ([store] prefix), or the same seed "
        "and version",
        process.port);
    redis_do(&process, "FLUSHALL");
}

/* A prefix that somebody uses for something else. */
static void keys_of_strangers(void **state)
{
    static const struct {
        const char *key, *type;
    } keys[] = {
        {"jobs", "hash"}, {"due", "zset"},    {"leased", "zset"},    {"polls", "zset"},
        {"ids", "zset"},  {"states", "hash"}, {"instances", "hash"}, {"fingerprint", "string"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        redis_do(&process, "FLUSHALL");
        redis_do(&process, "SADD vtsim:%s theirs", keys[i].key);
        assert_refused("Redis at 127.0.0.1:%d/0 has a set named \"vtsim:%s\", where vtsimd keeps a "
                       "%s: give it a prefix of its own ([store] prefix)",
                       process.port, keys[i].key, keys[i].type);
        assert_int_equal(redis_do(&process, "DBSIZE"), 1); /* nothing was changed */
    }
    redis_do(&process, "FLUSHALL");
}

static void a_replica_of_another_redis(void **state)
{
    (void)state;
    redis_do(&process, "FLUSHALL");
    redis_do(&process, "REPLICAOF 127.0.0.1 1");
    assert_refused("Redis at 127.0.0.1:%d/0 cannot be used: READONLY You can't write against a "
                   "read only replica.",
                   process.port);
    redis_do(&process, "REPLICAOF NO ONE");
}

/* ---- instances ---- */

static struct text told;

static void tell_instance(void *arg, uint64_t hash, struct bytes text)
{
    (void)arg;
    text_printf(&told, "%llx=%.*s;", (unsigned long long)hash, (int)text.length, text.at);
}

/* What a new one finds. */
static void assert_told(const char *wanted)
{
    struct vts_error error;
    struct replica b;

    replica_init(&b, process.url);
    b.store = redis_LTX_vts_store()->open(&b.options, &b.settings, &error);
    assert_non_null(b.store);
    assert_true(store_each_instance(b.store, tell_instance, NULL, &error));
    assert_string_equal(told.length ? told.bytes : "", wanted);
    text_finish(&told);
    replica_finish(&b);
}

static void instances_are_kept_and_told(void **state)
{
    static const struct bytes one = {"one\0", 4}, two = {"two", 3};
    struct vts_error error;

    (void)state;
    redis_do(&process, "FLUSHALL");
    replica_open(&a);
    assert_told("");
    assert_int_equal(replica_start(&a, "a", 0xfedcba9876543210, one), VTS_OK);
    assert_int_equal(redis_do(&process, "HSTRLEN vtsim:instances fedcba9876543210"), 4);
    assert_told("fedcba9876543210=one;");
    /* once on each connection; what is there stays */
    redis_do(&process, "HSET vtsim:instances fedcba9876543210 other");
    assert_int_equal(replica_start(&a, "b", 0xfedcba9876543210, one), VTS_OK);
    assert_told("fedcba9876543210=other;");
    redis_do(&process, "HDEL vtsim:instances fedcba9876543210");
    redis_do(&process, "HSET vtsim:instances short x");
    assert_int_equal(replica_start(&a, "c", 2, two), VTS_OK);
    assert_told("2=two;");
    /* where it cannot be kept there is no job */
    redis_do(&process, "DEL vtsim:instances");
    redis_do(&process, "SET vtsim:instances x");
    assert_int_equal(replica_start(&a, "d", 3, two), VTS_ERR_BUSY);
    assert_int_equal(redis_do(&process, "HEXISTS vtsim:jobs d"), 0);
    replica_finish(&a);
    redis_do(&process, "DEL vtsim:instances");
    a.store = redis_LTX_vts_store()->open(&a.options, &a.settings, &error);
    assert_non_null(a.store);
    redis_do(&process, "SET vtsim:instances x");
    assert_false(store_each_instance(a.store, tell_instance, NULL, &error));
    redis_do(&process, "FLUSHALL");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(urls_that_are_taken),
        TEST(urls_that_are_refused),
        TEST(nobody_answers),
        TEST(what_answers_is_no_redis),
        TEST(what_answers_says_something_else),
        TEST(what_answers_says_nothing),
        TEST(no_more_connections),
        TEST(told_to_end_while_redis_loads),
        TEST(passwords),
        TEST(no_such_database),
        TEST(databases_and_prefixes_are_apart),
        TEST(another_seed),
        TEST(keys_of_strangers),
        TEST(a_replica_of_another_redis),
        TEST(instances_are_kept_and_told),
    };
    int failed;

    redis_process_start(&process, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    redis_process_finish(&process);
    return failed;
}
