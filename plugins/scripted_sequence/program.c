/* SPDX-License-Identifier: MIT
 *
 * Builds a program: steps, places and delays in arrays that grow. Knows no text and no job. See script.h. */
#include <stdlib.h>

#include "script.h"

/* Makes room for `more` items of `size` bytes behind `count`. */
static bool reserve(void **items, size_t *room, size_t count, size_t more, size_t size)
{
    size_t wanted = *room ? *room : 8;
    void *grown;

    if (more <= *room - count)
        return true;
    while (wanted - count < more)
        wanted *= 2;
    grown = realloc(*items, wanted * size);
    if (!grown)
        return false;
    *items = grown;
    *room = wanted;
    return true;
}

static bool reserve_places(struct script *script, size_t more)
{
    void *places = script->places;
    bool good = reserve(&places, &script->room, script->count, more, sizeof(*script->places));

    script->places = places;
    return good;
}

bool script_add(struct script *script, struct script_step step)
{
    void *steps = script->steps;
    bool good = reserve(&steps, &script->step_room, script->step_count, 1, sizeof(step));

    script->steps = steps;
    if (!good || !reserve_places(script, 1))
        return false;
    script->places[script->count++] = (struct script_place){(uint32_t)script->step_count, 1, 0};
    script->steps[script->step_count++] = step;
    return true;
}

bool script_add_delay(struct script *script, struct vts_delay delay, uint32_t *index)
{
    void *delays = script->delays;
    bool good = reserve(&delays, &script->delay_room, script->delay_count, 1, sizeof(delay));

    script->delays = delays;
    if (!good)
        return false;
    *index = (uint32_t)script->delay_count;
    script->delays[script->delay_count++] = delay;
    return true;
}

bool script_copy(struct script *script, size_t from, size_t times)
{
    size_t length = script->count - from;

    if (!reserve_places(script, length * times))
        return false;
    for (; times > 0; times--) {
        memcpy(script->places + script->count, script->places + from,
               length * sizeof(*script->places));
        script->count += length;
    }
    return true;
}

/* Where the steps end that a chance or a jump chooses from: both ways have met by there. */
static size_t block_end(const struct script *script, size_t place)
{
    size_t end = place + script->places[place].ahead;

    /* An else stands behind a jump over it; no other jump is the last of a then. */
    if (script_at(script, (uint32_t)place)->kind == STEP_CHANCE &&
        script_at(script, (uint32_t)end - 1)->kind == STEP_JUMP)
        end += script->places[end - 1].ahead - 1;
    return end;
}

bool script_settle(struct script *script)
{
    size_t fault, stop, i;
    uint8_t kind;

    if (!script_add(script, (struct script_step){.kind = STEP_END}))
        return false;
    fault = stop = script->count - 1;
    for (i = script->count; i-- > 0;) {
        kind = script_at(script, (uint32_t)i)->kind;
        if (kind == STEP_CHANCE)
            script->chances = true;
        if (kind == STEP_FAULT && i >= script->begin)
            script->counts = script->faults = true;
        if (kind == STEP_POLLS || kind == STEP_AFTER)
            script->counts = true;
        if (kind == STEP_FAULT)
            fault = stop = i;
        if ((kind == STEP_CHANCE || kind == STEP_JUMP) && fault < block_end(script, i))
            stop = i;
        script->places[i].next = (uint32_t)(stop - i);
    }
    return true;
}

void script_finish(struct script *script)
{
    free(script->steps);
    free(script->places);
    free(script->delays);
    free(script->texts);
    *script = (struct script){0};
}
