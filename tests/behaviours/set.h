/* SPDX-License-Identifier: MIT
 *
 * A configuration and the behaviours that it names, with the modules of tests/fixtures/load, good and bad. For
 * tests of what the configuration makes of them. */
#ifndef VTSIM_TESTS_BEHAVIOURS_SET_H
#define VTSIM_TESTS_BEHAVIOURS_SET_H

#include "behaviours/behaviours.h"

struct set {
    struct config config;
    struct behaviours behaviours;
    struct problems problems;
    bool good;
};

/* The INI file that set_init writes, as problems name it; and the modules. */
extern char set_file[];
extern struct plugins set_plugins;

/* For cmocka's group functions. */
int set_setup(void **state);
int set_teardown(void **state);

void set_init(struct set *set, const char *ini);
void set_finish(struct set *set);

#endif
