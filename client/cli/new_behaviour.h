/* SPDX-License-Identifier: MIT
 *
 * `vtsim new-behaviour`: writes a small project for a behaviour of one's own. Asks no server. */
#ifndef VTSIM_CLI_NEW_BEHAVIOUR_H
#define VTSIM_CLI_NEW_BEHAVIOUR_H

/* `folder` may be NULL: it is then called as the behaviour is. The exit status; what was wrong has been
 * printed, and nothing is left behind of it. */
int new_behaviour(const char *name, const char *folder);

#endif
