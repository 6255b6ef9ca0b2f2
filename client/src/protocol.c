/* SPDX-License-Identifier: MIT
 *
 * The original API, and the little of vtsimd's full API that listing and cancelling need. See
 * protocol.h. */
#include "protocol.h"

#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "utf8.h"

#define MAX_DEPTH 32  /* of JSON: no honest answer is deeper */
#define MAX_SAID  300 /* bytes of a server's own words in a message */

/* ---- requests -------------------------------------------------------------------------------- */

bool protocol_check_id(const char *id, struct vts_client_error *error)
{
    size_t length = id ? strlen(id) : 0;

    if (length < 1 || length > 255)
        return error_set(error, VTS_CLIENT_ERR_INVALID, 0,
                         "a job id has 1 to 255 bytes, this one has %zu", length);
    for (size_t at = 0, bytes; at < length; at += bytes) {
        bytes = utf8_printable(id + at, length - at);
        if (!bytes)
            return error_set(error, VTS_CLIENT_ERR_INVALID, 0,
                             "the job id \"%s\" is not UTF-8 or has a control character (byte %zu)",
                             id, at + 1);
    }
    return true;
}

/* Appends a text, all but RFC 3986's unreserved characters as %XX. `out` has room for thrice its
 * length; returns where the next byte goes. */
static char *percent_encode(char *out, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;

        if ((byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
            (byte >= 'a' && byte <= 'z') || byte == '-' || byte == '.' || byte == '_' ||
            byte == '~') {
            *out++ = *text;
        } else {
            *out++ = '%';
            *out++ = digits[byte >> 4];
            *out++ = digits[byte & 15];
        }
    }
    return out;
}

static char *path_with(const char *start, const char *id)
{
    size_t length = strlen(start);
    char *path = malloc(length + 3 * strlen(id) + 1);

    if (!path)
        return NULL;
    memcpy(path, start, length);
    *percent_encode(path + length, id) = '\0';
    return path;
}

char *protocol_status_path(const char *id) { return path_with("/status?job_id=", id); }

char *protocol_job_path(const char *id)
{
    /* Written out, these two would mean "here" and "up" to whoever passes the request on (RFC 3986,
     * 5.2.4). */
    if (strcmp(id, ".") == 0)
        return strdup("/jobs/%2E");
    if (strcmp(id, "..") == 0)
        return strdup("/jobs/%2E%2E");
    return path_with("/jobs/", id);
}

char *protocol_list_path(const struct vts_client_query *query)
{
    size_t room = 64 + 3 * (query->state ? strlen(query->state) : 0) +
                  3 * (query->after ? strlen(query->after) : 0);
    char *path = malloc(room), *at, separator = '?';

    if (!path)
        return NULL;
    at = path + snprintf(path, room, "/jobs");
    if (query->state) {
        at += snprintf(at, room - (size_t)(at - path), "%cstate=", separator);
        at = percent_encode(at, query->state);
        separator = '&';
    }
    if (query->limit > 0) {
        at += snprintf(at, room - (size_t)(at - path), "%climit=%d", separator, query->limit);
        separator = '&';
    }
    if (query->after) {
        at += snprintf(at, room - (size_t)(at - path), "%cafter=", separator);
        at = percent_encode(at, query->after);
    }
    *at = '\0';
    return path;
}

char *protocol_start_body(const char *id)
{
    struct json_object *body = json_object_new_object(), *text = json_object_new_string(id);
    const char *json = NULL;
    char *copy = NULL;

    if (body && text && json_object_object_add(body, "job_id", text) == 0) {
        text = NULL; /* now the body's */
        json = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN |
                                                        JSON_C_TO_STRING_NOSLASHESCAPE);
    }
    if (json)
        copy = strdup(json);
    json_object_put(text);
    json_object_put(body);
    return copy;
}

/* ---- answers --------------------------------------------------------------------------------- */

static const char *question_name(enum protocol_question question)
{
    static const char *const names[] = {[PROTOCOL_START] = "POST /start",
                                        [PROTOCOL_STATUS] = "GET /status",
                                        [PROTOCOL_CANCEL] = "DELETE /jobs/{id}",
                                        [PROTOCOL_LIST] = "GET /jobs"};

    return names[question];
}

static struct json_object *parse(const char *text, size_t length)
{
    struct json_tokener *tokener = json_tokener_new_ex(MAX_DEPTH);
    struct json_object *tree;
    size_t end;

    if (!tokener)
        return NULL;
    /* The NUL behind the text is handed in as well: it ends a bare number. `length` is 1 MiB at
     * most, so it fits. */
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS |
                                        JSON_TOKENER_VALIDATE_UTF8);
    tree = json_tokener_parse_ex(tokener, text, (int)length + 1);
    end = json_tokener_get_parse_end(tokener);
    json_tokener_free(tokener);
    /* White space may follow (many servers end with a newline), nothing else. */
    while (tree && end < length) {
        if (!strchr(" \t\r\n", text[end]) || !text[end]) {
            json_object_put(tree);
            return NULL;
        }
        end++;
    }
    return tree;
}

static struct json_object *member(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;

    if (json_object_is_type(object, json_type_object))
        json_object_object_get_ex(object, name, &value);
    return value;
}

/* The text of a member; NULL where there is none, or it is no text. */
static const char *text_of(struct json_object *object, const char *name)
{
    struct json_object *value = member(object, name);

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

static bool parse_status(const char *word, enum vts_client_status *status)
{
    for (int i = VTS_CLIENT_PENDING; i <= VTS_CLIENT_ERROR; i++) {
        *status = (enum vts_client_status)i;
        if (strcmp(word, vts_client_status_name(*status)) == 0)
            return true;
    }
    return false;
}

const char *vts_client_status_name(enum vts_client_status status)
{
    switch (status) {
    case VTS_CLIENT_PENDING:
        return "pending";
    case VTS_CLIENT_COMPLETED:
        return "completed";
    case VTS_CLIENT_ERROR:
        return "error";
    }
    return "unknown";
}

/* Fills a job but for its id from what a server told of it. False with *error filled. */
static bool read_job(struct json_object *tree, const char *what, struct vts_client_job *job,
                     struct vts_client_error *error)
{
    const char *word = text_of(tree, "status");
    struct json_object *progress = member(tree, "progress"), *failure = member(tree, "error");

    memset(job, 0, sizeof(*job));
    job->size = sizeof(*job);
    if (!word)
        return error_set(error, VTS_CLIENT_ERR_PROTOCOL, 0, "the answer to %s has no status", what);
    if (!parse_status(word, &job->status))
        return error_set(error, VTS_CLIENT_ERR_PROTOCOL, 0,
                         "the answer to %s has the unknown status \"%.64s\"", what, word);
    job->progress = -1;
    if (json_object_is_type(progress, json_type_double) ||
        json_object_is_type(progress, json_type_int)) {
        double value = json_object_get_double(progress);

        if (value >= 0 && value <= 1)
            job->progress = value;
    }
    job->state = text_of(tree, "state");
    job->error_code = text_of(failure, "code");
    job->error_message = text_of(failure, "message");
    job->json = json_object_to_json_string_ext(tree, JSON_C_TO_STRING_PLAIN |
                                                         JSON_C_TO_STRING_NOSLASHESCAPE);
    if (!job->json)
        return error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
    return true;
}

/* Does the answer speak of the job that was asked for? A server that tells no id is believed. */
static bool check_same_job(struct json_object *tree, const char *name, const char *what,
                           const char *id, struct vts_client_error *error)
{
    struct json_object *value = member(tree, name);

    if (!value)
        return true;
    if (json_object_is_type(value, json_type_string) &&
        (size_t)json_object_get_string_len(value) == strlen(id) &&
        memcmp(json_object_get_string(value), id, strlen(id)) == 0)
        return true;
    return error_set(error, VTS_CLIENT_ERR_PROTOCOL, 0,
                     "the answer to %s speaks of another job: %.100s instead of \"%.255s\"", what,
                     json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN), id);
}

static void read_one(enum protocol_question question, const char *id,
                     struct protocol_answer *answer)
{
    const char *what = question_name(question);
    struct vts_client_job *job = &answer->job;

    if (!check_same_job(answer->tree, question == PROTOCOL_CANCEL ? "id" : "job_id", what, id,
                        &answer->error))
        return;
    if (question == PROTOCOL_START) {
        *job = (struct vts_client_job){.size = sizeof(*job), .progress = -1};
        job->json = json_object_to_json_string_ext(
            answer->tree, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (!job->json)
            error_set(&answer->error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
    } else if (!read_job(answer->tree, what, job, &answer->error)) {
        return;
    }
    job->id = id;
}

static void read_list(struct protocol_answer *answer)
{
    const char *what = question_name(PROTOCOL_LIST);
    struct json_object *jobs = member(answer->tree, "jobs");
    size_t count;

    if (!json_object_is_type(jobs, json_type_array)) {
        error_set(&answer->error, VTS_CLIENT_ERR_PROTOCOL, 0, "the answer to %s has no jobs", what);
        return;
    }
    count = json_object_array_length(jobs);
    answer->jobs = calloc(count ? count : 1, sizeof(*answer->jobs));
    if (!answer->jobs) {
        error_set(&answer->error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct json_object *one = json_object_array_get_idx(jobs, i);
        const char *id = text_of(one, "id");

        if (!id) {
            error_set(&answer->error, VTS_CLIENT_ERR_PROTOCOL, 0,
                      "the answer to %s has a job without an id", what);
            return;
        }
        if (!read_job(one, what, &answer->jobs[i], &answer->error))
            return;
        answer->jobs[i].id = id;
        answer->job_count = i + 1;
    }
    answer->next = text_of(answer->tree, "next");
}

/* Why no answer came. */
static void explain_silence(const struct reply *reply, const char *authority,
                            enum protocol_question question, struct vts_client_error *error)
{
    switch (reply->end) {
    case REPLY_NOT_CONNECTED:
        error_set(error, VTS_CLIENT_ERR_UNREACHABLE, 0, "cannot connect to %s: %s", authority,
                  reply->reason);
        break;
    case REPLY_BROKEN:
        error_set(error, VTS_CLIENT_ERR_UNREACHABLE, 0,
                  "the connection to %s broke before the answer to %s was complete", authority,
                  question_name(question));
        break;
    case REPLY_TIMED_OUT:
        error_set(error, VTS_CLIENT_ERR_TIMEOUT, 0, "%s did not answer %s in time", authority,
                  question_name(question));
        break;
    case REPLY_NOT_HTTP:
        error_set(error, VTS_CLIENT_ERR_PROTOCOL, 0, "the answer to %s is not valid HTTP",
                  question_name(question));
        break;
    case REPLY_TOO_LONG:
        error_set(error, VTS_CLIENT_ERR_PROTOCOL, 0, "the answer to %s is too long",
                  question_name(question));
        break;
    case REPLY_ANSWERED:
    case REPLY_NO_MEMORY:
        error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
        break;
    }
}

/* The server's own words, where it has some, and when it wants to be asked again: the end of a
 * message. A poll's Retry-After is obeyed and needs no words. */
static void quote(enum protocol_question question, const struct reply *reply, const char *said,
                  char *out, size_t room)
{
    size_t used = 0, length = said ? strlen(said) : 0;
    long long wait_s = (long long)(reply->retry_after_ms / 1000);

    /* Long words must not push the rest out of the message. */
    if (length > MAX_SAID) {
        for (length = MAX_SAID; length && ((unsigned char)said[length] & 0xc0) == 0x80;)
            length--;
    }
    *out = '\0';
    if (said)
        used = (size_t)snprintf(out, room, ": %.*s", (int)length, said);
    if (wait_s && question != PROTOCOL_STATUS)
        snprintf(out + used, room - used, " (the server says: try again in %lld s%s)", wait_s,
                 reply->retry_after_ms >= TRANSPORT_RETRY_AFTER_MAX_MS ? " or later" : "");
}

/* Any status but 2xx. */
static void explain_refusal(enum protocol_question question, const char *id,
                            const struct reply *reply, struct vts_client_error *error)
{
    struct json_object *tree = parse(reply->body, reply->length);
    const char *what = question_name(question);
    char said[MAX_SAID + 80];
    int status = reply->status;

    quote(question, reply, text_of(tree, "error"), said, sizeof(said));
    if (status == 409 && question == PROTOCOL_START)
        error_set(error, VTS_CLIENT_ERR_EXISTS, status, "a job \"%s\" exists already", id);
    else if (status == 404 && (question == PROTOCOL_STATUS || question == PROTOCOL_CANCEL))
        error_set(error, VTS_CLIENT_ERR_UNKNOWN_JOB, status, "the server knows no job \"%s\"", id);
    else if (status / 100 == 3)
        error_set(error, VTS_CLIENT_ERR_PROTOCOL, status,
                  "the answer to %s is a redirect (status %d), which is not followed", what,
                  status);
    else if (status >= 500 && status < 600 && question != PROTOCOL_START)
        error_set(error, VTS_CLIENT_ERR_SERVER, status, "the server failed with status %d%s",
                  status, said);
    else if (status >= 400 && status < 600)
        error_set(error, VTS_CLIENT_ERR_REFUSED, status, "the server refused %s with status %d%s",
                  what, status, said);
    else
        error_set(error, VTS_CLIENT_ERR_PROTOCOL, status, "the answer to %s has the status %d",
                  what, status);
    json_object_put(tree);
}

void protocol_read(enum protocol_question question, const char *id, const char *authority,
                   const struct reply *reply, struct protocol_answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    if (reply->end != REPLY_ANSWERED) {
        explain_silence(reply, authority, question, &answer->error);
        return;
    }
    if (reply->status / 100 != 2) {
        explain_refusal(question, id, reply, &answer->error);
        return;
    }
    answer->tree = parse(reply->body, reply->length);
    if (!json_object_is_type(answer->tree, json_type_object))
        error_set(&answer->error, VTS_CLIENT_ERR_PROTOCOL, reply->status,
                  "the answer to %s is not a JSON object", question_name(question));
    else if (question == PROTOCOL_LIST)
        read_list(answer);
    else
        read_one(question, id, answer);
    if (answer->error.code == VTS_CLIENT_ERR_PROTOCOL)
        answer->error.http_status = reply->status;
}

void protocol_answer_finish(struct protocol_answer *answer)
{
    json_object_put(answer->tree);
    free(answer->jobs);
    memset(answer, 0, sizeof(*answer));
}
