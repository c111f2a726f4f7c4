#define _GNU_SOURCE
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/base/memory.h"

enum { PATH_BYTES = 256, PATHS = 4, FOLDER_BYTES = 128 };

static char folder[FOLDER_BYTES];
static ech_io *service;

static void remove_folder(void)
{
    ech_io_destroy(&service);
    rmdir(folder);
}

/* In memory where there is such a file system: thousands of files a second are written. */
static void make_folder(void)
{
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    ech_log_set_level(ECH_LOG_ERROR);
    snprintf(folder, sizeof folder, "%s/echelon-fuzz-XXXXXX", parent);
    if (mkdtemp(folder) == NULL || atexit(remove_folder) != 0) {
        perror(folder);
        abort();
    }
}

static const char *path_of(const char *name)
{
    static char paths[PATHS][PATH_BYTES];
    static int next;
    if (folder[0] == '\0') {
        make_folder();
    }
    char *path = paths[next++ % PATHS];
    snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    return path;
}

const char *fuzz_store(const char *name, const uint8_t *data, size_t bytes)
{
    const char *path = path_of(name);
    const int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (descriptor < 0 || write(descriptor, data, bytes) != (ssize_t)bytes) {
        perror(path);
        abort();
    }
    close(descriptor);
    return path;
}

void fuzz_remove(const char *name)
{
    unlink(path_of(name));
}

ech_io *fuzz_io(void)
{
    const ech_io_options options = {.reader_program = ECH_BUILD_DIR "/tests/io_reader",
                                    .reader_timeout_seconds = 2.0};
    if (service == NULL && ech_io_create(&options, &service) != ECH_OK) {
        fprintf(stderr, "%s\n", ech_status_message());
        abort();
    }
    return service;
}

size_t fuzz_balance(void)
{
    return ech_memory_live_count();
}

void fuzz_expect_balance(size_t before)
{
    if (ech_memory_live_count() != before) {
        fprintf(stderr, "%zu blocks of counted memory lived before, %zu live now\n", before,
                ech_memory_live_count());
        abort();
    }
}
