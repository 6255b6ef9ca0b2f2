/* SPDX-License-Identifier: MIT
 *
 * scripted_sequence: every job goes through the steps of a script. A tokenizer that knows lines and
 * columns, a parser into an array of steps, and an executor whose state is a place in that array.
 *
 *     script   = step (separator step)* [separator]
 *     step     = "pending" [ "for" TIME | "x"COUNT ] | "progress" PERCENT"%" | "completed"
 *              | "error" [ TEXT ]
 *     separator = a comma, new lines, or both
 *
 * Lines and columns count from 1, columns in bytes. */
#include <vtsim/plugin.h>

#include <stdlib.h>

#define SCRIPT_MAX  ((size_t)512 * 1024) /* bytes */
#define MESSAGE_MAX ((size_t)64 * 1024)  /* bytes: what vts_fail takes without cutting */
#define COUNT_MAX   UINT32_C(1000000000)

struct settings {
    const char *script;
};

static const struct vts_option options[] = {
    VTS_OPTION_TEXT_REQUIRED(
        struct settings, script, "pending for 5s\nprogress 40%\npending for 5s\ncompleted",
        "the steps, one a line or separated by commas: pending for 5s, pending x3, "
        "progress 40%, completed, error \"why\""),
    VTS_OPTIONS_END};

/* ---- steps ----------------------------------------------------------------------------------- */

enum step_kind { PENDING_FOR, PENDING_POLLS, PROGRESS, COMPLETED, FAILED };

struct step {
    enum step_kind kind;
    union {
        vts_ms span;         /* PENDING_FOR */
        uint32_t polls;      /* PENDING_POLLS */
        double progress;     /* PROGRESS, 0 to 1 */
        const char *message; /* FAILED: in struct script's texts, or NULL */
    } u;
};

/* The instance's data: written by open alone. */
struct script {
    struct step *steps;
    size_t count, room;
    char *texts; /* all messages, each with its NUL */
    size_t texts_length;
};

static void script_finish(struct script *script)
{
    free(script->steps);
    free(script->texts);
    *script = (struct script){0};
}

/* ---- tokens ---------------------------------------------------------------------------------- */

enum token_kind { WORD, TEXT, COMMA, NEWLINE, MARK, END };

struct token {
    enum token_kind kind;
    const char *at; /* in the source; a TEXT with its quotes */
    size_t length;
    uint32_t line, column;
};

struct parser {
    const char *at, *line_start;
    uint32_t line;
    struct token token; /* the one that is looked at */
    struct script *script;
    struct vts_error *error;
};

/* A token as messages quote it: its first bytes, cut at a character's end. */
struct shown {
    char text[64];
};

static struct shown show(const struct token *token)
{
    enum { MOST = 40 };
    struct shown shown;
    size_t length = token->length;

    if (length > MOST)
        for (length = MOST; length > 0 && ((unsigned char)token->at[length] & 0xC0) == 0x80;)
            length--;
    snprintf(shown.text, sizeof(shown.text), token->kind == TEXT ? "%.*s%s" : "\"%.*s%s\"",
             (int)length, token->at, length < token->length ? "..." : "");
    return shown;
}

#define ERROR_AT(parser, place, ...)                                                               \
    vts_error_at((parser)->error, "script", (place)->line, (place)->column, __VA_ARGS__)

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\v' || byte == '\f';
}

static bool is_mark(char byte) { return byte == '{' || byte == '}' || byte == ':'; }

static bool is_word(char byte)
{
    return byte != '\0' && byte != '\n' && byte != ',' && byte != '"' && !is_blank(byte) &&
           !is_mark(byte);
}

/* Finds the end of a text and looks at its escapes. False, with the error set, where it has none. */
static bool scan_text(struct parser *parser)
{
    struct token *token = &parser->token;
    const char *at = parser->at + 1;

    for (; *at != '"'; at++) {
        if (*at == '\0' || *at == '\n')
            return ERROR_AT(parser, token,
                            "the double quote that opens here is not closed on its line");
        if (*at != '\\')
            continue;
        at++;
        if (*at != '"' && *at != '\\')
            return vts_error_at(parser->error, "script", token->line,
                                token->column + (uint32_t)(at - 1 - parser->at),
                                "a backslash can only escape a double quote or a backslash; write "
                                "\\\\ for the backslash itself");
    }
    token->length = (size_t)(at + 1 - parser->at);
    return true;
}

/* Goes on to the next token. */
static bool next(struct parser *parser)
{
    struct token *token = &parser->token;

    while (is_blank(*parser->at))
        parser->at++;
    *token = (struct token){.kind = WORD,
                            .at = parser->at,
                            .length = 1,
                            .line = parser->line,
                            .column = (uint32_t)(parser->at - parser->line_start) + 1};
    if (*parser->at == '\0') {
        token->kind = END;
        token->length = 0;
    } else if (*parser->at == '\n') {
        token->kind = NEWLINE;
        parser->line++;
        parser->line_start = parser->at + 1;
    } else if (*parser->at == ',') {
        token->kind = COMMA;
    } else if (is_mark(*parser->at)) {
        token->kind = MARK;
    } else if (*parser->at == '"') {
        token->kind = TEXT;
        if (!scan_text(parser))
            return false;
    } else {
        while (is_word(parser->at[token->length]))
            token->length++;
    }
    parser->at += token->length;
    return true;
}

static bool is(const struct token *token, const char *word)
{
    return token->kind == WORD && token->length == strlen(word) &&
           memcmp(token->at, word, token->length) == 0;
}

static bool ends_step(const struct token *token)
{
    return token->kind == COMMA || token->kind == NEWLINE || token->kind == END;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* A decimal number at the front of a word: whole + part / scale. */
struct decimal {
    int64_t whole, part, scale;
    size_t length; /* of its text; 0: there is none */
    bool fine;     /* more digits behind the point than are kept */
};

static bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

static struct decimal read_decimal(const char *at, size_t length)
{
    struct decimal decimal = {.scale = 1};
    size_t i = 0;

    for (; i < length && is_digit(at[i]); i++)
        if (decimal.whole <= VTS_TIME_END)
            decimal.whole = decimal.whole * 10 + (at[i] - '0');
    if (i == 0)
        return decimal;
    if (i + 1 < length && at[i] == '.' && is_digit(at[i + 1])) {
        size_t first = ++i, last;

        while (i < length && is_digit(at[i]))
            i++;
        for (last = i; last > first && at[last - 1] == '0';)
            last--;
        /* Ten digits are enough for a millisecond of a day. */
        decimal.fine = last - first > 10;
        for (; first < last && !decimal.fine; first++) {
            decimal.part = decimal.part * 10 + (at[first] - '0');
            decimal.scale *= 10;
        }
    }
    decimal.length = i;
    return decimal;
}

/* The milliseconds of a unit, or 0 where it is none. */
static vts_ms unit_ms(const char *name, size_t length)
{
    static const struct {
        const char *name;
        vts_ms ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    size_t i;

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strlen(units[i].name) == length && memcmp(units[i].name, name, length) == 0)
            return units[i].ms;
    return 0;
}

/* A TIME, as the INI file has it: one number and one unit. */
static bool read_time(struct parser *parser, vts_ms *span)
{
    const struct token *token = &parser->token;
    struct decimal number = {0};
    bool zero, bare;
    vts_ms unit;

    if (ends_step(token))
        return ERROR_AT(parser, token, "a time is missing after \"for\"; write one such as 5s");
    if (token->kind == WORD)
        number = read_decimal(token->at, token->length);
    unit = unit_ms(token->at + number.length, token->length - number.length);
    zero = number.whole == 0 && number.part == 0 && !number.fine;
    bare = number.length > 0 && number.length == token->length;
    if (bare && !zero)
        return ERROR_AT(parser, token,
                        "%s has no unit; write it right behind the number: 5s, 250ms",
                        show(token).text);
    if (number.length == 0 || (unit == 0 && !bare))
        return ERROR_AT(parser, token,
                        "%s is not a time; write one number and one unit: 250ms, 10s, 2m, 1h or 1d",
                        show(token).text);
    if (bare)
        unit = 1;
    if (number.whole > VTS_TIME_END / unit)
        return ERROR_AT(parser, token, "%s is too long; the longest time is 2932896d",
                        show(token).text);
    if (number.fine || number.part * unit % number.scale != 0)
        return ERROR_AT(parser, token, "%s is finer than 1ms, the shortest time", show(token).text);
    *span = number.whole * unit + number.part * unit / number.scale;
    return next(parser);
}

static bool read_count(struct parser *parser, uint32_t *count)
{
    const struct token *token = &parser->token;
    uint64_t value = 0;
    size_t i;

    for (i = 1; i < token->length && is_digit(token->at[i]); i++)
        if (value <= COUNT_MAX)
            value = value * 10 + (uint64_t)(token->at[i] - '0');
    if (i < token->length || token->length == 1)
        return ERROR_AT(parser, token, "%s is not a count; write x and a whole number, such as x3",
                        show(token).text);
    if (value == 0)
        return ERROR_AT(parser, token, "%s is no poll at all; write x1 or more", show(token).text);
    if (value > COUNT_MAX)
        return ERROR_AT(parser, token, "%s is too many; the most is x%u", show(token).text,
                        (unsigned int)COUNT_MAX);
    *count = (uint32_t)value;
    return next(parser);
}

static bool read_percent(struct parser *parser, double *progress)
{
    const struct token *token = &parser->token;
    struct decimal number = {0};
    size_t sign;

    if (ends_step(token))
        return ERROR_AT(parser, token,
                        "a percentage is missing after \"progress\"; write one such as 40%%");
    sign = token->kind == WORD && token->at[0] == '-';
    if (token->kind == WORD)
        number = read_decimal(token->at + sign, token->length - sign);
    if (number.length == 0 || sign + number.length + 1 != token->length ||
        token->at[token->length - 1] != '%')
        return ERROR_AT(parser, token, "%s is not a percentage; write one such as 40%%",
                        show(token).text);
    if (number.fine)
        return ERROR_AT(parser, token, "%s has too many digits; ten behind the point are the most",
                        show(token).text);
    if (sign || number.whole > 100 || (number.whole == 100 && number.part > 0))
        return ERROR_AT(parser, token, "%s is out of range; write 0%% to 100%%", show(token).text);
    *progress = ((double)number.whole + (double)number.part / (double)number.scale) / 100;
    return next(parser);
}

/* ---- the parser ------------------------------------------------------------------------------ */

static bool no_memory(struct parser *parser)
{
    vts_error_at(parser->error, "script", 0, 0, "no memory for the script");
    if (parser->error)
        parser->error->code = VTS_ERR_MEMORY;
    return false;
}

static bool add_step(struct parser *parser, struct step step)
{
    struct script *script = parser->script;
    size_t room = script->room ? script->room * 2 : 8;
    struct step *grown;

    if (script->count == script->room) {
        grown = realloc(script->steps, room * sizeof(*grown));
        if (!grown)
            return no_memory(parser);
        script->steps = grown;
        script->room = room;
    }
    script->steps[script->count++] = step;
    return true;
}

/* Copies the text of a token without its quotes and escapes. `texts` is as large as the source, and
 * a text with its quotes is longer than its copy with the NUL: there is always room. */
static bool read_text(struct parser *parser, const char **message)
{
    const struct token *token = &parser->token;
    struct script *script = parser->script;
    const char *at = token->at + 1, *end = token->at + token->length - 1;
    char *to = script->texts + script->texts_length, *copy = to;

    for (; at < end; at++) {
        if (*at == '\\')
            at++;
        *to++ = *at;
    }
    if ((size_t)(to - copy) > MESSAGE_MAX)
        return ERROR_AT(parser, token, "the text has %zu bytes; %zu are the most",
                        (size_t)(to - copy), MESSAGE_MAX);
    *to++ = '\0';
    script->texts_length = (size_t)(to - script->texts);
    *message = copy;
    return next(parser);
}

static bool parse_pending(struct parser *parser)
{
    const struct token *token = &parser->token;
    struct step step = {.kind = PENDING_POLLS, .u.polls = 1};

    if (ends_step(token))
        return add_step(parser, step);
    if (is(token, "for")) {
        step.kind = PENDING_FOR;
        return next(parser) && read_time(parser, &step.u.span) && add_step(parser, step);
    }
    if (token->kind == WORD && token->at[0] == 'x')
        return read_count(parser, &step.u.polls) && add_step(parser, step);
    return ERROR_AT(parser, token,
                    "%s cannot follow \"pending\"; write a time (pending for 5s), a count of polls "
                    "(pending x3), or nothing",
                    show(token).text);
}

static bool parse_error(struct parser *parser)
{
    const struct token *token = &parser->token;
    struct step step = {.kind = FAILED, .u.message = NULL};

    if (token->kind == TEXT && !read_text(parser, &step.u.message))
        return false;
    if (!step.u.message && !ends_step(token))
        return ERROR_AT(
            parser, token,
            "%s cannot follow \"error\"; write the message in double quotes, or nothing",
            show(token).text);
    return add_step(parser, step);
}

static bool parse_step(struct parser *parser)
{
    const struct script *script = parser->script;
    const struct token first = parser->token;
    struct step step = {.kind = COMPLETED};

    if (script->count > 0 && script->steps[script->count - 1].kind >= COMPLETED)
        return ERROR_AT(parser, &first, "nothing can follow %s: there the job has ended",
                        script->steps[script->count - 1].kind == COMPLETED ? "completed" : "error");
    if (is(&first, "pending"))
        return next(parser) && parse_pending(parser);
    if (is(&first, "error"))
        return next(parser) && parse_error(parser);
    if (is(&first, "completed"))
        return next(parser) && add_step(parser, step);
    step.kind = PROGRESS;
    if (is(&first, "progress"))
        return next(parser) && read_percent(parser, &step.u.progress) && add_step(parser, step);
    return ERROR_AT(parser, &first,
                    "%s is not a step; a step is pending, progress, completed or error",
                    show(&first).text);
}

/* What stands between steps: new lines, and one comma among them at most. */
static bool skip_separator(struct parser *parser, bool comma_allowed)
{
    while (parser->token.kind == COMMA || parser->token.kind == NEWLINE) {
        if (parser->token.kind == COMMA && !comma_allowed)
            return ERROR_AT(parser, &parser->token, "there is no step before this comma");
        if (parser->token.kind == COMMA)
            comma_allowed = false;
        if (!next(parser))
            return false;
    }
    return true;
}

static bool end_step(struct parser *parser)
{
    if (!ends_step(&parser->token))
        return ERROR_AT(parser, &parser->token,
                        "%s cannot stand here; a comma or a new line ends a step",
                        show(&parser->token).text);
    return skip_separator(parser, true);
}

static bool parse(struct script *script, const char *source, struct vts_error *error)
{
    struct parser parser = {
        .at = source, .line_start = source, .line = 1, .script = script, .error = error};
    size_t length = strlen(source);

    if (length > SCRIPT_MAX)
        return vts_error_at(error, "script", 0, 0, "the script has %zu bytes; %zu are the most",
                            length, SCRIPT_MAX);
    script->texts = malloc(length + 1);
    if (!script->texts)
        return no_memory(&parser);
    if (!next(&parser) || !skip_separator(&parser, false))
        return false;
    while (parser.token.kind != END)
        if (!parse_step(&parser) || !end_step(&parser))
            return false;
    if (script->count == 0)
        return vts_error_at(
            error, "script", 0, 0,
            "the script has no step; write some, such as: pending for 5s, completed");
    return true;
}

/* ---- the executor ---------------------------------------------------------------------------- */

/* Where a job rests. */
struct state {
    uint32_t step;
    uint32_t polls; /* answered at this step, where it is PENDING_POLLS */
};

/* Goes on from the step that the job has come to, until one takes time, waits or ends the job. A hook
 * runs through any number of steps that take no time, since the engine takes a job with a thousand
 * wakes in one moment for endless. `polls` is 1 where a poll brought the job here: it is the first
 * that a count of polls sees. */
static void run(struct vts_job *job, uint32_t polls)
{
    const struct script *script = vts_data(job);
    struct state *state = vts_state(job);
    const struct step *step;
    double progress = 0;
    bool rests = false;

    for (; state->step < script->count; state->step++) {
        step = &script->steps[state->step];
        if (step->kind == PROGRESS && step->u.progress > progress)
            progress = step->u.progress;
        /* The last step stays; an end needs no next one. */
        rests = step->kind >= COMPLETED || state->step + 1 == script->count ||
                step->kind == PENDING_POLLS || (step->kind == PENDING_FOR && step->u.span > 0);
        if (rests)
            break;
    }
    if (progress > 0)
        vts_progress(job, progress);
    if (!rests) {
        vts_fail(job, "damaged", "the job's place is beyond the end of its script");
        return;
    }
    if (step->kind == COMPLETED) {
        vts_complete(job, NULL);
    } else if (step->kind == FAILED) {
        vts_fail(job, NULL, step->u.message);
    } else if (state->step + 1 == script->count) {
        vts_wait(job, VTS_FOR_EVER);
    } else if (step->kind == PENDING_FOR) {
        vts_wait(job, 0);
        vts_wake_after(job, step->u.span);
    } else {
        state->polls = polls;
        vts_wait(job, VTS_FOR_POLL);
    }
}

static void start(struct vts_job *job) { run(job, 0); }

/* The time of the step is over. */
static void wake(struct vts_job *job)
{
    struct state *state = vts_state(job);

    state->step++;
    run(job, 0);
}

static void poll(struct vts_job *job)
{
    const struct script *script = vts_data(job);
    struct state *state = vts_state(job);

    if (!job->instance->counts_polls || vts_job_state(job) != VTS_RUNNING ||
        state->step >= script->count - 1 || script->steps[state->step].kind != PENDING_POLLS)
        return;
    if (state->polls < script->steps[state->step].u.polls) {
        state->polls++;
    } else {
        state->step++;
        run(job, 1);
    }
}

static bool open(struct vts_instance *instance, struct vts_error *error)
{
    const struct settings *set = instance->settings;
    struct script *script = instance->data;
    size_t i;

    if (!parse(script, set->script, error)) {
        script_finish(script);
        return false;
    }
    for (i = 0; i < script->count; i++)
        if (script->steps[i].kind == PENDING_POLLS)
            instance->counts_polls = true;
    return true;
}

static void close(struct vts_instance *instance) { script_finish(instance->data); }

VTS_PLUGIN(scripted_sequence, .summary = "every job goes through the steps of a script",
           .options = options, .settings_size = sizeof(struct settings),
           .instance_size = sizeof(struct script), .state_size = sizeof(struct state),
           .state_version = 1, .open = open, .close = close, .start = start, .wake = wake,
           .poll = poll)
