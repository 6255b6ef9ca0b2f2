/* SPDX-License-Identifier: MIT
 *
 * The promise of VTS_ABI: what a compiled plugin has of vtsim/plugin.h stands still. Whoever has to change a
 * line here, other than by adding one at a struct's end, raises VTS_ABI; the head of the header says what
 * may change without it. For 64-bit systems: on others the numbers are others, and as fixed. */
#include <setjmp.h>
#include <stdarg.h>

#include <vtsim/plugin.h>

#include <cmocka.h>

#define SIZE(type, bytes)                                                                          \
    {                                                                                              \
#type, sizeof(struct type), bytes                                                          \
    }
#define AT(type, member, bytes)                                                                    \
    {                                                                                              \
#type "." #member, offsetof(struct type, member), bytes                                    \
    }
#define IS(value, number)                                                                          \
    {                                                                                              \
#value, (size_t)(value), number                                                            \
    }

struct fixed {
    const char *what;
    size_t is, was;
};

/* These may grow, at their ends: the sizes are those of now. */
static const struct fixed growing[] = {
    SIZE(vts_plugin, 144),
    AT(vts_plugin, abi, 0),
    AT(vts_plugin, size, 4),
    AT(vts_plugin, option_size, 8),
    AT(vts_plugin, kind, 12),
    AT(vts_plugin, name, 16),
    AT(vts_plugin, summary, 24),
    AT(vts_plugin, options, 32),
    AT(vts_plugin, settings_size, 40),
    AT(vts_plugin, instance_size, 48),
    AT(vts_plugin, state_size, 56),
    AT(vts_plugin, state_version, 64),
    AT(vts_plugin, serial, 68),
    AT(vts_plugin, open, 72),
    AT(vts_plugin, close, 80),
    AT(vts_plugin, admit, 88),
    AT(vts_plugin, start, 96),
    AT(vts_plugin, wake, 104),
    AT(vts_plugin, poll, 112),
    AT(vts_plugin, cancel, 120),
    AT(vts_plugin, finish, 128),
    AT(vts_plugin, reset, 136),
    SIZE(vts_host, 240),
    AT(vts_host, abi, 0),
    AT(vts_host, size, 4),
    AT(vts_host, job_id, 8),
    AT(vts_host, input, 16),
    AT(vts_host, input_text, 24),
    AT(vts_host, input_number, 32),
    AT(vts_host, now, 40),
    AT(vts_host, age, 48),
    AT(vts_host, polls, 56),
    AT(vts_host, state, 64),
    AT(vts_host, random, 72),
    AT(vts_host, sample, 80),
    AT(vts_host, wake_after, 88),
    AT(vts_host, wait, 96),
    AT(vts_host, progress, 104),
    AT(vts_host, progress_over, 112),
    AT(vts_host, complete, 120),
    AT(vts_host, fail, 128),
    AT(vts_host, cancel, 136),
    AT(vts_host, refuse, 144),
    AT(vts_host, bend, 152),
    AT(vts_host, log, 160),
    AT(vts_host, instance_log, 168),
    AT(vts_host, parse_time, 176),
    AT(vts_host, parse_delay, 184),
    AT(vts_host, stamp, 192),
    AT(vts_host, stamped, 200),
    AT(vts_host, slots, 208),
    AT(vts_host, granted, 216),
    AT(vts_host, waiting, 224),
    AT(vts_host, free_slots, 232),
    SIZE(vts_instance, 56),
    AT(vts_instance, host, 0),
    AT(vts_instance, plugin, 8),
    AT(vts_instance, name, 16),
    AT(vts_instance, settings, 24),
    AT(vts_instance, data, 32),
    AT(vts_instance, state_size, 40),
    AT(vts_instance, counts_polls, 48),
    SIZE(vts_job, 24),
    AT(vts_job, host, 0),
    AT(vts_job, instance, 8),
    AT(vts_job, state, 16),
    SIZE(vts_answer, 64),
    AT(vts_answer, size, 0),
    AT(vts_answer, status, 4),
    AT(vts_answer, retry_after, 8),
    AT(vts_answer, retry_after_date, 16),
    AT(vts_answer, stall, 24),
    AT(vts_answer, dribble, 32),
    AT(vts_answer, cut, 40),
    AT(vts_answer, body, 44),
    AT(vts_answer, word, 48),
    AT(vts_answer, state, 56),
};

static const struct fixed structs[] = {
    SIZE(vts_option, 64),       AT(vts_option, type, 0),    AT(vts_option, reserved, 4),
    AT(vts_option, key, 8),     AT(vts_option, offset, 16), AT(vts_option, fallback, 24),
    AT(vts_option, min, 32),    AT(vts_option, max, 40),    AT(vts_option, choices, 48),
    AT(vts_option, help, 56),   SIZE(vts_delay, 40),        AT(vts_delay, distribution, 0),
    AT(vts_delay, reserved, 4), AT(vts_delay, a, 8),        AT(vts_delay, b, 16),
    AT(vts_delay, sigma, 24),   AT(vts_delay, max, 32),     SIZE(vts_list, 16),
    AT(vts_list, count, 0),     AT(vts_list, items, 8),     SIZE(vts_error, 576),
    AT(vts_error, code, 0),     AT(vts_error, line, 4),     AT(vts_error, column, 8),
    AT(vts_error, key, 12),     AT(vts_error, message, 64),
};

/* Enums may get values behind these. */
static const struct fixed values[] = {
    IS(VTS_ABI, 1),
    IS(VTS_OK, 0),
    IS(VTS_ERR_MEMORY, 1),
    IS(VTS_ERR_INVALID, 2),
    IS(VTS_ERR_EXISTS, 3),
    IS(VTS_ERR_NOT_FOUND, 4),
    IS(VTS_ERR_LIMIT, 5),
    IS(VTS_ERR_IO, 6),
    IS(VTS_ERR_LOAD, 7),
    IS(VTS_ERR_DAMAGED, 8),
    IS(VTS_ERR_BUSY, 9),
    IS(VTS_FIXED, 0),
    IS(VTS_UNIFORM, 1),
    IS(VTS_NORMAL, 2),
    IS(VTS_EXPONENTIAL, 3),
    IS(VTS_LOGNORMAL, 4),
    IS(VTS_OPTION_END_TYPE, 0),
    IS(VTS_BOOL, 1),
    IS(VTS_INT, 2),
    IS(VTS_REAL, 3),
    IS(VTS_TIME, 4),
    IS(VTS_DELAY, 5),
    IS(VTS_TEXT, 6),
    IS(VTS_LIST, 7),
    IS(VTS_CHOICE, 8),
    IS(VTS_PATH, 9),
    IS(VTS_BREAK_NONE, 0),
    IS(VTS_BREAK_RESET, 1),
    IS(VTS_BREAK_EMPTY, 2),
    IS(VTS_BREAK_TRUNCATE, 3),
    IS(VTS_BREAK_GARBAGE, 4),
    IS(VTS_BODY_USUAL, 0),
    IS(VTS_BODY_HTML, 1),
    IS(VTS_BODY_INVALID_JSON, 2),
    IS(VTS_BODY_NO_STATUS, 3),
    IS(VTS_BODY_NOT_FOUND, 4),
    IS(VTS_ASKED, 0),
    IS(VTS_QUEUED, 1),
    IS(VTS_RUNNING, 2),
    IS(VTS_COMPLETED, 3),
    IS(VTS_FAILED, 4),
    IS(VTS_CANCELLED, 5),
    IS(VTS_FOR_POLL, 1),
    IS(VTS_FOR_SLOT, 2),
    IS(VTS_FOR_EVER, 4),
    IS(VTS_DEBUG, 0),
    IS(VTS_INFO, 1),
    IS(VTS_WARNING, 2),
    IS(VTS_ERROR, 3),
    IS(VTS_BEHAVIOUR, 0),
    IS(VTS_FILTER, 1),
    IS(VTS_TIME_END, 253402300799999),
    IS(VTS_STATE_MAX, 65536),
    IS(VTS_TEXT_MAX, 65536),
};

static void check(const struct fixed *all, size_t count)
{
    size_t i, wrong = 0;

    for (i = 0; i < count; i++)
        if (all[i].is != all[i].was) {
            print_error("%s is %zu, VTS_ABI %u promises %zu\n", all[i].what, all[i].is, VTS_ABI,
                        all[i].was);
            wrong++;
        }
    assert_int_equal(wrong, 0);
}

static void sizes_and_offsets(void **state)
{
    (void)state;
    if (sizeof(void *) != 8)
        skip();
    check(growing, sizeof(growing) / sizeof(*growing));
    check(structs, sizeof(structs) / sizeof(*structs));
}

static void numbers(void **state)
{
    (void)state;
    check(values, sizeof(values) / sizeof(*values));
}

/* A later struct cannot hide a member inside an earlier one: they end where their last member does. */
static void nothing_behind_the_last_member(void **state)
{
    (void)state;
    if (sizeof(void *) != 8)
        skip();
    assert_int_equal(sizeof(struct vts_plugin), offsetof(struct vts_plugin, reset) + 8);
    assert_int_equal(sizeof(struct vts_host), offsetof(struct vts_host, free_slots) + 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_and_offsets),
        cmocka_unit_test(numbers),
        cmocka_unit_test(nothing_behind_the_last_member),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
