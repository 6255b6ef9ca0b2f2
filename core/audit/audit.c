/* SPDX-License-Identifier: MIT
 *
 * What the audit of one process has beside the jobs' own bytes. See audit.h. */
#include "audit.h"

#include <stdlib.h>

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

static void note_worst(struct audit_worst worst[AUDIT_LIMITS], const struct record *record,
                       const struct audit_figures *figures)
{
    double figure;
    size_t i;

    for (i = 0; i < AUDIT_LIMITS; i++) {
        figure = audit_limits[i].figure ? audit_limits[i].figure(figures) : -1;
        if (!is_worse(&audit_limits[i], figure, worst[i].figure))
            continue;
        worst[i].figure = figure;
        memcpy(worst[i].id, record->id, (size_t)record->id_length + 1);
    }
}

void gone_add(struct audit_figures *gone, struct audit_worst worst[AUDIT_LIMITS],
              const struct record *record, const struct audit_figures *figures)
{
    struct audit_figures of_sums = *figures;
    struct audit_sum sum = {.all = *gone};

    of_sums.interval_median = -1; /* of jobs that are there alone */
    sum_add(&sum, &of_sums);
    *gone = sum.all;
    note_worst(worst, record, figures);
}

void audit_gone(struct audit *audit, size_t index, const struct record *record,
                const struct audit_stats *stats, uint64_t polls, vts_ms now)
{
    struct audit_port *port = &audit->ports[index];
    struct audit_mark *marks = malloc((size_t)audit->settings.polls * sizeof(*marks));
    struct audit_figures figures;
    int count;

    /* What is told of a refused start ends with it. */
    if (record->state != VTS_ASKED) {
        audit_figures(audit, record, stats, polls, now, marks, &count, &figures);
        pthread_mutex_lock(&port->lock);
        gone_add(&port->gone, port->worst, record, &figures);
        pthread_mutex_unlock(&port->lock);
    }
    free(marks);
}

/* ---- all that is known ---- */

void known_clear(struct audit_known *known)
{
    size_t limit;

    memset(known, 0, sizeof(*known));
    known->version = AUDIT_KNOWN_VERSION;
    known->size = sizeof(*known);
    for (limit = 0; limit < AUDIT_LIMITS; limit++)
        known->worst[limit].figure = -1;
    bounds_clear(&known->bounds);
}

bool known_read(struct audit_known *known, struct bytes bytes)
{
    size_t limit;

    if (bytes.length == sizeof(*known))
        memcpy(known, bytes.at, sizeof(*known));
    if (bytes.length != sizeof(*known) || known->version != AUDIT_KNOWN_VERSION ||
        known->size != sizeof(*known)) {
        known_clear(known);
        return false;
    }
    for (limit = 0; limit < AUDIT_LIMITS; limit++)
        known->worst[limit].id[RECORD_ID_MAX] = '\0';
    return true;
}

void known_add_gone(const struct audit_known *known, struct audit_sum *sum)
{
    struct audit_figures gone = known->gone;

    gone.interval_median = -1;
    if (gone.jobs > 0)
        sum_add(sum, &gone);
}

static void add_port(struct audit_port *port, struct audit_sum *sum, struct audit_known *out)
{
    const struct audit_worst *worst;
    struct audit_figures gone;
    size_t limit;

    out->unknown_polls += atomic_load(&port->unknown_polls);
    out->connections += atomic_load(&port->connections);
    pthread_mutex_lock(&port->lock);
    gone = port->gone;
    for (limit = 0; limit < AUDIT_LIMITS; limit++) {
        worst = &port->worst[limit];
        if (is_worse(&audit_limits[limit], worst->figure, out->worst[limit].figure))
            out->worst[limit] = *worst;
    }
    pthread_mutex_unlock(&port->lock);
    gone.interval_median = -1;
    if (gone.jobs > 0)
        sum_add(sum, &gone);
}

void audit_get_known(struct audit *audit, struct audit_known *out)
{
    struct audit_sum sum = {.all = {0}};
    size_t i;

    known_clear(out);
    for (i = 0; i < audit->port_count; i++)
        add_port(&audit->ports[i], &sum, out);
    out->gone = sum.all;
    audit_get_bounds(audit, &out->bounds);
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

bool audit_save(struct audit *audit, struct text *out)
{
    struct audit_known *known = malloc(sizeof(*known));

    if (!known)
        return false;
    audit_get_known(audit, known);
    text_add(out, known, sizeof(*known));
    free(known);
    return true;
}

void audit_restore(struct audit *audit, struct bytes bytes)
{
    struct audit_port *port = &audit->ports[0];
    struct audit_known *known = malloc(sizeof(*known));

    if (known && known_read(known, bytes)) {
        atomic_store(&port->unknown_polls, known->unknown_polls);
        atomic_store(&port->connections, known->connections);
        port->gone = known->gone;
        memcpy(port->worst, known->worst, sizeof(port->worst));
        audit_set_bounds(audit, &known->bounds);
    }
    free(known);
}
