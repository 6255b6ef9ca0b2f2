/* SPDX-License-Identifier: MIT
 *
 * One question to /_sim/clock. See standstill.h. */
#include "standstill.h"

#include <stdio.h>
#include <string.h>

#include "control.h"

#define ANSWER_MS  1000
#define NAMES_MOST 3 /* that are told; of more, how many there are */

/* The names in the list that are not our own, as "a", "b" and 2 more; returns how many there are. */
static size_t list_names(const struct standstill *standstill, struct json_object *names, char *text,
                         size_t room)
{
    const char *own = standstill->arguments->clock_name;
    size_t count = json_object_array_length(names), told = 0, used = 0;

    *text = '\0';
    for (size_t i = 0; i < json_object_array_length(names); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(names, i));

        if (!name || (own && strcmp(name, own) == 0))
            count--;
        else if (told < NAMES_MOST && used + strlen(name) + 5 < room)
            used +=
                (size_t)snprintf(text + used, room - used, "%s\"%s\"", told++ ? ", " : "", name);
    }
    if (count > told)
        snprintf(text + used, room - used, " and %zu more", count - told);
    return count;
}

static bool explain(const struct standstill *standstill, struct json_object *clock, char *text,
                    size_t room)
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
    count = list_names(standstill, names, list, sizeof(list));
    if (count)
        snprintf(text, room, "the clock is held by %s, %s", list,
                 count == 1 ? "which is awake; it goes on when that one sleeps or leaves"
                            : "which are awake; it goes on when all of them sleep or leave");
    return count > 0;
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
    told = clock && explain(standstill, clock, text, room);
    json_object_put(clock);
    return told;
}
