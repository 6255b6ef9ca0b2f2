/* SPDX-License-Identifier: MIT
 *
 * What every kind of store must do, as tests that know none of them: a kind gives a function that makes one,
 * and runs them all. */
#ifndef VTSIM_TESTS_STORE_SUITE_H
#define VTSIM_TESTS_STORE_SUITE_H

#include "store/store.h"

struct suite_kind {
    const char *name;
    /* Makes an empty store. Asserts that it can. */
    struct store *(*create)(const struct store_options *options);
    /* Lets the port's event loop go on until something was done; NULL for a store that calls `done` at
     * once. */
    void (*turn)(struct store *store, size_t port);
    /* What is due is claimed by any port of any process, and store_run_due only begins it: it says
     * RECORD_NEVER, nobody is rung, and no port has records of its own. Tests of these are left out. */
    bool shared;
    /* Removes what a destroyed store leaves outside this process; NULL: nothing. */
    void (*clean)(void);
};

/* Runs all tests of one thread, or those of many. Returns how many failed. */
int suite_run(const struct suite_kind *kind);
int suite_run_threads(const struct suite_kind *kind);

#endif
