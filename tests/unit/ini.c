/* SPDX-License-Identifier: MIT
 *
 * Tests of the INI reader: what is read, where it stood, and the exact words about what is wrong. */
#include "config/ini.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

/* ---- helpers --------------------------------------------------------------------------------- */

/* What was read, as one text: "[kind|name]@line key=value@line:column,line:column;". */
static void dump(const struct ini *ini, struct text *out)
{
    for (size_t i = 0; i < ini->count; i++) {
        const struct ini_section *section = ini->sections[i];

        text_printf(out, "[%s|%s]@%u", section->kind, section->name ? section->name : "",
                    (unsigned int)section->line);
        for (size_t k = 0; k < section->count; k++) {
            const struct ini_entry *entry = &section->entries[k];

            text_printf(out, " %s=%s@", entry->key, entry->value);
            for (size_t l = 0; entry->places && l < entry->lines; l++)
                text_printf(out, "%s%u:%u", l ? "," : "", (unsigned int)entry->places[l].line,
                            (unsigned int)entry->places[l].column);
            text_printf(out, "%s;", entry->damaged ? "!" : "");
        }
        text_puts(out, "\n");
    }
}

static void expect_bytes(const char *text, size_t length, const char *read, const char *said)
{
    struct problems problems = PROBLEMS_INIT;
    struct text out = TEXT_INIT;
    char *copy = malloc(length ? length : 1); /* exactly as long, so that asan sees a step beyond */
    struct ini ini;
    bool ok;

    assert_non_null(copy);
    memcpy(copy, text, length);
    ok = ini_read(&ini, "a.ini", copy, length, &problems);
    free(copy);
    text_puts(&out, "");
    dump(&ini, &out);
    text_puts(&problems.lines, "");
    assert_string_equal(problems.lines.bytes, said);
    assert_string_equal(out.bytes, read);
    assert_int_equal(ok, *said == 0);
    assert_int_equal(ok, problems.count == 0);
    ini_finish(&ini);
    problems_finish(&problems);
    text_finish(&out);
}

static void expect(const char *text, const char *read, const char *said)
{
    expect_bytes(text, strlen(text), read, said);
}

/* ---- what is read ---------------------------------------------------------------------------- */

static void nothing(void **state)
{
    (void)state;
    expect("", "", "");
    expect("\n\n", "", "");
    expect("; a\n# b\n  ; c\n\t# d", "", "");
    expect("\xef\xbb\xbf", "", "");
}

static void sections_and_keys(void **state)
{
    (void)state;
    expect("[server]\nlisten = 127.0.0.1:5000\n\n[behaviour quick]\ndelay=10s\n",
           "[server|]@1 listen=127.0.0.1:5000@2:10;\n[behaviour|quick]@4 delay=10s@5:7;\n", "");
    expect("[  rule \t long  videos  ]  ; x\njob_id\t=\tlong-*",
           "[rule|long  videos]@1 job_id=long-*@2:10;\n", "");
    expect("[server]\na = b = c\nd =\ne=", "[server|]@1 a=b = c@2:5; d=@3:4; e=@4:3;\n", "");
    expect("[a]\n[b]\n[a x]\n", "[a|]@1\n[b|]@2\n[a|x]@3\n", "");
}

static void comments(void **state)
{
    (void)state;
    expect("[s] # x\na = 1 ; x\nb = 2;x\nc = 3 # x\nd = 4#x\ne = ; x\nf =;x\n",
           "[s|]@1 a=1@2:5; b=2;x@3:5; c=3@4:5; d=4#x@5:5; e=@6:4; f=;x@7:4;\n", "");
    expect("[s]\na = 1\t;x\n", "[s|]@1 a=1@2:5;\n", "");
}

static void comments_and_quotes(void **state)
{
    (void)state;
    expect("[s]\na = \"x ; y\" ; z\n", "[s|]@1 a=\"x ; y\"@2:5;\n", "");
    expect("[s]\na = \"x \\\" ; y\" # z\n", "[s|]@1 a=\"x \\\" ; y\"@2:5;\n", "");
    expect("[s]\na = \"x \\\\\" ; y\" # z\n", "[s|]@1 a=\"x \\\\\"@2:5;\n", "");
    /* one that is not closed is an ordinary character */
    expect("[s]\na = 5\" disk ; y\n", "[s|]@1 a=5\" disk@2:5;\n", "");
    expect("[s]\na = \"x\\\" ; \"y\n  \" ; z\" ; q\n",
           "[s|]@1 a=\"x\\\" ; \"y\n\" ; z\"@2:5,3:3;\n", "");
}

static void continued_values(void **state)
{
    (void)state;
    expect("[s]\na = 1\n  2 ; x\n\t 3\nb = 4\n", "[s|]@1 a=1\n2\n3@2:5,3:3,4:3; b=4@5:5;\n", "");
    /* blank lines and lines of comment within a value are skipped */
    expect("[s]\na = 1\n\n  ; x\n# y\n   \n 2\n", "[s|]@1 a=1\n2@2:5,7:2;\n", "");
    /* a value may begin on the line below its key */
    expect("[s]\na =\n  1\n  2\n", "[s|]@1 a=1\n2@3:3,4:3;\n", "");
    expect("[s]\na = ; x\n\n  1\n", "[s|]@1 a=1@4:3;\n", "");
}

static void ends_of_lines(void **state)
{
    (void)state;
    expect("\xef\xbb\xbf[s]\r\na = 1\r\n  2\r\n\r\nb = 3\r", "[s|]@1 a=1\n2@2:5,3:3; b=3@5:5;\n",
           "");
}

static void long_lines(void **state)
{
    enum { LENGTH = 300000, LINES = 5000 };
    struct problems problems = PROBLEMS_INIT;
    struct text text = TEXT_INIT;
    struct ini_entry *entry;
    struct ini ini;

    (void)state;
    text_puts(&text, "[s]\na = ");
    for (size_t i = 0; i < LENGTH; i++)
        text_puts(&text, "x");
    text_puts(&text, "\nb = 0\n");
    for (int i = 1; i < LINES; i++)
        text_printf(&text, "    %d\n", i);
    assert_true(ini_read(&ini, "a.ini", text.bytes, text.length, &problems));
    assert_int_equal(strlen(ini_entry(ini.sections[0], "a")->value), LENGTH);
    entry = ini_entry(ini.sections[0], "b");
    assert_int_equal(entry->lines, LINES);
    assert_int_equal(entry->places[LINES - 1].line, LINES + 2);
    assert_string_equal(strrchr(entry->value, '\n'), "\n4999");
    ini_finish(&ini);
    problems_finish(&problems);
    text_finish(&text);
}

/* ---- what is wrong --------------------------------------------------------------------------- */

static void text_outside_sections(void **state)
{
    (void)state;
    expect(
        "; x\nworkers = 2\nlisten = x\n  y\n[server]\na=1\n", "[server|]@5 a=1@6:3;\n",
        "a.ini:2: \"workers = 2\" stands in no section; write a heading such as [server] above\n");
    expect("  x\n", "",
           "a.ini:1: this line starts with white space, but there is no value above that it could "
           "continue; a key stands at the start of its line\n");
}

static void headings(void **state)
{
    (void)state;
    /* the bracket is taken as if it were there: what follows belongs to what was meant */
    expect("[behaviour quick\ndelay = 1s\n", "[behaviour|quick]@1 delay=1s@2:9;\n",
           "a.ini:1: \"[behaviour quick\" has no \"]\" at its end\n");
    expect("[s] x\na=1\n", "[s|]@1 a=1@2:3;\n",
           "a.ini:1:4: there is text behind the \"]\"; a heading stands alone on its line\n");
    expect("[ ]\na=1\n  2\nb=1\n[s]\n", "[s|]@5\n",
           "a.ini:1: a heading without a word in it; write [server] or [behaviour NAME]\n");
    expect("[a [b]]\nx=1\n", "",
           "a.ini:1:7: there is text behind the \"]\"; a heading stands alone on its line\n"
           "a.ini:1: a bracket or a control character in a section's name\n");
    expect("[s]\n  a = 1\nb = 2\n", "[s|]@1 b=2@3:5;\n",
           "a.ini:2: [s]: this line starts with white space, but there is no value above that it "
           "could continue; a key stands at the start of its line\n");
}

static void long_headings(void **state)
{
    char text[400] = "[rule ";

    (void)state;
    memset(text + 6, 'x', 255);
    memcpy(text + 6 + 255, "]\n", 3);
    {
        char read[400] = "[rule|";

        memset(read + 6, 'x', 255);
        memcpy(read + 6 + 255, "]@1\n", 5);
        expect(text, read, "");
    }
    memcpy(text + 6 + 255, "x]\n", 4);
    expect(text, "",
           "a.ini:1: a heading that is too long: a section's name has 255 bytes at most\n");
}

static void keys(void **state)
{
    (void)state;
    expect("[s]\nworkers 4\n  5\na = 1\n", "[s|]@1 a=1@4:5;\n",
           "a.ini:2: [s]: \"workers 4\" has no \"=\"; write key = value\n");
    expect("[s]\n= 4\n", "[s|]@1\n",
           "a.ini:2: [s]: there is no key before the \"=\"; write key = value\n");
    expect("[s]\nmy key = 4\n", "[s|]@1\n",
           "a.ini:2:3: [s]: \"my key\" is no key; a key is one word of letters, digits and _\n");
    expect("[s]\nMax-Jobs = 4\n", "[s|]@1 Max-Jobs=4@2:12;\n", "");
    expect("[s]\nabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwx = 1\n", "[s|]@1\n",
           "a.ini:2: [s]: \"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwx\" is no key; a key "
           "has 48 bytes at most\n");
}

static void twice(void **state)
{
    (void)state;
    expect("[s]\na = 1\n  2\n\na = 3\n  4\nb = 1\n", "[s|]@1 a=1\n2@2:5,3:3; b=1@7:5;\n",
           "a.ini:5: [s] a: given twice; the first one is at line 2\n");
    /* of a section given twice the keys are not told one by one, but those new in it are read */
    expect("[s x]\na = 1\n[t]\n[s  x]\na = 3\nb = 1\nb = 2\n",
           "[s|x]@1 a=1@2:5; b=1@6:5;\n[t|]@3\n",
           "a.ini:4: [s x]: this section is given twice; the first one is at line 1\n"
           "a.ini:7: [s x] b: given twice; the first one is at line 6\n");
}

static void damaged_bytes(void **state)
{
    static const char nul[] = "[s]\na = 1\0x\nb = 2\n";

    (void)state;
    expect_bytes(nul, sizeof(nul) - 1, "[s|]@1 a=1@2:5!; b=2@3:5;\n",
                 "a.ini:2:6: [s]: a NUL byte\n");
    expect("[s]\na = \xff\nb = 2 ; \xe4\n", "[s|]@1 a=@2:4!; b=2@3:5!;\n",
           "a.ini:2:5: [s]: the byte \\xff is no UTF-8; save the file as UTF-8\n"
           "a.ini:3:9: [s]: the byte \\xe4 is no UTF-8; save the file as UTF-8\n");
    expect("[s]\na = 1\n  \xed\xa0\x80\n", "[s|]@1 a=1@2:5!;\n",
           "a.ini:3:3: [s]: the byte \\xed is no UTF-8; save the file as UTF-8\n");
    expect("; x\r[s]\ra=1\n", "",
           "a.ini:1:4: a carriage return within a line; lines end with LF or CRLF\n");
    /* one line, one problem: what the damage hides is not missed */
    expect("[s\xff]\na=1\n", "[s|]@1 a=1@2:3;\n",
           "a.ini:1:3: the byte \\xff is no UTF-8; save the file as UTF-8\n");
    expect_bytes("\xff\xfe[\0s\0]\0", 8, "", "a.ini: this is UTF-16; save the file as UTF-8\n");
}

static void several_in_one_go(void **state)
{
    (void)state;
    expect("[server\nx\n= 1\n[]\ny\n[s]\na=1\na=2\n", "[server|]@1\n[s|]@6 a=1@7:3;\n",
           "a.ini:1: \"[server\" has no \"]\" at its end\n"
           "a.ini:2: [server]: \"x\" has no \"=\"; write key = value\n"
           "a.ini:3: [server]: there is no key before the \"=\"; write key = value\n"
           "a.ini:4: a heading without a word in it; write [server] or [behaviour NAME]\n"
           "a.ini:8: [s] a: given twice; the first one is at line 7\n");
}

static void too_many(void **state)
{
    struct problems problems = PROBLEMS_INIT;
    struct text text = TEXT_INIT;
    struct ini ini;

    (void)state;
    text_puts(&text, "[s]\n");
    for (int i = 0; i < 1000; i++)
        text_puts(&text, "x\n");
    assert_false(ini_read(&ini, "a.ini", text.bytes, text.length, &problems));
    assert_int_equal(problems.count, 51);
    assert_non_null(strstr(problems.lines.bytes,
                           "\na.ini: too many problems; the file is not read beyond line 51\n"));
    ini_finish(&ini);
    problems_finish(&problems);
    text_finish(&text);
}

/* ---- files ----------------------------------------------------------------------------------- */

static int make_folder(void **state)
{
    char pattern[] = "/tmp/vtsim-ini-XXXXXX";

    if (!mkdtemp(pattern))
        return -1;
    *state = strdup(pattern);
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/x.ini", (char *)*state);
    unlink(path);
    rmdir(*state);
    free(*state);
    return 0;
}

/* Writes x.ini into the folder: `text`, then as many zero bytes as are missing from `size`. */
static void write_file(const char *folder, char *path, size_t room, const char *text, off_t size)
{
    FILE *file;

    snprintf(path, room, "%s/x.ini", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    if (size)
        assert_int_equal(truncate(path, size), 0);
}

static void expect_file(const char *path, const char *read, const char *said)
{
    struct problems problems = PROBLEMS_INIT;
    struct text out = TEXT_INIT;
    struct ini ini;
    bool ok = ini_read_file(&ini, path, &problems);

    text_puts(&out, "");
    dump(&ini, &out);
    text_puts(&problems.lines, "");
    assert_string_equal(problems.lines.bytes, said);
    assert_string_equal(out.bytes, read);
    assert_int_equal(ok, *said == 0);
    ini_finish(&ini);
    problems_finish(&problems);
    text_finish(&out);
}

static void files(void **state)
{
    char path[300], said[500];

    write_file(*state, path, sizeof(path), "[s]\na = 1\n", 0);
    expect_file(path, "[s|]@1 a=1@2:5;\n", "");
    write_file(*state, path, sizeof(path), "", 0);
    expect_file(path, "", "");
    snprintf(said, sizeof(said), "%s: this is a folder; name a file in it\n", (char *)*state);
    expect_file(*state, "", said);
    snprintf(said, sizeof(said), "%s/none.ini: cannot open it: No such file or directory\n",
             (char *)*state);
    snprintf(path, sizeof(path), "%s/none.ini", (char *)*state);
    expect_file(path, "", said);
}

static void a_file_that_is_too_large(void **state)
{
    char path[300], said[500];

    write_file(*state, path, sizeof(path), "[s]\n", INI_FILE_MAX + 1);
    snprintf(said, sizeof(said), "%s: has more than 16 MiB; that is no INI file\n", path);
    expect_file(path, "", said);
}

static void a_file_that_may_not_be_read(void **state)
{
    char path[300], said[500];

    if (geteuid() == 0)
        skip(); /* root may read everything */
    write_file(*state, path, sizeof(path), "[s]\n", 0);
    assert_int_equal(chmod(path, 0), 0);
    snprintf(said, sizeof(said), "%s: cannot open it: Permission denied\n", path);
    expect_file(path, "", said);
}

static void standard_input(void **state)
{
    int saved = dup(STDIN_FILENO), ends[2];

    (void)state;
    assert_true(saved >= 0);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "[s]\nx\n", 6), 6);
    close(ends[1]);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    expect_file("-", "[s|]@1\n", "<stdin>:2: [s]: \"x\" has no \"=\"; write key = value\n");
    dup2(saved, STDIN_FILENO);
    close(saved);
}

/* ---- the command line ------------------------------------------------------------------------ */

static void expect_set(const char *text, const char *assignment, const char *read, const char *said)
{
    struct problems problems = PROBLEMS_INIT;
    struct text out = TEXT_INIT;
    struct ini ini = {0};

    if (text)
        assert_true(ini_read(&ini, "a.ini", text, strlen(text), &problems));
    assert_int_equal(ini_set(&ini, assignment, &problems), *said == 0);
    text_puts(&out, "");
    dump(&ini, &out);
    text_puts(&problems.lines, "");
    assert_string_equal(problems.lines.bytes, said);
    assert_string_equal(out.bytes, read);
    ini_finish(&ini);
    problems_finish(&problems);
    text_finish(&out);
}

static void settings_of_the_command_line(void **state)
{
    (void)state;
    expect_set("[s]\na = 1\n 2\nb = 2\n", "s/a=3", "[s|]@1 a=3@; b=2@4:5;\n", "");
    expect_set("[s]\n", "s/a = 3 ; no comment ", "[s|]@1 a=3 ; no comment@;\n", "");
    expect_set(NULL, "behaviour quick / delay = 1s", "[behaviour|quick]@0 delay=1s@;\n", "");
    expect_set(NULL, "rule a/b=c/job_id=x=y/z", "[rule|a]@0 b=c/job_id=x=y/z@;\n", "");
    expect_set(NULL, "rule a=b/job_id=x", "[rule|a=b]@0 job_id=x@;\n", "");
    expect_set(NULL, "s/a=\n  1 \n\n\t2", "[s|]@0 a=1\n2@;\n", "");
    expect_set(NULL, "s/a=", "[s|]@0 a=@;\n", "");
}

static void wrong_settings_of_the_command_line(void **state)
{
    static const char none[] =
        " is no setting; write SECTION/KEY=VALUE, such as server/workers=2\n";
    static const char *const wrong[] = {"workers=2", "server/workers", "server/=2", "", "=", "/",
                                        "/="};
    char said[200];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(said, sizeof(said), "-s: \"%s\":%s", wrong[i], none);
        expect_set(NULL, wrong[i], "", said);
    }
    expect_set(
        NULL, "/a=1", "",
        "-s: \"/a=1\": a heading without a word in it; write [server] or [behaviour NAME]\n");
    expect_set(NULL, "s/a=\xff", "", "-s: \"s/a=\\xff\": is no UTF-8\n");
    expect_set(NULL, "[s]/a=1", "",
               "-s: \"[s]/a=1\": a bracket or a control character in a section's name\n");
}

/* ---- places ---------------------------------------------------------------------------------- */

static void places(void **state)
{
    static const char text[] = "[s]\na = 1\n\n  2\n";
    struct problems problems = PROBLEMS_INIT;
    struct ini_section *section;
    struct ini_entry *entry;
    struct ini ini;
    char where[64];

    (void)state;
    assert_true(ini_read(&ini, "dir/a.ini", text, sizeof(text) - 1, &problems));
    section = ini.sections[0];
    assert_false(section->used);
    assert_ptr_equal(ini_section(&ini, "s", NULL), section);
    assert_true(section->used);
    assert_null(ini_section(&ini, "s", "x"));
    entry = ini_entry(section, "a");
    assert_true(entry->used);
    assert_null(ini_entry(section, "b"));
    assert_null(ini_entry(NULL, "b"));
    assert_string_equal(ini_where(section, NULL, 0, where, sizeof(where)), "dir/a.ini:1");
    assert_string_equal(ini_where(section, entry, 0, where, sizeof(where)), "dir/a.ini:2");
    assert_string_equal(ini_where(section, entry, 1, where, sizeof(where)), "dir/a.ini:2");
    assert_string_equal(ini_where(section, entry, 2, where, sizeof(where)), "dir/a.ini:4");
    assert_string_equal(ini_where(section, entry, 9, where, sizeof(where)), "dir/a.ini:4");
    assert_string_equal(ini_where(NULL, NULL, 0, where, sizeof(where)), "");
    assert_true(ini_set(&ini, "s/a=1", &problems));
    assert_true(ini_set(&ini, "t/a=1", &problems));
    assert_string_equal(ini_where(section, entry, 1, where, sizeof(where)), "-s");
    assert_string_equal(ini_where(ini_section(&ini, "t", NULL), NULL, 1, where, sizeof(where)),
                        "-s");
    ini_finish(&ini);
    problems_finish(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing),
        cmocka_unit_test(sections_and_keys),
        cmocka_unit_test(comments),
        cmocka_unit_test(comments_and_quotes),
        cmocka_unit_test(continued_values),
        cmocka_unit_test(ends_of_lines),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(text_outside_sections),
        cmocka_unit_test(headings),
        cmocka_unit_test(long_headings),
        cmocka_unit_test(keys),
        cmocka_unit_test(twice),
        cmocka_unit_test(damaged_bytes),
        cmocka_unit_test(several_in_one_go),
        cmocka_unit_test(too_many),
        cmocka_unit_test_setup_teardown(files, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_that_is_too_large, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_that_may_not_be_read, make_folder, remove_folder),
        cmocka_unit_test(standard_input),
        cmocka_unit_test(settings_of_the_command_line),
        cmocka_unit_test(wrong_settings_of_the_command_line),
        cmocka_unit_test(places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
