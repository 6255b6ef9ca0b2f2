/* SPDX-License-Identifier: MIT
 *
 * Which step may have been meant by a word that is none: the nearest in typing errors, or one that other services
 * or the full API say for it. Knows words alone, no grammar. */
#include "parser.h"

#include <ctype.h>

#define WORD_MOST 16 /* bytes: no word is as long */

static const struct {
    const char *word, *step;
} words[] = {
    {"pending", "pending"},
    {"progress", "progress"},
    {"completed", "completed"},
    {"error", "error"},
    {"cancelled", "cancelled"},
    {"http", "http"},
    {"html", "html"},
    {"stall", "stall"},
    {"dribble", "dribble"},
    {"reset", "reset"},
    {"empty", "empty"},
    {"truncate", "truncate"},
    {"garbage", "garbage"},
    {"invalid", "invalid json"},
    {"missing", "missing"},
    {"unknown", "unknown status"},
    {"no", "no status"},
    {"regress", "regress"},
    {"lost", "start: lost"},
    {"repeat", "repeat"},
    {"chance", "chance"},
    {"start", "start:"},
    /* the same in other words */
    {"queued", "pending"},
    {"running", "pending"},
    {"wait", "pending"},
    {"done", "completed"},
    {"succeeded", "completed"},
    {"cancel", "cancelled"}, /* or it would be nearer to chance */
    {"fail", "error"},
    {"failed", "error"},
    {"failure", "error"},
    {"timeout", "stall"},
    {"loop", "repeat"},
};

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* How many typing errors (a letter missing, added, changed, or two swapped) lie between two words of at most
 * WORD_MOST bytes, whatever their case: the optimal string alignment distance. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[WORD_MOST + 1][WORD_MOST + 1];

    for (size_t i = 0; i <= a_length; i++) {
        for (size_t j = 0; j <= b_length; j++) {
            if (i == 0 || j == 0) {
                rows[i][j] = i + j;
                continue;
            }
            rows[i][j] = least(rows[i - 1][j], rows[i][j - 1]) + 1;
            rows[i][j] = least(rows[i][j],
                               rows[i - 1][j - 1] + (tolower((unsigned char)a[i - 1]) != b[j - 1]));
            if (i > 1 && j > 1 && tolower((unsigned char)a[i - 1]) == b[j - 2] &&
                tolower((unsigned char)a[i - 2]) == b[j - 1])
                rows[i][j] = least(rows[i][j], rows[i - 2][j - 2] + 1);
        }
    }
    return rows[a_length][b_length];
}

const char *nearest_step(const struct token *token)
{
    const char *nearest = NULL;
    size_t best = SIZE_MAX, apart, length;

    if (token->kind != WORD || token->length > WORD_MOST)
        return NULL;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        length = strlen(words[i].word);
        apart = distance(token->at, token->length, words[i].word, length);
        /* every third letter may be wrong, and so may none of two */
        if (apart < best && apart <= length / 3) {
            best = apart;
            nearest = words[i].step;
        }
    }
    return nearest;
}
