/* SPDX-License-Identifier: MIT
 *
 * What the audit of one process has beside the jobs' own bytes. See audit.h. */
#include "audit.h"

#include <stdlib.h>

#define SAVED_VERSION 2u

bool audit_init(struct audit *audit, const struct audit_settings *settings, size_t ports)
{
    size_t i, limit;
    bool good;

    memset(audit, 0, sizeof(*audit));
    audit->settings = *settings;
    pthread_mutex_init(&audit->lock, NULL);
    bounds_clear(&audit->bounds);
    good = traces_init(&audit->traces, (size_t)settings->jobs, (size_t)settings->polls);
    audit->ports = aligned_alloc(64, ports * sizeof(*audit->ports));
    if (!audit->ports)
        return false;
    memset(audit->ports, 0, ports * sizeof(*audit->ports));
    audit->port_count = ports;
    for (i = 0; i < ports; i++) {
        pthread_mutex_init(&audit->ports[i].lock, NULL);
        for (limit = 0; limit < AUDIT_LIMITS; limit++)
            audit->ports[i].worst[limit].figure = -1;
    }
    return good;
}

void audit_finish(struct audit *audit)
{
    size_t i;

    traces_finish(&audit->traces);
    for (i = 0; i < audit->port_count; i++)
        pthread_mutex_destroy(&audit->ports[i].lock);
    free(audit->ports);
    pthread_mutex_destroy(&audit->lock);
}

static void clear_gone(struct audit_port *port)
{
    size_t limit;

    pthread_mutex_lock(&port->lock);
    memset(&port->gone, 0, sizeof(port->gone));
    for (limit = 0; limit < AUDIT_LIMITS; limit++)
        port->worst[limit].figure = -1;
    pthread_mutex_unlock(&port->lock);
    atomic_store(&port->unknown_polls, 0);
    atomic_store(&port->connections, 0);
}

void audit_reset(struct audit *audit)
{
    struct audit_bounds none;
    size_t i;

    for (i = 0; i < audit->port_count; i++)
        clear_gone(&audit->ports[i]);
    traces_clear(&audit->traces);
    bounds_clear(&none);
    audit_set_bounds(audit, &none);
}

void audit_set_bounds(struct audit *audit, const struct audit_bounds *bounds)
{
    pthread_mutex_lock(&audit->lock);
    audit->bounds = *bounds;
    pthread_mutex_unlock(&audit->lock);
}

void audit_get_bounds(struct audit *audit, struct audit_bounds *bounds)
{
    pthread_mutex_lock(&audit->lock);
    *bounds = audit->bounds;
    pthread_mutex_unlock(&audit->lock);
}

/* ---- one job ---- */

void audit_figures(struct audit *audit, const struct record *record,
                   const struct audit_stats *stats, uint64_t polls, vts_ms now,
                   struct audit_mark *marks, int *count, struct audit_figures *out)
{
    *count = marks ? traces_read(&audit->traces, stats->number,
                                 (struct bytes){record->id, record->id_length}, marks)
                   : -1;
    figures_of(out, record, stats, polls, &audit->settings.rules, now, *count > 0 ? marks : NULL,
               *count);
}

/* ---- jobs that are gone ---- */

static bool is_worse(const struct audit_limit *limit, double figure, double worst)
{
    return figure >= 0 && (worst < 0 || (limit->least ? figure < worst : figure > worst));
}

static void note_worst(struct audit_port *port, const struct record *record,
                       const struct audit_figures *figures)
{
    struct audit_worst *worst;
    double figure;
    size_t i;

    for (i = 0; i < AUDIT_LIMITS; i++) {
        worst = &port->worst[i];
        figure = audit_limits[i].over_all ? -1 : audit_limits[i].figure(figures);
        if (!is_worse(&audit_limits[i], figure, worst->figure))
            continue;
        worst->figure = figure;
        memcpy(worst->id, record->id, (size_t)record->id_length + 1);
    }
}

void audit_gone(struct audit *audit, size_t index, const struct record *record,
                const struct audit_stats *stats, uint64_t polls, vts_ms now)
{
    struct audit_port *port = &audit->ports[index];
    struct audit_mark *marks = malloc((size_t)audit->settings.polls * sizeof(*marks));
    struct audit_sum sum = {.all = {0}};
    struct audit_figures figures;
    int count;

    /* What is told of a refused start ends with it. */
    if (record->state != VTS_ASKED) {
        audit_figures(audit, record, stats, polls, now, marks, &count, &figures);
        pthread_mutex_lock(&port->lock);
        note_worst(port, record, &figures);
        sum.all = port->gone;
        figures.interval_median = -1; /* in sum of jobs that are there alone */
        sum_add(&sum, &figures);
        port->gone = sum.all;
        pthread_mutex_unlock(&port->lock);
    }
    free(marks);
}

void audit_add_gone(struct audit *audit, struct audit_sum *sum)
{
    struct audit_figures gone;
    size_t i;

    for (i = 0; i < audit->port_count; i++) {
        pthread_mutex_lock(&audit->ports[i].lock);
        gone = audit->ports[i].gone;
        pthread_mutex_unlock(&audit->ports[i].lock);
        gone.interval_median = -1;
        if (gone.jobs > 0)
            sum_add(sum, &gone);
    }
}

void audit_worst_gone(struct audit *audit, size_t limit, struct audit_worst *out)
{
    const struct audit_worst *worst;
    size_t i;

    out->figure = -1;
    for (i = 0; i < audit->port_count; i++) {
        pthread_mutex_lock(&audit->ports[i].lock);
        worst = &audit->ports[i].worst[limit];
        if (is_worse(&audit_limits[limit], worst->figure, out->figure))
            *out = *worst;
        pthread_mutex_unlock(&audit->ports[i].lock);
    }
}

uint64_t audit_unknown_polls(const struct audit *audit)
{
    uint64_t sum = 0;
    size_t i;

    for (i = 0; i < audit->port_count; i++)
        sum += atomic_load(&audit->ports[i].unknown_polls);
    return sum;
}

uint64_t audit_connections(const struct audit *audit)
{
    uint64_t sum = 0;
    size_t i;

    for (i = 0; i < audit->port_count; i++)
        sum += atomic_load(&audit->ports[i].connections);
    return sum;
}

/* ---- outliving the process ---- */

/* Of one that was polled and has no marks they were not kept. */
void audit_again(struct audit *audit, struct bytes id, const struct audit_stats *stats,
                 uint64_t polls, struct bytes marks)
{
    bool kept = polls == 0 || marks.length > 0;

    if (stats->newest > audit->newest)
        audit->newest = stats->newest;
    traces_restore(&audit->traces, stats->number, id, kept ? marks : (struct bytes){"?", 1});
}

struct saved {
    uint32_t version, size;
    uint64_t unknown_polls, connections;
    struct audit_figures gone;
    struct audit_worst worst[AUDIT_LIMITS];
    struct audit_bounds bounds;
};

bool audit_save(struct audit *audit, struct text *out)
{
    struct saved *saved = calloc(1, sizeof(*saved));
    struct audit_sum sum = {.all = {0}};
    size_t limit;

    if (!saved)
        return false;
    saved->version = SAVED_VERSION;
    saved->size = sizeof(*saved);
    saved->unknown_polls = audit_unknown_polls(audit);
    saved->connections = audit_connections(audit);
    audit_add_gone(audit, &sum);
    saved->gone = sum.all;
    for (limit = 0; limit < AUDIT_LIMITS; limit++)
        audit_worst_gone(audit, limit, &saved->worst[limit]);
    audit_get_bounds(audit, &saved->bounds);
    text_add(out, saved, sizeof(*saved));
    free(saved);
    sum_finish(&sum);
    return true;
}

void audit_restore(struct audit *audit, struct bytes bytes)
{
    struct audit_port *port = &audit->ports[0];
    struct saved *saved = malloc(sizeof(*saved));
    size_t limit;

    if (saved && bytes.length == sizeof(*saved)) {
        memcpy(saved, bytes.at, sizeof(*saved));
        if (saved->version == SAVED_VERSION && saved->size == sizeof(*saved)) {
            atomic_store(&port->unknown_polls, saved->unknown_polls);
            atomic_store(&port->connections, saved->connections);
            port->gone = saved->gone;
            memcpy(port->worst, saved->worst, sizeof(port->worst));
            for (limit = 0; limit < AUDIT_LIMITS; limit++)
                port->worst[limit].id[RECORD_ID_MAX] = '\0';
            audit_set_bounds(audit, &saved->bounds);
        }
    }
    free(saved);
}
