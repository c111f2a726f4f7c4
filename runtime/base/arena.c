#include "runtime/base/arena.h"

#include <stdalign.h>
#include <string.h>

#include "runtime/base/memory.h"

enum { CHUNK_BYTES = 16 << 10 };

struct ech_arena_chunk {
    ech_arena_chunk *older;
    size_t used;
    size_t capacity;
    alignas(max_align_t) unsigned char bytes[];
};

static size_t round_up(size_t bytes)
{
    return (bytes + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
}

static ech_arena_chunk *add_chunk(ech_arena *arena, size_t needed)
{
    const size_t capacity = needed > CHUNK_BYTES ? needed : CHUNK_BYTES;
    ech_arena_chunk *chunk = ech_calloc(1, sizeof *chunk + capacity);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->capacity = capacity;
    chunk->older = arena->newest;
    arena->newest = chunk;
    return chunk;
}

void *ech_arena_take(ech_arena *arena, size_t bytes)
{
    const size_t needed = round_up(bytes);
    ech_arena_chunk *chunk = arena->newest;
    if (chunk == NULL || chunk->capacity - chunk->used < needed) {
        chunk = add_chunk(arena, needed);
    }
    if (chunk == NULL) {
        return NULL;
    }
    void *block = chunk->bytes + chunk->used;
    chunk->used += needed;
    return block;
}

char *ech_arena_copy(ech_arena *arena, const char *text, size_t length)
{
    char *copy = ech_arena_take(arena, length + 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
    }
    return copy;
}

void ech_arena_clear(ech_arena *arena)
{
    while (arena->newest != NULL) {
        ech_arena_chunk *older = arena->newest->older;
        ech_free(arena->newest);
        arena->newest = older;
    }
}
