/* SPDX-License-Identifier: MIT
 *
 * What `vtsim` prints. See output.h. */
#include "output.h"

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

void output_error(const char *format, ...)
{
    char text[1024], safe[4096];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    output_escape(safe, sizeof(safe), text);
    fflush(stdout);
    fprintf(stderr, "vtsim: %s\n", safe);
}

void output_pending(const char *id)
{
    char safe[OUTPUT_ID_MAX];

    output_escape(safe, sizeof(safe), id);
    printf("Job %s is still pending...\n", safe);
    fflush(stdout);
}

void output_final(enum vts_client_status status)
{
    printf("Final status: %s\n", vts_client_status_name(status));
    fflush(stdout);
}

void output_json(const struct vts_client_job *job)
{
    puts(job->json);
    fflush(stdout);
}

void output_job(const struct vts_client_job *job)
{
    char id[OUTPUT_ID_MAX], why[1024];

    output_escape(id, sizeof(id), job->id);
    printf("Job %s: %s", id, vts_client_status_name(job->status));
    if (job->progress >= 0 && job->status == VTS_CLIENT_PENDING)
        printf(", %.0f%%", job->progress * 100);
    if (job->error_message) {
        output_escape(why, sizeof(why), job->error_message);
        printf(", %s", why);
    }
    putchar('\n');
    fflush(stdout);
}

/* The id comes last, because nobody knows how long it is. */
void output_list_head(void) { printf("%-9s  %4s  %s\n", "STATE", "DONE", "ID"); }

void output_list_job(const struct vts_client_job *job)
{
    char id[OUTPUT_ID_MAX], state[64], done[16] = "-";

    output_escape(id, sizeof(id), job->id);
    output_escape(state, sizeof(state),
                  job->state ? job->state : vts_client_status_name(job->status));
    if (job->progress >= 0)
        snprintf(done, sizeof(done), "%.0f%%", job->progress * 100);
    printf("%-9s  %4s  %s\n", state, done, id);
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

/* Cuts a text to so many columns. Characters beyond ASCII are taken to be wide: better a line that is
 * too short than one that breaks. */
static void cut(char *text, size_t room)
{
    while (*text) {
        size_t width = (unsigned char)*text < 0x80 ? 1 : 2, bytes = utf8_printable(text, 4);

        if (room < width) {
            *text = '\0';
            return;
        }
        room -= width;
        text += bytes ? bytes : 1;
    }
}

void output_progress(const struct output_progress *progress)
{
    char id[OUTPUT_ID_MAX], trouble[256] = "", done[16] = "", next[48] = "asking", line[2048];
    long long elapsed_s = progress->elapsed_ms / 1000;

    output_escape(id, sizeof(id), progress->id);
    cut(id, columns() / 2);
    if (progress->trouble) {
        trouble[0] = ',';
        trouble[1] = ' ';
        output_escape(trouble + 2, sizeof(trouble) - 2, progress->trouble);
    }
    if (progress->progress >= 0)
        snprintf(done, sizeof(done), " %.0f%%", progress->progress * 100);
    if (progress->next_ms >= 0)
        snprintf(next, sizeof(next), "next poll in %.1f s", (double)progress->next_ms / 1000);
    snprintf(line, sizeof(line), "%s: pending%s, %lld:%02lld elapsed, %s%s", id, done,
             elapsed_s / 60, elapsed_s % 60, next, trouble);
    cut(line, columns() - 1); /* the last column would wrap on some terminals */
    printf("\r%s\033[K", line);
    fflush(stdout);
}

void output_progress_clear(void)
{
    fputs("\r\033[K", stdout);
    fflush(stdout);
}

bool output_finish(void) { return fflush(stdout) == 0 && !ferror(stdout); }
