/* SPDX-License-Identifier: MIT
 *
 * The Redis store, a module: records are in Redis, or in what speaks as it does, for any number of
 * vtsimds at once. See redis.h for what is kept there and which file does what. */
#include "redis.h"

#include <stdlib.h>
#include <sys/random.h>

#include "../base/log.h"

/* ---- counts ---- */

static uint64_t number_of(const redisReply *reply)
{
    long long number = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : 0;

    return number > 0 ? (uint64_t)number : 0;
}

/* Sees whether these are the data that the port was greeted at. */
static bool same_data(struct redis_port *port, const redisReply *born)
{
    const char *is = born->type == REDIS_REPLY_STRING ? born->str : "";

    if (!port->born[0])
        snprintf(port->born, sizeof(port->born), "%s", is);
    port->emptied = strcmp(is, port->born) != 0;
    return !port->emptied;
}

void redis_publish(struct redis_port *port, const redisReply *reply)
{
    struct redis_counts *counts = &port->counts;
    size_t state;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != VTS_CANCELLED + 3 ||
        !same_data(port, reply->element[VTS_CANCELLED + 2]))
        return;
    atomic_fetch_add(&counts->turn, 1);
    atomic_store(&counts->number, number_of(reply->element[0]));
    for (state = 0; state <= VTS_CANCELLED; state++)
        atomic_store(&counts->states[state], number_of(reply->element[state + 1]));
    atomic_fetch_add(&counts->turn, 1);
    atomic_store(&counts->current, true);
}

/* Takes a port's numbers where they are newer. */
static void take_newer(struct redis_counts *from, bool *current, uint64_t *number,
                       uint64_t counts[VTS_CANCELLED + 1])
{
    uint64_t states[VTS_CANCELLED + 1], at;
    uint32_t turn;
    bool stands;
    size_t state;

    do {
        turn = atomic_load(&from->turn);
        stands = atomic_load(&from->current);
        at = atomic_load(&from->number);
        for (state = 0; state <= VTS_CANCELLED; state++)
            states[state] = atomic_load(&from->states[state]);
    } while (turn % 2 != 0 || turn != atomic_load(&from->turn));
    if (stands < *current || (stands == *current && at < *number))
        return;
    *current = stands;
    *number = at;
    memcpy(counts, states, sizeof(states));
}

/* Own changes are in it at once; those of others come with the next look for what is due. */
static void redis_count(struct store *store, uint64_t counts[VTS_CANCELLED + 1])
{
    struct redis *redis = (struct redis *)store;
    bool current = false;
    uint64_t number = 0;
    size_t i;

    memset(counts, 0, (VTS_CANCELLED + 1) * sizeof(counts[0]));
    for (i = 0; i < redis->options.ports; i++)
        take_newer(&redis->ports[i].counts, &current, &number, counts);
}

/* A refusal is forgotten when a change is taken, and after a while when none was tried: who asks for the
 * state so as to send its clients elsewhere would else never find out that they could come back. */
static enum store_state redis_state(struct store *store)
{
    struct redis *redis = (struct redis *)store;

    if (atomic_load(&redis->away))
        return STORE_AWAY;
    return atomic_load(&redis->refusing) &&
                   redis_now_us() - atomic_load(&redis->refused_us) < REDIS_REFUSAL_US
               ? STORE_FAILING
               : STORE_OK;
}

/* ---- instances ---- */

static bool redis_each_instance(struct store *store, store_instance_fn *fn, void *arg,
                                struct vts_error *error)
{
    struct redis *redis = (struct redis *)store;
    const char *words[2] = {"HGETALL", redis->keys[KEY_INSTANCES].bytes};
    size_t lengths[2] = {7, redis->keys[KEY_INSTANCES].length}, i;
    redisReply *reply = redisCommandArgv(redis->start, 2, words, lengths);
    const redisReply *field, *text;
    char *end;

    if (!reply || reply->type != REDIS_REPLY_ARRAY) {
        vts_error_set(error, VTS_ERR_IO, "Redis at %s cannot tell the behaviours: %s",
                      redis->server.where,
                      !reply                             ? redis->start->errstr
                      : reply->type == REDIS_REPLY_ERROR ? reply->str
                                                         : "an answer of another kind");
        freeReplyObject(reply);
        return false;
    }
    for (i = 0; i + 1 < reply->elements; i += 2) {
        field = reply->element[i];
        text = reply->element[i + 1];
        if (field->len == 16 && text->type == REDIS_REPLY_STRING)
            fn(arg, strtoull(field->str, &end, 16), (struct bytes){text->str, (size_t)text->len});
    }
    freeReplyObject(reply);
    return true;
}

/* ---- the store itself ---- */

static bool redis_attach(struct store_port *base, struct event_base *loop)
{
    struct redis *redis = (struct redis *)base->store;

    if (redis->start)
        redisFree(redis->start);
    redis->start = NULL;
    return redis_link_attach((struct redis_port *)base, loop);
}

static void redis_detach(struct store_port *base) { redis_link_detach((struct redis_port *)base); }

static struct store_port *redis_port(struct store *store, size_t index)
{
    return &((struct redis *)store)->ports[index].base;
}

static void redis_destroy(struct store *store)
{
    struct redis *redis = (struct redis *)store;
    size_t i;

    for (i = 0; redis->ports && i < redis->options.ports; i++) {
        redis_link_detach(&redis->ports[i]);
        text_finish(&redis->ports[i].next);
        text_finish(&redis->ports[i].out);
        text_finish(&redis->ports[i].value);
        text_finish(&redis->ports[i].entry);
        text_finish(&redis->ports[i].gone);
        text_finish(&redis->ports[i].notes);
        redis_fold_finish(&redis->ports[i]);
    }
    if (redis->start)
        redisFree(redis->start);
    redis_finish_commands(redis);
    explicit_bzero(&redis->server, sizeof(redis->server));
    free(redis->ports);
    free(redis->nothing);
    free(redis);
}

static const struct store_ops redis_ops = {
    .kind = "redis",
    .shared = true,
    .destroy = redis_destroy,
    .port = redis_port,
    .update = redis_update,
    .list = redis_list,
    .run_due = redis_run_due,
    .count = redis_count,
    .state = redis_state,
    .attach = redis_attach,
    .detach = redis_detach,
    .each_instance = redis_each_instance,
    .keep = redis_keep,
};

static bool make_ports(struct redis *redis, struct vts_error *error)
{
    struct redis_port *port;
    size_t i;

    redis->ports = calloc(redis->options.ports, sizeof(*redis->ports));
    redis->nothing = calloc(1, redis->options.stats_size + 1);
    if (!redis->ports || !redis->nothing)
        return vts_error_set(error, VTS_ERR_MEMORY, "no memory");
    for (i = 0; i < redis->options.ports; i++) {
        port = &redis->ports[i];
        port->base.store = &redis->base;
        port->index = i;
        TAILQ_INIT(&port->ops);
        /* Stamps must differ from all others' in the world, not only from our own. */
        if (getrandom(&port->chance, sizeof(port->chance), 0) != sizeof(port->chance))
            return vts_error_set(error, VTS_ERR_IO, "the system has no random bytes");
    }
    return true;
}

static bool prepare(struct redis *redis, struct vts_error *error)
{
    const uint16_t one = 1;

    snprintf(redis->fingerprint, sizeof(redis->fingerprint),
             "seed %llu, record format %d, layout %d, %s-endian",
             (unsigned long long)redis->options.seed, RECORD_FORMAT, REDIS_LAYOUT,
             *(const uint8_t *)&one ? "little" : "big");
    return redis_server_parse(&redis->server, redis->settings.url, error) &&
           make_ports(redis, error) &&
           (redis_make_keys(redis) || vts_error_set(error, VTS_ERR_MEMORY, "no memory")) &&
           redis_start(redis, error) &&
           (redis_make_heads(redis) || vts_error_set(error, VTS_ERR_MEMORY, "no memory"));
}

static bool redis_check(const void *settings, struct vts_error *error)
{
    struct redis_server server;
    bool good = redis_server_parse(&server, ((const struct redis_settings *)settings)->url, error);

    explicit_bzero(&server, sizeof(server));
    return good;
}

static struct store *redis_open(const struct store_options *options, const void *settings,
                                struct vts_error *error)
{
    struct redis *redis = calloc(1, sizeof(*redis));

    log_setup(options->log_level, (enum log_format)options->log_format);
    if (!redis) {
        vts_error_set(error, VTS_ERR_MEMORY, "no memory");
        return NULL;
    }
    redis->base.ops = &redis_ops;
    redis->options = *options;
    redis->settings = *(const struct redis_settings *)settings;
    if (prepare(redis, error))
        return &redis->base;
    redis_destroy(&redis->base);
    return NULL;
}

#define SETTINGS struct redis_settings

static const struct vts_option redis_options[] = {
    VTS_OPTION_(VTS_TEXT, const char *, SETTINGS, url, "redis://127.0.0.1:6379/0", 1, 8000, NULL,
                "where Redis is: redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]"),
    VTS_OPTION_(VTS_TEXT, const char *, SETTINGS, prefix, "vtsim:", 1, 200, NULL,
                "what the names of all keys begin with; vtsimds with the same serve the same jobs"),
    VTS_OPTION_TIME_BETWEEN(SETTINGS, timeout, "2s", 10, 60000,
                            "how long Redis may take to answer before it is given up"),
    VTS_OPTIONS_END};

VTS_EXPORT const struct store_module *redis_LTX_vts_store(void);
VTS_EXPORT const struct store_module *redis_LTX_vts_store(void)
{
    static const struct store_module module = {
        .version = STORE_VERSION,
        .name = "redis",
        .summary = "jobs in Redis, for several vtsimds at once",
        .options = redis_options,
        .settings_size = sizeof(struct redis_settings),
        .shared = true,
        .check = redis_check,
        .open = redis_open,
    };

    return &module;
}
