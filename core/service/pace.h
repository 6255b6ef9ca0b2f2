/* SPDX-License-Identifier: MIT
 *
 * When the clock moves: who sleeps through the server, how a hand moves the clock on, and when a virtual one
 * may jump. Moving means to go from one moment at which something happens to the next, and to let all that
 * happens there be over before time goes on: what is due of jobs, what waits (alarms.h), and sleepers, one
 * after the other.
 *
 * Participants are clients that have said that they sleep through the server. While each of them sleeps, or
 * has a request that waits on the clock, and no request is in progress, a virtual clock jumps to the next
 * moment by itself. A request does not say whose it is: each one that waits stands for one participant.
 *
 * Threads. `lock` guards all of a pace but what is atomic. It is taken with no other lock held, and nothing is
 * done inside it but to read the clock, to move it, to ring ports and to ask when something is due, which takes
 * that of the set of queues. A step, which carries out what is due,
 * runs outside of it on the thread of one port, one at a time (`stepping`); whatever a hand does to the clock
 * meanwhile changes `generation`, and the step ends. */
#ifndef VTSIM_SERVICE_PACE_H
#define VTSIM_SERVICE_PACE_H

#include <pthread.h>
#include <sys/queue.h>

#include "../base/text.h"
#include "../time/clock.h"
#include "alarms.h"

/* The longest sleep, and the furthest that a hand moves a clock at one time: a hundred years. */
#define PACE_SPAN_MAX (INT64_C(36500) * 24 * 3600 * 1000)
#define PACE_NAME_MAX 255
#define PACE_PLACES   1024u

struct service;
struct service_port;
struct participant;

enum pace_end {
    PACE_OVER,    /* its time has come */
    PACE_REMOVED, /* somebody took the participant out */
    PACE_RESET    /* the clock was reset */
};

/* A sleep, part of a struct of its caller's, which lives until `done` was called or it was abandoned. */
struct pace_sleep {
    struct service_port *port;              /* given, */
    void (*done)(struct pace_sleep *sleep); /* called on the port's thread */
    enum pace_end end;                      /* set before */
    /* Used inside. */
    TAILQ_ENTRY(pace_sleep) link; /* in its port's `woken` */
    struct participant *who;
    bool woken;
};

TAILQ_HEAD(pace_sleeps, pace_sleep);

/* A move by hand; likewise. */
struct pace_move {
    struct service_port *port;
    void (*done)(struct pace_move *move);
    vts_ms target;
    enum pace_end end;
};

enum pace_result {
    PACE_DONE,
    PACE_FULL,    /* as many participants as allowed */
    PACE_ASLEEP,  /* that participant sleeps already */
    PACE_NOBODY,  /* there is no such participant */
    PACE_MOVING,  /* a hand moves the clock at the moment */
    PACE_NOTHING, /* nothing is going to happen */
    PACE_SHARED,  /* the store is shared with others, and so is the clock */
    PACE_WRONG,   /* no such moment or rate; the error tells */
    PACE_MEMORY
};

struct pace_settings {
    size_t most;      /* participants */
    vts_ms silent_ms; /* real time after which one that is awake and says nothing has left */
};

/* The move by hand that is under way. */
struct pace_hand {
    bool moving;
    struct service_port *port; /* on whose thread it goes on */
    vts_ms target;
    struct pace_move *owner; /* NULL: who wanted it has gone */
};

LIST_HEAD(participants, participant);
TAILQ_HEAD(participant_queue, participant);

struct pace {
    struct service *service;
    struct clock *clock;
    struct pace_settings settings;
    pthread_mutex_t lock;
    struct participants places[PACE_PLACES];
    struct participant_queue awake; /* as they were last heard of, the longest ago first */
    size_t count, awake_count;
    size_t out; /* of the awake: those that woke in the move by hand */
    struct alarms asleep;
    struct pace_hand hand;
    bool stepping, sweeping; /* a step runs; port 0 will look for the silent */
    uint64_t generation;
    atomic_bool live; /* somebody wants to know when something has ended */
};

void pace_init(struct pace *pace, struct service *service, struct clock *clock,
               const struct pace_settings *settings);
void pace_finish(struct pace *pace);

/* ---- participants ---- */

/* Takes part from now on, or is heard of again. */
enum pace_result pace_join(struct pace *pace, const char *name, size_t length);
enum pace_result pace_leave(struct pace *pace, const char *name, size_t length);

/* Sleeps so long, 0 to PACE_SPAN_MAX, and takes part. Only with PACE_DONE will `done` be called. */
enum pace_result pace_sleep(struct pace_sleep *sleep, const char *name, size_t length, vts_ms span);
/* Its connection is broken: it has left. */
void pace_abandon(struct pace_sleep *sleep);

/* ---- the hand ---- */

/* Moves the clock on to move->target; or by a span; or to the next thing that happens. Only with PACE_DONE
 * will `done` be called. */
enum pace_result pace_move_to(struct pace_move *move, struct vts_error *error);
enum pace_result pace_move_by(struct pace_move *move, vts_ms span, struct vts_error *error);
enum pace_result pace_move_next(struct pace_move *move);
/* Nobody waits for the end of the move any more; the move itself goes on. */
void pace_move_forget(struct pace_move *move);

enum pace_result pace_freeze(struct pace *pace, bool frozen);
enum pace_result pace_set_rate(struct pace *pace, double rate, struct vts_error *error);

/* The clock as it was made, and no participants; all that waits on it is over. */
enum pace_result pace_reset(struct pace *pace);

/* Adds the clock as JSON: what it shows and does, who takes part, and who holds it. */
void pace_json(struct pace *pace, struct text *out);

/* ---- what a port waits for, on its thread ---- */

/* Sets an alarm for a request that is in progress: it waits then, and is in progress again when the alarm
 * rings or is cleared. */
bool pace_wait(struct service_port *port, struct alarm *alarm, vts_ms moment, void (*fn)(void *),
               void *arg);
void pace_wait_end(struct service_port *port, struct alarm *alarm);

/* Requests in progress: one more, one less. What sleeps or moves the clock is none. */
void pace_begin(struct service_port *port);
void pace_end(struct service_port *port);

/* ---- for loop.c, on the port's thread ---- */

/* Lets ring what is due, answers those that were woken; on port 0 wakes those who sleep on a clock that runs
 * by itself, and forgets the silent. The clock moment of the next thing of this kind; RECORD_NEVER: none. */
vts_ms pace_run(struct service_port *port);
/* Real microseconds after which pace_run looks for the silent; -1: none. */
int64_t pace_sweep_us(struct service_port *port);
/* Goes on, if nothing hinders it. */
void pace_turn(struct service_port *port);
/* No new requests come: what sleeps or waits here without hope is ended. */
void pace_drain(struct service_port *port);
/* Nobody is told any more: the port is detached. */
void pace_forget(struct service_port *port);

/* ---- between pace.c and steps.c ---- */

struct participant {
    LIST_ENTRY(participant) link;
    TAILQ_ENTRY(participant) queue; /* while it is awake */
    struct alarm alarm;             /* while it sleeps */
    struct pace_sleep *sleep;       /* until its end is told */
    uint64_t round;                 /* how often it has slept on at one moment, */
    vts_ms woken_at;                /* which is this */
    int64_t heard_us;
    bool out; /* see `out` above */
    size_t length;
    char name[];
};

/* All inside the lock. Wakes it, which sleeps, on the thread of the port `own`, which is not rung: it answers those
 * that were woken by itself. Takes it out, and ends its sleep so. */
void pace_wake(struct pace *pace, struct participant *who, const struct service_port *own);
void pace_remove(struct pace *pace, struct participant *who, enum pace_end end);
/* The hand's move is over. */
struct pace_move *pace_hand_off(struct pace *pace, enum pace_end end);
void pace_ring_all(struct pace *pace);
/* The moment of the first thing that happens, but for jobs. */
vts_ms pace_first(const struct pace *pace);

#endif
