/* SPDX-License-Identifier: MIT
 *
 * One question to /_sim/clock. See standstill.h. */
#include "standstill.h"

#include <stdio.h>

#include "control.h"

#define ANSWER_MS  1000
#define NAMES_MOST 3 /* that are told; of more, how many there are */

/* The names as "a", "b" and 2 more. */
static void list_names(struct json_object *names, char *text, size_t room)
{
    size_t count = json_object_array_length(names), told = 0, used = 0;

    for (; told < count && told < NAMES_MOST; told++) {
        const char *name = json_object_get_string(json_object_array_get_idx(names, told));

        used += (size_t)snprintf(text + used, room - used, "%s\"%.255s\"", told ? ", " : "",
                                 name ? name : "");
    }
    if (count > told)
        snprintf(text + used, room - used, " and %zu more", count - told);
}

static bool explain(struct json_object *clock, char *text, size_t room)
{
    struct json_object *names, *frozen;
    char list[NAMES_MOST * 260 + 40];
    size_t count;

    if (json_object_object_get_ex(clock, "frozen", &frozen) && json_object_get_boolean(frozen)) {
        snprintf(text, room, "the clock is frozen; it goes on with vtsim clock thaw");
        return true;
    }
    if (!json_object_object_get_ex(clock, "held_by", &names) ||
        !json_object_is_type(names, json_type_array))
        return false;
    count = json_object_array_length(names);
    if (count == 0)
        return false;
    list_names(names, list, sizeof(list));
    snprintf(text, room, "the clock is held by %s, %s", list,
             count == 1 ? "which is awake; it goes on when that one sleeps or leaves"
                        : "which are awake; it goes on when all of them sleep or leave");
    return true;
}

bool standstill_explain(struct standstill *standstill, char *text, size_t room)
{
    const struct arguments *arguments = standstill->arguments;
    int64_t shown_ms = vts_client_clock_now_ms(arguments->options.clock);
    bool stands = shown_ms == standstill->shown_ms, told;
    struct json_object *clock;

    standstill->shown_ms = shown_ms;
    if (!stands)
        return false;
    clock = control_get(arguments->clock_url ? arguments->clock_url : arguments->options.url,
                        "/_sim/clock", ANSWER_MS);
    told = clock && explain(clock, text, room);
    json_object_put(clock);
    return told;
}
