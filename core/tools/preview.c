/* SPDX-License-Identifier: MIT
 *
 * vtsimd --preview. See tools.h. */
#include "tools.h"

int tool_preview(const struct preview *preview, const struct plugins *plugins,
                 const struct behaviours *behaviours)
{
    (void)preview;
    (void)plugins;
    (void)behaviours;
    return EXIT_USAGE;
}
