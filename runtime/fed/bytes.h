/**
 * @file bytes.h
 * Logical bytes: what a round sends over each edge of the tree, whoever shares memory.
 *
 * Aggregating in the tree, each edge with a participant below it carries the model once down and
 * once up. A flat server reached through the same tree sends the model once down each such edge,
 * but gets every worker's update over all edges of its path. Not collective.
 */
#ifndef ECH_FED_BYTES_H
#define ECH_FED_BYTES_H

#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/topology.h"

typedef struct {
    uint64_t edges; /* edges between tier - 1 and this tier that have a participant below */
    uint64_t
        updates; /* participants below those edges: updates that a flat server gets over them */
} ech_tier_traffic;

/**
 * Count a round's traffic by tier.
 *
 * @param workers      worker numbers that take part, each once, in any order; NULL for all workers.
 * @param[out] tiers   ech_topology_tier_count entries; entry 0 (above the leader) is zero.
 * @return ECH_OK; ECH_ERR_MEMORY.
 */
ech_status ech_bytes_count(const ech_topology *topology, const uint32_t *workers, uint32_t count,
                           ech_tier_traffic *tiers);

#endif
