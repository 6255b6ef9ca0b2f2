/* SPDX-License-Identifier: MIT
 *
 * Listings: by id, in the order of the bytes. Each page is one script, so that Redis is never held up for
 * long, and goes on where the last one ended. */
#include "../base/rng.h"
#include "redis.h"

#include <stdlib.h>

#define PAGE_MOST 256
#define ROW       5 /* id, record, polls, statistics, details (nil where none are kept) */

static void on_page(struct redisAsyncContext *link, void *answer, void *arg);

static void ask(struct redis_op *op)
{
    const struct store_list *list = op->list;
    size_t most = list->scan - op->seen < list->limit - op->taken ? list->scan - op->seen
                                                                  : list->limit - op->taken;
    char from[RECORD_ID_MAX + 2] = "-", count[24];
    struct bytes arguments[3] = {{from, 1}, {count, 0}, {list->want_stats ? "1" : "0", 1}};

    if (list->after_length > 0) {
        from[0] = '(';
        memcpy(from + 1, list->after, list->after_length);
        arguments[0].length = list->after_length + 1;
    }
    /* One more tells whether there is one. */
    most = most < PAGE_MOST ? most + 1 : PAGE_MOST;
    arguments[1].length = (size_t)snprintf(count, sizeof(count), "%zu", most);
    if (!redis_send(op, COMMAND_PAGE, arguments, on_page))
        redis_finish(op, VTS_ERR_BUSY);
}

static bool usable(struct redis_op *op, struct redisAsyncContext *link, const redisReply *reply)
{
    if (!reply) {
        redis_link_ended(link);
    } else if (redis_no_script(reply) && op->tries++ < 10) {
        redis_reload(op->port);
        ask(op);
        return false;
    } else {
        redis_refused(op->port, reply);
    }
    redis_finish(op, VTS_ERR_BUSY);
    return false;
}

/* ---- rows ---- */

static const struct record *record_of(const redisReply *rows, size_t row)
{
    const redisReply *id = rows->element[row], *value = rows->element[row + 1];

    return redis_record(value->str, (size_t)value->len, (struct bytes){id->str, (size_t)id->len});
}

static void on_instance(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_op *op = arg;
    const redisReply *reply = answer;

    if (!reply || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_NIL)) {
        usable(op, link, reply);
        return;
    }
    redis_instance_found(op->port, op->wanted, reply);
    ask(op);
}

/* What is kept beside the record; hiredis's strings come from malloc, so it is aligned. */
static void take_stats(struct redis_op *op, const redisReply *rows, size_t row)
{
    const redisReply *stats = rows->element[row + 3], *details = rows->element[row + 4];
    size_t size = redis_of(op->port)->options.stats_size;
    struct store_list *list = op->list;

    if (!list->want_stats || size == 0)
        return;
    list->stats = (size_t)stats->len >= size ? stats->str : redis_of(op->port)->nothing;
    list->details = (struct bytes){NULL, 0};
    if (details->type == REDIS_REPLY_STRING)
        list->details = (struct bytes){details->str, (size_t)details->len};
}

static void tell_row(struct redis_op *op, const redisReply *rows, size_t row,
                     const struct record *record)
{
    const struct store_options *options = &redis_of(op->port)->options;
    const redisReply *id = rows->element[row];
    struct store_list *list = op->list;
    uint64_t polls = redis_polls(rows->element[row + 2]);
    vts_ms now = clock_now(options->clock);

    memcpy(list->after, id->str, (size_t)id->len);
    list->after[id->len] = '\0';
    list->after_length = (size_t)id->len;
    op->seen++;
    if (!record) {
        /* One that has just gone has no bytes at all. */
        if (rows->element[row + 1]->len > 0)
            redis_tell_strange(op->port, (struct bytes){id->str, (size_t)id->len});
        return;
    }
    if (record->last_at > now)
        now = record->last_at;
    take_stats(op, rows, row);
    if ((list->expired || !record_expired(record, options->keep_ended, now)) &&
        list->row(list, record, polls, now))
        op->taken++;
}

static bool is_full(const struct redis_op *op)
{
    return op->taken >= op->list->limit || op->seen >= op->list->scan;
}

/* Tells rows until the page is full, from *row on. False where it has to wait for an instance: what is left of
 * the page is asked for again then. */
static bool tell_rows(struct redis_op *op, const redisReply *rows, size_t *row)
{
    struct redis_port *port = op->port;
    const struct record *record;
    enum redis_held held;
    uint64_t instance;

    for (*row = 0; *row < rows->elements && !is_full(op); *row += ROW) {
        record = record_of(rows, *row);
        instance = record ? record->instance : 0;
        held = record ? redis_instance_hold(port, instance) : HELD_IN_VAIN;
        if (held == NOT_HELD) {
            if (!redis_instance_fetch(op, instance, on_instance))
                redis_finish(op, VTS_ERR_BUSY);
            return false;
        }
        tell_row(op, rows, *row, record);
        redis_instance_release(port, instance, held);
    }
    return true;
}

static bool is_page(const redisReply *reply)
{
    const redisReply *rows;
    size_t i;

    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[1]->type != REDIS_REPLY_ARRAY || reply->element[1]->elements % ROW != 0)
        return false;
    rows = reply->element[1];
    for (i = 0; i < rows->elements; i++)
        if ((rows->element[i]->type != REDIS_REPLY_STRING && i % ROW != 4) ||
            (i % ROW == 0 && (rows->element[i]->len < 1 || rows->element[i]->len > RECORD_ID_MAX)))
            return false;
    return true;
}

static void on_page(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_op *op = arg;
    const redisReply *reply = answer, *rows;
    struct store_list *list = op->list;
    size_t row;

    if (!is_page(reply)) {
        usable(op, link, reply);
        return;
    }
    rows = reply->element[1];
    if (op->port->detaching || !tell_rows(op, rows, &row))
        return;
    list->more = reply->element[0]->integer != 0 || row < rows->elements;
    if (list->more && !is_full(op))
        ask(op);
    else
        redis_finish(op, VTS_OK);
}

static void ask_folded(struct redis_op *op)
{
    /* It may be folded on meanwhile: the rows have what they have, and this is as it was before them. */
    text_reset(&op->details);
    text_add(&op->details, op->port->fold.summary.bytes, op->port->fold.summary.length);
    if (op->details.failed) {
        redis_finish(op, VTS_ERR_MEMORY);
        return;
    }
    op->list->summary = (struct bytes){op->details.bytes, op->details.length};
    ask(op);
}

void redis_list(struct store_port *base, struct store_list *list)
{
    struct redis_port *port = (struct redis_port *)base;
    const struct bytes none = {"", 0};
    struct redis_op *op = redis_link_open(port) ? redis_op_create(port, none, false) : NULL;

    list->more = false;
    if (!op) {
        list->err = redis_link_open(port) ? VTS_ERR_MEMORY : VTS_ERR_BUSY;
        list->done(list);
        return;
    }
    op->list = list;
    list->stats = NULL;
    list->details = list->summary = (struct bytes){NULL, 0};
    op->then = ask_folded;
    if (list->want_stats)
        redis_fold_first(op);
    else
        ask(op);
}
