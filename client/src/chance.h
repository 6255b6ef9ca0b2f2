/* SPDX-License-Identifier: MIT
 *
 * Chance that can be repeated: SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
 * Generators", OOPSLA 2014, doi:10.1145/2660193.2660195). One 64-bit number is the whole state. Not
 * for secrets. */
#ifndef VTSIM_CLIENT_CHANCE_H
#define VTSIM_CLIENT_CHANCE_H

#include <stdint.h>

/* The next 64 even bits; any seed will do. */
static inline uint64_t chance_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15U);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* An even number in [0, 1). */
static inline double chance_uniform(uint64_t *state)
{
    return (double)(chance_next(state) >> 11) * 0x1p-53;
}

#endif
