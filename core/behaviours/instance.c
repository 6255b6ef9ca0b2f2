/* SPDX-License-Identifier: MIT
 *
 * Opens plugins with settings, and keeps what was opened. See instance.h. */
#include "instance.h"

#include <stdlib.h>

#include "../base/rng.h"
#include "../config/options.h"
#include "host.h"

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
    free(instance->base.data);
    free(instance->name);
    text_finish(&instance->canonical);
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
    instance->base.name = instance->name;
    instance->base.settings = instance->settings;
    return instance;
}

static bool open_plugin(struct instance *instance, struct ini_section *section, const char *label,
                        struct problems *problems)
{
    const struct vts_plugin *plugin = instance->base.plugin;
    struct vts_error error = {.code = VTS_ERR_INVALID,
                              .message = "the plugin refused its settings"};

    if (plugin->open && !plugin->open(&instance->base, &error)) {
        options_report(section, label, &error, problems);
        return false;
    }
    if (instance->base.state_size > VTS_STATE_MAX) {
        vts_error_set(&error, VTS_ERR_INVALID,
                      "the plugin wants %zu bytes of state for each job, 65536 is the most",
                      instance->base.state_size);
        options_report(section, label, &error, problems);
        if (plugin->close)
            plugin->close(&instance->base);
        return false;
    }
    instance->opened = true;
    return true;
}

struct instance *instance_create(const char *name, const struct vts_plugin *plugin,
                                 struct ini_section *section, struct problems *problems)
{
    struct instance *instance = allocate(name, plugin);
    struct text *canonical;
    char label[300];
    bool good;

    if (!instance) {
        problems_add(problems, NULL, "behaviour", NULL, "no memory for \"%s\"", name);
        return NULL;
    }
    snprintf(label, sizeof(label), "behaviour %s", name);
    /* The state's version is no part of it: a job of another version has to find its instance, to be told
     * what is the matter. */
    canonical = &instance->canonical;
    text_printf(canonical, "%s%c%s%c", name, 0, plugin->name, 0);
    good = options_read(table_of(plugin), instance->settings, section, label, canonical, problems);
    if (good && canonical->failed) {
        problems_add(problems, NULL, label, NULL, "no memory");
        good = false;
    }
    instance->hash = good ? rng_hash(canonical->bytes, canonical->length, 0) : 0;
    if (good && open_plugin(instance, section, label, problems))
        return instance;
    release(instance);
    return NULL;
}

/* The settings of a canonical text as a section. */
static bool read_canonical(struct ini *ini, const char *at, const char *end,
                           struct problems *problems)
{
    struct text line = TEXT_INIT;
    bool good = true;

    for (; good && at < end; at += strlen(at) + 1) {
        text_reset(&line);
        text_printf(&line, "behaviour stored/%s", at);
        good = !line.failed && ini_set(ini, line.bytes, problems);
    }
    text_finish(&line);
    return good;
}

/* Opens a plugin with the settings of a canonical text. NULL, with the reason, where they would come out
 * otherwise. */
static struct instance *reopen(const struct vts_plugin *plugin, const char *canonical,
                               size_t length, struct vts_error *error)
{
    const char *settings = canonical + strlen(canonical) + 1;
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = NULL;
    struct ini ini = {0};

    settings += strlen(settings) + 1; /* the plugin's name */
    if (read_canonical(&ini, settings, canonical + length, &problems))
        instance =
            instance_create(canonical, plugin, ini_section(&ini, "behaviour", "stored"), &problems);
    if (!instance) {
        vts_error_set(error, VTS_ERR_INVALID, "%.400s",
                      problems.lines.length > 0 ? problems.lines.bytes : "no memory");
    } else if (instance->hash != rng_hash(canonical, length, 0)) {
        vts_error_set(error, VTS_ERR_INVALID, "its plugin has other options now");
        instance_destroy(instance);
        instance = NULL;
    }
    ini_finish(&ini);
    problems_finish(&problems);
    return instance;
}

struct instance *instance_revive(const struct plugins *plugins, const char *canonical,
                                 size_t length, struct vts_error *error)
{
    const char *end = canonical + length, *plugin_name = memchr(canonical, 0, length);
    const struct vts_plugin *plugin;

    if (length == 0 || end[-1] != '\0' || ++plugin_name == end) {
        vts_error_set(error, VTS_ERR_DAMAGED, "its text cannot be understood");
        return NULL;
    }
    plugin = plugins_find(plugins, plugin_name, error);
    return plugin ? reopen(plugin, canonical, length, error) : NULL;
}

struct instance *instance_again(const struct instance *like, struct vts_error *error)
{
    return reopen(like->base.plugin, like->canonical.bytes, like->canonical.length, error);
}

void instance_destroy(struct instance *instance)
{
    if (!instance)
        return;
    if (instance->base.plugin->close)
        instance->base.plugin->close(&instance->base);
    release(instance);
}

static _Atomic(struct instance *) *bucket_of(const struct instances *instances, uint64_t hash)
{
    return (_Atomic(struct instance *) *)&instances->buckets[hash % INSTANCE_BUCKETS];
}

const struct instance *instances_hashed(const struct instances *instances, uint64_t hash)
{
    const struct instance *instance = atomic_load(bucket_of(instances, hash));

    while (instance && instance->hash != hash)
        instance = instance->next;
    return instance;
}

/* Two threads may add the same one at once: then there are two, and the first that is found serves. */
const struct instance *instances_add(struct instances *instances, struct instance *instance)
{
    _Atomic(struct instance *) *bucket = bucket_of(instances, instance->hash);
    const struct instance *there = instances_hashed(instances, instance->hash);

    if (there) {
        instance_destroy(instance);
        return there;
    }
    instance->next = atomic_load(bucket);
    while (!atomic_compare_exchange_weak(bucket, &instance->next, instance))
        ;
    return instance;
}

void instances_finish(struct instances *instances)
{
    struct instance *instance, *next;
    size_t i;

    for (i = 0; i < INSTANCE_BUCKETS; i++) {
        for (instance = atomic_load(&instances->buckets[i]); instance; instance = next) {
            next = instance->next;
            instance_destroy(instance);
        }
        atomic_store(&instances->buckets[i], NULL);
    }
}
