/* SPDX-License-Identifier: MIT
 *
 * The SQLite store's file alone: whose files it takes, how it is laid out, what of it is checked. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "folder.h"
#include "store/sqlite_file.h"

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

#define T0   INT64_C(1767225600000)
#define MANY 1500 /* records in a file that is damaged: some pages of each sort */

static char folder[FOLDER_ROOM], path[FOLDER_ROOM + 16];
static struct sqlite_settings settings = {.path = path};
static struct sqlite_file file;
static struct vts_error error;

static int setup(void **state)
{
    (void)state;
    folder_make(folder);
    snprintf(path, sizeof(path), "%s/jobs.db", folder);
    settings.durability = 0;
    memset(&file, 0, sizeof(file));
    file.lock_fd = -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sqlite_file_close(&file);
    folder_remove(folder);
    return 0;
}

/* ---- helpers ---- */

/* A whole file in memory. */
struct image {
    char *bytes;
    size_t length;
};

static struct image image_of(const char *suffix)
{
    char name[FOLDER_ROOM + 32];
    struct image image = {NULL, 0};
    struct stat stat = {0};
    int fd;

    snprintf(name, sizeof(name), "%s%s", path, suffix);
    fd = open(name, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &stat) == 0);
    image.length = (size_t)stat.st_size;
    image.bytes = malloc(image.length + 1);
    assert_non_null(image.bytes);
    assert_int_equal(read(fd, image.bytes, image.length + 1), stat.st_size);
    close(fd);
    return image;
}

static void image_write(const struct image *image, const char *suffix)
{
    char name[FOLDER_ROOM + 32];
    int fd;

    snprintf(name, sizeof(name), "%s%s", path, suffix);
    fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, image->bytes, image->length), (ssize_t)image->length);
    close(fd);
}

static void assert_unchanged(struct image *before, const char *suffix)
{
    struct image after = image_of(suffix);

    assert_int_equal(after.length, before->length);
    assert_memory_equal(after.bytes, before->bytes, before->length);
    free(after.bytes);
    free(before->bytes);
}

static void open_file(void)
{
    uint64_t before;

    if (!sqlite_file_open(&file, &settings, &error) || !sqlite_file_take(&file, 1, &before, &error))
        fail_msg("%s", error.message);
}

/* As a vtsimd that dies: what is in the log stays there. */
static void die(void)
{
    sqlite3_db_config(file.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite_file_close(&file);
}

static void assert_refused(const char *format)
{
    char message[1024];

    snprintf(message, sizeof(message), format, path);
    assert_false(sqlite_file_open(&file, &settings, &error));
    assert_string_equal(error.message, message);
}

static void other_sql(const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t number(const char *sql)
{
    sqlite3_stmt *statement;
    int64_t value;

    assert_int_equal(sqlite3_prepare_v2(file.db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static struct job job_of(const char *id)
{
    return (struct job){.id = {id, strlen(id)},
                        .instance = 7,
                        .state = VTS_RUNNING,
                        .created_at = T0,
                        .started_at = T0,
                        .ended_at = RECORD_NEVER,
                        .wake_at = T0 + 10,
                        .last_at = T0};
}

static struct change *change_of(const struct job *job, struct change *next)
{
    struct text record = TEXT_INIT;
    struct change *change;

    assert_true(record_write(job, &record));
    change = malloc(sizeof(*change) + record.length + job->id.length);
    assert_non_null(change);
    *change = (struct change){.next = next, .size = record.length, .id_length = job->id.length};
    memcpy(change->record, record.bytes, record.length);
    memcpy(change->record + record.length, job->id.at, job->id.length);
    text_finish(&record);
    return change;
}

/* Writes a list, and frees it. */
static void write_changes(struct change *first)
{
    struct change *next;

    if (!sqlite_file_write(&file, first, &error))
        fail_msg("%s", error.message);
    for (; first; first = next) {
        next = first->next;
        free(first);
    }
}

static void put(const char *id)
{
    struct job job = job_of(id);

    write_changes(change_of(&job, NULL));
}

/* Records of several lengths. Each says its number twice: in its id and in its input. */
static void put_many(void)
{
    struct change *first = NULL;
    static char input[3000];
    char id[32];

    memset(input, 'x', sizeof(input));
    for (int i = 0; i < MANY; i++) {
        struct job job;

        snprintf(id, sizeof(id), "job-%d", i);
        job = job_of(id);
        snprintf(input, 32, "%-31d", i);
        input[31] = 'x';
        job.input = (struct bytes){input, i % 50 == 0 ? sizeof(input) - 1 : 40};
        first = change_of(&job, first);
    }
    write_changes(first);
}

struct seen {
    size_t count;
    uint64_t polls;
    bool strange; /* something that was not written so */
};

static bool see(void *arg, const struct sqlite_row *row)
{
    struct bytes id = row->id;
    struct seen *seen = arg;
    struct job job;
    char wanted[32];

    seen->count++;
    seen->polls += row->polls;
    if (!record_read(row->record, row->size, &job) || row->instance != job.instance ||
        job.id.length != id.length || memcmp(job.id.at, id.at, id.length) != 0)
        return false;
    if (job.input.at) {
        snprintf(wanted, sizeof(wanted), "job-%ld", strtol(job.input.at, NULL, 10));
        seen->strange = seen->strange || strcmp(wanted, job.id.at) != 0 || job.wake_at != T0 + 10;
    }
    return true;
}

static struct seen see_all(void)
{
    struct seen seen = {0};

    if (!sqlite_file_each(&file, see, &seen, &error))
        fail_msg("%s", error.message);
    return seen;
}

/* ---- made and read ---- */

static void what_is_written_is_read(void **state)
{
    struct change *drop, *polls;
    struct job job = job_of("b");
    struct seen seen;

    (void)state;
    open_file();
    put("a");
    put("b");
    put("b");
    put("c");
    polls = change_of(&job, NULL);
    polls->size = 0;
    memcpy(polls->record, "b", 1);
    polls->kind = CHANGE_POLLS;
    polls->polls = 42;
    write_changes(polls);
    drop = change_of(&job, NULL);
    drop->kind = CHANGE_DROP;
    drop->size = 0;
    memcpy(drop->record, "c", 1);
    write_changes(drop);
    sqlite_file_close(&file);
    open_file();
    seen = see_all();
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.polls, 42);
}

static void durability_decides_what_is_synced(void **state)
{
    (void)state;
    open_file();
    assert_int_equal(number("PRAGMA synchronous"), 1); /* NORMAL */
    sqlite_file_close(&file);
    settings.durability = 1;
    open_file();
    assert_int_equal(number("PRAGMA synchronous"), 2); /* FULL */
    put("a");
}

static void put_instance(uint64_t hash, struct bytes text)
{
    struct change *change = malloc(sizeof(*change) + text.length);

    assert_non_null(change);
    *change = (struct change){.kind = CHANGE_INSTANCE, .instance = hash, .size = text.length};
    memcpy(change->record, text.at, text.length);
    write_changes(change);
}

static void people_can_read_it(void **state)
{
    struct job job = job_of("b");
    sqlite3_stmt *statement;

    (void)state;
    open_file();
    put_instance(7, (struct bytes){"quick\0fixed_delay", 18});
    put("a");
    job.state = VTS_FAILED;
    job.ended_at = T0 + 1500;
    write_changes(change_of(&job, NULL));
    assert_int_equal(
        sqlite3_prepare_v2(file.db,
                           "SELECT group_concat(state || '=' || n) FROM (SELECT state, count(*) AS "
                           "n FROM job GROUP BY state)",
                           -1, &statement, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), "failed=1,running=1");
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_prepare_v2(file.db,
                                        "SELECT id || ' ' || state || ' ' || behaviour || ' ' || "
                                        "polls || ' ' || created || ' ' || ifnull(ended, '-') "
                                        "FROM jobs ORDER BY id DESC",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0),
                        "b failed quick 0 2026-01-01T00:00:00.000Z 2026-01-01T00:00:01.500Z");
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0),
                        "a running quick 0 2026-01-01T00:00:00.000Z -");
    sqlite3_finalize(statement);
}

static void the_file_shrinks(void **state)
{
    struct change *first = NULL;
    struct image image;
    size_t full;
    char id[32];

    (void)state;
    open_file();
    for (int i = 0; i < 4; i++)
        put_many();
    for (int i = 0; i < 20000; i++) {
        struct job job;

        snprintf(id, sizeof(id), "more-%d", i);
        job = job_of(id);
        first = change_of(&job, first);
    }
    write_changes(first);
    sqlite_file_close(&file);
    image = image_of("");
    full = image.length;
    free(image.bytes);
    open_file();
    assert_int_equal(
        sqlite3_exec(file.db, "DELETE FROM job WHERE id LIKE 'more-%'", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite_file_shrink(&file);
    assert_int_equal(see_all().count, MANY);
    sqlite_file_close(&file);
    image = image_of("");
    assert_true(image.length < full / 2);
    free(image.bytes);
}

/* ---- versions ---- */

/* A vtsimd that was killed when it had made the file its own and not gone further. */
static void migration_goes_on_where_it_was(void **state)
{
    (void)state;
    other_sql("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = 0x7674736D");
    open_file();
    put("a");
    assert_int_equal(number("PRAGMA user_version"), 2);
    assert_int_equal(number("SELECT count(*) FROM job"), 1);
    assert_int_equal(number("SELECT value FROM setting WHERE name = 'seed'"), 1);
}

static int commits_left;

static int die_at_commit(void *unused)
{
    (void)unused;
    if (--commits_left < 0)
        _exit(1);
    return 0;
}

static int watch_commits(sqlite3 *db, char **message, const void *unused)
{
    (void)message;
    (void)unused;
    sqlite3_commit_hook(db, die_at_commit, NULL);
    return SQLITE_OK;
}

/* A vtsimd that makes a file and dies before its next commit. True where it came to the end. */
static bool makes_a_file(int commits)
{
    uint64_t before;
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        commits_left = commits;
        sqlite3_auto_extension((void (*)(void))watch_commits);
        _exit(sqlite_file_open(&file, &settings, &error) &&
                      sqlite_file_take(&file, 1, &before, &error)
                  ? 0
                  : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
    return WEXITSTATUS(status) == 0;
}

static void a_file_that_was_left_half_made_is_taken(void **state)
{
    bool made = false;
    int commits;

    (void)state;
    for (commits = 0; !made; commits++) {
        made = makes_a_file(commits);
        open_file();
        put("a");
        assert_int_equal(see_all().count, 1);
        sqlite_file_close(&file);
        assert_int_equal(unlink(path), 0);
    }
    assert_true(commits > 3);
}

/* Killed in the middle of the first transaction: SQLite's journal says that the file, which has our mark
 * already, was empty before. It is made empty again, and has to get the mark again. */
static void a_file_whose_first_transaction_was_cut_off_is_taken(void **state)
{
    static char journal[512] = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" /* magic */
                               "\0\0\0\0"                         /* records */
                               "\0\0\0\1"                         /* nonce */
                               "\0\0\0\0"                         /* pages there were */
                               "\0\0\2\0"                         /* size of a sector */
                               "\0\0\x10\0";                      /* size of a page */
    const struct image image = {journal, sizeof(journal)};

    (void)state;
    other_sql("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = 0x7674736D");
    image_write(&image, "-journal");
    open_file();
    put("a");
    die();
    open_file();
    assert_int_equal(see_all().count, 1);
    assert_int_equal(number("PRAGMA auto_vacuum"), 2); /* incremental */
}

static void an_empty_file_is_taken(void **state)
{
    const struct image empty = {(char *)"", 0};

    (void)state;
    image_write(&empty, "");
    open_file();
    put("a");
    assert_int_equal(see_all().count, 1);
}

static void a_newer_version_is_refused(void **state)
{
    struct image before;

    (void)state;
    open_file();
    put("a");
    sqlite_file_close(&file);
    other_sql("PRAGMA user_version = 3");
    before = image_of("");
    assert_refused("%s is of version 3, this vtsimd knows versions up to 2: use the vtsimd that "
                   "wrote it, or another file");
    assert_unchanged(&before, "");
}

static void a_negative_version_is_refused(void **state)
{
    struct image before;

    (void)state;
    open_file();
    put("a");
    sqlite_file_close(&file);
    other_sql("PRAGMA user_version = -1");
    before = image_of("");
    assert_refused("%s is damaged (its version is negative): it was left as it is");
    assert_unchanged(&before, "");
}

static void another_programs_database_is_refused(void **state)
{
    struct image before;

    (void)state;
    other_sql("CREATE TABLE job (id); PRAGMA user_version = 1");
    before = image_of("");
    assert_refused("%s is the database of another program: it was left as it is");
    assert_unchanged(&before, "");
}

static void what_is_no_database_is_refused(void **state)
{
    struct image text = {strdup("[server]\nlisten = 127.0.0.1:5000\n"), 33};

    (void)state;
    image_write(&text, "");
    assert_refused("%s is no SQLite database, or is damaged: it was left as it is");
    assert_unchanged(&text, "");
}

static void paths_that_cannot_be_used_say_why(void **state)
{
    char long_name[FOLDER_ROOM + 32];

    (void)state;
    snprintf(long_name, sizeof(long_name), "%s/none/jobs.db", folder);
    settings.path = long_name;
    assert_false(sqlite_file_open(&file, &settings, &error));
    assert_non_null(
        strstr(error.message, "/none/jobs.db cannot be opened for writing: No such file"));
    settings.path = folder;
    assert_false(sqlite_file_open(&file, &settings, &error));
    assert_non_null(strstr(error.message, " cannot be opened for writing: Is a directory"));
    settings.path = path;
}

static void a_file_in_use_is_refused(void **state)
{
    struct sqlite_file second;
    char message[1024];

    (void)state;
    open_file();
    put("a");
    assert_false(sqlite_file_open(&second, &settings, &error));
    snprintf(message, sizeof(message), "%s is in use by another vtsimd", path);
    assert_string_equal(error.message, message);
    put("b"); /* and the first goes on */
    assert_int_equal(see_all().count, 2);
}

/* A person who keeps all others out: that is no damage. */
static void a_file_that_a_person_has_locked_is_not_called_damaged(void **state)
{
    sqlite3 *db;

    (void)state;
    open_file();
    put("a");
    sqlite_file_close(&file);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE;"
                                  "UPDATE job SET polls = 1; COMMIT",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_refused("%s cannot be used: database is locked");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    open_file();
    assert_int_equal(see_all().count, 1);
}

/* ---- damage ---- */

static void a_log_whose_file_is_gone_is_kept(void **state)
{
    const struct image empty = {(char *)"", 0};
    char message[1024];
    struct image log;

    (void)state;
    open_file();
    put("a");
    die();
    image_write(&empty, "");
    log = image_of("-wal");
    snprintf(message, sizeof(message),
             "%s is empty, but its log %s-wal is not: put the file back, or remove the log to "
             "begin anew",
             path, path);
    assert_refused(message);
    assert_unchanged(&log, "-wal");
}

static void a_behaviour_that_is_not_what_was_kept_is_damage(void **state)
{
    const struct bytes text = {"quick\0fixed_delay\0delay=1h", 27};
    uint64_t hash = rng_hash(text.at, text.length, 0);

    (void)state;
    open_file();
    put_instance(hash, text);
    assert_true(sqlite_file_check_instances(&file, &error));
    assert_int_equal(sqlite3_exec(file.db, "UPDATE instance SET text = replace(text, '1h', '2h')",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_false(sqlite_file_check_instances(&file, &error));
    assert_non_null(strstr(error.message, "is damaged (the behaviour "));
}

/* What a dead vtsimd left in the log stays in the log. */
static void a_refused_file_keeps_its_log(void **state)
{
    struct image before, log;

    (void)state;
    open_file();
    put_many();
    assert_int_equal(sqlite3_exec(file.db, "UPDATE job SET sum = sum + 1 WHERE id = 'job-100'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    die();
    before = image_of("");
    log = image_of("-wal");
    assert_true(log.length > 0);
    assert_true(sqlite_file_open(&file, &settings, &error));
    assert_false(sqlite_file_each(&file, see, &(struct seen){0}, &error));
    assert_non_null(
        strstr(error.message, "is damaged (the record of job job-100): it was left as it is"));
    sqlite_file_close(&file);
    assert_unchanged(&before, "");
    assert_unchanged(&log, "-wal");
}

static void an_id_that_is_not_its_records_is_damage(void **state)
{
    (void)state;
    open_file();
    put("a");
    assert_int_equal(sqlite3_exec(file.db, "UPDATE job SET id = 'b'", NULL, NULL, NULL), SQLITE_OK);
    assert_false(sqlite_file_each(&file, see, &(struct seen){0}, &error));
    assert_non_null(strstr(error.message, "is damaged (the record of job b)"));
}

static struct image a_full_file(void)
{
    open_file();
    put_many();
    sqlite_file_close(&file);
    return image_of("");
}

/* True where it was refused, as it was; otherwise all that is in it must be as it was written. */
static bool refused_or_harmless(const struct image *damaged, int trial)
{
    struct image copy = {malloc(damaged->length + 1), damaged->length};
    struct seen seen = {0};
    bool good;

    assert_non_null(copy.bytes);
    memcpy(copy.bytes, damaged->bytes, damaged->length);
    image_write(damaged, "");
    good =
        sqlite_file_open(&file, &settings, &error) && sqlite_file_each(&file, see, &seen, &error);
    sqlite_file_close(&file);
    if (good && (seen.strange || seen.count != MANY))
        fail_msg("trial %d: a damaged file was taken, and tells %zu records%s", trial, seen.count,
                 seen.strange ? ", not as they were" : "");
    assert_unchanged(&copy, "");
    return !good;
}

static void damaged_files_are_refused_as_they_are(void **state)
{
    struct image whole = a_full_file(), damaged;
    size_t span = whole.length > 0 ? whole.length : 1;
    int refused = 0, trial;

    (void)state;
    for (trial = 0; trial < 300; trial++) {
        uint64_t key = rng_key(1, (uint64_t)trial, "damage", 6);
        size_t at = rng_draw(key, 0) % span, length = 1 + rng_draw(key, 1) % 32;

        damaged = (struct image){malloc(whole.length + 1), whole.length};
        assert_non_null(damaged.bytes);
        memcpy(damaged.bytes, whole.bytes, whole.length);
        for (size_t i = 0; i < length && at + i < whole.length; i++)
            damaged.bytes[at + i] ^= (char)(1 + rng_draw(key, 2 + i) % 255);
        refused += refused_or_harmless(&damaged, trial);
        free(damaged.bytes);
    }
    print_message("%d of %d damaged files were refused, the others tell what was written\n",
                  refused, trial);
    assert_true(refused >
                trial /
                    3); /* what is unused, and what is there for people alone, does not matter */
    free(whole.bytes);
}

static void truncated_files_are_refused_as_they_are(void **state)
{
    struct image whole = a_full_file(), cut = whole;

    (void)state;
    for (cut.length = 1; cut.length < whole.length; cut.length += whole.length / 40) {
        if (!refused_or_harmless(&cut, (int)cut.length))
            fail_msg("%zu of %zu bytes were taken for the whole file", cut.length, whole.length);
    }
    free(whole.bytes);
}

/* A file that was killed with all its jobs in the log, a commit for each. */
#define COMMITS 60

static void a_log(struct image *whole, struct image *log)
{
    char id[32];

    open_file();
    for (int i = 0; i < COMMITS; i++) {
        snprintf(id, sizeof(id), "job-%d", i);
        put(id);
    }
    die();
    *whole = image_of("");
    *log = image_of("-wal");
}

/* How many jobs are told of a file with this log; -1: it was refused, and left as it is. */
static int told(const struct image *whole, struct image *log)
{
    struct image before[2] = {{malloc(whole->length), whole->length},
                              {malloc(log->length), log->length}};
    struct seen seen = {0};

    assert_true(before[0].bytes && before[1].bytes);
    memcpy(before[0].bytes, whole->bytes, whole->length);
    memcpy(before[1].bytes, log->bytes, log->length);
    image_write(whole, "");
    image_write(log, "-wal");
    if (sqlite_file_open(&file, &settings, &error)) {
        assert_true(sqlite_file_each(&file, see, &seen, &error));
        die();
        free(before[0].bytes);
        free(before[1].bytes);
        return (int)seen.count;
    }
    assert_unchanged(&before[0], "");
    assert_unchanged(&before[1], "-wal");
    return -1;
}

static void flip(struct image *log, size_t at) { log->bytes[at] ^= 0x10; }

/* Otherwise every commit behind the damage would be undone, and written over. */
static void a_log_with_damage_in_the_middle_is_refused(void **state)
{
    struct image whole, log;
    size_t at, early;
    int trial;

    (void)state;
    a_log(&whole, &log);
    /* before the last commits, which have some frames each */
    early = log.length > 100000 ? log.length - 40000 : 1;
    for (trial = 0; trial < 200; trial++) {
        at = rng_draw(rng_key(1, (uint64_t)trial, "log", 3), 0) % early;
        flip(&log, at);
        if (told(&whole, &log) != -1)
            fail_msg("trial %d: a log with damage at %zu of %zu was taken", trial, at, log.length);
        flip(&log, at);
        assert_non_null(strstr(error.message, "jobs.db-wal is damaged: it was left as it is"));
    }
    assert_int_equal(told(&whole, &log), COMMITS);
    free(whole.bytes);
    free(log.bytes);
}

/* Wherever a crash cuts it off, what was committed before is there. */
static void a_log_that_a_crash_cut_off_is_taken_up_to_there(void **state)
{
    struct image whole, log, cut;
    int before = 0, now;

    (void)state;
    a_log(&whole, &log);
    cut = log;
    for (cut.length = log.length / 2; cut.length <= log.length; cut.length += 1021) {
        now = told(&whole, &cut);
        assert_true(now >= before && now <= COMMITS);
        before = now;
    }
    assert_true(before >= COMMITS - 1);
    flip(&log, log.length - 1); /* as when only the last commit did not reach the disk whole */
    assert_int_equal(told(&whole, &log), COMMITS - 1);
    free(whole.bytes);
    free(log.bytes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read),
        TEST(durability_decides_what_is_synced),
        TEST(people_can_read_it),
        TEST(the_file_shrinks),
        TEST(migration_goes_on_where_it_was),
        TEST(a_file_that_was_left_half_made_is_taken),
        TEST(a_file_whose_first_transaction_was_cut_off_is_taken),
        TEST(an_empty_file_is_taken),
        TEST(a_newer_version_is_refused),
        TEST(a_negative_version_is_refused),
        TEST(another_programs_database_is_refused),
        TEST(what_is_no_database_is_refused),
        TEST(paths_that_cannot_be_used_say_why),
        TEST(a_file_in_use_is_refused),
        TEST(a_file_that_a_person_has_locked_is_not_called_damaged),
        TEST(a_log_whose_file_is_gone_is_kept),
        TEST(a_behaviour_that_is_not_what_was_kept_is_damage),
        TEST(a_refused_file_keeps_its_log),
        TEST(an_id_that_is_not_its_records_is_damage),
        TEST(damaged_files_are_refused_as_they_are),
        TEST(truncated_files_are_refused_as_they_are),
        TEST(a_log_with_damage_in_the_middle_is_refused),
        TEST(a_log_that_a_crash_cut_off_is_taken_up_to_there),
    };

    return cmocka_run_group_tests_name("store_sqlite_file", tests, NULL, NULL);
}
