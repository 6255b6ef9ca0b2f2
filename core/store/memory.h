/* SPDX-License-Identifier: MIT
 *
 * The memory store, as a store that is built on it sees it: inside the room store/. */
#ifndef VTSIM_STORE_MEMORY_H
#define VTSIM_STORE_MEMORY_H

#include <stdatomic.h>

#include "store.h"

/* For a store that keeps elsewhere what memory serves. */
struct memory_hooks {
    /* A record was changed, or dropped (NULL), on this port. Called with the stripe's lock held, so in
     * the order of the changes of each record; takes no lock of the memory store. NULL: nobody asks. */
    void (*changed)(void *arg, size_t port, struct bytes id, const struct record *record,
                    uint64_t polls, const void *stats);
    /* While it is true nothing is changed: calls that would get VTS_ERR_BUSY, and what is due waits.
     * NULL: never. */
    const _Atomic bool *closed;
    void *arg;
};

struct store *memory_create(const struct store_options *options, const struct memory_hooks *hooks);

/* store_apply, and store_list without `done`. */
enum record_act memory_apply(struct store_port *port, struct store_call *call);
void memory_collect(struct store_port *port, struct store_list *list);

/* store_note's. */
void memory_note(struct store_port *port, struct bytes id, store_note_fn *fn, void *arg);

/* Puts a record in that was there before, whatever the limit; nobody is told. Before there are workers,
 * or by whoever runs the port. `stats` are as many bytes as are kept, or NULL: zeros. */
enum vts_err memory_restore(struct store *store, const struct record *record, uint64_t polls,
                            const void *stats);

/* Tells poll counts and statistics that were changed since they were last told, with a stripe's lock held: up
 * to `most`. *place is 0 at first and keeps how far it has come; false where all were told. */
bool memory_each_polled(struct store *store, size_t *place, size_t most,
                        void (*fn)(void *arg, struct bytes id, uint64_t polls, const void *stats),
                        void *arg);

#endif
