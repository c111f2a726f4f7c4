/**
 * @file slab.h
 * Many small objects of one size: taken and given back in constant time, from blocks that grow with
 * their number and are freed together. Last in, first out, so that the memory in use stays in the
 * cache. One owner.
 */
#ifndef ECH_TASK_SLAB_H
#define ECH_TASK_SLAB_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef struct {
    void *free_list; /* linked through the first word of each object */
    void *blocks;    /* linked through the first word of each block */
    char *fresh;     /* objects never used yet, to `fresh_end` */
    char *fresh_end;
    size_t object_bytes;
    size_t block_count;
    size_t held_bytes;
} ech_slab;

/** `object_bytes` a multiple of 16. Allocates nothing. */
void ech_slab_init(ech_slab *slab, size_t object_bytes);
/** Free all blocks, objects in use included. */
void ech_slab_clear(ech_slab *slab);
/** One object, its content undefined; NULL if memory is out. */
void *ech_slab_take(ech_slab *slab);
void ech_slab_give(ech_slab *slab, void *object);

#endif
