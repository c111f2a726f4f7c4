#define _GNU_SOURCE
#include "runtime/mpi/segment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "runtime/base/memory.h"

enum {
    PIECE_BYTES = 1 << 28,
    /* Left free when pages are made, so that the host is not driven out of memory. */
    MARGIN_BYTES = 64 << 20,
    LINE_BYTES = 256
};

static const char shared_directory[] = "/dev/shm";

static uint64_t page_bytes(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

static ech_status count_resident(void *base, uint64_t bytes, unsigned char *pages,
                                 uint64_t *resident_bytes)
{
    if (mincore(base, bytes, pages) != 0) {
        return ech_fail(ECH_ERR_SYSTEM, "mincore: %s", strerror(errno));
    }
    const uint64_t count = (bytes + page_bytes() - 1) / page_bytes();
    for (uint64_t page = 0; page < count; page++) {
        *resident_bytes += (pages[page] & 1U) ? page_bytes() : 0;
    }
    return ECH_OK;
}

ech_status ech_segment_resident(void *base, uint64_t bytes, uint64_t *resident_bytes)
{
    *resident_bytes = 0;
    unsigned char *pages = ech_alloc(PIECE_BYTES / page_bytes());
    if (pages == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_status status = ECH_OK;
    for (uint64_t at = 0; at < bytes && status == ECH_OK; at += PIECE_BYTES) {
        const uint64_t piece = bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;
        status = count_resident((char *)base + at, piece, pages, resident_bytes);
    }
    ech_free(pages);
    return status;
}

/* MemAvailable of /proc/meminfo; UINT64_MAX where it is not told. */
static uint64_t available_memory_bytes(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    if (file == NULL) {
        return UINT64_MAX;
    }
    char line[LINE_BYTES];
    unsigned long long kib = 0;
    uint64_t available = UINT64_MAX;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "MemAvailable: %llu", &kib) == 1) {
            available = (uint64_t)kib * 1024U;
            break;
        }
    }
    fclose(file);
    return available;
}

static uint64_t available_shared_bytes(void)
{
    struct statvfs room;
    if (statvfs(shared_directory, &room) != 0) {
        return UINT64_MAX;
    }
    return (uint64_t)room.f_bavail * room.f_frsize;
}

/* What is asked for and not there yet must fit, else touching it would end in a signal. */
static ech_status check_room(void *base, uint64_t bytes)
{
    const uint64_t memory = available_memory_bytes();
    const uint64_t shared = available_shared_bytes();
    const uint64_t room = memory < shared ? memory : shared;
    uint64_t resident = 0;
    const ech_status status = ech_segment_resident(base, bytes, &resident);
    if (status != ECH_OK) {
        return status;
    }
    const uint64_t missing = bytes > resident ? bytes - resident : 0;
    if (missing > 0 && (room < MARGIN_BYTES || missing > room - MARGIN_BYTES)) {
        return ech_fail(ECH_ERR_MEMORY,
                        "%.1f MiB of shared memory are needed, %.1f MiB of memory and %.1f MiB of "
                        "%s are free",
                        (double)missing / 0x1p20, (double)memory / 0x1p20, (double)shared / 0x1p20,
                        shared_directory);
    }
    return ECH_OK;
}

static ech_status populate_piece(void *base, uint64_t bytes)
{
#ifdef MADV_POPULATE_WRITE
    if (madvise(base, bytes, MADV_POPULATE_WRITE) == 0) {
        return ECH_OK;
    }
    if (errno != EINVAL) {
        return ech_fail(ECH_ERR_MEMORY, "cannot make %llu bytes of shared memory: %s",
                        (unsigned long long)bytes, strerror(errno));
    }
#endif
    ech_memory_populate(base, bytes); /* a kernel before 5.14; the room was checked */
    return ECH_OK;
}

ech_status ech_segment_populate(void *base, uint64_t bytes)
{
    const uint64_t rounded = (bytes + page_bytes() - 1) / page_bytes() * page_bytes();
    ech_status status = check_room(base, rounded);
    for (uint64_t at = 0; at < rounded && status == ECH_OK; at += PIECE_BYTES) {
        const uint64_t piece = rounded - at < PIECE_BYTES ? rounded - at : PIECE_BYTES;
        status = populate_piece((char *)base + at, piece);
    }
    return status;
}

ech_status ech_segment_discard(void *base, uint64_t bytes)
{
    if (bytes > 0 && madvise(base, bytes, MADV_REMOVE) != 0) {
        return ech_fail(ECH_ERR_SYSTEM, "cannot give %llu bytes of shared memory back: %s",
                        (unsigned long long)bytes, strerror(errno));
    }
    return ECH_OK;
}
