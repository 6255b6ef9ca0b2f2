/* SPDX-License-Identifier: MIT
 *
 * The whole API between vtsim and a behaviour plugin. Header only: a plugin links against nothing
 * of vtsim, because every host function is reached through a table of pointers that the core hands
 * in.
 *
 * A plugin is a behaviour, which decides how jobs go, or a filter, which stands between clients and the
 * service (see struct vts_plugin). It is one shared object NAME.so that describes itself with
 * VTS_PLUGIN(NAME, ...). It sees jobs through hooks; in a hook it notes what it wants to happen (complete,
 * fail, wake me later), and the core carries that out after the hook returned.
 *
 * Time. Every moment and span is a vts_ms: signed milliseconds; moments count from 1970-01-01 UTC.
 * What a hook sees as now (vts_now) is the moment at which its event was due, on vtsim's clock,
 * which tests may have slowed, sped up or stopped. A plugin never asks the system for the time.
 *
 * Chance. vts_random and what is built on it draw from streams that depend on the configured seed
 * and the job's id alone. A plugin never uses rand().
 *
 * Threads. Hooks of one job never overlap. Hooks of different jobs may, open() included; so a
 * plugin keeps what belongs to a job in vts_state() and has no writable statics. One that keeps
 * mutable data in its instance says .serial = true, and the core then calls that instance one hook
 * at a time.
 *
 * Again. A hook can be run once more for the same event, where what it noted could not be kept (another
 * server was faster, no memory): only one outcome is ever kept, but a log line may come twice.
 *
 * Memory. What a host function returns belongs to the core and lives until the hook returns; what
 * is handed to a host function is copied before the call returns.
 *
 * ABI. VTS_ABI is the number of all that stands here; vtsimd loads plugins of its own number alone, and
 * tells both numbers where they differ. Within one number
 *   - struct vts_plugin, vts_host, vts_instance, vts_job and vts_answer may grow at their ends, and enums
 *     may get values behind their last;
 *   - struct vts_option, vts_delay, vts_list and vts_error stay as they are, and so does what each
 *     function, hook, option type and enum value means;
 *   - a plugin that was built with an earlier header runs as it did: what that header did not have counts
 *     as zero. One that was built with a later header loads, too: hooks that this vtsimd does not know are
 *     not called, and a wrapper whose function is missing here (host->size tells) does what its comment
 *     says of that.
 * A change of any other kind raises VTS_ABI. A test of vtsim's (tests/abi/) fixes every size, offset and
 * value.
 */
#ifndef VTSIM_PLUGIN_H
#define VTSIM_PLUGIN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VTS_ABI 1u

#if defined(__GNUC__)
#define VTS_EXPORT             __attribute__((visibility("default")))
#define VTS_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define VTS_EXPORT
#define VTS_PRINTF(fmt, first)
#endif

/* ---- time ------------------------------------------------------------------------------------ */

/* Milliseconds: a span, or a moment since 1970-01-01T00:00:00Z. */
typedef int64_t vts_ms;

/* The last moment that vtsim knows: 9999-12-31T23:59:59.999Z. Wakes beyond it are set to it. */
#define VTS_TIME_END INT64_C(253402300799999)

/* Bytes, at the most: of one job's state, and of a result or a message. */
#define VTS_STATE_MAX ((size_t)64 * 1024)
#define VTS_TEXT_MAX  ((size_t)64 * 1024)

/* ---- errors ---------------------------------------------------------------------------------- */

enum vts_err {
    VTS_OK = 0,
    VTS_ERR_MEMORY,  /* an allocation failed */
    VTS_ERR_INVALID, /* settings or input that cannot be right */
    VTS_ERR_EXISTS,  /* there is one already */
    VTS_ERR_NOT_FOUND,
    VTS_ERR_LIMIT,   /* a configured limit is reached: try again later */
    VTS_ERR_IO,      /* the system refused: file, socket, device */
    VTS_ERR_LOAD,    /* a module could not be loaded */
    VTS_ERR_DAMAGED, /* stored data that cannot be understood */
    VTS_ERR_BUSY     /* cannot be served now: try again later */
};

/* An error as it travels up to the edge that prints it. Filled with vts_error_set and its siblings.
 * key, line and column are for errors in a setting's value: which option, and where in its text
 * (both count from 1; 0: unknown). vtsim turns them into a place in the INI file. */
struct vts_error {
    enum vts_err code;
    uint32_t line, column;
    char key[52];
    char message[512];
};

/* Fills *error (NULL is allowed) with a code and a printf message. Always returns false, so that a
 * plugin's open() can end with `return vts_error_set(error, VTS_ERR_INVALID, "...")`. */
VTS_PRINTF(3, 4)
static inline bool vts_error_set(struct vts_error *error, enum vts_err code, const char *format,
                                 ...)
{
    va_list args;

    if (!error)
        return false;
    memset(error, 0, offsetof(struct vts_error, message));
    error->code = code;
    va_start(args, format);
    vsnprintf(error->message, sizeof(error->message), format, args);
    va_end(args);
    return false;
}

/* The same for the text of one setting: `key` is the option, `line` and `column` the place in its
 * text. Always returns false. */
VTS_PRINTF(5, 6)
static inline bool vts_error_at(struct vts_error *error, const char *key, uint32_t line,
                                uint32_t column, const char *format, ...)
{
    va_list args;

    if (!error)
        return false;
    memset(error, 0, offsetof(struct vts_error, message));
    error->code = VTS_ERR_INVALID;
    error->line = line;
    error->column = column;
    snprintf(error->key, sizeof(error->key), "%s", key);
    va_start(args, format);
    vsnprintf(error->message, sizeof(error->message), format, args);
    va_end(args);
    return false;
}

/* ---- settings -------------------------------------------------------------------------------- */

/* A DELAY: a fixed time or a distribution of times. Drawn with vts_sample(). All in ms. */
enum vts_distribution {
    VTS_FIXED,       /* a */
    VTS_UNIFORM,     /* from a to b, both included */
    VTS_NORMAL,      /* mean a, standard deviation b; what falls below 0 is 0 */
    VTS_EXPONENTIAL, /* mean a */
    VTS_LOGNORMAL    /* median a, sigma of the logarithm */
};

struct vts_delay {
    int32_t distribution; /* enum vts_distribution */
    int32_t reserved;
    vts_ms a, b;
    double sigma;
    vts_ms max; /* no draw is above it; VTS_TIME_END: no limit */
};

/* A LIST: one item a line of the INI value. items[count] is NULL. */
struct vts_list {
    size_t count;
    const char *const *items;
};

/* The type of an option: how its text reads, and the type of the field it is written to.
 *
 * BOOL    on, yes, true, 1 / off, no, false, 0             bool
 * INT     a whole number, decimal                          int64_t
 * REAL    a decimal number; no NaN, no infinity            double
 * TIME    one number and one unit: 250ms 10s 2m 1h 1d; 0   vts_ms, never negative
 * DELAY   a TIME, or `uniform 5s..15s`, `normal 10s sd 2s`,
 *         `exponential 10s`, `lognormal 8s sigma 0.5`,
 *         each with an optional `max 60s`                  struct vts_delay
 * TEXT    as it stands, line breaks kept                   const char *
 * LIST    one item a line; empty lines are skipped         struct vts_list
 * CHOICE  one of `choices`, written "one|two|three"        int: the index of the choice
 * PATH    a file name, taken relative to the INI file's
 *         folder; never taken from a request               const char *
 *
 * min and max, where they differ, bound INT and REAL (the value), TIME (ms), DELAY (every parameter
 * that is a time, ms), TEXT and PATH (bytes), LIST (items). */
enum vts_option_type {
    VTS_OPTION_END_TYPE = 0,
    VTS_BOOL,
    VTS_INT,
    VTS_REAL,
    VTS_TIME,
    VTS_DELAY,
    VTS_TEXT,
    VTS_LIST,
    VTS_CHOICE,
    VTS_PATH
};

/* One setting of a plugin: how it reads, where it is written, what it says of itself. */
struct vts_option {
    int32_t type; /* enum vts_option_type */
    int32_t reserved;
    const char *key;      /* [a-z][a-z0-9_]*, at most 48 bytes */
    size_t offset;        /* into your settings; the macros below check the field's type */
    const char *fallback; /* as it would stand in the INI file; NULL: the setting is required */
    double min, max;
    const char
        *choices;     /* CHOICE: "one|two"; else, for a required setting: an example of its value,
                          * which --describe gives as what to paste; NULL: none */
    const char *help; /* one line, with the unit */
};

#ifdef __cplusplus
#define VTS_FIELD_(kind, ctype, st, field) kind
#else
/* Refuses at compile time a field whose type is not the one that the option writes. */
#define VTS_FIELD_(kind, ctype, st, field) _Generic(((st *)0)->field, ctype : kind)
#endif

#define VTS_OPTION_(kind, ctype, st, field, fallback, min, max, choices, help)                     \
    {                                                                                              \
        VTS_FIELD_(kind, ctype, st, field), 0, #field, offsetof(st, field), fallback, min, max,    \
            choices, help                                                                          \
    }

/* The table's entries. `st` is your settings struct, `field` one of its members, which is also the
 * key in the INI file. min and max are as said at enum vts_option_type. */
#define VTS_OPTION_BOOL(st, field, fallback, help)                                                 \
    VTS_OPTION_(VTS_BOOL, bool, st, field, fallback, 0, 0, NULL, help)
#define VTS_OPTION_INT(st, field, fallback, min, max, help)                                        \
    VTS_OPTION_(VTS_INT, int64_t, st, field, fallback, min, max, NULL, help)
#define VTS_OPTION_REAL(st, field, fallback, min, max, help)                                       \
    VTS_OPTION_(VTS_REAL, double, st, field, fallback, min, max, NULL, help)
#define VTS_OPTION_TIME(st, field, fallback, help)                                                 \
    VTS_OPTION_(VTS_TIME, vts_ms, st, field, fallback, 0, 0, NULL, help)
#define VTS_OPTION_TIME_BETWEEN(st, field, fallback, min, max, help)                               \
    VTS_OPTION_(VTS_TIME, vts_ms, st, field, fallback, min, max, NULL, help)
#define VTS_OPTION_DELAY(st, field, fallback, help)                                                \
    VTS_OPTION_(VTS_DELAY, struct vts_delay, st, field, fallback, 0, 0, NULL, help)
#define VTS_OPTION_TEXT(st, field, fallback, help)                                                 \
    VTS_OPTION_(VTS_TEXT, const char *, st, field, fallback, 0, 0, NULL, help)
/* A text that must be given, and an example of one. */
#define VTS_OPTION_TEXT_REQUIRED(st, field, example, help)                                         \
    VTS_OPTION_(VTS_TEXT, const char *, st, field, NULL, 0, 0, example, help)
#define VTS_OPTION_LIST(st, field, fallback, help)                                                 \
    VTS_OPTION_(VTS_LIST, struct vts_list, st, field, fallback, 0, 0, NULL, help)
#define VTS_OPTION_CHOICE(st, field, choices, fallback, help)                                      \
    VTS_OPTION_(VTS_CHOICE, int, st, field, fallback, 0, 0, choices, help)
#define VTS_OPTION_PATH(st, field, fallback, help)                                                 \
    VTS_OPTION_(VTS_PATH, const char *, st, field, fallback, 0, 0, NULL, help)
#define VTS_OPTIONS_END                                                                            \
    {                                                                                              \
        VTS_OPTION_END_TYPE, 0, NULL, 0, NULL, 0, 0, NULL, NULL                                    \
    }

/* ---- answers --------------------------------------------------------------------------------- */

/* What happens to the connection instead of, or in the middle of, an answer. */
enum vts_break {
    VTS_BREAK_NONE,
    VTS_BREAK_RESET,    /* the connection is reset (RST), nothing is said */
    VTS_BREAK_EMPTY,    /* the connection is closed, nothing is said */
    VTS_BREAK_TRUNCATE, /* a full Content-Length, half of the body, then a close */
    VTS_BREAK_GARBAGE   /* bytes that are no HTTP, then a close */
};

/* What the body is. */
enum vts_body {
    VTS_BODY_USUAL,
    VTS_BODY_HTML,         /* a page as gateways send it, as text/html */
    VTS_BODY_INVALID_JSON, /* labelled application/json, but cut off in the middle */
    VTS_BODY_NO_STATUS,    /* the usual body without the member that tells the state */
    VTS_BODY_NOT_FOUND     /* the 404 that is told of an id that no job has */
};

/* How an answer is bent. Zero members mean "as usual", so set only what you want:
 *     vts_bend(job, &(struct vts_answer){.size = sizeof(struct vts_answer), .status = 503});
 * or shorter, VTS_BEND(job, .status = 503, .retry_after = 2000). */
struct vts_answer {
    uint32_t size;  /* sizeof(struct vts_answer): lets the struct grow */
    int32_t status; /* HTTP status, 200 to 599; other than 2xx the body is an error object */
    vts_ms
        retry_after; /* span until a retry is welcome, sent in whole seconds, rounded up; -1: 0 */
    bool retry_after_date; /* send it as an HTTP date instead */
    vts_ms stall;          /* span before the first byte of the answer */
    vts_ms dribble;        /* span over which the answer's bytes are spread */
    int32_t cut;           /* enum vts_break */
    int32_t body;          /* enum vts_body */
    const char *word; /* told as the job's status instead of the true word; NULL: the true one */
    /* VTS_QUEUED or VTS_RUNNING: told as the job's state instead of the true one, and with it what belongs to
     * it: no end, no result, no error, progress 0, and no start for a queued one. 0: the true state. A vtsimd
     * that does not know this member tells the true state. */
    int32_t state;
};

/* ---- what a plugin sees ---------------------------------------------------------------------- */

struct vts_host;
struct vts_plugin;

/* A plugin with one set of settings. In open() a plugin may change state_size and counts_polls. */
struct vts_instance {
    const struct vts_host *host;
    const struct vts_plugin *plugin;
    const char *name;     /* the INI section's: what a user calls this behaviour */
    const void *settings; /* your struct, filled from your options; read only */
    void *data;           /* plugin->instance_size zeroed bytes, aligned for anything */
    size_t state_size; /* bytes of state for each job; at first plugin->state_size; 64 KiB most */
    bool counts_polls; /* polls move this instance's jobs; costs a write for each poll */
};

/* One job, for the time of one hook. */
struct vts_job {
    const struct vts_host *host;
    const struct vts_instance *instance;
    void *state; /* instance->state_size bytes, zeroed at the first hook, kept with the job */
};

enum vts_state {
    VTS_ASKED,  /* a start was refused; clients are told that there is no such job */
    VTS_QUEUED, /* waits for a slot: vts_wait(job, VTS_FOR_SLOT) */
    VTS_RUNNING,
    VTS_COMPLETED,
    VTS_FAILED,
    VTS_CANCELLED
};

/* What a job may wait for instead of a wake. */
enum vts_wait_for {
    VTS_FOR_POLL = 1, /* the next poll; only where the instance counts_polls */
    VTS_FOR_SLOT = 2, /* a slot to run in; only where open() said vts_slots */
    VTS_FOR_EVER = 4  /* nothing: it ends only by a cancel */
};

enum vts_level { VTS_DEBUG, VTS_INFO, VTS_WARNING, VTS_ERROR };

/* The functions of the core. Use the wrappers below. Grows only at its end; `size` tells how far.
 */
struct vts_host {
    uint32_t abi, size;
    /* read */
    const char *(*job_id)(const struct vts_job *);
    const char *(*input)(const struct vts_job *);
    const char *(*input_text)(const struct vts_job *, const char *path, const char *fallback);
    double (*input_number)(const struct vts_job *, const char *path, double fallback);
    vts_ms (*now)(const struct vts_job *);
    vts_ms (*age)(const struct vts_job *);
    uint64_t (*polls)(const struct vts_job *);
    int32_t (*state)(const struct vts_job *);
    /* draw */
    uint64_t (*random)(struct vts_job *);
    vts_ms (*sample)(struct vts_job *, const struct vts_delay *);
    /* act */
    void (*wake_after)(struct vts_job *, vts_ms);
    void (*wait)(struct vts_job *, uint32_t);
    void (*progress)(struct vts_job *, double);
    void (*progress_over)(struct vts_job *, double, vts_ms);
    void (*complete)(struct vts_job *, const char *);
    void (*fail)(struct vts_job *, const char *, const char *);
    void (*cancel)(struct vts_job *);
    /* answer */
    void (*refuse)(struct vts_job *, int32_t, vts_ms);
    void (*bend)(struct vts_job *, const struct vts_answer *);
    /* say */
    void (*log)(const struct vts_job *, int32_t, const char *);
    void (*instance_log)(const struct vts_instance *, int32_t, const char *);
    /* settings */
    bool (*parse_time)(const struct vts_instance *, const char *, vts_ms *, struct vts_error *);
    bool (*parse_delay)(const struct vts_instance *, const char *, struct vts_delay *,
                        struct vts_error *);
    /* open */
    void (*stamp)(struct vts_instance *, const char *);
    const char *(*stamped)(const struct vts_instance *);
    /* slots */
    bool (*slots)(struct vts_instance *, uint64_t);
    bool (*granted)(const struct vts_job *);
    uint64_t (*waiting)(const struct vts_job *);
    uint64_t (*free_slots)(const struct vts_job *);
};

/* Whether this vtsimd has a function that an earlier one lacks. */
#define VTS_HOST_HAS_(host, function)                                                              \
    ((host)->size >= offsetof(struct vts_host, function) + sizeof((host)->function))

/* ---- read: in every hook --------------------------------------------------------------------- */

/* Your settings, as your option table filled them. Read only. */
static inline const void *vts_settings(const struct vts_job *job)
{
    return job->instance->settings;
}

/* This job's own bytes: zeroed when the job is made, kept with it, also through a restart. Plain
 * bytes: no pointers. NULL where state_size is 0. In poll of an instance that does not count polls,
 * what is written here is thrown away. */
static inline void *vts_state(struct vts_job *job) { return job->state; }

/* This process's own bytes for the instance: filled in open(). Written later only by a plugin that
 * says .serial. */
static inline void *vts_data(const struct vts_job *job) { return job->instance->data; }

/* The job's id: 1 to 255 bytes of UTF-8. */
static inline const char *vts_job_id(const struct vts_job *job) { return job->host->job_id(job); }

/* What the client gave as input: JSON text, or NULL where it gave none. */
static inline const char *vts_input(const struct vts_job *job) { return job->host->input(job); }

/* A text in the input, by the names on the way to it: vts_input_text(job, "video.language", "en").
 * `fallback`, which may be NULL, where there is no such text, or something else than a text. Each name is
 * of 255 bytes at most; one with a dot in it cannot be asked for. */
static inline const char *vts_input_text(const struct vts_job *job, const char *path,
                                         const char *fallback)
{
    return job->host->input_text(job, path, fallback);
}

/* A number in the input, in the same way; whole numbers beyond 2^53 are rounded. */
static inline double vts_input_number(const struct vts_job *job, const char *path, double fallback)
{
    return job->host->input_number(job, path, fallback);
}

/* The moment at which this hook's event was due. */
static inline vts_ms vts_now(const struct vts_job *job) { return job->host->now(job); }

/* How long the job has been running at vts_now(), since its first slot where it waited for one; 0 before
 * that. */
static inline vts_ms vts_age(const struct vts_job *job) { return job->host->age(job); }

/* In poll: the number of this poll, from 1. In admit: the number of this attempt to start the id, from
 * 1. In every other hook 0, since it could depend on how often clients look. */
static inline uint64_t vts_polls(const struct vts_job *job) { return job->host->polls(job); }

/* The job's state before this hook. */
static inline enum vts_state vts_job_state(const struct vts_job *job)
{
    return (enum vts_state)job->host->state(job);
}

/* ---- draw: in every hook --------------------------------------------------------------------- */

/* 64 even random bits. start, wake, cancel and finish draw from the stream of the job's life; admit
 * and poll from the stream of its answers, which begins anew for each poll. A poll that counts
 * (counts_polls) still draws from the latter. */
static inline uint64_t vts_random(struct vts_job *job) { return job->host->random(job); }

/* An even number in [0, 1). */
static inline double vts_uniform(struct vts_job *job)
{
    return (double)(job->host->random(job) >> 11) * 0x1.0p-53;
}

/* True with this probability: 0 or less is never, 1 or more always. Always draws once. */
static inline bool vts_chance(struct vts_job *job, double probability)
{
    return vts_uniform(job) < probability;
}

/* A draw from a DELAY, in ms: 0 to delay->max. Draws nothing for a fixed one, twice for normal and
 * lognormal, else once. */
static inline vts_ms vts_sample(struct vts_job *job, const struct vts_delay *delay)
{
    return job->host->sample(job, delay);
}

/* ---- act: in start, wake and cancel; in poll where the instance counts_polls ------------------ *
 *
 * Noted, and carried out after the hook returned. Elsewhere they do nothing but log a warning. */

/* Calls wake() after this span (below 0: at once; beyond VTS_TIME_END: then; either with a warning).
 * Replaces an earlier wake: a job has one at most. */
static inline void vts_wake_after(struct vts_job *job, vts_ms span)
{
    job->host->wake_after(job, span);
}

/* Declares what the job waits for: VTS_FOR_POLL, VTS_FOR_SLOT, VTS_FOR_EVER, or'ed together. Stands
 * until the next vts_wait, VTS_FOR_SLOT until the slot is granted; 0 withdraws it. A hook must leave its
 * job ended, with a wake, or waiting: any other job is failed. See "slots" below for VTS_FOR_SLOT. */
static inline void vts_wait(struct vts_job *job, unsigned int what) { job->host->wait(job, what); }

/* Sets the progress, 0 to 1. It never goes down: less than it is already changes nothing, more than
 * 1 is 1, NaN is ignored with a warning. */
static inline void vts_progress(struct vts_job *job, double progress)
{
    job->host->progress(job, progress);
}

/* Lets the progress grow evenly from what it is to `progress` (as above) over a span; no hook is called for
 * it. A span of 0 or less sets it at once. Replaces what is left of an earlier one; the job's end stops it.
 * A completed job's progress is 1. */
static inline void vts_progress_over(struct vts_job *job, double progress, vts_ms span)
{
    job->host->progress_over(job, progress, span);
}

/* Ends the job as completed. `json` is its result, one JSON value of 64 KiB at most, or NULL; what
 * is no JSON fails the job. The first of complete, fail and cancel counts. */
static inline void vts_complete(struct vts_job *job, const char *json)
{
    job->host->complete(job, json);
}

/* Ends the job as failed. `code` is a short word for programs (at most 255 bytes), `message` for
 * people (cut at 64 KiB); broken UTF-8 is mended, with a warning. NULL: "error" and "the job failed". */
static inline void vts_fail(struct vts_job *job, const char *code, const char *message)
{
    (job->host->fail)(job, code, message); /* cmocka.h has a macro of this name */
}

/* Ends the job as cancelled: for a wake some time after a cancel. A cancel that the cancel hook
 * does not decide (by an end, a wake or vts_wait) does this by itself. */
static inline void vts_cancel(struct vts_job *job) { job->host->cancel(job); }

/* ---- slots ----------------------------------------------------------------------------------- *
 *
 * An instance may have slots, of which a job holds one at most: so many of its jobs run, the others wait.
 *
 * A job that says vts_wait(job, VTS_FOR_SLOT) is VTS_QUEUED and stands in line by the moment at which it
 * said so, then by its id. One that held a slot gives it back by that. As soon as there is a free slot the
 * first in line is granted it, at the very moment at which it became free: the job is VTS_RUNNING from then
 * on, and its wake() is called, with vts_granted() true. A job that waits may have a wake as well, for
 * what happens if it waits too long; the grant calls it off. A job's end gives its slot back at that
 * moment, and so does a job that is cancelled.
 *
 * All events of an instance's jobs have one order, by their moment, then by the job's id: what is due comes
 * before any start, poll or cancel of one of these jobs, each at its own moment. So the outcome hangs on
 * the order of the starts, and not on who looks when.
 *
 * Slots are there where jobs live in memory or in SQLite. With Redis vtsimd does not start with such a
 * behaviour. */

/* In open() of a behaviour: the instance has so many slots. False for 0, elsewhere, and where this vtsimd knows
 * no slots: then open can only refuse, `return vts_error_set(error, VTS_ERR_INVALID, "...")`. */
static inline bool vts_slots(struct vts_instance *instance, uint64_t count)
{
    return VTS_HOST_HAS_(instance->host, slots) && instance->host->slots(instance, count);
}

/* In wake: whether it is called because the job was granted a slot. */
static inline bool vts_granted(const struct vts_job *job)
{
    return VTS_HOST_HAS_(job->host, granted) && job->host->granted(job);
}

/* How many jobs of the instance wait for a slot now, and how many slots are free; the hook's own job counts as
 * what it was before. 0 after its end, and where there are no slots. */
static inline uint64_t vts_waiting(const struct vts_job *job)
{
    return VTS_HOST_HAS_(job->host, waiting) ? job->host->waiting(job) : 0;
}

static inline uint64_t vts_free_slots(const struct vts_job *job)
{
    return VTS_HOST_HAS_(job->host, free_slots) ? job->host->free_slots(job) : 0;
}

/* ---- answer ---------------------------------------------------------------------------------- */

/* In admit: refuses the start with this HTTP status (400 to 599) and, where retry_after is not 0, a
 * Retry-After (see struct vts_answer). The job is not there until a later start is admitted; its
 * state bytes are kept between the attempts. */
static inline void vts_refuse(struct vts_job *job, int status, vts_ms retry_after)
{
    job->host->refuse(job, status, retry_after);
}

/* In admit (with vts_refuse), start and poll: bends what the client is told. The last one counts.
 * The job is not touched: a start whose answer is broken is still a start. A filter's admit may bend without
 * refusing, too: then it is the answer of the start, if it is accepted. */
static inline void vts_bend(struct vts_job *job, const struct vts_answer *answer)
{
    job->host->bend(job, answer);
}

#ifdef __cplusplus
static inline void vts_bend_by_value_(struct vts_job *job, struct vts_answer answer)
{
    vts_bend(job, &answer);
}
#define VTS_BEND(job, ...)                                                                         \
    vts_bend_by_value_((job), vts_answer{.size = sizeof(struct vts_answer), __VA_ARGS__})
#else
#define VTS_BEND(job, ...)                                                                         \
    vts_bend((job), &(struct vts_answer){.size = sizeof(struct vts_answer), __VA_ARGS__})
#endif

/* ---- say ------------------------------------------------------------------------------------- */

/* A line in vtsimd's log, with the job's id, where [server] log_level lets this level through. Cut at 1,000
 * bytes. Can be called in every hook. */
VTS_PRINTF(3, 4)
static inline void vts_logf(const struct vts_job *job, enum vts_level level, const char *format,
                            ...)
{
    char line[1001];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    job->host->log(job, (int32_t)level, line);
}

/* The same from open() and close(), with the instance's name (that of the INI section). */
VTS_PRINTF(3, 4)
static inline void vts_instance_logf(const struct vts_instance *instance, enum vts_level level,
                                     const char *format, ...)
{
    char line[1001];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    instance->host->instance_log(instance, (int32_t)level, line);
}

/* ---- settings in a language of your own ------------------------------------------------------- */

/* Whether the core has the function that ends at this place of the table. */
static inline bool vts_host_has_(const struct vts_host *host, size_t end, struct vts_error *error)
{
    if (host->size >= end)
        return true;
    return vts_error_set(error, VTS_ERR_LOAD,
                         "this vtsimd is too old for the plugin: it cannot read times for it");
}

/* In open(): reads a TIME such as 250ms, or a DELAY such as uniform 5s..15s, as options of these types are
 * read, out of a text of the plugin's own. False, with *error (which may be NULL) filled, where the text is
 * none: the message says what would be right, the error's line and column are the place in `text` (0: all of
 * it), its key is empty. A vtsimd that does not have them says so: false, VTS_ERR_LOAD. */
static inline bool vts_parse_time(const struct vts_instance *instance, const char *text,
                                  vts_ms *time, struct vts_error *error)
{
    return vts_host_has_(instance->host, offsetof(struct vts_host, parse_delay), error) &&
           instance->host->parse_time(instance, text, time, error);
}

static inline bool vts_parse_delay(const struct vts_instance *instance, const char *text,
                                   struct vts_delay *delay, struct vts_error *error)
{
    return vts_host_has_(instance->host, offsetof(struct vts_host, parse_delay) + sizeof(void *),
                         error) &&
           instance->host->parse_delay(instance, text, delay, error);
}

/* ---- stamp: in open() alone -------------------------------------------------------------------- *
 *
 * An instance is known by its plugin and its settings. One that reads something else besides, such as a file
 * that a PATH names, says by a stamp what it read: a hash of it, and whatever else is needed to go on with
 * jobs that were started under it. Then the same settings with another stamp are another instance: when the
 * configuration is read anew, new jobs get the file as it is by then, and jobs that are there go on under
 * what they were started with. A filter has no stamp: it is asked about jobs of any age, and reads
 * what is there when it is opened. */

/* Sets the stamp: a short text of printable ASCII, of which 200 bytes are kept. Elsewhere than in open() it
 * does nothing, nor does it with a vtsimd that does not know it: such a one sees no change of the file. */
static inline void vts_stamp(struct vts_instance *instance, const char *text)
{
    if (instance->host->size > offsetof(struct vts_host, stamp))
        instance->host->stamp(instance, text);
}

/* The stamp of the instance that is opened again, after a restart or on another vtsimd, for jobs that were
 * started under it; NULL where new jobs may be started with it. In the first case no job is started: admit
 * and start are not called, so what they alone need (the file: it may have changed, or be gone) can be left
 * out; state_size must be what it was. Do not stamp then: the stamp stays. */
static inline const char *vts_stamped(const struct vts_instance *instance)
{
    return instance->host->size > offsetof(struct vts_host, stamped)
               ? instance->host->stamped(instance)
               : NULL;
}

/* ---- the plugin itself ----------------------------------------------------------------------- */

enum vts_kind {
    VTS_BEHAVIOUR = 0, /* decides how a job goes */
    VTS_FILTER = 1     /* decides how the service answers: admit and poll alone */
};

/* What a module exports. Filled by VTS_PLUGIN. A hook that is NULL is not called, as if it did nothing.
 *
 * A job's life, and what may be called in each hook (read, draw and vts_logf: in all of them):
 *
 *   hook    called when                      act   answer        writes state  where it does nothing
 *   admit   a client asks to start the id    no    refuse, bend  yes           the start is admitted
 *   start   it was admitted                  yes   bend          yes           the job is failed (*)
 *   wake    the wake that it asked for       yes   no            yes           the job is failed (*)
 *           is due, or the slot that it
 *           waits for is granted
 *   poll    a client asks for the status,    (+)   bend          (+)           the client is told the truth
 *           also after the end
 *   cancel  a client asks to stop it,        yes   no            yes           the job ends as cancelled
 *           before its end
 *   finish  it has ended: once               no    no            yes           nothing
 *
 *   (*) unless it waits from before: a hook must leave its job ended, with a wake, or waiting. The message
 *       names plugin and hook, the error's code is "behaviour_error".
 *   (+) only where the instance counts_polls, and to act only before the end; otherwise it does nothing but
 *       log a warning, and what is written to the state is thrown away.
 *
 * A filter has admit and poll alone, and they neither act nor write state: it has none. Filters are asked in
 * their order, before the behaviour. One that refuses, or answers a poll with a status of 300 or more or a cut,
 * answers in the service's place: nobody behind it is asked about this request, whose number is counted all
 * the same (vts_polls). Else what they and the behaviour bend is joined: stalls and dribbles add up, of each
 * other member the one that is set first stays. Chance: a filter's draws are its own, keyed by its name, the job
 * and the number of the poll or attempt. Of a start of an id that is taken, of unknown ids, cancels and listings
 * it does not hear.
 *
 * A job asks for wakes; polls only look. Wakes that are due come before every other event, each with its
 * own moment as vts_now(), however late somebody looks. More than 1,000 wakes in one moment are taken to
 * be without end: the job is failed. What a hook may not do is not done, and logged once for each instance.
 * A hook that crashes takes the whole vtsimd with it. */
struct vts_plugin {
    uint32_t abi, size, option_size;  /* first: they protect the rest */
    int32_t kind;                     /* enum vts_kind */
    const char *name;                 /* that of the file, without .so; at most 64 bytes */
    const char *summary;              /* one line */
    const struct vts_option *options; /* ends with VTS_OPTIONS_END; NULL: no settings */
    size_t settings_size, instance_size, state_size;
    uint32_t state_version; /* raise it when the meaning of the state bytes changes: a stored job
                             * with another one is failed, with a message, and no other job */
    bool serial;            /* call one hook of an instance at a time */

    /* Settings are filled: check them, prepare instance->data, fix state_size and counts_polls.
     * False, with *error filled, refuses the settings. Called once an instance, on any thread.
     * If NULL: every set of settings that its options allow is taken. */
    bool (*open)(struct vts_instance *instance, struct vts_error *error);

    /* The instance goes: free what open() made. Not called where open() returned false. */
    void (*close)(struct vts_instance *instance);

    /* A client asks to start a job. May vts_refuse. Draws from the stream of answers, keyed by the
     * number of the attempt. If NULL or silent: admitted. */
    void (*admit)(struct vts_job *job);

    /* The job was accepted, at this moment. Required of a behaviour. */
    void (*start)(struct vts_job *job);

    /* The wake that the job asked for is due, or it was granted the slot that it waits for: vts_granted
     * tells. Required of a behaviour that asks for one. */
    void (*wake)(struct vts_job *job);

    /* A client asks for the job's status: may bend the answer; may move the job where the instance
     * counts_polls. Also called after the end, when only the answer can still be bent. */
    void (*poll)(struct vts_job *job);

    /* A client asks to stop a job that has not ended. May end it, or ask for a wake (stopping takes
     * time) or vts_wait (it refuses to stop). If NULL or silent: it ends as cancelled. */
    void (*cancel)(struct vts_job *job);

    /* The job has ended, at this moment. One outcome is kept. It can change nothing but state. */
    void (*finish)(struct vts_job *job);

    /* Everything begins anew (POST /_sim/reset): the jobs are gone, and the clock shows what it did at first.
     * Make instance->data what open() made of it: forget what was counted since. Called one at a time with the
     * hooks of a .serial instance; for others hooks may run meanwhile. If NULL: the data stays. An earlier
     * vtsimd never calls it. */
    void (*reset)(struct vts_instance *instance);
};

/* The one symbol of a module: a function `NAME_LTX_vts_plugin`, which libltdl finds as vts_plugin,
 * so that several plugins can also be linked into one program. */
typedef const struct vts_plugin *vts_plugin_fn(void);

#ifdef __cplusplus
#define VTS_ENTRY_ extern "C" VTS_EXPORT
#else
#define VTS_ENTRY_ VTS_EXPORT
#endif

/* VTS_PLUGIN(NAME, .member = value, ...), at the end of the source: defines that function, and the record
 * that it hands out. In C++ it needs designated initializers, so C++20 (earlier ones: fill a static const
 * struct vts_plugin yourself, and hand it out from an extern "C" function of that name). */
#define VTS_PLUGIN(plugin_name, ...)                                                               \
    VTS_ENTRY_ const struct vts_plugin *plugin_name##_LTX_vts_plugin(void);                        \
    VTS_ENTRY_ const struct vts_plugin *plugin_name##_LTX_vts_plugin(void)                         \
    {                                                                                              \
        static const struct vts_plugin plugin = {.abi = VTS_ABI,                                   \
                                                 .size = sizeof(struct vts_plugin),                \
                                                 .option_size = sizeof(struct vts_option),         \
                                                 .name = #plugin_name,                             \
                                                 __VA_ARGS__};                                     \
        return &plugin;                                                                            \
    }

#ifdef __cplusplus
}
#endif

#endif
