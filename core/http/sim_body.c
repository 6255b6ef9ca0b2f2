/* SPDX-License-Identifier: MIT
 *
 * Reading requests of the control side. See sim.h. */
#include "sim.h"

#include "../config/options.h"

bool sim_no_query(struct exchange *exchange)
{
    static const char *const none[] = {NULL};

    return request_parameters_known(exchange, none);
}

bool sim_body(struct exchange *exchange, const char *const *known, const char *takes)
{
    const char *nearest;
    size_t i;

    if (!sim_no_query(exchange) || !request_body(exchange))
        return false;
    json_object_object_foreach(exchange->body, key, member)
    {
        (void)member;
        for (i = 0; known[i] && strcmp(key, known[i]) != 0; i++)
            ;
        if (known[i])
            continue;
        nearest = text_nearest(key, known);
        if (nearest)
            exchange_error(exchange, 400, "unknown member \"%.64s\"; did you mean \"%s\"?", key,
                           nearest);
        else
            exchange_error(exchange, 400, "unknown member \"%.64s\": this takes %s", key, takes);
        return false;
    }
    return true;
}

bool sim_string(struct exchange *exchange, const char *name, bool required, const char **value,
                size_t *length)
{
    struct json_object *member;

    *value = NULL;
    *length = 0;
    if (!json_object_object_get_ex(exchange->body, name, &member)) {
        if (required)
            exchange_error(exchange, 400, "%s is missing", name);
        return !required;
    }
    if (!json_object_is_type(member, json_type_string)) {
        exchange_error(exchange, 400, "%s is not a string", name);
        return false;
    }
    *value = json_object_get_string(member);
    *length = (size_t)json_object_get_string_len(member);
    return true;
}

bool sim_span(struct exchange *exchange, const char *name, vts_ms *span)
{
    struct vts_error error = {0};
    const char *text;
    size_t length;

    if (!json_object_is_type(json_object_object_get(exchange->body, name), json_type_string) &&
        json_object_object_get_ex(exchange->body, name, NULL)) {
        exchange_error(exchange, 400, "%s is not a time: write it as a string such as \"30s\"",
                       name);
        return false;
    }
    if (!sim_string(exchange, name, true, &text, &length))
        return false;
    if (*text == '-') {
        exchange_error(exchange, 400, "%s: time never goes back", name);
        return false;
    }
    if (strlen(text) != length || !options_time(text, span, &error)) {
        exchange_error(exchange, 400, "%s: %s", name,
                       *error.message ? error.message : "this is no time");
        return false;
    }
    if (*span > PACE_SPAN_MAX) {
        exchange_error(exchange, 400, "%s: %s is too far: a hundred years (36500d) is the most",
                       name, text);
        return false;
    }
    return true;
}

void sim_refuse(struct exchange *exchange, enum pace_result result, const struct vts_error *error)
{
    exchange->answer.retry_after = result == PACE_FULL || result == PACE_MEMORY ? 1 : -1;
    switch (result) {
    case PACE_FULL:
        exchange_error(exchange, 503,
                       "there are as many participants as [clock] participants allows (%lld)",
                       (long long)exchange->worker->server->config->clock.participants);
        break;
    case PACE_ASLEEP:
        exchange_error(exchange, 409, "this participant sleeps already");
        break;
    case PACE_NOBODY:
        exchange_error(exchange, 404, "there is no participant of this name");
        break;
    case PACE_MOVING:
        exchange_error(exchange, 409, "the clock is being moved: wait for the answer to that");
        break;
    case PACE_NOTHING:
        exchange_error(exchange, 409,
                       "nothing is going to happen: no job, no answer and no sleeper waits for "
                       "a moment");
        break;
    case PACE_SHARED:
        exchange_error(exchange, 409,
                       "the store %s is shared by several vtsimds, which need one time: its clock "
                       "is the real one, and is not moved",
                       service_store_kind(exchange->worker->server->service));
        break;
    case PACE_WRONG:
        exchange_error(exchange, 400, "%s", error ? error->message : "");
        break;
    case PACE_MEMORY:
    case PACE_DONE:
        exchange_error(exchange, 503, "no memory");
        break;
    }
}
