/* SPDX-License-Identifier: MIT
 *
 * Cuts a script into words, texts, marks and line ends, each with its place. Knows no step. */
#include "parser.h"

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

bool token_next(struct parser *parser)
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

bool token_is(const struct token *token, const char *word)
{
    return token->kind == WORD && token->length == strlen(word) &&
           memcmp(token->at, word, token->length) == 0;
}

bool token_is_mark(const struct token *token, char mark)
{
    return token->kind == MARK && *token->at == mark;
}

bool token_ends_step(const struct token *token)
{
    return token->kind == COMMA || token->kind == NEWLINE || token->kind == END ||
           token_is_mark(token, '}');
}

bool token_is_count(const struct token *token)
{
    return token->kind == WORD && token->length > 1 && token->at[0] == 'x' && token->at[1] >= '0' &&
           token->at[1] <= '9';
}

struct shown token_show(const struct token *token)
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
