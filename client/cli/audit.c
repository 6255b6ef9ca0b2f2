/* SPDX-License-Identifier: MIT
 *
 * How clients asked for jobs: fetched from a vtsimd, told in a table or drawn as bars. See audit.h. What the
 * figures mean is told by the manual, vtsimd(8). */
#include "audit.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "output.h"

#define PAGE            1000
#define LABEL           20
#define COLUMNS         80
#define COLUMNS_AT_MOST 400

/* ---- reading answers ---- */

static double number_of(struct json_object *object, const char *name, double missing)
{
    struct json_object *member;

    if (!json_object_object_get_ex(object, name, &member) || !member)
        return missing;
    return json_object_get_double(member);
}

static const char *text_of(struct json_object *object, const char *name)
{
    struct json_object *member;

    return json_object_object_get_ex(object, name, &member) &&
                   json_object_is_type(member, json_type_string)
               ? json_object_get_string(member)
               : "";
}

/* Seconds since 1970 of a moment as RFC 3339 has it in UTC. */
static double moment_of(struct json_object *object, const char *name)
{
    struct tm tm = {0};
    const char *fraction = strptime(text_of(object, name), "%Y-%m-%dT%H:%M:%S", &tm);

    return fraction ? (double)timegm(&tm) + strtod(*fraction == '.' ? fraction : "0", NULL) : 0;
}

/* ---- a table ---- */

/* A figure as the table has it, with decimals that stay in their columns. */
struct figure {
    char text[32];
};

static struct figure seconds_shown(double seconds)
{
    struct figure figure = {"-"};

    if (seconds >= 0)
        snprintf(figure.text, sizeof(figure.text), seconds < 99.9995 ? "%.3fs" : "%.0fs", seconds);
    return figure;
}

static struct figure number_shown(double number)
{
    struct figure figure = {"-"};

    if (number >= 0)
        snprintf(figure.text, sizeof(figure.text), number < 999.995 ? "%.2f" : "%.0f", number);
    return figure;
}

/* How many characters a text has, and how many bytes its first `most` ones have. */
static int characters(const char *text, int most, int *bytes)
{
    int count = 0;

    *bytes = 0;
    for (; *text && count < most; text++, ++*bytes, count++)
        while (((unsigned char)text[1] & 0xC0) == 0x80) {
            text++;
            ++*bytes;
        }
    return count;
}

/* Padded to LABEL characters; one that is longer loses its end where it is to be `cut`. */
static void print_label(const char *id, bool cut)
{
    char label[OUTPUT_ID_MAX];
    int bytes, count;

    output_escape(label, sizeof(label), id);
    count = characters(label, INT_MAX, &bytes);
    if (count > LABEL && cut) {
        characters(label, LABEL - 1, &bytes);
        output_print("%.*s~", bytes, label);
    } else {
        output_print("%s%*s", label, count < LABEL ? LABEL - count : 0, "");
    }
}

static void print_head(void)
{
    output_print("%-*s %-9s %5s %7s %5s %9s %6s %5s %7s %7s %7s %7s %6s %6s %6s\n", LABEL, "JOB",
                 "STATE", "POLLS", "USELESS", "EARLY", "AFTER-END", "STARTS", "CONNS", "DELAY",
                 "MIN", "MEDIAN", "MAX", "GROWTH", "JITTER", "COST");
}

/* A row; `state` is what stands in its place, and `starts` those that were no duplicates. */
static void print_row(const char *id, const char *state, double starts, struct json_object *of)
{
    struct json_object *intervals = NULL;

    json_object_object_get_ex(of, "intervals", &intervals);
    print_label(id, false);
    output_print(" %-9s %5.0f %7.0f %5.0f %9.0f %6.0f %5.0f", state, number_of(of, "polls", 0),
                 number_of(of, "useless_polls", 0), number_of(of, "early_polls", 0),
                 number_of(of, "polls_after_end", 0), starts + number_of(of, "duplicate_starts", 0),
                 number_of(of, "connections", 0));
    output_print(" %7s %7s %7s %7s", seconds_shown(number_of(of, "detection_delay", -1)).text,
                 seconds_shown(number_of(intervals, "min", -1)).text,
                 seconds_shown(number_of(intervals, "median", -1)).text,
                 seconds_shown(number_of(intervals, "max", -1)).text);
    output_print(" %6s %6s %6s", number_shown(number_of(of, "growth", -1)).text,
                 number_shown(number_of(of, "jitter", -1)).text,
                 number_shown(number_of(of, "cost", -1)).text);
}

static void print_job(struct json_object *job)
{
    print_row(text_of(job, "id"), text_of(job, "state"), 1, job);
    output_print(number_of(job, "abandoned", 0) > 0 ? "  abandoned\n" : "\n");
}

static void print_sum(struct json_object *sum)
{
    double jobs = number_of(sum, "jobs", 0);

    print_row("(all)", "", jobs, sum);
    output_print("\n\n%.0f job%s, %.0f ended", jobs, jobs == 1 ? "" : "s",
                 number_of(sum, "ended", 0));
    output_print(" (%.0f unseen), %.0f abandoned; %.0f polls with faults",
                 number_of(sum, "unseen", 0), number_of(sum, "abandoned", 0),
                 number_of(sum, "faults", 0));
    output_print("; %.0f starts too early", number_of(sum, "early_starts", 0));
    if (number_of(sum, "unknown_polls", -1) >= 0)
        output_print("; %.0f polls of jobs that are not there", number_of(sum, "unknown_polls", 0));
    output_print("\n");
}

/* ---- bars ---- */

struct job {
    struct json_object *audit;
    double from, to; /* seconds since 1970: created, and the end, or now */
    bool ended;
};

struct drawing {
    struct job *jobs;
    size_t count, room;
    double from, to; /* of all that is drawn */
    int columns;
};

static int columns_of_terminal(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < LABEL + 20)
        return COLUMNS;
    return size.ws_col < COLUMNS_AT_MOST ? size.ws_col : COLUMNS_AT_MOST;
}

static struct json_object *times_of(const struct job *job)
{
    struct json_object *times;

    return json_object_object_get_ex(job->audit, "times", &times) &&
                   json_object_is_type(times, json_type_array)
               ? times
               : NULL;
}

static double last_poll(const struct job *job)
{
    struct json_object *times = times_of(job);
    size_t count = times ? json_object_array_length(times) : 0;

    return count ? job->from + number_of(json_object_array_get_idx(times, count - 1), "at", 0) : 0;
}

/* Takes over the answer. */
static bool add_job(struct drawing *drawing, struct json_object *answer)
{
    size_t room = drawing->room ? drawing->room * 2 : 16;
    struct job job = {.audit = answer}, *grown;

    if (drawing->count == drawing->room) {
        grown = realloc(drawing->jobs, room * sizeof(*grown));
        if (!grown) {
            json_object_put(answer);
            output_error("not enough memory");
            return false;
        }
        drawing->jobs = grown;
        drawing->room = room;
    }
    job.from = moment_of(answer, "created_at");
    job.ended = *text_of(answer, "ended_at") != '\0';
    job.to = job.ended ? moment_of(answer, "ended_at") : job.from + number_of(answer, "age", 0);
    if (drawing->count == 0 || job.from < drawing->from)
        drawing->from = job.from;
    if (drawing->count == 0 || job.to > drawing->to)
        drawing->to = job.to;
    if (last_poll(&job) > drawing->to)
        drawing->to = last_poll(&job);
    drawing->jobs[drawing->count++] = job;
    return true;
}

static int column(const struct drawing *drawing, double moment)
{
    double span = drawing->to - drawing->from;
    int place =
        span > 0 ? (int)((moment - drawing->from) / span * (drawing->columns - 1) + 0.5) : 0;

    return place < 0 ? 0 : place < drawing->columns ? place : drawing->columns - 1;
}

/* Where several polls meet in one column, the one with the most to tell is seen. */
static void mark(char *at, struct json_object *time)
{
    struct json_object *early;

    if (*text_of(time, "fault"))
        *at = 'x';
    else if (json_object_object_get_ex(time, "early", &early) && *at != 'x')
        *at = '!';
    else if (*at != 'x' && *at != '!')
        *at = '|';
}

static void draw_bar(const struct drawing *drawing, const struct job *job)
{
    struct json_object *times = times_of(job);
    size_t count = times ? json_object_array_length(times) : 0, i;
    char line[COLUMNS_AT_MOST + 1];
    int from = column(drawing, job->from), to = column(drawing, job->to), used;

    memset(line, ' ', (size_t)drawing->columns);
    memset(line + from, '=', (size_t)to - (size_t)from + 1);
    if (job->ended)
        line[to] = ']';
    for (i = 0; i < count; i++) {
        struct json_object *time = json_object_array_get_idx(times, i);

        mark(&line[column(drawing, job->from + number_of(time, "at", 0))], time);
    }
    for (used = drawing->columns; used > 0 && line[used - 1] == ' '; used--)
        ;
    line[used] = '\0';
    print_label(text_of(job->audit, "id"), true);
    output_print(" %s%s\n", line, times ? "" : "  (its poll times are not kept)");
}

/* "      x 1.2s status 503, 3s reset" */
static void list_faults(const struct job *job)
{
    struct json_object *times = times_of(job);
    size_t count = times ? json_object_array_length(times) : 0, i, listed = 0;
    char fault[64];

    for (i = 0; i < count; i++) {
        struct json_object *time = json_object_array_get_idx(times, i);

        if (!*text_of(time, "fault"))
            continue;
        output_escape(fault, sizeof(fault), text_of(time, "fault"));
        if (listed++ == 0)
            output_print("%*s x ", LABEL, "");
        output_print("%s%s %s", listed > 1 ? ", " : "",
                     seconds_shown(number_of(time, "at", 0)).text, fault);
    }
    if (listed > 0)
        output_print("\n");
}

static int compare_starts(const void *a, const void *b)
{
    const struct job *left = a, *right = b;

    return (left->from > right->from) - (left->from < right->from);
}

static void draw(const struct drawing *drawing)
{
    size_t i;

    if (drawing->count == 0)
        return;
    qsort(drawing->jobs, drawing->count, sizeof(*drawing->jobs), compare_starts);
    output_print("%-*s 0%*s\n", LABEL, "", drawing->columns - 1,
                 seconds_shown(drawing->to - drawing->from).text);
    for (i = 0; i < drawing->count; i++) {
        draw_bar(drawing, &drawing->jobs[i]);
        list_faults(&drawing->jobs[i]);
    }
    output_print(
        "\n= the job, ] its end, | a poll, ! one that came too early, x one with a fault\n");
}

/* ---- fetching ---- */

static struct json_object *fetch_job(const struct arguments *arguments, const char *id)
{
    char encoded[1024], target[1100];

    if (!control_encode(encoded, sizeof(encoded), id)) {
        output_error("\"%s\" is too long for a job's id", id);
        return NULL;
    }
    snprintf(target, sizeof(target), "/jobs/%s/audit", encoded);
    return control_ask(arguments, target, NULL);
}

/* A page of all that match, behind the id `after`. */
static struct json_object *fetch_page(const struct arguments *arguments, const char *after)
{
    char glob[1024] = "", behind[1024], target[2200];

    if (arguments->id && !control_encode(glob, sizeof(glob), arguments->id)) {
        output_error("\"%s\" is too long for a pattern of ids", arguments->id);
        return NULL;
    }
    if (!control_encode(behind, sizeof(behind), after))
        return NULL;
    snprintf(target, sizeof(target), "/_sim/audit?limit=%d%s%s%s%s", PAGE, *glob ? "&job=" : "",
             glob, *behind ? "&after=" : "", behind);
    return control_ask(arguments, target, NULL);
}

static void print_json(struct json_object *object)
{
    output_print("%s\n", json_object_to_json_string_ext(
                             object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void print_json_sum(struct json_object *sum)
{
    output_print("{\"sum\":");
    output_print("%s}\n", json_object_to_json_string_ext(sum, JSON_C_TO_STRING_PLAIN |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE));
}

static int tell_one(const struct arguments *arguments, struct drawing *drawing)
{
    struct json_object *answer = fetch_job(arguments, arguments->id);

    if (!answer)
        return EXIT_SERVER;
    if (arguments->draw)
        return add_job(drawing, answer) ? EXIT_COMPLETED : EXIT_SERVER;
    if (arguments->json) {
        print_json(answer);
    } else {
        print_head();
        print_job(answer);
    }
    json_object_put(answer);
    return EXIT_COMPLETED;
}

static bool tell_listed(const struct arguments *arguments, struct json_object *job,
                        struct drawing *drawing)
{
    struct json_object *answer;

    if (arguments->json) {
        print_json(job);
    } else if (!arguments->draw) {
        print_job(job);
    } else {
        answer = fetch_job(arguments, text_of(job, "id"));
        return answer && add_job(drawing, answer);
    }
    return true;
}

static bool tell_page(const struct arguments *arguments, struct json_object *page,
                      struct drawing *drawing)
{
    struct json_object *jobs = NULL;
    size_t count, i;

    json_object_object_get_ex(page, "jobs", &jobs);
    count = json_object_is_type(jobs, json_type_array) ? json_object_array_length(jobs) : 0;
    for (i = 0; i < count; i++)
        if (!tell_listed(arguments, json_object_array_get_idx(jobs, i), drawing))
            return false;
    return true;
}

static int tell_all(const struct arguments *arguments, struct drawing *drawing)
{
    struct json_object *page, *sum = NULL;
    char after[1024] = "";
    bool good = true;

    do {
        page = fetch_page(arguments, after);
        if (!page)
            return EXIT_SERVER;
        if (!*after && !arguments->json && !arguments->draw)
            print_head();
        good = tell_page(arguments, page, drawing);
        snprintf(after, sizeof(after), "%s", text_of(page, "next"));
        json_object_object_get_ex(page, "sum", &sum);
        if (good && !*after && !arguments->draw)
            (arguments->json ? print_json_sum : print_sum)(sum);
        json_object_put(page);
    } while (good && *after);
    return good ? EXIT_COMPLETED : EXIT_SERVER;
}

int audit(const struct arguments *arguments)
{
    struct drawing drawing = {.columns = columns_of_terminal() - LABEL - 1};
    bool one = arguments->id && !arguments->id[strcspn(arguments->id, "*?")];
    int code = one ? tell_one(arguments, &drawing) : tell_all(arguments, &drawing);
    size_t i;

    if (code == EXIT_COMPLETED)
        draw(&drawing);
    for (i = 0; i < drawing.count; i++)
        json_object_put(drawing.jobs[i].audit);
    free(drawing.jobs);
    return code;
}
