/* SPDX-License-Identifier: MIT
 *
 * A store under test. See rig.h. */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

static enum record_act on_due(void *arg, size_t port, const struct record *old, struct text *next,
                              vts_ms now)
{
    struct rig *rig = arg;
    struct job job;

    assert_true(port < rig->options.ports);
    assert_true(record_read(old, old->size, &job));
    assert_true(job.state == VTS_RUNNING && job.wake_at <= now && job.last_at <= now);
    text_printf(&rig->due, "%s%s@%lld", rig->due.length ? " " : "", job.id.at,
                (long long)(now - T0));
    if (rig->due_act != RECORD_PUT)
        return rig->due_act;
    job.state = VTS_COMPLETED;
    job.ended_at = job.last_at = job.wake_at;
    job.wake_at = RECORD_NEVER;
    assert_true(record_write(&job, next));
    return RECORD_PUT;
}

static void on_sooner(void *arg, size_t port)
{
    struct rig *rig = arg;

    assert_true(port < rig->options.ports);
    atomic_fetch_add(&rig->sooner[port], 1);
}

void rig_init(struct rig *rig, const struct suite_kind *kind, size_t ports)
{
    memset(rig, 0, sizeof(*rig));
    rig->kind = kind;
    clock_init_virtual(&rig->clock, T0);
    rig->due_act = RECORD_PUT;
    rig->options = (struct store_options){.clock = &rig->clock,
                                          .ports = ports,
                                          .max_records = 1000000,
                                          .keep_ended = 1000,
                                          .due = on_due,
                                          .ring = on_sooner,
                                          .arg = rig};
}

void rig_open(struct rig *rig)
{
    rig->store = rig->kind->create(&rig->options);
    assert_non_null(rig->store);
    assert_string_equal(rig->store->ops->kind, rig->kind->name);
}

void rig_finish(struct rig *rig)
{
    store_destroy(rig->store);
    text_finish(&rig->due);
    if (rig->kind->clean)
        rig->kind->clean();
}

void rig_move(struct rig *rig, vts_ms moment)
{
    assert_int_equal(clock_move(&rig->clock, moment, NULL), VTS_OK);
}

/* A call that is made later comes back later: then what was claimed is claimed, and so on. */
static void settle(struct rig *rig, size_t port)
{
    struct call call;
    size_t before;

    do {
        before = rig->due.length;
        for (int i = 0; i < 3; i++) {
            call_init(&call, "of no interest", RECORD_LEAVE);
            call_make(&call, rig, port);
            call_finish(&call);
        }
    } while (rig->due.length != before);
}

vts_ms rig_run(struct rig *rig, size_t port)
{
    vts_ms next = store_run_due(store_port(rig->store, port), clock_now(&rig->clock), SIZE_MAX);

    if (rig->kind->shared)
        settle(rig, port);
    return next;
}

void rig_assert_due(struct rig *rig, const char *wanted, const char *file, int line)
{
    const char *got = rig->due.bytes ? rig->due.bytes : "";

    if (strcmp(got, wanted) != 0) {
        print_error("due was: %s\ninstead of: %s\n", got, wanted);
        _fail(file, line);
    }
    text_reset(&rig->due);
}

struct job rig_job(const char *id, vts_ms wake_at)
{
    return (struct job){.id = {id, strlen(id)},
                        .instance = 1,
                        .state = VTS_RUNNING,
                        .created_at = T0,
                        .started_at = T0,
                        .ended_at = RECORD_NEVER,
                        .wake_at = wake_at,
                        .last_at = T0};
}

/* ---- calls ---- */

static enum record_act on_call(struct store_call *base, const struct record *old, struct text *next)
{
    struct call *call = (struct call *)base;
    static const char longer[] = "longer";

    call->runs++;
    call->was_there = old != NULL;
    text_reset(&call->seen);
    if (old) {
        text_add(&call->seen, old, old->size);
        assert_true(record_read((const struct record *)call->seen.bytes, old->size, &call->was));
    }
    if (call->act == RECORD_PUT) {
        struct job job = call->job ? *call->job : call->was;

        assert_true(call->job || old);
        if (!call->job)
            job.input = (struct bytes){longer, sizeof(longer) - 1};
        assert_true(record_write(&job, next));
    }
    return call->act;
}

static void on_done(struct store_call *base)
{
    struct call *call = (struct call *)base;

    call->dones++;
}

void call_init(struct call *call, const char *id, enum record_act act)
{
    memset(call, 0, sizeof(*call));
    call->base.id = (struct bytes){id, strlen(id)};
    call->base.fn = on_call;
    call->base.done = on_done;
    call->base.err = VTS_ERR_IO; /* to be set by the store */
    call->act = act;
}

void call_finish(struct call *call) { text_finish(&call->seen); }

void call_make(struct call *call, struct rig *rig, size_t port)
{
    int before = call->dones;

    store_update(store_port(rig->store, port), &call->base);
    while (call->dones == before && rig->kind->turn)
        rig->kind->turn(rig->store, port);
    assert_int_equal(call->dones, before + 1);
    assert_true(call->runs >= 1);
}

enum vts_err rig_put(struct rig *rig, size_t port, const struct job *job)
{
    struct call call;

    call_init(&call, job->id.at, RECORD_PUT);
    call.job = job;
    call_make(&call, rig, port);
    call_finish(&call);
    return call.base.err;
}

enum vts_err rig_drop(struct rig *rig, const char *id)
{
    struct call call;

    call_init(&call, id, RECORD_DROP);
    call_make(&call, rig, 0);
    call_finish(&call);
    return call.base.err;
}

bool rig_has(struct rig *rig, const char *id)
{
    struct call call;

    call_init(&call, id, RECORD_LEAVE);
    call_make(&call, rig, 0);
    assert_int_equal(call.base.err, VTS_OK);
    call_finish(&call);
    return call.was_there;
}

uint64_t rig_poll(struct rig *rig, const char *id)
{
    struct call call;

    call_init(&call, id, RECORD_LEAVE);
    call.base.is_poll = true;
    call_make(&call, rig, 0);
    assert_int_equal(call.base.err, VTS_OK);
    call_finish(&call);
    return call.base.polls;
}

size_t rig_port_of(struct rig *rig, const char *id)
{
    struct job job = rig_job(id, T0 - 1);
    uint64_t before[RIG_PORTS];
    size_t port, found = RIG_PORTS;

    assert_false(rig_has(rig, id));
    for (port = 0; port < rig->options.ports; port++) {
        rig_run(rig, port);
        before[port] = atomic_load(&rig->sooner[port]);
    }
    assert_int_equal(rig_put(rig, 0, &job), VTS_OK);
    for (port = 0; port < rig->options.ports; port++)
        if (atomic_load(&rig->sooner[port]) != before[port]) {
            assert_int_equal(found, RIG_PORTS); /* one port, not several */
            found = port;
        }
    assert_true(found < RIG_PORTS);
    assert_int_equal(rig_drop(rig, id), VTS_OK);
    rig_run(rig, found);
    return found;
}
