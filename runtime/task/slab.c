#include "runtime/task/slab.h"

#include <string.h>

#include "runtime/base/memory.h"

/* The header keeps the objects behind it aligned to a cache line. */
enum { FIRST_BLOCK_OBJECTS = 64, LAST_BLOCK_OBJECTS = 4096, HEADER_BYTES = 64 };

void ech_slab_init(ech_slab *slab, size_t object_bytes)
{
    memset(slab, 0, sizeof *slab);
    slab->object_bytes = object_bytes;
}

void ech_slab_clear(ech_slab *slab)
{
    while (slab->blocks != NULL) {
        void *block = slab->blocks;
        memcpy(&slab->blocks, block, sizeof(void *));
        ech_free(block);
    }
    ech_slab_init(slab, slab->object_bytes);
}

static ech_status add_block(ech_slab *slab)
{
    size_t objects = (size_t)FIRST_BLOCK_OBJECTS << slab->block_count;
    if (slab->block_count > 6 || objects > LAST_BLOCK_OBJECTS) {
        objects = LAST_BLOCK_OBJECTS;
    }
    const size_t bytes = HEADER_BYTES + objects * slab->object_bytes;
    char *block = ech_alloc(bytes);
    if (block == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_memory_populate(block, bytes);
    memcpy(block, &slab->blocks, sizeof slab->blocks);
    slab->blocks = block;
    slab->fresh = block + HEADER_BYTES;
    slab->fresh_end = block + bytes;
    slab->block_count++;
    slab->held_bytes += bytes;
    return ECH_OK;
}

void *ech_slab_take(ech_slab *slab)
{
    if (slab->free_list != NULL) {
        void *object = slab->free_list;
        memcpy(&slab->free_list, object, sizeof(void *));
        return object;
    }
    if (slab->fresh == slab->fresh_end && add_block(slab) != ECH_OK) {
        return NULL;
    }
    void *object = slab->fresh;
    slab->fresh += slab->object_bytes;
    return object;
}

void ech_slab_give(ech_slab *slab, void *object)
{
    memcpy(object, &slab->free_list, sizeof(void *));
    slab->free_list = object;
}
