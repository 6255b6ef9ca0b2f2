/* SPDX-License-Identifier: MIT
 *
 * Repeatable chance. See rng.h. XXH3 is used header only, so nothing is linked for it. */
#include "rng.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t rng_key(uint64_t seed, uint64_t stream, const void *id, size_t length)
{
    return mix(rng_hash(id, length, seed) ^ mix(stream + UINT64_C(0x9E3779B97F4A7C15)));
}

uint64_t rng_draw(uint64_t key, uint64_t n)
{
    return mix(key + (n + 1) * UINT64_C(0x9E3779B97F4A7C15));
}

uint64_t rng_hash(const void *bytes, size_t length, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, length, seed);
}
