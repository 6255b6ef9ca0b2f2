/* SPDX-License-Identifier: MIT
 *
 * The SQLite store's file. See sqlite_file.h. */
#include "sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "../base/rng.h"

#define APPLICATION 0x7674736D /* "vtsm" */

/* Step n takes a file of version n to version n + 1. Never changed once released: add one. */
static const char *const steps[] = {
    /* For people: `record` is the job as vtsimd has it, with its checksum in `sum`; the other columns say
     * of it what one asks for. Without a rowid the id's order is the table itself: there is no index that
     * could tell something else. */
    "CREATE TABLE job ("
    "  id TEXT PRIMARY KEY NOT NULL,"
    "  state TEXT NOT NULL,"
    "  created_at INTEGER NOT NULL," /* ms since 1970, likewise the others; NULL: not yet */
    "  started_at INTEGER,"
    "  ended_at INTEGER,"
    "  wake_at INTEGER,"
    "  polls INTEGER NOT NULL,"
    "  instance INTEGER NOT NULL,"
    "  sum INTEGER NOT NULL,"
    "  record BLOB NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE TABLE setting (name TEXT PRIMARY KEY NOT NULL, value) WITHOUT ROWID;"
    "CREATE TABLE instance (hash INTEGER PRIMARY KEY, behaviour TEXT NOT NULL, text BLOB NOT NULL);"
    "CREATE VIEW jobs AS SELECT"
    "  id, state, behaviour, polls,"
    "  strftime('%Y-%m-%dT%H:%M:%fZ', created_at / 1000.0, 'unixepoch') AS created,"
    "  strftime('%Y-%m-%dT%H:%M:%fZ', ended_at / 1000.0, 'unixepoch') AS ended"
    "  FROM job LEFT JOIN instance ON hash = instance;",
    /* What the audit knows of a job, for vtsimd alone. It has no checksum: it is no part of the job. */
    "ALTER TABLE job ADD COLUMN stats BLOB;"
    "ALTER TABLE job ADD COLUMN details BLOB;",
};

#define VERSION ((int)(sizeof(steps) / sizeof(steps[0])))

static bool failed(struct sqlite_file *file, const char *what, struct vts_error *error)
{
    return vts_error_set(error, VTS_ERR_IO, "%s %s: %s", file->path, what,
                         sqlite3_errmsg(file->db));
}

static bool run(struct sqlite_file *file, const char *sql, struct vts_error *error)
{
    return sqlite3_exec(file->db, sql, NULL, NULL, NULL) == SQLITE_OK ||
           failed(file, "cannot be used", error);
}

/* What SQLite found when it looked at the file for the first time: only damage is called so. */
static bool found(struct sqlite_file *file, const char *what, struct vts_error *error)
{
    int code = sqlite3_errcode(file->db);

    if (!what && code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE &&
        code != SQLITE_CORRUPT && code != SQLITE_NOTADB)
        return failed(file, "cannot be used", error);
    return vts_error_set(error, VTS_ERR_DAMAGED, "%s is damaged (%s): it was left as it is",
                         file->path, what ? what : sqlite3_errmsg(file->db));
}

/* The first column of the first row. */
static bool ask(struct sqlite_file *file, const char *sql, int64_t *number, struct text *text)
{
    sqlite3_stmt *statement;
    const char *bytes;
    bool got = false;

    if (sqlite3_prepare_v2(file->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return false;
    if (sqlite3_step(statement) == SQLITE_ROW) {
        got = true;
        if (number)
            *number = sqlite3_column_int64(statement, 0);
        bytes = text ? (const char *)sqlite3_column_text(statement, 0) : NULL;
        if (bytes)
            text_puts(text, bytes);
    }
    sqlite3_finalize(statement);
    return got;
}

/* ---- opening ---- */

/* flock(2), on a descriptor of its own, does not meet SQLite's own locks: people can read the file while
 * it is served. */
static bool lock(struct sqlite_file *file, struct vts_error *error)
{
    file->lock_fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file->lock_fd < 0)
        return vts_error_set(error, VTS_ERR_IO, "%s cannot be opened for writing: %s", file->path,
                             strerror(errno));
    if (flock(file->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    return vts_error_set(error, VTS_ERR_IO,
                         errno == EWOULDBLOCK ? "%s is in use by another vtsimd"
                                              : "%s cannot be locked",
                         file->path);
}

/* Its log, before SQLite sees it. SQLite would throw away that of an empty file, and with it what a vtsimd
 * kept there: the file was cut off, or removed alone. */
static bool check_log(const struct sqlite_file *file, bool empty, struct vts_error *error)
{
    bool no_log;

    if (!sqlite_log_check(file->path, &no_log, error))
        return false;
    return !empty || no_log ||
           vts_error_set(error, VTS_ERR_DAMAGED,
                         "%s is empty, but its log %s-wal is not: put the file back, or remove the "
                         "log to begin anew",
                         file->path, file->path);
}

/* Whose it is, from its first bytes, before SQLite sees it: SQLite would finish or roll back what another
 * program left half done. */
static bool check_owner(struct sqlite_file *file, bool *empty, struct vts_error *error)
{
    static const char magic[] = "SQLite format 3";
    unsigned char head[100];
    ssize_t got = pread(file->lock_fd, head, sizeof(head), 0);
    uint32_t application;

    *empty = got == 0;
    if (got == 0)
        return true;
    if (got < 0)
        return vts_error_set(error, VTS_ERR_IO, "%s cannot be read: %s", file->path,
                             strerror(errno));
    if (got < (ssize_t)sizeof(head) || memcmp(head, magic, sizeof(magic)) != 0)
        return vts_error_set(error, VTS_ERR_DAMAGED,
                             "%s is no SQLite database, or is damaged: it was left as it is",
                             file->path);
    application =
        (uint32_t)head[68] << 24 | (uint32_t)head[69] << 16 | (uint32_t)head[70] << 8 | head[71];
    if (application == APPLICATION)
        return true;
    return vts_error_set(error, VTS_ERR_INVALID,
                         "%s is the database of another program: it was left as it is", file->path);
}

static bool check_version(struct sqlite_file *file, int64_t *version, struct vts_error *error)
{
    if (!ask(file, "PRAGMA user_version", version, NULL))
        return found(file, NULL, error);
    if (*version < 0)
        return found(file, "its version is negative", error);
    if (*version > VERSION)
        return vts_error_set(error, VTS_ERR_INVALID,
                             "%s is of version %lld, this vtsimd knows versions up to %d: use the "
                             "vtsimd that wrote it, or another file",
                             file->path, (long long)*version, VERSION);
    return true;
}

static bool check_whole(struct sqlite_file *file, struct vts_error *error)
{
    struct text verdict = TEXT_INIT;
    bool whole = ask(file, "PRAGMA quick_check(1)", NULL, &verdict) && !verdict.failed &&
                 verdict.length == 2 && memcmp(verdict.bytes, "ok", 2) == 0;

    if (!whole)
        found(file, verdict.length > 0 ? verdict.bytes : NULL, error);
    text_finish(&verdict);
    return whole;
}

static bool migrate(struct sqlite_file *file, int64_t version, struct vts_error *error)
{
    char pragma[64];

    for (; version < VERSION; version++) {
        snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %lld", (long long)version + 1);
        if (!run(file, "BEGIN IMMEDIATE", error) || !run(file, steps[version], error) ||
            !run(file, pragma, error) || !run(file, "COMMIT", error)) {
            sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
            return false;
        }
    }
    return true;
}

static bool prepare(struct sqlite_file *file, const char *sql, sqlite3_stmt **statement,
                    struct vts_error *error)
{
    return sqlite3_prepare_v3(file->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) ==
               SQLITE_OK ||
           failed(file, "cannot be used", error);
}

static bool prepare_all(struct sqlite_file *file, struct vts_error *error)
{
    return prepare(
               file,
               "INSERT INTO job (id, state, created_at, started_at, ended_at, wake_at, polls,"
               " instance, sum, record, stats) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
               "?11)"
               " ON CONFLICT (id) DO UPDATE SET state = ?2, created_at = ?3, started_at = ?4,"
               " ended_at = ?5, wake_at = ?6, polls = ?7, instance = ?8, sum = ?9, record = ?10,"
               " stats = ?11",
               &file->put, error) &&
           prepare(file, "DELETE FROM job WHERE id = ?1", &file->drop, error) &&
           prepare(file, "UPDATE job SET polls = ?2, stats = ?3, details = ?4 WHERE id = ?1",
                   &file->polls, error) &&
           prepare(file, "INSERT OR REPLACE INTO setting (name, value) VALUES ('summary', ?1)",
                   &file->summary, error) &&
           prepare(file,
                   "INSERT OR REPLACE INTO instance (hash, behaviour, text) VALUES (?1, ?2, ?3)",
                   &file->instance, error) &&
           prepare(file, "INSERT OR REPLACE INTO setting (name, value) VALUES ('clock', ?1)",
                   &file->clock, error) &&
           prepare(file, "DELETE FROM instance WHERE hash = ?1", &file->forget, error) &&
           prepare(file, "BEGIN IMMEDIATE", &file->begin, error) &&
           prepare(file, "COMMIT", &file->commit, error) &&
           prepare(file, "ROLLBACK", &file->rollback, error);
}

/* The file is made ours before anything else is written, so that it is known for ours from its first byte;
 * auto_vacuum can only be set while it is empty, and writes as well: hence in one transaction. In WAL mode a commit without a sync is in the system's hands,
 * so it outlives the process, but not the power: NORMAL syncs when the log goes into the file, so that a power cut
 * loses the newest commits and leaves the file whole. */
static bool set_up(struct sqlite_file *file, bool power, struct vts_error *error)
{
    char pragma[128];
    int64_t pages = 0;
    struct text mode = TEXT_INIT;
    bool wal;

    snprintf(pragma, sizeof(pragma),
             "BEGIN; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = %d; COMMIT",
             APPLICATION);
    /* Asked of SQLite, which has undone what was half made when it was first asked something. */
    if (!ask(file, "PRAGMA page_count", &pages, NULL))
        return failed(file, "cannot be used", error);
    if (pages == 0 && !run(file, pragma, error))
        return false;
    wal = ask(file, "PRAGMA journal_mode = WAL", NULL, &mode) && !mode.failed && mode.length == 3 &&
          memcmp(mode.bytes, "wal", 3) == 0;
    text_finish(&mode);
    if (!wal)
        return failed(file, "cannot have a write-ahead log", error);
    return run(file, power ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", error) &&
           run(file, "PRAGMA journal_size_limit = 4194304", error);
}

static bool open_checked(struct sqlite_file *file, const struct sqlite_settings *settings,
                         struct vts_error *error)
{
    int64_t version = 0;
    bool empty;

    file->path = settings->path;
    if (!lock(file, error) || !check_owner(file, &empty, error) || !check_log(file, empty, error))
        return false;
    if (sqlite3_open_v2(file->path, &file->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        return failed(file, "cannot be opened", error);
    sqlite3_busy_timeout(file->db, 1000); /* for people who read */
    /* Until it is taken nothing moves from the log into the file. */
    sqlite3_db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return check_version(file, &version, error) && check_whole(file, error) &&
           set_up(file, settings->durability == 1, error) && migrate(file, version, error) &&
           prepare_all(file, error);
}

bool sqlite_file_open(struct sqlite_file *file, const struct sqlite_settings *settings,
                      struct vts_error *error)
{
    memset(file, 0, sizeof(*file));
    file->lock_fd = -1;
    if (open_checked(file, settings, error))
        return true;
    sqlite_file_close(file);
    return false;
}

bool sqlite_file_take(struct sqlite_file *file, uint64_t seed, uint64_t *before,
                      struct vts_error *error)
{
    char sql[128];
    int64_t kept = (int64_t)seed;

    sqlite3_db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    ask(file, "SELECT value FROM setting WHERE name = 'seed'", &kept, NULL);
    *before = (uint64_t)kept;
    snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO setting (name, value) VALUES ('seed', %lld)",
             (long long)seed);
    return run(file, sql, error);
}

bool sqlite_file_clock(struct sqlite_file *file, bool forget, vts_ms *clock,
                       struct vts_error *error)
{
    *clock = RECORD_NEVER;
    ask(file, "SELECT value FROM setting WHERE name = 'clock'", clock, NULL);
    return *clock == RECORD_NEVER || !forget ||
           run(file, "DELETE FROM setting WHERE name = 'clock'", error);
}

void sqlite_file_close(struct sqlite_file *file)
{
    sqlite3_finalize(file->put);
    sqlite3_finalize(file->drop);
    sqlite3_finalize(file->polls);
    sqlite3_finalize(file->instance);
    sqlite3_finalize(file->summary);
    sqlite3_finalize(file->clock);
    sqlite3_finalize(file->forget);
    sqlite3_finalize(file->begin);
    sqlite3_finalize(file->commit);
    sqlite3_finalize(file->rollback);
    sqlite3_close(file->db);
    if (file->lock_fd >= 0)
        close(file->lock_fd);
    memset(file, 0, sizeof(*file));
    file->lock_fd = -1;
}

/* ---- reading ---- */

static int64_t sum_of(const void *record, size_t size)
{
    return (int64_t)rng_hash(record, size, APPLICATION);
}

/* Copies a row's record, which SQLite does not align. False where these are not the bytes that were
 * written. */
static bool read_row(sqlite3_stmt *row, struct text *aligned)
{
    const void *bytes = sqlite3_column_blob(row, 0);
    size_t size = (size_t)sqlite3_column_bytes(row, 0);

    text_reset(aligned);
    text_add(aligned, bytes, size);
    return sum_of(bytes, size) == sqlite3_column_int64(row, 2);
}

bool sqlite_file_each(struct sqlite_file *file, bool (*fn)(void *arg, const struct sqlite_row *row),
                      void *arg, struct vts_error *error)
{
    struct text aligned = TEXT_INIT;
    sqlite3_stmt *statement;
    int result;
    bool good = true;

    if (!prepare(file, "SELECT record, polls, sum, id, instance, stats, details FROM job",
                 &statement, error))
        return false;
    while (good && (result = sqlite3_step(statement)) == SQLITE_ROW) {
        struct sqlite_row row = {.id = {(const char *)sqlite3_column_text(statement, 3),
                                        (size_t)sqlite3_column_bytes(statement, 3)},
                                 .polls = (uint64_t)sqlite3_column_int64(statement, 1),
                                 .instance = (uint64_t)sqlite3_column_int64(statement, 4),
                                 .stats = {sqlite3_column_blob(statement, 5),
                                           (size_t)sqlite3_column_bytes(statement, 5)},
                                 .details = {sqlite3_column_blob(statement, 6),
                                             (size_t)sqlite3_column_bytes(statement, 6)}};

        good = read_row(statement, &aligned) && !aligned.failed && row.id.at;
        row.record = (const struct record *)aligned.bytes;
        row.size = aligned.length;
        good = good && fn(arg, &row);
        if (!good && aligned.failed)
            vts_error_set(error, VTS_ERR_MEMORY, "no memory to read the jobs");
        else if (!good)
            vts_error_set(error, VTS_ERR_DAMAGED,
                          "%s is damaged (the record of job %.300s): it "
                          "was left as it is",
                          file->path, row.id.at ? row.id.at : "");
    }
    if (good && result != SQLITE_DONE)
        good = failed(file, "cannot be read", error);
    text_finish(&aligned);
    sqlite3_finalize(statement);
    return good;
}

/* ---- writing ---- */

static void bind_moment(sqlite3_stmt *statement, int at, vts_ms moment)
{
    if (moment == RECORD_NEVER)
        sqlite3_bind_null(statement, at);
    else
        sqlite3_bind_int64(statement, at, moment);
}

static void bind_stats(sqlite3_stmt *statement, int at, const struct change *change)
{
    if (change->stats_size > 0)
        sqlite3_bind_blob64(statement, at, change->record + change->size + change->id_length,
                            change->stats_size, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, at);
}

static sqlite3_stmt *bind_polls(struct sqlite_file *file, const struct change *change)
{
    const char *details = change->record + change->size + change->id_length + change->stats_size;

    sqlite3_bind_int64(file->polls, 2, (int64_t)change->polls);
    bind_stats(file->polls, 3, change);
    sqlite3_bind_blob64(file->polls, 4, details, change->details_size, SQLITE_STATIC);
    return file->polls;
}

static sqlite3_stmt *bind_put(struct sqlite_file *file, const struct change *change)
{
    const struct record *record = (const struct record *)change->record;
    sqlite3_stmt *put = file->put;

    sqlite3_bind_text(put, 2, state_name(record->state), -1, SQLITE_STATIC);
    sqlite3_bind_int64(put, 3, record->created_at);
    bind_moment(put, 4, record->started_at);
    bind_moment(put, 5, record->ended_at);
    bind_moment(put, 6, record->wake_at);
    sqlite3_bind_int64(put, 7, (int64_t)change->polls);
    sqlite3_bind_int64(put, 8, (int64_t)record->instance);
    sqlite3_bind_int64(put, 9, sum_of(record, change->size));
    sqlite3_bind_blob64(put, 10, record, change->size, SQLITE_STATIC);
    bind_stats(put, 11, change);
    return put;
}

static sqlite3_stmt *bind_instance(struct sqlite_file *file, const struct change *change)
{
    sqlite3_bind_int64(file->instance, 1, (int64_t)change->instance);
    /* The text begins with the behaviour's name and a NUL. */
    sqlite3_bind_text(file->instance, 2, change->record, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(file->instance, 3, change->record, change->size, SQLITE_STATIC);
    return file->instance;
}

static sqlite3_stmt *bind_id(sqlite3_stmt *statement, const struct change *change)
{
    sqlite3_bind_text(statement, 1, change->record + change->size, (int)change->id_length,
                      SQLITE_STATIC);
    return statement;
}

static sqlite3_stmt *bind_change(struct sqlite_file *file, const struct change *change)
{
    switch (change->kind) {
    case CHANGE_PUT:
        return bind_id(bind_put(file, change), change);
    case CHANGE_DROP:
        return bind_id(file->drop, change);
    case CHANGE_POLLS:
        return bind_id(bind_polls(file, change), change);
    case CHANGE_CLOCK:
        sqlite3_bind_int64(file->clock, 1, change->clock);
        return file->clock;
    case CHANGE_SUMMARY:
        sqlite3_bind_blob64(file->summary, 1, change->record, change->size, SQLITE_STATIC);
        return file->summary;
    case CHANGE_FORGET:
        sqlite3_bind_int64(file->forget, 1, (int64_t)change->instance);
        return file->forget;
    case CHANGE_INSTANCE:
        break;
    }
    return bind_instance(file, change);
}

static bool step(sqlite3_stmt *statement)
{
    int result = sqlite3_step(statement);

    sqlite3_reset(statement);
    return result == SQLITE_DONE;
}

bool sqlite_file_write(struct sqlite_file *file, const struct change *first,
                       struct vts_error *error)
{
    const struct change *change;
    bool good = step(file->begin);

    for (change = first; good && change; change = change->next)
        good = step(bind_change(file, change));
    if (good && step(file->commit))
        return true;
    vts_error_set(error, VTS_ERR_IO, "%s cannot be written: %s", file->path,
                  sqlite3_errmsg(file->db));
    if (!sqlite3_get_autocommit(file->db))
        step(file->rollback);
    return false;
}

bool sqlite_file_summary(struct sqlite_file *file, struct text *summary, struct vts_error *error)
{
    sqlite3_stmt *statement;

    if (!prepare(file, "SELECT value FROM setting WHERE name = 'summary'", &statement, error))
        return false;
    if (sqlite3_step(statement) == SQLITE_ROW)
        text_add(summary, sqlite3_column_blob(statement, 0),
                 (size_t)sqlite3_column_bytes(statement, 0));
    sqlite3_finalize(statement);
    return !summary->failed || vts_error_set(error, VTS_ERR_MEMORY, "no memory for %s", file->path);
}

void sqlite_file_shrink(struct sqlite_file *file)
{
    int64_t unused = 0;

    if (ask(file, "PRAGMA freelist_count", &unused, NULL) && unused > 1000)
        sqlite3_exec(file->db, "PRAGMA incremental_vacuum(5000)", NULL, NULL, NULL);
}

/* ---- instances ---- */

/* A text that is not what was kept under its hash would fail each of its jobs. */
bool sqlite_file_check_instances(struct sqlite_file *file, struct vts_error *error)
{
    sqlite3_stmt *statement;
    char what[64];
    int64_t hash;
    int result;
    bool good = true;

    if (!prepare(file, "SELECT hash, text FROM instance", &statement, error))
        return false;
    while (good && (result = sqlite3_step(statement)) == SQLITE_ROW) {
        hash = sqlite3_column_int64(statement, 0);
        good = (int64_t)rng_hash(sqlite3_column_blob(statement, 1),
                                 (size_t)sqlite3_column_bytes(statement, 1), 0) == hash;
        snprintf(what, sizeof(what), "the behaviour %lld", (long long)hash);
        if (!good)
            found(file, what, error);
    }
    if (good && result != SQLITE_DONE)
        good = failed(file, "cannot tell the behaviours", error);
    sqlite3_finalize(statement);
    return good;
}

bool sqlite_file_each_instance(struct sqlite_file *file, store_instance_fn *fn, void *arg,
                               struct vts_error *error)
{
    sqlite3_stmt *statement;
    int result;

    if (!prepare(file, "DELETE FROM instance WHERE hash NOT IN (SELECT DISTINCT instance FROM job)",
                 &statement, error))
        return false;
    sqlite3_step(statement);
    sqlite3_finalize(statement);
    if (!prepare(file, "SELECT hash, text FROM instance", &statement, error))
        return false;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW)
        fn(arg, (uint64_t)sqlite3_column_int64(statement, 0),
           (struct bytes){sqlite3_column_blob(statement, 1),
                          (size_t)sqlite3_column_bytes(statement, 1)});
    sqlite3_finalize(statement);
    return result == SQLITE_DONE || failed(file, "cannot tell the behaviours", error);
}
