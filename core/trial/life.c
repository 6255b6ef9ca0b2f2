/* SPDX-License-Identifier: MIT
 *
 * Runs lives event by event, and compares them. See life.h. */
#include "life.h"

#include <stdlib.h>

#include "../base/rng.h"

#define POLLS       1000 /* of one life, at the most */
#define POLLS_AFTER 20   /* after its end */
#define ASKS        20   /* until a start that is refused is given up */
#define STRIKES     5    /* as often as a hook must have been slow, each time */
#define RESTARTS                                                                                   \
    100 /* for slow hooks that were not so again; then the machine is too busy to tell */
#define SECOND    1000
#define PAUSE_MAX 86400000
#define FEW_WAKES 200 /* for the rest, when jobs are known to have no end */

/* ---- the trying ---- */

static void on_hook(void *arg, const struct probe_seen *seen);

void tried_like(struct tried *tried, const struct instance *like)
{
    tried->like = like;
    /* No more of an instance is used than what it is opened again by: its plugin and its settings. */
    tried->watched = (struct instance){.canonical = like->canonical};
    tried->watched.base.plugin = &tried->probe.plugin;
    tried->watched_again = (struct instance){.canonical = like->canonical};
    tried->watched_again.base.plugin = &tried->again.plugin;
}

void tried_init(struct tried *tried, const struct laws *laws, struct laws_report *report,
                struct probe_spot *spot, const struct vts_plugin *again)
{
    vts_ms budget = laws->budget_ms ? laws->budget_ms : LAWS_BUDGET_MS;

    *tried = (struct tried){.laws = laws,
                            .report = report,
                            .laws_set = ~0u,
                            .most_wakes = LAWS_WAKES,
                            .bounded = true,
                            .until = probe_clock() + budget * 1000000,
                            .most_nanoseconds = INT64_C(1000000) * LAWS_HOOK_MS};
    probe_init(&tried->probe, laws->like->base.plugin, spot);
    probe_init(&tried->again, again, spot);
    tried->probe.see = tried->again.see = on_hook;
    tried->probe.arg = tried->again.arg = tried;
    tried_like(tried, laws->like);
}

bool tried_goes_on(const struct tried *tried)
{
    return !tried->no_memory && probe_clock() < tried->until;
}

void tried_broken(struct tried *tried, int law, const char *id, vts_ms moment, const char *format,
                  ...)
{
    int blamed = tried->setting ? 7 : law;
    struct law_result *result = &tried->report->of[blamed];
    size_t used = 0;
    va_list args;

    if (!(tried->laws_set & (1u << law)) || result->verdict == LAW_BROKEN)
        return;
    result->seed = tried->seed;
    result->moment = moment;
    snprintf(result->id, sizeof(result->id), "%s", id);
    if (tried->setting)
        used = (size_t)snprintf(result->message, sizeof(result->message),
                                "with %.200s, law %d (%s): ", tried->setting, law, laws_name(law));
    va_start(args, format);
    vsnprintf(result->message + used, sizeof(result->message) - used, format, args);
    va_end(args);
    result->verdict = LAW_BROKEN; /* last: a child that crashes now has told all of it or nothing */
}

/* ---- what is seen of hooks ---- */

static const char *progress_nonsense(unsigned int warned)
{
    if (warned & INSTANCE_WARN_PROGRESS)
        return "that is no number (NaN)";
    if (warned & INSTANCE_WARN_RANGE)
        return "outside of 0 to 1";
    return warned & INSTANCE_WARN_DOWN ? "below what there was" : NULL;
}

static void on_hook(void *arg, const struct probe_seen *seen)
{
    const char *nonsense = progress_nonsense(seen->warned);
    struct tried *tried = arg;

    tried->hooks++;
    if (seen->nanoseconds > tried->most_nanoseconds && !tried->slow) {
        tried->slow = true;
        tried->slow_hook = seen->hook;
        tried->slow_moment = seen->moment;
        tried->slow_nanoseconds = seen->nanoseconds;
        tried->slow_now = tried->hooks;
    }
    if (nonsense)
        tried_broken(tried, 5, seen->id, seen->moment, "hook %s asked for a progress %s",
                     seen->hook, nonsense);
    if (life_of_filter(tried) && (seen->warned & INSTANCE_WARN_ACT))
        tried_broken(tried, 4, seen->id, seen->moment,
                     "hook %s tried to move a job, which filters cannot", seen->hook);
    else if (seen->ended && (seen->warned & INSTANCE_WARN_ACT))
        tried_broken(tried, 4, seen->id, seen->moment,
                     "hook %s tried to move a job that has ended%s", seen->hook,
                     strcmp(seen->hook, "poll") == 0 ? ": ask for vts_job_state(job) first" : "");
}

/* ---- events ---- */

static uint64_t hash_of(struct bytes bytes)
{
    return bytes.at ? rng_hash(bytes.at, bytes.length, 1) : 0;
}

static struct life_event event_of(const struct job *job, enum trial_event event, vts_ms moment)
{
    return (struct life_event){.moment = moment,
                               .wake_at = job->wake_at,
                               .started_at = job->started_at,
                               .ended_at = job->ended_at,
                               .progress = job->progress,
                               .result = hash_of(job->result),
                               .code = hash_of(job->code),
                               .message = hash_of(job->message),
                               .draws = job->draws,
                               .waits = job->waits,
                               .asks = job->asks,
                               .event = (uint8_t)event,
                               .state = (uint8_t)job->state};
}

/* Of all its members, and of none of what lies between them. */
static uint64_t hash_of_answer(const struct vts_answer *answer)
{
    char text[500];
    int length;

    if (!answer)
        return 0;
    length = snprintf(text, sizeof(text), "%d %lld %d %lld %lld %d %d %d %s", (int)answer->status,
                      (long long)answer->retry_after, answer->retry_after_date,
                      (long long)answer->stall, (long long)answer->dribble, (int)answer->cut,
                      (int)answer->body, (int)answer->state, answer->word ? answer->word : "");
    return rng_hash(text, (size_t)length, 1);
}

static bool same_event(const struct life_event *a, const struct life_event *b)
{
    return a->moment == b->moment && a->wake_at == b->wake_at && a->started_at == b->started_at &&
           a->ended_at == b->ended_at && a->progress.from == b->progress.from &&
           a->progress.to == b->progress.to && a->progress.since == b->progress.since &&
           a->progress.span == b->progress.span && a->result == b->result && a->code == b->code &&
           a->message == b->message && a->draws == b->draws && a->waits == b->waits &&
           a->answer == b->answer && a->asks == b->asks && a->event == b->event &&
           a->state == b->state;
}

static bool add_event(struct life *life, const struct life_event *event)
{
    size_t room = life->room ? life->room * 2 : 16;
    struct life_event *grown;

    if (life->count == life->room) {
        grown = realloc(life->events, room * sizeof(*grown));
        if (!grown)
            return false;
        life->events = grown;
        life->room = room;
    }
    life->events[life->count++] = *event;
    return true;
}

static bool is(struct bytes bytes, const char *text)
{
    return bytes.at && strcmp(bytes.at, text) == 0;
}

/* Each event of a life comes here. */
static void on_event(void *arg, struct trial_job *trial_job, const struct trial_seen *seen)
{
    struct life *life = (struct life *)trial_job; /* its first member */
    struct life_event event = event_of(seen->job, seen->event, seen->moment);
    double progress = job_progress(seen->job, seen->moment);
    struct tried *tried = arg;
    vts_ms moment = seen->moment - TRIAL_START;

    if (seen->job->state == VTS_FAILED && is(seen->job->code, "behaviour_error"))
        tried_broken(tried, 3, life->id, moment, "%s", seen->job->message.at);
    if (!(progress >= life->progress && progress <= 1))
        tried_broken(tried, 5, life->id, moment, "its progress went from %g to %g", life->progress,
                     progress);
    life->progress = progress;
    /* A poll that does not count is none of its life, nor is what comes after its end. */
    if (life_of_filter(tried)) {
        event.answer = hash_of_answer(seen->answer);
        event.status = seen->answer ? seen->answer->status : 0;
    }
    if ((seen->event == TRIAL_POLL && !life_counts_polls(tried)) ||
        (life->count > 0 && state_ended(life->events[life->count - 1].state)))
        return;
    if (!add_event(life, &event))
        tried->no_memory = true;
    if (life->plan->states && life->states.length < LIFE_STATES)
        text_add(&life->states, seen->job->plugin_state.at ? seen->job->plugin_state.at : "",
                 seen->job->plugin_state.length);
    tried->no_memory |= life->states.failed;
}

/* ---- running ---- */

bool life_of_filter(const struct tried *tried)
{
    return tried->like->base.plugin->kind == VTS_FILTER;
}

bool life_counts_polls(const struct tried *tried)
{
    return tried->like->base.counts_polls || life_of_filter(tried);
}

bool life_trial(struct tried *tried, struct trial *trial, const struct instance *watched)
{
    struct vts_error error;

    tried->probe.spot->seed = tried->seed; /* which the other probe writes to, too */
    if (!trial_init(trial, watched, tried->seed, &error)) {
        if (error.code == VTS_ERR_MEMORY)
            tried->no_memory = true;
        else
            tried_broken(tried, 2, "", 0,
                         "opened once more, with the same settings, it refused: %s", error.message);
        return false;
    }
    trial->see = on_event;
    trial->arg = tried;
    return true;
}

void life_init(struct life *life, struct tried *tried, struct trial *trial, const char *id,
               const struct life_plan *plan)
{
    *life = (struct life){.tried = tried, .trial = trial, .id = id, .plan = plan};
}

void life_finish(struct life *life)
{
    trial_job_finish(&life->job);
    text_finish(&life->states);
    free(life->events);
    life->events = NULL;
}

/* What comes before each event, and after. */
static bool before(struct life *life)
{
    if (!life->stopped && life->plan->between && !life->plan->between(life))
        life->stopped = true;
    return !life->stopped;
}

static void after(struct life *life, bool good)
{
    struct tried *tried = life->tried;

    if (!good)
        tried->no_memory = true;
    if (tried->slow || !tried_goes_on(tried))
        life->stopped = true;
}

static enum vts_state state_of(const struct life *life)
{
    struct job job;

    return trial_look(&life->job, &job) ? job.state : VTS_ASKED;
}

/* Every third job has an input. */
static const char *input_of(const char *id)
{
    return rng_hash(id, strlen(id), 0) % 3 == 0
               ? "{\"video\": {\"language\": \"en\", \"seconds\": 60}}"
               : NULL;
}

/* How long a client waits after a refusal: as it is told, or a second. */
static vts_ms pause_after(const struct engine_work *work)
{
    vts_ms told = work->refused ? work->answer.retry_after : 0;

    return told > SECOND && told < PAUSE_MAX ? told : SECOND;
}

void life_ask(struct life *life)
{
    vts_ms at = TRIAL_START;
    int ask;

    for (ask = 0; ask < ASKS && state_of(life) == VTS_ASKED && before(life); ask++) {
        after(life, trial_ask(life->trial, &life->job, life->id, input_of(life->id), at));
        at += pause_after(&life->trial->work);
    }
}

/* The law is broken. Later lives are cut sooner: this one is like none of them. */
static void break_bounds(struct life *life, vts_ms wake_at)
{
    struct tried *tried = life->tried;
    struct job job;
    vts_ms moment = trial_look(&life->job, &job) ? job.last_at - TRIAL_START : 0;

    if (wake_at - TRIAL_START > LAWS_SPAN)
        tried_broken(
            tried, 3, life->id, moment,
            "it wants to wake more than a hundred years after its start; to wait for ever, say "
            "vts_wait(job, VTS_FOR_EVER)");
    else
        tried_broken(tried, 3, life->id, moment, "after %zu wakes it has not ended",
                     tried->most_wakes);
    life->stopped = true;
    tried->bounded = false;
    tried->most_wakes = FEW_WAKES;
}

/* Whether the next wake keeps the bounds. */
static bool in_bounds(struct life *life, vts_ms wake_at)
{
    struct tried *tried = life->tried;
    bool many = life->wakes >= tried->most_wakes;

    life->wakes++;
    if (tried->bounded && (many || wake_at - TRIAL_START > LAWS_SPAN))
        break_bounds(life, wake_at);
    else
        life->cut |= many;
    return !many && !life->stopped;
}

void life_step(struct life *life, vts_ms to)
{
    vts_ms at;

    while ((at = trial_wake_at(&life->job)) <= to && in_bounds(life, at) && before(life))
        after(life, trial_advance(life->trial, &life->job, at));
}

static int compare_moments(const void *a, const void *b)
{
    const vts_ms *first = a, *second = b;

    return (*first > *second) - (*first < *second);
}

/* When it is polled, since its start. */
static size_t poll_moments(const struct life *life, vts_ms moments[POLLS])
{
    const struct life_plan *plan = life->plan;
    uint64_t key = rng_key(life->tried->seed, plan->polls, life->id, strlen(life->id));
    size_t i;

    for (i = 0; i < POLLS && plan->polls != LIFE_UNPOLLED; i++)
        if (plan->polls == LIFE_EVERY_SECOND)
            moments[i] = (vts_ms)i * SECOND;
        else
            moments[i] = (vts_ms)(rng_draw(key, i) % ((uint64_t)plan->span + 1));
    if (plan->polls == LIFE_RANDOM)
        qsort(moments, i, sizeof(moments[0]), compare_moments);
    return i;
}

static void poll_or_cancel(struct life *life, enum trial_event event, vts_ms at)
{
    life_step(life, at);
    if (life->cut || !before(life))
        return;
    after(life, event == TRIAL_POLL ? trial_poll(life->trial, &life->job, at)
                                    : trial_cancel(life->trial, &life->job, at));
}

/* Polls and a cancel after the end. Hooks that try to act are seen by on_hook. */
static void beyond(struct life *life)
{
    struct life_event first, now;
    struct job job;
    vts_ms at;
    int i;

    if (!trial_look(&life->job, &job))
        return;
    first = event_of(&job, TRIAL_POLL, 0);
    at = job.ended_at;
    for (i = 0; i <= POLLS_AFTER && before(life); i++) {
        at += SECOND;
        after(life, i == POLLS_AFTER / 2 ? trial_cancel(life->trial, &life->job, at)
                                         : trial_poll(life->trial, &life->job, at));
        if (!trial_look(&life->job, &job))
            return;
        now = event_of(&job, TRIAL_POLL, 0);
        if (!same_event(&first, &now))
            tried_broken(life->tried, 4, life->id, at - TRIAL_START,
                         "the job had ended, and changed afterwards");
    }
}

void life_run(struct life *life)
{
    const struct life_plan *plan = life->plan;
    bool cancelled = plan->cancel_at == RECORD_NEVER;
    vts_ms polls[POLLS], start;
    size_t count = poll_moments(life, polls), i = 0;
    struct job job;

    life_ask(life);
    if (!trial_look(&life->job, &job) || job.state == VTS_ASKED)
        return;
    start = job.started_at;
    while (!life->stopped && !life->cut && !state_ended((int)state_of(life)) &&
           (i < count || !cancelled)) {
        if (!cancelled && (i == count || plan->cancel_at <= polls[i])) {
            poll_or_cancel(life, TRIAL_CANCEL, start + plan->cancel_at);
            cancelled = true;
        } else {
            poll_or_cancel(life, TRIAL_POLL, start + polls[i++]);
        }
    }
    life_step(life, VTS_TIME_END);
    if (plan->after && state_ended((int)state_of(life)))
        beyond(life);
}

/* ---- in an instance of its own ---- */

/* A hook was slow. True where the life is to be run again, to see whether it is so each time. */
static void strike(struct tried *tried, const char *id)
{
    tried->strikes = tried->slow_now == tried->slow_at ? tried->strikes + 1 : 1;
    tried->slow_at = tried->slow_now;
    if (tried->strikes >= STRIKES)
        tried_broken(
            tried, 4, id, tried->slow_moment,
            "hook %s took %.1f ms, %d are the most (the least of %d tries was still slower)",
            tried->slow_hook, (double)tried->slow_nanoseconds / 1e6, LAWS_HOOK_MS, STRIKES);
    if (tried->strikes >= STRIKES || ++tried->restarts > RESTARTS)
        tried->most_nanoseconds = INT64_MAX;
    if (tried->strikes >= STRIKES && tried->until > probe_clock() + INT64_C(1000000) * LAWS_SLOW_MS)
        tried->until = probe_clock() + INT64_C(1000000) * LAWS_SLOW_MS;
}

bool lone_run(struct lone *lone, struct tried *tried, const struct instance *watched,
              const char *id, const struct life_plan *plan)
{
    memset(lone, 0, sizeof(*lone));
    tried->strikes = 0;
    for (;;) {
        tried->hooks = 0;
        tried->slow = false;
        if (!life_trial(tried, &lone->trial, watched))
            return false;
        life_init(&lone->life, tried, &lone->trial, id, plan);
        life_run(&lone->life);
        if (!tried->slow)
            return !lone->life.stopped;
        strike(tried, id);
        lone_finish(lone);
    }
}

void lone_finish(struct lone *lone)
{
    life_finish(&lone->life);
    trial_finish(&lone->trial);
    memset(lone, 0, sizeof(*lone));
}

/* ---- comparing ---- */

static void tell_moment(vts_ms moment, struct text *out)
{
    text_printf(out, "%lld.%03lld s", (long long)(moment / 1000), (long long)(moment % 1000));
}

/* What the end of a job told, where the event is its last. */
static void tell_end(const struct life *life, struct text *out)
{
    struct job job;

    if (!trial_look(&life->job, &job))
        return;
    if (job.result.at)
        text_printf(out, ", result %.100s", job.result.at);
    if (job.code.at)
        text_printf(out, ", %.60s: %.100s", job.code.at, job.message.at);
}

static void tell_event(const struct life *life, size_t index, struct text *out)
{
    static const char *const names[] = {"the ask", "the wake", "the poll", "the cancel"};
    const struct life_event *event = &life->events[index];

    if (index >= life->count) {
        text_puts(out, "nothing more happened");
        return;
    }
    text_printf(out, "%s at ", names[event->event]);
    tell_moment(event->moment - TRIAL_START, out);
    if (event->answer)
        text_printf(out, " was answered by the filter (status %d) and", (int)event->status);
    text_printf(out, " left it %s",
                event->state == VTS_ASKED ? "refused" : state_name(event->state));
    if (state_ended(event->state)) {
        tell_end(life, out);
        return;
    }
    if (event->wake_at != RECORD_NEVER) {
        text_puts(out, ", to wake at ");
        tell_moment(event->wake_at - TRIAL_START, out);
    }
    text_printf(out, ", progress %g, %u random numbers drawn", event->progress.to, event->draws);
}

bool life_same(const struct life *first, const char *is_so, const struct life *second,
               const char *was, vts_ms *moment, struct text *how)
{
    size_t i, least = first->count < second->count ? first->count : second->count;

    for (i = 0; i < least; i++)
        if (!same_event(&first->events[i], &second->events[i]))
            break;
    if (i == least && first->count == second->count)
        return true;
    *moment = (i < second->count ? second : first)->events[i].moment - TRIAL_START;
    text_printf(how, "%s, ", was);
    tell_event(second, i, how);
    text_printf(how, "; %s, ", is_so);
    tell_event(first, i, how);
    return false;
}

const char *life_id(size_t index, size_t count, char *buffer)
{
    int length = snprintf(buffer, RECORD_ID_MAX + 1, "vet-%zu", index + 1);

    if (count > 1 && index + 1 == count) {
        memset(buffer + length, '-', RECORD_ID_MAX - (size_t)length);
        buffer[RECORD_ID_MAX] = '\0';
    }
    return buffer;
}
