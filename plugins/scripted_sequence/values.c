/* SPDX-License-Identifier: MIT
 *
 * Reads the values of a script: times, counts, numbers, statuses and texts; and says what would be right.
 * Times are vtsim's own to read. */
#include "parser.h"

/* More bytes than any DELAY has. */
#define DELAY_BYTES_MAX 200

bool value_no_memory(struct parser *parser)
{
    vts_error_at(parser->error, "script", 0, 0, "no memory for the script");
    if (parser->error)
        parser->error->code = VTS_ERR_MEMORY;
    return false;
}

/* ---- times ----------------------------------------------------------------------------------- */

/* Finds the end of a DELAY, which goes on until a word that cannot belong to it. */
static bool scan_delay(struct parser *parser, const char **end)
{
    const struct token *token = &parser->token;

    do {
        *end = token->at + token->length;
        if (!token_next(parser))
            return false;
    } while (!token_ends_step(token) && !token_is_count(token) && token->kind == WORD &&
             !token_is(token, "for") && !token_is(token, "retry-after"));
    return true;
}

/* Takes an error that vtsim found in a piece of the script: its place there is one here. */
static bool pass_on(struct parser *parser, const struct token *first, const struct vts_error *error)
{
    uint32_t column = first->column + (error->column > 0 ? error->column - 1 : 0);

    vts_error_at(parser->error, "script", first->line, column, "%s", error->message);
    if (parser->error)
        parser->error->code = error->code;
    return false;
}

bool value_delay(struct parser *parser, const char *after, uint32_t *index)
{
    const struct token first = parser->token;
    char text[DELAY_BYTES_MAX + 1];
    struct vts_error error;
    struct vts_delay delay;
    const char *end;
    size_t length;

    if (token_ends_step(&first) || token_is_count(&first) || token_is(&first, "for") ||
        token_is(&first, "retry-after"))
        return ERROR_AT(parser, &first, "a time is missing after \"%s\"; write one such as 5s",
                        after);
    if (first.kind != WORD)
        return ERROR_AT(parser, &first,
                        "%s is not a time; write one number and one unit: 250ms, 10s, 2m, 1h or "
                        "1d",
                        token_show(&first).text);
    if (!scan_delay(parser, &end))
        return false;
    length = (size_t)(end - first.at);
    if (length > DELAY_BYTES_MAX)
        return ERROR_AT(parser, &first, "%s... is no time; write one such as 5s",
                        token_show(&first).text);
    memcpy(text, first.at, length);
    text[length] = '\0';
    if (!vts_parse_delay(parser->instance, text, &delay, &error))
        return pass_on(parser, &first, &error);
    return script_add_delay(parser->script, delay, index) || value_no_memory(parser);
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* A decimal number at the front of a word: whole + part / scale. */
struct decimal {
    int64_t whole, part, scale;
    size_t length; /* of its text; 0: there is none */
    bool fine;     /* more digits behind the point than are kept */
};

/* A whole number above this is not told from others. */
#define WHOLE_MAX INT64_C(100000000000)

static bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

static struct decimal read_decimal(const char *at, size_t length)
{
    struct decimal decimal = {.scale = 1};
    size_t i = 0;

    for (; i < length && is_digit(at[i]); i++)
        if (decimal.whole <= WHOLE_MAX)
            decimal.whole = decimal.whole * 10 + (at[i] - '0');
    if (i == 0)
        return decimal;
    if (i + 1 < length && at[i] == '.' && is_digit(at[i + 1])) {
        size_t first = ++i, last;

        while (i < length && is_digit(at[i]))
            i++;
        for (last = i; last > first && at[last - 1] == '0';)
            last--;
        decimal.fine = last - first > 10;
        for (; first < last && !decimal.fine; first++) {
            decimal.part = decimal.part * 10 + (at[first] - '0');
            decimal.scale *= 10;
        }
    }
    decimal.length = i;
    return decimal;
}

/* The whole number that a token is from its byte `from` on; -1 where it is none. */
static int64_t whole(const struct token *token, size_t from)
{
    struct decimal number;

    if (token->kind != WORD || token->length <= from)
        return -1;
    number = read_decimal(token->at + from, token->length - from);
    return number.length == token->length - from && number.scale == 1 && !number.fine &&
                   !memchr(token->at, '.', token->length)
               ? number.whole
               : -1;
}

bool value_count(struct parser *parser, uint32_t *count)
{
    const struct token *token = &parser->token;
    int64_t value = token->at[0] == 'x' ? whole(token, 1) : -1;

    if (value < 0)
        return ERROR_AT(parser, token, "%s is not a count; write x and a whole number, such as x3",
                        token_show(token).text);
    if (value == 0)
        return ERROR_AT(parser, token, "%s is no poll at all; write x1 or more",
                        token_show(token).text);
    if (value > SCRIPT_COUNT_MAX)
        return ERROR_AT(parser, token, "%s is too many; the most is x%u", token_show(token).text,
                        (unsigned int)SCRIPT_COUNT_MAX);
    *count = (uint32_t)value;
    return token_next(parser);
}

bool value_rounds(struct parser *parser, uint32_t *rounds)
{
    const struct token *token = &parser->token;
    int64_t value = whole(token, 0);

    if (token_ends_step(token) || token_is_mark(token, '{'))
        return ERROR_AT(parser, token,
                        "a number is missing after \"repeat\"; write how often, as in repeat 3 { "
                        "... }");
    if (value < 0)
        return ERROR_AT(parser, token,
                        "%s is not a whole number; write how often, as in repeat 3 "
                        "{ ... }",
                        token_show(token).text);
    if (value == 0)
        return ERROR_AT(parser, token, "%s is no round at all; write 1 or more",
                        token_show(token).text);
    if ((uint64_t)value > SCRIPT_STEPS_MAX)
        return ERROR_AT(parser, token, "%s is too many; the most is %zu", token_show(token).text,
                        SCRIPT_STEPS_MAX);
    *rounds = (uint32_t)value;
    return token_next(parser);
}

bool value_percent(struct parser *parser, double *progress)
{
    const struct token *token = &parser->token;
    struct decimal number = {0};
    size_t sign;

    if (token_ends_step(token))
        return ERROR_AT(parser, token,
                        "a percentage is missing after \"progress\"; write one such as 40%%");
    sign = token->kind == WORD && token->at[0] == '-';
    if (token->kind == WORD)
        number = read_decimal(token->at + sign, token->length - sign);
    if (number.length == 0 || sign + number.length + 1 != token->length ||
        token->at[token->length - 1] != '%')
        return ERROR_AT(parser, token, "%s is not a percentage; write one such as 40%%",
                        token_show(token).text);
    if (number.fine)
        return ERROR_AT(parser, token, "%s has too many digits; ten behind the point are the most",
                        token_show(token).text);
    if (sign || number.whole > 100 || (number.whole == 100 && number.part > 0))
        return ERROR_AT(parser, token, "%s is out of range; write 0%% to 100%%",
                        token_show(token).text);
    *progress = ((double)number.whole + (double)number.part / (double)number.scale) / 100;
    return token_next(parser);
}

bool value_chance(struct parser *parser, double *chance)
{
    const struct token *token = &parser->token;
    struct decimal number = {0};

    if (token_ends_step(token) || token_is_mark(token, '{'))
        return ERROR_AT(parser, token,
                        "a number is missing after \"chance\"; write how likely it is, as in "
                        "chance 0.3 { ... }");
    if (token->kind == WORD)
        number = read_decimal(token->at, token->length);
    if (number.length != token->length)
        return ERROR_AT(parser, token,
                        "%s is not a chance; write a number from 0 to 1, as in "
                        "chance 0.3 { ... }",
                        token_show(token).text);
    if (number.fine)
        return ERROR_AT(parser, token, "%s has too many digits; ten behind the point are the most",
                        token_show(token).text);
    *chance = (double)number.whole + (double)number.part / (double)number.scale;
    if (*chance > 1)
        return ERROR_AT(parser, token, "%s is out of range; write a number from 0 to 1",
                        token_show(token).text);
    return token_next(parser);
}

bool value_status(struct parser *parser, const char *after, int least, int16_t *status)
{
    const struct token *token = &parser->token;
    int64_t value = token->length == 3 ? whole(token, 0) : -1;

    if (token_ends_step(token))
        return ERROR_AT(parser, token, "a status is missing after \"%s\"; write one such as 503",
                        after);
    if (value >= 200 && value < least)
        return ERROR_AT(parser, token,
                        "%s is no refusal; on a start: line write a status from %d to 599",
                        token_show(token).text, least);
    if (value < least || value > 599)
        return ERROR_AT(parser, token, "%s is not a status; write a number from %d to 599",
                        token_show(token).text, least);
    *status = (int16_t)value;
    return token_next(parser);
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* Copies the text of a token without its quotes and escapes. `texts` is as large as the source, and a text
 * with its quotes is longer than its copy with the NUL: there is always room. */
bool value_text(struct parser *parser, size_t most, const char **text)
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
    if ((size_t)(to - copy) > most)
        return ERROR_AT(parser, token, "the text has %zu bytes; %zu are the most",
                        (size_t)(to - copy), most);
    *to++ = '\0';
    script->texts_length = (size_t)(to - script->texts);
    *text = copy;
    return token_next(parser);
}
