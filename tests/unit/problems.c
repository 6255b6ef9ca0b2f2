/* SPDX-License-Identifier: MIT
 *
 * Tests of the list of problems: a problem is one line, whatever it quotes. */
#include "config/problems.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

static void parts_that_are_left_out(void **state)
{
    struct problems problems = PROBLEMS_INIT;

    (void)state;
    problems_add(&problems, "a.ini:12", "behaviour quick", "delay", "%d is wrong", 7);
    problems_add(&problems, "a.ini:3", "server", NULL, "twice");
    problems_add(&problems, "a.ini", NULL, NULL, "not there");
    problems_add(&problems, NULL, "server", "workers", "too many");
    problems_add(&problems, "", NULL, NULL, "bare");
    assert_string_equal(problems.lines.bytes, "a.ini:12: [behaviour quick] delay: 7 is wrong\n"
                                              "a.ini:3: [server]: twice\n"
                                              "a.ini: not there\n"
                                              "[server] workers: too many\n"
                                              "bare\n");
    assert_int_equal(problems.count, 5);
    problems_finish(&problems);
    assert_int_equal(problems.count, 0);
}

static void a_problem_stays_on_its_line(void **state)
{
    struct problems problems = PROBLEMS_INIT;

    (void)state;
    problems_add(&problems, "a\nb", NULL, NULL, "x\ty\x1b[31m\x7f \xc2\x80 \xff \xc3 \xe2\x82\xac");
    assert_string_equal(problems.lines.bytes,
                        "a\\nb: x\\ty\\x1b[31m\\x7f \\xc2\\x80 \\xff \\xc3 \xe2\x82\xac\n");
    problems_finish(&problems);
}

/* What is shown of a line for a place in it. */
static void expect_shown(const char *line, size_t column, const char *shown)
{
    struct problems problems = PROBLEMS_INIT;

    problems_add(&problems, "a.ini:1:1", NULL, NULL, "wrong");
    problems_show(&problems, line, strlen(line), column);
    assert_int_equal(problems.count, 1);
    assert_memory_equal(problems.lines.bytes, "a.ini:1:1: wrong\n", 17);
    assert_string_equal(problems.lines.bytes + 17, shown);
    problems_finish(&problems);
}

static void a_place_is_shown(void **state)
{
    (void)state;
    expect_shown("pending for long", 13,
                 "    pending for long\n"
                 "                ^\n");
    expect_shown("x", 1, "    x\n    ^\n");
    expect_shown("x", 2, "    x\n     ^\n");       /* behind its end, */
    expect_shown("x", 4000000, "    x\n     ^\n"); /* as is all beyond */
    expect_shown("", 1, "    \n    ^\n");
}

/* The ^ stands where a terminal shows the character: two columns for a wide one, none for an accent of its
 * own, as many as an escape has. */
static void a_place_behind_other_characters(void **state)
{
    (void)state;
    expect_shown("f\xc3\xbcr x", 6, "    f\xc3\xbcr x\n        ^\n");
    expect_shown("\xe6\x97\xa5\xe6\x9c\xac x", 8, "    \xe6\x97\xa5\xe6\x9c\xac x\n         ^\n");
    expect_shown("e\xcc\x81 x", 5, "    e\xcc\x81 x\n      ^\n");
    expect_shown("\xf0\x9f\x98\x80x", 5, "    \xf0\x9f\x98\x80x\n      ^\n");
    expect_shown("a\tb\x1b\xff x", 7, "    a\\tb\\x1b\\xff x\n                 ^\n");
    /* in the middle of a character: behind it */
    expect_shown("f\xc3\xbcr", 3, "    f\xc3\xbcr\n      ^\n");
}

static void the_part_of_a_long_line(void **state)
{
    char line[400];

    (void)state;
    memset(line, '.', sizeof(line));
    line[399] = '\0';
    line[0] = 'A';
    line[199] = 'X';
    line[398] = 'Z';
    expect_shown(
        line, 1,
        "    A.......................................................................\x2e..\n"
        "    ^\n");
    expect_shown(
        line, 200,
        "    ...........................................X..................................\n"
        "                                               ^\n");
    expect_shown(line, 399,
                 "    ...........................................Z\n"
                 "                                               ^\n");
    line[60] = '\0';
    expect_shown(line, 41, /* all fits */
                 "    A...........................................................\n"
                 "                                            ^\n");
}

/* Wide characters, of which one would be cut at the window's edge. */
static void the_part_of_a_long_line_that_is_wide(void **state)
{
    struct text line = TEXT_INIT, shown = TEXT_INIT;

    (void)state;
    for (int i = 0; i < 50; i++)
        text_puts(&line, "\xe6\x97\xa5");
    text_puts(&line, "x\xe6\x97\xa5!");
    text_puts(&shown, "    ...");
    for (int i = 0; i < 19; i++)
        text_puts(&shown, "\xe6\x97\xa5");
    text_puts(&shown, "x\xe6\x97\xa5!\n    ");
    text_printf(&shown, "%*s^\n", 3 + 38 + 1 + 0, "");
    expect_shown(line.bytes, 152, shown.bytes);
    text_finish(&line);
    text_finish(&shown);
}

static void quotes_are_cut_between_characters(void **state)
{
    char long_text[200];

    (void)state;
    assert_string_equal(problems_quote("", 0).text, "\"\"");
    assert_string_equal(problems_quote("10 s", 4).text, "\"10 s\"");
    assert_string_equal(problems_quote("a\nb\0c", 5).text, "\"a\\nb\\x00c\"");
    memset(long_text, 'x', sizeof(long_text));
    assert_int_equal(strlen(problems_quote(long_text, sizeof(long_text)).text), 79);
    assert_string_equal(problems_quote(long_text, sizeof(long_text)).text + 74, "x...\"");
    for (size_t i = 0; i < sizeof(long_text); i += 2)
        long_text[i] = '\xc3', long_text[i + 1] = '\xa9';
    for (size_t from = 0; from < 2; from++) {
        struct quoted quoted = problems_quote(long_text + from, sizeof(long_text) - from);

        assert_int_equal(text_valid_utf8(quoted.text, strlen(quoted.text)), strlen(quoted.text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_that_are_left_out),
        cmocka_unit_test(a_problem_stays_on_its_line),
        cmocka_unit_test(a_place_is_shown),
        cmocka_unit_test(a_place_behind_other_characters),
        cmocka_unit_test(the_part_of_a_long_line),
        cmocka_unit_test(the_part_of_a_long_line_that_is_wide),
        cmocka_unit_test(quotes_are_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
