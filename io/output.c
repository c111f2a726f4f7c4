#define _GNU_SOURCE
#include "io/output_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/base/memory.h"

enum { ATTEMPTS = 8, SUFFIX_BYTES = 32 };

static const char temporary_suffix[] = ".tmp";

struct ech_output {
    char *path;
    char *folder;
    const char *name;     /* in path, behind the folder */
    char *temporary_name; /* in the folder */
    int folder_descriptor;
    int descriptor;
    bool committed;
};

static ech_status fail_file(const ech_output *output, const char *what)
{
    return ech_fail(ECH_ERR_FILE, "%s: cannot %s: %s", output->path, what, strerror(errno));
}

static ech_status split_path(ech_output *output)
{
    const char *slash = strrchr(output->path, '/');
    output->name = slash != NULL ? slash + 1 : output->path;
    if (output->name[0] == '\0') {
        return ech_fail(ECH_ERR_FILE, "%s: names a folder, not a file", output->path);
    }
    output->folder = ech_strdup(slash == NULL ? "." : slash == output->path ? "/" : output->path);
    if (output->folder == NULL) {
        return ECH_ERR_MEMORY;
    }
    if (slash != NULL && slash != output->path) {
        output->folder[slash - output->path] = '\0';
    }
    return ECH_OK;
}

/* The descriptor of the folder, not its name, is used from here on: it cannot be swapped. */
static ech_status open_folder(ech_output *output)
{
    output->folder_descriptor = open(output->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (output->folder_descriptor < 0) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot write there: folder %s: %s", output->path,
                        output->folder, strerror(errno));
    }
    struct stat old;
    if (fstatat(output->folder_descriptor, output->name, &old, 0) == 0 && S_ISDIR(old.st_mode)) {
        return ech_fail(ECH_ERR_FILE, "%s: is a folder, a file was expected", output->path);
    }
    return ECH_OK;
}

static ech_status open_temporary(ech_output *output)
{
    const size_t bytes = strlen(output->name) + SUFFIX_BYTES;
    output->temporary_name = ech_alloc(bytes);
    if (output->temporary_name == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (int attempt = 0; attempt < ATTEMPTS && output->descriptor < 0; attempt++) {
        uint64_t number = 0;
        if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) {
            return fail_file(output, "draw a temporary name");
        }
        snprintf(output->temporary_name, bytes, ".%s.%016" PRIx64 "%s", output->name, number,
                 temporary_suffix);
        output->descriptor =
            openat(output->folder_descriptor, output->temporary_name,
                   O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    }
    if (output->descriptor < 0) {
        return fail_file(output, "make a temporary file beside it");
    }
    /* Says that the writer lives (ech_output_remove_stale). Not every file system can lock. */
    flock(output->descriptor, LOCK_EX | LOCK_NB);
    return ECH_OK;
}

ech_status ech_output_create(const char *path, ech_output **out)
{
    *out = NULL;
    ech_output *output = ech_calloc(1, sizeof *output);
    if (output == NULL) {
        return ECH_ERR_MEMORY;
    }
    output->descriptor = -1;
    output->folder_descriptor = -1;
    output->path = ech_strdup(path);
    ech_status status = output->path != NULL ? split_path(output) : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        status = open_folder(output);
    }
    if (status == ECH_OK) {
        status = open_temporary(output);
    }
    if (status != ECH_OK) {
        ech_output_destroy(&output);
    }
    *out = output;
    return status;
}

void ech_output_destroy(ech_output **output)
{
    if (output == NULL || *output == NULL) {
        return;
    }
    ech_output *dying = *output;
    if (dying->descriptor >= 0) {
        if (!dying->committed) {
            unlinkat(dying->folder_descriptor, dying->temporary_name, 0);
        }
        close(dying->descriptor);
    }
    if (dying->folder_descriptor >= 0) {
        close(dying->folder_descriptor);
    }
    ech_free(dying->temporary_name);
    ech_free(dying->folder);
    ech_free(dying->path);
    ech_free(dying);
    *output = NULL;
}

int ech_output_descriptor(const ech_output *output)
{
    return output->descriptor;
}

const char *ech_output_path(const ech_output *output)
{
    return output->path;
}

ech_status ech_output_reserve(const ech_output *output, uint64_t bytes)
{
    if (bytes == 0) {
        return ECH_OK;
    }
    if (ftruncate(output->descriptor, (off_t)bytes) != 0) {
        return fail_file(output, "set the length of");
    }
    int result = 0;
    do {
        result = fallocate(output->descriptor, 0, 0, (off_t)bytes);
    } while (result != 0 && errno == EINTR);
    /* A file system without fallocate will tell at the writes. */
    if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot reserve %" PRIu64 " bytes: %s", output->path,
                        bytes, strerror(errno));
    }
    return ECH_OK;
}

ech_status ech_output_write(const ech_output *output, uint64_t offset, const void *data,
                            size_t bytes)
{
    const char *next = data;
    while (bytes > 0) {
        const ssize_t written = pwrite(output->descriptor, next, bytes, (off_t)offset);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return ech_fail(ECH_ERR_FILE, "%s: cannot write %zu bytes at offset %" PRIu64 ": %s",
                            output->path, bytes, offset, strerror(errno));
        }
        next += written;
        offset += (uint64_t)written;
        bytes -= (size_t)written;
    }
    return ECH_OK;
}

ech_status ech_output_commit(ech_output *output, ech_output_durability durability)
{
    const bool durable = durability == ECH_OUTPUT_DURABLE;
    if (durable && fsync(output->descriptor) != 0) {
        return fail_file(output, "sync");
    }
    if (renameat(output->folder_descriptor, output->temporary_name, output->folder_descriptor,
                 output->name) != 0) {
        return fail_file(output, "rename the temporary file to it");
    }
    output->committed = true;
    if (durable && fsync(output->folder_descriptor) != 0 && errno != EINVAL) {
        return fail_file(output, "sync the folder of");
    }
    return ECH_OK;
}

ech_status ech_output_probe_folder(const char *folder)
{
    struct stat found;
    if (stat(folder, &found) != 0 || faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot write into the folder: %s", folder,
                        strerror(errno));
    }
    return S_ISDIR(found.st_mode) ? ECH_OK : ech_fail(ECH_ERR_FILE, "%s: is no folder", folder);
}

static bool is_temporary(const char *name, const char *prefix)
{
    const size_t length = strlen(name);
    const size_t suffix = sizeof temporary_suffix - 1;
    return name[0] == '.' && strncmp(name + 1, prefix, strlen(prefix)) == 0 && length > suffix &&
           strcmp(name + length - suffix, temporary_suffix) == 0;
}

static void remove_unless_locked(int folder, const char *name)
{
    const int descriptor = openat(folder, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0) {
        return;
    }
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0 && unlinkat(folder, name, 0) == 0) {
        ech_log(ECH_LOG_INFO, "removed %s, which a writer that died left behind", name);
    }
    close(descriptor);
}

void ech_output_remove_stale(const char *folder, const char *prefix)
{
    DIR *directory = opendir(folder);
    if (directory == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (is_temporary(entry->d_name, prefix)) {
            remove_unless_locked(dirfd(directory), entry->d_name);
        }
    }
    closedir(directory);
}
