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

void output_flush(void) { check(fflush(stdout) == 0); }

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
    output_flush();
    fprintf(stderr, "vtsim: %s\n", safe);
}

void output_error_lines(const char *text)
{
    char line[5120], safe[8192];
    size_t length;

    for (; *text; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)length, text);
        output_escape(safe, sizeof(safe), line);
        fprintf(stderr, "%s\n", safe);
    }
}

void output_pending(const char *id)
{
    char safe[OUTPUT_ID_MAX];

    output_escape(safe, sizeof(safe), id);
    output_print("Job %s is still pending...\n", safe);
    output_flush();
}

void output_ended(const char *id, enum vts_client_status status)
{
    char safe[OUTPUT_ID_MAX];

    output_escape(safe, sizeof(safe), id);
    output_print("Job %s: %s\n", safe, vts_client_status_name(status));
    output_flush();
}

void output_change(const struct vts_client_job *job)
{
    output_list_job(job);
    output_flush();
}

void output_trace(double at_s, const char *id, const char *text)
{
    char safe_id[OUTPUT_ID_MAX], safe[1024];

    output_escape(safe_id, sizeof(safe_id), id);
    output_escape(safe, sizeof(safe), text);
    output_flush();
    fprintf(stderr, "%10.3f  %s: %s\n", at_s, safe_id, safe);
}

void output_final(enum vts_client_status status)
{
    output_print("Final status: %s\n", vts_client_status_name(status));
    output_flush();
}

void output_json(const struct vts_client_job *job)
{
    output_print("%s\n", job->json);
    output_flush();
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

void output_json_error(const char *id, const char *status, const struct output_failure *failure)
{
    output_print("{\"job_id\":");
    print_quoted(id);
    if (status)
        output_print(",\"status\":\"%s\"", status);
    output_print(",\"error\":{\"code\":\"%s\",\"message\":", failure->code);
    print_quoted(failure->message);
    output_print("}");
    if (failure->token) {
        output_print(",\"token\":");
        print_quoted(failure->token);
    }
    output_print("}\n");
    output_flush();
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
    output_flush();
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

bool output_finish(void)
{
    output_flush();
    return !ferror(stdout);
}
