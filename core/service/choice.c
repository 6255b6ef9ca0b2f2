/* SPDX-License-Identifier: MIT
 *
 * Which behaviour a start gets whose client says something of it: one by its name, options of its own. Those
 * that were asked for before are known again by what was asked, so that nothing is parsed twice. */
#include <stdlib.h>

#include "../base/rng.h"
#include "service.h"

#define KNOWN 2048u

/* What was asked for, as two hashes of it, and what came of it; all zeros: free. */
struct known {
    uint64_t asked[2], instance;
};

/* A port's own: each has two places where it can be. */
struct choices {
    struct known known[KNOWN];
};

struct choices *choices_create(void) { return calloc(1, sizeof(struct choices)); }

void choices_destroy(struct choices *choices) { free(choices); }

/* What the options are laid over, as a number; two are enough never to meet. */
static uint64_t base_hash(const struct overlay_base *base)
{
    uint64_t hash;
    size_t i;

    if (base->like)
        return base->like->hash;
    hash = rng_hash(base->plugin->name, strlen(base->plugin->name), 0);
    for (i = 0; i < base->filter_count; i++)
        hash = rng_draw(hash, base->filters[i]->hash);
    return hash;
}

static void hash_asked(const struct overlay_base *base, struct bytes options, uint64_t asked[2])
{
    uint64_t hash = base_hash(base);

    asked[0] = rng_hash(options.at, options.length, hash);
    asked[1] = rng_hash(options.at, options.length, rng_draw(hash, 1));
}

/* Where it is known; where it is not, where it can be noted. */
static struct known *find(struct choices *choices, const uint64_t asked[2])
{
    struct known *first = &choices->known[asked[0] % KNOWN];
    struct known *second = &choices->known[asked[1] % KNOWN];

    if (memcmp(first->asked, asked, sizeof(first->asked)) == 0)
        return first;
    if (memcmp(second->asked, asked, sizeof(second->asked)) == 0)
        return second;
    return first->instance == 0 ? first : second;
}

/* Why it cannot be, as a client reads it: without the last line's end. */
static void tell(struct text *message, const struct problems *problems)
{
    const char *lines = problems->lines.length > 0 ? problems->lines.bytes : "no memory";
    size_t length = strlen(lines);

    text_add(message, lines, length - (length > 0 && lines[length - 1] == '\n'));
}

static enum service_result make(struct service_call *call, const struct overlay_base *base,
                                const struct service_wish *wish, struct text *message)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *made = overlay_open(base, wish->settings, wish->setting_count, &problems);
    const struct instance *serves = NULL;
    enum service_result result = SERVICE_DONE;

    if (!made) {
        tell(message, &problems);
        result = SERVICE_WRONG;
    } else {
        serves = instances_add_own(&call->port->service->instances, made);
        result = serves ? SERVICE_DONE : SERVICE_FULL;
    }
    problems_finish(&problems);
    if (serves)
        call_start_with(call, serves);
    return result;
}

static enum service_result lay_over(struct service_call *call, const struct overlay_base *base,
                                    const struct service_wish *wish, struct text *message)
{
    const struct instance *instance = NULL;
    enum service_result result;
    struct known *known;
    uint64_t asked[2];

    hash_asked(base, wish->options, asked);
    known = find(call->port->choices, asked);
    if (memcmp(known->asked, asked, sizeof(asked)) == 0)
        instance = instances_hold(&call->port->service->instances, call->port->index,
                                  known->instance);
    if (instance && !instance->hollow) {
        call_start_with(call, instance);
        return SERVICE_DONE;
    }
    if (instance)
        instances_release(&call->port->service->instances, instance);
    result = make(call, base, wish, message);
    if (result == SERVICE_DONE)
        *known = (struct known){{asked[0], asked[1]}, call->instance->hash};
    return result;
}

/* A plugin that is there and needs settings has no instance of its own: the options may give them. */
static bool find_plugin(const struct assignment *assignment, const char *name,
                        struct overlay_base *base)
{
    const struct behaviours *behaviours = &assignment->behaviours;
    struct vts_error error;

    base->plugin = plugins_find(&assignment->plugins, name, &error);
    base->filters = behaviours->usual.at;
    base->filter_count = behaviours->usual.count;
    return base->plugin && base->plugin->kind == VTS_BEHAVIOUR;
}

/* False, with the reason, where there is none of this name. */
static bool find_named(const struct assignment *assignment, struct bytes name, bool has_options,
                       struct overlay_base *base, struct text *message)
{
    const struct behaviours *behaviours = &assignment->behaviours;
    struct vts_error error = {0};

    base->like = behaviours_named(behaviours, name.at, name.length);
    if (base->like)
        return true;
    if (strlen(name.at) != name.length) {
        text_puts(message, "behaviour is a name that holds \\u0000");
        return false;
    }
    if (has_options && find_plugin(assignment, name.at, base))
        return true;
    behaviours_why_not(behaviours, &assignment->plugins, name.at, &error);
    text_puts(message, error.message);
    return false;
}

enum service_result service_choose(struct service_call *call, const struct instance *usual,
                                   const struct service_wish *wish, struct text *message)
{
    struct overlay_base base = {.like = usual};
    bool has_options = wish->options.at != NULL;

    if (wish->name.at &&
        !find_named(call->port->assignment, wish->name, has_options, &base, message))
        return SERVICE_WRONG;
    if (has_options)
        return lay_over(call, &base, wish, message);
    instances_use(base.like);
    call_start_with(call, base.like);
    return SERVICE_DONE;
}
