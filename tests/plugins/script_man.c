/* SPDX-License-Identifier: MIT
 *
 * Plays every example of vtsim-script(5): takes it out of the man page's source, and holds what a job is told
 * against the comment that stands before it. */
#include "player.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

const struct vts_plugin *scripted_sequence_LTX_vts_plugin(void);

#define PAGE VTSIM_SOURCE_DIR "/core/man/vtsim-script.5"

/* A line of the page without its newline; "" at the end. */
struct page {
    FILE *file;
    char line[512];
    bool more;
};

static void next_line(struct page *page)
{
    page->more = fgets(page->line, sizeof(page->line), page->file) != NULL;
    page->line[page->more ? strcspn(page->line, "\n") : 0] = '\0';
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Adds a line as troff would print it, as far as the page's examples use its escapes. */
static void add_printed(struct text *text, const char *line)
{
    for (; *line; line++) {
        if (*line != '\\') {
            text_add(text, line, 1);
        } else if (!line[1]) {
            return; /* the next line goes on with it */
        } else if (line[1] == '-' || line[1] == 'e') {
            text_puts(text, line[1] == '-' ? "-" : "\\");
            line++;
        } else if (begins(line, "\\(dq")) {
            text_puts(text, "\"");
            line += 3;
        } else {
            fail_msg("the test does not know this escape: %s", line);
        }
    }
    text_puts(text, "\n");
}

/* The script of an example: all of it, or that of the section that it is. For free(). */
static char *script_of(const struct text *example)
{
    struct problems problems = PROBLEMS_INIT;
    const struct ini_entry *entry;
    struct ini ini = {0};
    char *script;

    if (*example->bytes != '[')
        return strdup(example->bytes);
    if (!ini_read(&ini, "example", example->bytes, example->length, &problems))
        fail_msg("%s", problems.lines.bytes);
    assert_int_equal(ini.count, 1);
    entry = ini_entry(ini.sections[0], "plugin");
    assert_non_null(entry);
    assert_string_equal(entry->value, "scripted_sequence");
    entry = ini_entry(ini.sections[0], "script");
    assert_non_null(entry);
    script = strdup(entry->value);
    ini_finish(&ini);
    return script;
}

/* One "start AT TOLD" or "AT TOLD". */
static void play_one(struct player *player, char *moment, const char *script)
{
    bool start = begins(moment, "start ");
    const char *told, *wanted;
    char *end;
    vts_ms at;

    if (start)
        moment += strlen("start ");
    at = strtoll(moment, &end, 10);
    assert_true(end > moment && *end == ' ');
    wanted = end + 1;
    if (!start)
        told = player_poll(player, at);
    else if (player->record.length == 0)
        told = player_start(player, "a", at);
    else
        told = player_start_again(player, at);
    if (strcmp(told, wanted) != 0)
        fail_msg("at %lld ms it is told \"%s\", and should be \"%s\":\n%s", (long long)at, told,
                 wanted, script);
}

static void play(const struct text *example, char *played)
{
    char *script = script_of(example), *rest = NULL, *moment, *end;
    struct player player;

    if (!player_open(&player, script, 1))
        fail_msg("%s", player.problems.lines.bytes);
    for (moment = strtok_r(played, "|", &rest); moment; moment = strtok_r(NULL, "|", &rest)) {
        while (*moment == ' ')
            moment++;
        for (end = moment + strlen(moment); end > moment && end[-1] == ' ';)
            *--end = '\0';
        play_one(&player, moment, script);
    }
    player_finish(&player);
    free(script);
}

/* An error that is shown: its script is the line that it shows, in the third line of a file as it names it. */
static void show(const struct text *example)
{
    const char *line = strchr(example->bytes, '\n');
    struct problems problems = PROBLEMS_INIT;
    struct text file = TEXT_INIT;
    struct ini ini = {0};

    assert_non_null(line);
    line += 1 + strspn(line + 1, " ");
    text_printf(&file, "[behaviour busy]\nplugin = scripted_sequence\nscript = %.*s\n",
                (int)strcspn(line, "\n"), line);
    assert_true(ini_read(&ini, "vtsimd.ini", file.bytes, file.length, &problems));
    assert_non_null(ini_entry(ini.sections[0], "plugin"));
    assert_null(
        instance_create("busy", scripted_sequence_LTX_vts_plugin(), ini.sections[0], &problems));
    assert_string_equal(problems.lines.bytes, example->bytes);
    problems_finish(&problems);
    text_finish(&file);
    ini_finish(&ini);
}

static void every_example_of_the_page(void **state)
{
    static const char mark[] = ".\\\" played: ";
    struct page page = {.file = fopen(PAGE, "r"), .more = true};
    char comment[512] = "";
    struct text example = TEXT_INIT;
    int played = 0;

    (void)state;
    assert_non_null(page.file);
    for (next_line(&page); page.more; next_line(&page)) {
        if (begins(page.line, ".\\\""))
            memcpy(comment, page.line, sizeof(comment));
        if (strcmp(page.line, ".EX") != 0)
            continue;
        text_reset(&example);
        for (next_line(&page); page.more && strcmp(page.line, ".EE") != 0; next_line(&page))
            if (begins(comment, mark) || begins(comment, ".\\\" shown"))
                add_printed(&example, page.line);
        if (begins(comment, mark)) {
            play(&example, comment + strlen(mark));
            played++;
        } else if (begins(comment, ".\\\" shown")) {
            show(&example);
        } else if (!begins(comment, ".\\\" grammar")) {
            fail_msg("an example is not said to be played: behind %s", comment);
        }
        comment[0] = '\0';
    }
    assert_true(played >= 12);
    text_finish(&example);
    fclose(page.file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_example_of_the_page)};

    return cmocka_run_group_tests_name("script man", tests, NULL, NULL);
}
