/* SPDX-License-Identifier: MIT
 *
 * The file of the SQLite store: its schema, how it is checked, read and written. Knows no store. Used by
 * one thread at a time. */
#ifndef VTSIM_STORE_SQLITE_FILE_H
#define VTSIM_STORE_SQLITE_FILE_H

#include <sqlite3.h>

#include "store.h"

struct sqlite_settings {
    const char *path;
    int durability; /* 0 process, 1 power */
};

enum change_kind {
    CHANGE_PUT,
    CHANGE_DROP,
    CHANGE_POLLS,
    CHANGE_INSTANCE,
    CHANGE_FORGET,
    CHANGE_CLOCK,
    CHANGE_SUMMARY
};

/* One thing to be written. */
struct change {
    struct change *next;
    enum change_kind kind;
    uint64_t number;
    uint64_t polls;    /* of a put, and of polls */
    vts_ms clock;      /* what the clock shows */
    uint64_t instance; /* the hash of an instance that is kept or forgotten */
    size_t size;       /* of the record, of the instance's text or of the summary; else 0 */
    size_t id_length, stats_size, details_size;
    _Alignas(8) char record[]; /* or that; the id, the statistics and their details behind it */
};

struct sqlite_file {
    const char *path; /* the settings' */
    sqlite3 *db;
    sqlite3_stmt *put, *drop, *polls, *instance, *forget, *clock, *begin, *commit, *rollback,
        *summary;
    int lock_fd; /* open as long as the file is: holds the lock against other vtsimds */
};

/* Opens or makes it, and checks that it is ours, whole, of a version that we know, and used by nobody
 * else. Nothing is changed in a file that is refused. `settings` lives as long as the file is open. */
bool sqlite_file_open(struct sqlite_file *file, const struct sqlite_settings *settings,
                      struct vts_error *error);
void sqlite_file_close(struct sqlite_file *file);

/* Whether the log beside the file is whole, but for a last commit that a crash cut off. Nothing but reads;
 * a file that has none is fine. (sqlite_log.c) */
bool sqlite_log_check(const char *path, bool *empty, struct vts_error *error);

/* A job as the file has it: its record, aligned, and what else stands in its row. */
struct sqlite_row {
    struct bytes id;
    const struct record *record;
    size_t size;
    uint64_t polls, instance;
    struct bytes stats, details; /* or none */
};

/* Tells all jobs; `fn` says false where id and record do not belong together. False where the file cannot be
 * read, or is damaged. */
bool sqlite_file_each(struct sqlite_file *file, bool (*fn)(void *arg, const struct sqlite_row *row),
                      void *arg, struct vts_error *error);

/* All was read and found good: from here on the file is written. Keeps the seed in it; *before is the one
 * that was kept so far. */
bool sqlite_file_take(struct sqlite_file *file, uint64_t seed, uint64_t *before,
                      struct vts_error *error);

/* What the clock showed at the end, when it was another than the real one; RECORD_NEVER: it was not. Forgets it
 * where `forget` says so. */
bool sqlite_file_clock(struct sqlite_file *file, bool forget, vts_ms *clock,
                       struct vts_error *error);

/* Writes a list of changes in one transaction: all or none. */
bool sqlite_file_write(struct sqlite_file *file, const struct change *first,
                       struct vts_error *error);

/* Bytes about all jobs together, as they were kept: into `summary`, which stays empty where there are none. */
bool sqlite_file_summary(struct sqlite_file *file, struct text *summary, struct vts_error *error);

/* Gives the space of what was dropped back to the system, a bit at a time. */
void sqlite_file_shrink(struct sqlite_file *file);

/* Whether each instance's text is the one that was kept under its hash, which is rng_hash's with seed 0. */
bool sqlite_file_check_instances(struct sqlite_file *file, struct vts_error *error);

/* Drops the instances that no record names, and tells the others. */
bool sqlite_file_each_instance(struct sqlite_file *file, store_instance_fn *fn, void *arg,
                               struct vts_error *error);

#endif
