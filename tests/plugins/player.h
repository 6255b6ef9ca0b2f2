/* SPDX-License-Identifier: MIT
 *
 * Plays a script: the real engine on a job of scripted_sequence, with what a client is told as a short text.
 * Between any two events the job goes to another process: its bytes are copied, and the next event is carried
 * out by an instance that was opened apart. Time is a number that the caller hands in. */
#ifndef VTSIM_TESTS_PLUGINS_PLAYER_H
#define VTSIM_TESTS_PLUGINS_PLAYER_H

#include "jobs/engine.h"

/* The moment that times count from. */
#define PLAYER_START INT64_C(1000000000000)

struct player_side {
    struct instances instances;
    const struct instance *instance;
    struct engine engine;
    struct engine_work work;
    struct text next;
};

struct player {
    struct player_side sides[2];
    struct problems problems;
    char id[32];
    struct text record; /* no bytes: the job was not asked for */
    uint64_t events, polls, puts;
    char told[400]; /* the last answer */
};

/* Opens a script with a seed. False where it is none: see problems. To be finished in any case. */
bool player_open(struct player *player, const char *script, uint64_t seed);
void player_finish(struct player *player);

/* Starts the job of this id, `at` ms after PLAYER_START; forgets the one before. What the client is told:
 * "started", or as below. */
const char *player_start(struct player *player, const char *id, vts_ms at);
/* Asks once more to start it. */
const char *player_start_again(struct player *player, vts_ms at);

/* What a poll is told: "pending", "completed", "error"; or of an answer that is bent what is bent of it, such
 * as "503", "503 retry-after 1000", "503 retry-after date 1000", "stall 2000", "dribble 2000", "reset",
 * "empty", "truncate", "garbage", "html 504", "invalid json", "missing", "status queued-ish", "no status",
 * and "back to queued" or "back to running". */
const char *player_poll(struct player *player, vts_ms at);
void player_cancel(struct player *player, vts_ms at);
/* Time comes to `at`, and nobody asks. */
void player_advance(struct player *player, vts_ms at);

/* The job as it is now. Its texts live until the next event. */
struct job player_job(const struct player *player);

#endif
