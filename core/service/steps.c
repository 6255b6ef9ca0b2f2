/* SPDX-License-Identifier: MIT
 *
 * How the clock is moved: step by step, from one moment at which something happens to the next. See pace.h.
 *
 * Whoever may have removed the last hindrance (a port that has carried out what it was rung for, a request
 * that has ended, a participant that went to sleep) takes a turn: it looks whether anything of the clock's
 * present moment is still to happen, and only if not lets time go on. */
#include <event2/event.h>
#include <limits.h>

#include "../base/log.h"
#include "queues.h"

/* Real time, and records at one moment, before the loop gets to look at its sockets again. */
#define SLICE_US 5000
#define SLICE    4096

/* ---- waiting and being in progress ---- */

/* This port's next round of the loop takes a turn. */
static void turn_soon(struct service_port *port)
{
    if (port->turn && atomic_load(&port->service->pace.live))
        event_active(port->turn, EV_TIMEOUT, 0);
}

void pace_begin(struct service_port *port) { atomic_fetch_add(&port->busy, 1); }

void pace_end(struct service_port *port)
{
    atomic_fetch_sub(&port->busy, 1);
    turn_soon(port);
}

bool pace_wait(struct service_port *port, struct alarm *alarm, vts_ms moment, void (*fn)(void *),
               void *arg)
{
    bool first = moment < atomic_load(&port->alarms.first);

    pace_wait_end(port, alarm);
    if (!alarms_set(&port->alarms, alarm, moment, fn, arg))
        return false;
    /* Counted twice for a moment, and never not at all. */
    pace_end(port);
    if (first)
        service_port_time(port);
    return true;
}

void pace_wait_end(struct service_port *port, struct alarm *alarm)
{
    if (alarm->place == 0)
        return;
    pace_begin(port);
    alarms_clear(&port->alarms, alarm);
}

/* ---- what a port does ---- */

static void ring_alarms(struct service_port *port, vts_ms now, bool early)
{
    struct alarm *alarm;
    size_t left = atomic_load(&port->alarms.count);

    while (early ? left-- > 0 : true) {
        pace_begin(port);
        alarm = alarms_take(&port->alarms, early ? RECORD_NEVER : now);
        if (!alarm) {
            atomic_fetch_sub(&port->busy, 1);
            break;
        }
        alarm->early = early;
        alarm->fn(alarm->arg);
    }
}

static void answer_woken(struct service_port *port)
{
    struct pace *pace = &port->service->pace;
    struct pace_sleep *sleep;

    for (;;) {
        pthread_mutex_lock(&pace->lock);
        sleep = TAILQ_FIRST(&port->woken);
        if (sleep) {
            TAILQ_REMOVE(&port->woken, sleep, link);
            sleep->woken = false;
            if (sleep->who)
                sleep->who->sleep = NULL;
        }
        pthread_mutex_unlock(&pace->lock);
        if (!sleep)
            return;
        sleep->done(sleep);
    }
}

static struct participant *first_asleep(const struct pace *pace)
{
    return (struct participant *)((char *)pace->asleep.heap[0] -
                                  offsetof(struct participant, alarm));
}

/* On a clock that runs by itself nobody waits for anybody. */
static void wake_those_due(struct pace *pace, vts_ms now, const struct service_port *own)
{
    pthread_mutex_lock(&pace->lock);
    while (!pace->hand.moving && atomic_load(&pace->asleep.first) <= now)
        pace_wake(pace, first_asleep(pace), own);
    pthread_mutex_unlock(&pace->lock);
}

static void forget_silent(struct pace *pace)
{
    int64_t until = clock_real_us() - pace->settings.silent_ms * 1000;
    struct participant *who;

    pthread_mutex_lock(&pace->lock);
    while ((who = TAILQ_FIRST(&pace->awake)) && who->heard_us <= until) {
        log_line(
            VTS_WARNING, "clock",
            "participant %s was awake and not heard of for %lld ms: it does not hold the clock any "
            "more; what is done leaves by DELETE /_sim/clock/participants/NAME",
            who->name, (long long)pace->settings.silent_ms);
        pace_remove(pace, who, PACE_REMOVED);
    }
    pthread_mutex_unlock(&pace->lock);
}

int64_t pace_sweep_us(struct service_port *port)
{
    struct pace *pace = &port->service->pace;
    const struct participant *first;
    int64_t wait = -1, silent = pace->settings.silent_ms * 1000;

    if (port->index != 0)
        return -1;
    pthread_mutex_lock(&pace->lock);
    first = TAILQ_FIRST(&pace->awake);
    pace->sweeping = pace->count > 0;
    if (first && first->heard_us + silent > clock_real_us())
        wait = first->heard_us + silent - clock_real_us();
    else if (pace->sweeping)
        wait = first ? 0 : silent;
    pthread_mutex_unlock(&pace->lock);
    return wait;
}

vts_ms pace_run(struct service_port *port)
{
    struct pace *pace = &port->service->pace;
    vts_ms now = clock_now(pace->clock), first, sleeper;
    bool standing = clock_pace(pace->clock).standing;

    if (atomic_exchange(&port->early, false))
        ring_alarms(port, now, true);
    ring_alarms(port, now, false);
    if (port->index == 0 && !standing)
        wake_those_due(pace, now, port);
    if (port->index == 0)
        forget_silent(pace);
    answer_woken(port);
    first = atomic_load(&port->alarms.first);
    /* On a clock that stands sleepers are woken in turn, and not by a timer. */
    sleeper = port->index == 0 && !standing ? atomic_load(&pace->asleep.first) : RECORD_NEVER;
    return sleeper < first ? sleeper : first;
}

/* Those who sleep here are told; on a clock that stands nothing else would end what waits. */
void pace_drain(struct service_port *port)
{
    struct pace *pace = &port->service->pace;
    struct participant *who, *next;
    size_t i;

    pthread_mutex_lock(&pace->lock);
    for (i = 0; i < PACE_PLACES; i++)
        for (who = LIST_FIRST(&pace->places[i]); who; who = next) {
            next = LIST_NEXT(who, link);
            if (who->sleep && who->sleep->port == port)
                pace_remove(pace, who, PACE_REMOVED);
        }
    pthread_mutex_unlock(&pace->lock);
    if (clock_pace(pace->clock).standing)
        atomic_store(&port->early, true);
    service_port_ring(port->service, port->index);
}

void pace_forget(struct service_port *port)
{
    struct pace *pace = &port->service->pace;

    pthread_mutex_lock(&pace->lock);
    if (pace->hand.moving && pace->hand.port == port)
        pace_hand_off(pace, PACE_RESET);
    pthread_mutex_unlock(&pace->lock);
}

/* ---- turns ---- */

static bool told(const struct service_port *port)
{
    return waits_told(port->waits) || atomic_load(&port->early) || atomic_load(&port->running);
}

/* Whether nothing of the present moment waits for a port to carry it out; rings those that have to. The flags
 * are read before what they lead to: who takes one back has raised another before. */
static bool settled(struct pace *pace, vts_ms now)
{
    struct service *service = pace->service;
    bool all = true;
    size_t i;

    for (i = 0; i < service->port_count; i++) {
        if (atomic_load(&service->ports[i].alarms.first) <= now) {
            service_port_ring(service, i);
            all = false;
        } else if (told(&service->ports[i])) {
            all = false; /* it was rung, and takes a turn afterwards */
        }
    }
    return all;
}

/* A hand does not wait for what others do, but for those whom it woke. */
static bool at_rest(const struct pace *pace)
{
    const struct service *service = pace->service;
    size_t waiting = 0, i;

    for (i = 0; i < service->port_count; i++) {
        if (!pace->hand.moving && atomic_load(&service->ports[i].busy) > 0)
            return false;
        waiting += atomic_load(&service->ports[i].alarms.count);
    }
    return (pace->hand.moving ? pace->out : pace->awake_count) <= waiting;
}

static bool may_jump(const struct pace *pace)
{
    const struct clock_pace clock = clock_pace(pace->clock);

    return pace->count > 0 && clock.mode == CLOCK_VIRTUAL && !clock.frozen;
}

static vts_ms first_due(struct service *service)
{
    vts_ms queues = queues_first_due(service), store = store_first_due(service->store);

    return queues < store ? queues : store;
}

enum turn { TURN_NONE, TURN_STEP, TURN_WOKEN, TURN_OVER };

/* Inside the lock. */
static enum turn decide(struct pace *pace, const struct service_port *port, vts_ms *limit)
{
    const struct pace_hand *hand = &pace->hand;
    vts_ms now = clock_now(pace->clock);

    if (pace->stepping || (!hand->moving && !may_jump(pace)))
        return TURN_NONE;
    if (hand->moving && hand->port != port) {
        service_port_ring(pace->service, hand->port->index);
        return TURN_NONE;
    }
    if (hand->moving && hand->target < 0)
        return TURN_OVER;
    if (!settled(pace, now) || !at_rest(pace))
        return TURN_NONE;
    if (atomic_load(&pace->asleep.first) <= now) {
        pace_wake(pace, first_asleep(pace), port);
        return TURN_WOKEN;
    }
    *limit = hand->moving ? hand->target : pace_first(pace);
    if (hand->moving && now >= *limit && first_due(pace->service) > now)
        return TURN_OVER;
    return *limit == RECORD_NEVER ? TURN_NONE : TURN_STEP;
}

/* Moves the clock on, unless a hand has changed it meanwhile. */
static bool move_on(struct pace *pace, uint64_t generation, vts_ms moment)
{
    bool good;

    pthread_mutex_lock(&pace->lock);
    good = pace->generation == generation;
    if (good && moment > clock_now(pace->clock))
        clock_move(pace->clock, moment, NULL);
    pthread_mutex_unlock(&pace->lock);
    return good;
}

/* Some of what is due of jobs. False where there is no more. The queues first: what ends in them is the store's
 * to let go. */
static bool carry_out(struct service_port *port, vts_ms now)
{
    queues_step(port, now, SLICE);
    return store_step(port->store, now, SLICE) > 0 || queues_first_due(port->service) <= now;
}

static bool anybody_told(const struct service *service)
{
    size_t i;

    if (atomic_load(&service->waiting) > 0)
        for (i = 0; i < service->port_count; i++)
            if (waits_told(service->ports[i].waits))
                return true;
    return false;
}

/* Goes on up to `limit`, as long as only jobs have something to do. */
static void step(struct service_port *port, uint64_t generation, vts_ms limit, int64_t until_us)
{
    struct pace *pace = &port->service->pace;
    vts_ms moment, first;

    do {
        moment = first_due(port->service);
        first = pace_first(pace);
        moment = moment < first ? moment : first;
        if (moment > limit)
            moment = limit;
        if (!move_on(pace, generation, moment))
            return;
        moment = clock_now(pace->clock);
        while (carry_out(port, moment) && clock_real_us() < until_us)
            ;
        if (pace_first(pace) <= moment || anybody_told(port->service))
            return;
    } while (moment < limit && clock_real_us() < until_us);
}

/* Looks once, and does what is to be done. False where nothing more can be done here and now. */
static bool take_turn(struct service_port *port, int64_t until_us)
{
    struct pace *pace = &port->service->pace;
    struct pace_move *over = NULL;
    uint64_t generation;
    vts_ms limit = 0;
    enum turn turn;

    pthread_mutex_lock(&pace->lock);
    turn = decide(pace, port, &limit);
    if (turn == TURN_OVER)
        over = pace_hand_off(pace, pace->hand.target < 0 ? PACE_RESET : PACE_OVER);
    pace->stepping |= turn == TURN_STEP;
    generation = pace->generation;
    pthread_mutex_unlock(&pace->lock);
    if (turn == TURN_STEP) {
        step(port, generation, limit, until_us);
        pthread_mutex_lock(&pace->lock);
        pace->stepping = false;
        pthread_mutex_unlock(&pace->lock);
    } else if (turn == TURN_WOKEN) {
        answer_woken(port);
    } else if (turn == TURN_OVER) {
        store_keep_clock(port->store);
        pace_ring_all(pace);
        if (over)
            over->done(over);
    }
    return turn == TURN_STEP;
}

void pace_turn(struct service_port *port)
{
    const struct clock *clock = port->service->clock;
    int64_t until_us;
    vts_ms before;

    if (!atomic_load(&port->service->pace.live))
        return;
    before = clock_now(clock);
    until_us = clock_real_us() + SLICE_US;
    while (take_turn(port, until_us))
        if (clock_real_us() >= until_us) {
            turn_soon(port);
            break;
        }
    if (clock_now(clock) != before && clock_pace(clock).standing)
        store_keep_clock(port->store);
}
