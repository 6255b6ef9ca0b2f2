/* SPDX-License-Identifier: MIT
 *
 * Keeps hiredis from answers that nobody asked for: it would end the process over one, and whoever sends
 * such answers is no Redis, or has lost count. Sits between hiredis's parser and what makes its replies. */
#include "redis.h"

#if HIREDIS_MAJOR < 1
typedef int elements_type;
#else
typedef size_t elements_type;
#endif

/* The port, or NULL: an answer begins, and nothing waits for one. An error may always come, as it does
 * before a connection is closed: hiredis takes it as the reason. */
static struct redis_port *asked(const redisReadTask *task)
{
    const redisAsyncContext *link = task->privdata;
    struct redis_port *port = link->data;

    if (task->parent || link->replies.head || task->type == REDIS_REPLY_ERROR)
        return port;
    port->unasked = true;
    return NULL;
}

static void *make_string(const redisReadTask *task, char *bytes, size_t length)
{
    struct redis_port *port = asked(task);

    return port ? port->usual->createString(task, bytes, length) : NULL;
}

static void *make_array(const redisReadTask *task, elements_type elements)
{
    struct redis_port *port = asked(task);

    return port ? port->usual->createArray(task, elements) : NULL;
}

static void *make_integer(const redisReadTask *task, long long integer)
{
    struct redis_port *port = asked(task);

    return port ? port->usual->createInteger(task, integer) : NULL;
}

static void *make_nil(const redisReadTask *task)
{
    struct redis_port *port = asked(task);

    return port ? port->usual->createNil(task) : NULL;
}

void redis_reader_guard(struct redis_port *port, redisAsyncContext *link)
{
    redisReader *reader = link->c.reader;

    port->unasked = false;
    port->usual = reader->fn;
    port->guarded = *reader->fn;
    port->guarded.createString = make_string;
    port->guarded.createArray = make_array;
    port->guarded.createInteger = make_integer;
    port->guarded.createNil = make_nil;
    reader->fn = &port->guarded;
    reader->privdata = link;
}
