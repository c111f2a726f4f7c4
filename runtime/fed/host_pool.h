/**
 * @file host_pool.h
 * Which of a host's numbers are free, of its slots or its cells, for each host of a machine. Rank
 * 0's; not collective.
 */
#ifndef ECH_FED_HOST_POOL_H
#define ECH_FED_HOST_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef struct ech_host_pool ech_host_pool;

/** Numbers [first, first + count) of each host, all free. @return ECH_OK or ECH_ERR_MEMORY. */
ech_status ech_host_pool_create(uint32_t host_count, uint32_t first, uint32_t count,
                                ech_host_pool **out);
void ech_host_pool_destroy(ech_host_pool **pool);

bool ech_host_pool_is_empty(const ech_host_pool *pool, uint32_t host);

/** One that is free: the lowest of those never taken, or the last that was given back. The pool of
 * the host is not empty. */
uint32_t ech_host_pool_take(ech_host_pool *pool, uint32_t host);
void ech_host_pool_give(ech_host_pool *pool, uint32_t host, uint32_t number);

#endif
