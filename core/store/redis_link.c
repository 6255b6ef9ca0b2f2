/* SPDX-License-Identifier: MIT
 *
 * A port's connection: made, greeted, watched, lost and made again; and the commands under way on it.
 * Knows nothing of what the commands mean.
 *
 * Answers come in the order of the commands, so only the oldest is watched: one timer, which looks again
 * when that one's time would be over, does for all. A connection whose answer is late is given up,
 * because what comes on it later cannot be told from what is waited for.
 *
 * hiredis calls every waiting callback with NULL when a connection ends, from inside of its own call; in
 * that moment `link` is NULL already, and whoever is called back may ask for more: it is refused. */
#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
#include <stdlib.h>
#include <time.h>

#include "../base/log.h"
#include "../base/rng.h"
#include "redis.h"

#define BACKOFF_LEAST_MS 50
#define BACKOFF_MOST_MS  2000
#define STOOD_US         2000000 /* one that stood so long was good: the next may come soon */

int64_t redis_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void add_timer(struct event *timer, int64_t wait_us)
{
    const struct timeval wait = {(time_t)(wait_us / 1000000), (suseconds_t)(wait_us % 1000000)};

    if (evtimer_add(timer, &wait) != 0)
        log_line(VTS_ERROR, "redis", "no memory for a timer");
}

/* ---- ops ---- */

struct redis_op *redis_op_create(struct redis_port *port, struct bytes id, bool copy)
{
    struct redis_op *op = malloc(sizeof(*op) + (copy ? id.length : 0));

    if (!op)
        return NULL;
    memset(op, 0, sizeof(*op));
    op->port = port;
    op->id = id;
    if (copy) {
        memcpy(op->own_id, id.at, id.length);
        op->id.at = op->own_id;
    }
    op->deadline_us = INT64_MAX;
    TAILQ_INSERT_TAIL(&port->ops, op, link);
    return op;
}

void redis_op_destroy(struct redis_op *op)
{
    TAILQ_REMOVE(&op->port->ops, op, link);
    text_finish(&op->stats);
    text_finish(&op->details);
    free(op);
}

void redis_touch(struct redis_op *op)
{
    struct redis_port *port = op->port;
    int64_t timeout_us = redis_of(port)->settings.timeout * 1000;

    op->deadline_us = redis_now_us() + timeout_us;
    TAILQ_REMOVE(&port->ops, op, link);
    TAILQ_INSERT_TAIL(&port->ops, op, link);
    if (!evtimer_pending(port->watchdog, NULL))
        add_timer(port->watchdog, timeout_us);
}

bool redis_send(struct redis_op *op, enum redis_command command, const struct bytes *arguments,
                redisCallbackFn *fn)
{
    struct redis_port *port = op->port;

    if (!port->link)
        return false;
    if (redis_write(redis_of(port), command, arguments, &port->out) &&
        redisAsyncFormattedCommand(port->link, fn, op, port->out.bytes, port->out.length) ==
            REDIS_OK) {
        redis_touch(op);
        return true;
    }
    redis_link_drop(port, "no memory for a command");
    return false;
}

bool redis_send_words(struct redis_op *op, size_t count, const char **words, const size_t *lengths,
                      redisCallbackFn *fn)
{
    struct redis_port *port = op->port;

    if (!port->link)
        return false;
    if (redisAsyncCommandArgv(port->link, fn, op, (int)count, words, lengths) == REDIS_OK) {
        redis_touch(op);
        return true;
    }
    redis_link_drop(port, "no memory for a command");
    return false;
}

/* ---- the end of a connection ---- */

static void schedule_again(struct redis_port *port)
{
    int64_t wait_us = (int64_t)port->backoff_ms * 1000;

    /* Between half of it and all, so that ports and replicas do not come all at once. */
    wait_us =
        wait_us / 2 + (int64_t)(rng_draw(port->chance, port->draws++) % (uint64_t)wait_us) / 2;
    port->backoff_ms =
        port->backoff_ms * 2 > BACKOFF_MOST_MS ? BACKOFF_MOST_MS : port->backoff_ms * 2;
    add_timer(port->again, wait_us);
}

/* The port has no connection any more; what becomes of hiredis's is the caller's business. */
static void lose(struct redis_port *port, const char *why)
{
    struct redis *redis = redis_of(port);

    if (port->state == LINK_UP) {
        atomic_fetch_sub(&redis->up, 1);
        if (redis_now_us() - port->up_us >= STOOD_US)
            port->backoff_ms = BACKOFF_LEAST_MS;
    }
    port->link = NULL;
    port->state = LINK_AWAY;
    port->claiming = port->loading = false;
    atomic_store(&port->counts.current, false);
    if (port->detaching)
        return;
    if (!atomic_exchange(&redis->away, true))
        log_line(VTS_WARNING, "redis",
                 "Redis at %s is away (%s): what needs it is answered 503 until it is back",
                 redis->server.where, *why ? why : "the connection ended");
    schedule_again(port);
}

void redis_link_ended(const struct redisAsyncContext *link)
{
    struct redis_port *port = link->data;

    if (port->link == link)
        lose(port, port->unasked ? "an answer that nobody asked for" : link->c.errstr);
}

void redis_link_drop(struct redis_port *port, const char *why)
{
    struct redisAsyncContext *link = port->link;

    if (!link)
        return;
    lose(port, why);
    redisAsyncFree(link);
}

static void on_connect(const struct redisAsyncContext *link, int status)
{
    if (status != REDIS_OK)
        redis_link_ended(link);
}

static void on_disconnect(const struct redisAsyncContext *link, int status)
{
    (void)status;
    redis_link_ended(link);
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
    struct redis_port *port = arg;
    const struct redis_op *first = TAILQ_FIRST(&port->ops);
    int64_t left;
    char why[64];

    (void)fd;
    (void)what;
    if (!first || first->deadline_us == INT64_MAX)
        return;
    left = first->deadline_us - redis_now_us();
    if (left > 0) {
        add_timer(port->watchdog, left);
        return;
    }
    snprintf(why, sizeof(why), "no answer within %lld ms",
             (long long)redis_of(port)->settings.timeout);
    redis_link_drop(port, why);
}

/* ---- its beginning ---- */

/* What is wrong is told when it is new, not at each attempt. Loading its data is nothing wrong. */
static void greeting_failed(struct redis_port *port, const struct vts_error *error)
{
    const char *why = error->message;

    if (error->code != VTS_ERR_BUSY && strncmp(port->reason, why, sizeof(port->reason) - 1) != 0) {
        snprintf(port->reason, sizeof(port->reason), "%s", why);
        log_line(VTS_ERROR, "redis", "%s", why);
    }
    redis_link_drop(port, why);
}

static void link_up(struct redis_port *port)
{
    struct redis *redis = redis_of(port);

    port->state = LINK_UP;
    port->up_us = redis_now_us();
    port->reason[0] = '\0';
    if (atomic_fetch_add(&redis->up, 1) + 1 == atomic_load(&redis->attached) &&
        atomic_exchange(&redis->away, false))
        log_line(VTS_INFO, "redis", "Redis at %s is back", redis->server.where);
    redis_tick(port);
}

static void on_greeting(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_port *port = link->data;
    struct redis *redis = redis_of(port);
    const redisReply *reply = answer;
    size_t step = (size_t)(uintptr_t)arg;
    bool last = step + 1 == REDIS_STEPS;
    struct vts_error error;

    if (!reply) {
        redis_link_ended(link);
    } else if (port->link == link) {
        if (!redis_greeting_check(redis, step, reply, &error)) {
            greeting_failed(port, &error);
        } else {
            if (step == REDIS_STEP_COUNT)
                redis_publish(port, reply->element[0]);
            if (last)
                link_up(port);
        }
    }
    if (last && port->greeting) {
        redis_op_destroy(port->greeting);
        port->greeting = NULL;
    }
}

static bool send_words(struct redis_port *port, size_t step, redisCallbackFn *fn)
{
    struct redis_words words;

    redis_greeting_words(port, step, &words);
    return redisAsyncCommandArgv(port->link, fn, (void *)(uintptr_t)step, words.count, words.at,
                                 words.length) == REDIS_OK;
}

static bool greet(struct redis_port *port)
{
    const struct redis *redis = redis_of(port);
    const struct bytes none = {"", 0};
    size_t step = redis_greeting_first(redis);

    port->greeting = redis_op_create(port, none, false);
    if (!port->greeting)
        return false;
    for (; step < REDIS_STEPS; step++)
        if (!send_words(port, step, on_greeting)) {
            redis_op_destroy(port->greeting);
            port->greeting = NULL;
            return false;
        }
    redis_touch(port->greeting);
    return true;
}

static void connect_link(struct redis_port *port, enum redis_link_state state)
{
    const struct redis *redis = redis_of(port);
    struct redisAsyncContext *link = redisAsyncConnect(redis->server.host, redis->server.port);

    if (!link || link->err || redisLibeventAttach(link, port->loop) != REDIS_OK) {
        if (link)
            redisAsyncFree(link);
        schedule_again(port);
        return;
    }
    redisEnableKeepAlive(&link->c);
    link->data = port;
    redis_reader_guard(port, link);
    port->born[0] = '\0';
    memset(port->kept, 0, sizeof(port->kept));
    port->emptied = false;
    port->link = link;
    port->state = state;
    redisAsyncSetConnectCallback(link, on_connect);
    redisAsyncSetDisconnectCallback(link, on_disconnect);
    if (!greet(port))
        redis_link_drop(port, "no memory for a greeting");
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    connect_link(arg, LINK_GREETING);
}

/* Clients wait for it, so it is written at once: hiredis would wait for another round of the loop. Not inside of
 * a callback of hiredis's, which could not bear the connection to end. */
static void on_flush(evutil_socket_t fd, short what, void *arg)
{
    struct redis_port *port = arg;

    (void)fd;
    (void)what;
    redis_flush(port);
    if (port->state == LINK_UP)
        redisAsyncHandleWrite(port->link);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    redis_tick(arg);
}

bool redis_link_attach(struct redis_port *port, struct event_base *loop)
{
    port->loop = loop;
    port->detaching = false;
    port->backoff_ms = BACKOFF_LEAST_MS;
    port->watchdog = evtimer_new(loop, on_watchdog, port);
    port->again = evtimer_new(loop, on_again, port);
    port->tick = evtimer_new(loop, on_tick, port);
    port->flush = evtimer_new(loop, on_flush, port);
    atomic_fetch_add(&redis_of(port)->attached, 1);
    if (!port->watchdog || !port->again || !port->tick || !port->flush) {
        redis_link_detach(port);
        return false;
    }
    connect_link(port, LINK_FIRST);
    return true;
}

/* What still waits is its caller's to forget: the callbacks come, and see `detaching`. */
void redis_link_detach(struct redis_port *port)
{
    struct event **timers[] = {&port->watchdog, &port->again, &port->tick, &port->flush};
    struct redis_op *op, *next;
    size_t i;

    if (!port->loop)
        return;
    port->detaching = true;
    redis_link_drop(port, "");
    for (op = TAILQ_FIRST(&port->ops); op; op = next) {
        next = TAILQ_NEXT(op, link);
        redis_op_destroy(op);
    }
    port->greeting = NULL;
    port->noted.first = NULL;
    text_reset(&port->notes);
    redis_fold_forget(port);
    for (i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
        if (*timers[i])
            event_free(*timers[i]);
        *timers[i] = NULL;
    }
    atomic_fetch_sub(&redis_of(port)->attached, 1);
    port->loop = NULL;
}

/* ---- answers that say no ---- */

void redis_refused(struct redis_port *port, const redisReply *reply)
{
    struct redis *redis = redis_of(port);
    const char *says = reply->type == REDIS_REPLY_ERROR ? reply->str : "an answer of another kind";
    const char *end = strstr(says, " script: "); /* where in it is of no use to a reader */
    char why[200];

    if (redis_no_script(reply))
        return;
    snprintf(why, sizeof(why), "%.*s", end ? (int)(end - says) : (int)strlen(says), says);
    /* It is loading, or was made a replica: another connection may reach one that can. */
    if (strncmp(says, "LOADING", 7) == 0 || strncmp(says, "READONLY", 8) == 0 ||
        strncmp(says, "NOAUTH", 6) == 0) {
        redis_link_drop(port, why);
        return;
    }
    atomic_store(&redis->refused_us, redis_now_us());
    if (!atomic_exchange(&redis->refusing, true))
        log_line(VTS_ERROR, "redis",
                 "Redis at %s refuses: %s; what needs it is answered 503 until it does not",
                 redis->server.where, why);
}

void redis_accepted(struct redis_port *port)
{
    struct redis *redis = redis_of(port);

    if (atomic_load_explicit(&redis->refusing, memory_order_relaxed) &&
        atomic_exchange(&redis->refusing, false))
        log_line(VTS_INFO, "redis", "Redis at %s takes changes again", redis->server.where);
}

static void on_reload(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_port *port = link->data;
    size_t step = (size_t)(uintptr_t)arg;
    struct vts_error error;

    if (!answer)
        redis_link_ended(link);
    else if (port->link == link && !redis_greeting_check(redis_of(port), step, answer, &error))
        greeting_failed(port, &error);
    if (port->link == link)
        port->loading = false;
}

void redis_reload(struct redis_port *port)
{
    size_t step;

    if (port->loading || !port->link)
        return;
    port->loading = true;
    for (step = REDIS_STEP_SCRIPTS; step < REDIS_STEP_TYPES; step++)
        if (!send_words(port, step, on_reload)) {
            redis_link_drop(port, "no memory for a command");
            return;
        }
}
