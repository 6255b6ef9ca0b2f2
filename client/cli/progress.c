/* SPDX-License-Identifier: MIT
 *
 * Lines on a terminal that are rewritten. See progress.h. */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../src/utf8.h"
#include "output.h"

bool progress_is_terminal(void)
{
    const char *type = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(type && strcmp(type, "dumb") == 0);
}

static struct winsize window(void)
{
    struct winsize size = {.ws_row = 24};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col <= 1)
        size.ws_col = 80;
    if (size.ws_row <= 1)
        size.ws_row = 24;
    return size;
}

/* The columns of a text up to `room`, and where that is. Characters beyond ASCII are taken to be wide:
 * better a line that is too short than one that breaks. */
static size_t measure(const char *text, size_t room, const char **end)
{
    size_t used = 0;

    while (*text) {
        size_t width = (unsigned char)*text < 0x80 ? 1 : 2;
        size_t bytes = utf8_printable(text, strnlen(text, 4));

        if (used + width > room)
            break;
        used += width;
        text += bytes ? bytes : 1;
    }
    *end = text;
    return used;
}

static size_t width(const char *text)
{
    const char *end;

    return measure(text, SIZE_MAX, &end);
}

/* Cuts a text to so many columns. */
static void cut(char *text, size_t room)
{
    const char *end;

    measure(text, room, &end);
    text[end - text] = '\0';
}

/* The same, showing that something is missing. */
static void shorten(char *text, size_t room)
{
    static const char more[] = "...";
    size_t dots = room > strlen(more) ? strlen(more) : 0;

    if (width(text) <= room)
        return;
    cut(text, room - dots);
    /* at least as many bytes were cut off */
    memcpy(text + strlen(text), more + strlen(more) - dots, dots + 1);
}

/* What stands behind the id, the more of it the better. While all goes well there is only one way to
 * say it; in trouble the reason has to be seen, whatever else must give way. */
static void describe(const struct progress *progress, size_t room, char *rest, size_t size)
{
    char trouble[512], done[16] = "", next[48] = "asking", again[48] = "asking";
    long long elapsed_s = progress->elapsed_ms / 1000;

    if (progress->progress >= 0)
        snprintf(done, sizeof(done), " %.0f%%", progress->progress * 100);
    if (progress->next_ms >= 0) {
        snprintf(next, sizeof(next), "next poll in %.1f s", (double)progress->next_ms / 1000);
        snprintf(again, sizeof(again), "again in %.1f s", (double)progress->next_ms / 1000);
    }
    snprintf(rest, size, ": pending%s, %lld:%02lld elapsed, %s", done, elapsed_s / 60,
             elapsed_s % 60, next);
    if (!progress->trouble)
        return;
    output_escape(trouble, sizeof(trouble), progress->trouble);
    if (width(rest) + 2 + width(trouble) <= room) {
        size_t used = strlen(rest);

        snprintf(rest + used, size - used, ", %s", trouble);
        return;
    }
    snprintf(rest, size, ": %s, %s", trouble, again);
    if (width(rest) > room)
        snprintf(rest, size, ": %s", trouble);
}

/* An id gets at least so many columns, where it needs them. */
#define ID_COLUMNS 8

static void write_line(const struct progress *progress, size_t room, char *line, size_t size)
{
    char id[OUTPUT_ID_MAX], rest[1024];
    size_t id_width, rest_width;

    output_escape(id, sizeof(id), progress->id);
    id_width = width(id);
    if (id_width > ID_COLUMNS)
        id_width = ID_COLUMNS;
    describe(progress, room > id_width ? room - id_width : 0, rest, sizeof(rest));
    rest_width = width(rest);
    shorten(id, room > rest_width + id_width ? room - rest_width : id_width);
    snprintf(line, size, "%s%s", id, rest);
    cut(line, room);
}

/* To the beginning of what was drawn last. */
static void go_up(struct screen *screen)
{
    if (screen->drawn > 1)
        output_print("\033[%zuA", screen->drawn - 1);
    output_print("\r");
}

void progress_draw(struct screen *screen, const struct progress lines[], size_t count)
{
    struct winsize size = window();
    size_t room = (size_t)size.ws_col - 1; /* the last column would wrap on some terminals */
    size_t shown = count, most = size.ws_row - 1;
    char line[OUTPUT_ID_MAX + 1024];

    if (count > most)
        shown = most - 1;
    if (screen->drawn > (count > shown ? shown + 1 : shown))
        progress_clear(screen);
    go_up(screen);
    for (size_t i = 0; i < shown; i++) {
        write_line(&lines[i], room, line, sizeof(line));
        output_print("%s%s\033[K", i ? "\n" : "", line);
    }
    if (count > shown)
        output_print("%sand %zu more\033[K", shown ? "\n" : "", count - shown);
    screen->drawn = count > shown ? shown + 1 : shown;
    output_flush();
}

void progress_clear(struct screen *screen)
{
    go_up(screen);
    output_print(screen->drawn > 1 ? "\033[J" : "\033[K");
    screen->drawn = 0;
    output_flush();
}
