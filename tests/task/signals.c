#define _GNU_SOURCE
#include "tests/task/signals.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/limits.h"

enum { NAP_NS = 1000000, FILE_BYTES = SIGNALS_PATH_BYTES + 64 };
enum { LIMIT_SECONDS = 30 };

ech_status signals_create(char path[SIGNALS_PATH_BYTES])
{
    const char *parent = getenv("TMPDIR");
    snprintf(path, SIGNALS_PATH_BYTES, "%s/echelon-signals-XXXXXX",
             parent != NULL ? parent : "/tmp");
    return mkdtemp(path) != NULL
               ? ECH_OK
               : ech_fail(ECH_ERR_FILE, "cannot make %s: %s", path, strerror(errno));
}

void signals_destroy(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        unlinkat(dirfd(folder), entry->d_name, 0);
    }
    closedir(folder);
    rmdir(path);
}

static void name_of(const char *path, const char *what, int number, char name[FILE_BYTES])
{
    snprintf(name, FILE_BYTES, "%s/%s-%d", path, what, number);
}

void signals_say(const char *path, const char *what, int number)
{
    char name[FILE_BYTES];
    name_of(path, what, number, name);
    const int descriptor = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (descriptor >= 0) {
        close(descriptor);
    }
}

bool signals_heard(const char *path, const char *what, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char name[FILE_BYTES];
        name_of(path, what, i, name);
        if (access(name, F_OK) != 0) {
            return false;
        }
    }
    return true;
}

ech_status signals_wait(const char *path, const char *what, int first, int count,
                        ech_task_context *context)
{
    const uint64_t until = ech_clock_ns() + ech_test_limit_ns(LIMIT_SECONDS);
    while (!signals_heard(path, what, first, count)) {
        if (ech_clock_ns() > until) {
            return ech_fail(ECH_ERR_TIMEOUT, "nobody said '%s'", what);
        }
        if (context != NULL) {
            ech_task_yield(context);
        }
        ech_clock_sleep_ns(NAP_NS);
    }
    return ECH_OK;
}
