/* SPDX-License-Identifier: MIT
 *
 * What `vtsim` prints, and in which form. Text that comes from outside is made safe for a terminal
 * first. Knows nothing of servers. */
#ifndef VTSIM_CLI_OUTPUT_H
#define VTSIM_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vtsim/client.h>

/* Enough for a job id whose every byte is escaped. */
#define OUTPUT_ID_MAX 1025

/* Copies text; control characters and broken UTF-8 become \xNN; cut where `room` is used up. */
void output_escape(char *out, size_t room, const char *text);

/* One line on standard error: "vtsim: ...". Made safe; cut behind some 5000 bytes. */
__attribute__((format(printf, 1, 2))) void output_error(const char *format, ...);

/* Lines on standard error, each made safe for itself. */
void output_error_lines(const char *text);

/* Prints on standard output, as is. All that `vtsim` prints there goes through here: where the reader
 * has left (`| head -1`), it ends as other tools do, by SIGPIPE, silently. */
__attribute__((format(printf, 1, 2))) void output_print(const char *format, ...);

/* The lines of the original example, and the like; flushed one by one. */
void output_pending(const char *id);
void output_final(enum vts_client_status status);
void output_job(const struct vts_client_job *job);  /* Job ID: status ... */
void output_json(const struct vts_client_job *job); /* one line */

struct output_failure {
    const char *code, *message;
    const char *token; /* to go on with; NULL: there is none */
};

/* One line of JSON about what went wrong with a job: job_id, its status (NULL: not known), error {code,
 * message} and the token. */
void output_json_error(const char *id, const char *status, const struct output_failure *failure);

/* One of several jobs has ended. */
void output_ended(const char *id, enum vts_client_status status);

/* A line of a list that goes on. */
void output_change(const struct vts_client_job *job);

/* A line on standard error: so late, of this job, this happened. */
void output_trace(double at_s, const char *id, const char *text);

void output_flush(void);

/* A line of the list, and its head. */
void output_list_head(void);
void output_list_job(const struct vts_client_job *job);

/* Flushes; false where something could not be written (a full disk, say). */
bool output_finish(void);

#endif
