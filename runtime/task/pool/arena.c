#include "runtime/task/pool/arena.h"

#include <string.h>

#include "runtime/base/memory.h"

static const uint8_t free_bit = 0x80;
static const uint32_t no_unit = UINT32_MAX;

static void push_free(ech_pool_arena *arena, uint32_t unit, uint32_t order)
{
    arena->order_of[unit] = (uint8_t)(free_bit | (order + 1));
    arena->previous[unit] = no_unit;
    arena->next[unit] = arena->first[order];
    if (arena->first[order] != no_unit) {
        arena->previous[arena->first[order]] = unit;
    }
    arena->first[order] = unit;
}

static void remove_free(ech_pool_arena *arena, uint32_t unit, uint32_t order)
{
    const uint32_t next = arena->next[unit];
    const uint32_t previous = arena->previous[unit];
    if (previous == no_unit) {
        arena->first[order] = next;
    } else {
        arena->next[previous] = next;
    }
    if (next != no_unit) {
        arena->previous[next] = previous;
    }
    arena->order_of[unit] = 0;
}

static uint32_t order_for(uint64_t units)
{
    uint32_t order = 0;
    while ((UINT64_C(1) << order) < units) {
        order++;
    }
    return order;
}

ech_status ech_pool_arena_init(ech_pool_arena *arena, uint64_t bytes)
{
    memset(arena, 0, sizeof *arena);
    const uint64_t units = bytes / ECH_ARENA_UNIT_BYTES;
    if (units == 0 || units >= UINT32_MAX) {
        return ech_fail(ECH_ERR_ARGUMENT, "arena_bytes is %llu, not between %d and 2 TiB",
                        (unsigned long long)bytes, ECH_ARENA_UNIT_BYTES);
    }
    arena->top = order_for(units + 1) - 1;
    const size_t count = (size_t)1 << arena->top;
    arena->order_of = ech_calloc(count, sizeof *arena->order_of);
    arena->next = ech_alloc(count * sizeof *arena->next);
    arena->previous = ech_alloc(count * sizeof *arena->previous);
    if (arena->order_of == NULL || arena->next == NULL || arena->previous == NULL) {
        ech_pool_arena_clear(arena);
        return ECH_ERR_MEMORY;
    }
    for (uint32_t order = 0; order < ECH_ARENA_ORDERS; order++) {
        arena->first[order] = no_unit;
    }
    push_free(arena, 0, arena->top);
    return ECH_OK;
}

void ech_pool_arena_clear(ech_pool_arena *arena)
{
    ech_free(arena->order_of);
    ech_free(arena->next);
    ech_free(arena->previous);
    memset(arena, 0, sizeof *arena);
}

uint64_t ech_pool_arena_units(const ech_pool_arena *arena)
{
    return UINT64_C(1) << arena->top;
}

uint64_t ech_pool_arena_take(ech_pool_arena *arena, uint64_t bytes, uint64_t units_share)
{
    const uint64_t units = (bytes + ECH_ARENA_UNIT_BYTES - 1) / ECH_ARENA_UNIT_BYTES;
    const uint32_t order = order_for(units);
    uint32_t from = order;
    while (from <= arena->top && arena->first[from] == no_unit) {
        from++;
    }
    if (from > arena->top || arena->units_used + (UINT64_C(1) << order) > units_share) {
        return UINT64_MAX;
    }
    const uint32_t unit = arena->first[from];
    remove_free(arena, unit, from);
    while (from > order) {
        from--;
        push_free(arena, unit + (1U << from), from);
    }
    arena->order_of[unit] = (uint8_t)(order + 1);
    arena->units_used += UINT64_C(1) << order;
    return (uint64_t)unit * ECH_ARENA_UNIT_BYTES;
}

void ech_pool_arena_give(ech_pool_arena *arena, uint64_t offset)
{
    uint32_t unit = (uint32_t)(offset / ECH_ARENA_UNIT_BYTES);
    uint32_t order = arena->order_of[unit] - 1U;
    arena->units_used -= UINT64_C(1) << order;
    arena->order_of[unit] = 0;
    while (order < arena->top) {
        const uint32_t buddy = unit ^ (1U << order);
        if (arena->order_of[buddy] != (uint8_t)(free_bit | (order + 1))) {
            break;
        }
        remove_free(arena, buddy, order);
        unit = unit < buddy ? unit : buddy;
        order++;
    }
    push_free(arena, unit, order);
}
