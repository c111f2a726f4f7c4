#include "runtime/fed/host_pool.h"

#include <assert.h>

#include "runtime/base/memory.h"

struct ech_host_pool {
    uint32_t size;    /* numbers of a host */
    uint32_t *counts; /* of the free ones, by host */
    uint32_t *free;   /* `size` of each host; the last is taken next */
};

ech_status ech_host_pool_create(uint32_t host_count, uint32_t first, uint32_t count,
                                ech_host_pool **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->size = count;
    (*out)->counts = ech_calloc(host_count, sizeof *(*out)->counts);
    (*out)->free = ech_calloc((uint64_t)host_count * count, sizeof *(*out)->free);
    if ((*out)->counts == NULL || (*out)->free == NULL) {
        ech_host_pool_destroy(out);
        return ECH_ERR_MEMORY;
    }
    for (uint32_t host = 0; host < host_count; host++) {
        for (uint32_t i = count; i-- > 0;) {
            ech_host_pool_give(*out, host, first + i);
        }
    }
    return ECH_OK;
}

void ech_host_pool_destroy(ech_host_pool **pool)
{
    if (pool == NULL || *pool == NULL) {
        return;
    }
    ech_free((*pool)->counts);
    ech_free((*pool)->free);
    ech_free(*pool);
    *pool = NULL;
}

bool ech_host_pool_is_empty(const ech_host_pool *pool, uint32_t host)
{
    return pool->counts[host] == 0;
}

uint32_t ech_host_pool_take(ech_host_pool *pool, uint32_t host)
{
    assert(pool->counts[host] > 0);
    return pool->free[(uint64_t)host * pool->size + --pool->counts[host]];
}

void ech_host_pool_give(ech_host_pool *pool, uint32_t host, uint32_t number)
{
    assert(pool->counts[host] < pool->size);
    pool->free[(uint64_t)host * pool->size + pool->counts[host]++] = number;
}
