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
        cmocka_unit_test(quotes_are_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
