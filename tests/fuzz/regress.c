/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target as a test: every file of the corpus folder (the first argument), each cut short
 * at every length, and some thousand mutations of them. Those are seeded, so every run does the same.
 * Knows no target. */
#include "base/rng.h"
#include "base/text.h"
#include "fuzz.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

enum { FILES_MAX = 500, MUTATIONS = 8000, CUTS_MAX = 600 };

/* Pieces that a byte by byte mutation would not find soon. */
static const char *const pieces[] = {
    "[server]\n",
    "[behaviour a]\n",
    "]",
    "\n",
    "\r\n",
    "\n  ",
    " ; ",
    " # ",
    "\"",
    "\\\"",
    " = ",
    "=",
    "\xef\xbb\xbf",
    "\xff",
    "\xed\xa0\x80",
    "1h30m",
    "10s",
    "ms",
    "max ",
    "..",
    "uniform ",
    "normal ",
    "sd ",
    "exponential ",
    "lognormal ",
    "sigma ",
    "0.5",
    "1e308",
    "-",
    "99999999999999999999",
    "a/b=",
    "repeat 3 { ",
    "chance 0.5 { ",
    " }",
    " } else { ",
    "start: ",
    "http 503",
    " retry-after 1s",
    " x2",
    " for 5s",
    ", ",
    "completed",
    "pending x1\n",
    "\t",
};

enum { PIECES = sizeof(pieces) / sizeof(pieces[0]) };

struct corpus {
    struct text files[FILES_MAX];
    size_t count;
};

static const char *folder;

static void add_file(struct corpus *corpus, const char *name)
{
    char path[4096], buffer[4096];
    FILE *file;
    size_t got;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    assert_in_range(corpus->count, 0, FILES_MAX - 1);
    text_puts(&corpus->files[corpus->count], "");
    while ((got = fread(buffer, 1, sizeof(buffer), file)) > 0)
        text_add(&corpus->files[corpus->count], buffer, got);
    fclose(file);
    corpus->count++;
}

static int by_bytes(const void *a, const void *b)
{
    const struct text *one = a, *other = b;
    size_t least = one->length < other->length ? one->length : other->length;
    int order = memcmp(one->bytes, other->bytes, least);

    return order ? order : (one->length > other->length) - (one->length < other->length);
}

/* Sorted by content, so that the mutations do not depend on the order in a folder. */
static int read_corpus(void **state)
{
    DIR *dir = opendir(folder);
    struct corpus *corpus = dir ? calloc(1, sizeof(*corpus)) : NULL;
    struct dirent *entry;

    if (!corpus)
        return -1;
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            add_file(corpus, entry->d_name);
    closedir(dir);
    qsort(corpus->files, corpus->count, sizeof(corpus->files[0]), by_bytes);
    *state = corpus;
    return 0;
}

static int free_corpus(void **state)
{
    struct corpus *corpus = *state;

    for (size_t i = 0; i < corpus->count; i++)
        text_finish(&corpus->files[i]);
    free(corpus);
    return 0;
}

/* In memory of exactly its size, so that asan sees a step beyond it. */
static void run(const void *bytes, size_t length)
{
    uint8_t *exact = malloc(length ? length : 1);

    assert_non_null(exact);
    memcpy(exact, bytes, length);
    assert_int_equal(LLVMFuzzerTestOneInput(exact, length), 0);
    free(exact);
}

static void the_corpus(void **state)
{
    struct corpus *corpus = *state;

    assert_true(corpus->count > 0);
    for (size_t i = 0; i < corpus->count; i++) {
        const struct text *file = &corpus->files[i];

        run(file->bytes, file->length);
        for (size_t cut = 0; cut < file->length && cut < CUTS_MAX; cut++)
            run(file->bytes, cut);
    }
}

struct chance {
    uint64_t key, count;
};

static size_t draw(struct chance *chance, size_t below)
{
    return (size_t)(rng_draw(chance->key, chance->count++) % below);
}

/* Changes one thing of a text. */
static void mutate(struct text *text, const struct corpus *corpus, struct chance *chance)
{
    size_t at = draw(chance, text->length + 1), length;
    const struct text *other = &corpus->files[draw(chance, corpus->count)];
    const char *piece = pieces[draw(chance, PIECES)];
    struct text made = TEXT_INIT;

    text_add(&made, text->bytes, at);
    length = text->length - at;
    switch (draw(chance, 5)) {
    case 0: /* another byte */
        text_add(&made, &(char){(char)draw(chance, 256)}, 1);
        at += length > 0;
        break;
    case 1: /* some bytes less */
        at += length ? draw(chance, length) + 1 : 0;
        break;
    case 2: /* a piece more */
        text_puts(&made, piece);
        break;
    case 3: /* the end of another file */
        length = draw(chance, other->length + 1);
        text_add(&made, other->bytes + length, other->length - length);
        break;
    default: /* once more */
        text_add(&made, text->bytes + at, length < 40 ? length : 40);
        break;
    }
    text_add(&made, text->bytes + at, text->length - at);
    text_finish(text);
    *text = made;
}

static void mutations_of_the_corpus(void **state)
{
    struct corpus *corpus = *state;

    for (size_t i = 0; i < MUTATIONS; i++) {
        struct chance chance = {rng_key(1, 0, &i, sizeof(i)), 0};
        const struct text *file = &corpus->files[draw(&chance, corpus->count)];
        struct text text = TEXT_INIT;

        text_add(&text, file->bytes, file->length < 2000 ? file->length : 2000);
        for (size_t k = draw(&chance, 6) + 1; k > 0; k--)
            mutate(&text, corpus, &chance);
        assert_false(text.failed);
        run(text.bytes, text.length);
        text_finish(&text);
    }
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_corpus),
        cmocka_unit_test(mutations_of_the_corpus),
    };

    if (count != 2) {
        fprintf(stderr, "usage: %s CORPUS_FOLDER\n", arguments[0]);
        return 2;
    }
    folder = arguments[1];
    return cmocka_run_group_tests(tests, read_corpus, free_corpus);
}
