/* SPDX-License-Identifier: MIT
 *
 * A replica driven by hand. See replica.h. */
#include "replica.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "run.h"
#include "server.h"

#include <cmocka.h>

static enum record_act on_due(void *arg, size_t port, const struct record *old, struct text *next,
                              vts_ms now)
{
    struct replica *replica = arg;
    struct job job;

    (void)port;
    assert_true(record_read(old, old->size, &job));
    assert_true(job.state == VTS_RUNNING && job.wake_at <= now && job.last_at <= now);
    text_printf(&replica->due, "%s%s@%lld", replica->due.length ? " " : "", job.id.at,
                (long long)(now - T0));
    if (replica->due_act != RECORD_PUT)
        return replica->due_act;
    job.state = VTS_COMPLETED;
    job.ended_at = job.last_at = job.wake_at;
    job.wake_at = RECORD_NEVER;
    assert_true(record_write(&job, next));
    return RECORD_PUT;
}

static void on_ring(void *arg, size_t port)
{
    (void)arg;
    (void)port;
}

static bool hold(void *arg, size_t port, uint64_t hash)
{
    struct replica *replica = arg;

    (void)port;
    for (size_t i = 0; i < 4; i++)
        if (replica->known[i] == hash) {
            replica->held++;
            return true;
        }
    return false;
}

static void release(void *arg, size_t port, uint64_t hash)
{
    struct replica *replica = arg;

    (void)port;
    assert_true(hash == replica->known[0] || hash == replica->known[1] ||
                hash == replica->known[2] || hash == replica->known[3]);
    replica->held--;
}

static bool learn(void *arg, uint64_t hash, struct bytes text)
{
    struct replica *replica = arg;

    snprintf(replica->learnt, sizeof(replica->learnt), "%.*s", (int)text.length, text.at);
    if (replica->learns)
        replica->known[1] = hash;
    return replica->learns;
}

void replica_init(struct replica *replica, const char *url)
{
    signal(SIGPIPE, SIG_IGN); /* as vtsimd does */
    memset(replica, 0, sizeof(*replica));
    clock_init_virtual(&replica->clock, T0);
    replica->due_act = RECORD_PUT;
    replica->known[0] = 1;
    replica->learns = true;
    replica->settings = (struct redis_settings){.url = url, .prefix = "vtsim:", .timeout = 20000};
    replica->options = (struct store_options){.clock = &replica->clock,
                                              .ports = 1,
                                              .max_records = 1000000,
                                              .keep_ended = 1000,
                                              .seed = 1,
                                              .due = on_due,
                                              .ring = on_ring,
                                              .hold = hold,
                                              .release = release,
                                              .max_instances = 1000,
                                              .learn = learn,
                                              .arg = replica,
                                              .log_level = VTS_INFO};
}

bool replica_try(struct replica *replica, struct vts_error *error)
{
    replica->store = redis_LTX_vts_store()->open(&replica->options, &replica->settings, error);
    if (!replica->store)
        return false;
    for (size_t i = 0; i < replica->options.ports; i++) {
        replica->loops[i] = event_base_new();
        assert_non_null(replica->loops[i]);
        assert_true(store_attach(store_port(replica->store, i), replica->loops[i]));
        replica->attached++;
    }
    return true;
}

void replica_open(struct replica *replica)
{
    struct vts_error error;

    if (!replica_try(replica, &error))
        fail_msg("%s", error.message);
}

void replica_finish(struct replica *replica)
{
    store_destroy(replica->store);
    replica->store = NULL;
    for (; replica->attached > 0; replica->attached--)
        event_base_free(replica->loops[replica->attached - 1]);
    text_finish(&replica->due);
}

void replica_turn(struct replica *replica, size_t port)
{
    /* The store's own timer goes off a few times a second, so this comes back. */
    assert_true(event_base_loop(replica->loops[port], EVLOOP_ONCE) >= 0);
}

/* Answers come in the order of the commands: when a call that was made later has come back, so have those
 * before it; what came of them has been sent then, and so on. */
void replica_settle(struct replica *replica)
{
    size_t before;

    do {
        before = replica->due.length;
        for (int i = 0; i < 3; i++)
            replica_state(replica, "of no interest");
    } while (replica->due.length != before);
}

void replica_begin(struct replica *replica, struct call *call)
{
    store_update(store_port(replica->store, 0), &call->base);
}

void replica_wait(struct replica *replica, struct call *call)
{
    int64_t until_ms = run_now_ms() + EVENT_MS;

    while (call->dones == 0) {
        assert_true(run_now_ms() < until_ms);
        replica_turn(replica, 0);
    }
    assert_int_equal(call->dones, 1);
}

enum vts_err replica_put(struct replica *replica, const struct job *job)
{
    struct call call;

    call_init(&call, job->id.at, RECORD_PUT);
    call.job = job;
    replica_begin(replica, &call);
    replica_wait(replica, &call);
    call_finish(&call);
    return call.base.err;
}

enum vts_err replica_start(struct replica *replica, const char *id, uint64_t instance,
                           struct bytes text)
{
    struct job job = rig_job(id, RECORD_NEVER);
    struct call call;

    replica->known[0] = job.instance = instance;
    call_init(&call, id, RECORD_PUT);
    call.job = &job;
    call.base.instance = instance;
    call.base.instance_text = text;
    replica_begin(replica, &call);
    replica_wait(replica, &call);
    call_finish(&call);
    return call.base.err;
}

int replica_state(struct replica *replica, const char *id)
{
    struct call call;
    int state;

    call_init(&call, id, RECORD_LEAVE);
    replica_begin(replica, &call);
    replica_wait(replica, &call);
    state = call.base.err != VTS_OK ? -2 : call.was_there ? (int)call.was.state : -1;
    call_finish(&call);
    return state;
}

uint64_t replica_poll(struct replica *replica, const char *id)
{
    struct call call;

    call_init(&call, id, RECORD_LEAVE);
    call.base.is_poll = true;
    replica_begin(replica, &call);
    replica_wait(replica, &call);
    assert_int_equal(call.base.err, VTS_OK);
    call_finish(&call);
    return call.base.polls;
}

int capture_begin(void)
{
    int saved = dup(2), file = memfd_create("stderr", MFD_CLOEXEC);

    assert_true(saved >= 0 && file >= 0);
    assert_int_equal(dup2(file, 2), 2);
    close(file);
    return saved;
}

char *capture_end(int saved)
{
    struct stat stat;
    char *text;

    assert_int_equal(fstat(2, &stat), 0);
    text = malloc((size_t)stat.st_size + 1);
    assert_non_null(text);
    assert_int_equal(pread(2, text, (size_t)stat.st_size, 0), stat.st_size);
    text[stat.st_size] = '\0';
    assert_int_equal(dup2(saved, 2), 2);
    close(saved);
    return text;
}
