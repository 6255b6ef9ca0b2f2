/* SPDX-License-Identifier: MIT
 *
 * vtsimd --preview. See tools.h. */
#include "tools.h"

int tool_preview(const struct preview *preview, const struct plugins *plugins,
                 const struct instances *instances)
{
    (void)preview;
    (void)plugins;
    (void)instances;
    return EXIT_USAGE;
}
