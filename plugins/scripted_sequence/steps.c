/* SPDX-License-Identifier: MIT
 *
 * Parses one step: of the job's life, or a fault. Knows where each may stand. See parser.h. */
#include "parser.h"

#define MESSAGE_MAX ((size_t)64 * 1024) /* bytes: what vts_fail takes without cutting */
#define WORD_MAX    ((size_t)255)       /* bytes: what vts_bend takes of a status */

bool steps_add(struct parser *parser, const struct token *first, struct script_step step)
{
    if (parser->script->count >= SCRIPT_STEPS_MAX)
        return ERROR_AT(parser, first,
                        "here the script has more than %zu steps, with what is repeated written "
                        "out",
                        SCRIPT_STEPS_MAX);
    return script_add(parser->script, step) || value_no_memory(parser);
}

static struct script_step step_of(enum script_kind kind)
{
    return (struct script_step){
        .kind = (uint8_t)kind, .count = 1, .extent = SCRIPT_NO_DELAY, .delay = SCRIPT_NO_DELAY};
}

static bool has_count(const struct parser *parser)
{
    return parser->token.kind == WORD && parser->token.at[0] == 'x';
}

/* "for DELAY" or "xCOUNT", where there is one: what it makes of a step of one kind or the other. */
static bool read_extent(struct parser *parser, struct script_step *step, enum script_kind span,
                        enum script_kind polls)
{
    if (token_is(&parser->token, "for")) {
        step->kind = (uint8_t)span;
        return token_next(parser) && value_delay(parser, "for", &step->extent);
    }
    step->kind = (uint8_t)polls;
    return !has_count(parser) || value_count(parser, &step->count);
}

/* ---- life ------------------------------------------------------------------------------------ */

/* Whether a step of the job's life can stand here. */
static bool life_goes_on(struct parser *parser, const struct token *first)
{
    if (parser->starting)
        return ERROR_AT(parser, first,
                        "%s is no answer to a start; write it on a line of its own below",
                        token_show(first).text);
    if (parser->over)
        return ERROR_AT(parser, first,
                        "%s cannot follow %.*s: there the job has ended; faults with a count can, "
                        "such as http 503 x2",
                        token_show(first).text, (int)parser->over_by.length, parser->over_by.at);
    return true;
}

static bool parse_pending(struct parser *parser, const struct token *first)
{
    const struct token *token = &parser->token;
    struct script_step step = step_of(STEP_POLLS);

    if (!token_ends_step(token) && !token_is(token, "for") && !has_count(parser))
        return ERROR_AT(parser, token,
                        "%s cannot follow \"pending\"; write a time (pending for 5s), a count of "
                        "polls (pending x3), or nothing",
                        token_show(token).text);
    return read_extent(parser, &step, STEP_SPAN, STEP_POLLS) && steps_add(parser, first, step);
}

static bool parse_progress(struct parser *parser, const struct token *first)
{
    struct script_step step = step_of(STEP_PROGRESS), rest = step_of(STEP_POLLS);

    if (!value_percent(parser, &step.number) || !steps_add(parser, first, step))
        return false;
    if (!token_is(&parser->token, "for") && !has_count(parser))
        return true;
    return read_extent(parser, &rest, STEP_SPAN, STEP_POLLS) && steps_add(parser, first, rest);
}

static bool parse_end(struct parser *parser, const struct token *first, struct script_step step)
{
    const struct token *token = &parser->token;
    struct script_step after = step_of(STEP_AFTER);

    if (token_is(token, "for"))
        return ERROR_AT(parser, token,
                        "\"for\" cannot follow \"%.*s\": the job's time is over there; write a "
                        "count of polls that are told so before what follows (%.*s x1), or nothing",
                        (int)first->length, first->at, (int)first->length, first->at);
    if (!steps_add(parser, first, step))
        return false;
    parser->over = true;
    parser->over_by = *first;
    return !has_count(parser) ||
           (value_count(parser, &after.count) && steps_add(parser, first, after));
}

static bool parse_error(struct parser *parser, const struct token *first)
{
    const struct token *token = &parser->token;
    struct script_step step = step_of(STEP_FAILED);

    if (token->kind == TEXT) {
        if (!value_text(parser, MESSAGE_MAX, &step.text))
            return false;
    } else if (!token_ends_step(token) && !token_is(token, "for") && !has_count(parser)) {
        return ERROR_AT(
            parser, token,
            "%s cannot follow \"error\"; write the message in double quotes, or nothing",
            token_show(token).text);
    }
    return parse_end(parser, first, step);
}

/* ---- faults ---------------------------------------------------------------------------------- */

enum argument { NOTHING, STATUS, SPAN, STATUS_TEXT };

static const struct fault_word {
    const char *word, *second;
    enum script_fault fault;
    enum argument argument;
    bool start, poll; /* where it may stand */
} fault_words[] = {
    {"http", NULL, FAULT_HTTP, STATUS, true, true},
    {"html", NULL, FAULT_HTML, STATUS, true, true},
    {"stall", NULL, FAULT_STALL, SPAN, true, true},
    {"dribble", NULL, FAULT_DRIBBLE, SPAN, true, true},
    {"reset", NULL, FAULT_RESET, NOTHING, true, true},
    {"empty", NULL, FAULT_EMPTY, NOTHING, true, true},
    {"truncate", NULL, FAULT_TRUNCATE, NOTHING, true, true},
    {"garbage", NULL, FAULT_GARBAGE, NOTHING, true, true},
    {"invalid", "json", FAULT_INVALID_JSON, NOTHING, true, true},
    {"missing", NULL, FAULT_MISSING, NOTHING, false, true},
    {"unknown", "status", FAULT_UNKNOWN_STATUS, STATUS_TEXT, false, true},
    {"no", "status", FAULT_NO_STATUS, NOTHING, false, true},
    {"regress", NULL, FAULT_REGRESS, NOTHING, false, true},
    {"lost", NULL, FAULT_LOST, NOTHING, true, false},
};

/* Whether the fault can stand here. */
static bool may_stand(struct parser *parser, const struct token *first,
                      const struct fault_word *word)
{
    if (parser->starting && !word->start)
        return ERROR_AT(parser, first,
                        "%s is for polls: a start is told no status; write it on a line of its "
                        "own below",
                        token_show(first).text);
    if (!parser->starting && !word->poll)
        return ERROR_AT(parser, first,
                        "%s is for starts: write it on a line that begins with start:, or let the "
                        "answer to a poll be lost by empty or reset",
                        token_show(first).text);
    if (parser->starting && parser->over)
        return ERROR_AT(parser, first, "%s cannot follow %.*s: there the start is accepted",
                        token_show(first).text, (int)parser->over_by.length, parser->over_by.at);
    return true;
}

static bool read_status(struct parser *parser, const struct fault_word *word,
                        struct script_step *step)
{
    bool refuses = parser->starting && word->fault == FAULT_HTTP;

    if (!value_status(parser, word->word, refuses ? 400 : 200, &step->status))
        return false;
    if (!token_is(&parser->token, "retry-after"))
        return true;
    if (!token_next(parser))
        return false;
    step->date = token_is(&parser->token, "date");
    if (step->date && !token_next(parser))
        return false;
    return value_delay(parser, step->date ? "date" : "retry-after", &step->delay);
}

static bool read_argument(struct parser *parser, const struct fault_word *word,
                          struct script_step *step)
{
    const struct token *token = &parser->token;

    if (word->second && !token_is(token, word->second))
        return ERROR_AT(parser, token, "\"%s\" should follow \"%s\" here", word->second,
                        word->word);
    if (word->second && !token_next(parser))
        return false;
    if (word->argument == STATUS)
        return read_status(parser, word, step);
    if (word->argument == SPAN)
        return value_delay(parser, word->word, &step->delay);
    if (word->argument != STATUS_TEXT)
        return true;
    if (token->kind != TEXT)
        return ERROR_AT(parser, token,
                        "a status in double quotes should follow here, such as \"queued-ish\"");
    return value_text(parser, WORD_MAX, &step->text);
}

static bool parse_fault(struct parser *parser, const struct token *first,
                        const struct fault_word *word)
{
    const struct token *token = &parser->token;
    struct script_step step = step_of(STEP_FAULT);
    bool accepts;

    step.fault = (uint8_t)word->fault;
    if (!may_stand(parser, first, word) || !read_argument(parser, word, &step))
        return false;
    accepts = parser->starting && script_accepts(&step);
    if (accepts && (token_is(token, "for") || has_count(parser)))
        return ERROR_AT(parser, token,
                        "%s cannot follow \"%s\" on a start: line: there the start is accepted, "
                        "which happens once",
                        token_show(token).text, word->word);
    if (!parser->starting && parser->over && token_is(token, "for"))
        return ERROR_AT(parser, token,
                        "\"for\" cannot follow %.*s: the job's time is over there; give the fault "
                        "a count, such as x3",
                        (int)parser->over_by.length, parser->over_by.at);
    if (!read_extent(parser, &step, STEP_FAULT_SPAN, STEP_FAULT) || !steps_add(parser, first, step))
        return false;
    if (accepts) {
        parser->over = true;
        parser->over_by = *first;
    }
    return true;
}

/* ---- all ------------------------------------------------------------------------------------- */

static bool parse_life(struct parser *parser, const struct token *first)
{
    if (!life_goes_on(parser, first) || !token_next(parser))
        return false;
    if (token_is(first, "pending"))
        return parse_pending(parser, first);
    if (token_is(first, "progress"))
        return parse_progress(parser, first);
    if (token_is(first, "error"))
        return parse_error(parser, first);
    return parse_end(parser, first,
                     step_of(token_is(first, "completed") ? STEP_COMPLETED : STEP_CANCELLED));
}

static bool no_step(struct parser *parser, const struct token *first)
{
    const char *meant = nearest_step(first);

    return ERROR_AT(
        parser, first,
        "%s is not a step; %s%s%s step is pending, progress, completed, error, cancelled, http, "
        "html, stall, dribble, reset, empty, truncate, garbage, invalid json, missing, unknown "
        "status, no status, regress, repeat, chance, or, first of all, start:",
        token_show(first).text, meant ? "did you mean \"" : "", meant ? meant : "",
        meant ? "\"? A" : "a");
}

bool steps_parse(struct parser *parser)
{
    static const char *const life[] = {"pending", "progress", "completed", "error", "cancelled"};
    const struct token first = parser->token;
    size_t i;

    for (i = 0; i < sizeof(life) / sizeof(life[0]); i++)
        if (token_is(&first, life[i]))
            return parse_life(parser, &first);
    for (i = 0; i < sizeof(fault_words) / sizeof(fault_words[0]); i++)
        if (token_is(&first, fault_words[i].word))
            return token_next(parser) && parse_fault(parser, &first, &fault_words[i]);
    return no_step(parser, &first);
}
