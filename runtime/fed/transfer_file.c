#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "runtime/fed/transfer_priv.h"

/* A value is a file: written under another name and renamed, so that it is there whole or not. */
typedef struct {
    char folder[PATH_MAX];
} file_store;

enum { NAME_BYTES = PATH_MAX + ECH_TRANSFER_KEY_BYTES + 8, PIECE_BYTES = 1 << 20 };

static ech_status open_folder(const ech_transfer_options *options, void **store)
{
    const int folder = open(options->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || access(options->folder, W_OK | X_OK) != 0) {
        const int error = errno;
        if (folder >= 0) {
            close(folder);
        }
        return ech_fail(ECH_ERR_FILE, "%s: expected a folder that can be written: %s",
                        options->folder, strerror(error));
    }
    close(folder);
    file_store *opened = ech_calloc(1, sizeof *opened);
    if (opened == NULL) {
        return ECH_ERR_MEMORY;
    }
    snprintf(opened->folder, sizeof opened->folder, "%s", options->folder);
    *store = opened;
    return ECH_OK;
}

static void close_folder(void **store)
{
    ech_free(*store);
    *store = NULL;
}

static void name_file(const file_store *store, const char *key, const char *suffix,
                      char path[NAME_BYTES])
{
    snprintf(path, NAME_BYTES, "%s/%s%s", store->folder, key, suffix);
}

static ech_status fail_file(const char *path, const char *what)
{
    return ech_fail(ECH_ERR_FILE, "%s: %s: %s", path, what, strerror(errno));
}

static ech_status write_all(int file, const char *path, const char *data, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes;) {
        const uint64_t left = bytes - at;
        const size_t piece = left < PIECE_BYTES ? left : PIECE_BYTES;
        const ssize_t written = write(file, data + at, piece);
        if (written < 0 && errno != EINTR) {
            return fail_file(path, "cannot write");
        }
        at += written > 0 ? (uint64_t)written : 0;
    }
    return ECH_OK;
}

static ech_status put_file(void *store, const char *key, const void *data, uint64_t bytes)
{
    char path[NAME_BYTES];
    char part[NAME_BYTES];
    name_file(store, key, "", path);
    name_file(store, key, ".part", part);
    const int file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file < 0) {
        return fail_file(part, "cannot make");
    }
    ech_status status = write_all(file, part, data, bytes);
    if (close(file) != 0 && status == ECH_OK) {
        status = fail_file(part, "cannot close");
    }
    if (status == ECH_OK && rename(part, path) != 0) {
        status = fail_file(part, "cannot rename");
    }
    if (status != ECH_OK) {
        (void)unlink(part);
    }
    return status;
}

static ech_status read_all(int file, const char *path, char *data, uint64_t bytes)
{
    struct stat facts;
    if (fstat(file, &facts) != 0) {
        return fail_file(path, "cannot ask its size");
    }
    if ((uint64_t)facts.st_size != bytes) {
        return ech_fail(ECH_ERR_FORMAT, "%s: holds %lld bytes, %llu expected", path,
                        (long long)facts.st_size, (unsigned long long)bytes);
    }
    for (uint64_t at = 0; at < bytes;) {
        const uint64_t left = bytes - at;
        const size_t piece = left < PIECE_BYTES ? left : PIECE_BYTES;
        const ssize_t got = read(file, data + at, piece);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return got == 0 ? ech_fail(ECH_ERR_FORMAT, "%s: ends after %llu of %llu bytes", path,
                                       (unsigned long long)at, (unsigned long long)bytes)
                            : fail_file(path, "cannot read");
        }
        at += got > 0 ? (uint64_t)got : 0;
    }
    return ECH_OK;
}

static ech_status get_file(void *store, const char *key, void *data, uint64_t bytes)
{
    char path[NAME_BYTES];
    name_file(store, key, "", path);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return errno == ENOENT ? ech_fail(ECH_ERR_NOT_FOUND, "%s: is not there", path)
                               : fail_file(path, "cannot open");
    }
    const ech_status status = read_all(file, path, data, bytes);
    close(file);
    return status;
}

static ech_status drop_file(void *store, const char *key, uint64_t bytes)
{
    char path[NAME_BYTES];
    (void)bytes;
    name_file(store, key, "", path);
    return unlink(path) == 0 || errno == ENOENT ? ECH_OK : fail_file(path, "cannot remove");
}

const ech_transfer_store ech_transfer_file = {
    .name = "file",
    .open = open_folder,
    .close = close_folder,
    .put = put_file,
    .get = get_file,
    .drop = drop_file,
};
