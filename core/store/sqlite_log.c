/* SPDX-License-Identifier: MIT
 *
 * Looks at the log of a SQLite file (jobs.db-wal) before SQLite does. See sqlite_file.h.
 *
 * SQLite takes a log up to the first frame whose checksum does not fit, which is how it tells a commit that
 * a crash cut off, and then writes over the rest. So damage in the middle would silently undo every commit
 * behind it. Each frame's checksum goes on from the one before: whole commits behind such a place can be
 * told from what is left of older ones, and a crash leaves one of them at the most, the last. The format is
 * that of https://sqlite.org/fileformat2.html#walformat. */
#include "sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER   32
#define FRAME    24 /* its own header; a page follows */
#define MAGIC    0x377F0682u
#define VERSION  3007000u
#define PAGE_MAX 65536u

struct log {
    int fd;
    bool big; /* checksums are taken of words with the high byte first */
    uint32_t page;
    uint32_t salt[2];
    uint32_t sum[2];
    unsigned char *frame;
};

static uint32_t big_word(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint32_t little_word(const unsigned char *at)
{
    return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static void add(struct log *log, const unsigned char *at, size_t length)
{
    const unsigned char *end = at + length;

    for (; at < end; at += 8) {
        log->sum[0] += (log->big ? big_word(at) : little_word(at)) + log->sum[1];
        log->sum[1] += (log->big ? big_word(at + 4) : little_word(at + 4)) + log->sum[0];
    }
}

static bool sum_is(const struct log *log, const unsigned char *at)
{
    return log->sum[0] == big_word(at) && log->sum[1] == big_word(at + 4);
}

static bool read_header(struct log *log)
{
    unsigned char head[HEADER];

    if (pread(log->fd, head, HEADER, 0) != HEADER)
        return false;
    log->big = (head[3] & 1) != 0;
    log->page = big_word(head + 8);
    log->salt[0] = big_word(head + 16);
    log->salt[1] = big_word(head + 20);
    add(log, head, 24);
    return (big_word(head) & ~1u) == MAGIC && big_word(head + 4) == VERSION && log->page >= 512 &&
           log->page <= PAGE_MAX && (log->page & (log->page - 1)) == 0 && sum_is(log, head + 24);
}

/* Whole commits behind the first frame that does not fit. */
static size_t commits_behind(struct log *log)
{
    size_t size = FRAME + log->page, commits = 0;
    unsigned char *frame = log->frame;
    bool whole = true, fits;

    for (off_t at = HEADER; pread(log->fd, frame, size, at) == (ssize_t)size; at += (off_t)size) {
        add(log, frame, 8);
        add(log, frame + FRAME, log->page);
        fits = big_word(frame + 8) == log->salt[0] && big_word(frame + 12) == log->salt[1] &&
               sum_is(log, frame + 16);
        whole = whole && fits;
        if (!whole && fits && big_word(frame + 4) != 0)
            commits++;
        log->sum[0] = big_word(frame + 16);
        log->sum[1] = big_word(frame + 20);
    }
    return commits;
}

bool sqlite_log_check(const char *path, bool *empty, struct vts_error *error)
{
    char real[PATH_MAX], name[PATH_MAX + 8]; /* where SQLite looks for it: behind symbolic links */
    struct log log = {0};
    struct stat file = {0};
    bool whole = true;

    *empty = true;
    if (!realpath(path, real))
        return vts_error_set(error, VTS_ERR_IO, "%s cannot be found: %s", path, strerror(errno));
    snprintf(name, sizeof(name), "%s-wal", real);
    log.fd = open(name, O_RDONLY | O_CLOEXEC);
    if (log.fd < 0)
        /* cppcheck-suppress memleak ; there is no descriptor */
        return errno == ENOENT ||
               vts_error_set(error, VTS_ERR_IO, "%s cannot be opened: %s", name, strerror(errno));
    *empty = fstat(log.fd, &file) == 0 && file.st_size == 0;
    log.frame = malloc(FRAME + PAGE_MAX);
    if (!log.frame)
        vts_error_set(error, VTS_ERR_MEMORY, "no memory to read %s", name);
    else if (file.st_size > HEADER)
        whole = read_header(&log) && commits_behind(&log) < 2;
    if (!whole)
        vts_error_set(error, VTS_ERR_DAMAGED, "%s is damaged: it was left as it is", name);
    whole = whole && log.frame;
    free(log.frame);
    close(log.fd);
    return whole;
}
