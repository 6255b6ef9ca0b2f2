/* SPDX-License-Identifier: MIT
 *
 * What can be seen of a job: the struct that tests read, and the history, a line for each event. */
#include "inside.h"

#include <stdlib.h>

/* ---- words ---- */

static void describe_wait(const struct vts_harness_job *seen, struct text *out)
{
    if (seen->wake_at != VTS_HARNESS_NEVER)
        text_printf(out, "; wakes at %lld", (long long)seen->wake_at);
    if (seen->wait & VTS_FOR_POLL)
        text_puts(out, "; waits for a poll");
    if (seen->wait & VTS_FOR_SLOT)
        text_puts(out, "; waits for a slot");
    if (seen->wait & VTS_FOR_EVER)
        text_puts(out, "; waits for ever");
}

/* At most 200 bytes of a text that may be long. */
static void add_short(struct text *out, const char *text)
{
    size_t length = strlen(text);

    if (length <= 200) {
        text_add(out, text, length);
        return;
    }
    text_add(out, text, text_valid_utf8(text, 200));
    text_printf(out, "... (%zu bytes)", length);
}

void harness_describe(const struct entry *entry, struct text *out)
{
    const struct vts_harness_job *seen = &entry->seen;

    text_puts(out, seen->state == VTS_ASKED ? "not there" : state_name((int)seen->state));
    if (seen->progress > 0 && seen->state != VTS_COMPLETED)
        text_printf(out, " %.6g%%", seen->progress * 100);
    if (seen->result) {
        text_puts(out, " ");
        add_short(out, seen->result);
    }
    if (seen->code) {
        text_puts(out, " ");
        add_short(out, seen->code);
        text_puts(out, ": ");
        add_short(out, seen->message ? seen->message : "");
    }
    describe_wait(seen, out);
}

static void describe_answer(const struct vts_harness_job *seen, struct text *out)
{
    static const char *const cuts[] = {"", ", then reset", ", then closed", ", cut off",
                                       ", as garbage"};
    static const char *const bodies[] = {"", ", as HTML", ", as broken JSON", ", without a status",
                                         ", as if there were no such job"};
    const struct vts_answer *answer = seen->answer;

    if (!answer)
        return;
    if (answer->status)
        text_printf(out, "; answered %d", answer->status);
    else
        text_puts(out, "; answered");
    if (answer->retry_after)
        text_printf(out, ", Retry-After %lld ms%s",
                    (long long)(answer->retry_after < 0 ? 0 : answer->retry_after),
                    answer->retry_after_date ? " as a date" : "");
    if (answer->stall)
        text_printf(out, ", stalled %lld ms", (long long)answer->stall);
    if (answer->dribble)
        text_printf(out, ", dribbled over %lld ms", (long long)answer->dribble);
    if (answer->cut > 0 && (size_t)answer->cut < sizeof(cuts) / sizeof(cuts[0]))
        text_puts(out, cuts[answer->cut]);
    if (answer->body > 0 && (size_t)answer->body < sizeof(bodies) / sizeof(bodies[0]))
        text_puts(out, bodies[answer->body]);
    if (answer->word)
        text_printf(out, ", the status \"%s\"", answer->word);
    if (answer->state)
        text_printf(out, ", as if it were %s", state_name(answer->state));
}

/* ---- the history ---- */

/* Loses the older half of what is behind the first line. */
static void shorten(struct entry *entry)
{
    struct text *history = &entry->history, kept = TEXT_INIT;
    char *bytes = history->bytes, *second = strchr(bytes, '\n') + 1, *from, *at;

    from = memchr(bytes + history->length / 2, '\n', history->length - history->length / 2);
    from = from ? from + 1 : bytes + history->length;
    if (entry->forgotten > 0)
        second = strchr(second, '\n') + 1; /* the line that told so before */
    for (at = second; at < from; at = strchr(at, '\n') + 1)
        entry->forgotten++;
    text_add(&kept, bytes, (size_t)(strchr(bytes, '\n') + 1 - bytes));
    text_printf(&kept, "              %zu lines are left out here\n", entry->forgotten);
    text_add(&kept, from, (size_t)(bytes + history->length - from));
    text_finish(history);
    *history = kept;
}

static void add_line(struct entry *entry, vts_ms moment, const struct text *line)
{
    text_printf(&entry->history, "%12lld  %s\n", (long long)moment,
                line->failed ? "(no memory)" : line->bytes);
    if (entry->history.length > VTS_HARNESS_HISTORY_MAX && !entry->history.failed)
        shorten(entry);
}

void harness_note(struct entry *entry, const char *format, ...)
{
    struct text line = TEXT_INIT;
    va_list args;

    va_start(args, format);
    text_vprintf(&line, format, args);
    va_end(args);
    add_line(entry, entry->harness->now, &line);
    text_finish(&line);
}

static void note_event(struct entry *entry, const struct trial_seen *seen)
{
    static const char *const events[] = {"start", "wake", "poll", "cancel", "slot"};
    struct text line = TEXT_INIT;

    text_printf(&line, "%s: ", events[seen->event]);
    if (seen->exists) {
        text_puts(&line, "409, there is such a job");
    } else {
        harness_describe(entry, &line);
        if (seen->event != TRIAL_WAKE && seen->event != TRIAL_GRANT)
            describe_answer(&entry->seen, &line);
    }
    add_line(entry, harness_moment(entry->harness, seen->moment), &line);
    text_finish(&line);
}

const char *vts_harness_history(const struct vts_harness_job *job)
{
    const struct text *history = &harness_entry(job)->history;

    return history->failed ? "no memory for the history\n" : history->bytes ? history->bytes : "";
}

/* ---- the view ---- */

static void show(struct entry *entry, const struct job *job, vts_ms date)
{
    struct vts_harness_job *seen = &entry->seen;
    const struct vts_harness *harness = entry->harness;

    seen->state = job->state;
    seen->progress = job_progress(job, date);
    seen->result = job->result.at;
    seen->code = job->code.at;
    seen->message = job->message.at;
    seen->created_at = harness_moment(harness, job->created_at);
    seen->started_at = harness_moment(harness, job->started_at);
    seen->ended_at = harness_moment(harness, job->ended_at);
    seen->wake_at = harness_moment(harness, job->wake_at);
    seen->wait = job->waits;
    seen->polls = entry->job.polls;
    seen->bytes = (void *)(uintptr_t)job->plugin_state.at;
    seen->byte_count = job->plugin_state.at ? job->plugin_state.length : 0;
}

void harness_refresh(struct entry *entry)
{
    struct job job;

    if (trial_look(&entry->job, &job))
        show(entry, &job, entry->harness->begin + entry->harness->now);
}

/* The status of an answer that is not broken before its status line was sent. */
static int told_status(const struct vts_answer *answer)
{
    if (answer && (answer->cut == VTS_BREAK_RESET || answer->cut == VTS_BREAK_EMPTY ||
                   answer->cut == VTS_BREAK_GARBAGE))
        return 0;
    if (answer && answer->body == VTS_BODY_NOT_FOUND)
        return 404;
    return answer && answer->status ? answer->status : 200;
}

/* The answer is the trial's until its next event, so it is copied. */
static void keep_answer(struct entry *entry, const struct vts_answer *answer)
{
    entry->seen.answer = NULL;
    if (!answer)
        return;
    entry->answer = *answer;
    if (answer->word) {
        text_reset(&entry->word);
        text_puts(&entry->word, answer->word);
        entry->answer.word = entry->word.failed ? NULL : entry->word.bytes;
    }
    entry->seen.answer = &entry->answer;
}

static const char *told_word(const struct vts_harness_job *seen)
{
    const struct vts_answer *answer = seen->answer;

    if (seen->status < 200 || seen->status > 299 ||
        (answer && (answer->cut != VTS_BREAK_NONE || answer->body != VTS_BODY_USUAL)))
        return NULL;
    if (answer && answer->word)
        return answer->word;
    return state_word(answer && answer->state ? answer->state : (int)seen->state);
}

void harness_see(void *arg, struct trial_job *job, const struct trial_seen *seen)
{
    struct entry *entry = (struct entry *)(void *)((char *)job - offsetof(struct entry, job));

    (void)arg;
    show(entry, seen->job, seen->moment);
    entry->seen.writes += seen->kept;
    if (seen->event != TRIAL_WAKE && seen->event != TRIAL_GRANT) {
        keep_answer(entry, seen->answer);
        entry->seen.status = seen->exists ? 409 : told_status(seen->answer);
        entry->seen.word = seen->event == TRIAL_POLL ? told_word(&entry->seen) : NULL;
    }
    note_event(entry, seen);
}
