/* SPDX-License-Identifier: MIT
 *
 * Chance that can be repeated: a stream is a key, and its n-th draw depends on key and n alone, so
 * a stream is kept as one number. The mixing function is that of SplitMix64 (Steele, Lea and Flood,
 * "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, doi:10.1145/2660193.2660195). */
#ifndef VTSIM_BASE_RNG_H
#define VTSIM_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* A key from the configured seed, a stream's name and the job's id. */
uint64_t rng_key(uint64_t seed, uint64_t stream, const void *id, size_t length);

/* Draw number n of a stream. */
uint64_t rng_draw(uint64_t key, uint64_t n);

/* 64 bits of these bytes, for tables and names, not against somebody who wants collisions: FNV-1a
 * (Fowler, Noll and Vo), its bits mixed once more. */
uint64_t rng_hash(const void *bytes, size_t length, uint64_t seed);

#endif
