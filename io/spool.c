#define _GNU_SOURCE
#include "io/spool_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/memory.h"

enum { BATCH_BYTES = 1 << 17 };

typedef struct {
    unsigned char *data;
    size_t bytes;
    uint64_t offset; /* in the file */
} batch;

struct ech_spool {
    ech_io *io;
    char *path;
    size_t row_bytes;
    int descriptor;
    uint64_t rows;
    ech_hasher *hasher;
    batch filling;
    batch writing;
    ech_io_job *job;   /* writes `writing` */
    bool write_failed; /* the last one; the service's thread's */
};

static ech_status fail_file(const ech_spool *spool, const char *what)
{
    return ech_fail(ECH_ERR_FILE, "%s: cannot %s: %s", spool->path, what, strerror(errno));
}

/* The lock tells a file that somebody writes from one that a killed process left. */
static ech_status lock(const ech_spool *spool)
{
    if (flock(spool->descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return ech_fail(ECH_ERR_FILE, "%s: another process writes this run record", spool->path);
    }
    return ECH_OK;
}

static ech_status open_file(ech_spool *spool, bool resume)
{
    const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | (resume ? 0 : O_CREAT);
    spool->descriptor = open(spool->path, flags, S_IRUSR | S_IWUSR);
    if (spool->descriptor < 0 && resume && errno == ENOENT) {
        return ech_fail(ECH_ERR_FORMAT, "%s: rows of the run to resume were expected there",
                        spool->path);
    }
    return spool->descriptor >= 0 ? lock(spool) : fail_file(spool, "open");
}

static ech_status read_exactly(const ech_spool *spool, uint64_t offset, void *data, size_t bytes)
{
    char *next = data;
    while (bytes > 0) {
        const ssize_t got = pread(spool->descriptor, next, bytes, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail_file(spool, "read");
        }
        if (got == 0) {
            return ech_fail(ECH_ERR_FORMAT, "%s: ends at offset %" PRIu64 ", rows were expected",
                            spool->path, offset);
        }
        next += got;
        offset += (uint64_t)got;
        bytes -= (size_t)got;
    }
    return ECH_OK;
}

static ech_status hash_rows(ech_spool *spool, const ech_spool_mark *mark)
{
    const uint64_t length = mark->rows * spool->row_bytes;
    ech_status status = ECH_OK;
    for (uint64_t offset = 0; offset < length && status == ECH_OK;) {
        const uint64_t left = length - offset;
        const size_t bytes = left < BATCH_BYTES ? (size_t)left : BATCH_BYTES;
        status = read_exactly(spool, offset, spool->filling.data, bytes);
        ech_hasher_add(spool->hasher, spool->filling.data, status == ECH_OK ? bytes : 0);
        offset += bytes;
    }
    if (status == ECH_OK && !ech_hash_equal(ech_hasher_digest(spool->hasher), mark->hash)) {
        status = ech_fail(ECH_ERR_FORMAT, "%s: the first %" PRIu64 " rows are not those of the run",
                          spool->path, mark->rows);
    }
    return status;
}

static ech_status start_at(ech_spool *spool, const ech_spool_mark *resume)
{
    ech_status status = resume != NULL ? hash_rows(spool, resume) : ECH_OK;
    spool->rows = resume != NULL ? resume->rows : 0;
    spool->filling.offset = spool->rows * spool->row_bytes;
    if (status == ECH_OK && ftruncate(spool->descriptor, (off_t)spool->filling.offset) != 0) {
        status = fail_file(spool, "cut");
    }
    return status;
}

static ech_status make_parts(ech_spool *spool, const char *path)
{
    spool->path = ech_strdup(path);
    spool->filling.data = ech_alloc(BATCH_BYTES);
    spool->writing.data = ech_alloc(BATCH_BYTES);
    if (spool->path == NULL || spool->filling.data == NULL || spool->writing.data == NULL) {
        return ECH_ERR_MEMORY;
    }
    return ech_hasher_create(&spool->hasher);
}

ech_status ech_spool_open(ech_io *io, const char *path, size_t row_bytes,
                          const ech_spool_mark *resume, ech_spool **out)
{
    *out = NULL;
    ech_spool *spool = ech_calloc(1, sizeof *spool);
    if (spool == NULL) {
        return ECH_ERR_MEMORY;
    }
    spool->io = io;
    spool->row_bytes = row_bytes;
    spool->descriptor = -1;
    ech_status status = make_parts(spool, path);
    if (status == ECH_OK) {
        status = open_file(spool, resume != NULL);
    }
    if (status == ECH_OK) {
        status = start_at(spool, resume);
    }
    if (status != ECH_OK) {
        ech_spool_close(&spool);
    }
    *out = spool;
    return status;
}

void ech_spool_close(ech_spool **spool)
{
    if (spool == NULL || *spool == NULL) {
        return;
    }
    ech_spool *dying = *spool;
    if (dying->job != NULL) {
        ech_io_wait(&dying->job);
    }
    if (dying->descriptor >= 0) {
        close(dying->descriptor);
    }
    ech_hasher_destroy(&dying->hasher);
    ech_free(dying->filling.data);
    ech_free(dying->writing.data);
    ech_free(dying->path);
    ech_free(dying);
    *spool = NULL;
}

void ech_spool_remove(const ech_spool *spool)
{
    unlink(spool->path);
}

static ech_status write_on_thread(void *argument)
{
    ech_spool *spool = argument;
    spool->write_failed = true;
    const unsigned char *next = spool->writing.data;
    uint64_t offset = spool->writing.offset;
    for (size_t left = spool->writing.bytes; left > 0;) {
        const ssize_t written = pwrite(spool->descriptor, next, left, (off_t)offset);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return fail_file(spool, "write rows");
        }
        next += written;
        offset += (uint64_t)written;
        left -= (size_t)written;
    }
    spool->write_failed = false;
    return ECH_OK;
}

/* The batch in flight must be on disk before the next: one that failed is tried once more, since a
 * full disk may have room again. */
static ech_status settle(ech_spool *spool)
{
    ech_status status = spool->job != NULL ? ech_io_wait(&spool->job) : ECH_ERR_FILE;
    if (spool->writing.bytes > 0 && status != ECH_OK) {
        status = ech_io_run(spool->io, write_on_thread, spool);
    } else {
        status = ECH_OK;
    }
    spool->writing.bytes = status == ECH_OK ? 0 : spool->writing.bytes;
    return status;
}

ech_status ech_spool_flush(ech_spool *spool)
{
    const ech_status status = settle(spool);
    if (status != ECH_OK || spool->filling.bytes == 0) {
        return status;
    }
    const batch full = spool->filling;
    spool->filling = spool->writing;
    spool->writing = full;
    spool->filling.bytes = 0;
    spool->filling.offset = full.offset + full.bytes;
    return ech_io_submit(spool->io, write_on_thread, spool, &spool->job);
}

ech_status ech_spool_append(ech_spool *spool, const void *rows, size_t count)
{
    const size_t capacity = BATCH_BYTES / spool->row_bytes * spool->row_bytes;
    const unsigned char *next = rows;
    for (size_t left = count * spool->row_bytes; left > 0;) {
        if (spool->filling.bytes == capacity) {
            const ech_status status = ech_spool_flush(spool);
            if (status != ECH_OK) {
                return status;
            }
        }
        const size_t room = capacity - spool->filling.bytes;
        const size_t bytes = left < room ? left : room;
        memcpy(spool->filling.data + spool->filling.bytes, next, bytes);
        ech_hasher_add(spool->hasher, next, bytes);
        spool->rows += bytes / spool->row_bytes;
        spool->filling.bytes += bytes;
        next += bytes;
        left -= bytes;
    }
    return ECH_OK;
}

ech_spool_mark ech_spool_position(const ech_spool *spool)
{
    return (ech_spool_mark){spool->rows, ech_hasher_digest(spool->hasher)};
}

ech_status ech_spool_read(const ech_spool *spool, uint64_t offset, void *data, size_t bytes)
{
    return read_exactly(spool, offset, data, bytes);
}

ech_status ech_spool_sync(const ech_spool *spool)
{
    if (spool->write_failed) {
        return ech_fail(ECH_ERR_FILE, "%s: rows could not be written", spool->path);
    }
    return fdatasync(spool->descriptor) == 0 ? ECH_OK : fail_file(spool, "sync");
}
