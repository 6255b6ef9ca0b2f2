/* SPDX-License-Identifier: MIT
 *
 * Distances between words. See nearest.h. */
#include "nearest.h"

#include <string.h>

#define WORD_MOST 24 /* bytes: no right word is as long */

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* How many typing errors (a letter missing, added, changed, or two swapped) lie between two words: the optimal
 * string alignment distance. */
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
            rows[i][j] = least(rows[i][j], rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                rows[i][j] = least(rows[i][j], rows[i - 2][j - 2] + 1);
        }
    }
    return rows[a_length][b_length];
}

void nearest_try(struct nearest *nearest, const char *right, const char *meant)
{
    size_t length = strlen(right), apart;

    if (nearest->length > WORD_MOST || length > WORD_MOST)
        return;
    apart = distance(nearest->word, nearest->length, right, length);
    /* every third letter may be wrong */
    if (apart > length / 3 || (nearest->best && apart >= nearest->apart))
        return;
    nearest->best = meant;
    nearest->apart = apart;
}
