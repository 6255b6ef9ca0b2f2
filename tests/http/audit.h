/* SPDX-License-Identifier: MIT
 *
 * The audit over HTTP, for each kind of store that has one: what server_each says decides which. */
#ifndef VTSIM_TESTS_HTTP_AUDIT_H
#define VTSIM_TESTS_HTTP_AUDIT_H

/* How many of its tests failed. */
int audit_run(const char *name);

#endif
