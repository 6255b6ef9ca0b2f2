/* SPDX-License-Identifier: MIT
 *
 * A temporary folder for a test's files, and numbers from the environment. */
#ifndef VTSIM_TESTS_FOLDER_H
#define VTSIM_TESTS_FOLDER_H

#define FOLDER_ROOM 256

/* Makes a folder of the test's own. */
void folder_make(char path[FOLDER_ROOM]);
/* Removes it with all that is in it. */
void folder_remove(const char *path);

/* A whole number above 0 from the environment. Fails the test where it is none. */
long long folder_number(const char *variable, long long fallback);

#endif
