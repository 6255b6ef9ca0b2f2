/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the scripts of scripted_sequence: the parser, and jobs that run what it takes. The first byte says how
 * polls and wakes follow each other, the rest is the script. An error has words and a place inside the text. A
 * hook leaves its job ended, with a wake, or waiting; what a poll is told can be sent; and a job that is
 * polled for long comes to rest. The host is one of the test's own, so that nothing else is fuzzed. */
#include "../../plugins/scripted_sequence/script.h"
#include "base/rng.h"
#include "config/options.h"
#include "fuzz.h"

enum { EVENTS = 400 };

struct life {
    struct vts_job job; /* first */
    struct vts_instance instance;
    struct script script;
    uint64_t state_bytes[8]; /* more than any script needs */
    uint64_t draws;
    vts_ms now, wake_at;
    enum vts_state state;
    unsigned int waits;
    bool wake, refused, bent, polling;
};

static struct life *life_of(const struct vts_job *job) { return (struct life *)job; }

static vts_ms host_now(const struct vts_job *job) { return life_of(job)->now; }
static int32_t host_state(const struct vts_job *job) { return (int32_t)life_of(job)->state; }
static uint64_t host_random(struct vts_job *job) { return rng_draw(1, life_of(job)->draws++); }

static vts_ms host_sample(struct vts_job *job, const struct vts_delay *delay)
{
    PROMISE(delay->max >= 0);
    return rng_draw(2, life_of(job)->draws++) % 3 ? delay->a : 0;
}

static struct life *acting(struct vts_job *job)
{
    struct life *life = life_of(job);

    PROMISE(life->state == VTS_RUNNING);
    PROMISE(!life->polling || life->instance.counts_polls);
    return life;
}

static void host_wake_after(struct vts_job *job, vts_ms span)
{
    struct life *life = acting(job);

    PROMISE(span > 0);
    life->wake = true;
    life->wake_at = span > VTS_TIME_END - life->now ? VTS_TIME_END : life->now + span;
}

static void host_wait(struct vts_job *job, uint32_t what) { acting(job)->waits = what; }

static void host_progress(struct vts_job *job, double progress)
{
    acting(job);
    PROMISE(progress >= 0 && progress <= 1);
}

static void end(struct vts_job *job, enum vts_state state)
{
    acting(job)->state = state;
    life_of(job)->wake = false;
}

static void host_complete(struct vts_job *job, const char *json)
{
    PROMISE(!json);
    end(job, VTS_COMPLETED);
}

static void host_fail(struct vts_job *job, const char *code, const char *message)
{
    PROMISE(!code); /* "damaged" */
    PROMISE(!message || strlen(message) <= VTS_TEXT_MAX);
    end(job, VTS_FAILED);
}

static void host_cancel(struct vts_job *job) { end(job, VTS_CANCELLED); }

static void host_refuse(struct vts_job *job, int32_t status, vts_ms retry_after)
{
    PROMISE(status >= 400 && status <= 599 && retry_after == 0);
    life_of(job)->refused = true;
}

static void host_bend(struct vts_job *job, const struct vts_answer *answer)
{
    PROMISE(answer->status == 0 || (answer->status >= 200 && answer->status <= 599));
    PROMISE(answer->retry_after >= -1 && answer->stall >= 0 && answer->dribble >= 0);
    PROMISE(!answer->word || strlen(answer->word) <= 255);
    life_of(job)->bent = true;
}

static bool host_parse_delay(const struct vts_instance *instance, const char *text,
                             struct vts_delay *delay, struct vts_error *error)
{
    (void)instance;
    return options_delay(text, delay, error);
}

static const struct vts_host host = {
    .abi = VTS_ABI,
    .size = sizeof(struct vts_host),
    .now = host_now,
    .state = host_state,
    .random = host_random,
    .sample = host_sample,
    .wake_after = host_wake_after,
    .wait = host_wait,
    .progress = host_progress,
    .complete = host_complete,
    .fail = host_fail,
    .cancel = host_cancel,
    .refuse = host_refuse,
    .bend = host_bend,
    .parse_delay = host_parse_delay,
};

static void check_settled(const struct life *life)
{
    PROMISE(life->state >= VTS_COMPLETED || life->wake || (life->waits & VTS_FOR_EVER) ||
            ((life->waits & VTS_FOR_POLL) && life->instance.counts_polls));
}

/* Starts the job, with as many attempts as it takes; false where it is refused for long. */
static bool begin(struct life *life)
{
    for (int attempt = 0; attempt < EVENTS; attempt++) {
        life->refused = false;
        script_admit(&life->job);
        if (!life->refused) {
            life->state = VTS_RUNNING;
            script_start(&life->job);
            check_settled(life);
            return true;
        }
        life->now += 60000;
    }
    return false;
}

static void run(struct life *life, uint8_t rhythm)
{
    uint64_t before[8];

    if (!begin(life))
        return;
    for (unsigned int event = 0; event < EVENTS; event++) {
        if (life->wake && (rhythm & (1u << event % 8))) {
            life->now = life->wake_at;
            life->wake = false;
            script_wake(&life->job);
            check_settled(life);
            continue;
        }
        memcpy(before, life->state_bytes, sizeof(before));
        life->polling = true;
        life->bent = false;
        script_poll(&life->job);
        life->polling = false;
        check_settled(life);
        /* a poll that does not count changes nothing */
        PROMISE(life->instance.counts_polls || !memcmp(before, life->state_bytes, sizeof(before)));
    }
}

static void check_error(const char *text, const struct vts_error *error)
{
    size_t lines = 1, longest = 0, length;

    PROMISE(error->code == VTS_ERR_INVALID);
    PROMISE(*error->message);
    PROMISE(!strcmp(error->key, "script"));
    for (const char *at = text; *at; at += length + (at[length] == '\n')) {
        length = strcspn(at, "\n");
        longest = length > longest ? length : longest;
        lines += at[length] == '\n';
    }
    PROMISE(error->line <= lines);
    PROMISE(error->column <= longest + 1);
    PROMISE((error->line == 0) == (error->column == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct life life = {.state = VTS_ASKED, .now = 1000};
    struct text text = TEXT_INIT;
    struct vts_error error;

    if (!size)
        return 0;
    text_add(&text, data + 1, size - 1);
    life.instance.host = life.job.host = &host;
    life.job.instance = &life.instance;
    life.job.state = life.state_bytes;
    life.instance.data = &life.script;
    if (script_parse(&life.script, &life.instance, text.bytes, &error)) {
        PROMISE(life.script.count <= SCRIPT_STEPS_MAX + 1);
        PROMISE(script_state_size(&life.script) <= sizeof(life.state_bytes));
        life.instance.counts_polls = life.script.counts;
        run(&life, data[0]);
    } else {
        check_error(text.bytes, &error);
    }
    script_finish(&life.script);
    text_finish(&text);
    return 0;
}
