/* SPDX-License-Identifier: MIT
 *
 * Law 6: what a plugin's module file shows. It is not stripped, calls nothing but libc and libm, and of
 * these nothing that asks the system for time or chance, waits, starts threads or processes, or opens
 * sockets; and it has no writable static unless the plugin says `.serial`. What sanitizers and the toolchain
 * put in is passed over. The file is only read.
 *
 * It sees what the linker sees: a system call made in assembly, or a function found with a pointer that
 * somebody else handed over, it does not. */
#ifndef VTSIM_TRIAL_MODULE_H
#define VTSIM_TRIAL_MODULE_H

#include "laws.h"

/* Sets verdict and message. All that is found is told in one message, as far as there is room. */
void module_check(const char *path, bool serial, struct law_result *result);

/* Loads the module once more, at other addresses and with statics of its own, as another process would.
 * NULL where that cannot be done. It stays loaded. */
const struct vts_plugin *module_again(const char *path, const char *name);

#endif
