/* SPDX-License-Identifier: MIT
 *
 * Claiming what is due. Every vtsimd looks for it a few times a second, and at the moments that it knows
 * of; whoever comes first moves what is due to the leased ones and carries it out. What is leased for
 * longer than a lease is anybody's again: its vtsimd died, was stopped, or could not move the record.
 * That two carry out the same wake does no harm, since only one's change is taken. */
#include <event2/event.h>
#include <stdlib.h>

#include "../base/rng.h"
#include "redis.h"

#define CLAIM_MOST    128
#define CLAIM_EACH_US 10000 /* not more often than this, however much is due soon */

static void claim(struct redis_port *port);

/* Lets `tick` go off so soon, unless it does before. */
static void tick_in(struct redis_port *port, int64_t wait_us)
{
    const struct timeval wait = {(time_t)(wait_us / 1000000), (suseconds_t)(wait_us % 1000000)};
    int64_t at = redis_now_us() + wait_us;

    if (evtimer_pending(port->tick, NULL) && port->tick_us <= at)
        return;
    port->tick_us = at;
    evtimer_add(port->tick, &wait);
}

/* A moment about then: all replicas know of the first that is due, and only one is needed. */
static int64_t jitter_us(struct redis_port *port, int64_t most_us)
{
    return (int64_t)(rng_draw(port->chance, port->draws++) % (uint64_t)(most_us + 1));
}

void redis_plan(struct redis_port *port, vts_ms moment)
{
    int64_t wait_us = clock_wait_us(redis_of(port)->options.clock, moment);

    if (wait_us >= 0 && wait_us < (int64_t)REDIS_TICK_MS * 1000)
        tick_in(port, wait_us > CLAIM_EACH_US ? wait_us : CLAIM_EACH_US);
}

static void claimed(struct redis_port *port, const redisReply *reply)
{
    const redisReply *first = reply->element[1], *pairs = reply->element[2];
    double moment;
    size_t i;

    redis_publish(port, reply->element[0]);
    if (port->emptied) {
        /* Fingerprint and instances went with it. What was claimed is another's when its lease is over. */
        redis_link_drop(port, "all that it had is gone");
        return;
    }
    for (i = 0; i + 1 < pairs->elements; i += 2)
        redis_move_due(port, (struct bytes){pairs->element[i]->str, (size_t)pairs->element[i]->len},
                       pairs->element[i + 1]->str, (size_t)pairs->element[i + 1]->len);
    if (reply->element[3]->type == REDIS_REPLY_INTEGER)
        redis_fold_some(port, reply->element[3]->integer);
    /* There may be more: the claim ends where the answer would get too large as well. */
    if (pairs->elements > 0)
        port->claim_again = true;
    else if (first->type == REDIS_REPLY_STRING && first->len > 0) {
        moment = strtod(first->str, NULL);
        if (moment >= -(double)VTS_TIME_END && moment <= (double)VTS_TIME_END)
            redis_plan(port, (vts_ms)moment);
    }
}

static bool is_claim(const redisReply *reply)
{
    size_t i;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4 ||
        reply->element[2]->type != REDIS_REPLY_ARRAY)
        return false;
    for (i = 0; i < reply->element[2]->elements; i++)
        if (reply->element[2]->element[i]->type != REDIS_REPLY_STRING)
            return false;
    return true;
}

static void on_claim(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_op *op = arg;
    struct redis_port *port = op->port;
    const redisReply *reply = answer;

    redis_op_destroy(op);
    if (!reply) {
        redis_link_ended(link);
        return;
    }
    if (port->link != link)
        return;
    port->claiming = false;
    if (is_claim(reply))
        claimed(port, reply);
    else if (redis_no_script(reply))
        redis_reload(port);
    else
        redis_refused(port, reply);
    if (port->claim_again)
        claim(port);
}

static void claim(struct redis_port *port)
{
    const struct store_options *options = &redis_of(port)->options;
    const struct bytes none = {"", 0};
    char now[24], lease[24], most[24];
    struct bytes arguments[3] = {{now, 0}, {lease, 0}, {most, 0}};
    struct redis_op *op;

    if (port->state != LINK_UP)
        return;
    if (port->claiming) {
        port->claim_again = true;
        return;
    }
    port->claim_again = false;
    arguments[0].length =
        (size_t)snprintf(now, sizeof(now), "%lld", (long long)clock_now(options->clock));
    arguments[1].length = (size_t)snprintf(lease, sizeof(lease), "%d", REDIS_LEASE_MS);
    arguments[2].length = (size_t)snprintf(most, sizeof(most), "%d", CLAIM_MOST);
    op = redis_op_create(port, none, false);
    if (!op)
        return;
    port->claiming = true;
    if (!redis_send(op, COMMAND_CLAIM, arguments, on_claim))
        redis_op_destroy(op);
}

void redis_tick(struct redis_port *port)
{
    int64_t most_us = (int64_t)REDIS_TICK_MS * 1000 * (int64_t)redis_of(port)->options.ports;

    claim(port);
    tick_in(port, most_us / 2 + jitter_us(port, most_us / 2));
}

vts_ms redis_run_due(struct store_port *base, vts_ms now, size_t most)
{
    (void)now;
    (void)most;
    claim((struct redis_port *)base);
    return RECORD_NEVER;
}
