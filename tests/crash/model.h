/* SPDX-License-Identifier: MIT
 *
 * What clients know of their jobs, and whether an answer agrees with it: a start that was answered stays,
 * nothing goes back, a job ends once, and at its own moment. Knows vtsimd's answers, and nothing of its
 * stores. A contradiction fails the running cmocka test, with the seed, the round, the job and what was
 * seen. */
#ifndef VTSIM_TESTS_CRASH_MODEL_H
#define VTSIM_TESTS_CRASH_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which behaviour, by the first word of the job's id. */
enum model_kind { SHORT, LONG, CHANCE, SCRIPT, SCRIPT_FAILS, MODEL_KINDS };

/* The arguments that give a vtsimd these behaviours: -s options, without an end. */
#define MODEL_ARGUMENTS                                                                            \
    "-s", "behaviour short/plugin=fixed_delay", "-s", "behaviour short/delay=30ms", "-s",          \
        "behaviour long/plugin=fixed_delay", "-s", "behaviour long/delay=900ms", "-s",             \
        "behaviour chance/plugin=random_failure", "-s", "behaviour chance/rate=0.5", "-s",         \
        "behaviour chance/delay=uniform 10ms..600ms", "-s", "behaviour chance/fail_at=anywhere",   \
        "-s", "behaviour script/plugin=scripted_sequence", "-s",                                   \
        "behaviour script/script=pending x4, progress 50%, pending for 150ms, completed", "-s",    \
        "behaviour script_fails/plugin=scripted_sequence", "-s",                                   \
        "behaviour script_fails/script=pending x2, error \"why\"", "-s",                           \
        "rule short/job_id=short-*", "-s", "rule short/behaviour=short", "-s",                     \
        "rule long/job_id=long-*", "-s", "rule long/behaviour=long", "-s",                         \
        "rule chance/job_id=chance-*", "-s", "rule chance/behaviour=chance", "-s",                 \
        "rule script/job_id=script-*", "-s", "rule script/behaviour=script", "-s",                 \
        "rule script_fails/job_id=script_fails-*", "-s",                                           \
        "rule script_fails/behaviour=script_fails"

#define MODEL_ID_ROOM 64

enum model_start {
    NOT_ASKED,
    ASKED, /* a start was sent, and not answered: the job may be there or not */
    STARTED
};

/* One job, as its clients saw it. Its number is its place; the kind is the number's remainder. */
struct model_job {
    enum model_start start;
    bool busy; /* a request is under way */
    bool ended;
    int64_t created_at, started_at, ended_at; /* ms since 1970; 0: not seen yet */
    double progress;
    uint32_t low;    /* polls that were answered before a script's first count was reached */
    uint32_t lost;   /* polls that were not answered: they may have counted */
    uint32_t listed; /* the listing in which it was seen last */
    char *end;       /* what was said of it when it had ended */
    char *last;      /* the last answer */
};

struct model {
    uint64_t seed;
    unsigned int round, listing;
    uint64_t chance; /* the state of model_random */
    struct model_job *jobs;
    size_t count, room, ended;
};

void model_init(struct model *model, uint64_t seed);
void model_finish(struct model *model);

/* A number below `limit`. Repeats with the seed as far as the machine lets it. */
uint32_t model_random(struct model *model, uint32_t limit);

/* A new job's number. Jobs may move: pointers to them are no longer valid. */
size_t model_add(struct model *model);
void model_id(size_t number, char id[MODEL_ID_ROOM]);

/* Compares one job's object, {"id": ...}, with what is known. `poll`: it answers a poll that was sent at
 * `asked_at`; otherwise it is a row of a listing. */
void model_see(struct model *model, size_t number, const char *object, bool poll, int64_t asked_at);

/* The word of the original API: pending, completed or error. */
void model_see_word(struct model *model, size_t number, const char *body, int64_t asked_at);

/* Reads all jobs through GET /jobs: each that was started is there once, and agrees. */
void model_see_all(struct model *model, int port);

void model_contradicts(struct model *model, size_t number, const char *what, const char *now)
    __attribute__((noreturn));

/* Milliseconds since 1970, as vtsimd has them. */
int64_t model_now(void);

#endif
