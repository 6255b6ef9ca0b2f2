/* SPDX-License-Identifier: MIT
 *
 * Clocks and the alarms on them. See clock.h.
 *
 * A virtual clock jumps from the loop, by a timer of no length: so whatever the sockets have to tell is
 * heard first, and the user's code that set the alarm has run to its end. */
#include "clock.h"

#include <event2/event.h>
#include <stdlib.h>
#include <time.h>

#include "error.h"
#include "options.h"

#define UNIX_2000_MS INT64_C(946684800000)

static int64_t system_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- clocks ---------------------------------------------------------------------------------- */

static struct vts_client_clock *clock_create(enum clock_kind kind)
{
    struct vts_client_clock *clock = calloc(1, sizeof(*clock));

    if (!clock)
        return NULL;
    clock->references = 1;
    clock->kind = kind;
    TAILQ_INIT(&clock->seats);
    return clock;
}

struct vts_client_clock *vts_client_clock_virtual(void) { return clock_create(CLOCK_VIRTUAL); }

struct vts_client_clock *vts_client_clock_custom(const struct vts_client_clock_source *source,
                                                 void *arg)
{
    struct vts_client_clock_source ours = {.size = sizeof(ours)};
    struct vts_client_clock *clock;

    if (!source || !options_adopt(&ours, sizeof(ours), source, "clock", NULL) || !ours.now_ms ||
        !ours.alarm_create || !ours.alarm_set || !ours.alarm_destroy)
        return NULL;
    clock = clock_create(CLOCK_CUSTOM);
    if (!clock)
        return NULL;
    clock->source = ours;
    clock->arg = arg;
    return clock;
}

struct vts_client_clock *clock_create_driven(const struct clock_driver *driver, void *arg)
{
    struct vts_client_clock *clock = clock_create(CLOCK_DRIVEN);

    if (!clock) {
        driver->destroy(arg);
        return NULL;
    }
    clock->driver = driver;
    clock->arg = arg;
    return clock;
}

struct vts_client_clock *vts_client_clock_hold(struct vts_client_clock *clock)
{
    clock->references++;
    return clock;
}

void vts_client_clock_release(struct vts_client_clock *clock)
{
    if (!clock || --clock->references)
        return;
    if (clock->kind == CLOCK_DRIVEN)
        clock->driver->destroy(clock->arg);
    free(clock);
}

int64_t clock_real_ms(void) { return system_ms(CLOCK_MONOTONIC); }

static int64_t clock_now_ms(const struct vts_client_clock *clock)
{
    switch (clock->kind) {
    case CLOCK_VIRTUAL:
        return clock->now_ms;
    case CLOCK_CUSTOM:
        return clock->source.now_ms(clock->arg);
    case CLOCK_DRIVEN:
        return clock->driver->now_ms(clock->arg);
    default:
        return clock_real_ms();
    }
}

int64_t vts_client_clock_now_ms(const struct vts_client_clock *clock)
{
    return clock_now_ms(clock);
}

/* ---- the alarm of a virtual clock ------------------------------------------------------------ */

static void ring_soon(struct seat *seat)
{
    static const struct timeval at_once = {0};

    if (!event_pending(seat->event, EV_TIMEOUT, NULL))
        event_add(seat->event, &at_once);
}

struct seat *clock_first_due(const struct vts_client_clock *clock)
{
    struct seat *first = NULL, *seat;

    TAILQ_FOREACH(seat, &clock->seats, all)
    {
        if (!first || seat->due_ms < first->due_ms)
            first = seat;
    }
    return first && first->due_ms != INT64_MAX ? first : NULL;
}

/* Of a virtual clock. Wakes whoever is due, or, where nothing is under way, whoever is due first. */
static void consider_virtual(struct vts_client_clock *clock)
{
    struct seat *seat;

    TAILQ_FOREACH(seat, &clock->seats, all)
    {
        if (seat->due_ms <= clock->now_ms)
            ring_soon(seat);
    }
    seat = clock->busy ? NULL : clock_first_due(clock);
    if (seat)
        ring_soon(seat);
}

static void on_virtual(evutil_socket_t fd, short what, void *arg)
{
    struct seat *seat = arg;
    struct vts_client_clock *clock = seat->clock;

    (void)fd;
    (void)what;
    if (!clock->busy && clock_first_due(clock) == seat && clock->now_ms < seat->due_ms)
        clock->now_ms = seat->due_ms;
    vts_client_clock_hold(clock);
    if (seat->due_ms <= clock->now_ms) {
        seat->due_ms = INT64_MAX;
        seat->ring(seat->arg); /* the seat may be gone after this */
    }
    consider_virtual(clock);
    vts_client_clock_release(clock);
}

void vts_client_clock_advance(struct vts_client_clock *clock, int64_t by_ms)
{
    if (clock->kind != CLOCK_VIRTUAL || by_ms < 1)
        return;
    clock->now_ms = by_ms < INT64_MAX / 2 - clock->now_ms ? clock->now_ms + by_ms : INT64_MAX / 2;
    consider_virtual(clock);
}

/* ---- real alarms ----------------------------------------------------------------------------- */

static void on_real(evutil_socket_t fd, short what, void *arg)
{
    struct seat *seat = arg;

    (void)fd;
    (void)what;
    seat->due_ms = INT64_MAX;
    seat->ring(seat->arg);
}

static void set_real(struct seat *seat, int64_t due_ms)
{
    int64_t left_ms = due_ms - clock_now_ms(seat->clock);
    struct timeval after;

    if (due_ms == INT64_MAX) {
        event_del(seat->event);
        return;
    }
    if (left_ms < 0)
        left_ms = 0;
    after = (struct timeval){.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    event_add(seat->event, &after);
}

static void on_custom(void *arg) { on_real(-1, 0, arg); }

/* What is waited for on the clock, or hinders it, has changed. */
static void consider(struct vts_client_clock *clock)
{
    if (clock->kind == CLOCK_VIRTUAL)
        consider_virtual(clock);
    else if (clock->kind == CLOCK_DRIVEN)
        clock->driver->consider(clock);
}

/* ---- seats ----------------------------------------------------------------------------------- */

static bool make_alarm(struct seat *seat, struct event_base *base)
{
    struct vts_client_clock *clock = seat->clock;

    if (clock->kind == CLOCK_CUSTOM) {
        seat->alarm = clock->source.alarm_create(clock->arg, on_custom, seat);
        return seat->alarm != NULL;
    }
    if (clock->kind == CLOCK_DRIVEN) {
        seat->alarm = clock->driver->sit(seat, base);
        return seat->alarm != NULL;
    }
    seat->event = evtimer_new(base, clock->kind == CLOCK_VIRTUAL ? on_virtual : on_real, seat);
    return seat->event != NULL;
}

bool seat_init(struct seat *seat, struct vts_client_clock *clock, struct event_base *base,
               void (*ring)(void *arg), void *arg)
{
    *seat = (struct seat){.due_ms = INT64_MAX, .ring = ring, .arg = arg};
    seat->clock = clock ? vts_client_clock_hold(clock) : clock_create(CLOCK_REAL);
    if (!seat->clock)
        return false;
    if (!make_alarm(seat, base)) {
        vts_client_clock_release(seat->clock);
        seat->clock = NULL;
        return false;
    }
    TAILQ_INSERT_TAIL(&seat->clock->seats, seat, all);
    return true;
}

void seat_finish(struct seat *seat)
{
    struct vts_client_clock *clock = seat->clock;

    if (!clock)
        return;
    TAILQ_REMOVE(&clock->seats, seat, all);
    clock->busy -= seat->busy;
    if (seat->event)
        event_free(seat->event);
    if (seat->alarm && clock->kind == CLOCK_DRIVEN)
        clock->driver->stand(seat);
    else if (seat->alarm)
        clock->source.alarm_destroy(seat->alarm);
    consider(clock);
    vts_client_clock_release(clock);
    seat->clock = NULL;
}

void seat_set(struct seat *seat, int64_t due_ms)
{
    if (seat->due_ms == due_ms)
        return;
    seat->due_ms = due_ms;
    switch (seat->clock->kind) {
    case CLOCK_REAL:
        set_real(seat, due_ms);
        break;
    case CLOCK_VIRTUAL:
        if (due_ms == INT64_MAX)
            event_del(seat->event);
        consider(seat->clock);
        break;
    case CLOCK_DRIVEN:
        consider(seat->clock);
        break;
    case CLOCK_CUSTOM:
        seat->clock->source.alarm_set(seat->alarm, due_ms);
        break;
    }
}

void seat_busy(struct seat *seat)
{
    seat->busy++;
    seat->clock->busy++;
}

void seat_idle(struct seat *seat)
{
    seat->busy--;
    seat->clock->busy--;
    consider(seat->clock);
}

void seat_catch_up(struct seat *seat, int64_t now_ms)
{
    struct vts_client_clock *clock = seat->clock;

    if (clock->kind == CLOCK_VIRTUAL && clock->now_ms < now_ms)
        vts_client_clock_advance(clock, now_ms - clock->now_ms);
}

int64_t seat_now_ms(const struct seat *seat) { return clock_now_ms(seat->clock); }

int64_t seat_unix_ms(const struct seat *seat)
{
    const struct vts_client_clock *clock = seat->clock;

    if (clock->kind == CLOCK_VIRTUAL)
        return UNIX_2000_MS + clock->now_ms;
    if (clock->kind == CLOCK_DRIVEN)
        return clock->driver->unix_ms(clock->arg);
    if (clock->kind == CLOCK_CUSTOM && clock->source.unix_ms)
        return clock->source.unix_ms(clock->arg);
    return system_ms(CLOCK_REALTIME);
}

bool seat_is_real(const struct seat *seat) { return seat->clock->kind == CLOCK_REAL; }

bool seat_times_requests(const struct seat *seat)
{
    return seat->clock->kind == CLOCK_VIRTUAL || seat->clock->kind == CLOCK_CUSTOM;
}
