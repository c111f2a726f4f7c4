/**
 * @file arena.h
 * Many small blocks that live and die together.
 *
 * Not collective; one owner.
 */
#ifndef ECH_BASE_ARENA_H
#define ECH_BASE_ARENA_H

#include <stddef.h>

typedef struct ech_arena_chunk ech_arena_chunk;

/** Starts zeroed; a value of its owner. */
typedef struct {
    ech_arena_chunk *newest;
} ech_arena;

/** Zeroed bytes, aligned for any type; NULL with the message set if memory is out. */
void *ech_arena_take(ech_arena *arena, size_t bytes);

/** A copy of `length` bytes of text, ended by a NUL. */
char *ech_arena_copy(ech_arena *arena, const char *text, size_t length);

/** Free all blocks at once; the arena is then as new. */
void ech_arena_clear(ech_arena *arena);

#endif
