/* SPDX-License-Identifier: MIT
 *
 * What is done with one record: read, let the caller (or who carries out what is due) at it, and put what
 * changed with a compare-and-set. Another's change in between comes back with the refusal, and it is
 * let at that one. Polls are counted before the record is read, and not again.
 *
 * A record names its instance. One that another vtsimd started with settings of its own is fetched
 * before the record is touched, and the record read again. */
#include <stdlib.h>

#include "../base/log.h"
#include "../base/rng.h"
#include "redis.h"

#define TRIES_MOST 1000 /* each means that somebody else got on */
#define MISSING_US 10000000
#define VALUE_KEPT ((size_t)64 * 1024) /* memory that a port keeps for the next record */

static void on_record(struct redisAsyncContext *link, void *answer, void *arg);
static void on_put(struct redisAsyncContext *link, void *answer, void *arg);
static void on_instance(struct redisAsyncContext *link, void *answer, void *arg);

void redis_finish(struct redis_op *op, enum vts_err err)
{
    struct store_call *call = op->call;
    struct store_list *list = op->list;
    bool tell = !op->port->detaching;

    if (tell && list) {
        list->err = err;
        list->done(list); /* which may read what the op has */
    }
    redis_op_destroy(op);
    if (!tell || !call)
        return;
    call->err = err;
    call->done(call);
}

/* Sends, or ends it. */
static void send_or_finish(struct redis_op *op, enum redis_command command,
                           const struct bytes *arguments, redisCallbackFn *fn)
{
    if (!redis_send(op, command, arguments, fn))
        redis_finish(op, VTS_ERR_BUSY);
}

static void read_again(struct redis_op *op)
{
    if (++op->tries > TRIES_MOST)
        redis_finish(op, VTS_ERR_BUSY);
    else
        send_or_finish(op, COMMAND_GET, &op->id, on_record);
}

/* Sees to an answer that cannot be used; the op is then as good as gone. */
static bool usable(struct redis_op *op, struct redisAsyncContext *link, const redisReply *reply,
                   int type)
{
    if (reply &&
        (reply->type == type || (type == REDIS_REPLY_STRING && reply->type == REDIS_REPLY_NIL)))
        return true;
    if (!reply) {
        redis_link_ended(link);
    } else if (redis_no_script(reply)) {
        redis_reload(op->port);
        read_again(op);
        return false;
    } else {
        redis_refused(op->port, reply);
    }
    redis_finish(op, VTS_ERR_BUSY);
    return false;
}

/* ---- records ---- */

const struct record *redis_record(const char *value, size_t length, struct bytes id)
{
    const struct record *record = (const struct record *)(const void *)(value + REDIS_STAMP);
    struct job job;

    /* hiredis's strings come from malloc, so the record is aligned behind the stamp. */
    if (length < REDIS_STAMP || !record_read(record, length - REDIS_STAMP, &job) ||
        record->id_length != id.length || memcmp(record->id, id.at, id.length) != 0)
        return NULL;
    return record;
}

void redis_tell_strange(struct redis_port *port, struct bytes id)
{
    uint64_t hash = rng_hash(id.at, id.length, 1) | 1, *told = &port->told[hash / 2 % REDIS_TOLD];

    if (*told == hash)
        return;
    *told = hash;
    log_line(
        VTS_ERROR, "redis",
        "the record of job %.*s at %s cannot be understood: the job is answered 503, the others "
        "are served",
        (int)id.length, id.at, redis_of(port)->server.where);
}

/* ---- instances of others ---- */

enum redis_held redis_instance_hold(struct redis_port *port, uint64_t instance)
{
    const struct store_options *options = &redis_of(port)->options;
    size_t slot = instance % REDIS_TOLD;

    if (!options->hold)
        return HELD_IN_VAIN;
    if (options->hold(options->arg, port->index, instance))
        return HELD;
    return port->missing[slot] == instance && port->missing_us[slot] > redis_now_us() ? HELD_IN_VAIN
                                                                                      : NOT_HELD;
}

void redis_instance_release(struct redis_port *port, uint64_t instance, enum redis_held held)
{
    const struct store_options *options = &redis_of(port)->options;

    if (held == HELD)
        options->release(options->arg, port->index, instance);
}

void redis_instance_found(struct redis_port *port, uint64_t instance, const redisReply *reply)
{
    const struct store_options *options = &redis_of(port)->options;
    size_t slot = instance % REDIS_TOLD;

    if (reply->type == REDIS_REPLY_STRING &&
        options->learn(options->arg, instance, (struct bytes){reply->str, (size_t)reply->len}))
        return;
    port->missing[slot] = instance;
    port->missing_us[slot] = redis_now_us() + MISSING_US;
}

bool redis_instance_fetch(struct redis_op *op, uint64_t instance, redisCallbackFn *fn)
{
    char field[17];

    snprintf(field, sizeof(field), "%016llx", (unsigned long long)instance);
    op->wanted = instance;
    return redis_send(op, COMMAND_INSTANCE, &(struct bytes){field, 16}, fn);
}

static void on_instance(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_op *op = arg;

    if (!usable(op, link, answer, REDIS_REPLY_STRING))
        return;
    redis_instance_found(op->port, op->wanted, answer);
    read_again(op);
}

/* ---- the record's turn ---- */

static uint64_t *kept_slot(struct redis_port *port, uint64_t instance)
{
    return &port->kept[instance % REDIS_KEPT];
}

/* The instance that a call's record names goes with it, unless it was there the last time. */
static void add_instance(const struct redis_op *op, struct bytes arguments[2], char most[24])
{
    const struct store_options *options = &redis_of(op->port)->options;
    const struct store_call *call = op->call;
    uint64_t limit;

    arguments[0] = arguments[1] = (struct bytes){"", 0};
    if (!call || !call->instance_text.at)
        return;
    limit = call->instance_limited ? options->max_instances : UINT64_C(1) << 52;
    arguments[1] =
        (struct bytes){most, (size_t)snprintf(most, 24, "%llu", (unsigned long long)limit)};
    if (op->sure || *kept_slot(op->port, call->instance) != call->instance)
        arguments[0] = call->instance_text;
}

static void put(struct redis_op *op, const struct text *next, bool fresh)
{
    struct redis_port *port = op->port;
    const struct redis *redis = redis_of(port);
    const struct record *record = (const struct record *)(const void *)next->bytes;
    vts_ms due = record_due(record, redis->options.keep_ended);
    uint64_t stamp = rng_draw(port->chance, port->draws++);
    char moment[24], most[24], instances[24];
    struct bytes arguments[10] = {op->id, {op->stamp, op->there ? REDIS_STAMP : 0}};

    text_reset(&port->value);
    text_add(&port->value, &stamp, REDIS_STAMP);
    text_add(&port->value, next->bytes, next->length);
    if (port->value.failed) {
        text_finish(&port->value);
        redis_finish(op, VTS_ERR_MEMORY);
        return;
    }
    arguments[2] = (struct bytes){port->value.bytes, port->value.length};
    arguments[3].at = moment;
    if (due != RECORD_NEVER)
        arguments[3].length = (size_t)snprintf(moment, sizeof(moment), "%lld", (long long)due);
    arguments[4].at = most;
    arguments[4].length = (size_t)snprintf(most, sizeof(most), "%llu",
                                           (unsigned long long)redis->options.max_records);
    arguments[5] = (struct bytes){fresh ? "1" : "0", 1};
    add_instance(op, arguments + 6, instances);
    arguments[8] = (struct bytes){port->entry.bytes, port->entry.length};
    arguments[9] = (struct bytes){port->gone.bytes, port->gone.length};
    op->due = due;
    send_or_finish(op, COMMAND_PUT, arguments, on_put);
    if (port->value.room > VALUE_KEPT) {
        text_finish(&port->value);
        text_finish(&port->out);
    }
}

/* What goes with a change: what fn noted of a record that is put, and what is left of one that goes. */
static bool make_entries(struct redis_op *op, enum record_act act, const struct record *goes,
                         bool expired, vts_ms now)
{
    const struct store_call *call = op->call;
    struct redis_port *port = op->port;

    text_reset(&port->entry);
    text_reset(&port->gone);
    if (act == RECORD_PUT && call && call->note.length > 0)
        redis_entry_add(&port->entry, ENTRY_NOTE, op->id, call->note);
    if (goes && redis_of(port)->options.fold)
        redis_entry_gone(&port->gone, expired, goes, now);
    return !port->entry.failed && !port->gone.failed;
}

/* `goes`: the record that the change ends. */
static void carry_out(struct redis_op *op, enum record_act act, const struct record *goes,
                      bool expired, vts_ms now)
{
    const struct store_call *call = op->call;
    struct redis_port *port = op->port;
    struct bytes drop[3] = {op->id, {op->stamp, REDIS_STAMP}};

    if (!make_entries(op, act, goes, expired, now)) {
        text_finish(&port->entry);
        text_finish(&port->gone);
        redis_finish(op, VTS_ERR_MEMORY);
    } else if (act == RECORD_PUT) {
        put(op, &port->next, goes != NULL);
    } else if (act == RECORD_DROP && op->there) {
        drop[2] = (struct bytes){port->gone.bytes, port->gone.length};
        send_or_finish(op, COMMAND_DROP, drop, on_put);
    } else if (call && call->note.length > 0) {
        redis_note(op, op->there ? op->id : (struct bytes){"", 0}, call->note);
    } else {
        redis_finish(op, VTS_OK);
    }
}

static void on_placed(struct redisAsyncContext *link, void *answer, void *arg)
{
    if (usable(arg, link, answer, REDIS_REPLY_INTEGER))
        redis_finish(arg, VTS_OK);
}

/* A record that was claimed as due. */
static void move_due(struct redis_op *op, const struct record *record)
{
    struct redis_port *port = op->port;
    const struct store_options *options = &redis_of(port)->options;
    vts_ms now = clock_now(options->clock), due;
    struct bytes place[3] = {op->id, {op->stamp, REDIS_STAMP}};
    enum record_act act;
    char moment[24];

    if (!record) {
        redis_finish(op, VTS_OK);
        return;
    }
    due = record_due(record, options->keep_ended);
    if (record_expired(record, options->keep_ended, now)) {
        carry_out(op, RECORD_DROP, record, true, now);
    } else if (due > now) {
        /* By whoever put it it was due earlier: he keeps ended jobs for a shorter time. */
        if (due == RECORD_NEVER)
            due = VTS_TIME_END;
        place[2].at = moment;
        place[2].length = (size_t)snprintf(moment, sizeof(moment), "%lld", (long long)due);
        send_or_finish(op, COMMAND_PLACE, place, on_placed);
    } else {
        /* One that is left as it is comes again when the lease is over. */
        now = now > record->last_at ? now : record->last_at;
        act = options->due(options->arg, port->index, record, &port->next, now);
        carry_out(op, act, act == RECORD_DROP ? record : NULL, false, now);
    }
}

/* Copies of what is kept beside the record, where they are wanted. */
static void give_stats(struct redis_op *op, bool there)
{
    const struct redis *redis = redis_of(op->port);
    struct store_call *call = op->call;

    call->stats = NULL;
    call->details = (struct bytes){NULL, 0};
    if (!call->want_stats || redis->options.stats_size == 0)
        return;
    call->stats =
        there && op->stats.length >= redis->options.stats_size ? op->stats.bytes : redis->nothing;
    if (there && op->detailed)
        call->details =
            (struct bytes){op->details.bytes ? op->details.bytes : "", op->details.length};
}

static void move_call(struct redis_op *op, const struct record *record)
{
    const struct store_options *options = &redis_of(op->port)->options;
    struct store_call *call = op->call;
    enum record_act act;
    bool expired;

    call->note = (struct bytes){NULL, 0};
    call->now = clock_now(options->clock);
    if (record && record->last_at > call->now)
        call->now = record->last_at;
    expired = record && record_expired(record, options->keep_ended, call->now);
    call->polls = record && !expired ? op->polls : 0;
    give_stats(op, record && !expired);
    act = call->fn(call, record && !expired ? record : NULL, &op->port->next);
    carry_out(op, act, expired || act == RECORD_DROP ? record : NULL, expired, call->now);
}

static void move(struct redis_op *op, const char *value, size_t length)
{
    const struct record *record = value ? redis_record(value, length, op->id) : NULL;
    uint64_t instance = record ? record->instance : 0;
    enum redis_held held = HELD_IN_VAIN;
    struct redis_port *port = op->port;

    if (value && !record) {
        redis_tell_strange(op->port, op->id);
        redis_finish(op, VTS_ERR_DAMAGED);
        return;
    }
    if (record)
        held = redis_instance_hold(op->port, instance);
    if (held == NOT_HELD) {
        if (!redis_instance_fetch(op, instance, on_instance))
            redis_finish(op, VTS_ERR_BUSY);
        return;
    }
    op->there = record != NULL;
    if (record)
        memcpy(op->stamp, value, REDIS_STAMP);
    if (op->call)
        move_call(op, record);
    else
        move_due(op, record);
    redis_instance_release(port, instance, held);
}

/* ---- answers ---- */

/* The text of the call's instance is there now. */
static void note_kept(struct redis_op *op)
{
    if (op->call && op->call->instance_text.at)
        *kept_slot(op->port, op->call->instance) = op->call->instance;
}

/* {1, counts}: done; {0, the record that is there now}: another came first; {2}: as many records as allowed;
 * {3}: the instance's text should be there, and is not; {4}: as many instances as allowed. */
static void on_put(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_op *op = arg;
    struct redis_port *port = op->port;
    const redisReply *reply = answer, *more;
    long long what;

    if (!usable(op, link, reply, REDIS_REPLY_ARRAY))
        return;
    what = reply->elements > 0 ? reply->element[0]->integer : -1;
    more = reply->elements > 1 ? reply->element[1] : NULL;
    if (what == 1 && more) {
        redis_publish(port, more);
        redis_accepted(port);
        if (op->due != RECORD_NEVER)
            redis_plan(port, op->due);
        note_kept(op);
        redis_finish(op, VTS_OK);
    } else if (what == 3 && !op->sure) {
        op->sure = true;
        read_again(op);
    } else if (what == 0 && ++op->tries <= TRIES_MOST) {
        if (more && more->type == REDIS_REPLY_STRING)
            move(op, more->str, (size_t)more->len);
        else
            move(op, NULL, 0);
    } else {
        if (op->call)
            op->call->instance_refused = what == 4;
        redis_finish(op, what == 2 || what == 4 ? VTS_ERR_LIMIT : VTS_ERR_BUSY);
    }
}

static void on_polls(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_op *op = arg;
    const redisReply *reply = answer;

    /* The op is seen to when the record's answer comes, which is behind this one. */
    if (!reply) {
        redis_link_ended(link);
    } else if (reply->type == REDIS_REPLY_STRING) {
        op->polls = redis_polls(reply);
    } else if (reply->type == REDIS_REPLY_NIL) {
        op->poll_missed = op->call->is_poll;
    } else {
        op->refused = true;
        redis_refused(op->port, reply);
    }
}

/* The poll of a job that was not there when it was counted and is now; or somebody took its count away. */
static bool count_again(struct redis_op *op, const redisReply *reply)
{
    const struct record *record;

    if (!op->poll_missed || reply->type != REDIS_REPLY_STRING)
        return false;
    record = redis_record(reply->str, (size_t)reply->len, op->id);
    if (!record || record->state == VTS_ASKED)
        return false;
    op->poll_missed = false;
    if (!redis_send(op, op->tries++ ? COMMAND_POLL_ANYHOW : COMMAND_POLL, &op->id, on_polls)) {
        redis_finish(op, VTS_ERR_BUSY);
        return true;
    }
    send_or_finish(op, COMMAND_GET, &op->id, on_record);
    return true;
}

static void on_record(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_op *op = arg;
    const redisReply *reply = answer;

    if (!usable(op, link, reply, REDIS_REPLY_STRING))
        return;
    if (op->refused)
        redis_finish(op, VTS_ERR_BUSY);
    else if (!count_again(op, reply))
        move(op, reply->type == REDIS_REPLY_STRING ? reply->str : NULL, (size_t)reply->len);
}

/* What is kept beside the record: the first of two answers is its statistics. */
static void on_kept(struct redisAsyncContext *link, struct redis_op *op, const redisReply *reply,
                    struct text *copy)
{
    if (!reply) {
        redis_link_ended(link);
    } else if (reply->type == REDIS_REPLY_STRING) {
        text_reset(copy);
        text_add(copy, reply->str, (size_t)reply->len);
        op->refused |= copy->failed;
    } else if (reply->type != REDIS_REPLY_NIL) {
        op->refused = true;
        redis_refused(op->port, reply);
    }
}

static void on_stats(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_op *op = arg;

    on_kept(link, op, answer, &op->stats);
}

static void on_details(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_op *op = arg;
    const redisReply *reply = answer;

    on_kept(link, op, reply, &op->details);
    op->detailed = reply && reply->type == REDIS_REPLY_STRING;
}

/* ---- the door ---- */

static bool ask_kept(struct redis_op *op)
{
    return !op->call->want_stats || (redis_send(op, COMMAND_STATS, &op->id, on_stats) &&
                                     redis_send(op, COMMAND_DETAILS, &op->id, on_details));
}

static void ask(struct redis_op *op)
{
    if (redis_send(op, op->call->is_poll ? COMMAND_POLL : COMMAND_POLLS, &op->id, on_polls) &&
        ask_kept(op))
        send_or_finish(op, COMMAND_GET, &op->id, on_record);
    else
        redis_finish(op, VTS_ERR_BUSY);
}

void redis_update(struct store_port *base, struct store_call *call)
{
    struct redis_port *port = (struct redis_port *)base;
    struct redis_op *op = NULL;

    call->polls = 0;
    call->instance_refused = false;
    if (redis_link_open(port)) {
        op = redis_op_create(port, call->id, false);
        if (!op) {
            call->err = VTS_ERR_MEMORY;
            call->done(call);
            return;
        }
    }
    if (!op) {
        call->err = VTS_ERR_BUSY;
        call->done(call);
        return;
    }
    op->call = call;
    op->then = ask;
    if (call->want_stats)
        redis_fold_first(op);
    else
        ask(op);
}

void redis_move_due(struct redis_port *port, struct bytes id, const char *value, size_t length)
{
    struct redis_op *op = redis_op_create(port, id, true);

    if (op)
        move(op, value, length);
}
