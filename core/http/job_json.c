/* SPDX-License-Identifier: MIT
 *
 * Writes a job as the full API tells it. See job_json.h. */
#include "job_json.h"

void job_json_moment(struct text *body, const char *name, vts_ms moment)
{
    text_printf(body, ", \"%s\": ", name);
    if (moment == RECORD_NEVER) {
        text_puts(body, "null");
        return;
    }
    text_puts(body, "\"");
    text_time(body, moment);
    text_puts(body, "\"");
}

static void add_words(struct text *body, const struct job *job, const struct vts_answer *bent)
{
    if (bent && bent->body == VTS_BODY_NO_STATUS)
        return;
    text_puts(body, ", \"state\": ");
    if (bent && bent->word)
        text_json(body, bent->word, strlen(bent->word));
    else
        text_printf(body, "\"%s\"", state_name((int)job->state));
    text_puts(body, ", \"status\": ");
    if (bent && bent->word)
        text_json(body, bent->word, strlen(bent->word));
    else
        text_printf(body, "\"%s\"", state_word((int)job->state));
}

/* Makes a job look as it does in an earlier state. */
static void take_back(struct job *job, enum vts_state state)
{
    job->state = state;
    job->progress = (struct ramp){0};
    job->ended_at = RECORD_NEVER;
    if (state == VTS_QUEUED)
        job->started_at = RECORD_NEVER;
    job->result = job->code = job->message = (struct bytes){0};
}

void job_json(struct text *body, const struct job *job, const struct instance *instance,
              uint64_t polls, vts_ms now, const struct vts_answer *bent)
{
    struct job earlier;

    if (bent && bent->state) {
        earlier = *job;
        take_back(&earlier, (enum vts_state)bent->state);
        job = &earlier;
    }
    text_puts(body, "{\"id\": ");
    text_json(body, job->id.at, job->id.length);
    add_words(body, job, bent);
    text_printf(body, ", \"progress\": %.6g, \"behaviour\": ", job_progress(job, now));
    if (instance)
        text_json(body, instance->name, strlen(instance->name));
    else
        text_puts(body, "null");
    job_json_moment(body, "created_at", job->created_at);
    job_json_moment(body, "started_at", job->started_at);
    job_json_moment(body, "ended_at", job->ended_at);
    text_printf(body, ", \"polls\": %llu, \"result\": ", (unsigned long long)polls);
    if (job->result.at)
        text_add(body, job->result.at, job->result.length);
    else
        text_puts(body, "null");
    if (job->state == VTS_FAILED) {
        text_puts(body, ", \"error\": {\"code\": ");
        text_json(body, job->code.at ? job->code.at : "error",
                  job->code.at ? job->code.length : strlen("error"));
        text_puts(body, ", \"message\": ");
        text_json(body, job->message.at ? job->message.at : "", job->message.length);
        text_puts(body, "}}");
    } else {
        text_puts(body, ", \"error\": null}");
    }
}
