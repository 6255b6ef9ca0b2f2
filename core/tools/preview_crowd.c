/* SPDX-License-Identifier: MIT
 *
 * Jobs that share slots, or a filter, lived beside each other: each has a client that comes at its moment, asks
 * again after a refusal, and polls where polls move jobs or are what is looked at. See preview.h. */
#include "preview.h"

#include <stdlib.h>

struct client {
    struct trial_job job; /* first: what a trial shows is found again */
    uint64_t number;
    struct preview_life life;
    vts_ms next;             /* when it does something next; RECORD_NEVER: it has done all, */
    struct slots_job *place; /* and has none any more; in the agenda */
};

/* How often a job is polled, at the most. */
static uint64_t polls_of(const struct trial *trial)
{
    return trial->filter                        ? PREVIEW_FILTER_POLLS
           : trial->instance->base.counts_polls ? PREVIEW_POLLS_MAX
                                                : 0;
}

struct crowd {
    struct trial *trial;
    struct client *clients;
    uint64_t count;
    struct slots agenda; /* what clients do next, in order; it knows no slots of its own */
};

uint64_t preview_crowd_number(const struct trial_job *job)
{
    return ((const struct client *)job)->number;
}

/* Its name has the order of its number. */
static bool enter(struct crowd *crowd, struct client *client)
{
    char key[PREVIEW_ID_ROOM];
    int length = snprintf(key, sizeof(key), "%020llu", (unsigned long long)client->number);

    client->place = slots_reserve(&crowd->agenda, (struct bytes){key, (size_t)length}, client);
    return client->place != NULL;
}

static void plan(struct crowd *crowd, const struct client *client)
{
    const struct slots_mark mark = {false, RECORD_NEVER, client->next, crowd->agenda.last};

    slots_note(&crowd->agenda, client->place, &mark);
}

static bool arrive(struct crowd *crowd, vts_ms every)
{
    struct client *client;
    uint64_t i;

    for (i = 0; i < crowd->count; i++) {
        client = &crowd->clients[i];
        client->number = i + 1;
        client->life = preview_no_life;
        if (every > 0 && (vts_ms)i > (VTS_TIME_END - TRIAL_START) / every)
            client->next = VTS_TIME_END;
        else
            client->next = TRIAL_START + (vts_ms)i * every;
        if (!enter(crowd, client))
            return false;
        plan(crowd, client);
    }
    return true;
}

/* A poll, where there is something to poll for. */
static bool poll_once(struct trial *trial, struct client *client)
{
    struct job now;

    if (!trial_advance(trial, &client->job, client->next) || !trial_look(&client->job, &now))
        return false;
    if (client->life.polls >= polls_of(trial) || state_ended((int)now.state) ||
        client->next > VTS_TIME_END - PREVIEW_POLL_SPAN) {
        client->next = RECORD_NEVER;
        return true;
    }
    client->life.polls++;
    if (!trial_poll(trial, &client->job, client->next))
        return false;
    client->next += PREVIEW_POLL_SPAN;
    return true;
}

static bool act(struct trial *trial, struct client *client)
{
    char id[PREVIEW_ID_ROOM];
    vts_ms again;

    if (client->life.start != RECORD_NEVER)
        return poll_once(trial, client);
    preview_id(client->number, id);
    if (!preview_ask(trial, &client->job, id, client->next, &client->life, &again))
        return false;
    if (client->life.start != RECORD_NEVER && polls_of(trial) > 0)
        again = client->next + PREVIEW_POLL_SPAN;
    client->next = again;
    return true;
}

/* All of them, to their ends. */
static bool live(struct crowd *crowd)
{
    struct slots_event event;
    bool good = true;
    uint64_t i;

    while (good && slots_next(&crowd->agenda, VTS_TIME_END, &event)) {
        good = act(crowd->trial, event.tag);
        plan(crowd, event.tag);
    }
    for (i = 0; good && i < crowd->count; i++)
        good = trial_run(crowd->trial, &crowd->clients[i].job, PREVIEW_WAKES_MAX, NULL);
    return good;
}

bool preview_crowd(struct trial *trial, uint64_t jobs, vts_ms every,
                   bool (*told)(void *arg, uint64_t number, const struct preview_life *life),
                   void *arg)
{
    struct crowd crowd = {.trial = trial, .count = jobs};
    bool good;
    uint64_t i;

    slots_init(&crowd.agenda, 0);
    crowd.clients = jobs < SIZE_MAX ? calloc((size_t)jobs, sizeof(*crowd.clients)) : NULL;
    good = crowd.clients && arrive(&crowd, every) && live(&crowd);
    for (i = 0; good && i < jobs; i++)
        good = preview_note(&crowd.clients[i].job, &crowd.clients[i].life) &&
               told(arg, i + 1, &crowd.clients[i].life);
    for (i = 0; crowd.clients && i < jobs; i++)
        trial_job_finish(&crowd.clients[i].job);
    free(crowd.clients);
    slots_finish(&crowd.agenda);
    return good;
}
