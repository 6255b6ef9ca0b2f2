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

/* One change of one record, to be written. */
struct change {
    struct change *next;
    uint64_t number;
    uint64_t polls;
    size_t record_size; /* 0: the record is dropped, or only its polls are written */
    size_t id_length;
    bool polls_only;
    _Alignas(8) char record[]; /* the id behind it */
};

struct sqlite_file {
    sqlite3 *db;
    sqlite3_stmt *put, *drop, *polls, *begin, *commit, *rollback;
    int lock_fd; /* open as long as the file is: holds the lock against other vtsimds */
};

/* Opens or makes it, and checks that it is ours, whole, of a version that we know, and used by nobody
 * else. Nothing is changed in a file that is refused. */
bool sqlite_file_open(struct sqlite_file *file, const struct sqlite_settings *settings,
                      struct vts_error *error);
void sqlite_file_close(struct sqlite_file *file);

/* Tells all records, aligned, with their poll counts. False where the file cannot be read. */
bool sqlite_file_each(struct sqlite_file *file,
                      void (*fn)(void *arg, const struct record *record, size_t size,
                                 uint64_t polls),
                      void *arg, struct vts_error *error);

/* Writes a list of changes in one transaction: all or none. */
bool sqlite_file_write(struct sqlite_file *file, const struct change *first,
                       struct vts_error *error);

/* Gives the space of what was dropped back to the system, a bit at a time. */
void sqlite_file_shrink(struct sqlite_file *file);

bool sqlite_file_keep_instance(struct sqlite_file *file, uint64_t hash, struct bytes text,
                               struct vts_error *error);
bool sqlite_file_each_instance(struct sqlite_file *file, store_instance_fn *fn, void *arg,
                               struct vts_error *error);

#endif
