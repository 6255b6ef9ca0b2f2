/* SPDX-License-Identifier: MIT
 *
 * flaky_service: a filter, so it stands between clients and the service: outages at set times, requests that
 * fail by chance, a quota for each window of time, and answers that get slower. It moves no job.
 *
 * All of it goes by the job's clock, so it is the same in virtual time. What it counts (for the quota, and
 * for slowness by load) is counted over all jobs that this filter stands around, and in this process alone:
 * another vtsimd on the same store counts for itself, and a restart begins at nothing. */
#include <vtsim/plugin.h>

enum outage_as { AS_STATUS, AS_HTML, AS_RESET, AS_EMPTY };
enum quota_of { OF_ALL, OF_STARTS, OF_POLLS };
enum slow { SLOW_OFF, SLOW_BY_TIME, SLOW_BY_LOAD };

struct settings {
    vts_ms outage_every, outage_for, outage_offset;
    int outage_as;
    int64_t outage_status;
    vts_ms outage_retry_after;
    double error_rate;
    int64_t error_status;
    vts_ms error_retry_after;
    int64_t quota;
    vts_ms quota_window;
    int quota_of;
    int slow;
    vts_ms slow_most, slow_over;
    int64_t slow_load;
    bool retry_after;
};

static const struct vts_option options[] = {
    VTS_OPTION_TIME(struct settings, outage_every, "10m",
                    "an outage begins so often, counted from 1970-01-01T00:00Z; 0: never"),
    VTS_OPTION_TIME(struct settings, outage_for, "30s", "how long an outage lasts"),
    VTS_OPTION_TIME(struct settings, outage_offset, "0", "outages begin so much later"),
    VTS_OPTION_CHOICE(struct settings, outage_as, "status|html|reset|empty", "status",
                      "what clients get meanwhile: an error object, a gateway's page, a connection "
                      "reset, or one closed without a word"),
    VTS_OPTION_INT(struct settings, outage_status, "503", 400, 599, "with this HTTP status"),
    VTS_OPTION_TIME(struct settings, outage_retry_after, "0",
                    "Retry-After in an outage; 0: what is left of it"),
    VTS_OPTION_REAL(struct settings, error_rate, "0.05", 0, 1,
                    "the share of requests that fail, drawn for each"),
    VTS_OPTION_INT(struct settings, error_status, "503", 400, 599, "with this HTTP status"),
    VTS_OPTION_TIME(struct settings, error_retry_after, "0",
                    "Retry-After of such a failure; 0: none"),
    VTS_OPTION_INT(struct settings, quota, "0", 0, 1e12,
                   "requests in one window; those beyond are answered 429; 0: any number"),
    VTS_OPTION_TIME_BETWEEN(struct settings, quota_window, "1m", 1, 3155760000000.0,
                            "how long a window is, counted from 1970-01-01T00:00Z"),
    VTS_OPTION_CHOICE(struct settings, quota_of, "all|starts|polls", "all",
                      "which requests count, and are refused"),
    VTS_OPTION_CHOICE(struct settings, slow, "off|time|load", "off",
                      "answers get slower: with time, or with requests"),
    VTS_OPTION_TIME(struct settings, slow_most, "5s", "how long the slowest answer takes"),
    VTS_OPTION_TIME_BETWEEN(struct settings, slow_over, "10m", 1, 3155760000000.0,
                            "the span over which it gets as slow; then it begins anew"),
    VTS_OPTION_INT(struct settings, slow_load, "100", 1, 1e12,
                   "by load: it is as slow after so many requests in that span"),
    VTS_OPTION_BOOL(struct settings, retry_after, "on", "tell Retry-After at all"),
    VTS_OPTIONS_END};

/* ---- windows ---- */

/* Counts of the last windows: threads come to a window's end at slightly different times, and a rehearsal
 * goes through the same time once for each job. Those of an earlier round are forgotten. */
#define WINDOWS 128

struct window {
    int64_t number;
    uint64_t count;
};

struct data {
    struct window quota[WINDOWS], load[WINDOWS];
};

/* How far a moment is into the span of this length that it falls into; *number is that span's. */
static vts_ms phase(vts_ms moment, vts_ms length, int64_t *number)
{
    vts_ms into = moment % length;

    into += into < 0 ? length : 0;
    *number = (moment - into) / length;
    return into;
}

/* Counts one more in a window, and tells how many there are. */
static uint64_t count_in(struct window *windows, int64_t number)
{
    struct window *window = &windows[(uint64_t)number % WINDOWS];

    if (window->number != number)
        *window = (struct window){.number = number};
    return ++window->count;
}

/* ---- what is wrong at the moment ---- */

static bool is_outage(const struct settings *set, vts_ms now, struct vts_answer *answer)
{
    int64_t number;
    vts_ms into;

    if (set->outage_every == 0)
        return false;
    into = phase(now - set->outage_offset, set->outage_every, &number);
    if (into >= set->outage_for)
        return false;
    answer->status = (int32_t)set->outage_status;
    answer->retry_after =
        set->outage_retry_after ? set->outage_retry_after : set->outage_for - into;
    answer->body = set->outage_as == AS_HTML ? VTS_BODY_HTML : VTS_BODY_USUAL;
    answer->cut = set->outage_as == AS_RESET   ? VTS_BREAK_RESET
                  : set->outage_as == AS_EMPTY ? VTS_BREAK_EMPTY
                                               : VTS_BREAK_NONE;
    return true;
}

static bool is_over_quota(const struct settings *set, struct data *data, vts_ms now, bool start,
                          struct vts_answer *answer)
{
    int64_t number;
    vts_ms into;

    if (set->quota == 0 || set->quota_of == (start ? OF_POLLS : OF_STARTS))
        return false;
    into = phase(now, set->quota_window, &number);
    if (count_in(data->quota, number) <= (uint64_t)set->quota)
        return false;
    answer->status = 429;
    answer->retry_after = set->quota_window - into;
    return true;
}

static vts_ms slowness(const struct settings *set, struct data *data, vts_ms now)
{
    int64_t number;
    double share;

    if (set->slow == SLOW_OFF)
        return 0;
    share = (double)phase(now, set->slow_over, &number) / (double)set->slow_over;
    if (set->slow == SLOW_BY_LOAD)
        share = (double)count_in(data->load, number) / (double)set->slow_load;
    return share < 1 ? (vts_ms)(share * (double)set->slow_most) : set->slow_most;
}

/* The one draw is always made, so that other settings change nothing of who fails by chance. */
static bool fails(struct vts_job *job, bool start, struct vts_answer *answer)
{
    const struct settings *set = vts_settings(job);
    bool unlucky = vts_chance(job, set->error_rate);
    struct data *data = vts_data(job);
    vts_ms now = vts_now(job);

    if (is_outage(set, now, answer) || is_over_quota(set, data, now, start, answer))
        return true;
    if (!unlucky) {
        answer->stall = slowness(set, data, now);
        return false;
    }
    answer->status = (int32_t)set->error_status;
    answer->retry_after = set->error_retry_after;
    return true;
}

/* ---- hooks ---- */

static void admit(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);
    struct vts_answer answer = {.size = sizeof(answer)};

    if (fails(job, true, &answer))
        vts_refuse(job, answer.status, 0);
    if (!set->retry_after)
        answer.retry_after = 0;
    if (answer.status || answer.stall)
        vts_bend(job, &answer);
}

static void poll(struct vts_job *job)
{
    const struct settings *set = vts_settings(job);
    struct vts_answer answer = {.size = sizeof(answer)};

    fails(job, false, &answer);
    if (!set->retry_after)
        answer.retry_after = 0;
    if (answer.status || answer.stall)
        vts_bend(job, &answer);
}

static bool open(struct vts_instance *instance, struct vts_error *error)
{
    const struct settings *set = instance->settings;

    if (set->outage_every > 0 && set->outage_for > set->outage_every)
        return vts_error_at(error, "outage_for", 1, 0,
                            "an outage lasts longer than the time from one to the next, which is "
                            "outage_every = %lld ms",
                            (long long)set->outage_every);
    return true;
}

static void reset(struct vts_instance *instance) { memset(instance->data, 0, sizeof(struct data)); }

VTS_PLUGIN(flaky_service, .kind = VTS_FILTER,
           .summary = "outages, failing requests, a quota, slow answers", .options = options,
           .settings_size = sizeof(struct settings), .instance_size = sizeof(struct data),
           .serial = true, .open = open, .admit = admit, .poll = poll, .reset = reset)
