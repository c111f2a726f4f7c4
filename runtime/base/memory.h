/**
 * @file memory.h
 * Counted heap memory: every block is counted while it lives, so that a leak is found by a balance
 * at the end of a process and a report can say how much was held at most.
 *
 * Not collective. Thread-safe. Blocks are aligned to ECH_MEMORY_ALIGNMENT bytes. All functions that
 * allocate return NULL on failure, with `ech_status_message` set; pair them with `ech_free` only.
 */
#ifndef ECH_BASE_MEMORY_H
#define ECH_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

enum { ECH_MEMORY_ALIGNMENT = 64 };

/** `bytes` of uninitialised memory; a size of 0 gives a block that may be freed. */
void *ech_alloc(size_t bytes);

/** `count * size` zeroed bytes; NULL if the product overflows. */
void *ech_calloc(size_t count, size_t size);

/** Grow or shrink a block to `count * size` bytes, keeping its content; NULL leaves it unchanged.
 */
void *ech_realloc(void *block, size_t count, size_t size);

/**
 * Room for one more element in an array that grows by doubling.
 *
 * @param block     the array, of `*capacity` elements of `size` bytes; NULL while that is 0.
 * @param count     elements in use.
 * @param capacity  raised when the array was full.
 * @return the array, which may have moved; NULL leaves it and `*capacity` unchanged.
 */
void *ech_grow(void *block, size_t count, size_t *capacity, size_t size);

/** A copy of a string. */
char *ech_strdup(const char *text);

/** Free a block. Accepts NULL. */
void ech_free(void *block);

/**
 * Blocks of up to a mebibyte come and go all the time: their memory is kept for the next ones, up
 * to a few mebibytes, instead of being given back to the system and cleared by it again. For the
 * whole process; a C library that cannot be told so keeps what it does.
 */
void ech_memory_reuse(void);

/** Bytes now held by living blocks. */
size_t ech_memory_held_bytes(void);

/** Number of living blocks: 0 when everything was freed. */
size_t ech_memory_live_count(void);

/**
 * Make pages resident for writing, so that no page fault falls into a timed phase.
 * Advice only: a kernel without MADV_POPULATE_WRITE (before Linux 5.14) has the pages touched.
 * The content is kept; no other thread may write the block meanwhile.
 */
void ech_memory_populate(void *block, size_t bytes);

/**
 * Copy a block; one too large for a core's caches goes past them, without reading what it
 * overwrites: a third less to move. The blocks do not overlap.
 */
void ech_memory_copy(void *restrict destination, const void *restrict source, size_t bytes);

/** Largest resident set of this process so far, in bytes (getrusage). */
uint64_t ech_memory_peak_rss_bytes(void);

/** Proportional set of this process now, in bytes: a page that n processes share counts as a n-th
 *  (/proc/self/smaps_rollup; 0 where the system does not tell). */
uint64_t ech_memory_pss_bytes(void);

#endif
