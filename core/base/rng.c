/* SPDX-License-Identifier: MIT
 *
 * Repeatable chance. See rng.h. */
#include "rng.h"

#define GAMMA UINT64_C(0x9E3779B97F4A7C15)

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t rng_key(uint64_t seed, uint64_t stream, const void *id, size_t length)
{
    return mix(rng_hash(id, length, mix(seed + GAMMA)) ^ mix(stream + GAMMA));
}

uint64_t rng_draw(uint64_t key, uint64_t n) { return mix(key + (n + 1) * GAMMA); }

uint64_t rng_hash(const void *bytes, size_t length, uint64_t seed)
{
    const unsigned char *byte = bytes;
    uint64_t hash = UINT64_C(0xCBF29CE484222325) ^ seed;

    while (length-- > 0)
        hash = (hash ^ *byte++) * UINT64_C(0x100000001B3);
    return mix(hash);
}
