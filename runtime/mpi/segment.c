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

static uint64_t page_bytes(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t count_pages(const unsigned char *pages, uint64_t count)
{
    uint64_t resident = 0;
    for (uint64_t page = 0; page < count; page++) {
        resident += pages[page] & 1U;
    }
    return resident;
}

/* Bytes that are not backed, counted no further than past `limit`. */
static ech_status count_missing(void *base, uint64_t bytes, uint64_t limit, uint64_t *missing)
{
    ech_status status = ECH_OK;
    unsigned char *pages = ech_alloc(PIECE_BYTES / page_bytes());
    *missing = 0;
    if (pages == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint64_t at = 0; at < bytes && *missing <= limit; at += PIECE_BYTES) {
        const uint64_t piece = bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;
        if (mincore((char *)base + at, piece, pages) != 0) {
            status = ech_fail(ECH_ERR_SYSTEM, "mincore: %s", strerror(errno));
            break;
        }
        const uint64_t count = (piece + page_bytes() - 1) / page_bytes();
        *missing += (count - count_pages(pages, count)) * page_bytes();
    }
    ech_free(pages);
    return status;
}

ech_status ech_segment_resident(void *base, uint64_t bytes, uint64_t *resident_bytes)
{
    uint64_t missing = 0;
    const ech_status status = count_missing(base, bytes, UINT64_MAX, &missing);
    const uint64_t rounded = (bytes + page_bytes() - 1) / page_bytes() * page_bytes();
    *resident_bytes = rounded - missing;
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

static uint64_t available_file_bytes(const char *directory)
{
    struct statvfs room;
    if (directory == NULL || statvfs(directory, &room) != 0) {
        return UINT64_MAX;
    }
    return (uint64_t)room.f_bavail * room.f_frsize;
}

/* What is asked for and not there yet must fit, else touching it would end in a signal. */
static ech_status check_room(void *base, uint64_t bytes, const char *directory)
{
    const uint64_t memory = available_memory_bytes();
    const uint64_t file = available_file_bytes(directory);
    const uint64_t least = memory < file ? memory : file;
    const uint64_t room = least > MARGIN_BYTES ? least - MARGIN_BYTES : 0;
    uint64_t missing = 0;
    const ech_status status = count_missing(base, bytes, room, &missing);
    if (status == ECH_OK && missing > room) {
        return ech_fail(ECH_ERR_MEMORY, "no room for %.1f MiB of shared memory: %s has %.1f MiB",
                        (double)bytes / 0x1p20, file < memory ? directory : "the machine",
                        (double)least / 0x1p20);
    }
    return status;
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

ech_status ech_segment_populate(void *base, uint64_t bytes, const char *directory)
{
    const uint64_t rounded = (bytes + page_bytes() - 1) / page_bytes() * page_bytes();
    ech_status status = check_room(base, rounded, directory);
    for (uint64_t at = 0; at < rounded && status == ECH_OK; at += PIECE_BYTES) {
        const uint64_t piece = rounded - at < PIECE_BYTES ? rounded - at : PIECE_BYTES;
        status = populate_piece((char *)base + at, piece);
    }
    return status;
}
