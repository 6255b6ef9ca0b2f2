/* SPDX-License-Identifier: MIT
 *
 * Which Redis it is, and what is said to it before it is used: password, database, scripts, the
 * fingerprint of all that vtsimds on one prefix must agree on, and the instances. The same greeting is
 * said when the store is opened, waiting for each answer, and on every connection of a port. */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "../base/log.h"
#include "../base/rng.h"
#include "redis.h"

#define LOADING_TRIES 600 /* of 100 ms, for a Redis that is reading its file */

/* ---- the url ---- */

#define URL_HELP                                                                                   \
    "write redis://[[USER]:PASSWORD@]HOST[:PORT][/DB], such as redis://127.0.0.1:6379/0"

static bool read_number(const char *text, size_t length, int most, int *number)
{
    char digits[8], *end;

    if (length == 0 || length >= sizeof(digits) || strspn(text, "0123456789") < length)
        return false;
    memcpy(digits, text, length);
    digits[length] = '\0';
    *number = (int)strtol(digits, &end, 10);
    return *end == '\0' && *number <= most;
}

/* One part of the url, in which %XX stands for a byte. */
static bool decode(const char *text, size_t length, char *out, size_t size)
{
    size_t decoded;

    if (length >= size || !text_percent_decode(text, length, false, out, &decoded) ||
        memchr(out, '\0', decoded))
        return false;
    out[decoded] = '\0';
    return true;
}

static bool parse_login(struct redis_server *server, const char *at, const char *end,
                        struct vts_error *error)
{
    const char *colon = memchr(at, ':', (size_t)(end - at));

    if (!colon)
        return vts_error_at(error, "url", 0, 0,
                            "it has a user without a password: a password alone has a "
                            "colon before it, redis://:PASSWORD@HOST");
    if (!decode(at, (size_t)(colon - at), server->user, sizeof(server->user)) ||
        !decode(colon + 1, (size_t)(end - colon - 1), server->password, sizeof(server->password)))
        return vts_error_at(
            error, "url", 0, 0,
            "it has a user or password that is too long, or a %% in it "
            "that no two hexadecimal digits follow: write %%25 for the sign itself");
    return true;
}

static bool parse_place(struct redis_server *server, const char *at, const char *end)
{
    const char *host_end, *bracket;

    if (*at == '[') {
        bracket = memchr(at, ']', (size_t)(end - at));
        if (!bracket)
            return false;
        at++;
        host_end = bracket++;
    } else {
        bracket = memchr(at, ':', (size_t)(end - at));
        if (!bracket)
            bracket = end;
        host_end = bracket;
    }
    if (host_end == at || !decode(at, (size_t)(host_end - at), server->host, sizeof(server->host)))
        return false;
    return bracket == end ||
           (*bracket == ':' &&
            read_number(bracket + 1, (size_t)(end - bracket - 1), 65535, &server->port) &&
            server->port > 0);
}

static void set_where(struct redis_server *server)
{
    bool six = strchr(server->host, ':') != NULL;

    snprintf(server->where, sizeof(server->where), "%s%s%s:%d/%d", six ? "[" : "", server->host,
             six ? "]" : "", server->port, server->db);
}

bool redis_server_parse(struct redis_server *server, const char *url, struct vts_error *error)
{
    static const char scheme[] = "redis://";
    const char *at, *end, *slash, *login;

    memset(server, 0, sizeof(*server));
    server->port = 6379;
    if (strncmp(url, "rediss://", 9) == 0)
        return vts_error_at(error, "url", 0, 0,
                            "there is no TLS to Redis; use redis:// through a tunnel");
    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
        return vts_error_at(error, "url", 0, 0, "it is none of a Redis: " URL_HELP);
    at = url + sizeof(scheme) - 1;
    slash = strchr(at, '/');
    end = slash ? slash : at + strlen(at);
    for (login = end; login > at && *login != '@';)
        login--;
    if (*login == '@') {
        if (!parse_login(server, at, login, error))
            return false;
        at = login + 1;
    }
    if (!parse_place(server, at, end) ||
        (slash && slash[1] && !read_number(slash + 1, strlen(slash + 1), 99999, &server->db)))
        return vts_error_at(error, "url", 0, 0,
                            "it has no host, port or database that can be read: " URL_HELP);
    set_where(server);
    return true;
}

/* ---- the greeting ---- */

size_t redis_greeting_first(const struct redis *redis)
{
    bool login = redis->server.user[0] || redis->server.password[0];

    return login ? REDIS_STEP_PASSWORD : REDIS_STEP_DATABASE;
}

static void add(struct redis_words *words, const char *word, size_t length)
{
    words->at[words->count] = word;
    words->length[words->count++] = length;
}

static void add_string(struct redis_words *words, const char *word)
{
    add(words, word, strlen(word));
}

static void add_key(const struct redis *redis, struct redis_words *words, enum redis_key key)
{
    add(words, redis->keys[key].bytes, redis->keys[key].length);
}

static void claim_words(const struct redis *redis, struct redis_words *words)
{
    int key;

    add_string(words, "EVALSHA");
    add_string(words, redis->shas[SCRIPT_CLAIM]);
    add_string(words, REDIS_SCRIPT_KEYS);
    for (key = 0; key < SCRIPT_KEYS; key++)
        add_key(redis, words, (enum redis_key)key);
    add_string(words, "0");
    add_string(words, "0");
    add_string(words, "0");
}

void redis_greeting_words(struct redis_port *port, size_t step, struct redis_words *words)
{
    const struct redis *redis = redis_of(port);

    words->count = 0;
    if (step == REDIS_STEP_PASSWORD) {
        add_string(words, "AUTH");
        if (redis->server.user[0])
            add_string(words, redis->server.user);
        add_string(words, redis->server.password);
    } else if (step == REDIS_STEP_DATABASE) {
        snprintf(words->number, sizeof(words->number), "%d", redis->server.db);
        add_string(words, "SELECT");
        add_string(words, words->number);
    } else if (step >= REDIS_STEP_TYPES && step < REDIS_STEP_MARK) {
        add_string(words, "TYPE");
        add_key(redis, words, (enum redis_key)(step - REDIS_STEP_TYPES));
    } else if (step >= REDIS_STEP_SCRIPTS && step < REDIS_STEP_TYPES) {
        add_string(words, "SCRIPT");
        add_string(words, "LOAD");
        add_string(words, redis_scripts[step - REDIS_STEP_SCRIPTS]);
    } else if (step == REDIS_STEP_MARK) {
        add_string(words, "SET");
        add_key(redis, words, KEY_FINGERPRINT);
        add_string(words, redis->fingerprint);
        add_string(words, "NX");
    } else if (step == REDIS_STEP_CHECK) {
        add_string(words, "GET");
        add_key(redis, words, KEY_FINGERPRINT);
    } else if (step == REDIS_STEP_BORN) {
        add_string(words, "HSETNX");
        add_key(redis, words, KEY_STATES);
        add_string(words, "born");
        snprintf(words->number, sizeof(words->number), "%016llx",
                 (unsigned long long)rng_draw(port->chance, port->draws++));
        add_string(words, words->number);
    } else if (step == REDIS_STEP_COUNT) {
        claim_words(redis, words);
    }
}

static bool refusal(const struct redis *redis, size_t step, const char *says,
                    struct vts_error *error)
{
    const char *where = redis->server.where;

    if (strncmp(says, "LOADING", 7) == 0)
        return vts_error_set(error, VTS_ERR_BUSY, "Redis at %s is still loading its data", where);
    /* Said instead of the first answer, whatever was asked. */
    if (strncmp(says, "ERR max number of clients", 25) == 0)
        return vts_error_set(error, VTS_ERR_INVALID,
                             "Redis at %s takes no more connections: %s; raise its maxclients, "
                             "each worker of a vtsimd keeps one",
                             where, says);
    if (step == REDIS_STEP_PASSWORD)
        return vts_error_set(error, VTS_ERR_INVALID,
                             "Redis at %s refuses the password of [store] url: %s", where, says);
    if (strncmp(says, "NOAUTH", 6) == 0)
        return vts_error_set(error, VTS_ERR_INVALID,
                             "Redis at %s wants a password: write [store] url = "
                             "redis://:PASSWORD@HOST:PORT",
                             where);
    if (step == REDIS_STEP_DATABASE && strstr(says, "DB index"))
        return vts_error_set(error, VTS_ERR_INVALID, "Redis at %s has no database %d: %s", where,
                             redis->server.db, says);
    return vts_error_set(error, VTS_ERR_INVALID, "Redis at %s cannot be used: %s", where, says);
}

static bool check_fingerprint(const struct redis *redis, const redisReply *reply,
                              struct vts_error *error)
{
    if (reply->type == REDIS_REPLY_STRING && strcmp(reply->str, redis->fingerprint) == 0)
        return true;
    return vts_error_set(
        error, VTS_ERR_INVALID,
        "prefix \"%s\" of Redis at %s belongs to vtsimds with %s, this one has %s: "
        "give it a prefix of its own ([store] prefix), or the same seed and version",
        redis->settings.prefix, redis->server.where,
        reply->type == REDIS_REPLY_STRING ? reply->str : "none of that", redis->fingerprint);
}

static bool check_script(struct redis *redis, size_t script, const redisReply *reply,
                         struct vts_error *error)
{
    char *sha = redis->shas[script];

    if (reply->type != REDIS_REPLY_STRING || reply->len != 40)
        return vts_error_set(error, VTS_ERR_INVALID, "what answers at %s is no Redis that we know",
                             redis->server.where);
    if (!redis->greeted)
        memcpy(sha, reply->str, 41);
    return strcmp(sha, reply->str) == 0 ||
           vts_error_set(error, VTS_ERR_INVALID,
                         "Redis at %s gives a script another name than before",
                         redis->server.where);
}

static bool check_type(const struct redis *redis, size_t key, const redisReply *reply,
                       struct vts_error *error)
{
    static const char *const types[REDIS_KEYS] = {
        [KEY_JOBS] = "hash",      [KEY_DUE] = "zset",           [KEY_LEASED] = "zset",
        [KEY_POLLS] = "zset",     [KEY_IDS] = "zset",           [KEY_STATES] = "hash",
        [KEY_INSTANCES] = "hash", [KEY_USES] = "hash",          [KEY_NOTES] = "list",
        [KEY_STATS] = "hash",     [KEY_DETAILS] = "hash",       [KEY_RECENT] = "zset",
        [KEY_AUDIT] = "hash",     [KEY_FINGERPRINT] = "string",
    };

    if (reply->type == REDIS_REPLY_STATUS &&
        (strcmp(reply->str, types[key]) == 0 || strcmp(reply->str, "none") == 0))
        return true;
    return vts_error_set(error, VTS_ERR_INVALID,
                         "Redis at %s has a %s named \"%s\", where vtsimd keeps a %s: give it a "
                         "prefix of its own ([store] prefix)",
                         redis->server.where,
                         reply->type == REDIS_REPLY_STATUS ? reply->str : "thing",
                         redis->keys[key].bytes, types[key]);
}

bool redis_greeting_check(struct redis *redis, size_t step, const redisReply *reply,
                          struct vts_error *error)
{
    if (reply->type == REDIS_REPLY_ERROR)
        return refusal(redis, step, reply->str, error);
    if (step >= REDIS_STEP_TYPES && step < REDIS_STEP_MARK)
        return check_type(redis, step - REDIS_STEP_TYPES, reply, error);
    if (step >= REDIS_STEP_SCRIPTS && step < REDIS_STEP_TYPES)
        return check_script(redis, step - REDIS_STEP_SCRIPTS, reply, error);
    if (step == REDIS_STEP_CHECK)
        return check_fingerprint(redis, reply, error);
    if (step == REDIS_STEP_COUNT && (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4 ||
                                     reply->element[0]->type != REDIS_REPLY_ARRAY))
        return vts_error_set(error, VTS_ERR_INVALID, "what answers at %s is no Redis that we know",
                             redis->server.where);
    return true;
}

/* ---- starting ---- */

static bool cannot(const struct redis *redis, const redisContext *context, struct vts_error *error)
{
    const char *where = redis->server.where;

    if (!context)
        return vts_error_set(error, VTS_ERR_MEMORY, "no memory");
    if (context->err == REDIS_ERR_PROTOCOL)
        return vts_error_set(error, VTS_ERR_IO, "what answers at %s is no Redis: %s", where,
                             context->errstr);
    if (context->err == REDIS_ERR_IO && (errno == EAGAIN || errno == ETIMEDOUT))
        return vts_error_set(error, VTS_ERR_IO, "Redis at %s does not answer within %lld ms", where,
                             (long long)redis->settings.timeout);
    return vts_error_set(error, VTS_ERR_IO, "Redis at %s cannot be reached: %s", where,
                         context->errstr);
}

/* Later connections go to the same address, and ask no resolver on a worker's thread. */
static void settle_address(struct redis *redis)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);

    if (getpeername(redis->start->fd, (struct sockaddr *)&address, &length) == 0)
        getnameinfo((struct sockaddr *)&address, length, redis->server.host,
                    sizeof(redis->server.host), NULL, 0, NI_NUMERICHOST);
}

static bool greet(struct redis *redis, struct vts_error *error)
{
    size_t step = redis_greeting_first(redis);
    struct redis_words words;
    redisReply *reply;
    bool good = true;

    for (; good && step < REDIS_STEPS; step++) {
        redis_greeting_words(&redis->ports[0], step, &words);
        errno = 0;
        reply = redisCommandArgv(redis->start, words.count, words.at, words.length);
        if (!reply)
            return cannot(redis, redis->start, error);
        good = redis_greeting_check(redis, step, reply, error);
        if (good && step == REDIS_STEP_COUNT)
            redis_publish(&redis->ports[0], reply->element[0]);
        freeReplyObject(reply);
    }
    return good;
}

static bool try_start(struct redis *redis, struct vts_error *error)
{
    const struct timeval timeout = {(time_t)(redis->settings.timeout / 1000),
                                    (suseconds_t)(redis->settings.timeout % 1000 * 1000)};

    if (redis->start)
        redisFree(redis->start);
    errno = 0;
    redis->start = redisConnectWithTimeout(redis->server.host, redis->server.port, timeout);
    if (!redis->start || redis->start->err || redisSetTimeout(redis->start, timeout) != REDIS_OK)
        return cannot(redis, redis->start, error);
    return greet(redis, error);
}

/* Whether a signal waits to end us: vtsimd reads them when it serves, which may be long from now. */
static bool told_to_end(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

bool redis_start(struct redis *redis, struct vts_error *error)
{
    const struct timespec pause = {0, 100000000};
    int tries = 0;

    while (!try_start(redis, error)) {
        if (error->code != VTS_ERR_BUSY || ++tries > LOADING_TRIES)
            return false;
        if (told_to_end())
            return vts_error_set(error, VTS_ERR_BUSY,
                                 "Redis at %s was still loading its data when vtsimd was told to "
                                 "end",
                                 redis->server.where);
        if (tries == 1)
            log_line(VTS_INFO, "redis", "%s: waiting for it", error->message);
        nanosleep(&pause, NULL);
    }
    redis->greeted = true;
    settle_address(redis);
    return true;
}
