/* SPDX-License-Identifier: MIT
 *
 * Quantiles of what was counted, by nearest rank. Knows nothing of what the numbers are. */
#ifndef VTSIM_BASE_QUANTILE_H
#define VTSIM_BASE_QUANTILE_H

#include <stddef.h>
#include <stdint.h>

/* The least of `count` (1 and up) sorted numbers such that `percent` of a hundred are no larger. Counted apart
 * for whole hundreds, so that nothing overflows. */
static inline int64_t quantile(const int64_t *sorted, size_t count, size_t percent)
{
    size_t rank = count / 100 * percent + (count % 100 * percent + 99) / 100;

    return sorted[rank > 0 ? rank - 1 : 0];
}

/* For qsort(3). */
static inline int quantile_compare(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

#endif
