/* SPDX-License-Identifier: MIT
 *
 * Parses a script: what stands between steps, the start: line, and braces. Nothing here calls itself: open
 * braces are on a stack of their own, of a fixed depth. See parser.h, and vtsim-script(5) for the grammar. */
#include <stdlib.h>

#include "parser.h"

/* ---- braces ---------------------------------------------------------------------------------- */

/* Opens the brace that is looked at. */
static bool open_block(struct parser *parser, struct block block)
{
    const struct token *token = &parser->token;

    if (!token_is_mark(token, '{'))
        return ERROR_AT(parser, token, "a brace should follow \"%.*s\" here: { ... }",
                        (int)block.word.length, block.word.at);
    if (parser->depth == SCRIPT_DEPTH_MAX)
        return ERROR_AT(parser, token, "here %d braces are open; that is as many as there can be",
                        SCRIPT_DEPTH_MAX);
    block.opened = *token;
    block.from = parser->script->count;
    parser->blocks[parser->depth++] = block;
    parser->between = READY;
    return token_next(parser);
}

static bool parse_repeat(struct parser *parser, const struct token *word)
{
    struct block block = {.kind = REPEAT, .word = *word, .over = parser->over};

    return value_rounds(parser, &block.times) && open_block(parser, block);
}

static bool parse_chance(struct parser *parser, const struct token *word)
{
    struct block block = {.kind = THEN, .word = *word, .over = parser->over};
    struct script_step step = {
        .kind = STEP_CHANCE, .extent = SCRIPT_NO_DELAY, .delay = SCRIPT_NO_DELAY};

    return value_chance(parser, &step.number) && steps_add(parser, word, step) &&
           open_block(parser, block);
}

static bool parse_else(struct parser *parser, const struct token *word)
{
    struct block block = {
        .kind = ELSE, .word = *word, .over = parser->was_over, .then_over = parser->then_over};
    struct script *script = parser->script;
    struct script_step step = {
        .kind = STEP_JUMP, .extent = SCRIPT_NO_DELAY, .delay = SCRIPT_NO_DELAY};

    if (!steps_add(parser, word, step))
        return false;
    script->places[parser->chance].ahead = (uint32_t)(script->count - parser->chance);
    parser->over = parser->was_over;
    return open_block(parser, block);
}

/* Writes out what is repeated. */
static bool close_repeat(struct parser *parser, const struct block *block)
{
    struct script *script = parser->script;
    size_t length = script->count - block->from;

    if (block->times > 1 && parser->over && !block->over)
        return ERROR_AT(parser, &block->word,
                        "nothing is left to repeat: %s in the first round, by %.*s",
                        parser->starting ? "the start is accepted" : "the job ends",
                        (int)parser->over_by.length, parser->over_by.at);
    if (length * block->times > SCRIPT_STEPS_MAX - block->from)
        return ERROR_AT(parser, &block->word,
                        "here the script has more than %zu steps, with what is repeated written "
                        "out",
                        SCRIPT_STEPS_MAX);
    return script_copy(script, block->from, block->times - 1) || value_no_memory(parser);
}

/* The brace that closes is looked at. */
static bool close_block(struct parser *parser)
{
    struct script *script = parser->script;
    const struct block *block;

    if (parser->depth == 0)
        return ERROR_AT(parser, &parser->token, "this brace closes none that is open");
    block = &parser->blocks[parser->depth - 1];
    if (script->count == block->from)
        return ERROR_AT(parser, &block->opened, "there is no step between these braces");
    parser->depth--;
    parser->between = ENDED;
    if (block->kind == REPEAT)
        return close_repeat(parser, block) && token_next(parser);
    script->places[block->from - 1].ahead = (uint32_t)(script->count - block->from + 1);
    if (block->kind == ELSE) {
        parser->over = block->over || (block->then_over && parser->over);
        return token_next(parser);
    }
    parser->may_else = true;
    parser->chance = block->from - 1;
    parser->then_over = parser->over;
    parser->over = parser->was_over = block->over;
    return token_next(parser);
}

static bool not_closed(struct parser *parser)
{
    const struct block *block = &parser->blocks[parser->depth - 1];

    return ERROR_AT(parser, &block->opened, "the brace that opens here is not closed%s",
                    parser->starting ? "; a start: line is one line" : "");
}

/* ---- the start: line ------------------------------------------------------------------------- */

static bool parse_start(struct parser *parser, const struct token *word)
{
    if (!token_is_mark(&parser->token, ':'))
        return ERROR_AT(parser, &parser->token, "a colon should follow \"start\": start: http 503");
    if (parser->starting || parser->depth > 0 || parser->script->count > parser->script->begin)
        return ERROR_AT(parser, word, "start: begins a line before all steps for polls");
    parser->starting = true;
    parser->over = parser->accepted;
    parser->between = READY;
    if (!token_next(parser))
        return false;
    if (token_ends_step(&parser->token))
        return ERROR_AT(parser, &parser->token,
                        "an answer to a start should follow start:, such as http 503 x2 or lost");
    return true;
}

static bool end_start(struct parser *parser)
{
    if (parser->depth > 0)
        return not_closed(parser);
    parser->accepted = parser->over;
    parser->starting = parser->over = parser->may_else = false;
    parser->script->begin = (uint32_t)parser->script->count;
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool parse_step(struct parser *parser)
{
    const struct token first = parser->token;
    bool may_else = parser->may_else;

    if (token_is(&first, "else") && !may_else)
        return ERROR_AT(parser, &first, "\"else\" follows chance 0.3 { ... } alone");
    if (parser->between == ENDED && !token_is(&first, "else"))
        return ERROR_AT(parser, &first, "%s cannot stand here; a comma or a new line ends a step",
                        token_show(&first).text);
    parser->may_else = false;
    parser->between = ENDED;
    if (token_is(&first, "else"))
        return token_next(parser) && parse_else(parser, &first);
    if (token_is(&first, "repeat"))
        return token_next(parser) && parse_repeat(parser, &first);
    if (token_is(&first, "chance"))
        return token_next(parser) && parse_chance(parser, &first);
    if (token_is(&first, "start"))
        return token_next(parser) && parse_start(parser, &first);
    return steps_parse(parser);
}

static bool parse_comma(struct parser *parser)
{
    if (parser->between == READY)
        return ERROR_AT(parser, &parser->token, "there is no step before this comma");
    parser->between = READY;
    parser->may_else = false;
    return token_next(parser);
}

static bool parse_newline(struct parser *parser)
{
    if (parser->starting && !end_start(parser))
        return false;
    if (parser->between == ENDED)
        parser->between = SEPARATED;
    return token_next(parser);
}

static bool parse_steps(struct parser *parser)
{
    bool good = token_next(parser);

    while (good && parser->token.kind != END) {
        if (parser->token.kind == NEWLINE)
            good = parse_newline(parser);
        else if (parser->token.kind == COMMA)
            good = parse_comma(parser);
        else if (token_is_mark(&parser->token, '}'))
            good = close_block(parser);
        else
            good = parse_step(parser);
    }
    if (good && parser->starting)
        good = end_start(parser);
    return good && (parser->depth == 0 || not_closed(parser));
}

bool script_parse(struct script *script, const struct vts_instance *instance, const char *text,
                  struct vts_error *error)
{
    struct parser parser = {.at = text,
                            .line_start = text,
                            .line = 1,
                            .script = script,
                            .instance = instance,
                            .error = error};
    size_t length = strlen(text);

    if (length > SCRIPT_BYTES_MAX)
        return vts_error_at(error, "script", 0, 0, "the script has %zu bytes; %zu are the most",
                            length, SCRIPT_BYTES_MAX);
    script->texts = malloc(length + 1);
    if (!script->texts)
        return value_no_memory(&parser);
    if (!parse_steps(&parser))
        return false;
    if (script->count == 0)
        return vts_error_at(
            error, "script", 0, 0,
            "the script has no step; write some, such as: pending for 5s, completed");
    return script_settle(script) || value_no_memory(&parser);
}
