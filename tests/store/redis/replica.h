/* SPDX-License-Identifier: MIT
 *
 * One Redis store with an event loop for each port, driven by hand: a replica that is not turned stands
 * still, as a stopped process does. Its records are made by the suite's rig_job. */
#ifndef VTSIM_TESTS_STORE_REDIS_REPLICA_H
#define VTSIM_TESTS_STORE_REDIS_REPLICA_H

#include <event2/event.h>

#include "../rig.h"
#include "store/redis.h"

#define REPLICA_PORTS 8

VTS_EXPORT const struct store_module *redis_LTX_vts_store(void);

struct replica {
    struct clock clock; /* virtual, at T0 */
    struct store_options options;
    struct redis_settings settings;
    struct store *store;
    struct event_base *loops[REPLICA_PORTS];
    size_t attached;
    struct text due; /* "a@10 b@20", as the rig's */
    enum record_act due_act;
    uint64_t known[4]; /* instances; 1 is always known */
    int held;          /* instances that were held and not yet released */
    char learnt[64];   /* the text that was told last */
    bool learns;       /* whether it can be used */
};

/* One port, prefix "vtsim:", a timeout of 20 s. */
void replica_init(struct replica *replica, const char *url);
/* Opens the store and attaches its ports; the error, if it is refused. */
bool replica_try(struct replica *replica, struct vts_error *error);
void replica_open(struct replica *replica);
/* Ends it as a killed process would: nothing more is said to Redis. */
void replica_finish(struct replica *replica);

/* Lets one thing happen on a port's loop. */
void replica_turn(struct replica *replica, size_t port);
/* Until all that was asked is answered, and what came of it. */
void replica_settle(struct replica *replica);

/* Begins a call, without waiting for it; and waits. */
void replica_begin(struct replica *replica, struct call *call);
void replica_wait(struct replica *replica, struct call *call);
enum vts_err replica_put(struct replica *replica, const struct job *job);
/* The same for a new job that brings its instance; `text` may hold NULs. */
enum vts_err replica_start(struct replica *replica, const char *id, uint64_t instance,
                           struct bytes text);
/* The state of the job; -1: there is none; -2: an error. */
int replica_state(struct replica *replica, const char *id);
uint64_t replica_poll(struct replica *replica, const char *id);

/* Standard error goes into a file between these two; the second gives what was written. For free(). */
int capture_begin(void);
char *capture_end(int saved);

#endif
