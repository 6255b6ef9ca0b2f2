/* SPDX-License-Identifier: MIT
 *
 * vtsimd --vet. See tools.h. */
#include "tools.h"

int tool_vet(const char *file, const char *const *settings, size_t count)
{
    (void)file;
    (void)settings;
    (void)count;
    return EXIT_USAGE;
}
