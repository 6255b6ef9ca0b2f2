/* SPDX-License-Identifier: MIT
 *
 * Who sleeps, and what a hand wants of the clock. How the clock is moved then is steps.c's. See pace.h. */
#include "pace.h"

#include <stdlib.h>

#include "../base/rng.h"
#include "queues.h"

void pace_init(struct pace *pace, struct service *service, struct clock *clock,
               const struct pace_settings *settings)
{
    memset(pace, 0, sizeof(*pace)); /* all lists of `places` are empty */
    pace->service = service;
    pace->clock = clock;
    pace->settings = *settings;
    pthread_mutex_init(&pace->lock, NULL);
    TAILQ_INIT(&pace->awake);
    alarms_init(&pace->asleep);
    atomic_init(&pace->live, false);
}

void pace_finish(struct pace *pace)
{
    struct participant *who;
    size_t i;

    for (i = 0; i < PACE_PLACES; i++)
        while ((who = LIST_FIRST(&pace->places[i]))) {
            LIST_REMOVE(who, link);
            free(who);
        }
    alarms_finish(&pace->asleep);
    pthread_mutex_destroy(&pace->lock);
}

void pace_ring_all(struct pace *pace)
{
    size_t i;

    for (i = 0; i < pace->service->port_count; i++)
        service_port_ring(pace->service, i);
}

static void tell_live(struct pace *pace)
{
    atomic_store(&pace->live, pace->count > 0 || pace->hand.moving);
}

/* ---- participants, inside the lock ---- */

static struct participants *place_of(struct pace *pace, const char *name, size_t length)
{
    return &pace->places[rng_hash(name, length, 0) % PACE_PLACES];
}

static struct participant *find(struct pace *pace, const char *name, size_t length)
{
    struct participant *who;

    LIST_FOREACH(who, place_of(pace, name, length), link)
    {
        if (who->length == length && memcmp(who->name, name, length) == 0)
            break;
    }
    return who;
}

static void put_awake(struct pace *pace, struct participant *who)
{
    who->heard_us = clock_real_us();
    TAILQ_INSERT_TAIL(&pace->awake, who, queue);
    pace->awake_count++;
    if (!pace->sweeping) {
        pace->sweeping = true;
        service_port_ring(pace->service, 0);
    }
}

static void take_awake(struct pace *pace, struct participant *who)
{
    TAILQ_REMOVE(&pace->awake, who, queue);
    pace->awake_count--;
    pace->out -= who->out;
    who->out = false;
}

static bool sleeps(const struct participant *who) { return who->alarm.place > 0; }

/* Finds it, or makes it, awake. */
static enum pace_result join(struct pace *pace, const char *name, size_t length,
                             struct participant **who)
{
    *who = find(pace, name, length);
    if (*who)
        return PACE_DONE;
    if (pace->count >= pace->settings.most)
        return PACE_FULL;
    *who = malloc(sizeof(**who) + length + 1);
    if (!*who)
        return PACE_MEMORY;
    memset(*who, 0, sizeof(**who));
    (*who)->length = length;
    (*who)->woken_at = -1;
    memcpy((*who)->name, name, length);
    (*who)->name[length] = '\0';
    LIST_INSERT_HEAD(place_of(pace, name, length), *who, link);
    pace->count++;
    tell_live(pace);
    put_awake(pace, *who);
    return PACE_DONE;
}

/* The sleep is over: its port tells it. */
static void end_sleep(struct participant *who, enum pace_end end, const struct service_port *own)
{
    struct pace_sleep *sleep = who->sleep;

    if (!sleep || sleep->woken)
        return;
    sleep->end = end;
    sleep->woken = true;
    TAILQ_INSERT_TAIL(&sleep->port->woken, sleep, link);
    if (sleep->port != own)
        service_port_ring(sleep->port->service, sleep->port->index);
}

void pace_wake(struct pace *pace, struct participant *who, const struct service_port *own)
{
    who->woken_at = who->alarm.moment;
    alarms_clear(&pace->asleep, &who->alarm);
    who->out = pace->hand.moving;
    pace->out += who->out;
    put_awake(pace, who);
    end_sleep(who, PACE_OVER, own);
}

void pace_remove(struct pace *pace, struct participant *who, enum pace_end end)
{
    if (sleeps(who))
        alarms_clear(&pace->asleep, &who->alarm);
    else
        take_awake(pace, who);
    end_sleep(who, end, NULL);
    if (who->sleep)
        who->sleep->who = NULL;
    LIST_REMOVE(who, link);
    pace->count--;
    tell_live(pace);
    free(who);
}

/* ---- participants ---- */

/* What may let the clock go on has changed: somebody looks. From any thread. */
static void nudge(struct pace *pace)
{
    if (atomic_load(&pace->live))
        service_port_ring(pace->service, 0);
}

enum pace_result pace_join(struct pace *pace, const char *name, size_t length)
{
    struct participant *who;
    enum pace_result result;

    pthread_mutex_lock(&pace->lock);
    result = join(pace, name, length, &who);
    if (result == PACE_DONE && !sleeps(who)) {
        TAILQ_REMOVE(&pace->awake, who, queue);
        who->heard_us = clock_real_us();
        TAILQ_INSERT_TAIL(&pace->awake, who, queue);
    }
    pthread_mutex_unlock(&pace->lock);
    return result;
}

enum pace_result pace_leave(struct pace *pace, const char *name, size_t length)
{
    struct participant *who;

    pthread_mutex_lock(&pace->lock);
    who = find(pace, name, length);
    if (who)
        pace_remove(pace, who, PACE_REMOVED);
    pthread_mutex_unlock(&pace->lock);
    nudge(pace);
    return who ? PACE_DONE : PACE_NOBODY;
}

/* One that sleeps on at the moment at which it woke stands behind all who still sleep to that moment. */
static enum pace_result fall_asleep(struct pace *pace, struct participant *who, vts_ms until)
{
    who->round = until == who->woken_at ? who->round + 1 : 0;
    take_awake(pace, who);
    if (alarms_set_named(&pace->asleep, &who->alarm, until, who->round, who->name))
        return PACE_DONE;
    put_awake(pace, who);
    return PACE_MEMORY;
}

enum pace_result pace_sleep(struct pace_sleep *sleep, const char *name, size_t length, vts_ms span)
{
    struct pace *pace = &sleep->port->service->pace;
    struct participant *who;
    enum pace_result result;
    bool earlier;

    pthread_mutex_lock(&pace->lock);
    earlier = false;
    result = join(pace, name, length, &who);
    if (result == PACE_DONE && (sleeps(who) || who->sleep))
        result = PACE_ASLEEP;
    if (result == PACE_DONE) {
        vts_ms now = clock_now(pace->clock);

        result = fall_asleep(pace, who, span > VTS_TIME_END - now ? VTS_TIME_END : now + span);
        earlier = result == PACE_DONE && who->alarm.place == 1;
    }
    if (result == PACE_DONE) {
        sleep->who = who;
        sleep->woken = false;
        who->sleep = sleep;
    }
    pthread_mutex_unlock(&pace->lock);
    /* On a clock that runs by itself port 0 has a timer for the first, and sets it when it is rung. */
    if (earlier && !clock_pace(pace->clock).standing)
        service_port_ring(pace->service, 0);
    return result;
}

void pace_abandon(struct pace_sleep *sleep)
{
    struct pace *pace = &sleep->port->service->pace;

    pthread_mutex_lock(&pace->lock);
    if (sleep->woken)
        TAILQ_REMOVE(&sleep->port->woken, sleep, link);
    if (sleep->who) {
        sleep->who->sleep = NULL;
        pace_remove(pace, sleep->who, PACE_REMOVED);
    }
    pthread_mutex_unlock(&pace->lock);
    nudge(pace);
}

/* ---- the hand ---- */

static bool shared(const struct pace *pace) { return pace->service->store->ops->shared; }

vts_ms pace_first(const struct pace *pace)
{
    vts_ms first = atomic_load(&pace->asleep.first), other;
    size_t i;

    for (i = 0; i < pace->service->port_count; i++) {
        other = atomic_load(&pace->service->ports[i].alarms.first);
        if (other < first)
            first = other;
    }
    return first;
}

/* Inside the lock. While it is moved the clock stands, whatever it does else. */
static enum pace_result begin_move(struct pace *pace, struct pace_move *move)
{
    clock_hold(pace->clock, true);
    pace->hand = (struct pace_hand){true, move->port, move->target, move};
    pace->generation++;
    tell_live(pace);
    return PACE_DONE;
}

static enum pace_result check_hand(const struct pace *pace)
{
    return shared(pace) ? PACE_SHARED : pace->hand.moving ? PACE_MOVING : PACE_DONE;
}

/* The move goes on from its port's loop. */
static enum pace_result start_move(struct pace *pace, struct pace_move *move,
                                   enum pace_result result)
{
    pthread_mutex_unlock(&pace->lock);
    if (result == PACE_DONE)
        service_port_ring(pace->service, move->port->index);
    return result;
}

static enum pace_result check_target(const struct pace *pace, vts_ms target,
                                     struct vts_error *error)
{
    vts_ms now = clock_now(pace->clock);
    struct text text = TEXT_INIT;

    if (target >= now && target <= VTS_TIME_END && target - now <= PACE_SPAN_MAX)
        return PACE_DONE;
    text_time(&text, now);
    vts_error_set(error, VTS_ERR_INVALID,
                  target < now ? "a clock never goes back, and this one shows %s"
                  : target > VTS_TIME_END
                      ? "that is too far: time ends with the year 9999, and this clock shows %s"
                      : "that is too far: a hundred years (36500d) is the most, from %s on",
                  text.failed ? "" : text.bytes);
    text_finish(&text);
    return PACE_WRONG;
}

enum pace_result pace_move_to(struct pace_move *move, struct vts_error *error)
{
    struct pace *pace = &move->port->service->pace;
    enum pace_result result;

    pthread_mutex_lock(&pace->lock);
    result = check_hand(pace);
    if (result == PACE_DONE)
        result = check_target(pace, move->target, error);
    if (result == PACE_DONE)
        result = begin_move(pace, move);
    return start_move(pace, move, result);
}

enum pace_result pace_move_by(struct pace_move *move, vts_ms span, struct vts_error *error)
{
    struct pace *pace = &move->port->service->pace;
    enum pace_result result;

    pthread_mutex_lock(&pace->lock);
    result = check_hand(pace);
    if (result == PACE_DONE) {
        move->target = clock_now(pace->clock) + span;
        result = check_target(pace, move->target, error);
    }
    if (result == PACE_DONE)
        result = begin_move(pace, move);
    return start_move(pace, move, result);
}

enum pace_result pace_move_next(struct pace_move *move)
{
    struct pace *pace = &move->port->service->pace;
    vts_ms wake = shared(pace) ? RECORD_NEVER : store_first_wake(pace->service->store), now;
    vts_ms queued = queues_first_due(pace->service);
    enum pace_result result;

    pthread_mutex_lock(&pace->lock);
    result = check_hand(pace);
    if (result == PACE_DONE) {
        now = clock_now(pace->clock);
        move->target = pace_first(pace);
        if (queued < move->target)
            move->target = queued;
        if (wake < move->target)
            move->target = wake;
        if (move->target < now)
            move->target = now;
        result = move->target == RECORD_NEVER ? PACE_NOTHING : begin_move(pace, move);
    }
    return start_move(pace, move, result);
}

void pace_move_forget(struct pace_move *move)
{
    struct pace *pace = &move->port->service->pace;

    pthread_mutex_lock(&pace->lock);
    if (pace->hand.owner == move)
        pace->hand.owner = NULL;
    pthread_mutex_unlock(&pace->lock);
}

struct pace_move *pace_hand_off(struct pace *pace, enum pace_end end)
{
    struct pace_move *owner = pace->hand.owner;
    struct participant *who;

    pace->hand = (struct pace_hand){.moving = false};
    TAILQ_FOREACH(who, &pace->awake, queue) who->out = false;
    pace->out = 0;
    pace->generation++;
    clock_hold(pace->clock, false);
    tell_live(pace);
    if (owner)
        owner->end = end;
    return owner;
}

enum pace_result pace_freeze(struct pace *pace, bool frozen)
{
    enum pace_result result;

    pthread_mutex_lock(&pace->lock);
    result = check_hand(pace);
    if (result == PACE_DONE) {
        clock_freeze(pace->clock, frozen);
        pace->generation++;
    }
    pthread_mutex_unlock(&pace->lock);
    pace_ring_all(pace);
    return result;
}

enum pace_result pace_set_rate(struct pace *pace, double rate, struct vts_error *error)
{
    enum pace_result result;

    pthread_mutex_lock(&pace->lock);
    result = check_hand(pace);
    if (result == PACE_DONE && !clock_set_rate(pace->clock, rate)) {
        vts_error_set(error, VTS_ERR_INVALID,
                      "rate must be from 0.001 to 1000000: seconds of the clock in one second");
        result = PACE_WRONG;
    }
    if (result == PACE_DONE)
        pace->generation++;
    pthread_mutex_unlock(&pace->lock);
    pace_ring_all(pace);
    return result;
}

enum pace_result pace_reset(struct pace *pace)
{
    struct participant *who, *next;
    size_t i;

    pthread_mutex_lock(&pace->lock);
    for (i = 0; i < PACE_PLACES; i++)
        for (who = LIST_FIRST(&pace->places[i]); who; who = next) {
            next = LIST_NEXT(who, link);
            pace_remove(pace, who, PACE_RESET);
        }
    pace->generation++;
    /* The hand's port ends its move when it finds that it was put off. */
    pace->hand.target = pace->hand.moving ? -1 : 0;
    if (!shared(pace))
        clock_reset(pace->clock);
    for (i = 0; i < pace->service->port_count; i++)
        atomic_store(&pace->service->ports[i].early, true);
    pthread_mutex_unlock(&pace->lock);
    pace_ring_all(pace);
    return PACE_DONE;
}

/* ---- for people ---- */

static void add_participant(struct text *out, const struct participant *who, int64_t real_us)
{
    text_puts(out, "{\"name\": ");
    text_json(out, who->name, who->length);
    if (sleeps(who)) {
        text_puts(out, ", \"state\": \"asleep\", \"until\": \"");
        text_time(out, who->alarm.moment);
        text_puts(out, "\"}");
    } else {
        text_printf(out, ", \"state\": \"awake\", \"silent\": %.3f}",
                    (double)(real_us - who->heard_us) / 1e6);
    }
}

static size_t count_waiting(const struct pace *pace)
{
    size_t waiting = 0, i;

    for (i = 0; i < pace->service->port_count; i++)
        waiting += atomic_load(&pace->service->ports[i].alarms.count);
    return waiting;
}

static int by_name(const void *left, const void *right)
{
    const struct participant *const *one = left, *const *other = right;

    return strcmp((*one)->name, (*other)->name);
}

/* Inside the lock. In the order of their names. */
static void add_participants(struct pace *pace, struct text *out)
{
    const struct participant **all =
        (const struct participant **)malloc((pace->count + 1) * sizeof(*all));
    int64_t real_us = clock_real_us();
    const struct participant *who;
    size_t count = 0, i;

    if (!all) {
        out->failed = true;
        return;
    }
    for (i = 0; i < PACE_PLACES; i++)
        LIST_FOREACH(who, &pace->places[i], link) all[count++] = who;
    qsort((void *)all, count, sizeof(*all), by_name);
    for (i = 0; i < count; i++) {
        text_puts(out, i > 0 ? ", " : "");
        add_participant(out, all[i], real_us);
    }
    text_puts(out, "], \"held_by\": [");
    /* A clock that runs is held by nobody. */
    if (pace->awake_count > count_waiting(pace) && clock_pace(pace->clock).standing)
        for (i = 0, real_us = 0; i < count; i++)
            if (!sleeps(all[i])) {
                text_puts(out, real_us++ > 0 ? ", " : "");
                text_json(out, all[i]->name, all[i]->length);
            }
    free((void *)all);
}

void pace_json(struct pace *pace, struct text *out)
{
    struct clock_pace clock;

    pthread_mutex_lock(&pace->lock);
    clock = clock_pace(pace->clock);
    text_printf(out, "{\"mode\": \"%s\", \"now\": \"", clock_mode_name(clock.mode));
    text_time(out, clock_now(pace->clock));
    text_printf(out, "\", \"rate\": %.15g, \"frozen\": %s, \"moving\": %s, \"waiting\": %zu",
                clock.rate, clock.frozen ? "true" : "false", pace->hand.moving ? "true" : "false",
                count_waiting(pace));
    text_puts(out, ", \"participants\": [");
    add_participants(pace, out);
    text_puts(out, "]}");
    pthread_mutex_unlock(&pace->lock);
}
