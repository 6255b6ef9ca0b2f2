/* SPDX-License-Identifier: MIT
 *
 * Keeps the order of jobs of instances with slots, inside the room service/: a queue for each instance that has
 * such jobs alive. It is made from their records, and goes with the last of them.
 *
 * Each event of a queue's jobs happens in the queue's order, whoever looks. So whoever wants at one of them
 * holds the queue, lets all happen that is due by now, goes through the store's door, and then lets happen
 * what came of that (grants), before anybody is answered.
 *
 * Locks. That of the set of queues is taken for a moment, to find one; nothing is taken inside it. A queue's own
 * is held while its jobs are moved: inside it come the store's and a `.serial` instance's, and never another
 * queue's. No `done` is called while one is held. */
#ifndef VTSIM_SERVICE_QUEUES_H
#define VTSIM_SERVICE_QUEUES_H

#include "service.h"

/* NULL where there was no memory. */
struct queues *queues_create(void);
void queues_destroy(struct queues *queues);

/* Makes the queues of stored jobs again. Before there are workers. */
bool queues_restore(struct service *service, struct vts_error *error);

enum queues_turn {
    TURN_TAKEN,  /* go on */
    TURN_PASSED, /* say RECORD_PASS: the call comes again when it holds the queue */
    TURN_BUSY    /* say RECORD_LEAVE: what is due before it cannot be carried out now */
};

/* Asked by what moves a record, before it does. `queue` is the hash of the instance in whose order that is; 0: in
 * none. Sets the call's `now`, and what the engine is to know of slots. */
enum queues_turn queues_take_turn(struct service_call *call, uint64_t queue,
                                  const struct record *old);

/* Told by it afterwards, with what the engine said. Returns that. */
enum record_act queues_end_turn(struct service_call *call, enum record_act act);

/* Goes through the store's door once more, in the order that the call's turn asked for. */
void queues_enter(struct service_call *call);

/* Lets happen what is due in the port's queues by `now`, `most` events at the most. As store_run_due. */
vts_ms queues_run_due(struct service_port *port, vts_ms now, size_t most);

/* For a clock that is moved: when something is due in any of them, and likewise for all of them. */
vts_ms queues_first_due(struct service *service);
void queues_step(struct service_port *port, vts_ms now, size_t most);

#endif
