/* SPDX-License-Identifier: MIT
 *
 * Tests of option tables: how each type reads, what is said of a wrong value and where, how a section
 * is read through a table, and which tables are refused. */
#include "config/options.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

/* ---- TIME ------------------------------------------------------------------------------------ */

static void expect_time(const char *text, vts_ms time)
{
    struct vts_error error = {0};
    vts_ms read = -1;

    if (!options_time(text, &read, &error))
        fail_msg("%s", error.message);
    assert_int_equal(read, time);
}

static void expect_no_time(const char *text, const char *said)
{
    struct vts_error error;
    vts_ms read = 7;

    memset(&error, 0x55, sizeof(error));
    assert_false(options_time(text, &read, &error));
    assert_string_equal(error.message, said);
    assert_int_equal(error.code, VTS_ERR_INVALID);
    assert_int_equal(error.column, 0);
    assert_int_equal(read, 7);
    assert_false(options_time(text, &read, NULL));
}

static void times(void **state)
{
    (void)state;
    expect_time("0", 0);
    expect_time("250ms", 250);
    expect_time("10s", 10000);
    expect_time("2m", 120000);
    expect_time("1h", 3600000);
    expect_time("1d", 86400000);
    expect_time("0s", 0);
    expect_time("1.5s", 1500);
    expect_time("1.50000000000000000000s", 1500);
    expect_time("0.001s", 1);
    expect_time("0.0000003125d", 27);
}

static void times_at_their_limits(void **state)
{
    (void)state;
    expect_time("253402300799999ms", VTS_TIME_END);
    expect_time("2932896d", INT64_C(2932896) * 86400000);
    expect_time("0.1d", 8640000);
    expect_time("007s", 7000);
    expect_no_time("253402300800000ms",
                   "\"253402300800000ms\" is too long; the longest time is 2932896d");
    expect_no_time("2932897d", "\"2932897d\" is too long; the longest time is 2932896d");
    expect_no_time("2932896.999999999d",
                   "\"2932896.999999999d\" is finer than 1ms, the shortest time");
    expect_no_time("99999999999999999999999999s",
                   "\"99999999999999999999999999s\" is too long; the longest time is 2932896d");
    expect_no_time("0.5ms", "\"0.5ms\" is finer than 1ms, the shortest time");
    expect_no_time("1.0005s", "\"1.0005s\" is finer than 1ms, the shortest time");
    expect_no_time("1.00000000000000000001s",
                   "\"1.00000000000000000001s\" is finer than 1ms, the shortest time");
}

static void no_times(void **state)
{
    static const char *const texts[] = {"10 parsecs", "",     "s",    "10sec", "1.s",
                                        ".5s",        "1,5s", "10S",  "0x1s",  "1e3s",
                                        "inf",        "nan",  "10s!", "1h30"};
    char said[200];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        snprintf(said, sizeof(said),
                 "\"%s\" is not a time; write one number and one unit: 250ms, 10s, 2m, 1h or 1d",
                 texts[i]);
        expect_no_time(texts[i], said);
    }
}

static void times_that_are_nearly_right(void **state)
{
    (void)state;
    expect_no_time("10", "\"10\" has no unit; write 10ms, 10s or 10m");
    expect_no_time("0.5", "\"0.5\" has no unit; write 0.5ms, 0.5s or 0.5m");
    expect_no_time("10 s", "\"10 s\" has a space before its unit; write 10s");
    expect_no_time("1.5 h", "\"1.5 h\" has a space before its unit; write 90m");
    expect_no_time("1h30m", "\"1h30m\" has more than one unit; write 90m");
    expect_no_time("1m 500ms", "\"1m 500ms\" has more than one unit; write 60500ms");
    expect_no_time("-5s", "\"-5s\" is negative; a time is 0 or more");
    expect_no_time("-1", "\"-1\" is negative; a time is 0 or more");
}

static void times_as_text(void **state)
{
    char text[24];

    (void)state;
    assert_string_equal(options_time_text(0, text, sizeof(text)), "0");
    assert_string_equal(options_time_text(5400000, text, sizeof(text)), "90m");
    assert_string_equal(options_time_text(86400000, text, sizeof(text)), "1d");
    assert_string_equal(options_time_text(1, text, sizeof(text)), "1ms");
    assert_string_equal(options_time_text(VTS_TIME_END, text, sizeof(text)), "253402300799999ms");
}

/* ---- DELAY ----------------------------------------------------------------------------------- */

static void expect_delay(const char *text, int distribution, vts_ms a, vts_ms b, double sigma,
                         vts_ms max)
{
    struct vts_error error = {0};
    struct vts_delay delay;

    if (!options_delay(text, &delay, &error))
        fail_msg("%s: %s", text, error.message);
    assert_int_equal(delay.distribution, distribution);
    assert_int_equal(delay.reserved, 0);
    assert_int_equal(delay.a, a);
    assert_int_equal(delay.b, b);
    assert_true(delay.sigma == sigma);
    assert_int_equal(delay.max, max);
}

static void expect_no_delay(const char *text, unsigned int line, unsigned int column,
                            const char *said)
{
    struct vts_error error;
    struct vts_delay delay;

    assert_false(options_delay(text, &delay, &error));
    assert_string_equal(error.message, said);
    assert_int_equal(error.line, line);
    assert_int_equal(error.column, column);
    assert_false(options_delay(text, &delay, NULL));
}

static void delays(void **state)
{
    (void)state;
    expect_delay("10s", VTS_FIXED, 10000, 0, 0, VTS_TIME_END);
    expect_delay("0", VTS_FIXED, 0, 0, 0, VTS_TIME_END);
    expect_delay("10s max 1m", VTS_FIXED, 10000, 0, 0, 60000);
    expect_delay("uniform 5s..15s", VTS_UNIFORM, 5000, 15000, 0, VTS_TIME_END);
    expect_delay("  uniform\t1.5s .. 2.5s\nmax 2s ", VTS_UNIFORM, 1500, 2500, 0, 2000);
    expect_delay("uniform 0..0", VTS_UNIFORM, 0, 0, 0, VTS_TIME_END);
    expect_delay("normal 10s sd 2s", VTS_NORMAL, 10000, 2000, 0, VTS_TIME_END);
    expect_delay("normal 10s sd 2s max 60s", VTS_NORMAL, 10000, 2000, 0, 60000);
    expect_delay("exponential 10s max 5s", VTS_EXPONENTIAL, 10000, 0, 0, 5000);
    expect_delay("lognormal 8s sigma 0.5", VTS_LOGNORMAL, 8000, 0, 0.5, VTS_TIME_END);
    expect_delay("lognormal 8s sigma 5e-1 max 60s", VTS_LOGNORMAL, 8000, 0, 0.5, 60000);
}

static void delays_with_wrong_words(void **state)
{
    (void)state;
    expect_no_delay("lognormall 8s sigma 1", 1, 1,
                    "\"lognormall\" is no distribution; did you mean \"lognormal\"?");
    expect_no_delay("  gamma 8s", 1, 3,
                    "\"gamma\" is no distribution; write a time such as 10s, or uniform, normal, "
                    "exponential or lognormal");
    expect_no_delay(
        "", 1, 1,
        "it ends where a time such as 10s, or uniform, normal, exponential or lognormal "
        "should follow");
    expect_no_delay("\xe2\x82\xac", 1, 1,
                    "\"\xe2\x82\xac\" stands where a time such as 10s, or uniform, normal, "
                    "exponential or lognormal should");
    expect_no_delay("normal 10s\n  sigma 2s", 2, 3,
                    "\"sigma\" stands where \"sd\" and a time, as in normal 10s sd 2s, should");
    expect_no_delay("lognormal 8s", 1, 13,
                    "it ends where \"sigma\" and a number, as in lognormal 8s sigma 0.5, should "
                    "follow");
    expect_no_delay(
        "uniform 5s 15s", 1, 12,
        "\"15s\" stands where \"..\" and the longest time, as in uniform 5s..15s, should");
    expect_no_delay("uniform 5s..", 1, 13,
                    "it ends where the longest time, as in uniform 5s..15s, should follow");
    expect_no_delay("10s min 5s", 1, 5,
                    "\"min\" stands where the end, or \"max\" and a time, should");
    expect_no_delay("10s max 60s 3", 1, 13, "\"3\" stands where the end should");
    expect_no_delay("10s max", 1, 8,
                    "it ends where the longest time, as in max 60s, should follow");
}

static void delays_with_wrong_values(void **state)
{
    (void)state;
    expect_no_delay(
        "10 parsecs", 1, 1,
        "\"10 parsecs\" is not a time; write one number and one unit: 250ms, 10s, 2m, 1h "
        "or 1d");
    expect_no_delay("uniform 5 s..15s", 1, 9, "\"5 s\" has a space before its unit; write 5s");
    expect_no_delay("uniform 5s..1h30m", 1, 13, "\"1h30m\" has more than one unit; write 90m");
    expect_no_delay("normal 10 sd 2s", 1, 8, "\"10\" has no unit; write 10ms, 10s or 10m");
    expect_no_delay("exponential -3s", 1, 13, "\"-3s\" is negative; a time is 0 or more");
    expect_no_delay("uniform 15s..5s", 1, 9, "15s..5s runs backwards; write 5s..15s");
    expect_no_delay("lognormal 8s sigma 11", 1, 20,
                    "\"11\" is no sigma; write a number from 0 to 10");
    expect_no_delay("lognormal 8s sigma -1", 1, 20,
                    "\"-1\" is no sigma; write a number from 0 to 10");
    expect_no_delay("lognormal 8s sigma 0x1", 1, 20,
                    "\"0x1\" is no sigma; write a number from 0 to 10");
    expect_no_delay("lognormal 8s sigma nan", 1, 20,
                    "\"nan\" stands where a number, as in lognormal 8s sigma 0.5, should");
    expect_no_delay("10s max 5s", 1, 5,
                    "max 5s is below the shortest time; write at least max 10s");
    expect_no_delay("uniform 5s..15s max 3s", 1, 17,
                    "max 3s is below the shortest time; write at least max 5s");
}

/* ---- the types through a table --------------------------------------------------------------- */

struct all {
    bool on;
    int64_t count;
    double rate;
    vts_ms span;
    struct vts_delay delay;
    const char *text;
    struct vts_list list;
    int choice;
    const char *path;
};

static const struct vts_option all[] = {
    VTS_OPTION_BOOL(struct all, on, "off", "whether"),
    VTS_OPTION_INT(struct all, count, "1", 0, 256, "how many"),
    VTS_OPTION_REAL(struct all, rate, "0.5", 0, 1, "how often"),
    VTS_OPTION_TIME_BETWEEN(struct all, span, "1s", 100, 86400000, "how long"),
    VTS_OPTION_(VTS_DELAY, struct vts_delay, struct all, delay, "10s", 0, 60000, NULL, "when"),
    VTS_OPTION_(VTS_TEXT, const char *, struct all, text, "a", 1, 5, NULL, "what"),
    VTS_OPTION_(VTS_LIST, struct vts_list, struct all, list, "a\nb", 1, 3, NULL, "which"),
    VTS_OPTION_CHOICE(struct all, choice, "end|anywhere|never", "end", "where"),
    VTS_OPTION_PATH(struct all, path, "", "from where"),
    VTS_OPTIONS_END,
};

static const struct vts_option *option_of(const char *key)
{
    const struct vts_option *option = all;

    while (strcmp(option->key, key) != 0)
        option++;
    return option;
}

/* The value as options_print shows it after reading. It must also read back to the same. */
static void expect_read(const char *key, const char *text, const char *printed)
{
    const struct vts_option *option = option_of(key);
    struct all set = {0}, again = {0};
    struct text out = TEXT_INIT, second = TEXT_INIT;
    struct vts_error error = {0};

    if (!options_parse(option, text, &set, &error))
        fail_msg("%s: %s", text, error.message);
    text_puts(&out, "");
    options_print(option, &set, &out);
    assert_string_equal(out.bytes, printed);
    assert_true(options_parse(option, out.bytes, &again, &error));
    text_puts(&second, "");
    options_print(option, &again, &second);
    assert_string_equal(second.bytes, printed);
    options_free(all, &set);
    options_free(all, &again);
    text_finish(&out);
    text_finish(&second);
}

static void expect_wrong(const char *key, const char *text, const char *said)
{
    struct vts_error error;
    struct all set = {0}, before = {0};

    memset(&error, 0x55, sizeof(error));
    assert_false(options_parse(option_of(key), text, &set, &error));
    assert_string_equal(error.message, said);
    assert_string_equal(error.key, key);
    assert_memory_equal(&set, &before, sizeof(set));
}

static void bools(void **state)
{
    static const char *const words[] = {"on",  "yes", "true",  "1", "On",  "YES",
                                        "off", "no",  "false", "0", "Off", "FALSE"};

    (void)state;
    for (size_t i = 0; i < 12; i++)
        expect_read("on", words[i], i < 6 ? "on" : "off");
    expect_wrong("on", "maybe", "\"maybe\" is neither on nor off; write on or off");
    expect_wrong("on", "", "\"\" is neither on nor off; write on or off");
    expect_wrong("on", "2", "\"2\" is neither on nor off; write on or off");
}

static void ints(void **state)
{
    static const char *const none[] = {"",    "a",   "1.5", "1e3", "0x10",
                                       "10k", "1 0", "-",   "+",   "--1"};
    char said[100];

    (void)state;
    expect_read("count", "0", "0");
    expect_read("count", "256", "256");
    expect_read("count", "+7", "7");
    expect_read("count", "010", "10");
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        snprintf(said, sizeof(said), "\"%s\" is not a whole number; write one such as 1000",
                 none[i]);
        expect_wrong("count", none[i], said);
    }
    expect_wrong("count", "257", "\"257\" is out of range; write a whole number from 0 to 256");
    expect_wrong("count", "-1", "\"-1\" is out of range; write a whole number from 0 to 256");
    expect_wrong("count", "99999999999999999999",
                 "\"99999999999999999999\" is out of range; write a whole number from 0 to 256");
}

static void ints_without_limits(void **state)
{
    static const struct vts_option option = {.type = VTS_INT, .key = "seed"};
    static const struct vts_option above = {.type = VTS_INT, .key = "n", .min = 1, .max = INFINITY};
    static const struct vts_option below = {
        .type = VTS_INT, .key = "n", .min = -INFINITY, .max = 5};
    struct vts_error error;
    int64_t value;

    (void)state;
    assert_true(options_parse(&option, "9223372036854775807", &value, &error));
    assert_true(value == INT64_MAX);
    assert_true(options_parse(&option, "-9223372036854775808", &value, &error));
    assert_true(value == INT64_MIN);
    assert_false(options_parse(&option, "9223372036854775808", &value, &error));
    assert_string_equal(error.message,
                        "\"9223372036854775808\" is out of range; write a whole number from "
                        "-9223372036854775808 to 9223372036854775807");
    assert_false(options_parse(&above, "0", &value, &error));
    assert_string_equal(error.message, "\"0\" is out of range; write a whole number of at least 1");
    assert_false(options_parse(&above, "9223372036854775808", &value, &error));
    assert_string_equal(error.message,
                        "\"9223372036854775808\" is out of range; write a whole number from "
                        "-9223372036854775808 to 9223372036854775807");
    assert_false(options_parse(&below, "6", &value, &error));
    assert_string_equal(error.message, "\"6\" is out of range; write a whole number of at most 5");
}

static void reals(void **state)
{
    static const char *const none[] = {"",     "nan", "inf", "-inf", "0x0.8p0", "0,5",
                                       "0.5x", ".",   "e5",  "1e",   "1e400",   "one"};
    char said[100];

    (void)state;
    expect_read("rate", "0.25", "0.25");
    expect_read("rate", ".5", "0.5");
    expect_read("rate", "1.", "1");
    expect_read("rate", "1e-2", "0.01");
    expect_read("rate", "0.1", "0.1");
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        snprintf(said, sizeof(said), "\"%s\" is not a number; write one such as 0.25", none[i]);
        expect_wrong("rate", none[i], said);
    }
    expect_wrong("rate", "1.5", "\"1.5\" is out of range; write a number from 0 to 1");
    expect_wrong("rate", "-0.1", "\"-0.1\" is out of range; write a number from 0 to 1");
    expect_wrong("rate", "20%", "\"20%\" is not a number; write 0.2");
}

static void times_and_delays_with_limits(void **state)
{
    (void)state;
    expect_read("span", " 90s ", "90s");
    expect_read("span", "60000ms", "1m");
    expect_wrong("span", "2d", "\"2d\" is out of range; write a time from 100ms to 1d");
    expect_wrong("span", "0", "\"0\" is out of range; write a time from 100ms to 1d");
    expect_read("delay", "uniform 5s..15s max 60s", "uniform 5s..15s max 1m");
    expect_read("delay", "normal 10s sd 2s", "normal 10s sd 2s");
    expect_read("delay", "exponential 10s", "exponential 10s");
    expect_read("delay", "lognormal 8s sigma 0.1 max 60s", "lognormal 8s sigma 0.1 max 1m");
    expect_wrong("delay", "2m", "2m is out of range; write each time from 0 to 1m");
    expect_wrong("delay", "uniform 1s..61s", "61s is out of range; write each time from 0 to 1m");
    expect_wrong("delay", "1s max 2h", "2h is out of range; write each time from 0 to 1m");
}

static void texts_and_lists(void **state)
{
    (void)state;
    expect_read("text", "a\nb", "a\nb");
    expect_wrong("text", "", "it has 0 bytes; write a text of 1 to 5 bytes");
    expect_wrong("text", "abcdef", "it has 6 bytes; write a text of 1 to 5 bytes");
    expect_read("list", "one", "one");
    expect_read("list", "\n\n one item \n\n\tb\n", "one item\nb");
    expect_wrong("list", " \n", "it has 0 items; write a list of 1 to 3 items, one a line");
    expect_wrong("list", "a\nb\nc\nd", "it has 4 items; write a list of 1 to 3 items, one a line");
    expect_read("path", "", "");
    expect_read("path", " a b ", "a b");
}

static void a_list_ends_with_null(void **state)
{
    struct all set = {0};

    (void)state;
    assert_true(options_parse(option_of("list"), "a\n\nb", &set, NULL));
    assert_int_equal(set.list.count, 2);
    assert_string_equal(set.list.items[0], "a");
    assert_string_equal(set.list.items[1], "b");
    assert_null(set.list.items[2]);
    options_free(all, &set);
    assert_null(set.list.items);
    assert_int_equal(set.list.count, 0);
}

static void choices(void **state)
{
    (void)state;
    expect_read("choice", "end", "end");
    expect_read("choice", "never", "never");
    expect_wrong("choice", "anywere",
                 "\"anywere\" is none of end, anywhere, never; did you mean \"anywhere\"?");
    expect_wrong("choice", "somewhere else", "\"somewhere else\" is none of end, anywhere, never");
    expect_wrong("choice", "end|anywhere", "\"end|anywhere\" is none of end, anywhere, never");
}

static void one_line_is_enough(void **state)
{
    struct vts_error error;
    struct all set = {0};

    (void)state;
    assert_false(options_parse(option_of("count"), "2\nlisten = x\nmore", &set, &error));
    assert_string_equal(error.message,
                        "\"listen = x\" continues the value above because it starts with white "
                        "space; this value is one line");
    assert_int_equal(error.line, 2);
}

/* ---- sections -------------------------------------------------------------------------------- */

struct fixture {
    struct ini ini;
    struct all set;
    struct problems problems;
    struct text canonical;
};

/* Reads the first section of a text through the table and compares what is said. */
static void read_section(struct fixture *fixture, const struct vts_option *table, const char *text,
                         const char *assignment, const char *said)
{
    bool ok;

    memset(fixture, 0, sizeof(*fixture));
    ini_read(&fixture->ini, "dir/a.ini", text, strlen(text), &fixture->problems);
    if (assignment)
        assert_true(ini_set(&fixture->ini, assignment, &fixture->problems));
    ok = options_read(table, &fixture->set, fixture->ini.count ? fixture->ini.sections[0] : NULL,
                      "b q", &fixture->canonical, &fixture->problems);
    text_puts(&fixture->problems.lines, "");
    assert_string_equal(fixture->problems.lines.bytes, said);
    assert_int_equal(ok, *said == 0);
}

static void finish(struct fixture *fixture)
{
    options_free(all, &fixture->set);
    ini_finish(&fixture->ini);
    problems_finish(&fixture->problems);
    text_finish(&fixture->canonical);
}

static void fallbacks(void **state)
{
    static const char canonical[] = "on=off\0count=1\0rate=0.5\0span=1s\0delay=10s\0text=a\0"
                                    "list=a\nb\0choice=end\0path=";
    struct fixture fixture;

    (void)state;
    read_section(&fixture, all, "", NULL, "");
    assert_int_equal(fixture.canonical.length, sizeof(canonical));
    assert_memory_equal(fixture.canonical.bytes, canonical, sizeof(canonical));
    finish(&fixture);
}

static void equal_settings_have_equal_canonical_texts(void **state)
{
    struct fixture a, b;

    (void)state;
    read_section(&a, all, "[b q]\nspan = 60s\non = yes\nlist = a\n  b\n", NULL, "");
    read_section(&b, all, "[b q]\nlist =\n a\n b\non = 1\nspan = 60000ms ; x\n", NULL, "");
    assert_int_equal(a.canonical.length, b.canonical.length);
    assert_memory_equal(a.canonical.bytes, b.canonical.bytes, b.canonical.length);
    assert_true(a.ini.sections[0]->used);
    assert_true(a.ini.sections[0]->entries[0].used);
    finish(&a);
    finish(&b);
}

static void wrong_values_with_their_lines(void **state)
{
    struct fixture fixture;

    (void)state;
    read_section(
        &fixture, all,
        "[b q]\n"
        "span = 10 parsecs\n"
        "delay = uniform\n"
        "        5s..\n"
        "        1h30m\n"
        "count = 1\n"
        "  rate = 2\n"
        "list =\n",
        NULL,
        "dir/a.ini:7: [b q] count: \"rate = 2\" continues the value above because it starts "
        "with white space; this value is one line\n"
        "dir/a.ini:2: [b q] span: \"10 parsecs\" is not a time; write one number and one "
        "unit: 250ms, 10s, 2m, 1h or 1d\n"
        "dir/a.ini:5:9: [b q] delay: \"1h30m\" has more than one unit; write 90m\n"
        "    1h30m\n"
        "    ^\n"
        "dir/a.ini:8: [b q] list: it has 0 items; write a list of 1 to 3 items, one a line\n");
    finish(&fixture);
    read_section(&fixture, all, "", "b q/delay=uniform 1h30m..2h",
                 "-s: [b q] delay: \"1h30m\" has more than one unit; write 90m (at line 1, column "
                 "9 of the value)\n"
                 "    uniform 1h30m..2h\n"
                 "            ^\n");
    finish(&fixture);
    read_section(
        &fixture, all, "[b q]\n", "b q/delay=uniform\n 3s..x",
        "-s: [b q] delay: \"x\" stands where the longest time, as in uniform 5s..15s, should "
        "(at line 2, column 5 of the value)\n"
        "    3s..x\n"
        "        ^\n");
    finish(&fixture);
}

static void unknown_keys(void **state)
{
    struct fixture fixture;

    (void)state;
    read_section(&fixture, all, "[b q]\ndelya = 1s\nzebra = 1\nRate = 1\n", NULL,
                 "dir/a.ini:2: [b q] delya: unknown key; did you mean \"delay\"?\n"
                 "dir/a.ini:3: [b q] zebra: unknown key; the keys here are on, count, rate, span, "
                 "delay, text, list, choice, path\n"
                 "dir/a.ini:4: [b q] Rate: unknown key; did you mean \"rate\"?\n");
    finish(&fixture);
    read_section(&fixture, NULL, "[b q]\nx = 1\n", NULL,
                 "dir/a.ini:2: [b q] x: unknown key; this section takes none\n");
    finish(&fixture);
    read_section(&fixture, all, "", "b q/spam=1",
                 "-s: [b q] spam: unknown key; did you mean \"span\"?\n");
    finish(&fixture);
}

static void keys_that_somebody_else_reads(void **state)
{
    static const char text[] = "[b q]\nplugin = x\nplugni = y\nzebra = 1\n";
    struct problems problems = PROBLEMS_INIT;
    struct all set = {0};
    struct ini ini;

    (void)state;
    assert_true(ini_read(&ini, "a.ini", text, sizeof(text) - 1, &problems));
    assert_non_null(ini_entry(ini.sections[0], "plugin"));
    assert_false(options_read(NULL, &set, ini.sections[0], "b q", NULL, &problems));
    assert_string_equal(problems.lines.bytes,
                        "a.ini:3: [b q] plugni: unknown key; did you mean \"plugin\"?\n"
                        "a.ini:4: [b q] zebra: unknown key; the keys here are plugin\n");
    problems_finish(&problems);
    ini_finish(&ini);
}

static void required_keys(void **state)
{
    static const struct vts_option table[] = {
        VTS_OPTION_REAL(struct all, rate, NULL, 0, 1, "the share that fails"),
        VTS_OPTION_TEXT(struct all, text, NULL, NULL),
        VTS_OPTIONS_END,
    };
    struct fixture fixture;

    (void)state;
    read_section(&fixture, table, "[b q]\n", NULL,
                 "dir/a.ini:1: [b q] rate: it is required, and not given (REAL: the share that "
                 "fails)\n"
                 "dir/a.ini:1: [b q] text: it is required, and not given (TEXT)\n");
    finish(&fixture);
    read_section(&fixture, table, "", NULL,
                 "[b q] rate: it is required, and not given (REAL: the share that fails)\n"
                 "[b q] text: it is required, and not given (TEXT)\n");
    finish(&fixture);
    /* what could not be read whole is not said to be missing */
    read_section(&fixture, table, "[b q]\nrate = 1\xff\ntext =\n", NULL,
                 "dir/a.ini:2:9: [b q]: the byte \\xff is no UTF-8; save the file as UTF-8\n");
    finish(&fixture);
}

static void errors_of_plugins(void **state)
{
    static const char text[] = "[b q]\nscript = a,\n  b # x\nother =\n   c\n";
    struct problems problems = PROBLEMS_INIT;
    struct vts_error error;
    struct ini ini;

    (void)state;
    assert_true(ini_read(&ini, "a.ini", text, sizeof(text) - 1, &problems));
    vts_error_at(&error, "script", 2, 1, "one");
    options_report(ini.sections[0], "b q", &error, &problems);
    vts_error_at(&error, "other", 1, 1, "two");
    options_report(ini.sections[0], "b q", &error, &problems);
    vts_error_at(&error, "script", 0, 0, "three");
    options_report(ini.sections[0], "b q", &error, &problems);
    vts_error_at(&error, "absent", 3, 4, "four");
    options_report(ini.sections[0], "b q", &error, &problems);
    vts_error_set(&error, VTS_ERR_INVALID, "five");
    options_report(ini.sections[0], "b q", &error, &problems);
    vts_error_at(&error, "script", 99, 5, "six");
    options_report(ini.sections[0], "b q", &error, &problems);
    options_report(NULL, "b q", &error, &problems);
    assert_string_equal(problems.lines.bytes, "a.ini:3:3: [b q] script: one\n"
                                              "    b\n"
                                              "    ^\n"
                                              "a.ini:5:4: [b q] other: two\n"
                                              "    c\n"
                                              "    ^\n"
                                              "a.ini:2: [b q] script: three\n"
                                              "a.ini:1: [b q] absent: four\n"
                                              "a.ini:1: [b q]: five\n"
                                              "a.ini:3: [b q] script: six\n"
                                              "[b q] script: six\n");
    assert_false(ini.sections[0]->entries[0].used);
    problems_finish(&problems);
    ini_finish(&ini);
}

/* Quotes are told of where a value is wrong, and where they go round all of it. */
static void a_quoted_value_is_told_of(void **state)
{
    static const char text[] = "[b q]\na = \"5s\"\nb = '5s'\nc = \"5s\" and \"6s\n"
                               "d = \"\ne = \"5s'\nf = x \"5s\"\n";
    static const char *const keys[] = {"a", "b", "c", "d", "e", "f"};
    struct problems problems = PROBLEMS_INIT;
    struct vts_error error;
    struct ini ini;

    (void)state;
    assert_true(ini_read(&ini, "a.ini", text, sizeof(text) - 1, &problems));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        vts_error_at(&error, keys[i], 0, 0, "no");
        options_report(ini.sections[0], "b q", &error, &problems);
    }
    assert_string_equal(problems.lines.bytes,
                        "a.ini:2: [b q] a: no; values are written without quotes\n"
                        "a.ini:3: [b q] b: no; values are written without quotes\n"
                        "a.ini:4: [b q] c: no\n"
                        "a.ini:5: [b q] d: no\n"
                        "a.ini:6: [b q] e: no\n"
                        "a.ini:7: [b q] f: no\n");
    problems_finish(&problems);
    ini_finish(&ini);
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* Reads `path` from a section of a file `file`, or from the command line. */
static void expect_path(const char *file, const char *value, bool overridden, const char *expected)
{
    struct problems problems = PROBLEMS_INIT;
    char text[200], assignment[200];
    struct all set = {0};
    struct ini ini;

    snprintf(text, sizeof(text), "[s]\npath = %s\n", overridden ? "x" : value);
    assert_true(ini_read(&ini, file, text, strlen(text), &problems));
    snprintf(assignment, sizeof(assignment), "s/path=%s", value);
    if (overridden)
        assert_true(ini_set(&ini, assignment, &problems));
    assert_true(options_read(all, &set, ini.sections[0], "s", NULL, &problems));
    assert_string_equal(set.path, expected);
    options_free(all, &set);
    ini_finish(&ini);
}

static void paths_are_relative_to_the_file(void **state)
{
    char pattern[] = "/tmp/vtsim-options-XXXXXX", *folder, file[PATH_MAX], expected[PATH_MAX + 10];
    char here[PATH_MAX];

    (void)state;
    assert_non_null(mkdtemp(pattern));
    folder = realpath(pattern, NULL);
    assert_non_null(folder);
    assert_non_null(getcwd(here, sizeof(here)));
    snprintf(file, sizeof(file), "%s/a.ini", pattern);
    snprintf(expected, sizeof(expected), "%s/x/y.csv", folder);
    expect_path(file, "x/y.csv", false, expected);
    expect_path(file, "/x/y.csv", false, "/x/y.csv");
    expect_path(file, "", false, "");
    expect_path("/a.ini", "y", false, "//y");
    snprintf(expected, sizeof(expected), "%s/x/y.csv", here);
    expect_path(file, "x/y.csv", true, expected);
    expect_path("a.ini", "x/y.csv", false, expected);
    expect_path("<stdin>", "x/y.csv", false, expected);
    rmdir(pattern);
    free(folder);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void expect_bad_table(const struct vts_option *table, size_t size, const char *said)
{
    struct vts_error error = {0};

    assert_false(options_check(table, size, &error));
    assert_string_equal(error.message, said);
    assert_int_equal(error.code, VTS_ERR_INVALID);
    assert_false(options_check(table, size, NULL));
}

/* A table of one option that is right but for what a test changes. */
static struct vts_option one(void)
{
    return (struct vts_option){
        .type = VTS_INT, .key = "count", .fallback = "1", .help = "how many"};
}

static void good_tables(void **state)
{
    static const struct vts_option none[] = {VTS_OPTIONS_END};
    struct vts_error error = {0};

    (void)state;
    assert_true(options_check(NULL, 0, &error));
    assert_true(options_check(none, 0, &error));
    if (!options_check(all, sizeof(struct all), &error))
        fail_msg("%s", error.message);
}

static void bad_keys(void **state)
{
    struct vts_option table[3] = {one(), VTS_OPTIONS_END, VTS_OPTIONS_END};

    (void)state;
    table[0].key = NULL;
    expect_bad_table(table, 8, "option 1 has no key");
    table[0].key = "";
    expect_bad_table(
        table, 8,
        "option 1: \"\" is no key; a key is a small letter, then small letters, digits "
        "and _, at most 48 bytes");
    table[0].key = "Count";
    expect_bad_table(table, 8,
                     "option 1: \"Count\" is no key; a key is a small letter, then small letters, "
                     "digits and _, at most 48 bytes");
    table[0].key = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvw";
    expect_bad_table(
        table, 8,
        "option 1: \"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvw\" is no key; a key "
        "is a small letter, then small letters, digits and _, at most 48 bytes");
    table[0] = table[1] = one();
    expect_bad_table(table, 8, "option \"count\" is in the table twice");
}

static void bad_types_and_fields(void **state)
{
    struct vts_option table[3] = {one(), VTS_OPTIONS_END, VTS_OPTIONS_END};

    (void)state;
    table[0].type = 77;
    expect_bad_table(table, 8, "option \"count\": its type 77 is not known");
    table[0].type = -1;
    expect_bad_table(table, 8, "option \"count\": its type -1 is not known");
    table[0] = one();
    expect_bad_table(
        table, 7,
        "option \"count\": its field (8 bytes at 0) is not inside the settings_size of 7 "
        "bytes");
    table[0].offset = SIZE_MAX - 3;
    expect_bad_table(
        table, 8,
        "option \"count\": its field (8 bytes at 18446744073709551612) is not inside the "
        "settings_size of 8 bytes");
    table[0].offset = 4;
    expect_bad_table(table, 16, "option \"count\": its offset 4 is no place for a INT field");
    table[0] = table[1] = one();
    table[1].key = "other";
    expect_bad_table(table, 8, "option \"other\": its field is also that of option \"count\"");
}

static void bad_values_in_tables(void **state)
{
    struct vts_option table[2] = {one(), VTS_OPTIONS_END};

    (void)state;
    table[0].fallback = "many";
    expect_bad_table(
        table, 8,
        "option \"count\": its fallback cannot be read: \"many\" is not a whole number; "
        "write one such as 1000");
    table[0].fallback = "7";
    table[0].max = 5;
    expect_bad_table(
        table, 8,
        "option \"count\": its fallback cannot be read: \"7\" is out of range; write a "
        "whole number from 0 to 5");
    table[0].min = 6;
    expect_bad_table(table, 8, "option \"count\": its min 6 and max 5 are no range");
    table[0].min = NAN;
    assert_false(options_check(table, 8, NULL));
    table[0] = one();
    table[0].type = VTS_CHOICE;
    expect_bad_table(table, 8, "option \"count\" has no choices; write them as \"one|two\"");
    table[0].choices = "one|";
    expect_bad_table(table, 8, "option \"count\" has a choice that is not one word");
    table[0].choices = "one|two words";
    expect_bad_table(table, 8, "option \"count\" has a choice that is not one word");
    table[0].choices = "one|two|one";
    expect_bad_table(table, 8, "option \"count\" has a choice twice");
    table[0].choices = "one|two";
    expect_bad_table(table, 8,
                     "option \"count\": its fallback cannot be read: \"1\" is none of one, two");
}

/* What is given to be pasted must be a value, too. */
static void examples(void **state)
{
    struct vts_option table[] = {
        VTS_OPTION_(VTS_INT, int64_t, struct all, count, NULL, 0, 10, "7", "how many"),
        VTS_OPTIONS_END};
    struct vts_error error;

    (void)state;
    assert_true(options_check(table, sizeof(struct all), &error));
    table[0].choices = "11";
    expect_bad_table(
        table, sizeof(struct all),
        "option \"count\": its example cannot be read: \"11\" is out of range; write a "
        "whole number from 0 to 10");
}

static void a_table_without_an_end(void **state)
{
    static struct vts_option table[300];
    static char names[300][8];

    (void)state;
    for (int i = 0; i < 299; i++) {
        snprintf(names[i], sizeof(names[i]), "k%d", i);
        table[i] = (struct vts_option){.type = VTS_BOOL, .key = names[i], .offset = (size_t)i};
    }
    expect_bad_table(table, 300,
                     "the table has more than 256 options; does it end with VTS_OPTIONS_END?");
    table[256].type = VTS_OPTION_END_TYPE;
    assert_true(options_check(table, 300, NULL));
}

/* ---- describing ------------------------------------------------------------------------------ */

static void described(void **state)
{
    struct text out = TEXT_INIT;

    (void)state;
    options_describe(all, &out);
    assert_string_equal(out.bytes, "  key     type    default  range               meaning\n"
                                   "  on      BOOL    off                          whether\n"
                                   "  count   INT     1        0 to 256            how many\n"
                                   "  rate    REAL    0.5      0 to 1              how often\n"
                                   "  span    TIME    1s       100ms to 1d         how long\n"
                                   "  delay   DELAY   10s      0 to 1m             when\n"
                                   "  text    TEXT    a        1 to 5 bytes        what\n"
                                   "  list    LIST    a | b    1 to 3 items        which\n"
                                   "  choice  CHOICE  end      end|anywhere|never  where\n"
                                   "  path    PATH                                 from where\n");
    text_reset(&out);
    options_describe(NULL, &out);
    assert_string_equal(out.bytes, "  (no settings)\n");
    text_finish(&out);
}

static void pasted(void **state)
{
    static const struct vts_option table[] = {
        VTS_OPTION_REAL(struct all, rate, NULL, 0, 1, "how often"),
        VTS_OPTION_LIST(struct all, list, "a\nb", NULL),
        VTS_OPTION_PATH(struct all, path, "", ""),
        VTS_OPTION_TEXT_REQUIRED(struct all, text, "a,\nb", "what"),
        VTS_OPTIONS_END,
    };
    struct text out = TEXT_INIT;

    (void)state;
    options_paste(table, "behaviour flaky", "random_failure", &out);
    assert_string_equal(out.bytes, "[behaviour flaky]\n"
                                   "plugin = random_failure\n"
                                   "; REAL: how often\n"
                                   "rate = ; required: write a value here\n"
                                   "; LIST\n"
                                   "list = a\n"
                                   "    b\n"
                                   "; PATH\n"
                                   "path =\n"
                                   "; TEXT: what; required, this is an example\n"
                                   "text = a,\n"
                                   "    b\n");
    text_finish(&out);
}

/* What is pasted reads back to the fallbacks. */
static void what_is_pasted_can_be_read(void **state)
{
    struct text out = TEXT_INIT, plain = TEXT_INIT;
    struct fixture pasted_one, bare;

    (void)state;
    options_paste(all, "b q", NULL, &out);
    read_section(&pasted_one, all, out.bytes, NULL, "");
    read_section(&bare, all, "", NULL, "");
    assert_int_equal(pasted_one.ini.sections[0]->count, 9);
    assert_int_equal(pasted_one.canonical.length, bare.canonical.length);
    assert_memory_equal(pasted_one.canonical.bytes, bare.canonical.bytes, bare.canonical.length);
    finish(&pasted_one);
    finish(&bare);
    text_finish(&out);
    text_finish(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(times_at_their_limits),
        cmocka_unit_test(no_times),
        cmocka_unit_test(times_that_are_nearly_right),
        cmocka_unit_test(times_as_text),
        cmocka_unit_test(delays),
        cmocka_unit_test(delays_with_wrong_words),
        cmocka_unit_test(delays_with_wrong_values),
        cmocka_unit_test(bools),
        cmocka_unit_test(ints),
        cmocka_unit_test(ints_without_limits),
        cmocka_unit_test(reals),
        cmocka_unit_test(times_and_delays_with_limits),
        cmocka_unit_test(texts_and_lists),
        cmocka_unit_test(a_list_ends_with_null),
        cmocka_unit_test(choices),
        cmocka_unit_test(one_line_is_enough),
        cmocka_unit_test(fallbacks),
        cmocka_unit_test(equal_settings_have_equal_canonical_texts),
        cmocka_unit_test(wrong_values_with_their_lines),
        cmocka_unit_test(unknown_keys),
        cmocka_unit_test(keys_that_somebody_else_reads),
        cmocka_unit_test(required_keys),
        cmocka_unit_test(errors_of_plugins),
        cmocka_unit_test(a_quoted_value_is_told_of),
        cmocka_unit_test(paths_are_relative_to_the_file),
        cmocka_unit_test(good_tables),
        cmocka_unit_test(bad_keys),
        cmocka_unit_test(bad_types_and_fields),
        cmocka_unit_test(bad_values_in_tables),
        cmocka_unit_test(examples),
        cmocka_unit_test(a_table_without_an_end),
        cmocka_unit_test(described),
        cmocka_unit_test(pasted),
        cmocka_unit_test(what_is_pasted_can_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
