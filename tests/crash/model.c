/* SPDX-License-Identifier: MIT
 *
 * What clients know of their jobs. See model.h. */
#include "model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http.h"

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

/* How late a vtsimd's clock, set at its start, may be against ours. */
#define CLOCK_SLACK_MS 20

struct kind {
    const char *name;
    int64_t delay;   /* the job ends exactly so long after its start; 0: not known */
    int64_t longest; /* it has ended when so much time is over; 0: not known */
    uint32_t polls;  /* of the script's first count */
};

static const struct kind kinds[MODEL_KINDS] = {
    [SHORT] = {"short", 30, 30, 0},
    [LONG] = {"long", 900, 900, 0},
    [CHANCE] = {"chance", 0, 600, 0},
    [SCRIPT] = {"script", 0, 0, 4},
    [SCRIPT_FAILS] = {"script_fails", 0, 0, 2},
};

void model_init(struct model *model, uint64_t seed)
{
    memset(model, 0, sizeof(*model));
    model->seed = model->chance = seed;
}

void model_finish(struct model *model)
{
    for (size_t i = 0; i < model->count; i++) {
        free(model->jobs[i].end);
        free(model->jobs[i].last);
    }
    free(model->jobs);
}

uint32_t model_random(struct model *model, uint32_t limit)
{
    uint64_t mixed;

    model->chance += UINT64_C(0x9E3779B97F4A7C15);
    mixed = (model->chance ^ model->chance >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((mixed ^ mixed >> 31) >> 32) % limit;
}

size_t model_add(struct model *model)
{
    if (model->count == model->room) {
        size_t room = model->room ? model->room * 2 : 1024;
        struct model_job *jobs = realloc(model->jobs, room * sizeof(*jobs));

        if (!jobs)
            fail_msg("out of memory");
        model->jobs = jobs;
        model->room = room;
    }
    memset(&model->jobs[model->count], 0, sizeof(*model->jobs));
    return model->count++;
}

void model_id(size_t number, char id[MODEL_ID_ROOM])
{
    snprintf(id, MODEL_ID_ROOM, "%s-%zu", kinds[number % MODEL_KINDS].name, number);
}

int64_t model_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void model_contradicts(struct model *model, size_t number, const char *what, const char *now)
{
    const struct model_job *job = &model->jobs[number];
    char id[MODEL_ID_ROOM];

    model_id(number, id);
    print_error("seed %llu, round %u, job %s: %s\n  before: %s\n  at its end: %s\n  now: %s\n",
                (unsigned long long)model->seed, model->round, id, what,
                job->last ? job->last : "(nothing was seen)", job->end ? job->end : "(not seen)",
                now);
    fail();
    abort(); /* not reached */
}

/* ---- answers ---- */

/* What stands behind `"name": ` in an object, or NULL. */
static const char *member(const char *object, const char *name)
{
    char quoted[32];
    const char *at;

    snprintf(quoted, sizeof(quoted), "\"%s\": ", name);
    at = strstr(object, quoted);
    return at ? at + strlen(quoted) : NULL;
}

/* "2026-01-01T00:00:00.000Z" in milliseconds; 0 for null. -1 where it is neither. */
static int64_t moment(const char *object, const char *name)
{
    const char *at = member(object, name);
    struct tm tm = {0};
    int ms;

    if (at && strncmp(at, "null", 4) == 0)
        return 0;
    if (!at || sscanf(at, "\"%4d-%2d-%2dT%2d:%2d:%2d.%3dZ\"", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                      &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms) != 7)
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    return (int64_t)timegm(&tm) * 1000 + ms;
}

/* What must not change any more when a job has ended: all but the polls. */
static char *end_of(const char *object)
{
    const char *polls = strstr(object, "\"polls\": "), *result = strstr(object, "\"result\": ");
    char *end;

    if (!polls || !result || asprintf(&end, "%.*s%s", (int)(polls - object), object, result) < 0)
        return NULL;
    return end;
}

static void keep_last(struct model_job *job, const char *object)
{
    free(job->last);
    job->last = strdup(object);
}

/* A script's first count: so many polls are answered before it is reached, and no more; those that were
 * not answered may have counted. */
static void check_count(struct model *model, size_t number, const char *object, bool passed,
                        bool poll)
{
    struct model_job *job = &model->jobs[number];
    uint32_t wanted = kinds[number % MODEL_KINDS].polls;

    if (wanted == 0)
        return;
    if (!passed && poll && ++job->low > wanted)
        model_contradicts(model, number, "more polls were answered than the script counts", object);
    if (passed && job->low + job->lost < wanted)
        model_contradicts(model, number, "the script counted more polls than there were", object);
}

static void check_end(struct model *model, size_t number, const char *object)
{
    struct model_job *job = &model->jobs[number];
    const struct kind *kind = &kinds[number % MODEL_KINDS];
    char *end = end_of(object);

    if (!end)
        model_contradicts(model, number, "this is no job", object);
    if (!job->ended) {
        job->ended = true;
        job->end = end;
        job->ended_at = moment(object, "ended_at");
        model->ended++;
        if (job->ended_at < job->started_at || job->ended_at > model_now() + CLOCK_SLACK_MS ||
            (kind->delay && job->ended_at != job->started_at + kind->delay))
            model_contradicts(model, number, "it did not end at its moment", object);
        return;
    }
    if (strcmp(end, job->end) != 0)
        model_contradicts(model, number, "it had ended, and has changed", object);
    free(end);
}

static void check_moments(struct model *model, size_t number, const char *object)
{
    struct model_job *job = &model->jobs[number];
    int64_t created = moment(object, "created_at"), started = moment(object, "started_at");

    if (created <= 0 || started < created || (job->created_at && job->created_at != created) ||
        (job->started_at && job->started_at != started))
        model_contradicts(model, number, "its moments are others", object);
    job->created_at = created;
    job->started_at = started;
}

static bool overdue(const struct model *model, size_t number, int64_t asked_at)
{
    const struct model_job *job = &model->jobs[number];
    int64_t longest = kinds[number % MODEL_KINDS].longest;

    return longest && job->started_at && asked_at > job->started_at + longest + CLOCK_SLACK_MS;
}

void model_see(struct model *model, size_t number, const char *object, bool poll, int64_t asked_at)
{
    struct model_job *job = &model->jobs[number];
    const char *state = member(object, "state"), *progress = member(object, "progress");
    char id[MODEL_ID_ROOM + 16], name[MODEL_ID_ROOM];
    double value;
    bool ended;

    model_id(number, name);
    snprintf(id, sizeof(id), "{\"id\": \"%s\"", name);
    if (strncmp(object, id, strlen(id)) != 0 || !state || !progress)
        model_contradicts(model, number, "this is not the job", object);
    ended = strncmp(state, "\"running\"", 9) != 0;
    value = strtod(progress, NULL);
    check_moments(model, number, object);
    if (!ended && job->ended)
        model_contradicts(model, number, "it had ended, and runs again", object);
    if (!ended && value < job->progress)
        model_contradicts(model, number, "its progress went back", object);
    if (poll && !ended && overdue(model, number, asked_at)) /* a listing moves nothing */
        model_contradicts(model, number, "it should have ended", object);
    check_count(model, number, object, ended || value > 0, poll);
    if (ended)
        check_end(model, number, object);
    job->start = STARTED;
    job->progress = value;
    keep_last(job, object);
}

void model_see_word(struct model *model, size_t number, const char *body, int64_t asked_at)
{
    struct model_job *job = &model->jobs[number];
    bool pending = strstr(body, "\"status\": \"pending\"") != NULL;

    if (pending && job->ended)
        model_contradicts(model, number, "it had ended, and is pending again", body);
    if (pending && overdue(model, number, asked_at))
        model_contradicts(model, number, "it should have ended", body);
    if (job->ended && !strstr(job->end, strstr(body, "\"completed\"") ? "\"status\": \"completed\""
                                                                      : "\"status\": \"error\""))
        model_contradicts(model, number, "it had ended otherwise", body);
}

/* ---- all ---- */

/* The end of the object that begins here. */
static char *object_end(char *at)
{
    bool text = false;
    int depth = 0;

    for (; *at; at++) {
        if (text && *at == '\\' && at[1])
            at++;
        else if (*at == '"')
            text = !text;
        else if (!text && *at == '{')
            depth++;
        else if (!text && *at == '}' && --depth == 0)
            return at + 1;
    }
    return NULL;
}

static void see_row(struct model *model, char *row, int64_t asked_at)
{
    unsigned long long number = 0;
    struct model_job *job;
    const char *dash = strchr(row, '-');

    if (!dash || sscanf(dash, "-%llu\"", &number) != 1 || number >= model->count)
        fail_msg("round %u: a job that nobody started: %.200s", model->round, row);
    job = &model->jobs[number];
    if (job->start == NOT_ASKED)
        model_contradicts(model, number, "nobody started it", row);
    if (job->listed == model->listing)
        model_contradicts(model, number, "it is listed twice", row);
    job->listed = model->listing;
    model_see(model, number, row, false, asked_at);
}

/* One page. False where it was the last. */
static bool see_page(struct model *model, int port, char *after, size_t room)
{
    struct http_response response;
    char target[MODEL_ID_ROOM + 64], *row, *end, kept;
    int64_t asked_at = model_now();
    const char *next;

    snprintf(target, sizeof(target), "/jobs?limit=1000%s%s", *after ? "&after=" : "", after);
    http_request(port, "GET", target, NULL, &response);
    if (response.status != 200)
        fail_msg("round %u: GET %s: %d %s", model->round, target, response.status, response.body);
    for (row = strstr(response.body, "{\"id\": "); row; row = strstr(end, "{\"id\": ")) {
        end = object_end(row);
        if (!end)
            fail_msg("GET %s: broken JSON: %.200s", target, row);
        kept = *end;
        *end = '\0';
        see_row(model, row, asked_at);
        *end = kept;
    }
    next = strstr(response.body, "], \"next\": \"");
    snprintf(after, room, "%.*s", next ? (int)strcspn(next + 12, "\"") : 0, next ? next + 12 : "");
    http_response_finish(&response);
    return *after != '\0';
}

void model_see_all(struct model *model, int port)
{
    char after[MODEL_ID_ROOM] = "";

    model->listing++;
    while (see_page(model, port, after, sizeof(after)))
        ;
    for (size_t i = 0; i < model->count; i++)
        if (model->jobs[i].start == STARTED && model->jobs[i].listed != model->listing)
            model_contradicts(model, i, "its start was answered, and it is not there",
                              "(not listed)");
}
