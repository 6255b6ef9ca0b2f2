/* SPDX-License-Identifier: MIT
 *
 * Opens plugins with settings, and keeps what was opened. See instance.h. */
#include "instance.h"

#include <stdlib.h>

#include "../base/rng.h"
#include "../config/options.h"
#include "host.h"

/* No option can be called so. */
#define STAMP "@stamp="

static const struct vts_option no_options[] = {VTS_OPTIONS_END};

static const struct vts_option *table_of(const struct vts_plugin *plugin)
{
    return plugin->options ? plugin->options : no_options;
}

bool instance_warn_once(const struct instance *instance, enum instance_warning warning)
{
    /* Counting warnings changes nothing of what an instance is. */
    atomic_uint *warned = (atomic_uint *)&instance->warned;

    return !(atomic_fetch_or(warned, (unsigned int)warning) & (unsigned int)warning);
}

/* Frees all but what open() made. */
static void release(struct instance *instance)
{
    if (instance->settings)
        options_free(table_of(instance->base.plugin), instance->settings);
    free(instance->settings);
    free((void *)instance->filters);
    free(instance->base.data);
    free(instance->name);
    text_finish(&instance->canonical);
    text_finish(&instance->stamp);
    pthread_mutex_destroy(&instance->serial);
    free(instance);
}

static struct instance *allocate(const char *name, const struct vts_plugin *plugin)
{
    struct instance *instance = calloc(1, sizeof(*instance));

    if (!instance)
        return NULL;
    instance->base.plugin = plugin;
    instance->base.host = &host_table;
    instance->base.state_size = plugin->state_size;
    pthread_mutex_init(&instance->serial, NULL);
    instance->name = strdup(name);
    instance->settings = calloc(1, plugin->settings_size ? plugin->settings_size : 1);
    instance->base.data = calloc(1, plugin->instance_size ? plugin->instance_size : 1);
    if (!instance->name || !instance->settings || !instance->base.data) {
        release(instance);
        return NULL;
    }
    instance->hears_polls = plugin->poll != NULL;
    instance->stream = rng_hash(name, strlen(name), 0);
    instance->base.name = instance->name;
    instance->base.settings = instance->settings;
    return instance;
}

/* Whether what open() said of jobs can be. A filter keeps nothing with a job and moves none. */
static bool check_opened(const struct vts_instance *base, struct vts_error *error)
{
    if (base->plugin->kind == VTS_FILTER && (base->state_size > 0 || base->counts_polls))
        return vts_error_set(error, VTS_ERR_INVALID,
                             "the plugin is a filter, and its open asked for %s",
                             base->state_size > 0 ? "state for each job: filters have none"
                                                  : "counts_polls: filters move no job");
    if (base->state_size > VTS_STATE_MAX)
        return vts_error_set(error, VTS_ERR_INVALID,
                             "the plugin wants %zu bytes of state for each job, 65536 is the most",
                             base->state_size);
    return true;
}

static bool open_plugin(struct instance *instance, struct ini_section *section, const char *label,
                        struct problems *problems)
{
    const struct vts_plugin *plugin = instance->base.plugin;
    struct vts_error error = {.code = VTS_ERR_INVALID,
                              .message = "the plugin refused its settings"};

    instance->opening = true;
    if (plugin->open && !plugin->open(&instance->base, &error)) {
        options_report(section, label, &error, problems);
        return false;
    }
    instance->opening = false;
    if (!check_opened(&instance->base, &error)) {
        options_report(section, label, &error, problems);
        if (plugin->close)
            plugin->close(&instance->base);
        return false;
    }
    return true;
}

/* What else it is made of than its settings becomes a part of what it is. */
static bool add_stamp(struct instance *instance)
{
    const char *stamp = instance->stamp.length > 0 ? instance->stamp.bytes : instance->stamped;

    instance->hollow = instance->stamped && instance->stamp.length == 0;
    if (stamp)
        text_printf(&instance->canonical, STAMP "%s%c", stamp, 0);
    instance->stamped = NULL;
    return !instance->canonical.failed && !instance->stamp.failed;
}

/* `stamped`: see struct instance. */
static struct instance *create(const char *name, const struct vts_plugin *plugin,
                               struct ini_section *section, const char *stamped,
                               struct problems *problems)
{
    const char *kind = plugin->kind == VTS_FILTER ? "filter" : "behaviour";
    struct instance *instance = allocate(name, plugin);
    struct text *canonical;
    char label[300];
    bool good;

    if (!instance) {
        problems_add(problems, NULL, kind, NULL, "no memory for \"%s\"", name);
        return NULL;
    }
    snprintf(label, sizeof(label), "%s %s", kind, name);
    /* The state's version is no part of it: a job of another version has to find its instance, to be told
     * what is the matter. */
    canonical = &instance->canonical;
    text_printf(canonical, "%s%c%s%c", name, 0, plugin->name, 0);
    good = options_read(table_of(plugin), instance->settings, section, label, canonical, problems);
    instance->stamped = stamped;
    if (!good || !open_plugin(instance, section, label, problems)) {
        release(instance);
        return NULL;
    }
    if (!add_stamp(instance)) {
        problems_add(problems, NULL, label, NULL, "no memory");
        instance_destroy(instance);
        return NULL;
    }
    instance->hash = rng_hash(canonical->bytes, canonical->length, 0);
    instance->own_length = canonical->length;
    return instance;
}

struct instance *instance_create(const char *name, const struct vts_plugin *plugin,
                                 struct ini_section *section, struct problems *problems)
{
    return create(name, plugin, section, NULL, problems);
}

bool instance_put_filters(struct instance *instance, const struct instance *const *filters,
                          size_t count)
{
    size_t i;

    if (count == 0)
        return true;
    instance->filters = calloc(count, sizeof(*filters));
    if (!instance->filters)
        return false;
    for (i = 0; i < count; i++) {
        text_add(&instance->canonical, "", 1);
        text_add(&instance->canonical, filters[i]->canonical.bytes, filters[i]->canonical.length);
        instance->filters[i] = filters[i];
        instance->hears_polls |= filters[i]->hears_polls;
    }
    instance->filter_count = count;
    instance->hash = rng_hash(instance->canonical.bytes, instance->canonical.length, 0);
    return !instance->canonical.failed;
}

/* ---- opened again ---- */

/* One part of a canonical text: a behaviour's own, or a filter's. */
struct part {
    const char *name, *plugin, *settings, *end;
    const char *stamp; /* or NULL */
};

/* Takes the part that begins at `at`: two texts, settings, and the end or an empty text. NULL where that is
 * not what stands there, else where the next one begins. */
static const char *take_part(const char *at, const char *end, struct part *part)
{
    part->name = at;
    part->plugin = at < end ? at + strlen(at) + 1 : end;
    part->settings = part->plugin < end ? part->plugin + strlen(part->plugin) + 1 : end;
    if (part->plugin >= end || !*part->plugin || !*part->name)
        return NULL;
    part->stamp = NULL;
    for (at = part->settings; at < end && *at; at += strlen(at) + 1)
        if (strncmp(at, STAMP, strlen(STAMP)) == 0)
            part->stamp = at + strlen(STAMP);
    part->end = at;
    return at == end ? end : at + 1 < end ? at + 1 : NULL;
}

/* The settings of a part as a section. */
static bool read_part(struct ini *ini, const struct part *part, struct problems *problems)
{
    struct text line = TEXT_INIT;
    const char *at = part->settings;
    bool good = true;

    for (; good && at < part->end; at += strlen(at) + 1) {
        if (strncmp(at, STAMP, strlen(STAMP)) == 0)
            continue;
        text_reset(&line);
        text_printf(&line, "behaviour stored/%s", at);
        good = !line.failed && ini_set(ini, line.bytes, problems);
    }
    text_finish(&line);
    return good;
}

/* Opens a plugin with the settings of a part: for jobs that are there (`hollow`), or for new ones, too. NULL,
 * with the reason, where it would come out otherwise. */
static struct instance *reopen(const struct vts_plugin *plugin, const struct part *part,
                               bool hollow, struct vts_error *error)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = NULL;
    struct ini ini = {0};

    if (read_part(&ini, part, &problems))
        instance = create(part->name, plugin, ini_section(&ini, "behaviour", "stored"),
                          hollow ? part->stamp : NULL, &problems);
    if (!instance) {
        vts_error_set(error, VTS_ERR_INVALID, "%.400s",
                      problems.lines.length > 0 ? problems.lines.bytes : "no memory");
    } else if (instance->hash != rng_hash(part->name, (size_t)(part->end - part->name), 0)) {
        vts_error_set(error, VTS_ERR_INVALID,
                      part->stamp ? "its plugin has other options now, or has read something else"
                                  : "its plugin has other options now");
        instance_destroy(instance);
        instance = NULL;
    }
    ini_finish(&ini);
    problems_finish(&problems);
    return instance;
}

/* Gives a set the filter, if it lacks it. */
static const struct instance *add_filter(struct instances *instances,
                                         const struct vts_plugin *plugin, const struct part *part,
                                         struct vts_error *error)
{
    struct instance *filter = reopen(plugin, part, false, error);

    return filter ? instances_add(instances, filter) : NULL;
}

/* What one part's plugin is: looked up, or that which it was opened from before. */
struct origin {
    const struct plugins *plugins;
    const struct instance *like; /* where there are no plugins */
};

static const struct vts_plugin *plugin_of(const struct origin *origin, const struct part *part,
                                          size_t filter, struct vts_error *error)
{
    const struct vts_plugin *plugin;

    if (!origin->plugins)
        return origin->like->filters[filter]->base.plugin;
    plugin = plugins_find(origin->plugins, part->plugin, error);
    if (plugin && plugin->kind != VTS_FILTER) {
        vts_error_set(error, VTS_ERR_INVALID, "the plugin \"%s\" is no filter any more",
                      part->plugin);
        plugin = NULL;
    }
    return plugin;
}

/* Puts those filters around it whose parts begin at `at`. False, with the reason, where one cannot be
 * opened. */
static bool reopen_filters(struct instance *instance, const struct origin *origin,
                           struct instances *instances, const char *at, const char *end,
                           struct vts_error *error)
{
    const struct instance *filters[INSTANCE_FILTERS];
    const struct vts_plugin *plugin;
    struct part part;
    size_t count = 0;
    bool good = true;

    while (good && at < end) {
        at = take_part(at, end, &part);
        good = at && count < INSTANCE_FILTERS;
        if (!good) {
            vts_error_set(error, VTS_ERR_DAMAGED, "its text cannot be understood");
            break;
        }
        plugin = plugin_of(origin, &part, count, error);
        filters[count] = plugin ? add_filter(instances, plugin, &part, error) : NULL;
        good = filters[count] != NULL;
        count += good;
    }
    if (good && !instance_put_filters(instance, filters, count))
        good = vts_error_set(error, VTS_ERR_MEMORY, "no memory");
    if (good)
        instance->filters_in = instances;
    while (!good && count > 0)
        instances_release(instances, filters[--count]);
    return good;
}

/* Opens a whole canonical text again, the behaviour from this plugin. */
static struct instance *reopen_all(const struct vts_plugin *plugin, const struct origin *origin,
                                   struct instances *instances, const char *canonical,
                                   size_t length, struct vts_error *error)
{
    const char *end = canonical + length, *next;
    struct instance *instance;
    struct part part;

    next = take_part(canonical, end, &part);
    instance = next ? reopen(plugin, &part, origin->plugins != NULL, error) : NULL;
    if (instance && !reopen_filters(instance, origin, instances, next, end, error)) {
        instance_destroy(instance);
        instance = NULL;
    }
    return instance;
}

struct instance *instance_revive(const struct plugins *plugins, struct instances *instances,
                                 const char *canonical, size_t length, struct vts_error *error)
{
    const struct origin origin = {.plugins = plugins};
    const struct vts_plugin *plugin;
    struct part part;

    if (length == 0 || canonical[length - 1] != '\0' ||
        !take_part(canonical, canonical + length, &part)) {
        vts_error_set(error, VTS_ERR_DAMAGED, "its text cannot be understood");
        return NULL;
    }
    plugin = plugins_find(plugins, part.plugin, error);
    if (plugin && plugin->kind != VTS_BEHAVIOUR) {
        vts_error_set(error, VTS_ERR_INVALID, "the plugin \"%s\" is no behaviour any more",
                      part.plugin);
        plugin = NULL;
    }
    return plugin ? reopen_all(plugin, &origin, instances, canonical, length, error) : NULL;
}

struct instance *instance_again(const struct instance *like, struct instances *instances,
                                struct vts_error *error)
{
    const struct origin origin = {.like = like};

    return reopen_all(like->base.plugin, &origin, instances, like->canonical.bytes,
                      like->canonical.length, error);
}

struct instance *instance_again_bare(const struct instance *like, struct vts_error *error)
{
    struct part part;

    if (!take_part(like->canonical.bytes, like->canonical.bytes + like->own_length, &part)) {
        vts_error_set(error, VTS_ERR_DAMAGED, "its text cannot be understood");
        return NULL;
    }
    return reopen(like->base.plugin, &part, false, error);
}

static void let_filters_go(const struct instance *instance)
{
    size_t i;

    for (i = 0; instance->filters_in && i < instance->filter_count; i++)
        instances_release(instance->filters_in, instance->filters[i]);
}

/* A plugin that was built with an earlier header has no such member. */
static bool has_reset(const struct vts_plugin *plugin)
{
    return plugin->size >= offsetof(struct vts_plugin, reset) + sizeof(plugin->reset) &&
           plugin->reset;
}

void instance_reset(const struct instance *instance)
{
    const struct vts_plugin *plugin = instance->base.plugin;
    struct instance *own = (struct instance *)instance; /* its data is the plugin's to change */

    if (!has_reset(plugin))
        return;
    if (plugin->serial)
        pthread_mutex_lock(&own->serial);
    plugin->reset(&own->base);
    if (plugin->serial)
        pthread_mutex_unlock(&own->serial);
}

void instance_destroy(struct instance *instance)
{
    if (!instance)
        return;
    if (instance->base.plugin->close)
        instance->base.plugin->close(&instance->base);
    let_filters_go(instance);
    release(instance);
}
