/* SPDX-License-Identifier: MIT
 *
 * What the parser's files share: tokens with their places, the parser itself, and the readers of single
 * values. Lines and columns count from 1, columns in bytes. */
#ifndef VTSIM_SCRIPT_PARSER_H
#define VTSIM_SCRIPT_PARSER_H

#include "script.h"

enum token_kind { WORD, TEXT, COMMA, NEWLINE, MARK, END };

struct token {
    enum token_kind kind;
    const char *at; /* in the source; a TEXT with its quotes */
    size_t length;
    uint32_t line, column;
};

/* Where in a script a step may stand. */
enum between {
    READY,    /* a step is expected */
    ENDED,    /* a step has just ended: a separator has to come */
    SEPARATED /* by a new line; a comma may follow */
};

enum block_kind { REPEAT, THEN, ELSE };

/* A brace that is open. */
struct block {
    enum block_kind kind;
    struct token opened; /* the brace, */
    struct token word;   /* and the step that it belongs to */
    size_t from;    /* the first place in it; of THEN and ELSE, behind the one that jumps over it */
    uint32_t times; /* REPEAT */
    bool over, then_over;
};

struct parser {
    const char *at, *line_start;
    uint32_t line;
    struct token token; /* the one that is looked at */
    enum between between;
    bool starting;  /* on a start: line */
    bool accepted;  /* an earlier start: line accepts the start */
    bool over;      /* here the job has ended, or the start was accepted, whatever came by chance */
    bool may_else;  /* a chance { ... } has just been closed, */
    bool then_over; /* and this became of it; */
    bool was_over;  /* this had been before it */
    size_t chance;  /* its place */
    struct token over_by;
    struct block blocks[SCRIPT_DEPTH_MAX];
    size_t depth;
    struct script *script;
    const struct vts_instance *instance;
    struct vts_error *error;
};

/* A token as messages quote it: its first bytes, cut at a character's end. */
struct shown {
    char text[64];
};

#define ERROR_AT(parser, place, ...)                                                               \
    vts_error_at((parser)->error, "script", (place)->line, (place)->column, __VA_ARGS__)

/* tokens.c */
bool token_next(struct parser *parser);
bool token_is(const struct token *token, const char *word);
bool token_is_mark(const struct token *token, char mark);
/* A comma, a new line, a closing brace, or the end. */
bool token_ends_step(const struct token *token);
/* x and a digit: a count of polls, whatever follows. */
bool token_is_count(const struct token *token);
struct shown token_show(const struct token *token);

/* values.c: each reads the value that is looked at and goes on behind it. `after` is what stands before it,
 * for the message where there is none. */
bool value_delay(struct parser *parser, const char *after, uint32_t *delay);
bool value_count(struct parser *parser, uint32_t *count);
bool value_percent(struct parser *parser, double *progress);
bool value_chance(struct parser *parser, double *chance);
bool value_rounds(struct parser *parser, uint32_t *rounds);
bool value_status(struct parser *parser, const char *after, int least, int16_t *status);
bool value_text(struct parser *parser, size_t most, const char **text);
bool value_no_memory(struct parser *parser);

/* nearest.c: the step that was meant by a word that is none; NULL: nobody knows. */
const char *nearest_step(const struct token *token);

/* steps.c: what is no brace. */
bool steps_add(struct parser *parser, const struct token *first, struct script_step step);
bool steps_parse(struct parser *parser);

#endif
