/* SPDX-License-Identifier: MIT
 *
 * Folding notes into what is kept beside the records, slice by slice from the front of the list: the slice is
 * read, then the bytes of its records; options.fold changes them; and one script puts them back and cuts the
 * slice off, if nobody else did meanwhile. Then nothing of it counts, and whoever came first has done it all.
 *
 * A port folds when a look for what is due shows that there are many notes, or that there are some and the last
 * time was a second ago; and before something is read that they are a part of: who wants that waits until as many elements are folded as there were when he asked. */
#include <stdlib.h>

#include "../base/log.h"
#include "../base/rng.h"
#include "redis.h"

#define ELEMENTS_MOST "256"
#define ELEMENTS_MANY 1024
#define FOLD_EACH_US  1000000
#define TRIES_MOST    10 /* to send the scripts again */
#define LOG_KEPT      ((size_t)64 * 1024)

static void read_log(struct redis_port *port);
static void on_log(struct redisAsyncContext *link, void *answer, void *arg);

/* ---- its end ---- */

static void forget_slice(struct redis_fold *fold)
{
    size_t i;

    for (i = 0; i < fold->count; i++) {
        text_finish(&fold->records[i].stats);
        text_finish(&fold->records[i].details);
        text_finish(&fold->records[i].before);
    }
    if (fold->count > 0)
        memset(fold->places, 0, sizeof(fold->places));
    fold->count = fold->elements = fold->going = 0;
    fold->failed = fold->summary_changed = false;
    if (fold->log.room > LOG_KEPT || fold->log.failed)
        text_finish(&fold->log);
}

static void finish_row(struct redis_row *row, enum vts_err err)
{
    struct redis_op *op = row->first, *next;

    row->first = NULL;
    for (; op; op = next) {
        next = op->next;
        redis_finish(op, err);
    }
}

/* With an error that is told to all who wait. */
static void end(struct redis_port *port, enum vts_err err)
{
    struct redis_fold *fold = &port->fold;

    forget_slice(fold);
    redis_op_destroy(fold->op);
    fold->op = NULL;
    if (err == VTS_OK)
        return;
    finish_row(&fold->waiting, err);
    finish_row(&fold->joining, err);
}

void redis_fold_forget(struct redis_port *port)
{
    forget_slice(&port->fold);
    port->fold.op = NULL;
    port->fold.waiting.first = port->fold.joining.first = NULL;
}

void redis_fold_finish(struct redis_port *port)
{
    forget_slice(&port->fold);
    text_finish(&port->fold.log);
    text_finish(&port->fold.summary);
    free(port->fold.records);
    port->fold.records = NULL;
    port->fold.room = 0;
}

/* Sees to an answer of another kind. */
static void refuse(struct redis_port *port, struct redisAsyncContext *link, const redisReply *reply)
{
    if (!reply) {
        redis_link_ended(link);
    } else if (redis_no_script(reply) && port->fold.op->tries++ < TRIES_MOST) {
        redis_reload(port);
        forget_slice(&port->fold);
        read_log(port);
        return;
    } else {
        redis_refused(port, reply);
    }
    end(port, VTS_ERR_BUSY);
}

/* ---- entries ---- */

struct entry {
    enum redis_entry what;
    struct bytes id, bytes, rest;
};

/* The next of an element. False at its end, or where the rest is not understood. */
static bool next_entry(struct bytes *element, struct entry *entry)
{
    struct redis_entry_head head;
    size_t length;

    if (element->length < sizeof(head))
        return false;
    memcpy(&head, element->at, sizeof(head));
    length = sizeof(head) + head.id_length + head.length;
    if (length > element->length || head.what > ENTRY_DROPPED ||
        (head.what != ENTRY_NOTE && head.id_length == 0) ||
        (head.what == ENTRY_EXPIRED && head.length != sizeof(vts_ms) + offsetof(struct record, id)))
        return false;
    entry->what = (enum redis_entry)head.what;
    entry->id = (struct bytes){element->at + sizeof(head), head.id_length};
    entry->bytes = (struct bytes){element->at + sizeof(head) + head.id_length, head.length};
    /* The script adds the polls of one that goes, so it has its element for itself. */
    entry->rest = (struct bytes){element->at + length, element->length - length};
    *element = entry->rest;
    if (head.what != ENTRY_NOTE)
        element->length = 0;
    return true;
}

/* The element at *place of the slice. */
static struct bytes next_element(const struct redis_fold *fold, size_t *place)
{
    uint32_t length;
    struct bytes element;

    memcpy(&length, fold->log.bytes + *place, sizeof(length));
    element = (struct bytes){fold->log.bytes + *place + sizeof(length), length};
    *place += sizeof(length) + length;
    return element;
}

/* ---- records ---- */

static bool is(const struct redis_folded *record, uint64_t hash, struct bytes id)
{
    return record->hash == hash && record->id.length == id.length &&
           memcmp(record->id.at, id.at, id.length) == 0;
}

static bool grow(struct redis_fold *fold)
{
    size_t room = fold->room ? fold->room * 2 : 64;
    struct redis_folded *records;

    if (fold->count < fold->room)
        return true;
    records = realloc(fold->records, room * sizeof(*records));
    if (!records)
        return false;
    fold->records = records;
    fold->room = room;
    return true;
}

/* The record of this id, which is new where there was none. NULL where there was no memory. */
static struct redis_folded *find(struct redis_fold *fold, struct bytes id)
{
    uint64_t hash = rng_hash(id.at, id.length, 1);
    size_t place = hash % REDIS_PLACES;

    for (; fold->places[place]; place = (place + 1) % REDIS_PLACES)
        if (is(&fold->records[fold->places[place] - 1], hash, id))
            return &fold->records[fold->places[place] - 1];
    if (!grow(fold))
        return NULL;
    fold->records[fold->count++] = (struct redis_folded){.hash = hash, .id = id};
    fold->places[place] = (uint16_t)fold->count;
    return &fold->records[fold->count - 1];
}

/* ---- folding ---- */

static bool fold_with(struct redis_port *port, struct store_fold *job, struct redis_folded *record)
{
    const struct store_options *options = &redis_of(port)->options;
    struct redis_fold *fold = &port->fold;
    struct text none[2] = {TEXT_INIT, TEXT_INIT};
    bool good;

    job->stats = record ? &record->stats : &none[0];
    job->details = record ? &record->details : &none[1];
    job->summary = &fold->summary;
    good = options->fold(options->arg, job);
    fold->summary_changed |= job->summary_changed;
    if (record) {
        record->gone &= !job->stats_changed;
        record->stats_changed |= job->stats_changed;
        record->begins |= job->begins;
        record->detailed |= job->begins;
    }
    text_finish(&none[0]);
    text_finish(&none[1]);
    return good;
}

static bool fold_expired(struct redis_port *port, const struct entry *entry,
                         struct redis_folded *record)
{
    union {
        struct record record;
        char bytes[offsetof(struct record, id) + RECORD_ID_MAX + 1];
    } head;
    struct store_fold job = {.id = entry->id, .gone = &head.record};
    struct text *before = &record->before;
    char polls[32];

    memset(&head, 0, sizeof(head));
    memcpy(&job.now, entry->bytes.at, sizeof(job.now));
    memcpy(head.bytes, entry->bytes.at + sizeof(job.now), offsetof(struct record, id));
    memcpy(head.bytes + offsetof(struct record, id), entry->id.at, entry->id.length);
    head.record.id_length = (uint8_t)entry->id.length;
    snprintf(polls, sizeof(polls), "%.*s", (int)(entry->rest.length < 31 ? entry->rest.length : 31),
             entry->rest.at);
    job.polls = (uint64_t)strtod(polls, NULL);
    if (record->begins)
        text_reset(before);
    text_add(before, record->details.bytes, record->details.length);
    if (before->failed)
        return false;
    if (record->detailed)
        job.kept = (struct bytes){before->bytes ? before->bytes : "", before->length};
    return fold_with(port, &job, record);
}

static bool fold_entry(struct redis_port *port, const struct entry *entry)
{
    struct redis_folded *record = entry->id.length > 0 ? find(&port->fold, entry->id) : NULL;
    struct store_fold job = {.id = entry->id, .note = entry->bytes};

    if (entry->what == ENTRY_NOTE && (record || entry->id.length == 0))
        return fold_with(port, &job, record);
    if (!record || (entry->what == ENTRY_EXPIRED && !fold_expired(port, entry, record)))
        return false;
    text_reset(&record->stats);
    text_reset(&record->details);
    text_reset(&record->before);
    record->gone = true;
    record->detailed = record->begins = record->stats_changed = false;
    return true;
}

static void tell_strange(const struct redis_port *port)
{
    log_line(VTS_ERROR, "redis", "a note in %s cannot be understood: the audit of its job lacks it",
             redis_of(port)->keys[KEY_NOTES].bytes);
}

static bool fold_slice(struct redis_port *port)
{
    struct redis_fold *fold = &port->fold;
    size_t place = 0, i;
    struct bytes element;
    struct entry entry;

    for (i = 0; i < fold->elements; i++) {
        element = next_element(fold, &place);
        while (next_entry(&element, &entry))
            if (!fold_entry(port, &entry))
                return false;
        if (element.length > 0)
            tell_strange(port);
    }
    return true;
}

/* ---- writing ---- */

static void on_fold(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_port *port = ((struct redis_op *)arg)->port;
    struct redis_fold *fold = &port->fold;
    const redisReply *reply = answer;
    bool more;

    if (!reply || reply->type != REDIS_REPLY_INTEGER) {
        refuse(port, link, reply);
        return;
    }
    /* Where another came first he goes on, unless somebody waits here. */
    more = reply->integer == 1 && fold->left > 0;
    forget_slice(fold);
    if (more || fold->waiting.first || fold->joining.first)
        read_log(port);
    else
        end(port, VTS_OK);
}

struct words {
    size_t count, room;
    const char **at;
    size_t *lengths;
};

static bool words_init(struct words *words, size_t room)
{
    words->count = 0;
    words->room = room;
    words->at = malloc(room * sizeof(*words->at));
    words->lengths = malloc(room * sizeof(*words->lengths));
    return words->at && words->lengths;
}

static void words_finish(struct words *words)
{
    free((void *)words->at);
    free(words->lengths);
}

static void say(struct words *words, const char *at, size_t length)
{
    words->at[words->count] = at ? at : "";
    words->lengths[words->count++] = length;
}

static void say_string(struct words *words, const char *string)
{
    say(words, string, strlen(string));
}

static void say_record(struct words *words, const struct redis_folded *record)
{
    if (!record->gone && !record->stats_changed)
        return;
    say(words, record->id.at, record->id.length);
    say_string(words, record->gone                 ? "x"
                      : record->begins             ? "b"
                      : record->details.length > 0 ? "d"
                                                   : "s");
    say(words, record->stats.bytes, record->gone ? 0 : record->stats.length);
    say(words, record->details.bytes, record->gone ? 0 : record->details.length);
}

static bool send_fold(struct redis_port *port)
{
    const struct redis *redis = redis_of(port);
    struct redis_fold *fold = &port->fold;
    char n[24], elements[24], most[24], bytes[24];
    struct words words;
    bool sent = false;
    size_t i;

    snprintf(n, sizeof(n), "%llu", (unsigned long long)fold->n);
    snprintf(elements, sizeof(elements), "%zu", fold->elements);
    snprintf(most, sizeof(most), "%llu", (unsigned long long)redis->options.detailed);
    snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)redis->options.details_most);
    if (words_init(&words, 3 + SCRIPT_KEYS + 6 + 4 * fold->count)) {
        say_string(&words, "EVALSHA");
        say_string(&words, redis->shas[SCRIPT_FOLD]);
        say_string(&words, REDIS_SCRIPT_KEYS);
        for (i = 0; i < SCRIPT_KEYS; i++)
            say(&words, redis->keys[i].bytes, redis->keys[i].length);
        say_string(&words, n);
        say_string(&words, elements);
        say_string(&words, fold->summary_changed ? "1" : "0");
        say(&words, fold->summary.bytes, fold->summary_changed ? fold->summary.length : 0);
        say_string(&words, most);
        say_string(&words, bytes);
        for (i = 0; i < fold->count; i++)
            say_record(&words, &fold->records[i]);
        sent = redis_send_words(fold->op, words.count, words.at, words.lengths, on_fold);
    }
    words_finish(&words);
    return sent;
}

static void fold_and_write(struct redis_port *port)
{
    if (!fold_slice(port))
        end(port, VTS_ERR_MEMORY);
    else if (!send_fold(port))
        end(port, VTS_ERR_BUSY);
}

/* ---- reading ---- */

static bool is_values(const redisReply *reply, size_t count)
{
    return reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == count;
}

static void take_value(struct redis_fold *fold, const redisReply *value, struct text *copy)
{
    if (value->type == REDIS_REPLY_STRING)
        text_add(copy, value->str, (size_t)value->len);
    fold->failed |= copy->failed;
}

static void on_stats(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_port *port = ((struct redis_op *)arg)->port;
    struct redis_fold *fold = &port->fold;
    const redisReply *reply = answer;
    size_t i;

    if (!is_values(reply, fold->count)) {
        if (fold->going > 0)
            fold->failed = true; /* it is seen to when the details come, which is next */
        else
            refuse(port, link, reply);
        return;
    }
    for (i = 0; i < fold->count; i++)
        take_value(fold, reply->element[i], &fold->records[i].stats);
    if (fold->going > 0)
        return;
    if (fold->failed)
        end(port, VTS_ERR_MEMORY);
    else
        fold_and_write(port);
}

/* Of those that go: all that is known of them is told then. */
static void on_details(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_port *port = ((struct redis_op *)arg)->port;
    struct redis_fold *fold = &port->fold;
    const redisReply *reply = answer;
    size_t from = 0, i;

    if (!is_values(reply, fold->going)) {
        refuse(port, link, reply);
        return;
    }
    for (i = 0; i < fold->count; i++) {
        if (!fold->records[i].goes)
            continue;
        fold->records[i].detailed = reply->element[from]->type == REDIS_REPLY_STRING;
        take_value(fold, reply->element[from++], &fold->records[i].before);
    }
    if (fold->failed)
        end(port, VTS_ERR_BUSY);
    else
        fold_and_write(port);
}

static bool ask_values(struct redis_port *port, enum redis_key key, redisCallbackFn *fn)
{
    const struct redis *redis = redis_of(port);
    struct redis_fold *fold = &port->fold;
    struct words words;
    bool sent = words_init(&words, 2 + fold->count);
    size_t i;

    if (sent) {
        say_string(&words, "HMGET");
        say(&words, redis->keys[key].bytes, redis->keys[key].length);
        for (i = 0; i < fold->count; i++)
            if (key == KEY_STATS || fold->records[i].goes)
                say(&words, fold->records[i].id.at, fold->records[i].id.length);
        sent = redis_send_words(fold->op, words.count, words.at, words.lengths, fn);
    }
    words_finish(&words);
    return sent;
}

/* Finds the element's records. False where there was no memory. */
static bool take_records(struct redis_fold *fold, struct bytes element)
{
    struct redis_folded *record;
    struct entry entry;

    while (next_entry(&element, &entry)) {
        if (entry.id.length == 0)
            continue;
        record = find(fold, entry.id);
        if (!record)
            return false;
        if (entry.what == ENTRY_EXPIRED && !record->goes) {
            record->goes = true;
            fold->going++;
        }
    }
    return true;
}

static bool take_slice(struct redis_port *port, const redisReply *elements)
{
    struct redis_fold *fold = &port->fold;
    size_t length = 0, place, i;
    uint32_t each;

    for (i = 0; i < elements->elements; i++)
        length += sizeof(each) + (size_t)elements->element[i]->len;
    text_reset(&fold->log);
    if (!text_reserve(&fold->log, length + 1)) /* what points into it stays there */
        return false;
    for (i = 0; i < elements->elements && fold->count < REDIS_FOLDED; i++) {
        place = fold->log.length;
        each = (uint32_t)elements->element[i]->len;
        if (each > REDIS_ELEMENT_MOST) {
            tell_strange(port);
            each = 0;
        }
        text_add(&fold->log, &each, sizeof(each));
        text_add(&fold->log, elements->element[i]->str, each);
        fold->elements++;
        if (!take_records(fold, next_element(fold, &place)))
            return false;
    }
    return true;
}

static bool is_log(const redisReply *reply)
{
    const redisReply *elements;
    size_t i;

    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 4 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_STRING ||
        reply->element[2]->type != REDIS_REPLY_INTEGER ||
        reply->element[3]->type != REDIS_REPLY_ARRAY)
        return false;
    elements = reply->element[3];
    for (i = 0; i < elements->elements; i++)
        if (elements->element[i]->type != REDIS_REPLY_STRING)
            return false;
    return true;
}

/* Those for whom enough is folded go on; the others know what they wait for. */
static void let_go(struct redis_port *port, uint64_t all)
{
    struct redis_fold *fold = &port->fold;
    struct redis_op *op = fold->waiting.first, *next;

    fold->waiting.first = NULL;
    for (; op; op = next) {
        next = op->next;
        if (op->folded == 0)
            op->folded = all;
        if (op->folded <= fold->n || all == fold->n)
            op->then(op);
        else
            redis_row_add(&fold->waiting, op);
    }
}

static void on_log(struct redisAsyncContext *link, void *answer, void *arg)
{
    struct redis_port *port = ((struct redis_op *)arg)->port;
    struct redis_fold *fold = &port->fold;
    const redisReply *reply = answer, *sum;
    uint64_t left;

    if (!is_log(reply)) {
        refuse(port, link, reply);
        return;
    }
    sum = reply->element[1];
    left = (uint64_t)reply->element[2]->integer;
    fold->n = strtoull(reply->element[0]->str, NULL, 10);
    text_reset(&fold->summary);
    text_add(&fold->summary, sum->str, (size_t)sum->len);
    let_go(port, fold->n + left);
    if (port->link != link)
        end(port, VTS_ERR_BUSY);
    else if (fold->summary.failed || !take_slice(port, reply->element[3]))
        end(port, VTS_ERR_MEMORY);
    else if (fold->elements > 0) {
        fold->left = left - fold->elements;
        if (fold->count == 0)
            fold_and_write(port);
        else if (!ask_values(port, KEY_STATS, on_stats) ||
                 (fold->going > 0 && !ask_values(port, KEY_DETAILS, on_details)))
            end(port, VTS_ERR_BUSY);
    } else if (fold->joining.first) {
        read_log(port);
    } else {
        end(port, VTS_OK);
    }
}

static void read_log(struct redis_port *port)
{
    struct redis_fold *fold = &port->fold;
    const struct bytes most = {ELEMENTS_MOST, sizeof(ELEMENTS_MOST) - 1};
    struct redis_op *op = fold->joining.first, *next;

    fold->joining.first = NULL;
    for (; op; op = next) {
        next = op->next;
        redis_row_add(&fold->waiting, op);
    }
    for (op = fold->waiting.first; op; op = op->next)
        redis_touch(op);
    if (!redis_send(fold->op, COMMAND_LOG, &most, on_log))
        end(port, VTS_ERR_BUSY);
}

/* ---- who wants it ---- */

static void fold_now(struct redis_port *port)
{
    const struct bytes none = {"", 0};

    if (port->fold.op || !redis_of(port)->options.fold)
        return;
    port->fold.op = redis_op_create(port, none, false);
    if (port->fold.op)
        read_log(port);
    else
        finish_row(&port->fold.joining, VTS_ERR_MEMORY);
}

/* The more notes of a job come together, the cheaper is each. */
void redis_fold_some(struct redis_port *port, long long elements)
{
    int64_t now_us = redis_now_us();

    if (elements == 0 || (elements < ELEMENTS_MANY && now_us < port->fold.again_us))
        return;
    port->fold.again_us = now_us + FOLD_EACH_US;
    fold_now(port);
}

void redis_fold_first(struct redis_op *op)
{
    struct redis_port *port = op->port;

    if (!redis_of(port)->options.fold) {
        op->then(op);
        return;
    }
    redis_touch(op);
    redis_row_add(&port->fold.joining, op);
    fold_now(port);
}
