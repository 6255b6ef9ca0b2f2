/* SPDX-License-Identifier: MIT
 *
 * How a preview writes spans and shares. */
#include <tools/preview.h>

#include <setjmp.h>

#include <cmocka.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static void spans_without_loss(void **state)
{
    static const struct {
        vts_ms span;
        const char *text;
    } cases[] = {{0, "0s"},
                 {1, "1ms"},
                 {999, "999ms"},
                 {SECOND, "1s"},
                 {1050, "1.05s"},
                 {1001, "1.001s"},
                 {8300, "8.3s"},
                 {59999, "59.999s"},
                 {MINUTE, "1m"},
                 {MINUTE + 1, "1m00.001s"},
                 {2 * MINUTE + 5 * SECOND, "2m05s"},
                 {2 * MINUTE + 10 * SECOND, "2m10s"},
                 {100100, "1m40.1s"},
                 {HOUR, "1h"},
                 {HOUR + 5 * MINUTE, "1h05m"},
                 {HOUR + 10 * SECOND, "1h00m10s"},
                 {DAY, "1d"},
                 {DAY + 3 * HOUR, "1d03h"},
                 {DAY + 250, "1d00h00m00.25s"},
                 {VTS_TIME_END, "2932896d23h59m59.999s"}};
    char text[PREVIEW_SPAN_ROOM];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(preview_span(cases[i].span, text), cases[i].text);
}

static void spans_rounded_to_what_matters(void **state)
{
    static const struct {
        vts_ms span;
        const char *text;
    } cases[] = {{0, "0s"},
                 {999, "999ms"},
                 {1049, "1s"},
                 {1050, "1.1s"},
                 {59949, "59.9s"},
                 {59950, "1m"},
                 {130400, "2m10s"},
                 {HOUR - 501, "59m59s"},
                 {HOUR - 500, "1h"},
                 {HOUR + 5 * MINUTE + 29 * SECOND, "1h05m"},
                 {DAY - 30 * SECOND, "1d"},
                 {DAY + 3 * HOUR + 29 * MINUTE, "1d03h"}};
    char text[PREVIEW_SPAN_ROOM];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(preview_span_about(cases[i].span, text), cases[i].text);
}

/* None is told to be nothing or all when it is not. */
static void shares(void **state)
{
    char text[PREVIEW_SPAN_ROOM];

    (void)state;
    assert_string_equal(preview_share(0, 1000, text), "0.0%");
    assert_string_equal(preview_share(188, 1000, text), "18.8%");
    assert_string_equal(preview_share(1000, 1000, text), "100.0%");
    assert_string_equal(preview_share(1, 1000, text), "0.1%");
    assert_string_equal(preview_share(1, 1000000, text), "<0.1%");
    assert_string_equal(preview_share(999, 1000, text), "99.9%");
    assert_string_equal(preview_share(999999, 1000000, text), ">99.9%");
    assert_string_equal(preview_share(0, 0, text), "0.0%");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_without_loss),
        cmocka_unit_test(spans_rounded_to_what_matters),
        cmocka_unit_test(shares),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
