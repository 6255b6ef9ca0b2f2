/* SPDX-License-Identifier: MIT
 *
 * A way to a vtsimd on which it looks like any other server of the original API: what passes is left as it is, to
 * the byte and to the way in which a connection ends, but for the name of the header Vtsim-Features. */
#ifndef VTSIM_TESTS_PLAIN_H
#define VTSIM_TESTS_PLAIN_H

struct plain;

/* Listens on a free port of 127.0.0.1, and passes what comes to `port`. Fails the test where it cannot. */
struct plain *plain_start(int port);
const char *plain_url(const struct plain *plain);
void plain_stop(struct plain *plain);

#endif
