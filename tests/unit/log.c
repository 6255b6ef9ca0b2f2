/* SPDX-License-Identifier: MIT
 *
 * Tests of log lines: their form as text and as JSON, that none can be forged, and that those of
 * several threads do not mix. */
#include "base/log.h"

#include "base/text.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

/* Standard error while a test has it in a file. */
static int saved = -1;
static FILE *caught;

static void catch_lines(void)
{
    caught = tmpfile();
    assert_non_null(caught);
    saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_true(saved >= 0);
    assert_true(dup2(fileno(caught), STDERR_FILENO) >= 0);
}

/* Gives standard error back, and what was written to it meanwhile. */
static char *caught_lines(void)
{
    struct text text = TEXT_INIT;
    char buffer[4096];
    size_t got;

    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(caught);
    while ((got = fread(buffer, 1, sizeof(buffer), caught)) > 0)
        text_add(&text, buffer, got);
    fclose(caught);
    return text_take(&text);
}

/* Puts 0 for every digit of a leading or quoted moment, which is another one each time. */
static void hide_moment(char *at)
{
    for (int i = 0; i < 24; i++)
        if (at[i] >= '0' && at[i] <= '9')
            at[i] = '0';
}

static void lines_of_text(void **state)
{
    char *lines, *second;

    (void)state;
    log_setup(VTS_INFO, LOG_TEXT);
    catch_lines();
    log_line(VTS_INFO, "http", "served %d", 3);
    log_line(VTS_ERROR, "job a\nb", "one\ntwo\t\x1b[31m\x7f caf\xc3\xa9");
    lines = caught_lines();
    hide_moment(lines);
    second = strchr(lines, '\n') + 1;
    hide_moment(second);
    assert_string_equal(
        lines, "0000-00-00T00:00:00.000Z info http: served 3\n"
               "0000-00-00T00:00:00.000Z error job a\\x0ab: one\\x0atwo\\x09\\x1b[31m\\x7f "
               "caf\xc3\xa9\n");
    free(lines);
}

static void lines_of_json(void **state)
{
    char *lines;

    (void)state;
    log_setup(VTS_DEBUG, LOG_JSON);
    catch_lines();
    log_line(VTS_DEBUG, "job \"a\"", "one\ntwo \xff");
    lines = caught_lines();
    hide_moment(lines + strlen("{\"time\": \""));
    assert_string_equal(lines, "{\"time\": \"0000-00-00T00:00:00.000Z\", \"level\": \"debug\", "
                               "\"place\": \"job \\\"a\\\"\", \"message\": \"one\\ntwo "
                               "\xef\xbf\xbd\"}\n");
    free(lines);
}

static void levels(void **state)
{
    static const enum vts_level all[] = {VTS_DEBUG, VTS_INFO, VTS_WARNING, VTS_ERROR};
    char *lines;

    (void)state;
    for (size_t least = 0; least < 4; least++) {
        size_t count = 0;

        log_setup(all[least], LOG_TEXT);
        catch_lines();
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(log_wants(all[i]), i >= least);
            log_line(all[i], "x", "y");
        }
        lines = caught_lines();
        for (const char *at = lines; *at; at++)
            count += *at == '\n';
        assert_int_equal(count, 4 - least);
        free(lines);
    }
}

enum { THREADS = 4, LINES = 500 };

static void *write_lines(void *arg)
{
    char letters[301];

    memset(letters, *(const char *)arg, 300);
    letters[300] = 0;
    for (int i = 0; i < LINES; i++)
        log_line(VTS_INFO, "thread", "%s", letters);
    return NULL;
}

static void lines_do_not_mix(void **state)
{
    static const size_t front = sizeof("0000-00-00T00:00:00.000Z info thread: ") - 1;
    static char letters[THREADS] = {'a', 'b', 'c', 'd'};
    pthread_t threads[THREADS];
    size_t count = 0;
    char *lines;

    (void)state;
    log_setup(VTS_INFO, LOG_TEXT);
    catch_lines();
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &letters[i]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    lines = caught_lines();
    for (const char *line = lines; *line; line += front + 301) {
        const char letter[2] = {line[front], 0};

        assert_int_equal(strcspn(line, "\n"), front + 300);
        assert_int_equal(strspn(line + front, letter), 300);
        count++;
    }
    assert_int_equal(count, THREADS * LINES);
    free(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_text),
        cmocka_unit_test(lines_of_json),
        cmocka_unit_test(levels),
        cmocka_unit_test(lines_do_not_mix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
