#define _GNU_SOURCE
#include "runtime/task/pool/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/memory.h"

struct ech_spill {
    char *folder;
    int descriptor;
    uint64_t head; /* records taken so far, since it was last empty */
    uint64_t tail; /* and put */
};

static ech_status fail_file(const char *folder, const char *what)
{
    return ech_fail(ECH_ERR_FILE, "cannot %s a file for task records in %s: %s", what, folder,
                    strerror(errno));
}

static ech_status open_in(ech_spill *spill, const char *folder)
{
    char path[PATH_MAX];
    ech_free(spill->folder);
    spill->folder = ech_strdup(folder);
    if (spill->folder == NULL) {
        return ECH_ERR_MEMORY;
    }
    const int length = snprintf(path, sizeof path, "%s/.task-records-XXXXXX", folder);
    if (length >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return fail_file(folder, "make");
    }
    spill->descriptor = mkostemp(path, O_CLOEXEC);
    if (spill->descriptor < 0 || unlink(path) != 0) {
        return fail_file(folder, "make");
    }
    return ECH_OK;
}

ech_status ech_spill_create(const char *folder, ech_spill **out)
{
    const char *otherwise = getenv("TMPDIR");
    ech_spill *spill = ech_calloc(1, sizeof *spill);
    *out = spill;
    if (spill == NULL) {
        return ECH_ERR_MEMORY;
    }
    spill->descriptor = -1;
    ech_status status = folder == NULL ? ECH_ERR_FILE : open_in(spill, folder);
    if (status == ECH_ERR_FILE) {
        status = open_in(spill, otherwise != NULL ? otherwise : "/tmp");
    }
    if (status != ECH_OK) {
        ech_spill_destroy(out);
    }
    return status;
}

void ech_spill_destroy(ech_spill **spill)
{
    if (spill == NULL || *spill == NULL) {
        return;
    }
    if ((*spill)->descriptor >= 0) {
        close((*spill)->descriptor);
    }
    ech_free((*spill)->folder);
    ech_free(*spill);
    *spill = NULL;
}

ech_status ech_spill_put(ech_spill *spill, const ech_task_record *records, size_t count)
{
    const char *next = (const char *)records;
    const uint64_t offset = spill->tail * sizeof *records;
    for (size_t done = 0; done < count * sizeof *records;) {
        const ssize_t put = pwrite(spill->descriptor, next + done, count * sizeof *records - done,
                                   (off_t)(offset + done));
        if (put < 0 && errno != EINTR) {
            return fail_file(spill->folder, "write");
        }
        done += put > 0 ? (size_t)put : 0;
    }
    spill->tail += count;
    return ECH_OK;
}

/* An empty file gives its room on the disk back; where that fails it is only used again. */
static void begin_anew(ech_spill *spill)
{
    spill->head = 0;
    spill->tail = 0;
    const int cut = ftruncate(spill->descriptor, 0);
    (void)cut;
}

ech_status ech_spill_take(ech_spill *spill, ech_task_record *records, size_t count)
{
    char *next = (char *)records;
    const uint64_t offset = spill->head * sizeof *records;
    for (size_t done = 0; done < count * sizeof *records;) {
        const ssize_t got = pread(spill->descriptor, next + done, count * sizeof *records - done,
                                  (off_t)(offset + done));
        if (got == 0) {
            return ech_fail(ECH_ERR_FILE, "a file for task records in %s was cut", spill->folder);
        }
        if (got < 0 && errno != EINTR) {
            return fail_file(spill->folder, "read");
        }
        done += got > 0 ? (size_t)got : 0;
    }
    spill->head += count;
    if (spill->head == spill->tail) {
        begin_anew(spill);
    }
    return ECH_OK;
}

uint64_t ech_spill_count(const ech_spill *spill)
{
    return spill == NULL ? 0 : spill->tail - spill->head;
}
