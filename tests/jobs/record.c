/* SPDX-License-Identifier: MIT
 *
 * Tests of jobs as data: packing, unpacking, and that nothing damaged is taken for a record. Every record
 * here stands in memory of exactly its size, so that a sanitizer sees each byte read too much. */
#include "jobs/record.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

/* 2026-01-01T00:00:00Z */
#define T0 INT64_C(1767225600000)

#define BYTES(literal)                                                                             \
    (struct bytes) { literal, sizeof(literal) - 1 }

static struct job plain_job(void)
{
    return (struct job){.id = BYTES("translate_video_0001"),
                        .instance = 0x123456789ABCDEF0,
                        .state = VTS_RUNNING,
                        .created_at = T0,
                        .started_at = T0,
                        .ended_at = RECORD_NEVER,
                        .wake_at = T0 + 10000,
                        .last_at = T0,
                        .asks = 1};
}

static struct job full_job(void)
{
    return (struct job){.id = BYTES("f\xC3\xBCll"),
                        .instance = UINT64_MAX,
                        .state = VTS_FAILED,
                        .waits = VTS_FOR_POLL | VTS_FOR_EVER,
                        .created_at = T0 + 1,
                        .started_at = T0 + 2,
                        .ended_at = T0 + 5,
                        .wake_at = RECORD_NEVER,
                        .last_at = T0 + 5,
                        .draws = 4000000000u,
                        .asks = 65535,
                        .progress = {0.25, 0.75, T0 + 3, 1000},
                        .plugin_state = BYTES("\0\1\2\0"),
                        .state_version = 7,
                        .input = BYTES("{\"a\": 1}"),
                        .result = BYTES("[1]"),
                        .code = BYTES("gpu"),
                        .message = BYTES("it fell over"),
                        .idempotency = BYTES("\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17key")};
}

/* The record in memory of exactly its size; the caller frees it. */
static struct record *packed(const struct job *job)
{
    struct text out = TEXT_INIT;
    struct record *record;

    assert_true(record_write(job, &out));
    record = malloc(out.length);
    assert_non_null(record);
    memcpy(record, out.bytes, out.length);
    assert_int_equal(record->size, out.length);
    text_finish(&out);
    return record;
}

static void assert_bytes(struct bytes got, struct bytes wanted)
{
    assert_int_equal(got.at != NULL, wanted.at != NULL);
    assert_int_equal(got.length, wanted.length);
    if (wanted.at) {
        assert_memory_equal(got.at, wanted.at, wanted.length);
        assert_int_equal(got.at[got.length], 0);
    }
}

static void assert_round_trip(const struct job *job)
{
    struct record *record = packed(job);
    struct job got;

    memset(&got, 0xA5, sizeof(got));
    assert_true(record_read(record, record->size, &got));
    assert_bytes(got.id, job->id);
    assert_int_equal(got.instance, job->instance);
    assert_int_equal(got.state, job->state);
    assert_int_equal(got.waits, job->waits);
    assert_int_equal(got.has_slot, job->has_slot);
    assert_int_equal(got.in_order, job->in_order);
    assert_int_equal(got.queued_at, job->state == VTS_QUEUED ? job->queued_at : RECORD_NEVER);
    assert_int_equal(got.created_at, job->created_at);
    assert_int_equal(got.started_at, job->started_at);
    assert_int_equal(got.ended_at, job->ended_at);
    assert_int_equal(got.wake_at, job->wake_at);
    assert_int_equal(got.last_at, job->last_at);
    assert_int_equal(got.draws, job->draws);
    assert_int_equal(got.asks, job->asks);
    assert_memory_equal(&got.progress, &job->progress, sizeof(got.progress));
    assert_bytes(got.plugin_state, job->plugin_state);
    assert_int_equal(got.state_version, job->state_version);
    assert_bytes(got.input, job->input);
    assert_bytes(got.result, job->result);
    assert_bytes(got.code, job->code);
    assert_bytes(got.message, job->message);
    assert_bytes(got.idempotency, job->idempotency);
    free(record);
}

static void comes_back_as_it_was(void **state)
{
    struct job plain = plain_job(), full = full_job();
    char id[RECORD_ID_MAX + 1];

    (void)state;
    assert_round_trip(&plain);
    assert_round_trip(&full);
    /* an empty section is there; one that is none is not */
    full.message = BYTES("");
    full.code = (struct bytes){NULL, 0};
    assert_round_trip(&full);
    memset(id, 'x', sizeof(id));
    plain.id = (struct bytes){id, RECORD_ID_MAX};
    assert_round_trip(&plain);
}

static void one_that_shares_slots(void **state)
{
    struct job job = plain_job();
    size_t size = sizeof(struct record) + 21;
    struct record *record;

    (void)state;
    job.in_order = job.has_slot = true;
    assert_round_trip(&job);
    job.has_slot = false;
    job.state = VTS_QUEUED;
    job.waits = VTS_FOR_SLOT;
    job.started_at = RECORD_NEVER;
    job.queued_at = T0 + 9;
    assert_round_trip(&job);
    record = packed(&job);
    assert_true(record->size <= size + 13); /* only one that waits is larger */
    free(record);
}

static void each_section_alone(void **state)
{
    struct job full = full_job(), one;
    static const size_t places[] = {offsetof(struct job, input), offsetof(struct job, result),
                                    offsetof(struct job, code), offsetof(struct job, message),
                                    offsetof(struct job, idempotency)};

    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        one = plain_job();
        memcpy((char *)&one + places[i], (char *)&full + places[i], sizeof(struct bytes));
        assert_round_trip(&one);
    }
    one = plain_job();
    one.progress = full.progress;
    assert_round_trip(&one);
    one = plain_job();
    one.plugin_state = full.plugin_state;
    one.state_version = 1;
    assert_round_trip(&one);
}

/* What was written before there were keys is what is written now of a job without one. And a kind of section
 * that is not known, as a newer vtsimd may write, makes a record that is left alone. */
static void sections_that_come_later(void **state)
{
    static const unsigned char later[] = {9, 3, 0, 0, 0, 'n', 'e', 'w', 0};
    struct job plain = plain_job(), keyed = plain_job(), got;
    struct record *without = packed(&plain), *with, *newer;

    (void)state;
    assert_int_equal(without->format, 1);
    assert_int_equal(without->size, offsetof(struct record, id) + plain.id.length + 1);
    keyed.idempotency = full_job().idempotency;
    with = packed(&keyed);
    assert_int_equal(with->format, 1);
    assert_int_equal(with->size, without->size + 6 + keyed.idempotency.length);
    newer = malloc(without->size + sizeof(later));
    assert_non_null(newer);
    memcpy(newer, without, without->size);
    memcpy((char *)newer + without->size, later, sizeof(later));
    newer->size += sizeof(later);
    assert_false(record_read(newer, newer->size, &got));
    ((char *)newer)[without->size] = 8; /* one that is known */
    assert_true(record_read(newer, newer->size, &got));
    assert_bytes(got.idempotency, BYTES("new"));
    free(without);
    free(with);
    free(newer);
}

static void starts_with_a_key(void **state)
{
    struct bytes key = BYTES("0123456789abcdefkey"), other = BYTES("0123456789abcdefkez");
    struct bytes body = BYTES("0123456789abcdeFkey"), longer = BYTES("0123456789abcdefkey1");
    struct bytes none = {NULL, 0}, cut = BYTES("0123");

    (void)state;
    assert_int_equal(record_match(key, key), RECORD_SAME);
    assert_int_equal(record_match(body, key), RECORD_OTHER);
    assert_int_equal(record_match(other, key), RECORD_NONE);
    assert_int_equal(record_match(longer, key), RECORD_NONE);
    assert_int_equal(record_match(none, key), RECORD_NONE);
    assert_int_equal(record_match(key, none), RECORD_NONE);
    assert_int_equal(record_match(none, none), RECORD_NONE);
    assert_int_equal(record_match(cut, cut), RECORD_NONE); /* damaged, or a stranger's */
}

static void large_sections(void **state)
{
    char *large = malloc(VTS_STATE_MAX);
    struct job job = full_job();

    (void)state;
    assert_non_null(large);
    memset(large, 'y', VTS_STATE_MAX);
    job.plugin_state = job.input = job.result = job.message =
        (struct bytes){large, VTS_STATE_MAX - 1};
    large[VTS_STATE_MAX - 1] = '\0';
    assert_round_trip(&job);
    free(large);
}

/* Memory per job hangs on this: a million jobs are a million records. */
static void is_small(void **state)
{
    struct job job = plain_job();
    struct record *record = packed(&job);

    (void)state;
    assert_int_equal(job.id.length, 20);
    assert_true(record->size <= 88);
    free(record);
}

/* No prefix is a record, whether its size says so or not, and none is read beyond its end. */
static void is_refused_cut_off(void **state)
{
    struct job job = full_job(), got;
    struct record *record = packed(&job), *cut;
    uint32_t size, told;

    (void)state;
    for (size = 0; size < record->size; size++) {
        cut = malloc(size ? size : 1);
        assert_non_null(cut);
        memcpy(cut, record, size);
        if (size >= sizeof(told))
            assert_false(record_read(cut, size, &got));
        /* Sections end where they end: a record cut between two of them is one. */
        if (size >= sizeof(struct record)) {
            told = size;
            memcpy(cut, &told, sizeof(told));
            if (record_read(cut, size, &got))
                assert_int_equal(((const char *)cut)[size - 1], '\0');
        } else if (size >= sizeof(told)) {
            told = size;
            memcpy(cut, &told, sizeof(told));
            assert_false(record_read(cut, size, &got));
        }
        free(cut);
    }
    free(record);
}

static void is_refused_with_bytes_behind_it(void **state)
{
    struct job job = plain_job(), got;
    struct record *record = packed(&job), *longer;
    uint32_t size = record->size + 1;

    (void)state;
    longer = calloc(1, size);
    assert_non_null(longer);
    memcpy(longer, record, record->size);
    assert_false(record_read(longer, size, &got));
    longer->size = size;
    assert_false(record_read(longer, size, &got));
    free(longer);
    free(record);
}

/* Reads all that a reader could make use of. */
static uint64_t use(const struct job *job)
{
    const struct bytes *all[] = {&job->id,     &job->plugin_state, &job->input,
                                 &job->result, &job->code,         &job->message};
    uint64_t sum = (uint64_t)job->state + job->waits + job->draws;

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        for (size_t k = 0; all[i]->at && k <= all[i]->length; k++)
            sum += (unsigned char)all[i]->at[k];
    return sum;
}

/* A record with one wrong byte is refused, or is a job like any other: of a known state, with moments that
 * can be counted with. */
static void survives_any_wrong_byte(void **state)
{
    struct job jobs[] = {plain_job(), full_job()}, got;
    struct record *record;
    unsigned char *bytes, right;
    uint64_t sum = 0;
    size_t size;
    double progress;

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        record = packed(&jobs[k]);
        bytes = (unsigned char *)record;
        size = record->size;
        for (size_t at = 0; at < size; at++) {
            right = bytes[at];
            for (int wrong = 0; wrong < 256; wrong++) {
                bytes[at] = (unsigned char)wrong;
                if (!record_read(record, size, &got))
                    continue;
                assert_true(at >= sizeof(record->size) || wrong == right);
                assert_true(got.state >= VTS_ASKED && got.state <= VTS_CANCELLED);
                assert_true(record_id_valid(got.id.at, got.id.length));
                progress = job_progress(&got, T0 + 10);
                assert_true(progress >= 0 && progress <= 1);
                sum += record_expired(record, VTS_TIME_END, T0);
                sum += use(&got);
            }
            bytes[at] = right;
        }
        assert_true(record_read(record, record->size, &got));
        free(record);
    }
    assert_true(sum != 0);
}

static void is_refused_where(void (*damage)(struct job *, struct record *))
{
    struct job job = full_job(), got;
    struct record *record;

    damage(&job, NULL);
    record = packed(&job);
    damage(&job, record);
    assert_false(record_read(record, record->size, &got));
    free(record);
}

#define DAMAGE(name, in_job, in_record)                                                            \
    static void name(struct job *job, struct record *record)                                       \
    {                                                                                              \
        (void)job;                                                                                 \
        if (record) {                                                                              \
            in_record;                                                                             \
        } else {                                                                                   \
            in_job;                                                                                \
        }                                                                                          \
    }

DAMAGE(other_format, , record->format = RECORD_FORMAT + 1)
DAMAGE(no_format, , record->format = 0)
DAMAGE(other_state, , record->state = VTS_CANCELLED + 1)
DAMAGE(no_id, , record->id_length = 0)
DAMAGE(long_id, , record->id_length = 255)
DAMAGE(id_with_a_nul, , record->id[1] = '\0')
DAMAGE(id_with_broken_utf8, , record->id[2] = '\xFF')
DAMAGE(wake_out_of_time, job->wake_at = VTS_TIME_END + 1, )
DAMAGE(last_never, job->last_at = RECORD_NEVER, )
DAMAGE(created_long_ago, job->created_at = INT64_MIN, )
DAMAGE(ended_without_an_end, job->ended_at = RECORD_NEVER, )
DAMAGE(running_with_an_end, job->state = VTS_RUNNING, )
DAMAGE(progress_no_number, job->progress.from = (double)NAN, )
DAMAGE(progress_above_one, job->progress.to = 1.5, )
DAMAGE(progress_that_falls, job->progress.from = 0.8, )
DAMAGE(progress_out_of_time, job->progress.since = INT64_MAX, )
DAMAGE(progress_without_end, job->progress.span = INT64_MAX, )
DAMAGE(text_without_its_nul, , ((char *)record)[record->size - 1] = 'x')

static void is_refused_damaged(void **state)
{
    (void)state;
    is_refused_where(other_format);
    is_refused_where(no_format);
    is_refused_where(other_state);
    is_refused_where(no_id);
    is_refused_where(long_id);
    is_refused_where(id_with_a_nul);
    is_refused_where(id_with_broken_utf8);
    is_refused_where(wake_out_of_time);
    is_refused_where(last_never);
    is_refused_where(created_long_ago);
    is_refused_where(ended_without_an_end);
    is_refused_where(running_with_an_end);
    is_refused_where(progress_no_number);
    is_refused_where(progress_above_one);
    is_refused_where(progress_that_falls);
    is_refused_where(progress_out_of_time);
    is_refused_where(progress_without_end);
    is_refused_where(text_without_its_nul);
}

static bool valid(const char *id) { return record_id_valid(id, strlen(id)); }

static void ids(void **state)
{
    char long_id[RECORD_ID_MAX + 1];

    (void)state;
    assert_true(valid("a"));
    assert_true(valid(" "));
    assert_true(valid("translate_video_1"));
    assert_true(valid("\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80"));
    assert_true(valid("\xC2\xA0")); /* the first behind the C1 controls */
    assert_true(valid("/../%00\"'\\"));
    assert_false(valid(""));
    assert_false(valid("\x1F"));
    assert_false(valid("a\nb"));
    assert_false(valid("a\x7F"));
    assert_false(valid("\xC2\x80"));
    assert_false(valid("a\xC2\x9F"));
    assert_false(valid("\xFF"));
    assert_false(valid("\xC3"));
    assert_false(valid("\xC2")); /* cut where a C1 control could stand */
    assert_false(valid("\xED\xA0\x80"));
    assert_false(valid("\xC0\x80"));
    assert_false(record_id_valid("a\0b", 3));
    memset(long_id, 'i', sizeof(long_id));
    assert_true(record_id_valid(long_id, RECORD_ID_MAX));
    assert_false(record_id_valid(long_id, RECORD_ID_MAX + 1));
}

static void assert_near(double got, double wanted) { assert_true(fabs(got - wanted) < 1e-9); }

static void progress(void **state)
{
    struct job job = plain_job();

    (void)state;
    assert_near(job_progress(&job, T0), 0);
    job.progress = (struct ramp){0.2, 0.6, T0, 1000};
    assert_near(job_progress(&job, T0 - 5), 0.2);
    assert_near(job_progress(&job, T0), 0.2);
    assert_near(job_progress(&job, T0 + 500), 0.4);
    assert_near(job_progress(&job, T0 + 1000), 0.6);
    assert_near(job_progress(&job, VTS_TIME_END), 0.6);
    job.progress = (struct ramp){0.3, 0.3, T0, 0};
    assert_near(job_progress(&job, T0), 0.3);
    job.progress = (struct ramp){0, 1, VTS_TIME_END, VTS_TIME_END};
    assert_near(job_progress(&job, T0), 0);
    job.state = VTS_COMPLETED;
    assert_near(job_progress(&job, T0), 1);
}

static void state_words(void **state)
{
    static const struct {
        enum vts_state state;
        const char *name, *word;
    } words[] = {{VTS_ASKED, "asked", "pending"},     {VTS_QUEUED, "queued", "pending"},
                 {VTS_RUNNING, "running", "pending"}, {VTS_COMPLETED, "completed", "completed"},
                 {VTS_FAILED, "failed", "error"},     {VTS_CANCELLED, "cancelled", "error"}};

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        assert_string_equal(state_name(words[i].state), words[i].name);
        assert_string_equal(state_word(words[i].state), words[i].word);
        assert_int_equal(state_from_name(words[i].name), words[i].state);
        assert_int_equal(state_ended(words[i].state), words[i].state >= VTS_COMPLETED);
    }
    assert_null(state_name(-1));
    assert_null(state_name(VTS_CANCELLED + 1));
    assert_int_equal(state_from_name("pending"), -1);
    assert_int_equal(state_from_name(""), -1);
}

static void due_and_expiry(void **state)
{
    struct record record = {
        .state = VTS_RUNNING, .wake_at = T0 + 7, .last_at = T0, .ended_at = RECORD_NEVER};

    (void)state;
    assert_int_equal(record_due(&record, 100), T0 + 7);
    record.flags = RECORD_IN_ORDER; /* somebody else looks after it, until it has ended */
    assert_int_equal(record_due(&record, 100), RECORD_NEVER);
    assert_false(record_expired(&record, 100, VTS_TIME_END));
    record.wake_at = RECORD_NEVER;
    assert_int_equal(record_due(&record, 100), RECORD_NEVER);
    record.state = VTS_ASKED;
    assert_int_equal(record_due(&record, 100), T0 + 100);
    assert_false(record_expired(&record, 100, T0 + 99));
    assert_true(record_expired(&record, 100, T0 + 100));
    record.state = VTS_COMPLETED;
    record.ended_at = T0 + 5;
    assert_int_equal(record_due(&record, 100), T0 + 105);
    assert_false(record_expired(&record, 100, T0 + 104));
    assert_true(record_expired(&record, 100, T0 + 105));
    assert_int_equal(record_due(&record, VTS_TIME_END), VTS_TIME_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(one_that_shares_slots),
        cmocka_unit_test(each_section_alone),
        cmocka_unit_test(sections_that_come_later),
        cmocka_unit_test(starts_with_a_key),
        cmocka_unit_test(large_sections),
        cmocka_unit_test(is_small),
        cmocka_unit_test(is_refused_cut_off),
        cmocka_unit_test(is_refused_with_bytes_behind_it),
        cmocka_unit_test(survives_any_wrong_byte),
        cmocka_unit_test(is_refused_damaged),
        cmocka_unit_test(ids),
        cmocka_unit_test(progress),
        cmocka_unit_test(state_words),
        cmocka_unit_test(due_and_expiry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
