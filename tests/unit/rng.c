/* SPDX-License-Identifier: MIT
 *
 * Tests of repeatable chance. The numbers are pinned: a job's fate must be the same in the next
 * version as in this one. */
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

/* The published outputs of SplitMix64 for the seeds 1234567 and 0. */
static void draws_are_those_of_splitmix64(void **state)
{
    static const uint64_t expected[] = {
        UINT64_C(6457827717110365317), UINT64_C(3203168211198807973), UINT64_C(9817491932198370423),
        UINT64_C(4593380528125082431), UINT64_C(16408922859458223821)};

    (void)state;
    for (uint64_t i = 0; i < 5; i++)
        assert_true(rng_draw(1234567, i) == expected[i]);
    assert_true(rng_draw(0, 0) == UINT64_C(0xE220A8397B1DCDAF));
}

/* Mixes as rng_draw does, which adds this before. */
static uint64_t mixed(uint64_t z) { return rng_draw(z - UINT64_C(0x9E3779B97F4A7C15), 0); }

/* Stored jobs and repeated lives depend on it: another value is another format. The values mixed here
 * are the published ones of FNV-1a. */
static void hashes_are_pinned(void **state)
{
    (void)state;
    assert_true(rng_hash("a", 1, 0) == mixed(UINT64_C(0xAF63DC4C8601EC8C)));
    assert_true(rng_hash("foobar", 6, 0) == mixed(UINT64_C(0x85944171F73967E8)));
    assert_true(rng_hash("", 0, 0) == UINT64_C(0xF52A15E9A9B5E89B));
    assert_true(rng_hash("a", 1, 0) != rng_hash("a", 1, 1));
    assert_true(rng_hash("a\0b", 3, 0) != rng_hash("a\0c", 3, 0));
}

static void keys_are_pinned(void **state)
{
    (void)state;
    assert_true(rng_key(1, 0, "translate_video_1", 17) == UINT64_C(0x356E2C8C682A05B2));
    assert_true(rng_key(1, 1, "translate_video_1", 17) == UINT64_C(0x7B46331D80D54613));
    assert_true(rng_key(2, 0, "translate_video_1", 17) == UINT64_C(0x32992410F186B966));
    assert_true(rng_key(1, 0, "", 0) == UINT64_C(0xD8BEAAA4EA0FFD62));
}

/* Seed, stream, id and number each give another draw, and half of the bits differ, as they should. */
static void streams_are_apart(void **state)
{
    uint64_t bits = 0, all = 0;

    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t a = rng_draw(rng_key(1, 0, &i, sizeof(i)), 0), next = i + 1;
        uint64_t others[] = {rng_draw(rng_key(1, 0, &i, sizeof(i)), 1),
                             rng_draw(rng_key(1, 1, &i, sizeof(i)), 0),
                             rng_draw(rng_key(2, 0, &i, sizeof(i)), 0),
                             rng_draw(rng_key(1, 0, &next, sizeof(next)), 0)};

        for (size_t k = 0; k < 4; k++) {
            assert_true(a != others[k]);
            bits += (uint64_t)__builtin_popcountll(a ^ others[k]);
            all += 64;
        }
    }
    assert_true(bits > all * 49 / 100 && bits < all * 51 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_those_of_splitmix64),
        cmocka_unit_test(hashes_are_pinned),
        cmocka_unit_test(keys_are_pinned),
        cmocka_unit_test(streams_are_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
