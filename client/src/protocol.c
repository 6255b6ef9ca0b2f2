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
#include "retry_after.h"
#include "utf8.h"

#define MAX_DEPTH 32   /* of JSON: no honest answer is deeper */
#define MAX_SAID  300  /* bytes of a server's own words in a message */
#define MAX_WORDS 4096 /* bytes of them in a result */
#define MAX_LINE  6000 /* bytes of a path that asks for several jobs: 8000 is what others take */

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

bool protocol_is_unreserved(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

/* Appends a text, all but RFC 3986's unreserved characters as %XX. `out` has room for thrice its
 * length; returns where the next byte goes. */
static char *percent_encode(char *out, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;

        if (protocol_is_unreserved(*text)) {
            *out++ = *text;
        } else {
            *out++ = '%';
            *out++ = digits[byte >> 4];
            *out++ = digits[byte & 15];
        }
    }
    return out;
}

char *protocol_path_with(const char *start, const char *id)
{
    size_t length = strlen(start);
    char *path = malloc(length + 3 * strlen(id) + 1);

    if (!path)
        return NULL;
    memcpy(path, start, length);
    *percent_encode(path + length, id) = '\0';
    return path;
}

/* Written out, these two would mean "here" and "up" to whoever passes the request on (RFC 3986,
 * 5.2.4). */
static char *job_path(const char *id)
{
    if (strcmp(id, ".") == 0)
        return strdup("/jobs/%2E");
    if (strcmp(id, "..") == 0)
        return strdup("/jobs/%2E%2E");
    return protocol_path_with("/jobs/", id);
}

char *protocol_path(enum protocol_question question, const char *id)
{
    switch (question) {
    case PROTOCOL_START:
        return strdup("/start");
    case PROTOCOL_CREATE:
        return strdup("/jobs");
    case PROTOCOL_STATUS:
        return protocol_path_with("/status?job_id=", id);
    default:
        return job_path(id);
    }
}

char *protocol_batch_path(const char *const ids[], size_t *count)
{
    static const char first[] = "/jobs?id=", more[] = "&id=";
    size_t room = sizeof(first), taken = 0;
    char *path, *at;

    for (; taken < *count; taken++) {
        size_t longer = room + sizeof(more) + 3 * strlen(ids[taken]);

        if (taken && longer > MAX_LINE)
            break;
        room = longer;
    }
    *count = taken;
    path = malloc(room);
    if (!path)
        return NULL;
    at = path;
    for (size_t i = 0; i < taken; i++) {
        const char *start = i ? more : first;

        memcpy(at, start, strlen(start));
        at = percent_encode(at + strlen(start), ids[i]);
    }
    *at = '\0';
    return path;
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

static char *id_as_json(const char *name, const char *id)
{
    struct json_object *body = json_object_new_object(), *text = json_object_new_string(id);
    const char *json = NULL;
    char *copy = NULL;

    if (body && text && json_object_object_add(body, name, text) == 0) {
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

char *protocol_start_body(const char *id) { return id_as_json("job_id", id); }
char *protocol_create_body(const char *id) { return id_as_json("id", id); }

/* ---- answers --------------------------------------------------------------------------------- */

const char *protocol_question_name(enum protocol_question question)
{
    static const char *const names[] = {
        [PROTOCOL_START] = "POST /start",   [PROTOCOL_CREATE] = "POST /jobs",
        [PROTOCOL_STATUS] = "GET /status",  [PROTOCOL_JOB] = "GET /jobs/{id}",
        [PROTOCOL_BATCH] = "GET /jobs?id=", [PROTOCOL_CANCEL] = "DELETE /jobs/{id}",
        [PROTOCOL_LIST] = "GET /jobs"};

    return names[question];
}

static bool starts(enum protocol_question question)
{
    return question == PROTOCOL_START || question == PROTOCOL_CREATE;
}

/* By which name does the answer call the job? */
static const char *id_member(enum protocol_question question)
{
    return question == PROTOCOL_START || question == PROTOCOL_STATUS ? "job_id" : "id";
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

static bool no_memory(struct vts_client_error *error)
{
    return error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
}

/* The whole answer as one line, in which the job is called as the original API calls it, whatever was
 * asked: so those who read it need not know. */
static bool write_json(struct json_object *tree, const char *id, struct vts_client_job *job,
                       struct vts_client_error *error)
{
    struct json_object *text;

    if (id && !member(tree, "job_id")) {
        text = json_object_new_string(id);
        if (!text || json_object_object_add(tree, "job_id", text)) {
            json_object_put(text);
            return no_memory(error);
        }
    }
    job->json = json_object_to_json_string_ext(tree, JSON_C_TO_STRING_PLAIN |
                                                         JSON_C_TO_STRING_NOSLASHESCAPE);
    return job->json || no_memory(error);
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

static bool read_one(enum protocol_question question, const char *id,
                     struct protocol_answer *answer, struct vts_client_error *error)
{
    const char *what = protocol_question_name(question);
    struct vts_client_job *job = &answer->job;

    if (!check_same_job(answer->tree, id_member(question), what, id, error))
        return false;
    if (starts(question))
        *job = (struct vts_client_job){.size = sizeof(*job), .progress = -1};
    else if (!read_job(answer->tree, what, job, error))
        return false;
    if (!write_json(answer->tree, id, job, error))
        return false;
    job->id = id;
    return true;
}

static bool has_jobs(struct json_object *tree, const char *what, struct vts_client_error *error)
{
    return json_object_is_type(member(tree, "jobs"), json_type_array) ||
           error_set(error, VTS_CLIENT_ERR_PROTOCOL, 0, "the answer to %s has no jobs", what);
}

static bool read_list(struct protocol_answer *answer, struct vts_client_error *error)
{
    const char *what = protocol_question_name(PROTOCOL_LIST);
    struct json_object *jobs = member(answer->tree, "jobs");
    size_t count;

    if (!has_jobs(answer->tree, what, error))
        return false;
    count = json_object_array_length(jobs);
    answer->jobs = calloc(count ? count : 1, sizeof(*answer->jobs));
    if (!answer->jobs)
        return no_memory(error);
    for (size_t i = 0; i < count; i++) {
        struct json_object *one = json_object_array_get_idx(jobs, i);
        const char *id = text_of(one, "id");

        if (!id)
            return error_set(error, VTS_CLIENT_ERR_PROTOCOL, 0,
                             "the answer to %s has a job without an id", what);
        if (!read_job(one, what, &answer->jobs[i], error) ||
            !write_json(one, NULL, &answer->jobs[i], error))
            return false;
        answer->jobs[i].id = id;
        answer->job_count = i + 1;
    }
    answer->next = text_of(answer->tree, "next");
    return true;
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
                  protocol_question_name(question));
        break;
    case REPLY_TIMED_OUT:
        error_set(error, VTS_CLIENT_ERR_TIMEOUT, 0, "%s did not answer %s in time", authority,
                  protocol_question_name(question));
        break;
    case REPLY_NOT_HTTP:
        error_set(error, VTS_CLIENT_ERR_PROTOCOL, 0, "the answer to %s is not valid HTTP",
                  protocol_question_name(question));
        break;
    case REPLY_TOO_LONG:
        error_set(error, VTS_CLIENT_ERR_PROTOCOL, 0, "the answer to %s is too long",
                  protocol_question_name(question));
        break;
    case REPLY_ANSWERED:
    case REPLY_NO_MEMORY:
        error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
        break;
    }
}

/* How much of a text goes into so many bytes, in whole characters. */
static size_t cut(const char *text, size_t length, size_t most)
{
    if (length <= most)
        return length;
    for (length = most; length && ((unsigned char)text[length] & 0xc0) == 0x80;)
        length--;
    return length;
}

/* The first line of the server's own words, where it has some (long ones are cut: they must not push the rest
 * out of the message), and when it wants to be asked again: the end of a message. A poll's Retry-After is
 * obeyed and needs no words. */
static void quote(enum protocol_question question, const struct reply *reply, const char *said,
                  char *out, size_t room)
{
    size_t used = 0, length = said ? cut(said, strcspn(said, "\n"), MAX_SAID) : 0;
    long long wait_s = (long long)(reply->retry_after_ms / 1000);

    *out = '\0';
    if (said)
        used = (size_t)snprintf(out, room, ": %.*s", (int)length, said);
    if (wait_s && question != PROTOCOL_STATUS && question != PROTOCOL_JOB)
        snprintf(out + used, room - used, " (the server says: try again in %lld s%s)", wait_s,
                 reply->retry_after_ms >= RETRY_AFTER_MAX_MS ? " or later" : "");
}

/* A status other than 2xx as an error; `said` are the server's own words with what leads up to them. */
static void explain_status(enum protocol_question question, const char *id, int status,
                           const char *said, struct vts_client_error *error)
{
    const char *what = protocol_question_name(question);
    bool failed = status >= 500 && status < 600;

    if (starts(question)) /* it declines, or it cannot do this at all: the job was not started */
        failed = failed && status != 501 && status != 503 && status != 505;
    if (status == 409 && starts(question))
        error_set(error, VTS_CLIENT_ERR_EXISTS, status, "a job \"%s\" exists already", id);
    else if (status == 404 && question != PROTOCOL_LIST && !starts(question))
        error_set(error, VTS_CLIENT_ERR_UNKNOWN_JOB, status, "the server knows no job \"%s\"", id);
    else if (status / 100 == 3)
        error_set(error, VTS_CLIENT_ERR_PROTOCOL, status,
                  "the answer to %s is a redirect (status %d), which is not followed", what,
                  status);
    else if (failed)
        error_set(error, VTS_CLIENT_ERR_SERVER, status, "the server failed with status %d%s",
                  status, said);
    else if (status >= 400 && status < 600)
        error_set(error, VTS_CLIENT_ERR_REFUSED, status, "the server refused %s with status %d%s",
                  what, status, said);
    else
        error_set(error, VTS_CLIENT_ERR_PROTOCOL, status, "the answer to %s has the status %d",
                  what, status);
}

static bool explain_refusal(enum protocol_question question, const char *id,
                            const struct reply *reply, struct vts_client_error *error)
{
    struct json_object *tree = parse(reply->body, reply->length);
    char said[MAX_SAID + 80];

    quote(question, reply, text_of(tree, "error"), said, sizeof(said));
    explain_status(question, id, reply->status, said, error);
    json_object_put(tree);
    return false;
}

char *protocol_said(const struct reply *reply)
{
    struct json_object *tree = NULL;
    const char *words = NULL;
    char *copy = NULL;

    if (reply->end == REPLY_ANSWERED && reply->status / 100 != 2)
        tree = parse(reply->body, reply->length);
    if (tree)
        words = text_of(tree, "error");
    if (words)
        copy = strndup(words, cut(words, strlen(words), MAX_WORDS));
    json_object_put(tree);
    return copy;
}

/* Reads the reply's JSON. False with *error filled where there is none, or the status says no. */
static bool read_tree(enum protocol_question question, const char *id, const char *authority,
                      const struct reply *reply, struct protocol_answer *answer,
                      struct vts_client_error *error)
{
    memset(answer, 0, sizeof(*answer));
    if (reply->end != REPLY_ANSWERED) {
        explain_silence(reply, authority, question, error);
        return false;
    }
    if (reply->status / 100 != 2)
        return explain_refusal(question, id, reply, error);
    answer->tree = parse(reply->body, reply->length);
    return json_object_is_type(answer->tree, json_type_object) ||
           error_set(error, VTS_CLIENT_ERR_PROTOCOL, reply->status,
                     "the answer to %s is not a JSON object", protocol_question_name(question));
}

bool protocol_read(enum protocol_question question, const char *id, const char *authority,
                   const struct reply *reply, struct protocol_answer *answer,
                   struct vts_client_error *error)
{
    *error = (struct vts_client_error){0};
    if (!read_tree(question, id, authority, reply, answer, error))
        return false;
    if (question == PROTOCOL_LIST ? read_list(answer, error)
                                  : read_one(question, id, answer, error))
        return true;
    error->http_status = reply->status;
    return false;
}

bool protocol_started(const char *id, struct protocol_answer *answer,
                      struct vts_client_error *error)
{
    *error = (struct vts_client_error){0};
    memset(answer, 0, sizeof(*answer));
    answer->tree = json_object_new_object();
    answer->job = (struct vts_client_job){.size = sizeof(answer->job), .id = id, .progress = -1};
    return answer->tree ? write_json(answer->tree, id, &answer->job, error) : no_memory(error);
}

/* ---- batches --------------------------------------------------------------------------------- */

bool protocol_batch_read(const struct reply *reply, const char *authority,
                         struct protocol_answer *batch, struct vts_client_error *error)
{
    *error = (struct vts_client_error){0};
    if (!read_tree(PROTOCOL_BATCH, "", authority, reply, batch, error))
        return false;
    if (has_jobs(batch->tree, protocol_question_name(PROTOCOL_BATCH), error))
        return true;
    error->http_status = reply->status;
    return false;
}

static struct json_object *find_item(struct json_object *jobs, size_t place, const char *id)
{
    struct json_object *one = json_object_array_get_idx(jobs, place);
    const char *name = text_of(one, "id");

    if (name && strcmp(name, id) == 0)
        return one;
    for (size_t i = 0; i < json_object_array_length(jobs); i++) {
        one = json_object_array_get_idx(jobs, i);
        name = text_of(one, "id");
        if (name && strcmp(name, id) == 0)
            return one;
    }
    return NULL;
}

/* {"id": "a", "error": "...", "http_status": 404}: as an answer to this job alone would have been. */
static void explain_item(struct json_object *one, const char *id, struct vts_client_error *error)
{
    const char *words = text_of(one, "error");
    int status = json_object_get_int(member(one, "http_status"));
    char said[MAX_SAID + 80];
    struct reply none = {.retry_after_ms = 0};

    quote(PROTOCOL_JOB, &none, words, said, sizeof(said));
    explain_status(PROTOCOL_JOB, id, status, said, error);
}

void protocol_batch_item(const struct protocol_answer *batch, size_t place, const char *id,
                         struct protocol_item *item)
{
    struct json_object *one = find_item(member(batch->tree, "jobs"), place, id);
    int64_t seconds = json_object_get_int64(member(one, "retry_after"));

    memset(item, 0, sizeof(*item));
    if (!one) {
        error_set(&item->error, VTS_CLIENT_ERR_PROTOCOL, 200,
                  "the answer to GET /jobs?id= has no job \"%s\"", id);
        return;
    }
    if (seconds > 0)
        item->retry_after_ms =
            seconds < RETRY_AFTER_MAX_MS / 1000 ? seconds * 1000 : RETRY_AFTER_MAX_MS;
    if (member(one, "http_status")) {
        explain_item(one, id, &item->error);
        return;
    }
    item->answer.tree = json_object_get(one);
    if (read_one(PROTOCOL_BATCH, id, &item->answer, &item->error))
        return;
    item->error.http_status = 200;
    protocol_answer_finish(&item->answer);
}

/* Copies a text behind those before it. */
static const char *pack(char **at, const char *text)
{
    const char *copy = *at;
    size_t size;

    if (!text)
        return NULL;
    size = strlen(text) + 1;
    memcpy(*at, text, size);
    *at += size;
    return copy;
}

void protocol_answer_pack(struct protocol_answer *answer)
{
    struct vts_client_job *job = &answer->job;
    const char *texts[] = {job->state, job->error_code, job->error_message, job->json};
    size_t size = 0;
    char *at;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        size += texts[i] ? strlen(texts[i]) + 1 : 0;
    at = answer->jobs || answer->packed ? NULL : malloc(size);
    if (!at)
        return; /* it is as good as it was, and larger */
    answer->packed = at;
    job->state = pack(&at, job->state);
    job->error_code = pack(&at, job->error_code);
    job->error_message = pack(&at, job->error_message);
    job->json = pack(&at, job->json);
    json_object_put(answer->tree);
    answer->tree = NULL;
}

void protocol_answer_finish(struct protocol_answer *answer)
{
    json_object_put(answer->tree);
    free(answer->packed);
    free(answer->jobs);
    memset(answer, 0, sizeof(*answer));
}
