/* SPDX-License-Identifier: MIT
 *
 * Errors as the command reports them. See report.h. */
#include "report.h"

#include <stdio.h>
#include <string.h>

#include "output.h"

/* ---- commands to paste ----------------------------------------------------------------------- */

/* Enough for an id and a URL of some length, even where every byte is quoted. A command that does
 * not fit is not shown: a part of it would be of no use. */
#define HINT_MAX 4096

struct hint {
    char text[HINT_MAX];
    size_t used;
    bool whole;
};

static void add(struct hint *hint, const char *text, size_t length)
{
    if (hint->used + length >= sizeof(hint->text)) {
        hint->whole = false;
        return;
    }
    memcpy(hint->text + hint->used, text, length);
    hint->used += length;
    hint->text[hint->used] = '\0';
}

/* A word as a shell reads it back. */
static void add_word(struct hint *hint, const char *word)
{
    static const char harmless[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789_-.,:/@%+";

    add(hint, " ", 1);
    if (*word && !word[strspn(word, harmless)]) {
        add(hint, word, strlen(word));
        return;
    }
    add(hint, "'", 1);
    for (; *word; word++) {
        if (*word == '\'')
            add(hint, "'\\''", 4);
        else
            add(hint, word, 1);
    }
    add(hint, "'", 1);
}

/* "; PURPOSE: vtsim [-u URL] COMMAND [--] [ID]". */
static void suggest(struct hint *hint, const struct arguments *arguments, const char *purpose,
                    const char *command, const char *id)
{
    *hint = (struct hint){.whole = true};
    add(hint, "; ", 2);
    add(hint, purpose, strlen(purpose));
    add(hint, ": vtsim", 7);
    if (arguments->url) {
        add(hint, " -u", 3);
        add_word(hint, arguments->url);
    }
    add_word(hint, command);
    if (id && *id == '-')
        add(hint, " --", 3);
    if (id)
        add_word(hint, id);
    if (!hint->whole)
        *hint->text = '\0';
}

static void advise(struct hint *hint, const char *advice)
{
    *hint = (struct hint){.whole = true};
    add(hint, advice, strlen(advice));
}

/* What to do about it; may be empty. */
static void find_hint(struct hint *hint, const struct vts_client_error *error,
                      const struct arguments *arguments, const char *id)
{
    enum command command = arguments->command;

    advise(hint, "");
    switch (error->code) {
    case VTS_CLIENT_ERR_DEADLINE:
        if (command == COMMAND_WAIT || command == COMMAND_RUN || command == COMMAND_RESUME)
            suggest(hint, arguments, "to go on waiting", "wait", id);
        else
            advise(hint, "; a longer one may help");
        break;
    case VTS_CLIENT_ERR_UNREACHABLE:
        if (report_never_connected(error))
            advise(hint, "; is vtsimd running there?");
        else if (command == COMMAND_START || command == COMMAND_RUN)
            suggest(hint, arguments, "to see whether it was started", "status", id);
        break;
    case VTS_CLIENT_ERR_TIMEOUT:
        advise(hint, "; is the server overloaded? a longer --request-timeout may help");
        break;
    case VTS_CLIENT_ERR_UNKNOWN_JOB:
        if (command == COMMAND_CANCEL)
            suggest(hint, arguments, "to see which there are", "list", NULL);
        else
            suggest(hint, arguments, "to start it", "start", id);
        break;
    case VTS_CLIENT_ERR_EXISTS:
        suggest(hint, arguments, "to wait for it", "wait", id);
        break;
    case VTS_CLIENT_ERR_PROTOCOL:
        advise(hint, "; does -u lead to a video-translation service?");
        break;
    case VTS_CLIENT_ERR_REFUSED:
        if ((arguments->behaviour || arguments->setting_count) &&
            (error->http_status == 404 || error->http_status == 405))
            advise(hint, "; --behaviour and --option need a vtsimd: does -u lead to one?");
        break;
    default:
        break;
    }
}

/* ---- reports --------------------------------------------------------------------------------- */

bool report_never_connected(const struct vts_client_error *error)
{
    static const char words[] = "cannot connect to ";

    return error->code == VTS_CLIENT_ERR_UNREACHABLE &&
           strncmp(error->message, words, sizeof(words) - 1) == 0;
}

/* The words of vtsim.1, for programs. */
static const char *code_name(enum vts_client_err code)
{
    switch (code) {
    case VTS_CLIENT_ERR_UNREACHABLE:
        return "unreachable";
    case VTS_CLIENT_ERR_TIMEOUT:
        return "request_timeout";
    case VTS_CLIENT_ERR_DEADLINE:
        return "timeout";
    case VTS_CLIENT_ERR_UNKNOWN_JOB:
        return "unknown_job";
    case VTS_CLIENT_ERR_EXISTS:
        return "exists";
    case VTS_CLIENT_ERR_REFUSED:
        return "refused";
    case VTS_CLIENT_ERR_SERVER:
        return "server";
    case VTS_CLIENT_ERR_PROTOCOL:
        return "protocol";
    case VTS_CLIENT_ERR_CLOCK:
        return "clock";
    default:
        return "internal";
    }
}

/* The library tells of its deadline in milliseconds; here it is the option, as it was written. */
static void word(const struct vts_client_error *error, const struct arguments *arguments,
                 char *text, size_t room)
{
    const char *rest = strstr(error->message, " passed");

    if (error->code == VTS_CLIENT_ERR_DEADLINE && rest && arguments->timeout)
        snprintf(text, room, "the --timeout of %.32s%s", arguments->timeout, rest);
    else
        snprintf(text, room, "%s", error->message);
}

static void print_json(const struct vts_client_error *error, const char *id, const char *text,
                       const struct vts_client_result *result)
{
    const struct vts_client_job *job = result ? result->job : NULL;
    struct output_failure failure = {
        .code = code_name(error->code), .message = text, .token = result ? result->token : NULL};

    output_json_error(id, job ? vts_client_status_name(job->status) : NULL, &failure);
}

void report_line(const struct arguments *arguments, const char *id, const char *text)
{
    char quoted[300];

    snprintf(quoted, sizeof(quoted), "\"%s\"", id ? id : "");
    if (id && arguments->id_count > 1 && !strstr(text, quoted))
        output_error("job %s: %s", quoted, text);
    else
        output_error("%s", text);
}

/* The server's own words, where they are more than the one line that the library makes of them: a script's
 * error shows the place below its line. */
static bool print_said(const struct vts_client_error *error, const struct arguments *arguments,
                       const char *id, const char *said)
{
    char text[64];

    if (!said || strstr(error->message, said))
        return false;
    snprintf(text, sizeof(text),
             "the server refused with status %d, and says:", error->http_status);
    report_line(arguments, id, text);
    output_error_lines(said);
    return true;
}

int report_error(const struct vts_client_error *error, const struct arguments *arguments,
                 const char *id, const struct vts_client_result *result)
{
    char text[sizeof(error->message) + 64], line[sizeof(text) + HINT_MAX];
    struct hint hint;

    word(error, arguments, text, sizeof(text));
    find_hint(&hint, error, arguments, id);
    snprintf(line, sizeof(line), "%s%s", text, hint.text);
    if (error->code != VTS_CLIENT_ERR_REFUSED ||
        !print_said(error, arguments, id, result ? result->said : NULL))
        /* what is wrong with an id names it, as it can be shown */
        report_line(arguments, error->code == VTS_CLIENT_ERR_INVALID ? NULL : id, line);
    if (error->code == VTS_CLIENT_ERR_INVALID)
        return EXIT_USAGE;
    if (arguments->json && id)
        print_json(error, id, text, result);
    return error->code == VTS_CLIENT_ERR_DEADLINE ? EXIT_DEADLINE : EXIT_SERVER;
}

/* Who was told the end by the original API, which has no words for it, does not ask again for them: that would
 * be a poll behind the end. */
void report_failed(const struct vts_client_job *job)
{
    const char *code = job->error_code, *message = job->error_message;

    if (code || message)
        output_error("job \"%s\" failed: %s%s%s", job->id, code ? code : "",
                     code && message ? ": " : "", message ? message : "");
    else if (job->state && strcmp(job->state, "cancelled") == 0)
        output_error("job \"%s\" was cancelled", job->id);
}

void report_interrupted(const struct arguments *arguments, const char *id, const char *token)
{
    struct hint hint;

    suggest(&hint, arguments, "to go on waiting", "resume", token);
    output_error("job \"%s\" is left as it is%s", id, hint.text);
}

int report_worse(int a, int b)
{
    return a > b ? a : b; /* they are numbered so, but for wrong usage, which comes before all */
}
