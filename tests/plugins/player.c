/* SPDX-License-Identifier: MIT
 *
 * Plays a script. See player.h. */
#include "player.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

const struct vts_plugin *scripted_sequence_LTX_vts_plugin(void);

static bool open_side(struct player_side *side, const char *script, uint64_t seed,
                      struct problems *problems)
{
    struct text assignment = TEXT_INIT;
    struct instance *instance = NULL;
    struct ini ini = {0};

    text_printf(&assignment, "behaviour test/script=%s", script);
    assert_false(assignment.failed);
    if (ini_set(&ini, assignment.bytes, problems))
        instance = instance_create("test", scripted_sequence_LTX_vts_plugin(),
                                   ini_section(&ini, "behaviour", "test"), problems);
    if (instance)
        side->instance = instances_add(&side->instances, instance);
    side->engine = (struct engine){.seed = seed, .instances = &side->instances};
    engine_work_init(&side->work, &side->engine);
    side->work.next = &side->next;
    text_finish(&assignment);
    ini_finish(&ini);
    return instance != NULL;
}

bool player_open(struct player *player, const char *script, uint64_t seed)
{
    memset(player, 0, sizeof(*player));
    return open_side(&player->sides[0], script, seed, &player->problems) &&
           open_side(&player->sides[1], script, seed, &player->problems);
}

void player_finish(struct player *player)
{
    for (int i = 0; i < 2; i++) {
        engine_work_finish(&player->sides[i].work);
        instances_finish(&player->sides[i].instances);
        text_finish(&player->sides[i].next);
    }
    text_finish(&player->record);
    problems_finish(&player->problems);
}

static struct player_side *next_side(struct player *player)
{
    return &player->sides[player->events++ % 2];
}

static const struct record *record_of(const struct player *player)
{
    return player->record.length > 0 ? (const struct record *)(const void *)player->record.bytes
                                     : NULL;
}

/* Keeps what an event left, in memory of its own. */
static void keep(struct player *player, struct player_side *side, enum record_act act)
{
    assert_int_equal(side->work.err, VTS_OK);
    if (act == RECORD_LEAVE)
        return;
    assert_int_equal(act, RECORD_PUT);
    text_finish(&player->record);
    text_add(&player->record, side->next.bytes, side->next.length);
    assert_false(player->record.failed);
    player->puts++;
}

/* What is bent of an answer, as text behind what is there. */
static void tell_bend(const struct vts_answer *bent, char *told, size_t size)
{
    static const char *const cuts[] = {"", "reset", "empty", "truncate", "garbage"};
    static const char *const bodies[] = {"", "html", "invalid json", "no status", "missing"};
    size_t at = 0;

#define TELL(...) at += (size_t)snprintf(told + at, size - at, __VA_ARGS__)
    if (bent->cut)
        TELL(" %s", cuts[bent->cut]);
    if (bent->body)
        TELL(" %s", bodies[bent->body]);
    if (bent->status)
        TELL(" %d", (int)bent->status);
    if (bent->retry_after)
        TELL(" retry-after%s %lld", bent->retry_after_date ? " date" : "",
             (long long)bent->retry_after);
    if (bent->stall)
        TELL(" stall %lld", (long long)bent->stall);
    if (bent->dribble)
        TELL(" dribble %lld", (long long)bent->dribble);
    if (bent->word)
        TELL(" status %s", bent->word);
    if (bent->state)
        TELL(" back to %s", state_name(bent->state));
#undef TELL
}

static const char *tell(struct player *player, const struct engine_work *work, const char *usual)
{
    player->told[0] = player->told[1] = '\0';
    if (work->bent)
        tell_bend(&work->answer, player->told, sizeof(player->told));
    if (!player->told[1])
        return usual;
    return player->told + 1;
}

const char *player_start_again(struct player *player, vts_ms at)
{
    struct player_side *side = next_side(player);

    keep(player, side,
         engine_start(&side->work, record_of(player), side->instance,
                      (struct bytes){player->id, strlen(player->id)}, (struct bytes){0},
                      PLAYER_START + at));
    assert_int_equal(side->work.refused, record_of(player)->state == VTS_ASKED);
    return tell(player, &side->work, "started");
}

const char *player_start(struct player *player, const char *id, vts_ms at)
{
    snprintf(player->id, sizeof(player->id), "%s", id);
    text_finish(&player->record);
    player->polls = player->puts = 0;
    return player_start_again(player, at);
}

const char *player_poll(struct player *player, vts_ms at)
{
    struct player_side *side = next_side(player);

    keep(player, side,
         engine_poll(&side->work, record_of(player), ++player->polls, PLAYER_START + at));
    return tell(player, &side->work, state_word(record_of(player)->state));
}

void player_cancel(struct player *player, vts_ms at)
{
    struct player_side *side = next_side(player);

    keep(player, side, engine_cancel(&side->work, record_of(player), PLAYER_START + at));
}

void player_advance(struct player *player, vts_ms at)
{
    struct player_side *side = next_side(player);

    keep(player, side, engine_advance(&side->work, record_of(player), PLAYER_START + at));
}

struct job player_job(const struct player *player)
{
    struct job job;

    assert_true(record_read(record_of(player), player->record.length, &job));
    if (job.ended_at != RECORD_NEVER)
        job.ended_at -= PLAYER_START;
    if (job.wake_at != RECORD_NEVER)
        job.wake_at -= PLAYER_START;
    return job;
}
