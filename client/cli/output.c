/* SPDX-License-Identifier: MIT
 *
 * What `vtsim` prints. See output.h. */
#include "output.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../src/utf8.h"

void output_escape(char *out, size_t room, const char *text)
{
    size_t length = strlen(text), used = 0;

    while (length) {
        size_t bytes = utf8_printable(text, length);

        if (used + (bytes ? bytes : 4) >= room)
            break;
        if (bytes) {
            memcpy(out + used, text, bytes);
            used += bytes;
        } else {
            bytes = 1;
            used += (size_t)snprintf(out + used, room - used, "\\x%02X", (unsigned char)*text);
        }
        text += bytes;
        length -= bytes;
    }
    out[used] = '\0';
}

/* Ends as a tool does whose reader has left. The sockets want SIGPIPE ignored, so that it has to be
 * asked for; a parent may have blocked it, too. */
_Noreturn static void end_without_reader(void)
{
    sigset_t pipe;

    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigprocmask(SIG_UNBLOCK, &pipe, NULL);
    raise(SIGPIPE);
    _exit(128 + SIGPIPE);
}

/* Other failures stay noted in the stream until output_finish. */
static void check(bool written)
{
    if (!written && errno == EPIPE)
        end_without_reader();
}

static void flush(void) { check(fflush(stdout) == 0); }

void output_print(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    check(vprintf(format, args) >= 0);
    va_end(args);
}

void output_error(const char *format, ...)
{
    char text[5120], safe[8192];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    output_escape(safe, sizeof(safe), text);
    flush();
    fprintf(stderr, "vtsim: %s\n", safe);
}

void output_pending(const char *id)
{
    char safe[OUTPUT_ID_MAX];

    output_escape(safe, sizeof(safe), id);
    output_print("Job %s is still pending...\n", safe);
    flush();
}

void output_final(enum vts_client_status status)
{
    output_print("Final status: %s\n", vts_client_status_name(status));
    flush();
}

void output_json(const struct vts_client_job *job)
{
    output_print("%s\n", job->json);
    flush();
}

/* A text as a JSON string. Ids and messages hold no control characters and no broken UTF-8: the
 * library sees to that. */
static void print_quoted(const char *text)
{
    output_print("\"");
    for (; *text; text++)
        output_print(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    output_print("\"");
}

void output_json_error(const char *id, const char *status, const char *code, const char *message)
{
    output_print("{\"job_id\":");
    print_quoted(id);
    if (status)
        output_print(",\"status\":\"%s\"", status);
    output_print(",\"error\":{\"code\":\"%s\",\"message\":", code);
    print_quoted(message);
    output_print("}}\n");
    flush();
}

void output_job(const struct vts_client_job *job)
{
    char id[OUTPUT_ID_MAX], why[1024];

    output_escape(id, sizeof(id), job->id);
    output_print("Job %s: %s", id, vts_client_status_name(job->status));
    if (job->progress >= 0 && job->status == VTS_CLIENT_PENDING)
        output_print(", %.0f%%", job->progress * 100);
    if (job->error_message) {
        output_escape(why, sizeof(why), job->error_message);
        output_print(", %s", why);
    }
    output_print("\n");
    flush();
}

/* The id comes last, because nobody knows how long it is. */
void output_list_head(void) { output_print("%-9s  %4s  %s\n", "STATE", "DONE", "ID"); }

void output_list_job(const struct vts_client_job *job)
{
    char id[OUTPUT_ID_MAX], state[64], done[16] = "-";

    output_escape(id, sizeof(id), job->id);
    output_escape(state, sizeof(state),
                  job->state ? job->state : vts_client_status_name(job->status));
    if (job->progress >= 0)
        snprintf(done, sizeof(done), "%.0f%%", job->progress * 100);
    output_print("%-9s  %4s  %s\n", state, done, id);
}

/* ---- the progress line ----------------------------------------------------------------------- */

bool output_is_terminal(void)
{
    const char *type = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(type && strcmp(type, "dumb") == 0);
}

static size_t columns(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
        return size.ws_col;
    return 80;
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
static void describe(const struct output_progress *progress, size_t room, char *rest, size_t size)
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

void output_progress(const struct output_progress *progress)
{
    size_t room = columns() - 1; /* the last column would wrap on some terminals */
    char id[OUTPUT_ID_MAX], rest[1024], line[OUTPUT_ID_MAX + sizeof(rest)];
    size_t id_width, rest_width;

    output_escape(id, sizeof(id), progress->id);
    id_width = width(id);
    if (id_width > ID_COLUMNS)
        id_width = ID_COLUMNS;
    describe(progress, room > id_width ? room - id_width : 0, rest, sizeof(rest));
    rest_width = width(rest);
    shorten(id, room > rest_width + id_width ? room - rest_width : id_width);
    snprintf(line, sizeof(line), "%s%s", id, rest);
    cut(line, room);
    output_print("\r%s\033[K", line);
    flush();
}

void output_progress_clear(void)
{
    output_print("\r\033[K");
    flush();
}

bool output_finish(void)
{
    flush();
    return !ferror(stdout);
}
