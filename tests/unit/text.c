/* SPDX-License-Identifier: MIT
 *
 * Tests of the growing text and of what is said of text everywhere: UTF-8, JSON strings, moments,
 * percent-encoding, near words. */
#include "base/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

static void a_text_grows(void **state)
{
    struct text text = TEXT_INIT;

    (void)state;
    text_finish(&text);
    text_add(&text, "ab\0c", 4);
    text_puts(&text, "de");
    text_printf(&text, "%d-%s", 12, "x");
    assert_int_equal(text.length, 10);
    assert_memory_equal(text.bytes, "ab\0cde12-x", 11);
    text_reset(&text);
    assert_int_equal(text.length, 0);
    assert_string_equal(text.bytes, "");
    for (int i = 0; i < 10000; i++)
        text_printf(&text, "%04d,", i);
    assert_int_equal(text.length, 50000);
    assert_int_equal(text.bytes[text.length], 0);
    assert_memory_equal(text.bytes + 49995, "9999,", 5);
    assert_false(text.failed);
    text_finish(&text);
    assert_null(text.bytes);
}

static void a_failure_is_remembered(void **state)
{
    struct text text = TEXT_INIT;

    (void)state;
    text_puts(&text, "kept");
    assert_false(text_reserve(&text, SIZE_MAX));
    assert_true(text.failed);
    text_puts(&text, "dropped");
    text_printf(&text, "dropped");
    assert_int_equal(text.length, 4);
    assert_null(text_take(&text));
    assert_null(text.bytes);
    assert_false(text.failed);
    text_puts(&text, "new");
    text_reserve(&text, SIZE_MAX - 3);
    text_reset(&text);
    text_puts(&text, "again");
    assert_string_equal(text.bytes, "again");
    text_finish(&text);
}

static void what_is_taken_is_the_callers(void **state)
{
    struct text text = TEXT_INIT;
    char *bytes;

    (void)state;
    text_puts(&text, "abc");
    bytes = text_take(&text);
    assert_string_equal(bytes, "abc");
    free(bytes);
    bytes = text_take(&text); /* empty, but a string */
    assert_string_equal(bytes, "");
    free(bytes);
}

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

static void valid_utf8(void **state)
{
    static const char *const texts[] = {
        "",
        "plain",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80!",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(text_valid_utf8(texts[i], strlen(texts[i])), strlen(texts[i]));
    assert_int_equal(text_valid_utf8("a\0b", 3), 3);
}

static void broken_utf8(void **state)
{
    static const char *const texts[] = {
        "\x80",             /* a continuation alone */
        "\xc0\xaf",         /* overlong */
        "\xc1\xbf",         /* overlong */
        "\xe0\x9f\xbf",     /* overlong */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",     /* a surrogate */
        "\xed\xbf\xbf",     /* a surrogate */
        "\xf4\x90\x80\x80", /* above U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xff",
        "\xfe",
        "\xc3",
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\xc3\x28",
        "\xe2\x28\xa1",
        "\xe2\x82(",
        "\xf0\x28\x8c\xbc",
        "\xf0\x90\x28\xbc",
        "\xf0\x28\x8c(",
    };
    char *exact;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t length = strlen(texts[i]);

        exact = malloc(length + 1); /* ends with it, so that asan sees a step beyond */
        assert_non_null(exact);
        exact[0] = 'a';
        memcpy(exact + 1, texts[i], length);
        assert_int_equal(text_valid_utf8(exact, length + 1), 1);
        free(exact);
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void expect_json(const char *bytes, size_t length, const char *json)
{
    struct text text = TEXT_INIT;

    text_json(&text, bytes, length);
    assert_string_equal(text.bytes, json);
    text_finish(&text);
}

static void json_strings(void **state)
{
    (void)state;
    expect_json("", 0, "\"\"");
    expect_json("plain", 5, "\"plain\"");
    expect_json("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
    expect_json("\b\t\n\f\r\v", 6, "\"\\b\\t\\n\\f\\r\\u000b\"");
    expect_json("a\0b\x01\x1f\x7f", 6, "\"a\\u0000b\\u0001\\u001f\\u007f\"");
    expect_json("caf\xc3\xa9 \xf0\x9f\x98\x80", 10, "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"");
    expect_json("x\xffy\xc3", 4, "\"x\xef\xbf\xbdy\xef\xbf\xbd\"");
}

/* ---- moments --------------------------------------------------------------------------------- */

static void expect_moment(vts_ms moment, const char *expected)
{
    struct text text = TEXT_INIT;

    text_time(&text, moment);
    assert_string_equal(text.bytes, expected);
    text_finish(&text);
}

static void moments(void **state)
{
    (void)state;
    expect_moment(0, "1970-01-01T00:00:00.000Z");
    expect_moment(INT64_C(1767225600007), "2026-01-01T00:00:00.007Z");
    expect_moment(INT64_C(951782400000), "2000-02-29T00:00:00.000Z");
    expect_moment(VTS_TIME_END, "9999-12-31T23:59:59.999Z");
    expect_moment(-1, "1969-12-31T23:59:59.999Z");
    expect_moment(-1000, "1969-12-31T23:59:59.000Z");
}

/* ---- numbers --------------------------------------------------------------------------------- */

static void expect_real(double number, const char *expected)
{
    struct text text = TEXT_INIT;

    text_real(&text, number);
    assert_string_equal(text.bytes, expected);
    assert_true(strtod(text.bytes, NULL) == number);
    text_finish(&text);
}

static void numbers_are_as_short_as_can_be(void **state)
{
    (void)state;
    expect_real(0, "0");
    expect_real(0.2, "0.2");
    expect_real(-1.5, "-1.5");
    expect_real(1e300, "1e+300");
    expect_real(0.1 + 0.2, "0.30000000000000004");
    expect_real(1.0 / 3, "0.3333333333333333");
    expect_real(HUGE_VAL, "inf");
}

/* ---- percent-encoding ------------------------------------------------------------------------ */

static void expect_decoded(const char *text, bool plus, const char *bytes, size_t length)
{
    char *out = malloc(strlen(text) + 1);
    size_t size = 99;

    assert_non_null(out);
    assert_true(text_percent_decode(text, strlen(text), plus, out, &size));
    assert_int_equal(size, length);
    assert_memory_equal(out, bytes, length);
    free(out);
}

static void percent_encoding(void **state)
{
    static const char *const wrong[] = {"%", "%4", "a%", "%zz", "%4g", "%g4", "%%41", "ab%4"};
    char out[8];
    size_t size;

    (void)state;
    expect_decoded("", true, "", 0);
    expect_decoded("a%41%2b%2Bz", false, "aA++z", 5);
    expect_decoded("a+b%20c", true, "a b c", 5);
    expect_decoded("a+b%20c", false, "a+b c", 5);
    expect_decoded("a%00b", true, "a\0b", 3);
    expect_decoded("%c3%A9", true, "\xc3\xa9", 2);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(text_percent_decode(wrong[i], strlen(wrong[i]), true, out, &size));
}

/* ---- near words ------------------------------------------------------------------------------ */

static void near_words(void **state)
{
    static const char *const words[] = {"delay",           "rate", "fail_at", "message",
                                        "max_connections", NULL};
    static const char *const none[] = {NULL};
    char huge[100];

    (void)state;
    assert_string_equal(text_nearest("delay", words), "delay");
    assert_string_equal(text_nearest("delya", words), "delay");  /* two swapped */
    assert_string_equal(text_nearest("dela", words), "delay");   /* one missing */
    assert_string_equal(text_nearest("ddelay", words), "delay"); /* one too many */
    assert_string_equal(text_nearest("Rate", words), "rate");
    assert_string_equal(text_nearest("maxconections", words), "max_connections");
    assert_null(text_nearest("zebra", words));
    assert_null(text_nearest("", words));
    assert_null(text_nearest("delay", none));
    memset(huge, 'x', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = 0;
    assert_null(text_nearest(huge, words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_grows),
        cmocka_unit_test(a_failure_is_remembered),
        cmocka_unit_test(what_is_taken_is_the_callers),
        cmocka_unit_test(valid_utf8),
        cmocka_unit_test(broken_utf8),
        cmocka_unit_test(json_strings),
        cmocka_unit_test(moments),
        cmocka_unit_test(numbers_are_as_short_as_can_be),
        cmocka_unit_test(percent_encoding),
        cmocka_unit_test(near_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
