#define _GNU_SOURCE
#include "runtime/base/memory.h"

#include <errno.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#if defined(__SSE2__)
#include <immintrin.h>
#endif
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    LINE_TEXT_BYTES = 256,
    CACHE_LINE_BYTES = 64,
    /* About a core's own cache: what is smaller is read again soon from there. */
    STREAM_BYTES_MIN = 1 << 20,
    REUSE_BYTES_MOST = 1 << 20,
    REUSE_KEPT_BYTES = 16 << 20,
    GROW_FIRST = 16
};

/* Sits in front of each block; as large as the alignment, so that the block behind it is aligned.
 */
typedef struct {
    size_t bytes;
} block_header;

static atomic_size_t held_bytes;
static atomic_size_t live_count;

static block_header *header_of(void *block)
{
    return (block_header *)(void *)((char *)block - ECH_MEMORY_ALIGNMENT);
}

static size_t padded(size_t bytes)
{
    return (bytes + ECH_MEMORY_ALIGNMENT - 1) / ECH_MEMORY_ALIGNMENT * ECH_MEMORY_ALIGNMENT;
}

static void *refuse(size_t bytes)
{
    ech_fail(ECH_ERR_MEMORY, "cannot allocate %zu bytes", bytes);
    return NULL;
}

void *ech_alloc(size_t bytes)
{
    if (bytes > PTRDIFF_MAX - 2 * (size_t)ECH_MEMORY_ALIGNMENT) {
        return refuse(bytes);
    }
    char *raw = aligned_alloc(ECH_MEMORY_ALIGNMENT, padded(bytes) + ECH_MEMORY_ALIGNMENT);
    if (raw == NULL) {
        return refuse(bytes);
    }
    ((block_header *)(void *)raw)->bytes = bytes;
    atomic_fetch_add_explicit(&held_bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&live_count, 1, memory_order_relaxed);
    return raw + ECH_MEMORY_ALIGNMENT;
}

void *ech_calloc(size_t count, size_t size)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return refuse(SIZE_MAX);
    }
    void *block = ech_alloc(bytes);
    if (block != NULL) {
        memset(block, 0, bytes);
    }
    return block;
}

void *ech_realloc(void *block, size_t count, size_t size)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return refuse(SIZE_MAX);
    }
    void *moved = ech_alloc(bytes);
    if (moved == NULL || block == NULL) {
        return moved;
    }
    const size_t old_bytes = header_of(block)->bytes;
    memcpy(moved, block, old_bytes < bytes ? old_bytes : bytes);
    ech_free(block);
    return moved;
}

void *ech_grow(void *block, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) {
        return block;
    }
    const size_t larger = *capacity == 0 ? GROW_FIRST : 2 * *capacity;
    void *moved = ech_realloc(block, larger, size);
    if (moved != NULL) {
        *capacity = larger;
    }
    return moved;
}

char *ech_strdup(const char *text)
{
    const size_t bytes = strlen(text) + 1;
    char *copy = ech_alloc(bytes);
    if (copy != NULL) {
        memcpy(copy, text, bytes);
    }
    return copy;
}

void ech_free(void *block)
{
    if (block == NULL) {
        return;
    }
    block_header *header = header_of(block);
    atomic_fetch_sub_explicit(&held_bytes, header->bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&live_count, 1, memory_order_relaxed);
    free(header);
}

void ech_memory_reuse(void)
{
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, REUSE_BYTES_MOST);
    mallopt(M_TRIM_THRESHOLD, REUSE_KEPT_BYTES);
#endif
}

size_t ech_memory_held_bytes(void)
{
    return atomic_load_explicit(&held_bytes, memory_order_relaxed);
}

size_t ech_memory_live_count(void)
{
    return atomic_load_explicit(&live_count, memory_order_relaxed);
}

static void touch_pages(char *block, size_t bytes, size_t page_bytes)
{
    for (size_t offset = 0; offset < bytes; offset += page_bytes) {
        volatile char *byte = block + offset;
        const char content = *byte;
        *byte = content;
    }
}

void ech_memory_populate(void *block, size_t bytes)
{
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = ((uintptr_t)block + page_bytes - 1) / page_bytes * page_bytes;
    const uintptr_t end = ((uintptr_t)block + bytes) / page_bytes * page_bytes;
    if (begin >= end) {
        return;
    }
#ifdef MADV_POPULATE_WRITE
    if (madvise((void *)begin, end - begin, MADV_POPULATE_WRITE) == 0) {
        return;
    }
#endif
    touch_pages((char *)begin, end - begin, page_bytes);
}

uint64_t ech_memory_peak_rss_bytes(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return 0;
    }
    return (uint64_t)usage.ru_maxrss * 1024U;
}

uint64_t ech_memory_pss_bytes(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    if (file == NULL) {
        return 0;
    }
    char line[LINE_TEXT_BYTES];
    unsigned long long kib = 0;
    bool found = false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        found = sscanf(line, "Pss: %llu", &kib) == 1;
    }
    fclose(file);
    return (uint64_t)kib * 1024U;
}

#if defined(__SSE2__)
static void stream(char *destination, const char *source, size_t bytes)
{
    const size_t vector = sizeof(__m128i);
    for (size_t at = 0; at < bytes; at += 4 * vector) {
        for (size_t i = 0; i < 4; i++) {
            const __m128i values = _mm_loadu_si128((const __m128i_u *)(source + at + i * vector));
            _mm_stream_si128((__m128i *)(void *)(destination + at + i * vector), values);
        }
    }
    _mm_sfence();
}
#endif

void ech_memory_copy(void *restrict destination, const void *restrict source, size_t bytes)
{
    size_t done = 0;
#if defined(__SSE2__)
    if (bytes >= STREAM_BYTES_MIN) {
        const size_t lead = -(uintptr_t)destination % CACHE_LINE_BYTES;
        memcpy(destination, source, lead);
        done = lead + (bytes - lead) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
        stream((char *)destination + lead, (const char *)source + lead, done - lead);
    }
#endif
    memcpy((char *)destination + done, (const char *)source + done, bytes - done);
}
