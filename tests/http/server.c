/* SPDX-License-Identifier: MIT
 *
 * The shared part of the HTTP tests. See server.h. */
#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "run.h"

/* ---- a vtsimd ---- */

const char *const *(*server_each)(void);

void server_start(struct vtsimd *vtsimd, ...)
{
    const char *args[60] = {"-s", "server/plugin_path=" VTSIM_BUILD_DIR "/tests/plugins",
                            "-s", "server/workers=1",
                            "-s", "server/behaviour=bender"};
    const char *const *each = server_each ? server_each() : NULL;
    size_t count = 6;
    va_list more;

    while (each && *each && count < 59)
        args[count++] = *each++;
    va_start(more, vtsimd);
    while (count < 59 && (args[count] = va_arg(more, const char *)))
        count++;
    va_end(more);
    assert_true(count < 59);
    vtsimd_start(vtsimd, args);
}

void server_stop(struct vtsimd *vtsimd)
{
    static const char *const bad[] = {"Sanitizer", "runtime error", "[warn]", "[err]", NULL};
    int status = vtsimd_stop(vtsimd);
    char *log = vtsimd_log(vtsimd);
    bool good = status == 0;

    for (size_t i = 0; bad[i]; i++)
        good = good && !strstr(log, bad[i]);
    if (!good)
        fail_msg("vtsimd ended with %d and logged:\n%s", status, log);
    free(log);
    vtsimd_finish(vtsimd);
}

int server_setup(void **state)
{
    struct vtsimd *vtsimd = calloc(1, sizeof(*vtsimd));

    if (!vtsimd)
        return -1;
    server_start(vtsimd, NULL);
    *state = vtsimd;
    return 0;
}

int server_teardown(void **state)
{
    server_stop(*state);
    free(*state);
    return 0;
}

/* ---- asking ---- */

static struct json_object *parse(const char *what, const struct http_response *response)
{
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *object;

    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    object = json_tokener_parse_ex(tokener, response->body, (int)response->body_length + 1);
    if (json_tokener_get_error(tokener) != json_tokener_success ||
        json_tokener_get_parse_end(tokener) != response->body_length)
        fail_msg("%s: the answer is not JSON: %s", what, response->body);
    json_tokener_free(tokener);
    return object;
}

static struct json_object *ask_both(const struct vtsimd *vtsimd, const char *method,
                                    const char *target, const char *body, int status,
                                    const char *answer)
{
    struct http_response response;
    struct json_object *object;
    char what[256];

    snprintf(what, sizeof(what), "%s %.200s", method, target);
    http_request(vtsimd->port, method, target, body, &response);
    if (response.status != status)
        fail_msg("%s: answered %d: %s", what, response.status, response.body);
    assert_string_equal(http_header(&response, "Content-Type"), "application/json");
    if (answer)
        assert_string_equal(response.body, answer);
    object = parse(what, &response);
    http_response_finish(&response);
    return object;
}

void ask(const struct vtsimd *vtsimd, const char *method, const char *target, const char *body,
         int status, const char *answer)
{
    json_object_put(ask_both(vtsimd, method, target, body, status, answer));
}

struct json_object *ask_json(const struct vtsimd *vtsimd, const char *method, const char *target,
                             const char *body, int status)
{
    return ask_both(vtsimd, method, target, body, status, NULL);
}

void ask_with(const struct vtsimd *vtsimd, const char *method, const char *target,
              const char *headers, const char *body, struct http_response *response)
{
    char *request = request_text(method, target, headers, body);
    struct http_connection connection;
    enum http_end end;

    http_connect(&connection, vtsimd->port);
    connection.head = strcmp(method, "HEAD") == 0;
    assert_true(http_puts(&connection, request));
    end = http_read(&connection, response);
    if (end != HTTP_ANSWER)
        fail_msg("%s %.200s: no answer (%d)", method, target, (int)end);
    http_close(&connection);
    free(request);
}

void start_job(const struct vtsimd *vtsimd, const char *id, const char *input)
{
    char *body = NULL;

    assert_true(asprintf(&body, "{\"id\": \"%s\", \"input\": %s}", id, input ? input : "null") > 0);
    ask(vtsimd, "POST", "/jobs", body, 201, NULL);
    free(body);
}

/* A short rest between two looks at something that only looking tells of. */
static void look_again(int64_t until_ms, const char *what)
{
    if (run_now_ms() > until_ms)
        fail_msg("%s: not within %d ms", what, EVENT_MS);
    poll(NULL, 0, 5);
}

void wait_for_polls(const struct vtsimd *vtsimd, const char *id, int polls)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;

    for (int seen = -1; seen < polls;) {
        struct json_object *page = ask_json(vtsimd, "GET", "/jobs?limit=1000", NULL, 200);
        struct json_object *jobs = json_object_object_get(page, "jobs");

        for (size_t i = 0; i < json_object_array_length(jobs); i++) {
            struct json_object *job = json_object_array_get_idx(jobs, i);

            if (strcmp(member_text(job, "id"), id) == 0)
                seen = json_object_get_int(json_object_object_get(job, "polls"));
        }
        json_object_put(page);
        if (seen < polls)
            look_again(until_ms, "polls");
    }
}

void wait_for_state(const struct vtsimd *vtsimd, const char *id, const char *state)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;
    char target[512];
    bool there = false;

    snprintf(target, sizeof(target), "/jobs/%s", id);
    while (!there) {
        struct json_object *job = ask_json(vtsimd, "GET", target, NULL, 200);

        there = strcmp(member_text(job, "state"), state) == 0;
        json_object_put(job);
        if (!there)
            look_again(until_ms, state);
    }
}

/* ---- texts ---- */

char *member_names(struct json_object *object)
{
    char *names = calloc(1, 4096);
    size_t length = 0;

    assert_non_null(names);
    assert_true(json_object_is_type(object, json_type_object));
    json_object_object_foreach(object, key, value)
    {
        (void)value;
        length += (size_t)snprintf(names + length, 4096 - length, "%s%s", length ? " " : "", key);
        assert_true(length < 4096);
    }
    return names;
}

const char *member_text(struct json_object *object, const char *name)
{
    struct json_object *member = NULL;

    if (!json_object_object_get_ex(object, name, &member) ||
        !json_object_is_type(member, json_type_string))
        fail_msg("%s is no string in %s", name, json_object_to_json_string(object));
    return json_object_get_string(member);
}

char *request_text(const char *method, const char *target, const char *headers, const char *body)
{
    char *request = NULL, length[48] = "";

    if (body)
        snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(body));
    assert_true(asprintf(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n%s", method,
                         target, length, headers ? headers : "", body ? body : "") > 0);
    return request;
}

void assert_begins(const char *text, const char *with)
{
    if (strncmp(text, with, strlen(with)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", text, with);
}

void assert_ends(const char *text, const char *with)
{
    if (strlen(text) < strlen(with) || strcmp(text + strlen(text) - strlen(with), with) != 0)
        fail_msg("\"%s\" does not end with \"%s\"", text, with);
}

/* ---- a process from outside ---- */

int open_descriptors(pid_t pid)
{
    char path[64];
    struct dirent *entry;
    int count = 0;
    DIR *folder;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    folder = opendir(path);
    if (!folder)
        fail_msg("%s: %s", path, strerror(errno));
    while ((entry = readdir(folder)))
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* The system's table has both ends of each connection, the server's being the one whose own port is
 * that of the server. One that nobody accepted yet, or that was closed, belongs to no inode. */
static int open_connections(int port)
{
    FILE *file = fopen("/proc/net/tcp", "r");
    char line[512];
    unsigned int own_port, state;
    unsigned long inode;
    int count = 0;

    if (!file)
        fail_msg("/proc/net/tcp: %s", strerror(errno));
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, " %*d: %*8[0-9A-F]:%4X %*13[0-9A-F:] %2X %*s %*s %*s %*d %*d %lu",
                   &own_port, &state, &inode) == 3)
            count += (int)own_port == port && state != TCP_LISTEN && inode != 0;
    fclose(file);
    return count;
}

void wait_for_connections(const struct vtsimd *vtsimd, int count)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;
    int open;

    while ((open = open_connections(vtsimd->port)) != count) {
        if (run_now_ms() > until_ms)
            fail_msg("%d connections are open, not %d", open, count);
        poll(NULL, 0, 5);
    }
}

int64_t processor_ms(pid_t pid)
{
    char path[64], line[1024] = "", *at;
    unsigned long user, system;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    if (!file || !fgets(line, sizeof(line), file))
        fail_msg("%s: %s", path, strerror(errno));
    fclose(file);
    at = strrchr(line, ')'); /* the name before it may hold anything */
    if (!at ||
        sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        fail_msg("cannot read %s", path);
    return (int64_t)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
}
