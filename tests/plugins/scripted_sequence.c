/* SPDX-License-Identifier: MIT
 *
 * Tests of plugins/scripted_sequence.c: what each step does and when, how times and counts of polls
 * meet, and what is said of a script that is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "behaviours/instance.h"
#include "common.h"

struct job_under_script {
    struct vts_harness *harness;
    struct vts_harness_job *job;
};

/* Starts a job at 0 under `settings`: "script = ...". */
static void begin(struct job_under_script *under, const char *settings)
{
    under->harness = open_with(scripted_sequence_LTX_vts_plugin, settings);
    under->job = vts_harness_start(under->harness, "a", NULL);
}

static void end(struct job_under_script *under) { vts_harness_destroy(under->harness); }

static void expect(struct job_under_script *under, vts_ms at, const char *word)
{
    assert_string_equal(poll_at(under->harness, under->job, at), word);
}

static void cancel_at(struct job_under_script *under, vts_ms at)
{
    vts_harness_advance_to(under->harness, at);
    vts_harness_cancel(under->job);
}

static void expect_many(struct job_under_script *under, int polls, vts_ms at, const char *word)
{
    while (polls-- > 0)
        expect(under, at, word);
}

/* ---- each step ---- */

static void completed_at_once(void **state)
{
    struct job_under_script under;

    (void)state;
    begin(&under, "script = completed");
    assert_int_equal(under.job->state, VTS_COMPLETED);
    assert_int_equal(under.job->ended_at, 0);
    assert_true(under.job->progress == 1);
    assert_null(under.job->result);
    expect(&under, 1000, "completed");
    end(&under);
}

static void error_with_and_without_a_text(void **state)
{
    struct job_under_script under;

    (void)state;
    begin(&under, "script = error \"the GPU fell over\"");
    assert_int_equal(under.job->state, VTS_FAILED);
    assert_int_equal(under.job->ended_at, 0);
    assert_string_equal(under.job->code, "error");
    assert_string_equal(under.job->message, "the GPU fell over");
    expect(&under, 1, "error");
    end(&under);
    begin(&under, "script = error");
    assert_string_equal(under.job->code, "error");
    assert_string_equal(under.job->message, "the job failed");
    end(&under);
    begin(&under, "script = error \"\"");
    assert_string_equal(under.job->message, "");
    end(&under);
    begin(&under, "script = error \"a \\\"b\\\", \\\\ {c}: ; für\"");
    assert_string_equal(under.job->message, "a \"b\", \\ {c}: ; f\xC3\xBCr");
    end(&under);
}

static void pending_for_ends_to_the_millisecond(void **state)
{
    static const struct {
        const char *script;
        vts_ms moment;
    } cases[] = {{"script = pending for 1ms, completed", 1},
                 {"script = pending for 5s, completed", 5000},
                 {"script = pending for 1.5s, completed", 1500},
                 {"script = pending for 0.0000003125d, completed", 27},
                 {"script = pending for 2m, completed", 120000},
                 {"script = pending for 1.25h, completed", 4500000},
                 {"script = pending for 2932896d, completed", VTS_TIME_END - VTS_HARNESS_BEGIN}};
    struct job_under_script under;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(&under, cases[i].script);
        expect(&under, cases[i].moment - 1, "pending");
        expect(&under, cases[i].moment, "completed");
        assert_int_equal(under.job->ended_at, cases[i].moment);
        end(&under);
    }
}

static void a_time_of_0_is_no_time(void **state)
{
    struct job_under_script under;

    (void)state;
    begin(&under, "script = pending for 0, pending for 0s, pending for 0.000d, completed");
    assert_int_equal(under.job->state, VTS_COMPLETED);
    assert_int_equal(under.job->ended_at, 0);
    end(&under);
}

static void times_begin_where_the_step_before_ended(void **state)
{
    struct job_under_script under;

    (void)state;
    begin(&under, "script = pending for 5s\n"
                  " progress 40%\n"
                  " pending for 3s\n"
                  " progress 80%\n"
                  " pending for 2s\n"
                  " completed\n");
    /* Looked at once in a while: the moments are those of the script all the same. */
    expect(&under, 6500, "pending");
    assert_true(under.job->progress == 0.4);
    assert_int_equal(under.job->wake_at, 8000);
    expect(&under, 7999, "pending");
    assert_true(under.job->progress == 0.4);
    expect(&under, 8000, "pending");
    assert_true(under.job->progress == 0.8);
    assert_int_equal(under.job->wake_at, 10000);
    expect(&under, 99000, "completed");
    assert_int_equal(under.job->ended_at, 10000);
    end(&under);
}

static void the_fourth_poll_finds_what_follows(void **state)
{
    struct job_under_script under;

    (void)state;
    begin(&under, "script = pending x3, completed");
    assert_true(vts_harness_instance(under.harness)->counts_polls);
    expect(&under, 10, "pending");
    expect(&under, 20, "pending");
    expect(&under, 86400000, "pending");
    expect(&under, 86400007, "completed");
    assert_int_equal(under.job->ended_at, 86400007);
    expect(&under, 86400008, "completed");
    assert_int_equal(under.job->ended_at, 86400007);
    end(&under);
}

static void pending_alone_is_one_poll(void **state)
{
    struct job_under_script under;

    (void)state;
    begin(&under, "script = pending, error \"no\"");
    expect(&under, 5, "pending");
    expect(&under, 5, "error");
    assert_int_equal(under.job->ended_at, 5);
    end(&under);
    begin(&under, "script = pending\n pending\n pending x1\n pending x002\n completed");
    expect_many(&under, 5, 5, "pending");
    expect(&under, 5, "completed");
    end(&under);
}

static void progress_is_set_at_its_moment(void **state)
{
    static const struct {
        const char *percent;
        double progress;
    } cases[] = {{"0%", 0}, {"40%", 0.4}, {"12.5%", 0.125}, {"100%", 1}, {"100.0%", 1}};
    struct job_under_script under;
    char script[80];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(script, sizeof(script), "script = pending for 1s, progress %s, pending for 1s",
                 cases[i].percent);
        begin(&under, script);
        expect(&under, 999, "pending");
        assert_true(under.job->progress == 0);
        expect(&under, 1000, "pending");
        assert_true(under.job->progress == cases[i].progress);
        end(&under);
    }
}

static void progress_never_goes_down(void **state)
{
    struct job_under_script under;

    (void)state;
    begin(&under, "script = progress 80%, progress 40%, pending for 1s, progress 60%, error");
    assert_true(under.job->progress == 0.8);
    expect(&under, 1000, "error");
    assert_true(under.job->progress == 0.8);
    end(&under);
}

/* ---- the last step stays ---- */

static void a_last_step_that_is_pending_stays_for_ever(void **state)
{
    static const char *const scripts[] = {
        "script = pending for 5s",
        "script = pending for 0",
        "script = pending x3",
        "script = pending",
        "script = progress 30%",
        "script = pending for 1s, pending for 5s",
        "script = pending x2, pending for 1s, pending x3",
        "script = pending x1, progress 30%",
    };
    struct job_under_script under;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        begin(&under, scripts[i]);
        expect_many(&under, 10, 500, "pending");
        expect_many(&under, 10, 5000, "pending");
        expect_many(&under, 10, INT64_C(86400000000), "pending");
        assert_int_equal(under.job->state, VTS_RUNNING);
        assert_int_equal(under.job->wake_at, VTS_HARNESS_NEVER);
        cancel_at(&under, INT64_C(86400000001));
        assert_int_equal(under.job->state, VTS_CANCELLED);
        assert_int_equal(under.job->ended_at, INT64_C(86400000001));
        expect(&under, INT64_C(86400000002), "error");
        end(&under);
    }
}

static void what_ends_it_stays(void **state)
{
    struct job_under_script under;

    (void)state;
    begin(&under, "script = pending x1, pending for 1s, error \"x\"");
    expect(&under, 0, "pending");
    expect(&under, 0, "pending");
    expect_many(&under, 20, 86400000, "error");
    assert_int_equal(under.job->ended_at, 1000);
    cancel_at(&under, 86400001);
    assert_int_equal(under.job->state, VTS_FAILED);
    end(&under);
}

/* ---- times and counts on one timeline ---- */

static void polls_during_a_time_do_not_count(void **state)
{
    struct job_under_script under;

    (void)state;
    begin(&under, "script = pending for 5s, pending x2, completed");
    expect_many(&under, 50, 4999, "pending");
    expect(&under, 5000, "pending");
    expect(&under, 5000, "pending");
    expect(&under, 5001, "completed");
    assert_int_equal(under.job->ended_at, 5001);
    end(&under);
}

static void a_time_after_a_count_begins_with_the_poll_that_finds_it(void **state)
{
    struct job_under_script under;

    (void)state;
    begin(&under, "script = pending x2, pending for 3s, progress 50%, pending for 1s, completed");
    expect(&under, 100, "pending");
    expect(&under, 200, "pending");
    assert_int_equal(under.job->wake_at, VTS_HARNESS_NEVER);
    expect(&under, 1000, "pending"); /* the third finds the time, which begins here */
    assert_int_equal(under.job->wake_at, 4000);
    expect(&under, 3999, "pending");
    assert_true(under.job->progress == 0);
    expect(&under, 4000, "pending");
    assert_true(under.job->progress == 0.5);
    expect(&under, 9000, "completed");
    assert_int_equal(under.job->ended_at, 5000);
    end(&under);
}

static void a_poll_that_finds_a_count_is_its_first(void **state)
{
    struct job_under_script under;

    (void)state;
    begin(&under, "script = pending x2, progress 50%, pending x3, error");
    expect_many(&under, 2, 10, "pending");
    assert_true(under.job->progress == 0);
    expect(&under, 20, "pending");
    assert_true(under.job->progress == 0.5);
    expect_many(&under, 2, 30, "pending");
    expect(&under, 40, "error");
    assert_int_equal(under.job->polls, 6);
    end(&under);
}

static void the_end_of_a_time_comes_before_the_poll_of_that_moment(void **state)
{
    struct job_under_script under;

    (void)state;
    begin(&under, "script = pending for 1s, pending x1, pending for 1s, completed");
    expect(&under, 1000, "pending");
    expect(&under, 1000, "pending");
    assert_int_equal(under.job->wake_at, 2000);
    expect(&under, 2000, "completed");
    end(&under);
}

static void a_cancel_between_two_steps(void **state)
{
    struct job_under_script under;

    (void)state;
    begin(&under, "script = pending x2, progress 25%, pending for 3s, completed");
    expect_many(&under, 3, 100, "pending");
    cancel_at(&under, 200);
    expect(&under, 9000, "error");
    assert_int_equal(under.job->state, VTS_CANCELLED);
    assert_int_equal(under.job->ended_at, 200);
    assert_true(under.job->progress == 0.25);
    end(&under);
}

static void polls_after_a_cancel_move_nothing(void **state)
{
    struct job_under_script under, unpolled;

    (void)state;
    begin(&under, "script = pending x3, completed");
    begin(&unpolled, "script = pending x3, completed");
    expect(&under, 100, "pending");
    expect(&unpolled, 100, "pending");
    cancel_at(&under, 200);
    cancel_at(&unpolled, 200);
    expect_many(&under, 10, 300, "error");
    assert_true(vts_harness_equal(under.job, unpolled.job));
    assert_int_equal(under.job->writes, unpolled.job->writes);
    end(&under);
    end(&unpolled);
}

/* ---- who looks, and how often ---- */

static void only_a_count_makes_polls_count(void **state)
{
    struct job_under_script under;

    (void)state;
    begin(&under, "script = pending for 5s, progress 40%, pending for 5s, error \"pending x3\"");
    assert_false(vts_harness_instance(under.harness)->counts_polls);
    expect_many(&under, 100, 4999, "pending");
    assert_int_equal(under.job->writes, 1);
    expect_many(&under, 100, 9999, "pending");
    assert_int_equal(under.job->writes, 2);
    expect_many(&under, 100, 99999, "error");
    assert_int_equal(under.job->writes, 3);
    end(&under);
}

static void without_counts_polls_change_nothing(void **state)
{
    static const char script[] = "script = pending for 5s, progress 40%\n"
                                 "         pending for 1ms, progress 41%, pending for 4999ms\n"
                                 "         progress 80%, error \"late\"";
    struct job_under_script often, once, never;
    vts_ms at;

    (void)state;
    begin(&often, script);
    begin(&once, script);
    begin(&never, script);
    for (at = 0; at <= 20000; at += 3)
        poll_at(often.harness, often.job, at);
    poll_at(once.harness, once.job, 86400000);
    vts_harness_run(never.harness);
    assert_true(vts_harness_equal(often.job, once.job));
    assert_true(vts_harness_equal(often.job, never.job));
    assert_int_equal(often.job->ended_at, 10000);
    assert_true(often.job->progress == 0.8);
    end(&often);
    end(&once);
    end(&never);
}

static void survives_at_any_moment(void **state)
{
    static const vts_ms polls[] = {0,    0,    1,    1000, 1000, 1001, 3000,
                                   3000, 3001, 5000, 5000, 5001, 9000, 90000};
    const size_t count = sizeof(polls) / sizeof(polls[0]);
    vts_plugin_fn *plugin = scripted_sequence_LTX_vts_plugin;

    (void)state;
    survives(plugin, "script = pending for 1s, progress 20%, pending for 2s, completed", polls,
             count);
    survives(plugin,
             "script = pending x2, pending for 1s, progress 20%, pending x3, pending for 2s, "
             "pending, error \"x\"",
             polls, count);
    survives(plugin, "script = pending x3, pending for 1s", polls, count);
}

static void keeps_all_laws(void **state)
{
    (void)state;
    keeps_the_laws(scripted_sequence_LTX_vts_plugin, "scripted_sequence",
                   "script = pending for 1s, progress 20%, pending for 2s, error");
    keeps_the_laws(scripted_sequence_LTX_vts_plugin, "scripted_sequence",
                   "script = pending x2, pending for 1s, progress 20%, pending x3, completed");
    keeps_the_laws(scripted_sequence_LTX_vts_plugin, "scripted_sequence",
                   "script = http 503 x2, pending for uniform 1s..5s, reset, http 503 for 2s\n"
                   "  repeat 3 { pending for 1s, chance 0.5 { stall 1s } else { empty } }\n"
                   "  chance 0.3 { error } else { completed x1, regress }");
    keeps_the_laws(scripted_sequence_LTX_vts_plugin, "scripted_sequence",
                   "script = start: chance 0.5 { http 503 x2 } else { lost }\n"
                   "  pending x2, reset, http 429 retry-after 1s for 2s, pending x1, cancelled x2\n"
                   "  unknown status \"x\"");
}

/* Puts a place of its own into the first four of the plugin's bytes. */
static void misplace(struct vts_harness_job *job, uint32_t step)
{
    assert_int_equal(job->byte_count, 8);
    memcpy(job->bytes, &step, sizeof(step));
}

static void a_damaged_place_fails_the_job_alone(void **state)
{
    struct job_under_script under;

    (void)state;
    begin(&under, "script = pending for 1s, pending for 1s, completed");
    misplace(under.job, 7);
    expect(&under, 5000, "error");
    assert_int_equal(under.job->ended_at, 1000);
    assert_string_equal(under.job->code, "damaged");
    assert_string_equal(under.job->message, "the job's place is none in its script");
    end(&under);
    begin(&under, "script = pending x3, completed");
    misplace(under.job, UINT32_MAX);
    expect_many(&under, 10, 5000, "pending");
    end(&under);
}

/* ---- long scripts ---- */

/* "script = " and `count` times `step`, one a line. */
static char *repeated(const char *step, size_t count, const char *last)
{
    struct text text = TEXT_INIT;
    size_t i;

    text_puts(&text, "script =");
    for (i = 0; i < count; i++)
        text_printf(&text, " %s\n", step);
    text_printf(&text, " %s\n", last);
    return text_take(&text);
}

static void many_steps_without_time_are_not_endless(void **state)
{
    struct job_under_script under;
    char *settings = repeated("progress 40%, pending for 0", 5000, "completed");

    (void)state;
    begin(&under, settings);
    assert_int_equal(under.job->state, VTS_COMPLETED);
    end(&under);
    free(settings);
    settings = repeated("progress 40%", 10000, "pending for 1s");
    begin(&under, settings);
    assert_true(under.job->progress == 0.4);
    expect(&under, 86400000, "pending");
    end(&under);
    free(settings);
    /* The same behind times and behind counts of polls. */
    settings =
        repeated("progress 40%, pending for 0\n progress 20%", 3000, "pending for 2s, error");
    begin(&under, settings);
    expect(&under, 1999, "pending");
    assert_true(under.job->progress == 0.4);
    expect(&under, 2000, "error");
    assert_int_equal(under.job->ended_at, 2000);
    end(&under);
    free(settings);
}

static void ten_thousand_times(void **state)
{
    struct job_under_script under;
    char *settings = repeated("pending for 1ms", 10000, "completed");

    (void)state;
    begin(&under, settings);
    expect(&under, 9999, "pending");
    expect(&under, 10000, "completed");
    assert_int_equal(under.job->ended_at, 10000);
    end(&under);
    free(settings);
    settings = repeated("pending x2, pending for 1ms", 1000, "completed");
    begin(&under, settings);
    for (vts_ms at = 0; at < 1000; at++)
        expect_many(&under, 3, at, "pending");
    expect(&under, 1000, "completed");
    end(&under);
    free(settings);
}

/* ---- how it is written ---- */

static void separators_and_white_space(void **state)
{
    static const char *const scripts[] = {
        "script = pending for 1s,completed",
        "script =   pending\tfor\t1s  ,\tcompleted  ",
        "script = pending for 1s\n completed",
        "script = pending for 1s,\n completed,",
        "script = pending for 1s\n , completed",
        "script =\n  pending for 1s\n\n\n  completed\n\n",
        "script = pending for 1s ; wait\n ; then\n completed ; done",
        "script = pending for 1s,\r\n completed\r\n",
    };
    struct job_under_script under;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        begin(&under, scripts[i]);
        expect(&under, 999, "pending");
        expect(&under, 1000, "completed");
        end(&under);
    }
}

/* The script of a file's section, whose error stands at this place of the file. */
static void refused(const char *script, unsigned int line, unsigned int column, const char *said)
{
    char settings[512], problem[1024];

    snprintf(settings, sizeof(settings), "script = %s", script);
    snprintf(problem, sizeof(problem), "settings:%u:%u: [behaviour scripted_sequence] script: %s",
             line, column, said);
    refuses(scripted_sequence_LTX_vts_plugin, settings, problem);
}

/* The same where the error is the whole script's. */
static void refused_whole(const char *script, const char *said)
{
    char problem[1024];
    struct text settings = TEXT_INIT;

    text_printf(&settings, "script =%s", script);
    snprintf(problem, sizeof(problem), "settings:2: [behaviour scripted_sequence] script: %s",
             said);
    refuses(scripted_sequence_LTX_vts_plugin, settings.bytes, problem);
    text_finish(&settings);
}

#define STEPS "a" OF_STEPS
#define OF_STEPS                                                                                   \
    " step is pending, progress, completed, error, cancelled, http, html, stall, dribble, "        \
    "reset, "                                                                                      \
    "empty, truncate, garbage, invalid json, missing, unknown status, no status, regress, "        \
    "repeat, chance, or, first of all, start:"

/* "script = " is 9 bytes long, so the script's first byte stands in column 10. */
static void steps_that_are_none(void **state)
{
    (void)state;
    refused("render", 2, 10, "\"render\" is not a step; " STEPS);
    refused("pending for 5s, 503", 2, 26, "\"503\" is not a step; " STEPS);
    refused("pending for 5s\n   progress 40%\n   compleated", 4, 4,
            "\"compleated\" is not a step; did you mean \"completed\"? A" OF_STEPS);
    refused("\"completed\"", 2, 10,
            "\"completed\" is not a step; " STEPS "; values are written without quotes");
    refused("{ pending }", 2, 10, "\"{\" is not a step; " STEPS);
    refused("f\xC3\xBCr", 2, 10, "\"f\xC3\xBCr\" is not a step; " STEPS);
    refused("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xC3\xBCzzzzzz", 2, 10,
            "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" is not a step; " STEPS);
}

static void near_steps_are_named(void **state)
{
    static const char *const pairs[][2] = {{"complete", "completed"},
                                           {"compelted", "completed"},
                                           {"Pending", "pending"},
                                           {"runing", "pending"},
                                           {"fail", "error"},
                                           {"ERORR", "error"},
                                           {"cancel", "cancelled"},
                                           {"canceled", "cancelled"},
                                           {"htttp", "http"},
                                           {"unknwon", "unknown status"},
                                           {"nop", NULL},
                                           {"on", NULL},
                                           {"Lost", "start: lost"},
                                           {"strat", "start:"},
                                           {"reset.", "reset"},
                                           {"hello", NULL},
                                           {"truncate_answers_now", NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char said[512];

        if (pairs[i][1])
            snprintf(said, sizeof(said), "\"%s\" is not a step; did you mean \"%s\"? A" OF_STEPS,
                     pairs[i][0], pairs[i][1]);
        else
            snprintf(said, sizeof(said), "\"%s\" is not a step; " STEPS, pairs[i][0]);
        refused(pairs[i][0], 2, 10, said);
    }
}

static void commas_without_steps(void **state)
{
    (void)state;
    refused(", completed", 2, 10, "there is no step before this comma");
    refused("pending,, completed", 2, 18, "there is no step before this comma");
    refused("pending,\n , completed", 3, 2, "there is no step before this comma");
    refused("completed, ,", 2, 21, "there is no step before this comma");
    refused(",", 2, 10, "there is no step before this comma");
}

static void what_cannot_follow(void **state)
{
    (void)state;
    refused("pending 5s", 2, 18,
            "\"5s\" cannot follow \"pending\"; write a time (pending for 5s), a count of polls "
            "(pending x3), or nothing");
    refused("pending \"5s\"", 2, 18,
            "\"5s\" cannot follow \"pending\"; write a time (pending for 5s), a count of polls "
            "(pending x3), or nothing");
    refused("pending {", 2, 18,
            "\"{\" cannot follow \"pending\"; write a time (pending for 5s), a count of polls "
            "(pending x3), or nothing");
    refused("error GPU", 2, 16,
            "\"GPU\" cannot follow \"error\"; write the message in double quotes, or nothing");
    refused("error: \"GPU\"", 2, 15,
            "\":\" cannot follow \"error\"; write the message in double quotes, or nothing");
    refused("pending for 5s x3", 2, 25,
            "\"x3\" cannot stand here; a comma or a new line ends a step");
    refused("pending x3 completed", 2, 21,
            "\"completed\" cannot stand here; a comma or a new line ends a step");
    refused("completed now", 2, 20, "\"now\" cannot stand here; a comma or a new line ends a step");
    refused("error \"a\" \"b\"", 2, 20,
            "\"b\" cannot stand here; a comma or a new line ends a step");
    refused(
        "completed, pending", 2, 21,
        "\"pending\" cannot follow completed: there the job has ended; faults with a count can, "
        "such as http 503 x2");
    refused("error\n  completed", 3, 3,
            "\"completed\" cannot follow error: there the job has ended; faults with a count can, "
            "such as http 503 x2");
}

static void times_that_are_none(void **state)
{
    (void)state;
    refused("pending for", 2, 21, "a time is missing after \"for\"; write one such as 5s");
    refused("pending for, completed", 2, 21,
            "a time is missing after \"for\"; write one such as 5s");
    refused("pending for\n 5s", 2, 21, "a time is missing after \"for\"; write one such as 5s");
    refused("pending for 5", 2, 22, "\"5\" has no unit; write 5ms, 5s or 5m");
    refused("pending for 5 s", 2, 22, "\"5 s\" has a space before its unit; write 5s");
    refused("pending for 0.5", 2, 22, "\"0.5\" has no unit; write 0.5ms, 0.5s or 0.5m");
#define NO_TIME(text)                                                                              \
    refused("pending for " text, 2, 22,                                                            \
            "\"" text "\" is not a time; write one number and one unit: 250ms, 10s, 2m, 1h or 1d")
    refused(
        "pending for long", 2, 22,
        "\"long\" is no distribution; write a time such as 10s, or uniform, normal, exponential "
        "or lognormal");
    refused("pending for -5s", 2, 22, "\"-5s\" is negative; a time is 0 or more");
    NO_TIME("5sec");
    NO_TIME("5S");
    refused("pending for 1h30m", 2, 22, "\"1h30m\" has more than one unit; write 90m");
    NO_TIME(".5s");
    NO_TIME("5.s");
    NO_TIME("0x5s");
    NO_TIME("1e3s");
    NO_TIME("{");
    refused("pending for \"5s\"", 2, 22,
            "\"5s\" is not a time; write one number and one unit: 250ms, 10s, 2m, 1h or 1d");
    refused("pending for uniform 5s..", 2, 34,
            "it ends where the longest time, as in uniform 5s..15s, should follow");
    refused("pending for normal 10s sigma 0.5", 2, 33,
            "\"sigma\" stands where \"sd\" and a time, as in normal 10s sd 2s, should");
    refused("pending for 2932897d", 2, 22,
            "\"2932897d\" is too long; the longest time is 2932896d");
    refused("pending for 99999999999999999999999999ms", 2, 22,
            "\"99999999999999999999999999ms\" is too long; the longest time is 2932896d");
    refused("pending for 0.5ms", 2, 22, "\"0.5ms\" is finer than 1ms, the shortest time");
    refused("pending for 0.00000000001d", 2, 22,
            "\"0.00000000001d\" is finer than 1ms, the shortest time");
}

static void counts_that_are_none(void **state)
{
    struct job_under_script under;

    (void)state;
    refused("pending x0, completed", 2, 18, "\"x0\" is no poll at all; write x1 or more");
    refused("pending x", 2, 18, "\"x\" is not a count; write x and a whole number, such as x3");
    refused("pending x 3", 2, 18, "\"x\" is not a count; write x and a whole number, such as x3");
    refused("pending x-3", 2, 18, "\"x-3\" is not a count; write x and a whole number, such as x3");
    refused("pending x1.5", 2, 18,
            "\"x1.5\" is not a count; write x and a whole number, such as x3");
    refused("pending x1000000001", 2, 18, "\"x1000000001\" is too many; the most is x1000000000");
    refused("pending x99999999999999999999999", 2, 18,
            "\"x99999999999999999999999\" is too many; the most is x1000000000");
    refused("pending x18446744073709551619", 2, 18, /* 2 to the 64 and 3 */
            "\"x18446744073709551619\" is too many; the most is x1000000000");
    begin(&under, "script = pending x1000000000, completed");
    expect_many(&under, 100, 0, "pending");
    end(&under);
}

static void percentages_that_are_none(void **state)
{
    (void)state;
    refused("progress", 2, 18, "a percentage is missing after \"progress\"; write one such as 40%");
    refused("progress\n 40%", 2, 18,
            "a percentage is missing after \"progress\"; write one such as 40%");
    refused("progress 40", 2, 19, "\"40\" is not a percentage; write one such as 40%");
    refused("progress 40 %", 2, 19, "\"40\" is not a percentage; write one such as 40%");
    refused("progress 0.4", 2, 19, "\"0.4\" is not a percentage; write one such as 40%");
    refused("progress %", 2, 19, "\"%\" is not a percentage; write one such as 40%");
    refused("progress half", 2, 19, "\"half\" is not a percentage; write one such as 40%");
    refused("progress \"40%\"", 2, 19, "\"40%\" is not a percentage; write one such as 40%");
    refused("progress 40%%", 2, 19, "\"40%%\" is not a percentage; write one such as 40%");
    refused("progress 101%", 2, 19, "\"101%\" is out of range; write 0% to 100%");
    refused("progress 100.01%", 2, 19, "\"100.01%\" is out of range; write 0% to 100%");
    refused("progress 99999999999999999999999%", 2, 19,
            "\"99999999999999999999999%\" is out of range; write 0% to 100%");
    refused("progress -1%", 2, 19, "\"-1%\" is out of range; write 0% to 100%");
    refused("progress 1.00000000001%", 2, 19,
            "\"1.00000000001%\" has too many digits; ten behind the point are the most");
}

static void quotes_and_escapes(void **state)
{
    (void)state;
    refused("pending, error \"the GPU", 2, 25,
            "the double quote that opens here is not closed on its line");
    refused("error \"the GPU\n fell over\"", 2, 16,
            "the double quote that opens here is not closed on its line");
    refused("error \"a\" \"", 2, 20, "the double quote that opens here is not closed on its line");
    refused("error \"a\\\"", 2, 16, "the double quote that opens here is not closed on its line");
    refused("error \"a\\nb\"", 2, 18,
            "a backslash can only escape a double quote or a backslash; write \\\\ for the "
            "backslash itself");
    refused("pending\n error \"C:\\temp\"", 3, 11,
            "a backslash can only escape a double quote or a backslash; write \\\\ for the "
            "backslash itself");
}

static void scripts_without_steps(void **state)
{
    (void)state;
    refused_whole("", "the script has no step; write some, such as: pending for 5s, completed");
    refused_whole("  ; nothing here\n",
                  "the script has no step; write some, such as: pending for 5s, completed");
}

/* A script that ends with an error whose text is `length` bytes long. */
static char *long_error(const char *front, size_t length)
{
    struct text text = TEXT_INIT;
    size_t i;

    text_puts(&text, front);
    for (i = 0; i < length; i++)
        text_add(&text, "y", 1);
    text_puts(&text, "\"");
    assert_false(text.failed);
    return text_take(&text);
}

static void texts_and_scripts_that_are_too_long(void **state)
{
    struct job_under_script under;
    char *text = long_error("script = error \"", 65536);

    (void)state;
    begin(&under, text);
    assert_int_equal(strlen(under.job->message), 65536);
    end(&under);
    free(text);
    text = long_error("script = error \"", 65537);
    refuses(scripted_sequence_LTX_vts_plugin, text,
            "settings:2:16: [behaviour scripted_sequence] script: the text has 65537 bytes; 65536 "
            "are the most");
    free(text);
    text = long_error("script = error \"", 512 * 1024 - 8); /* as long as a script can be */
    refuses(scripted_sequence_LTX_vts_plugin, text,
            "settings:2:16: [behaviour scripted_sequence] script: the text has 524280 bytes; 65536 "
            "are the most");
    free(text);
    text = long_error(" error \"", 512 * 1024 - 7);
    refused_whole(text, "the script has 524289 bytes; 524288 are the most");
    free(text);
    text = long_error(" error \"", 1024 * 1024 - 8);
    refused_whole(text, "the script has 1048576 bytes; 524288 are the most");
    free(text);
}

static void places_in_a_value_of_the_command_line(void **state)
{
    struct problems problems = PROBLEMS_INIT;
    struct ini ini = {0};
    struct ini_section *section;

    (void)state;
    assert_true(ini_set(&ini, "behaviour test/script=pending,\ncompleted,\npending", &problems));
    section = ini_section(&ini, "behaviour", "test");
    assert_null(instance_create("test", scripted_sequence_LTX_vts_plugin(), section, &problems));
    assert_string_equal(
        problems.lines.bytes,
        "-s: [behaviour test] script: \"pending\" cannot follow completed: there the "
        "job has ended; faults with a count can, such as http 503 x2 (at line 3, "
        "column 1 of the value)\n"
        "    pending\n"
        "    ^\n");
    problems_finish(&problems);
    ini_finish(&ini);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(completed_at_once),
        cmocka_unit_test(error_with_and_without_a_text),
        cmocka_unit_test(pending_for_ends_to_the_millisecond),
        cmocka_unit_test(a_time_of_0_is_no_time),
        cmocka_unit_test(times_begin_where_the_step_before_ended),
        cmocka_unit_test(the_fourth_poll_finds_what_follows),
        cmocka_unit_test(pending_alone_is_one_poll),
        cmocka_unit_test(progress_is_set_at_its_moment),
        cmocka_unit_test(progress_never_goes_down),
        cmocka_unit_test(a_last_step_that_is_pending_stays_for_ever),
        cmocka_unit_test(what_ends_it_stays),
        cmocka_unit_test(polls_during_a_time_do_not_count),
        cmocka_unit_test(a_time_after_a_count_begins_with_the_poll_that_finds_it),
        cmocka_unit_test(a_poll_that_finds_a_count_is_its_first),
        cmocka_unit_test(the_end_of_a_time_comes_before_the_poll_of_that_moment),
        cmocka_unit_test(a_cancel_between_two_steps),
        cmocka_unit_test(polls_after_a_cancel_move_nothing),
        cmocka_unit_test(only_a_count_makes_polls_count),
        cmocka_unit_test(without_counts_polls_change_nothing),
        cmocka_unit_test(survives_at_any_moment),
        cmocka_unit_test(keeps_all_laws),
        cmocka_unit_test(a_damaged_place_fails_the_job_alone),
        cmocka_unit_test(many_steps_without_time_are_not_endless),
        cmocka_unit_test(ten_thousand_times),
        cmocka_unit_test(separators_and_white_space),
        cmocka_unit_test(steps_that_are_none),
        cmocka_unit_test(near_steps_are_named),
        cmocka_unit_test(commas_without_steps),
        cmocka_unit_test(what_cannot_follow),
        cmocka_unit_test(times_that_are_none),
        cmocka_unit_test(counts_that_are_none),
        cmocka_unit_test(percentages_that_are_none),
        cmocka_unit_test(quotes_and_escapes),
        cmocka_unit_test(scripts_without_steps),
        cmocka_unit_test(texts_and_scripts_that_are_too_long),
        cmocka_unit_test(places_in_a_value_of_the_command_line),
    };

    return cmocka_run_group_tests_name("scripted_sequence", tests, NULL, NULL);
}
