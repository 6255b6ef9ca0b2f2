/* SPDX-License-Identifier: MIT
 *
 * What a fuzz target is: one function, which libFuzzer or regress.c calls with bytes. It ends the
 * program where a promise does not hold. */
#ifndef VTSIM_FUZZ_H
#define VTSIM_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
