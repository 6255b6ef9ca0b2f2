/* SPDX-License-Identifier: MIT
 *
 * Keeping notes: what the calls of one round of a port's loop left goes to Redis as one element of a list, and
 * all of them wait for the one answer. What a note says is not known here. */
#include <event2/event.h>

#include "redis.h"

/* An element does not get much larger than this: a slice of them is read at once. */
#define ELEMENT_FULL 4096

/* ---- entries ---- */

void redis_entry_add(struct text *out, enum redis_entry what, struct bytes id, struct bytes bytes)
{
    const struct redis_entry_head head = {(uint8_t)what, (uint8_t)id.length,
                                          (uint16_t)bytes.length};

    text_add(out, &head, sizeof(head));
    text_add(out, id.at, id.length);
    text_add(out, bytes.at, bytes.length);
}

void redis_entry_gone(struct text *out, bool expired, const struct record *record, vts_ms now)
{
    const struct bytes id = {record->id, record->id_length};
    char bytes[sizeof(now) + offsetof(struct record, id)];

    memcpy(bytes, &now, sizeof(now));
    memcpy(bytes + sizeof(now), record, offsetof(struct record, id));
    redis_entry_add(out, expired ? ENTRY_EXPIRED : ENTRY_DROPPED, id,
                    (struct bytes){bytes, expired ? sizeof(bytes) : 0});
}

/* ---- on their way ---- */

static void finish_row(struct redis_op *op, enum vts_err err)
{
    struct redis_op *next;

    for (; op; op = next) {
        next = op->next;
        redis_finish(op, err);
    }
}

static void on_noted(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_op *op = arg;
    struct redis_port *port = op->port;
    const redisReply *reply = answer;
    enum vts_err err = VTS_ERR_BUSY;

    if (!reply) {
        redis_link_ended(link);
    } else if (reply->type == REDIS_REPLY_INTEGER) {
        redis_accepted(port);
        err = VTS_OK;
    } else {
        redis_refused(port, reply);
    }
    finish_row(op, err);
}

void redis_flush(struct redis_port *port)
{
    const struct bytes none = {"", 0}, notes = {port->notes.bytes, port->notes.length};
    struct redis_op *op = port->noted.first;
    bool sent;

    if (notes.length == 0)
        return;
    port->noted.first = NULL;
    if (!op)
        op = redis_op_create(port, none, false);
    sent = op && redis_send(op, COMMAND_NOTE, &notes, on_noted);
    text_reset(&port->notes);
    if (!sent)
        finish_row(op, VTS_ERR_BUSY);
}

/* Whoever waits for it has been put into the row before. False where there was no memory. */
static bool add(struct redis_port *port, struct bytes id, struct bytes note)
{
    if (!text_reserve(&port->notes,
                      sizeof(struct redis_entry_head) + id.length + note.length + 1)) {
        text_finish(&port->notes);
        return false;
    }
    redis_entry_add(&port->notes, ENTRY_NOTE, id, note);
    if (port->notes.length >= ELEMENT_FULL)
        redis_flush(port);
    else
        redis_flush_soon(port);
    return true;
}

void redis_note(struct redis_op *op, struct bytes id, struct bytes note)
{
    struct redis_port *port = op->port;

    redis_touch(op);
    redis_row_add(&port->noted, op);
    if (!add(port, id, note)) {
        op = port->noted.first;
        port->noted.first = NULL;
        finish_row(op, VTS_ERR_MEMORY);
    }
}

void redis_keep(struct store_port *base, struct store_call *call)
{
    struct redis_port *port = (struct redis_port *)base;
    struct redis_op *op;

    if (!call->done) {
        if (redis_link_open(port))
            add(port, call->id, call->note);
        return;
    }
    op = redis_link_open(port) ? redis_op_create(port, call->id, false) : NULL;
    if (!op) {
        call->err = redis_link_open(port) ? VTS_ERR_MEMORY : VTS_ERR_BUSY;
        call->done(call);
        return;
    }
    op->call = call;
    redis_note(op, call->id, call->note);
}
