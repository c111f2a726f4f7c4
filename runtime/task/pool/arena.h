/**
 * @file arena.h
 * Blocks of a rank's shared region, for arguments and results that exceed a cell. Only the owner
 * takes and gives back, so the bookkeeping is private memory and needs no atomics; others read and
 * write inside the blocks. A buddy allocator: powers of two, merged when given back.
 */
#ifndef ECH_TASK_ARENA_H
#define ECH_TASK_ARENA_H

#include <stdint.h>

#include "runtime/base/status.h"

enum { ECH_ARENA_UNIT_BYTES = 512, ECH_ARENA_ORDERS = 40 };

typedef struct {
    uint8_t *order_of; /* by unit: 1 + order of the block that begins there; with the highest
                          bit: free; 0: inside a block */
    uint32_t *next;    /* by unit: free blocks of one order, doubly linked; UINT32_MAX: end */
    uint32_t *previous;
    uint32_t first[ECH_ARENA_ORDERS];
    uint32_t top; /* order of the whole region */
    uint64_t units_used;
} ech_pool_arena;

/** Keep the books of a region of `bytes`, rounded down to a power of two. */
ech_status ech_pool_arena_init(ech_pool_arena *arena, uint64_t bytes);
void ech_pool_arena_clear(ech_pool_arena *arena);
/** Offset of a block; UINT64_MAX if there is none of that size now, or if more than `share` of the
 *  region's units would then be in use. */
uint64_t ech_pool_arena_take(ech_pool_arena *arena, uint64_t bytes, uint64_t units_share);
void ech_pool_arena_give(ech_pool_arena *arena, uint64_t offset);
uint64_t ech_pool_arena_units(const ech_pool_arena *arena);

#endif
