/* SPDX-License-Identifier: MIT
 *
 * Runs a program. A job is two places in it: how far its life has come, and the oldest fault that no poll has
 * got yet, which lags behind. Chance is decided by the place, so both go the same way. See script.h. */
#include "script.h"

/* The bytes kept with a job. The first two are all that a script needs which has no start: line, no faults
 * with counts and no chance. */
struct state {
    uint32_t life;  /* where it rests; before the start, which fault starts get */
    uint32_t polls; /* that were counted there */
    uint32_t fault; /* the oldest fault that is left; = life: none is */
    uint32_t used;  /* polls, or before the start attempts, that got it */
    uint64_t seed;  /* of the chances */
    vts_ms until;   /* before the start: the end of a fault with a time; 0: it has not begun */
};

size_t script_state_size(const struct script *script)
{
    return script->faults || script->chances || script->begin > 0 ? sizeof(struct state)
                                                                  : offsetof(struct state, fault);
}

/* ---- ways ------------------------------------------------------------------------------------ */

/* An even number in [0, 1) for a place: the finalizer of splitmix64 (Steele, Lea and Flood, 2014). */
static double drawn(uint64_t seed, uint32_t place)
{
    uint64_t z = seed + (place + UINT64_C(1)) * UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1.0p-53;
}

/* How far it is from a step that takes nothing to the next one. */
static uint32_t way_from(const struct script *script, const struct state *state, uint32_t place)
{
    const struct script_step *step = script_at(script, place);

    if (step->kind == STEP_JUMP ||
        (step->kind == STEP_CHANCE && !(drawn(state->seed, place) < step->number)))
        return script->places[place].ahead;
    return 1;
}

/* ---- answers --------------------------------------------------------------------------------- */

static vts_ms sample(struct vts_job *job, uint32_t delay)
{
    const struct script *script = vts_data(job);

    return delay == SCRIPT_NO_DELAY ? 0 : vts_sample(job, &script->delays[delay]);
}

/* What a fault makes of an answer. `alive`: the job has not ended. */
static void bend(struct vts_job *job, const struct script_step *step, bool alive)
{
    static const struct vts_answer answers[] = {
        [FAULT_HTML] = {.body = VTS_BODY_HTML},
        [FAULT_RESET] = {.cut = VTS_BREAK_RESET},
        [FAULT_EMPTY] = {.cut = VTS_BREAK_EMPTY},
        [FAULT_TRUNCATE] = {.cut = VTS_BREAK_TRUNCATE},
        [FAULT_GARBAGE] = {.cut = VTS_BREAK_GARBAGE},
        [FAULT_INVALID_JSON] = {.body = VTS_BODY_INVALID_JSON},
        [FAULT_MISSING] = {.body = VTS_BODY_NOT_FOUND},
        [FAULT_NO_STATUS] = {.body = VTS_BODY_NO_STATUS},
        [FAULT_LOST] = {.cut = VTS_BREAK_EMPTY},
    };
    struct vts_answer answer = answers[step->fault];
    vts_ms span = sample(job, step->delay);

    answer.size = sizeof(answer);
    answer.status = step->status;
    if (step->fault == FAULT_STALL)
        answer.stall = span;
    else if (step->fault == FAULT_DRIBBLE)
        answer.dribble = span;
    else if (step->delay != SCRIPT_NO_DELAY)
        answer.retry_after = span > 0 ? span : -1;
    answer.retry_after_date = step->date;
    if (step->fault == FAULT_UNKNOWN_STATUS)
        answer.word = step->text;
    if (step->fault == FAULT_REGRESS)
        answer.state = alive ? VTS_QUEUED : VTS_RUNNING;
    vts_bend(job, &answer);
}

/* ---- life ------------------------------------------------------------------------------------ */

/* A walk of a job's life through steps that take no time. */
struct walk {
    struct vts_job *job;
    const struct script *script;
    struct state *state;
    bool alive;
};

static void move(const struct walk *walk, uint32_t by)
{
    struct state *state = walk->state;

    /* With no fault left behind, the place of the faults comes along, and stays at the first there is. */
    if (walk->script->faults && state->fault == state->life &&
        script_at(walk->script, state->life)->kind != STEP_FAULT)
        state->fault += by;
    state->life += by;
}

static void end(struct walk *walk, const struct script_step *step)
{
    if (step->kind == STEP_COMPLETED)
        vts_complete(walk->job, NULL);
    else if (step->kind == STEP_FAILED)
        vts_fail(walk->job, NULL, step->text);
    else
        vts_cancel(walk->job);
    walk->alive = false;
}

/* Whether the job's life goes on beyond a step at once. Behind its end it goes on through what is told of it
 * alone. */
static bool passes(struct walk *walk, const struct script_step *step)
{
    vts_ms span;

    switch ((enum script_kind)step->kind) {
    case STEP_FAULT:
    case STEP_CHANCE:
    case STEP_JUMP:
        return true;
    case STEP_AFTER:
        walk->state->polls = 0;
        return false;
    case STEP_END:
        if (walk->alive)
            vts_wait(walk->job, VTS_FOR_EVER);
        return false;
    default:
        break;
    }
    if (!walk->alive)
        return false;
    switch ((enum script_kind)step->kind) {
    case STEP_PROGRESS:
        vts_progress(walk->job, step->number);
        return true;
    case STEP_POLLS:
        walk->state->polls = 0;
        vts_wait(walk->job, VTS_FOR_POLL);
        return false;
    case STEP_SPAN:
    case STEP_FAULT_SPAN:
        span = sample(walk->job, step->extent);
        if (span == 0)
            return true;
        vts_wait(walk->job, 0);
        vts_wake_after(walk->job, span);
        return false;
    default:
        end(walk, step);
        return true;
    }
}

/* Goes on from where the job's life has come to, until a step takes time, waits, or is the last. A hook runs
 * through any number of steps, since the engine takes a thousand wakes in one moment for endless. Returns
 * whether the job is alive then. */
static bool go_on(struct vts_job *job)
{
    struct walk walk = {job, vts_data(job), vts_state(job), vts_job_state(job) < VTS_COMPLETED};

    while (passes(&walk, script_at(walk.script, walk.state->life)))
        move(&walk, way_from(walk.script, walk.state, walk.state->life));
    return walk.alive;
}

/* The step where the job rests is over. */
static bool leave(struct vts_job *job)
{
    struct walk walk = {job, vts_data(job), vts_state(job), true};

    move(&walk, 1);
    return go_on(job);
}

/* ---- the start ------------------------------------------------------------------------------- */

/* Whether a fault of the start: line holds for one more attempt. */
static bool holds(struct vts_job *job, struct state *state, const struct script_step *step)
{
    if (step->kind == STEP_FAULT)
        return state->used < step->count;
    if (state->until == 0)
        state->until = vts_now(job) + sample(job, step->extent);
    return vts_now(job) < state->until;
}

void script_admit(struct vts_job *job)
{
    const struct script *script = vts_data(job);
    struct state *state = vts_state(job);
    const struct script_step *step = NULL;

    if (script->begin == 0)
        return;
    /* Kept from the first attempt on (each later one finds it used), since every attempt has draws of its own, and
     * how many there were by then must not decide. */
    if (script->chances && state->used == 0)
        state->seed = vts_random(job);
    while (state->life < script->begin) {
        step = script_at(script, state->life);
        if ((step->kind == STEP_FAULT || step->kind == STEP_FAULT_SPAN) &&
            holds(job, state, step)) {
            state->used++;
            break;
        }
        state->used = 0;
        state->until = 0;
        state->life += way_from(script, state, state->life);
    }
    if (!step || state->life >= script->begin || script_accepts(step))
        return;
    vts_refuse(job, step->status, 0);
    bend(job, step, true);
}

void script_start(struct vts_job *job)
{
    const struct script *script = vts_data(job);
    struct state *state = vts_state(job);

    if (state->life < script->begin)
        bend(job, script_at(script, state->life), true);
    if (script_state_size(script) == sizeof(*state))
        *state = (struct state){.life = script->begin, .fault = script->begin};
    if (script->chances)
        state->seed = vts_random(job);
    go_on(job);
}

/* ---- the hooks of a job that is there -------------------------------------------------------- */

/* Whether the place is one of this program: its bytes may be those of a damaged store. */
static bool sound(const struct script *script, const struct state *state)
{
    return state->life < script->count &&
           (!script->faults || (state->fault >= script->begin && state->fault <= state->life));
}

void script_wake(struct vts_job *job)
{
    const struct script *script = vts_data(job);
    const struct state *state = vts_state(job);
    const struct script_step *step = sound(script, state) ? script_at(script, state->life) : NULL;

    if (step && (step->kind == STEP_SPAN || step->kind == STEP_FAULT_SPAN))
        leave(job);
    else
        vts_fail(job, "damaged", "the job's place is none in its script");
}

/* Uses up one poll of the oldest fault that is left, and finds the next. */
static void use_fault(const struct script *script, struct state *state,
                      const struct script_step *step)
{
    uint32_t ahead;

    if (++state->used < step->count)
        return;
    state->used = 0;
    state->fault++;
    while (state->fault < state->life) {
        step = script_at(script, state->fault);
        if (step->kind == STEP_FAULT)
            break;
        ahead = script->places[state->fault].next;
        if (ahead == 0)
            ahead = way_from(script, state, state->fault);
        /* Between two steps of the way the job's life may rest: there it is met. */
        state->fault = ahead < state->life - state->fault ? state->fault + ahead : state->life;
    }
}

/* Tells a poll of a fault, where there is one. */
static bool tell_fault(struct vts_job *job, bool alive)
{
    const struct script *script = vts_data(job);
    struct state *state = vts_state(job);
    const struct script_step *step = script_at(script, state->life);

    if (alive && step->kind == STEP_FAULT_SPAN) {
        bend(job, step, alive);
        return true;
    }
    if (!script->faults || state->fault == state->life)
        return false;
    step = script_at(script, state->fault);
    bend(job, step, alive);
    use_fault(script, state, step);
    return true;
}

/* Whether the job rests at a step that polls move. */
static bool counts_here(const struct script *script, const struct state *state, bool alive)
{
    return script_at(script, state->life)->kind == (alive ? STEP_POLLS : STEP_AFTER);
}

void script_poll(struct vts_job *job)
{
    const struct script *script = vts_data(job);
    struct state *state = vts_state(job);
    bool alive = vts_job_state(job) < VTS_COMPLETED;

    if (!sound(script, state) || tell_fault(job, alive) || !counts_here(script, state, alive))
        return;
    if (state->polls < script_at(script, state->life)->count) {
        state->polls++;
        return;
    }
    alive = leave(job);
    /* This poll is the first of a count that it finds, unless it finds a fault as well. */
    if (!tell_fault(job, alive) && counts_here(script, state, alive))
        state->polls = 1;
}
