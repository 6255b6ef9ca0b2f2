/* SPDX-License-Identifier: MIT
 *
 * The clock over HTTP: /_sim/clock reads and moves it, /_sim/clock/sleep sleeps by it, and
 * /_sim/clock/participants/ are those who do. */
#include <math.h>
#include <stdlib.h>

#include "sim.h"

static struct pace *pace_of(const struct exchange *exchange)
{
    return &exchange->worker->server->service->pace;
}

static void answer_clock(struct exchange *exchange)
{
    pace_json(pace_of(exchange), &exchange->answer.body);
    exchange_answer(exchange);
}

void sim_clock_get(struct exchange *exchange)
{
    if (sim_no_query(exchange))
        answer_clock(exchange);
}

/* ---- moving ---- */

struct moving {
    struct service_list list; /* first: waits until the store has kept all of it */
    struct pace_move move;
    struct exchange *exchange; /* NULL: the client has left */
};

static struct moving *moving_of(struct pace_move *move)
{
    return (struct moving *)((char *)move - offsetof(struct moving, move));
}

static void kept(struct service_list *list)
{
    exchange_called_back(((struct moving *)list)->exchange);
}

static void no_row(struct service_list *list, const struct job *job,
                   const struct instance *instance, uint64_t polls, vts_ms now)
{
    (void)list;
    (void)job;
    (void)instance;
    (void)polls;
    (void)now;
}

/* A listing of nothing, which comes back when all that was changed before is kept. */
static void ask_kept(struct service_call *call)
{
    service_list(&((struct moving *)((struct exchange *)call)->own)->list);
}

static void moved(struct exchange *exchange)
{
    if (((struct moving *)exchange->own)->list.store.err == VTS_OK) {
        answer_clock(exchange);
        return;
    }
    exchange->call.result = SERVICE_BUSY;
    exchange_refusal(exchange);
}

static void move_done(struct pace_move *move)
{
    struct exchange *exchange = moving_of(move)->exchange;

    exchange_resume(exchange);
    if (move->end == PACE_OVER)
        exchange_call(exchange, ask_kept, moved);
    else
        exchange_error(exchange, 409, "the clock was reset while it was moved");
}

static void move_left(struct exchange *exchange)
{
    pace_move_forget(&((struct moving *)exchange->own)->move);
}

static struct moving *make_moving(struct exchange *exchange)
{
    struct moving *moving = calloc(1, sizeof(*moving));

    if (!moving) {
        exchange_error(exchange, 503, "no memory");
        return NULL;
    }
    moving->list = (struct service_list){
        .port = exchange->worker->port, .state = -1, .row = no_row, .done = kept};
    moving->move = (struct pace_move){.port = exchange->worker->port, .done = move_done};
    moving->exchange = exchange;
    exchange->own = moving;
    exchange->own_free = free;
    exchange->own_left = move_left;
    return moving;
}

static void move_begun(struct exchange *exchange, enum pace_result result,
                       const struct vts_error *error)
{
    if (result == PACE_DONE)
        exchange_set_aside(exchange);
    else
        sim_refuse(exchange, result, error);
}

static void advance(struct exchange *exchange)
{
    struct vts_error error = {0};
    struct moving *moving;
    vts_ms span;

    if (!sim_span(exchange, "advance", &span) || !(moving = make_moving(exchange)))
        return;
    move_begun(exchange, pace_move_by(&moving->move, span, &error), &error);
}

static void move_to(struct exchange *exchange)
{
    struct vts_error error = {0};
    struct moving *moving;
    const char *text;
    vts_ms moment;
    size_t length;

    if (!sim_string(exchange, "to", true, &text, &length))
        return;
    if (!text_moment(text, length, &moment)) {
        exchange_error(
            exchange, 400,
            "to is no moment: write one such as \"2026-01-01T00:00:00Z\", up to the year "
            "9999");
        return;
    }
    moving = make_moving(exchange);
    if (!moving)
        return;
    moving->move.target = moment;
    move_begun(exchange, pace_move_to(&moving->move, &error), &error);
}

static bool take_bool(struct exchange *exchange, const char *name, bool *value)
{
    struct json_object *member = json_object_object_get(exchange->body, name);

    *value = json_object_get_boolean(member);
    if (json_object_is_type(member, json_type_boolean))
        return true;
    exchange_error(exchange, 400, "%s is neither true nor false", name);
    return false;
}

static void move_next(struct exchange *exchange)
{
    struct moving *moving;
    bool wanted;

    if (!take_bool(exchange, "next", &wanted))
        return;
    if (!wanted) {
        exchange_error(exchange, 400, "next can only be true");
        return;
    }
    moving = make_moving(exchange);
    if (moving)
        move_begun(exchange, pace_move_next(&moving->move), NULL);
}

/* ---- changing how it runs ---- */

static void changed(struct exchange *exchange, enum pace_result result,
                    const struct vts_error *error)
{
    if (result == PACE_DONE)
        answer_clock(exchange);
    else
        sim_refuse(exchange, result, error);
}

static void freeze(struct exchange *exchange)
{
    bool frozen;

    if (take_bool(exchange, "freeze", &frozen))
        changed(exchange, pace_freeze(pace_of(exchange), frozen), NULL);
}

static void set_rate(struct exchange *exchange)
{
    struct json_object *member = json_object_object_get(exchange->body, "rate");
    struct vts_error error = {0};

    if (!json_object_is_type(member, json_type_double) &&
        !json_object_is_type(member, json_type_int)) {
        exchange_error(exchange, 400, "rate is not a number");
        return;
    }
    changed(exchange, pace_set_rate(pace_of(exchange), json_object_get_double(member), &error),
            &error);
}

void sim_clock_post(struct exchange *exchange)
{
    static const char takes[] = "one of freeze, advance, to, next and rate";
    static const char *const known[] = {"freeze", "advance", "to", "next", "rate", NULL};
    static void (*const handlers[])(struct exchange *) = {freeze, advance, move_to, move_next,
                                                          set_rate};
    size_t i;

    if (!sim_body(exchange, known, takes))
        return;
    if (json_object_object_length(exchange->body) != 1) {
        exchange_error(exchange, 400, "this takes exactly %s", takes);
        return;
    }
    for (i = 0; !json_object_object_get_ex(exchange->body, known[i], NULL); i++)
        ;
    handlers[i](exchange);
}

/* ---- sleeping ---- */

struct sleeping {
    struct pace_sleep sleep; /* first */
    struct exchange *exchange;
};

static void sleep_done(struct pace_sleep *sleep)
{
    struct exchange *exchange = ((struct sleeping *)sleep)->exchange;

    exchange->own_left = NULL;
    exchange_resume(exchange);
    if (sleep->end == PACE_RESET) {
        exchange_error(exchange, 409, "the clock was reset during this sleep");
    } else if (sleep->end == PACE_REMOVED) {
        exchange_error(exchange, 409, "this participant was taken out during its sleep");
    } else {
        text_puts(&exchange->answer.body, "{\"now\": \"");
        text_time(&exchange->answer.body, clock_now(exchange->worker->server->service->clock));
        text_puts(&exchange->answer.body, "\"}");
        exchange_answer(exchange);
    }
}

static void sleep_left(struct exchange *exchange)
{
    pace_abandon(&((struct sleeping *)exchange->own)->sleep);
}

static bool take_name(struct exchange *exchange, const char **name, size_t *length)
{
    return sim_string(exchange, "as", true, name, length) &&
           request_id_good(exchange, "as", *name, *length);
}

static void fall_asleep(struct exchange *exchange, const char *name, size_t length, vts_ms span)
{
    struct sleeping *sleeping = calloc(1, sizeof(*sleeping));
    enum pace_result result = PACE_MEMORY;

    if (sleeping) {
        sleeping->sleep = (struct pace_sleep){.port = exchange->worker->port, .done = sleep_done};
        sleeping->exchange = exchange;
        exchange->own = sleeping;
        exchange->own_free = free;
        result = pace_sleep(&sleeping->sleep, name, length, span);
    }
    if (result != PACE_DONE) {
        sim_refuse(exchange, result, NULL);
        return;
    }
    exchange->own_left = sleep_left;
    exchange_set_aside(exchange);
}

void sim_clock_sleep(struct exchange *exchange)
{
    static const char *const known[] = {"for", "as", NULL};
    const char *name;
    size_t length;
    vts_ms span;

    if (!sim_body(exchange, known, "for and as") || !sim_span(exchange, "for", &span) ||
        !take_name(exchange, &name, &length))
        return;
    if (exchange->worker->draining) {
        exchange->answer.retry_after = 1;
        exchange_error(exchange, 503, "the server is about to end");
        return;
    }
    fall_asleep(exchange, name, length, span);
}

/* ---- participants ---- */

void sim_clock_join(struct exchange *exchange)
{
    static const char *const known[] = {"as", NULL};
    enum pace_result result;
    const char *name;
    size_t length;

    if (!sim_body(exchange, known, "as") || !take_name(exchange, &name, &length))
        return;
    result = pace_join(pace_of(exchange), name, length);
    if (result != PACE_DONE) {
        sim_refuse(exchange, result, NULL);
        return;
    }
    text_puts(&exchange->answer.body, "{\"as\": ");
    text_json(&exchange->answer.body, name, length);
    text_puts(&exchange->answer.body, "}");
    exchange_answer(exchange);
}

void sim_clock_leave(struct exchange *exchange)
{
    const struct bytes *id = &exchange->call.store.id;
    enum pace_result result;

    if (!sim_no_query(exchange) || !route_id(exchange, "/_sim/clock/participants/"))
        return;
    result = pace_leave(pace_of(exchange), id->at, id->length);
    if (result != PACE_DONE) {
        sim_refuse(exchange, result, NULL);
        return;
    }
    text_puts(&exchange->answer.body, "{\"as\": ");
    text_json(&exchange->answer.body, id->at, id->length);
    text_puts(&exchange->answer.body, "}");
    exchange_answer(exchange);
}
